"""System calls by ``int $0x80``: those of i386, made by a program of 64 bits (entry_INT80_compat, do_int80_syscall_32).

Number and arguments are the low halves of EAX, EBX, ECX, EDX, ESI, EDI and EBP; the result is all of RAX, and no other register
changes.  Everything else is as with ``syscall``: tracers, filters and restarts see the number and the registers of i386.

While a thread is in such a call its ``syscall_nr`` has IA32 added, which is beyond all numbers a program or a tracer can make,
-1 included (TS_COMPAT of ``thread_info.status``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from kernel.task import Thread

IA32: Final = 1 << 65
_FIRST: Final = 1 << 64
AUDIT_ARCH_X86_64: Final = 0xC000003E
AUDIT_ARCH_I386: Final = 0x40000003
NR_RESTART_SYSCALL: Final = 0
_LOW: Final = 0xFFFF_FFFF


class Ia32Calls(NamedTuple):
    """The calls of i386 by number as ``Kernel.calls`` has those of x86-64, and the names of all there are."""

    calls: Sequence[Callable[..., Any]]
    names: Mapping[int, str]


def in_syscall(t: Thread) -> bool:
    """Tell whether ``t`` is in a call; a tracer that makes the number -1, of either table, says it is not (syscall_get_nr)."""
    return not t.syscall_nr >> 63 & 1


def in_ia32_syscall(t: Thread) -> bool:
    """Tell whether the call ``t`` is in, or was last in, came by ``int $0x80``."""
    return t.syscall_nr >= _FIRST


def syscall_arch(t: Thread) -> int:
    """Return the architecture the number of the call ``t`` is in belongs to, AUDIT_ARCH_* (syscall_get_arch)."""
    return AUDIT_ARCH_I386 if t.syscall_nr >= _FIRST else AUDIT_ARCH_X86_64


def ia32_arguments(t: Thread) -> tuple[int, int, int, int, int, int]:
    """Return the registers that are the arguments of a call of i386, all of them, as tracers and filters see them."""
    regs = t.cpu.regs()
    return regs.rbx, regs.rcx, regs.rdx, regs.rsi, regs.rdi, regs.rbp


def low_halves(args: tuple[int, ...]) -> tuple[int, ...]:
    """Return what the call itself sees of number and arguments."""
    return tuple([value & _LOW for value in args])
