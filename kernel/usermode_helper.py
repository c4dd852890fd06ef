"""A program the kernel starts on its own account (call_usermodehelper): the one a core dump is piped to.

It is a child of init, as root, in the initial namespaces, with an empty environment.  Whoever asked for it waits until it has
become the program (UMH_WAIT_EXEC), and then writes to its standard input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.exec import AT_FDCWD, do_execve
from kernel.exit import do_exit
from kernel.fs.file import O_RDONLY, File
from kernel.fs.namespace import FsContext
from kernel.fs.pidfd import PidFd
from kernel.fs.pipe import make_pipe
from kernel.kthread import kernel_thread
from kernel.rlimit import RLIMIT_CORE
from kernel.task import WORK_TRACE
from kernel.waitqueue import UNINTERRUPTIBLE, Block, Blocking, WaitQueue, Wakeup

if TYPE_CHECKING:
    from kernel.kernel import Kernel
    from kernel.pid import Pid
    from kernel.task import Thread

HELPER_CORE_LIMIT = 1
"""RLIMIT_CORE of the program: if it crashes, its own core is not piped to another (umh_coredump_setup)."""
PIDFD_NUMBER = 3
"""%F of core_pattern: the descriptor that refers to the dying process."""


class PipedHelper:
    """A program with a pipe as standard input; ``pipe`` is the end to write to.

    ``words``: path and arguments.  ``subject``: a process it gets a pidfd for, as descriptor 3, or None.  Raises EAGAIN, ENOMEM
    if there can be no more processes.
    """

    __slots__ = ("pipe", "_ring", "_thread", "_failed")

    def __init__(self, kernel: Kernel, words: Sequence[bytes], subject: Pid | None) -> None:
        reaper = kernel.root_pid_ns.child_reaper
        init = reaper.process.rep if reaper is not None and reaper.process is not None else None
        if init is None:
            raise Errno.ENOMEM
        root = init.fs.root
        t = kernel_thread(kernel, words[0].rsplit(b"/", 1)[-1][:15], init, init.cred, FsContext(root, root), init.nsproxy)
        reading, writing = make_pipe(t, 0)
        t.files.install(reading)
        if subject is not None:
            t.files.install(PidFd(subject), lowest=PIDFD_NUMBER)
        t.process.rlimits.set(RLIMIT_CORE, HELPER_CORE_LIMIT, HELPER_CORE_LIMIT)
        t.vfork_done = WaitQueue()
        if kernel.watch is not None:
            t.work |= WORK_TRACE
        self.pipe: File = writing
        self._ring = writing.pipe
        self._thread = t
        self._failed = False
        t.kstack = self._main(t, list(words))
        kernel.sched.start(t)

    def _main(self, t: Thread, words: list[bytes]) -> Blocking[int]:
        try:
            return (yield from do_execve(t, AT_FDCWD, words[0], lambda: (words, ())))
        except Errno:
            self._failed = True
            done, t.vfork_done = t.vfork_done, None  # without memory its exit would not tell
            if done is not None:
                done.wake_all()
        return (yield from do_exit(t, 0))

    def started(self) -> Blocking[bool]:
        """Wait until the program runs; return whether it does."""
        helper = self._thread
        done = helper.vfork_done
        while done is not None and helper.vfork_done is done:
            yield Block("call_usermodehelper_exec", done, state=UNINTERRUPTIBLE, who=lambda t: f"the execve of {helper.comm!r}")
        return not self._failed

    def finished(self) -> Blocking[None]:
        """Close the pipe and wait until the program does, too (wait_for_dump_helpers); a signal ends the wait."""
        ring = self._ring
        ring.opened(O_RDONLY)  # a pipe without writers tells its last reader when another one closes it
        self.pipe.drop()
        while ring.readers > 1:
            if (yield Block("wait_for_dump_helpers", ring.read_wait, who=lambda t: f"{self._thread}")) is Wakeup.SIGNAL:
                break
        ring.closed(O_RDONLY)
