"""What fork, exit and wait cost does not depend on who else is there (the spirit of waitpid being O(1) since Linux 5.13).

Cost is the number of Python functions called and of tasks looked at, so the tests are exact and the same on every machine.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest
from core_world import World, wait

from kernel import wait as kernel_wait
from kernel.clone import CloneArgs, kernel_clone
from kernel.exit import do_exit
from kernel.ns import CLONE_NEWPID
from kernel.pid import ns_of
from kernel.semantics import Semantics
from kernel.signal import SIGCHLD, SIGKILL
from kernel.signal_send import send_sig
from kernel.task import EXIT_ZOMBIE, Thread
from kernel.wait import WNOHANG, Report, WaitOptions, parse_wait4

MODELS = pytest.mark.parametrize("model", ["leaderless", "linux"])


def fork(world: World, parent: Thread, flags: int = 0) -> Thread:
    """Let ``parent`` fork, with CLONE_* ``flags``; return the child."""
    number = world.do(parent, lambda t: kernel_clone(t, CloneArgs(flags, SIGCHLD)))
    assert isinstance(number, int)
    child = ns_of(parent).find_thread(number)
    assert child is not None
    return child


def leave(world: World, t: Thread) -> None:
    """Let ``t`` exit."""
    world.do(t, lambda t: do_exit(t, 0))


def wait_for(world: World, parent: Thread, number: int, flags: int = 0) -> Any:
    """Let ``parent`` wait for the child ``number``."""
    found: list[object] = []

    def call(t: Thread) -> int:
        found.append(wait(world, lambda t: parse_wait4(t, number, flags))(t))
        return 0

    world.do(parent, call)
    return found[0]


def operations(act: Callable[[], object]) -> int:
    """Return how many Python and C functions ``act`` calls."""
    count = 0

    def profile(frame: object, event: str, argument: object) -> None:
        nonlocal count
        if event in ("call", "c_call"):
            count += 1

    gc.disable()  # what it would call back is not the kernel's doing
    sys.setprofile(profile)
    try:
        act()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


@MODELS
def test_waiting_for_one_of_3000_children_looks_at_one_task(model: str) -> None:
    with World(Semantics.named(model), max_procs=4000) as world:
        parent = world.spawn()
        children = [fork(world, parent) for _ in range(3000)]
        seen: list[Thread] = []
        targets = kernel_wait._targets

        def spy(t: Thread, options: WaitOptions) -> Any:
            for target, as_tracee in targets(t, options):
                seen.append(target)
                yield target, as_tracee

        with patch("kernel.wait._targets", spy):
            assert wait_for(world, parent, children[1700].tid, WNOHANG) == 0
            assert seen == [children[1700]]
            leave(world, children[2999])
            seen.clear()
            assert isinstance(wait_for(world, parent, children[2999].tid, WNOHANG), Report)
            assert seen == [children[2999]]
            seen.clear()
            assert wait_for(world, parent, -1, WNOHANG) == 0
            assert len(seen) == 2999, "the spy sees what a wait for any child looks at"


@MODELS
def test_the_death_of_one_child_does_not_wake_who_waits_for_another(model: str) -> None:
    with World(Semantics.named(model)) as world:
        parent = world.spawn()
        first, second = fork(world, parent), fork(world, parent)
        world.do(parent, wait(world, lambda t: parse_wait4(t, first.tid, 0)))
        assert parent in world.sleeping
        switches = parent.times.nvcsw
        parent.work = 0
        leave(world, second)
        world.settle()
        assert parent in world.sleeping
        # SIGCHLD, which the parent does not catch, is ignored when it is generated: nothing woke it at all.
        assert parent.times.nvcsw == switches


def cycle_cost(model: str, others: Callable[[World, Thread], object]) -> list[int]:
    """Return what three cycles of fork, exit and wait cost a process beside ``others(world, it)``."""
    with World(Semantics.named(model), max_procs=4000) as world:
        parent = world.spawn()
        others(world, parent)

        def cycle() -> None:
            child = fork(world, parent)
            leave(world, child)
            assert isinstance(wait_for(world, parent, child.tid), Report)

        fork(world, parent)  # one child that stays, so that every cycle starts alike
        cycle()
        state: Any = parent.cpu
        costs = []
        for _ in range(3):
            state.program.clear()
            state.rip = 0
            costs.append(operations(cycle))
        return costs


def _strangers(world: World, parent: Thread) -> None:
    for _ in range(1000):
        world.spawn()


def _siblings(world: World, parent: Thread) -> None:
    for _ in range(1000):
        fork(world, parent)


def _zombies(world: World, parent: Thread) -> None:
    for _ in range(1000):
        leave(world, fork(world, parent))
    assert sum(t.exit_state == EXIT_ZOMBIE for t in world.threads()) == 1000


def _past(world: World, parent: Thread) -> None:
    for _ in range(1000):
        child = fork(world, parent)
        leave(world, child)
        wait_for(world, parent, child.tid)


def _nobody(world: World, parent: Thread) -> None:
    pass


@MODELS
@pytest.mark.parametrize("others", [_strangers, _siblings, _zombies, _past])
def test_a_cycle_of_fork_exit_wait_costs_the_same_beside_a_thousand_others(model: str, others: Any) -> None:
    assert cycle_cost(model, others) == cycle_cost(model, _nobody)


@MODELS
def test_ten_pid_namespaces_deep_a_cycle_costs_at_most_a_third_more(model: str) -> None:
    def cost(depth: int) -> int:
        with World(Semantics.named(model)) as world:
            parent = world.spawn()
            for _ in range(depth):
                parent = fork(world, parent, CLONE_NEWPID)

            def cycle() -> None:
                child = fork(world, parent)
                leave(world, child)
                assert isinstance(wait_for(world, parent, child.pid.nr_in(ns_of(parent))), Report)

            cycle()
            return operations(cycle)

    shallow, deep = cost(0), cost(10)
    print(f"operations of fork + exit + wait: {shallow}, ten namespaces deep {deep}")
    assert deep <= 1.3 * shallow


@MODELS
def test_the_death_of_a_namespace_is_linear_in_its_processes(model: str) -> None:
    def cost(processes: int) -> int:
        with World(Semantics.named(model), max_procs=2000) as world:
            parent = world.spawn()
            init = fork(world, parent, CLONE_NEWPID)
            for _ in range(processes):
                fork(world, init)

            def death() -> None:
                send_sig(init.process, SIGKILL)
                world.settle()

            count = operations(death)
            assert len(init.pid.ns.pids) == 1
            assert isinstance(wait_for(world, parent, init.tid), Report)
            assert not init.pid.ns.pids
            return count

    few, many = cost(50), cost(500)
    print(f"operations of the death of a namespace with 50 processes: {few}, with 500: {many}")
    assert many <= 11 * few
