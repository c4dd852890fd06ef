"""Open files of file systems: regular files, directories and O_PATH.

All of them remember where they were opened (``Path``), which is what /proc/PID/fd shows and what the *at calls start from.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, cast

from kernel.errno import Errno
from kernel.fs.file import (
    O_APPEND,
    POLLNVAL,
    SEEK_CUR,
    SEEK_DATA,
    SEEK_END,
    SEEK_HOLE,
    SEEK_SET,
    File,
    PageSource,
    Stat,
)
from kernel.fs.inode import MAX_FILE_SIZE, Dirent, Inode
from kernel.fs.mount import MS_NOEXEC
from kernel.fs.path import d_path
from kernel.mm.vma import VM_EXEC, VM_MAYEXEC, VM_MAYWRITE, VM_SHARED, VM_WRITE

if TYPE_CHECKING:
    from kernel.fs.mount import Path
    from kernel.task import Thread

FIONREAD = 0x541B


class PlacedFile(File):
    """A file opened at a place."""

    __slots__ = ("place", "node")

    def __init__(self, where: Path, flags: int) -> None:
        super().__init__(flags)
        self.place = where
        self.node = where.dentry.inode

    def where(self) -> Path:
        """Return the place it was opened at."""
        return self.place

    def inode(self) -> Inode:
        """Return the inode."""
        return self.node

    def stat(self, t: Thread) -> Stat:
        """Return the inode's attributes."""
        return self.node.stat(t)

    def path(self, t: Thread) -> bytes:
        """Return the name as seen from the root of ``t``."""
        return d_path(self.place, t.fs.root)

    def may_map(self, vm_flags: int) -> int:
        """Nothing of a noexec mount becomes executable (do_mmap)."""
        if self.place.mount.flags & MS_NOEXEC:
            if vm_flags & VM_EXEC:
                raise Errno.EPERM
            vm_flags &= ~VM_MAYEXEC
        return vm_flags

    def release(self) -> None:
        """Give the inode back."""
        self.node.released()


def seek(position: int, offset: int, whence: int, size: int) -> int:
    """Return the new position for SEEK_SET, SEEK_CUR or SEEK_END.  EINVAL if negative or absurd, EOVERFLOW beyond 63 bits."""
    if whence == SEEK_SET:
        target = offset
    elif whence == SEEK_CUR:
        target = position + offset
    elif whence == SEEK_END:
        target = size + offset
    else:
        raise Errno.EINVAL
    if target < 0:
        raise Errno.EINVAL
    if target > MAX_FILE_SIZE:
        raise Errno.EOVERFLOW if whence != SEEK_SET else Errno.EINVAL
    return target


class DataInode(Inode):
    """A regular file: an inode with bytes (``address_space_operations`` plus what shmem does for files)."""

    __slots__ = ()

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to ``size`` bytes from ``offset``, fewer only at the end of the file."""
        raise Errno.EINVAL

    def write_at(self, t: Thread, offset: int, data: bytes) -> int:
        """Store ``data``; return how many bytes were taken (at least 1).  ENOSPC, EFBIG, EPERM (sealed)."""
        raise Errno.EINVAL

    def accessed(self) -> None:
        """The data was read: update the access time as "relatime" says (mount(8))."""

    def next_data(self, offset: int) -> int:
        """SEEK_DATA; a file system that does not know its holes has data everywhere."""
        if not 0 <= offset < self.size():
            raise Errno.ENXIO
        return offset

    def next_hole(self, offset: int) -> int:
        """SEEK_HOLE; see ``next_data``."""
        if not 0 <= offset < self.size():
            raise Errno.ENXIO
        return self.size()

    def source(self) -> PageSource:
        """Return the pages for mmap and exec."""
        raise Errno.ENODEV

    def allocate(self, t: Thread, mode: int, offset: int, length: int) -> None:
        """fallocate(2); ``mode`` are FALLOC_FL_* bits.  EOPNOTSUPP, ENOSPC."""
        raise Errno.EOPNOTSUPP

    def sync(self) -> None:
        """Write back what mappings changed."""

    def seals(self) -> int:
        """Return the F_SEAL_* bits.  EINVAL for files that cannot be sealed."""
        raise Errno.EINVAL

    def add_seals(self, seals: int, mapped: bool) -> None:
        """Add seals (memfd_create(2)); ``mapped``: it is mapped shared and writable.  EPERM, EBUSY, EINVAL."""
        raise Errno.EINVAL

    def write_sealed(self) -> bool:
        """Tell whether seals keep the data from being written."""
        return False


class FifoPlace:
    """Where a FIFO was opened: what its open file tells of the inode."""

    __slots__ = ("place",)

    def __init__(self, where: Path) -> None:
        self.place = where

    def where(self) -> Path:
        """Return the place it was opened at."""
        return self.place

    def stat(self, t: Thread) -> Stat:
        """Return the inode's attributes."""
        return self.place.dentry.inode.stat(t)

    def path(self, t: Thread) -> bytes:
        """Return the name it was opened by."""
        return d_path(self.place, t.fs.root)


class RegularFile(PlacedFile):
    """A regular file; reads and writes never wait."""

    __slots__ = ("data", "denies_write", "counted")

    SPLICES = True

    def __init__(self, where: Path, flags: int) -> None:
        super().__init__(where, flags)
        self.data = cast(DataInode, self.node)
        self.denies_write = False
        self.counted = bool((flags + 1) & 2)
        """Open for writing and counted in the inode's ``writers`` (FMODE_WRITER); memfds are not."""

    def read(self, t: Thread, size: int) -> bytes:
        """Read at the position."""
        data = self.data.read_at(self.pos, size)
        self.pos += len(data)
        self.data.accessed()
        return data

    def write(self, t: Thread, data: bytes) -> int:
        """Write at the position or the end."""
        position = self.data.size() if self.flags & O_APPEND else self.pos
        count = self.data.write_at(t, position, data)
        self.pos = position + count
        return count

    def pread(self, t: Thread, size: int, offset: int) -> bytes:
        """Read at ``offset``."""
        data = self.data.read_at(offset, size)
        self.data.accessed()
        return data

    def pwrite(self, t: Thread, data: bytes, offset: int) -> int:
        """Write at ``offset``; with O_APPEND at the end all the same (pwrite(2), BUGS)."""
        return self.data.write_at(t, self.data.size() if self.flags & O_APPEND else offset, data)

    def read_at(self, offset: int, size: int) -> bytes:
        """Read for the kernel itself (kernel_read): executables and their interpreters."""
        return self.data.read_at(offset, size)

    def lseek(self, t: Thread, offset: int, whence: int) -> int:
        """Move the position.  EINVAL, ENXIO (SEEK_DATA, SEEK_HOLE)."""
        if whence == SEEK_DATA:
            self.pos = self.data.next_data(offset)
        elif whence == SEEK_HOLE:
            self.pos = self.data.next_hole(offset)
        else:
            self.pos = seek(self.pos, offset, whence, self.data.size())
        return self.pos

    def ioctl(self, t: Thread, command: int, argument: int) -> int:
        """FIONREAD: bytes up to the end (file_ioctl)."""
        if command == FIONREAD:
            assert t.mm is not None
            left = self.data.size() - self.pos
            t.mm.write(argument, struct.pack("<i", max(-(1 << 31), min(left, (1 << 31) - 1))))
            return 0
        raise Errno.ENOTTY

    def source(self, t: Thread) -> PageSource:
        """Return the pages for mmap."""
        return self.data.source()

    def may_map(self, vm_flags: int) -> int:
        """A file sealed against writing can be mapped shared only to be read (seal_check_write)."""
        vm_flags = super().may_map(vm_flags)
        if vm_flags & VM_SHARED and self.data.write_sealed():
            if vm_flags & VM_WRITE:
                raise Errno.EPERM
            vm_flags &= ~VM_MAYWRITE
        return vm_flags

    def truncate(self, t: Thread, size: int) -> None:
        """Set the size."""
        self.data.truncate(t, size)

    def fsync(self, t: Thread) -> None:
        """Write back."""
        self.data.sync()

    def release(self) -> None:
        """Drop the write count, or let writers in again if this was an execution."""
        if self.denies_write:
            self.node.writers += 1
        elif self.counted:
            self.node.writers -= 1
        super().release()


class DirectoryFile(PlacedFile):
    """An open directory.  The listing is taken when it is read from position 0 (rewinddir); positions are indexes."""

    __slots__ = ("entries",)

    def __init__(self, where: Path, flags: int) -> None:
        super().__init__(where, flags)
        self.entries: list[Dirent] | None = None

    def read(self, t: Thread, size: int) -> bytes:
        """Directories are not read(2)."""
        raise Errno.EISDIR

    def pread(self, t: Thread, size: int, offset: int) -> bytes:
        """Directories are not read(2)."""
        raise Errno.EISDIR

    def lseek(self, t: Thread, offset: int, whence: int) -> int:
        """Move to a position getdents gave, or 0."""
        if whence not in (SEEK_SET, SEEK_CUR):
            raise Errno.EINVAL
        self.pos = seek(self.pos, offset, whence, 0)
        return self.pos

    def getdents(self, t: Thread) -> list[Dirent]:
        """Return the entries from the position on.  ENOENT if the directory has been removed."""
        here = self.place.dentry
        if here.unlinked:
            raise Errno.ENOENT
        if self.entries is None or self.pos == 0:
            up = here.parent.inode
            if here is self.place.mount.root and self.place.mount.parent is not None:
                up = self.place.mount.mountpoint.parent.inode
            self.entries = [Dirent(b".", self.node.ino, 4), Dirent(b"..", up.ino, 4), *self.listing(t)]
        return self.entries[self.pos :]

    def listing(self, t: Thread) -> list[Dirent]:
        """Return the entries ``t`` gets to see, without "." and ".."."""
        return self.node.readdir(self.place.dentry)

    def fsync(self, t: Thread) -> None:
        """Nothing to flush."""


class PathFile(PlacedFile):
    """What O_PATH gives: a place and nothing else (open(2))."""

    __slots__ = ()

    def poll(self, t: Thread) -> int:
        """Not a file that can be polled."""
        return POLLNVAL

    def flush(self, t: Thread) -> None:
        """O_PATH files hold no locks."""

    def release(self) -> None:
        """Holds nothing but the inode."""
        self.node.released()
