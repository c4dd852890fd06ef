"""Small files about a process: what it was called with, its limits and its settings (fs/proc/base.c).

Functions for rows get the reader and the target, those of memory files the reader and an address space.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.cred import CAP_SYS_RESOURCE
from kernel.errno import Errno
from kernel.fs.proc.target import Target, may_read, task_of
from kernel.mm.address_space import DUMP_FILTER_MASK
from kernel.rlimit import RLIM_INFINITY

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from kernel.task import Thread

TASK_COMM_LEN = 16


def cmdline(t: Thread, target: Target) -> bytes:
    """/proc/PID/cmdline: the argument strings, as far as the process left them (get_mm_cmdline)."""
    mm = task_of(target).mm
    if mm is None or not mm.env_end:
        return b""
    data = mm.copy_in_partial(mm.arg_start, max(0, mm.arg_end - mm.arg_start), True)
    if data and data[-1]:
        # A longer title was written over the environment (setproctitle): a string that ends at its NUL.
        data = mm.copy_in_partial(mm.arg_start, max(0, mm.env_end - mm.arg_start), True)
        data = data[: data.find(0)] if 0 in data else data
    return data


def environ(t: Thread, mm: AddressSpace) -> bytes:
    """/proc/PID/environ."""
    return mm.copy_in_partial(mm.env_start, max(0, mm.env_end - mm.env_start), True)


def auxv(t: Thread, mm: AddressSpace) -> bytes:
    """/proc/PID/auxv."""
    return mm.auxv


def comm(t: Thread, target: Target) -> bytes:
    """/proc/PID/comm."""
    return task_of(target).comm + b"\n"


def set_comm(t: Thread, target: Target, data: bytes) -> None:
    """Rename a thread of the writer's own process.  EINVAL for others."""
    who = task_of(target)
    if who.process is not t.process:
        raise Errno.EINVAL
    who.comm = data[: TASK_COMM_LEN - 1].split(b"\0")[0].rstrip(b"\n")


_LIMITS = (
    ("Max cpu time", "seconds"), ("Max file size", "bytes"), ("Max data size", "bytes"), ("Max stack size", "bytes"),
    ("Max core file size", "bytes"), ("Max resident set", "bytes"), ("Max processes", "processes"), ("Max open files", "files"),
    ("Max locked memory", "bytes"), ("Max address space", "bytes"), ("Max file locks", "locks"),
    ("Max pending signals", "signals"), ("Max msgqueue size", "bytes"), ("Max nice priority", ""),
    ("Max realtime priority", ""), ("Max realtime timeout", "us"),
)  # fmt: skip


def limits(t: Thread, target: Target) -> bytes:
    """/proc/PID/limits."""
    rlimits = task_of(target).process.rlimits

    def shown(value: int) -> str:
        return "unlimited" if value == RLIM_INFINITY else str(value)

    lines = [f"{'Limit':<25} {'Soft Limit':<20} {'Hard Limit':<20} {'Units':<10}"]
    for resource, (name, unit) in enumerate(_LIMITS):
        line = f"{name:<25} {shown(rlimits.soft(resource)):<20} {shown(rlimits.hard(resource)):<20} "
        lines.append(line + (f"{unit:<10}" if unit else ""))
    return ("\n".join(lines) + "\n").encode()


def personality(t: Thread, target: Target) -> bytes:
    """/proc/PID/personality."""
    return b"%08x\n" % task_of(target).personality


def wchan(t: Thread, target: Target) -> bytes:
    """/proc/PID/wchan: what the task sleeps in, 0 if it runs or the reader may not know."""
    who = task_of(target)
    if who.block is None or not may_read(t, who):
        return b"0"
    return who.block.what.encode()


def syscall_line(t: Thread, target: Target) -> bytes:
    """/proc/PID/syscall: number, arguments, stack pointer and program counter of a sleeping task."""
    who = task_of(target)
    if who.block is None:
        return b"running\n"
    sp, pc = who.cpu.rsp, who.cpu.rip
    if who.syscall_nr < 0:
        return b"-1 0x%x 0x%x\n" % (sp, pc)
    arguments = " ".join(f"0x{value:x}" for value in who.syscall_args)
    return f"{who.syscall_nr} {arguments} 0x{sp:x} 0x{pc:x}\n".encode()


def sched_stat(t: Thread, target: Target) -> bytes:
    """/proc/PID/schedstat: time on the CPU and waiting for it (not measured), number of slices."""
    who = task_of(target)
    return b"%d 0 %d\n" % (who.times.total, who.times.nvcsw + who.times.nivcsw)


def oom_score_adj(t: Thread, target: Target) -> bytes:
    """/proc/PID/oom_score_adj."""
    return b"%d\n" % task_of(target).process.oom_score_adj


def set_oom_score_adj(t: Thread, target: Target, data: bytes) -> None:
    """Set it, -1000..1000; making it smaller needs CAP_SYS_RESOURCE."""
    try:
        value = int(data)
    except ValueError:
        raise Errno.EINVAL from None
    if not -1000 <= value <= 1000:
        raise Errno.EINVAL
    process = task_of(target).process
    if value < process.oom_score_adj and not t.cred.capable(CAP_SYS_RESOURCE):
        raise Errno.EACCES
    process.oom_score_adj = value


def coredump_filter(t: Thread, target: Target) -> bytes:
    """/proc/PID/coredump_filter: which kinds of memory a core gets (core(5))."""
    mm = task_of(target).mm
    return b"%08x\n" % mm.dump_filter if mm is not None else b""


def set_coredump_filter(t: Thread, target: Target, data: bytes) -> None:
    """Set it, a number in the notation of C; unknown bits are ignored (proc_coredump_filter_write)."""
    try:
        text = data.decode("ascii").strip()
        octal = len(text) > 1 and text.isdigit() and text.startswith("0")
        value = int(text, 8 if octal else 0)
    except ValueError:
        raise Errno.EINVAL from None
    if not 0 <= value < 1 << 32:
        raise Errno.ERANGE if value > 0 else Errno.EINVAL
    mm = task_of(target).mm
    if mm is None:
        raise Errno.ESRCH
    mm.dump_filter = value & DUMP_FILTER_MASK


def timerslack(t: Thread, target: Target) -> bytes:
    """/proc/PID/timerslack_ns."""
    return b"%d\n" % task_of(target).timer_slack


def set_timerslack(t: Thread, target: Target, data: bytes) -> None:
    """Set it; 0 is the default."""
    try:
        value = int(data)
    except ValueError:
        raise Errno.EINVAL from None
    who = task_of(target)
    if who is not t and not may_read(t, who):
        raise Errno.EPERM
    who.timer_slack = value or who.default_timer_slack


def cgroup(t: Thread, target: Target) -> bytes:
    """/proc/PID/cgroup: everybody is in the root of the one hierarchy."""
    task_of(target)
    return b"0::/\n"
