"""UDP over the loopback (udp(7), net/ipv4/udp.c).

A datagram goes straight into the queue of the socket that hears it, or is lost if that queue is full; sending never waits.
Nobody hears it: the ICMP message "port unreachable" comes back, which is an error for a socket that is connected, given to
its next call whatever that is.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from kernel.errno import Errno
from kernel.fs.fasync import POLL_ERR
from kernel.fs.file import (
    O_NONBLOCK,
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    POLLRDHUP,
    POLLRDNORM,
    POLLWRBAND,
    POLLWRNORM,
)
from kernel.fs.pipe import FIONREAD
from kernel.net.inet import ANY4, MAPPED, InetSocket, is_multicast
from kernel.net.inet_options import (
    IP_MULTICAST_ALL,
    IP_MULTICAST_IF,
    IP_PKTINFO,
    IP_RECVERR,
    IP_RECVTOS,
    IP_RECVTTL,
    IP_TOS,
    IP_TTL,
    IPPROTO_IP,
    IPPROTO_IPV6,
    IPPROTO_UDP,
    IPV6_RECVHOPLIMIT,
    IPV6_RECVPKTINFO,
)
from kernel.net.multicast import IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP, add_membership, drop_membership, leave, set_interface
from kernel.net.options import FLAG, NUMBER, SO_TIMESTAMP, SO_TIMESTAMPNS, SOL_SOCKET, at_level
from kernel.net.ports import Endpoint
from kernel.net.socket import (
    AF_INET6,
    MSG_DONTWAIT,
    MSG_OOB,
    MSG_PEEK,
    MSG_TRUNC,
    NO_ANCILLARY,
    RCV_SHUTDOWN,
    SEND_SHUTDOWN,
    SOCK_DGRAM,
    Ancillary,
    Control,
    Getters,
    Options,
    Received,
    Setters,
    Socket,
)

if TYPE_CHECKING:
    from kernel.task import Thread
    from kernel.waitqueue import Blocking

MAX_DATAGRAM: Final = 65507
"""65535 bytes of an IPv4 packet without the headers."""
UDP_CORK, UDP_ENCAP, UDP_NO_CHECK6_TX, UDP_NO_CHECK6_RX, UDP_SEGMENT, UDP_GRO = 1, 100, 101, 102, 103, 104
SIOCOUTQ = 0x5411
IPV6_PKTINFO, IPV6_HOPLIMIT = 50, 52
_SKB_OVERHEAD: Final = 576 + 256
"""Bytes of SO_RCVBUF a datagram takes besides its data."""

_READABLE = POLLIN | POLLRDNORM
_WRITABLE = POLLOUT | POLLWRNORM | POLLWRBAND


class Datagram(NamedTuple):
    """What travels: the data, from where, to which address, and when it came (ns since the epoch)."""

    data: bytes
    source: Endpoint
    destination: bytes
    time: int
    tos: int
    ttl: int

    @property
    def charge(self) -> int:
        """Bytes it takes of the receiver's buffer."""
        return len(self.data) + _SKB_OVERHEAD


class UdpSocket(InetSocket):
    """A UDP socket; ``queue`` holds what it has received, ``held`` bytes of its buffer, ``drops`` what it had no room for.

    ``connected``: it has a peer.  ``groups``: the multicast groups it is in.  ``multicast_source``: the address of the
    interface through which it reaches groups, 0.0.0.0 if it has not said.
    """

    __slots__ = ("queue", "held", "drops", "connected", "groups", "multicast_source")

    READ_WCHAN = "__skb_wait_for_more_packets"
    OPTIONS: ClassVar[Options] = {
        **InetSocket.OPTIONS,
        **at_level(
            IPPROTO_UDP,
            {
                UDP_CORK: FLAG,
                UDP_ENCAP: NUMBER,
                UDP_NO_CHECK6_TX: FLAG,
                UDP_NO_CHECK6_RX: FLAG,
                UDP_SEGMENT: NUMBER,
                UDP_GRO: FLAG,
            },
        ),
    }

    GETTERS: ClassVar[Getters] = {
        **InetSocket.GETTERS,
        (IPPROTO_IP, IP_MULTICAST_IF): lambda self, t: self.multicast_source,
    }
    SETTERS: ClassVar[Setters] = {
        **InetSocket.SETTERS,
        (IPPROTO_IP, IP_ADD_MEMBERSHIP): add_membership,
        (IPPROTO_IP, IP_DROP_MEMBERSHIP): drop_membership,
        (IPPROTO_IP, IP_MULTICAST_IF): set_interface,
    }

    def __init__(self, t: Thread, family: int, flags: int) -> None:
        super().__init__(t, family, SOCK_DGRAM, IPPROTO_UDP, flags, t.nsproxy.net.udp)
        self.queue: deque[Datagram] = deque()
        self.held = self.drops = 0
        self.connected = False
        self.groups: set[bytes] = set()
        self.multicast_source = ANY4

    # -- connecting -----------------------------------------------------------------------------------------------
    def connect_to(self, t: Thread, address: bytes) -> int | Blocking[int]:
        """Name a default destination, the only one it then hears (__ip4_datagram_connect)."""
        self.autobind(False)
        remote = self.parse(address)
        source = self.route(remote.address)
        self.local = Endpoint(source, self.local.port)
        self.remote = remote
        self.connected = True
        return 0

    def disconnect(self) -> None:
        self.connected = False
        self.remote = Endpoint(self.any_address, 0)
        if not self.address_bound:
            self.local = Endpoint(self.any_address, self.local.port)
        if not self.port_bound and self.bound:
            self.ports.remove(self)
            self.bound = False
            self.local = Endpoint(self.local.address, 0)

    def name(self, peer: bool) -> bytes:
        if peer and not self.connected:
            raise Errno.ENOTCONN
        return super().name(peer)

    def shutdown(self, t: Thread, how: int) -> None:
        """Of a socket without peer it is noted, but ENOTCONN (inet_shutdown)."""
        self.shut |= how + 1
        self.wait.wake_all()
        if not self.connected:
            raise Errno.ENOTCONN

    def release(self) -> None:
        if self.bound:
            self.ports.remove(self)
            self.bound = False
        self.queue.clear()
        for group in list(self.groups):
            leave(self, group)

    # -- sending --------------------------------------------------------------------------------------------------
    def route(self, destination: bytes) -> bytes:
        """Return the source address for ``destination``.  Groups are reached only through the interface of a source that is
        given.  EACCES for broadcasts without leave, ENETUNREACH."""
        special = is_multicast(destination) or destination == b"\xff" * 4
        if not special:
            return self.source_for(destination)
        if is_multicast(destination) and len(destination) == 4 and any(self.multicast_source):
            return self.multicast_source
        if not any(self.local.address) or len(self.local.address) != len(destination):
            raise Errno.ENETUNREACH
        if not is_multicast(destination):
            self.source_for(destination)
        return self.local.address

    def send(self, t: Thread, data: bytes, flags: int, address: bytes | None, ancillary: Ancillary) -> int:
        """udp_sendmsg."""
        self.autobind(False)
        if len(data) > 0xFFFF:
            raise Errno.EMSGSIZE
        if flags & MSG_OOB:
            raise Errno.EOPNOTSUPP
        if address is not None:
            remote = self._destination(address)
        elif self.connected:
            remote = self.remote
        else:
            raise Errno.EDESTADDRREQ
        source = self.route(remote.address)
        if len(data) > MAX_DATAGRAM + (20 if len(remote.address) == 16 else 0):
            raise Errno.EMSGSIZE
        self.take_error()
        if self.shut & SEND_SHUTDOWN:
            raise Errno.EPIPE
        tos, ttl = self.option(IP_TOS, IPPROTO_IP), self.option(IP_TTL, IPPROTO_IP)
        self._transmit(
            Datagram(data, Endpoint(source, self.local.port), remote.address, t.kernel.clock.realtime(), tos, ttl), remote.port
        )
        return len(data)

    def _destination(self, address: bytes) -> Endpoint:
        """Read a destination; AF_UNSPEC counts as IPv4.  EINVAL for port 0."""
        if self.family != AF_INET6 and len(address) >= 16 and address[:2] == bytes(2):
            address = b"\2\0" + address[2:]
        remote = self.parse(address, scoped=False)
        if not remote.port:
            raise Errno.EINVAL
        return remote

    def _transmit(self, datagram: Datagram, port: int) -> None:
        net = self.net
        net.lo.packets += 1
        net.lo.octets += len(datagram.data)
        everybody = net.is_broadcast(datagram.destination) or is_multicast(datagram.destination)
        hearers = self._hearers(datagram, port, everybody)
        for hearer in hearers if everybody else hearers[:1]:
            hearer._deliver(datagram)
        if not hearers and not everybody and (self.connected or self.option(IP_RECVERR, IPPROTO_IP)):
            self.error = Errno.ECONNREFUSED
            self.changed(POLL_ERR)

    def _hearers(self, datagram: Datagram, port: int, everybody: bool) -> list[UdpSocket]:
        """Return who hears it, the best match first (udp4_lib_lookup2): who is connected to the sender, who is bound to
        the very address; of equals the latest, or with SO_REUSEPORT one by the sender's port."""
        scored: list[tuple[int, UdpSocket]] = []
        group = datagram.destination if is_multicast(datagram.destination) else b""
        for holder in reversed(self.ports.at(port)):
            if not isinstance(holder, UdpSocket):
                continue
            address = holder.local.address
            if group and group not in holder.groups:
                if group not in self.net.groups or not holder.option(IP_MULTICAST_ALL, IPPROTO_IP):
                    continue
            if not holder.hears(datagram.destination) or (everybody and any(address) and address != datagram.destination):
                continue
            score = 1 + (len(address) == len(datagram.destination)) + 2 * (address == datagram.destination)
            if holder.connected:
                if holder.remote != datagram.source:
                    continue
                score += 8
            scored.append((score, holder))
        if not scored:
            return []
        scored.sort(key=lambda entry: -entry[0])
        best = [holder for score, holder in scored if score == scored[0][0]]
        if best[0].reuse_port and not everybody:
            best = [best[datagram.source.port // 2 % len(best)]]
        return [holder for _, holder in scored] if everybody else best

    def _deliver(self, datagram: Datagram) -> None:
        if self.held + datagram.charge > self.receive_buffer:
            self.drops += 1
            return
        self.held += datagram.charge
        self.queue.append(datagram)
        self.data_ready(_READABLE)

    # -- receiving ------------------------------------------------------------------------------------------------
    def receive(self, t: Thread, size: int, flags: int) -> Received:
        """udp_recvmsg: an error comes before data; the end of input is seen only by who may wait."""
        self.take_error()
        if not self.queue:
            if self.shut & RCV_SHUTDOWN and not (flags & MSG_DONTWAIT or self.flags & O_NONBLOCK):
                return Received(b"", b"", NO_ANCILLARY, 0, 0)
            raise Errno.EAGAIN
        datagram = self.queue[0]
        if not flags & MSG_PEEK:
            self.queue.popleft()
            self.held -= datagram.charge
        data = datagram.data
        beside = self._control(datagram)
        ancillary = NO_ANCILLARY._replace(control=beside) if beside else NO_ANCILLARY
        return Received(
            data[:size], self.pack(datagram.source), ancillary, MSG_TRUNC if len(data) > size else 0, len(data)
        )

    def _control(self, datagram: Datagram) -> tuple[Control, ...]:
        """Return what the socket asked to be told of a datagram (sock_recv_timestamp, ip_cmsg_recv, ip6_datagram_recv_ctl)."""
        if not self.options:
            return ()
        found: list[Control] = []
        seconds, fraction = divmod(datagram.time, 1_000_000_000)
        if self.option(SO_TIMESTAMPNS):
            found.append(Control(SOL_SOCKET, SO_TIMESTAMPNS, struct.pack("<qq", seconds, fraction)))
        elif self.option(SO_TIMESTAMP):
            found.append(Control(SOL_SOCKET, SO_TIMESTAMP, struct.pack("<qq", seconds, fraction // 1000)))
        address, index = datagram.destination, self.net.lo.index
        if self.family == AF_INET6:
            if self.option(IPV6_RECVPKTINFO, IPPROTO_IPV6):
                whole = address if len(address) == 16 else MAPPED + address
                found.append(Control(IPPROTO_IPV6, IPV6_PKTINFO, whole + struct.pack("<i", index)))
            if self.option(IPV6_RECVHOPLIMIT, IPPROTO_IPV6) and len(address) == 16:
                found.append(Control(IPPROTO_IPV6, IPV6_HOPLIMIT, struct.pack("<i", datagram.ttl)))
        if len(address) == 4:
            if self.option(IP_PKTINFO, IPPROTO_IP):
                found.append(Control(IPPROTO_IP, IP_PKTINFO, struct.pack("<i4s4s", index, self._own_address(address), address)))
            if self.option(IP_RECVTTL, IPPROTO_IP):
                found.append(Control(IPPROTO_IP, IP_TTL, struct.pack("<i", datagram.ttl)))
            if self.option(IP_RECVTOS, IPPROTO_IP):
                found.append(Control(IPPROTO_IP, IP_TOS, bytes((datagram.tos & 0xFF,))))
        return tuple(found)

    def _own_address(self, address: bytes) -> bytes:
        """Return the address to answer from: that the datagram was sent to, if it is one (fib_compute_spec_dst)."""
        net = self.net
        return address if net.is_local(address) else net.lo.addresses[0].packed if net.lo.addresses else address

    # -- readiness ------------------------------------------------------------------------------------------------
    def poll(self, t: Thread) -> int:
        """datagram_poll; it can always be written."""
        mask = _WRITABLE
        if self.error is not None:
            mask |= POLLERR
        if self.shut & RCV_SHUTDOWN:
            mask |= POLLRDHUP | _READABLE
        if self.shut == RCV_SHUTDOWN | SEND_SHUTDOWN:
            mask |= POLLHUP
        if self.queue:
            mask |= _READABLE
        return mask

    def other_end(self) -> Socket | None:
        if not self.connected:
            return None
        hearers = self._hearers(Datagram(b"", self.local, self.remote.address, 0, 0, 0), self.remote.port, False)
        return hearers[0] if hearers else None

    def ioctl(self, t: Thread, command: int, argument: int) -> int:
        """FIONREAD: the size of the next datagram."""
        if command == FIONREAD:
            value = len(self.queue[0].data) if self.queue else 0
        elif command == SIOCOUTQ:
            value = 0
        else:
            return super().ioctl(t, command, argument)
        t.mm.write(argument, struct.pack("<i", value))  # type: ignore[union-attr]
        return 0
