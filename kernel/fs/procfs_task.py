"""/proc/PID and /proc/PID/task/TID (fs/proc/base.c, fs/proc/fd.c).

A directory knows only a ``Pid``.  /proc/PID shows the process through ``rep``, one of its living threads: there is no first
thread whose death would make it look dead.  /proc/PID/task lists the threads there are; one that has been released is not
among them, were its number the process's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.fs.file import O_CLOEXEC, File
from kernel.fs.inode import MAY_EXEC, S_IFDIR, S_IFLNK, Dentry, Dirent, FileSystem
from kernel.fs.mount import Path
from kernel.fs.mounts_text import mountinfo_text, mounts_text, mountstats_text
from kernel.fs.path import d_path
from kernel.fs.procfs import Entry, ProcDir, ProcFile, ProcFs, ProcInode, place_of
from kernel.fs.procmem import MemInode
from kernel.fs.proctext import (
    auxv,
    cgroup,
    children,
    cmdline,
    comm,
    coredump_filter,
    environ,
    id_map,
    limits,
    maps,
    may_read,
    oom_score_adj,
    personality,
    sched_stat,
    set_comm,
    set_oom_score_adj,
    set_timerslack,
    smaps,
    stat_line,
    statm,
    status,
    syscall_line,
    thread_stat_line,
    timerslack,
    wchan,
)
from kernel.fs.regular import DirectoryFile
from kernel.task import EXIT_DEAD

if TYPE_CHECKING:
    from kernel.pid import Pid
    from kernel.task import Thread

COMMON: Mapping[bytes, Entry] = {
    b"status": Entry(0o444, status),
    b"personality": Entry(0o400, personality, guarded=True),
    b"limits": Entry(0o444, limits),
    b"comm": Entry(0o644, comm, set_comm),
    b"syscall": Entry(0o400, syscall_line, guarded=True),
    b"cmdline": Entry(0o444, cmdline),
    b"statm": Entry(0o444, statm),
    b"maps": Entry(0o444, maps, guarded=True),
    b"smaps": Entry(0o444, smaps, guarded=True),
    b"environ": Entry(0o400, environ, guarded=True),
    b"auxv": Entry(0o400, auxv, guarded=True),
    b"wchan": Entry(0o444, wchan),
    b"schedstat": Entry(0o444, sched_stat),
    b"mounts": Entry(0o444, lambda t, target: mounts_text(t, task_of(target))),
    b"mountinfo": Entry(0o444, lambda t, target: mountinfo_text(t, task_of(target))),
    b"oom_score_adj": Entry(0o644, oom_score_adj, set_oom_score_adj),
    b"cgroup": Entry(0o444, cgroup),
    b"uid_map": Entry(0o644, id_map),
    b"gid_map": Entry(0o644, id_map),
}
PROCESS: Mapping[bytes, Entry] = {
    **COMMON,
    b"stat": Entry(0o444, stat_line),
    b"mountstats": Entry(0o400, lambda t, target: mountstats_text(t, task_of(target))),
    b"coredump_filter": Entry(0o644, coredump_filter),
    b"timerslack_ns": Entry(0o666, timerslack, set_timerslack),
}
THREAD: Mapping[bytes, Entry] = {
    **COMMON,
    b"stat": Entry(0o444, thread_stat_line),
    b"children": Entry(0o444, children),
}
LINKS = (b"exe", b"cwd", b"root")
DIRECTORIES = (b"fd", b"fdinfo")
MEM = Entry(0o600, None)


class Target:
    """Whom a directory is about: ``pid``, as a process or (``single``) as one thread, seen by ``fs``."""

    __slots__ = ("fs", "pid", "single")

    def __init__(self, fs: ProcFs, pid: Pid, single: bool) -> None:
        self.fs = fs
        self.pid = pid
        self.single = single

    def thread(self) -> Thread | None:
        """Return the thread that stands for the target, None if it is gone."""
        process = self.pid.process
        if not self.single and process is not None and process.threads:
            first = self.pid.thread
            if first is not None and not first.kernel.semantics.first_thread_released:
                return first  # mainline: the leader, dead or alive
            return process.rep if process.rep in process.threads else process.threads[-1]
        return self.pid.thread


def task_of(target: Target) -> Thread:
    """Return the thread that stands for a target.  ESRCH if it is gone."""
    t = target.thread()
    if t is None or t.exit_state == EXIT_DEAD:
        raise Errno.ESRCH
    return t


class TaskNode(ProcInode):
    """A node of a task's directory.  It belongs to the task's effective user, or to root if that user may not look into
    the process (task_dump_owner)."""

    __slots__ = ("target", "always_owner")

    def __init__(self, fs: FileSystem, ino: int, mode: int, target: Target, always_owner: bool = False) -> None:
        super().__init__(fs, ino, mode)
        self.target = target
        t = target.thread()
        if t is not None:
            self.uid, self.gid = owner_of(t, always_owner)


def owner_of(t: Thread, always: bool = False) -> tuple[int, int]:
    """Return uid and gid of a task's nodes."""
    if always or t.mm is None or t.mm.dumpable == 1:
        return t.cred.euid, t.cred.egid
    return 0, 0


def _number(pid: Pid, slot: int) -> int:
    """Return an inode number that is the same every time a node is made."""
    return pid.nr << 32 | slot << 24 | 0x100_0000


class TaskDir(TaskNode):
    """/proc/PID or /proc/PID/task/TID."""

    __slots__ = ()

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Open it."""
        return DirectoryFile(where, flags)

    @property
    def table(self) -> Mapping[bytes, Entry]:
        """The files of the directory."""
        return THREAD if self.target.single else PROCESS

    def lookup(self, here: Dentry, name: bytes) -> Dentry:
        """Make the node ``name``."""
        target = self.target
        task = target.thread()
        if task is None:
            raise Errno.ENOENT
        fs = target.fs
        entry = self.table.get(name)
        if entry is not None:
            ino = _number(target.pid, 64 + list(self.table).index(name))
            return Dentry(name, here, GuardedFile(fs, ino, entry, target, *owner_of(task)))
        if name == b"mem":
            return Dentry(name, here, MemInode(fs, _number(target.pid, 17), MEM, target, *owner_of(task)))
        if name in LINKS:
            return Dentry(name, here, TaskLink(fs, _number(target.pid, 1 + LINKS.index(name)), target, name))
        if name in DIRECTORIES:
            kind = FdDir if name == b"fd" else FdInfoDir
            return Dentry(name, here, kind(fs, _number(target.pid, 8 + DIRECTORIES.index(name)), S_IFDIR | 0o500, target))
        if name == b"task" and not target.single:
            return Dentry(name, here, TaskListDir(fs, _number(target.pid, 16), S_IFDIR | 0o555, target))
        raise Errno.ENOENT

    def readdir(self, here: Dentry) -> list[Dirent]:
        """List what there is for every task."""
        pid = self.target.pid
        if self.target.thread() is None:
            return []
        found = [Dirent(name, _number(pid, 8 + i), 4) for i, name in enumerate(DIRECTORIES)]
        if not self.target.single:
            found.append(Dirent(b"task", _number(pid, 16), 4))
        found.append(Dirent(b"mem", _number(pid, 17), 8))
        found += [Dirent(name, _number(pid, 1 + i), 10) for i, name in enumerate(LINKS)]
        found += [Dirent(name, _number(pid, 64 + i), 8) for i, name in enumerate(self.table)]
        return found


class GuardedFile(ProcFile):
    """A file of a task; see ``Entry.guarded``."""

    __slots__ = ()

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Open it.  EACCES without the right to look, ESRCH if the task is gone."""
        if self.entry.guarded and not may_read(t, task_of(self.target)):
            raise Errno.EACCES
        return super().open(t, where, flags)


class TaskLink(TaskNode):
    """exe, cwd, root: they lead to the object itself, inside the guest."""

    __slots__ = ("name",)

    def __init__(self, fs: FileSystem, ino: int, target: Target, name: bytes) -> None:
        super().__init__(fs, ino, S_IFLNK | 0o777, target)
        self.name = name

    def _place(self, t: Thread) -> Path:
        task = self.target.thread()
        if task is None or task.exiting:
            raise Errno.ENOENT
        if not may_read(t, task):
            raise Errno.EACCES
        if self.name == b"cwd":
            return task.fs.cwd
        if self.name == b"root":
            return task.fs.root
        where = task.mm.exe_file.where() if task.mm is not None and task.mm.exe_file is not None else None
        if where is None:
            raise Errno.ENOENT
        return where

    def readlink(self, t: Thread) -> bytes:
        """Return the path as ``t`` would name it."""
        return name_of(t, self._place(t))

    def follow(self, t: Thread) -> Path:
        """Go there."""
        return self._place(t)


def name_of(t: Thread, where: Path) -> bytes:
    """Return d_path of a place for ``t``."""
    return d_path(where, t.fs.root)


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
        return Dentry(name, here, TaskDir(fs, _number(thread.pid, 32), S_IFDIR | 0o555, target, True))

    def readdir(self, here: Dentry) -> list[Dirent]:
        """List the threads, in the order they were made."""
        mine = self.target.thread()
        if mine is None:
            return []
        ns = self.target.fs.ns
        return [
            Dirent(b"%d" % thread.pid.nr_in(ns), _number(thread.pid, 32), 4)
            for thread in mine.process.threads
            if thread.pid.nr_in(ns)
        ]


class FdDir(TaskNode):
    """/proc/PID/fd: a link for each open descriptor."""

    __slots__ = ()

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Open it.  EACCES is what its mode 0500 gives strangers."""
        return DirectoryFile(where, flags)

    def permission(self, t: Thread, mask: int) -> None:
        """The mode, or being a thread of the same process (proc_fd_permission)."""
        task = self.target.thread()
        if task is not None and task.process is t.process:
            return
        super().permission(t, mask)

    def _file(self, fd: int) -> File:
        task = self.target.thread()
        if task is None or task.exiting:
            raise Errno.ENOENT
        try:
            return task.files.get(fd, True)
        except Errno.EBADF:
            raise Errno.ENOENT from None

    def lookup(self, here: Dentry, name: bytes) -> Dentry:
        """Make the link of a descriptor."""
        fd = number(name)
        file = self._file(fd)
        # The permission bits tell how the file is open (tid_fd_update_inode).
        mode = S_IFLNK
        if not file.flags & 1:
            mode |= 0o500
        if (file.flags + 1) & 2:
            mode |= 0o300
        ino = self.target.pid.nr << 32 | fd << 1 | 1
        return Dentry(name, here, FdLink(self.fs, ino, mode, self.target, fd))

    def readdir(self, here: Dentry) -> list[Dirent]:
        """List the descriptors."""
        task = self.target.thread()
        if task is None or task.exiting:
            return []
        nr = self.target.pid.nr << 32
        return [Dirent(b"%d" % fd, nr | fd << 1 | 1, 10) for fd in task.files.open_fds()]


class FdLink(TaskNode):
    """/proc/PID/fd/N: leads to the open file's object, whatever its name says."""

    __slots__ = ("fd",)

    def __init__(self, fs: FileSystem, ino: int, mode: int, target: Target, fd: int) -> None:
        super().__init__(fs, ino, mode, target)
        self.fd = fd

    def size(self) -> int:
        """64, as Linux says."""
        return 64

    def _file(self, t: Thread) -> File:
        task = self.target.thread()
        if task is None or task.exiting:
            raise Errno.ENOENT
        if not may_read(t, task):
            raise Errno.EACCES
        try:
            return task.files.get(self.fd, True)
        except Errno.EBADF:
            raise Errno.ENOENT from None

    def readlink(self, t: Thread) -> bytes:
        """Return the file's name."""
        return self._file(t).path(t)

    def follow(self, t: Thread) -> Path:
        """Go there."""
        return place_of(t, self._file(t), t.kernel.vfs.hidden_mount)


class FdInfoDir(FdDir):
    """/proc/PID/fdinfo."""

    __slots__ = ()

    def permission(self, t: Thread, mask: int) -> None:
        """Needs the right to look at the task (proc_fdinfo_permission)."""
        task = self.target.thread()
        if task is None:
            raise Errno.ESRCH
        if not may_read(t, task):
            raise Errno.EACCES
        super().permission(t, mask & ~MAY_EXEC)

    def lookup(self, here: Dentry, name: bytes) -> Dentry:
        """Make the file of a descriptor."""
        fd = number(name)
        self._file(fd)
        target = self.target

        def show(t: Thread, _: object) -> bytes:
            return fdinfo(t, task_of(target), fd)

        ino = target.pid.nr << 32 | fd << 1 | 1 << 22
        return Dentry(name, here, ProcFile(self.fs, ino, Entry(0o400, show), None, self.uid, self.gid))

    def readdir(self, here: Dentry) -> list[Dirent]:
        """List the descriptors."""
        return [Dirent(entry.name, entry.ino, 8) for entry in super().readdir(here)]


def fdinfo(t: Thread, task: Thread, fd: int) -> bytes:
    """Return position, flags and mount of a descriptor, then what its kind adds (seq_show of fs/proc/fd.c)."""
    try:
        file = task.files.get(fd, True)
    except Errno.EBADF:
        raise Errno.ENOENT from None
    flags = file.flags | (O_CLOEXEC if task.files.is_cloexec(fd) else 0)
    where = file.where()
    mount = where.mount.id if where is not None else 15
    text = b"pos:\t%d\nflags:\t0%o\nmnt_id:\t%d\nino:\t%d\n" % (file.pos, flags, mount, file.stat(t).ino)
    return text + file.fdinfo(t)


def number(name: bytes) -> int:
    """Parse a decimal name (name_to_int).  ENOENT for anything else, leading zeros included."""
    if not name.isdigit() or (len(name) > 1 and name.startswith(b"0")) or len(name) > 10:
        raise Errno.ENOENT
    return int(name)


class ProcRoot(ProcDir):
    """/proc: the files that stay, and a directory for each process."""

    __slots__ = ()

    def _procfs(self) -> ProcFs:
        fs = self.fs
        assert isinstance(fs, ProcFs)
        return fs

    def lookup(self, here: Dentry, name: bytes) -> Dentry:
        """Find a file or a process; the number of any thread finds its directory too (proc_pid_lookup)."""
        known = self.entries.get(name)
        if known is not None:
            return known
        fs = self._procfs()
        pid = fs.ns.find(number(name))
        if pid is None or (pid.process is None and pid.thread is None):
            raise Errno.ENOENT
        return Dentry(name, here, TaskDir(fs, _number(pid, 0), S_IFDIR | 0o555, Target(fs, pid, False), True))

    def readdir(self, here: Dentry) -> list[Dirent]:
        """List files and processes; threads other than processes are not listed."""
        ns = self._procfs().ns
        found = super().readdir(here)
        for nr, pid in sorted(ns.pids.items()):
            if pid.process is not None:
                found.append(Dirent(b"%d" % nr, _number(pid, 0), 4))
        return found
