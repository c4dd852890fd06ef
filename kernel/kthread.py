"""Processes the kernel itself makes: threads that start inside the kernel (kernel_thread).

They have no program yet: no memory, no open files, default signal actions.  Some never leave the kernel, others exec.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.clone import link_process, new_process, new_thread
from kernel.fs.fdtable import FdTable
from kernel.pid import alloc_pid
from kernel.rlimit import Rlimits
from kernel.sched_params import SchedParams
from kernel.signal import SIGCHLD, SigAltStack, SigHand
from kernel.task import Thread

if TYPE_CHECKING:
    from kernel.cred import Cred
    from kernel.fs.namespace import FsContext
    from kernel.kernel import Kernel
    from kernel.nsproxy import NsProxy


def kernel_thread(kernel: Kernel, comm: bytes, parent: Thread | None, cred: Cred, fs: FsContext, spaces: NsProxy) -> Thread:
    """Make a process of one thread without memory; its group and session are the parent's, or its own if it has none.

    The caller gives it a ``kstack`` and starts it.  EAGAIN if there is no number for it.
    """
    pid = alloc_pid(kernel.root_pid_ns, kernel.next_inum())
    t = new_thread(kernel, pid)
    process = new_process(kernel, pid)
    t.process = process
    t.comm = comm
    t.cred = cred
    t.no_new_privs = False
    t.blocked = 0
    t.personality = 0
    t.timer_slack = t.default_timer_slack = 50_000
    t.sched = SchedParams()
    t.rseq = (0, 0, 0)
    t.self_exec_id = t.parent_exec_id = 0
    t.altstack = SigAltStack(flags=0)
    t.sighand = SigHand()
    t.files = FdTable()
    t.fs = fs
    t.nsproxy = spaces
    spaces.mnt.hold()
    t.mm = None
    t.cpu = kernel.cpu.new_state()
    t.real_parent = t.parent = parent
    pid.thread = t
    kernel.charge_task(t)
    process.threads.append(t)
    process.live = 1
    process.rep = process.wait_task = process.curr_target = t
    process.exit_signal = SIGCHLD
    process.rlimits = Rlimits() if parent is None else parent.process.rlimits.copy()
    if parent is None:
        link_process(process, pid, pid)
    else:
        link_process(process, parent.process.pgrp, parent.process.session)
        parent.children[process] = None
    return t
