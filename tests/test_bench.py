"""The benchmarks run, and their table says what was measured, what was aimed at and what is missing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import report
from bench.peers import NATIVE, TGID, peers
from bench.rows import MS, ROWS, US, Figures
from guest.build import BuildError, build

TITLES = {name: peer.title for name, peer in peers().items()}


def test_figures_have_three_digits() -> None:
    assert report.figure(2.345e-6, US) == "2.35 us"
    assert report.figure(0.1234, MS) == "123 ms"
    assert report.ratio(1.5) == "1.50x"
    assert report.ratio(150) == "150x"


def test_a_goal_is_judged_by_what_was_measured() -> None:
    entry = ROWS[0]
    reached = Figures({"getppid": {TGID: 2e-6, "strace": 9e-6}})
    assert [verdict for _, verdict in report.verdicts(entry, reached)] == ["yes", "yes"]
    missed = Figures({"getppid": {TGID: 4e-6, "strace": 9e-6}})
    assert [verdict for _, verdict in report.verdicts(entry, missed)] == ["no", "no"]


def test_a_goal_without_its_peer_says_so() -> None:
    entry = ROWS[0]
    verdicts = [verdict for _, verdict in report.verdicts(entry, Figures({"getppid": {TGID: 2e-6}}))]
    assert verdicts == ["yes", "? (needs strace on getppid)"]


def test_a_ratio_is_the_median_of_the_turns() -> None:
    figures = Figures({"getppid": {TGID: 2e-6, NATIVE: 1e-7}}, {"getppid": {NATIVE: 18.0}})
    assert figures.ratio("getppid", NATIVE) == 18
    assert Figures(figures.results).ratio("getppid", NATIVE) == pytest.approx(20)


def test_the_table_has_a_cell_for_every_column() -> None:
    figures = Figures({"getppid": {TGID: 2e-6, NATIVE: 1e-7}})
    head, *lines = report.table(ROWS, figures, TITLES)
    assert len(lines) == len(ROWS)
    assert {len(line) for line in lines} == {len(head)}
    assert lines[0][head.index("/ native")] == "20.0x"
    assert report.markdown([head, *lines]).count("\n") == len(ROWS) + 1


def test_only_what_is_between_the_marks_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    report.write(page, "new")
    assert page.read_text() == f"before\n{report.BEGIN}\nnew\n{report.END}\nafter\n"
    page.write_text("no marks")
    with pytest.raises(ValueError, match="table: begin"):
        report.write(page, "new")


def test_one_row_from_the_command_line(tmp_path: Path) -> None:
    try:
        build("bench_getppid")
    except BuildError as error:
        pytest.skip(str(error))
    samples = tmp_path / "bench.json"
    command = (sys.executable, "-m", "bench", "--quick", "--json", str(samples), "getppid")
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    assert done.returncode == 0, done.stderr
    assert "getppid() loop, a call" in done.stdout
    medians = json.loads(samples.read_text())["medians"]["getppid"]
    assert 0 < medians[TGID] < 1e-3


def test_flat_unicorn_runs_a_static_program() -> None:
    try:
        program = build("hello")
    except BuildError as error:
        pytest.skip(str(error))
    command = (sys.executable, "-m", "bench.flat", str(program))
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    assert (done.returncode, done.stdout) == (0, "hello, world\n")
