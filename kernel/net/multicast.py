"""Groups of IPv4: who is in them, and through which interface they are reached (ip(7); ip_mc_join_group, ip_mc_find_dev).

A group is heard on the loopback if some socket of the network is in it; then others that do not mind (IP_MULTICAST_ALL) hear it
too.  Without a route nothing is sent to a group unless the socket says through which interface.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.net.inet import ANY4, is_multicast

if TYPE_CHECKING:
    from kernel.net.namespace import NetNamespace
    from kernel.net.tcp import TcpSocket
    from kernel.net.udp import UdpSocket
    from kernel.task import Thread

IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP = 35, 36


def _request(value: bytes) -> tuple[bytes, bytes, int]:
    """Read a ``struct ip_mreq`` or ``ip_mreqn``: group, interface address, interface index.  EINVAL."""
    if len(value) < 8:
        raise Errno.EINVAL
    group, interface = value[:4], value[4:8]
    index = struct.unpack_from("<i", value, 8)[0] if len(value) >= 12 else 0
    return group, interface, index


def _has_device(net: NetNamespace, interface: bytes, index: int) -> bool:
    """Whether there is such an interface (ip_mc_find_dev); none in particular would need a route."""
    if index:
        return index == net.lo.index
    return interface != ANY4 and net.is_local(interface)


def add_membership(sock: UdpSocket, t: Thread, value: bytes) -> None:
    """IP_ADD_MEMBERSHIP.  EINVAL for what is no group, ENODEV, EADDRINUSE for a group it is in."""
    group, interface, index = _request(value)
    if not is_multicast(group):
        raise Errno.EINVAL
    if not _has_device(sock.net, interface, index):
        raise Errno.ENODEV
    if group in sock.groups:
        raise Errno.EADDRINUSE
    sock.groups.add(group)
    sock.net.groups[group] = sock.net.groups.get(group, 0) + 1


def drop_membership(sock: UdpSocket, t: Thread, value: bytes) -> None:
    """IP_DROP_MEMBERSHIP.  EADDRNOTAVAIL for a group it is not in."""
    leave(sock, _request(value)[0])


def leave(sock: UdpSocket, group: bytes) -> None:
    """Leave a group.  EADDRNOTAVAIL."""
    if group not in sock.groups:
        raise Errno.EADDRNOTAVAIL
    sock.groups.discard(group)
    left = sock.net.groups[group] - 1
    if left:
        sock.net.groups[group] = left
    else:
        del sock.net.groups[group]


def refuse_membership(sock: TcpSocket, t: Thread, value: bytes) -> None:
    """A connection is in no group."""
    _request(value)
    raise Errno.EPROTO


def set_interface(sock: UdpSocket, t: Thread, value: bytes) -> None:
    """IP_MULTICAST_IF: an address or an ip_mreqn; 0.0.0.0 takes it back.  EADDRNOTAVAIL for an address of nobody."""
    if len(value) < 4:
        raise Errno.EINVAL
    if len(value) >= 8:
        _, interface, index = _request(value)
    else:
        interface, index = value[:4], 0
    if interface == ANY4 and not index:
        sock.multicast_source = ANY4
        return
    if not _has_device(sock.net, interface, index):
        raise Errno.EADDRNOTAVAIL
    sock.multicast_source = interface if interface != ANY4 else sock.net.lo.addresses[0].packed
