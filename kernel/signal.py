"""Signals as data: numbers, masks, siginfo, handlers, pending queues (signal(7), include/linux/signal_types.h).

Nothing here decides anything about threads; it is the vocabulary of ``signal_send`` (generation), ``signal_deliver``
(delivery) and ``sigframe`` (the stack frame of a handler).

A signal set is an int, bit n-1 is signal n.  A pending queue keeps at most one instance of a standard signal (1-31) and
any number of a real-time one, in order of arrival; a signal may be pending without a queue entry when no memory for one
was allowed (RLIMIT_SIGPENDING), then its siginfo reads as SI_USER from pid 0.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final, NamedTuple

from kernel.errno import Errno
from kernel.waitqueue import WaitQueue

NSIG: Final = 64
SIGRTMIN: Final = 32
SIGRTMAX: Final = 64

SIGHUP: Final = 1
SIGINT: Final = 2
SIGQUIT: Final = 3
SIGILL: Final = 4
SIGTRAP: Final = 5
SIGABRT: Final = 6
SIGBUS: Final = 7
SIGFPE: Final = 8
SIGKILL: Final = 9
SIGUSR1: Final = 10
SIGSEGV: Final = 11
SIGUSR2: Final = 12
SIGPIPE: Final = 13
SIGALRM: Final = 14
SIGTERM: Final = 15
SIGSTKFLT: Final = 16
SIGCHLD: Final = 17
SIGCONT: Final = 18
SIGSTOP: Final = 19
SIGTSTP: Final = 20
SIGTTIN: Final = 21
SIGTTOU: Final = 22
SIGURG: Final = 23
SIGXCPU: Final = 24
SIGXFSZ: Final = 25
SIGVTALRM: Final = 26
SIGPROF: Final = 27
SIGWINCH: Final = 28
SIGIO: Final = 29
SIGPOLL: Final = 29
SIGPWR: Final = 30
SIGSYS: Final = 31

SIG_DFL: Final = 0
SIG_IGN: Final = 1

SA_NOCLDSTOP: Final = 0x1
SA_NOCLDWAIT: Final = 0x2
SA_SIGINFO: Final = 0x4
SA_EXPOSE_TAGBITS: Final = 0x800
SA_IMMUTABLE: Final = 0x00800000
"""Kernel internal: the action may not be changed any more (force_exit_sig)."""
SA_RESTORER: Final = 0x04000000
SA_ONSTACK: Final = 0x08000000
SA_RESTART: Final = 0x10000000
SA_NODEFER: Final = 0x40000000
SA_RESETHAND: Final = 0x80000000
UAPI_SA_FLAGS: Final = (
    SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_EXPOSE_TAGBITS | SA_RESTORER | SA_ONSTACK | SA_RESTART | SA_NODEFER
    | SA_RESETHAND
)  # fmt: skip

SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK = range(3)

SS_ONSTACK: Final = 1
SS_DISABLE: Final = 2
SS_AUTODISARM: Final = 1 << 31
MINSIGSTKSZ: Final = 2048

SI_USER: Final = 0
SI_KERNEL: Final = 0x80
SI_QUEUE: Final = -1
SI_TIMER: Final = -2
SI_MESGQ: Final = -3
SI_ASYNCIO: Final = -4
SI_SIGIO: Final = -5
SI_TKILL: Final = -6
SI_DETHREAD: Final = -7
SI_ASYNCNL: Final = -60

ILL_ILLOPC, ILL_ILLOPN, ILL_ILLADR, ILL_ILLTRP, ILL_PRVOPC, ILL_PRVREG, ILL_COPROC, ILL_BADSTK = range(1, 9)
FPE_INTDIV, FPE_INTOVF, FPE_FLTDIV, FPE_FLTOVF, FPE_FLTUND, FPE_FLTRES, FPE_FLTINV, FPE_FLTSUB = range(1, 9)
SEGV_MAPERR, SEGV_ACCERR, SEGV_BNDERR, SEGV_PKUERR = range(1, 5)
BUS_ADRALN, BUS_ADRERR, BUS_OBJERR = range(1, 4)
TRAP_BRKPT, TRAP_TRACE, TRAP_BRANCH, TRAP_HWBKPT = range(1, 5)
CLD_EXITED, CLD_KILLED, CLD_DUMPED, CLD_TRAPPED, CLD_STOPPED, CLD_CONTINUED = range(1, 7)
SYS_SECCOMP, SYS_USER_DISPATCH = range(1, 3)


def sigmask(*signals: int) -> int:
    """Return the set of the given signal numbers."""
    mask = 0
    for signo in signals:
        mask |= 1 << (signo - 1)
    return mask


FULL_MASK: Final = (1 << NSIG) - 1
KILL_MASK: Final = 1 << (SIGKILL - 1)
CONT_MASK: Final = 1 << (SIGCONT - 1)
KERNEL_ONLY_MASK: Final = sigmask(SIGKILL, SIGSTOP)
"""Cannot be caught, blocked or ignored (sig_kernel_only)."""
STOP_MASK: Final = sigmask(SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU)
"""Default action: stop the process (sig_kernel_stop)."""
COREDUMP_MASK: Final = sigmask(SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGSEGV, SIGBUS, SIGSYS, SIGXCPU, SIGXFSZ)
"""Default action: terminate with a core dump (sig_kernel_coredump)."""
IGNORE_MASK: Final = sigmask(SIGCONT, SIGCHLD, SIGWINCH, SIGURG)
"""Default action: nothing (sig_kernel_ignore)."""
SYNCHRONOUS_MASK: Final = sigmask(SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS)
"""Raised by an instruction; delivered before all others."""

_NAMES: Final = (
    "SIG_0", "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1",
    "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP",
    "SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR", "SIGSYS",
)  # fmt: skip


def signal_name(signo: int) -> str:
    """Return the name as strace(1) shows it: ``SIGHUP``, ``SIGRT_1`` for 33; the number for what is no signal."""
    if 1 <= signo < SIGRTMIN:
        return _NAMES[signo]
    if signo == SIGRTMIN:
        return "SIGRTMIN"
    return f"SIGRT_{signo - SIGRTMIN}" if SIGRTMIN < signo <= SIGRTMAX else str(signo)


SIGINFO_SIZE: Final = 128
_KERNEL_SIGINFO_SIZE: Final = 48
"""What the kernel keeps of the 128 bytes (struct kernel_siginfo)."""
_HEADER = struct.Struct("<iii4x")
_KILL = struct.Struct("<iI24x")
_TIMER = struct.Struct("<iiQ16x")
_RT = struct.Struct("<iIQ16x")
_CHLD = struct.Struct("<iIi4xqq")
_FAULT = struct.Struct("<QhxxxxxxQQ")
_POLL = struct.Struct("<qi20x")
_SYS = struct.Struct("<QiI16x")

(
    _SIL_KILL,
    _SIL_TIMER,
    _SIL_RT,
    _SIL_CHLD,
    _SIL_FAULT,
    _SIL_POLL,
    _SIL_SYS,
) = range(7)

_NSIGPOLL = 6
_LAYOUT_OF_SIGNAL = {
    SIGILL: (_SIL_FAULT, 11),
    SIGFPE: (_SIL_FAULT, 15),
    SIGSEGV: (_SIL_FAULT, 10),
    SIGBUS: (_SIL_FAULT, 5),
    SIGTRAP: (_SIL_FAULT, 6),
    SIGCHLD: (_SIL_CHLD, 6),
    SIGPOLL: (_SIL_POLL, _NSIGPOLL),
    SIGSYS: (_SIL_SYS, 2),
}
"""signal -> (union member, highest si_code that uses it): ``sig_sicodes`` of kernel/signal.c."""


SPECIFIC_CODES: Final = frozenset(_LAYOUT_OF_SIGNAL)
"""Signals whose si_code says something of its own (sig_specific_sicodes)."""


def _layout(signo: int, code: int) -> int:
    """Return which member of the siginfo union is valid (siginfo_layout of kernel/signal.c)."""
    if SI_USER < code < SI_KERNEL:
        layout, limit = _LAYOUT_OF_SIGNAL.get(signo, (_SIL_KILL, 0))
        if code <= limit:
            return layout
        return _SIL_POLL if code <= _NSIGPOLL else _SIL_KILL
    if code == SI_TIMER:
        return _SIL_TIMER
    if code == SI_SIGIO:
        return _SIL_POLL
    return _SIL_RT if code < 0 else _SIL_KILL


def known_layout(signo: int, code: int) -> bool:
    """Tell whether the kernel knows what the union of such a siginfo holds (known_siginfo_layout)."""
    if code == SI_KERNEL:
        return True
    if code > SI_USER:
        limit = _LAYOUT_OF_SIGNAL.get(signo)
        return code <= (limit[1] if limit else _NSIGPOLL)
    return code >= SI_DETHREAD or code == SI_ASYNCNL


class SigInfo(NamedTuple):
    """``siginfo_t`` (sigaction(2)); which fields mean something follows from signo and code.

    ``value`` is sigval as an unsigned 64-bit number, ``addr`` a user address, ``utime``/``stime`` clock ticks (1/100 s).
    ``raw`` is the union as user space supplied it (rt_sigqueueinfo): it is handed on unchanged.
    """

    signo: int
    errno: int = 0
    code: int = SI_USER
    pid: int = 0
    uid: int = 0
    status: int = 0
    value: int = 0
    addr: int = 0
    band: int = 0
    fd: int = 0
    timerid: int = 0
    overrun: int = 0
    utime: int = 0
    stime: int = 0
    call_addr: int = 0
    syscall: int = 0
    arch: int = 0
    raw: bytes = b""

    def pack(self) -> bytes:
        """Return the 128 bytes of siginfo_t."""
        return self.pack_kernel() + bytes(SIGINFO_SIZE - _KERNEL_SIGINFO_SIZE)

    def pack_kernel(self) -> bytes:
        """Return the first 48 bytes, all that is ever non-zero."""
        header = _HEADER.pack(self.signo, self.errno, self.code)
        if self.raw:
            return header + self.raw
        layout = _layout(self.signo, self.code)
        if layout == _SIL_POLL and self.pid and self.signo != SIGPOLL:
            layout = _SIL_CHLD  # the exit signal of a clone, with SIGCHLD's union whatever its number
        if layout == _SIL_RT:
            return header + _RT.pack(self.pid, self.uid, self.value)
        if layout == _SIL_CHLD:
            return header + _CHLD.pack(self.pid, self.uid, self.status, self.utime, self.stime)
        if layout == _SIL_FAULT:
            return header + _FAULT.pack(self.addr, 0, 0, 0)
        if layout == _SIL_TIMER:
            return header + _TIMER.pack(self.timerid, self.overrun, self.value)
        if layout == _SIL_POLL:
            return header + _POLL.pack(self.band, self.fd)
        if layout == _SIL_SYS:
            return header + _SYS.pack(self.call_addr, self.syscall, self.arch)
        return header + _KILL.pack(self.pid, self.uid)

    @classmethod
    def unpack(cls, data: bytes) -> SigInfo:
        """Return the siginfo that 128 bytes from user space describe (copy_siginfo_from_user).

        Raises E2BIG if bytes the kernel does not keep are set and the layout is unknown.
        """
        signo, errno, code = _HEADER.unpack_from(data)
        if not known_layout(signo, code) and any(data[_KERNEL_SIGINFO_SIZE:SIGINFO_SIZE]):
            raise Errno.E2BIG
        raw = bytes(data[16:_KERNEL_SIGINFO_SIZE])
        layout = _layout(signo, code)
        info = cls(signo, errno, code, raw=raw)
        if layout == _SIL_RT:
            pid, uid, value = _RT.unpack(raw)
            return info._replace(pid=pid, uid=uid, value=value)
        if layout == _SIL_CHLD:
            pid, uid, status, utime, stime = _CHLD.unpack(raw)
            return info._replace(pid=pid, uid=uid, status=status, utime=utime, stime=stime)
        if layout == _SIL_FAULT:
            return info._replace(addr=_FAULT.unpack(raw)[0])
        if layout == _SIL_TIMER:
            timerid, overrun, value = _TIMER.unpack(raw)
            return info._replace(timerid=timerid, overrun=overrun, value=value)
        if layout == _SIL_POLL:
            band, fd = _POLL.unpack(raw)
            return info._replace(band=band, fd=fd)
        if layout == _SIL_SYS:
            call_addr, number, arch = _SYS.unpack(raw)
            return info._replace(call_addr=call_addr, syscall=number, arch=arch)
        pid, uid = _KILL.unpack(raw)
        return info._replace(pid=pid, uid=uid)

    def has_sender(self) -> bool:
        """Tell whether pid and uid are those of a sending process (has_si_pid_and_uid)."""
        return _layout(self.signo, self.code) in (_SIL_KILL, _SIL_RT, _SIL_CHLD)


class SigAction(NamedTuple):
    """``struct sigaction`` of the kernel: handler address (or SIG_DFL, SIG_IGN), SA_* flags, restorer address, mask."""

    handler: int = SIG_DFL
    flags: int = 0
    restorer: int = 0
    mask: int = 0

    def ignoring(self) -> SigAction:
        """Return this action with the handler SIG_IGN."""
        return self._replace(handler=SIG_IGN)


DEFAULT_ACTION: Final = SigAction()


class SigHand:
    """The signal actions of one or (CLONE_SIGHAND) several threads or processes; ``actions[n]`` is signal n's.

    ``users`` counts the threads that share it; ``signalfd_wait`` is woken when a signal arrives (signalfd(2) readers).
    """

    __slots__ = ("actions", "users", "signalfd_wait", "__weakref__")

    def __init__(self, actions: list[SigAction] | None = None) -> None:
        self.actions = actions or [DEFAULT_ACTION] * (NSIG + 1)
        self.users = 1
        self.signalfd_wait = WaitQueue()

    def copy(self) -> SigHand:
        """Return an independent table with the same actions (fork)."""
        return SigHand(self.actions[:])

    def hold(self) -> SigHand:
        """Count one more user and return self (CLONE_SIGHAND)."""
        self.users += 1
        return self

    def put(self) -> None:
        """Count one user less."""
        self.users -= 1

    def clear_handlers(self) -> None:
        """Set every action but SIG_IGN to the default (flush_signal_handlers: execve, CLONE_CLEAR_SIGHAND)."""
        ignore = SigAction(SIG_IGN)
        self.actions = [ignore if action.handler == SIG_IGN else DEFAULT_ACTION for action in self.actions]

    def ignores(self, signo: int) -> bool:
        """Tell whether the action of ``signo`` is to do nothing (sig_handler_ignored)."""
        handler = self.actions[signo].handler
        return handler == SIG_IGN or (handler == SIG_DFL and IGNORE_MASK >> (signo - 1) & 1 == 1)


class SigAltStack(NamedTuple):
    """The alternate signal stack (sigaltstack(2)): base address, size in bytes, SS_* flags."""

    sp: int = 0
    size: int = 0
    flags: int = SS_DISABLE

    def contains(self, sp: int) -> bool:
        """Tell whether ``sp`` lies on it (__on_sig_stack)."""
        return self.sp < sp <= self.sp + self.size

    def active(self, sp: int) -> bool:
        """Tell whether a thread with stack pointer ``sp`` counts as running on it (on_sig_stack)."""
        return not self.flags & SS_AUTODISARM and self.contains(sp)


class SigQueue:
    """One queued signal (``struct sigqueue``).

    ``counts``/``uid``: the per-user account it is charged to, None if it is not.  A POSIX timer owns one for life and
    queues it again and again; ``on_dequeue`` is then called when it is collected and returns the siginfo to report
    (with the overrun count).  ``queued`` says whether it is in a queue now.
    """

    __slots__ = ("info", "counts", "uid", "on_dequeue", "queued")

    def __init__(
        self,
        info: SigInfo,
        counts: dict[int, int] | None = None,
        uid: int = 0,
        on_dequeue: Callable[[SigInfo], SigInfo] | None = None,
    ) -> None:
        self.info = info
        self.counts = counts
        self.uid = uid
        self.on_dequeue = on_dequeue
        self.queued = False
        if counts is not None:
            counts[uid] = counts.get(uid, 0) + 1

    def free(self) -> None:
        """Give the slot back to the user's account."""
        counts = self.counts
        if counts is not None:
            self.counts = None
            left = counts[self.uid] - 1
            if left:
                counts[self.uid] = left
            else:
                del counts[self.uid]


class SigPending:
    """A queue of pending signals (``struct sigpending``): ``mask`` is the set, ``queue`` the entries in order."""

    __slots__ = ("mask", "queue")

    def __init__(self) -> None:
        self.mask = 0
        self.queue: list[SigQueue] = []

    def add(self, signo: int, entry: SigQueue | None) -> None:
        """Make ``signo`` pending; ``entry`` is None when its siginfo is lost."""
        self.mask |= 1 << (signo - 1)
        if entry is not None:
            entry.queued = True
            self.queue.append(entry)

    def next_signal(self, blocked: int) -> int:
        """Return the signal to deliver next, 0 if none: synchronous ones first, then the lowest number (next_signal)."""
        mask = self.mask & ~blocked
        if not mask:
            return 0
        mask = mask & SYNCHRONOUS_MASK or mask
        return (mask & -mask).bit_length()

    def collect(self, signo: int) -> SigInfo:
        """Remove one instance of pending ``signo`` and return its siginfo (collect_signal)."""
        bit = 1 << (signo - 1)
        found: SigQueue | None = None
        for entry in self.queue:
            if entry.info.signo == signo:
                if found is not None:
                    break
                found = entry
        else:
            self.mask &= ~bit
        if found is None:
            # The entry could not be allocated: "we just have to return a siginfo with SI_USER and pid 0".
            return SigInfo(signo)
        self.queue.remove(found)
        found.queued = False
        if found.on_dequeue is not None:
            return found.on_dequeue(found.info)
        found.free()
        return found.info

    def flush(self, mask: int) -> None:
        """Remove every signal in ``mask`` (flush_sigqueue_mask)."""
        if not self.mask & mask:
            return
        self.mask &= ~mask
        keep = []
        for entry in self.queue:
            if mask >> (entry.info.signo - 1) & 1:
                entry.queued = False
                if entry.on_dequeue is None:
                    entry.free()
            else:
                keep.append(entry)
        self.queue = keep

    def clear(self) -> None:
        """Remove everything (flush_sigqueue)."""
        self.flush(FULL_MASK)

    def remove(self, entry: SigQueue) -> None:
        """Remove one entry that is queued here (a deleted timer's)."""
        if entry in self.queue:
            self.queue.remove(entry)
            entry.queued = False
            signo = entry.info.signo
            if not any(other.info.signo == signo for other in self.queue):
                self.mask &= ~(1 << (signo - 1))
