"""The files of /proc that are about the whole machine (proc(5))."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel import utsname
from kernel.clocks import process_times
from kernel.fs.proc.generic import Entry, link, reg
from kernel.pid import ns_of

if TYPE_CHECKING:
    from kernel.kernel import Kernel
    from kernel.task import Thread

CENTI = 10_000_000
SECOND = 1_000_000_000


class Usage:
    """Processor time of all processes there are and were waited for, in ns."""

    __slots__ = ("user", "nice", "system", "idle", "switches")

    def __init__(self, kernel: Kernel) -> None:
        self.user = self.nice = self.system = self.switches = 0
        for process in kernel.all_processes():
            own = process_times(process)
            for times in (own, process.child_times):
                self.user += times.utime
                self.system += times.stime
                self.switches += times.nvcsw + times.nivcsw
        self.idle = max(0, kernel.clock.monotonic() - self.user - self.system)


def uptime(t: Thread, _: object) -> bytes:
    """Seconds since boot, and those the processor was idle."""
    now = t.kernel.clock.monotonic() // CENTI
    idle = Usage(t.kernel).idle // CENTI
    return b"%d.%02d %d.%02d\n" % (now // 100, now % 100, idle // 100, idle % 100)


def loadavg(t: Thread, _: object) -> bytes:
    """Load is not averaged; running and existing tasks and the last pid are real."""
    running = total = 0
    for thread in t.kernel.all_threads():
        total += 1
        running += thread.state == "R" and not thread.exit_state
    return b"0.00 0.00 0.00 %d/%d %d\n" % (running, total, ns_of(t).last)


def stat(t: Thread, _: object) -> bytes:
    """Kernel and system statistics."""
    kernel = t.kernel
    used = Usage(kernel)
    running = blocked = 0
    for thread in kernel.all_threads():
        if not thread.exit_state:
            running += thread.state == "R"
            blocked += thread.state == "D"
    cpu = b"%d %d %d %d 0 0 0 0 0 0" % (used.user // CENTI, used.nice // CENTI, used.system // CENTI, used.idle // CENTI)
    return b"".join(
        (
            b"cpu  " + cpu + b"\ncpu0 " + cpu + b"\nintr 0\n",
            b"ctxt %d\n" % used.switches,
            b"btime %d\n" % (kernel.boot_time // SECOND),
            b"processes %d\nprocs_running %d\nprocs_blocked %d\n" % (kernel.total_forks, running, blocked),
            b"softirq 0 0 0 0 0 0 0 0 0 0 0\n",
        )
    )


def meminfo(t: Thread, _: object) -> bytes:
    """Memory in kB."""
    kernel = t.kernel
    total = kernel.memory.total * 4
    free = kernel.memory.free * 4
    shmem = kernel.vfs.hidden_mount.fs.statfs()
    shared = (shmem.blocks - shmem.bfree) * 4
    cached = shared
    for mount in t.nsproxy.mnt.mounts():
        sizes = mount.fs.statfs()
        if mount.fs.type in (b"tmpfs", b"overlay", b"devtmpfs"):
            cached += (sizes.blocks - sizes.bfree) * 4
    rows = (
        ("MemTotal", total), ("MemFree", free), ("MemAvailable", min(total, free + cached)), ("Buffers", 0),
        ("Cached", cached), ("SwapCached", 0), ("Active", max(0, total - free)), ("Inactive", 0), ("Unevictable", 0),
        ("Mlocked", 0), ("SwapTotal", 0), ("SwapFree", 0), ("Dirty", 0), ("Writeback", 0),
        ("AnonPages", max(0, total - free - cached)), ("Mapped", cached), ("Shmem", shared), ("KReclaimable", 0), ("Slab", 0),
        ("SReclaimable", 0), ("SUnreclaim", 0), ("KernelStack", kernel.tasks * 16), ("PageTables", 0), ("CommitLimit", total),
        ("Committed_AS", max(0, total - free)), ("VmallocTotal", 34359738367), ("VmallocUsed", 0), ("VmallocChunk", 0),
        ("HugePages_Total", None), ("HugePages_Free", None), ("Hugepagesize", 2048),
    )  # fmt: skip
    lines = [f"{name + ':':<16}{value or 0:8d}" + ("" if value is None else " kB") for name, value in rows]
    return ("\n".join(lines) + "\n").encode()


FLAGS = (
    "fpu de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 syscall nx lm rep_good nopl "
    "cpuid pni pclmulqdq ssse3 cx16 sse4_1 sse4_2 popcnt aes hypervisor lahf_lm"
)


def cpuinfo(t: Thread, _: object) -> bytes:
    """The one processor: an x86-64-v2 part."""
    rows = (
        ("processor\t", "0"), ("vendor_id\t", "GenuineIntel"), ("cpu family\t", "6"), ("model\t\t", "44"),
        ("model name\t", "Westmere E56xx/L56xx/X56xx (Nehalem-C)"), ("stepping\t", "1"), ("cpu MHz\t\t", "1000.000"),
        ("cache size\t", "4096 KB"), ("physical id\t", "0"), ("siblings\t", "1"), ("core id\t\t", "0"), ("cpu cores\t", "1"),
        ("apicid\t\t", "0"), ("initial apicid\t", "0"), ("fpu\t\t", "yes"), ("fpu_exception\t", "yes"), ("cpuid level\t", "11"),
        ("wp\t\t", "yes"), ("flags\t\t", FLAGS), ("bugs\t\t", ""), ("bogomips\t", "2000.00"), ("clflush size\t", "64"),
        ("cache_alignment\t", "64"), ("address sizes\t", "40 bits physical, 48 bits virtual"), ("power management", ""),
    )  # fmt: skip
    return ("\n".join(f"{key}:" + (f" {value}" if value else "") for key, value in rows) + "\n\n").encode()


def version(t: Thread, _: object) -> bytes:
    """The kernel's version."""
    return b"%s version %s (tgid@tgid) (Python) %s\n" % (utsname.SYSNAME, utsname.RELEASE, utsname.VERSION)


def filesystems(t: Thread, _: object) -> bytes:
    """What mount(2) knows; none of it needs a device."""
    return b"".join(b"nodev\t%s\n" % name for name in (b"sysfs", b"tmpfs", b"proc", b"devtmpfs", b"overlay", b"ramfs"))


def command_line(t: Thread, _: object) -> bytes:
    """The kernel's command line: there is none."""
    return b"\n"


def devices(t: Thread, _: object) -> bytes:
    """Major numbers with drivers."""
    return b"Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n136 pts\n\nBlock devices:\n"


def swaps(t: Thread, _: object) -> bytes:
    """No swap."""
    return b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"


def partitions(t: Thread, _: object) -> bytes:
    """No disks."""
    return b"major minor  #blocks  name\n\n"


FILES: tuple[Entry, ...] = (
    link(b"mounts", lambda t, fs: b"self/mounts"),
    reg(b"uptime", 0o444, uptime),
    reg(b"loadavg", 0o444, loadavg),
    reg(b"stat", 0o444, stat),
    reg(b"meminfo", 0o444, meminfo),
    reg(b"cpuinfo", 0o444, cpuinfo),
    reg(b"version", 0o444, version),
    reg(b"filesystems", 0o444, filesystems),
    reg(b"cmdline", 0o444, command_line),
    reg(b"devices", 0o444, devices),
    reg(b"swaps", 0o444, swaps),
    reg(b"partitions", 0o444, partitions),
)
