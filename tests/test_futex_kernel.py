"""Futexes at the kernel's level: order of waiters, mixed operations, lock owners that die, lists that are garbage."""

from __future__ import annotations

import itertools
import struct
from typing import cast

import pytest
from misc_world import WORD, Memory, TimedWorld

from kernel import futex, pi_futex
from kernel.clocks import CLOCK_REALTIME
from kernel.errno import Errno
from kernel.futex_table import FUTEX_BITSET_MATCH_ANY, FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS
from kernel.robust_list import futex_exit
from kernel.task import Thread
from kernel.timeout import Timeout

ANY = FUTEX_BITSET_MATCH_ANY


@pytest.fixture
def world() -> TimedWorld:
    return TimedWorld()


def memory(t: Thread) -> Memory:
    return cast(Memory, t.mm)


def test_waiters_wake_in_the_order_they_came(world: TimedWorld) -> None:
    first = world.process_with_memory()
    threads = [first] + [world.sibling(first) for _ in range(4)]
    for t in threads:
        world.wait(t, futex.wait(t, WORD, False, 0, None, ANY))
    assert futex.wake(world.init, WORD, False, 1, ANY) == 0, "another address space, another futex"
    assert futex.wake(first, WORD, False, 2, ANY) == 2
    assert [world.awake(t) for t in threads] == [True, True, False, False, False]
    assert [world.finish(t) for t in threads[:2]] == [0, 0]
    assert futex.wake(first, WORD, False, 100, ANY) == 3
    assert len(world.kernel.futexes) == 0


def test_a_shared_futex_is_one_word_for_all_processes(world: TimedWorld) -> None:
    one, two = world.process_with_memory(), world.process_with_memory()
    world.wait(one, futex.wait(one, WORD, True, 0, None, ANY))
    assert futex.wake(two, WORD, False, 1, ANY) == 0
    assert futex.wake(two, WORD, True, 1, ANY) == 1
    assert world.finish(one) == 0


def test_requeued_waiters_wait_behind_those_already_there(world: TimedWorld) -> None:
    a = world.process_with_memory()
    b, c = world.sibling(a), world.sibling(a)
    other = WORD + 8
    world.wait(a, futex.wait(a, other, False, 0, None, ANY))
    world.wait(b, futex.wait(b, WORD, False, 0, None, ANY))
    assert futex.requeue(c, WORD, False, other, False, 0, 5, 0) == 1
    assert futex.wake(c, other, False, 1, ANY) == 1
    assert (world.awake(a), world.awake(b)) == (True, False)
    assert futex.wake(c, other, False, 1, ANY) == 1
    assert world.finish(b) == 0


def test_a_signal_keeps_the_deadline_of_a_timed_wait(world: TimedWorld) -> None:
    t = world.process_with_memory()
    world.wait(t, futex.wait(t, WORD, False, 0, Timeout.after(world.kernel, 1_000_000), ANY))
    world.pass_time(400_000)
    world.signal(t)
    assert world.finish(t) is Errno.ERESTART_RESTARTBLOCK
    assert t.restart is not None
    block = world.wait(t, t.restart(t))  # type: ignore[arg-type]
    assert block.deadline == world.clock.monotonic() + 600_000
    world.pass_time(600_000)
    assert world.finish(t) is Errno.ETIMEDOUT
    assert len(world.kernel.futexes) == 0


def test_setting_the_clock_moves_an_absolute_real_time_wait(world: TimedWorld) -> None:
    t = world.process_with_memory()
    deadline = world.clock.realtime() + 10_000
    block = world.wait(t, futex.wait(t, WORD, False, 0, Timeout(CLOCK_REALTIME, deadline), ANY))
    assert block.deadline == world.clock.monotonic() + 10_000
    world.kernel.timekeeping.set_realtime(world.kernel, world.clock.realtime() + 4_000)
    assert world.finish(t) is None, "not a wake-up, only a new deadline"
    assert t.block is not None
    assert t.block.deadline == world.clock.monotonic() + 6_000


def test_a_lock_is_handed_to_the_longest_waiter(world: TimedWorld) -> None:
    owner = world.process_with_memory()
    waiters = [world.sibling(owner) for _ in range(3)]
    assert pi_futex.lock_pi(owner, WORD, False, None, False) == 0
    for t in waiters:
        world.wait(t, pi_futex.lock_pi(t, WORD, False, None, False))  # type: ignore[arg-type]
    holder = owner
    for t in waiters:
        pi_futex.unlock_pi(holder, WORD, False)
        assert memory(t).read_u32(WORD) == t.tid | FUTEX_WAITERS
        assert world.finish(t) == 0
        holder = t
    pi_futex.unlock_pi(holder, WORD, False)
    assert memory(owner).read_u32(WORD) == 0
    assert not any(t.pi_owned for t in [owner, *waiters])


def test_a_circle_of_three_is_a_deadlock(world: TimedWorld) -> None:
    a = world.process_with_memory()
    b, c = world.sibling(a), world.sibling(a)
    words = {a: WORD, b: WORD + 4, c: WORD + 8}
    for t, word in words.items():
        assert pi_futex.lock_pi(t, word, False, None, False) == 0
    world.wait(a, pi_futex.lock_pi(a, words[b], False, None, False))  # type: ignore[arg-type]
    world.wait(b, pi_futex.lock_pi(b, words[c], False, None, False))  # type: ignore[arg-type]
    with pytest.raises(Errno.EDEADLK):
        pi_futex.lock_pi(c, words[a], False, None, False)
    world.signal(b)
    assert world.finish(b) is Errno.ERESTARTNOINTR
    world.wait(c, pi_futex.lock_pi(c, words[a], False, None, False))  # type: ignore[arg-type]


def test_the_death_of_an_owner_passes_its_locks_on(world: TimedWorld) -> None:
    owner = world.process_with_memory()
    heir = world.sibling(owner)
    pi_futex.lock_pi(owner, WORD, False, None, False)
    world.wait(heir, pi_futex.lock_pi(heir, WORD, False, None, False))  # type: ignore[arg-type]
    futex_exit(owner)
    assert memory(heir).read_u32(WORD) == heir.tid | FUTEX_WAITERS | FUTEX_OWNER_DIED
    assert world.finish(heir) == 0
    assert not owner.pi_owned


def test_plain_operations_refuse_waiters_of_a_lock(world: TimedWorld) -> None:
    owner = world.process_with_memory()
    waiter = world.sibling(owner)
    pi_futex.lock_pi(owner, WORD, False, None, False)
    world.wait(waiter, pi_futex.lock_pi(waiter, WORD, False, None, False))  # type: ignore[arg-type]
    with pytest.raises(Errno.EINVAL):
        futex.wake(owner, WORD, False, 1, ANY)
    with pytest.raises(Errno.EINVAL):
        futex.requeue(owner, WORD, False, WORD + 8, False, 1, 1, None)


HEAD = WORD + 0x100


def robust_list(t: Thread, *entries: int, pending: int = 0) -> None:
    """Write a robust list whose entries are at the given addresses; the lock word is 8 bytes behind each."""
    chain = [HEAD, *entries, HEAD]
    for at, after in itertools.pairwise(chain):
        memory(t).write_u64(at, after)
    memory(t).write(HEAD + 8, struct.pack("<QQ", 8, pending))
    t.robust_list = (HEAD, 24)


def test_robust_locks_of_the_dead_are_marked_and_one_waiter_wakes(world: TimedWorld) -> None:
    owner = world.process_with_memory()
    waiters = [world.sibling(owner) for _ in range(2)]
    node, foreign = WORD + 0x200, WORD + 0x300
    robust_list(owner, node, foreign)
    memory(owner).write_u32(node + 8, owner.tid | FUTEX_WAITERS)
    memory(owner).write_u32(foreign + 8, waiters[0].tid)
    for t in waiters:
        world.wait(t, futex.wait(t, node + 8, True, owner.tid | FUTEX_WAITERS, None, ANY))
    futex_exit(owner)
    assert memory(owner).read_u32(node + 8) == FUTEX_WAITERS | FUTEX_OWNER_DIED
    assert memory(owner).read_u32(foreign + 8) == waiters[0].tid, "not its lock"
    assert [world.awake(t) for t in waiters] == [True, False]


def test_an_unlock_cut_short_by_death_wakes_a_waiter(world: TimedWorld) -> None:
    """The owner died after it set the word to 0 and before it called FUTEX_WAKE: only list_op_pending tells."""
    owner = world.process_with_memory()
    waiter = world.sibling(owner)
    node = WORD + 0x200
    robust_list(owner, pending=node)
    world.wait(waiter, futex.wait(waiter, node + 8, True, 0, None, ANY))
    futex_exit(owner)
    assert world.awake(waiter)
    assert memory(owner).read_u32(node + 8) == 0


@pytest.mark.parametrize("target", [0, 8, WORD + 1, 1 << 63, (1 << 64) - 1])
def test_a_garbage_list_is_survived(world: TimedWorld, target: int) -> None:
    t = world.process_with_memory()
    robust_list(t)
    memory(t).write_u64(HEAD, target)
    futex_exit(t)
    assert t.robust_list == (0, 0)


def test_a_list_that_is_a_ring_ends(world: TimedWorld) -> None:
    t = world.process_with_memory()
    node = WORD + 0x200
    robust_list(t, node)
    memory(t).write_u64(node, node)
    memory(t).write_u32(node + 8, t.tid)
    futex_exit(t)
    assert memory(t).read_u32(node + 8) & FUTEX_TID_MASK == 0
