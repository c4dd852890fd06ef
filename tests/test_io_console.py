"""The machine's standard descriptors: in memory, host pipes and files, closed ones; waiting for late input."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tgid

BUSYBOX = "/bin/busybox"
ROOT = Path(__file__).resolve().parent.parent
TGID = (sys.executable, "-m", "tgid", "run")
pytestmark = pytest.mark.skipif(not Path(BUSYBOX).exists(), reason="needs busybox-static")


def shell(script: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
    result = tgid.run([BUSYBOX, "sh", "-c", script], stdin=stdin)
    return result.status, result.stdout, result.stderr


def host(argv: list[str], **kinds: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*TGID, *argv], env={**os.environ, "PYTHONPATH": str(ROOT)}, **kinds)  # type: ignore[call-overload,no-any-return]


def test_input_and_output_in_memory() -> None:
    assert shell("cat; echo err >&2; exit 3", b"some\ninput") == (3, b"some\ninput", b"err\n")


def test_large_input_is_read_whole() -> None:
    data = bytes(range(256)) * 4096
    assert shell("wc -c", data)[1] == b"1048576\n"


def test_late_input_of_the_host_is_waited_for() -> None:
    """Time is virtual and every task sleeps: the machine waits for the host instead of reporting a deadlock."""
    script = "read x; echo got $x; read y; echo end $?"
    process = host([BUSYBOX, "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    time.sleep(0.7)
    process.stdin.write(b"late\n")
    process.stdin.flush()
    time.sleep(0.3)
    assert process.communicate(timeout=20)[0] == b"got late\nend 1\n"
    assert process.returncode == 0


def test_output_is_written_at_once() -> None:
    process = host([BUSYBOX, "sh", "-c", "echo first; read x"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert os.read(process.stdout.fileno(), 100) == b"first\n"
    process.communicate(b"", timeout=20)


def test_a_reader_that_leaves_breaks_the_pipe() -> None:
    process = host([BUSYBOX, "yes"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(20) == 128 + 13


def test_closed_descriptors_stay_closed() -> None:
    script = f"exec {' '.join(TGID)} {BUSYBOX} cat <&-"
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, timeout=20, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 1
    assert b"Bad file descriptor" in done.stderr


def test_files_of_the_host_keep_their_position_and_append(tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_bytes(b"one\ntwo\nthree\n")
    target.write_bytes(b"0\n")
    with source.open("rb") as given, target.open("ab") as taken:
        given.seek(4)
        assert host([BUSYBOX, "cat"], stdin=given, stdout=taken).wait(20) == 0
    assert target.read_bytes() == b"0\ntwo\nthree\n"


def test_a_deadlock_names_who_could_end_it() -> None:
    result = tgid.run([BUSYBOX, "sh", "-c", "mkfifo /tmp/f; exec 3<>/tmp/f; read x <&3"])
    assert result.status == 125
    assert any("/tmp/f" in line and "by busybox[" in line for line in result.log)
