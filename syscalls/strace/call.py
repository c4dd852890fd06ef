"""A call being shown, and the registries the formatters of this package are found in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from kernel.task import Thread
    from syscalls.table import Syscall
    from syscalls.types import Arg


class Call:
    """One system call on its way: what is shown at its entry and what after it.

    ``args``: the six raw registers.  ``text``: the arguments as far as they can be shown at entry.  ``result``: None until
    it has returned, then an int; negative: minus an errno.
    """

    __slots__ = ("t", "entry", "name", "args", "text", "result", "position", "rest")

    def __init__(self, t: Thread, entry: Syscall | None, name: str, args: tuple[int, ...]) -> None:
        self.t = t
        self.entry = entry
        self.name = name
        self.args = args
        self.text = ""
        self.result: int | None = None
        self.position = 0
        """First argument that is only shown after the call."""
        self.rest: Iterator[str] | None = None
        """The rest of a formatter for the whole call."""

    @property
    def mm(self) -> AddressSpace:
        """The memory the pointers point into."""
        mm = self.t.mm
        assert mm is not None
        return mm

    @property
    def failed(self) -> bool:
        """Whether the call has returned an error, so that what it should have filled is not valid."""
        return self.result is not None and self.result < 0

    @property
    def value(self) -> int:
        """The result of a call that has returned."""
        assert self.result is not None
        return self.result


ArgFormatter = Callable[[Call, int, "Arg", int], "str | None"]
"""(call, raw register, its Arg, index) -> text; None if this and the following arguments are not shown.  EFAULT makes it an
address."""

StructFormatter = Callable[["AddressSpace", int], str]
"""(memory, user address) -> ``{field=value, ...}``."""

CallFormatter = Callable[[Call], Iterator[str]]
"""Shows a call whose arguments depend on each other: yields the text at entry, then, once the result is there, the rest."""

ResultFormatter = Callable[[Call], str]
"""A call that succeeded -> what stands behind the equals sign."""
