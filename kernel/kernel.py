"""The kernel of one machine: what all its tasks share.

Everything a system call can reach hangs off this object, which every thread carries as ``t.kernel``; there is no other
global state.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from kernel.clocks import CpuTimes
from kernel.coredump_sysctls import CoredumpSysctls
from kernel.errno import Errno
from kernel.futex_table import FutexTable
from kernel.ia32 import IA32, Ia32Calls
from kernel.kcmp import ObjectOrder
from kernel.loadavg import LoadAverage
from kernel.mm.memory import Memory
from kernel.ns import PID_NS_INUM
from kernel.pid import PidNamespace
from kernel.seccomp_filter import DEFAULT_LOGGED
from kernel.semantics import Semantics
from kernel.timekeeping import Timekeeping
from kernel.timers import TimerQueue
from kernel.ucount import Ucounts

if TYPE_CHECKING:
    from kernel.binfmt import ProgramLoader
    from kernel.fs.inode import Inode
    from kernel.fs.vfs import Vfs
    from kernel.hardware import Clock, Cpu, Frames
    from kernel.mm.memory import Memory
    from kernel.net.unix import UnixSocket
    from kernel.sched import Scheduler
    from kernel.task import Process, Thread

FIRST_INUM = 0xF0000000


class Options(NamedTuple):
    """What the user of a machine may choose.

    ``max_procs``: most tasks alive at once (threads-max), clone fails with EAGAIN beyond.  ``slice_blocks``: length of a
    time slice in basic blocks.  ``seed``: all randomness.  ``aslr``: randomise addresses (from the seed).
    ``yama_scope``: who may attach to whom at the start (``kernel.yama``).
    """

    seed: int = 0
    max_procs: int = 32768
    slice_blocks: int = 100_000
    semantics: Semantics = Semantics()
    aslr: bool = False
    yama_scope: int = 0


class Console(Protocol):
    """The outside world: host descriptors and terminals the guest may be waiting for."""

    @property
    def attached(self) -> bool:
        """Whether input may arrive while tasks run (a terminal), so that it is worth looking at every slice."""

    @property
    def pending(self) -> bool:
        """Whether some sleeping task could be woken by the outside."""

    def poll(self, timeout: float | None) -> bool:
        """Wait up to ``timeout`` seconds (None: for ever) for the outside; deliver what came; return whether any did."""

    def suspend(self) -> None:
        """The program on the terminal has stopped: stop the machine, and return when it is continued."""


class Watch:
    """Somebody who is told what happens: the tracer of ``--trace``, the event list of the Python API."""

    def syscall_enter(self, t: Thread, number: int, args: tuple[int, ...]) -> None:
        """``t`` enters a system call; ``args`` are the six raw registers."""

    def syscall_exit(self, t: Thread, number: int, args: tuple[int, ...], result: object) -> None:
        """It returns ``result``, an int; negative: minus an errno, ERESTART* included."""

    def signal(self, t: Thread, info: object) -> None:
        """A signal is about to be delivered to ``t``."""

    def undelivered(self, t: Thread, info: object) -> None:
        """A signal for ``t`` has its effect without being delivered: its action is to do nothing, or the process dies at once."""

    def stopped(self, t: Thread, signo: int) -> None:
        """``t`` stops with its process because of stop signal ``signo``."""

    def cloned(self, t: Thread, child: Thread) -> None:
        """``t`` made ``child``."""

    def execed(self, t: Thread, path: bytes) -> None:
        """The process of ``t`` became the program ``path``."""

    def exited(self, t: Thread, status: int) -> None:
        """``t`` exits with a wait status."""


class Kernel:
    """One Linux.  ``tasks`` counts living and unreaped threads, kernel threads included."""

    __slots__ = (
        "options", "semantics", "cpu", "frames", "clock", "timers", "sched", "random", "root_pid_ns", "tasks", "_user_tasks",
        "calls", "call_names", "ia32", "console", "watch", "loader", "log", "debug", "futexes", "sigqueue_counts", "oopses",
        "_inum", "_told", "sysctls", "_sessions", "total_forks", "boot_time", "memory", "vfs", "timekeeping", "_ino", "ucounts",
        "unix_inodes", "coredump", "yama_scope", "object_order", "seccomp_logged", "load", "idle_ns", "gone",
    )  # fmt: skip

    sched: Scheduler
    memory: Memory
    vfs: Vfs
    loader: ProgramLoader
    console: Console
    calls: list[Callable[..., Any]]
    """System-call table by number: callables ``(t, a1..a6)``, unknown ones included.  The last one is for all numbers beyond."""
    call_names: Mapping[int, str]
    ia32: Callable[[], Ia32Calls]
    """Gives the calls of i386, which few programs make."""

    def __init__(
        self, options: Options, cpu: Cpu, frames: Frames, clock: Clock, log: Callable[[str], None], debug: bool = False
    ) -> None:
        """``log`` gets one line at a time of what the kernel has to tell its user (``dmesg``)."""
        self.options = options
        self.semantics = options.semantics
        self.cpu = cpu
        self.frames = frames
        self.memory = Memory(frames, cpu)
        self.clock = clock
        self.log = log
        self.debug = debug
        self.oopses: dict[Thread, int] = {}
        """How often each thread met a defect of this kernel."""
        self.timers = TimerQueue()
        self.timekeeping = Timekeeping()
        self.random = random.Random(options.seed)
        self.root_pid_ns = PidNamespace(None, PID_NS_INUM)
        self.ucounts = Ucounts(options.max_procs)
        self.tasks = 0
        self._user_tasks: dict[int, int] = {}
        self.watch: Watch | None = None
        self.futexes = FutexTable()
        self.sigqueue_counts: dict[int, int] = {}
        self._inum = FIRST_INUM
        self._ino = 15  # the numbers below are those of standard input and output
        self.unix_inodes: dict[Inode, UnixSocket] = {}
        """AF_UNIX sockets by the inode their path names."""
        self._told: set[object] = set()
        self.coredump = CoredumpSysctls()
        self.object_order = ObjectOrder()
        self.yama_scope = options.yama_scope
        """/proc/sys/kernel/yama/ptrace_scope"""
        self._sessions = 0
        self.sysctls: dict[bytes, int] = {}
        """Settings of /proc/sys that differ from their defaults, where nothing depends on them."""
        self.calls = []
        self.seccomp_logged: frozenset[int] = DEFAULT_LOGGED
        self.load = LoadAverage(clock.monotonic())
        self.idle_ns = 0
        """How long no task wanted to run."""
        self.gone = CpuTimes()
        """What released threads had used."""
        self.total_forks = 0
        self.boot_time = clock.realtime() - clock.monotonic()

    # -- numbers --------------------------------------------------------------------------------------------------
    def next_inum(self) -> int:
        """Return a fresh inode number for a namespace or pidfd."""
        self._inum += 1
        return self._inum

    def next_ino(self) -> int:
        """Return a fresh inode number for a pipe or socket (get_next_ino)."""
        self._ino += 1
        return self._ino

    def next_session(self) -> int:
        """Return the number of a new login session (/proc/PID/sessionid)."""
        self._sessions += 1
        return self._sessions

    # -- tasks ----------------------------------------------------------------------------------------------------
    def charge_task(self, t: Thread) -> None:
        """Count a new thread, for its real user too (RLIMIT_NPROC)."""
        self.tasks += 1
        self.total_forks += 1
        uid = t.cred.uid
        self._user_tasks[uid] = self._user_tasks.get(uid, 0) + 1

    def uncharge_task(self, t: Thread) -> None:
        """Count a released thread."""
        self.tasks -= 1
        self.gone.add(t.times)
        self._drop_user(t.cred.uid)

    def _drop_user(self, uid: int) -> None:
        left = self._user_tasks.get(uid, 0) - 1
        if left > 0:
            self._user_tasks[uid] = left
        else:
            self._user_tasks.pop(uid, None)

    def change_user(self, old: int, new: int) -> None:
        """A thread changed its real uid: move its count (commit_creds)."""
        if old != new:
            self._drop_user(old)
            self._user_tasks[new] = self._user_tasks.get(new, 0) + 1

    def tasks_of(self, uid: int) -> int:
        """Return how many threads a real user has."""
        return self._user_tasks.get(uid, 0)

    def all_threads(self) -> Iterator[Thread]:
        """Yield every thread, unreaped ones included, in the order of their numbers."""
        for _, pid in sorted(self.root_pid_ns.pids.items()):
            if pid.thread is not None:
                yield pid.thread

    def all_processes(self) -> Iterator[Process]:
        """Yield every process, zombies included, in the order of their numbers."""
        for _, pid in sorted(self.root_pid_ns.pids.items()):
            if pid.process is not None:
                yield pid.process

    def running(self) -> int:
        """Return how many tasks run, can run or sleep uninterruptibly (nr_active)."""
        return sum(t.state in "RD" and not t.exit_state for t in self.all_threads())

    def load_average(self) -> LoadAverage:
        """Return the load averages of this moment."""
        self.load.catch_up(self.clock.monotonic(), self.running())
        return self.load

    # -- telling the user -----------------------------------------------------------------------------------------
    def log_once(self, key: object, line: str) -> None:
        """Log ``line`` unless something was logged under ``key`` before."""
        if key not in self._told:
            self._told.add(key)
            self.log(line)

    def call_name(self, number: int) -> str:
        """Return the name of a system call; IA32 is added to the numbers of i386."""
        names = self.call_names if number < IA32 else self.ia32().names
        return names.get(number & 0xFFFF_FFFF, f"syscall_{number & 0xFFFF_FFFF:#x}")

    def unknown_call(self, t: Thread, number: int) -> int:
        """Answer a call the table does not have: ENOSYS, named once with task and program counter."""
        where = f"{t.comm.decode(errors='replace')}[{t.tid}] at {t.cpu.rip - 2:#x}"
        name = f"{self.call_name(number)} ({number & 0xFFFF_FFFF})"
        self.log_once(("call", number), f"unknown system call {name} by {where}: ENOSYS")
        raise Errno.ENOSYS

    def report_task_limit(self, t: Thread) -> None:
        """Say, once, that the machine is full."""
        name = f"{t.comm.decode(errors='replace')}[{t.tid}]"
        self.log_once("tasks", f"{self.tasks} tasks alive, the limit (--max-procs): clone by {name} and later ones fail (EAGAIN)")

    def exec_failed(self, t: Thread, path: bytes, error: Exception) -> None:
        """An exec failed past the point of no return; the process dies."""
        self.log(f"{path.decode(errors='backslashreplace')}: {type(error).__name__}: {error}; killed")
