"""pidfds: a process (or, with PIDFD_THREAD, a thread) as a file (pidfd_open(2)).

A pidfd refers to the Pid, so it goes on naming the same process however numbers are reused.  It polls readable once the
process is a reported zombie, and POLLHUP as well once it is reaped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kernel.errno import Errno
from kernel.fs.anon import AnonFile
from kernel.fs.fdtable import install_fd
from kernel.fs.file import O_CLOEXEC, O_NONBLOCK, O_RDWR, POLLHUP, POLLIN, POLLRDNORM
from kernel.fs.nsfs import AnyNamespace, open_ns
from kernel.pid import ns_of
from kernel.ptrace_access import MODE_FSCREDS, may_access
from kernel.task import EXIT_ZOMBIE
from kernel.waitqueue import WaitQueue

if TYPE_CHECKING:
    from kernel.pid import Pid, PidNamespace
    from kernel.task import Process, Thread

PIDFD_NONBLOCK = O_NONBLOCK
PIDFD_THREAD = 0o200
"""O_EXCL."""


_NAMESPACES: Final[dict[int, Callable[[Thread], AnyNamespace]]] = {
    0xFF01: lambda task: task.nsproxy.cgroup, 0xFF02: lambda task: task.nsproxy.ipc, 0xFF03: lambda task: task.nsproxy.mnt,
    0xFF04: lambda task: task.nsproxy.net, 0xFF05: ns_of, 0xFF06: lambda task: task.nsproxy.pid_for_children,
    0xFF07: lambda task: task.nsproxy.time, 0xFF08: lambda task: task.nsproxy.time_for_children,
    0xFF09: lambda task: task.cred.user_ns, 0xFF0A: lambda task: task.nsproxy.uts,
}  # fmt: skip
"""PIDFD_GET_*_NAMESPACE of linux/pidfd.h -> the namespace of a thread."""


class PidFd(AnonFile):
    """A reference to ``pid``; with PIDFD_THREAD in ``flags`` to its thread instead of its process.

    Made by clone before the process exists (CLONE_PIDFD), so what the Pid names is looked up when asked for.
    """

    __slots__ = ("pid", "process")

    NAME = b"[pidfd]"

    def __init__(self, pid: Pid, flags: int = 0) -> None:
        super().__init__(O_RDWR | flags & (PIDFD_NONBLOCK | PIDFD_THREAD))
        self.pid = pid
        self.process: Process | None = None
        """Remembered from the first look, so that waiters stay on its queue until it is reaped."""

    def lseek(self, t: Thread, offset: int, whence: int) -> int:
        raise Errno.ESPIPE

    def poll(self, t: Thread) -> int:
        # Readable only when no thread is left, and hung up once the zombie is reaped (pidfd_poll).
        if self.flags & PIDFD_THREAD:
            thread = self.pid.thread
            if thread is None:
                return POLLIN | POLLRDNORM | POLLHUP
            return POLLIN | POLLRDNORM if thread.exit_state else 0
        process = self.pid.process
        if process is None:
            return POLLIN | POLLRDNORM | POLLHUP
        if not process.live and len(process.threads) == 1 and process.wait_task.exit_state == EXIT_ZOMBIE:
            return POLLIN | POLLRDNORM
        return 0

    def queues(self, t: Thread) -> tuple[WaitQueue, ...]:
        if self.process is None:
            pid = self.pid
            self.process = pid.process if pid.process is not None else pid.thread.process if pid.thread is not None else None
        return (self.process.pidfd_wait,) if self.process is not None else ()

    def ioctl(self, t: Thread, command: int, argument: int) -> int:
        """PIDFD_GET_KIND_NAMESPACE: open a namespace of the process.  ENOTTY, ESRCH (it is gone), EINVAL, EACCES."""
        namespace = _NAMESPACES.get(command)
        if namespace is None:
            raise Errno.ENOTTY
        target = self.pid.thread or (self.pid.process.rep if self.pid.process is not None else None)
        if target is None:
            raise Errno.ESRCH
        if argument:
            raise Errno.EINVAL
        if target.exiting:
            raise Errno.ESRCH
        if not may_access(t, target, MODE_FSCREDS):
            raise Errno.EACCES
        return open_ns(t, namespace(target))

    def fdinfo(self, t: Thread, ns: PidNamespace) -> bytes:
        # The numbers in the namespace of /proc and below it: 0 if it is not seen from there, -1 once it is reaped.
        pid = self.pid
        if pid.thread is None and pid.process is None:
            numbers = [-1]
        else:
            numbers = [pid.nr_in(ns)]
            if numbers[0]:
                numbers += [number for _, number in pid.numbers[ns.level + 1 :]]
        return b"Pid:\t%d\nNSpid:\t%s\n" % (numbers[0], b"\t".join(b"%d" % number for number in numbers))


def open_pidfd(t: Thread, pid: Pid, flags: int = 0) -> int:
    """Return a new close-on-exec descriptor for ``pid``.  EMFILE."""
    return install_fd(t, PidFd(pid, flags), O_CLOEXEC)
