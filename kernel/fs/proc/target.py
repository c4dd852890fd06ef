"""Whom a directory of /proc is about.

/proc/PID shows the process through ``rep``, one of its living threads: there is no first thread whose death would make it look
dead.  The exception is a first thread that was traced by its process's parent and is kept as the zombie that one will be told of:
gdb, which is not told that it is dead as long as others live, finds out here.  In mainline's model /proc/PID is always the
leader, dead or alive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.fs.file import File, Stat
from kernel.fs.inode import Dentry, Dirent, FileSystem
from kernel.fs.proc.generic import Access, Entry, ProcFile, ProcInode, Table, TextFile
from kernel.fs.proc.inode import HIDEPID_INVISIBLE, HIDEPID_NO_ACCESS, ProcFs
from kernel.fs.regular import DirectoryFile
from kernel.ptrace_access import MODE_ATTACH, MODE_FSCREDS, may_access
from kernel.task import EXIT_DEAD, EXIT_ZOMBIE

if TYPE_CHECKING:
    from kernel.fs.mount import Path
    from kernel.mm.address_space import AddressSpace
    from kernel.pid import Pid
    from kernel.task import Thread


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
            if first is not None and first.exit_state == EXIT_ZOMBIE:
                return first
            return process.rep if process.rep in process.threads else process.threads[-1]
        return self.pid.thread

    def ino(self, slot: int) -> int:
        """Return an inode number that is the same every time the node ``slot`` is made."""
        return self.pid.nr << 32 | slot << 24 | 0x100_0000


def task_of(target: Target) -> Thread:
    """Return the thread that stands for a target.  ESRCH if it is gone (get_proc_task)."""
    t = target.thread()
    if t is None or t.exit_state == EXIT_DEAD:
        raise Errno.ESRCH
    return t


def may_read(t: Thread, task: Thread) -> bool:
    """Tell whether ``t`` may look into ``task`` (ptrace_may_access with PTRACE_MODE_READ_FSCREDS)."""
    return may_access(t, task, MODE_FSCREDS)


def owner_of(task: Thread, mode: int) -> tuple[int, int]:
    """Return uid and gid of a task's node (task_dump_owner): its effective ids.  What may give something away belongs to root
    while the task is not dumpable or has no memory; that is everything but directories all may enter."""
    if mode != 0o40555 and (task.mm is None or task.mm.dumpable != 1):
        return 0, 0
    return task.cred.euid, task.cred.egid


class TaskNode(ProcInode):
    """A node of a task's directory."""

    __slots__ = ("entry", "target")

    def __init__(self, fs: FileSystem, ino: int, entry: Entry, target: Target) -> None:
        super().__init__(fs, ino, entry.mode)
        self.entry = entry
        self.target = target
        if self.is_dir:
            self.nlink = 2
        task = target.thread()
        if task is not None:
            self.uid, self.gid = owner_of(task, entry.mode)

    def stat(self, t: Thread | None = None) -> Stat:
        """The attributes; ENOENT if the mount hides the task from ``t`` (pid_getattr)."""
        refresh(self, t)
        return super().stat(t)


def refresh(node: TaskNode | TaskFile, t: Thread | None) -> None:
    """Bring the owner of a node up to date: the task may have changed its ids.  ENOENT if it is hidden from ``t``."""
    task = node.target.thread()
    if task is None:
        node.uid = node.gid = 0
        return
    node.uid, node.gid = owner_of(task, node.entry.mode)
    if t is not None and node.target.fs.shown.hidepid and not node.target.fs.may_see(t, task, 2):
        raise Errno.ENOENT


class TaskDentry(Dentry):
    """The name of a task's directory: gone when the task is."""

    __slots__ = ()

    @property
    def unlinked(self) -> bool:
        """Whether the task is gone."""
        node = self.inode
        assert isinstance(node, TaskNode)
        return node.target.thread() is None

    @unlinked.setter
    def unlinked(self, value: bool) -> None:
        """Nobody can remove it."""


class GuardedDir(TaskNode):
    """A directory all may enter by its mode (0555), after a question of its own.

    Path walk asks ``permission`` only where the mode is not enough, so the inode has no execute bits and ``stat`` adds them.
    """

    __slots__ = ()

    def __init__(self, fs: FileSystem, ino: int, entry: Entry, target: Target) -> None:
        super().__init__(fs, ino, entry, target)
        self.mode &= ~0o111

    def question(self, t: Thread) -> None:
        """Raise what keeps ``t`` out."""

    def permission(self, t: Thread, mask: int) -> None:
        """Ask the question, then the mode."""
        self.question(t)
        if mask & 2:
            super().permission(t, 2)

    def stat(self, t: Thread | None = None) -> Stat:
        """The attributes, with the mode the directory is meant to have."""
        return super().stat(t)._replace(mode=self.entry.mode)


class TaskFile(ProcFile):
    """A file of a task; ``Entry.access`` says who may look."""

    __slots__ = ()

    def __init__(self, fs: FileSystem, ino: int, entry: Entry, target: Target) -> None:
        super().__init__(fs, ino, entry, target)
        task = target.thread()
        if task is not None:
            self.uid, self.gid = owner_of(task, entry.mode)

    def check(self, t: Thread, access: Access) -> Thread:
        """Return the task if ``t`` may look.  ESRCH if it is gone."""
        task = task_of(self.target)
        if not may_access(t, task, MODE_FSCREDS | MODE_ATTACH if access.attach else MODE_FSCREDS):
            raise access.error
        if access.needs_mm and task.mm is None:
            raise Errno.ESRCH
        return task

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Open it."""
        access = self.entry.access
        if access is not None and access.at_open:
            return MemoryText(where, flags, self, self.check(t, access).mm)
        return super().open(t, where, flags)

    def text(self, t: Thread) -> bytes:
        """Make the text."""
        access = self.entry.access
        if access is not None:
            self.check(t, access)
        return super().text(t)

    def stat(self, t: Thread | None = None) -> Stat:
        """The attributes; ENOENT if the mount hides the task from ``t``."""
        refresh(self, t)
        return super().stat(t)


class MemoryText(TextFile):
    """A text about the address space ``mm`` the process had at open; empty once nobody uses that any more."""

    __slots__ = ("mm",)

    def __init__(self, where: Path, flags: int, node: TaskFile, mm: AddressSpace | None) -> None:
        super().__init__(where, flags, node)
        self.mm = mm

    def make(self, t: Thread) -> bytes:
        """Make the text: the row's function gets the address space instead of the target."""
        if self.mm is None or not self.mm.users:
            return b""
        text: bytes = self.proc.entry.show(t, self.mm)
        return text


def number(name: bytes) -> int:
    """Parse a decimal name (name_to_int).  ENOENT for anything else, leading zeros included."""
    if not name.isdigit() or (len(name) > 1 and name.startswith(b"0")) or len(name) > 10:
        raise Errno.ENOENT
    return int(name)


class TableDir(GuardedDir):
    """A directory whose files are those of a table.  Nodes are made by the lookup and know only the ``Pid``."""

    __slots__ = ("table", "slot")

    def __init__(self, fs: FileSystem, ino: int, entry: Entry, target: Target, table: Table, slot: int) -> None:
        super().__init__(fs, ino, entry, target)
        self.table = table
        self.slot = slot
        self.nlink = table.links
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
        if target.thread() is None:
            raise Errno.ESRCH  # what looking for the permission to enter finds
        if found is None:
            raise Errno.ENOENT
        slot, entry = found
        return Dentry(name, here, (entry.node or TaskFile)(target.fs, target.ino(self.slot + slot), entry, target))

    def readdir(self, here: Dentry) -> list[Dirent]:
        """List what there is for every task.  ENOENT if it is gone."""
        target = self.target
        if target.thread() is None:
            raise Errno.ENOENT
        return [Dirent(row.name, target.ino(self.slot + slot), row.mode >> 12) for slot, row in enumerate(self.table.rows)]
