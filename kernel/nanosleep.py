"""Sleeping for a time (nanosleep(2), clock_nanosleep(2)).

A relative sleep interrupted by a handler returns EINTR and says what is left; interrupted by a stop it goes on where it
was, which is what the restart block is for: the continued call keeps the first deadline.  An absolute sleep is simply
started again (ERESTARTNOHAND).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel.clocks import cpu_clock_target, read_cpu_clock
from kernel.cpu_timers import CpuTimer
from kernel.errno import Errno
from kernel.waitqueue import Block, Blocking, WaitQueue, Wakeup

if TYPE_CHECKING:
    from kernel.task import Process, Thread
    from kernel.timeout import Timeout

Report = Callable[[int], None]
"""Stores the ns left of an interrupted relative sleep; may raise EFAULT."""


def sleep(t: Thread, timeout: Timeout, absolute: bool, report: Report | None) -> Blocking[int]:
    """Sleep until ``timeout`` (hrtimer_nanosleep).  ``report`` is None if the caller does not want to know what is left."""
    while True:
        deadline = timeout.deadline(t.kernel)
        if deadline is not None and deadline <= t.kernel.clock.monotonic():
            return 0
        reason = yield timeout.block(t.kernel, "hrtimer_nanosleep")
        if reason is Wakeup.TIMEOUT:
            return 0
        if reason is Wakeup.EVENT:
            continue
        if absolute:
            raise Errno.ERESTARTNOHAND
        left = timeout.when - t.kernel.clock.monotonic()
        if left <= 0:
            return 0
        if report is not None:
            report(left)
        t.restart = lambda thread: sleep(thread, timeout, False, report)
        raise Errno.ERESTART_RESTARTBLOCK


def sleep_cpu(t: Thread, clock: int, when: int, absolute: bool, report: Report | None) -> Blocking[int]:
    """Sleep until a CPU clock reads ``when`` ns, or has advanced by ``when`` (posix_cpu_nsleep).

    EINVAL for the caller's own thread clock, which stands still while it sleeps.
    """
    process, thread, which = cpu_clock_target(t, clock)
    if thread is t:
        raise Errno.EINVAL
    expires = when if absolute else when + read_cpu_clock(process, thread, which)
    return _sleep_cpu(t, process, thread, which, expires, absolute, report)


def _sleep_cpu(
    t: Thread,
    process: Process | None,
    thread: Thread | None,
    which: int,
    expires: int,
    absolute: bool,
    report: Report | None,
) -> Blocking[int]:
    queue = WaitQueue()
    timer = CpuTimer(process, thread, which, expires, queue.wake_all)
    while timer.sample() < expires:
        timer.arm()
        reason = yield Block("do_cpu_nanosleep", queue, who=lambda t: "CPU time of the process it measures")
        if reason is Wakeup.EVENT:
            continue
        timer.cancel()
        if absolute:
            raise Errno.ERESTARTNOHAND
        if report is not None:
            report(max(expires - timer.sample(), 0))
        t.restart = lambda caller: _sleep_cpu(caller, process, thread, which, expires, False, report)
        raise Errno.ERESTART_RESTARTBLOCK
    return 0
