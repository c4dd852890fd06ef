"""How a thread dies, and how its process is reported.

A thread exits in a fixed order.  First, in one step, it stops being part of the living process: it hands what it
carries for the process (the tgid, pgrp and session links, its place on the parent's list of children, its own children)
to a living sibling, so that nothing ever refers to a corpse.  Then it lets go of memory, files and terminal.  Last it
decides who is told:

* an ordinary thread is released at once and silently, the first one included;
* the last thread becomes the *process zombie* (EXIT_ZOMBIE), which only the parent's group may reap, and which is
  reported once it is *reapable*: no other thread is left unreaped (and a namespace's init: no other pid is);
* a traced thread stays for its tracer (EXIT_TRACEE), and becomes the process zombie afterwards if that is its role.

``do_exit`` never returns its int: it ends in TaskDead, which unwinds the thread's kernel stack.
"""

from __future__ import annotations

from contextlib import suppress

from kernel import ptrace
from kernel.errno import Errno
from kernel.fs.mounting import sweep
from kernel.futex import futex_exit, wake_address
from kernel.jobctl import kill_orphaned_pgrp, leave_group_stop
from kernel.kill import check_kill_permission
from kernel.pid import PidNamespace, ns_of
from kernel.posix_timers import exit_itimers
from kernel.ptrace_stop import event_exit
from kernel.signal import (
    CLD_DUMPED,
    CLD_EXITED,
    CLD_KILLED,
    NSIG,
    SA_NOCLDWAIT,
    SI_KERNEL,
    SI_USER,
    SIG_IGN,
    SIGCHLD,
    SIGKILL,
    SigInfo,
)
from kernel.signal_pending import flush_pending, retarget_shared_pending
from kernel.signal_send import send_signal, start_group_exit
from kernel.task import (
    DEAD,
    EXIT_DEAD,
    EXIT_NONE,
    EXIT_TRACEE,
    EXIT_ZOMBIE,
    IDLE,
    SLEEPING,
    ZOMBIE,
    CoreState,
    Process,
    Thread,
)
from kernel.tty import disassociate_ctty
from kernel.user_ns import uid_for
from kernel.waitqueue import UNINTERRUPTIBLE, Block, Blocking


class TaskDead(BaseException):
    """Unwinds the kernel stack of a thread that has exited.  Not an error, and not to be caught on the way."""


# -- status -----------------------------------------------------------------------------------------------------------
def process_status(process: Process, t: Thread) -> int:
    """Return the wait status of a process: the group's code once the group exits, else the thread's."""
    return process.group_exit_code if process.group_exit else t.exit_code


def exit_siginfo(status: int) -> tuple[int, int]:
    """Return (si_code, si_status) for a wait status (do_notify_parent)."""
    if status & 0x80:
        return CLD_DUMPED, status & 0x7F
    if status & 0x7F:
        return CLD_KILLED, status & 0x7F
    return CLD_EXITED, status >> 8


def effective_exit_signal(t: Thread) -> int:
    """Return the signal the natural parent gets: SIGCHLD if it has exec'ed since the clone (patch 11)."""
    process = t.process
    signal = process.exit_signal
    parent = t.real_parent
    if signal and signal != SIGCHLD and parent is not None and t.parent_exec_id != parent.self_exec_id:
        return SIGCHLD
    return signal


def notify_parent(t: Thread, as_process: bool) -> bool:
    """Tell the parent (or tracer) of ``t`` that it is dead; return True if the parent does not want to wait for it.

    ``as_process``: report the process, pid = tgid, with its exit signal; else the thread to its tracer with SIGCHLD.
    POSIX: a parent that ignores SIGCHLD or set SA_NOCLDWAIT leaves no zombies (do_notify_parent).
    """
    process = t.process
    parent = t.real_parent if as_process else t.parent
    if as_process:
        process.pidfd_wait.wake_all()
    if parent is None:
        return True
    signal = effective_exit_signal(t) if as_process else SIGCHLD
    status = process_status(process, t)
    code, value = exit_siginfo(status)
    pid = process.tgid_pid if as_process else t.pid
    ignored = False
    if 0 < signal <= NSIG:  # clone(2) takes any byte: valid_signal()
        times = process.times
        info = SigInfo(
            signo=signal,
            code=code,
            pid=pid.nr_in(ns_of(parent)),
            uid=uid_for(parent, t.cred.uid),
            status=value,
            utime=(times.utime + t.times.utime) // 10_000_000,
            stime=(times.stime + t.times.stime) // 10_000_000,
        )
        if signal == SIGCHLD:
            action = parent.sighand.actions[SIGCHLD]
            if action.handler == SIG_IGN:
                ignored = True
            else:
                ignored = bool(action.flags & SA_NOCLDWAIT)
                send_signal(parent, info, group=True)
            if t.ptrace and not t.kernel.semantics.tracer_may_ignore:
                ignored = False  # patch 22: mainline keeps a traced zombie whatever its tracer thinks of SIGCHLD
        else:
            with suppress(Errno.EAGAIN):  # a real-time signal beyond RLIMIT_SIGPENDING is lost
                send_signal(parent, info, group=True)
    parent.process.chldexit.wake_all(pid)
    return ignored


# -- release ----------------------------------------------------------------------------------------------------------
def reapable(t: Thread) -> bool:
    """Tell whether a process zombie may be reported: its corpse is the only thread left, and if it is the init of a pid
    namespace, its own numbers are the only ones left there (patch 26)."""
    process = t.process
    if len(process.threads) != 1:
        return False
    ns = ns_of(t)
    if ns.child_reaper is process.tgid_pid:
        return len(ns.pids) == (1 if t.pid is process.tgid_pid else 2)
    return True


def release_task(t: Thread) -> None:
    """Remove a dead thread from every list; report what that makes reapable (release_task of kernel/exit.c).

    Only a corpse's place in the tables is given back here: everything it *owned* went in do_exit.
    """
    pending = [t]
    while pending:
        pending.extend(_release(pending.pop()))


def _release(t: Thread) -> list[Thread]:
    process, kernel = t.process, t.kernel
    t.exit_state = EXIT_DEAD
    t.state = DEAD
    kernel.uncharge_task(t)
    ptrace.unlink(t)
    t.pid.thread = None
    freed = t.pid.free_if_unused()
    process.threads.remove(t)
    if not kernel.semantics.exec_waits_for_exit and t is not process.group_exec_task:
        _count_for_exec(process)
    candidates: list[Thread] = []
    if process.threads:
        process.times.add(t.times)
        if len(process.threads) == 1:
            candidates.append(process.threads[0])
        _report_withheld(process)
    else:
        freed += _unlink_process(process, t)
    for ns in freed:
        init = ns.child_reaper
        if init is not None and init.process is not None and init.process is not process and not init.process.live:
            candidates.append(init.process.wait_task)
    return [
        x
        for x in dict.fromkeys(candidates)
        if x.exit_state == EXIT_ZOMBIE and reapable(x) and _report_zombie(x)
    ]


def withheld(t: Thread) -> bool:
    """Patches 15 and 16: mainline withholds a dead first thread from everybody's wait, its tracer's too, until every other
    thread is gone (delay_group_leader)."""
    process = t.process
    return (
        not t.kernel.semantics.traced_first_exit
        and t.pid is process.tgid_pid
        and any(x is not t and x.exit_state != EXIT_ZOMBIE for x in process.threads)
    )


def _report_withheld(process: Process) -> None:
    """The last thread beside a withheld corpse is gone: tell its tracer, for the second time."""
    first = process.tgid_pid.thread
    if (
        first is not None
        and first.exit_state == EXIT_TRACEE
        and not first.kernel.semantics.traced_first_exit
        and not withheld(first)
    ):
        notify_parent(first, as_process=False)


def _report_zombie(t: Thread) -> bool:
    """Notify of a process zombie that just became reapable; return True if it is to be released as well."""
    if notify_parent(t, as_process=True):
        t.exit_state = EXIT_DEAD
        return True
    return False


def _unlink_process(process: Process, last: Thread) -> list[PidNamespace]:
    freed: list[PidNamespace] = []
    for pid, links in ((process.pgrp, process.pgrp.pgrp), (process.session, process.session.session)):
        links.pop(process, None)
        freed += pid.free_if_unused()
    process.tgid_pid.process = None
    freed += process.tgid_pid.free_if_unused()
    parent = last.real_parent
    if parent is not None:
        parent.children.pop(process, None)
    return freed


# -- parents and children ---------------------------------------------------------------------------------------------
def _next_living(t: Thread) -> Thread | None:
    for other in t.process.threads:
        if other is not t and not other.exiting:
            return other
    return None


def _new_reaper(t: Thread, sibling: Thread | None) -> Thread | None:
    """Return who adopts the children of ``t``: a living thread of its process, the nearest child subreaper among its
    ancestors in the same namespace level, or the namespace's init (find_new_reaper)."""
    if sibling is not None:
        return sibling
    ns = ns_of(t)
    if t.process.has_child_subreaper:
        ancestor = t.real_parent
        while ancestor is not None and ns_of(ancestor) is ns:
            if ancestor.process.is_child_subreaper and ancestor.process.live:
                return ancestor.process.living_thread
            ancestor = ancestor.real_parent
    reaper = ns.child_reaper
    return reaper.process.living_thread if reaper is not None and reaper.process is not None and reaper.process.live else None


def reparent(child: Process, old: Thread, new: Thread | None) -> None:
    """Give ``child`` of ``old`` to ``new`` and send the death signals its threads asked for (reparent_leader).

    The death signal is kernel business: no permission check, it never fails (patch 3); mainline checks, with the
    credentials of the dying parent.
    """
    old.children.pop(child, None)
    for thread in list(child.threads):
        if thread.real_parent is not old:
            continue
        if thread.parent is old and not thread.ptrace:
            thread.parent = new
        thread.real_parent = new
        if thread.pdeath_signal and not thread.exiting:
            info = SigInfo(
                signo=thread.pdeath_signal,
                code=SI_USER,
                pid=old.process.tgid_pid.nr_in(ns_of(thread)),
                uid=uid_for(thread, old.cred.uid),
            )
            if old.kernel.semantics.pdeath_unchecked or _may_signal(old, thread):
                send_signal(thread, info, group=True, force=True)
    if new is not None:
        new.children[child] = None
        if new.process is old.process:
            return
    child.exit_signal = SIGCHLD
    corpse = child.wait_task
    if corpse.exit_state == EXIT_ZOMBIE and reapable(corpse) and _report_zombie(corpse):
        release_task(corpse)  # at once if nobody adopts it: the init of its namespace is dead
    else:
        kill_orphaned_pgrp(child, old)


def _may_signal(t: Thread, target: Thread) -> bool:
    try:
        check_kill_permission(t, target, target.pdeath_signal)
    except Errno.EPERM:
        return False
    return True


def _forget_children(t: Thread, sibling: Thread | None) -> None:
    if not t.children:
        return
    new = _new_reaper(t, sibling)
    for child in list(t.children):
        reparent(child, t, new)


def _exit_ptrace(t: Thread) -> None:
    """The tracer ``t`` dies: detach every tracee, kill those with EXITKILL, hand dead ones on (patch 10)."""
    for tracee in list(t.ptraced):
        if tracee.ptrace & ptrace.PT_EXITKILL:
            send_signal(tracee, SigInfo(signo=SIGKILL, code=SI_KERNEL), group=False, force=True)
        ptrace.unlink(tracee)
        if tracee.exit_state == EXIT_TRACEE:
            if tracee.process.wait_task is tracee:
                tracee.exit_state = EXIT_ZOMBIE
                if reapable(tracee) and _report_zombie(tracee):
                    release_task(tracee)
            else:
                release_task(tracee)
        elif tracee.exit_state == EXIT_ZOMBIE and tracee.process.live and t.kernel.semantics.first_thread_released:
            # A first thread that was kept for its tracer, a thread of its parent's process, has no reason to stay.
            tracee.process.wait_task = tracee.process.living_thread
            release_task(tracee)


def _zap_pid_namespace(t: Thread, ns: PidNamespace) -> None:
    """The last thread of a namespace's init dies: nobody may live on in it (zap_pid_ns_processes).

    It kills and returns; nothing waits here.  The dead init stays a zombie that is not ``reapable`` until the namespace
    is empty.  Its own children reap themselves, because it now ignores SIGCHLD.
    """
    ns.dead = True
    if ns.reboot:
        # Whoever made the namespace learns that it was to be restarted or halted (reboot_pid_ns).
        t.process.group_exit, t.process.group_exit_code = True, ns.reboot
    t.sighand.actions[SIGCHLD] = t.sighand.actions[SIGCHLD].ignoring()
    for number, pid in list(ns.pids.items()):
        if number > 1 and pid.process is not None and pid.process is not t.process:
            send_signal(pid.process.rep, SigInfo(signo=SIGKILL, code=SI_KERNEL), group=True, force=True)
    for child in list(t.children):
        child.exit_signal = SIGCHLD  # mainline's init waits for them with __WALL
        corpse = child.wait_task
        if corpse.exit_state == EXIT_ZOMBIE and reapable(corpse):
            release_task(corpse)


# -- exit -------------------------------------------------------------------------------------------------------------
def _leave_process(t: Thread, code: int) -> bool:
    """Take ``t`` out of its living process in one step; return True if it was the last."""
    process = t.process
    process.live -= 1
    group_dead = process.live == 0
    _exit_ptrace(t)
    sibling = None if group_dead else _next_living(t)
    rules = t.kernel.semantics
    stays = t.pid is process.tgid_pid and not rules.first_thread_released  # mainline: the leader, a zombie from now on
    if process.rep is t and not (stays and not rules.living_threads_only):
        process.rep = sibling or (t if process.wait_task is t else process.threads[0])
    if (
        process.wait_task is t
        and sibling is not None
        and not stays
        and not (t.pid is process.tgid_pid and t.ptrace and not ptrace.reparented(t))
    ):
        process.wait_task = sibling
    if process.curr_target is t and sibling is not None:
        process.curr_target = sibling
    ns = ns_of(t)
    if group_dead and ns.child_reaper is process.tgid_pid:
        _zap_pid_namespace(t, ns)
    else:
        _forget_children(t, sibling)
    t.exiting = True
    if group_dead and not process.group_exit:
        process.group_exit_code = code
        process.group_exit = True
    if not group_dead:
        retarget_shared_pending(t)
    leave_group_stop(t)
    flush_pending(t.pending)
    if group_dead:
        flush_pending(process.shared_pending)
    t.sighand.put()
    return group_dead


def exit_mm(t: Thread) -> None:
    """Let go of the address space: robust and PI futexes, the word of CLONE_CHILD_CLEARTID, a vfork parent (mm_release)."""
    mm = t.mm
    if mm is None:
        return
    release_user_memory(t)
    t.mm = None
    pages = mm.peak_resident()
    if pages > t.process.maxrss_pages:
        t.process.maxrss_pages = pages
    mm.put()


def release_user_memory(t: Thread) -> None:
    """What both exit and exec owe to other users of the address space before the thread leaves it (mm_release)."""
    futex_exit(t)
    if t.clear_child_tid:
        if t.mm is not None and t.mm.users > 1:
            t.mm.write_quiet(t.clear_child_tid, b"\0\0\0\0")
            wake_address(t, t.clear_child_tid, 1)
        t.clear_child_tid = 0
    if t.vfork_done is not None:
        done, t.vfork_done = t.vfork_done, None
        done.wake_all()


def _coredump_task_exit(t: Thread, core: CoreState) -> Blocking[None]:
    """A sibling dumps the core: stand still for it, and go on dying when it is done (coredump_task_exit)."""
    core.stopped.append(t)
    core.running -= 1
    if not core.running:
        core.startup.wake_all()
    while t.process.core_state is core:
        t.state = IDLE
        yield Block("coredump_task_exit", core.finished, state=UNINTERRUPTIBLE, who=lambda t: "the end of the core dump")


def do_exit(t: Thread, code: int) -> Blocking[int]:
    """End the calling thread with wait status ``code`` (_exit(2) of one thread: ``(n & 0xff) << 8``)."""
    process, kernel = t.process, t.kernel
    t.post_coredump = True
    if process.core_state is not None:
        yield from _coredump_task_exit(t, process.core_state)
    yield from event_exit(t, code)
    group_dead = _leave_process(t, code)
    if group_dead:
        exit_itimers(process)
    t.exit_code = code
    watch = kernel.watch
    if watch is not None:
        watch.exited(t, process_status(process, t) if process.group_exit else code)
    if t.seccomp is not None and t.seccomp.filter is not None:
        t.seccomp.filter.put()
    exit_mm(t)
    t.files.put(t)
    t.fs.put()
    t.nsproxy.mnt.put()
    if kernel.vfs.detached:
        sweep(kernel)
    if group_dead:
        disassociate_ctty(process)
        yield from _wait_for_empty_namespace(t)
    _exit_notify(t, group_dead)
    raise TaskDead


def _wait_for_empty_namespace(t: Thread) -> Blocking[None]:
    """Mainline's init sleeps in its own exit until no other number is in use in its namespace (zap_pid_ns_processes)."""
    ns = ns_of(t)
    if ns.child_reaper is not t.process.tgid_pid or t.kernel.semantics.zap_without_waiting:
        return
    own = 1 if t.pid is t.process.tgid_pid else 2
    while len(ns.pids) > own:
        t.state = SLEEPING
        yield Block("zap_pid_ns_processes", ns.emptied, state=UNINTERRUPTIBLE, who=lambda t: "the reaping of its namespace")


def _exit_notify(t: Thread, group_dead: bool) -> None:
    process = t.process
    if group_dead:
        kill_orphaned_pgrp(process, t)
    while True:
        as_process = process.wait_task is t and not ptrace.reparented(t) and (t.pid is process.tgid_pid or not t.ptrace)
        if as_process:
            t.exit_state, t.state = EXIT_ZOMBIE, ZOMBIE
            if reapable(t):
                if notify_parent(t, as_process=True):
                    t.exit_state = EXIT_DEAD
            elif t.ptrace and not t.kernel.semantics.traced_first_exit:
                notify_parent(t, as_process=False)  # mainline: a SIGCHLD for what cannot be waited for yet
        elif t.ptrace:
            t.exit_state, t.state = EXIT_TRACEE, ZOMBIE
            if notify_parent(t, as_process=False):
                ptrace.unlink(t)
                continue
        else:
            t.exit_state = EXIT_DEAD
        break
    if t.exit_state == EXIT_DEAD:
        release_task(t)
    elif t.exit_state == EXIT_ZOMBIE and len(process.threads) > 1:
        _report_withheld(process)
    if t.kernel.semantics.exec_waits_for_exit:
        _count_for_exec(process)
    process.exec_wait.wake_all()


def _count_for_exec(process: Process) -> None:
    """A thread that an execve of the process waits for is gone: exited, or in mainline released."""
    if process.group_exec_task is not None and process.notify_count:
        process.notify_count -= 1
        if process.notify_count == 0:
            process.exec_wait.wake_all()


def do_group_exit(t: Thread, code: int) -> Blocking[int]:
    """End the whole process with wait status ``code`` (exit_group(2), or a fatal signal)."""
    process = t.process
    if process.group_exit:
        code = process.group_exit_code
    elif process.group_exec_task is not None:
        code = 0
    else:
        start_group_exit(process, code, but=t)
    return (yield from do_exit(t, code))


def oops(t: Thread, error: Exception) -> Blocking[int]:
    """A defect of this kernel showed in ``t``: say so in one line and kill the process, as an oops does.

    With ``kernel.debug`` the error is raised instead.  A second oops of the same thread is one of its exit: it is buried as it
    is.  If not even that works the error is raised too, and the machine stops.
    """
    kernel = t.kernel
    times = kernel.oopses.get(t, 0) + 1
    kernel.oopses[t] = times
    if kernel.debug or times > 2:
        raise error
    where = kernel.call_name(t.syscall_nr) if t.syscall_nr >= 0 else "a trap"
    kernel.log(f"kernel oops in {where} of {t.comm.decode(errors='replace')}[{t.tid}]: {type(error).__name__}: {error}")
    if t.exiting or times > 1:
        return _bury(t)
    return do_group_exit(t, SIGKILL)


def _bury(t: Thread) -> Blocking[int]:
    """An oops inside exit: finish what is needed so that others are not left waiting."""
    t.mm = None
    if t.exit_state == EXIT_NONE:
        _exit_notify(t, t.process.live == 0)
    yield from ()  # a generator, as its caller expects
    raise TaskDead
