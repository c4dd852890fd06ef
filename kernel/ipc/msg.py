"""System V message queues (msgget(2), msgsnd(2), msgctl(2); ipc/msg.c).

A message has a type, and a receiver says which types it takes.  Whoever cannot go on sleeps on the queue and looks again whenever
anything about it changed; so a receiver that waits, one whose permission was withdrawn, and one whose queue was removed are
the same loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.cred import CAP_SYS_RESOURCE
from kernel.errno import Errno
from kernel.ipc.ids import IPC_NOWAIT, IpcIds, IpcPerm, seconds
from kernel.waitqueue import Block, Blocking, WaitQueue, Wakeup

if TYPE_CHECKING:
    from kernel.pid import Pid
    from kernel.task import Thread

MSG_NOERROR, MSG_EXCEPT, MSG_COPY = 0o10000, 0o20000, 0o40000

MSGMAX: Final = 8192
"""Bytes of one message."""
MSGMNB: Final = 16384
"""Bytes of all messages of a new queue."""
MSGMNI: Final = 32000
_LONG_MAX: Final = (1 << 63) - 1


class Message(NamedTuple):
    """A type, greater than 0, and its text."""

    type: int
    text: bytes


class MessageQueue(IpcPerm):
    """One queue: it holds ``used`` bytes and ``limit`` at most; ``lspid`` sent and ``lrpid`` received last."""

    __slots__ = (
        "messages", "limit", "used", "lspid", "lrpid", "stime", "rtime", "ctime", "removed", "receivers", "senders",
    )  # fmt: skip

    def __init__(self, t: Thread, key: int, mode: int) -> None:
        super().__init__(key, mode, t.cred)
        self.messages: list[Message] = []
        self.limit = MSGMNB
        self.used = 0
        self.lspid: Pid | None = None
        self.lrpid: Pid | None = None
        self.stime = self.rtime = 0
        self.ctime = seconds(t)
        self.removed = False
        self.receivers = WaitQueue()
        self.senders = WaitQueue()

    def wake_all(self) -> None:
        """Something about the queue changed that may concern everybody."""
        self.receivers.wake_all()
        self.senders.wake_all()

    def fits(self, size: int) -> bool:
        """Tell whether a message of ``size`` bytes may be added (msg_fits_inqueue)."""
        return self.used + size <= self.limit and len(self.messages) < self.limit

    def find(self, wanted: int, flag: int) -> Message | None:
        """Return the message that a receiver of ``wanted`` gets (find_msg, convert_mode)."""
        messages = self.messages
        if flag & MSG_COPY:
            return messages[wanted] if 0 <= wanted < len(messages) else None
        if not wanted:
            return messages[0] if messages else None
        if wanted < 0:
            most = min(-wanted, _LONG_MAX)
            return min((each for each in messages if each.type <= most), key=lambda each: each.type, default=None)
        if flag & MSG_EXCEPT:
            return next((each for each in messages if each.type != wanted), None)
        return next((each for each in messages if each.type == wanted), None)


def msgget(t: Thread, key: int, flag: int) -> int:
    """Return the identifier of the queue with ``key``, or of a new one (msgget(2))."""
    ns = t.nsproxy.ipc
    return ns.msg.obtain(t, ns.user_ns, key, flag, lambda: MessageQueue(t, key, flag), lambda queue: True)


def _wait(queue: MessageQueue, what: str, sleepers: WaitQueue, done: Callable[[], bool]) -> Blocking[None]:
    """Sleep among ``sleepers`` until the queue changed.  EIDRM if it is gone, ERESTARTNOHAND for a signal unless ``done``."""
    reason = yield Block(what, sleepers, who=lambda t: f"a change of message queue {queue.id}")
    if queue.removed:
        raise Errno.EIDRM
    if reason is Wakeup.SIGNAL and not done():
        raise Errno.ERESTARTNOHAND


def msgsnd(t: Thread, number: int, message: Message, flag: int) -> Blocking[None]:
    """Add a message, waiting for room (do_msgsnd).  EINVAL, EACCES, EAGAIN, EIDRM."""
    ns = t.nsproxy.ipc
    queue = ns.msg.get(number)
    size = len(message.text)
    while True:
        queue.check(t, ns.user_ns, 0o222)
        if queue.fits(size):
            break
        if flag & IPC_NOWAIT:
            raise Errno.EAGAIN
        yield from _wait(queue, "do_msgsnd", queue.senders, lambda: queue.fits(size))
    queue.messages.append(message)
    queue.used += size
    queue.stime, queue.lspid = seconds(t), t.process.tgid_pid
    queue.receivers.wake_all()


def msgrcv(t: Thread, number: int, size: int, wanted: int, flag: int) -> Blocking[Message]:
    """Take a message, waiting for one (do_msgrcv); with MSG_COPY leave it, and ``wanted`` is its position.

    EINVAL, EACCES, E2BIG, ENOMSG, EIDRM.
    """
    if flag & MSG_COPY and (flag & MSG_EXCEPT or not flag & IPC_NOWAIT):
        raise Errno.EINVAL
    ns = t.nsproxy.ipc
    queue = ns.msg.get(number)
    while True:
        queue.check(t, ns.user_ns, 0o444)
        found = queue.find(wanted, flag)
        if found is not None:
            break
        if flag & IPC_NOWAIT:
            raise Errno.ENOMSG
        yield from _wait(queue, "do_msgrcv", queue.receivers, lambda: queue.find(wanted, flag) is not None)
    if len(found.text) > size and not flag & MSG_NOERROR:
        raise Errno.E2BIG
    if flag & MSG_COPY:
        if len(found.text) > min(size, MSGMAX):
            raise Errno.EINVAL
        return found
    queue.messages.remove(found)
    queue.used -= len(found.text)
    queue.rtime, queue.lrpid = seconds(t), t.process.tgid_pid
    queue.senders.wake_all()
    return found


def set_queue(t: Thread, number: int, owner: tuple[int, int, int], limit: int) -> None:
    """IPC_SET: uid, gid, mode, and the most bytes, which only the privileged may raise over the default.  EPERM, EINVAL."""
    ns = t.nsproxy.ipc
    queue = ns.msg.get_owned(t, ns.user_ns, number)
    if limit > MSGMNB and not t.cred.capable(CAP_SYS_RESOURCE):
        raise Errno.EPERM
    queue.update(t, *owner)
    queue.limit = limit
    queue.ctime = seconds(t)
    queue.wake_all()


def remove_queue(t: Thread, number: int) -> None:
    """IPC_RMID: the queue goes at once, and whoever sleeps on it is told.  EPERM, EINVAL."""
    ns = t.nsproxy.ipc
    queue = ns.msg.get_owned(t, ns.user_ns, number)
    ns.msg.remove(queue)
    queue.removed = True
    queue.wake_all()


def new_ids() -> IpcIds[MessageQueue]:
    """Return the empty table of a new namespace."""
    return IpcIds(MSGMNI)
