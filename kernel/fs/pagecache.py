"""File data in frames of guest memory (``struct address_space``).

One ``PageCache`` holds the pages of one file.  read(2), write(2) and every shared mapping see the same frames, so they
are coherent by construction.  A page that has no frame is a hole, or, for a file that began its life on the host, is
still where it was: ``backing`` is read for it.  So copy-up is lazy and costs one page at a time: a page is copied when it
is first mapped or partly overwritten, and the rest of the file never is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from kernel.errno import Errno
from kernel.hardware import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE, Frames, OutOfFrames


class Backing(Protocol):
    """Where the pages come from that are not in memory."""

    def pread(self, size: int, offset: int) -> bytes:
        """Return up to ``size`` bytes from ``offset``; fewer only at the end of the file.  EIO when it is gone."""


class PagePool:
    """What all page caches of a machine share: physical memory, and how to tell the CPU that code was overwritten.

    ``limit`` bounds the pages one file system may hold (tmpfs' size=); ``used`` counts them.  ``shrink`` gives back some
    that can be read again.
    """

    __slots__ = ("frames", "code_changed", "limit", "used", "shrink", "parts")

    def __init__(self, frames: Frames, code_changed: Callable[[int], None], limit: int) -> None:
        self.frames = frames
        self.code_changed = code_changed
        self.limit = limit
        self.used = 0
        self.parts: list[PagePool] = []
        self.shrink: Callable[[int], int] | None = None

    def share(self, limit: int) -> PagePool:
        """Return a pool over the same memory with a limit and a count of its own (one per mounted tmpfs)."""
        pool = PagePool(self.frames, self.code_changed, limit)
        self.parts.append(pool)
        return pool

    @property
    def total_used(self) -> int:
        """Pages held by this pool and all that share its memory."""
        return self.used + sum(pool.total_used for pool in self.parts)

    def allocate(self, zero: bool) -> int:
        """Return a new frame.  ENOSPC at the limit or when memory is used up (shmem_inode_acct_blocks)."""
        if self.used >= self.limit and not (self.shrink is not None and self.shrink(64)):
            raise Errno.ENOSPC
        try:
            frame = self.frames.allocate(zero)
        except OutOfFrames:
            raise Errno.ENOSPC from None
        self.used += 1
        return frame

    def put(self, frame: int) -> None:
        """Give back a frame of ``allocate``."""
        self.used -= 1
        self.frames.put(frame)


class PageCache:
    """The pages of one file.

    ``size``: bytes.  ``pages``: page index -> frame, each with one reference of ours.  ``backed``: bytes at the start of the
    file for which absent pages are read from ``backing``.  ``dirty_pages``: indexes that differ from the backing.
    ``unwritten``: pages fallocate made and nobody has touched; they take space and are holes all the same.
    ``mappers`` are told the range of page indexes that must leave all address spaces (unmap_mapping_range).
    """

    __slots__ = ("pool", "memory", "pages", "size", "backing", "backed", "dirty_pages", "unwritten", "mappers")

    def __init__(self, pool: PagePool, backing: Backing | None = None, size: int = 0) -> None:
        self.pool = pool
        self.memory = pool.frames.memory
        self.pages: dict[int, int] = {}
        self.size = size
        self.backing = backing
        self.backed = size if backing is not None else 0
        self.dirty_pages: set[int] = set()
        self.unwritten: set[int] = set()
        self.mappers: list[Callable[[int, int], None]] = []

    # -- PageSource -----------------------------------------------------------------------------------------------
    def page(self, index: int) -> int:
        """Return the frame of page ``index`` with one more reference.  EFAULT beyond the end of the file."""
        if index << PAGE_SHIFT >= self.size or index < 0:
            raise Errno.EFAULT
        frame = self.pages.get(index)
        if frame is None:
            try:
                frame = self._load(index)
            except Errno.ENOSPC:
                raise OutOfFrames from None
        elif self.unwritten:
            self.unwritten.discard(index)
        self.pool.frames.get(frame)
        return frame

    def dirty(self, index: int) -> None:
        """A writable shared mapping of page ``index`` is about to be written."""
        if self.backing is not None:
            self.dirty_pages.add(index)

    # -- data -----------------------------------------------------------------------------------------------------
    def _load(self, index: int) -> int:
        """Give page ``index`` a frame with the content it has now."""
        start = index << PAGE_SHIFT
        if start >= self.backed or self.backing is None:
            frame = self.pool.allocate(True)
        else:
            data = self.backing.pread(min(PAGE_SIZE, self.backed - start), start)
            frame = self.pool.allocate(False)
            self.memory[frame << PAGE_SHIFT : (frame + 1) << PAGE_SHIFT] = data.ljust(PAGE_SIZE, b"\0")
        self.pages[index] = frame
        return frame

    def read(self, offset: int, size: int) -> bytes:
        """Return up to ``size`` bytes from ``offset``, fewer only at the end of the file."""
        end = min(offset + size, self.size)
        if offset >= end:
            return b""
        index = offset >> PAGE_SHIFT
        last = (end - 1) >> PAGE_SHIFT
        pages = self.pages
        if index == last and index in pages:
            base = (pages[index] << PAGE_SHIFT) + (offset & PAGE_MASK)
            return bytes(self.memory[base : base + end - offset])
        if not pages:
            return self._absent(offset, end)
        parts: list[bytes | memoryview] = []
        memory = self.memory
        while offset < end:
            index = offset >> PAGE_SHIFT
            frame = pages.get(index)
            if frame is None:
                # One request for the whole run of absent pages.
                index += 1
                while index <= last and index not in pages:
                    index += 1
                stop = min(end, index << PAGE_SHIFT)
                parts.append(self._absent(offset, stop))
            else:
                stop = min(end, (index + 1) << PAGE_SHIFT)
                base = (frame << PAGE_SHIFT) + (offset & PAGE_MASK)
                parts.append(memory[base : base + stop - offset])
            offset = stop
        return b"".join(parts)

    def _absent(self, offset: int, end: int) -> bytes:
        """Return [offset, end) of pages without frames: the backing, then zeros."""
        if self.backing is None or offset >= self.backed:
            return bytes(end - offset)
        return self.backing.pread(min(end, self.backed) - offset, offset).ljust(end - offset, b"\0")

    def write(self, offset: int, data: bytes) -> int:
        """Store ``data``; return how many bytes were taken: fewer when memory ran out.  ENOSPC if none."""
        total = len(data)
        done = 0
        pages = self.pages
        memory = self.memory
        while done < total:
            index = offset >> PAGE_SHIFT
            start = offset & PAGE_MASK
            count = min(PAGE_SIZE - start, total - done)
            frame = pages.get(index)
            if frame is None:
                try:
                    if count == PAGE_SIZE:
                        frame = pages[index] = self.pool.allocate(False)
                    else:
                        frame = self._load(index)
                except Errno.ENOSPC:
                    if done:
                        break
                    raise
            else:
                self.pool.code_changed(frame)
                if self.unwritten:
                    self.unwritten.discard(index)
            base = (frame << PAGE_SHIFT) + start
            memory[base : base + count] = data if count == total else data[done : done + count]
            if self.backing is not None:
                self.dirty_pages.add(index)
            done += count
            offset += count
        if offset > self.size:
            self.size = offset
        return done

    def truncate(self, size: int) -> None:
        """Set the size in bytes; what is cut off is gone, what is added is a hole (truncate_pagecache)."""
        if size < self.size:
            self._drop((size + PAGE_MASK) >> PAGE_SHIFT, 1 << 52)
            if size & PAGE_MASK:
                self._zero(size, ((size >> PAGE_SHIFT) + 1) << PAGE_SHIFT)
            self.backed = min(self.backed, size)
        self.size = size

    def _zero(self, start: int, end: int) -> None:
        """Clear [start, end) within one page."""
        index = start >> PAGE_SHIFT
        frame = self.pages.get(index)
        if frame is None:
            if start >= self.backed:
                return
            frame = self._load(index)
        base = (frame << PAGE_SHIFT) + (start & PAGE_MASK)
        self.memory[base : base + end - start] = bytes(end - start)
        self.pool.code_changed(frame)
        self.dirty(index)

    def _drop(self, first: int, stop: int) -> None:
        """Remove pages first..stop-1 here and from all mappings."""
        for unmap in list(self.mappers):
            unmap(first, stop)
        if stop - first < len(self.pages):
            gone = [index for index in range(first, stop) if index in self.pages]
        else:
            gone = [index for index in self.pages if first <= index < stop]
        for index in gone:
            self.pool.put(self.pages.pop(index))
            self.dirty_pages.discard(index)
            self.unwritten.discard(index)

    def punch(self, start: int, end: int) -> None:
        """Make [start, end) read as zeros, freeing whole pages (FALLOC_FL_PUNCH_HOLE)."""
        end = min(end, max(self.size, (max(self.pages, default=-1) + 1) << PAGE_SHIFT))
        if start >= end:
            return
        first = (start + PAGE_MASK) >> PAGE_SHIFT
        stop = end >> PAGE_SHIFT
        if first > stop:
            self._zero(start, end)
            return
        if start & PAGE_MASK:
            self._zero(start, first << PAGE_SHIFT)
        if end & PAGE_MASK:
            self._zero(stop << PAGE_SHIFT, end)
        self._drop(first, stop)
        if self.backing is not None:
            # The backing still has data there: the hole must be pages of zeros.
            for index in range(first, min(stop, (self.backed + PAGE_MASK) >> PAGE_SHIFT)):
                self.pages[index] = self.pool.allocate(True)
                self.dirty_pages.add(index)

    def preallocate(self, start: int, end: int) -> None:
        """Give every page of [start, end) a frame; on ENOSPC those just made are given back (shmem_fallocate)."""
        made: list[int] = []
        for index in range(start >> PAGE_SHIFT, (end + PAGE_MASK) >> PAGE_SHIFT):
            if index not in self.pages and index << PAGE_SHIFT >= self.backed:
                try:
                    self._load(index)
                except Errno.ENOSPC:
                    for undo in made:
                        self.pool.put(self.pages.pop(undo))
                    raise
                made.append(index)
        self.unwritten.update(made)

    def is_resident(self, index: int) -> bool:
        """Tell whether page ``index`` is in memory with content of its own (mincore(2))."""
        return index in self.pages and index not in self.unwritten

    def next_data(self, offset: int) -> int:
        """Return the first offset >= ``offset`` that is not in a hole.  ENXIO if there is none (lseek(2), SEEK_DATA)."""
        if offset < 0 or offset >= self.size:
            raise Errno.ENXIO
        index = offset >> PAGE_SHIFT
        if offset < self.backed or self.is_resident(index):
            return offset
        following = min((page for page in self.pages if page > index and page not in self.unwritten), default=None)
        if following is None or following << PAGE_SHIFT >= self.size:
            raise Errno.ENXIO
        return following << PAGE_SHIFT

    def next_hole(self, offset: int) -> int:
        """Return the first offset >= ``offset`` in a hole; the end of the file counts as one (SEEK_HOLE)."""
        if offset < 0 or offset >= self.size:
            raise Errno.ENXIO
        index = offset >> PAGE_SHIFT
        while index << PAGE_SHIFT < self.backed or self.is_resident(index):
            index += 1
        return min(max(offset, index << PAGE_SHIFT), self.size)

    def blocks(self) -> int:
        """Return the space used, in 512-byte blocks."""
        pages = len(self.pages)
        if self.backed:
            limit = (self.backed + PAGE_MASK) >> PAGE_SHIFT
            pages = limit + sum(1 for index in self.pages if index >= limit)
        return pages << (PAGE_SHIFT - 9)

    # -- memory pressure ------------------------------------------------------------------------------------------
    def shrink(self) -> int:
        """Drop the frames that can be read again from the backing and are mapped nowhere; return how many."""
        if self.backing is None:
            return 0
        count = self.pool.frames.count
        idle = [index for index, frame in self.pages.items() if index not in self.dirty_pages and count(frame) == 1]
        for index in idle:
            self.pool.put(self.pages.pop(index))
        return len(idle)

    def destroy(self) -> None:
        """The file is gone: give all frames back (those still mapped live on by the mappings' references)."""
        for frame in self.pages.values():
            self.pool.put(frame)
        self.pages.clear()
        self.dirty_pages.clear()
        self.unwritten.clear()

    def __del__(self) -> None:
        # The last user is gone: no name, no open file, no mapping.  Nothing else tells us of the last munmap.
        self.destroy()
