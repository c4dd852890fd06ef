"""``tgid conformance --flip``: which scenarios notice that one rule of a model is turned round.

Each rule is off in the leaderless model, then on in mainline's, and all scenarios run.  A scenario notices if it does not print
what is expected of the unchanged model.  The table shows that every rule is seen by some scenario, and that a scenario in
which the models agree notices none: a rule changes nothing but what it names.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from guest.catalog import Program, programs
from kernel.semantics import Rule, rules
from tgid.conformance import MODELS, Progress, expectation, run_inside

Noticed = Mapping[tuple[str, str], frozenset[str]]
"""(scenario, model that was changed) -> rules whose change it notices."""


def number(name: str) -> int:
    """Return the number in a scenario's name."""
    return int(name.partition("-")[0])


def flipped(model: str, rule: str) -> str:
    """Return the setting that turns ``rule`` round in ``model``."""
    return f"{rule}={'off' if model == 'leaderless' else 'on'}"


def notices(name: str, model: str) -> frozenset[str]:
    """Run a scenario once for each rule and return the rules whose change it notices."""
    program = programs()[name]
    wanted = expectation(program, model)
    names = [rule.name for rule in rules()]
    return frozenset(rule for rule in names if run_inside(program, model, rules=(flipped(model, rule),)).text != wanted)


def mutations(names: Sequence[str], models: Sequence[str], jobs: int, tick: Callable[[], None] = lambda: None) -> Noticed:
    """Return what each scenario notices under each model; ``tick`` is called after each of them."""
    pairs = [(name, model) for name in names for model in models]
    found = {}
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for pair, noticed in zip(pairs, pool.map(notices, *zip(*pairs, strict=True)), strict=True):
            found[pair] = noticed
            tick()
    return found


def surprises(found: Noticed, models: Sequence[str] = MODELS) -> list[str]:
    """Return a sentence for everything in ``found`` that contradicts what is said of the rules (``kernel.semantics``).

    A rule names the scenarios that notice its change in either model, so a missing one is only seen with both.
    """
    scenarios = sorted({name for name, _ in found}, key=number)
    lines = []
    for rule in rules():
        seen = {number(name) for name in scenarios if any(rule.name in found[name, model] for model in models)}
        said = set(rule.scenarios) & set(map(number, scenarios))
        lines += [f"{rule.name} shows in scenario {one}, and is not said to" for one in sorted(seen - said)]
        if set(models) == set(MODELS):
            lines += [f"{rule.name} is said to show in scenario {one}, and does not" for one in sorted(said - seen)]
    for name in scenarios:
        program = programs()[name]
        if expectation(program, "leaderless") == expectation(program, "linux"):
            for model in models:
                lines += [f"{name} is alike in both models, and notices {flipped(model, rule)}" for rule in found[name, model]]
    return lines


def matrix(found: Noticed, known: Sequence[Rule]) -> str:
    """Return the table, a line a scenario that notices anything and a column a rule.

    ``x``: noticed under both models; ``-``: only its being off in the leaderless one; ``+``: only its being on in mainline.
    """
    scenarios = sorted({name for name, _ in found}, key=number)
    width = max(map(len, scenarios), default=0)
    lines = [f"{column:2}  {rule.name}" for column, rule in enumerate(known, 1)]
    lines += ["", " ".join([f"{'':{width}}", *(f"{column:2}" for column in range(1, len(known) + 1))])]
    silent = 0
    for name in scenarios:
        cells = []
        for rule in known:
            off, on = (rule.name in found.get((name, model), ()) for model in MODELS)
            cells.append(" x" if off and on else " -" if off else " +" if on else " .")
        if set(cells) == {" ."}:
            silent += 1
        else:
            lines.append(" ".join([f"{name:{width}}", *cells]))
    lines.append(f"{silent} further scenarios notice nothing")
    return "\n".join(lines)


def main(models: Sequence[str], chosen: Sequence[Program], jobs: int | None) -> int:
    """Print the table and what contradicts the description of the rules; return 0 if nothing does, else 1."""
    started = time.monotonic()
    progress = Progress(len(chosen) * len(models), sys.stderr)
    try:
        found = mutations([program.name for program in chosen], models, jobs or os.cpu_count() or 1, progress.tick)
    finally:
        progress.clear()
    print(matrix(found, rules()))
    wrong = surprises(found, models)
    for line in wrong:
        print(line)
    count, seconds = len(rules()), time.monotonic() - started
    print(f"{count} rules, {len(chosen)} scenarios, {count * len(found)} runs, {len(wrong)} surprises ({seconds:.0f} s)")
    return 1 if wrong else 0
