"""The kernel of one machine: what all its tasks share.

Everything a system call can reach hangs off this object, which every thread carries as ``t.kernel``; there is no other
global state.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kernel.semantics import Semantics

if TYPE_CHECKING:
    from kernel.fs.mount import MountNamespace
    from kernel.futex import FutexTable
    from kernel.hardware import Clock, Cpu, Frames
    from kernel.pid import PidNamespace
    from kernel.sched import Scheduler
    from kernel.timers import TimerQueue
    from kernel.tty import Tty


@dataclass(frozen=True, slots=True)
class Options:
    """What the user of a machine may choose.

    ``max_procs``: most tasks alive at once (threads-max), fork fails with EAGAIN beyond.  ``slice_blocks``: length of a
    time slice in basic blocks.  ``seed``: all randomness.
    """

    seed: int = 0
    max_procs: int = 32768
    slice_blocks: int = 100_000
    semantics: Semantics = Semantics()
    aslr: bool = False
