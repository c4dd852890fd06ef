"""The way out of a terminal: output processing, echo, and where the cursor is (the other half of drivers/tty/n_tty.c).

The column is followed because erasing a tab must go back the right distance.  Echoes are not written at once but queued
as small operations and written when the input at hand is processed.  That shows: a signal character throws away the
echo of what came with it in the same chunk.
"""

from __future__ import annotations

from collections.abc import Callable

from kernel.termios import (
    ECHO,
    ECHOCTL,
    ECHONL,
    IUTF8,
    OCRNL,
    OLCUC,
    ONLCR,
    ONLRET,
    ONOCR,
    OPOST,
    TABDLY,
    XTABS,
    Termios,
)

_ECHO_BLOCK = 256
_ECHO_DISCARD = 4096 - (_ECHO_BLOCK + 32)

# Operations in the echo queue, each after START.
START, MOVE_BACK, SET_CANON_COL, ERASE_TAB = 0xFF, 0x80, 0x81, 0x82
BS, TAB, NL, CR = 8, 9, 10, 13


class TtyDriver:
    """What carries a terminal's bytes to the outside, and may want to know what happens to the terminal."""

    __slots__ = ()

    def room(self) -> int:
        """Return how many bytes ``write`` takes now."""
        raise NotImplementedError

    def write(self, data: bytes) -> int:
        """Send bytes out; return how many were taken (up to ``room``)."""
        raise NotImplementedError

    def queued(self) -> int:
        """Return how many bytes were taken but are not out yet."""
        return 0

    def discard(self) -> None:
        """Forget what was taken but is not out yet."""

    def unthrottle(self) -> None:
        """There is room for input again."""

    def flow(self, stopped: bool) -> None:
        """Output was stopped or started (tty_operations.stop, .start)."""

    def input_flushed(self) -> None:
        """Input was thrown away."""

    def settings_changed(self, old: Termios, new: Termios) -> None:
        """The terminal has other settings."""


def is_control(c: int) -> bool:
    return c < 32 or c == 127


def _upper(c: int) -> int:
    return c - 32 if 97 <= c <= 122 or (c >= 0xE0 and c != 0xF7) or c == 0xDF else c


class Output:
    """What goes out of one terminal.  ``writable()`` is called when output may go on."""

    __slots__ = (
        "termios", "driver", "writable", "column", "canon_column", "echo", "echo_mark", "echo_commit", "stopped", "tco_stopped",
    )  # fmt: skip

    def __init__(self, termios: Termios, driver: TtyDriver, writable: Callable[[], None]) -> None:
        self.termios = termios
        self.driver = driver
        self.writable = writable
        self.column = self.canon_column = 0
        self.echo = bytearray()
        self.echo_mark = self.echo_commit = 0
        self.stopped = self.tco_stopped = False

    def _is_continuation(self, c: int) -> bool:
        return bool(self.termios.iflag & IUTF8) and c & 0xC0 == 0x80

    def drop_echoes(self) -> None:
        """Forget what is not echoed yet."""
        self.echo.clear()
        self.echo_mark = self.echo_commit = 0

    # -- echo -----------------------------------------------------------------------------------------------------
    def _echo_op(self, op: int) -> None:
        self.echo += bytes((START, op))

    def _echo_raw(self, c: int) -> None:
        if c == START:
            self.echo.append(START)
        self.echo.append(c)

    def _echo_char(self, c: int) -> None:
        if c == START or (self.termios.lflag & ECHOCTL and is_control(c) and c != TAB):
            self.echo.append(START)
        self.echo.append(c)

    def _commit_echoes(self) -> None:
        """The operations so far belong together; write them once a block is full."""
        self.echo_mark = size = len(self.echo)
        if size < _ECHO_BLOCK or size % _ECHO_BLOCK > self.echo_commit % _ECHO_BLOCK:
            return
        self.echo_commit = size
        self._write_echoes()

    def process_echoes(self) -> None:
        """Write what is complete (before other output, and when output starts again)."""
        if self.echo_mark:
            self.echo_commit = self.echo_mark
            self._write_echoes()

    def _flush_echoes(self) -> None:
        if self.termios.lflag & (ECHO | ECHONL) and self.echo_commit != len(self.echo):
            self.echo_commit = len(self.echo)
            self._write_echoes()

    def _write_echoes(self) -> None:
        """Carry out queued operations while the device has room (__process_echoes)."""
        echo, at, end = self.echo, 0, self.echo_commit
        out = bytearray()
        room = self.room()
        post = self.termios.oflag & OPOST
        while at < end:
            c = echo[at]
            if c != START:
                made = self._output(c) if post else bytes((c,))
                if len(made) > room - len(out):
                    break
                if post:
                    self._move(c)
                out += made
                at += 1
                continue
            op = echo[at + 1]
            if op == ERASE_TAB:
                columns = echo[at + 2]
                if not columns & 0x80:
                    columns += self.canon_column
                back = 8 - (columns & 7)
                if back > room - len(out):
                    break
                out += b"\b" * back
                self.column = max(0, self.column - back)
                at += 3
                continue
            if op == SET_CANON_COL:
                self.canon_column = self.column
            elif op == MOVE_BACK:
                self.column = max(0, self.column - 1)
            elif op == START:
                if room - len(out) < 1:
                    break
                out.append(START)
                self.column += 1
            else:
                if room - len(out) < 2:
                    break
                out += bytes((ord("^"), op ^ 0o100))
                self.column += 2
            at += 2
        # Nobody takes the output for long: the oldest echoes are lost.
        while end - at >= _ECHO_DISCARD:
            at += 1 if echo[at] != START else 3 if echo[at + 1] == ERASE_TAB else 2
        del echo[:at]
        self.echo_commit -= at
        self.echo_mark = max(0, self.echo_mark - at)
        if out:
            self.driver.write(bytes(out))

    # -- output ---------------------------------------------------------------------------------------------------
    def room(self) -> int:
        """Return how many bytes may go out now: none while output is stopped."""
        return 0 if self.stopped else self.driver.room()

    def stop(self) -> None:
        """Stop output (stop_tty)."""
        if not self.stopped:
            self.stopped = True
            self.driver.flow(True)

    def start(self) -> None:
        """Let output go on (start_tty)."""
        if self.stopped and not self.tco_stopped:
            self.stopped = False
            self.driver.flow(False)
            self.writable()

    def _output(self, c: int) -> bytes:
        """Return what byte ``c`` becomes on its way out (do_output_char), without moving the column."""
        oflag = self.termios.oflag
        if c == NL:
            return b"\r\n" if oflag & ONLCR else b"\n"
        if c == CR:
            if oflag & ONOCR and self.column == 0:
                return b""
            return b"\n" if oflag & OCRNL else b"\r"
        if c == TAB and oflag & TABDLY == XTABS:
            return b" " * (8 - (self.column & 7))
        if oflag & OLCUC and not is_control(c):
            c = _upper(c)
        return bytes((c,))

    def _move(self, c: int) -> None:
        """Follow the cursor over byte ``c``."""
        oflag = self.termios.oflag
        if c == NL:
            if oflag & (ONLRET | ONLCR):
                self.column = 0
            self.canon_column = self.column
        elif c == CR:
            if not (oflag & ONOCR and self.column == 0) and (not oflag & OCRNL or oflag & ONLRET):
                self.canon_column = self.column = 0
        elif c == TAB:
            self.column += 8 - (self.column & 7)
        elif c == BS:
            self.column = max(0, self.column - 1)
        elif not is_control(c) and not self._is_continuation(c):
            self.column += 1

    def write(self, data: bytes) -> int:
        """Send a program's output; return how many bytes of ``data`` were taken (n_tty_write)."""
        self.process_echoes()
        room = self.room()
        if not self.termios.oflag & OPOST:
            return self.driver.write(data[:room]) if room else 0
        out = bytearray()
        done = 0
        for c in data:
            made = self._output(c)
            if len(made) > room - len(out) or room <= 0:
                break
            self._move(c)
            out += made
            done += 1
        if out:
            self.driver.write(bytes(out))
        return done
