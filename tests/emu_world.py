"""What the tests of the machine run: a processor with a few pages of hand-assembled code."""

from __future__ import annotations

from emu.clock import VirtualClock
from emu.cpu import Processor, RegisterFile
from emu.engine import Engine
from emu.paging import Tables
from kernel.hardware import PAGE_SIZE, PTE_FRAME, PTE_NX, PTE_P, PTE_U, PTE_W, Trap

CODE = 0x40_0000
DATA = 0x60_0000
UNMAPPED = 0x7000_0000
CODE_FLAGS = PTE_P | PTE_U
DATA_FLAGS = PTE_P | PTE_U | PTE_W | PTE_NX


def code(text: str) -> bytes:
    """Return the bytes of hexadecimal ``text``; what follows a ``;`` on a line is the assembly it stands for."""
    return bytes.fromhex("".join(line.split(";")[0] for line in text.splitlines()))


class World:
    """One machine; ``accelerated`` chooses between the C run loop and its Python twin."""

    def __init__(self, accelerated: bool, memory: int = 256 << 20) -> None:
        self.engine = Engine(memory, accelerate=accelerated)
        self.clock = VirtualClock()
        self.cpu = Processor(self.engine, self.clock)
        self.frames = self.engine.frames

    def page(self, content: bytes = b"") -> int:
        """Return a new frame holding ``content``."""
        frame = self.frames.allocate()
        self.frames.memory[frame * PAGE_SIZE : frame * PAGE_SIZE + len(content)] = content
        return frame

    def space(self, program: bytes, data_pages: int = 2) -> tuple[RegisterFile, Tables]:
        """Return a thread about to execute ``program`` at CODE, with zeroed data pages at DATA (stack at their end)."""
        tables = self.cpu.new_tables()
        tables.map(CODE, self.page(program), CODE_FLAGS)
        for index in range(data_pages):
            tables.map(DATA + index * PAGE_SIZE, self.page(), DATA_FLAGS)
        state = self.cpu.new_state()
        state.reset(CODE, DATA + data_pages * PAGE_SIZE)
        return state, tables

    def run(self, state: RegisterFile, tables: Tables, budget: int = 100_000) -> Trap:
        return Trap(self.cpu.run(state, tables, budget))

    def peek(self, tables: Tables, va: int, size: int = 8) -> bytes:
        """Return the bytes the address space has at ``va`` (inside one page)."""
        start = (tables.lookup(va & ~0xFFF) & PTE_FRAME) + (va & 0xFFF)
        return bytes(self.frames.memory[start : start + size])

    def poke(self, tables: Tables, va: int, content: bytes) -> None:
        """Write into the frame behind ``va`` as the kernel does."""
        start = (tables.lookup(va & ~0xFFF) & PTE_FRAME) + (va & 0xFFF)
        self.frames.memory[start : start + len(content)] = content

    def break_cow(self, tables: Tables, va: int) -> None:
        """Answer a write fault on a private page as the kernel does: copy unless nobody else uses it."""
        entry = tables.unshare(va)
        frame = (entry & PTE_FRAME) >> 12
        if self.frames.count(frame) == 1:
            tables.set_writable(va)
        else:
            tables.map(va, self.page(bytes(self.frames.memory[frame << 12 : (frame + 1) << 12])), DATA_FLAGS)
