"""What the kernel needs of a machine, as protocols.

The kernel never imports the engine.  It sees a processor that runs one register file in one address space until
something happens (a *trap*), page tables and frames of physical memory, and a clock.  ``emu/`` implements these over
Unicorn; the tests of process semantics use small fakes.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple, Protocol

PAGE_SIZE = 4096
PAGE_SHIFT = 12
PAGE_MASK = PAGE_SIZE - 1
USER_TOP = 0x7FFF_FFFF_F000
"""First address above user space (TASK_SIZE_MAX of x86-64)."""
VSYSCALL_ADDR = 0xFFFF_FFFF_FF60_0000
"""The one page beyond that programs know, and may jump to (kernel.vsyscall)."""

# Page-table entry bits (Intel SDM vol. 3, 4.5).
PTE_P = 1
PTE_W = 2
PTE_U = 4
PTE_A = 0x20
PTE_D = 0x40
PTE_NX = 1 << 63
PTE_FRAME = 0x000F_FFFF_FFFF_F000


class Trap(IntEnum):
    """Why ``Cpu.run`` returned."""

    SYSCALL = 0
    """``syscall`` executed; ``Cpu.syscall`` holds number and arguments, RIP is behind it, RCX and R11 are set.  With TF set
    there is no EXCEPTION for the step on top of it: the kernel owes it at the end of the call (report_single_step,
    kernel/entry/common.c)."""
    BUDGET = 1
    """The budget of basic blocks is used up."""
    PAGE_FAULT = 2
    """``Cpu.fault_address`` (CR2) and ``Cpu.error_code`` (#PF error code) are valid; RIP is at the instruction."""
    EXCEPTION = 3
    """``Cpu.vector``: 0 #DE, 1 #DB (TF step; RIP behind the instruction), 3 int3 (RIP behind it), 4 #OF, 6 #UD,
    13 #GP (RIP at the instruction), 16 #MF, 17 #AC, 19 #XF."""
    INTERRUPTED = 4
    """The host asked for attention through ``Cpu.interrupt`` (Ctrl-C, a timer of the host)."""
    INT80 = 5
    """``int 0x80``: the 32-bit system-call gate; RIP is behind it."""


# #PF error code bits.
PF_PRESENT = 1
PF_WRITE = 2
PF_USER = 4
PF_INSTR = 16


# Debug registers: what DR7 says of a breakpoint (R/W field), and what DR6 says of a debug exception besides its number.
WATCH_EXECUTE = 0
WATCH_WRITE = 1
WATCH_ACCESS = 3
DR_STEP = 0x4000


class Watchpoint(NamedTuple):
    """An enabled hardware breakpoint: ``bit`` it has in DR6, ``kind`` WATCH_*, linear address and length in bytes."""

    bit: int
    kind: int
    address: int
    length: int


class Watch(NamedTuple):
    """What a watched run looks out for: breakpoints, and whether TF means taken branches (DEBUGCTL.BTF)."""

    points: tuple[Watchpoint, ...]
    branches: bool


GDT = {
    4: 0x00CF_FB00_0000_FFFF,  # 0x23: 32-bit code
    5: 0x00CF_F300_0000_FFFF,  # 0x2b: data and stack
    6: 0x00AF_FB00_0000_FFFF,  # 0x33: 64-bit code
    15: 0x0040_F500_0000_0000,  # 0x7b: its limit is the number of the processor
}
"""Segment descriptors that programs can use, by their place in the GDT (arch/x86/include/asm/segment.h)."""


def segment_base(descriptor: int) -> int:
    """Return the base that the 8 bytes of a descriptor say (Intel SDM vol. 3, 3.4.5)."""
    return descriptor >> 16 & 0xFF_FFFF | descriptor >> 56 << 24


def limit_field(descriptor: int) -> int:
    """Return the limit as it stands in a descriptor, in bytes or pages."""
    return descriptor & 0xFFFF | descriptor >> 32 & 0xF_0000


def segment_limit(descriptor: int) -> int:
    """Return the greatest offset in the segment of a descriptor, if it grows up."""
    limit = limit_field(descriptor)
    return limit << 12 | 0xFFF if descriptor >> 55 & 1 else limit


class Regs(NamedTuple):
    """``struct user_regs_struct`` (sys/user.h), in its order; 27 unsigned 64-bit values."""

    r15: int
    r14: int
    r13: int
    r12: int
    rbp: int
    rbx: int
    r11: int
    r10: int
    r9: int
    r8: int
    rax: int
    rcx: int
    rdx: int
    rsi: int
    rdi: int
    orig_rax: int
    rip: int
    cs: int
    eflags: int
    rsp: int
    ss: int
    fs_base: int
    gs_base: int
    ds: int
    es: int
    fs: int
    gs: int

    def selectors(self) -> tuple[int, int, int, int, int, int]:
        """Return what CS, SS, DS, ES, FS and GS hold."""
        return self.cs, self.ss, self.ds, self.es, self.fs, self.gs


class OutOfFrames(Exception):
    """Physical memory is used up; the memory code answers with ENOMEM or the OOM killer."""


class CpuState(Protocol):
    """The register file of one thread; may be read and written whether or not it is loaded in the processor.

    All values are unsigned 64-bit.  ``fs_base``/``gs_base`` are the segment bases (arch_prctl), ``cs`` is a selector.
    ``tsc``: RDTSC may be executed (PR_SET_TSC); otherwise it raises #GP.
    """

    rax: int
    rip: int
    rsp: int
    fs_base: int
    gs_base: int
    eflags: int
    tsc: bool

    @property
    def cs(self) -> int:
        """Selector of the code segment."""

    def regs(self) -> Regs:
        """Return all general registers; ``orig_rax`` is 2**64-1 (the kernel fills in what it knows)."""

    def set_regs(self, regs: Regs) -> None:
        """Load all general registers (orig_rax is ignored; selectors are kept; eflags: user-changeable bits only)."""

    def set_selector(self, name: str, selector: int) -> None:
        """Change what segment register ``name`` ("cs", "ds", "es", "fs", "gs", "ss") shows, not the segment it stands for."""

    def load_segment(self, name: str, selector: int, descriptor: int) -> None:
        """Load a segment register with a descriptor of 8 bytes, as a number; 0 is the null segment.  Nothing is checked."""

    def set_tls(self, descriptors: bytes) -> None:
        """Set the entries 12 to 14 of the GDT for this thread: 3 descriptors of 8 bytes."""

    def fpregs(self) -> bytes:
        """Return the x87 and SSE state as the 512-byte FXSAVE image (``struct user_fpregs_struct``)."""

    def set_fpregs(self, image: bytes) -> None:
        """Load x87 and SSE state from a 512-byte FXSAVE image."""

    def copy(self) -> CpuState:
        """Return an independent copy (fork, clone)."""

    def reset(self, rip: int, rsp: int) -> None:
        """Make it the state a new program starts with: all registers 0, FP state initial, bases 0 (start_thread)."""


class Frames(Protocol):
    """Physical memory as reference-counted frames of PAGE_SIZE bytes, numbered from 1 (0 is never a frame)."""

    memory: memoryview
    """All of guest RAM, format 'B'; frame n is memory[n << 12:(n + 1) << 12]."""
    total: int

    @property
    def free(self) -> int:
        """Frames not in use."""

    def allocate(self, zero: bool = True) -> int:
        """Return a frame with one reference, filled with zeros if ``zero``.  Raises OutOfFrames."""

    def get(self, frame: int) -> None:
        """Take one more reference."""

    def put(self, frame: int) -> None:
        """Drop a reference; the frame is free when none is left."""

    def count(self, frame: int) -> int:
        """Return the number of references."""


class PageTables(Protocol):
    """The page tables of one address space (one CR3).  Fork shares whole tables copy-on-write.

    A leaf entry owns one reference on its frame.  ``flags`` are PTE_P|PTE_U with PTE_W and PTE_NX as wanted.
    Changes to present entries are seen by the guest at once (the implementation flushes the TLB as needed).
    Addresses are page aligned.
    """

    def map(self, va: int, frame: int, flags: int) -> None:
        """Install an entry, taking over the caller's reference on ``frame``; an old entry's reference is dropped."""

    def unmap(self, start: int, end: int) -> None:
        """Remove all entries of [start, end), dropping their references; costs O(present tables), not O(range)."""

    def protect(self, start: int, end: int, writable: bool, executable: bool, readable: bool = True) -> bool:
        """Clear or set NX of present entries of [start, end); clear W where ``not writable`` (W is set by faults).
        Return whether any entry changed.

        ``readable`` sets or clears U: without it the guest faults (PF_PRESENT) while the frame stays (PROT_NONE).
        """

    def lookup(self, va: int) -> int:
        """Return the leaf entry for ``va`` with the *effective* W bit (all levels), or 0."""

    def leaf(self, va: int) -> int:
        """Return what identifies the last table above ``va``, 0 if there is none; address spaces may share it."""

    def unshare(self, va: int) -> int:
        """Copy the tables above ``va`` that fork left shared; return the leaf entry, or 0.

        Call it before deciding a copy-on-write fault by ``Frames.count``: a page below a shared table counts once for
        all address spaces that share the table, so its count means something only afterwards.  Raises OutOfFrames.
        """

    def set_writable(self, va: int) -> None:
        """Set W for a present page, copying shared tables on the way so that no other address space sees it."""

    def move(self, old: int, new: int, length: int) -> None:
        """Move the entries of [old, old+length) to ``new`` (mremap)."""

    def fork(self) -> PageTables:
        """Return a copy: both sides' pages become read-only until written (copy-on-write), tables shared."""

    def set_ldt(self, ldt: bytes) -> None:
        """Let the local descriptor table consist of these descriptors, 8 bytes each and 8192 at most; a fork inherits it.

        Raises OutOfFrames.  Segment registers keep what they were loaded with.
        """

    def clear_accessed(self, start: int, end: int) -> None:
        """Clear A bits (for later use by /proc/PID/clear_refs)."""

    def present(self, start: int, end: int) -> list[tuple[int, int]]:
        """Return (va, entry) of every present page of [start, end), ascending; skips absent tables quickly."""

    def resident(self) -> int:
        """Return the number of present pages (RSS in pages)."""

    def destroy(self) -> None:
        """Drop every reference; the object must not be used afterwards."""


class Cpu(Protocol):
    """The processor."""

    syscall: tuple[int, int, int, int, int, int, int]
    """After Trap.SYSCALL: rax, rdi, rsi, rdx, r10, r8, r9 (unsigned 64-bit)."""
    fault_address: int
    error_code: int
    vector: int
    debug_status: int
    """After vector 1: the bits of the breakpoints hit, DR_STEP for a step, 0 for INT1."""
    blocks: int
    """Basic blocks executed by the last ``run``."""

    def new_state(self) -> CpuState:
        """Return a fresh register file for CPL 3."""

    def run(self, state: CpuState, tables: PageTables, budget: int) -> int:
        """Run ``state`` in ``tables`` for at most ``budget`` (> 0) basic blocks; return a Trap value.

        The state stays loaded: running the same one again costs no switch.
        """

    def run_watched(self, state: CpuState, tables: PageTables, budget: int, watch: Watch) -> int:
        """As ``run``, with hardware breakpoints: they end it with EXCEPTION vector 1.  Slower: some 0.2 us an instruction."""

    def new_tables(self) -> PageTables:
        """Return empty page tables."""

    def step(self, state: CpuState, on: bool) -> None:
        """Switch single-stepping (TF) of a state on or off; a step ends with EXCEPTION vector 1."""

    def code_changed(self, frame: int) -> None:
        """The kernel wrote into ``frame``: translated code of it is stale (cheap when it was never executable)."""

    def interrupt(self) -> None:
        """Make the current or next ``run`` return INTERRUPTED soon; callable from another host thread or a signal
        handler."""


class Clock(Protocol):
    """Time in nanoseconds."""

    virtual: bool
    """True if time passes only by moving ``now`` and by ``sleep_until``."""
    now: int
    """The run loop adds the CPU time in ns of what was executed: on a virtual clock this is monotonic time, on a real one
    it means nothing."""
    block_ns: int
    """CPU time of one basic block in ns, for accounting (both kinds of clock)."""

    def monotonic(self) -> int:
        """CLOCK_MONOTONIC: starts at a fixed value, never jumps back."""

    def realtime(self) -> int:
        """CLOCK_REALTIME."""

    def set_realtime(self, ns: int) -> None:
        """Set CLOCK_REALTIME (clock_settime): changes its distance from monotonic."""

    def sleep_until(self, deadline: int | None) -> None:
        """All tasks sleep: jump (virtual) or wait (real) until monotonic ``deadline`` or an outside event."""

    def blocks_until(self, deadline: int) -> int:
        """Return how many basic blocks may run before monotonic ``deadline`` (>= 1)."""
