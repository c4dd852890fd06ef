"""The parser of selftest output, on the four habits of printing."""

from __future__ import annotations

from guest.selftests.cases import Verdict, parse
from guest.selftests.run import Judged


def test_tap() -> None:
    output = "TAP version 13\n1..4\nok 1 one\nnot ok 2 two\nok 3 - three # SKIP no such thing\nok 4 # SKIP\n"
    assert parse(output, 1) == {
        "one": Verdict.PASS,
        "two": Verdict.FAIL,
        "three": Verdict.SKIP,
        "4": Verdict.SKIP,
        "exit": Verdict.FAIL,
    }


def test_harness_names_skipped_cases_before() -> None:
    output = (
        "#  RUN           global.a ...\n#            OK  global.a\nok 1 # SKIP not here\n#  RUN           f.v.b ...\nok 2 f.v.b\n"
    )
    assert parse(output, 0) == {"global.a": Verdict.SKIP, "f.v.b": Verdict.PASS, "exit": Verdict.PASS}


def test_x86_results_belong_to_what_was_announced() -> None:
    output = "[RUN]\tSet TF and check\n[OK]\tIt trapped 7 times\n[OK]\tIt did\n[RUN]\tother\n[FAIL]\tno\n[SKIP]\tnot here\n"
    assert parse(output, 1) == {
        "Set TF and check": Verdict.PASS,
        "Set TF and check#2": Verdict.PASS,
        "other": Verdict.FAIL,
        "other#2": Verdict.SKIP,
        "exit": Verdict.FAIL,
    }


def test_verdict_at_either_end_and_varying_numbers() -> None:
    output = "Check itimer real... [OK]\nNanosleep CLOCK_TAI   [UNSUPPORTED]\nPASS: 0 returned\nlate by 123456 ns [FAILED]\n"
    assert parse(output, 4) == {
        "Check itimer real...": Verdict.PASS,
        "Nanosleep CLOCK_TAI": Verdict.SKIP,
        "0 returned": Verdict.PASS,
        "late by N ns": Verdict.FAIL,
        "exit": Verdict.SKIP,
    }


def test_judgement() -> None:
    """Only a pass of the host obliges; a listed case must not pass, or the list is out of date."""
    assert Judged("c", Verdict.PASS, Verdict.ABSENT, "").trouble
    assert Judged("c", Verdict.PASS, Verdict.SKIP, "").trouble
    assert not Judged("c", Verdict.FAIL, Verdict.FAIL, "").trouble
    assert not Judged("c", Verdict.PASS, Verdict.FAIL, "a reason").trouble
    assert Judged("c", Verdict.PASS, Verdict.PASS, "a reason").trouble
