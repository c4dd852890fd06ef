"""mremap and remap_file_pages (mm/mremap.c, mm/mmap.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.cred import CAP_IPC_LOCK
from kernel.errno import Errno
from kernel.hardware import PAGE_MASK, PAGE_SHIFT, USER_TOP
from kernel.mm.mmap import MAP_FIXED, get_unmapped_area, mm_populate, page_align
from kernel.mm.vma import (
    VM_ACCOUNT,
    VM_DONTEXPAND,
    VM_LOCKED,
    VM_LOCKONFAULT,
    VM_MAYSHARE,
    VM_PFNMAP,
    VM_SHARED,
    Vma,
    prot_flags,
)

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from kernel.task import Thread

MREMAP_MAYMOVE = 1
MREMAP_FIXED = 2
MREMAP_DONTUNMAP = 4


def do_mremap(mm: AddressSpace, t: Thread, old: int, old_length: int, new_length: int, flags: int, new: int) -> int:
    """Resize or move a mapping and return its address (mremap(2), which names all errors)."""
    if flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP):
        raise Errno.EINVAL
    if flags & MREMAP_FIXED and not flags & MREMAP_MAYMOVE:
        raise Errno.EINVAL
    if flags & MREMAP_DONTUNMAP and (not flags & MREMAP_MAYMOVE or old_length != new_length):
        raise Errno.EINVAL
    if old & PAGE_MASK:
        raise Errno.EINVAL
    old_length, new_length = page_align(old_length), page_align(new_length)
    if not new_length or new_length > USER_TOP:
        raise Errno.EINVAL
    vma = mm.areas.at(old)
    if vma is None:
        raise Errno.EFAULT
    if flags & (MREMAP_FIXED | MREMAP_DONTUNMAP):
        return _move_to(mm, t, old, old_length, new_length, flags, new)
    if old_length >= new_length:
        if old_length > new_length:
            if old_length > USER_TOP - old:
                raise Errno.EINVAL
            mm.unmap(old + new_length, old + old_length)
        return old
    vma = _check_resize(mm, t, old, old_length, new_length, flags)
    if old_length == vma.end - old and _grow(mm, vma, new_length - old_length):
        if vma.flags & VM_LOCKED:
            mm_populate(mm, old + old_length, old + new_length)
        return old
    if not flags & MREMAP_MAYMOVE:
        raise Errno.ENOMEM
    place = get_unmapped_area(mm, t, 0, new_length, 0)
    return _move(mm, vma, old, old_length, new_length, place, False)


def _check_resize(mm: AddressSpace, t: Thread, old: int, old_length: int, new_length: int, flags: int) -> Vma:
    """Return the area at ``old`` if its part may become ``new_length`` bytes (``vma_to_resize``)."""
    vma = mm.areas.at(old)
    if vma is None:
        raise Errno.EFAULT
    # Length 0 asks for a second view of shared pages; for private memory that would need a copy.
    if not old_length and not vma.flags & (VM_SHARED | VM_MAYSHARE):
        raise Errno.EINVAL
    if flags & MREMAP_DONTUNMAP and vma.flags & (VM_DONTEXPAND | VM_PFNMAP):
        raise Errno.EINVAL
    if old_length > vma.end - old:
        raise Errno.EFAULT
    if new_length == old_length:
        return vma
    if vma.index(old) + (new_length >> PAGE_SHIFT) > (1 << 52) - 1:
        raise Errno.EINVAL
    if vma.flags & (VM_DONTEXPAND | VM_PFNMAP):
        raise Errno.EFAULT
    more = (new_length - old_length) >> PAGE_SHIFT
    if vma.flags & VM_LOCKED and not mm.may_lock(more) and not t.cred.capable(CAP_IPC_LOCK):
        raise Errno.EAGAIN
    if not mm.may_expand(vma.flags, more):
        raise Errno.ENOMEM
    if vma.flags & VM_ACCOUNT and not mm.memory.enough(more):
        raise Errno.ENOMEM
    return vma


def _grow(mm: AddressSpace, vma: Vma, more: int) -> bool:
    """Extend an area upwards in place if there is room (``vma_expandable``)."""
    end = vma.end + more
    if end > USER_TOP:
        return False
    following = mm.areas.after(vma)
    if following is not None and following.start < end:
        return False
    vma.end = end
    mm.account(vma.flags, more >> PAGE_SHIFT)
    mm.merge(vma)
    return True


def _move_to(mm: AddressSpace, t: Thread, old: int, old_length: int, new_length: int, flags: int, new: int) -> int:
    """Move to a given address, or with MREMAP_DONTUNMAP leave an empty mapping behind (``mremap_to``)."""
    if new & PAGE_MASK or new_length > USER_TOP or new > USER_TOP - new_length:
        raise Errno.EINVAL
    if old + old_length > new and new + new_length > old:
        raise Errno.EINVAL
    # Moving may cut the old area in three and the replaced one as well.
    if len(mm.areas) + 2 >= mm.memory.max_map_count:
        raise Errno.ENOMEM
    if flags & MREMAP_FIXED:
        if new < mm.memory.mmap_min_addr:
            get_unmapped_area(mm, t, new, new_length, MAP_FIXED)
        mm.unmap(new, new + new_length)
    if old_length > new_length:
        if old_length > USER_TOP - old:
            raise Errno.EINVAL
        mm.unmap(old + new_length, old + old_length)
        old_length = new_length
    vma = _check_resize(mm, t, old, old_length, new_length, flags)
    keep = flags & MREMAP_DONTUNMAP != 0
    if keep and not mm.may_expand(vma.flags, old_length >> PAGE_SHIFT):
        raise Errno.ENOMEM
    place = get_unmapped_area(mm, t, new, new_length, MAP_FIXED if flags & MREMAP_FIXED else 0)
    return _move(mm, vma, old, old_length, new_length, place, keep)


def _move(mm: AddressSpace, vma: Vma, old: int, old_length: int, new_length: int, new: int, keep: bool) -> int:
    """Move the pages of [old, old + old_length) to ``new`` (``move_vma``)."""
    if len(mm.areas) >= mm.memory.max_map_count - 3:
        raise Errno.ENOMEM
    pgoff = vma.index(old)
    if vma.source is None and vma.anon is None:
        pgoff = new >> PAGE_SHIFT  # nothing faulted in yet: as if first mapped there (copy_vma)
    target = Vma(new, new + new_length, vma.flags, vma.source, vma.file, pgoff, vma.name)
    target.anon, target.inherited, target.policy = vma.anon, vma.inherited, vma.policy
    mm.forget_all()
    if old_length:
        mm.memory.attempt(mm.tables.move, old, new, old_length)
    flags = vma.flags
    mm.insert(target)
    if keep:
        _leave_behind(mm, old, old_length)
    elif old_length:
        mm.unmap(old, old + old_length)
    if flags & VM_LOCKED:
        mm_populate(mm, new + old_length, new + new_length)
    return new


def _leave_behind(mm: AddressSpace, old: int, length: int) -> None:
    """The area that MREMAP_DONTUNMAP leaves is unlocked as a whole, and without a trace of its pages if all of it moved."""
    for area in mm.areas.overlapping(old, old + length):
        if area.start == old and area.end == old + length:
            area.anon, area.inherited = None, False
        if area.flags & VM_LOCKED:
            mm.account(area.flags, -area.pages)
            area.flags &= ~(VM_LOCKED | VM_LOCKONFAULT)
            mm.account(area.flags, area.pages)


def remap_file_pages(mm: AddressSpace, t: Thread, start: int, size: int, prot: int, pgoff: int, flags: int) -> None:
    """Make [start, start + size) of a shared mapping show the source from page ``pgoff`` (remap_file_pages(2); Linux has
    emulated it by mapping again since 4.0)."""
    start &= ~PAGE_MASK
    size &= ~PAGE_MASK
    if prot or start + size <= start or start + size > USER_TOP or pgoff + (size >> PAGE_SHIFT) >= 1 << 64:
        raise Errno.EINVAL
    vma = mm.areas.at(start)
    if vma is None or not vma.flags & VM_SHARED or vma.source is None:
        raise Errno.EINVAL
    at = start
    for area in mm.areas.overlapping(start, start + size):
        if area.start > at or area.source is not vma.source or area.file is not vma.file or area.flags != vma.flags:
            raise Errno.EINVAL
        at = area.end
    if at < start + size:
        raise Errno.EINVAL
    file, source, vm, name = vma.file, vma.source, vma.flags, vma.name
    assert prot_flags(vm) == vm & 7
    if file is not None:
        file.hold()  # unmapping must not be the end of it
    replacement = Vma(start, start + size, vm, source, file, pgoff, name)
    mm.memory.mapped(source, mm)
    try:
        mm.unmap(start, start + size)
        mm.insert(replacement)
    finally:
        mm.memory.unmapped(source, mm)
        if file is not None:
            file.drop()
    mm_populate(mm, start, start + size)
