"""Priority-inheritance futexes: locks whose owner the kernel knows (futex(2), "Priority-inheritance futexes").

The word holds the owner's tid, so an uncontended lock never enters the kernel; the first waiter sets FUTEX_WAITERS and
the kernel finds the owner by that tid.  From then on a ``PiState`` ties word, owner and waiters together, and every
operation checks that user space has not written something else meanwhile (attach_to_pi_state of kernel/futex/pi.c, whose
numbered cases are cited).  All threads here run at one priority, so what is left of inheritance is what programs can see:
hand-over to the longest waiter, deadlock detection, death of the owner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.futex_table import (
    FUTEX_OWNER_DIED,
    FUTEX_TID_MASK,
    FUTEX_WAITERS,
    Key,
    PiState,
    Waiter,
    futex_key,
)
from kernel.pid import ns_of
from kernel.robust_list import hand_over
from kernel.waitqueue import Block, Blocking, Wakeup

if TYPE_CHECKING:
    from kernel.task import Thread
    from kernel.timeout import Timeout


def _tid(t: Thread) -> int:
    return t.pid.nr_in(ns_of(t))


def _attach_to_state(word: int, state: PiState | None) -> PiState:
    """Join a lock others already wait for, if word and state agree (attach_to_pi_state)."""
    if state is None or state.owner is None:  # PI and plain operations mixed [3]
        raise Errno.EINVAL
    owner_tid = word & FUTEX_TID_MASK
    if not owner_tid and word & FUTEX_OWNER_DIED:
        return state  # the owner is dying and has marked the word, but not yet handed it on [6]
    if owner_tid != _tid(state.owner):  # user space wrote another owner [9/10]
        raise Errno.EINVAL
    return state


def _attach_to_owner(t: Thread, word: int) -> PiState:
    """Make the state for the first waiter: the owner is whoever the word names (attach_to_pi_owner).

    ESRCH: no such thread, or it is past the point where it would hand its locks on.
    """
    owner = ns_of(t).find_thread(word & FUTEX_TID_MASK)
    if owner is None or owner.exiting or owner.mm is None:
        raise Errno.ESRCH
    state = PiState(None)
    state.set_owner(owner)
    return state


def _lock_atomic(t: Thread, address: int, key: Key, task: Thread, force_waiters: bool) -> PiState | None:
    """Take the lock for ``task`` if it is free and return None, else the state to wait on (futex_lock_pi_atomic).

    ``address`` is the word in ``t``'s memory.  ``force_waiters``: set FUTEX_WAITERS even on a free lock, and return its
    state (requeueing puts waiters behind it).  EDEADLK: ``task`` has it already.  EINVAL, ESRCH: inconsistent word.
    """
    mm = t.mm
    assert mm is not None
    word = mm.read_u32(address)
    tid = _tid(task)
    if word & FUTEX_TID_MASK == tid:
        raise Errno.EDEADLK
    top = t.kernel.futexes.first(key)
    if top is not None:
        return _attach_to_state(word, top.pi)
    if not word & FUTEX_TID_MASK:
        mm.write_u32(address, word & FUTEX_OWNER_DIED | tid | (FUTEX_WAITERS if force_waiters else 0))
        return None
    mm.write_u32(address, word | FUTEX_WAITERS)
    return _attach_to_owner(t, word)


def _would_deadlock(t: Thread, state: PiState) -> bool:
    """Follow owner -> lock it waits for -> owner, and tell whether that leads back to ``t`` (rt_mutex_adjust_prio_chain)."""
    at: PiState | None = state
    while at is not None:
        owner = at.owner
        if owner is t:
            return True
        at = owner.pi_blocked_on if owner is not None else None
    return False


def _enqueue(waiter: Waiter, state: PiState) -> None:
    waiter.pi = state
    waiter.thread.pi_blocked_on = state
    state.waiters.append(waiter)


def _drop_waiter(t: Thread, waiter: Waiter) -> None:
    """Undo ``_enqueue`` after a time-out or signal; a state nobody waits for any more is forgotten."""
    state = waiter.pi
    t.kernel.futexes.remove(waiter)
    waiter.queued = False
    if state is not None:
        state.waiters.remove(waiter)
        waiter.thread.pi_blocked_on = None
        if not state.waiters:
            state.set_owner(None)


def _wait_for_lock(t: Thread, waiter: Waiter, timeout: Timeout | None) -> Blocking[bool]:
    """Sleep until ``waiter`` owns the lock; return False if a signal came first.  Raises ETIMEDOUT."""
    while not waiter.locked:
        if timeout is None:
            reason = yield Block("rt_mutex", waiter, who=waiter.describe)
        else:
            reason = yield timeout.block(t.kernel, "rt_mutex", waiter)
        if waiter.locked or reason is Wakeup.EVENT:
            continue
        _drop_waiter(t, waiter)
        if reason is Wakeup.TIMEOUT:
            raise Errno.ETIMEDOUT
        return False
    return True


def lock_pi(t: Thread, address: int, shared: bool, timeout: Timeout | None, trylock: bool) -> int | Blocking[int]:
    """Take the lock, sleeping for it unless ``trylock`` (FUTEX_LOCK_PI, LOCK_PI2, TRYLOCK_PI).

    EDEADLK: the caller has it, or waiting would close a circle.  EAGAIN: ``trylock`` and it is taken.  ESRCH: the owner
    named in the word does not exist.  EINVAL: word and kernel disagree.  ETIMEDOUT.  Signals restart it.
    """
    key = futex_key(t, address, shared)
    state = _lock_atomic(t, address, key, t, False)
    if state is None:
        return 0
    if trylock or _would_deadlock(t, state):
        if not state.waiters:
            state.set_owner(None)
        raise Errno.EAGAIN if trylock else Errno.EDEADLK
    return _lock_slow(t, address, key, state, timeout)


def _lock_slow(t: Thread, address: int, key: Key, state: PiState, timeout: Timeout | None) -> Blocking[int]:
    waiter = Waiter(t, key)
    waiter.lock_address = address
    _enqueue(waiter, state)
    t.kernel.futexes.add(waiter)
    if not (yield from _wait_for_lock(t, waiter, timeout)):
        raise Errno.ERESTARTNOINTR
    return 0


def unlock_pi(t: Thread, address: int, shared: bool) -> int:
    """Release the lock: to its first waiter, or for good (FUTEX_UNLOCK_PI).  EPERM: the caller does not hold it."""
    mm = t.mm
    assert mm is not None
    word = mm.read_u32(address)
    if word & FUTEX_TID_MASK != _tid(t):
        raise Errno.EPERM
    key = futex_key(t, address, shared)
    top = t.kernel.futexes.first(key)
    if top is None:
        mm.write_u32(address, 0)
        return 0
    state = top.pi
    if state is None or state.owner is not t:
        raise Errno.EINVAL
    hand_over(t, state, died=False)
    return 0


def wait_requeue_pi(
    t: Thread, address: int, shared: bool, value: int, timeout: Timeout | None, bitset: int, lock: int
) -> Blocking[int]:
    """Wait on ``address`` to be moved to the PI lock ``lock`` and return owning it (FUTEX_WAIT_REQUEUE_PI; condition
    variables of PI mutexes).

    EAGAIN: the word is not ``value``, or a signal after the requeue (the word has changed, a restart would find just
    that).  ETIMEDOUT.  EINVAL: both words are the same.
    """
    if address == lock or not bitset:
        raise Errno.EINVAL
    lock_key = futex_key(t, lock, shared)
    key = futex_key(t, address, shared)
    if t.mm.read_u32(address) != value:  # type: ignore[union-attr]
        raise Errno.EAGAIN
    if key == lock_key:
        raise Errno.EINVAL
    return _wait_requeue(t, key, lock_key, lock, bitset, timeout)


def _wait_requeue(
    t: Thread, key: Key, lock_key: Key, lock: int, bitset: int, timeout: Timeout | None
) -> Blocking[int]:
    waiter = Waiter(t, key, bitset)
    waiter.requeue_key = lock_key
    waiter.lock_address = lock
    table = t.kernel.futexes
    table.add(waiter)
    while True:
        if timeout is None:
            reason = yield Block("futex_wait_requeue_pi", waiter, who=waiter.describe)
        else:
            reason = yield timeout.block(t.kernel, "futex_wait_requeue_pi", waiter)
        if waiter.locked:
            return 0
        if waiter.pi is not None:
            break
        if reason is not Wakeup.EVENT:
            table.remove(waiter)
            raise Errno.ETIMEDOUT if reason is Wakeup.TIMEOUT else Errno.ERESTARTNOINTR
    if reason is not Wakeup.EVENT:
        _drop_waiter(t, waiter)
        raise Errno.ETIMEDOUT if reason is Wakeup.TIMEOUT else Errno.EAGAIN
    if not (yield from _wait_for_lock(t, waiter, timeout)):
        raise Errno.EAGAIN
    return 0


def _proxy_trylock(t: Thread, key: Key, lock: int, lock_key: Key, more: bool) -> tuple[Waiter | None, PiState | None]:
    """Try to give the lock to the first waiter of ``key``; return (that waiter if it got it, the lock's state).

    Raises as ``_lock_atomic``; (None, None) if nobody waits (futex_proxy_trylock_atomic).
    """
    table = t.kernel.futexes
    top = table.first(key)
    if top is None:
        t.mm.read_u32(lock)  # type: ignore[union-attr]
        return None, None
    if top.requeue_key is None or top.pi is not None or top.requeue_key != lock_key:
        raise Errno.EINVAL
    state = _lock_atomic(t, lock, lock_key, top.thread, more)
    if state is not None:
        return None, state
    if more:
        state = PiState(None)
        state.set_owner(top.thread)
    top.locked = True
    table.release(top)
    return top, state


def cmp_requeue_pi(
    t: Thread, address: int, shared: bool, lock: int, wake_count: int, move_count: int, expected: int
) -> int:
    """Give the PI lock ``lock`` to the first waiter of ``address``, or queue it there, and move up to ``move_count`` more
    behind it (FUTEX_CMP_REQUEUE_PI).  Return how many got or wait for the lock.

    EAGAIN: the word is not ``expected``.  EINVAL: ``wake_count`` is not 1, both words are the same, or a waiter did not
    ask for just this by FUTEX_WAIT_REQUEUE_PI.  EDEADLK: a waiter holds the lock already.
    """
    if wake_count < 0 or move_count < 0 or address == lock or wake_count != 1:
        raise Errno.EINVAL
    key = futex_key(t, address, shared)
    lock_key = futex_key(t, lock, shared)
    if key == lock_key:
        raise Errno.EINVAL
    if t.mm.read_u32(address) != expected:  # type: ignore[union-attr]
        raise Errno.EAGAIN
    table = t.kernel.futexes
    winner, state = _proxy_trylock(t, key, lock, lock_key, move_count > 0)
    done = 0 if winner is None else 1
    if state is None:
        return done
    try:
        for waiter in table.waiters(key):
            if done - wake_count >= move_count:
                break
            if waiter.requeue_key is None or waiter.pi is not None or waiter.requeue_key != lock_key:
                raise Errno.EINVAL
            if _would_deadlock(waiter.thread, state):
                raise Errno.EDEADLK
            _enqueue(waiter, state)
            table.move(waiter, lock_key)
            done += 1
    finally:
        if not state.waiters:
            state.set_owner(None)
    return done
