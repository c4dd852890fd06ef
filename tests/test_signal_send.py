"""Generation: who gets a signal, what is dropped, when a signal is the end of a process, who may send."""

from __future__ import annotations

import pytest
from signal_world import World, catch

from kernel.cred import Cred
from kernel.errno import Errno
from kernel.kill import kill, kill_group, pidfd_send_signal, sigqueueinfo, tgkill, tgsigqueueinfo, tkill
from kernel.pid import PidNamespace
from kernel.rlimit import RLIMIT_SIGPENDING
from kernel.signal import (
    SI_KERNEL,
    SI_QUEUE,
    SI_TKILL,
    SI_USER,
    SIG_DFL,
    SIG_IGN,
    SIGCHLD,
    SIGCONT,
    SIGHUP,
    SIGINT,
    SIGKILL,
    SIGRTMIN,
    SIGSEGV,
    SIGSTOP,
    SIGTERM,
    SIGTSTP,
    SIGUSR1,
    SIGUSR2,
    SigAction,
    SigInfo,
    sigmask,
)
from kernel.signal_pending import dequeue_signal, restore_user_sigmask, set_current_blocked, set_user_sigmask, signal_pending
from kernel.signal_send import force_exit_sig, force_signal, raise_signal, send_sig, send_signal
from kernel.task import WORK_RESTORE_MASK, WORK_SIGNAL, Thread

RT = SIGRTMIN + 3
USER = Cred.user(1000, 1000)
OTHER = Cred.user(2000, 2000)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def t(world: World) -> Thread:
    return world.process(world.init)


def post(t: Thread, signo: int, group: bool = True, code: int = SI_USER, force: bool = False, value: int = 0) -> None:
    send_signal(t, SigInfo(signo, code=code, value=value), group=group, force=force)


# -- what is dropped --------------------------------------------------------------------------------------------------
def test_ignored_signals_are_dropped_unless_blocked(t: Thread) -> None:
    post(t, SIGCHLD)
    t.sighand.actions[SIGTERM] = SigAction(SIG_IGN)
    post(t, SIGTERM)
    assert not t.process.shared_pending.mask
    set_current_blocked(t, sigmask(SIGCHLD, SIGTERM))
    post(t, SIGCHLD)
    post(t, SIGTERM)
    assert t.process.shared_pending.mask == sigmask(SIGCHLD, SIGTERM)
    assert not signal_pending(t)


def test_a_tracer_sees_ignored_signals(t: Thread, world: World) -> None:
    t.ptrace, t.parent = 1, world.init
    post(t, SIGCHLD)
    assert t.process.shared_pending.mask == sigmask(SIGCHLD)


def test_one_instance_of_a_standard_signal_all_of_a_real_time_one(t: Thread) -> None:
    catch(t, SIGUSR1)
    catch(t, RT)
    for _ in range(3):
        post(t, SIGUSR1)
        post(t, RT, code=SI_QUEUE)
    assert [entry.info.signo for entry in t.process.shared_pending.queue] == [SIGUSR1, RT, RT, RT]


def test_thread_and_process_queues_are_separate(t: Thread) -> None:
    catch(t, SIGUSR1)
    post(t, SIGUSR1, group=True)
    post(t, SIGUSR1, group=False)
    assert t.pending.mask == t.process.shared_pending.mask == sigmask(SIGUSR1)


def test_a_dying_process_takes_no_more_signals(t: Thread) -> None:
    post(t, SIGKILL)
    assert t.process.group_exit
    catch(t, SIGUSR1)
    post(t, SIGUSR1)
    assert not t.process.shared_pending.mask & sigmask(SIGUSR1)


def test_stop_and_continue_cancel_each_other(t: Thread, world: World) -> None:
    other = world.thread(t)
    set_current_blocked(t, sigmask(SIGCONT, SIGTSTP))
    set_current_blocked(other, sigmask(SIGCONT, SIGTSTP))
    catch(t, SIGCONT)
    post(t, SIGTSTP, group=False)
    post(other, SIGTSTP)
    post(t, SIGCONT)
    assert (t.pending.mask, t.process.shared_pending.mask) == (0, sigmask(SIGCONT))
    post(other, SIGTSTP, group=False)
    assert (other.pending.mask, t.process.shared_pending.mask) == (sigmask(SIGTSTP), 0)


# -- init -------------------------------------------------------------------------------------------------------------
def test_the_global_init_cannot_be_killed_or_stopped_by_anybody(world: World) -> None:
    for signo in (SIGKILL, SIGSTOP):
        post(world.init, signo, force=True)
    post(world.init, SIGTERM)
    assert not world.init.process.group_exit
    assert not world.init.process.shared_pending.mask


def test_a_namespace_init_dies_only_by_an_ancestor(world: World) -> None:
    ns = PidNamespace(world.ns, 9)
    init = world.process(world.init, ns=ns)
    init.process.unkillable = True
    ns.child_reaper = init.pid
    inside = world.process(init, ns=ns)
    outside = world.process(world.init)
    for signo in (SIGKILL, SIGSTOP, SIGTERM):
        kill(inside, 1, signo)
    kill(outside, init.tid, SIGTERM)
    assert not init.process.shared_pending.mask
    kill(outside, init.tid, SIGSTOP)
    assert init.process.shared_pending.mask == sigmask(SIGSTOP)
    kill(outside, init.tid, SIGKILL)
    assert init.process.group_exit_code == SIGKILL


def test_sender_pid_is_that_seen_in_the_targets_namespace(world: World) -> None:
    ns = PidNamespace(world.ns, 9)
    init = world.process(world.init, ns=ns)
    ns.child_reaper = init.pid
    inside = world.process(init, ns=ns)
    outside = world.process(world.init)
    target = world.process(init, ns=ns)
    catch(target, RT)
    kill(inside, target.pid.nr_in(ns), RT)
    kill(outside, target.tid, RT)
    found = dequeue_signal(target, sigmask(RT))
    assert found is not None
    assert found.pid == 2
    found = dequeue_signal(target, sigmask(RT))
    assert found is not None
    assert found.pid == 0


def test_a_forced_signal_kills_an_init(world: World) -> None:
    force_signal(world.init, SigInfo(SIGSEGV, code=1, addr=4))
    assert not world.init.process.unkillable
    assert world.init.pending.mask == sigmask(SIGSEGV)


# -- the thread that takes it -----------------------------------------------------------------------------------------
def test_the_representative_gets_first_crack_then_the_others_in_turn(t: Thread, world: World) -> None:
    others = [world.thread(t), world.thread(t)]
    catch(t, SIGUSR1)
    catch(t, SIGUSR2)
    catch(t, SIGTERM)
    catch(t, SIGHUP)
    for signo in (SIGUSR1, SIGUSR2, SIGTERM, SIGHUP):
        post(t, signo)
    assert [thread for thread, _ in world.sched.woken] == [t, *others]


def test_a_thread_that_blocks_it_is_passed_over(t: Thread, world: World) -> None:
    other = world.thread(t)
    catch(t, SIGUSR1)
    set_current_blocked(t, sigmask(SIGUSR1))
    post(t, SIGUSR1)
    assert world.sched.woken == [(other, False)]
    assert t.process.curr_target is other


def test_a_thread_directed_signal_wakes_no_other(t: Thread, world: World) -> None:
    world.thread(t)
    catch(t, SIGUSR1)
    set_current_blocked(t, sigmask(SIGUSR1))
    post(t, SIGUSR1, group=False)
    assert world.sched.woken == []


def test_blocking_hands_pending_process_signals_to_siblings(t: Thread, world: World) -> None:
    other = world.thread(t)
    catch(t, SIGUSR1)
    set_current_blocked(other, sigmask(SIGUSR2))
    post(t, SIGUSR1)
    world.sched.woken.clear()
    set_current_blocked(t, sigmask(SIGUSR1))
    assert world.sched.woken == [(other, False)]
    assert not signal_pending(t)


def test_an_interruptible_sleep_ends_a_killable_one_does_not(t: Thread, world: World) -> None:
    catch(t, SIGUSR1)
    world.sleep(t, 1)
    post(t, SIGUSR1)
    assert t.block is not None
    world.sleep(t, 0)
    post(t, SIGUSR1, group=False)
    assert t.block is not None  # already marked pending: Linux does not wake it twice
    post(t, SIGKILL)
    assert t.block is None


# -- fatal ------------------------------------------------------------------------------------------------------------
def test_a_fatal_signal_takes_down_the_whole_group_at_once(t: Thread, world: World) -> None:
    other = world.thread(t)
    post(t, SIGTERM)
    assert (t.process.group_exit, t.process.group_exit_code) == (True, SIGTERM)
    for thread in (t, other):
        assert thread.pending.mask & sigmask(SIGKILL)
    assert world.sched.woken == [(t, True), (other, True)]


def test_a_core_dumping_signal_is_left_to_the_thread(t: Thread) -> None:
    post(t, SIGSEGV)
    assert not t.process.group_exit
    assert signal_pending(t)


def test_a_fatal_signal_everybody_blocks_waits(t: Thread) -> None:
    set_current_blocked(t, sigmask(SIGTERM))
    post(t, SIGTERM)
    assert not t.process.group_exit
    set_current_blocked(t, 0)
    assert signal_pending(t)


def test_an_exiting_thread_is_neither_target_nor_victim(t: Thread, world: World) -> None:
    other = world.thread(t)
    t.exiting = True
    t.process.rep = other
    post(other, SIGTERM)
    assert not t.pending.mask
    assert other.pending.mask == sigmask(SIGKILL)
    post(t, SIGUSR1, group=False)
    assert not t.pending.mask


# -- RLIMIT_SIGPENDING ------------------------------------------------------------------------------------------------
def test_sigqueue_beyond_the_limit_is_eagain_kill_is_not(t: Thread, world: World) -> None:
    t.process.rlimits.set(RLIMIT_SIGPENDING, 2, 2)
    catch(t, RT)
    catch(t, SIGUSR1)
    set_current_blocked(t, sigmask(RT, SIGUSR1))
    for value in range(2):
        post(t, RT, code=SI_QUEUE, value=value)
    with pytest.raises(Errno.EAGAIN):
        post(t, RT, code=SI_QUEUE)
    post(t, RT)  # kill(2): the siginfo is lost, not the signal - but one is pending already
    post(t, SIGUSR1)
    assert len(t.process.shared_pending.queue) == 3
    assert world.kernel.sigqueue_counts == {0: 3}
    for _ in range(2):
        assert dequeue_signal(t, sigmask(RT)) is not None
    assert world.kernel.sigqueue_counts == {0: 1}
    post(t, RT, code=SI_QUEUE)


def test_a_standard_signal_by_sigqueue_over_the_limit_loses_its_siginfo(t: Thread) -> None:
    t.process.rlimits.set(RLIMIT_SIGPENDING, 0, 0)
    catch(t, SIGUSR1)
    post(t, SIGUSR1, code=SI_QUEUE, value=7)
    assert dequeue_signal(t, sigmask(SIGUSR1)) == SigInfo(SIGUSR1)


# -- forced signals ---------------------------------------------------------------------------------------------------
def test_a_blocked_or_ignored_fault_cannot_be_refused(t: Thread) -> None:
    catch(t, SIGSEGV)
    set_current_blocked(t, sigmask(SIGSEGV))
    force_signal(t, SigInfo(SIGSEGV, code=1))
    assert t.sighand.actions[SIGSEGV].handler == SIG_DFL
    assert signal_pending(t)


def test_a_fault_with_a_handler_keeps_it(t: Thread) -> None:
    catch(t, SIGSEGV)
    force_signal(t, SigInfo(SIGSEGV, code=1))
    assert t.sighand.actions[SIGSEGV].handler != SIG_DFL


def test_a_fault_only_a_tracer_will_see_is_not_queued(t: Thread, world: World) -> None:
    info = SigInfo(SIGSEGV, code=1)
    assert raise_signal(t, info) is None  # nobody traces it
    assert t.pending.mask == sigmask(SIGSEGV)
    assert dequeue_signal(t, sigmask(SIGSEGV)) == info
    t.ptrace, t.parent = 1, world.init
    assert raise_signal(t, info) is info
    assert not t.pending.mask
    post(t, SIGUSR1)
    assert raise_signal(t, info) is None  # there is something else to look at
    assert t.pending.mask == sigmask(SIGSEGV)


@pytest.mark.parametrize("refused", ["blocked", "ignored"])
def test_a_tracee_cannot_refuse_a_fault_either(t: Thread, world: World, refused: str) -> None:
    t.ptrace, t.parent = 1, world.init
    if refused == "blocked":
        set_current_blocked(t, sigmask(SIGSEGV))
    else:
        t.sighand.actions[SIGSEGV] = SigAction(SIG_IGN)
    assert raise_signal(t, SigInfo(SIGSEGV, code=1)) is None
    assert t.pending.mask == sigmask(SIGSEGV)
    assert t.sighand.actions[SIGSEGV].handler == SIG_DFL


def test_a_fault_already_pending_and_blocked_wakes_all_the_same(t: Thread) -> None:
    catch(t, SIGSEGV)
    set_current_blocked(t, sigmask(SIGSEGV))
    post(t, SIGSEGV, group=False)
    assert not signal_pending(t)
    force_signal(t, SigInfo(SIGSEGV, code=1))
    assert signal_pending(t)


def test_force_exit_cannot_be_caught(t: Thread) -> None:
    catch(t, 31)
    force_exit_sig(t, SigInfo(31, code=1, syscall=39))
    assert t.sighand.actions[31].handler == SIG_DFL


# -- permission -------------------------------------------------------------------------------------------------------
def ids(uid: int, euid: int, suid: int) -> Cred:
    return Cred(uid, 0, suid, 0, euid, 0, euid, 0)


@pytest.mark.parametrize(
    ("sender", "target", "allowed"),
    [
        (ids(1, 1, 1), ids(1, 1, 1), True),
        (ids(1, 2, 9), ids(2, 5, 6), True),  # euid = real
        (ids(1, 2, 9), ids(5, 6, 2), True),  # euid = saved
        (ids(1, 2, 9), ids(1, 5, 6), True),  # real = real
        (ids(1, 2, 9), ids(5, 6, 1), True),  # real = saved
        (ids(1, 2, 9), ids(5, 2, 6), False),  # the target's effective id does not count
        (ids(1, 2, 9), ids(9, 9, 9), False),  # the sender's saved id does not count
        (Cred.root(), ids(5, 5, 5), True),  # CAP_KILL
        (ids(0, 0, 0), ids(5, 5, 5), False),  # uid 0 without it
    ],
)
def test_who_may_kill(world: World, sender: Cred, target: Cred, allowed: bool) -> None:
    a = world.process(world.init, sender, own_session=True)
    b = world.process(world.init, target, own_session=True)
    if allowed:
        kill(a, b.tid, 0)
    else:
        with pytest.raises(Errno.EPERM):
            kill(a, b.tid, 0)


def test_sigcont_is_allowed_within_the_session(world: World) -> None:
    shell = world.process(world.init, USER, own_session=True)
    job = world.process(shell, OTHER)
    stranger = world.process(world.init, OTHER, own_session=True)
    kill(shell, job.tid, SIGCONT)
    with pytest.raises(Errno.EPERM):
        kill(shell, job.tid, SIGTERM)
    with pytest.raises(Errno.EPERM):
        kill(shell, stranger.tid, SIGCONT)


def test_permission_is_judged_on_the_living_thread(world: World) -> None:
    """The first thread dropped its privileges and is gone: its credentials protect nothing and open nothing."""
    first = world.process(world.init, USER)
    live = world.thread(first)
    live.cred = Cred.root()
    sender = world.process(world.init, USER, own_session=True)
    first.exiting = True
    first.process.rep = live
    with pytest.raises(Errno.EPERM):
        kill(sender, first.process.tgid, SIGKILL)
    live.cred, first.cred = USER, Cred.root()
    kill(sender, first.process.tgid, 0)


def test_a_zombie_takes_signals_and_forgets_them(world: World) -> None:
    t = world.process(world.init, USER)
    sender = world.process(world.init, USER)
    kill(sender, t.tid, SIGTERM)
    world.run(t)
    assert t.state == "Z"
    kill(sender, t.tid, 0)
    kill(sender, t.tid, SIGTERM)
    with pytest.raises(Errno.EPERM):
        kill(world.process(world.init, OTHER, own_session=True), t.tid, 0)
    with pytest.raises(Errno.ESRCH):
        tgkill(sender, t.tid, t.tid, 0)


# -- kill -------------------------------------------------------------------------------------------------------------
def test_errors_of_kill(t: Thread) -> None:
    with pytest.raises(Errno.ESRCH):
        kill(t, 9999, 0)
    with pytest.raises(Errno.ESRCH):
        kill(t, 9999, 9999)  # the target is looked up first
    with pytest.raises(Errno.EINVAL):
        kill(t, t.tid, 65)
    with pytest.raises(Errno.EINVAL):
        kill(t, t.tid, -1)
    with pytest.raises(Errno.ESRCH):
        kill(t, -9999, SIGTERM)
    with pytest.raises(Errno.ESRCH):
        kill(t, -(1 << 31), SIGTERM)


def test_the_number_of_another_thread_is_no_process(t: Thread, world: World) -> None:
    other = world.thread(t)
    with pytest.raises(Errno.ESRCH):
        kill(t, other.tid, 0)
    tgkill(t, t.process.tgid, other.tid, 0)


def test_tgkill_wants_the_right_living_thread(t: Thread, world: World) -> None:
    other = world.thread(t)
    stranger = world.process(world.init)
    catch(t, SIGUSR1)
    tgkill(t, t.tid, other.tid, SIGUSR1)
    info = dequeue_signal(other, sigmask(SIGUSR1))
    assert info is not None
    assert (info.code, info.pid) == (SI_TKILL, t.process.tgid)
    for tgid, tid, error in ((t.tid, stranger.tid, Errno.ESRCH), (0, t.tid, Errno.EINVAL), (t.tid, 0, Errno.EINVAL)):
        with pytest.raises(error):
            tgkill(t, tgid, tid, SIGUSR1)
    with pytest.raises(Errno.EINVAL):
        tkill(t, 0, SIGUSR1)
    tkill(t, other.tid, SIGUSR1)
    other.exiting = True
    with pytest.raises(Errno.ESRCH):
        tkill(t, other.tid, 0)


def test_a_process_group_succeeds_if_one_does(world: World) -> None:
    leader = world.process(world.init, OTHER, own_session=True)
    member = world.process(leader, USER)
    sender = world.process(world.init, USER, own_session=True)
    kill(sender, -leader.tid, SIGTERM)
    assert member.process.group_exit
    assert not leader.process.group_exit
    with pytest.raises(Errno.EPERM):
        kill(world.process(world.init, Cred.user(3, 3), own_session=True), -leader.tid, 0)


def test_pid_zero_is_the_own_group_including_oneself(world: World) -> None:
    a = world.process(world.init, own_session=True)
    b = world.process(a)
    kill(a, 0, SIGINT)
    assert a.process.group_exit
    assert b.process.group_exit


def test_kill_everybody_spares_init_and_oneself(world: World) -> None:
    a, b, c = (world.process(world.init) for _ in range(3))
    kill(a, -1, SIGTERM)
    assert [x.process.group_exit for x in (world.init, a, b, c)] == [False, False, True, True]


def test_kill_everybody_never_reports_eperm(world: World) -> None:
    lonely = world.process(world.init, USER)
    with pytest.raises(Errno.ESRCH):
        kill(lonely, -1, 0)
    world.process(world.init, OTHER)
    kill(lonely, -1, SIGTERM)


def test_kill_group_of_nobody(t: Thread) -> None:
    with pytest.raises(Errno.ESRCH):
        kill_group(t, None, SIGTERM)


# -- sigqueue ---------------------------------------------------------------------------------------------------------
def test_only_oneself_may_be_told_lies(t: Thread, world: World) -> None:
    other = world.process(world.init)
    for code in (SI_USER, SI_KERNEL, SI_TKILL, 5):
        with pytest.raises(Errno.EPERM):
            sigqueueinfo(t, other.tid, RT, SigInfo(RT, code=code))
        sigqueueinfo(t, t.tid, RT, SigInfo(RT, code=code))
        tgsigqueueinfo(t, t.tid, t.tid, RT, SigInfo(RT, code=code))
        with pytest.raises(Errno.EPERM):
            tgsigqueueinfo(t, other.tid, other.tid, RT, SigInfo(RT, code=code))
    sigqueueinfo(t, other.tid, RT, SigInfo(RT, code=SI_QUEUE, value=1))


def test_pidfd_scopes(t: Thread, world: World) -> None:
    catch(t, RT)
    other = world.thread(t)
    pidfd_send_signal(t, t.pid, 2, RT, None)
    assert t.process.shared_pending.mask == sigmask(RT)
    pidfd_send_signal(t, other.pid, 1, RT, None)
    assert other.pending.mask == sigmask(RT)
    with pytest.raises(Errno.ESRCH):
        pidfd_send_signal(t, other.pid, 2, RT, None)
    with pytest.raises(Errno.EINVAL):
        pidfd_send_signal(t, t.pid, 2, RT, SigInfo(SIGUSR1, code=SI_QUEUE))
    with pytest.raises(Errno.EPERM):
        pidfd_send_signal(world.process(world.init), t.pid, 2, RT, SigInfo(RT, code=SI_USER))


# -- temporary masks --------------------------------------------------------------------------------------------------
def test_a_temporary_mask_comes_back_unless_a_signal_ended_the_call(t: Thread) -> None:
    set_current_blocked(t, sigmask(SIGUSR1))
    set_user_sigmask(t, sigmask(SIGUSR2, SIGKILL))
    assert t.blocked == sigmask(SIGUSR2)
    restore_user_sigmask(t)
    assert t.blocked == sigmask(SIGUSR1)
    assert not t.work & WORK_RESTORE_MASK
    set_user_sigmask(t, 0)
    restore_user_sigmask(t, interrupted=True)
    assert t.blocked == 0
    assert t.work & WORK_RESTORE_MASK


def test_send_sig_is_from_the_kernel(t: Thread) -> None:
    catch(t, SIGHUP)
    send_sig(t.process, SIGHUP)
    assert dequeue_signal(t, sigmask(SIGHUP)) == SigInfo(SIGHUP, code=SI_KERNEL)


def test_dequeue_clears_the_work_bit_when_nothing_is_left(t: Thread) -> None:
    catch(t, SIGHUP)
    post(t, SIGHUP)
    assert t.work & WORK_SIGNAL
    dequeue_signal(t, sigmask(SIGHUP))
    assert not t.work & WORK_SIGNAL
