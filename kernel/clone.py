"""Making processes and threads: fork, vfork, clone and clone3 (copy_process of kernel/fork.c).

One function copies a thread; the CLONE_* flags say what parent and child share.  Everything that can fail is done
before the child is linked anywhere, so an error leaves no trace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kernel import hw_breakpoint, ptrace, seccomp
from kernel.clocks import CpuTimes
from kernel.cpu_timers import arm_cpu_limit
from kernel.cred import CAP_SYS_ADMIN, CAP_SYS_RESOURCE, Cred
from kernel.errno import Errno
from kernel.fs.pidfd import open_pidfd
from kernel.hardware import OutOfFrames
from kernel.ia32 import in_ia32_syscall
from kernel.itimer import ItimerSet
from kernel.jobctl import join_group_stop
from kernel.namespaces import user_ns_cred
from kernel.ns import CLONE_NEWIPC, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, NSPROXY_FLAGS
from kernel.nsproxy import NsProxy, create_new_namespaces, enter_time_ns
from kernel.pid import Pid, alloc_pid, ns_of
from kernel.posix_timers import PosixTimers
from kernel.ptrace_stop import ptrace_event
from kernel.rlimit import RLIM_INFINITY, RLIMIT_NPROC, Rlimits
from kernel.signal import SIGCHLD, SigAltStack, SigPending
from kernel.task import EXIT_NONE, RUNNING, WORK_TRACE, Process, Thread
from kernel.user_ns import INVALID_ID
from kernel.waitqueue import KILLABLE, Block, Blocking, WaitQueue

if TYPE_CHECKING:
    from kernel.fs.namespace import FsContext
    from kernel.kernel import Kernel

CSIGNAL = 0xFF
CLONE_VM = 0x100
CLONE_FS = 0x200
CLONE_FILES = 0x400
CLONE_SIGHAND = 0x800
CLONE_PIDFD = 0x1000
CLONE_PTRACE = 0x2000
CLONE_VFORK = 0x4000
CLONE_PARENT = 0x8000
CLONE_THREAD = 0x10000
CLONE_SYSVSEM = 0x40000
CLONE_SETTLS = 0x80000
CLONE_PARENT_SETTID = 0x100000
CLONE_CHILD_CLEARTID = 0x200000
CLONE_DETACHED = 0x400000
CLONE_UNTRACED = 0x800000
CLONE_CHILD_SETTID = 0x1000000
CLONE_IO = 0x80000000
CLONE_CLEAR_SIGHAND = 0x100000000
CLONE_INTO_CGROUP = 0x200000000


class CloneArgs(NamedTuple):
    """``struct kernel_clone_args``: ``stack`` is the child's stack pointer, 0 to keep the parent's; addresses are in the
    caller's memory; ``set_tid`` are wanted pids, deepest namespace first."""

    flags: int
    exit_signal: int = 0
    stack: int = 0
    tls: int = 0
    parent_tid: int = 0
    child_tid: int = 0
    pidfd: int = 0
    set_tid: tuple[int, ...] = ()


def _check(t: Thread, args: CloneArgs) -> None:
    """The combinations clone(2) refuses, in the order copy_process tests them."""
    flags = args.flags
    if flags & (CLONE_NEWNS | CLONE_FS) == CLONE_NEWNS | CLONE_FS:
        raise Errno.EINVAL
    if flags & (CLONE_NEWUSER | CLONE_FS) == CLONE_NEWUSER | CLONE_FS:
        raise Errno.EINVAL
    if flags & CLONE_THREAD and not flags & CLONE_SIGHAND:
        raise Errno.EINVAL
    if flags & CLONE_SIGHAND and not flags & CLONE_VM:
        raise Errno.EINVAL
    if flags & CLONE_PARENT and t.process.unkillable:
        raise Errno.EINVAL
    if flags & CLONE_THREAD and (flags & (CLONE_NEWUSER | CLONE_NEWPID) or t.nsproxy.pid_for_children is not ns_of(t)):
        raise Errno.EINVAL
    if flags & CLONE_PIDFD and flags & (CLONE_DETACHED | CLONE_THREAD):
        raise Errno.EINVAL


def _check_limits(t: Thread) -> None:
    kernel, cred = t.kernel, t.cred
    limit = t.process.rlimits.soft(RLIMIT_NPROC)
    if limit != RLIM_INFINITY and kernel.tasks_of(cred.uid) >= limit and cred.uid:
        if not (cred.capable(CAP_SYS_RESOURCE) or cred.capable(CAP_SYS_ADMIN)):
            raise Errno.EAGAIN
    if kernel.tasks >= kernel.options.max_procs:
        kernel.report_task_limit(t)
        raise Errno.EAGAIN


def new_process(kernel: Kernel, pid: Pid) -> Process:
    """Return a process with no threads and every field at its start value; the caller links it."""
    process = Process()
    process.kernel = kernel
    process.tgid_pid = pid
    process.threads = []
    process.live = 0
    process.shared_pending = SigPending()
    process.chldexit = WaitQueue()
    process.stop_stopped = process.stop_continued = process.cld_stopped = process.cld_continued = False
    process.wakeup_pending = process.group_exit = process.unkillable = False
    process.core_state = None
    process.group_exit_code = process.group_stop_count = process.notify_count = 0
    process.group_exec_task = None
    process.exec_wait = WaitQueue()
    process.exit_signal = 0
    process.is_child_subreaper = process.has_child_subreaper = False
    process.itimers = ItimerSet()
    process.posix_timers = PosixTimers()
    process.tty = None
    process.tty_old_pgrp = None
    process.is_session_leader = False
    process.times = CpuTimes()
    process.child_times = CpuTimes()
    process.exec_count = 0
    process.did_exec = False
    process.oom_score_adj = process.oom_score_adj_min = 0
    process.pidfd_wait = WaitQueue()
    process.start_time = kernel.clock.monotonic()
    process.ioprio = 0
    process.maxrss_pages = process.child_maxrss_pages = 0
    process.cpu_timers = []
    process.ptracer = None
    return process


def new_thread(kernel: Kernel, pid: Pid) -> Thread:
    """Return a thread whose private, never inherited state is at its start value; the caller fills in the rest."""
    t = Thread()
    t.kernel = kernel
    t.pid = pid
    t.real_blocked = t.saved_blocked = 0
    t.pending = SigPending()
    t.work = 0
    t.task_work = []
    t.state = RUNNING
    t.exit_state = EXIT_NONE
    t.exit_code = 0
    t.exiting = t.post_coredump = False
    t.kstack = t.block = t.timer = None
    t.login = (INVALID_ID, INVALID_ID)
    t.wake_reason = None  # type: ignore[assignment]
    t.children = {}
    t.ptrace = 0
    t.ptraced = {}
    t.ptracer_cred = None
    t.ptrace_message = 0
    t.last_siginfo = None
    t.trace_flags = 0
    t.user_dispatch = None
    t.tls = None
    t.debug = None
    t.debug_status = 0
    t.jobctl = 0
    t.stop_code = 0
    t.trap_frame = (0, 0, 0)
    t.mempolicy = None
    t.pdeath_signal = 0
    t.vfork_done = None
    t.clear_child_tid = 0
    t.robust_list = (0, 0)
    t.syscall_nr = -1
    t.syscall_args = ()
    t.restart = None
    t.seccomp = None
    t.calls = kernel.calls
    t.times = CpuTimes()
    t.pi_blocked_on = None
    t.pi_owned = {}
    t.start_time = kernel.clock.monotonic()
    return t


def copy_process(t: Thread, args: CloneArgs, traced: bool = False) -> Thread:
    """Create the child of ``clone``; it is linked but not yet runnable.  ``traced``: the tracer of ``t`` traces it, too.

    Raises the errors of clone(2): EINVAL, EPERM, EAGAIN, ENOMEM, EEXIST.
    """
    _check(t, args)
    cred = user_ns_cred(t) if args.flags & CLONE_NEWUSER else t.cred
    _check_limits(t)
    kernel, flags = t.kernel, args.flags
    fs = t.fs if flags & CLONE_FS else t.fs.copy()
    spaces = t.nsproxy
    if flags & NSPROXY_FLAGS or spaces.time is not spaces.time_for_children:
        spaces = _copy_namespaces(t, flags, cred, fs)
    if spaces.mnt is t.nsproxy.mnt:
        spaces.mnt.users += 1
    descriptor = -1
    limits = t.process.rlimits if flags & CLONE_THREAD else t.process.rlimits.copy()
    pid: Pid | None = None
    try:
        pid = alloc_pid(spaces.pid_for_children, kernel.next_inum(), args.set_tid, t.cred)
        if flags & CLONE_PIDFD:
            descriptor = open_pidfd(t, pid)
            t.mm.write_u32(args.pidfd, descriptor)  # type: ignore[union-attr]
        child = _copy_thread(t, pid, args, descriptor, limits)
    except (Errno, OutOfFrames):
        if descriptor >= 0:
            t.files.close(t, descriptor)
        if pid is not None:
            pid.free_if_unused()
        spaces.mnt.put()
        raise
    child.cred, child.fs, child.nsproxy = cred, fs, spaces
    if flags & CLONE_FS:
        fs.hold()
    _link(t, child, args, limits, traced)
    return child


def _copy_namespaces(t: Thread, flags: int, cred: Cred, fs: FsContext) -> NsProxy:
    """Return the namespaces of a child with credentials ``cred``, standing at ``fs`` (copy_namespaces).  EPERM, EINVAL."""
    if flags & NSPROXY_FLAGS:
        if not t.cred.ns_capable(cred.user_ns, CAP_SYS_ADMIN):
            raise Errno.EPERM
        if flags & (CLONE_NEWIPC | CLONE_SYSVSEM) == CLONE_NEWIPC | CLONE_SYSVSEM:
            raise Errno.EINVAL
        spaces = create_new_namespaces(t, flags & NSPROXY_FLAGS, cred.user_ns, fs)
    else:
        spaces = t.nsproxy
    return spaces if flags & CLONE_VM else enter_time_ns(spaces)


def _copy_thread(t: Thread, pid: Pid, args: CloneArgs, pidfd: int, limits: Rlimits) -> Thread:
    kernel, flags = t.kernel, args.flags
    child = new_thread(kernel, pid)
    child.comm = t.comm
    child.no_new_privs = t.no_new_privs
    child.login = t.login
    child.blocked = t.blocked
    child.personality = t.personality
    child.timer_slack = child.default_timer_slack = t.timer_slack
    child.mempolicy = t.mempolicy
    child.sched = t.sched.fork(kernel)
    child.work = WORK_TRACE if kernel.watch is not None else 0
    child.self_exec_id = t.self_exec_id
    mm = t.mm
    assert mm is not None
    child.cpu = t.cpu.copy()
    child.cpu.rax = 0
    child.syscall_nr = t.syscall_nr
    child.tls = t.tls
    if t.trace_flags & ptrace.TRACE_FORCED_TF:
        child.cpu.eflags &= ~ptrace.EFLAGS_TF  # the debugger steps the parent
    if t.debug_status or t.debug is not None:
        hw_breakpoint.inherit(child, t)
    if args.stack:
        child.cpu.rsp = args.stack
    if flags & CLONE_SETTLS:
        if in_ia32_syscall(t):
            from kernel.tls import copy_area

            copy_area(t, child, args.tls)
        else:
            child.cpu.set_selector("fs", 0)
            child.cpu.fs_base = args.tls
    child.altstack = SigAltStack() if flags & (CLONE_VM | CLONE_VFORK) == CLONE_VM else t.altstack
    child.rseq = (0, 0, 0) if flags & CLONE_VM else t.rseq
    child.clear_child_tid = args.child_tid if flags & CLONE_CHILD_CLEARTID else 0
    child.mm = mm.hold() if flags & CLONE_VM else mm.fork(limits)  # last: what can run out of frames
    if flags & CLONE_CHILD_SETTID:
        child.mm.write_quiet(args.child_tid, pid.numbers[-1][1].to_bytes(4, "little"))
    if flags & CLONE_FILES:
        child.files = t.files.hold()
    else:
        child.files = t.files.copy()
        if pidfd >= 0:  # made for the parent only: Linux installs it after the table was copied
            child.files.close(t, pidfd)
    if flags & CLONE_SIGHAND:
        child.sighand = t.sighand.hold()
    else:
        child.sighand = t.sighand.copy()
        if flags & CLONE_CLEAR_SIGHAND:
            child.sighand.clear_handlers()
    if flags & CLONE_VFORK:
        child.vfork_done = WaitQueue()
    return child


def _link(t: Thread, child: Thread, args: CloneArgs, limits: Rlimits, traced: bool) -> None:
    """Make the child part of the system: of its process, of its parent's children, of the pid tables."""
    kernel, flags, parent_process = t.kernel, args.flags, t.process
    if flags & (CLONE_PARENT | CLONE_THREAD):
        child.real_parent, child.parent_exec_id = t.real_parent, t.parent_exec_id
    else:
        child.real_parent, child.parent_exec_id = t, t.self_exec_id
    child.parent = child.real_parent
    child.pid.thread = child
    kernel.charge_task(child)
    seccomp.inherit(child, t)
    if flags & CLONE_THREAD:
        process = parent_process
        child.process = process
        process.threads.append(child)
        process.live += 1
        if traced:
            ptrace.inherit(child, t)
        join_group_stop(t, child)
        return
    process = new_process(kernel, child.pid)
    child.process = process
    process.threads.append(child)
    process.live = 1
    process.rep = process.wait_task = process.curr_target = child
    process.exit_signal = parent_process.exit_signal if flags & CLONE_PARENT else args.exit_signal
    process.rlimits = limits
    arm_cpu_limit(process)
    process.tty = parent_process.tty
    process.oom_score_adj = parent_process.oom_score_adj
    process.oom_score_adj_min = parent_process.oom_score_adj_min
    process.ioprio = parent_process.ioprio
    process.has_child_subreaper = parent_process.has_child_subreaper or parent_process.is_child_subreaper
    link_process(process, parent_process.pgrp, parent_process.session)
    ns = child.pid.ns
    if ns.child_reaper is None:
        ns.child_reaper = child.pid
        process.unkillable = True
        process.tty = None
    if child.real_parent is not None:
        child.real_parent.children[process] = None
    if traced:
        ptrace.inherit(child, t)


def link_process(process: Process, pgrp: Pid, session: Pid) -> None:
    """Put a process into the pid tables: tgid, process group, session (attach_pid)."""
    process.tgid_pid.process = process
    process.pgrp = pgrp
    pgrp.pgrp[process] = None
    process.session = session
    session.session[process] = None


def kernel_clone(t: Thread, args: CloneArgs) -> int | Blocking[int]:
    """Create a child, start it, and return its number in the caller's namespace; with CLONE_VFORK sleep until it has
    exec'ed or exited.  Raises what ``copy_process`` raises, and EFAULT/EMFILE for the pidfd."""
    flags = args.flags
    event = _event(t, args)
    child = copy_process(t, args, event != 0 or flags & CLONE_PTRACE != 0)
    mm = t.mm
    assert mm is not None
    number = child.pid.nr_in(ns_of(t))
    if flags & CLONE_PARENT_SETTID:
        mm.write_quiet(args.parent_tid, number.to_bytes(4, "little"))
    watch = t.kernel.watch
    if watch is not None:
        watch.cloned(t, child)
    done = child.vfork_done
    t.kernel.sched.start(child)
    if flags & CLONE_VFORK and done is not None:
        return _wait_for_vfork(t, child, done, number, event)
    if event:
        return _report_clone(t, child.pid, event, number)
    return number


def _event(t: Thread, args: CloneArgs) -> int:
    """Return the event a tracer of ``t`` gets for the new thread, 0 if it did not ask for it."""
    if not t.ptrace or args.flags & CLONE_UNTRACED:
        return 0
    if args.flags & CLONE_VFORK:
        event = ptrace.EVENT_VFORK
    elif args.flags & CLONE_THREAD or args.exit_signal != SIGCHLD:
        event = ptrace.EVENT_CLONE
    else:
        event = ptrace.EVENT_FORK
    return event if ptrace.event_enabled(t, event) else 0


def _report_clone(t: Thread, pid: Pid, event: int, number: int) -> Blocking[int]:
    yield from ptrace_event(t, event, _number_for_tracer(t, pid))
    return number


def _number_for_tracer(t: Thread, pid: Pid) -> int:
    return pid.nr_in(ns_of(t.parent)) if t.parent is not None else 0


def _wait_for_vfork(t: Thread, child: Thread, done: WaitQueue, number: int, event: int) -> Blocking[int]:
    """Sleep until the child lets go of the shared memory; a fatal signal of the parent ends the sleep too."""
    who = f"{child.comm.decode(errors='replace')}[{child.tid}] by exec or exit"
    pid = child.pid
    if event:
        yield from ptrace_event(t, event, _number_for_tracer(t, pid))
    while child.vfork_done is done:
        reason = yield Block("kernel_clone", done, state=KILLABLE, who=lambda t: who)
        if reason:
            return number
    yield from ptrace_event(t, ptrace.EVENT_VFORK_DONE, _number_for_tracer(t, pid))
    return number
