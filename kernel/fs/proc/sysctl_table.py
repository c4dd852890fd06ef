"""The rows of /proc/sys that programs ask for (Documentation/admin-guide/sysctl/).

Read-only here means that the value is a fact of this kernel.  Of the settings some do something; the others describe machinery
there is none of (disks, swapping, huge pages) and are only kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kernel import utsname
from kernel.coredump_sysctls import CORENAME_MAX_SIZE
from kernel.cred import CAP_CHECKPOINT_RESTORE, CAP_LAST_CAP, CAP_SYS_ADMIN, CAP_SYS_PTRACE, NGROUPS_MAX
from kernel.errno import Errno
from kernel.fs.proc.generic import Entry
from kernel.fs.proc.sysctl import (
    INT_MAX,
    LONG_MAX,
    UINT_MAX,
    ULONG_MAX,
    Numbers,
    PidNsSysctlFile,
    Text,
    UserNsSysctlFile,
    fixed,
    setting,
    shown,
    sysctl,
)
from kernel.fs.vfs import uuid4
from kernel.ipc.msg import MSGMAX, MSGMNB, MSGMNI
from kernel.ipc.shm import SHMALL, SHMMAX, SHMMNI
from kernel.net.inet import FIRST_UNPRIVILEGED
from kernel.net.ports import FIRST_EPHEMERAL, LAST_EPHEMERAL
from kernel.net.socket import DEFAULT_BUFFER, MAX_BUFFER
from kernel.net.tcp_states import FIRST_RECEIVE_BUFFER, FIRST_SEND_BUFFER, SOMAXCONN
from kernel.net.unix import MAX_DGRAM_QLEN
from kernel.pid import PID_MAX_LIMIT, ns_of
from kernel.rlimit import NR_OPEN
from kernel.seccomp_filter import ACTIONS, RET_ALLOW
from kernel.ucount import SYSCTL_NAMES
from kernel.yama import SCOPE_NO_ATTACH

if TYPE_CHECKING:
    from kernel.task import Thread

PIDS_PER_CPU_MIN = 8
RESERVED_PIDS = 300
SHM_MOST = ULONG_MAX - (1 << 24)
FILE_MAX = LONG_MAX


def _set_pid_max(t: Thread, value: int) -> None:
    ns_of(t).pid_max = value


def _set_ns_last_pid(t: Thread, value: int) -> None:
    """The mode lets anybody; who may is asked here (pid_ns_ctl_handler)."""
    ns, cred = ns_of(t), t.cred
    if not (cred.ns_capable(ns.user_ns, CAP_SYS_ADMIN) or cred.ns_capable(ns.user_ns, CAP_CHECKPOINT_RESTORE)):
        raise Errno.EPERM
    if value > ns.pid_max:
        raise Errno.EINVAL
    ns.last = value


def _max_namespaces(name: bytes, kind: int) -> Entry:
    """user/max_NAME_namespaces: how many a user may make in the reader's user namespace."""

    def get(t: Thread) -> int:
        return t.kernel.ucounts.limits(t.cred.user_ns)[kind]

    def put(t: Thread, value: int) -> None:
        t.kernel.ucounts.limits(t.cred.user_ns)[kind] = value

    return sysctl(b"user/max_%s_namespaces" % name, 0o644, Numbers(get, put, 0, INT_MAX), UserNsSysctlFile)


def _set_overcommit(t: Thread, value: int) -> None:
    t.kernel.memory.overcommit = value


def _set_max_map_count(t: Thread, value: int) -> None:
    t.kernel.memory.max_map_count = value


def _set_mmap_min_addr(t: Thread, value: int) -> None:
    t.kernel.memory.mmap_min_addr = value


def _set_protected_symlinks(t: Thread, value: int) -> None:
    t.kernel.vfs.protected_symlinks = value


def _set_protected_hardlinks(t: Thread, value: int) -> None:
    t.kernel.vfs.protected_hardlinks = value


def _set_hostname(t: Thread, value: bytes) -> None:
    t.nsproxy.uts.nodename = value


def _set_shm_next_id(t: Thread, value: int) -> None:
    t.nsproxy.ipc.shm.next_id = value


def _set_msg_next_id(t: Thread, value: int) -> None:
    t.nsproxy.ipc.msg.next_id = value


def _set_domainname(t: Thread, value: bytes) -> None:
    t.nsproxy.uts.domainname = value


def _actions(actions: Iterable[int]) -> bytes:
    return " ".join(name for action, name in ACTIONS.items() if action in actions).encode()


def _set_actions_logged(t: Thread, value: bytes) -> None:
    """Names separated by single spaces; what is simply allowed cannot be logged (write_actions_logged).  EPERM, EINVAL."""
    if not t.cred.capable(CAP_SYS_ADMIN):
        raise Errno.EPERM
    wanted = set()
    for name in value.decode(errors="replace").split(" "):
        if not name:
            break
        action = next((action for action, known in ACTIONS.items() if known == name), RET_ALLOW)
        if action == RET_ALLOW:
            raise Errno.EINVAL
        wanted.add(action)
    t.kernel.seccomp_logged = frozenset(wanted)


def _set_core_pattern(t: Thread, value: bytes) -> None:
    t.kernel.coredump.pattern = value


def _set_core_pipe_limit(t: Thread, value: int) -> None:
    t.kernel.coredump.pipe_limit = value


def _set_core_uses_pid(t: Thread, value: int) -> None:
    t.kernel.coredump.uses_pid = value


def _set_suid_dumpable(t: Thread, value: int) -> None:
    t.kernel.coredump.suid_dumpable = value


def _set_yama_scope(t: Thread, value: int) -> None:
    """EPERM without CAP_SYS_PTRACE; EINVAL to lower the highest one (yama_dointvec_minmax)."""
    if not t.cred.capable(CAP_SYS_PTRACE):
        raise Errno.EPERM
    if t.kernel.yama_scope == SCOPE_NO_ATTACH and value != SCOPE_NO_ATTACH:
        raise Errno.EINVAL
    t.kernel.yama_scope = value


def _open_files(t: Thread) -> tuple[int, int, int]:
    """fs.file-nr: open file descriptions, unused ones, the limit."""
    files = {id(file) for table in {x.files for x in t.kernel.all_threads() if not x.exiting} for file in table.slots if file}
    return len(files), 0, FILE_MAX


KERNEL: tuple[Entry, ...] = (
    fixed(b"kernel/ostype", utsname.SYSNAME),
    fixed(b"kernel/osrelease", utsname.RELEASE),
    fixed(b"kernel/version", utsname.VERSION),
    fixed(b"kernel/arch", utsname.MACHINE),
    sysctl(b"kernel/hostname", 0o644, Text(lambda t: t.nsproxy.uts.nodename, _set_hostname, utsname.NEW_UTS_LEN)),
    sysctl(b"kernel/domainname", 0o644, Text(lambda t: t.nsproxy.uts.domainname, _set_domainname, utsname.NEW_UTS_LEN)),
    sysctl(
        b"kernel/pid_max",
        0o644,
        Numbers(lambda t: ns_of(t).pid_max, _set_pid_max, RESERVED_PIDS + 1, PID_MAX_LIMIT),
        PidNsSysctlFile,
    ),
    sysctl(b"kernel/ns_last_pid", 0o666, Numbers(lambda t: ns_of(t).last, _set_ns_last_pid, 0, PID_MAX_LIMIT)),
    sysctl(b"kernel/shm_next_id", 0o644, Numbers(lambda t: t.nsproxy.ipc.shm.next_id, _set_shm_next_id, 0, INT_MAX)),
    sysctl(b"kernel/msg_next_id", 0o644, Numbers(lambda t: t.nsproxy.ipc.msg.next_id, _set_msg_next_id, 0, INT_MAX)),
    fixed(b"kernel/shmmax", SHMMAX),
    fixed(b"kernel/shmall", SHMALL),
    fixed(b"kernel/shmmni", SHMMNI),
    fixed(b"kernel/msgmax", MSGMAX),
    fixed(b"kernel/msgmnb", MSGMNB),
    fixed(b"kernel/msgmni", MSGMNI),
    shown(b"kernel/threads-max", lambda t: t.kernel.options.max_procs),
    fixed(b"kernel/ngroups_max", NGROUPS_MAX),
    fixed(b"kernel/cap_last_cap", CAP_LAST_CAP),
    shown(b"kernel/randomize_va_space", lambda t: 2 if t.kernel.options.aslr else 0),
    fixed(b"kernel/seccomp/actions_avail", _actions(ACTIONS)),
    sysctl(b"kernel/seccomp/actions_logged", 0o644, Text(lambda t: _actions(t.kernel.seccomp_logged), _set_actions_logged)),
    sysctl(b"kernel/core_pattern", 0o644, Text(lambda t: t.kernel.coredump.pattern, _set_core_pattern, CORENAME_MAX_SIZE - 1)),
    sysctl(b"kernel/core_pipe_limit", 0o644, Numbers(lambda t: t.kernel.coredump.pipe_limit, _set_core_pipe_limit, 0, UINT_MAX)),
    sysctl(b"kernel/core_uses_pid", 0o644, Numbers(lambda t: t.kernel.coredump.uses_pid, _set_core_uses_pid)),
    sysctl(b"kernel/yama/ptrace_scope", 0o644, Numbers(lambda t: t.kernel.yama_scope, _set_yama_scope, 0, SCOPE_NO_ATTACH)),
    setting(b"kernel/dmesg_restrict", 0, 0, 1),
    setting(b"kernel/kptr_restrict", 0, 0, 2),
    setting(b"kernel/panic", 0),
    setting(b"kernel/panic_on_oops", 0),
    setting(b"kernel/perf_event_paranoid", 2, -1),
    setting(b"kernel/print-fatal-signals", 0),
    fixed(b"kernel/tainted", 0),
    setting(b"kernel/unprivileged_bpf_disabled", 2, 0, 2),
    setting(b"kernel/io_uring_disabled", 0, 0, 2),
    setting(b"kernel/sched_autogroup_enabled", 0, 0, 1),
    setting(b"kernel/sched_rt_period_us", 1_000_000, 1),
    setting(b"kernel/sched_rt_runtime_us", 950_000, -1),
    fixed(b"kernel/sched_rr_timeslice_ms", 100),
    setting(b"kernel/hung_task_timeout_secs", 120, 0),
    setting(b"kernel/sysctl_writes_strict", 1, 1, 1),
    fixed(b"kernel/overflowuid", 65534),
    fixed(b"kernel/overflowgid", 65534),
    fixed(b"kernel/shmmax", b"%d" % SHM_MOST),
    fixed(b"kernel/shmall", b"%d" % SHM_MOST),
    fixed(b"kernel/shmmni", 4096),
    setting(b"kernel/shm_rmid_forced", 0, 0, 1),
    sysctl(b"kernel/sem", 0o444, Numbers(lambda t: (32000, 1024000000, 500, 32000))),
    fixed(b"kernel/msgmax", 8192),
    fixed(b"kernel/msgmnb", 16384),
    fixed(b"kernel/msgmni", 32000),
    sysctl(b"kernel/printk", 0o444, Numbers(lambda t: (4, 4, 1, 7))),
    sysctl(b"kernel/random/boot_id", 0o444, Text(lambda t: t.kernel.vfs.boot_id)),
    sysctl(b"kernel/random/uuid", 0o444, Text(lambda t: uuid4(t.kernel.vfs.random))),
    fixed(b"kernel/random/entropy_avail", 256),
    fixed(b"kernel/random/poolsize", 256),
    setting(b"kernel/random/urandom_min_reseed_secs", 60),
    setting(b"kernel/random/write_wakeup_threshold", 256),
    setting(b"kernel/keys/gc_delay", 300, 0),
    setting(b"kernel/keys/maxbytes", 20000, 0),
    setting(b"kernel/keys/maxkeys", 200, 0),
    setting(b"kernel/keys/root_maxbytes", 25_000_000, 0),
    setting(b"kernel/keys/root_maxkeys", 1_000_000, 0),
)

VM: tuple[Entry, ...] = (
    sysctl(b"vm/overcommit_memory", 0o644, Numbers(lambda t: t.kernel.memory.overcommit, _set_overcommit, 0, 2)),
    setting(b"vm/overcommit_ratio", 50),
    setting(b"vm/overcommit_kbytes", 0, 0, LONG_MAX),
    sysctl(b"vm/max_map_count", 0o644, Numbers(lambda t: t.kernel.memory.max_map_count, _set_max_map_count, 0)),
    sysctl(b"vm/mmap_min_addr", 0o644, Numbers(lambda t: t.kernel.memory.mmap_min_addr, _set_mmap_min_addr, 0, LONG_MAX)),
    setting(b"vm/swappiness", 60, 0, 200),
    setting(b"vm/vfs_cache_pressure", 100, 0),
    setting(b"vm/dirty_ratio", 20, 0, 100),
    setting(b"vm/dirty_background_ratio", 10, 0, 100),
    setting(b"vm/dirty_bytes", 0, 0, LONG_MAX),
    setting(b"vm/dirty_background_bytes", 0, 0, LONG_MAX),
    setting(b"vm/dirty_expire_centisecs", 3000, 0),
    setting(b"vm/dirty_writeback_centisecs", 500, 0),
    setting(b"vm/min_free_kbytes", 5632, 0),
    setting(b"vm/page-cluster", 3, 0, 31),
    setting(b"vm/panic_on_oom", 0, 0, 2),
    setting(b"vm/oom_kill_allocating_task", 0),
    setting(b"vm/oom_dump_tasks", 1),
    setting(b"vm/laptop_mode", 0, 0),
    setting(b"vm/legacy_va_layout", 0, 0),
    setting(b"vm/user_reserve_kbytes", 65536, 0, LONG_MAX),
    setting(b"vm/admin_reserve_kbytes", 8192, 0, LONG_MAX),
    fixed(b"vm/nr_hugepages", 0),
    fixed(b"vm/nr_overcommit_hugepages", 0),
)

FS: tuple[Entry, ...] = (
    fixed(b"fs/file-max", FILE_MAX),
    sysctl(b"fs/file-nr", 0o444, Numbers(_open_files)),
    fixed(b"fs/nr_open", NR_OPEN),
    fixed(b"fs/aio-max-nr", 65536),
    fixed(b"fs/aio-nr", 0),
    fixed(b"fs/overflowuid", 65534),
    fixed(b"fs/overflowgid", 65534),
    fixed(b"fs/mount-max", 100000),
    setting(b"fs/lease-break-time", 45),
    fixed(b"fs/leases-enable", 1),
    fixed(b"fs/pipe-max-size", 1048576),
    fixed(b"fs/pipe-user-pages-soft", 16384),
    fixed(b"fs/pipe-user-pages-hard", 0),
    fixed(b"fs/protected_fifos", 0),
    sysctl(b"fs/protected_hardlinks", 0o644, Numbers(lambda t: t.kernel.vfs.protected_hardlinks, _set_protected_hardlinks, 0, 1)),
    fixed(b"fs/protected_regular", 0),
    sysctl(b"fs/protected_symlinks", 0o644, Numbers(lambda t: t.kernel.vfs.protected_symlinks, _set_protected_symlinks, 0, 1)),
    sysctl(b"fs/suid_dumpable", 0o644, Numbers(lambda t: t.kernel.coredump.suid_dumpable, _set_suid_dumpable, 0, 2)),
    fixed(b"fs/epoll/max_user_watches", 400000),
    fixed(b"fs/mqueue/msg_max", 10),
    fixed(b"fs/mqueue/msg_default", 10),
    fixed(b"fs/mqueue/msgsize_max", 8192),
    fixed(b"fs/mqueue/msgsize_default", 8192),
    fixed(b"fs/mqueue/queues_max", 256),
)

NET: tuple[Entry, ...] = (
    fixed(b"net/core/somaxconn", SOMAXCONN),
    fixed(b"net/core/rmem_default", DEFAULT_BUFFER),
    fixed(b"net/core/wmem_default", DEFAULT_BUFFER),
    fixed(b"net/core/rmem_max", MAX_BUFFER),
    fixed(b"net/core/wmem_max", MAX_BUFFER),
    fixed(b"net/core/optmem_max", 131072),
    sysctl(b"net/ipv4/ip_local_port_range", 0o444, Numbers(lambda t: (FIRST_EPHEMERAL, LAST_EPHEMERAL))),
    fixed(b"net/ipv4/ip_unprivileged_port_start", FIRST_UNPRIVILEGED),
    fixed(b"net/ipv4/ip_forward", 0),
    fixed(b"net/ipv4/ip_nonlocal_bind", 0),
    sysctl(b"net/ipv4/ping_group_range", 0o444, Numbers(lambda t: (1, 0))),
    sysctl(b"net/ipv4/tcp_rmem", 0o444, Numbers(lambda t: (4096, FIRST_RECEIVE_BUFFER, 6291456))),
    sysctl(b"net/ipv4/tcp_wmem", 0o444, Numbers(lambda t: (4096, FIRST_SEND_BUFFER, 4194304))),
    fixed(b"net/ipv4/tcp_fin_timeout", 60),
    fixed(b"net/ipv4/tcp_syn_retries", 6),
    fixed(b"net/ipv4/tcp_keepalive_time", 7200),
    fixed(b"net/ipv4/tcp_keepalive_intvl", 75),
    fixed(b"net/ipv4/tcp_keepalive_probes", 9),
    fixed(b"net/ipv6/bindv6only", 0),
    fixed(b"net/ipv6/conf/all/disable_ipv6", 0),
    fixed(b"net/ipv6/conf/default/disable_ipv6", 0),
    fixed(b"net/ipv6/conf/lo/disable_ipv6", 0),
    fixed(b"net/unix/max_dgram_qlen", MAX_DGRAM_QLEN),
)

USER = tuple(_max_namespaces(name, kind) for kind, name in enumerate(SYSCTL_NAMES))
"""/proc/sys/user (namespaces(7))."""

SYSCTLS: tuple[Entry, ...] = FS + KERNEL + NET + USER + VM
