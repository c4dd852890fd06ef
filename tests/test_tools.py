"""Tracers of Debian, unmodified, as guests: the same sessions on the host give the same answers.

The sessions are in tests/sessions, what may differ is said in ``tool_session``.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tool_session import SESSIONS, differences, load, run_inside, run_native

from guest.build import compiler_missing
from guest.catalog import DEBUG

NAMES = sorted(path.stem for path in SESSIONS.glob("*.session"))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_session(name: str, tmp_path: Path) -> None:
    session = load(name)
    if missing := session.missing or compiler_missing(DEBUG):
        pytest.skip(f"needs {missing}")
    native = run_native(session.sections, tmp_path)
    for model in session.models:
        inside = run_inside(session.sections, tmp_path, model)
        found = differences(native, inside, session.unordered)
        # On a busy host a process may be late by more than a session allows for: what counts is whether Linux does the same.
        for _ in range(2):
            if not found:
                break
            again = run_native({section: session.sections[section] for section in found}, tmp_path)
            found = differences(again, inside, session.unordered)
        if found:
            pytest.fail("\n".join(found.values()), pytrace=False)
