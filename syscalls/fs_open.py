"""Opening and closing files: open, openat, openat2, creat, close, dup and relatives, memfd_create, umask."""

from __future__ import annotations

from types import GeneratorType
from typing import TYPE_CHECKING, Annotated, cast

from kernel.errno import Errno
from kernel.fs.fdtable import install_fd
from kernel.fs.file import O_CLOEXEC, O_CREAT, O_PATH, O_TRUNC, O_WRONLY, File
from kernel.fs.memfd import check_memfd_flags, make_memfd
from kernel.fs.open import VALID_FLAGS, OpenHow, check_how, open_file
from kernel.fs.path import (
    AT_FDCWD,
    RESOLVE_ALL,
    RESOLVE_BENEATH,
    RESOLVE_CACHED,
    RESOLVE_IN_ROOT,
)
from kernel.rlimit import RLIMIT_NOFILE
from syscalls.structs import Struct
from syscalls.table import syscall
from syscalls.types import CreateMode, CString, DirFd, Fd, Mode, Path, PathPtr, Size, UInt, flags, get_name, in_struct

if TYPE_CHECKING:
    from kernel.task import Thread
    from kernel.waitqueue import Blocking

OpenFlags = Annotated[int, flags("open")]
DupFlags = Annotated[int, flags("open_bits")]
CloseRangeFlags = Annotated[int, flags("close_range", "({} & 0xffffffff)")]
MemfdFlags = Annotated[int, flags("memfd", "({} & 0xffffffff)")]
How = Annotated[int, in_struct("open_how")]

OPEN_HOW = Struct("open_how", ("flags", "Q"), ("mode", "Q"), ("resolve", "Q"))

CLOSE_RANGE_UNSHARE = 2
CLOSE_RANGE_CLOEXEC = 4

MFD_CLOEXEC = 1
MFD_NAME_MAX = 249


def do_open(t: Thread, dirfd: int, name: bytes, how: OpenHow) -> int | Blocking[int]:
    """Open a file and return its descriptor."""
    file = open_file(t, dirfd, name, how)
    if isinstance(file, GeneratorType):
        return _open_slow(t, file, how.flags)
    return install_fd(t, cast(File, file), how.flags)


def _open_slow(t: Thread, waiting: Blocking[File], bits: int) -> Blocking[int]:
    file = yield from waiting
    return install_fd(t, file, bits)


@syscall(2)
def open_(t: Thread, path: PathPtr, flags: OpenFlags, mode: CreateMode) -> int | Blocking[int]:
    """open(2)."""
    how = check_how(flags, mode)
    return do_open(t, AT_FDCWD, get_name(t, path), how)


@syscall(257)
def openat(t: Thread, dirfd: DirFd, path: PathPtr, flags: OpenFlags, mode: CreateMode) -> int | Blocking[int]:
    """openat(2)."""
    how = check_how(flags, mode)
    return do_open(t, dirfd, get_name(t, path), how)


@syscall(85)
def creat(t: Thread, path: Path, mode: Mode) -> int | Blocking[int]:
    """creat(2)."""
    return do_open(t, AT_FDCWD, path, check_how(O_CREAT | O_WRONLY | O_TRUNC, mode))


@syscall(437)
def openat2(t: Thread, dirfd: DirFd, path: PathPtr, how: How, size: Size) -> int | Blocking[int]:
    """openat2(2): unlike openat, unknown flags and a mode without creation are errors."""
    mm = t.mm
    assert mm is not None
    if size < OPEN_HOW.size:
        raise Errno.EINVAL
    if size > 4096:
        raise Errno.E2BIG
    if any(mm.read(how + OPEN_HOW.size, size - OPEN_HOW.size)):
        raise Errno.E2BIG
    bits, mode, resolve = OPEN_HOW.read(mm, how)
    if bits & ~VALID_FLAGS or resolve & ~RESOLVE_ALL:
        raise Errno.EINVAL
    if resolve & RESOLVE_BENEATH and resolve & RESOLVE_IN_ROOT:
        raise Errno.EINVAL
    if mode and (mode & ~0o7777 or not bits & (O_CREAT | 0o20000000)):
        raise Errno.EINVAL
    checked = check_how(bits, mode)
    if bits & O_PATH and checked.flags != bits:
        raise Errno.EINVAL
    if resolve & RESOLVE_CACHED:
        # Only walks that need no I/O may succeed.  Ours never wait, but creating and truncating count as such.
        if bits & (O_TRUNC | O_CREAT | 0o20000000):
            raise Errno.EAGAIN
        resolve &= ~RESOLVE_CACHED
    return do_open(t, dirfd, get_name(t, path), OpenHow(checked.flags, checked.mode, resolve))


@syscall(3)
def close(t: Thread, fd: Fd) -> None:
    """close(2)."""
    t.files.close(t, fd)


@syscall(436)
def close_range(t: Thread, first: UInt, last: UInt, flags: CloseRangeFlags) -> None:
    """close_range(2): close, or mark close-on-exec, all descriptors from first to last."""
    if flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) or first > last:
        raise Errno.EINVAL
    if flags & CLOSE_RANGE_UNSHARE and t.files.users > 1:
        shared, t.files = t.files, t.files.copy()
        shared.put(t)
    files = t.files
    if flags & CLOSE_RANGE_CLOEXEC:
        for fd in files.open_fds():
            if first <= fd <= last:
                files.set_cloexec(fd, True)
    else:
        files.close_range(t, first, last)


@syscall(32)
def dup(t: Thread, fd: Fd) -> int:
    """dup(2)."""
    return install_fd(t, t.files.get(fd, True).hold())


@syscall(33)
def dup2(t: Thread, oldfd: Fd, newfd: Fd) -> int:
    """dup2(2): with equal descriptors only a check."""
    if oldfd == newfd:
        t.files.get(oldfd, True)
        return newfd
    return _dup_to(t, oldfd, newfd, False)


@syscall(292)
def dup3(t: Thread, oldfd: Fd, newfd: Fd, flags: DupFlags) -> int:
    """dup3(2): dup2 with O_CLOEXEC; equal descriptors are an error."""
    if flags & ~O_CLOEXEC or oldfd == newfd:
        raise Errno.EINVAL
    return _dup_to(t, oldfd, newfd, bool(flags & O_CLOEXEC))


def _dup_to(t: Thread, oldfd: int, newfd: int, cloexec: bool) -> int:
    if not 0 <= newfd < t.process.rlimits.soft(RLIMIT_NOFILE):
        raise Errno.EBADF
    file = t.files.get(oldfd, True)
    t.files.replace(t, newfd, file.hold(), cloexec)
    return newfd


@syscall(95)
def umask(t: Thread, mask: Mode) -> int:
    """umask(2)."""
    old = t.fs.umask
    t.fs.umask = mask & 0o777
    return old


@syscall(319)
def memfd_create(t: Thread, name: CString, flags: MemfdFlags) -> int:
    """memfd_create(2)."""
    check_memfd_flags(flags)
    mm = t.mm
    assert mm is not None
    text = mm.read_cstring(name, MFD_NAME_MAX + 1)
    if text is None:
        raise Errno.EINVAL
    return install_fd(t, make_memfd(t, text, flags), O_CLOEXEC if flags & MFD_CLOEXEC else 0)
