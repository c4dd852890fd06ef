"""Rows and nodes: the kinds of files /proc is made of (fs/proc/generic.c, fs/seq_file.c).

A file of /proc is one row of a table, an ``Entry``: its name and mode, what it shows (a function from reader and target to
bytes), what writing does, and who may look.  The target is the process a file is about, None for those about nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kernel.errno import Errno
from kernel.fs.file import POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM, File
from kernel.fs.inode import S_IFDIR, S_IFLNK, S_IFREG, Dentry, Dirent, FileSystem, Inode
from kernel.fs.mount import Path
from kernel.fs.regular import DirectoryFile, PlacedFile, seek

if TYPE_CHECKING:
    from kernel.task import Thread

Show = Callable[["Thread", Any], bytes]
Store = Callable[["Thread", Any, bytes], None]
Node = Callable[[FileSystem, int, "Entry", Any], "ProcInode"]


class Access(NamedTuple):
    """Who may look, beyond what the mode says: needs the rights of ptrace(2) to look at the target, or with ``attach`` to
    attach to it (PTRACE_MODE_READ_FSCREDS, PTRACE_MODE_ATTACH_FSCREDS), asked for when the file is opened or else at every
    read; ``error`` without them.  ``needs_mm``: ESRCH without memory."""

    at_open: bool
    error: type[Errno]
    needs_mm: bool = False
    attach: bool = False


MM_ACCESS: Final = Access(True, Errno.EACCES, True)
"""mm_access: files about memory.  They keep showing the address space the process had when they were opened."""
ATTACH_ACCESS: Final = Access(True, Errno.EACCES, True, attach=True)
"""Memory itself."""
MAPS_ACCESS: Final = Access(True, Errno.EACCES)
"""The same for files that are empty where there is no memory."""
MAY_READ: Final = Access(False, Errno.EACCES)
LOCK_TRACE: Final = Access(False, Errno.EPERM, attach=True)
"""lock_trace: the registers and the kernel stack."""


class Entry(NamedTuple):
    """One row: a file with its type and permission bits, what it shows, what writing does, who may look, and the kind of
    node if it is not one of the common ones."""

    name: bytes
    mode: int
    show: Any = None
    store: Store | None = None
    access: Access | None = None
    node: Node | None = None


def reg(name: bytes, mode: int, show: Show | None, store: Store | None = None, access: Access | None = None) -> Entry:
    """A regular file: ``show(reader, target)`` is its text, ``store(writer, target, data)`` takes what is written."""
    return Entry(name, S_IFREG | mode, show, store, access)


def special(name: bytes, mode: int, node: Node) -> Entry:
    """A regular file that is more than a text."""
    return Entry(name, S_IFREG | mode, node=node)


def link(name: bytes, show: Callable[..., Any]) -> Entry:
    """A symbolic link; ``show(reader, target)`` gives its text, or in the directory of a task the place it leads to."""
    return Entry(name, S_IFLNK | 0o777, show)


def directory(name: bytes, mode: int, node: Node) -> Entry:
    """A directory."""
    return Entry(name, S_IFDIR | mode, node=node)


class Table:
    """The rows of a directory in the order they are listed, where each stands, and the directory's link count."""

    __slots__ = ("rows", "index", "links")

    def __init__(self, *rows: Entry) -> None:
        self.rows = rows
        self.index = {entry.name: (slot, entry) for slot, entry in enumerate(rows)}
        self.links = 2 + sum(entry.mode >> 12 == 4 for entry in rows)


class ProcInode(Inode):
    """A node of /proc; its mode is fixed."""

    __slots__ = ()

    def set_mode(self, t: Thread, mode: int) -> None:
        """EPERM (proc_nochmod_setattr)."""
        raise Errno.EPERM


def test_perm(inode: Inode, t: Thread, mask: int) -> None:
    """The access check of /proc/sys: the mode and nothing else.  Root is who has user id 0, and no capability helps.  EACCES."""
    mode = inode.mode
    if t.cred.euid == 0:
        mode >>= 6
    elif t.cred.in_egroup(0):
        mode >>= 3
    if mask & ~mode & 7:
        raise Errno.EACCES


class ProcFile(ProcInode):
    """A file: the text ``entry`` makes of ``target``."""

    __slots__ = ("entry", "target")

    def __init__(self, fs: FileSystem, ino: int, entry: Entry, target: Any) -> None:
        super().__init__(fs, ino, entry.mode)
        self.entry = entry
        self.target = target

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Open it."""
        return TextFile(where, flags, self)

    def text(self, t: Thread) -> bytes:
        """Make the text.  EINVAL if the file is only written to."""
        show = self.entry.show
        if show is None:
            raise Errno.EINVAL
        text: bytes = show(t, self.target)
        return text

    def truncate(self, t: Thread, size: int) -> None:
        """Opening with O_TRUNC is how shells write; it changes nothing."""


class TextFile(PlacedFile):
    """An open file of /proc.  The text is made when it is read from the start (single_open)."""

    __slots__ = ("proc", "text")

    SPLICES = True
    SHORT_WRITES = True

    def __init__(self, where: Path, flags: int, node: ProcFile) -> None:
        super().__init__(where, flags)
        self.proc = node
        self.text: bytes | None = None

    def make(self, t: Thread) -> bytes:
        """Make the text."""
        return self.proc.text(t)

    def pread(self, t: Thread, size: int, offset: int) -> bytes:
        """Read at ``offset``."""
        if self.text is None or offset == 0:
            self.text = self.make(t)
        return self.text[offset : offset + size]

    def read(self, t: Thread, size: int) -> bytes:
        """Read at the position."""
        data = self.pread(t, size, self.pos)
        self.pos += len(data)
        return data

    def pwrite(self, t: Thread, data: bytes, offset: int) -> int:
        """Hand the text to the kernel.  EIO if the file takes none."""
        store = self.proc.entry.store
        if store is None:
            raise Errno.EIO
        store(t, self.proc.target, data)
        return len(data)

    def write(self, t: Thread, data: bytes) -> int:
        """Hand the text to the kernel."""
        count = self.pwrite(t, data, self.pos)
        self.pos += count
        return count

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

    __slots__ = ("entry", "target")

    def __init__(self, fs: FileSystem, ino: int, entry: Entry, target: Any) -> None:
        super().__init__(fs, ino, entry.mode)
        self.entry = entry
        self.target = target

    def readlink(self, t: Thread) -> bytes:
        """Return the text."""
        text: bytes = self.entry.show(t, self.target)
        return text


class Tree:
    """A directory that always has the same entries: name -> (inode number, row or directory).  All mounts share it."""

    __slots__ = ("entries", "mode", "counted")

    def __init__(self, mode: int = 0o555, counted: bool = True) -> None:
        """``counted``: whether its link count tells of its directories (in /proc/sys it does not)."""
        self.entries: dict[bytes, tuple[int, Entry | Tree]] = {}
        self.mode = S_IFDIR | mode
        self.counted = counted

    def add(self, rows: Iterable[Entry], number: int) -> int:
        """Enter rows whose names are paths from here, with the directories between; inode numbers are given out from ``number``
        on.  Returns the next free one."""
        for entry in rows:
            at = self
            *parents, name = entry.name.split(b"/")
            for parent in parents:
                if parent not in at.entries:
                    at.entries[parent] = (number, Tree(counted=at.counted and parent != b"sys"))
                    number += 1
                below = at.entries[parent][1]
                assert isinstance(below, Tree)
                at = below
            if entry.mode >> 12 == 4:
                at.entries[name] = (number, Tree(entry.mode & 0o7777))
            else:
                at.entries[name] = (number, entry._replace(name=name))
            number += 1
        return number


class ProcDir(ProcInode):
    """A directory that always has the same entries; their nodes are made when somebody looks, and stay."""

    __slots__ = ("tree", "known")

    def __init__(self, fs: FileSystem, ino: int, tree: Tree) -> None:
        super().__init__(fs, ino, tree.mode)
        self.tree = tree
        self.known: dict[bytes, Dentry] = {}
        self.nlink = 2 + sum(isinstance(what, Tree) for _, what in tree.entries.values()) if tree.counted else 1

    def permission(self, t: Thread, mask: int) -> None:
        """That of its kind."""
        if self.tree.counted:
            super().permission(t, mask)
        else:
            test_perm(self, t, mask)

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Open it."""
        return DirectoryFile(where, flags)

    def lookup(self, here: Dentry, name: bytes) -> Dentry:
        """Find an entry."""
        dentry = self.known.get(name)
        if dentry is None:
            if name not in self.tree.entries:
                raise Errno.ENOENT
            ino, what = self.tree.entries[name]
            dentry = self.known[name] = Dentry(name, here, make_node(self.fs, ino, what))
        return dentry

    def readdir(self, here: Dentry) -> list[Dirent]:
        """List the entries."""
        return [Dirent(name, ino, what.mode >> 12) for name, (ino, what) in self.tree.entries.items()]


def make_node(fs: FileSystem, ino: int, what: Entry | Tree) -> Inode:
    """Make the node of a row or directory that is about nobody: its target is the file system."""
    if isinstance(what, Tree):
        return ProcDir(fs, ino, what)
    kind = what.node or (ProcLink if what.mode >> 12 == S_IFLNK >> 12 else ProcFile)
    return kind(fs, ino, what, fs)
