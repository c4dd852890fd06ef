"""Sockets: what every address family has in common (net/socket.c, net/core/sock.c).

An operation that cannot proceed raises EAGAIN, as with every file; ``Socket.sleep`` waits and tries again, within the
time limits SO_RCVTIMEO and SO_SNDTIMEO.  A family overrides the operations it has; the others fail with EOPNOTSUPP.
"""

from __future__ import annotations

import stat as stat_bits
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from kernel.errno import Errno
from kernel.fs.file import O_NONBLOCK, O_RDWR, File, Stat
from kernel.user_ns import gid_for, uid_for
from kernel.waitqueue import Block, Blocking, WaitQueue, Wakeup

if TYPE_CHECKING:
    from kernel.pid import Pid
    from kernel.task import Thread

R = TypeVar("R")

AF_UNSPEC, AF_UNIX = 0, 1
SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET = 1, 2, 5
SHUT_RD, SHUT_WR, SHUT_RDWR = range(3)
RCV_SHUTDOWN, SEND_SHUTDOWN = 1, 2

MSG_OOB, MSG_PEEK, MSG_DONTROUTE, MSG_CTRUNC, MSG_TRUNC, MSG_DONTWAIT = 0x1, 0x2, 0x4, 0x8, 0x20, 0x40
MSG_EOR, MSG_WAITALL, MSG_NOSIGNAL, MSG_WAITFORONE, MSG_CMSG_CLOEXEC = 0x80, 0x100, 0x4000, 0x10000, 0x40000000

SOL_SOCKET: Final = 1
SO_DEBUG, SO_REUSEADDR, SO_TYPE, SO_ERROR, SO_DONTROUTE, SO_BROADCAST, SO_SNDBUF, SO_RCVBUF, SO_KEEPALIVE = range(1, 10)
SO_OOBINLINE, SO_PRIORITY, SO_LINGER, SO_REUSEPORT, SO_PASSCRED, SO_PEERCRED = 10, 12, 13, 15, 16, 17
SO_NO_CHECK = 11
SO_RCVLOWAT, SO_SNDLOWAT, SO_RCVTIMEO, SO_SNDTIMEO = 18, 19, 20, 21
SO_TIMESTAMP, SO_ACCEPTCONN, SO_PEERSEC, SO_SNDBUFFORCE, SO_RCVBUFFORCE = 29, 30, 31, 32, 33
SO_PROTOCOL, SO_DOMAIN = 38, 39

DEFAULT_BUFFER = 212992
"""net.core.wmem_default, in bytes."""
MIN_BUFFER = 4608
MAX_BUFFER = 212992
SOCKFS_DEV = 8


class PeerCred(NamedTuple):
    """``struct ucred`` before it is seen from somewhere: the process, and its effective ids."""

    pid: Pid | None
    uid: int
    gid: int


class Ancillary(NamedTuple):
    """What travels beside the data: open files (SCM_RIGHTS) and the sender (SCM_CREDENTIALS)."""

    files: tuple[File, ...] = ()
    cred: PeerCred | None = None


class Received(NamedTuple):
    """A received message: ``address`` is the sender's sockaddr, ``flags`` are MSG_TRUNC and the like, ``length`` its true
    size in bytes."""

    data: bytes
    address: bytes
    ancillary: Ancillary
    flags: int
    length: int


NO_ANCILLARY: Final = Ancillary()

_FLAG_OPTIONS: Final = frozenset(
    (SO_DEBUG, SO_REUSEADDR, SO_DONTROUTE, SO_BROADCAST, SO_KEEPALIVE, SO_OOBINLINE, SO_REUSEPORT, SO_PASSCRED, SO_TIMESTAMP,
     SO_PRIORITY, SO_NO_CHECK)
)  # fmt: skip
"""Options that are kept and given back; of these only SO_PASSCRED means something without a network."""
_TIMEVAL = struct.Struct("<qq")
_INT = struct.Struct("<i")


class Socket(File):
    """A socket.  ``error`` is the pending SO_ERROR; ``shut`` has RCV_SHUTDOWN and SEND_SHUTDOWN."""

    __slots__ = (
        "family", "kind", "protocol", "ino", "wait", "error", "shut", "listening", "options", "linger", "receive_timeout",
        "send_timeout", "send_buffer", "receive_buffer",
    )  # fmt: skip

    SPLICES = True

    READ_WCHAN = "sock_recv"
    WRITE_WCHAN = "sock_send"

    def __init__(self, ino: int, family: int, kind: int, protocol: int, flags: int) -> None:
        super().__init__(O_RDWR | flags & O_NONBLOCK)
        self.family = family
        self.kind = kind
        self.protocol = protocol
        self.ino = ino
        self.wait = WaitQueue()
        self.error: type[Errno] | None = None
        self.shut = 0
        self.listening = False
        self.options: dict[int, int] = {}
        self.linger = (0, 0)
        self.receive_timeout: int | None = None
        self.send_timeout: int | None = None
        """In ns; None: no limit."""
        self.send_buffer = self.receive_buffer = DEFAULT_BUFFER

    # -- operations of a family -----------------------------------------------------------------------------------
    def bind(self, t: Thread, address: bytes) -> None:
        """Give it a name; ``address`` is a sockaddr."""
        raise Errno.EOPNOTSUPP

    def listen(self, t: Thread, backlog: int) -> None:
        """Accept connections from now on."""
        raise Errno.EOPNOTSUPP

    def connect(self, t: Thread, address: bytes) -> None:
        """Connect; EAGAIN while the listener's queue is full."""
        raise Errno.EOPNOTSUPP

    def accept(self, t: Thread, flags: int) -> Socket:
        """Take a connection; EAGAIN while there is none."""
        raise Errno.EOPNOTSUPP

    def name(self, peer: bool) -> bytes:
        """Return its own or the peer's sockaddr.  ENOTCONN."""
        raise Errno.EOPNOTSUPP

    def send(self, t: Thread, data: bytes, flags: int, address: bytes | None, ancillary: Ancillary) -> int:
        """Send what there is room for now and return how many bytes; EAGAIN if there is none."""
        raise Errno.EOPNOTSUPP

    def receive(self, t: Thread, size: int, flags: int) -> Received:
        """Receive what is there; EAGAIN if nothing is."""
        raise Errno.EOPNOTSUPP

    def shutdown(self, t: Thread, how: int) -> None:
        """Shut down a direction."""
        raise Errno.EOPNOTSUPP

    def peer_cred(self) -> PeerCred:
        """Return who was at the other end when the connection was made (SO_PEERCRED)."""
        raise Errno.ENOPROTOOPT

    # -- sleeping -------------------------------------------------------------------------------------------------
    def sleep(self, t: Thread, what: str, attempt: Callable[[], R], timeout: int | None, flags: int = 0) -> Blocking[R]:
        """Call ``attempt`` until it does not raise EAGAIN, sleeping between; at most ``timeout`` ns.

        EAGAIN at the time limit, with MSG_DONTWAIT and O_NONBLOCK.  A signal: ERESTARTSYS, but EINTR with a time limit
        (sock_intr_errno; signal(7)).
        """
        deadline = None
        while True:
            try:
                return attempt()
            except Errno.EAGAIN:
                if flags & MSG_DONTWAIT or self.flags & O_NONBLOCK:
                    raise
                if timeout is not None:
                    now = t.kernel.clock.monotonic()
                    if deadline is None:
                        deadline = now + timeout
                    if deadline <= now:
                        raise
            if (yield Block(what, *self.wait_queues(), deadline=deadline)) is Wakeup.SIGNAL:
                raise Errno.ERESTARTSYS if timeout is None else Errno.EINTR

    def send_all(
        self, t: Thread, data: bytes, flags: int, address: bytes | None = None, ancillary: Ancillary = NO_ANCILLARY
    ) -> Blocking[int]:
        """Send everything, sleeping for room; an error or signal after some bytes gives the short count."""
        done = 0
        while True:
            rest = data[done:] if done else data
            beside = ancillary if not done else NO_ANCILLARY
            try:
                done += yield from self.sleep(
                    t, self.WRITE_WCHAN, lambda d=rest, a=beside: self.send(t, d, flags, address, a), self.send_timeout, flags  # type: ignore[misc]
                )
            except Errno:
                if done:
                    return done
                raise
            if done >= len(data):
                return done

    def receive_sleeping(self, t: Thread, size: int, flags: int) -> Blocking[Received]:
        """Receive, sleeping until something is there; with MSG_WAITALL until ``size`` bytes of a stream are."""
        got = yield from self.sleep(t, self.READ_WCHAN, lambda: self.receive(t, size, flags), self.receive_timeout, flags)
        if flags & MSG_WAITALL and not flags & MSG_PEEK and self.kind == SOCK_STREAM:
            while got.data and len(got.data) < size and not got.ancillary.files:
                left = size - len(got.data)
                try:
                    more = yield from self.sleep(
                        t, self.READ_WCHAN, lambda n=left: self.receive(t, n, flags), self.receive_timeout, flags  # type: ignore[misc]
                    )
                except Errno:
                    break
                if not more.data:
                    break
                got = got._replace(data=got.data + more.data, ancillary=more.ancillary, length=got.length + more.length)
        return got

    def wait_queues(self) -> tuple[WaitQueue, ...]:
        """Return what to wait on in calls that have no thread at hand."""
        return (self.wait,)

    # -- as a file ------------------------------------------------------------------------------------------------
    def read(self, t: Thread, size: int) -> bytes:
        """Asking for nothing is no receiving ("Match SYS5 behaviour", sock_read_iter)."""
        if not size:
            return b""
        got = self.receive(t, size, 0)
        discard(got.ancillary)
        return got.data

    def write(self, t: Thread, data: bytes) -> int:
        return self.send(t, data, 0, None, NO_ANCILLARY)

    def read_sleeping(self, t: Thread, size: int) -> Blocking[bytes]:
        got = yield from self.receive_sleeping(t, size, 0)
        discard(got.ancillary)
        return got.data

    def write_sleeping(self, t: Thread, data: bytes) -> Blocking[int]:
        return self.send_all(t, data, 0)

    def queues(self, t: Thread) -> tuple[WaitQueue, ...]:
        return self.wait_queues()

    def stat(self, t: Thread) -> Stat:
        return Stat(SOCKFS_DEV, self.ino, stat_bits.S_IFSOCK | 0o777, 1, 0, 0, 0, 0, 4096, 0, 0, 0, 0, 0)

    def path(self, t: Thread) -> bytes:
        return b"socket:[%d]" % self.ino

    def take_error(self) -> None:
        """Raise the pending error, once (sock_error)."""
        error, self.error = self.error, None
        if error is not None:
            raise error

    # -- options --------------------------------------------------------------------------------------------------
    def get_option(self, t: Thread, level: int, option: int) -> bytes:
        """Return the value of an option.  ENOPROTOOPT, EOPNOTSUPP."""
        if level != SOL_SOCKET:
            raise Errno.EOPNOTSUPP
        if option in _FLAG_OPTIONS:
            return _INT.pack(self.options.get(option, 0))
        if option == SO_PEERCRED:
            from_peer = self.peer_cred()
            return pack_cred(t, from_peer)
        if option in (SO_RCVTIMEO, SO_SNDTIMEO):
            limit = self.receive_timeout if option == SO_RCVTIMEO else self.send_timeout
            limit = limit or 0
            return _TIMEVAL.pack(limit // 1_000_000_000, limit % 1_000_000_000 // 1000)
        if option == SO_LINGER:
            return struct.pack("<ii", *self.linger)
        if option == SO_ERROR:
            error, self.error = self.error, None
            return _INT.pack(error.number if error is not None else 0)
        values = {
            SO_TYPE: self.kind,
            SO_DOMAIN: self.family,
            SO_PROTOCOL: self.protocol,
            SO_ACCEPTCONN: int(self.listening),
            SO_SNDBUF: self.send_buffer,
            SO_RCVBUF: self.receive_buffer,
            SO_RCVLOWAT: 1,
            SO_SNDLOWAT: 1,
        }
        if option not in values:
            raise Errno.ENOPROTOOPT
        return _INT.pack(values[option])

    def set_option(self, t: Thread, level: int, option: int, value: bytes) -> None:
        """Set an option.  EINVAL for a short value, EDOM for a time-out out of range, ENOPROTOOPT, EOPNOTSUPP."""
        if level != SOL_SOCKET:
            raise Errno.EOPNOTSUPP
        if option in (SO_RCVTIMEO, SO_SNDTIMEO):
            if len(value) < _TIMEVAL.size:
                raise Errno.EINVAL
            seconds, micro = _TIMEVAL.unpack_from(value)
            if not 0 <= micro < 1_000_000:
                raise Errno.EDOM
            limit = None if seconds == micro == 0 else max(0, seconds) * 1_000_000_000 + micro * 1000
            if option == SO_RCVTIMEO:
                self.receive_timeout = limit
            else:
                self.send_timeout = limit
            return
        if option == SO_LINGER:
            if len(value) < 8:
                raise Errno.EINVAL
            on, seconds = struct.unpack_from("<ii", value)
            self.linger = (int(bool(on)), seconds)
            return
        if len(value) < 4:
            raise Errno.EINVAL
        number = _INT.unpack_from(value)[0]
        if option in (SO_SNDBUF, SO_SNDBUFFORCE):
            # The kernel doubles what is asked for, to have room for its own overhead (socket(7)).
            self.send_buffer = max(MIN_BUFFER, min(number, MAX_BUFFER) * 2)
            self.wait.wake_all()
        elif option in (SO_RCVBUF, SO_RCVBUFFORCE):
            self.receive_buffer = max(2304, min(number, MAX_BUFFER) * 2)
        elif option in _FLAG_OPTIONS:
            self.options[option] = number if option == SO_PRIORITY else int(bool(number))
        elif option == SO_RCVLOWAT:
            return
        else:
            raise Errno.ENOPROTOOPT


def pack_cred(t: Thread, cred: PeerCred) -> bytes:
    """Return ``struct ucred`` as ``t`` sees it: a pid outside its namespace is 0."""
    pid = cred.pid.nr_in(t.pid.ns) if cred.pid is not None else 0
    return struct.pack("<iII", pid, uid_for(t, cred.uid & 0xFFFFFFFF), gid_for(t, cred.gid & 0xFFFFFFFF))


def discard(ancillary: Ancillary) -> None:
    """Close the files of a message whose receiver has no use for them."""
    for file in ancillary.files:
        file.drop()
