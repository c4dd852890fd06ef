"""The states of a TCP connection, and what is left of one when both ends have closed it (RFC 9293, net/tcp_states.h)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, Final

from kernel.errno import Errno

if TYPE_CHECKING:
    from kernel.net.tcp import TcpSocket

SECOND: Final = 1_000_000_000
TIME_WAIT_NS: Final = 60 * SECOND
"""TCP_TIMEWAIT_LEN, and the time an orphan waits for its peer's FIN (net.ipv4.tcp_fin_timeout)."""
LINEAR_TIMEOUTS: Final = 4
"""net.ipv4.tcp_syn_linear_timeouts: so many SYNs are repeated each second, before the time doubles."""
SOMAXCONN: Final = 4096
FIRST_SEND_BUFFER, FIRST_RECEIVE_BUFFER = 16384, 131072
"""net.ipv4.tcp_wmem and tcp_rmem, in bytes."""
CONNECTED_SEND_BUFFER = 2626560
"""SO_SNDBUF once the size of a segment is known (tcp_sndbuf_expand), in bytes."""


class State(IntEnum):
    """The states of RFC 9293 with Linux' numbers (net/tcp_states.h)."""

    ESTABLISHED = 1
    SYN_SENT = 2
    SYN_RECV = 3
    FIN_WAIT1 = 4
    FIN_WAIT2 = 5
    TIME_WAIT = 6
    CLOSE = 7
    CLOSE_WAIT = 8
    LAST_ACK = 9
    LISTEN = 10
    CLOSING = 11


class Phase(Enum):
    """How far connect(2) has come (``socket->state``)."""

    UNCONNECTED = 1
    CONNECTING = 2
    CONNECTED = 3


ON_FIN: Final[Mapping[State, State]] = {
    State.ESTABLISHED: State.CLOSE_WAIT,
    State.FIN_WAIT1: State.CLOSING,
    State.FIN_WAIT2: State.TIME_WAIT,
}
"""What the peer's FIN does."""
ON_ACK_OF_FIN: Final[Mapping[State, State]] = {
    State.FIN_WAIT1: State.FIN_WAIT2,
    State.CLOSING: State.TIME_WAIT,
    State.LAST_ACK: State.CLOSE,
}
"""What the acknowledgement of one's own FIN does."""
ON_CLOSE: Final[Mapping[State, State]] = {State.ESTABLISHED: State.FIN_WAIT1, State.CLOSE_WAIT: State.LAST_ACK}
SENDING: Final = frozenset((State.ESTABLISHED, State.CLOSE_WAIT))
RESET_ERROR: Final = {State.SYN_SENT: Errno.ECONNREFUSED, State.CLOSE_WAIT: Errno.EPIPE}
NEEDS_RESET: Final = frozenset((State.ESTABLISHED, State.CLOSE_WAIT, State.FIN_WAIT1, State.FIN_WAIT2))


class TimeWait:
    """What is left of a connection for a minute: it holds the port (inet_timewait_sock)."""

    __slots__ = ("local", "remote", "family", "uid", "v6only", "reuse", "reuse_port", "listening", "deadline", "_clock")

    state = State.TIME_WAIT

    def __init__(self, sock: TcpSocket) -> None:
        self.local = sock.local
        self.remote = sock.remote
        self.family = sock.family
        self.uid = sock.uid
        self.v6only = sock.v6only
        self.reuse = sock.reuse
        self.reuse_port = sock.reuse_port
        self.listening = False
        clock = sock.kernel.clock
        self.deadline = clock.monotonic() + TIME_WAIT_NS
        self._clock = clock

    @property
    def remaining(self) -> int:
        """ns of the minute that are left."""
        return self.deadline - self._clock.monotonic()

    @property
    def expired(self) -> bool:
        """Whether the minute is over."""
        return self._clock.monotonic() >= self.deadline
