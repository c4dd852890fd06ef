"""Shared anonymous memory (mm/shmem.c): pages that belong to no file system.

MAP_SHARED | MAP_ANONYMOUS memory is a nameless file in memory: every process that inherited the mapping sees the same frames,
and what is never touched takes no memory.  It is a page cache without anything behind it, freed when the last area that
maps it is gone, unless somebody else (System V shared memory) holds it.
"""

from __future__ import annotations

from kernel.fs.pagecache import PageCache, PagePool


class ShmemPages(PageCache):
    """``ino``: what /proc/PID/maps shows as inode.  ``holders``: how many keep it although nobody maps it."""

    __slots__ = ("ino", "holders")

    def __init__(self, pool: PagePool, size: int, ino: int) -> None:
        super().__init__(pool, None, size)
        self.ino = ino
        self.holders = 0

    def hold(self) -> ShmemPages:
        """Keep it whether or not it is mapped."""
        self.holders += 1
        return self

    def put(self, mapped: bool) -> None:
        """End a ``hold``; ``mapped`` tells whether an area still uses it."""
        self.holders -= 1
        if not self.holders and not mapped:
            self.destroy()

    def unmapped(self) -> None:
        """The last area that mapped it is gone."""
        if not self.holders:
            self.destroy()
