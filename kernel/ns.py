"""What all namespaces have in common (struct ns_common): an inode number, an owner, a kind.

The kinds are named by the CLONE_NEW* flag that makes one.  The initial namespaces have the numbers Linux gives them
(include/uapi/linux/nsfs.h).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from kernel.ipc import msg, shm
from kernel.user_ns import INIT_USER_NS, UserNamespace

if TYPE_CHECKING:
    from kernel.ucount import Charge

CLONE_NEWTIME: Final = 0x80
CLONE_NEWNS: Final = 0x20000
CLONE_NEWCGROUP: Final = 0x2000000
CLONE_NEWUTS: Final = 0x4000000
CLONE_NEWIPC: Final = 0x8000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000
NSPROXY_FLAGS: Final = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME
"""The kinds a thread has in its NsProxy; its user namespace is that of its credentials."""
ALL_NAMESPACES: Final = NSPROXY_FLAGS | CLONE_NEWUSER

IPC_NS_INUM: Final = 0xEFFFFFFF
UTS_NS_INUM: Final = 0xEFFFFFFE
PID_NS_INUM: Final = 0xEFFFFFFC
CGROUP_NS_INUM: Final = 0xEFFFFFFB
TIME_NS_INUM: Final = 0xEFFFFFFA
NET_NS_INUM: Final = 0xEFFFFFF9
MNT_NS_INUM: Final = 0xEFFFFFF8


class Namespace:
    """``inum``: inode number of /proc/PID/ns/KIND.  ``user_ns``: the user namespace whose capabilities count over it.
    ``charge``: what it costs its creator (``Ucounts``), None for the initial ones."""

    __slots__ = ("inum", "user_ns", "charge", "__weakref__")

    KIND: ClassVar[int]
    """The CLONE_NEW* flag."""
    NAME: ClassVar[bytes]
    """What /proc/PID/ns shows before the number."""

    def __init__(self, inum: int, user_ns: UserNamespace = INIT_USER_NS, charge: Charge | None = None) -> None:
        self.inum = inum
        self.user_ns = user_ns
        self.charge = charge


class IpcNamespace(Namespace):
    """An IPC namespace: the System V objects that its tasks share (ipc_namespaces(7))."""

    __slots__ = ("shm", "msg")

    KIND = CLONE_NEWIPC
    NAME = b"ipc"

    def __init__(self, inum: int, user_ns: UserNamespace = INIT_USER_NS, charge: Charge | None = None) -> None:
        super().__init__(inum, user_ns, charge)
        self.shm = shm.new_ids()
        self.msg = msg.new_ids()


class CgroupNamespace(Namespace):
    """A cgroup namespace: an identity only, everybody is in the root cgroup."""

    __slots__ = ()

    KIND = CLONE_NEWCGROUP
    NAME = b"cgroup"


class TimeNamespace(Namespace):
    """A time namespace (time_namespaces(7)): offsets in ns that are added to the monotonic and the boot-time clock.

    ``frozen``: a task has entered it, the offsets are final.
    """

    __slots__ = ("monotonic", "boottime", "frozen")

    KIND = CLONE_NEWTIME
    NAME = b"time"

    def __init__(
        self,
        inum: int,
        user_ns: UserNamespace = INIT_USER_NS,
        charge: Charge | None = None,
        offsets: tuple[int, int] = (0, 0),
        frozen: bool = False,
    ) -> None:
        super().__init__(inum, user_ns, charge)
        self.monotonic, self.boottime = offsets
        self.frozen = frozen
