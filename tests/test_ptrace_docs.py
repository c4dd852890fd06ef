"""docs/ptrace.md says what the code does: its tables are the code's, its examples print what they say."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kernel.ptrace_states import STOPS
from syscalls import ptrace as requests
from tgid.ptrace_report import PARTS, fill, request_names, stop_diagram

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/ptrace.md").read_text()
EXAMPLES = re.findall(r"^```console\n\$ tgid (.*)\n((?:.*\n)*?)```$", PAGE, re.MULTILINE)


def test_the_generated_parts_are_up_to_date() -> None:
    """``python -m tgid.ptrace_report --write docs/ptrace.md`` makes them so."""
    assert fill(PAGE) == PAGE
    assert set(re.findall(r"<!-- generated: (\w+) -->", PAGE)) == set(PARTS)


def test_every_request_is_listed() -> None:
    declared = {value for name, value in vars(requests).items() if re.fullmatch(r"PTRACE_[A-Z_]+", name)}
    assert set(request_names()) == declared


def test_the_diagram_names_every_state_it_uses() -> None:
    lines = stop_diagram().splitlines()
    declared = {match[1] for line in lines if (match := re.search(r" as (\w+)", line))} | {"running", "listening", "dead", "[*]"}
    used = {end for line in lines if "-->" in line for end in re.match(r" *(\S+) --> ([^:\s]+)", line).groups()}  # type: ignore[union-attr]
    assert used <= declared
    assert len(STOPS) == 14


@pytest.mark.parametrize(("command", "printed"), EXAMPLES, ids=[str(n) for n in range(len(EXAMPLES))])
def test_examples(command: str, printed: str) -> None:
    if shutil.which("strace") is None or shutil.which("busybox") is None:
        pytest.skip("no strace or no busybox")
    done = subprocess.run([sys.executable, "-m", "tgid", *shlex.split(command)], cwd=ROOT, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
    # A program's output and its tracer's meet in any order.
    assert sorted(done.stdout.splitlines()) == sorted(printed.splitlines())
