"""ptrace(2): the requests and their structures; what they mean is in ``kernel/ptrace*.py``."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from types import ModuleType
from typing import Annotated, Final

from kernel import bpf, ptrace_user, seccomp
from kernel import ptrace_request as request
from kernel.errno import Errno
from kernel.hardware import Regs
from kernel.pid import ns_of
from kernel.ptrace import TRACE_BLOCK, TRACE_EMU, TRACE_STEP, TRACE_SYSCALL
from kernel.ptrace_attach import attach, detach, traceme
from kernel.ptrace_syscall import SYSCALL_INFO_SIZE, get_syscall_info, set_syscall_info
from kernel.ptrace_user import (
    FPREGS_SIZE,
    REGS,
    get_regs,
    peek_user,
    poke_user,
    set_fpregs,
    set_regs,
)
from kernel.segments import user_64bit_mode
from kernel.signal import SIGINFO_SIZE, SigInfo
from kernel.task import Thread
from kernel.user_dispatch import get_config, set_user_dispatch
from kernel.waitqueue import Blocking
from syscalls.table import syscall
from syscalls.types import Address, Hex, Pid, enum

PTRACE_TRACEME: Final = 0
PTRACE_PEEKTEXT: Final = 1
PTRACE_PEEKDATA: Final = 2
PTRACE_PEEKUSER: Final = 3
PTRACE_POKETEXT: Final = 4
PTRACE_POKEDATA: Final = 5
PTRACE_POKEUSER: Final = 6
PTRACE_CONT: Final = 7
PTRACE_KILL: Final = 8
PTRACE_SINGLESTEP: Final = 9
PTRACE_GETREGS: Final = 12
PTRACE_SETREGS: Final = 13
PTRACE_GETFPREGS: Final = 14
PTRACE_SETFPREGS: Final = 15
PTRACE_ATTACH: Final = 16
PTRACE_DETACH: Final = 17
PTRACE_OLDSETOPTIONS: Final = 21
PTRACE_SYSCALL: Final = 24
PTRACE_GET_THREAD_AREA: Final = 25
PTRACE_SET_THREAD_AREA: Final = 26
PTRACE_ARCH_PRCTL: Final = 30
PTRACE_SYSEMU: Final = 31
PTRACE_SYSEMU_SINGLESTEP: Final = 32
PTRACE_SINGLEBLOCK: Final = 33
PTRACE_SETOPTIONS: Final = 0x4200
PTRACE_GETEVENTMSG: Final = 0x4201
PTRACE_GETSIGINFO: Final = 0x4202
PTRACE_SETSIGINFO: Final = 0x4203
PTRACE_GETREGSET: Final = 0x4204
PTRACE_SETREGSET: Final = 0x4205
PTRACE_SEIZE: Final = 0x4206
PTRACE_INTERRUPT: Final = 0x4207
PTRACE_LISTEN: Final = 0x4208
PTRACE_PEEKSIGINFO: Final = 0x4209
PTRACE_GETSIGMASK: Final = 0x420A
PTRACE_SETSIGMASK: Final = 0x420B
PTRACE_SECCOMP_GET_FILTER: Final = 0x420C
PTRACE_SECCOMP_GET_METADATA: Final = 0x420D
PTRACE_GET_SYSCALL_INFO: Final = 0x420E
PTRACE_GET_RSEQ_CONFIGURATION: Final = 0x420F
PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG: Final = 0x4210
PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG: Final = 0x4211
PTRACE_SET_SYSCALL_INFO: Final = 0x4212

_IOVEC: Final = Struct("<QQ")
_PEEKSIGINFO_ARGS: Final = Struct("<QIi")
_USER_DISPATCH: Final = Struct("<QQQQ")
"""``struct ptrace_sud_config``: mode, selector, offset, len."""
_SECCOMP_METADATA: Final = Struct("<QQ")
"""``struct seccomp_metadata``: filter_off, flags."""

_RESUME: Final = {
    PTRACE_CONT: 0,
    PTRACE_SYSCALL: TRACE_SYSCALL,
    PTRACE_SYSEMU: TRACE_EMU,
    PTRACE_SINGLESTEP: TRACE_STEP,
    PTRACE_SINGLEBLOCK: TRACE_STEP | TRACE_BLOCK,
    PTRACE_SYSEMU_SINGLESTEP: TRACE_EMU | TRACE_STEP,
}
"""Request -> how the tracee goes on."""

_ATTACH: Final = frozenset({PTRACE_ATTACH, PTRACE_SEIZE})
_ANY_STATE: Final = frozenset({PTRACE_KILL, PTRACE_INTERRUPT})
"""Requests that do not need a stopped tracee."""

PtraceRequest = Annotated[int, enum("ptrace")]


@syscall(101)
def ptrace(t: Thread, op: PtraceRequest, pid: Pid, addr: Address, data: Hex) -> int | Blocking[int]:
    """ptrace(2).  ESRCH, EPERM, EIO, EFAULT, EINVAL, EAGAIN."""
    if op == PTRACE_TRACEME:
        traceme(t)
        return 0
    target = ns_of(t).find_thread(pid)
    if target is None:
        raise Errno.ESRCH
    if op in _ATTACH:
        return attach(t, target, addr, data, op == PTRACE_SEIZE)
    request.check_attached(t, target, op in _ANY_STATE)
    if op in _RESUME:
        request.resume(target, data, _RESUME[op])
        return 0
    handler = _REQUESTS.get(op)
    if handler is None:
        raise Errno.EIO
    return handler(t, target, addr, data) or 0


# -- words ------------------------------------------------------------------------------------------------------------
def _store_word(t: Thread, address: int, value: int) -> None:
    assert t.mm is not None
    t.mm.write_u64(address, value)


def _peek(t: Thread, target: Thread, addr: int, data: int) -> None:
    """Read a 64-bit word of memory, whatever its protection."""
    _store_word(t, data, request.peek(target, addr))


def _poke(t: Thread, target: Thread, addr: int, data: int) -> None:
    """Write a 64-bit word of memory; a private page is copied, code translated anew."""
    request.poke(target, addr, data)


def _peek_user(t: Thread, target: Thread, addr: int, data: int) -> None:
    """Read a word of `struct user`: registers and debug registers."""
    _store_word(t, data, peek_user(target, addr))


def _poke_user(t: Thread, target: Thread, addr: int, data: int) -> None:
    """Write a word of `struct user`: registers and debug registers."""
    poke_user(target, addr, data)


# -- registers --------------------------------------------------------------------------------------------------------
def _get_regs(t: Thread, target: Thread, addr: int, data: int) -> None:
    """Read the general registers."""
    assert t.mm is not None
    t.mm.write(data, REGS.pack(*get_regs(target)))


def _set_regs(t: Thread, target: Thread, addr: int, data: int) -> None:
    """Write the general registers."""
    assert t.mm is not None
    set_regs(target, Regs(*REGS.unpack(t.mm.read(data, REGS.size))))


def _get_fpregs(t: Thread, target: Thread, addr: int, data: int) -> None:
    """Read x87 and SSE state (FXSAVE image)."""
    assert t.mm is not None
    t.mm.write(data, target.cpu.fpregs())


def _set_fpregs(t: Thread, target: Thread, addr: int, data: int) -> None:
    """Write x87 and SSE state."""
    assert t.mm is not None
    set_fpregs(target, t.mm.read(data, FPREGS_SIZE))


def _regset_view(target: Thread) -> ModuleType:
    """Return what has the register sets of the kind of code the tracee runs (task_user_regset_view)."""
    if user_64bit_mode(target):
        return ptrace_user
    from kernel import ptrace_user32

    return ptrace_user32


def _regset(t: Thread, view: ModuleType, addr: int, data: int) -> tuple[int, int]:
    """Return (buffer, usable length) of the iovec at ``data`` for register set ``addr``."""
    assert t.mm is not None
    base, length = _IOVEC.unpack(t.mm.read(data, _IOVEC.size))
    unit, size = view.regset_size(addr)
    if length % unit:
        raise Errno.EINVAL
    return base, min(length, size)


def _get_regset(t: Thread, target: Thread, addr: int, data: int) -> None:
    """Read a register set: NT_PRSTATUS, NT_PRFPREG (no NT_X86_XSTATE: the processor has no XSAVE)."""
    assert t.mm is not None
    view = _regset_view(target)
    base, length = _regset(t, view, addr, data)
    t.mm.write(base, view.get_regset(target, addr)[:length])
    t.mm.write_u64(data + 8, length)


def _set_regset(t: Thread, target: Thread, addr: int, data: int) -> None:
    """Write a register set."""
    assert t.mm is not None
    view = _regset_view(target)
    base, length = _regset(t, view, addr, data)
    view.set_regset(target, addr, t.mm.read(base, length))
    t.mm.write_u64(data + 8, length)


# -- signals ----------------------------------------------------------------------------------------------------------
def _get_siginfo(t: Thread, target: Thread, addr: int, data: int) -> None:
    """Read what the stop is about."""
    assert t.mm is not None
    t.mm.write(data, request.get_siginfo(target).pack())


def _set_siginfo(t: Thread, target: Thread, addr: int, data: int) -> None:
    """Change what the signal is delivered with."""
    assert t.mm is not None
    request.set_siginfo(target, SigInfo.unpack(t.mm.read(data, SIGINFO_SIZE)))


def _peek_siginfo(t: Thread, target: Thread, addr: int, data: int) -> int:
    """Read queued signals without removing them."""
    mm = t.mm
    assert mm is not None
    offset, flags, count = _PEEKSIGINFO_ARGS.unpack(mm.read(addr, _PEEKSIGINFO_ARGS.size))
    done = 0
    for info in request.peek_siginfo(target, offset, flags, count):
        try:
            mm.write(data + done * SIGINFO_SIZE, info.pack())
        except Errno.EFAULT:
            if not done:
                raise
            break
        done += 1
    return done


def _get_sigmask(t: Thread, target: Thread, addr: int, data: int) -> None:
    """Read the signal mask."""
    if addr != 8:
        raise Errno.EINVAL
    _store_word(t, data, request.get_sigmask(target))


def _set_sigmask(t: Thread, target: Thread, addr: int, data: int) -> None:
    """Write the signal mask."""
    assert t.mm is not None
    if addr != 8:
        raise Errno.EINVAL
    request.set_sigmask(target, t.mm.read_u64(data))


# -- the rest ---------------------------------------------------------------------------------------------------------
def _kill(t: Thread, target: Thread, addr: int, data: int) -> None:
    """Send SIGKILL."""
    request.kill(t, target)


def _interrupt(t: Thread, target: Thread, addr: int, data: int) -> None:
    """Stop it (seized ones only)."""
    request.interrupt(target)


def _listen(t: Thread, target: Thread, addr: int, data: int) -> None:
    """Let it stay in its group stop, but tell of changes."""
    request.listen(target)


def _detach(t: Thread, target: Thread, addr: int, data: int) -> None:
    """Let go of it, with a signal or 0."""
    detach(target, data)


def _set_options(t: Thread, target: Thread, addr: int, data: int) -> None:
    """Set PTRACE_O_* options."""
    request.set_options(t, target, data)


def _get_event_message(t: Thread, target: Thread, addr: int, data: int) -> None:
    """Read the message of the stop."""
    _store_word(t, data, target.ptrace_message)


def _arch_prctl(t: Thread, target: Thread, addr: int, data: int) -> None:
    """Arch_prctl(2) for it: bases of FS and GS."""
    base = request.arch_prctl(target, data, addr)
    if base is not None:
        _store_word(t, addr, base)


def _rseq_configuration(t: Thread, target: Thread, addr: int, data: int) -> int:
    """Read where its rseq area is."""
    assert t.mm is not None
    configuration = request.rseq_configuration(target)
    t.mm.write(data, configuration[:addr])
    return len(configuration)


def _syscall_info(t: Thread, target: Thread, addr: int, data: int) -> int:
    """Read which call it is stopped at, or the result."""
    assert t.mm is not None
    info = get_syscall_info(target)
    t.mm.write(data, info[:addr])
    return len(info)


def _seccomp_filter(t: Thread, target: Thread, addr: int, data: int) -> int:
    """Read the n-th of its seccomp filters."""
    program = seccomp.nth_filter(t, target, addr).program
    if data:
        assert t.mm is not None
        t.mm.write(data, bpf.pack(program))
    return len(program)


def _seccomp_metadata(t: Thread, target: Thread, addr: int, data: int) -> int:
    """Read the flags of the n-th of its seccomp filters."""
    mm = t.mm
    assert mm is not None
    seccomp.check_may_look(t)
    size = min(addr, _SECCOMP_METADATA.size)
    if size < 8:
        raise Errno.EINVAL
    index = mm.read_u64(data)
    flags = seccomp.FLAG_LOG if seccomp.nth_filter(t, target, index).log else 0
    mm.write(data, _SECCOMP_METADATA.pack(index, flags)[:size])
    return size


def _set_syscall_info(t: Thread, target: Thread, addr: int, data: int) -> None:
    """Make the call another, or change the result."""
    assert t.mm is not None
    if addr < SYSCALL_INFO_SIZE:
        raise Errno.EINVAL
    set_syscall_info(target, t.mm.read(data, SYSCALL_INFO_SIZE))


def _get_user_dispatch(t: Thread, target: Thread, addr: int, data: int) -> None:
    """Read which of its system calls are sent back to it (PR_SET_SYSCALL_USER_DISPATCH)."""
    assert t.mm is not None
    if addr != _USER_DISPATCH.size:
        raise Errno.EINVAL
    t.mm.write(data, _USER_DISPATCH.pack(*get_config(target)))


def _set_user_dispatch(t: Thread, target: Thread, addr: int, data: int) -> None:
    """Say which of its system calls are sent back to it."""
    assert t.mm is not None
    if addr != _USER_DISPATCH.size:
        raise Errno.EINVAL
    mode, selector, offset, length = _USER_DISPATCH.unpack(t.mm.read(data, _USER_DISPATCH.size))
    set_user_dispatch(target, mode, offset, length, selector)


def _get_thread_area(t: Thread, target: Thread, addr: int, data: int) -> None:
    """Read a 32-bit TLS descriptor."""
    assert t.mm is not None
    if addr >> 31 & 1:
        raise Errno.EIO
    from kernel.tls import get_thread_area

    t.mm.write(data, get_thread_area(target, addr & 0xFFFF_FFFF))


def _set_thread_area(t: Thread, target: Thread, addr: int, data: int) -> None:
    """Write a 32-bit TLS descriptor."""
    assert t.mm is not None
    if addr >> 31 & 1:
        raise Errno.EIO
    from kernel.tls import set_thread_area
    from kernel.user_desc import USER_DESC_SIZE, UserDesc

    set_thread_area(target, addr & 0xFFFF_FFFF, UserDesc.unpack(t.mm.read(data, USER_DESC_SIZE)))


_REQUESTS: Final[dict[int, Callable[[Thread, Thread, int, int], int | None]]] = {
    PTRACE_PEEKTEXT: _peek,
    PTRACE_PEEKDATA: _peek,
    PTRACE_PEEKUSER: _peek_user,
    PTRACE_POKETEXT: _poke,
    PTRACE_POKEDATA: _poke,
    PTRACE_POKEUSER: _poke_user,
    PTRACE_KILL: _kill,
    PTRACE_GETREGS: _get_regs,
    PTRACE_SETREGS: _set_regs,
    PTRACE_GETFPREGS: _get_fpregs,
    PTRACE_SETFPREGS: _set_fpregs,
    PTRACE_DETACH: _detach,
    PTRACE_OLDSETOPTIONS: _set_options,
    PTRACE_SETOPTIONS: _set_options,
    PTRACE_GETEVENTMSG: _get_event_message,
    PTRACE_GETSIGINFO: _get_siginfo,
    PTRACE_SETSIGINFO: _set_siginfo,
    PTRACE_GETREGSET: _get_regset,
    PTRACE_SETREGSET: _set_regset,
    PTRACE_INTERRUPT: _interrupt,
    PTRACE_LISTEN: _listen,
    PTRACE_PEEKSIGINFO: _peek_siginfo,
    PTRACE_GETSIGMASK: _get_sigmask,
    PTRACE_SETSIGMASK: _set_sigmask,
    PTRACE_SECCOMP_GET_FILTER: _seccomp_filter,
    PTRACE_SECCOMP_GET_METADATA: _seccomp_metadata,
    PTRACE_GET_SYSCALL_INFO: _syscall_info,
    PTRACE_SET_SYSCALL_INFO: _set_syscall_info,
    PTRACE_GET_RSEQ_CONFIGURATION: _rseq_configuration,
    PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG: _get_user_dispatch,
    PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG: _set_user_dispatch,
    PTRACE_GET_THREAD_AREA: _get_thread_area,
    PTRACE_SET_THREAD_AREA: _set_thread_area,
    PTRACE_ARCH_PRCTL: _arch_prctl,
}
