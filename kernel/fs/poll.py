"""Waiting for several files at once: the common core of poll, select and their variants (fs/select.c).

A scan asks every file for the events that hold; if none do, the thread sleeps on the queues of all of them and scans
again.  The calls differ only in how they spell the sets, the time-out and the signal mask, which is the business of the
system-call layer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import GeneratorType
from typing import TYPE_CHECKING, TypeVar

from kernel.errno import Errno
from kernel.fs.file import POLLERR, POLLHUP, POLLIN, File
from kernel.signal_pending import set_current_blocked, signal_pending
from kernel.task import WORK_RESTORE_MASK
from kernel.waitqueue import Block, Blocking, WaitQueue, Wakeup

if TYPE_CHECKING:
    from kernel.task import Thread

R = TypeVar("R")

ALWAYS = POLLERR | POLLHUP
"""What poll and epoll, but not select, report whether asked for or not (poll(2))."""

Wanted = Sequence[tuple[File | None, int]]
"""(file, POLL* bits to report) in the caller's order; with None the bits are reported as they are (POLLNVAL or 0)."""


def scan(t: Thread, wanted: Wanted) -> list[int] | None:
    """Return the events of each entry, None if there are none at all."""
    found = False
    result = []
    for file, events in wanted:
        bits = events if file is None else file.poll(t) & events
        if bits:
            found = True
        result.append(bits)
    return result if found else None


def wait_for_events(t: Thread, wanted: Wanted, deadline: int | None, what: str) -> list[int] | Blocking[list[int] | None] | None:
    """Return the events of each entry; None at the deadline (monotonic ns; 0: do not wait); a generator if it sleeps.

    Raises ERESTARTNOHAND when a signal is pending and no event is: even when the time is up (do_poll).
    """
    result = scan(t, wanted)
    if result is not None:
        return result
    if signal_pending(t):
        raise Errno.ERESTARTNOHAND
    if deadline is not None and deadline <= t.kernel.clock.monotonic():
        return None
    return _sleep(t, wanted, deadline, what)


def _sleep(t: Thread, wanted: Wanted, deadline: int | None, what: str) -> Blocking[list[int] | None]:
    queues: dict[WaitQueue, None] = {}
    for file, _ in wanted:
        if file is not None:
            file.hold()
            queues.update(dict.fromkeys(file.queues(t)))

    def who(t: Thread) -> str:
        return " or ".join(file.wakers(t, bool(bits & POLLIN)) for file, bits in wanted if file is not None) or "a signal"

    try:
        while True:
            reason = yield Block(what, *queues, deadline=deadline, who=who)
            result = scan(t, wanted)
            if result is not None:
                return result
            if reason is Wakeup.SIGNAL:
                raise Errno.ERESTARTNOHAND
            if reason is Wakeup.TIMEOUT:
                return None
    finally:
        for file, _ in wanted:
            if file is not None:
                file.drop()


def set_user_mask(t: Thread, address: int, size: int) -> None:
    """Install the temporary signal mask of ppoll, pselect6 and epoll_pwait (set_user_sigmask); NULL: none.

    ``size`` must be 8.  EINVAL, EFAULT.
    """
    if not address:
        return
    if size != 8:
        raise Errno.EINVAL
    mask = t.mm.read_u64(address)  # type: ignore[union-attr]
    t.saved_blocked = t.blocked
    t.work |= WORK_RESTORE_MASK
    set_current_blocked(t, mask)


def restore_mask(t: Thread) -> None:
    """Undo ``set_user_mask`` now, because no handler will run with the temporary mask (restore_saved_sigmask)."""
    if t.work & WORK_RESTORE_MASK:
        t.work &= ~WORK_RESTORE_MASK
        set_current_blocked(t, t.saved_blocked)


def with_mask(t: Thread, call: Callable[[], R | Blocking[R]]) -> R | Blocking[R]:
    """Run ``call`` and restore the mask after it, unless a signal ended it: then the handler runs with the temporary
    mask and the way back to user mode restores it (restore_saved_sigmask_unless)."""
    try:
        result = call()
    except (Errno.ERESTARTNOHAND, Errno.EINTR):
        raise
    except Errno:
        restore_mask(t)
        raise
    if isinstance(result, GeneratorType):
        return _with_mask(t, result)
    restore_mask(t)
    return result


def _with_mask(t: Thread, call: Blocking[R]) -> Blocking[R]:
    try:
        result = yield from call
    except (Errno.ERESTARTNOHAND, Errno.EINTR):
        raise
    except Errno:
        restore_mask(t)
        raise
    restore_mask(t)
    return result
