"""Mounts and mount namespaces (mount(2), mount_namespaces(7)).

A ``Mount`` shows the tree below ``root`` at ``mountpoint`` of its parent.  Crossing downwards is a look into
``mount.children`` (only for a dentry that says something is mounted on it), crossing upwards is ``mount.mountpoint``.
How mounts follow each other is in ``propagation``, how calls make and remove them in ``mounting``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kernel.errno import Errno
from kernel.fs.inode import Dentry, FileSystem
from kernel.ns import CLONE_NEWNS, Namespace
from kernel.user_ns import INIT_USER_NS, UserNamespace
from kernel.waitqueue import WaitQueue

if TYPE_CHECKING:
    from kernel.ucount import Charge

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_SYNCHRONOUS = 0x10
MS_REMOUNT = 0x20
MS_DIRSYNC = 0x80
MS_NOSYMFOLLOW = 0x100
MS_NOATIME = 0x400
MS_NODIRATIME = 0x800
MS_BIND = 0x1000
MS_MOVE = 0x2000
MS_REC = 0x4000
MS_SILENT = 0x8000
MS_UNBINDABLE = 0x20000
MS_PRIVATE = 0x40000
MS_SLAVE = 0x80000
MS_SHARED = 0x100000
MS_RELATIME = 0x200000
MS_STRICTATIME = 0x1000000
MS_LAZYTIME = 0x2000000

MOUNT_FLAGS = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_NOSYMFOLLOW
"""Flags that belong to a mount, not to the file system."""


class PeerGroup:
    """Mounts that are the same place, seen more than once (mount_namespaces(7), "SHARED SUBTREES").

    What is mounted below one of ``members`` is mounted below all of them, and below ``slaves``, which do not give back.
    """

    __slots__ = ("id", "members", "slaves")

    def __init__(self, number: int) -> None:
        self.id = number
        self.members: dict[Mount, None] = {}
        self.slaves: dict[Mount, None] = {}


class Mount:
    """One mount.  ``flags`` are MS_* bits of MOUNT_FLAGS; ``children`` what is mounted on its dentries; ``ns`` the namespace it
    is in, None once it is unmounted.

    ``shared`` and ``master`` are the peer groups it is a member and a slave of; an ``unbindable`` mount is in none and cannot be
    copied by a bind.  Mounts that came from a more privileged user namespace are kept as they were: ``pinned`` ones cover
    something and cannot be taken away alone (MNT_LOCKED), and flags in ``locked`` cannot be cleared (MNT_LOCK_*).
    ``expiring``: nobody has used it since a umount2(MNT_EXPIRE).
    """

    __slots__ = (
        "fs", "root", "parent", "mountpoint", "flags", "source", "id", "children", "ns", "shared", "master", "unbindable",
        "pinned", "locked", "expiring", "__weakref__",
    )  # fmt: skip

    def __init__(self, fs: FileSystem, root: Dentry, flags: int, source: bytes, number: int) -> None:
        self.fs = fs
        fs.hold(root)
        self.root = root
        self.parent: Mount | None = None
        self.mountpoint: Dentry = root
        self.flags = flags
        self.source = source
        self.id = number
        self.children: dict[Dentry, Mount] = {}
        self.ns: MountNamespace | None = None
        self.shared: PeerGroup | None = None
        self.master: PeerGroup | None = None
        self.unbindable = False
        self.pinned = False
        self.locked = 0
        self.expiring = False

    def attach(self, where: Path) -> None:
        """Become visible at ``where``, with everything below."""
        self.parent = where.mount
        self.mountpoint = where.dentry
        where.mount.children[where.dentry] = self
        where.dentry.mounted += 1
        ns = where.mount.ns
        if self.ns is not ns:
            for mount in self.tree():
                mount.ns = ns
        if ns is not None:
            ns.changed()

    def detach(self) -> None:
        """Leave the parent's tree."""
        if self.parent is not None:
            if self.parent.children.get(self.mountpoint) is self:
                del self.parent.children[self.mountpoint]
            self.mountpoint.mounted -= 1
            self.parent = None
            if self.ns is not None:
                self.ns.changed()

    def end(self) -> None:
        """It is unmounted and nobody is inside any more."""
        self.fs.drop(self.root)

    @property
    def read_only(self) -> bool:
        """Whether nothing may be changed through this mount."""
        return bool(self.flags & MS_RDONLY) or self.fs.read_only

    def want_write(self) -> None:
        """EROFS if nothing may be changed through this mount (mnt_want_write)."""
        if self.flags & MS_RDONLY or self.fs.read_only:
            raise Errno.EROFS

    def tree(self) -> list[Mount]:
        """Return this mount and all below it, each before its children (next_mnt)."""
        found: list[Mount] = []
        todo = [self]
        while todo:
            mount = todo.pop()
            found.append(mount)
            todo.extend(reversed(mount.children.values()))
        return found

    def __repr__(self) -> str:
        return f"<Mount {self.id} {self.fs.type.decode()} on {self.mountpoint.name!r}>"


class Path(NamedTuple):
    """A place in the file hierarchy: a name, and the mount through which it was reached."""

    mount: Mount
    dentry: Dentry


def cross(mount: Mount, dentry: Dentry) -> tuple[Mount, Dentry]:
    """Step onto what is mounted at a place, over and over (traverse_mounts)."""
    while dentry.mounted:
        above = mount.children.get(dentry)
        if above is None:
            break
        mount = above
        dentry = above.root
    return mount, dentry


class IdSource:
    """Numbers for mounts, mount namespaces and peer groups; those of peer groups are used again."""

    __slots__ = ("_last_mount_id", "_last_ns_id", "_groups")

    def __init__(self) -> None:
        self._last_mount_id = 20
        self._last_ns_id = 0
        self._groups: set[int] = set()

    def new_mount_id(self) -> int:
        """Return a mount id not used before."""
        self._last_mount_id += 1
        return self._last_mount_id

    def new_ns_id(self) -> int:
        """Return a number for a mount namespace not used before."""
        self._last_ns_id += 1
        return self._last_ns_id

    def new_group(self) -> PeerGroup:
        """Return a peer group with the lowest free number (mnt_alloc_group_id)."""
        number = 1
        while number in self._groups:
            number += 1
        self._groups.add(number)
        return PeerGroup(number)

    def free_group(self, group: PeerGroup) -> None:
        """A peer group has no member left."""
        self._groups.discard(group.id)


class MountNamespace(Namespace):
    """A tree of mounts; ``root`` is the mount at its top.  ``id`` is a number no other namespace ever has (mnt_ns_id).

    ``users``: the threads in it and the open files that keep it; when there are none its mounts are taken apart.
    """

    __slots__ = ("root", "ids", "users", "id", "event", "poll_wait")

    KIND = CLONE_NEWNS
    NAME = b"mnt"

    def __init__(
        self, root: Mount, inum: int, ids: IdSource, user_ns: UserNamespace = INIT_USER_NS, charge: Charge | None = None
    ) -> None:
        super().__init__(inum, user_ns, charge)
        self.root = root
        self.ids = ids
        self.users = 1
        self.id = ids.new_ns_id()
        self.event = 0
        """How often its mounts changed: what poll(2) of /proc/PID/mounts looks at."""
        self.poll_wait = WaitQueue()
        for mount in root.tree():
            mount.ns = self

    def changed(self) -> None:
        """A mount came or went: wake those who poll for it (touch_mnt_namespace)."""
        self.event += 1
        self.poll_wait.wake_all()

    def hold(self) -> None:
        """Count one more user."""
        self.users += 1

    def put(self) -> None:
        """One user less.  After the last one its mounts are unmounted (put_mnt_ns)."""
        self.users -= 1
        if not self.users:
            self.root.fs.vfs.namespace_gone(self)

    def top(self) -> Path:
        """Return the root directory of whoever enters: what is mounted on top of the root."""
        return Path(*cross(self.root, self.root.root))

    def mounts(self) -> list[Mount]:
        """Return all mounts in the order they were made."""
        return sorted(self.root.tree(), key=lambda mount: mount.id)
