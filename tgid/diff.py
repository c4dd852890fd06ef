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
    """One place where the traces differ: the lines each model has there and the equal lines before.

    ``at``: index of the first line in the first trace.  ``rules``: each of them alone makes the difference; if none does,
    ``together``: rules that make it only together.
    """

    at: int
    before: tuple[str, ...]
    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    rules: tuple[str, ...]
    together: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Experiment:
    """What is run: program and arguments, environment, standard input, machine.  ``output_only``: look at what it prints
    and how it ends, not at its system calls."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    stdin: bytes
    config: Config
    output_only: bool = False


def record(experiment: Experiment, semantics: str, *single: str) -> list[str]:
    """Run the program and return, line by line, what it could see.

    ``single``: rules set against the model, as NAME=on or NAME=off.  Raises MachineFault.
    """
    pieces: list[str] = []
    config = experiment.config._replace(semantics=semantics, rules=single)
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
        if last is not None and (last.rules, last.together) == (one.rules, one.together) and last.at + len(last.ours) == one.at:
            result[-1] = replace(last, ours=last.ours + one.ours, theirs=last.theirs + one.theirs)
        else:
            result.append(one)
    return result


def compare(experiment: Experiment, only: Sequence[str] = ()) -> list[Difference]:
    """Return the differences between the leaderless model and mainline, or with ``only`` between the leaderless model and
    itself with just those rules off.  Raises MachineFault, also for an unknown rule."""
    ours = record(experiment, "leaderless")
    off = [f"{name}=off" for name in only]
    places = _places(ours, record(experiment, "leaderless", *off) if only else record(experiment, "linux"))
    if not places:
        return []
    names = list(only) or [rule.name for rule in rules()]
    changes = [place[1:] for place in places]
    alone = {name: {place[1:] for place in _places(ours, record(experiment, "leaderless", f"{name}=off"))} for name in names}
    # A change that no flip alone makes needs several rules off: each of which, turned on again, undoes it.
    still: dict[str, set[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
    if any(not any(change in made for made in alone.values()) for change in changes):
        for name in names:
            others = [rule for rule in off if rule != f"{name}=off"]
            run = record(experiment, "leaderless", *others) if only else record(experiment, "linux", f"{name}=on")
            still[name] = {place[1:] for place in _places(ours, run)}
    differences = []
    for at, mine, other in places:
        change = (mine, other)
        responsible = tuple(name for name in names if change in alone[name])
        together = () if responsible else tuple(name for name in names if change not in still[name])
        differences.append(Difference(at, tuple(ours[max(0, at - CONTEXT) : at]), mine, other, responsible, together))
    return _merged(differences)


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
        lines += [f"  rule {name}: {sentences[name]}" for name in difference.rules]
        if difference.together:
            lines.append("  only together:")
            lines += [f"  rule {name}: {sentences[name]}" for name in difference.together]
        lines.append("")
    return "\n".join(lines)
