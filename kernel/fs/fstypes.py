"""The file systems mount(2) can make, by name (/proc/filesystems), and who may mount them (struct file_system_type)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from kernel.cred import CAP_SYS_ADMIN
from kernel.errno import Errno
from kernel.fs.devpts import mount_devpts
from kernel.fs.inode import FileSystem
from kernel.fs.sysfs import SysFs
from kernel.fs.tmpfs import TmpFs
from kernel.pid import ns_of
from kernel.user_ns import INVALID_ID, make_kgid, make_kuid

if TYPE_CHECKING:
    from kernel.task import Thread

_SUFFIX = {b"k": 10, b"m": 20, b"g": 30, b"t": 40}


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


def _tmpfs(t: Thread, options: bytes) -> FileSystem:
    """tmpfs and ramfs; ids are those of the mounter's user namespace (shmem_parse_one).  EINVAL."""
    total = t.kernel.vfs.pool.limit << 12
    ns = t.cred.user_ns
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
                uid = make_kuid(ns, int(value))
            elif key == b"gid":
                gid = make_kgid(ns, int(value))
            elif key not in (b"", b"nr_inodes", b"inode64", b"inode32", b"noswap", b"huge", b"mpol"):
                raise Errno.EINVAL
        except ValueError:
            raise Errno.EINVAL from None
    if INVALID_ID in (uid, gid):
        raise Errno.EINVAL
    return TmpFs(t.kernel.vfs, size, mode, uid, gid)


def _proc(t: Thread, options: bytes) -> FileSystem:
    """The processes of the mounter's pid namespace."""
    return t.kernel.vfs.make_procfs(ns_of(t), options)


def _devtmpfs(t: Thread, options: bytes) -> FileSystem:
    """There is one devtmpfs, however often it is mounted."""
    return t.kernel.vfs.devtmpfs


def _sysfs(t: Thread, options: bytes) -> FileSystem:
    """The devices there are.  EPERM unless the mounter is privileged over its network (sysfs_get_tree)."""
    if not t.cred.ns_capable(t.nsproxy.net.user_ns, CAP_SYS_ADMIN):
        raise Errno.EPERM
    return SysFs(t.kernel.vfs)


class FsType(NamedTuple):
    """``make(mounter, options)`` returns the file system.  ``userns``: root of a user namespace may mount it (FS_USERNS_MOUNT);
    ``revealing``: but only if it shows nothing that is hidden there (SB_I_USERNS_VISIBLE)."""

    make: Callable[[Thread, bytes], FileSystem]
    userns: bool = True
    revealing: bool = False


TYPES: dict[bytes, FsType] = {
    b"tmpfs": FsType(_tmpfs),
    b"ramfs": FsType(_tmpfs),
    b"proc": FsType(_proc, revealing=True),
    b"devtmpfs": FsType(_devtmpfs, userns=False),
    b"sysfs": FsType(_sysfs, revealing=True),
    b"devpts": FsType(mount_devpts),
}


def make_filesystem(t: Thread, kind: bytes, options: bytes) -> FileSystem:
    """Return a file system of type ``kind`` for ``t``.  ENODEV, EPERM (mount_capable), EINVAL for its options."""
    known = TYPES.get(kind)
    if known is None:
        raise Errno.ENODEV
    fs = known.make(t, options)
    # A procfs belongs to whoever owns the pid namespace it shows.
    owner = ns_of(t).user_ns if kind == b"proc" else t.cred.user_ns
    if not (t.cred.ns_capable(owner, CAP_SYS_ADMIN) if known.userns else t.cred.capable(CAP_SYS_ADMIN)):
        raise Errno.EPERM
    if not fs.mounts:
        fs.user_ns = owner
    return fs
