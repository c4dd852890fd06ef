"""The master of a pseudo terminal as an open file (ioctl_tty(2); ptmx_open, pty_unix98_ioctl, n_tty_read for packet mode)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Final

from kernel.errno import Errno
from kernel.fs.fasync import F_OWNER_PID, Listeners, set_owner
from kernel.fs.fdtable import install_fd
from kernel.fs.file import (
    O_ACCMODE,
    O_CLOEXEC,
    O_NOCTTY,
    O_NONBLOCK,
    POLLHUP,
    POLLIN,
    POLLOUT,
    POLLPRI,
    POLLRDNORM,
    POLLWRNORM,
    File,
    Stat,
)
from kernel.fs.locks import release_locks
from kernel.fs.ttyfile import TtyFile
from kernel.pty import PKT_DATA, Pty
from kernel.tty_ioctl import TCFLSH, TCIFLUSH, TCIOFLUSH, TCOFLUSH, TIOCINQ, TIOCOUTQ, TIOCSTI
from kernel.waitqueue import Block, Blocking, WaitQueue, Wakeup

if TYPE_CHECKING:
    from kernel.fs.mount import Path
    from kernel.pid import PidNamespace
    from kernel.task import Thread

TIOCPKT, TIOCGPTN, TIOCSPTLCK, TIOCSIG = 0x5420, 0x80045430, 0x40045431, 0x40045436
TIOCGPKT, TIOCGPTLCK, TIOCGPTPEER = 0x80045438, 0x80045439, 0x5441
_NSIG = 64


class PtyMaster(TtyFile):
    """The master's open file; ``tty`` is the slave's terminal, which most ioctls are about."""

    __slots__ = ("line", "on_close")

    is_master: ClassVar[bool] = True
    READ_WCHAN = "n_tty_read"
    WRITE_WCHAN = "n_tty_write"

    def __init__(self, line: Pty, flags: int, place: Path, on_close: Callable[[], None]) -> None:
        File.__init__(self, flags)
        self.tty = line.slave
        self.place = place
        self.line = line
        self.on_close = on_close

    def release(self) -> None:
        release_locks(self)
        self.line.close_master()
        self.on_close()

    # -- signals --------------------------------------------------------------------------------------------------
    def listeners(self) -> tuple[Listeners, ...]:
        return (self.line.listeners,)

    def default_owner(self, t: Thread) -> None:
        set_owner(t, self, t.process.tgid_pid, F_OWNER_PID, force=False)

    # -- data -----------------------------------------------------------------------------------------------------
    def read(self, t: Thread, size: int) -> bytes:
        """What the slave has written; in packet mode behind a zero byte, or alone a byte that says what has happened.  EIO
        once the slave is closed."""
        line = self.line
        if not size:
            return b""
        if line.packet and line.status:
            status, line.status = line.status, 0
            return bytes((status,))
        if line.to_master:
            return bytes((PKT_DATA,)) + line.take(size - 1) if line.packet else line.take(size)
        if line.slave_closed:
            raise Errno.EIO
        raise Errno.EAGAIN

    def read_sleeping(self, t: Thread, size: int) -> Blocking[bytes]:
        while True:
            try:
                return self.read(t, size)
            except Errno.EAGAIN:
                if self.flags & O_NONBLOCK:
                    raise
            reason = yield Block(self.READ_WCHAN, self.line.read_wait, who=lambda t: self.wakers(t, True))
            if reason is Wakeup.SIGNAL:
                raise Errno.ERESTARTSYS

    def write(self, t: Thread, data: bytes) -> int:
        """Type ``data`` at the slave."""
        if not data:
            return 0
        done = self.line.type(data)
        if not done:
            raise Errno.EAGAIN
        return done

    def poll(self, t: Thread) -> int:
        line = self.line
        mask = POLLIN | POLLRDNORM if line.to_master else 0
        if line.packet and line.status:
            mask |= POLLPRI | POLLIN | POLLRDNORM
        if line.slave_closed:
            mask |= POLLHUP
        if len(line.to_slave) < 1 << 16:
            mask |= POLLOUT | POLLWRNORM
        return mask

    def queues(self, t: Thread) -> tuple[WaitQueue, ...]:
        return (self.line.read_wait, self.line.write_wait)

    def wakers(self, t: Thread, reading: bool) -> str:
        return f"a {'write to' if reading else 'read from'} {self.tty.name.decode()}"

    # -- control --------------------------------------------------------------------------------------------------
    def ioctl(self, t: Thread, command: int, argument: int) -> int:
        operation = _COMMANDS.get(command)
        if operation is not None:
            return operation(self, t, argument)
        return super().ioctl(t, command, argument)

    def _get(self, t: Thread, argument: int, value: int) -> int:
        t.mm.write(argument, struct.pack("<i", value))  # type: ignore[union-attr]
        return 0

    def _set_lock(self, t: Thread, argument: int) -> int:
        self.line.locked = bool(t.mm.read_i32(argument))  # type: ignore[union-attr]
        return 0

    def _set_packet(self, t: Thread, argument: int) -> int:
        on = bool(t.mm.read_i32(argument))  # type: ignore[union-attr]
        if on and not self.line.packet:
            self.line.status = 0
        self.line.packet = on
        return 0

    def _signal(self, t: Thread, argument: int) -> int:
        """TIOCSIG: a signal for the slave's foreground group."""
        if not 1 <= argument <= _NSIG:
            raise Errno.EINVAL
        self.tty.signal(argument)
        return 0

    def _open_peer(self, t: Thread, argument: int) -> int:
        """TIOCGPTPEER: open the slave without its name (ptm_open_peer)."""
        place = self.line.place
        if place is None:
            raise Errno.EIO
        return install_fd(t, open_slave(t, self.line, place, argument & ~O_CLOEXEC), argument)

    def _flush(self, t: Thread, argument: int) -> int:
        if argument not in (TCIFLUSH, TCOFLUSH, TCIOFLUSH):
            raise Errno.EINVAL
        if argument != TCOFLUSH:
            self.line.to_master.clear()
        if argument != TCIFLUSH:
            self.line.to_slave.clear()
        return 0

    def _insert(self, t: Thread, argument: int) -> int:
        raise Errno.EIO

    def stat(self, t: Thread) -> Stat:
        assert self.place is not None
        return self.place.dentry.inode.stat(t)

    def fdinfo(self, t: Thread, ns: PidNamespace) -> bytes:
        return b"tty-index:\t%d\n" % self.line.index


_COMMANDS: Final[dict[int, Callable[[PtyMaster, Thread, int], int]]] = {
    TIOCGPTN: lambda self, t, at: self._get(t, at, self.line.index),
    TIOCSPTLCK: PtyMaster._set_lock,
    TIOCGPTLCK: lambda self, t, at: self._get(t, at, int(self.line.locked)),
    TIOCPKT: PtyMaster._set_packet,
    TIOCGPKT: lambda self, t, at: self._get(t, at, int(self.line.packet)),
    TIOCSIG: PtyMaster._signal,
    TIOCGPTPEER: PtyMaster._open_peer,
    TIOCINQ: lambda self, t, at: self._get(t, at, len(self.line.to_master)),
    TIOCOUTQ: lambda self, t, at: self._get(t, at, 0),
    TCFLSH: PtyMaster._flush,
    TIOCSTI: PtyMaster._insert,
}


def open_slave(t: Thread, line: Pty, place: Path, flags: int) -> TtyFile:
    """Open /dev/pts/N.  EIO while it is locked or without its master.  Unless O_NOCTTY it becomes the controlling terminal of a
    session leader that has none (tty_open_proc_set_tty)."""
    tty = line.slave
    if line.locked or not line.master_open:
        raise Errno.EIO
    tty.may_open(t)
    file = TtyFile(tty, flags & ~(O_NOCTTY | O_CLOEXEC), place)
    process = t.process
    if not flags & O_NOCTTY and process.is_session_leader and process.tty is None and tty.session is None and file.readable:
        tty.become_controlling(process)
    return file


def open_flags(flags: int) -> int:
    """Return the flags the slave may be opened with (ptm_open_peer)."""
    return flags & (O_ACCMODE | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
