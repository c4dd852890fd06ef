"""Rows: what is done to the 512 entries of one page-table page at a time, in pure Python.

``emu._engine.Rows`` is the same in C.  A row is named by its frame number; ``low`` and ``high`` are entry indices.
"""

from __future__ import annotations

from array import array
from typing import Protocol

from kernel.hardware import PTE_FRAME, PTE_P, PTE_W

from .frames import FrameAllocator

_ALL_BUT_W = int.from_bytes((~PTE_W & (1 << 64) - 1).to_bytes(8, "little") * 512, "little")


class Rows(Protocol):
    """Operations on one page of page-table entries."""

    def share(self, source: int, target: int, /) -> None:
        """Copy row ``source`` to ``target``, clear W in both, give every child one more reference."""

    def release(self, table: int, low: int, high: int, /) -> tuple[int, bytes, bytes]:
        """Clear entries and drop their references.

        Returns how many were present, and the children whose count fell to 0 as packed native 32-bit frame numbers:
        first those that were never executable, then the others.
        """

    def entries(self, table: int, low: int, high: int, /) -> list[tuple[int, int]]:
        """Return (index, entry) of the present entries, ascending."""

    def mask(self, table: int, low: int, high: int, keep: int, add: int, /) -> int:
        """Set present entries to ``entry & keep | add``; return how many changed."""

    def count(self, table: int, /) -> int:
        """Return the number of present entries."""


class PythonRows:
    """Rows without the extension."""

    __slots__ = ("_code", "_counts", "_entries", "_memory")

    def __init__(self, frames: FrameAllocator) -> None:
        self._memory = frames.memory
        self._entries = frames.entries
        self._counts = frames.counts
        self._code = frames.code

    def share(self, source: int, target: int, /) -> None:
        row = self._memory[source << 12:(source + 1) << 12]
        # One and over the whole row: present entries lose W, absent ones are 0 anyway.
        both = (int.from_bytes(row, "little") & _ALL_BUT_W).to_bytes(4096, "little")
        row[:] = both
        self._memory[target << 12:(target + 1) << 12] = both
        counts = self._counts
        for entry in self._entries[source << 9:(source + 1) << 9].tolist():
            if entry:
                counts[(entry & PTE_FRAME) >> 12] += 1

    def release(self, table: int, low: int, high: int, /) -> tuple[int, bytes, bytes]:
        row = self._entries[(table << 9) + low:(table << 9) + high]
        plain, code = array("I"), array("I")
        counts = self._counts
        present = 0
        for entry in row.tolist():
            if entry:
                present += 1
                frame = (entry & PTE_FRAME) >> 12
                left = counts[frame] - 1
                counts[frame] = left
                if not left:
                    (code if self._code[frame] else plain).append(frame)
        self._memory[(table << 12) + (low << 3):(table << 12) + (high << 3)] = bytes(high - low << 3)
        return present, plain.tobytes(), code.tobytes()

    def entries(self, table: int, low: int, high: int, /) -> list[tuple[int, int]]:
        row = self._entries[(table << 9) + low:(table << 9) + high].tolist()
        return [(index, entry) for index, entry in enumerate(row, low) if entry & PTE_P]

    def mask(self, table: int, low: int, high: int, keep: int, add: int, /) -> int:
        changed = 0
        base = table << 9
        for index, entry in self.entries(table, low, high):
            now = entry & keep | add
            if now != entry:
                self._entries[base + index] = now
                changed += 1
        return changed

    def count(self, table: int, /) -> int:
        return 512 - self._entries[table << 9:(table + 1) << 9].tolist().count(0)
