"""Random system calls with arguments that are nearly right: the guest may fail, the kernel may not.

With ``debug`` every Python exception that is not an errno comes out here.  Each run is a function of its seed: what fails can be
repeated with ``guest/fuzz/fuzz_syscalls.c``'s arguments SEED FIRST LAST CALLS.
"""

from __future__ import annotations

import pytest

import tgid
from guest import build

ROUNDS = 60
CALLS = 120


@pytest.fixture(scope="module")
def program() -> str:
    try:
        return str(build.build("fuzz_syscalls", "musl"))
    except build.BuildError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("seed", range(1, 9))
def test_nothing_escapes(program: str, seed: int) -> None:
    result = tgid.run([program, str(seed), "0", str(ROUNDS), str(CALLS)], debug=True, timeout=60, memory=256 << 20)
    assert result.status == 0, result.log[-5:]
    assert result.stdout.count(b"round ") == ROUNDS
    assert not result.leaks


def test_the_same_without_the_extension(program: str) -> None:
    """The pure Python engine sees the same calls and results, in the same virtual time."""
    runs = [
        tgid.run([program, "9", "0", "2", "60", "v"], debug=True, timeout=60, memory=256 << 20, accelerate=accelerate)
        for accelerate in (None, False)
    ]
    assert runs[0].stdout == runs[1].stdout
    assert runs[0].time_ns == runs[1].time_ns
