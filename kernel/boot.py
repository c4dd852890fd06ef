"""The first processes: init, the launcher, and the program the user asked for.

Programs expect what a login shell gives them: a parent that waits, a session it leads with its terminal, a process group
of their own, and an init that adopts orphans.  So a machine starts with two threads that never leave the kernel.  Init
is pid 1 and reaps.  The launcher, pid 2, leads the session, starts the program as a job in the foreground and keeps its
status.  The machine is done when init has no child left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.exec import do_execve
from kernel.exit import do_exit
from kernel.fs.fdtable import FdTable
from kernel.fs.inode import MAY_EXEC
from kernel.fs.namespace import FsContext
from kernel.fs.path import AT_FDCWD, lookup
from kernel.kthread import kernel_thread
from kernel.nsproxy import NsProxy
from kernel.pid import Pid
from kernel.session import change_pgrp, setsid
from kernel.signal import CLD_STOPPED, SIG_IGN, SIGCHLD, SIGCONT, SIGINT, SIGQUIT, SigAction
from kernel.signal_send import kill_pgrp
from kernel.task import WORK_TRACE, Process, Thread
from kernel.wait import P_ALL, WALL, WEXITED, WUNTRACED, Report, WaitOptions, do_wait
from kernel.waitqueue import Blocking

if TYPE_CHECKING:
    from kernel.cred import Cred
    from kernel.kernel import Kernel
    from kernel.tty import Tty


class Launch:
    """What became of the program: ``status`` is its wait status once it ended, ``error`` why it could not be started,
    ``process`` the process while it lives, ``pid`` its number."""

    __slots__ = ("status", "error", "process", "pid")

    def __init__(self) -> None:
        self.status: int | None = None
        self.error: Errno | None = None
        self.process: Process | None = None
        self.pid = 0


def _main_of_init(t: Thread) -> Blocking[int]:
    """Wait until no child is left; they reap themselves, because init ignores SIGCHLD."""
    try:
        while True:
            waiting = do_wait(t, WaitOptions(P_ALL, None, WEXITED | WALL))
            if waiting is not None and not isinstance(waiting, Report):
                yield from waiting
    except Errno.ECHILD:
        pass
    return (yield from do_exit(t, 0))


def _main_of_launcher(t: Thread, launch: Launch) -> Blocking[int]:
    """Wait for the program.  On a terminal one that stops (Ctrl-Z) stops the whole machine as a job of the host's shell;
    what continues the machine continues the program."""
    tty = t.process.tty
    wanted = WaitOptions(P_ALL, None, WEXITED | WALL | (WUNTRACED if tty is not None else 0))
    while True:
        waiting = do_wait(t, wanted)
        report = waiting if waiting is None or isinstance(waiting, Report) else (yield from waiting)
        if report is None or report.code != CLD_STOPPED or tty is None or launch.process is None:
            break
        t.kernel.console.suspend()
        tty.foreground = launch.process.pgrp
        kill_pgrp(launch.process.pgrp, SIGCONT)
    if report is not None:
        launch.status = report.status
    launch.process = None
    return (yield from do_exit(t, 0))


def _main_of_program(
    t: Thread, launch: Launch, cwd: tuple[bytes, bool], paths: Sequence[bytes], argv: Sequence[bytes], envp: Sequence[bytes]
) -> Blocking[int]:
    """Enter the working directory and exec the first of ``paths`` that exists, as execvp(3) does: EACCES and ENOENT try the
    next one."""
    try:
        where = lookup(t, AT_FDCWD, cwd[0], True, False)
        if not where.dentry.inode.is_dir:
            raise Errno.ENOTDIR
        where.dentry.inode.permission(t, MAY_EXEC)
        t.fs.cwd = where
    except Errno as error:
        if cwd[1]:
            launch.error = type(error)(f"working directory {cwd[0].decode(errors='backslashreplace')}")
            return (yield from do_exit(t, 126 << 8))
    failure: Errno = Errno.ENOENT()
    for path in paths:
        try:
            return (yield from do_execve(t, AT_FDCWD, path, lambda: (argv, envp)))
        except Errno as error:
            if not isinstance(failure, Errno.EACCES):
                failure = error
            if not isinstance(error, (Errno.ENOENT, Errno.EACCES, Errno.ENOTDIR)):
                break
    if not t.process.group_exit:  # killed on the way (Ctrl-C): that is what is to be told
        launch.error = failure
    return (yield from do_exit(t, (126 if not isinstance(failure, Errno.ENOENT) else 127) << 8))


def start(
    kernel: Kernel,
    paths: Sequence[bytes],
    argv: Sequence[bytes],
    envp: Sequence[bytes],
    cred: Cred,
    init_cred: Cred,
    spaces: NsProxy,
    fs: FsContext,
    cwd: bytes,
    cwd_required: bool,
    open_stdio: Callable[[Thread], FdTable],
    tty: Tty | None,
) -> Launch:
    """Make init, the launcher and the program, ready to run.

    ``paths``: candidates for the executable.  ``cred`` is the program's, ``init_cred`` that of the two kernel threads.
    ``fs``: the root directory.  ``cwd``: working directory of the program; if it cannot be entered that is an error, or, unless
    ``cwd_required``, the root is used.  ``open_stdio`` makes its descriptors.  ``tty``: its controlling
    terminal, if any.
    """
    launch = Launch()
    top = FsContext(fs.root, fs.root)
    init = kernel_thread(kernel, b"init", None, init_cred, top, spaces)
    init.process.unkillable = True
    kernel.root_pid_ns.child_reaper = init.pid
    init.sighand.actions[SIGCHLD] = SigAction(SIG_IGN)
    init.blocked = (1 << 64) - 1
    init.kstack = _main_of_init(init)

    launcher = kernel_thread(kernel, b"tgid", init, init_cred, top.copy(), spaces)
    setsid(launcher)
    for signo in (SIGINT, SIGQUIT):
        launcher.sighand.actions[signo] = SigAction(SIG_IGN)
    launcher.blocked = (1 << 64) - 1
    launcher.kstack = _main_of_launcher(launcher, launch)

    program = kernel_thread(kernel, paths[0].rsplit(b"/", 1)[-1][:15], launcher, cred, fs, spaces)
    change_pgrp(program.process, program.pid)
    if tty is not None:
        attach_terminal(launcher.process, program.process, tty)
    program.files = open_stdio(program)
    if kernel.watch is not None:
        program.work |= WORK_TRACE
    program.kstack = _main_of_program(program, launch, (cwd, cwd_required), paths, argv, envp)
    launch.process = program.process
    launch.pid = program.tid
    for t in (init, launcher, program):
        kernel.sched.start(t)
    return launch


def attach_terminal(leader: Process, job: Process, tty: Tty) -> None:
    """Make ``tty`` the controlling terminal of the leader's session with ``job`` in the foreground."""
    leader.tty = job.tty = tty
    tty.session = leader.session
    tty.foreground = job.pgrp


def foreground(launch: Launch, tty: Tty | None) -> Pid | None:
    """Return the process group Ctrl-C goes to: the terminal's foreground group, or without a terminal the program's."""
    if tty is not None:
        return tty.foreground
    return launch.process.pgrp if launch.process is not None else None
