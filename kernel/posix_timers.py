"""POSIX per-process timers (timer_create(2), kernel/time/posix-timers.c).

A timer owns one signal-queue entry for life, so its signal can never be refused and is never queued twice.  While the
entry is queued a periodic timer stands still; when the signal is collected the timer is moved past now in whole
intervals, and how many were skipped is the overrun count reported with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kernel.clocks import (
    CLOCK_MONOTONIC,
    KTIME_MAX,
    cpu_clock_target,
    is_cpu_clock,
    is_realtime,
    read_clock,
    read_cpu_clock,
    to_monotonic,
)
from kernel.cpu_timers import CpuTimer
from kernel.errno import Errno
from kernel.itimer import cancel_itimers
from kernel.signal import SI_TIMER, SigInfo, SigQueue
from kernel.signal_pending import recalc_sigpending
from kernel.signal_send import allocate, send_sigqueue

if TYPE_CHECKING:
    from kernel.task import Process, Thread
    from kernel.timers import Timer

SIGEV_SIGNAL = 0
SIGEV_NONE = 1
SIGEV_THREAD = 2
SIGEV_THREAD_ID = 4
OVERRUN_MAX = 0x7FFFFFFF
_IGNORED_INTERVAL = 4_000_000
"""A periodic timer whose signal is ignored runs no faster than a jiffy (posix_timer_fn of Linux 6.12)."""


class SigEvent(NamedTuple):
    """``struct sigevent``: SIGEV_* ``notify``, the signal, the sigval as unsigned 64-bit, and for SIGEV_THREAD_ID the
    thread."""

    notify: int
    signo: int
    value: int
    thread: Thread | None = None


class PosixTimers:
    """The timers of one process by id; ids are never used twice in a process's life."""

    __slots__ = ("next_id", "timers")

    def __init__(self) -> None:
        self.timers: dict[int, PosixTimer] = {}
        self.next_id = 0


class PosixTimer:
    """One timer.  ``expires``: the next (or last) expiry in ns, None: disarmed.  ``interval`` in ns.

    ``base`` is the clock ``expires`` is on: a relative time on CLOCK_REALTIME counts on the monotonic clock, so that
    setting the time does not move it.
    """

    __slots__ = (
        "_hook", "armed", "base", "clock", "cpu", "entry", "event", "expires", "interval", "number", "overrun", "owner", "target",
        "timer",
    )  # fmt: skip

    def __init__(self, t: Thread, number: int, clock: int, event: SigEvent) -> None:
        self.owner = t.process
        self.number = number
        self.clock = self.base = clock
        self.event = event
        self.target = cpu_clock_target(t, clock) if is_cpu_clock(clock) else None
        self.expires: int | None = None
        self.interval = 0
        self.overrun = 0
        self.armed = False
        self.timer: Timer | None = None
        self.cpu: CpuTimer | None = None
        self.entry: SigQueue | None = None
        self._hook = False

    # -- time -----------------------------------------------------------------------------------------------------
    def now(self) -> int:
        """Return what the timer's clock shows."""
        if self.target is not None:
            return read_cpu_clock(*self.target)
        return read_clock(self.owner.rep, self.base)

    def _forward(self) -> int:
        """Move ``expires`` past now in whole intervals; return how many (hrtimer_forward)."""
        assert self.expires is not None
        late = self.now() - self.expires
        if late < 0:
            return 0
        steps = late // self.interval + 1
        self.expires += steps * self.interval
        return steps

    # -- arming ---------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Arm it for ``expires``."""
        self.armed = True
        if self.event.notify == SIGEV_NONE:
            return
        assert self.expires is not None
        if self.target is not None:
            self.cpu = CpuTimer(*self.target, self.expires, self._expired)
            self.cpu.arm()
            return
        kernel = self.owner.kernel
        if self.expires < KTIME_MAX:
            self.timer = kernel.timers.add(to_monotonic(kernel, self.base, self.expires), self._expired)
        if is_realtime(self.base) and not self._hook:
            kernel.timekeeping.clock_was_set.add(self._clock_was_set)
            self._hook = True

    def stop(self) -> None:
        """Disarm it and forget a signal of it that is still queued."""
        self._stop_clock()
        self.armed = False
        entry = self.entry
        if entry is not None and entry.queued:
            self.owner.shared_pending.remove(entry)
            for t in self.owner.threads:
                t.pending.remove(entry)
                recalc_sigpending(t)

    def _stop_clock(self) -> None:
        kernel = self.owner.kernel
        if self.timer is not None:
            kernel.timers.cancel(self.timer)
            self.timer = None
        if self.cpu is not None:
            self.cpu.cancel()
            self.cpu = None
        if self._hook:
            kernel.timekeeping.clock_was_set.remove(self._clock_was_set)
            self._hook = False

    def _clock_was_set(self, key: object) -> bool:
        if self.timer is not None and self.timer.pending:
            self._stop_clock()
            self.start()
        return False

    # -- expiry ---------------------------------------------------------------------------------------------------
    def _expired(self) -> None:
        self.timer = self.cpu = None
        process, entry = self.owner, self.entry
        if not process.live or entry is None or entry.queued:
            return
        target = self.event.thread
        if send_sigqueue(process.rep if target is None else target, entry, group=target is None):
            if not self.interval:
                self.armed = False
        elif self.interval:
            self._forward()
            assert self.expires is not None
            if self.target is None and self.interval < _IGNORED_INTERVAL:
                self.expires = max(self.expires, self.now() + _IGNORED_INTERVAL)
            self.start()
        else:
            self.armed = False

    def collected(self, info: SigInfo) -> SigInfo:
        """The signal is being delivered: go on, and return its siginfo with the overrun count (posixtimer_rearm)."""
        self.overrun = 0
        if self.interval and self.armed:
            self.overrun = min(max(self._forward() - 1, 0), OVERRUN_MAX)
            self.start()
        return info._replace(overrun=self.overrun)


def create(t: Thread, clock: int, event: SigEvent) -> PosixTimer:
    """Make a disarmed timer.  EAGAIN beyond RLIMIT_SIGPENDING; EINVAL for a CPU clock that names nobody."""
    timers = t.process.posix_timers
    timer = PosixTimer(t, timers.next_id, clock, event)
    info = SigInfo(signo=event.signo, code=SI_TIMER, timerid=timer.number, value=event.value)
    entry = allocate(t, info, unlimited=False)
    if entry is None:
        raise Errno.EAGAIN
    entry.on_dequeue = timer.collected
    timer.entry = entry
    timers.next_id = timers.next_id + 1 & 0x7FFFFFFF
    timers.timers[timer.number] = timer
    return timer


def find(t: Thread, number: int) -> PosixTimer:
    """Return a timer of the caller's process by id.  EINVAL if there is none."""
    timer = t.process.posix_timers.timers.get(number)
    if timer is None:
        raise Errno.EINVAL
    return timer


def get_time(timer: PosixTimer) -> tuple[int, int]:
    """Return (ns to the next expiry, interval in ns); 0 left means disarmed (common_timer_get)."""
    if timer.expires is None or (not timer.armed and not timer.interval):
        return 0, timer.interval
    silent = timer.event.notify == SIGEV_NONE
    expires, now = timer.expires, timer.now()
    if timer.interval and expires <= now:
        expires += ((now - expires) // timer.interval + 1) * timer.interval
    if expires <= now:
        return (0 if silent else 1), timer.interval
    return expires - now, timer.interval


def set_time(timer: PosixTimer, value: int, interval: int, absolute: bool) -> tuple[int, int]:
    """Arm for ``value`` ns (from now, or on the timer's clock if ``absolute``), or disarm with 0; return the old setting."""
    old = get_time(timer)
    timer.stop()
    timer.overrun = 0
    timer.interval = interval if value else 0
    timer.expires = None
    if not value:
        return old
    timer.base = CLOCK_MONOTONIC if not absolute and is_realtime(timer.clock) else timer.clock
    timer.expires = min(value if absolute else timer.now() + value, KTIME_MAX)
    timer.start()
    return old


def delete(timer: PosixTimer) -> None:
    """Delete a timer."""
    timer.stop()
    if timer.entry is not None:
        timer.entry.free()
    del timer.owner.posix_timers.timers[timer.number]


def exec_timers(process: Process) -> None:
    """execve(2): POSIX timers are deleted, interval timers stay."""
    for timer in list(process.posix_timers.timers.values()):
        delete(timer)


def exit_itimers(process: Process) -> None:
    """The last thread of a process exits: delete and stop all its timers."""
    cancel_itimers(process)
    exec_timers(process)
    process.cpu_timers.clear()
