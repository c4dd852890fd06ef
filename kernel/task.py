"""Processes and threads.

``Process`` is the thread group (``signal_struct``): it owns everything POSIX calls process state and is keyed by its
tgid.  ``Thread`` (``task_struct``) is an execution context.  There is no leader: what a process needs some thread for
is carried by ``rep`` (holds the TGID/PGID/SID links, answers permission checks; living while any thread lives) and
``wait_task`` (the thread through which the parent sees the process).  An exiting thread hands both on.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from kernel.waitqueue import Block, WaitQueue, Wakeup

if TYPE_CHECKING:
    from kernel.clocks import CpuTimes
    from kernel.cred import Cred
    from kernel.fs.fdtable import FdTable
    from kernel.fs.namespace import FsContext
    from kernel.futex_table import PiState
    from kernel.hardware import CpuState
    from kernel.hw_breakpoint import DebugRegisters
    from kernel.itimer import ItimerSet
    from kernel.kernel import Kernel
    from kernel.mm.address_space import AddressSpace
    from kernel.nsproxy import NsProxy
    from kernel.pid import Pid
    from kernel.posix_timers import PosixTimers
    from kernel.rlimit import Rlimits
    from kernel.sched_params import SchedParams
    from kernel.seccomp_filter import Seccomp
    from kernel.signal import SigAltStack, SigHand, SigInfo, SigPending
    from kernel.timers import Timer
    from kernel.tty import Tty
    from kernel.user_dispatch import UserDispatch

# Thread.state
RUNNING = "R"
SLEEPING = "S"
DISK_SLEEP = "D"
IDLE = "I"
STOPPED = "T"
TRACED = "t"
ZOMBIE = "Z"
DEAD = "X"

# Thread.exit_state (kernel/exit.py says when which)
EXIT_NONE = 0
EXIT_DEAD = 1
EXIT_ZOMBIE = 2
EXIT_TRACEE = 3
EXIT_TRACED = 4

# Thread.work: what must be done before the thread returns to user mode (TIF_* flags)
WORK_SIGNAL = 1
"""A signal may be deliverable, or a stop is pending (TIF_SIGPENDING)."""
WORK_TRACE = 2
"""System calls are reported to somebody: tracer, event log, seccomp (SYSCALL_WORK_*)."""
WORK_RESUME = 4
"""Run Thread.task_work before returning to user mode (TIF_NOTIFY_RESUME), e.g. the restart of rseq."""
WORK_RESTORE_MASK = 8
"""saved_blocked must be restored after signal delivery (TIF_RESTORE_SIGMASK)."""

class Process:
    """One process = one thread group (``signal_struct``).

    ``tgid_pid``, ``pgrp``, ``session``: the Pids it is linked to.  ``threads``: creation order, including unreaped
    corpses; ``live``: number of threads that have not begun to exit.  ``exit_signal`` is what the parent gets; 0 none.
    ``group_exit_code`` is a wait(2) status once ``group_exit`` is set, and the stop signal while ``stop_stopped``.
    """

    __slots__ = (
        "kernel", "tgid_pid", "pgrp", "session", "threads", "live", "rep", "wait_task",
        "shared_pending", "curr_target", "chldexit",
        "stop_stopped", "stop_continued", "cld_stopped", "cld_continued", "wakeup_pending", "group_exit", "core_state",
        "unkillable", "group_exit_code", "group_stop_count", "group_exec_task", "notify_count", "exec_wait",
        "exit_signal", "is_child_subreaper", "has_child_subreaper", "rlimits", "itimers", "posix_timers",
        "tty", "tty_old_pgrp", "is_session_leader", "times", "child_times", "exec_count", "oom_score_adj", "pidfd_wait",
        "oom_score_adj_min", "start_time", "ioprio", "did_exec", "maxrss_pages", "child_maxrss_pages", "cpu_timers",
        "ptracer", "__weakref__",
    )  # fmt: skip

    kernel: Kernel
    tgid_pid: Pid
    pgrp: Pid
    session: Pid
    threads: list[Thread]
    live: int
    rep: Thread
    wait_task: Thread
    shared_pending: SigPending
    curr_target: Thread
    chldexit: WaitQueue
    """wait4/waitid sleepers of this process (wait_chldexit); woken with the Pid of what has changed, None for anything."""
    stop_stopped: bool
    """SIGNAL_STOP_STOPPED: the group stop is complete."""
    stop_continued: bool
    """SIGNAL_STOP_CONTINUED: WCONTINUED has something to report."""
    cld_stopped: bool
    cld_continued: bool
    """SIGNAL_CLD_*: the parent is still to be notified."""
    wakeup_pending: bool
    """SIGCONT arrived before the group stop completed (patch 23)."""
    group_exit: bool
    core_state: CoreState | None
    """Set while the core of the process is dumped."""
    unkillable: bool
    """SIGNAL_UNKILLABLE: the first process of a pid namespace."""
    group_exit_code: int
    group_stop_count: int
    group_exec_task: Thread | None
    notify_count: int
    exec_wait: WaitQueue
    """The thread in execve waits here for its siblings' exit."""
    exit_signal: int
    is_child_subreaper: bool
    has_child_subreaper: bool
    rlimits: Rlimits
    itimers: ItimerSet
    posix_timers: PosixTimers
    tty: Tty | None
    """Controlling terminal."""
    tty_old_pgrp: Pid | None
    is_session_leader: bool
    times: CpuTimes
    """Of threads that are gone."""
    child_times: CpuTimes
    """Of children waited for."""
    exec_count: int
    did_exec: bool
    oom_score_adj: int
    oom_score_adj_min: int
    """The least a privileged process set: raising the risk can be undone down to here."""
    pidfd_wait: WaitQueue
    start_time: int
    ioprio: int
    maxrss_pages: int
    child_maxrss_pages: int
    cpu_timers: list[object]
    ptracer: tuple[Process | None] | None
    """Whom it lets attach (PR_SET_PTRACER): a process, or with (None,) anybody."""

    @property
    def tgid(self) -> int:
        """The process id as the initial pid namespace numbers it."""
        return self.tgid_pid.nr

    @property
    def living_thread(self) -> Thread:
        """``rep``, or while that is a corpse (mainline's leader) the first living thread; any thread if none lives."""
        rep = self.rep
        if rep.exiting:
            return next((t for t in self.threads if not t.exiting), rep)
        return rep

    @property
    def living(self) -> list[Thread]:
        """The threads that have not begun to exit, in creation order."""
        return [t for t in self.threads if not t.exiting]

    def __repr__(self) -> str:
        return f"<Process {self.tgid}>"


class CoreState:
    """A core dump under way (``struct core_state``): ``dumper`` writes it, ``running`` siblings have not stopped for it yet,
    ``stopped`` have, in the order they did."""

    __slots__ = ("dumper", "running", "stopped", "startup", "finished")

    def __init__(self, dumper: Thread) -> None:
        self.dumper = dumper
        self.running = 0
        self.stopped: list[Thread] = []
        self.startup = WaitQueue()
        self.finished = WaitQueue()

    def threads(self) -> list[Thread]:
        """Return the threads the core is about, the one that dumps first."""
        return [self.dumper, *self.stopped]


class Thread:
    """One thread (``task_struct``): registers, signal mask, links to what it shares with others."""

    __slots__ = (
        "kernel", "pid", "process", "comm", "cpu", "mm", "files", "fs", "cred", "nsproxy",
        "sighand", "blocked", "real_blocked", "saved_blocked", "pending", "altstack",
        "work", "task_work", "state", "exit_state", "exit_code", "exiting", "post_coredump",
        "kstack", "block", "wake_reason", "timer", "wake_callback", "trap_frame",
        "real_parent", "parent", "children", "ptrace", "ptraced", "ptracer_cred", "jobctl", "stop_code",
        "parent_exec_id", "self_exec_id", "pdeath_signal", "vfork_done",
        "clear_child_tid", "robust_list", "rseq", "syscall_nr", "user_dispatch", "syscall_args", "restart",
        "times", "no_new_privs", "seccomp", "calls", "sched", "start_time", "pi_blocked_on", "pi_owned", "personality",
        "mempolicy", "timer_slack", "default_timer_slack", "login", "tls", "debug", "debug_status",
        "ptrace_message", "last_siginfo", "trace_flags",
    )  # fmt: skip

    kernel: Kernel
    pid: Pid
    process: Process
    comm: bytes
    """At most 15 bytes (TASK_COMM_LEN)."""
    cpu: CpuState
    mm: AddressSpace | None
    """None once the thread has passed exit_mm."""
    files: FdTable
    fs: FsContext
    cred: Cred
    nsproxy: NsProxy
    sighand: SigHand
    blocked: int
    """Signal masks: bit n-1 is signal n."""
    real_blocked: int
    saved_blocked: int
    pending: SigPending
    altstack: SigAltStack
    work: int
    """WORK_* bits; non-zero: the slow path back to user mode."""
    task_work: list[Callable[[Thread], None]]
    state: str
    exit_state: int
    exit_code: int
    exiting: bool
    """PF_EXITING."""
    post_coredump: bool
    """Its exit has begun, and is past the point where it would wait for a core dump (PF_POSTCOREDUMP)."""
    kstack: Generator[Block, Wakeup, object] | None
    """The kernel generator the thread is inside of; None in user mode."""
    timer: Timer | None
    """Ends the sleep at its deadline."""
    block: Block | None
    """What the thread sleeps in, None if it does not."""
    wake_reason: Wakeup
    wake_callback: Callable[[object], bool]
    """What the thread registers on the wait queues it sleeps on."""
    real_parent: Thread | None
    parent: Thread | None
    """The tracer if traced, else real_parent."""
    children: dict[Process, None]
    """Processes this thread created or adopted, oldest first."""
    ptrace: int
    """PT_* bits of kernel.ptrace: traced, how, and the options; 0 when nobody traces the thread."""
    ptraced: dict[Thread, None]
    """Its tracees, oldest first."""
    ptrace_message: int
    """PTRACE_GETEVENTMSG of the stop the thread is in."""
    last_siginfo: SigInfo | None
    """The signal or event of the ptrace stop the thread is in; None in a group stop and outside stops."""
    trace_flags: int
    """TRACE_* bits of kernel.ptrace: what the tracer asked for when it last resumed the thread."""
    user_dispatch: UserDispatch | None
    """Whose system calls are sent back to it (PR_SET_SYSCALL_USER_DISPATCH)."""
    parent_exec_id: int
    self_exec_id: int
    pdeath_signal: int
    vfork_done: WaitQueue | None
    """The parent of a vfork sleeps here until this thread execs or exits."""
    clear_child_tid: int
    """User address, 0 none."""
    robust_list: tuple[int, int]
    rseq: tuple[int, int, int]
    """(user address, length, signature); address 0: not registered."""
    syscall_nr: int
    """Number of the call the thread is in (orig_rax), -1 in user mode or after an exception."""
    syscall_args: tuple[int, ...]
    jobctl: int
    """JOBCTL_* bits of signal_send: what the thread has to do for a group stop or a trap."""
    stop_code: int
    """What a tracer's wait reports of the stop the thread is in; 0 once reported (exit_code of a TRACED task)."""
    trap_frame: tuple[int, int, int]
    """(vector, error code, CR2) of the last exception, for the signal frame (thread.trap_nr, error_code, cr2)."""
    restart: Callable[[Thread], object] | None
    """restart_syscall(2): continues the interrupted call (restart_block)."""
    times: CpuTimes
    no_new_privs: bool
    seccomp: Seccomp | None
    """What confines the thread (seccomp(2)); None: nothing."""
    calls: list[Callable[..., Any]]
    """Its system-call table: the kernel's, or one behind its seccomp filters."""
    start_time: int
    personality: int
    sched: SchedParams
    timer_slack: int
    """ns (PR_SET_TIMERSLACK)."""
    login: tuple[int, int]
    """User id and number of the login session (audit), both 0xFFFFFFFF before a login."""
    default_timer_slack: int
    """What PR_SET_TIMERSLACK 0 goes back to: the creator's slack."""
    pi_blocked_on: PiState | None
    """The priority-inheriting lock it waits for."""
    pi_owned: dict[PiState, None]
    """Such locks it holds and others wait for."""
    tls: tuple[int, ...] | None
    """The descriptors of PTRACE_SET_THREAD_AREA; None: all empty."""
    debug: DebugRegisters | None
    """Hardware breakpoints; None unless a debugger has set some."""
    debug_status: int
    """DR6 as the kernel keeps it: the reasons of the last debug exception."""
    ptracer_cred: Cred | None
    """Credentials of the tracer when it attached."""
    mempolicy: tuple[int, int] | None
    """set_mempolicy(2): (mode, node mask)."""

    @property
    def tid(self) -> int:
        """The thread id as the initial pid namespace numbers it."""
        return self.pid.nr

    def __repr__(self) -> str:
        return f"<Thread {self.tid} of {self.process.tgid} {self.comm!r} {self.state}>"
