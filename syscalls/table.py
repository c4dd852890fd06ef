"""The system-call table: built once, from the handlers' own annotations.

``@syscall(39)`` tags a function with its x86-64 number.  ``build`` collects the tagged functions of the family modules
and compiles, for each, one small wrapper that decodes the six registers and calls it.  The same entries, with the
annotations, serve tracing and ``tgid syscalls``.

A handler takes the thread and its typed arguments and returns an int (the value of RAX), or is a generator function
(it may sleep) that finally returns one; None stands for 0.  Errors are raised.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import ModuleType

from syscalls.types import Arg, get_name

F = typing.TypeVar("F", bound=Callable[..., object])

TABLE_SIZE = 512


def syscall(number: int, name: str = "") -> Callable[[F], F]:
    """Tag a handler as system call ``number``; its name is the function's (without a trailing ``_``) or ``name``."""

    def tag(handler: F) -> F:
        handler.__syscall__ = (number, name or handler.__name__.rstrip("_"))  # type: ignore[attr-defined]
        return handler

    return tag


@dataclass(frozen=True, slots=True)
class Syscall:
    """One entry: number, name, the compiled call ``(t, a1..a6) -> result``, and the arguments as (name, Arg)."""

    number: int
    name: str
    call: Callable[..., object]
    args: tuple[tuple[str, Arg], ...]
    handler: Callable[..., object]


def entry(handler: Callable[..., object]) -> Syscall:
    """Compile the table entry of a tagged handler."""
    number, name = handler.__syscall__  # type: ignore[attr-defined]
    hints = typing.get_type_hints(handler, include_extras=True)
    hints.pop("return", None)
    parameters = [(key, hint) for key, hint in hints.items()][1:]
    args = []
    decoded = ["t"]
    for (key, hint), register in zip(parameters, "abcdef", strict=False):
        arg = next(item for item in typing.get_args(hint) if isinstance(item, Arg))
        args.append((key, arg))
        decoded.append(arg.decode.format(register))
    source = f"lambda t, a, b, c, d, e, f: handler({', '.join(decoded)})"
    call = eval(source, {"handler": handler, "get_name": get_name})  # noqa: S307 - our own text, compiled once
    return Syscall(number, name, call, tuple(args), handler)


def build(modules: Iterable[ModuleType]) -> list[Syscall | None]:
    """Return the table, indexed by number, of all tagged handlers of ``modules``; a number taken twice is an error."""
    table: list[Syscall | None] = [None] * TABLE_SIZE
    for module in modules:
        for value in vars(module).values():
            if hasattr(value, "__syscall__") and value.__module__ == module.__name__:
                made = entry(value)
                if table[made.number] is not None:
                    raise ValueError(f"system call {made.number} defined twice: {made.name}")
                table[made.number] = made
    return table
