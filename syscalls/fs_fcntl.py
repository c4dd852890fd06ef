"""fcntl, flock and ioctl: what is asked of an open file rather than of its data."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from kernel.errno import Errno
from kernel.fs.fasync import (
    F_OWNER_PGRP,
    F_OWNER_PID,
    F_OWNER_TID,
    find_owner,
    get_own,
    owner_number,
    set_async,
    set_own,
    set_owner,
)
from kernel.fs.fdtable import install_fd
from kernel.fs.file import (
    O_APPEND,
    O_ASYNC,
    O_CLOEXEC,
    O_DIRECT,
    O_NOATIME,
    O_NONBLOCK,
    O_PATH,
    O_WRONLY,
    SEEK_CUR,
    SEEK_END,
    SEEK_SET,
    File,
)
from kernel.fs.inode import S_IFDIR, S_IFLNK, S_IFMT, S_IFREG
from kernel.fs.locks import (
    F_RDLCK,
    F_UNLCK,
    F_WRLCK,
    LOCK_EX,
    LOCK_MAND,
    LOCK_NB,
    LOCK_SH,
    LOCK_UN,
    OFFSET_MAX,
    RecordLock,
    file_locks,
)
from kernel.fs.pipe import PAGE, PipeFile
from kernel.fs.regular import RegularFile
from kernel.mm.vma import VM_MAYWRITE, VM_SHARED
from kernel.pid import ns_of, tgid_in
from kernel.rlimit import RLIMIT_NOFILE
from kernel.signal import NSIG
from kernel.user_ns import uid_for
from syscalls.structs import Struct
from syscalls.table import syscall
from syscalls.types import Fd, custom, enum, flags

if TYPE_CHECKING:
    from kernel.task import Thread
    from kernel.waitqueue import Blocking

FcntlCommand = Annotated[int, enum("fcntl", "({} & 0xffffffff)")]
FcntlArgument = Annotated[int, custom("fcntl_arg")]
FlockOperation = Annotated[int, flags("flock")]
IoctlCommand = Annotated[int, custom("ioctl_cmd", "({} & 0xffffffff)")]
IoctlArgument = Annotated[int, custom("ioctl_arg")]

FLOCK = Struct(
    "flock", ("l_type", "h"), ("l_whence", "h"), ("", "4x"), ("l_start", "q"), ("l_len", "q"), ("l_pid", "i"), ("", "4x")
)
F_OWNER_EX = Struct("f_owner_ex", ("type", "i"), ("pid", "i"))

FD_CLOEXEC = 1

F_DUPFD = 0
F_GETFD = 1
F_SETFD = 2
F_GETFL = 3
F_SETFL = 4
F_GETLK = 5
F_SETLK = 6
F_SETLKW = 7
F_SETOWN = 8
F_GETOWN = 9
F_SETSIG = 10
F_GETSIG = 11
F_SETOWN_EX = 15
F_GETOWN_EX = 16
F_GETOWNER_UIDS = 17
F_OFD_GETLK = 36
F_OFD_SETLK = 37
F_OFD_SETLKW = 38
F_GETLEASE = 1025
F_DUPFD_QUERY = 1027
F_DUPFD_CLOEXEC = 1030
F_SETPIPE_SZ = 1031
F_GETPIPE_SZ = 1032
F_ADD_SEALS = 1033
F_GET_SEALS = 1034

SETFL_MASK = O_APPEND | O_DIRECT | O_NOATIME | O_NONBLOCK

FIONCLEX = 0x5450
FIOCLEX = 0x5451
FIONBIO = 0x5421
FIOASYNC = 0x5452
FIOQSIZE = 0x5460


def _dupfd(t: Thread, fd: int, file: File, argument: int) -> int:
    return _dup_from(t, file, argument, 0)


def _dupfd_cloexec(t: Thread, fd: int, file: File, argument: int) -> int:
    return _dup_from(t, file, argument, O_CLOEXEC)


def _dup_from(t: Thread, file: File, lowest: int, bits: int) -> int:
    lowest &= 0xFFFFFFFF
    if lowest >= t.process.rlimits.soft(RLIMIT_NOFILE):
        raise Errno.EINVAL
    return install_fd(t, file.hold(), bits, lowest)


def _getfd(t: Thread, fd: int, file: File, argument: int) -> int:
    return FD_CLOEXEC if t.files.is_cloexec(fd) else 0


def _setfd(t: Thread, fd: int, file: File, argument: int) -> int:
    t.files.set_cloexec(fd, bool(argument & FD_CLOEXEC))
    return 0


def _getfl(t: Thread, fd: int, file: File, argument: int) -> int:
    return file.flags


def _setfl(t: Thread, fd: int, file: File, argument: int) -> int:
    if argument & O_NOATIME and not file.flags & O_NOATIME:
        inode = file.inode()
        if inode is not None and not inode.owner_or_capable(t):
            raise Errno.EPERM
    if (file.flags ^ argument) & O_ASYNC:
        set_async(t, file, fd, bool(argument & O_ASYNC))
    file.flags = file.flags & ~SETFL_MASK | argument & SETFL_MASK
    return 0


# -- record locks ------------------------------------------------------------------------------------------------------
def _range(t: Thread, file: File, whence: int, start: int, length: int) -> tuple[int, int]:
    """Turn l_whence, l_start, l_len into a first and a last byte (flock_to_posix_lock)."""
    if whence == SEEK_CUR:
        start += file.pos
    elif whence == SEEK_END:
        start += file.stat(t).size
    elif whence != SEEK_SET:
        raise Errno.EINVAL
    if start > OFFSET_MAX:
        raise Errno.EOVERFLOW
    if start < 0:
        raise Errno.EINVAL
    if length > 0:
        if length - 1 > OFFSET_MAX - start:
            raise Errno.EOVERFLOW
        return start, start + length - 1
    if length < 0:
        if start + length < 0:
            raise Errno.EINVAL
        return start + length, start - 1
    return start, OFFSET_MAX


def _request(t: Thread, file: File, argument: int, ofd: bool) -> RecordLock:
    kind, whence, start, length, pid = FLOCK.read(t.mm, argument)  # type: ignore[arg-type]
    if ofd and pid:
        raise Errno.EINVAL
    first, last = _range(t, file, whence, start, length)
    if kind not in (F_RDLCK, F_WRLCK, F_UNLCK):
        raise Errno.EINVAL
    return RecordLock(first, last, kind, file if ofd else t.files, None if ofd else t.process, file)


def _get_lock(t: Thread, file: File, argument: int, ofd: bool) -> int:
    wanted = _request(t, file, argument, ofd)
    if wanted.kind == F_UNLCK and not ofd:
        raise Errno.EINVAL
    locks = file_locks(file, t.kernel.vfs.locks)
    # F_UNLCK asks an OFD for its own locks (posix_test_lock_ofd, Linux 6.9).
    found = locks.held_by(wanted) if wanted.kind == F_UNLCK else locks.conflict(wanted)
    mm = t.mm
    assert mm is not None
    if found is None:
        mm.write(argument, struct.pack("<h", F_UNLCK) + mm.read(argument + 2, FLOCK.size - 2))
        return 0
    length = 0 if found.end == OFFSET_MAX else found.end - found.start + 1
    pid = -1 if found.process is None else tgid_in(found.process, ns_of(t))
    FLOCK.write(mm, argument, found.kind, SEEK_SET, found.start, length, pid)
    return 0


def _set_lock(t: Thread, file: File, argument: int, ofd: bool, wait: bool) -> int | Blocking[int]:
    lock = _request(t, file, argument, ofd)
    if lock.kind == F_RDLCK and file.flags & O_WRONLY:
        raise Errno.EBADF
    if lock.kind == F_WRLCK and not (file.flags + 1) & 2:
        raise Errno.EBADF
    locks = file_locks(file, t.kernel.vfs.locks)
    try:
        locks.set(lock)
    except Errno.EAGAIN:
        if not wait:
            raise
        return locks.set_waiting(lock, t.kernel.vfs.locks)
    return 0


def _getlk(t: Thread, fd: int, file: File, argument: int) -> int:
    return _get_lock(t, file, argument, False)


def _setlk(t: Thread, fd: int, file: File, argument: int) -> int | Blocking[int]:
    return _set_lock(t, file, argument, False, False)


def _setlkw(t: Thread, fd: int, file: File, argument: int) -> int | Blocking[int]:
    return _set_lock(t, file, argument, False, True)


def _ofd_getlk(t: Thread, fd: int, file: File, argument: int) -> int:
    return _get_lock(t, file, argument, True)


def _ofd_setlk(t: Thread, fd: int, file: File, argument: int) -> int | Blocking[int]:
    return _set_lock(t, file, argument, True, False)


def _ofd_setlkw(t: Thread, fd: int, file: File, argument: int) -> int | Blocking[int]:
    return _set_lock(t, file, argument, True, True)


# -- the rest ----------------------------------------------------------------------------------------------------------
def _setown(t: Thread, fd: int, file: File, argument: int) -> int:
    set_own(t, file, ((argument & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000)
    return 0


def _getown(t: Thread, fd: int, file: File, argument: int) -> int:
    return get_own(t, file)


def _setsig(t: Thread, fd: int, file: File, argument: int) -> int:
    signal = argument & 0xFFFFFFFF
    if signal > NSIG:
        raise Errno.EINVAL
    file.signal = signal
    return 0


def _getsig(t: Thread, fd: int, file: File, argument: int) -> int:
    return file.signal


def _setown_ex(t: Thread, fd: int, file: File, argument: int) -> int:
    kind, number = F_OWNER_EX.read(t.mm, argument)  # type: ignore[arg-type]
    if kind not in (F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP):
        raise Errno.EINVAL
    set_owner(t, file, find_owner(t, number), kind)
    return 0


def _getown_ex(t: Thread, fd: int, file: File, argument: int) -> int:
    F_OWNER_EX.write(t.mm, argument, file.owner.kind, owner_number(t, file.owner))  # type: ignore[arg-type]
    return 0


def _getowner_uids(t: Thread, fd: int, file: File, argument: int) -> int:
    owner = file.owner
    assert t.mm is not None
    t.mm.write(argument, struct.pack("<II", uid_for(t, owner.uid), uid_for(t, owner.euid)))
    return 0


def _getlease(t: Thread, fd: int, file: File, argument: int) -> int:
    return F_UNLCK


def _dupfd_query(t: Thread, fd: int, file: File, argument: int) -> int:
    return int(t.files.get(((argument & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000, True) is file)


def _getpipe_sz(t: Thread, fd: int, file: File, argument: int) -> int:
    if not isinstance(file, PipeFile):
        raise Errno.EBADF
    return file.pipe.max_slots * PAGE


def _setpipe_sz(t: Thread, fd: int, file: File, argument: int) -> int:
    if not isinstance(file, PipeFile):
        raise Errno.EBADF
    return file.pipe.resize(t, argument & 0xFFFFFFFF)


def _add_seals(t: Thread, fd: int, file: File, argument: int) -> int:
    if not (file.flags + 1) & 2:
        raise Errno.EPERM
    if not isinstance(file, RegularFile):
        raise Errno.EINVAL
    source = file.source(t)
    mapped = any(
        area.source is source and area.flags & (VM_SHARED | VM_MAYWRITE) == VM_SHARED | VM_MAYWRITE
        for mm in t.kernel.memory.mapped_by(source)
        for area in mm.areas.areas
    )
    file.data.add_seals(argument & 0xFFFFFFFF, mapped)
    return 0


def _get_seals(t: Thread, fd: int, file: File, argument: int) -> int:
    if not isinstance(file, RegularFile):
        raise Errno.EINVAL
    return file.data.seals()


Command = Callable[["Thread", int, File, int], "int | Blocking[int]"]

COMMANDS: dict[int, Command] = {
    F_DUPFD: _dupfd,
    F_DUPFD_CLOEXEC: _dupfd_cloexec,
    F_DUPFD_QUERY: _dupfd_query,
    F_GETFD: _getfd,
    F_SETFD: _setfd,
    F_GETFL: _getfl,
    F_SETFL: _setfl,
    F_GETLK: _getlk,
    F_SETLK: _setlk,
    F_SETLKW: _setlkw,
    F_OFD_GETLK: _ofd_getlk,
    F_OFD_SETLK: _ofd_setlk,
    F_OFD_SETLKW: _ofd_setlkw,
    F_SETOWN: _setown,
    F_GETOWN: _getown,
    F_SETOWN_EX: _setown_ex,
    F_GETOWN_EX: _getown_ex,
    F_GETOWNER_UIDS: _getowner_uids,
    F_SETSIG: _setsig,
    F_GETSIG: _getsig,
    F_GETLEASE: _getlease,
    F_GETPIPE_SZ: _getpipe_sz,
    F_SETPIPE_SZ: _setpipe_sz,
    F_ADD_SEALS: _add_seals,
    F_GET_SEALS: _get_seals,
}

ON_PATH_FILES = frozenset((F_DUPFD, F_DUPFD_CLOEXEC, F_DUPFD_QUERY, F_GETFD, F_SETFD, F_GETFL))
"""What an O_PATH descriptor can do (check_fcntl_cmd)."""


@syscall(72)
def fcntl(t: Thread, fd: Fd, cmd: FcntlCommand, arg: FcntlArgument) -> int | Blocking[int]:
    """fcntl(2)."""
    file = t.files.get(fd, True)
    if file.flags & O_PATH and cmd not in ON_PATH_FILES:
        raise Errno.EBADF
    handler = COMMANDS.get(cmd)
    if handler is None:
        raise Errno.EINVAL
    return handler(t, fd, file, arg)


@syscall(73)
def flock(t: Thread, fd: Fd, operation: FlockOperation) -> int | Blocking[int]:
    """flock(2).  Share modes (LOCK_MAND) are not supported any more and ignored, whatever the descriptor."""
    if operation & LOCK_MAND:
        return 0
    wanted = operation & ~LOCK_NB
    if wanted not in (LOCK_SH, LOCK_EX, LOCK_UN):
        raise Errno.EINVAL
    file = t.files.get(fd)
    locks = file_locks(file, t.kernel.vfs.locks)
    try:
        locks.flock(t.process, file, wanted)
    except Errno.EAGAIN:
        if operation & LOCK_NB:
            raise
        return locks.flock_waiting(t.process, file, wanted)
    return 0


@syscall(16)
def ioctl(t: Thread, fd: Fd, cmd: IoctlCommand, arg: IoctlArgument) -> int | Blocking[int]:
    """ioctl(2): a few commands work on every file, the rest is the file's business (do_vfs_ioctl)."""
    file = t.files.get(fd)
    if cmd in (FIOCLEX, FIONCLEX):
        t.files.set_cloexec(fd, cmd == FIOCLEX)
        return 0
    if cmd in (FIONBIO, FIOASYNC):
        mm = t.mm
        assert mm is not None
        on = mm.read_i32(arg) != 0
        if cmd == FIONBIO:
            file.flags = file.flags | O_NONBLOCK if on else file.flags & ~O_NONBLOCK
        elif on != bool(file.flags & O_ASYNC) and not set_async(t, file, fd, on):
            raise Errno.ENOTTY
        return 0
    if cmd == FIOQSIZE:
        status = file.stat(t)
        if status.mode & S_IFMT not in (S_IFREG, S_IFDIR, S_IFLNK):
            raise Errno.ENOTTY
        assert t.mm is not None
        t.mm.write(arg, struct.pack("<q", status.size))
        return 0
    return file.ioctl(t, cmd, arg)
