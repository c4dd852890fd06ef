"""What must hold between any two slices: the invariants of a kernel without thread-group leaders, as assertions.

I1  ``rep`` lives while any thread of the process does.
I2  so does ``wait_task``, unless it is a first thread traced by its own parent's process.
I3  exactly one thread stands on the parent's list of children.
I4  nothing is pending for a thread that exits, and no permission to signal a process that lives is judged by one.
I5  children and tracees hang off living threads only.
I6  a number is in use exactly as long as somebody links to its Pid, in every namespace it has.
I7  signals and stops belong to the process: one count of stops, one queue.  (In C it says whose lock it is; nothing preempts
    this kernel.)

Mainline differs where its leader stays: the corpse of a first thread is ``wait_task``, and ``rep`` too, until the process is
gone.  So I1 and I2 are asserted only for kernels whose first threads may go.
"""

from __future__ import annotations

from collections import Counter

from core_world import UIDS, World

from kernel.cred import CAP_KILL
from kernel.exit import reapable
from kernel.pid import Pid
from kernel.ptrace import reparented
from kernel.signal import KERNEL_ONLY_MASK, SIGCONT
from kernel.signal_pending import JOBCTL_PENDING_MASK, JOBCTL_STOP_CONSUME, JOBCTL_STOP_PENDING
from kernel.task import (
    EXIT_DEAD,
    EXIT_NONE,
    EXIT_TRACED,
    EXIT_TRACEE,
    EXIT_ZOMBIE,
    STOPPED,
    TRACED,
    WORK_SIGNAL,
    Process,
    Thread,
)
from kernel.wait import WNOWAIT, Report, _scan


def check(world: World) -> None:
    """Assert every invariant."""
    kernel = world.kernel
    pids = list(world.ns.pids.values())
    threads = [pid.thread for pid in pids if pid.thread is not None]
    processes = [pid.process for pid in pids if pid.process is not None]
    assert not kernel.oopses
    check_numbers(world, pids)
    assert kernel.tasks == len(threads) == sum(len(process.threads) for process in processes)
    for uid, count in Counter(t.cred.uid for t in threads).items():
        assert kernel.tasks_of(uid) == count, f"uid {uid} has {count} tasks and is charged for {kernel.tasks_of(uid)}"
    for process in processes:
        check_process(world, process)
    queued = list(kernel.sched.queue)
    assert len(set(queued)) == len(queued)
    runnable = set(queued)
    for t in threads:
        check_thread(world, t)
        assert (t in runnable) == (t.block is None and t.exit_state == EXIT_NONE), f"{t} is lost to the scheduler"
    assert all(t.pid.thread is t for t in runnable)
    check_waiters(world)
    check_permissions(world)


def check_permissions(world: World) -> None:
    """I4, and kill(2): who may signal whom, by the credentials of both."""
    rules = world.kernel.semantics
    for asked in world.permissions:
        if rules.living_threads_only and rules.first_thread_released:
            assert not asked.stale, f"the corpse {asked.target} was asked for its credentials"
        ids = {asked.mine.uid, asked.mine.euid} & {asked.other.uid, asked.other.suid}
        own = asked.sender.process is asked.target.process
        root = asked.mine.capable(CAP_KILL)
        assert asked.allowed == bool(own or ids or root or (asked.signo == SIGCONT and asked.same_session)), asked
    world.permissions.clear()


def check_numbers(world: World, pids: list[Pid]) -> None:
    """I6, and that the tables of all namespaces agree."""
    for pid in pids:
        assert pid.thread is not None or pid.process is not None or pid.pgrp or pid.session, f"{pid} is used by nobody"
        assert pid.thread is None or pid.thread.pid is pid
        assert pid.process is None or pid.process.tgid_pid is pid
        for ns, number in pid.numbers:
            assert ns.pids.get(number) is pid, f"{pid} is not hashed in every namespace"
            # An init goes last: a namespace with numbers in use and no init left would never be torn down.
            init = ns.child_reaper
            assert init is not None
            assert init.process is not None, f"{pid} outlives the init of its namespace"
        for process in pid.pgrp:
            assert process.pgrp is pid
        for process in pid.session:
            assert process.session is pid
    known = set(pids)
    for ns in world.namespaces:
        for number, pid in ns.pids.items():
            assert pid in known
            assert (ns, number) in pid.numbers


def check_process(world: World, process: Process) -> None:
    """I1, I2, I3, I7, and the counts a process keeps."""
    threads = process.threads
    living = [t for t in threads if not t.exiting]
    rules = world.kernel.semantics
    assert threads
    assert len(set(threads)) == len(threads)
    assert process.live == len(living)
    assert process in process.pgrp.pgrp
    assert process in process.session.session
    for t in threads:
        assert t.process is process
        assert t.pid.thread is t, f"{t} is not hashed"
    # Who stands for the process
    assert process.rep in threads
    assert process.wait_task in threads
    if living:
        assert process.curr_target in threads
        if rules.first_thread_released:
            assert not process.rep.exiting, "I1"
            corpse = process.wait_task
            if corpse.exiting:
                assert corpse.pid is process.tgid_pid, "I2"
                assert corpse.ptrace, "I2"
                assert not reparented(corpse), "I2"
        elif rules.living_threads_only:
            assert not process.rep.exiting, "I1"
    elif not process.group_exit:
        raise AssertionError("everybody is dead but the exit status is not fixed")
    # I3: one place on one list
    parents = {t.real_parent for t in threads}
    assert len(parents) == 1, "threads of one process have different parents"
    parent = process.wait_task.real_parent
    if parent is not None:
        assert process in parent.children, "I3"
        assert parent.pid.thread is parent, f"{process} has a parent that is gone"
    # I7: the stop
    count = sum(1 for t in threads if t.jobctl & JOBCTL_STOP_PENDING and t.jobctl & JOBCTL_STOP_CONSUME)
    assert process.group_stop_count == count, f"{process} counts {process.group_stop_count} threads to stop, {count} are to"
    assert not (process.stop_stopped and process.stop_continued)
    if process.group_exit:
        assert not process.stop_stopped
    for t in living:
        if t.state is STOPPED:
            assert process.stop_stopped or process.group_stop_count, f"{t} is stopped and nothing would continue it"
    shared = process.shared_pending.mask
    for t in living:
        takes = shared & ~t.blocked
        if takes and t.block is not None and t.state not in (STOPPED, TRACED):
            assert any(
                other.work & WORK_SIGNAL for other in living if takes & ~other.blocked
            ), f"{t} sleeps while a signal of its process is pending"
    if process.notify_count:
        assert process.group_exec_task is not None
    if process.group_exec_task is not None:
        assert process.group_exec_task in threads
        if rules.exec_waits_for_exit:
            waiting = sum(1 for t in threads if t is not process.group_exec_task and t.exit_state == EXIT_NONE)
            assert process.notify_count == waiting, "execve waits for a wrong number of threads"
    # The report
    corpse = process.wait_task
    if corpse.exit_state == EXIT_ZOMBIE and reapable(corpse):
        told = world.notified.get(process)
        assert process in world.notified, f"{process} can be reaped and nobody was told"
        assert parent is not None
        if not parent.exiting:
            assert told is parent.process, f"{process} can be reaped, but {told} was told"
    assert process not in world.reaped, f"{process} was waited for and is still here"


def check_thread(world: World, t: Thread) -> None:
    """I4, I5, the links of tracing and of the family."""
    process = t.process
    assert t in process.threads
    for child in t.children:
        assert child.wait_task.real_parent is t
        assert child.tgid_pid.process is child, f"{t} has a child that is gone"
    for tracee in t.ptraced:
        assert tracee.parent is t
        assert tracee.ptrace
        assert tracee.pid.thread is tracee, f"{t} has a tracee that is gone"
    if t.ptrace:
        assert t.parent is not None
        assert t in t.parent.ptraced
    else:
        assert t.parent is t.real_parent
    if t.exiting:
        # An init that dies keeps its children, who are being killed, until they are gone.
        if t.pid.ns.child_reaper is not process.tgid_pid:
            assert not t.children, "I5"
        assert not t.ptraced, "I5"
        assert not t.pending.mask & ~KERNEL_ONLY_MASK, "I4"
        assert not t.pending.queue, "I4"
        # (PTRACE_INTERRUPT in an exit stop leaves a trap behind that never comes.)
        assert not t.jobctl & JOBCTL_STOP_PENDING, f"{t} is dead and has yet to stop"
    elif ((t.pending.mask & ~t.blocked) or t.jobctl & JOBCTL_PENDING_MASK) and (t.block is not None or t.kstack is None):
        # (One that was woken inside the kernel looks at its signals before it leaves.)
        assert t.work & WORK_SIGNAL or t.state in (STOPPED, TRACED), f"{t} does not know of its signal"
    state = t.exit_state
    assert state in (EXIT_NONE, EXIT_ZOMBIE, EXIT_TRACEE), f"{t} is in state {state} between two slices"
    assert state not in (EXIT_DEAD, EXIT_TRACED)
    if state == EXIT_ZOMBIE:
        assert process.wait_task is t
        assert not reparented(t) or not world.kernel.semantics.traced_first_exit
    elif state == EXIT_TRACEE:
        assert t.ptrace, f"{t} waits for a tracer it does not have"
    if state != EXIT_NONE:
        assert t.mm is None
        assert t.exiting


def check_waiters(world: World) -> None:
    """Nobody sleeps in wait although there is something to report, or nothing left to wait for."""
    for t, options in world.sleeping.items():
        if t.block is None:
            continue
        found = _scan(t, options._replace(flags=options.flags | WNOWAIT))
        assert not isinstance(found, Report), f"{t} sleeps in wait and there is {found}"
        assert found or not world.kernel.semantics.traced_first_exit, f"{t} sleeps in wait and has nothing to wait for"


def check_empty(world: World) -> None:
    """After the last task: no task, number, link, signal or reference is left."""
    kernel = world.kernel
    assert kernel.tasks == 0, f"left over: {[(t, t.exit_state, t.block and t.block.what) for t in kernel.all_threads()]}"
    for ns in world.namespaces:
        assert not ns.pids, f"numbers in use: {ns.pids}"
    assert not any(map(kernel.tasks_of, UIDS))
    assert not any(kernel.sigqueue_counts.values()), f"queued signals are charged: {kernel.sigqueue_counts}"
    assert not kernel.sched.queue
    assert not world.sleeping
    assert kernel.timers.next == kernel.timers.NEVER
