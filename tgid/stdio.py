"""Standard input and output of the first program, when they are no terminal: bytes in memory or descriptors of the host.

Bytes given and output collected look like pipes to the guest; a run with them depends on nothing outside.  A host
descriptor is read when the host says it is readable, and output goes out at once and whole, so nothing is ever left in a
buffer when the machine stops.
"""

from __future__ import annotations

import os
import select
import stat as stat_bits
from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel.errno import Errno, from_number
from kernel.fs.file import (
    O_ACCMODE,
    O_APPEND,
    O_RDONLY,
    O_WRONLY,
    POLLIN,
    POLLOUT,
    POLLRDNORM,
    POLLWRNORM,
    File,
    Stat,
)
from kernel.fs.pipe import PIPEFS_DEV, Pipe, PipeFile, Sealed
from kernel.signal import SIGPIPE
from kernel.signal_send import send_sig_self
from kernel.waitqueue import WaitQueue

if TYPE_CHECKING:
    from kernel.task import Thread

_PIPE_MODE = stat_bits.S_IFIFO | 0o600


class _PipeLike(File):
    """A file that looks like the end of a pipe whose other end is outside the machine."""

    __slots__ = ("ino",)

    def __init__(self, flags: int, ino: int) -> None:
        super().__init__(flags)
        self.ino = ino

    def stat(self, t: Thread) -> Stat:
        return Stat(PIPEFS_DEV, self.ino, _PIPE_MODE, 1, 0, 0, 0, 0, 4096, 0, 0, 0, 0, 0)

    def path(self, t: Thread) -> bytes:
        return b"pipe:[%d]" % self.ino


def bytes_input(data: bytes) -> PipeFile:
    """Return standard input from memory: a pipe that holds ``data`` and that nobody writes to any more."""
    pipe = Pipe(1)
    if data:
        pipe.slots.append(Sealed(data))
    return PipeFile(pipe, O_RDONLY)


MAX_CAPTURED = 1 << 28
"""Bytes of output kept: it is the host's memory."""


class CapturedOutput(_PipeLike):
    """Output handed piece by piece to ``sink`` (for example ``bytearray().extend``); ENOSPC after MAX_CAPTURED bytes."""

    __slots__ = ("sink", "room")

    def __init__(self, sink: Callable[[bytes], object], ino: int = 2) -> None:
        super().__init__(O_WRONLY, ino)
        self.sink = sink
        self.room = MAX_CAPTURED

    def write(self, t: Thread, data: bytes) -> int:
        data = bytes(data[: self.room])
        if not data and self.room == 0:
            raise Errno.ENOSPC
        self.room -= len(data)
        self.sink(data)
        return len(data)

    def poll(self, t: Thread) -> int:
        return POLLOUT | POLLWRNORM


class HostFile(File):
    """A descriptor of the host that is no terminal: a pipe, a file, /dev/null.  It is used, never closed."""

    __slots__ = ("fd", "wait", "ended")

    SPLICES = True

    def __init__(self, fd: int, access: int) -> None:
        """``access``: O_RDONLY or O_WRONLY, used where the host cannot tell."""
        super().__init__(access | _host_append(fd))
        self.fd = fd
        self.wait = WaitQueue()
        self.ended = False

    @property
    def pollable(self) -> bool:
        """Regular files are no business of epoll."""
        return not stat_bits.S_ISREG(os.fstat(self.fd).st_mode)

    def ready(self) -> bool:
        """Whether a read would not block on the host."""
        try:
            return bool(select.select([self.fd], [], [], 0)[0])
        except (OSError, ValueError):
            return True

    def read(self, t: Thread, size: int) -> bytes:
        if self.flags & O_ACCMODE == O_WRONLY:
            raise Errno.EBADF
        if not size:
            return b""
        if not self.ready():
            raise Errno.EAGAIN
        try:
            data = os.read(self.fd, size)
        except BlockingIOError:
            raise Errno.EAGAIN from None
        except OSError as error:
            raise from_number(error.errno or 0) from None
        self.ended = not data
        return data

    def write(self, t: Thread, data: bytes) -> int:
        """Everything goes out before this returns; EPIPE with SIGPIPE if nobody reads."""
        if self.flags & O_ACCMODE == O_RDONLY:
            raise Errno.EBADF
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self.fd, view) :]
            except BlockingIOError:
                select.select([], [self.fd], [])
            except BrokenPipeError:
                send_sig_self(t, SIGPIPE)
                raise Errno.EPIPE from None
            except OSError as error:
                raise from_number(error.errno or 0) from None
        return len(data)

    def lseek(self, t: Thread, offset: int, whence: int) -> int:
        try:
            return os.lseek(self.fd, offset, whence)
        except OSError as error:
            raise from_number(error.errno or 0) from None

    @property
    def seekable(self) -> bool:
        try:
            os.lseek(self.fd, 0, os.SEEK_CUR)
        except OSError:
            return False
        return True

    def pread(self, t: Thread, size: int, offset: int) -> bytes:
        try:
            return os.pread(self.fd, size, offset)
        except OSError as error:
            raise from_number(error.errno or 0) from None

    def pwrite(self, t: Thread, data: bytes, offset: int) -> int:
        try:
            return os.pwrite(self.fd, data, offset)
        except OSError as error:
            raise from_number(error.errno or 0) from None

    def poll(self, t: Thread) -> int:
        if self.flags & O_ACCMODE == O_WRONLY:
            return POLLOUT | POLLWRNORM
        return POLLIN | POLLRDNORM if self.ready() else 0

    def queues(self, t: Thread) -> tuple[WaitQueue, ...]:
        return (self.wait,)

    def truncate(self, t: Thread, size: int) -> None:
        try:
            os.ftruncate(self.fd, size)
        except OSError as error:
            raise from_number(error.errno or 0) from None

    def fsync(self, t: Thread) -> None:
        if not stat_bits.S_ISREG(os.fstat(self.fd).st_mode):
            raise Errno.EINVAL

    def stat(self, t: Thread) -> Stat:
        """Kind and size are the host's; names, owners and times of the host stay outside."""
        found = os.fstat(self.fd)
        blocks = (found.st_size + 511) // 512
        return Stat(PIPEFS_DEV, self.fd + 1, found.st_mode, 1, 0, 0, 0, found.st_size, 4096, blocks, 0, 0, 0, 0)

    def path(self, t: Thread) -> bytes:
        return b"pipe:[%d]" % (self.fd + 1)


def _host_append(fd: int) -> int:
    """Return O_APPEND if the host opened the descriptor so (``>>`` of a shell)."""
    try:
        import fcntl

        return O_APPEND if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND else 0
    except (ImportError, OSError):
        return 0
