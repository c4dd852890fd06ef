"""timerfd_create(2): a timer whose expirations are read as a count (fs/timerfd.c).

An absolute CLOCK_REALTIME timer follows the wall clock: when somebody sets the time its monotonic deadline is computed
anew, and with TFD_TIMER_CANCEL_ON_SET the next read reports ECANCELED instead.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kernel.clocks import KTIME_MAX, is_realtime, to_monotonic
from kernel.errno import Errno
from kernel.fs.anon import AnonFile
from kernel.fs.file import O_RDWR, POLLIN
from kernel.waitqueue import WaitQueue

if TYPE_CHECKING:
    from kernel.kernel import Kernel
    from kernel.task import Thread
    from kernel.timers import Timer

TFD_TIMER_ABSTIME = 1
TFD_TIMER_CANCEL_ON_SET = 2
TFD_IOC_SET_TICKS = 0x40085400


class TimerFd(AnonFile):
    """``clock``: a CLOCK_* id; ``ticks``: expirations not yet read; ``interval`` in ns, 0 for a single shot.

    ``expires``: monotonic ns of the next expiration, or of the last one if it is not followed by another yet, None if
    disarmed; ``wall``: the same on the wall clock while an absolute CLOCK_REALTIME time is followed; ``expired``: it fired
    since the count was asked for.
    """

    __slots__ = (
        "kernel", "clock", "ticks", "interval", "expires", "wall", "timer", "wait", "expired", "cancel_on_set", "canceled",
        "_set",
    )  # fmt: skip

    NAME = b"[timerfd]"
    READ_WCHAN = "timerfd_read"

    def __init__(self, kernel: Kernel, clock: int, flags: int) -> None:
        super().__init__(O_RDWR | flags)
        self.kernel = kernel
        self.clock = clock
        self.ticks = 0
        self.interval = 0
        self.expires: int | None = None
        self.wall: int | None = None
        self.timer: Timer | None = None
        self.wait = WaitQueue()
        self.expired = False
        self.cancel_on_set = self.canceled = False
        self._set = self._clock_was_set
        if is_realtime(clock):
            kernel.timekeeping.clock_was_set.add(self._set)

    def _arm(self) -> None:
        if self.timer is not None:
            self.kernel.timers.cancel(self.timer)
            self.timer = None
        if self.expires is not None and self.expires < KTIME_MAX:
            self.timer = self.kernel.timers.add(self.expires, self._fire)

    def _fire(self) -> None:
        """One expiration.  An interval goes on only when the count is asked for, so that a short one nobody looks at
        costs nothing (timerfd_tmrproc)."""
        self.timer = None
        self.expired = True
        self.ticks += 1
        self.wall = self.wall if self.interval else None
        self.wait.wake_all(POLLIN)

    def _catch_up(self) -> None:
        """Count the intervals that passed since the last expiration and start the next (hrtimer_forward_now)."""
        if not self.expired or not self.interval:
            return
        assert self.expires is not None
        self.expired = False
        passed = (self.kernel.clock.monotonic() - self.expires) // self.interval
        self.ticks += passed
        step = (passed + 1) * self.interval
        self.expires += step
        if self.wall is not None:
            self.wall += step
        self._arm()

    def _clock_was_set(self, key: object) -> bool:
        if self.wall is not None and not self.expired:
            self.expires = to_monotonic(self.kernel, self.clock, self.wall)
            self._arm()
        if self.cancel_on_set:
            self.canceled = True
            self.wait.wake_all(POLLIN)
        return True

    def settime(self, value: int, interval: int, flags: int) -> tuple[int, int]:
        """Arm to ``value`` ns (0 disarms), from now or absolute; return the old (remaining, interval)."""
        old = self.gettime()
        absolute = bool(flags & TFD_TIMER_ABSTIME)
        real = is_realtime(self.clock)
        self.cancel_on_set = real and absolute and bool(flags & TFD_TIMER_CANCEL_ON_SET)
        canceled, self.canceled = self.canceled, False
        self.ticks = 0
        self.expired = False
        self.interval = interval
        self.wall = None
        if not value:
            self.expires = None
        elif absolute:
            self.expires = to_monotonic(self.kernel, self.clock, value)
            self.wall = value if real else None
        else:
            self.expires = min(self.kernel.clock.monotonic() + value, KTIME_MAX)
        self._arm()
        if canceled and self.cancel_on_set:
            # The caller learns that the clock was set since it last looked (timerfd_settime, ERRORS).
            raise Errno.ECANCELED
        return old

    def gettime(self) -> tuple[int, int]:
        """Return (ns until the next expiration, interval in ns); (0, ...) if disarmed."""
        self._catch_up()
        left = self.expires - self.kernel.clock.monotonic() if self.expires is not None else 0
        return max(0, left), self.interval

    def read(self, t: Thread, size: int) -> bytes:
        """The number of expirations as 8 bytes.  EINVAL: smaller buffer; ECANCELED: the clock was set."""
        if size < 8:
            raise Errno.EINVAL
        if self.canceled:
            self.canceled = False
            self.ticks = 0
            raise Errno.ECANCELED
        if not self.ticks:
            raise Errno.EAGAIN
        self._catch_up()
        self.expired = False
        ticks, self.ticks = self.ticks, 0
        return struct.pack("<Q", ticks)

    def poll(self, t: Thread) -> int:
        return POLLIN if self.ticks or self.canceled else 0

    def queues(self, t: Thread) -> tuple[WaitQueue, ...]:
        return (self.wait,)

    def ioctl(self, t: Thread, command: int, argument: int) -> int:
        if command != TFD_IOC_SET_TICKS:
            raise Errno.ENOTTY
        ticks = t.mm.read_u64(argument)  # type: ignore[union-attr]
        if not ticks:
            raise Errno.EINVAL
        self.ticks = ticks
        self.wait.wake_all(POLLIN)
        return 0

    def release(self) -> None:
        self.expires = None
        self._arm()
        self.kernel.timekeeping.clock_was_set.remove(self._set)
