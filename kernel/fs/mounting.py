"""mount(2), umount2(2), pivot_root(2): changing a mount namespace (fs/namespace.c).

All of it needs CAP_SYS_ADMIN over the user namespace that owns the mount namespace.  What comes from a user namespace further out
stays as it is: see ``Mount.pinned`` and ``Mount.locked``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.cred import CAP_SYS_ADMIN
from kernel.errno import Errno
from kernel.fs.fstypes import TYPES, make_filesystem
from kernel.fs.mount import (
    MOUNT_FLAGS,
    MS_BIND,
    MS_MOVE,
    MS_NOATIME,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_RELATIME,
    MS_REMOUNT,
    MS_SHARED,
    MS_SILENT,
    MS_SLAVE,
    MS_STRICTATIME,
    MS_UNBINDABLE,
    Mount,
    MountNamespace,
    Path,
    cross,
)
from kernel.fs.nsfs import NsInode
from kernel.fs.path import AT_FDCWD, Walk, lookup
from kernel.fs.propagation import (
    ATIME_FLAGS,
    attach_recursive,
    change_type,
    clone_mount,
    copy_tree,
    propagated,
    umount_tree,
    with_propagated,
)
from kernel.user_ns import INIT_USER_NS

if TYPE_CHECKING:
    from kernel.fs.fdtable import FdTable
    from kernel.fs.inode import Dentry, FileSystem
    from kernel.kernel import Kernel
    from kernel.task import Thread

MNT_FORCE = 1
MNT_DETACH = 2
MNT_EXPIRE = 4
UMOUNT_NOFOLLOW = 8

MS_NOUSER = 1 << 31
MS_MGC_MSK = 0xFFFF0000
MS_MGC_VAL = 0xC0ED0000
"""A magic number of old, in the upper half of the flags."""
_PROPAGATION = MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE
_ATIME_CHOICE = ATIME_FLAGS | MS_STRICTATIME


def may_mount(t: Thread) -> bool:
    """Tell whether ``t`` may change its mount namespace (may_mount)."""
    return t.cred.ns_capable(t.nsproxy.mnt.user_ns, CAP_SYS_ADMIN)


# -- mount ------------------------------------------------------------------------------------------------------------
def do_mount(t: Thread, source: bytes, target: bytes, kind: bytes | None, flags: int, options: bytes) -> None:
    """mount(2).  EPERM, ENODEV (unknown type), EBUSY, EINVAL, ENOTDIR, ELOOP and the errors of path walk (path_mount)."""
    if flags & MS_MGC_MSK == MS_MGC_VAL:
        flags &= ~MS_MGC_MSK
    where = lookup(t, AT_FDCWD, target)
    if flags & MS_NOUSER:
        raise Errno.EINVAL
    if not may_mount(t):
        raise Errno.EPERM
    kept = flags & MOUNT_FLAGS
    if not flags & (MS_NOATIME | MS_STRICTATIME):
        kept |= MS_RELATIME
    elif flags & MS_NOATIME:
        kept &= ~MS_RELATIME
    if flags & MS_REMOUNT and not flags & _ATIME_CHOICE and where.dentry is where.mount.root:
        kept = kept & ~ATIME_FLAGS | where.mount.flags & ATIME_FLAGS
    if flags & MS_REMOUNT:
        _remount(t, where, flags, kept, options)
    elif flags & _PROPAGATION and not flags & MS_BIND:
        _change_type(t, where, flags)
    elif flags & MS_BIND:
        _bind(t, source, Path(*cross(*where)), bool(flags & MS_REC))  # what is mounted goes on top (lock_mount)
    elif flags & MS_MOVE:
        _move(t, source, Path(*cross(*where)))
    else:
        _new_mount(t, source, Path(*cross(*where)), kind, kept, options)


def _own(t: Thread, mount: Mount) -> Mount:
    """Return ``mount`` if it is in the mount namespace of ``t`` (check_mnt).  EINVAL."""
    if mount.ns is not t.nsproxy.mnt:
        raise Errno.EINVAL
    return mount


def _top(t: Thread, where: Path) -> Mount:
    """Return the mount whose root ``where`` is.  EINVAL if it is no mount point of the namespace."""
    if where.dentry is not where.mount.root:
        raise Errno.EINVAL
    return _own(t, where.mount)


def _remount(t: Thread, where: Path, flags: int, kept: int, options: bytes) -> None:
    """Change a mount's flags and, without MS_BIND, its file system's (do_reconfigure_mnt, do_remount)."""
    mount = _top(t, where)
    if mount.locked & ~ATIME_FLAGS & ~kept or (mount.locked & ATIME_FLAGS and (mount.flags ^ kept) & ATIME_FLAGS):
        raise Errno.EPERM
    if not flags & MS_BIND:
        if not t.cred.ns_capable(mount.fs.user_ns, CAP_SYS_ADMIN):
            raise Errno.EPERM
        mount.fs.reconfigure(options)
        mount.fs.read_only = bool(flags & MS_RDONLY)
    mount.flags = kept
    if mount.ns is not None:
        mount.ns.changed()


def _change_type(t: Thread, where: Path, flags: int) -> None:
    """Set the propagation type of a mount, with MS_REC of all below (do_change_type)."""
    kind = flags & ~(MS_REC | MS_SILENT)
    if kind not in (MS_SHARED, MS_PRIVATE, MS_SLAVE, MS_UNBINDABLE):
        raise Errno.EINVAL
    mount = _top(t, where)
    for each in mount.tree() if flags & MS_REC else [mount]:
        change_type(each, kind, t.kernel.vfs.ids)


def _attach(t: Thread, new: Mount, where: Path) -> None:
    """Mount a tree (graft_tree).  EINVAL, ENOENT, ENOTDIR."""
    _own(t, where.mount)
    if where.dentry.unlinked:
        raise Errno.ENOENT
    if new.root.inode.is_dir != where.dentry.inode.is_dir:
        raise Errno.ENOTDIR
    attach_recursive(new, where, t.nsproxy.mnt.user_ns, t.kernel.vfs.ids)


def _discard(top: Mount, t: Thread) -> None:
    """Take back a tree that could not be attached."""
    doomed = top.tree()
    umount_tree(doomed, t.kernel.vfs.ids)
    for mount in doomed:
        mount.end()


def _new_mount(t: Thread, source: bytes, where: Path, kind: bytes | None, flags: int, options: bytes) -> None:
    """Mount a new file system (do_new_mount)."""
    if kind is None:
        raise Errno.EINVAL
    fs = make_filesystem(t, kind, options)
    locked = _must_hide(t, fs, flags) if TYPES[kind].revealing else 0
    if where.dentry is where.mount.root and where.mount.fs is fs:
        raise Errno.EBUSY
    if flags & MS_RDONLY:
        fs.read_only = fs.read_only or kind != b"devtmpfs"
    new = Mount(fs, fs.root, flags, source or b"none", t.kernel.vfs.ids.new_mount_id())
    new.locked = locked
    try:
        _attach(t, new, where)
    except Errno:
        _discard(new, t)
        raise


def _must_hide(t: Thread, fs: FileSystem, flags: int) -> int:
    """Return the flags a new proc or sysfs must keep in a user namespace: those of one that is fully visible there already.
    EPERM if there is none, as it would reveal what is hidden (mount_too_revealing, mnt_already_visible)."""
    ns = t.nsproxy.mnt
    if ns.user_ns is INIT_USER_NS:
        return 0
    for mount in ns.mounts():
        if mount.fs.type != fs.type or mount.root is not mount.fs.root:
            continue
        locked = mount.locked | (MS_RDONLY if mount.fs.read_only else 0)
        if locked & MS_RDONLY & ~flags or (locked & ATIME_FLAGS and (mount.flags ^ flags) & ATIME_FLAGS):
            continue
        if all(_covers_nothing(child) for child in mount.children.values() if child.pinned):
            return locked & (MS_RDONLY | ATIME_FLAGS)
    raise Errno.EPERM


def _covers_nothing(mount: Mount) -> bool:
    """Tell whether a mount is on an empty directory made to be mounted on (is_empty_dir_inode)."""
    inode = mount.mountpoint.inode
    return inode.is_dir and inode.fs.type in (b"proc", b"sysfs") and not inode.readdir(mount.mountpoint)


def _bind(t: Thread, source: bytes, where: Path, recursive: bool) -> None:
    """MS_BIND: show a place again, with MS_REC what is mounted below it as well (do_loopback)."""
    if not source:
        raise Errno.EINVAL
    origin = lookup(t, AT_FDCWD, source)
    inode = origin.dentry.inode
    if isinstance(inode, NsInode) and isinstance(inode.ns, MountNamespace) and inode.ns.id <= t.nsproxy.mnt.id:
        raise Errno.EINVAL  # a namespace that contains itself would never end (mnt_ns_loop)
    if origin.mount.unbindable:
        raise Errno.EINVAL
    _own(t, where.mount)
    if not isinstance(inode, NsInode):
        _own(t, origin.mount)
    if not recursive and any(
        child.pinned and child.mountpoint.is_under(origin.dentry) for child in origin.mount.children.values()
    ):
        raise Errno.EINVAL  # it would show what the mount below covers
    ids = t.kernel.vfs.ids
    if recursive:
        new = copy_tree(origin.mount, origin.dentry, ids)[origin.mount]
    else:
        new = clone_mount(origin.mount, origin.dentry, ids)
    new.pinned = False
    try:
        _attach(t, new, where)
    except Errno:
        _discard(new, t)
        raise


def _move(t: Thread, source: bytes, where: Path) -> None:
    """MS_MOVE (do_move_mount)."""
    if not source:
        raise Errno.EINVAL
    mount = _top(t, lookup(t, AT_FDCWD, source))
    parent = mount.parent
    _own(t, where.mount)
    if parent is None or mount.pinned or mount.root.inode.is_dir != where.dentry.inode.is_dir or parent.shared is not None:
        raise Errno.EINVAL
    if where.mount.shared is not None and any(each.unbindable for each in mount.tree()):
        raise Errno.EINVAL
    at: Mount | None = where.mount
    while at is not None:
        if at is mount:
            raise Errno.ELOOP
        at = at.parent
    if where.dentry.unlinked:
        raise Errno.ENOENT
    attach_recursive(mount, where, t.nsproxy.mnt.user_ns, t.kernel.vfs.ids)


# -- umount -----------------------------------------------------------------------------------------------------------
def check_umount_flags(flags: int) -> None:
    """EINVAL for flags umount2(2) does not know."""
    if flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW):
        raise Errno.EINVAL


def do_umount(t: Thread, target: bytes, flags: int) -> None:
    """umount2(2); ``flags`` passed ``check_umount_flags``.

    EPERM; EINVAL: no mount point, or one that covers what must not be seen; EBUSY; EAGAIN: MNT_EXPIRE, for the first time.
    """
    where = Path(*cross(*lookup(t, AT_FDCWD, target, not flags & UMOUNT_NOFOLLOW)))
    if not may_mount(t):
        raise Errno.EPERM
    mount = _top(t, where)
    if mount.pinned or mount.parent is None:
        raise Errno.EINVAL
    if flags & MNT_FORCE and not t.cred.capable(CAP_SYS_ADMIN):
        raise Errno.EPERM
    if flags & MNT_EXPIRE:
        if mount is t.fs.root.mount or flags & (MNT_FORCE | MNT_DETACH):
            raise Errno.EINVAL
        if mount.children or mount in mounts_in_use(t.kernel):
            raise Errno.EBUSY
        if not mount.expiring:
            mount.expiring = True
            raise Errno.EAGAIN
    elif mount is t.fs.root.mount and not flags & MNT_DETACH:
        # The root cannot be unmounted; by old habit it becomes read-only instead (do_umount_root).
        if not t.cred.ns_capable(mount.fs.user_ns, CAP_SYS_ADMIN):
            raise Errno.EPERM
        mount.fs.read_only = True
        return
    vfs = t.kernel.vfs
    if flags & MNT_DETACH:
        vfs.detach(with_propagated(mount.tree()))
        sweep(t.kernel)
        return
    used = mounts_in_use(t.kernel)
    if mount.children or mount in used or any(not twin.children and twin in used for twin in propagated(mount)):
        raise Errno.EBUSY
    doomed = with_propagated([mount])
    umount_tree(doomed, vfs.ids)
    for each in doomed:
        each.end()


def is_local_mountpoint(t: Thread, dentry: Dentry) -> bool:
    """Tell whether something is mounted on a name in the namespace of ``t``: then the name stays."""
    return dentry.mounted > 0 and any(mount.mountpoint is dentry for mount in t.nsproxy.mnt.mounts() if mount.parent is not None)


def detach_mounts(t: Thread, dentry: Dentry) -> None:
    """A name is gone: unmount what is mounted on it in other namespaces."""
    if dentry.mounted:
        spaces = {thread.nsproxy.mnt for thread in t.kernel.all_threads() if not thread.exiting}
        tops = [mount for ns in spaces for mount in ns.mounts() if mount.mountpoint is dentry and mount.parent is not None]
        for mount in tops:
            t.kernel.vfs.detach(mount.tree())
        sweep(t.kernel)


def mounts_in_use(kernel: Kernel) -> set[Mount]:
    """Return the mounts somebody stands in or has a file of open.  Being used ends that a mount may expire."""
    tables: set[FdTable] = set()
    used: set[Mount] = set()
    for thread in kernel.all_threads():
        if thread.exiting:
            continue
        used.add(thread.fs.root.mount)
        used.add(thread.fs.cwd.mount)
        tables.add(thread.files)
        if thread.mm is not None and thread.mm.exe_file is not None:
            where = thread.mm.exe_file.where()
            if where is not None:
                used.add(where.mount)
    for table in tables:
        for file in table.slots:
            where = file.where() if file is not None else None
            if where is not None:
                used.add(where.mount)
    for mount in used:
        mount.expiring = False
    return used


def sweep(kernel: Kernel) -> None:
    """End the mounts that were unmounted while somebody was inside and nobody is any more (mntput)."""
    vfs = kernel.vfs
    used = mounts_in_use(kernel)
    pending, vfs.detached = vfs.detached, []
    for mount in pending:
        if mount in used:
            vfs.detached.append(mount)
        else:
            mount.end()


# -- pivot_root -------------------------------------------------------------------------------------------------------
def _is_reachable(where: Path, root: Path) -> bool:
    """Tell whether ``where`` is ``root`` or below it (is_path_reachable)."""
    mount, dentry = where
    while mount is not root.mount:
        if mount.parent is None:
            return False
        mount, dentry = mount.parent, mount.mountpoint
    return dentry.is_under(root.dentry)


def pivot_root(t: Thread, new_root: bytes, put_old: bytes) -> None:
    """pivot_root(2): make the mount at ``new_root`` the root and move the old one to ``put_old``.

    EINVAL: a mount that propagates, is no mount point, or not below; EBUSY: one of them is the present root; ENOTDIR, ENOENT.
    """
    walk = Walk(t, AT_FDCWD, new_root)
    walk.to_end(True)
    new = walk.path
    if not new.dentry.inode.is_dir:
        raise Errno.ENOTDIR
    old = lookup(t, AT_FDCWD, put_old)
    if not old.dentry.inode.is_dir:
        raise Errno.ENOTDIR
    root = t.fs.root
    top, mount = root.mount, new.mount
    if old.dentry.unlinked:
        raise Errno.ENOENT
    parents = (mount.parent, top.parent)
    if old.mount.shared is not None or any(parent is not None and parent.shared is not None for parent in parents):
        raise Errno.EINVAL
    _own(t, top)
    _own(t, mount)
    if mount.pinned:
        raise Errno.EINVAL
    if new.dentry.unlinked:
        raise Errno.ENOENT
    if mount is top or old.mount is top:
        raise Errno.EBUSY
    if root.dentry is not top.root or top.parent is None or new.dentry is not mount.root or mount.parent is None:
        raise Errno.EINVAL
    if not _is_reachable(old, new) or not _is_reachable(new, root):
        raise Errno.EINVAL
    below = Path(top.parent, top.mountpoint)
    mount.detach()
    top.detach()
    mount.pinned, top.pinned = top.pinned, False
    mount.attach(below)
    top.attach(old)
    # Everybody who stood at the old root stands at the new one (chroot_fs_refs).
    for thread in t.kernel.all_threads():
        if not thread.exiting:
            if thread.fs.root == root:
                thread.fs.root = new
            if thread.fs.cwd == root:
                thread.fs.cwd = new
