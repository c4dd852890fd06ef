"""Files without a name: the anon_inode file system all event files share (fs/anon_inodes.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from kernel.fs.file import File, Stat

if TYPE_CHECKING:
    from kernel.task import Thread

ANON_DEV = 14
ANON_INO = 1027
"""All of them share one inode; its number is an accident of the boot."""


class AnonFile(File):
    """A file of kind ``NAME``, shown as anon_inode:NAME."""

    __slots__ = ()

    NAME: ClassVar[bytes] = b""

    def stat(self, t: Thread) -> Stat:
        # Mode 0600 without a file type: that is what fstat shows for an anonymous inode.
        return Stat(ANON_DEV, ANON_INO, 0o600, 1, 0, 0, 0, 0, 4096, 0, 0, 0, 0, 0)

    def lseek(self, t: Thread, offset: int, whence: int) -> int:
        """Nothing moves, and that is no error (noop_llseek)."""
        return 0

    def path(self, t: Thread) -> bytes:
        return b"anon_inode:" + self.NAME
