"""epoll (fs/eventpoll.c): an interest list whose ready part is kept by the wake-ups themselves.

Adding a descriptor registers a callback on the file's wait queues; the callback puts the item on the ready list.  So a
wait costs what is ready, not what is watched.  What a wake-up claims is only a hint: the events are read from the file
when they are collected.  A level-triggered item goes back to the ready list after each report and leaves it when its
file is found idle; an edge-triggered one waits for the next wake-up; a one-shot one is disarmed.

An epoll file may itself be watched.  Chains are limited in depth and cycles refused (ELOOP).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.fs.anon import AnonFile
from kernel.fs.file import O_RDWR, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM, File
from kernel.fs.poll import ALWAYS
from kernel.waitqueue import Block, Blocking, WaitQueue, Wakeup

if TYPE_CHECKING:
    from kernel.task import Thread

EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD = 1, 2, 3
EPOLLEXCLUSIVE = 1 << 28
EPOLLWAKEUP = 1 << 29
EPOLLONESHOT = 1 << 30
EPOLLET = 1 << 31
_PRIVATE = EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE
_INOUT = POLLIN | POLLOUT
_EXCLUSIVE_OK = _INOUT | ALWAYS | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE | POLLRDNORM | POLLWRNORM
MAX_NESTS = 4
"""Most epoll files below one another (EP_MAX_NESTS)."""


class Item:
    """One watched (file, descriptor): ``events`` is the mask with EPOLL* bits, ``data`` the user's 64 bits."""

    __slots__ = ("ep", "file", "fd", "events", "data", "queues", "wake", "forget")

    def __init__(self, ep: EpollFile, file: File, fd: int, events: int, data: int) -> None:
        self.ep = ep
        self.file = file
        self.fd = fd
        self.events = events
        self.data = data
        self.queues: tuple[WaitQueue, ...] = ()
        self.wake = self._wake
        self.forget = self._forget

    def _wake(self, key: object) -> bool:
        """The file says something happened (ep_poll_callback); ``key``: which POLL* bits, None: unknown."""
        events = self.events
        if not events & ~_PRIVATE:
            return False
        if type(key) is int and not key & events:
            return False
        ep = self.ep
        ep.ready[self] = None
        awake = ep.sleepers.wake(1)
        ep.pollers.wake_all(POLLIN | POLLRDNORM)
        if events & EPOLLEXCLUSIVE:
            if not awake:
                return False
            side = key & _INOUT if type(key) is int else 0
            return side == 0 or side == _INOUT or bool(events & side)
        return True

    def _forget(self) -> None:
        """The file is closed for good (eventpoll_release_file)."""
        self.ep.remove(self)

    def poll(self, t: Thread, depth: int = 0) -> int:
        """Return the events that hold now and are asked for (ep_item_poll)."""
        file = self.file
        bits = file.poll_nested(t, depth + 1) if isinstance(file, EpollFile) else file.poll(t)
        return bits & self.events


class EpollFile(AnonFile):
    """An epoll instance: ``items`` by (file, fd), ``ready`` in the order they became so."""

    __slots__ = ("items", "ready", "sleepers", "pollers", "watched_by")

    NAME = b"[eventpoll]"

    def __init__(self) -> None:
        super().__init__(O_RDWR)
        self.items: dict[tuple[File, int], Item] = {}
        self.ready: dict[Item, None] = {}
        self.sleepers = WaitQueue()
        """Threads in epoll_wait."""
        self.pollers = WaitQueue()
        """Whoever polls this file."""
        self.watched_by: dict[Item, None] = {}

    # -- the interest list ----------------------------------------------------------------------------------------
    def control(self, t: Thread, op: int, file: File, fd: int, events: int, data: int) -> None:
        """epoll_ctl(2).  EEXIST, ENOENT, ELOOP, EINVAL."""
        if events & EPOLLEXCLUSIVE and op != EPOLL_CTL_DEL:
            # "EPOLLEXCLUSIVE may be specified only in an EPOLL_CTL_ADD, not for an epoll file, with few other bits."
            if op == EPOLL_CTL_MOD:
                raise Errno.EINVAL
            if op == EPOLL_CTL_ADD and (isinstance(file, EpollFile) or events & ~_EXCLUSIVE_OK):
                raise Errno.EINVAL
        if op == EPOLL_CTL_ADD and isinstance(file, EpollFile):
            self._check_loop(file)
        events |= ALWAYS
        item = self.items.get((file, fd))
        if op == EPOLL_CTL_ADD:
            if item is not None:
                raise Errno.EEXIST
            self._insert(t, Item(self, file, fd, events, data))
        elif op == EPOLL_CTL_MOD:
            if item is None:
                raise Errno.ENOENT
            if item.events & EPOLLEXCLUSIVE:
                raise Errno.EINVAL
            item.events, item.data = events, data
            self._arm(t, item)
        elif op == EPOLL_CTL_DEL:
            if item is None:
                raise Errno.ENOENT
            self.remove(item)
        else:
            raise Errno.EINVAL

    def _insert(self, t: Thread, item: Item) -> None:
        file = item.file
        self.items[file, item.fd] = item
        item.queues = file.queues(t)
        for queue in item.queues:
            queue.add(item.wake, bool(item.events & EPOLLEXCLUSIVE))
        if file.on_release is None:
            file.on_release = {}
        file.on_release[item.forget] = None
        if isinstance(file, EpollFile):
            file.watched_by[item] = None
        self._arm(t, item)

    def _arm(self, t: Thread, item: Item) -> None:
        if item.poll(t) and item not in self.ready:
            self.ready[item] = None
            self.sleepers.wake(1)
            self.pollers.wake_all(POLLIN | POLLRDNORM)

    def remove(self, item: Item) -> None:
        """Stop watching (ep_remove)."""
        for queue in item.queues:
            queue.remove(item.wake)
        self.items.pop((item.file, item.fd), None)
        self.ready.pop(item, None)
        if item.file.on_release is not None:
            item.file.on_release.pop(item.forget, None)
        if isinstance(item.file, EpollFile):
            item.file.watched_by.pop(item, None)

    def _depth_below(self, forbidden: EpollFile, depth: int) -> int:
        if self is forbidden or depth > MAX_NESTS:
            raise Errno.ELOOP
        deepest = 0
        for file, _ in self.items:
            if isinstance(file, EpollFile):
                deepest = max(deepest, 1 + file._depth_below(forbidden, depth + 1))
        return deepest

    def _height_above(self) -> int:
        return max((1 + item.ep._height_above() for item in self.watched_by), default=0)

    def _check_loop(self, file: EpollFile) -> None:
        """ELOOP if watching ``file`` would close a cycle or make too deep a chain (ep_loop_check)."""
        below = file._depth_below(self, 0)
        if below + 1 + self._height_above() > MAX_NESTS:
            raise Errno.ELOOP

    # -- waiting --------------------------------------------------------------------------------------------------
    def collect(self, t: Thread, limit: int) -> list[tuple[int, int]]:
        """Take up to ``limit`` (events, data) off the ready list (ep_send_events)."""
        found: list[tuple[int, int]] = []
        ready = self.ready
        if not ready:
            return found
        again = []
        for item in list(ready):
            if len(found) >= limit:
                break
            del ready[item]
            bits = item.poll(t)
            if not bits:
                continue
            found.append((bits, item.data))
            if item.events & EPOLLONESHOT:
                item.events &= _PRIVATE
            elif not item.events & EPOLLET:
                again.append(item)
        for item in again:
            ready[item] = None
        return found

    def wakers(self, t: Thread, reading: bool) -> str:
        """Whoever makes something on the interest list ready."""
        return " or ".join(item.file.wakers(t, bool(item.events & POLLIN)) for item in self.items.values()) or "a signal"

    def wait(self, t: Thread, limit: int, deadline: int | None) -> Blocking[list[tuple[int, int]]]:
        """Sleep until something is ready; [] at the deadline.  EINTR on a signal: epoll_wait is never restarted."""
        self.hold()
        try:
            while True:
                reason = yield Block(
                    "ep_poll", self.sleepers, deadline=deadline, exclusive=True, who=lambda t: self.wakers(t, True)
                )
                found = self.collect(t, limit)
                if found:
                    if self.ready:
                        self.sleepers.wake(1)
                    return found
                if reason is Wakeup.SIGNAL:
                    raise Errno.EINTR
                if reason is Wakeup.TIMEOUT:
                    return found
        finally:
            self.drop()

    # -- being watched --------------------------------------------------------------------------------------------
    def poll(self, t: Thread) -> int:
        return self.poll_nested(t, 0)

    def poll_nested(self, t: Thread, depth: int) -> int:
        """Readable if an item is really ready; items found idle leave the ready list (__ep_eventpoll_poll)."""
        if depth > MAX_NESTS:
            return 0
        for item in list(self.ready):
            if item.poll(t, depth):
                return POLLIN | POLLRDNORM
            del self.ready[item]
        return 0

    def queues(self, t: Thread) -> tuple[WaitQueue, ...]:
        return (self.pollers,)

    def release(self) -> None:
        for item in list(self.items.values()):
            self.remove(item)
