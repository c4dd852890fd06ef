"""Questions about interfaces asked of any socket: netdevice(7) (dev_ioctl, devinet_ioctl)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from kernel.cred import CAP_NET_ADMIN
from kernel.errno import Errno
from kernel.net.device import IFF_RUNNING, IFF_UP, IfAddr, Interface

if TYPE_CHECKING:
    from kernel.net.namespace import NetNamespace
    from kernel.task import Thread

SIOCGIFNAME, SIOCGIFCONF, SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCGIFADDR, SIOCSIFADDR = 0x8910, 0x8912, 0x8913, 0x8914, 0x8915, 0x8916
SIOCGIFDSTADDR, SIOCGIFBRDADDR, SIOCGIFNETMASK, SIOCSIFNETMASK = 0x8917, 0x8919, 0x891B, 0x891C
SIOCGIFMETRIC, SIOCGIFMTU, SIOCSIFMTU = 0x891D, 0x8921, 0x8922
SIOCGIFHWADDR, SIOCGIFINDEX, SIOCGIFTXQLEN, SIOCGIFMAP = 0x8927, 0x8933, 0x8942, 0x8970

AF_INET = 2
ARPHRD_LOOPBACK: Final = 772
IFNAMSIZ, IFREQ_SIZE = 16, 40
TX_QUEUE: Final = 1000


def _sockaddr(address: bytes) -> bytes:
    return struct.pack("<H2x4s8x", AF_INET, address)


def _mask(address: IfAddr) -> bytes:
    return ((0xFFFFFFFF << 32 - address.prefix) & 0xFFFFFFFF).to_bytes(4, "big")


def _ipv4(device: Interface) -> IfAddr:
    """Return its first IPv4 address.  EADDRNOTAVAIL."""
    for address in device.addresses:
        if len(address.packed) == 4:
            return address
    raise Errno.EADDRNOTAVAIL


def device_flags(device: Interface) -> int:
    """Return IFF_* as programs see them (dev_get_flags)."""
    return device.flags | (IFF_RUNNING if device.up else 0)


_GETTERS: Final[Mapping[int, Callable[[Interface], bytes]]] = {
    SIOCGIFFLAGS: lambda device: struct.pack("<H", device_flags(device) & 0xFFFF),
    SIOCGIFMETRIC: lambda device: bytes(4),
    SIOCGIFMTU: lambda device: struct.pack("<i", device.mtu),
    SIOCGIFHWADDR: lambda device: struct.pack("<H14x", ARPHRD_LOOPBACK),
    SIOCGIFINDEX: lambda device: struct.pack("<i", device.index),
    SIOCGIFTXQLEN: lambda device: struct.pack("<i", TX_QUEUE),
    SIOCGIFMAP: lambda device: bytes(24),
    SIOCGIFADDR: lambda device: _sockaddr(_ipv4(device).packed),
    SIOCGIFDSTADDR: lambda device: _sockaddr(_ipv4(device).packed),
    SIOCGIFBRDADDR: lambda device: _sockaddr(bytes(4)),
    SIOCGIFNETMASK: lambda device: _sockaddr(_mask(_ipv4(device))),
}
_INET_ONLY: Final = frozenset((SIOCGIFADDR, SIOCGIFDSTADDR, SIOCGIFBRDADDR, SIOCGIFNETMASK, SIOCSIFADDR, SIOCSIFNETMASK))


def _set_flags(device: Interface, value: bytes) -> None:
    device.set_up(bool(struct.unpack_from("<H", value)[0] & IFF_UP))


def _set_mtu(device: Interface, value: bytes) -> None:
    mtu = struct.unpack_from("<i", value)[0]
    if mtu < 0:
        raise Errno.EINVAL
    device.mtu = mtu


def _set_address(device: Interface, value: bytes) -> None:
    family, address = struct.unpack_from("<H2x4s", value)
    if family != AF_INET:
        raise Errno.EINVAL
    device.addresses = [each for each in device.addresses if len(each.packed) != 4]
    device.addresses.insert(0, IfAddr(address, 8 if address[0] == 127 else 24))
    device.set_up(True)


def _set_mask(device: Interface, value: bytes) -> None:
    bits = int.from_bytes(value[4:8], "big")
    prefix = bits.bit_count()
    if bits != (0xFFFFFFFF << 32 - prefix) & 0xFFFFFFFF:
        raise Errno.EINVAL
    old = _ipv4(device)
    device.addresses[device.addresses.index(old)] = IfAddr(old.packed, prefix)


_SETTERS: Final[Mapping[int, Callable[[Interface, bytes], None]]] = {
    SIOCSIFFLAGS: _set_flags,
    SIOCSIFMTU: _set_mtu,
    SIOCSIFADDR: _set_address,
    SIOCSIFNETMASK: _set_mask,
}


def device_ioctl(t: Thread, net: NetNamespace, command: int, argument: int, inet: bool) -> int:
    """Carry out an ioctl that names an interface; ``inet``: asked of a socket of AF_INET or AF_INET6, which knows addresses.

    ENODEV for an unknown interface, EPERM, ENOTTY for an unknown command.
    """
    mm = t.mm
    assert mm is not None
    if command == SIOCGIFCONF:
        return _get_configuration(t, net, argument)
    if command == SIOCGIFNAME:
        index = struct.unpack("<i", mm.read(argument + IFNAMSIZ, 4))[0]
        device = net.by_index(index)
        mm.write(argument, device.name.ljust(IFNAMSIZ, b"\0"))
        return 0
    getter, setter = _GETTERS.get(command), _SETTERS.get(command)
    if (getter is None and setter is None) or (command in _INET_ONLY and not inet):
        raise Errno.ENOTTY
    request = mm.read(argument, IFREQ_SIZE)
    name = request[: IFNAMSIZ - 1].split(b"\0", 1)[0].split(b":", 1)[0]
    if setter is not None and not t.cred.ns_capable(net.user_ns, CAP_NET_ADMIN):
        raise Errno.EPERM
    device = net.by_name(name)
    if setter is not None:
        setter(device, request[IFNAMSIZ:])
    elif getter is not None:
        mm.write(argument + IFNAMSIZ, getter(device))
    return 0


def _get_configuration(t: Thread, net: NetNamespace, argument: int) -> int:
    """SIOCGIFCONF: the interfaces that have an IPv4 address; without a buffer only the size (inet_gifconf)."""
    mm = t.mm
    assert mm is not None
    length, buffer = struct.unpack("<i4xQ", mm.read(argument, 16))
    found = [
        net.lo.name.ljust(IFNAMSIZ, b"\0") + _sockaddr(address.packed) + bytes(8)
        for address in net.lo.addresses
        if len(address.packed) == 4
    ]
    if buffer:
        found = found[: max(0, length) // IFREQ_SIZE]
        mm.write(buffer, b"".join(found))
    mm.write(argument, struct.pack("<i", len(found) * IFREQ_SIZE))
    return 0
