"""/proc/locks and the lock lines of fdinfo (fs/locks.c)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kernel.fs.inode import major, minor
from kernel.fs.locks import F_WRLCK, OFFSET_MAX, FileLocks, RecordLock

if TYPE_CHECKING:
    from kernel.fs.file import File, Stat
    from kernel.kernel import Kernel
    from kernel.pid import PidNamespace
    from kernel.task import Thread


def _holder(lock: RecordLock, ns: PidNamespace) -> int:
    """Return the number of the process that made a lock: -1 for OFD locks, 0 if it is not visible.  One that is gone keeps its
    number in the initial namespace and has none in others (locks_translate_pid)."""
    if lock.process is None:
        return -1
    pid = lock.process.tgid_pid
    number = pid.nr_in(ns)
    return number if not ns.level or ns.find(number) is pid else 0


def _line(number: int, lock: RecordLock, status: Stat, ns: PidNamespace, level: int = 0) -> bytes:
    """Return one line (lock_get_status); a waiter stands behind an arrow, one that waits for a waiter further in."""
    flavour = b"FLOCK " if lock.flock else b"OFDLCK" if lock.process is None else b"POSIX "
    pid = _holder(lock, ns)
    end = b"EOF" if lock.end == OFFSET_MAX else b"%d" % lock.end
    arrow = b" " * (level - 1) + b"-> " if level else b""
    return b"%d: %s%s ADVISORY  %s %d %02x:%02x:%d %d %s\n" % (
        number, arrow, flavour, b"WRITE" if lock.kind == F_WRLCK else b"READ", pid, major(status.dev),
        minor(status.dev), status.ino, lock.start, end,
    )  # fmt: skip


def _held(kernel: Kernel) -> Iterator[tuple[File, FileLocks]]:
    """Yield every set of locks with a file of it.  Who holds a lock has the file open: all are found."""
    seen: set[int] = set()
    for table in dict.fromkeys(t.files for t in kernel.all_threads() if not t.exiting):
        for file in table.slots:
            if file is None:
                continue
            inode = file.inode()
            locks = kernel.vfs.locks.nameless.get(file) if inode is None else inode.locks
            if locks is not None and id(locks) not in seen:
                seen.add(id(locks))
                yield file, locks


def locks(t: Thread, fs: Any) -> bytes:
    """/proc/locks: each lock, and behind it those who wait for it; locks of processes of other namespaces are left out."""
    ns = fs.ns
    lines = []
    number = 0
    for file, held in _held(t.kernel):
        status = file.stat(t)
        waiting = list(held.waiting)
        for lock in (*held.flocks.values(), *held.records):
            if not _holder(lock, ns):
                continue
            number += 1
            lines.append(_line(number, lock, status, ns))
            blocked = [other for other in waiting if other.flock == lock.flock and other.conflicts(lock)]
            waiting = [other for other in waiting if other not in blocked]
            lines += [_line(number, other, status, ns, level) for level, other in _queue(blocked, 1)]
    return b"".join(lines)


def _queue(waiting: list[RecordLock], level: int) -> Iterator[tuple[int, RecordLock]]:
    """Yield (depth, waiter): who would have to wait for an earlier waiter, too, stands behind it (__locks_insert_block)."""
    while waiting:
        first, *others = waiting
        yield level, first
        behind = [other for other in others if other.conflicts(first)]
        yield from _queue(behind, level + 1)
        waiting = [other for other in others if other not in behind]


def lock_lines(t: Thread, task: Thread, file: File, ns: PidNamespace) -> bytes:
    """The lines of fdinfo: locks that belong to the open file or to the task's descriptors (show_fd_locks)."""
    inode = file.inode()
    held = t.kernel.vfs.locks.nameless.get(file) if inode is None else inode.locks
    if held is None:
        return b""
    mine = [lock for lock in (*held.flocks.values(), *held.records) if lock.file is file and lock.owner in (file, task.files)]
    status = file.stat(t)
    return b"".join(b"lock:\t" + _line(number, lock, status, ns) for number, lock in enumerate(mine, 1))
