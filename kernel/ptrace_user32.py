"""The register sets of a tracee that runs 32-bit code (user_x86_32_view of arch/x86/kernel/ptrace.c).

What PTRACE_GETREGSET shows depends on the code segment of the tracee (task_user_regset_view), not on what kind of program it is;
PTRACE_GETREGS and PEEKUSER of a 64-bit tracer show 64 bits in any case.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from kernel.errno import Errno
from kernel.ptrace_user import FPREGS_SIZE, NT_386_IOPERM, NT_PRFPREG, NT_PRSTATUS, NT_X86_XSTATE, get_regs, set_fpregs, set_regs
from kernel.segments import GDT_ENTRY_TLS_MIN, TLS_ENTRIES
from kernel.tls import check_desc, get_thread_area, set_thread_area
from kernel.user_desc import USER_DESC_SIZE, UserDesc

if TYPE_CHECKING:
    from kernel.task import Thread

NT_386_TLS: Final = 0x200
NT_PRXFPREG: Final = 0x46E6_2B7F

_FIELDS: Final = (
    "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rax", "ds", "es", "fs", "gs", "orig_rax", "rip", "cs", "eflags", "rsp", "ss",
)  # fmt: skip
_REGS: Final = struct.Struct("<17I")
"""struct user_regs_struct of i386."""
_I387: Final = struct.Struct("<7I80s")
"""struct user_i387_ia32_struct: control, status and tag word, fip, fcs, foo, fos, and eight registers of 10 bytes."""
_HIGH: Final = 0xFFFF_0000
_SIZES: Final = {
    NT_PRSTATUS: (4, _REGS.size),
    NT_PRFPREG: (4, _I387.size),
    NT_PRXFPREG: (4, FPREGS_SIZE),
    NT_386_TLS: (USER_DESC_SIZE, TLS_ENTRIES * USER_DESC_SIZE),
    NT_X86_XSTATE: (8, 0),
    NT_386_IOPERM: (4, 8192),
}


def regset_size(kind: int) -> tuple[int, int]:
    """Return (size of one element, bytes in all) of a register set.  EINVAL if there is none of that kind."""
    if kind not in _SIZES:
        raise Errno.EINVAL
    return _SIZES[kind]


def get_regset(t: Thread, kind: int) -> bytes:
    """Return a register set (PTRACE_GETREGSET).  EINVAL, and ENODEV or ENXIO as in 64 bits."""
    if kind == NT_PRSTATUS:
        regs = get_regs(t)
        return _REGS.pack(*[getattr(regs, name) & 0xFFFF_FFFF for name in _FIELDS])
    if kind == NT_PRFPREG:
        regs = get_regs(t)
        return _to_i387(t.cpu.fpregs(), regs.cs, regs.ds)
    if kind == NT_PRXFPREG:
        return t.cpu.fpregs()
    if kind == NT_386_TLS:
        return b"".join(get_thread_area(t, GDT_ENTRY_TLS_MIN + slot) for slot in range(TLS_ENTRIES))
    raise {NT_X86_XSTATE: Errno.ENODEV, NT_386_IOPERM: Errno.ENXIO}.get(kind, Errno.EINVAL)


def set_regset(t: Thread, kind: int, data: bytes) -> None:
    """Load the first bytes of a register set (PTRACE_SETREGSET); the rest keeps its value."""
    if kind == NT_PRSTATUS:
        values = _REGS.unpack(data + get_regset(t, kind)[len(data) :])
        changed = dict(zip(_FIELDS, values, strict=True))
        # A register keeps its upper half only if nothing of it was written.
        set_regs(t, get_regs(t)._replace(**{name: changed[name] for name in _FIELDS[: (len(data) + 3) // 4]}))
    elif kind == NT_PRFPREG:
        set_fpregs(t, _from_i387(data + get_regset(t, kind)[len(data) :], t.cpu.fpregs()))
    elif kind == NT_PRXFPREG:
        if len(data) != FPREGS_SIZE:
            raise Errno.EINVAL
        set_fpregs(t, data)
    elif kind == NT_386_TLS:
        descs = [UserDesc.unpack(data[at : at + USER_DESC_SIZE]) for at in range(0, len(data), USER_DESC_SIZE)]
        for desc in descs:
            check_desc(desc)
        for slot, desc in enumerate(descs):
            set_thread_area(t, GDT_ENTRY_TLS_MIN + slot, desc)
    else:
        raise Errno.EOPNOTSUPP if kind == NT_386_IOPERM else Errno.ENODEV


def _tag(image: bytes, number: int) -> int:
    """Return the tag of physical register ``number``: 0 valid, 1 zero, 2 special, 3 empty (twd_fxsr_to_i387)."""
    if not image[4] >> number & 1:
        return 3
    at = 32 + 16 * (number - (image[3] >> 3 & 7) & 7)
    significand = int.from_bytes(image[at : at + 8], "little")
    exponent = int.from_bytes(image[at + 8 : at + 10], "little") & 0x7FFF
    if not exponent:
        return 2 if significand else 1
    return 0 if exponent != 0x7FFF and significand >> 63 else 2


def _to_i387(image: bytes, cs: int, ds: int) -> bytes:
    """Return an FXSAVE image in the form of FSAVE (convert_from_fxsr)."""
    control, status = int.from_bytes(image[:2], "little"), int.from_bytes(image[2:4], "little")
    tags = sum(_tag(image, number) << 2 * number for number in range(8))
    fip, foo = int.from_bytes(image[8:12], "little"), int.from_bytes(image[16:20], "little")
    stack = b"".join(image[32 + 16 * i : 42 + 16 * i] for i in range(8))
    return _I387.pack(control | _HIGH, status | _HIGH, tags | _HIGH, fip, cs, foo, ds | _HIGH, stack)


def _from_i387(content: bytes, image: bytes) -> bytes:
    """Return an FXSAVE image with the x87 state of an FSAVE one (convert_to_fxsr)."""
    control, status, tags, fip, fcs, foo, _, stack = _I387.unpack(content)
    full = sum(1 << number for number in range(8) if tags >> 2 * number & 3 != 3)
    head = struct.pack("<HHBxHQQ", control & 0xFFFF, status & 0xFFFF, full, fcs >> 16, fip, foo)
    registers = b"".join(stack[10 * i : 10 * i + 10] + image[42 + 16 * i : 48 + 16 * i] for i in range(8))
    return head + image[24:32] + registers + image[160:]
