"""``tgid conformance``: the scenarios of process semantics, each run under both models and on the host, against what is expected.

A scenario is a program of ``guest/conformance`` that prints its observations one a line.  Next to it stands what it is
expected to print, as text in blocks that apply in order: ``[both]`` to both models, ``[leaderless]`` and ``[linux]`` to
one.  So the file reads like a diff between the models.  The host is the oracle: what it prints must be what is expected
of ``linux``.  A program that cannot show its scenario on this host begins with ``skip REASON``.
"""

from __future__ import annotations

import difflib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from guest.build import BuildError, build
from guest.catalog import Program, programs
from guest.native import ENVIRONMENT, Timeout, run_program, skip_reason

MODELS = ("leaderless", "linux")
GROUP = "conformance"
TIMEOUT = 120.0
"""Host seconds one run in the machine may take."""


class Run(NamedTuple):
    """What one run gave: the lines printed, and what went wrong apart from them (empty if nothing did)."""

    text: str
    trouble: str = ""

    @property
    def skipped(self) -> str:
        """Why the program could not show its scenario, empty if it could."""
        first = self.text.partition("\n")[0]
        return first[5:] if first.startswith("skip ") else ""


class Column(NamedTuple):
    """One cell of the scoreboard: ``mark`` is ``ok``, ``WRONG``, ``skipped`` or ``-``; ``detail`` explains all but ``ok``."""

    mark: str
    detail: str = ""


class Row(NamedTuple):
    """One scenario's line of the scoreboard; ``columns`` by name: the models and ``native``."""

    program: Program
    columns: Mapping[str, Column]

    @property
    def good(self) -> bool:
        return all(column.mark != "WRONG" for column in self.columns.values())


def scenarios(names: Sequence[str] = ()) -> list[Program]:
    """Return the scenarios in order, or those called ``names``: number, name, or both as in the file name.

    Raises ValueError for a name that is no scenario's.
    """
    known = [program for program in programs().values() if program.group == GROUP]
    if not names:
        return known
    by_name: dict[str, Program] = {}
    for program in known:
        number, _, rest = program.name.partition("-")
        by_name |= {program.name: program, rest: program, number: program, str(int(number)): program}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise ValueError(f"no such scenario: {', '.join(unknown)}")
    return list({by_name[name].name: by_name[name] for name in names}.values())


def expectation(program: Program, model: str) -> str:
    """Return what ``program`` is to print under ``model``.  Raises ValueError if the file beside it is not well-formed."""
    path = program.source.with_suffix(".expect")
    lines: list[str] = []
    applies: bool | None = None
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            if line not in ("[both]", "[leaderless]", "[linux]"):
                raise ValueError(f"{path}: unknown section {line}")
            applies = line[1:-1] in ("both", model)
        elif applies is None:
            raise ValueError(f"{path}: must begin with a section")
        elif applies and line:
            lines.append(line)
    return "".join(line + "\n" for line in lines)


def run_inside(program: Program, model: str, **options: Any) -> Run:
    """Run a scenario in a machine; ``options`` are further fields of ``tgid.Config``.  Raises BuildError."""
    from tgid.api import run

    settings: dict[str, Any] = {"cwd": "/tmp", "timeout": TIMEOUT, "memory": 256 << 20, "semantics": model}
    result = run([str(build(program.name, "musl"))], env=ENVIRONMENT, **settings | options)
    trouble = [] if result.status == 0 else [f"exit status {result.status}"]
    trouble += [f"{count} {kind} left over" for kind, count in result.leaks.items()]
    if trouble:
        trouble += result.stderr.decode(errors="replace").splitlines()[-10:]
        trouble += [f"kernel: {line}" for line in result.log[-15:]]
    return Run(result.stdout.decode(errors="replace"), "\n".join(trouble))


def run_natively(program: Program) -> Run:
    """Run a scenario on the host.  Raises BuildError."""
    if reason := skip_reason(program, "musl"):
        return Run(f"skip {reason}\n")
    try:
        outcome = run_program(program, "musl")
    except Timeout as error:
        return Run("", str(error))
    return Run(outcome.stdout.decode(errors="replace"), f"exit status {outcome.status}" if outcome.status else "")


def judge(program: Program, column: str) -> Column:
    """Run a scenario for one column of the scoreboard and compare."""
    if column == "native" and program.native != "yes":
        return Column("-", "not to be run on a host")
    try:
        run = run_natively(program) if column == "native" else run_inside(program, column)
        wanted = expectation(program, "linux" if column == "native" else column)
    except (BuildError, OSError, ValueError) as error:
        return Column("WRONG", str(error))
    if run.skipped and column == "native":
        return Column("skipped", run.skipped)
    lines = list(difflib.unified_diff(wanted.splitlines(), run.text.splitlines(), "expected", "seen", lineterm="", n=1))[2:]
    lines += run.trouble.splitlines()
    return Column("WRONG", "\n".join(lines)) if lines else Column("ok")


def rows(
    chosen: Sequence[Program], columns: Sequence[str], jobs: int = 1, tick: Callable[[], None] = lambda: None
) -> Iterator[Row]:
    """Run scenarios, ``jobs`` at a time in processes of their own (1: in this one), and yield their rows in order.

    ``tick`` is called after every run.
    """
    if jobs == 1:
        for program in chosen:
            cells = {}
            for column in columns:
                cells[column] = judge(program, column)
                tick()
            yield Row(program, cells)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        tasks = [(program, {column: pool.submit(_judge_named, program.name, column) for column in columns}) for program in chosen]
        for program, futures in tasks:
            cells = {}
            for column, future in futures.items():
                cells[column] = future.result()
                tick()
            yield Row(program, cells)


def _judge_named(name: str, column: str) -> Column:
    return judge(programs()[name], column)


class Progress:
    """A line that is overwritten in place on a terminal, and nothing elsewhere."""

    __slots__ = ("done", "stream", "total", "visible")

    def __init__(self, total: int, stream: TextIO) -> None:
        self.total, self.done, self.stream, self.visible = total, 0, stream, stream.isatty()

    def tick(self) -> None:
        self.done += 1
        if self.visible:
            filled = 30 * self.done // self.total
            self.stream.write(f"\r[{'#' * filled}{'.' * (30 - filled)}] {self.done}/{self.total}")
            self.stream.flush()

    def clear(self) -> None:
        if self.visible:
            self.stream.write("\r\033[K")
            self.stream.flush()


def scoreboard(results: Sequence[Row], columns: Sequence[str], seconds: float) -> str:
    """Return the table of all results, with what is wrong or was skipped below it."""
    width = max(len(row.program.name) for row in results)
    lines = ["  ".join([f"{'scenario':{width}}", *(f"{column:10}" for column in columns), "verdict"])]
    notes: list[str] = []
    for row in results:
        cells = [row.columns[column] for column in columns]
        skipped = any(cell.mark == "skipped" for cell in cells)
        verdict = "DIFFERS" if not row.good else "as expected, host skipped" if skipped else "as expected"
        lines.append("  ".join([f"{row.program.name:{width}}", *(f"{cell.mark:10}" for cell in cells), verdict]))
        for column, cell in row.columns.items():
            if cell.mark == "WRONG":
                notes += ["", f"{row.program.name}, {column}: {row.program.title}"]
                notes += ["    " + line for line in cell.detail.splitlines()]
            elif cell.mark == "skipped":
                notes += ["", f"{row.program.name}, {column}: skipped: {cell.detail}"]
    good = sum(row.good for row in results)
    lines.append(f"{good} of {len(results)} scenarios as expected ({seconds:.1f} s)")
    return "\n".join(lines + notes)


def main(
    model: str, native: bool, names: Sequence[str], jobs: int | None = None, repeat: int = 0, seed: int = 0, flip: bool = False
) -> int:
    """Run scenarios, print the scoreboard, and return 0 if all is as expected, 1 if not, 125 if they cannot be run.

    ``repeat``: instead, run them under so many settings with seeds from ``seed`` on (``tgid.repetitions``).  ``flip``:
    instead, run them with each rule turned round (``tgid.mutations``).
    """
    models = MODELS if model == "both" else (model,)
    columns = (*models, *(("native",) if native else ()))
    try:
        chosen = scenarios(names)
    except ValueError as error:
        print(f"tgid: {error}", file=sys.stderr)
        return 125
    if not chosen:
        print(f"tgid: no scenarios in {Path(__file__).parent.parent / 'guest' / GROUP}", file=sys.stderr)
        return 125
    if repeat:
        from tgid.repetitions import main as repetitions

        return repetitions(repeat, models, chosen, jobs, seed)
    if flip:
        from tgid.mutations import main as mutations

        return mutations(models, chosen, jobs)
    started = time.monotonic()
    progress = Progress(len(chosen) * len(columns), sys.stderr)
    try:
        results = list(rows(chosen, columns, jobs or min(len(chosen), os.cpu_count() or 1), progress.tick))
    finally:
        progress.clear()
    print(scoreboard(results, columns, time.monotonic() - started))
    return 0 if all(row.good for row in results) else 1
