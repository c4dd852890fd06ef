"""A defect of the kernel itself hits one process, is told in one line, and never takes the machine along silently.

The defects are put in by replacing system calls (and, worst of all, parts of exit) with functions that raise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import pytest

import tgid
from guest import build
from kernel import exit as exit_module
from kernel.signal import SIGKILL
from kernel.task import Thread
from kernel.waitqueue import Blocking
from tgid.console import CapturedConsole

GETPPID = 110


@pytest.fixture(scope="module")
def program() -> str:
    try:
        return str(build.build("hello", "musl"))
    except build.BuildError as error:
        pytest.skip(str(error))


def defect(t: Thread, *args: int) -> NoReturn:
    raise IndexError("a defect")


def sleeping_defect(t: Thread, *args: int) -> Blocking[int]:
    yield from ()
    raise IndexError("a defect after a sleep")


def run(program: str, number: int, call: Callable[..., object], debug: bool = False) -> tgid.Result:
    machine = tgid.Machine(tgid.Config(debug=debug), CapturedConsole())
    try:
        machine.kernel.calls[number] = call
        return machine.run([program], {})
    finally:
        machine.close()


@pytest.mark.parametrize("call", [defect, sleeping_defect])
def test_an_oops_kills_the_process_and_is_told(program: str, call: Callable[..., object]) -> None:
    result = run(program, 1, call)  # musl's stdio uses writev, others write: both
    result = run(program, 20, call) if result.status == 0 else result
    assert result.status == 128 + SIGKILL
    assert len(result.log) == 1
    assert result.log[0].startswith("kernel oops in write")
    assert "a defect" in result.log[0]


def test_with_debug_the_error_itself_is_seen(program: str) -> None:
    with pytest.raises(IndexError):
        run(program, 231, defect, debug=True)


def test_an_oops_in_exit_still_lets_the_parent_go_on(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exit_module, "exit_itimers", defect)
    result = run(program, GETPPID, defect)
    assert all(line.startswith("kernel oops in ") for line in result.log)
    assert 1 <= len(result.log) <= 6
    assert result.stdout


def test_when_not_even_burying_works_the_machine_stops_with_one_line(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exit_module, "_exit_notify", defect)
    result = run(program, GETPPID, defect)
    assert result.status == 125
    assert result.log[-1] == "kernel panic: IndexError: a defect"
    assert len(result.log) <= 3
