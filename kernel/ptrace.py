"""Tracing: the links between a tracer and its tracees, as far as exit and wait see them.

``t.parent`` is the tracer of a traced thread; ``t.ptraced`` are a tracer's tracees.  The states a dead tracee goes through
are described in ``kernel/exit.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.task import Thread

if TYPE_CHECKING:
    from kernel.waitqueue import Blocking

PT_EXITKILL = 0x100000
"""PTRACE_O_EXITKILL."""


def reparented(t: Thread) -> bool:
    """Tell whether ``t`` is traced from outside the process of its real parent (ptrace_reparented)."""
    if not t.ptrace or t.parent is None:
        return False
    return t.real_parent is None or t.parent.process is not t.real_parent.process


def unlink(t: Thread) -> None:
    """Undo the tracing of ``t`` (__ptrace_unlink)."""
    if t.ptrace:
        if t.parent is not None:
            t.parent.ptraced.pop(t, None)
        t.ptrace = 0
        t.parent = t.real_parent


def event_exit(t: Thread, code: int) -> Blocking[None]:
    """Stop a tracee that is about to exit with wait status ``code``, if its tracer asked for it (PTRACE_EVENT_EXIT)."""
    yield from ()
