"""Hardware breakpoints, which the engine does not know, in pure Python: a watched run looks at every instruction.

``emu/_watch.c`` does the same in C.  The trap flag makes the engine report each instruction, and hooks report each access
to memory.  Only code translated while the hooks are there calls them; so that neither kind of translation is taken for
the other, a watched run sets an I/O privilege level, a part of the key translations are found by that means nothing at
CPL 3.  The program sees neither flag: what PUSHF stores is corrected, and at the end of the run both are as they were.

The rules are the processor's (Intel SDM vol. 3, 18.3): an instruction breakpoint is a fault before the instruction, unless RF
is set; data breakpoints and steps are traps behind it; string instructions trap after an iteration, with RF set.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from kernel.hardware import DR_STEP, PTE_FRAME, PTE_P, WATCH_ACCESS, WATCH_EXECUTE, WATCH_WRITE, Trap

from . import unicorn_abi as abi

if TYPE_CHECKING:
    from .core import Point, PythonCore

_TF = 0x100
_IOPL = 0x3000
_IOPL_WATCHED = 0x1000
_RF = 0x10000
_PUSHF, _POPF, _IRET = 0x9C, 0x9D, 0xCF
_PREFIXES = frozenset((0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3, *range(0x40, 0x50)))
_STRINGS = frozenset((*range(0xA4, 0xA8), *range(0xAA, 0xB0), *range(0x6C, 0x70)))
_ALWAYS_TAKEN = frozenset((0xC2, 0xC3, 0xCA, 0xCB, _IRET, 0xE8, 0xE9, 0xEB))
_SHORT_BRANCHES = frozenset((*range(0x70, 0x80), *range(0xE0, 0xE4)))


class WatchedRun:
    """Runs ``core`` with at most four watched places."""

    __slots__ = ("_at", "_callback", "_core", "_cr3", "_data", "_hits", "_instructions", "_library", "_memory", "_opcode",
                 "_prefixes", "_program_tf", "_uc", "_written")

    def __init__(self, core: PythonCore, library: Any, uc: int, memory: memoryview) -> None:
        self._core = core
        self._library = library
        self._uc = uc
        self._memory = memory
        self._callback = ctypes.PYFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_uint64, ctypes.c_int,
                                           ctypes.c_int64, ctypes.c_void_p)(self._on_memory)
        self._instructions: dict[int, int] = {}
        """address -> bit of DR6"""
        self._data: list[Point] = []
        self._hits = self._written = self._at = self._opcode = self._prefixes = self._cr3 = 0
        self._program_tf = False

    def run(self, budget: int, points: tuple[Point, ...], branches: bool) -> int:
        """See ``Core.watch``."""
        core = self._core
        core.blocks = 0
        self._instructions = {address: bit for bit, kind, address, _ in points if kind == WATCH_EXECUTE}
        self._data = [point for point in points if point[1] != WATCH_EXECUTE]
        self._hits = 0
        self._cr3 = core.get(abi.REG_CR3)
        flags = core.get(abi.REG_RFLAGS)
        self._program_tf = flags & _TF != 0
        rip = core.get(abi.REG_RIP)
        if flags & _RF:
            self._decode(rip)
        elif self._is_breakpoint(rip):
            return Trap.EXCEPTION.value
        hooks = [self._hook(kind) for kind in (abi.UC_HOOK_MEM_READ, abi.UC_HOOK_MEM_WRITE)]
        try:
            return self._steps(budget, branches)
        finally:
            for hook in hooks:
                self._library.uc_hook_del(self._uc, hook)

    def _steps(self, budget: int, branches: bool) -> int:
        core = self._core
        executed = 0
        while executed < budget:
            flags = core.get(abi.REG_RFLAGS)
            core.set(abi.REG_RFLAGS, flags & ~_IOPL | _TF | _IOPL_WATCHED)
            trap = core.run(1)
            executed += core.blocks
            core.blocks = executed
            flags = core.get(abi.REG_RFLAGS)
            stepped = trap == Trap.EXCEPTION and core.vector == 1
            stop = stepped and self._report(core.get(abi.REG_RIP), flags, branches)
            flags = core.get(abi.REG_RFLAGS) & ~(_IOPL | _TF)
            core.set(abi.REG_RFLAGS, flags | _TF if self._program_tf else flags)
            if trap == Trap.SYSCALL:
                core.set(abi.REG_R11, core.get(abi.REG_RFLAGS))
            if stop or (not stepped and trap != Trap.BUDGET):
                return trap
        return Trap.BUDGET.value

    def _report(self, rip: int, flags: int, branches: bool) -> bool:
        """An instruction has been executed: tell whether it, or a breakpoint on the next one, is to be reported."""
        core = self._core
        status, self._hits = self._hits, 0
        repeated = rip == self._at and self._opcode in _STRINGS
        if self._program_tf and (not branches or self._is_taken_branch(rip)):
            status |= DR_STEP
        if self._opcode == _PUSHF:
            self._memory[self._written + 1] &= ~((_IOPL | (0 if self._program_tf else _TF)) >> 8) & 0xFF
        elif self._opcode in (_POPF, _IRET):
            self._program_tf = flags & _TF != 0
        if status:
            if repeated:
                core.set(abi.REG_RFLAGS, flags | _RF)
            core.debug_status = status
            return True
        return not repeated and self._is_breakpoint(rip)

    def _is_breakpoint(self, rip: int) -> bool:
        bit = self._instructions.get(rip)
        if bit is None:
            self._decode(rip)
            return False
        self._core.debug_status = bit
        self._core.vector = 1
        return True

    def _on_memory(self, uc: int, kind: int, address: int, size: int, value: int, data: int) -> None:
        write = kind == abi.UC_MEM_WRITE
        if write:
            self._written = address
        for bit, on, start, length in self._data:
            if (on == WATCH_ACCESS or (on == WATCH_WRITE and write)) and address < start + length and start < address + size:
                self._hits |= bit

    def _hook(self, kind: int) -> ctypes.c_size_t:
        handle = ctypes.c_size_t()
        if self._library.uc_hook_add(self._uc, ctypes.byref(handle), kind, self._callback, 0, 1, 0):
            raise abi.MachineError("the engine takes no memory hook")
        return handle

    def _byte(self, address: int) -> int:
        """Return the byte of code at an address, -1 if nothing is mapped there."""
        table = self._cr3
        for shift in (39, 30, 21, 12):
            at = (table & PTE_FRAME) + ((address >> shift & 511) << 3)
            table = int.from_bytes(self._memory[at:at + 8], "little")
            if not table & PTE_P:
                return -1
        return self._memory[(table & PTE_FRAME) + (address & 0xFFF)]

    def _decode(self, rip: int) -> None:
        """Look at the instruction at ``rip``: how many bytes of prefixes, and the first opcode byte behind them."""
        self._at = rip
        for self._prefixes in range(15):
            self._opcode = self._byte(rip + self._prefixes)
            if self._opcode not in _PREFIXES:
                break

    def _is_taken_branch(self, rip: int) -> bool:
        """Tell whether the instruction just executed was a branch that was taken; ``rip`` is where it led."""
        operand = self._at + self._prefixes + 1
        opcode = self._opcode
        if opcode in _ALWAYS_TAKEN:
            return True
        if opcode == 0xFF:  # indirect CALL and JMP are /2 to /5
            return 2 <= self._byte(operand) >> 3 & 7 <= 5
        if opcode == 0x0F:  # Jcc with a long displacement
            return self._byte(operand) & ~0xF == 0x80 and rip != operand + 5
        return opcode in _SHORT_BRANCHES and rip != operand + 1
