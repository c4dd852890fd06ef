"""How a task sleeps: wait queues, and the request a blocked system call yields.

A blocking system call is a generator, and the generator is the task's kernel stack.  It yields a ``Block`` saying what
it waits for and is resumed with the ``Wakeup`` reason.  Because nothing preempts the kernel, "test the condition, then
yield" is atomic: there is no lost wake-up and no prepare_to_wait dance.  A ``WaitQueue`` also serves poll and epoll,
which register callbacks instead of tasks (``wait_queue_entry.func`` in Linux).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from enum import IntEnum
from typing import TYPE_CHECKING, TypeVar

from kernel.errno import Errno

if TYPE_CHECKING:
    from kernel.task import Thread

T = TypeVar("T")

INTERRUPTIBLE = 0
"""Any deliverable signal ends the sleep."""
KILLABLE = 1
"""Only a fatal signal ends the sleep."""
UNINTERRUPTIBLE = 2
"""Only the event (or the deadline) ends the sleep."""


class Wakeup(IntEnum):
    """Why a blocked task runs again."""

    EVENT = 0
    TIMEOUT = 1
    SIGNAL = 2


class WaitQueue:
    """Callbacks to be called when something happens; first in, first woken.

    ``key`` of a wake-up tells the waiters what happened (a poll mask for files; anything elsewhere).
    """

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: dict[Callable[[object], bool], bool] = {}

    def __bool__(self) -> bool:
        return bool(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, wake: Callable[[object], bool], exclusive: bool = False) -> None:
        """Register ``wake(key)``, which returns True if it consumed the wake-up (a task really woke)."""
        self._entries[wake] = exclusive

    def remove(self, wake: Callable[[object], bool]) -> None:
        """Remove a callback (no error if it is not there)."""
        self._entries.pop(wake, None)

    def wake(self, exclusive: int = 1, key: object = None) -> int:
        """Call every non-exclusive waiter and at most ``exclusive`` exclusive ones; return how many woke."""
        entries = self._entries
        if not entries:
            return 0
        if len(entries) == 1 and exclusive > 0:
            (entry,) = entries
            return int(entry(key))
        woken = 0
        for entry, is_exclusive in list(entries.items()):
            # Those that share a wake-up need it all the same when the exclusive ones had theirs.
            if is_exclusive and exclusive <= 0:
                continue
            if entry(key):
                woken += 1
                if is_exclusive:
                    exclusive -= 1
        return woken

    def wake_all(self, key: object = None) -> int:
        """Wake everybody; return how many woke."""
        return self.wake(1 << 30, key) if self._entries else 0


class Block:
    """A request to sleep, yielded by a kernel generator.

    ``queues``: wake-ups on any of them end the sleep.  ``deadline``: monotonic ns or None.  ``state``: one of the three
    constants above.  ``what``: the wchan name, e.g. "pipe_read".  ``who(t)``: tells the wait graph who could end the
    sleep of ``t``; called only when a deadlock is reported.  ``exclusive``: register as exclusive waiter.  ``accepts``: asked
    with the key of a wake-up whether it concerns the sleeper, who sleeps on if not.
    """

    __slots__ = ("what", "queues", "deadline", "state", "who", "exclusive", "accepts")

    def __init__(
        self,
        what: str,
        *queues: WaitQueue,
        deadline: int | None = None,
        state: int = INTERRUPTIBLE,
        who: Callable[[Thread], str] | None = None,
        exclusive: bool = False,
        accepts: Callable[[object], bool] | None = None,
    ) -> None:
        self.what = what
        self.queues = queues
        self.deadline = deadline
        self.state = state
        self.who = who
        self.exclusive = exclusive
        self.accepts = accepts


Blocking = Generator[Block, Wakeup, T]
"""Return type of a kernel function that may sleep and finally returns a T."""


def wait(
    what: str, *queues: WaitQueue, deadline: int | None = None, who: Callable[[Thread], str] | None = None
) -> Blocking[bool]:
    """Sleep interruptibly once; return True on an event, False at the deadline.

    Callers re-test their condition.  Raises ERESTARTSYS when a signal ended the sleep (signal(7), "interruption of
    system calls": the signal code decides between restart and EINTR); callers that must not restart catch it.
    """
    reason = yield Block(what, *queues, deadline=deadline, who=who)
    if reason is Wakeup.SIGNAL:
        raise Errno.ERESTARTSYS
    return reason is Wakeup.EVENT


def run_to_completion(call: Blocking[T]) -> T:
    """Run a generator that cannot block here (tests, start-up); raises RuntimeError if it would."""
    try:
        block = next(call)
    except StopIteration as done:
        value: T = done.value
        return value
    raise RuntimeError(f"would block in {block.what}")
