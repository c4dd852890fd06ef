"""unshare(2) and setns(2): leaving and entering namespaces (kernel/nsproxy.c, ksys_unshare of kernel/fork.c).

Both work on a copy and commit it when everything has been checked, so a call that fails has changed nothing.  Whose
capability counts differs by kind: entering needs CAP_SYS_ADMIN over the namespace *and* over the user namespace one
is in (or enters with the same call); a user namespace that is made gives its maker every capability in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from kernel.cred import CAP_FULL_SET, CAP_SETFCAP, CAP_SYS_ADMIN, CAP_SYS_CHROOT, Cred
from kernel.cred_change import commit
from kernel.errno import Errno
from kernel.fs.mount import MountNamespace
from kernel.fs.nsfs import AnyNamespace, NsFile
from kernel.fs.pidfd import PidFd
from kernel.ns import (
    ALL_NAMESPACES,
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWTIME,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    NSPROXY_FLAGS,
    Namespace,
    TimeNamespace,
)
from kernel.nsproxy import NsProxy, create_new_namespaces, switch_namespaces
from kernel.pid import PidNamespace, ns_of
from kernel.ptrace_access import check_access
from kernel.user_ns import UserNamespace, create_user_ns

if TYPE_CHECKING:
    from kernel.fs.file import File
    from kernel.fs.namespace import FsContext
    from kernel.task import Thread

CLONE_VM: Final = 0x100
CLONE_FS: Final = 0x200
CLONE_FILES: Final = 0x400
CLONE_SIGHAND: Final = 0x800
CLONE_THREAD: Final = 0x10000
CLONE_SYSVSEM: Final = 0x40000
_UNSHARABLE: Final = CLONE_THREAD | CLONE_FS | CLONE_SIGHAND | CLONE_VM | CLONE_FILES | CLONE_SYSVSEM | ALL_NAMESPACES


# -- user namespaces --------------------------------------------------------------------------------------------------
def user_ns_cred(t: Thread) -> Cred:
    """Return the credentials of ``t`` in a new user namespace of its own: every capability there (create_user_ns,
    set_cred_user_ns).  ENOSPC, EPERM."""
    kernel, cred = t.kernel, t.cred
    ns = create_user_ns(
        kernel.ucounts, cred.user_ns, cred.euid, cred.egid, kernel.next_inum(),
        cred.ns_capable(cred.user_ns, CAP_SETFCAP), _chrooted(t),
    )  # fmt: skip
    return with_user_ns(cred, ns)


def with_user_ns(cred: Cred, ns: UserNamespace) -> Cred:
    """Return ``cred`` as it is right after entering ``ns``."""
    return cred._replace(
        inheritable=0, permitted=CAP_FULL_SET, effective=CAP_FULL_SET, bounding=CAP_FULL_SET, ambient=0, securebits=0,
        user_ns=ns,
    )  # fmt: skip


def _chrooted(t: Thread) -> bool:
    """Tell whether the root of ``t`` is not that of its mount namespace (current_chrooted)."""
    return t.fs.root != t.nsproxy.mnt.top()


# -- unshare ----------------------------------------------------------------------------------------------------------
def _check_unshare(t: Thread, flags: int) -> None:
    if flags & ~_UNSHARABLE:
        raise Errno.EINVAL
    if flags & (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM) and len(t.process.threads) > 1:
        raise Errno.EINVAL
    if flags & (CLONE_SIGHAND | CLONE_VM) and t.sighand.users > 1:
        raise Errno.EINVAL
    if flags & CLONE_VM and t.mm is not None and t.mm.users > 1:
        raise Errno.EINVAL


def unshare(t: Thread, flags: int) -> None:
    """unshare(2).  EINVAL: unknown flags, or threads that cannot be told apart; EPERM, ENOSPC: of the namespaces."""
    if flags & CLONE_NEWUSER:
        flags |= CLONE_THREAD | CLONE_FS
    if flags & CLONE_VM:
        flags |= CLONE_SIGHAND
    if flags & CLONE_SIGHAND:
        flags |= CLONE_THREAD
    if flags & CLONE_NEWNS:
        flags |= CLONE_FS
    _check_unshare(t, flags)
    cred = user_ns_cred(t) if flags & CLONE_NEWUSER else t.cred
    fs = t.fs.copy() if flags & CLONE_FS and t.fs.users > 1 else t.fs
    if flags & NSPROXY_FLAGS:
        if not t.cred.ns_capable(cred.user_ns, CAP_SYS_ADMIN):
            raise Errno.EPERM
        switch_namespaces(t, create_new_namespaces(t, flags & NSPROXY_FLAGS, cred.user_ns, fs))
    if fs is not t.fs:
        t.fs.put()
        t.fs = fs
    if flags & CLONE_FILES and t.files.users > 1:
        table, t.files = t.files, t.files.copy()
        table.put(t)
    if cred is not t.cred:
        commit(t, cred)


# -- setns ------------------------------------------------------------------------------------------------------------
class NsSet:
    """What a setns call has put together so far (struct nsset): ``spaces``, ``cred`` and a place to stand, ``fs``."""

    __slots__ = ("spaces", "cred", "fs")

    def __init__(self, t: Thread, flags: int) -> None:
        self.spaces: NsProxy = t.nsproxy
        self.cred: Cred = t.cred
        # Only alone may a mount namespace be entered in place; else the place is committed with the rest.
        self.fs: FsContext = t.fs if flags == CLONE_NEWNS or not flags & CLONE_NEWNS else t.fs.copy()


def _both_capable(t: Thread, new: NsSet, ns: Namespace) -> None:
    """EPERM without CAP_SYS_ADMIN over the namespace's owner and over the user namespace one will be in."""
    cred = t.cred
    if not (cred.ns_capable(ns.user_ns, CAP_SYS_ADMIN) and cred.ns_capable(new.cred.user_ns, CAP_SYS_ADMIN)):
        raise Errno.EPERM


def _install_user(t: Thread, new: NsSet, ns: AnyNamespace) -> None:
    assert isinstance(ns, UserNamespace)
    if ns is t.cred.user_ns or len(t.process.threads) > 1 or t.fs.users > 1:
        raise Errno.EINVAL
    if not t.cred.ns_capable(ns, CAP_SYS_ADMIN):
        raise Errno.EPERM
    new.cred = with_user_ns(new.cred, ns)


def _install_mnt(t: Thread, new: NsSet, ns: AnyNamespace) -> None:
    assert isinstance(ns, MountNamespace)
    _both_capable(t, new, ns)
    if not t.cred.ns_capable(new.cred.user_ns, CAP_SYS_CHROOT):
        raise Errno.EPERM
    if new.fs.users != 1:
        raise Errno.EINVAL
    new.spaces = new.spaces._replace(mnt=ns)


def _install_pid(t: Thread, new: NsSet, ns: AnyNamespace) -> None:
    assert isinstance(ns, PidNamespace)
    _both_capable(t, new, ns)
    if not ns.is_descendant_of(ns_of(t)):
        raise Errno.EINVAL
    new.spaces = new.spaces._replace(pid_for_children=ns)


def _install_time(t: Thread, new: NsSet, ns: AnyNamespace) -> None:
    assert isinstance(ns, TimeNamespace)
    if len(t.process.threads) > 1 or (t.mm is not None and t.mm.users > 1):
        raise Errno.EUSERS
    _both_capable(t, new, ns)
    ns.frozen = True
    new.spaces = new.spaces._replace(time=ns, time_for_children=ns)


def _install_field(field: str) -> Callable[[Thread, NsSet, AnyNamespace], None]:
    """Return how a kind is entered that has no rules of its own."""

    def install(t: Thread, new: NsSet, ns: AnyNamespace) -> None:
        assert isinstance(ns, Namespace)
        _both_capable(t, new, ns)
        change: dict[str, Any] = {field: ns}
        new.spaces = new.spaces._replace(**change)

    return install


_INSTALL: Final[dict[int, Callable[[Thread, NsSet, AnyNamespace], None]]] = {
    CLONE_NEWUSER: _install_user,
    CLONE_NEWNS: _install_mnt,
    CLONE_NEWUTS: _install_field("uts"),
    CLONE_NEWIPC: _install_field("ipc"),
    CLONE_NEWPID: _install_pid,
    CLONE_NEWCGROUP: _install_field("cgroup"),
    CLONE_NEWNET: _install_field("net"),
    CLONE_NEWTIME: _install_time,
}
"""How a namespace of each kind is entered, in the order in which a pidfd's are (validate_nsset)."""


def namespaces_of(target: Thread) -> dict[int, AnyNamespace]:
    """Return the namespaces a thread is in, by CLONE_NEW* flag."""
    spaces = target.nsproxy
    return {
        CLONE_NEWUSER: target.cred.user_ns, CLONE_NEWNS: spaces.mnt, CLONE_NEWUTS: spaces.uts, CLONE_NEWIPC: spaces.ipc,
        CLONE_NEWPID: ns_of(target), CLONE_NEWCGROUP: spaces.cgroup, CLONE_NEWNET: spaces.net, CLONE_NEWTIME: spaces.time,
    }  # fmt: skip


def _namespaces_meant(t: Thread, file: File, flags: int) -> dict[int, AnyNamespace]:
    """Return what is to be entered.  EINVAL: neither a namespace nor a pidfd, or flags that do not fit; ESRCH, EPERM: the
    process of a pidfd is gone, or may not be looked into."""
    if isinstance(file, NsFile):
        kind = file.ns.KIND
        if flags and flags != kind:
            raise Errno.EINVAL
        return {kind: file.ns}
    if not isinstance(file, PidFd) or not flags or flags & ~ALL_NAMESPACES:
        raise Errno.EINVAL
    process = file.pid.process
    if process is None:
        raise Errno.ESRCH
    target = process.rep
    check_access(t, target)
    if target.exiting:
        raise Errno.ESRCH
    known = namespaces_of(target)
    return {kind: known[kind] for kind in _INSTALL if kind & flags}


def setns(t: Thread, file: File, flags: int) -> None:
    """setns(2) with an open namespace, or a pidfd and the kinds of namespaces of that process in ``flags``.

    EINVAL, EPERM, ESRCH, EUSERS (a time namespace, with threads).
    """
    meant = _namespaces_meant(t, file, flags)
    new = NsSet(t, sum(meant))
    for kind, ns in meant.items():
        _INSTALL[kind](t, new, ns)
    if CLONE_NEWNS in meant:
        new.spaces.mnt.hold()
        new.fs.enter(new.spaces.mnt)
        if new.fs is not t.fs:
            t.fs.put()
            t.fs = new.fs
        if new.spaces.mnt is t.nsproxy.mnt:
            new.spaces.mnt.put()
    if new.cred is not t.cred:
        commit(t, new.cred)
    switch_namespaces(t, new.spaces)
