"""Timers and sleeps at the kernel's level: what setting the clock moves, overruns, CPU time, limits."""

from __future__ import annotations

import pytest
from misc_world import TimedWorld

from kernel import itimer, posix_timers
from kernel.clocks import (
    CLOCK_MONOTONIC,
    CLOCK_PROCESS_CPUTIME_ID,
    CLOCK_REALTIME,
    CPUCLOCK_PROF,
    NSEC_PER_SEC,
    cpu_clock_target,
    read_clock,
)
from kernel.cpu_timers import arm_cpu_limit, check_cpu_timers
from kernel.errno import Errno
from kernel.nanosleep import sleep
from kernel.posix_timers import SIGEV_SIGNAL, SigEvent
from kernel.rlimit import RLIM_INFINITY, RLIMIT_CPU, RLIMIT_SIGPENDING
from kernel.signal import SIGALRM, SIGKILL, SIGPROF, SIGUSR1, SIGVTALRM, SIGXCPU, SigInfo
from kernel.task import Process, Thread
from kernel.timeout import Timeout

MS = 1_000_000
HOUR = 3600 * NSEC_PER_SEC


@pytest.fixture
def world() -> TimedWorld:
    return TimedWorld()


@pytest.fixture
def t(world: TimedWorld) -> Thread:
    thread = world.process_with_memory()
    thread.blocked = (1 << 64) - 1  # signals stay pending, where they can be seen
    return thread


def pending(process: Process, signo: int) -> bool:
    return process.shared_pending.mask >> (signo - 1) & 1 == 1


def set_time(world: TimedWorld, change: int) -> None:
    world.kernel.timekeeping.set_realtime(world.kernel, world.clock.realtime() + change)


def test_an_absolute_sleep_follows_the_wall_clock(world: TimedWorld, t: Thread) -> None:
    timeout = Timeout(CLOCK_REALTIME, world.clock.realtime() + HOUR)
    world.wait(t, sleep(t, timeout, True, None))
    set_time(world, HOUR - MS)
    assert world.finish(t) is None
    world.pass_time(MS)
    assert world.finish(t) == 0


def test_a_relative_sleep_does_not(world: TimedWorld, t: Thread) -> None:
    world.wait(t, sleep(t, Timeout.after(world.kernel, HOUR), False, None))
    set_time(world, 10 * HOUR)
    assert not world.awake(t)


def test_an_interrupted_sleep_says_what_is_left_and_goes_on(world: TimedWorld, t: Thread) -> None:
    left: list[int] = []
    world.wait(t, sleep(t, Timeout.after(world.kernel, 10 * MS), False, left.append))
    world.pass_time(3 * MS)
    world.signal(t)
    assert world.finish(t) is Errno.ERESTART_RESTARTBLOCK
    assert left == [7 * MS]
    assert t.restart is not None
    world.wait(t, t.restart(t))  # type: ignore[arg-type]
    world.pass_time(7 * MS)
    assert world.finish(t) == 0


def test_a_sleep_beyond_all_time_has_no_deadline(world: TimedWorld, t: Thread) -> None:
    assert world.wait(t, sleep(t, Timeout.after(world.kernel, 1 << 63), False, None)).deadline is None


def make_timer(t: Thread, clock: int) -> posix_timers.PosixTimer:
    return posix_timers.create(t, clock, SigEvent(SIGEV_SIGNAL, SIGUSR1, 7))


def collect(t: Thread) -> SigInfo:
    return t.process.shared_pending.collect(SIGUSR1)


def test_an_absolute_timer_follows_the_wall_clock_and_a_relative_one_does_not(world: TimedWorld, t: Thread) -> None:
    absolute, relative = make_timer(t, CLOCK_REALTIME), make_timer(t, CLOCK_REALTIME)
    posix_timers.set_time(absolute, world.clock.realtime() + HOUR, 0, True)
    posix_timers.set_time(relative, HOUR, 0, False)
    set_time(world, HOUR)
    world.pass_time(1)
    assert pending(t.process, SIGUSR1)
    assert collect(t).timerid == absolute.number
    assert posix_timers.get_time(relative) == (HOUR - 1, 0)


def test_overruns_are_the_intervals_missed_while_the_signal_waited(world: TimedWorld, t: Thread) -> None:
    timer = make_timer(t, CLOCK_MONOTONIC)
    posix_timers.set_time(timer, 10 * MS, 10 * MS, False)
    world.pass_time(10 * MS)
    assert pending(t.process, SIGUSR1)
    world.pass_time(35 * MS)
    info = collect(t)
    assert (info.overrun, info.value, timer.overrun) == (3, 7, 3)
    assert posix_timers.get_time(timer)[0] == 5 * MS
    world.pass_time(5 * MS)
    assert collect(t).overrun == 0


def test_a_timer_may_exceed_no_limit_of_signals(t: Thread) -> None:
    t.process.rlimits.set(RLIMIT_SIGPENDING, 1, 1)
    first = make_timer(t, CLOCK_MONOTONIC)
    with pytest.raises(Errno.EAGAIN):
        make_timer(t, CLOCK_MONOTONIC)
    posix_timers.delete(first)
    assert make_timer(t, CLOCK_MONOTONIC).number == 1, "ids are not used twice"


def test_exec_deletes_posix_timers_and_keeps_interval_timers(world: TimedWorld, t: Thread) -> None:
    posix_timers.set_time(make_timer(t, CLOCK_MONOTONIC), MS, MS, False)
    itimer.set_itimer(t.process, itimer.ITIMER_REAL, 2 * MS, 0)
    world.pass_time(MS)
    posix_timers.exec_timers(t.process)
    assert not pending(t.process, SIGUSR1), "the queued signal goes with its timer"
    world.pass_time(MS)
    assert pending(t.process, SIGALRM)
    assert not t.process.posix_timers.timers


def test_exit_stops_everything(world: TimedWorld, t: Thread) -> None:
    make_timer(t, CLOCK_PROCESS_CPUTIME_ID)
    for which in range(3):
        itimer.set_itimer(t.process, which, MS, MS)
    posix_timers.exit_itimers(t.process)
    world.pass_time(HOUR)
    assert world.kernel.timers.next == world.kernel.timers.NEVER
    assert not t.process.cpu_timers


def test_cpu_timers_count_what_the_threads_used(world: TimedWorld, t: Thread) -> None:
    other = world.sibling(t)
    other.blocked = t.blocked
    itimer.set_itimer(t.process, itimer.ITIMER_VIRTUAL, 10 * MS, 0)
    itimer.set_itimer(t.process, itimer.ITIMER_PROF, 10 * MS, 10 * MS)
    t.times.utime = 6 * MS
    other.times.stime = 4 * MS
    check_cpu_timers(other)
    assert not pending(t.process, SIGVTALRM)
    assert pending(t.process, SIGPROF)
    assert itimer.get_itimer(t.process, itimer.ITIMER_PROF) == (10 * MS, 10 * MS)
    other.times.utime = 4 * MS
    check_cpu_timers(t)
    assert pending(t.process, SIGVTALRM)


def test_alarm_rounds_as_linux_does(world: TimedWorld, t: Thread) -> None:
    assert itimer.alarm(t.process, 10) == 0
    world.pass_time(9 * NSEC_PER_SEC + 900 * MS)
    assert itimer.alarm(t.process, 10) == 1, "never 0 while one runs"
    world.pass_time(NSEC_PER_SEC // 2)
    assert itimer.alarm(t.process, 10) == 10
    world.pass_time(NSEC_PER_SEC // 2 + 1)
    assert itimer.alarm(t.process, 0) == 9
    assert itimer.alarm(t.process, 0) == 0


def test_the_cpu_limit_warns_every_second_and_then_kills(t: Thread) -> None:
    t.blocked = 1 << (SIGXCPU - 1)
    process = t.process
    process.rlimits.set(RLIMIT_CPU, 1, 3)
    arm_cpu_limit(process)
    arm_cpu_limit(process)
    assert len(process.cpu_timers) == 1
    t.times.utime = NSEC_PER_SEC - 1
    check_cpu_timers(t)
    assert not pending(process, SIGXCPU)
    for second in (1, 2):
        t.times.utime = second * NSEC_PER_SEC
        check_cpu_timers(t)
        assert pending(process, SIGXCPU)
        assert process.rlimits.soft(RLIMIT_CPU) == second + 1
        process.shared_pending.clear()
    t.times.utime = 3 * NSEC_PER_SEC
    check_cpu_timers(t)
    assert process.group_exit
    assert process.group_exit_code == SIGKILL


def test_an_unlimited_process_has_no_marker(t: Thread) -> None:
    assert t.process.rlimits.soft(RLIMIT_CPU) == RLIM_INFINITY
    arm_cpu_limit(t.process)
    assert not t.process.cpu_timers


def test_clock_ids_of_others(world: TimedWorld, t: Thread) -> None:
    stranger, sibling = world.process_with_memory(), world.sibling(t)
    stranger.times.utime, sibling.times.stime = 5, 7

    def clock_of(number: int, per_thread: bool) -> int:
        return ~number << 3 | (4 if per_thread else 0) | CPUCLOCK_PROF

    assert read_clock(t, clock_of(stranger.tid, False)) == 5
    assert read_clock(t, clock_of(sibling.tid, True)) == 7
    assert read_clock(t, clock_of(t.tid, False)) == 7
    for bad in (clock_of(stranger.tid, True), clock_of(999, False), clock_of(999, True), 77):
        with pytest.raises(Errno.EINVAL):
            read_clock(t, bad)
    with pytest.raises(Errno.EINVAL):
        cpu_clock_target(sibling, clock_of(sibling.tid, False))
    assert read_clock(sibling, clock_of(sibling.tid, False)) == 7, "reading one's own process by one's tid is allowed"
