"""Small files about a process: what it was called with, its limits and its settings (fs/proc/base.c).

Functions for rows get the reader and the target, those of memory files the reader and an address space.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.cred import CAP_AUDIT_CONTROL, CAP_SYS_NICE, CAP_SYS_RESOURCE
from kernel.errno import Errno
from kernel.fs.proc.sysctl import INT_MAX, INT_MIN, ULONG_MAX
from kernel.fs.proc.target import Target, task_of
from kernel.kstrto import kstrtoint
from kernel.mm.address_space import DUMP_FILTER_MASK
from kernel.mm.oom import badness
from kernel.rlimit import RLIM_INFINITY
from kernel.sched_params import SCHED_FIFO, SCHED_RR
from kernel.user_ns import INVALID_ID, from_kuid, make_kuid

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from kernel.task import Process, Thread

TASK_COMM_LEN = 16
AUDIT_UNSET = 0xFFFFFFFF


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


def cgroup(t: Thread, target: Target) -> bytes:
    """/proc/PID/cgroup: everybody is in the root of the one hierarchy."""
    task_of(target)
    return b"0::/\n"


# -- settings -----------------------------------------------------------------------------------------------------------
def comm(t: Thread, target: Target) -> bytes:
    """/proc/PID/comm."""
    return task_of(target).comm + b"\n"


def set_comm(t: Thread, target: Target, data: bytes) -> None:
    """Rename a thread of the writer's own process, a newline included.  EINVAL for others."""
    who = task_of(target)
    if who.process is not t.process:
        raise Errno.EINVAL
    who.comm = data[: TASK_COMM_LEN - 1].split(b"\0")[0]


def oom_score(t: Thread, target: Target) -> bytes:
    """/proc/PID/oom_score: how bad it would be as a victim, 0..2000."""
    total = t.kernel.memory.total
    points = badness(task_of(target).process, total)
    return b"%d\n" % (0 if points is None else (1000 + points * 1000 // total) * 2 // 3)


def oom_score_adj(t: Thread, target: Target) -> bytes:
    """/proc/PID/oom_score_adj."""
    return b"%d\n" % task_of(target).process.oom_score_adj


def oom_adj(t: Thread, target: Target) -> bytes:
    """/proc/PID/oom_adj: the same in the units of old, -17..15."""
    adjustment = task_of(target).process.oom_score_adj
    return b"%d\n" % (15 if adjustment == 1000 else int(adjustment * 17 / 1000))


def set_oom_score_adj(t: Thread, target: Target, data: bytes) -> None:
    """Set it, -1000..1000; below the least value a privileged process set it needs CAP_SYS_RESOURCE.  EINVAL, EACCES."""
    value = kstrtoint(data[:12].split(b"\0")[0].strip(), 0, INT_MIN, INT_MAX)
    if not -1000 <= value <= 1000:
        raise Errno.EINVAL
    process = task_of(target).process
    privileged = t.cred.capable(CAP_SYS_RESOURCE)
    if value < process.oom_score_adj_min and not privileged:
        raise Errno.EACCES
    _adjust(t, process, value, privileged)


def set_oom_adj(t: Thread, target: Target, data: bytes) -> None:
    """Set it in the units of old: making it smaller needs CAP_SYS_RESOURCE.  EINVAL, EACCES."""
    value = kstrtoint(data[:12].split(b"\0")[0].strip(), 0, INT_MIN, INT_MAX)
    if not -16 <= value <= 15 and value != -17:
        raise Errno.EINVAL
    process = task_of(target).process
    value = 1000 if value == 15 else int(value * 1000 / 17)
    if value < process.oom_score_adj and not t.cred.capable(CAP_SYS_RESOURCE):
        raise Errno.EACCES
    _adjust(t, process, value, False)


def _adjust(t: Thread, process: Process, value: int, least: bool) -> None:
    """Set the adjustment of a process and of those that share its memory, unless it is in vfork (__set_oom_adj)."""
    mm = next((x.mm for x in process.threads if x.mm is not None), None)
    sharers = [process]
    if mm is not None and mm.users > len(process.threads) and process.rep.vfork_done is None:
        sharers += [p for p in t.kernel.all_processes() if p is not process and any(x.mm is mm for x in p.threads)]
    for one in sharers:
        if one is process or one.rep.vfork_done is None:
            one.oom_score_adj = value
            if least:
                one.oom_score_adj_min = value


def loginuid(t: Thread, target: Target) -> bytes:
    """/proc/PID/loginuid: who logged in, as the process was told; (uid_t)-1 if it never was."""
    return b"%d" % from_kuid(t.cred.user_ns, task_of(target).login[0])


def set_loginuid(t: Thread, target: Target, data: bytes) -> None:
    """Set one's own (audit_set_loginuid).  EPERM for another thread's; a user id begins a session, -1 ends it."""
    if task_of(target) is not t:
        raise Errno.EPERM
    uid = kstrtoint(data, 10, 0, AUDIT_UNSET)
    kuid = INVALID_ID if uid == AUDIT_UNSET else make_kuid(t.cred.user_ns, uid)
    if kuid == INVALID_ID and uid != AUDIT_UNSET:
        raise Errno.EINVAL
    if t.login[0] != INVALID_ID and not t.cred.capable(CAP_AUDIT_CONTROL):
        raise Errno.EPERM
    t.login = (kuid, AUDIT_UNSET if uid == AUDIT_UNSET else t.kernel.next_session())


def sessionid(t: Thread, target: Target) -> bytes:
    """/proc/PID/sessionid: the number of the login session, -1 without one."""
    return b"%d" % task_of(target).login[1]


def coredump_filter(t: Thread, target: Target) -> bytes:
    """/proc/PID/coredump_filter: which kinds of memory would be dumped."""
    mm = task_of(target).mm
    return b"%08x\n" % mm.dump_filter if mm is not None else b""


def set_coredump_filter(t: Thread, target: Target, data: bytes) -> None:
    """Set it.  ESRCH for a task without memory."""
    value = kstrtoint(data, 0, 0, 0xFFFFFFFF)
    mm = task_of(target).mm
    if mm is None:
        raise Errno.ESRCH
    mm.dump_filter = value & DUMP_FILTER_MASK


def timerslack(t: Thread, target: Target) -> bytes:
    """/proc/PID/timerslack_ns; that of others needs CAP_SYS_NICE."""
    who = task_of(target)
    if who is not t and not t.cred.ns_capable(who.cred.user_ns, CAP_SYS_NICE):
        raise Errno.EPERM
    return b"%d\n" % who.timer_slack


def set_timerslack(t: Thread, target: Target, data: bytes) -> None:
    """Set it; 0 is the default, and a real-time thread has none."""
    value = kstrtoint(data, 10, 0, ULONG_MAX)
    who = task_of(target)
    if who is not t and not t.cred.ns_capable(who.cred.user_ns, CAP_SYS_NICE):
        raise Errno.EPERM
    who.timer_slack = 0 if who.sched.policy in (SCHED_FIFO, SCHED_RR) else value or who.default_timer_slack


def no_label(t: Thread, target: Target) -> bytes:
    """/proc/PID/attr/*: EINVAL, no security module is there to label anything."""
    task_of(target)
    raise Errno.EINVAL


def set_label(t: Thread, target: Target, data: bytes) -> None:
    """EPERM for another process's, EACCES for another thread's, else EINVAL (proc_pid_attr_write)."""
    who = task_of(target)
    if who.mm is not t.mm:
        raise Errno.EPERM
    raise Errno.EACCES if who is not t else Errno.EINVAL


def cpuset(t: Thread, target: Target) -> bytes:
    """/proc/PID/cpuset: the root one."""
    task_of(target)
    return b"/\n"


def projid_map(t: Thread, target: Target) -> bytes:
    """/proc/PID/projid_map: quota is not kept, ids of projects are not mapped."""
    task_of(target)
    return b"%10d %10d %10d\n" % (0, 0, 0xFFFFFFFF)


def nothing(t: Thread, target: Target) -> bytes:
    """A file that has nothing to tell of any task."""
    task_of(target)
    return b""


def ksm_merging_pages(t: Thread, target: Target) -> bytes:
    """/proc/PID/ksm_merging_pages: equal pages are not merged."""
    return b"0\n" if task_of(target).mm is not None else b""


def ksm_stat(t: Thread, target: Target) -> bytes:
    """/proc/PID/ksm_stat."""
    if task_of(target).mm is None:
        return b""
    return b"ksm_rmap_items 0\nksm_zero_pages 0\nksm_merging_pages 0\nksm_process_profit 0\n"
