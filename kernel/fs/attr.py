"""Changing and testing attributes: chmod, chown, utimes, truncate, access (fs/open.c, fs/attr.c)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel.cred import CAP_CHOWN, CAP_FSETID
from kernel.errno import Errno
from kernel.fs.inode import MAY_EXEC, MAY_READ, MAY_WRITE, S_IFMT, S_IFREG, S_ISGID, S_ISUID, Inode
from kernel.fs.mount import MS_NOEXEC, Path
from kernel.user_ns import INIT_USER_NS, INVALID_ID, make_kgid, make_kuid

if TYPE_CHECKING:
    from kernel.fs.file import Stat
    from kernel.task import Thread
    from kernel.user_ns import UserNamespace

NS = 10**9
UTIME_NOW = (1 << 30) - 1
UTIME_OMIT = (1 << 30) - 2


def chmod(t: Thread, where: Path, mode: int) -> None:
    """Set permission bits.  EPERM if not the owner; set-group-ID is dropped for a group one is not in."""
    where.mount.want_write()
    inode = where.dentry.inode
    if not inode.owner_or_capable(t):
        raise Errno.EPERM
    if inode.is_symlink:
        raise Errno.EOPNOTSUPP
    mode &= 0o7777
    if mode & S_ISGID and not t.cred.in_group(inode.gid) and not inode.capable(t.cred, CAP_FSETID):
        mode &= ~S_ISGID
    inode.set_mode(t, mode)


UNCHANGED = 0xFFFFFFFF


def may_chown(t: Thread, owned: Inode | Stat, uid: int, gid: int) -> None:
    """Check that ``t`` may give something away: only with CAP_CHOWN, its group to one's own groups (chown_ok).  EPERM.

    ``uid`` and ``gid`` are kernel ids or UNCHANGED.
    """
    cred = t.cred
    if not cred.effective >> CAP_CHOWN & 1 or (cred.user_ns is not INIT_USER_NS and not _mapped(cred.user_ns, owned)):
        if uid != UNCHANGED and (cred.fsuid != owned.uid or uid != owned.uid):
            raise Errno.EPERM
        if gid != UNCHANGED and (cred.fsuid != owned.uid or not (cred.in_group(gid) or gid == owned.gid)):
            raise Errno.EPERM


def _mapped(ns: UserNamespace, owned: Inode | Stat) -> bool:
    """Tell whether owner and group have numbers in ``ns`` (privileged_wrt_inode_uidgid)."""
    return ns.uid_map.up(owned.uid) != INVALID_ID and ns.gid_map.up(owned.gid) != INVALID_ID


def owner_ids(t: Thread, uid: int, gid: int) -> tuple[int, int]:
    """Return the kernel ids of the arguments of chown(2), UNCHANGED kept.  EINVAL: an id is not mapped."""
    ns = t.cred.user_ns
    if ns is INIT_USER_NS:
        return uid, gid
    kuid, kgid = make_kuid(ns, uid), make_kgid(ns, gid)
    if (kuid == INVALID_ID and uid != UNCHANGED) or (kgid == INVALID_ID and gid != UNCHANGED):
        raise Errno.EINVAL
    return kuid, kgid


def chown(t: Thread, where: Path, uid: int, gid: int) -> None:
    """Set owner and group; 2**32-1 leaves one as it is.  EPERM.

    Set-id bits of files (not directories) are dropped (chown(2)).
    """
    where.mount.want_write()
    inode = where.dentry.inode
    uid, gid = owner_ids(t, uid, gid)
    may_chown(t, inode, uid, gid)
    inode.set_owner(t, -1 if uid == UNCHANGED else uid, -1 if gid == UNCHANGED else gid)
    if not inode.is_dir and inode.mode & (S_ISUID | S_ISGID):
        mode = inode.mode & ~S_ISUID
        if mode & 0o010:
            mode &= ~S_ISGID
        if mode != inode.mode:
            inode.set_mode(t, mode & 0o7777)


TimePair = tuple[tuple[int, int], tuple[int, int]]
"""Access and modification time, (seconds, nanoseconds) each."""


def check_times(times: TimePair | None) -> None:
    """EINVAL for nanoseconds that are none."""
    if times is not None:
        for _, ns in times:
            if not 0 <= ns < NS and ns not in (UTIME_NOW, UTIME_OMIT):
                raise Errno.EINVAL


def utimes(t: Thread, where: Path, times: TimePair | None) -> None:
    """Set access and modification time from (seconds, nanoseconds) pairs, both to now if ``times`` is None.

    Nanoseconds may be UTIME_NOW or UTIME_OMIT.  Setting to now needs write permission or ownership, else ownership.
    """
    check_times(times)
    inode = where.dentry.inode
    now = inode.now()
    if times is None:
        atime: int | None = now
        mtime: int | None = now
        touch = True
    else:
        if times[0][1] == UTIME_OMIT and times[1][1] == UTIME_OMIT:
            return
        atime, mtime = (
            now if ns == UTIME_NOW else None if ns == UTIME_OMIT else seconds * NS + ns for seconds, ns in times
        )
        touch = times[0][1] == UTIME_NOW and times[1][1] == UTIME_NOW
    where.mount.want_write()
    if not inode.owner_or_capable(t):
        if not touch:
            raise Errno.EPERM
        inode.permission(t, MAY_WRITE)
    inode.set_times(t, atime, mtime)


def truncate(
    t: Thread, where: Path, size: int, may_grow: Callable[[Thread, int, int], None] = lambda t, old, new: None
) -> None:
    """Set the size of a file by path (vfs_truncate).  EISDIR, EINVAL, EACCES, EROFS, ETXTBSY.

    ``may_grow(t, old, new)`` is asked when nothing else is in the way (inode_newsize_ok).
    """
    inode = where.dentry.inode
    if inode.is_dir:
        raise Errno.EISDIR
    if inode.mode & S_IFMT != S_IFREG:
        raise Errno.EINVAL
    where.mount.want_write()
    inode.permission(t, MAY_WRITE)
    inode.get_write_access()
    try:
        may_grow(t, inode.size(), size)
        inode.truncate(t, size)
    finally:
        inode.writers -= 1


def access(t: Thread, where: Path, mask: int) -> None:
    """Check a place for MAY_* bits with the credentials of ``t`` (do_faccessat).  EACCES, EROFS."""
    inode = where.dentry.inode
    if mask & MAY_EXEC and inode.mode & S_IFMT == S_IFREG and where.mount.flags & MS_NOEXEC:
        raise Errno.EACCES
    inode.permission(t, mask & (MAY_READ | MAY_WRITE | MAY_EXEC))
    if mask & MAY_WRITE and is_on_disk(inode) and where.mount.read_only:
        raise Errno.EROFS


def is_on_disk(inode: Inode) -> bool:
    """Tell whether writing to the object changes its file system: not so for devices, pipes and sockets."""
    return inode.mode & S_IFMT == S_IFREG or inode.is_dir or inode.is_symlink
