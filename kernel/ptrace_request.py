"""What a tracer may do to its tracee: the requests of ptrace(2) that need a stopped one, and the few that do not
(ptrace_request of kernel/ptrace.c).

Only the thread that attached may operate, and only while the tracee is in a ptrace stop that it has not been told to
LISTEN in; everybody else gets ESRCH, as if there were no such thread.
"""

from __future__ import annotations

import struct
from typing import Final

from kernel import ptrace
from kernel.cred import CAP_SYS_PTRACE
from kernel.errno import Errno
from kernel.hardware import USER_TOP
from kernel.pid import ns_of
from kernel.ptrace import EVENT_EXEC, EVENT_STOP, O_MASK, PT_OPT_SHIFT, PT_SEIZED
from kernel.ptrace_attach import check_options
from kernel.signal import KERNEL_ONLY_MASK, NSIG, SIGKILL, SIGTRAP, SigInfo
from kernel.signal_pending import (
    JOBCTL_LISTENING,
    JOBCTL_TRAP_NOTIFY,
    JOBCTL_TRAP_STOP,
    fatal_signal_pending,
    set_jobctl_pending,
)
from kernel.signal_send import send_signal, user_info
from kernel.task import TRACED, WORK_RESTORE_MASK, Thread

PEEKSIGINFO_SHARED: Final = 1
ARCH_SET_GS, ARCH_SET_FS, ARCH_GET_FS, ARCH_GET_GS = range(0x1001, 0x1005)
_RSEQ_CONFIGURATION: Final = struct.Struct("<QIII4x")


def check_attached(t: Thread, target: Thread, any_state: bool = False) -> None:
    """ESRCH unless ``t`` traces ``target`` and, without ``any_state``, it is in a ptrace stop (ptrace_check_attach)."""
    if not target.ptrace or target.parent is not t:
        raise Errno.ESRCH
    if any_state:
        return
    if (
        target.state is not TRACED
        or target.block is None
        or target.jobctl & JOBCTL_LISTENING
        or fatal_signal_pending(target)
        or (target.stop_code and _changed_its_pid(t, target))
    ):
        raise Errno.ESRCH


def _changed_its_pid(t: Thread, target: Thread) -> bool:
    """An unreported EVENT_EXEC of another thread that took this number over: the tracer most probably means the old one
    (looks_like_a_spurious_pid)."""
    return target.stop_code == EVENT_EXEC << 8 | SIGTRAP and target.pid.nr_in(ns_of(t)) != target.ptrace_message


# -- resuming ---------------------------------------------------------------------------------------------------------
def resume(target: Thread, signo: int, flags: int) -> None:
    """PTRACE_CONT, SYSCALL, SYSEMU, SINGLESTEP: go on with signal ``signo`` (0: none).

    ``flags``: TRACE_SYSCALL, TRACE_EMU, TRACE_STEP, TRACE_BLOCK as the request says.  EIO for a number that is no signal.
    """
    if not 0 <= signo <= NSIG:
        raise Errno.EIO
    calls = ptrace.TRACE_SYSCALL | ptrace.TRACE_EMU
    if (target.trace_flags ^ flags) & calls:
        ptrace.set_trace_flags(target, target.trace_flags & ~calls | flags & calls)
    ptrace.single_step(target, flags & ptrace.TRACE_STEP != 0, flags & ptrace.TRACE_BLOCK != 0)
    target.stop_code = signo
    target.kernel.sched.wake(target)


def kill(t: Thread, target: Thread) -> None:
    """PTRACE_KILL: SIGKILL in the tracer's name, whatever the tracee does."""
    send_signal(target, user_info(t, target, SIGKILL), group=False)


def interrupt(target: Thread) -> None:
    """PTRACE_INTERRUPT: trap soon; a tracee that listens traps again.  EIO unless seized."""
    if not target.ptrace & PT_SEIZED or target.exiting:
        raise Errno.EIO
    if set_jobctl_pending(target, JOBCTL_TRAP_STOP):
        ptrace.resume_trap(target, target.jobctl & JOBCTL_LISTENING != 0)


def listen(target: Thread) -> None:
    """PTRACE_LISTEN: stay stopped but trap again when the group stop changes.  EIO unless in a PTRACE_EVENT_STOP."""
    info = target.last_siginfo
    if not target.ptrace & PT_SEIZED or info is None or info.code >> 8 != EVENT_STOP:
        raise Errno.EIO
    target.jobctl |= JOBCTL_LISTENING
    if target.jobctl & JOBCTL_TRAP_NOTIFY:  # something happened since the trap
        ptrace.resume_trap(target, True)


# -- options and signals ----------------------------------------------------------------------------------------------
def set_options(t: Thread, target: Thread, options: int) -> None:
    """PTRACE_SETOPTIONS.  EINVAL for unknown ones."""
    check_options(t, options)
    target.ptrace = target.ptrace & ~(O_MASK << PT_OPT_SHIFT) | options << PT_OPT_SHIFT


def get_siginfo(target: Thread) -> SigInfo:
    """PTRACE_GETSIGINFO.  EINVAL in a group-stop, which is how a tracer that attached tells it from a signal."""
    if target.last_siginfo is None:
        raise Errno.EINVAL
    return target.last_siginfo


def set_siginfo(target: Thread, info: SigInfo) -> None:
    """PTRACE_SETSIGINFO: what the signal is delivered with.  EINVAL in a group-stop."""
    if target.last_siginfo is None:
        raise Errno.EINVAL
    target.last_siginfo = info


def peek_siginfo(target: Thread, offset: int, flags: int, count: int) -> list[SigInfo]:
    """PTRACE_PEEKSIGINFO: at most ``count`` queued signals from number ``offset`` on, without removing them.  EINVAL."""
    if flags & ~PEEKSIGINFO_SHARED or count < 0:
        raise Errno.EINVAL
    pending = target.process.shared_pending if flags & PEEKSIGINFO_SHARED else target.pending
    return [entry.info for entry in pending.queue[offset : offset + count]]


def get_sigmask(target: Thread) -> int:
    """PTRACE_GETSIGMASK: the mask, not the temporary one of a call like sigsuspend."""
    return target.saved_blocked if target.work & WORK_RESTORE_MASK else target.blocked


def set_sigmask(target: Thread, mask: int) -> None:
    """PTRACE_SETSIGMASK.  What that makes deliverable is seen when the tracee goes on."""
    target.blocked = mask & ~KERNEL_ONLY_MASK
    target.work &= ~WORK_RESTORE_MASK


# -- memory -----------------------------------------------------------------------------------------------------------
def _accessible(target: Thread) -> bool:
    mm, cred = target.mm, target.ptracer_cred
    return mm is not None and (mm.dumpable == 1 or (cred is not None and cred.ns_capable(target.cred.user_ns, CAP_SYS_PTRACE)))


def peek(target: Thread, address: int) -> int:
    """PTRACE_PEEKTEXT and PEEKDATA: the 64-bit word at a user address, whatever the protection.  EIO."""
    mm = target.mm
    if mm is None or not _accessible(target):
        raise Errno.EIO
    try:
        return int.from_bytes(mm.read(address, 8, force=True), "little")
    except Errno.EFAULT:
        raise Errno.EIO from None


def poke(target: Thread, address: int, value: int) -> None:
    """PTRACE_POKETEXT and POKEDATA: store a 64-bit word; a private page is copied, code is translated anew.  EIO."""
    mm = target.mm
    if mm is None or not _accessible(target):
        raise Errno.EIO
    try:
        mm.write(address, value.to_bytes(8, "little"), force=True)
    except Errno.EFAULT:
        raise Errno.EIO from None


# -- thread state ------------------------------------------------------------------------------------------------------
def arch_prctl(target: Thread, option: int, value: int) -> int | None:
    """PTRACE_ARCH_PRCTL: arch_prctl(2) for the tracee; the base for the GET options, None for SET.

    EPERM for a base outside user space, EINVAL for other options.
    """
    if option == ARCH_GET_FS:
        return target.cpu.fs_base
    if option == ARCH_GET_GS:
        return target.cpu.gs_base
    if option not in (ARCH_SET_FS, ARCH_SET_GS):
        raise Errno.EINVAL
    if value >= USER_TOP:
        raise Errno.EPERM
    if option == ARCH_SET_FS:
        target.cpu.set_selector("fs", 0)
        target.cpu.fs_base = value
    else:
        target.cpu.set_selector("gs", 0)
        target.cpu.gs_base = value
    return None


def rseq_configuration(target: Thread) -> bytes:
    """PTRACE_GET_RSEQ_CONFIGURATION: ``struct ptrace_rseq_configuration``."""
    address, length, signature = target.rseq
    return _RSEQ_CONFIGURATION.pack(address, length, signature, 0)
