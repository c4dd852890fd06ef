"""What the guest's standard descriptors are connected to, and how the machine waits for the outside.

A ``CapturedConsole`` holds input and output in memory: nothing can arrive, so a run is reproducible.  A ``HostConsole``
uses the host's descriptors.  If standard input is a terminal the guest gets a terminal of its own whose line discipline
runs in the kernel; the host's is switched to raw mode meanwhile and put back however the run ends.  Ctrl-C is then a
byte like any other, which the guest's line discipline turns into SIGINT for its foreground group; a second one within a
second ends the machine.

The run loop asks ``poll`` for news: after each slice without waiting, and waiting when every task sleeps.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from kernel.errno import Errno
from kernel.fs.fdtable import FdTable
from kernel.fs.file import O_NOCTTY, O_RDONLY, O_RDWR, O_WRONLY, POLLIN, POLLRDNORM, File
from kernel.fs.inode import S_IFCHR, makedev
from kernel.fs.open import check_how, open_file
from kernel.fs.ttyfile import TtyFile
from kernel.signal import SIG_DFL, SIG_IGN, SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGWINCH
from kernel.signal_send import kill_pgrp
from kernel.termios import VINTR
from kernel.tty import Tty
from tgid.hostterminal import HostTerminal
from tgid.stdio import CapturedOutput, HostFile, bytes_input

if TYPE_CHECKING:
    from kernel.boot import Launch
    from kernel.fs.inode import Inode
    from kernel.fs.mount import Path
    from kernel.kernel import Kernel
    from kernel.task import Thread

AT_FDCWD = -100
CONSOLE_NAME = b"/dev/console"
CONSOLE_DEV = makedev(5, 1)

LOOK_INTERVAL = 0.005
"""Seconds between looks at the host while tasks run."""
INTERRUPT_TWICE = 1.0
"""A second Ctrl-C within so many seconds ends the machine."""


class Console:
    """The outside of one machine; the base class has no input that could arrive later.

    ``attached``: input may arrive while tasks run.
    """

    def __init__(self) -> None:
        self.attached = False
        self._kernel: Kernel | None = None
        self._launch: Launch | None = None

    @property
    def pending(self) -> bool:
        """Whether some sleeping task could be woken by the outside."""
        return False

    def poll(self, timeout: float | None) -> bool:
        """Wait up to ``timeout`` seconds (None: for ever) for the outside; deliver what came; return whether any did."""
        self.wait(timeout)
        return False

    def wait(self, seconds: float | None) -> None:
        """Sleep on the host at most so long; ``interrupt`` ends it."""
        time.sleep(min(seconds if seconds is not None else 1.0, 1.0))

    def interrupt(self) -> None:
        """End a wait; may be called from another host thread or a signal handler."""

    def suspend(self) -> None:
        """The program on the terminal has stopped: stop the machine, and return when it is continued."""

    def tty(self, kernel: Kernel) -> Tty | None:
        """Return the program's terminal, None if it has none."""
        return None

    def open_stdio(self, t: Thread) -> FdTable:
        """Return the program's first descriptors."""
        raise NotImplementedError

    def start(self, kernel: Kernel, launch: Launch) -> None:
        """The machine is about to run."""
        self._kernel = kernel
        self._launch = launch

    def captured(self) -> tuple[bytes, bytes]:
        """Return what was written to standard output and error, if it was kept."""
        return b"", b""


def _table(*files: File | None) -> FdTable:
    table = FdTable()
    for fd, file in enumerate(files):
        if file is not None:
            table.install(file, lowest=fd)
    return table


class CapturedConsole(Console):
    """Input from memory, output to memory."""

    def __init__(self, stdin: bytes = b"") -> None:
        super().__init__()
        self._stdin = stdin
        self.stdout = bytearray()
        self.stderr = bytearray()

    def open_stdio(self, t: Thread) -> FdTable:
        return _table(bytes_input(self._stdin), CapturedOutput(self.stdout.extend, 2), CapturedOutput(self.stderr.extend, 3))

    def captured(self) -> tuple[bytes, bytes]:
        return bytes(self.stdout), bytes(self.stderr)


class HostConsole(Console):
    """The host's descriptors 0, 1, 2 (or others); a context manager, because the terminal must be put back."""

    def __init__(self, stdin: int = 0, stdout: int = 1, stderr: int = 2) -> None:
        super().__init__()
        self._fds = (stdin, stdout, stderr)
        self._open = tuple(_is_open(fd) for fd in self._fds)
        _occupy_standard_fds()
        self._terminal: HostTerminal | None = None
        self._tty: Tty | None = None
        self._input: HostFile | None = None
        self._next_look = 0.0
        self._interrupts = 0
        self._resized = False
        self._last_interrupt = -INTERRUPT_TWICE * 2
        self._wake_read, self._wake_write = os.pipe()
        for fd in (self._wake_read, self._wake_write):
            os.set_blocking(fd, False)
        self._handlers: dict[int, Any] = {}

    # -- life -----------------------------------------------------------------------------------------------------
    def __enter__(self) -> HostConsole:
        self._handle(signal.SIGINT, self._on_sigint)
        for name in ("SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                self._handle(getattr(signal, name), self._on_death)
        if _isatty(self._fds[0]):
            output = self._fds[1] if _isatty(self._fds[1]) else self._fds[0]
            self._terminal = HostTerminal(self._fds[0], output)
            if hasattr(signal, "SIGWINCH"):
                self._handle(signal.SIGWINCH, self._on_sigwinch)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._terminal is not None:
            self._terminal.give_back()
        for signo, handler in self._handlers.items():
            signal.signal(signo, handler)
        self._handlers.clear()
        os.close(self._wake_read)
        os.close(self._wake_write)
        self._wake_read = self._wake_write = -1

    def _handle(self, signo: int, handler: Any) -> None:
        with contextlib.suppress(ValueError):  # not the main thread: the program that embeds us keeps its handlers
            self._handlers[signo] = signal.signal(signo, handler)

    def _on_sigint(self, signo: int, frame: FrameType | None) -> None:
        self._interrupts += 1
        self.interrupt()

    def _on_sigwinch(self, signo: int, frame: FrameType | None) -> None:
        self._resized = True
        self.interrupt()

    def _on_death(self, signo: int, frame: FrameType | None) -> None:
        """The host ends us: put the terminal back, then die of the signal as expected."""
        if self._terminal is not None:
            self._terminal.give_back()
        signal.signal(signo, signal.SIG_DFL)
        os.kill(os.getpid(), signo)

    # -- messages of the machine ----------------------------------------------------------------------------------
    def write_error(self, text: str) -> None:
        """Write text to the host's standard error; lines end properly on a raw terminal too."""
        data = text.encode(errors="backslashreplace")
        if self._terminal is not None and _isatty(self._fds[2]):
            data = data.replace(b"\n", b"\r\n")
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._fds[2], view) :]
            except OSError:
                break

    def report(self, line: str) -> None:
        """Show one line of the kernel's log."""
        self.write_error(f"tgid: {line}\n")

    # -- the guest's descriptors ----------------------------------------------------------------------------------
    def tty(self, kernel: Kernel) -> Tty | None:
        if self._terminal is None:
            return None
        if self._tty is None:
            self._tty = Tty(CONSOLE_NAME, CONSOLE_DEV, self._terminal, self._terminal.settings())
            self._tty.winsize = self._terminal.winsize()
        return self._tty

    def open_stdio(self, t: Thread) -> FdTable:
        register_drivers(t, self._tty)
        terminal: File | None = None
        files: list[File | None] = []
        for fd, is_open, access in zip(self._fds, self._open, (O_RDONLY, O_WRONLY, O_WRONLY), strict=True):
            if not is_open:
                files.append(None)
            elif self._tty is not None and _isatty(fd):
                # Like a login: one open file, three descriptors.
                terminal = open_console(t, self._tty) if terminal is None else terminal.hold()
                files.append(terminal)
            else:
                files.append(HostFile(fd, access))
        first = files[0]
        if isinstance(first, HostFile):
            self._input = first
        return _table(*files)

    def start(self, kernel: Kernel, launch: Launch) -> None:
        super().start(kernel, launch)
        if self._terminal is not None:
            self._terminal.take()
        self.attached = True

    def suspend(self) -> None:
        """Stop as a terminal stops a job: the host's shell takes over until it brings us back (no shell: at once)."""
        if self._terminal is not None:
            self._terminal.give_back()
            os.kill(0, signal.SIGTSTP)
            self._terminal.take()
            self._resized = True

    # -- waiting --------------------------------------------------------------------------------------------------
    @property
    def pending(self) -> bool:
        tty = self._tty
        if tty is not None:
            return not tty.hung_up and (bool(tty.read_wait) or tty.ldisc.stopped or _catches_keys(tty))
        source = self._input
        return source is not None and bool(source.wait)

    def poll(self, timeout: float | None) -> bool:
        if timeout == 0:
            now = time.monotonic()
            if now < self._next_look and not self._interrupts and not self._resized:
                return False
            self._next_look = now + LOOK_INTERVAL
        watched = [self._wake_read]
        tty, terminal, source = self._tty, self._terminal, self._input
        if tty is not None and terminal is not None and not tty.hung_up:
            if terminal.input and self._feed(tty, terminal):
                return True
            if not terminal.input:
                watched.append(terminal.fd_in)
        elif source is not None and source.wait:
            watched.append(source.fd)
        try:
            ready = select.select(watched, [], [], timeout)[0]
        except (OSError, ValueError):
            ready = watched
        if self._wake_read in ready:
            _drain(self._wake_read)
        woke = self._deliver_signals()
        if tty is not None and terminal is not None and terminal.fd_in in ready:
            woke |= self._read_terminal(tty, terminal)
        if source is not None and source.fd in ready:
            woke |= source.wait.wake_all(POLLIN | POLLRDNORM) > 0
        return woke

    def wait(self, seconds: float | None) -> None:
        self.poll(seconds if seconds is None or seconds > 0 else 0)

    def interrupt(self) -> None:
        if self._kernel is not None:
            self._kernel.cpu.interrupt()
        with contextlib.suppress(OSError):  # full: it will wake anyway
            os.write(self._wake_write, b"!")

    # -- delivering -----------------------------------------------------------------------------------------------
    def _read_terminal(self, tty: Tty, terminal: HostTerminal) -> bool:
        try:
            data = os.read(terminal.fd_in, 4096)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            foreground = tty.foreground
            tty.hang_up()
            if foreground is not None:  # as a shell does that loses its terminal
                kill_pgrp(foreground, SIGHUP)
            return True
        settings = tty.ldisc.termios
        intr = settings.cc[VINTR]
        if intr and intr in tty.ldisc.special:
            for byte in data:
                if byte == intr:
                    self._count_interrupt()
                else:  # something else was typed: whoever is there got the first one's answer
                    self._last_interrupt = -INTERRUPT_TWICE * 2
        terminal.input += data
        self._feed(tty, terminal)
        return True

    def _feed(self, tty: Tty, terminal: HostTerminal) -> bool:
        taken = tty.receive(terminal.input)
        terminal.input = terminal.input[taken:]
        return taken > 0

    def _count_interrupt(self) -> None:
        now = time.monotonic()
        if now - self._last_interrupt < INTERRUPT_TWICE and self._kernel is not None:
            self._kernel.sched.stopping = True
            self._kernel.cpu.interrupt()
        self._last_interrupt = now

    def _deliver_signals(self) -> bool:
        woke = False
        if self._resized and self._tty is not None and self._terminal is not None:
            self._resized = False
            self._tty.set_winsize(self._terminal.winsize())
            woke = True
        while self._interrupts:
            self._interrupts -= 1
            self._count_interrupt()
            woke = True
            launch = self._launch
            if self._tty is not None and not self._tty.hung_up:
                self._tty.signal(SIGINT)
            elif launch is not None and launch.process is not None:
                kill_pgrp(launch.process.pgrp, SIGINT)
        return woke


def _catches_keys(tty: Tty) -> bool:
    """Tell whether a process in the foreground handles a signal the keyboard can send: then a key may wake it."""
    if tty.foreground is None:
        return False
    for process in tty.foreground.pgrp:
        if process.live:
            actions = process.rep.sighand.actions
            if any(actions[signo].handler not in (SIG_DFL, SIG_IGN) for signo in (SIGINT, SIGQUIT, SIGTSTP, SIGWINCH)):
                return True
    return False


def register_drivers(t: Thread, console: Tty | None) -> None:
    """Connect /dev/tty and, if there is one, /dev/console of the tree ``t`` sees."""
    drivers = t.fs.root.dentry.inode.fs.vfs.drivers

    if console is not None:

        def system_console(t: Thread, where: Path, inode: Inode, flags: int) -> File:
            return TtyFile(console, flags, where)

        drivers[S_IFCHR, CONSOLE_DEV] = system_console


def open_console(t: Thread, tty: Tty) -> File:
    """Open the terminal by its name, so that ttyname(3) finds it; without the name if the tree has no such node."""
    try:
        file = open_file(t, AT_FDCWD, CONSOLE_NAME, check_how(O_RDWR | O_NOCTTY, 0))
    except Errno:
        return TtyFile(tty, O_RDWR)
    return file if isinstance(file, TtyFile) and file.tty is tty else TtyFile(tty, O_RDWR)


def _drain(fd: int) -> None:
    try:
        while os.read(fd, 64):
            pass
    except OSError:
        pass


def _occupy_standard_fds() -> None:
    """Put something in the place of closed standard descriptors, so that no file of ours gets their numbers."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(fd)


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _isatty(fd: int) -> bool:
    try:
        return os.isatty(fd)
    except OSError:
        return False
