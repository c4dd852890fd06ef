"""Looking: stat, statx, statfs, access, readlink, getdents, getcwd, chdir, chroot."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Annotated

from kernel.cred import CAP_SYS_CHROOT, Cred
from kernel.errno import Errno
from kernel.fs.attr import access as check_access
from kernel.fs.dirops import current_directory
from kernel.fs.dirops import readlink as read_link
from kernel.fs.file import Stat
from kernel.fs.inode import MAY_EXEC, Inode, Statfs, major, minor
from kernel.fs.mount import MOUNT_FLAGS, Mount
from kernel.fs.path import (
    AT_EACCESS,
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_NO_AUTOMOUNT,
    AT_SYMLINK_NOFOLLOW,
    Walk,
    lookup,
    path_name,
)
from kernel.user_ns import INIT_USER_NS, gid_for, make_kuid, uid_for
from syscalls.structs import Struct
from syscalls.table import syscall
from syscalls.types import DirFd, Fd, Int, Path, PathPtr, Size, UInt, custom, flags, get_name, out_struct

if TYPE_CHECKING:
    from kernel.task import Thread

AtFlags = Annotated[int, flags("at")]
StatBuf = Annotated[int, out_struct("stat")]
StatxBuf = Annotated[int, out_struct("statx")]
StatxMask = Annotated[int, flags("statx_mask", "({} & 0xffffffff)")]
StatfsBuf = Annotated[int, out_struct("statfs")]
StatxFlags = Annotated[int, custom("statx_flags", "((({} & 0xffffffff) ^ 0x80000000) - 0x80000000)")]
OutName = Annotated[int, custom("outname", out=True)]
AccessFlags = Annotated[int, flags("at_access")]
AccessMode = Annotated[int, flags("access")]
Dirents = Annotated[int, custom("dirents", out=True)]
LinkText = Annotated[int, custom("outpath", out=True)]

NS = 10**9

STAT = Struct(
    "stat",
    ("st_dev", "Q"), ("st_ino", "Q"), ("st_nlink", "Q"), ("st_mode", "I"), ("st_uid", "I"), ("st_gid", "I"), ("", "4x"),
    ("st_rdev", "Q"), ("st_size", "q"), ("st_blksize", "q"), ("st_blocks", "q"),
    ("st_atime", "q"), ("st_atime_nsec", "q"), ("st_mtime", "q"), ("st_mtime_nsec", "q"), ("st_ctime", "q"),
    ("st_ctime_nsec", "q"), ("", "24x"),
)  # fmt: skip

STATX = Struct(
    "statx",
    ("stx_mask", "I"), ("stx_blksize", "I"), ("stx_attributes", "Q"), ("stx_nlink", "I"), ("stx_uid", "I"), ("stx_gid", "I"),
    ("stx_mode", "H"), ("", "2x"), ("stx_ino", "Q"), ("stx_size", "Q"), ("stx_blocks", "Q"), ("stx_attributes_mask", "Q"),
    ("atime_sec", "q"), ("atime_nsec", "I"), ("", "4x"), ("btime_sec", "q"), ("btime_nsec", "I"), ("", "4x"),
    ("ctime_sec", "q"), ("ctime_nsec", "I"), ("", "4x"), ("mtime_sec", "q"), ("mtime_nsec", "I"), ("", "4x"),
    ("rdev_major", "I"), ("rdev_minor", "I"), ("dev_major", "I"), ("dev_minor", "I"), ("stx_mnt_id", "Q"), ("", "104x"),
)  # fmt: skip

STATFS = Struct(
    "statfs",
    ("f_type", "q"), ("f_bsize", "q"), ("f_blocks", "Q"), ("f_bfree", "Q"), ("f_bavail", "Q"), ("f_files", "Q"),
    ("f_ffree", "Q"), ("f_fsid", "Q"), ("f_namelen", "q"), ("f_frsize", "q"), ("f_flags", "q"), ("", "32x"),
)  # fmt: skip

STATX_BASIC_STATS = 0x7FF
STATX_BTIME = 0x800
STATX_MNT_ID = 0x1000
STATX_RESERVED = 0x80000000
STATX_ATTR_MOUNT_ROOT = 0x2000

ST_VALID = 0x20
ST_RELATIME = 0x1000
ST_NOSYMFOLLOW = 0x2000
_ST_FLAGS = (
    (0x1, 0x1), (0x2, 0x2), (0x4, 0x4), (0x8, 0x8), (0x400, 0x400), (0x800, 0x800),
    (0x200000, ST_RELATIME), (0x100, ST_NOSYMFOLLOW),
)  # fmt: skip
"""MS_* flag of a mount -> ST_* flag of statfs(2)."""

_PACK_STAT = STAT.format.pack


def _put_stat(t: Thread, address: int, s: Stat) -> None:
    uid, gid = s.uid, s.gid
    if t.cred.user_ns is not INIT_USER_NS:
        uid, gid = uid_for(t, uid), gid_for(t, gid)
    t.mm.write(  # type: ignore[union-attr]
        address,
        _PACK_STAT(
            s.dev, s.ino, s.nlink, s.mode, uid, gid, s.rdev, s.size, s.blksize, s.blocks,
            s.atime // NS, s.atime % NS, s.mtime // NS, s.mtime % NS, s.ctime // NS, s.ctime % NS,
        ),
    )  # fmt: skip


def stat_at(t: Thread, dirfd: int, name: bytes, bits: int) -> Stat:
    """Return the attributes of a file; ``bits``: AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH (vfs_fstatat)."""
    if not name and bits & AT_EMPTY_PATH and dirfd != AT_FDCWD:
        return t.files.get(dirfd, True).stat(t)
    return lookup(t, dirfd, name, not bits & AT_SYMLINK_NOFOLLOW, bool(bits & AT_EMPTY_PATH)).dentry.inode.stat(t)


@syscall(4)
def stat(t: Thread, path: Path, statbuf: StatBuf) -> None:
    """stat(2)."""
    _put_stat(t, statbuf, stat_at(t, AT_FDCWD, path, 0))


@syscall(5)
def fstat(t: Thread, fd: Fd, statbuf: StatBuf) -> None:
    """fstat(2)."""
    _put_stat(t, statbuf, t.files.get(fd, True).stat(t))


@syscall(6)
def lstat(t: Thread, path: Path, statbuf: StatBuf) -> None:
    """lstat(2)."""
    _put_stat(t, statbuf, stat_at(t, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW))


AT_STATX_SYNC_TYPE = 0x6000


@syscall(262)
def newfstatat(t: Thread, dirfd: DirFd, path: PathPtr, statbuf: StatBuf, flags: AtFlags) -> None:
    """fstatat(2).  With AT_EMPTY_PATH the path may be NULL (Linux 6.11)."""
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE):
        raise Errno.EINVAL
    name = b"" if not path and flags & AT_EMPTY_PATH else get_name(t, path)
    _put_stat(t, statbuf, stat_at(t, dirfd, name, flags))


@syscall(332)
def statx(t: Thread, dirfd: DirFd, path: PathPtr, flags: StatxFlags, mask: StatxMask, buffer: StatxBuf) -> None:
    """statx(2)."""
    if mask & STATX_RESERVED or flags & 0x6000 == 0x6000 or flags & ~0x7900:
        raise Errno.EINVAL
    name = b"" if not path and flags & AT_EMPTY_PATH else get_name(t, path)
    mount_id = 0
    attributes = 0
    if not name and flags & AT_EMPTY_PATH and dirfd != AT_FDCWD:
        file = t.files.get(dirfd, True)
        s = file.stat(t)
        where = file.where()
    else:
        where = lookup(t, dirfd, name, not flags & AT_SYMLINK_NOFOLLOW, bool(flags & AT_EMPTY_PATH))
        s = where.dentry.inode.stat(t)
    if where is not None:
        mount_id = where.mount.id
        if where.dentry is where.mount.root:
            attributes = STATX_ATTR_MOUNT_ROOT
    STATX.write(
        t.mm,  # type: ignore[arg-type]
        buffer, STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, s.blksize, attributes, s.nlink, uid_for(t, s.uid),
        gid_for(t, s.gid), s.mode, s.ino, s.size, s.blocks, STATX_ATTR_MOUNT_ROOT, s.atime // NS, s.atime % NS,
        s.btime // NS, s.btime % NS, s.ctime // NS, s.ctime % NS, s.mtime // NS, s.mtime % NS, major(s.rdev), minor(s.rdev),
        major(s.dev), minor(s.dev), mount_id,
    )  # fmt: skip


# -- file systems ------------------------------------------------------------------------------------------------------
def _put_statfs(t: Thread, address: int, s: Statfs, mount: Mount | None) -> None:
    bits = ST_VALID
    if mount is not None:
        for mount_flag, flag in _ST_FLAGS:
            if mount.flags & MOUNT_FLAGS & mount_flag:
                bits |= flag
        if mount.read_only:
            bits |= 1
    STATFS.write(
        t.mm,  # type: ignore[arg-type]
        address, s.type, s.bsize, s.blocks, s.bfree, s.bavail, s.files, s.ffree, s.fsid, s.namelen, s.bsize, bits,
    )  # fmt: skip


@syscall(137)
def statfs(t: Thread, path: Path, buf: StatfsBuf) -> None:
    """statfs(2)."""
    where = lookup(t, AT_FDCWD, path)
    _put_statfs(t, buf, where.dentry.inode.fs.statfs(), where.mount)


@syscall(138)
def fstatfs(t: Thread, fd: Fd, buf: StatfsBuf) -> None:
    """fstatfs(2)."""
    file = t.files.get(fd, True)
    inode = file.inode()
    where = file.where()
    if inode is None:
        # Pipes, sockets and anonymous inodes live in file systems without sizes.
        _put_statfs(t, buf, Statfs(_magic_of(file.path(t)), 4096, 0, 0, 0, 0, 0, 0, 255), None)
        return
    _put_statfs(t, buf, inode.fs.statfs(), where.mount if where is not None else None)


def _magic_of(name: bytes) -> int:
    """Return the magic of the hidden file system a nameless file is of (magic.h)."""
    if name.startswith(b"pipe:"):
        return 0x50495045
    if name.startswith(b"socket:"):
        return 0x534F434B
    return 0x09041934


# -- access ------------------------------------------------------------------------------------------------------------
def _as_real_user(cred: Cred) -> Cred:
    """Return the credentials access(2) checks with: real ids, and capabilities as an exec would leave them
    (access_override_creds)."""
    effective = cred.effective
    if not cred.securebits & 4:
        effective = cred.permitted if cred.uid == make_kuid(cred.user_ns, 0) else 0
    return cred._replace(fsuid=cred.uid, fsgid=cred.gid, effective=effective)


def _access(t: Thread, dirfd: int, path: int, mode: int, bits: int) -> None:
    """do_faccessat: mode and flags are checked before the name is fetched."""
    if mode & ~7 or bits & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise Errno.EINVAL
    name = get_name(t, path)
    cred = t.cred
    if not bits & AT_EACCESS and (cred.fsuid != cred.uid or cred.fsgid != cred.gid or (cred.effective and cred.uid)):
        t.cred = _as_real_user(cred)
    try:
        if not name and bits & AT_EMPTY_PATH and dirfd != AT_FDCWD:
            file = t.files.get(dirfd, True)
            inode: Inode | None = file.inode()
            where = file.where()
            if where is not None:
                check_access(t, where, mode)
            elif inode is not None:
                inode.permission(t, mode)
            return
        where = lookup(t, dirfd, name, not bits & AT_SYMLINK_NOFOLLOW, bool(bits & AT_EMPTY_PATH))
        check_access(t, where, mode)
    finally:
        t.cred = cred


@syscall(21)
def access(t: Thread, path: PathPtr, mode: AccessMode) -> None:
    """access(2)."""
    _access(t, AT_FDCWD, path, mode, 0)


@syscall(269)
def faccessat(t: Thread, dirfd: DirFd, path: PathPtr, mode: AccessMode) -> None:
    """faccessat(2) without flags, as the kernel's call is."""
    _access(t, dirfd, path, mode, 0)


@syscall(439)
def faccessat2(t: Thread, dirfd: DirFd, path: PathPtr, mode: AccessMode, flags: AccessFlags) -> None:
    """faccessat2(2)."""
    _access(t, dirfd, path, mode, flags)


# -- links and directories ---------------------------------------------------------------------------------------------
@syscall(89)
def readlink(t: Thread, path: PathPtr, buf: LinkText, bufsiz: Int) -> int:
    """readlink(2)."""
    return _readlink(t, AT_FDCWD, path, buf, bufsiz)


@syscall(267)
def readlinkat(t: Thread, dirfd: DirFd, path: PathPtr, buf: LinkText, bufsiz: Int) -> int:
    """readlinkat(2)."""
    return _readlink(t, dirfd, path, buf, bufsiz)


def _readlink(t: Thread, dirfd: int, path: int, buffer: int, size: int) -> int:
    if size <= 0:
        raise Errno.EINVAL
    text = read_link(t, dirfd, get_name(t, path))[:size]
    t.mm.write(buffer, text)  # type: ignore[union-attr]
    return len(text)


_DIRENT64 = struct.Struct("<QqHB")
_DIRENT = struct.Struct("<QqH")


@syscall(217)
def getdents64(t: Thread, fd: Fd, dirp: Dirents, count: UInt) -> int:
    """getdents64(2): records of inode, next position, length, type, name; each a multiple of 8 bytes long."""
    return _getdents(t, fd, dirp, count, False)


@syscall(78)
def getdents(t: Thread, fd: Fd, dirp: Dirents, count: UInt) -> int:
    """getdents(2), the old layout: the type is the last byte of the record."""
    return _getdents(t, fd, dirp, count, True)


def _getdents(t: Thread, fd: int, buffer: int, count: int, old: bool) -> int:
    file = t.files.get(fd)
    if count >> 31:
        count = 0  # kept as an int: nothing fits
    entries = file.getdents(t)
    position = file.pos
    out = bytearray()
    for entry in entries:
        # 19 bytes of header and a NUL, or 18, a NUL and the type.
        length = (len(entry.name) + 20 + 7) & ~7
        if len(out) + length > count:
            if not out:
                raise Errno.EINVAL
            break
        position += 1
        if old:
            record = _DIRENT.pack(entry.ino, position, length) + entry.name
            out += record.ljust(length - 1, b"\0") + bytes((entry.type,))
        else:
            out += (_DIRENT64.pack(entry.ino, position, length, entry.type) + entry.name).ljust(length, b"\0")
    if out:
        t.mm.write(buffer, out)  # type: ignore[union-attr]
        file.pos = position
    return len(out)


@syscall(79)
def getcwd(t: Thread, buf: OutName, size: Size) -> int:
    """getcwd(2): returns the length with the NUL.  ENOENT if the directory is gone, ERANGE if it does not fit."""
    name, reached = path_name(current_directory(t), t.fs.root)
    if not reached:
        name = b"(unreachable)" + name
    data = name + b"\0"
    if len(data) > 4096:
        raise Errno.ENAMETOOLONG
    if len(data) > size:
        raise Errno.ERANGE
    t.mm.write(buf, data)  # type: ignore[union-attr]
    return len(data)


@syscall(80)
def chdir(t: Thread, path: Path) -> None:
    """chdir(2)."""
    walk = Walk(t, AT_FDCWD, path)
    walk.to_end(True)
    if not walk.dentry.inode.is_dir:
        raise Errno.ENOTDIR
    walk.dentry.inode.permission(t, MAY_EXEC)
    t.fs.cwd = walk.path


@syscall(81)
def fchdir(t: Thread, fd: Fd) -> None:
    """fchdir(2)."""
    where = t.files.get(fd, True).where()
    if where is None or not where.dentry.inode.is_dir:
        raise Errno.ENOTDIR
    where.dentry.inode.permission(t, MAY_EXEC)
    t.fs.cwd = where


@syscall(161)
def chroot(t: Thread, path: Path) -> None:
    """chroot(2).  EPERM without CAP_SYS_CHROOT."""
    walk = Walk(t, AT_FDCWD, path)
    walk.to_end(True)
    if not walk.dentry.inode.is_dir:
        raise Errno.ENOTDIR
    walk.dentry.inode.permission(t, MAY_EXEC)
    if not t.cred.ns_capable(t.cred.user_ns, CAP_SYS_CHROOT):
        raise Errno.EPERM
    t.fs.root = walk.path
