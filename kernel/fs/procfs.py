"""procfs: files that are made when they are read (fs/proc/).

A file of /proc is a function from (reader, target) to bytes.  This module has the kinds of nodes and the file system; what
they show stands in tables: ``procfs_root`` for /proc itself, ``procfs_sys`` for /proc/sys, ``procfs_task`` for processes.

A procfs belongs to a pid namespace, whose numbers it shows.  Nothing about processes is cached: a directory of a process is
made by the lookup and knows only its ``Pid``, so it turns empty when the process goes, and /proc does not grow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from kernel.errno import Errno
from kernel.fs.file import POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM, File, Stat
from kernel.fs.inode import S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK, Dentry, Dirent, FileSystem, Inode
from kernel.fs.mount import Mount, Path
from kernel.fs.pipe import PipeFile
from kernel.fs.regular import DirectoryFile, PlacedFile, seek
from kernel.waitqueue import Blocking

if TYPE_CHECKING:
    from kernel.kernel import Kernel
    from kernel.pid import PidNamespace
    from kernel.task import Thread

PROC_SUPER_MAGIC = 0x9FA0
PROC_ROOT_INO = 1

Show = Callable[["Thread", Any], bytes]
Store = Callable[["Thread", Any, bytes], None]


class Entry(NamedTuple):
    """One file: permission bits, what it shows, what writing does.  ``guarded``: opening it needs the rights of ptrace(2)
    to look at the target (PTRACE_MODE_READ_FSCREDS)."""

    mode: int
    show: Show | None
    store: Store | None = None
    guarded: bool = False


class ProcFs(FileSystem):
    """One instance: ``ns`` is the pid namespace it shows."""

    __slots__ = ("kernel", "ns", "_last_ino")

    blksize = 1024
    has_negative_names = False

    def __init__(self, kernel: Kernel, ns: PidNamespace) -> None:
        super().__init__(kernel.vfs, b"proc", PROC_SUPER_MAGIC)
        self.kernel = kernel
        self.ns = ns
        self._last_ino = PROC_ROOT_INO

    def new_ino(self) -> int:
        """Return a number for a node that stays."""
        self._last_ino += 1
        return self._last_ino


class ProcInode(Inode):
    """A node; its owner is whoever ``owner`` says."""

    __slots__ = ()

    def set_mode(self, t: Thread, mode: int) -> None:
        """Modes of /proc are fixed (proc_setattr)."""
        raise Errno.EPERM

    def set_owner(self, t: Thread, uid: int, gid: int) -> None:
        """Owners of /proc are fixed."""
        raise Errno.EPERM


class ProcFile(ProcInode):
    """A file: ``entry`` for ``target`` (None for files that are about nobody)."""

    __slots__ = ("entry", "target")

    def __init__(self, fs: FileSystem, ino: int, entry: Entry, target: Any = None, uid: int = 0, gid: int = 0) -> None:
        super().__init__(fs, ino, S_IFREG | entry.mode, uid, gid)
        self.entry = entry
        self.target = target

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Open it."""
        return TextFile(where, flags, self)

    def truncate(self, t: Thread, size: int) -> None:
        """Opening with O_TRUNC is how shells write; it changes nothing."""


class TextFile(PlacedFile):
    """An open file of /proc.  The text is made when it is read from the start (single_open)."""

    __slots__ = ("proc", "text")

    SPLICES = True

    def __init__(self, where: Path, flags: int, node: ProcFile) -> None:
        super().__init__(where, flags)
        self.proc = node
        self.text: bytes | None = None

    def _content(self, t: Thread, offset: int) -> bytes:
        if self.text is None or offset == 0:
            show = self.proc.entry.show
            if show is None:
                raise Errno.EINVAL
            self.text = show(t, self.proc.target)
        return self.text

    def read(self, t: Thread, size: int) -> bytes:
        """Read at the position."""
        data = self._content(t, self.pos)[self.pos : self.pos + size]
        self.pos += len(data)
        return data

    def pread(self, t: Thread, size: int, offset: int) -> bytes:
        """Read at ``offset``."""
        return self._content(t, offset)[offset : offset + size]

    def write(self, t: Thread, data: bytes) -> int:
        """Hand the text to the kernel."""
        store = self.proc.entry.store
        if store is None:
            raise Errno.EIO
        store(t, self.proc.target, data)
        self.pos += len(data)
        return len(data)

    def pwrite(self, t: Thread, data: bytes, offset: int) -> int:
        """As write."""
        return self.write(t, data)

    def lseek(self, t: Thread, offset: int, whence: int) -> int:
        """Move; there is no end to count from."""
        if whence == 2:
            raise Errno.EINVAL
        self.pos = seek(self.pos, offset, whence, 0)
        return self.pos

    def poll(self, t: Thread) -> int:
        """Always ready, and epoll takes it (proc_reg_poll)."""
        return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM

    def release(self) -> None:
        """Nothing to give back but locks."""
        if self.proc.locks is not None:
            self.proc.locks.release_file(self)


class ProcLink(ProcInode):
    """A symbolic link whose text is made when it is read."""

    __slots__ = ("text",)

    def __init__(self, fs: FileSystem, ino: int, text: Callable[[Thread], bytes]) -> None:
        super().__init__(fs, ino, S_IFLNK | 0o777)
        self.text = text

    def readlink(self, t: Thread) -> bytes:
        """Return the text."""
        return self.text(t)


class ProcDir(ProcInode):
    """A directory that always has the same entries."""

    __slots__ = ("entries",)

    def __init__(self, fs: FileSystem, ino: int, mode: int = 0o555) -> None:
        super().__init__(fs, ino, S_IFDIR | mode)
        self.entries: dict[bytes, Dentry] = {}
        self.nlink = 2

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Open it."""
        return DirectoryFile(where, flags)

    def lookup(self, here: Dentry, name: bytes) -> Dentry:
        """Find an entry."""
        try:
            return self.entries[name]
        except KeyError:
            raise Errno.ENOENT from None

    def readdir(self, here: Dentry) -> list[Dirent]:
        """List the entries."""
        return [Dirent(name, d.inode.ino, d.inode.mode >> 12 & 15) for name, d in self.entries.items()]


def add_files(fs: ProcFs, here: Dentry, files: Mapping[bytes, Entry], target: object = None) -> None:
    """Enter files given as path -> Entry below a directory, making the directories between."""
    for path, entry in files.items():
        at = here
        *parents, name = path.split(b"/")
        for parent in parents:
            directory = at.inode
            assert isinstance(directory, ProcDir)
            if parent not in directory.entries:
                directory.entries[parent] = Dentry(parent, at, ProcDir(fs, fs.new_ino()))
                directory.nlink += 1
            at = directory.entries[parent]
        directory = at.inode
        assert isinstance(directory, ProcDir)
        directory.entries[name] = Dentry(name, at, ProcFile(fs, fs.new_ino(), entry, target))


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
