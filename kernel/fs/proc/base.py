"""/proc/PID and /proc/PID/task/TID: their tables and directories (fs/proc/base.c).

The rows stand in the order in which they are listed.  /proc/PID/task lists the threads there are; one that has been released is
not among them, were its number the process's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.fs.file import File, Stat
from kernel.fs.inode import Dentry, Dirent, FileSystem
from kernel.fs.proc import activity, array, attributes, namespace, task_mmu
from kernel.fs.proc.fd import FdDir, FdInfoDir
from kernel.fs.proc.generic import LOCK_TRACE, MAPS_ACCESS, MAY_READ, MM_ACCESS, Entry, Table, directory, reg, special
from kernel.fs.proc.link import cwd_link, exe_link, root_link, task_link
from kernel.fs.proc.map_files import MapFilesDir
from kernel.fs.proc.mem import MemInode
from kernel.fs.proc.net import NetDir
from kernel.fs.proc.ns import NsDir, UserNsFile, set_timens_offsets, timens_offsets
from kernel.fs.proc.numa import numa_maps
from kernel.fs.proc.pagemap import PagemapInode, clear_refs
from kernel.fs.proc.target import TableDir, Target, TaskDentry, TaskNode, number
from kernel.fs.regular import DirectoryFile

if TYPE_CHECKING:
    from kernel.fs.mount import Path
    from kernel.pid import Pid
    from kernel.task import Thread


_LABELS = (b"current", b"prev", b"exec", b"fscreate", b"keycreate", b"sockcreate")
ATTR = Table(*(reg(name, 0o444 if name == b"prev" else 0o666, attributes.no_label, attributes.set_label) for name in _LABELS))


class AttrDir(TableDir):
    """/proc/PID/attr: the labels of a security module."""

    __slots__ = ()

    def __init__(self, fs: FileSystem, ino: int, entry: Entry, target: Target) -> None:
        super().__init__(fs, ino, entry, target, ATTR, 128)


class TaskListDir(TaskNode):
    """/proc/PID/task."""

    __slots__ = ()

    def stat(self, t: Thread | None = None) -> Stat:
        """The attributes; the threads are among the links (proc_task_getattr)."""
        task = self.target.thread()
        found = super().stat(t)
        return found if task is None else found._replace(nlink=found.nlink + len(task.process.threads))

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
        return TaskDentry(name, here, TaskDir(fs, target.ino(1), TASK_DIR, target))

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
    directory(b"map_files", 0o500, MapFilesDir),
    directory(b"fdinfo", 0o555, FdInfoDir),
    directory(b"ns", 0o511, NsDir),
    directory(b"net", 0o555, NetDir),
    reg(b"environ", 0o400, attributes.environ, access=MM_ACCESS),
    reg(b"auxv", 0o400, attributes.auxv, access=MM_ACCESS),
    reg(b"status", 0o444, array.status),
    reg(b"personality", 0o400, attributes.personality, access=LOCK_TRACE),
    reg(b"limits", 0o444, attributes.limits),
    reg(b"sched", 0o444, activity.sched),
    reg(b"timens_offsets", 0o644, timens_offsets, set_timens_offsets),
    reg(b"comm", 0o644, attributes.comm, attributes.set_comm),
    reg(b"syscall", 0o400, activity.syscall_line, access=LOCK_TRACE),
    reg(b"cmdline", 0o444, attributes.cmdline),
    reg(b"stat", 0o444, array.tgid_stat),
    reg(b"statm", 0o444, array.statm),
    reg(b"maps", 0o444, task_mmu.maps, access=MAPS_ACCESS),
    reg(b"numa_maps", 0o444, numa_maps, access=MAPS_ACCESS),
    special(b"mem", 0o600, MemInode),
    task_link(b"cwd", cwd_link),
    task_link(b"root", root_link),
    task_link(b"exe", exe_link),
    reg(b"mounts", 0o444, namespace.mounts)._replace(node=namespace.MountsFile),
    reg(b"mountinfo", 0o444, namespace.mountinfo)._replace(node=namespace.MountsFile),
    reg(b"mountstats", 0o400, namespace.mountstats),
    reg(b"clear_refs", 0o200, None, clear_refs),
    reg(b"smaps", 0o444, task_mmu.smaps, access=MAPS_ACCESS),
    reg(b"smaps_rollup", 0o444, task_mmu.smaps_rollup, access=MM_ACCESS),
    special(b"pagemap", 0o400, PagemapInode),
    directory(b"attr", 0o555, AttrDir),
    reg(b"wchan", 0o444, activity.wchan),
    reg(b"stack", 0o400, activity.stack),
    reg(b"schedstat", 0o444, activity.sched_stat),
    reg(b"cpuset", 0o444, attributes.cpuset),
    reg(b"cgroup", 0o444, attributes.cgroup),
    reg(b"oom_score", 0o444, attributes.oom_score),
    reg(b"oom_adj", 0o644, attributes.oom_adj, attributes.set_oom_adj),
    reg(b"oom_score_adj", 0o644, attributes.oom_score_adj, attributes.set_oom_score_adj),
    reg(b"loginuid", 0o644, attributes.loginuid, attributes.set_loginuid),
    reg(b"sessionid", 0o444, attributes.sessionid),
    reg(b"coredump_filter", 0o644, attributes.coredump_filter, attributes.set_coredump_filter),
    reg(b"io", 0o400, activity.tgid_io, access=MAY_READ),
    special(b"uid_map", 0o644, UserNsFile),
    special(b"gid_map", 0o644, UserNsFile),
    reg(b"projid_map", 0o644, attributes.projid_map),
    special(b"setgroups", 0o644, UserNsFile),
    reg(b"timers", 0o444, activity.timers, access=MAY_READ),
    reg(b"timerslack_ns", 0o666, attributes.timerslack, attributes.set_timerslack),
    reg(b"arch_status", 0o444, attributes.nothing),
    reg(b"ksm_merging_pages", 0o400, attributes.ksm_merging_pages),
    reg(b"ksm_stat", 0o400, attributes.ksm_stat),
)
"""The files of a process (tgid_base_stuff)."""

_PROCESS_ONLY = frozenset(
    (b"task", b"map_files", b"autogroup", b"timens_offsets", b"mountstats", b"coredump_filter", b"timers", b"timerslack_ns")
)
_THREAD_ROWS = {
    b"stat": (reg(b"stat", 0o444, array.tid_stat),),
    b"io": (reg(b"io", 0o400, activity.tid_io, access=MAY_READ),),
    b"maps": (reg(b"maps", 0o444, task_mmu.maps, access=MAPS_ACCESS), reg(b"children", 0o444, array.children)),
}
TID_BASE = Table(
    *(row for known in TGID_BASE.rows if known.name not in _PROCESS_ONLY for row in _THREAD_ROWS.get(known.name, (known,)))
)
"""The files of a thread (tid_base_stuff): those of the process without what only a process has."""


class TaskDir(TableDir):
    """/proc/PID or /proc/PID/task/TID."""

    __slots__ = ()

    def __init__(self, fs: FileSystem, ino: int, entry: Entry, target: Target) -> None:
        super().__init__(fs, ino, entry, target, TID_BASE if target.single else TGID_BASE, 2)


def tgid_of_directory(file: File) -> Pid | None:
    """Return the Pid of the process whose /proc/PID is open as ``file``, None for any other file (tgid_pidfd_to_pid)."""
    inode = file.inode()
    return inode.target.pid if isinstance(inode, TaskDir) and not inode.target.single else None


TASK_DIR = directory(b"", 0o555, TaskDir)
