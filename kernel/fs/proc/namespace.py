"""/proc/PID/mounts, mountinfo and mountstats (fs/proc_namespace.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.fs.file import POLLERR, POLLIN, POLLPRI, POLLRDNORM, File
from kernel.fs.inode import major, minor
from kernel.fs.mount import (
    MS_NOATIME,
    MS_NODEV,
    MS_NODIRATIME,
    MS_NOEXEC,
    MS_NOSUID,
    MS_NOSYMFOLLOW,
    MS_RDONLY,
    MS_RELATIME,
    Mount,
    Path,
)
from kernel.fs.nsfs import NsInode
from kernel.fs.path import mount_at, path_name
from kernel.fs.proc.generic import TextFile
from kernel.fs.proc.target import Target, TaskFile, task_of

if TYPE_CHECKING:
    from kernel.fs.mount import MountNamespace
    from kernel.task import Thread
    from kernel.waitqueue import WaitQueue

_OPTIONS = (
    (MS_NOSUID, b",nosuid"), (MS_NODEV, b",nodev"), (MS_NOEXEC, b",noexec"), (MS_NOATIME, b",noatime"),
    (MS_NODIRATIME, b",nodiratime"), (MS_RELATIME, b",relatime"), (MS_NOSYMFOLLOW, b",nosymfollow"),
)  # fmt: skip


def mangle(text: bytes) -> bytes:
    """Escape blanks and backslashes as getmntent(3) expects."""
    for char in (b"\\", b" ", b"\t", b"\n", b"#"):
        text = text.replace(char, b"\\%03o" % char[0])
    return text


def _placed(target: Target) -> Thread:
    """Return the task if it still has a place in the file hierarchy.  ESRCH; EINVAL for a corpse (mounts_open_common)."""
    task = task_of(target)
    if task.exiting:
        raise Errno.EINVAL
    return task


def _mount_options(mount: Mount) -> bytes:
    return b"".join(text for bit, text in _OPTIONS if mount.flags & bit)


def _visible(task: Thread) -> list[Mount]:
    """Return the mounts a task can reach: those below its root."""
    namespace = task.nsproxy.mnt
    root = task.fs.root
    found = []
    for mount in namespace.mounts():
        if mount is root.mount or mount.parent is None or path_name(Path(mount, mount.root), root)[1]:
            if mount is not root.mount and mount.parent is None:
                continue
            found.append(mount)
    return found


def mounts(t: Thread, target: Target) -> bytes:
    """/proc/PID/mounts: source, place, type, options, 0 0."""
    task = _placed(target)
    lines = []
    for mount in _visible(task):
        mode = b"ro" if mount.read_only else b"rw"
        options = mode + _mount_options(mount) + mount.fs.options()
        lines.append(b"%s %s %s %s 0 0\n" % (mangle(mount.source), mangle(mount_at(mount, task)), mount.fs.type, options))
    return b"".join(lines)


def _inner_root(mount: Mount) -> bytes:
    """Return what of its file system a mount shows: the root, or for a bind the place in it."""
    if isinstance(mount.root.inode, NsInode):
        return mount.root.name
    parts = []
    dentry = mount.root
    while dentry.parent is not dentry:
        parts.append(dentry.name)
        dentry = dentry.parent
    return b"/" + b"/".join(reversed(parts)) + (b"//deleted" if mount.root.unlinked else b"")


def _propagation(mount: Mount, task: Thread) -> bytes:
    """Return the optional fields: peer group, master, and the nearest group above the master that ``task`` can see."""
    text = b"shared:%d " % mount.shared.id if mount.shared is not None else b""
    group = mount.master
    if group is not None:
        text += b"master:%d " % group.id
        while group is not None and not any(_reachable(member, task) for member in group.members):
            group = next(iter(group.members)).master
        if group is not None and group is not mount.master:
            text += b"propagate_from:%d " % group.id
    return text + (b"unbindable " if mount.unbindable else b"")


def _reachable(mount: Mount, task: Thread) -> bool:
    return mount.ns is task.nsproxy.mnt and path_name(Path(mount, mount.root), task.fs.root)[1]


def mountinfo(t: Thread, target: Target) -> bytes:
    """/proc/PID/mountinfo (proc_pid_mountinfo(5))."""
    task = _placed(target)
    lines = []
    for mount in _visible(task):
        fs = mount.fs
        parent = mount.parent.id if mount.parent is not None else mount.id
        own = (b"ro" if mount.flags & MS_RDONLY else b"rw") + _mount_options(mount)
        shared = (b"ro" if fs.read_only else b"rw") + fs.options()
        place = b"%d:%d %s %s" % (major(fs.dev), minor(fs.dev), mangle(_inner_root(mount)), mangle(mount_at(mount, task)))
        source = b"%s %s %s" % (fs.type, mangle(mount.source), shared)
        lines.append(b"%d %d %s %s %s- %s\n" % (mount.id, parent, place, own, _propagation(mount, task), source))
    return b"".join(lines)


def mountstats(t: Thread, target: Target) -> bytes:
    """/proc/PID/mountstats: no file system here keeps statistics."""
    task = _placed(target)
    return b"".join(
        b"device %s mounted on %s with fstype %s\n" % (mangle(mount.source), mangle(mount_at(mount, task)), mount.fs.type)
        for mount in _visible(task)
    )


class MountsFile(TaskFile):
    """The node of mounts and mountinfo: its open file can be polled for changes."""

    __slots__ = ()

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Open it.  ESRCH, EINVAL for a corpse."""
        return MountsText(where, flags, self, _placed(self.target).nsproxy.mnt)


class MountsText(TextFile):
    """The list of mounts, open: poll(2) reports POLLPRI and POLLERR once after each change (mounts_poll)."""

    __slots__ = ("namespace", "seen")

    def __init__(self, where: Path, flags: int, node: MountsFile, namespace: MountNamespace) -> None:
        super().__init__(where, flags, node)
        self.namespace = namespace
        self.seen = namespace.event

    def poll(self, t: Thread) -> int:
        """Readable always; something happened if the mounts changed since the last look."""
        if self.seen == self.namespace.event:
            return POLLIN | POLLRDNORM
        self.seen = self.namespace.event
        return POLLIN | POLLRDNORM | POLLPRI | POLLERR

    def queues(self, t: Thread) -> tuple[WaitQueue, ...]:
        """What a change wakes."""
        return (self.namespace.poll_wait,)
