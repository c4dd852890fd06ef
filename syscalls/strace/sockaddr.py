"""Addresses of sockets, and requests about interfaces, as strace(1) prints them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from struct import unpack_from
from typing import TYPE_CHECKING, Final

from kernel.errno import Errno
from syscalls.strace.text import address, enum_name, flag_names, quote

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from syscalls.strace.call import Call

_SA_MAX = 128


def _ipv6_text(packed: bytes) -> str:
    """An IPv6 address as inet_ntop(3) writes it: one that holds an IPv4 address shows it."""
    if packed[:12] == bytes(10) + b"\xff\xff":
        return f"::ffff:{ipaddress.IPv4Address(packed[12:])}"
    return str(ipaddress.IPv6Address(packed))


def sockaddr_text(mm: AddressSpace, where: int, length: int) -> str:
    """A ``struct sockaddr`` of ``length`` bytes.  Raises EFAULT."""
    if not where:
        return "NULL"
    if not 2 <= length <= 1 << 16:
        return address(where)
    data = mm.read(where, min(length, _SA_MAX))
    family = data[0] | data[1] << 8
    head = f"sa_family={enum_name('socket_domain', family)}"
    if family == 1:
        path = data[2:]
        if not path:
            return f"{{{head}}}"
        if not path[0]:
            return f"{{{head}, sun_path=@{quote(path[1:])}}}"
        return f"{{{head}, sun_path={quote(path.split(bytes(1))[0])}}}"
    if family == 2 and len(data) >= 8:
        port = int.from_bytes(data[2:4], "big")
        return f'{{{head}, sin_port=htons({port}), sin_addr=inet_addr("{ipaddress.IPv4Address(data[4:8])}")}}'
    if family == 10 and len(data) >= 24:
        port, flow = unpack_from(">HI", data, 2)
        scope = f", sin6_scope_id={unpack_from('<I', data, 24)[0]}" if len(data) >= 28 else ""
        return (
            f"{{{head}, sin6_port=htons({port}), sin6_flowinfo=htonl({flow}), "
            f'inet_pton(AF_INET6, "{_ipv6_text(data[8:24])}", &sin6_addr){scope}}}'
        )
    if family == 16 and len(data) >= 12:
        pad, port, groups = unpack_from("<HII", data, 2)
        filler = f"nl_pad={pad:#x}, " if pad else ""
        return f"{{{head}, {filler}nl_pid={port if port < 1 << 31 else port - (1 << 32)}, nl_groups={groups:08x}}}"
    if len(data) == 2:
        return f"{{{head}}}"
    return f"{{{head}, sa_data={quote(data[2:])}}}"


# -- interfaces -------------------------------------------------------------------------------------------------------
_IFREQ: Final[Mapping[int, str]] = {
    **dict.fromkeys((0x8913, 0x8914), "flags"),
    **dict.fromkeys((0x8915, 0x8916), "addr"),
    0x8917: "dstaddr",
    0x8919: "broadaddr",
    **dict.fromkeys((0x891B, 0x891C), "netmask"),
    0x891D: "metric",
    **dict.fromkeys((0x8921, 0x8922), "mtu"),
    0x8933: "ifindex",
    0x8942: "qlen",
}
"""ioctl -> the member of ``struct ifreq`` it is about."""
IFREQ_COMMANDS: Final = frozenset(_IFREQ)
_IFREQ_SETTERS: Final = frozenset((0x8914, 0x8916, 0x891C, 0x8922))


def interface_request(call: Call, head: str) -> Iterator[str]:
    """An ioctl of netdevice(7): the name on the way in, the answer on the way out."""
    command, where = call.args[1] & 0xFFFFFFFF, call.args[2]
    yield head
    try:
        data = call.mm.read(where, 40)
    except Errno:
        yield f", {address(where)}"
        return
    name = f"ifr_name={quote(data[:16].split(bytes(1))[0])}"
    if call.failed and command not in _IFREQ_SETTERS:
        yield f", {{{name}}}"
        return
    member = _IFREQ[command]
    if member == "flags":
        value = flag_names("interface", unpack_from("<H", data, 16)[0])
    elif member in ("addr", "dstaddr", "broadaddr", "netmask"):
        value = sockaddr_text(call.mm, where + 16, 16)
    else:
        value = str(unpack_from("<i", data, 16)[0])
    yield f", {{{name}, ifr_{member}={value}}}"


