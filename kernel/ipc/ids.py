"""What the System V objects have in common (ipc/util.c): keys, identifiers, owners and who may do what.

An identifier is an index and a sequence number.  Indexes are given out cyclically among a few, and each time they start over the
sequence number grows, so that the identifier of a removed object stays invalid for long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from kernel.cred import CAP_IPC_OWNER, CAP_SYS_ADMIN
from kernel.errno import Errno
from kernel.user_ns import INVALID_ID, make_kgid, make_kuid

if TYPE_CHECKING:
    from kernel.cred import Cred
    from kernel.task import Thread
    from kernel.user_ns import UserNamespace

IPC_PRIVATE: Final = 0
IPC_CREAT, IPC_EXCL, IPC_NOWAIT = 0o1000, 0o2000, 0o4000
IPC_RMID, IPC_SET, IPC_STAT, IPC_INFO = range(4)

_INDEX_BITS: Final = 15
_LEAST_CYCLE: Final = 64
_LAST_SEQ: Final = (1 << 31 - _INDEX_BITS) - 1


class IpcPerm:
    """The head of every object (struct kern_ipc_perm): ``key``, ``id``, owner (``uid``, ``gid``), creator (``cuid``, ``cgid``),
    ``mode``.  Users and groups are kernel ids."""

    __slots__ = ("key", "id", "uid", "gid", "cuid", "cgid", "mode", "__weakref__")

    def __init__(self, key: int, mode: int, cred: Cred) -> None:
        self.key = key
        self.id = -1
        self.uid = self.cuid = cred.euid
        self.gid = self.cgid = cred.egid
        self.mode = mode & 0o777

    @property
    def seq(self) -> int:
        return self.id >> _INDEX_BITS

    def check(self, t: Thread, user_ns: UserNamespace, flag: int) -> None:
        """EACCES unless ``t`` has the permissions whose bits are anywhere in ``flag`` (ipcperms)."""
        cred = t.cred
        granted = self.mode
        if cred.euid in (self.cuid, self.uid):
            granted >>= 6
        elif cred.in_group(self.cgid) or cred.in_group(self.gid):
            granted >>= 3
        if (flag >> 6 | flag >> 3 | flag) & ~granted & 7 and not cred.ns_capable(user_ns, CAP_IPC_OWNER):
            raise Errno.EACCES

    def update(self, t: Thread, uid: int, gid: int, mode: int) -> None:
        """Change owner and permissions (ipc_update_perm); the ids are those of the caller's user namespace.  EINVAL."""
        ns = t.cred.user_ns
        kuid, kgid = make_kuid(ns, uid), make_kgid(ns, gid)
        if INVALID_ID in (kuid, kgid):
            raise Errno.EINVAL
        self.uid, self.gid = kuid, kgid
        self.mode = self.mode & ~0o777 | mode & 0o777


def seconds(t: Thread) -> int:
    """Return the time in seconds since the epoch."""
    return t.kernel.clock.realtime() // 1_000_000_000


T = TypeVar("T", bound=IpcPerm)


class IpcIds(Generic[T]):
    """The objects of one kind in one namespace; at most ``limit``."""

    __slots__ = ("limit", "next_id", "_objects", "_seq", "_last", "__weakref__")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.next_id = -1
        """What the next object is to be called, -1 for anything (/proc/sys/kernel/msg_next_id)."""
        self._objects: dict[int, T] = {}
        self._seq = 0
        self._last = -1

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[T]:
        """Go through the objects in the order of their indexes."""
        return (self._objects[index] for index in sorted(self._objects))

    @property
    def highest(self) -> int:
        """The highest index in use, -1 if there is none (ipc_get_maxidx)."""
        return max(self._objects, default=-1)

    def get(self, number: int) -> T:
        """Return the object with identifier ``number``.  EINVAL (ipc_obtain_object_check)."""
        found = self._objects.get(number & (1 << _INDEX_BITS) - 1)
        if found is None or found.id != number:
            raise Errno.EINVAL
        return found

    def at(self, index: int) -> T:
        """Return the object at an index, whatever its sequence number.  EINVAL (ipc_obtain_object_idr)."""
        found = self._objects.get(index & (1 << _INDEX_BITS) - 1)
        if found is None:
            raise Errno.EINVAL
        return found

    def get_owned(self, t: Thread, user_ns: UserNamespace, number: int) -> T:
        """Return an object that ``t`` may change or remove.  EINVAL, EPERM (ipcctl_obtain_check)."""
        found = self.get(number)
        if t.cred.euid not in (found.cuid, found.uid) and not t.cred.ns_capable(user_ns, CAP_SYS_ADMIN):
            raise Errno.EPERM
        return found

    def _free_index(self) -> int:
        cycle = min(max(len(self._objects) * 3 // 2, _LEAST_CYCLE), 1 << _INDEX_BITS)
        for index in chain(range(self._last + 1, cycle), range(cycle)):
            if index not in self._objects:
                return index
        raise Errno.ENOSPC

    def add(self, new: T) -> int:
        """Enter an object and return its identifier.  ENOSPC (ipc_addid)."""
        if len(self._objects) >= self.limit:
            raise Errno.ENOSPC
        wanted, self.next_id = self.next_id, -1
        if wanted < 0:
            index = self._free_index()
            if index <= self._last:
                self._seq = self._seq + 1 if self._seq < _LAST_SEQ else 0
            self._last = index
            seq = self._seq
        else:
            seq, index = wanted >> _INDEX_BITS, wanted & (1 << _INDEX_BITS) - 1
            while index in self._objects:
                index += 1
            if index >> _INDEX_BITS:
                raise Errno.ENOSPC
        new.id = number = seq << _INDEX_BITS | index
        self._objects[index] = new
        return number

    def remove(self, old: T) -> None:
        """The object is gone."""
        del self._objects[old.id & (1 << _INDEX_BITS) - 1]

    def find(self, key: int) -> T | None:
        """Return the object with a key; IPC_PRIVATE is the key of none."""
        return next((each for each in self._objects.values() if each.key == key), None) if key != IPC_PRIVATE else None

    def obtain(
        self, t: Thread, user_ns: UserNamespace, key: int, flag: int, make: Callable[[], T], fits: Callable[[T], bool]
    ) -> int:
        """Return the identifier for ``key``, making the object if ``flag`` says so (ipcget).

        ``fits`` tells whether one that exists is what was asked for.  ENOENT, EEXIST, EINVAL, EACCES, ENOSPC.
        """
        found = self.find(key)
        if found is None:
            if key != IPC_PRIVATE and not flag & IPC_CREAT:
                raise Errno.ENOENT
            return self.add(make())
        if flag & IPC_CREAT and flag & IPC_EXCL:
            raise Errno.EEXIST
        if not fits(found):
            raise Errno.EINVAL
        found.check(t, user_ns, flag)
        return found.id
