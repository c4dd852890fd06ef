"""A run is a function of its inputs: program, arguments, environment, seed; nothing else.

Everything that can be seen of a run is written down, with its virtual time, and compared: a second time in the same process,
in a fresh process with another hash seed, and without the C extension.  Files of the host may differ, so
programs are chosen that do not depend on when theirs were written.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import emu.cpu
import tgid
from guest import build
from kernel.kernel import Watch
from kernel.task import Thread

ROOT = Path(__file__).resolve().parents[1]
BUSYBOX = "/bin/busybox"
PYTHON = "/usr/bin/python3"

PIPELINE = """
for i in 1 2 3 4 5; do echo $i $RANDOM; done | sort -rn | while read a b; do echo "$a-$((a * a))"; done | tr - + > /tmp/out
cat /tmp/out | sha256sum
trap 'echo term' TERM
(sleep 0.1; kill -TERM $$) & wait
ls /proc/self/fd /dev | wc -l
echo $$ $!
"""

THREADS_AND_CHILDREN = """
import os, subprocess, sys, threading, random, time
lock = threading.Lock()
seen = []
def work(n):
    for i in range(20):
        with lock:
            seen.append(n)
        if i % 7 == n:
            time.sleep(0.001)
threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for t in threads: t.start()
for t in threads: t.join()
print(seen, random.random(), time.time(), os.getpid(), hash("text"))
print(subprocess.run([sys.executable, "-c", "import os; print(os.getppid(), os.urandom(4).hex(), sorted(os.environ))"],
                     capture_output=True, text=True).stdout)
"""


class Recorder(Watch):
    """Writes down every event with its time.  What is kept is a digest and the last few lines, for a look at a difference."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def _add(self, t: Thread, *what: object) -> None:
        clock = t.kernel.clock
        self.lines.append(f"{clock.monotonic()} {t.tid} {what}")

    def syscall_enter(self, t: Thread, number: int, args: tuple[int, ...]) -> None:
        self._add(t, "enter", number, args, t.cpu.rip, t.cpu.rsp, t.times.utime, t.times.stime)

    def syscall_exit(self, t: Thread, number: int, args: tuple[int, ...], result: object) -> None:
        self._add(t, "exit", number, result)

    def signal(self, t: Thread, info: object) -> None:
        self._add(t, "signal", info)

    def undelivered(self, t: Thread, info: object) -> None:
        self._add(t, "undelivered", info)

    def stopped(self, t: Thread, signo: int) -> None:
        self._add(t, "stopped", signo)

    def cloned(self, t: Thread, child: Thread) -> None:
        self._add(t, "cloned", child.tid)

    def execed(self, t: Thread, path: bytes) -> None:
        self._add(t, "execed", path)

    def exited(self, t: Thread, status: int) -> None:
        self._add(t, "exited", status)


def observe(argv: Sequence[str], **options: Any) -> list[str]:
    """Run a program and return all that can be seen of the run, line by line."""
    recorder = Recorder()
    result = tgid.run(list(argv), watch=recorder, debug=True, memory=512 << 20, **options)
    assert "every task is blocked for ever:" not in result.log
    return [*recorder.lines, repr((result.status, result.wait_status, result.stdout, result.stderr, result.log, result.time_ns))]


def digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def guest(name: str) -> str:
    try:
        return str(build.build(name, "musl"))
    except build.BuildError as error:
        pytest.skip(str(error))


def command(name: str) -> list[str]:
    if name == "pipeline":
        if not os.path.exists(BUSYBOX):
            pytest.skip("no static busybox")
        return [BUSYBOX, "ash", "-c", PIPELINE]
    if name == "python":
        if not os.path.exists(PYTHON):
            pytest.skip("no python of the system")
        return [PYTHON, "-S", "-E", "-c", THREADS_AND_CHILDREN]
    arguments = {"futex_rounds": ["16", "60"], "fuzz_syscalls": ["4", "0", "6", "80"]}
    return [guest(name), *arguments.get(name, [])]


NAMES = ("futex_rounds", "pipeline", "python", "posix_timers", "sigchld", "threads_and_signals", "fuzz_syscalls", "orphans")


@pytest.mark.parametrize("name", NAMES)
def test_twice_in_the_same_process(name: str) -> None:
    first, second = observe(command(name)), observe(command(name))
    assert first == second


@pytest.mark.parametrize("name", NAMES)
def test_in_a_fresh_process_with_another_hash_seed(name: str) -> None:
    argv = command(name)
    code = "import sys; from tests.test_determinism import *; print(digest(observe(sys.argv[1:])))"
    digests = set()
    for seed in ("1", "4711"):
        environ = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        again = [sys.executable, "-c", code, *argv]
        done = subprocess.run(again, env=environ, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        digests.add(done.stdout.strip())
    digests.add(digest(observe(argv)))
    assert len(digests) == 1


@pytest.mark.parametrize("name", ["posix_timers", "sigchld", "orphans", "threads_and_signals"])
def test_without_the_extension(name: str) -> None:
    assert observe(command(name)) == observe(command(name), accelerate=False)


@pytest.mark.parametrize("name", ["pipeline", "python", "sigchld", "fuzz_syscalls", "tracer"])
def test_nobody_notices_which_engine_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Address spaces that alternate get engines of their own; here all do, and change them all the time."""
    argv = [guest("bench_step"), "300"] if name == "tracer" else command(name)
    common = observe(argv)
    monkeypatch.setattr(emu.cpu, "_MANY_LOADS", 2)
    monkeypatch.setattr(emu.cpu, "_LONG", 4)
    assert observe(argv) == common


def test_the_seed_matters_and_nothing_else() -> None:
    argv = command("pipeline")
    assert observe(argv, seed=1) == observe(argv, seed=1)
    assert observe(argv, seed=1) != observe(argv, seed=2)
    assert observe(argv, seed=3, aslr=True) == observe(argv, seed=3, aslr=True)


@pytest.mark.parametrize("name", ["futex_rounds", "sigchld", "barrier", "mutex", "condition", "fork_tree", "pipes"])
def test_the_length_of_slices_does_not_change_a_defined_outcome(name: str) -> None:
    argv = command(name)
    if name == "futex_rounds":
        argv[1:] = ["4", "20"]
    outputs = set()
    for blocks in (100_000, 1000, 7, 1):
        result = tgid.run(argv, slice_blocks=blocks, debug=True, memory=512 << 20, timeout=120)
        outputs.add((result.status, result.stdout))
    assert len(outputs) == 1
