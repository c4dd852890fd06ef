"""Page faults: how memory comes into being (``do_user_addr_fault``, ``handle_mm_fault``).

* Private anonymous memory is one shared frame of zeros until it is written.
* Private memory is copied when written, unless nobody else has the frame.  Fork shares whole page tables, so "nobody else"
  can be told only after the tables above the page are this address space's own (``PageTables.unshare``).
* Private file pages are the page cache's own frames, read-only; a read fault also maps the neighbours that are in the
  cache already (fault-around), which spares a new program most of its faults.
* Shared file pages become writable one by one, so that the file system learns which were written.
* Below a stack that may grow there is no hole: a touch extends it, up to RLIMIT_STACK and not closer than
  ``stack_guard_gap`` to what lies below.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

from kernel.errno import Errno
from kernel.fs.pagecache import PageCache
from kernel.hardware import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE, PTE_FRAME, PTE_NX, PTE_P, PTE_U, PTE_W, USER_TOP, OutOfFrames
from kernel.mm.vma import (
    VM_ACCESS,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_IO,
    VM_LOCKED,
    VM_MAYREAD,
    VM_MAYWRITE,
    VM_PFNMAP,
    VM_READ,
    VM_SHARED,
    VM_WRITE,
    Vma,
)
from kernel.rlimit import RLIMIT_STACK

if TYPE_CHECKING:
    from kernel.fs.file import PageSource
    from kernel.mm.address_space import AddressSpace
    from kernel.task import Thread

SIGBUS = 7
SIGSEGV = 11
BUS_ADRERR = 2
SEGV_MAPERR = 1
SEGV_ACCERR = 2

_PF_WRITE = 2
_PF_INSTR = 16

FAULT_AROUND = 16
"""Pages; an aligned window (fault_around_bytes)."""


class FaultSignal(NamedTuple):
    """The signal a bad access earns: number, si_code, si_addr."""

    signo: int
    code: int
    address: int


def handle_fault(mm: AddressSpace, t: Thread, address: int, error_code: int) -> FaultSignal | None:
    """Serve a page fault of user mode; None: run the instruction again.

    ``error_code``: the PF_* bits the processor reported.  Also None when ``t`` has been chosen by the OOM killer: the
    fatal signal it has pending is served before the instruction.
    """
    try:
        failed = fault(mm, address, error_code & _PF_WRITE != 0, error_code & _PF_INSTR != 0)
    except OutOfFrames:
        return None if mm.oom_reaped else FaultSignal(SIGBUS, BUS_ADRERR, address)
    if failed is None:
        return None
    return FaultSignal(failed[0], failed[1], address)


def fault(mm: AddressSpace, address: int, write: bool, instruction: bool) -> tuple[int, int] | None:
    """Make an access of user mode at ``address`` possible; return (signal, si_code) if it is forbidden.

    Raises OutOfFrames when memory is used up and the address space itself was sacrificed, or nothing could be.
    """
    areas = mm.areas
    i = bisect_right(areas.starts, address) - 1
    if i >= 0 and address < areas.areas[i].end:
        vma = areas.areas[i]
    else:
        above = areas.areas[i + 1] if i + 1 < len(areas.areas) else None
        if above is None or not above.flags & VM_GROWSDOWN or not expand_stack(mm, above, address):
            return SIGSEGV, SEGV_MAPERR
        vma = above
    flags = vma.flags
    if not flags & (VM_WRITE if write else VM_EXEC if instruction else VM_ACCESS):
        return SIGSEGV, SEGV_ACCERR
    if mm.oom_reaped:
        raise OutOfFrames
    if populate(mm, vma, address & ~PAGE_MASK, write):
        return None
    return SIGBUS, BUS_ADRERR


def _entry_flags(flags: int) -> int:
    """Return the page-table bits for VM_* flags, without W."""
    bits = PTE_P | PTE_U if flags & VM_ACCESS else PTE_P
    return bits if flags & VM_EXEC else bits | PTE_NX


def _install(mm: AddressSpace, page: int, frame: int, bits: int) -> None:
    """Enter a frame, whose reference is taken over; makes room for page tables if need be."""
    while True:
        try:
            mm.tables.map(page, frame, bits)
            return
        except OutOfFrames:
            if not mm.memory.reclaim():
                mm.memory.put(frame)
                raise


def _source_page(mm: AddressSpace, source: PageSource, index: int) -> int:
    """Return the frame of a page of a file with a reference, 0 if there is no such page (SIGBUS).

    A file system that is full has no page for a hole either, though the machine has memory.
    """
    while True:
        try:
            return source.page(index)
        except (Errno.EFAULT, Errno.EIO):
            return 0
        except OutOfFrames:
            if mm.memory.free:
                return 0
            if not mm.memory.reclaim():
                raise


def populate(mm: AddressSpace, vma: Vma, page: int, write: bool) -> bool:
    """Make the page at ``page`` present, and private if ``write``; False: there is no such page of the file (SIGBUS).

    The caller has checked the protection.  The entry becomes writable only if the area is (a debugger may write
    where the program may not).  Raises OutOfFrames.
    """
    memory = mm.memory
    flags = vma.flags
    entry = mm.tables.lookup(page)
    if entry:
        if not write or entry & PTE_W:
            return True
        return _write_protected(mm, vma, page)
    bits = PTE_P | PTE_U if flags & VM_ACCESS else PTE_P
    if not flags & VM_EXEC:
        bits |= PTE_NX
    source = vma.source
    if source is None:
        if write:
            if vma.anon is None:
                prepare_anon(mm, vma)
            frame = memory.allocate()
            if flags & VM_WRITE:
                bits |= PTE_W
        else:
            frame = memory.zero_frame
            memory.get(frame)
        _install(mm, page, frame, bits)
        return True
    index = vma.pgoff + ((page - vma.start) >> PAGE_SHIFT)
    frame = _source_page(mm, source, index)
    if not frame:
        return False
    if flags & VM_SHARED:
        if write:
            source.dirty(index)
            bits |= PTE_W
        elif flags & VM_WRITE and isinstance(source, PageCache) and source.backing is None:
            bits |= PTE_W  # nobody wants to know which pages of memory-only files are written
        _install(mm, page, frame, bits)
    elif write:
        if vma.anon is None:
            prepare_anon(mm, vma)
        try:
            copy = memory.allocate(False)
            _copy_frame(mm, frame, copy)
        finally:
            memory.put(frame)
        _install(mm, page, copy, bits | PTE_W if flags & VM_WRITE else bits)
    else:
        _install(mm, page, frame, bits)
        if isinstance(source, PageCache):
            _fault_around(mm, vma, page, source, bits)
    return True


def _write_protected(mm: AddressSpace, vma: Vma, page: int) -> bool:
    """A write to a present page without W (``do_wp_page``)."""
    memory = mm.memory
    tables = mm.tables
    if vma.flags & VM_SHARED and vma.source is not None:
        vma.source.dirty(vma.index(page))
        memory.attempt(tables.set_writable, page)
        return True
    if vma.anon is None:
        prepare_anon(mm, vma)
    entry = memory.attempt(tables.unshare, page)
    frame = (entry & PTE_FRAME) >> PAGE_SHIFT
    if memory.count(frame) == 1:
        if vma.flags & VM_WRITE:
            tables.set_writable(page)
        return True
    if frame == memory.zero_frame:
        copy = memory.allocate()
    else:
        copy = memory.allocate(False)
        _copy_frame(mm, frame, copy)
    bits = _entry_flags(vma.flags)
    mm.forget(page)
    _install(mm, page, copy, bits | PTE_W if vma.flags & VM_WRITE else bits)
    return True


def _copy_frame(mm: AddressSpace, source: int, target: int) -> None:
    ram = mm.ram
    source <<= PAGE_SHIFT
    target <<= PAGE_SHIFT
    ram[target : target + PAGE_SIZE] = ram[source : source + PAGE_SIZE]


def _fault_around(mm: AddressSpace, vma: Vma, page: int, source: PageCache, bits: int) -> None:
    """Map the pages around ``page`` that are in the page cache and absent here (``do_fault_around``)."""
    window = FAULT_AROUND << PAGE_SHIFT
    start = max(page & -window, vma.start)
    end = min((page & -window) + window, vma.end)
    index = vma.index(start)
    limit = (source.size + PAGE_MASK) >> PAGE_SHIFT
    pages, unwritten = source.pages, source.unwritten
    tables = mm.tables
    get = mm.memory.get
    try:
        for address in range(start, end, PAGE_SIZE):
            frame = pages.get(index)
            if frame is not None and address != page and index < limit and index not in unwritten and not tables.lookup(address):
                get(frame)
                tables.map(address, frame, bits)
            index += 1
    except OutOfFrames:  # it was a favour only
        mm.memory.put(frame)  # type: ignore[arg-type]


def prepare_anon(mm: AddressSpace, vma: Vma) -> None:
    """Before the first private page of an area: join the set of a neighbour it could merge with but for its
    permissions, so that they can become one later (``find_mergeable_anon_vma``)."""
    following = mm.areas.after(vma)
    if following is not None and following.anon is not None and not following.inherited and _compatible(vma, following):
        vma.anon = following.anon
        return
    previous = mm.areas.before(vma)
    if previous is not None and previous.anon is not None and not previous.inherited and _compatible(previous, vma):
        vma.anon = previous.anon
        return
    vma.anon = object()


def _compatible(a: Vma, b: Vma) -> bool:
    """``anon_vma_compatible``: adjacent and alike except for the permissions."""
    return (
        a.end == b.start
        and a.source is b.source
        and a.file is b.file
        and a.policy == b.policy
        and not (a.flags ^ b.flags) & ~VM_ACCESS
        and b.pgoff == a.pgoff + a.pages
    )


def expand_stack(mm: AddressSpace, vma: Vma, address: int) -> bool:
    """Let a VM_GROWSDOWN area grow down to ``address`` (``expand_downwards``); False if it must not."""
    address &= ~PAGE_MASK
    memory = mm.memory
    if address < memory.mmap_min_addr or address >= USER_TOP:
        return False
    if address >= vma.start:
        return True
    previous = mm.areas.before(vma)
    if previous is not None:
        if previous.end > address:
            return False
        # A gap is kept to anything accessible that is not itself a stack (stack_guard_gap).
        if (
            not previous.flags & VM_GROWSDOWN
            and previous.flags & VM_ACCESS
            and address - previous.end < memory.stack_guard_gap
        ):
            return False
    pages = (vma.start - address) >> PAGE_SHIFT
    if pages > vma.pgoff or vma.end - address > mm.rlimits.soft(RLIMIT_STACK):
        return False
    if not mm.may_expand(vma.flags, pages) or (vma.flags & VM_LOCKED and not mm.may_lock(pages)) or not memory.enough(pages):
        return False
    mm.areas.set_start(vma, address)
    vma.pgoff -= pages
    mm.account(vma.flags, pages)
    return True


def foreign_page(mm: AddressSpace, address: int, write: bool) -> int:
    """Make the page at ``address`` accessible to a debugger; return the offset of its frame in RAM.

    The protection of the area does not count as long as the program itself could change it: reading needs VM_MAYREAD, writing
    copies a private page (``get_user_pages`` with FOLL_FORCE).  EFAULT otherwise.
    """
    page = address & ~PAGE_MASK
    vma = mm.areas.at(page)
    if vma is None or vma.flags & (VM_IO | VM_PFNMAP):
        raise Errno.EFAULT
    if write:
        if not vma.flags & VM_WRITE and vma.flags & (VM_SHARED | VM_MAYWRITE) != VM_MAYWRITE:
            raise Errno.EFAULT
    elif not vma.flags & VM_READ and not vma.flags & VM_MAYREAD:
        raise Errno.EFAULT
    try:
        if not populate(mm, vma, page, write):
            raise Errno.EFAULT
    except OutOfFrames:
        raise Errno.EFAULT from None
    entry = mm.tables.lookup(page)
    mm.remember(page, entry)
    return entry & PTE_FRAME
