"""What the tests of memory management run in: address spaces over fake and over real page tables, and files of bytes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from fakes import fake_memory

from emu.frames import FrameAllocator
from emu.paging import Tables
from emu.rows import PythonRows
from kernel.cred import CAP_FULL_SET
from kernel.errno import Errno
from kernel.fs.file import O_RDWR, File, PageSource
from kernel.fs.pagecache import PageCache
from kernel.mm import mmap
from kernel.mm.address_space import AddressSpace
from kernel.mm.memory import Memory
from kernel.mm.vma import PROT_READ, PROT_WRITE
from kernel.rlimit import Rlimits

if TYPE_CHECKING:
    from kernel.hardware import Cpu
    from kernel.kernel import Kernel
    from kernel.task import Thread

PAGE = 4096
RW = PROT_READ | PROT_WRITE
ANON = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
SHARED = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS
ARENA = 0x1000_0000
PF_USER = 4
PF_WRITE = 2
PF_INSTR = 16


class RealTablesCpu:
    """The machine's page tables without its engine."""

    def __init__(self, frames: FrameAllocator) -> None:
        self.frames = frames
        self.rows = PythonRows(frames)

    def new_tables(self) -> Tables:
        return Tables(self.frames, self.rows)

    def code_changed(self, frame: int) -> None:
        self.frames.code_changed(frame)


def real_memory(total: int = 4096) -> Memory:
    """Return memory managed by the machine's own frames and page tables."""
    frames = FrameAllocator(total << 12)
    return Memory(frames, cast("Cpu", RealTablesCpu(frames)))


def make_memory(kind: str, total: int = 4096) -> Memory:
    """Return memory of a kind, "fake" or "real"."""
    return real_memory(total) if kind == "real" else fake_memory(total)


def make_mm(memory: Memory, rlimits: Rlimits | None = None) -> AddressSpace:
    """Return an empty address space."""
    return AddressSpace(cast("Kernel", SimpleNamespace(memory=memory)), rlimits)


class FakeCred:
    def __init__(self, effective: int) -> None:
        self.effective = effective

    def capable(self, cap: int) -> bool:
        return bool(self.effective >> cap & 1)


def make_thread(mm: AddressSpace, effective: int = CAP_FULL_SET) -> Thread:
    """Return what the memory calls need of a thread."""
    process = SimpleNamespace(rlimits=mm.rlimits)
    return cast("Thread", SimpleNamespace(mm=mm, cred=FakeCred(effective), personality=0, process=process))


class BytesBacking:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.reads = 0

    def pread(self, size: int, offset: int) -> bytes:
        self.reads += 1
        return self.data[offset : offset + size]


class MappedFile(File):
    """A file that can be mapped; ``cache`` outlives it, as an inode does."""

    __slots__ = ("cache", "released")

    def __init__(self, cache: PageCache, flags: int = O_RDWR) -> None:
        super().__init__(flags)
        self.cache = cache
        self.released = False

    def source(self, t: Thread) -> PageSource:
        if self.cache is None:
            raise Errno.ENODEV
        return self.cache

    def path(self, t: Thread) -> bytes:
        return b"/bin/file"

    def release(self) -> None:
        self.released = True


def cached(memory: Memory, data: bytes, backed: bool = True) -> PageCache:
    """Return the page cache of a file with ``data``."""
    if backed:
        return PageCache(memory.shmem, BytesBacking(data), len(data))
    cache = PageCache(memory.shmem)
    cache.write(0, data)
    return cache


def pages(mm: AddressSpace) -> list[tuple[int, int, int]]:
    """Return (start, end, permission bits) of every area."""
    return [(v.start, v.end, v.flags & 7) for v in mm.areas.areas]
