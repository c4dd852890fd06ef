"""The UTS namespace: what uname(2) says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.ns import CLONE_NEWUTS, Namespace
from kernel.personality import UNAME26
from kernel.user_ns import INIT_USER_NS, UserNamespace

if TYPE_CHECKING:
    from kernel.ucount import Charge

SYSNAME = b"Linux"
RELEASE = b"6.12.0-tgid"
VERSION = b"#1 SMP PREEMPT_DYNAMIC"
MACHINE = b"x86_64"
NEW_UTS_LEN = 64


class UtsNamespace(Namespace):
    """Host and domain name; everything else is the same in all of them."""

    __slots__ = ("nodename", "domainname")

    KIND = CLONE_NEWUTS
    NAME = b"uts"

    def __init__(
        self,
        inum: int,
        nodename: bytes = b"tgid",
        domainname: bytes = b"(none)",
        user_ns: UserNamespace = INIT_USER_NS,
        charge: Charge | None = None,
    ) -> None:
        super().__init__(inum, user_ns, charge)
        self.nodename = nodename
        self.domainname = domainname

    def copy(self, inum: int, user_ns: UserNamespace, charge: Charge | None = None) -> UtsNamespace:
        """Return the namespace CLONE_NEWUTS makes of this one."""
        return UtsNamespace(inum, self.nodename, self.domainname, user_ns, charge)

    def names(self, personality: int) -> tuple[bytes, bytes, bytes, bytes, bytes, bytes]:
        """Return the six fields of ``struct new_utsname``; personality flag UNAME26 shows 2.6.60+minor."""
        release = RELEASE
        if personality & UNAME26:
            release = b"2.6.%d" % (int(RELEASE.split(b".")[1]) + 60) + RELEASE[RELEASE.find(b"-") :]
        return SYSNAME, self.nodename, release, VERSION, MACHINE, self.domainname
