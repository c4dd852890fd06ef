"""Resource limits of a process (getrlimit(2)).

The limits belong to the process and stay readable as long as anything refers to it, so prlimit(2) of a process whose
threads are on their way out needs no lock and gives no ESRCH.
"""

from __future__ import annotations

RLIMIT_CPU = 0
RLIMIT_FSIZE = 1
RLIMIT_DATA = 2
RLIMIT_STACK = 3
RLIMIT_CORE = 4
RLIMIT_RSS = 5
RLIMIT_NPROC = 6
RLIMIT_NOFILE = 7
RLIMIT_MEMLOCK = 8
RLIMIT_AS = 9
RLIMIT_LOCKS = 10
RLIMIT_SIGPENDING = 11
RLIMIT_MSGQUEUE = 12
RLIMIT_NICE = 13
RLIMIT_RTPRIO = 14
RLIMIT_RTTIME = 15
RLIM_NLIMITS = 16

RLIM_INFINITY = (1 << 64) - 1
NR_OPEN = 1048576
"""/proc/sys/fs/nr_open: the most RLIMIT_NOFILE may be raised to."""

DEFAULT_TASKS = 16384
"""RLIMIT_NPROC and RLIMIT_SIGPENDING at boot: half of threads-max."""


def _login_limits() -> list[list[int]]:
    limits = [[RLIM_INFINITY, RLIM_INFINITY] for _ in range(RLIM_NLIMITS)]
    limits[RLIMIT_STACK] = [8 << 20, RLIM_INFINITY]
    limits[RLIMIT_CORE] = [0, RLIM_INFINITY]
    limits[RLIMIT_NPROC] = [DEFAULT_TASKS, DEFAULT_TASKS]
    limits[RLIMIT_NOFILE] = [1024, NR_OPEN]
    limits[RLIMIT_MEMLOCK] = [8 << 20, 8 << 20]
    limits[RLIMIT_SIGPENDING] = [DEFAULT_TASKS, DEFAULT_TASKS]
    limits[RLIMIT_MSGQUEUE] = [819200, 819200]
    limits[RLIMIT_NICE] = [0, 0]
    limits[RLIMIT_RTPRIO] = [0, 0]
    return limits


class Rlimits:
    """The 16 limits of one process as [soft, hard] pairs, indexed by RLIMIT_*; RLIM_INFINITY is no limit."""

    __slots__ = ("limits",)

    def __init__(self, limits: list[list[int]] | None = None) -> None:
        """Without ``limits``: what a login shell of Debian has."""
        self.limits = limits if limits is not None else _login_limits()

    def soft(self, resource: int) -> int:
        """Return the limit that is enforced (``rlimit()``)."""
        return self.limits[resource][0]

    def hard(self, resource: int) -> int:
        """Return the ceiling of the soft limit (``rlimit_max()``)."""
        return self.limits[resource][1]

    def set(self, resource: int, soft: int, hard: int) -> None:
        """Set both values; the caller has checked them."""
        self.limits[resource] = [soft, hard]

    def copy(self) -> Rlimits:
        """Return an independent copy (fork)."""
        return Rlimits([pair[:] for pair in self.limits])
