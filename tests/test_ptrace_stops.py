"""Tracing on the bare kernel: links, stops, what ends them, who is told, and each rule in which the models differ."""

from __future__ import annotations

import pytest
from signal_world import World, catch

from kernel import jobctl, ptrace, ptrace_states
from kernel import ptrace_request as request
from kernel.cred import CAP_SYS_PTRACE, Cred
from kernel.errno import Errno
from kernel.exit import do_exit
from kernel.ptrace_access import MODE_FSCREDS, may_access
from kernel.ptrace_attach import attach, detach, traceme
from kernel.ptrace_states import stop_kind
from kernel.semantics import Semantics
from kernel.signal import (
    CLD_EXITED,
    CLD_STOPPED,
    CLD_TRAPPED,
    SI_KERNEL,
    SIG_IGN,
    SIGCHLD,
    SIGCONT,
    SIGKILL,
    SIGSTOP,
    SIGTERM,
    SIGTRAP,
    SIGUSR1,
    SIGUSR2,
    SigAction,
    SigInfo,
    sigmask,
)
from kernel.signal_pending import JOBCTL_TRAPPING, dequeue_signal, set_current_blocked
from kernel.signal_send import send_signal
from kernel.task import EXIT_TRACEE, EXIT_ZOMBIE, RUNNING, STOPPED, TRACED, Thread
from kernel.wait import P_ALL, P_PID, WEXITED, WNOHANG, WSTOPPED, Report, WaitOptions, do_wait


@pytest.fixture
def world() -> World:
    return World()


def watcher(world: World, parent: Thread) -> Thread:
    """Return a process that collects SIGCHLD by waiting for it."""
    t = world.process(parent, own_session=True)
    catch(t, SIGCHLD)
    set_current_blocked(t, sigmask(SIGCHLD))
    return t


@pytest.fixture
def tracer(world: World) -> Thread:
    return watcher(world, world.init)


@pytest.fixture
def t(world: World, tracer: Thread) -> Thread:
    """A child of the tracer, not traced yet."""
    return world.process(tracer, own_session=True)


def seize(tracer: Thread, t: Thread, options: int = 0) -> None:
    finish(attach(tracer, t, 0, options, True))


def finish(call: object) -> int:
    """Run a kernel generator that must not sleep."""
    with pytest.raises(StopIteration) as done:
        next(call)  # type: ignore[call-overload]
    value: int = done.value.value
    return value


def told(parent: Thread) -> tuple[int, int, int] | None:
    """Take the SIGCHLD of a parent as (si_code, si_pid, si_status)."""
    info = dequeue_signal(parent, sigmask(SIGCHLD))
    return (info.code, info.pid, info.status) if info is not None else None


def wait(t: Thread, flags: int, pid: Thread | None = None) -> Report | None:
    options = WaitOptions(P_ALL if pid is None else P_PID, pid.pid if pid is not None else None, flags | WNOHANG)
    found = do_wait(t, options)
    assert found is None or isinstance(found, Report)
    return found


def stop_with(world: World, t: Thread, signo: int = SIGUSR1) -> None:
    """Bring a tracee into a signal-delivery-stop."""
    send_signal(t, SigInfo(signo), group=True)
    world.run(t)
    assert t.state is TRACED


# -- links ------------------------------------------------------------------------------------------------------------
def test_traceme_makes_the_parent_the_tracer(tracer: Thread, t: Thread) -> None:
    traceme(t)
    assert t.parent is tracer
    assert list(tracer.ptraced) == [t]
    with pytest.raises(Errno.EPERM):
        traceme(t)


def test_seize_disturbs_nothing(world: World, tracer: Thread, t: Thread) -> None:
    seize(tracer, t, ptrace.O_EXITKILL)
    world.run(t)
    assert t.state is RUNNING
    assert not t.pending.mask
    assert t.ptrace & ptrace.PT_EXITKILL


def test_attach_sends_sigstop(world: World, tracer: Thread, t: Thread) -> None:
    finish(attach(tracer, t, 0, 0, False))
    world.run(t)
    assert (t.state, t.stop_code) == (TRACED, SIGSTOP)
    assert t.last_siginfo == SigInfo(SIGSTOP, code=SI_KERNEL)


def test_errors_of_attaching(world: World, tracer: Thread, t: Thread) -> None:
    other = world.thread(t)
    for call in (attach(tracer, t, 1, 0, True), attach(tracer, t, 0, 1 << 30, True)):
        with pytest.raises(Errno.EIO):
            next(call)
    with pytest.raises(Errno.EPERM):  # its own process
        next(attach(other, t, 0, 0, True))
    seize(tracer, t)
    with pytest.raises(Errno.EPERM):  # twice
        next(attach(world.init, t, 0, 0, True))
    user = world.process(world.init, Cred.user(1000, 1000))
    with pytest.raises(Errno.EPERM):
        next(attach(user, other, 0, 0, True))


def test_a_stopped_process_becomes_traced_before_attach_returns(world: World, tracer: Thread, t: Thread) -> None:
    send_signal(t, SigInfo(SIGSTOP), group=True)
    world.run(t)
    assert t.state is STOPPED
    call = attach(tracer, t, 0, 0, False)
    block = next(call)
    assert block.what == "ptrace_attach"
    assert t.jobctl & JOBCTL_TRAPPING
    world.run(t)
    assert t.state is TRACED
    assert not t.jobctl & JOBCTL_TRAPPING
    assert t.last_siginfo is None
    assert finish(call) == 0


# -- stops ------------------------------------------------------------------------------------------------------------
def test_only_the_attaching_thread_and_only_in_a_stop(world: World, tracer: Thread, t: Thread) -> None:
    seize(tracer, t)
    with pytest.raises(Errno.ESRCH):
        request.check_attached(tracer, t)
    request.check_attached(tracer, t, any_state=True)
    stop_with(world, t)
    request.check_attached(tracer, t)
    with pytest.raises(Errno.ESRCH):
        request.check_attached(world.thread(tracer), t)


@pytest.mark.parametrize(("answer", "delivered"), [(0, []), (SIGUSR1, [SIGUSR1]), (SIGUSR2, [SIGUSR2])])
def test_the_tracer_decides_what_is_delivered(
    world: World, tracer: Thread, t: Thread, answer: int, delivered: list[int]
) -> None:
    catch(t, SIGUSR1)
    catch(t, SIGUSR2)
    seize(tracer, t)
    stop_with(world, t)
    request.resume(t, answer, 0)
    world.run(t)
    assert [signo for who, signo in world.delivered if who is t] == delivered


def test_a_blocked_signal_goes_back_to_its_queue(world: World, tracer: Thread, t: Thread) -> None:
    seize(tracer, t)
    stop_with(world, t)
    request.set_sigmask(t, sigmask(SIGUSR1, SIGKILL))
    request.resume(t, SIGUSR1, 0)
    world.run(t)
    assert t.state is RUNNING
    assert t.process.shared_pending.mask == sigmask(SIGUSR1)
    assert t.blocked == sigmask(SIGUSR1)


def test_siginfo_is_the_tracers_to_change(world: World, tracer: Thread, t: Thread) -> None:
    seize(tracer, t)
    with pytest.raises(Errno.EINVAL):
        request.get_siginfo(t)
    stop_with(world, t)
    assert request.get_siginfo(t).signo == SIGUSR1
    request.set_siginfo(t, SigInfo(SIGTERM, uid=7))
    request.resume(t, SIGTERM, 0)
    world.run(t)
    assert t.exit_code == SIGTERM


@pytest.mark.parametrize("listen", [False, True])
def test_sigkill_ends_every_stop(world: World, tracer: Thread, t: Thread, listen: bool) -> None:
    seize(tracer, t)
    request.interrupt(t)
    world.run(t)
    assert t.stop_code == SIGTRAP | ptrace.EVENT_STOP << 8
    if listen:
        request.listen(t)
    send_signal(t, SigInfo(SIGKILL), group=True)
    with pytest.raises(Errno.ESRCH):
        request.check_attached(tracer, t)
    world.run(t)
    report = wait(tracer, WEXITED)
    assert report is not None
    assert report.status == SIGKILL


def test_exit_event_of_a_killed_thread(world: World, tracer: Thread, t: Thread) -> None:
    seize(tracer, t, ptrace.O_TRACEEXIT)
    send_signal(t, SigInfo(SIGKILL), group=True)
    world.run(t)
    assert (t.state, t.stop_code, t.ptrace_message) == (TRACED, SIGTRAP | ptrace.EVENT_EXIT << 8, SIGKILL)
    request.check_attached(tracer, t)
    request.resume(t, 0, 0)
    world.run(t)
    assert t.exit_state


def test_listening_ends_with_a_change_of_the_group_stop(world: World, tracer: Thread, t: Thread) -> None:
    seize(tracer, t)
    stop_with(world, t, SIGSTOP)
    with pytest.raises(Errno.EIO):
        request.listen(t)  # a signal-delivery-stop
    request.resume(t, SIGSTOP, 0)
    world.run(t)
    assert t.stop_code == SIGSTOP | ptrace.EVENT_STOP << 8
    request.listen(t)
    report = wait(tracer, WSTOPPED, t)
    assert report is not None
    assert report.code == CLD_STOPPED
    assert wait(tracer, WSTOPPED, t) is None
    with pytest.raises(Errno.ESRCH):
        request.check_attached(tracer, t)
    send_signal(t, SigInfo(SIGCONT), group=True)
    world.run(t)
    assert t.stop_code == SIGTRAP | ptrace.EVENT_STOP << 8
    request.check_attached(tracer, t)


def test_detaching_into_a_group_stop(world: World, tracer: Thread, t: Thread) -> None:
    seize(tracer, t)
    stop_with(world, t, SIGSTOP)
    request.resume(t, SIGSTOP, 0)
    world.run(t)
    with pytest.raises(Errno.EIO):
        detach(t, 65)
    detach(t, 0)
    world.run(t)
    assert t.state is STOPPED
    assert not t.ptrace
    assert not tracer.ptraced
    send_signal(t, SigInfo(SIGCONT), group=True)
    world.run(t)
    assert t.state is RUNNING


def test_a_thread_in_a_ptrace_stop_delays_the_group_stop(world: World, tracer: Thread, t: Thread) -> None:
    other = world.thread(t)
    seize(tracer, t)
    stop_with(world, t)
    send_signal(other, SigInfo(SIGSTOP), group=False)
    world.run(other)
    assert other.state is STOPPED
    assert not t.process.stop_stopped
    request.resume(t, 0, 0)
    world.run(t)
    assert t.state is TRACED
    assert t.process.stop_stopped


def test_the_death_of_the_tracer(world: World, tracer: Thread, t: Thread) -> None:
    outside = watcher(world, world.init)
    killed = world.process(tracer, own_session=True)
    seize(outside, t)
    seize(outside, killed, ptrace.O_EXITKILL)
    stop_with(world, t)
    assert wait(outside, WSTOPPED, t) is not None  # it has seen the signal, so that is gone with it
    outside.kstack = do_exit(outside, 0)
    world.run(outside)
    assert not t.ptrace
    assert t.parent is tracer
    world.run(t, killed)
    assert t.state is RUNNING
    assert killed.exit_code == SIGKILL


def test_children_of_a_tracee_stop_before_they_run(world: World, tracer: Thread, t: Thread) -> None:
    seize(tracer, t, ptrace.O_TRACEFORK)
    child = world.process(t, own_session=True)
    ptrace.inherit(child, t)
    world.run(child)
    assert child.parent is tracer
    assert child.stop_code == SIGTRAP | ptrace.EVENT_STOP << 8
    attached = world.process(tracer, own_session=True)
    traceme(attached)
    child = world.process(attached, own_session=True)
    ptrace.inherit(child, attached)
    world.run(child)
    assert child.stop_code == SIGSTOP


# -- the rules --------------------------------------------------------------------------------------------------------
def models(rule: str) -> list[Semantics]:
    """The leaderless model, and the one in which only ``rule`` is mainline's."""
    return [Semantics(), Semantics()._replace(**{rule: False})]


@pytest.mark.parametrize("semantics", models("always_trapped"))
def test_what_the_tracer_hears_of_a_trap(world: World, tracer: Thread, t: Thread, semantics: Semantics) -> None:
    """Patch 25: the trap of PTRACE_INTERRUPT is CLD_TRAPPED; mainline says CLD_STOPPED of it, with no signal."""
    world.kernel.semantics = semantics
    seize(tracer, t)
    request.interrupt(t)
    world.run(t)
    expected = (CLD_TRAPPED, t.tid, SIGTRAP) if semantics.always_trapped else (CLD_STOPPED, t.tid, 0)
    assert told(tracer) == expected


@pytest.mark.parametrize("semantics", models("identical_stop_once"))
def test_the_second_thread_completes_the_group_stop(
    world: World, tracer: Thread, t: Thread, semantics: Semantics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patch 24: the stop of the process is reported by its own id, whichever thread stopped last."""
    world.kernel.semantics = semantics
    other = world.thread(t)
    seize(tracer, t)
    seize(tracer, other)
    send_signal(t, SigInfo(SIGSTOP), group=False)
    world.run(t)
    request.resume(t, SIGSTOP, 0)
    world.run(t)
    heard: list[tuple[int, int]] = []
    monkeypatch.setattr(jobctl, "send_signal", lambda to, info, group: heard.append((info.code, info.pid)))
    world.run(other)
    assert heard[0] == (CLD_TRAPPED, other.tid)
    assert heard[1:] == ([(CLD_STOPPED, t.tid)] if semantics.identical_stop_once else [])


@pytest.mark.parametrize("semantics", models("wait_sees_group_stop"))
def test_a_parent_that_traces_sees_the_group_stop(world: World, tracer: Thread, t: Thread, semantics: Semantics) -> None:
    """Patch 18: beside the trap of a seized child there is the stop of its process to be waited for."""
    world.kernel.semantics = semantics
    seize(tracer, t)
    stop_with(world, t, SIGSTOP)
    assert wait(tracer, WSTOPPED) is not None
    request.resume(t, SIGSTOP, 0)
    world.run(t)
    trap = wait(tracer, WSTOPPED)
    assert trap is not None
    assert (trap.code, trap.status) == (CLD_TRAPPED, (SIGSTOP | ptrace.EVENT_STOP << 8) << 8 | 0x7F)
    group = wait(tracer, WSTOPPED)
    assert (group is not None and (group.code, group.value) == (CLD_STOPPED, SIGSTOP)) == semantics.wait_sees_group_stop


@pytest.mark.parametrize("semantics", models("tracer_may_ignore"))
def test_a_tracer_that_ignores_its_children(world: World, tracer: Thread, t: Thread, semantics: Semantics) -> None:
    """Patch 22: an outside tracer that ignores SIGCHLD hands the dead to their parent."""
    world.kernel.semantics = semantics
    outside = world.process(world.init, own_session=True)
    outside.sighand.actions[SIGCHLD] = SigAction(SIG_IGN)
    seize(outside, t)
    t.kstack = do_exit(t, 7 << 8)
    world.run(t)
    report = wait(tracer, WEXITED)
    if semantics.tracer_may_ignore:
        assert report is not None
        assert (report.code, report.value) == (CLD_EXITED, 7)
    else:
        assert report is None
        assert t.exit_state == EXIT_TRACEE


@pytest.mark.parametrize("semantics", models("traced_first_exit"))
def test_a_first_thread_traced_from_outside(world: World, tracer: Thread, t: Thread, semantics: Semantics) -> None:
    """Patches 15 and 16: its exit is reported at once and once; mainline tells at once but lets nobody wait."""
    world.kernel.semantics = semantics
    outside = watcher(world, world.init)
    other = world.thread(t)
    seize(outside, t)
    t.kstack = do_exit(t, 3 << 8)
    world.run(t)
    assert told(outside) == (CLD_EXITED, t.tid, 3)
    report = wait(outside, WEXITED)
    if semantics.traced_first_exit:
        assert report is not None
        assert report.value == 3
    else:
        assert report is None
    other.kstack = do_exit(other, 5 << 8)
    world.run(other)
    if not semantics.traced_first_exit:
        assert told(outside) == (CLD_EXITED, t.tid, 5)
        report = wait(outside, WEXITED)
        assert report is not None
        assert report.value == 5
    assert told(outside) is None
    report = wait(tracer, WEXITED)
    assert report is not None
    assert (report.pid, report.value) == (t.tid, 5)


@pytest.mark.parametrize("semantics", models("traced_first_exit"))
def test_a_first_thread_traced_by_its_parent(world: World, tracer: Thread, t: Thread, semantics: Semantics) -> None:
    """It is reported with its process; mainline sends an additional SIGCHLD that nothing can be waited for with."""
    world.kernel.semantics = semantics
    other = world.thread(t)
    seize(tracer, t)
    t.kstack = do_exit(t, 3 << 8)
    world.run(t)
    assert t.exit_state == EXIT_ZOMBIE
    assert told(tracer) == (None if semantics.traced_first_exit else (CLD_EXITED, t.tid, 3))
    assert wait(tracer, WEXITED) is None
    other.kstack = do_exit(other, 5 << 8)
    world.run(other)
    assert told(tracer) == (CLD_EXITED, t.tid, 5)
    report = wait(tracer, WEXITED)
    assert report is not None
    assert (report.pid, report.value) == (t.tid, 5)


def test_a_corpse_kept_for_a_tracing_thread_goes_with_it(world: World, tracer: Thread, t: Thread) -> None:
    """The first thread stays a zombie only as long as a thread of its parent's process traces it."""
    sibling = world.thread(tracer)
    other = world.thread(t)
    seize(sibling, t)
    t.kstack = do_exit(t, 3 << 8)
    world.run(t)
    assert t.process.wait_task is t
    sibling.kstack = do_exit(sibling, 0)
    world.run(sibling)
    assert t.process.threads == [other]
    assert t.process.wait_task is other


@pytest.mark.parametrize("semantics", models("exec_waits_for_exit"))
def test_attach_to_a_process_that_waits_in_exec(world: World, tracer: Thread, t: Thread, semantics: Semantics) -> None:
    """Decision D3: EAGAIN; mainline sleeps until the execve is through."""
    world.kernel.semantics = semantics
    other = world.thread(t)
    t.process.group_exec_task = other
    call = attach(tracer, t, 0, 0, True)
    if semantics.exec_waits_for_exit:
        with pytest.raises(Errno.EAGAIN):
            next(call)
    else:
        assert next(call).what == "ptrace_attach"


# -- access -----------------------------------------------------------------------------------------------------------
def test_access_rule(world: World) -> None:
    """Ptrace access mode checking of ptrace(2): ids, dumpability, capabilities, the kind of ids asked for."""
    user = Cred.user(1000, 1000)
    caller = world.process(world.init, user)
    target = world.process(world.init, user)
    assert may_access(caller, target)
    for change in ("uid", "euid", "suid", "gid", "egid", "sgid"):
        target.cred = user._replace(**{change: 1001})  # type: ignore[arg-type]
        assert not may_access(caller, target), change
    target.cred = user._replace(permitted=1)
    assert not may_access(caller, target)
    target.cred = user
    caller.cred = user._replace(fsuid=1001)
    assert may_access(caller, target)
    assert not may_access(caller, target, MODE_FSCREDS)
    caller.cred = user
    assert target.mm is not None
    target.mm.dumpable = 0
    assert not may_access(caller, target)
    assert may_access(world.thread(target), target)
    caller.cred = user._replace(permitted=1 << CAP_SYS_PTRACE, effective=1 << CAP_SYS_PTRACE)
    assert may_access(caller, target)


# -- kinds ------------------------------------------------------------------------------------------------------------
def test_the_kind_of_a_stop(world: World, tracer: Thread, t: Thread) -> None:
    """The table of docs/ptrace.md: which stop a thread is in."""
    seize(tracer, t, ptrace.O_TRACEEXIT)
    stop_with(world, t)
    assert stop_kind(t) is ptrace_states.SIGNAL_DELIVERY
    request.resume(t, SIGSTOP, 0)
    world.run(t)
    assert stop_kind(t) is ptrace_states.SEIZED_GROUP
    request.interrupt(t)
    request.resume(t, 0, 0)
    world.run(t)
    assert stop_kind(t) is ptrace_states.SEIZED_GROUP
    send_signal(t, SigInfo(SIGCONT), group=True)
    request.resume(t, 0, 0)
    world.run(t)
    assert stop_kind(t) is ptrace_states.TRAP
    attached = world.process(tracer, own_session=True)
    traceme(attached)
    stop_with(world, attached, SIGSTOP)
    assert stop_kind(attached) is ptrace_states.SIGNAL_DELIVERY
    request.resume(attached, SIGSTOP, 0)
    world.run(attached)
    assert stop_kind(attached) is ptrace_states.GROUP
