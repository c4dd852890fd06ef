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

from kernel.net.device import loopback
from kernel.user_ns import INIT_USER_NS, UserNamespace

if TYPE_CHECKING:
    from kernel.net.unix import UnixSocket


class UnixNames:
    """The abstract names of a namespace: ``bound`` maps a name (without the leading NUL) to its socket."""

    __slots__ = ("bound", "_last_auto")

    def __init__(self) -> None:
        self.bound: dict[bytes, UnixSocket] = {}
        self._last_auto = 0

    def auto_name(self) -> bytes:
        """Return a free abstract name of five hex digits (unix_autobind)."""
        while True:
            self._last_auto = (self._last_auto + 1) & 0xFFFFF
            name = b"%05x" % self._last_auto
            if name not in self.bound:
                return name


class NetNamespace:
    """One network.  ``inum``: inode number in /proc/PID/ns.  ``user_ns``: the user namespace that owns it.

    ``loopback_up``: whether lo is up from the start, as only in the first namespace.
    """

    __slots__ = ("inum", "user_ns", "lo", "unix")

    def __init__(self, inum: int, user_ns: UserNamespace = INIT_USER_NS, loopback_up: bool = False) -> None:
        self.inum = inum
        self.user_ns = user_ns
        self.lo = loopback(loopback_up)
        self.unix = UnixNames()
