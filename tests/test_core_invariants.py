"""Random histories of a kernel: whatever tasks do, in whatever order, its invariants hold between any two slices.

A history is a list of steps: a thread is given a call to execute, or some runnable thread is given a slice.  Nothing is fair
about the order, so every schedule can come up.  At the end everybody is killed and nothing may be left.

The histories are the same in every run.  ``TGID_CORE_HISTORIES=2000`` tries that many per model, new ones each time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from core_invariants import check, check_empty
from core_world import HANDLER, SA_RESTORER, UIDS, Call, World, enter_namespace, execve, set_action, traced, wait
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from kernel import cred_change, kill, ptrace_attach, ptrace_request, session
from kernel.clone import (
    CLONE_FILES,
    CLONE_FS,
    CLONE_PARENT,
    CLONE_PTRACE,
    CLONE_SIGHAND,
    CLONE_THREAD,
    CLONE_UNTRACED,
    CLONE_VFORK,
    CLONE_VM,
    CloneArgs,
    kernel_clone,
)
from kernel.cred import CAP_KILL, CAP_SETUID
from kernel.errno import Errno
from kernel.exit import do_exit, do_group_exit
from kernel.ns import CLONE_NEWPID
from kernel.pid import ns_of
from kernel.ptrace import O_EXITKILL, O_TRACECLONE, O_TRACEEXEC, O_TRACEEXIT, O_TRACEFORK, O_TRACEVFORK
from kernel.semantics import Semantics
from kernel.signal import (
    SA_NOCLDSTOP,
    SA_NOCLDWAIT,
    SIG_DFL,
    SIG_IGN,
    SIGCHLD,
    SIGCONT,
    SIGHUP,
    SIGKILL,
    SIGSTOP,
    SIGTERM,
    SIGTSTP,
    SIGUSR1,
    SigAction,
)
from kernel.signal_pending import set_current_blocked
from kernel.task import TRACED, Thread
from kernel.wait import (
    WALL,
    WCLONE,
    WCONTINUED,
    WEXITED,
    WNOHANG,
    WNOTHREAD,
    WNOWAIT,
    WSTOPPED,
    WUNTRACED,
    parse_wait4,
    parse_waitid,
)
from syscalls import prctl

EXTRA = int(os.environ.get("TGID_CORE_HISTORIES", "0"))
HISTORIES = EXTRA or 280
STEPS = 50

WHO = st.integers(0, 23)
SLICES = st.integers(0, 3)
SIGNALS = st.sampled_from([SIGSTOP, SIGCONT, SIGKILL, SIGTERM, SIGTSTP, SIGUSR1, SIGHUP, SIGCHLD, 0, 34])
FORKS = st.sampled_from(
    [
        0, 0, 0, CLONE_PARENT, CLONE_NEWPID, CLONE_NEWPID, CLONE_VFORK | CLONE_VM, CLONE_PTRACE, CLONE_UNTRACED,
        CLONE_VM | CLONE_SIGHAND, CLONE_FILES | CLONE_FS, CLONE_PARENT | CLONE_PTRACE,
    ]
)  # fmt: skip
THREAD = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_FS | CLONE_FILES
WAIT4 = st.sampled_from(
    [0, 0, WNOHANG, WALL, WALL | WNOHANG, WUNTRACED, WCONTINUED, WUNTRACED | WCONTINUED | WNOHANG, WCLONE, WNOTHREAD]
)
WAITID = st.sampled_from(
    [
        WEXITED, WEXITED | WNOWAIT, WEXITED | WNOHANG, WSTOPPED, WSTOPPED | WNOHANG, WCONTINUED, WCONTINUED | WNOHANG | WNOWAIT,
        WEXITED | WSTOPPED | WCONTINUED | WALL, WEXITED | WALL | WNOHANG, WSTOPPED | WNOWAIT | WNOHANG, WEXITED | WNOTHREAD,
    ]
)  # fmt: skip
ANY_UID = st.sampled_from([*UIDS, 1000, (1 << 32) - 1])
OPTIONS = st.sampled_from(
    [0, O_EXITKILL, O_TRACEEXIT, O_TRACEEXEC, O_TRACEFORK | O_TRACECLONE | O_TRACEVFORK, O_TRACEEXIT | O_TRACEEXEC | O_TRACECLONE]
)


class History(RuleBasedStateMachine):
    """One kernel and what happens in it."""

    semantics: ClassVar[Semantics]
    steps: ClassVar[list[int]]

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.semantics).__enter__()
        self.world.spawn()
        self.world.spawn()

    def teardown(self) -> None:
        try:
            self.world.finish()
            check_empty(self.world)
        finally:
            self.world.__exit__()

    # -- running ------------------------------------------------------------------------------------------------------
    def _pick(self, who: int) -> Thread | None:
        threads = self.world.living()
        return threads[who % len(threads)] if threads else None

    def _any(self, who: int) -> Thread | None:
        threads = self.world.threads()
        return threads[who % len(threads)] if threads else None

    def _give(self, who: int, call: Call, slices: int) -> None:
        """Let a thread execute ``call`` when it is next in user mode; give it ``slices`` slices to get there."""
        t = self._pick(who)
        if t is not None:
            state: Any = t.cpu
            if len(state.program) - (state.rip >> 1) < 3 or state.rip == HANDLER:
                self.world.program(t, call)
            self._run(t, slices)
        self.steps[0] += 1

    def _run(self, t: Thread, slices: int) -> None:
        check(self.world)
        for _ in range(slices):
            self.world.step(t)
            check(self.world)

    @rule(who=WHO, slices=st.integers(1, 3))
    def run_one(self, who: int, slices: int) -> None:
        queue = sorted((t for t in self.world.kernel.sched.queue if t is not self.world.init), key=lambda t: t.tid)
        if queue:
            self._run(queue[who % len(queue)], slices)
        self.steps[0] += 1

    @rule()
    def run_all(self) -> None:
        for t in list(self.world.kernel.sched.queue):
            self._run(t, 1)
        self.steps[0] += 1

    @rule()
    def spawn(self) -> None:
        if self.world.kernel.tasks < 12:
            self.world.spawn()
        self.steps[0] += 1

    # -- making and ending --------------------------------------------------------------------------------------------
    @rule(who=WHO, flags=FORKS, signo=st.sampled_from([SIGCHLD, SIGCHLD, SIGUSR1, 0]), slices=SLICES)
    def fork(self, who: int, flags: int, signo: int, slices: int) -> None:
        self._give(who, lambda t: kernel_clone(t, CloneArgs(flags, signo)), slices)

    @rule(who=WHO, slices=SLICES)
    def thread(self, who: int, slices: int) -> None:
        self._give(who, lambda t: kernel_clone(t, CloneArgs(THREAD)), slices)

    @rule(who=WHO, code=st.integers(0, 255), slices=SLICES)
    def exit(self, who: int, code: int, slices: int) -> None:
        self._give(who, lambda t: do_exit(t, code << 8), slices)

    @rule(who=WHO, code=st.integers(0, 255), slices=SLICES)
    def exit_group(self, who: int, code: int, slices: int) -> None:
        self._give(who, lambda t: do_group_exit(t, code << 8), slices)

    @rule(who=WHO, slices=SLICES)
    def exec(self, who: int, slices: int) -> None:
        self._give(who, execve, slices)

    # -- signals ------------------------------------------------------------------------------------------------------
    @rule(who=WHO, whom=WHO, signo=SIGNALS, group=st.booleans(), slices=SLICES)
    def kill(self, who: int, whom: int, signo: int, group: bool, slices: int) -> None:
        target = self._any(whom)
        if target is None:
            return
        if group:
            self._give(who, lambda t: kill.kill(t, -target.process.pgrp.nr_in(ns_of(t)) or -(1 << 30), signo), slices)
        else:
            self._give(who, lambda t: kill.kill(t, target.process.tgid_pid.nr_in(ns_of(t)) or 1 << 30, signo), slices)

    @rule(who=WHO, whom=WHO, signo=SIGNALS, slices=SLICES)
    def tgkill(self, who: int, whom: int, signo: int, slices: int) -> None:
        target = self._any(whom)
        if target is None:
            return

        def call(t: Thread) -> None:
            kill.tgkill(t, target.process.tgid_pid.nr_in(ns_of(t)), target.pid.nr_in(ns_of(t)), signo)

        self._give(who, call, slices)

    @rule(who=WHO, signo=st.sampled_from([SIGSTOP, SIGCONT, SIGSTOP, SIGCONT, SIGKILL]), slices=SLICES)
    def kill_from_init(self, who: int, signo: int, slices: int) -> None:
        target = self._pick(who)
        if target is not None:
            kill.kill_process(self.world.init, target.process, signo)
            self._run(target, slices)
        self.steps[0] += 1

    @rule(
        who=WHO,
        signo=st.sampled_from([SIGTERM, SIGUSR1, SIGCONT, SIGTSTP, SIGHUP, 34]),
        handler=st.sampled_from([SIG_DFL, SIG_IGN, HANDLER]),
        slices=SLICES,
    )
    def action(self, who: int, signo: int, handler: int, slices: int) -> None:
        self._give(who, set_action(signo, SigAction(handler, SA_RESTORER, HANDLER)), slices)

    @rule(
        who=WHO,
        action=st.sampled_from(
            [
                SigAction(SIG_IGN), SigAction(SIG_DFL), SigAction(SIG_DFL, SA_NOCLDWAIT),
                SigAction(HANDLER, SA_RESTORER, HANDLER), SigAction(HANDLER, SA_RESTORER | SA_NOCLDSTOP | SA_NOCLDWAIT, HANDLER),
            ]
        ),
        slices=SLICES,
    )  # fmt: skip
    def child_action(self, who: int, action: SigAction, slices: int) -> None:
        self._give(who, set_action(SIGCHLD, action), slices)

    @rule(who=WHO, signo=SIGNALS, on=st.booleans(), slices=SLICES)
    def mask(self, who: int, signo: int, on: bool, slices: int) -> None:
        bit = 1 << (signo - 1) if signo else (1 << 64) - 1
        self._give(who, lambda t: set_current_blocked(t, t.blocked | bit if on else t.blocked & ~bit), slices)

    @rule(who=WHO, signo=st.sampled_from([0, SIGKILL, SIGUSR1, SIGSTOP, SIGCONT]), slices=SLICES)
    def pdeath_signal(self, who: int, signo: int, slices: int) -> None:
        self._give(who, lambda t: setattr(t, "pdeath_signal", signo), slices)

    # -- family -------------------------------------------------------------------------------------------------------
    @rule(who=WHO, whom=st.integers(-1, 23), flags=WAIT4, slices=SLICES)
    def wait4(self, who: int, whom: int, flags: int, slices: int) -> None:
        target = self._any(whom) if whom >= 0 else None

        def options(t: Thread) -> Any:
            return parse_wait4(t, (target.pid.nr_in(ns_of(t)) or 1 << 30) if target is not None else -1, flags)

        self._give(who, _number(wait(self.world, options)), slices)

    @rule(who=WHO, kind=st.integers(0, 2), whom=WHO, flags=WAITID, slices=SLICES)
    def waitid(self, who: int, kind: int, whom: int, flags: int, slices: int) -> None:
        target = self._any(whom)
        if target is None:
            return

        def options(t: Thread) -> Any:
            pid = target.process.tgid_pid if kind == 1 else target.process.pgrp
            return parse_waitid(t, kind, pid.nr_in(ns_of(t)) or 1 << 30, flags)

        self._give(who, _number(wait(self.world, options)), slices)

    @rule(who=WHO, whom=WHO, group=WHO, slices=SLICES)
    def setpgid(self, who: int, whom: int, group: int, slices: int) -> None:
        target, leader = self._any(whom), self._any(group)
        if target is None or leader is None:
            return

        def call(t: Thread) -> None:
            ns = ns_of(t)
            session.setpgid(t, target.process.tgid_pid.nr_in(ns) or 1 << 30, leader.process.pgrp.nr_in(ns) if group % 2 else 0)

        self._give(who, call, slices)

    @rule(who=WHO, slices=SLICES)
    def setsid(self, who: int, slices: int) -> None:
        self._give(who, session.setsid, slices)

    @rule(who=WHO, on=st.booleans(), slices=SLICES)
    def subreaper(self, who: int, on: bool, slices: int) -> None:
        self._give(who, lambda t: prctl._set_subreaper(t, int(on), 0, 0, 0), slices)

    # -- credentials --------------------------------------------------------------------------------------------------
    @rule(who=WHO, real=ANY_UID, effective=ANY_UID, saved=ANY_UID, slices=SLICES)
    def setresuid(self, who: int, real: int, effective: int, saved: int, slices: int) -> None:
        self._give(who, lambda t: cred_change.setresuid(t, real, effective, saved), slices)

    @rule(who=WHO, cap=st.sampled_from([CAP_KILL, CAP_SETUID]), slices=SLICES)
    def drop_capability(self, who: int, cap: int, slices: int) -> None:
        def call(t: Thread) -> None:
            cred = t.cred
            cred_change.capset(t, cred.effective & ~(1 << cap), cred.inheritable, cred.permitted)

        self._give(who, call, slices)

    # -- namespaces ---------------------------------------------------------------------------------------------------
    @rule(who=WHO, slices=SLICES)
    def unshare(self, who: int, slices: int) -> None:
        def call(t: Thread) -> None:
            spaces = t.nsproxy
            if spaces.pid_for_children is not ns_of(t):
                raise Errno.EINVAL
            t.nsproxy = spaces._replace(pid_for_children=self.world.new_namespace(ns_of(t), 1))

        self._give(who, call, slices)

    @rule(who=WHO, whom=WHO, slices=SLICES)
    def setns(self, who: int, whom: int, slices: int) -> None:
        target = self._any(whom)
        if target is not None:
            self._give(who, enter_namespace(ns_of(target)), slices)

    # -- tracing ------------------------------------------------------------------------------------------------------
    @rule(who=WHO, slices=SLICES)
    def traceme(self, who: int, slices: int) -> None:
        def call(t: Thread) -> None:
            parent = t.real_parent
            if parent is self.world.init or parent is None or _traces(t, parent):  # which would never resume it
                raise Errno.EPERM
            ptrace_attach.traceme(t)

        self._give(who, call, slices)

    @rule(who=WHO, whom=WHO, seize=st.booleans(), options=OPTIONS, slices=SLICES)
    def attach(self, who: int, whom: int, seize: bool, options: int, slices: int) -> None:
        target = self._any(whom)
        if target is not None:

            def call(t: Thread) -> object:
                if _traces(target, t):
                    raise Errno.EPERM
                return ptrace_attach.attach(t, target, 0, options if seize else 0, seize)

            self._give(who, call, slices)

    @rule(
        whom=WHO,
        request=st.sampled_from(["cont", "cont", "kill", "interrupt", "listen", "detach", "options"]),
        signo=SIGNALS,
        slices=SLICES,
    )
    def trace(self, whom: int, request: str, signo: int, slices: int) -> None:
        """The tracer of some tracee makes a request on it."""
        tracees = [t for t in self.world.threads() if t.ptrace]
        if not tracees:
            return
        target = tracees[whom % len(tracees)]
        tracer = target.parent
        assert tracer is not None
        requests: dict[str, Callable[[Thread, Thread], object]] = {
            "cont": lambda t, target: ptrace_request.resume(target, signo, 0),
            "kill": ptrace_request.kill,
            "interrupt": lambda t, target: ptrace_request.interrupt(target),
            "listen": lambda t, target: ptrace_request.listen(target),
            "detach": lambda t, target: ptrace_attach.detach(target, signo),
            "options": lambda t, target: ptrace_request.set_options(t, target, O_TRACEEXIT),
        }
        living = self.world.living()
        if tracer in living:
            self._give(living.index(tracer), traced(requests[request], target, request in ("kill", "interrupt")), slices)
            if target.state is not TRACED:
                self._run(target, 1)


def _traces(tracer: Thread, t: Thread) -> bool:
    """Tell whether ``tracer`` traces ``t``, its tracer, or so on.  Two that trace each other and are killed in their exit
    stops wait for each other for ever, on Linux too."""
    seen: Thread | None = t
    while seen is not None and seen.ptrace:
        seen = seen.parent
        if seen is tracer:
            return True
    return False


def _number(call: Call) -> Call:
    """The program of a thread does not look at reports."""

    def number(t: Thread) -> Any:
        result = call(t)
        return later(result) if hasattr(result, "send") else 0

    def later(call: Any) -> Any:
        yield from call
        return 0

    return number


@pytest.mark.parametrize("model", ["leaderless", "linux"])
def test_every_history_keeps_the_invariants(model: str) -> None:
    class Machine(History):
        semantics = Semantics.named(model)
        steps: ClassVar[list[int]] = [0]

    case = Machine.TestCase
    case.settings = settings(
        max_examples=HISTORIES,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=not EXTRA,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    case().runTest()
    assert EXTRA or Machine.steps[0] >= 10_000
