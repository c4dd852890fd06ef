"""Socket calls as strace(1) prints them: addresses, messages, options."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct, iter_unpack, unpack_from
from typing import TYPE_CHECKING

from kernel.errno import Errno
from syscalls.strace.files import iovec_text
from syscalls.strace.sockaddr import sockaddr_text
from syscalls.strace.structs import STRUCTS
from syscalls.strace.text import address, array, buffer, enum_name, flag_names, hexadecimal, quote, signed32

if TYPE_CHECKING:
    from syscalls.strace.call import Call
    from syscalls.types import Arg

SOCK_FLAGS = 0o2004000


# -- kinds ------------------------------------------------------------------------------------------------------------
def socket_type(call: Call, value: int, arg: Arg, index: int) -> str:
    """The type of a socket with its flags."""
    value &= 0xFFFFFFFF
    flags = value & SOCK_FLAGS
    rest = value & ~SOCK_FLAGS & ~0xF
    text = enum_name("socket_type", value & 0xF)
    if rest:
        text += f"|{rest:#x} /* SOCK_??? */"
    return f"{text}|{flag_names('socket_flags', flags)}" if flags else text


def protocol(call: Call, value: int, arg: Arg, index: int) -> str:
    """The protocol, by name in the families that have names for them."""
    domain = call.args[index - 2] & 0xFFFFFFFF
    if domain in (2, 10):
        return enum_name("ip_protocol", value & 0xFFFFFFFF)
    if domain == 16:
        return enum_name("netlink", value & 0xFFFFFFFF)
    return str(value & 0xFFFFFFFF)


# -- addresses --------------------------------------------------------------------------------------------------------
def sockaddr(call: Call, value: int, arg: Arg, index: int) -> str:
    """An address the caller gives; its length is the next argument."""
    return sockaddr_text(call.mm, value, signed32(call.args[index + 1]))


def _length_at(call: Call, where: int) -> int | None:
    try:
        return signed32(call.mm.read_u32(where)) if where else None
    except Errno:
        return None


def _filled_address(call: Call, where: int, length_at: int, before: int | None) -> str:
    """An address the kernel has stored and its length: what it was, and what it became if that is another number."""
    if before is None:
        return f"{address(where)}, {address(length_at)}"
    after = _length_at(call, length_at)
    if call.failed or after is None:
        return f"{address(where)}, [{before}]"
    text = sockaddr_text(call.mm, where, min(before, after))
    return f"{text}, [{before}]" if after == before else f"{text}, [{before} => {after}]"


def name_of_socket(call: Call) -> Iterator[str]:
    """accept, accept4, getsockname, getpeername: the kernel stores an address."""
    fd, where, length_at, flags = call.args[:4]
    before = _length_at(call, length_at)
    yield f"{signed32(fd)}, "
    tail = f", {flag_names('socket_flags', flags & 0xFFFFFFFF)}" if call.name == "accept4" else ""
    yield _filled_address(call, where, length_at, before) + tail


def recvfrom(call: Call) -> Iterator[str]:
    """recvfrom(2): the data, and who sent them."""
    fd, where, size, flags, name, length_at = call.args
    before = _length_at(call, length_at)
    yield f"{signed32(fd)}, "
    data = address(where) if call.failed else buffer(call.mm, where, call.value)
    yield f"{data}, {size}, {flag_names('msg', flags & 0xFFFFFFFF)}, {_filled_address(call, name, length_at, before)}"


# -- messages ---------------------------------------------------------------------------------------------------------
_MSGHDR = Struct("<QI4xQQQQI4x")
_CMSG = Struct("<Qii")


def _control(data: bytes) -> str:
    """The control messages of a message."""
    items = []
    at = 0
    while at + 16 <= len(data):
        length, level, kind = _CMSG.unpack_from(data, at)
        body = data[at + 16 : at + max(length, 16)]
        name = enum_name("scm", kind) if level == 1 else hexadecimal(kind)
        if level == 1 and kind == 1:
            text = array([str(fd) for (fd,) in iter_unpack("<i", body[: len(body) & ~3])])
        elif level == 1 and kind == 2 and len(body) >= 12:
            pid, uid, gid = unpack_from("<iII", body)
            text = f"{{pid={pid}, uid={uid}, gid={gid}}}"
        else:
            text = quote(body)
        items.append(f"{{cmsg_len={length}, cmsg_level={enum_name('socket_level', level)}, cmsg_type={name}, cmsg_data={text}}}")
        if length < 16:
            break
        at += (length + 7) & ~7
    return array(items)


def _msghdr(call: Call, where: int, namelen: int | None, size: int | None, flags: bool) -> str:
    """A ``struct msghdr``: ``namelen`` what it was before a receive, ``size`` how many bytes of data are there (None: all)."""
    mm = call.mm
    name, length, iov, count, control, controllen, bits = _MSGHDR.unpack(mm.read(where, _MSGHDR.size))
    lengths = str(length) if namelen is None or namelen == length else f"{namelen} => {length}"
    there = length if namelen is None else min(length, namelen)
    pieces = [f"msg_name={sockaddr_text(mm, name, there)}", f"msg_namelen={lengths}"]
    pieces += [f"msg_iov={iovec_text(call, iov, count, 1 << 63 if size is None else size)}", f"msg_iovlen={count}"]
    if controllen:
        pieces.append(f"msg_control={_control(mm.read(control, min(controllen, 4096))) if control else 'NULL'}")
    pieces += [f"msg_controllen={controllen}", f"msg_flags={flag_names('msg', bits if flags else 0)}"]
    return "{" + ", ".join(pieces) + "}"


def message_in(call: Call, value: int, arg: Arg, index: int) -> str:
    """The message sendmsg(2) sends."""
    return _msghdr(call, value, None, None, True) if value else "NULL"


def recvmsg(call: Call) -> Iterator[str]:
    """recvmsg(2): the message as received."""
    fd, where, flags = call.args[:3]
    before = _length_at(call, where + 8)
    yield f"{signed32(fd)}, "
    if before is None:
        text = address(where)
    elif call.failed:
        text = f"{{msg_namelen={before}}}"
    else:
        text = _msghdr(call, where, before, call.value, True)
    yield f"{text}, {flag_names('msg', flags & 0xFFFFFFFF)}"


def messages_sent(call: Call, value: int, arg: Arg, index: int) -> str:
    """The messages of sendmmsg(2), with the bytes each has sent."""
    count = min(call.args[index + 1] & 0xFFFFFFFF, 32) if call.failed else call.value
    return _messages(call, value, count, None)


def messages_received(call: Call, value: int, arg: Arg, index: int) -> str:
    """The messages recvmmsg(2) has received."""
    return address(value) if call.failed else _messages(call, value, call.value, 0)


def _messages(call: Call, where: int, count: int, namelen: int | None) -> str:
    items = []
    for at in range(where, where + 64 * count, 64):
        size = call.mm.read_u32(at + 56)
        text = _msghdr(call, at, None, None if namelen is None else size, True)
        items.append(f"{{msg_hdr={text}{'' if call.failed else f', msg_len={size}'}}}")
    return array(items)


# -- options ----------------------------------------------------------------------------------------------------------
def _option(level: int, name: int) -> str:
    table = {0: "ip", 1: "so", 6: "tcp", 17: "udp", 41: "ipv6", 270: "netlink_option"}.get(level)
    return f"{enum_name('socket_level', level)}, {enum_name(table, name) if table is not None else hexadecimal(name)}"


def _option_value(call: Call, level: int, name: int, where: int, length: int) -> str:
    if not where:
        return "NULL"
    if level == 1 and name == 17 and length >= 12:
        return STRUCTS["ucred"](call.mm, where)
    if level == 1 and name == 13 and length >= 8:
        return STRUCTS["linger"](call.mm, where)
    if level == 1 and name in (20, 21) and length >= 16:
        return STRUCTS["timeval"](call.mm, where)
    return STRUCTS["int"](call.mm, where) if length == 4 else buffer(call.mm, where, max(length, 0))


def setsockopt(call: Call) -> Iterator[str]:
    """setsockopt(2)."""
    fd, level, name, where, length = call.args[:5]
    level, name, length = level & 0xFFFFFFFF, name & 0xFFFFFFFF, signed32(length)
    try:
        text = _option_value(call, level, name, where, length)
    except Errno:
        text = address(where)
    yield f"{signed32(fd)}, {_option(level, name)}, {text}, {length}"
    yield ""


def getsockopt(call: Call) -> Iterator[str]:
    """getsockopt(2)."""
    fd, level, name, where, length_at = call.args[:5]
    level, name = level & 0xFFFFFFFF, name & 0xFFFFFFFF
    before = _length_at(call, length_at)
    yield f"{signed32(fd)}, {_option(level, name)}, "
    after = _length_at(call, length_at)
    if before is None or after is None:
        yield f"{address(where)}, {address(length_at)}"
    elif call.failed:
        yield f"{address(where)}, [{before}]"
    else:
        lengths = str(before) if after == before else f"{before} => {after}"
        yield f"{_option_value(call, level, name, where, after)}, [{lengths}]"


