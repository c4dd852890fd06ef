"""Segments: descriptors, and what a selector names.

A selector names an entry of the GDT, which is the same for all but for its three entries for programs (kernel.tls), or of the
LDT of the address space (kernel.ldt).  Its low two bits are the privilege it is used with, 3 for programs; the next one tells
the tables apart.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.hardware import GDT

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

_USER_DESC: Final = struct.Struct("<IIII")
USER_DESC_SIZE: Final = _USER_DESC.size
_SEG_32BIT, _CONTENTS, _READ_EXEC_ONLY, _LIMIT_IN_PAGES, _NOT_PRESENT, _USEABLE = 0x1, 0x6, 0x8, 0x10, 0x20, 0x40
_BITS: Final = 0x7F
_LIMIT: Final = 0xF_FFFF


class UserDesc(NamedTuple):
    """``struct user_desc`` (asm/ldt.h): ``entry`` of its table, base, limit in bytes or pages, and the bit fields."""

    entry: int
    base: int
    limit: int
    bits: int

    @classmethod
    def unpack(cls, content: bytes) -> UserDesc:
        """Read one; the bit for 64-bit code is dropped, which no program may have (fill_ldt)."""
        entry, base, limit, bits = _USER_DESC.unpack(content)
        return cls(entry, base, limit, bits & _BITS)

    def pack(self) -> bytes:
        """Return it as programs see it."""
        return _USER_DESC.pack(*self)

    @classmethod
    def of(cls, entry: int, descriptor: int) -> UserDesc:
        """Return what entry ``entry`` of a table was made from (fill_user_desc)."""
        bits = (
            (_SEG_32BIT if descriptor & DESC_BIG else 0)
            | descriptor >> 41 & _CONTENTS
            | (0 if descriptor & DESC_WRITABLE else _READ_EXEC_ONLY)
            | (_LIMIT_IN_PAGES if descriptor >> 55 & 1 else 0)
            | (0 if descriptor & DESC_PRESENT else _NOT_PRESENT)
            | (_USEABLE if descriptor >> 52 & 1 else 0)
        )
        return cls(entry, segment_base(descriptor), descriptor & 0xFFFF | descriptor >> 32 & 0xF_0000, bits)

    @property
    def zero(self) -> bool:
        """Everything is 0 (LDT_zero)."""
        return not (self.base or self.limit or self.bits)

    @property
    def empty(self) -> bool:
        """It stands for no segment (LDT_empty)."""
        return not (self.base or self.limit) and self.bits == _READ_EXEC_ONLY | _NOT_PRESENT

    @property
    def contents(self) -> int:
        """What kind: 0 data, 1 expand-down data, 2 code, 3 conforming code."""
        return (self.bits & _CONTENTS) >> 1

    @property
    def present(self) -> bool:
        return not self.bits & _NOT_PRESENT

    @property
    def big(self) -> bool:
        """It is a 32-bit segment."""
        return bool(self.bits & _SEG_32BIT)

    def descriptor(self, useable: bool = True) -> int:
        """Return the 8 bytes of the table (fill_ldt): for CPL 3, marked as accessed, so that no load writes to the table."""
        bits = self.bits
        limit = self.limit & _LIMIT
        attributes = 0xF1 if self.present else 0x71
        attributes |= (0 if bits & _READ_EXEC_ONLY else 2) | self.contents << 2
        flags = (bits & _SEG_32BIT) << 2 | (8 if bits & _LIMIT_IN_PAGES else 0) | (1 if useable and bits & _USEABLE else 0)
        return (
            limit & 0xFFFF | (self.base & 0xFF_FFFF) << 16 | attributes << 40
            | (limit >> 16) << 48 | flags << 52 | (self.base >> 24) << 56
        )  # fmt: skip


def segment_base(descriptor: int) -> int:
    """Return the base a descriptor says."""
    return descriptor >> 16 & 0xFF_FFFF | descriptor >> 56 << 24


def segment_limit(descriptor: int) -> int:
    """Return the greatest offset in the segment of a descriptor, if it grows up."""
    limit = descriptor & 0xFFFF | descriptor >> 32 & 0xF_0000
    return limit << 12 | 0xFFF if descriptor >> 55 & 1 else limit


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
