"""The benchmark programs work in the machine: they are what the performance table stands on."""

from __future__ import annotations

import pytest

from guest.build import compiler_missing
from guest.catalog import programs
from guest.compare import run_inside

pytestmark = pytest.mark.skipif(bool(compiler_missing("musl")), reason=compiler_missing("musl"))


@pytest.mark.parametrize("name", [p.name for p in programs().values() if p.group == "bench"])
def test_runs_and_reports(name: str) -> None:
    run = run_inside(programs()[name])
    assert run.outcome.status == 0
    assert run.outcome.stdout.startswith(b"start\nstop\n")
    assert not run.leaks
