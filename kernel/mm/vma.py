"""Virtual memory areas: what is where in an address space (``vm_area_struct``).

A ``Vma`` is a range of pages that are alike: same permissions, same backing.  The list of an address space is sorted and
without overlaps.  Adjacent areas that are alike are one area, because programs read /proc/PID/maps and because the
number of areas is limited; when two areas count as alike is decided in ``mergeable`` (``can_vma_merge_after`` and
``is_mergeable_anon_vma`` of mm/vma.c).
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from kernel.hardware import PAGE_SHIFT

if TYPE_CHECKING:
    from kernel.fs.file import File, PageSource

PROT_NONE = 0
PROT_READ = 1
PROT_WRITE = 2
PROT_EXEC = 4
PROT_SEM = 8
PROT_GROWSDOWN = 0x0100_0000
PROT_GROWSUP = 0x0200_0000

# include/linux/mm.h
VM_READ = 0x1
VM_WRITE = 0x2
VM_EXEC = 0x4
VM_SHARED = 0x8
VM_MAYREAD = 0x10
VM_MAYWRITE = 0x20
VM_MAYEXEC = 0x40
VM_MAYSHARE = 0x80
VM_GROWSDOWN = 0x100
VM_PFNMAP = 0x400
VM_LOCKED = 0x2000
VM_IO = 0x4000
VM_SEQ_READ = 0x8000
VM_RAND_READ = 0x1_0000
VM_DONTCOPY = 0x2_0000
VM_DONTEXPAND = 0x4_0000
VM_LOCKONFAULT = 0x8_0000
VM_ACCOUNT = 0x10_0000
VM_NORESERVE = 0x20_0000
VM_WIPEONFORK = 0x200_0000
VM_DONTDUMP = 0x400_0000
VM_HUGEPAGE = 0x2000_0000
VM_NOHUGEPAGE = 0x4000_0000
VM_MERGEABLE = 0x8000_0000

VM_ACCESS = VM_READ | VM_WRITE | VM_EXEC
VM_MAYACCESS = VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC
VM_SPECIAL = VM_IO | VM_DONTEXPAND | VM_PFNMAP
"""Areas that are never merged or locked."""


class Vma:
    """One area, [start, end) in bytes, page aligned.

    ``flags``: VM_*.  ``source``: what fills its pages, None for private anonymous memory.  ``file``: the open file it holds
    a reference on, None for all kinds of anonymous memory.  ``pgoff``: page index of ``start`` in the source; for
    private anonymous memory the page number at which it was first mapped.  ``name``: what /proc/PID/maps shows for
    areas without a file (b"[vdso]"), b"" for none.  ``anon``: identity of the set of anonymous pages it has pages in (anon_vma),
    None before the first private page.  ``inherited``: that set came from a parent by fork, and the parent may share its pages.
    ``policy``: NUMA policy (mode, node mask) or None.
    """

    __slots__ = ("start", "end", "flags", "source", "file", "pgoff", "name", "anon", "inherited", "policy")

    def __init__(
        self,
        start: int,
        end: int,
        flags: int,
        source: PageSource | None = None,
        file: File | None = None,
        pgoff: int = 0,
        name: bytes = b"",
    ) -> None:
        self.start = start
        self.end = end
        self.flags = flags
        self.source = source
        self.file = file
        self.pgoff = pgoff
        self.name = name
        self.anon: object | None = None
        self.inherited = False
        self.policy: tuple[int, int] | None = None

    def copy(self) -> Vma:
        """Return an equal area; references are the caller's business."""
        twin = Vma(self.start, self.end, self.flags, self.source, self.file, self.pgoff, self.name)
        twin.anon = self.anon
        twin.inherited = self.inherited
        twin.policy = self.policy
        return twin

    @property
    def pages(self) -> int:
        """Its length in pages."""
        return (self.end - self.start) >> PAGE_SHIFT

    def index(self, address: int) -> int:
        """Return the page index in the source of the page at ``address``."""
        return self.pgoff + ((address - self.start) >> PAGE_SHIFT)

    def __repr__(self) -> str:
        return f"<Vma {self.start:x}-{self.end:x} {self.flags:x} {self.name.decode(errors='replace')}>"


def prot_flags(prot: int) -> int:
    """Return the VM_READ, VM_WRITE, VM_EXEC bits of a PROT_* value (the numbers agree)."""
    return prot & (PROT_READ | PROT_WRITE | PROT_EXEC)


def mergeable(a: Vma, b: Vma) -> bool:
    """Tell whether ``b``, which starts where ``a`` ends, may become part of it.

    Two areas that each have private pages of their own stay apart unless the pages belong to one set; an area whose pages
    came from a parent is not joined with one that has none yet (``is_mergeable_anon_vma``).
    """
    if (
        a.end != b.start
        or a.flags != b.flags
        or a.source is not b.source
        or a.file is not b.file
        or a.flags & VM_SPECIAL
        or a.name != b.name
        or a.policy != b.policy
        or a.pgoff + ((a.end - a.start) >> PAGE_SHIFT) != b.pgoff
    ):
        return False
    if a.anon is b.anon:
        return True
    if a.anon is None:
        return not b.inherited
    return b.anon is None and not a.inherited


class VmaList:
    """The areas of one address space in ascending order; ``starts[i]`` is ``areas[i].start``.

    Both lists are public for the fault path; only this class changes them.
    """

    __slots__ = ("areas", "starts")

    def __init__(self) -> None:
        self.areas: list[Vma] = []
        self.starts: list[int] = []

    def __len__(self) -> int:
        return len(self.areas)

    def at(self, address: int) -> Vma | None:
        """Return the area that contains ``address`` (``vma_lookup``)."""
        i = bisect_right(self.starts, address) - 1
        if i >= 0:
            vma = self.areas[i]
            if address < vma.end:
                return vma
        return None

    def index(self, address: int) -> int:
        """Return the index of the first area that ends above ``address`` (``find_vma``); len(self) if there is none."""
        i = bisect_right(self.starts, address)
        if i and address < self.areas[i - 1].end:
            return i - 1
        return i

    def find(self, address: int) -> Vma | None:
        """Return the first area that ends above ``address`` (``find_vma``)."""
        i = self.index(address)
        return self.areas[i] if i < len(self.areas) else None

    def overlapping(self, start: int, end: int) -> list[Vma]:
        """Return the areas that have pages in [start, end), ascending; none if that is empty."""
        i = self.index(start)
        areas = self.areas
        j = i
        if start >= end:
            return []
        while j < len(areas) and areas[j].start < end:
            j += 1
        return areas[i:j]

    def before(self, vma: Vma) -> Vma | None:
        """Return the area below ``vma``."""
        i = bisect_right(self.starts, vma.start) - 2
        return self.areas[i] if i >= 0 else None

    def after(self, vma: Vma) -> Vma | None:
        """Return the area above ``vma``."""
        i = bisect_right(self.starts, vma.start)
        return self.areas[i] if i < len(self.areas) else None

    def insert(self, vma: Vma) -> None:
        """Add an area; its range must be free."""
        i = bisect_right(self.starts, vma.start)
        self.areas.insert(i, vma)
        self.starts.insert(i, vma.start)

    def append(self, vma: Vma) -> None:
        """Add an area above all others."""
        self.areas.append(vma)
        self.starts.append(vma.start)

    def remove(self, vma: Vma) -> None:
        """Take an area out."""
        i = bisect_right(self.starts, vma.start) - 1
        del self.areas[i], self.starts[i]

    def set_start(self, vma: Vma, start: int) -> None:
        """Move the lower end of an area within the gap below it, or up within itself."""
        i = bisect_right(self.starts, vma.start) - 1
        vma.start = start
        self.starts[i] = start
