"""Job control: group stops, what the parent is told of them, and orphaned process groups (credentials(7)).

A *group stop* begins when some thread takes a stop signal whose action is the default.  Every living thread is then asked
to stop (JOBCTL_STOP_PENDING), does so when it next passes the border of user mode, and the stop is complete, and told
to the parent, when the last one has.  So a thread in an uninterruptible sleep delays the report, and SIGCONT before it
is remembered (patch 23, ``Process.wakeup_pending``).  Traced threads take part by trapping instead.

A process group is *orphaned* when no member's parent is in another group of the same session: nobody could continue it,
so terminal stops do not stop it, and members stopped at the moment it becomes orphaned get SIGHUP and SIGCONT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel import ptrace
from kernel.pid import ns_of
from kernel.signal import (
    CLD_CONTINUED,
    CLD_STOPPED,
    CLD_TRAPPED,
    SA_NOCLDSTOP,
    SIG_IGN,
    SIGCHLD,
    SIGCONT,
    SIGHUP,
    SigInfo,
)
from kernel.signal_pending import (
    JOBCTL_STOP_CONSUME,
    JOBCTL_STOP_DEQUEUED,
    JOBCTL_STOP_PENDING,
    JOBCTL_STOP_SIGMASK,
    JOBCTL_TRAP_STOP,
    clear_jobctl_pending,
    recalc_sigpending,
    set_jobctl_pending,
)
from kernel.signal_send import (
    PT_SEIZED,
    is_global_init,
    kill_pgrp,
    ptrace_trap_notify,
    send_signal,
    signal_ignored,
    wake_stopped,
)
from kernel.task import RUNNING, STOPPED
from kernel.user_ns import uid_for
from kernel.waitqueue import KILLABLE, UNINTERRUPTIBLE, Block, Blocking

if TYPE_CHECKING:
    from kernel.pid import Pid
    from kernel.task import Process, Thread

_STOPPED = Block("do_signal_stop", state=KILLABLE, who=lambda t: "SIGCONT or SIGKILL")
"""No queue: both wake the thread itself."""
_TICK = 10_000_000
"""One clock tick of si_utime in ns (USER_HZ 100)."""


# -- telling the parent -----------------------------------------------------------------------------------------------
def notify_parent_cldstop(t: Thread, for_ptracer: bool, why: int) -> None:
    """Send SIGCHLD for a stop or continuation and wake waiters (do_notify_parent_cldstop).

    To the tracer of ``t`` about that thread (pid = tid), or to the process's parent about the process (pid = tgid).
    ``why``: CLD_TRAPPED, CLD_STOPPED or CLD_CONTINUED.
    """
    process = t.process
    target = t if for_ptracer else process.wait_task
    parent = target.parent if for_ptracer else target.real_parent
    if parent is None:
        return
    action = parent.sighand.actions[SIGCHLD]
    if (
        action.handler != SIG_IGN
        and not action.flags & SA_NOCLDSTOP
        # Most tracers do not want the signal: then it is not worth making, unless somebody watches.
        and (parent.kernel.watch is not None or not signal_ignored(parent.process.living_thread, SIGCHLD, False))
    ):
        if why == CLD_CONTINUED:
            status = SIGCONT
        elif why == CLD_TRAPPED:
            status = target.stop_code & 0x7F
        else:
            status = process.group_exit_code & 0x7F
        pid = target.pid if for_ptracer else process.tgid_pid
        times = target.times
        info = SigInfo(
            SIGCHLD,
            code=why,
            pid=pid.nr_in(ns_of(parent)),
            uid=uid_for(parent, target.cred.uid),
            status=status,
            utime=times.utime // _TICK,
            stime=times.stime // _TICK,
        )
        send_signal(parent, info, group=True)
    parent.process.chldexit.wake_all(target.pid if for_ptracer else process.tgid_pid)


# -- the group stop ---------------------------------------------------------------------------------------------------
def start_group_stop(t: Thread, signo: int) -> bool:
    """Begin a group stop for stop signal ``signo`` that ``t`` dequeued; False if a SIGCONT or an exit came in between."""
    process = t.process
    if not t.jobctl & JOBCTL_STOP_DEQUEUED or process.group_exit or process.group_exec_task is not None:
        return False
    # A tracee resumed during a stop may begin another one: the code of the first is kept.
    if not process.stop_stopped:
        process.group_exit_code = signo
    process.group_stop_count = 0
    stop = signo | JOBCTL_STOP_PENDING | JOBCTL_STOP_CONSUME
    if set_jobctl_pending(t, stop):
        process.group_stop_count += 1
    for other in process.threads:
        # A thread in a ptrace stop takes part when its tracer resumes it: until then the stop is not complete.
        if other is t or other.exiting or other.state is STOPPED:
            continue
        if set_jobctl_pending(other, stop):
            process.group_stop_count += 1
            if other.ptrace & PT_SEIZED:
                ptrace_trap_notify(other)
            else:
                other.kernel.sched.signal_wake(other, False)
    return True


def participate_group_stop(t: Thread) -> bool:
    """Count ``t`` as stopped; return True if that completes the group stop (task_participate_group_stop)."""
    process = t.process
    consume = t.jobctl & JOBCTL_STOP_CONSUME
    clear_jobctl_pending(t, JOBCTL_STOP_PENDING)
    if not consume:
        return False
    if process.group_stop_count:
        process.group_stop_count -= 1
    if process.group_stop_count == 0 and not process.stop_stopped:
        process.stop_stopped = True
        process.stop_continued = False
        process.cld_stopped = process.cld_continued = False
        return True
    return False


def complete_group_stop(t: Thread) -> None:
    """The last thread has stopped: tell the parent; if SIGCONT came meanwhile, continue everybody at once."""
    notify_parent_cldstop(t, False, CLD_STOPPED)
    continue_after_stop(t.process)


def continue_after_stop(process: Process) -> None:
    """A group stop is complete and reported: if SIGCONT came meanwhile, it acts now (patch 23)."""
    if process.wakeup_pending:
        process.wakeup_pending = False
        wake_stopped(process)


def do_signal_stop(t: Thread, signo: int) -> Blocking[bool]:
    """Stop ``t`` for the group stop under way, or for a new one by ``signo`` (0: none); return True if it stopped.

    The thread sleeps here until SIGCONT or SIGKILL wakes it.  A tracee returns False with a trap pending instead.
    """
    if not t.jobctl & JOBCTL_STOP_PENDING and not start_group_stop(t, signo):
        return False
    if t.ptrace:
        set_jobctl_pending(t, JOBCTL_TRAP_STOP)
        return False
    process = t.process
    t.state = STOPPED
    if participate_group_stop(t):
        complete_group_stop(t)
        if not process.stop_stopped:
            # Its own completion continued it (patch 23).  It still gives up the processor, as schedule() does for a task
            # that is runnable again, so that the parent sees the stop before anybody reports the continuation.
            t.state = RUNNING
            yield Block("do_signal_stop", deadline=t.kernel.clock.monotonic(), state=UNINTERRUPTIBLE)
            return True
    watch = t.kernel.watch
    if watch is not None:
        watch.stopped(t, process.group_exit_code)
    yield _STOPPED
    return True


def leave_group_stop(t: Thread) -> None:
    """An exiting thread consumes its share of a group stop; that may complete it (exit_signals)."""
    if t.jobctl & JOBCTL_STOP_PENDING and participate_group_stop(t) and not t.process.group_exit:
        complete_group_stop(t)


def join_group_stop(parent: Thread, child: Thread) -> None:
    """A thread created during a group stop takes part in it (task_join_group_stop)."""
    process = child.process
    mask = parent.jobctl & JOBCTL_STOP_SIGMASK
    if process.group_stop_count:
        process.group_stop_count += 1
        mask |= JOBCTL_STOP_CONSUME
    elif not process.stop_stopped:
        return
    set_jobctl_pending(child, mask | JOBCTL_STOP_PENDING)
    recalc_sigpending(child)


def notify_continued(t: Thread) -> bool:
    """Tell the parent of a continuation if nobody has yet: the first thread to run after it does; True if it did."""
    process = t.process
    if not (process.cld_continued or process.cld_stopped):
        return False
    why = CLD_CONTINUED if process.cld_continued else CLD_STOPPED
    process.cld_continued = process.cld_stopped = False
    notify_parent_cldstop(t, False, why)
    first = process.tgid_pid.thread
    if first is not None and ptrace.reparented(first):
        # Kept for compatibility: an outside tracer of the first thread hears of it too (get_signal).
        notify_parent_cldstop(first, True, why)
    return True


# -- orphaned process groups ------------------------------------------------------------------------------------------
def will_become_orphaned_pgrp(pgrp: Pid, ignored: Process | None = None) -> bool:
    """Tell whether no member but ``ignored`` connects ``pgrp`` to another group of its session (POSIX 3.270)."""
    for process in pgrp.pgrp:
        parent = process.wait_task.real_parent
        if process is ignored or not process.live or parent is None:
            continue
        holder = parent.process
        if is_global_init(holder):
            # A child of the global init has nobody who would manage it as a job.
            continue
        if holder.pgrp is not pgrp and holder.session is process.session:
            return False
    return True


def is_orphaned_pgrp(pgrp: Pid) -> bool:
    """Tell whether a process group is orphaned (is_current_pgrp_orphaned)."""
    return will_become_orphaned_pgrp(pgrp)


def has_stopped_jobs(pgrp: Pid) -> bool:
    """Tell whether a member of the group is stopped."""
    return any(process.stop_stopped for process in pgrp.pgrp)


def kill_orphaned_pgrp(process: Process, lost: Thread) -> None:
    """``process`` loses a connection to ``lost``: hang up its group if that orphans it and a member is stopped.

    ``lost`` is its own last thread (it exits, and was the only connection of its group to the outside), or its former
    parent (kill_orphaned_pgrp of kernel/exit.c).
    """
    pgrp = process.pgrp
    ignored: Process | None = None
    outside = lost.process
    if outside is process:
        parent = process.wait_task.real_parent
        if parent is None:
            return
        outside, ignored = parent.process, process
    if (
        outside.pgrp is not pgrp
        and outside.session is process.session
        and has_stopped_jobs(pgrp)
        and will_become_orphaned_pgrp(pgrp, ignored)
    ):
        kill_pgrp(pgrp, SIGHUP)
        kill_pgrp(pgrp, SIGCONT)
