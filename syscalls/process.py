"""Processes and threads: creating, replacing, ending and waiting for them, and who is who."""

from __future__ import annotations

from struct import unpack
from typing import Annotated

from kernel import namespaces, session
from kernel.clone import (
    CLONE_CLEAR_SIGHAND,
    CLONE_DETACHED,
    CLONE_INTO_CGROUP,
    CLONE_PARENT,
    CLONE_PARENT_SETTID,
    CLONE_PIDFD,
    CLONE_SIGHAND,
    CLONE_THREAD,
    CLONE_VFORK,
    CLONE_VM,
    CSIGNAL,
    CloneArgs,
    kernel_clone,
)
from kernel.errno import Errno
from kernel.exec import AT_FDCWD, do_execve
from kernel.exit import do_exit, do_group_exit
from kernel.fs.file import O_NONBLOCK
from kernel.fs.pidfd import PidFd
from kernel.ns import CLONE_NEWTIME
from kernel.signal import SIGCHLD
from kernel.task import Thread
from kernel.wait import (
    P_PID,
    P_PIDFD,
    WNOHANG,
    Report,
    WaitOptions,
    do_wait,
    parse_wait4,
    parse_waitid,
)
from kernel.waitqueue import Blocking
from syscalls.structs import CLONE_ARGS, RUSAGE, WAITID_INFO
from syscalls.table import syscall
from syscalls.types import Address, DirFd, Fd, Int, Path, Pid, ULong, custom, enum, flags, get_name, out_struct

CloneFlags = Annotated[int, flags("clone", "{}")]
StringArray = Annotated[int, custom("strings")]
Environment = Annotated[int, custom("environment")]
WaitStatus = Annotated[int, custom("wait_status", out=True)]
WaitFlags = Annotated[int, flags("wait")]

MAX_ARG_STRINGS = 0x7FFFFFFF
MAX_ARG_STRLEN = 131072


@syscall(39)
def getpid(t: Thread) -> int:
    """Return the process id in the caller's pid namespace."""
    return t.process.tgid_pid.numbers[-1][1]


@syscall(186)
def gettid(t: Thread) -> int:
    """Return the thread id in the caller's pid namespace."""
    return t.pid.numbers[-1][1]


@syscall(110)
def getppid(t: Thread) -> int:
    """Return the parent's process id, 0 if it lives outside the caller's namespace."""
    parent = t.real_parent
    return parent.process.tgid_pid.nr_in(t.pid.numbers[-1][0]) if parent is not None else 0


@syscall(218)
def set_tid_address(t: Thread, tidptr: Address) -> int:
    """Set the word that is cleared at exit (CLONE_CHILD_CLEARTID)."""
    t.clear_child_tid = tidptr
    return t.pid.numbers[-1][1]


@syscall(57)
def fork(t: Thread) -> int | Blocking[int]:
    """fork(2)."""
    return kernel_clone(t, CloneArgs(0, SIGCHLD))


@syscall(58)
def vfork(t: Thread) -> int | Blocking[int]:
    """vfork(2)."""
    return kernel_clone(t, CloneArgs(CLONE_VFORK | CLONE_VM, SIGCHLD))


@syscall(56)
def clone(
    t: Thread, clone_flags: CloneFlags, newsp: Address, parent_tid: Address, child_tid: Address, tls: Address
) -> int | Blocking[int]:
    """clone(2), with the argument order of x86-64; the low byte of the flags is the exit signal."""
    bits = clone_flags & 0xFFFFFFFF & ~CSIGNAL
    if bits & CLONE_PIDFD and bits & CLONE_PARENT_SETTID:
        raise Errno.EINVAL
    return kernel_clone(
        t, CloneArgs(bits, clone_flags & CSIGNAL, newsp, tls, parent_tid, child_tid, pidfd=parent_tid)
    )


@syscall(435)
def clone3(t: Thread, uargs: Annotated[int, custom("clone_args")], size: ULong) -> int | Blocking[int]:
    """clone3(2): the arguments come as a sized structure; bytes beyond what we know must be 0 (E2BIG)."""
    mm = t.mm
    assert mm is not None
    if size > 4096:
        raise Errno.E2BIG
    if size < 64:
        raise Errno.EINVAL
    data = mm.read(uargs, size)
    if any(data[CLONE_ARGS.size :]):
        raise Errno.E2BIG
    fields = CLONE_ARGS.format.unpack(data[: CLONE_ARGS.size].ljust(CLONE_ARGS.size, b"\0"))
    bits, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, _ = fields
    if set_tid_size > 32 or (not set_tid and set_tid_size) or (set_tid and not set_tid_size):
        raise Errno.EINVAL
    if exit_signal & ~CSIGNAL or exit_signal > 64:
        raise Errno.EINVAL
    if bits & CLONE_INTO_CGROUP:
        raise Errno.EOPNOTSUPP
    if bits & (CLONE_DETACHED | (CSIGNAL & ~CLONE_NEWTIME)) or bits >> 34:
        raise Errno.EINVAL
    if bits & (CLONE_SIGHAND | CLONE_CLEAR_SIGHAND) == CLONE_SIGHAND | CLONE_CLEAR_SIGHAND:
        raise Errno.EINVAL
    if bits & (CLONE_THREAD | CLONE_PARENT) and exit_signal:
        raise Errno.EINVAL
    if bool(stack) != bool(stack_size):
        raise Errno.EINVAL
    wanted: tuple[int, ...] = ()
    if set_tid_size:
        wanted = unpack(f"<{set_tid_size}i", mm.read(set_tid, 4 * set_tid_size))
    return kernel_clone(
        t, CloneArgs(bits, exit_signal, stack + stack_size, tls, parent_tid, child_tid, pidfd, wanted)
    )


@syscall(60, "exit")
def exit_(t: Thread, status: Int) -> Blocking[int]:
    """_exit(2) of one thread."""
    return do_exit(t, (status & 0xFF) << 8)


@syscall(231)
def exit_group(t: Thread, status: Int) -> Blocking[int]:
    """End all threads of the process."""
    return do_group_exit(t, (status & 0xFF) << 8)


# -- wait -------------------------------------------------------------------------------------------------------------
def _write_rusage(t: Thread, address: int, report: Report) -> None:
    times = report.times
    if times is None:
        RUSAGE.write(t.mm, address, *([0] * 18))  # type: ignore[arg-type]
        return
    user, system = times.utime // 1000, times.stime // 1000
    values = [user // 1_000_000, user % 1_000_000, system // 1_000_000, system % 1_000_000, report.maxrss_pages * 4]
    values += [0, 0, 0, times.minflt, times.majflt, 0, times.inblock, times.oublock, 0, 0, 0, times.nvcsw, times.nivcsw]
    RUSAGE.write(t.mm, address, *values)  # type: ignore[arg-type]


@syscall(61)
def wait4(
    t: Thread, pid: Pid, wstatus: WaitStatus, options: WaitFlags, rusage: Annotated[int, out_struct("rusage")]
) -> int | Blocking[int]:
    """wait4(2)."""
    report = do_wait(t, parse_wait4(t, pid, options & 0xFFFFFFFF))
    if report is None:
        return 0
    if isinstance(report, Report):
        return _wait4_result(t, report, wstatus, rusage)
    return _wait4_later(t, report, wstatus, rusage)


def _wait4_later(t: Thread, waiting: Blocking[Report | None], wstatus: int, rusage: int) -> Blocking[int]:
    report = yield from waiting
    return 0 if report is None else _wait4_result(t, report, wstatus, rusage)


def _wait4_result(t: Thread, report: Report, wstatus: int, rusage: int) -> int:
    if wstatus:
        t.mm.write_u32(wstatus, report.status)  # type: ignore[union-attr]
    if rusage:
        _write_rusage(t, rusage, report)
    return report.pid


@syscall(247)
def waitid(
    t: Thread,
    idtype: Annotated[int, enum("waitid_type")],
    id: Pid,
    infop: Annotated[int, out_struct("siginfo_t")],
    options: WaitFlags,
    rusage: Annotated[int, out_struct("rusage")],
) -> int | Blocking[int]:
    """waitid(2): stores siginfo instead of a status; with WNOHANG and nothing found, and after an error, it is all 0."""

    def store(t: Thread, report: Report | None) -> int:
        if report is not None and rusage:
            _write_rusage(t, rusage, report)
        if infop:
            if report is None:
                WAITID_INFO.write(t.mm, infop, 0, 0, 0, 0, 0, 0)  # type: ignore[arg-type]
            else:
                WAITID_INFO.write(t.mm, infop, SIGCHLD, 0, report.code, report.pid, report.uid, report.value)  # type: ignore[arg-type]
        return 0

    def later(waiting: Blocking[Report | None]) -> Blocking[int]:
        try:
            report = yield from waiting
        except Errno:
            store(t, None)
            raise
        return store(t, report)

    try:
        found = _waitid(t, idtype, id, options & 0xFFFFFFFF)
    except Errno:
        store(t, None)
        raise
    return store(t, found) if found is None or isinstance(found, Report) else later(found)


def _waitid(t: Thread, idtype: int, id: int, bits: int) -> Report | Blocking[Report | None] | None:
    """kernel_waitid: EAGAIN if a non-blocking pidfd has nothing to report and WNOHANG did not ask for that."""
    nonblocking_fd = False
    if idtype == P_PIDFD:
        if id < 0:
            raise Errno.EINVAL
        checked = parse_waitid(t, 0, 0, bits)
        file = t.files.get(id)
        if not isinstance(file, PidFd):
            raise Errno.EBADF
        wanted = WaitOptions(P_PID, file.pid, checked.flags)
        if file.flags & O_NONBLOCK:
            nonblocking_fd = True
            wanted = WaitOptions(P_PID, file.pid, checked.flags | WNOHANG)
    else:
        wanted = parse_waitid(t, idtype, id, bits)

    found = do_wait(t, wanted)
    if found is None and nonblocking_fd and not bits & WNOHANG:
        raise Errno.EAGAIN
    return found


# -- exec -------------------------------------------------------------------------------------------------------------
def strings(t: Thread, address: int, width: int = 8) -> list[bytes]:
    """Fetch a NULL-terminated array of strings, whose pointers have ``width`` bytes; a NULL array counts as empty (execve(2)).
    EFAULT, E2BIG."""
    mm = t.mm
    assert mm is not None
    result: list[bytes] = []
    total = 0
    read_pointer = mm.read_u64 if width == 8 else mm.read_u32
    while address:
        pointer = read_pointer(address)
        if not pointer:
            break
        string = mm.read_cstring(pointer, MAX_ARG_STRLEN)
        if string is None:
            raise Errno.E2BIG
        total += len(string) + 9
        if total > 6 << 20:
            raise Errno.E2BIG
        result.append(string)
        address += width
    return result


@syscall(59)
def execve(t: Thread, pathname: Path, argv: StringArray, envp: Environment) -> Blocking[int]:
    """execve(2)."""
    return do_execve(t, AT_FDCWD, pathname, lambda: (strings(t, argv), strings(t, envp)))


@syscall(322)
def execveat(
    t: Thread,
    dirfd: DirFd,
    pathname: Annotated[int, custom("path")],
    argv: StringArray,
    envp: Environment,
    at_flags: Annotated[int, flags("at")],
) -> Blocking[int]:
    """execveat(2); with AT_EMPTY_PATH the file is ``dirfd`` itself."""
    return do_execve(t, dirfd, get_name(t, pathname), lambda: (strings(t, argv), strings(t, envp)), at_flags)


# -- sessions and groups ----------------------------------------------------------------------------------------------
@syscall(109)
def setpgid(t: Thread, pid: Pid, pgid: Pid) -> None:
    """setpgid(2)."""
    session.setpgid(t, pid, pgid)


@syscall(121)
def getpgid(t: Thread, pid: Pid) -> int:
    """getpgid(2)."""
    return session.getpgid(t, pid)


@syscall(111)
def getpgrp(t: Thread) -> int:
    """getpgrp(2)."""
    return session.getpgid(t, 0)


@syscall(112)
def setsid(t: Thread) -> int:
    """setsid(2)."""
    return session.setsid(t)


@syscall(124)
def getsid(t: Thread, pid: Pid) -> int:
    """getsid(2)."""
    return session.getsid(t, pid)


# -- namespaces and sharing -------------------------------------------------------------------------------------------
@syscall(272)
def unshare(t: Thread, unshare_flags: Annotated[int, flags("unshare")]) -> None:
    """unshare(2): stop sharing files, fs context, namespaces; new pid and time namespaces are for the children."""
    namespaces.unshare(t, unshare_flags & 0xFFFFFFFF)


@syscall(308)
def setns(t: Thread, fd: Fd, nstype: Annotated[int, flags("setns")]) -> None:
    """setns(2): enter an open namespace, or those of the process of a pidfd."""
    namespaces.setns(t, t.files.get(fd), nstype & 0xFFFFFFFF)
