"""AF_UNIX sockets: stream, datagram and seqpacket (unix(7), net/unix/af_unix.c).

Data goes straight into the receiver's queue as messages; a stream reads across messages but not past one that carries
files.  The sender is limited by what of its own is not yet received (SO_SNDBUF), a datagram socket also by the length
of the receiver's queue.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING, ClassVar

from kernel.errno import Errno
from kernel.fs.dirops import mknod
from kernel.fs.fasync import POLL_HUP, POLL_IN
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
from kernel.fs.inode import MAY_WRITE, S_IFMT, S_IFSOCK, Inode
from kernel.fs.path import AT_FDCWD, lookup
from kernel.fs.pipe import FIONREAD
from kernel.net.options import (
    FLAG,
    SO_PASSCRED,
    SO_PASSSEC,
    SOCKET_OPTIONS,
    SOL_SOCKET,
)
from kernel.net.socket import (
    AF_UNIX,
    AF_UNSPEC,
    MSG_NOSIGNAL,
    MSG_OOB,
    MSG_PEEK,
    MSG_TRUNC,
    NO_ANCILLARY,
    RCV_SHUTDOWN,
    SEND_SHUTDOWN,
    SOCK_DGRAM,
    SOCK_STREAM,
    Ancillary,
    Options,
    PeerCred,
    Received,
    Socket,
    discard,
)
from kernel.signal import SIGPIPE
from kernel.signal_send import send_sig_self

if TYPE_CHECKING:
    from kernel.task import Thread
    from kernel.waitqueue import Blocking, WaitQueue

FAMILY = struct.pack("<H", AF_UNIX)
SUN_PATH_MAX = 108
MAX_DGRAM_QLEN = 10
"""net.unix.max_dgram_qlen: datagrams that wait at most, plus one."""
SOMAXCONN = 4096
SIOCINQ, SIOCOUTQ = FIONREAD, 0x5411
PAGE = 4096
_SHARED_INFO, _SK_BUFF = 320, 256
_MAX_ALLOC = 4 * PAGE - _SHARED_INFO
"""Most bytes of a message in one piece of memory (SKB_MAX_ALLOC); the rest lies in pages."""
STREAM_CHUNK = PAGE - _SHARED_INFO + 8 * PAGE
"""Most bytes of a stream in one message."""

_READABLE = POLLIN | POLLRDNORM
_WRITABLE = POLLOUT | POLLWRNORM | POLLWRBAND


def true_size(size: int, stream: bool) -> int:
    """Return what a message of ``size`` bytes is charged against SO_SNDBUF: whole pages and kmalloc sizes.

    It can be seen from outside: 278 messages of one byte fill a socket (sock_alloc_send_pskb, alloc_skb_with_frags).
    """
    paged = max(0, size - (PAGE - _SHARED_INFO if stream else _MAX_ALLOC))
    paged = (paged + PAGE - 1) // PAGE * PAGE
    head = max(0, size - paged) + _SHARED_INFO
    return max(512, 1 << (head - 1).bit_length()) + paged + _SK_BUFF


class Message:
    """One message in a receiver's queue; ``offset``: bytes of a stream that were read already; ``charge``: its true size."""

    __slots__ = ("data", "offset", "address", "ancillary", "sender", "charge")

    def __init__(self, data: bytes, address: bytes, ancillary: Ancillary, sender: UnixSocket, charge: int) -> None:
        self.charge = charge
        self.data = data
        self.offset = 0
        self.address = address
        self.ancillary = ancillary
        self.sender = sender


class UnixSocket(Socket):
    """``peer``: the socket at the other end, or a datagram's default destination; None if not connected.

    ``connections``: established sockets that wait for accept.  ``in_flight``: bytes sent and not yet received.
    """

    __slots__ = (
        "peer", "messages", "address", "inode_bound", "connections", "backlog", "in_flight", "cred", "other_cred", "closed",
        "was_connected", "inodes", "blocked_on",
    )  # fmt: skip

    def __init__(self, t: Thread, kind: int, flags: int) -> None:
        super().__init__(t.nsproxy.net, t.kernel.next_ino(), AF_UNIX, kind, 0, flags)
        self.peer: UnixSocket | None = None
        self.messages: deque[Message] = deque()
        self.address = FAMILY
        self.inode_bound: Inode | None = None
        self.connections: deque[UnixSocket] = deque()
        self.backlog = 0
        self.in_flight = 0
        self.cred = PeerCred(t.process.tgid_pid, t.cred.euid, t.cred.egid)
        self.other_cred: PeerCred | None = None
        self.closed = self.was_connected = False
        self.inodes = t.kernel.unix_inodes
        self.net.unix.sockets[self] = None
        self.blocked_on: WaitQueue | None = None
        """The queue of another socket that was too full for the last attempt."""

    # -- names ----------------------------------------------------------------------------------------------------
    def bind(self, t: Thread, address: bytes) -> None:
        """A path makes a socket inode; a leading NUL an abstract name; nothing but the family a name of the kernel's choice."""
        path = _sun_path(address)
        names = self.net.unix
        if path == b"" and len(self.address) > 2:
            return
        if path[:1] != b"\0" and path and self._exists(t, path.split(b"\0", 1)[0]):
            # Found out before the socket is looked at (unix_bind_bsd).
            raise Errno.EADDRINUSE
        if len(self.address) > 2:
            raise Errno.EINVAL
        if path == b"":
            path = b"\0" + names.auto_name()
        if path[0] == 0:
            if path[1:] in names.bound:
                raise Errno.EADDRINUSE
            names.bound[path[1:]] = self
            self.address = FAMILY + path
            return
        path = path.split(b"\0", 1)[0]
        try:
            mknod(t, AT_FDCWD, path, S_IFSOCK | 0o777, 0)
        except Errno.EEXIST:
            raise Errno.EADDRINUSE from None
        inode = lookup(t, AT_FDCWD, path, follow=False).dentry.inode
        self.inodes[inode] = self
        self.inode_bound = inode
        self.address = FAMILY + path + b"\0"

    @staticmethod
    def _exists(t: Thread, path: bytes) -> bool:
        try:
            lookup(t, AT_FDCWD, path, follow=False)
        except Errno.ENOENT:
            return False
        return True

    def _find(self, t: Thread, address: bytes) -> UnixSocket:
        """Return the socket of a name (unix_find_other).  ECONNREFUSED, EPROTOTYPE, errors of the path walk."""
        path = _sun_path(address)
        if path == b"":
            raise Errno.EINVAL
        names = self.net.unix
        if path[0] == 0:
            found = names.bound.get(path[1:])
        else:
            inode = lookup(t, AT_FDCWD, path.split(b"\0", 1)[0]).dentry.inode
            inode.permission(t, MAY_WRITE)
            if inode.mode & S_IFMT != S_IFSOCK:
                raise Errno.ECONNREFUSED
            found = self.inodes.get(inode)
        if found is None:
            raise Errno.ECONNREFUSED
        if found.kind != self.kind:
            raise Errno.EPROTOTYPE
        return found

    def name(self, peer: bool) -> bytes:
        if not peer:
            return self.address
        if self.peer is None:
            raise Errno.ENOTCONN
        return self.peer.address

    # -- connections ----------------------------------------------------------------------------------------------
    def pair_with(self, other: Socket) -> None:
        assert isinstance(other, UnixSocket)
        self.peer, other.peer = other, self
        self.other_cred, other.other_cred = other.cred, self.cred
        self.was_connected = other.was_connected = True

    def listen(self, t: Thread, backlog: int) -> None:
        if self.kind == SOCK_DGRAM:
            raise Errno.EOPNOTSUPP
        if len(self.address) == 2 or self.peer is not None:
            raise Errno.EINVAL
        self.listening = True
        self.backlog = min(backlog & 0xFFFFFFFF, SOMAXCONN)
        self.cred = PeerCred(t.process.tgid_pid, t.cred.euid, t.cred.egid)
        self.wait.wake_all()

    def connect(self, t: Thread, address: bytes) -> int | Blocking[int]:
        try:
            self._connect(t, address)
        except Errno.EAGAIN:
            if self.flags & O_NONBLOCK:
                raise
            return self._wait_for_peer(t, address)
        return 0

    def _wait_for_peer(self, t: Thread, address: bytes) -> Blocking[int]:
        yield from self.sleep(t, "unix_wait_for_peer", lambda: self._connect(t, address), self.send_timeout)
        return 0

    def _connect(self, t: Thread, address: bytes) -> None:
        """Connect now.  EAGAIN while the listener's queue is full."""
        if self.kind == SOCK_DGRAM:
            if address[:2] == struct.pack("<H", AF_UNSPEC):
                self.peer = None
                return
            self.peer = self._find(t, address)
            self.wait.wake_all()
            return
        # The state of this socket is looked at last (unix_stream_connect).
        listener = self._find(t, address)
        if not listener.listening or listener.shut & RCV_SHUTDOWN:
            raise Errno.ECONNREFUSED
        if len(listener.connections) > listener.backlog:
            self.blocked_on = listener.wait
            raise Errno.EAGAIN
        if self.listening:
            raise Errno.EINVAL
        if self.was_connected:
            raise Errno.EISCONN
        self.blocked_on = None
        server = UnixSocket(t, self.kind, 0)
        server.address = listener.address
        server.cred = listener.cred
        self.cred = PeerCred(t.process.tgid_pid, t.cred.euid, t.cred.egid)
        self.pair_with(server)
        listener.connections.append(server)
        listener.data_ready(_READABLE)
        self.wait.wake_all()

    def accept(self, t: Thread, flags: int) -> tuple[Socket, bytes]:
        if self.kind == SOCK_DGRAM:
            raise Errno.EOPNOTSUPP
        if not self.listening:
            raise Errno.EINVAL
        if not self.connections:
            raise Errno.EAGAIN
        server = self.connections.popleft()
        server.flags |= flags
        # Those who wait to connect sleep on this queue as well.
        self.wait.wake_all()
        return server, server.peer.address if server.peer is not None else FAMILY

    OPTIONS: ClassVar[Options] = {
        **SOCKET_OPTIONS,
        (SOL_SOCKET, SO_PASSCRED): FLAG,
        (SOL_SOCKET, SO_PASSSEC): FLAG,
    }

    def peer_cred(self) -> PeerCred:
        return self.other_cred if self.other_cred is not None else PeerCred(None, -1, -1)

    # -- data -----------------------------------------------------------------------------------------------------
    def _destination(self, t: Thread, flags: int, address: bytes | None) -> UnixSocket:
        if self.kind == SOCK_DGRAM:
            target = self._find(t, address) if address is not None else self.peer
            if target is None:
                raise Errno.ENOTCONN
            if self.shut & SEND_SHUTDOWN:
                self._broken(t, flags)
            if target.closed:
                if address is None:
                    self.peer = None
                raise Errno.ECONNREFUSED
            if target.peer is not None and target.peer is not self:
                # A connected datagram socket hears only its peer (unix_may_send).
                raise Errno.EPERM
            if target.shut & RCV_SHUTDOWN:
                self._broken(t, flags)
            return target
        if address is not None:
            raise Errno.EISCONN if self.peer is not None else Errno.EOPNOTSUPP
        target = self.peer
        if target is None:
            if self.was_connected:
                self._broken(t, flags)
            raise Errno.ENOTCONN
        if self.shut & SEND_SHUTDOWN or target.closed or target.shut & RCV_SHUTDOWN:
            self._broken(t, flags)
        return target

    def _broken(self, t: Thread, flags: int) -> None:
        if self.kind == SOCK_STREAM and not flags & MSG_NOSIGNAL:
            send_sig_self(t, SIGPIPE)
        raise Errno.EPIPE

    def send(self, t: Thread, data: bytes, flags: int, address: bytes | None, ancillary: Ancillary) -> int:
        if address is not None and self.kind == SOCK_STREAM:
            raise Errno.EISCONN if self.peer is not None else Errno.EOPNOTSUPP
        if flags & MSG_OOB:
            raise Errno.EOPNOTSUPP
        if self.kind == SOCK_STREAM and self.peer is not None and self.shut & SEND_SHUTDOWN:
            self._broken(t, flags)  # which comes before the error of a peer that did not read everything
        self.take_error()
        target = self._destination(t, flags, address)
        if ancillary.cred is None and (self.option(SO_PASSCRED) or target.option(SO_PASSCRED)):
            ancillary = ancillary._replace(cred=PeerCred(t.process.tgid_pid, t.cred.uid, t.cred.gid))
        send = self._send_stream if self.kind == SOCK_STREAM else self._send_packet
        done = send(target, data, ancillary)
        target.data_ready(_READABLE)
        return done

    def _queue(self, target: UnixSocket, data: bytes, ancillary: Ancillary) -> None:
        charge = true_size(len(data), self.kind == SOCK_STREAM)
        target.messages.append(Message(data, self.address, ancillary, self, charge))
        self.in_flight += charge

    def _send_packet(self, target: UnixSocket, data: bytes, ancillary: Ancillary) -> int:
        if len(data) > self.send_buffer - 32:
            raise Errno.EMSGSIZE
        if self.in_flight >= self.send_buffer:
            self.no_space = True
            raise Errno.EAGAIN
        if self.kind == SOCK_DGRAM and target.peer is not self and target is not self and len(target.messages) > MAX_DGRAM_QLEN:
            self.blocked_on = target.wait
            raise Errno.EAGAIN
        self.blocked_on = None
        self._queue(target, data, ancillary)
        return len(data)

    def _send_stream(self, target: UnixSocket, data: bytes, ancillary: Ancillary) -> int:
        done = 0
        chunk_size = min(STREAM_CHUNK, self.send_buffer // 2 - 64)
        while done < len(data):
            if self.in_flight >= self.send_buffer:
                self.no_space = True
                if not done:
                    raise Errno.EAGAIN
                break
            chunk = data[done : done + chunk_size]
            self._queue(target, chunk, ancillary if not done else ancillary._replace(files=()))
            done += len(chunk)
        return done

    def receive(self, t: Thread, size: int, flags: int) -> Received:
        if flags & MSG_OOB:
            raise Errno.EINVAL if self.kind == SOCK_STREAM else Errno.EOPNOTSUPP
        messages = self.messages
        if self.kind != SOCK_DGRAM and not self.was_connected:
            raise Errno.EINVAL if self.kind == SOCK_STREAM else Errno.ENOTCONN
        if not messages:
            self.take_error()
            if self.shut & RCV_SHUTDOWN or (self.was_connected and (self.peer is None or self.peer.closed)):
                if self.kind != SOCK_DGRAM or self.shut & RCV_SHUTDOWN:
                    return Received(b"", b"", NO_ANCILLARY, 0, 0)
            raise Errno.EAGAIN
        return self._receive_stream(size, flags) if self.kind == SOCK_STREAM else self._receive_packet(size, flags)

    def _receive_packet(self, size: int, flags: int) -> Received:
        message = self.messages[0]
        length = len(message.data)
        ancillary = message.ancillary
        if flags & MSG_PEEK:
            ancillary = ancillary._replace(files=tuple(file.hold() for file in ancillary.files))
        else:
            self.messages.popleft()
            self._received(message)
        return Received(message.data[:size], message.address, ancillary, MSG_TRUNC if length > size else 0, length)

    def _receive_stream(self, size: int, flags: int) -> Received:
        parts: list[bytes] = []
        ancillary = NO_ANCILLARY
        left = size
        index = 0
        messages = self.messages
        while index < len(messages) and (left or not parts):
            message = messages[index]
            # Bytes of senders that are told apart are not mixed, and nothing is read past files (unix_stream_read_generic).
            if parts and message.ancillary.cred != ancillary.cred:
                break
            if parts and message.ancillary.files and ancillary.files:
                break
            chunk = message.data[message.offset : message.offset + left]
            parts.append(chunk)
            left -= len(chunk)
            beside = message.ancillary
            if flags & MSG_PEEK:
                ancillary = beside._replace(files=tuple(file.hold() for file in beside.files))
                index += 1
            else:
                ancillary = beside if not ancillary.files else ancillary
                if beside.files:
                    message.ancillary = beside._replace(files=())
                message.offset += len(chunk)
                if message.offset >= len(message.data):
                    messages.popleft()
                    self._received(message)
                else:
                    break
            if beside.files:
                break
        data = b"".join(parts) if len(parts) != 1 else parts[0]
        return Received(data, b"", ancillary, 0, len(data))

    def sent_freed(self) -> None:
        """A receiver took something; there is room when three quarters are (unix_writable)."""
        if self.in_flight * 4 <= self.send_buffer:
            self.write_space(_WRITABLE)
        else:
            self.wait.wake_all(_WRITABLE)

    def _received(self, message: Message) -> None:
        message.sender.in_flight -= message.charge
        message.sender.sent_freed()
        if self.kind == SOCK_DGRAM:
            # Senders that found the queue full sleep here.
            self.wait.wake_all(_WRITABLE)

    def other_end(self) -> Socket | None:
        return self.peer

    def wait_queues(self) -> tuple[WaitQueue, ...]:
        other = self.blocked_on
        if other is None and self.kind == SOCK_DGRAM and self.peer is not None:
            other = self.peer.wait
        return (self.wait,) if other is None or other is self.wait else (self.wait, other)

    # -- the end --------------------------------------------------------------------------------------------------
    def shutdown(self, t: Thread, how: int) -> None:
        if self.kind != SOCK_DGRAM and not self.was_connected and not self.listening:
            raise Errno.ENOTCONN
        mine = how + 1
        self.shut |= mine
        peer = self.peer
        if peer is not None and self.kind != SOCK_DGRAM:
            others = (SEND_SHUTDOWN if mine & RCV_SHUTDOWN else 0) | (RCV_SHUTDOWN if mine & SEND_SHUTDOWN else 0)
            peer.shut |= others
            if others & RCV_SHUTDOWN:
                peer.data_ready(reason=POLL_HUP if others & SEND_SHUTDOWN else POLL_IN)
            else:
                peer.wait.wake_all()
        self.wait.wake_all()

    def release(self) -> None:
        """The last descriptor is gone (unix_release_sock): the peer reads the rest, then end of file or ECONNRESET."""
        self.closed = True
        self.net.unix.sockets.pop(self, None)
        names = self.net.unix
        if self.inode_bound is not None:
            if self.inodes.get(self.inode_bound) is self:
                del self.inodes[self.inode_bound]
        elif len(self.address) > 2 and names.bound.get(self.address[3:]) is self:
            del names.bound[self.address[3:]]
        peer = self.peer
        if peer is not None and self.kind != SOCK_DGRAM:
            if self.messages:
                peer.error = Errno.ECONNRESET
            peer.shut |= RCV_SHUTDOWN | SEND_SHUTDOWN
            peer.data_ready(reason=POLL_HUP)
        while self.connections:
            waiting = self.connections.popleft()
            if waiting.peer is not None:
                waiting.peer.error = Errno.ECONNRESET
            waiting.drop()
        while self.messages:
            message = self.messages.popleft()
            discard(message.ancillary)
            message.sender.in_flight -= message.charge
            message.sender.sent_freed()
        self.wait.wake_all()

    # -- readiness ------------------------------------------------------------------------------------------------
    def poll(self, t: Thread) -> int:
        mask = POLLERR if self.error is not None else 0
        shut = self.shut
        if shut == RCV_SHUTDOWN | SEND_SHUTDOWN:
            mask |= POLLHUP
        if shut & RCV_SHUTDOWN:
            mask |= POLLRDHUP | _READABLE
        if self.messages or self.connections:
            mask |= _READABLE
        if self.kind != SOCK_DGRAM and not self.was_connected and not self.listening:
            mask |= POLLHUP
        peer = self.peer
        full = self.kind == SOCK_DGRAM and peer is not None and peer.peer is not self and len(peer.messages) > MAX_DGRAM_QLEN
        if not self.listening and self.in_flight * 4 <= self.send_buffer and not full:
            mask |= _WRITABLE
        return mask

    def ioctl(self, t: Thread, command: int, argument: int) -> int:
        if command == SIOCINQ:
            if self.kind != SOCK_DGRAM:
                value = sum(len(message.data) - message.offset for message in self.messages)
            else:
                value = len(self.messages[0].data) if self.messages else 0
        elif command == SIOCOUTQ:
            value = self.in_flight
        else:
            return super().ioctl(t, command, argument)
        t.mm.write(argument, struct.pack("<i", value))  # type: ignore[union-attr]
        return 0


def _sun_path(address: bytes) -> bytes:
    """Check a sockaddr_un and return sun_path as given (unix_validate_addr)."""
    if not 2 <= len(address) <= 2 + SUN_PATH_MAX or address[:2] != FAMILY:
        raise Errno.EINVAL
    return address[2:]
