"""Scripted sessions of real tools: the same shell script natively and in the machine, and what differs between the transcripts.

A session is a file of shell text in named sections (``load``).  It runs in a directory with the debuggees and their sources and
nothing else, as the first process of a pid namespace whose numbers start at 20000 in both worlds, so that a number of five
digits that starts with 20 is a pid.  ``normalise`` makes of the rest of what differs from run to run or from host to host
something that does not: addresses (but those of a program gdb started, which is never moved), and pids by the order in which
they appear.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import tgid
from guest.build import build
from guest.catalog import DEBUG, programs

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent", "LANG": "C", "LC_ALL": "C", "TERM": "dumb"}
SESSIONS = Path(__file__).parent / "sessions"
FIRST_PID = 20000
NATIVE_SECONDS = 150
INSIDE_SECONDS = 600
"""Time limits, which only a hang reaches: a busy host is slow."""

_PID = re.compile(r"\b20\d{3}\b")
_ADDRESS = re.compile(r"0x(?!5555555)[0-9a-f]{5,}\b|\b00007[0-9a-f]{11}\b")
_ELSEWHERE = re.compile(r"exec file is newer|\.reg-xstate|Memory read failed for corefile section|^Reading /usr/lib/debug/")
"""Lines about what one side does not have: a clock that starts in the past, AVX, vsyscall, a build-id in the vDSO."""
_PADDING = re.compile(r"[ \t]+")
_MARK = "@@ section "


class Section(NamedTuple):
    """What one section printed, both streams, and the exit status of its last command."""

    text: str
    status: int


def normalise(text: str, unordered: Iterable[str] = ()) -> str:
    """Return ``text`` without what may differ: addresses become ADDRESS, pids P1, P2, ..., blanks one blank, and lines in which
    one of the ``unordered`` patterns is found, whose place is up to the scheduler, stand at the end, sorted."""
    known: dict[str, str] = {}
    text = _ADDRESS.sub("ADDRESS", _PADDING.sub(" ", text))
    text = _PID.sub(lambda match: known.setdefault(match[0], f"P{len(known) + 1}"), text)
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not _ELSEWHERE.search(line)]
    pattern = re.compile("|".join(unordered)) if unordered else None
    moved = sorted(line for line in lines if pattern is not None and pattern.search(line))
    return "\n".join([line for line in lines if pattern is None or not pattern.search(line)] + moved)


class Session(NamedTuple):
    """A file of tests/sessions: what it is about, the programs it needs, the models it runs in, patterns of lines that come in
    any order, and its sections."""

    title: str
    needs: tuple[str, ...]
    models: tuple[str, ...]
    unordered: tuple[str, ...]
    sections: Mapping[str, str]

    @property
    def missing(self) -> str:
        """Say which program is not installed, empty if all are."""
        return " ".join(name for name in self.needs if shutil.which(name) is None)


def load(name: str) -> Session:
    """Read ``tests/sessions/NAME.session``: a comment with ``key: words`` lines, then sections that start with ``== NAME``."""
    head, *parts = ("\n" + (SESSIONS / f"{name}.session").read_text()).split("\n== ")
    title, *settings = [line.lstrip("# ") for line in head.strip().splitlines()]
    values = {key: tuple(words.split()) for key, _, words in (line.partition(": ") for line in settings if line)}
    sections = {part.partition("\n")[0]: part.partition("\n")[2] for part in parts}
    return Session(title, values.get("needs", ()), values.get("models", ("linux",)), values.get("unordered", ()), sections)


def _script(sections: Mapping[str, str]) -> str:
    lines = [f"echo {FIRST_PID} > /proc/sys/kernel/ns_last_pid || exit 125", (SESSIONS / "prelude.sh").read_text()]
    for name, text in sections.items():
        lines += [f"echo; echo {shlex.quote(_MARK + name)}", f"({text}\n) 2>&1", 'echo "@@ status $?"']
    return "\n".join(lines) + "\n"


def _split(output: str) -> dict[str, Section]:
    found: dict[str, Section] = {}
    for part in output.split("\n" + _MARK)[1:]:
        name, _, rest = part.partition("\n")
        text, mark, status = rest.rpartition("@@ status ")
        found[name] = Section(text, int(status)) if mark else Section(status, -1)
    return found


def _prepare(folder: Path) -> None:
    """Leave nothing in ``folder`` but the debuggees and their sources."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for program in programs().values():
        if DEBUG in program.libcs:
            shutil.copy(build(program.name, DEBUG), folder / program.name)
            shutil.copy(program.source, folder)


def run_native(sections: Mapping[str, str], folder: Path) -> dict[str, Section]:
    """Run the script on the host, in a pid namespace of its own in which nothing survives it."""
    _prepare(folder)
    unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *(["--map-root-user"] if os.geteuid() else [])]
    done = subprocess.run(
        [*unshare, "bash", "-c", _script(sections)],
        env=ENVIRONMENT, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=NATIVE_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return _split(done.stdout.decode(errors="replace"))


def run_inside(sections: Mapping[str, str], folder: Path, semantics: str = "linux") -> dict[str, Section]:
    """Run the script in a machine."""
    _prepare(folder)
    result = tgid.run(
        ["bash", "-c", _script(sections)], env=ENVIRONMENT, cwd=str(folder), timeout=INSIDE_SECONDS, semantics=semantics
    )
    found = _split(result.stdout.decode(errors="replace"))
    assert result.status == 0, f"status {result.status}: {result.log} {result.stderr.decode()} {list(found.values())[-1:]}"
    assert not result.leaks
    return found


def differences(native: Mapping[str, Section], inside: Mapping[str, Section], unordered: Iterable[str] = ()) -> dict[str, str]:
    """Return how the transcripts differ, for each section in which they do."""
    found: dict[str, str] = {}
    for name, section in native.items():
        other = inside.get(name, Section("(did not run)", -1))
        a, b = (f"{normalise(x.text, unordered)}\nstatus {x.status}".splitlines() for x in (section, other))
        lines = list(difflib.unified_diff(a, b, "native", "inside", lineterm="", n=2))
        if lines:
            found[name] = "\n".join([f"== {name}", *lines[2:]])
    return found
