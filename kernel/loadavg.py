"""Load averages: how many tasks wanted to run, averaged over 1, 5 and 15 minutes (kernel/sched/loadavg.c).

Every five seconds the averages move towards the number of tasks that run, can run or sleep uninterruptibly.  Here nothing
happens every five seconds: what was missed is caught up with when the machine falls idle, wakes, or somebody asks.
"""

from __future__ import annotations

LOAD_FREQ = 5_000_000_000
"""ns between two samples."""
FSHIFT = 11
FIXED_1 = 1 << FSHIFT
EXP = (1884, 2014, 2037)
"""exp(-5 s / 1, 5, 15 min) in units of FIXED_1."""


def _power(x: int, n: int) -> int:
    """x ** n in units of FIXED_1 (fixed_power_int)."""
    result = FIXED_1
    while n:
        if n & 1:
            result = (result * x + (FIXED_1 >> 1)) >> FSHIFT
        n >>= 1
        x = (x * x + (FIXED_1 >> 1)) >> FSHIFT
    return result


def _calc(load: int, exp: int, active: int) -> int:
    moved = load * exp + active * (FIXED_1 - exp)
    if active >= load:
        moved += FIXED_1 - 1
    return moved // FIXED_1


class LoadAverage:
    """``loads`` for 1, 5 and 15 minutes in units of FIXED_1; ``next``: monotonic time of the sample to come."""

    __slots__ = ("loads", "next")

    def __init__(self, now: int) -> None:
        self.loads = (0, 0, 0)
        self.next = now + LOAD_FREQ

    def catch_up(self, now: int, active: int) -> None:
        """Take the samples up to ``now``; ``active`` tasks wanted to run all the time."""
        if now < self.next:
            return
        missed = (now - self.next) // LOAD_FREQ + 1
        self.next += missed * LOAD_FREQ
        one, five, fifteen = (
            _calc(load, _power(exp, missed), active << FSHIFT) for load, exp in zip(self.loads, EXP, strict=True)
        )
        self.loads = (one, five, fifteen)

    def shown(self) -> tuple[tuple[int, int], ...]:
        """Return the averages as (whole, hundredths), rounded as /proc/loadavg does."""
        rounded = [load + FIXED_1 // 200 for load in self.loads]
        return tuple((load >> FSHIFT, (load & FIXED_1 - 1) * 100 >> FSHIFT) for load in rounded)
