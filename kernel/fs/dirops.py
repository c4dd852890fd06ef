"""Calls that change directories: mkdir, mknod, symlink, link, unlink, rmdir, rename (fs/namei.c).

Each walks to the parent of a name, checks in the order Linux checks, and leaves the change to the file system.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel.cred import CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_MKNOD
from kernel.errno import Errno
from kernel.fs.inode import (
    MAY_EXEC,
    MAY_READ,
    MAY_WRITE,
    S_IFBLK,
    S_IFCHR,
    S_IFDIR,
    S_IFMT,
    S_IFREG,
    S_ISGID,
    S_ISUID,
    S_ISVTX,
    Dentry,
    Inode,
)
from kernel.fs.mounting import detach_mounts, is_local_mountpoint
from kernel.fs.open import may_create
from kernel.fs.path import AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_FOLLOW, Walk, lookup

if TYPE_CHECKING:
    from kernel.fs.mount import Path
    from kernel.task import Thread

RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2
RENAME_WHITEOUT = 4

PATH_MAX = 4096
MAX_LINKS = 1 << 31

Make = Callable[["Thread", Dentry, bytes], Dentry]


def _new_name(t: Thread, dirfd: int, name: bytes, is_dir: bool, make: Make) -> Dentry:
    """Find the place of a new name and let ``make`` fill it (filename_create).

    EEXIST comes before EROFS, and both before EACCES.
    """
    walk = Walk(t, dirfd, name)
    slash = walk.to_parent()
    if walk.last in (b"", b".", b".."):
        raise Errno.EEXIST
    if walk.find_last() is not None:
        raise Errno.EEXIST
    if slash and not is_dir:
        raise Errno.ENOENT
    walk.mount.want_write()
    may_create(t, walk.dentry)
    return make(t, walk.dentry, walk.last)


def mkdir(t: Thread, dirfd: int, name: bytes, mode: int) -> None:
    """mkdirat(2)."""
    mode = mode & (0o777 | S_ISVTX) & ~t.fs.umask
    _new_name(t, dirfd, name, True, lambda t, here, last: here.inode.mkdir(t, here, last, mode))


def check_mknod_mode(mode: int) -> None:
    """EPERM for directories, EINVAL for types mknod(2) cannot make (may_mknod)."""
    kind = mode & S_IFMT or S_IFREG
    if kind == S_IFDIR:
        raise Errno.EPERM
    if kind not in (S_IFREG, S_IFCHR, S_IFBLK, 0o010000, 0o140000):
        raise Errno.EINVAL


def mknod(t: Thread, dirfd: int, name: bytes, mode: int, rdev: int) -> None:
    """mknodat(2); ``mode`` passed ``check_mknod_mode``.  EPERM for devices without CAP_MKNOD."""
    kind = mode & S_IFMT or S_IFREG
    mode = kind | mode & 0o7777 & ~t.fs.umask

    def make(t: Thread, here: Dentry, last: bytes) -> Dentry:
        # 0:0 is a whiteout and needs no privilege (vfs_mknod).
        if kind in (S_IFCHR, S_IFBLK) and not (kind == S_IFCHR and rdev == 0) and not t.cred.capable(CAP_MKNOD):
            raise Errno.EPERM
        if kind == S_IFREG:
            return here.inode.create(t, here, last, mode & 0o7777)
        return here.inode.mknod(t, here, last, mode, rdev if kind in (S_IFCHR, S_IFBLK) else 0)

    _new_name(t, dirfd, name, False, make)


def symlink(t: Thread, target: bytes, dirfd: int, name: bytes) -> None:
    """symlinkat(2).  ENOENT for an empty target."""
    if not target:
        raise Errno.ENOENT
    _new_name(t, dirfd, name, False, lambda t, here, last: here.inode.symlink(t, here, last, target))


def check_link_flags(flags: int) -> None:
    """EINVAL for flags linkat(2) does not know."""
    if flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH):
        raise Errno.EINVAL


def link_source(t: Thread, dirfd: int, name: bytes, flags: int) -> Path:
    """Find the file linkat(2) is to give another name; ``flags`` passed ``check_link_flags``."""
    empty = bool(flags & AT_EMPTY_PATH) and not name
    if empty and not t.cred.capable(CAP_DAC_READ_SEARCH):
        raise Errno.ENOENT
    return lookup(t, dirfd, name, bool(flags & AT_SYMLINK_FOLLOW), empty)


def link(t: Thread, old: Path, new_dirfd: int, new_name: bytes) -> None:
    """linkat(2)."""
    inode = old.dentry.inode
    walk = Walk(t, new_dirfd, new_name)
    slash = walk.to_parent()
    if walk.last in (b"", b".", b".."):
        raise Errno.EEXIST
    if walk.find_last() is not None:
        raise Errno.EEXIST
    if slash:
        raise Errno.ENOENT
    walk.mount.want_write()
    if old.mount is not walk.mount:
        raise Errno.EXDEV
    _may_link(t, inode)
    may_create(t, walk.dentry)
    if inode.fs is not walk.dentry.inode.fs:
        raise Errno.EXDEV
    if inode.is_dir:
        raise Errno.EPERM
    # A file without a name gets one only if O_TMPFILE made it (I_LINKABLE); what was unlinked stays so.
    if inode.nlink == 0 and not old.dentry.name.startswith(b"#"):
        raise Errno.ENOENT
    if inode.nlink >= MAX_LINKS:
        raise Errno.EMLINK
    walk.dentry.inode.link(t, walk.dentry, walk.last, inode)


def _may_link(t: Thread, inode: Inode) -> None:
    """Whoever could not write to a file may not pin it with a link of his own (may_linkat, protected_hardlinks of
    proc_sys_fs(5)).  EPERM."""
    if not inode.fs.vfs.protected_hardlinks or inode.owner_or_capable(t):
        return
    mode = inode.mode
    if mode & S_IFMT != S_IFREG or mode & S_ISUID or mode & (S_ISGID | 0o010) == S_ISGID | 0o010:
        raise Errno.EPERM
    try:
        inode.permission(t, MAY_READ | MAY_WRITE)
    except Errno.EACCES:
        raise Errno.EPERM from None


def may_delete(t: Thread, here: Dentry, victim: Dentry, is_dir: bool) -> None:
    """Check that ``t`` may remove a name (may_delete).  EACCES, EPERM (sticky), ENOTDIR, EISDIR."""
    directory = here.inode
    directory.permission(t, MAY_WRITE | MAY_EXEC)
    inode = victim.inode
    if directory.mode & S_ISVTX:
        fsuid = t.cred.fsuid
        if fsuid != inode.uid and fsuid != directory.uid and not inode.capable(t.cred, CAP_FOWNER):
            raise Errno.EPERM
    if is_dir:
        if not inode.is_dir:
            raise Errno.ENOTDIR
    elif inode.is_dir:
        raise Errno.EISDIR
    if here.unlinked:
        raise Errno.ENOENT


def unlink(t: Thread, dirfd: int, name: bytes) -> None:
    """unlinkat(2) without AT_REMOVEDIR."""
    walk = Walk(t, dirfd, name)
    slash = walk.to_parent()
    if walk.last in (b"", b".", b".."):
        raise Errno.EISDIR
    victim = walk.find_last()
    if slash:
        if victim is None:
            raise Errno.ENOENT
        raise Errno.EISDIR if victim.inode.is_dir else Errno.ENOTDIR
    if victim is None:
        walk.mount.want_write()
        raise Errno.ENOENT
    walk.mount.want_write()
    may_delete(t, walk.dentry, victim, False)
    if is_local_mountpoint(t, victim):
        raise Errno.EBUSY
    walk.dentry.inode.unlink(t, walk.dentry, victim)
    detach_mounts(t, victim)


def rmdir(t: Thread, dirfd: int, name: bytes) -> None:
    """rmdir(2), unlinkat(2) with AT_REMOVEDIR."""
    walk = Walk(t, dirfd, name)
    walk.to_parent()
    if walk.last == b"..":
        raise Errno.ENOTEMPTY
    if walk.last == b".":
        raise Errno.EINVAL
    if not walk.last:
        raise Errno.EBUSY
    walk.mount.want_write()
    victim = walk.find_last()
    if victim is None:
        raise Errno.ENOENT
    may_delete(t, walk.dentry, victim, True)
    if is_local_mountpoint(t, victim):
        raise Errno.EBUSY
    walk.dentry.inode.rmdir(t, walk.dentry, victim)
    detach_mounts(t, victim)


def check_rename_flags(flags: int) -> None:
    """EINVAL for flags renameat2(2) does not know or that exclude each other."""
    if flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT):
        raise Errno.EINVAL
    if flags & RENAME_EXCHANGE and flags & (RENAME_NOREPLACE | RENAME_WHITEOUT):
        raise Errno.EINVAL


def rename_source(t: Thread, dirfd: int, name: bytes) -> tuple[Walk, bool]:
    """Walk to the directory of the old name; return the walk and whether the name ended in a slash."""
    source = Walk(t, dirfd, name)
    return source, source.to_parent()


def rename(t: Thread, old_dirfd: int, old_name: bytes, new_dirfd: int, new_name: bytes, flags: int = 0) -> None:
    """renameat2(2); ``flags`` passed ``check_rename_flags``."""
    source, old_slash = rename_source(t, old_dirfd, old_name)
    target = Walk(t, new_dirfd, new_name)
    new_slash = target.to_parent()
    if source.mount is not target.mount:
        raise Errno.EXDEV
    if source.last in (b"", b".", b".."):
        raise Errno.EBUSY
    if target.last in (b"", b".", b".."):
        raise Errno.EEXIST if flags & RENAME_NOREPLACE else Errno.EBUSY
    source.mount.want_write()
    old = source.find_last()
    if old is None:
        raise Errno.ENOENT
    new = target.find_last()
    exchange = bool(flags & RENAME_EXCHANGE)
    if flags & RENAME_NOREPLACE and new is not None:
        raise Errno.EEXIST
    if exchange:
        if new is None:
            raise Errno.ENOENT
        if not new.inode.is_dir and new_slash:
            raise Errno.ENOTDIR
    # A trailing slash is for directories only.
    if not old.inode.is_dir:
        if old_slash or (not exchange and new_slash):
            raise Errno.ENOTDIR
    # The source may not be an ancestor of the target, nor, when it is replaced, the target one of the source.
    if target.dentry.is_under(old):
        raise Errno.EINVAL
    if new is not None and source.dentry.is_under(new):
        raise Errno.EINVAL if exchange else Errno.ENOTEMPTY
    _vfs_rename(t, source, old, target, new, flags)


def _vfs_rename(t: Thread, source: Walk, old: Dentry, target: Walk, new: Dentry | None, flags: int) -> None:
    here, there = source.dentry, target.dentry
    if new is not None and old.inode is new.inode:
        return
    is_dir = old.inode.is_dir
    exchange = bool(flags & RENAME_EXCHANGE)
    may_delete(t, here, old, is_dir)
    if new is None:
        may_create(t, there)
    else:
        may_delete(t, there, new, new.inode.is_dir if exchange else is_dir)
    if here is not there:
        # A directory that moves gets another "..": that is a write to it.
        if is_dir:
            old.inode.permission(t, MAY_WRITE)
        if exchange and new is not None and new.inode.is_dir:
            new.inode.permission(t, MAY_WRITE)
    if flags & RENAME_WHITEOUT:
        raise Errno.EINVAL
    if is_local_mountpoint(t, old) or (new is not None and is_local_mountpoint(t, new)):
        raise Errno.EBUSY
    here.inode.rename(t, here, old, there, target.last, new, exchange)
    if new is not None and not exchange:
        detach_mounts(t, new)


def readlink(t: Thread, dirfd: int, name: bytes) -> bytes:
    """readlinkat(2).  An empty name reads the link ``dirfd`` was opened on with O_PATH; ENOENT if that is no link."""
    if not name and dirfd != AT_FDCWD and t.files.get(dirfd, True).where() is None:
        raise Errno.ENOENT
    where = lookup(t, dirfd, name, follow=False, empty=dirfd != AT_FDCWD)
    inode = where.dentry.inode
    if not inode.is_symlink:
        raise Errno.ENOENT if not name else Errno.EINVAL
    return inode.readlink(t)


def current_directory(t: Thread) -> Path:
    """Return the working directory.  ENOENT if it has been removed (getcwd(2))."""
    if t.fs.cwd.dentry.unlinked:
        raise Errno.ENOENT
    return t.fs.cwd
