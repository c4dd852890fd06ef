"""Netlink sockets: requests to the kernel as messages (netlink(7), net/netlink/af_netlink.c).

There are two protocols: NETLINK_ROUTE is how ``ip``, glibc and container tools ask about interfaces and set them up,
NETLINK_SOCK_DIAG how ``ss`` asks for sockets.  A request is answered before send returns; the answers wait in the socket's queue.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar, Final

from kernel.cred import CAP_NET_ADMIN
from kernel.errno import Errno
from kernel.fs.file import POLLERR, POLLIN, POLLOUT, POLLRDNORM, POLLWRBAND, POLLWRNORM
from kernel.net.options import FLAG, NUMBER, SO_PASSCRED, SOCKET_OPTIONS, SOL_SOCKET, at_level
from kernel.net.rtnetlink import NLM_F_ACK, NLMSG_ERROR, NLMSG_MIN_TYPE, Message, message, requests, route_request
from kernel.net.sock_diag import diag_request
from kernel.net.socket import (
    AF_NETLINK,
    AF_UNSPEC,
    MSG_OOB,
    MSG_PEEK,
    MSG_TRUNC,
    NO_ANCILLARY,
    Ancillary,
    Options,
    PeerCred,
    Received,
    Socket,
)
from kernel.pid import ns_of

if TYPE_CHECKING:
    from kernel.net.namespace import NetNamespace
    from kernel.task import Thread

NETLINK_ROUTE, NETLINK_SOCK_DIAG = 0, 4
PROTOCOLS: Final[Mapping[int, Callable[[Thread, NetNamespace, Message, int], list[bytes]]]] = {
    NETLINK_ROUTE: route_request,
    NETLINK_SOCK_DIAG: diag_request,
}
"""Protocol -> what answers a request."""
SOL_NETLINK: Final = 270
NETLINK_ADD_MEMBERSHIP, NETLINK_DROP_MEMBERSHIP, NETLINK_PKTINFO, NETLINK_BROADCAST_ERROR, NETLINK_NO_ENOBUFS = range(1, 6)
NETLINK_LISTEN_ALL_NSID, NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK = 8, 10, 11, 12
NLM_F_CAPPED, NLM_F_ACK_TLVS, NLMSGERR_ATTR_MSG = 0x100, 0x200, 1
_SOCKADDR_NL = struct.Struct("<H2xII")


class NetlinkSocket(Socket):
    """A netlink socket; ``port`` is its address (nl_pid), 0 before it has one; ``groups``: multicast groups it is in."""

    __slots__ = ("port", "groups", "queue", "destination")

    READ_WCHAN = "__skb_wait_for_more_packets"
    PROTOCOL_OPTIONS = True
    OPTIONS: ClassVar[Options] = {
        **SOCKET_OPTIONS,
        (SOL_SOCKET, SO_PASSCRED): FLAG,
        **at_level(
            SOL_NETLINK,
            {
                NETLINK_ADD_MEMBERSHIP: NUMBER,
                NETLINK_DROP_MEMBERSHIP: NUMBER,
                NETLINK_PKTINFO: FLAG,
                NETLINK_BROADCAST_ERROR: FLAG,
                NETLINK_NO_ENOBUFS: FLAG,
                NETLINK_LISTEN_ALL_NSID: FLAG,
                NETLINK_CAP_ACK: FLAG,
                NETLINK_EXT_ACK: FLAG,
                NETLINK_GET_STRICT_CHK: FLAG,
            },
        ),
    }

    def __init__(self, t: Thread, kind: int, protocol: int, flags: int) -> None:
        super().__init__(t.nsproxy.net, t.kernel.next_ino(), AF_NETLINK, kind, protocol, flags)
        self.port = self.groups = 0
        self.destination = 0
        self.queue: deque[bytes] = deque()

    # -- addresses ------------------------------------------------------------------------------------------------
    def bind(self, t: Thread, address: bytes) -> None:
        """Take an address: the process's number if it is free, or the one asked for (netlink_bind)."""
        port, groups = _parse(address)
        if groups and not t.cred.ns_capable(self.net.user_ns, CAP_NET_ADMIN) and self.protocol != NETLINK_ROUTE:
            raise Errno.EPERM
        if self.port:
            if port != self.port:
                raise Errno.EINVAL
        elif port:
            if (self.protocol, port) in self.net.netlink_ports:
                raise Errno.EADDRINUSE
            self._take(port)
        else:
            self._autobind(t)
        self.groups = groups

    def _take(self, port: int) -> None:
        self.port = port
        self.net.netlink_ports.add((self.protocol, port))

    def _autobind(self, t: Thread) -> None:
        """netlink_autobind: the process's number, or one no process has."""
        taken = self.net.netlink_ports
        port = t.process.tgid_pid.nr_in(ns_of(t))
        following = (1 << 32) - 4097
        while (self.protocol, port) in taken:
            port = following
            following -= 1
        self._take(port)

    def connect(self, t: Thread, address: bytes) -> int:
        """Name a default destination (netlink_connect)."""
        if len(address) < 2:
            raise Errno.EINVAL
        if struct.unpack_from("<H", address)[0] == AF_UNSPEC:
            self.destination = 0
            return 0
        self.destination, _ = _parse(address)
        if not self.port:
            self._autobind(t)
        return 0

    def name(self, peer: bool) -> bytes:
        if peer:
            return _SOCKADDR_NL.pack(AF_NETLINK, self.destination, 0)
        return _SOCKADDR_NL.pack(AF_NETLINK, self.port, self.groups)

    # -- messages -------------------------------------------------------------------------------------------------
    def send(self, t: Thread, data: bytes, flags: int, address: bytes | None, ancillary: Ancillary) -> int:
        """Hand messages to the kernel; ECONNREFUSED for another destination, since nobody else speaks this protocol."""
        if flags & MSG_OOB:
            raise Errno.EOPNOTSUPP
        destination, _ = _parse(address) if address is not None else (self.destination, 0)
        if not self.port:
            self._autobind(t)
        if len(data) > self.send_buffer - 32:
            raise Errno.EMSGSIZE
        if destination:
            raise Errno.ECONNREFUSED
        for request in requests(data):
            self._handle(t, request)
        if self.queue:
            self.wait.wake_all(POLLIN | POLLRDNORM)
        return len(data)

    def _handle(self, t: Thread, request: Message) -> None:
        """netlink_rcv_skb: an error, or an acknowledgement that was asked for, follows the answers."""
        if request.kind < NLMSG_MIN_TYPE:
            return
        error, explanation = 0, b""
        try:
            answers = PROTOCOLS[self.protocol](t, self.net, request, self.port)
        except Errno as refusal:
            answers, error = [], refusal.number
            if self.option(NETLINK_EXT_ACK, SOL_NETLINK) and refusal.args:
                text = str(refusal).encode() + b"\0"
                explanation = struct.pack("<HH", 4 + len(text), NLMSGERR_ATTR_MSG) + text + bytes(-len(text) & 3)
        self.queue.extend(answers)
        if error or (request.flags & NLM_F_ACK and not answers):
            # Of a request that succeeded only the header is given back.
            capped = not error or bool(self.option(NETLINK_CAP_ACK, SOL_NETLINK))
            body = struct.pack("<i", -error) + (request.whole[:16] if capped else request.whole) + explanation
            flags = (NLM_F_CAPPED if capped else 0) | (NLM_F_ACK_TLVS if explanation else 0)
            self.queue.append(message(NLMSG_ERROR, flags, request.sequence, self.port, body))

    def receive(self, t: Thread, size: int, flags: int) -> Received:
        if flags & MSG_OOB:
            raise Errno.EOPNOTSUPP
        if not self.queue:
            self.take_error()
            raise Errno.EAGAIN
        data = self.queue[0] if flags & MSG_PEEK else self.queue.popleft()
        truncated = MSG_TRUNC if len(data) > size else 0
        beside = NO_ANCILLARY._replace(cred=PeerCred(None, 0, 0)) if self.option(SO_PASSCRED) else NO_ANCILLARY
        return Received(data[:size], _SOCKADDR_NL.pack(AF_NETLINK, 0, 0), beside, truncated, len(data))

    def release(self) -> None:
        self.net.netlink_ports.discard((self.protocol, self.port))

    def poll(self, t: Thread) -> int:
        mask = POLLOUT | POLLWRNORM | POLLWRBAND
        if self.error is not None:
            mask |= POLLERR
        return mask | POLLIN | POLLRDNORM if self.queue else mask

    def unknown_option(self, level: int, getting: bool) -> Errno:
        return Errno.ENOPROTOOPT()


def _parse(address: bytes) -> tuple[int, int]:
    """Read a sockaddr_nl: port and groups."""
    if len(address) < _SOCKADDR_NL.size:
        raise Errno.EINVAL
    family, port, groups = _SOCKADDR_NL.unpack_from(address)
    if family != AF_NETLINK:
        raise Errno.EINVAL
    return port, groups
