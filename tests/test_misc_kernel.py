"""Restartable sequences, scheduling attributes, limits and barriers at the kernel's level."""

from __future__ import annotations

import struct

import pytest
from misc_world import WORD, Memory, TimedWorld

from kernel import rseq, sched_change
from kernel.cred import Cred
from kernel.errno import Errno
from kernel.membarrier import CMD_PRIVATE_EXPEDITED, CMD_QUERY, CMD_REGISTER_PRIVATE_EXPEDITED, membarrier
from kernel.rlimit import RLIM_INFINITY, RLIMIT_NICE, RLIMIT_NOFILE, RLIMIT_RTPRIO, Rlimits
from kernel.sched_params import SCHED_DEADLINE, SCHED_FIFO, SCHED_IDLE, SCHED_NORMAL, SCHED_RR, SchedParams
from kernel.signal import SIGSEGV
from kernel.task import Thread
from kernel.utsname import RELEASE, UtsNamespace

AREA = WORD & ~31
DESCRIPTOR = AREA + 64
SIGNATURE = 0x53053053
START, LENGTH, ABORT = 0x401000, 0x20, 0x402000


@pytest.fixture
def world() -> TimedWorld:
    return TimedWorld()


@pytest.fixture
def t(world: TimedWorld) -> Thread:
    return world.process_with_memory()


class CodeMemory(Memory):
    """Memory that also has the signature before ABORT."""

    def read_u32(self, address: int) -> int:
        return SIGNATURE if address == ABORT - 4 else super().read_u32(address)


def enter_section(t: Thread, rip: int, version: int = 0, start: int = START, length: int = LENGTH, abort: int = ABORT) -> None:
    t.mm = CodeMemory()  # type: ignore[assignment]
    assert t.mm is not None
    t.rseq = (0, 0, 0)
    rseq.register(t, AREA, 32, 0, SIGNATURE)
    t.mm.write(DESCRIPTOR, struct.pack("<IIQQQ", version, 0, start, length, abort))
    t.mm.write_u64(AREA + 8, DESCRIPTOR)
    t.cpu.rip = rip


@pytest.mark.parametrize(
    ("rip", "after"),
    [(START - 1, START - 1), (START, ABORT), (START + LENGTH - 1, ABORT), (START + LENGTH, START + LENGTH)],
)
def test_only_inside_the_section_it_is_aborted(t: Thread, rip: int, after: int) -> None:
    enter_section(t, rip)
    rseq.fix_up(t)
    assert t.cpu.rip == after
    assert t.mm is not None
    assert t.mm.read_u64(AREA + 8) == 0


@pytest.mark.parametrize(
    "wrong",
    [{"version": 1}, {"start": 1 << 62}, {"length": 1 << 63}, {"abort": START + 1}, {"abort": 0x403000}, {"abort": 1 << 63}],
)
def test_a_descriptor_that_cannot_be_right_is_fatal(t: Thread, wrong: dict[str, int]) -> None:
    enter_section(t, START, **wrong)
    rseq.fix_up(t)
    assert t.pending.mask >> (SIGSEGV - 1) & 1


def test_a_thread_that_is_in_no_section_is_left_alone(t: Thread) -> None:
    rseq.register(t, AREA, 32, 0, SIGNATURE)
    t.cpu.rip = START
    rseq.fix_up(t)
    assert t.cpu.rip == START


# -- scheduling -------------------------------------------------------------------------------------------------------
def test_reset_on_fork(world: TimedWorld) -> None:
    params = SchedParams()
    params.policy, params.priority, params.reset_on_fork = SCHED_RR, 5, True
    child = params.fork(world.kernel)
    assert (child.policy, child.priority, child.reset_on_fork) == (SCHED_NORMAL, 0, False)
    params.policy, params.priority, params.nice = SCHED_NORMAL, 0, -5
    assert params.fork(world.kernel).nice == 0
    params.nice = 5
    assert params.fork(world.kernel).nice == 5


def test_a_deadline_thread_cannot_fork(world: TimedWorld) -> None:
    params = SchedParams()
    params.policy = SCHED_DEADLINE
    with pytest.raises(Errno.EAGAIN):
        params.fork(world.kernel)


def test_limits_allow_an_ordinary_user_some_priority(world: TimedWorld) -> None:
    t = world.process(world.init, Cred.user(1000, 1000))
    with pytest.raises(Errno.EPERM):
        sched_change.set_scheduler(t, t, SCHED_FIFO, 1, 0, False)
    t.process.rlimits.set(RLIMIT_RTPRIO, 10, 10)
    sched_change.set_scheduler(t, t, SCHED_FIFO, 10, 0, False)
    with pytest.raises(Errno.EPERM):
        sched_change.set_scheduler(t, t, SCHED_FIFO, 11, 0, False)
    t.process.rlimits.set(RLIMIT_RTPRIO, 0, 10)
    sched_change.set_scheduler(t, t, SCHED_FIFO, 3, 0, False)
    sched_change.set_scheduler(t, t, SCHED_IDLE, 0, 0, False)
    with pytest.raises(Errno.EPERM):
        sched_change.set_scheduler(t, t, SCHED_NORMAL, 0, 0, False)
    t.process.rlimits.set(RLIMIT_NICE, 20, 20)
    sched_change.set_scheduler(t, t, SCHED_NORMAL, 0, 0, False)
    with pytest.raises(Errno.EACCES):
        sched_change.set_nice(t, t, -1)


def test_strangers_are_out_of_reach(world: TimedWorld) -> None:
    mine, theirs = world.process(world.init, Cred.user(1, 1)), world.process(world.init, Cred.user(2, 2))
    with pytest.raises(Errno.EPERM):
        sched_change.set_nice(mine, theirs, 5)
    with pytest.raises(Errno.EPERM):
        sched_change.set_scheduler(mine, theirs, SCHED_NORMAL, 0, 0, False)


# -- the rest ---------------------------------------------------------------------------------------------------------
def test_limits_of_a_copy_are_its_own() -> None:
    limits = Rlimits()
    copy = limits.copy()
    copy.set(RLIMIT_NOFILE, 1, 2)
    assert (limits.soft(RLIMIT_NOFILE), limits.hard(RLIMIT_NOFILE)) == (1024, 1048576)
    assert copy.soft(RLIMIT_NOFILE) == 1
    assert limits.soft(0) == RLIM_INFINITY


def test_expedited_barriers_need_registration(t: Thread) -> None:
    assert t.mm is not None
    t.mm.membarrier = 0
    assert membarrier(t, CMD_QUERY, 0) & CMD_PRIVATE_EXPEDITED
    with pytest.raises(Errno.EPERM):
        membarrier(t, CMD_PRIVATE_EXPEDITED, 0)
    membarrier(t, CMD_REGISTER_PRIVATE_EXPEDITED, 0)
    assert membarrier(t, CMD_PRIVATE_EXPEDITED, 0) == 0


def test_uname26() -> None:
    names = UtsNamespace(1).names(0x0020000)
    minor = int(RELEASE.split(b".")[1])
    assert names[2].startswith(b"2.6.%d" % (60 + minor))
