"""What a selftest said: its output as a table from case to verdict.

Four habits are found in the kernel's tree.  Most programs print TAP (``ok 1 name``), some through the test harness, which
announces each case (``# RUN name``) and leaves the name out when it is skipped.  Those of x86 print ``[RUN] what`` and then one
line or more of ``[OK]`` or ``[FAIL]``: there the announcement is the case.  Older ones print ``what ... [OK]``.  And some say
nothing and fail an assertion; so the exit status is a case of every program, called ``exit``.

Numbers that differ from run to run (addresses, times) are replaced by N in names; a name that comes again gets ``#2``.
"""

from __future__ import annotations

import re
from collections import Counter
from enum import StrEnum


class Verdict(StrEnum):
    """The outcome of one case."""

    PASS = "pass"
    FAIL = "fail"
    SKIP = "skip"
    ABSENT = "absent"
    """The other run had the case and this one had not."""


KSFT_SKIP = 4
"""Exit status of a program that could not test anything (kselftest.h)."""

_TAP = re.compile(
    r"^(?P<verdict>ok|not ok) (?P<number>\d+)(?: -)?(?: (?P<name>.*?))??(?:\s*# ?(?P<directive>SKIP|XFAIL|XPASS|TODO).*)?$"
)
_ANNOUNCED = re.compile(r"^#\s+RUN\s+(?P<name>\S+) \.\.\.$")
_BRACKET = re.compile(r"^\[(?P<word>RUN|OK|PASS|FAIL|SKIP|XFAIL|ERROR)\]\s*(?P<text>.*)$")
_TRAILING = re.compile(r"^(?P<name>.*\S)\s*\[\s*(?P<word>OK|PASS|PASSED|FAIL|FAILED|ERROR|UNSUPPORTED|SKIP)\s*\]$")
_LEADING = re.compile(r"^(?P<word>PASS|FAIL): (?P<name>.*)$")
_VARYING = re.compile(r"0x[0-9a-f]{5,}|\b[0-9a-f]{8,}\b|\d+\.\d+|\d{5,}")

_WORDS = {
    "OK": Verdict.PASS,
    "PASS": Verdict.PASS,
    "PASSED": Verdict.PASS,
    "SKIP": Verdict.SKIP,
    "UNSUPPORTED": Verdict.SKIP,
    "XFAIL": Verdict.SKIP,
}


def exit_verdict(status: int) -> Verdict:
    """Translate an exit status as kselftest does."""
    return {0: Verdict.PASS, KSFT_SKIP: Verdict.SKIP}.get(status, Verdict.FAIL)


def parse(output: str, status: int) -> dict[str, Verdict]:
    """Return the cases of one run in the order they were printed, the exit status last."""
    found: dict[str, Verdict] = {}
    seen: Counter[str] = Counter()
    announced = ""

    def add(name: str, verdict: Verdict) -> None:
        name = " ".join(_VARYING.sub("N", name).split())
        seen[name] += 1
        found[name if seen[name] == 1 else f"{name}#{seen[name]}"] = verdict

    for line in output.splitlines():
        line = line.strip()
        if match := _ANNOUNCED.match(line):
            announced = match["name"]
        elif match := _TAP.match(line):
            verdict = Verdict.PASS if match["verdict"] == "ok" else Verdict.FAIL
            if match["directive"] in ("SKIP", "XFAIL"):
                verdict = Verdict.SKIP
            add(announced or match["name"] or match["number"], verdict)
            announced = ""
        elif match := _BRACKET.match(line):
            if match["word"] == "RUN":
                announced = match["text"]
            else:
                add(announced or match["text"], _WORDS.get(match["word"], Verdict.FAIL))
        elif match := _TRAILING.match(line) or _LEADING.match(line):
            add(match["name"], _WORDS.get(match["word"], Verdict.FAIL))
    found["exit"] = exit_verdict(status)
    return found
