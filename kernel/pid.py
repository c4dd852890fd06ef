"""Process ids and pid namespaces.

A ``Pid`` is an identity with a number in its own namespace and in every ancestor.  It is linked to by a thread (as tid),
a process (as tgid), and by the processes that use it as process group or session; its numbers are free again when none
of the four uses is left.  So the tgid of a process stays reserved after its first thread is gone, and the number of a
process group after its founder is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kernel.cred import CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN
from kernel.errno import Errno
from kernel.ns import CLONE_NEWPID, Namespace
from kernel.user_ns import INIT_USER_NS, UserNamespace
from kernel.waitqueue import WaitQueue

if TYPE_CHECKING:
    from kernel.cred import Cred
    from kernel.task import Process, Thread
    from kernel.ucount import Charge

PID_MAX_DEFAULT = 32768
PID_MAX_LIMIT = 4 * 1024 * 1024
RESERVED_PIDS = 300
"""Numbers below are given out only in the first round (kernel/pid.c)."""


class PidNamespace(Namespace):
    """One numbering of processes.  ``pids`` are the hashed numbers; ``dead`` namespaces give out no more.

    ``child_reaper`` is the Pid of the namespace's init (number 1), None before it exists.
    """

    __slots__ = ("parent", "level", "pids", "last", "pid_max", "dead", "child_reaper", "reboot", "emptied")

    KIND = CLONE_NEWPID
    NAME = b"pid"

    def __init__(
        self, parent: PidNamespace | None, inum: int, user_ns: UserNamespace = INIT_USER_NS, charge: Charge | None = None
    ) -> None:
        super().__init__(inum, user_ns, charge)
        self.parent = parent
        self.level: int = 0 if parent is None else parent.level + 1
        self.pids: dict[int, Pid] = {}
        self.last = 0
        self.pid_max = PID_MAX_DEFAULT if parent is None else PID_MAX_LIMIT
        self.dead = False
        self.child_reaper: Pid | None = None
        self.reboot = 0
        self.emptied = WaitQueue()
        """Woken when a number is freed once the namespace is dead: mainline's init waits here for it to empty."""

    def find(self, number: int) -> Pid | None:
        """Return the Pid that has ``number`` here, or None."""
        return self.pids.get(number)

    def find_thread(self, number: int) -> Thread | None:
        """Return the thread with tid ``number`` (PIDTYPE_PID), or None."""
        pid = self.pids.get(number)
        return None if pid is None else pid.thread

    def find_process(self, number: int) -> Process | None:
        """Return the process with tgid ``number`` (PIDTYPE_TGID), or None."""
        pid = self.pids.get(number)
        return None if pid is None else pid.process

    def is_descendant_of(self, other: PidNamespace) -> bool:
        """Tell whether ``other`` is this namespace or one of its ancestors."""
        ns: PidNamespace | None = self
        while ns is not None:
            if ns is other:
                return True
            ns = ns.parent
        return False

    def _next_number(self) -> int:
        if len(self.pids) >= self.pid_max - 1:
            raise Errno.EAGAIN
        number = self.last + 1
        for _ in range(self.pid_max):
            if number >= self.pid_max:
                number = RESERVED_PIDS if self.pid_max > RESERVED_PIDS else 1
            if number not in self.pids:
                return number
            number += 1
        raise Errno.EAGAIN


class Pid:
    """One identity: its number per namespace, and who uses it.

    ``numbers``: (namespace, number) from the initial namespace to the deepest.  ``nr``: the number in the initial one.
    """

    __slots__ = ("numbers", "nr", "thread", "process", "pgrp", "session", "inum")

    def __init__(self, numbers: tuple[tuple[PidNamespace, int], ...], inum: int) -> None:
        self.numbers = numbers
        self.nr = numbers[0][1]
        self.thread: Thread | None = None
        self.process: Process | None = None
        self.pgrp: dict[Process, None] = {}
        self.session: dict[Process, None] = {}
        self.inum = inum

    @property
    def ns(self) -> PidNamespace:
        """The deepest namespace: the one the thread lives in."""
        return self.numbers[-1][0]

    def nr_in(self, ns: PidNamespace) -> int:
        """Return the number as seen in ``ns``, 0 if it is not visible there (pid_nr_ns)."""
        if ns.level < len(self.numbers):
            where, number = self.numbers[ns.level]
            if where is ns:
                return number
        return 0

    def free_if_unused(self) -> list[PidNamespace]:
        """Unhash the numbers if nobody links to this Pid any more; return the dead namespaces in which one was freed: their
        inits may have waited for it."""
        dead: list[PidNamespace] = []
        if self.thread is None and self.process is None and not self.pgrp and not self.session:
            for ns, number in self.numbers:
                if ns.pids.get(number) is self:
                    del ns.pids[number]
                    if ns.dead:
                        ns.emptied.wake_all()
                        dead.append(ns)
        return dead

    def __repr__(self) -> str:
        return f"<Pid {'/'.join(str(number) for _, number in self.numbers)}>"


def _may_choose(cred: Cred | None, ns: PidNamespace) -> bool:
    """Tell whether ``cred`` may choose numbers in ``ns`` (checkpoint_restore_ns_capable)."""
    return cred is None or cred.ns_capable(ns.user_ns, CAP_CHECKPOINT_RESTORE) or cred.ns_capable(ns.user_ns, CAP_SYS_ADMIN)


def alloc_pid(ns: PidNamespace, inum: int, set_tid: Sequence[int] = (), cred: Cred | None = None) -> Pid:
    """Give out a number in ``ns`` and each ancestor (alloc_pid of kernel/pid.c).

    ``set_tid`` asks for given numbers, deepest namespace first (clone3); ``cred`` must be privileged in each of those.
    Raises EAGAIN if a namespace is full, EEXIST, EINVAL, EPERM for bad requests, ENOMEM if the namespace is dead or has no
    init yet.
    On failure nothing is allocated and ``last`` is untouched.
    """
    chosen: list[tuple[PidNamespace, int]] = []
    at: PidNamespace | None = ns
    wanted = list(set_tid)
    if len(wanted) > ns.level + 1:
        raise Errno.EINVAL
    while at is not None:
        if wanted:
            number = wanted.pop(0)
            if number < 1 or number >= at.pid_max or (number != 1 and at.child_reaper is None):
                raise Errno.EINVAL
            if not _may_choose(cred, at):
                raise Errno.EPERM
            if number in at.pids:
                raise Errno.EEXIST
        else:
            number = at._next_number()
        chosen.append((at, number))
        at = at.parent
    if ns.dead or (ns.child_reaper is None and chosen[0][1] != 1):
        raise Errno.ENOMEM
    chosen.reverse()
    pid = Pid(tuple(chosen), inum)
    for where, number in chosen:
        where.pids[number] = pid
        if where.level <= ns.level - len(set_tid):
            where.last = number
    return pid


def ns_of(t: Thread) -> PidNamespace:
    """Return the pid namespace a thread lives in (task_active_pid_ns)."""
    return t.pid.numbers[-1][0]


def tgid_in(process: Process, ns: PidNamespace) -> int:
    """Return the process id of ``process`` as seen in ``ns``."""
    return process.tgid_pid.nr_in(ns)
