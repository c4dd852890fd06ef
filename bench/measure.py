"""Taking one measurement: host time between two marks of a program, wall time of a run, memory of a sleeping one."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.peers import ROOT, environment

LIMIT = 300.0
"""Host seconds after which a run has failed."""
TRIES = 5
DISTURBED = 0.03
"""A sample during which the program was ready but had no processor for a larger part of the time is taken again."""


class Failed(Exception):
    """A run did not do what was to be measured; the text says what it did."""


@contextmanager
def _running(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=environment(),
        start_new_session=True,
    )  # fmt: skip
    timer = threading.Timer(LIMIT, _kill, (process.pid,))
    timer.start()
    try:
        yield process
        assert process.stdin is not None
        process.stdin.close()
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read()
        error = process.stderr.read()
        if process.wait():
            raise Failed(f"{' '.join(command)}: status {process.returncode}: {error.decode(errors='replace').strip()}")
    finally:
        timer.cancel()
        _kill(process.pid)
        process.wait()


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _mark(process: subprocess.Popen[bytes], wanted: bytes) -> float:
    """Wait for a mark and return when it came."""
    assert process.stdout is not None
    for line in iter(process.stdout.readline, b""):
        if line == wanted:
            return time.perf_counter()
    assert process.stderr is not None
    raise Failed(f"no {wanted!r}: {process.stderr.read().decode(errors='replace').strip()}")


def between_marks(command: Sequence[str]) -> float:
    """Return the host seconds between "start" and "stop" of a program: those of the least disturbed of up to TRIES runs.
    Raises Failed."""
    best, least = 0.0, float("inf")
    for _ in range(TRIES):
        with _running(command) as process:
            start = _mark(process, b"start\n")
            waited = -_waited(process.pid)
            seconds = _mark(process, b"stop\n") - start
            waited += _waited(process.pid)
        if waited / seconds < least:
            best, least = seconds, waited / seconds
        if least <= DISTURBED:
            break
    return best


def _waited(pid: int) -> float:
    """Return the seconds a process has been ready to run without a processor (schedstat of proc(5)), 0 if unknown."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def wall(command: Sequence[str]) -> float:
    """Return the host seconds from before the start of a program to after its end.  Raises Failed."""
    begin = time.perf_counter()
    with _running(command) as process:
        pass
    assert process.returncode == 0
    return time.perf_counter() - begin


def peak(command: Sequence[str]) -> int:
    """Return the most bytes a process has had resident when it wrote "start" and waits (VmHWM).  Raises Failed."""
    with _running(command) as process:
        _mark(process, b"start\n")
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
        raise Failed("/proc has no VmHWM")


def idle(command: Sequence[str]) -> int:
    """Return the bytes a process and its descendants have resident when "start" was written, what they share counted
    once (the sum of PSS, proc_pid_smaps(5)).  Raises Failed."""
    with _running(command) as process:
        _mark(process, b"start\n")
        return sum(_proportional(pid) for pid in _family(process.pid))


def _family(pid: int) -> Iterator[int]:
    yield pid
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in path.read_text().split():
            yield from _family(int(child))


def _proportional(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) << 10
    raise Failed("/proc has no PSS")
