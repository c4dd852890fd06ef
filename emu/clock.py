"""Time of the machine, virtual or real.

The virtual clock makes a run reproducible: time passes only because the guest executes basic blocks or the kernel
charges work, and when every task sleeps it jumps to the next deadline.  A block counts BLOCK_NS nanoseconds if nothing
else is asked for, which is about what it costs on the host, so that a program spinning for a second neither ends at once
nor takes a minute.  A program that spins for minutes is better served by a slower machine, with more nanoseconds a block.
The real clock follows the host and really waits.

The time stamp counter runs at 1 GHz: one tick a nanosecond of CLOCK_MONOTONIC.
"""

from __future__ import annotations

import time
from collections.abc import Callable

BLOCK_NS = 10
"""Virtual nanoseconds per basic block."""
BOOT_MONOTONIC_NS = 100_000_000_000
"""CLOCK_MONOTONIC of the first instruction: a machine that is up since 100 s (0 looks like "unset" to programs)."""
BOOT_REALTIME_NS = 1_704_067_200_000_000_000
"""CLOCK_REALTIME of the first instruction of a virtual run: 2024-01-01 00:00:00 UTC."""


class VirtualClock:
    """Deterministic time: the run loop moves ``now`` for what is executed, sleeping jumps it."""

    __slots__ = ("_offset", "block_ns", "now")

    virtual = True

    def __init__(self, realtime: int = BOOT_REALTIME_NS, block_ns: int = BLOCK_NS) -> None:
        """Start at BOOT_MONOTONIC_NS; ``realtime`` is CLOCK_REALTIME at that moment, in ns since 1970.

        ``block_ns``: nanoseconds a basic block takes, at least 1.
        """
        self.block_ns = block_ns
        self.now = BOOT_MONOTONIC_NS
        self._offset = realtime - BOOT_MONOTONIC_NS

    def monotonic(self) -> int:
        return self.now

    def realtime(self) -> int:
        return self.now + self._offset

    def set_realtime(self, ns: int) -> None:
        self._offset = ns - self.now

    def sleep_until(self, deadline: int | None) -> None:
        """Jump to ``deadline``; without one nothing can happen any more and time stands still."""
        if deadline is not None and deadline > self.now:
            self.now = deadline

    def blocks_until(self, deadline: int) -> int:
        return max(1, -((self.now - deadline) // self.block_ns))

    def tsc(self, blocks: int) -> int:
        """Return the time stamp counter ``blocks`` uncharged basic blocks from now."""
        return self.now + blocks * self.block_ns


class RealClock:
    """The host's time; sleeping goes through ``wait`` so that input and signals of the host can end it."""

    __slots__ = ("_boot", "_offset", "_wait", "now")

    virtual = False
    block_ns = BLOCK_NS

    def __init__(self, wait: Callable[[float | None], None] | None = None) -> None:
        """``wait(seconds)`` blocks at most that long (None: for ever) and returns early when the host has something
        for the guest; without it plain ``time.sleep`` is used."""
        self._boot = time.monotonic_ns() - BOOT_MONOTONIC_NS
        self._offset = time.time_ns() - BOOT_MONOTONIC_NS
        self._wait = wait if wait is not None else _sleep
        self.now = 0
        """What the run loop moves: nobody looks at it, real time passes by itself."""

    def monotonic(self) -> int:
        return time.monotonic_ns() - self._boot

    def realtime(self) -> int:
        return time.monotonic_ns() - self._boot + self._offset

    def set_realtime(self, ns: int) -> None:
        self._offset = ns - self.monotonic()

    def sleep_until(self, deadline: int | None) -> None:
        if deadline is None:
            self._wait(None)
            return
        left = deadline - self.monotonic()
        if left > 0:
            self._wait(left / 1e9)

    def blocks_until(self, deadline: int) -> int:
        return max(1, (deadline - self.monotonic()) // BLOCK_NS)

    def tsc(self, blocks: int) -> int:
        """Return the time stamp counter now (the blocks have already taken their time)."""
        return self.monotonic()


def _sleep(seconds: float | None) -> None:
    """Wait without a source of events: a bounded nap when there is no deadline, so that the caller can look again."""
    time.sleep(0.05 if seconds is None else seconds)
