"""Network namespaces (network_namespaces(7), net/core/net_namespace.c): everything a socket can reach.

A namespace has interfaces, tables of the ports in use, and the abstract names of AF_UNIX.  The only interface there is, is
the loopback: nothing ever reaches the host's network, nor another namespace's.  It is up in the first namespace and down in
every other until somebody sets it up (``ip link set lo up``).  A namespace lives as long as a thread, a socket or an open
/proc/PID/ns/net refers to it, which is what Python's references do by themselves.

AF_UNIX sockets bound to a path are found through the file system, from any network namespace (unix_find_bsd), so their
table belongs to the machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.net.device import IfAddr, Interface, loopback
from kernel.net.ports import PortTable
from kernel.ns import CLONE_NEWNET, Namespace
from kernel.user_ns import INIT_USER_NS, UserNamespace

if TYPE_CHECKING:
    from kernel.net.unix import UnixSocket


class UnixNames:
    """The AF_UNIX sockets of a namespace: all of them, and ``bound`` by abstract name (without the leading NUL)."""

    __slots__ = ("sockets", "bound", "_last_auto")

    def __init__(self) -> None:
        self.sockets: dict[UnixSocket, None] = {}
        self.bound: dict[bytes, UnixSocket] = {}
        self._last_auto = 0

    def auto_name(self) -> bytes:
        """Return a free abstract name of five hex digits (unix_autobind)."""
        while True:
            self._last_auto = (self._last_auto + 1) & 0xFFFFF
            name = b"%05x" % self._last_auto
            if name not in self.bound:
                return name


class NetNamespace(Namespace):
    """One network.  ``inum``: inode number in /proc/PID/ns.  ``user_ns``: the user namespace that owns it.

    ``loopback_up``: whether lo is up from the start, as only in the first namespace.
    """

    __slots__ = ("lo", "unix", "tcp", "udp", "netlink_ports", "groups")

    KIND = CLONE_NEWNET
    NAME = b"net"

    def __init__(self, inum: int, user_ns: UserNamespace = INIT_USER_NS, loopback_up: bool = False) -> None:
        super().__init__(inum, user_ns)
        self.lo = loopback(loopback_up)
        self.unix = UnixNames()
        self.tcp = PortTable(True)
        self.udp = PortTable(False)
        self.groups: dict[bytes, int] = {}
        """Multicast group -> how many sockets are in it."""
        self.netlink_ports: set[tuple[int, int]] = set()
        """(protocol, address) of the netlink sockets."""

    def by_index(self, index: int) -> Interface:
        """Return an interface.  ENODEV."""
        if index != self.lo.index:
            raise Errno.ENODEV
        return self.lo

    def by_name(self, name: bytes) -> Interface:
        """Return an interface.  ENODEV."""
        if name != self.lo.name:
            raise Errno.ENODEV
        return self.lo

    def _interface_of(self, address: bytes) -> IfAddr | None:
        """Return the interface address whose prefix covers ``address``."""
        if not self.lo.up:
            return None
        for mine in self.lo.addresses:
            bits = len(mine.packed) * 8 - mine.prefix
            if len(mine.packed) == len(address) and _number(mine.packed) >> bits == _number(address) >> bits:
                return mine
        return None

    def is_local(self, address: bytes) -> bool:
        """Whether an address is this host's own.  On the loopback that is all of a prefix, but not its broadcast address."""
        mine = self._interface_of(address)
        return mine is not None and not self.is_broadcast(address)

    def is_broadcast(self, address: bytes) -> bool:
        """Whether an IPv4 address means all hosts of a network."""
        if len(address) != 4:
            return False
        if address == b"\xff" * 4:
            return True
        mine = self._interface_of(address)
        return mine is not None and mine.prefix < 31 and _number(address) | -1 << 32 - mine.prefix == -1

    def source(self, destination: bytes) -> bytes:
        """Return the source address of what goes to ``destination`` (ip_route_output_key).  ENETUNREACH."""
        mine = self._interface_of(destination)
        if mine is None:
            raise Errno.ENETUNREACH
        return mine.packed


def _number(address: bytes) -> int:
    return int.from_bytes(address, "big")
