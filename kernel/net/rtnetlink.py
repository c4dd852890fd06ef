"""What NETLINK_ROUTE answers: links, addresses, routes (rtnetlink(7), net/core/rtnetlink.c, net/ipv4/devinet.c)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.cred import CAP_NET_ADMIN
from kernel.errno import Errno
from kernel.net.device import IFF_LOWER_UP, IFF_UP, IfAddr, Interface
from kernel.net.device_ioctl import ARPHRD_LOOPBACK, TX_QUEUE, device_flags

if TYPE_CHECKING:
    from kernel.net.namespace import NetNamespace
    from kernel.task import Thread

NLMSG_ERROR, NLMSG_DONE, NLMSG_MIN_TYPE = 2, 3, 0x10
NLM_F_MULTI, NLM_F_ACK, NLM_F_DUMP, NLM_F_EXCL, NLM_F_CREATE, NLM_F_REPLACE = 2, 4, 0x300, 0x200, 0x400, 0x100
RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK = range(16, 20)
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE, RTM_GETNEIGH, RTM_GETRULE = 24, 25, 26, 30, 34

IFLA_ADDRESS, IFLA_BROADCAST, IFLA_IFNAME, IFLA_MTU, IFLA_QDISC, IFLA_STATS = 1, 2, 3, 4, 6, 7
IFLA_TXQLEN, IFLA_OPERSTATE, IFLA_LINKMODE, IFLA_STATS64, IFLA_GROUP, IFLA_PROMISCUITY = 13, 16, 17, 23, 27, 30
IFLA_NUM_TX_QUEUES, IFLA_NUM_RX_QUEUES, IFLA_CARRIER = 31, 32, 33
IFA_ADDRESS, IFA_LOCAL, IFA_LABEL, IFA_CACHEINFO, IFA_FLAGS = 1, 2, 3, 6, 8
RTA_DST, RTA_OIF, RTA_PREFSRC, RTA_PRIORITY, RTA_CACHEINFO, RTA_TABLE, RTA_UID = 1, 4, 7, 6, 12, 15, 25
RTCF_LOCAL, RTM_F_CLONED = 0x80000000, 0x200
IF_OPER_UNKNOWN, IF_OPER_DOWN = 0, 2
IFA_F_PERMANENT, RT_SCOPE_HOST, RT_SCOPE_LINK, RT_TABLE_MAIN, RT_TABLE_LOCAL, RTPROT_KERNEL = 0x80, 254, 253, 254, 255, 2
RTN_LOCAL, RTN_BROADCAST = 2, 3
AF_INET, AF_INET6 = 2, 10

_NLMSGHDR = struct.Struct("<IHHII")
_IFINFOMSG = struct.Struct("<BxHiII")
_IFADDRMSG = struct.Struct("<BBBBI")
_RTMSG = struct.Struct("<BBBBBBBBI")


class Message(NamedTuple):
    """A request: ``body`` is what follows the header, ``whole`` is all of it."""

    kind: int
    flags: int
    sequence: int
    body: bytes
    whole: bytes


def message(kind: int, flags: int, sequence: int, port: int, body: bytes) -> bytes:
    """Return a netlink message."""
    return _NLMSGHDR.pack(_NLMSGHDR.size + len(body), kind, flags, sequence, port) + body + bytes(-len(body) & 3)


def requests(data: bytes) -> Iterator[Message]:
    """Take apart what a program has sent; a length that cannot be ends it."""
    while len(data) >= _NLMSGHDR.size:
        length, kind, flags, sequence, _ = _NLMSGHDR.unpack_from(data)
        if not _NLMSGHDR.size <= length <= len(data):
            return
        yield Message(kind, flags, sequence, data[_NLMSGHDR.size : length], data[:length])
        data = data[length + 3 & ~3 :]


def attribute(kind: int, value: bytes) -> bytes:
    """Return one attribute of a message (``struct nlattr``)."""
    return struct.pack("<HH", 4 + len(value), kind) + value + bytes(-len(value) & 3)


def _u32(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("<I", value))


def _attributes(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("<HH", data)
        if not 4 <= length <= len(data):
            break
        found[kind & 0x3FFF] = data[4:length]
        data = data[length + 3 & ~3 :]
    return found


# -- descriptions -----------------------------------------------------------------------------------------------------
def _link(device: Interface) -> bytes:
    """rtnl_fill_ifinfo."""
    up = device.up
    flags = device_flags(device) | (IFF_LOWER_UP if up else 0)
    counts = (device.packets, device.packets, device.octets, device.octets)
    return b"".join(
        (
            _IFINFOMSG.pack(0, ARPHRD_LOOPBACK, device.index, flags, 0),
            attribute(IFLA_IFNAME, device.name + b"\0"),
            _u32(IFLA_TXQLEN, TX_QUEUE),
            attribute(IFLA_OPERSTATE, bytes((IF_OPER_UNKNOWN if up else IF_OPER_DOWN,))),
            attribute(IFLA_LINKMODE, b"\0"),
            _u32(IFLA_MTU, device.mtu),
            _u32(IFLA_GROUP, 0),
            _u32(IFLA_PROMISCUITY, 0),
            _u32(IFLA_NUM_TX_QUEUES, 1),
            _u32(IFLA_NUM_RX_QUEUES, 1),
            attribute(IFLA_CARRIER, b"\1"),
            attribute(IFLA_QDISC, b"noqueue\0" if device.was_up else b"noop\0"),
            attribute(IFLA_ADDRESS, bytes(6)),
            attribute(IFLA_BROADCAST, bytes(6)),
            attribute(IFLA_STATS64, struct.pack("<4Q", *counts) + bytes(21 * 8)),
            attribute(IFLA_STATS, struct.pack("<4I", *(count & 0xFFFFFFFF for count in counts)) + bytes(20 * 4)),
        )
    )


def _link6(device: Interface) -> bytes:
    """inet6_fill_ifinfo: what IPv6 has to say of a link."""
    flags = device_flags(device) | (IFF_LOWER_UP if device.up else 0)
    return b"".join(
        (
            _IFINFOMSG.pack(AF_INET6, ARPHRD_LOOPBACK, device.index, flags, 0),
            attribute(IFLA_IFNAME, device.name + b"\0"),
            attribute(IFLA_ADDRESS, bytes(6)),
            _u32(IFLA_MTU, device.mtu),
            attribute(IFLA_OPERSTATE, bytes((IF_OPER_UNKNOWN if device.up else IF_OPER_DOWN,))),
        )
    )


def _address(device: Interface, address: IfAddr) -> bytes:
    """inet_fill_ifaddr, inet6_fill_ifaddr."""
    four = len(address.packed) == 4
    scope = RT_SCOPE_HOST if not four or address.packed[0] == 127 else 0
    return b"".join(
        (
            _IFADDRMSG.pack(AF_INET if four else AF_INET6, address.prefix, IFA_F_PERMANENT, scope, device.index),
            attribute(IFA_ADDRESS, address.packed),
            attribute(IFA_LOCAL, address.packed) + attribute(IFA_LABEL, device.name + b"\0") if four else b"",
            attribute(IFA_CACHEINFO, struct.pack("<IIII", 0xFFFFFFFF, 0xFFFFFFFF, 0, 0)),
            _u32(IFA_FLAGS, IFA_F_PERMANENT),
        )
    )


def _route(device: Interface, address: bytes, prefix: int, kind: int, source: bytes) -> bytes:
    """fib_dump_info: a route of the local table."""
    four = len(address) == 4
    scope = (RT_SCOPE_LINK if kind == RTN_BROADCAST else RT_SCOPE_HOST) if four else 0
    head = _RTMSG.pack(
        AF_INET if four else AF_INET6, prefix, 0, 0, RT_TABLE_LOCAL, RTPROT_KERNEL, scope, kind, 0
    )  # fmt: skip
    rest = _u32(RTA_TABLE, RT_TABLE_LOCAL) + attribute(RTA_DST, address)
    rest += attribute(RTA_PREFSRC, source) if four else _u32(RTA_PRIORITY, 0)
    return head + rest + _u32(RTA_OIF, device.index)


def local_routes(device: Interface) -> Iterator[tuple[bytes, int, int, bytes]]:
    """Yield destination, prefix length, type and source of the routes of the local table (fib_add_ifaddr)."""
    if not device.up:
        return
    for address in device.addresses:
        packed, prefix = address
        if len(packed) == 16:
            yield packed, 128, RTN_LOCAL, packed
            continue
        if prefix < 32:
            number = int.from_bytes(packed, "big") >> 32 - prefix << 32 - prefix
            yield number.to_bytes(4, "big"), prefix, RTN_LOCAL, packed
        yield packed, 32, RTN_LOCAL, packed
        if prefix < 31:
            yield (number | (1 << 32 - prefix) - 1).to_bytes(4, "big"), 32, RTN_BROADCAST, packed


# -- requests ---------------------------------------------------------------------------------------------------------
def _device_of(net: NetNamespace, index: int, attributes: Mapping[int, bytes]) -> Interface:
    if index > 0:
        return net.by_index(index)
    name = attributes.get(IFLA_IFNAME)
    if name is None:
        raise Errno.EINVAL
    return net.by_name(name.rstrip(b"\0"))


def _get_link(net: NetNamespace, request: Message) -> list[bytes]:
    if request.flags & NLM_F_DUMP:
        return [_link6(net.lo) if _family(request) == AF_INET6 else _link(net.lo)]
    if len(request.body) < _IFINFOMSG.size:
        raise Errno.EINVAL
    index = _IFINFOMSG.unpack_from(request.body)[2]
    return [_link(_device_of(net, index, _attributes(request.body[_IFINFOMSG.size :])))]


def _set_link(net: NetNamespace, request: Message) -> list[bytes]:
    """Set flags and MTU (do_setlink); a link cannot be made."""
    if len(request.body) < _IFINFOMSG.size:
        raise Errno.EINVAL
    _, _, index, flags, change = _IFINFOMSG.unpack_from(request.body)
    attributes = _attributes(request.body[_IFINFOMSG.size :])
    if request.kind == RTM_NEWLINK and index <= 0 and IFLA_IFNAME not in attributes and not request.flags & NLM_F_CREATE:
        raise Errno.ENODEV
    try:
        device = _device_of(net, index, attributes)
    except Errno.ENODEV:
        raise Errno.EOPNOTSUPP("Unknown device type") if request.flags & NLM_F_CREATE else Errno.ENODEV from None
    if request.kind == RTM_NEWLINK and request.flags & NLM_F_EXCL:
        raise Errno.EEXIST
    if IFLA_MTU in attributes:
        device.mtu = struct.unpack_from("<I", attributes[IFLA_MTU])[0]
    if (change & IFF_UP) or (not change and flags):
        device.set_up(bool(flags & IFF_UP))
    return []


def _delete_link(net: NetNamespace, request: Message) -> list[bytes]:
    raise Errno.EOPNOTSUPP


def _family(request: Message) -> int:
    return request.body[0] if request.body else 0


def _get_addresses(net: NetNamespace, request: Message) -> list[bytes]:
    if not request.flags & NLM_F_DUMP:
        raise Errno.EOPNOTSUPP
    family = _family(request)
    size = {AF_INET: 4, AF_INET6: 16}.get(family)
    # All of IPv4 come before those of IPv6 (rtnl_dump_all).
    found = sorted(net.lo.addresses, key=lambda address: len(address.packed))
    return [_address(net.lo, address) for address in found if size is None or len(address.packed) == size]


def _address_in(net: NetNamespace, request: Message) -> tuple[Interface, IfAddr]:
    if len(request.body) < _IFADDRMSG.size:
        raise Errno.EINVAL
    family, prefix, _, _, index = _IFADDRMSG.unpack_from(request.body)
    attributes = _attributes(request.body[_IFADDRMSG.size :])
    packed = attributes.get(IFA_LOCAL, attributes.get(IFA_ADDRESS))
    length = {AF_INET: 4, AF_INET6: 16}.get(family)
    if length is None:
        raise Errno.EOPNOTSUPP
    if packed is None or len(packed) != length or prefix > length * 8:
        raise Errno.EINVAL
    return net.by_index(index), IfAddr(packed, prefix)


def _new_address(net: NetNamespace, request: Message) -> list[bytes]:
    device, address = _address_in(net, request)
    if address in device.addresses:
        if request.flags & NLM_F_EXCL or not request.flags & NLM_F_REPLACE:
            raise Errno.EEXIST(f"ipv{4 if len(address.packed) == 4 else 6}: Address already assigned")
        return []
    device.addresses.append(address)
    return []


def _delete_address(net: NetNamespace, request: Message) -> list[bytes]:
    device, address = _address_in(net, request)
    if address not in device.addresses:
        raise Errno.EADDRNOTAVAIL(f"ipv{4 if len(address.packed) == 4 else 6}: Address not found")
    device.addresses.remove(address)
    return []


def _get_routes(net: NetNamespace, request: Message) -> list[bytes]:
    if request.flags & NLM_F_DUMP:
        size = {AF_INET: 4, AF_INET6: 16}.get(_family(request))
        return [_route(net.lo, *route) for route in local_routes(net.lo) if size is None or len(route[0]) == size]
    if len(request.body) < _RTMSG.size:
        raise Errno.EINVAL
    destination = _attributes(request.body[_RTMSG.size :]).get(RTA_DST, b"")
    if len(destination) not in (4, 16):
        raise Errno.EINVAL
    source = net.source(destination)
    # rt_fill_info: the answer is of the cache, not of a table.
    size = len(destination) * 8
    family = AF_INET if size == 32 else AF_INET6
    head = _RTMSG.pack(family, size, 0, 0, RT_TABLE_MAIN, 0, 0, RTN_LOCAL, RTCF_LOCAL | RTM_F_CLONED)
    rest = _u32(RTA_TABLE, RT_TABLE_MAIN) + attribute(RTA_DST, destination) + _u32(RTA_OIF, net.lo.index)
    return [head + rest + attribute(RTA_PREFSRC, source) + _u32(RTA_UID, 0) + attribute(RTA_CACHEINFO, bytes(32))]


def _nothing(net: NetNamespace, request: Message) -> list[bytes]:
    if not request.flags & NLM_F_DUMP:
        raise Errno.EOPNOTSUPP
    return []


_HANDLERS: Final[Mapping[int, tuple[Callable[[NetNamespace, Message], list[bytes]], int]]] = {
    RTM_GETLINK: (_get_link, RTM_NEWLINK),
    RTM_NEWLINK: (_set_link, 0),
    RTM_SETLINK: (_set_link, 0),
    RTM_DELLINK: (_delete_link, 0),
    RTM_GETADDR: (_get_addresses, RTM_NEWADDR),
    RTM_NEWADDR: (_new_address, 0),
    RTM_DELADDR: (_delete_address, 0),
    RTM_GETROUTE: (_get_routes, RTM_NEWROUTE),
    RTM_GETNEIGH: (_nothing, 0),
    RTM_GETRULE: (_nothing, 0),
}
"""Request -> (what carries it out, type of its answers)."""


def route_request(t: Thread, net: NetNamespace, request: Message, port: int) -> list[bytes]:
    """Carry out a request and return the answers, each a datagram for the socket with address ``port``.

    EOPNOTSUPP for what there is not, EPERM: changes need CAP_NET_ADMIN in the user namespace that owns the network.
    """
    handler = _HANDLERS.get(request.kind)
    if handler is None:
        raise Errno.EOPNOTSUPP
    # The low two bits of a type say whether it is new, del, get or set.
    if request.kind & 3 != RTM_GETLINK & 3 and not t.cred.ns_capable(net.user_ns, CAP_NET_ADMIN):
        raise Errno.EPERM
    carry_out, answer = handler
    bodies = carry_out(net, request)
    if request.kind & 3 == RTM_GETLINK & 3 and request.flags & NLM_F_DUMP:
        parts = [message(answer, NLM_F_MULTI, request.sequence, port, body) for body in bodies]
        done = message(NLMSG_DONE, NLM_F_MULTI, request.sequence, port, bytes(4))
        return [b"".join(parts), done] if parts else [done]
    return [message(answer, 0, request.sequence, port, body) for body in bodies]
