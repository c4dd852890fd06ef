"""Timers on CPU time, and RLIMIT_CPU (kernel/time/posix-cpu-timers.c).

Time spent is known exactly when a thread leaves user mode, so that is where these timers are looked at: the run loop
calls ``check_cpu_timers`` after charging a thread whose process has any.  ``Process.cpu_timers`` holds the armed ones, of
the process's own clocks and of its threads', whoever armed them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel.clocks import CPUCLOCK_PROF, NSEC_PER_SEC, read_cpu_clock
from kernel.rlimit import RLIM_INFINITY, RLIMIT_CPU
from kernel.signal import SIGKILL, SIGXCPU
from kernel.signal_send import send_sig

if TYPE_CHECKING:
    from kernel.task import Process, Thread


class CpuTimer:
    """One armed timer: ``callback`` is called once when the CPU clock (process or thread, ``which``) reads ``expires`` ns."""

    __slots__ = ("callback", "expires", "process", "thread", "which")

    def __init__(
        self, process: Process | None, thread: Thread | None, which: int, expires: int, callback: Callable[[], object]
    ) -> None:
        self.process = process if process is not None else thread.process  # type: ignore[union-attr]
        self.thread = thread
        self.which = which
        self.expires = expires
        self.callback = callback

    def sample(self) -> int:
        """Return what its clock reads now, in ns."""
        return read_cpu_clock(self.process, self.thread, self.which)

    def arm(self) -> None:
        """Start it; a deadline in the past fires at once."""
        if self.sample() >= self.expires:
            self.callback()
        else:
            self.process.cpu_timers.append(self)

    def cancel(self) -> None:
        """Stop it (no error if it fired)."""
        if self in self.process.cpu_timers:
            self.process.cpu_timers.remove(self)


class CpuLimit:
    """The marker in ``Process.cpu_timers`` that says RLIMIT_CPU is finite."""

    __slots__ = ()


_LIMIT = CpuLimit()


def arm_cpu_limit(process: Process) -> None:
    """Enforce RLIMIT_CPU from now on, if the process has one (fork, setrlimit)."""
    if process.rlimits.soft(RLIMIT_CPU) != RLIM_INFINITY and _LIMIT not in process.cpu_timers:
        process.cpu_timers.append(_LIMIT)


def check_cpu_timers(t: Thread) -> None:
    """Fire what ``t`` has run into: timers of its own clock and of its process's, and the CPU limit."""
    process = t.process
    for entry in list(process.cpu_timers):
        if entry is _LIMIT:
            _check_limit(process)
        elif isinstance(entry, CpuTimer) and entry.thread in (None, t) and entry.sample() >= entry.expires:
            process.cpu_timers.remove(entry)
            entry.callback()


def _check_limit(process: Process) -> None:
    """SIGXCPU at the soft limit and every second from there, SIGKILL at the hard one (check_process_timers).

    Each SIGXCPU moves the soft limit up by a second, which getrlimit(2) shows.
    """
    soft, hard = process.rlimits.soft(RLIMIT_CPU), process.rlimits.hard(RLIMIT_CPU)
    if soft == RLIM_INFINITY:
        process.cpu_timers.remove(_LIMIT)
        return
    used = read_cpu_clock(process, None, CPUCLOCK_PROF)
    if hard != RLIM_INFINITY and used >= hard * NSEC_PER_SEC:
        process.cpu_timers.remove(_LIMIT)
        send_sig(process, SIGKILL)
    elif used >= soft * NSEC_PER_SEC:
        process.rlimits.set(RLIMIT_CPU, soft + 1, hard)
        send_sig(process, SIGXCPU)


