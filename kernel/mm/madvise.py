"""madvise (mm/madvise.c): advice, and the few kinds of it that change what a program sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel.cred import CAP_SYS_ADMIN
from kernel.errno import Errno
from kernel.fs.pagecache import PageCache
from kernel.hardware import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE, OutOfFrames
from kernel.mm.fault import populate
from kernel.mm.mmap import page_align
from kernel.mm.vma import (
    VM_DONTCOPY,
    VM_DONTDUMP,
    VM_HUGEPAGE,
    VM_IO,
    VM_LOCKED,
    VM_MAYSHARE,
    VM_MERGEABLE,
    VM_NOHUGEPAGE,
    VM_PFNMAP,
    VM_RAND_READ,
    VM_READ,
    VM_SEQ_READ,
    VM_SHARED,
    VM_SPECIAL,
    VM_WIPEONFORK,
    VM_WRITE,
    Vma,
)

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from kernel.task import Thread

(
    MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED, _, _, _, MADV_FREE, MADV_REMOVE, MADV_DONTFORK,
    MADV_DOFORK, MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_DODUMP,
    MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_COLD, MADV_PAGEOUT, MADV_POPULATE_READ, MADV_POPULATE_WRITE,
    MADV_DONTNEED_LOCKED,
) = range(25)  # fmt: skip
MADV_HWPOISON = 100
MADV_SOFT_OFFLINE = 101

_FLAG_CHANGES: dict[int, tuple[int, int]] = {
    MADV_NORMAL: (VM_RAND_READ | VM_SEQ_READ, 0),
    MADV_RANDOM: (VM_SEQ_READ, VM_RAND_READ),
    MADV_SEQUENTIAL: (VM_RAND_READ, VM_SEQ_READ),
    MADV_DONTFORK: (0, VM_DONTCOPY),
    MADV_DOFORK: (VM_DONTCOPY, 0),
    MADV_WIPEONFORK: (0, VM_WIPEONFORK),
    MADV_KEEPONFORK: (VM_WIPEONFORK, 0),
    MADV_DONTDUMP: (0, VM_DONTDUMP),
    MADV_DODUMP: (VM_DONTDUMP, 0),
    MADV_MERGEABLE: (0, VM_MERGEABLE),
    MADV_UNMERGEABLE: (VM_MERGEABLE, 0),
    MADV_HUGEPAGE: (VM_NOHUGEPAGE, VM_HUGEPAGE),
    MADV_NOHUGEPAGE: (VM_HUGEPAGE, VM_NOHUGEPAGE),
}
"""Advice that is only remembered: (bits to clear, bits to set)."""


def _refuse_locked(vma: Vma) -> None:
    if vma.flags & (VM_LOCKED | VM_PFNMAP):
        raise Errno.EINVAL


def _dont_need(mm: AddressSpace, t: Thread, vma: Vma, start: int, end: int) -> None:
    _refuse_locked(vma)
    mm.zap(start, end)


def _dont_need_locked(mm: AddressSpace, t: Thread, vma: Vma, start: int, end: int) -> None:
    if vma.flags & VM_PFNMAP:
        raise Errno.EINVAL
    mm.zap(start, end)


def _free(mm: AddressSpace, t: Thread, vma: Vma, start: int, end: int) -> None:
    # The pages may vanish at any time until they are written again; here they do at once.
    if vma.source is not None:
        raise Errno.EINVAL
    mm.zap(start, end)


def _lru_hint(mm: AddressSpace, t: Thread, vma: Vma, start: int, end: int) -> None:
    _refuse_locked(vma)


def _will_need(mm: AddressSpace, t: Thread, vma: Vma, start: int, end: int) -> None:
    """Read-ahead would not be noticed."""


def _remove(mm: AddressSpace, t: Thread, vma: Vma, start: int, end: int) -> None:
    """Punch a hole into the shared memory or file behind the area (``madvise_remove``)."""
    if vma.flags & VM_LOCKED or vma.source is None:
        raise Errno.EINVAL
    if vma.flags & (VM_SHARED | VM_WRITE) != VM_SHARED | VM_WRITE:
        raise Errno.EACCES
    if not isinstance(vma.source, PageCache):
        raise Errno.EOPNOTSUPP
    vma.source.punch(vma.index(start) << PAGE_SHIFT, vma.index(end) << PAGE_SHIFT)


_ACTIONS: dict[int, Callable[[AddressSpace, Thread, Vma, int, int], None]] = {
    MADV_WILLNEED: _will_need,
    MADV_DONTNEED: _dont_need,
    MADV_DONTNEED_LOCKED: _dont_need_locked,
    MADV_FREE: _free,
    MADV_REMOVE: _remove,
    MADV_COLD: _lru_hint,
    MADV_PAGEOUT: _lru_hint,
}


def do_madvise(mm: AddressSpace, t: Thread, start: int, length: int, advice: int) -> None:
    """Apply ``advice`` to [start, start + length) (madvise(2)).

    Holes do not stop it but give ENOMEM in the end.  EINVAL: unknown or inapplicable advice, unaligned.
    """
    if advice in (MADV_HWPOISON, MADV_SOFT_OFFLINE):
        raise Errno.EINVAL if t.cred.capable(CAP_SYS_ADMIN) else Errno.EPERM
    known = advice in _FLAG_CHANGES or advice in _ACTIONS or advice in (MADV_POPULATE_READ, MADV_POPULATE_WRITE)
    if not known or start & PAGE_MASK:
        raise Errno.EINVAL
    size = page_align(length)
    end = start + size
    if (length and not size) or end >= 1 << 64:
        raise Errno.EINVAL
    if not size:
        return
    if advice in (MADV_POPULATE_READ, MADV_POPULATE_WRITE):
        _populate(mm, start, end, advice == MADV_POPULATE_WRITE)
        return
    action = _ACTIONS.get(advice)
    at = start
    holes = False
    for vma in mm.areas.overlapping(start, end):
        holes = holes or vma.start > at
        at = vma.end
        low, high = max(start, vma.start), min(end, vma.end)
        if action is not None:
            action(mm, t, vma, low, high)
        else:
            _set_flags(mm, vma, low, high, advice)
    if holes or at < end:
        raise Errno.ENOMEM


def _set_flags(mm: AddressSpace, vma: Vma, start: int, end: int, advice: int) -> None:
    flags = vma.flags
    if (
        (advice == MADV_DOFORK and flags & VM_IO)
        or (advice == MADV_WIPEONFORK and (vma.source is not None or flags & VM_SHARED))
        or (advice == MADV_DODUMP and flags & VM_SPECIAL)
    ):
        raise Errno.EINVAL
    if advice == MADV_MERGEABLE and flags & (VM_SHARED | VM_MAYSHARE | VM_PFNMAP | VM_IO | VM_DONTCOPY):
        return
    clear, add = _FLAG_CHANGES[advice]
    wanted = flags & ~clear | add
    if wanted != flags:
        current = mm.areas.at(start)  # merging may have replaced the object
        assert current is not None
        mm.set_flags(current, start, end, wanted)


def _populate(mm: AddressSpace, start: int, end: int, write: bool) -> None:
    """Fault pages in and tell whether that worked (``madvise_populate``)."""
    at = start
    for vma in mm.areas.overlapping(start, end):
        if vma.start > at:
            raise Errno.ENOMEM
        if vma.flags & (VM_IO | VM_PFNMAP) or not vma.flags & (VM_WRITE if write else VM_READ):
            raise Errno.EINVAL
        for page in range(max(start, vma.start), min(end, vma.end), PAGE_SIZE):
            try:
                if not populate(mm, vma, page, write):
                    raise Errno.EFAULT
            except OutOfFrames:
                raise Errno.ENOMEM from None
        at = vma.end
    if at < end:
        raise Errno.ENOMEM


REMOTE_ADVICE = frozenset((MADV_COLD, MADV_PAGEOUT, MADV_WILLNEED))
"""What process_madvise(2) may tell about another process."""
