"""``tgid trace``: system calls, signals and exits as ``strace -f`` prints them.

A line is begun when a call is entered and finished when it returns.  If something else must be printed in between, the
line is broken: ``<unfinished ...>`` now, ``<... name resumed>`` later.  Arguments that a call only fills are shown after
it, so the text of an entry is all arguments up to the first of those.

Whose line it is is said as strace says it: ``[pid N]`` while more than one task is alive, and in a file always ``N``.

Tracing does not disturb what it watches.  strace does: it makes the kernel deliver signals that are ignored, only to look at
them, which interrupts the call the task is in.  Here they are shown behind that call, and the call goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel.ia32 import IA32, NR_RESTART_SYSCALL
from kernel.kernel import Watch
from kernel.sched import SYSCALL_BLOCKS
from kernel.signal import SA_IMMUTABLE, SIGKILL, SigInfo, signal_name
from syscalls.classes import NUMBERS
from syscalls.strace import Call, result_text, show_call, show_rest, siginfo_text
from syscalls.strace.text import MAX_ITEMS, MAX_STRING, array, cstring

if TYPE_CHECKING:
    from kernel.task import Thread
    from syscalls.table import Syscall, Table

Filter = frozenset[int]

RESULT_COLUMN = 40
"""Where strace puts the equals sign (strace -a)."""
VDSO_REACH = 1 << 16
"""No vDSO is larger, in bytes."""
EXECVE = 59
RESTART_SYSCALL = 219
ERESTART_RESTARTBLOCK = -516
NEVER = -1


class TraceLog(Watch):
    """Writes the trace.

    ``write`` gets pieces of text, a line possibly in two: at entry and at return.  ``wanted`` are the numbers of the calls to
    show (None: all); ``summary``: count only and print a table in ``finish``.  ``calls`` says which calls exist.  ``to_file``:
    the trace is not mixed with other output, every line begins with the task's number.
    """

    __slots__ = (
        "_write", "_entries", "_wanted", "_summary", "_to_file", "_ia32", "_open", "_column", "_begun", "_held", "_counts",
        "_alive", "_started", "_entered", "_tids", "_interrupted",
    )  # fmt: skip

    def __init__(
        self, calls: Table, write: Callable[[str], object], wanted: Filter | None, summary: bool, to_file: bool = False
    ) -> None:
        self._write = write
        self._entries = calls.entries
        self._wanted = wanted
        self._summary = summary
        self._to_file = to_file
        self._open: Thread | None = None
        """Whose line is begun and not broken."""
        self._column = 0
        """How long that line is."""
        self._ia32: set[Thread] = set()
        """Threads whose last call was one of i386."""
        self._begun: dict[Thread, Call] = {}
        """The calls under way that are shown."""
        self._tids: dict[Thread, int] = {}
        """Under which number each of them was entered: an exec gives a thread the number of its process."""
        self._entered: dict[Thread, int] = {}
        """When each thread entered the call it is in."""
        self._held: dict[Thread, list[SigInfo]] = {}
        """Signals that are not delivered, to be shown when their thread has finished its call."""
        self._interrupted: dict[Thread, str] = {}
        """The call restart_syscall(2) will go on with."""
        self._counts: dict[int, list[int]] = {}
        self._alive = 0
        """Tasks known; from two on lines say whose they are."""
        self._started = False

    # -- kernel.kernel.Watch --------------------------------------------------------------------------------------
    def syscall_enter(self, t: Thread, number: int, args: tuple[int, ...]) -> None:
        """A call begins.  Calls made by the vDSO are not shown: on real hardware they are none."""
        mm = t.mm
        assert mm is not None
        if 0 <= t.cpu.rip - mm.vdso < VDSO_REACH:
            area = mm.areas.find(t.cpu.rip)
            if area is not None and area.start == mm.vdso:
                return
        if t in self._held:
            self._release(t)
        self._entered[t] = t.kernel.clock.monotonic()
        if self._summary or not self._is_wanted(number):
            return
        if (number >= IA32) != (t in self._ia32):
            self._show_personality(t, number)
        call = show_call(self._entry(number), number & 0xFFFF_FFFF, t, args)
        if number in (RESTART_SYSCALL, IA32 | NR_RESTART_SYSCALL):
            call.text = f"<... resuming interrupted {self._interrupted.get(t, 'system call')} ...>"
        self._begun[t] = call
        self._tids[t] = t.tid
        self._begin(t, f"{call.name}({call.text}")

    def syscall_exit(self, t: Thread, number: int, args: tuple[int, ...], result: object) -> None:
        """A call returns."""
        assert isinstance(result, int)
        if result >= 1 << 63:  # rt_sigreturn: RAX as it was
            result -= 1 << 64
        process = t.process
        if (process.group_exit or process.group_exec_task not in (None, t)) and t not in self._held:
            return  # on its way out with the others: nobody sees the call come back, ``exited`` ends the line
        since = self._entered.pop(t, NEVER)
        if since != NEVER:
            clock = t.kernel.clock
            self._count(number, result, clock.monotonic() - since + SYSCALL_BLOCKS * clock.block_ns)
        call = self._begun.pop(t, None)
        if call is not None:
            rest = show_rest(call, result)
            self._resume(t, call)
            self._end(f"{rest})", result_text(call))
            if result == ERESTART_RESTARTBLOCK:
                self._interrupted[t] = call.name
            self._tids.pop(t, None)
        if t in self._held:
            self._release(t)

    def signal(self, t: Thread, info: object) -> None:
        """A signal is delivered.  Nobody sees SIGKILL come, nor what seccomp(2) kills with."""
        assert isinstance(info, SigInfo)
        if t in self._held:
            self._release(t)
        if not self._summary and info.signo != SIGKILL and not t.sighand.actions[info.signo].flags & SA_IMMUTABLE:
            self._whole_line(t, f"--- {signal_name(info.signo)} {siginfo_text(info)} ---")

    def undelivered(self, t: Thread, info: object) -> None:
        """A signal is ignored, or kills at once: shown when the call its thread is in has returned."""
        assert isinstance(info, SigInfo)
        if self._summary or t.mm is None or info.signo == SIGKILL:
            return
        held = self._held.setdefault(t, [])
        if info.signo not in (other.signo for other in held):
            held.append(info)

    def stopped(self, t: Thread, signo: int) -> None:
        """A thread stops for a stop signal."""
        if not self._summary:
            self._whole_line(t, f"--- stopped by {signal_name(signo)} ---")

    def cloned(self, t: Thread, child: Thread) -> None:
        """A child exists."""
        self._alive += 1
        if not self._summary and not self._to_file:
            self._break()
            self._write(f"strace: Process {child.tid} attached\n")

    def execed(self, t: Thread, path: bytes) -> None:
        """execve succeeded: its line will say so, except that of the very first, which nobody called.

        Whoever called it goes on under the number of the process; the thread that had it is gone.
        """
        if not self._started:
            self._started = True
            self._alive += 1
            self._count(EXECVE, 0, 0)
            if not self._summary and (self._wanted is None or EXECVE in self._wanted):
                self._first_execve(t, path)
            return
        caller = self._tids.get(t)
        if caller is None or caller == t.tid:
            return
        for other, tid in list(self._tids.items()):
            if tid == t.tid and other is not t:
                self._leave_call(other)
        self._alive -= 1
        self._whole_line(t, f"+++ superseded by execve in pid {caller} +++")
        self._tids[t] = t.tid

    def exited(self, t: Thread, status: int) -> None:
        """A thread ends; a call it is in never returns."""
        self._entered.pop(t, None)
        self._interrupted.pop(t, None)
        self._ia32.discard(t)
        if t.mm is None:
            return
        if t in self._held:
            self._release(t)
        process = t.process
        if process.group_exec_task not in (None, t) and t.pid is process.tgid_pid:
            # The thread in execve will take its number: strace sees no exit, but that it was superseded.
            if not self._summary:
                self._tids.setdefault(t, t.tid)
            return
        if not self._summary:
            self._leave_call(t)
            if status & 0x7F:
                core = " (core dumped)" if status & 0x80 else ""
                self._whole_line(t, f"+++ killed by {signal_name(status & 0x7F)}{core} +++")
            else:
                self._whole_line(t, f"+++ exited with {status >> 8 & 0xFF} +++")
        self._alive -= 1

    # -- output ---------------------------------------------------------------------------------------------------
    def interrupt(self) -> None:
        """Something else is about to be written to the same place: end the line that is begun."""
        self._break()

    def finish(self) -> None:
        """Complete the output: break an open line, or print the summary."""
        self._break()
        if self._summary:
            self._write(_summary(self._counts, self._name))

    def _name(self, number: int) -> str:
        entry = self._entry(number)
        return entry.name if entry is not None else f"syscall_{number & 0xFFFF_FFFF:#x}"

    def _entry(self, number: int) -> Syscall | None:
        """Return the entry of a call, of i386 if IA32 is added."""
        entries = self._entries
        if number >= IA32:
            from syscalls.ia32 import table

            entries, number = table().entries, number - IA32
        return entries[number] if number < len(entries) else None

    def _is_wanted(self, number: int) -> bool:
        """Tell whether the filter lets a call through; those of i386 go by their name."""
        if self._wanted is None or number in self._wanted:
            return True
        return number >= IA32 and NUMBERS.get(self._name(number), -1) in self._wanted

    def _show_personality(self, t: Thread, number: int) -> None:
        """Say which architecture the numbers of ``t`` belong to from now on."""
        if number >= IA32:
            self._ia32.add(t)
        else:
            self._ia32.remove(t)
        if self._to_file:
            return
        self._break()
        self._write(f"[ Process PID={t.tid} runs in {32 if number >= IA32 else 64} bit mode. ]\n")

    def _prefix(self, t: Thread) -> str:
        if self._to_file:
            return f"{t.tid:<5} "
        return f"[pid {t.tid:5}] " if self._alive > 1 else ""

    def _begin(self, t: Thread, text: str) -> None:
        """Begin a line that stays open."""
        self._break()
        line = self._prefix(t) + text
        self._write(line)
        self._open = t
        self._column = len(line)

    def _end(self, text: str, value: str) -> None:
        """End the open line, the value in its column."""
        self._open = None
        gap = max(RESULT_COLUMN - 1 - self._column - len(text), 0)
        self._write(f"{text}{' ' * gap} = {value}\n")

    def _break(self) -> None:
        if self._open is not None:
            self._open = None
            self._write(" <unfinished ...>\n")

    def _resume(self, t: Thread, call: Call) -> None:
        """Go on with the line of a call."""
        if self._open is not t:
            self._begin(t, f"<... {call.name} resumed>")

    def _whole_line(self, t: Thread, text: str) -> None:
        self._break()
        self._write(f"{self._prefix(t)}{text}\n")

    def _release(self, t: Thread) -> None:
        for info in self._held.pop(t):
            self._whole_line(t, f"--- {signal_name(info.signo)} {siginfo_text(info)} ---")

    def _leave_call(self, t: Thread) -> None:
        """A thread is gone: the call it was in has no result."""
        call = self._begun.pop(t, None)
        self._tids.pop(t, None)
        if call is not None:
            self._resume(t, call)
            pending = call.rest is not None or call.entry is None or call.position < len(call.entry.args)
            self._end(" <unfinished ...>)" if pending and call.name not in _WITHOUT_REST else ")", "?")

    def _first_execve(self, t: Thread, path: bytes) -> None:
        """Show the execve that started the program: its strings lie where the new stack begins (execve(2), ABI)."""
        mm = t.mm
        assert mm is not None
        stack = t.cpu.rsp
        count = mm.read_u64(stack)
        shown = min(count, MAX_ITEMS)
        argv = [cstring(mm, mm.read_u64(stack + 8 * (i + 1)), MAX_STRING) for i in range(shown)]
        at = stack + 8 * (count + 2)
        pointers = mm.read_pointers(at, 1 << 16) or []
        variables = f"{at:#x} /* {len(pointers)} var{'' if len(pointers) == 1 else 's'} */"
        name = '"' + path.decode(errors="backslashreplace") + '"'
        self._begin(t, f"execve({name}, {array(argv, count > shown)}, {variables}")
        self._end(")", "0")

    def _count(self, number: int, result: int, spent: int) -> None:
        if not self._is_wanted(number):
            return
        count = self._counts.setdefault(number, [0, 0, 0])
        count[0] += 1
        count[1] += spent
        if -4095 <= result < 0:
            count[2] += 1


_WITHOUT_REST = frozenset({"futex", "exit", "exit_group", "rt_sigreturn", "kcmp", "membarrier", "mremap", "setsockopt"})
"""Calls with a formatter of their own whose arguments are all shown at entry."""


def _summary(counts: dict[int, list[int]], name: Callable[[int], str]) -> str:
    """The table of ``strace -c``: time is the guest's, in a call from entry to return (as with ``strace -w``)."""
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

    SET: names, %classes and /regular expressions separated by commas, "!" in front negates; "all" and "none"; a "?" before a
    name: it need not exist.  Raises ValueError with a sentence for the user.
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
    everything = set(range(len(calls.entries)))
    for word in words.removeprefix("!").split(","):
        chosen |= everything if word == "all" else set() if word == "none" else members(word)
    return frozenset(everything - chosen if negated else chosen)
