"""How strace(1) shows what signal calls point at: sets, actions, alternate stacks, siginfo."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from kernel.signal import (
    NSIG,
    SA_EXPOSE_TAGBITS,
    SA_NOCLDSTOP,
    SA_NOCLDWAIT,
    SA_NODEFER,
    SA_ONSTACK,
    SA_RESETHAND,
    SA_RESTART,
    SA_RESTORER,
    SA_SIGINFO,
    SIG_DFL,
    SIG_IGN,
    SS_AUTODISARM,
    SS_DISABLE,
    SS_ONSTACK,
    signal_name,
)

if TYPE_CHECKING:
    from kernel.task import Thread

_ACTION = Struct("<4Q")
_STACK = Struct("<QI4xQ")

_SA_NAMES = (
    (SA_RESTORER, "SA_RESTORER"),
    (SA_ONSTACK, "SA_ONSTACK"),
    (SA_RESTART, "SA_RESTART"),
    (SA_NODEFER, "SA_NODEFER"),
    (SA_RESETHAND, "SA_RESETHAND"),
    (SA_SIGINFO, "SA_SIGINFO"),
    (SA_NOCLDSTOP, "SA_NOCLDSTOP"),
    (SA_NOCLDWAIT, "SA_NOCLDWAIT"),
    (SA_EXPOSE_TAGBITS, "SA_EXPOSE_TAGBITS"),
)
_SS_NAMES = ((SS_AUTODISARM, "SS_AUTODISARM"), (SS_ONSTACK, "SS_ONSTACK"), (SS_DISABLE, "SS_DISABLE"))


def _bits(names: tuple[tuple[int, str], ...], value: int) -> str:
    shown = [name for bit, name in names if value & bit]
    for bit, _ in names:
        value &= ~bit
    if value:
        shown.append(f"{value:#x}")
    return "|".join(shown) or "0"


def show_sigset(mask: int) -> str:
    """Return ``[INT CHLD]``; a set of most signals as what it lacks: ``~[KILL STOP]``."""
    inverted = mask.bit_count() >= NSIG * 2 // 3
    if inverted:
        mask = ~mask
    names = " ".join(signal_name(n).removeprefix("SIG") for n in range(1, NSIG + 1) if mask >> (n - 1) & 1)
    return f"{'~' if inverted else ''}[{names}]"


def sigset(t: Thread, address: int) -> str:
    """The sigset_t at a user address."""
    assert t.mm is not None
    return show_sigset(t.mm.read_u64(address))


def sigaction(t: Thread, address: int) -> str:
    """The kernel's struct sigaction at a user address."""
    assert t.mm is not None
    handler, flags, restorer, mask = _ACTION.unpack(t.mm.read(address, _ACTION.size))
    name = {SIG_DFL: "SIG_DFL", SIG_IGN: "SIG_IGN"}.get(handler, f"{handler:#x}")
    field = "sa_sigaction" if flags & SA_SIGINFO and handler not in (SIG_DFL, SIG_IGN) else "sa_handler"
    tail = f", sa_restorer={restorer:#x}" if flags & SA_RESTORER else ""
    return f"{{{field}={name}, sa_mask={show_sigset(mask)}, sa_flags={_bits(_SA_NAMES, flags)}{tail}}}"


def stack_t(t: Thread, address: int) -> str:
    """The stack_t at a user address."""
    assert t.mm is not None
    base, flags, size = _STACK.unpack(t.mm.read(address, _STACK.size))
    return f"{{ss_sp={f'{base:#x}' if base else 'NULL'}, ss_flags={_bits(_SS_NAMES, flags)}, ss_size={size}}}"


STRUCTS = {"sigset_t": sigset, "sigaction": sigaction, "stack_t": stack_t}
"""C name -> formatter of what is at a user address."""
