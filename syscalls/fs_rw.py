"""Reading and writing: read, write and their vector and positioned forms.

A transfer is served in one piece while it is small.  Larger ones go piece by piece, so that reading a gigabyte of
/dev/zero does not need a gigabyte of host memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from kernel.errno import Errno
from kernel.fs.file import O_APPEND, O_NONBLOCK, O_WRONLY, File, read_blocking, write_blocking
from kernel.fs.pipe import PipeFile
from kernel.fs.regular import RegularFile
from kernel.hardware import PAGE_MASK
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
RWF_SUPPORTED = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND


def readable(t: Thread, fd: int) -> File:
    """Return an open file that may be read.  EBADF."""
    file = t.files.get(fd)
    if file.flags & O_WRONLY:
        raise Errno.EBADF
    return file


def writable(t: Thread, fd: int) -> File:
    """Return an open file that may be written.  EBADF."""
    file = t.files.get(fd)
    if not (file.flags + 1) & 2:
        raise Errno.EBADF
    return file


def limit_size(t: Thread, file: File, offset: int, size: int) -> int:
    """Return how many of ``size`` bytes at ``offset`` RLIMIT_FSIZE lets a regular file take (generic_write_checks).

    EFBIG, with SIGXFSZ, if none.
    """
    limit = t.process.rlimits.limits[RLIMIT_FSIZE][0]
    if limit == RLIM_INFINITY or not isinstance(file, RegularFile):
        return size
    if offset >= limit:
        send_sig_self(t, SIGXFSZ)
        raise Errno.EFBIG
    return min(size, limit - offset)


# -- plain -------------------------------------------------------------------------------------------------------------
@syscall(0)
def read(t: Thread, fd: Fd, buf: OutBuf, count: Size) -> int | Blocking[int]:
    """read(2)."""
    file = t.files.get(fd)
    if file.flags & O_WRONLY:
        raise Errno.EBADF
    if count > PIECE:
        return _read_pieces(t, file, [(buf, amount(count))])
    position = file.pos
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
    return len(data)


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
    return len(data)


def amount(count: int) -> int:
    """Check and cut a byte count (rw_verify_area)."""
    if count >> 63:
        raise Errno.EINVAL
    return min(count, MAX_RW_COUNT)


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
    if count > PIECE:
        return _write_pieces(t, file, [(buf, amount(count))])
    data = t.mm.copy_in_partial(buf, count)  # type: ignore[union-attr]
    if len(data) != count:
        return _write_data(t, file, _whole_pages(file, data))
    return _write_data(t, file, data)


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
    if done < len(data) and not file.flags & O_NONBLOCK:
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
def _check_offset(offset: int) -> None:
    if offset < 0:
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


def _pwrite_vector(t: Thread, file: File, vector: list[tuple[int, int]], offset: int) -> int:
    mm = t.mm
    assert mm is not None
    if isinstance(file, RegularFile) and file.flags & O_APPEND:
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
    _check_offset(offset)
    return _pread_vector(t, readable(t, fd), [(buf, amount(count))], offset)


@syscall(18)
def pwrite64(t: Thread, fd: Fd, buf: InBuf, count: Size, offset: Offset) -> int:
    """pwrite(2)."""
    _check_offset(offset)
    return _pwrite_vector(t, writable(t, fd), [(buf, amount(count))], offset)


# -- vectors -----------------------------------------------------------------------------------------------------------
@syscall(19)
def readv(t: Thread, fd: Fd, iov: OutVector, iovcnt: Long) -> int | Blocking[int]:
    """readv(2)."""
    file = readable(t, fd)
    assert t.mm is not None
    return _read_pieces(t, file, t.mm.read_iovec(iov, iovcnt))


@syscall(20)
def writev(t: Thread, fd: Fd, iov: InVector, iovcnt: Long) -> int | Blocking[int]:
    """writev(2)."""
    file = writable(t, fd)
    assert t.mm is not None
    return _write_pieces(t, file, t.mm.read_iovec(iov, iovcnt))


@syscall(295)
def preadv(t: Thread, fd: Fd, iov: OutVector, iovcnt: Long, offset: Offset) -> int:
    """preadv(2)."""
    _check_offset(offset)
    file = readable(t, fd)
    assert t.mm is not None
    return _pread_vector(t, file, t.mm.read_iovec(iov, iovcnt), offset)


@syscall(296)
def pwritev(t: Thread, fd: Fd, iov: InVector, iovcnt: Long, offset: Offset) -> int:
    """pwritev(2)."""
    _check_offset(offset)
    file = writable(t, fd)
    assert t.mm is not None
    return _pwrite_vector(t, file, t.mm.read_iovec(iov, iovcnt), offset)


@syscall(327)
def preadv2(
    t: Thread, fd: Fd, iov: OutVector, iovcnt: Long, offset: Offset, high: Unused, flags: RwFlags
) -> int | Blocking[int]:
    """preadv2(2): offset -1 uses the file position; RWF_NOWAIT never sleeps."""
    file = readable(t, fd)
    if flags & ~RWF_SUPPORTED:
        raise Errno.EOPNOTSUPP
    assert t.mm is not None
    vector = t.mm.read_iovec(iov, iovcnt)
    if offset != -1:
        _check_offset(offset)
        return _pread_vector(t, file, vector, offset)
    if flags & RWF_NOWAIT:
        data = file.read(t, min(PIECE, sum(length for _, length in vector)))
        return t.mm.scatter(vector, data) if data else 0
    return _read_pieces(t, file, vector)


@syscall(328)
def pwritev2(
    t: Thread, fd: Fd, iov: InVector, iovcnt: Long, offset: Offset, high: Unused, flags: RwFlags
) -> int | Blocking[int]:
    """pwritev2(2): offset -1 uses the file position; RWF_APPEND writes at the end."""
    file = writable(t, fd)
    if flags & ~RWF_SUPPORTED:
        raise Errno.EOPNOTSUPP
    assert t.mm is not None
    vector = t.mm.read_iovec(iov, iovcnt)
    if flags & RWF_APPEND and isinstance(file, RegularFile):
        done = _pwrite_vector(t, file, vector, file.data.size())
        if offset == -1:
            file.pos = file.data.size()
        return done
    if offset != -1:
        _check_offset(offset)
        return _pwrite_vector(t, file, vector, offset)
    if flags & RWF_NOWAIT:
        return file.write(t, t.mm.gather(vector))
    return _write_pieces(t, file, vector)
