"""The run loop around the engine in pure Python, for hosts without a C compiler.

``emu._engine.Core`` does the same in C.  Both count time in basic blocks and stop at the same block, so a schedule does
not depend on which one is used; a hook in Python costs about 0.5 us a block where the C one costs 0.3 ns.
"""

from __future__ import annotations

import ctypes
from typing import Any, Protocol

from kernel.hardware import Trap

from . import unicorn_abi as abi

_CHUNK = 65536
_SYSCALL_ARGUMENTS = (abi.REG_RAX, abi.REG_RDI, abi.REG_RSI, abi.REG_RDX, abi.REG_R10, abi.REG_R8, abi.REG_R9)

Syscall = tuple[int, int, int, int, int, int, int]


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

    def run(self, budget: int, /) -> int:
        """Run from the loaded RIP for at most ``budget`` blocks; return a Trap value."""

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

    def hooks(self) -> tuple[int, int, int, int, int]:
        """Return the addresses of the block, syscall, sysenter and interrupt hooks and their user data."""


class PythonCore:
    """The run loop over ctypes."""

    __slots__ = ("_attention", "_callbacks", "_context_size", "_error_code_at", "_executed", "_failure", "_is_int_at",
                 "_left", "_library", "_old_exception", "_scratch", "_sysenter", "_trap", "_uc", "_value", "_value_at",
                 "blocks", "error_code", "fault_address", "syscall", "vector")

    def __init__(self, library: Any, uc: int, template: bytes, old_exception: int, error_code: int, is_int: int) -> None:
        """Drive engine ``uc``; the offsets are those of the fields in a saved context, in bytes."""
        self._library = library
        self._uc = uc
        self._context_size = len(template)
        self._scratch = bytearray(template)
        self._old_exception = old_exception
        self._error_code_at = error_code
        self._is_int_at = is_int
        self._value = ctypes.c_uint64()
        self._value_at = ctypes.addressof(self._value)
        self._attention = 0
        self._failure: BaseException | None = None
        self._left = 0
        self._trap = -1
        self._sysenter = False
        self.blocks = 0
        self.error_code = 0
        self.fault_address = 0
        self.vector = 0
        self.syscall: Syscall = (0, 0, 0, 0, 0, 0, 0)
        integer, pointer = ctypes.c_uint32, ctypes.c_void_p
        self._callbacks = (
            ctypes.PYFUNCTYPE(None, pointer, ctypes.c_uint64, integer, pointer)(self._on_block),
            ctypes.PYFUNCTYPE(None, pointer, pointer)(self._on_syscall),
            ctypes.PYFUNCTYPE(None, pointer, pointer)(self._on_sysenter),
            ctypes.PYFUNCTYPE(None, pointer, integer, pointer)(self._on_interrupt),
        )

    def hooks(self) -> tuple[int, int, int, int, int]:
        block, syscall, sysenter, interrupt = (ctypes.cast(f, ctypes.c_void_p).value or 0 for f in self._callbacks)
        return block, syscall, sysenter, interrupt, 0

    def _on_block(self, uc: int, address: int, size: int, data: int) -> None:
        # Python runs signal handlers here; an exception of theirs must not get lost in the engine.
        try:
            left = self._left - 1
            if self._attention:  # set by a signal handler just now: this block is not executed
                self._library.uc_emu_stop(uc)
                return
            self._left = left
            if left < 0:
                self._library.uc_emu_stop(uc)
        except BaseException as failure:
            self._failure = failure
            self._library.uc_emu_stop(uc)

    def _on_syscall(self, uc: int, data: int) -> None:
        self._trap = Trap.SYSCALL.value
        self._library.uc_emu_stop(uc)

    def _on_sysenter(self, uc: int, data: int) -> None:
        self._trap = Trap.EXCEPTION.value
        self._sysenter = True
        self._library.uc_emu_stop(uc)

    def _on_interrupt(self, uc: int, vector: int, data: int) -> None:
        self.vector = vector
        self._trap = Trap.EXCEPTION.value
        self._library.uc_emu_stop(uc)

    def run(self, budget: int, /) -> int:
        executed = 0
        while True:
            self.blocks = executed
            if self._attention:
                self._attention = 0
                return Trap.INTERRUPTED.value
            chunk = min(budget - executed, _CHUNK)
            self._left = chunk
            self._trap = -1
            self._sysenter = False
            error = self._library.uc_emu_start(self._uc, self.get(abi.REG_RIP), 0, 0, 0)
            executed += chunk - max(self._left, 0)
            self.blocks = executed
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            if self._trap == Trap.SYSCALL:
                self._finish_syscall()
                return Trap.SYSCALL.value
            if self._trap == Trap.EXCEPTION:
                return self._finish_exception()
            if error == abi.UC_ERR_INSN_INVALID:
                self._settle_exception()
                self.vector = 6
                return Trap.EXCEPTION.value
            if self._attention:
                continue
            if error or self._left >= 0:
                raise abi.MachineError(f"the engine stopped for no reason of the guest (error {error})")
            if executed >= budget:
                return Trap.BUDGET.value

    def _finish_syscall(self) -> None:
        get = self.get
        self.syscall = tuple([get(reg) for reg in _SYSCALL_ARGUMENTS])  # type: ignore[assignment]
        self.set(abi.REG_RCX, get(abi.REG_RIP))
        self.set(abi.REG_R11, get(abi.REG_RFLAGS))

    def _finish_exception(self) -> int:
        if self._sysenter:  # 64-bit Linux programs cannot use it: #UD at the instruction
            self.set(abi.REG_RIP, self.get(abi.REG_RIP) - 2)
            self.vector = 6
            return Trap.EXCEPTION.value
        software = self._settle_exception()
        vector = self.vector
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
