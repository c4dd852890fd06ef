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
from tgid.machine import Config, Machine
from tgid.tracelog import TraceLog

CONTEXT = 3
"""Equal lines shown before a difference."""


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


@dataclass(frozen=True, slots=True)
class Experiment:
    """What is run: program and arguments, environment, standard input, machine.  ``output_only``: look at what it prints
    and how it ends, not at its system calls."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    stdin: bytes
    config: Config
    output_only: bool = False


def record(experiment: Experiment, semantics: str, flipped: Sequence[str] = ()) -> list[str]:
    """Run the program and return, line by line, what it could see.  Raises MachineFault."""
    pieces: list[str] = []
    config = replace(experiment.config, semantics=semantics, rules=tuple(f"{name}=off" for name in flipped))
    machine = Machine(config, CapturedConsole(experiment.stdin))
    try:
        log = None
        if not experiment.output_only:
            log = TraceLog(machine.table, pieces.append, None, False, to_file=True)
            machine.kernel.watch = log
        result = machine.run(experiment.argv, experiment.env)
        if log is not None:
            log.finish()
    finally:
        machine.close()
    lines = "".join(pieces).splitlines()
    lines += [line.decode(errors="backslashreplace") for line in result.stdout.splitlines()]
    lines += [line.decode(errors="backslashreplace") for line in result.stderr.splitlines()]
    lines += [f"kernel: {line}" for line in result.log]
    return [*lines, f"exit status {result.status}"]


Place = tuple[int, tuple[str, ...], tuple[str, ...]]
"""(index of the first line, lines of ours, lines of theirs)."""


def _places(ours: list[str], theirs: list[str]) -> list[Place]:
    """Return every place that differs; as many lines on both sides are taken as so many changed lines."""
    places: list[Place] = []
    for tag, first, last, start, stop in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        if last - first == stop - start:
            places += [(first + n, (ours[first + n],), (theirs[start + n],)) for n in range(last - first)]
        else:
            places.append((first, tuple(ours[first:last]), tuple(theirs[start:stop])))
    return places


def _merged(differences: list[Difference]) -> list[Difference]:
    """Join neighbouring changes that have the same rules."""
    result: list[Difference] = []
    for one in differences:
        last = result[-1] if result else None
        if last is not None and last.rules == one.rules and last.at + len(last.ours) == one.at:
            result[-1] = replace(last, ours=last.ours + one.ours, theirs=last.theirs + one.theirs)
        else:
            result.append(one)
    return result


def compare(experiment: Experiment, only: Sequence[str] = ()) -> list[Difference]:
    """Return the differences between the leaderless model and mainline, or with ``only`` between the leaderless model and
    itself with just those rules off.  Raises MachineFault, also for an unknown rule."""
    ours = record(experiment, "leaderless")
    theirs = record(experiment, "leaderless", only) if only else record(experiment, "linux")
    places = _places(ours, theirs)
    if not places:
        return []
    flipped: dict[str, list[Place]] = {}
    for name in only or [rule.name for rule in rules()]:
        found = _places(ours, record(experiment, "leaderless", [name]))
        if found:
            flipped[name] = found
    return _merged(
        [
            Difference(at, tuple(ours[max(0, at - CONTEXT) : at]), mine, other, _responsible((mine, other), at, flipped))
            for at, mine, other in places
        ]
    )


def _responsible(
    change: tuple[tuple[str, ...], tuple[str, ...]],
    at: int,
    flipped: Mapping[str, list[Place]],
) -> tuple[str, ...]:
    """Return the rules whose flip alone makes this very change, else those whose flip changes something up to here."""
    exact = tuple(name for name, places in flipped.items() if any(place[1:] == change for place in places))
    return exact or tuple(name for name, places in flipped.items() if places[0][0] <= at)


def report(differences: Sequence[Difference], names: tuple[str, str]) -> str:
    """Return the differences as text; ``names``: what to call the two sides."""
    if not differences:
        return "no difference a program could see\n"
    sentences = {rule.name: rule.sentence for rule in rules()}
    lines = []
    for number, difference in enumerate(differences, 1):
        what = "first difference" if number == 1 else f"difference {number}"
        lines.append(f"{what}, at line {difference.at + 1} ({names[0]} -, {names[1]} +):")
        lines += ["    " + line for line in difference.before]
        lines += ["  - " + line for line in difference.ours]
        lines += ["  + " + line for line in difference.theirs]
        if difference.rules:
            lines += [f"  rule {name}: {sentences[name]}" for name in difference.rules]
        else:
            lines.append("  no single rule makes this difference")
        lines.append("")
    return "\n".join(lines)
