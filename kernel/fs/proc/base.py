"""/proc/PID and /proc/PID/task/TID: their tables and directories (fs/proc/base.c).

The rows stand in the order in which they are listed.  /proc/PID/task lists the threads there are; one that has been released is
not among them, were its number the process's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.fs.file import File
from kernel.fs.inode import Dentry, Dirent, FileSystem
from kernel.fs.proc import array, attributes, namespace, task_mmu
from kernel.fs.proc.fd import FdDir, FdInfoDir
from kernel.fs.proc.generic import LOCK_TRACE, MM_ACCESS, Entry, Table, directory, reg, special
from kernel.fs.proc.inode import HIDEPID_INVISIBLE, HIDEPID_NO_ACCESS
from kernel.fs.proc.link import cwd_link, exe_link, root_link, task_link
from kernel.fs.proc.mem import MemInode
from kernel.fs.proc.ns import NsDir, UserNsFile, set_timens_offsets, timens_offsets
from kernel.fs.proc.target import GuardedDir, Target, TaskFile, TaskNode, number
from kernel.fs.regular import DirectoryFile

if TYPE_CHECKING:
    from kernel.fs.mount import Path
    from kernel.task import Thread


class TaskListDir(TaskNode):
    """/proc/PID/task."""

    __slots__ = ()

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Open it."""
        return DirectoryFile(where, flags)

    def lookup(self, here: Dentry, name: bytes) -> Dentry:
        """Find a thread of the process by its number."""
        fs = self.target.fs
        thread = fs.ns.find_thread(number(name))
        mine = self.target.thread()
        if thread is None or mine is None or thread.process is not mine.process:
            raise Errno.ENOENT
        target = Target(fs, thread.pid, True)
        return Dentry(name, here, TaskDir(fs, target.ino(1), TASK_DIR, target))

    def readdir(self, here: Dentry) -> list[Dirent]:
        """List the threads, in the order they were made.  ENOENT if the process is gone."""
        mine = self.target.thread()
        if mine is None:
            raise Errno.ENOENT
        fs = self.target.fs
        threads = [(thread.pid.nr_in(fs.ns), thread.pid) for thread in mine.process.threads]
        return [Dirent(b"%d" % nr, Target(fs, pid, True).ino(1), 4) for nr, pid in threads if nr]


TGID_BASE = Table(
    directory(b"task", 0o555, TaskListDir),
    directory(b"fd", 0o500, FdDir),
    directory(b"fdinfo", 0o555, FdInfoDir),
    directory(b"ns", 0o511, NsDir),
    reg(b"environ", 0o400, attributes.environ, access=MM_ACCESS),
    reg(b"auxv", 0o400, attributes.auxv, access=MM_ACCESS),
    reg(b"status", 0o444, array.status),
    reg(b"personality", 0o400, attributes.personality, access=LOCK_TRACE),
    reg(b"limits", 0o444, attributes.limits),
    reg(b"comm", 0o644, attributes.comm, attributes.set_comm),
    reg(b"syscall", 0o400, attributes.syscall_line, access=LOCK_TRACE),
    reg(b"cmdline", 0o444, attributes.cmdline),
    reg(b"stat", 0o444, array.tgid_stat),
    reg(b"statm", 0o444, array.statm),
    reg(b"maps", 0o444, task_mmu.maps, access=MM_ACCESS),
    special(b"mem", 0o600, MemInode),
    task_link(b"cwd", cwd_link),
    task_link(b"root", root_link),
    task_link(b"exe", exe_link),
    reg(b"mounts", 0o444, namespace.mounts),
    reg(b"mountinfo", 0o444, namespace.mountinfo),
    reg(b"mountstats", 0o400, namespace.mountstats),
    reg(b"smaps", 0o444, task_mmu.smaps, access=MM_ACCESS),
    reg(b"smaps_rollup", 0o444, task_mmu.smaps_rollup, access=MM_ACCESS),
    reg(b"wchan", 0o444, attributes.wchan),
    reg(b"schedstat", 0o444, attributes.sched_stat),
    reg(b"cgroup", 0o444, attributes.cgroup),
    reg(b"oom_score_adj", 0o644, attributes.oom_score_adj, attributes.set_oom_score_adj),
    reg(b"coredump_filter", 0o644, attributes.coredump_filter, attributes.set_coredump_filter),
    special(b"uid_map", 0o644, UserNsFile),
    special(b"gid_map", 0o644, UserNsFile),
    special(b"setgroups", 0o644, UserNsFile),
    reg(b"timens_offsets", 0o644, timens_offsets, set_timens_offsets),
    reg(b"timerslack_ns", 0o666, attributes.timerslack, attributes.set_timerslack),
)
"""The files of a process (tgid_base_stuff)."""

_PROCESS_ONLY = frozenset(
    (b"task", b"map_files", b"autogroup", b"timens_offsets", b"mountstats", b"coredump_filter", b"timers", b"timerslack_ns")
)
_THREAD_ROWS = {
    b"stat": (reg(b"stat", 0o444, array.tid_stat),),
    b"maps": (reg(b"maps", 0o444, task_mmu.maps, access=MM_ACCESS), reg(b"children", 0o444, array.children)),
}
TID_BASE = Table(
    *(row for known in TGID_BASE.rows if known.name not in _PROCESS_ONLY for row in _THREAD_ROWS.get(known.name, (known,)))
)
"""The files of a thread (tid_base_stuff): those of the process without what only a process has."""


class TaskDir(GuardedDir):
    """/proc/PID or /proc/PID/task/TID.  Nodes are made by the lookup and know only the ``Pid``."""

    __slots__ = ("table",)

    def __init__(self, fs: FileSystem, ino: int, entry: Entry, target: Target) -> None:
        super().__init__(fs, ino, entry, target)
        self.table = TID_BASE if target.single else TGID_BASE
        self.nlink = self.table.links
        if not target.fs.shown.hidepid:
            self.mode = entry.mode  # nothing to ask

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Open it."""
        return DirectoryFile(where, flags)

    def question(self, t: Thread) -> None:
        """May ``t`` enter, by the mount's hidepid (proc_pid_permission)?  ESRCH, ENOENT, EPERM."""
        fs = self.target.fs
        task = self.target.thread()
        if task is None:
            raise Errno.ESRCH
        if not fs.may_see(t, task, HIDEPID_NO_ACCESS):
            raise Errno.ENOENT if fs.shown.hidepid >= HIDEPID_INVISIBLE else Errno.EPERM

    def lookup(self, here: Dentry, name: bytes) -> Dentry:
        """Make the node ``name``."""
        target = self.target
        found = self.table.index.get(name)
        if found is None or target.thread() is None:
            raise Errno.ENOENT
        slot, entry = found
        return Dentry(name, here, (entry.node or TaskFile)(target.fs, target.ino(slot + 2), entry, target))

    def readdir(self, here: Dentry) -> list[Dirent]:
        """List what there is for every task.  ENOENT if it is gone."""
        target = self.target
        if target.thread() is None:
            raise Errno.ENOENT
        return [Dirent(row.name, target.ino(slot + 2), row.mode >> 12) for slot, row in enumerate(self.table.rows)]


TASK_DIR = directory(b"", 0o555, TaskDir)
