"""Shows system calls the way strace(1) does, from the same declarations that decode them.

Each ``Arg`` names the formatter of its argument here.  A formatter gets the thread (memory is read while the call is
entered or just after it returned), the raw register, and through ``Shown`` its neighbours and the result, because a
buffer's length stands in the next argument or in the result.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel.errno import NAME_OF, Errno
from kernel.signal import SI_KERNEL, SI_USER, SigInfo, signal_name
from syscalls.flags import CODES, ENUMS, FLAGS
from syscalls.strace_signal import STRUCTS as SIGNAL_STRUCTS
from syscalls.strace_signal import sigset
from syscalls.structs import BY_NAME

if TYPE_CHECKING:
    from kernel.task import Thread
    from syscalls.table import Syscall
    from syscalls.types import Arg

MAX_STRING = 32
"""Bytes of a buffer shown (strace -s)."""
MAX_ITEMS = 32

_RESTARTS = {
    512: "? ERESTARTSYS (To be restarted if SA_RESTART is set)",
    513: "? ERESTARTNOINTR (To be restarted)",
    514: "? ERESTARTNOHAND (To be restarted if no handler)",
    516: "? ERESTART_RESTARTBLOCK (Interrupted by signal)",
}


class Shown:
    """A call being shown: ``text`` is what could be shown at entry; ``position`` the first argument that could not."""

    __slots__ = ("name", "text", "position", "args", "result")

    def __init__(self, name: str, args: tuple[int, ...]) -> None:
        self.name = name
        self.text = ""
        self.position = 0
        self.args = args
        self.result: int | None = None

    @property
    def failed(self) -> bool:
        """Whether the call returned an error, so that what it should have filled is not valid."""
        return self.result is not None and self.result < 0


Formatter = Callable[["Thread", int, "Arg", Shown, int], str]
"""(thread, raw register, its Arg, the call, index of the argument) -> text."""


def show_call(entry: Syscall | None, number: int, t: Thread, args: tuple[int, ...]) -> Shown:
    """Begin to show a call at its entry: all arguments up to the first that is only filled."""
    if entry is None:
        shown = Shown(f"syscall_{number:#x}", args)
        shown.text = ", ".join(f"{value:#x}" for value in args)
        shown.position = len(args)
        return shown
    shown = Shown(entry.name, args)
    pieces = []
    for index, (_, arg) in enumerate(entry.args):
        if arg.out:
            break
        pieces.append(_show(t, arg, shown, index))
        shown.position = index + 1
    shown.text = ", ".join(pieces)
    if pieces and shown.position < len(entry.args):
        shown.text += ", "
    return shown


def show_result(
    entry: Syscall | None, number: int, t: Thread, args: tuple[int, ...], result: int, shown: Shown
) -> tuple[str, str]:
    """Return (the arguments not yet shown, the result)."""
    shown.result = result
    rest = ""
    if entry is not None:
        arguments = entry.args
        rest = ", ".join(
            _show(t, arguments[index][1], shown, index) for index in range(shown.position, len(arguments))
        )
    return rest, _result(entry, result)


def _show(t: Thread, arg: Arg, shown: Shown, index: int) -> str:
    value = shown.args[index]
    try:
        return FORMATTERS.get(arg.show, _address)(t, value, arg, shown, index)
    except (Errno, struct.error):
        return _address(t, value, arg, shown, index)


_POINTER_RESULTS = frozenset({"mmap", "brk", "mremap", "shmat"})


def _result(entry: Syscall | None, result: int) -> str:
    if -4095 <= result < 0:
        if -result in _RESTARTS:
            return _RESTARTS[-result]
        return f"-1 {NAME_OF.get(-result, -result)} ({os.strerror(-result)})"
    if entry is not None and entry.name in _POINTER_RESULTS:
        return f"{result:#x}"
    return str(result)


# -- scalars ----------------------------------------------------------------------------------------------------------
def signed32(value: int) -> int:
    """Return the low 32 bits as a signed number."""
    return ((value & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000


def _signed64(value: int) -> int:
    return (value ^ (1 << 63)) - (1 << 63)


def _int(t: Thread, value: int, arg: Arg, shown: Shown, index: int) -> str:
    return str(signed32(value) if "0xffffffff" in arg.decode else _signed64(value))


def _uint(t: Thread, value: int, arg: Arg, shown: Shown, index: int) -> str:
    return str(value & 0xFFFFFFFF if "0xffffffff" in arg.decode else value)


def _address(t: Thread, value: int, arg: Arg, shown: Shown, index: int) -> str:
    return f"{value:#x}" if value else "NULL"


def _fd(t: Thread, value: int, arg: Arg, shown: Shown, index: int) -> str:
    return str(signed32(value))


def _dirfd(t: Thread, value: int, arg: Arg, shown: Shown, index: int) -> str:
    return "AT_FDCWD" if signed32(value) == -100 else str(signed32(value))


def _uid(t: Thread, value: int, arg: Arg, shown: Shown, index: int) -> str:
    return "-1" if value & 0xFFFFFFFF == 0xFFFFFFFF else str(value & 0xFFFFFFFF)


def octal(value: int) -> str:
    """Return a file mode's permission bits as strace shows them: 0644."""
    return "0" + format(value, "o") if value else "000"


def _mode_text(t: Thread, value: int, arg: Arg, shown: Shown, index: int) -> str:
    return octal(value & 0xFFFFFFFF)


def _signal(t: Thread, value: int, arg: Arg, shown: Shown, index: int) -> str:
    return signal_name(signed32(value)) if value else "0"


def _flags(t: Thread, value: int, arg: Arg, shown: Shown, index: int) -> str:
    if "0xffffffff" in arg.decode:
        value &= 0xFFFFFFFF
    return flag_names(str(arg.data), value)


def _enum(t: Thread, value: int, arg: Arg, shown: Shown, index: int) -> str:
    if "0xffffffff" in arg.decode:
        value &= 0xFFFFFFFF
    return enum_name(str(arg.data), value)


def flag_names(table: str, value: int) -> str:
    """Return OR-ed names of a table of flags.py; unknown bits in hexadecimal."""
    names = []
    left = value
    entries = FLAGS.get(table, ())
    for bits, name in entries:
        if bits and left & bits == bits:
            names.append(name)
            left &= ~bits
    if left:
        names.append(f"{left:#x}")
    if not names:
        return next((name for bits, name in entries if bits == 0), "0")
    return "|".join(names)


def enum_name(table: str, value: int) -> str:
    """Return the name of a value in a table of flags.py, or the number in hexadecimal with a remark."""
    name = ENUMS.get(table, {}).get(value)
    return name if name is not None else f"{value:#x}"


# -- strings and buffers ----------------------------------------------------------------------------------------------
_ESCAPES = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}


def quote(data: bytes, more: bool = False) -> str:
    """Return a C string literal as strace prints one; octal escapes are as short as the next byte allows."""
    pieces = []
    for index, byte in enumerate(data):
        if byte in _ESCAPES and byte not in (7, 8):
            pieces.append(_ESCAPES[byte])
        elif 32 <= byte < 127:
            pieces.append(chr(byte))
        else:
            followed = index + 1 < len(data) and 48 <= data[index + 1] <= 55
            pieces.append(f"\\{byte:03o}" if followed else f"\\{byte:o}")
    return f'"{"".join(pieces)}"' + ("..." if more else "")


def user_string(t: Thread, address: int, limit: int = 4096) -> str:
    """Quote the NUL-terminated string at a user address."""
    if not address:
        return "NULL"
    assert t.mm is not None
    data = t.mm.read_cstring(address, limit)
    return quote(data) if data is not None else quote(t.mm.read(address, limit), more=True)


def _path(t: Thread, value: int, arg: Arg, shown: Shown, index: int) -> str:
    return user_string(t, value)


def _buffer(t: Thread, address: int, size: int) -> str:
    if not address:
        return "NULL"
    assert t.mm is not None
    return quote(t.mm.read(address, min(size, MAX_STRING)), size > MAX_STRING)


def _inbuf(t: Thread, value: int, arg: Arg, shown: Shown, index: int) -> str:
    return _buffer(t, value, shown.args[index + 1])


def _outbuf(t: Thread, value: int, arg: Arg, shown: Shown, index: int) -> str:
    if shown.failed or shown.result is None:
        return _address(t, value, arg, shown, index)
    return _buffer(t, value, shown.result)


def _strings(t: Thread, value: int, arg: Arg, shown: Shown, index: int) -> str:
    """argv as a list; the environment, the argument behind it, only as its size."""
    if not value:
        return "NULL"
    assert t.mm is not None
    pointers = t.mm.read_pointers(value, 1 << 16)
    if pointers is None:
        return f"{value:#x}"
    if index and FORMATTERS["strings"] is _strings and _is_environment(shown, index):
        return f"{value:#x} /* {len(pointers)} var{'' if len(pointers) == 1 else 's'} */"
    shown_strings = [user_string(t, pointer) for pointer in pointers[:MAX_ITEMS]]
    return "[" + ", ".join(shown_strings) + (", ..." if len(pointers) > MAX_ITEMS else "") + "]"


def _is_environment(shown: Shown, index: int) -> bool:
    return index == (2 if shown.name == "execve" else 3)


# -- structures -------------------------------------------------------------------------------------------------------
def _struct(t: Thread, value: int, arg: Arg, shown: Shown, index: int) -> str:
    if not value or shown.failed:
        return _address(t, value, arg, shown, index)
    assert t.mm is not None
    name = str(arg.data)
    special = STRUCTS.get(name)
    if special is not None:
        return special(t, value)
    layout = BY_NAME.get(name)
    if layout is None:
        return f"{value:#x}"
    fields = zip(layout.fields, layout.read(t.mm, value), strict=True)
    return "{" + ", ".join(f"{field}={number}" for field, number in fields) + "}"


def _sigset(t: Thread, value: int, arg: Arg, shown: Shown, index: int) -> str:
    if not value or (arg.out and (shown.failed or shown.result is None)):
        return _address(t, value, arg, shown, index)
    return sigset(t, value)


def _siginfo_struct(t: Thread, address: int) -> str:
    assert t.mm is not None
    info = SigInfo.unpack(t.mm.read(address, 128))
    return show_siginfo(info) if info.signo else "{}"


STRUCTS: dict[str, Callable[[Thread, int], str]] = {
    "siginfo_t": _siginfo_struct,
    **SIGNAL_STRUCTS,
}


def show_siginfo(info: SigInfo) -> str:
    """Return ``{si_signo=SIGCHLD, si_code=CLD_EXITED, ...}``."""
    parts = [f"si_signo={signal_name(info.signo)}"]
    code = CODES.get((info.signo, info.code)) or CODES.get((0, info.code)) or str(info.code)
    parts.append(f"si_code={code}")
    if info.errno:
        parts.append(f"si_errno={info.errno}")
    if info.signo == 17 and SI_USER < info.code < SI_KERNEL:
        parts += [f"si_pid={info.pid}", f"si_uid={info.uid}"]
        parts.append(f"si_status={info.status if info.code == 1 else signal_name(info.status)}")
        parts += [f"si_utime={info.utime}", f"si_stime={info.stime}"]
    elif info.signo in (4, 5, 7, 8, 11) and info.code > 0:
        parts.append(f"si_addr={info.addr:#x}" if info.addr else "si_addr=NULL")
    elif info.code == -2:
        parts += [f"si_timerid={info.timerid:#x}", f"si_overrun={info.overrun}", f"si_int={signed32(info.value)}"]
    elif info.code <= 0:
        parts += [f"si_pid={info.pid}", f"si_uid={info.uid}"]
        if info.code == -1:
            parts += [f"si_int={signed32(info.value)}", f"si_ptr={info.value:#x}" if info.value else "si_ptr=NULL"]
    return "{" + ", ".join(parts) + "}"


def _wait_status(t: Thread, value: int, arg: Arg, shown: Shown, index: int) -> str:
    if not value or shown.failed or not shown.result:
        return _address(t, value, arg, shown, index)
    assert t.mm is not None
    return "[" + describe_status(t.mm.read_u32(value)) + "]"


def describe_status(status: int) -> str:
    """Return a wait status as the macros that take it apart."""
    if status == 0xFFFF:
        return "{WIFCONTINUED(s)}"
    if status & 0xFF == 0x7F:
        event = status >> 16
        extra = f" | {event << 8:#x}" if event else ""
        return f"{{WIFSTOPPED(s) && WSTOPSIG(s) == {signal_name(status >> 8 & 0xFF)}{extra}}}"
    if status & 0x7F:
        core = " && WCOREDUMP(s)" if status & 0x80 else ""
        return f"{{WIFSIGNALED(s) && WTERMSIG(s) == {signal_name(status & 0x7F)}{core}}}"
    return f"{{WIFEXITED(s) && WEXITSTATUS(s) == {status >> 8 & 0xFF}}}"


FORMATTERS: dict[str, Formatter] = {
    "int": _int,
    "uint": _uint,
    "address": _address,
    "fd": _fd,
    "dirfd": _dirfd,
    "pid": _int,
    "uid": _uid,
    "mode": _mode_text,
    "signal": _signal,
    "flags": _flags,
    "enum": _enum,
    "path": _path,
    "cstring": _path,
    "inbuf": _inbuf,
    "outbuf": _outbuf,
    "strings": _strings,
    "struct": _struct,
    "sigset": _sigset,
    "wait_status": _wait_status,
}
