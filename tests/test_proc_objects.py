"""/proc keeps nothing of processes that are gone: walking it a thousand times while processes come and go leaves the kernel with
exactly as many objects as before.

Set up: a shell walks /proc with find beside a process that ends meanwhile, then changes its directory; at that call all objects
of the project's classes are counted, by class.
"""

from __future__ import annotations

import gc
import shutil
from collections import Counter

import pytest

import tgid
from kernel.kernel import Watch
from kernel.task import Thread

CHDIR = 80
OURS = ("kernel", "syscalls", "loader", "emu.paging")
"""The kernel's objects; engines are the machine's, which takes another when that makes it faster."""


class Census(Watch):
    """Counts objects at every chdir(2): ``counts`` has one Counter per call."""

    def __init__(self, at: set[int]) -> None:
        self.at = at
        self.calls = 0
        self.counts: list[Counter[str]] = []

    def syscall_exit(self, t: Thread, number: int, args: tuple[int, ...], result: object) -> None:
        """Count if it is time."""
        if number != CHDIR:
            return
        self.calls += 1
        if self.calls in self.at:
            gc.collect()
            kinds = [type(thing) for thing in gc.get_objects()]
            self.counts.append(Counter(f"{k.__module__}.{k.__name__}" for k in kinds if k.__module__.startswith(OURS)))


def census(rounds: int, script: str) -> list[Counter[str]]:
    """Run ``script`` that often and count after the third round and after the last."""
    watch = Census({3, rounds})
    loop = f"i=0; while [ $i -lt {rounds} ]; do {script}; cd /tmp; i=$((i+1)); done 2>/dev/null"
    result = tgid.run(["/bin/busybox", "sh", "-c", loop], watch=watch, timeout=600)
    assert result.status == 0, result.stderr
    assert not result.leaks
    assert len(watch.counts) == 2
    return watch.counts


WALK = "sleep 0.001 & busybox find /proc >/dev/null; wait"
HOLD = "sleep 0.01 & exec 3</proc/$!/stat 4</proc/$!/status 5</proc/$!/; wait; cat <&3 >/dev/null; exec 3<&- 4<&- 5<&-"
READ = (
    "sleep 0.01 & for f in stat status maps smaps fd/0 fdinfo/0 environ cmdline ns/pid task/$!/stat map_files io; "
    "do cat /proc/$!/$f >/dev/null; done; readlink /proc/$!/exe /proc/$!/cwd /proc/$!/fd/0 > /dev/null; wait"
)


pytestmark = pytest.mark.skipif(not shutil.which("busybox"), reason="no busybox here")


@pytest.mark.parametrize(("rounds", "script"), [(25, WALK), (60, HOLD), (20, READ)], ids=["walk", "hold", "read"])
def test_nothing_is_left(rounds: int, script: str) -> None:
    before, after = census(rounds, script)
    assert after == before


@pytest.mark.slow
def test_nothing_is_left_of_a_thousand_walks() -> None:
    before, after = census(1000, WALK)
    assert after == before
