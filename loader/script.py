"""``#!`` scripts (``fs/binfmt_script.c``).

The first line names an interpreter and, optionally, one argument: everything between the first blank and the end of
the line, blanks inside included.  Only the first 256 bytes of the file (BINPRM_BUF_SIZE) are looked at.  A line that
is cut there is accepted as long as the *path* is complete; the argument may be cut, since the interpreter can read
the script again by itself.  The interpreter may be a script in turn.
"""

from __future__ import annotations

from typing import NamedTuple

from kernel.errno import Errno

BUF_SIZE = 256
"""BINPRM_BUF_SIZE: bytes of a file that decide what it is."""
MAX_REWRITES = 5
"""How many scripts may name each other before execve gives up with ELOOP (``exec_binprm``)."""

_BLANK = b" \t"


class Shebang(NamedTuple):
    """The interpreter line of a script; ``argument`` is None if there is none."""

    path: bytes
    argument: bytes | None

    def rewrite(self, argv: tuple[bytes, ...], script: bytes) -> tuple[bytes, ...]:
        """Return the interpreter's argv: its path, the argument, the script's path, and ``argv`` without argv[0]."""
        head = (self.path, script) if self.argument is None else (self.path, self.argument, script)
        return head + argv[1:]


def _terminator(data: bytes, start: int) -> int:
    """Return the index of the first blank or NUL from ``start``, -1 if there is none."""
    for index in range(start, len(data)):
        if data[index] in b" \t\0":
            return index
    return -1


def parse(head: bytes) -> Shebang | None:
    """Parse the first BUF_SIZE bytes of a file (fewer if it is shorter); None if it does not start with ``#!``.

    ENOEXEC if there is no path or it may be cut off at the end of the buffer.
    """
    if not head.startswith(b"#!"):
        return None
    buffer = head[:BUF_SIZE].ljust(BUF_SIZE, b"\0")
    end = buffer.find(b"\n")
    if end < 0:
        first = next((i for i in range(2, BUF_SIZE) if buffer[i] not in _BLANK), -1)
        if first < 0 or _terminator(buffer, first) < 0:
            raise Errno.ENOEXEC("the interpreter line of the script is cut off")
        # The last byte of the buffer is given up for the terminator.
        end = BUF_SIZE - 1
    line = buffer[2:end].strip(_BLANK)
    stop = _terminator(line, 0)
    path = line if stop < 0 else line[:stop]
    if not line:
        raise Errno.ENOEXEC("the script names no interpreter")
    if stop < 0 or line[stop] == 0:
        return Shebang(path, None)
    argument = line[stop:].lstrip(_BLANK)
    # C strings: what follows a NUL is not part of them.
    return Shebang(path, argument.split(b"\0", 1)[0])
