"""File locks: POSIX record locks, open-file-description locks and flock (fs/locks.c).

Three kinds, two owners: a POSIX lock belongs to the descriptor table (so to the process, and closing *any* descriptor of
the file drops it), an OFD lock and a flock to the open file.  POSIX and OFD locks are ranges of one space and conflict
with each other; flock lives by itself.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.waitqueue import Block, Blocking, WaitQueue, Wakeup

if TYPE_CHECKING:
    from kernel.fs.fdtable import FdTable
    from kernel.fs.file import File
    from kernel.task import Process, Thread

F_RDLCK = 0
F_WRLCK = 1
F_UNLCK = 2

LOCK_SH = 1
LOCK_EX = 2
LOCK_NB = 4
LOCK_UN = 8
LOCK_MAND = 32

OFFSET_MAX = (1 << 63) - 1


class RecordLock:
    """A lock on bytes start..end (inclusive).  ``owner`` is an FdTable or a File; ``process`` who made it, None for OFD;
    ``file``: through what.  ``flock``: it is one of flock(2)."""

    __slots__ = ("start", "end", "kind", "owner", "process", "file", "flock")

    def __init__(
        self, start: int, end: int, kind: int, owner: object, process: Process | None, file: File, flock: bool = False
    ) -> None:
        self.start = start
        self.end = end
        self.kind = kind
        self.owner = owner
        self.process = process
        self.file = file
        self.flock = flock

    def conflicts(self, other: RecordLock) -> bool:
        """Tell whether both cannot hold at once."""
        return (
            self.owner is not other.owner
            and self.start <= other.end
            and other.start <= self.end
            and F_WRLCK in (self.kind, other.kind)
        )

    def part(self, start: int, end: int) -> RecordLock:
        """Return the same lock on another range."""
        return RecordLock(start, end, self.kind, self.owner, self.process, self.file)


class LockGraph:
    """Who waits for whose POSIX lock, in the whole machine: what deadlock detection looks at.  ``nameless``: locks on
    files that have no inode to keep them."""

    __slots__ = ("waiting", "nameless")

    def __init__(self) -> None:
        self.waiting: dict[object, object] = {}
        self.nameless: dict[File, FileLocks] = {}

    def forget(self, file: File) -> None:
        """A file without inode is gone."""
        self.nameless.pop(file, None)

    def would_deadlock(self, owner: object, blocker: object) -> bool:
        """Tell whether ``owner`` waiting for ``blocker`` would close a circle (posix_locks_deadlock)."""
        at: object | None = blocker
        for _ in range(10):
            if at is owner:
                return True
            at = self.waiting.get(at)
            if at is None:
                return False
        return False


class FileLocks:
    """The locks on one inode; ``queue`` is woken when one goes."""

    __slots__ = ("records", "flocks", "waiting", "queue")

    def __init__(self) -> None:
        self.records: list[RecordLock] = []
        self.flocks: dict[File, RecordLock] = {}
        self.waiting: dict[RecordLock, None] = {}
        """Locks that somebody sleeps for, in the order in which they began."""
        self.queue = WaitQueue()

    # -- ranges -----------------------------------------------------------------------------------------------------
    def conflict(self, lock: RecordLock) -> RecordLock | None:
        """Return the first lock that keeps ``lock`` from being set."""
        for other in self.records:
            if other.conflicts(lock):
                return other
        return None

    def held_by(self, wanted: RecordLock) -> RecordLock | None:
        """Return the first lock the owner of ``wanted`` has in its range."""
        for lock in self.records:
            if lock.owner is wanted.owner and lock.start <= wanted.end and wanted.start <= lock.end:
                return lock
        return None

    def apply(self, lock: RecordLock) -> None:
        """Set (or with F_UNLCK clear) a range for its owner; own locks in the way are cut, equal neighbours merged."""
        kept: list[RecordLock] = []
        start, end = lock.start, lock.end
        for other in self.records:
            if other.owner is not lock.owner or other.end < start - 1 or other.start > end + 1:
                kept.append(other)
            elif other.kind == lock.kind:
                start, end = min(start, other.start), max(end, other.end)
            elif other.end < lock.start or other.start > lock.end:
                kept.append(other)
            else:
                if other.start < lock.start:
                    kept.append(other.part(other.start, lock.start - 1))
                if other.end > lock.end:
                    kept.append(other.part(lock.end + 1, other.end))
        if lock.kind != F_UNLCK:
            kept.append(lock.part(start, end))
        kept.sort(key=lambda item: item.start)
        self.records = kept
        self.queue.wake_all()

    def set(self, lock: RecordLock) -> None:
        """Set a range lock now.  EAGAIN if another owner's is in the way (F_SETLK, F_OFD_SETLK)."""
        if lock.kind != F_UNLCK and self.conflict(lock) is not None:
            raise Errno.EAGAIN
        self.apply(lock)

    def set_waiting(self, lock: RecordLock, graph: LockGraph) -> Blocking[int]:
        """Set a range lock, sleeping while another is in the way (F_SETLKW).  EDEADLK (POSIX locks only), ERESTARTSYS."""
        posix = lock.process is not None
        while True:
            blocker = self.conflict(lock)
            if blocker is None:
                self.apply(lock)
                return 0
            if posix:
                if graph.would_deadlock(lock.owner, blocker.owner):
                    raise Errno.EDEADLK
                graph.waiting[lock.owner] = blocker.owner
            self.waiting[lock] = None
            try:
                reason = yield Block("fcntl_setlk", self.queue, who=partial(_holder, blocker))
            finally:
                graph.waiting.pop(lock.owner, None)
                del self.waiting[lock]
            if reason is Wakeup.SIGNAL:
                raise Errno.ERESTARTSYS

    def release_posix(self, files: FdTable) -> None:
        """Drop what a process holds (locks_remove_posix)."""
        kept = [lock for lock in self.records if lock.owner is not files]
        if len(kept) != len(self.records):
            self.records = kept
            self.queue.wake_all()

    def release_file(self, file: File) -> None:
        """Drop what an open file holds (locks_remove_file)."""
        kept = [lock for lock in self.records if lock.owner is not file]
        if len(kept) != len(self.records) or file in self.flocks:
            self.records = kept
            self.flocks.pop(file, None)
            self.queue.wake_all()

    # -- flock ------------------------------------------------------------------------------------------------------
    def flock(self, process: Process, file: File, operation: int) -> None:
        """Set, change or drop the flock of an open file for ``process``.  EAGAIN if another is in the way.

        A change of kind first gives up the old lock (flock(2): conversion is not atomic).
        """
        if operation == LOCK_UN:
            if self.flocks.pop(file, None) is not None:
                self.queue.wake_all()
            return
        kind = F_WRLCK if operation == LOCK_EX else F_RDLCK
        held = self.flocks.get(file)
        if held is not None and held.kind == kind:
            return
        if held is not None:
            del self.flocks[file]
            self.queue.wake_all()
        if self.flocks and (kind == F_WRLCK or any(lock.kind == F_WRLCK for lock in self.flocks.values())):
            raise Errno.EAGAIN
        self.flocks[file] = flock_of(process, file, kind)

    def flock_waiting(self, process: Process, file: File, operation: int) -> Blocking[int]:
        """flock, sleeping while another is in the way."""
        waiting = flock_of(process, file, F_WRLCK if operation == LOCK_EX else F_RDLCK)
        while True:
            try:
                self.flock(process, file, operation)
                return 0
            except Errno.EAGAIN:
                pass
            self.waiting[waiting] = None
            try:
                reason = yield Block("flock_lock_inode_wait", self.queue)
            finally:
                del self.waiting[waiting]
            if reason is Wakeup.SIGNAL:
                raise Errno.ERESTARTSYS


def flock_of(process: Process, file: File, kind: int) -> RecordLock:
    """Return a flock: a lock on everything that belongs to an open file."""
    return RecordLock(0, OFFSET_MAX, kind, file, process, file, True)


def _holder(lock: RecordLock, t: Thread) -> str:
    """Say who holds a lock, for the wait graph."""
    if lock.process is None:
        return "the holder of an open-file-description lock"
    return f"process {lock.process.tgid}, which holds the record lock"


def flush_locks(t: Thread, file: File) -> None:
    """A descriptor of a FIFO or terminal was closed: the POSIX locks of the process on it are gone (filp_close)."""
    inode = file.inode()
    if inode is not None and inode.locks is not None:
        inode.locks.release_posix(t.files)


def release_locks(file: File) -> None:
    """The last descriptor of a FIFO or terminal is closed: its other locks are gone (locks_remove_file)."""
    inode = file.inode()
    if inode is not None and inode.locks is not None:
        inode.locks.release_file(file)


def file_locks(file: File, graph: LockGraph) -> FileLocks:
    """Return the locks of the inode of ``file``, or for a file without one (a pipe, a socket) those of the open file."""
    inode = file.inode()
    if inode is None:
        locks = graph.nameless.get(file)
        if locks is None:
            locks = graph.nameless[file] = FileLocks()
            if file.on_release is None:
                file.on_release = {}
            file.on_release[partial(graph.forget, file)] = None
        return locks
    if inode.locks is None:
        inode.locks = FileLocks()
    return inode.locks
