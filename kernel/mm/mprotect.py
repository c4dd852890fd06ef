"""mprotect and protection keys (mm/mprotect.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.hardware import PAGE_MASK, PAGE_SHIFT, USER_TOP
from kernel.mm.mmap import READ_IMPLIES_EXEC, mm_populate, page_align
from kernel.mm.vma import (
    PROT_EXEC,
    PROT_GROWSDOWN,
    PROT_GROWSUP,
    PROT_READ,
    PROT_SEM,
    PROT_WRITE,
    VM_ACCESS,
    VM_ACCOUNT,
    VM_GROWSDOWN,
    VM_LOCKED,
    VM_NORESERVE,
    VM_SHARED,
    VM_WRITE,
    prot_flags,
)

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from kernel.mm.vma import Vma
    from kernel.task import Thread


def do_mprotect(mm: AddressSpace, t: Thread, start: int, length: int, prot: int) -> None:
    """Change the protection of a range (mprotect(2)).

    Areas below a hole or an area that refuses are changed before the error is reported, as on Linux.  EACCES: a file not
    opened for what is asked; ENOMEM: holes, limits.
    """
    grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP)
    prot &= ~(PROT_GROWSDOWN | PROT_GROWSUP)
    if grows == PROT_GROWSDOWN | PROT_GROWSUP or start & PAGE_MASK:
        raise Errno.EINVAL
    if not length:
        return
    end = start + page_align(length)
    if end <= start or end >= 1 << 64:
        raise Errno.ENOMEM
    if prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM):
        raise Errno.EINVAL
    if prot & PROT_READ and t.personality & READ_IMPLIES_EXEC:
        prot |= PROT_EXEC
    vma = mm.areas.find(start)
    if vma is None:
        raise Errno.ENOMEM
    if grows & PROT_GROWSDOWN:
        if vma.start >= end:
            raise Errno.ENOMEM
        start = vma.start
        if not vma.flags & VM_GROWSDOWN:
            raise Errno.EINVAL
    else:
        if vma.start > start:
            raise Errno.ENOMEM
        if grows & PROT_GROWSUP:
            raise Errno.EINVAL  # no area grows up on x86
    while True:
        stop = min(vma.end, end)
        _change(mm, vma, start, stop, prot)
        start = stop
        if start >= end:
            return
        following = mm.areas.at(start) if start < USER_TOP else None
        if following is None:
            raise Errno.ENOMEM
        vma = following


def _change(mm: AddressSpace, vma: Vma, start: int, end: int, prot: int) -> None:
    """Change one area's part (``mprotect_fixup``)."""
    access = prot_flags(prot)
    # The VM_MAY* bit of a permission is four places to its left.
    if access & ~(vma.flags >> 4):
        raise Errno.EACCES
    flags = vma.flags & ~VM_ACCESS | access
    if flags == vma.flags:
        return
    pages = (end - start) >> PAGE_SHIFT
    # RLIMIT_DATA counts what becomes data now; the size of the address space does not change.
    if _is_data(flags) and not _is_data(vma.flags) and not mm.may_expand_data(pages):
        raise Errno.ENOMEM
    if flags & VM_WRITE and not vma.flags & VM_WRITE and not flags & (VM_ACCOUNT | VM_SHARED | VM_NORESERVE):
        if not mm.memory.enough(pages):
            raise Errno.ENOMEM
        flags |= VM_ACCOUNT
    elif not flags & VM_WRITE and vma.source is None and vma.anon is None:
        flags &= ~VM_ACCOUNT  # nothing in it yet: the promise of memory is taken back
    was_locked_unreadable = vma.flags & VM_LOCKED and not vma.flags & VM_WRITE and flags & VM_WRITE
    mm.set_flags(vma, start, end, flags)
    mm.protect(start, end, flags)
    if was_locked_unreadable:
        mm_populate(mm, start, end)


def _is_data(flags: int) -> bool:
    return flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN) == VM_WRITE


PKEY_DISABLE_MASK = 0x3


def pkey_mprotect(mm: AddressSpace, t: Thread, start: int, length: int, prot: int, pkey: int) -> None:
    """As mprotect for key -1; EINVAL for any other, because the processor has no protection keys (pkeys(7))."""
    if pkey != -1:
        raise Errno.EINVAL
    do_mprotect(mm, t, start, length, prot)


def pkey_alloc(flags: int, rights: int) -> int:
    """No key can be allocated on a processor without them: ENOSPC (pkey_alloc(2)).  EINVAL for bad arguments."""
    if flags or rights & ~PKEY_DISABLE_MASK:
        raise Errno.EINVAL
    raise Errno.ENOSPC


def pkey_free(pkey: int) -> None:
    """EINVAL: no key was ever allocated (pkey_free(2))."""
    raise Errno.EINVAL
