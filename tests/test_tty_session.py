"""Programs on a terminal: a pty of the host plays the user, and the same keys go to a native run and to the machine.

``tty_control`` asks for keys; what it prints must be the same on both sides.  The shells are driven as a person would:
Ctrl-C, Ctrl-Z, fg, bg.
"""

from __future__ import annotations

import difflib
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from guest.build import BuildError, build

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="ptys as Linux has them")

ROOT = Path(__file__).resolve().parent.parent
TGID = (sys.executable, "-m", "tgid", "run")


class Terminal:
    """A program on a pty, and what the user saw."""

    def __init__(self, argv: Sequence[str], rows: int = 24, columns: int = 80) -> None:
        environ = {"PATH": "/usr/local/bin:/usr/bin:/bin", "PS1": "$ ", "TERM": "dumb", "LANG": "C", "PYTHONPATH": str(ROOT)}
        # The size is set before the program runs.
        gate_read, gate_write = os.pipe()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.read(gate_read, 1)
            os.chdir("/tmp")
            os.execve(argv[0], list(argv), environ)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.write(gate_write, b"!")
        os.close(gate_read)
        os.close(gate_write)
        self.seen = b""
        self.at = 0
        self.status: int | None = None

    def type(self, keys: bytes) -> None:
        os.write(self.fd, keys)

    def _read(self, seconds: float) -> bool:
        """Read once; False at the end."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.fd, 4096)
        except OSError:
            return False
        self.seen += data
        return bool(data)

    def expect(self, text: bytes, seconds: float = 20) -> None:
        """Wait until ``text`` is seen after what was expected before."""
        end = time.monotonic() + seconds
        while (found := self.seen.find(text, self.at)) < 0:
            assert time.monotonic() < end, f"{text!r} not seen after {self.seen[: self.at]!r}: {self.seen[self.at :]!r}"
            assert self._read(0.1), f"ended before {text!r}: {self.seen!r}"
        self.at = found + len(text)

    def finish(self, seconds: float = 20) -> int:
        """Read to the end and return the exit status, 128+N for a signal."""
        end = time.monotonic() + seconds
        while self._read(0.1):
            assert time.monotonic() < end, f"still running: {self.seen!r}"
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.fd)
        self.status = os.waitstatus_to_exitcode(status)
        return self.status if self.status >= 0 else 128 - self.status

    def kill(self) -> None:
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            os.close(self.fd)


KEYS = (
    (b"type: a line\r\n", b"hello\n"),
    (b"type: a long one, in two reads\r\n", b"abcdefgh\n"),
    (b"type: end of file\r\n", b"\x04"),
    (b"type: part, then end of file\r\n", b"par\x7frt\x04"),
    (b"type: one key\r\n", b"k"),
    (b"type: three keys\r\n", b"123"),
    (b"type: for poll\r\n", b"pq"),
    (b"type: interrupt\r\n", b"\x03"),
    (b"type: suspend\r\n", b"\x1a"),
)


def play(argv: Sequence[str]) -> tuple[int, list[str]]:
    terminal = Terminal(argv)
    try:
        for cue, keys in KEYS:
            terminal.expect(cue)
            time.sleep(0.2)
            terminal.type(keys)
        status = terminal.finish()
    finally:
        terminal.kill()
    return status, terminal.seen.decode().replace("\r\n", "\n").split("\n")


def test_the_terminal_is_as_on_the_host() -> None:
    try:
        program = str(build("tty_control", "glibc"))
    except BuildError as error:
        pytest.skip(str(error))
    native = play([program])
    inside = play([*TGID, program])
    assert inside[0] == native[0]
    changes = difflib.unified_diff(native[1], inside[1], "native", "inside", lineterm="", n=1)
    assert not "\n".join(changes)


@pytest.mark.parametrize("shell", [("/bin/busybox", "ash"), ("/bin/bash", "--norc", "--noprofile")], ids=["ash", "bash"])
def test_a_shell_with_job_control(shell: tuple[str, ...]) -> None:
    if not Path(shell[0]).exists():
        pytest.skip(f"no {shell[0]} here")
    t = Terminal([*TGID, *shell])
    try:
        t.expect(b"$ ")
        t.type(b"echo $((6*7))\n")
        t.expect(b"\n42\r\n")
        t.type(b"stty size\n")
        t.expect(b"\n24 80\r\n")
        t.expect(b"$ ")
        t.type(b"sleep 1000\n")
        t.expect(b"sleep 1000\r\n")
        time.sleep(0.5)
        t.type(b"\x03")
        t.expect(b"$ ")
        t.type(b"echo st=$?\n")
        t.expect(b"\nst=130\r\n")
        t.expect(b"$ ")
        t.type(b"sleep 1000\n")
        t.expect(b"sleep 1000\r\n")
        time.sleep(0.5)
        t.type(b"\x1a")
        t.expect(b"Stopped")
        t.expect(b"$ ")
        t.type(b"bg\n")
        t.expect(b"$ ")
        t.type(b"jobs\n")
        t.expect(b"Running")
        t.expect(b"$ ")
        t.type(b"fg\n")
        t.expect(b"sleep 1000\r\n")
        time.sleep(0.5)
        t.type(b"\x03")
        t.expect(b"$ ")
        t.type(b"cat &\n")
        t.expect(b"$ ")
        time.sleep(0.3)
        t.type(b"jobs\n")
        t.expect(b"Stopped")
        t.type(b"kill -9 %1; sleep 0.1; jobs; echo gone\n")
        t.expect(b"\ngone\r\n")
        t.type(b"read x; echo got=$x\n")
        t.expect(b"got=$x\r\n")
        time.sleep(0.3)
        t.type(b"typed\x7fE\n")
        t.expect(b"\ngot=typeE\r\n")
        t.type(b"exit 7\n")
        assert t.finish() == 7
    finally:
        t.kill()


def test_suspending_the_program_suspends_the_machine() -> None:
    """Ctrl-Z under the host's shell: tgid is a job that can be brought back."""
    t = Terminal(["/bin/bash", "--norc", "--noprofile"])
    try:
        t.expect(b"$ ")
        t.type(b"".join([" ".join(TGID).encode(), b" /bin/busybox sh -c 'echo ready; read x; echo got=$x'\n"]))
        t.expect(b"\nready\r\n")
        time.sleep(0.2)
        t.type(b"\x1a")
        t.expect(b"Stopped")
        t.expect(b"$ ")
        t.type(b"echo in the shell\n")
        t.expect(b"\nin the shell\r\n")
        t.expect(b"$ ")
        t.type(b"fg\n")
        t.expect(b"\n")
        time.sleep(0.5)
        t.type(b"word\n")
        t.expect(b"\ngot=word\r\n")
        t.expect(b"$ ")
        t.type(b"exit\n")
        assert t.finish() == 0
    finally:
        t.kill()


def test_two_interrupts_end_a_machine_that_does_not_listen() -> None:
    t = Terminal([*TGID, "/bin/sh", "-c", "trap '' INT; echo ready; while :; do :; done"])
    try:
        t.expect(b"ready")
        time.sleep(0.2)
        t.type(b"\x03")
        time.sleep(0.3)
        t.type(b"\x03")
        assert t.finish() == 130
    finally:
        t.kill()


def test_the_terminal_is_put_back() -> None:
    """Whatever the guest did to its terminal, the host's has its old settings after the run, and the size is passed on."""
    spoil = " ".join([*TGID, "/bin/busybox", "stty", "raw", "-echo"])
    script = f"stty -a >before.$$; {spoil}; stty -a | cmp - before.$$ && echo same; rm before.$$"
    t = Terminal(["/bin/sh", "-c", script])
    try:
        t.expect(b"same")
        t.finish()
    finally:
        t.kill()


def test_a_new_window_size_is_signalled() -> None:
    t = Terminal([*TGID, "/bin/bash", "--norc", "-c", "trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.05; done"])
    try:
        t.expect(b"ready")
        fcntl.ioctl(t.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 132, 0, 0))
        t.expect(b"50 132")
        assert t.finish() == 0
    finally:
        t.kill()


def test_a_terminal_that_goes_away_ends_the_program() -> None:
    t = Terminal([*TGID, "/bin/busybox", "cat"])
    t.type(b"x\n")
    t.expect(b"x\r\nx\r\n")
    os.close(t.fd)
    end = time.monotonic() + 10
    while os.waitpid(t.pid, os.WNOHANG)[0] == 0:
        assert time.monotonic() < end
        time.sleep(0.05)
