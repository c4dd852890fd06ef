"""The OOM killer (mm/oom_kill.c): when memory is used up and nothing can be reclaimed, one process is sacrificed.

The victim is the process with the highest *badness*: pages it has, plus its page tables, plus ``oom_score_adj`` thousandths of
all memory.  It is killed together with every other process that shares its memory, and its pages are taken at once
(``oom_reaper``), because it may be a while until it gets to run and exit; it never returns to user mode, so nobody
misses them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from kernel.mm.usage import resident, table_pages

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from kernel.mm.memory import Memory
    from kernel.task import Process

OOM_SCORE_ADJ_MIN = -1000
"""Never to be killed."""
OOM_SCORE_ADJ_MAX = 1000


def memory_of(process: Process) -> AddressSpace | None:
    """Return the address space of a process, None if no thread has one any more."""
    for thread in process.threads:
        if thread.mm is not None:
            return thread.mm
    return None


def badness(process: Process, total: int) -> int | None:
    """Return the points of a process in pages, None if it must not be killed (``oom_badness``).

    ``total``: pages of the machine.
    """
    mm = memory_of(process)
    if mm is None or mm.oom_reaped or process.oom_score_adj == OOM_SCORE_ADJ_MIN:
        return None
    # A vfork child uses its parent's memory: the parent is the one to look at.
    if any(thread.vfork_done is not None for thread in process.threads):
        return None
    return sum(resident(mm)) + table_pages(mm) + process.oom_score_adj * total // 1000


def reap(mm: AddressSpace) -> None:
    """Take the pages of a dying address space (``__oom_reap_task_mm``).

    All of them: dropping whole tables needs no memory, and what is shared lives on in its cache.
    """
    mm.oom_reaped = True
    mm.update_hiwater()
    mm.tables.unmap(0, 1 << 47)
    mm.forget_all()


class OomKiller:
    """Chooses victims among ``processes()``, kills with ``kill(process)`` and says so with ``log(line)``.

    ``dying()`` tells whether the task that asks for memory has been killed already: then it must do without and end, before
    another victim is chosen (``task_will_free_mem``).  Called by ``Memory`` as last resort; returns whether memory was freed.
    """

    __slots__ = ("memory", "processes", "kill", "log", "dying")

    def __init__(
        self,
        memory: Memory,
        processes: Callable[[], Iterable[Process]],
        kill: Callable[[Process], None],
        log: Callable[[str], None],
        dying: Callable[[], bool] = lambda: False,
    ) -> None:
        self.memory = memory
        self.processes = processes
        self.kill = kill
        self.log = log
        self.dying = dying

    def __call__(self) -> bool:
        if self.dying():
            return False
        before = self.memory.free
        victim = self._choose()
        if victim is None:
            return False
        mm = memory_of(victim)
        assert mm is not None
        self._report(victim, mm)
        for process in list(self.processes()):
            if any(thread.mm is mm for thread in process.threads):
                self.kill(process)
        reap(mm)
        return self.memory.free > before

    def _choose(self) -> Process | None:
        """Return the process with the most points, the first of equals (``select_bad_process``)."""
        best: Process | None = None
        most = 0
        for process in self.processes():
            points = badness(process, self.memory.total)
            if points is not None and (best is None or points > most):
                best, most = process, points
        return best

    def _report(self, victim: Process, mm: AddressSpace) -> None:
        anonymous, file, shmem = resident(mm)
        name = victim.rep.comm.decode(errors="replace")
        self.log(
            f"Out of memory: Killed process {victim.tgid} ({name}) total-vm:{mm.total_vm * 4}kB, anon-rss:{anonymous * 4}kB, "
            f"file-rss:{file * 4}kB, shmem-rss:{shmem * 4}kB, UID:{victim.rep.cred.uid} pgtables:{table_pages(mm) * 4}kB "
            f"oom_score_adj:{victim.oom_score_adj}"
        )
