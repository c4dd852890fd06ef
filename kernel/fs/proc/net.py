"""/proc/PID/net: what the network of a process looks like (fs/proc/proc_net.c, net/ipv4/tcp_ipv4.c, net/unix/af_unix.c).

Addresses are shown as the kernel holds them, in words of the processor's byte order.  Where Linux prints the address of a
kernel object, it is 0, as for everybody who may not see it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from kernel.fs.inode import FileSystem
from kernel.fs.proc.generic import Entry, Table, reg
from kernel.fs.proc.target import TableDir, Target, task_of
from kernel.net.ports import Endpoint, PortHolder, PortTable
from kernel.net.rtnetlink import local_routes
from kernel.net.socket import AF_INET, AF_INET6
from kernel.net.tcp import TcpSocket
from kernel.net.tcp_states import State, TimeWait
from kernel.net.udp import UdpSocket
from kernel.net.unix import UnixSocket
from kernel.user_ns import uid_for

if TYPE_CHECKING:
    from kernel.net.namespace import NetNamespace
    from kernel.task import Thread

_FIRST_SLOT: Final = 220
SO_ACCEPTCON: Final = 1 << 16
"""__SO_ACCEPTCON in the flags of /proc/net/unix."""
SS_UNCONNECTED, SS_CONNECTING, SS_CONNECTED = 1, 2, 3


def _net(target: Target) -> NetNamespace:
    return task_of(target).nsproxy.net


def _words(address: bytes) -> bytes:
    return b"".join(b"%08X" % word for word in struct.unpack(f"<{len(address) // 4}I", address))


def _end(end: Endpoint, family: int) -> bytes:
    address = end.address
    if family == AF_INET6 and len(address) == 4:
        address = bytes(10) + (b"\xff\xff" if any(address) or end.port else bytes(2)) + address
    return b"%s:%04X" % (_words(address), end.port)


def _holders(table: PortTable, family: int) -> Iterator[PortHolder]:
    for holder in table.all():
        if getattr(holder, "family", AF_INET) == family:
            yield holder


# -- TCP --------------------------------------------------------------------------------------------------------------
_HEAD4 = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
_HEAD6 = (
    b"  sl  local_address                         remote_address                        "
    b"st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
)
_UNKNOWN = bytes(16).hex().encode()[:16]


def _tcp_line(t: Thread, index: int, holder: TcpSocket | TimeWait, family: int) -> bytes:
    ends = b"%4d: %s %s %02X" % (index, _end(holder.local, family), _end(holder.remote, family), holder.state)
    if isinstance(holder, TimeWait):
        left = max(0, holder.remaining) // 10_000_000
        return ends + b" 00000000:00000000 03:%08X 00000000     0        0 0 3 %s" % (left, _UNKNOWN)
    received = len(holder.backlogged) if holder.state is State.LISTEN else len(holder.incoming)
    line = ends + b" %08X:%08X 00:00000000 00000000 %5d        0 %d 1 %s" % (
        len(holder.outgoing), received, uid_for(t, holder.uid), holder.ino, _UNKNOWN,
    )  # fmt: skip
    return line + (b" 100 0 0 10 0" if holder.state is State.LISTEN else b" 20 4 30 10 -1")


def _tcp(t: Thread, target: Target, family: int) -> bytes:
    """Listeners come first, then connections, then what is left of those (tcp_seq_start)."""
    found = [each for each in _holders(_net(target).tcp, family) if isinstance(each, (TcpSocket, TimeWait))]
    shown = [each for each in found if each.state is State.LISTEN]
    shown += [each for each in found if each.state not in (State.LISTEN, State.CLOSE, State.TIME_WAIT)]
    shown += [each for each in found if each.state is State.TIME_WAIT]
    lines = [_HEAD4 if family == AF_INET else _HEAD6] + [_tcp_line(t, index, each, family) for index, each in enumerate(shown)]
    width = 149 if family == AF_INET else 0
    return b"".join(line.ljust(width) + b"\n" for line in lines)


# -- UDP --------------------------------------------------------------------------------------------------------------
def _udp(t: Thread, target: Target, family: int) -> bytes:
    head = b" " + _HEAD4 + b" ref pointer drops" if family == AF_INET else _HEAD6 + b" ref pointer drops"
    lines = [head]
    for each in _holders(_net(target).udp, family):
        if isinstance(each, UdpSocket):
            state = State.ESTABLISHED if each.connected else State.CLOSE
            lines.append(
                b"%5d: %s %s %02X 00000000:%08X 00:00000000 00000000 %5d        0 %d 2 %s %d"
                % (
                    each.local.port, _end(each.local, family), _end(each.remote, family), state, each.held,
                    uid_for(t, each.uid), each.ino, _UNKNOWN, each.drops,
                )
            )  # fmt: skip
    width = 127 if family == AF_INET else 0
    return b"".join(line.ljust(width) + b"\n" for line in lines)


# -- AF_UNIX ----------------------------------------------------------------------------------------------------------
def _unix(t: Thread, target: Target) -> bytes:
    lines = [b"Num       RefCount Protocol Flags    Type St Inode Path\n"]
    for each in _net(target).unix.sockets:
        assert isinstance(each, UnixSocket)
        state = SS_CONNECTED if each.peer is not None else SS_UNCONNECTED
        path = each.address[2:]
        name = b" " + (path.replace(b"\0", b"@") if path[0] == 0 else path.rstrip(b"\0")) if path else b""
        flags = SO_ACCEPTCON if each.listening else 0
        line = b"%s: %08X %08X %08X %04X %02X %5d" % (_UNKNOWN, 2 + bool(each.peer), 0, flags, each.kind, state, each.ino)
        lines.append(line + name + b"\n")
    return b"".join(lines)


# -- interfaces and routes --------------------------------------------------------------------------------------------
_DEV_HEAD = (
    b"Inter-|   Receive                                                |  Transmit\n"
    b" face |bytes    packets errs drop fifo frame compressed multicast"
    b"|bytes    packets errs drop fifo colls carrier compressed\n"
)


def _dev(t: Thread, target: Target) -> bytes:
    lo = _net(target).lo
    count, packets = lo.octets, lo.packets
    row = b"%6s: %7d %7d    0    0    0     0          0         0 %8d %7d    0    0    0     0       0          0\n"
    return _DEV_HEAD + row % (lo.name, count, packets, count, packets)


def _if_inet6(t: Thread, target: Target) -> bytes:
    lo = _net(target).lo
    addresses = [address for address in lo.addresses if len(address.packed) == 16]
    return b"".join(
        b"%s %02x %02x 10 80 %8s\n" % (address.packed.hex().encode(), lo.index, address.prefix, lo.name) for address in addresses
    )


def _route(t: Thread, target: Target) -> bytes:
    """Only the main table is shown, which is empty: nothing leads elsewhere."""
    head = b"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"
    return head.ljust(127) + b"\n"


def _ipv6_route(t: Thread, target: Target) -> bytes:
    lo = _net(target).lo
    none = bytes(16).hex().encode()
    row = b"%s %02x %s 00 %s %08x %08x 00000000 %08x %8s\n"
    unreachable = row % (none, 0, none, none, 0xFFFFFFFF, 1, 0x200200, lo.name)
    local = [
        row % (address.hex().encode(), prefix, none, none, 0, 2, 0x80200001, lo.name)
        for address, prefix, _, _ in local_routes(lo)
        if len(address) == 16
    ]
    return unreachable + b"".join(local) + unreachable if lo.up else b""


# -- the rest ---------------------------------------------------------------------------------------------------------
def _sockstat(t: Thread, target: Target) -> bytes:
    net = _net(target)
    tcp = [each for each in _holders(net.tcp, AF_INET) if isinstance(each, TcpSocket) and each.state is not State.CLOSE]
    allocated = sum(isinstance(each, TcpSocket) for each in net.tcp.all())
    waiting = sum(isinstance(each, TimeWait) for each in net.tcp.all())
    orphans = sum(each.orphan for each in tcp)
    udp = sum(1 for _ in _holders(net.udp, AF_INET))
    used = len(net.unix.sockets) + len(tcp) + udp
    return (
        b"sockets: used %d\nTCP: inuse %d orphan %d tw %d alloc %d mem 0\nUDP: inuse %d mem 0\nUDPLITE: inuse 0\n"
        b"RAW: inuse 0\nFRAG: inuse 0 memory 0\n" % (used, len(tcp), orphans, waiting, allocated, udp)
    )


def _snmp(t: Thread, target: Target) -> bytes:
    """The counters of the protocols, as far as this network counts: what is established now, and how many packets there were."""
    net = _net(target)
    established = sum(
        isinstance(each, TcpSocket) and each.state in (State.ESTABLISHED, State.CLOSE_WAIT) for each in net.tcp.all()
    )
    packets = net.lo.packets
    tcp = (1, 200, 120000, -1, 0, 0, 0, 0, established, packets, packets, 0, 0, 0, 0)
    names = (
        "RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs "
        "RetransSegs InErrs OutRsts InCsumErrors"
    )
    return f"Tcp: {names}\nTcp: {' '.join(map(str, tcp))}\n".encode()


def _sockstat6(t: Thread, target: Target) -> bytes:
    net = _net(target)
    tcp = sum(isinstance(each, TcpSocket) for each in _holders(net.tcp, AF_INET6))
    udp = sum(1 for _ in _holders(net.udp, AF_INET6))
    return b"TCP6: inuse %d\nUDP6: inuse %d\nUDPLITE6: inuse 0\nRAW6: inuse 0\nFRAG6: inuse 0 memory 0\n" % (tcp, udp)


def _netlink(t: Thread, target: Target) -> bytes:
    lines = [b"sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n"]
    for protocol, port in sorted(_net(target).netlink_ports | {(0, 0), (4, 0)}):
        lines.append(b"%s %-3d %-10d 00000000 0        0        0     2        0        %-8d\n" % (_UNKNOWN, protocol, port, 0))
    return b"".join(lines)


def _constant(name: bytes, text: bytes) -> Entry:
    return reg(name, 0o444, lambda t, target: text)


NET = Table(
    reg(b"dev", 0o444, _dev),
    reg(b"if_inet6", 0o444, _if_inet6),
    reg(b"tcp", 0o444, lambda t, target: _tcp(t, target, AF_INET)),
    reg(b"tcp6", 0o444, lambda t, target: _tcp(t, target, AF_INET6)),
    reg(b"udp", 0o444, lambda t, target: _udp(t, target, AF_INET)),
    reg(b"udp6", 0o444, lambda t, target: _udp(t, target, AF_INET6)),
    reg(b"unix", 0o444, _unix),
    reg(b"route", 0o444, _route),
    reg(b"ipv6_route", 0o444, _ipv6_route),
    reg(b"netlink", 0o444, _netlink),
    reg(b"snmp", 0o444, _snmp),
    reg(b"sockstat", 0o444, _sockstat),
    reg(b"sockstat6", 0o444, _sockstat6),
    _constant(b"arp", b"IP address       HW type     Flags       HW address            Mask     Device\n"),
    _constant(b"raw", _HEAD4 + b" ref pointer drops\n"),
    _constant(b"raw6", _HEAD6 + b" ref pointer drops\n"),
    _constant(b"udplite", (b" " + _HEAD4 + b" ref pointer drops").ljust(127) + b"\n"),
    _constant(b"udplite6", _HEAD6 + b" ref pointer drops\n"),
    _constant(b"packet", b"sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n"),
    _constant(b"psched", b"000003e8 00000040 000f4240 3b9aca00\n"),
    _constant(b"dev_mcast", b""),
)
"""The files of the directory."""


class NetDir(TableDir):
    """/proc/PID/net."""

    __slots__ = ()

    def __init__(self, fs: FileSystem, ino: int, entry: Entry, target: Target) -> None:
        super().__init__(fs, ino, entry, target, NET, _FIRST_SLOT)
