"""What NETLINK_SOCK_DIAG answers: the sockets of a network, as ss(8) asks for them (sock_diag(7), net/ipv4/inet_diag.c)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from kernel.errno import Errno
from kernel.net.inet import MAPPED
from kernel.net.inet_options import IPPROTO_TCP, IPPROTO_UDP
from kernel.net.ports import Endpoint
from kernel.net.rtnetlink import NLM_F_DUMP, NLM_F_MULTI, NLMSG_DONE, Message, attribute, message
from kernel.net.socket import AF_INET, AF_INET6, AF_UNIX
from kernel.net.tcp import TcpSocket
from kernel.net.tcp_states import State, TimeWait
from kernel.net.udp import UdpSocket
from kernel.user_ns import uid_for

if TYPE_CHECKING:
    from kernel.net.namespace import NetNamespace
    from kernel.task import Thread

SOCK_DIAG_BY_FAMILY: Final = 20
INET_DIAG_SHUTDOWN, INET_DIAG_SKV6ONLY = 8, 11
UNIX_DIAG_NAME, UNIX_DIAG_PEER, UNIX_DIAG_RQLEN, UNIX_DIAG_SHUTDOWN = 0, 2, 4, 6
TIMER_TIMEWAIT: Final = 3

_INET_REQUEST = struct.Struct("<BBBxI")
_INET_MESSAGE = struct.Struct("<BBBB2s2s16s16sIQIIIII")
_UNIX_REQUEST = struct.Struct("<BB2xIII")
_UNIX_MESSAGE = struct.Struct("<BBBxIQ")


def _address(end: Endpoint, family: int) -> bytes:
    if family == AF_INET6 and len(end.address) == 4:
        return MAPPED + end.address
    return end.address.ljust(16, b"\0")


def _inet_socket(t: Thread, sock: TcpSocket | UdpSocket | TimeWait) -> bytes:
    """inet_sk_diag_fill, inet_twsk_diag_fill."""
    state, family, timer, expires, ino, uid = State.CLOSE, sock.family, 0, 0, 0, 0
    waiting = leaving = 0
    extra = b""
    if isinstance(sock, TimeWait):
        state, timer, expires = sock.state, TIMER_TIMEWAIT, max(0, sock.remaining) // 1_000_000
    else:
        ino, uid = sock.ino, uid_for(t, sock.uid)
        extra = attribute(INET_DIAG_SHUTDOWN, bytes((sock.shut,)))
        if family == AF_INET6:
            extra += attribute(INET_DIAG_SKV6ONLY, bytes((sock.v6only,)))
        if isinstance(sock, UdpSocket):
            state = State.ESTABLISHED if sock.connected else State.CLOSE
            waiting = sock.held
        elif sock.listening:
            state, waiting, leaving = sock.state, len(sock.backlogged), sock.backlog
        else:
            state, waiting, leaving = sock.state, len(sock.incoming), len(sock.outgoing)
    ends = (sock.local, sock.remote)
    sport, dport = (end.port.to_bytes(2, "big") for end in ends)
    source, destination = (_address(end, family) for end in ends)
    head = _INET_MESSAGE.pack(
        family, state, timer, 0, sport, dport, source, destination, 0, ino, expires, waiting,
        leaving, uid, ino,
    )  # fmt: skip
    return head + extra


def _inet(t: Thread, net: NetNamespace, body: bytes) -> Iterator[bytes]:
    if len(body) < 56:
        raise Errno.EINVAL
    family, protocol, _, states = _INET_REQUEST.unpack_from(body)
    table = {IPPROTO_TCP: net.tcp, IPPROTO_UDP: net.udp}.get(protocol)
    if table is None:
        raise Errno.ENOENT
    for holder in table.all():
        if isinstance(holder, (TcpSocket, UdpSocket, TimeWait)) and holder.family == family:
            found = _inet_socket(t, holder)
            if states >> found[1] & 1 and (found[1] != State.CLOSE or protocol == IPPROTO_UDP):
                yield found


def _unix(t: Thread, net: NetNamespace, body: bytes) -> Iterator[bytes]:
    if len(body) < _UNIX_REQUEST.size:
        raise Errno.EINVAL
    states = _UNIX_REQUEST.unpack_from(body)[2]
    for sock in net.unix.sockets:
        state = State.LISTEN if sock.listening else State.ESTABLISHED if sock.peer is not None else State.CLOSE
        if not states >> state & 1:
            continue
        found = _UNIX_MESSAGE.pack(AF_UNIX, sock.kind, state, sock.ino, sock.ino)
        if len(sock.address) > 2:
            found += attribute(UNIX_DIAG_NAME, sock.address[2:])
        if sock.peer is not None:
            found += attribute(UNIX_DIAG_PEER, struct.pack("<I", sock.peer.ino))
        waiting = len(sock.connections) if sock.listening else sum(len(each.data) - each.offset for each in sock.messages)
        leaving = sock.backlog if sock.listening else sock.in_flight
        found += attribute(UNIX_DIAG_RQLEN, struct.pack("<II", waiting, leaving))
        yield found + attribute(UNIX_DIAG_SHUTDOWN, bytes((sock.shut,)))


_FAMILIES: Final[Mapping[int, Callable[[Thread, NetNamespace, bytes], Iterator[bytes]]]] = {
    AF_INET: _inet,
    AF_INET6: _inet,
    AF_UNIX: _unix,
}


def diag_request(t: Thread, net: NetNamespace, request: Message, port: int) -> list[bytes]:
    """Return the answers, each a datagram for the socket with address ``port``.  ENOENT for what nobody knows, EINVAL."""
    if request.kind != SOCK_DIAG_BY_FAMILY or not request.body:
        raise Errno.EINVAL
    dump = _FAMILIES.get(request.body[0])
    if dump is None:
        raise Errno.ENOENT
    if request.flags & NLM_F_DUMP != NLM_F_DUMP:
        raise Errno.EOPNOTSUPP
    found = [message(SOCK_DIAG_BY_FAMILY, NLM_F_MULTI, request.sequence, port, body) for body in dump(t, net, request.body)]
    return [*found, message(NLMSG_DONE, NLM_F_MULTI, request.sequence, port, bytes(4))]
