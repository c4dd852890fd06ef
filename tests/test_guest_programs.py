"""Every guest program prints the same in the machine as on the host, ends with the same status, and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from guest.catalog import LIBCS, Program, programs
from guest.compare import difference, run_inside
from guest.native import Outcome, run_program, skip_reason

LIMITS_OF_THE_ENGINE = {
    "double_mapped_code": "Unicorn does not see that a store through another mapping changes translated code",
    "x87_invalid": "Unicorn's x87 does not raise the invalid-operation exception",
}
"""What the machine is known not to do as Linux on a real processor does; each is expected to fail until the engine does it."""


def marks(program: Program) -> list[pytest.MarkDecorator]:
    reason = LIMITS_OF_THE_ENGINE.get(program.name)
    return [pytest.mark.xfail(reason=reason, strict=True)] if reason else []


CASES = [
    pytest.param(program, libc, id=f"{program.group}/{program.name}-{libc}", marks=marks(program))
    for program in programs().values()
    for libc in LIBCS
    if libc in program.libcs and program.native == "yes" and program.group not in ("bench", "conformance") and not program.slow
]
"""Programs that may run natively, in both flavours; the slow ones and the benchmarks have tests of their own."""


@pytest.mark.parametrize(("program", "libc"), CASES)
def test_same_as_native(program: Program, libc: str, native_outcome: Callable[[Program, str], Outcome]) -> None:
    if reason := skip_reason(program, libc):
        pytest.skip(reason)
    inside = run_inside(program, libc)
    verdict = difference(native_outcome(program, libc), inside)
    # On a busy host a process may be late by more than a program allows for: what counts is whether Linux does the same.
    for _ in range(2):
        if not verdict:
            break
        verdict = difference(run_program(program, libc), inside)
    assert not verdict


@pytest.mark.slow
@pytest.mark.parametrize("name", [p.name for p in programs().values() if p.slow and p.native == "yes"])
def test_large_numbers(name: str, native_outcome: Callable[[Program, str], Outcome]) -> None:
    """10,000 forks, 1,000 processes, 2,000 threads, 64 threads in 1,000 rounds: done, and nothing is left over."""
    program = programs()[name]
    if reason := skip_reason(program, "musl"):
        pytest.skip(reason)
    assert not difference(native_outcome(program, "musl"), run_inside(program, "musl"))


def test_catalogue() -> None:
    """Every program introduces itself, and none has the name of another."""
    assert len(programs()) > 100
    assert all(program.title for program in programs().values())


@pytest.mark.parametrize("name", ["fork_tree", "futex_wake", "nested", "pipes"])
def test_runs_are_reproducible(name: str) -> None:
    """Time is virtual, slices are counted and randomness has a seed: two runs are equal to the last byte."""
    program = programs()[name]
    if reason := skip_reason(program, "musl"):
        pytest.skip(reason)
    first, second = run_inside(program), run_inside(program)
    assert first == second
