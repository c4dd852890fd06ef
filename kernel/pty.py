"""Pseudo terminals: a terminal whose other end is a program (pty(7), drivers/tty/pty.c).

The *slave* is a terminal like any other, with a line discipline and a session it controls.  What goes out of it does not go
to a device but to the *master*, and what is written to the master is what is typed.  A ``Pty`` is the line between them: the
``TtyDriver`` below the slave's discipline, with a buffer in each direction.

The slave lives as long as the master: closing the master hangs the slave up.  Closing the last descriptor of the slave makes
the master read EIO, once it has read what was written before, until somebody opens the slave again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from kernel.fs.fasync import POLL_IN, POLL_OUT, Listeners, kill_fasync
from kernel.fs.file import POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDNORM, POLLWRNORM
from kernel.fs.inode import makedev
from kernel.ldisc_output import TtyDriver
from kernel.termios import B38400, CREAD, CS8, EXTPROC, IXON, VSTART, VSTOP, Termios
from kernel.tty import Tty
from kernel.waitqueue import WaitQueue

if TYPE_CHECKING:
    from kernel.fs.mount import Path
    from kernel.task import Thread

UNIX98_SLAVE_MAJOR: Final = 136
PTMX_DEV: Final = makedev(5, 2)
BUFFER: Final = 65536
"""Bytes on their way in one direction (TTYB_DEFAULT_MEM_LIMIT)."""
READ_BUFFER: Final = 4095
"""Bytes the master's own line discipline holds; only what is not there yet can be thrown away."""

PKT_DATA, PKT_FLUSHREAD, PKT_FLUSHWRITE, PKT_STOP, PKT_START, PKT_NOSTOP, PKT_DOSTOP, PKT_IOCTL = 0, 1, 2, 4, 8, 16, 32, 64
"""TIOCPKT_*: the first byte a master in packet mode reads."""
_STOP, _START = 0o23, 0o21
"""Ctrl-S and Ctrl-Q."""

_SETTINGS: Final = Termios(cflag=B38400 | CS8 | CREAD)


class Pty(TtyDriver):
    """The line: ``to_master`` and ``to_slave`` are the bytes on their way.

    ``index``: the number of /dev/pts/N.  ``locked``: the slave cannot be opened (TIOCSPTLCK).  ``packet``: the master is in
    packet mode, with ``status`` to be told first.  ``master_open``, ``slave_closed``: what has become of the ends; the slave
    counts as open until it was closed.  ``place``: where the slave's node is, for TIOCGPTPEER.
    """

    __slots__ = (
        "index", "slave", "to_master", "to_slave", "locked", "packet", "status", "master_open", "slave_closed",
        "read_wait", "write_wait", "listeners", "cut_short", "place",
    )  # fmt: skip

    def __init__(self, index: int) -> None:
        self.index = index
        self.to_master = bytearray()
        self.to_slave = bytearray()
        self.locked = True
        self.packet = False
        self.status = 0
        self.master_open = True
        self.slave_closed = False
        self.read_wait = WaitQueue()
        self.write_wait = WaitQueue()
        self.listeners: Listeners = {}
        self.cut_short = False
        """A write to the master did not take all, and SIGIO tells when more can be written."""
        self.place: Path | None = None
        self.slave = PtySlave(self)

    def tell(self, status: int, instead_of: int = 0) -> None:
        """Let a master in packet mode know; bits of ``instead_of`` are no longer true."""
        if self.packet:
            self.status = self.status & ~instead_of | status
            self.read_wait.wake_all(POLLIN | POLLRDNORM | POLLPRI)

    # -- the driver below the slave --------------------------------------------------------------------------------
    def room(self) -> int:
        return BUFFER - len(self.to_master) if self.master_open else 0

    def write(self, data: bytes) -> int:
        if not self.master_open:
            return 0
        self.to_master += data
        self.read_wait.wake_all(POLLIN | POLLRDNORM)
        kill_fasync(self.listeners, POLL_IN)
        return len(data)

    def discard(self) -> None:
        """pty_flush_buffer."""
        del self.to_master[READ_BUFFER:]
        self.tell(PKT_FLUSHWRITE)

    def unthrottle(self) -> None:
        """The slave has read: hand on what did not fit."""
        self.feed()

    def flow(self, stopped: bool) -> None:
        if stopped:
            self.tell(PKT_STOP, PKT_START)
        else:
            self.tell(PKT_START, PKT_STOP)

    def input_flushed(self) -> None:
        self.tell(PKT_FLUSHREAD)

    def settings_changed(self, old: Termios, new: Termios) -> None:
        """pty_set_termios: whether Ctrl-S and Ctrl-Q stop and start the output is the master's business."""
        if not self.packet:
            return
        before, after = _stops(old), _stops(new)
        if before != after:
            self.tell(*((PKT_DOSTOP, PKT_NOSTOP) if after else (PKT_NOSTOP, PKT_DOSTOP)))
        if (old.lflag ^ new.lflag) & EXTPROC or new.lflag & EXTPROC:
            self.tell(PKT_IOCTL)

    # -- the master's side -----------------------------------------------------------------------------------------
    def type(self, data: bytes) -> int:
        """Take what is written to the master; return how many bytes there was room for."""
        taken = data[: BUFFER - len(self.to_slave)]
        self.to_slave += taken
        self.cut_short = len(taken) < len(data)
        self.feed()
        return len(taken)

    def feed(self) -> None:
        """Hand what is typed to the slave's line discipline, as much as it takes."""
        if self.to_slave:
            done = self.slave.receive(bytes(self.to_slave))
            if done:
                del self.to_slave[:done]
                self.write_wait.wake_all(POLLOUT | POLLWRNORM)
                if self.cut_short:
                    self.cut_short = False
                    kill_fasync(self.listeners, POLL_OUT)

    def take(self, size: int) -> bytes:
        """Return what the slave has written, at most ``size`` bytes."""
        data = bytes(self.to_master[: min(size, READ_BUFFER)])
        del self.to_master[: len(data)]
        self.slave.ldisc.writable()
        return data

    def close_master(self) -> None:
        """The master is closed: the slave is hung up."""
        self.master_open = False
        self.slave.hang_up()


class PtySlave(Tty):
    """The terminal of a pty."""

    __slots__ = ("line",)

    has_master: ClassVar[bool] = True

    def __init__(self, line: Pty) -> None:
        super().__init__(b"/dev/pts/%d" % line.index, makedev(UNIX98_SLAVE_MAJOR, line.index), line, _SETTINGS)
        self.line = line

    def opened(self) -> None:
        super().opened()
        self.line.slave_closed = False

    def closed(self) -> None:
        super().closed()
        if not self.opens:
            self.line.slave_closed = True
            for queue in (self.line.read_wait, self.line.write_wait):
                queue.wake_all(POLLIN | POLLHUP | POLLOUT)

    def typist(self, t: Thread, reading: bool) -> str:
        return f"a {'write to' if reading else 'read from'} the master of {self.name.decode()}"


def _stops(termios: Termios) -> bool:
    return bool(termios.iflag & IXON) and termios.cc[VSTOP] == _STOP and termios.cc[VSTART] == _START
