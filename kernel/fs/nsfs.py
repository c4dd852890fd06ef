"""nsfs: a namespace as a file (fs/nsfs.c, ioctl_nsfs(2)).

/proc/PID/ns/KIND leads to an inode of this file system whose number is the namespace's.  Opening it, or binding it to another
place, keeps the namespace; setns(2) enters it; ioctls tell how namespaces belong together.  The file system is mounted once, in
no namespace; its inodes are made when they are looked for, because all there is to them is the namespace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.errno import Errno
from kernel.fs.fdtable import install_fd
from kernel.fs.file import O_CLOEXEC, O_RDONLY, File
from kernel.fs.inode import S_IFREG, Dentry, FileSystem, Inode
from kernel.fs.mount import Mount, MountNamespace, Path
from kernel.fs.regular import PlacedFile
from kernel.ns import CLONE_NEWUSER, Namespace
from kernel.pid import PidNamespace, ns_of
from kernel.user_ns import UserNamespace, uid_for

if TYPE_CHECKING:
    from kernel.fs.vfs import Vfs
    from kernel.pid import Pid
    from kernel.task import Thread

NSFS_MAGIC = 0x6E736673
AnyNamespace = Namespace | UserNamespace

NS_GET_USERNS: Final = 0xB701
NS_GET_PARENT: Final = 0xB702
NS_GET_NSTYPE: Final = 0xB703
NS_GET_OWNER_UID: Final = 0xB704
NS_GET_MNTNS_ID: Final = 0x8008B705
NS_GET_PID_FROM_PIDNS: Final = 0x8004B706
NS_GET_TGID_FROM_PIDNS: Final = 0x8004B707
NS_GET_PID_IN_PIDNS: Final = 0x8004B708
NS_GET_TGID_IN_PIDNS: Final = 0x8004B709
_TRANSLATIONS: Final = {
    NS_GET_PID_FROM_PIDNS: (True, False), NS_GET_TGID_FROM_PIDNS: (True, True),
    NS_GET_PID_IN_PIDNS: (False, False), NS_GET_TGID_IN_PIDNS: (False, True),
}  # fmt: skip
"""Command -> (the number given is one of the namespace, the process is meant)."""


class NsFs(FileSystem):
    """The file system; it exists once."""

    __slots__ = ()

    def __init__(self, vfs: Vfs) -> None:
        super().__init__(vfs, b"nsfs", NSFS_MAGIC)
        self.root = Dentry(b"/", None, Inode(self, 1, 0o040000))

    def hold(self, root: Dentry) -> None:
        """A mount keeps its namespace."""
        super().hold(root)
        if isinstance(root.inode, NsInode) and isinstance(root.inode.ns, MountNamespace):
            root.inode.ns.hold()

    def drop(self, root: Dentry) -> None:
        """The mount is gone."""
        super().drop(root)
        if isinstance(root.inode, NsInode) and isinstance(root.inode.ns, MountNamespace):
            root.inode.ns.put()

    def place(self, ns: AnyNamespace, mount: Mount) -> Path:
        """Return where ``ns`` is (ns_get_path): an inode in ``mount``, that of the file system."""
        inode = NsInode(self, ns)
        dentry = Dentry(name_of(ns), None, inode)
        return Path(mount, dentry)


class NsInode(Inode):
    """A namespace ``ns``."""

    __slots__ = ("ns",)

    def __init__(self, fs: FileSystem, ns: AnyNamespace) -> None:
        super().__init__(fs, ns.inum, S_IFREG | 0o444)
        self.ns = ns

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Open it.  EPERM for writing: it is immutable."""
        if flags & 3:
            raise Errno.EPERM
        return NsFile(where, flags)

    def set_mode(self, t: Thread, mode: int) -> None:
        """Nothing about it can be changed."""
        raise Errno.EPERM

    def set_owner(self, t: Thread, uid: int, gid: int) -> None:
        """Nothing about it can be changed."""
        raise Errno.EPERM


class NsFile(PlacedFile):
    """An open namespace."""

    __slots__ = ("ns",)

    def __init__(self, where: Path, flags: int) -> None:
        super().__init__(where, flags)
        assert isinstance(self.node, NsInode)
        self.ns = self.node.ns
        if isinstance(self.ns, MountNamespace):
            self.ns.hold()

    def path(self, t: Thread) -> bytes:
        """Return KIND:[NUMBER], or the place it was bound to."""
        return name_of(self.ns) if self.place.mount is t.kernel.vfs.nsfs_mount else super().path(t)

    def release(self) -> None:
        """It no longer keeps its namespace."""
        super().release()
        if isinstance(self.ns, MountNamespace):
            self.ns.put()

    def ioctl(self, t: Thread, command: int, argument: int) -> int:
        """NS_GET_*; ENOTTY for others."""
        ns = self.ns
        if command == NS_GET_USERNS:
            return open_ns(t, _owner(t, ns))
        if command == NS_GET_PARENT:
            return open_ns(t, _parent(t, ns))
        if command == NS_GET_NSTYPE:
            return ns.KIND
        if command == NS_GET_OWNER_UID:
            if not isinstance(ns, UserNamespace):
                raise Errno.EINVAL
            t.mm.write_u32(argument, uid_for(t, ns.owner))  # type: ignore[union-attr]
            return 0
        if command == NS_GET_MNTNS_ID:
            if not isinstance(ns, MountNamespace):
                raise Errno.EINVAL
            t.mm.write(argument, ns.id.to_bytes(8, "little"))  # type: ignore[union-attr]
            return 0
        if command in _TRANSLATIONS:
            if not isinstance(ns, PidNamespace):
                raise Errno.EINVAL
            return _translate(t, ns, argument & 0xFFFFFFFF, *_TRANSLATIONS[command])
        raise Errno.ENOTTY


def name_of(ns: AnyNamespace) -> bytes:
    """Return what readlink shows for a namespace."""
    return b"%s:[%d]" % (ns.NAME, ns.inum)


def open_ns(t: Thread, ns: AnyNamespace) -> int:
    """Return a new descriptor for a namespace.  EMFILE."""
    mount = t.kernel.vfs.nsfs_mount
    assert isinstance(mount.fs, NsFs)
    return install_fd(t, NsFile(mount.fs.place(ns, mount), O_RDONLY), O_CLOEXEC)


def _owner(t: Thread, ns: AnyNamespace) -> UserNamespace:
    """Return the user namespace that owns ``ns``.  EPERM unless it is the caller's or below (ns_get_owner)."""
    owner = ns.parent if isinstance(ns, UserNamespace) else ns.user_ns
    if owner is None or not owner.is_descendant_of(t.cred.user_ns):
        raise Errno.EPERM
    return owner


def _parent(t: Thread, ns: AnyNamespace) -> AnyNamespace:
    """Return the parent of a hierarchical namespace.  EINVAL for others, EPERM if the caller is not above it."""
    if ns.KIND == CLONE_NEWUSER:
        return _owner(t, ns)
    if not isinstance(ns, PidNamespace):
        raise Errno.EINVAL
    if ns.parent is None or not ns.parent.is_descendant_of(ns_of(t)):
        raise Errno.EPERM
    return ns.parent


def _translate(t: Thread, ns: PidNamespace, number: int, given_inside: bool, process: bool) -> int:
    """Translate a thread's number between ``ns`` and the caller's pid namespace.  ESRCH: no such thread, or no number."""
    mine = ns_of(t)
    thread = (ns if given_inside else mine).find_thread(number)
    if thread is None:
        raise Errno.ESRCH
    pid: Pid = thread.process.tgid_pid if process else thread.pid
    found = pid.nr_in(mine if given_inside else ns)
    if not found:
        raise Errno.ESRCH
    return found


def is_mount_ns(inode: Inode) -> bool:
    """Tell whether an inode is a mount namespace."""
    return isinstance(inode, NsInode) and isinstance(inode.ns, MountNamespace)
