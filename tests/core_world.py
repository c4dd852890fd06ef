"""The kernel's core on a bench: real scheduler, processes, threads, pids, signals and tracing; no engine, no memory, no files.

The processor is a fake: a thread's program is a list of calls, and "executing" one is a system call whose number is
``CALL``.  So every step goes through the run loop of production (entry, restart of interrupted calls, signal frames, stops),
but takes microseconds.  The bench, not the queue, says which thread runs next: ``step`` gives any runnable thread one
slice, long enough for one call.  Init is pid 1, a thread that sleeps in the kernel and adopts.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

from emu.clock import VirtualClock
from kernel import exit as kernel_exit
from kernel import kill as kernel_kill
from kernel import ptrace_request, sigframe
from kernel import wait as kernel_wait
from kernel.clone import link_process, new_process, new_thread
from kernel.cred import Cred
from kernel.errno import Errno
from kernel.exec import AT_FDCWD, do_execve
from kernel.exit import do_exit
from kernel.fs.fdtable import FdTable
from kernel.hardware import PageTables, Regs, Trap
from kernel.kernel import Kernel, Options
from kernel.net.namespace import NetNamespace
from kernel.nsproxy import initial_nsproxy
from kernel.pid import Pid, PidNamespace, alloc_pid, ns_of
from kernel.rlimit import Rlimits
from kernel.sched import Scheduler
from kernel.sched_params import SchedParams
from kernel.semantics import Semantics
from kernel.signal import SIG_IGN, SIGCHLD, SIGKILL, SigAction, SigAltStack, SigHand
from kernel.signal_send import send_sig
from kernel.task import Process, Thread
from kernel.wait import Report, WaitOptions, do_wait
from kernel.waitqueue import Block, Blocking, WaitQueue

CALL = 511
"""System-call number of "the next call of the program"; its argument is the index."""
SIGRETURN = 15
HANDLER = 0x40_1000
STACK_TOP = 0x7000_0000
STACK_SIZE = 1 << 15
SA_RESTORER = 0x04000000
UIDS = (0, 1000, 1001)
"""The users of the bench."""

Call = Callable[[Thread], Any]
"""What a thread of the bench executes: a function like a system call's, which may return a generator."""

_FIELDS = Regs._fields


class Registers:
    """A register file whose instruction pointer counts through ``program``: call i is at address 2 * i."""

    __slots__ = (*_FIELDS, "program", "fp", "results")

    def __init__(self) -> None:
        self.fp = bytes(512)
        self.reset(0, STACK_TOP)

    def reset(self, rip: int, rsp: int) -> None:
        for name in _FIELDS:
            setattr(self, name, 0)
        self.rip, self.rsp, self.cs, self.ss, self.eflags = rip, rsp, 0x33, 0x2B, 0x202
        self.program: list[Call] = []
        self.results: list[object] = []

    def copy(self) -> Registers:
        """A child begins with an empty program."""
        new = Registers()
        new.rsp = self.rsp
        return new

    def regs(self) -> Regs:
        return Regs(*(getattr(self, name) for name in _FIELDS))

    def set_regs(self, regs: Regs) -> None:
        for name, value in zip(_FIELDS, regs, strict=True):
            setattr(self, name, value)

    def fpregs(self) -> bytes:
        return self.fp

    def set_fpregs(self, image: bytes) -> None:
        self.fp = image


class Processor:
    """Executes the calls of a register file; beyond its last call a thread spins."""

    def __init__(self) -> None:
        self.syscall: tuple[int, ...] = ()
        self.blocks = 0
        self.fault_address = self.error_code = self.vector = 0

    def new_state(self) -> Registers:
        return Registers()

    def new_tables(self) -> PageTables:
        raise AssertionError("the bench has no page tables")

    def code_changed(self, frame: int) -> None:
        raise AssertionError("the bench has no frames")

    def step(self, state: Registers, on: bool) -> None:
        pass

    def interrupt(self) -> None:
        pass

    def run(self, state: Registers, tables: object, budget: int) -> int:
        self.blocks = 1
        if state.rip == HANDLER:  # it does nothing but return: pop the address, rt_sigreturn
            state.rsp += 8
            self.syscall = (SIGRETURN, 0, 0, 0, 0, 0, 0)
            return Trap.SYSCALL.value
        index = state.rip >> 1
        if index < len(state.program):
            state.rip += 2
            self.syscall = (CALL, index, 0, 0, 0, 0, 0)
            return Trap.SYSCALL.value
        self.blocks = budget
        return Trap.BUDGET.value


class Space:
    """An address space that has a stack and counts its users."""

    def __init__(self, kernel: object = None, rlimits: object = None, stack: bytearray | None = None) -> None:
        self.stack = stack if stack is not None else bytearray(STACK_SIZE)
        self.users = 1
        self.dumpable = 1
        self.dump_filter = 0x33
        self.thp_disabled = False
        self.tables = None

    def hold(self) -> Space:
        self.users += 1
        return self

    def put(self) -> None:
        self.users -= 1
        assert self.users >= 0

    def fork(self, limits: object) -> Space:
        return Space(stack=bytearray(self.stack))

    def _at(self, address: int, size: int) -> int:
        offset = address - STACK_TOP + STACK_SIZE
        if offset < 0 or offset + size > STACK_SIZE:
            raise Errno.EFAULT
        return offset

    def read(self, address: int, size: int) -> bytes:
        at = self._at(address, size)
        return bytes(self.stack[at : at + size])

    def write(self, address: int, data: bytes) -> None:
        at = self._at(address, len(data))
        self.stack[at : at + len(data)] = data

    def write_quiet(self, address: int, data: bytes) -> None:
        pass

    def peak_resident(self) -> int:
        return 0

    def set_exe_file(self, file: object) -> None:
        pass

    def set_image(self, image: object) -> None:
        pass


class Shared:
    """A file-system context: only who shares it matters here."""

    def __init__(self) -> None:
        self.users = 1

    def hold(self) -> Shared:
        self.users += 1
        return self

    def put(self) -> None:
        self.users -= 1
        assert self.users >= 0

    def copy(self) -> Shared:
        return Shared()


class _Image:
    entry, sp = 0, STACK_TOP


class _Program:
    """A program that does nothing, owned by root, without set-id bits."""

    name = b"program"
    mapped: tuple[Any, ...] = ()

    @property
    def executable(self) -> _Program:
        return self

    def stat(self, t: Thread) -> object:
        return SimpleNamespace(mode=0o100755, uid=0, gid=0)

    def where(self) -> None:
        return None

    def commit(self, t: Thread, mm: object, secure: bool) -> _Image:
        return _Image()

    def close(self) -> None:
        pass


class Permission(NamedTuple):
    """What somebody who wanted to signal ``target`` was told, and the state of both at that moment."""

    sender: Thread
    target: Thread
    mine: Cred
    other: Cred
    same_session: bool
    stale: bool
    """The target had begun to exit although a sibling lived."""
    signo: int
    allowed: bool


class World:
    """A kernel with an init; use it as a context manager, because exec's files and memory are replaced meanwhile.

    ``reaped`` are the processes whose end somebody waited for; ``notified`` maps a dead process to the one that was told;
    ``sleeping`` maps a thread inside wait to what it waits for; ``permissions`` are the checks made for kill since somebody
    looked at them.
    """

    def __init__(self, semantics: Semantics, max_procs: int = 24) -> None:
        processor: Any = Processor()
        frames: Any = SimpleNamespace(
            memory=bytearray(), total=0, get=None, put=None, count=None, allocate=lambda zero=True: 0, free=0
        )
        self.clock = VirtualClock()
        self.log: list[str] = []
        options = Options(max_procs=max_procs, semantics=semantics)
        self.kernel = kernel = Kernel(options, processor, frames, self.clock, self.log.append, debug=True)
        kernel.vfs = SimpleNamespace(detached=[])  # type: ignore[assignment]
        kernel.sched = Scheduler(kernel, 1)
        kernel.call_names = {}
        kernel.console = SimpleNamespace(attached=False, pending=False, poll=lambda timeout: False)
        kernel.calls = [self._no_call] * 513
        kernel.calls[CALL] = self._call
        kernel.calls[SIGRETURN] = lambda t, *args: sigframe.sigreturn(t)
        kernel.loader = SimpleNamespace(prepare=lambda *args: _Program())
        self.ns = kernel.root_pid_ns
        self.namespaces = [self.ns]
        self.reaped: dict[Process, None] = {}
        self.reaped_threads: dict[Thread, None] = {}
        self.notified: dict[Process, Process | None] = {}
        self.sleeping: dict[Thread, WaitOptions] = {}
        self.permissions: list[Permission] = []
        self._stack = ExitStack()
        self._end = WaitQueue()
        self.over = False
        self.init = self._task(None)
        self.init.process.unkillable = True
        self.ns.child_reaper = self.init.pid
        self.init.mm = None
        self.init.sighand.actions[SIGCHLD] = SigAction(SIG_IGN)
        self.init.blocked = (1 << 64) - 1
        self.init.kstack = self._main_of_init(self.init)
        kernel.sched.start(self.init)
        self.step(self.init)

    def __enter__(self) -> World:
        enter = self._stack.enter_context
        enter(patch("kernel.exec.AddressSpace", Space))
        enter(patch("kernel.exec.open_exec", lambda *args: (_Program(), b"/program", False)))
        reap, notify, make = kernel_wait._reap, kernel_exit.notify_parent, PidNamespace
        may_kill = kernel_kill.check_kill_permission

        def spy_reap(t: Thread, target: Thread, as_process: bool, flags: int) -> Report:
            if not flags & kernel_wait.WNOWAIT:
                seen: dict[Any, None] = self.reaped if as_process else self.reaped_threads
                key = target.process if as_process else target
                assert key not in seen, f"{key} was reported twice"
                seen[key] = None
            return reap(t, target, as_process, flags)

        def spy_notify(t: Thread, as_process: bool) -> bool:
            if as_process:
                parent = t.real_parent
                self.notified[t.process] = parent.process if parent is not None else None
            return notify(t, as_process)

        def spy_may_kill(t: Thread, target: Thread, signo: int) -> None:
            session = t.process.session is target.process.session
            stale = target.exiting and target.process.live > 0
            allowed = False
            try:
                may_kill(t, target, signo)
                allowed = True
            finally:
                self.permissions.append(Permission(t, target, t.cred, target.cred, session, stale, signo, allowed))

        def namespace(parent: PidNamespace | None, inum: int, *owner: Any) -> PidNamespace:
            ns = make(parent, inum, *owner)
            self.namespaces.append(ns)
            return ns

        self.new_namespace = namespace
        enter(patch("kernel.wait._reap", spy_reap))
        enter(patch("kernel.wait.notify_parent", spy_notify))
        enter(patch("kernel.exit.notify_parent", spy_notify))
        enter(patch("kernel.kill.check_kill_permission", spy_may_kill))
        enter(patch("kernel.nsproxy.PidNamespace", namespace))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    # -- tasks --------------------------------------------------------------------------------------------------------
    def _task(self, parent: Thread | None) -> Thread:
        kernel = self.kernel
        pid = alloc_pid(self.ns, kernel.next_inum())
        t, process = new_thread(kernel, pid), new_process(kernel, pid)
        t.process = process
        t.comm = b"bench"
        t.cred = Cred.root()
        t.no_new_privs = False
        t.blocked = t.personality = 0
        t.timer_slack = t.default_timer_slack = 50_000
        t.sched = SchedParams()
        t.rseq = (0, 0, 0)
        t.self_exec_id = t.parent_exec_id = 0
        t.altstack = SigAltStack(flags=0)
        t.sighand = SigHand()
        t.files = FdTable()
        t.fs = Shared()  # type: ignore[assignment]
        mounts: Any = SimpleNamespace(users=1, hold=lambda: None, put=lambda: None)
        t.nsproxy = initial_nsproxy(mounts, self.ns, NetNamespace(1))
        t.mm = Space()  # type: ignore[assignment]
        t.cpu = Registers()  # type: ignore[assignment]
        t.real_parent = t.parent = parent
        pid.thread = t
        kernel.charge_task(t)
        process.threads.append(t)
        process.live = 1
        process.rep = process.wait_task = process.curr_target = t
        process.exit_signal = SIGCHLD
        process.rlimits = Rlimits()
        link_process(process, pid, pid)
        process.is_session_leader = True
        if parent is not None:
            parent.children[process] = None
        return t

    def spawn(self) -> Thread:
        """Return the only thread of a new process, a child of init that leads a session."""
        t = self._task(self.init)
        self.kernel.sched.start(t)
        return t

    def _main_of_init(self, t: Thread) -> Blocking[int]:
        while not self.over:
            yield Block("init", self._end)
        return (yield from do_exit(t, 0))

    def threads(self) -> list[Thread]:
        """Return every thread but init, dead ones included, in the order of their numbers."""
        return [t for t in self.kernel.all_threads() if t is not self.init]

    def living(self) -> list[Thread]:
        """Return the threads but init that have not begun to exit."""
        return [t for t in self.kernel.all_threads() if t is not self.init and not t.exiting]

    # -- running ------------------------------------------------------------------------------------------------------
    @staticmethod
    def _no_call(t: Thread, *args: int) -> int:
        raise Errno.ENOSYS

    @staticmethod
    def _call(t: Thread, registers: tuple[int, ...]) -> Any:
        state: Any = t.cpu
        return state.program[registers[1]](t)

    def step(self, t: Thread) -> None:
        """Give ``t`` one slice if it is runnable: time for one call, or to act on its signals."""
        kernel = self.kernel
        queue = kernel.sched.queue
        if t in queue:
            queue.remove(t)
            kernel.sched.current = t
            kernel.sched._run_slice(t)
        if kernel.timers.next <= self.clock.monotonic():
            kernel.timers.fire(self.clock.monotonic())

    def program(self, t: Thread, *calls: Call) -> None:
        """Append calls to what ``t`` executes; a thread that exits or execs forgets what is left."""
        state: Any = t.cpu
        state.program.extend(calls)

    def do(self, t: Thread, call: Call, steps: int = 50) -> object:
        """Let ``t`` execute a call and return its result, or the Errno it failed with; None while it sleeps."""
        results: list[object] = []

        def record(t: Thread) -> Any:
            try:
                result = call(t)
            except Errno as error:
                results.append(error)
                raise
            if hasattr(result, "send"):
                return self._record_later(result, results)
            results.append(result)
            return result if isinstance(result, int) else 0

        self.program(t, record)
        for _ in range(steps):
            self.step(t)
            if results or t.exiting or t not in self.kernel.sched.queue:
                break
        return results[0] if results else None

    @staticmethod
    def _record_later(call: Blocking[object], results: list[object]) -> Blocking[int]:
        try:
            result = yield from call
        except Errno as error:
            results.append(error)
            raise
        results.append(result)
        return result if isinstance(result, int) else 0

    def settle(self, limit: int = 2000) -> None:
        """Run everybody in turn until each thread sleeps, spins beyond the end of its program, or is gone."""
        for _ in range(limit):
            busy = [t for t in self.kernel.sched.queue if not self._spins(t)]
            if not busy:
                return
            for t in busy:
                self.step(t)
        raise AssertionError("the world does not come to rest")

    @staticmethod
    def _spins(t: Thread) -> bool:
        state: Any = t.cpu
        return t.kstack is None and not t.work & ~2 and state.rip >> 1 >= len(state.program) and state.rip != HANDLER

    def finish(self, limit: int = 2000) -> None:
        """Kill everybody, run until nobody is left, then let init exit too."""
        for process in list(self.kernel.all_processes()):
            if process is not self.init.process:
                send_sig(process, SIGKILL)
        for _ in range(limit):
            queue = [t for t in self.kernel.sched.queue if t is not self.init]
            if not queue:
                break
            for t in queue:
                self.step(t)
        self.over = True
        self._end.wake_all()
        self.step(self.init)


# -- calls ------------------------------------------------------------------------------------------------------------
def wait(world: World, options: Callable[[Thread], WaitOptions]) -> Call:
    """Return wait4 or waitid with what ``options(t)`` says; it gives the Report, or 0 for "nothing yet"."""

    def call(t: Thread) -> Any:
        wanted = options(t)
        found = do_wait(t, wanted)
        if found is None:
            return 0
        return found if isinstance(found, Report) else sleep(t, wanted, found)

    def sleep(t: Thread, wanted: WaitOptions, waiting: Blocking[Report | None]) -> Blocking[Any]:
        world.sleeping[t] = wanted
        try:
            return (yield from waiting)
        finally:
            del world.sleeping[t]

    return call


def execve(t: Thread) -> Blocking[int]:
    """Execute another program."""
    return do_execve(t, AT_FDCWD, b"/program", lambda: ([b"program"], []))


def set_action(signo: int, action: SigAction) -> Call:
    """Return sigaction(2) without the copying."""
    from kernel.signal_pending import flush_signals, recalc_sigpending

    def call(t: Thread) -> int:
        t.sighand.actions[signo] = action
        if t.sighand.ignores(signo):
            flush_signals(t.process, 1 << (signo - 1))
            recalc_sigpending(t)
        return 0

    return call


def traced(request: Callable[[Thread, Thread], object], target: Thread, any_state: bool = False) -> Call:
    """Return a ptrace request on ``target``, refused as ptrace(2) refuses it."""

    def call(t: Thread) -> int:
        ptrace_request.check_attached(t, target, any_state)
        request(t, target)
        return 0

    return call


def enter_namespace(ns: PidNamespace) -> Call:
    """Return setns(2): children of the caller are born into ``ns``.  EINVAL unless it is the caller's or below."""

    def call(t: Thread) -> int:
        if not ns.is_descendant_of(ns_of(t)):
            raise Errno.EINVAL
        spaces = t.nsproxy
        t.nsproxy = spaces._replace(pid_for_children=ns)
        return 0

    return call


def find(t: Thread, number: int) -> Pid | None:
    """Return the Pid with ``number`` as ``t`` sees it."""
    return ns_of(t).find(number)
