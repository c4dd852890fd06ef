"""Debug registers: hardware breakpoints and watchpoints of a thread (arch/x86/kernel/ptrace.c, hw_breakpoint.c).

A debugger writes them with PTRACE_POKEUSER: DR0 to DR3 hold addresses, DR7 says which of them are on, for what kind of
access and for how many bytes, and DR6 tells which were hit.  They belong to one thread.  A new thread or process gets
DR6 and DR7 to look at but no breakpoint, execve clears them, and they outlive the debugger that set them: a thread that hits one
untraced dies of SIGTRAP.  The kernel's own accesses to user memory are not watched.

A thread nobody has set a breakpoint for has no ``DebugRegisters``, and its scheduler runs it at full speed; the others are
run by ``Cpu.run_watched``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.errno import Errno
from kernel.hardware import (
    DR_STEP,
    USER_TOP,
    WATCH_ACCESS,
    WATCH_EXECUTE,
    WATCH_WRITE,
    Cpu,
    CpuState,
    PageTables,
    Watch,
    Watchpoint,
)

if TYPE_CHECKING:
    from kernel.task import Thread

HBP_NUM: Final = 4
"""Breakpoints of one thread."""
DR6_RESERVED: Final = 0xFFFF_0FF0
"""The bits of DR6 that are 1 when nothing happened; the kernel keeps it with these flipped."""
DR_TRAP_BITS: Final = 0xF
DR_CONTROL_RESERVED: Final = 0xFFFF_FFFF_0000_FC00
"""Bits of DR7 that mean nothing."""
EFLAGS_RF: Final = 0x10000

_LENGTHS: Final = (1, 2, 8, 4)
"""LEN field of DR7 -> bytes."""
_ENABLE_SIZE: Final = 2
_CONTROL_SHIFT: Final = 16
_CONTROL_SIZE: Final = 4

Runner = Callable[[CpuState, PageTables, int], int]


class Breakpoint(NamedTuple):
    """One of DR0 to DR3 with its fields of DR7: ``kind`` is WATCH_*, ``length`` in bytes."""

    address: int
    length: int = 1
    kind: int = WATCH_WRITE
    enabled: bool = False

    def check(self) -> Breakpoint:
        """EINVAL for kinds and lengths the processor has not, addresses out of user space, and unaligned ones."""
        if self.kind not in (WATCH_EXECUTE, WATCH_WRITE, WATCH_ACCESS) or (self.kind == WATCH_EXECUTE and self.length != 1):
            raise Errno.EINVAL
        if self.address + self.length > USER_TOP or self.address & (self.length - 1):
            raise Errno.EINVAL
        return self


def _decode(control: int, number: int) -> tuple[int, int, bool]:
    """Return (length, kind, enabled) of breakpoint ``number`` in a DR7 (decode_dr7)."""
    fields = control >> (_CONTROL_SHIFT + number * _CONTROL_SIZE)
    return _LENGTHS[fields >> 2 & 3], fields & 3, control >> (number * _ENABLE_SIZE) & 3 != 0


class DebugRegisters:
    """The debug registers of one thread.

    ``control`` is DR7 as it was written.  ``block_step``: PTRACE_SINGLEBLOCK, the trap flag means taken branches (TIF_BLOCKSTEP).
    """

    __slots__ = ("block_step", "breakpoints", "control")

    def __init__(self, control: int = 0) -> None:
        self.breakpoints: list[Breakpoint | None] = [None] * HBP_NUM
        self.control = control
        self.block_step = False

    def set_address(self, number: int, address: int) -> None:
        """Write DR0 to DR3.  EINVAL."""
        old = self.breakpoints[number]
        new = Breakpoint(address) if old is None else old._replace(address=address)
        self.breakpoints[number] = new.check()

    def set_control(self, control: int) -> None:
        """Write DR7.  EINVAL if one of the breakpoints cannot be as it says; then none is changed (ptrace_write_dr7)."""
        breakpoints = list(self.breakpoints)
        effective = control & ~DR_CONTROL_RESERVED
        for number, old in enumerate(breakpoints):
            length, kind, enabled = _decode(effective, number)
            if old is not None or enabled:
                address = old.address if old is not None else 0
                breakpoints[number] = Breakpoint(address, length, kind, enabled).check()
        self.breakpoints = breakpoints
        self.control = control

    def runner(self, cpu: Cpu) -> Runner:
        """Return what runs the thread: ``cpu.run``, or the slower one when something is switched on."""
        points = tuple(
            Watchpoint(1 << number, b.kind, b.address, b.length)
            for number, b in enumerate(self.breakpoints)
            if b is not None and b.enabled
        )
        if not points and not self.block_step:
            return cpu.run
        watch = Watch(points, self.block_step)
        return lambda state, tables, budget: cpu.run_watched(state, tables, budget, watch)


def _registers(t: Thread) -> DebugRegisters:
    if t.debug is None:
        t.debug = DebugRegisters()
    return t.debug


def get_debug_register(t: Thread, number: int) -> int:
    """PTRACE_PEEKUSER of DR0 to DR7 (ptrace_get_debugreg)."""
    if number == 6:
        return t.debug_status ^ DR6_RESERVED
    debug = t.debug
    if debug is None:
        return 0
    if number < HBP_NUM:
        breakpoint = debug.breakpoints[number]
        return breakpoint.address if breakpoint is not None else 0
    return debug.control if number == 7 else 0


def set_debug_register(t: Thread, number: int, value: int) -> None:
    """PTRACE_POKEUSER of DR0 to DR7.  EINVAL; EIO for DR4 and DR5, which do not exist (ptrace_set_debugreg)."""
    if number < HBP_NUM:
        _registers(t).set_address(number, value)
    elif number == 6:
        t.debug_status = value ^ DR6_RESERVED
    elif number == 7:
        _registers(t).set_control(value)
    else:
        raise Errno.EIO


def set_block_step(t: Thread, on: bool) -> None:
    """Make single-stepping stop at taken branches only, or at every instruction again (set_task_blockstep)."""
    if on:
        _registers(t).block_step = True
    elif t.debug is not None:
        t.debug.block_step = False


def inherit(child: Thread, t: Thread) -> None:
    """A new thread has the values but not the breakpoints (copy_thread)."""
    child.debug_status = t.debug_status
    child.debug = DebugRegisters(t.debug.control) if t.debug is not None else None


def flush(t: Thread) -> None:
    """Forget everything (flush_ptrace_hw_breakpoint, at execve)."""
    t.debug_status = 0
    if t.debug is not None:
        t.debug = None
        t.kernel.sched.resched(t)  # what runs the thread was chosen when its slice began


def hit(t: Thread, status: int) -> None:
    """A debug exception came for the reasons in ``status``: show them in DR6 (exc_debug_user).

    The processor ends block-stepping; and the instruction under a breakpoint must be executed when the thread goes on.
    """
    t.debug_status = status & (DR_STEP | DR_TRAP_BITS)
    debug = t.debug
    if debug is None:
        return
    debug.block_step = False
    for number, breakpoint in enumerate(debug.breakpoints):
        if breakpoint is not None and status >> number & 1 and breakpoint.kind == WATCH_EXECUTE:
            t.cpu.eflags |= EFLAGS_RF
