"""``tgid diff``: one program under both models of process semantics, and what it could tell apart.

Both runs have the same seed, schedule and clock, so their traces are equal line by line until the first thing the program
itself can see is different.  What follows a difference may differ because of it; each place is reported once, in order.  To
name the rule behind a place, the program is run again with one rule flipped at a time: a rule is responsible for the places
that its flip alone brings about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from kernel.semantics import rules
from tgid.console import CapturedConsole
from tgid.machine import Config, Machine, Result
from tgid.tracelog import TraceLog

CONTEXT = 3
"""Equal lines shown before a difference."""


@dataclass(frozen=True, slots=True)
class Run:
    """The trace of one run, a line a list element, and its result."""

    lines: list[str]
    result: Result


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where the traces differ: the lines each model has there, the equal lines before, and the rules responsible.

    ``at``: index of the first line in the first trace.
    """

    at: int
    before: tuple[str, ...]
    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    rules: tuple[str, ...]


def record(argv: Sequence[str], env: Mapping[str, str], stdin: bytes, config: Config) -> Run:
    """Run a program and return what it could see.  Raises MachineFault."""
    pieces: list[str] = []
    machine = Machine(config, CapturedConsole(stdin))
    try:
        log = TraceLog(machine.table, pieces.append, None, False, to_file=True)
        machine.kernel.watch = log
        result = machine.run(argv, env)
        log.finish()
    finally:
        machine.close()
    ends = [f"stdout {line!r}" for line in result.stdout.splitlines()]
    ends += [f"stderr {line!r}" for line in result.stderr.splitlines()]
    ends += [f"kernel: {line}" for line in result.log]
    return Run("".join(pieces).splitlines() + ends + [f"exit status {result.status}"], result)


def _places(ours: list[str], theirs: list[str]) -> list[tuple[int, tuple[str, ...], tuple[str, ...]]]:
    """Return (index, lines of ours, lines of theirs) of every place that differs."""
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    return [
        (first, tuple(ours[first:last]), tuple(theirs[start:stop]))
        for tag, first, last, start, stop in matcher.get_opcodes()
        if tag != "equal"
    ]


def compare(
    argv: Sequence[str], env: Mapping[str, str], stdin: bytes, config: Config, only: Sequence[str] = ()
) -> list[Difference]:
    """Return the differences between the leaderless model and mainline, or with ``only`` between the leaderless model and
    itself with just those rules off.  Raises MachineFault, also for an unknown rule."""
    ours = record(argv, env, stdin, replace(config, semantics="leaderless", rules=()))
    if only:
        other = replace(config, semantics="leaderless", rules=tuple(f"{name}=off" for name in only))
    else:
        other = replace(config, semantics="linux", rules=())
    theirs = record(argv, env, stdin, other)
    places = _places(ours.lines, theirs.lines)
    if not places:
        return []
    flipped: dict[str, set[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
    starts: dict[str, int] = {}
    for name in only or [rule.name for rule in rules()]:
        run = record(argv, env, stdin, replace(config, semantics="leaderless", rules=(f"{name}=off",)))
        found = _places(ours.lines, run.lines)
        if found:
            flipped[name] = {(a, b) for _, a, b in found}
            starts[name] = found[0][0]
    return [
        Difference(
            at,
            tuple(ours.lines[max(0, at - CONTEXT) : at]),
            mine,
            other_lines,
            tuple(name for name in flipped if (mine, other_lines) in flipped[name])
            or tuple(name for name in flipped if starts[name] <= at),
        )
        for at, mine, other_lines in places
    ]


def report(differences: Sequence[Difference], names: tuple[str, str]) -> str:
    """Return the differences as text; ``names``: what to call the two sides."""
    if not differences:
        return "no difference a program could see\n"
    sentences = {rule.name: rule.sentence for rule in rules()}
    lines = []
    for number, difference in enumerate(differences, 1):
        what = "first difference" if number == 1 else f"difference {number}"
        lines.append(f"{what}, at line {difference.at + 1} of the trace ({names[0]} -, {names[1]} +):")
        lines += ["    " + line for line in difference.before]
        lines += ["  - " + line for line in difference.ours]
        lines += ["  + " + line for line in difference.theirs]
        if difference.rules:
            lines += [f"  rule {name}: {sentences[name]}" for name in difference.rules]
        else:
            lines.append("  no single rule makes this difference")
        lines.append("")
    return "\n".join(lines)
