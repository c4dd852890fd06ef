"""What all tests share: the native oracle of the guest programs, each run at most once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from guest.catalog import Program
from guest.native import Outcome, run_program


@pytest.fixture(scope="session")
def native_outcome() -> Callable[[Program, str], Outcome]:
    """Return a function that runs a guest program on the host, at most once a session and flavour, and returns its outcome."""
    known: dict[tuple[str, str], Outcome] = {}

    def run(program: Program, libc: str) -> Outcome:
        key = (program.name, libc)
        if key not in known:
            known[key] = run_program(program, libc)
        return known[key]

    return run
