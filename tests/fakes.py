"""Stand-ins for the machine, in plain Python: frames in a bytearray, page tables in a dictionary.

They obey the protocols of ``kernel.hardware`` to the letter and check what a real machine would not notice, such as a frame
freed twice.
"""

from __future__ import annotations

from kernel.hardware import PTE_A, PTE_FRAME, PTE_NX, PTE_P, PTE_U, PTE_W, Cpu, OutOfFrames
from kernel.mm.memory import Memory


class FakeFrames:
    """``total`` frames."""

    def __init__(self, total: int = 1024) -> None:
        self.memory = memoryview(bytearray((total + 1) << 12))
        self.total = total
        self.counts: dict[int, int] = {}
        self.unused = list(range(total, 0, -1))

    @property
    def free(self) -> int:
        return len(self.unused)

    def allocate(self, zero: bool = True) -> int:
        if not self.unused:
            raise OutOfFrames
        frame = self.unused.pop()
        self.counts[frame] = 1
        self.memory[frame << 12 : (frame + 1) << 12] = (b"\0" if zero else b"\xdb") * 4096
        return frame

    def get(self, frame: int) -> None:
        assert self.counts[frame] > 0
        self.counts[frame] += 1

    def put(self, frame: int) -> None:
        self.counts[frame] -= 1
        if not self.counts[frame]:
            del self.counts[frame]
            self.unused.append(frame)

    def count(self, frame: int) -> int:
        return self.counts[frame]


class FakeTables:
    """Page tables without tables: fork copies every entry."""

    def __init__(self, frames: FakeFrames) -> None:
        self.frames = frames
        self.entries: dict[int, int] = {}
        self.alive = True

    def map(self, va: int, frame: int, flags: int) -> None:
        assert self.alive
        assert not va & 0xFFF
        assert self.frames.counts[frame] > 0
        old = self.entries.get(va)
        self.entries[va] = frame << 12 | flags | PTE_P
        if old is not None:
            self.frames.put((old & PTE_FRAME) >> 12)

    def unmap(self, start: int, end: int) -> None:
        assert not (start | end) & 0xFFF
        for va in [va for va in self.entries if start <= va < end]:
            self.frames.put((self.entries.pop(va) & PTE_FRAME) >> 12)

    def protect(self, start: int, end: int, writable: bool, executable: bool, readable: bool = True) -> bool:
        for va, entry in self.present(start, end):
            entry = entry & ~(PTE_NX | PTE_U) | (0 if executable else PTE_NX) | (PTE_U if readable else 0)
            self.entries[va] = entry if writable else entry & ~PTE_W
        return True

    def lookup(self, va: int) -> int:
        assert self.alive
        return self.entries.get(va, 0)

    def set_writable(self, va: int) -> None:
        self.entries[va] |= PTE_W

    def unshare(self, va: int) -> int:
        return self.entries.get(va, 0)

    def move(self, old: int, new: int, length: int) -> None:
        moved = [(va - old + new, self.entries.pop(va)) for va, _ in self.present(old, old + length)]
        for va, entry in moved:
            assert va not in self.entries
            self.entries[va] = entry

    def fork(self) -> FakeTables:
        twin = FakeTables(self.frames)
        for va, entry in self.entries.items():
            self.entries[va] = twin.entries[va] = entry & ~PTE_W
            self.frames.get((entry & PTE_FRAME) >> 12)
        return twin

    def clear_accessed(self, start: int, end: int) -> None:
        for va, entry in self.present(start, end):
            self.entries[va] = entry & ~PTE_A

    def present(self, start: int, end: int) -> list[tuple[int, int]]:
        return sorted((va, entry) for va, entry in self.entries.items() if start <= va < end)

    def leaf(self, va: int) -> int:
        return id(self)

    def resident(self) -> int:
        return len(self.entries)

    def destroy(self) -> None:
        self.unmap(0, 1 << 48)
        self.alive = False


class FakeCpu:
    """The part of a processor that memory management uses."""

    def __init__(self, frames: FakeFrames) -> None:
        self.frames = frames
        self.changed: list[int] = []

    def new_tables(self) -> FakeTables:
        return FakeTables(self.frames)

    def code_changed(self, frame: int) -> None:
        self.changed.append(frame)


def fake_memory(total: int = 1024) -> Memory:
    """Return the kernel's view of ``total`` fake frames."""
    frames = FakeFrames(total)
    cpu: Cpu = FakeCpu(frames)  # type: ignore[assignment]
    return Memory(frames, cpu)
