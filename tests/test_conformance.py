"""The conformance scenarios print under each model what is expected of it, and this host does as ``linux`` does."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from types import FrameType
from typing import Any, ClassVar

import pytest

import kernel.wait
from guest.build import build, compiler_missing
from guest.catalog import Program, programs
from kernel.kernel import Watch
from kernel.semantics import rules
from kernel.task import Thread
from tgid.api import run
from tgid.cli import main
from tgid.conformance import MODELS, Column, Row, expectation, judge, rows, run_inside, run_natively, scenarios, scoreboard
from tgid.mutations import notices, number, surprises
from tgid.repetitions import Setting, repeat, settings

NOT_YET: dict[tuple[str, str], str] = {}
"""(scenario, model) -> which feature is missing; expected to fail until it is there."""

pytestmark = pytest.mark.skipif(bool(compiler_missing("musl")), reason=compiler_missing("musl"))

CASES = [
    pytest.param(
        program,
        model,
        id=f"{program.name}-{model}",
        marks=[pytest.mark.xfail(reason=NOT_YET[program.name, model], strict=True)] if (program.name, model) in NOT_YET else [],
    )
    for program in scenarios()
    for model in MODELS
]


@pytest.mark.parametrize(("program", "model"), CASES)
def test_model(program: Program, model: str) -> None:
    seen = run_inside(program, model)
    assert seen.text == expectation(program, model)
    assert not seen.trouble


@pytest.mark.parametrize("program", [pytest.param(p, id=p.name) for p in scenarios() if p.native == "yes"])
def test_host(program: Program) -> None:
    """The host is the oracle: what is expected of mainline is what it does."""
    seen = run_natively(program)
    # On a busy host a process may be late by more than a program allows for.
    for _ in range(2):
        if seen.text == expectation(program, "linux"):
            break
        seen = run_natively(program)
    if seen.skipped:
        pytest.skip(seen.skipped)
    assert seen.text == expectation(program, "linux")
    assert not seen.trouble


def test_the_sixty_and_more() -> None:
    """Scenarios are numbered without gaps, and each says what it is about."""
    numbers = [int(program.name.partition("-")[0]) for program in scenarios()]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 100
    assert {program.name for program in scenarios() if program.native == "no"} == {"30-global-init"}


@pytest.mark.parametrize("program", [pytest.param(p, id=p.name) for p in scenarios()])
@pytest.mark.slow
def test_a_rule_shows_where_it_says(program: Program) -> None:
    """With one rule turned round, just the scenarios named with the rule do differently; none in which the models agree."""
    seen = notices(program.name, "leaderless") | notices(program.name, "linux")
    assert seen == {rule.name for rule in rules() if number(program.name) in rule.scenarios}
    if expectation(program, "linux") == expectation(program, "leaderless"):
        assert not seen


def test_every_rule_shows_somewhere() -> None:
    assert len(rules()) == 12
    assert all(rule.scenarios for rule in rules())


def test_contradictions_are_said() -> None:
    nothing = {(name, model): frozenset[str]() for name in ("03-first-exit-timer", "57-kill-nonfirst-tid") for model in MODELS}
    assert surprises(nothing) == ["living_threads_only is said to show in scenario 57, and does not"]
    odd = nothing | {("03-first-exit-timer", "linux"): frozenset(["always_trapped"])}
    assert surprises(odd, ["linux"]) == [
        "always_trapped shows in scenario 3, and is not said to",
        "03-first-exit-timer is alike in both models, and notices always_trapped=on",
    ]


def test_command_flip(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conformance", "--flip", "--jobs", "1", "3", "57"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3].split() == ["57-kill-nonfirst-tid", *"." * 10, "x", "."]
    assert lines[-2] == "1 further scenarios notice nothing"
    assert lines[-1].startswith("12 rules, 2 scenarios, 48 runs, 0 surprises")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("setting", [Setting(1, 1), *settings(2, 1000)], ids=str)
@pytest.mark.slow
def test_any_schedule_ends_alike(setting: Setting, model: str) -> None:
    """Neither seed nor time slices change what a scenario sees, and they alone decide the whole trace."""
    assert repeat(setting, model, [program.name for program in scenarios()]) == []


def test_settings_reach_from_one_block_on() -> None:
    blocks = [setting.slice_blocks for setting in settings(1000)]
    assert min(blocks) == 1
    assert max(blocks) > 90_000
    assert sum(count < 1000 for count in blocks) in range(550, 650)


def test_command_repeat(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conformance", "--repeat", "2", "--seed", "7", "--jobs", "1", "2"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("2 settings (seeds 7 to 8, slices of ")
    assert "1 scenarios, leaderless, linux: 8 runs in pairs, 0 findings" in text


def test_another_outcome_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tgid.repetitions.expectation", lambda program, model: "end P exited 0\n")
    (finding,) = repeat(Setting(0, 10), "linux", ["03-first-exit-timer"])
    assert finding.scenario == "03-first-exit-timer"
    assert "end P killed SIGALRM" in finding.what


def test_another_trace_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    text = expectation(scenarios(["3"])[0], "linux")
    outcomes = iter([(text, "", "one"), (text, "", "two")])
    monkeypatch.setattr("tgid.repetitions.traced", lambda *args: next(outcomes))
    (finding,) = repeat(Setting(0, 10), "linux", ["03-first-exit-timer"])
    assert finding.what == "another trace the second time"


class Phases(Watch):
    """Splits a run at the lines a program writes: ``lines`` of kernel code executed up to each of them."""

    def __init__(self) -> None:
        self.executed = 0
        self.lines: list[int] = []

    def syscall_enter(self, t: Thread, number: int, args: tuple[int, ...]) -> None:
        if number == 1 and args[0] == 1:
            self.lines.append(self.executed)

    def trace(self, frame: FrameType, event: str, argument: object) -> Any:
        """Trace function: counts lines of ``kernel``."""
        return self.line if "/kernel/" in frame.f_code.co_filename else None

    def line(self, frame: FrameType, event: str, argument: object) -> Any:
        self.executed += 1
        return self.line


def traced_lines(name: str) -> list[int]:
    """Run a scenario and return how many lines of kernel code were executed before each line of its output."""
    phases = Phases()
    before = sys.gettrace()
    sys.settrace(phases.trace)
    try:
        result = run([str(build(name, "musl"))], watch=phases, cwd="/tmp", memory=256 << 20)
    finally:
        sys.settrace(before)
    assert result.status == 0
    return phases.lines


def test_cost_is_flat() -> None:
    """fork, exit and wait cost the same alone, among 200 other processes, and after 200 have died (scenario 39)."""
    lines = traced_lines("39-flat-cost")
    phases = ("alone", "made", "with-others", "others", "afterwards")
    cost = dict(zip(phases, (b - a for a, b in pairwise([0, *lines])), strict=True))
    start = cost["afterwards"]
    assert abs(cost["with-others"] - start) < start // 20
    assert cost["alone"] < 3 * start  # the start of the program included


def test_waiting_for_one_child_looks_at_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many children there are, waitpid for one visits that one (scenario 22)."""
    visited: list[int] = []
    targets = kernel.wait._targets

    def counted(t: Thread, options: kernel.wait.WaitOptions) -> Iterator[tuple[Thread, bool]]:
        visited.append(0)
        at = len(visited) - 1
        for target in targets(t, options):
            if options.kind == kernel.wait.P_PID:
                visited[at] += 1
            yield target

    monkeypatch.setattr(kernel.wait, "_targets", counted)
    assert not run_inside(programs()["22-waitpid-direct"], "leaderless").trouble
    assert len(visited) >= 600
    assert max(visited) == 1


def test_proc_keeps_nothing() -> None:
    """200 times fork, read /proc/PID, reap: the kernel has not one object more than after the first 100 (scenario 37)."""

    class Forks(Watch):
        made = 0
        objects: ClassVar[list[Counter[str]]] = []

        def cloned(self, t: Thread, child: Thread) -> None:
            self.made += 1
            if self.made in (100, 150, 200):
                gc.collect()
                kinds = (type(thing) for thing in gc.get_objects())
                self.objects.append(Counter(kind.__qualname__ for kind in kinds if kind.__module__.startswith("kernel.")))

    forks = Forks()
    assert run([str(build("37-proc-no-growth", "musl"))], watch=forks, cwd="/tmp", memory=256 << 20).status == 0
    first, second, third = forks.objects
    assert first == second == third


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conformance", "--jobs", "1", "2", "first-exit-timer"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["scenario", "leaderless", "linux", "verdict"]
    assert lines[1].split() == ["02-first-exit-status", "ok", "ok", "as", "expected"]
    assert lines[2].split() == ["03-first-exit-timer", "ok", "ok", "as", "expected"]
    assert lines[3].startswith("2 of 2 scenarios as expected")


def test_command_with_an_unknown_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conformance", "no-such-thing"]) == 125
    assert capsys.readouterr().err == "tgid: no such scenario: no-such-thing\n"


def test_a_difference_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tgid.conformance.expectation", lambda program, model: "end P exited 0\n")
    (row,) = rows(scenarios(["3"]), ["linux"])
    assert not row.good
    text = scoreboard([row], ["linux"], 1.0)
    assert "DIFFERS" in text
    assert "-end P exited 0" in text
    assert "+end P killed SIGALRM" in text


def test_what_the_host_refuses_is_said() -> None:
    program = scenarios(["31"])[0]
    row = Row(program, {"linux": Column("ok"), "native": Column("skipped", "needs root")})
    assert row.good
    text = scoreboard([row], ["linux", "native"], 1.0)
    assert "as expected, host skipped" in text
    assert "31-nsinit-inside, native: skipped: needs root" in text


def test_never_on_a_host() -> None:
    assert judge(scenarios(["30"])[0], "native").mark == "-"


@pytest.mark.parametrize("text", ["end 1\n", "[mainline]\nend 1\n"])
def test_a_bad_expectation_is_refused(tmp_path: Any, text: str) -> None:
    source = tmp_path / "x.c"
    source.with_suffix(".expect").write_text(text)
    program = Program("x", "conformance", "title", source, {})
    with pytest.raises(ValueError, match="section"):
        expectation(program, "linux")
