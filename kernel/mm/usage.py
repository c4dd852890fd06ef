"""How much memory an address space has: pages present by kind, page tables (fs/proc/task_mmu.c, get_mm_counter)."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from kernel.fs.pagecache import PageCache
from kernel.hardware import PAGE_SHIFT, PTE_FRAME
from kernel.mm.shmem import ShmemPages
from kernel.mm.vma import VM_SHARED, Vma

if TYPE_CHECKING:
    from kernel.hardware import PageTables
    from kernel.kernel import Kernel
    from kernel.mm.address_space import AddressSpace


class Resident(NamedTuple):
    """Pages present: private copies and anonymous memory, file pages, shared memory.  The zero page does not count."""

    anonymous: int
    file: int
    shmem: int


class Statm(NamedTuple):
    """/proc/PID/statm, in pages; ``lib`` and ``dirty`` are always 0."""

    size: int
    resident: int
    shared: int
    text: int
    lib: int
    data: int
    dirty: int


def is_shmem(vma: Vma) -> bool:
    """Whether the pages of the area count as shared memory: anonymous, memfd or tmpfs."""
    return isinstance(vma.source, ShmemPages) or (isinstance(vma.source, PageCache) and vma.source.backing is None)


def present_pages(mm: AddressSpace) -> list[tuple[int, int]]:
    """Return (address, entry) of all present pages, in order: one walk of the tables."""
    areas = mm.areas.areas
    return mm.tables.present(areas[0].start, areas[-1].end) if areas else []


class Mappers:
    """How many address spaces map a page (page_mapcount).

    A reference on a frame is one entry of a table, and fork shares whole tables: a page below a table that several address spaces
    share counts once for all of them, so the others are looked for.
    """

    __slots__ = ("_spaces", "_shared")

    def __init__(self, kernel: Kernel) -> None:
        self._spaces = {t.mm: None for t in kernel.all_threads() if t.mm is not None}
        self._shared: dict[int, list[tuple[PageTables, int]]] = {}

    def _tables(self, va: int) -> list[tuple[PageTables, int]]:
        """Return one of the address spaces for each shared table at ``va``, and how many more share it."""
        found = self._shared.get(va >> 21)
        if found is None:
            users: dict[int, tuple[PageTables, int]] = {}
            for mm in self._spaces:
                leaf = mm.tables.leaf(va)
                if leaf:
                    tables, others = users.get(leaf, (mm.tables, -1))
                    users[leaf] = (tables, others + 1)
            found = self._shared[va >> 21] = [entry for entry in users.values() if entry[1]]
        return found

    def count(self, mm: AddressSpace, va: int, frame: int, cached: bool) -> int:
        """Return how many map the page at ``va`` of ``mm``; ``cached``: a cache of file pages holds it, too."""
        mappers = mm.memory.count(frame) - cached
        for tables, others in self._tables(va):
            if (tables.lookup(va) & PTE_FRAME) >> PAGE_SHIFT == frame:
                mappers += others
        return max(mappers, 1)


def resident(mm: AddressSpace, pages: list[tuple[int, int]] | None = None) -> Resident:
    """Count the present pages of an address space; costs O(pages).  ``pages``: they, if known."""
    anonymous = file = shmem = 0
    zero = mm.memory.zero_frame
    if pages is None:
        pages = present_pages(mm)
    at = 0
    for vma in mm.areas.areas:
        first = at = bisect_left(pages, (vma.start,), at)
        at = bisect_left(pages, (vma.end,), at)
        count = at - first
        if not count:
            continue
        source = vma.source
        if source is None:
            anonymous += sum([(entry & PTE_FRAME) >> PAGE_SHIFT != zero for _, entry in pages[first:at]])
            continue
        own = 0
        if not vma.flags & VM_SHARED and isinstance(source, PageCache) and vma.anon is not None:
            cached = source.pages.get
            own = sum([cached(vma.index(va)) != (entry & PTE_FRAME) >> PAGE_SHIFT for va, entry in pages[first:at]])
        anonymous += own
        if is_shmem(vma):
            shmem += count - own
        else:
            file += count - own
    return Resident(anonymous, file, shmem)


def table_pages(mm: AddressSpace, pages: list[tuple[int, int]] | None = None) -> int:
    """Return how many pages its page tables take; tables shared with others count in full.  ``pages``: as in ``resident``."""
    leaves = {va >> 21 for va, _ in (present_pages(mm) if pages is None else pages)}
    return len(leaves) + len({leaf >> 9 for leaf in leaves}) + len({leaf >> 18 for leaf in leaves}) + 1


def statm(mm: AddressSpace) -> Statm:
    """Return the numbers of /proc/PID/statm (``task_statm``)."""
    anonymous, file, shmem = resident(mm)
    text = (((mm.end_code + 0xFFF) & ~0xFFF) - (mm.start_code & ~0xFFF)) >> PAGE_SHIFT
    return Statm(mm.total_vm, anonymous + file + shmem, file + shmem, max(text, 0), 0, mm.data_vm + mm.stack_vm, 0)
