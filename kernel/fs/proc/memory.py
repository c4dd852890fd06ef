"""Files about the memory of the machine: meminfo, vmstat, buddyinfo, zoneinfo, slabinfo, swaps (fs/proc/meminfo.c, mm/vmstat.c).

Memory is free, holds file pages, shared memory, or what processes have for themselves, their page tables included; the kernel's
own objects are not in it.  Nothing is swapped, and nothing waits to be written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from kernel.kernel import Kernel
    from kernel.task import Thread

MAX_ORDER = 10


class Pages(NamedTuple):
    """What the machine's pages are used for."""

    total: int
    free: int
    file: int
    shmem: int
    anonymous: int

    @property
    def cached(self) -> int:
        """Pages of files, those in memory included."""
        return self.file + self.shmem


def count_pages(kernel: Kernel) -> Pages:
    """Count the pages of the machine.  Files that live in memory only (tmpfs) are shared memory; the root's count as files."""
    memory = kernel.memory
    total, free = memory.total, memory.free
    in_memory = sum(pool.total_used for pool in kernel.vfs.pool.parts if pool.shrink is None)
    file = kernel.vfs.pool.total_used - in_memory
    shmem = in_memory + memory.shmem.used
    return Pages(total, free, file, shmem, max(0, total - free - file - shmem))


def meminfo(t: Thread, _: object) -> bytes:
    """Memory in kB."""
    kernel = t.kernel
    pages = count_pages(kernel)
    locked = committed = 0
    for process in kernel.all_processes():
        mm = process.rep.mm
        if mm is not None:
            locked += mm.locked_vm
            committed += mm.data_vm + mm.stack_vm
    total, free, file, shmem, anonymous = (count * 4 for count in pages)
    available = min(total, free + file)
    rows: tuple[tuple[str, int], ...] = (
        ("MemTotal", total), ("MemFree", free), ("MemAvailable", available), ("Buffers", 0), ("Cached", file + shmem),
        ("SwapCached", 0), ("Active", file), ("Inactive", anonymous + shmem), ("Active(anon)", 0),
        ("Inactive(anon)", anonymous + shmem), ("Active(file)", file), ("Inactive(file)", 0), ("Unevictable", locked * 4),
        ("Mlocked", locked * 4), ("SwapTotal", 0), ("SwapFree", 0), ("Zswap", 0), ("Zswapped", 0), ("Dirty", 0),
        ("Writeback", 0), ("AnonPages", anonymous), ("Mapped", file), ("Shmem", shmem), ("KReclaimable", 0), ("Slab", 0),
        ("SReclaimable", 0), ("SUnreclaim", 0), ("KernelStack", 0), ("PageTables", 0), ("SecPageTables", 0),
        ("NFS_Unstable", 0), ("Bounce", 0), ("WritebackTmp", 0), ("CommitLimit", total // 2), ("Committed_AS", committed * 4),
        ("VmallocTotal", 34359738367), ("VmallocUsed", 0), ("VmallocChunk", 0), ("Percpu", 0), ("HardwareCorrupted", 0),
        ("AnonHugePages", 0), ("ShmemHugePages", 0), ("ShmemPmdMapped", 0), ("FileHugePages", 0), ("FilePmdMapped", 0),
    )  # fmt: skip
    lines = [f"{name + ':':<16}{value:8d} kB\n" for name, value in rows]
    lines += [f"HugePages_{name + ':':<6}{0:8d}\n" for name in ("Total", "Free", "Rsvd", "Surp")]
    lines += [f"Hugepagesize:   {2048:8d} kB\nHugetlb:        {0:8d} kB\nDirectMap4k:    {total:8d} kB\n"]
    return "".join(lines).encode()


def vmstat(t: Thread, _: object) -> bytes:
    """Counts of pages, and of events since boot."""
    kernel = t.kernel
    pages = count_pages(kernel)
    faults, major = kernel.gone.minflt, kernel.gone.majflt
    for thread in kernel.all_threads():
        faults += thread.times.minflt
        major += thread.times.majflt
    rows = (
        ("nr_free_pages", pages.free), ("nr_zone_inactive_anon", pages.anonymous + pages.shmem), ("nr_zone_active_anon", 0),
        ("nr_zone_inactive_file", 0), ("nr_zone_active_file", pages.file), ("nr_zone_unevictable", 0),
        ("nr_zone_write_pending", 0), ("nr_mlock", 0), ("nr_inactive_anon", pages.anonymous + pages.shmem),
        ("nr_active_anon", 0), ("nr_inactive_file", 0), ("nr_active_file", pages.file), ("nr_unevictable", 0),
        ("nr_slab_reclaimable", 0), ("nr_slab_unreclaimable", 0), ("nr_anon_pages", pages.anonymous),
        ("nr_mapped", pages.file), ("nr_file_pages", pages.cached), ("nr_dirty", 0), ("nr_writeback", 0),
        ("nr_shmem", pages.shmem), ("nr_kernel_stack", 0), ("nr_page_table_pages", 0), ("pgpgin", 0), ("pgpgout", 0),
        ("pswpin", 0), ("pswpout", 0), ("pgalloc_normal", pages.total - pages.free), ("pgfault", faults + major),
        ("pgmajfault", major), ("pgrefill", 0), ("pgsteal_kswapd", 0), ("pgsteal_direct", 0), ("pgscan_kswapd", 0),
        ("pgscan_direct", 0), ("slabs_scanned", 0), ("oom_kill", 0),
    )  # fmt: skip
    return "".join(f"{name} {value}\n" for name, value in rows).encode()


def buddyinfo(t: Thread, _: object) -> bytes:
    """Free memory in blocks of 2^n pages.  Frames have no neighbours here: all that is free counts as being in one piece."""
    free = t.kernel.memory.free
    counts = [free >> order & 1 for order in range(MAX_ORDER)] + [free >> MAX_ORDER]
    return ("Node 0, zone   Normal " + "".join(f"{count:6d} " for count in counts) + "\n").encode()


def zoneinfo(t: Thread, _: object) -> bytes:
    """The one zone."""
    pages = count_pages(t.kernel)
    rows = (
        ("pages free", pages.free), ("      min", 0), ("      low", 0), ("      high", 0), ("      spanned", pages.total),
        ("      present", pages.total), ("      managed", pages.total),
    )  # fmt: skip
    return ("Node 0, zone   Normal\n" + "".join(f"  {name:<12} {value}\n" for name, value in rows)).encode()


def slabinfo(t: Thread, _: object) -> bytes:
    """Caches of kernel objects: these do not live in the machine's memory."""
    return (
        b"slabinfo - version: 2.1\n# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : "
        b"tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>\n"
    )


def swaps(t: Thread, _: object) -> bytes:
    """No swap."""
    return b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
