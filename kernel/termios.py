"""Terminal settings: the numbers of termios(3) and the layouts ioctl_tty(2) moves them in (x86-64)."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from kernel.errno import Errno

# c_iflag
IGNBRK, BRKINT, IGNPAR, PARMRK, INPCK, ISTRIP = 0o1, 0o2, 0o4, 0o10, 0o20, 0o40
INLCR, IGNCR, ICRNL, IUCLC, IXON, IXANY, IXOFF = 0o100, 0o200, 0o400, 0o1000, 0o2000, 0o4000, 0o10000
IMAXBEL, IUTF8 = 0o20000, 0o40000
# c_oflag
OPOST, OLCUC, ONLCR, OCRNL, ONOCR, ONLRET = 0o1, 0o2, 0o4, 0o10, 0o20, 0o40
TABDLY = XTABS = 0o14000
# c_cflag
CBAUD, CSIZE, CS8, CREAD, PARENB, HUPCL, BOTHER, IBSHIFT = 0o10017, 0o60, 0o60, 0o200, 0o400, 0o2000, 0o10000, 16
B38400 = 0o17
# c_lflag
ISIG, ICANON, XCASE, ECHO, ECHOE, ECHOK, ECHONL, NOFLSH = 0o1, 0o2, 0o4, 0o10, 0o20, 0o40, 0o100, 0o200
TOSTOP, ECHOCTL, ECHOPRT, ECHOKE, FLUSHO, PENDIN = 0o400, 0o1000, 0o2000, 0o4000, 0o10000, 0o40000
IEXTEN, EXTPROC = 0o100000, 0o200000
# indices into c_cc
VINTR, VQUIT, VERASE, VKILL, VEOF, VTIME, VMIN, VSWTC, VSTART, VSTOP, VSUSP = range(11)
VEOL, VREPRINT, VDISCARD, VWERASE, VLNEXT, VEOL2 = range(11, 17)
NCCS: Final = 19
DISABLED: Final = 0
"""A control character of this value is none (_POSIX_VDISABLE)."""

_BAUDS = (0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400)
_FAST_BAUDS = (
    57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000,
    4000000,
)  # fmt: skip

_TERMIOS = struct.Struct("<IIIIB19s")
_TERMIOS2 = struct.Struct("<IIIIB19sII")
_TERMIO = struct.Struct("<HHHHB8sx")
TERMIOS_SIZE: Final = _TERMIOS.size
TERMIOS2_SIZE: Final = _TERMIOS2.size
TERMIO_SIZE: Final = _TERMIO.size


def _speed(bits: int, other: int) -> int:
    """Return the baud rate CBAUD bits stand for; ``other`` for BOTHER (tty_termios_baud_rate)."""
    bits &= CBAUD
    if bits == BOTHER:
        return other
    if bits & BOTHER:
        index = (bits & ~BOTHER) - 1
        return _FAST_BAUDS[index] if index < len(_FAST_BAUDS) else 0
    return _BAUDS[bits]


class Termios(NamedTuple):
    """The settings of a terminal (``struct ktermios``); ``cc`` has NCCS bytes, speeds are in baud."""

    iflag: int = ICRNL | IXON
    oflag: int = OPOST | ONLCR
    cflag: int = B38400 | CS8 | CREAD
    lflag: int = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN
    line: int = 0
    cc: bytes = b"\x03\x1c\x7f\x15\x04\x00\x01\x00\x11\x13\x1a\x00\x12\x0f\x17\x16\x00\x00\x00"
    ispeed: int = 38400
    ospeed: int = 38400

    def pack(self) -> bytes:
        """Return ``struct termios`` (TCGETS)."""
        return _TERMIOS.pack(self.iflag, self.oflag, self.cflag, self.lflag, self.line, self.cc)

    def pack2(self) -> bytes:
        """Return ``struct termios2`` (TCGETS2)."""
        return _TERMIOS2.pack(*self)

    def pack_termio(self) -> bytes:
        """Return the old ``struct termio`` (TCGETA)."""
        flags = (self.iflag & 0xFFFF, self.oflag & 0xFFFF, self.cflag & 0xFFFF, self.lflag & 0xFFFF)
        return _TERMIO.pack(*flags, self.line, self.cc[:8])

    def changed(self, image: bytes) -> Termios:
        """Return the settings a termios, termios2 or termio image asks for, told apart by size.

        What no pseudo terminal can do is left out: always 8 bits, no parity, receiver on (pty_set_termios).
        """
        ispeed, ospeed = self.ispeed, self.ospeed
        if len(image) == TERMIO_SIZE:
            iflag, oflag, cflag, lflag, line, cc = _TERMIO.unpack(image)
            iflag |= self.iflag & ~0xFFFF
            oflag |= self.oflag & ~0xFFFF
            cflag |= self.cflag & ~0xFFFF
            lflag |= self.lflag & ~0xFFFF
            cc += self.cc[8:]
        elif len(image) == TERMIOS2_SIZE:
            iflag, oflag, cflag, lflag, line, cc, ispeed, ospeed = _TERMIOS2.unpack(image)
        elif len(image) == TERMIOS_SIZE:
            iflag, oflag, cflag, lflag, line, cc = _TERMIOS.unpack(image)
        else:
            raise Errno.EINVAL
        ospeed = _speed(cflag, ospeed)
        input_bits = cflag >> IBSHIFT & CBAUD
        ispeed = _speed(input_bits, ispeed) if input_bits else ospeed
        cflag = cflag & ~(CSIZE | PARENB) | CS8 | CREAD
        return Termios(iflag, oflag, cflag, lflag, line, cc, ispeed, ospeed)
