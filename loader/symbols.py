"""Names for addresses, from the symbol tables of ELF files; for reports, never needed to run a program.

This is the rich side of ELF, so pyelftools reads it, and is imported only when a report is made.
"""

from __future__ import annotations

from bisect import bisect_right
from io import BytesIO
from typing import NamedTuple


class Symbol(NamedTuple):
    """A function or object; ``address`` as in the file, to which the load bias is added."""

    address: int
    size: int
    name: str


class SymbolTable:
    """The symbols of one ELF file, sorted by address."""

    __slots__ = ("_starts", "symbols")

    def __init__(self, image: bytes) -> None:
        """Read ``.symtab``, or where that was stripped ``.dynsym``, of an ELF file; a file without them, or with broken
        ones, has no symbols."""
        from elftools.common.exceptions import ELFError
        from elftools.construct import ConstructError
        from elftools.elf.elffile import ELFFile
        from elftools.elf.sections import SymbolTableSection

        found: dict[int, Symbol] = {}
        try:
            file = ELFFile(BytesIO(image))
            for name in (".dynsym", ".symtab"):
                section = file.get_section_by_name(name)
                if not isinstance(section, SymbolTableSection):
                    continue
                for entry in section.iter_symbols():
                    placed = entry["st_shndx"] not in ("SHN_UNDEF", "SHN_ABS")
                    if placed and entry["st_info"]["type"] in ("STT_FUNC", "STT_OBJECT"):
                        found[entry["st_value"]] = Symbol(entry["st_value"], entry["st_size"], entry.name)
        except (ELFError, ConstructError, ValueError, KeyError, IndexError, AttributeError, OverflowError, TypeError):
            # pyelftools trusts the section headers; whatever it read before they proved wrong is kept.
            pass
        self.symbols = sorted(found.values())
        self._starts = [symbol.address for symbol in self.symbols]

    def lookup(self, address: int) -> tuple[Symbol, int] | None:
        """Return the symbol that contains ``address`` (as in the file) and the offset in it, None if there is none.

        A symbol of size 0, as hand-written assembly has, reaches to the next one.
        """
        index = bisect_right(self._starts, address) - 1
        if index < 0:
            return None
        symbol = self.symbols[index]
        offset = address - symbol.address
        if symbol.size and offset >= symbol.size:
            return None
        return symbol, offset
