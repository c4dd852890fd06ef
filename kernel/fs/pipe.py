"""Pipes and FIFOs (fs/pipe.c).

A pipe is a ring of slots, each holding at most one page.  That it is a ring of pages and not of bytes can be seen from
user space: sixteen writes of 3000 bytes fill a 64 KiB pipe, while 65,536 writes of one byte fit, because a write may be
merged into the last page if it fits whole.  Hence a write of at most PIPE_BUF (one page) bytes is always atomic: it
goes into the last slot entirely or into a new one.  ``O_DIRECT`` makes every write a packet: never merged, read one at a
time, the rest of a packet that does not fit the reader's buffer is lost.

The two ends are open files of their own; a FIFO opened O_RDWR is both at once.
"""

from __future__ import annotations

import stat as stat_bits
import struct
from collections import deque
from typing import TYPE_CHECKING, Protocol

from kernel.cred import CAP_SYS_RESOURCE
from kernel.errno import Errno
from kernel.fs.fasync import POLL_IN, POLL_OUT, Listeners, kill_fasync
from kernel.fs.file import (
    O_ACCMODE,
    O_DIRECT,
    O_NONBLOCK,
    O_RDONLY,
    O_RDWR,
    O_WRONLY,
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    POLLRDNORM,
    POLLWRNORM,
    File,
    Stat,
)
from kernel.fs.locks import flush_locks, release_locks
from kernel.signal import SIGPIPE
from kernel.signal_send import send_sig_self
from kernel.waitqueue import Block, Blocking, WaitQueue, Wakeup

if TYPE_CHECKING:
    from kernel.fs.inode import Inode
    from kernel.fs.mount import Path
    from kernel.task import Thread

PAGE = 4096
DEFAULT_SLOTS = 16
MAX_SIZE = 1 << 20
"""/proc/sys/fs/pipe-max-size: the most an unprivileged F_SETPIPE_SZ may ask for, in bytes."""
PIPEFS_DEV = 13
FIONREAD = 0x541B

_READABLE = POLLIN | POLLRDNORM
_WRITABLE = POLLOUT | POLLWRNORM
_EVERYTHING = _READABLE | _WRITABLE | POLLHUP | POLLERR


class Packet(bytes):
    """A slot written with O_DIRECT (PIPE_BUF_FLAG_PACKET)."""

    __slots__ = ()


class Sealed(bytes):
    """A slot that takes no more bytes: it came from splice, tee or vmsplice (no PIPE_BUF_FLAG_CAN_MERGE)."""

    __slots__ = ()


class FifoNode(Protocol):
    """What a FIFO's inode offers to the open file made of it."""

    def stat(self, t: Thread) -> Stat:
        """Return the attributes."""

    def path(self, t: Thread) -> bytes:
        """Return the name it was opened by."""

    def where(self) -> Path | None:
        """Return the place it was opened at; None for a pipe that was opened again through /proc."""


class Pipe:
    """The ring both ends share (``pipe_inode_info``).

    ``slots``: bytes, bytearray (merged writes), Packet or Sealed, oldest first; ``offset``: bytes of the first slot
    that were read already.  ``readers``/``writers`` count open files, ``*_opened`` how many there ever were.
    """

    __slots__ = (
        "slots", "offset", "max_slots", "readers", "writers", "readers_opened", "writers_opened",
        "read_wait", "write_wait", "read_listeners", "write_listeners", "ino", "ctime", "uid", "gid",
    )  # fmt: skip

    def __init__(self, ino: int = 0, ctime: int = 0, uid: int = 0, gid: int = 0) -> None:
        self.slots: deque[bytes | bytearray] = deque()
        self.offset = 0
        self.max_slots = DEFAULT_SLOTS
        self.readers = self.writers = 0
        self.readers_opened = self.writers_opened = 0
        self.read_wait = WaitQueue()
        self.write_wait = WaitQueue()
        self.read_listeners: Listeners = {}
        self.write_listeners: Listeners = {}
        self.ino = ino
        self.ctime = ctime
        self.uid = uid
        self.gid = gid

    @property
    def readable(self) -> int:
        """Bytes waiting to be read."""
        return sum(map(len, self.slots)) - self.offset

    def read(self, size: int) -> bytes:
        """Take up to ``size`` bytes (at most one packet); the pipe must not be empty."""
        slots = self.slots
        full = len(slots) >= self.max_slots
        first = slots[0]
        offset = self.offset
        have = len(first) - offset
        if type(first) is Packet:
            slots.popleft()
            self.offset = 0
            data = bytes(first[offset : offset + size])
        elif have > size:
            self.offset = offset + size
            return bytes(first[offset : offset + size])
        else:
            slots.popleft()
            data = bytes(first[offset:]) if offset else bytes(first)
            self.offset = 0
            if slots and have < size:
                data = self._gather(data, size)
        if full:
            self.write_wait.wake_all(_WRITABLE)
        return data

    def unread(self, data: bytes) -> None:
        """Put back the end of what was just read: the reader could not store it."""
        if self.offset:
            self.slots[0] = self.slots[0][self.offset :]
            self.offset = 0
        self.slots.appendleft(data)

    def _gather(self, data: bytes, size: int) -> bytes:
        slots = self.slots
        parts = [data]
        size -= len(data)
        while slots and size:
            first = slots[0]
            if type(first) is Packet:
                # A packet may end a read that began before it; what does not fit is lost all the same.
                parts.append(bytes(slots.popleft()[:size]))
                break
            if len(first) > size:
                parts.append(bytes(first[:size]))
                self.offset = size
                break
            parts.append(bytes(slots.popleft()))
            size -= len(first)
        return b"".join(parts)

    def write(self, data: bytes, packets: bool = False) -> int:
        """Put as much of ``data`` (not empty) as there is room for and return how much (pipe_write).

        0: no room.  At most PIPE_BUF bytes go in whole or not at all.
        """
        slots = self.slots
        size = len(data)
        done = 0
        if slots:
            # The odd bytes may be merged into the last page, if it has not been spliced and they fit whole.
            odd = size & (PAGE - 1)
            last = slots[-1]
            if odd and (type(last) is bytes or type(last) is bytearray) and len(last) + odd <= PAGE:
                if type(last) is bytes:
                    slots[-1] = last = bytearray(last)
                last += data[:odd]
                done = odd
        if size <= PAGE:
            if not done and len(slots) < self.max_slots:
                slots.append(Packet(data) if packets else bytes(data))
                done = size
        else:
            while done < size and len(slots) < self.max_slots:
                chunk = data[done : done + PAGE]
                slots.append(Packet(chunk) if packets else bytes(chunk))
                done += len(chunk)
        if done and self.read_wait:
            self.read_wait.wake_all(_READABLE)
        if self.read_listeners:
            kill_fasync(self.read_listeners, POLL_IN)
        return done

    def push(self, chunk: bytes) -> None:
        """Append one spliced slot (at most a page); the caller has checked for room, and sends SIGIO when all are there."""
        self.slots.append(chunk)
        self.read_wait.wake_all(_READABLE)

    def resize(self, t: Thread, size: int) -> int:
        """F_SETPIPE_SZ: capacity of at least ``size`` bytes, rounded up to a power of two pages; return it in bytes.

        EPERM: beyond pipe-max-size without CAP_SYS_RESOURCE.  EBUSY: less than is in the pipe.
        """
        if size < 0 or size > 1 << 31:
            raise Errno.EINVAL
        pages = max(1, (size + PAGE - 1) // PAGE)
        slots = 1 << (pages - 1).bit_length()
        if slots > self.max_slots and slots * PAGE > MAX_SIZE and not t.cred.capable(CAP_SYS_RESOURCE):
            raise Errno.EPERM
        if slots < len(self.slots):
            raise Errno.EBUSY
        grown = slots > self.max_slots
        self.max_slots = slots
        if grown:
            self.write_wait.wake_all(_WRITABLE)
        return slots * PAGE

    def opened(self, access: int) -> None:
        """Count a new open file of the given O_ACCMODE bits."""
        if access != O_WRONLY:
            self.readers += 1
            self.readers_opened += 1
        if access != O_RDONLY:
            self.writers += 1
            self.writers_opened += 1

    def closed(self, access: int) -> None:
        """An open file is gone; the other side learns of the end of file or the broken pipe (pipe_release)."""
        if access != O_WRONLY:
            self.readers -= 1
        if access != O_RDONLY:
            self.writers -= 1
        if not self.readers and not self.writers:
            self.slots.clear()
            self.offset = 0
        elif not self.readers or not self.writers:
            self.read_wait.wake_all(_EVERYTHING)
            self.write_wait.wake_all(_EVERYTHING)
            kill_fasync(self.read_listeners, POLL_IN)
            kill_fasync(self.write_listeners, POLL_OUT)


class PipeFile(File):
    """An end of a pipe, or a FIFO opened for reading, writing or both; ``access`` is its O_ACCMODE.

    ``node`` is the FIFO's inode, None for a pipe.
    """

    __slots__ = ("pipe", "access", "node", "writers_seen")

    READ_WCHAN = "pipe_read"
    WRITE_WCHAN = "pipe_write"

    def __init__(self, pipe: Pipe, flags: int, node: FifoNode | None = None) -> None:
        super().__init__(flags)
        self.pipe = pipe
        self.access = flags & O_ACCMODE
        self.node = node
        # A FIFO opened without blocking before any writer came reports no hang-up yet (filp->f_version).
        self.writers_seen = -1 if node is None or pipe.writers else pipe.writers_opened
        pipe.opened(self.access)

    def read(self, t: Thread, size: int) -> bytes:
        """EAGAIN while empty and somebody may still write."""
        if self.access == O_WRONLY:
            raise Errno.EBADF
        pipe = self.pipe
        if not size:
            return b""
        if pipe.write_listeners:  # whether something was there or not
            kill_fasync(pipe.write_listeners, POLL_OUT)
        if pipe.slots:
            return pipe.read(size)
        if pipe.writers:
            raise Errno.EAGAIN
        return b""

    def write(self, t: Thread, data: bytes) -> int:
        """EPIPE with SIGPIPE once nobody can read (pipe(7))."""
        if self.access == O_RDONLY:
            raise Errno.EBADF
        pipe = self.pipe
        if not data:
            return 0
        if not pipe.readers:
            send_sig_self(t, SIGPIPE)
            raise Errno.EPIPE
        done = pipe.write(data, bool(self.flags & O_DIRECT))
        if not done:
            raise Errno.EAGAIN
        return done

    def read_sleeping(self, t: Thread, size: int) -> Blocking[bytes]:
        """Read, sleeping while the pipe is empty and somebody may still write."""
        pipe = self.pipe
        while not pipe.slots and pipe.writers and size:
            if pipe.write_listeners:
                kill_fasync(pipe.write_listeners, POLL_OUT)
            if self.flags & O_NONBLOCK:
                raise Errno.EAGAIN
            if (yield Block("pipe_read", pipe.read_wait, who=lambda t: self.wakers(t, True))) is Wakeup.SIGNAL:
                raise Errno.ERESTARTSYS
        return self.read(t, size)

    def wakers(self, t: Thread, reading: bool) -> str:
        """Name the processes that hold the other end."""
        unwanted = O_RDONLY if reading else O_WRONLY
        holders = []
        for process in t.kernel.all_processes():
            files = process.rep.files.slots if process.live else ()
            if any(isinstance(file, PipeFile) and file.pipe is self.pipe and file.access != unwanted for file in files):
                holders.append(f"{process.rep.comm.decode(errors='replace')}[{process.tgid}]")
        verb, name = "write to" if reading else "read from", self.path(t).decode(errors="replace")
        return f"a {verb} {name} by {' or '.join(holders) or 'nobody'}"

    def poll(self, t: Thread) -> int:
        pipe = self.pipe
        mask = 0
        if self.access != O_WRONLY:
            if pipe.slots:
                mask = _READABLE
            if not pipe.writers and self.writers_seen != pipe.writers_opened:
                mask |= POLLHUP
        if self.access != O_RDONLY:
            if len(pipe.slots) < pipe.max_slots:
                mask |= _WRITABLE
            if not pipe.readers:
                mask |= POLLERR
        return mask

    def queues(self, t: Thread) -> tuple[WaitQueue, ...]:
        if self.access == O_RDONLY:
            return (self.pipe.read_wait,)
        if self.access == O_WRONLY:
            return (self.pipe.write_wait,)
        return (self.pipe.read_wait, self.pipe.write_wait)

    def listeners(self) -> tuple[Listeners, ...]:
        readers = (self.pipe.read_listeners,) if self.access != O_WRONLY else ()
        return (*readers, self.pipe.write_listeners) if self.access != O_RDONLY else readers

    def ioctl(self, t: Thread, command: int, argument: int) -> int:
        if command == FIONREAD:
            t.mm.write(argument, struct.pack("<i", self.pipe.readable))  # type: ignore[union-attr]
            return 0
        raise Errno.ENOTTY

    def stat(self, t: Thread) -> Stat:
        if self.node is not None:
            return self.node.stat(t)
        pipe, now = self.pipe, self.pipe.ctime
        mode = stat_bits.S_IFIFO | 0o600
        return Stat(PIPEFS_DEV, pipe.ino, mode, 1, pipe.uid, pipe.gid, 0, 0, PAGE, 0, now, now, now, now)

    def path(self, t: Thread) -> bytes:
        return self.node.path(t) if self.node is not None else b"pipe:[%d]" % self.pipe.ino

    def where(self) -> Path | None:
        return self.node.where() if self.node is not None else None

    def inode(self) -> Inode | None:
        where = self.where()
        return where.dentry.inode if where is not None else None

    def flush(self, t: Thread) -> None:
        if self.node is not None:
            flush_locks(t, self)

    def release(self) -> None:
        if self.node is not None:
            release_locks(self)
        self.pipe.closed(self.access)


def make_pipe(t: Thread, flags: int) -> tuple[PipeFile, PipeFile]:
    """Return the read and the write end of a new pipe; ``flags``: O_NONBLOCK and O_DIRECT."""
    pipe = Pipe(t.kernel.next_ino(), t.kernel.clock.realtime(), t.cred.fsuid, t.cred.fsgid)
    return PipeFile(pipe, flags & O_NONBLOCK | O_RDONLY), PipeFile(pipe, flags & (O_NONBLOCK | O_DIRECT) | O_WRONLY)


def open_fifo(t: Thread, pipe: Pipe, flags: int, node: FifoNode) -> File | Blocking[File]:
    """Open a FIFO (fifo(7), fifo_open); returns a generator where the open has to wait for the other side.

    ENXIO: O_WRONLY|O_NONBLOCK and nobody reads.  ERESTARTSYS: a signal ended the wait.
    """
    access = flags & O_ACCMODE
    if access == O_WRONLY and flags & O_NONBLOCK and not pipe.readers:
        raise Errno.ENXIO
    if access > O_RDWR:
        raise Errno.EINVAL
    file = PipeFile(pipe, flags, node)
    if access != O_WRONLY:
        pipe.write_wait.wake_all()
    if access != O_RDONLY:
        pipe.read_wait.wake_all()
    if access == O_RDONLY and not flags & O_NONBLOCK and not pipe.writers:
        file.writers_seen = -1
        return _partner(file, pipe, True)
    if access == O_WRONLY and not pipe.readers:
        return _partner(file, pipe, False)
    return file


def _partner(file: PipeFile, pipe: Pipe, reading: bool) -> Blocking[File]:
    """Wait until the other side was opened, were it only for a moment (wait_for_partner)."""
    before = pipe.writers_opened if reading else pipe.readers_opened
    queue = pipe.read_wait if reading else pipe.write_wait
    while before == (pipe.writers_opened if reading else pipe.readers_opened):
        if (yield Block("wait_for_partner", queue)) is Wakeup.SIGNAL:
            file.drop()
            raise Errno.ERESTARTSYS
    return file
