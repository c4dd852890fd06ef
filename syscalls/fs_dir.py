"""Changing directories and attributes: mkdir, unlink, rename, link, chmod, chown, utimes and their relatives."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Annotated

from kernel.errno import Errno
from kernel.fs import attr, dirops
from kernel.fs.anon import AnonFile
from kernel.fs.attr import TimePair
from kernel.fs.file import File
from kernel.fs.mount import Path as Place
from kernel.fs.path import AT_EMPTY_PATH, AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_NOFOLLOW, lookup
from syscalls.table import syscall
from syscalls.types import DirFd, Fd, FileMode, Gid, Mode, Path, PathPtr, Uid, custom, flags, get_name, in_struct

if TYPE_CHECKING:
    from kernel.task import Thread

AtFlags = Annotated[int, flags("at")]
UnlinkFlags = Annotated[int, flags("at")]
LinkFlags = Annotated[int, flags("at")]
RenameFlags = Annotated[int, flags("renameat2", "({} & 0xffffffff)")]
Device = Annotated[int, custom("device", "({} & 0xffffffff)")]
Times = Annotated[int, custom("timespecs")]
TimesVal = Annotated[int, custom("timevals")]
UtimBuf = Annotated[int, in_struct("utimbuf")]



# -- names -------------------------------------------------------------------------------------------------------------
@syscall(83)
def mkdir(t: Thread, path: Path, mode: Mode) -> None:
    """mkdir(2)."""
    dirops.mkdir(t, AT_FDCWD, path, mode)


@syscall(258)
def mkdirat(t: Thread, dirfd: DirFd, path: Path, mode: Mode) -> None:
    """mkdirat(2)."""
    dirops.mkdir(t, dirfd, path, mode)


@syscall(133)
def mknod(t: Thread, path: PathPtr, mode: FileMode, dev: Device) -> None:
    """mknod(2)."""
    dirops.check_mknod_mode(mode)
    dirops.mknod(t, AT_FDCWD, get_name(t, path), mode, dev)


@syscall(259)
def mknodat(t: Thread, dirfd: DirFd, path: PathPtr, mode: FileMode, dev: Device) -> None:
    """mknodat(2)."""
    dirops.check_mknod_mode(mode)
    dirops.mknod(t, dirfd, get_name(t, path), mode, dev)


@syscall(84)
def rmdir(t: Thread, path: Path) -> None:
    """rmdir(2)."""
    dirops.rmdir(t, AT_FDCWD, path)


@syscall(87)
def unlink(t: Thread, path: Path) -> None:
    """unlink(2)."""
    dirops.unlink(t, AT_FDCWD, path)


@syscall(263)
def unlinkat(t: Thread, dirfd: DirFd, path: PathPtr, flags: UnlinkFlags) -> None:
    """unlinkat(2)."""
    if flags & ~AT_REMOVEDIR:
        raise Errno.EINVAL
    name = get_name(t, path)
    if flags:
        dirops.rmdir(t, dirfd, name)
    else:
        dirops.unlink(t, dirfd, name)


def _rename(t: Thread, olddirfd: int, oldpath: int, newdirfd: int, newpath: int, bits: int) -> None:
    """do_renameat2: the directory of the old name is looked up before it matters whether the new one could be fetched."""
    dirops.check_rename_flags(bits)
    old = get_name(t, oldpath)
    try:
        new = get_name(t, newpath)
    except Errno:
        dirops.rename_source(t, olddirfd, old)
        raise
    dirops.rename(t, olddirfd, old, newdirfd, new, bits)


@syscall(82)
def rename(t: Thread, oldpath: PathPtr, newpath: PathPtr) -> None:
    """rename(2)."""
    _rename(t, AT_FDCWD, oldpath, AT_FDCWD, newpath, 0)


@syscall(264)
def renameat(t: Thread, olddirfd: DirFd, oldpath: PathPtr, newdirfd: DirFd, newpath: PathPtr) -> None:
    """renameat(2)."""
    _rename(t, olddirfd, oldpath, newdirfd, newpath, 0)


@syscall(316)
def renameat2(
    t: Thread, olddirfd: DirFd, oldpath: PathPtr, newdirfd: DirFd, newpath: PathPtr, flags: RenameFlags
) -> None:
    """renameat2(2)."""
    _rename(t, olddirfd, oldpath, newdirfd, newpath, flags)


def _link(t: Thread, olddirfd: int, oldpath: int, newdirfd: int, newpath: int, bits: int) -> None:
    """do_linkat: the old name is looked up before it matters whether the new one could be fetched."""
    dirops.check_link_flags(bits)
    old = dirops.link_source(t, olddirfd, get_name(t, oldpath), bits)
    dirops.link(t, old, newdirfd, get_name(t, newpath))


@syscall(86)
def link(t: Thread, oldpath: PathPtr, newpath: PathPtr) -> None:
    """link(2): a symbolic link gets another name itself."""
    _link(t, AT_FDCWD, oldpath, AT_FDCWD, newpath, 0)


@syscall(265)
def linkat(t: Thread, olddirfd: DirFd, oldpath: PathPtr, newdirfd: DirFd, newpath: PathPtr, flags: LinkFlags) -> None:
    """linkat(2)."""
    _link(t, olddirfd, oldpath, newdirfd, newpath, flags)


@syscall(88)
def symlink(t: Thread, target: Path, linkpath: PathPtr) -> None:
    """symlink(2)."""
    _symlink(t, target, AT_FDCWD, linkpath)


@syscall(266)
def symlinkat(t: Thread, target: Path, newdirfd: DirFd, linkpath: PathPtr) -> None:
    """symlinkat(2)."""
    _symlink(t, target, newdirfd, linkpath)


def _symlink(t: Thread, target: bytes, dirfd: int, linkpath: int) -> None:
    if not target:
        raise Errno.ENOENT
    dirops.symlink(t, target, dirfd, get_name(t, linkpath))


# -- attributes --------------------------------------------------------------------------------------------------------
def _unplaced(t: Thread, dirfd: int, path: bytes, bits: int) -> File | None:
    """Return the file AT_EMPTY_PATH and an empty path mean if it was not opened at a place: a pipe, a socket..."""
    if path or not bits & AT_EMPTY_PATH or dirfd == AT_FDCWD:
        return None
    file = t.files.get(dirfd, True)
    return file if file.where() is None else None


def _chmod(t: Thread, dirfd: int, path: bytes, mode: int, bits: int) -> None:
    file = _unplaced(t, dirfd, path, bits)
    if file is not None:
        _chmod_file(t, file, mode)
        return
    where = lookup(t, dirfd, path, not bits & AT_SYMLINK_NOFOLLOW, bool(bits & AT_EMPTY_PATH))
    attr.chmod(t, where, mode)


def _chmod_file(t: Thread, file: File, mode: int) -> None:
    where = file.where()
    if where is not None:
        attr.chmod(t, where, mode)
    elif isinstance(file, AnonFile):
        raise Errno.EOPNOTSUPP


@syscall(90)
def chmod(t: Thread, path: Path, mode: Mode) -> None:
    """chmod(2)."""
    _chmod(t, AT_FDCWD, path, mode, 0)


@syscall(91)
def fchmod(t: Thread, fd: Fd, mode: Mode) -> None:
    """fchmod(2)."""
    _chmod_file(t, t.files.get(fd), mode)


@syscall(268)
def fchmodat(t: Thread, dirfd: DirFd, path: Path, mode: Mode) -> None:
    """fchmodat(2) without flags, as the kernel's call is."""
    _chmod(t, dirfd, path, mode, 0)


@syscall(452)
def fchmodat2(t: Thread, dirfd: DirFd, path: PathPtr, mode: Mode, flags: AtFlags) -> None:
    """fchmodat2(2)."""
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise Errno.EINVAL
    _chmod(t, dirfd, get_name(t, path), mode, flags)


def _chown(t: Thread, dirfd: int, path: bytes, uid: int, gid: int, bits: int) -> None:
    file = _unplaced(t, dirfd, path, bits)
    if file is not None:
        _chown_file(t, file, uid, gid)
        return
    where = lookup(t, dirfd, path, not bits & AT_SYMLINK_NOFOLLOW, bool(bits & AT_EMPTY_PATH))
    attr.chown(t, where, uid, gid)


def _chown_file(t: Thread, file: File, uid: int, gid: int) -> None:
    where = file.where()
    if where is not None:
        attr.chown(t, where, uid, gid)
    elif isinstance(file, AnonFile):
        raise Errno.EOPNOTSUPP
    else:
        uid, gid = attr.owner_ids(t, uid, gid)
        attr.may_chown(t, file.stat(t), uid, gid)


@syscall(92)
def chown(t: Thread, path: Path, owner: Uid, group: Gid) -> None:
    """chown(2)."""
    _chown(t, AT_FDCWD, path, owner, group, 0)


@syscall(93)
def fchown(t: Thread, fd: Fd, owner: Uid, group: Gid) -> None:
    """fchown(2)."""
    _chown_file(t, t.files.get(fd), owner, group)


@syscall(94)
def lchown(t: Thread, path: Path, owner: Uid, group: Gid) -> None:
    """lchown(2)."""
    _chown(t, AT_FDCWD, path, owner, group, AT_SYMLINK_NOFOLLOW)


@syscall(260)
def fchownat(t: Thread, dirfd: DirFd, path: PathPtr, owner: Uid, group: Gid, flags: AtFlags) -> None:
    """fchownat(2)."""
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise Errno.EINVAL
    _chown(t, dirfd, get_name(t, path), owner, group, flags)


# -- times -------------------------------------------------------------------------------------------------------------
def _utimes(t: Thread, dirfd: int, path: int, times: TimePair | None, bits: int) -> None:
    """do_utimes: without a path, the file ``dirfd`` itself."""
    where: Place | None = None
    if not path and dirfd != AT_FDCWD:
        if bits:
            raise Errno.EINVAL
        file: File | None = t.files.get(dirfd)
        assert file is not None
        where = file.where()
    else:
        if bits & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
            raise Errno.EINVAL
        name = get_name(t, path)
        file = _unplaced(t, dirfd, name, bits)
        if file is None:
            where = lookup(t, dirfd, name, not bits & AT_SYMLINK_NOFOLLOW, bool(bits & AT_EMPTY_PATH))
    if where is not None:
        attr.utimes(t, where, times)
        return
    attr.check_times(times)
    if isinstance(file, AnonFile):
        raise Errno.EOPNOTSUPP


@syscall(280)
def utimensat(t: Thread, dirfd: DirFd, path: PathPtr, times: Times, flags: AtFlags) -> None:
    """utimensat(2).  A NULL path means the file ``dirfd`` (futimens)."""
    pair: TimePair | None = None
    if times:
        a, b, c, d = struct.unpack("<qqqq", t.mm.read(times, 32))  # type: ignore[union-attr]
        pair = ((a, b), (c, d))
        if b == d == attr.UTIME_OMIT:
            return
    _utimes(t, dirfd, path, pair, flags)


def _from_timevals(t: Thread, address: int) -> TimePair | None:
    if not address:
        return None
    a, b, c, d = struct.unpack("<qqqq", t.mm.read(address, 32))  # type: ignore[union-attr]
    if not (0 <= b < 1_000_000 and 0 <= d < 1_000_000):
        raise Errno.EINVAL
    return (a, b * 1000), (c, d * 1000)


@syscall(235)
def utimes(t: Thread, path: PathPtr, times: TimesVal) -> None:
    """utimes(2)."""
    _utimes(t, AT_FDCWD, path, _from_timevals(t, times), 0)


@syscall(261)
def futimesat(t: Thread, dirfd: DirFd, path: PathPtr, times: TimesVal) -> None:
    """futimesat(2)."""
    _utimes(t, dirfd, path, _from_timevals(t, times), 0)


@syscall(132)
def utime(t: Thread, path: PathPtr, times: UtimBuf) -> None:
    """utime(2)."""
    pair: TimePair | None = None
    if times:
        a, b = struct.unpack("<qq", t.mm.read(times, 16))  # type: ignore[union-attr]
        pair = ((a, 0), (b, 0))
    _utimes(t, AT_FDCWD, path, pair, 0)
