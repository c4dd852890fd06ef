"""How many namespaces a user may make (kernel/ucount.c, namespaces(7), "The /proc/sys/user directory").

A limit holds for each user in each user namespace, and what is made in a nested user namespace counts there *and* for the
owner of every user namespace around it.  So nobody escapes a limit by nesting.

A charge is given back when the last reference to what was charged is gone, as in Linux: ``Charge`` is held by the namespace and
by nobody else, and its end is the end of the namespace.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Final

from kernel.errno import Errno

if TYPE_CHECKING:
    from kernel.user_ns import UserNamespace

UCOUNT_USER, UCOUNT_PID, UCOUNT_UTS, UCOUNT_IPC, UCOUNT_NET, UCOUNT_MNT, UCOUNT_CGROUP, UCOUNT_TIME = range(8)
SYSCTL_NAMES: Final = (b"user", b"pid", b"uts", b"ipc", b"net", b"mnt", b"cgroup", b"time")
"""/proc/sys/user/max_NAME_namespaces of each kind."""
INT_MAX = (1 << 31) - 1


class Ucounts:
    """The counters of a machine.  ``root_limits`` are those of the initial user namespace, half of ``max_threads`` each
    at start; a nested one brings its own, unlimited at first."""

    __slots__ = ("root_limits", "_counts")

    def __init__(self, max_threads: int) -> None:
        self.root_limits = [max_threads // 2] * len(SYSCTL_NAMES)
        self._counts: dict[tuple[UserNamespace, int, int], int] = {}

    def limits(self, ns: UserNamespace) -> list[int]:
        """Return the limits of a user namespace, by UCOUNT_*; they may be changed in place."""
        return self.root_limits if ns.parent is None else ns.limits

    def charge(self, ns: UserNamespace, uid: int, kind: int) -> Charge:
        """Count one more namespace of ``kind`` made by ``uid`` in user namespace ``ns`` (inc_ucount).  ENOSPC."""
        if self._is_full(ns, uid, kind):
            # Python frees what refers to each other in a circle, as a dead process does, only when asked to.
            gc.collect()
            if self._is_full(ns, uid, kind):
                raise Errno.ENOSPC
        for at, owner in _upwards(ns, uid):
            self._counts[at, owner, kind] = self._counts.get((at, owner, kind), 0) + 1
        return Charge(self, ns, uid, kind)

    def _is_full(self, ns: UserNamespace, uid: int, kind: int) -> bool:
        return any(self._counts.get((at, owner, kind), 0) >= self.limits(at)[kind] for at, owner in _upwards(ns, uid))

    def uncharge(self, ns: UserNamespace, uid: int, kind: int) -> None:
        """Take back what ``charge`` counted."""
        for key in ((at, owner, kind) for at, owner in _upwards(ns, uid)):
            left = self._counts[key] - 1
            if left:
                self._counts[key] = left
            else:
                del self._counts[key]

    def total(self) -> int:
        """Return how many namespaces there are, those of the start not counted."""
        return sum(count for (ns, _, _), count in self._counts.items() if ns.parent is None)


class Charge:
    """One counted namespace; see ``Ucounts.charge``."""

    __slots__ = ("_ucounts", "_ns", "_uid", "_kind")

    def __init__(self, ucounts: Ucounts, ns: UserNamespace, uid: int, kind: int) -> None:
        self._ucounts = ucounts
        self._ns = ns
        self._uid = uid
        self._kind = kind

    def __del__(self) -> None:
        """The namespace is gone."""
        self._ucounts.uncharge(self._ns, self._uid, self._kind)


def _upwards(ns: UserNamespace, uid: int) -> list[tuple[UserNamespace, int]]:
    """Return who pays: the user in ``ns``, and the owner of each namespace in the one around it."""
    found = [(ns, uid)]
    while ns.parent is not None:
        uid = ns.owner
        ns = ns.parent
        found.append((ns, uid))
    return found
