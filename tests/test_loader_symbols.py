"""Names for addresses in reports."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("elftools")

from loader import vdso
from loader.symbols import SymbolTable


def test_addresses_of_the_vdso_have_names() -> None:
    table = SymbolTable(vdso.image())
    found = table.lookup(0x127)
    assert found is not None
    symbol, offset = found
    assert symbol.name.endswith("clock_gettime")
    assert offset == 7
    assert table.lookup(0x128) is None
    assert table.lookup(0x90) is None


@settings(max_examples=300, derandomize=True, database=None, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2047), st.integers(0, 255)), max_size=8), st.integers(0, 2048))
def test_broken_files_have_few_symbols_but_raise_nothing(patches: list[tuple[int, int]], cut: int) -> None:
    image = bytearray(vdso.image()[:2048])
    for offset, value in patches:
        image[offset] = value
    for data in (bytes(image), bytes(image[:cut]), b"", b"\x7fELF"):
        SymbolTable(data).lookup(0x120)
