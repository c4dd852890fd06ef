"""The three interval timers of a process (setitimer(2)): real time, user CPU time, and user plus system CPU time.

They belong to the process: fork does not copy them, execve keeps them, and the signal goes to the process.  An interval
of ITIMER_REAL goes on when its SIGALRM has been taken, so a short one whose signal is blocked or ignored costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel.clocks import CPUCLOCK_PROF, CPUCLOCK_VIRT, KTIME_MAX
from kernel.cpu_timers import CpuTimer
from kernel.signal import SIGALRM, SIGPROF, SIGVTALRM
from kernel.signal_send import send_sig

if TYPE_CHECKING:
    from kernel.task import Process
    from kernel.timers import Timer

ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF = range(3)

_CPU = {ITIMER_VIRTUAL: (CPUCLOCK_VIRT, SIGVTALRM), ITIMER_PROF: (CPUCLOCK_PROF, SIGPROF)}


class ItimerSet:
    """``real`` is the armed kernel timer of ITIMER_REAL, ``cpu`` the armed CPU timers by kind, ``interval`` the reload
    value in ns of each kind, ``restart`` what starts ITIMER_REAL again when SIGALRM is taken (posixtimer_rearm_itimer)."""

    __slots__ = ("cpu", "interval", "real", "restart")

    def __init__(self) -> None:
        self.real: Timer | None = None
        self.restart: Callable[[], None] | None = None
        self.cpu: dict[int, CpuTimer] = {}
        self.interval = [0, 0, 0]


def get_itimer(process: Process, which: int) -> tuple[int, int]:
    """Return (ns left, interval in ns); (0, interval) when it is not running."""
    timers = process.itimers
    interval = timers.interval[which]
    if which == ITIMER_REAL:
        if timers.real is None:
            return 0, interval
        # "about to fire": never show 0 for a running timer (itimer_get_remtime).
        return max(timers.real.deadline - process.kernel.clock.monotonic(), 1000), interval
    timer = timers.cpu.get(which)
    return (0, interval) if timer is None else (max(timer.expires - timer.sample(), 1000), interval)


def set_itimer(process: Process, which: int, value: int, interval: int) -> tuple[int, int]:
    """Start (``value`` ns from now) or stop (0) a timer; return the old (ns left, interval)."""
    timers, old = process.itimers, get_itimer(process, which)
    # Only ITIMER_REAL forgets the interval of a stopped timer (do_setitimer, set_cpu_itimer).
    timers.interval[which] = interval if value or which != ITIMER_REAL else 0
    if which == ITIMER_REAL:
        if timers.real is not None:
            process.kernel.timers.cancel(timers.real)
            timers.real = None
        timers.restart = None
        if value:
            _arm_real(process, process.kernel.clock.monotonic() + value)
        return old
    running = timers.cpu.pop(which, None)
    if running is not None:
        running.cancel()
    if value:
        clock = _CPU[which][0]
        timer = CpuTimer(process, None, clock, 0, lambda: _cpu_expired(process, which))
        timer.expires = timer.sample() + value
        timers.cpu[which] = timer
        timer.arm()
    return old


def _arm_real(process: Process, deadline: int) -> None:
    deadline = min(deadline, KTIME_MAX)
    process.itimers.real = process.kernel.timers.add(deadline, lambda: _real_expired(process, deadline))


def _real_expired(process: Process, deadline: int) -> None:
    timers = process.itimers
    timers.real = None
    if not process.live:
        return
    if timers.interval[ITIMER_REAL]:
        timers.restart = lambda: _restart_real(process, deadline)
    send_sig(process, SIGALRM)


def _restart_real(process: Process, deadline: int) -> None:
    """Arm the next expiration that is not yet over (hrtimer_forward)."""
    timers = process.itimers
    timers.restart = None
    interval = timers.interval[ITIMER_REAL]
    late = process.kernel.clock.monotonic() - deadline
    _arm_real(process, deadline + (late // interval + 1) * interval)


def _cpu_expired(process: Process, which: int) -> None:
    timers = process.itimers
    timer = timers.cpu.pop(which)
    interval = timers.interval[which]
    if interval:
        timer.expires += ((timer.sample() - timer.expires) // interval + 1) * interval
        timers.cpu[which] = timer
        timer.process.cpu_timers.append(timer)
    send_sig(process, _CPU[which][1])


def cancel_itimers(process: Process) -> None:
    """Stop all three for good (the process exits)."""
    timers = process.itimers
    if timers.real is not None:
        process.kernel.timers.cancel(timers.real)
        timers.real = None
    timers.restart = None
    for timer in timers.cpu.values():
        timer.cancel()
    timers.cpu.clear()


def alarm(process: Process, seconds: int) -> int:
    """Set ITIMER_REAL in whole seconds, 0 stops it; return the seconds the old one had left.

    Any remainder counts as a second when nothing else is left, else half a second rounds up (alarm_setitimer).
    """
    left, _ = set_itimer(process, ITIMER_REAL, min(seconds, 0x7FFFFFFF) * 1_000_000_000, 0)
    whole, rest = divmod(left, 1_000_000_000)
    return whole + 1 if (rest and not whole) or rest >= 500_000_000 else whole
