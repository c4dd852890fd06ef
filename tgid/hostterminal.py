"""The terminal of the host as the device below the guest's: raw while the guest has it, put back afterwards."""

from __future__ import annotations

import contextlib
import os
import select
import struct
import sys
from typing import Any

from kernel.ldisc_output import TtyDriver
from kernel.termios import IUTF8, Termios


class HostTerminal(TtyDriver):
    """The terminal of the host as the device below the guest's (``TtyDriver``); raw while it is ``taken``.

    ``input``: what was read from the host and does not fit into the guest's line discipline yet.
    """

    def __init__(self, fd_in: int, fd_out: int) -> None:
        self.fd_in = fd_in
        self.fd_out = fd_out
        self.input = b""
        self._saved: list[Any] | None = None

    # -- TtyDriver ------------------------------------------------------------------------------------------------
    def room(self) -> int:
        return 1 << 16

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self.fd_out, view) :]
            except BlockingIOError:
                select.select([], [self.fd_out], [])
            except OSError:
                break  # the terminal is gone; reading will tell
        return len(data)

    # -- the host's side ------------------------------------------------------------------------------------------
    def settings(self) -> Termios:
        """Return the guest's first settings: the usual ones, with UTF-8 input as the host has it."""
        default = Termios()
        try:
            import termios

            host_iflag = termios.tcgetattr(self.fd_in)[0]
        except (ImportError, OSError):
            return default
        utf8 = IUTF8 if sys.platform == "linux" and host_iflag & IUTF8 else 0
        return default._replace(iflag=default.iflag | utf8)

    def winsize(self) -> tuple[int, int, int, int]:
        """Return rows, columns and pixels."""
        try:
            import fcntl
            import termios

            rows, columns, x, y = struct.unpack("HHHH", fcntl.ioctl(self.fd_in, termios.TIOCGWINSZ, bytes(8)))
        except (ImportError, OSError):
            return 24, 80, 0, 0
        return rows, columns, x, y

    def take(self) -> None:
        """Switch the host's line discipline off, so that every key comes through (cfmakeraw(3))."""
        try:
            import termios
            import tty

            self._saved = termios.tcgetattr(self.fd_in)
            tty.setraw(self.fd_in, termios.TCSADRAIN)
        except (ImportError, OSError):
            self._saved = None

    def give_back(self) -> None:
        """Restore the host's settings; no effect if they were not changed."""
        saved, self._saved = self._saved, None
        if saved is not None:
            import termios

            with contextlib.suppress(OSError):  # the terminal may be gone
                termios.tcsetattr(self.fd_in, termios.TCSADRAIN, saved)
