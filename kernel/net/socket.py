"""Sockets: what every address family has in common (net/socket.c, net/core/sock.c).

An operation that cannot proceed raises EAGAIN, as with every file; ``Socket.sleep`` waits and tries again, within the
time limits SO_RCVTIMEO and SO_SNDTIMEO.  A family overrides the operations it has; the others fail with EOPNOTSUPP.
"""

from __future__ import annotations

import stat as stat_bits
import struct
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, TypeVar

from kernel.cred import CAP_NET_ADMIN, CAP_NET_RAW
from kernel.errno import Errno
from kernel.fs.fasync import POLL_IN, POLL_OUT, Listeners, get_own, kill_fasync, set_own
from kernel.fs.file import O_NONBLOCK, O_RDWR, File, Stat
from kernel.net.device_ioctl import device_ioctl
from kernel.net.options import (
    INT_MAX,
    SO_ACCEPTCONN,
    SO_ATTACH_FILTER,
    SO_BINDTODEVICE,
    SO_COOKIE,
    SO_DOMAIN,
    SO_ERROR,
    SO_LINGER,
    SO_MAX_PACING_RATE,
    SO_PEERCRED,
    SO_PEERGROUPS,
    SO_PEERNAME,
    SO_PROTOCOL,
    SO_RCVBUF,
    SO_RCVBUFFORCE,
    SO_RCVLOWAT,
    SO_RCVTIMEO,
    SO_RCVTIMEO_NEW,
    SO_SNDBUF,
    SO_SNDBUFFORCE,
    SO_SNDTIMEO,
    SO_SNDTIMEO_NEW,
    SO_TIMESTAMPING,
    SO_TYPE,
    SOCKET_OPTIONS,
    SOL_SOCKET,
    Key,
    Option,
)
from kernel.user_ns import gid_for, uid_for
from kernel.waitqueue import Block, Blocking, WaitQueue, Wakeup

if TYPE_CHECKING:
    from kernel.net.namespace import NetNamespace
    from kernel.pid import Pid
    from kernel.task import Thread

R = TypeVar("R")
Options = Mapping[Key, Option]
Getters = Mapping[Key, Callable[[Any, "Thread"], bytes]]
Setters = Mapping[Key, Callable[[Any, "Thread", bytes], None]]

AF_UNSPEC, AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET = 0, 1, 2, 10, 16, 17
SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_RDM, SOCK_SEQPACKET, SOCK_DCCP, SOCK_PACKET = 1, 2, 3, 4, 5, 6, 10
SHUT_RD, SHUT_WR, SHUT_RDWR = range(3)
RCV_SHUTDOWN, SEND_SHUTDOWN = 1, 2

MSG_OOB, MSG_PEEK, MSG_DONTROUTE, MSG_CTRUNC, MSG_TRUNC, MSG_DONTWAIT = 0x1, 0x2, 0x4, 0x8, 0x20, 0x40
MSG_EOR, MSG_WAITALL, MSG_NOSIGNAL, MSG_WAITFORONE, MSG_CMSG_CLOEXEC = 0x80, 0x100, 0x4000, 0x10000, 0x40000000
MSG_CONFIRM, MSG_ERRQUEUE, MSG_MORE, MSG_ZEROCOPY, MSG_FASTOPEN = 0x800, 0x2000, 0x8000, 0x4000000, 0x20000000

FIOSETOWN, SIOCSPGRP, FIOGETOWN, SIOCGPGRP = range(0x8901, 0x8905)

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


class Control(NamedTuple):
    """A control message whose body is known by who sends it (``struct cmsghdr``)."""

    level: int
    kind: int
    body: bytes


class Ancillary(NamedTuple):
    """What travels beside the data: open files (SCM_RIGHTS), the sender (SCM_CREDENTIALS), and what a protocol tells."""

    files: tuple[File, ...] = ()
    cred: PeerCred | None = None
    control: tuple[Control, ...] = ()


class Received(NamedTuple):
    """A received message: ``address`` is the sender's sockaddr, ``flags`` are MSG_TRUNC and the like, ``length`` its true
    size in bytes."""

    data: bytes
    address: bytes
    ancillary: Ancillary
    flags: int
    length: int


NO_ANCILLARY: Final = Ancillary()

_TIMEVAL = struct.Struct("<qq")
_INT = struct.Struct("<i")


class Socket(File):
    """A socket in the network ``net``.  ``error`` is the pending SO_ERROR; ``shut`` has RCV_SHUTDOWN and SEND_SHUTDOWN."""

    __slots__ = (
        "net", "family", "kind", "protocol", "ino", "wait", "error", "shut", "listening", "receive_low", "options", "linger",
        "receive_timeout", "send_timeout", "send_buffer", "receive_buffer", "async_listeners", "no_space", "awaited",
    )  # fmt: skip

    SPLICES = True

    READ_WCHAN = "sock_recv"
    WRITE_WCHAN = "sock_send"
    ACCEPT_WCHAN = "skb_wait_for_more_packets"

    def __init__(self, net: NetNamespace, ino: int, family: int, kind: int, protocol: int, flags: int) -> None:
        super().__init__(O_RDWR | flags & O_NONBLOCK)
        self.net = net
        self.family = family
        self.kind = kind
        self.protocol = protocol
        self.ino = ino
        self.wait = WaitQueue()
        self.async_listeners: Listeners = {}
        self.no_space = False
        """A sender found no room since SIGIO last told of some (SOCKWQ_ASYNC_NOSPACE)."""
        self.awaited = 0
        """Receivers that sleep, who need no SIGIO (SOCKWQ_ASYNC_WAITDATA)."""
        self.error: type[Errno] | None = None
        self.shut = 0
        self.listening = False
        self.receive_low = 1
        """SO_RCVLOWAT: bytes of a stream a receiver waits for."""
        self.options: dict[Key, int] = {}
        """Options that were set and are numbers."""
        self.linger = (0, 0)
        self.receive_timeout: int | None = None
        self.send_timeout: int | None = None
        """In ns; None: no limit."""
        self.send_buffer = self.receive_buffer = DEFAULT_BUFFER

    # -- operations of a family -----------------------------------------------------------------------------------
    def pair_with(self, other: Socket) -> None:
        """Connect two sockets of the same kind with each other (socketpair)."""
        raise Errno.EOPNOTSUPP

    def bind(self, t: Thread, address: bytes) -> None:
        """Give it a name; ``address`` is a sockaddr."""
        raise Errno.EOPNOTSUPP

    def listen(self, t: Thread, backlog: int) -> None:
        """Accept connections from now on."""
        raise Errno.EOPNOTSUPP

    def connect(self, t: Thread, address: bytes) -> int | Blocking[int]:
        """Connect to a sockaddr and return 0, or a generator if that takes time and the file may block."""
        raise Errno.EOPNOTSUPP

    def accept(self, t: Thread, flags: int) -> tuple[Socket, bytes]:
        """Take a connection: its socket, with ``flags`` (O_NONBLOCK), and the peer's sockaddr.  EAGAIN while there is none."""
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
        return PeerCred(None, -1, -1)

    # -- sleeping -------------------------------------------------------------------------------------------------
    def sleep(self, t: Thread, what: str, attempt: Callable[[], R], timeout: int | None, flags: int = 0) -> Blocking[R]:
        """Call ``attempt`` until it does not raise EAGAIN, sleeping between; at most ``timeout`` ns.

        EAGAIN at the time limit, with MSG_DONTWAIT and O_NONBLOCK.  A signal: ERESTARTSYS, but EINTR with a time limit
        (sock_intr_errno; signal(7)).
        """
        deadline = None

        def who(t: Thread) -> str:
            return self.wakers(t, what != self.WRITE_WCHAN)

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
            receiving = what == self.READ_WCHAN
            self.awaited += receiving
            try:
                reason = yield Block(what, *self.wait_queues(), deadline=deadline, who=who)
            finally:
                self.awaited -= receiving
            if reason is Wakeup.SIGNAL:
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

    # -- signals --------------------------------------------------------------------------------------------------
    def listeners(self) -> tuple[Listeners, ...]:
        return (self.async_listeners,)

    def data_ready(self, mask: int | None = None, reason: int = POLL_IN) -> None:
        """Something can be received, or nothing more will come: wake who waits, and SIGIO (sk_data_ready)."""
        self.wait.wake_all(mask)
        if self.async_listeners and not self.awaited:
            kill_fasync(self.async_listeners, reason)

    def write_space(self, mask: int | None = None) -> None:
        """There is room again: wake who waits, and SIGIO if somebody had found none (sk_write_space)."""
        self.wait.wake_all(mask)
        if self.no_space and self.async_listeners:
            self.no_space = False
            kill_fasync(self.async_listeners, POLL_OUT)

    def changed(self, reason: int) -> None:
        """A connection was made, or failed: wake who waits, and SIGIO (SOCK_WAKE_IO)."""
        self.wait.wake_all()
        kill_fasync(self.async_listeners, reason)

    def other_end(self) -> Socket | None:
        """Return the socket at the other end, if there is one."""
        return None

    def wakers(self, t: Thread, reading: bool) -> str:
        """Name the processes that hold the other end."""
        other = self.other_end()
        if other is None:
            return f"a message to {self.path(t).decode()}" if reading else super().wakers(t, reading)
        holders = [
            f"{process.rep.comm.decode(errors='replace')}[{process.tgid}]"
            for process in t.kernel.all_processes()
            if process.live and other in process.rep.files.slots
        ]
        return f"a {'write to' if reading else 'read from'} {other.path(t).decode()} by {' or '.join(holders) or 'nobody'}"

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

    def ioctl(self, t: Thread, command: int, argument: int) -> int:
        """Questions about interfaces may be asked of any socket, and who its owner is (sock_ioctl)."""
        mm = t.mm
        assert mm is not None
        if command in (FIOSETOWN, SIOCSPGRP):
            set_own(t, self, mm.read_i32(argument))
            return 0
        if command in (FIOGETOWN, SIOCGPGRP):
            mm.write(argument, _INT.pack(get_own(t, self)))
            return 0
        return device_ioctl(t, self.net, command, argument, self.family in (AF_INET, AF_INET6))

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
    def option(self, option: int, level: int = SOL_SOCKET) -> int:
        """Return the value of an option that is a number; 0 if the socket does not know it."""
        key = level, option
        value = self.options.get(key)
        if value is not None:
            return value
        spec = self.OPTIONS.get(key)
        return spec.default if spec is not None else 0

    def get_option(self, t: Thread, level: int, option: int) -> bytes:
        """Return the value of an option.  ENOPROTOOPT, EOPNOTSUPP."""
        key = level, option
        getter = self.GETTERS.get(key)
        if getter is not None:
            return getter(self, t)
        if key not in self.OPTIONS:
            raise self.unknown_option(level, True)
        return _INT.pack(self.option(option, level))

    def set_option(self, t: Thread, level: int, option: int, value: bytes) -> None:
        """Set an option.  EINVAL for a short or bad value, EDOM for a time-out out of range, ENOPROTOOPT, EOPNOTSUPP."""
        key = level, option
        setter = self.SETTERS.get(key)
        if setter is not None:
            setter(self, t, value)
            return
        if key not in self.OPTIONS and level != SOL_SOCKET:
            raise self.unknown_option(level, False)
        if len(value) < 4 and (level not in self.BYTE_LEVELS or not value):
            raise Errno.EINVAL
        spec = self.OPTIONS.get(key)
        if spec is None or spec.read_only:
            raise Errno.ENOPROTOOPT
        number = _INT.unpack_from(value)[0] if len(value) >= 4 else value[0]
        if spec.capability is not None and not spec.free[0] <= number <= spec.free[1]:
            if not t.cred.ns_capable(self.net.user_ns, spec.capability):
                raise spec.denial
        if spec.unset and number == -1:
            number = spec.default
        if not spec.low <= number <= spec.high:
            raise spec.refusal
        self.options[key] = int(bool(number)) if spec.flag else number & spec.mask
        self.option_changed(key)

    def option_changed(self, key: Key) -> None:
        """An option that is a number was set."""

    def unknown_option(self, level: int, getting: bool) -> Errno:
        """Return what an option nobody knows is answered with."""
        return Errno.ENOPROTOOPT() if level == SOL_SOCKET else Errno.EOPNOTSUPP()

    def _get_error(self, t: Thread) -> bytes:
        error, self.error = self.error, None
        return _INT.pack(error.number if error is not None else 0)

    def _get_linger(self, t: Thread) -> bytes:
        return struct.pack("<ii", *self.linger)

    def _set_linger(self, t: Thread, value: bytes) -> None:
        if len(value) < 8:
            raise Errno.EINVAL
        on, seconds = struct.unpack_from("<ii", value)
        self.linger = (int(bool(on)), seconds)

    def _set_receive_timeout(self, t: Thread, value: bytes) -> None:
        self.receive_timeout = _parse_timeout(value)

    def _set_send_timeout(self, t: Thread, value: bytes) -> None:
        self.send_timeout = _parse_timeout(value)

    def _set_send_buffer(self, t: Thread, value: bytes) -> None:
        """The kernel doubles what is asked for, to have room for its own overhead (socket(7))."""
        self.send_buffer = max(MIN_BUFFER, min(_int(value) & 0xFFFFFFFF, MAX_BUFFER) * 2)
        self.wait.wake_all()

    def _set_receive_buffer(self, t: Thread, value: bytes) -> None:
        self.receive_buffer = max(2304, min(_int(value) & 0xFFFFFFFF, MAX_BUFFER) * 2)

    def _force_send_buffer(self, t: Thread, value: bytes) -> None:
        if not t.cred.capable(CAP_NET_ADMIN):
            raise Errno.EPERM
        self.send_buffer = max(MIN_BUFFER, min(max(_int(value), 0), INT_MAX // 2) * 2)

    def _force_receive_buffer(self, t: Thread, value: bytes) -> None:
        if not t.cred.capable(CAP_NET_ADMIN):
            raise Errno.EPERM
        self.receive_buffer = max(2304, min(max(_int(value), 0), INT_MAX // 2) * 2)

    def _set_receive_low(self, t: Thread, value: bytes) -> None:
        number = _int(value)
        self.receive_low = INT_MAX if number < 0 else number or 1
        self.wait.wake_all()

    def _get_cookie(self, t: Thread) -> bytes:
        return struct.pack("<Q", self.ino)

    def _get_device(self, t: Thread) -> bytes:
        index = self.options.get((SOL_SOCKET, SO_BINDTODEVICE), 0)
        return self.net.lo.name + b"\0" if index else b""

    def _set_device(self, t: Thread, value: bytes) -> None:
        name = value[:15].split(b"\0", 1)[0]
        if self.options.get((SOL_SOCKET, SO_BINDTODEVICE)) and not t.cred.ns_capable(self.net.user_ns, CAP_NET_RAW):
            raise Errno.EPERM
        if name not in (b"", self.net.lo.name):
            raise Errno.ENODEV
        self.options[SOL_SOCKET, SO_BINDTODEVICE] = self.net.lo.index if name else 0

    def _get_no_groups(self, t: Thread) -> bytes:
        raise Errno.ENODATA

    def _get_peer_name(self, t: Thread) -> bytes:
        return self.name(True)

    OPTIONS: ClassVar[Options] = SOCKET_OPTIONS
    PROTOCOL_OPTIONS: ClassVar[bool] = False
    """Whether there are options of other levels than SOL_SOCKET."""
    BYTE_LEVELS: ClassVar[tuple[int, ...]] = ()
    """Levels whose numbers may be given as one byte."""
    GETTERS: ClassVar[Getters] = {
        (SOL_SOCKET, SO_TYPE): lambda self, t: _INT.pack(self.kind),
        (SOL_SOCKET, SO_DOMAIN): lambda self, t: _INT.pack(self.family),
        (SOL_SOCKET, SO_PROTOCOL): lambda self, t: _INT.pack(self.protocol),
        (SOL_SOCKET, SO_ACCEPTCONN): lambda self, t: _INT.pack(self.listening),
        (SOL_SOCKET, SO_SNDBUF): lambda self, t: _INT.pack(self.send_buffer),
        (SOL_SOCKET, SO_RCVBUF): lambda self, t: _INT.pack(self.receive_buffer),
        (SOL_SOCKET, SO_RCVLOWAT): lambda self, t: _INT.pack(self.receive_low),
        (SOL_SOCKET, SO_ERROR): _get_error,
        (SOL_SOCKET, SO_LINGER): _get_linger,
        (SOL_SOCKET, SO_PEERCRED): lambda self, t: pack_cred(t, self.peer_cred()),
        (SOL_SOCKET, SO_RCVTIMEO): lambda self, t: _pack_timeout(self.receive_timeout),
        (SOL_SOCKET, SO_SNDTIMEO): lambda self, t: _pack_timeout(self.send_timeout),
        (SOL_SOCKET, SO_RCVTIMEO_NEW): lambda self, t: _pack_timeout(self.receive_timeout),
        (SOL_SOCKET, SO_SNDTIMEO_NEW): lambda self, t: _pack_timeout(self.send_timeout),
        (SOL_SOCKET, SO_BINDTODEVICE): _get_device,
        (SOL_SOCKET, SO_ATTACH_FILTER): lambda self, t: b"",
        (SOL_SOCKET, SO_PEERNAME): _get_peer_name,
        (SOL_SOCKET, SO_TIMESTAMPING): lambda self, t: bytes(8),
        (SOL_SOCKET, SO_MAX_PACING_RATE): lambda self, t: struct.pack("<Q", (1 << 64) - 1),
        (SOL_SOCKET, SO_COOKIE): _get_cookie,
        (SOL_SOCKET, SO_PEERGROUPS): _get_no_groups,
    }
    SETTERS: ClassVar[Setters] = {
        (SOL_SOCKET, SO_LINGER): _set_linger,
        (SOL_SOCKET, SO_RCVTIMEO): _set_receive_timeout,
        (SOL_SOCKET, SO_SNDTIMEO): _set_send_timeout,
        (SOL_SOCKET, SO_RCVTIMEO_NEW): _set_receive_timeout,
        (SOL_SOCKET, SO_SNDTIMEO_NEW): _set_send_timeout,
        (SOL_SOCKET, SO_SNDBUF): _set_send_buffer,
        (SOL_SOCKET, SO_RCVBUF): _set_receive_buffer,
        (SOL_SOCKET, SO_SNDBUFFORCE): _force_send_buffer,
        (SOL_SOCKET, SO_RCVBUFFORCE): _force_receive_buffer,
        (SOL_SOCKET, SO_RCVLOWAT): _set_receive_low,
        (SOL_SOCKET, SO_BINDTODEVICE): _set_device,
    }


def _int(value: bytes) -> int:
    if len(value) < 4:
        raise Errno.EINVAL
    number: int = _INT.unpack_from(value)[0]
    return number


def _parse_timeout(value: bytes) -> int | None:
    """Return ns, None for no limit (sock_set_timeout).  EDOM for a fraction out of range."""
    if len(value) < _TIMEVAL.size:
        raise Errno.EINVAL
    seconds, micro = _TIMEVAL.unpack_from(value)
    if not 0 <= micro < 1_000_000:
        raise Errno.EDOM
    return None if seconds == micro == 0 else max(0, seconds) * 1_000_000_000 + micro * 1000


def _pack_timeout(limit: int | None) -> bytes:
    limit = limit or 0
    return _TIMEVAL.pack(limit // 1_000_000_000, limit % 1_000_000_000 // 1000)


def pack_cred(t: Thread, cred: PeerCred) -> bytes:
    """Return ``struct ucred`` as ``t`` sees it: a pid outside its namespace is 0."""
    pid = cred.pid.nr_in(t.pid.ns) if cred.pid is not None else 0
    return struct.pack("<iII", pid, uid_for(t, cred.uid & 0xFFFFFFFF), gid_for(t, cred.gid & 0xFFFFFFFF))


def discard(ancillary: Ancillary) -> None:
    """Close the files of a message whose receiver has no use for them."""
    for file in ancillary.files:
        file.drop()
