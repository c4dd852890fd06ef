"""What an administrator says about core dumps: /proc/sys/kernel/core_* and /proc/sys/fs/suid_dumpable (core(5), proc(5))."""

from __future__ import annotations

CORENAME_MAX_SIZE = 128
"""Bytes core_pattern can have, with its NUL."""


class CoredumpSysctls:
    """``pattern``: core_pattern, where a core goes.  ``uses_pid``: core_uses_pid, appends the pid.  ``pipe_limit``:
    core_pipe_limit, most dumps to programs at a time, 0 for any number; ``piped``: how many there are.  ``suid_dumpable``: what
    a process is whose privileges have changed (SUID_DUMP_*).
    """

    __slots__ = ("pattern", "uses_pid", "pipe_limit", "suid_dumpable", "piped")

    def __init__(self) -> None:
        self.pattern = b"core"
        self.uses_pid = 0
        self.pipe_limit = 0
        self.suid_dumpable = 0
        self.piped = 0
