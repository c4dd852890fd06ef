"""The line discipline N_TTY: what lies between the keys and read(2) (drivers/tty/n_tty.c, termios(3)).

In canonical mode input is collected into lines that may be edited until they end; otherwise bytes pass through.  On the
way in it maps CR and NL, raises signals, stops and starts output, and echoes; the way out is ``ldisc_output``.

The discipline knows no device.  What is below it is a ``TtyDriver``: a host terminal, or the master side of a pty.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from kernel.ldisc_output import BS, CR, ERASE_TAB, MOVE_BACK, NL, SET_CANON_COL, TAB, Output, TtyDriver, is_control
from kernel.signal import SIGINT, SIGQUIT, SIGTSTP
from kernel.termios import (
    DISABLED,
    ECHO,
    ECHOCTL,
    ECHOE,
    ECHOK,
    ECHOKE,
    ECHONL,
    ECHOPRT,
    EXTPROC,
    ICANON,
    ICRNL,
    IEXTEN,
    IGNCR,
    INLCR,
    ISIG,
    ISTRIP,
    IUCLC,
    IXANY,
    IXON,
    NOFLSH,
    PARMRK,
    VEOF,
    VEOL,
    VEOL2,
    VERASE,
    VINTR,
    VKILL,
    VLNEXT,
    VQUIT,
    VREPRINT,
    VSTART,
    VSTOP,
    VSUSP,
    VWERASE,
    Termios,
)

BUFFER = 4096
"""N_TTY_BUF_SIZE: a line is at most one byte less."""


def _is_alnum(c: int) -> bool:
    """isalnum() of the kernel's own Latin-1 table (lib/ctype.c)."""
    if c >= 0xC0:
        return c not in (0xD7, 0xF7)
    return 48 <= c <= 57 or 65 <= c <= 90 or 97 <= c <= 122


def _lower(c: int) -> int:
    return c + 32 if 65 <= c <= 90 or (0xC0 <= c <= 0xDE and c != 0xD7) else c


class LineDiscipline(Output):
    """One terminal's N_TTY.

    ``signal(signo)``: a signal character was typed.  ``readable()``: input arrived.  ``writable()``: output may go on.
    Positions in the input (``tail``, ``canon``...) count bytes since the beginning; ``buffer`` holds tail..head.
    """

    __slots__ = (
        "signal", "readable", "buffer", "tail", "canon", "ends", "push", "lnext", "erasing", "special",
    )  # fmt: skip

    def __init__(
        self,
        termios: Termios,
        driver: TtyDriver,
        signal: Callable[[int], None],
        readable: Callable[[], None],
        writable: Callable[[], None],
    ) -> None:
        super().__init__(termios, driver, writable)
        self.signal = signal
        self.readable = readable
        self.buffer = bytearray()
        self.tail = 0
        self.canon = 0
        """End of the last complete line."""
        self.ends: deque[int] = deque()
        """Positions of the bytes that end a line; an EOF is stored as DISABLED."""
        self.push = False
        self.lnext = self.erasing = False
        self.special = frozenset[int]()
        self._compile()

    # -- settings -------------------------------------------------------------------------------------------------
    def set_termios(self, new: Termios) -> None:
        """Change the settings (n_tty_set_termios); who sleeps must look again."""
        old, self.termios = self.termios, new
        if (old.lflag ^ new.lflag) & (ICANON | EXTPROC):
            self.ends.clear()
            if new.lflag & ICANON and self.buffer:
                # What was typed before counts as a line without an end.
                self.canon = self.head
                self.ends.append(self.head - 1)
                self.push = True
            else:
                self.canon = self.tail
                self.push = False
            self.erasing = self.lnext = False
        self._compile()
        self.driver.settings_changed(old, new)
        if not new.iflag & IXON and old.iflag & IXON and not self.tco_stopped:
            self.start()
            self.process_echoes()

    def _compile(self) -> None:
        """Collect the bytes that need a closer look (char_map)."""
        iflag, _, _, lflag, _, cc, _, _ = self.termios
        special: set[int] = set()
        if iflag & (IGNCR | ICRNL):
            special.add(CR)
        if iflag & INLCR:
            special.add(NL)
        if lflag & ICANON:
            special.update((cc[VERASE], cc[VKILL], cc[VEOF], NL, cc[VEOL]))
            if lflag & IEXTEN:
                special.update((cc[VWERASE], cc[VLNEXT], cc[VEOL2]))
                if lflag & ECHO:
                    special.add(cc[VREPRINT])
        if iflag & IXON:
            special.update((cc[VSTART], cc[VSTOP]))
        if lflag & ISIG:
            special.update((cc[VINTR], cc[VQUIT], cc[VSUSP]))
        special.discard(DISABLED)
        self.special = frozenset(special)

    @property
    def head(self) -> int:
        """Position behind the last byte of input."""
        return self.tail + len(self.buffer)

    @property
    def canonical(self) -> bool:
        """Whether reads give lines."""
        return self.termios.lflag & (ICANON | EXTPROC) == ICANON

    # -- input ----------------------------------------------------------------------------------------------------
    def receive(self, data: bytes) -> int:
        """Take input from the device; return how much: less than all when the buffer is full (n_tty_receive_buf2)."""
        done = 0
        while done < len(data):
            room = BUFFER - len(self.buffer)
            if self.termios.iflag & PARMRK:
                room = (room + 2) // 3
            room -= 1
            overflow = False
            if room <= 0:
                # A line that is too long: go on, so that it can be edited and ended; the last byte is replaced.
                overflow = bool(self.termios.lflag & ICANON) and self.canon == self.tail
                if not overflow:
                    break
                if room < 0:
                    del self.buffer[-1]
                room = 1
            chunk = data[done : done + room]
            self._receive_chunk(chunk)
            done += len(chunk)
        return done

    def _receive_chunk(self, data: bytes) -> None:
        iflag, _, _, lflag, _, _, _, _ = self.termios
        plain = not iflag & (ISTRIP | IUCLC | IGNCR | ICRNL | INLCR | IXON | PARMRK) and not lflag & (ICANON | ISIG | ECHO)
        if plain or (lflag & EXTPROC and not iflag & (ISTRIP | IUCLC)):
            self.buffer += data
        else:
            for c in data:
                self._receive_byte(c)
            self._flush_echoes()
        if not self.canonical and self.buffer:
            self.readable()

    def _receive_byte(self, c: int) -> None:
        iflag, _, _, lflag, _, _, _, _ = self.termios
        if iflag & ISTRIP:
            c &= 0x7F
        if iflag & IUCLC and lflag & IEXTEN:
            c = _lower(c)
        if lflag & EXTPROC:
            self.buffer.append(c)
        elif self.lnext:
            self.lnext = False
            self._receive_plain(c)
        elif c in self.special:
            self._receive_special(c)
        else:
            self._receive_plain(c)

    def _restart_output(self) -> None:
        if self.stopped and not self.tco_stopped and self.termios.iflag & IXON and self.termios.iflag & IXANY:
            self.start()
            self.process_echoes()

    def _receive_plain(self, c: int) -> None:
        self._restart_output()
        if self.termios.lflag & ECHO:
            self._finish_erasing()
            if self.canon == self.head:
                self._echo_op(SET_CANON_COL)
            self._echo_char(c)
            self._commit_echoes()
        self._put(c)

    def _put(self, c: int) -> None:
        if c == 0xFF and self.termios.iflag & PARMRK:
            self.buffer.append(c)
        self.buffer.append(c)

    def _receive_special(self, c: int) -> None:
        iflag, _, _, lflag, _, cc, _, _ = self.termios
        if iflag & IXON:
            if c == cc[VSTART]:
                self.start()
                self.process_echoes()
                return
            if c == cc[VSTOP]:
                self.stop()
                return
        if lflag & ISIG:
            for index, signo in ((VINTR, SIGINT), (VQUIT, SIGQUIT), (VSUSP, SIGTSTP)):
                if c == cc[index]:
                    self._signal_char(signo, c)
                    return
        self._restart_output()
        if c == CR:
            if iflag & IGNCR:
                return
            if iflag & ICRNL:
                c = NL
        elif c == NL and iflag & INLCR:
            c = CR
        if lflag & ICANON and self._receive_canonical(c):
            return
        if lflag & ECHO:
            self._finish_erasing()
            if c == NL:
                self._echo_raw(NL)
            else:
                if self.canon == self.head:
                    self._echo_op(SET_CANON_COL)
                self._echo_char(c)
            self._commit_echoes()
        self._put(c)

    def _signal_char(self, signo: int, c: int) -> None:
        self.signal(signo)
        if not self.termios.lflag & NOFLSH:
            self.drop_echoes()
            self.driver.discard()
            self.flush_input()
        if self.termios.iflag & IXON:
            self.start()
        if self.termios.lflag & ECHO:
            self._echo_char(c)
            self._commit_echoes()
        else:
            self.process_echoes()

    def _receive_canonical(self, c: int) -> bool:
        """Handle the characters that mean something while editing a line; False if ``c`` is an ordinary one."""
        _, _, _, lflag, _, cc, _, _ = self.termios
        extended = lflag & IEXTEN
        if c == cc[VERASE] or c == cc[VKILL] or (c == cc[VWERASE] and extended):
            self._erase(c)
            self._commit_echoes()
        elif c == cc[VLNEXT] and extended:
            self.lnext = True
            if lflag & ECHO:
                self._finish_erasing()
                if lflag & ECHOCTL:
                    self._echo_raw(ord("^"))
                    self._echo_raw(BS)
                    self._commit_echoes()
        elif c == cc[VREPRINT] and lflag & ECHO and extended:
            self._finish_erasing()
            self._echo_char(c)
            self._echo_raw(NL)
            for byte in self.buffer[self.canon - self.tail :]:
                self._echo_char(byte)
            self._commit_echoes()
        elif c == NL:
            if lflag & (ECHO | ECHONL):
                self._echo_raw(NL)
                self._commit_echoes()
            self._end_line(c)
        elif c == cc[VEOF]:
            self._end_line(DISABLED)
        elif c == cc[VEOL] or (c == cc[VEOL2] and extended):
            if lflag & ECHO:
                if self.canon == self.head:
                    self._echo_op(SET_CANON_COL)
                self._echo_char(c)
                self._commit_echoes()
            if c == 0xFF and self.termios.iflag & PARMRK:
                self.buffer.append(c)
            self._end_line(c)
        else:
            return False
        return True

    def _end_line(self, c: int) -> None:
        self.ends.append(self.head)
        self.buffer.append(c)
        self.canon = self.head
        self.readable()

    def _erase(self, c: int) -> None:
        """Take back a character, a word or the line (eraser)."""
        _, _, _, lflag, _, cc, _, _ = self.termios
        buffer, start = self.buffer, self.canon - self.tail
        if len(buffer) == start:
            return
        word = whole = False
        if c != cc[VERASE]:
            word = c == cc[VWERASE]
            whole = not word
            if whole and not lflag & ECHO:
                del buffer[start:]
                return
            if whole and lflag & (ECHOK | ECHOKE | ECHOE) != ECHOK | ECHOKE | ECHOE:
                del buffer[start:]
                self._finish_erasing()
                self._echo_char(cc[VKILL])
                if lflag & ECHOK:
                    self._echo_raw(NL)
                return
        seen_alnum = False
        while len(buffer) > start:
            at = len(buffer) - 1
            while self._is_continuation(buffer[at]) and at > start:
                at -= 1
            c = buffer[at]
            if self._is_continuation(c):
                break
            if word:
                if _is_alnum(c) or c == ord("_"):
                    seen_alnum = True
                elif seen_alnum:
                    break
            gone = bytes(buffer[at:])
            del buffer[at:]
            if lflag & ECHO:
                self._echo_erased(gone, not word and not whole)
            if not word and not whole:
                break
        if len(buffer) == start and lflag & ECHO:
            self._finish_erasing()

    def _finish_erasing(self) -> None:
        if self.erasing:
            self._echo_raw(ord("/"))
            self.erasing = False

    def _echo_erased(self, gone: bytes, single: bool) -> None:
        lflag = self.termios.lflag
        c = gone[0]
        if lflag & ECHOPRT:
            if not self.erasing:
                self._echo_raw(ord("\\"))
                self.erasing = True
            self._echo_char(c)
            for byte in gone[1:]:
                self._echo_raw(byte)
                self._echo_op(MOVE_BACK)
        elif single and not lflag & ECHOE:
            self._echo_char(self.termios.cc[VERASE])
        elif c == TAB:
            self._echo_erased_tab()
        else:
            if is_control(c) and lflag & ECHOCTL:
                self._echo_rub_out()
            if not is_control(c) or lflag & ECHOCTL:
                self._echo_rub_out()

    def _echo_rub_out(self) -> None:
        for byte in (BS, 32, BS):
            self._echo_raw(byte)

    def _echo_erased_tab(self) -> None:
        """Count the columns since the start of input or the tab before: the way back depends on them."""
        columns, after_tab = 0, 0
        for byte in reversed(self.buffer[self.canon - self.tail :]):
            if byte == TAB:
                after_tab = 0x80
                break
            if is_control(byte):
                if self.termios.lflag & ECHOCTL:
                    columns += 2
            elif not self._is_continuation(byte):
                columns += 1
        self._echo_op(ERASE_TAB)
        self.echo.append(columns & 7 | after_tab)

    # -- reading --------------------------------------------------------------------------------------------------
    def available(self, amount: int = 1) -> bool:
        """Tell whether a read would get something (input_available_p)."""
        return self.canon != self.tail if self.canonical else len(self.buffer) >= amount

    def waiting(self) -> int:
        """Return how many bytes could be read (TIOCINQ)."""
        if not self.canonical:
            return len(self.buffer)
        eofs = sum(1 for end in self.ends if self.buffer[end - self.tail] == DISABLED)
        return self.canon - self.tail - eofs

    def read(self, size: int) -> bytes:
        """Take up to ``size`` bytes, in canonical mode at most one line; there is something ``available``."""
        full = len(self.buffer) >= BUFFER - 1
        data = self._read_line(size) if self.canonical else self._take(min(size, len(self.buffer)))
        lflag = self.termios.lflag
        if lflag & (EXTPROC | ICANON) == EXTPROC | ICANON and not self.buffer and data == self.termios.cc[VEOF : VEOF + 1]:
            data = b""  # with EXTPROC a lone EOF still is one (copy_from_read_buf)
        if full:
            self.driver.unthrottle()
        return data

    def _take(self, count: int) -> bytes:
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        self.tail += count
        return data

    def _read_line(self, size: int) -> bytes:
        """canon_copy_from_read_buf: an EOF ends the line but is not part of it."""
        limit = min(size, self.canon - self.tail)
        ends = self.ends
        if ends and ends[0] < self.tail + limit:
            count = ends.popleft() - self.tail + 1
            self.push = False
            data = self._take(count)
            return data[:-1] if data[-1] == DISABLED else data
        data = self._take(limit)
        # The buffer was filled exactly up to an EOF: it has done its work (canon_skip_eof).
        if ends and ends[0] == self.tail and self.buffer[0] == DISABLED:
            ends.popleft()
            self._take(1)
        return data

    def flush_input(self) -> None:
        """Throw away all input (reset_buffer_flags, TCIFLUSH)."""
        full = len(self.buffer) >= BUFFER - 1
        self.tail = self.canon = self.head
        self.buffer.clear()
        self.ends.clear()
        self.push = self.lnext = self.erasing = False
        self.driver.input_flushed()
        if full:
            self.driver.unthrottle()
