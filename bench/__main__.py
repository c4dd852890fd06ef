"""The command line of the benchmarks: measure, print the table, write it down."""

from __future__ import annotations

import argparse
import datetime
import json
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from bench import measure, report, startup
from bench.peers import TGID, Peer, describe, peers
from bench.rows import ROWS, Derived, Figures, Results, Row, Unknown
from guest.build import BuildError, build


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure what the machine costs, next to its peers in the same run, and print the table.",
    )
    parser.add_argument("--quick", action="store_true", help="each once, to see that everything works")
    parser.add_argument("--runs", type=int, default=7, metavar="N", help="runs of which the median is taken (default 7)")
    parser.add_argument("--minimum", action="store_true", help="show minima instead of medians (on a host that is busy)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples there")
    parser.add_argument("--write", type=Path, metavar="FILE.md", help="put the table between the marks of this file")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"only these: {', '.join(row.key for row in ROWS)}")
    return parser


def _wanted(names: Sequence[str]) -> list[Row | Derived]:
    """Return the rows asked for and, before them, the ones they are computed from."""
    keys = set(names)
    for row in ROWS:
        if isinstance(row, Derived) and row.key in keys:
            keys.update(row.needs)
    return [row for row in ROWS if not names or row.key in keys]


def sample(
    rows: Sequence[Row | Derived], programs: Mapping[str, str], everyone: Mapping[str, Peer], runs: int
) -> tuple[dict[str, dict[str, list[float]]], list[str]]:
    """Measure all rows ``runs`` times, every peer in each turn, so that a busy moment of the host hits all of them.

    Return the samples by row and peer, and what failed.
    """
    samples: dict[str, dict[str, list[float]]] = {}
    failures: dict[tuple[str, str], str] = {}
    for turn in range(runs):
        for row in rows:
            if isinstance(row, Derived):
                continue
            print(f"\r\033[K{turn + 1}/{runs} {row.title}", end="", file=sys.stderr, flush=True)
            for name in row.runs:
                if everyone[name].missing or (row.key, name) in failures:
                    continue
                try:
                    value = row.take(everyone[name], programs[row.program])
                except (measure.Failed, OSError) as error:
                    failures[row.key, name] = f"{everyone[name].title} on {row.key}: {error}"
                    continue
                samples.setdefault(row.key, {}).setdefault(name, []).append(value)
    print("\r\033[K", end="", file=sys.stderr, flush=True)
    return samples, list(failures.values())


def _ratios(samples: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, dict[str, float]]:
    """Return, by row and peer, the median over the turns of the machine's figure divided by the peer's."""
    found: dict[str, dict[str, float]] = {}
    for key, row in samples.items():
        own = row.get(TGID, ())
        for name, values in row.items():
            if len(values) == len(own) and all(values):
                found.setdefault(key, {})[name] = statistics.median(a / b for a, b in zip(own, values, strict=True))
    return found


def _derive(rows: Sequence[Row | Derived], results: dict[str, dict[str, float]], ratios: Results) -> None:
    for row in rows:
        if isinstance(row, Derived):
            try:
                results[row.key] = {TGID: row.figure(Figures(results, ratios))}
            except Unknown:
                continue


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and report; return 0 unless something could not be run that should."""
    parser = _parser()
    options = parser.parse_args(argv)
    unknown = set(options.rows) - {row.key for row in ROWS}
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    rows = _wanted(options.rows)
    runs = 1 if options.quick else options.runs
    try:
        programs = {row.program: str(build(row.program)) for row in rows if isinstance(row, Row)}
    except BuildError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    everyone = peers()
    measure.wall(everyone[TGID].command(str(build("hello")), ()))  # byte code is compiled, files are in the host's cache
    samples, failures = sample(rows, programs, everyone, runs)
    typical: Callable[[Iterable[float]], float] = min if options.minimum else statistics.median
    results = {key: {name: typical(values) for name, values in row.items()} for key, row in samples.items()}
    ratios = _ratios(samples)
    _derive(rows, results, ratios)
    figures = Figures(results, ratios)
    lines = report.table(rows, figures, {name: peer.title for name, peer in everyone.items()})
    begin = startup.parts(runs)
    notes = [
        f"Measured on {datetime.date.today().isoformat()}: {describe()}. Of {runs} interleaved runs the "
        f"{'minima' if options.minimum else 'medians'} of the figures and the medians of the ratios.",
        "Of the start: an empty Python program takes "
        f"{begin['interpreter'] * 1e3:.0f} ms, importing tgid {begin['imports'] * 1e3:.0f} ms, loading Unicorn's library "
        f"{begin['library'] * 1e3:.0f} ms, making and checking the engine {begin['engine'] * 1e3:.0f} ms.",
        *(f"Missing: {peer.title}: {peer.missing}." for peer in everyone.values() if peer.missing),
        *(f"Failed: {failure}" for failure in failures),
    ]
    print(report.plain(lines))
    print("\n" + "\n".join(notes))
    if options.json:
        document = {"host": describe(), "runs": runs, "samples": samples, "medians": results, "start": begin, "notes": notes}
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if options.write:
        report.write(options.write, "\n\n".join([notes[0], report.markdown(lines), *notes[1:]]))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
