"""Attaching to a thread and letting it go: PTRACE_TRACEME, ATTACH, SEIZE, DETACH (ptrace(2), kernel/ptrace.c)."""

from __future__ import annotations

from kernel import ptrace
from kernel.cred import CAP_SYS_ADMIN
from kernel.errno import Errno
from kernel.ptrace import O_MASK, PT_OPT_SHIFT, PT_PTRACED, PT_SEIZED
from kernel.ptrace_access import MODE_ATTACH, check_access, may_be_traced_by
from kernel.signal import NSIG, SI_KERNEL, SIGSTOP, SigInfo
from kernel.signal_pending import JOBCTL_TRAP_STOP, JOBCTL_TRAPPING, set_jobctl_pending
from kernel.signal_send import send_signal
from kernel.task import STOPPED, WORK_SIGNAL, Thread
from kernel.waitqueue import KILLABLE, Block, Blocking


def traceme(t: Thread) -> None:
    """PTRACE_TRACEME: the thread's real parent becomes its tracer.  EPERM if somebody traces it already, or if the parent
    lacks a capability it has."""
    parent = t.real_parent
    if t.ptrace or parent is None or not may_be_traced_by(t, parent):
        raise Errno.EPERM
    # A parent on its way out has let go of its tracees; it must not get a new one.
    if not parent.exiting:
        ptrace.link(t, parent, t.cred, PT_PTRACED)


def check_options(t: Thread, options: int) -> None:
    """EINVAL for options that do not exist; EPERM: only who has CAP_SYS_ADMIN and is not confined itself may suspend the
    confinement of others (check_ptrace_options)."""
    if options & ~O_MASK:
        raise Errno.EINVAL
    if options & ptrace.O_SUSPEND_SECCOMP:
        if not t.cred.capable(CAP_SYS_ADMIN) or t.seccomp is not None or t.ptrace & ptrace.PT_SUSPEND_SECCOMP:
            raise Errno.EPERM


def attach(t: Thread, target: Thread, address: int, options: int, seize: bool) -> Blocking[int]:
    """PTRACE_ATTACH and PTRACE_SEIZE of ``target`` by ``t``.

    Raises EIO (SEIZE with an address or unknown options), EINVAL, EPERM (own process, traced already, dead, not
    permitted), EAGAIN while the target's process waits in execve for its threads to exit.  Sleeps only while a stopped
    target becomes a traced one, a transition the tracer never sees.
    """
    flags = PT_PTRACED
    if seize:
        if address or options & ~O_MASK:
            raise Errno.EIO
        check_options(t, options)
        flags |= PT_SEIZED | options << PT_OPT_SHIFT
    if (target.mm is None and not target.exit_state) or target.process is t.process:
        raise Errno.EPERM
    # The new credentials were computed for an untraced program: nobody may get in between (cred_guard_mutex).
    while target.process.group_exec_task is not None:
        # Decision D3: an attach never waits for what only another tracer can end.  Mainline sleeps on the mutex.
        if t.kernel.semantics.exec_waits_for_exit:
            raise Errno.EAGAIN
        if (yield Block("ptrace_attach", target.process.exec_wait, who=lambda t: "the end of its execve")):
            raise Errno.ERESTARTNOINTR
    check_access(t, target, MODE_ATTACH)
    if target.exit_state or target.ptrace:
        raise Errno.EPERM
    ptrace.link(target, t, t.cred, flags)
    if not seize:
        send_signal(target, SigInfo(SIGSTOP, code=SI_KERNEL), group=False, force=True)
    if target.state is STOPPED and set_jobctl_pending(target, JOBCTL_TRAP_STOP | JOBCTL_TRAPPING):
        target.work |= WORK_SIGNAL
        t.kernel.sched.wake(target)
        while target.jobctl & JOBCTL_TRAPPING:
            # The trap tells the tracer's waiters, this thread among them.
            if (yield Block("ptrace_attach", t.process.chldexit, state=KILLABLE)):
                break
    return 0


def detach(target: Thread, signo: int) -> None:
    """PTRACE_DETACH: ``target`` goes on with signal ``signo`` (0: none) as if it had never been traced.  EIO."""
    if signo > NSIG:
        raise Errno.EIO
    ptrace.single_step(target, False)
    target.stop_code = signo
    ptrace.unlink(target)
