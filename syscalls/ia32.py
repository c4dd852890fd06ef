"""The system calls of i386, as ``int $0x80`` makes them (arch/x86/entry/syscalls/syscall_32.tbl).

Most are the calls of x86-64 under another number: their arguments look the same in 32 bits.  Others differ in how a structure
is laid out, or take a 64-bit argument in two registers (``compat_sys_*`` and ``sys_ia32_*`` of Linux).  Of those the ones that
small programs make are here; the rest, which DIFFERENT names, fail with ENOSYS.
"""

from __future__ import annotations

import struct
import sys
from functools import cache
from typing import TYPE_CHECKING, Annotated, Final

from kernel.clocks import NSEC_PER_SEC, read_clock, timens_offset
from kernel.errno import Errno
from kernel.exec import do_execve
from kernel.fs.open import check_how
from kernel.fs.path import AT_FDCWD, AT_SYMLINK_NOFOLLOW
from kernel.mm.mmap import MAP_32BIT
from kernel.nanosleep import sleep
from kernel.sched_change import PRIO_PROCESS
from kernel.timeout import Timeout
from kernel.tls import ALLOCATE, check_desc, free_entry, get_thread_area, set_thread_area
from kernel.user_desc import USER_DESC_SIZE, UserDesc
from kernel.user_ns import gid_for, uid_for
from syscalls import families, fs_data, fs_fcntl, fs_mount, fs_open, fs_rw, fs_stat, memory, process, schedule
from syscalls.fs_data import Whence
from syscalls.fs_fcntl import (
    F_GETLK,
    F_OFD_GETLK,
    F_OFD_SETLK,
    F_OFD_SETLKW,
    F_SETLK,
    F_SETLKW,
    FcntlArgument,
    FcntlCommand,
)
from syscalls.fs_open import OpenFlags
from syscalls.ia32_numbers import IA32_NAMES
from syscalls.memory import MapFlags, Prot
from syscalls.process import WaitFlags, WaitStatus
from syscalls.table import TABLE_SIZE, Syscall, Table, syscall, tagged
from syscalls.time import ClockId
from syscalls.types import (
    Address,
    CreateMode,
    DirFd,
    Fd,
    Hex,
    InBuf,
    Int,
    OutBuf,
    Path,
    PathPtr,
    Pid,
    Size,
    Unused,
    custom,
    get_name,
    in_struct,
    out_struct,
)

if TYPE_CHECKING:
    from kernel.fs.file import Stat
    from kernel.mm.address_space import AddressSpace
    from kernel.task import Thread
    from kernel.waitqueue import Blocking

F_GETLK64, F_SETLK64, F_SETLKW64 = 12, 13, 14
_LOCK_COMMANDS: Final = frozenset(
    {F_GETLK, F_SETLK, F_SETLKW, F_GETLK64, F_SETLK64, F_SETLKW64, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW}
)
_TIME32: Final = struct.Struct("<ii")
"""struct old_timespec32, old_timeval32."""
LowFirst = Annotated[int, custom("low_first")]
HighFirst = Annotated[int, custom("high_first")]
Stat64 = Annotated[int, out_struct("stat64_ia32")]
TimevalOut = Annotated[int, out_struct("timeval_ia32")]
TimespecOut = Annotated[int, out_struct("timespec_ia32")]
TimespecIn = Annotated[int, in_struct("timespec_ia32")]
Timezone = Annotated[int, out_struct("timezone")]
_MMAP_ARGUMENTS: Final = struct.Struct("<6I")
_STAT64: Final = struct.Struct("<Q4x5IQ4xqIq6IQ")
"""struct stat64 of i386."""
OVERFLOW_ID: Final = 0xFFFE

_DIFFERENT = (
    "lchown utime ptrace times setuid setgid setreuid setregid getgroups setgroups fchown chown setfsuid setfsgid setresuid "
    "getresuid setresgid getresgid ioctl setrlimit getrlimit getrusage settimeofday select truncate statfs fstatfs "
    "setitimer getitimer stat lstat fstat wait4 sysinfo clone adjtimex getdents sched_rr_get_interval rt_sigreturn "
    "rt_sigaction rt_sigtimedwait rt_sigqueueinfo sigaltstack sendfile readahead futex sched_setaffinity sched_getaffinity "
    "io_setup io_getevents io_submit fadvise64 lookup_dcookie timer_create timer_settime "
    "timer_gettime clock_settime clock_getres clock_nanosleep utimes kexec_load waitid keyctl futimesat pselect6 ppoll "
    "set_robust_list get_robust_list sync_file_range utimensat signalfd fallocate timerfd_settime timerfd_gettime signalfd4 "
    "preadv pwritev rt_tgsigqueueinfo recvmmsg fanotify_mark open_by_handle_at clock_adjtime sendmmsg execveat sendmsg "
    "recvmsg recvfrom preadv2 pwritev2 arch_prctl io_pgetevents shmctl shmat msgsnd msgrcv msgctl epoll_pwait2 vmsplice "
    "move_pages process_vm_readv process_vm_writev mbind get_mempolicy set_mempolicy migrate_pages seccomp semctl"
)
DIFFERENT: Final = frozenset(_DIFFERENT.split())
"""Calls of both tables that are not the same, or are told apart by who asks (in_compat_syscall)."""

_SAME: Final = {
    "lchown32": "lchown", "getuid32": "getuid", "getgid32": "getgid", "geteuid32": "geteuid", "getegid32": "getegid",
    "setreuid32": "setreuid", "setregid32": "setregid", "getgroups32": "getgroups", "setgroups32": "setgroups",
    "fchown32": "fchown", "setresuid32": "setresuid", "getresuid32": "getresuid", "setresgid32": "setresgid",
    "getresgid32": "getresgid", "chown32": "chown", "setuid32": "setuid", "setgid32": "setgid", "setfsuid32": "setfsuid",
    "setfsgid32": "setfsgid", "sendfile64": "sendfile", "clock_gettime64": "clock_gettime", "clock_settime64": "clock_settime",
    "clock_getres_time64": "clock_getres", "clock_nanosleep_time64": "clock_nanosleep", "timer_gettime64": "timer_gettime",
    "timer_settime64": "timer_settime", "timerfd_gettime64": "timerfd_gettime", "timerfd_settime64": "timerfd_settime",
    "utimensat_time64": "utimensat", "futex_time64": "futex", "sched_rr_get_interval_time64": "sched_rr_get_interval",
}  # fmt: skip
"""Name of a call of i386 -> the call of x86-64 it is."""


@cache
def table() -> Table:
    """Return the table of i386, the same one for all machines of a process."""
    common = {entry.name: entry for entry in families.table().entries if entry is not None}
    entries: list[Syscall | None] = [None] * TABLE_SIZE
    for number, name in IA32_NAMES.items():
        entry = common.get(_SAME.get(name, name))
        if entry is not None and name not in DIFFERENT:
            entries[number] = Syscall(number, name, entry.family, entry.handler)
    for entry in tagged(sys.modules[__name__]):
        entries[entry.number] = entry
    return Table(entries)


def _mm(t: Thread) -> AddressSpace:
    assert t.mm is not None
    return t.mm


def _signed(value: int) -> int:
    return (value & 0xFFFF_FFFF ^ 0x8000_0000) - 0x8000_0000


def _long(low: int, high: int) -> int:
    """A signed 64-bit argument from its two registers."""
    return ((high << 32 | low) ^ 1 << 63) - (1 << 63)


# -- files ------------------------------------------------------------------------------------------------------------
@syscall(5, "open")
def open_(t: Thread, path: PathPtr, flags: OpenFlags, mode: CreateMode) -> int | Blocking[int]:
    """open(2), of files beyond 2 GiB only with O_LARGEFILE."""
    return fs_open.do_open(t, AT_FDCWD, get_name(t, path), check_how(flags, mode, large=False))


@syscall(295)
def openat(t: Thread, dirfd: DirFd, path: PathPtr, flags: OpenFlags, mode: CreateMode) -> int | Blocking[int]:
    """openat(2), of files beyond 2 GiB only with O_LARGEFILE."""
    return fs_open.do_open(t, dirfd, get_name(t, path), check_how(flags, mode, large=False))


@syscall(19)
def lseek(t: Thread, fd: Fd, offset: Int, whence: Whence) -> int:
    """lseek(2)."""
    return fs_data.lseek(t, fd, offset, whence)


@syscall(140, "_llseek")
def llseek(t: Thread, fd: Fd, high: HighFirst, low: Unused, result: Address, whence: Whence) -> int:
    """lseek(2) with 64-bit offsets."""
    position = fs_data.lseek(t, fd, _long(low, high), whence)
    _mm(t).write_u64(result, position)
    return 0


@syscall(180)
def pread64(t: Thread, fd: Fd, buf: OutBuf, count: Size, low: LowFirst, high: Unused) -> int:
    """pread(2)."""
    return fs_rw.pread64(t, fd, buf, count, _long(low, high))


@syscall(181)
def pwrite64(t: Thread, fd: Fd, buf: InBuf, count: Size, low: LowFirst, high: Unused) -> int:
    """pwrite(2)."""
    return fs_rw.pwrite64(t, fd, buf, count, _long(low, high))


@syscall(92)
def truncate(t: Thread, path: PathPtr, length: Int) -> None:
    """truncate(2)."""
    fs_data.truncate(t, path, length)


@syscall(93)
def ftruncate(t: Thread, fd: Fd, length: Int) -> None:
    """ftruncate(2)."""
    fs_data.ftruncate(t, fd, length)


@syscall(193)
def truncate64(t: Thread, path: PathPtr, low: LowFirst, high: Unused) -> None:
    """truncate(2)."""
    fs_data.truncate(t, path, _long(low, high))


@syscall(194)
def ftruncate64(t: Thread, fd: Fd, low: LowFirst, high: Unused) -> None:
    """ftruncate(2)."""
    fs_data.ftruncate(t, fd, _long(low, high))


@syscall(55)
def fcntl(t: Thread, fd: Fd, cmd: FcntlCommand, arg: FcntlArgument) -> int | Blocking[int]:
    """fcntl(2); the commands with a structure, those of record locks, are missing."""
    if cmd in _LOCK_COMMANDS:
        raise Errno.ENOSYS
    return fs_fcntl.fcntl(t, fd, cmd, arg)


@syscall(221)
def fcntl64(t: Thread, fd: Fd, cmd: FcntlCommand, arg: FcntlArgument) -> int | Blocking[int]:
    """fcntl(2), as ``fcntl``."""
    return fcntl(t, fd, cmd, arg)


@syscall(22)
def umount(t: Thread, target: PathPtr) -> None:
    """umount(2)."""
    fs_mount.umount2(t, target, 0)


@syscall(195)
def stat64(t: Thread, path: Path, buffer: Stat64) -> None:
    """stat(2)."""
    _put_stat64(t, buffer, fs_stat.stat_at(t, AT_FDCWD, path, 0))


@syscall(196)
def lstat64(t: Thread, path: Path, buffer: Stat64) -> None:
    """lstat(2)."""
    _put_stat64(t, buffer, fs_stat.stat_at(t, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW))


@syscall(197)
def fstat64(t: Thread, fd: Fd, buffer: Stat64) -> None:
    """fstat(2)."""
    _put_stat64(t, buffer, t.files.get(fd, True).stat(t))


def _put_stat64(t: Thread, address: int, s: Stat) -> None:
    times = [part for ns in (s.atime, s.mtime, s.ctime) for part in (ns // NSEC_PER_SEC & 0xFFFF_FFFF, ns % NSEC_PER_SEC)]
    content = _STAT64.pack(
        s.dev, s.ino & 0xFFFF_FFFF, s.mode, s.nlink, uid_for(t, s.uid), gid_for(t, s.gid), s.rdev, s.size, s.blksize, s.blocks,
        *times, s.ino,
    )  # fmt: skip
    _mm(t).write(address, content)


# -- processes --------------------------------------------------------------------------------------------------------
@syscall(7)
def waitpid(t: Thread, pid: Pid, wstatus: WaitStatus, options: WaitFlags) -> int | Blocking[int]:
    """waitpid(2)."""
    return process.wait4(t, pid, wstatus, options, 0)


@syscall(11)
def execve(t: Thread, pathname: Path, argv: Address, envp: Address) -> Blocking[int]:
    """execve(2)."""
    return do_execve(t, AT_FDCWD, pathname, lambda: (process.strings(t, argv, 4), process.strings(t, envp, 4)))


@syscall(120)
def clone(
    t: Thread, clone_flags: Hex, newsp: Address, parent_tid: Address, tls: Address, child_tid: Address
) -> int | Blocking[int]:
    """clone(2), in the order of i386; ``tls`` is a segment descriptor (struct user_desc)."""
    return process.clone(t, clone_flags, newsp, parent_tid, child_tid, tls)


@syscall(34)
def nice(t: Thread, increment: Int) -> int:
    """nice(2): unlike setpriority(2) EPERM for who may not (sys_nice of kernel/sched/core.c)."""
    try:
        return schedule.setpriority(t, PRIO_PROCESS, 0, t.sched.nice + max(-40, min(40, increment)))
    except Errno.EACCES:
        raise Errno.EPERM from None


@syscall(243, "set_thread_area")
def set_area(t: Thread, u_info: Address) -> int:
    """set_thread_area(2); an entry of -1 takes a free one, whose number is stored.  EFAULT, EINVAL, ESRCH."""
    mm = _mm(t)
    desc = UserDesc.unpack(mm.read(u_info, USER_DESC_SIZE))
    check_desc(desc)
    entry = desc.entry
    if entry == ALLOCATE:
        entry = free_entry(t)
        mm.write_u32(u_info, entry)
    set_thread_area(t, entry, desc, current=True)
    return 0


@syscall(244, "get_thread_area")
def get_area(t: Thread, u_info: Address) -> int:
    """get_thread_area(2).  EFAULT, EINVAL."""
    mm = _mm(t)
    mm.write(u_info, get_thread_area(t, mm.read_u32(u_info)))
    return 0


def _id16(number: int) -> int:
    """A user or group id in 16 bits (high2lowuid)."""
    return number if number <= 0xFFFF else OVERFLOW_ID


@syscall(24, "getuid")
def getuid16(t: Thread) -> int:
    """getuid(2)."""
    return _id16(uid_for(t, t.cred.uid))


@syscall(47, "getgid")
def getgid16(t: Thread) -> int:
    """getgid(2)."""
    return _id16(gid_for(t, t.cred.gid))


@syscall(49, "geteuid")
def geteuid16(t: Thread) -> int:
    """geteuid(2)."""
    return _id16(uid_for(t, t.cred.euid))


@syscall(50, "getegid")
def getegid16(t: Thread) -> int:
    """getegid(2)."""
    return _id16(gid_for(t, t.cred.egid))


# -- memory -----------------------------------------------------------------------------------------------------------
@syscall(90)
def mmap(t: Thread, arguments: Address) -> int:
    """mmap(2), its six arguments in a structure."""
    addr, length, prot, flags, fd, offset = _MMAP_ARGUMENTS.unpack(_mm(t).read(arguments, _MMAP_ARGUMENTS.size))
    if offset & 0xFFF:
        raise Errno.EINVAL
    return memory.mmap(t, addr, length, prot, flags | MAP_32BIT, _signed(fd), offset)


@syscall(192)
def mmap2(t: Thread, addr: Address, length: Size, prot: Prot, flags: MapFlags, fd: Fd, pgoff: Hex) -> int:
    """mmap(2), its offset in pages; the area is where 32 bits reach."""
    return memory.mmap(t, addr, length, prot, flags | MAP_32BIT, fd, pgoff << 12)


# -- time -------------------------------------------------------------------------------------------------------------
@syscall(13)
def time(t: Thread, tloc: Address) -> int:
    """time(2)."""
    seconds = _signed(t.kernel.clock.realtime() // NSEC_PER_SEC)
    if tloc:
        _mm(t).write_u32(tloc, seconds & 0xFFFF_FFFF)
    return seconds


@syscall(78)
def gettimeofday(t: Thread, tv: TimevalOut, tz: Timezone) -> int:
    """gettimeofday(2): the time zone is always 0."""
    now = t.kernel.clock.realtime()
    if tv:
        _mm(t).write(tv, _TIME32.pack(_signed(now // NSEC_PER_SEC), now % NSEC_PER_SEC // 1000))
    if tz:
        _mm(t).write(tz, bytes(8))
    return 0


@syscall(162)
def nanosleep(t: Thread, duration: TimespecIn, rem: Address) -> Blocking[int]:
    """nanosleep(2)."""
    seconds, ns = _TIME32.unpack(_mm(t).read(duration, _TIME32.size))
    if seconds < 0 or not 0 <= ns < NSEC_PER_SEC:
        raise Errno.EINVAL

    def report(left: int) -> None:
        _mm(t).write(rem, _TIME32.pack(left // NSEC_PER_SEC, left % NSEC_PER_SEC))

    return sleep(t, Timeout.after(t.kernel, seconds * NSEC_PER_SEC + ns), False, report if rem else None)


@syscall(265)
def clock_gettime(t: Thread, clockid: ClockId, tp: TimespecOut) -> int:
    """clock_gettime(2)."""
    now = read_clock(t, clockid) + timens_offset(t, clockid)
    _mm(t).write(tp, _TIME32.pack(_signed(now // NSEC_PER_SEC), now % NSEC_PER_SEC))
    return 0
