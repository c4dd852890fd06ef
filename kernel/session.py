"""Sessions and process groups: setpgid(2), setsid(2) and their readers (kernel/sys.c)."""

from __future__ import annotations

from kernel.errno import Errno
from kernel.pid import Pid, ns_of
from kernel.task import Process, Thread


def _own_or(t: Thread, number: int) -> Process:
    if number == 0:
        return t.process
    process = ns_of(t).find_process(number)
    if process is None:
        raise Errno.ESRCH
    return process


def getpgid(t: Thread, number: int) -> int:
    """Return the process group of a process (0: the caller's).  Raises ESRCH."""
    return _own_or(t, number).pgrp.nr_in(ns_of(t))


def getsid(t: Thread, number: int) -> int:
    """Return the session of a process (0: the caller's).  Raises ESRCH."""
    return _own_or(t, number).session.nr_in(ns_of(t))


def change_pgrp(process: Process, pid: Pid) -> None:
    """Move a process to group ``pid`` (change_pid of PIDTYPE_PGID).

    Whoever waits for a group looks again: it may have no child left there, or one more.  Mainline wakes nobody.
    """
    old = process.pgrp
    if old is pid:
        return
    del old.pgrp[process]
    process.pgrp = pid
    pid.pgrp[process] = None
    if process.rep.kernel.semantics.traced_first_exit:
        for waiter in {t.process: None for own in process.threads for t in (own.real_parent, own.parent) if t is not None}:
            waiter.chldexit.wake_all(old)
    old.free_if_unused()


def setpgid(t: Thread, number: int, group: int) -> None:
    """Move a process (0: the caller's) to a group (0: its own pid).

    Raises EINVAL for a negative group, ESRCH if it is neither the caller nor its child, EACCES if the child has exec'ed,
    EPERM for a session leader, another session, or a group that does not exist in the session.
    """
    group = group or number
    if group < 0:
        raise Errno.EINVAL
    ns = ns_of(t)
    process = _own_or(t, number)
    parent = process.wait_task.real_parent
    if parent is not None and parent.process is t.process and process is not t.process:
        if process.session is not t.process.session:
            raise Errno.EPERM
        if process.did_exec:
            raise Errno.EACCES
    elif process is not t.process:
        raise Errno.ESRCH
    if process.is_session_leader:
        raise Errno.EPERM
    pid: Pid | None = process.tgid_pid
    if group and group != process.tgid_pid.nr_in(ns):
        pid = ns.find(group)
        if pid is None or not any(member.session is t.process.session for member in pid.pgrp):
            raise Errno.EPERM
    assert pid is not None
    change_pgrp(process, pid)


def setsid(t: Thread) -> int:
    """Start a new session and group with the caller's process as leader; it loses its terminal.

    Raises EPERM if a process group with its pid exists already.
    """
    process = t.process
    pid = process.tgid_pid
    if process.is_session_leader or pid.pgrp:
        raise Errno.EPERM
    process.is_session_leader = True
    process.tty = None
    old = process.session
    del old.session[process]
    process.session = pid
    pid.session[process] = None
    old.free_if_unused()
    change_pgrp(process, pid)
    return pid.nr_in(ns_of(t))
