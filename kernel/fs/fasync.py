"""Signal-driven I/O: the owner of an open file, and SIGIO when it becomes readable or writable (fcntl(2), F_SETOWN, O_ASYNC).

An owner is a thread, a process or a process group as such, not its number, which may come to mean somebody else.  Whatever
sends remembers which open files want to hear (``Listeners``); what they hear, and whether they may, is the file's own business.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from kernel.errno import Errno
from kernel.fs.file import (
    NOBODY,
    O_ASYNC,
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLMSG,
    POLLOUT,
    POLLPRI,
    POLLRDBAND,
    POLLRDNORM,
    POLLWRBAND,
    POLLWRNORM,
    File,
    Owner,
)
from kernel.pid import ns_of
from kernel.signal import SI_SIGIO, SIGIO, SIGURG, SPECIFIC_CODES, SigInfo
from kernel.signal_send import kernel_info, send_signal

if TYPE_CHECKING:
    from kernel.pid import Pid
    from kernel.task import Thread

F_OWNER_TID: Final = 0
F_OWNER_PID: Final = 1
F_OWNER_PGRP: Final = 2

POLL_IN, POLL_OUT, POLL_MSG, POLL_ERR, POLL_PRI, POLL_HUP = range(1, 7)
"""si_code: why."""
_BANDS: Final = (
    0,
    POLLIN | POLLRDNORM,
    POLLOUT | POLLWRNORM | POLLWRBAND,
    POLLIN | POLLRDNORM | POLLMSG,
    POLLERR,
    POLLPRI | POLLRDBAND,
    POLLHUP | POLLERR,
)
"""si_band by si_code (band_table of fs/fcntl.c)."""

Listeners = dict[File, int]
"""Open files with O_ASYNC, each with the descriptor it was set through, which si_fd shows (struct fasync_struct)."""


def _threads(owner: Owner) -> Iterator[Thread]:
    """Give a thread of everybody the owner is; nobody if it is gone."""
    pid = owner.pid
    if pid is None:
        return
    if owner.kind == F_OWNER_PGRP:
        for process in list(pid.pgrp):
            yield process.rep
    elif owner.kind == F_OWNER_PID:
        if pid.process is not None:
            yield pid.process.rep
    elif pid.thread is not None:
        yield pid.thread


def owner_number(t: Thread, owner: Owner) -> int:
    """Return the number of an owner that is still there as ``t`` sees it, else 0."""
    return owner.pid.nr_in(ns_of(t)) if owner.pid is not None and any(True for _ in _threads(owner)) else 0


def set_owner(t: Thread, file: File, pid: Pid | None, kind: int, force: bool = True) -> None:
    """Make somebody the owner of ``file``; without ``force`` only if it has none (f_modown)."""
    if force or file.owner.pid is None:
        file.owner = Owner(pid, kind, t.cred.uid, t.cred.euid) if pid is not None else NOBODY._replace(kind=kind)


def find_owner(t: Thread, number: int) -> Pid | None:
    """Return what a number stands for, None for 0.  ESRCH if for nothing."""
    pid = ns_of(t).find(number) if number else None
    if number and pid is None:
        raise Errno.ESRCH
    return pid


def set_own(t: Thread, file: File, number: int) -> None:
    """F_SETOWN and FIOSETOWN: a process, or a process group if negative (f_setown).  EINVAL, ESRCH."""
    if number == -(1 << 31):
        raise Errno.EINVAL
    set_owner(t, file, find_owner(t, abs(number)), F_OWNER_PGRP if number < 0 else F_OWNER_PID)


def get_own(t: Thread, file: File) -> int:
    """F_GETOWN and FIOGETOWN (f_getown)."""
    number = owner_number(t, file.owner)
    return -number if file.owner.kind == F_OWNER_PGRP else number


def _permitted(owner: Owner, target: Thread) -> bool:
    """As who made it the owner could have sent the signal itself (sigio_perm)."""
    cred = target.cred
    return owner.euid == 0 or owner.euid in (cred.suid, cred.uid) or owner.uid in (cred.suid, cred.uid)


def set_async(t: Thread, file: File, fd: int, on: bool) -> bool:
    """Switch O_ASYNC of ``file``, whose descriptor is ``fd``; return False if this kind of file has no signals, which is then
    as it was."""
    lists = file.listeners()
    if not lists:
        return False
    if on:
        file.default_owner(t)
    file.flags = file.flags | O_ASYNC if on else file.flags & ~O_ASYNC
    for listeners in lists:
        if on:
            listeners[file] = fd
        else:
            listeners.pop(file, None)
    return True


def kill_fasync(listeners: Listeners, reason: int, signo: int = SIGIO) -> None:
    """Tell the owners of ``listeners`` (kill_fasync); ``reason``: POLL_*."""
    for file, fd in list(listeners.items()):
        # SIGURG has its own way to the owner.
        if signo != SIGURG or file.signal:
            _send_sigio(file, fd, reason)


def _send_sigio(file: File, fd: int, reason: int) -> None:
    """Signal the owner: SIGIO, or the signal of F_SETSIG with what happened; if its queue is full SIGIO stands in for it."""
    owner = file.owner
    for target in _threads(owner):
        if not _permitted(owner, target):
            continue
        group = owner.kind != F_OWNER_TID
        if file.signal:
            code = SI_SIGIO if file.signal != SIGIO and file.signal in SPECIFIC_CODES else reason
            try:
                send_signal(target, SigInfo(file.signal, code=code, band=_BANDS[reason], fd=fd), group)
                continue
            except Errno.EAGAIN:
                pass
        send_signal(target, kernel_info(SIGIO), group)


def send_sigurg(file: File) -> bool:
    """Urgent data came: SIGURG to the owner, whether O_ASYNC is set or not; return whether there is one (send_sigurg)."""
    owner = file.owner
    for target in _threads(owner):
        if _permitted(owner, target):
            send_signal(target, kernel_info(SIGURG), owner.kind != F_OWNER_TID)
    return owner.pid is not None
