"""A small world for tests of signals and job control: real processes and threads, without processor and memory.

The scheduler only notes who was woken; a test plays the run loop with ``run``: it drives what ``exit_to_user_mode`` returns.
Memory is one flat piece of bytes, registers are a tuple.
"""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

from kernel.clone import link_process, new_process, new_thread
from kernel.coredump_sysctls import CoredumpSysctls
from kernel.cred import Cred
from kernel.errno import Errno
from kernel.exit import TaskDead
from kernel.hardware import Regs
from kernel.kernel import Watch
from kernel.pid import PidNamespace, alloc_pid
from kernel.rlimit import Rlimits
from kernel.sched_params import SchedParams
from kernel.semantics import Semantics
from kernel.signal import SigAction, SigAltStack, SigHand, SigInfo
from kernel.signal_deliver import EXIT_WORK, exit_to_user_mode
from kernel.task import RUNNING, SLEEPING, STOPPED, TRACED, WORK_SIGNAL, Process, Thread
from kernel.waitqueue import INTERRUPTIBLE, KILLABLE, Block, Wakeup

HANDLER = 0x401000
RESTORER = 0x402000
SA_RESTORER = 0x04000000
STACK_TOP = 0x7000_0000


class Spy(Watch):
    """Notes what is delivered and who exits."""

    def __init__(self, delivered: list[tuple[Thread, int]], exited: list[tuple[Thread, int]]) -> None:
        self.deliveries = delivered
        self.exits = exited

    def signal(self, t: Thread, info: object) -> None:
        assert isinstance(info, SigInfo)
        self.deliveries.append((t, info.signo))

    def exited(self, t: Thread, status: int) -> None:
        self.exits.append((t, status))


class FlatMemory:
    """User memory: ``size`` bytes below STACK_TOP; EFAULT elsewhere."""

    def __init__(self, size: int = 1 << 16) -> None:
        self.base = STACK_TOP - size
        self.bytes = bytearray(size)
        self.dumpable = 1
        self.users = 1

    def _at(self, address: int, size: int) -> int:
        offset = address - self.base
        if offset < 0 or offset + size > len(self.bytes):
            raise Errno.EFAULT
        return offset

    def read(self, address: int, size: int) -> bytes:
        at = self._at(address, size)
        return bytes(self.bytes[at : at + size])

    def write(self, address: int, data: bytes) -> None:
        at = self._at(address, len(data))
        self.bytes[at : at + len(data)] = data

    def read_u64(self, address: int) -> int:
        return int.from_bytes(self.read(address, 8), "little")

    def write_u64(self, address: int, value: int) -> None:
        self.write(address, value.to_bytes(8, "little"))

    def peak_resident(self) -> int:
        return 0

    def put(self, *_: object) -> None:
        self.users -= 1


class Registers:
    """A register file."""

    def __init__(self) -> None:
        flat = {"cs": 0x33, "ss": 0x2B, "ds": 0, "es": 0, "fs": 0, "gs": 0}
        self.values = Regs(*range(100, 127))._replace(rsp=STACK_TOP - 0x1000, eflags=0x202, **flat)
        self.fp = bytes(512)

    def __getattr__(self, name: str) -> int:
        value: int = getattr(self.__dict__["values"], name)
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("values", "fp"):
            self.__dict__[name] = value
        else:
            self.values = self.values._replace(**{name: value})

    def regs(self) -> Regs:
        return self.values

    def set_regs(self, regs: Regs) -> None:
        self.values = regs

    def set_selector(self, name: str, selector: int) -> None:
        self.values = self.values._replace(**{name: selector})

    def load_segment(self, name: str, selector: int, descriptor: int) -> None:
        self.set_selector(name, selector)

    def fpregs(self) -> bytes:
        return self.fp

    def set_fpregs(self, image: bytes) -> None:
        self.fp = image


class FakeScheduler:
    """Notes wake-ups in ``woken``; sleeping threads are those with a ``block``."""

    def __init__(self) -> None:
        self.woken: list[tuple[Thread, bool]] = []

    def wake(self, t: Thread, reason: Wakeup = Wakeup.EVENT) -> bool:
        if t.block is None:
            return False
        t.block = None
        t.state = RUNNING
        t.wake_reason = reason
        return True

    def signal_wake(self, t: Thread, fatal: bool) -> None:
        t.work |= WORK_SIGNAL
        self.woken.append((t, fatal))
        if t.block is None:
            return
        if t.state in (STOPPED, TRACED):
            if fatal:
                self.wake(t, Wakeup.SIGNAL)
        elif t.block.state == INTERRUPTIBLE or (fatal and t.block.state == KILLABLE):
            self.wake(t, Wakeup.SIGNAL)


class World:
    """A kernel with an init; ``process`` and ``thread`` make more."""

    def __init__(self) -> None:
        self.ns = PidNamespace(None, 1)
        self.time = 0
        self.sched = FakeScheduler()
        self.exited: list[tuple[Thread, int]] = []
        self.delivered: list[tuple[Thread, int]] = []
        self.inum = 0
        self.kernel: Any = SimpleNamespace(
            coredump=CoredumpSysctls(),
            yama_scope=0,
            vfs=SimpleNamespace(detached=[]),
            calls=[],
            sched=self.sched,
            clock=SimpleNamespace(monotonic=lambda: self.time, realtime=lambda: self.time),
            sigqueue_counts={},
            watch=Spy(self.delivered, self.exited),
            random=random.Random(0),
            all_processes=self.processes,
            semantics=Semantics(),
            uncharge_task=lambda t: None,
            proc_flush=lambda t: None,
            log=lambda line: None,
        )
        self.init = self.process(None)
        self.ns.child_reaper = self.init.pid
        self.init.process.unkillable = True

    def processes(self) -> list[Process]:
        return [pid.process for pid in list(self.ns.pids.values()) if pid.process is not None]

    def process(self, parent: Thread | None, cred: Cred | None = None, own_session: bool = False, ns: Any = None) -> Thread:
        """Return the only thread of a new process, in its parent's group and session or its own."""
        self.inum += 1
        pid = alloc_pid(ns or self.ns, self.inum)
        process = new_process(self.kernel, pid)
        t = self._thread(pid, process, parent, cred or Cred.root())
        process.rep = process.wait_task = process.curr_target = t
        process.exit_signal = 17
        process.rlimits = Rlimits()
        if parent is None or own_session:
            link_process(process, pid, pid)
            process.is_session_leader = True
        else:
            link_process(process, parent.process.pgrp, parent.process.session)
        if parent is not None:
            parent.children[process] = None
        return t

    def thread(self, of: Thread) -> Thread:
        """Return a further thread of a process."""
        self.inum += 1
        t = self._thread(alloc_pid(self.ns, self.inum), of.process, of.real_parent, of.cred)
        t.sighand = of.sighand.hold()
        return t

    def _thread(self, pid: Any, process: Process, parent: Thread | None, cred: Cred) -> Thread:
        t = new_thread(self.kernel, pid)
        t.process = process
        t.comm = b"test"
        t.cred = cred
        t.blocked = 0
        t.sighand = SigHand()
        t.altstack = SigAltStack()
        t.mm = FlatMemory()  # type: ignore[assignment]
        t.cpu = Registers()  # type: ignore[assignment]
        t.sched = SchedParams()
        t.files = SimpleNamespace(put=lambda t: None)  # type: ignore[assignment]
        t.fs = SimpleNamespace(put=lambda: None)  # type: ignore[assignment]
        t.nsproxy = SimpleNamespace(mnt=SimpleNamespace(put=lambda: None))  # type: ignore[assignment]
        t.real_parent = t.parent = parent
        t.self_exec_id = t.parent_exec_id = 0
        t.no_new_privs = False
        t.rseq = (0, 0, 0)
        t.wake_callback = lambda key: self.sched.wake(t)
        pid.thread = t
        process.threads.append(t)
        process.live += 1
        return t

    # -- playing the run loop -----------------------------------------------------------------------------------------
    def run(self, *threads: Thread) -> None:
        """Let each thread go to user mode, or until it sleeps or dies; stopped ones go on if they were woken."""
        for t in threads:
            while not t.exit_state:
                if t.block is not None:
                    break
                if t.kstack is None:
                    if not t.work & EXIT_WORK:
                        break
                    t.kstack = exit_to_user_mode(t)
                    reason: Any = None
                else:
                    reason = t.wake_reason
                try:
                    block = t.kstack.send(reason)
                except StopIteration:
                    t.kstack = None
                except TaskDead:
                    t.kstack = None
                    break
                else:
                    if block.deadline is not None and block.deadline <= self.time:
                        t.wake_reason = Wakeup.TIMEOUT
                        continue
                    t.block = block
                    if t.state == RUNNING:
                        t.state = SLEEPING

    def sleep(self, t: Thread, state: int = INTERRUPTIBLE) -> None:
        """Put a thread to sleep as a system call would."""
        t.block = Block("test", state=state)
        t.state = SLEEPING


def catch(t: Thread, signo: int, flags: int = 0, mask: int = 0, handler: int = HANDLER) -> None:
    """Install a handler."""
    t.sighand.actions[signo] = SigAction(handler, flags | SA_RESTORER, RESTORER, mask)
