"""Argument types of system calls.

The annotation of a handler's parameter says two things: how the register becomes the Python value the handler gets,
and how strace would show it.  ``Annotated[int, FD]`` therefore serves dispatch, tracing and the support table.  Pointers
stay integers for the handler (it reads and writes through ``t.mm``); only path names are fetched before the call,
because every call that takes one does exactly that (getname() in fs/namei.c).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from kernel.errno import Errno

if TYPE_CHECKING:
    from kernel.task import Thread

PATH_MAX = 4096


def get_name(t: Thread, address: int) -> bytes:
    """Fetch a path name; EFAULT for a bad pointer, ENAMETOOLONG at PATH_MAX bytes (getname_flags)."""
    name = t.mm.read_cstring(address, PATH_MAX)  # type: ignore[union-attr]
    if name is None:
        raise Errno.ENAMETOOLONG
    return name


class Arg:
    """How one argument is decoded and shown.

    ``decode``: a Python expression over the raw unsigned 64-bit register ``{0}``, with the usual case first.  ``show``: name
    of the formatter in ``syscalls/strace``; ``data`` is its parameter (a flag table, a struct...).  ``out``: shown after
    the call.
    """

    __slots__ = ("decode", "show", "data", "out")

    def __init__(self, decode: str, show: str, data: object = None, out: bool = False) -> None:
        self.decode = decode
        self.show = show
        self.data = data
        self.out = out


_INT = "({0} if {0} < 0x80000000 else (({0} & 0xffffffff) ^ 0x80000000) - 0x80000000)"
_UINT = "({0} if {0} <= 0xffffffff else {0} & 0xffffffff)"
_LONG = "({0} if {0} < 0x8000000000000000 else {0} - 0x10000000000000000)"
_RAW = "{0}"

Int = Annotated[int, Arg(_INT, "int")]
UInt = Annotated[int, Arg(_UINT, "uint")]
Long = Annotated[int, Arg(_LONG, "int")]
ULong = Annotated[int, Arg(_RAW, "uint")]
Size = Annotated[int, Arg(_RAW, "uint")]
Offset = Annotated[int, Arg(_LONG, "int")]
Hex = Annotated[int, Arg(_RAW, "hex")]
Hex32 = Annotated[int, Arg(_UINT, "hex")]
Unused = Annotated[int, Arg(_RAW, "hidden")]
"""A register the call ignores; not shown."""
Address = Annotated[int, Arg(_RAW, "address")]
Fd = Annotated[int, Arg(_INT, "fd")]
DirFd = Annotated[int, Arg(_INT, "dirfd")]
Pid = Annotated[int, Arg(_INT, "pid")]
Uid = Annotated[int, Arg(_UINT, "uid")]
Gid = Annotated[int, Arg(_UINT, "uid")]
Mode = Annotated[int, Arg(_UINT, "mode")]
CreateMode = Annotated[int, Arg(_UINT, "create_mode")]
"""The mode of a file that may be made; shown only if the flags, the argument before, say so."""
FileMode = Annotated[int, Arg(_UINT, "file_mode")]
"""Type and permissions (mknod)."""
Signal = Annotated[int, Arg(_INT, "signal")]
Path = Annotated[bytes, Arg("get_name(t, {0})", "path")]
"""Fetched before the call: bytes without the NUL."""
PathPtr = Annotated[int, Arg(_RAW, "path")]
"""A path the handler fetches itself (it may be NULL, or is fetched late)."""
CString = Annotated[int, Arg(_RAW, "cstring")]
InBuf = Annotated[int, Arg(_RAW, "inbuf")]
"""Pointer to bytes the call reads; the next argument is their length."""
OutBuf = Annotated[int, Arg(_RAW, "outbuf", out=True)]
"""Pointer to a buffer the call fills; as many bytes as the result says."""


def flags(table: str, decode: str = _INT) -> Arg:
    """An int of OR-ed bits; ``table`` names the prefix table in syscalls/flags.py (e.g. "open", "mmap_prot")."""
    return Arg(decode, "flags", table)


def enum(table: str, decode: str = _INT) -> Arg:
    """An int that is one of the names of a table in syscalls/flags.py."""
    return Arg(decode, "enum", table)


def in_struct(name: str) -> Arg:
    """Pointer to a struct (by C name, see STRUCTS of syscalls/strace) that the call reads."""
    return Arg(_RAW, "struct", name)


def out_struct(name: str) -> Arg:
    """Pointer to a struct the call fills."""
    return Arg(_RAW, "struct", name, out=True)


def custom(show: str, decode: str = _RAW, out: bool = False) -> Arg:
    """An argument with a formatter of its own, by name."""
    return Arg(decode, show, None, out)


Formatter = Callable[..., str]
