"""Descriptor tables (``struct files_struct``).

fork copies the table, CLONE_FILES shares it; both are everyday events, so a table is a plain list and its close-on-exec
bits are one int.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.fs.file import O_CLOEXEC, O_PATH, File
from kernel.rlimit import NR_OPEN, RLIMIT_NOFILE

if TYPE_CHECKING:
    from kernel.task import Thread


class FdTable:
    """Open files by descriptor.

    ``slots``: File or None by number.  ``cloexec``: bit n is FD_CLOEXEC of descriptor n.  ``low``: every number below is in
    use.  ``users``: threads (or processes) that share the table.
    """

    __slots__ = ("slots", "cloexec", "low", "users", "__weakref__")

    def __init__(self) -> None:
        self.slots: list[File | None] = []
        self.cloexec = 0
        self.low = 0
        self.users = 1

    def get(self, fd: int, path_ok: bool = False) -> File:
        """Return the open file of ``fd``.  EBADF; also for O_PATH files unless ``path_ok``."""
        if fd >= 0:
            try:
                file = self.slots[fd]
            except IndexError:
                raise Errno.EBADF from None
            if file is not None and (path_ok or not file.flags & O_PATH):
                return file
        raise Errno.EBADF

    def install(self, file: File, cloexec: bool = False, lowest: int = 0, limit: int = NR_OPEN) -> int:
        """Give ``file`` the lowest free number >= ``lowest`` and below ``limit`` (RLIMIT_NOFILE); takes over the reference.

        EMFILE if there is none (the caller keeps its reference).
        """
        slots = self.slots
        fd = self.low if lowest <= self.low else lowest
        size = len(slots)
        while fd < size and slots[fd] is not None:
            fd += 1
        if fd >= limit:
            raise Errno.EMFILE
        if lowest <= self.low:
            self.low = fd + 1
        if fd < size:
            slots[fd] = file
        else:
            if fd > size:
                slots.extend([None] * (fd - size))
            slots.append(file)
        if cloexec:
            self.cloexec |= 1 << fd
        elif self.cloexec:
            self.cloexec &= ~(1 << fd)
        return fd

    def _take(self, fd: int) -> File | None:
        """Make ``fd`` free; return what it referred to."""
        if not 0 <= fd < len(self.slots):
            return None
        file = self.slots[fd]
        if file is not None:
            self.slots[fd] = None
            if fd < self.low:
                self.low = fd
            if self.cloexec:
                self.cloexec &= ~(1 << fd)
        return file

    def close(self, t: Thread, fd: int) -> None:
        """Close a descriptor.  EBADF."""
        file = self._take(fd)
        if file is None:
            raise Errno.EBADF
        file.flush(t)
        file.drop()

    def replace(self, t: Thread, fd: int, file: File, cloexec: bool) -> None:
        """Make ``fd`` refer to ``file``, taking over the reference and closing what was there (dup2)."""
        old = self._take(fd)
        if fd >= len(self.slots):
            self.slots.extend([None] * (fd + 1 - len(self.slots)))
        self.slots[fd] = file
        if cloexec:
            self.cloexec |= 1 << fd
        if old is not None:
            old.flush(t)
            old.drop()

    def set_cloexec(self, fd: int, on: bool) -> None:
        """Set or clear FD_CLOEXEC of an open descriptor."""
        if on:
            self.cloexec |= 1 << fd
        else:
            self.cloexec &= ~(1 << fd)

    def is_cloexec(self, fd: int) -> bool:
        """Return FD_CLOEXEC of a descriptor."""
        return bool(self.cloexec >> fd & 1)

    def copy(self, below: int = NR_OPEN) -> FdTable:
        """Return a copy of the descriptors < ``below``, for fork (dup_fd)."""
        new = FdTable.__new__(FdTable)
        new.users = 1
        new.low = self.low
        new.cloexec = self.cloexec
        slots = new.slots = self.slots[:below] if below < len(self.slots) else self.slots[:]
        if below < len(self.slots):
            new.low = min(self.low, below)
            new.cloexec &= (1 << below) - 1
        for file in slots:
            if file is not None:
                file.refs += 1
        return new

    def hold(self) -> FdTable:
        """Count one more user and return self (CLONE_FILES)."""
        self.users += 1
        return self

    def put(self, t: Thread) -> None:
        """Count one user less; the last one closes everything (put_files_struct)."""
        self.users -= 1
        if self.users == 0:
            self.close_all(t)

    def open_fds(self) -> list[int]:
        """Return the open descriptors in ascending order."""
        return [fd for fd, file in enumerate(self.slots) if file is not None]

    def close_range(self, t: Thread, first: int, last: int) -> None:
        """Close every open descriptor of first..last."""
        for fd in range(first, min(last + 1, len(self.slots))):
            if self.slots[fd] is not None:
                self.close(t, fd)

    def close_on_exec(self, t: Thread) -> None:
        """Close the descriptors with FD_CLOEXEC (do_close_on_exec)."""
        bits = self.cloexec
        while bits:
            fd = bits.bit_length() - 1
            bits ^= 1 << fd
            self.close(t, fd)
        self.cloexec = 0

    def close_all(self, t: Thread) -> None:
        """Close everything: the last user is gone (close_files)."""
        slots = self.slots
        self.slots = []
        self.cloexec = self.low = 0
        for file in slots:
            if file is not None:
                file.flush(t)
                refs = file.refs
                if refs > 1:
                    file.refs = refs - 1
                else:
                    file.drop()


def install_fd(t: Thread, file: File, flags: int = 0, lowest: int = 0) -> int:
    """Install ``file`` in the table of ``t`` under its RLIMIT_NOFILE, close-on-exec if ``flags`` has O_CLOEXEC.

    EMFILE: the reference is dropped.
    """
    try:
        return t.files.install(file, bool(flags & O_CLOEXEC), lowest, t.process.rlimits.soft(RLIMIT_NOFILE))
    except Errno.EMFILE:
        file.drop()
        raise
