"""TCP over the loopback (tcp(7), net/ipv4/tcp.c, tcp_input.c, inet_connection_sock.c).

Nothing is lost, late or out of order between two sockets of one machine, so there are no segments: sending is a call of the
receiver's ``_rcv_*``, which does what tcp_input.c does on the segment, and its acknowledgement is that the call has
returned.  What programs can see is kept: the states and what each of them answers, a window (a receiver that does not read
stops the sender, whose bytes wait in ``outgoing``), a queue of connections to be accepted, half-closed connections, resets and
their errors, connections that outlive their descriptors, and the port that stays taken in TIME_WAIT.

A non-blocking connect has always to be asked for its result, though the answer has come by then: Linux looks at it only after
the call as well.  A SYN is dropped when the listener's queue is full, and sent again after a second; that is the only timer.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING, ClassVar, Final

from kernel.errno import Errno
from kernel.fs.fasync import POLL_ERR, POLL_HUP, POLL_IN, POLL_OUT, POLL_PRI, kill_fasync, send_sigurg
from kernel.fs.file import (
    O_NONBLOCK,
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    POLLPRI,
    POLLRDHUP,
    POLLRDNORM,
    POLLWRNORM,
)
from kernel.fs.pipe import FIONREAD
from kernel.net.inet import InetSocket, is_multicast
from kernel.net.inet_options import IP_TOS, IPPROTO_IP, IPPROTO_TCP
from kernel.net.options import SO_OOBINLINE, Option
from kernel.net.ports import Endpoint
from kernel.net.socket import (
    MSG_DONTWAIT,
    MSG_NOSIGNAL,
    MSG_OOB,
    MSG_PEEK,
    MSG_TRUNC,
    NO_ANCILLARY,
    RCV_SHUTDOWN,
    SEND_SHUTDOWN,
    SOCK_STREAM,
    Ancillary,
    Getters,
    Options,
    Received,
    Setters,
    Socket,
)
from kernel.net.tcp_options import TCP_GETTERS, TCP_OPTIONS, TCP_SETTERS, TCP_SYNCNT
from kernel.net.tcp_states import (
    CONNECTED_SEND_BUFFER,
    FIRST_RECEIVE_BUFFER,
    FIRST_SEND_BUFFER,
    LINEAR_TIMEOUTS,
    NEEDS_RESET,
    ON_ACK_OF_FIN,
    ON_CLOSE,
    ON_FIN,
    RESET_ERROR,
    SECOND,
    SENDING,
    SOMAXCONN,
    TIME_WAIT_NS,
    Phase,
    State,
    TimeWait,
)
from kernel.signal import SIGPIPE, SIGURG
from kernel.signal_send import send_sig_self
from kernel.waitqueue import Block, Blocking, Wakeup

if TYPE_CHECKING:
    from kernel.task import Thread
    from kernel.timers import Timer

SHUTDOWN_MASK: Final = RCV_SHUTDOWN | SEND_SHUTDOWN
SIOCATMARK, SIOCOUTQ, SIOCOUTQNSD = 0x8905, 0x5411, 0x894B

_READABLE = POLLIN | POLLRDNORM
_WRITABLE = POLLOUT | POLLWRNORM


class TcpSocket(InetSocket):
    """A TCP socket; ``peer`` is the other end of its connection, None without one.

    ``incoming``: bytes received and not yet read; ``outgoing``: bytes sent for which the peer has no room yet, after which
    its FIN follows if ``fin_queued``.  ``backlogged``: connections to be accepted, at most ``backlog`` + 1.  ``orphan``: no
    descriptor refers to it any more.  ``done``: the peer's FIN has come.  ``urgent``: where in ``incoming`` the urgent mark
    is, -1 without one; ``urgent_byte``: what MSG_OOB reads, None once read.
    """

    __slots__ = (
        "state", "phase", "peer", "incoming", "outgoing", "fin_queued", "backlogged", "backlog", "orphan", "done", "urgent",
        "urgent_byte", "sent_total", "received_total", "_retry", "_retries", "_orphaned_at",
    )  # fmt: skip

    READ_WCHAN = "sk_wait_data"
    WRITE_WCHAN = "sk_stream_wait_memory"
    ACCEPT_WCHAN = "inet_csk_accept"
    OPTIONS: ClassVar[Options] = {**InetSocket.OPTIONS, **TCP_OPTIONS, (IPPROTO_IP, IP_TOS): Option(mask=0xFC)}
    GETTERS: ClassVar[Getters] = {**InetSocket.GETTERS, **TCP_GETTERS}
    SETTERS: ClassVar[Setters] = {**InetSocket.SETTERS, **TCP_SETTERS}

    def __init__(self, t: Thread, family: int, flags: int) -> None:
        super().__init__(t, family, SOCK_STREAM, IPPROTO_TCP, flags, t.nsproxy.net.tcp)
        self.send_buffer, self.receive_buffer = FIRST_SEND_BUFFER, FIRST_RECEIVE_BUFFER
        self._begin()

    def _begin(self) -> None:
        self.state = State.CLOSE
        self.phase = Phase.UNCONNECTED
        self.peer: TcpSocket | None = None
        self.incoming = bytearray()
        self.outgoing = bytearray()
        self.backlogged: deque[TcpSocket] = deque()
        self.fin_queued = self.orphan = self.done = False
        self.backlog = self.sent_total = self.received_total = self._retries = self._orphaned_at = 0
        self.urgent = -1
        self.urgent_byte: bytes | None = None
        self._retry: Timer | None = None

    @property
    def expired(self) -> bool:
        """An orphan whose peer does not close is given up after a minute."""
        return (
            self.orphan
            and self.state is State.FIN_WAIT2
            and self.kernel.clock.monotonic() >= self._orphaned_at + TIME_WAIT_NS
        )

    # -- listening ------------------------------------------------------------------------------------------------
    def listen(self, t: Thread, backlog: int) -> None:
        """inet_listen: EINVAL unless unconnected, EADDRINUSE if somebody else listens on the port."""
        if self.phase is not Phase.UNCONNECTED or self.state not in (State.CLOSE, State.LISTEN):
            raise Errno.EINVAL
        if self.state is State.CLOSE:
            self.listening = True
            try:
                self.autobind(False)
                if self.ports.conflict(self, self.local.port):
                    raise Errno.EADDRINUSE
            except Errno:
                self.listening = False
                raise
            self.state = State.LISTEN
            self.ports.listen(self)
        self.backlog = min(backlog & 0xFFFFFFFF, SOMAXCONN)
        self.wait.wake_all()

    def accept(self, t: Thread, flags: int) -> tuple[Socket, bytes]:
        if self.state is not State.LISTEN:
            raise Errno.EINVAL
        if not self.backlogged:
            raise Errno.EAGAIN
        child = self.backlogged.popleft()
        child.ino = t.kernel.next_ino()
        child.flags |= flags
        return child, child.pack(child.remote)

    def _stop_listening(self) -> None:
        self.state = State.CLOSE
        self.listening = False
        while self.backlogged:
            child = self.backlogged.popleft()
            child.orphan = True
            child._reset()
        self._give_up_port()

    def _rcv_syn(self, client: TcpSocket) -> None:
        """A connection arrives: dropped if the queue is full, else there at once, as its other end (tcp_conn_request)."""
        if len(self.backlogged) > self.backlog:
            return
        child = self.child()
        child._begin()
        child.local, child.remote = client.remote, client.local
        child.listening = False
        child.port_bound = True
        child._establish(client)
        child.phase = Phase.CONNECTED
        self.ports.add(child, child.local.port)
        client._establish(child)
        self.backlogged.append(child)
        self.data_ready(_READABLE)
        if self.shut & SEND_SHUTDOWN:  # shut down before it listened: so are its children
            child.shut = self.shut
            child._send_fin()

    def _establish(self, peer: TcpSocket) -> None:
        self.peer = peer
        self.state = State.ESTABLISHED
        self._stop_retrying()
        if self.send_buffer == FIRST_SEND_BUFFER:
            self.send_buffer = CONNECTED_SEND_BUFFER
        self.changed(POLL_OUT)

    # -- connecting -----------------------------------------------------------------------------------------------
    def connect_to(self, t: Thread, address: bytes) -> int | Blocking[int]:
        """__inet_stream_connect; EINPROGRESS the first time if it may not block, EALREADY while there is no answer."""
        if self.phase is Phase.CONNECTED:
            raise Errno.EISCONN
        pending: type[Errno] = Errno.EALREADY
        if self.phase is Phase.UNCONNECTED:
            if self.state is not State.CLOSE:
                raise Errno.EISCONN
            self._start(address)
            if self.flags & O_NONBLOCK:
                raise Errno.EINPROGRESS
            pending = Errno.EINPROGRESS
        if self.state is State.SYN_SENT:
            if self.flags & O_NONBLOCK:
                raise pending
            return self._wait_for_connect(t, pending)
        return self._connected()

    def _start(self, address: bytes) -> None:
        remote = self.parse(address)
        net = self.net
        if is_multicast(remote.address) or net.is_broadcast(remote.address):
            raise Errno.ENETUNREACH
        source = self.source_for(remote.address)
        if self.bound:
            mine = Endpoint(source, self.local.port)
            for other in self.ports.at(mine.port):
                if other is not self and other.local == mine and getattr(other, "remote", None) == remote:
                    raise Errno.EADDRNOTAVAIL
        before, self.local = self.local, Endpoint(source, self.local.port)
        try:
            self.autobind(True)
        except Errno:
            self.local = before
            raise
        self.remote = remote
        self.state = State.SYN_SENT
        self.phase = Phase.CONNECTING
        self.shut = self._retries = 0
        self.done = False
        self._send_syn()

    def _send_syn(self) -> None:
        """Send a SYN; what is dropped is sent again (tcp_retransmit_timer)."""
        self._retry = None
        listener = self.ports.listener(self.remote, self.local.port)
        if isinstance(listener, TcpSocket):
            listener._rcv_syn(self)
        elif self.local == self.remote:
            self._establish(self)  # a SYN that meets its sender opens the connection from both ends
        else:
            self._rcv_rst()
        if self.state is not State.SYN_SENT:
            return
        linear, retries = LINEAR_TIMEOUTS, self._retries
        if retries >= linear + self.option(TCP_SYNCNT, IPPROTO_TCP):
            self.error = Errno.ETIMEDOUT
            self._finish()
            return
        self._retries += 1
        kernel = self.kernel
        self._retry = kernel.timers.add(kernel.clock.monotonic() + (SECOND << max(0, retries - linear)), self._send_syn)

    def _stop_retrying(self) -> None:
        if self._retry is not None:
            self.kernel.timers.cancel(self._retry)
            self._retry = None

    def _wait_for_connect(self, t: Thread, pending: type[Errno]) -> Blocking[int]:
        deadline = None if self.send_timeout is None else t.kernel.clock.monotonic() + self.send_timeout
        while self.unanswered():
            reason = yield Block("inet_wait_for_connect", self.wait, deadline=deadline, who=lambda t: self.wakers(t, False))
            if not self.unanswered():
                break
            if reason is Wakeup.SIGNAL:
                raise Errno.ERESTARTSYS if deadline is None else Errno.EINTR
            if reason is Wakeup.TIMEOUT:
                raise pending
        return self._connected()

    def unanswered(self) -> bool:
        """Whether its SYN has had no answer yet."""
        return self.state is State.SYN_SENT

    def _connected(self) -> int:
        """The answer to a SYN is there: say which."""
        if self.state is State.CLOSE:
            error, self.error = self.error, None
            self.disconnect()
            raise error if error is not None else Errno.ECONNABORTED
        self.phase = Phase.CONNECTED
        return 0

    def disconnect(self) -> None:
        """Forget the connection; the socket is as new, but for its options and where it was bound (tcp_disconnect)."""
        state = self.state
        if state is State.LISTEN:
            self._stop_listening()
        elif state in NEEDS_RESET:
            self._reset()
            self.error = Errno.ECONNRESET
        elif state is State.SYN_SENT:
            self._finish()
            self.error = Errno.ECONNRESET
        if not self.address_bound:
            self.local = Endpoint(self.any_address, self.local.port)
        self.remote = Endpoint(self.any_address, 0)
        self.incoming.clear()
        self.urgent, self.urgent_byte = -1, None
        self.shut = 0
        self.done = False
        self.phase = Phase.UNCONNECTED
        self.wait.wake_all()

    def name(self, peer: bool) -> bytes:
        if peer and self.state in (State.CLOSE, State.SYN_SENT):
            raise Errno.ENOTCONN
        return super().name(peer)

    def may_bind(self) -> None:
        """EINVAL if it has a port already or is not closed."""
        if self.state is not State.CLOSE or self.bound:
            raise Errno.EINVAL

    # -- ending ---------------------------------------------------------------------------------------------------
    def _finish(self) -> None:
        """The connection is over (tcp_done): nothing goes out or comes in, what was received can still be read."""
        self.state = State.CLOSE
        self.shut = SHUTDOWN_MASK
        self.outgoing.clear()
        self.fin_queued = False
        self.peer = None
        self._stop_retrying()
        if self.orphan or not self.port_bound:
            self._give_up_port()
        self.wait.wake_all()

    def _give_up_port(self) -> None:
        if self.bound:
            self.ports.remove(self)
            self.bound = False

    def _reset(self) -> None:
        """Send a RST and be done with it."""
        peer = self.peer
        self._finish()
        if peer is not None and peer is not self:
            peer._rcv_rst()

    def _rcv_rst(self) -> None:
        """tcp_reset: the error depends on the state."""
        if self.state is State.CLOSE:
            return
        self.error = RESET_ERROR.get(self.state, Errno.ECONNRESET)
        self._finish()
        self.changed(POLL_ERR)

    def _send_fin(self) -> None:
        following = ON_CLOSE.get(self.state)
        if following is not None:
            self.state = following
            self.fin_queued = True
            self._push()

    def _rcv_fin(self) -> None:
        """tcp_fin: nothing more will come."""
        self.shut |= RCV_SHUTDOWN
        self.done = True
        self.state = ON_FIN.get(self.state, self.state)
        if self.state is State.TIME_WAIT:
            self._time_wait()
        self.data_ready(reason=POLL_HUP if self.shut == SHUTDOWN_MASK or self.state is State.CLOSE else POLL_IN)
        self.data_ready()

    def _time_wait(self) -> None:
        left = TimeWait(self)
        self._finish()
        self.ports.linger(left)

    def shutdown(self, t: Thread, how: int) -> None:
        """inet_shutdown: ENOTCONN if closed, though it is noted; a listener stops listening."""
        bits = how + 1
        state = self.state
        if state in (State.LISTEN, State.SYN_SENT):
            if bits & RCV_SHUTDOWN or state is State.SYN_SENT:
                self.disconnect()
            return
        self.shut |= bits
        if state is not State.CLOSE and bits & SEND_SHUTDOWN:
            self._send_fin()
        self.wait.wake_all()
        if state is State.CLOSE:
            raise Errno.ENOTCONN

    def release(self) -> None:
        """tcp_close: a reset if something was left unread or SO_LINGER says so, else a FIN behind what is still to go out."""
        self.orphan = True
        self._orphaned_at = self.kernel.clock.monotonic()
        state = self.state
        self.shut = SHUTDOWN_MASK
        if state is State.LISTEN:
            self._stop_listening()
        elif state is State.SYN_SENT:
            self._finish()
        elif state is State.CLOSE:
            self._give_up_port()
        elif self.incoming or self.linger == (1, 0):
            self._reset()
        else:
            self._send_fin()

    # -- data -----------------------------------------------------------------------------------------------------
    def send(self, t: Thread, data: bytes, flags: int, address: bytes | None, ancillary: Ancillary) -> int:
        """tcp_sendmsg; an address is ignored."""
        if self.state not in SENDING or self.error is not None or self.shut & SEND_SHUTDOWN:
            if self.state is State.SYN_SENT and self.error is None:
                raise Errno.EAGAIN
            self.take_error_or_pipe(t, flags)
        room = self.send_buffer - len(self.outgoing)
        if room <= 0:
            self.no_space = True
            raise Errno.EAGAIN
        taken = data if len(data) <= room else data[:room]
        self.outgoing += taken
        self.sent_total += len(taken)
        self._push(bool(flags & MSG_OOB and taken))
        return len(taken)

    def take_error_or_pipe(self, t: Thread, flags: int) -> None:
        """Raise the pending error, or EPIPE with SIGPIPE (sk_stream_error)."""
        error, self.error = self.error, None
        if error is None or error is Errno.EPIPE:
            if not flags & MSG_NOSIGNAL:
                send_sig_self(t, SIGPIPE)
            raise Errno.EPIPE
        raise error

    def _push(self, urgent: bool = False) -> None:
        """Hand over what the peer has room for, then the FIN.  The last byte of what is ``urgent`` carries the mark."""
        peer = self.peer
        if peer is None:
            return
        outgoing = self.outgoing
        if outgoing:
            if peer.shut == SHUTDOWN_MASK and peer.state in (State.FIN_WAIT1, State.FIN_WAIT2):
                # Nobody will ever read it (tcp_rcv_state_process): both ends are reset.
                if not peer.orphan:
                    peer.error = Errno.ECONNRESET
                peer._finish()
                self._rcv_rst()
                return
            room = len(outgoing) if urgent else peer.receive_buffer - len(peer.incoming)
            if room > 0:
                peer._rcv_data(outgoing[:room], urgent)
                del outgoing[:room]
                if len(outgoing) * 3 <= self.send_buffer * 2:
                    self.write_space(_WRITABLE)
        if self.fin_queued and not outgoing:
            self.fin_queued = False
            peer._rcv_fin()
            self.state = ON_ACK_OF_FIN.get(self.state, self.state)
            if self.state is State.TIME_WAIT:
                self._time_wait()
            elif self.state is State.CLOSE:
                self._finish()

    def _rcv_data(self, data: bytearray, urgent: bool) -> None:
        self.incoming += data
        self.received_total += len(data)
        lo = self.net.lo
        lo.packets += 1
        lo.octets += len(data)
        if urgent:
            self.urgent = len(self.incoming) - 1
            self.urgent_byte = bytes(data[-1:])
            if send_sigurg(self):
                kill_fasync(self.async_listeners, POLL_PRI, SIGURG)
            self.data_ready(_READABLE | POLLPRI)
        self.data_ready(_READABLE)

    def receive(self, t: Thread, size: int, flags: int) -> Received:
        """tcp_recvmsg: data first, then the end of the stream, then the error."""
        if self.state is State.LISTEN:
            raise Errno.ENOTCONN
        if flags & MSG_OOB:
            return self._receive_urgent(size, flags)
        incoming = self.incoming
        if self.urgent == 0 and not self.option(SO_OOBINLINE) and incoming:
            # At the mark, what was sent out of band is not in the stream.
            del incoming[0]
            self.urgent = -1
        if not incoming:
            if not self.done:
                self.take_error()
            if self.done or self.shut & RCV_SHUTDOWN:
                return Received(b"", b"", NO_ANCILLARY, 0, 0)
            if self.state is State.CLOSE:
                raise Errno.ENOTCONN
            raise Errno.EAGAIN
        count = min(size, len(incoming))
        if count < self.receive_low and count < size and self._more_to_come(flags):
            raise Errno.EAGAIN
        if self.urgent > 0:
            count = min(count, self.urgent)  # a read never crosses the mark
        data = bytes(incoming[:count])
        if not flags & MSG_PEEK:
            del incoming[:count]
            if self.urgent >= 0:
                self.urgent = self.urgent - count if self.urgent >= count else -1
            peer = self.peer
            if peer is not None and peer.outgoing:
                peer._push()
        return Received(b"" if flags & MSG_TRUNC else data, b"", NO_ANCILLARY, 0, count)

    def _more_to_come(self, flags: int) -> bool:
        """Whether a receiver may wait for more than there is."""
        if flags & MSG_DONTWAIT or self.flags & O_NONBLOCK or self.urgent >= 0:
            return False
        return self.state is not State.CLOSE and not self.shut & RCV_SHUTDOWN and self.error is None

    def _receive_urgent(self, size: int, flags: int) -> Received:
        """tcp_recv_urg: the byte at the mark, once."""
        if self.option(SO_OOBINLINE) or self.urgent_byte is None:
            raise Errno.EINVAL
        if self.state is State.CLOSE and not self.done:
            raise Errno.ENOTCONN
        data = self.urgent_byte
        if not flags & MSG_PEEK:
            self.urgent_byte = None
        return Received(data[:size], b"", NO_ANCILLARY, MSG_OOB | (0 if size else MSG_TRUNC), len(data[:size]))

    # -- readiness ------------------------------------------------------------------------------------------------
    def poll(self, t: Thread) -> int:
        """tcp_poll."""
        state, shut = self.state, self.shut
        if state is State.LISTEN:
            return _READABLE if self.backlogged else 0
        mask = POLLHUP if shut == SHUTDOWN_MASK or state is State.CLOSE else 0
        if shut & RCV_SHUTDOWN:
            mask |= _READABLE | POLLRDHUP
        if state is not State.SYN_SENT:
            target = min(self.receive_low, self.receive_buffer)
            if self.urgent == 0 and not self.option(SO_OOBINLINE):
                target += 1
            if len(self.incoming) >= target:
                mask |= _READABLE
            if shut & SEND_SHUTDOWN or len(self.outgoing) * 3 <= self.send_buffer * 2:
                mask |= _WRITABLE
            if self.urgent_byte is not None:
                mask |= POLLPRI
        if self.error is not None:
            mask |= POLLERR
        return mask

    def wakers(self, t: Thread, reading: bool) -> str:
        """Name who holds the other end, or where a connection is waited for."""
        if self.state is State.LISTEN:
            return f"a connection to {self.local}"
        if self.state is State.SYN_SENT:
            return f"a listener at {self.remote} that accepts"
        return super().wakers(t, reading)

    def other_end(self) -> Socket | None:
        return self.peer

    def ioctl(self, t: Thread, command: int, argument: int) -> int:
        """SIOCINQ, SIOCATMARK, SIOCOUTQ, SIOCOUTQNSD (tcp_ioctl)."""
        if command == FIONREAD:
            if self.state is State.LISTEN:
                raise Errno.EINVAL
            value = self.urgent if self.urgent >= 0 and not self.option(SO_OOBINLINE) else len(self.incoming)
        elif command == SIOCATMARK:
            value = int(self.urgent == 0)
        elif command in (SIOCOUTQ, SIOCOUTQNSD):
            if self.state is State.LISTEN:
                raise Errno.EINVAL
            value = len(self.outgoing)
        else:
            return super().ioctl(t, command, argument)
        t.mm.write(argument, struct.pack("<i", value))  # type: ignore[union-attr]
        return 0
