"""pipe, pipe2, splice, tee, vmsplice."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Annotated

from kernel.errno import Errno
from kernel.fs.fdtable import install_fd
from kernel.fs.file import O_CLOEXEC, O_DIRECT, O_EXCL, O_NONBLOCK, O_RDONLY, File
from kernel.fs.pipe import PipeFile, make_pipe
from kernel.fs.splice import (
    SPLICE_ALL,
    SPLICE_NONBLOCK,
    splice_in,
    splice_out,
    splice_pipes,
    tee_pipes,
    vmsplice_in,
    vmsplice_out,
)
from syscalls.fs_rw import MAX_RW_COUNT, may_move, verify_area
from syscalls.table import syscall
from syscalls.types import Fd, Size, custom, flags, in_struct

if TYPE_CHECKING:
    from kernel.task import Thread
    from kernel.waitqueue import Blocking

PipeFds = Annotated[int, custom("pipefds", out=True)]
OffsetPtr = Annotated[int, in_struct("loff_t")]
Vector = Annotated[int, custom("iovec_in")]
PipeFlags = Annotated[int, flags("open_bits")]
SpliceFlags = Annotated[int, flags("splice", "({} & 0xffffffff)")]


O_NOTIFICATION_PIPE = O_EXCL


def install_pair(t: Thread, first: File, second: File, flags: int) -> tuple[int, int]:
    """Give two new files descriptors (O_CLOEXEC in ``flags``); on EMFILE neither is left behind."""
    try:
        a = install_fd(t, first, flags)
    except Errno:
        second.drop()
        raise
    try:
        return a, install_fd(t, second, flags)
    except Errno:
        t.files.close(t, a)
        raise


def _pipe(t: Thread, address: int, bits: int) -> int:
    if bits & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT | O_NOTIFICATION_PIPE):
        raise Errno.EINVAL
    if bits & O_NOTIFICATION_PIPE:
        raise Errno.ENOPKG  # as without CONFIG_WATCH_QUEUE
    a, b = install_pair(t, *make_pipe(t, bits), bits)
    try:
        t.mm.write(address, struct.pack("<ii", a, b))  # type: ignore[union-attr]
    except Errno:
        t.files.close(t, a)
        t.files.close(t, b)
        raise
    return 0


@syscall(22)
def pipe(t: Thread, pipefd: PipeFds) -> int:
    """pipe(2)."""
    return _pipe(t, pipefd, 0)


@syscall(293)
def pipe2(t: Thread, pipefd: PipeFds, flags: PipeFlags) -> int:
    """pipe2(2): O_CLOEXEC, O_NONBLOCK, O_DIRECT."""
    return _pipe(t, pipefd, flags)


def _pipe_of(file: File) -> PipeFile | None:
    return file if isinstance(file, PipeFile) else None


@syscall(275)
def splice(
    t: Thread, fd_in: Fd, off_in: OffsetPtr, fd_out: Fd, off_out: OffsetPtr, size: Size, flags: SpliceFlags
) -> int | Blocking[int]:
    """splice(2): move bytes between a pipe and another file, or two pipes."""
    if not size:
        return 0
    if flags & ~SPLICE_ALL:
        raise Errno.EINVAL
    source, target = t.files.get(fd_in), t.files.get(fd_out)
    if (off_in and isinstance(source, PipeFile)) or (off_out and isinstance(target, PipeFile)):
        raise Errno.ESPIPE
    mm = t.mm
    assert mm is not None
    offsets = [struct.unpack("<q", mm.read(at, 8))[0] if at else None for at in (off_out, off_in)]
    may_move(source, target)
    reader, writer = _pipe_of(source), _pipe_of(target)
    if reader is None or writer is None:
        moved, offset = (target, offsets[0]) if reader is not None else (source, offsets[1])
        if offset is not None and not moved.seekable:
            raise Errno.EINVAL
        if reader is not None or writer is not None:
            verify_area(moved.pos if offset is None else offset, size)
    size = min(size, MAX_RW_COUNT)
    wait = not flags & SPLICE_NONBLOCK
    if reader is not None and writer is not None:
        return splice_pipes(t, reader, writer, size, wait)
    if reader is not None:
        return splice_out(t, reader, target, off_out, size, wait)
    if writer is not None:
        return splice_in(t, source, off_in, writer, size, wait)
    raise Errno.EINVAL


@syscall(276)
def tee(t: Thread, fd_in: Fd, fd_out: Fd, size: Size, flags: SpliceFlags) -> int | Blocking[int]:
    """tee(2): copy from one pipe to another without consuming."""
    if flags & ~SPLICE_ALL:
        raise Errno.EINVAL
    if not size:
        return 0
    source, target = t.files.get(fd_in), t.files.get(fd_out)
    may_move(source, target)
    reader, writer = _pipe_of(source), _pipe_of(target)
    if reader is None or writer is None or reader.pipe is writer.pipe:
        raise Errno.EINVAL
    return tee_pipes(t, reader, writer, size, not flags & SPLICE_NONBLOCK)


@syscall(278)
def vmsplice(t: Thread, fd: Fd, iov: Vector, nr_segs: Size, flags: SpliceFlags) -> int | Blocking[int]:
    """vmsplice(2): user pages into a pipe, or (read end) a pipe's bytes into user memory."""
    if flags & ~SPLICE_ALL:
        raise Errno.EINVAL
    file = t.files.get(fd)
    segments = [segment for segment in t.mm.read_iovec(iov, nr_segs) if segment[1]]  # type: ignore[union-attr]
    if not segments:
        return 0
    if not isinstance(file, PipeFile):
        raise Errno.EBADF
    if file.access == O_RDONLY:
        return vmsplice_out(t, file, segments, not flags & SPLICE_NONBLOCK)
    return vmsplice_in(t, file, segments, not flags & SPLICE_NONBLOCK)
