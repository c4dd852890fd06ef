"""Control of terminals: ioctl_tty(2) (drivers/tty/tty_io.c, tty_ioctl.c, tty_jobctrl.c)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kernel.cred import CAP_SYS_ADMIN
from kernel.errno import Errno
from kernel.pid import ns_of
from kernel.signal import SIGTTOU
from kernel.termios import TERMIO_SIZE, TERMIOS2_SIZE, TERMIOS_SIZE, VSTART, VSTOP
from kernel.tty import disassociate_ctty

if TYPE_CHECKING:
    from kernel.fs.ttyfile import TtyFile
    from kernel.task import Thread

TCGETS, TCSETS, TCSETSW, TCSETSF = range(0x5401, 0x5405)
TCGETA, TCSETA, TCSETAW, TCSETAF = range(0x5405, 0x5409)
TCSBRK, TCXONC, TCFLSH, TIOCEXCL, TIOCNXCL, TIOCSCTTY, TIOCGPGRP, TIOCSPGRP, TIOCOUTQ, TIOCSTI = range(0x5409, 0x5413)
TIOCGWINSZ, TIOCSWINSZ = 0x5413, 0x5414
TIOCINQ = 0x541B
TIOCNOTTY, TIOCSETD, TIOCGETD, TCSBRKP = 0x5422, 0x5423, 0x5424, 0x5425
TIOCSBRK, TIOCCBRK, TIOCGSID = 0x5427, 0x5428, 0x5429
TCGETS2, TCSETS2, TCSETSW2, TCSETSF2 = 0x802C542A, 0x402C542B, 0x402C542C, 0x402C542D
TIOCGDEV, TIOCGEXCL = 0x80045432, 0x80045440

TCOOFF, TCOON, TCIOFF, TCION = range(4)
TCIFLUSH, TCOFLUSH, TCIOFLUSH = range(3)

_WINSIZE = struct.Struct("<HHHH")


def _put_int(t: Thread, address: int, value: int) -> None:
    t.mm.write(address, struct.pack("<i", value))  # type: ignore[union-attr]


def _get(t: Thread, file: TtyFile, command: int, address: int) -> None:
    termios = file.tty.ldisc.termios
    image = termios.pack() if command == TCGETS else termios.pack2() if command == TCGETS2 else termios.pack_termio()
    t.mm.write(address, image)  # type: ignore[union-attr]


_SETTERS: Final = {
    TCSETS: (TERMIOS_SIZE, False),
    TCSETSW: (TERMIOS_SIZE, False),
    TCSETSF: (TERMIOS_SIZE, True),
    TCSETS2: (TERMIOS2_SIZE, False),
    TCSETSW2: (TERMIOS2_SIZE, False),
    TCSETSF2: (TERMIOS2_SIZE, True),
    TCSETA: (TERMIO_SIZE, False),
    TCSETAW: (TERMIO_SIZE, False),
    TCSETAF: (TERMIO_SIZE, True),
}
"""command -> (size of the struct, whether input is flushed first).  Output never lingers, so "drain" is immediate."""


def _set(t: Thread, file: TtyFile, command: int, address: int) -> None:
    tty = file.tty
    if not file.is_master:
        tty.check_change(t, SIGTTOU)
    size, flush = _SETTERS[command]
    new = tty.ldisc.termios.changed(t.mm.read(address, size))  # type: ignore[union-attr]
    if flush:
        tty.ldisc.flush_input()
    tty.ldisc.set_termios(new)
    tty.write_wait.wake_all()
    tty.read_wait.wake_all()


def _get_winsize(t: Thread, file: TtyFile, command: int, address: int) -> None:
    t.mm.write(address, _WINSIZE.pack(*file.tty.winsize))  # type: ignore[union-attr]


def _set_winsize(t: Thread, file: TtyFile, command: int, address: int) -> None:
    rows, columns, x, y = _WINSIZE.unpack(t.mm.read(address, _WINSIZE.size))  # type: ignore[union-attr]
    file.tty.set_winsize((rows, columns, x, y))


def _set_controlling(t: Thread, file: TtyFile, command: int, argument: int) -> None:
    """TIOCSCTTY (tiocsctty): for a session leader without a terminal, on one that has no session; 1 steals as root."""
    tty, process = file.tty, t.process
    if process.is_session_leader and tty.session is process.session:
        return
    if not process.is_session_leader or process.tty is not None:
        raise Errno.EPERM
    admin = t.cred.capable(CAP_SYS_ADMIN)
    if tty.session is not None:
        if argument != 1 or not admin:
            raise Errno.EPERM
        tty.detach_session()
    if not file.readable and not admin:
        raise Errno.EPERM
    tty.become_controlling(process)


def _give_up(t: Thread, file: TtyFile, command: int, argument: int) -> None:
    process = t.process
    if process.tty is not file.tty:
        raise Errno.ENOTTY
    disassociate_ctty(process, on_exit=False)
    process.tty = None


def _own(t: Thread, file: TtyFile) -> None:
    """ENOTTY if it is not the caller's controlling terminal; the master of a pty may ask all the same."""
    if t.process.tty is not file.tty and not file.is_master:
        raise Errno.ENOTTY


def _get_pgrp(t: Thread, file: TtyFile, command: int, address: int) -> None:
    _own(t, file)
    foreground = file.tty.foreground
    _put_int(t, address, foreground.nr_in(ns_of(t)) if foreground is not None else 0)


def _set_pgrp(t: Thread, file: TtyFile, command: int, address: int) -> None:
    """TIOCSPGRP (tcsetpgrp(3)): a group of the caller's session comes to the foreground."""
    tty = file.tty
    try:
        tty.check_change(t, SIGTTOU)
    except Errno.EIO:
        raise Errno.ENOTTY from None
    number = struct.unpack("<i", t.mm.read(address, 4))[0]  # type: ignore[union-attr]
    if number < 0:
        raise Errno.EINVAL
    process = t.process
    if process.tty is not tty or tty.session is not process.session:
        raise Errno.ENOTTY
    pid = ns_of(t).find(number)
    if pid is None:
        raise Errno.ESRCH
    members = pid.pgrp or ((pid.thread.process,) if pid.thread is not None else ())
    if next((member.session for member in members), None) is not process.session:
        raise Errno.EPERM
    tty.foreground = pid


def _get_sid(t: Thread, file: TtyFile, command: int, address: int) -> None:
    _own(t, file)
    if file.tty.session is None:
        raise Errno.ENOTTY
    _put_int(t, address, file.tty.session.nr_in(ns_of(t)))


def _insert(t: Thread, file: TtyFile, command: int, address: int) -> None:
    """TIOCSTI: faking input is for the administrator only (dev.tty.legacy_tiocsti = 0)."""
    if not t.cred.capable(CAP_SYS_ADMIN):
        raise Errno.EIO
    file.tty.receive(t.mm.read(address, 1))  # type: ignore[union-attr]


def _flow(t: Thread, file: TtyFile, command: int, argument: int) -> None:
    """tcflow(3)."""
    tty = file.tty
    tty.check_change(t, SIGTTOU)
    ldisc = tty.ldisc
    if argument == TCOOFF:
        ldisc.stop()
        ldisc.tco_stopped = True
    elif argument == TCOON:
        if ldisc.tco_stopped:
            ldisc.tco_stopped = False
            ldisc.start()
            ldisc.process_echoes()
    elif argument in (TCIOFF, TCION):
        char = ldisc.termios.cc[VSTOP if argument == TCIOFF else VSTART]
        if char:
            tty.driver.write(bytes((char,)))
    else:
        raise Errno.EINVAL


def _flush(t: Thread, file: TtyFile, command: int, argument: int) -> None:
    """tcflush(3)."""
    tty = file.tty
    tty.check_change(t, SIGTTOU)
    if argument not in (TCIFLUSH, TCOFLUSH, TCIOFLUSH):
        raise Errno.EINVAL
    if argument != TCOFLUSH:
        tty.ldisc.flush_input()
    if argument != TCIFLUSH:
        tty.driver.discard()


def _break(t: Thread, file: TtyFile, command: int, argument: int) -> None:
    """A break is nothing on a line without bits; tcdrain(3) is TCSBRK with an argument, and output never lingers."""
    file.tty.check_change(t, SIGTTOU)


def _queued(t: Thread, file: TtyFile, command: int, address: int) -> None:
    _put_int(t, address, file.tty.driver.queued())


def _waiting(t: Thread, file: TtyFile, command: int, address: int) -> None:
    _put_int(t, address, file.tty.ldisc.waiting())


def _set_exclusive(t: Thread, file: TtyFile, command: int, argument: int) -> None:
    file.tty.exclusive = command == TIOCEXCL


def _get_exclusive(t: Thread, file: TtyFile, command: int, address: int) -> None:
    _put_int(t, address, int(file.tty.exclusive))


def _get_line(t: Thread, file: TtyFile, command: int, address: int) -> None:
    _put_int(t, address, 0)


def _set_line(t: Thread, file: TtyFile, command: int, address: int) -> None:
    if struct.unpack("<i", t.mm.read(address, 4))[0] != 0:  # type: ignore[union-attr]
        raise Errno.EINVAL


def _get_dev(t: Thread, file: TtyFile, command: int, address: int) -> None:
    _put_int(t, address, file.stat(t).rdev if file.is_master else file.tty.rdev)


_COMMANDS: Final[dict[int, Callable[[Thread, TtyFile, int, int], None]]] = {
    TCGETS: _get,
    TCGETS2: _get,
    TCGETA: _get,
    **dict.fromkeys(_SETTERS, _set),
    TIOCGWINSZ: _get_winsize,
    TIOCSWINSZ: _set_winsize,
    TIOCSCTTY: _set_controlling,
    TIOCNOTTY: _give_up,
    TIOCGPGRP: _get_pgrp,
    TIOCSPGRP: _set_pgrp,
    TIOCGSID: _get_sid,
    TIOCSTI: _insert,
    TCXONC: _flow,
    TCFLSH: _flush,
    TCSBRK: _break,
    TCSBRKP: _break,
    TIOCSBRK: _break,
    TIOCCBRK: _break,
    TIOCOUTQ: _queued,
    TIOCINQ: _waiting,
    TIOCEXCL: _set_exclusive,
    TIOCNXCL: _set_exclusive,
    TIOCGEXCL: _get_exclusive,
    TIOCGETD: _get_line,
    TIOCSETD: _set_line,
    TIOCGDEV: _get_dev,
}


def tty_ioctl(t: Thread, file: TtyFile, command: int, argument: int) -> int:
    """Carry out an ioctl on a terminal.  ENOTTY for one it does not know; EIO after a hang-up."""
    operation = _COMMANDS.get(command)
    if file.tty.hung_up:
        raise Errno.ENOTTY if command == TIOCSPGRP else Errno.EIO
    if operation is None:
        raise Errno.ENOTTY
    operation(t, file, command, argument)
    return 0
