"""Tracers of Debian, unmodified, as guests: the same sessions on the host give the same answers.

The sessions are in tests/sessions, what may differ is said in ``tool_session``.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tool_session import SESSIONS, compare, load, run_inside, run_native

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
        compare(native, run_inside(session.sections, tmp_path, model), session.unordered)
