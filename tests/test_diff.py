"""``tgid diff``: what a program can tell apart, and the rule responsible."""

from __future__ import annotations

import pytest

import tgid
from guest import build
from kernel.semantics import Semantics, rules
from tgid.cli import main
from tgid.diff import Experiment, compare, report
from tgid.machine import Config, MachineFault


def program(name: str) -> str:
    """Return the path of a built guest program."""
    try:
        return str(build.build(name, "musl"))
    except build.BuildError as error:
        pytest.skip(str(error))


def experiment(name: str, output_only: bool = False) -> Experiment:
    """Return an experiment with a guest program."""
    return Experiment((program(name),), {}, b"", Config(), output_only)


def test_a_program_that_sees_no_difference() -> None:
    assert compare(experiment("fork_tree")) == []


def test_the_first_difference_is_named_with_its_rule() -> None:
    differences = compare(experiment("01-first-exit-view"))
    first = differences[0]
    assert first.rules == ("first_thread_released",)
    assert any("task" in line and "ENOENT" in line for line in first.ours)
    assert any("state S" in line for difference in differences for line in difference.ours)
    assert any("state Z" in line for difference in differences for line in difference.theirs)
    text = report(differences, ("leaderless", "linux"))
    assert text.startswith("first difference, at line")
    assert "rule first_thread_released: a first thread that exits before the others" in text


def test_one_rule_can_be_compared_alone() -> None:
    subject = experiment("01-first-exit-view")
    assert compare(subject, ["exec_waits_for_exit"]) == []
    assert compare(subject, ["first_thread_released"])
    with pytest.raises(MachineFault, match="nonsense"):
        compare(subject, ["nonsense"])


def test_the_output_alone_can_be_compared() -> None:
    differences = compare(experiment("01-first-exit-view", output_only=True))
    assert ("state S",) in [difference.ours for difference in differences] or "state S" in differences[0].ours
    assert all("=" not in line for difference in differences for line in (*difference.ours, *difference.theirs))


def test_exit_status_of_the_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert main(["diff", program("fork_tree")]) == 0
    assert "no difference" in capsys.readouterr().out
    assert main(["diff", program("01-first-exit-view")]) == 1
    assert "first_thread_released" in capsys.readouterr().out


def test_the_models_differ_in_every_rule_and_nothing_else() -> None:
    ours, theirs = Semantics.leaderless(), Semantics.linux()
    assert len(rules()) == 12
    for rule in rules():
        assert getattr(ours, rule.name) is True
        assert getattr(theirs, rule.name) is False
        theirs = theirs.with_rule(f"{rule.name}=on")
    assert theirs == ours


def test_a_deadlock_names_the_rule() -> None:
    """Scenario 14 with a tracer that attaches once more: mainline's wait graph says who waits for whom, and by which rule."""
    path = program("exec_deadlock")
    free = tgid.run([path])
    assert (free.status, free.stdout) == (0, b"attached or refused, not asleep\nexited 6\n")
    stuck = tgid.run([path], semantics="linux")
    assert stuck.status == 125
    graph = "\n".join(stuck.log)
    assert "in execve, waits in de_thread; could be woken by the reaping of the traced thread exec_deadlock[5]" in graph
    assert "only its tracer exec_deadlock[3] can do (in ptrace_attach; rule exec_waits_for_exit=off)" in graph
