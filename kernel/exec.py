"""execve: a process becomes another program (fs/exec.c).

The subtle part is ``de_thread``.  The calling thread must end up alone and, whichever it was, carry the process's own id.
It kills its siblings and waits until each of them has *exited*; it never waits for anybody to *reap* one.  A sibling that
is traced may therefore still lie there as a corpse afterwards, under its own tid, until its tracer looks.  Since nobody
is a leader there is no identity to swap: the caller's Pid simply becomes the tgid's, whose number was reserved all along.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kernel import hw_breakpoint, ptrace
from kernel.cred_change import commit
from kernel.cred_exec import exec_creds, may_dump
from kernel.errno import Errno
from kernel.exit import release_task, release_user_memory
from kernel.fs.exec import open_exec
from kernel.hardware import OutOfFrames
from kernel.mm.address_space import SUID_DUMP_USER, AddressSpace
from kernel.pid import Pid, ns_of
from kernel.posix_timers import exec_timers
from kernel.ptrace_stop import ptrace_event
from kernel.signal import SI_KERNEL, SIGCHLD, SIGKILL, SIGSEGV, SigInfo
from kernel.signal_pending import fatal_signal_pending
from kernel.signal_send import force_signal, zap_other_threads
from kernel.task import Thread
from kernel.user_dispatch import PR_SYS_DISPATCH_OFF, set_user_dispatch
from kernel.waitqueue import KILLABLE, Block, Blocking

if TYPE_CHECKING:
    from kernel.binfmt import Program
    from kernel.cred import Cred

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_SYMLINK_NOFOLLOW = 0x100

ExecStrings = tuple[Sequence[bytes], Sequence[bytes]]
"""argv and envp."""


def do_execve(
    t: Thread, dirfd: int, path: bytes, strings: Callable[[], ExecStrings], flags: int = 0
) -> Blocking[int]:
    """Replace the program of the calling process; returns 0 in the new one.

    ``strings`` returns argv and envp, without NULs; it is called (and may raise EFAULT or E2BIG) when the file is open, as
    do_execveat_common copies them after alloc_bprm.  ``flags``: AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW (execveat(2)).  Raises every
    error of execve(2) while the old program can still see it; a failure after the point of no return kills the process.
    """
    if flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW):
        raise Errno.EINVAL
    file, filename, inaccessible = open_exec(t, dirfd, path, flags)
    try:
        argv, envp = strings()
    except Errno:
        file.drop()
        raise
    program = t.kernel.loader.prepare(t, file, filename, argv, envp, inaccessible)
    try:
        stat = program.executable.stat(t)
        cred, secure = exec_creds(t, program.executable, stat)
        old_number = t.pid.nr_in(ns_of(t.parent)) if t.ptrace and t.parent is not None else 0
        yield from _de_thread(t)
        started = _begin_new_program(t, program, cred, secure, path)
    finally:
        program.close()
    # Under its new id; the tracer learns the old one, by which it knew the thread.
    if started and t.ptrace:
        t.cpu.rax = -Errno.ENOSYS.number & (1 << 64) - 1
        yield from ptrace_event(t, ptrace.EVENT_EXEC, old_number)
    return 0


def _de_thread(t: Thread) -> Blocking[None]:
    """Become the only thread and take the tgid as tid (``de_thread``).

    Raises EAGAIN if the process is already exiting or another thread execs.
    """
    process = t.process
    if process.group_exit or process.group_exec_task is not None:
        raise Errno.EAGAIN
    if len(process.threads) > 1:
        process.group_exec_task = t
        process.notify_count = _others_to_wait_for(t)
        try:
            block = Block("de_thread", process.exec_wait, state=KILLABLE, who=_siblings)
            while process.notify_count:
                if (yield block) and fatal_signal_pending(t):
                    raise Errno.EAGAIN
            first = process.tgid_pid.thread
            while first is not None and first is not t and not first.exit_state:
                if (yield block) and fatal_signal_pending(t):
                    raise Errno.EAGAIN
        finally:
            process.group_exec_task = None
            process.notify_count = 0
    if t.pid is not process.tgid_pid:
        _take_tgid(t, process.tgid_pid)
    process.rep = process.wait_task = process.curr_target = t
    process.exit_signal = SIGCHLD


def _others_to_wait_for(t: Thread) -> int:
    """Kill the siblings and return how many events ``notify_count`` is to count: their exits, or in mainline the release of
    all of them but the first thread, corpses included (zap_other_threads)."""
    alive = zap_other_threads(t)
    if t.kernel.semantics.exec_waits_for_exit:
        return alive
    return sum(1 for other in t.process.threads if other is not t and other.pid is not t.process.tgid_pid)


def _take_tgid(t: Thread, pid: Pid) -> None:
    """Give ``t`` the process's id; a traced corpse of the first thread is released silently.

    Who waits for one of the two ids looks again.  In mainline the corpse has the number of ``t`` when it is released, and only
    who waits for that one is woken (scenarios 28 and 113).
    """
    corpse, old = pid.thread, t.pid
    rules = t.kernel.semantics
    if corpse is not None:
        tracer = corpse.parent
        ptrace.unlink(corpse)
        parent, process = t.real_parent, t.process
        release_task(corpse)
        if parent is not None:
            parent.children[process] = None
        if tracer is not None and not rules.traced_first_exit:
            tracer.process.chldexit.wake_all(old)
    if t.ptrace and t.parent is not None and rules.traced_first_exit:
        t.parent.process.chldexit.wake_all(old)
    old.thread = None
    old.free_if_unused()
    t.pid = pid
    pid.thread = t


def _siblings(t: Thread) -> str:
    """Say what an execve waits for: exits, and in mainline reaping, with who could reap and what that one does."""
    waits = []
    for other in t.process.threads:
        name = f"{other.comm.decode(errors='replace')}[{other.tid}]"
        if other is t:
            continue
        if not other.exit_state:
            waits.append(f"the exit of {name}")
        elif other.ptrace and other.parent is not None and not t.kernel.semantics.exec_waits_for_exit:
            tracer = other.parent
            doing = f"in {tracer.block.what}" if tracer.block is not None else "running"
            waits.append(
                f"the reaping of the traced thread {name}, which only its tracer "
                f"{tracer.comm.decode(errors='replace')}[{tracer.tid}] can do ({doing}; rule exec_waits_for_exit=off)"
            )
    return ", ".join(waits) or "nothing"


def _begin_new_program(t: Thread, program: Program, cred: Cred, secure: bool, path: bytes) -> bool:
    """Past the point of no return: from here an error kills the process; False then (begin_new_exec, setup_new_exec)."""
    process, kernel = t.process, t.kernel
    old = t.mm
    release_user_memory(t)
    mm = AddressSpace(kernel, process.rlimits)
    if old is not None:
        # What of the flags survives an exec (MMF_INIT_MASK).
        mm.dump_filter, mm.thp_disabled = old.dump_filter, old.thp_disabled
        pages = old.peak_resident()
        if pages > process.maxrss_pages:
            process.maxrss_pages = pages
    t.mm = mm
    if old is not None:
        old.put()
    t.robust_list = (0, 0)
    t.clear_child_tid = 0
    t.rseq = (0, 0, 0)
    t.tls = None
    set_user_dispatch(t, PR_SYS_DISPATCH_OFF)
    hw_breakpoint.flush(t)
    exec_timers(process)
    if t.files.users > 1:
        shared, t.files = t.files, t.files.copy()
        shared.put(t)
    t.files.close_on_exec(t)
    if t.sighand.users > 1:
        handlers, t.sighand = t.sighand, t.sighand.copy()
        handlers.put()
    t.sighand.clear_handlers()
    t.altstack = t.altstack._replace(sp=0, size=0)
    t.self_exec_id += 1
    process.did_exec = True
    process.exec_count += 1
    name = program.name
    if not path:  # execveat of a descriptor: the file's own name says more than /dev/fd/N (comm_from_dentry)
        where = program.executable.where()
        name = where.dentry.name if where is not None else name
    t.comm = name.rsplit(b"/", 1)[-1][:15]
    mm.set_exe_file(program.executable)
    mm.dumpable = SUID_DUMP_USER if may_dump(t, program.mapped) else kernel.coredump.suid_dumpable
    if secure:
        t.pdeath_signal = 0
    commit(t, cred)
    try:
        image = program.commit(t, mm, secure)
    except (Errno, OutOfFrames) as error:
        signal = SIGSEGV if isinstance(error, Errno) else SIGKILL
        kernel.exec_failed(t, path, error)
        force_signal(t, SigInfo(signo=signal, code=SI_KERNEL))
        return False
    mm.set_image(image)
    t.cpu.reset(image.entry, image.sp)
    if kernel.watch is not None:
        kernel.watch.execed(t, path)
    return True
