"""Scheduling attributes of a thread (sched(7)): policy, priority, nice value, affinity.

The machine has one processor and serves everybody round robin, so these values order nothing; they are kept, checked and
inherited as programs expect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.errno import Errno

if TYPE_CHECKING:
    from kernel.kernel import Kernel

SCHED_NORMAL = 0
SCHED_FIFO = 1
SCHED_RR = 2
SCHED_BATCH = 3
SCHED_IDLE = 5
SCHED_DEADLINE = 6
SCHED_EXT = 7
SCHED_RESET_ON_FORK = 0x40000000

FLAG_RESET_ON_FORK = 0x01
FLAG_RECLAIM = 0x02
FLAG_DL_OVERRUN = 0x04
FLAG_KEEP_POLICY = 0x08
FLAG_KEEP_PARAMS = 0x10
FLAG_UTIL_CLAMP_MIN = 0x20
FLAG_UTIL_CLAMP_MAX = 0x40
FLAG_ALL = 0x7F

MAX_RT_PRIO = 99
RR_INTERVAL = 100_000_000
"""sched_rr_timeslice in ns."""
BASE_SLICE = 2_800_000
"""What sched_rr_get_interval shows for the fair policies: base_slice of one CPU, in ns."""
CPUS = 1
CPU_MASK = (1 << CPUS) - 1


class SchedParams:
    """One thread's attributes.  ``nice`` -20..19; ``priority`` is the real-time one, 0 for the fair policies; ``affinity``
    is a CPU bitmask; ``runtime``, ``deadline``, ``period`` (ns) belong to SCHED_DEADLINE."""

    __slots__ = ("affinity", "deadline", "nice", "period", "policy", "priority", "reset_on_fork", "runtime")

    def __init__(self) -> None:
        self.policy = SCHED_NORMAL
        self.priority = 0
        self.nice = 0
        self.reset_on_fork = False
        self.affinity = CPU_MASK
        self.runtime = 0
        self.deadline = 0
        self.period = 0

    def fork(self, kernel: Kernel) -> SchedParams:
        """Return what a child starts with (sched_fork).

        After SCHED_RESET_ON_FORK real-time becomes SCHED_OTHER and a negative nice value 0.  A SCHED_DEADLINE thread
        without it cannot fork: EAGAIN.
        """
        child = SchedParams()
        child.affinity = self.affinity
        child.nice = self.nice
        if self.reset_on_fork:
            if self.policy in (SCHED_FIFO, SCHED_RR, SCHED_DEADLINE):
                child.nice = 0
            elif self.nice < 0:
                child.nice = 0
                child.policy = self.policy
            else:
                child.policy = self.policy
            return child
        if self.policy == SCHED_DEADLINE:
            raise Errno.EAGAIN
        child.policy = self.policy
        child.priority = self.priority
        return child
