"""What the Internet protocols have in common: addresses, ports, routes (ip(7), ipv6(7), net/ipv4/af_inet.c).

There is one network interface, so a route is a question with two answers: an address that is local leads to lo and back,
and everything else is ENETUNREACH.  An address is 4 or 16 bytes; an AF_INET6 socket that talks IPv4 holds 4 bytes and
shows them as ::ffff:a.b.c.d.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, ClassVar, Final, Self

from kernel.cred import CAP_NET_BIND_SERVICE
from kernel.errno import Errno
from kernel.net.device import LOOPBACK4, LOOPBACK6
from kernel.net.inet_options import INET6_OPTIONS, INET_OPTIONS, IPPROTO_IP, IPPROTO_IPV6, IPV6_V6ONLY
from kernel.net.options import SO_BROADCAST, SO_REUSEADDR, SO_REUSEPORT, SOCKET_OPTIONS, SOL_SOCKET
from kernel.net.ports import Endpoint, PortTable, covers
from kernel.net.socket import AF_INET, AF_INET6, AF_UNSPEC, SOCK_STREAM, Options, Socket

if TYPE_CHECKING:
    from kernel.task import Thread
    from kernel.waitqueue import Blocking

ANY4: Final = bytes(4)
ANY6: Final = bytes(16)
MAPPED: Final = bytes(10) + b"\xff\xff"
BROADCAST4: Final = b"\xff" * 4
FIRST_UNPRIVILEGED = 1024

_SOCKADDR_IN = struct.Struct("<H2s4s8x")
_SOCKADDR_IN6 = struct.Struct("<H2sI16sI")
SIN6_LEN_RFC2133 = 24


class InetSocket(Socket):
    """A socket of AF_INET or AF_INET6.  ``local`` and ``remote``: port 0 is none.

    ``address_bound``, ``port_bound``: bind(2) was told which (SOCK_BINDADDR_LOCK, SOCK_BINDPORT_LOCK).  ``bound``: it holds
    its port.  ``uid``: whose it is; SO_REUSEPORT shares among the sockets of one user.
    """

    __slots__ = ("local", "remote", "address_bound", "port_bound", "bound", "uid", "ports", "kernel")

    PROTOCOL_OPTIONS = True
    BYTE_LEVELS = (IPPROTO_IP,)
    OPTIONS: ClassVar[Options] = {
        **SOCKET_OPTIONS,
        **INET_OPTIONS,
        **INET6_OPTIONS,
    }

    def __init__(self, t: Thread, family: int, kind: int, protocol: int, flags: int, ports: PortTable) -> None:
        super().__init__(t.nsproxy.net, t.kernel.next_ino(), family, kind, protocol, flags)
        self.kernel = t.kernel
        self.ports = ports
        self.local = self.remote = Endpoint(self.any_address, 0)
        self.address_bound = self.port_bound = self.bound = False
        self.uid = t.cred.fsuid

    def child(self) -> Self:
        """Return a copy without connection, as accept(2) makes of a listener (sk_clone): options and limits are inherited."""
        made = object.__new__(type(self))
        Socket.__init__(made, self.net, 0, self.family, self.kind, self.protocol, 0)
        made.kernel, made.ports = self.kernel, self.ports
        made.local = made.remote = self.local
        made.address_bound = made.port_bound = made.bound = True
        made.uid = self.uid
        made.options = dict(self.options)
        made.linger = self.linger
        made.receive_timeout, made.send_timeout = self.receive_timeout, self.send_timeout
        made.send_buffer, made.receive_buffer = self.send_buffer, self.receive_buffer
        return made

    @property
    def any_address(self) -> bytes:
        """The address that means any."""
        return ANY6 if self.family == AF_INET6 else ANY4

    @property
    def v6only(self) -> bool:
        return bool(self.option(IPV6_V6ONLY, IPPROTO_IPV6)) and self.family == AF_INET6

    @property
    def reuse(self) -> bool:
        return bool(self.option(SO_REUSEADDR))

    @property
    def reuse_port(self) -> bool:
        return bool(self.option(SO_REUSEPORT))

    def hears(self, address: bytes) -> bool:
        """Whether what is sent to ``address`` is for it."""
        return covers(self.local.address, self.v6only, address)

    @property
    def expired(self) -> bool:
        return False

    # -- addresses ------------------------------------------------------------------------------------------------
    def pack(self, endpoint: Endpoint) -> bytes:
        """Return the sockaddr of an endpoint as this socket's family shows it."""
        address, port = endpoint.address, endpoint.port.to_bytes(2, "big")
        if self.family == AF_INET:
            return _SOCKADDR_IN.pack(AF_INET, port, address)
        if len(address) == 4:
            address = MAPPED + address
        return _SOCKADDR_IN6.pack(AF_INET6, port, 0, address, 0)

    def parse(self, address: bytes, scoped: bool = True) -> Endpoint:
        """Read the sockaddr of a destination.  EINVAL if it is short, EAFNOSUPPORT if of another family.

        A link-local address must say on which link, if ``scoped`` (EINVAL).

        Nothing in particular means this host; an IPv4 address inside an IPv6 one is that IPv4 address.
        """
        if self.family == AF_INET:
            if len(address) < _SOCKADDR_IN.size:
                raise Errno.EINVAL
            family, port, packed = _SOCKADDR_IN.unpack_from(address)
            if family != AF_INET:
                raise Errno.EAFNOSUPPORT
            if packed == ANY4:
                packed = self.local.address if self.address_bound else LOOPBACK4
            return Endpoint(packed, int.from_bytes(port, "big"))
        if len(address) < SIN6_LEN_RFC2133:
            raise Errno.EINVAL
        family, port, _, packed, scope = _SOCKADDR_IN6.unpack_from(address + bytes(4))
        if family != AF_INET6:
            raise Errno.EAFNOSUPPORT
        if packed == ANY6:
            packed = LOOPBACK6 if len(self.local.address) == 16 else MAPPED + LOOPBACK4
        if packed[:12] == MAPPED:
            if self.v6only:
                raise Errno.ENETUNREACH
            packed = packed[12:]
        elif is_link_local(packed) and scoped and not scope:
            raise Errno.EINVAL
        return Endpoint(packed, int.from_bytes(port, "big"))

    def name(self, peer: bool) -> bytes:
        if not peer:
            return self.pack(self.local)
        if not self.remote.port:
            raise Errno.ENOTCONN
        return self.pack(self.remote)

    # -- connecting -----------------------------------------------------------------------------------------------
    def connect(self, t: Thread, address: bytes) -> int | Blocking[int]:
        """Connect to an address, or with AF_UNSPEC undo that (inet_stream_connect, inet_dgram_connect).  EINVAL."""
        if len(address) < 2:
            raise Errno.EINVAL
        if struct.unpack_from("<H", address)[0] == AF_UNSPEC:
            self.disconnect()
            return 0
        return self.connect_to(t, address)

    def connect_to(self, t: Thread, address: bytes) -> int | Blocking[int]:
        """Connect to an address of a family."""
        raise NotImplementedError

    def disconnect(self) -> None:
        """Have no peer any more."""
        raise NotImplementedError

    # -- ports ----------------------------------------------------------------------------------------------------
    def bind(self, t: Thread, address: bytes) -> None:
        """inet_bind, inet6_bind: EADDRNOTAVAIL for what is not local, EACCES for a privileged port, EADDRINUSE."""
        local = self._bind_address(address)
        if 0 < local.port < FIRST_UNPRIVILEGED and not t.cred.ns_capable(self.net.user_ns, CAP_NET_BIND_SERVICE):
            raise Errno.EACCES
        self.may_bind()
        before, self.local = self.local, Endpoint(local.address, 0)
        port = local.port
        if port and self.ports.conflict(self, port):
            self.local = before
            raise Errno.EADDRINUSE
        port = port or self.ports.pick(self, False)
        if not port:
            self.local = before
            raise Errno.EADDRINUSE
        self.local = Endpoint(local.address, port)
        self.address_bound = any(local.address)
        self.port_bound = bool(local.port)
        self.bound = True
        self.ports.add(self, port)

    def may_bind(self) -> None:
        """EINVAL if it has a port already."""
        if self.bound:
            raise Errno.EINVAL

    def _bind_address(self, address: bytes) -> Endpoint:
        net = self.net
        if self.family == AF_INET:
            if len(address) < _SOCKADDR_IN.size:
                raise Errno.EINVAL
            family, port, packed = _SOCKADDR_IN.unpack_from(address)
            if family != AF_INET and (family != AF_UNSPEC or packed != ANY4):
                raise Errno.EAFNOSUPPORT
            if packed != ANY4 and not (net.is_local(packed) or net.is_broadcast(packed) or is_multicast(packed)):
                # A network that has never had an address has no table to look in, and then all are taken for broadcasts.
                if net.lo.addresses:
                    raise Errno.EADDRNOTAVAIL
            return Endpoint(packed, int.from_bytes(port, "big"))
        if len(address) < SIN6_LEN_RFC2133:
            raise Errno.EINVAL
        family, port, _, packed, scope = _SOCKADDR_IN6.unpack_from(address + bytes(4))
        if family != AF_INET6:
            raise Errno.EAFNOSUPPORT
        if is_multicast(packed) and self.kind == SOCK_STREAM:
            raise Errno.EINVAL
        if packed[:12] == MAPPED:
            if self.v6only:
                raise Errno.EINVAL
            packed = packed[12:]
            if packed != ANY4 and not net.is_local(packed):
                raise Errno.EADDRNOTAVAIL
        elif packed != ANY6:
            if is_link_local(packed) and not scope:
                raise Errno.EINVAL
            if not net.is_local(packed) and not is_multicast(packed):
                raise Errno.EADDRNOTAVAIL
        return Endpoint(packed, int.from_bytes(port, "big"))

    def autobind(self, connecting: bool) -> None:
        """Give it a port if it has none (inet_autobind, inet_hash_connect).  EADDRNOTAVAIL or EAGAIN if none is left."""
        if self.bound:
            return
        port = self.ports.pick(self, connecting)
        if not port:
            raise Errno.EADDRNOTAVAIL if connecting else Errno.EAGAIN
        self.local = Endpoint(self.local.address, port)
        self.bound = True
        self.ports.add(self, port)

    def source_for(self, destination: bytes) -> bytes:
        """Return the address packets to ``destination`` carry as source.  ENETUNREACH; EACCES for broadcasts without leave."""
        net = self.net
        if net.is_broadcast(destination):
            if not self.option(SO_BROADCAST):
                raise Errno.EACCES
            return net.source(net.lo.addresses[0].packed)
        source = net.source(destination)
        if self.address_bound and len(self.local.address) == len(source):
            return self.local.address
        return source

    def get_option(self, t: Thread, level: int, option: int) -> bytes:
        if level == IPPROTO_IPV6 and self.family == AF_INET:
            raise self.unknown_option(level, True)
        return super().get_option(t, level, option)

    def set_option(self, t: Thread, level: int, option: int, value: bytes) -> None:
        if level == IPPROTO_IPV6 and self.family == AF_INET:
            raise self.unknown_option(level, False)
        super().set_option(t, level, option, value)

    def unknown_option(self, level: int, getting: bool) -> Errno:
        """A getter of another protocol's level is told from one of an unknown number (ip_getsockopt)."""
        known = level in (SOL_SOCKET, IPPROTO_IP, self.protocol) or (level == IPPROTO_IPV6 and self.family == AF_INET6)
        if getting and not known and self.family == AF_INET:
            return Errno.EOPNOTSUPP()
        return Errno.ENOPROTOOPT()


def is_multicast(address: bytes) -> bool:
    """Whether an address is that of a group."""
    return address[0] == 0xFF if len(address) == 16 else address[0] >> 4 == 0xE


def is_link_local(address: bytes) -> bool:
    """Whether an IPv6 address means something on one link only (fe80::/10)."""
    return len(address) == 16 and address[0] == 0xFE and address[1] >> 6 == 2
