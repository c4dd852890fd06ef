"""The physical memory of a machine as the kernel sees it: frames, the zero page, reclaim.

``Memory`` looks like the machine's ``Frames`` but does not give up at once when no frame is free: it asks the shrinkers
(page caches that can read their pages again) and then the OOM killer, in the order of ``__alloc_pages_slowpath``.  So
everybody who allocates through it gets Linux's behaviour, and OutOfFrames is what is left when even killing did not help.

It also knows which address spaces map which page source (``i_mmap``), so that truncation reaches all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from kernel.errno import Errno
from kernel.fs.pagecache import PagePool
from kernel.hardware import PAGE_SIZE, Cpu, Frames, OutOfFrames, PageTables
from kernel.mm.shmem import ShmemPages

if TYPE_CHECKING:
    from kernel.fs.file import PageSource
    from kernel.mm.address_space import AddressSpace

T = TypeVar("T")

OVERCOMMIT_GUESS = 0
OVERCOMMIT_ALWAYS = 1

ZERO_PAGE = bytes(PAGE_SIZE)


class _Mapped:
    """Who maps one page source: ``spaces`` counts the areas of each address space."""

    __slots__ = ("source", "memory", "spaces", "callback")

    def __init__(self, memory: Memory, source: PageSource) -> None:
        self.memory = memory
        self.source = source
        self.spaces: dict[AddressSpace, int] = {}
        self.callback = self.unmap

    def unmap(self, first: int, stop: int) -> None:
        """Remove pages first..stop-1 of the source from all address spaces (``unmap_mapping_range``)."""
        for mm in list(self.spaces):
            mm.unmap_source(self.source, first, stop)


class Memory:
    """Physical memory with reclaim (implements ``Frames``).

    ``shrinkers``: each is asked to free up to n frames and returns how many it freed.  ``out_of_memory``: the last resort,
    returns True if it freed something (``kernel.mm.oom``).  ``max_map_count``, ``mmap_min_addr`` (bytes),
    ``overcommit``: the sysctls in /proc/sys/vm.
    """

    __slots__ = (
        "frames", "cpu", "memory", "total", "zero_frame", "get", "put", "count", "code_changed",
        "shrinkers", "out_of_memory", "max_map_count", "mmap_min_addr", "overcommit", "stack_guard_gap", "shmem",
        "_mapped", "_last_ino",
    )  # fmt: skip

    def __init__(self, frames: Frames, cpu: Cpu) -> None:
        self.frames = frames
        self.cpu = cpu
        self.memory = frames.memory
        self.total = frames.total
        self.get: Callable[[int], None] = frames.get
        self.put: Callable[[int], None] = frames.put
        self.count: Callable[[int], int] = frames.count
        self.code_changed: Callable[[int], None] = cpu.code_changed
        self.zero_frame = frames.allocate()
        """Mapped read-only wherever anonymous memory is read before it is written; never freed."""
        self.shrinkers: list[Callable[[int], int]] = []
        self.out_of_memory: Callable[[], bool] | None = None
        self.max_map_count = 65530
        self.mmap_min_addr = 65536
        self.overcommit = OVERCOMMIT_GUESS
        self.stack_guard_gap = 256 * PAGE_SIZE
        self.shmem = PagePool(self, self.code_changed, 1 << 40)
        """Pages of shared anonymous memory; ``used`` counts them."""
        self._mapped: dict[PageSource, _Mapped] = {}
        self._last_ino = 0

    @property
    def free(self) -> int:
        """Frames that are free now."""
        return self.frames.free

    def allocate(self, zero: bool = True) -> int:
        """Return a frame with one reference.  Raises OutOfFrames when reclaim and the OOM killer freed nothing."""
        while True:
            try:
                return self.frames.allocate(zero)
            except OutOfFrames:
                if not self.reclaim():
                    raise

    def reclaim(self, wanted: int = 64) -> bool:
        """Free some frames; False if there is nothing left that could be freed."""
        for shrink in self.shrinkers:
            if shrink(wanted) > 0:
                return True
        return self.out_of_memory is not None and self.out_of_memory()

    def attempt(self, call: Callable[..., T], *arguments: object) -> T:
        """Call an operation of the page tables that may need frames, reclaiming as long as that helps.  ENOMEM."""
        while True:
            try:
                return call(*arguments)
            except OutOfFrames:
                if not self.reclaim():
                    raise Errno.ENOMEM from None

    def new_tables(self) -> PageTables:
        """Return empty page tables.  ENOMEM."""
        return self.attempt(self.cpu.new_tables)

    def enough(self, pages: int) -> bool:
        """Tell whether a mapping of ``pages`` may be promised (``__vm_enough_memory``): the heuristic of mode 0 refuses
        only what could never be there."""
        return self.overcommit != OVERCOMMIT_GUESS or pages <= self.total

    def shared_pages(self, size: int) -> ShmemPages:
        """Return new shared anonymous memory of ``size`` bytes, empty."""
        self._last_ino += 1
        return ShmemPages(self.shmem, size, self._last_ino)

    def mapped(self, source: PageSource, mm: AddressSpace) -> None:
        """An area of ``mm`` maps ``source`` from now on."""
        entry = self._mapped.get(source)
        if entry is None:
            entry = self._mapped[source] = _Mapped(self, source)
            mappers = getattr(source, "mappers", None)
            if mappers is not None:
                mappers.append(entry.callback)
        spaces = entry.spaces
        spaces[mm] = spaces.get(mm, 0) + 1

    def unmapped(self, source: PageSource, mm: AddressSpace) -> None:
        """An area of ``mm`` that mapped ``source`` is gone."""
        entry = self._mapped[source]
        left = entry.spaces[mm] - 1
        if left:
            entry.spaces[mm] = left
            return
        del entry.spaces[mm]
        if not entry.spaces:
            del self._mapped[source]
            mappers = getattr(source, "mappers", None)
            if mappers is not None:
                mappers.remove(entry.callback)
            if isinstance(source, ShmemPages):
                source.unmapped()

    def areas_of(self, source: PageSource) -> int:
        """Return how many areas map ``source``."""
        entry = self._mapped.get(source)
        return sum(entry.spaces.values()) if entry is not None else 0

    def mapped_by(self, source: PageSource) -> list[AddressSpace]:
        """Return the address spaces that map ``source``."""
        entry = self._mapped.get(source)
        return list(entry.spaces) if entry is not None else []
