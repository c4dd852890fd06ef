"""Options of IP and IPv6 (ip(7), ipv6(7); do_ip_setsockopt, do_ipv6_setsockopt)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kernel.cred import CAP_NET_ADMIN, CAP_NET_RAW
from kernel.errno import Errno
from kernel.net.options import FLAG, FLAG_ON, NUMBER, Key, Option, at_level

IPPROTO_IP, IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_IPV6, IPPROTO_RAW = 0, 1, 6, 17, 41, 255
IP_TOS, IP_TTL, IP_HDRINCL, IP_OPTIONS, IP_ROUTER_ALERT, IP_RECVOPTS, IP_RETOPTS, IP_PKTINFO = range(1, 9)
IP_MTU_DISCOVER, IP_RECVERR, IP_RECVTTL, IP_RECVTOS, IP_MTU, IP_FREEBIND = 10, 11, 12, 13, 14, 15
IP_PASSSEC, IP_TRANSPARENT, IP_RECVORIGDSTADDR, IP_MINTTL, IP_NODEFRAG, IP_CHECKSUM, IP_BIND_ADDRESS_NO_PORT = range(18, 25)
IP_RECVFRAGSIZE, IP_RECVERR_RFC4884 = 25, 26
IP_MULTICAST_IF, IP_MULTICAST_TTL, IP_MULTICAST_LOOP = 32, 33, 34
IP_MULTICAST_ALL, IP_UNICAST_IF, IP_LOCAL_PORT_RANGE, IP_PROTOCOL = 49, 50, 51, 52

IPV6_UNICAST_HOPS, IPV6_MULTICAST_IF, IPV6_MULTICAST_HOPS, IPV6_MULTICAST_LOOP = 16, 17, 18, 19
IPV6_ROUTER_ALERT, IPV6_MTU_DISCOVER, IPV6_MTU, IPV6_RECVERR, IPV6_V6ONLY = 22, 23, 24, 25, 26
IPV6_MULTICAST_ALL, IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS, IPV6_TCLASS = 29, 49, 51, 66, 67

INET_OPTIONS: Final[Mapping[Key, Option]] = at_level(
    IPPROTO_IP,
    {
        IP_TOS: Option(mask=0xFF),
        IP_TTL: Option(64, 1, 255, unset=True),
        IP_HDRINCL: Option(low=0, high=-1, refusal=Errno.ENOPROTOOPT),
        IP_ROUTER_ALERT: Option(low=0, high=-1, refusal=Errno.ENOPROTOOPT),
        IP_NODEFRAG: Option(low=0, high=-1, refusal=Errno.ENOPROTOOPT),
        IP_RECVOPTS: FLAG,
        IP_RETOPTS: FLAG,
        IP_PKTINFO: FLAG,
        IP_MTU_DISCOVER: Option(1, 0, 5),
        IP_RECVERR: FLAG,
        IP_RECVTTL: FLAG,
        IP_RECVTOS: FLAG,
        IP_FREEBIND: FLAG,
        IP_PASSSEC: FLAG,
        IP_TRANSPARENT: Option(flag=True, capability=CAP_NET_ADMIN, free=(0, 0)),
        IP_RECVORIGDSTADDR: FLAG,
        IP_MINTTL: Option(0, 0, 255),
        IP_CHECKSUM: FLAG,
        IP_BIND_ADDRESS_NO_PORT: FLAG,
        IP_RECVFRAGSIZE: FLAG,
        IP_RECVERR_RFC4884: Option(0, 0, 1),
        IP_MULTICAST_TTL: Option(1, 0, 255, unset=True),
        IP_MULTICAST_LOOP: FLAG_ON,
        IP_MULTICAST_ALL: Option(1, 0, 1),
        IP_UNICAST_IF: NUMBER,
        IP_LOCAL_PORT_RANGE: NUMBER,
    },
)
INET6_OPTIONS: Final[Mapping[Key, Option]] = at_level(
    IPPROTO_IPV6,
    {
        **dict.fromkeys((2, 3, 4, 5, 8, 11), FLAG),
        IPV6_UNICAST_HOPS: Option(64, 0, 255, unset=True),
        IPV6_MULTICAST_IF: NUMBER,
        IPV6_MULTICAST_HOPS: Option(1, 0, 255, unset=True),
        IPV6_MULTICAST_LOOP: Option(1, 0, 1),
        IPV6_ROUTER_ALERT: Option(refusal=Errno.ENOPROTOOPT, low=0, high=-1),
        IPV6_MTU_DISCOVER: Option(1, 0, 5),
        IPV6_RECVERR: FLAG,
        IPV6_V6ONLY: FLAG,
        IPV6_MULTICAST_ALL: FLAG_ON,
        **dict.fromkeys((30, 31, 33, IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, 53, 56, 58, 60, IPV6_RECVTCLASS, 72, 74), FLAG),
        70: FLAG_ON,
        72: Option(1280, read_only=True),
        IPV6_TCLASS: Option(0, 0, 255, unset=True),
        73: FLAG,
        75: Option(flag=True, capability=CAP_NET_RAW, free=(0, 0)),
        76: NUMBER,
        77: FLAG,
        78: FLAG,
    },
)
"""Of IPv6, the numbers without a name here are those of linux/in6.h that programs hardly use."""
