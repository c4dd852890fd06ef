"""Seccomp does not depend on who leads a thread group: its guest programs see the same without leaders, but for one thing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from guest.catalog import Program, programs
from guest.compare import run_inside
from guest.native import Outcome, skip_reason

PROGRAMS = [program for program in programs().values() if program.group == "seccomp" and program.name != "seccomp_verifier"]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_without_leaders(program: Program, native_outcome: Callable[[Program, str], Outcome]) -> None:
    if reason := skip_reason(program, "musl"):
        pytest.skip(reason)
    native = native_outcome(program, "musl")
    inside = run_inside(program, semantics="leaderless")
    # A first thread that was killed is gone; the process shows the thread that lives.
    expected = native.stdout.replace(b"state of the first: Z", b"state of the first: R")
    assert inside.outcome.stdout == expected
    assert inside.outcome.status == native.status
    assert not inside.leaks
