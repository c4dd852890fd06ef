"""poll, ppoll, select, pselect6 and the epoll family."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from types import GeneratorType
from typing import TYPE_CHECKING, Annotated, cast

from kernel.errno import Errno
from kernel.fs.epoll import EPOLL_CTL_DEL, EpollFile
from kernel.fs.fdtable import install_fd
from kernel.fs.file import (
    O_CLOEXEC,
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLNVAL,
    POLLOUT,
    POLLPRI,
    POLLRDBAND,
    POLLRDNORM,
    POLLWRBAND,
    POLLWRNORM,
    File,
)
from kernel.fs.poll import ALWAYS, set_user_mask, wait_for_events, with_mask
from kernel.hardware import USER_TOP
from kernel.rlimit import RLIMIT_NOFILE
from syscalls.structs import TIMESPEC, TIMEVAL
from syscalls.table import syscall
from syscalls.types import Fd, Int, Size, UInt, custom, enum, flags, in_struct

if TYPE_CHECKING:
    from kernel.task import Thread
    from kernel.waitqueue import Blocking

PollFds = Annotated[int, custom("pollfds")]
FdSet = Annotated[int, custom("fdset")]
SigSet = Annotated[int, custom("sigset")]
Timeout = Annotated[int, in_struct("timespec")]
TimeoutVal = Annotated[int, in_struct("timeval")]
TimeoutSpec = Annotated[int, in_struct("timespec")]
SigMaskPair = Annotated[int, custom("sigmask_pair")]
EpollFlags = Annotated[int, flags("epoll_create")]
EpollOp = Annotated[int, enum("epoll_ctl")]
EpollEvent = Annotated[int, custom("epoll_event")]
EpollEvents = Annotated[int, custom("epoll_events", out=True)]

NANO = 1_000_000_000
FD_TABLE_SIZE = 256
"""select looks at no more descriptors than the table has room for (max_fds); a table has at least so many."""
STICKY_TIMEOUTS = 0x4000000
"""personality(2): the Linux habit of writing back the remaining time is switched off."""

# What the three sets of select mean in poll bits (fs/select.c).
_IN_SET = POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR
_OUT_SET = POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR
_EX_SET = POLLPRI

_POLLFD = struct.Struct("<ihH")


# -- poll -------------------------------------------------------------------------------------------------------------
def _poll(t: Thread, fds: int, count: int, deadline: int | None) -> int | Blocking[int]:
    """do_sys_poll: fetch the array, wait, store revents, return how many are not 0."""
    if count > t.process.rlimits.soft(RLIMIT_NOFILE):
        raise Errno.EINVAL
    mm = t.mm
    assert mm is not None
    raw = mm.read(fds, 8 * count) if count else b""
    wanted: list[tuple[File | None, int]] = []
    for fd, events, _ in _POLLFD.iter_unpack(raw):
        if fd < 0:
            wanted.append((None, 0))
            continue
        try:
            wanted.append((t.files.get(fd), events & 0xFFFF | ALWAYS))
        except Errno.EBADF:
            wanted.append((None, POLLNVAL))
    result = wait_for_events(t, wanted, deadline, "poll")
    if isinstance(result, GeneratorType):
        return _poll_slow(t, fds, raw, result)
    return _store_poll(t, fds, raw, cast("list[int] | None", result))


def _poll_slow(t: Thread, fds: int, raw: bytes, waiting: Blocking[list[int] | None]) -> Blocking[int]:
    return _store_poll(t, fds, raw, (yield from waiting))


def _store_poll(t: Thread, fds: int, raw: bytes, result: list[int] | None) -> int:
    mm = t.mm
    assert mm is not None
    count = len(raw) // 8
    bits = result or [0] * count
    image = bytearray(raw)
    for index, value in enumerate(bits):
        struct.pack_into("<H", image, index * 8 + 6, value)
    if count:
        mm.write(fds, bytes(image))
    return sum(1 for value in bits if value)


def _poll_restartable(t: Thread, fds: int, count: int, deadline: int | None) -> int | Blocking[int]:
    """poll(2) interrupted without a handler goes on to the same end (do_restart_poll)."""
    restart = lambda thread: _poll_restartable(thread, fds, count, deadline)  # noqa: E731
    try:
        result = _poll(t, fds, count, deadline)
    except Errno.ERESTARTNOHAND:
        t.restart = restart
        raise Errno.ERESTART_RESTARTBLOCK from None
    if isinstance(result, GeneratorType):

        def waiting() -> Blocking[int]:
            try:
                return cast(int, (yield from result))
            except Errno.ERESTARTNOHAND:
                t.restart = restart
                raise Errno.ERESTART_RESTARTBLOCK from None

        return waiting()
    return result


@syscall(7)
def poll(t: Thread, fds: PollFds, nfds: UInt, timeout: Int) -> int | Blocking[int]:
    """poll(2); ``timeout`` in ms, negative: for ever."""
    deadline = None if timeout < 0 else 0 if timeout == 0 else t.kernel.clock.monotonic() + timeout * 1_000_000
    return _poll_restartable(t, fds, nfds, deadline)


TIME64_MAX = (1 << 63) - 1
"""Most seconds there are: a later deadline is that one (timespec64_add_safe)."""


# -- time-outs that are written back ----------------------------------------------------------------------------------
def _deadline(t: Thread, seconds: int, nanoseconds: int) -> int:
    """Return the monotonic end of a relative time-out; 0 for "do not wait".  EINVAL for a bad one."""
    if seconds < 0 or not 0 <= nanoseconds < NANO:
        raise Errno.EINVAL
    total = seconds * NANO + nanoseconds
    return min(t.kernel.clock.monotonic() + total, TIME64_MAX * NANO) if total else 0


def _timespec_deadline(t: Thread, address: int) -> int | None:
    if not address:
        return None
    seconds, nanoseconds = TIMESPEC.read(t.mm, address)  # type: ignore[arg-type]
    return _deadline(t, seconds, nanoseconds)


def _finish(t: Thread, address: int, deadline: int | None, timeval: bool) -> bool:
    """Store the time left (poll_select_finish); False if the call may not be restarted because that failed."""
    if not address or deadline is None:
        return True
    if t.personality & STICKY_TIMEOUTS:
        return False
    if not deadline:
        return True
    left = max(0, deadline - t.kernel.clock.monotonic())
    try:
        if timeval:
            TIMEVAL.write(t.mm, address, left // NANO, left % NANO // 1000)  # type: ignore[arg-type]
        else:
            TIMESPEC.write(t.mm, address, left // NANO, left % NANO)  # type: ignore[arg-type]
    except Errno.EFAULT:
        return False
    return True


def _finishing(
    t: Thread, call: int | Blocking[int], address: int, deadline: int | None, timeval: bool
) -> int | Blocking[int]:
    if isinstance(call, GeneratorType):
        return _finishing_slow(t, call, address, deadline, timeval)
    _finish(t, address, deadline, timeval)
    return call


def _finishing_slow(t: Thread, call: Blocking[int], address: int, deadline: int | None, timeval: bool) -> Blocking[int]:
    try:
        result = yield from call
    except Errno.ERESTARTNOHAND:
        if not _finish(t, address, deadline, timeval):
            raise Errno.EINTR from None
        raise
    _finish(t, address, deadline, timeval)
    return result


@syscall(271)
def ppoll(t: Thread, fds: PollFds, nfds: UInt, tmo: TimeoutSpec, sigmask: SigSet, sigsetsize: Size) -> int | Blocking[int]:
    """ppoll(2)."""
    deadline = _timespec_deadline(t, tmo)
    set_user_mask(t, sigmask, sigsetsize)
    return with_mask(t, lambda: _finishing(t, _poll(t, fds, nfds, deadline), tmo, deadline, False))


# -- select -----------------------------------------------------------------------------------------------------------
def _select(t: Thread, count: int, sets: tuple[int, int, int], deadline: int | None) -> int | Blocking[int]:
    """core_sys_select: three bitmaps in, three bitmaps out."""
    if count < 0:
        raise Errno.EINVAL
    mm = t.mm
    assert mm is not None
    count = min(count, max(FD_TABLE_SIZE, len(t.files.slots)))
    length = (count + 63) // 64 * 8
    limit = (1 << count) - 1
    asked = [int.from_bytes(mm.read(address, length), "little") & limit if address and length else 0 for address in sets]
    every = asked[0] | asked[1] | asked[2]
    fds: list[int] = []
    wanted: list[tuple[File | None, int]] = []
    while every:
        low = every & -every
        fd = low.bit_length() - 1
        every ^= low
        events = 0
        for bits, mask in zip(asked, (_IN_SET, _OUT_SET, _EX_SET), strict=True):
            if bits & low:
                events |= mask
        fds.append(fd)
        wanted.append((t.files.get(fd), events))

    def store(found: list[int] | None) -> int:
        outs = [0, 0, 0]
        total = 0
        for fd, bits in zip(fds, found or (), strict=False):
            for index, mask in enumerate((_IN_SET, _OUT_SET, _EX_SET)):
                if bits & mask and asked[index] >> fd & 1:
                    outs[index] |= 1 << fd
                    total += 1
        for address, bits in zip(sets, outs, strict=True):
            if address and length:
                mm.write(address, bits.to_bytes(length, "little"))
        return total

    result = wait_for_events(t, wanted, deadline, "select")
    if isinstance(result, GeneratorType):

        def waiting() -> Blocking[int]:
            return store((yield from result))

        return waiting()
    return store(cast("list[int] | None", result))


@syscall(23)
def select(t: Thread, n: Int, readfds: FdSet, writefds: FdSet, exceptfds: FdSet, timeout: TimeoutVal) -> int | Blocking[int]:
    """select(2): the time left is written back, as on Linux."""
    deadline = None
    if timeout:
        seconds, micro = TIMEVAL.read(t.mm, timeout)  # type: ignore[arg-type]
        # Linux carries whole seconds of tv_usec over before it looks for nonsense (kern_select).
        seconds += micro // 1_000_000
        if (micro < 0 and micro % 1_000_000) or seconds > TIME64_MAX:
            raise Errno.EINVAL
        deadline = _deadline(t, seconds, micro % 1_000_000 * 1000)
    call = _select(t, n, (readfds, writefds, exceptfds), deadline)
    return _finishing(t, call, timeout, deadline, True)


@syscall(270)
def pselect6(
    t: Thread, n: Int, readfds: FdSet, writefds: FdSet, exceptfds: FdSet, timeout: TimeoutSpec, sig: SigMaskPair
) -> int | Blocking[int]:
    """pselect(2); ``sig`` points at {const sigset_t *, size_t}."""
    mask = size = 0
    if sig:
        mask, size = struct.unpack("<QQ", t.mm.read(sig, 16))  # type: ignore[union-attr]
    deadline = _timespec_deadline(t, timeout)
    set_user_mask(t, mask, size)
    sets = (readfds, writefds, exceptfds)
    return with_mask(t, lambda: _finishing(t, _select(t, n, sets, deadline), timeout, deadline, False))


# -- epoll ------------------------------------------------------------------------------------------------------------
EPOLL_CLOEXEC = O_CLOEXEC
_EVENT = struct.Struct("<IQ")
"""struct epoll_event is packed on x86-64: 12 bytes."""
EP_MAX_EVENTS = 0x7FFFFFFF // _EVENT.size


def _epoll_create(t: Thread, bits: int) -> int:
    if bits & ~EPOLL_CLOEXEC:
        raise Errno.EINVAL
    return install_fd(t, EpollFile(), bits)


@syscall(213)
def epoll_create(t: Thread, size: Int) -> int:
    """epoll_create(2): ``size`` must be positive and means nothing."""
    if size <= 0:
        raise Errno.EINVAL
    return _epoll_create(t, 0)


@syscall(291)
def epoll_create1(t: Thread, flags: EpollFlags) -> int:
    """epoll_create1(2)."""
    return _epoll_create(t, flags)


@syscall(233)
def epoll_ctl(t: Thread, epfd: Fd, op: EpollOp, fd: Fd, event: EpollEvent) -> int:
    """epoll_ctl(2)."""
    events = data = 0
    if op != EPOLL_CTL_DEL:
        events, data = _EVENT.unpack(t.mm.read(event, _EVENT.size))  # type: ignore[union-attr]
    ep, file = t.files.get(epfd), t.files.get(fd)
    if not file.pollable:
        raise Errno.EPERM
    if ep is file or not isinstance(ep, EpollFile):
        raise Errno.EINVAL
    ep.control(t, op, file, fd, events, data)
    return 0


def _epoll_wait(t: Thread, epfd: int, address: int, limit: int, deadline: int | None) -> int | Blocking[int]:
    ep = t.files.get(epfd)
    if not 0 < limit <= EP_MAX_EVENTS:
        raise Errno.EINVAL
    if address + limit * _EVENT.size > USER_TOP:
        raise Errno.EFAULT
    if not isinstance(ep, EpollFile):
        raise Errno.EINVAL
    mm = t.mm
    assert mm is not None
    def store(found: Sequence[tuple[int, int]]) -> int:
        """Events are stored one by one: those that fit count (ep_send_events)."""
        data = b"".join([_EVENT.pack(*event) for event in found])
        try:
            mm.write(address, data)
        except Errno.EFAULT:
            fit = mm.copy_out_partial(address, data) // _EVENT.size
            if not fit:
                raise
            return fit
        return len(found)

    found = ep.collect(t, limit)
    if found:
        return store(found)
    if deadline is not None and deadline <= t.kernel.clock.monotonic():
        return 0

    def waiting() -> Blocking[int]:
        return store((yield from ep.wait(t, limit, deadline)))

    return waiting()


def _ms_deadline(t: Thread, timeout: int) -> int | None:
    return None if timeout < 0 else 0 if timeout == 0 else t.kernel.clock.monotonic() + timeout * 1_000_000


@syscall(232)
def epoll_wait(t: Thread, epfd: Fd, events: EpollEvents, maxevents: Int, timeout: Int) -> int | Blocking[int]:
    """epoll_wait(2); ``timeout`` in ms, negative: for ever.  Never restarted after a signal (signal(7))."""
    return _epoll_wait(t, epfd, events, maxevents, _ms_deadline(t, timeout))


@syscall(281)
def epoll_pwait(
    t: Thread, epfd: Fd, events: EpollEvents, maxevents: Int, timeout: Int, sigmask: SigSet, sigsetsize: Size
) -> int | Blocking[int]:
    """epoll_pwait(2)."""
    set_user_mask(t, sigmask, sigsetsize)
    return with_mask(t, lambda: _epoll_wait(t, epfd, events, maxevents, _ms_deadline(t, timeout)))


@syscall(441)
def epoll_pwait2(
    t: Thread, epfd: Fd, events: EpollEvents, maxevents: Int, timeout: Timeout, sigmask: SigSet, sigsetsize: Size
) -> int | Blocking[int]:
    """epoll_pwait2(2): the time-out is a timespec, not written back."""
    deadline = _timespec_deadline(t, timeout)
    set_user_mask(t, sigmask, sigsetsize)
    return with_mask(t, lambda: _epoll_wait(t, epfd, events, maxevents, deadline))
