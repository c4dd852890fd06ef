"""The run loop around the engine in pure Python, for hosts without a C compiler.

``emu._engine.Core`` does the same in C.  Both count time in basic blocks and stop at the same block, so a schedule does
not depend on which one is used; only the time a block takes does (some 0.3 us here, 0.3 ns there).

The hooks are made of built-in iterators and methods, without any byte code of their own.  That is twice as fast, and it
means that Python never gets to run a signal handler or another thread while the engine is in the middle of a block:
an exception raised there (KeyboardInterrupt) would be lost in the engine.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from itertools import chain, repeat
from operator import length_hint
from typing import Any, Protocol

from kernel.hardware import DR_STEP, Trap

from . import unicorn_abi as abi
from .watch import WatchedRun

_CHUNK = 4096
"""Blocks after which signal handlers and other threads get their turn."""
_STOPS = 8
"""More blocks than the engine can still start after it was told to stop."""
_SYSCALL_ARGUMENTS = (abi.REG_RAX, abi.REG_RDI, abi.REG_RSI, abi.REG_RDX, abi.REG_R10, abi.REG_R8, abi.REG_R9)

Syscall = tuple[int, int, int, int, int, int, int]
Point = tuple[int, int, int, int]


class Core(Protocol):
    """What the processor needs of a run loop."""

    @property
    def syscall(self) -> Syscall:
        """rax, rdi, rsi, rdx, r10, r8, r9 of the last system call."""

    @property
    def blocks(self) -> int:
        """Basic blocks executed by the last ``run``."""

    @property
    def fault_address(self) -> int:
        """CR2 of the last page fault."""

    @property
    def vector(self) -> int:
        """Vector of the last exception."""

    @property
    def error_code(self) -> int:
        """Error code of the last exception."""

    @property
    def debug_status(self) -> int:
        """What the last debug exception of a watched run is about, in the bits of DR6."""

    def run(self, budget: int, /) -> int:
        """Run from the loaded RIP for at most ``budget`` blocks; return a Trap value."""

    def watch(self, budget: int, points: tuple[Point, ...], branches: bool, /) -> int:
        """Run with hardware breakpoints (see ``emu.watch``).

        ``points``: at most four (bit of DR6, kind, address, length); the address of an instruction, or where data is in
        physical memory.  ``branches``: the trap flag means taken branches, not all instructions.
        """

    def interrupt(self) -> None:
        """Make ``run`` return INTERRUPTED at its next look."""

    def get(self, reg: int, /) -> int:
        """Read a register."""

    def set(self, reg: int, value: int, /) -> None:
        """Write a register."""

    def context_get(self, context: bytearray, reg: int, /) -> int:
        """Read a register of a saved context."""

    def context_set(self, context: bytearray, reg: int, value: int, /) -> None:
        """Write a register of a saved context."""

    def save(self, context: bytearray, /) -> None:
        """Save the register file."""

    def restore(self, context: bytearray, /) -> None:
        """Load the register file."""

    def hooks(self) -> list[tuple[int, int, int, int]]:
        """Return the hooks to install: type, instruction (0: none), address of the function, its user data."""


class PythonCore:
    """The run loop over ctypes."""

    __slots__ = ("_attention", "_calls", "_countdown", "_error_code_at", "_hooks", "_is_int_at", "_keep", "_library",
                 "_old_exception", "_ports", "_scratch", "_sysenters", "_uc", "_value", "_value_at", "_vectors", "_watch",
                 "blocks", "debug_status", "error_code", "fault_address", "syscall", "vector")

    def __init__(self, library: Any, uc: int, template: bytes, old_exception: int, error_code: int, is_int: int,
                 memory: memoryview) -> None:
        """Drive engine ``uc``; the offsets are those of the fields in a saved context, in bytes; ``memory`` is its RAM."""
        self._library = library
        self._uc = uc
        self._scratch = bytearray(template)
        self._old_exception = old_exception
        self._error_code_at = error_code
        self._is_int_at = is_int
        self._value = ctypes.c_uint64()
        self._value_at = ctypes.addressof(self._value)
        self._attention = 0
        self.blocks = 0
        self.error_code = 0
        self.fault_address = 0
        self.vector = 0
        self.debug_status = 0
        self._watch = WatchedRun(self, library, uc, memory)
        self.syscall: Syscall = (0, 0, 0, 0, 0, 0, 0)
        self._countdown: list[Iterator[object]] = [repeat(None)]
        """The one element is advanced at every block."""
        self._calls: list[int] = []
        self._sysenters: list[int] = []
        self._ports: list[int] = []
        self._vectors: list[int] = []
        """What the hooks saw: engine handles for instructions, vectors for exceptions."""
        pointer = ctypes.c_void_p
        one_argument = ctypes.PYFUNCTYPE(None, pointer)
        # Called as insert(engine, vector): an index beyond the end appends.
        two_arguments = ctypes.PYFUNCTYPE(None, pointer, ctypes.c_uint32)
        advance = map(next, map(self._countdown.__getitem__, repeat(0)))
        self._keep = (ctypes.PYFUNCTYPE(None)(advance.__next__), one_argument(self._calls.append),
                      one_argument(self._sysenters.append), two_arguments(self._vectors.insert),
                      ctypes.PYFUNCTYPE(ctypes.c_uint32, pointer, ctypes.c_uint32, ctypes.c_int)(self._refuse_port))
        block, call, sysenter, vector, port = (ctypes.cast(function, pointer).value or 0 for function in self._keep)
        stop = ctypes.cast(library.uc_emu_stop, pointer).value or 0
        self._hooks = [
            (abi.UC_HOOK_BLOCK, 0, block, 0),
            (abi.UC_HOOK_INSN, abi.UC_X86_INS_SYSCALL, call, 0), (abi.UC_HOOK_INSN, abi.UC_X86_INS_SYSCALL, stop, 0),
            (abi.UC_HOOK_INSN, abi.UC_X86_INS_SYSENTER, sysenter, 0), (abi.UC_HOOK_INSN, abi.UC_X86_INS_SYSENTER, stop, 0),
            (abi.UC_HOOK_INSN, abi.UC_X86_INS_IN, port, 0), (abi.UC_HOOK_INSN, abi.UC_X86_INS_OUT, port, 0),
            (abi.UC_HOOK_INTR, 0, vector, 0), (abi.UC_HOOK_INTR, 0, stop, 0),
        ]

    def hooks(self) -> list[tuple[int, int, int, int]]:
        return self._hooks

    def _refuse_port(self, uc: int, port: int, size: int) -> int:
        """The engine does not ask whether a program may use I/O ports.  It cannot be left in the middle of a block either:
        the state at the instruction is kept, and without a page table nothing behind it reaches memory."""
        if not self._ports:
            self.save(self._scratch)
            self.set(abi.REG_CR3, 0)
            self._ports.append(port)
        self._library.uc_emu_stop(uc)
        return 0

    def run(self, budget: int, /) -> int:
        executed = 0
        calls, sysenters, vectors = self._calls, self._sysenters, self._vectors
        while True:
            self.blocks = executed
            if self._attention:
                self._attention = 0
                return Trap.INTERRUPTED.value
            chunk = min(budget - executed, _CHUNK)
            allowed = repeat(None, chunk)
            stops = repeat(self._uc, _STOPS)
            self._countdown[0] = chain(allowed, map(self._library.uc_emu_stop, stops))
            calls.clear()
            sysenters.clear()
            vectors.clear()
            self._ports.clear()
            error = self._library.uc_emu_start(self._uc, self.get(abi.REG_RIP), 0, 0, 0)
            executed += chunk - length_hint(allowed)
            self.blocks = executed
            if self._ports:  # #GP at the instruction, whatever the rest of the block did
                self.restore(self._scratch)
                self.set(abi.REG_CR3, self.get(abi.REG_CR3))
                self.vector = 13
                self.error_code = 0
                return Trap.EXCEPTION.value
            if calls:  # with TF set a step is reported right behind it as well: the call comes first
                self._finish_syscall()
                return Trap.SYSCALL.value
            if sysenters:  # 64-bit Linux programs cannot use it: #UD at the instruction
                self.set(abi.REG_RIP, self.get(abi.REG_RIP) - 2)
                self.vector = 6
                return Trap.EXCEPTION.value
            if vectors:
                return self._finish_exception(vectors[0])
            if error == abi.UC_ERR_INSN_INVALID:
                self._settle_exception()
                self.vector = 6
                return Trap.EXCEPTION.value
            if error or length_hint(stops) == _STOPS:
                raise abi.MachineError(f"the engine stopped for no reason of the guest (error {error})")
            if executed >= budget:
                return Trap.BUDGET.value

    def watch(self, budget: int, points: tuple[Point, ...], branches: bool, /) -> int:
        return self._watch.run(budget, points, branches)

    def _finish_syscall(self) -> None:
        get = self.get
        self.syscall = tuple([get(reg) for reg in _SYSCALL_ARGUMENTS])  # type: ignore[assignment]
        self.set(abi.REG_RCX, get(abi.REG_RIP))
        self.set(abi.REG_R11, get(abi.REG_RFLAGS))

    def _finish_exception(self, vector: int) -> int:
        software = self._settle_exception()
        self.vector = vector
        self.debug_status = DR_STEP
        if vector == 128 and software:
            return Trap.INT80.value
        if software and vector not in (3, 4):  # every other gate is closed for CPL 3: #GP at the instruction
            self.set(abi.REG_RIP, self.get(abi.REG_RIP) - 2)
            self.vector = 13
            self.error_code = vector << 3 | 2
            return Trap.EXCEPTION.value
        if vector == 14:
            self.fault_address = self.get(abi.REG_CR2)
            return Trap.PAGE_FAULT.value
        return Trap.EXCEPTION.value

    def _settle_exception(self) -> int:
        """Forget the exception just delivered (Unicorn itself never does, so that the next one would count as a double
        fault), pick up its error code, and tell whether it was an ``int`` instruction."""
        scratch = self._scratch
        self.save(scratch)
        at = self._error_code_at
        self.error_code = int.from_bytes(scratch[at:at + 4], "little", signed=True)
        scratch[self._old_exception:self._old_exception + 4] = b"\xff\xff\xff\xff"
        software = int.from_bytes(scratch[self._is_int_at:self._is_int_at + 4], "little")
        self.restore(scratch)
        return software

    def interrupt(self) -> None:
        self._attention = 1

    def get(self, reg: int, /) -> int:
        self._value.value = 0
        self._library.uc_reg_read(self._uc, reg, self._value_at)
        return self._value.value

    def set(self, reg: int, value: int, /) -> None:
        self._value.value = value
        self._library.uc_reg_write(self._uc, reg, self._value_at)

    def context_get(self, context: bytearray, reg: int, /) -> int:
        self._value.value = 0
        self._library.uc_context_reg_read(self._pointer(context), reg, self._value_at)
        return self._value.value

    def context_set(self, context: bytearray, reg: int, value: int, /) -> None:
        self._value.value = value
        self._library.uc_context_reg_write(self._pointer(context), reg, self._value_at)

    def save(self, context: bytearray, /) -> None:
        self._library.uc_context_save(self._uc, self._pointer(context))

    def restore(self, context: bytearray, /) -> None:
        self._library.uc_context_restore(self._uc, self._pointer(context))

    def _pointer(self, context: bytearray) -> Any:
        return ctypes.byref(ctypes.c_char.from_buffer(context))
