"""Clocks and sleeping."""

from __future__ import annotations

import struct
from typing import Annotated

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
    CLOCK_THREAD_CPUTIME_ID,
    CPUCLOCK_SCHED,
    JIFFY,
    KTIME_MAX,
    NSEC_PER_SEC,
    NSEC_PER_TICK,
    cpu_clock_target,
    is_cpu_clock,
    is_device_clock,
    process_times,
    read_clock,
    timens_offset,
    timens_to_host,
)
from kernel.cred import CAP_SYS_TIME
from kernel.errno import Errno
from kernel.nanosleep import Report, sleep, sleep_cpu
from kernel.task import Thread
from kernel.timekeeping import STA_UNSYNC
from kernel.timeout import Timeout
from kernel.waitqueue import Blocking
from syscalls.structs import TIMESPEC, TIMEVAL, Struct
from syscalls.table import syscall
from syscalls.time_args import timespec_ns, write_timespec, write_timeval
from syscalls.types import custom, enum, flags, in_struct, out_struct

ClockId = Annotated[int, enum("clock")]
TimespecIn = Annotated[int, in_struct("timespec")]
TimespecOut = Annotated[int, out_struct("timespec")]
TimevalIn = Annotated[int, in_struct("timeval")]
TimevalOut = Annotated[int, out_struct("timeval")]
NanosleepFlags = Annotated[int, flags("timer_settime")]
Remaining = Annotated[int, custom("remaining", out=True)]

TIMER_ABSTIME = 1
SETTOD_SEC_MAX = KTIME_MAX // NSEC_PER_SEC - 30 * 365 * 24 * 3600
"""Seconds beyond which the time may not be set (TIME_SETTOD_SEC_MAX)."""

_SLEEPABLE = frozenset((CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI))
_ABSENT = frozenset((CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM))
_FIXED = frozenset((CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_THREAD_CPUTIME_ID))
"""Clocks that exist but cannot be slept on."""


@syscall(228)
def clock_gettime(t: Thread, clockid: ClockId, tp: TimespecOut) -> int:
    """clock_gettime(2)."""
    write_timespec(t, tp, read_clock(t, clockid) + timens_offset(t, clockid))
    return 0


@syscall(227)
def clock_settime(t: Thread, clockid: ClockId, tp: TimespecIn) -> int:
    """clock_settime(2): only CLOCK_REALTIME can be set."""
    if clockid < 0 and is_cpu_clock(clockid):
        assert t.mm is not None
        TIMESPEC.read(t.mm, tp)
        cpu_clock_target(t, clockid)
        raise Errno.EPERM
    if clockid != CLOCK_REALTIME:
        raise Errno.EINVAL
    _set_time(t, timespec_ns(t, tp))
    return 0


def _set_time(t: Thread, ns: int) -> None:
    """Set the wall clock (do_sys_settimeofday64).  EINVAL for a time before the machine started or absurdly late."""
    if ns // NSEC_PER_SEC >= SETTOD_SEC_MAX:
        raise Errno.EINVAL
    if not t.cred.capable(CAP_SYS_TIME):
        raise Errno.EPERM
    if ns < t.kernel.clock.monotonic():
        raise Errno.EINVAL
    t.kernel.timekeeping.set_realtime(t.kernel, ns)


@syscall(229)
def clock_getres(t: Thread, clockid: ClockId, res: TimespecOut) -> int:
    """clock_getres(2)."""
    if clockid in (CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE):
        resolution = JIFFY
    else:
        resolution = 1
        if is_cpu_clock(clockid):
            _, _, which = cpu_clock_target(t, clockid, gettime=True)
            if which != CPUCLOCK_SCHED:
                resolution = JIFFY
        elif clockid not in _SLEEPABLE and clockid not in _FIXED:
            raise Errno.EINVAL
    if res:
        write_timespec(t, res, resolution)
    return 0


def _reporter(t: Thread, address: int) -> Report | None:
    return (lambda left: write_timespec(t, address, left)) if address else None


@syscall(35)
def nanosleep(t: Thread, duration: TimespecIn, rem: Remaining) -> Blocking[int]:
    """nanosleep(2): on CLOCK_MONOTONIC."""
    return sleep(t, Timeout.after(t.kernel, timespec_ns(t, duration)), False, _reporter(t, rem))


@syscall(230)
def clock_nanosleep(
    t: Thread, clockid: ClockId, flag_bits: NanosleepFlags, request: TimespecIn, remain: Remaining
) -> Blocking[int]:
    """clock_nanosleep(2).  EOPNOTSUPP for a clock that cannot be slept on, EINVAL for an unknown one."""
    if clockid in _FIXED or clockid in _ABSENT or is_device_clock(clockid):
        raise Errno.EOPNOTSUPP
    cpu = is_cpu_clock(clockid)
    if not cpu and clockid not in _SLEEPABLE:
        raise Errno.EINVAL
    ns = timespec_ns(t, request)
    absolute = bool(flag_bits & TIMER_ABSTIME)
    report = None if absolute else _reporter(t, remain)
    if cpu:
        return sleep_cpu(t, clockid, ns, absolute, report)
    timeout = Timeout(clockid, timens_to_host(t, clockid, ns)) if absolute else Timeout.after(t.kernel, ns)
    return sleep(t, timeout, absolute, report)


@syscall(96)
def gettimeofday(t: Thread, tv: TimevalOut, tz: Annotated[int, out_struct("timezone")]) -> int:
    """gettimeofday(2): the time zone is always 0."""
    assert t.mm is not None
    if tv:
        write_timeval(t, tv, t.kernel.clock.realtime())
    if tz:
        t.mm.write(tz, bytes(8))
    return 0


@syscall(164)
def settimeofday(t: Thread, tv: TimevalIn, tz: Annotated[int, in_struct("timezone")]) -> int:
    """settimeofday(2)."""
    assert t.mm is not None
    ns = None
    if tv:
        seconds, microseconds = TIMEVAL.read(t.mm, tv)
        if not 0 <= microseconds <= 1_000_000:
            raise Errno.EINVAL
        if seconds < 0 or microseconds == 1_000_000:
            raise Errno.EINVAL
        ns = seconds * NSEC_PER_SEC + microseconds * 1000
    if tz:
        minutes, _ = struct.unpack("<ii", t.mm.read(tz, 8))
        if not t.cred.capable(CAP_SYS_TIME):
            raise Errno.EPERM
        if not -15 * 60 <= minutes <= 15 * 60:
            raise Errno.EINVAL
    if ns is not None:
        _set_time(t, ns)
    elif not t.cred.capable(CAP_SYS_TIME):
        raise Errno.EPERM
    return 0


@syscall(201)
def time(t: Thread, tloc: Annotated[int, custom("time_ptr", out=True)]) -> int:
    """time(2)."""
    seconds = t.kernel.clock.realtime() // NSEC_PER_SEC
    if tloc:
        assert t.mm is not None
        t.mm.write_u64(tloc, seconds)
    return seconds


_TMS = Struct("tms", ("tms_utime", "q"), ("tms_stime", "q"), ("tms_cutime", "q"), ("tms_cstime", "q"))


@syscall(100)
def times(t: Thread, buf: Annotated[int, out_struct("tms")]) -> int:
    """times(2): clock ticks of 10 ms; returns the ticks since an arbitrary moment (boot, less 5 minutes)."""
    if buf:
        own, children = process_times(t.process), t.process.child_times
        values = (own.utime, own.stime, children.utime, children.stime)
        assert t.mm is not None
        _TMS.write(t.mm, buf, *(value // NSEC_PER_TICK for value in values))
    return t.kernel.clock.monotonic() // NSEC_PER_TICK


# -- adjtimex ---------------------------------------------------------------------------------------------------------
ADJ_OFFSET = 0x0001
ADJ_FREQUENCY = 0x0002
ADJ_MAXERROR = 0x0004
ADJ_ESTERROR = 0x0008
ADJ_STATUS = 0x0010
ADJ_TIMECONST = 0x0020
ADJ_TAI = 0x0080
ADJ_SETOFFSET = 0x0100
ADJ_MICRO = 0x1000
ADJ_NANO = 0x2000
ADJ_TICK = 0x4000
ADJ_ADJTIME = 0x8000
ADJ_OFFSET_READONLY = 0x2000
STA_PLL = 0x0001
STA_NANO = 0x2000
STA_RONLY = 0xFF00
MAXFREQ_SCALED = 500 << 16
MAXPHASE = 500_000_000
"""Most ns the clock can be told to slew."""
MAX_TAI_OFFSET = 100_000
TIME_OK = 0
TIME_ERROR = 5

_TIMEX = Struct(
    "timex", ("modes", "I4x"), ("offset", "q"), ("freq", "q"), ("maxerror", "q"), ("esterror", "q"), ("status", "i4x"),
    ("constant", "q"), ("precision", "q"), ("tolerance", "q"), ("time_sec", "q"), ("time_usec", "q"), ("tick", "q"),
    ("ppsfreq", "q"), ("jitter", "q"), ("shift", "i4x"), ("stabil", "q"), ("jitcnt", "q"), ("calcnt", "q"), ("errcnt", "q"),
    ("stbcnt", "q"), ("tai", "i44x"),
)  # fmt: skip


def _validate_timex(t: Thread, modes: int, tick: int, freq: int, sec: int, usec: int) -> None:
    """The checks of timekeeping_validate_timex, in its order."""
    capable = t.cred.capable(CAP_SYS_TIME)
    if modes & ADJ_ADJTIME:
        if not modes & 1:
            raise Errno.EINVAL
        if not modes & ADJ_OFFSET_READONLY and not capable:
            raise Errno.EPERM
    else:
        if modes and not capable:
            raise Errno.EPERM
        if modes & ADJ_TICK and not 9000 <= tick <= 11000:
            raise Errno.EINVAL
    if modes & ADJ_SETOFFSET:
        if not capable:
            raise Errno.EPERM
        if not 0 <= usec < (NSEC_PER_SEC if modes & ADJ_NANO else 1_000_000):
            raise Errno.EINVAL
    if modes & ADJ_FREQUENCY and not -(1 << 63) // 65536 <= freq <= (1 << 63) // 65536:
        raise Errno.EINVAL


def _adjust(t: Thread, address: int) -> int:
    assert t.mm is not None
    keeper, clock = t.kernel.timekeeping, t.kernel.clock
    values = _TIMEX.read(t.mm, address)
    modes, offset, freq, maxerror, esterror, status, constant = values[:7]
    sec, usec, tick = values[9], values[10], values[11]
    _validate_timex(t, modes, tick, freq, sec, usec)
    if modes & ADJ_SETOFFSET:
        delta = sec * NSEC_PER_SEC + usec * (1 if modes & ADJ_NANO else 1000)
        _set_time(t, clock.realtime() + delta)
    if modes & ADJ_ADJTIME:
        shown = 0
    else:
        if modes & ADJ_STATUS:
            keeper.status = keeper.status & STA_RONLY | status & 0xFFFF & ~STA_RONLY
        if modes & ADJ_NANO:
            keeper.status |= STA_NANO
        if modes & ADJ_MICRO:
            keeper.status &= ~STA_NANO
        if modes & ADJ_FREQUENCY:
            keeper.freq = max(-MAXFREQ_SCALED, min(MAXFREQ_SCALED, freq))
        if modes & ADJ_MAXERROR:
            keeper.maxerror = max(0, min(maxerror, 16_000_000))
        if modes & ADJ_ESTERROR:
            keeper.esterror = max(0, min(esterror, 16_000_000))
        if modes & ADJ_TIMECONST:
            keeper.constant = max(0, min(constant + (0 if keeper.status & STA_NANO else 4), 10))
        if modes & ADJ_TAI and 0 <= constant <= MAX_TAI_OFFSET:
            keeper.tai = constant
        if modes & ADJ_OFFSET and keeper.status & STA_PLL:
            limit = MAXPHASE if keeper.status & STA_NANO else MAXPHASE // 1000
            keeper.offset = max(-limit, min(limit, offset))
        if modes & ADJ_TICK:
            keeper.tick = tick
        shown = keeper.offset
    now_sec, rest = divmod(clock.realtime(), NSEC_PER_SEC)
    _TIMEX.write(
        t.mm, address, modes, shown, keeper.freq, keeper.maxerror, keeper.esterror, keeper.status, keeper.constant, 1,
        MAXFREQ_SCALED, now_sec, rest if keeper.status & STA_NANO else rest // 1000, keeper.tick, 0, 0, 0, 0, 0, 0, 0, 0,
        keeper.tai,
    )  # fmt: skip
    return TIME_ERROR if keeper.status & STA_UNSYNC else TIME_OK


@syscall(159)
def adjtimex(t: Thread, buf: Annotated[int, out_struct("timex")]) -> int:
    """adjtimex(2)."""
    return _adjust(t, buf)


@syscall(305)
def clock_adjtime(t: Thread, clockid: ClockId, buf: Annotated[int, out_struct("timex")]) -> int:
    """clock_adjtime(2): EOPNOTSUPP for a clock other than CLOCK_REALTIME, EINVAL for an unknown one."""
    if clockid == CLOCK_REALTIME:
        return _adjust(t, buf)
    if clockid in _SLEEPABLE or clockid in _FIXED or clockid in _ABSENT or is_cpu_clock(clockid):
        raise Errno.EOPNOTSUPP
    raise Errno.EINVAL
