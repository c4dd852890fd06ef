"""The engine: Unicorn brought into long mode with paging and dropped to CPL 3, once.

One engine serves the whole guest system.  Guest RAM is one host mapping; every address space is a real page table in it,
and a task is resumed by loading its register file and CR3.  A supervisor page holds a `sysretq` that is executed a
single time at start-up; from then on the processor stays at CPL 3, where all privileged instructions fault.

Two things Unicorn does not offer are reached through the bytes of a saved context: the error code of a page fault, and
forgetting a delivered exception (otherwise the second fault is taken for a double fault).  Where these fields are is
found at start-up from deliberate faults, so a Unicorn that is laid out differently is noticed at once.

The low frames of RAM belong to the engine:

=====  ==========================================================================================
frame  use
=====  ==========================================================================================
1-4    boot page tables; later the root of the *window*, which maps all of RAM for removing translations
5      supervisor page with `sysretq`
6      user page with the instructions of the calibration
8-12   the descriptor tables (emu.segments)
13-    the other tables of the window, filled when it is first needed: one, and one more for each GiB of RAM
=====  ==========================================================================================
"""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Sequence
from typing import Any

from kernel.hardware import PAGE_SHIFT, PTE_P, PTE_U, PTE_W, Trap

from . import segments
from . import unicorn_abi as abi
from .core import Core, PythonCore
from .frames import FrameAllocator
from .rows import PythonRows, Rows

try:
    from . import _engine
except ImportError:  # built without a C compiler
    _engine = None  # type: ignore[assignment]

ACCELERATED = _engine is not None
"""Whether the C extension is there."""

USER_CS = 0x33
USER_SS = 0x2B
"""Selectors of 64-bit user code on Linux (arch/x86/include/asm/segment.h)."""

_SEGMENTS = 8
_RESERVED_FRAMES = _SEGMENTS + segments.FRAMES
_LEAST_MEMORY = 1 << 20
_STUB_VA = 0x1000
_PROBE_VA = 0x2000
_FAULT_VA = 0x5000_0000_0000 & ~0xFFF
_WINDOW_VA = 1 << 39
_LARGE_PAGE = 1 << 7

_MSR_EFER = 0xC000_0080
_MSR_STAR = 0xC000_0081
_EFER = 0x1 | 0x100 | 0x400 | 0x800  # SCE, LME, LMA, NXE
_CR4 = 0x20 | 0x4 | 0x200 | 0x400  # PAE, TSD, OSFXSR, OSXMMEXCPT
_CR0 = 0x8001_0033  # PG, WP, NE, ET, MP, PE
_STAR = 0x0023 << 48 | 0x0010 << 32

_SYSRETQ = bytes.fromhex("480f07")
# The probe page: at 0 `syscall`, at 16 a load and at 32 a store of rax at _FAULT_VA, at 48 `int 0x80`.
_PROBE = (bytes.fromhex("0f05").ljust(16, b"\x90")
          + (b"\x48\xa1" + _FAULT_VA.to_bytes(8, "little")).ljust(16, b"\x90")
          + (b"\x48\xa3" + _FAULT_VA.to_bytes(8, "little")).ljust(16, b"\x90")
          + bytes.fromhex("cd80"))

_TCG_BUFFER = 256 << 20
_TCG_BUFFER_BESIDE = 64 << 20
"""Bytes of host address space for translated code; touched as it fills.  An engine beside another runs few programs."""

_ZERO_REGISTERS = (abi.REG_RAX, abi.REG_RBX, abi.REG_RCX, abi.REG_RDX, abi.REG_RSI, abi.REG_RDI, abi.REG_RBP,
                      abi.REG_RSP, abi.REG_R8, abi.REG_R9, abi.REG_R10, abi.REG_R11, abi.REG_R12, abi.REG_R13,
                      abi.REG_R14, abi.REG_R15, abi.REG_RIP)
# What FNINIT and a reset MXCSR give (psABI 3.4.1): Unicorn starts with all of it 0, which is another precision.
_START_REGISTERS = (*((reg, 0) for reg in _ZERO_REGISTERS),
                    (abi.REG_FPCW, 0x37F), (abi.REG_FPTAG, 0xFFFF), (abi.REG_MXCSR, 0x1F80))


class _Msr(ctypes.Structure):
    """``uc_x86_msr``."""

    _fields_ = (("rid", ctypes.c_uint32), ("value", ctypes.c_uint64))


class _TableRegister(ctypes.Structure):
    """``uc_x86_mmr``."""

    _fields_ = (("selector", ctypes.c_uint16), ("base", ctypes.c_uint64), ("limit", ctypes.c_uint32), ("flags", ctypes.c_uint32))


class Engine:
    """A running-capable processor with its RAM.

    ``frames``: the physical memory; ``rows``: operations on page-table rows; ``core``: the run loop;
    ``blank``: a saved context at CPL 3 as a new program starts; ``accelerated``: whether the C extension is used;
    ``cr3``: what this object loaded into CR3 last; ``segments_at``: byte offset of the segment registers in a context.
    """

    __slots__ = ("_callbacks", "_library", "_uc", "_window", "accelerated", "blank", "context_size", "core", "cr3",
                 "frames", "register", "rows", "segments_at")

    def __init__(self, memory: int = 2 << 30, accelerate: bool | None = None, beside: Engine | None = None) -> None:
        """Make a machine with ``memory`` bytes of RAM (rounded down to pages), or one with the RAM of ``beside``.

        ``accelerate``: use the C extension (None: if it is there).  Raises MachineError when the engine cannot be
        brought up or is not laid out as expected.
        """
        if beside is not None:
            memory, accelerate = len(beside.frames.memory), beside.accelerated
        self._uc = 0
        if accelerate and _engine is None:
            raise abi.MachineError("the C extension emu._engine is not built")
        if memory < _LEAST_MEMORY:
            raise abi.MachineError(f"{memory} bytes of memory are too few: {_LEAST_MEMORY} at least")
        self.accelerated: bool = _engine is not None and accelerate is not False
        self._library: Any = abi.load()
        self._window = False
        self.cr3 = 0
        # The window is needed when frames run short: its tables cannot be allocated then.
        self.frames: FrameAllocator = (beside.frames if beside is not None
                       else FrameAllocator(memory & ~0xFFF, _RESERVED_FRAMES + 1 + _gigabytes(memory)))
        if beside is None:
            self.frames.segments = _SEGMENTS
            segments.build(self.frames)
        handle = ctypes.c_void_p()
        self._check(self._library.uc_open(abi.UC_ARCH_X86, abi.UC_MODE_64, ctypes.byref(handle)), "uc_open")
        self._uc = handle.value or 0
        self._control(abi.UC_CTL_WRITE_CPU_MODEL, ctypes.c_int(abi.UC_CPU_X86_WESTMERE))
        self._control(abi.UC_CTL_WRITE_TCG_BUFFER_SIZE,
                      ctypes.c_uint32(_TCG_BUFFER if beside is None else _TCG_BUFFER_BESIDE))
        # A set of exits that stays empty, instead of the address every uc_emu_start takes: a program may run at any.
        self._control(abi.UC_CTL_WRITE_USE_EXITS, ctypes.c_int(1))
        self._check(self._library.uc_mem_map_ptr(self._uc, 0, memory & ~0xFFF, abi.UC_PROT_ALL, self.frames.address),
                    "uc_mem_map_ptr")
        self.context_size: int = self._library.uc_context_size(self._uc)
        self._enter_long_mode()
        self.blank, offsets = self._calibrate()
        self.core: Core
        self.rows: Rows
        if self.accelerated:
            functions = tuple(
                ctypes.cast(getattr(self._library, name), ctypes.c_void_p).value or 0
                for name in ("uc_emu_start", "uc_emu_stop", "uc_reg_read", "uc_reg_write", "uc_context_save",
                             "uc_context_restore", "uc_context_reg_read", "uc_context_reg_write", "uc_hook_add", "uc_hook_del"))
            self.core = _engine.Core(self._uc, functions, bytes(self.blank), *offsets, self.frames.address, memory & ~0xFFF)
            self.rows = _engine.Rows(self.frames.address, self.frames.counts_address, self.frames.code_address)
        else:
            self.core = PythonCore(self._library, self._uc, bytes(self.blank), *offsets, self.frames.memory)
            self.rows = PythonRows(self.frames)
        self.register: type[Any] | None = _engine.Register if self.accelerated else None
        """What makes a register an attribute of a register file, if the C extension has it."""
        self._install_hooks()
        self._check_traps()

    def close(self) -> None:
        """Free the engine; nothing of it may be used afterwards."""
        if self._uc:
            uc, self._uc = self._uc, 0
            self._library.uc_close(uc)

    def __del__(self) -> None:
        self.close()

    def remove_translations(self, frames: Sequence[int]) -> None:
        """Forget the translated code of ``frames``.

        Unicorn removes translations by virtual address, so all of RAM is mapped once more in an address space of its
        own; afterwards CR3 must be loaded again before the guest runs (``cr3`` tells).
        """
        if not self._uc:  # closed: what is given back now was never to run again
            return
        if not self._window:
            self._map_window()
        self.load_cr3(1 << PAGE_SHIFT)
        remove = self._library.uc_ctl
        u64 = ctypes.c_uint64
        for frame in frames:
            start = _WINDOW_VA + (frame << PAGE_SHIFT)
            remove(self._uc, abi.UC_CTL_WRITE_TB_REMOVE_CACHE, u64(start), u64(start + (1 << PAGE_SHIFT)))

    def load_cr3(self, value: int) -> None:
        """Switch to the address space whose root table is at ``value``, emptying the TLB."""
        self.core.set(abi.REG_CR3, value)
        self.cr3 = value

    def registers_batch(self, context: bytearray | None, ids: Any, pointers: Any, count: int, write: bool) -> None:
        """Read or write many registers through prebuilt arrays of ids and addresses, of the processor (``context``
        None) or of a saved context."""
        library = self._library
        if context is None:
            call = library.uc_reg_write_batch if write else library.uc_reg_read_batch
            self._check(call(self._uc, ids, pointers, count), "register access")
        else:
            call = library.uc_context_reg_write_batch if write else library.uc_context_reg_read_batch
            at = ctypes.byref(ctypes.c_char.from_buffer(context))
            self._check(call(at, ids, pointers, count), "register access")

    def _check(self, error: int, what: str) -> None:
        if error != abi.UC_ERR_OK:
            text = self._library.uc_strerror(error).decode("ascii", "replace")
            raise abi.MachineError(f"{what}: {text} (Unicorn error {error})")

    def _control(self, request: int, *arguments: Any) -> None:
        self._check(self._library.uc_ctl(self._uc, request, *arguments), "uc_ctl")

    def _write(self, reg: int, value: int) -> None:
        self._check(self._library.uc_reg_write(self._uc, reg, ctypes.byref(ctypes.c_uint64(value))), "uc_reg_write")

    def _read(self, reg: int) -> int:
        value = ctypes.c_uint64()
        self._check(self._library.uc_reg_read(self._uc, reg, ctypes.byref(value)), "uc_reg_read")
        return value.value

    def _hook(self, kind: int, function: int, data: int, *extra: Any) -> int:
        handle = ctypes.c_size_t()
        # begin > end: the whole address space.
        self._check(self._library.uc_hook_add(self._uc, ctypes.byref(handle), kind, function, data, 1, 0, *extra),
                    "uc_hook_add")
        return handle.value

    def _enter_long_mode(self) -> None:
        entries = self.frames.entries
        for row, index, entry in (
            (1, 0, 2 << PAGE_SHIFT | PTE_P | PTE_W | PTE_U),
            (2, 0, 3 << PAGE_SHIFT | PTE_P | PTE_W | PTE_U),
            (3, 0, 4 << PAGE_SHIFT | PTE_P | PTE_W | PTE_U),
            (4, _STUB_VA >> PAGE_SHIFT, 5 << PAGE_SHIFT | PTE_P),
            (4, _PROBE_VA >> PAGE_SHIFT, 6 << PAGE_SHIFT | PTE_P | PTE_U),
        ):
            entries[(row << 9) + index] = entry
        memory = self.frames.memory
        memory[5 << PAGE_SHIFT:(5 << PAGE_SHIFT) + len(_SYSRETQ)] = _SYSRETQ
        memory[6 << PAGE_SHIFT:(6 << PAGE_SHIFT) + len(_PROBE)] = _PROBE
        for rid, value in ((_MSR_EFER, _EFER), (_MSR_STAR, _STAR)):
            self._check(self._library.uc_reg_write(self._uc, abi.REG_MSR, ctypes.byref(_Msr(rid, value))), "wrmsr")
        for reg, table in (
            (abi.REG_GDTR, _TableRegister(0, segments.GDT_BASE, segments.GDT_LIMIT, 0)),
            (abi.REG_LDTR, _TableRegister(0, segments.LDT_BASE, segments.LDT_LIMIT, segments.LDT_FLAGS)),
        ):
            self._check(self._library.uc_reg_write(self._uc, reg, ctypes.byref(table)), "lgdt, lldt")
        self._write(abi.REG_CR4, _CR4)
        self._write(abi.REG_CR3, 1 << PAGE_SHIFT)
        self._write(abi.REG_CR0, _CR0)

    def _calibrate(self) -> tuple[bytearray, tuple[int, int, int]]:
        """Drop to CPL 3 and find the fields of a context; return a blank context and (old_exception, error_code,
        exception_is_int) as byte offsets."""
        # uc_emu_stop has the shape of a hook as far as a C function is concerned: it looks at its first argument only.
        stop = ctypes.cast(self._library.uc_emu_stop, ctypes.c_void_p).value or 0
        hooks = (self._hook(abi.UC_HOOK_INTR, stop, 0),
                 self._hook(abi.UC_HOOK_INSN, stop, 0, ctypes.c_int(abi.UC_X86_INS_SYSCALL)))
        self._write(abi.REG_RCX, _PROBE_VA)
        self._write(abi.REG_R11, 0x202)
        self._start(_STUB_VA, _PROBE_VA + 2)
        if self._read(abi.REG_CS) & 0xFFFF != USER_CS or self._read(abi.REG_SS) & 0xFFFF != USER_SS:
            raise abi.MachineError("self-check: sysretq did not arrive at CPL 3")
        blank = self._save()
        at = segments.find(bytes(blank), USER_CS, USER_SS)
        if at is None:
            raise abi.MachineError("self-check: the engine keeps its segment registers elsewhere; this version of Unicorn is "
                                   "not supported")
        self.segments_at = at
        before = _words(blank)
        self._start(_PROBE_VA + 16, _PROBE_VA + 16)
        after_load = self._save()
        load = _words(after_load)
        old_exception = _only([i for i, word in enumerate(load) if word == 14 and before[i] == -1], "old_exception")
        self._forget(after_load, old_exception)
        self._start(_PROBE_VA + 32, _PROBE_VA + 32)
        after_store = self._save()
        store = _words(after_store)
        error_code = _only([i for i, word in enumerate(store) if word == 6 and load[i] == 4], "error_code")
        self._forget(after_store, old_exception)
        self._start(_PROBE_VA + 48, _PROBE_VA + 50)
        after_int = self._save()
        is_int = error_code + 1
        if (before[is_int], load[is_int], store[is_int], _words(after_int)[is_int]) != (0, 0, 0, 1):
            raise abi.MachineError("self-check: the engine keeps exception_is_int elsewhere; this version of Unicorn is "
                                   "not supported")
        self._forget(after_int, old_exception)
        for hook in hooks:
            self._check(self._library.uc_hook_del(self._uc, hook), "uc_hook_del")
        for reg, value in _START_REGISTERS:
            self._check(self._library.uc_context_reg_write(ctypes.byref(ctypes.c_char.from_buffer(blank)), reg,
                                                           ctypes.byref(ctypes.c_uint64(value))), "uc_context_reg_write")
        return blank, (old_exception * 4, error_code * 4, is_int * 4)

    def _start(self, rip: int, expected: int) -> None:
        self._check(self._library.uc_emu_start(self._uc, rip, 0, 0, 0), "self-check")
        if self._read(abi.REG_RIP) != expected:
            raise abi.MachineError(f"self-check: stopped at {self._read(abi.REG_RIP):#x} instead of {expected:#x}")

    def _save(self) -> bytearray:
        """Return a context as this engine saves it, header included."""
        pointer = ctypes.c_void_p()
        self._check(self._library.uc_context_alloc(self._uc, ctypes.byref(pointer)), "uc_context_alloc")
        self._check(self._library.uc_context_save(self._uc, pointer), "uc_context_save")
        content = bytearray(ctypes.string_at(pointer.value or 0, self.context_size))
        self._library.uc_context_free(pointer)
        return content

    def _forget(self, context: bytearray, old_exception: int) -> None:
        context[old_exception * 4:old_exception * 4 + 4] = b"\xff\xff\xff\xff"
        self._check(self._library.uc_context_restore(self._uc, ctypes.byref(ctypes.c_char.from_buffer(context))),
                    "uc_context_restore")

    def _install_hooks(self) -> None:
        for kind, instruction, function, data in self.core.hooks():
            self._hook(kind, function, data, *([ctypes.c_int(instruction)] if instruction else []))
        self._control(abi.UC_CTL_WRITE_TB_FLUSH)

    def _check_traps(self) -> None:
        """Let the run loop see a system call and three faults in a row, and compare with what they must be."""
        core = self.core
        core.restore(self.blank)
        self.load_cr3(1 << PAGE_SHIFT)
        seen: list[tuple[int, ...]] = []
        for rip in (_PROBE_VA, _PROBE_VA + 16, _PROBE_VA + 32, _PROBE_VA + 16, _PROBE_VA + 48):
            core.set(abi.REG_RIP, rip)
            trap = core.run(2)
            if trap == Trap.PAGE_FAULT:
                seen.append((trap, core.get(abi.REG_RIP), core.fault_address, core.error_code, core.blocks))
            else:
                seen.append((trap, core.get(abi.REG_RIP), core.blocks))
        if seen != [
            (Trap.SYSCALL, _PROBE_VA + 2, 1),
            (Trap.PAGE_FAULT, _PROBE_VA + 16, _FAULT_VA, 4, 1),
            (Trap.PAGE_FAULT, _PROBE_VA + 32, _FAULT_VA, 6, 1),
            (Trap.PAGE_FAULT, _PROBE_VA + 16, _FAULT_VA, 4, 1),
            (Trap.INT80, _PROBE_VA + 50, 1),
        ]:
            raise abi.MachineError(f"self-check: traps do not arrive as expected: {seen}")

    def _map_window(self) -> None:
        """Map RAM at _WINDOW_VA with 2 MiB pages below the boot root (CPL 3, executable: that is what is looked up)."""
        entries = self.frames.entries
        middle = _RESERVED_FRAMES
        entries[(1 << 9) + (_WINDOW_VA >> 39)] = middle << PAGE_SHIFT | PTE_P | PTE_U
        size = len(self.frames.memory)
        for gigabyte in range(_gigabytes(size)):
            low = middle + 1 + gigabyte
            entries[(middle << 9) + gigabyte] = low << PAGE_SHIFT | PTE_P | PTE_U
            for index in range(512):
                start = (gigabyte << 30) + (index << 21)
                if start < size:
                    entries[(low << 9) + index] = start | _LARGE_PAGE | PTE_P | PTE_U
        self._window = True


def _gigabytes(size: int) -> int:
    """Return how many GiB ``size`` bytes begin."""
    return (size + (1 << 30) - 1) >> 30


def _words(context: bytearray) -> array[int]:
    words = array("i")
    words.frombytes(context[:len(context) & ~3])
    return words


def _only(candidates: list[int], what: str) -> int:
    if len(candidates) != 1:
        raise abi.MachineError(f"self-check: {what} not found in the saved context ({len(candidates)} candidates); "
                               "this version of Unicorn is not supported")
    return candidates[0]
