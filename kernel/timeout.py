"""Deadlines of sleeping system calls, on a clock that may be set while they sleep.

A relative time-out is a monotonic deadline and nothing can move it.  An absolute one on CLOCK_REALTIME moves when
somebody sets the time (clock_settime(2), NOTES: absolute timers notice, relative ones do not): such a sleep also waits on
``kernel.timekeeping.clock_was_set``, wakes without an event, and its loop asks for the deadline again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.clocks import CLOCK_MONOTONIC, KTIME_MAX, is_realtime, to_monotonic
from kernel.waitqueue import INTERRUPTIBLE, Block, WaitQueue

if TYPE_CHECKING:
    from kernel.kernel import Kernel


class Timeout:
    """An absolute deadline: ``when`` in ns on ``clock`` (a wall or monotonic clock, not a CPU clock)."""

    __slots__ = ("clock", "when")

    def __init__(self, clock: int, when: int) -> None:
        self.clock = clock
        self.when = when

    @classmethod
    def after(cls, kernel: Kernel, ns: int) -> Timeout:
        """Return the deadline ``ns`` from now."""
        return cls(CLOCK_MONOTONIC, min(kernel.clock.monotonic() + ns, KTIME_MAX))

    def deadline(self, kernel: Kernel) -> int | None:
        """Return it as monotonic ns, as the clocks stand now; None if it is beyond all time."""
        return None if self.when >= KTIME_MAX else to_monotonic(kernel, self.clock, self.when)

    def block(self, kernel: Kernel, what: str, *queues: WaitQueue, state: int = INTERRUPTIBLE) -> Block:
        """Return the request to sleep on ``queues`` until the deadline (or until the clock is set)."""
        if is_realtime(self.clock):
            queues = (*queues, kernel.timekeeping.clock_was_set)
        return Block(what, *queues, deadline=self.deadline(kernel), state=state)
