"""Signals: actions, masks, waiting, sending (signal(7))."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Annotated, cast

from kernel import kill as sending
from kernel import sigframe
from kernel.errno import Errno
from kernel.fs.pidfd import PIDFD_THREAD, PidFd
from kernel.signal import (
    KERNEL_ONLY_MASK,
    NSIG,
    SA_IMMUTABLE,
    SIG_BLOCK,
    SIG_SETMASK,
    SIG_UNBLOCK,
    SIGINFO_SIZE,
    SS_AUTODISARM,
    UAPI_SA_FLAGS,
    SigAction,
    SigInfo,
)
from kernel.signal_pending import (
    dequeue_signal,
    flush_signals,
    recalc_sigpending,
    set_current_blocked,
    set_user_sigmask,
    signal_pending,
)
from kernel.task import Thread
from kernel.waitqueue import Block, Blocking, WaitQueue
from syscalls.structs import TIMESPEC
from syscalls.table import syscall
from syscalls.types import Fd, Pid, Signal, Size, custom, enum, flags, in_struct, out_struct

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace

SIGSET_SIZE = 8
_SIGACTION = Struct("<4Q")
"""struct sigaction of the kernel: handler, flags, restorer, mask."""
NSEC_PER_SEC = 1_000_000_000

ActionIn = Annotated[int, in_struct("sigaction")]
ActionOut = Annotated[int, out_struct("sigaction")]
SetIn = Annotated[int, custom("sigset")]
SetOut = Annotated[int, custom("sigset", out=True)]
InfoIn = Annotated[int, in_struct("siginfo_t")]
InfoOut = Annotated[int, out_struct("siginfo_t")]
StackIn = Annotated[int, in_struct("stack_t")]
StackOut = Annotated[int, out_struct("stack_t")]


def _mm(t: Thread) -> AddressSpace:
    return cast("AddressSpace", t.mm)


def _check_size(sigsetsize: int) -> None:
    if sigsetsize != SIGSET_SIZE:
        raise Errno.EINVAL


def _read_info(t: Thread, address: int, signo: int) -> SigInfo:
    data = _mm(t).read(address, SIGINFO_SIZE)
    return SigInfo.unpack(signo.to_bytes(4, "little", signed=True) + data[4:])


@syscall(13)
def rt_sigaction(t: Thread, signum: Signal, act: ActionIn, oldact: ActionOut, sigsetsize: Size) -> int:
    """sigaction(2)."""
    _check_size(sigsetsize)
    mm = _mm(t)
    new = None
    if act:
        handler, sa_flags, restorer, mask = _SIGACTION.unpack(mm.read(act, 32))
        new = SigAction(handler, sa_flags & UAPI_SA_FLAGS, restorer, mask & ~KERNEL_ONLY_MASK)
    if not 1 <= signum <= NSIG or (new is not None and KERNEL_ONLY_MASK >> (signum - 1) & 1):
        raise Errno.EINVAL
    actions = t.sighand.actions
    old = actions[signum]
    if old.flags & SA_IMMUTABLE:
        raise Errno.EINVAL
    if new is not None:
        actions[signum] = new
        if t.sighand.ignores(signum):
            # POSIX 3.3.1.3: setting an action that ignores the signal discards pending ones, blocked or not.
            flush_signals(t.process, 1 << (signum - 1))
            recalc_sigpending(t)
    if oldact:
        mm.write(oldact, _SIGACTION.pack(old.handler, old.flags, old.restorer, old.mask))
    return 0


@syscall(14)
def rt_sigprocmask(
    t: Thread, how: Annotated[int, enum("sigprocmask")], nset: SetIn, oset: SetOut, sigsetsize: Size
) -> int:
    """sigprocmask(2)."""
    _check_size(sigsetsize)
    mm = _mm(t)
    old = t.blocked
    if nset:
        mask = mm.read_u64(nset)
        if how == SIG_BLOCK:
            set_current_blocked(t, old | mask)
        elif how == SIG_UNBLOCK:
            set_current_blocked(t, old & ~mask)
        elif how == SIG_SETMASK:
            set_current_blocked(t, mask)
        else:
            raise Errno.EINVAL
    if oset:
        mm.write_u64(oset, old)
    return 0


@syscall(127)
def rt_sigpending(t: Thread, uset: SetOut, sigsetsize: Size) -> int:
    """sigpending(2): the blocked signals that are pending for the thread or its process."""
    if sigsetsize > SIGSET_SIZE:
        raise Errno.EINVAL
    pending = (t.pending.mask | t.process.shared_pending.mask) & t.blocked
    _mm(t).write(uset, pending.to_bytes(SIGSET_SIZE, "little")[:sigsetsize])
    return 0


@syscall(130)
def rt_sigsuspend(t: Thread, unewset: SetIn, sigsetsize: Size) -> Blocking[int]:
    """sigsuspend(2): wait with another mask; the old one returns after the handler."""
    _check_size(sigsetsize)
    mask = _mm(t).read_u64(unewset)
    set_user_sigmask(t, mask)
    return _suspend(t, "sigsuspend")


@syscall(34)
def pause(t: Thread) -> Blocking[int]:
    """pause(2)."""
    return _suspend(t, "pause")


def _suspend(t: Thread, what: str) -> Blocking[int]:
    queue = WaitQueue()
    while not signal_pending(t):
        yield Block(what, queue)
    raise Errno.ERESTARTNOHAND


@syscall(128)
def rt_sigtimedwait(
    t: Thread, uthese: SetIn, uinfo: InfoOut, uts: Annotated[int, in_struct("timespec")], sigsetsize: Size
) -> int | Blocking[int]:
    """sigtimedwait(2): take one of the signals, waiting for it at most so long (NULL: for ever)."""
    _check_size(sigsetsize)
    mm = _mm(t)
    wanted = mm.read_u64(uthese) & ~KERNEL_ONLY_MASK
    timeout: int | None = None
    if uts:
        seconds, nanoseconds = TIMESPEC.read(mm, uts)
        if seconds < 0 or not 0 <= nanoseconds < NSEC_PER_SEC:
            raise Errno.EINVAL
        timeout = seconds * NSEC_PER_SEC + nanoseconds
    info = dequeue_signal(t, wanted)
    if info is not None:
        return _report(t, info, uinfo)
    if timeout == 0:
        raise Errno.EAGAIN
    return _sigtimedwait(t, wanted, uinfo, timeout)


def _report(t: Thread, info: SigInfo, uinfo: int) -> int:
    if uinfo:
        _mm(t).write(uinfo, info.pack())
    return info.signo


def _sigtimedwait(t: Thread, wanted: int, uinfo: int, timeout: int | None) -> Blocking[int]:
    """Sleep with the wanted signals unblocked, so that they are sent here (do_sigtimedwait)."""
    t.real_blocked = t.blocked
    t.blocked &= ~wanted
    recalc_sigpending(t)
    deadline = None if timeout is None else t.kernel.clock.monotonic() + timeout
    try:
        yield Block("do_sigtimedwait", WaitQueue(), deadline=deadline)
    finally:
        mask, t.real_blocked = t.real_blocked, 0
        if not t.exiting:
            set_current_blocked(t, mask)
    info = dequeue_signal(t, wanted)
    if info is not None:
        return _report(t, info, uinfo)
    if deadline is not None and t.kernel.clock.monotonic() >= deadline:
        raise Errno.EAGAIN
    raise Errno.EINTR


@syscall(131)
def sigaltstack(t: Thread, uss: StackIn, uoss: StackOut) -> int:
    """sigaltstack(2)."""
    mm = _mm(t)
    old, sp = t.altstack, t.cpu.rsp
    old_flags = sigframe.altstack_flags(old, sp) | old.flags & SS_AUTODISARM
    if uss:
        base, ss_flags, size = sigframe.STACK_T.unpack(mm.read(uss, 24))
        sigframe.set_altstack(t, base, ss_flags & 0xFFFFFFFF, size, sp)
    if uoss:
        mm.write(uoss, sigframe.STACK_T.pack(old.sp, ((old_flags ^ 1 << 31) & 0xFFFFFFFF) - (1 << 31), old.size))
    return 0


@syscall(15)
def rt_sigreturn(t: Thread) -> int:
    """sigreturn(2): end a handler; returns RAX as it was."""
    return sigframe.sigreturn(t)


@syscall(219)
def restart_syscall(t: Thread) -> object:
    """restart_syscall(2): go on with a call a stop interrupted; EINTR if there is none."""
    call = t.restart
    if call is None:
        raise Errno.EINTR
    return call(t)


@syscall(62)
def kill(t: Thread, pid: Pid, sig: Signal) -> int:
    """kill(2)."""
    sending.kill(t, pid, sig)
    return 0


@syscall(200)
def tkill(t: Thread, tid: Pid, sig: Signal) -> int:
    """tkill(2)."""
    sending.tkill(t, tid, sig)
    return 0


@syscall(234)
def tgkill(t: Thread, tgid: Pid, tid: Pid, sig: Signal) -> int:
    """tgkill(2)."""
    sending.tgkill(t, tgid, tid, sig)
    return 0


@syscall(129)
def rt_sigqueueinfo(t: Thread, tgid: Pid, sig: Signal, uinfo: InfoIn) -> int:
    """rt_sigqueueinfo(2): sigqueue(3) for processes."""
    sending.sigqueueinfo(t, tgid, sig, _read_info(t, uinfo, sig))
    return 0


@syscall(297)
def rt_tgsigqueueinfo(t: Thread, tgid: Pid, tid: Pid, sig: Signal, uinfo: InfoIn) -> int:
    """rt_tgsigqueueinfo(2): sigqueue(3) for threads."""
    sending.tgsigqueueinfo(t, tgid, tid, sig, _read_info(t, uinfo, sig))
    return 0


@syscall(424)
def pidfd_send_signal(
    t: Thread, pidfd: Fd, sig: Signal, info: InfoIn, flags_: Annotated[int, flags("pidfd_signal", "({} & 0xffffffff)")]
) -> int:
    """pidfd_send_signal(2)."""
    scopes = (
        0,
        sending.PIDFD_SIGNAL_THREAD,
        sending.PIDFD_SIGNAL_THREAD_GROUP,
        sending.PIDFD_SIGNAL_PROCESS_GROUP,
    )
    if flags_ not in scopes:
        raise Errno.EINVAL
    file = t.files.get(pidfd, True)
    from kernel.fs.proc.base import tgid_of_directory

    # Before there were pidfds there was the directory in /proc, and it still will do.
    pid = file.pid if isinstance(file, PidFd) else tgid_of_directory(file)
    if pid is None:
        raise Errno.EBADF
    single = isinstance(file, PidFd) and file.flags & PIDFD_THREAD
    scope = flags_ or (sending.PIDFD_SIGNAL_THREAD if single else sending.PIDFD_SIGNAL_THREAD_GROUP)
    given = SigInfo.unpack(_mm(t).read(info, SIGINFO_SIZE)) if info else None
    sending.pidfd_send_signal(t, pid, scope, sig, given)
    return 0
