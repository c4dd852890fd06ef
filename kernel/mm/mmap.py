"""mmap, munmap and brk (mm/mmap.c).

The checks come in the order Linux makes them, because programs test for the errno.  Without a fixed address a mapping goes into
the highest gap below ``mmap_base`` that is large enough, or, if there is none, into the lowest one above a third of the
address space.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.cred import CAP_IPC_LOCK, CAP_SYS_RAWIO
from kernel.errno import Errno
from kernel.fs.file import O_ACCMODE, O_RDONLY, O_WRONLY
from kernel.hardware import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE, USER_TOP, OutOfFrames
from kernel.mm.fault import populate
from kernel.mm.vma import (
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
    VM_ACCESS,
    VM_ACCOUNT,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_IO,
    VM_LOCKED,
    VM_LOCKONFAULT,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYSHARE,
    VM_MAYWRITE,
    VM_NORESERVE,
    VM_PFNMAP,
    VM_SHARED,
    VM_WRITE,
    Vma,
    prot_flags,
)
from kernel.rlimit import RLIMIT_DATA, RLIMIT_MEMLOCK

if TYPE_CHECKING:
    from kernel.fs.file import File, PageSource
    from kernel.mm.address_space import AddressSpace
    from kernel.mm.shmem import ShmemPages
    from kernel.task import Thread

MAP_SHARED = 0x01
MAP_PRIVATE = 0x02
MAP_SHARED_VALIDATE = 0x03
MAP_DROPPABLE = 0x08
MAP_TYPE = 0x0F
MAP_FIXED = 0x10
MAP_ANONYMOUS = 0x20
MAP_32BIT = 0x40
MAP_GROWSDOWN = 0x0100
MAP_DENYWRITE = 0x0800
MAP_EXECUTABLE = 0x1000
MAP_LOCKED = 0x2000
MAP_NORESERVE = 0x4000
MAP_POPULATE = 0x8000
MAP_NONBLOCK = 0x1_0000
MAP_STACK = 0x2_0000
MAP_HUGETLB = 0x4_0000
MAP_SYNC = 0x8_0000
MAP_FIXED_NOREPLACE = 0x10_0000
MAP_HUGE_SHIFT = 26

_LEGACY_FLAGS = (
    MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE | MAP_GROWSDOWN | MAP_LOCKED
    | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB | MAP_32BIT
)  # fmt: skip
"""LEGACY_MAP_MASK: what MAP_SHARED_VALIDATE accepts; unknown bits are EOPNOTSUPP there and ignored elsewhere."""

READ_IMPLIES_EXEC = 0x0040_0000
ADDR_COMPAT_LAYOUT = 0x0020_0000
MMAP_PAGE_ZERO = 0x0010_0000
TASK_UNMAPPED_BASE = (USER_TOP // 3 + PAGE_MASK) & ~PAGE_MASK
_LOW_2G = 0x4000_0000, 0x8000_0000
"""Where MAP_32BIT looks (``find_start_end``)."""
_U64 = (1 << 64) - 1


def page_align(size: int) -> int:
    """Round up to pages, modulo 2**64 as PAGE_ALIGN does."""
    return (size + PAGE_MASK) & ~PAGE_MASK & _U64


# -- where -------------------------------------------------------------------------------------------------------------
def _gap_end(mm: AddressSpace, vma: Vma) -> int:
    """Return the end of the gap below ``vma``: a stack keeps its guard gap (``vm_start_gap``)."""
    if vma.flags & VM_GROWSDOWN:
        return max(vma.start - mm.memory.stack_guard_gap, 0)
    return vma.start


def _top_down(mm: AddressSpace, length: int, low: int, high: int) -> int:
    """Return the highest address of a gap of ``length`` within [low, high), 0 if there is none.

    ``hole_limit`` and ``hole_length`` spare most of the search: no gap of ``hole_length`` or more ends above ``hole_limit``.
    """
    remembers = high == mm.mmap_base
    shorter = length < mm.hole_length or not mm.hole_length
    if remembers and not shorter:
        high = min(high, mm.hole_limit)
    areas = mm.areas.areas
    i = mm.areas.index(high - 1 if high else 0)
    if i < len(areas):
        high = min(high, _gap_end(mm, areas[i]))
    while high - length >= low:
        bottom = areas[i - 1].end if i else 0
        if high - max(bottom, low) >= length:
            if remembers and (shorter or length == mm.hole_length):
                mm.hole_limit, mm.hole_length = high, length
            return high - length
        if not i:
            break
        i -= 1
        high = min(high, _gap_end(mm, areas[i]))
    return 0


def _bottom_up(mm: AddressSpace, length: int, low: int, high: int) -> int:
    """Return the lowest address of a gap of ``length`` within [low, high), 0 if there is none."""
    areas = mm.areas.areas
    i = mm.areas.index(low)
    while low + length <= high:
        end = _gap_end(mm, areas[i]) if i < len(areas) else high
        if low + length <= min(end, high):
            return low
        if i >= len(areas):
            break
        low = max(low, areas[i].end)
        i += 1
    return 0


def get_unmapped_area(mm: AddressSpace, t: Thread | None, address: int, length: int, flags: int) -> int:
    """Return where a mapping of ``length`` bytes (page aligned, not 0) goes (``get_unmapped_area``).

    ENOMEM: no gap, or outside user space; EINVAL: MAP_FIXED not aligned; EPERM: below mmap_min_addr without CAP_SYS_RAWIO.
    """
    if length > USER_TOP:
        raise Errno.ENOMEM
    if flags & MAP_FIXED:
        found = address
    else:
        found = _search(mm, address, length, flags)
    if found > USER_TOP - length:
        raise Errno.ENOMEM
    if found & PAGE_MASK:
        raise Errno.EINVAL
    if found < mm.memory.mmap_min_addr and not (t is not None and t.cred.capable(CAP_SYS_RAWIO)):
        raise Errno.EPERM
    return found


def _search(mm: AddressSpace, hint: int, length: int, flags: int) -> int:
    lowest = mm.memory.mmap_min_addr
    if hint and hint <= USER_TOP - length and hint >= lowest and not flags & MAP_32BIT:
        following = mm.areas.find(hint)
        if following is None or hint + length <= _gap_end(mm, following):
            return hint
    if flags & MAP_32BIT:
        found = _bottom_up(mm, length, *_LOW_2G)
    elif mm.legacy_layout:
        found = _bottom_up(mm, length, TASK_UNMAPPED_BASE, USER_TOP)
    else:
        found = _top_down(mm, length, lowest, mm.mmap_base) or _bottom_up(mm, length, TASK_UNMAPPED_BASE, USER_TOP)
    if not found:
        raise Errno.ENOMEM
    return found


def set_mmap_base(mm: AddressSpace, address: int, legacy: bool = False) -> None:
    """Choose where mappings without a fixed address go: down from ``address``, or up from a third (``legacy``)."""
    mm.mmap_base = address
    mm.legacy_layout = legacy
    mm.hole_limit = address
    mm.hole_length = 0


# -- mmap --------------------------------------------------------------------------------------------------------------
def do_mmap(
    mm: AddressSpace,
    t: Thread | None,
    address: int,
    length: int,
    prot: int,
    flags: int,
    file: File | None = None,
    offset: int = 0,
    shmem: ShmemPages | None = None,
    name: bytes = b"/dev/zero (deleted)",
) -> int:
    """Map ``length`` bytes and return the address (``do_mmap``); arguments and errors as mmap(2).

    ``t`` makes the call: its credentials count, None has no capabilities.  ``file`` None is anonymous memory; the caller
    has looked up the descriptor.  ``offset``: bytes, page aligned.  ``shmem``: the memory to share, called ``name`` in maps, None
    for new memory.
    """
    memory = mm.memory
    if not length:
        raise Errno.EINVAL
    if prot & PROT_READ and t is not None and t.personality & READ_IMPLIES_EXEC:
        prot |= PROT_EXEC
    if flags & MAP_FIXED_NOREPLACE:
        flags |= MAP_FIXED
    if not flags & MAP_FIXED:
        address &= ~PAGE_MASK
        if address and address < memory.mmap_min_addr:
            address = page_align(memory.mmap_min_addr)
    length = page_align(length)
    if not length:
        raise Errno.ENOMEM
    pages = length >> PAGE_SHIFT
    if (offset >> PAGE_SHIFT) + pages > _U64 >> PAGE_SHIFT:
        raise Errno.EOVERFLOW
    if len(mm.areas) > memory.max_map_count:
        raise Errno.ENOMEM
    address = get_unmapped_area(mm, t, address, length, flags)
    if flags & MAP_FIXED_NOREPLACE and mm.areas.overlapping(address, address + length):
        raise Errno.EEXIST

    vm = prot_flags(prot) | mm.def_flags | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC
    if flags & MAP_GROWSDOWN:
        vm |= VM_GROWSDOWN
    if flags & MAP_LOCKED:
        vm |= VM_LOCKED
        if not mm.rlimits.soft(RLIMIT_MEMLOCK) and not _may_lock_all(t):
            raise Errno.EPERM
    if vm & VM_LOCKED and not mm.may_lock(pages) and not _may_lock_all(t):
        raise Errno.EAGAIN

    source: PageSource | None = None
    pgoff = offset >> PAGE_SHIFT
    if file is not None:
        vm = file.may_map(_file_flags(file, vm, prot, flags))
        assert t is not None
        source = file.source(t)
        if (flags & MAP_TYPE == MAP_PRIVATE and vm & VM_GROWSDOWN) or (vm & VM_MAYSHARE and vm & VM_GROWSDOWN):
            raise Errno.EINVAL
    elif flags & MAP_TYPE == MAP_SHARED:
        if vm & VM_GROWSDOWN:
            raise Errno.EINVAL
        pgoff = 0
        vm |= VM_SHARED | VM_MAYSHARE
        source = shmem
        if shmem is not None and not prot & PROT_WRITE:
            vm &= ~(VM_MAYWRITE | VM_SHARED)
    elif flags & MAP_TYPE == MAP_PRIVATE:
        pgoff = address >> PAGE_SHIFT
    else:
        raise Errno.EINVAL

    _check_limits(mm, vm, flags, address, pages)
    if flags & MAP_NORESERVE:
        vm |= VM_NORESERVE
    if vm & (VM_WRITE | VM_SHARED | VM_NORESERVE) == VM_WRITE or (
        file is None and source is None and vm & VM_SHARED and not vm & VM_NORESERVE
    ):
        if not memory.enough(pages):
            raise Errno.ENOMEM
        if not vm & VM_SHARED:
            vm |= VM_ACCOUNT
    mm.unmap(address, address + length)
    if source is None and vm & VM_SHARED:
        source = memory.shared_pages(length)
    mm.insert(Vma(address, address + length, vm, source, file, pgoff, b"" if source is None or file is not None else name))
    if (flags & MAP_POPULATE and not flags & MAP_NONBLOCK) or vm & (VM_LOCKED | VM_LOCKONFAULT) == VM_LOCKED:
        mm_populate(mm, address, address + length)
    return address


def _may_lock_all(t: Thread | None) -> bool:
    return t is not None and t.cred.capable(CAP_IPC_LOCK)


def _file_flags(file: File, vm: int, prot: int, flags: int) -> int:
    """Return the VM_* flags for mapping ``file`` so, or raise EACCES, EOPNOTSUPP, EINVAL."""
    kind = flags & MAP_TYPE
    mode = file.flags & O_ACCMODE
    if kind in (MAP_SHARED, MAP_SHARED_VALIDATE):
        if kind == MAP_SHARED_VALIDATE and flags & ~(_LEGACY_FLAGS | MAP_FIXED_NOREPLACE | MAP_SHARED_VALIDATE):
            raise Errno.EOPNOTSUPP
        if prot_flags(prot) & VM_WRITE and mode == O_RDONLY:
            raise Errno.EACCES
        vm |= VM_SHARED | VM_MAYSHARE
        if mode == O_RDONLY:
            vm &= ~(VM_MAYWRITE | VM_SHARED)
    elif kind != MAP_PRIVATE:
        raise Errno.EINVAL
    if mode == O_WRONLY:
        raise Errno.EACCES
    return vm


def _check_limits(mm: AddressSpace, vm: int, flags: int, address: int, pages: int) -> None:
    """ENOMEM beyond RLIMIT_AS or RLIMIT_DATA; pages that MAP_FIXED replaces do not count twice (``mmap_region``)."""
    if mm.may_expand(vm, pages):
        return
    if flags & MAP_FIXED:
        end = address + (pages << PAGE_SHIFT)
        replaced = sum(
            (min(v.end, end) - max(v.start, address)) >> PAGE_SHIFT for v in mm.areas.overlapping(address, end)
        )
        if mm.may_expand(vm, pages - replaced):
            return
    raise Errno.ENOMEM


def map_special(mm: AddressSpace, address: int, source: PageSource, name: bytes, flags: int) -> int:
    """Map all of ``source`` as kernel-provided pages such as the vDSO (``_install_special_mapping``); return the address.

    ``address``: a hint, 0 for none.  ``flags``: VM_*, without the VM_MAY* bits being implied.
    """
    length = page_align(source.size)
    address = get_unmapped_area(mm, None, address, length, 0)
    mm.insert(Vma(address, address + length, flags, source, None, 0, name))
    return address


def mm_populate(mm: AddressSpace, start: int, end: int) -> None:
    """Fault in [start, end), for writing where that is allowed and private; whatever fails is left (``mm_populate``)."""
    for vma in mm.areas.overlapping(start, end):
        if vma.flags & (VM_IO | VM_PFNMAP) or not vma.flags & VM_ACCESS:
            continue
        write = vma.flags & (VM_WRITE | VM_SHARED) == VM_WRITE
        for page in range(max(start, vma.start), min(end, vma.end), PAGE_SIZE):
            try:
                if not populate(mm, vma, page, write):
                    return
            except OutOfFrames:
                return


# -- munmap ------------------------------------------------------------------------------------------------------------
def do_munmap(mm: AddressSpace, start: int, length: int) -> None:
    """Unmap [start, start + length) (munmap(2)).  EINVAL: not aligned, empty or outside user space."""
    if start & PAGE_MASK or start > USER_TOP or length > USER_TOP - start:
        raise Errno.EINVAL
    length = page_align(length)
    if not length:
        raise Errno.EINVAL
    mm.unmap(start, start + length)


# -- brk ---------------------------------------------------------------------------------------------------------------
def do_brk(mm: AddressSpace, t: Thread | None, address: int) -> int:
    """Move the end of the heap to ``address``; return where it is then, unchanged if that is impossible (brk(2))."""
    origin = mm.brk
    if address < mm.start_brk or address >= USER_TOP:
        return origin
    limit = mm.rlimits.soft(RLIMIT_DATA)
    if (address - mm.start_brk) + (mm.end_data - mm.start_data) > limit:
        return origin
    old, new = page_align(origin), page_align(address)
    if old == new:
        mm.brk = address
        return address
    if new < old:
        try:
            mm.unmap(new, old)
        except Errno.ENOMEM:
            return origin
        mm.brk = address
        return address
    following = mm.areas.find(old)
    if following is not None and new + PAGE_SIZE > _gap_end(mm, following):
        return origin
    pages = (new - old) >> PAGE_SHIFT
    try:
        map_brk(mm, t, old, pages)
    except Errno.ENOMEM:
        return origin
    except Errno.EAGAIN:
        return origin
    mm.brk = address
    if mm.def_flags & VM_LOCKED:
        mm_populate(mm, old, new)
    return address


def map_brk(mm: AddressSpace, t: Thread | None, start: int, pages: int, executable: bool = False) -> None:
    """Add ``pages`` of heap at ``start``, which must be free (``do_brk_flags``).  ENOMEM, EAGAIN."""
    vm = 0x3 | VM_ACCOUNT | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | mm.def_flags | (VM_EXEC if executable else 0)
    if vm & VM_LOCKED and not mm.may_lock(pages) and not _may_lock_all(t):
        raise Errno.EAGAIN
    if not mm.may_expand(vm, pages) or len(mm.areas) > mm.memory.max_map_count or not mm.memory.enough(pages):
        raise Errno.ENOMEM
    mm.insert(Vma(start, start + (pages << PAGE_SHIFT), vm, None, None, start >> PAGE_SHIFT))
