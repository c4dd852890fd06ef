"""/proc/PID/mem: the memory of a process as a file (mem_rw of fs/proc/base.c).

The right to look is checked at open; after that the file shows the address space the process had then, and ends (reads 0
bytes) when its last user is gone.  Access is a debugger's: protection does not matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.fs.proc.generic import ATTACH_ACCESS
from kernel.fs.proc.target import TaskFile
from kernel.fs.regular import PlacedFile

if TYPE_CHECKING:
    from kernel.fs.file import File
    from kernel.fs.mount import Path
    from kernel.mm.address_space import AddressSpace
    from kernel.task import Thread

PIECE = 1 << 20


class MemInode(TaskFile):
    """The node; its entry shows nothing."""

    __slots__ = ()

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Open it.  EACCES without the rights of ptrace(2), ESRCH if the process is gone."""
        return MemFile(where, flags, self.check(t, ATTACH_ACCESS).mm)


class AddressedFile(PlacedFile):
    """A file whose position stands for an address of ``mm``, which is None for a process without memory."""

    __slots__ = ("mm",)

    def __init__(self, where: Path, flags: int, mm: AddressSpace | None) -> None:
        super().__init__(where, flags)
        self.mm = mm

    def read(self, t: Thread, size: int) -> bytes:
        """Read at the position."""
        data = self.pread(t, size, self.pos)
        self.pos += len(data)
        return data

    def lseek(self, t: Thread, offset: int, whence: int) -> int:
        """Addresses may be as large as they like (mem_lseek); the end is unknown."""
        if whence == 0:
            self.pos = offset & (1 << 64) - 1
        elif whence == 1:
            self.pos = (self.pos + offset) & (1 << 64) - 1
        else:
            raise Errno.EINVAL
        return self.pos


class MemFile(AddressedFile):
    """Memory as a file; the position is the address."""

    __slots__ = ()

    def pread(self, t: Thread, size: int, offset: int) -> bytes:
        """Read at an address.  EIO if nothing is there."""
        if self.mm is None or not self.mm.users:
            return b""
        data = self.mm.copy_in_partial(offset, min(size, PIECE), True)
        if size and not data:
            raise Errno.EIO
        return data

    def pwrite(self, t: Thread, data: bytes, offset: int) -> int:
        """Write at an address, into private copies of what is mapped read-only.  EIO if nothing is there."""
        if self.mm is None or not self.mm.users:
            return 0
        count = self.mm.copy_out_partial(offset, data, True)
        if data and not count:
            raise Errno.EIO
        return count

    def truncate(self, t: Thread, size: int) -> None:
        """Nothing happens (proc_setattr)."""

    def write(self, t: Thread, data: bytes) -> int:
        """Write at the position."""
        count = self.pwrite(t, data, self.pos)
        self.pos += count
        return count
