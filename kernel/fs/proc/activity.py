"""What a task is doing and has used: wchan, syscall, stack, io, sched, schedstat, timers (fs/proc/base.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kernel.clocks import CpuTimes, process_times
from kernel.cred import CAP_SYS_ADMIN
from kernel.errno import Errno
from kernel.fs.proc.target import Target, may_read, task_of
from kernel.ia32 import in_syscall
from kernel.ptrace_user import syscall_registers
from kernel.sched_params import SCHED_FIFO, SCHED_RR

if TYPE_CHECKING:
    from kernel.task import Thread

_NOTIFY = ("signal", "none", "thread")
SIGEV_THREAD_ID = 4


def wchan(t: Thread, target: Target) -> bytes:
    """/proc/PID/wchan: what the task sleeps in, 0 if it runs or the reader may not know."""
    who = task_of(target)
    if who.block is None or not may_read(t, who):
        return b"0"
    return who.block.what.encode()


def syscall_line(t: Thread, target: Target) -> bytes:
    """/proc/PID/syscall: number, arguments, stack pointer and program counter of a sleeping task, or of the reader."""
    who = task_of(target)
    if who.exiting:
        return b"-1 0x0 0x0\n"
    if who.block is None and who is not t:
        return b"running\n"
    sp, pc = who.cpu.rsp, who.cpu.rip
    if not in_syscall(who):
        return b"-1 0x%x 0x%x\n" % (sp, pc)
    number, *arguments = syscall_registers(who)
    return f"{number} {' '.join(f'0x{value:x}' for value in arguments)} 0x{sp:x} 0x{pc:x}\n".encode()


def stack(t: Thread, target: Target) -> bytes:
    """/proc/PID/stack: the kernel functions the task is inside of, innermost first.  EACCES without CAP_SYS_ADMIN.

    The generators of a sleeping call are its stack; an offset is counted in lines.
    """
    if not t.cred.capable(CAP_SYS_ADMIN):
        raise Errno.EACCES
    who = task_of(target)
    if not may_read(t, who):
        raise Errno.EPERM
    names = []
    frame: Any = who.kstack if who is not t else None
    while frame is not None:
        code = getattr(frame, "gi_code", None)
        if code is not None:
            line = frame.gi_frame.f_lineno - code.co_firstlineno if frame.gi_frame is not None else 0
            names.append(f"[<0>] {code.co_name}+{line:#x}\n")
        frame = getattr(frame, "gi_yieldfrom", None)
    return "".join(reversed(names)).encode()


def _io(times: CpuTimes) -> bytes:
    return b"rchar: %d\nwchar: %d\nsyscr: %d\nsyscw: %d\nread_bytes: %d\nwrite_bytes: %d\ncancelled_write_bytes: 0\n" % (
        times.rchar, times.wchar, times.syscr, times.syscw, times.inblock * 512, times.oublock * 512,
    )  # fmt: skip


def tgid_io(t: Thread, target: Target) -> bytes:
    """/proc/PID/io: bytes and calls of reading and writing, of all threads and of children that were waited for."""
    process = task_of(target).process
    times = process_times(process)
    times.add(process.child_times)
    return _io(times)


def tid_io(t: Thread, target: Target) -> bytes:
    """/proc/PID/task/TID/io."""
    return _io(task_of(target).times)


def sched_stat(t: Thread, target: Target) -> bytes:
    """/proc/PID/schedstat: time on the CPU and waiting for it (not measured), number of slices."""
    who = task_of(target)
    return b"%d 0 %d\n" % (who.times.total, who.times.nvcsw + who.times.nivcsw)


def sched(t: Thread, target: Target) -> bytes:
    """/proc/PID/sched: the scheduler's view, as far as there is one: fair threads take turns."""
    who = task_of(target)
    times = who.times
    realtime = who.sched.policy in (SCHED_FIFO, SCHED_RR)
    priority = 99 - who.sched.priority if realtime else 120 + who.sched.nice
    head = f"{who.comm.decode(errors='replace')} ({target.pid.nr_in(target.fs.ns)}, #threads: {len(who.process.threads)})\n"
    now = t.kernel.clock.monotonic()

    def ms(ns: int) -> str:
        return f"{ns // 1_000_000}.{ns % 1_000_000:06d}"

    rows: tuple[tuple[str, object], ...] = (
        ("se.exec_start", ms(now)), ("se.vruntime", ms(times.total)), ("se.sum_exec_runtime", ms(times.total)),
        ("se.nr_migrations", 0), ("nr_switches", times.nvcsw + times.nivcsw), ("nr_voluntary_switches", times.nvcsw),
        ("nr_involuntary_switches", times.nivcsw), ("se.load.weight", 1048576), ("policy", who.sched.policy),
        ("prio", priority), ("clock-delta", 0),
    )  # fmt: skip
    return (head + "-" * 67 + "\n" + "".join(f"{name:<45}:{value!s:>21}\n" for name, value in rows)).encode()


def timers(t: Thread, target: Target) -> bytes:
    """/proc/PID/timers: the POSIX timers of a process, with the value their signal carries."""
    ns = target.fs.ns
    process = task_of(target).process
    text = []
    for number, timer in process.posix_timers.timers.items():
        event = timer.event
        pid = event.thread.pid if event.thread is not None else process.tgid_pid
        kind = "tid" if event.notify & SIGEV_THREAD_ID else "pid"
        text.append(
            f"ID: {number}\nsignal: {event.signo}/{event.value:016x}\n"
            f"notify: {_NOTIFY[event.notify & 3]}/{kind}.{pid.nr_in(ns)}\nClockID: {timer.clock}\n"
        )
    return "".join(text).encode()
