"""User namespaces: their ids, and how those are mapped (user_namespaces(7); kernel/user_namespace.c).

Inside the kernel an id is always that of the initial namespace (Linux: kuid_t).  Only where an id crosses the system call
boundary is it translated by the map of the caller's, or the reader's, user namespace: inwards with ``make_kuid``, outwards
with ``from_kuid``, or ``from_kuid_munged`` where the overflow id stands for one that has no number there.

A map is written once, as a table of extents in numbers of the parent namespace; what is kept is in kernel ids, so that no
translation ever climbs the tree.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from kernel.errno import Errno
from kernel.ucount import INT_MAX, SYSCTL_NAMES, UCOUNT_USER

if TYPE_CHECKING:
    from kernel.task import Thread
    from kernel.ucount import Charge, Ucounts

INVALID_ID: Final = 0xFFFFFFFF
"""The id nobody has (INVALID_UID, (uid_t)-1)."""
OVERFLOW_ID: Final = 65534
"""What stands for an id without a number in the reader's namespace (overflowuid, overflowgid)."""
MAX_EXTENTS: Final = 340
"""UID_GID_MAP_MAX_EXTENTS."""
MAX_LEVEL: Final = 32
"""A namespace this deep may still have a child (create_user_ns)."""
INIT_USER_NS_INUM = 0xEFFFFFFD


class Extent(NamedTuple):
    """``size`` ids from ``first`` in the namespace are those from ``lower`` outside."""

    first: int
    lower: int
    size: int


class IdMap:
    """The map of one kind of id; ``extents`` in the order they were written, with kernel ids outside."""

    __slots__ = ("extents", "_by_first", "_firsts", "_by_lower", "_lowers")

    def __init__(self, extents: tuple[Extent, ...] = ()) -> None:
        self.extents = extents
        self._by_first = sorted(extents)
        self._firsts = [extent.first for extent in self._by_first]
        self._by_lower = sorted(extents, key=lambda extent: extent.lower)
        self._lowers = [extent.lower for extent in self._by_lower]

    def down(self, number: int, count: int = 1) -> int:
        """Return the kernel id of ``number``, INVALID_ID unless all ``count`` ids from there are in one extent."""
        at = bisect_right(self._firsts, number) - 1
        if at >= 0:
            first, lower, size = self._by_first[at]
            if number - first + count <= size:
                return lower + number - first
        return INVALID_ID

    def up(self, kid: int) -> int:
        """Return the number of a kernel id, INVALID_ID if it has none."""
        at = bisect_right(self._lowers, kid) - 1
        if at >= 0:
            first, lower, size = self._by_lower[at]
            if kid - lower < size:
                return first + kid - lower
        return INVALID_ID


class UserNamespace:
    """A user namespace; ``KIND`` and ``NAME`` as of every ``Namespace``.

    ``level`` is 0 for the initial one, whose ``parent`` is None; ``owner`` and ``group`` are the effective ids of its creator,
    who has every capability in it from outside.  ``setgroups_allowed``: /proc/PID/setgroups.  ``limits``: see ``Ucounts``.
    ``parent_could_setfcap``: the creator had CAP_SETFCAP, and may so map the parent's root.
    """

    __slots__ = (
        "parent", "level", "owner", "group", "inum", "uid_map", "gid_map", "setgroups_allowed", "parent_could_setfcap", "limits",
        "charge", "__weakref__",
    )  # fmt: skip

    KIND: ClassVar[int] = 0x10000000
    """CLONE_NEWUSER."""
    NAME: ClassVar[bytes] = b"user"

    def __init__(
        self, parent: UserNamespace | None, owner: int, group: int, inum: int, parent_could_setfcap: bool = False
    ) -> None:
        self.parent = parent
        self.level: int = 0 if parent is None else parent.level + 1
        self.owner = owner
        self.group = group
        self.inum = inum
        self.uid_map = IdMap()
        self.gid_map = IdMap()
        self.setgroups_allowed: bool = parent is None or parent.setgroups_allowed
        self.parent_could_setfcap = parent_could_setfcap
        self.limits = [INT_MAX] * len(SYSCTL_NAMES)
        self.charge: Charge | None = None

    def is_descendant_of(self, other: UserNamespace) -> bool:
        """Tell whether ``other`` is this namespace or around it (in_userns)."""
        at: UserNamespace | None = self
        while at is not None and at.level >= other.level:
            if at is other:
                return True
            at = at.parent
        return False

    def may_setgroups(self) -> bool:
        """Tell whether setgroups(2) is open here: the gid map is written, and it was not denied (userns_may_setgroups)."""
        return bool(self.gid_map.extents) and self.setgroups_allowed


def _initial() -> UserNamespace:
    ns = UserNamespace(None, 0, 0, INIT_USER_NS_INUM)
    ns.uid_map = ns.gid_map = IdMap((Extent(0, 0, INVALID_ID),))
    return ns


INIT_USER_NS: Final = _initial()
"""The initial one is the same in every machine: its maps are written, so nothing of it can change."""


def make_kuid(ns: UserNamespace, uid: int) -> int:
    """Return the kernel id of user ``uid`` of ``ns``, INVALID_ID if it is not mapped."""
    return uid if ns is INIT_USER_NS else ns.uid_map.down(uid)


def make_kgid(ns: UserNamespace, gid: int) -> int:
    """Return the kernel id of group ``gid`` of ``ns``, INVALID_ID if it is not mapped."""
    return gid if ns is INIT_USER_NS else ns.gid_map.down(gid)


def from_kuid(ns: UserNamespace, uid: int) -> int:
    """Return the number of a user in ``ns``, INVALID_ID if it has none."""
    return uid if ns is INIT_USER_NS else ns.uid_map.up(uid)


def from_kgid(ns: UserNamespace, gid: int) -> int:
    """Return the number of a group in ``ns``, INVALID_ID if it has none."""
    return gid if ns is INIT_USER_NS else ns.gid_map.up(gid)


def from_kuid_munged(ns: UserNamespace, uid: int) -> int:
    """Return the number of a user in ``ns``, the overflow id if it has none."""
    if ns is INIT_USER_NS:
        return uid
    number = ns.uid_map.up(uid)
    return OVERFLOW_ID if number == INVALID_ID else number


def from_kgid_munged(ns: UserNamespace, gid: int) -> int:
    """Return the number of a group in ``ns``, the overflow id if it has none."""
    if ns is INIT_USER_NS:
        return gid
    number = ns.gid_map.up(gid)
    return OVERFLOW_ID if number == INVALID_ID else number


def uid_for(t: Thread, uid: int) -> int:
    """Return the number of a user as thread ``t`` sees it (from_kuid_munged of task_cred_xxx(t, user_ns))."""
    ns = t.cred.user_ns
    return uid if ns is INIT_USER_NS else from_kuid_munged(ns, uid)


def gid_for(t: Thread, gid: int) -> int:
    """Return the number of a group as thread ``t`` sees it."""
    ns = t.cred.user_ns
    return gid if ns is INIT_USER_NS else from_kgid_munged(ns, gid)


def create_user_ns(
    ucounts: Ucounts, parent: UserNamespace, owner: int, group: int, inum: int, could_setfcap: bool, chrooted: bool
) -> UserNamespace:
    """Return a new user namespace below ``parent`` made by kernel ids ``owner`` and ``group`` (create_user_ns).

    ENOSPC: nested too deep, or too many.  EPERM: the creator is in a chroot, or has no number in its own namespace.
    """
    if parent.level > MAX_LEVEL:
        raise Errno.ENOSPC
    charge = ucounts.charge(parent, owner, UCOUNT_USER)
    if chrooted or from_kuid(parent, owner) == INVALID_ID or from_kgid(parent, group) == INVALID_ID:
        raise Errno.EPERM
    ns = UserNamespace(parent, owner, group, inum, could_setfcap)
    ns.charge = charge
    return ns
