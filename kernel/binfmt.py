"""What execve needs of a program loader, as protocols; ``loader/`` implements them.

An exec has a point of no return.  ``prepare`` does everything that may fail while the old program is still whole;
``commit`` fills the new address space, and an error there can only kill the process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kernel.fs.file import File
    from kernel.mm.address_space import AddressSpace
    from kernel.task import Thread


class Image(Protocol):
    """Where a loaded program starts, and the addresses /proc shows of it."""

    @property
    def entry(self) -> int: ...
    @property
    def sp(self) -> int: ...
    @property
    def brk(self) -> int: ...
    @property
    def start_code(self) -> int: ...
    @property
    def end_code(self) -> int: ...
    @property
    def start_data(self) -> int: ...
    @property
    def end_data(self) -> int: ...
    @property
    def start_stack(self) -> int: ...
    @property
    def arg_start(self) -> int: ...
    @property
    def arg_end(self) -> int: ...
    @property
    def env_start(self) -> int: ...
    @property
    def env_end(self) -> int: ...
    @property
    def auxv(self) -> bytes: ...


class Program(Protocol):
    """A program that passed every check."""

    @property
    def executable(self) -> File:
        """The file whose set-id bits count and that /proc/PID/exe names (of a script: its interpreter)."""

    @property
    def name(self) -> bytes:
        """The path whose last component becomes the command name."""

    @property
    def mapped(self) -> Sequence[File]:
        """The files that will be mapped: the executable and its ELF interpreter, if any."""

    def commit(self, t: Thread, mm: AddressSpace, secure: bool) -> Image:
        """Fill the new, empty ``mm``; ``t.cred`` is already the new one, ``secure`` is AT_SECURE.  Raises Errno: the
        process is then killed with SIGSEGV."""

    def close(self) -> None:
        """Drop the files that were opened."""


class ProgramLoader(Protocol):
    """Turns an opened file into a program (``search_binary_handler``)."""

    def prepare(
        self, t: Thread, file: File, filename: bytes, argv: Sequence[bytes], envp: Sequence[bytes], inaccessible: bool
    ) -> Program:
        """Check ``file`` and follow its interpreters.  Takes over the caller's reference on ``file``, also on error.

        Raises E2BIG, ENOEXEC, ELOOP, ELIBBAD, ENOENT, EACCES, ...
        """
