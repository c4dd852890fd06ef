"""/proc/sys: the sysctls programs ask for (Documentation/admin-guide/sysctl/).

A table from path to what is shown and what writing does.  Read-only here means that the value is a fact of this kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel import utsname
from kernel.coredump_sysctls import CORENAME_MAX_SIZE
from kernel.cred import CAP_LAST_CAP, CAP_SYS_ADMIN, NGROUPS_MAX
from kernel.errno import Errno
from kernel.fs.proc.generic import Entry, reg
from kernel.fs.vfs import uuid4
from kernel.pid import PID_MAX_LIMIT, ns_of
from kernel.rlimit import NR_OPEN

if TYPE_CHECKING:
    from kernel.task import Thread

PIDS_PER_CPU_MIN = 8


def _fixed(name: bytes, value: bytes | int) -> Entry:
    text = value if isinstance(value, bytes) else b"%d" % value

    def show(t: Thread, _: object) -> bytes:
        return text + b"\n"

    return reg(name, 0o444, show)


def _shown(name: bytes, value: Callable[[Thread], bytes | int]) -> Entry:
    def show(t: Thread, _: object) -> bytes:
        now = value(t)
        return (now if isinstance(now, bytes) else b"%d" % now) + b"\n"

    return reg(name, 0o444, show)


def _number(name: bytes, get: Callable[[Thread], int], put: Callable[[Thread, int], None], low: int, high: int) -> Entry:
    """A number that can be written between ``low`` and ``high`` (proc_dointvec_minmax).  EINVAL outside."""

    def show(t: Thread, _: object) -> bytes:
        return b"%d\n" % get(t)

    def store(t: Thread, _: object, data: bytes) -> None:
        try:
            value = int(data.split(b"\0")[0])
        except ValueError:
            raise Errno.EINVAL from None
        if not low <= value <= high:
            raise Errno.EINVAL
        put(t, value)

    return reg(name, 0o644, show, store)


def _set_pid_max(t: Thread, value: int) -> None:
    ns_of(t).pid_max = value


def _set_overcommit(t: Thread, value: int) -> None:
    t.kernel.memory.overcommit = value


def _set_max_map_count(t: Thread, value: int) -> None:
    t.kernel.memory.max_map_count = value


def _set_mmap_min_addr(t: Thread, value: int) -> None:
    t.kernel.memory.mmap_min_addr = value


def _ns_last_pid(t: Thread, value: int) -> None:
    ns_of(t).last = value


def _set_protected_symlinks(t: Thread, value: int) -> None:
    t.kernel.vfs.protected_symlinks = value


def _set_protected_hardlinks(t: Thread, value: int) -> None:
    t.kernel.vfs.protected_hardlinks = value


def _hostname(t: Thread, _: object) -> bytes:
    return t.nsproxy.uts.nodename + b"\n"


def _name(data: bytes) -> bytes:
    name = data.split(b"\n")[0].split(b"\0")[0]
    if len(name) > utsname.NEW_UTS_LEN:
        raise Errno.EINVAL
    return name


def _set_hostname(t: Thread, _: object, data: bytes) -> None:
    if not t.cred.capable(CAP_SYS_ADMIN):
        raise Errno.EPERM
    t.nsproxy.uts.nodename = _name(data)


def _domainname(t: Thread, _: object) -> bytes:
    return t.nsproxy.uts.domainname + b"\n"


def _set_domainname(t: Thread, _: object, data: bytes) -> None:
    if not t.cred.capable(CAP_SYS_ADMIN):
        raise Errno.EPERM
    t.nsproxy.uts.domainname = _name(data)


def _core_pattern(t: Thread, _: object) -> bytes:
    return t.kernel.coredump.pattern + b"\n"


def _set_core_pattern(t: Thread, _: object, data: bytes) -> None:
    t.kernel.coredump.pattern = data.split(b"\n")[0].split(b"\0")[0][: CORENAME_MAX_SIZE - 1]


def _set_core_pipe_limit(t: Thread, value: int) -> None:
    t.kernel.coredump.pipe_limit = value


def _set_core_uses_pid(t: Thread, value: int) -> None:
    t.kernel.coredump.uses_pid = value


def _set_suid_dumpable(t: Thread, value: int) -> None:
    t.kernel.coredump.suid_dumpable = value


SYSCTLS: tuple[Entry, ...] = (
    _fixed(b"sys/kernel/ostype", utsname.SYSNAME),
    _fixed(b"sys/kernel/osrelease", utsname.RELEASE),
    _fixed(b"sys/kernel/version", utsname.VERSION),
    reg(b"sys/kernel/hostname", 0o644, _hostname, _set_hostname),
    reg(b"sys/kernel/domainname", 0o644, _domainname, _set_domainname),
    _number(b"sys/kernel/pid_max", lambda t: ns_of(t).pid_max, _set_pid_max, PIDS_PER_CPU_MIN + 293, PID_MAX_LIMIT),
    _number(b"sys/kernel/ns_last_pid", lambda t: ns_of(t).last, _ns_last_pid, 0, PID_MAX_LIMIT),
    _shown(b"sys/kernel/threads-max", lambda t: t.kernel.options.max_procs),
    _fixed(b"sys/kernel/ngroups_max", NGROUPS_MAX),
    _fixed(b"sys/kernel/cap_last_cap", CAP_LAST_CAP),
    _shown(b"sys/kernel/randomize_va_space", lambda t: 2 if t.kernel.options.aslr else 0),
    _shown(b"sys/kernel/random/boot_id", lambda t: t.kernel.vfs.boot_id),
    _shown(b"sys/kernel/random/uuid", lambda t: uuid4(t.kernel.vfs.random)),
    _fixed(b"sys/kernel/random/entropy_avail", 256),
    _fixed(b"sys/kernel/random/poolsize", 256),
    reg(b"sys/kernel/core_pattern", 0o644, _core_pattern, _set_core_pattern),
    _number(b"sys/kernel/core_pipe_limit", lambda t: t.kernel.coredump.pipe_limit, _set_core_pipe_limit, 0, (1 << 32) - 1),
    _number(b"sys/kernel/core_uses_pid", lambda t: t.kernel.coredump.uses_pid, _set_core_uses_pid, -(1 << 31), (1 << 31) - 1),
    _fixed(b"sys/kernel/sched_rr_timeslice_ms", 100),
    _fixed(b"sys/kernel/overflowuid", 65534),
    _fixed(b"sys/kernel/overflowgid", 65534),
    _fixed(b"sys/kernel/shmmax", (1 << 64) - 1 - (1 << 24)),
    _fixed(b"sys/kernel/shmall", (1 << 64) - 1 - (1 << 24)),
    _fixed(b"sys/kernel/shmmni", 4096),
    _fixed(b"sys/kernel/sem", b"32000\t1024000000\t500\t32000"),
    _fixed(b"sys/kernel/msgmax", 8192),
    _fixed(b"sys/kernel/msgmnb", 16384),
    _fixed(b"sys/kernel/msgmni", 32000),
    _number(b"sys/vm/overcommit_memory", lambda t: t.kernel.memory.overcommit, _set_overcommit, 0, 2),
    _number(b"sys/vm/max_map_count", lambda t: t.kernel.memory.max_map_count, _set_max_map_count, 0, (1 << 31) - 1),
    _number(b"sys/vm/mmap_min_addr", lambda t: t.kernel.memory.mmap_min_addr, _set_mmap_min_addr, 0, (1 << 63) - 1),
    _fixed(b"sys/vm/swappiness", 60),
    _fixed(b"sys/fs/file-max", (1 << 63) - 1),
    _fixed(b"sys/fs/nr_open", NR_OPEN),
    _fixed(b"sys/fs/pipe-max-size", 1048576),
    _fixed(b"sys/fs/pipe-user-pages-soft", 16384),
    _fixed(b"sys/fs/pipe-user-pages-hard", 0),
    _fixed(b"sys/fs/protected_fifos", 0),
    _number(b"sys/fs/protected_hardlinks", lambda t: t.kernel.vfs.protected_hardlinks, _set_protected_hardlinks, 0, 1),
    _fixed(b"sys/fs/protected_regular", 0),
    _number(b"sys/fs/protected_symlinks", lambda t: t.kernel.vfs.protected_symlinks, _set_protected_symlinks, 0, 1),
    _number(b"sys/fs/suid_dumpable", lambda t: t.kernel.coredump.suid_dumpable, _set_suid_dumpable, 0, 2),
    _fixed(b"sys/fs/mqueue/msg_max", 10),
    _fixed(b"sys/fs/mqueue/msgsize_max", 8192),
    _fixed(b"sys/fs/mqueue/queues_max", 256),
    _fixed(b"sys/net/core/somaxconn", 4096),
)
