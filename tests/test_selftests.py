"""Linux's own selftests: every case that passes on this host passes inside, under both models, but for a list with reasons."""

from __future__ import annotations

import pytest

from guest.build import BuildError
from guest.selftests.build import build, missing
from guest.selftests.catalog import Selftest, selftests
from guest.selftests.run import judge, known_failures, native_refused, run_inside, run_on_host

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


@pytest.mark.slow
@pytest.mark.parametrize("program", [pytest.param(p, id=p.id) for p in selftests().values()])
def test_selftest(program: Selftest) -> None:
    if reason := native_refused():
        pytest.skip(reason)
    try:
        build(program)
    except BuildError as error:
        if "cannot find -l" in str(error):
            pytest.skip(f"{program.id} needs a static library: {error}")
        raise
    native = None if program.native else run_on_host(program)
    trouble = []
    for model in program.models:
        inside = run_inside(program, model)
        found = [case for case in judge(program, model, native, inside) if case.trouble]
        trouble += [f"{model}: {case.case}: {case.trouble} ({case.inside})" for case in found]
        if found:
            trouble += inside.outcome.stdout.decode(errors="replace").splitlines()[-20:]
            trouble += inside.outcome.stderr.decode(errors="replace").splitlines()[-20:]
    assert not trouble, "\n".join(trouble)


def test_known_failures_are_of_known_programs() -> None:
    assert {entry.program for entry in known_failures()} <= set(selftests())
    assert all(entry.reason and entry.cases for entry in known_failures())
