"""eventfd(2): a 64-bit counter as a file (fs/eventfd.c)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.fs.anon import AnonFile
from kernel.fs.file import O_RDWR, POLLERR, POLLIN, POLLOUT
from kernel.waitqueue import WaitQueue

if TYPE_CHECKING:
    from kernel.task import Thread

ULLONG_MAX = (1 << 64) - 1
_U64 = struct.Struct("<Q")


class EventFd(AnonFile):
    """``count`` never exceeds 2**64-2 by writes; with ``semaphore`` a read takes 1 instead of all."""

    __slots__ = ("count", "semaphore", "wait")

    NAME = b"[eventfd]"
    READ_WCHAN = "eventfd_read"
    WRITE_WCHAN = "eventfd_write"

    def __init__(self, count: int, semaphore: bool, flags: int) -> None:
        super().__init__(O_RDWR | flags)
        self.count = count
        self.semaphore = semaphore
        self.wait = WaitQueue()

    def read(self, t: Thread, size: int) -> bytes:
        """8 bytes; EINVAL for a smaller buffer, EAGAIN at zero."""
        if size < 8:
            raise Errno.EINVAL
        count = self.count
        if not count:
            raise Errno.EAGAIN
        taken = 1 if self.semaphore else count
        self.count = count - taken
        self.wait.wake_all(POLLOUT)
        return _U64.pack(taken)

    def write(self, t: Thread, data: bytes) -> int:
        """Add; EINVAL for other than 8 bytes or 2**64-1, EAGAIN if the sum would exceed 2**64-2."""
        if len(data) != 8:
            raise Errno.EINVAL
        value = _U64.unpack(data)[0]
        if value == ULLONG_MAX:
            raise Errno.EINVAL
        if self.count + value >= ULLONG_MAX:
            raise Errno.EAGAIN
        self.count += value
        self.wait.wake_all(POLLIN)
        return 8

    def poll(self, t: Thread) -> int:
        mask = 0
        if self.count:
            mask = POLLIN
        if self.count == ULLONG_MAX:
            mask |= POLLERR
        if self.count < ULLONG_MAX - 1:
            mask |= POLLOUT
        return mask

    def queues(self, t: Thread) -> tuple[WaitQueue, ...]:
        return (self.wait,)
