"""Futex calls: the old multiplexed one, futex_waitv, the futex2 calls of Linux 6.7, robust lists."""

from __future__ import annotations

from struct import Struct as Layout
from typing import Annotated

from kernel import futex as plain
from kernel import pi_futex
from kernel.clocks import CLOCK_MONOTONIC, CLOCK_REALTIME, timens_to_host
from kernel.errno import Errno
from kernel.futex_table import FUTEX_BITSET_MATCH_ANY
from kernel.pid import ns_of
from kernel.ptrace_access import check_access
from kernel.robust_list import ROBUST_LIST_HEAD_SIZE
from kernel.task import Thread
from kernel.timeout import Timeout
from kernel.waitqueue import Blocking
from syscalls.table import syscall
from syscalls.time_args import timespec_ns
from syscalls.types import Address, Int, Pid, Size, UInt, ULong, custom, enum, flags, in_struct, out_struct

(
    FUTEX_WAIT,
    FUTEX_WAKE,
    FUTEX_FD,
    FUTEX_REQUEUE,
    FUTEX_CMP_REQUEUE,
    FUTEX_WAKE_OP,
    FUTEX_LOCK_PI,
    FUTEX_UNLOCK_PI,
    FUTEX_TRYLOCK_PI,
    FUTEX_WAIT_BITSET,
    FUTEX_WAKE_BITSET,
    FUTEX_WAIT_REQUEUE_PI,
    FUTEX_CMP_REQUEUE_PI,
    FUTEX_LOCK_PI2,
) = range(14)
FUTEX_PRIVATE_FLAG = 128
FUTEX_CLOCK_REALTIME = 256
FUTEX_CMD_MASK = ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME)

_TIMED = frozenset((FUTEX_WAIT, FUTEX_WAIT_BITSET, FUTEX_LOCK_PI, FUTEX_LOCK_PI2, FUTEX_WAIT_REQUEUE_PI))
_MAY_USE_REALTIME = frozenset((FUTEX_WAIT_BITSET, FUTEX_WAIT_REQUEUE_PI, FUTEX_LOCK_PI2))

FUTEX2_SIZE_MASK = 3
FUTEX2_SIZE_U32 = 2
FUTEX2_PRIVATE = 128
FUTEX2_VALID_MASK = 0x8F
FUTEX_WAITV_MAX = 128

_WAITV = Layout("<QQII")

FutexOp = Annotated[int, custom("futex_op", "((({} & 0xffffffff) ^ 0x80000000) - 0x80000000)")]
Timespec = Annotated[int, in_struct("timespec")]
Waiters = Annotated[int, custom("futex_waiters")]
PointerOut = Annotated[int, out_struct("pointer")]
SizeOut = Annotated[int, out_struct("size_t")]
Futex2Flags = Annotated[int, flags("futex2", "({} & 0xffffffff)")]
ClockId = Annotated[int, enum("clock")]


def _timeout(t: Thread, command: int, op: int, address: int) -> Timeout:
    """Return the deadline a command's timespec means (futex_init_timeout): relative for FUTEX_WAIT only."""
    ns = timespec_ns(t, address)
    if command == FUTEX_WAIT:
        return Timeout.after(t.kernel, ns)
    realtime = command == FUTEX_LOCK_PI or op & FUTEX_CLOCK_REALTIME
    return Timeout(CLOCK_REALTIME, ns) if realtime else Timeout(CLOCK_MONOTONIC, timens_to_host(t, CLOCK_MONOTONIC, ns))


def _s32(value: int) -> int:
    return ((value & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000


@syscall(202)
def futex(
    t: Thread, uaddr: Address, futex_op: FutexOp, val: UInt, utime: Timespec, uaddr2: Address, val3: UInt
) -> int | Blocking[int]:
    """futex(2).  ``utime`` is the number val2 for the commands without a time-out."""
    shared = not futex_op & FUTEX_PRIVATE_FLAG
    command = futex_op & FUTEX_CMD_MASK
    if command == FUTEX_WAKE and not futex_op & FUTEX_CLOCK_REALTIME:
        return plain.wake(t, uaddr, shared, _s32(val), FUTEX_BITSET_MATCH_ANY)
    timeout = _timeout(t, command, futex_op, utime) if utime and command in _TIMED else None
    if futex_op & FUTEX_CLOCK_REALTIME and command not in _MAY_USE_REALTIME:
        raise Errno.ENOSYS
    if command == FUTEX_WAIT:
        return plain.wait(t, uaddr, shared, val, timeout, FUTEX_BITSET_MATCH_ANY)
    if command == FUTEX_WAIT_BITSET:
        return plain.wait(t, uaddr, shared, val, timeout, val3)
    if command == FUTEX_WAKE_BITSET:
        return plain.wake(t, uaddr, shared, _s32(val), val3)
    if command in (FUTEX_REQUEUE, FUTEX_CMP_REQUEUE):
        expected = val3 if command == FUTEX_CMP_REQUEUE else None
        return plain.requeue(t, uaddr, shared, uaddr2, shared, _s32(val), _s32(utime), expected)
    if command == FUTEX_WAKE_OP:
        return plain.wake_op(t, uaddr, shared, uaddr2, _s32(val), _s32(utime), val3)
    if command in (FUTEX_LOCK_PI, FUTEX_LOCK_PI2):
        return pi_futex.lock_pi(t, uaddr, shared, timeout, False)
    if command == FUTEX_TRYLOCK_PI:
        return pi_futex.lock_pi(t, uaddr, shared, None, True)
    if command == FUTEX_UNLOCK_PI:
        return pi_futex.unlock_pi(t, uaddr, shared)
    if command == FUTEX_WAIT_REQUEUE_PI:
        return pi_futex.wait_requeue_pi(t, uaddr, shared, val, timeout, FUTEX_BITSET_MATCH_ANY, uaddr2)
    if command == FUTEX_CMP_REQUEUE_PI:
        return pi_futex.cmp_requeue_pi(t, uaddr, shared, uaddr2, _s32(val), _s32(utime), val3)
    raise Errno.ENOSYS


def _check_flags(flag_bits: int) -> bool:
    """Check futex2 flags and return whether the futex is shared.  EINVAL: only 32-bit words without NUMA exist."""
    if flag_bits & ~FUTEX2_VALID_MASK or flag_bits & FUTEX2_SIZE_MASK != FUTEX2_SIZE_U32 or flag_bits & 12:
        raise Errno.EINVAL
    return not flag_bits & FUTEX2_PRIVATE


def _timeout2(t: Thread, address: int, clock: int) -> Timeout | None:
    """Return the absolute deadline of a futex2 call (futex2_setup_timeout)."""
    if not address:
        return None
    if clock not in (CLOCK_REALTIME, CLOCK_MONOTONIC):
        raise Errno.EINVAL
    return Timeout(clock, timens_to_host(t, clock, timespec_ns(t, address)))


def _read_waitv(t: Thread, address: int, count: int) -> list[plain.WaitEntry]:
    entries = []
    assert t.mm is not None
    for value, uaddr, flag_bits, reserved in _WAITV.iter_unpack(t.mm.read(address, _WAITV.size * count)):
        if reserved:
            raise Errno.EINVAL
        shared = _check_flags(flag_bits)
        if value >> 32:
            raise Errno.EINVAL
        entries.append(plain.WaitEntry(value, uaddr, shared))
    return entries


@syscall(449)
def futex_waitv(
    t: Thread, waiters: Waiters, nr_futexes: UInt, flag_bits: UInt, timeout: Timespec, clockid: ClockId
) -> Blocking[int]:
    """futex_waitv(2)."""
    if flag_bits or not 0 < nr_futexes <= FUTEX_WAITV_MAX or not waiters:
        raise Errno.EINVAL
    deadline = _timeout2(t, timeout, clockid)
    return plain.wait_multiple(t, _read_waitv(t, waiters, nr_futexes), deadline)


@syscall(454)
def futex_wake(t: Thread, uaddr: Address, mask: ULong, nr: Int, flag_bits: Futex2Flags) -> int:
    """futex_wake(2) of Linux 6.7: as FUTEX_WAKE_BITSET, but waking none wakes none."""
    shared = _check_flags(flag_bits)
    if mask >> 32 or not mask:
        raise Errno.EINVAL
    return plain.wake(t, uaddr, shared, nr, mask) if nr else 0


@syscall(455)
def futex_wait(
    t: Thread, uaddr: Address, val: ULong, mask: ULong, flag_bits: Futex2Flags, timeout: Timespec, clockid: ClockId
) -> Blocking[int]:
    """futex_wait(2) of Linux 6.7: as FUTEX_WAIT_BITSET."""
    shared = _check_flags(flag_bits)
    if val >> 32 or mask >> 32:
        raise Errno.EINVAL
    deadline = _timeout2(t, timeout, clockid)
    return plain.wait(t, uaddr, shared, val, deadline, mask)


@syscall(456)
def futex_requeue(t: Thread, waiters: Waiters, flag_bits: UInt, nr_wake: Int, nr_requeue: Int) -> int:
    """futex_requeue(2) of Linux 6.7: as FUTEX_CMP_REQUEUE, source and target in a ``struct futex_waitv[2]``."""
    if flag_bits or not waiters:
        raise Errno.EINVAL
    source, target = _read_waitv(t, waiters, 2)
    return plain.requeue(t, source.address, source.shared, target.address, target.shared, nr_wake, nr_requeue, source.value)


@syscall(273)
def set_robust_list(t: Thread, head: Address, length: Size) -> int:
    """set_robust_list(2).  EINVAL for any length but that of ``struct robust_list_head``."""
    if length != ROBUST_LIST_HEAD_SIZE:
        raise Errno.EINVAL
    t.robust_list = (head, length)
    return 0


@syscall(274)
def get_robust_list(t: Thread, pid: Pid, head_ptr: PointerOut, length_ptr: SizeOut) -> int:
    """get_robust_list(2).  ESRCH; EPERM for a thread the caller may not ptrace."""
    target: Thread | None = t
    if pid:
        target = ns_of(t).find_thread(pid)
        if target is None:
            raise Errno.ESRCH
        check_access(t, target)
    assert t.mm is not None
    assert target is not None
    t.mm.write_u64(length_ptr, ROBUST_LIST_HEAD_SIZE)
    t.mm.write_u64(head_ptr, target.robust_list[0])
    return 0
