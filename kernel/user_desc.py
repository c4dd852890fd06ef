"""``struct user_desc``: how programs write down a segment descriptor (asm/ldt.h)."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from kernel.hardware import limit_field, segment_base
from kernel.segments import DESC_BIG, DESC_PRESENT, DESC_WRITABLE

_USER_DESC: Final = struct.Struct("<IIII")
USER_DESC_SIZE: Final = _USER_DESC.size
_SEG_32BIT, _CONTENTS, _READ_EXEC_ONLY, _LIMIT_IN_PAGES, _NOT_PRESENT, _USEABLE = 0x1, 0x6, 0x8, 0x10, 0x20, 0x40
_BITS: Final = 0x7F
_LIMIT: Final = 0xF_FFFF


class UserDesc(NamedTuple):
    """``entry`` of its table, base, limit in bytes or pages, and the bit fields."""

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
        return cls(entry, segment_base(descriptor), limit_field(descriptor), bits)

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
