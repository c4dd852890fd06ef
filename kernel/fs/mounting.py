"""mount(2), umount2(2), pivot_root(2) (fs/namespace.c).  All of them need CAP_SYS_ADMIN; all mounts are private."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel.cred import CAP_SYS_ADMIN
from kernel.errno import Errno
from kernel.fs.devpts import mount_devpts
from kernel.fs.inode import FileSystem
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
    MS_SLAVE,
    MS_STRICTATIME,
    MS_UNBINDABLE,
    Mount,
    Path,
    copy_tree,
    cross,
)
from kernel.fs.path import AT_FDCWD, Walk, lookup
from kernel.fs.sysfs import SysFs
from kernel.fs.tmpfs import TmpFs

if TYPE_CHECKING:
    from kernel.fs.fdtable import FdTable
    from kernel.task import Thread

MNT_FORCE = 1
MNT_DETACH = 2
MNT_EXPIRE = 4
UMOUNT_NOFOLLOW = 8

_SUFFIX = {b"k": 10, b"m": 20, b"g": 30, b"t": 40}


def may_mount(t: Thread) -> bool:
    """Tell whether ``t`` may change its mount namespace (may_mount)."""
    return t.cred.ns_capable(t.nsproxy.mnt.user_ns, CAP_SYS_ADMIN)


def _size(t: Thread, text: bytes) -> int:
    """Parse tmpfs' size=: bytes with a suffix, or a percentage of memory (shmem_parse_one)."""
    total = t.kernel.vfs.pool.limit << 12
    try:
        if text.endswith(b"%"):
            return total * int(text[:-1]) // 100
        shift = _SUFFIX.get(text[-1:].lower(), 0)
        return int(text[:-1] if shift else text) << shift
    except ValueError:
        raise Errno.EINVAL from None


def _mount_tmpfs(t: Thread, options: bytes) -> FileSystem:
    total = t.kernel.vfs.pool.limit << 12
    size, mode, uid, gid = total // 2, 0o1777, t.cred.fsuid, t.cred.fsgid
    for option in options.split(b","):
        key, _, value = option.partition(b"=")
        try:
            if key == b"size":
                size = _size(t, value) or total
            elif key == b"nr_blocks":
                size = _size(t, value) << 12
            elif key == b"mode":
                mode = int(value, 8) & 0o7777
            elif key == b"uid":
                uid = int(value)
            elif key == b"gid":
                gid = int(value)
            elif key not in (b"", b"nr_inodes", b"inode64", b"inode32", b"noswap", b"huge", b"mpol"):
                raise Errno.EINVAL
        except ValueError:
            raise Errno.EINVAL from None
    return TmpFs(t.kernel.vfs, size, mode, uid, gid)


def _mount_proc(t: Thread, options: bytes) -> FileSystem:
    make = t.kernel.vfs.make_procfs
    return make(t.nsproxy.pid_for_children, options)


def _mount_devtmpfs(t: Thread, options: bytes) -> FileSystem:
    """There is one devtmpfs, however often it is mounted."""
    return t.kernel.vfs.devtmpfs


def _mount_sysfs(t: Thread, options: bytes) -> FileSystem:
    return SysFs(t.kernel.vfs)


TYPES: dict[bytes, Callable[[Thread, bytes], FileSystem]] = {
    b"tmpfs": _mount_tmpfs,
    b"ramfs": _mount_tmpfs,
    b"proc": _mount_proc,
    b"devtmpfs": _mount_devtmpfs,
    b"sysfs": _mount_sysfs,
    b"devpts": mount_devpts,
}


def do_mount(t: Thread, source: bytes, target: bytes, kind: bytes, flags: int, options: bytes) -> None:
    """mount(2).  EPERM, ENODEV (unknown type), EBUSY, EINVAL, ENOTDIR, ELOOP and the errors of path walk."""
    where = lookup(t, AT_FDCWD, target)
    if not may_mount(t):
        raise Errno.EPERM
    kept = flags & MOUNT_FLAGS
    if not flags & (MS_NOATIME | MS_STRICTATIME):
        kept |= MS_RELATIME
    elif flags & MS_NOATIME:
        kept &= ~MS_RELATIME
    if flags & MS_REMOUNT and flags & MS_BIND:
        _top(where).flags = kept
    elif flags & MS_REMOUNT:
        mount = _top(where)
        mount.fs.reconfigure(options)
        mount.fs.read_only = bool(flags & MS_RDONLY)
        mount.flags = kept & ~MS_RDONLY
    elif flags & MS_BIND:
        _bind(t, source, where, bool(flags & MS_REC))
    elif flags & (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE):
        _top(where)
    elif flags & MS_MOVE:
        _move(t, source, where)
    else:
        make = TYPES.get(kind)
        if make is None:
            raise Errno.ENODEV if kind else Errno.EINVAL
        fs = make(t, options)
        if not where.dentry.inode.is_dir:
            raise Errno.ENOTDIR
        if flags & MS_RDONLY:
            fs.read_only = fs.read_only or kind != b"devtmpfs"
        new = Mount(fs, fs.root, kept, source or b"none", t.kernel.vfs.ids.new_mount_id())
        _attach(t, new, where)


def _top(where: Path) -> Mount:
    """Return the mount whose root ``where`` is.  EINVAL if it is no mount point."""
    if where.dentry is not where.mount.root:
        raise Errno.EINVAL
    return where.mount


def _attach(t: Thread, new: Mount, where: Path) -> None:
    if not t.nsproxy.mnt.contains(where.mount):
        raise Errno.EINVAL
    if where.dentry.unlinked:
        raise Errno.ENOENT
    new.attach(where)


def _bind(t: Thread, source: bytes, where: Path, recursive: bool) -> None:
    if not source:
        raise Errno.EINVAL
    origin = lookup(t, AT_FDCWD, source)
    if not t.nsproxy.mnt.contains(origin.mount):
        raise Errno.EINVAL
    if origin.dentry.inode.is_dir != where.dentry.inode.is_dir:
        raise Errno.ENOTDIR
    ids = t.kernel.vfs.ids
    copies: dict[Mount, Mount] = {}
    top = Mount(origin.mount.fs, origin.dentry, origin.mount.flags, origin.mount.source, ids.new_mount_id())
    if recursive:
        for child in list(origin.mount.children.values()):
            if child.mountpoint.is_under(origin.dentry):
                copies = copy_tree(child, ids)
                copies[child].attach(Path(top, child.mountpoint))
    _attach(t, top, where)


def _move(t: Thread, source: bytes, where: Path) -> None:
    if not source:
        raise Errno.EINVAL
    mount = _top(lookup(t, AT_FDCWD, source))
    if mount.parent is None or not t.nsproxy.mnt.contains(mount):
        raise Errno.EINVAL
    if mount.root.inode.is_dir != where.dentry.inode.is_dir:
        raise Errno.EINVAL
    at: Mount | None = where.mount
    while at is not None:
        if at is mount:
            raise Errno.ELOOP
        at = at.parent
    mount.detach()
    _attach(t, mount, where)


def check_umount_flags(flags: int) -> None:
    """EINVAL for flags umount2(2) does not know."""
    if flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW):
        raise Errno.EINVAL


def do_umount(t: Thread, target: bytes, flags: int) -> None:
    """umount2(2); ``flags`` passed ``check_umount_flags``.  EINVAL (no mount point), EBUSY, EPERM, EAGAIN (MNT_EXPIRE)."""
    where = lookup(t, AT_FDCWD, target, not flags & UMOUNT_NOFOLLOW)
    mount = where.mount
    if where.dentry is not mount.root or not t.nsproxy.mnt.contains(mount):
        raise Errno.EINVAL
    if not may_mount(t):
        raise Errno.EPERM
    if mount.parent is None:
        raise Errno.EINVAL
    if flags & MNT_EXPIRE and flags & (MNT_FORCE | MNT_DETACH):
        raise Errno.EINVAL
    if not flags & MNT_DETACH and (mount.children or in_use(t, mount)):
        raise Errno.EBUSY
    if flags & MNT_EXPIRE:
        raise Errno.EAGAIN
    if flags & MNT_DETACH:
        mount.detach()
    else:
        mount.end()


def in_use(t: Thread, mount: Mount) -> bool:
    """Tell whether somebody stands in a mount or has a file of it open (propagate_mount_busy)."""
    tables: set[FdTable] = set()
    for thread in t.kernel.all_threads():
        if thread.exiting:
            continue
        if thread.fs.root.mount is mount or thread.fs.cwd.mount is mount:
            return True
        tables.add(thread.files)
        if thread.mm is not None and thread.mm.exe_file is not None:
            where = thread.mm.exe_file.where()
            if where is not None and where.mount is mount:
                return True
    for table in tables:
        for file in table.slots:
            if file is not None:
                where = file.where()
                if where is not None and where.mount is mount:
                    return True
    return False


def pivot_root(t: Thread, new_root: bytes, put_old: bytes) -> None:
    """pivot_root(2): make the mount at ``new_root`` the root and move the old one to ``put_old``."""
    walk = Walk(t, AT_FDCWD, new_root)
    walk.to_end(True)
    new = walk.path
    old = lookup(t, AT_FDCWD, put_old)
    if not new.dentry.inode.is_dir or not old.dentry.inode.is_dir:
        raise Errno.ENOTDIR
    root = t.fs.root
    mount = new.mount
    if mount is root.mount or old.mount is root.mount:
        raise Errno.EBUSY
    if root.dentry is not root.mount.root or new.dentry is not mount.root or mount.parent is None:
        raise Errno.EINVAL
    at, dentry = old
    while at is not mount:
        if at.parent is None:
            raise Errno.EINVAL
        at, dentry = at.parent, at.mountpoint
    if not dentry.is_under(new.dentry):
        raise Errno.EINVAL
    top = root.mount
    parent, mountpoint = top.parent, top.mountpoint
    mount.detach()
    if parent is not None:
        top.detach()
        mount.attach(Path(parent, mountpoint))
    else:
        t.nsproxy.mnt.root = mount
    top.attach(old)
    # Everybody who stood at the old root stands at the new one (chroot_fs_refs).
    inside = Path(*cross(mount, mount.root))
    for thread in t.kernel.all_threads():
        if not thread.exiting:
            if thread.fs.root == root:
                thread.fs.root = inside
            if thread.fs.cwd == root:
                thread.fs.cwd = inside


