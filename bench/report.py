"""From medians to a table, to Markdown and to JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.peers import FLAT, NATIVE, QEMU, STRACE, TGID
from bench.rows import UNITS, Derived, Figures, Row, Unknown

COLUMNS = (NATIVE, STRACE, QEMU, FLAT, TGID)
PEERS = (NATIVE, STRACE, QEMU, FLAT)
BEGIN = "<!-- table: begin -->"
END = "<!-- table: end -->"


def figure(value: float, unit: float) -> str:
    """Write a value with three digits and its unit."""
    scaled = value / unit
    digits = 0 if abs(scaled) >= 100 else 1 if abs(scaled) >= 10 else 2
    return f"{scaled:.{digits}f} {UNITS[unit]}"


def ratio(times: float) -> str:
    """Write a ratio with three digits."""
    return f"{times:.0f}x" if times >= 100 else f"{times:.1f}x" if times >= 10 else f"{times:.2f}x"


def verdicts(row: Row | Derived, figures: Figures) -> list[tuple[str, str]]:
    """Return (goal, "yes", "no" or why it is not known) for each goal of a row."""
    result = []
    for goal in row.goals:
        try:
            result.append((goal.text, "yes" if goal.reached(figures) else "no"))
        except Unknown as error:
            result.append((goal.text, f"? ({error})"))
    return result


def table(rows: Sequence[Row | Derived], figures: Figures, titles: Mapping[str, str]) -> list[list[str]]:
    """Return the cells of the table, header first."""
    lines = [["", *(titles[peer] for peer in COLUMNS), *(f"/ {titles[peer]}" for peer in PEERS), "goal", "reached"]]
    for row in rows:
        values = dict(figures.results.get(row.key, {}))
        own = values.get(TGID)
        cells = [row.title]
        cells += [figure(values[peer], row.unit) if peer in values else "" for peer in COLUMNS]
        cells += [ratio(figures.ratio(row.key, peer)) if own is not None and peer in values else "" for peer in PEERS]
        found = verdicts(row, figures)
        cells += ["; ".join(goal for goal, _ in found), ", ".join(verdict for _, verdict in found)]
        lines.append(cells)
    return lines


def plain(lines: Sequence[Sequence[str]]) -> str:
    """Return the table aligned for a terminal."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = []
    for line in lines:
        cells = [
            cell.ljust(width) if column in (0, len(line) - 2, len(line) - 1) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        text.append("  ".join(cells).rstrip())
    return "\n".join(text)


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """Return the table as Markdown."""
    head, *body = lines
    numbers = len(head) - 3
    rule = ["---", *["--:"] * numbers, "---", "---"]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *body))


def write(path: Path, text: str) -> None:
    """Replace what stands between the marks of a Markdown file.  Raises ValueError when it has no marks."""
    old = path.read_text(encoding="utf-8")
    before, begin, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path}: no {BEGIN} ... {END} to put the table between")
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
