"""Who holds a port (inet_connection_sock.c, udp.c).

Two sockets may hold one port if no packet could mean both, or if both agree: by SO_REUSEADDR unless one is listening, by
SO_REUSEPORT if they are the same user's.  Ports that nobody asks for by number are given out in order, so that runs repeat:
odd ones to bind(2), even ones to connect(2), as on Linux.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple, Protocol

FIRST_EPHEMERAL, LAST_EPHEMERAL = 32768, 60999
"""net.ipv4.ip_local_port_range."""


class Endpoint(NamedTuple):
    """An address (4 or 16 bytes) and a port."""

    address: bytes
    port: int

    def __str__(self) -> str:
        if len(self.address) == 4:
            return f"{'.'.join(map(str, self.address))}:{self.port}"
        return f"[{self.address.hex(':', 2)}]:{self.port}"


class PortHolder(Protocol):
    """Who holds a port: a socket, or what is left of a connection (TIME_WAIT)."""

    local: Endpoint
    uid: int

    @property
    def v6only(self) -> bool:
        """Whether it is deaf to IPv4 though its address is ``::``."""

    @property
    def reuse(self) -> bool:
        """SO_REUSEADDR."""

    @property
    def reuse_port(self) -> bool:
        """SO_REUSEPORT."""

    @property
    def listening(self) -> bool:
        """Whether it accepts connections."""

    @property
    def expired(self) -> bool:
        """Whether it has let go of the port by now."""


def covers(one: bytes, one_v6only: bool, other: bytes) -> bool:
    """Whether a socket at ``one`` receives what is sent to ``other``."""
    return one == other or (not any(one) and (len(one) == len(other) or (len(one) == 16 and not one_v6only)))


def overlap(one: PortHolder, other: PortHolder) -> bool:
    """Whether two local addresses could be meant by the same packet (inet_rcv_saddr_equal)."""
    a, b = one.local.address, other.local.address
    return covers(a, one.v6only, b) or covers(b, other.v6only, a)


class PortTable:
    """The ports of one protocol in one namespace: port -> who holds it, in order of binding.

    ``stream``: a listener never shares its port by SO_REUSEADDR (TCP).
    """

    __slots__ = ("stream", "holders", "waiting", "listeners", "_next_bind", "_next_connect")

    def __init__(self, stream: bool) -> None:
        self.stream = stream
        self.holders: dict[int, dict[PortHolder, None]] = {}
        self.waiting: dict[int, deque[PortHolder]] = {}
        """What is left of connections, in the order in which they let go of the port."""
        self.listeners: dict[int, list[PortHolder]] = {}
        self._next_bind = FIRST_EPHEMERAL + 1
        self._next_connect = FIRST_EPHEMERAL

    def at(self, port: int) -> list[PortHolder]:
        """Return who holds a port now, in order of binding; what is left of connections comes last."""
        holders = self.holders.get(port, {})
        for gone in [holder for holder in holders if holder.expired]:
            self.remove(gone)
        waiting = self.waiting.get(port)
        if waiting is None:
            return list(holders)
        self._expire(port, waiting)
        return [*holders, *waiting]

    def _expire(self, port: int, waiting: deque[PortHolder]) -> None:
        while waiting and waiting[0].expired:
            waiting.popleft()
        if not waiting:
            del self.waiting[port]

    def all(self) -> Iterator[PortHolder]:
        """Return everybody, in order of ports."""
        for port in sorted(self.holders.keys() | self.waiting.keys()):
            yield from self.at(port)

    def conflict(self, holder: PortHolder, port: int) -> bool:
        """Whether ``holder`` may not have ``port`` beside those who have it (inet_csk_bind_conflict, udp_lib_lport_inuse)."""
        for other in self.at(port):
            if other is holder or not overlap(holder, other):
                continue
            if holder.reuse and other.reuse and not (self.stream and other.listening):
                continue
            if holder.reuse_port and other.reuse_port and holder.uid == other.uid:
                continue
            return True
        return False

    def add(self, holder: PortHolder, port: int) -> None:
        """Let ``holder`` have a port."""
        self.holders.setdefault(port, {})[holder] = None

    def linger(self, left: PortHolder) -> None:
        """Keep the port of a connection for what is left of it (TIME_WAIT)."""
        waiting = self.waiting.setdefault(left.local.port, deque())
        waiting.append(left)
        if waiting[0].expired:
            self._expire(left.local.port, waiting)

    def listen(self, holder: PortHolder) -> None:
        """``holder`` accepts connections from now on."""
        self.listeners.setdefault(holder.local.port, []).append(holder)

    def remove(self, holder: PortHolder) -> None:
        """Let go of a port (no effect without one)."""
        port = holder.local.port
        holders = self.holders.get(port)
        if holders is not None and holder in holders:
            del holders[holder]
            if not holders:
                del self.holders[port]
        listeners = self.listeners.get(port)
        if listeners is not None and holder in listeners:
            listeners.remove(holder)
            if not listeners:
                del self.listeners[port]

    def listener(self, to: Endpoint, source_port: int) -> PortHolder | None:
        """Return who accepts connections at ``to``: the exact address comes first, then any (__inet_lookup_listener).

        Those that share the port by SO_REUSEPORT take turns by the port of who connects.
        """
        best: list[PortHolder] = []
        best_score = 0
        address = to.address
        for holder in self.listeners.get(to.port, ()):
            mine = holder.local.address
            if not covers(mine, holder.v6only, address):
                continue
            score = 1 + 4 * (mine == address) + 2 * (len(mine) == len(address))
            if score > best_score or not holder.reuse_port:
                best = []
            if score >= best_score:
                best_score = score
                best.append(holder)
        return best[source_port // 2 % len(best)] if best else None

    def pick(self, holder: PortHolder, connecting: bool) -> int:
        """Return a port nobody else uses.  0 if there is none."""
        start = self._next_connect if connecting else self._next_bind
        span = LAST_EPHEMERAL - FIRST_EPHEMERAL + 1
        for parity in (0, 1):
            for step in range(0, span, 2):
                port = FIRST_EPHEMERAL + (start - FIRST_EPHEMERAL + step + parity) % span
                if not any(overlap(holder, other) for other in self.at(port)):
                    following = FIRST_EPHEMERAL + (port + 2 - FIRST_EPHEMERAL) % span
                    if connecting:
                        self._next_connect = following
                    else:
                        self._next_bind = following
                    return port
        return 0
