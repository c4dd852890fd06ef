"""/proc/PID/stat, status, statm and children (fs/proc/array.c).

Each function gets the reader and the directory's target and returns the file's text.  Formats are those proc(5) describes,
blank for blank, because ps, top and debuggers parse them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.clocks import NSEC_PER_TICK, CpuTimes, process_times
from kernel.fs.proc.target import Target, may_read, task_of
from kernel.fs.proc.task_mmu import status_lines
from kernel.mm import usage
from kernel.rlimit import RLIMIT_RSS, RLIMIT_SIGPENDING
from kernel.sched_params import SCHED_FIFO, SCHED_RR
from kernel.signal import SIG_DFL, SIG_IGN
from kernel.task import EXIT_DEAD, EXIT_NONE, Thread
from kernel.user_ns import from_kgid_munged, from_kuid_munged

if TYPE_CHECKING:
    from kernel.pid import Pid, PidNamespace
    from kernel.seccomp_filter import Seccomp

PF_EXITING = 0x4
PF_POSTCOREDUMP = 0x8
PF_NOFREEZE = 0x8000
PF_FORKNOEXEC = 0x40
PF_RANDOMIZE = 0x400000
PF_KTHREAD = 0x200000

STATES = {
    "R": b"R (running)",
    "S": b"S (sleeping)",
    "D": b"D (disk sleep)",
    "T": b"T (stopped)",
    "t": b"t (tracing stop)",
    "X": b"X (dead)",
    "Z": b"Z (zombie)",
    "I": b"I (idle)",
}


def state(t: Thread) -> str:
    """Return the one letter for the state of a task."""
    if t.exit_state != EXIT_NONE:
        return "X" if t.exit_state == EXIT_DEAD else "Z"
    return t.state


def ticks(ns: int) -> int:
    """Convert ns to USER_HZ ticks."""
    return ns // NSEC_PER_TICK


def _signal_sets(t: Thread) -> tuple[int, int]:
    """Return the masks of ignored and of caught signals (collect_sigign_sigcatch)."""
    ignored = caught = 0
    for signo, action in enumerate(t.sighand.actions):
        handler = action.handler
        if handler == SIG_IGN:
            ignored |= 1 << (signo - 1)
        elif handler != SIG_DFL:
            caught |= 1 << (signo - 1)
    return ignored, caught


def _parent_number(t: Thread, ns: PidNamespace) -> int:
    parent = t.real_parent
    return parent.process.tgid_pid.nr_in(ns) if parent is not None else 0


# -- stat -------------------------------------------------------------------------------------------------------------
def tgid_stat(t: Thread, target: Target) -> bytes:
    """/proc/PID/stat: the process as a whole."""
    return _stat(t, target, task_of(target), True)


def tid_stat(t: Thread, target: Target) -> bytes:
    """/proc/PID/task/TID/stat: one thread."""
    return _stat(t, target, task_of(target), False)


def task_flags(t: Thread) -> int:
    """Return the PF_* bits of a task."""
    flags = PF_RANDOMIZE if t.mm is not None else 0
    if t.exiting:
        flags |= PF_EXITING | PF_POSTCOREDUMP
        if t.exit_state != EXIT_NONE:
            flags |= PF_NOFREEZE
    elif t.mm is None:
        flags |= PF_KTHREAD
    if not t.process.did_exec:
        flags |= PF_FORKNOEXEC
    return flags


def _stat(t: Thread, target: Target, who: Thread, whole: bool) -> bytes:
    ns = target.fs.ns
    process = who.process
    times: CpuTimes = process_times(process) if whole else who.times
    children = process.child_times
    mm = who.mm
    permitted = may_read(t, who)
    ignored, caught = _signal_sets(who)
    tty_nr, tty_pgrp = 0, -1
    if process.tty is not None:
        dev = process.tty.rdev
        tty_nr = dev & 0xFFFFF
        tty_pgrp = process.tty.foreground.nr_in(ns) if process.tty.foreground is not None else 0
    policy = who.sched.policy
    realtime = policy in (SCHED_FIFO, SCHED_RR)
    priority = -1 - who.sched.priority if realtime else 20 + who.sched.nice
    start = process.start_time if whole else who.start_time
    esp = eip = 0
    sleeps = state(who) != "R" and (not whole or len(process.threads) < 2)
    if permitted and mm is not None and who.exiting:
        esp, eip = who.cpu.rsp, who.cpu.rip
    show = mm is not None and permitted
    fields = (
        _parent_number(who, ns), process.pgrp.nr_in(ns), process.session.nr_in(ns), tty_nr,
        tty_pgrp, task_flags(who), times.minflt, children.minflt, times.majflt, children.majflt, ticks(times.utime),
        ticks(times.stime), ticks(children.utime), ticks(children.stime), priority, who.sched.nice, len(process.threads), 0,
        ticks(start), mm.total_vm << 12 if mm else 0, mm.tables.resident() if mm else 0, process.rlimits.soft(RLIMIT_RSS),
        (mm.start_code if permitted else 1) if mm else 0, (mm.end_code if permitted else 1) if mm else 0,
        mm.start_stack if mm and show else 0, esp, eip,
        who.pending.mask & 0x7FFFFFFF, who.blocked & 0x7FFFFFFF, ignored & 0x7FFFFFFF, caught & 0x7FFFFFFF,
        int(permitted and sleeps), 0, 0, process.exit_signal if whole else -1, 0,
        who.sched.priority if realtime else 0, policy, 0, 0, 0,
        mm.start_data if mm and show else 0, mm.end_data if mm and show else 0, mm.start_brk if mm and show else 0,
        mm.arg_start if mm and show else 0, mm.arg_end if mm and show else 0, mm.env_start if mm and show else 0,
        mm.env_end if mm and show else 0, who.exit_code if permitted else 0,
    )  # fmt: skip
    tail = " ".join(map(str, fields)).encode()
    return b"%d (%s) %s %s\n" % (target.pid.nr_in(ns), who.comm, state(who).encode(), tail)


def statm(t: Thread, target: Target) -> bytes:
    """/proc/PID/statm, in pages."""
    mm = task_of(target).mm
    numbers = usage.statm(mm) if mm is not None else (0,) * 7
    return " ".join(map(str, numbers)).encode() + b"\n"


# -- status -----------------------------------------------------------------------------------------------------------
def _confinement(seccomp: Seccomp | None) -> tuple[str, str]:
    mode, filter = seccomp or (0, None)
    return f"Seccomp:\t{mode}", f"Seccomp_filters:\t{0 if filter is None else filter.count}"


def status(t: Thread, target: Target) -> bytes:
    """/proc/PID/status."""
    who = task_of(target)
    ns = target.fs.ns
    process = who.process
    cred = who.cred
    user_ns = t.cred.user_ns
    mm = who.mm
    ignored, caught = _signal_sets(who)
    tracer = who.parent.pid.nr_in(ns) if who.ptrace and who.parent is not None else 0
    pid = who.pid if target.single else target.pid
    # The numbers in every namespace from the reader's down.
    levels = range(ns.level, len(pid.numbers))

    def numbers(of: Pid) -> str:
        every = of.numbers
        return "\t".join(str(every[level][1]) if level < len(every) else "0" for level in levels)

    sets = (who.pending.mask, process.shared_pending.mask, who.blocked, ignored, caught)
    caps = (cred.inheritable, cred.permitted, cred.effective, cred.bounding, cred.ambient)
    fd_size = 64
    while fd_size < len(who.files.slots):
        fd_size *= 2
    name = who.comm.replace(b"\\", b"\\\\").replace(b"\n", b"\\n")
    lines = [
        *(() if who.exiting else (f"Umask:\t{who.fs.umask:04o}",)),
        f"State:\t{STATES[state(who)].decode()}",
        f"Tgid:\t{process.tgid_pid.nr_in(ns)}",
        "Ngid:\t0",
        f"Pid:\t{pid.nr_in(ns)}",
        f"PPid:\t{_parent_number(who, ns)}",
        f"TracerPid:\t{tracer}",
        "Uid:\t" + "\t".join(str(from_kuid_munged(user_ns, uid)) for uid in (cred.uid, cred.euid, cred.suid, cred.fsuid)),
        "Gid:\t" + "\t".join(str(from_kgid_munged(user_ns, gid)) for gid in (cred.gid, cred.egid, cred.sgid, cred.fsgid)),
        f"FDSize:\t{fd_size if not who.exiting else 0}",
        "Groups:\t" + " ".join(str(from_kgid_munged(user_ns, gid)) for gid in cred.groups) + " ",
        "NStgid:\t" + numbers(process.tgid_pid),
        "NSpid:\t" + numbers(pid),
        "NSpgid:\t" + numbers(process.pgrp),
        "NSsid:\t" + numbers(process.session),
        f"Kthread:\t{int(mm is None and not who.exiting)}",
    ]
    text = "\n".join(lines) + "\n"
    if mm is not None:
        text += status_lines(mm)
        text += f"CoreDumping:\t{int(process.core_state is not None)}\n"
        text += f"THP_enabled:\t{int(not mm.thp_disabled)}\nuntag_mask:\t0xffffffffffffffff\n"
    kernel = who.kernel
    lines = [
        f"Threads:\t{len(process.threads)}",
        f"SigQ:\t{kernel.sigqueue_counts.get(cred.uid, 0)}/{process.rlimits.soft(RLIMIT_SIGPENDING)}",
        *(f"{key}:\t{mask:016x}" for key, mask in zip(("SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt"), sets, strict=True)),
        *(f"{key}:\t{mask:016x}" for key, mask in zip(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), caps, strict=True)),
        f"NoNewPrivs:\t{int(who.no_new_privs)}",
        *_confinement(who.seccomp),
        "Speculation_Store_Bypass:\tnot vulnerable",
        "SpeculationIndirectBranch:\tnot affected",
        f"Cpus_allowed:\t{who.sched.affinity:x}",
        "Cpus_allowed_list:\t0",
        "Mems_allowed:\t1",
        "Mems_allowed_list:\t0",
        f"voluntary_ctxt_switches:\t{who.times.nvcsw}",
        f"nonvoluntary_ctxt_switches:\t{who.times.nivcsw}",
    ]
    return b"Name:\t" + name + b"\n" + (text + "\n".join(lines) + "\n").encode()


def children(t: Thread, target: Target) -> bytes:
    """/proc/PID/task/TID/children: the processes the thread made or adopted."""
    ns = target.fs.ns
    return b"".join(b"%d " % process.tgid_pid.nr_in(ns) for process in task_of(target).children)
