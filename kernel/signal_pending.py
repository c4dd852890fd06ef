"""What is pending for a thread, what it blocks, and what it must stop for (signal(7), kernel/signal.c).

``Thread.work`` has WORK_SIGNAL set while a signal the thread does not block is pending or a job control bit asks for it;
every change of the mask or the queues ends in ``recalc_sigpending``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.signal import KERNEL_ONLY_MASK, KILL_MASK, SI_USER, SIGALRM, STOP_MASK, SYNCHRONOUS_MASK, SigInfo, SigPending
from kernel.task import WORK_RESTORE_MASK, WORK_SIGNAL

if TYPE_CHECKING:
    from kernel.task import Process, Thread

# Thread.jobctl (include/linux/sched/jobctl.h)
JOBCTL_STOP_SIGMASK: Final = 0xFFFF
"""The signal of the last group stop."""
JOBCTL_STOP_DEQUEUED: Final = 1 << 16
"""A stop signal was dequeued and no SIGCONT came since."""
JOBCTL_STOP_PENDING: Final = 1 << 17
"""The thread must stop for the group stop."""
JOBCTL_STOP_CONSUME: Final = 1 << 18
"""The thread's stop counts for the completion of the group stop."""
JOBCTL_TRAP_STOP: Final = 1 << 19
JOBCTL_TRAP_NOTIFY: Final = 1 << 20
JOBCTL_TRAPPING: Final = 1 << 21
JOBCTL_LISTENING: Final = 1 << 22
JOBCTL_TRAP_MASK: Final = JOBCTL_TRAP_STOP | JOBCTL_TRAP_NOTIFY
JOBCTL_PENDING_MASK: Final = JOBCTL_STOP_PENDING | JOBCTL_TRAP_MASK


# -- job control bits -------------------------------------------------------------------------------------------------
def set_jobctl_pending(t: Thread, mask: int) -> bool:
    """Set job control bits unless ``t`` is dying; return whether it was done (task_set_jobctl_pending)."""
    if fatal_signal_pending(t) or t.exiting:
        return False
    if mask & JOBCTL_STOP_SIGMASK:
        t.jobctl &= ~JOBCTL_STOP_SIGMASK
    t.jobctl |= mask
    return True


def clear_jobctl_pending(t: Thread, mask: int) -> None:
    """Clear job control bits (task_clear_jobctl_pending)."""
    if mask & JOBCTL_STOP_PENDING:
        mask |= JOBCTL_STOP_CONSUME | JOBCTL_STOP_DEQUEUED
    t.jobctl &= ~mask
    if not t.jobctl & JOBCTL_PENDING_MASK:
        t.jobctl &= ~JOBCTL_TRAPPING  # no trap will come that a tracer could wait for


# -- what is pending --------------------------------------------------------------------------------------------------
def signal_pending(t: Thread) -> bool:
    """Tell whether an interruptible sleep of ``t`` must end."""
    return t.work & WORK_SIGNAL != 0


def fatal_signal_pending(t: Thread) -> bool:
    """Tell whether even a killable sleep of ``t`` must end."""
    return t.work & WORK_SIGNAL != 0 and t.pending.mask & KILL_MASK != 0


def recalc_sigpending(t: Thread) -> None:
    """Set or clear WORK_SIGNAL after the mask or the queues changed (recalc_sigpending)."""
    if t.jobctl & JOBCTL_PENDING_MASK or (t.pending.mask | t.process.shared_pending.mask) & ~t.blocked:
        t.work |= WORK_SIGNAL
    else:
        t.work &= ~WORK_SIGNAL


def flush_pending(pending: SigPending) -> None:
    """Drop every signal of a queue (flush_sigqueue)."""
    pending.clear()


def flush_signals(process: Process, mask: int) -> None:
    """Drop the signals of ``mask`` from every queue of the process."""
    process.shared_pending.flush(mask)
    for t in process.threads:
        t.pending.flush(mask)


def dequeue_signal(t: Thread, wanted: int) -> SigInfo | None:
    """Take the next pending signal of the set ``wanted``, the thread's own before the process's (dequeue_signal)."""
    pending = t.pending
    signo = pending.next_signal(~wanted)
    if not signo:
        pending = t.process.shared_pending
        signo = pending.next_signal(~wanted)
        if not signo:
            recalc_sigpending(t)
            return None
    info = pending.collect(signo)
    recalc_sigpending(t)
    if signo == SIGALRM and pending is not t.pending:
        restart = t.process.itimers.restart
        if restart is not None:
            restart()
    if STOP_MASK >> (signo - 1) & 1:
        # Remembered until the stop begins, so that a SIGCONT in between cancels it.
        t.jobctl |= JOBCTL_STOP_DEQUEUED
    return info


def dequeue_synchronous_signal(t: Thread) -> SigInfo | None:
    """Take the signal the current instruction raised, so that its handler's frame shows that instruction."""
    pending = t.pending
    ready = pending.mask & ~t.blocked & SYNCHRONOUS_MASK
    if not ready:
        return None
    for entry in pending.queue:
        info = entry.info
        if info.code > SI_USER and ready >> (info.signo - 1) & 1:
            found = pending.collect(info.signo)
            recalc_sigpending(t)
            return found
    return None


# -- the signal mask --------------------------------------------------------------------------------------------------
def set_current_blocked(t: Thread, mask: int) -> None:
    """Set the signal mask of ``t`` (set_current_blocked): SIGKILL and SIGSTOP cannot be blocked.

    Process signals this thread can no longer take are offered to its siblings.
    """
    mask &= ~KERNEL_ONLY_MASK
    newly = mask & ~t.blocked
    if newly and len(t.process.threads) > 1:
        retarget_shared_pending(t, newly)
    t.blocked = mask
    recalc_sigpending(t)


def retarget_shared_pending(t: Thread, mask: int | None = None) -> None:
    """Wake other threads for pending process signals ``t`` will not take: those of ``mask``, or, when it exits, all it
    did not block (retarget_shared_pending)."""
    left = t.process.shared_pending.mask & (~t.blocked if mask is None else mask)
    if not left:
        return
    for other in t.process.threads:
        if other is t or other.exiting or not left & ~other.blocked:
            continue
        left &= other.blocked
        if not other.work & WORK_SIGNAL:
            other.kernel.sched.signal_wake(other, False)
        if not left:
            return


def set_user_sigmask(t: Thread, mask: int) -> None:
    """Install the temporary mask of sigsuspend, ppoll, pselect and epoll_pwait (set_user_sigmask).

    The old one comes back after the signal that ends the sleep was delivered, or by ``restore_user_sigmask``.
    """
    t.saved_blocked = t.blocked
    t.work |= WORK_RESTORE_MASK
    set_current_blocked(t, mask)


def restore_user_sigmask(t: Thread, interrupted: bool = False) -> None:
    """End a temporary mask when the call returns; if a signal interrupted it, delivery does so (after building the
    handler's frame under the temporary mask)."""
    if t.work & WORK_RESTORE_MASK and not interrupted:
        t.work &= ~WORK_RESTORE_MASK
        set_current_blocked(t, t.saved_blocked)
