"""Every annotation of every handler names a formatter, a table or a structure that exists."""

from __future__ import annotations

import pytest

from syscalls import ia32
from syscalls.families import table
from syscalls.flags import ENUMS, FLAGS
from syscalls.ia32_numbers import IA32_NAMES
from syscalls.numbers import NAMES
from syscalls.strace.calls import ARGS, SPECIAL_FLAGS, STRUCTS, WHOLE
from syscalls.strace.results import RESULTS
from syscalls.table import Syscall

ENTRIES = [entry for entry in table().entries if entry is not None]
IA32_ENTRIES = [entry for entry in ia32.table().entries if entry is not None]
OWN = [entry for entry in IA32_ENTRIES if entry.handler.__module__ == ia32.__name__]


@pytest.mark.parametrize("entry", ENTRIES + OWN, ids=lambda entry: f"{entry.family}.{entry.name}")
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
    names = {*NAMES.values(), *IA32_NAMES.values()}
    assert set(WHOLE) <= names
    assert set(RESULTS) <= names


def test_names_are_those_of_the_number_table() -> None:
    for entry in ENTRIES:
        assert NAMES[entry.number] == entry.name
    for entry in IA32_ENTRIES:
        assert IA32_NAMES[entry.number] == entry.name


def test_calls_of_i386_that_differ_are_calls_of_both_tables() -> None:
    assert set(IA32_NAMES.values()) >= ia32.DIFFERENT
    assert {entry.name for entry in IA32_ENTRIES} & ia32.DIFFERENT <= {entry.name for entry in OWN}
