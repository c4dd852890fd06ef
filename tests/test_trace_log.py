"""The shape of a trace: whose lines, broken lines, filters, the summary; and that tracing changes nothing."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from guest.build import BuildError, build
from syscalls.families import table
from syscalls.numbers import NAMES
from tgid.console import CapturedConsole
from tgid.machine import EXIT_DEADLOCK, EXIT_TIMEOUT, Config, Machine, Result
from tgid.tracelog import TraceLog, parse_filter

ENVIRONMENT = {"PATH": "/bin"}


def program(name: str) -> Path:
    try:
        return build(name, "musl")
    except BuildError as error:
        pytest.skip(str(error))


def run(name: str, only: str | None = None, traced: bool = True, timeout: float = 60, **form: bool) -> tuple[Result, list[str]]:
    """Run a guest program; return what became of it and the lines of its trace."""
    pieces: list[str] = []
    machine = Machine(Config(timeout=timeout), CapturedConsole())
    log = TraceLog(machine.table, pieces.append, parse_filter(only, machine.table), **{"summary": False, **form})
    if traced:
        machine.kernel.watch = log
    try:
        result = machine.run([str(program(name))], ENVIRONMENT)
        log.finish()
    finally:
        machine.close()
    return result, "".join(pieces).splitlines()


# -- lines ------------------------------------------------------------------------------------------------------------
def test_first_and_last_line() -> None:
    _, lines = run("hello")
    path = program("hello")
    assert re.fullmatch(rf'execve\("{path}", \["[^"]*"\.*\], 0x[0-9a-f]+ /\* 1 var \*/\) = 0', lines[0])
    assert lines[-2] == "exit_group(0)                           = ?"
    assert lines[-1] == "+++ exited with 0 +++"


def test_the_result_stands_in_column_40_or_behind_a_longer_call() -> None:
    _, lines = run("fork_tree")
    calls = [line for line in lines if " = " in line and "unfinished" not in line]
    assert calls
    for line in calls:
        at = line.rindex(" = ")
        assert at == 39 or (at > 39 and line[at - 1] == ")"), line


def test_tasks_are_named_while_there_are_several() -> None:
    _, lines = run("fork_tree")
    alive = 1
    for line in lines:
        attached = re.fullmatch(r"strace: Process \d+ attached", line)
        if attached:
            alive += 1
            continue
        assert line.startswith("[pid ") == (alive > 1), line
        alive -= "+++ exited" in line or "+++ killed" in line
    assert alive == 0


def test_in_a_file_every_line_begins_with_its_task() -> None:
    _, lines = run("fork_tree", to_file=True)
    assert all(re.match(r"\d+ +\S", line) for line in lines)
    assert not any("attached" in line for line in lines)


@pytest.mark.parametrize("name", ["fork_tree", "mutex", "stop_continue", "restart"])
def test_a_broken_call_is_resumed_by_its_task(name: str) -> None:
    _, lines = run(name, to_file=True)
    broken: dict[str, str] = {}
    for line in lines:
        task, text = line.split(maxsplit=1)
        resumed = re.match(r"<\.\.\. (\w+) resumed>", text)
        if resumed:
            assert broken.pop(task) == resumed[1]
        elif text.endswith("<unfinished ...>"):
            assert task not in broken
            broken[task] = text.partition("(")[0]
        elif not text.startswith(("---", "+++")):
            assert task not in broken, line
    assert not broken


def test_stops_and_ends() -> None:
    text = "\n".join(run("stop_continue")[1])
    assert re.search(r"--- SIGSTOP \{si_signo=SIGSTOP, .*\n.*--- stopped by SIGSTOP ---", text)
    assert "--- SIGCONT " in text


def test_nobody_sees_sigkill_come() -> None:
    text = "\n".join(run("exit_codes")[1])
    assert "--- SIGKILL" not in text
    assert "+++ killed by SIGKILL +++" in text


def test_calls_of_the_vdso_are_not_shown() -> None:
    result, lines = run("vdso", "trace=clock_gettime,getcpu")
    assert b"ok" in result.stdout
    # The program asks each clock by a system call before and after it asks the vDSO; the processor the vDSO only.
    clocks = [line.partition("(")[2].partition(",")[0] for line in lines if line.startswith("clock_gettime(")]
    assert len(clocks) == 2 * len(set(clocks)) > 6
    assert not any(line.startswith("getcpu(") for line in lines)


@pytest.mark.parametrize(
    ("script", "last"),
    [
        ("while :; do :; done", ""),
        ("kill -STOP $$", "--- stopped by SIGSTOP ---"),
        ("sleep 5 & while :; do :; done", ""),
    ],
)
def test_a_run_that_is_ended_loses_nothing(script: str, last: str) -> None:
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("needs busybox")
    pieces: list[str] = []
    machine = Machine(Config(timeout=1), CapturedConsole())
    log = TraceLog(machine.table, pieces.append, None, False)
    machine.kernel.watch = log
    try:
        result = machine.run([busybox, "sh", "-c", script], ENVIRONMENT)
        log.finish()
    finally:
        machine.close()
    assert result.status in (EXIT_TIMEOUT, EXIT_DEADLOCK)
    text = "".join(pieces)
    assert text.startswith("execve(")
    assert text.endswith(f"{last}\n")


# -- what tracing must not do -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["fork_tree", "mutex", "stop_continue", "restart", "sigchld"])
def test_a_traced_program_does_the_same_at_the_same_time(name: str) -> None:
    plain, _ = run(name, traced=False)
    traced, _ = run(name)
    assert (traced.status, traced.stdout, traced.time_ns) == (plain.status, plain.stdout, plain.time_ns)


# -- choosing ---------------------------------------------------------------------------------------------------------
def names(text: str) -> set[str]:
    chosen = parse_filter(text, table())
    assert chosen is not None
    return {NAMES[number] for number in chosen if number in NAMES}


def test_filters() -> None:
    assert parse_filter(None, table()) is None
    assert names("trace=read,write") == {"read", "write"}
    assert names("read,write") == {"read", "write"}
    assert names("t=?nonsense,read") == {"read"}
    assert names("trace=none") == set()
    assert names("trace=all") == set(NAMES.values())
    assert names("trace=!read") == set(NAMES.values()) - {"read"}
    assert names("trace=/^rt_sig.*mask$") == {"rt_sigprocmask"}
    assert {"clone", "clone3", "execve", "wait4", "exit_group"} <= names("trace=%process")
    assert "read" not in names("trace=!%desc")
    assert names("trace=%file") & {"openat", "stat", "execve"} == {"openat", "stat", "execve"}


@pytest.mark.parametrize("text", ["trace=nonsense", "trace=%nonsense", "signal=none", "trace=/("])
def test_bad_filters_are_explained(text: str) -> None:
    with pytest.raises(ValueError, match=r"unknown|only trace|missing|unterminated"):
        parse_filter(text, table())


def test_only_chosen_calls_are_shown() -> None:
    _, lines = run("hello", "trace=writev")
    assert [line.partition("(")[0] for line in lines if "(" in line] == ["writev"]


# -- the summary ------------------------------------------------------------------------------------------------------
def test_summary() -> None:
    _, lines = run("hello", summary=True)
    assert lines[0] == "% time     seconds  usecs/call     calls    errors syscall"
    assert lines[1] == "------ ----------- ----------- --------- --------- ----------------"
    rows = [line.split() for line in lines[2:-2]]
    assert {row[-1] for row in rows} >= {"writev", "execve"}
    assert sum(int(row[3]) for row in rows) == int(lines[-1].split()[3])
    assert lines[-1].startswith("100.00 ")
    assert lines[-1].endswith(" total")
