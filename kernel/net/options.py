"""Socket options that are numbers: kept, and given back (socket(7), ip(7), ipv6(7), tcp(7), udp(7)).

Most options change nothing on a network without distance, loss or hardware, but programs set them, read them back and find
out their limits.  So they are data: a table says of each what its first value is and which values are taken; a protocol's
table is its own and those of what is below it.  What has an effect is read by the protocol (``Socket.option``); what is no
plain number has a function (``Socket.GETTERS``, ``Socket.SETTERS``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from kernel.cred import CAP_NET_ADMIN, CAP_NET_RAW
from kernel.errno import Errno

SOL_SOCKET: Final = 1
SO_DEBUG, SO_REUSEADDR, SO_TYPE, SO_ERROR, SO_DONTROUTE, SO_BROADCAST, SO_SNDBUF, SO_RCVBUF, SO_KEEPALIVE = range(1, 10)
SO_OOBINLINE, SO_NO_CHECK, SO_PRIORITY, SO_LINGER, SO_BSDCOMPAT, SO_REUSEPORT, SO_PASSCRED, SO_PEERCRED = range(10, 18)
SO_RCVLOWAT, SO_SNDLOWAT, SO_RCVTIMEO, SO_SNDTIMEO = 18, 19, 20, 21
SO_BINDTODEVICE, SO_ATTACH_FILTER, SO_DETACH_FILTER, SO_PEERNAME, SO_TIMESTAMP, SO_ACCEPTCONN, SO_PEERSEC = range(25, 32)
SO_SNDBUFFORCE, SO_RCVBUFFORCE, SO_PASSSEC, SO_TIMESTAMPNS, SO_MARK, SO_TIMESTAMPING, SO_PROTOCOL, SO_DOMAIN = range(32, 40)
SO_RXQ_OVFL, SO_WIFI_STATUS, SO_PEEK_OFF, SO_NOFCS, SO_LOCK_FILTER, SO_SELECT_ERR_QUEUE, SO_BUSY_POLL = range(40, 47)
SO_MAX_PACING_RATE, SO_BPF_EXTENSIONS, SO_INCOMING_CPU, SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_CBPF = 47, 48, 49, 50, 51
SO_CNX_ADVICE, SO_INCOMING_NAPI_ID, SO_COOKIE, SO_PEERGROUPS, SO_ZEROCOPY = 53, 56, 57, 59, 60
SO_TIMESTAMP_NEW, SO_TIMESTAMPNS_NEW, SO_RCVTIMEO_NEW, SO_SNDTIMEO_NEW = 63, 64, 66, 67
SO_PREFER_BUSY_POLL, SO_BUSY_POLL_BUDGET, SO_BUF_LOCK, SO_RESERVE_MEM, SO_TXREHASH, SO_RCVMARK = 69, 70, 72, 73, 74, 75

INT_MAX: Final = (1 << 31) - 1

Key = tuple[int, int]
"""(level, option)."""


class Option(NamedTuple):
    """A number: ``default``; values outside ``low``..``high`` raise ``refusal``; of a ``flag`` only zero or not is kept.

    ``mask``: the bits that are kept.  ``unset``: -1 stands for the first value.  ``read_only``: cannot be set (ENOPROTOOPT).
     ``capability``: needed to set it to what is outside ``free``.
    """

    default: int = 0
    low: int = -INT_MAX - 1
    high: int = INT_MAX
    flag: bool = False
    refusal: type[Errno] = Errno.EINVAL
    mask: int = -1
    unset: bool = False
    read_only: bool = False
    capability: int | None = None
    free: tuple[int, int] = (1, 0)
    denial: type[Errno] = Errno.EPERM


FLAG: Final = Option(flag=True)
FLAG_ON: Final = Option(1, flag=True)
NUMBER: Final = Option()


def at_level(level: int, options: Mapping[int, Option]) -> dict[Key, Option]:
    """Return a table of options of one level."""
    return {(level, number): option for number, option in options.items()}


SOCKET_OPTIONS: Final[Mapping[Key, Option]] = at_level(
    SOL_SOCKET,
    {
        SO_DEBUG: Option(flag=True, capability=CAP_NET_ADMIN, free=(0, 0), denial=Errno.EACCES),
        SO_REUSEADDR: FLAG,
        SO_DONTROUTE: FLAG,
        SO_BROADCAST: FLAG,
        SO_KEEPALIVE: FLAG,
        SO_OOBINLINE: FLAG,
        SO_NO_CHECK: FLAG,
        SO_REUSEPORT: FLAG,
        SO_PEEK_OFF: Option(-1, read_only=True),
        SO_PRIORITY: Option(capability=CAP_NET_ADMIN, free=(0, 6)),
        SO_BSDCOMPAT: NUMBER,
        SO_SNDLOWAT: Option(1, read_only=True),
        SO_TIMESTAMP: FLAG,
        SO_TIMESTAMPNS: FLAG,
        SO_TIMESTAMP_NEW: FLAG,
        SO_TIMESTAMPNS_NEW: FLAG,
        SO_MARK: Option(capability=CAP_NET_ADMIN),
        SO_RCVMARK: Option(flag=True, capability=CAP_NET_RAW),
        SO_RXQ_OVFL: FLAG,
        SO_WIFI_STATUS: FLAG,
        SO_NOFCS: FLAG,
        SO_LOCK_FILTER: FLAG,
        SO_SELECT_ERR_QUEUE: FLAG,
        SO_BUSY_POLL: Option(low=0, capability=CAP_NET_ADMIN, free=(-INT_MAX - 1, 0)),
        SO_BPF_EXTENSIONS: Option(64, read_only=True),
        SO_INCOMING_CPU: Option(-1),
        SO_INCOMING_NAPI_ID: Option(read_only=True),
        SO_ZEROCOPY: Option(0, 0, 1),
        SO_PREFER_BUSY_POLL: Option(flag=True, capability=CAP_NET_ADMIN, free=(0, 0)),
        SO_BUF_LOCK: Option(0, 0, 3),
        SO_RESERVE_MEM: Option(low=0),
    },
)
"""What every socket has (sk_setsockopt, sk_getsockopt)."""
