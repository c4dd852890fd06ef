"""``tgid run`` on a terminal: an interactive shell with job control, driven through a pty of the host."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

pty = pytest.importorskip("pty")

PROMPT = b"ash> "


class Session:
    """A command on a pty.  ``expect`` waits for text, ``type`` sends keys."""

    def __init__(self, *command: str) -> None:
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, {**os.environ, "TERM": "dumb"})
        self.seen = b""

    def type(self, keys: bytes) -> None:
        os.write(self.fd, keys)

    def expect(self, text: bytes, seconds: float = 20) -> bytes:
        """Return everything up to and with ``text``."""
        end = time.monotonic() + seconds
        while text not in self.seen:
            ready, _, _ = select.select([self.fd], [], [], max(0, end - time.monotonic()))
            try:
                more = os.read(self.fd, 4096) if ready else b""
            except OSError:
                more = b""
            if not more:
                pytest.fail(f"waiting for {text!r}, saw {self.seen!r}")
            self.seen += more
        until = self.seen.index(text) + len(text)
        found, self.seen = self.seen[:until], self.seen[until:]
        return found

    def run(self, line: bytes) -> bytes:
        """Type a line and return what came until the next prompt."""
        self.type(line + b"\n")
        self.expect(b"\n")
        return self.expect(PROMPT)

    def status(self) -> int:
        """Wait for the end and return the exit status."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status)
            ready, _, _ = select.select([self.fd], [], [], 0.05)
            if ready:
                try:
                    self.seen += os.read(self.fd, 4096)
                except OSError:
                    time.sleep(0.01)
        pytest.fail(f"still running after {self.seen!r}")

    def close(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


@pytest.fixture
def shell() -> Iterator[Session]:
    if not os.path.exists("/bin/busybox"):
        pytest.skip("no busybox")
    session = Session(sys.executable, "-m", "tgid", "run", "--env", "PS1=ash> ", "--env", "PATH", "/bin/busybox", "ash")
    session.expect(PROMPT)
    yield session
    session.close()


def test_commands_are_echoed_and_answered(shell: Session) -> None:
    assert b"hello\r\n" in shell.run(b"echo hello")
    assert b"/dev/" in shell.run(b"tty")
    shell.type(b"exit 7\n")
    assert shell.status() == 7


def test_interrupt_reaches_the_foreground_job_only(shell: Session) -> None:
    shell.type(b"sleep 100\n")
    time.sleep(0.5)
    shell.type(b"\x03")
    shell.expect(PROMPT)
    assert b"130\r\n" in shell.run(b"echo $?")


def test_stop_background_and_foreground(shell: Session) -> None:
    shell.type(b"sleep 100\n")
    time.sleep(0.5)
    shell.type(b"\x1a")
    shell.expect(b"Stopped")
    shell.expect(PROMPT)
    assert b"Stopped" in shell.run(b"jobs")
    assert b"sleep 100" in shell.run(b"bg")
    assert b"Running" in shell.run(b"jobs")
    shell.type(b"fg\n")
    time.sleep(0.5)
    shell.type(b"\x03")
    shell.expect(PROMPT)
    assert b"sleep" not in shell.run(b"jobs").replace(b"jobs", b"")


def test_background_jobs_finish(shell: Session) -> None:
    shell.run(b"sleep 0.2 &")
    time.sleep(0.7)
    assert b"Done" in shell.run(b"")


def test_background_reader_is_stopped(shell: Session) -> None:
    """A background job that reads the terminal gets SIGTTIN."""
    shell.run(b"cat &")
    time.sleep(0.3)
    assert b"Stopped" in shell.run(b"jobs")
    shell.run(b"kill -9 %1")


def test_line_editing_and_end_of_file(shell: Session) -> None:
    shell.type(b"cat\n")
    shell.expect(b"cat\r\n")
    time.sleep(0.5)  # until the shell has left its own line editing
    shell.type(b"abX\x7fc\n")
    shell.expect(b"abc\r\n")
    shell.type(b"\x04")
    shell.expect(PROMPT)
    shell.type(b"exit\n")
    assert shell.status() == 0


def test_a_raw_mode_program(shell: Session) -> None:
    """stty changes the terminal; -icanon delivers single keys."""
    shell.type(b"stty -icanon -echo; dd bs=1 count=1 2>/dev/null | od -An -c; stty sane\n")
    time.sleep(0.7)
    shell.type(b"q")
    shell.expect(b"q\r\n")
    shell.expect(PROMPT)


def test_twice_ctrl_c_ends_the_run() -> None:
    """A program that ignores SIGINT is ended by a second Ctrl-C within a second, with status 130."""
    if not os.path.exists("/bin/busybox"):
        pytest.skip("no busybox")
    script = "trap '' INT; echo ready; while :; do :; done"
    session = Session(sys.executable, "-m", "tgid", "run", "/bin/busybox", "sh", "-c", script)
    session.expect(b"ready")
    session.type(b"\x03")
    time.sleep(0.2)
    session.type(b"\x03")
    assert session.status() == 130
    session.close()


def test_the_terminal_is_restored() -> None:
    """After the run the host's terminal has its old settings."""
    termios = pytest.importorskip("termios")
    if not os.path.exists("/bin/busybox"):
        pytest.skip("no busybox")
    master, slave = os.openpty()
    before = termios.tcgetattr(slave)
    command = [sys.executable, "-m", "tgid", "run", "/bin/busybox", "stty", "raw"]
    subprocess.run(command, stdin=slave, stdout=slave, stderr=slave, timeout=30, check=True)
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)
