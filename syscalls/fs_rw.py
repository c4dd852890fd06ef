"""Reading and writing: read, write and their vector and positioned forms.

A transfer is served in one piece while it is small.  Larger ones go piece by piece, so that reading a gigabyte of
/dev/zero does not need a gigabyte of host memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from kernel.errno import Errno
from kernel.fs.anon import AnonFile
from kernel.fs.eventfd import EventFd
from kernel.fs.file import O_APPEND, O_LARGEFILE, O_NONBLOCK, O_WRONLY, File, read_blocking, write_blocking
from kernel.fs.open import MAX_NON_LFS
from kernel.fs.pipe import PipeFile
from kernel.fs.regular import RegularFile
from kernel.hardware import PAGE_MASK, USER_TOP
from kernel.ia32 import in_ia32_syscall
from kernel.net.socket import Socket
from kernel.rlimit import RLIM_INFINITY, RLIMIT_FSIZE
from kernel.signal import SIGXFSZ
from kernel.signal_send import send_sig_self
from syscalls.table import syscall
from syscalls.types import Fd, InBuf, Long, Offset, OutBuf, Size, Unused, custom, flags

if TYPE_CHECKING:
    from kernel.task import Thread
    from kernel.waitqueue import Blocking

InVector = Annotated[int, custom("iovec_in")]
OutVector = Annotated[int, custom("iovec_out", out=True)]
RwFlags = Annotated[int, flags("rwf")]

MAX_RW_COUNT = 0x7FFFF000
"""Linux moves no more than this in one call, whatever was asked (read(2), NOTES)."""
PIECE = 1 << 20

RWF_HIPRI = 0x01
RWF_DSYNC = 0x02
RWF_SYNC = 0x04
RWF_NOWAIT = 0x08
RWF_APPEND = 0x10
RWF_NOAPPEND = 0x20
RWF_SUPPORTED = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND | RWF_NOAPPEND


def may_read(file: File) -> None:
    """Check that a file is open for reading (EBADF) and of a kind that is read (EINVAL), as vfs_read does first."""
    if file.flags & O_WRONLY:
        raise Errno.EBADF
    if type(file).read is File.read:
        raise Errno.EINVAL


def may_write(file: File) -> None:
    """Check that a file is open for writing (EBADF) and of a kind that is written (EINVAL)."""
    if not (file.flags + 1) & 2:
        raise Errno.EBADF
    if type(file).write is File.write:
        raise Errno.EINVAL


def count_read(t: Thread, done: int) -> int:
    """Account for a call that read, and return its result (add_rchar, inc_syscr)."""
    t.times.syscr += 1
    t.times.rchar += done
    return done


def count_write(t: Thread, done: int) -> int:
    """Account for a call that wrote, and return its result (add_wchar, inc_syscw)."""
    t.times.syscw += 1
    t.times.wchar += done
    return done


def _counted(count: Callable[[Thread, int], int], t: Thread, moved: int | Blocking[int]) -> int | Blocking[int]:
    """Account for a call when it is over."""
    return count(t, moved) if isinstance(moved, int) else _counted_later(count, t, moved)


def _counted_later(count: Callable[[Thread, int], int], t: Thread, moving: Blocking[int]) -> Blocking[int]:
    return count(t, (yield from moving))


def may_move(source: File, target: File) -> None:
    """Check that one file is open for reading and the other for writing.  EBADF."""
    if source.flags & O_WRONLY or not (target.flags + 1) & 2:
        raise Errno.EBADF


def verify_area(position: int, count: int) -> None:
    """EINVAL for a negative count, and a transfer that begins or ends at an offset there is not (rw_verify_area)."""
    if count >> 63 or position < 0 or position + count >> 63:
        raise Errno.EINVAL


def in_user_space(buf: int, count: int) -> int:
    """Check that a buffer is one of user space (access_ok; EFAULT) and return how much of it one call uses."""
    if buf + count > USER_TOP:
        raise Errno.EFAULT
    return min(count, MAX_RW_COUNT)


def limit_size(t: Thread, file: File, offset: int, size: int) -> int:
    """Return how many of ``size`` bytes at ``offset`` a regular file may take: RLIMIT_FSIZE, and 2 GiB without O_LARGEFILE
    (generic_write_checks).

    EFBIG if none, with SIGXFSZ if that is the limit's doing.
    """
    limit = t.process.rlimits.limits[RLIMIT_FSIZE][0]
    large = file.flags & O_LARGEFILE
    if (large and limit == RLIM_INFINITY) or not isinstance(file, RegularFile):
        return size
    if limit != RLIM_INFINITY:
        if offset >= limit:
            send_sig_self(t, SIGXFSZ)
            raise Errno.EFBIG
        size = min(size, limit - offset)
    if not large:
        if offset >= MAX_NON_LFS:
            raise Errno.EFBIG
        size = min(size, MAX_NON_LFS - offset)
    return size


# -- plain -------------------------------------------------------------------------------------------------------------
@syscall(0)
def read(t: Thread, fd: Fd, buf: OutBuf, count: Size) -> int | Blocking[int]:
    """read(2)."""
    file = t.files.get(fd)
    if file.flags & O_WRONLY:
        raise Errno.EBADF
    if count > PIECE or buf + count > USER_TOP:
        may_read(file)
        return _counted(count_read, t, _read_pieces(t, file, [(buf, in_user_space(buf, count))]))
    position = file.pos
    times = t.times
    times.syscr += 1
    try:
        data = file.read(t, count)
    except Errno.EAGAIN:
        if file.flags & O_NONBLOCK:
            raise
        return _read_slow(t, file, buf, count)
    if data:
        try:
            t.mm.write(buf, data)  # type: ignore[union-attr]
        except Errno.EFAULT:
            return _read_fault(t, file, buf, data, position)
    size = len(data)
    times.rchar += size
    return size


def _read_fault(t: Thread, file: File, buf: int, data: bytes, position: int) -> int:
    """The buffer ends before ``data``: keep the file as if only what was stored had been read.  EFAULT if nothing was.

    Pipes go on page by page: one that cannot be stored whole stays (copy_page_to_iter in pipe_read).
    """
    done = t.mm.copy_out_partial(buf, data)  # type: ignore[union-attr]
    if isinstance(file, RegularFile):
        file.pos = position + done
    elif isinstance(file, PipeFile):
        done &= ~PAGE_MASK
        file.pipe.unread(data[done:])
    elif isinstance(file, (Socket, AnonFile)):
        done = 0  # a message or a counter is copied whole or not at all
    if not done:
        raise Errno.EFAULT
    return done


def _read_slow(t: Thread, file: File, buf: int, count: int) -> Blocking[int]:
    position = file.pos
    data = yield from read_blocking(t, file, count)
    if data:
        try:
            t.mm.write(buf, data)  # type: ignore[union-attr]
        except Errno.EFAULT:
            return _read_fault(t, file, buf, data, position)
    t.times.rchar += len(data)
    return len(data)


def _read_pieces(t: Thread, file: File, vector: list[tuple[int, int]]) -> int | Blocking[int]:
    """Read into several buffers; stops at a short read.  Only the first read may sleep."""
    mm = t.mm
    assert mm is not None
    total = 0
    left = sum(length for _, length in vector)
    piece = left if left <= PIECE else PIECE
    while True:
        try:
            data = file.read(t, piece)
        except Errno.EAGAIN:
            if total:
                return total
            if file.flags & O_NONBLOCK:
                raise
            return _read_vector_slow(t, file, vector, piece)
        except Errno:
            if total:
                return total
            raise
        if data:
            done = mm.scatter(vector, data)
            total += done
            if done < len(data):
                return total
        left -= len(data)
        if len(data) < piece or not left:
            return total
        vector = advance(vector, len(data))
        piece = min(left, PIECE)


def _read_vector_slow(t: Thread, file: File, vector: list[tuple[int, int]], size: int) -> Blocking[int]:
    data = yield from read_blocking(t, file, size)
    assert t.mm is not None
    return t.mm.scatter(vector, data) if data else 0


def advance(vector: list[tuple[int, int]], done: int) -> list[tuple[int, int]]:
    """Return what is left of buffers after ``done`` bytes (iov_iter_advance)."""
    rest = []
    for base, length in vector:
        if done >= length:
            done -= length
        else:
            rest.append((base + done, length - done))
            done = 0
    return rest


@syscall(1)
def write(t: Thread, fd: Fd, buf: InBuf, count: Size) -> int | Blocking[int]:
    """write(2)."""
    file = t.files.get(fd)
    if not (file.flags + 1) & 2:
        raise Errno.EBADF
    if count > PIECE or buf + count > USER_TOP:
        may_write(file)
        return _counted(count_write, t, _write_pieces(t, file, [(buf, in_user_space(buf, count))]))
    data = t.mm.copy_in_partial(buf, count)  # type: ignore[union-attr]
    if len(data) != count:
        may_write(file)
        if isinstance(file, EventFd) and count != 8:
            raise Errno.EINVAL
        return _counted(count_write, t, _write_data(t, file, _whole_pages(file, data)))
    return _counted(count_write, t, _write_data(t, file, data))


def _whole_pages(file: File, data: bytes) -> bytes:
    """The user's buffer ends before its length: return what is written of the part that could be read.

    Regular files take all of it, others page by page: one that cannot be fetched whole is not written (pipe_write).
    EFAULT if nothing is left.
    """
    if not isinstance(file, RegularFile):
        data = data[: len(data) & ~PAGE_MASK]
    if not data:
        raise Errno.EFAULT
    return data


def _write_data(t: Thread, file: File, data: bytes) -> int | Blocking[int]:
    if type(file) is RegularFile:
        count = limit_size(t, file, file.data.size() if file.flags & O_APPEND else file.pos, len(data))
        if count != len(data):
            data = data[:count]
        return file.write(t, data) if data else 0
    try:
        done = file.write(t, data)
    except Errno.EAGAIN:
        if file.flags & O_NONBLOCK:
            raise
        return write_blocking(t, file, data)
    if done < len(data) and not (file.flags & O_NONBLOCK or file.SHORT_WRITES):
        return _write_rest(t, file, data, done)
    return done


def _write_rest(t: Thread, file: File, data: bytes, done: int) -> Blocking[int]:
    """Write what did not fit at once; an error after the start gives the short count."""
    try:
        return done + (yield from write_blocking(t, file, data[done:]))
    except Errno:
        return done


def _write_pieces(t: Thread, file: File, vector: list[tuple[int, int]]) -> int | Blocking[int]:
    """Write from several buffers; large amounts piece by piece."""
    mm = t.mm
    assert mm is not None
    left = sum(length for _, length in vector)
    if left <= PIECE:
        data = mm.gather(vector)
        return _write_data(t, file, data if len(data) == left else _whole_pages(file, data))
    return _write_many(t, file, vector)


def _write_many(t: Thread, file: File, vector: list[tuple[int, int]]) -> Blocking[int]:
    mm = t.mm
    assert mm is not None
    total = 0
    while vector:
        base, length = vector[0]
        piece = min(length, PIECE)
        try:
            data = mm.copy_in_partial(base, piece)
            if piece and not data:
                raise Errno.EFAULT
            if isinstance(file, RegularFile):
                position = file.data.size() if file.flags & O_APPEND else file.pos
                data = data[: limit_size(t, file, position, len(data))]
            done = (yield from write_blocking(t, file, data)) if data else 0
        except Errno:
            if total:
                return total
            raise
        total += done
        if done < piece:
            return total
        vector = advance(vector, piece)
        if not piece:
            vector = vector[1:]
    return total


# -- positioned --------------------------------------------------------------------------------------------------------
def _file_at(t: Thread, fd: int, offset: int) -> File:
    """Return a file to be used at an offset.  EINVAL, EBADF, ESPIPE, in this order (ksys_pread64)."""
    if offset < 0:
        raise Errno.EINVAL
    file = t.files.get(fd)
    if not file.seekable:
        raise Errno.ESPIPE
    return file


def _check_end(offset: int, count: int) -> None:
    """EINVAL if a transfer would end beyond all offsets (rw_verify_area)."""
    if offset + count >> 63:
        raise Errno.EINVAL


def _pread_vector(t: Thread, file: File, vector: list[tuple[int, int]], offset: int) -> int:
    mm = t.mm
    assert mm is not None
    total = 0
    left = sum(length for _, length in vector)
    while True:
        piece = min(left, PIECE)
        data = file.pread(t, piece, offset + total)
        if data:
            try:
                done = mm.scatter(vector, data)
            except Errno:
                if total:
                    return total
                raise
            total += done
            if done < len(data):
                return total
        left -= len(data)
        if len(data) < piece or not left:
            return total
        vector = advance(vector, len(data))


def _pwrite_vector(t: Thread, file: File, vector: list[tuple[int, int]], offset: int, append: bool = True) -> int:
    """Write at ``offset``; a file opened with O_APPEND at its end all the same (pwrite(2), BUGS), unless not ``append``."""
    mm = t.mm
    assert mm is not None
    if isinstance(file, RegularFile) and file.flags & O_APPEND and append:
        offset = file.data.size()
    total = 0
    vector = [item for item in vector if item[1]]
    if not vector:
        file.pwrite(t, b"", offset)
        return 0
    while vector:
        if sum(length for _, length in vector) <= PIECE:
            wanted = sum(length for _, length in vector)
            chunk: list[tuple[int, int]] = vector
        else:
            wanted = min(vector[0][1], PIECE)
            chunk = [(vector[0][0], wanted)]
        try:
            data = mm.gather(chunk)
            data = data[: limit_size(t, file, offset + total, len(data))]
            done = file.pwrite(t, data, offset + total)
        except Errno:
            if total:
                return total
            raise
        total += done
        if done < wanted:
            return total
        vector = advance(vector, wanted)
    return total


@syscall(17)
def pread64(t: Thread, fd: Fd, buf: OutBuf, count: Size, offset: Offset) -> int:
    """pread(2)."""
    file = _file_at(t, fd, offset)
    may_read(file)
    used = in_user_space(buf, count)
    _check_end(offset, count)
    return count_read(t, _pread_vector(t, file, [(buf, used)], offset))


@syscall(18)
def pwrite64(t: Thread, fd: Fd, buf: InBuf, count: Size, offset: Offset) -> int:
    """pwrite(2)."""
    file = _file_at(t, fd, offset)
    may_write(file)
    used = in_user_space(buf, count)
    _check_end(offset, count)
    return count_write(t, _pwrite_vector(t, file, [(buf, used)], offset))


# -- vectors -----------------------------------------------------------------------------------------------------------
def _import(t: Thread, iov: int, count: int) -> tuple[list[tuple[int, int]], int]:
    """Fetch a vector; return it and how many bytes it has (import_iovec)."""
    assert t.mm is not None
    vector = t.mm.read_iovec(iov, count, ia32=in_ia32_syscall(t))
    return vector, sum(length for _, length in vector)


def _check_flags(flags: int) -> None:
    """The RWF_* bits (kiocb_set_rw_flags)."""
    if flags & ~RWF_SUPPORTED:
        raise Errno.EOPNOTSUPP
    if flags & RWF_APPEND and flags & RWF_NOAPPEND:
        raise Errno.EINVAL


def _readv(t: Thread, file: File, iov: int, count: int, flags: int) -> int | Blocking[int]:
    """Read at the file position (vfs_readv)."""
    may_read(file)
    vector, size = _import(t, iov, count)
    if not size:
        return 0
    _check_flags(flags)
    if flags & RWF_NOWAIT:
        assert t.mm is not None
        data = file.read(t, min(PIECE, size))
        return t.mm.scatter(vector, data) if data else 0
    return _read_pieces(t, file, vector)


def _writev(t: Thread, file: File, iov: int, count: int, flags: int) -> int | Blocking[int]:
    """Write at the file position, or with RWF_APPEND at the end (vfs_writev)."""
    may_write(file)
    vector, size = _import(t, iov, count)
    if not size:
        return 0
    _check_flags(flags)
    if isinstance(file, RegularFile):
        if flags & RWF_APPEND:
            done = _pwrite_vector(t, file, vector, file.data.size())
            file.pos = file.data.size()
            return done
        if flags & RWF_NOAPPEND and file.flags & O_APPEND:
            done = _pwrite_vector(t, file, vector, file.pos, append=False)
            file.pos += done
            return done
    if flags & RWF_NOWAIT:
        assert t.mm is not None
        return file.write(t, t.mm.gather(vector))
    return _write_pieces(t, file, vector)


def _preadv(t: Thread, file: File, iov: int, count: int, offset: int, flags: int) -> int:
    may_read(file)
    vector, size = _import(t, iov, count)
    if not size:
        return 0
    _check_end(offset, size)
    _check_flags(flags)
    return _pread_vector(t, file, vector, offset)


def _pwritev(t: Thread, file: File, iov: int, count: int, offset: int, flags: int) -> int:
    may_write(file)
    vector, size = _import(t, iov, count)
    if not size:
        return 0
    _check_end(offset, size)
    _check_flags(flags)
    if flags & RWF_APPEND and isinstance(file, RegularFile):
        offset = file.data.size()
    return _pwrite_vector(t, file, vector, offset, append=not flags & RWF_NOAPPEND)


@syscall(19)
def readv(t: Thread, fd: Fd, iov: OutVector, iovcnt: Long) -> int | Blocking[int]:
    """readv(2)."""
    return _counted(count_read, t, _readv(t, t.files.get(fd), iov, iovcnt, 0))


@syscall(20)
def writev(t: Thread, fd: Fd, iov: InVector, iovcnt: Long) -> int | Blocking[int]:
    """writev(2)."""
    return _counted(count_write, t, _writev(t, t.files.get(fd), iov, iovcnt, 0))


@syscall(295)
def preadv(t: Thread, fd: Fd, iov: OutVector, iovcnt: Long, offset: Offset) -> int:
    """preadv(2)."""
    return count_read(t, _preadv(t, _file_at(t, fd, offset), iov, iovcnt, offset, 0))


@syscall(296)
def pwritev(t: Thread, fd: Fd, iov: InVector, iovcnt: Long, offset: Offset) -> int:
    """pwritev(2)."""
    return count_write(t, _pwritev(t, _file_at(t, fd, offset), iov, iovcnt, offset, 0))


@syscall(327)
def preadv2(
    t: Thread, fd: Fd, iov: OutVector, iovcnt: Long, offset: Offset, high: Unused, flags: RwFlags
) -> int | Blocking[int]:
    """preadv2(2): offset -1 uses the file position; RWF_NOWAIT never sleeps."""
    if offset == -1:
        return _counted(count_read, t, _readv(t, t.files.get(fd), iov, iovcnt, flags))
    return count_read(t, _preadv(t, _file_at(t, fd, offset), iov, iovcnt, offset, flags))


@syscall(328)
def pwritev2(
    t: Thread, fd: Fd, iov: InVector, iovcnt: Long, offset: Offset, high: Unused, flags: RwFlags
) -> int | Blocking[int]:
    """pwritev2(2): offset -1 uses the file position; RWF_APPEND writes at the end, RWF_NOAPPEND not even with O_APPEND."""
    if offset == -1:
        return _counted(count_write, t, _writev(t, t.files.get(fd), iov, iovcnt, flags))
    return count_write(t, _pwritev(t, _file_at(t, fd, offset), iov, iovcnt, offset, flags))
