"""The processor: register files of threads, and running one of them in an address space until it traps.

One register file is loaded in an engine at a time; the others are kept as saved contexts (5.6 KB each).  Saving happens
when another one is loaded, so a thread that runs on pays nothing.  Registers can be read and written in both cases.

An engine forgets all translations when CR3 is written, and finding them again costs more than the switch itself.  So there
are several engines, of which one runs at a time.  Address spaces start in the first, the *common* one, where code
that was translated once is shared by all.  One that has been switched to very often there, as a tracer and its tracee are,
gets an engine of its own, which translates anew what it runs and then keeps everything.  An engine notices only its own
stores into code, so programs that write code and execute it, or could, bring all back into the common engine for good.

The guest never sees the host's time: CR4.TSD makes RDTSC fault, and it is executed here from the clock.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any, Protocol, overload

from kernel.hardware import DR_STEP, PAGE_MASK, PTE_FRAME, WATCH_EXECUTE, CpuState, PageTables, Regs, Trap, Watch

from . import segments
from . import unicorn_abi as abi
from .core import Core, Point, Syscall
from .engine import USER_CS, Engine
from .frames import FrameAllocator
from .paging import Tables, Tlb

EFLAGS_TF = 0x100
EFLAGS_RF = 0x1_0000
EFLAGS_USER = 0x0005_4DD5
"""Flags a program or its debugger may change: CF PF AF ZF SF TF DF OF NT RF AC (FLAG_MASK, arch/x86/kernel/ptrace.c)."""
_EFLAGS_FIXED = 0x202  # IF, and the bit that is always 1
_U64 = (1 << 64) - 1

_RDTSC = b"\x0f\x31"
_RDTSCP = b"\x0f\x01\xf9"
_INT1 = b"\xf1"

_REGS = (abi.REG_R15, abi.REG_R14, abi.REG_R13, abi.REG_R12, abi.REG_RBP, abi.REG_RBX, abi.REG_R11, abi.REG_R10,
         abi.REG_R9, abi.REG_R8, abi.REG_RAX, abi.REG_RCX, abi.REG_RDX, abi.REG_RSI, abi.REG_RDI, abi.REG_RIP,
         abi.REG_RFLAGS, abi.REG_RSP, abi.REG_FS_BASE, abi.REG_GS_BASE, abi.REG_CS, abi.REG_SS, abi.REG_DS,
         abi.REG_ES, abi.REG_FS, abi.REG_GS)
_MANY_LOADS = 1000
"""An address space whose translations made room so often gets an engine of its own: by then that has cost about what
translating its code once more will."""
_MOST_ENGINES = 3
"""Beside the common one; each takes some MiB of the host."""
_LONG = 2000
"""Switches after which an engine may be taken from its owner, if he did not run meanwhile."""

_SELECTORS = {"cs": abi.REG_CS, "ss": abi.REG_SS, "ds": abi.REG_DS, "es": abi.REG_ES, "fs": abi.REG_FS, "gs": abi.REG_GS}
_WRITABLE_REGS = 20
"""The first so many of _REGS are loaded by set_regs; the selectors behind are kept."""

# The FXSAVE image (Intel SDM vol. 1, 10.5.1): register, offset.  The tag word has a form of its own there, so it is read
# into the unused last bytes and converted.  The status word comes before the stack: ST(i) is found through its TOP.
_FX_SIZE = 512
_FX_TAG_WORD = 480
_FX = ((abi.REG_FPCW, 0), (abi.REG_FPSW, 2), (abi.REG_FOP, 6), (abi.REG_FIP, 8), (abi.REG_FDP, 16), (abi.REG_MXCSR, 24),
       *((abi.REG_ST0 + i, 32 + 16 * i) for i in range(8)),
       *((abi.REG_XMM0 + i, 160 + 16 * i) for i in range(16)),
       (abi.REG_FPTAG, _FX_TAG_WORD))
_MXCSR_MASK = 0xFFFF


class TimeStamps(Protocol):
    """Where RDTSC gets its value."""

    def tsc(self, blocks: int) -> int:
        """Return the time stamp counter ``blocks`` uncharged basic blocks from now."""


class _Batch:
    """Registers moved together to and from one host buffer, with the argument arrays of the call made once."""

    __slots__ = ("_count", "_ids", "_pointers", "buffer")

    def __init__(self, size: int, layout: Sequence[tuple[int, int]]) -> None:
        self._count = len(layout)
        self.buffer = (ctypes.c_char * size)()
        base = ctypes.addressof(self.buffer)
        self._ids = (ctypes.c_int * self._count)(*(reg for reg, _ in layout))
        self._pointers = (ctypes.c_void_p * self._count)(*(base + offset for _, offset in layout))

    def read(self, state: RegisterFile) -> bytes:
        unit = state.unit
        engine, context = (unit.engine, None) if unit is not None else (state.cpu.common.engine, state.context)
        engine.registers_batch(context, self._ids, self._pointers, self._count, False)
        return bytes(self.buffer)

    def write(self, state: RegisterFile, content: bytes, count: int | None = None) -> None:
        self.buffer.raw = content
        unit = state.unit
        engine, context = (unit.engine, None) if unit is not None else (state.cpu.common.engine, state.context)
        engine.registers_batch(context, self._ids, self._pointers, self._count if count is None else count, True)


class _Register:
    """A 64-bit register as an attribute of a register file."""

    __slots__ = ("reg",)

    def __init__(self, reg: int) -> None:
        self.reg = reg

    @overload
    def __get__(self, state: None, owner: type[Any]) -> _Register: ...
    @overload
    def __get__(self, state: RegisterFile, owner: type[Any]) -> int: ...
    def __get__(self, state: RegisterFile | None, owner: type[Any]) -> int | _Register:
        if state is None:
            return self
        unit = state.unit
        if unit is not None:
            return unit.core.get(self.reg)
        return state.cpu.core.context_get(state.context, self.reg)

    def __set__(self, state: RegisterFile, value: int) -> None:
        unit = state.unit
        if unit is not None:
            unit.core.set(self.reg, value)
        else:
            state.cpu.core.context_set(state.context, self.reg, value)


class RegisterFile:
    """The registers of one thread (see ``kernel.hardware.CpuState``).

    ``unit`` is where it is loaded, None: nowhere.  ``context`` is the saved form, out of date while loaded; ``cr3`` is the
    CR3 it was saved with.
    """

    __slots__ = ("context", "cpu", "cr3", "tls", "tsc", "unit")

    rax = _Register(abi.REG_RAX)
    rcx = _Register(abi.REG_RCX)
    rdx = _Register(abi.REG_RDX)
    rsi = _Register(abi.REG_RSI)
    rdi = _Register(abi.REG_RDI)
    r8 = _Register(abi.REG_R8)
    r9 = _Register(abi.REG_R9)
    r10 = _Register(abi.REG_R10)
    r11 = _Register(abi.REG_R11)
    rip = _Register(abi.REG_RIP)
    rsp = _Register(abi.REG_RSP)
    fs_base = _Register(abi.REG_FS_BASE)
    gs_base = _Register(abi.REG_GS_BASE)
    cs = _Register(abi.REG_CS)
    _rflags = _Register(abi.REG_RFLAGS)

    def __init__(self, cpu: Processor, context: bytearray, cr3: int) -> None:
        self.cpu = cpu
        self.context = context
        self.cr3 = cr3
        self.tsc = True
        self.tls = segments.NO_TLS
        self.unit: Unit | None = None

    @property
    def eflags(self) -> int:
        return self._rflags

    @eflags.setter
    def eflags(self, value: int) -> None:
        self._rflags = value & EFLAGS_USER | _EFLAGS_FIXED

    def regs(self) -> Regs:
        content = self.cpu.general.read(self)
        (r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, rip, eflags, rsp, fs_base, gs_base,
         cs, ss, ds, es, fs, gs) = memoryview(content).cast("Q").tolist()
        return Regs(r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, _U64, rip, cs, eflags, rsp,
                    ss, fs_base, gs_base, ds, es, fs, gs)

    def set_regs(self, regs: Regs) -> None:
        r = regs
        values = (r.r15, r.r14, r.r13, r.r12, r.rbp, r.rbx, r.r11, r.r10, r.r9, r.r8, r.rax, r.rcx, r.rdx, r.rsi, r.rdi,
                  r.rip, r.eflags & EFLAGS_USER | _EFLAGS_FIXED, r.rsp, r.fs_base, r.gs_base, 0, 0, 0, 0, 0, 0)
        content = b"".join([(value & _U64).to_bytes(8, "little") for value in values])
        self.cpu.general.write(self, content, _WRITABLE_REGS)

    def set_selector(self, name: str, selector: int) -> None:
        unit, cpu = self.unit, self.cpu
        register = _SELECTORS[name]
        if (cpu.core.context_get(self.context, register) if unit is None else unit.core.get(register)) == selector:
            return
        if unit is not None:
            unit.save()
        segments.set_selector(self.context, cpu.common.engine.segments_at, name, selector)
        if unit is not None:
            unit.core.restore(self.context)

    def load_segment(self, name: str, selector: int, descriptor: int) -> None:
        unit = self.unit
        if unit is not None:
            unit.save()
        segments.load(self.context, self.cpu.common.engine.segments_at, name, selector, descriptor)
        if unit is not None:
            unit.core.restore(self.context)

    def set_tls(self, descriptors: bytes) -> None:
        self.tls = descriptors
        if self.cpu.loaded is self:
            self.cpu.loaded = None  # the next run loads them

    def fpregs(self) -> bytes:
        image = bytearray(self.cpu.floating.read(self))
        tags = int.from_bytes(image[_FX_TAG_WORD:_FX_TAG_WORD + 2], "little")
        image[_FX_TAG_WORD:_FX_TAG_WORD + 2] = b"\0\0"
        # FXSAVE keeps one bit a register: set when it is not empty (tag 3).
        image[4] = sum(1 << i for i in range(8) if tags >> 2 * i & 3 != 3)
        image[28:32] = _MXCSR_MASK.to_bytes(4, "little")
        return bytes(image)

    def set_fpregs(self, image: bytes) -> None:
        """Load an FXSAVE image; reserved MXCSR bits are dropped, as the kernel does before FXRSTOR.

        Raises ValueError when ``image`` has not 512 bytes.
        """
        if len(image) != _FX_SIZE:
            raise ValueError("an FXSAVE image has 512 bytes")
        content = bytearray(image)
        tags = sum(3 << 2 * i for i in range(8) if not image[4] >> i & 1)
        content[_FX_TAG_WORD:_FX_TAG_WORD + 2] = tags.to_bytes(2, "little")
        content[26:28] = b"\0\0"
        self.cpu.floating.write(self, bytes(content))

    def copy(self) -> RegisterFile:
        if self.unit is not None:
            self.unit.save()
        copy = type(self)(self.cpu, bytearray(self.context), self.cr3)
        copy.tsc = self.tsc
        copy.tls = self.tls
        return copy

    def reset(self, rip: int, rsp: int) -> None:
        if self.unit is not None:
            self.unit.state = self.unit = self.cpu.loaded = None
        self.context[:] = self.cpu.common.engine.blank
        self.cr3 = 0
        self.tls = segments.NO_TLS
        self.rip = rip
        self.rsp = rsp


def _accelerated(register: type[Any]) -> type[RegisterFile]:
    """Return RegisterFile with the registers made by ``register`` instead of _Register."""
    fast = {name: register(slow.reg) for name, slow in vars(RegisterFile).items() if isinstance(slow, _Register)}
    return type("AcceleratedRegisterFile", (RegisterFile,), {"__slots__": (), **fast})


class Unit(Tlb):
    """One engine and what it holds: a register file, translations, CR3.  ``used``: number of the last switch to it."""

    __slots__ = ("core", "cr3", "engine", "state", "used")

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine
        self.core: Core = engine.core
        self.cr3 = 0
        self.state: RegisterFile | None = None
        self.used = 0

    def save(self) -> None:
        """Bring the saved form of the loaded register file up to date."""
        state = self.state
        assert state is not None
        self.core.save(state.context)
        state.cr3 = self.cr3

    def load(self, state: RegisterFile) -> None:
        """Load a register file, and save the one that was loaded."""
        if self.state is not None:
            self.save()
            self.state.unit = None
        if state.unit is not None:
            state.unit.save()
            state.unit.state = None
        self.core.restore(state.context)
        self.cr3 = state.cr3
        self.state = state
        state.unit = self

    def enter(self, tables: Tables) -> None:
        """Switch to an address space, emptying the TLB."""
        self.core.set(abi.REG_CR3, tables.cr3)
        self.cr3 = tables.cr3
        self.tables = tables
        tables.tlb = self
        tables.stale = False

    def remove_translations(self, frames: Sequence[int]) -> None:
        """Forget the translated code of ``frames``."""
        self.engine.remove_translations(frames)
        self.cr3 = self.engine.cr3
        self.tables = None


class Processor:
    """The processor (see ``kernel.hardware.Cpu``)."""

    __slots__ = ("_clock", "_one_engine", "_register_file", "_switches", "_tables", "_tls", "_units", "blocks", "code_changed",
                 "common", "core", "debug_status", "error_code", "fault_address", "floating", "frames", "general", "loaded",
                 "syscall", "vector")

    def __init__(self, engine: Engine, clock: TimeStamps) -> None:
        """Drive ``engine``, and others beside it if they are of use; ``clock`` answers RDTSC."""
        self.common = Unit(engine)
        self.core: Core = engine.core
        """Of the engine that runs."""
        self._units = [self.common]
        self.loaded: RegisterFile | None = None
        self._tables: Tables | None = None
        """What the engine that runs has loaded."""
        self._tls = segments.NO_TLS
        self._switches = 0
        self._one_engine = False
        self.frames: FrameAllocator = engine.frames
        self.frames.remove_translations = self._remove_translations
        self.frames.stores_into_code = self._stores_into_code
        self._clock = clock
        self.general = _Batch(8 * len(_REGS), [(reg, 8 * i) for i, reg in enumerate(_REGS)])
        self.floating = _Batch(_FX_SIZE, _FX)
        self.syscall: Syscall = (0, 0, 0, 0, 0, 0, 0)
        self.fault_address = 0
        self.error_code = 0
        self.vector = 0
        self.debug_status = DR_STEP
        self.blocks = 0
        self.code_changed = self.frames.code_changed
        self._register_file = RegisterFile if engine.register is None else _accelerated(engine.register)

    def new_state(self) -> RegisterFile:
        return self._register_file(self, bytearray(self.common.engine.blank), 0)

    def new_tables(self) -> Tables:
        return Tables(self.frames, self.common.engine.rows)

    def run(self, state: CpuState, tables: PageTables, budget: int) -> int:
        if state is not self.loaded or tables is not self._tables or tables.stale:
            self._switch(state, tables)
        core = self.core
        trap = core.run(budget)
        self.blocks = core.blocks
        if not trap:  # Trap.SYSCALL
            self.syscall = core.syscall
        elif trap == 2:  # Trap.PAGE_FAULT
            self.fault_address = core.fault_address
            self.error_code = core.error_code
        elif trap == 3:  # Trap.EXCEPTION
            self.vector = core.vector
            self.error_code = core.error_code
            self.debug_status = core.debug_status
            if core.vector in (6, 13) and self._emulate(tables):
                return self._run_on(core.run, tables, budget)
        return trap

    def run_watched(self, state: CpuState, tables: PageTables, budget: int, watch: Watch) -> int:
        if state is not self.loaded or tables is not self._tables or tables.stale:
            self._switch(state, tables)
        core = self.core
        points = _physical(watch, tables)
        branches = watch.branches
        trap = core.watch(budget, points, branches)
        self._take_results(core.blocks)
        if trap == Trap.EXCEPTION and core.vector in (6, 13) and self._emulate(tables):
            return self._run_on(lambda rest: core.watch(rest, points, branches), tables, budget, branches)
        return trap

    def step(self, state: CpuState, on: bool) -> None:
        flags = state.eflags
        state.eflags = flags | EFLAGS_TF if on else flags & ~EFLAGS_TF

    def interrupt(self) -> None:
        for unit in self._units:
            unit.core.interrupt()

    def _switch(self, state: CpuState, tables: PageTables) -> None:
        """Load a register file and an address space, as far as they are not loaded."""
        unit = tables.tlb  # type: ignore[attr-defined]
        if unit is None or unit.tables is not tables:
            unit = self._place(tables)  # type: ignore[arg-type]
        if state is not unit.state:
            unit.load(state)
        # A context brings the CR3 it was saved with, but not the translations.
        if tables is not unit.tables or tables.stale or unit.cr3 != tables.cr3:
            unit.enter(tables)
        if state.tls is not self._tls:  # type: ignore[attr-defined]
            self._tls = state.tls  # type: ignore[attr-defined]
            segments.load_tls(self.frames, self._tls)
        self._switches += 1
        unit.used = self._switches
        self.core = unit.core
        self.loaded = state  # type: ignore[assignment]
        self._tables = tables  # type: ignore[assignment]

    def _place(self, tables: Tables) -> Unit:
        """Choose the engine for an address space that is loaded in none."""
        unit = tables.tlb
        if unit is not None and unit.owner is tables:
            assert isinstance(unit, Unit)
            return unit
        tables.loads += 1
        if tables.loads < _MANY_LOADS or self._one_engine:
            return self.common
        tables.loads = 0
        unit = self._vacant()
        if unit is None:
            return self.common
        unit.owner = tables
        return unit

    def _vacant(self) -> Unit | None:
        """Return an engine that nobody has for himself, or whose owner has not run for long; None if there is none."""
        others = self._units[1:]
        for unit in others:
            if unit.owner is None:
                return unit
        if len(others) < _MOST_ENGINES:
            try:
                unit = Unit(Engine(beside=self.common.engine))
            except (abi.MachineError, OSError, MemoryError):  # the host has no room: go on with what there is
                self._one_engine = True
                return None
            self._units.append(unit)
            return unit
        unit = min(others, key=lambda other: other.used)
        return unit if self._switches - unit.used > _LONG else None

    def _run_on(self, run: Callable[[int], int], tables: PageTables, budget: int, branches: bool = False) -> int:
        """Go on with the rest of the budget behind an instruction that was executed here.

        ``run`` runs so many blocks; ``branches``: the trap flag means branches, and that was none.
        """
        core = self.core
        executed = self.blocks
        while True:
            flags = core.get(abi.REG_RFLAGS)
            if flags & EFLAGS_RF:
                core.set(abi.REG_RFLAGS, flags & ~EFLAGS_RF)
            if flags & EFLAGS_TF and not branches:
                self.vector = 1
                self.debug_status = DR_STEP
                return Trap.EXCEPTION.value
            if executed >= budget:
                return Trap.BUDGET.value
            trap = run(budget - executed)
            executed += core.blocks
            self._take_results(executed)
            if trap != Trap.EXCEPTION or core.vector not in (6, 13) or not self._emulate(tables):
                return trap

    def _take_results(self, blocks: int) -> None:
        core = self.core
        self.blocks = blocks
        self.syscall = core.syscall
        self.fault_address = core.fault_address
        self.error_code = core.error_code
        self.vector = core.vector
        self.debug_status = core.debug_status

    def _emulate(self, tables: PageTables) -> bool:
        """Execute RDTSC or RDTSCP, which CR4.TSD turns into faults; any other instruction is the guest's own fault.

        INT1, which the engine does not know, becomes the debug exception it raises.
        """
        core = self.core
        rip = core.get(abi.REG_RIP)
        code = self._fetch(tables, rip if core.get(abi.REG_CS) == USER_CS else self._linear(rip), 3)
        if code[:1] == _INT1:
            core.set(abi.REG_RIP, rip + 1)
            self.vector = 1
            self.debug_status = 0
            return False
        if code[:2] == _RDTSC:
            length = 2
        elif code == _RDTSCP:
            length = 3
        else:
            return False
        if self.loaded is not None and not self.loaded.tsc:
            self.vector, self.error_code = 13, 0
            return False
        stamp = self._clock.tsc(self.blocks)
        core.set(abi.REG_RAX, stamp & 0xFFFF_FFFF)
        core.set(abi.REG_RDX, stamp >> 32 & 0xFFFF_FFFF)
        if length == 3:
            core.set(abi.REG_RCX, 0)  # TSC_AUX: the number of the processor
        core.set(abi.REG_RIP, rip + length)
        return True

    def _linear(self, rip: int) -> int:
        """Return the linear address of an instruction in another code segment than that of 64 bits."""
        unit = self.common if self.loaded is None or self.loaded.unit is None else self.loaded.unit
        unit.save()
        assert unit.state is not None
        return segments.base(unit.state.context, unit.engine.segments_at, "cs") + rip & 0xFFFF_FFFF

    def _fetch(self, tables: PageTables, rip: int, length: int) -> bytes:
        """Return the instruction bytes at ``rip``, as many as are mapped."""
        code = b""
        for address in range(rip, rip + length):
            entry = tables.lookup(address & ~PAGE_MASK)
            if not entry:
                break
            code += self.frames.memory[(entry & PTE_FRAME) + (address & PAGE_MASK):][:1]
        return code

    def _remove_translations(self, frames: Sequence[int]) -> None:
        for unit in self._units:
            unit.remove_translations(frames)
        self._tables = None

    def _stores_into_code(self) -> None:
        """The guest may write code that it executes: from now on there is one engine, which sees all it does."""
        self._one_engine = True
        for unit in self._units[1:]:
            if unit.state is not None:
                unit.save()
                unit.state.unit = None
            unit.tables = unit.owner = None
            unit.engine.close()
        del self._units[1:]
        self.core = self.common.core
        self.loaded = self._tables = None

    def close(self) -> None:
        """Free all engines; nothing of them may be used afterwards."""
        for unit in self._units:
            unit.engine.close()


def _physical(watch: Watch, tables: PageTables) -> tuple[Point, ...]:
    """Return the breakpoints as the run loop takes them: data by its physical address, and only what is mapped (an access
    to anything else faults first)."""
    points: list[Point] = []
    for bit, kind, address, length in watch.points:
        if kind != WATCH_EXECUTE:
            entry = tables.lookup(address & ~PAGE_MASK)
            if not entry:
                continue
            address = (entry & PTE_FRAME) + (address & PAGE_MASK)
        points.append((bit, kind, address, length))
    return tuple(points)
