"""The small world of the signal tests with a table of 16 calls, for tests of seccomp at the kernel's level."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from signal_world import World

from kernel import bpf
from kernel.bpf import Insn
from kernel.seccomp_filter import DEFAULT_LOGGED, RET_ALLOW
from kernel.task import Thread

LOAD = bpf.LD | bpf.W | bpf.ABS
CALLS = 16
"""Calls in the table of these tests; the one behind them is for all others."""


def by_number(number: int, action: int) -> list[Insn]:
    """A filter that answers ``action`` to one call and allows all others."""
    return [
        Insn(LOAD, 0, 0, 0),
        Insn(bpf.JMP | bpf.JEQ, 0, 1, number),
        Insn(bpf.RET | bpf.K, 0, 0, action),
        Insn(bpf.RET | bpf.K, 0, 0, RET_ALLOW),
    ]


def by_argument(number: int, value: int, action: int) -> list[Insn]:
    """A filter that answers ``action`` to one call if its first argument is ``value``."""
    return [
        Insn(LOAD, 0, 0, 0),
        Insn(bpf.JMP | bpf.JEQ, 0, 2, number),
        Insn(LOAD, 0, 0, 16),
        Insn(bpf.JMP | bpf.JEQ, 1, 0, value),
        Insn(bpf.RET | bpf.K, 0, 0, RET_ALLOW),
        Insn(bpf.RET | bpf.K, 0, 0, action),
    ]


def make_world() -> World:
    world = World()

    def plain(number: int) -> Callable[..., int]:
        return lambda t, registers: 1000 + number

    world.kernel.calls = [plain(number) for number in range(CALLS + 1)]
    world.kernel.seccomp_logged = DEFAULT_LOGGED
    world.kernel.log_once = lambda key, line: None
    world.kernel.call_name = str
    scheduler: Any = world.sched
    scheduler.resched = lambda t: None
    return world


def confined(world: World) -> Thread:
    t = world.process(world.init)
    t.calls = world.kernel.calls
    t.cpu = SimpleNamespace(rip=0x401000, rax=0, tsc=True)
    memory: Any = t.mm
    memory.vdso = 0x7FFF0000
    return t


def make_call(t: Thread, number: int, *args: int) -> Any:
    t.syscall_nr = number
    registers = (number, *args, *[0] * (6 - len(args)))
    t.syscall_args = registers
    return t.calls[min(number, CALLS)](t, registers)
