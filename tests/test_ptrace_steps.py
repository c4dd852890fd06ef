"""PTRACE_SINGLEBLOCK, which virtual machines seldom have, so that there is nothing to compare with."""

from __future__ import annotations

import pytest

from guest.build import compiler_missing
from guest.catalog import programs
from guest.compare import run_inside


@pytest.mark.skipif(bool(compiler_missing("musl")), reason="no compiler for guest programs")
def test_block_steps_stop_at_taken_branches() -> None:
    """Two of three rounds of a loop branch back; the system call is stopped at, too; then a jump, then the return."""
    run = run_inside(programs()["block_steps"])
    lines = run.outcome.stdout.decode().splitlines()
    assert [line.split("at ")[1].split(",")[0] for line in lines[1:5]] == ["6", "6", "18", "22"]
    assert "code 1" in lines[3]  # as behind any call that was stepped over
    assert all("code 2" in line for line in (*lines[1:3], *lines[4:7]))
    assert lines[-1] == "  in the handler: 1"
