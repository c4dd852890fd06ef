"""Signals as strace(1) prints them: sets, actions, siginfo, wait statuses."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from kernel.errno import NAME_OF
from kernel.signal import NSIG, SA_RESTORER, SIGCHLD, SIGIO, SIGSYS, SIGTRAP, SigInfo, signal_name
from syscalls.flags import CODES, ENUMS
from syscalls.numbers import NAMES
from syscalls.strace.text import address, enum_name, flag_names, hexadecimal, signed32

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernel.mm.address_space import AddressSpace
    from syscalls.strace.call import Call, StructFormatter
    from syscalls.types import Arg

_ACTION = Struct("<4Q")
_STACK = Struct("<QI4xQ")
_FAULTS = frozenset({4, SIGTRAP, 7, 8, 11})


def sigset_text(mask: int) -> str:
    """Return ``[INT CHLD]``; a set of two thirds of all signals or more as what it lacks: ``~[KILL STOP]``."""
    inverted = mask.bit_count() >= NSIG * 2 // 3
    if inverted:
        mask = ~mask
    names = " ".join(signal_name(n).removeprefix("SIG") for n in range(1, NSIG + 1) if mask >> (n - 1) & 1)
    return f"{'~' if inverted else ''}[{names}]"


def sigset_at(mm: AddressSpace, where: int, size: int) -> str:
    """The sigset_t of ``size`` bytes at a user address; an address for a size the kernel does not accept."""
    return sigset_text(mm.read_u64(where)) if where and size == 8 else address(where)


def sigset(call: Call, value: int, arg: Arg, index: int) -> str:
    """A sigset_t whose size stands in one of the next arguments."""
    assert call.entry is not None
    sizes = [i for i, (name, _) in enumerate(call.entry.args) if i > index and "size" in name]
    return sigset_at(call.mm, value, call.args[sizes[0]] if sizes else 8)


def _sigaction(mm: AddressSpace, where: int) -> str:
    handler, flags, restorer, mask = _ACTION.unpack(mm.read(where, _ACTION.size))
    name = ENUMS["sighandler"][1].get(handler, f"{handler:#x}")
    tail = f", sa_restorer={address(restorer)}" if flags & SA_RESTORER else ""
    return f"{{sa_handler={name}, sa_mask={sigset_text(mask)}, sa_flags={flag_names('sigaction', flags)}{tail}}}"


def _stack_t(mm: AddressSpace, where: int) -> str:
    base, flags, size = _STACK.unpack(mm.read(where, _STACK.size))
    return f"{{ss_sp={address(base)}, ss_flags={flag_names('sigaltstack', flags)}, ss_size={size}}}"


def _siginfo(mm: AddressSpace, where: int) -> str:
    data = mm.read(where, 128)
    return siginfo_text(SigInfo.unpack(data[:48] + bytes(80))) if any(data[:4]) else "{}"


STRUCTS: dict[str, StructFormatter] = {
    "sigset_t": lambda mm, where: sigset_at(mm, where, 8),
    "sigaction": _sigaction,
    "stack_t": _stack_t,
    "siginfo_t": _siginfo,
}


def _ticks(value: int) -> str:
    return f"{value} /* {value / 100:.2f} s */" if value else "0"


def siginfo_text(info: SigInfo) -> str:
    """Return ``{si_signo=SIGCHLD, si_code=CLD_EXITED, ...}``; the fields depend on who sent it."""
    signo, code = info.signo, info.code
    name = CODES.get((signo, code)) or CODES.get((0, code))
    parts = [f"si_signo={signal_name(signo)}", f"si_code={name if name is not None else hexadecimal(code % (1 << 32))}"]
    if info.errno:
        parts.append(f"si_errno={NAME_OF.get(info.errno, info.errno)}")
    sender = [f"si_pid={info.pid}", f"si_uid={info.uid}"]
    value = [f"si_int={signed32(info.value)}", f"si_ptr={address(info.value)}"]
    if code == -2:
        parts += [f"si_timerid={hexadecimal(info.timerid)}", f"si_overrun={info.overrun}", *value]
    elif code in (0, -6):
        parts += sender
    elif code < 0:
        parts += [*sender, *value] if info.value else sender
    elif signo == SIGCHLD:
        parts += sender
        parts.append(f"si_status={info.status if code == 1 else signal_name(info.status)}")
        parts += [f"si_utime={_ticks(info.utime)}", f"si_stime={_ticks(info.stime)}"]
    elif signo in _FAULTS:
        parts.append(f"si_addr={address(info.addr)}")
    elif signo == SIGIO and code in (1, 2, 3, 4, 5, 6):
        parts.append(f"si_band={info.band}")
    elif signo == SIGSYS:
        parts += [
            f"si_call_addr={address(info.call_addr)}",
            f"si_syscall=__NR_{NAMES.get(info.syscall, info.syscall)}",
            f"si_arch={enum_name('audit_arch', info.arch)}",
        ]
    else:
        if info.pid or info.uid:
            parts += sender
        if info.value:
            parts += value
    return "{" + ", ".join(parts) + "}"


# -- wait -------------------------------------------------------------------------------------------------------------
def wait_status(call: Call, value: int, arg: Arg, index: int) -> str:
    """The status word wait4(2) fills, as the macros that take it apart; only there when a child was found."""
    if not value or not call.result or call.failed:
        return address(value)
    return f"[{status_text(call.mm.read_u32(value))}]"


def status_text(status: int) -> str:
    """Return a wait status as ``{WIFEXITED(s) && WEXITSTATUS(s) == 1}``."""
    if status == 0xFFFF:
        return "{WIFCONTINUED(s)}"
    if status & 0xFF == 0x7F:
        event = status >> 16
        extra = f" | {_PTRACE_EVENTS.get(event, hexadecimal(event))} << 16" if event else ""
        code = status >> 8 & 0xFF
        stop = f"{signal_name(code & 0x7F)} | 0x80" if code & 0x80 else signal_name(code)
        return f"{{WIFSTOPPED(s) && WSTOPSIG(s) == {stop}}}{extra}"
    if status & 0x7F:
        core = " && WCOREDUMP(s)" if status & 0x80 else ""
        return f"{{WIFSIGNALED(s) && WTERMSIG(s) == {signal_name(status & 0x7F)}{core}}}"
    return f"{{WIFEXITED(s) && WEXITSTATUS(s) == {status >> 8 & 0xFF}}}"


_PTRACE_EVENTS = {
    1: "PTRACE_EVENT_FORK",
    2: "PTRACE_EVENT_VFORK",
    3: "PTRACE_EVENT_CLONE",
    4: "PTRACE_EVENT_EXEC",
    5: "PTRACE_EVENT_VFORK_DONE",
    6: "PTRACE_EVENT_EXIT",
    7: "PTRACE_EVENT_SECCOMP",
    128: "PTRACE_EVENT_STOP",
}

# -- returning from a handler -----------------------------------------------------------------------------------------
_SIGMASK_OFFSET = 8 + 8 + 24 + 256
"""uc_sigmask in ``struct ucontext``: behind uc_flags, uc_link, uc_stack and the registers."""


def rt_sigreturn(call: Call) -> Iterator[str]:
    """The mask that will be restored; the frame lies at the stack pointer."""
    yield f"{{mask={sigset_text(call.mm.read_u64(call.t.cpu.rsp + _SIGMASK_OFFSET))}}}"
    yield ""
