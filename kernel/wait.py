"""Waiting for children: wait4(2) and waitid(2) (do_wait of kernel/exit.c).

A caller looks at two kinds of target.  A *child process* is seen through its ``wait_task``: one exit report, stops and
continues of the group.  A *tracee* is a thread the caller's process traces: ptrace stops, and its exit as a thread.
With a pid the target is looked up directly; without one the caller's lists are walked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from kernel import ptrace
from kernel.clocks import CpuTimes
from kernel.errno import Errno
from kernel.exit import effective_exit_signal, exit_siginfo, notify_parent, process_status, reapable, release_task, withheld
from kernel.pid import Pid, ns_of
from kernel.signal import CLD_CONTINUED, CLD_STOPPED, CLD_TRAPPED, SIGCHLD, SIGCONT
from kernel.signal_pending import JOBCTL_LISTENING
from kernel.task import EXIT_DEAD, EXIT_NONE, EXIT_TRACED, EXIT_TRACEE, EXIT_ZOMBIE, TRACED, Thread
from kernel.user_ns import uid_for
from kernel.waitqueue import Block, Blocking, Wakeup

WNOHANG = 1
WUNTRACED = 2
WSTOPPED = 2
WEXITED = 4
WCONTINUED = 8
WNOWAIT = 0x01000000
WNOTHREAD = 0x20000000
WALL = 0x40000000
WCLONE = 0x80000000

_WAIT4_FLAGS = WNOHANG | WUNTRACED | WCONTINUED | WNOTHREAD | WCLONE | WALL

P_ALL, P_PID, P_PGID, P_PIDFD = range(4)


class Report(NamedTuple):
    """What a successful wait tells: pid in the caller's namespace, wait status, and for siginfo code, value and uid."""

    pid: int
    status: int
    code: int
    value: int
    uid: int
    times: CpuTimes | None
    maxrss_pages: int = 0


class WaitOptions(NamedTuple):
    """What to wait for: ``kind`` is P_ALL, P_PID (``pid``) or P_PGID (``pid`` as group); ``flags`` as in waitid(2)."""

    kind: int
    pid: Pid | None
    flags: int


def _waiters(t: Thread, flags: int) -> Iterable[Thread]:
    """The threads whose children count: all of the process, or only the caller with __WNOTHREAD."""
    threads = t.process.threads
    if flags & WNOTHREAD or len(threads) == 1:
        return (t,)
    return [t, *(other for other in threads if other is not t)]


def _targets(t: Thread, options: WaitOptions) -> Iterable[tuple[Thread, bool]]:
    """Give (thread, as tracee) of everything the options may mean, children first.

    Whoever takes one away must not ask for more.
    """
    kind, pid, flags = options
    if kind == P_ALL:
        return _of_group(t, None, flags)
    if pid is None:
        return ()
    return _of_pid(t, pid, flags) if kind == P_PID else _of_group(t, pid, flags)


def _of_pid(t: Thread, pid: Pid, flags: int) -> Sequence[tuple[Thread, bool]]:
    process = pid.process
    if process is not None:
        target = process.wait_task
        if _child_of(t, target, flags):
            if target.ptrace and target.pid is pid and _traced_by(t, target, flags):
                return (target, False), (target, True)
            return ((target, False),)
    thread = pid.thread
    return ((thread, True),) if thread is not None and _traced_by(t, thread, flags) else ()


def _of_group(t: Thread, pgrp: Pid | None, flags: int) -> Iterator[tuple[Thread, bool]]:
    for waiter in _waiters(t, flags):
        for process in waiter.children:
            if pgrp is None or process.pgrp is pgrp:
                yield process.wait_task, False
        for tracee in waiter.ptraced:
            if pgrp is None or tracee.process.pgrp is pgrp:
                yield tracee, True


def _traced_by(t: Thread, target: Thread, flags: int) -> bool:
    tracer = target.parent
    return bool(target.ptrace) and tracer is not None and (
        tracer is t or (tracer.process is t.process and not flags & WNOTHREAD)
    )


def _eligible(target: Thread, flags: int) -> bool:
    """Patch 11: __WCLONE chooses children whose effective exit signal is not SIGCHLD (mainline: the one of the clone)."""
    rules = target.kernel.semantics
    signal = effective_exit_signal(target) if rules.wclone_follows_exec else target.process.exit_signal
    return (signal != SIGCHLD) == bool(flags & WCLONE)


def _scan(t: Thread, options: WaitOptions) -> Report | bool:
    """Return a report, or whether there is anything at all to wait for."""
    something = False
    flags = options.flags
    for target, as_tracee in _targets(t, options):
        # Tracees are always eligible, and so are the usual children for the usual waiter.
        if (
            not as_tracee
            and not flags & WALL
            and (flags & WCLONE or target.process.exit_signal != SIGCHLD)
            and not _eligible(target, flags)
        ):
            continue
        state = target.exit_state
        if state == EXIT_NONE:
            something = True
            process = target.process
            if target.stop_code or process.stop_stopped or (flags & WCONTINUED and process.stop_continued):
                report = _stopped(t, target, flags) or _continued(t, target, as_tracee, flags)
                if report is not None:
                    return report
            continue
        if state == EXIT_DEAD:
            continue
        if state == EXIT_TRACED and not as_tracee:
            continue
        if state == EXIT_ZOMBIE and not as_tracee and reapable(target):
            if flags & WEXITED:
                return _reap(t, target, True, flags)
            continue  # nothing else can ever happen to it, so it does not count as something to wait for
        if (
            target.ptrace
            and _traced_by(t, target, flags)
            and not flags & (WEXITED | WCONTINUED)
            and not t.kernel.semantics.wait_sees_group_stop
        ):
            continue  # patch 19: mainline does not count a dead tracee that only its exit or a continuation could report
        something = True
        if state == EXIT_TRACEE and flags & WEXITED and as_tracee and not withheld(target):
            return _reap(t, target, False, flags)
        # A corpse that cannot be reaped yet still stands for its process, whose other threads may stop and continue.
        report = _stopped(t, target, flags) or _continued(t, target, as_tracee, flags)
        if report is not None:
            return report
    return something


def _reap(t: Thread, target: Thread, as_process: bool, flags: int) -> Report:
    """Report an exit and, without WNOWAIT, take the corpse away (wait_task_zombie)."""
    process = target.process
    ns = ns_of(t)
    status = process_status(process, target)
    code, value = exit_siginfo(status)
    pid = process.tgid_pid if as_process else target.pid
    times = CpuTimes()
    times.add(target.times)
    if as_process:
        times.add(process.times)
        times.add(process.child_times)
    report = Report(pid.nr_in(ns), status, code, value, uid_for(t, target.cred.uid), times, process.maxrss_pages)
    if flags & WNOWAIT:
        return report
    if as_process:
        t.process.child_times.add(times)
        peak = max(process.maxrss_pages, process.child_maxrss_pages)
        t.process.child_maxrss_pages = max(t.process.child_maxrss_pages, peak)
        release_task(target)
        return report
    target.exit_state = EXIT_TRACED
    ptrace.unlink(target)
    if process.wait_task is target:
        target.exit_state = EXIT_ZOMBIE
        if reapable(target) and notify_parent(target, as_process=True):
            release_task(target)
    else:
        release_task(target)
    return report


def _stopped(t: Thread, target: Thread, flags: int) -> Report | None:
    """Report a ptrace stop of a tracee or a completed group stop of a child (wait_task_stopped).

    Patch 18: a child that is also a tracee has both.  They are reported as one if they are the same stop, as for the only
    thread of a child that was attached, never for a seized one, whose trap has a code of its own.
    """
    process = target.process
    trap = stop = 0
    traced = _traced_by(t, target, flags)
    if traced and target.state is TRACED and not target.jobctl & JOBCTL_LISTENING:
        trap = target.stop_code
    if (
        flags & WUNTRACED
        and process.stop_stopped
        and not process.group_exit
        and process.wait_task is target
        and _child_of(t, target, flags)
        and (not traced or t.kernel.semantics.wait_sees_group_stop)
    ):
        stop = process.group_exit_code
    if not trap and not stop:
        return None
    code = trap or stop
    as_group = stop == code
    if not flags & WNOWAIT:
        if trap:
            target.stop_code = 0
        if as_group:
            process.group_exit_code = 0
    pid = process.tgid_pid if as_group else target.pid
    why = CLD_STOPPED if as_group else CLD_TRAPPED
    return Report(pid.nr_in(ns_of(t)), code << 8 | 0x7F, why, code, uid_for(t, target.cred.uid), None)


def _child_of(t: Thread, target: Thread, flags: int) -> bool:
    parent = target.real_parent
    return parent is not None and (parent is t or (parent.process is t.process and not flags & WNOTHREAD))


def _continued(t: Thread, target: Thread, as_tracee: bool, flags: int) -> Report | None:
    """Report that a stopped child or tracee was continued with its process (wait_task_continued)."""
    process = target.process
    if not flags & WCONTINUED or not process.stop_continued:
        return None
    if not flags & WNOWAIT:
        process.stop_continued = False
    pid = target.pid if as_tracee else process.tgid_pid
    return Report(pid.nr_in(ns_of(t)), 0xFFFF, CLD_CONTINUED, SIGCONT, uid_for(t, process.rep.cred.uid), None)


def do_wait(t: Thread, options: WaitOptions) -> Report | Blocking[Report | None] | None:
    """Wait as the options say; None means "nothing yet" with WNOHANG.  Raises ECHILD if there is nothing to wait for.

    Returns a generator only if the caller has to sleep; that one raises ERESTARTSYS when a signal ends the sleep.
    """
    found = _scan(t, options)
    if isinstance(found, Report):
        return found
    if not found:
        raise Errno.ECHILD
    if options.flags & WNOHANG:
        return None
    return _wait_blocking(t, options)


def _wait_blocking(t: Thread, options: WaitOptions) -> Blocking[Report | None]:
    process = t.process
    block = Block("do_wait", process.chldexit, who=lambda t: describe_targets(t, options))
    if options.kind == P_PID:
        # pid_child_should_wake: what happens to others does not end the wait for one.
        block.accepts = lambda pid: pid is None or pid is options.pid
    while True:
        if (yield block) is Wakeup.SIGNAL:
            raise Errno.ERESTARTSYS
        found = _scan(t, options)
        if isinstance(found, Report):
            return found
        if not found:
            raise Errno.ECHILD


def describe_targets(t: Thread, options: WaitOptions) -> str:
    """Name what a waiter waits for, for the wait graph."""
    names = []
    for target, as_tracee in _targets(t, options):
        name = f"{target.comm.decode(errors='replace')}[{target.tid}]"
        if target.exit_state == EXIT_NONE:
            names.append(f"a change of {name}")
        elif target.exit_state == EXIT_TRACEE and not as_tracee and target.parent is not None:
            names.append(f"{name}, dead, once its tracer {target.parent.tid} reaps it")
        else:
            names.append(f"{name}, dead, once its other threads are reaped")
    return " or ".join(names[:8]) or "nobody"


def parse_wait4(t: Thread, pid: int, flags: int) -> WaitOptions:
    """Translate wait4(2) arguments.  Raises EINVAL for unknown flags, ESRCH for pid INT_MIN."""
    if flags & ~_WAIT4_FLAGS:
        raise Errno.EINVAL
    flags |= WEXITED
    if pid == -(1 << 31):
        raise Errno.ESRCH
    if pid == -1:
        return WaitOptions(P_ALL, None, flags)
    if pid == 0:
        return WaitOptions(P_PGID, t.process.pgrp, flags)
    if pid < 0:
        return WaitOptions(P_PGID, ns_of(t).find(-pid), flags)
    return WaitOptions(P_PID, ns_of(t).find(pid), flags)


def parse_waitid(t: Thread, kind: int, number: int, flags: int) -> WaitOptions:
    """Translate waitid(2) arguments except P_PIDFD, whose Pid the caller resolves.  Raises EINVAL."""
    if flags & ~(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | WNOTHREAD | WCLONE | WALL):
        raise Errno.EINVAL
    if not flags & (WEXITED | WSTOPPED | WCONTINUED):
        raise Errno.EINVAL
    ns = ns_of(t)
    if kind == P_ALL:
        return WaitOptions(P_ALL, None, flags)
    if kind == P_PID:
        if number <= 0:
            raise Errno.EINVAL
        return WaitOptions(P_PID, ns.find(number), flags)
    if kind == P_PGID:
        if number < 0:
            raise Errno.EINVAL
        pid = ns.find(number) if number else t.process.pgrp
        return WaitOptions(P_PGID, pid, flags)
    raise Errno.EINVAL
