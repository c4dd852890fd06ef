"""The state of the machine's wall clock: who must know when it is set, and what adjtimex(2) shows.

The clock runs at exactly its rate, so frequency, tick and offset are remembered for those who read them back and slew
nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.waitqueue import WaitQueue

if TYPE_CHECKING:
    from kernel.kernel import Kernel

STA_UNSYNC = 0x0040
MAX_PHASE_ERROR = 16_000_000
"""NTP_PHASE_LIMIT in us: the error of a clock nobody disciplines."""


class Timekeeping:
    """``clock_was_set``: woken when CLOCK_REALTIME jumps.  The rest are the fields of ``struct timex``, in its units."""

    __slots__ = ("clock_was_set", "constant", "esterror", "freq", "maxerror", "offset", "status", "tai", "tick")

    def __init__(self) -> None:
        self.clock_was_set = WaitQueue()
        self.offset = 0
        self.freq = 0
        self.maxerror = MAX_PHASE_ERROR
        self.esterror = MAX_PHASE_ERROR
        self.status = STA_UNSYNC
        self.constant = 2
        self.tick = 10_000
        self.tai = 0

    def set_realtime(self, kernel: Kernel, ns: int) -> None:
        """Set CLOCK_REALTIME to ``ns`` since 1970 and let absolute deadlines move (clock_was_set)."""
        kernel.clock.set_realtime(ns)
        self.status |= STA_UNSYNC
        self.maxerror = self.esterror = MAX_PHASE_ERROR
        self.clock_was_set.wake_all()
