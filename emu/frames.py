"""Physical memory: one host mapping, given out in reference-counted frames of 4 KiB.

The host touches only what was used: a frame above the high-water mark was never written and is zero by itself, freed
frames are reused most recent first, and reference counts live in a lazily touched mapping as well.

A frame that was ever mapped executable may have translated code in the engine, which the engine keys by physical page
and does not drop when Python writes there.  Such frames are marked; when freed they wait in a quarantine until the
translations are removed, and ``code_changed`` removes them when the kernel writes into live code.  Stores of the guest are
the engine's own business, as long as there is one engine: ``stores_into_code`` is called once a frame can be both written
and executed.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from array import array
from collections.abc import Callable, Sequence

from kernel.hardware import PAGE_SHIFT, PAGE_SIZE, OutOfFrames

_ZERO_PAGE = bytes(PAGE_SIZE)
_QUARANTINE = 64
"""Freed executable frames kept back before their translations are removed together."""


def anonymous_mapping(size: int) -> mmap.mmap:
    """Return ``size`` bytes of private zero memory that costs nothing until touched."""
    if sys.platform == "win32":
        return mmap.mmap(-1, size)
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    if sys.platform == "linux":
        flags |= 0x4000  # MAP_NORESERVE: the mmap module names it only from 3.12 on
    return mmap.mmap(-1, size, flags=flags)


def address_of(mapping: mmap.mmap) -> int:
    """Return the host address of a mapping."""
    return ctypes.addressof(ctypes.c_char.from_buffer(mapping))


class FrameAllocator:
    """The frames of guest RAM (see ``kernel.hardware.Frames``)."""

    __slots__ = ("_code", "_counts_map", "_free", "_fresh", "_map", "_quarantine", "address", "code", "code_address",
                 "counts", "counts_address", "entries", "free", "memory", "remove_translations", "segments", "shared_stores",
                 "stores_into_code", "total")

    def __init__(self, size: int, reserved: int = 1) -> None:
        """Make ``size`` bytes of RAM (whole pages); frames below ``reserved`` are never given out."""
        count = size >> PAGE_SHIFT
        self._map = anonymous_mapping(size)
        self.address = address_of(self._map)
        self.memory = memoryview(self._map)
        self.entries = self.memory.cast("Q")
        """The same RAM as 64-bit page-table entries: table frame n is entries[n << 9:(n + 1) << 9]."""
        self._counts_map = anonymous_mapping(count * 4)
        self.counts_address = address_of(self._counts_map)
        self.counts = memoryview(self._counts_map).cast("I")
        self._code = anonymous_mapping(count)
        self.code_address = address_of(self._code)
        self.code = memoryview(self._code)
        """1 for frames that may have translated code."""
        self._free = array("I")
        self._quarantine = array("I")
        self._fresh = reserved
        self.total = count - reserved
        self.free = self.total
        self.remove_translations: Callable[[Sequence[int]], None] = _no_engine
        self.stores_into_code: Callable[[], None] = _nobody
        self.segments = 0
        """First of the frames of the descriptor tables (emu.segments); 0 where there are none."""
        self.shared_stores: set[int] = set()
        """Frames with several references that some address space may write: shared memory."""

    def allocate(self, zero: bool = True) -> int:
        if self._free:
            frame = self._free.pop()
            if zero:
                start = frame << PAGE_SHIFT
                self.memory[start:start + PAGE_SIZE] = _ZERO_PAGE
        elif self._fresh < len(self.counts):
            frame = self._fresh
            self._fresh = frame + 1
        elif self._quarantine:
            self._release_quarantine()
            return self.allocate(zero)
        else:
            raise OutOfFrames
        self.counts[frame] = 1
        self.free -= 1
        if self.shared_stores:
            self.shared_stores.discard(frame)
        return frame

    def get(self, frame: int) -> None:
        self.counts[frame] += 1

    def put(self, frame: int) -> None:
        left = self.counts[frame] - 1
        self.counts[frame] = left
        if not left:
            self.free += 1
            if self.code[frame]:
                self._quarantine.append(frame)
                if len(self._quarantine) >= _QUARANTINE:
                    self._release_quarantine()
            else:
                self._free.append(frame)

    def count(self, frame: int) -> int:
        return self.counts[frame]

    def put_back(self, plain: bytes, code: bytes) -> None:
        """Take back frames whose counts have already dropped to 0: packed native 32-bit numbers, the never
        executable and the marked ones apart (what ``Rows.release`` returns)."""
        if plain:
            self._free.frombytes(plain)
            self.free += len(plain) >> 2
        if code:
            self._quarantine.frombytes(code)
            self.free += len(code) >> 2
            if len(self._quarantine) >= _QUARANTINE:
                self._release_quarantine()

    def code_changed(self, frame: int) -> None:
        """Drop translated code of ``frame``: its bytes were changed from outside the engine."""
        if self.code[frame]:
            self.remove_translations((frame,))

    def mark(self, frame: int, writable: bool, executable: bool) -> None:
        """The guest may execute or write ``frame`` from now on: notice when it may do both."""
        if writable and self.counts[frame] > 1:
            self.shared_stores.add(frame)
        if executable:
            self.code[frame] = 1
        if self.code[frame] and (writable or frame in self.shared_stores):
            self.stores_into_code()

    def _release_quarantine(self) -> None:
        waiting = self._quarantine
        self.remove_translations(waiting)
        for frame in waiting:
            self.code[frame] = 0
        self._free.extend(waiting)
        self._quarantine = array("I")


def _no_engine(frames: Sequence[int]) -> None:
    """Nothing has been translated where no engine is attached."""


def _nobody() -> None:
    """Nothing to do where no engine is attached."""
