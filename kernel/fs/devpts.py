"""devpts: the names of the slaves of pseudo terminals (pts(4), fs/devpts/inode.c).

Every mount of devpts is an instance of its own, with its own numbers and its own ``ptmx``.  Opening /dev/ptmx outside of one
makes the terminal in the instance mounted at ``pts`` beside it (devpts_mntget), so that containers get their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.errno import Errno
from kernel.fs.file import File
from kernel.fs.inode import S_IFCHR, S_IFDIR, Dentry, Dirent, FileSystem, Inode, makedev
from kernel.fs.mount import Path, cross
from kernel.fs.ptmx import PtyMaster, open_slave
from kernel.fs.regular import DirectoryFile
from kernel.fs.ttyfile import open_controlling
from kernel.pty import PTMX_DEV, Pty
from kernel.user_ns import INIT_USER_NS, INVALID_ID, UserNamespace, make_kgid, make_kuid

if TYPE_CHECKING:
    from kernel.fs.vfs import Vfs
    from kernel.task import Thread

DEVPTS_SUPER_MAGIC: Final = 0x1CD1
TTY_DEV: Final = makedev(5, 0)
MAX_PTYS: Final = 1 << 20
_FIRST_INO: Final = 3


class DevPts(FileSystem):
    """One instance.  ``ids``: whose the slaves are, None for that of who makes them; ``mode``: their permission bits."""

    __slots__ = ("lines", "uid", "gid", "mode", "ptmx_mode", "max")

    blksize = 1024

    def __init__(self, vfs: Vfs) -> None:
        super().__init__(vfs, b"devpts", DEVPTS_SUPER_MAGIC)
        self.lines: dict[int, Pty] = {}
        self.uid: int | None = None
        self.gid: int | None = None
        self.mode, self.ptmx_mode, self.max = 0o600, 0o000, MAX_PTYS
        self.root = Dentry(b"", None, PtsDir(self, 1, S_IFDIR | 0o755))

    def take_options(self, ns: UserNamespace, text: bytes) -> None:
        """Read mount options (parse_mount_options).  EINVAL."""
        for option in filter(None, text.split(b",")):
            key, _, value = option.partition(b"=")
            try:
                if key == b"uid":
                    self.uid = make_kuid(ns, int(value))
                elif key == b"gid":
                    self.gid = make_kgid(ns, int(value))
                elif key == b"mode":
                    self.mode = int(value, 8) & 0o7777
                elif key == b"ptmxmode":
                    self.ptmx_mode = int(value, 8) & 0o7777
                elif key == b"max":
                    self.max = int(value)
                elif key != b"newinstance":
                    raise Errno.EINVAL
            except ValueError:
                raise Errno.EINVAL from None
        if INVALID_ID in (self.uid, self.gid):
            raise Errno.EINVAL
        directory = self.root.inode
        assert isinstance(directory, PtsDir)
        directory.ptmx.inode.mode = S_IFCHR | self.ptmx_mode

    def reconfigure(self, options: bytes) -> None:
        """Take the options of a remount."""
        self.take_options(INIT_USER_NS, options)

    def options(self) -> bytes:
        """Return what /proc/mounts shows."""
        text = b"" if self.uid is None else b",uid=%d" % self.uid
        text += b"" if self.gid is None else b",gid=%d" % self.gid
        text += b",mode=%03o,ptmxmode=%03o" % (self.mode, self.ptmx_mode)
        return text + (b"" if self.max == MAX_PTYS else b",max=%d" % self.max)

    def new_line(self, t: Thread) -> Pty:
        """Make a pseudo terminal with the lowest free number.  ENOSPC beyond the limit."""
        index = 0
        while index in self.lines:
            index += 1
        if index >= self.max:
            raise Errno.ENOSPC
        line = self.lines[index] = Pty(index)
        directory = self.root.inode
        assert isinstance(directory, PtsDir)
        directory.add(t, line)
        return line


class PtsDir(Inode):
    """The root of an instance: ``ptmx`` and the slaves whose masters are open."""

    __slots__ = ("ptmx", "slaves")

    def __init__(self, fs: DevPts, ino: int, mode: int) -> None:
        super().__init__(fs, ino, mode)
        self.nlink = 2
        self.slaves: dict[bytes, Dentry] = {}
        self.ptmx = Dentry(b"ptmx", None, PtmxNode(fs, 2, S_IFCHR, rdev=PTMX_DEV))

    def add(self, t: Thread, line: Pty) -> None:
        """Name the slave of ``line``."""
        fs = self.fs
        assert isinstance(fs, DevPts)
        cred = t.cred
        uid = cred.fsuid if fs.uid is None else fs.uid
        gid = cred.fsgid if fs.gid is None else fs.gid
        name = b"%d" % line.index
        self.slaves[name] = Dentry(name, fs.root, SlaveNode(fs, line, S_IFCHR | fs.mode, uid, gid))

    def remove(self, line: Pty) -> None:
        """The master of ``line`` is closed: the slave has no name any more."""
        dentry = self.slaves.pop(b"%d" % line.index, None)
        if dentry is not None:
            dentry.unlinked = True
            dentry.inode.nlink = 0

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Open it."""
        return DirectoryFile(where, flags)

    def lookup(self, here: Dentry, name: bytes) -> Dentry:
        """Find a terminal."""
        if name == b"ptmx":
            self.ptmx.parent = here
            return self.ptmx
        found = self.slaves.get(name)
        if found is None:
            raise Errno.ENOENT
        return found

    def readdir(self, here: Dentry) -> list[Dirent]:
        """List the terminals, the latest first (dcache_readdir)."""
        found = [Dirent(name, dentry.inode.ino, S_IFCHR >> 12) for name, dentry in reversed(self.slaves.items())]
        return [*found, Dirent(b"ptmx", 2, S_IFCHR >> 12)]


class SlaveNode(Inode):
    """/dev/pts/N."""

    __slots__ = ("line",)

    def __init__(self, fs: DevPts, line: Pty, mode: int, uid: int, gid: int) -> None:
        super().__init__(fs, line.index + _FIRST_INO, mode, uid, gid, line.slave.rdev)
        self.line = line

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Open the slave."""
        return open_slave(t, self.line, where, flags)


class PtmxNode(Inode):
    """/dev/pts/ptmx."""

    __slots__ = ()

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Make a terminal of this instance."""
        return _open_master(t, where, Path(where.mount, where.dentry.parent), flags)


def _open_master(t: Thread, where: Path, top: Path, flags: int) -> File:
    """Make a pseudo terminal in the instance whose root is ``top`` and return its master, opened at ``where``."""
    fs, directory = top.dentry.inode.fs, top.dentry.inode
    assert isinstance(fs, DevPts)
    assert isinstance(directory, PtsDir)
    line = fs.new_line(t)
    line.place = Path(top.mount, directory.slaves[b"%d" % line.index])

    def free() -> None:
        fs.lines.pop(line.index, None)

    def closed() -> None:
        directory.remove(line)
        # The number is free once nobody has the slave either.
        if line.slave.opens:
            line.slave.on_last_close = free
        else:
            free()

    return PtyMaster(line, flags, where, closed)


def open_ptmx(t: Thread, where: Path, inode: Inode, flags: int) -> File:
    """Open /dev/ptmx, a node outside of devpts.  ENODEV if there is no devpts at ``pts`` beside it."""
    parent = where.dentry.parent
    try:
        mount, dentry = cross(where.mount, parent.inode.lookup(parent, b"pts"))
    except Errno:
        raise Errno.ENODEV from None
    if not isinstance(dentry.inode, PtsDir):
        raise Errno.ENODEV
    return _open_master(t, where, Path(mount, dentry), flags)


def _open_tty(t: Thread, where: Path, inode: Inode, flags: int) -> File:
    return open_controlling(t, flags, where)


def register_drivers(vfs: Vfs) -> None:
    """Connect /dev/tty and /dev/ptmx."""
    vfs.drivers[S_IFCHR, TTY_DEV] = _open_tty
    vfs.drivers[S_IFCHR, PTMX_DEV] = open_ptmx


def mount_devpts(t: Thread, options: bytes) -> FileSystem:
    """Return a new instance."""
    fs = DevPts(t.kernel.vfs)
    fs.take_options(t.cred.user_ns, options)
    return fs
