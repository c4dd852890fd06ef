"""Every annotation of every handler names a formatter, a table or a structure that exists."""

from __future__ import annotations

import pytest

from syscalls.families import table
from syscalls.flags import ENUMS, FLAGS
from syscalls.numbers import NAMES
from syscalls.strace.calls import ARGS, SPECIAL_FLAGS, STRUCTS, WHOLE
from syscalls.strace.results import RESULTS
from syscalls.table import Syscall

ENTRIES = [entry for entry in table().entries if entry is not None]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_annotations_are_known(entry: Syscall) -> None:
    for name, arg in entry.args:
        assert arg.show in ARGS, f"{entry.name}({name}): no formatter {arg.show!r}"
        if arg.show == "flags":
            assert arg.data in FLAGS or arg.data in SPECIAL_FLAGS, f"{entry.name}({name}): no flags {arg.data!r}"
        elif arg.show == "enum":
            assert arg.data in ENUMS, f"{entry.name}({name}): no enum {arg.data!r}"
        elif arg.show == "struct":
            assert arg.data in STRUCTS, f"{entry.name}({name}): no structure {arg.data!r}"


def test_formatters_of_whole_calls_belong_to_calls() -> None:
    names = set(NAMES.values())
    assert set(WHOLE) <= names
    assert set(RESULTS) <= names


def test_names_are_those_of_the_number_table() -> None:
    for entry in ENTRIES:
        assert NAMES[entry.number] == entry.name
