"""Changing scheduling attributes: who may, and to what (kernel/sched/syscalls.c, kernel/sys.c)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from kernel.cred import CAP_SYS_NICE
from kernel.errno import Errno
from kernel.pid import ns_of
from kernel.rlimit import RLIMIT_NICE, RLIMIT_RTPRIO
from kernel.sched_params import (
    MAX_RT_PRIO,
    SCHED_BATCH,
    SCHED_DEADLINE,
    SCHED_FIFO,
    SCHED_IDLE,
    SCHED_NORMAL,
    SCHED_RR,
)
from kernel.user_ns import INVALID_ID, make_kuid

if TYPE_CHECKING:
    from kernel.task import Thread

PRIO_PROCESS, PRIO_PGRP, PRIO_USER = range(3)

REALTIME = (SCHED_FIFO, SCHED_RR)
FAIR = (SCHED_NORMAL, SCHED_BATCH, SCHED_IDLE)


def same_owner(t: Thread, target: Thread) -> bool:
    """Tell whether the caller's effective uid is the target's effective or real one (check_same_owner)."""
    return t.cred.euid in (target.cred.euid, target.cred.uid)


def find_thread(t: Thread, number: int) -> Thread:
    """Return the thread a sched_* call means; 0 is the caller.  ESRCH."""
    target = t if number == 0 else ns_of(t).find_thread(number)
    if target is None:
        raise Errno.ESRCH
    return target


def can_nice(t: Thread, target: Thread, nice: int) -> bool:
    """Tell whether RLIMIT_NICE of ``target`` or CAP_SYS_NICE allows the nice value."""
    return 20 - nice <= target.process.rlimits.soft(RLIMIT_NICE) or t.cred.capable(CAP_SYS_NICE)


def set_nice(t: Thread, target: Thread, nice: int) -> None:
    """Set one thread's nice value (set_one_prio).  EPERM: not the caller's; EACCES: lower than it may."""
    if not same_owner(t, target) and target.cred.uid != t.cred.euid and not t.cred.ns_capable(target.cred.user_ns, CAP_SYS_NICE):
        raise Errno.EPERM
    if nice < target.sched.nice and not can_nice(t, target, nice):
        raise Errno.EACCES
    target.sched.nice = nice


def targets(t: Thread, which: int, who: int) -> Iterator[Thread]:
    """Yield the threads that getpriority(2) and ioprio_get(2) mean by PRIO_* ``which`` and ``who`` (0: the caller's)."""
    ns = ns_of(t)
    if which == PRIO_PROCESS:
        thread = t if who == 0 else ns.find_thread(who)
        if thread is not None:
            yield thread
    elif which == PRIO_PGRP:
        pid = t.process.pgrp if who == 0 else ns.find(who)
        for process in list(pid.pgrp) if pid is not None else ():
            yield from process.living
    else:
        uid = make_kuid(t.cred.user_ns, who) if who else t.cred.uid
        if uid == INVALID_ID:
            raise Errno.ESRCH
        for thread in list(t.kernel.all_threads()):
            if not thread.exiting and thread.cred.uid == uid and thread.pid.nr_in(ns):
                yield thread


def set_priority(t: Thread, threads: Iterable[Thread], nice: int) -> None:
    """setpriority(2) on several threads: ESRCH if there is none, else the last error of any."""
    error: Errno | None = None
    found = False
    for target in threads:
        found = True
        try:
            set_nice(t, target, nice)
        except Errno as failure:
            error = failure
    if error is not None:
        raise error
    if not found:
        raise Errno.ESRCH


def set_scheduler(
    t: Thread,
    target: Thread,
    policy: int,
    priority: int,
    nice: int,
    reset_on_fork: bool,
    deadline: tuple[int, int, int] = (0, 0, 0),
) -> None:
    """Give ``target`` a policy (__sched_setscheduler).  ``deadline``: (runtime, deadline, period) in ns.

    EINVAL for values that do not fit the policy, EPERM for what the caller may not do.
    """
    params = target.sched
    if policy not in FAIR and policy not in REALTIME and policy != SCHED_DEADLINE:
        raise Errno.EINVAL
    if not 0 <= priority <= MAX_RT_PRIO or (policy in REALTIME) != (priority != 0):
        raise Errno.EINVAL
    if policy == SCHED_DEADLINE and not _good_deadline(*deadline):
        raise Errno.EINVAL
    if not t.cred.capable(CAP_SYS_NICE) and _needs_privilege(t, target, policy, priority, nice, reset_on_fork):
        raise Errno.EPERM
    params.policy = policy
    params.priority = priority if policy in REALTIME else 0
    params.reset_on_fork = reset_on_fork
    if policy in FAIR:
        params.nice = nice
    params.runtime, params.deadline, params.period = deadline if policy == SCHED_DEADLINE else (0, 0, 0)


def _good_deadline(runtime: int, deadline: int, period: int) -> bool:
    """Check SCHED_DEADLINE parameters (__checkparam_dl): 1024 ns <= runtime <= deadline <= period, period 100 us to 4 s."""
    period = period or deadline
    if not deadline or (deadline | period) >> 63 or runtime < 1024:
        return False
    return runtime <= deadline <= period and 100_000 <= period <= 1 << 22 << 10


def _needs_privilege(t: Thread, target: Thread, policy: int, priority: int, nice: int, reset_on_fork: bool) -> bool:
    """What an ordinary user may not do (user_check_sched_setscheduler)."""
    params = target.sched
    if policy in FAIR and nice < params.nice and not can_nice(t, target, nice):
        return True
    if policy in REALTIME:
        limit = target.process.rlimits.soft(RLIMIT_RTPRIO)
        if (policy != params.policy and not limit) or (priority > params.priority and priority > limit):
            return True
    if policy == SCHED_DEADLINE:
        return True
    if params.policy == SCHED_IDLE and policy != SCHED_IDLE and not can_nice(t, target, params.nice):
        return True
    return not same_owner(t, target) or (params.reset_on_fork and not reset_on_fork)
