"""Open file descriptions (``struct file``): what a descriptor refers to.

Every kind of file implements the same small set of *non-blocking* operations; one that cannot proceed now raises
EAGAIN whatever O_NONBLOCK says.  Sleeping is done in one place, ``File.read_sleeping`` and ``File.write_sleeping``,
which wait on the file's queues and try again.  So a pipe never contains a loop around a sleep; only files whose wait
has a time limit of its own (terminals with VTIME, sockets with SO_RCVTIMEO) override them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, Protocol

from kernel.errno import Errno
from kernel.waitqueue import Block, Blocking, WaitQueue, Wakeup

if TYPE_CHECKING:
    from kernel.fs.inode import Dirent, Inode
    from kernel.fs.mount import Path
    from kernel.pid import Pid, PidNamespace
    from kernel.task import Thread

# open(2) flags, x86-64 values (asm-generic/fcntl.h)
O_ACCMODE = 0o3
O_RDONLY = 0o0
O_WRONLY = 0o1
O_RDWR = 0o2
O_CREAT = 0o100
O_EXCL = 0o200
O_NOCTTY = 0o400
O_TRUNC = 0o1000
O_APPEND = 0o2000
O_NONBLOCK = 0o4000
O_DSYNC = 0o10000
O_ASYNC = 0o20000
O_DIRECT = 0o40000
O_LARGEFILE = 0o100000
O_DIRECTORY = 0o200000
O_NOFOLLOW = 0o400000
O_NOATIME = 0o1000000
O_CLOEXEC = 0o2000000
O_SYNC = 0o4010000
O_PATH = 0o10000000
O_TMPFILE = 0o20200000

# poll(2) bits
POLLIN = 0x001
POLLPRI = 0x002
POLLOUT = 0x004
POLLERR = 0x008
POLLHUP = 0x010
POLLNVAL = 0x020
POLLRDNORM = 0x040
POLLRDBAND = 0x080
POLLWRNORM = 0x100
POLLWRBAND = 0x200
POLLMSG = 0x400
POLLRDHUP = 0x2000

SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE = range(5)


class Stat(NamedTuple):
    """What stat(2) and statx(2) tell of an inode; times in ns since the epoch, ``dev``/``rdev`` as Linux dev_t numbers."""

    dev: int
    ino: int
    mode: int
    nlink: int
    uid: int
    gid: int
    rdev: int
    size: int
    blksize: int
    blocks: int
    atime: int
    mtime: int
    ctime: int
    btime: int


class PageSource(Protocol):
    """Something whose pages can be mapped (``address_space`` of Linux): a file, or shared anonymous memory."""

    size: int
    """Bytes; pages wholly beyond it give SIGBUS."""

    def page(self, index: int) -> int:
        """Return the frame that caches page ``index``, with one more reference for the caller.  All mappings of the
        same source share it.  Raises EFAULT beyond the end (SIGBUS), OutOfFrames."""

    def dirty(self, index: int) -> None:
        """A writable shared mapping of page ``index`` is about to be written."""


class Owner(NamedTuple):
    """Who gets the signals of a file (``struct fown_struct``): a thread, process or process group as ``kind`` says
    (F_OWNER_*), with the real and effective uid of who said so."""

    pid: Pid | None
    kind: int
    uid: int
    euid: int


NOBODY: Final = Owner(None, 0, 0, 0)


class File:
    """An open file description; shared by dup and fork, closed when ``refs`` drops to 0.

    Subclasses override what they support; the defaults give the errno Linux gives for a file without the operation.
    """

    __slots__ = ("flags", "pos", "refs", "owner", "signal", "on_release", "__weakref__")

    READ_WCHAN = "read"
    WRITE_WCHAN = "write"
    SPLICES: ClassVar[bool] = False
    """Whether the kind can be spliced from (it has a splice_read operation)."""
    SHORT_WRITES: ClassVar[bool] = False
    """Whether a write that took less than all is over; else the rest waits for room."""

    def __init__(self, flags: int) -> None:
        self.flags = flags
        self.pos = 0
        self.refs = 1
        self.owner = NOBODY
        self.signal = 0
        self.on_release: dict[Callable[[], None], None] | None = None
        """Called just before ``release``: an epoll instance drops its items (eventpoll_release)."""

    # -- data -----------------------------------------------------------------------------------------------------
    def read(self, t: Thread, size: int) -> bytes:
        """Read up to ``size`` bytes at the file position and advance it; b"" is end of file.  EAGAIN: none yet."""
        raise Errno.EINVAL

    def write(self, t: Thread, data: bytes) -> int:
        """Write at the file position (or the end with O_APPEND), return how many bytes were taken (at least 1)."""
        raise Errno.EINVAL

    def pread(self, t: Thread, size: int, offset: int) -> bytes:
        """Read at ``offset`` without moving the position.  ESPIPE if not seekable."""
        raise Errno.ESPIPE

    def pwrite(self, t: Thread, data: bytes, offset: int) -> int:
        """Write at ``offset`` without moving the position.  ESPIPE if not seekable."""
        raise Errno.ESPIPE

    def lseek(self, t: Thread, offset: int, whence: int) -> int:
        """Move the position and return it."""
        raise Errno.ESPIPE

    @property
    def seekable(self) -> bool:
        """Whether it can be read and written at an offset (FMODE_PREAD, FMODE_PWRITE)."""
        return type(self).pread is not File.pread

    # -- readiness ------------------------------------------------------------------------------------------------
    def poll(self, t: Thread) -> int:
        """Return the POLL* bits that hold now."""
        return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM

    @property
    def pollable(self) -> bool:
        """Whether epoll takes it: the kind has a poll operation of its own (file_can_poll)."""
        return type(self).poll is not File.poll

    def queues(self, t: Thread) -> tuple[WaitQueue, ...]:
        """Return the queues woken when ``poll(t)`` may have changed, () for a file that is always ready.

        Their wake-ups carry the POLL* bits that became true as key, or None for "look yourself".
        """
        return ()

    def wakers(self, t: Thread, reading: bool) -> str:
        """Say who could end a sleeping read (or write), for the report of a deadlock."""
        return f"a signal, or what makes {self.path(t).decode(errors='replace')} {'readable' if reading else 'writable'}"

    # -- sleeping -------------------------------------------------------------------------------------------------
    def read_sleeping(self, t: Thread, size: int) -> Blocking[bytes]:
        """Read, sleeping until something is there.  ERESTARTSYS on a signal; EAGAIN with O_NONBLOCK."""
        while True:
            try:
                return self.read(t, size)
            except Errno.EAGAIN:
                if self.flags & O_NONBLOCK:
                    raise
            if (yield Block(self.READ_WCHAN, *self.queues(t), who=lambda t: self.wakers(t, True))) is Wakeup.SIGNAL:
                raise Errno.ERESTARTSYS

    def write_sleeping(self, t: Thread, data: bytes) -> Blocking[int]:
        """Write all of ``data``, sleeping while there is no room.

        A signal or error after some bytes were taken gives the short count (write(2)).
        """
        done = 0
        while True:
            try:
                done += self.write(t, data[done:] if done else data)
                if done >= len(data):
                    return done
                continue
            except Errno.EAGAIN:
                if self.flags & O_NONBLOCK:
                    if done:
                        return done
                    raise
            except Errno:
                if done:
                    return done
                raise
            if (yield Block(self.WRITE_WCHAN, *self.queues(t), who=lambda t: self.wakers(t, False))) is Wakeup.SIGNAL:
                if done:
                    return done
                raise Errno.ERESTARTSYS

    # -- the rest -------------------------------------------------------------------------------------------------
    def ioctl(self, t: Thread, command: int, argument: int) -> int | Blocking[int]:
        """Device control; ENOTTY for a command the file does not know."""
        raise Errno.ENOTTY

    def stat(self, t: Thread) -> Stat:
        """Return the inode's attributes."""
        raise Errno.EBADF

    def source(self, t: Thread) -> PageSource:
        """Return what mmap maps.  ENODEV if the file cannot be mapped."""
        raise Errno.ENODEV

    def may_map(self, vm_flags: int) -> int:
        """Return the VM_* flags of a mapping of the file as far as it allows them.  EPERM."""
        return vm_flags

    def truncate(self, t: Thread, size: int) -> None:
        """Set the size in bytes (ftruncate)."""
        raise Errno.EINVAL

    def fsync(self, t: Thread) -> None:
        """Flush to storage.  EINVAL for files without it (fsync(2))."""
        raise Errno.EINVAL

    def path(self, t: Thread) -> bytes:
        """Return the name /proc/PID/fd shows: a path seen from ``t``'s root, or e.g. b"pipe:[12]"."""
        raise NotImplementedError

    def fdinfo(self, t: Thread, ns: PidNamespace) -> bytes:
        """Return the lines this kind of file adds to /proc/PID/fdinfo/N, each with its newline; ``ns``: that of the /proc."""
        return b""

    def where(self) -> Path | None:
        """Return the place it was opened at; None for files without one (pipes, sockets, anonymous inodes)."""
        return None

    def inode(self) -> Inode | None:
        """Return the inode; None for files that have none in a file system."""
        return None

    def getdents(self, t: Thread) -> list[Dirent]:
        """Return a directory's entries from the position on.  ENOTDIR for other files."""
        raise Errno.ENOTDIR

    def flush(self, t: Thread) -> None:
        """A descriptor was closed (filp_close): the process's POSIX locks on the file are gone, whichever descriptor made them
        (fcntl(2))."""
        inode = self.inode()
        if inode is not None and inode.locks is not None:
            inode.locks.release_posix(t.files)

    def release(self) -> None:
        """The last reference is gone."""

    # -- signals --------------------------------------------------------------------------------------------------
    def listeners(self) -> tuple[dict[File, int], ...]:
        """Return where the file registers for SIGIO (O_ASYNC); () for kinds that never send it."""
        return ()

    def default_owner(self, t: Thread) -> None:
        """``t`` has set O_ASYNC: some kinds get an owner by that."""

    def hold(self) -> File:
        """Take one more reference and return self."""
        self.refs += 1
        return self

    def drop(self) -> None:
        """Drop a reference; release at 0, with flock and open-file-description locks (__fput)."""
        self.refs -= 1
        if self.refs == 0:
            if self.on_release:
                for forget in list(self.on_release):
                    forget()
            if self.flags & O_ASYNC:
                for listeners in self.listeners():
                    listeners.pop(self, None)
            inode = self.inode()
            if inode is not None and inode.locks is not None:
                inode.locks.release_file(self)
            self.release()


def read_blocking(t: Thread, file: File, size: int) -> Blocking[bytes]:
    """Read, sleeping until something is there.  ERESTARTSYS on a signal; EAGAIN with O_NONBLOCK."""
    return file.read_sleeping(t, size)


def write_blocking(t: Thread, file: File, data: bytes) -> Blocking[int]:
    """Write all of ``data``, sleeping while there is no room; the short count if a signal came after some bytes."""
    return file.write_sleeping(t, data)
