"""Seccomp filters: BPF programs that are asked about every system call, and the tree they form (kernel/seccomp.c).

A filter is never changed once it is attached.  It points to the one that was there before (``prev``); fork shares the chain,
so that all chains together are a tree.  Every filter of a chain is asked, the newest first, and the lowest action wins.

Most filters look at the number and the architecture alone for most calls.  What they answer is then the same every time
(``constant_result``, Linux's action cache): only the others are asked, and about a call that the whole chain always allows
nobody is asked twice, because the thread's system-call table has the call itself there (``kernel.seccomp``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from struct import Struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kernel import bpf
from kernel.bpf import Insn
from kernel.errno import Errno
from kernel.ia32 import AUDIT_ARCH_X86_64
from kernel.waitqueue import WaitQueue

if TYPE_CHECKING:
    from kernel.seccomp_notify import Notifier


RET_KILL_PROCESS: Final = 0x8000_0000
RET_KILL_THREAD: Final = 0x0000_0000
RET_TRAP: Final = 0x0003_0000
RET_ERRNO: Final = 0x0005_0000
RET_USER_NOTIF: Final = 0x7FC0_0000
RET_TRACE: Final = 0x7FF0_0000
RET_LOG: Final = 0x7FFC_0000
RET_ALLOW: Final = 0x7FFF_0000
RET_ACTION_FULL: Final = 0xFFFF_0000
RET_DATA: Final = 0x0000_FFFF

ACTIONS: Final[Mapping[int, str]] = {
    RET_KILL_PROCESS: "kill_process",
    RET_KILL_THREAD: "kill_thread",
    RET_TRAP: "trap",
    RET_ERRNO: "errno",
    RET_USER_NOTIF: "user_notif",
    RET_TRACE: "trace",
    RET_LOG: "log",
    RET_ALLOW: "allow",
}
"""The actions a filter may return, from the one that counts most to the one that counts least."""

DEFAULT_LOGGED: Final = frozenset(ACTIONS) - {RET_ALLOW}
"""Of which actions the user is told (kernel.seccomp.actions_logged)."""

MAX_INSNS_PER_PATH: Final = (1 << 18) // bpf.INSN_SIZE
_PENALTY: Final = 4
"""Instructions every filter of a chain counts beyond its own."""

DATA: Final = Struct("<IIQ6Q")
"""``struct seccomp_data``: nr, arch, instruction_pointer, args."""
_PARAMETERS: Final = "nr, arch, ip, r"
_WORDS: Final = {
    0: "nr",
    4: "arch",
    8: "ip & 0xffffffff",
    12: "ip >> 32",
    **{16 + 8 * i: f"r[{i + 1}] & 0xffffffff" for i in range(6)},
    **{20 + 8 * i: f"r[{i + 1}] >> 32" for i in range(6)},
}
_IP_WORDS: Final = (8, 12)
_LOAD: Final = bpf.LD | bpf.W | bpf.ABS
_LENGTHS: Final = {bpf.LD | bpf.W | bpf.LEN: bpf.LD | bpf.IMM, bpf.LDX | bpf.W | bpf.LEN: bpf.LDX | bpf.IMM}
_CODES: Final = frozenset(
    code
    for code in bpf.CODES
    if code in (_LOAD, *_LENGTHS) or not (code & 7 in (bpf.LD, bpf.LDX) and code & 0xE0 not in (bpf.IMM, bpf.MEM))
) - {bpf.ALU | bpf.MOD | bpf.K, bpf.ALU | bpf.MOD | bpf.X}
"""What a filter may consist of: no loads from a packet, no remainders."""

CACHED: Final = 512
"""Numbers below this are calls of the table, of which there are few enough to remember what each chain says."""


class Seccomp(NamedTuple):
    """The state of a confined thread (``struct seccomp``): ``mode`` is MODE_*, ``filter`` the newest filter, None in strict
    mode."""

    mode: int
    filter: SeccompFilter | None


def check_filter(program: Sequence[Insn]) -> None:
    """Raise EINVAL unless a program is good and looks at ``struct seccomp_data`` only, at whole aligned words
    (bpf_check_classic, seccomp_check_filter)."""
    bpf.check(program)
    for code, _, _, k in program:
        if code not in _CODES or (code == _LOAD and (k >= DATA.size or k & 3)):
            raise Errno.EINVAL


def compile_filter(program: Sequence[Insn]) -> Callable[..., int]:
    """Return a checked filter as a function of number, architecture, instruction pointer and the call's registers, of which
    the second to the last are the arguments."""
    fixed = [Insn(_LENGTHS[insn.code], 0, 0, DATA.size) if insn.code in _LENGTHS else insn for insn in program]
    return bpf.compile_program(fixed, _PARAMETERS, _WORDS)


def constant_result(program: Sequence[Insn], nr: int, arch: int) -> int | None:
    """Return what a checked filter answers to every call ``nr`` of ``arch``; None if that depends on more, or cannot easily
    be told (seccomp_is_const_allow)."""
    a = pc = 0
    while True:
        code, jt, jf, k = program[pc]
        pc += 1
        if code == _LOAD and k in (0, 4):
            a = arch if k else nr
        elif code == bpf.ALU | bpf.AND | bpf.K:
            a &= k
        elif code == bpf.JMP | bpf.JA:
            pc += k
        elif code == bpf.JMP | bpf.JEQ | bpf.K:
            pc += jt if a == k else jf
        elif code == bpf.JMP | bpf.JGE | bpf.K:
            pc += jt if a >= k else jf
        elif code == bpf.JMP | bpf.JGT | bpf.K:
            pc += jt if a > k else jf
        elif code == bpf.JMP | bpf.JSET | bpf.K:
            pc += jt if a & k else jf
        elif code == bpf.RET | bpf.K:
            return k
        else:
            return None


def _precedence(result: int) -> int:
    """The action as a number that is lower the more it counts: actions are compared as signed numbers, data aside."""
    return (result ^ 0x8000_0000) & RET_ACTION_FULL


class SeccompFilter:
    """``struct seccomp_filter``.

    ``count``: filters of the chain, this one included.  ``insns``: as how many instructions the chain counts.  ``log``: its
    actions are logged.  ``wait_killable``: who waits for its listener cannot be interrupted once the listener has been told.
    ``notifier``: the other end of a listener, None without.  ``users``: threads and younger filters that hold on to it;
    ``wait``: pollers of the listener.  ``calls``: the system-call table of threads whose newest filter it is.
    """

    __slots__ = (
        "program", "prev", "count", "insns", "log", "wait_killable", "notifier", "users", "wait", "calls", "uses_ip", "_run",
        "_plans",
    )  # fmt: skip

    calls: list[Callable[..., Any]]

    def __init__(self, program: Sequence[Insn]) -> None:
        """Raises EINVAL for a program that is not a filter."""
        check_filter(program)
        self.program = program
        self.prev: SeccompFilter | None = None
        self.count = 1
        self.insns = bpf.converted_length(program)
        self.log = self.wait_killable = False
        self.notifier: Notifier | None = None
        self.users = 1
        self.wait = WaitQueue()
        self.uses_ip = any(insn.code == _LOAD and insn.k in _IP_WORDS for insn in program)
        self._run: Callable[..., int] | None = None
        self._plans: dict[int, Plan] = {}

    def follow(self, prev: SeccompFilter | None) -> None:
        """Put the filter in front of a chain, whose user it takes the place of.  ENOMEM if the chain becomes too long."""
        if prev is not None:
            if self.insns + prev.insns + _PENALTY > MAX_INSNS_PER_PATH:
                raise Errno.ENOMEM
            self.prev = prev
            self.count += prev.count
            self.insns += prev.insns + _PENALTY
            self.uses_ip |= prev.uses_ip

    def is_ancestor_of(self, other: SeccompFilter | None) -> bool:
        """Tell whether this filter is in the chain of ``other`` (is_ancestor)."""
        while other is not None and other is not self:
            other = other.prev
        return other is self

    def put(self) -> None:
        """One thread less uses the chain: listeners of filters nobody uses any more hang up (__seccomp_filter_orphan)."""
        orphan: SeccompFilter | None = self
        while orphan is not None:
            orphan.users -= 1
            if orphan.users:
                break
            orphan.wait.wake_all()
            orphan = orphan.prev

    def function(self) -> Callable[..., int]:
        """Return this filter alone, compiled at its first use."""
        if self._run is None:
            self._run = compile_filter(self.program)
        return self._run

    def plan(self, nr: int) -> Plan:
        """Return what is known beforehand about native call ``nr``, below CACHED."""
        behind: list[SeccompFilter] = []
        walker: SeccompFilter | None = self
        while walker is not None and nr not in walker._plans:
            behind.append(walker)
            walker = walker.prev
        plan = _NO_FILTER if walker is None else walker._plans[nr]
        while behind:
            newer = behind.pop()
            plan = newer._extend(plan, constant_result(newer.program, nr, AUDIT_ARCH_X86_64))
        self._plans[nr] = plan
        return plan

    def _extend(self, plan: Plan, constant: int | None) -> Plan:
        if constant is None:
            return plan._replace(open=(self, *plan.open))
        known = _precedence(plan.result)
        if _precedence(constant) < known or (plan.match is not None and _precedence(constant) == known):
            return plan._replace(result=constant, match=self)
        return plan

    def run(self, nr: int, arch: int, ip: int, registers: Sequence[int]) -> tuple[int, SeccompFilter | None]:
        """Ask the chain about a call; return the answer that counts and who gave it, None if all allow it
        (seccomp_run_filters).  ``registers``: number and arguments; ``ip`` matters only if ``uses_ip``."""
        plan = self.plan(nr) if nr < CACHED and arch == AUDIT_ARCH_X86_64 else _NO_FILTER._replace(open=self._chain())
        result, match = plan.result, plan.match
        lowest = _precedence(result)
        for walker in plan.open:
            answer = walker.function()(nr, arch, ip, registers)
            precedence = _precedence(answer)
            if precedence < lowest or (precedence == lowest and match is not None and walker.count > match.count):
                result, match, lowest = answer, walker, precedence
        return result, match

    def _chain(self) -> tuple[SeccompFilter, ...]:
        chain = []
        walker: SeccompFilter | None = self
        while walker is not None:
            chain.append(walker)
            walker = walker.prev
        return tuple(chain)


class Plan(NamedTuple):
    """What a chain says to a call whatever its arguments are: ``result`` by ``match`` (None: all allow it), and the filters
    that are still to be asked, the newest first."""

    result: int
    match: SeccompFilter | None
    open: tuple[SeccompFilter, ...]

    def allows(self) -> bool:
        """Tell whether there is nothing to ask."""
        return self.match is None and not self.open


_NO_FILTER: Final = Plan(RET_ALLOW, None, ())
