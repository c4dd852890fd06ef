"""The three segment descriptors a thread may choose in the GDT (set_thread_area(2), arch/x86/kernel/tls.c).

32-bit programs keep thread-local storage in them; 64-bit ones use the bases of FS and GS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.errno import Errno
from kernel.segment_load import load_data_segment
from kernel.segments import GDT_ENTRY_TLS_MIN, TLS_ENTRIES
from kernel.user_desc import USER_DESC_SIZE, UserDesc

if TYPE_CHECKING:
    from kernel.task import Thread

ALLOCATE: Final = 0xFFFF_FFFF
"""Number of an entry that stands for a free one."""


def _slot(entry: int) -> int:
    """Return which of the three ``entry`` is.  EINVAL for entries that are not for programs."""
    slot = entry - GDT_ENTRY_TLS_MIN
    if not 0 <= slot < TLS_ENTRIES:
        raise Errno.EINVAL
    return slot


def get_thread_area(t: Thread, entry: int) -> bytes:
    """Return ``struct user_desc`` of entry ``entry`` of the GDT.  EINVAL (do_get_thread_area)."""
    slot = _slot(entry)
    return UserDesc.of(entry, t.tls[slot] if t.tls else 0).pack()


def free_entry(t: Thread) -> int:
    """Return the number of an entry that ``t`` does not use.  ESRCH if it uses all (get_free_idx)."""
    for slot, descriptor in enumerate(t.tls or (0,) * TLS_ENTRIES):
        if not descriptor:
            return GDT_ENTRY_TLS_MIN + slot
    raise Errno.ESRCH


def check_desc(desc: UserDesc) -> None:
    """EINVAL unless it is a present 32-bit data segment, or none at all (tls_desc_okay)."""
    if not (desc.empty or desc.zero) and (not desc.big or desc.contents > 1 or not desc.present):
        raise Errno.EINVAL


def set_thread_area(t: Thread, entry: int, desc: UserDesc, current: bool = False) -> None:
    """Store a descriptor as entry ``entry`` (do_set_thread_area); ``current``: ``t`` itself asks.  EINVAL."""
    check_desc(desc)
    descriptors = list(t.tls or (0,) * TLS_ENTRIES)
    descriptors[_slot(entry)] = 0 if desc.empty or desc.zero else desc.descriptor()
    t.tls = tuple(descriptors)
    cpu = t.cpu
    cpu.set_tls(b"".join(descriptor.to_bytes(8, "little") for descriptor in descriptors))
    selector = entry << 3 | 3
    regs = cpu.regs()
    if current:
        for name in ("ds", "es", "fs", "gs"):
            if getattr(regs, name) & 0xFFFF == selector:
                load_data_segment(t, name, selector)
        return
    if regs.fs & 0xFFFF == selector:
        cpu.fs_base = desc.base
    if regs.gs & 0xFFFF == selector:
        cpu.gs_base = desc.base


def copy_area(t: Thread, child: Thread, address: int) -> None:
    """Give ``child`` the descriptor that ``t`` has at ``address`` (CLONE_SETTLS of i386).  EFAULT, EINVAL."""
    assert t.mm is not None
    desc = UserDesc.unpack(t.mm.read(address, USER_DESC_SIZE))
    set_thread_area(child, desc.entry, desc)
