"""Timers of the kernel: a heap of deadlines, cancelled lazily (``hrtimer`` without the hardware)."""

from __future__ import annotations

import heapq
from collections.abc import Callable


class Timer:
    """One pending call-back; ``deadline`` is monotonic ns."""

    __slots__ = ("deadline", "callback", "sequence")

    def __init__(self, deadline: int, callback: Callable[[], None], sequence: int) -> None:
        self.deadline = deadline
        self.callback: Callable[[], None] | None = callback
        self.sequence = sequence

    def __lt__(self, other: Timer) -> bool:
        return (self.deadline, self.sequence) < (other.deadline, other.sequence)

    @property
    def pending(self) -> bool:
        """True until it fired or was cancelled."""
        return self.callback is not None


class TimerQueue:
    """All timers of a machine.  Those of equal deadline fire in the order they were added.

    ``next`` is the earliest deadline (monotonic ns) or a value beyond all time; the run loop compares it at every trap,
    so it may be early (a cancelled timer) but never late.  A deadline of NEVER or later is never reached.
    """

    __slots__ = ("_heap", "_sequence", "_cancelled", "next")

    NEVER = (1 << 63) - 1
    """KTIME_MAX."""

    def __init__(self) -> None:
        self._heap: list[Timer] = []
        self._sequence = 0
        self._cancelled = 0
        self.next = self.NEVER

    def add(self, deadline: int, callback: Callable[[], None]) -> Timer:
        """Call ``callback()`` once monotonic time reaches ``deadline`` ns."""
        self._sequence += 1
        timer = Timer(deadline, callback, self._sequence)
        heapq.heappush(self._heap, timer)
        self.next = self._heap[0].deadline
        return timer

    def cancel(self, timer: Timer) -> None:
        """Forget a timer; no effect if it already fired."""
        if timer.callback is None:
            return
        timer.callback = None
        self._cancelled += 1
        if self._cancelled > 64 and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry.callback is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0
        self._trim()

    def _trim(self) -> None:
        heap = self._heap
        while heap and heap[0].callback is None:
            heapq.heappop(heap)
            self._cancelled -= 1
        self.next = heap[0].deadline if heap else self.NEVER

    def fire(self, now: int) -> None:
        """Run everything due at ``now``."""
        heap = self._heap
        while heap and heap[0].deadline <= now:
            timer = heapq.heappop(heap)
            callback = timer.callback
            if callback is None:
                self._cancelled -= 1
                continue
            timer.callback = None
            callback()
            heap = self._heap
        self._trim()
