"""May one thread look into another, or trace it?  (ptrace(2), "Ptrace access mode checking"; __ptrace_may_access.)

The same question is asked by ptrace itself, by process_vm_readv, by pidfd_getfd and by many files of /proc.  Two things are
chosen by the asker: whether the file-system ids or the real ids of the caller count, and which set of capabilities.

1. A thread of the same process: yes.
2. The caller's ids equal *all three* of the target's user ids and group ids, or the caller has CAP_SYS_PTRACE.
3. The target is dumpable, or the caller has CAP_SYS_PTRACE.
4. The caller has every capability the target is permitted, or CAP_SYS_PTRACE (the commoncap module).
5. To attach, or to do what needs as much (MODE_ATTACH), Yama must agree (``kernel.yama``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel import yama
from kernel.cred import CAP_SYS_PTRACE
from kernel.errno import Errno

if TYPE_CHECKING:
    from kernel.task import Thread

MODE_REALCREDS: Final = 0
"""PTRACE_MODE_*_REALCREDS: real ids and permitted capabilities, for system calls."""
MODE_FSCREDS: Final = 1
"""PTRACE_MODE_*_FSCREDS: file-system ids and effective capabilities, for files of /proc."""
MODE_ATTACH: Final = 2
"""PTRACE_MODE_ATTACH_*: more than looking, which is PTRACE_MODE_READ_*."""
SUID_DUMP_USER: Final = 1


def may_access(t: Thread, target: Thread, mode: int = MODE_REALCREDS) -> bool:
    """Tell whether ``t`` may inspect or trace ``target``.  ``mode``: MODE_REALCREDS or MODE_FSCREDS, with MODE_ATTACH or
    without."""
    if t.process is target.process:
        return True
    return _credentials_allow(t, target, mode) and (not mode & MODE_ATTACH or yama.may_attach(t, target))


def _credentials_allow(t: Thread, target: Thread, mode: int) -> bool:
    mine, other = t.cred, target.cred
    if mine.ns_capable(other.user_ns, CAP_SYS_PTRACE):
        # The memory may belong to a namespace further out than its user's: a program that one may not read (exec in a
        # user namespace raises mm->user_ns).  Nothing here makes such memory, so the credentials' namespace counts.
        return True
    uid, gid = (mine.fsuid, mine.fsgid) if mode & MODE_FSCREDS else (mine.uid, mine.gid)
    if not (uid == other.euid == other.suid == other.uid and gid == other.egid == other.sgid == other.gid):
        return False
    if target.mm is not None and target.mm.dumpable != SUID_DUMP_USER:
        return False
    caps = mine.effective if mode & MODE_FSCREDS else mine.permitted
    return mine.user_ns is other.user_ns and not other.permitted & ~caps


def may_be_traced_by(t: Thread, tracer: Thread) -> bool:
    """Tell whether ``t`` may ask ``tracer`` to trace it (cap_ptrace_traceme, Yama)."""
    if not yama.may_traceme(t, tracer):
        return False
    mine, other = t.cred, tracer.cred
    if mine.user_ns is other.user_ns and not mine.permitted & ~other.permitted:
        return True
    return other.ns_capable(mine.user_ns, CAP_SYS_PTRACE)


def check_access(t: Thread, target: Thread, mode: int = MODE_REALCREDS) -> None:
    """Raise EPERM unless ``may_access``."""
    if not may_access(t, target, mode):
        raise Errno.EPERM
