"""The command line when things go wrong: one clear line, the right exit status, never a traceback.

Every test runs the program as a user does, in a process of its own.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from guest import build

TGID = (sys.executable, "-m", "tgid")
ROOT = Path(__file__).resolve().parents[1]
ENV = {**os.environ, "PYTHONPATH": str(ROOT)}
DEV_FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")


@pytest.fixture(scope="module")
def programs() -> dict[str, str]:
    """Built guest programs by name."""
    try:
        return {name: str(path) for name, path in build.build_all(["hello", "args", "cat", "endless_loop"], "musl").items()}
    except build.BuildError as error:
        pytest.skip(str(error))


def tgid(*arguments: str, cwd: Path | None = None, **redirect: object) -> subprocess.CompletedProcess[str]:
    redirect.setdefault("stdin", subprocess.DEVNULL)
    redirect.setdefault("stdout", subprocess.PIPE)
    redirect.setdefault("stderr", subprocess.PIPE)
    return subprocess.run([*TGID, *arguments], env=ENV, text=True, timeout=60, cwd=cwd, **redirect)  # type: ignore[call-overload,no-any-return]


def shell(command: str, program: str = "") -> subprocess.CompletedProcess[str]:
    """Run a shell command line; $TGID is the command, $PROGRAM a guest program."""
    environ = {**ENV, "TGID": " ".join(TGID), "PROGRAM": program}
    return subprocess.run(["bash", "-c", command], env=environ, text=True, capture_output=True, timeout=60)


def one_line(text: str) -> str:
    assert "Traceback" not in text
    lines = text.splitlines()
    assert len(lines) == 1, text
    return lines[0]


CONFIGURATIONS: Sequence[tuple[Sequence[str], int, str]] = (
    (("--rootfs", "/nonexistent"), 125, "tgid: /nonexistent: No such file or directory"),
    (("--rootfs", "/etc/passwd"), 125, "tgid: /etc/passwd: Not a directory"),
    (("--bind", "/nonexistent:/mnt"), 125, "tgid: /nonexistent: No such file or directory"),
    (("--bind", "/etc"), 125, "tgid: bind '/etc' is not SRC:DST or SRC:DST:rw"),
    (("--bind", ":"), 125, "tgid: bind ':' is not SRC:DST or SRC:DST:rw"),
    (("--bind", "/etc:/etc/passwd/x"), 125, "tgid: bind to /etc/passwd/x: Not a directory"),
    (("-o", "/nonexistent/x", "--trace"), 125, "tgid: /nonexistent/x: No such file or directory"),
    (("-e", "trace=nonsense"), 125, "tgid: unknown system call 'nonsense'"),
)


@pytest.mark.parametrize(("options", "status", "message"), CONFIGURATIONS)
def test_a_configuration_that_cannot_work(programs: dict[str, str], options: Sequence[str], status: int, message: str) -> None:
    done = tgid("run", *options, programs["hello"])
    assert (done.returncode, done.stdout) == (status, "")
    assert one_line(done.stderr) == message


@pytest.mark.parametrize(
    "options",
    [
        ("--memory", "15M"), ("--memory", "much"), ("--uid", "-1"), ("--gid", "4294967295"), ("--seed", "x"), ("--slice", "0"),
        ("--timeout", "0"), ("--max-procs", "none"), ("--clock", "sundial"), ("--nonsense",),
    ],
)  # fmt: skip
def test_options_that_make_no_sense(programs: dict[str, str], options: Sequence[str]) -> None:
    done = tgid("run", *options, programs["hello"])
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(("tgid run: error: ", "tgid: error: "))


@pytest.mark.parametrize(
    ("program", "status", "message"),
    [
        ("/nonexistent", 127, "No such file or directory"),
        ("no-such-program", 127, "No such file or directory"),
        ("/etc", 126, "Permission denied"),
        ("/etc/passwd", 126, "Permission denied"),
        ("/etc/passwd/x", 126, "Not a directory"),
        ("x" * 300, 126, "File name too long"),
    ],
)
def test_a_program_that_cannot_be_run(program: str, status: int, message: str) -> None:
    done = tgid("run", program)
    assert (done.returncode, done.stdout) == (status, "")
    assert one_line(done.stderr) == f"tgid: {program}: {message}"


def test_an_empty_program_name() -> None:
    done = tgid("run", "")
    assert (done.returncode, one_line(done.stderr)) == (125, "tgid: no program given")


def test_working_directories(programs: dict[str, str], tmp_path: Path) -> None:
    program = programs["hello"]
    for where, status, reason in (("/nonexistent", 127, "No such file or directory"), ("/etc/passwd", 126, "Not a directory")):
        done = tgid("run", "--cwd", where, program)
        assert done.returncode == status
        assert one_line(done.stderr) == f"tgid: {program}: {reason} (working directory {where})"
    # A current directory that is gone, or that the guest does not have, is no reason not to run.
    gone = tmp_path / "gone"
    gone.mkdir()
    done = shell(f"cd {gone} && rmdir {gone} && $TGID run $PROGRAM", program)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_almost_empty_root(programs: dict[str, str], tmp_path: Path) -> None:
    shutil.copy(programs["hello"], tmp_path / "program")
    done = tgid("run", "--rootfs", str(tmp_path), "/program")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["program"], "nothing is created in the host's directory"
    done = tgid("run", "--rootfs", str(tmp_path), "/bin/sh")
    assert (done.returncode, one_line(done.stderr)) == (127, "tgid: /bin/sh: No such file or directory")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root can read everything")
def test_an_unreadable_root(tmp_path: Path) -> None:
    tmp_path.chmod(0)
    try:
        done = tgid("run", "--rootfs", str(tmp_path), "/program")
    finally:
        tmp_path.chmod(0o700)
    assert done.returncode in (125, 126)
    assert "Permission denied" in one_line(done.stderr)


def test_the_least_memory(programs: dict[str, str]) -> None:
    done = tgid("run", "--memory", "16M", programs["hello"])
    assert (done.returncode, done.stderr) == (0, "")


# -- standard descriptors ----------------------------------------------------------------------------------------------
def test_the_reader_of_the_output_goes_away(programs: dict[str, str]) -> None:
    done = shell("$TGID run $PROGRAM </dev/zero | head -c 10 | wc -c; echo ${PIPESTATUS[0]}", programs["cat"])
    assert done.stdout.split() == ["10", str(128 + signal.SIGPIPE)]
    assert done.stderr == ""
    done = shell("$TGID syscalls | head -1; echo ${PIPESTATUS[0]}")
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] in ("0", "141")  # it may all have fitted into the pipe


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors(programs: dict[str, str], closed: str) -> None:
    done = shell(f"$TGID run $PROGRAM {closed}; exit $?", programs["hello"])
    assert "Traceback" not in done.stderr
    # The program sees what it would see natively: a failing write, or none at all.
    native = shell(f"$PROGRAM {closed}; exit $?", programs["hello"])
    assert (done.returncode, done.stdout) == (native.returncode, native.stdout)


def test_errors_with_standard_error_closed() -> None:
    done = shell("$TGID run /nonexistent 2>&-; exit $?")
    assert (done.returncode, done.stdout, done.stderr) == (127, "", "")
    done = shell("$TGID run --rootfs /nonexistent x 2>&-; exit $?")
    assert (done.returncode, done.stdout, done.stderr) == (125, "", "")


@DEV_FULL
def test_a_full_disk(programs: dict[str, str]) -> None:
    program = programs["hello"]
    native = shell("$PROGRAM >/dev/full; exit $?", program)
    done = shell("$TGID run $PROGRAM >/dev/full; exit $?", program)
    assert (done.returncode, done.stderr) == (native.returncode, native.stderr)
    done = tgid("run", "--trace", "-o", "/dev/full", program)
    assert done.returncode == 0
    assert one_line(done.stderr) == "tgid: /dev/full: No space left on device; the trace is not complete"
    done = shell("$TGID syscalls >/dev/full; exit $?")
    assert (done.returncode, one_line(done.stderr)) == (1, "tgid: No space left on device")


# -- signals of the host -----------------------------------------------------------------------------------------------
def start(*arguments: str) -> subprocess.Popen[str]:
    """Start a run with endless input."""
    with open("/dev/zero", "rb") as zeros:
        return subprocess.Popen(
            [*TGID, *arguments], env=ENV, text=True, stdin=zeros, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip


def wait_for(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for the end of a run and return status and standard error; one that does not end is killed."""
    try:
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, errors


def end_with(process: subprocess.Popen[str], action: Callable[[], None]) -> tuple[int, str]:
    """Let a run get going (its program is open), end it, and return status and standard error."""
    program = str(process.args[-1])  # type: ignore[index]
    links = Path(f"/proc/{process.pid}/fd")
    while process.poll() is None and program not in {os.path.realpath(link) for link in links.glob("*")}:
        time.sleep(0.05)
    time.sleep(0.3)
    assert process.poll() is None
    action()
    return wait_for(process)


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_the_host_ends_a_run(programs: dict[str, str], signo: signal.Signals) -> None:
    process = start("run", programs["endless_loop"])
    assert end_with(process, lambda: process.send_signal(signo)) == (-signo, "")


def test_ctrl_c_goes_to_the_program(programs: dict[str, str]) -> None:
    for options in ((), ("--clock", "real")):
        process = start("run", *options, programs["cat"])
        assert end_with(process, lambda process=process: process.send_signal(signal.SIGINT)) == (128 + signal.SIGINT, "")  # type: ignore[misc]


def test_ctrl_c_twice_ends_a_program_that_ignores_it(programs: dict[str, str]) -> None:
    def twice() -> None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)

    process = start("run", programs["endless_loop"])
    assert end_with(process, twice) == (130, "")


def test_ctrl_c_at_any_time_of_the_start(programs: dict[str, str]) -> None:
    for delay in (0.02, 0.06, 0.1, 0.14, 0.2, 0.3):
        process = start("run", programs["cat"])
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        _, errors = wait_for(process)
        # Before Python itself has started, the signal kills; before the command line is imported Python reports it.
        assert process.returncode in (130, -signal.SIGINT, 1), errors
        assert "cli.py" not in errors
        assert process.returncode != 1 or errors
