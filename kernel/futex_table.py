"""The futex hash: who waits on which word of memory.

A futex is a 32-bit word of user memory that the kernel knows only while somebody waits on it.  Its *key* says which
word it is, whoever asks: (address space, address) for private futexes, (page source, offset) for words in shared
mappings.  Waiters of one key wake in the order they came.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.hardware import USER_TOP
from kernel.waitqueue import WaitQueue

if TYPE_CHECKING:
    from kernel.task import Thread

Key = Hashable

FUTEX_WAITERS = 0x80000000
FUTEX_OWNER_DIED = 0x40000000
FUTEX_TID_MASK = 0x3FFFFFFF
FUTEX_BITSET_MATCH_ANY = 0xFFFFFFFF


class PiState:
    """The kernel's half of a priority-inheriting lock, while somebody waits for it (``futex_pi_state``).

    ``owner`` is None once nobody waits any more: then the word says all there is to know.  ``waiters`` are in the order they
    will get the lock.
    """

    __slots__ = ("owner", "waiters")

    def __init__(self, owner: Thread | None) -> None:
        self.owner = owner
        self.waiters: list[Waiter] = []

    def set_owner(self, owner: Thread | None) -> None:
        """Move the lock from its owner's list of held ones to that of ``owner`` (pi_state_update_owner)."""
        if self.owner is not None:
            self.owner.pi_owned.pop(self, None)
        self.owner = owner
        if owner is not None:
            owner.pi_owned[self] = None


class Waiter(WaitQueue):
    """One thread waiting on one futex (``struct futex_q``); it sleeps on itself, being a wait queue.

    ``key`` changes when it is requeued.  ``queued``: still waiting; a waker clears it.  ``bitset``: wakers must share a
    bit.  ``pi``: the lock it waits for, once it does.  ``requeue_key``: where FUTEX_WAIT_REQUEUE_PI lets it be moved to;
    ``lock_address``: the lock word of a PI wait, in its own address space.  ``locked``: it was given the lock.
    """

    __slots__ = ("bitset", "key", "locked", "pi", "queued", "lock_address", "requeue_key", "thread")

    def __init__(self, thread: Thread, key: Key, bitset: int = FUTEX_BITSET_MATCH_ANY) -> None:
        super().__init__()
        self.thread = thread
        self.key = key
        self.bitset = bitset
        self.queued = True
        self.pi: PiState | None = None
        self.requeue_key: Key | None = None
        self.lock_address = 0
        self.locked = False

    def describe(self, t: Thread) -> str:
        """Say for the wait graph who could wake ``t``."""
        if self.pi is not None and self.pi.owner is not None:
            return f"thread {self.pi.owner.tid}, which holds the lock"
        return "FUTEX_WAKE by whoever shares the word"


class FutexTable:
    """All waiters of a machine by key; a key without waiters is not in it."""

    __slots__ = ("_buckets",)

    def __init__(self) -> None:
        self._buckets: dict[Key, dict[Waiter, None]] = {}

    def __len__(self) -> int:
        """Return the number of words somebody waits on."""
        return len(self._buckets)

    def add(self, waiter: Waiter) -> None:
        """Queue a waiter at the end of its key."""
        bucket = self._buckets.get(waiter.key)
        if bucket is None:
            self._buckets[waiter.key] = {waiter: None}
        else:
            bucket[waiter] = None

    def remove(self, waiter: Waiter) -> None:
        """Take a waiter out, woken or not (no error if it is not in)."""
        bucket = self._buckets.get(waiter.key)
        if bucket is not None:
            bucket.pop(waiter, None)
            if not bucket:
                del self._buckets[waiter.key]

    def waiters(self, key: Key) -> Iterable[Waiter]:
        """Return the waiters of a key, first come first; a snapshot, safe against changes."""
        bucket = self._buckets.get(key)
        return () if bucket is None else list(bucket)

    def first(self, key: Key) -> Waiter | None:
        """Return the first waiter of a key, or None (futex_top_waiter)."""
        bucket = self._buckets.get(key)
        return None if bucket is None else next(iter(bucket))

    def move(self, waiter: Waiter, key: Key) -> None:
        """Queue a waiter at the end of another key (requeue_futex)."""
        self.remove(waiter)
        waiter.key = key
        self.add(waiter)

    def release(self, waiter: Waiter) -> None:
        """Wake one waiter: take it out and end its sleep."""
        self.remove(waiter)
        waiter.queued = False
        waiter.wake()

    def wake(self, key: Key, count: int, bitset: int = FUTEX_BITSET_MATCH_ANY) -> int:
        """Wake up to ``count`` waiters of ``key`` that share a bit with ``bitset``; return how many woke.

        A count below one wakes one: the kernel counts first and compares afterwards.  Raises EINVAL when it meets a
        waiter of a PI operation: plain and PI operations must not be mixed on a word (futex_wake).
        """
        bucket = self._buckets.get(key)
        if bucket is None:
            return 0
        woken = 0
        for waiter in list(bucket):
            if waiter.pi is not None or waiter.requeue_key is not None:
                raise Errno.EINVAL
            if waiter.bitset & bitset:
                self.release(waiter)
                woken += 1
                if woken >= count:
                    break
        return woken


def futex_key(t: Thread, address: int, shared: bool) -> Key:
    """Return the key of a futex word (get_futex_key).

    Raises EINVAL for an address that is not a multiple of 4, EFAULT for one outside user space, and for a shared futex
    EFAULT if nothing is mapped there; a private one need not even be mapped.
    """
    if address & 3:
        raise Errno.EINVAL
    mm = t.mm
    assert mm is not None
    if shared:
        return mm.futex_key(address, True)
    if address >= USER_TOP:
        raise Errno.EFAULT
    return mm, address
