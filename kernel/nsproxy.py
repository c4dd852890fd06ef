"""The namespaces of a thread (``nsproxy``): what clone, unshare and setns make and switch (namespaces(7)).

The pid namespace here is the one its *children* will live in; the thread's own is that of its Pid and never changes.  The time
namespace has both: ``time`` the thread's, ``time_for_children`` what its children enter.  The user namespace is part of the
credentials.  A set is immutable; only the mount namespace counts its users, because it owns mounts that must be taken apart
when the last one is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.errno import Errno
from kernel.fs.propagation import copy_namespace
from kernel.net.namespace import NetNamespace
from kernel.ns import (
    CGROUP_NS_INUM,
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWTIME,
    CLONE_NEWUTS,
    IPC_NS_INUM,
    TIME_NS_INUM,
    UTS_NS_INUM,
    CgroupNamespace,
    IpcNamespace,
    TimeNamespace,
)
from kernel.pid import PidNamespace, ns_of
from kernel.ucount import UCOUNT_CGROUP, UCOUNT_IPC, UCOUNT_MNT, UCOUNT_NET, UCOUNT_PID, UCOUNT_TIME, UCOUNT_UTS, Charge
from kernel.utsname import UtsNamespace

if TYPE_CHECKING:
    from kernel.fs.mount import MountNamespace
    from kernel.fs.namespace import FsContext
    from kernel.task import Thread
    from kernel.user_ns import UserNamespace

MAX_PID_NS_LEVEL: Final = 32


class NsProxy(NamedTuple):
    """An immutable set of namespaces; changing one makes a new set (``_replace``)."""

    mnt: MountNamespace
    uts: UtsNamespace
    pid_for_children: PidNamespace
    net: NetNamespace
    ipc: IpcNamespace
    cgroup: CgroupNamespace
    time: TimeNamespace
    time_for_children: TimeNamespace


def initial_nsproxy(mnt: MountNamespace, pid_ns: PidNamespace, net: NetNamespace) -> NsProxy:
    """Return the namespaces a machine starts with."""
    time = TimeNamespace(TIME_NS_INUM, frozen=True)
    return NsProxy(
        mnt, UtsNamespace(UTS_NS_INUM), pid_ns, net, IpcNamespace(IPC_NS_INUM), CgroupNamespace(CGROUP_NS_INUM), time, time
    )


_CHARGES = (
    (CLONE_NEWNS, UCOUNT_MNT), (CLONE_NEWUTS, UCOUNT_UTS), (CLONE_NEWIPC, UCOUNT_IPC), (CLONE_NEWPID, UCOUNT_PID),
    (CLONE_NEWCGROUP, UCOUNT_CGROUP), (CLONE_NEWNET, UCOUNT_NET), (CLONE_NEWTIME, UCOUNT_TIME),
)  # fmt: skip
"""Flag -> what it is counted as, in the order Linux makes them."""


def _check_pid_ns(t: Thread, user_ns: UserNamespace) -> None:
    """EINVAL, ENOSPC: where a pid namespace cannot be made (copy_pid_ns, create_pid_namespace)."""
    parent = t.nsproxy.pid_for_children
    if parent is not ns_of(t) or not user_ns.is_descendant_of(parent.user_ns):
        raise Errno.EINVAL
    if parent.level >= MAX_PID_NS_LEVEL:
        raise Errno.ENOSPC


def create_new_namespaces(t: Thread, flags: int, user_ns: UserNamespace, fs: FsContext) -> NsProxy:
    """Return the namespaces of ``t`` with new ones, owned by ``user_ns``, for the CLONE_NEW* bits of ``flags``.

    Root and working directory of ``fs`` move into a new mount namespace.  The caller has checked the privilege.  Raises
    ENOSPC (limits of ucounts, depth), EINVAL (a pid namespace below one that is not the caller's); nothing has changed then.
    """
    kernel, old = t.kernel, t.nsproxy
    charges: dict[int, Charge] = {}
    for flag, kind in _CHARGES:
        if flags & flag:
            if flag == CLONE_NEWPID:
                _check_pid_ns(t, user_ns)
            charges[flag] = kernel.ucounts.charge(user_ns, t.cred.euid, kind)
    mnt, uts, pid_ns, net, ipc, cgroup, time = (
        old.mnt, old.uts, old.pid_for_children, old.net, old.ipc, old.cgroup, old.time_for_children
    )  # fmt: skip
    if flags & CLONE_NEWNS:
        mnt = copy_namespace(mnt, kernel.next_inum(), fs, user_ns, charges[CLONE_NEWNS])
    if flags & CLONE_NEWUTS:
        uts = uts.copy(kernel.next_inum(), user_ns, charges[CLONE_NEWUTS])
    if flags & CLONE_NEWIPC:
        ipc = IpcNamespace(kernel.next_inum(), user_ns, charges[CLONE_NEWIPC])
    if flags & CLONE_NEWPID:
        pid_ns = PidNamespace(pid_ns, kernel.next_inum(), user_ns, charges[CLONE_NEWPID])
    if flags & CLONE_NEWCGROUP:
        cgroup = CgroupNamespace(kernel.next_inum(), user_ns, charges[CLONE_NEWCGROUP])
    if flags & CLONE_NEWNET:
        net = NetNamespace(kernel.next_inum(), user_ns)
        net.charge = charges[CLONE_NEWNET]
    if flags & CLONE_NEWTIME:
        offsets = old.time.monotonic, old.time.boottime
        time = TimeNamespace(kernel.next_inum(), user_ns, charges[CLONE_NEWTIME], offsets)
    return NsProxy(mnt, uts, pid_ns, net, ipc, cgroup, old.time, time)


def enter_time_ns(spaces: NsProxy) -> NsProxy:
    """Return the namespaces of a new process: it enters the time namespace made for children (timens_on_fork)."""
    if spaces.time is spaces.time_for_children:
        return spaces
    spaces.time_for_children.frozen = True
    return spaces._replace(time=spaces.time_for_children)


def switch_namespaces(t: Thread, new: NsProxy) -> None:
    """Give ``t`` another set of namespaces (switch_task_namespaces).

    A mount namespace that is new to ``t`` counts it already; the one it leaves is taken apart if it was the last.
    """
    old, t.nsproxy = t.nsproxy, new
    if old.mnt is not new.mnt:
        old.mnt.put()
