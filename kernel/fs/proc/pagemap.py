"""/proc/PID/pagemap: 64 bits about each page; and clear_refs (fs/proc/task_mmu.c)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kernel.cred import CAP_SYS_ADMIN
from kernel.errno import Errno
from kernel.fs.pagecache import PageCache
from kernel.fs.proc.generic import MM_ACCESS
from kernel.fs.proc.mem import AddressedFile
from kernel.fs.proc.sysctl import INT_MAX, INT_MIN
from kernel.fs.proc.target import Target, TaskFile, task_of
from kernel.hardware import PAGE_SHIFT, PTE_FRAME, USER_TOP
from kernel.kstrto import kstrtoint
from kernel.mm.usage import Mappers
from kernel.mm.vma import VM_SHARED

if TYPE_CHECKING:
    from kernel.fs.file import File
    from kernel.fs.mount import Path
    from kernel.mm.address_space import AddressSpace
    from kernel.task import Thread

PM_MMAP_EXCLUSIVE = 1 << 56
PM_FILE = 1 << 61
PM_PRESENT = 1 << 63
ENTRY = 8
PIECE = 1 << 16

CLEAR_REFS_MM_HIWATER_RSS = 5
CLEAR_REFS_SOFT_DIRTY = 4


class PagemapInode(TaskFile):
    """The node; its entry shows nothing."""

    __slots__ = ()

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Open it.  EACCES without the rights of ptrace(2), ESRCH without memory."""
        return PagemapFile(where, flags, self.check(t, MM_ACCESS).mm, t.cred.capable(CAP_SYS_ADMIN))


class PagemapFile(AddressedFile):
    """Pages as a file of 64-bit entries; ``frames``: whether frame numbers are told."""

    __slots__ = ("frames",)

    def __init__(self, where: Path, flags: int, mm: AddressSpace | None, frames: bool) -> None:
        super().__init__(where, flags, mm)
        self.frames = frames

    def pread(self, t: Thread, size: int, offset: int) -> bytes:
        """Read whole entries.  EINVAL for parts of one."""
        mm = self.mm
        if mm is None or not mm.users:
            return b""
        if offset % ENTRY or size % ENTRY:
            raise Errno.EINVAL
        first = offset // ENTRY
        stop = min(first + min(size, PIECE) // ENTRY, USER_TOP >> PAGE_SHIFT)
        if stop <= first:
            return b""
        entries = [0] * (stop - first)
        mappers = Mappers(t.kernel)
        for vma in mm.areas.areas:
            low, high = max(vma.start, first << PAGE_SHIFT), min(vma.end, stop << PAGE_SHIFT)
            if low >= high:
                continue
            cached = vma.source.pages.get if isinstance(vma.source, PageCache) else None
            for va, entry in mm.tables.present(low, high):
                frame = (entry & PTE_FRAME) >> PAGE_SHIFT
                own = cached is None or cached(vma.index(va)) != frame
                bits = PM_PRESENT | (frame if self.frames else 0)
                if not own or vma.flags & VM_SHARED:
                    bits |= PM_FILE
                if mappers.count(mm, va, frame, not own) == 1:
                    bits |= PM_MMAP_EXCLUSIVE
                entries[(va >> PAGE_SHIFT) - first] = bits
        return struct.pack(f"<{len(entries)}Q", *entries)


def clear_refs(t: Thread, target: Target, data: bytes) -> None:
    """/proc/PID/clear_refs: 1 all, 2 anonymous, 3 file pages have not been used; 5 the peak of memory begins anew.  EINVAL.

    Pages are not marked as written since (4): that is accepted and does nothing, as in a kernel without CONFIG_MEM_SOFT_DIRTY.
    """
    kind = kstrtoint(data[:12].split(b"\0")[0].strip(), 10, INT_MIN, INT_MAX)
    if not 1 <= kind <= 5:
        raise Errno.EINVAL
    mm = task_of(target).mm
    if mm is None:
        return
    if kind == CLEAR_REFS_MM_HIWATER_RSS:
        mm.hiwater_rss = 0
        mm.update_hiwater()
    elif kind != CLEAR_REFS_SOFT_DIRTY:
        for vma in mm.areas.areas:
            if kind == 1 or (kind == 3) == (vma.file is not None):
                mm.tables.clear_accessed(vma.start, vma.end)
