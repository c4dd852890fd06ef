"""/proc/PID/ns and the files of user and time namespaces: uid_map, gid_map, setgroups, timens_offsets (fs/proc/namespaces.c)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kernel.cred import CAP_SYS_ADMIN, CAP_SYS_TIME, Cred
from kernel.errno import Errno
from kernel.fs.file import File
from kernel.fs.inode import Dentry, Dirent
from kernel.fs.mount import Path
from kernel.fs.nsfs import AnyNamespace, NsFs, name_of
from kernel.fs.proc.generic import Entry, Table, TextFile
from kernel.fs.proc.target import Target, TaskFile, TaskNode, may_read, task_of
from kernel.fs.regular import DirectoryFile
from kernel.pid import ns_of
from kernel.user_ns_map import map_text, write_map, write_setgroups

if TYPE_CHECKING:
    from kernel.task import Thread
    from kernel.user_ns import UserNamespace

SECOND: Final = 1_000_000_000
MAX_OFFSET: Final = (1 << 63) // SECOND // 2
"""KTIME_SEC_MAX / 2: how far a clock may be moved, in seconds."""


class NsLink(TaskNode):
    """/proc/PID/ns/KIND: the row's function gives the namespace of a task."""

    __slots__ = ()

    def _namespace(self, t: Thread) -> AnyNamespace:
        task = self.target.thread()
        if task is None:
            raise Errno.ENOENT
        if not may_read(t, task):
            raise Errno.EACCES
        ns: AnyNamespace | None = self.entry.show(task)
        if ns is None:
            raise Errno.ENOENT
        return ns

    def readlink(self, t: Thread) -> bytes:
        """Return KIND:[NUMBER]."""
        return name_of(self._namespace(t))

    def follow(self, t: Thread) -> Path:
        """Go to the namespace."""
        mount = t.kernel.vfs.nsfs_mount
        assert isinstance(mount.fs, NsFs)
        return mount.fs.place(self._namespace(t), mount)


def _living(get: Callable[[Thread], AnyNamespace]) -> Callable[[Thread], AnyNamespace | None]:
    """A dead task has left the namespaces of its NsProxy (exit_task_namespaces)."""
    return lambda task: None if task.exiting else get(task)


def _for_children(task: Thread) -> AnyNamespace | None:
    """The pid namespace of children to come; none before it has an init (pidns_for_children_get)."""
    ns = task.nsproxy.pid_for_children
    return None if task.exiting or ns.child_reaper is None else ns


def _link(name: bytes, get: Callable[[Thread], AnyNamespace | None]) -> Entry:
    return Entry(name, 0o120777, get, node=NsLink)


NAMESPACES = Table(
    _link(b"net", _living(lambda task: task.nsproxy.net)),
    _link(b"uts", _living(lambda task: task.nsproxy.uts)),
    _link(b"ipc", _living(lambda task: task.nsproxy.ipc)),
    _link(b"pid", lambda task: ns_of(task)),
    _link(b"pid_for_children", _for_children),
    _link(b"user", lambda task: task.cred.user_ns),
    _link(b"mnt", _living(lambda task: task.nsproxy.mnt)),
    _link(b"cgroup", _living(lambda task: task.nsproxy.cgroup)),
    _link(b"time", _living(lambda task: task.nsproxy.time)),
    _link(b"time_for_children", _living(lambda task: task.nsproxy.time_for_children)),
)
"""The links of /proc/PID/ns (ns_entries)."""
_FIRST_SLOT: Final = 200
"""Their inode numbers come after those of the other files of a task."""


class NsDir(TaskNode):
    """/proc/PID/ns."""

    __slots__ = ()

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Open it."""
        return DirectoryFile(where, flags)

    def lookup(self, here: Dentry, name: bytes) -> Dentry:
        """Make the link of a kind of namespace."""
        found = NAMESPACES.index.get(name)
        if found is None or self.target.thread() is None:
            raise Errno.ENOENT
        slot, entry = found
        return Dentry(name, here, NsLink(self.fs, self.target.ino(_FIRST_SLOT + slot), entry, self.target))

    def readdir(self, here: Dentry) -> list[Dirent]:
        """List the kinds."""
        if self.target.thread() is None:
            raise Errno.ENOENT
        return [Dirent(row.name, self.target.ino(_FIRST_SLOT + slot), 10) for slot, row in enumerate(NAMESPACES.rows)]


# -- user namespaces --------------------------------------------------------------------------------------------------
class UserNsFile(TaskFile):
    """uid_map, gid_map, setgroups: about the user namespace the task is in when the file is opened."""

    __slots__ = ()

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Open it.  EACCES: setgroups for writing without privilege in the namespace."""
        ns = task_of(self.target).cred.user_ns
        if self.entry.name == b"setgroups":
            if flags & 3 and not t.cred.ns_capable(ns, CAP_SYS_ADMIN):
                raise Errno.EACCES
            return SetgroupsText(where, flags, self, ns)
        return MapText(where, flags, self, ns, t.cred)


class UserNsText(TextFile):
    """A file about ``ns``, open; it is written at the position only (seq_open takes FMODE_PWRITE away)."""

    __slots__ = ("ns",)

    def __init__(self, where: Path, flags: int, node: UserNsFile, ns: UserNamespace) -> None:
        super().__init__(where, flags, node)
        self.ns = ns

    def take(self, t: Thread, data: bytes) -> None:
        """Take what was written."""
        raise NotImplementedError

    def write(self, t: Thread, data: bytes) -> int:
        """Write at the position."""
        self.take(t, data)
        self.pos += len(data)
        return len(data)

    def pwrite(self, t: Thread, data: bytes, offset: int) -> int:
        """ESPIPE."""
        raise Errno.ESPIPE


class SetgroupsText(UserNsText):
    """setgroups."""

    __slots__ = ()

    def make(self, t: Thread) -> bytes:
        """Return "allow" or "deny"."""
        return b"allow\n" if self.ns.setgroups_allowed else b"deny\n"

    def take(self, t: Thread, data: bytes) -> None:
        """Allow or deny."""
        write_setgroups(self.ns, data, self.pos)


class MapText(UserNsText):
    """uid_map or gid_map, opened by somebody with the credentials ``opener``."""

    __slots__ = ("opener",)

    def __init__(self, where: Path, flags: int, node: UserNsFile, ns: UserNamespace, opener: Cred) -> None:
        super().__init__(where, flags, node, ns)
        self.opener = opener

    @property
    def _group(self) -> bool:
        return self.proc.entry.name == b"gid_map"

    def make(self, t: Thread) -> bytes:
        """Return the map, in numbers of the opener's namespace."""
        return map_text(self.ns, self.opener.user_ns, self._group)

    def take(self, t: Thread, data: bytes) -> None:
        """Write the map, once."""
        write_map(self.ns, self._group, t.cred, self.opener, data, self.pos)


# -- time namespaces --------------------------------------------------------------------------------------------------
def timens_offsets(t: Thread, target: Target) -> bytes:
    """/proc/PID/timens_offsets: of the time namespace for the task's children."""
    ns = task_of(target).nsproxy.time_for_children
    rows = ((b"monotonic", ns.monotonic), (b"boottime", ns.boottime))
    return b"".join(b"%-10s %10d %9d\n" % (name, *divmod(offset, SECOND)) for name, offset in rows)


def set_timens_offsets(t: Thread, target: Target, data: bytes) -> None:
    """Write lines of clock, seconds, nanoseconds (timens_offsets_write, proc_timens_set_offset).

    EINVAL: bad text; EPERM: no CAP_SYS_TIME over the namespace; EACCES: a task has entered it; ERANGE: a clock would be
    negative or too far ahead.
    """
    ns = task_of(target).nsproxy.time_for_children
    wanted: dict[str, int] = {}
    lines = data.split(b"\0")[0].split(b"\n")
    if not lines[-1]:
        lines.pop()
    for line in lines:
        fields = line.split()
        try:
            clock, seconds, nanoseconds = fields[0], int(fields[1]), int(fields[2])
        except (ValueError, IndexError):
            raise Errno.EINVAL from None
        name = {b"monotonic": "monotonic", b"1": "monotonic", b"boottime": "boottime", b"7": "boottime"}.get(clock)
        if name is None or len(fields) != 3 or not 0 <= nanoseconds < SECOND:
            raise Errno.EINVAL
        if len(wanted) == 2:
            raise Errno.EINVAL
        wanted[name] = seconds * SECOND + nanoseconds
    if not t.cred.ns_capable(ns.user_ns, CAP_SYS_TIME):
        raise Errno.EPERM
    now = t.kernel.clock.monotonic()
    for offset in wanted.values():
        if abs(offset // SECOND) > MAX_OFFSET or not 0 <= (now + offset) // SECOND <= MAX_OFFSET:
            raise Errno.ERANGE
    if ns.frozen:
        raise Errno.EACCES
    ns.monotonic = wanted.get("monotonic", ns.monotonic)
    ns.boottime = wanted.get("boottime", ns.boottime)
