"""eventfd, timerfd, signalfd and pidfd calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from kernel.clocks import (
    CLOCK_BOOTTIME,
    CLOCK_BOOTTIME_ALARM,
    CLOCK_MONOTONIC,
    CLOCK_REALTIME,
    CLOCK_REALTIME_ALARM,
    KTIME_MAX,
    timens_to_host,
)
from kernel.cred import CAP_WAKE_ALARM
from kernel.errno import Errno
from kernel.fs.eventfd import EventFd
from kernel.fs.fdtable import install_fd
from kernel.fs.file import O_CLOEXEC, O_NONBLOCK
from kernel.fs.pidfd import PIDFD_NONBLOCK, PIDFD_THREAD, PidFd, open_pidfd
from kernel.fs.signalfd import SignalFd
from kernel.fs.timerfd import TFD_TIMER_ABSTIME, TFD_TIMER_CANCEL_ON_SET, TimerFd
from kernel.pid import ns_of
from kernel.ptrace_access import MODE_ATTACH, check_access
from syscalls.structs import ITIMERSPEC
from syscalls.table import syscall
from syscalls.types import Fd, Pid, Size, UInt, custom, enum, flags, in_struct, out_struct

if TYPE_CHECKING:
    from kernel.task import Thread

EventFlags = Annotated[int, flags("eventfd")]
ClockId = Annotated[int, enum("clock")]
TimerfdFlags = Annotated[int, flags("timerfd")]
SettimeFlags = Annotated[int, flags("timerfd")]
ItimerspecIn = Annotated[int, in_struct("itimerspec")]
ItimerspecOut = Annotated[int, out_struct("itimerspec")]
SigSet = Annotated[int, custom("sigset")]
SignalfdFlags = Annotated[int, flags("signalfd")]
PidfdFlags = Annotated[int, flags("pidfd")]

NANO = 1_000_000_000
EFD_SEMAPHORE = 1


# -- eventfd ----------------------------------------------------------------------------------------------------------
def _eventfd(t: Thread, count: int, bits: int) -> int:
    if bits & ~(O_CLOEXEC | O_NONBLOCK | EFD_SEMAPHORE):
        raise Errno.EINVAL
    return install_fd(t, EventFd(count, bool(bits & EFD_SEMAPHORE), bits & O_NONBLOCK), bits)


@syscall(284)
def eventfd(t: Thread, initval: UInt) -> int:
    """eventfd(2) without flags."""
    return _eventfd(t, initval, 0)


@syscall(290)
def eventfd2(t: Thread, initval: UInt, flags: EventFlags) -> int:
    """eventfd(2)."""
    return _eventfd(t, initval, flags)


# -- timerfd ----------------------------------------------------------------------------------------------------------
def _timerfd(t: Thread, fd: int) -> TimerFd:
    file = t.files.get(fd)
    if not isinstance(file, TimerFd):
        raise Errno.EINVAL
    return file


@syscall(283)
def timerfd_create(t: Thread, clockid: ClockId, flags: TimerfdFlags) -> int:
    """timerfd_create(2); the ALARM clocks need CAP_WAKE_ALARM."""
    clocks = (CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME, CLOCK_BOOTTIME_ALARM)
    if flags & ~(O_CLOEXEC | O_NONBLOCK) or clockid not in clocks:
        raise Errno.EINVAL
    if clockid in (CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM) and not t.cred.capable(CAP_WAKE_ALARM):
        raise Errno.EPERM
    return install_fd(t, TimerFd(t.kernel, clockid, flags & O_NONBLOCK), flags)


def _store(t: Thread, address: int, setting: tuple[int, int]) -> None:
    value, interval = setting
    ITIMERSPEC.write(t.mm, address, interval // NANO, interval % NANO, value // NANO, value % NANO)  # type: ignore[arg-type]


@syscall(286)
def timerfd_settime(t: Thread, fd: Fd, flags: SettimeFlags, new: ItimerspecIn, old: ItimerspecOut) -> int:
    """timerfd_settime(2)."""
    interval_s, interval_ns, value_s, value_ns = ITIMERSPEC.read(t.mm, new)  # type: ignore[arg-type]
    if flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET):
        raise Errno.EINVAL
    if min(interval_s, value_s) < 0 or not 0 <= interval_ns < NANO or not 0 <= value_ns < NANO:
        raise Errno.EINVAL
    value, interval = min(value_s * NANO + value_ns, KTIME_MAX), min(interval_s * NANO + interval_ns, KTIME_MAX)
    timer = _timerfd(t, fd)
    if flags & TFD_TIMER_ABSTIME and value:
        value = timens_to_host(t, timer.clock, value)
    before = timer.settime(value, interval, flags)
    if old:
        _store(t, old, before)
    return 0


@syscall(287)
def timerfd_gettime(t: Thread, fd: Fd, curr_value: ItimerspecOut) -> int:
    """timerfd_gettime(2)."""
    _store(t, curr_value, _timerfd(t, fd).gettime())
    return 0


# -- signalfd ---------------------------------------------------------------------------------------------------------
def _signalfd(t: Thread, fd: int, address: int, size: int, bits: int) -> int:
    """The mask is fetched before the flags are looked at (signalfd4, do_signalfd4)."""
    if size != 8:
        raise Errno.EINVAL
    mask = t.mm.read_u64(address)  # type: ignore[union-attr]
    if bits & ~(O_CLOEXEC | O_NONBLOCK):
        raise Errno.EINVAL
    if fd == -1:
        return install_fd(t, SignalFd(mask, bits & O_NONBLOCK), bits)
    file = t.files.get(fd)
    if not isinstance(file, SignalFd):
        raise Errno.EINVAL
    file.set_mask(t, mask)
    return fd


@syscall(282)
def signalfd(t: Thread, fd: Fd, mask: SigSet, sizemask: Size) -> int:
    """signalfd(2) without flags."""
    return _signalfd(t, fd, mask, sizemask, 0)


@syscall(289)
def signalfd4(t: Thread, fd: Fd, mask: SigSet, sizemask: Size, flags: SignalfdFlags) -> int:
    """signalfd(2): a new descriptor, or (fd not -1) another mask for an old one."""
    return _signalfd(t, fd, mask, sizemask, flags)


# -- pidfd ------------------------------------------------------------------------------------------------------------
@syscall(434)
def pidfd_open(t: Thread, pid: Pid, flags: PidfdFlags) -> int:
    """pidfd_open(2); always close-on-exec."""
    if flags & ~(PIDFD_NONBLOCK | PIDFD_THREAD) or pid <= 0:
        raise Errno.EINVAL
    found = ns_of(t).find(pid)
    if found is None or (found.process is None and found.thread is None):
        raise Errno.ESRCH
    if (found.thread if flags & PIDFD_THREAD else found.process) is None:
        # A thread's id without PIDFD_THREAD (pidfd_prepare).
        raise Errno.EINVAL
    return open_pidfd(t, found, flags)


@syscall(438)
def pidfd_getfd(t: Thread, pidfd: Fd, targetfd: Fd, flags: UInt) -> int:
    """pidfd_getfd(2): duplicate a descriptor of another process; needs PTRACE_MODE_ATTACH_REALCREDS."""
    if flags:
        raise Errno.EINVAL
    file = t.files.get(pidfd)
    if not isinstance(file, PidFd):
        raise Errno.EBADF
    process = file.pid.process
    if process is None or not process.live:
        raise Errno.ESRCH
    target = process.rep
    check_access(t, target, MODE_ATTACH)
    return install_fd(t, target.files.get(targetfd).hold(), O_CLOEXEC)
