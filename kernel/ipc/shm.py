"""System V shared memory (shmget(2), shmat(2), shmctl(2); ipc/shm.c).

A segment is shared anonymous memory that has a name and outlives its users: a nameless file in memory, which areas of address
spaces map.  How many do is what the memory management knows anyway, so attaching and detaching is mapping and unmapping, by
whatever call.  A segment that was removed while in use goes with its last area.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Final

from kernel.cred import CAP_IPC_LOCK
from kernel.errno import Errno
from kernel.hardware import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE
from kernel.ipc.ids import IPC_PRIVATE, IpcIds, IpcPerm, seconds
from kernel.mm.mmap import MAP_FIXED, MAP_SHARED, do_mmap, page_align
from kernel.mm.shmem import ShmemPages
from kernel.mm.vma import PROT_EXEC, PROT_READ, PROT_WRITE
from kernel.rlimit import RLIMIT_MEMLOCK

if TYPE_CHECKING:
    from kernel.mm.memory import Memory
    from kernel.pid import Pid
    from kernel.task import Thread

SHM_HUGETLB, SHM_NORESERVE = 0o4000, 0o10000
SHM_RDONLY, SHM_RND, SHM_REMAP, SHM_EXEC = 0o10000, 0o20000, 0o40000, 0o100000
SHM_DEST, SHM_LOCKED = 0o1000, 0o2000
"""Bits of the mode: to be destroyed with the last detach; not to be swapped out."""

SHMMIN: Final = 1
SHMMAX: Final = (1 << 64) - 1 - (1 << 24)
"""Bytes of one segment."""
SHMALL: Final = SHMMAX
"""Pages of all."""
SHMMNI: Final = 4096
"""Segments of a namespace."""


class SegmentPages(ShmemPages):
    """The memory of a segment; it knows the segment as long as there is one."""

    __slots__ = ("segment",)

    def __init__(self, memory: Memory, size: int) -> None:
        super().__init__(memory.shmem, page_align(size), 0)
        self.segment: weakref.ref[Segment] | None = None

    def unmapped(self) -> None:
        segment = self.segment() if self.segment is not None else None
        if segment is not None and segment.mode & SHM_DEST:
            segment.destroy()
        super().unmapped()


class Segment(IpcPerm):
    """One segment: ``size`` bytes; ``cpid``, ``lpid``: who made it and who attached or detached last; times in seconds."""

    __slots__ = ("size", "pages", "memory", "cpid", "lpid", "atime", "dtime", "ctime", "_ids")

    def __init__(self, t: Thread, ids: IpcIds[Segment], key: int, size: int, mode: int) -> None:
        super().__init__(key, mode, t.cred)
        self.size = size
        self.memory = t.kernel.memory
        self.pages = SegmentPages(self.memory, size)
        self.pages.hold()
        self.pages.segment = weakref.ref(self)
        self.cpid: Pid = t.process.tgid_pid
        self.lpid: Pid | None = None
        self.atime = self.dtime = 0
        self.ctime = seconds(t)
        self._ids = weakref.ref(ids)

    @property
    def attached(self) -> int:
        """How many areas map it."""
        return self.memory.areas_of(self.pages)

    def name(self) -> bytes:
        """Return what /proc/PID/maps shows."""
        return b"/SYSV%08x (deleted)" % (self.key & 0xFFFF_FFFF)

    def remove(self) -> None:
        """IPC_RMID: gone at once if nobody has it attached, else nameless until the last detach."""
        if self.attached:
            self.mode |= SHM_DEST
            self.key = IPC_PRIVATE
        else:
            self.destroy()

    def destroy(self) -> None:
        """Take it from its namespace and free the memory that nobody maps (shm_destroy)."""
        ids = self._ids()
        if ids is not None:
            ids.remove(self)
        self.pages.segment = None
        self.pages.put(self.attached > 0)


def total_pages(ids: IpcIds[Segment]) -> int:
    """Return the pages all segments together may have."""
    return sum((segment.size + PAGE_MASK) >> PAGE_SHIFT for segment in ids)


def shmget(t: Thread, key: int, size: int, flag: int) -> int:
    """Return the identifier of the segment with ``key``, or of a new one (shmget(2))."""
    ns = t.nsproxy.ipc
    ids = ns.shm

    def make() -> Segment:
        if not SHMMIN <= size <= SHMMAX or flag & SHM_HUGETLB:
            raise Errno.EINVAL
        pages = (size + PAGE_MASK) >> PAGE_SHIFT
        if total_pages(ids) + pages > SHMALL:
            raise Errno.ENOSPC
        if not flag & SHM_NORESERVE and not t.kernel.memory.enough(pages):
            raise Errno.ENOMEM
        return Segment(t, ids, key, size, flag)

    number = ids.obtain(t, ns.user_ns, key, flag, make, lambda segment: segment.size >= size)
    segment = ids.get(number)
    segment.pages.ino = number  # what maps shows, and tools rely on
    return number


def shmat(t: Thread, number: int, address: int, flag: int) -> int:
    """Attach a segment and return the address (do_shmat).  EINVAL, EACCES, ENOMEM, EPERM."""
    mm = t.mm
    assert mm is not None
    if number < 0:
        raise Errno.EINVAL
    flags = MAP_SHARED
    if address:
        if address & PAGE_MASK:
            if not flag & SHM_RND:
                raise Errno.EINVAL
            address &= ~PAGE_MASK
            if not address and flag & SHM_REMAP:
                raise Errno.EINVAL
        flags |= MAP_FIXED
    elif flag & SHM_REMAP:
        raise Errno.EINVAL
    prot, wanted = (PROT_READ, 0o444) if flag & SHM_RDONLY else (PROT_READ | PROT_WRITE, 0o666)
    if flag & SHM_EXEC:
        prot |= PROT_EXEC
        wanted |= 0o111
    ns = t.nsproxy.ipc
    segment = ns.shm.get(number)
    segment.check(t, ns.user_ns, wanted)
    size = segment.size
    if address and not flag & SHM_REMAP:
        if address + size >= 1 << 64 or mm.areas.overlapping(address, address + size):
            raise Errno.EINVAL
    found = do_mmap(mm, t, address, size, prot, flags, shmem=segment.pages, name=segment.name())
    segment.atime, segment.lpid = seconds(t), t.process.tgid_pid
    return found


def shmdt(t: Thread, address: int) -> None:
    """Detach what was attached at ``address``, also if only parts of it are left (ksys_shmdt).  EINVAL."""
    mm = t.mm
    assert mm is not None
    if address & PAGE_MASK:
        raise Errno.EINVAL
    pages: SegmentPages | None = None
    for vma in mm.areas.overlapping(address, 1 << 47):
        if pages is not None and vma.end - address > pages.size:
            break
        source = vma.source
        if not isinstance(source, SegmentPages) or vma.start - address != vma.pgoff << PAGE_SHIFT:
            continue
        if pages is None:
            pages = source
            segment = pages.segment() if pages.segment is not None else None
            if segment is not None:
                segment.dtime, segment.lpid = seconds(t), t.process.tgid_pid
        if source is pages:
            mm.unmap(vma.start, vma.end)
    if pages is None:
        raise Errno.EINVAL


def shm_lock(t: Thread, number: int, lock: bool) -> None:
    """SHM_LOCK and SHM_UNLOCK: nothing is ever swapped out here, so it is a bit of the mode (shmctl_do_lock).

    EINVAL, EPERM.
    """
    ns = t.nsproxy.ipc
    segment = ns.shm.get(number)
    if not t.cred.ns_capable(ns.user_ns, CAP_IPC_LOCK):
        if t.cred.euid not in (segment.uid, segment.cuid):
            raise Errno.EPERM
        if lock and not t.process.rlimits.soft(RLIMIT_MEMLOCK):
            raise Errno.EPERM
    segment.mode = segment.mode | SHM_LOCKED if lock else segment.mode & ~SHM_LOCKED


def resident_bytes(segment: Segment) -> int:
    """Return how much memory a segment takes."""
    return len(segment.pages.pages) * PAGE_SIZE


def new_ids() -> IpcIds[Segment]:
    """Return the empty table of a new namespace."""
    return IpcIds(SHMMNI)
