"""Making sockets: from (family, type, protocol) to the kind of socket (inet_create, unix_create, __sock_create).

A family is loaded with its first socket, as __sock_create loads the module ``net-pf-N``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from kernel.cred import CAP_NET_RAW
from kernel.errno import Errno
from kernel.net.inet_options import IPPROTO_IP, IPPROTO_TCP, IPPROTO_UDP
from kernel.net.socket import (
    AF_INET,
    AF_INET6,
    AF_NETLINK,
    AF_UNIX,
    SOCK_DGRAM,
    SOCK_PACKET,
    SOCK_RAW,
    SOCK_SEQPACKET,
    SOCK_STREAM,
    Socket,
)

if TYPE_CHECKING:
    from kernel.task import Thread

AF_MAX: Final = 46
IPPROTO_MAX: Final = 263


def _tcp(t: Thread, family: int, flags: int) -> Socket:
    from kernel.net.tcp import TcpSocket

    return TcpSocket(t, family, flags)


def _udp(t: Thread, family: int, flags: int) -> Socket:
    from kernel.net.udp import UdpSocket

    return UdpSocket(t, family, flags)


_INET: Final[Mapping[int, tuple[int, Callable[[Thread, int, int], Socket]]]] = {
    SOCK_STREAM: (IPPROTO_TCP, _tcp),
    SOCK_DGRAM: (IPPROTO_UDP, _udp),
}
"""Type -> (its protocol, what makes it) (inetsw_array)."""


def _unix(t: Thread, family: int, kind: int, protocol: int, flags: int) -> Socket:
    if protocol not in (0, AF_UNIX):
        raise Errno.EPROTONOSUPPORT
    if kind == SOCK_RAW:
        kind = SOCK_DGRAM  # "Believe it or not BSD has AF_UNIX, SOCK_RAW though nothing uses it" (unix_create)
    if kind not in (SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET):
        raise Errno.ESOCKTNOSUPPORT
    from kernel.net.unix import UnixSocket

    return UnixSocket(t, kind, flags)


def _inet(t: Thread, family: int, kind: int, protocol: int, flags: int) -> Socket:
    if not 0 <= protocol < IPPROTO_MAX:
        raise Errno.EINVAL
    if kind == SOCK_RAW and protocol != IPPROTO_IP:
        # Packets of one's own making have nowhere to go but to those who made them.
        raise Errno.EPROTONOSUPPORT if t.cred.ns_capable(t.nsproxy.net.user_ns, CAP_NET_RAW) else Errno.EPERM
    if kind not in _INET:
        raise Errno.EPROTONOSUPPORT if kind == SOCK_RAW else Errno.ESOCKTNOSUPPORT
    only, make = _INET[kind]
    if protocol not in (IPPROTO_IP, only):
        raise Errno.EPROTONOSUPPORT
    return make(t, family, flags)


def _netlink(t: Thread, family: int, kind: int, protocol: int, flags: int) -> Socket:
    if kind not in (SOCK_RAW, SOCK_DGRAM):
        raise Errno.ESOCKTNOSUPPORT
    from kernel.net.netlink import PROTOCOLS, NetlinkSocket

    if protocol not in PROTOCOLS:
        raise Errno.EPROTONOSUPPORT
    return NetlinkSocket(t, kind, protocol, flags)


_FAMILIES: Final[Mapping[int, Callable[[Thread, int, int, int, int], Socket]]] = {
    AF_UNIX: _unix,
    AF_INET: _inet,
    AF_INET6: _inet,
    AF_NETLINK: _netlink,
}


def create(t: Thread, family: int, kind: int, protocol: int, flags: int) -> Socket:
    """Return a new socket; ``flags``: O_NONBLOCK.

    EAFNOSUPPORT, EINVAL, ESOCKTNOSUPPORT, EPROTONOSUPPORT for what there is not, EPERM for what needs privilege.
    """
    if not 0 <= family < AF_MAX:
        raise Errno.EAFNOSUPPORT
    if kind > SOCK_PACKET:
        raise Errno.EINVAL
    make = _FAMILIES.get(family)
    if make is None:
        raise Errno.EAFNOSUPPORT
    return make(t, family, kind, protocol, flags)
