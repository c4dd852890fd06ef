"""Options of TCP, and what TCP_INFO tells (tcp(7), do_tcp_setsockopt, tcp_get_info)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from kernel.cred import CAP_NET_ADMIN
from kernel.errno import Errno
from kernel.net.inet_options import IPPROTO_IP, IPPROTO_TCP
from kernel.net.multicast import IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP, refuse_membership
from kernel.net.options import FLAG, NUMBER, Key, Option, at_level

if TYPE_CHECKING:
    from kernel.net.tcp import TcpSocket
    from kernel.task import Thread

TCP_NODELAY, TCP_MAXSEG, TCP_CORK, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_SYNCNT, TCP_LINGER2 = range(1, 9)
TCP_DEFER_ACCEPT, TCP_WINDOW_CLAMP, TCP_INFO, TCP_QUICKACK, TCP_CONGESTION = range(9, 14)
TCP_THIN_LINEAR_TIMEOUTS, TCP_THIN_DUPACK, TCP_USER_TIMEOUT, TCP_REPAIR = 16, 17, 18, 19
TCP_FASTOPEN, TCP_TIMESTAMP, TCP_NOTSENT_LOWAT, TCP_CC_INFO, TCP_SAVE_SYN, TCP_SAVED_SYN = 23, 24, 25, 26, 27, 28
TCP_FASTOPEN_CONNECT, TCP_ULP, TCP_FASTOPEN_KEY, TCP_FASTOPEN_NO_COOKIE, TCP_INQ, TCP_TX_DELAY = 30, 31, 33, 34, 36, 37

LOOPBACK_MSS: Final = 65483
"""MTU of lo without the headers of IP and of TCP with time stamps."""
CONGESTION: Final = b"cubic"

TCP_OPTIONS: Final[Mapping[Key, Option]] = at_level(
    IPPROTO_TCP,
    {
        TCP_NODELAY: FLAG,
        TCP_CORK: FLAG,
        TCP_KEEPIDLE: Option(7200, 1, 32767),
        TCP_KEEPINTVL: Option(75, 1, 32767),
        TCP_KEEPCNT: Option(9, 1, 127),
        TCP_SYNCNT: Option(6, 1, 127),
        TCP_LINGER2: Option(60, -(1 << 31), 120),
        TCP_DEFER_ACCEPT: NUMBER,
        TCP_WINDOW_CLAMP: NUMBER,
        TCP_QUICKACK: Option(1, flag=True),
        TCP_THIN_LINEAR_TIMEOUTS: Option(0, 0, 1),
        TCP_THIN_DUPACK: Option(0, 0, 1),
        TCP_USER_TIMEOUT: Option(0, 0),
        TCP_REPAIR: Option(0, 0, 0, capability=CAP_NET_ADMIN),
        TCP_FASTOPEN: Option(0, 0),
        TCP_NOTSENT_LOWAT: NUMBER,
        TCP_SAVE_SYN: Option(0, 0, 2),
        TCP_FASTOPEN_CONNECT: Option(0, 0, 1),
        TCP_FASTOPEN_NO_COOKIE: Option(0, 0, 1),
        TCP_INQ: Option(0, 0, 1),
        TCP_TX_DELAY: NUMBER,
    },
)

_INFO_SIZE = 256


def tcp_info(sock: TcpSocket, t: Thread) -> bytes:
    """Return ``struct tcp_info``: the state, the timers' first values, and how much was sent and received."""
    info = bytearray(_INFO_SIZE)
    info[0] = sock.state
    if sock.listening:
        struct.pack_into("<II", info, 24, len(sock.backlogged), sock.backlog)
        return bytes(info)
    connected = sock.peer is not None
    struct.pack_into("<IIII", info, 8, 200_000 if connected else 1_000_000, 0, LOOPBACK_MSS if connected else 536, 536)
    struct.pack_into("<I", info, 24, 0)
    struct.pack_into("<IIII", info, 80, 10, LOOPBACK_MSS if connected else 536, 3, 0)
    struct.pack_into("<QQ", info, 120, sock.sent_total, sock.received_total)
    return bytes(info)


def get_maxseg(sock: TcpSocket, t: Thread) -> bytes:
    """The size of a segment: before a connection what any network can carry."""
    wanted = sock.options.get((IPPROTO_TCP, TCP_MAXSEG), 0)
    return struct.pack("<i", LOOPBACK_MSS if sock.peer is not None else wanted or 536)


def set_maxseg(sock: TcpSocket, t: Thread, value: bytes) -> None:
    """EINVAL outside 88..32767; 0 takes it back."""
    if len(value) < 4:
        raise Errno.EINVAL
    number = struct.unpack_from("<i", value)[0]
    if number and not 88 <= number <= 32767:
        raise Errno.EINVAL
    sock.options[IPPROTO_TCP, TCP_MAXSEG] = number


def set_congestion(sock: TcpSocket, t: Thread, value: bytes) -> None:
    """A network without congestion has one algorithm under two names; ENOENT for any other."""
    name = value[:15].split(b"\0", 1)[0]
    if not value:
        raise Errno.EINVAL
    if name not in (CONGESTION, b"reno"):
        raise Errno.ENOENT


TCP_GETTERS: Final[Mapping[Key, Callable[[TcpSocket, Thread], bytes]]] = {
    (IPPROTO_TCP, TCP_INFO): tcp_info,
    (IPPROTO_TCP, TCP_MAXSEG): get_maxseg,
    (IPPROTO_TCP, TCP_CONGESTION): lambda sock, t: CONGESTION.ljust(16, b"\0"),
}
TCP_SETTERS: Final[Mapping[Key, Callable[[TcpSocket, Thread, bytes], None]]] = {
    (IPPROTO_TCP, TCP_MAXSEG): set_maxseg,
    (IPPROTO_TCP, TCP_CONGESTION): set_congestion,
    (IPPROTO_IP, IP_ADD_MEMBERSHIP): refuse_membership,
    (IPPROTO_IP, IP_DROP_MEMBERSHIP): refuse_membership,
}
