"""A machine: engine, kernel, file systems and console put together, for running programs and for embedding.

``Machine`` is the public way in.  It is built from options, given one program to run, and says afterwards what became of
it.  The command line and ``tgid.run`` are thin around it.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from kernel import boot
from kernel.cred import Cred
from kernel.errno import Errno
from kernel.fs.locks import LockGraph
from kernel.fs.mount import MountNamespace
from kernel.fs.namespace import FsContext
from kernel.fs.roottree import Bind, bind, make_root, mount_proc
from kernel.fs.vfs import Vfs
from kernel.ia32 import IA32, Ia32Calls
from kernel.kernel import Kernel, Options
from kernel.mm.oom import OomKiller
from kernel.net.namespace import NetNamespace
from kernel.ns import NET_NS_INUM
from kernel.nsproxy import initial_nsproxy
from kernel.sched import Deadlock, Scheduler, wait_graph
from kernel.semantics import Semantics
from kernel.signal import SIGKILL
from kernel.signal_pending import fatal_signal_pending
from kernel.signal_send import send_sig

if TYPE_CHECKING:
    from tgid.console import Console
    from tgid.events import Event

EXIT_TIMEOUT = 124
"""Exit status when ``timeout`` ended the run, as timeout(1)."""
EXIT_DEADLOCK = 125
"""Exit status when every task is blocked for ever."""
EXIT_NOT_EXECUTABLE = 126
EXIT_NOT_FOUND = 127
EXIT_INTERRUPTED = 130
"""Exit status after a second Ctrl-C."""


def parse_bind(text: str) -> Bind:
    """Parse ``SRC:DST[:rw]``.  Raises ValueError with a sentence for the user."""
    parts = text.split(":")
    if len(parts) == 3 and parts[2] in ("rw", "ro"):
        return Bind(parts[0], parts[1], parts[2] == "rw")
    if len(parts) == 2 and all(parts):
        return Bind(parts[0], parts[1])
    raise ValueError(f"bind {text!r} is not SRC:DST or SRC:DST:rw")


class Config(NamedTuple):
    """Everything a run depends on besides the program.

    ``memory``: bytes of guest RAM.  ``clock``: "virtual" or "real".  ``block_ns``: what a basic block
    takes on the virtual clock, in nanoseconds.  ``timeout``: host seconds or None.  ``rootfs``: host
    directory shown read-only as root below an in-memory overlay.  ``cwd``: where the program starts; if the guest has no such
    directory that is an error, or, unless ``cwd_required``, "/" is used.  ``slice_blocks``: time slice in basic blocks.
    ``semantics``: "leaderless" or "linux"; ``rules``: single rules set against the model, as NAME=on or NAME=off.
    ``yama_scope``: 0 to 3, who may attach to whom (ptrace(2), "/proc/sys/kernel/yama/ptrace_scope").
    ``accelerate``: use the C extension (None: if built).  ``debug``: a defect of the kernel raises instead of killing the
    guest process.
    """

    memory: int = 2 << 30
    clock: str = "virtual"
    block_ns: int = 10
    seed: int = 0
    max_procs: int = 32768
    timeout: float | None = None
    rootfs: str = "/"
    binds: tuple[Bind, ...] = ()
    uid: int = 0
    gid: int = 0
    cwd: str = "/"
    cwd_required: bool = True
    slice_blocks: int = 100_000
    aslr: bool = False
    semantics: str = "leaderless"
    rules: tuple[str, ...] = ()
    yama_scope: int = 0
    accelerate: bool | None = None
    debug: bool = False


class Result(NamedTuple):
    """What became of a run.

    ``status``: the guest's exit code, 128+N if signal N killed it, or one of 124-127, 130 (see ``tgid run --help``).
    ``wait_status``: the raw wait(2) status, None if it never ran or was stopped.  ``stdout``/``stderr``: what was captured.
    ``log``: lines the kernel had to say.  ``events``: what happened, if it was asked for.  ``leaks``: kernel objects left
    over, by kind; empty after a clean run.  ``time_ns``: monotonic time of the guest at the end.
    """

    status: int
    wait_status: int | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    log: tuple[str, ...] = ()
    events: tuple[Event, ...] = ()
    leaks: Mapping[str, int] = MappingProxyType({})
    time_ns: int = 0


def _ia32_calls(kernel: Kernel) -> Ia32Calls:
    """Make the table of i386, which most programs never need."""
    from syscalls import ia32
    from syscalls.ia32_numbers import IA32_NAMES

    return Ia32Calls(ia32.table().calls(lambda t, number: kernel.unknown_call(t, number | IA32)), IA32_NAMES)


class MachineFault(Exception):
    """The machine cannot be started as configured; the text is for the user."""


def exit_code(wait_status: int) -> int:
    """Translate a wait status as a shell does: 128+N for signal N."""
    signal = wait_status & 0x7F
    return 128 + signal if signal else wait_status >> 8 & 0xFF


class Machine:
    """One engine with one kernel; runs one program with everything it starts.

    ``kernel`` is open for embedding: set ``kernel.watch`` before ``run`` to be told of every event.  ``table`` are the system
    calls.  Raises MachineFault for a configuration that cannot work.
    """

    def __init__(self, config: Config, console: Console, log: Callable[[str], None] | None = None) -> None:
        """``console``: what the guest's standard descriptors are connected to.  ``log``: gets the kernel's messages."""
        from emu.clock import RealClock, VirtualClock
        from emu.cpu import Processor
        from emu.engine import Engine
        from emu.unicorn_abi import MachineError
        from loader.exec import Loader
        from syscalls.families import table
        from syscalls.numbers import NAMES

        self.config = config
        self.console = console
        self.lines: list[str] = []
        self._log = log
        try:
            self.engine = engine = Engine(config.memory, config.accelerate)
        except (MachineError, OSError, MemoryError) as error:
            raise MachineFault(f"the machine cannot start: {error}") from None
        clock: Any = RealClock(console.wait) if config.clock == "real" else VirtualClock(block_ns=config.block_ns)
        self.cpu = cpu = Processor(engine, clock)
        options = Options(config.seed, config.max_procs, config.slice_blocks, _semantics(config), config.aslr, config.yama_scope)
        self.kernel = kernel = Kernel(options, cpu, engine.frames, clock, self.say, config.debug)
        kernel.memory.out_of_memory = OomKiller(
            kernel.memory, kernel.all_processes, lambda victim: send_sig(victim, SIGKILL), self.say, self._current_dies
        )
        kernel.sched = Scheduler(kernel, config.slice_blocks)
        kernel.loader = Loader(engine.frames)
        kernel.console = console
        self.table = table()
        kernel.calls = self.table.calls(kernel.unknown_call)
        kernel.call_names = NAMES
        kernel.ia32 = cache(lambda: _ia32_calls(kernel))
        self.launch: boot.Launch | None = None
        self.started_ns = kernel.clock.monotonic()
        self._base_frames = 0
        self._ended: int | None = None

    def _current_dies(self) -> bool:
        current = self.kernel.sched.current
        return current is not None and fatal_signal_pending(current)

    def say(self, line: str) -> None:
        """Keep a line of the kernel's log and hand it on."""
        self.lines.append(line)
        if self._log is not None:
            self._log(line)

    def run(self, argv: Sequence[str], env: Mapping[str, str]) -> Result:
        """Run a program until it and everything it started are gone, and return what became of it.

        ``argv[0]`` is a path or a name to be found in the PATH of ``env``.  Raises MachineFault if a host directory of the
        configuration is unusable or the program cannot be started because of it.
        """
        config, kernel = self.config, self.kernel
        name = os.fsencode(argv[0]) if argv else b""
        environ = [os.fsencode(f"{key}={value}") for key, value in env.items()]
        if not name:
            raise MachineFault("no program given")
        namespace = self._build_tree()
        root = namespace.top()
        net = NetNamespace(NET_NS_INUM, loopback_up=True)
        spaces = initial_nsproxy(namespace, kernel.root_pid_ns, net)
        launch = boot.start(
            kernel,
            _candidates(name, env.get("PATH", "/usr/local/bin:/usr/bin:/bin")),
            [os.fsencode(word) for word in argv],
            environ,
            Cred.user(config.uid, config.gid),
            Cred.root(),
            spaces,
            FsContext(root, root),
            os.fsencode(config.cwd),
            config.cwd_required,
            self.console.open_stdio,
            self.console.tty(kernel),
        )
        self.launch = launch
        self._base_frames = kernel.memory.total - kernel.memory.free
        self.console.start(kernel, launch)
        self._ended = self._run_loop()
        return self._result(launch, argv[0])

    def _build_tree(self) -> MountNamespace:
        config, kernel = self.config, self.kernel
        kernel.vfs = vfs = Vfs(kernel.clock, kernel.memory, self.cpu.code_changed, kernel.random, LockGraph())
        kernel.memory.shrinkers.append(vfs.shrink)
        place = config.rootfs
        try:
            namespace = make_root(vfs, config.rootfs)
            mount_proc(kernel, namespace)
            for what in config.binds:
                place = what.source
                bind(vfs, namespace, what)
        except OSError as error:
            raise MachineFault(f"{place}: {error.strerror}") from None
        except Errno as error:
            raise MachineFault(f"bind to {what.target}: {_explain(error)}") from None
        return namespace

    def _run_loop(self) -> int | None:
        """Run to the end; return the exit status if something other than the program decided it."""
        timer = None
        expired = threading.Event()
        if self.config.timeout is not None:

            def expire() -> None:
                expired.set()
                self.stop()

            timer = threading.Timer(self.config.timeout, expire)
            timer.daemon = True
            timer.start()
        try:
            self.kernel.sched.run()
        except Deadlock:
            self.say("every task is blocked for ever:")
            for line in wait_graph(self.kernel):
                self.say("  " + line)
            return EXIT_DEADLOCK
        except Exception as error:
            if self.config.debug:
                raise
            self.say(f"kernel panic: {type(error).__name__}: {error}")
            return EXIT_DEADLOCK
        finally:
            if timer is not None:
                timer.cancel()
        if self.kernel.sched.stopping:
            if expired.is_set():
                self.say(f"stopped after {self.config.timeout:g} s (--timeout) with {self.kernel.tasks - 2} tasks alive")
                return EXIT_TIMEOUT
            return EXIT_INTERRUPTED
        return None

    @property
    def stopped(self) -> bool:
        """Whether the run was ended from outside (or by a deadlock), so that tasks are left over."""
        return self._ended is not None

    def stop(self) -> None:
        """End the run as soon as possible; may be called from another host thread or a signal handler."""
        self.kernel.sched.stopping = True
        self.cpu.interrupt()
        self.console.interrupt()

    def _result(self, launch: boot.Launch, program: str) -> Result:
        status = self._ended
        if launch.error is not None:
            status = EXIT_NOT_FOUND if isinstance(launch.error, Errno.ENOENT) else EXIT_NOT_EXECUTABLE
            self.say(f"{program}: {_explain(launch.error)}")
        elif status is None:
            status = exit_code(launch.status) if launch.status is not None else EXIT_DEADLOCK
        stdout, stderr = self.console.captured()
        return Result(
            status,
            launch.status if launch.error is None else None,
            stdout,
            stderr,
            tuple(self.lines),
            time_ns=self.kernel.clock.monotonic(),
        )

    def close(self) -> None:
        """Free the engine and the guest's memory; the machine must not be used afterwards."""
        if self.launch is not None:
            self.kernel.vfs.close()
        self.cpu.close()

    def leaks(self) -> dict[str, int]:
        """Return what is left, by kind, once every process is gone; empty if nothing is.

        Drops the page caches to find out: what they do not hold and no file in memory holds should be free.
        """
        kernel = self.kernel
        memory = kernel.memory
        for shrink in memory.shrinkers:
            while shrink(memory.total):
                pass
        if kernel.ucounts.total():
            gc.collect()
        held = self._base_frames + kernel.vfs.pool.total_used + memory.shmem.used
        counts = {
            "tasks": kernel.tasks,
            "pids": len(kernel.root_pid_ns.pids),
            "futex queues": len(kernel.futexes),
            "namespaces": kernel.ucounts.total(),
            "detached mounts": len(kernel.vfs.detached),
            "frames": memory.total - memory.free - held,
        }
        return {kind: count for kind, count in counts.items() if count}


def _semantics(config: Config) -> Semantics:
    try:
        model = Semantics.named(config.semantics)
        for rule in config.rules:
            model = model.with_rule(rule)
    except ValueError as error:
        raise MachineFault(str(error)) from None
    return model


def _candidates(name: bytes, path: str) -> list[bytes]:
    """Return where execvp(3) would look for ``name``."""
    if b"/" in name:
        return [name]
    return [(os.fsencode(directory) or b".") + b"/" + name for directory in path.split(":")]


def _explain(error: Errno) -> str:
    """Describe an errno in the words of strerror(3), with what the loader has to add."""
    text = os.strerror(error.number)
    return f"{text} ({error})" if error.args else text
