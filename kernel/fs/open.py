"""open(2): from a name and flags to an open file (do_filp_open).

The rules stand in the order in which path_openat checks them, which decides the error when several apply.
"""

from __future__ import annotations

from types import GeneratorType
from typing import TYPE_CHECKING, NamedTuple

from kernel.errno import Errno
from kernel.fs.file import (
    O_ACCMODE,
    O_CLOEXEC,
    O_CREAT,
    O_DIRECT,
    O_DIRECTORY,
    O_EXCL,
    O_LARGEFILE,
    O_NOATIME,
    O_NOCTTY,
    O_NOFOLLOW,
    O_PATH,
    O_TMPFILE,
    O_TRUNC,
    File,
)
from kernel.fs.inode import (
    MAY_EXEC,
    MAY_READ,
    MAY_WRITE,
    S_IFBLK,
    S_IFCHR,
    S_IFDIR,
    S_IFIFO,
    S_IFLNK,
    S_IFMT,
    S_IFREG,
    S_IFSOCK,
    Dentry,
    Inode,
)
from kernel.fs.mount import MS_NODEV, Mount, Path, cross
from kernel.fs.path import Walk
from kernel.fs.regular import PathFile
from kernel.user_ns import INIT_USER_NS, INVALID_ID, from_kgid, from_kuid

if TYPE_CHECKING:
    from kernel.task import Thread
    from kernel.waitqueue import Blocking

ACCESS = (MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE)
"""What O_ACCMODE asks of the inode's permissions; the value 3 needs both (open(2), NOTES)."""

_TMPFILE_BIT = O_TMPFILE & ~O_DIRECTORY
MAX_NON_LFS = (1 << 31) - 1
"""The largest size and position of a file opened without O_LARGEFILE, as only programs of 32 bits can."""
_NOT_KEPT = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC
VALID_FLAGS = 0o37777703


class OpenHow(NamedTuple):
    """``struct open_how``: open flags, mode of a new file, RESOLVE_* restrictions of the walk."""

    flags: int
    mode: int = 0
    resolve: int = 0


def open_file(t: Thread, dirfd: int, name: bytes, how: OpenHow) -> File | Blocking[File]:
    """Open or create a file; the caller has checked the flags (``check_how``).

    Returns a generator where the open has to wait: a FIFO without partner.  Raises every error of open(2).
    """
    try:
        return _open(t, Walk(t, dirfd, name, how.resolve), how)
    except Errno.ESTALE:
        return _open(t, Walk(t, dirfd, name, how.resolve), how)


def check_how(flags: int, mode: int, large: bool = True) -> OpenHow:
    """Apply open(2)'s and openat(2)'s leniency and check what is left (build_open_how, build_open_flags).  ``large``: as if with
    O_LARGEFILE.  EINVAL."""
    flags &= VALID_FLAGS
    if flags & O_PATH:
        flags &= O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC
    elif large:
        flags |= O_LARGEFILE
    if flags & _TMPFILE_BIT:
        if flags & O_TMPFILE != O_TMPFILE or flags & O_CREAT or flags & O_ACCMODE not in (1, 2):
            raise Errno.EINVAL
    elif flags & O_CREAT:
        if flags & O_DIRECTORY:
            raise Errno.EINVAL
    else:
        mode = 0
    return OpenHow(flags, mode & 0o7777)


def _open(t: Thread, walk: Walk, how: OpenHow) -> File | Blocking[File]:
    flags = how.flags
    follow = not flags & O_NOFOLLOW
    if flags & O_PATH:
        walk.to_end(follow)
        if flags & O_DIRECTORY and not walk.dentry.inode.is_dir:
            raise Errno.ENOTDIR
        return PathFile(Path(walk.mount, walk.dentry), flags & ~O_CLOEXEC)
    if flags & _TMPFILE_BIT:
        return _open_tmpfile(t, walk, how)
    if flags & O_CREAT:
        if flags & O_EXCL:
            follow = False
        if _find_or_create(t, walk, how, follow):
            where = Path(walk.mount, walk.dentry)
            # A new file is opened without looking at its mode (FMODE_CREATED).
            return _finish(t, where, walk.dentry.inode, flags & ~O_TRUNC)
    else:
        walk.to_end(follow)
    return _may_open(t, Path(walk.mount, walk.dentry), flags)


def _find_or_create(t: Thread, walk: Walk, how: OpenHow, follow: bool) -> bool:
    """Walk to the last component and create it if it is not there; returns whether it was created (open_last_lookups)."""
    while True:
        slash = walk.to_parent()
        name = walk.last
        if name in (b"", b".", b".."):
            if name == b"..":
                walk.dotdot()
            raise Errno.EISDIR if not how.flags & O_EXCL else Errno.EEXIST
        if slash:
            raise Errno.EISDIR
        found = walk.find_last()
        here = walk.dentry
        if found is None:
            _create(t, walk.mount, here, name, how, walk)
            return True
        if how.flags & O_EXCL:
            raise Errno.EEXIST
        mount, found = cross(walk.mount, found)
        if found.inode.is_symlink and follow:
            walk.follow(found)
            if not walk.stack:
                return False
            continue
        walk.mount, walk.dentry = mount, found
        return False


def _create(t: Thread, mount: Mount, here: Dentry, name: bytes, how: OpenHow, walk: Walk) -> None:
    mount.want_write()
    may_create(t, here)
    mode = how.mode & ~t.fs.umask
    walk.dentry = here.inode.create(t, here, name, mode)


def may_create(t: Thread, here: Dentry) -> None:
    """Check that ``t`` may add a name to a directory (may_create).  ENOENT if the directory is gone, EACCES; EOVERFLOW if what
    ``t`` makes would belong to an id that has no number in the user namespace of the file system."""
    if here.unlinked:
        raise Errno.ENOENT
    ns, cred = here.inode.fs.user_ns, t.cred
    if ns is not INIT_USER_NS and INVALID_ID in (from_kuid(ns, cred.fsuid), from_kgid(ns, cred.fsgid)):
        raise Errno.EOVERFLOW
    here.inode.permission(t, MAY_WRITE | MAY_EXEC)


def _open_tmpfile(t: Thread, walk: Walk, how: OpenHow) -> File | Blocking[File]:
    walk.to_end(True)
    here = walk.dentry
    if not here.inode.is_dir:
        raise Errno.ENOTDIR
    walk.mount.want_write()
    here.inode.permission(t, MAY_WRITE | MAY_EXEC)
    inode = here.inode.tmpfile(t, here, how.mode & ~t.fs.umask)
    dentry = Dentry(b"#%d" % inode.ino, here, inode)
    dentry.unlinked = True
    return _finish(t, Path(walk.mount, dentry), inode, how.flags)


def _may_open(t: Thread, where: Path, flags: int) -> File | Blocking[File]:
    """Check that an existing object may be opened so (may_open, handle_truncate)."""
    mount, dentry = where
    inode = dentry.inode
    kind = inode.mode & S_IFMT
    wanted = ACCESS[flags & O_ACCMODE]
    truncate = flags & O_TRUNC
    if truncate:
        wanted |= MAY_WRITE
    if kind == S_IFDIR:
        if wanted & MAY_WRITE or flags & O_CREAT:
            raise Errno.EISDIR
    elif flags & O_DIRECTORY:
        raise Errno.ENOTDIR
    elif kind == S_IFLNK:
        raise Errno.ELOOP
    elif kind in (S_IFCHR, S_IFBLK):
        if mount.flags & MS_NODEV or (mount.fs.user_ns is not INIT_USER_NS and mount.fs.type != b"devpts"):
            raise Errno.EACCES
        truncate = 0
    elif kind in (S_IFIFO, S_IFSOCK):
        truncate = 0
    if wanted & MAY_WRITE and kind == S_IFREG:
        # inode_permission: a file on a read-only file system; mnt_want_write: on a read-only mount.
        mount.want_write()
    inode.permission(t, wanted)
    if flags & O_DIRECT and kind not in (S_IFREG, S_IFBLK):
        raise Errno.EINVAL  # no FMODE_CAN_ODIRECT
    if flags & O_NOATIME and not inode.owner_or_capable(t):
        raise Errno.EPERM
    file = _finish(t, where, inode, flags)
    if truncate and kind == S_IFREG:
        assert isinstance(file, File)
        try:
            inode.get_write_access()
            try:
                inode.truncate(t, 0)
            finally:
                inode.writers -= 1
        except Errno:
            file.drop()
            raise
    return file


def _finish(t: Thread, where: Path, inode: Inode, flags: int) -> File | Blocking[File]:
    """Make the open file (do_dentry_open)."""
    kept = flags & ~_NOT_KEPT
    if not flags & (O_LARGEFILE | O_PATH) and inode.mode & S_IFMT == S_IFREG and inode.stat(t).size > MAX_NON_LFS:
        raise Errno.EOVERFLOW
    if (flags + 1) & 2 and inode.mode & S_IFMT == S_IFREG:
        inode.get_write_access()
        try:
            return inode.open(t, where, kept)
        except BaseException:
            inode.writers -= 1
            raise
    if flags & O_NOCTTY and inode.mode & S_IFMT == S_IFCHR:
        # Terminals want to know, and nobody is told later.
        file = inode.open(t, where, kept | O_NOCTTY)
        plain(file).flags &= ~O_NOCTTY
        return file
    return inode.open(t, where, kept)


def plain(file: File | Blocking[File]) -> File:
    """Return the file of an open that never waits; EIO if it would."""
    if isinstance(file, GeneratorType):
        file.close()
        raise Errno.EIO
    assert isinstance(file, File)
    return file
