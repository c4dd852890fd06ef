"""Resource limits, usage, and what the whole system has."""

from __future__ import annotations

import struct
from typing import Annotated

from kernel.clocks import CLOCK_BOOTTIME, NSEC_PER_SEC, CpuTimes, process_times, timens_offset
from kernel.cpu_timers import arm_cpu_limit
from kernel.cred import CAP_SYS_RESOURCE
from kernel.errno import Errno
from kernel.loadavg import FSHIFT
from kernel.pid import ns_of
from kernel.rlimit import NR_OPEN, RLIM_NLIMITS, RLIMIT_CPU, RLIMIT_NOFILE
from kernel.task import Process, Thread
from syscalls.structs import RUSAGE
from syscalls.table import syscall
from syscalls.types import Pid, enum, in_struct, out_struct

Resource = Annotated[int, enum("rlimit")]
RlimitIn = Annotated[int, in_struct("rlimit")]
RlimitOut = Annotated[int, out_struct("rlimit")]
RusageOut = Annotated[int, out_struct("rusage")]

_RLIMIT = struct.Struct("<QQ")


def _set_limit(t: Thread, process: Process, resource: int, soft: int, hard: int) -> None:
    """Change a limit (do_prlimit).  EINVAL: soft above hard; EPERM: raising the hard limit, or NOFILE above nr_open."""
    if soft > hard:
        raise Errno.EINVAL
    if resource == RLIMIT_NOFILE and hard > NR_OPEN:
        raise Errno.EPERM
    if hard > process.rlimits.hard(resource) and not t.cred.capable(CAP_SYS_RESOURCE):
        raise Errno.EPERM
    process.rlimits.set(resource, soft, hard)
    if resource == RLIMIT_CPU:
        arm_cpu_limit(process)


def _check_resource(resource: int) -> None:
    if not 0 <= resource < RLIM_NLIMITS:
        raise Errno.EINVAL


def _write_limit(t: Thread, address: int, process: Process, resource: int) -> None:
    assert t.mm is not None
    t.mm.write(address, _RLIMIT.pack(process.rlimits.soft(resource), process.rlimits.hard(resource)))


@syscall(97)
def getrlimit(t: Thread, resource: Resource, rlim: RlimitOut) -> int:
    """getrlimit(2)."""
    _check_resource(resource)
    _write_limit(t, rlim, t.process, resource)
    return 0


@syscall(160)
def setrlimit(t: Thread, resource: Resource, rlim: RlimitIn) -> int:
    """setrlimit(2)."""
    assert t.mm is not None
    soft, hard = _RLIMIT.unpack(t.mm.read(rlim, _RLIMIT.size))
    _check_resource(resource)
    _set_limit(t, t.process, resource, soft, hard)
    return 0


def _limited(t: Thread, pid: int) -> Process:
    """Return the process prlimit64 means, if the caller may touch it (check_prlimit_permission).  ESRCH, EPERM."""
    if pid == 0:
        return t.process
    found = ns_of(t).find(pid)
    process = None
    if found is not None:
        process = found.process or (found.thread.process if found.thread is not None else None)
    if process is None or found is None:
        raise Errno.ESRCH
    target = found.thread or process.rep
    if target is not t:
        mine, theirs = t.cred, target.cred
        same = {theirs.euid, theirs.suid, theirs.uid} == {mine.uid} and {theirs.egid, theirs.sgid, theirs.gid} == {mine.gid}
        if not same and not mine.ns_capable(theirs.user_ns, CAP_SYS_RESOURCE):
            raise Errno.EPERM
    return process


@syscall(302)
def prlimit64(t: Thread, pid: Pid, resource: Resource, new_rlim: RlimitIn, old_rlim: RlimitOut) -> int:
    """prlimit64(2)."""
    assert t.mm is not None
    new = _RLIMIT.unpack(t.mm.read(new_rlim, _RLIMIT.size)) if new_rlim else None
    process = _limited(t, pid)
    _check_resource(resource)
    old = _RLIMIT.pack(process.rlimits.soft(resource), process.rlimits.hard(resource))
    if new is not None:
        _set_limit(t, process, resource, *new)
    if old_rlim:
        t.mm.write(old_rlim, old)
    return 0


RUSAGE_SELF = 0
RUSAGE_CHILDREN = -1
RUSAGE_THREAD = 1


def rusage_values(times: CpuTimes, maxrss_pages: int) -> list[int]:
    """Return the 18 values of ``struct rusage``."""
    user, system = times.utime // 1000, times.stime // 1000
    return [
        user // 1_000_000, user % 1_000_000, system // 1_000_000, system % 1_000_000, maxrss_pages * 4, 0, 0, 0,
        times.minflt, times.majflt, 0, times.inblock, times.oublock, 0, 0, 0, times.nvcsw, times.nivcsw,
    ]  # fmt: skip


@syscall(98)
def getrusage(t: Thread, who: Annotated[int, enum("rusage_who")], usage: RusageOut) -> int:
    """getrusage(2)."""
    process = t.process
    assert t.mm is not None
    peak = max(process.maxrss_pages, t.mm.peak_resident())
    if who == RUSAGE_SELF:
        values = rusage_values(process_times(process), peak)
    elif who == RUSAGE_CHILDREN:
        values = rusage_values(process.child_times, process.child_maxrss_pages)
    elif who == RUSAGE_THREAD:
        values = rusage_values(t.times, peak)
    else:
        raise Errno.EINVAL
    RUSAGE.write(t.mm, usage, *values)
    return 0


_SYSINFO = struct.Struct("<q3Q6QHH4x2QI4x")
_LOAD_SHIFT = 16 - FSHIFT


@syscall(99)
def sysinfo(t: Thread, info: Annotated[int, out_struct("sysinfo")]) -> int:
    """sysinfo(2): memory in bytes."""
    kernel = t.kernel
    total, free = kernel.frames.total * 4096, kernel.frames.free * 4096
    loads = [load << _LOAD_SHIFT for load in kernel.load_average().loads]
    uptime = (kernel.clock.monotonic() + timens_offset(t, CLOCK_BOOTTIME)) // NSEC_PER_SEC
    image = _SYSINFO.pack(uptime, *loads, total, free, 0, 0, 0, 0, min(kernel.tasks, 0xFFFF), 0, 0, 0, 1)
    assert t.mm is not None
    t.mm.write(info, image)
    return 0
