"""Standard input reaches the guest whole, whatever its size and bytes."""

from __future__ import annotations

import pytest

from guest.build import compiler_missing
from guest.catalog import programs
from guest.compare import run_inside

pytestmark = pytest.mark.skipif(bool(compiler_missing("musl")), reason=compiler_missing("musl"))


INPUTS = {"empty": b"", "line": b"one line\n", "binary": bytes(range(256)), "large": b"x" * 200_000}


@pytest.mark.parametrize("stdin", INPUTS.values(), ids=INPUTS.keys())
def test_copy(stdin: bytes) -> None:
    run = run_inside(programs()["cat"], stdin=stdin)
    assert run.outcome.stdout == stdin + f"[{len(stdin)} bytes]\n".encode()
    assert run.outcome.status == 0
    assert not run.leaks
