"""Run a selftest on the host and in the machine, and judge each case against the host's verdict and the list of known failures.

The host is protected from the tests: each runs from a copy of its directory, in a mount namespace of its own and mostly in a
pid namespace of its own, so that nothing it mounts or starts outlives it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from guest.native import ENVIRONMENT, Outcome, Timeout, run_native
from guest.selftests.build import build
from guest.selftests.cases import Verdict, parse
from guest.selftests.catalog import MODELS, Selftest

HOST_TIMEOUT = 600.0
"""Host seconds a run inside may take."""
EXIT_TIMEOUT = 124
KNOWN = Path(__file__).with_name("known.toml")

_NUMBER = re.compile(r"\d+")
_UNSHARE = ("unshare", "--mount", "--propagation", "private", "--ipc")
_OWN_PIDS = ("--pid", "--fork", "--mount-proc", "--kill-child")
# The copy takes the place of the original, for some cases have the working directory in their names.  And the test is not
# the shell itself, because the first process of a pid namespace is protected from signals.
_START = ("sh", "-c", 'mount --bind . "$1" && cd "$1" && shift && "$@"; exit $?', "sh")


class Run(NamedTuple):
    """One run: the verdicts by case, and what was printed."""

    cases: dict[str, Verdict]
    outcome: Outcome
    log: tuple[str, ...] = ()


class Judged(NamedTuple):
    """One case: the verdicts of the host and of the machine, and the reason if it is known to fail inside."""

    case: str
    native: Verdict
    inside: Verdict
    known: str

    @property
    def trouble(self) -> str:
        """Return what is wrong: the case fails and should not, or passes and is listed; empty if all is as expected."""
        if self.native is Verdict.PASS and self.inside is not Verdict.PASS and not self.known:
            return "passes natively and not inside"
        if self.known and self.inside is Verdict.PASS:
            return "is listed as a known failure and passes"
        return ""


@cache
def native_refused() -> str:
    """Return why this host cannot run the selftests, or an empty string."""
    if os.geteuid() != 0:
        return "the selftests run natively as root only"
    probe = subprocess.run([*_UNSHARE, *_OWN_PIDS, *_START, "/mnt", "true"], capture_output=True, text=True, cwd="/tmp")
    return f"no namespaces on this host: {probe.stderr.strip()}" if probe.returncode else ""


def _decode(outcome: Outcome) -> dict[str, Verdict]:
    text = outcome.stdout.decode(errors="replace")
    # The x86 tests of old write verdicts to either stream.
    found = parse(text, outcome.status)
    return found if len(found) > 1 else parse(text + outcome.stderr.decode(errors="replace"), outcome.status)


def run_on_host(program: Selftest) -> Run:
    """Build and run ``program`` natively; one that does not end in time has passed nothing.

    Raises BuildError, and ValueError for a program that must not run on a host.
    """
    if program.native:
        raise ValueError(f"{program.id}: {program.native}")
    path = build(program)
    with tempfile.TemporaryDirectory(prefix="selftest-") as scratch:
        at = Path(scratch) / "home"
        shutil.copytree(path.parent, at, symlinks=True)
        os.chmod(scratch, 0o755)
        cpu = ("taskset", "-c", str(min(os.sched_getaffinity(0)))) if program.one_cpu else ()
        prefix = (*cpu, *_UNSHARE, *(_OWN_PIDS if program.own_pids else ()), *_START, str(path.parent))
        try:
            outcome = run_native([f"./{path.name}", *program.args], timeout=program.timeout, prefix=prefix, cwd=at)
        except Timeout as late:
            return Run({"exit": Verdict.FAIL}, Outcome(EXIT_TIMEOUT, b"", b""), (str(late),))
    return Run(_decode(outcome), outcome)


def run_inside(program: Selftest, model: str, *, timeout: float = HOST_TIMEOUT) -> Run:
    """Build and run ``program`` in a machine with the semantics ``model``.  Raises BuildError."""
    import tgid

    path = build(program)
    argv = [f"./{path.name}", *program.args]
    config: dict[str, Any] = {
        "semantics": model,
        "timeout": timeout,
        "block_ns": program.block_ns,
        "cwd": str(path.parent),
        "aslr": True,
    }
    result = tgid.run(argv, env=ENVIRONMENT, **config)
    outcome = Outcome(result.status, result.stdout, result.stderr)
    return Run(_decode(outcome), outcome, result.log)


class Known(NamedTuple):
    """An entry of the list: ``cases`` are names in which ``*`` stands for anything."""

    program: str
    models: tuple[str, ...]
    cases: tuple[str, ...]
    reason: str

    def lists(self, case: str) -> bool:
        """Tell whether ``case`` is one of them."""
        return any(re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), case) for pattern in self.cases)


@cache
def known_failures() -> tuple[Known, ...]:
    """Read the list of known failures."""
    entries = tomllib.loads(KNOWN.read_text(encoding="utf-8")).get("failure", [])
    return tuple(
        Known(program, tuple(entry.get("models", MODELS)), tuple(entry["cases"]), entry["reason"])
        for entry in entries
        for program in entry["programs"]
    )


def _paired(expected: Iterable[str], found: Iterable[str]) -> dict[str, str]:
    """Map names of cases of one run to those of another: equal ones, else those that differ in numbers only, in order."""
    there = dict.fromkeys(found)
    pairs = {name: name for name in expected if name in there}
    left: dict[str, list[str]] = {}
    for name in there:
        if name not in pairs:
            left.setdefault(_NUMBER.sub("", name), []).append(name)
    for name in expected:
        if name not in pairs and (candidates := left.get(_NUMBER.sub("", name))):
            pairs[name] = candidates.pop(0)
    return pairs


def judge(program: Selftest, model: str, native: Run | None, inside: Run) -> list[Judged]:
    """Compare two runs case by case; without a native one whatever is tested inside is expected to pass."""
    known = [entry for entry in known_failures() if entry.program == program.id and model in entry.models]
    tested = [case for case, verdict in inside.cases.items() if verdict is not Verdict.SKIP]
    expected = native.cases if native is not None else dict.fromkeys(tested, Verdict.PASS)
    pairs = _paired(expected, inside.cases)
    rows = [(name, expected[name], inside.cases[pairs[name]] if name in pairs else Verdict.ABSENT) for name in expected]
    rows += [(name, Verdict.ABSENT, inside.cases[name]) for name in inside.cases if name not in pairs.values()]
    return [
        Judged(*row, next((entry.reason for entry in known if row[1] is not Verdict.ABSENT and entry.lists(row[0])), ""))
        for row in rows
    ]
