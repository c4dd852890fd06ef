"""Terminals: the device with its line discipline, and the session that controls it (drivers/tty/tty_io.c, tty_jobctrl.c).

A terminal belongs to at most one session, whose leader opened it; within the session one process group is in the
foreground.  Signals typed go to that group.  A process of the session that is *not* in it and reads gets SIGTTIN (writes:
SIGTTOU if TOSTOP), so that jobs do not steal each other's input; one that ignores the signal, or whose group is
orphaned so that nobody could continue it, gets EIO instead.  When the leader exits, the group in the foreground is hung
up and the session has no terminal any more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from kernel.cred import CAP_SYS_ADMIN
from kernel.errno import Errno
from kernel.fs.fasync import POLL_IN, POLL_OUT, Listeners, kill_fasync
from kernel.fs.file import POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM
from kernel.jobctl import is_orphaned_pgrp
from kernel.ldisc import LineDiscipline
from kernel.ldisc_output import TtyDriver
from kernel.signal import SIG_IGN, SIGCONT, SIGHUP, SIGTTIN, SIGWINCH
from kernel.signal_send import kill_pgrp, send_sig
from kernel.task import WORK_SIGNAL
from kernel.termios import Termios
from kernel.waitqueue import WaitQueue

if TYPE_CHECKING:
    from kernel.pid import Pid
    from kernel.task import Process, Thread

_READABLE = POLLIN | POLLRDNORM
_WRITABLE = POLLOUT | POLLWRNORM


class Tty:
    """A terminal.  ``session`` and ``foreground`` are Pids or None; ``winsize`` is (rows, columns, x and y pixels).

    ``rdev``: device number.  ``hung_up``: nothing is behind it any more.  ``opens``: how many open files it has.
    """

    __slots__ = (
        "name", "rdev", "ldisc", "driver", "session", "foreground", "winsize", "read_wait", "write_wait", "hung_up",
        "exclusive", "opens", "on_last_close", "listeners",
        "cut_short",
    )  # fmt: skip

    has_master: ClassVar[bool] = False
    """Whether its other end is a program: it is the slave of a pseudo terminal."""

    def __init__(self, name: bytes, rdev: int, driver: TtyDriver, termios: Termios | None = None) -> None:
        self.name = name
        self.rdev = rdev
        self.driver = driver
        self.session: Pid | None = None
        self.foreground: Pid | None = None
        self.winsize = (0, 0, 0, 0)
        self.read_wait = WaitQueue()
        self.write_wait = WaitQueue()
        self.listeners: Listeners = {}
        self.cut_short = False
        """A write did not take all, and SIGIO tells when more can be written (TTY_DO_WRITE_WAKEUP)."""
        self.hung_up = False
        self.exclusive = False
        self.opens = 0
        self.on_last_close: Callable[[], None] | None = None
        self.ldisc = LineDiscipline(
            termios if termios is not None else Termios(), driver, self.signal, self._readable, self._writable
        )

    def _readable(self) -> None:
        self.read_wait.wake_all(_READABLE)
        kill_fasync(self.listeners, POLL_IN)

    def _writable(self) -> None:
        self.write_wait.wake_all(_WRITABLE)
        if self.cut_short:
            self.cut_short = False
            kill_fasync(self.listeners, POLL_OUT)

    def opened(self) -> None:
        """It has one more open file."""
        self.opens += 1

    def closed(self) -> None:
        """It has one open file less."""
        self.opens -= 1
        if not self.opens and self.on_last_close is not None:
            self.on_last_close()

    def may_open(self, t: Thread) -> None:
        """EBUSY while somebody has it to themselves (TIOCEXCL), for all but the administrator."""
        if self.exclusive and self.opens and not t.cred.capable(CAP_SYS_ADMIN):
            raise Errno.EBUSY

    def typist(self, t: Thread, reading: bool) -> str:
        """Say who could give it input, or take its output, for the report of a deadlock."""
        return "keys on the terminal"

    # -- from the device ------------------------------------------------------------------------------------------
    def receive(self, data: bytes) -> int:
        """Take input; return how many bytes were taken."""
        return self.ldisc.receive(data)

    def signal(self, signo: int) -> None:
        """Send a signal to the foreground process group (isig)."""
        if self.foreground is not None:
            kill_pgrp(self.foreground, signo)

    def set_winsize(self, winsize: tuple[int, int, int, int]) -> None:
        """Change the window size; SIGWINCH if it is another one (tty_do_resize)."""
        if winsize != self.winsize:
            self.winsize = winsize
            self.signal(SIGWINCH)

    def hang_up(self) -> None:
        """The line is gone (__tty_hangup): the session loses it and its leader gets SIGHUP.

        The group in the foreground gets it when the leader exits (``disassociate_ctty``).
        """
        self.hung_up = True
        session, foreground = self.session, self.foreground
        if session is not None:
            for process in list(session.session):
                if process.tty is self:
                    process.tty = None
                if process.is_session_leader:
                    send_sig(process, SIGHUP)
                    send_sig(process, SIGCONT)
                    process.tty_old_pgrp = foreground
        self.session = self.foreground = None
        self.read_wait.wake_all()
        self.write_wait.wake_all()

    # -- job control ----------------------------------------------------------------------------------------------
    def check_change(self, t: Thread, signo: int) -> None:
        """Refuse background access (__tty_check_change): ERESTARTSYS after ``signo`` was sent to the caller's group, EIO."""
        process = t.process
        if process.tty is not self or self.foreground is None or process.pgrp is self.foreground:
            return
        if t.blocked >> (signo - 1) & 1 or t.sighand.actions[signo].handler == SIG_IGN:
            if signo == SIGTTIN:
                raise Errno.EIO
            return
        if is_orphaned_pgrp(process.pgrp):
            raise Errno.EIO
        kill_pgrp(process.pgrp, signo)
        t.work |= WORK_SIGNAL
        raise Errno.ERESTARTSYS

    def become_controlling(self, process: Process) -> None:
        """Make it the controlling terminal of a session leader, whose group comes to the foreground (proc_set_tty)."""
        self.foreground = process.pgrp
        self.session = process.session
        process.tty = self
        process.tty_old_pgrp = None

    def detach_session(self) -> None:
        """Take the terminal from every process of its session (session_clear_tty)."""
        if self.session is not None:
            for process in self.session.session:
                process.tty = None
        self.session = self.foreground = None


def disassociate_ctty(process: Process, on_exit: bool = True) -> None:
    """A session leader exits or gives up its terminal (disassociate_ctty): its session loses it too.

    The foreground group gets SIGHUP, and where the leader lives on SIGCONT.  A leader whose terminal was hung up before
    hangs up the group that was in the foreground then.
    """
    if not process.is_session_leader:
        return
    tty = process.tty
    if tty is not None:
        foreground = tty.foreground
        if foreground is not None:
            kill_pgrp(foreground, SIGHUP)
            if not on_exit:
                kill_pgrp(foreground, SIGCONT)
    elif on_exit:
        old, process.tty_old_pgrp = process.tty_old_pgrp, None
        if old is not None:
            kill_pgrp(old, SIGHUP)
            kill_pgrp(old, SIGCONT)
        return
    process.tty_old_pgrp = None
    if tty is not None:
        tty.session = tty.foreground = None
    for member in process.session.session:
        member.tty = None
