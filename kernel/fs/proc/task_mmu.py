"""/proc/PID/maps, smaps, smaps_rollup and the Vm* lines of status (fs/proc/task_mmu.c).

Each function gets the reader and an address space.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kernel.fs.pagecache import PageCache
from kernel.hardware import PAGE_SHIFT, PAGE_SIZE, PTE_A, PTE_D, PTE_FRAME, VSYSCALL_ADDR
from kernel.mm.shmem import ShmemPages
from kernel.mm.usage import Mappers, is_shmem, present_pages, resident, table_pages
from kernel.mm.vma import (
    VM_ACCOUNT,
    VM_DONTCOPY,
    VM_DONTDUMP,
    VM_DONTEXPAND,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_HUGEPAGE,
    VM_IO,
    VM_LOCKED,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYSHARE,
    VM_MAYWRITE,
    VM_MERGEABLE,
    VM_NOHUGEPAGE,
    VM_NORESERVE,
    VM_PFNMAP,
    VM_RAND_READ,
    VM_READ,
    VM_SEQ_READ,
    VM_SHARED,
    VM_WIPEONFORK,
    VM_WRITE,
    Vma,
)

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from kernel.task import Thread

_NAME_COLUMN = 73
"""Where the name begins in a line of maps (``show_map_vma`` pads to 25 + 6 * sizeof(void *), less one)."""

_GATE = Vma(VSYSCALL_ADDR, VSYSCALL_ADDR + PAGE_SIZE, VM_EXEC, name=b"[vsyscall]")
"""What every program has behind its areas (gate_vma)."""

_MNEMONICS = (
    (VM_READ, "rd"), (VM_WRITE, "wr"), (VM_EXEC, "ex"), (VM_SHARED, "sh"), (VM_MAYREAD, "mr"), (VM_MAYWRITE, "mw"),
    (VM_MAYEXEC, "me"), (VM_MAYSHARE, "ms"), (VM_GROWSDOWN, "gd"), (VM_PFNMAP, "pf"), (VM_LOCKED, "lo"), (VM_IO, "io"),
    (VM_SEQ_READ, "sr"), (VM_RAND_READ, "rr"), (VM_DONTCOPY, "dc"), (VM_DONTEXPAND, "de"), (VM_ACCOUNT, "ac"),
    (VM_NORESERVE, "nr"), (VM_WIPEONFORK, "wf"), (VM_DONTDUMP, "dd"), (VM_HUGEPAGE, "hg"), (VM_NOHUGEPAGE, "nh"),
    (VM_MERGEABLE, "mg"),
)  # fmt: skip


def status_lines(mm: AddressSpace) -> str:
    """Return the Vm* and Rss* lines of /proc/PID/status (``task_mem``)."""
    pages = present_pages(mm)
    anonymous, file, shmem = resident(mm, pages)
    total = anonymous + file + shmem
    text = (((mm.end_code + 0xFFF) & ~0xFFF) - (mm.start_code & ~0xFFF)) >> 10
    text = max(text, 0)
    fields = (
        ("VmPeak", mm.hiwater_vm * 4), ("VmSize", mm.total_vm * 4), ("VmLck", mm.locked_vm * 4), ("VmPin", 0),
        ("VmHWM", max(mm.hiwater_rss, total) * 4), ("VmRSS", total * 4), ("RssAnon", anonymous * 4), ("RssFile", file * 4),
        ("RssShmem", shmem * 4), ("VmData", mm.data_vm * 4), ("VmStk", mm.stack_vm * 4), ("VmExe", min(text, mm.exec_vm * 4)),
        ("VmLib", max(mm.exec_vm * 4 - text, 0)), ("VmPTE", table_pages(mm, pages) * 4), ("VmSwap", 0),
        ("HugetlbPages", 0),
    )  # fmt: skip
    return "".join(f"{name}:\t{value:8d} kB\n" for name, value in fields)


def area_name(mm: AddressSpace, vma: Vma, t: Thread) -> bytes:
    """Return what stands behind the numbers in maps, b"" for nothing; paths are seen from ``t``'s root."""
    if vma.file is not None:
        return vma.file.path(t).replace(b"\n", b"\\012")
    if vma.name:
        return vma.name
    if vma.start <= mm.brk and vma.end >= mm.start_brk and mm.start_brk:
        return b"[heap]"
    if vma.start <= mm.start_stack <= vma.end and mm.start_stack:
        return b"[stack]"
    return b""


def maps_line(mm: AddressSpace, vma: Vma, t: Thread) -> bytes:
    """Return the line of an area in /proc/PID/maps, as ``t`` sees it."""
    flags = vma.flags
    dev = ino = 0
    offset = vma.pgoff << PAGE_SHIFT
    if vma.file is not None:
        stat = vma.file.stat(t)
        dev, ino = stat.dev, stat.ino
    elif isinstance(vma.source, ShmemPages):
        dev, ino = 1, vma.source.ino
    else:
        offset = 0
    permissions = (
        ("r" if flags & VM_READ else "-")
        + ("w" if flags & VM_WRITE else "-")
        + ("x" if flags & VM_EXEC else "-")
        + ("s" if flags & VM_MAYSHARE else "p")
    )
    # dev_t as user space has it: 12 bits of major number, 20 of minor.
    major, minor = dev >> 8 & 0xFFF, dev & 0xFF | dev >> 12 & 0xFFF00
    line = f"{vma.start:08x}-{vma.end:08x} {permissions} {offset:08x} {major:02x}:{minor:02x} {ino} ".encode()
    name = area_name(mm, vma, t)
    return (line.ljust(_NAME_COLUMN) + name if name else line) + b"\n"


def maps(t: Thread, mm: AddressSpace) -> bytes:
    """Return /proc/PID/maps as ``t`` sees it."""
    return b"".join([maps_line(mm, vma, t) for vma in (*mm.areas.areas, _GATE)])


class MemSize:
    """Sums over the pages of areas, in bytes (``struct mem_size_stats``)."""

    __slots__ = (
        "rss", "pss", "pss_dirty", "pss_anon", "pss_file", "pss_shmem", "shared_clean", "shared_dirty", "private_clean",
        "private_dirty", "referenced", "anonymous", "locked",
    )  # fmt: skip

    def __init__(self) -> None:
        self.rss = self.referenced = self.anonymous = 0
        self.pss = self.pss_dirty = self.pss_anon = self.pss_file = self.pss_shmem = self.locked = 0.0
        self.shared_clean = self.shared_dirty = self.private_clean = self.private_dirty = 0

    def add(self, mm: AddressSpace, vma: Vma, mappers: Mappers) -> None:
        """Count the pages of an area (smap_gather_stats)."""
        zero = mm.memory.zero_frame
        cached = vma.source.pages.get if isinstance(vma.source, PageCache) else None
        shmem = is_shmem(vma)
        for va, entry in mm.tables.present(vma.start, vma.end):
            frame = (entry & PTE_FRAME) >> PAGE_SHIFT
            if frame == zero:
                continue
            own = cached is None or cached(vma.index(va)) != frame
            anonymous = own and not vma.flags & VM_SHARED
            users = mappers.count(mm, va, frame, not own)
            dirty = bool(entry & PTE_D or own)
            share = 4096 / users
            self.rss += 4096
            self.pss += share
            if dirty:
                self.pss_dirty += share
            if anonymous:
                self.anonymous += 4096
                self.pss_anon += share
            elif shmem:
                self.pss_shmem += share
            else:
                self.pss_file += share
            if entry & PTE_A:
                self.referenced += 4096
            if vma.flags & VM_LOCKED:
                self.locked += share
            if users > 1:
                if dirty:
                    self.shared_dirty += 4096
                else:
                    self.shared_clean += 4096
            elif dirty:
                self.private_dirty += 4096
            else:
                self.private_clean += 4096

    def text(self, rollup: bool) -> bytes:
        """Return the lines (__show_smap); ``rollup`` has three more."""
        more = (("Pss_Anon", self.pss_anon), ("Pss_File", self.pss_file), ("Pss_Shmem", self.pss_shmem)) if rollup else ()
        fields: tuple[tuple[str, float], ...] = (
            ("Rss", self.rss), ("Pss", self.pss), ("Pss_Dirty", self.pss_dirty), *more, ("Shared_Clean", self.shared_clean),
            ("Shared_Dirty", self.shared_dirty), ("Private_Clean", self.private_clean), ("Private_Dirty", self.private_dirty),
            ("Referenced", self.referenced), ("Anonymous", self.anonymous), ("KSM", 0), ("LazyFree", 0), ("AnonHugePages", 0),
            ("ShmemPmdMapped", 0), ("FilePmdMapped", 0), ("Shared_Hugetlb", 0), ("Private_Hugetlb", 0), ("Swap", 0),
            ("SwapPss", 0), ("Locked", self.locked),
        )  # fmt: skip
        return _kilobytes(fields)


def _kilobytes(fields: Iterable[tuple[str, float]]) -> bytes:
    return "".join(f"{name + ':':<16}{int(value) >> 10:8d} kB\n" for name, value in fields).encode()


def smaps_area(mm: AddressSpace, vma: Vma, t: Thread, mappers: Mappers) -> bytes:
    """Return the entry of an area in /proc/PID/smaps (show_smap)."""
    sizes = MemSize()
    sizes.add(mm, vma, mappers)
    words = " ".join(word for bit, word in _MNEMONICS if vma.flags & bit)
    head = _kilobytes((("Size", vma.pages * 4096), ("KernelPageSize", 4096), ("MMUPageSize", 4096)))
    return maps_line(mm, vma, t) + head + sizes.text(False) + f"THPeligible:           0\nVmFlags: {words} \n".encode()


def smaps(t: Thread, mm: AddressSpace) -> bytes:
    """/proc/PID/smaps."""
    mappers = Mappers(t.kernel)
    return b"".join([smaps_area(mm, vma, t, mappers) for vma in (*mm.areas.areas, _GATE)])


def smaps_rollup(t: Thread, mm: AddressSpace) -> bytes:
    """/proc/PID/smaps_rollup: all areas as one."""
    areas = mm.areas.areas
    sizes = MemSize()
    mappers = Mappers(t.kernel)
    for vma in areas:
        sizes.add(mm, vma, mappers)
    start, end = (areas[0].start, areas[-1].end) if areas else (0, 0)
    return f"{start:08x}-{end:08x} ---p 00000000 00:00 0 ".encode().ljust(_NAME_COLUMN) + b"[rollup]\n" + sizes.text(True)
