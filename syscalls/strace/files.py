"""Calls on descriptors: buffers, vectors, polling, fcntl and ioctl."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct, iter_unpack
from typing import TYPE_CHECKING

from kernel.ia32 import in_ia32_syscall
from kernel.signal import signal_name
from syscalls.flags import ENUMS
from syscalls.strace import seccomp, sockaddr
from syscalls.strace.structs import STRUCTS, flock_text, timespec_text, timeval_text
from syscalls.strace.text import (
    MAX_ITEMS,
    address,
    array,
    buffer,
    device,
    enum_name,
    flag_names,
    hexadecimal,
    mode_text,
    octal,
    open_flags,
    signed32,
)

if TYPE_CHECKING:
    from syscalls.strace.call import Call
    from syscalls.types import Arg

O_CREAT, O_TMPFILE = 0o100, 0o20200000


def create_mode(call: Call, value: int, arg: Arg, index: int) -> str | None:
    """The mode of open(2), which only counts when a file may be made; the flags stand before it."""
    flags = call.args[index - 1]
    return octal(value & 0o177777) if flags & O_CREAT or flags & O_TMPFILE == O_TMPFILE else None


def file_mode(call: Call, value: int, arg: Arg, index: int) -> str:
    """The mode of mknod(2): type and permissions."""
    return mode_text(value & 0xFFFFFFFF)


def device_number(call: Call, value: int, arg: Arg, index: int) -> str | None:
    """The device of mknod(2), for device nodes only; the mode stands before it."""
    return device(value & 0xFFFFFFFF) if call.args[index - 1] & 0o170000 in (0o020000, 0o060000) else None


# -- buffers ----------------------------------------------------------------------------------------------------------
def inbuf(call: Call, value: int, arg: Arg, index: int) -> str:
    """Bytes the call reads; the next argument is their number."""
    return buffer(call.mm, value, call.args[index + 1])


def outbuf(call: Call, value: int, arg: Arg, index: int) -> str:
    """Bytes the call has filled, as many as it returned; nothing was if no room was offered."""
    if call.failed or (call.name.endswith("xattr") and not call.args[index + 1]):
        return address(value)
    return buffer(call.mm, value, call.value)


def random_bytes(call: Call, value: int, arg: Arg, index: int) -> str:
    """As ``outbuf``, but never text."""
    return address(value) if call.failed else buffer(call.mm, value, call.value, hexa=True)


def out_name(call: Call, value: int, arg: Arg, index: int) -> str:
    """A NUL-terminated path the call has filled; the result counts the NUL."""
    from syscalls.strace.text import quote

    return address(value) if call.failed else quote(call.mm.read(value, max(call.value - 1, 0)))


_IOVEC = Struct("<QQ")
_IOVEC32 = Struct("<II")


def iovec_text(call: Call, where: int, count: int, budget: int | None) -> str:
    """An array of ``struct iovec``: contents as far as ``budget`` bytes go, None: addresses only."""
    if not where:
        return "NULL"
    items: list[str] = []
    shown = min(count, MAX_ITEMS)
    kind = _IOVEC32 if in_ia32_syscall(call.t) else _IOVEC
    for base, length in kind.iter_unpack(call.mm.read(where, kind.size * shown)):
        if budget is None:
            text = address(base)
        else:
            text = buffer(call.mm, base, min(length, budget))
            budget -= min(length, budget)
        items.append(f"{{iov_base={text}, iov_len={length}}}")
    return array(items, count > shown)


def low_first(call: Call, value: int, arg: Arg, index: int) -> str:
    """An offset in two registers of i386, the low half here and the high one in the next."""
    return str(((call.args[index + 1] << 32 | value) ^ 1 << 63) - (1 << 63))


def high_first(call: Call, value: int, arg: Arg, index: int) -> str:
    """The same the other way round."""
    return str(((value << 32 | call.args[index + 1]) ^ 1 << 63) - (1 << 63))


def iovec_in(call: Call, value: int, arg: Arg, index: int) -> str:
    """Buffers the call gathers from."""
    return iovec_text(call, value, call.args[index + 1], 1 << 63)


def iovec_out(call: Call, value: int, arg: Arg, index: int) -> str:
    """Buffers the call has scattered into: as many bytes as it returned."""
    return iovec_text(call, value, call.args[index + 1], None if call.failed or call.result is None else call.value)


def iovec_bare(call: Call, value: int, arg: Arg, index: int) -> str:
    """Buffers of another process: addresses and lengths."""
    return iovec_text(call, value, call.args[index + 1], None)


def dirents(call: Call, value: int, arg: Arg, index: int) -> str:
    """The number of directory entries read; each begins with inode, offset and its length."""
    if call.failed:
        return address(value)
    data = call.mm.read(value, call.value)
    count = at = 0
    while at + 18 <= len(data):
        step = int.from_bytes(data[at + 16 : at + 18], "little")
        if step < 18:
            break
        at += step
        count += 1
    return f"{address(value)} /* {count} entries */"


def descriptors(call: Call, value: int, arg: Arg, index: int) -> str:
    """The two descriptors of pipe(2)."""
    if call.failed or not value:
        return address(value)
    return array([str(fd) for (fd,) in iter_unpack("<i", call.mm.read(value, 8))])


def residency(call: Call, value: int, arg: Arg, index: int) -> str:
    """The vector of mincore(2): one byte a page of the length before it."""
    if call.failed or not value:
        return address(value)
    pages = (call.args[index - 1] + 4095) >> 12
    return array([str(byte & 1) for byte in call.mm.read(value, min(pages, MAX_ITEMS))], pages > MAX_ITEMS)


def sendfile(call: Call) -> Iterator[str]:
    """sendfile(2): the offset before, and after it if that is another one."""
    target, source, where, count = call.args[:4]
    head = f"{signed32(target)}, {signed32(source)}, "
    if not where:
        yield f"{head}NULL, {count}"
        yield ""
        return
    before = STRUCTS["loff_t"](call.mm, where)
    yield head + before
    after = before if call.failed else STRUCTS["loff_t"](call.mm, where)
    yield f"{'' if after == before else f' => {after}'}, {count}"


# -- polling ----------------------------------------------------------------------------------------------------------
def pollfds(call: Call, value: int, arg: Arg, index: int) -> str:
    """The requests of poll(2); what happened is shown behind the result."""
    count = call.args[index + 1] & 0xFFFFFFFF
    if not value:
        return "NULL"
    items = []
    for fd, events, _ in iter_unpack("<iHH", call.mm.read(value, 8 * min(count, MAX_ITEMS))):
        items.append(f"{{fd={fd}}}" if fd < 0 else f"{{fd={fd}, events={flag_names('poll', events)}}}")
    return array(items, count > MAX_ITEMS)


def _left(call: Call, index: int) -> list[str]:
    """The time that was left, where the call reports it through argument ``index``."""
    where = call.args[index]
    if not where:
        return []
    text = timeval_text if call.name == "select" else timespec_text
    return [f"left {text(*Struct('<qq').unpack(call.mm.read(where, 16)))}"]


def poll_result(call: Call) -> str:
    """Return ``1 ([{fd=0, revents=POLLIN}])``, or that it timed out."""
    if not call.value:
        return "0 (Timeout)"
    where, count = call.args[0], call.args[1] & 0xFFFFFFFF
    ready = [
        f"{{fd={fd}, revents={flag_names('poll', revents)}}}"
        for fd, _, revents in iter_unpack("<iHH", call.mm.read(where, 8 * count))
        if revents and fd >= 0
    ]
    left = _left(call, 2) if call.name == "ppoll" else []
    return f"{call.value} ({', '.join([array(ready), *left])})"


def _members(call: Call, where: int) -> list[int]:
    """The descriptors of an fd_set below the first argument."""
    limit = min(max(signed32(call.args[0]), 0), 1 << 16)
    bits = int.from_bytes(call.mm.read(where, (limit + 63) // 64 * 8), "little")
    return [fd for fd in range(limit) if bits >> fd & 1]


def fdset(call: Call, value: int, arg: Arg, index: int) -> str:
    """The set of descriptors select(2) is asked about."""
    return "[" + " ".join(map(str, _members(call, value))) + "]" if value else "NULL"


def select_result(call: Call) -> str:
    """Return ``1 (in [3], left {...})``, or that it timed out."""
    if not call.value:
        return "0 (Timeout)"
    pieces = []
    for kind, where in zip(("in", "out", "exc"), call.args[1:4], strict=True):
        found = _members(call, where) if where else []
        if found:
            pieces.append(f"{kind} [{' '.join(map(str, found))}]")
    return f"{call.value} ({', '.join(pieces + _left(call, 4))})"


def epoll_events(call: Call, value: int, arg: Arg, index: int) -> str:
    """The events epoll_wait(2) has stored."""
    if call.failed:
        return address(value)
    return array([STRUCTS["epoll_event"](call.mm, value + 12 * i) for i in range(min(call.value, MAX_ITEMS + 1))])


# -- fcntl ------------------------------------------------------------------------------------------------------------
_FCNTL_NONE = frozenset({1, 3, 9, 11, 1025, 1032, 1034})
_FCNTL_OUT = {5: "flock", 36: "flock", 16: "f_owner_ex"}


def fcntl(call: Call) -> Iterator[str]:
    """fcntl(2): the third argument depends on the command."""
    fd, command, value = signed32(call.args[0]), call.args[1] & 0xFFFFFFFF, call.args[2]
    head = f"{fd}, {enum_name('fcntl', command)}"
    if command in _FCNTL_NONE:
        yield head
        yield ""
    elif command in _FCNTL_OUT:
        yield head + ", "
        if call.failed or not value:
            yield address(value)
        elif command == 16:
            yield STRUCTS["f_owner_ex"](call.mm, value)
        else:
            yield flock_text(call.mm, value, with_pid=True)
    else:
        yield f"{head}, {_fcntl_argument(call, command, value)}"
        yield ""


def _fcntl_argument(call: Call, command: int, value: int) -> str:
    if command == 2:
        return flag_names("fd_flags", value & 0xFFFFFFFF)
    if command == 4:
        return open_flags(value & 0xFFFFFFFF)
    if command in (6, 7, 37, 38):
        return flock_text(call.mm, value, with_pid=False) if value else "NULL"
    if command == 15:
        return STRUCTS["f_owner_ex"](call.mm, value) if value else "NULL"
    if command == 10:
        return signal_name(signed32(value)) if value else "0"
    if command == 1024:
        return enum_name("lock_type", value & 0xFFFFFFFF)
    if command == 1033:
        return flag_names("seals", value & 0xFFFFFFFF)
    if command in (0, 8, 1030, 1031):
        return str(signed32(value))
    return hexadecimal(value)


def fcntl_result(call: Call) -> str:
    """The result of fcntl(2), with its meaning in parentheses."""
    command, value = call.args[1] & 0xFFFFFFFF, call.value
    if command == 1:
        return f"{value:#x} (flags {flag_names('fd_flags', value)})" if value else "0"
    if command == 3:
        return f"{hexadecimal(value)} (flags {open_flags(value)})"
    if command == 11 and value:
        return f"{value} ({signal_name(value)})"
    if command == 1025:
        return f"{hexadecimal(value)} ({enum_name('lock_type', value)})"
    if command == 1034 and value:
        return f"{value:#x} (seals {flag_names('seals', value)})"
    return str(value)


# -- ioctl ------------------------------------------------------------------------------------------------------------
_IOCTL_NONE = frozenset({0x540C, 0x540D, 0x541D, 0x5422, 0x5427, 0x5428, 0x5437, 0x5450, 0x5451})
_IOCTL_IN = {
    **dict.fromkeys((0x5402, 0x5403, 0x5404), "termios"),
    0x5414: "winsize",
    0x5412: "char",
    **dict.fromkeys((0x5410, 0x5421, 0x5452, 0x5423, 0x5420, 0x40045431), "int"),
}
_IOCTL_OUT = {
    0x5401: "termios",
    0x5413: "winsize",
    **dict.fromkeys((0x540F, 0x5411, 0x541B, 0x5424, 0x5429, 0x80045439, 0x80045438, 0x80045440, 0x8905, 2), "int"),
    **dict.fromkeys((0x80045430, 0x80045432), "uint"),
    0x5460: "loff_t",
}
_IOCTL_NUMBER = frozenset({0x5409, 0x5425, 0x540E, 0x40049409, 0x40045436, 0x5441})
_IOCTL_ADDRESS = frozenset({0x5405, 0x5406, 0x5407, 0x5408, 0x5415, 0x5416, 0x5417, 0x5418})
_DIRECTIONS = ("_IOC_NONE", "_IOC_WRITE", "_IOC_READ", "_IOC_READ|_IOC_WRITE")


def ioctl_name(command: int) -> str:
    """Return the name of an ioctl, or how its number is made up (asm-generic/ioctl.h)."""
    known = ENUMS["ioctl"][1].get(command)
    if known is not None:
        return known
    fields = (command >> 8 & 0xFF, command & 0xFF, command >> 16 & 0x3FFF)
    return f"_IOC({_DIRECTIONS[command >> 30]}, {', '.join(map(hexadecimal, fields))})"


def ioctl(call: Call) -> Iterator[str]:
    """ioctl(2): the third argument depends on the command."""
    fd, command, value = signed32(call.args[0]), call.args[1] & 0xFFFFFFFF, call.args[2]
    head = f"{fd}, {ioctl_name(command)}"
    if command in seccomp.IOCTLS:
        yield from seccomp.ioctl(call, head)
    elif command in sockaddr.IFREQ_COMMANDS:
        yield from sockaddr.interface_request(call, head)
    elif command in _IOCTL_NONE:
        yield head
        yield ""
    elif command in _IOCTL_OUT:
        yield head
        yield ", " + (address(value) if call.failed or not value else STRUCTS[_IOCTL_OUT[command]](call.mm, value))
    elif command in _IOCTL_IN:
        yield f"{head}, {STRUCTS[_IOCTL_IN[command]](call.mm, value) if value else 'NULL'}"
        yield ""
    else:
        if command == 0x540B:
            text = enum_name("tcflush", value & 0xFFFFFFFF)
        elif command == 0x540A:
            text = enum_name("tcxonc", value & 0xFFFFFFFF)
        elif command in _IOCTL_NUMBER:
            text = str(signed32(value))
        elif command in _IOCTL_ADDRESS:
            text = address(value)
        else:
            text = hexadecimal(value)
        yield f"{head}, {text}"
        yield ""


AT_STATX_SYNC = 0x6000


def statx_flags(call: Call, value: int, arg: Arg, index: int) -> str:
    """The flags of statx(2): how to synchronise comes first."""
    value &= 0xFFFFFFFF
    rest = value & ~AT_STATX_SYNC
    sync = value & AT_STATX_SYNC
    first = "AT_STATX_FORCE_SYNC|AT_STATX_DONT_SYNC" if sync == AT_STATX_SYNC else enum_name("statx_sync", sync)
    return f"{first}|{flag_names('at', rest)}" if rest else first
