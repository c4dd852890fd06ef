"""The rules in which the leaderless kernel differs from mainline, one named boolean each.

True is the leaderless rule, False what mainline does.  The numbers are those of the patches of the 2017 series "Fixing wait,
exit, ptrace, exec, and CLONE_THREAD"; the scenarios are the conformance programs in ``guest/conformance``.  Everything that
is not named here is the same in both models.
"""

from __future__ import annotations

from typing import Final, NamedTuple

_documentation: Final[list[tuple[str, str, tuple[int, ...], str]]] = []


def _rule(patch: str, function: str, scenarios: tuple[int, ...], sentence: str) -> bool:
    """Declare the next rule, on by default; the arguments are its documentation (``rules``)."""
    _documentation.append((patch, function, scenarios, sentence))
    return True


class Semantics(NamedTuple):
    """Which model of process semantics a kernel follows: 12 rules, each a boolean."""

    pdeath_unchecked: bool = _rule(
        "3", "forget_original_parent", (5, 105),
        "a parent-death signal is sent without a permission check",
    )  # fmt: skip
    wclone_follows_exec: bool = _rule(
        "11", "eligible_child", (6, 7),
        "after the parent has exec'ed, its clone children count as ordinary ones: wait() sees them without __WCLONE",
    )  # fmt: skip
    traced_first_exit: bool = _rule(
        "15, 16", "exit_notify, wait_consider_task, child_wait_callback", (8, 9, 28, 100, 111, 112, 113),
        "a first thread traced from outside reports its own exit at once, one traced by its parent reports once, as the process; "
        "who waits for an id that changes hands, or for a tracee that is let go, looks again",
    )  # fmt: skip
    wait_sees_group_stop: bool = _rule(
        "18, 19", "wait_task_stopped", (19, 20, 21, 24),
        "a parent that traces its own child can wait for the stop of the whole process, and for a first thread that is gone",
    )  # fmt: skip
    tracer_may_ignore: bool = _rule(
        "22", "do_notify_parent", (16, 18, 107),
        "a tracer that ignores SIGCHLD lets go of dead tracees by itself",
    )  # fmt: skip
    stop_before_continue: bool = _rule(
        "23", "prepare_signal", (23,),
        "SIGCONT during an unfinished group stop lets the stop complete and be reported first",
    )  # fmt: skip
    identical_stop_once: bool = _rule(
        "24", "ptrace_stop", (24,),
        "a tracing parent is always told of the stop of the process by the process id, once if that is the same event",
    )  # fmt: skip
    always_trapped: bool = _rule(
        "25", "do_notify_parent_cldstop", (24, 25),
        "SIGCHLD to a tracer says CLD_TRAPPED for every ptrace stop, as waitid does",
    )  # fmt: skip
    zap_without_waiting: bool = _rule(
        "26", "zap_pid_ns_processes", (33, 35),
        "the init of a pid namespace dies at once and is a zombie, not asleep in the kernel, while its namespace empties",
    )  # fmt: skip
    first_thread_released: bool = _rule(
        "B3", "release_task", (1, 4, 10, 11, 12, 13),
        "a first thread that exits before the others is released like any other thread",
    )  # fmt: skip
    living_threads_only: bool = _rule(
        "B4, B5", "kill_pid_info, lock_task_sighand", (4, 10, 11, 12, 44, 57),
        "signals, permission checks and pid look-ups reach a process through its living threads and its tgid only",
    )  # fmt: skip
    exec_waits_for_exit: bool = _rule(
        "2.8", "de_thread", (14, 15),
        "execve waits until the other threads have exited, not until their tracers have reaped them",
    )  # fmt: skip

    @classmethod
    def leaderless(cls) -> Semantics:
        """The default model: no thread-group leader."""
        return cls()

    @classmethod
    def linux(cls) -> Semantics:
        """Mainline Linux as of 6.18."""
        return cls(*[False for _ in cls._fields])

    @classmethod
    def named(cls, model: str) -> Semantics:
        """Return the model called "leaderless" or "linux".  Raises ValueError."""
        if model == "leaderless":
            return cls.leaderless()
        if model == "linux":
            return cls.linux()
        raise ValueError(f"unknown semantics {model!r}: leaderless or linux")

    def with_rule(self, text: str) -> Semantics:
        """Return this model with one rule set by ``NAME=on|off``.  Raises ValueError with a sentence for the user."""
        name, _, value = text.partition("=")
        if value not in ("on", "off") or name not in self._fields:
            raise ValueError(f"rule {text!r} is not NAME=on or NAME=off (see tgid rules)")
        return self._replace(**{name: value == "on"})


class Rule(NamedTuple):
    """What is known of one rule; ``scenarios`` are numbers of conformance programs."""

    name: str
    patch: str
    function: str
    scenarios: tuple[int, ...]
    sentence: str


def rules() -> list[Rule]:
    """Return all rules in order."""
    return [Rule(name, *known) for name, known in zip(Semantics._fields, _documentation, strict=True)]
