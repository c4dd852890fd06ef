"""Mounts and mount namespaces (mount(2), mount_namespaces(7)).

A ``Mount`` shows the tree below ``root`` at ``mountpoint`` of its parent.  Crossing downwards is a look into
``mount.children`` (only for a dentry that says something is mounted on it), crossing upwards is ``mount.mountpoint``.
A mount knows its namespace through its tree only; copying a namespace copies the tree.  Propagation is always private.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kernel.errno import Errno
from kernel.fs.inode import Dentry, FileSystem
from kernel.ns import CLONE_NEWNS, Namespace
from kernel.user_ns import INIT_USER_NS, UserNamespace

if TYPE_CHECKING:
    from kernel.fs.namespace import FsContext
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


class Mount:
    """One mount.  ``flags`` are MS_* bits of MOUNT_FLAGS; ``children`` what is mounted on its dentries."""

    __slots__ = ("fs", "root", "parent", "mountpoint", "flags", "source", "id", "children", "__weakref__")

    def __init__(self, fs: FileSystem, root: Dentry, flags: int, source: bytes, number: int) -> None:
        self.fs = fs
        fs.mounts += 1
        self.root = root
        self.parent: Mount | None = None
        self.mountpoint: Dentry = root
        self.flags = flags
        self.source = source
        self.id = number
        self.children: dict[Dentry, Mount] = {}

    def attach(self, where: Path) -> None:
        """Become visible at ``where``."""
        self.parent = where.mount
        self.mountpoint = where.dentry
        where.mount.children[where.dentry] = self
        where.dentry.mounted += 1

    def detach(self) -> None:
        """Leave the parent's tree."""
        if self.parent is not None:
            if self.parent.children.get(self.mountpoint) is self:
                del self.parent.children[self.mountpoint]
            self.mountpoint.mounted -= 1
            self.parent = None

    def end(self) -> None:
        """Detach for good; a file system that was mounted only here and is used by nobody gives its memory back."""
        self.detach()
        self.fs.mounts -= 1
        if not self.fs.mounts:
            self.fs.discard()

    @property
    def read_only(self) -> bool:
        """Whether nothing may be changed through this mount."""
        return bool(self.flags & MS_RDONLY) or self.fs.read_only

    def want_write(self) -> None:
        """EROFS if nothing may be changed through this mount (mnt_want_write)."""
        if self.flags & MS_RDONLY or self.fs.read_only:
            raise Errno.EROFS

    def tree(self) -> list[Mount]:
        """Return this mount and all below it, parents first."""
        found = [self]
        for mount in found:
            found.extend(mount.children.values())
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
    """Numbers for mounts."""

    __slots__ = ("_last_mount_id", "_last_ns_id")

    def __init__(self) -> None:
        self._last_mount_id = 20
        self._last_ns_id = 0

    def new_ns_id(self) -> int:
        """Return a number for a mount namespace not used before."""
        self._last_ns_id += 1
        return self._last_ns_id

    def new_mount_id(self) -> int:
        """Return a mount id not used before."""
        self._last_mount_id += 1
        return self._last_mount_id


def copy_tree(top: Mount, ids: IdSource) -> dict[Mount, Mount]:
    """Copy a mount and everything below; return old -> new.  The copy of ``top`` has no parent yet."""
    copies: dict[Mount, Mount] = {}
    for mount in top.tree():
        copy = Mount(mount.fs, mount.root, mount.flags, mount.source, ids.new_mount_id())
        copies[mount] = copy
        if mount is not top:
            assert mount.parent is not None
            copy.attach(Path(copies[mount.parent], mount.mountpoint))
    return copies


class MountNamespace(Namespace):
    """A tree of mounts; ``root`` is the mount at its top.  ``id`` is a number no other namespace ever has (mnt_ns_id).

    ``users``: the threads in it and the open files that keep it; when there are none its mounts are taken apart.
    """

    __slots__ = ("root", "ids", "users", "id")

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

    def hold(self) -> None:
        """Count one more user."""
        self.users += 1

    def put(self) -> None:
        """One user less.  After the last one nothing of the tree can be reached any more: take it apart (put_mnt_ns)."""
        self.users -= 1
        if not self.users:
            for mount in reversed(self.root.tree()):
                mount.end()

    def top(self) -> Path:
        """Return the root directory of whoever enters: what is mounted on top of the root."""
        return Path(*cross(self.root, self.root.root))

    def mounts(self) -> list[Mount]:
        """Return all mounts in the order they were made."""
        return sorted(self.root.tree(), key=lambda mount: mount.id)

    def contains(self, mount: Mount) -> bool:
        """Tell whether a mount belongs to this namespace (check_mnt)."""
        at: Mount | None = mount
        while at is not None:
            if at is self.root:
                return True
            at = at.parent
        return False

    def copy(self, inum: int, fs: FsContext | None, user_ns: UserNamespace, charge: Charge | None = None) -> MountNamespace:
        """Return a copy; root and working directory of ``fs`` move over into it (copy_mnt_ns)."""
        copies = copy_tree(self.root, self.ids)
        if fs is not None:
            fs.root = Path(copies.get(fs.root.mount, fs.root.mount), fs.root.dentry)
            fs.cwd = Path(copies.get(fs.cwd.mount, fs.cwd.mount), fs.cwd.dentry)
        return MountNamespace(copies[self.root], inum, self.ids, user_ns, charge)
