"""Layouts of the C structures of the ABI, declared once as data.

A ``Struct`` packs and unpacks itself in guest memory.  How a structure is shown in a trace is declared in
``syscalls/strace/structs.py``, because strace leaves most fields out.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace


class Struct:
    """A C struct of x86-64: ``fields`` are (name, struct format) pairs; native alignment must be spelled with "x" pads.

    ``size`` in bytes.  Values travel as tuples in field order (pads have no value).
    """

    __slots__ = ("name", "fields", "format", "size")

    def __init__(self, name: str, *fields: tuple[str, str]) -> None:
        self.name = name
        self.fields = tuple(field for field, code in fields if not code.endswith("x"))
        self.format = struct.Struct("<" + "".join(code for _, code in fields))
        self.size = self.format.size

    def read(self, mm: AddressSpace, address: int) -> tuple[int, ...]:
        """Return the field values at a user address.  Raises EFAULT."""
        return self.format.unpack(mm.read(address, self.size))

    def write(self, mm: AddressSpace, address: int, *values: object) -> None:
        """Store the field values at a user address.  Raises EFAULT."""
        mm.write(address, self.format.pack(*values))


TIMESPEC = Struct("timespec", ("tv_sec", "q"), ("tv_nsec", "q"))
TIMEVAL = Struct("timeval", ("tv_sec", "q"), ("tv_usec", "q"))
ITIMERSPEC = Struct(
    "itimerspec", ("it_interval_sec", "q"), ("it_interval_nsec", "q"), ("it_value_sec", "q"), ("it_value_nsec", "q")
)
CLONE_ARGS = Struct(
    "clone_args",
    ("flags", "Q"),
    ("pidfd", "Q"),
    ("child_tid", "Q"),
    ("parent_tid", "Q"),
    ("exit_signal", "Q"),
    ("stack", "Q"),
    ("stack_size", "Q"),
    ("tls", "Q"),
    ("set_tid", "Q"),
    ("set_tid_size", "Q"),
    ("cgroup", "Q"),
)
RUSAGE = Struct(
    "rusage",
    ("ru_utime_sec", "q"),
    ("ru_utime_usec", "q"),
    ("ru_stime_sec", "q"),
    ("ru_stime_usec", "q"),
    ("ru_maxrss", "q"),
    ("ru_ixrss", "q"),
    ("ru_idrss", "q"),
    ("ru_isrss", "q"),
    ("ru_minflt", "q"),
    ("ru_majflt", "q"),
    ("ru_nswap", "q"),
    ("ru_inblock", "q"),
    ("ru_oublock", "q"),
    ("ru_msgsnd", "q"),
    ("ru_msgrcv", "q"),
    ("ru_nsignals", "q"),
    ("ru_nvcsw", "q"),
    ("ru_nivcsw", "q"),
)
WAITID_INFO = Struct(
    "siginfo_t",
    ("si_signo", "i"),
    ("si_errno", "i"),
    ("si_code", "i"),
    ("pad", "4x"),
    ("si_pid", "i"),
    ("si_uid", "I"),
    ("si_status", "i"),
)
_IPC64_PERM = (
    *(("key", "i"), ("uid", "I"), ("gid", "I"), ("cuid", "I"), ("cgid", "I"), ("mode", "I"), ("seq", "H"), ("pad", "6x")),
    *(("unused1", "Q"), ("unused2", "Q")),
)
IPC64_PERM = Struct("ipc64_perm", *_IPC64_PERM)
SHMID64_DS = Struct(
    "shmid64_ds",
    *_IPC64_PERM,
    *(("shm_segsz", "Q"), ("shm_atime", "q"), ("shm_dtime", "q"), ("shm_ctime", "q"), ("shm_cpid", "i"), ("shm_lpid", "i")),
    *(("shm_nattch", "Q"), ("unused4", "Q"), ("unused5", "Q")),
)
SHMINFO64 = Struct(
    "shminfo64",
    *(("shmmax", "Q"), ("shmmin", "Q"), ("shmmni", "Q"), ("shmseg", "Q"), ("shmall", "Q")),
    *(("unused1", "Q"), ("unused2", "Q"), ("unused3", "Q"), ("unused4", "Q")),
)
SHM_INFO = Struct(
    "shm_info",
    *(("used_ids", "i"), ("pad", "4x"), ("shm_tot", "Q"), ("shm_rss", "Q"), ("shm_swp", "Q")),
    *(("swap_attempts", "Q"), ("swap_successes", "Q")),
)
MSQID64_DS = Struct(
    "msqid64_ds",
    *_IPC64_PERM,
    *(("msg_stime", "q"), ("msg_rtime", "q"), ("msg_ctime", "q"), ("msg_cbytes", "Q"), ("msg_qnum", "Q"), ("msg_qbytes", "Q")),
    *(("msg_lspid", "i"), ("msg_lrpid", "i"), ("unused4", "Q"), ("unused5", "Q")),
)
MSGINFO = Struct(
    "msginfo",
    *(("msgpool", "i"), ("msgmap", "i"), ("msgmax", "i"), ("msgmnb", "i"), ("msgmni", "i"), ("msgssz", "i"), ("msgtql", "i")),
    *(("msgseg", "H"), ("pad", "2x")),
)
