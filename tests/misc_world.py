"""The small world of the signal tests with clocks, timers and futexes, for tests of what sleeps and expires."""

from __future__ import annotations

from types import SimpleNamespace

from signal_world import STACK_TOP, FlatMemory, World

from emu.clock import VirtualClock
from kernel.errno import Errno
from kernel.futex_table import FutexTable
from kernel.task import Thread
from kernel.timekeeping import Timekeeping
from kernel.timers import TimerQueue
from kernel.waitqueue import Block, Blocking, Wakeup

WORD = STACK_TOP - 0x8000
"""An aligned address every thread can write."""


class Memory(FlatMemory):
    """Memory with 32-bit words; a shared futex is keyed by its address alone, as if all of it were one shared mapping."""

    def read_u32(self, address: int) -> int:
        return int.from_bytes(self.read(address, 4), "little")

    def write_u32(self, address: int, value: int) -> None:
        self.write(address, value.to_bytes(4, "little"))

    def futex_key(self, address: int, shared: bool) -> object:
        self.read_u32(address)
        return ("shared", address)


class TimedWorld(World):
    """``wait`` starts a sleep, ``pass_time`` lets the clock run, ``finish`` ends a sleep and returns what the call returned."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock()
        self.kernel.clock = self.clock
        self.kernel.timers = TimerQueue()
        self.kernel.timekeeping = Timekeeping()
        self.kernel.futexes = FutexTable()
        self.kernel.frames = SimpleNamespace(total=100, free=50)
        self.kernel.watch = None
        self.init.mm = Memory()  # type: ignore[assignment]

    def process_with_memory(self) -> Thread:
        t = self.process(self.init)
        t.mm = Memory()  # type: ignore[assignment]
        t.fs = SimpleNamespace(users=1, put=lambda: None)  # type: ignore[assignment]
        return t

    def sibling(self, of: Thread) -> Thread:
        t = self.thread(of)
        t.mm = of.mm
        t.fs = of.fs
        return t

    def wait(self, t: Thread, call: Blocking[int]) -> Block:
        """Run a call until it sleeps."""
        t.kstack = call
        block = next(call)
        self._sleep(t, block)
        return block

    def _sleep(self, t: Thread, block: Block) -> None:
        t.block = block
        for queue in block.queues:
            queue.add(t.wake_callback)
        if block.deadline is not None:
            t.timer = self.kernel.timers.add(block.deadline, lambda: self.sched.wake(t, Wakeup.TIMEOUT))

    def signal(self, t: Thread) -> None:
        """End a sleep as a signal does."""
        self.sched.wake(t, Wakeup.SIGNAL)

    def awake(self, t: Thread) -> bool:
        return t.block is None

    def finish(self, t: Thread) -> int | type[Errno] | None:
        """Let a woken thread go on: its result, the class of its error, or None if it sleeps again."""
        assert t.block is None, "still asleep"
        assert t.kstack is not None
        if t.timer is not None:
            self.kernel.timers.cancel(t.timer)
            t.timer = None
        try:
            block = t.kstack.send(t.wake_reason)
        except StopIteration as done:
            value: int = done.value
            return value
        except Errno as error:
            return type(error)
        self._sleep(t, block)
        return None

    def pass_time(self, ns: int) -> None:
        """Let ``ns`` pass, firing timers at their moments."""
        end = self.clock.monotonic() + ns
        while self.kernel.timers.next <= end:
            self.clock.sleep_until(self.kernel.timers.next)
            self.kernel.timers.fire(self.clock.monotonic())
        self.clock.sleep_until(end)
