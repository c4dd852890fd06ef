"""Times in user memory: timespec, timeval and their interval pairs, as nanoseconds."""

from __future__ import annotations

from kernel.clocks import KTIME_MAX, NSEC_PER_SEC
from kernel.errno import Errno
from kernel.task import Thread
from syscalls.structs import ITIMERSPEC, TIMESPEC, TIMEVAL


def _to_ns(seconds: int, fraction: int, unit: int) -> int:
    """Return ns; EINVAL unless seconds >= 0 and the fraction is below a second of ``unit`` parts (timespec64_valid)."""
    if seconds < 0 or not 0 <= fraction < unit:
        raise Errno.EINVAL
    return min(seconds * NSEC_PER_SEC + fraction * (NSEC_PER_SEC // unit), KTIME_MAX)


def timespec_ns(t: Thread, address: int) -> int:
    """Read a ``struct timespec``.  EFAULT, EINVAL."""
    assert t.mm is not None
    seconds, nanoseconds = TIMESPEC.read(t.mm, address)
    return _to_ns(seconds, nanoseconds, NSEC_PER_SEC)


def itimerspec_ns(t: Thread, address: int) -> tuple[int, int]:
    """Read a ``struct itimerspec``; return (value, interval).  EFAULT, EINVAL."""
    assert t.mm is not None
    interval_sec, interval_nsec, value_sec, value_nsec = ITIMERSPEC.read(t.mm, address)
    return _to_ns(value_sec, value_nsec, NSEC_PER_SEC), _to_ns(interval_sec, interval_nsec, NSEC_PER_SEC)


def itimerval_ns(t: Thread, address: int) -> tuple[int, int]:
    """Read a ``struct itimerval``; return (value, interval).  EFAULT, EINVAL."""
    assert t.mm is not None
    interval_sec, interval_usec, value_sec, value_usec = ITIMERSPEC.read(t.mm, address)
    return _to_ns(value_sec, value_usec, 1_000_000), _to_ns(interval_sec, interval_usec, 1_000_000)


def write_timespec(t: Thread, address: int, ns: int) -> None:
    """Store ns as a ``struct timespec``.  EFAULT."""
    assert t.mm is not None
    TIMESPEC.write(t.mm, address, *divmod(ns, NSEC_PER_SEC))


def write_timeval(t: Thread, address: int, ns: int) -> None:
    """Store ns, rounded down, as a ``struct timeval``.  EFAULT."""
    assert t.mm is not None
    seconds, rest = divmod(ns, NSEC_PER_SEC)
    TIMEVAL.write(t.mm, address, seconds, rest // 1000)


def write_itimerspec(t: Thread, address: int, value: int, interval: int) -> None:
    """Store a ``struct itimerspec``.  EFAULT."""
    assert t.mm is not None
    ITIMERSPEC.write(t.mm, address, *divmod(interval, NSEC_PER_SEC), *divmod(value, NSEC_PER_SEC))


def write_itimerval(t: Thread, address: int, value: int, interval: int) -> None:
    """Store a ``struct itimerval``.  EFAULT."""
    assert t.mm is not None
    interval_sec, interval_rest = divmod(interval, NSEC_PER_SEC)
    value_sec, value_rest = divmod(value, NSEC_PER_SEC)
    ITIMERSPEC.write(t.mm, address, interval_sec, interval_rest // 1000, value_sec, value_rest // 1000)
