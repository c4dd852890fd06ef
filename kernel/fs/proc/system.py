"""The files of /proc that are about the whole machine (proc(5))."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kernel import utsname
from kernel.clocks import CLOCK_BOOTTIME, timens_offset
from kernel.fs.proc import memory
from kernel.fs.proc.generic import Entry, link, reg
from kernel.fs.proc.locks import locks
from kernel.pid import ns_of

if TYPE_CHECKING:
    from kernel.kernel import Kernel
    from kernel.task import Thread

CENTI = 10_000_000
SECOND = 1_000_000_000


class Usage(NamedTuple):
    """Processor time since boot in ns, and how often tasks were switched."""

    user: int
    nice: int
    system: int
    idle: int
    switches: int


def usage(kernel: Kernel) -> Usage:
    """Sum up what all threads have used, those that are gone included."""
    gone = kernel.gone
    user, nice, system, switches = gone.utime, 0, gone.stime, gone.nvcsw + gone.nivcsw
    for thread in kernel.all_threads():
        times = thread.times
        if thread.sched.nice > 0:
            nice += times.utime
        else:
            user += times.utime
        system += times.stime
        switches += times.nvcsw + times.nivcsw
    return Usage(user, nice, system, kernel.idle_ns, switches)


def uptime(t: Thread, _: object) -> bytes:
    """Seconds since boot, and those the processor was idle."""
    now = (t.kernel.clock.monotonic() + timens_offset(t, CLOCK_BOOTTIME)) // CENTI
    idle = t.kernel.idle_ns // CENTI
    return b"%d.%02d %d.%02d\n" % (now // 100, now % 100, idle // 100, idle % 100)


def loadavg(t: Thread, _: object) -> bytes:
    """The load averages, running and existing threads, and the last pid of the reader's namespace."""
    kernel = t.kernel
    running = sum(thread.state == "R" and not thread.exit_state for thread in kernel.all_threads())
    loads = b" ".join(b"%d.%02d" % load for load in kernel.load_average().shown())
    return b"%s %d/%d %d\n" % (loads, running, kernel.tasks, ns_of(t).last)


def stat(t: Thread, _: object) -> bytes:
    """Kernel and system statistics."""
    kernel = t.kernel
    used = usage(kernel)
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
            b"btime %d\n" % ((kernel.boot_time - timens_offset(t, CLOCK_BOOTTIME)) // SECOND),
            b"processes %d\nprocs_running %d\nprocs_blocked %d\n" % (kernel.total_forks, running, blocked),
            b"softirq 0 0 0 0 0 0 0 0 0 0 0\n",
        )
    )


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


_FILESYSTEMS = (b"sysfs", b"tmpfs", b"proc", b"devtmpfs", b"ramfs", b"devpts", b"overlay")


def filesystems(t: Thread, _: object) -> bytes:
    """What mount(2) knows; none of it needs a device."""
    return b"".join(b"nodev\t%s\n" % name for name in _FILESYSTEMS)


def command_line(t: Thread, _: object) -> bytes:
    """The kernel's command line: there is none."""
    return b"\n"


def devices(t: Thread, _: object) -> bytes:
    """Major numbers with drivers."""
    return b"Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n128 ptm\n136 pts\n\nBlock devices:\n"


def tty_drivers(t: Thread, _: object) -> bytes:
    """Drivers of terminals: name, device, major and minor numbers, kind; ps finds the names of terminals with it."""
    return (
        b"/dev/tty             /dev/tty        5       0 system:/dev/tty\n"
        b"/dev/console         /dev/console    5       1 system:console\n"
        b"/dev/ptmx            /dev/ptmx       5       2 system\n"
        b"pty_slave            /dev/pts      136 0-1048575 pty:slave\n"
        b"pty_master           /dev/ptm      128 0-1048575 pty:master\n"
    )


def partitions(t: Thread, _: object) -> bytes:
    """No disks."""
    return b"major minor  #blocks  name\n\n"


def interrupts(t: Thread, _: object) -> bytes:
    """Interrupts: the timer's, which end time slices."""
    kernel = t.kernel
    ticks = kernel.gone.nivcsw + sum(thread.times.nivcsw for thread in kernel.all_threads())
    return b"           CPU0       \nLOC: %10d   Local timer interrupts\nERR: %10d\nMIS: %10d\n" % (ticks, 0, 0)


def softirqs(t: Thread, _: object) -> bytes:
    """None: what they do for others happens at once."""
    names = ("HI", "TIMER", "NET_TX", "NET_RX", "BLOCK", "IRQ_POLL", "TASKLET", "SCHED", "HRTIMER", "RCU")
    return ("                    CPU0       \n" + "".join(f"{name:>12}: {0:10d}\n" for name in names)).encode()


def cgroups(t: Thread, _: object) -> bytes:
    """No controllers."""
    return b"#subsys_name\thierarchy\tnum_cgroups\tenabled\n"


def execution_domains(t: Thread, _: object) -> bytes:
    """Linux's."""
    return b"0-0\tLinux           \t[kernel]\n"


def empty(t: Thread, _: object) -> bytes:
    """A list of things there are none of: disks, modules, keys."""
    return b""


FILES: tuple[Entry, ...] = (
    link(b"mounts", lambda t, fs: b"self/mounts"),
    link(b"net", lambda t, fs: b"self/net"),
    reg(b"uptime", 0o444, uptime),
    reg(b"loadavg", 0o444, loadavg),
    reg(b"stat", 0o444, stat),
    reg(b"meminfo", 0o444, memory.meminfo),
    reg(b"cpuinfo", 0o444, cpuinfo),
    reg(b"version", 0o444, version),
    reg(b"filesystems", 0o444, filesystems),
    reg(b"cmdline", 0o444, command_line),
    reg(b"devices", 0o444, devices),
    reg(b"partitions", 0o444, partitions),
    reg(b"interrupts", 0o444, interrupts),
    reg(b"softirqs", 0o444, softirqs),
    reg(b"locks", 0o444, locks),
    reg(b"cgroups", 0o444, cgroups),
    reg(b"execdomains", 0o444, execution_domains),
    reg(b"diskstats", 0o444, empty),
    reg(b"modules", 0o444, empty),
    reg(b"keys", 0o444, empty),
    reg(b"key-users", 0o444, empty),
    reg(b"tty/drivers", 0o444, tty_drivers),
    reg(b"swaps", 0o444, memory.swaps),
    reg(b"vmstat", 0o444, memory.vmstat),
    reg(b"buddyinfo", 0o444, memory.buddyinfo),
    reg(b"zoneinfo", 0o444, memory.zoneinfo),
    reg(b"slabinfo", 0o400, memory.slabinfo),
)
