"""Seccomp at the kernel's level: what confinement costs, and random histories of filters, forks and exits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from seccomp_world import CALLS, by_argument, by_number, confined, make_call, make_world

from kernel import seccomp
from kernel.errno import Errno
from kernel.exit import TaskDead, do_exit
from kernel.fs.file import POLLHUP
from kernel.ia32 import AUDIT_ARCH_X86_64
from kernel.seccomp_filter import (
    ACTIONS,
    RET_ACTION_FULL,
    RET_ALLOW,
    RET_ERRNO,
    RET_LOG,
    SeccompFilter,
    compile_filter,
)
from kernel.seccomp_notify import Listener
from kernel.task import Thread
from kernel.waitqueue import run_to_completion


def test_who_is_not_confined_has_the_kernels_own_table() -> None:
    world = make_world()
    assert confined(world).calls is world.kernel.calls


def test_what_is_always_allowed_is_the_call_itself() -> None:
    """After the first time nothing but the call is there; what looks at arguments, or is denied, is asked about every time."""
    world = make_world()
    t = confined(world)
    plain = list(world.kernel.calls)
    seccomp.set_mode_filter(t, by_number(3, RET_ERRNO | 7), 0)
    seccomp.set_mode_filter(t, by_argument(4, 5, RET_ERRNO | 8), 0)
    for number in range(3):
        assert make_call(t, number) == 1000 + number
        assert t.calls[number] is plain[number]
    assert make_call(t, 3) == -7
    assert make_call(t, 4, 5) == -8
    assert make_call(t, 4, 6) == 1004
    assert make_call(t, 4, 5) == -8
    assert t.calls[3] is not plain[3]
    assert t.calls[4] is not plain[4]
    assert make_call(t, 5000) == 1000 + CALLS
    assert world.kernel.calls == plain


def test_a_call_that_is_compiled_at_its_first_use_is_found_afterwards() -> None:
    world = make_world()
    t = confined(world)
    calls = world.kernel.calls

    def first(t: Thread, registers: tuple[int, ...]) -> int:
        calls[2] = lambda t, registers: 77
        raise Errno.EFAULT

    calls[2] = first
    seccomp.set_mode_filter(t, by_number(3, RET_ERRNO), 0)
    with pytest.raises(Errno.EFAULT):
        make_call(t, 2)
    assert t.calls[2] is calls[2] is not first
    assert make_call(t, 2) == 77


def test_strict_mode_leaves_four_calls() -> None:
    world = make_world()
    t = confined(world)
    seccomp.set_mode_strict(t)
    assert make_call(t, 0) == 1000
    assert make_call(t, 15) == 1015
    assert not isinstance(make_call(t, 2), int)
    assert not t.cpu.tsc
    with pytest.raises(Errno.EINVAL):
        seccomp.set_mode_filter(t, by_number(3, RET_ALLOW), 0)


class Histories(RuleBasedStateMachine):
    """Threads install filters, fork and exit in any order."""

    threads = Bundle("threads")

    @initialize(target=threads)
    def begin(self) -> Any:
        self.world = make_world()
        self.filters: list[SeccompFilter] = []
        self.alive: list[Thread] = []
        self.listeners: list[Listener] = []
        return multiple(self._new(confined(self.world)), self._new(confined(self.world)))

    def _new(self, t: Thread) -> Thread:
        files: Any = t.files
        files.slots = []
        files.install = self._install
        files.close = lambda t, descriptor: self.listeners.pop().drop()
        self.alive.append(t)
        return t

    def _install(self, file: Listener, cloexec: bool, lowest: int, limit: int) -> int:
        self.listeners.append(file)
        return 3

    @rule(target=threads, t=threads)
    def fork(self, t: Thread) -> Thread:
        child = self.world.process(t)
        seccomp.inherit(child, t)
        return self._new(child)

    @rule(target=threads, t=threads)
    def clone_thread(self, t: Thread) -> Thread:
        child = self.world.thread(t)
        seccomp.inherit(child, t)
        return self._new(child)

    @rule(t=consumes(threads))
    def exit(self, t: Thread) -> None:
        if t is not self.world.init:
            with pytest.raises(TaskDead):
                run_to_completion(do_exit(t, 0))
            self.alive.remove(t)

    @rule(
        t=threads,
        number=st.integers(0, 3),
        action=st.sampled_from([*ACTIONS, RET_ERRNO | 1, RET_ERRNO | 2]),
        value=st.none() | st.integers(0, 2),
        flags=st.sampled_from([0, 1, 17, 8, 24]),
    )
    def install(self, t: Thread, number: int, action: int, value: int | None, flags: int) -> None:
        before = t.seccomp
        old = self._chain(before.filter if before is not None else None)
        program = by_number(number, action) if value is None else by_argument(number, value, action)
        others = [other for other in t.process.living if other is not t]
        can_sync = all(other.seccomp is None or other.seccomp.filter in old for other in others)
        refused: type[Errno] | None = None
        if flags & 8 and any(filter.notifier for filter in old):
            refused = Errno.EBUSY
        elif flags & 1 and flags & 16 and not can_sync:
            refused = Errno.ESRCH
        if refused is not None:
            with pytest.raises(refused):
                seccomp.set_mode_filter(t, program, flags)
            assert t.seccomp is before
            return
        result = seccomp.set_mode_filter(t, program, flags)
        if flags & 1 and not can_sync:
            assert t.seccomp is before
            assert result in [other.tid for other in others]
            return
        assert result == (3 if flags & 8 else 0)
        assert t.seccomp is not None
        assert t.seccomp.filter is not None
        self.filters.append(t.seccomp.filter)
        if flags & 1:
            assert all(other.seccomp is t.seccomp and other.calls is t.calls for other in others)

    @rule()
    def close_a_listener(self) -> None:
        if self.listeners:
            self.listeners.pop(0).drop()

    @staticmethod
    def _chain(filter: SeccompFilter | None) -> list[SeccompFilter]:
        chain = []
        while filter is not None:
            chain.append(filter)
            filter = filter.prev
        return chain

    @invariant()
    def users_are_threads_and_younger_filters(self) -> None:
        for filter in self.filters:
            threads = sum(t.seccomp is not None and t.seccomp.filter is filter for t in self.alive)
            younger = sum(other.prev is filter and other.users > 0 for other in self.filters)
            assert filter.users == threads + younger
            assert filter.count == len(self._chain(filter))

    @invariant()
    def a_listener_hangs_up_when_nobody_can_call(self) -> None:
        for listener in self.listeners:
            used = any(t.seccomp and listener.filter in self._chain(t.seccomp.filter) for t in self.alive)
            assert bool(listener.poll(self.world.init) & POLLHUP) is not used

    @invariant()
    def the_lowest_answer_of_the_newest_filter_counts(self) -> None:
        for t in self.alive:
            if t.seccomp is None:
                assert t.calls is self.world.kernel.calls
                continue
            chain = self._chain(t.seccomp.filter)
            for number in range(5):
                for argument in range(3):
                    registers = (number, argument, 0, 0, 0, 0, 0)
                    wanted, match = RET_ALLOW, None
                    for filter in chain:
                        answer = compile_filter(filter.program)(number, AUDIT_ARCH_X86_64, 0, registers)
                        if self._signed(answer) < self._signed(wanted):
                            wanted, match = answer, filter
                    assert chain[0].run(number, AUDIT_ARCH_X86_64, 0, registers) == (wanted, match)
                    if wanted & RET_ACTION_FULL in (RET_ALLOW, RET_LOG):
                        made = make_call(t, number, argument)
                        assert made == 1000 + number or wanted != RET_ALLOW

    @staticmethod
    def _signed(answer: int) -> int:
        return ((answer & RET_ACTION_FULL) ^ 0x80000000) - 0x80000000


Histories.TestCase.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)
TestHistories = Histories.TestCase
