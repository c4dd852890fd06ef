"""The catalogue of guest programs, read from the head comment of each C file.

A program documents itself: the first line of its comment is ``NAME -- TITLE``, and a line ``guest: KEY=VALUE ...`` says what it
needs.  The keys are

``needs``    comma list: ``root`` (only meaningful as root), ``proc`` (reads /proc),
           ``core`` (natively only where core_pattern is ``core``), ``linux-X.Y`` (natively from that kernel on)
``native``   ``no``: must never run on a host (a hog), ``probe``: runs there, but its output is not the expectation
``qemu``     ``no``: qemu-user is known not to model this
``libc``     ``glibc`` or ``musl`` when it builds with one of them only; ``debug``: for a debugger to look at
``args``     arguments of the standard run, separated by commas
``timeout``  seconds the standard run may take natively (default 20)
``slow``     ``yes``: takes more than a few seconds inside the machine
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).resolve().parent
LIBCS = ("musl", "glibc")
DEBUG = "debug"
"""The flavour of programs with debug information, dynamically linked with the host's C library."""

_TITLE = re.compile(r"/\*\s*\n \* (?P<name>[\w-]+) -- (?P<title>.*)\n")
_GUEST = re.compile(r"^ \* guest: (?P<pairs>.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Program:
    """One guest program: ``name`` (unique), ``group`` (its folder), ``title``, and what its head says it needs."""

    name: str
    group: str
    title: str
    source: Path
    settings: Mapping[str, str]

    @property
    def needs(self) -> frozenset[str]:
        return frozenset(filter(None, self.settings.get("needs", "").split(",")))

    @property
    def native(self) -> str:
        """``yes``, ``no`` or ``probe``."""
        return self.settings.get("native", "yes")

    @property
    def qemu(self) -> bool:
        return self.settings.get("qemu", "yes") == "yes"

    @property
    def libcs(self) -> tuple[str, ...]:
        return (self.settings["libc"],) if "libc" in self.settings else LIBCS

    @property
    def args(self) -> tuple[str, ...]:
        return tuple(filter(None, self.settings.get("args", "").split(",")))

    @property
    def timeout(self) -> float:
        """Seconds."""
        return float(self.settings.get("timeout", "20"))

    @property
    def slow(self) -> bool:
        return self.settings.get("slow", "no") == "yes"


def parse(source: Path) -> Program:
    """Read the head of one C file.  Raises ValueError when it does not introduce itself."""
    text = source.read_text(encoding="utf-8")
    title = _TITLE.match(text)
    if title is None or title["name"] != source.stem:
        raise ValueError(f"{source}: must open with a comment '{source.stem} -- title'")
    settings: dict[str, str] = {}
    head = text[: text.index("*/")]
    for match in _GUEST.finditer(head):
        for pair in match["pairs"].split():
            key, separator, value = pair.partition("=")
            if not separator or key not in {"needs", "native", "qemu", "libc", "args", "timeout", "slow"}:
                raise ValueError(f"{source}: unknown setting {pair!r}")
            settings[key] = value
    return Program(source.stem, source.parent.name, title["title"], source, MappingProxyType(settings))


@cache
def programs() -> Mapping[str, Program]:
    """Return all programs by name, ordered by group and name."""
    found = [parse(source) for source in sorted(ROOT.glob("*/*.c"))]
    names = {program.name: program for program in found}
    if len(names) != len(found):
        raise ValueError("two guest programs have the same name")
    return MappingProxyType(names)
