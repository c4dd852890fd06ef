"""What else is done to file data: lseek, truncate, fallocate, sendfile, copy_file_range, the sync family, advice."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Annotated

from kernel.errno import Errno
from kernel.fs.anon import AnonFile
from kernel.fs.attr import truncate as truncate_path
from kernel.fs.file import O_APPEND, O_LARGEFILE, O_PATH, O_WRONLY, SEEK_HOLE, File, write_blocking
from kernel.fs.inode import MAX_FILE_SIZE, S_IFBLK, S_IFDIR, S_IFIFO, S_IFMT, S_IFREG
from kernel.fs.open import MAX_NON_LFS
from kernel.fs.path import AT_FDCWD, lookup
from kernel.fs.pipe import PipeFile
from kernel.fs.regular import RegularFile
from kernel.rlimit import RLIM_INFINITY, RLIMIT_FSIZE
from kernel.signal import SIGXFSZ
from kernel.signal_send import send_sig_self
from syscalls.fs_rw import MAX_RW_COUNT, PIECE, limit_size, may_move, may_write, verify_area
from syscalls.table import syscall
from syscalls.types import Fd, Int, Offset, PathPtr, Size, enum, flags, get_name, in_struct

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from kernel.task import Thread
    from kernel.waitqueue import Blocking

Whence = Annotated[int, enum("whence", "({} & 0xffffffff)")]
OffsetPtr = Annotated[int, in_struct("loff_t")]
SyncFlags = Annotated[int, flags("sync_file_range")]
FallocMode = Annotated[int, flags("falloc")]
Advice = Annotated[int, enum("fadvise")]

_ULONG = 1 << 64


FALLOC_FL_PUNCH_HOLE = 0x02
_FALLOCATE_MODES = frozenset((0x00, 0x01, 0x03, 0x08, 0x10, 0x11, 0x20, 0x40, 0x41, 0x80))
"""The modes that exist: allocate, unshare and zero a range, with or without KEEP_SIZE; punch a hole; collapse, insert, write
zeroes (vfs_fallocate)."""


# -- position and size -------------------------------------------------------------------------------------------------
@syscall(8)
def lseek(t: Thread, fd: Fd, offset: Offset, whence: Whence) -> int:
    """lseek(2)."""
    file = t.files.get(fd)
    if whence > SEEK_HOLE:
        raise Errno.EINVAL
    return file.lseek(t, offset, whence)


@syscall(76)
def truncate(t: Thread, path: PathPtr, length: Offset) -> None:
    """truncate(2)."""
    if length < 0:
        raise Errno.EINVAL
    truncate_path(t, lookup(t, AT_FDCWD, get_name(t, path)), length, _limit_growth)


@syscall(77)
def ftruncate(t: Thread, fd: Fd, length: Offset) -> None:
    """ftruncate(2).  EINVAL for what is no regular file open for writing."""
    if length < 0:
        raise Errno.EINVAL
    file = t.files.get(fd)
    if not (file.flags + 1) & 2 or (length > MAX_NON_LFS and not file.flags & O_LARGEFILE):
        raise Errno.EINVAL
    if isinstance(file, RegularFile):
        _limit_growth(t, file.data.size(), length)
    file.truncate(t, length)


def _limit_growth(t: Thread, old: int, new: int) -> None:
    """inode_newsize_ok: RLIMIT_FSIZE for a file that grows."""
    limit = t.process.rlimits.soft(RLIMIT_FSIZE)
    if new > old and limit != RLIM_INFINITY and new > limit:
        send_sig_self(t, SIGXFSZ)
        raise Errno.EFBIG


@syscall(285)
def fallocate(t: Thread, fd: Fd, mode: FallocMode, offset: Offset, length: Offset) -> None:
    """fallocate(2)."""
    file = t.files.get(fd)
    if offset < 0 or length <= 0:
        raise Errno.EINVAL
    if mode not in _FALLOCATE_MODES:
        raise Errno.EOPNOTSUPP
    if not (file.flags + 1) & 2:
        raise Errno.EBADF
    kind = file.stat(t).mode & S_IFMT
    if kind == S_IFIFO:
        raise Errno.ESPIPE
    if kind == S_IFDIR:
        raise Errno.EISDIR
    if kind not in (S_IFREG, S_IFBLK) or not isinstance(file, RegularFile):
        raise Errno.ENODEV
    if offset + length > MAX_FILE_SIZE:
        raise Errno.EFBIG
    if not mode & FALLOC_FL_PUNCH_HOLE:
        _limit_growth(t, file.data.size(), offset + length)
    file.data.allocate(t, mode, offset, length)


# -- from file to file -------------------------------------------------------------------------------------------------
@syscall(40)
def sendfile(t: Thread, out_fd: Fd, in_fd: Fd, offset: OffsetPtr, count: Size) -> int | Blocking[int]:
    """sendfile(2)."""
    mm = t.mm
    assert mm is not None
    start = _offset_at(mm, offset)
    if offset:
        mm.write(offset, mm.read(offset, 8))  # stored in the end whatever happens, so EFAULT comes before all else
    source = t.files.get(in_fd)
    if source.flags & O_WRONLY:
        raise Errno.EBADF
    if start is not None and not source.seekable:
        raise Errno.ESPIPE
    verify_area(source.pos if start is None else start, count)
    target = t.files.get(out_fd)
    if not (target.flags + 1) & 2:
        raise Errno.EBADF
    if not isinstance(target, PipeFile):
        # Through a pipe of the kernel's own (splice_direct_to_actor): what was read could not be put back into a stream.
        if target.flags & O_APPEND or not (source.seekable or isinstance(source, AnonFile)):
            raise Errno.EINVAL
    if not count:
        return 0
    if not source.SPLICES:
        raise Errno.EINVAL
    return _sendfile(t, source, target, offset, start, min(count, MAX_RW_COUNT))


def _offset_at(mm: AddressSpace, address: int) -> int | None:
    """Fetch the loff_t at ``address``, None for a null pointer.  EFAULT."""
    return struct.unpack("<q", mm.read(address, 8))[0] if address else None


def _sendfile(t: Thread, source: File, target: File, where: int, start: int | None, count: int) -> Blocking[int]:
    """Copy through the kernel; what the target does not take is not consumed from the source."""
    mm = t.mm
    assert mm is not None
    total = 0
    while total < count:
        piece = min(count - total, 1 << 16)
        position = source.pos if start is None else start
        try:
            data = source.read(t, piece) if start is None else source.pread(t, piece, start)
        except Errno:
            if total:
                break
            raise
        if not data:
            break
        try:
            may_write(target)
            done = yield from write_blocking(t, target, data)
        except Errno:
            if start is None:
                source.pos = position
            if total:
                break
            raise
        total += done
        if start is None:
            source.pos = position + done
        else:
            start += done
        if done < len(data):
            break
    if start is not None:
        mm.write(where, struct.pack("<q", start))
    return total


@syscall(326)
def copy_file_range(
    t: Thread, fd_in: Fd, off_in: OffsetPtr, fd_out: Fd, off_out: OffsetPtr, length: Size, flags: Int
) -> int:
    """copy_file_range(2), between regular files."""
    source, target = t.files.get(fd_in), t.files.get(fd_out)
    mm = t.mm
    assert mm is not None
    given, goal_given = _offset_at(mm, off_in), _offset_at(mm, off_out)
    start = source.pos if given is None else given
    goal = target.pos if goal_given is None else goal_given
    if flags:
        raise Errno.EINVAL
    kinds = [file.stat(t).mode & S_IFMT for file in (source, target)]
    if S_IFDIR in kinds:
        raise Errno.EISDIR
    if kinds != [S_IFREG, S_IFREG] or not isinstance(source, RegularFile) or not isinstance(target, RegularFile):
        raise Errno.EINVAL
    may_move(source, target)
    if target.flags & O_APPEND:
        raise Errno.EBADF
    if (start % _ULONG + length) >= _ULONG or (goal % _ULONG + length) >= _ULONG:
        raise Errno.EOVERFLOW
    wanted = max(0, min(length, source.data.size() - start))
    wanted = limit_size(t, target, goal, wanted) if wanted else 0
    if source.inode() is target.inode() and start < goal + wanted and goal < start + wanted:
        raise Errno.EINVAL
    verify_area(start, wanted)
    verify_area(goal, wanted)
    length = min(wanted, MAX_RW_COUNT)
    total = 0
    while total < length:
        data = source.pread(t, min(length - total, PIECE), start + total)
        if not data:
            break
        try:
            data = data[: limit_size(t, target, goal + total, len(data))]
            done = target.pwrite(t, data, goal + total)
        except Errno:
            if total:
                break
            raise
        total += done
        if done < len(data):
            break
    if off_in:
        mm.write(off_in, struct.pack("<q", start + total))
    else:
        source.pos = start + total
    if off_out:
        mm.write(off_out, struct.pack("<q", goal + total))
    else:
        target.pos = goal + total
    return total


# -- flushing ----------------------------------------------------------------------------------------------------------
@syscall(74)
def fsync(t: Thread, fd: Fd) -> None:
    """fsync(2)."""
    t.files.get(fd).fsync(t)


@syscall(75)
def fdatasync(t: Thread, fd: Fd) -> None:
    """fdatasync(2)."""
    t.files.get(fd).fsync(t)


@syscall(162)
def sync(t: Thread) -> None:
    """sync(2): write back every mounted file system."""
    for mount in t.nsproxy.mnt.mounts():
        mount.fs.sync()


@syscall(306)
def syncfs(t: Thread, fd: Fd) -> None:
    """syncfs(2)."""
    inode = t.files.get(fd).inode()
    if inode is not None:
        inode.fs.sync()


@syscall(277)
def sync_file_range(t: Thread, fd: Fd, offset: Offset, nbytes: Offset, flags: SyncFlags) -> None:
    """sync_file_range(2)."""
    file = t.files.get(fd)
    if flags & ~7 or offset < 0 or nbytes < 0 or offset + nbytes >> 63:
        raise Errno.EINVAL
    if file.stat(t).mode & S_IFMT not in (S_IFREG, S_IFBLK, S_IFDIR):
        raise Errno.ESPIPE
    if isinstance(file, RegularFile):
        file.fsync(t)


@syscall(221)
def fadvise64(t: Thread, fd: Fd, offset: Offset, length: Offset, advice: Advice) -> None:
    """posix_fadvise(2): advice that is checked and needs nothing done."""
    file = t.files.get(fd)
    if file.stat(t).mode & S_IFMT == S_IFIFO:
        raise Errno.ESPIPE
    if length < 0 or not 0 <= advice <= 5:
        raise Errno.EINVAL


@syscall(187)
def readahead(t: Thread, fd: Fd, offset: Offset, count: Size) -> None:
    """readahead(2)."""
    file = t.files.get(fd)
    if file.flags & O_WRONLY or file.flags & O_PATH:
        raise Errno.EBADF
    if not isinstance(file, RegularFile) or count >> 63:
        raise Errno.EINVAL
