"""SECCOMP_RET_USER_NOTIF: another process decides about a call (seccomp_unotify(2), kernel/seccomp.c).

A filter may have a *listener*, a file.  A thread whose call the filter hands over waits (``user_notification``) until a
reader of the file has received the notification and sent an answer.  A notification goes from INIT to SENT to REPLIED, and
each end waits for the other through its ``ready`` queue: the confined thread itself installs descriptors it is given
(ADDFD), because only it can.

A signal ends the wait and the call is restarted as a new notification, unless the filter asked for waits that end only
with death once the notification was received.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from struct import Struct
from typing import TYPE_CHECKING, Final

from kernel.errno import Errno
from kernel.fs.anon import AnonFile
from kernel.fs.fdtable import install_fd
from kernel.fs.file import O_CLOEXEC, O_RDWR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM, File
from kernel.hardware import PAGE_SIZE
from kernel.pid import ns_of
from kernel.rlimit import RLIMIT_NOFILE
from kernel.waitqueue import INTERRUPTIBLE, KILLABLE, Block, Blocking, WaitQueue, Wakeup

if TYPE_CHECKING:
    from kernel.seccomp_filter import SeccompFilter
    from kernel.task import Thread

IOCTL_RECV: Final = 0xC050_2100
IOCTL_SEND: Final = 0xC018_2101
IOCTL_ID_VALID: Final = 0x4008_2102
IOCTL_ID_VALID_WRONG_DIR: Final = 0x8008_2102
IOCTL_SET_FLAGS: Final = 0x4008_2104
ADDFD: Final = 0x2103
"""SECCOMP_IOCTL_NOTIF_ADDFD without direction and size: the structure may grow."""
_DIRECTION_AND_SIZE: Final = 0xFFFF_0000

FLAG_CONTINUE: Final = 1
ADDFD_FLAG_SETFD: Final = 1
ADDFD_FLAG_SEND: Final = 2
FD_SYNC_WAKE_UP: Final = 1

NOTIF_HEAD: Final = Struct("<QII")
"""``struct seccomp_notif`` up to its ``struct seccomp_data``."""
NOTIF_SIZE: Final = 80
_RESPONSE: Final = Struct("<QqiI")
_ADDFD: Final = Struct("<QIIII")
RESPONSE_SIZE: Final = _RESPONSE.size

INIT, SENT, REPLIED = range(3)
_U64: Final = (1 << 64) - 1


class _AddFd:
    """``struct seccomp_kaddfd``: a descriptor on its way; ``result`` is its number or minus an errno, None until then."""

    __slots__ = ("file", "fd", "cloexec", "replaces", "sends", "result", "done")

    def __init__(self, file: File, fd: int, cloexec: bool, flags: int) -> None:
        self.file = file
        self.fd = fd
        self.cloexec = cloexec
        self.replaces = flags & ADDFD_FLAG_SETFD != 0
        self.sends = flags & ADDFD_FLAG_SEND != 0
        self.result: int | None = None
        self.done = WaitQueue()

    def finish(self, result: int) -> None:
        self.result = result
        self.done.wake_all()


class Notification:
    """``struct seccomp_knotif``: a call of ``t`` that waits for an answer.

    ``data``: its ``struct seccomp_data``.  ``error``, ``value``, ``flags``: the answer.  ``completions``: how often the thread
    is to look; ``addfd``: descriptors it is to install.
    """

    __slots__ = ("t", "id", "data", "state", "error", "value", "flags", "ready", "completions", "addfd")

    def __init__(self, t: Thread, number: int, data: bytes) -> None:
        self.t = t
        self.id = number
        self.data = data
        self.state = INIT
        self.error = self.value = self.flags = 0
        self.ready = WaitQueue()
        self.completions = 0
        self.addfd: list[_AddFd] = []

    def complete(self) -> None:
        self.completions += 1
        self.ready.wake_all()

    def reply(self, error: int, value: int, flags: int) -> None:
        self.state = REPLIED
        self.error, self.value, self.flags = error, value, flags
        self.complete()


class Notifier:
    """``struct notification``: what a filter with a listener has.  ``requests``: how many receivers may go on."""

    __slots__ = ("requests", "next_id", "notifications")

    def __init__(self, first_id: int) -> None:
        self.requests = 0
        self.next_id = first_id
        self.notifications: dict[int, Notification] = {}

    def add(self, t: Thread, data: bytes) -> Notification:
        new = Notification(t, self.next_id, data)
        self.next_id = self.next_id + 1 & _U64
        self.notifications[new.id] = new
        self.requests += 1
        return new


# -- who could end a wait, for the report of a deadlock ---------------------------------------------------------------
def _names(threads: Iterable[Thread]) -> str:
    return " or ".join(f"{t.comm.decode(errors='replace')}[{t.tid}]" for t in threads) or "nobody"


def _listeners(t: Thread, filter: SeccompFilter) -> str:
    holders = [
        process.rep
        for process in t.kernel.all_processes()
        if process.live and any(isinstance(file, Listener) and file.filter is filter for file in process.rep.files.slots)
    ]
    return f"an answer to its seccomp notification by {_names(holders)}"


def _confined(t: Thread, filter: SeccompFilter) -> str:
    threads = [
        other
        for other in t.kernel.all_threads()
        if other is not t and not other.exiting and other.seccomp is not None and filter.is_ancestor_of(other.seccomp.filter)
    ]
    return f"a call of {_names(threads)}"


# -- the confined side ------------------------------------------------------------------------------------------------
def user_notification(t: Thread, match: SeccompFilter, data: bytes) -> Blocking[bool]:
    """Let the listener of filter ``match`` decide about a call; return True if it is to be made, else RAX is its result
    (seccomp_do_user_notification).  ``data``: the call as ``struct seccomp_data``."""
    notifier = match.notifier
    if notifier is None:
        t.cpu.rax = -Errno.ENOSYS.number & _U64
        return False
    notification = notifier.add(t, data)
    match.wait.wake_all(POLLIN | POLLRDNORM)
    try:
        while notification.state != REPLIED:
            if not (yield from _look(t, match, notification)):
                t.cpu.rax = -Errno.ERESTARTSYS.number & _U64
                return False
    finally:
        for addfd in notification.addfd:
            addfd.finish(-Errno.ESRCH.number)
        notification.addfd.clear()
        notifier.notifications.pop(notification.id, None)
    if notification.flags & FLAG_CONTINUE:
        return True
    t.cpu.rax = (notification.error or notification.value) & _U64
    return False


def _killable(match: SeccompFilter, notification: Notification) -> bool:
    return match.wait_killable and notification.state >= SENT


def _look(t: Thread, match: SeccompFilter, notification: Notification) -> Blocking[bool]:
    """Wait until there is something to do and do it; False if a signal ended the wait."""
    killable = _killable(match, notification)
    state = KILLABLE if killable else INTERRUPTIBLE
    block = Block("seccomp_do_user_notification", notification.ready, state=state, who=lambda t: _listeners(t, match))
    while not notification.completions:
        if (yield block) is Wakeup.SIGNAL:
            # Received meanwhile: from now on only death counts.
            return not killable and _killable(match, notification)
    notification.completions -= 1
    if notification.addfd:
        _install(t, notification, notification.addfd.pop())
    return True


def _install(t: Thread, notification: Notification, addfd: _AddFd) -> None:
    """Install a descriptor in the table of ``t`` (seccomp_handle_addfd)."""
    file = addfd.file.hold()
    try:
        if not addfd.replaces:
            fd = install_fd(t, file, O_CLOEXEC if addfd.cloexec else 0)
        elif addfd.fd >= t.process.rlimits.soft(RLIMIT_NOFILE):
            file.drop()
            raise Errno.EBADF
        else:
            fd = addfd.fd
            t.files.replace(t, fd, file, addfd.cloexec)
    except Errno as error:
        fd = -error.number
    if addfd.sends:
        if fd < 0:
            notification.state = SENT
        else:
            notification.error, notification.value, notification.flags = 0, fd, 0
    addfd.finish(fd)


# -- the listener -----------------------------------------------------------------------------------------------------
class Listener(AnonFile):
    """The file of a filter's listener (SECCOMP_FILTER_FLAG_NEW_LISTENER)."""

    __slots__ = ("filter", "notifier")

    NAME = b"seccomp notify"

    def __init__(self, filter: SeccompFilter, notifier: Notifier) -> None:
        super().__init__(O_RDWR)
        self.filter = filter
        self.notifier = notifier

    def lseek(self, t: Thread, offset: int, whence: int) -> int:
        raise Errno.ESPIPE

    def poll(self, t: Thread) -> int:
        """POLLIN: something to receive; POLLOUT: something to answer; POLLHUP: nobody left who could be confined by it."""
        states = {notification.state for notification in self.notifier.notifications.values()}
        mask = POLLIN | POLLRDNORM if INIT in states else 0
        if SENT in states:
            mask |= POLLOUT | POLLWRNORM
        return mask if self.filter.users else mask | POLLHUP

    def queues(self, t: Thread) -> tuple[WaitQueue, ...]:
        return (self.filter.wait,)

    def release(self) -> None:
        """Nobody will answer: calls that wait, and those to come, fail with ENOSYS (seccomp_notify_detach)."""
        self.filter.notifier = None
        for notification in list(self.notifier.notifications.values()):
            if notification.state != REPLIED:
                notification.reply(-Errno.ENOSYS.number, 0, 0)

    def ioctl(self, t: Thread, command: int, argument: int) -> int | Blocking[int]:
        """RECV, SEND, ID_VALID, SET_FLAGS and ADDFD.  EINVAL for everything else."""
        handler = _IOCTLS.get(command)
        if handler is not None:
            return handler(self, t, argument)
        if command & ~_DIRECTION_AND_SIZE == ADDFD:
            return self._addfd(t, argument, command >> 16 & 0x3FFF)
        raise Errno.EINVAL

    def _receive(self, t: Thread, address: int) -> Blocking[int]:
        """RECV: sleep until there is a notification and store it; ENOENT if it is gone, or if nobody is left to wait for;
        EINVAL unless the buffer is zero, so that the structure can grow."""
        mm, notifier, confined = t.mm, self.notifier, self.filter
        assert mm is not None
        if any(mm.read(address, NOTIF_SIZE)):
            raise Errno.EINVAL
        block = Block("recv_wait_event", confined.wait, who=lambda t: _confined(t, confined))
        self.hold()  # whoever closes the descriptor meanwhile does not close the file
        try:
            while not notifier.requests and confined.users:
                if (yield block) is Wakeup.SIGNAL and not notifier.requests:
                    raise Errno.ERESTARTSYS
            return self._take(t, address)
        finally:
            self.drop()

    def _take(self, t: Thread, address: int) -> int:
        mm, notifier = t.mm, self.notifier
        assert mm is not None
        notifier.requests = max(notifier.requests - 1, 0)
        found = next((other for other in notifier.notifications.values() if other.state == INIT), None)
        if found is None:
            raise Errno.ENOENT
        found.state = SENT
        self.filter.wait.wake_all(POLLOUT | POLLWRNORM)
        try:
            mm.write(address, NOTIF_HEAD.pack(found.id, found.t.pid.nr_in(ns_of(t)), 0) + found.data)
        except Errno.EFAULT:
            found.state = INIT
            notifier.requests += 1
            raise
        return 0

    def _send(self, t: Thread, address: int) -> int:
        """SEND: answer.  EINVAL, ENOENT, EINPROGRESS: not received yet, or answered already."""
        assert t.mm is not None
        number, value, error, flags = _RESPONSE.unpack(t.mm.read(address, _RESPONSE.size))
        if flags & ~FLAG_CONTINUE or (flags & FLAG_CONTINUE and (error or value)):
            raise Errno.EINVAL
        self._received(number).reply(error, value, flags)
        return 0

    def _received(self, number: int) -> Notification:
        notification = self.notifier.notifications.get(number)
        if notification is None:
            raise Errno.ENOENT
        if notification.state != SENT:
            raise Errno.EINPROGRESS
        return notification

    def _id_valid(self, t: Thread, address: int) -> int:
        """ID_VALID: is the call still waiting?  ENOENT if not."""
        assert t.mm is not None
        notification = self.notifier.notifications.get(t.mm.read_u64(address))
        if notification is None or notification.state != SENT:
            raise Errno.ENOENT
        return 0

    def _set_flags(self, t: Thread, flags: int) -> int:
        """SET_FLAGS: on which processor the waiters wake up; there is but one."""
        if flags & ~FD_SYNC_WAKE_UP:
            raise Errno.EINVAL
        return 0

    def _addfd(self, t: Thread, address: int, size: int) -> int | Blocking[int]:
        """ADDFD: give the confined process a descriptor of the caller; its number there, EBUSY, EINVAL, EBADF, E2BIG, ENOENT,
        EINPROGRESS, and what installing it fails with."""
        mm = t.mm
        assert mm is not None
        if not _ADDFD.size <= size < PAGE_SIZE:
            raise Errno.EINVAL
        image = mm.read(address, size)
        if any(image[_ADDFD.size :]):
            raise Errno.E2BIG
        number, flags, source, fd, fd_flags = _ADDFD.unpack_from(image)
        if fd_flags & ~O_CLOEXEC or flags & ~(ADDFD_FLAG_SETFD | ADDFD_FLAG_SEND) or (fd and not flags & ADDFD_FLAG_SETFD):
            raise Errno.EINVAL
        file = t.files.get(source)
        notification = self._received(number)
        if flags & ADDFD_FLAG_SEND:
            if notification.addfd:
                raise Errno.EBUSY
            notification.state = REPLIED
        addfd = _AddFd(file.hold(), fd, fd_flags != 0, flags)
        notification.addfd.append(addfd)
        notification.complete()
        return self._wait_for_addfd(notification, addfd)

    def _wait_for_addfd(self, notification: Notification, addfd: _AddFd) -> Blocking[int]:
        block = Block("seccomp_notify_addfd", addfd.done, who=lambda t: _names([notification.t]))
        self.hold()
        try:
            while addfd.result is None:
                if (yield block) is Wakeup.SIGNAL and addfd.result is None:
                    notification.addfd.remove(addfd)
                    raise Errno.ERESTARTSYS
            return addfd.result
        finally:
            addfd.file.drop()
            self.drop()


_IOCTLS: Final[dict[int, Callable[[Listener, Thread, int], int | Blocking[int]]]] = {
    IOCTL_RECV: Listener._receive,
    IOCTL_SEND: Listener._send,
    IOCTL_ID_VALID: Listener._id_valid,
    IOCTL_ID_VALID_WRONG_DIR: Listener._id_valid,
    IOCTL_SET_FLAGS: Listener._set_flags,
}
