"""The examples of the documentation are run and must print what is printed there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from guest import build
from tgid.cli import main

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = re.findall(r"^```console\n\$ tgid (.*)\n((?:.*\n)*?)```$", (ROOT / "docs/semantics.md").read_text(), re.MULTILINE)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 12


@pytest.mark.parametrize(("command", "printed"), EXAMPLES, ids=[command.split("/")[-1] for command, _ in EXAMPLES])
def test_examples_print_what_the_page_says(
    command: str, printed: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if reason := build.compiler_missing("musl"):
        pytest.skip(reason)
    monkeypatch.setattr("sys.stdin", None)
    monkeypatch.chdir(ROOT)
    main(shlex.split(command))
    assert capsys.readouterr().out.rstrip() == printed.rstrip()
