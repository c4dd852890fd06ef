"""The families of system calls that make up the table."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from syscalls.table import Table, build

FAMILIES = (
    "process",
    "signal",
    "memory",
    "fs_open",
    "fs_rw",
    "fs_data",
    "fs_stat",
    "fs_dir",
    "fs_fcntl",
    "fs_mount",
    "fs_xattr",
    "io_pipe",
    "io_poll",
    "io_event",
    "socket",
    "ipc_shm",
    "ipc_msg",
    "futex",
    "time",
    "timer",
    "cred",
    "resource",
    "schedule",
    "prctl",
    "seccomp",
    "ptrace",
    "misc",
    "absent",
)


@cache
def table() -> Table:
    """Import every family and return the table, the same one for all machines of a process."""
    return build(import_module(f"syscalls.{name}") for name in FAMILIES)
