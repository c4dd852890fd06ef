"""Sockets: the calls of socket(2), and how messages and addresses travel (net/socket.c)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Annotated, Final

from kernel.errno import Errno
from kernel.fs.fdtable import install_fd
from kernel.fs.file import O_CLOEXEC, O_NONBLOCK
from kernel.net.families import create
from kernel.net.options import SOL_SOCKET
from kernel.net.socket import (
    MSG_CMSG_CLOEXEC,
    MSG_DONTWAIT,
    MSG_PEEK,
    MSG_TRUNC,
    MSG_WAITFORONE,
    NO_ANCILLARY,
    Ancillary,
    Received,
    Socket,
    discard,
)
from kernel.waitqueue import Blocking
from syscalls.ancillary import control_for, parse_control
from syscalls.fs_rw import MAX_RW_COUNT, in_user_space
from syscalls.io_pipe import install_pair
from syscalls.structs import TIMESPEC
from syscalls.table import syscall
from syscalls.types import Address, Fd, InBuf, Int, OutBuf, Size, UInt, custom, enum, flags, in_struct

if TYPE_CHECKING:
    from kernel.task import Thread

Domain = Annotated[int, enum("socket_domain")]
SockType = Annotated[int, custom("socket_type", "((({} & 0xffffffff) ^ 0x80000000) - 0x80000000)")]
Pair = Annotated[int, custom("pipefds", out=True)]
Protocol = Annotated[int, custom("protocol", "((({} & 0xffffffff) ^ 0x80000000) - 0x80000000)")]
Message = Annotated[int, custom("message")]
SockAddr = Annotated[int, custom("sockaddr")]
Timeout = Annotated[int, in_struct("timespec")]
MessagesSent = Annotated[int, custom("messages_sent", out=True)]
MessagesReceived = Annotated[int, custom("messages_received", out=True)]
MsgFlags = Annotated[int, flags("msg", "({} & 0xffffffff)")]
AcceptFlags = Annotated[int, flags("socket_flags")]
How = Annotated[int, enum("shutdown")]

SOCK_TYPE_MASK = 0xF
ADDRESS_MAX = 128
"""sizeof(struct sockaddr_storage)."""
UIO_MAXIOV = 1024
MSG_CMSG_COMPAT = 0x80000000
_MSGHDR = struct.Struct("<QI4xQQQQi4x")
MSGHDR_SIZE: Final = _MSGHDR.size


def sock_of(t: Thread, fd: int) -> Socket:
    """Return the socket of a descriptor.  EBADF, ENOTSOCK."""
    file = t.files.get(fd)
    if not isinstance(file, Socket):
        raise Errno.ENOTSOCK
    return file


# -- making -----------------------------------------------------------------------------------------------------------
def _make(t: Thread, domain: int, kind_bits: int, protocol: int) -> Socket:
    bits = kind_bits & ~SOCK_TYPE_MASK
    if bits & ~(O_NONBLOCK | O_CLOEXEC):
        raise Errno.EINVAL
    return create(t, domain, kind_bits & SOCK_TYPE_MASK, protocol, bits & O_NONBLOCK)


@syscall(41)
def socket(t: Thread, domain: Domain, type_: SockType, protocol: Protocol) -> int:
    """socket(2)."""
    return install_fd(t, _make(t, domain, type_, protocol), type_ & O_CLOEXEC)


@syscall(53)
def socketpair(t: Thread, domain: Domain, type_: SockType, protocol: Protocol, sv: Pair) -> int:
    """socketpair(2).  The address is written to before anything else is looked at (__sys_socketpair)."""
    if type_ & ~SOCK_TYPE_MASK & ~(O_NONBLOCK | O_CLOEXEC):
        raise Errno.EINVAL
    mm = t.mm
    assert mm is not None
    mm.write(sv, mm.read(sv, 8))
    first, second = _make(t, domain, type_, protocol), _make(t, domain, type_, protocol)
    try:
        first.pair_with(second)
    except Errno:
        first.drop()
        second.drop()
        raise
    mm.write(sv, struct.pack("<ii", *install_pair(t, first, second, type_)))
    return 0


# -- addresses --------------------------------------------------------------------------------------------------------
def _read_address(t: Thread, address: int, length: int) -> bytes:
    """Fetch a sockaddr (move_addr_to_kernel).  EINVAL for an absurd length."""
    if not 0 <= length <= ADDRESS_MAX:
        raise Errno.EINVAL
    return t.mm.read(address, length) if length else b""  # type: ignore[union-attr]


def _write_address(t: Thread, name: bytes, address: int, length_at: int) -> None:
    """Store a sockaddr cut to the caller's space, and its true length (move_addr_to_user)."""
    mm = t.mm
    assert mm is not None
    space = struct.unpack("<i", mm.read(length_at, 4))[0]
    if space < 0:
        raise Errno.EINVAL
    if space:
        mm.write(address, name[:space])
    mm.write(length_at, struct.pack("<i", len(name)))


@syscall(49)
def bind(t: Thread, fd: Fd, addr: SockAddr, addrlen: Int) -> int:
    """bind(2)."""
    sock = sock_of(t, fd)
    sock.bind(t, _read_address(t, addr, addrlen))
    return 0


@syscall(50)
def listen(t: Thread, fd: Fd, backlog: Int) -> int:
    """listen(2)."""
    sock_of(t, fd).listen(t, backlog)
    return 0


@syscall(42)
def connect(t: Thread, fd: Fd, addr: SockAddr, addrlen: Int) -> int | Blocking[int]:
    """connect(2)."""
    t.files.get(fd)
    name = _read_address(t, addr, addrlen)
    sock = sock_of(t, fd)
    return sock.connect(t, name)


def _accept(t: Thread, fd: int, address: int, length_at: int, bits: int) -> int | Blocking[int]:
    t.files.get(fd)
    if bits & ~(O_NONBLOCK | O_CLOEXEC):
        raise Errno.EINVAL
    sock = sock_of(t, fd)

    def attempt() -> int:
        made, name = sock.accept(t, bits & O_NONBLOCK)
        try:
            if address:
                _write_address(t, name, address, length_at)
        except Errno:
            made.drop()
            raise
        return install_fd(t, made, bits)

    try:
        return attempt()
    except Errno.EAGAIN:
        if sock.flags & O_NONBLOCK:
            raise
        return sock.sleep(t, sock.ACCEPT_WCHAN, attempt, sock.receive_timeout)


@syscall(43)
def accept(t: Thread, fd: Fd, addr: SockAddr, addrlen: Address) -> int | Blocking[int]:
    """accept(2)."""
    return _accept(t, fd, addr, addrlen, 0)


@syscall(288)
def accept4(t: Thread, fd: Fd, addr: SockAddr, addrlen: Address, flags: AcceptFlags) -> int | Blocking[int]:
    """accept4(2)."""
    return _accept(t, fd, addr, addrlen, flags)


@syscall(51)
def getsockname(t: Thread, fd: Fd, addr: SockAddr, addrlen: Address) -> int:
    """getsockname(2)."""
    _write_address(t, sock_of(t, fd).name(False), addr, addrlen)
    return 0


@syscall(52)
def getpeername(t: Thread, fd: Fd, addr: SockAddr, addrlen: Address) -> int:
    """getpeername(2)."""
    _write_address(t, sock_of(t, fd).name(True), addr, addrlen)
    return 0


@syscall(48)
def shutdown(t: Thread, fd: Fd, how: How) -> int:
    """shutdown(2)."""
    sock = sock_of(t, fd)
    if not 0 <= how <= 2:
        raise Errno.EINVAL
    sock.shutdown(t, how)
    return 0


# -- options ----------------------------------------------------------------------------------------------------------
@syscall(54)
def setsockopt(t: Thread, fd: Fd, level: Int, optname: Int, optval: InBuf, optlen: Int) -> int:
    """setsockopt(2)."""
    sock = sock_of(t, fd)
    if optlen < 0:
        raise Errno.EINVAL
    if level != SOL_SOCKET and not sock.PROTOCOL_OPTIONS:
        raise Errno.EOPNOTSUPP
    sock.set_option(t, level, optname, t.mm.read(optval, min(optlen, 256)) if optlen else b"")  # type: ignore[union-attr]
    return 0


@syscall(55)
def getsockopt(t: Thread, fd: Fd, level: Int, optname: Int, optval: Address, optlen: Address) -> int:
    """getsockopt(2)."""
    mm = t.mm
    assert mm is not None
    sock = sock_of(t, fd)
    if level != SOL_SOCKET and not sock.PROTOCOL_OPTIONS:
        raise Errno.EOPNOTSUPP
    space = struct.unpack("<i", mm.read(optlen, 4))[0]
    if space < 0:
        raise Errno.EINVAL
    value = sock.get_option(t, level, optname)
    if level in sock.BYTE_LEVELS and 0 < space < 4 == len(value) and not any(value[1:]):
        space = 1  # a small number in a small place (do_ip_getsockopt)
    value = value[:space]
    mm.write(optval, value)
    mm.write(optlen, struct.pack("<i", len(value)))
    return 0


# -- plain send and receive -------------------------------------------------------------------------------------------
@syscall(44)
def sendto(t: Thread, fd: Fd, buf: InBuf, size: Size, flags: MsgFlags, addr: SockAddr, addrlen: Int) -> int | Blocking[int]:
    """sendto(2), send(2)."""
    in_user_space(buf, min(size, MAX_RW_COUNT))
    sock = sock_of(t, fd)
    data = t.mm.read(buf, min(size, MAX_RW_COUNT)) if size else b""  # type: ignore[union-attr]
    name = (_read_address(t, addr, addrlen) if addr else b"") or None
    return _send(t, sock, data, flags, name, NO_ANCILLARY)


def _send(t: Thread, sock: Socket, data: bytes, flags: int, name: bytes | None, ancillary: Ancillary) -> int | Blocking[int]:
    nonblocking = flags & MSG_DONTWAIT or sock.flags & O_NONBLOCK
    try:
        done = sock.send(t, data, flags, name, ancillary)
    except Errno.EAGAIN:
        if nonblocking:
            raise
        return sock.send_all(t, data, flags, name, ancillary)
    if done < len(data) and not nonblocking:
        return _send_rest(t, sock, data, done, flags)
    return done


def _send_rest(t: Thread, sock: Socket, data: bytes, done: int, flags: int) -> Blocking[int]:
    try:
        return done + (yield from sock.send_all(t, data[done:], flags))
    except Errno:
        return done


def _receive(t: Thread, sock: Socket, size: int, flags: int) -> Received | Blocking[Received]:
    try:
        if not flags & 0x100:  # MSG_WAITALL goes on after the first piece
            return sock.receive(t, size, flags)
    except Errno.EAGAIN:
        if flags & MSG_DONTWAIT or sock.flags & O_NONBLOCK:
            raise
    return sock.receive_sleeping(t, size, flags)


@syscall(45)
def recvfrom(
    t: Thread, fd: Fd, buf: OutBuf, size: Size, flags: MsgFlags, addr: SockAddr, addrlen: Address
) -> int | Blocking[int]:
    """recvfrom(2), recv(2)."""
    in_user_space(buf, min(size, MAX_RW_COUNT))
    sock = sock_of(t, fd)

    def store(got: Received) -> int:
        discard(got.ancillary)
        if got.data:
            t.mm.write(buf, got.data)  # type: ignore[union-attr]
        if addr:
            _write_address(t, got.address if len(got.address) > 2 else b"", addr, addrlen)
        return got.length if flags & MSG_TRUNC else len(got.data)

    got = _receive(t, sock, min(size, MAX_RW_COUNT), flags)
    if isinstance(got, Received):
        return store(got)

    def waiting() -> Blocking[int]:
        return store((yield from got))

    return waiting()


def _no_compat(flags: int) -> None:
    """EINVAL for the flag that marks calls of 32-bit programs."""
    if flags & MSG_CMSG_COMPAT:
        raise Errno.EINVAL


# -- messages ---------------------------------------------------------------------------------------------------------
def _sendmsg(t: Thread, sock: Socket, address: int, flags: int) -> int | Blocking[int]:
    mm = t.mm
    assert mm is not None
    name_at, name_length, iov, iovlen, control_at, control_length, _ = _MSGHDR.unpack(mm.read(address, MSGHDR_SIZE))
    if name_at and name_length >> 31:
        raise Errno.EINVAL
    name = _read_address(t, name_at, min(name_length, ADDRESS_MAX)) if name_at and name_length else None
    if iovlen > UIO_MAXIOV:
        raise Errno.EMSGSIZE
    vector = mm.read_iovec(iov, iovlen)
    data = mm.gather(vector) if vector else b""
    if control_length > 1 << 20:
        raise Errno.ENOBUFS
    ancillary = parse_control(t, sock, mm.read(control_at, control_length)) if control_at and control_length else NO_ANCILLARY
    try:
        result = _send(t, sock, data, flags, name, ancillary)
    except Errno:
        discard(ancillary)
        raise
    if isinstance(result, int):
        return result
    return _sendmsg_slow(result, ancillary)


def _sendmsg_slow(call: Blocking[int], ancillary: Ancillary) -> Blocking[int]:
    try:
        return (yield from call)
    except Errno:
        discard(ancillary)
        raise


@syscall(46)
def sendmsg(t: Thread, fd: Fd, msg: Message, flags: MsgFlags) -> int | Blocking[int]:
    """sendmsg(2)."""
    _no_compat(flags)
    return _sendmsg(t, sock_of(t, fd), msg, flags)


def _recvmsg(t: Thread, sock: Socket, address: int, flags: int) -> int | Blocking[int]:
    mm = t.mm
    assert mm is not None
    name_at, name_space, iov, iovlen, control_at, control_space, _ = _MSGHDR.unpack(mm.read(address, MSGHDR_SIZE))
    if name_at and name_space >> 31:
        raise Errno.EINVAL
    if iovlen > UIO_MAXIOV:
        raise Errno.EMSGSIZE
    vector = mm.read_iovec(iov, iovlen)
    size = sum(length for _, length in vector)

    def store(got: Received) -> int:
        if got.data:
            mm.scatter(vector, got.data)
        control, told = control_for(t, sock, got, control_space if control_at else 0, flags)
        if control:
            mm.write(control_at, control)
        name = got.address if len(got.address) > 2 else b""
        if name_at:
            mm.write(name_at, name[:name_space])
            mm.write(address + 8, struct.pack("<I", len(name)))
        mm.write(address + 40, struct.pack("<Qi", len(control), told | got.flags | flags & MSG_CMSG_CLOEXEC))
        return got.length if flags & MSG_TRUNC else len(got.data)

    got = _receive(t, sock, size, flags)
    if isinstance(got, Received):
        return store(got)

    def waiting() -> Blocking[int]:
        return store((yield from got))

    return waiting()


@syscall(47)
def recvmsg(t: Thread, fd: Fd, msg: Address, flags: MsgFlags) -> int | Blocking[int]:
    """recvmsg(2)."""
    _no_compat(flags)
    return _recvmsg(t, sock_of(t, fd), msg, flags)


MMSGHDR_SIZE: Final = MSGHDR_SIZE + 8


def _finish(call: int | Blocking[int]) -> Blocking[int]:
    return call if isinstance(call, int) else (yield from call)


@syscall(307)
def sendmmsg(t: Thread, fd: Fd, msgvec: MessagesSent, vlen: UInt, flags: MsgFlags) -> Blocking[int]:
    """sendmmsg(2): an error after the first message gives the count."""
    _no_compat(flags)
    sock = sock_of(t, fd)
    done = 0
    while done < min(vlen, UIO_MAXIOV):
        at = msgvec + done * MMSGHDR_SIZE
        try:
            sent = yield from _finish(_sendmsg(t, sock, at, flags))
            t.mm.write(at + MSGHDR_SIZE, struct.pack("<I", sent))  # type: ignore[union-attr]
        except Errno:
            if done:
                break
            raise
        done += 1
    return done


@syscall(299)
def recvmmsg(t: Thread, fd: Fd, msgvec: MessagesReceived, vlen: UInt, flags: MsgFlags, timeout: Timeout) -> Blocking[int]:
    """recvmmsg(2): the time-out is looked at between messages only, as on Linux (BUGS)."""
    _no_compat(flags)
    deadline = None
    if timeout:
        seconds, nano = TIMESPEC.read(t.mm, timeout)  # type: ignore[arg-type]
        if seconds < 0 or not 0 <= nano < 1_000_000_000:
            raise Errno.EINVAL
        deadline = t.kernel.clock.monotonic() + seconds * 1_000_000_000 + nano
    sock = sock_of(t, fd)
    done = 0
    bits = flags & ~MSG_WAITFORONE
    while done < min(vlen, UIO_MAXIOV):
        at = msgvec + done * MMSGHDR_SIZE
        try:
            got = yield from _finish(_recvmsg(t, sock, at, bits))
            t.mm.write(at + MSGHDR_SIZE, struct.pack("<I", got))  # type: ignore[union-attr]
        except Errno:
            if done:
                break
            raise
        done += 1
        if flags & MSG_WAITFORONE:
            bits |= MSG_DONTWAIT
        if flags & MSG_PEEK and not bits & MSG_DONTWAIT:
            break
        if deadline is not None and deadline <= t.kernel.clock.monotonic():
            break
    return done
