"""Seccomp: a thread gives up system calls, for itself and what comes after it (seccomp(2), kernel/seccomp.c).

A confined thread has a system-call table of its own, ``Thread.calls``.  In it a call that every filter always allows is the
call itself, and all others are ``_ask``, which runs the filters first.  So an unconfined thread pays nothing, and an allowed
call nearly nothing.  A thread that somebody watches asks by ``secure_computing`` instead, after its tracer has seen the call
and perhaps made it another (syscall_trace_enter).

==============  =====================================================================================================
action          what happens to the call
==============  =====================================================================================================
KILL_PROCESS    SIGSYS that cannot be caught ends the process; so does KILL_THREAD in the last thread
KILL_THREAD     the thread exits as if killed by SIGSYS, the others live on
TRAP            SIGSYS; RAX keeps the number, so that a handler can emulate the call
ERRNO           it fails with the filter's data as error number
USER_NOTIF      whoever holds the listener decides (``kernel.seccomp_notify``)
TRACE           a tracer that asked for PTRACE_EVENT_SECCOMP decides; without one: ENOSYS
LOG, ALLOW      it is made
==============  =====================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import GeneratorType
from typing import TYPE_CHECKING, Any, Final

from kernel import ptrace
from kernel.bpf import Insn
from kernel.cred import CAP_SYS_ADMIN
from kernel.errno import Errno
from kernel.exit import do_exit
from kernel.fs.fdtable import install_fd
from kernel.fs.file import O_CLOEXEC
from kernel.ia32 import AUDIT_ARCH_X86_64, IA32, in_ia32_syscall, syscall_arch
from kernel.pid import ns_of
from kernel.ptrace_stop import ptrace_event
from kernel.ptrace_user import syscall_registers
from kernel.seccomp_filter import (
    ACTIONS,
    CACHED,
    DATA,
    RET_ACTION_FULL,
    RET_ALLOW,
    RET_DATA,
    RET_ERRNO,
    RET_KILL_PROCESS,
    RET_KILL_THREAD,
    RET_LOG,
    RET_TRACE,
    RET_TRAP,
    RET_USER_NOTIF,
    Seccomp,
    SeccompFilter,
)
from kernel.seccomp_notify import Listener, Notifier, user_notification
from kernel.signal import SIGKILL, SIGSYS, SYS_SECCOMP, SigInfo
from kernel.signal_pending import fatal_signal_pending
from kernel.signal_send import force_exit_sig, force_signal

if TYPE_CHECKING:
    from kernel.task import Thread
    from kernel.waitqueue import Blocking

MODE_DISABLED, MODE_STRICT, MODE_FILTER, MODE_DEAD = range(4)

FLAG_TSYNC: Final = 1
FLAG_LOG: Final = 2
FLAG_SPEC_ALLOW: Final = 4
FLAG_NEW_LISTENER: Final = 8
FLAG_TSYNC_ESRCH: Final = 16
FLAG_WAIT_KILLABLE_RECV: Final = 32
FLAG_MASK: Final = 63

_ALWAYS_LOGGED: Final = frozenset({RET_KILL_PROCESS, RET_KILL_THREAD, RET_LOG})
"""Logged whether or not the filter has FLAG_LOG, if the sysctl does not forbid it."""
_STRICT_CALLS: Final = frozenset({0, 1, 60, 15})
"""read, write, exit, rt_sigreturn."""
_STRICT_CALLS_32: Final = frozenset({3, 4, 1, 119})
_MAX_ERRNO: Final = 4095
_U64: Final = (1 << 64) - 1
_ENOSYS: Final = -Errno.ENOSYS.number & _U64
_VDSO_REACH: Final = 0x2000
_VDSO_CALLS: Final = frozenset({96, 201, 309})
"""gettimeofday, time, getcpu."""
_CLOCK_CALLS: Final = frozenset({228, 229})
"""clock_gettime, clock_getres."""
_VDSO_CLOCKS: Final = frozenset({0, 1, 4, 5, 6, 7, 11})
"""What the vDSO of Linux can tell without a call: not the clocks of CPU time."""

Call = Callable[..., Any]


# -- entering a call --------------------------------------------------------------------------------------------------
def _table(t: Thread, filter: SeccompFilter | None) -> list[Call]:
    """Return the system-call table of threads confined by ``filter``, or with None by strict mode."""
    plain = t.kernel.calls
    last = len(plain) - 1
    table: list[Call]

    def ask(t: Thread, registers: tuple[int, ...]) -> object:
        nr = t.syscall_nr
        slot = nr if nr < last else last
        if filter is None:
            return plain[slot](t, registers) if nr in _STRICT_CALLS else _ask_and_call(t)
        if nr < CACHED:
            plan = filter.plan(nr)
            if plan.allows():
                try:
                    return plain[nr](t, registers)
                finally:
                    table[nr] = plain[nr]
            if plan.match is None and len(plan.open) == 1:
                table[nr] = _ask_one(plain, nr, plan.open[0])
        answer, match = filter.run(nr, AUDIT_ARCH_X86_64, t.cpu.rip if filter.uses_ip else 0, registers)
        return plain[slot](t, registers) if match is None else _object(t, answer, match)

    table = [ask] * len(plain)
    return table


def _ask_one(plain: list[Call], nr: int, filter: SeccompFilter) -> Call:
    """Return the entry of call ``nr`` when ``filter`` is the only one of its chain whose answer depends on the arguments, and
    no other objects."""
    run, uses_ip = filter.function(), filter.uses_ip

    def ask(t: Thread, registers: tuple[int, ...]) -> object:
        answer = run(nr, AUDIT_ARCH_X86_64, t.cpu.rip if uses_ip else 0, registers)
        return plain[nr](t, registers) if answer & RET_ACTION_FULL == RET_ALLOW else _object(t, answer, filter)

    return ask


def _object(t: Thread, answer: int, match: SeccompFilter) -> object:
    """A filter does not simply allow the call ``t`` makes.  Most often that means an error; what may sleep asks once more."""
    if answer & RET_ACTION_FULL == RET_ERRNO and not match.log and not _exempt(t):
        return -min(answer & RET_DATA, _MAX_ERRNO)
    return _ask_and_call(t)


def _ask_and_call(t: Thread) -> Blocking[object]:
    if not (yield from secure_computing(t)):
        return t.cpu.rax
    nr = t.syscall_args[0] & 0xFFFF_FFFF
    plain = t.kernel.calls
    result = plain[min(nr, len(plain) - 1)](t, t.syscall_args)
    return (yield from result) if isinstance(result, GeneratorType) else result


def _exempt(t: Thread) -> bool:
    """Tell whether the call ``t`` makes is not to be judged: its tracer suspended that, or the vDSO makes the call, which
    on real hardware is none."""
    if t.ptrace & ptrace.PT_SUSPEND_SECCOMP:
        return True
    mm = t.mm
    assert mm is not None
    rip = t.cpu.rip
    if not mm.vdso or not 0 <= rip - mm.vdso < _VDSO_REACH:
        return False
    if t.syscall_nr not in _VDSO_CALLS and not (t.syscall_nr in _CLOCK_CALLS and t.cpu.regs().rdi in _VDSO_CLOCKS):
        return False
    area = mm.areas.find(rip)
    return area is not None and area.start == mm.vdso


def secure_computing(t: Thread) -> Blocking[bool]:
    """Judge the call ``t`` is about to make, ``t.syscall_args``, which may be another afterwards; return True if it is to
    be made, else RAX is its result (__secure_computing)."""
    seccomp = t.seccomp
    if seccomp is None or _exempt(t):
        return True
    if seccomp.mode == MODE_FILTER:
        return (yield from _judge(t, syscall_arch(t), t.syscall_args))
    nr = t.syscall_args[0] & 0xFFFF_FFFF
    if seccomp.mode == MODE_STRICT and nr in (_STRICT_CALLS_32 if in_ia32_syscall(t) else _STRICT_CALLS):
        return True
    # Whoever is MODE_DEAD has outlived its death sentence.
    return (yield from _kill_strictly(t, nr))


def _kill_strictly(t: Thread, nr: int) -> Blocking[bool]:
    t.seccomp = Seccomp(MODE_DEAD, None)
    _log(t, nr, RET_KILL_THREAD, True)
    yield from do_exit(t, SIGKILL)
    return False


def _judge(t: Thread, arch: int, registers: Sequence[int], again: bool = False) -> Blocking[bool]:
    """Ask the filters about a call, number and arguments, and do what they say (__seccomp_filter).

    ``again``: a tracer has decided already; what it made of the call is asked about once more, but not handed to it once
    more."""
    assert t.seccomp is not None
    leaf = t.seccomp.filter
    assert leaf is not None
    nr, rip = registers[0] & 0xFFFF_FFFF, t.cpu.rip
    answer, match = leaf.run(nr, arch, rip, registers)
    action, data = answer & RET_ACTION_FULL, answer & RET_DATA
    if action == RET_ALLOW:
        return True
    assert match is not None
    if action == RET_LOG:
        _log(t, nr, action, True)
        return True
    if action == RET_USER_NOTIF:
        if (yield from user_notification(t, match, DATA.pack(nr, arch, rip, *registers[1:]))):
            return True
    elif action == RET_TRACE:
        if again:
            return True
        if ptrace.event_enabled(t, ptrace.EVENT_SECCOMP):
            return (yield from _ask_tracer(t, arch, data, match))
        t.cpu.rax = _ENOSYS
    elif action == RET_ERRNO:
        t.cpu.rax = -min(data, _MAX_ERRNO) & _U64
    elif action == RET_TRAP:
        _force_sigsys(t, nr, arch, data, fatal=False)
    else:
        t.seccomp = Seccomp(MODE_DEAD, leaf)
        _log(t, nr, action if action in ACTIONS else RET_KILL_PROCESS, True)
        if action == RET_KILL_THREAD and t.process.live > 1:
            yield from do_exit(t, SIGSYS)
        _force_sigsys(t, nr, arch, data, fatal=True)
        return False
    _log(t, nr, action, match.log)
    return False


def _force_sigsys(t: Thread, nr: int, arch: int, data: int, fatal: bool) -> None:
    """Send SIGSYS about call ``nr``; RAX is the number again (force_sig_seccomp, syscall_rollback)."""
    unchanged = arch == AUDIT_ARCH_X86_64 and t.syscall_args[0] & 0xFFFF_FFFF == t.syscall_nr
    t.cpu.rax = t.syscall_args[0] if unchanged else t.syscall_nr & _U64
    signed = (nr ^ 0x8000_0000) - 0x8000_0000
    info = SigInfo(SIGSYS, errno=data, code=SYS_SECCOMP, call_addr=t.cpu.rip, syscall=signed, arch=arch)
    if fatal:
        force_exit_sig(t, info)
    else:
        force_signal(t, info)


def _ask_tracer(t: Thread, arch: int, data: int, match: SeccompFilter) -> Blocking[bool]:
    """Stop for the tracer, which may change the call, or make it number -1 for none; what it made of it is judged anew."""
    t.trace_flags &= ~ptrace.TRACE_CHANGED
    yield from ptrace_event(t, ptrace.EVENT_SECCOMP, data)
    if t.trace_flags & ptrace.TRACE_CHANGED:
        t.syscall_args = syscall_registers(t)
    nr = t.syscall_args[0] & 0xFFFF_FFFF
    # A fatal signal may have cut the stop short, before the tracer could object.
    if fatal_signal_pending(t) or nr >> 31:
        _log(t, nr, RET_TRACE, match.log)
        return False
    return t.seccomp is None or (yield from _judge(t, arch, t.syscall_args, again=True))


def _log(t: Thread, nr: int, action: int, requested: bool) -> None:
    """Tell the user of the machine about what was not simply allowed (seccomp_log, audit_seccomp); the same
    of one program only once."""
    if action not in t.kernel.seccomp_logged or not (requested or action in _ALWAYS_LOGGED):
        return
    name = t.kernel.call_name(nr | IA32 if in_ia32_syscall(t) else nr)
    t.kernel.log_once(
        ("seccomp", t.comm, nr, action),
        f"seccomp: {ACTIONS[action]} of {name} ({nr}) by {t.comm.decode(errors='replace')}[{t.tid}] at {t.cpu.rip - 2:#x}",
    )


# -- changing the mode ------------------------------------------------------------------------------------------------
def _assign(t: Thread, seccomp: Seccomp) -> None:
    """Confine ``t`` from its next call on (seccomp_assign_mode)."""
    t.seccomp = seccomp
    t.calls = seccomp.filter.calls if seccomp.filter is not None else _table(t, None)
    t.kernel.sched.resched(t)  # the run loop has the old table at hand


def mode(t: Thread) -> int:
    """Return MODE_* of a thread (PR_GET_SECCOMP)."""
    return MODE_DISABLED if t.seccomp is None else t.seccomp.mode


def set_mode_strict(t: Thread) -> None:
    """Leave only read, write, exit and rt_sigreturn.  EINVAL if the thread has filters."""
    if mode(t) not in (MODE_DISABLED, MODE_STRICT):
        raise Errno.EINVAL
    t.cpu.tsc = False  # a clock that fine would tell what others do (disable_TSC)
    _assign(t, Seccomp(MODE_STRICT, None))


def check_flags(flags: int) -> None:
    """EINVAL for flags of SECCOMP_SET_MODE_FILTER that do not exist or contradict each other: the number of a thread that
    cannot be synchronised must not look like a listener's descriptor."""
    if flags & ~FLAG_MASK:
        raise Errno.EINVAL
    if flags & (FLAG_TSYNC | FLAG_NEW_LISTENER | FLAG_TSYNC_ESRCH) == FLAG_TSYNC | FLAG_NEW_LISTENER:
        raise Errno.EINVAL
    if flags & FLAG_WAIT_KILLABLE_RECV and not flags & FLAG_NEW_LISTENER:
        raise Errno.EINVAL


def may_install(t: Thread) -> bool:
    """A filter must not be put over the eyes of a program with more privileges: only who cannot gain any, or has them all,
    may install one."""
    return t.no_new_privs or t.cred.ns_capable(t.cred.user_ns, CAP_SYS_ADMIN)


def set_mode_filter(t: Thread, program: Sequence[Insn], flags: int) -> int:
    """Put a filter in front of those ``t`` has; ``flags``: FLAG_*, checked by ``check_flags``.

    Returns 0, with FLAG_NEW_LISTENER the descriptor of the listener, with FLAG_TSYNC the tid of a thread that has other
    filters (with FLAG_TSYNC_ESRCH: ESRCH).  EINVAL: the program is not a filter, or strict mode; EMFILE; EBUSY: a filter has
    a listener already; ENOMEM: too many instructions.
    """
    new = SeccompFilter(program)
    old = t.seccomp.filter if t.seccomp is not None else None
    descriptor = 0
    if flags & FLAG_NEW_LISTENER:
        new.notifier = Notifier(t.kernel.random.getrandbits(64))
        descriptor = install_fd(t, Listener(new, new.notifier), O_CLOEXEC)
    try:
        failed = _attach(t, new, old, flags)
    except Errno:
        if flags & FLAG_NEW_LISTENER:
            t.files.close(t, descriptor)
        raise
    return failed or descriptor


def _attach(t: Thread, new: SeccompFilter, old: SeccompFilter | None, flags: int) -> int:
    """Make ``new`` the filter of ``t``, or return the tid of a thread that keeps FLAG_TSYNC from being done
    (seccomp_attach_filter)."""
    if mode(t) not in (MODE_DISABLED, MODE_FILTER):
        raise Errno.EINVAL
    if new.notifier is not None and _has_listener(old):
        raise Errno.EBUSY
    new.follow(old)
    others = [other for other in t.process.living if other is not t] if flags & FLAG_TSYNC else []
    for other in others:
        if not _can_sync(other, old):
            if flags & FLAG_TSYNC_ESRCH:
                raise Errno.ESRCH
            return other.pid.nr_in(ns_of(t))
    new.log = flags & FLAG_LOG != 0
    new.wait_killable = flags & FLAG_WAIT_KILLABLE_RECV != 0
    new.calls = _table(t, new)
    state = Seccomp(MODE_FILTER, new)
    _assign(t, state)
    for other in others:
        new.users += 1
        if other.seccomp is not None and other.seccomp.filter is not None:
            other.seccomp.filter.put()
        other.no_new_privs |= t.no_new_privs
        _assign(other, state)
    return 0


def _has_listener(filter: SeccompFilter | None) -> bool:
    while filter is not None:
        if filter.notifier is not None:
            return True
        filter = filter.prev
    return False


def _can_sync(other: Thread, old: SeccompFilter | None) -> bool:
    """Tell whether a sibling's filters are among those of the caller, ``old`` (seccomp_can_sync_threads)."""
    theirs = other.seccomp
    return theirs is None or (theirs.filter is not None and theirs.filter.is_ancestor_of(old))


# -- life of a thread -------------------------------------------------------------------------------------------------
def inherit(child: Thread, t: Thread) -> None:
    """A new thread or process is confined as its creator (copy_seccomp)."""
    child.seccomp, child.calls = t.seccomp, t.calls
    if t.seccomp is not None and t.seccomp.filter is not None:
        t.seccomp.filter.users += 1


# -- looking at it ----------------------------------------------------------------------------------------------------
def check_may_look(t: Thread) -> None:
    """EACCES unless ``t`` has CAP_SYS_ADMIN and is not confined itself (seccomp_get_filter)."""
    if not t.cred.capable(CAP_SYS_ADMIN) or t.seccomp is not None:
        raise Errno.EACCES


def nth_filter(t: Thread, target: Thread, index: int) -> SeccompFilter:
    """Return filter ``index`` of a tracee, the oldest is 0 (get_nth_filter).

    EACCES: see ``check_may_look``; EINVAL: no filters; ENOENT: not so many.
    """
    check_may_look(t)
    state = target.seccomp
    if state is None or state.mode != MODE_FILTER or state.filter is None:
        raise Errno.EINVAL
    filter: SeccompFilter | None = state.filter
    if index >= state.filter.count:
        raise Errno.ENOENT
    for _ in range(state.filter.count - 1 - index):
        assert filter is not None
        filter = filter.prev
    assert filter is not None
    return filter
