"""What a tracer sees of a tracee's registers: ``struct user`` and the register sets (arch/x86/kernel/ptrace.c).

The registers proper are in ``t.cpu``; the kernel adds orig_rax, the number of the system call the thread is in, and hides
the trap flag while it is the debugger's own.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from kernel.errno import Errno
from kernel.hardware import USER_TOP, Regs
from kernel.hw_breakpoint import get_debug_register, set_debug_register
from kernel.ia32 import IA32, ia32_arguments, in_ia32_syscall
from kernel.ptrace import EFLAGS_TF, TRACE_CHANGED, TRACE_FORCED_TF, set_trace_flags

if TYPE_CHECKING:
    from kernel.task import Thread

REGS: Final = struct.Struct("<27Q")
"""struct user_regs_struct."""
FPREGS_SIZE: Final = 512
USER_SIZE: Final = 928
"""sizeof(struct user)."""
DEBUGREG_OFFSET: Final = 848
"""offsetof(struct user, u_debugreg)."""

NT_PRSTATUS: Final = 1
NT_PRFPREG: Final = 2
NT_386_IOPERM: Final = 0x201
NT_X86_XSTATE: Final = 0x202

_MASK: Final = (1 << 64) - 1
_MXCSR_MASK: Final = 0xFFFF
_RPL: Final = 3
_FIELDS: Final = Regs._fields
_SELECTORS: Final = ("cs", "ds", "es", "fs", "gs", "ss")


def get_regs(t: Thread) -> Regs:
    """Return the registers of ``t`` as PTRACE_GETREGS shows them."""
    regs = t.cpu.regs()
    eflags = regs.eflags & ~EFLAGS_TF if t.trace_flags & TRACE_FORCED_TF else regs.eflags
    # The call is chosen by 32 bits of rax, and the tracer sees all 64 (do_syscall_64).
    number = t.syscall_args[0] if t.syscall_args and t.syscall_args[0] & 0xFFFF_FFFF == t.syscall_nr else t.syscall_nr
    return regs._replace(orig_rax=number & _MASK, eflags=eflags)


def set_regs(t: Thread, regs: Regs) -> None:
    """Load the registers of ``t`` (PTRACE_SETREGS).

    EIO for a segment selector no program may have and for a segment base outside user space.  What other selectors name is
    loaded, and found wrong, when ``t`` goes on.
    """
    for name in _SELECTORS:
        selector = getattr(regs, name) & 0xFFFF
        if (selector and selector & _RPL != _RPL) or (not selector and name in ("cs", "ss")):
            raise Errno.EIO
    if regs.fs_base >= USER_TOP or regs.gs_base >= USER_TOP:
        raise Errno.EIO
    eflags = regs.eflags
    if eflags & EFLAGS_TF:
        # From now on it is the program's own (set_flags).
        set_trace_flags(t, t.trace_flags & ~TRACE_FORCED_TF)
    elif t.trace_flags & TRACE_FORCED_TF:
        eflags |= EFLAGS_TF
    t.cpu.set_regs(regs._replace(eflags=eflags))
    now = t.cpu.regs()
    for name in _SELECTORS:
        selector = getattr(regs, name) & 0xFFFF
        if selector != getattr(now, name):
            from kernel.segment_load import reload_segments_later

            t.cpu.set_selector(name, selector)
            reload_segments_later(t)
    t.trace_flags |= TRACE_CHANGED
    number = regs.orig_rax
    signed = number - (1 << 64) if number >> 63 else number
    t.syscall_nr = signed + IA32 if in_ia32_syscall(t) else signed


def syscall_registers(t: Thread) -> tuple[int, int, int, int, int, int, int]:
    """Return number (32 bits) and arguments of the system call ``t`` is about to make, as its registers say now."""
    if in_ia32_syscall(t):
        return t.syscall_nr & 0xFFFF_FFFF, *ia32_arguments(t)
    regs = t.cpu.regs()
    return t.syscall_nr & 0xFFFF_FFFF, regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9


def set_fpregs(t: Thread, image: bytes) -> None:
    """Load the FXSAVE image of PTRACE_SETFPREGS.  EINVAL for reserved bits of MXCSR (xfpregs_set)."""
    if int.from_bytes(image[24:28], "little") & ~_MXCSR_MASK:
        raise Errno.EINVAL
    t.cpu.set_fpregs(image)


def peek_user(t: Thread, offset: int) -> int:
    """Return the 64-bit word at ``offset`` of ``struct user`` (PTRACE_PEEKUSER).  EIO outside or unaligned."""
    if offset & 7 or not 0 <= offset < USER_SIZE:
        raise Errno.EIO
    if offset < REGS.size:
        value: int = get_regs(t)[offset >> 3]
        return value
    if DEBUGREG_OFFSET <= offset < DEBUGREG_OFFSET + 64:
        return get_debug_register(t, offset - DEBUGREG_OFFSET >> 3)
    return 0


def poke_user(t: Thread, offset: int, value: int) -> None:
    """Store the 64-bit word at ``offset`` of ``struct user`` (PTRACE_POKEUSER).

    EIO outside the registers or unaligned, and what the registers refuse.
    """
    if offset & 7 or not 0 <= offset < USER_SIZE:
        raise Errno.EIO
    if offset < REGS.size:
        set_regs(t, get_regs(t)._replace(**{_FIELDS[offset >> 3]: value}))
    elif DEBUGREG_OFFSET <= offset < DEBUGREG_OFFSET + 64:
        set_debug_register(t, offset - DEBUGREG_OFFSET >> 3, value)
    else:
        raise Errno.EIO


def get_regset(t: Thread, kind: int) -> bytes:
    """Return a register set (PTRACE_GETREGSET).

    EINVAL if there is none of that kind, ENODEV because this processor has no XSAVE, ENXIO because nobody has I/O ports.
    """
    if kind == NT_PRSTATUS:
        return REGS.pack(*get_regs(t))
    if kind == NT_PRFPREG:
        return t.cpu.fpregs()
    if kind == NT_X86_XSTATE:
        raise Errno.ENODEV
    if kind == NT_386_IOPERM:
        raise Errno.ENXIO
    raise Errno.EINVAL


def regset_size(kind: int) -> tuple[int, int]:
    """Return (size of one element, bytes in all) of a register set.  EINVAL if there is none of that kind."""
    if kind == NT_PRSTATUS:
        return 8, REGS.size
    if kind == NT_PRFPREG:
        return 4, FPREGS_SIZE
    if kind == NT_X86_XSTATE:
        return 8, 0
    if kind == NT_386_IOPERM:
        return 8, 8192
    raise Errno.EINVAL


def set_regset(t: Thread, kind: int, data: bytes) -> None:
    """Load the first bytes of a register set (PTRACE_SETREGSET); the rest keeps its value."""
    if kind == NT_PRSTATUS:
        image = REGS.pack(*get_regs(t))
        set_regs(t, Regs(*REGS.unpack(data + image[len(data) :])))
    elif kind == NT_PRFPREG:
        if len(data) != FPREGS_SIZE:
            raise Errno.EINVAL
        set_fpregs(t, data)
    else:
        raise Errno.EOPNOTSUPP if kind == NT_386_IOPERM else Errno.ENODEV
