"""The UTS namespace: what uname(2) says."""

from __future__ import annotations

from kernel.personality import UNAME26
from kernel.user_ns import INIT_USER_NS, UserNamespace

SYSNAME = b"Linux"
RELEASE = b"6.12.0-tgid"
VERSION = b"#1 SMP PREEMPT_DYNAMIC"
MACHINE = b"x86_64"
NEW_UTS_LEN = 64


class UtsNamespace:
    """Host and domain name; everything else is the same in all of them."""

    __slots__ = ("nodename", "domainname", "inum", "user_ns")

    def __init__(
        self, inum: int, nodename: bytes = b"tgid", domainname: bytes = b"(none)", user_ns: UserNamespace = INIT_USER_NS
    ) -> None:
        self.nodename = nodename
        self.domainname = domainname
        self.inum = inum
        self.user_ns = user_ns

    def copy(self, inum: int, user_ns: UserNamespace) -> UtsNamespace:
        """Return the namespace CLONE_NEWUTS makes of this one."""
        return UtsNamespace(inum, self.nodename, self.domainname, user_ns)

    def names(self, personality: int) -> tuple[bytes, bytes, bytes, bytes, bytes, bytes]:
        """Return the six fields of ``struct new_utsname``; personality flag UNAME26 shows 2.6.60+minor."""
        release = RELEASE
        if personality & UNAME26:
            release = b"2.6.%d" % (int(RELEASE.split(b".")[1]) + 60) + RELEASE[RELEASE.find(b"-") :]
        return SYSNAME, self.nodename, release, VERSION, MACHINE, self.domainname
