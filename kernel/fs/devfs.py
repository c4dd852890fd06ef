"""/dev: the memory devices (drivers/char/mem.c, random.c), and the tree that names them.

A driver opens a device by its number, so a node made with mknod anywhere opens the same device.  Random bytes come from
the machine's seed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.fs.file import POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM, File
from kernel.fs.inode import S_IFCHR, S_IFDIR, Dentry, Inode, makedev
from kernel.fs.pagecache import PageCache
from kernel.fs.regular import PlacedFile
from kernel.fs.tmpfs import TmpDir, TmpFs, TmpSpecial, TmpSymlink

if TYPE_CHECKING:
    from kernel.fs.file import PageSource
    from kernel.fs.mount import Path
    from kernel.fs.vfs import Vfs
    from kernel.task import Thread

MEM_MAJOR = 1
TTY_AUX_MAJOR = 5

RNDGETENTCNT = 0x80045200
RNDADDTOENTCNT = 0x40045201


class NullFile(PlacedFile):
    """/dev/null: takes everything, gives end of file."""

    __slots__ = ()

    def read(self, t: Thread, size: int) -> bytes:
        """End of file."""
        return b""

    def write(self, t: Thread, data: bytes) -> int:
        """Take all."""
        return len(data)

    def pread(self, t: Thread, size: int, offset: int) -> bytes:
        """As read."""
        return self.read(t, size)

    def pwrite(self, t: Thread, data: bytes, offset: int) -> int:
        """As write."""
        return self.write(t, data)

    def lseek(self, t: Thread, offset: int, whence: int) -> int:
        """The position is always 0 (null_lseek)."""
        self.pos = 0
        return 0


class ZeroFile(NullFile):
    """/dev/zero."""

    __slots__ = ()

    SPLICES = True

    def read(self, t: Thread, size: int) -> bytes:
        """Zeros."""
        return bytes(size)

    def source(self, t: Thread) -> PageSource:
        """Mapped shared, it is fresh anonymous memory (mmap_zero)."""
        cache = PageCache(self.node.fs.vfs.pool)
        cache.size = 1 << 47
        return cache


class FullFile(ZeroFile):
    """/dev/full: always out of space."""

    __slots__ = ()

    def write(self, t: Thread, data: bytes) -> int:
        """ENOSPC."""
        raise Errno.ENOSPC


class RandomFile(PlacedFile):
    """/dev/random and /dev/urandom: never wait, since the generator is seeded from the start."""

    __slots__ = ()

    SPLICES = True

    def read(self, t: Thread, size: int) -> bytes:
        """Random bytes."""
        return self.node.fs.vfs.random.randbytes(size)

    def write(self, t: Thread, data: bytes) -> int:
        """Entropy from outside would make runs differ; it is taken and ignored."""
        return len(data)

    def pread(self, t: Thread, size: int, offset: int) -> bytes:
        """As read."""
        return self.read(t, size)

    def pwrite(self, t: Thread, data: bytes, offset: int) -> int:
        """As write."""
        return len(data)

    def lseek(self, t: Thread, offset: int, whence: int) -> int:
        """noop_llseek."""
        return self.pos

    def poll(self, t: Thread) -> int:
        """Ready for both; unlike the others this device can be polled (random_poll)."""
        return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM

    def ioctl(self, t: Thread, command: int, argument: int) -> int:
        """RNDGETENTCNT: the pool is full."""
        if command == RNDGETENTCNT:
            assert t.mm is not None
            t.mm.write_u32(argument, 256)
            return 0
        raise Errno.EINVAL


NODES: tuple[tuple[bytes, int, int, int, type[PlacedFile] | None], ...] = (
    (b"null", MEM_MAJOR, 3, 0o666, NullFile),
    (b"zero", MEM_MAJOR, 5, 0o666, ZeroFile),
    (b"full", MEM_MAJOR, 7, 0o666, FullFile),
    (b"random", MEM_MAJOR, 8, 0o666, RandomFile),
    (b"urandom", MEM_MAJOR, 9, 0o666, RandomFile),
    (b"tty", TTY_AUX_MAJOR, 0, 0o666, None),
    (b"ptmx", TTY_AUX_MAJOR, 2, 0o666, None),
    (b"console", TTY_AUX_MAJOR, 1, 0o600, None),
)
"""Name, major, minor, mode and file of each node; None where another module has the driver."""

LINKS = (
    (b"fd", b"/proc/self/fd"),
    (b"stdin", b"/proc/self/fd/0"),
    (b"stdout", b"/proc/self/fd/1"),
    (b"stderr", b"/proc/self/fd/2"),
)
"""The links every system has (dev(4), fd(4))."""


def register_drivers(vfs: Vfs) -> None:
    """Enter the memory devices into the driver table."""
    for _, major, minor, _, kind in NODES:
        if kind is not None:

            def driver(t: Thread, where: Path, inode: Inode, flags: int, kind: type[PlacedFile] = kind) -> File:
                return kind(where, flags)

            vfs.drivers[S_IFCHR, makedev(major, minor)] = driver


def make_devfs(vfs: Vfs) -> TmpFs:
    """Return the file system mounted at /dev, with empty directories for what is mounted below it."""
    fs = TmpFs(vfs, 16 << 20, 0o755, type_=b"devtmpfs")
    root = fs.root
    directory = root.inode
    assert isinstance(directory, TmpDir)
    for name, major, minor, mode, _ in NODES:
        add_node(root, name, S_IFCHR | mode, makedev(major, minor))
    for name, target in LINKS:
        directory.entries[name] = Dentry(name, root, TmpSymlink(fs, fs.new_ino(), target, 0, 0))
    for name in (b"shm", b"pts", b"mqueue"):
        directory.entries[name] = Dentry(name, root, TmpDir(fs, fs.new_ino(), S_IFDIR | 0o755))
        directory.nlink += 1
    return fs


def add_node(here: Dentry, name: bytes, mode: int, rdev: int) -> None:
    """Make a device node in a directory of a tmpfs; drivers that are added later use it too."""
    directory = here.inode
    fs = directory.fs
    assert isinstance(directory, TmpDir)
    assert isinstance(fs, TmpFs)
    kind = TmpSpecial(fs, fs.new_ino(), mode, 0, 0, rdev)
    directory.entries[name] = Dentry(name, here, kind)
