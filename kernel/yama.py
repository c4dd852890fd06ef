"""Yama: who may attach to whom, beside the rules of ``ptrace_access`` (security/yama/yama_lsm.c,
Documentation/admin-guide/LSM/Yama.rst).

=====  ======================================================================================================
scope  PTRACE_ATTACH, PTRACE_SEIZE and what needs the same rights (process_vm_readv, pidfd_getfd, /proc/PID/mem)
=====  ======================================================================================================
0      as without Yama
1      only ancestors of the target, whom it named with PR_SET_PTRACER and their descendants, and CAP_SYS_PTRACE
2      only CAP_SYS_PTRACE; PTRACE_TRACEME only if the parent has it
3      nobody, nor PTRACE_TRACEME; cannot be lowered any more
=====  ======================================================================================================

The scope is the machine's (``--yama-scope``, /proc/sys/kernel/yama/ptrace_scope); whom a process lets attach is kept with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.cred import CAP_SYS_PTRACE
from kernel.errno import Errno
from kernel.pid import ns_of

if TYPE_CHECKING:
    from kernel.task import Process, Thread

SCOPE_DISABLED, SCOPE_RELATIONAL, SCOPE_CAPABILITY, SCOPE_NO_ATTACH = range(4)
ANY_PTRACER: Final = 0xFFFF_FFFF
"""PR_SET_PTRACER_ANY, of which 32 bits count."""


def set_ptracer(t: Thread, number: int) -> None:
    """PR_SET_PTRACER: let process ``number`` attach, or anybody (-1), or with 0 nobody any more.  EINVAL: no such process."""
    process = t.process
    number &= 0xFFFF_FFFF
    if number == 0:
        process.ptracer = None
    elif number == ANY_PTRACER:
        process.ptracer = (None,)
    else:
        tracer = ns_of(t).find_thread(number)
        if tracer is None:
            raise Errno.EINVAL
        process.ptracer = (tracer.process,)


def may_attach(t: Thread, target: Thread) -> bool:
    """Tell whether Yama lets ``t`` attach to ``target`` (yama_ptrace_access_check)."""
    scope = t.kernel.yama_scope
    if scope == SCOPE_DISABLED:
        return True
    if scope == SCOPE_RELATIONAL and (_is_descendant(t.process, target.process) or _is_exception(t, target)):
        return True
    return scope != SCOPE_NO_ATTACH and t.cred.ns_capable(target.cred.user_ns, CAP_SYS_PTRACE)


def may_traceme(t: Thread, parent: Thread) -> bool:
    """Tell whether Yama lets ``t`` ask its parent to trace it (yama_ptrace_traceme)."""
    scope = t.kernel.yama_scope
    if scope == SCOPE_CAPABILITY:
        return parent.cred.ns_capable(t.cred.user_ns, CAP_SYS_PTRACE)
    return scope != SCOPE_NO_ATTACH


def _is_descendant(ancestor: Process, process: Process) -> bool:
    """Tell whether ``process`` is ``ancestor`` or comes of it (task_is_descendant)."""
    walker: Process | None = process
    while walker is not None:
        if walker is ancestor:
            return True
        parent = walker.wait_task.real_parent
        walker = parent.process if parent is not None else None
    return False


def _is_exception(t: Thread, target: Thread) -> bool:
    """Tell whether ``target`` is traced by the process of ``t`` already or has named it or an ancestor of it
    (ptracer_exception_found)."""
    if target.ptrace and target.parent is not None and target.parent.process is t.process:
        return True
    named = target.process.ptracer
    if named is None:
        return False
    tracer = named[0]
    # A named process that is gone names nobody.
    return tracer is None or (bool(tracer.threads) and _is_descendant(tracer, t.process))
