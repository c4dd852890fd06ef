"""What /proc shows of an address space: maps, smaps, statm and the Vm* lines of status (fs/proc/task_mmu.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kernel.fs.pagecache import PageCache
from kernel.hardware import PAGE_SHIFT, PTE_A, PTE_D, PTE_FRAME
from kernel.mm.shmem import ShmemPages
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

_MNEMONICS = (
    (VM_READ, "rd"), (VM_WRITE, "wr"), (VM_EXEC, "ex"), (VM_SHARED, "sh"), (VM_MAYREAD, "mr"), (VM_MAYWRITE, "mw"),
    (VM_MAYEXEC, "me"), (VM_MAYSHARE, "ms"), (VM_GROWSDOWN, "gd"), (VM_PFNMAP, "pf"), (VM_LOCKED, "lo"), (VM_IO, "io"),
    (VM_SEQ_READ, "sr"), (VM_RAND_READ, "rr"), (VM_DONTCOPY, "dc"), (VM_DONTEXPAND, "de"), (VM_ACCOUNT, "ac"),
    (VM_NORESERVE, "nr"), (VM_WIPEONFORK, "wf"), (VM_DONTDUMP, "dd"), (VM_HUGEPAGE, "hg"), (VM_NOHUGEPAGE, "nh"),
    (VM_MERGEABLE, "mg"),
)  # fmt: skip


class Resident(NamedTuple):
    """Pages present: private copies and anonymous memory, file pages, shared memory.  The zero page does not count."""

    anonymous: int
    file: int
    shmem: int


class Statm(NamedTuple):
    """/proc/PID/statm, in pages; ``lib`` and ``dirty`` are always 0."""

    size: int
    resident: int
    shared: int
    text: int
    lib: int
    data: int
    dirty: int


def _is_shmem(vma: Vma) -> bool:
    """Whether the pages of the area count as shared memory: anonymous, memfd or tmpfs."""
    return isinstance(vma.source, ShmemPages) or (isinstance(vma.source, PageCache) and vma.source.backing is None)


def resident(mm: AddressSpace) -> Resident:
    """Count the present pages of an address space; costs O(pages)."""
    anonymous = file = shmem = 0
    zero = mm.memory.zero_frame
    present = mm.tables.present
    for vma in mm.areas.areas:
        pages = present(vma.start, vma.end)
        if not pages:
            continue
        source = vma.source
        if source is None:
            anonymous += sum(1 for _, entry in pages if (entry & PTE_FRAME) >> PAGE_SHIFT != zero)
            continue
        own = 0
        if not vma.flags & VM_SHARED and isinstance(source, PageCache) and vma.anon is not None:
            cached = source.pages.get
            own = sum(1 for va, entry in pages if cached(vma.index(va)) != (entry & PTE_FRAME) >> PAGE_SHIFT)
        anonymous += own
        if _is_shmem(vma):
            shmem += len(pages) - own
        else:
            file += len(pages) - own
    return Resident(anonymous, file, shmem)


def table_pages(mm: AddressSpace) -> int:
    """Return how many pages its page tables take; tables shared with others count in full.  Costs O(pages)."""
    leaves: set[int] = set()
    for vma in mm.areas.areas:
        leaves.update([va >> 21 for va, _ in mm.tables.present(vma.start, vma.end)])
    return len(leaves) + len({leaf >> 9 for leaf in leaves}) + len({leaf >> 18 for leaf in leaves}) + 1


def statm(mm: AddressSpace) -> Statm:
    """Return the numbers of /proc/PID/statm (``task_statm``)."""
    anonymous, file, shmem = resident(mm)
    text = (((mm.end_code + 0xFFF) & ~0xFFF) - (mm.start_code & ~0xFFF)) >> PAGE_SHIFT
    return Statm(mm.total_vm, anonymous + file + shmem, file + shmem, max(text, 0), 0, mm.data_vm + mm.stack_vm, 0)


def status_lines(mm: AddressSpace) -> str:
    """Return the Vm* and Rss* lines of /proc/PID/status (``task_mem``)."""
    anonymous, file, shmem = resident(mm)
    total = anonymous + file + shmem
    text = (((mm.end_code + 0xFFF) & ~0xFFF) - (mm.start_code & ~0xFFF)) >> 10
    text = max(text, 0)
    fields = (
        ("VmPeak", mm.hiwater_vm * 4), ("VmSize", mm.total_vm * 4), ("VmLck", mm.locked_vm * 4), ("VmPin", 0),
        ("VmHWM", max(mm.hiwater_rss, total) * 4), ("VmRSS", total * 4), ("RssAnon", anonymous * 4), ("RssFile", file * 4),
        ("RssShmem", shmem * 4), ("VmData", mm.data_vm * 4), ("VmStk", mm.stack_vm * 4), ("VmExe", min(text, mm.exec_vm * 4)),
        ("VmLib", max(mm.exec_vm * 4 - text, 0)), ("VmPTE", table_pages(mm) * 4), ("VmSwap", 0),
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


def maps(mm: AddressSpace, t: Thread) -> bytes:
    """Return /proc/PID/maps as ``t`` sees it."""
    return b"".join([maps_line(mm, vma, t) for vma in mm.areas.areas])


def smaps_area(mm: AddressSpace, vma: Vma, t: Thread) -> bytes:
    """Return the entry of an area in /proc/PID/smaps."""
    count = mm.memory.count
    zero = mm.memory.zero_frame
    rss = pss = shared_clean = shared_dirty = private_clean = private_dirty = referenced = anonymous = 0
    cached = vma.source.pages.get if isinstance(vma.source, PageCache) else None
    for va, entry in mm.tables.present(vma.start, vma.end):
        frame = (entry & PTE_FRAME) >> PAGE_SHIFT
        if frame == zero:
            continue
        own = cached is None or cached(vma.index(va)) != frame
        users = max(count(frame) - (0 if own else 1), 1)
        dirty = entry & PTE_D or own
        rss += 4
        pss += 4096 // users
        anonymous += 4 if own and not vma.flags & VM_SHARED else 0
        referenced += 4 if entry & PTE_A or own else 0
        if users > 1:
            shared_dirty, shared_clean = shared_dirty + (4 if dirty else 0), shared_clean + (0 if dirty else 4)
        else:
            private_dirty, private_clean = private_dirty + (4 if dirty else 0), private_clean + (0 if dirty else 4)
    fields = (
        ("Size", vma.pages * 4), ("KernelPageSize", 4), ("MMUPageSize", 4), ("Rss", rss), ("Pss", pss >> 10),
        ("Pss_Dirty", private_dirty), ("Shared_Clean", shared_clean), ("Shared_Dirty", shared_dirty),
        ("Private_Clean", private_clean), ("Private_Dirty", private_dirty), ("Referenced", referenced),
        ("Anonymous", anonymous), ("KSM", 0), ("LazyFree", 0), ("AnonHugePages", 0), ("ShmemPmdMapped", 0),
        ("FilePmdMapped", 0), ("Shared_Hugetlb", 0), ("Private_Hugetlb", 0), ("Swap", 0), ("SwapPss", 0),
        ("Locked", rss if vma.flags & VM_LOCKED else 0),
    )  # fmt: skip
    lines = "".join(f"{name + ':':<16}{value:8d} kB\n" for name, value in fields)
    words = " ".join(word for bit, word in _MNEMONICS if vma.flags & bit)
    return maps_line(mm, vma, t) + f"{lines}THPeligible:           0\nVmFlags: {words} \n".encode()


def smaps(mm: AddressSpace, t: Thread) -> bytes:
    """Return /proc/PID/smaps as ``t`` sees it."""
    return b"".join([smaps_area(mm, vma, t) for vma in mm.areas.areas])
