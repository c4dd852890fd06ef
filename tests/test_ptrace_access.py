"""Who may attach to whom: Yama's scopes (Documentation/admin-guide/LSM/Yama.rst), beside the rules of test_ptrace_stops."""

from __future__ import annotations

import re

import pytest

import tgid
from guest.build import compiler_missing
from guest.catalog import programs
from guest.compare import run_inside

pytestmark = pytest.mark.skipif(bool(compiler_missing("musl")), reason="no compiler for guest programs")

TARGETS = ("own child", "sibling", "lets anybody", "named a process that is not there", "named an ancestor")

ALLOWED = {
    0: (TARGETS, True, TARGETS, True),
    1: (("own child", "lets anybody", "named an ancestor"), True, TARGETS, True),
    2: ((), False, TARGETS, True),
    3: ((), False, (), False),
}
"""scope -> whom an unprivileged process may attach to, whether its child may ask to be traced, and the same for root."""


@pytest.mark.parametrize("scope", ALLOWED)
def test_scopes(scope: int) -> None:
    run = run_inside(programs()["yama"], yama_scope=scope)
    lines = run.outcome.stdout.decode().splitlines()
    assert lines[0] == f"scope {scope}"
    seen = []
    for head in ("-- without privilege", "-- with CAP_SYS_PTRACE"):
        part = lines[lines.index(head) + 1 :]
        verdicts = {}
        for line in part[: next(i for i, line in enumerate(part) if line.startswith("traceme"))]:
            if match := re.fullmatch(r"(.*): attach (.*), read (.*), mem (.*); maps yes, kcmp yes", line):
                assert match[2] == match[3] == match[4], line  # they need the same right; looking needs less
                verdicts[match[1]] = match[2]
        assert tuple(verdicts) == TARGETS
        seen += [tuple(name for name in TARGETS if verdicts[name] == "yes"), "traceme: yes" in part[:9]]
    assert tuple(seen) == ALLOWED[scope]
    assert not run.leaks


def test_the_scope_only_rises_from_the_highest() -> None:
    set_it = "for n in 2 0 3 0 4 3; do echo $n >/proc/sys/kernel/yama/ptrace_scope && echo $n; done 2>/dev/null"
    result = tgid.run(["/bin/sh", "-c", set_it])
    assert result.stdout.split() == [b"2", b"0", b"3", b"3"]
    assert tgid.run(["/bin/sh", "-c", set_it], uid=1000, gid=1000).stdout == b""
