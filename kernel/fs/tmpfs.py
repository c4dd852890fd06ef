"""tmpfs: files in memory (mm/shmem.c).

Directories are dictionaries of dentries, file data lives in page frames, so mappings and read/write are coherent.  The
root's overlay is this file system with something underneath (``kernel.fs.overlay``); memfd_create and POSIX shared
memory are files of an instance of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.cred import CAP_FSETID
from kernel.errno import Errno
from kernel.fs.file import File, PageSource
from kernel.fs.inode import (
    MAX_FILE_SIZE,
    NAME_MAX,
    S_IFDIR,
    S_IFIFO,
    S_IFLNK,
    S_IFMT,
    S_IFREG,
    S_ISGID,
    S_ISUID,
    Dentry,
    Dirent,
    FileSystem,
    Inode,
    Statfs,
    listing,
)
from kernel.fs.pagecache import PageCache, PagePool
from kernel.fs.pipe import Pipe, open_fifo
from kernel.fs.regular import DataInode, DirectoryFile, FifoPlace, RegularFile
from kernel.hardware import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE
from kernel.waitqueue import Blocking

if TYPE_CHECKING:
    from kernel.fs.mount import Path
    from kernel.fs.vfs import Vfs
    from kernel.task import Thread

TMPFS_MAGIC = 0x01021994
DIRENT_SIZE = 20
"""BOGO_DIRENT_SIZE: what an entry adds to st_size of a tmpfs directory."""

FALLOC_FL_KEEP_SIZE = 0x01
FALLOC_FL_PUNCH_HOLE = 0x02

F_SEAL_SEAL = 0x01
F_SEAL_SHRINK = 0x02
F_SEAL_GROW = 0x04
F_SEAL_WRITE = 0x08
F_SEAL_FUTURE_WRITE = 0x10
F_SEAL_EXEC = 0x20
F_ALL_SEALS = 0x3F

RELATIME = 24 * 3600 * 10**9


class TmpFs(FileSystem):
    """One instance; ``size`` bytes of data at most."""

    __slots__ = ("pool", "_last_ino", "inodes")

    def __init__(self, vfs: Vfs, size: int, mode: int = 0o1777, uid: int = 0, gid: int = 0, type_: bytes = b"tmpfs") -> None:
        super().__init__(vfs, type_, TMPFS_MAGIC)
        self.pool: PagePool = vfs.pool.share(max(1, size >> PAGE_SHIFT))
        self._last_ino = 0
        root = TmpDir(self, self.new_ino(), S_IFDIR | mode & 0o7777, uid, gid)
        self.root = Dentry(b"/", None, root)

    def new_ino(self) -> int:
        """Return an inode number not used before."""
        self._last_ino += 1
        return self._last_ino

    def statfs(self) -> Statfs:
        """Return the limit and what is left of it."""
        pool = self.pool
        free = max(0, pool.limit - pool.used)
        return Statfs(self.magic, PAGE_SIZE, pool.limit, free, free, 1 << 20, 1 << 20, self.dev, NAME_MAX)

    def options(self) -> bytes:
        """Return size= as /proc/mounts shows it."""
        return b",size=%dk" % (self.pool.limit << (PAGE_SHIFT - 10))

    def discard(self) -> None:
        """Take the tree apart: names and directories refer to each other, so they would keep the data."""
        todo = [self.root.inode]
        while todo:
            directory = todo.pop()
            assert isinstance(directory, TmpDir)
            todo += [dentry.inode for dentry in directory.entries.values() if dentry.inode.is_dir]
            directory.entries.clear()

    def dentry(self, name: bytes, here: Dentry, inode: Inode) -> Dentry:
        """Make a dentry."""
        return Dentry(name, here, inode)


class TmpAttributes(Inode):
    """What all inodes of tmpfs have: extended attributes in memory."""

    __slots__ = ("_xattrs",)

    def __init__(self, fs: FileSystem, ino: int, mode: int, uid: int = 0, gid: int = 0, rdev: int = 0) -> None:
        super().__init__(fs, ino, mode, uid, gid, rdev)
        self._xattrs: dict[bytes, bytes] | None = None

    def xattrs(self) -> dict[bytes, bytes]:
        """Return the extended attributes."""
        return self._xattrs or {}

    def set_xattr(self, t: Thread, name: bytes, value: bytes | None) -> None:
        """Set or remove one."""
        self.modify()
        if self._xattrs is None:
            self._xattrs = {}
        if value is None:
            self._xattrs.pop(name, None)
        else:
            self._xattrs[name] = value
        self.ctime = self.now()


class TmpSymlink(TmpAttributes):
    """A symbolic link."""

    __slots__ = ("target",)

    def __init__(self, fs: FileSystem, ino: int, target: bytes, uid: int, gid: int) -> None:
        super().__init__(fs, ino, S_IFLNK | 0o777, uid, gid)
        self.target = target

    def size(self) -> int:
        """The length of the text."""
        return len(self.target)

    def readlink(self, t: Thread) -> bytes:
        """Return the text."""
        return self.target


class TmpSpecial(TmpAttributes):
    """A device node, fifo or socket: opening it is the business of a driver."""

    __slots__ = ("fifo",)

    def __init__(self, fs: FileSystem, ino: int, mode: int, uid: int, gid: int, rdev: int) -> None:
        super().__init__(fs, ino, mode, uid, gid, rdev)
        self.fifo: Pipe | None = None

    def open(self, t: Thread, where: Path, flags: int) -> File | Blocking[File]:
        """Hand over to the driver; every open of a FIFO shares one pipe."""
        if self.mode & S_IFMT == S_IFIFO:
            if self.fifo is None or not (self.fifo.readers or self.fifo.writers):
                self.fifo = Pipe(self.ino)
            return open_fifo(t, self.fifo, flags, FifoPlace(where))
        return self.fs.vfs.open_special(t, where, self, flags)


class TmpFile(TmpAttributes, DataInode):
    """A regular file.  ``seal_bits``: F_SEAL_*; only memfd_create makes files that can be sealed."""

    __slots__ = ("pages", "seal_bits")

    def __init__(self, fs: FileSystem, ino: int, mode: int, uid: int, gid: int, pages: PageCache) -> None:
        super().__init__(fs, ino, mode, uid, gid)
        self.pages = pages
        self.seal_bits = F_SEAL_SEAL

    def size(self) -> int:
        """Bytes."""
        return self.pages.size

    def blocks(self) -> int:
        """Pages in memory, in blocks of 512 bytes."""
        return self.pages.blocks()

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Open it."""
        return RegularFile(where, flags)

    def read_at(self, offset: int, size: int) -> bytes:
        """Read."""
        return self.pages.read(offset, size)

    def accessed(self) -> None:
        """relatime: move atime only if it is older than the last change or than a day."""
        if self.atime <= self.mtime or self.atime <= self.ctime:
            self.atime = self.now()

    def write_at(self, t: Thread, offset: int, data: bytes) -> int:
        """Write.  EFBIG beyond the largest file, EPERM if sealed."""
        if self.seal_bits & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE):
            raise Errno.EPERM
        if offset + len(data) > MAX_FILE_SIZE:
            if offset >= MAX_FILE_SIZE:
                raise Errno.EFBIG
            data = data[: MAX_FILE_SIZE - offset]
        if self.seal_bits & F_SEAL_GROW and offset + len(data) > self.pages.size:
            # shmem_write_begin takes the part that does not make the file grow.
            data = data[: max(0, self.pages.size - offset)]
            if not data:
                raise Errno.EPERM
        self.modify()
        count = self.pages.write(offset, data)
        self.changed(t)
        return count

    def changed(self, t: Thread) -> None:
        """Data changed: update times, drop set-id bits (file_update_time, file_remove_privs)."""
        self.mtime = self.ctime = self.now()
        mode = self.mode
        if mode & (S_ISUID | S_ISGID) and not t.cred.ns_capable(t.cred.user_ns, CAP_FSETID):
            self.mode = drop_set_id(mode)

    def truncate(self, t: Thread, size: int) -> None:
        """Set the size.  EPERM if sealed against it."""
        old = self.pages.size
        if (size < old and self.seal_bits & F_SEAL_SHRINK) or (size > old and self.seal_bits & F_SEAL_GROW):
            raise Errno.EPERM
        self.modify()
        self.pages.truncate(size)
        self.changed(t)

    def next_data(self, offset: int) -> int:
        """SEEK_DATA."""
        return self.pages.next_data(offset)

    def next_hole(self, offset: int) -> int:
        """SEEK_HOLE."""
        return self.pages.next_hole(offset)

    def source(self) -> PageSource:
        """Return the page cache."""
        return self.pages

    def allocate(self, t: Thread, mode: int, offset: int, length: int) -> None:
        """fallocate(2): allocate, or punch a hole."""
        if mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE):
            raise Errno.EOPNOTSUPP
        end = offset + length
        sealed = self.seal_bits
        pages = self.pages
        if mode & FALLOC_FL_PUNCH_HOLE:
            if sealed & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE):
                raise Errno.EPERM
            self.modify()
            pages.punch(offset, end)
            self.changed(t)
            return
        if end > MAX_FILE_SIZE:
            raise Errno.EFBIG
        if not mode & FALLOC_FL_KEEP_SIZE and end > pages.size and sealed & F_SEAL_GROW:
            raise Errno.EPERM
        self.modify()
        pages.preallocate(offset & ~PAGE_MASK, end)
        if not mode & FALLOC_FL_KEEP_SIZE and end > pages.size:
            pages.size = end
        self.changed(t)

    def seals(self) -> int:
        """Return the seals; only shmem files have them."""
        return self.seal_bits

    def write_sealed(self) -> bool:
        """Tell whether seals keep the data from being written."""
        return bool(self.seal_bits & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))

    def add_seals(self, seals: int, mapped: bool) -> None:
        """Add seals.  EPERM once sealed against more, EBUSY while shared writable mappings exist."""
        if seals & ~F_ALL_SEALS:
            raise Errno.EINVAL
        if self.seal_bits & F_SEAL_SEAL:
            raise Errno.EPERM
        if seals & F_SEAL_WRITE and not self.seal_bits & F_SEAL_WRITE and mapped:
            raise Errno.EBUSY
        if seals & F_SEAL_EXEC and self.mode & 0o111:
            seals |= F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE
        self.seal_bits |= seals


def drop_set_id(mode: int) -> int:
    """Return ``mode`` without set-user-ID, and without set-group-ID if the group may execute (setattr_should_drop_suidgid)."""
    mode &= ~S_ISUID
    if mode & 0o010:
        mode &= ~S_ISGID
    return mode


class TmpDir(TmpAttributes):
    """A directory: its entries in the order they were made."""

    __slots__ = ("entries",)

    def __init__(self, fs: FileSystem, ino: int, mode: int, uid: int = 0, gid: int = 0) -> None:
        super().__init__(fs, ino, mode, uid, gid)
        self.nlink = 2
        self.entries: dict[bytes, Dentry] = {}

    def size(self) -> int:
        """20 bytes an entry, as shmem counts."""
        return (len(self.entries) + 2) * DIRENT_SIZE

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Open it."""
        return DirectoryFile(where, flags)

    # -- what an overlay directory does differently ------------------------------------------------------------------
    def lookup(self, here: Dentry, name: bytes) -> Dentry:
        """Find an entry."""
        try:
            return self.entries[name]
        except KeyError:
            raise Errno.ENOENT from None

    def readdir(self, here: Dentry) -> list[Dirent]:
        """List the entries."""
        return listing(list(self.entries.values()))

    def is_empty(self) -> bool:
        """Tell whether rmdir may remove it."""
        return not self.entries

    def forget(self, name: bytes) -> None:
        """Take an entry out."""
        del self.entries[name]

    # -- creation ---------------------------------------------------------------------------------------------------
    def _owner(self, t: Thread, mode: int) -> tuple[int, int, int]:
        """Return mode, uid and gid of a new inode; a set-group-ID directory hands down its group and, to directories,
        the bit (inode_init_owner)."""
        cred = t.cred
        if self.mode & S_ISGID:
            if mode & S_IFMT == S_IFDIR:
                mode |= S_ISGID
            elif mode & (S_ISGID | 0o010) == S_ISGID | 0o010 and not cred.in_group(self.gid):
                if not self.capable(cred, CAP_FSETID):
                    mode &= ~S_ISGID
            return mode, cred.fsuid, self.gid
        return mode, cred.fsuid, cred.fsgid

    def _add(self, here: Dentry, name: bytes, inode: Inode) -> Dentry:
        fs = self.fs
        assert isinstance(fs, TmpFs)
        dentry = self.entries[name] = fs.dentry(name, here, inode)
        self.mtime = self.ctime = self.now()
        return dentry

    def _tmpfs(self) -> TmpFs:
        fs = self.fs
        assert isinstance(fs, TmpFs)
        return fs

    def _new_file(self, t: Thread, mode: int) -> TmpFile:
        fs = self._tmpfs()
        mode, uid, gid = self._owner(t, S_IFREG | mode & 0o7777)
        return TmpFile(fs, fs.new_ino(), mode, uid, gid, PageCache(fs.pool))

    def create(self, t: Thread, here: Dentry, name: bytes, mode: int) -> Dentry:
        """Make a regular file."""
        return self._add(here, name, self._new_file(t, mode))

    def tmpfile(self, t: Thread, here: Dentry, mode: int) -> Inode:
        """Make a file without a name; nlink is 0 until linkat gives it one."""
        inode = self._new_file(t, mode)
        inode.nlink = 0
        return inode

    def new_dir(self, mode: int, uid: int, gid: int) -> TmpDir:
        """Make a directory inode."""
        return TmpDir(self.fs, self._tmpfs().new_ino(), mode, uid, gid)

    def mkdir(self, t: Thread, here: Dentry, name: bytes, mode: int) -> Dentry:
        """Make a directory."""
        inode = self.new_dir(*self._owner(t, S_IFDIR | mode & 0o7777))
        self.count_subdir(1)
        return self._add(here, name, inode)

    def mknod(self, t: Thread, here: Dentry, name: bytes, mode: int, rdev: int) -> Dentry:
        """Make a special file (or a regular one)."""
        if mode & S_IFMT == S_IFREG:
            return self.create(t, here, name, mode)
        mode, uid, gid = self._owner(t, mode)
        return self._add(here, name, TmpSpecial(self.fs, self._tmpfs().new_ino(), mode, uid, gid, rdev))

    def symlink(self, t: Thread, here: Dentry, name: bytes, target: bytes) -> Dentry:
        """Make a symbolic link."""
        _, uid, gid = self._owner(t, S_IFLNK | 0o777)
        return self._add(here, name, TmpSymlink(self.fs, self._tmpfs().new_ino(), target, uid, gid))

    def link(self, t: Thread, here: Dentry, name: bytes, inode: Inode) -> Dentry:
        """Add a name."""
        inode.modify()
        inode.nlink += 1
        inode.ctime = self.now()
        return self._add(here, name, inode)

    # -- removal ------------------------------------------------------------------------------------------------------
    def count_subdir(self, change: int) -> None:
        """A subdirectory came or went: its ".." counts as a link to us."""
        self.nlink += change

    def unlink(self, t: Thread, here: Dentry, victim: Dentry) -> None:
        """Remove a name."""
        inode = victim.inode
        inode.modify()
        inode.nlink -= 1
        if inode.nlink <= 0:
            inode.removed()
        self.forget(victim.name)
        victim.unlinked = True
        self.mtime = self.ctime = inode.ctime = self.now()

    def rmdir(self, t: Thread, here: Dentry, victim: Dentry) -> None:
        """Remove an empty directory."""
        inode = victim.inode
        assert isinstance(inode, TmpDir)
        if not inode.is_empty():
            raise Errno.ENOTEMPTY
        self.forget(victim.name)
        victim.unlinked = True
        inode.nlink = 0
        self.count_subdir(-1)
        self.mtime = self.ctime = inode.ctime = self.now()

    def rename(
        self, t: Thread, here: Dentry, old: Dentry, to: Dentry, name: bytes, target: Dentry | None, exchange: bool
    ) -> None:
        """Move an entry (simple_rename)."""
        there = to.inode
        assert isinstance(there, TmpDir)
        now = self.now()
        old.inode.modify()
        if target is not None and not exchange:
            victim = target.inode
            if victim.is_dir:
                there.rmdir(t, to, target)
            else:
                there.unlink(t, to, target)
        old_name = old.name
        self.forget(old_name)
        if target is not None and exchange:
            target.inode.modify()
            there.forget(name)
            there._place(target, self, here, old_name)
            target.inode.ctime = now
        self._place(old, there, to, name)
        self.mtime = self.ctime = there.mtime = there.ctime = old.inode.ctime = now

    def _place(self, dentry: Dentry, there: TmpDir, to: Dentry, name: bytes) -> None:
        """Enter a dentry that was taken out of this directory into another one (d_move)."""
        if dentry.inode.is_dir and there is not self:
            self.count_subdir(-1)
            there.count_subdir(1)
        dentry.name = name
        dentry.parent = to
        dentry.cached = False
        there.entries[name] = dentry
