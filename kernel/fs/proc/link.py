"""exe, cwd, root, fd/N, map_files: links that lead to the object itself, whatever its name says, inside the guest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.fs.file import File, Stat
from kernel.fs.inode import S_IFIFO, S_IFMT, S_IFSOCK, Dentry, FileSystem, Inode
from kernel.fs.mount import Mount, Path
from kernel.fs.path import d_path
from kernel.fs.pipe import PipeFile
from kernel.fs.proc.generic import Entry
from kernel.fs.proc.target import TaskNode, may_read
from kernel.waitqueue import Blocking

if TYPE_CHECKING:
    from kernel.task import Thread


class TaskLink(TaskNode):
    """exe, cwd, root: the row's function gives the place for (reader, task)."""

    __slots__ = ()

    def follow(self, t: Thread) -> Path:
        """Go there.  EACCES without the right to look, ENOENT if there is nothing."""
        task = self.target.thread()
        if task is None:
            raise Errno.ENOENT
        if not may_read(t, task):
            raise Errno.EACCES
        where: Path = self.entry.show(t, task)
        return where

    def readlink(self, t: Thread) -> bytes:
        """Return the path as ``t`` would name it."""
        return d_path(self.follow(t), t.fs.root)


def cwd_link(t: Thread, task: Thread) -> Path:
    """/proc/PID/cwd."""
    if task.exiting:
        raise Errno.ENOENT
    return task.fs.cwd


def root_link(t: Thread, task: Thread) -> Path:
    """/proc/PID/root."""
    if task.exiting:
        raise Errno.ENOENT
    return task.fs.root


def exe_link(t: Thread, task: Thread) -> Path:
    """/proc/PID/exe."""
    where = task.mm.exe_file.where() if task.mm is not None and task.mm.exe_file is not None else None
    if where is None:
        raise Errno.ENOENT
    return where


def task_link(name: bytes, show: object) -> Entry:
    """A row for a link that leads to a place."""
    return Entry(name, 0o120777, show, node=TaskLink)


class NamelessInode(Inode):
    """What a magic link to a file without a place leads to: a pipe, a socket, something of the host."""

    __slots__ = ("file",)

    def __init__(self, fs: FileSystem, file: File, status: Stat) -> None:
        super().__init__(fs, status.ino, status.mode, status.uid, status.gid, status.rdev)
        self.file = file

    def stat(self, t: Thread | None = None) -> Stat:
        """The file's own."""
        assert t is not None
        return self.file.stat(t)

    def open(self, t: Thread, where: Path, flags: int) -> File | Blocking[File]:
        """Open a pipe anew.  ENXIO for sockets and anonymous inodes; others are shared with who has them open."""
        kind = self.mode & S_IFMT
        file = self.file
        if isinstance(file, PipeFile) and kind == S_IFIFO:
            # Unlike a FIFO a pipe does not wait for the other side (fifo_open, is_pipe).
            return PipeFile(file.pipe, flags, PipePlace(file))
        if kind in (0, S_IFSOCK):
            raise Errno.ENXIO
        wanted = flags & 3
        if file.flags & 3 not in (2, wanted):
            raise Errno.EACCES
        return file.hold()


class PipePlace:
    """A pipe that was opened again through /proc: it keeps telling of the pipe."""

    __slots__ = ("file",)

    def __init__(self, file: PipeFile) -> None:
        self.file = file

    def where(self) -> Path | None:
        """It has no place."""
        return None

    def stat(self, t: Thread) -> Stat:
        """As the pipe."""
        return self.file.stat(t)

    def path(self, t: Thread) -> bytes:
        """As the pipe."""
        return self.file.path(t)


def place_of(t: Thread, file: File, mount: Mount) -> Path:
    """Return where a magic link to ``file`` leads: its place, or for one without a place a nameless inode in ``mount``."""
    where = file.where()
    if where is not None:
        return where
    inode = NamelessInode(mount.fs, file, file.stat(t))
    dentry = Dentry(file.path(t), mount.root, inode)
    dentry.unlinked = True
    return Path(mount, dentry)
