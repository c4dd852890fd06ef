"""Generating signals: from "somebody sends signo" to "this thread is woken to take it" (signal(7), kernel/signal.c).

A signal is sent to a thread or to a process.  Sending acts in three steps.  ``_prepare``: stop signals and SIGCONT
cancel each other, SIGCONT acts on stopped threads at once, and what would be ignored is dropped.  Queueing: one instance
of a standard signal, all of a real-time one.  ``_complete``: choose a living thread that does not block it and wake it,
or, if the signal is certainly fatal, start the exit of the whole process here and now.

A process is represented by ``rep``, which is alive while any thread is, so no signal is ever judged by, or given to, a
corpse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.errno import Errno
from kernel.pid import ns_of
from kernel.rlimit import RLIMIT_SIGPENDING
from kernel.signal import (
    CONT_MASK,
    COREDUMP_MASK,
    KERNEL_ONLY_MASK,
    KILL_MASK,
    SA_IMMUTABLE,
    SI_KERNEL,
    SI_USER,
    SIG_DFL,
    SIG_IGN,
    SIGCONT,
    SIGKILL,
    SIGRTMIN,
    SIGSEGV,
    STOP_MASK,
    SigAction,
    SigInfo,
    SigQueue,
)
from kernel.signal_pending import (
    JOBCTL_LISTENING,
    JOBCTL_PENDING_MASK,
    JOBCTL_STOP_PENDING,
    JOBCTL_TRAP_NOTIFY,
    clear_jobctl_pending,
    flush_signals,
    set_jobctl_pending,
)
from kernel.task import STOPPED, TRACED, WORK_SIGNAL
from kernel.user_ns import uid_for

if TYPE_CHECKING:
    from kernel.pid import Pid
    from kernel.task import Process, Thread

PT_SEIZED: Final = 0x00010000
"""Thread.ptrace: attached by PTRACE_SEIZE."""


# -- siginfo ----------------------------------------------------------------------------------------------------------
def kernel_info(signo: int) -> SigInfo:
    """Return the siginfo of a signal the kernel itself generates (SEND_SIG_PRIV)."""
    return SigInfo(signo, code=SI_KERNEL)


def user_info(sender: Thread, target: Thread, signo: int, code: int = SI_USER) -> SigInfo:
    """Return the siginfo of kill(2) and friends: the sender's pid as the target sees it (0 if invisible) and real uid."""
    return SigInfo(signo, code=code, pid=sender.process.tgid_pid.nr_in(ns_of(target)), uid=uid_for(target, sender.cred.uid))


def from_ancestor(sender: Thread, target: Thread) -> bool:
    """Tell whether the sender is invisible in the target's pid namespace: then SIGKILL and SIGSTOP reach even an init."""
    return sender.process.tgid_pid.nr_in(ns_of(target)) == 0


# -- ignoring ---------------------------------------------------------------------------------------------------------
def is_global_init(process: Process) -> bool:
    """Tell whether this is the init of the initial pid namespace, and protected as such."""
    pid = process.tgid_pid
    return process.unkillable and pid.nr == 1 and len(pid.numbers) == 1


def _task_ignores(t: Thread, signo: int, force: bool) -> bool:
    """Tell whether delivering ``signo`` to ``t`` would do nothing (sig_task_ignored)."""
    process = t.process
    if process.unkillable:
        kernel_only = KERNEL_ONLY_MASK >> (signo - 1) & 1 == 1
        # Patch 9 (86989c41b5ea): nothing kills or stops the global init, whoever sends it.
        if kernel_only and is_global_init(process):
            return True
        if t.sighand.actions[signo].handler == SIG_DFL and not (force and kernel_only):
            return True
    return t.sighand.ignores(signo)


def signal_ignored(t: Thread, signo: int, force: bool) -> bool:
    """Tell whether ``signo`` is dropped when sent to ``t`` (sig_ignored).

    A blocked signal is kept, because its action may have changed when it is unblocked; a tracer may want to see even an
    ignored one.
    """
    if (t.blocked | t.real_blocked) >> (signo - 1) & 1:
        return False
    if t.ptrace and signo != SIGKILL:
        return False
    return _task_ignores(t, signo, force)


# -- generation -------------------------------------------------------------------------------------------------------
def _prepare(t: Thread, signo: int, force: bool) -> bool:
    """Let stop signals and SIGCONT act on the queues; return False if the signal is to be dropped (prepare_signal)."""
    process = t.process
    if process.group_exit:
        # "The process is in the middle of dying, drop the signal."
        return process.core_state is not None and signo == SIGKILL
    if t.exiting:
        return False
    bit = 1 << (signo - 1)
    if bit & STOP_MASK:
        flush_signals(process, CONT_MASK)
    elif signo == SIGCONT:
        _continue(process)
    return not signal_ignored(t, signo, force)


def _report_undelivered(t: Thread, info: SigInfo) -> None:
    """Tell who watches of a signal that will not be delivered."""
    watch = t.kernel.watch
    if watch is not None and not t.process.group_exit and not t.exiting:
        watch.undelivered(t, info)


def _continue(process: Process) -> None:
    """SIGCONT was generated: it continues a stopped process even if it is blocked, ignored or caught.

    Patch 23: while a group stop is still under way nobody is woken; the stop completes and is reported first, then
    ``jobctl.complete_group_stop`` continues everybody.
    """
    flush_signals(process, STOP_MASK)
    if process.group_stop_count and process.kernel.semantics.stop_before_continue:
        process.wakeup_pending = True
        return
    wake_stopped(process)


def wake_stopped(process: Process) -> None:
    """End a completed group stop: wake every stopped thread; the first to run tells the parent (CLD_CONTINUED)."""
    for t in process.threads:
        if t.exiting:
            continue
        clear_jobctl_pending(t, JOBCTL_STOP_PENDING)
        if t.ptrace & PT_SEIZED:
            ptrace_trap_notify(t)
        elif t.state is STOPPED:
            t.kernel.sched.wake(t)
    if process.stop_stopped:
        process.stop_stopped = False
        process.cld_stopped = False
        process.cld_continued = True
        process.stop_continued = True
        process.group_exit_code = 0
    elif process.group_stop_count:
        # Mainline: the stop is cut short, and reported as if it had happened.
        process.group_stop_count = 0
        process.cld_stopped = True
        process.stop_continued = True
        process.group_exit_code = 0


def send_signal(target: Thread, info: SigInfo, group: bool, force: bool = False) -> None:
    """Send a signal to a thread, or with ``group`` to its process (__send_signal_locked).

    ``force``: SIGKILL and SIGSTOP reach the init of a pid namespace (the sender is the kernel or in an ancestor).  No
    permission is checked here.  Raises EAGAIN if a queued real-time signal exceeds RLIMIT_SIGPENDING.
    """
    process = target.process
    t = process.living_thread if group else target
    signo = info.signo
    if not _prepare(t, signo, force or info.code == SI_KERNEL):
        _report_undelivered(t, info)
        return
    pending = process.shared_pending if group else t.pending
    if signo < SIGRTMIN and pending.mask >> (signo - 1) & 1:
        return
    entry: SigQueue | None = None
    if signo != SIGKILL:
        # Standard signals of kill(2) and of the kernel are always recorded; what sigqueue(3) sends is limited.
        entry = allocate(t, info, unlimited=signo < SIGRTMIN and info.code >= 0)
        if entry is None and signo >= SIGRTMIN and info.code != SI_USER:
            raise Errno.EAGAIN
    pending.add(signo, entry)
    _complete(t, signo, group)


def allocate(t: Thread, info: SigInfo, unlimited: bool) -> SigQueue | None:
    """Return a queue entry charged to the real user of ``t``, None beyond RLIMIT_SIGPENDING (sigqueue_alloc)."""
    counts, uid = t.kernel.sigqueue_counts, t.cred.uid
    if not unlimited and counts.get(uid, 0) >= t.process.rlimits.soft(RLIMIT_SIGPENDING):
        return None
    return SigQueue(info, counts, uid)


def send_sigqueue(target: Thread, entry: SigQueue, group: bool) -> bool:
    """Queue a timer's own entry (send_sigqueue); return False if the signal is ignored or the target is dying.

    The caller counts an overrun instead of calling this while ``entry.queued``.
    """
    process = target.process
    t = process.living_thread if group else target
    signo = entry.info.signo
    if t.exiting or not _prepare(t, signo, False):
        return False
    (process.shared_pending if group else t.pending).add(signo, entry)
    _complete(t, signo, group)
    return True


def send_sig(process: Process, signo: int) -> None:
    """Send a signal of the kernel's own to a process (SEND_SIG_PRIV): alarms, limits, the terminal."""
    send_signal(process.rep, SigInfo(signo, code=SI_KERNEL), group=True, force=True)


def send_sig_self(t: Thread, signo: int) -> None:
    """Send a signal to the calling thread in its own name, as SIGPIPE and SIGXFSZ are (``send_sig(sig, current, 0)``)."""
    send_signal(t, user_info(t, t, signo), group=False)


def kill_pgrp(pgrp: Pid, signo: int) -> None:
    """Send a signal of the kernel's own to every process of a process group (kill_pgrp with priv)."""
    for process in list(pgrp.pgrp):
        send_sig(process, signo)


# -- choosing the thread ----------------------------------------------------------------------------------------------
def _wants(t: Thread, signo: int) -> bool:
    """Tell whether ``t`` is a good thread to take ``signo`` (wants_signal)."""
    if t.blocked >> (signo - 1) & 1 or t.exiting:
        return False
    if signo == SIGKILL:
        return True
    if t.state is STOPPED or t.state is TRACED:
        return False
    return not t.work & WORK_SIGNAL


def _choose(t: Thread, signo: int, group: bool) -> Thread | None:
    """Return the thread to wake: ``t`` gets first crack, then the others in turn from ``curr_target``."""
    if _wants(t, signo):
        return t
    process = t.process
    threads = process.threads
    if not group or len(threads) == 1:
        return None
    start = threads.index(process.curr_target) if process.curr_target in threads else 0
    for other in threads[start:] + threads[:start]:
        if _wants(other, signo):
            process.curr_target = other
            return other
    return None


def _is_fatal(t: Thread, signo: int) -> bool:
    """Tell whether the default action of ``signo`` applies and ends the process (sig_fatal)."""
    bit = 1 << (signo - 1)
    if bit & STOP_MASK or (t.process.unkillable and not bit & KERNEL_ONLY_MASK):
        return False
    return not t.sighand.ignores(signo) and t.sighand.actions[signo].handler == SIG_DFL


def _complete(t: Thread, signo: int, group: bool) -> None:
    """A signal was queued: wake a thread to take it, or start the exit it means (complete_signal)."""
    process = t.process
    readers = t.sighand.signalfd_wait
    if readers:
        readers.wake_all(signo)
    chosen = _choose(t, signo, group)
    if chosen is None:
        return
    bit = 1 << (signo - 1)
    if (
        _is_fatal(t, signo)
        and (process.core_state is not None or not process.group_exit)
        and not chosen.real_blocked & bit
        and (signo == SIGKILL or not t.ptrace)
        and not bit & COREDUMP_MASK
    ):
        pending = process.shared_pending if group else t.pending
        info = next((entry.info for entry in pending.queue if entry.info.signo == signo), SigInfo(signo))
        _report_undelivered(chosen, info)
        start_group_exit(process, signo)
        return
    chosen.kernel.sched.signal_wake(chosen, signo == SIGKILL)


def start_group_exit(process: Process, code: int, but: Thread | None = None) -> None:
    """Begin the exit of a whole process with wait status ``code``: every living thread gets SIGKILL (not ``but``, which
    is on its way out by itself); group stops and traps are cancelled."""
    process.group_exit = True
    process.group_exit_code = code
    end_group_stop(process)
    for t in process.threads:
        if not t.exiting:
            clear_jobctl_pending(t, JOBCTL_PENDING_MASK)
            if t is not but:
                kill_thread(t)


def zap_other_threads(t: Thread) -> int:
    """Kill every other living thread of the process (exec); return how many have not finished their exit."""
    process = t.process
    count = 0
    end_group_stop(process)
    for other in process.threads:
        if other is t:
            continue
        clear_jobctl_pending(other, JOBCTL_PENDING_MASK)
        if not other.exit_state:
            count += 1
            if not other.exiting:
                kill_thread(other)
    return count


def end_group_stop(process: Process) -> None:
    """Forget the group stop a process is in or on its way to."""
    process.group_stop_count = 0
    process.wakeup_pending = False
    process.stop_stopped = process.stop_continued = False
    process.cld_stopped = process.cld_continued = False


def kill_thread(t: Thread) -> None:
    """Give one thread the SIGKILL that ends it, whatever it does."""
    t.pending.mask |= KILL_MASK
    t.kernel.sched.signal_wake(t, True)


def ptrace_trap_notify(t: Thread) -> None:
    """Make a seized tracee trap again so that its tracer sees a change of the group stop (ptrace_trap_notify)."""
    set_jobctl_pending(t, JOBCTL_TRAP_NOTIFY)
    if t.jobctl & JOBCTL_LISTENING and t.state is TRACED:
        t.jobctl &= ~JOBCTL_LISTENING
        t.kernel.sched.wake(t)
    t.kernel.sched.signal_wake(t, False)


# -- signals that cannot be refused -----------------------------------------------------------------------------------
def force_signal(t: Thread, info: SigInfo, default: bool = False) -> None:
    """Send a synchronous signal that ``t`` cannot refuse (force_sig_info_to_task).

    If it is blocked or ignored, or with ``default``, its action becomes SIG_DFL, which is fatal, for an init too.
    """
    signo = info.signo
    bit = 1 << (signo - 1)
    action = t.sighand.actions[signo]
    blocked = t.blocked & bit
    if blocked or default or action.handler == SIG_IGN:
        action = action._replace(handler=SIG_DFL)
        t.sighand.actions[signo] = action
        t.blocked &= ~bit
    if action.handler == SIG_DFL and not t.ptrace:
        t.process.unkillable = False
    send_signal(t, info, group=False)
    if not t.work & WORK_SIGNAL:
        # It may have been pending and blocked before: then sending did nothing.
        t.kernel.sched.signal_wake(t, False)


def raise_signal(t: Thread, info: SigInfo) -> SigInfo | None:
    """Send a synchronous signal as ``force_signal`` does, or return it if queueing it would be seen by nobody: ``t`` is traced,
    takes the signal as it is, and has nothing else to look at before.

    Linux queues it (force_sig_info_to_task) and takes it out again in get_signal, a moment in which nothing else runs.
    """
    signo = info.signo
    if (
        t.ptrace
        and not t.work & WORK_SIGNAL
        and not t.blocked >> (signo - 1) & 1
        and t.sighand.actions[signo].handler != SIG_IGN
        and not t.sighand.signalfd_wait
    ):
        return info
    force_signal(t, info)
    return None


def force_exit_sig(t: Thread, info: SigInfo) -> None:
    """Kill ``t``'s process by a signal nobody can catch or trace away (HANDLER_EXIT: seccomp)."""
    actions = t.sighand.actions
    action = actions[info.signo]
    actions[info.signo] = SigAction(SIG_DFL, action.flags | SA_IMMUTABLE, action.restorer, action.mask)
    t.process.unkillable = False
    force_signal(t, info, default=True)


def force_sigsegv(t: Thread, signo: int) -> None:
    """The frame of a handler for ``signo`` could not be built or read: SIGSEGV, fatal if it was SIGSEGV's own."""
    force_signal(t, kernel_info(SIGSEGV), default=signo == SIGSEGV)
