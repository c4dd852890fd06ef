"""Interval timers and POSIX timers."""

from __future__ import annotations

import struct
from typing import Annotated

from kernel import itimer, posix_timers
from kernel.clocks import (
    CLOCK_BOOTTIME,
    CLOCK_BOOTTIME_ALARM,
    CLOCK_MONOTONIC,
    CLOCK_MONOTONIC_COARSE,
    CLOCK_MONOTONIC_RAW,
    CLOCK_REALTIME,
    CLOCK_REALTIME_ALARM,
    CLOCK_REALTIME_COARSE,
    CLOCK_TAI,
    is_cpu_clock,
    is_device_clock,
    timens_to_host,
)
from kernel.errno import Errno
from kernel.pid import ns_of
from kernel.posix_timers import SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD, SIGEV_THREAD_ID, SigEvent
from kernel.signal import SIGALRM, SIGRTMAX
from kernel.task import Thread
from syscalls.table import syscall
from syscalls.time_args import itimerspec_ns, itimerval_ns, write_itimerspec, write_itimerval
from syscalls.types import Int, UInt, enum, flags, in_struct, out_struct

ClockId = Annotated[int, enum("clock")]
Which = Annotated[int, enum("itimer")]
ItimervalIn = Annotated[int, in_struct("itimerval")]
ItimervalOut = Annotated[int, out_struct("itimerval")]
ItimerspecIn = Annotated[int, in_struct("itimerspec")]
ItimerspecOut = Annotated[int, out_struct("itimerspec")]
SettimeFlags = Annotated[int, flags("timer_settime")]
TimerIdOut = Annotated[int, out_struct("int")]
Sigevent = Annotated[int, in_struct("sigevent")]

TIMER_ABSTIME = 1
_HAVE_TIMERS = frozenset((CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI))
_NO_TIMERS = frozenset(
    (CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM)
)
_SIGEVENT = struct.Struct("<Qiii44x")


@syscall(36)
def getitimer(t: Thread, which: Which, value: ItimervalOut) -> int:
    """getitimer(2)."""
    if not 0 <= which <= itimer.ITIMER_PROF:
        raise Errno.EINVAL
    write_itimerval(t, value, *itimer.get_itimer(t.process, which))
    return 0


@syscall(38)
def setitimer(t: Thread, which: Which, value: ItimervalIn, ovalue: ItimervalOut) -> int:
    """setitimer(2).  A NULL value stops the timer, as Linux has it."""
    new, interval = itimerval_ns(t, value) if value else (0, 0)
    if not 0 <= which <= itimer.ITIMER_PROF:
        raise Errno.EINVAL
    old = itimer.set_itimer(t.process, which, new, interval)
    if ovalue:
        write_itimerval(t, ovalue, *old)
    return 0


@syscall(37)
def alarm(t: Thread, seconds: UInt) -> int:
    """alarm(2)."""
    return itimer.alarm(t.process, seconds)


def _read_sigevent(t: Thread, address: int) -> SigEvent:
    """Read and check a ``struct sigevent`` (good_sigevent)."""
    assert t.mm is not None
    value, signo, notify, tid = _SIGEVENT.unpack(t.mm.read(address, _SIGEVENT.size))
    thread = None
    if notify == SIGEV_SIGNAL | SIGEV_THREAD_ID:
        thread = ns_of(t).find_thread(tid)
        if thread is None or thread.process is not t.process:
            raise Errno.EINVAL
    elif notify not in (SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD):
        raise Errno.EINVAL
    if notify != SIGEV_NONE and not 0 < signo <= SIGRTMAX:
        raise Errno.EINVAL
    return SigEvent(notify, signo, value, thread)


@syscall(222)
def timer_create(t: Thread, clockid: ClockId, sevp: Sigevent, timerid: TimerIdOut) -> int:
    """timer_create(2).  EOPNOTSUPP: the clock has no timers."""
    assert t.mm is not None
    event = _read_sigevent(t, sevp) if sevp else None
    if clockid not in _HAVE_TIMERS and not is_cpu_clock(clockid):
        raise Errno.EOPNOTSUPP if clockid in _NO_TIMERS or is_device_clock(clockid) else Errno.EINVAL
    if event is None:
        event = SigEvent(SIGEV_SIGNAL, SIGALRM, t.process.posix_timers.next_id)
    timer = posix_timers.create(t, clockid, event)
    try:
        t.mm.write_u32(timerid, timer.number)
    except Errno:
        posix_timers.delete(timer)
        raise
    return 0


@syscall(223)
def timer_settime(t: Thread, timerid: Int, flag_bits: SettimeFlags, new: ItimerspecIn, old: ItimerspecOut) -> int:
    """timer_settime(2)."""
    if not new:
        raise Errno.EINVAL
    value, interval = itimerspec_ns(t, new)
    timer = posix_timers.find(t, timerid)
    absolute = bool(flag_bits & TIMER_ABSTIME)
    if absolute and value:
        value = timens_to_host(t, timer.clock, value)
    previous = posix_timers.set_time(timer, value, interval, absolute)
    if old:
        write_itimerspec(t, old, *previous)
    return 0


@syscall(224)
def timer_gettime(t: Thread, timerid: Int, setting: ItimerspecOut) -> int:
    """timer_gettime(2)."""
    write_itimerspec(t, setting, *posix_timers.get_time(posix_timers.find(t, timerid)))
    return 0


@syscall(225)
def timer_getoverrun(t: Thread, timerid: Int) -> int:
    """timer_getoverrun(2)."""
    return posix_timers.find(t, timerid).overrun


@syscall(226)
def timer_delete(t: Thread, timerid: Int) -> int:
    """timer_delete(2)."""
    posix_timers.delete(posix_timers.find(t, timerid))
    return 0
