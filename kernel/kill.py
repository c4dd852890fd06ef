"""Signals from user space: who may signal whom (kill(2), sigqueue(3), tgkill(2), pidfd_send_signal(2)).

Two kinds of number are kept apart.  kill, sigqueue and process groups name *processes* (a tgid is looked up); tkill and
tgkill name *threads*, which must be alive.  Permission is judged on a living thread of the target (its ``rep``, or the
thread named); an unreaped zombie still accepts signals, under the credentials it had last, and forgets them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.cred import CAP_KILL
from kernel.errno import Errno
from kernel.pid import ns_of, tgid_in
from kernel.signal import NSIG, SI_TKILL, SIGCONT, SigInfo
from kernel.signal_send import from_ancestor, send_signal, user_info
from kernel.user_ns import make_kuid, uid_for

if TYPE_CHECKING:
    from kernel.pid import Pid
    from kernel.task import Process, Thread

INT_MIN = -(1 << 31)


def check_kill_permission(t: Thread, target: Thread, signo: int) -> None:
    """Raise EPERM if ``t`` may not send ``signo`` to ``target``, EINVAL if there is no such signal (kill(2)).

    Allowed within a process, if the sender's real or effective uid is the target's real or saved one, with CAP_KILL,
    and for SIGCONT within a session.
    """
    if not 0 <= signo <= NSIG:
        raise Errno.EINVAL
    if target.process is t.process:
        return
    mine, other = t.cred, target.cred
    if mine.euid in (other.suid, other.uid) or mine.uid in (other.suid, other.uid) or mine.ns_capable(other.user_ns, CAP_KILL):
        return
    if signo == SIGCONT and target.process.session is t.process.session:
        return
    raise Errno.EPERM


def kill_process(t: Thread, process: Process, signo: int, info: SigInfo | None = None) -> None:
    """Send ``signo`` (0: only check) from ``t`` to a process, as kill(2) or with the siginfo of sigqueue(3)."""
    target = process.rep
    check_kill_permission(t, target, signo)
    if signo:
        _send(t, target, signo, info or user_info(t, target, signo), group=True)


def _send(t: Thread, target: Thread, signo: int, info: SigInfo, group: bool) -> None:
    force = from_ancestor(t, target)
    if info.raw and t.cred.user_ns is not target.cred.user_ns and info.has_sender():
        # The sender named a user of its own namespace.
        uid = uid_for(target, make_kuid(t.cred.user_ns, info.uid))
        info = info._replace(uid=uid, raw=info.raw[:4] + uid.to_bytes(4, "little") + info.raw[8:])
    if force and info.raw and info.has_sender():
        # The sender has no number in the target's namespace (send_signal_locked).
        info = info._replace(pid=0, raw=bytes(4) + info.raw[4:])
    send_signal(target, info._replace(signo=signo), group, force)


def _find_process(t: Thread, number: int) -> Process:
    """Look up a process by its tgid (B4); mainline takes the tid of any of its threads as well (kill_pid_info)."""
    pid = ns_of(t).find(number) if number > 0 else None
    if pid is not None:
        if pid.process is not None:
            return pid.process
        if pid.thread is not None and not t.kernel.semantics.living_threads_only:
            return pid.thread.process
    raise Errno.ESRCH


def kill(t: Thread, number: int, signo: int) -> None:
    """kill(2): a process, a process group (0: the own one, negative), or all one may signal (-1).

    Raises ESRCH, EPERM, EINVAL.
    """
    if number > 0:
        kill_process(t, _find_process(t, number), signo)
    elif number == -1:
        _kill_all(t, signo)
    elif number == INT_MIN:
        raise Errno.ESRCH
    else:
        kill_group(t, t.process.pgrp if number == 0 else ns_of(t).find(-number), signo)


def kill_group(t: Thread, pgrp: Pid | None, signo: int, info: SigInfo | None = None) -> None:
    """Signal every process of a group.  It succeeds if one did; else the last error; ESRCH if the group is empty."""
    error: Errno | None = Errno.ESRCH()
    for process in list(pgrp.pgrp) if pgrp is not None else []:
        try:
            kill_process(t, process, signo, info)
            error = None
        except Errno as failure:
            error = error and failure
    if error is not None:
        raise error


def _kill_all(t: Thread, signo: int) -> None:
    """kill(-1): everybody but init and the own process.  An EPERM is not reported; ESRCH if there was nobody."""
    ns = ns_of(t)
    count = 0
    result: Errno | None = None
    for process in list(t.kernel.all_processes()):
        if tgid_in(process, ns) <= 1 or process is t.process:
            continue
        count += 1
        try:
            kill_process(t, process, signo)
            result = None
        except Errno.EPERM:
            pass
        except Errno as failure:
            result = failure
    if not count:
        raise Errno.ESRCH
    if result is not None:
        raise result


def kill_thread(t: Thread, tgid: int, tid: int, signo: int, info: SigInfo | None = None) -> None:
    """Signal one living thread, of process ``tgid`` unless that is 0 (do_send_specific).

    Raises ESRCH, EPERM, EINVAL, EAGAIN (queue full).
    """
    ns = ns_of(t)
    target = ns.find_thread(tid)
    if target is None or (tgid and tgid_in(target.process, ns) != tgid):
        raise Errno.ESRCH
    if target.exiting and t.kernel.semantics.living_threads_only:
        raise Errno.ESRCH  # mainline sends to a corpse, where the signal is lost
    check_kill_permission(t, target, signo)
    if signo:
        _send(t, target, signo, info or user_info(t, target, signo, SI_TKILL), group=False)


def tgkill(t: Thread, tgid: int, tid: int, signo: int) -> None:
    """tgkill(2).  Raises EINVAL for numbers that cannot be ids, ESRCH, EPERM."""
    if tid <= 0 or tgid <= 0:
        raise Errno.EINVAL
    kill_thread(t, tgid, tid, signo)


def tkill(t: Thread, tid: int, signo: int) -> None:
    """tkill(2): any living thread with that tid.  Raises EINVAL, ESRCH, EPERM."""
    if tid <= 0:
        raise Errno.EINVAL
    kill_thread(t, 0, tid, signo)


def _impersonates(info: SigInfo) -> bool:
    """Tell whether a siginfo could pass for one of the kernel or of kill(2): to be sent only to oneself."""
    return info.code >= 0 or info.code == SI_TKILL


def sigqueueinfo(t: Thread, tgid: int, signo: int, info: SigInfo) -> None:
    """rt_sigqueueinfo(2).  Raises EPERM, ESRCH, EINVAL, EAGAIN."""
    if _impersonates(info) and t.pid.nr_in(ns_of(t)) != tgid:
        raise Errno.EPERM
    kill_process(t, _find_process(t, tgid), signo, info)


def tgsigqueueinfo(t: Thread, tgid: int, tid: int, signo: int, info: SigInfo) -> None:
    """rt_tgsigqueueinfo(2).  Raises EPERM, ESRCH, EINVAL, EAGAIN."""
    if tid <= 0 or tgid <= 0:
        raise Errno.EINVAL
    if _impersonates(info) and t.pid.nr_in(ns_of(t)) != tid:
        raise Errno.EPERM
    kill_thread(t, tgid, tid, signo, info)


PIDFD_SIGNAL_THREAD = 1
PIDFD_SIGNAL_THREAD_GROUP = 2
PIDFD_SIGNAL_PROCESS_GROUP = 4


def pidfd_send_signal(t: Thread, pid: Pid, scope: int, signo: int, info: SigInfo | None) -> None:
    """pidfd_send_signal(2): ``scope`` is one PIDFD_SIGNAL_* value.

    Raises EINVAL (the target is not in the caller's namespace, ``info`` is of another signal), EPERM, ESRCH, EAGAIN.
    """
    if pid.nr_in(ns_of(t)) == 0:
        raise Errno.EINVAL
    if info is not None:
        if info.signo != signo:
            raise Errno.EINVAL
        if (pid is not t.pid or scope == PIDFD_SIGNAL_PROCESS_GROUP) and _impersonates(info):
            raise Errno.EPERM
    if scope == PIDFD_SIGNAL_PROCESS_GROUP:
        kill_group(t, pid, signo, info)
    elif scope == PIDFD_SIGNAL_THREAD:
        target = pid.thread
        if target is None or target.exiting:
            raise Errno.ESRCH
        check_kill_permission(t, target, signo)
        if signo:
            _send(t, target, signo, info or user_info(t, target, signo, SI_TKILL), group=False)
    elif pid.process is None:
        raise Errno.ESRCH
    else:
        kill_process(t, pid.process, signo, info)
