"""Locked memory (mm/mlock.c), msync (mm/msync.c) and mincore (mm/mincore.c).

Nothing is ever swapped out here, so a lock means: the pages are there, they count against RLIMIT_MEMLOCK, and some calls
refuse to drop them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kernel.cred import CAP_IPC_LOCK
from kernel.errno import Errno
from kernel.fs.inode import MAY_WRITE
from kernel.fs.pagecache import PageCache
from kernel.hardware import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE, USER_TOP, OutOfFrames
from kernel.mm.fault import populate
from kernel.mm.mmap import mm_populate, page_align
from kernel.mm.vma import VM_ACCESS, VM_LOCKED, VM_LOCKONFAULT, VM_SHARED, VM_SPECIAL, VM_WRITE
from kernel.rlimit import RLIMIT_MEMLOCK

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from kernel.mm.vma import Vma
    from kernel.task import Thread

MLOCK_ONFAULT = 1
MCL_CURRENT = 1
MCL_FUTURE = 2
MCL_ONFAULT = 4
MS_ASYNC = 1
MS_INVALIDATE = 2
MS_SYNC = 4

_LOCKS = VM_LOCKED | VM_LOCKONFAULT


def _check_permission(mm: AddressSpace, t: Thread) -> bool:
    """EPERM if ``t`` may lock nothing; return whether it may lock everything (``can_do_mlock``)."""
    if t.cred.capable(CAP_IPC_LOCK):
        return True
    if not mm.rlimits.soft(RLIMIT_MEMLOCK):
        raise Errno.EPERM
    return False


def _apply(mm: AddressSpace, start: int, end: int, locks: int) -> None:
    """Set the lock bits of every area in [start, end) (``apply_vma_lock_flags``).  ENOMEM at a hole."""
    at = start
    for vma in mm.areas.overlapping(start, end):
        if vma.start > at:
            raise Errno.ENOMEM
        at = vma.end
        flags = vma.flags & ~_LOCKS | locks
        if flags != vma.flags and not vma.flags & VM_SPECIAL:
            current = mm.areas.at(max(start, vma.start))
            assert current is not None
            mm.set_flags(current, max(start, vma.start), min(end, at), flags)
    if at < end:
        raise Errno.ENOMEM


def _range(start: int, length: int) -> tuple[int, int]:
    size = page_align(length + (start & PAGE_MASK))
    start &= ~PAGE_MASK
    if start + size >= 1 << 64:
        raise Errno.EINVAL
    return start, start + size


def do_mlock(mm: AddressSpace, t: Thread, start: int, length: int, on_fault: bool) -> None:
    """Lock a range (mlock(2), mlock2(2)).  EPERM, ENOMEM (limit, holes, pages that cannot be had), EINVAL."""
    unlimited = _check_permission(mm, t)
    start, end = _range(start, length)
    pages = (end - start) >> PAGE_SHIFT
    if not unlimited and not mm.may_lock(pages):
        # What is locked already does not count twice.
        counted = sum(
            (min(v.end, end) - max(v.start, start)) >> PAGE_SHIFT
            for v in mm.areas.overlapping(start, end)
            if v.flags & VM_LOCKED
        )
        if not mm.may_lock(pages - counted):
            raise Errno.ENOMEM
    if start == end:
        return
    _apply(mm, start, end, _LOCKS if on_fault else VM_LOCKED)
    if on_fault:
        return
    for vma in mm.areas.overlapping(start, end):
        if vma.flags & VM_SPECIAL:
            continue
        if not vma.flags & VM_ACCESS:
            raise Errno.ENOMEM
        write = vma.flags & (VM_WRITE | VM_SHARED) == VM_WRITE
        for page in range(max(start, vma.start), min(end, vma.end), PAGE_SIZE):
            try:
                if not populate(mm, vma, page, write):
                    raise Errno.ENOMEM
            except OutOfFrames:
                raise Errno.EAGAIN from None


def do_munlock(mm: AddressSpace, start: int, length: int) -> None:
    """Unlock a range (munlock(2)).  ENOMEM at holes."""
    start, end = _range(start, length)
    if start < end:
        _apply(mm, start, end, 0)


def do_mlockall(mm: AddressSpace, t: Thread, flags: int) -> None:
    """Lock what is mapped and, with MCL_FUTURE, what will be (mlockall(2))."""
    if not flags or flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) or flags == MCL_ONFAULT:
        raise Errno.EINVAL
    unlimited = _check_permission(mm, t)
    if flags & MCL_CURRENT and not unlimited and mm.total_vm > mm.rlimits.soft(RLIMIT_MEMLOCK) >> PAGE_SHIFT:
        raise Errno.ENOMEM
    locks = _LOCKS if flags & MCL_ONFAULT else VM_LOCKED
    mm.def_flags = mm.def_flags & ~_LOCKS | (locks if flags & MCL_FUTURE else 0)
    if flags & MCL_CURRENT:
        _apply_all(mm, locks)
        if not flags & MCL_ONFAULT:
            mm_populate(mm, 0, USER_TOP)


def do_munlockall(mm: AddressSpace) -> None:
    """Unlock everything (munlockall(2))."""
    mm.def_flags &= ~_LOCKS
    _apply_all(mm, 0)


def _apply_all(mm: AddressSpace, locks: int) -> None:
    for vma in list(mm.areas.areas):
        current = mm.areas.at(vma.start)
        if current is vma and not vma.flags & VM_SPECIAL:
            flags = vma.flags & ~_LOCKS | locks
            if flags != vma.flags:
                mm.set_flags(vma, vma.start, vma.end, flags)


def do_msync(mm: AddressSpace, t: Thread, start: int, length: int, flags: int) -> None:
    """Write shared file pages back (msync(2)).  EBUSY: MS_INVALIDATE of locked memory; ENOMEM: holes."""
    if flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) or start & PAGE_MASK or (flags & MS_ASYNC and flags & MS_SYNC):
        raise Errno.EINVAL
    end = start + page_align(length)
    if end >= 1 << 64:
        raise Errno.ENOMEM
    at = start
    holes = False
    for vma in mm.areas.overlapping(start, end):
        holes = holes or vma.start > at
        at = vma.end
        if flags & MS_INVALIDATE and vma.flags & VM_LOCKED:
            raise Errno.EBUSY
        if flags & MS_SYNC and vma.file is not None and vma.flags & VM_SHARED:
            vma.file.fsync(t)
    if holes or at < end:
        raise Errno.ENOMEM


def do_mincore(mm: AddressSpace, t: Thread, start: int, length: int) -> Iterator[bytes]:
    """Yield one byte a page, 1 if touching it needs no I/O (mincore(2)): present, or in the page cache of its file.

    What is in memory of a file that ``t`` could not write to is none of its business: all of it is (can_do_mincore).

    The bytes come for a page full of them at a time, as the kernel copies them out, so that a vector that ends early ends
    the work.  Raises ENOMEM at the first hole.
    """
    if start & PAGE_MASK:
        raise Errno.EINVAL
    if length > USER_TOP - start:
        raise Errno.ENOMEM
    end = start + page_align(length)
    for low in range(start, end, PAGE_SIZE << PAGE_SHIFT):
        yield _core_pages(mm, t, low, min(low + (PAGE_SIZE << PAGE_SHIFT), end))


def _may_know(t: Thread, vma: Vma) -> bool:
    inode = vma.file.inode() if vma.file is not None else None
    if inode is None or inode.owner_or_capable(t):
        return True
    try:
        inode.permission(t, MAY_WRITE)
    except Errno.EACCES:
        return False
    return True


def _core_pages(mm: AddressSpace, t: Thread, start: int, end: int) -> bytes:
    vector = bytearray((end - start) >> PAGE_SHIFT)
    at = start
    for vma in mm.areas.overlapping(start, end):
        if vma.start > at:
            raise Errno.ENOMEM
        low, at = max(start, vma.start), vma.end
        high = min(end, vma.end)
        if not _may_know(t, vma):
            first, stop = (low - start) >> PAGE_SHIFT, (high - start) >> PAGE_SHIFT
            vector[first:stop] = b"\1" * (stop - first)
            continue
        for page, _ in mm.tables.present(low, high):
            vector[(page - start) >> PAGE_SHIFT] = 1
        if isinstance(vma.source, PageCache):
            is_resident = vma.source.is_resident
            for page in range(low, high, PAGE_SIZE):
                if is_resident(vma.index(page)):
                    vector[(page - start) >> PAGE_SHIFT] = 1
    if at < end:
        raise Errno.ENOMEM
    return bytes(vector)
