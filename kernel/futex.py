"""Futexes without priority inheritance: wait, wake, requeue (futex(2)).

The rule that makes futexes work is that "does the word still hold what I saw?" and "queue me" are one atomic step.
Here that needs nothing: the kernel is never preempted.  Every function takes addresses of the calling thread's memory;
``shared`` is False for FUTEX_PRIVATE_FLAG.  The PI operations are in ``pi_futex.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from kernel.errno import Errno
from kernel.futex_table import FUTEX_BITSET_MATCH_ANY, FutexTable, Key, Waiter, futex_key
from kernel.robust_list import futex_exit
from kernel.waitqueue import Block, Blocking, Wakeup

if TYPE_CHECKING:
    from kernel.task import Thread
    from kernel.timeout import Timeout

__all__ = ["FutexTable", "WaitEntry", "futex_exit", "requeue", "wait", "wait_multiple", "wake", "wake_address", "wake_op"]


def wait(t: Thread, address: int, shared: bool, value: int, timeout: Timeout | None, bitset: int) -> Blocking[int]:
    """Sleep until woken, if the word still is ``value`` (FUTEX_WAIT, FUTEX_WAIT_BITSET).

    Raises EAGAIN if it is not, ETIMEDOUT, EINVAL for an empty bitset, and for a signal ERESTARTSYS, or with a time-out
    ERESTART_RESTARTBLOCK: the restarted call keeps the deadline.
    """
    if not bitset:
        raise Errno.EINVAL
    key = futex_key(t, address, shared)
    if t.mm.read_u32(address) != value:  # type: ignore[union-attr]
        raise Errno.EAGAIN
    return _sleep(t, key, address, shared, value, timeout, bitset)


def _sleep(
    t: Thread, key: Key, address: int, shared: bool, value: int, timeout: Timeout | None, bitset: int
) -> Blocking[int]:
    table = t.kernel.futexes
    waiter = Waiter(t, key, bitset)
    table.add(waiter)
    while True:
        if timeout is None:
            reason = yield Block("futex_wait", waiter, who=waiter.describe)
        else:
            reason = yield timeout.block(t.kernel, "futex_wait", waiter)
        if not waiter.queued:
            return 0
        if reason is Wakeup.EVENT:
            continue
        table.remove(waiter)
        if reason is Wakeup.TIMEOUT:
            raise Errno.ETIMEDOUT
        if timeout is None:
            raise Errno.ERESTARTSYS
        t.restart = lambda thread: wait(thread, address, shared, value, timeout, bitset)
        raise Errno.ERESTART_RESTARTBLOCK


def wake(t: Thread, address: int, shared: bool, count: int, bitset: int) -> int:
    """Wake waiters of a word (FUTEX_WAKE, FUTEX_WAKE_BITSET); return how many.  EINVAL for an empty bitset."""
    if not bitset:
        raise Errno.EINVAL
    return t.kernel.futexes.wake(futex_key(t, address, shared), count, bitset)


def wake_address(t: Thread, address: int, count: int) -> int:
    """Wake waiters of a word on the kernel's own account, as mm_release does for CLONE_CHILD_CLEARTID: as a shared futex
    (which is how pthread_join waits), and without complaint about a bad address."""
    try:
        return t.kernel.futexes.wake(futex_key(t, address, True), count)
    except Errno:
        return 0


def requeue(
    t: Thread,
    address: int,
    shared: bool,
    target: int,
    target_shared: bool,
    wake_count: int,
    move_count: int,
    expected: int | None,
) -> int:
    """Wake ``wake_count`` waiters and move up to ``move_count`` others to the word ``target``.

    Return woken plus moved (FUTEX_REQUEUE; FUTEX_CMP_REQUEUE gives ``expected``: EAGAIN if the word differs).
    EINVAL: a negative count, or a waiter of a PI operation is met.
    """
    if wake_count < 0 or move_count < 0:
        raise Errno.EINVAL
    key = futex_key(t, address, shared)
    target_key = futex_key(t, target, target_shared)
    if expected is not None and t.mm.read_u32(address) != expected:  # type: ignore[union-attr]
        raise Errno.EAGAIN
    table = t.kernel.futexes
    done = 0
    for waiter in table.waiters(key):
        if done - wake_count >= move_count:
            break
        if waiter.pi is not None or waiter.requeue_key is not None:
            raise Errno.EINVAL
        done += 1
        if done <= wake_count:
            table.release(waiter)
        elif key != target_key:
            table.move(waiter, target_key)
    return done


def _signed12(value: int) -> int:
    return ((value & 0xFFF) ^ 0x800) - 0x800


def _signed32(value: int) -> int:
    return ((value & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000


def _modify(t: Thread, address: int, operation: int) -> bool:
    """Do the encoded operation on a word and return the encoded comparison of its old value.

    ``operation`` is FUTEX_OP(op, oparg, cmp, cmparg).  ENOSYS for an unknown op or cmp; an unknown cmp is noticed only
    after the word has changed (futex_atomic_op_inuser).
    """
    argument = _signed12(operation >> 12)
    if operation & 0x80000000:
        argument = 1 << (argument & 31)
    mm = t.mm
    assert mm is not None
    old = mm.read_u32(address)
    code = operation >> 28 & 7
    if code == 0:
        new = argument
    elif code == 1:
        new = old + argument
    elif code == 2:
        new = old | argument
    elif code == 3:
        new = old & ~argument
    elif code == 4:
        new = old ^ argument
    else:
        raise Errno.ENOSYS
    mm.write_u32(address, new & 0xFFFFFFFF)
    left, right = _signed32(old), _signed12(operation)
    compare = operation >> 24 & 15
    if compare > 5:
        raise Errno.ENOSYS
    return (left == right, left != right, left < right, left >= right, left <= right, left > right)[compare]


def wake_op(t: Thread, address: int, shared: bool, second: int, count: int, second_count: int, operation: int) -> int:
    """Change the word ``second``, wake waiters of ``address``, and those of ``second`` if its old value compares true
    (FUTEX_WAKE_OP); return how many woke in all."""
    key = futex_key(t, address, shared)
    second_key = futex_key(t, second, shared)
    also = _modify(t, second, operation)
    woken = t.kernel.futexes.wake(key, count)
    if also:
        woken += t.kernel.futexes.wake(second_key, second_count)
    return woken


class WaitEntry(NamedTuple):
    """One word of futex_waitv(2)."""

    value: int
    address: int
    shared: bool


def wait_multiple(t: Thread, entries: Sequence[WaitEntry], timeout: Timeout | None) -> Blocking[int]:
    """Sleep until one of several words is woken; return the index of one that was (futex_wait_multiple).

    EAGAIN if a word does not hold the expected value any more, ETIMEDOUT, ERESTARTSYS.
    """
    keys = [futex_key(t, entry.address, entry.shared) for entry in entries]
    table = t.kernel.futexes
    for entry in entries:
        if t.mm.read_u32(entry.address) != entry.value:  # type: ignore[union-attr]
            raise Errno.EAGAIN
    waiters = [Waiter(t, key, FUTEX_BITSET_MATCH_ANY) for key in keys]
    for waiter in waiters:
        table.add(waiter)
    while True:
        if timeout is None:
            reason = yield Block("futex_wait_multiple", *waiters, who=waiters[0].describe)
        else:
            reason = yield timeout.block(t.kernel, "futex_wait_multiple", *waiters)
        woken = [index for index, waiter in enumerate(waiters) if not waiter.queued]
        if not woken and reason is Wakeup.EVENT:
            continue
        for waiter in waiters:
            table.remove(waiter)
        if woken:
            return woken[-1]
        if reason is Wakeup.TIMEOUT:
            raise Errno.ETIMEDOUT
        raise Errno.ERESTARTSYS
