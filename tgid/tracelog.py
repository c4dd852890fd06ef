"""``tgid trace``: system calls, signals and exits as ``strace -f`` prints them.

A line is begun when a call is entered and finished when it returns.  If something else must be printed in between, the
line is broken: ``<unfinished ...>`` now, ``<... name resumed>`` later.  Arguments that a call only fills are shown after
it, so the text of an entry is all arguments up to the first of those.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel.signal import SigInfo, signal_name
from syscalls.strace import Shown, show_call, show_result, show_siginfo

if TYPE_CHECKING:
    from kernel.task import Thread
    from syscalls.table import Syscall, Table

Filter = frozenset[int]


class TraceLog:
    """Writes the trace; implements ``kernel.kernel.Watch``.

    ``write`` gets complete lines.  ``wanted`` are the numbers of the calls to show (None: all); ``summary``: count only and
    print a table in ``finish``.  ``calls`` says which calls exist.
    """

    __slots__ = ("_write", "_entries", "_wanted", "_summary", "_open", "_begun", "_counts", "_many", "_entered")

    def __init__(self, calls: Table, write: Callable[[str], object], wanted: Filter | None, summary: bool) -> None:
        self._write = write
        self._entries = calls.entries
        self._wanted = wanted
        self._summary = summary
        self._open: Thread | None = None
        """Whose line is begun and not broken."""
        self._begun: dict[Thread, Shown] = {}
        self._counts: dict[int, list[int]] = {}
        self._many = False
        self._entered: dict[Thread, int] = {}

    # -- kernel.kernel.Watch --------------------------------------------------------------------------------------
    def syscall_enter(self, t: Thread, number: int, args: tuple[int, ...]) -> None:
        """A call begins."""
        self._entered[t] = t.kernel.clock.monotonic()
        if not self._shows(number):
            return
        self._break()
        self._begun[t] = show_call(self._entry(number), number, t, args)
        self._open = t

    def syscall_exit(self, t: Thread, number: int, args: tuple[int, ...], result: object) -> None:
        """A call returns."""
        assert isinstance(result, int)
        spent = t.kernel.clock.monotonic() - self._entered.pop(t, t.kernel.clock.monotonic())
        self._count(number, result, spent)
        begun = self._begun.pop(t, None)
        if begun is None:
            return
        rest, value = show_result(self._entry(number), number, t, args, result, begun)
        if self._open is t:
            self._open = None
            self._line(t, _aligned(f"{begun.name}({begun.text}{rest})", value))
        else:
            self._break()
            self._line(t, _aligned(f"<... {begun.name} resumed>{rest})", value))

    def signal(self, t: Thread, info: object) -> None:
        """A signal is delivered."""
        assert isinstance(info, SigInfo)
        if not self._summary:
            self._break()
            self._line(t, f"--- {signal_name(info.signo)} {show_siginfo(info)} ---")

    def cloned(self, t: Thread, child: Thread) -> None:
        """A child exists: from now on lines say whose they are."""
        if not self._summary:
            self._break()
            if not self._many:
                self._many = True
            self._write(f"strace: Process {child.tid} attached\n")

    def execed(self, t: Thread, path: bytes) -> None:
        """execve succeeded; its line shows it."""

    def exited(self, t: Thread, status: int) -> None:
        """A thread ends; a call it is in never returns."""
        begun = self._begun.pop(t, None)
        self._entered.pop(t, None)
        if self._summary or t.mm is None:
            return
        if begun is not None and self._open is t:
            self._open = None
            self._line(t, _aligned(f"{begun.name}({begun.text})", "?"))
        elif begun is not None:
            self._break()
            self._line(t, _aligned(f"<... {begun.name} resumed>)", "?"))
        self._break()
        if status & 0x7F:
            core = " (core dumped)" if status & 0x80 else ""
            self._line(t, f"+++ killed by {signal_name(status & 0x7F)}{core} +++")
        else:
            self._line(t, f"+++ exited with {status >> 8 & 0xFF} +++")

    # -- output ---------------------------------------------------------------------------------------------------
    def finish(self) -> None:
        """Complete the output: break an open line, or print the summary."""
        self._break()
        if self._summary:
            self._write(_summary(self._counts, self._name))

    def _shows(self, number: int) -> bool:
        return not self._summary and (self._wanted is None or number in self._wanted)

    def _entry(self, number: int) -> Syscall | None:
        return self._entries[number] if number < len(self._entries) else None

    def _name(self, number: int) -> str:
        entry = self._entry(number)
        return entry.name if entry is not None else f"syscall_{number:#x}"

    def _line(self, t: Thread, text: str) -> None:
        prefix = f"[pid {t.tid:5}] " if self._many else ""
        self._write(f"{prefix}{text}\n")

    def _break(self) -> None:
        t = self._open
        if t is not None:
            self._open = None
            begun = self._begun[t]
            self._line(t, f"{begun.name}({begun.text} <unfinished ...>")

    def _count(self, number: int, result: int, spent: int) -> None:
        if self._wanted is not None and number not in self._wanted:
            return
        count = self._counts.setdefault(number, [0, 0, 0])
        count[0] += 1
        count[1] += spent
        if -4095 <= result < 0:
            count[2] += 1


def _aligned(call: str, value: str) -> str:
    """strace puts the result in column 40."""
    return f"{call.ljust(39)} = {value}"


def _summary(counts: dict[int, list[int]], name: Callable[[int], str]) -> str:
    """The table of ``strace -c``: time is the guest's, in a call from entry to return."""
    total = sum(spent for _, spent, _ in counts.values())
    lines = ["% time     seconds  usecs/call     calls    errors syscall"]
    rule = "------ ----------- ----------- --------- --------- ----------------"
    lines.append(rule)
    for number, (calls, spent, errors) in sorted(counts.items(), key=lambda item: (-item[1][1], -item[1][0], item[0])):
        share = 100 * spent / total if total else 0
        lines.append(
            f"{share:6.2f} {spent / 1e9:11.6f} {spent // 1000 // calls:11} {calls:9} {errors or '':>9} {name(number)}"
        )
    lines.append(rule)
    calls = sum(count[0] for count in counts.values())
    errors = sum(count[2] for count in counts.values())
    each = total // 1000 // calls if calls else 0
    lines.append(f"{100 if total else 0:6.2f} {total / 1e9:11.6f} {each:11} {calls:9} {errors or '':>9} total")
    return "\n".join(lines) + "\n"


def parse_filter(text: str | None, calls: Table) -> Filter | None:
    """Translate ``-e trace=SET`` into call numbers, None for all.

    SET: names and %classes separated by commas, "!" in front negates; "all" and "none".  Raises ValueError with a sentence
    for the user.
    """
    from syscalls.classes import members

    if text is None:
        return None
    kind, equals, words = text.partition("=")
    if not equals:
        kind, words = "trace", text
    if kind not in ("trace", "t"):
        raise ValueError(f"-e {text}: only trace=SET is supported")
    negated = words.startswith("!")
    chosen: set[int] = set()
    everything = {entry.number for entry in calls.entries if entry is not None}
    for word in words.removeprefix("!").split(","):
        chosen |= everything if word == "all" else set() if word == "none" else members(word, calls)
    return frozenset(everything - chosen if negated else chosen)
