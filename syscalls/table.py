"""The system-call table: built once, from the handlers' own annotations.

``@syscall(39)`` tags a function with its x86-64 number.  ``build`` collects the tagged functions of the family modules
into a ``Table``.  The wrapper that decodes the six registers and calls the handler is compiled at the first use of a
call, because a run uses a few dozen of several hundred.  The same entries, with the annotations, serve tracing and
``tgid syscalls``.

A handler takes the thread and its typed arguments and returns an int (the value of RAX), or is a generator function
(it may sleep) that finally returns one; None stands for 0.  Errors are raised.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import ModuleType

from syscalls.types import Arg, get_name

if typing.TYPE_CHECKING:
    from kernel.task import Thread

F = typing.TypeVar("F", bound=Callable[..., object])

TABLE_SIZE = 512


def syscall(number: int, name: str = "") -> Callable[[F], F]:
    """Tag a handler as system call ``number``; its name is the function's (without a trailing ``_``) or ``name``."""

    def tag(handler: F) -> F:
        handler.__syscall__ = (number, name or handler.__name__.rstrip("_"))  # type: ignore[attr-defined]
        return handler

    return tag


class Syscall:
    """One entry.  ``family`` is the module it stands in, ``handler`` the tagged function."""

    __slots__ = ("number", "name", "family", "handler", "_args", "_call")

    def __init__(self, number: int, name: str, family: str, handler: Callable[..., object]) -> None:
        self.number = number
        self.name = name
        self.family = family
        self.handler = handler
        self._args: tuple[tuple[str, Arg], ...] | None = None
        self._call: Callable[..., object] | None = None

    @property
    def args(self) -> tuple[tuple[str, Arg], ...]:
        """The arguments as (name, Arg), in register order."""
        if self._args is None:
            # Only these annotations are needed at run time; those of thread and result may name what is not imported.
            names = [name for name in self.handler.__annotations__ if name != "return"][1:]
            self._args = tuple((name, self._evaluate(self.handler.__annotations__[name])) for name in names)
        return self._args

    def _evaluate(self, annotation: str) -> Arg:
        hint = eval(annotation, self.handler.__globals__)
        return next(item for item in typing.get_args(hint) if isinstance(item, Arg))

    def compile(self) -> Callable[..., object]:
        """Return the call ``(t, registers) -> result`` that decodes the raw registers, compiled once."""
        if self._call is not None:
            return self._call
        decoded = ["t"] + [arg.decode.format(f"r[{index}]") for index, (_, arg) in enumerate(self.args, 1)]
        source = f"lambda t, r: handler({', '.join(decoded)})"
        self._call = eval(source, {"handler": self.handler, "get_name": get_name})
        return self._call


class Table:
    """All system calls: ``entries[number]`` is a Syscall or None."""

    __slots__ = ("entries",)

    def __init__(self, entries: list[Syscall | None]) -> None:
        self.entries = entries

    def calls(self, unknown: Callable[..., object]) -> list[Callable[..., object]]:
        """Return what the run loop indexes by number: callables ``(t, registers)``; ``registers`` are number and arguments.

        A call that is not there becomes ``unknown(t, number)``; the last one, behind the table, is for every number beyond.
        """
        calls: list[Callable[..., object]] = []

        def first_use(entry: Syscall) -> Callable[..., object]:
            def compile_and_call(t: Thread, registers: Sequence[int]) -> object:
                call = calls[entry.number] = entry.compile()
                return call(t, registers)

            return compile_and_call

        def absent(number: int) -> Callable[..., object]:
            return lambda t, registers: unknown(t, number)

        for number, entry in enumerate(self.entries):
            calls.append(absent(number) if entry is None else first_use(entry))
        calls.append(lambda t, registers: unknown(t, t.syscall_nr))
        return calls


def build(modules: Iterable[ModuleType]) -> Table:
    """Return the table of all tagged handlers of ``modules``.  Raises ValueError for a number taken twice."""
    entries: list[Syscall | None] = [None] * TABLE_SIZE
    for module in modules:
        for entry in tagged(module):
            other = entries[entry.number]
            if other is not None:
                raise ValueError(f"system call {entry.number} is defined twice: {other.family}.{other.name} and {entry.name}")
            entries[entry.number] = entry
    return Table(entries)


def tagged(module: ModuleType) -> Iterator[Syscall]:
    """Yield an entry for each tagged handler that stands in ``module``."""
    for value in vars(module).values():
        tag = getattr(value, "__syscall__", None)
        if tag is not None and value.__module__ == module.__name__:
            number, name = tag
            yield Syscall(number, name, module.__name__.rsplit(".", 1)[-1], value)
