"""A terminal as an open file: read, write, poll (n_tty_read, n_tty_write, n_tty_poll)."""

from __future__ import annotations

import stat as stat_bits
from typing import TYPE_CHECKING, ClassVar

from kernel.errno import Errno
from kernel.fs.fasync import F_OWNER_PGRP, F_OWNER_PID, Listeners, set_owner
from kernel.fs.file import (
    O_ACCMODE,
    O_NONBLOCK,
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
from kernel.fs.path import d_path
from kernel.signal import SIGTTIN, SIGTTOU
from kernel.termios import TOSTOP, VMIN, VTIME
from kernel.tty import Tty
from kernel.tty_ioctl import tty_ioctl
from kernel.waitqueue import Block, Blocking, WaitQueue, Wakeup

if TYPE_CHECKING:
    from kernel.fs.inode import Inode
    from kernel.fs.mount import Path
    from kernel.task import Thread

_READABLE = POLLIN | POLLRDNORM
_WRITABLE = POLLOUT | POLLWRNORM
_WAKEUP_CHARS = 256
"""A terminal with more output queued does not poll writable."""
_TENTH = 100_000_000
"""VTIME counts tenths of a second; in ns."""
DEVPTS_DEV = 22


class TtyFile(File):
    """A terminal opened at ``place`` (None: it has no name in the tree)."""

    __slots__ = ("tty", "place")

    SPLICES = True
    is_master: ClassVar[bool] = False
    """Whether it is the other end of the terminal, that of the terminal emulator."""

    READ_WCHAN = "n_tty_read"
    WRITE_WCHAN = "n_tty_write"

    def __init__(self, tty: Tty, flags: int, place: Path | None = None) -> None:
        super().__init__(flags)
        self.tty = tty
        self.place = place
        tty.opened()

    def flush(self, t: Thread) -> None:
        flush_locks(t, self)

    def release(self) -> None:
        release_locks(self)
        self.tty.closed()

    # -- signals --------------------------------------------------------------------------------------------------
    def listeners(self) -> tuple[Listeners, ...]:
        return (self.tty.listeners,)

    def default_owner(self, t: Thread) -> None:
        """The foreground process group, or the caller (__tty_fasync)."""
        group = self.tty.foreground
        set_owner(t, self, group or t.process.tgid_pid, F_OWNER_PGRP if group is not None else F_OWNER_PID, force=False)

    # -- reading --------------------------------------------------------------------------------------------------
    def _enough(self, size: int) -> int:
        """Return how many bytes a read waits for."""
        ldisc = self.tty.ldisc
        return 1 if ldisc.canonical else min(size, ldisc.termios.cc[VMIN]) or 1

    def read(self, t: Thread, size: int) -> bytes:
        """In canonical mode a line, else at least VMIN bytes; EIO or SIGTTIN in the background."""
        tty = self.tty
        if tty.hung_up:
            return b""
        tty.check_change(t, SIGTTIN)
        if not size:
            return b""
        ldisc = tty.ldisc
        if ldisc.available(1 if self.flags & O_NONBLOCK else self._enough(size)):
            return ldisc.read(size)
        if not ldisc.canonical and not ldisc.available():
            cc = ldisc.termios.cc
            if not cc[VMIN] and not cc[VTIME]:
                return b""
        raise Errno.EAGAIN

    def read_sleeping(self, t: Thread, size: int) -> Blocking[bytes]:
        """With VMIN the inter-byte timer VTIME runs once a byte was read; without it VTIME limits the whole wait."""
        data = b""
        tty = self.tty
        limit: int | None = None
        started = False
        while True:
            ldisc = tty.ldisc
            if tty.hung_up:
                if started and not data and tty.has_master:
                    raise Errno.EIO  # it slept while its master was closed (TTY_OTHER_CLOSED)
                return data
            try:
                tty.check_change(t, SIGTTIN)
            except Errno:
                if data:
                    return data
                raise
            canonical, cc = ldisc.canonical, ldisc.termios.cc
            minimum, time = cc[VMIN], cc[VTIME] * _TENTH
            now = t.kernel.clock.monotonic()
            if not started:
                started = True
                if not canonical and not minimum:
                    limit = now + time
            if ldisc.available():
                data += ldisc.read(size - len(data))
                if canonical or len(data) >= min(size, minimum or 1):
                    return data
                if minimum and time:
                    limit = t.kernel.clock.monotonic() + time
            if self.flags & O_NONBLOCK:
                if data:
                    return data
                if limit is None or limit > now:
                    raise Errno.EAGAIN
            if limit is not None and limit <= now:
                return data
            reason = yield Block("n_tty_read", tty.read_wait, deadline=limit, who=lambda t: self.wakers(t, True))
            if reason is Wakeup.SIGNAL:
                if data:
                    return data
                raise Errno.ERESTARTSYS

    # -- writing --------------------------------------------------------------------------------------------------
    def write(self, t: Thread, data: bytes) -> int:
        """EAGAIN while output is stopped; with TOSTOP SIGTTOU in the background."""
        tty = self.tty
        if tty.hung_up:
            raise Errno.EIO
        if tty.ldisc.termios.lflag & TOSTOP:
            tty.check_change(t, SIGTTOU)
        if not data:
            return 0
        done = tty.ldisc.write(data)
        if done < len(data):
            tty.cut_short = True
        if not done:
            raise Errno.EAGAIN
        return done

    # -- readiness ------------------------------------------------------------------------------------------------
    def poll(self, t: Thread) -> int:
        tty, ldisc = self.tty, self.tty.ldisc
        if tty.hung_up:
            return POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDNORM | POLLWRNORM
        cc = ldisc.termios.cc
        mask = 0
        if ldisc.available(cc[VMIN] if cc[VMIN] and not cc[VTIME] else 1):
            mask = _READABLE
        if tty.driver.queued() < _WAKEUP_CHARS and ldisc.room() > 0:
            mask |= _WRITABLE
        return mask

    def queues(self, t: Thread) -> tuple[WaitQueue, ...]:
        return (self.tty.read_wait, self.tty.write_wait)

    # -- the rest -------------------------------------------------------------------------------------------------
    def ioctl(self, t: Thread, command: int, argument: int) -> int:
        return tty_ioctl(t, self, command, argument)

    @property
    def readable(self) -> bool:
        """Whether it was opened for reading."""
        return self.flags & O_ACCMODE != O_WRONLY

    def where(self) -> Path | None:
        return self.place

    def inode(self) -> Inode | None:
        return self.place.dentry.inode if self.place is not None else None

    def stat(self, t: Thread) -> Stat:
        if self.place is not None:
            return self.place.dentry.inode.stat(t)
        # A terminal that is nowhere in the tree.
        return Stat(DEVPTS_DEV, 3, stat_bits.S_IFCHR | 0o620, 1, 0, 5, self.tty.rdev, 0, 1024, 0, 0, 0, 0, 0)

    def path(self, t: Thread) -> bytes:
        return d_path(self.place, t.fs.root) if self.place is not None else self.tty.name

    def wakers(self, t: Thread, reading: bool) -> str:
        return self.tty.typist(t, reading)


def open_controlling(t: Thread, flags: int, place: Path | None) -> TtyFile:
    """Open /dev/tty: the caller's controlling terminal.  ENXIO if it has none (tty(4))."""
    tty = t.process.tty
    if tty is None:
        raise Errno.ENXIO
    tty.may_open(t)
    return TtyFile(tty, flags, place)
