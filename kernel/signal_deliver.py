"""Delivering signals: what happens to a thread on its way back to user mode (get_signal, arch_do_signal_or_restart).

``exit_to_user_mode`` is called by the run loop whenever ``Thread.work`` has one of the EXIT_WORK bits.  One pass runs
task work, takes one signal and acts on it: a handler is called by building a frame (``sigframe``); the default action stops
or ends the process; and if there is none, the temporary signal mask of calls like sigsuspend ends.

An interrupted system call left one of the ERESTART codes in RAX.  Which becomes EINTR and which repeats the call:

=====================  ===========================  ==================  ==============================
result                 no handler runs              handler             handler with SA_RESTART
=====================  ===========================  ==================  ==============================
ERESTARTSYS            repeat                       EINTR               repeat
ERESTARTNOINTR         repeat                       repeat              repeat
ERESTARTNOHAND         repeat                       EINTR               EINTR
ERESTART_RESTARTBLOCK  restart_syscall(2)           EINTR               EINTR
=====================  ===========================  ==================  ==============================
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel import ia32, rseq
from kernel.errno import Errno
from kernel.exit import do_group_exit
from kernel.hardware import OutOfFrames
from kernel.jobctl import do_signal_stop, is_orphaned_pgrp, notify_continued
from kernel.ptrace import TRACE_STEP, single_step
from kernel.ptrace_stop import jobctl_trap, ptrace_notify, ptrace_signal
from kernel.sigframe import KSignal, setup_frame
from kernel.signal import (
    COREDUMP_MASK,
    IGNORE_MASK,
    KERNEL_ONLY_MASK,
    KILL_MASK,
    SA_IMMUTABLE,
    SA_NODEFER,
    SA_RESETHAND,
    SA_RESTART,
    SIG_DFL,
    SIG_IGN,
    SIGKILL,
    SIGSTOP,
    SIGTRAP,
    SS_AUTODISARM,
    STOP_MASK,
    SigAltStack,
)
from kernel.signal_pending import (
    JOBCTL_STOP_PENDING,
    JOBCTL_TRAP_MASK,
    dequeue_signal,
    dequeue_synchronous_signal,
    restore_user_sigmask,
    set_current_blocked,
)
from kernel.signal_send import force_sigsegv
from kernel.task import WORK_RESTORE_MASK, WORK_RESUME, WORK_SIGNAL

if TYPE_CHECKING:
    from kernel.signal import SigInfo
    from kernel.task import Thread
    from kernel.waitqueue import Blocking

EXIT_WORK = WORK_SIGNAL | WORK_RESUME | WORK_RESTORE_MASK
"""``Thread.work`` that ``exit_to_user_mode`` does."""
_BIAS = 1 << 64
_EINTR = _BIAS - Errno.EINTR.number
_ERESTARTSYS = _BIAS - Errno.ERESTARTSYS.number
_ERESTARTNOINTR = _BIAS - Errno.ERESTARTNOINTR.number
_ERESTARTNOHAND = _BIAS - Errno.ERESTARTNOHAND.number
_ERESTART_RESTARTBLOCK = _BIAS - Errno.ERESTART_RESTARTBLOCK.number
NR_RESTART_SYSCALL = 219


def exit_to_user_mode(t: Thread, raised: SigInfo | None = None) -> Blocking[None]:
    """Do one round of what ``t.work`` asks for before user mode is entered (exit_to_user_mode_loop); the caller looks at
    ``t.work`` again afterwards.  ``raised``: a synchronous signal that was not queued."""
    if t.work & WORK_RESUME:
        t.work &= ~WORK_RESUME
        work, t.task_work = t.task_work, []
        for call in work:
            call(t)
    if raised is not None or t.work & (WORK_SIGNAL | WORK_RESTORE_MASK):
        signal = (yield from get_signal(t, raised)) if raised is not None or t.work & WORK_SIGNAL else None
        if signal is None:
            if ia32.in_syscall(t):
                _restart_without_handler(t)
            if t.work & WORK_RESTORE_MASK:
                restore_user_sigmask(t)
        else:
            stepping = t.trace_flags & TRACE_STEP
            if stepping:
                single_step(t, False)  # the saved context must not show the debugger's trap flag
            handle_signal(t, signal)
            if stepping:
                yield from ptrace_notify(t, SIGTRAP)


# -- choosing what to do ----------------------------------------------------------------------------------------------
def get_signal(t: Thread, raised: SigInfo | None = None) -> Blocking[KSignal | None]:
    """Take signals, first ``raised``, and perform default actions until a handler is to be run (returned) or none is left (None).

    Does not return if the process is to end.
    """
    process = t.process
    settled = False
    while True:
        # Every stopped thread comes here after it was woken: the first one reports the continuation.
        if process.cld_continued or process.cld_stopped:
            notify_continued(t)
        if process.group_exit or process.group_exec_task is not None:
            t.pending.mask &= ~KILL_MASK
            yield from do_group_exit(t, SIGKILL)
        if t.jobctl & JOBCTL_STOP_PENDING and (yield from do_signal_stop(t, 0)):
            continue
        if t.jobctl & JOBCTL_TRAP_MASK:
            yield from jobctl_trap(t)
            continue
        of_process = False
        info, raised = raised, None
        if info is None and not settled:
            of_process = not t.pending.mask & ~t.blocked
            info = dequeue_synchronous_signal(t) or dequeue_signal(t, ~t.blocked)
        if info is None:
            return None
        actions = t.sighand.actions
        if t.ptrace and info.signo != SIGKILL and not actions[info.signo].flags & SA_IMMUTABLE:
            reported = yield from ptrace_signal(t, info, of_process)
            if reported is None:
                settled = not t.work & WORK_SIGNAL  # the stop ended with a look at the queues
                continue
            info = reported
        signo = info.signo
        action = actions[signo]
        watch = t.kernel.watch
        if watch is not None:
            watch.signal(t, info)
        if action.handler == SIG_IGN:
            continue
        if action.handler != SIG_DFL:
            if action.flags & SA_RESETHAND:
                actions[signo] = action._replace(handler=SIG_DFL)
            return KSignal(info, action)
        bit = 1 << (signo - 1)
        if bit & IGNORE_MASK:
            continue
        # An init gets no signals it does not want; a SIGKILL or SIGSTOP that came this far is from an ancestor.
        if process.unkillable and not bit & KERNEL_ONLY_MASK:
            continue
        if bit & STOP_MASK:
            # POSIX 11.1.4: terminal stops do nothing in an orphaned process group; SIGSTOP always works.
            if signo == SIGSTOP or not is_orphaned_pgrp(process.pgrp):
                yield from do_signal_stop(t, signo)
            continue
        if bit & COREDUMP_MASK:
            from kernel.coredump import do_coredump

            yield from do_coredump(t, info)
        yield from do_group_exit(t, signo)


# -- acting on it -----------------------------------------------------------------------------------------------------
def _repeat(t: Thread, number: int) -> None:
    """Make the thread execute its ``syscall`` or ``int $0x80`` (2 bytes) again with ``number``."""
    t.cpu.rax = number & _BIAS - 1
    t.cpu.rip -= 2


def _restart_without_handler(t: Thread) -> None:
    """No handler runs: an interrupted call goes on as if nothing had happened."""
    result = t.cpu.rax
    if result in (_ERESTARTSYS, _ERESTARTNOINTR, _ERESTARTNOHAND):
        _repeat(t, t.syscall_nr)
    elif result == _ERESTART_RESTARTBLOCK:
        _repeat(t, ia32.NR_RESTART_SYSCALL if ia32.in_ia32_syscall(t) else NR_RESTART_SYSCALL)


def _restart_for_handler(t: Thread, flags: int) -> None:
    """A handler is about to run: decide what the interrupted call returns after it."""
    if not ia32.in_syscall(t):
        return
    result = t.cpu.rax
    if result == _ERESTARTNOINTR or (result == _ERESTARTSYS and flags & SA_RESTART):
        _repeat(t, t.syscall_nr)
    elif result in (_ERESTARTSYS, _ERESTARTNOHAND, _ERESTART_RESTARTBLOCK):
        t.cpu.rax = _EINTR


def handle_signal(t: Thread, signal: KSignal) -> None:
    """Call a handler: settle the interrupted call, build the frame, block what sa_mask says (handle_signal)."""
    info, action = signal
    _restart_for_handler(t, action.flags)
    if t.rseq[0]:
        rseq.fix_up(t)
    temporary = t.work & WORK_RESTORE_MASK
    try:
        setup_frame(t, signal, t.saved_blocked if temporary else t.blocked)
    except (Errno, OutOfFrames):
        force_sigsegv(t, info.signo)
        return
    # signal_delivered()
    t.work &= ~WORK_RESTORE_MASK
    mask = t.blocked | action.mask
    if not action.flags & SA_NODEFER:
        mask |= 1 << (info.signo - 1)
    set_current_blocked(t, mask)
    if t.altstack.flags & SS_AUTODISARM:
        t.altstack = SigAltStack()
