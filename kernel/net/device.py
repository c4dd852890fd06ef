"""Network interfaces: the loopback, which is the only one (drivers/net/loopback.c, netdevice(7)).

What is sent through lo is received by lo.  An interface carries traffic only while it is up, and its addresses are local
only as long as they are assigned to it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

IFF_UP, IFF_LOOPBACK, IFF_RUNNING, IFF_LOWER_UP = 0x1, 0x8, 0x40, 0x10000
LOOPBACK_INDEX: Final = 1
LOOPBACK4: Final = bytes((127, 0, 0, 1))
LOOPBACK6: Final = bytes(15) + b"\1"
LOOPBACK_MTU: Final = 65536


class IfAddr(NamedTuple):
    """An address of an interface: 4 or 16 bytes, and the length of its prefix in bits."""

    packed: bytes
    prefix: int


class Interface:
    """One interface: ``index`` and ``name`` are unique in its namespace, ``flags`` are IFF_* as far as they can be changed.

    ``addresses``: what is assigned to it, in order.  ``packets``, ``octets``: how much has gone through it.
    ``was_up``: whether it ever was up.
    """

    __slots__ = ("index", "name", "mtu", "flags", "addresses", "packets", "octets", "was_up")

    def __init__(self, index: int, name: bytes, mtu: int, flags: int) -> None:
        self.index = index
        self.name = name
        self.mtu = mtu
        self.flags = flags
        self.addresses: list[IfAddr] = []
        self.packets = self.octets = 0
        self.was_up = False

    @property
    def up(self) -> bool:
        """Whether it carries traffic."""
        return bool(self.flags & IFF_UP)

    def set_up(self, up: bool) -> None:
        """Set it up or down.  Setting the loopback up for the first time assigns its addresses (inetdev_event, addrconf)."""
        if up == self.up:
            return
        self.flags ^= IFF_UP
        if up:
            self.was_up = True
            for address in (IfAddr(LOOPBACK4, 8), IfAddr(LOOPBACK6, 128)):
                if address not in self.addresses:
                    self.addresses.append(address)
        else:
            self.addresses = [address for address in self.addresses if len(address.packed) == 4]


def loopback(up: bool) -> Interface:
    """Return the loopback interface of a new namespace."""
    lo = Interface(LOOPBACK_INDEX, b"lo", LOOPBACK_MTU, IFF_LOOPBACK)
    lo.set_up(up)
    return lo
