"""kcmp(2): do two threads share something (kernel/kcmp.c)?  Meant for checkpointing, which sorts what it finds.

Linux answers with the order of the two objects' (obfuscated) addresses.  Here an object gets a number when it is compared for
the first time, so the order is the same in every run; nothing is kept of objects that are gone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from kernel.errno import Errno
from kernel.fs.epoll import EpollFile

if TYPE_CHECKING:
    from kernel.fs.file import File
    from kernel.task import Thread

KCMP_FILE, KCMP_VM, KCMP_FILES, KCMP_FS, KCMP_SIGHAND, KCMP_IO, KCMP_SYSVSEM, KCMP_EPOLL_TFD = range(8)


class ObjectOrder:
    """The order of all objects that have been compared."""

    __slots__ = ("_next", "_numbers")

    def __init__(self) -> None:
        self._numbers: WeakKeyDictionary[object, int] = WeakKeyDictionary()
        self._next = 0

    def _number(self, thing: object) -> int:
        number = self._numbers.get(thing)
        if number is None:
            number = self._numbers[thing] = self._next
            self._next += 1
        return number

    def compare(self, one: object, two: object) -> int:
        """Return 0 for the same object, 1 if ``one`` comes first, 2 if ``two`` does (kcmp_ptr).  None is before all."""
        if one is two:
            return 0
        if one is None or two is None:
            return 1 if one is None else 2
        return 1 if self._number(one) < self._number(two) else 2


def _io_context(t: Thread) -> object:
    """An I/O context is made when a priority is set."""
    return t.process if t.process.ioprio else None


_SHARED: Final[dict[int, Callable[[Thread], object]]] = {
    KCMP_VM: lambda t: t.mm,
    KCMP_FILES: lambda t: t.files,
    KCMP_FS: lambda t: t.fs,
    KCMP_SIGHAND: lambda t: t.sighand,
    KCMP_IO: _io_context,
    KCMP_SYSVSEM: lambda t: t.process,
}


def kcmp(t: Thread, one: Thread, two: Thread, kind: int, idx1: int, idx2: int, slot: Callable[[], tuple[int, int, int]]) -> int:
    """Compare; ``idx1`` and ``idx2`` are descriptors.  ``slot`` reads what ``idx2`` points at for KCMP_EPOLL_TFD: descriptor of
    the epoll file in ``two``, the watched descriptor, and which of several watches under that number.

    EINVAL: no such kind, no epoll file.  EBADF.  ENOENT: not watched.
    """
    order = t.kernel.object_order
    if kind == KCMP_FILE:
        return order.compare(one.files.get(idx1, path_ok=True), two.files.get(idx2, path_ok=True))
    if kind == KCMP_EPOLL_TFD:
        efd, tfd, offset = slot()
        file = one.files.get(idx1, path_ok=True)
        return order.compare(file, _watched(two.files.get(efd, path_ok=True), tfd, offset))
    shared = _SHARED.get(kind)
    if shared is None:
        raise Errno.EINVAL
    return order.compare(shared(one), shared(two))


def _watched(epoll: File, fd: int, offset: int) -> File:
    """Return the file that ``epoll`` watches as number ``fd``, the ``offset``-th of them (get_epoll_tfile_raw_ptr)."""
    if not isinstance(epoll, EpollFile):
        raise Errno.EINVAL
    files = [file for file, number in epoll.items if number == fd]
    if offset >= len(files):
        raise Errno.ENOENT
    return files[offset]
