"""Page tables: the four levels of x86-64, in guest RAM, walked by the engine itself.

Fork shares whole tables copy-on-write, not just pages.  The processor honours W at every level, so fork copies only
the root and clears W in it: every table below now has one more parent.  The first write underneath an entry without W
either copies the table it names (when it has other parents) or, when the others have gone, just sets W again; copying a
table gives each of its children one more parent and clears their W in both copies, which pushes the sharing one level
down.  So a fork costs the same whatever the resident set, and pages nobody touches are never looked at.

Invariants:

* an absent entry is 0, in every table;
* W in an upper entry means: the table it names has one parent, and may be changed in place;
* a leaf's reference is held by the table page it stands in, so a frame's count is the number of users only once the
  path to it is unshared: ``unshare`` first, then look at the count.

A and D bits are set by the walker.  Only a change of a present entry needs a TLB flush; it is noted in ``stale`` and done
once, before the address space runs again.
"""

from __future__ import annotations

from array import array

from kernel.hardware import PTE_A, PTE_FRAME, PTE_NX, PTE_P, PTE_U, PTE_W, OutOfFrames

from . import segments
from .frames import FrameAllocator
from .rows import Rows

_TABLE = PTE_P | PTE_W | PTE_U
_SPANS = (1 << 39, 1 << 30, 1 << 21, 1 << 12)
"""Bytes covered by one entry, from the root down."""
_LEVELS = ((0, 39), (1, 30), (2, 21))
"""Level and shift of the entries that name tables."""
_VA_MASK = (1 << 48) - 1
_KEEP_ALL = (1 << 64) - 1


class Tlb:
    """What the TLB of one engine holds.

    ``tables``: whose translations (None: of nobody).  ``owner``: the address space that has the engine for itself.
    """

    __slots__ = ("owner", "tables")

    def __init__(self) -> None:
        self.tables: Tables | None = None
        self.owner: Tables | None = None


class Tables:
    """The page tables of one address space (see ``kernel.hardware.PageTables``)."""

    __slots__ = ("_base", "_entries", "_frames", "_key", "_resident", "_rows", "cr3", "loads", "stale", "tlb")

    def __init__(self, frames: FrameAllocator, rows: Rows, window: int | None = None) -> None:
        """Make an empty address space.  Raises OutOfFrames.

        ``window``: the entry of the root for the descriptor tables; the one they have in common if it is left out.
        """
        self._frames = frames
        self._rows = rows
        self.tlb: Tlb | None = None
        """Where it ran last."""
        self.stale = False
        """Whether translations in the TLB may be out of date."""
        self.loads = 0
        """How often its translations had to make room for another's."""
        self._entries = frames.entries
        self._resident = 0
        self._key = -1
        """va >> 21 of the last leaf table used; its path is known to be private and writable."""
        self._base = 0
        """Index of that leaf table's first entry."""
        self.cr3 = frames.allocate() << 12
        index = (self.cr3 >> 3) + segments.ROOT_INDEX
        self._entries[index] = segments.shared_entry(frames) if window is None else window

    def map(self, va: int, frame: int, flags: int) -> None:
        frames = self._frames
        if not flags & PTE_NX or (flags & PTE_W and (frames.code[frame] or frames.counts[frame] > 1)):
            frames.mark(frame, flags & PTE_W != 0, not flags & PTE_NX)
        base = self._base if va >> 21 == self._key else self._private_leaf(va)
        index = base + (va >> 12 & 511)
        old = self._entries[index]
        self._entries[index] = frame << 12 | flags | PTE_P
        if old:
            self.stale = True
            self._frames.put((old & PTE_FRAME) >> 12)
        else:
            self._resident += 1

    def lookup(self, va: int) -> int:
        entries = self._entries
        if va >> 21 == self._key:
            return entries[self._base + (va >> 12 & 511)]
        entry = entries[(self.cr3 >> 3) + (va >> 39 & 511)]
        writable = entry
        for shift in (30, 21, 12):
            if not entry:
                return 0
            entry = entries[((entry & PTE_FRAME) >> 3) + (va >> shift & 511)]
            writable &= entry
        return entry if writable & PTE_W else entry & ~PTE_W

    def leaf(self, va: int) -> int:
        entries = self._entries
        entry = entries[(self.cr3 >> 3) + (va >> 39 & 511)]
        for shift in (30, 21):
            if not entry:
                return 0
            entry = entries[((entry & PTE_FRAME) >> 3) + (va >> shift & 511)]
        return (entry & PTE_FRAME) >> 12

    def unshare(self, va: int) -> int:
        """Make the tables above ``va`` private; return the leaf entry, or 0.

        Afterwards the reference count of the frame tells whether anybody else uses the page.  Raises OutOfFrames.
        """
        if va >> 21 == self._key:
            return self._entries[self._base + (va >> 12 & 511)]
        if not self.lookup(va):
            return 0
        return self._entries[self._private_leaf(va) + (va >> 12 & 511)]

    def set_writable(self, va: int) -> None:
        base = self._base if va >> 21 == self._key else self._private_leaf(va)
        index = base + (va >> 12 & 511)
        entry = self._entries[index]
        # No flush: a TLB entry without W misses on a write and the walker finds the new one.
        if entry:
            self._entries[index] = entry | PTE_W
            frame = (entry & PTE_FRAME) >> 12
            if self._frames.code[frame] or self._frames.counts[frame] > 1:
                self._frames.mark(frame, True, False)

    def unmap(self, start: int, end: int) -> None:
        if start < end:
            table, level = self._descend(start, end)
            if table:
                self._unmap(table, level, start, end)

    def protect(self, start: int, end: int, writable: bool, executable: bool, readable: bool = True) -> bool:
        """Change present entries; without ``readable`` they lose U, so that the guest faults but the frame stays
        (PROT_NONE)."""
        keep = _KEEP_ALL
        add = 0
        if not writable:
            keep &= ~PTE_W
        if executable:
            keep &= ~PTE_NX
        else:
            add |= PTE_NX
        if readable:
            add |= PTE_U
        else:
            keep &= ~PTE_U
        if start >= end:
            return False
        changed = self._mask(start, end, keep, add)
        if executable:
            mark = self._frames.mark
            for _, entry in self.present(start, end):
                mark((entry & PTE_FRAME) >> 12, entry & PTE_W != 0, True)
        return changed

    def clear_accessed(self, start: int, end: int) -> None:
        if start < end:
            self._mask(start, end, ~PTE_A & _KEEP_ALL, 0)

    def move(self, old: int, new: int, length: int) -> None:
        pages = self.present(old, old + length)
        if new > old:
            pages.reverse()  # an overlapping move must not step on entries it has still to take
        for va, _ in pages:
            target = va - old + new
            self._private_leaf(target)  # may run out of frames: before anything is taken
            index = self._private_leaf(va) + (va >> 12 & 511)
            entry = self._entries[index]
            self._entries[index] = 0
            self._resident -= 1
            self.map(target, (entry & PTE_FRAME) >> 12, entry & ~PTE_FRAME)
        if pages:
            self.stale = True

    def present(self, start: int, end: int) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        if start < end:
            self._collect(self.cr3 >> 12, 0, start, end, PTE_W, found)
        return found

    def resident(self) -> int:
        return self._resident

    def fork(self) -> Tables:
        twin = Tables(self._frames, self._rows, 0)
        self._rows.share(self.cr3 >> 12, twin.cr3 >> 12)
        twin._resident = self._resident
        self._key = -1
        self.stale = True
        return twin

    def set_ldt(self, ldt: bytes) -> None:
        entry = segments.private_entry(self._frames, ldt)
        index = (self.cr3 >> 3) + segments.ROOT_INDEX
        old = (self._entries[index] & PTE_FRAME) >> 12
        self._entries[index] = entry
        self.stale = True
        if self._frames.counts[old] == 1:
            self._drop(old, 1)
        self._frames.put(old)

    def destroy(self) -> None:
        if self.tlb is not None:
            if self.tlb.tables is self:
                self.tlb.tables = None
            if self.tlb.owner is self:
                self.tlb.owner = None
        root = self.cr3 >> 12
        self._key = -1
        self._drop(root, 0)
        self._frames.put(root)
        self._resident = 0

    def _private_leaf(self, va: int) -> int:
        """Return the index of the first entry of the leaf table of ``va``, making absent tables and unsharing shared
        ones on the way.  Raises OutOfFrames, leaving everything usable."""
        entries = self._entries
        frames = self._frames
        counts = frames.counts
        index = (self.cr3 >> 3) + (va >> 39 & 511)
        base = 0
        for shift in (30, 21, 12):
            entry = entries[index]
            if not entry:
                table = frames.allocate()
                entries[index] = table << 12 | _TABLE
            else:
                table = (entry & PTE_FRAME) >> 12
                if not entry & PTE_W:
                    if counts[table] > 1:
                        copy = frames.allocate(False)
                        self._rows.share(table, copy)
                        counts[table] -= 1
                        table = copy
                    entries[index] = table << 12 | _TABLE
            base = table << 9
            index = base + (va >> shift & 511)
        self._key = va >> 21
        self._base = base
        return base

    def _own_child(self, index: int) -> int:
        """Return the table named by entry ``index`` of a private table, unshared."""
        entry = self._entries[index]
        table = (entry & PTE_FRAME) >> 12
        if not entry & PTE_W:
            if self._frames.counts[table] > 1:
                copy = self._frames.allocate(False)
                self._rows.share(table, copy)
                self._frames.counts[table] -= 1
                table = copy
            self._entries[index] = table << 12 | _TABLE
        return table

    def _descend(self, start: int, end: int) -> tuple[int, int]:
        """Return (table, level) of the lowest table that covers [start, end) alone, unshared with all above it; table 0 if
        nothing is mapped there.

        Most ranges lie within a few leaf tables, far below the root.  A table that the range fills is not entered, so
        that it can be dropped as a whole.
        """
        entries = self._entries
        table = self.cr3 >> 12
        last = end - 1
        size = end - start
        for level, shift in _LEVELS:
            if size >= 1 << shift or start >> shift != last >> shift:
                return table, level
            index = (table << 9) + (start >> shift & 511)
            if not entries[index]:
                return 0, level
            table = self._own_child(index)
        return table, 3

    def _unmap(self, table: int, level: int, start: int, end: int) -> None:
        """Remove [start, end) from a private ``table`` whose entries cover _SPANS[level] bytes each."""
        span = _SPANS[level]
        low = start // span & 511
        high = ((end - 1) // span & 511) + 1
        if level == 3:
            present, plain, code = self._rows.release(table, low, high)
            if present:
                self._resident -= present
                self._frames.put_back(plain, code)
                self.stale = True
            return
        first = start // span * span - low * span
        for index, entry in self._rows.entries(table, low, high):
            begin = first + index * span
            if start <= begin and begin + span <= end:
                self._remove_child(table, level, index, (entry & PTE_FRAME) >> 12)
            else:
                child = self._own_child((table << 9) + index)
                self._unmap(child, level + 1, max(start, begin), min(end, begin + span))

    def _remove_child(self, table: int, level: int, index: int, child: int) -> None:
        """Drop a whole subtree: a shared one costs only counting its pages."""
        self._resident -= self._leaves(child, level + 1)
        self._entries[(table << 9) + index] = 0
        self._key = -1
        self.stale = True
        if self._frames.counts[child] == 1:
            self._drop(child, level + 1)
        self._frames.put(child)

    def _leaves(self, table: int, level: int) -> int:
        """Return how many pages ``table`` maps."""
        if level == 3:
            return self._rows.count(table)
        return sum(self._leaves((entry & PTE_FRAME) >> 12, level + 1)
                   for _, entry in self._rows.entries(table, 0, 512))

    def _drop(self, table: int, level: int) -> None:
        """Drop the references a table without parents holds; the table itself is the caller's."""
        _, plain, code = self._rows.release(table, 0, 512)
        if level < 3:
            for child in array("I", plain):
                self._drop(child, level + 1)
        self._frames.put_back(plain, code)

    def _mask(self, start: int, end: int, keep: int, add: int) -> bool:
        table, level = self._descend(start, end)
        if not table:
            return False
        try:
            changed = self._mask_table(table, level, start, end, keep, add)
        except OutOfFrames:  # a part may have changed
            self.stale = True
            raise
        if changed:
            self.stale = True
        return changed != 0

    def _mask_table(self, table: int, level: int, start: int, end: int, keep: int, add: int) -> int:
        span = _SPANS[level]
        low = start // span & 511
        high = ((end - 1) // span & 511) + 1
        if level == 3:
            return self._rows.mask(table, low, high, keep, add)
        first = start // span * span - low * span
        changed = 0
        for index, _ in self._rows.entries(table, low, high):
            begin = first + index * span
            child = self._own_child((table << 9) + index)
            changed += self._mask_table(child, level + 1, max(start, begin), min(end, begin + span), keep, add)
        return changed

    def _collect(self, table: int, level: int, start: int, end: int, writable: int,
                 found: list[tuple[int, int]]) -> None:
        span = _SPANS[level]
        low = start // span & 511
        high = ((end - 1) // span & 511) + 1
        first = start // span * span - low * span
        for index, entry in self._rows.entries(table, low, high):
            begin = first + index * span
            if level == 3:
                found.append((begin, entry if writable else entry & ~PTE_W))
            else:
                self._collect((entry & PTE_FRAME) >> 12, level + 1, max(start, begin), min(end, begin + span),
                              writable & entry, found)
