"""The kinds of ptrace stops (ptrace(2), "Stopped states") as a table, and which of them a thread is in.

A tracer tells them apart by the wait status and PTRACE_GETSIGINFO; so does ``stop_kind``, for reports.  docs/ptrace.md is
written from this table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.ptrace import (
    EVENT_CLONE,
    EVENT_EXEC,
    EVENT_EXIT,
    EVENT_FORK,
    EVENT_SECCOMP,
    EVENT_STOP,
    EVENT_VFORK,
    EVENT_VFORK_DONE,
)
from kernel.signal import SIGTRAP

if TYPE_CHECKING:
    from kernel.task import Thread


class StopKind(NamedTuple):
    """One kind of stop: ``status`` is the wait status >> 8, ``when`` what leads there, ``message`` what PTRACE_GETEVENTMSG
    tells, ``listens`` whether PTRACE_LISTEN is possible."""

    name: str
    status: str
    when: str
    message: str = "0"
    listens: bool = False


SIGNAL_DELIVERY: Final = StopKind(
    "signal-delivery-stop", "signal", "a signal is about to be delivered, single steps and breakpoints included"
)
GROUP: Final = StopKind("group-stop", "stop signal", "its process stops (attached without SEIZE)")
SEIZED_GROUP: Final = StopKind("group-stop", "stop signal | EVENT_STOP << 8", "its process stops (seized)", listens=True)
TRAP: Final = StopKind(
    "PTRACE_EVENT_STOP", "SIGTRAP | EVENT_STOP << 8", "PTRACE_INTERRUPT, SIGCONT, or a new thread of a seized one", listens=True
)
_GOOD: Final = "SIGTRAP, | 0x80 with TRACESYSGOOD"
SYSCALL_ENTRY: Final = StopKind("syscall-enter-stop", _GOOD, "a system call is about to be made", "1")
SYSCALL_EXIT: Final = StopKind("syscall-exit-stop", _GOOD, "a system call has been made", "2")
HANDLER: Final = StopKind("SIGTRAP", "SIGTRAP", "a step led into a signal handler")
EVENTS: Final = {
    EVENT_FORK: StopKind("PTRACE_EVENT_FORK", "SIGTRAP | EVENT_FORK << 8", "fork made a child", "its number"),
    EVENT_VFORK: StopKind("PTRACE_EVENT_VFORK", "SIGTRAP | EVENT_VFORK << 8", "vfork made a child", "its number"),
    EVENT_CLONE: StopKind("PTRACE_EVENT_CLONE", "SIGTRAP | EVENT_CLONE << 8", "clone made a child or thread", "its number"),
    EVENT_EXEC: StopKind("PTRACE_EVENT_EXEC", "SIGTRAP | EVENT_EXEC << 8", "a new program is loaded", "its old number"),
    EVENT_VFORK_DONE: StopKind(
        "PTRACE_EVENT_VFORK_DONE", "SIGTRAP | EVENT_VFORK_DONE << 8", "the child of vfork gave the memory back", "its number"
    ),
    EVENT_EXIT: StopKind("PTRACE_EVENT_EXIT", "SIGTRAP | EVENT_EXIT << 8", "it is about to exit", "its wait status"),
    EVENT_SECCOMP: StopKind(
        "PTRACE_EVENT_SECCOMP", "SIGTRAP | EVENT_SECCOMP << 8", "a filter said SECCOMP_RET_TRACE", "the filter's data"
    ),
}
"""Stops that happen only if an option asked for them."""

STOPS: Final = (SIGNAL_DELIVERY, GROUP, SEIZED_GROUP, TRAP, SYSCALL_ENTRY, SYSCALL_EXIT, HANDLER, *EVENTS.values())
_SYSCALLS: Final = {1: SYSCALL_ENTRY, 2: SYSCALL_EXIT}
_SYSCALL_CODES: Final = (SIGTRAP, SIGTRAP | 0x80)

RUNNING, STOPPED, LISTENING, DEAD = "running", "stopped for the tracer", "listening", "dead"
"""What a tracee can be in.  LISTENING: stopped still, but for the process's sake, and no request works."""


def stop_kind(t: Thread) -> StopKind:
    """Return the kind of ptrace stop ``t`` is in."""
    info = t.last_siginfo
    if info is None:
        return GROUP
    event = info.code >> 8 if info.code > 0 else 0
    if event == EVENT_STOP:
        return TRAP if info.signo == SIGTRAP else SEIZED_GROUP
    if info.signo != SIGTRAP or info.code < 0:
        return SIGNAL_DELIVERY
    if event:
        return EVENTS.get(event, SIGNAL_DELIVERY)
    if info.code in _SYSCALL_CODES:
        return _SYSCALLS.get(t.ptrace_message, HANDLER)
    return SIGNAL_DELIVERY
