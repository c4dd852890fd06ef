"""Debian's strace and gdb, unmodified, as guests: the same session inside and on the host gives the same answers."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import tgid

ENV = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LANG": "C", "LC_ALL": "C"}

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="no strace")
needs_gdb = pytest.mark.skipif(shutil.which("gdb") is None or shutil.which("gcc") is None, reason="no gdb or gcc")

STATE = re.compile(r"0x[0-9a-f]+|(?<=si_pid=)\d+|(?<=kill\()\d+|(?<=process )\d+|(?<=LWP )\d+|(?<=expected=)\d+| +|\d+ vars")
"""What differs from run to run or from host to host: addresses, pids, the padding behind them, the environment's size."""


def both(argv: list[str], cwd: Path) -> tuple[str, str]:
    """Run a command on the host and inside; return what each printed, both streams, state of the run aside."""
    native = subprocess.run(argv, env=ENV, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    inside = tgid.run(argv, env=ENV, cwd=str(cwd), timeout=120, semantics="linux")
    assert inside.status == (native.returncode if native.returncode >= 0 else 128 - native.returncode)
    texts = ((native.stdout + native.stderr).decode(), (inside.stdout + inside.stderr).decode())
    return STATE.sub(" ", texts[0]), STATE.sub(" ", texts[1])


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small program with debug information: calls, a thread, a child process."""
    folder = tmp_path_factory.mktemp("debugged")
    source = folder / "debugged.c"
    source.write_text(
        """
        #include <pthread.h>
        #include <stdio.h>
        #include <sys/wait.h>
        #include <unistd.h>
        int total;
        int twice(int x)
        {
            int y = x * 2;
            return y;
        }
        void *run(void *argument)
        {
            total += twice(*(int *)argument);
            return 0;
        }
        int main(int count, char **words)
        {
            int three = 3;
            if (count > 1) {
                pthread_t thread;
                pthread_create(&thread, 0, run, &three);
                pthread_join(thread, 0);
            }
            for (int i = 0; i < 3; i++)
                total += twice(i);
            if (fork() == 0)
                _exit(total);
            int status;
            wait(&status);
            printf("total %d status %d\\n", total, WEXITSTATUS(status));
            return 0;
        }
        """
    )
    subprocess.run(["gcc", "-g", "-O0", "-pthread", "-o", "debugged", "debugged.c"], cwd=folder, check=True)
    return folder / "debugged"


STRACE = {
    "one": ["strace", "-e", "trace=getuid,prctl,exit_group,execve", "/bin/busybox", "true"],
    "missing": ["strace", "-e", "trace=execve", "/nonexistent"],
    "signal": ["strace", "-e", "trace=kill,exit_group", "/bin/busybox", "sh", "-c", "kill -USR1 $$"],
    "inject": ["strace", "-e", "trace=getuid", "-e", "inject=getuid:retval=77", "/bin/busybox", "whoami"],
    "follow": ["strace", "-qq", "-f", "-o", "/dev/null", "/bin/busybox", "sh", "-c", "(exit 3); echo $?; true | cat"],
    "count": ["strace", "-c", "-o", "/dev/null", "/bin/busybox", "true"],
}


@needs_strace
@pytest.mark.parametrize("name", STRACE)
def test_strace(name: str, tmp_path: Path) -> None:
    native, inside = both(STRACE[name], tmp_path)
    assert inside == native


@needs_strace
def test_strace_attaches_and_lets_go(tmp_path: Path) -> None:
    script = (
        "busybox sh -c 'while :; do sleep 0.01; done' & p=$!; sleep 0.1; "
        "strace -f -qq -o trace -p $p & s=$!; sleep 0.2; kill -INT $s; wait $s; echo $?; "
        "grep -c nanosleep trace >/dev/null && echo seen; kill -0 $p && echo lives; kill -9 $p; wait $p; echo $?"
    )
    result = tgid.run(["bash", "-c", script], env=ENV, cwd="/tmp", timeout=120)
    assert result.stdout.decode().split() == ["130", "seen", "lives", "137"], result.stderr.decode()
    assert not result.leaks


GDB = {
    "breakpoint": ["break twice", "run", "bt", "next", "next", "print y", "finish", "info breakpoints"],
    "condition": ["break twice if x == 2", "run", "print x", "kill"],
    "step": ["break main", "run", "next", "next", "step", "info locals", "stepi", "continue"],
    "change": ["break twice", "run", "set var x = 50", "delete", "continue"],
    "watch": ["set can-use-hw-watchpoints 0", "break main", "run", "watch total", "continue", "continue", "delete", "continue"],
    "fork": ["set follow-fork-mode child", "run"],
    "catch": ["catch fork", "catch syscall exit_group", "run", "continue", "delete", "continue"],
    "call": ["break main", "run", "print twice(21)", "kill"],
}


@needs_gdb
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow if name != "breakpoint" else ()) for name in GDB])
def test_gdb(name: str, program: Path) -> None:
    commands = [word for line in GDB[name] for word in ("-ex", line)]
    native, inside = both(["gdb", "-q", "-nx", "-batch", *commands, str(program)], program.parent)
    # gdb and the program it lets run write to one terminal at the same time: the lines count, not their order.
    assert sorted(inside.splitlines()) == sorted(native.splitlines())


@needs_gdb
@pytest.mark.slow
def test_gdb_threads(program: Path) -> None:
    lines = ("break twice", "run", "info threads", "bt 2", "continue", "kill")
    commands = [word for line in lines for word in ("-ex", line)]
    argv = ["gdb", "-q", "-nx", "-batch", *commands, "--args", str(program), "thread"]
    native, inside = both(argv, program.parent)
    # Where the first thread is by then (still in clone, or already joining) is up to the scheduler.
    first = re.compile(r'"debugged" (clone3|__futex|__pthread|0x|main|__GI).*')
    native, inside = (first.sub('"debugged" somewhere', text) for text in (native, inside))
    assert sorted(inside.splitlines()) == sorted(native.splitlines())
