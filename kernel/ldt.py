"""The local descriptor table of an address space (modify_ldt(2), arch/x86/kernel/ldt.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.errno import Errno
from kernel.segment_load import reload_segments_later
from kernel.segments import SELECTOR_TI
from kernel.user_desc import UserDesc

if TYPE_CHECKING:
    from kernel.task import Thread

LDT_ENTRIES: Final = 8192
LDT_ENTRY_SIZE: Final = 8
_CONFORMING_CODE: Final = 3


def read_ldt(t: Thread, size: int) -> bytes:
    """Return the first ``size`` bytes of the table, of its greatest length; nothing if there is no table (read_ldt)."""
    assert t.mm is not None
    if not t.mm.ldt:
        return b""
    size = min(size, LDT_ENTRIES * LDT_ENTRY_SIZE)
    return t.mm.ldt[:size].ljust(size, b"\0")


def write_ldt(t: Thread, desc: UserDesc, old_mode: bool) -> None:
    """Set the entry ``desc`` is about (write_ldt); ``old_mode``: as function 1 of modify_ldt(2) does.  EINVAL, ENOMEM."""
    mm = t.mm
    assert mm is not None
    if desc.entry >= LDT_ENTRIES or (desc.contents == _CONFORMING_CODE and (old_mode or desc.present)):
        raise Errno.EINVAL
    none = desc.empty or (old_mode and not desc.base and not desc.limit)
    descriptor = 0 if none else desc.descriptor(useable=not old_mode)
    at = desc.entry * LDT_ENTRY_SIZE
    ldt = bytearray(mm.ldt.ljust(at + LDT_ENTRY_SIZE, b"\0"))
    ldt[at : at + LDT_ENTRY_SIZE] = descriptor.to_bytes(LDT_ENTRY_SIZE, "little")
    mm.memory.attempt(mm.tables.set_ldt, bytes(ldt))
    mm.ldt = bytes(ldt)
    for other in (t,) if mm.users == 1 else t.kernel.all_threads():
        if other.mm is mm and any(selector & SELECTOR_TI for selector in other.cpu.regs().selectors()):
            reload_segments_later(other)
