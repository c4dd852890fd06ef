"""/proc/PID/fd and fdinfo: a link and a text for each open descriptor (fs/proc/fd.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.fs.file import O_CLOEXEC, File
from kernel.fs.inode import S_IFLNK, Dentry, Dirent
from kernel.fs.mount import Path
from kernel.fs.proc.generic import Entry, reg
from kernel.fs.proc.link import place_of
from kernel.fs.proc.locks import lock_lines
from kernel.fs.proc.target import GuardedDir, Target, TaskFile, TaskNode, may_read, number
from kernel.fs.regular import DirectoryFile

if TYPE_CHECKING:
    from kernel.pid import PidNamespace
    from kernel.task import Thread


def _task(target: Target) -> Thread:
    """Return the task if it has descriptors.  ENOENT."""
    task = target.thread()
    if task is None or task.exiting:
        raise Errno.ENOENT
    return task


def _file(target: Target, fd: int) -> File:
    """Return an open file of the target.  ENOENT."""
    try:
        return _task(target).files.get(fd, True)
    except Errno.EBADF:
        raise Errno.ENOENT from None


def _descriptors(target: Target) -> list[int]:
    """Return the open descriptors; a corpse has none.  ENOENT if the task is gone."""
    task = target.thread()
    if task is None:
        raise Errno.ENOENT
    return [] if task.exiting else task.files.open_fds()


def _ino(target: Target, fd: int, kind: int) -> int:
    return target.pid.nr << 32 | fd << 1 | 1 | kind << 22


class FdDir(TaskNode):
    """/proc/PID/fd."""

    __slots__ = ()

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Open it."""
        return DirectoryFile(where, flags)

    def size(self) -> int:
        """The number of open descriptors (proc_fd_getattr)."""
        return len(_descriptors(self.target))

    def permission(self, t: Thread, mask: int) -> None:
        """The mode, or being a thread of the same process (proc_fd_permission)."""
        task = self.target.thread()
        if task is None or task.process is not t.process:
            super().permission(t, mask)

    def lookup(self, here: Dentry, name: bytes) -> Dentry:
        """Make the link of a descriptor; its permission bits tell how the file is open (tid_fd_update_inode)."""
        fd = number(name)
        file = _file(self.target, fd)
        mode = S_IFLNK
        if not file.flags & 1:
            mode |= 0o500
        if (file.flags + 1) & 2:
            mode |= 0o300
        return Dentry(name, here, FdLink(self.fs, _ino(self.target, fd, 0), Entry(name, mode), self.target))

    def readdir(self, here: Dentry) -> list[Dirent]:
        """List the descriptors."""
        return [Dirent(b"%d" % fd, _ino(self.target, fd, 0), 10) for fd in _descriptors(self.target)]


class FdLink(TaskNode):
    """/proc/PID/fd/N: leads to the open file's object, whatever its name says."""

    __slots__ = ()

    def size(self) -> int:
        """64, as Linux says."""
        return 64

    def _file(self, t: Thread) -> File:
        if not may_read(t, _task(self.target)):
            raise Errno.EACCES
        return _file(self.target, int(self.entry.name))

    def readlink(self, t: Thread) -> bytes:
        """Return the file's name."""
        return self._file(t).path(t)

    def follow(self, t: Thread) -> Path:
        """Go there."""
        return place_of(t, self._file(t), t.kernel.vfs.hidden_mount)


class FdInfoDir(GuardedDir):
    """/proc/PID/fdinfo."""

    __slots__ = ()

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Open it."""
        return DirectoryFile(where, flags)

    def question(self, t: Thread) -> None:
        """Needs the right to look at the task (proc_fdinfo_permission).  ESRCH, EACCES."""
        task = self.target.thread()
        if task is None:
            raise Errno.ESRCH
        if not may_read(t, task):
            raise Errno.EACCES

    def lookup(self, here: Dentry, name: bytes) -> Dentry:
        """Make the file of a descriptor."""
        fd = number(name)
        target = self.target
        _file(target, fd)

        def show(t: Thread, _: object) -> bytes:
            return fdinfo(t, _task(target), fd, target.fs.ns)

        return Dentry(name, here, TaskFile(self.fs, _ino(target, fd, 1), reg(name, 0o444, show), target))

    def readdir(self, here: Dentry) -> list[Dirent]:
        """List the descriptors."""
        return [Dirent(b"%d" % fd, _ino(self.target, fd, 1), 8) for fd in _descriptors(self.target)]


def fdinfo(t: Thread, task: Thread, fd: int, ns: PidNamespace) -> bytes:
    """Return position, flags and mount of a descriptor, its locks, then what its kind adds (seq_show of fs/proc/fd.c)."""
    try:
        file = task.files.get(fd, True)
    except Errno.EBADF:
        raise Errno.ENOENT from None
    flags = file.flags | (O_CLOEXEC if task.files.is_cloexec(fd) else 0)
    where = file.where()
    mount = where.mount.id if where is not None else 15
    text = b"pos:\t%d\nflags:\t0%o\nmnt_id:\t%d\nino:\t%d\n" % (file.pos, flags, mount, file.stat(t).ino)
    return text + lock_lines(t, task, file, ns) + file.fdinfo(t, ns)
