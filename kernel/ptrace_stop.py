"""How a tracee stops: every ptrace stop goes through ``ptrace_stop`` (ptrace(2), "Stopped states"; kernel/signal.c).

What kinds of stops there are says ``ptrace_states``.  The stopped thread sleeps in TRACED state until its tracer resumes
it, lets go of it, dies, or SIGKILL comes.  What the stop reports to wait(2) is ``stop_code``; the tracer's answer, a signal
number, comes back in the same place.
"""

from __future__ import annotations

from functools import lru_cache

from kernel import ptrace
from kernel.jobctl import continue_after_stop, notify_parent_cldstop, participate_group_stop
from kernel.pid import ns_of
from kernel.ptrace import EVENT_EXEC, EVENT_EXIT, EVENT_STOP, PT_PTRACED, PT_SEIZED, PT_TRACESYSGOOD, reparented
from kernel.ptrace_states import stop_kind
from kernel.signal import CLD_STOPPED, CLD_TRAPPED, NSIG, SI_KERNEL, SI_USER, SIGTRAP, TRAP_BRKPT, SigInfo
from kernel.signal_pending import (
    JOBCTL_LISTENING,
    JOBCTL_STOP_DEQUEUED,
    JOBCTL_STOP_PENDING,
    JOBCTL_STOP_SIGMASK,
    JOBCTL_TRAP_NOTIFY,
    JOBCTL_TRAP_STOP,
    JOBCTL_TRAPPING,
    clear_jobctl_pending,
    fatal_signal_pending,
    recalc_sigpending,
)
from kernel.signal_send import force_signal, send_sig_self, send_signal
from kernel.task import TRACED, Thread
from kernel.user_ns import uid_for
from kernel.waitqueue import KILLABLE, Block, Blocking

MESSAGE_SYSCALL_ENTRY = 1
MESSAGE_SYSCALL_EXIT = 2
"""PTRACE_EVENTMSG_*: ``ptrace_message`` in a syscall stop."""
X86_TRAP_DB = 1


def _tracer(t: Thread) -> str:
    return f"its tracer {t.parent.tid if t.parent is not None else 0} ({stop_kind(t).name})"


_STOPPED = Block("ptrace_stop", state=KILLABLE, who=_tracer)
"""No queue: the tracer and SIGKILL wake the thread itself."""


def ptrace_stop(
    t: Thread, code: int, why: int, message: int, info: SigInfo | None
) -> Blocking[tuple[int, SigInfo | None]]:
    """Stop for the tracer with ``code`` for its wait; return the signal number it resumes the thread with, and ``info`` as
    it left it.

    ``why``: CLD_TRAPPED, or CLD_STOPPED if the stop belongs to a group stop.  ``message``, ``info``: what
    PTRACE_GETEVENTMSG and PTRACE_GETSIGINFO show.  Returns ``code`` at once if nobody traces ``t`` or SIGKILL is pending.
    """
    if not t.ptrace or fatal_signal_pending(t):
        return code, info
    t.state = TRACED
    t.ptrace_message = message
    t.last_siginfo = info
    t.stop_code = code
    complete = notified = False
    if t.jobctl:
        complete = why == CLD_STOPPED and t.jobctl & JOBCTL_STOP_PENDING != 0 and participate_group_stop(t)
        # Any trap makes up for a stop trap; only a stop trap tells of a change of the group stop.
        clear_jobctl_pending(t, JOBCTL_TRAP_STOP)
        notified = t.jobctl & JOBCTL_TRAP_NOTIFY != 0
        if info is not None and info.code >> 8 == EVENT_STOP:
            clear_jobctl_pending(t, JOBCTL_TRAP_NOTIFY)
            notified = False
        t.jobctl &= ~JOBCTL_TRAPPING
    # Patch 25: what a tracer hears of is a trap, whatever the reason, as its wait says.
    tracer_why = CLD_TRAPPED if t.kernel.semantics.always_trapped else why
    if complete:
        _notify_completed(t, tracer_why, notified)
        continue_after_stop(t.process)
    else:
        notify_parent_cldstop(t, True, tracer_why)
    yield _STOPPED
    code, info = t.stop_code, t.last_siginfo
    t.last_siginfo = None
    t.ptrace_message = 0
    t.stop_code = 0
    t.jobctl &= ~JOBCTL_LISTENING
    recalc_sigpending(t)
    return code, info


def _notify_completed(t: Thread, tracer_why: int, notified: bool) -> None:
    """Tell of a trap that completes a group stop: the tracer of the trap, the real parent of the stop."""
    semantics = t.kernel.semantics
    same_parent = not reparented(t)
    if semantics.identical_stop_once:
        # Patch 24: one report may stand for both only if both would be about the same pid and the same stop.
        identical = same_parent and t.pid is t.process.tgid_pid and not notified
        if not identical:
            notify_parent_cldstop(t, True, tracer_why)
        notify_parent_cldstop(t, False, CLD_STOPPED)
        return
    notify_parent_cldstop(t, True, tracer_why)
    if not same_parent:
        notify_parent_cldstop(t, False, CLD_STOPPED)


@lru_cache(maxsize=64)
def _trap_info(signo: int, code: int, pid: int, uid: int) -> SigInfo:
    """The same at every system call of a tracee, so made once."""
    return SigInfo(signo, code=code, pid=pid, uid=uid)


def _notify(t: Thread, signo: int, code: int, why: int, message: int) -> Blocking[tuple[int, SigInfo | None]]:
    info = _trap_info(signo, code, t.pid.numbers[-1][1], uid_for(t, t.cred.uid))
    return ptrace_stop(t, code, why, message, info)


def ptrace_notify(t: Thread, code: int, message: int = 0) -> Blocking[int]:
    """Stop with a SIGTRAP of the kernel's own; ``code`` is the wait status >> 8 (ptrace_notify).

    Returns the signal the tracer resumes it with."""
    return (yield from _notify(t, SIGTRAP, code, CLD_TRAPPED, message))[0]


# -- signals and group stops ------------------------------------------------------------------------------------------
def ptrace_signal(t: Thread, info: SigInfo, group: bool) -> Blocking[SigInfo | None]:
    """Let the tracer see a signal before it is delivered (signal-delivery-stop).

    Returns the signal to go on with: the same, another one, or None to forget it.  ``group``: it came from the process's
    queue, where it goes back to if it cannot be delivered any more.
    """
    # The tracer may inject a stop signal; do_signal_stop obeys unless a SIGCONT clears this meanwhile.
    t.jobctl |= JOBCTL_STOP_DEQUEUED
    signo, answer = yield from ptrace_stop(t, info.signo, CLD_TRAPPED, 0, info)
    if signo == 0:
        return None
    info = answer or info  # as PTRACE_SETSIGINFO left it
    if signo != info.signo:
        sender = t.parent
        if sender is not None:
            info = SigInfo(signo, code=SI_USER, pid=sender.pid.nr_in(ns_of(t)), uid=uid_for(t, sender.cred.uid))
        else:
            info = SigInfo(signo)
    if t.blocked >> (signo - 1) & 1 or fatal_signal_pending(t):
        send_signal(t, info, group=group)
        return None
    return info


def jobctl_trap(t: Thread) -> Blocking[None]:
    """Trap because of a group stop, a change of it, or PTRACE_INTERRUPT (do_jobctl_trap)."""
    process = t.process
    signo = t.jobctl & JOBCTL_STOP_SIGMASK
    if t.ptrace & PT_SEIZED:
        if not process.group_stop_count and not process.stop_stopped:
            signo = SIGTRAP
        yield from _notify(t, signo, signo | EVENT_STOP << 8, CLD_STOPPED, 0)
    else:
        yield from ptrace_stop(t, signo, CLD_STOPPED, 0, None)


# -- events -----------------------------------------------------------------------------------------------------------
def ptrace_event(t: Thread, event: int, message: int) -> Blocking[None]:
    """Stop for ``event`` (EVENT_*) if the tracer asked for it (ptrace_event).

    Execve has a report for tracers that did not: a plain SIGTRAP, but not for those that seized.
    """
    if ptrace.event_enabled(t, event):
        yield from ptrace_notify(t, event << 8 | SIGTRAP, message)
    elif event == EVENT_EXEC and t.ptrace & (PT_PTRACED | PT_SEIZED) == PT_PTRACED:
        send_sig_self(t, SIGTRAP)


def event_exit(t: Thread, code: int) -> Blocking[None]:
    """Stop a tracee that is about to exit with wait status ``code``, if its tracer asked for it (PTRACE_EVENT_EXIT)."""
    return ptrace_event(t, EVENT_EXIT, code)


# -- system calls -----------------------------------------------------------------------------------------------------
def _report_syscall(t: Thread, message: int) -> Blocking[bool]:
    """Stop at a system call; return True if the thread is to die (ptrace_report_syscall)."""
    if t.ptrace:
        code = SIGTRAP | 0x80 if t.ptrace & PT_TRACESYSGOOD else SIGTRAP
        signo, _ = yield from _notify(t, SIGTRAP, code, CLD_TRAPPED, message)
        if signo and not fatal_signal_pending(t) and signo <= NSIG:
            send_signal(t, SigInfo(signo, code=SI_KERNEL), group=False)
    return fatal_signal_pending(t)


def report_syscall_entry(t: Thread) -> Blocking[bool]:
    """Syscall-enter-stop; returns False if the call is not to be executed."""
    emulate = t.trace_flags & ptrace.TRACE_EMU
    dying = yield from _report_syscall(t, MESSAGE_SYSCALL_ENTRY)
    return not (dying or emulate)


def report_syscall_exit(t: Thread) -> Blocking[None]:
    """Syscall-exit-stop, or the trap of a step over a system call (syscall_exit_work)."""
    flags = t.trace_flags
    if flags & ptrace.TRACE_STEP and not flags & ptrace.TRACE_EMU:
        # user_single_step_report(): the instruction was stepped, but the processor could not say so.
        t.trap_frame = (X86_TRAP_DB, 0, t.trap_frame[2])
        force_signal(t, SigInfo(SIGTRAP, code=TRAP_BRKPT, addr=t.cpu.rip))
    elif flags & ptrace.TRACE_SYSCALL:
        yield from _report_syscall(t, MESSAGE_SYSCALL_EXIT)
