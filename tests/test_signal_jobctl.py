"""Job control: group stops of many threads, races of stop and continue, what the parent is told, orphaned groups."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signal_world import World, catch

from kernel.exit import do_exit
from kernel.jobctl import is_orphaned_pgrp, join_group_stop, kill_orphaned_pgrp
from kernel.signal import (
    CLD_CONTINUED,
    CLD_STOPPED,
    SA_NOCLDSTOP,
    SIG_IGN,
    SIGCHLD,
    SIGCONT,
    SIGHUP,
    SIGKILL,
    SIGSTOP,
    SIGTERM,
    SIGTSTP,
    SIGUSR1,
    SigAction,
    SigInfo,
    sigmask,
)
from kernel.signal_pending import JOBCTL_STOP_CONSUME, dequeue_signal, set_current_blocked
from kernel.signal_send import kill_pgrp, send_signal
from kernel.task import RUNNING, SLEEPING, STOPPED, Thread


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def parent(world: World) -> Thread:
    t = world.process(world.init, own_session=True)
    catch(t, SIGCHLD)
    set_current_blocked(t, sigmask(SIGCHLD))
    return t


@pytest.fixture
def t(world: World, parent: Thread) -> Thread:
    return world.process(parent, own_session=True)


def post(t: Thread, signo: int, group: bool = True) -> None:
    send_signal(t, SigInfo(signo), group=group)


def told(parent: Thread) -> list[tuple[int, int, int]]:
    """Take the SIGCHLDs of a parent as (si_code, si_pid, si_status); a standard signal, so at most one at a time."""
    found = []
    while (info := dequeue_signal(parent, sigmask(SIGCHLD))) is not None:
        found.append((info.code, info.pid, info.status))
    return found


def test_stop_and_continue_of_one_thread(world: World, parent: Thread, t: Thread) -> None:
    post(t, SIGSTOP)
    world.run(t)
    assert (t.state, t.process.stop_stopped, t.process.group_exit_code) == (STOPPED, True, SIGSTOP)
    assert told(parent) == [(CLD_STOPPED, t.tid, SIGSTOP)]
    post(t, SIGCONT)
    assert t.state == RUNNING
    assert (t.process.stop_stopped, t.process.stop_continued) == (False, True)
    assert told(parent) == []  # the first thread that runs tells it
    world.run(t)
    assert told(parent) == [(CLD_CONTINUED, t.tid, SIGCONT)]
    assert t.block is None
    assert t.work == 0


def test_a_stop_is_complete_when_the_last_thread_has_stopped(world: World, parent: Thread, t: Thread) -> None:
    others = [world.thread(t) for _ in range(3)]
    post(t, SIGSTOP)
    world.run(t)
    assert [x.state for x in (t, *others)] == [STOPPED, RUNNING, RUNNING, RUNNING]
    assert (t.process.group_stop_count, told(parent)) == (3, [])
    world.run(*others)
    assert all(x.state == STOPPED for x in others)
    assert told(parent) == [(CLD_STOPPED, t.tid, SIGSTOP)]


def test_sleeping_threads_are_interrupted_to_stop(world: World, t: Thread) -> None:
    other = world.thread(t)
    world.sleep(other)
    post(t, SIGSTOP)
    world.run(t)
    assert other.state == RUNNING
    world.run(other)
    assert other.state == STOPPED


def test_sigcont_before_the_stop_is_complete(world: World, parent: Thread, t: Thread) -> None:
    """Patch 23: nobody runs before the stop was complete and reported; then all go on and that is reported, too."""
    other = world.thread(t)
    world.sleep(other, 2)  # as in vfork: it cannot stop yet
    post(t, SIGSTOP)
    world.run(t, other)
    assert (t.state, other.state, told(parent)) == (STOPPED, SLEEPING, [])
    post(t, SIGCONT)
    world.run(t)
    assert t.state == STOPPED
    assert t.process.wakeup_pending
    world.sched.wake(other)
    world.run(other)
    assert told(parent) == [(CLD_STOPPED, t.tid, SIGSTOP)]
    # ... by the same step that woke everybody; `other` ran first and found SIGCHLD pending already.
    assert (t.state, other.block) == (RUNNING, None)
    assert (t.process.stop_stopped, t.process.stop_continued, t.process.wakeup_pending) == (False, True, False)
    world.run(t)
    assert t.block is None


def test_stop_continue_stop_ends_stopped(world: World, parent: Thread, t: Thread) -> None:
    other = world.thread(t)
    world.sleep(other, 2)
    post(t, SIGSTOP)
    world.run(t)
    post(t, SIGCONT)
    post(t, SIGSTOP)
    world.sched.wake(other)
    world.run(other, t, other, t)
    assert (t.state, other.state) == (STOPPED, STOPPED)
    assert t.process.stop_stopped


def test_stop_then_continue_before_anybody_looked(world: World, parent: Thread, t: Thread) -> None:
    post(t, SIGSTOP)
    post(t, SIGCONT)
    world.run(t)
    assert t.state == RUNNING
    assert told(parent) == []


def test_sigkill_ends_a_stop(world: World, t: Thread) -> None:
    other = world.thread(t)
    post(t, SIGSTOP)
    world.run(t, other)
    post(t, SIGTERM)
    world.run(t)
    assert t.state == STOPPED  # a fatal signal is held back while stopped
    post(t, SIGKILL)
    world.run(t, other)
    assert [status for _, status in world.exited] == [SIGKILL, SIGKILL]


def test_a_pending_signal_is_taken_after_the_continuation(world: World, t: Thread) -> None:
    catch(t, SIGUSR1)
    post(t, SIGSTOP)
    world.run(t)
    post(t, SIGUSR1)
    assert t.state == STOPPED
    post(t, SIGCONT)
    world.run(t)
    assert (t, SIGUSR1) in world.delivered


def test_sigcont_acts_even_if_blocked_or_ignored(world: World, t: Thread) -> None:
    set_current_blocked(t, sigmask(SIGCONT))
    post(t, SIGSTOP)
    world.run(t)
    post(t, SIGCONT)
    assert t.state == RUNNING
    world.run(t)
    t.sighand.actions[SIGCONT] = SigAction(SIG_IGN)
    post(t, SIGSTOP)
    world.run(t)
    post(t, SIGCONT)
    assert t.state == RUNNING


@pytest.mark.parametrize("action", [SigAction(SIG_IGN), SigAction(0x401000, SA_NOCLDSTOP)])
def test_a_parent_may_not_want_to_know(world: World, parent: Thread, t: Thread, action: SigAction) -> None:
    parent.sighand.actions[SIGCHLD] = action
    woken: list[object] = []

    def waiter(key: object) -> bool:
        woken.append(key)
        return True

    parent.process.chldexit.add(waiter)
    post(t, SIGSTOP)
    world.run(t)
    assert told(parent) == []
    assert woken == [t.process.tgid_pid]  # waiters are woken all the same


def test_an_exiting_thread_consumes_its_share(world: World, parent: Thread, t: Thread) -> None:
    other = world.thread(t)
    post(t, SIGSTOP)
    world.run(t)
    other.kstack = do_exit(other, 0)
    world.run(other)
    assert told(parent) == [(CLD_STOPPED, t.tid, SIGSTOP)]
    assert t.process.stop_stopped


def test_the_first_thread_may_be_gone(world: World, parent: Thread, t: Thread) -> None:
    other = world.thread(t)
    t.kstack = do_exit(t, 0)
    world.run(t)
    post(other, SIGSTOP)
    world.run(other)
    assert told(parent) == [(CLD_STOPPED, other.process.tgid, SIGSTOP)]
    post(other, SIGCONT)
    world.run(other)
    assert told(parent) == [(CLD_CONTINUED, other.process.tgid, SIGCONT)]


def test_a_new_thread_joins_a_stop_under_way(world: World, parent: Thread, t: Thread) -> None:
    other = world.thread(t)
    post(t, SIGSTOP)
    world.run(t)
    child = world.thread(t)
    join_group_stop(other, child)
    world.run(other)
    assert told(parent) == []
    world.run(child)
    assert child.state == STOPPED
    assert told(parent) == [(CLD_STOPPED, t.tid, SIGSTOP)]


def test_two_stops_are_one(world: World, parent: Thread, t: Thread) -> None:
    post(t, SIGSTOP)
    world.run(t)
    told(parent)
    post(t, SIGTSTP)
    post(t, SIGCONT)
    world.run(t)
    assert t.state == RUNNING  # SIGCONT removed the second stop signal


# -- terminal stops and orphaned groups -------------------------------------------------------------------------------
def test_terminal_stops_do_nothing_in_an_orphaned_group(world: World, parent: Thread) -> None:
    lonely = world.process(world.init, own_session=True)
    assert is_orphaned_pgrp(lonely.process.pgrp)
    post(lonely, SIGTSTP)
    world.run(lonely)
    assert lonely.state == RUNNING
    post(lonely, SIGSTOP)
    world.run(lonely)
    assert lonely.state == STOPPED


def job(world: World, shell: Thread) -> Thread:
    """A child in a process group of its own, in the session of ``shell``."""
    from kernel.session import change_pgrp

    child = world.process(shell)
    change_pgrp(child.process, child.pid)
    return child


def test_a_job_is_not_orphaned_while_its_shell_lives(world: World, parent: Thread) -> None:
    child = job(world, parent)
    assert not is_orphaned_pgrp(child.process.pgrp)
    assert is_orphaned_pgrp(parent.process.pgrp)


def test_a_stopped_job_is_hung_up_when_its_shell_dies(world: World, parent: Thread) -> None:
    child = job(world, parent)
    catch(child, SIGHUP)
    catch(child, SIGCONT)
    post(child, SIGTSTP)
    world.run(child)
    assert child.state == STOPPED
    parent.kstack = do_exit(parent, 0)
    world.run(parent)
    assert child.real_parent is world.init
    world.run(child)
    assert [signo for thread, signo in world.delivered if thread is child and signo != SIGTSTP] == [SIGHUP, SIGCONT]


def test_a_running_job_is_left_alone(world: World, parent: Thread) -> None:
    child = job(world, parent)
    parent.kstack = do_exit(parent, 0)
    world.run(parent)
    assert not child.process.shared_pending.mask


def test_the_last_member_with_a_parent_outside_orphans_the_rest(world: World, parent: Thread) -> None:
    """A pipeline's process whose child is stopped exits: the group loses its only connection to the shell."""
    from kernel.session import change_pgrp

    first = job(world, parent)
    second = world.process(first)
    change_pgrp(second.process, first.process.pgrp)
    catch(second, SIGHUP)
    catch(second, SIGCONT)
    post(second, SIGSTOP)
    world.run(second)
    kill_orphaned_pgrp(second.process, second)  # its own exit would not: its parent is in the group
    assert not second.process.shared_pending.mask
    first.kstack = do_exit(first, 0)
    world.run(first)
    assert second.process.shared_pending.mask == sigmask(SIGHUP, SIGCONT)


def test_a_group_signal_reaches_every_member(world: World, parent: Thread) -> None:
    first = job(world, parent)
    second = world.process(first)
    kill_pgrp(first.process.pgrp, SIGTERM)
    assert first.process.group_exit
    assert second.process.group_exit
    assert not parent.process.group_exit


# -- any order of events ----------------------------------------------------------------------------------------------
@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(["stop", "cont", "run0", "run1", "run2", "sleep2", "wake2"]), max_size=25))
def test_any_order_of_stops_and_continuations(events: list[str]) -> None:
    """The count of a stop is that of the threads still to stop, and what was said last holds in the end."""
    world = World()
    parent = world.process(world.init, own_session=True)
    catch(parent, SIGCHLD)
    set_current_blocked(parent, sigmask(SIGCHLD))
    t = world.process(parent, own_session=True)
    threads = [t, world.thread(t), world.thread(t)]
    process = t.process
    last = "cont"
    for event in events:
        if event in ("stop", "cont"):
            post(t, SIGSTOP if event == "stop" else SIGCONT)
            last = event
        elif event == "sleep2":
            if threads[2].block is None and threads[2].kstack is None:
                world.sleep(threads[2], 2)
        elif event == "wake2":
            if threads[2].state == SLEEPING:
                world.sched.wake(threads[2])
        else:
            world.run(threads[int(event[-1])])
        assert process.group_stop_count == sum(bool(x.jobctl & JOBCTL_STOP_CONSUME) for x in threads)
        if process.stop_stopped:
            assert process.group_stop_count == 0
            assert all(x.state == STOPPED for x in threads)
        assert not process.wakeup_pending or process.group_stop_count
    world.sched.wake(threads[2]) if threads[2].state == SLEEPING else None
    for _ in range(3):
        world.run(*threads)
    assert {x.state for x in threads} == {STOPPED if last == "stop" else RUNNING}
    assert process.stop_stopped == (last == "stop")
    assert not process.cld_continued
