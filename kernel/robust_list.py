"""What a dying thread does for those who wait for its locks: robust lists and PI locks (robust_futexes.rst, set_robust_list(2)).

A robust lock is linked, in user memory, into a list the kernel only looks at when the thread dies: it marks each word the
dead thread still owns FUTEX_OWNER_DIED and wakes one waiter, who gets EOWNERDEAD from its C library.  The list is the
guest's: it may be garbage or a ring, so the walk is bounded and every access may fault.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.futex_table import FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS, PiState, futex_key
from kernel.pid import ns_of

if TYPE_CHECKING:
    from kernel.task import Thread

ROBUST_LIST_LIMIT = 2048
ROBUST_LIST_HEAD_SIZE = 24
_MASK = (1 << 64) - 1


def futex_exit(t: Thread) -> None:
    """Let go of all futexes of a thread that leaves its address space by exit or exec (futex_exit_release)."""
    if t.robust_list[0]:
        with suppress(Errno):
            _exit_robust_list(t, t.robust_list[0])
        t.robust_list = (0, 0)
    if t.pi_owned:
        exit_pi_state(t)


def _exit_robust_list(t: Thread, head: int) -> None:
    mm = t.mm
    assert mm is not None
    entry = mm.read_u64(head)
    offset = mm.read_u64(head + 8)
    pending = mm.read_u64(head + 16)
    for _ in range(ROBUST_LIST_LIMIT):
        if entry & ~1 == head:
            break
        # Fetch the next entry first: waking a waiter may let it reuse the memory (exit_robust_list).
        try:
            following = mm.read_u64(entry & ~1)
        except Errno:
            following = None
        if entry & ~1 != pending & ~1:
            _futex_death(t, (entry & ~1) + offset & _MASK, bool(entry & 1), False)
        if following is None:
            raise Errno.EFAULT
        entry = following
    if pending & ~1:
        _futex_death(t, (pending & ~1) + offset & _MASK, bool(pending & 1), True)


def _futex_death(t: Thread, address: int, pi: bool, pending: bool) -> None:
    """Mark one word as its owner having died (handle_futex_death).

    A pending operation that finds the word 0 died between unlocking in user space and the wake: wake somebody.
    """
    if address & 3:
        raise Errno.EFAULT
    mm = t.mm
    assert mm is not None
    word = mm.read_u32(address)
    owner = word & FUTEX_TID_MASK
    table = t.kernel.futexes
    if pending and not pi and not owner:
        table.wake(futex_key(t, address, True), 1)
        return
    if owner != t.pid.nr_in(ns_of(t)):
        return
    mm.write_u32(address, word & FUTEX_WAITERS | FUTEX_OWNER_DIED)
    if not pi and word & FUTEX_WAITERS:
        try:
            table.wake(futex_key(t, address, True), 1)
        except Errno:
            return


def exit_pi_state(t: Thread) -> None:
    """Hand every PI lock a dying thread holds, and others wait for, to the first of them (exit_pi_state_list)."""
    for state in list(t.pi_owned):
        hand_over(t, state, died=True)


def hand_over(t: Thread, state: PiState, died: bool) -> None:
    """Give a lock to its first waiter: write its tid into the word, make it the owner, and wake it.

    Linux lets the new owner of a dead one's lock write the word itself (fixup_pi_owner); doing it here, through the
    waiter's address space, leaves no moment at which word and state disagree.
    """
    if not state.waiters:
        state.set_owner(None)
        return
    waiter = state.waiters[0]
    heir = waiter.thread
    mm = heir.mm
    assert mm is not None
    word = heir.pid.nr_in(ns_of(heir)) | FUTEX_WAITERS
    try:
        if died:
            word |= FUTEX_OWNER_DIED
        mm.write_u32(waiter.lock_address, word)
    except Errno:
        if not died:
            raise
    del state.waiters[0]
    state.set_owner(heir if state.waiters else None)
    heir.pi_blocked_on = None
    waiter.locked = True
    t.kernel.futexes.release(waiter)
