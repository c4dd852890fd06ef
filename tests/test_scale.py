"""Many processes and threads: they work, cost little, and leave nothing behind; and hogs are contained.

The guest programs print what they saw; what the host pays is measured on the machine object: frames of guest memory (what
the page tables, stacks and copied pages of tasks take) while the tasks are alive.
"""

from __future__ import annotations

import resource

import pytest

import tgid
from guest import build
from kernel.kernel import Watch
from kernel.task import Thread

ENV = {"PATH": "/usr/bin:/bin"}


def program(name: str) -> str:
    """Return the path of a built guest program."""
    try:
        return str(build.build(name, "musl"))
    except build.BuildError as error:
        pytest.skip(str(error))


class PeakWatch(Watch):
    """Notes how many tasks and frames were in use when most tasks were alive, and how many frames before the first child."""

    def __init__(self) -> None:
        self.first_frames = 0
        self.tasks = 0
        self.frames = 0

    def syscall_exit(self, t: Thread, number: int, args: tuple[int, ...], result: object) -> None:
        memory = t.kernel.memory
        used = memory.total - memory.free
        if max(t.kernel.tasks, self.tasks) <= 3:  # the program alone, before its first child
            self.first_frames = used
        self.tasks, self.frames = max((self.tasks, self.frames), (t.kernel.tasks, used))


@pytest.mark.slow
def test_ten_thousand_forks() -> None:
    result = tgid.run([program("many_forks"), "10000"])
    assert result.stdout == b"10000 of 10000 children came and went\nwait(NULL) = -1 ECHILD\n"
    assert (result.status, result.leaks) == (0, {})


@pytest.mark.slow
def test_a_thousand_live_processes_and_their_memory() -> None:
    watch = PeakWatch()
    result = tgid.run([program("live_processes"), "1000"], watch=watch)
    assert b"1000 processes alive\n" in result.stdout
    assert (result.status, result.leaks) == (0, {})
    assert watch.tasks == 1003
    each = (watch.frames - watch.first_frames) * 4096 / 1000
    print(f"guest memory of an idle process: {each / 1024:.1f} KiB")
    assert each <= 64 * 1024


@pytest.mark.slow
def test_two_thousand_live_threads_and_their_memory() -> None:
    watch = PeakWatch()
    result = tgid.run([program("many_threads"), "2000"], watch=watch)
    assert b"2000 threads alive\n" in result.stdout
    assert (result.status, result.leaks) == (0, {})
    assert watch.tasks >= 2003
    each = (watch.frames - watch.first_frames) * 4096 / 2000
    print(f"guest memory of an idle thread: {each / 1024:.1f} KiB")
    assert each <= 24 * 1024


def test_host_memory_does_not_grow_with_processes_that_came_and_went() -> None:
    """The peak of the host process after 3,000 forks is that after 300, give or take a little fragmentation."""
    path = program("many_forks")
    tgid.run([path, "300"])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tgid.run([path, "3000"])
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 8 * 1024, f"{after - before} KiB more"


# -- hogs -------------------------------------------------------------------------------------------------------------
def test_a_fork_bomb_is_contained() -> None:
    result = tgid.run([program("fork_bomb")], max_procs=60, timeout=3)
    assert result.status == 124
    assert any("60 tasks alive" in line for line in result.log)
    assert any("--timeout" in line for line in result.log)


def test_a_thread_bomb_is_contained() -> None:
    result = tgid.run([program("thread_bomb")], max_procs=100, timeout=3)
    assert any("100 tasks alive" in line for line in result.log)
    assert result.status in (0, 1, 124)


def test_a_memory_hog_meets_the_oom_killer() -> None:
    result = tgid.run([program("memory_hog")], memory=64 << 20, timeout=60)
    assert result.status == 137
    assert any(line.startswith("Out of memory: Killed process") for line in result.log)
    assert result.leaks == {}


def test_the_oom_killer_spares_the_shell() -> None:
    """The largest process is the victim; its parent sees SIGKILL and goes on."""
    script = f"{program('memory_hog')}; echo status $?; echo still here"
    result = tgid.run(["/bin/busybox", "sh", "-c", script], memory=64 << 20, env=ENV)
    if result.status == 127:
        pytest.skip("no busybox")
    assert b"status 137\nstill here\n" in result.stdout


def test_an_endless_loop_ends_at_the_timeout() -> None:
    result = tgid.run([program("endless_loop")], timeout=1)
    assert result.status == 124
    assert any("--timeout" in line for line in result.log)


def test_a_deadlock_is_reported_with_the_wait_graph() -> None:
    """Three processes that wait for each other, two through pipes of which they hold the writers themselves."""
    result = tgid.run([program("deadlock")])
    assert result.status == 125
    text = "\n".join(result.log)
    assert "blocked for ever" in text
    assert "deadlock[3]: in wait4, waits in do_wait" in text
    assert "deadlock[4]: in read, waits in pipe_read" in text
    assert "deadlock[5]: in read, waits in pipe_read" in text
