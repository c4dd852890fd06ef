"""/proc/PID/map_files: a link for each area that maps a file (fs/proc/base.c)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kernel.cred import CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN
from kernel.errno import Errno
from kernel.fs.file import File
from kernel.fs.inode import S_IFLNK, Dentry, Dirent
from kernel.fs.mount import Path
from kernel.fs.proc.fd import FdDir
from kernel.fs.proc.generic import Entry
from kernel.fs.proc.link import place_of
from kernel.fs.proc.target import TaskNode, may_read

if TYPE_CHECKING:
    from kernel.mm.vma import Vma
    from kernel.task import Thread

_RANGE = re.compile(rb"(0|[1-9a-f][0-9a-f]{0,15})-(0|[1-9a-f][0-9a-f]{0,15})")
"""As the kernel itself writes it: no leading zeros (dname_to_vma_addr)."""


class MapFilesDir(FdDir):
    """The directory; entered as fd is."""

    __slots__ = ()

    def size(self) -> int:
        """0."""
        return 0

    def permission(self, t: Thread, mask: int) -> None:
        """As for fd, and the right to look at the task.  ENOENT, EACCES."""
        super().permission(t, mask)
        task = self.target.thread()
        if task is None:
            raise Errno.ENOENT
        if not may_read(t, task):
            raise Errno.EACCES

    def _areas(self) -> list[Vma]:
        task = self.target.thread()
        if task is None:
            raise Errno.ENOENT
        return [vma for vma in task.mm.areas.areas if vma.file is not None] if task.mm is not None else []

    def lookup(self, here: Dentry, name: bytes) -> Dentry:
        """Make the link of an area, named by its bounds."""
        match = _RANGE.fullmatch(name)
        if match is not None:
            start, end = int(match[1], 16), int(match[2], 16)
            for vma in self._areas():
                if (vma.start, vma.end) == (start, end):
                    assert vma.file is not None
                    mode = S_IFLNK | (0 if vma.file.flags & 1 else 0o400) | (0o200 if vma.file.flags & 3 else 0)
                    return Dentry(name, here, MapLink(self.fs, self._ino(start), Entry(name, mode), self.target))
        raise Errno.ENOENT

    def _ino(self, start: int) -> int:
        return self.target.pid.nr << 48 | start >> 12

    def readdir(self, here: Dentry) -> list[Dirent]:
        """List the areas that map files."""
        return [Dirent(b"%x-%x" % (vma.start, vma.end), self._ino(vma.start), 10) for vma in self._areas()]


class MapLink(TaskNode):
    """Leads to the mapped file."""

    __slots__ = ()

    def size(self) -> int:
        """64, as Linux says."""
        return 64

    def _file(self, t: Thread) -> File:
        task = self.target.thread()
        if task is None or task.mm is None:
            raise Errno.ENOENT
        if not may_read(t, task):
            raise Errno.EACCES
        start = int(self.entry.name.split(b"-")[0], 16)
        for vma in task.mm.areas.areas:
            if vma.start == start and vma.file is not None:
                return vma.file
        raise Errno.ENOENT

    def readlink(self, t: Thread) -> bytes:
        """Return the file's name."""
        return self._file(t).path(t)

    def follow(self, t: Thread) -> Path:
        """Go there.  EPERM without CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE (proc_map_files_get_link)."""
        if not (t.cred.capable(CAP_SYS_ADMIN) or t.cred.capable(CAP_CHECKPOINT_RESTORE)):
            raise Errno.EPERM
        return place_of(t, self._file(t), t.kernel.vfs.hidden_mount)
