"""The three segment descriptors a thread may choose (PTRACE_GET_THREAD_AREA, SET_THREAD_AREA; arch/x86/kernel/tls.c).

32-bit programs keep thread-local storage in them.  64-bit ones use the bases of FS and GS, so all that can be done with a
descriptor here is what ptrace allows: store it, have it shown, pass it on to children.  No selector names it.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.errno import Errno

if TYPE_CHECKING:
    from kernel.task import Thread

GDT_ENTRY_TLS_MIN: Final = 12
TLS_ENTRIES: Final = 3

_USER_DESC: Final = struct.Struct("<IIII")
USER_DESC_SIZE: Final = _USER_DESC.size
_SEG_32BIT, _READ_EXEC_ONLY, _NOT_PRESENT = 0x1, 0x8, 0x20
_CONTENTS: Final = 0x6
_CODE: Final = 0x4
_LM: Final = 0x80
_BITS: Final = 0xFF


class Descriptor(NamedTuple):
    """``struct user_desc`` without its number: base, limit in bytes or pages, and the bits."""

    base: int
    limit: int
    bits: int


_EMPTY: Final = Descriptor(0, 0, _READ_EXEC_ONLY | _NOT_PRESENT)
_NO_DESCRIPTORS: Final = (_EMPTY,) * TLS_ENTRIES


def _slot(index: int) -> int:
    """Return which of the three ``index`` is.  EIO below 0 as a 32-bit number, EINVAL for entries that are not for programs."""
    if index >> 31 & 1:
        raise Errno.EIO
    slot = (index & 0xFFFF_FFFF) - GDT_ENTRY_TLS_MIN
    if not 0 <= slot < TLS_ENTRIES:
        raise Errno.EINVAL
    return slot


def get_thread_area(t: Thread, index: int) -> bytes:
    """Return ``struct user_desc`` of descriptor ``index`` of the GDT.  EIO, EINVAL (do_get_thread_area)."""
    base, limit, bits = (t.tls or _NO_DESCRIPTORS)[_slot(index)]
    return _USER_DESC.pack(index & 0xFFFF_FFFF, base, limit, bits)


def set_thread_area(t: Thread, index: int, desc: bytes) -> None:
    """Store a descriptor.  EIO, EINVAL: only present 32-bit data segments, or an empty one (tls_desc_okay)."""
    _, base, limit, bits = _USER_DESC.unpack(desc)
    descriptor = Descriptor(base, limit & 0xFFFFF, bits & _BITS & ~_LM)
    if bits & _BITS in (0, _EMPTY.bits) and not base and not limit:
        descriptor = _EMPTY
    elif not bits & _SEG_32BIT or bits & _CODE or bits & _NOT_PRESENT:
        raise Errno.EINVAL
    descriptors = list(t.tls or _NO_DESCRIPTORS)
    descriptors[_slot(index)] = descriptor
    t.tls = tuple(descriptors)
