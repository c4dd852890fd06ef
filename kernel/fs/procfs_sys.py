"""/proc/sys: the sysctls programs ask for (Documentation/admin-guide/sysctl/).

A table from path to what is shown and what writing does.  Read-only here means that the value is a fact of this kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from kernel import utsname
from kernel.cred import CAP_LAST_CAP, CAP_SYS_ADMIN, NGROUPS_MAX
from kernel.errno import Errno
from kernel.fs.procfs import Entry
from kernel.fs.vfs import uuid4
from kernel.pid import PID_MAX_LIMIT, ns_of
from kernel.rlimit import NR_OPEN

if TYPE_CHECKING:
    from kernel.task import Thread

PIDS_PER_CPU_MIN = 8


def _fixed(value: bytes | int) -> Entry:
    text = value if isinstance(value, bytes) else b"%d" % value

    def show(t: Thread, _: object) -> bytes:
        return text + b"\n"

    return Entry(0o444, show)


def _shown(value: Callable[[Thread], bytes | int]) -> Entry:
    def show(t: Thread, _: object) -> bytes:
        now = value(t)
        return (now if isinstance(now, bytes) else b"%d" % now) + b"\n"

    return Entry(0o444, show)


def _number(get: Callable[[Thread], int], put: Callable[[Thread, int], None], low: int, high: int) -> Entry:
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

    return Entry(0o644, show, store)


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


SYSCTLS: Mapping[bytes, Entry] = {
    b"sys/kernel/ostype": _fixed(utsname.SYSNAME),
    b"sys/kernel/osrelease": _fixed(utsname.RELEASE),
    b"sys/kernel/version": _fixed(utsname.VERSION),
    b"sys/kernel/hostname": Entry(0o644, _hostname, _set_hostname),
    b"sys/kernel/domainname": Entry(0o644, _domainname, _set_domainname),
    b"sys/kernel/pid_max": _number(lambda t: ns_of(t).pid_max, _set_pid_max, PIDS_PER_CPU_MIN + 293, PID_MAX_LIMIT),
    b"sys/kernel/ns_last_pid": _number(lambda t: ns_of(t).last, _ns_last_pid, 0, PID_MAX_LIMIT),
    b"sys/kernel/threads-max": _shown(lambda t: t.kernel.options.max_procs),
    b"sys/kernel/ngroups_max": _fixed(NGROUPS_MAX),
    b"sys/kernel/cap_last_cap": _fixed(CAP_LAST_CAP),
    b"sys/kernel/randomize_va_space": _shown(lambda t: 2 if t.kernel.options.aslr else 0),
    b"sys/kernel/random/boot_id": _shown(lambda t: t.kernel.vfs.boot_id),
    b"sys/kernel/random/uuid": _shown(lambda t: uuid4(t.kernel.vfs.random)),
    b"sys/kernel/random/entropy_avail": _fixed(256),
    b"sys/kernel/random/poolsize": _fixed(256),
    b"sys/kernel/core_pattern": _fixed(b"core"),
    b"sys/kernel/core_uses_pid": _fixed(0),
    b"sys/kernel/sched_rr_timeslice_ms": _fixed(100),
    b"sys/kernel/overflowuid": _fixed(65534),
    b"sys/kernel/overflowgid": _fixed(65534),
    b"sys/kernel/shmmax": _fixed((1 << 64) - 1 - (1 << 24)),
    b"sys/kernel/shmall": _fixed((1 << 64) - 1 - (1 << 24)),
    b"sys/kernel/shmmni": _fixed(4096),
    b"sys/kernel/sem": _fixed(b"32000\t1024000000\t500\t32000"),
    b"sys/kernel/msgmax": _fixed(8192),
    b"sys/kernel/msgmnb": _fixed(16384),
    b"sys/kernel/msgmni": _fixed(32000),
    b"sys/vm/overcommit_memory": _number(lambda t: t.kernel.memory.overcommit, _set_overcommit, 0, 2),
    b"sys/vm/max_map_count": _number(lambda t: t.kernel.memory.max_map_count, _set_max_map_count, 0, (1 << 31) - 1),
    b"sys/vm/mmap_min_addr": _number(lambda t: t.kernel.memory.mmap_min_addr, _set_mmap_min_addr, 0, (1 << 63) - 1),
    b"sys/vm/swappiness": _fixed(60),
    b"sys/fs/file-max": _fixed((1 << 63) - 1),
    b"sys/fs/nr_open": _fixed(NR_OPEN),
    b"sys/fs/pipe-max-size": _fixed(1048576),
    b"sys/fs/pipe-user-pages-soft": _fixed(16384),
    b"sys/fs/pipe-user-pages-hard": _fixed(0),
    b"sys/fs/protected_fifos": _fixed(0),
    b"sys/fs/protected_hardlinks": _number(lambda t: t.kernel.vfs.protected_hardlinks, _set_protected_hardlinks, 0, 1),
    b"sys/fs/protected_regular": _fixed(0),
    b"sys/fs/protected_symlinks": _number(lambda t: t.kernel.vfs.protected_symlinks, _set_protected_symlinks, 0, 1),
    b"sys/fs/suid_dumpable": _fixed(0),
    b"sys/fs/mqueue/msg_max": _fixed(10),
    b"sys/fs/mqueue/msgsize_max": _fixed(8192),
    b"sys/fs/mqueue/queues_max": _fixed(256),
    b"sys/net/core/somaxconn": _fixed(4096),
}
