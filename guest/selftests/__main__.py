"""The scoreboard: every case of the selftests, natively and inside, and a total per directory."""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from guest.build import BuildError
from guest.selftests.cases import Verdict
from guest.selftests.catalog import MODELS, Selftest, selftests
from guest.selftests.run import HOST_TIMEOUT, Judged, Run, judge, native_refused, run_inside, run_on_host

MOST_SHOWN = 12
"""Cases of one program that are printed unless all are asked for."""


class Row(NamedTuple):
    """One program under one model."""

    program: Selftest
    model: str
    judged: list[Judged]
    error: str
    inside: Run | None
    seconds: tuple[float, float]


def measure(name: str, wanted: tuple[str, ...], timeout: float) -> list[Row]:
    """Run one program natively once and inside under each model."""
    program = selftests()[name]
    started = time.monotonic()
    native, error = None, ""
    try:
        if not program.native:
            native = run_on_host(program)
    except BuildError as problem:
        error = str(problem)
    native_seconds = time.monotonic() - started
    rows = []
    for model in wanted or program.models:
        started = time.monotonic()
        try:
            inside = run_inside(program, model, timeout=timeout)
        except BuildError as problem:
            rows.append(Row(program, model, [], str(problem), None, (0, 0)))
            continue
        seconds = (native_seconds, time.monotonic() - started)
        rows.append(Row(program, model, judge(program, model, native, inside), error, inside, seconds))
    return rows


def show(row: Row, verbose: bool, output: bool) -> bool:
    """Print one program; return whether there is something to look at."""
    trouble = [case for case in row.judged if case.trouble]
    counts = {which: sum(getattr(case, which) is Verdict.PASS for case in row.judged) for which in ("native", "inside")}
    verdict = "TROUBLE" if trouble or row.error else "fine"
    seconds = "{:.1f} s native, {:.1f} s inside".format(*row.seconds)
    print(f"{row.program.id} ({row.model}): {verdict}: {counts['native']} pass natively, {counts['inside']} inside; {seconds}")
    if row.error:
        print(f"    {row.error}")
    shown = row.judged if verbose else trouble[:MOST_SHOWN]
    for case in shown:
        print(f"    {case.native:6} {case.inside:6} {case.case}  {case.trouble or case.known}")
    if trouble and not verbose and len(trouble) > MOST_SHOWN:
        print(f"    ... and {len(trouble) - MOST_SHOWN} more (-v shows them)")
    if output and row.inside is not None:
        texts = (row.inside.outcome.stdout + b"\n" + row.inside.outcome.stderr).decode(errors="replace")
        print("\n".join("    | " + line for line in (*texts.splitlines(), *row.inside.log)))
    sys.stdout.flush()
    return bool(trouble or row.error)


def total(rows: list[Row]) -> None:
    """Print a line for every directory and model."""
    table: dict[tuple[str, str], list[Judged]] = defaultdict(list)
    for row in rows:
        table[row.program.directory.partition("/")[0], row.model] += row.judged
    print(f"{'directory':16} {'model':12} {'native':>7} {'inside':>7} {'known':>6} {'bad':>5}")
    for (directory, model), cases in table.items():
        both = [case for case in cases if case.native is Verdict.PASS]
        held = sum(case.inside is Verdict.PASS for case in both)
        known = sum(bool(case.known) for case in cases)
        print(f"{directory:16} {model:12} {len(both):7} {held:7} {known:6} {sum(bool(case.trouble) for case in cases):5}")


def main() -> int:
    """Run what was asked for and print it."""
    parser = argparse.ArgumentParser(prog="python -m guest.selftests", description="Linux's selftests, natively and inside.")
    parser.add_argument("--semantics", choices=MODELS, action="append", help="default: those it is meant for")
    parser.add_argument("--jobs", type=int, default=1, metavar="N")
    parser.add_argument("--timeout", type=float, default=HOST_TIMEOUT, metavar="S", help="host seconds for a run inside")
    parser.add_argument("-v", "--verbose", action="store_true", help="print every case")
    parser.add_argument("--show", action="store_true", help="print what the program printed inside")
    parser.add_argument("names", nargs="*", metavar="NAME", help="directories, or DIRECTORY/PROGRAM")
    options = parser.parse_args()
    if reason := native_refused():
        print(f"python -m guest.selftests: {reason}", file=sys.stderr)
        return 1
    chosen = [
        id
        for id in selftests()
        if not options.names or any(id == name or id.startswith(name.rstrip("/") + "/") for name in options.names)
    ]
    models = tuple(options.semantics or ())
    rows: list[Row] = []
    bad = 0
    with ProcessPoolExecutor(options.jobs) as pool:
        for job in [pool.submit(measure, name, models, options.timeout) for name in chosen]:
            for row in job.result():
                bad += show(row, options.verbose, options.show)
                rows.append(row)
    total(rows)
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
