"""Inodes, names and file systems: what every file system implements.

A ``Dentry`` is one name in one directory, an ``Inode`` the object it names.  File systems keep their directories' dentries
themselves, so there is no separate dentry cache to keep coherent: a dentry is unlinked by taking it out of its directory,
and whoever still holds it (an open file, a working directory) can tell.  Directories have exactly one dentry, as on Linux,
so ``..`` is ``dentry.parent``.

The operations of ``Inode`` are those of ``struct inode_operations``.  They trust their caller, the path-walking code,
to have checked permission, existence and mount flags (``may_create``, ``may_delete``); what a file system does not
override fails as Linux fails when the operation is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from kernel.cred import CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER
from kernel.errno import Errno
from kernel.fs.file import File, Stat
from kernel.user_ns import INIT_USER_NS, INVALID_ID
from kernel.waitqueue import Blocking

if TYPE_CHECKING:
    from kernel.cred import Cred
    from kernel.fs.locks import FileLocks
    from kernel.fs.mount import Path
    from kernel.fs.vfs import Vfs
    from kernel.task import Thread

# File types and mode bits (inode(7)).
S_IFMT = 0o170000
S_IFSOCK = 0o140000
S_IFLNK = 0o120000
S_IFREG = 0o100000
S_IFBLK = 0o060000
S_IFDIR = 0o040000
S_IFCHR = 0o020000
S_IFIFO = 0o010000
S_ISUID = 0o4000
S_ISGID = 0o2000
S_ISVTX = 0o1000

MAY_EXEC = 1
MAY_WRITE = 2
MAY_READ = 4

NAME_MAX = 255
MAX_FILE_SIZE = (1 << 63) - 1



def makedev(major: int, minor: int) -> int:
    """Return the dev_t number of user space (new_encode_dev, 64-bit layout of glibc's gnu_dev_makedev)."""
    return (minor & 0xFF) | (major & 0xFFF) << 8 | (minor & ~0xFF) << 12 | (major & ~0xFFF) << 32


def major(dev: int) -> int:
    """Return the major number of a dev_t."""
    return (dev >> 8) & 0xFFF | (dev >> 32) & ~0xFFF


def minor(dev: int) -> int:
    """Return the minor number of a dev_t."""
    return dev & 0xFF | (dev >> 12) & 0xFFFFFF00


class Statfs(NamedTuple):
    """What statfs(2) tells of a file system; sizes in blocks of ``bsize`` bytes."""

    type: int
    bsize: int
    blocks: int
    bfree: int
    bavail: int
    files: int
    ffree: int
    fsid: int
    namelen: int


class Dirent(NamedTuple):
    """One entry of a directory listing; ``type`` is the file type of its mode shifted to DT_* (S_IFMT >> 12), 0 unknown."""

    name: bytes
    ino: int
    type: int


class FileSystem:
    """One superblock: ``dev`` is its st_dev, ``type`` the name of /proc/filesystems, ``read_only`` its SB_RDONLY;
    ``mounts`` counts where it is mounted, ``user_ns`` is that of who mounted it first (s_user_ns)."""

    __slots__ = ("vfs", "dev", "type", "magic", "read_only", "root", "mounts", "user_ns", "__weakref__")

    root: Dentry

    blksize: ClassVar[int] = 4096
    """st_blksize of its files."""

    has_negative_names: ClassVar[bool] = True
    """Whether looking for a name that is not there finds its absence.  In procfs it is an error of the lookup, so that creating
    anything fails with ENOENT."""

    def __init__(self, vfs: Vfs, type_: bytes, magic: int) -> None:
        self.vfs = vfs
        self.dev = vfs.new_dev()
        self.type = type_
        self.magic = magic
        self.read_only = False
        self.mounts = 0
        self.user_ns = INIT_USER_NS

    def hold(self, root: Dentry) -> None:
        """Count a mount that shows the tree below ``root``."""
        self.mounts += 1

    def drop(self, root: Dentry) -> None:
        """A mount is gone; after the last one the file system gives its memory back."""
        self.mounts -= 1
        if not self.mounts:
            self.user_ns = INIT_USER_NS
            self.discard()

    def discard(self) -> None:
        """It is mounted nowhere any more and nobody uses it: give back what it holds."""

    def statfs(self) -> Statfs:
        """Return sizes; pseudo file systems have none (simple_statfs)."""
        return Statfs(self.magic, 4096, 0, 0, 0, 0, 0, self.dev, NAME_MAX)

    def options(self) -> bytes:
        """Return the mount options /proc/mounts shows behind rw/ro, each with a leading comma."""
        return b""

    def reconfigure(self, options: bytes) -> None:
        """Take the options of a remount; by default they are ignored.  EINVAL."""

    def sync(self) -> None:
        """Write everything back."""


class Dentry:
    """A name: ``inode`` is known in ``parent`` as ``name``.  The root of a file system is its own parent.

    ``mounted`` counts the mounts on top, in any namespace.  ``unlinked``: the name is gone.  ``cached``: the directory can
    make the dentry again from its backing, so it may be forgotten.
    """

    __slots__ = ("name", "parent", "inode", "mounted", "unlinked", "cached", "__weakref__")

    def __init__(self, name: bytes, parent: Dentry | None, inode: Inode, cached: bool = False) -> None:
        self.name = name
        self.parent = self if parent is None else parent
        self.inode = inode
        self.mounted = 0
        self.unlinked = False
        self.cached = cached

    def is_under(self, ancestor: Dentry) -> bool:
        """Tell whether ``ancestor`` is this dentry or above it (is_subdir)."""
        at = self
        while at is not ancestor:
            if at.parent is at:
                return False
            at = at.parent
        return True

    def is_dead(self) -> bool:
        """Tell whether this name is gone (d_unlinked)."""
        return self.unlinked

    def __repr__(self) -> str:
        return f"<Dentry {self.name!r}>"


class Inode:
    """An object of a file system.

    ``mode`` has type and permission bits; times are ns since the epoch.  ``writers`` counts opens for writing, negative:
    that many executions deny it (i_writecount).  ``locks`` is made when the first file lock is.
    """

    __slots__ = (
        "fs", "ino", "mode", "nlink", "uid", "gid", "rdev", "atime", "mtime", "ctime", "btime",
        "is_dir", "is_symlink", "writers", "locks", "__weakref__",
    )  # fmt: skip

    def __init__(self, fs: FileSystem, ino: int, mode: int, uid: int = 0, gid: int = 0, rdev: int = 0) -> None:
        self.fs = fs
        self.ino = ino
        self.mode = mode
        self.nlink = 1
        self.uid = uid
        self.gid = gid
        self.rdev = rdev
        self.atime = self.mtime = self.ctime = self.btime = fs.vfs.clock.realtime()
        kind = mode & S_IFMT
        self.is_dir = kind == S_IFDIR
        self.is_symlink = kind == S_IFLNK
        self.writers = 0
        self.locks: FileLocks | None = None

    # -- attributes -----------------------------------------------------------------------------------------------
    def size(self) -> int:
        """Return st_size in bytes."""
        return 0

    def blocks(self) -> int:
        """Return st_blocks (512 bytes each)."""
        return 0

    def stat(self, t: Thread | None = None) -> Stat:
        """Return the attributes."""
        return Stat(
            self.fs.dev, self.ino, self.mode, self.nlink, self.uid, self.gid, self.rdev, self.size(), self.fs.blksize,
            self.blocks(), self.atime, self.mtime, self.ctime, self.btime,
        )  # fmt: skip

    def permission(self, t: Thread, mask: int) -> None:
        """Check access of ``t`` by its file-system ids (generic_permission).  EACCES."""
        cred = t.cred
        mode = self.mode
        if cred.fsuid == self.uid:
            bits = mode >> 6
        elif cred.in_group(self.gid):
            bits = mode >> 3
        else:
            bits = mode
        if mask & ~bits & 7 == 0:
            return
        reading = not mask & MAY_WRITE if self.is_dir else mask == MAY_READ
        if reading and self.capable(cred, CAP_DAC_READ_SEARCH):
            return
        # Executing a file needs an x bit of somebody, even for root.
        if (self.is_dir or not mask & MAY_EXEC or mode & 0o111) and self.capable(cred, CAP_DAC_OVERRIDE):
            return
        raise Errno.EACCES

    def capable(self, cred: Cred, cap: int) -> bool:
        """Tell whether ``cred`` has capability ``cap`` over this inode: in a user namespace only over what belongs to
        users and groups that are mapped there (capable_wrt_inode_uidgid)."""
        if not cred.effective >> cap & 1:
            return False
        ns = cred.user_ns
        return ns is INIT_USER_NS or (ns.uid_map.up(self.uid) != INVALID_ID and ns.gid_map.up(self.gid) != INVALID_ID)

    def owner_or_capable(self, t: Thread) -> bool:
        """Tell whether ``t`` owns the inode or has CAP_FOWNER (inode_owner_or_capable)."""
        cred = t.cred
        if cred.fsuid == self.uid:
            return True
        ns = cred.user_ns
        return bool(cred.effective >> CAP_FOWNER & 1) and (ns is INIT_USER_NS or ns.uid_map.up(self.uid) != INVALID_ID)

    def now(self) -> int:
        """Return the current time in ns since the epoch."""
        return self.fs.vfs.clock.realtime()

    def modify(self) -> None:
        """Data or attributes are about to change (copy-up: the inode can no longer be read again from below)."""

    def set_mode(self, t: Thread, mode: int) -> None:
        """Set the permission bits (12 bits)."""
        self.modify()
        self.mode = self.mode & S_IFMT | mode & 0o7777
        self.ctime = self.now()

    def set_owner(self, t: Thread, uid: int, gid: int) -> None:
        """Set owner and group; -1 leaves one as it is."""
        self.modify()
        if uid != -1:
            self.uid = uid
        if gid != -1:
            self.gid = gid
        self.ctime = self.now()

    def set_times(self, t: Thread, atime: int | None, mtime: int | None) -> None:
        """Set times in ns; None leaves one as it is."""
        self.modify()
        if atime is not None:
            self.atime = atime
        if mtime is not None:
            self.mtime = mtime
        self.ctime = self.now()

    # -- directories ----------------------------------------------------------------------------------------------
    def lookup(self, here: Dentry, name: bytes) -> Dentry:
        """Return the entry ``name``; ``here`` is this directory's dentry.  ENOENT."""
        raise Errno.ENOTDIR

    def readdir(self, here: Dentry) -> list[Dirent]:
        """Return all entries except "." and ".."."""
        raise Errno.ENOTDIR

    def create(self, t: Thread, here: Dentry, name: bytes, mode: int) -> Dentry:
        """Make a regular file; ``mode`` has the umask applied."""
        raise Errno.EACCES

    def mkdir(self, t: Thread, here: Dentry, name: bytes, mode: int) -> Dentry:
        """Make a directory."""
        raise Errno.EPERM

    def mknod(self, t: Thread, here: Dentry, name: bytes, mode: int, rdev: int) -> Dentry:
        """Make a device node, fifo or socket."""
        raise Errno.EPERM

    def symlink(self, t: Thread, here: Dentry, name: bytes, target: bytes) -> Dentry:
        """Make a symbolic link."""
        raise Errno.EPERM

    def link(self, t: Thread, here: Dentry, name: bytes, inode: Inode) -> Dentry:
        """Give ``inode``, of the same file system, another name."""
        raise Errno.EPERM

    def unlink(self, t: Thread, here: Dentry, victim: Dentry) -> None:
        """Remove a name of something that is no directory."""
        raise Errno.EPERM

    def rmdir(self, t: Thread, here: Dentry, victim: Dentry) -> None:
        """Remove a directory.  ENOTEMPTY."""
        raise Errno.EPERM

    def rename(
        self, t: Thread, here: Dentry, old: Dentry, to: Dentry, name: bytes, target: Dentry | None, exchange: bool
    ) -> None:
        """Move ``old`` from this directory to ``to`` under ``name``, replacing ``target`` (or swapping with it).
        ENOTEMPTY if ``target`` is a directory with entries."""
        raise Errno.EPERM

    def tmpfile(self, t: Thread, here: Dentry, mode: int) -> Inode:
        """Make a regular file without a name (O_TMPFILE)."""
        raise Errno.EOPNOTSUPP

    # -- links ----------------------------------------------------------------------------------------------------
    def readlink(self, t: Thread) -> bytes:
        """Return the text of a symbolic link.  EINVAL if it is none."""
        raise Errno.EINVAL

    def follow(self, t: Thread) -> Path | None:
        """Return where a magic link of /proc leads; None for one that is a text."""
        return None

    # -- opening --------------------------------------------------------------------------------------------------
    def open(self, t: Thread, where: Path, flags: int) -> File | Blocking[File]:
        """Return an open file, or the wait for one (a FIFO without partner); permission has been checked."""
        raise Errno.ENXIO

    def truncate(self, t: Thread, size: int) -> None:
        """Set the size of a regular file.  EISDIR, EINVAL for others."""
        raise Errno.EISDIR if self.is_dir else Errno.EINVAL

    # -- extended attributes (xattr(7)) ------------------------------------------------------------------------------
    def xattrs(self) -> dict[bytes, bytes]:
        """Return the extended attributes; file systems without them raise EOPNOTSUPP."""
        raise Errno.EOPNOTSUPP

    def set_xattr(self, t: Thread, name: bytes, value: bytes | None) -> None:
        """Set or (None) remove one."""
        raise Errno.EOPNOTSUPP

    # -- writers and executions -------------------------------------------------------------------------------------
    def get_write_access(self) -> None:
        """Count a writer.  ETXTBSY while the file is being executed (get_write_access)."""
        if self.writers < 0:
            raise Errno.ETXTBSY
        self.writers += 1

    def deny_write_access(self) -> None:
        """Keep writers out.  ETXTBSY if there are any (deny_write_access)."""
        if self.writers > 0:
            raise Errno.ETXTBSY
        self.writers -= 1

    def removed(self) -> None:
        """The last name is gone."""

    def released(self) -> None:
        """The last open file of somebody is gone: give back what an unlinked inode holds."""


def listing(names: Sequence[Dentry]) -> list[Dirent]:
    """Turn dentries into directory entries."""
    return [Dirent(d.name, d.inode.ino, d.inode.mode >> 12 & 15) for d in names]
