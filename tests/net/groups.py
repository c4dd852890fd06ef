"""Multicast on the loopback: who may join, who hears what."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any

JOIN, LEAVE, INTERFACE = socket.IP_ADD_MEMBERSHIP, socket.IP_DROP_MEMBERSHIP, socket.IP_MULTICAST_IF


def attempt(call: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def request(group: str, interface: str, index: int | None = None) -> bytes:
    tail = b"" if index is None else index.to_bytes(4, "little")
    return socket.inet_aton(group) + socket.inet_aton(interface) + tail


def datagrams() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    return made


member, stranger, sender = datagrams(), datagrams(), datagrams()
for each in (member, stranger):
    each.bind(("", 0))
port, other_port = member.getsockname()[1], stranger.getsockname()[1]
for membership in (
    request("224.0.0.5", "0.0.0.0"),
    request("10.0.0.1", "127.0.0.1"),
    b"short",
    request("224.0.0.5", "127.0.0.1"),
    request("224.0.0.5", "127.0.0.1"),
    request("224.0.0.6", "192.0.2.1"),
    request("224.0.0.7", "0.0.0.0", 1),
):
    print("join", attempt(member.setsockopt, socket.IPPROTO_IP, JOIN, membership))
print("no route", attempt(sender.sendto, b"x", ("224.0.0.5", port)))
print("interface", attempt(sender.setsockopt, socket.IPPROTO_IP, INTERFACE, socket.inet_aton("192.0.2.1")))
print("interface", attempt(sender.setsockopt, socket.IPPROTO_IP, INTERFACE, socket.inet_aton("127.0.0.1")))
print("is", sender.getsockopt(socket.IPPROTO_IP, INTERFACE, 4).hex())
for group, to, receiver in (("224.0.0.5", port, member), ("224.0.0.9", port, member), ("224.0.0.5", other_port, stranger)):
    print(group, attempt(sender.sendto, b"y", (group, to)), attempt(receiver.recv, 9))
for _ in range(2):
    print("leave", attempt(member.setsockopt, socket.IPPROTO_IP, LEAVE, request("224.0.0.5", "127.0.0.1")))
print("left", attempt(sender.sendto, b"y", ("224.0.0.5", port)), attempt(member.recv, 9))
print("tcp", attempt(socket.socket().setsockopt, socket.IPPROTO_IP, JOIN, request("224.0.0.5", "127.0.0.1")))
