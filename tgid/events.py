"""What happened in a run, as values: the ``events`` of a ``Result``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kernel.kernel import Watch
from kernel.signal import SigInfo

if TYPE_CHECKING:
    from kernel.task import Thread


class Event(NamedTuple):
    """One thing that happened.

    ``time``: monotonic ns of the guest.  ``pid``, ``tid``: whose event.  ``kind``: "call" (a system call returned: ``name``,
    ``args`` the six raw registers, ``result`` its value or minus an errno), "signal" (``args``: si_signo, si_code) delivered,
    "stop" (``args``: the signal), "clone" (``result``: the child's tid), "exec" (``name``: the path) or "exit" (``result``: the
    wait status).
    """

    time: int
    pid: int
    tid: int
    kind: str
    name: str = ""
    args: tuple[int, ...] = ()
    result: int = 0


class EventLog(Watch):
    """Collects every event in order."""

    __slots__ = ("events",)

    def __init__(self) -> None:
        self.events: list[Event] = []

    def _add(self, t: Thread, kind: str, name: str = "", args: tuple[int, ...] = (), result: int = 0) -> None:
        now = t.kernel.clock.monotonic()
        self.events.append(Event(now, t.process.tgid, t.tid, kind, name, args, result))

    def syscall_exit(self, t: Thread, number: int, args: tuple[int, ...], result: object) -> None:
        assert isinstance(result, int)
        self._add(t, "call", t.kernel.call_name(number), args, result)

    def signal(self, t: Thread, info: object) -> None:
        assert isinstance(info, SigInfo)
        self._add(t, "signal", args=(info.signo, info.code))

    def stopped(self, t: Thread, signo: int) -> None:
        self._add(t, "stop", args=(signo,))

    def cloned(self, t: Thread, child: Thread) -> None:
        self._add(t, "clone", result=child.tid)

    def execed(self, t: Thread, path: bytes) -> None:
        self._add(t, "exec", path.decode(errors="surrogateescape"))

    def exited(self, t: Thread, status: int) -> None:
        self._add(t, "exit", result=status)
