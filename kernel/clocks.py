"""Clock ids, CPU-time accounting, and what each clock says (clock_gettime(2)).

The machine keeps two times: monotonic and real.  CLOCK_BOOTTIME and the RAW and COARSE variants equal them (nothing
suspends, NTP slews nothing, and there is no tick to be coarse by).  CPU clocks read the counters the run loop charges to
threads; a negative clock id names the CPU clock of another process or thread (CPUCLOCK encoding of
include/linux/posix-timers.h: ``~pid << 3 | per-thread << 2 | which``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.pid import ns_of

if TYPE_CHECKING:
    from kernel.kernel import Kernel
    from kernel.task import Process, Thread

CLOCK_REALTIME = 0
CLOCK_MONOTONIC = 1
CLOCK_PROCESS_CPUTIME_ID = 2
CLOCK_THREAD_CPUTIME_ID = 3
CLOCK_MONOTONIC_RAW = 4
CLOCK_REALTIME_COARSE = 5
CLOCK_MONOTONIC_COARSE = 6
CLOCK_BOOTTIME = 7
CLOCK_REALTIME_ALARM = 8
CLOCK_BOOTTIME_ALARM = 9
"""The alarm clocks read and sleep only where a real-time clock chip can wake the machine; there is none.  A timerfd on
one works all the same."""
CLOCK_TAI = 11

NSEC_PER_SEC = 1_000_000_000
NSEC_PER_TICK = 10_000_000
"""One clock tick of times(2): USER_HZ is 100."""
JIFFY = 4_000_000
"""One tick at HZ=250: the resolution clock_getres shows for the COARSE clocks and the tick-based CPU clocks."""
KTIME_MAX = (1 << 63) - 1

CPUCLOCK_PROF = 0
CPUCLOCK_VIRT = 1
CPUCLOCK_SCHED = 2

_REAL = (CLOCK_REALTIME, CLOCK_REALTIME_COARSE)
_MONO = (CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME)


class CpuTimes:
    """What a thread, or a set of threads, has used (getrusage(2)); times in ns.

    ``rchar``, ``wchar``, ``syscr``, ``syscw``: bytes moved by and number of calls of the read and write kind (/proc/PID/io).
    """

    __slots__ = (
        "utime", "stime", "minflt", "majflt", "nvcsw", "nivcsw", "inblock", "oublock", "rchar", "wchar", "syscr", "syscw",
    )  # fmt: skip

    def __init__(self) -> None:
        self.utime = 0
        self.stime = 0
        self.minflt = 0
        self.majflt = 0
        self.nvcsw = 0
        self.nivcsw = 0
        self.inblock = 0
        self.oublock = 0
        self.rchar = 0
        self.wchar = 0
        self.syscr = 0
        self.syscw = 0

    def add(self, other: CpuTimes) -> None:
        """Add another's counters to these."""
        self.utime += other.utime
        self.stime += other.stime
        self.minflt += other.minflt
        self.majflt += other.majflt
        self.nvcsw += other.nvcsw
        self.nivcsw += other.nivcsw
        self.inblock += other.inblock
        self.oublock += other.oublock
        self.rchar += other.rchar
        self.wchar += other.wchar
        self.syscr += other.syscr
        self.syscw += other.syscw

    def copy(self) -> CpuTimes:
        """Return an independent copy."""
        result = CpuTimes()
        result.add(self)
        return result

    @property
    def total(self) -> int:
        """User plus system time in ns."""
        return self.utime + self.stime


def process_times(process: Process) -> CpuTimes:
    """Return the sum over a process's threads, released and not (thread_group_cputime)."""
    result = process.times.copy()
    for t in process.threads:
        result.add(t.times)
    return result


def cpu_sample(times: CpuTimes, which: int) -> int:
    """Return the ns a CPU clock of kind CPUCLOCK_PROF, VIRT or SCHED shows for ``times``."""
    return times.utime if which == CPUCLOCK_VIRT else times.utime + times.stime


def cpu_clock_target(t: Thread, clock: int, gettime: bool = False) -> tuple[Process | None, Thread | None, int]:
    """Resolve a CPU clock id to (process, None, which) or (None, thread, which).

    Raises EINVAL for an id that names nobody, or a thread of another process.  ``gettime``: the id of any thread of the
    caller's own process also reads the process clock (pid_for_clock in kernel/time/posix-cpu-timers.c).
    """
    if clock == CLOCK_PROCESS_CPUTIME_ID:
        return t.process, None, CPUCLOCK_SCHED
    if clock == CLOCK_THREAD_CPUTIME_ID:
        return None, t, CPUCLOCK_SCHED
    which = clock & 3
    if clock >= 0 or which > CPUCLOCK_SCHED:
        raise Errno.EINVAL
    number = ~(clock >> 3)
    if clock & 4:
        thread = t if number == 0 else ns_of(t).find_thread(number)
        if thread is None or thread.process is not t.process:
            raise Errno.EINVAL
        return None, thread, which
    if number == 0:
        return t.process, None, which
    pid = ns_of(t).find(number)
    if pid is None:
        raise Errno.EINVAL
    if gettime and pid is t.pid:
        return t.process, None, which
    if pid.process is None:
        raise Errno.EINVAL
    return pid.process, None, which


def read_cpu_clock(process: Process | None, thread: Thread | None, which: int) -> int:
    """Return the ns a resolved CPU clock shows."""
    if thread is not None:
        return cpu_sample(thread.times, which)
    assert process is not None
    return cpu_sample(process_times(process), which)


def read_clock(t: Thread, clock: int) -> int:
    """Return what ``clock`` shows, in ns.  Raises EINVAL for an unknown clock."""
    if clock in _MONO:
        return t.kernel.clock.monotonic()
    if clock in _REAL:
        return t.kernel.clock.realtime()
    if clock == CLOCK_TAI:
        return t.kernel.clock.realtime() + t.kernel.timekeeping.tai * NSEC_PER_SEC
    process, thread, which = cpu_clock_target(t, clock, gettime=True)
    return read_cpu_clock(process, thread, which)


def timens_offset(t: Thread, clock: int) -> int:
    """Return what the time namespace of ``t`` adds to ``clock``, in ns (time_namespaces(7))."""
    ns = t.nsproxy.time
    if clock in (CLOCK_BOOTTIME, CLOCK_BOOTTIME_ALARM):
        return ns.boottime
    return ns.monotonic if clock in _MONO else 0


def timens_to_host(t: Thread, clock: int, when: int) -> int:
    """Return an absolute time of ``clock`` as ``t`` sees it in the machine's own time (timens_ktime_to_host)."""
    offset = timens_offset(t, clock)
    return max(0, when - offset) if offset and when < KTIME_MAX else when


def is_realtime(clock: int) -> bool:
    """Tell whether deadlines on ``clock`` move when somebody sets the time."""
    return clock in _REAL or clock in (CLOCK_TAI, CLOCK_REALTIME_ALARM)


def is_device_clock(clock: int) -> bool:
    """Tell whether ``clock`` encodes a descriptor of a clock device (CLOCKFD), of which there are none."""
    return clock < 0 and clock & 7 == 3


def is_cpu_clock(clock: int) -> bool:
    """Tell whether ``clock`` counts CPU time."""
    return (clock < 0 and clock & 7 != 3) or clock in (CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID)


def to_monotonic(kernel: Kernel, clock: int, when: int) -> int:
    """Convert an absolute time of a wall or monotonic clock (ns) to monotonic ns, as the clocks stand now."""
    if clock in _MONO or clock == CLOCK_BOOTTIME_ALARM:
        return when
    offset = kernel.timekeeping.tai * NSEC_PER_SEC if clock == CLOCK_TAI else 0
    return when - offset - kernel.clock.realtime() + kernel.clock.monotonic()
