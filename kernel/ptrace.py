"""Tracing: who traces whom (ptrace(2), kernel/ptrace.c).

Tracing is a link between two threads.  ``t.parent`` is the tracer of a traced thread, the thread that attached and no
other of its process; ``t.ptraced`` are a tracer's tracees; ``t.ptrace`` says how and with which options.  A link comes
about in four ways: the tracee asks for it (PTRACE_TRACEME), the tracer attaches (PTRACE_ATTACH, which also sends
SIGSTOP, or PTRACE_SEIZE, which disturbs nothing), or a tracee makes a child its options extend to.  It ends when the
tracer lets go, when it dies, or when the tracee is reaped.

The stops themselves are in ``ptrace_stop``, what a tracer may do to a stopped tracee in ``ptrace_request``.  What becomes
of a dead tracee is told in ``exit``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.hw_breakpoint import set_block_step
from kernel.segments import linear_ip
from kernel.signal import SIGSTOP
from kernel.signal_pending import (
    JOBCTL_STOP_PENDING,
    JOBCTL_TRAP_MASK,
    JOBCTL_TRAP_STOP,
    JOBCTL_TRAPPING,
    clear_jobctl_pending,
    recalc_sigpending,
    set_jobctl_pending,
)
from kernel.task import STOPPED, TRACED, WORK_SIGNAL, WORK_TRACE, Thread
from kernel.waitqueue import INTERRUPTIBLE

if TYPE_CHECKING:
    from kernel.cred import Cred

# Thread.ptrace (include/linux/ptrace.h): how, and the options shifted.
PT_PTRACED: Final = 0x00000001
PT_SEIZED: Final = 0x00010000
PT_OPT_SHIFT: Final = 3

# Options (PTRACE_SETOPTIONS); bit n asks for event n.
O_TRACESYSGOOD: Final = 0x1
O_TRACEFORK: Final = 0x2
O_TRACEVFORK: Final = 0x4
O_TRACECLONE: Final = 0x8
O_TRACEEXEC: Final = 0x10
O_TRACEVFORKDONE: Final = 0x20
O_TRACEEXIT: Final = 0x40
O_TRACESECCOMP: Final = 0x80
O_EXITKILL: Final = 0x100000
O_SUSPEND_SECCOMP: Final = 0x200000
O_MASK: Final = 0x3000FF

PT_TRACESYSGOOD: Final = O_TRACESYSGOOD << PT_OPT_SHIFT
PT_EXITKILL: Final = O_EXITKILL << PT_OPT_SHIFT
PT_SUSPEND_SECCOMP: Final = O_SUSPEND_SECCOMP << PT_OPT_SHIFT

# Events: the third byte of a wait status.
EVENT_FORK: Final = 1
EVENT_VFORK: Final = 2
EVENT_CLONE: Final = 3
EVENT_EXEC: Final = 4
EVENT_VFORK_DONE: Final = 5
EVENT_EXIT: Final = 6
EVENT_SECCOMP: Final = 7
EVENT_STOP: Final = 128

# Thread.trace_flags: how the tracer last resumed it.
TRACE_SYSCALL: Final = 1
"""PTRACE_SYSCALL: stop at entry and exit of system calls (SYSCALL_WORK_SYSCALL_TRACE)."""
TRACE_EMU: Final = 2
"""PTRACE_SYSEMU: stop at entry and do not execute the call (SYSCALL_WORK_SYSCALL_EMU)."""
TRACE_STEP: Final = 4
"""PTRACE_SINGLESTEP (TIF_SINGLESTEP): a trap after each instruction, and one at the end of a system call."""
TRACE_FORCED_TF: Final = 8
"""The trap flag is the debugger's, not the program's own (TIF_FORCED_TF): PTRACE_GETREGS does not show it."""
TRACE_BLOCK: Final = 32
"""PTRACE_SINGLEBLOCK, together with TRACE_STEP: a trap after each taken branch."""
TRACE_CHANGED: Final = 16
"""The tracer has written registers since the system call was entered: number and arguments are to be read anew."""
EFLAGS_TF: Final = 0x100
MAX_INSN_SIZE: Final = 15
_PREFIXES: Final = bytes((0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3, *range(0x40, 0x50)))


def reparented(t: Thread) -> bool:
    """Tell whether ``t`` is traced from outside the process of its real parent (ptrace_reparented)."""
    if not t.ptrace or t.parent is None:
        return False
    return t.real_parent is None or t.parent.process is not t.real_parent.process


def event_enabled(t: Thread, event: int) -> bool:
    """Tell whether the tracer of ``t`` asked for an event (ptrace_event_enabled)."""
    return t.ptrace >> (PT_OPT_SHIFT + event) & 1 == 1


# -- links ------------------------------------------------------------------------------------------------------------
def link(t: Thread, tracer: Thread, cred: Cred | None, flags: int) -> None:
    """Make ``tracer`` trace ``t``; ``cred`` are the credentials that count when ``t`` executes a set-id program
    (__ptrace_link)."""
    t.ptrace = flags
    t.parent = tracer
    t.ptracer_cred = cred
    tracer.ptraced[t] = None


def unlink(t: Thread) -> None:
    """Undo the tracing of ``t`` (__ptrace_unlink): it goes back to the group stop its process is in, else it runs.

    Threads of the tracer's process that wait look again: this may have been the last they could wait for.  Mainline wakes
    nobody.
    """
    if not t.ptrace:
        return
    if t.parent is not None:
        t.parent.ptraced.pop(t, None)
        if t.kernel.semantics.traced_first_exit:
            t.parent.process.chldexit.wake_all(t.pid)
    set_trace_flags(t, t.trace_flags & ~(TRACE_SYSCALL | TRACE_EMU))
    t.ptrace = 0
    t.parent = t.real_parent
    t.ptracer_cred = None
    clear_jobctl_pending(t, JOBCTL_TRAP_MASK)
    t.jobctl &= ~JOBCTL_TRAPPING
    if t.exiting:
        return
    process = t.process
    if process.stop_stopped or process.group_stop_count:
        t.jobctl |= JOBCTL_STOP_PENDING
    if t.jobctl & JOBCTL_STOP_PENDING or t.state is TRACED:
        resume_trap(t, True)


def resume_trap(t: Thread, resume: bool) -> None:
    """Make ``t`` look at its signals and traps; with ``resume`` end its ptrace stop too (ptrace_signal_wake_up)."""
    t.work |= WORK_SIGNAL
    block = t.block
    if block is None:
        return
    if t.state is TRACED:
        if resume:
            t.kernel.sched.wake(t)
    elif t.state is not STOPPED and block.state == INTERRUPTIBLE:
        t.kernel.sched.wake(t)


def set_trace_flags(t: Thread, flags: int) -> None:
    """Set ``t.trace_flags`` and what follows from it: the slow path of system calls."""
    t.trace_flags = flags
    watched = t.kernel.watch is not None or t.user_dispatch is not None
    if flags & (TRACE_SYSCALL | TRACE_EMU | TRACE_STEP) or watched:
        t.work |= WORK_TRACE
    else:
        t.work &= ~WORK_TRACE


def _is_setting_trap_flag(t: Thread) -> bool:
    """Tell whether the next instruction loads the flags: POPF or IRET behind any prefixes (is_setting_trap_flag)."""
    mm = t.mm
    if mm is None:
        return False
    rip = linear_ip(t) if mm.ldt else t.cpu.rip
    code = mm.read_code(rip)
    if code in _PREFIXES:
        return mm.copy_in_partial(rip, MAX_INSN_SIZE, True).lstrip(_PREFIXES)[:1] in (b"\x9d", b"\xcf")
    return code in (0x9D, 0xCF)


def single_step(t: Thread, on: bool, blocks: bool = False) -> None:
    """Switch the debugger's single-stepping of ``t``; with ``blocks`` from branch to branch (user_enable_single_step,
    user_enable_block_step, user_disable_single_step)."""
    if blocks or t.debug is not None:
        set_block_step(t, blocks)
    flags = t.trace_flags
    if on:
        eflags = t.cpu.eflags
        if not eflags & EFLAGS_TF:
            t.cpu.eflags = eflags | EFLAGS_TF
        if _is_setting_trap_flag(t):
            flags &= ~TRACE_FORCED_TF  # what the instruction leaves in the flag is the program's own
        elif not eflags & EFLAGS_TF and not flags & TRACE_STEP:
            flags |= TRACE_FORCED_TF
        flags |= TRACE_STEP
    elif flags & (TRACE_STEP | TRACE_FORCED_TF):
        if flags & TRACE_FORCED_TF:
            t.cpu.eflags &= ~EFLAGS_TF
        flags &= ~(TRACE_STEP | TRACE_FORCED_TF)
    if flags != t.trace_flags:
        set_trace_flags(t, flags)


def inherit(child: Thread, t: Thread) -> None:
    """A tracee ``t`` made ``child``, to which the tracing extends: it will stop before its first instruction
    (ptrace_init_task)."""
    if not t.ptrace or t.parent is None:
        return
    link(child, t.parent, t.ptracer_cred, t.ptrace)
    if child.ptrace & PT_SEIZED:
        set_jobctl_pending(child, JOBCTL_TRAP_STOP)
    else:
        child.pending.add(SIGSTOP, None)
    recalc_sigpending(child)
