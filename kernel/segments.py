"""Segments: what a selector names, and what a descriptor says.

A selector names an entry of the GDT, which is the same for all but for its three entries for programs (kernel.tls), or of the
LDT of the address space (kernel.ldt).  Its low two bits are the privilege it is used with, 3 for programs; the next one tells
the tables apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.hardware import GDT, segment_base

if TYPE_CHECKING:
    from kernel.task import Thread

USER32_CS: Final = 0x23
USER_DS: Final = 0x2B
USER_CS: Final = 0x33

GDT_ENTRY_TLS_MIN: Final = 12
TLS_ENTRIES: Final = 3

SELECTOR_TI: Final = 4
"""Of a selector: the LDT."""
SELECTOR_RPL: Final = 3

# Of a descriptor: attributes in bits 40 to 55.
DESC_PRESENT, DESC_DPL, DESC_S, DESC_CODE, DESC_CONFORMING, DESC_WRITABLE = 1 << 47, 3 << 45, 1 << 44, 1 << 43, 1 << 42, 1 << 41
DESC_READABLE: Final = DESC_WRITABLE
DESC_LONG: Final = 1 << 53
DESC_BIG: Final = 1 << 54


def descriptor_of(t: Thread, selector: int) -> int:
    """Return the descriptor that ``selector`` names for ``t``; 0 for none."""
    index = selector >> 3
    if selector & SELECTOR_TI:
        mm = t.mm
        return int.from_bytes(mm.ldt[8 * index : 8 * index + 8], "little") if mm is not None else 0
    if GDT_ENTRY_TLS_MIN <= index < GDT_ENTRY_TLS_MIN + TLS_ENTRIES:
        return t.tls[index - GDT_ENTRY_TLS_MIN] if t.tls else 0
    return GDT.get(index, 0)


def user_64bit_mode(t: Thread) -> bool:
    """Tell whether ``t`` runs 64-bit code."""
    return t.cpu.cs & 0xFFFF == USER_CS


def linear_ip(t: Thread) -> int:
    """Return where the next instruction of ``t`` is (convert_ip_to_linear)."""
    rip = t.cpu.rip
    selector = t.cpu.cs & 0xFFFF
    if not selector & SELECTOR_TI:
        return rip
    descriptor = descriptor_of(t, selector)
    return segment_base(descriptor) + (rip if descriptor & DESC_BIG else rip & 0xFFFF) & 0xFFFF_FFFF


def is_valid_ss(t: Thread, selector: int) -> bool:
    """Tell whether a program may have ``selector`` in SS (force_valid_ss)."""
    needed = DESC_PRESENT | DESC_DPL | DESC_S | DESC_WRITABLE
    return descriptor_of(t, selector) & (needed | DESC_CODE) == needed
