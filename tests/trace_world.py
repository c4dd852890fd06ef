"""One program traced twice: by strace on the host, and in the machine; both traces in a form that can be compared.

What differs by nature is replaced: addresses, task numbers, times, sizes of directories.  Lines are sorted out by task, because
tasks run at the same time on the host; calls shown in two halves are joined.  Signals that arrive from outside a task stand
where they happened to arrive, so that is not compared.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kernel.fs.fdtable import FdTable
from kernel.task import Thread
from tgid.console import CapturedConsole
from tgid.machine import Config, Machine
from tgid.tracelog import TraceLog

ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/", "LANG": "C", "TZ": "UTC"}
FIRST_CHILD = 30000
"""The machine's children are numbered from here, so that no number of theirs looks like a descriptor."""

_LINE = re.compile(r"(\d+) +(.*)")
_UNFINISHED = re.compile(r"(.*?) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(.*)")
_RESTARTED = "(To be restarted if SA_RESTART is set)"
_FLOATING = re.compile(r"--- SIG(CHLD|CONT) ")
_SUBSTITUTIONS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\(flags O_RDWR\|O_LARGEFILE", "(flags O_RDWR"),
        (r"0x[0-9a-f]{5,16}\b", "ADDRESS"),
        (r"ADDRESS /\* \d+ vars? \*/", "ENVIRONMENT"),
        (r'"(\\x[0-9a-f]{2})+"', "RANDOM"),
        (r"(ru_[us]time=)\{[^}]*\}", r"\1TIME"),
        (r"(si_[us]time=)\d+( /\* [\d.]+ s \*/)?", r"\1TICKS"),
        (r"(tv_sec=)\d{5,}, (tv_[nu]sec=)\d+", r"\1NOW, \2NOW"),
        (r"(it_value=\{tv_sec=)\d+, (tv_[nu]sec=)\d{6,}\}", r"\1LEFT, \2LEFT}"),
        (r"(tv_[nu]sec=)\d{6,}", r"\1N"),
        (r"\b\d{9,10} (/\* |\()\d{4}-[\dT:+-]+( \*/|\))", r"NOW \1DATE\2"),
        (r"(st_mode=S_IFDIR[^,]*, st_size=)\d+", r"\1SIZE"),
        (r"(f_(type|bsize|blocks|bfree|bavail|files|ffree|fsid|frsize|flags)=)(\{[^}]*\}|[^,}]+)", r"\1X"),
        (r"(stx_mask=)[^,]+", r"\1MASK"),
        (r"(uptime|loads|totalram|freeram|sharedram|bufferram|procs)=(\[[^]]*\]|\d+)", r"\1=X"),
        (r"(nodename=)\"[^\"]*\"", r"\1NODE"),
        (r"(effective|permitted)=1<<[^,}]*", r"\1=CAPS"),
        (r"(times\(.*\) = )\d+", r"\1TICKS"),
        (r"(tms_\w+=)\d+", r"\1T"),
        (r"(sched_runtime=)\d+", r"\1X"),
        (r"(getppid\(\) = )\d+", r"\1PARENT"),
        (r"getcpu\(\[\d\]", "getcpu([CPU]"),
        (r"(get_robust_list\(0, \[)[^]]*", r"\1HEAD"),
        (r"(left \{tv_sec=\d+, tv_[un]sec=)\d+", r"\1N"),
    )
)


@dataclass(frozen=True, slots=True)
class Trace:
    """The lines of each task, oldest first, without signals whose place is chance; ``floating``: whether a task had such."""

    tasks: tuple[tuple[str, ...], ...]
    floating: tuple[bool, ...]


class _Console(CapturedConsole):
    """Gives the children of the program numbers that no descriptor has."""

    def open_stdio(self, t: Thread) -> FdTable:
        t.kernel.root_pid_ns.last = FIRST_CHILD
        return super().open_stdio(t)


def trace_in_machine(argv: Sequence[str], directory: Path, stdin: bytes = b"") -> str:
    """Return the trace of a program in the machine, one line an event, each with the number of its task."""
    pieces: list[str] = []
    machine = Machine(Config(cwd=str(directory), timeout=60), _Console(stdin))
    log = TraceLog(machine.table, pieces.append, None, False, to_file=True)
    machine.kernel.watch = log
    try:
        machine.run(list(argv), ENVIRONMENT)
    finally:
        log.finish()
        machine.close()
    return "".join(pieces)


def trace_on_host(argv: Sequence[str], directory: Path, scratch: Path, stdin: bytes = b"") -> str:
    """Return what ``strace -f -o FILE`` writes for a program on the host."""
    strace = shutil.which("strace")
    assert strace is not None
    output = scratch / "strace.out"
    subprocess.run(
        [strace, "-f", "-o", str(output), *argv],
        cwd=directory, env=ENVIRONMENT, input=stdin, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    return output.read_text(encoding="utf-8")


def normalise(text: str) -> Trace:
    """Return a trace without what differs by nature."""
    lines: dict[str, list[str]] = {}
    pending: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        assert match is not None, line
        pid, rest = match.groups()
        task = lines.setdefault(pid, [])
        unfinished = _UNFINISHED.fullmatch(rest)
        resumed = _RESUMED.fullmatch(rest)
        if resumed is not None:
            rest = pending.pop(pid, "") + resumed[1]
            unfinished = _UNFINISHED.fullmatch(rest)
        if unfinished is not None and not rest.endswith("= ?"):
            pending[pid] = unfinished[1]
            continue
        task.append(rest)
    first = next(iter(lines))
    # In the order in which they were made, also where the numbers of the host began anew in between.
    order = sorted(lines, key=lambda pid: (int(pid) - int(first)) % (1 << 22))
    numbers = {pid: f"TASK{index}" for index, pid in enumerate(order)}
    known = [pid for pid in numbers if len(pid) > 2]
    names = re.compile(r"\b(" + "|".join(known) + r")\b") if known else None
    own = re.compile(
        r"((?:getpid|gettid|getppid|set_tid_address|getpgrp)\(.*\) = |\bsi_pid=|\bpid=|F_SETOWN, |tgkill\(TASK0, |"
        r"rt_tgsigqueueinfo\(TASK0, |"
        rf"(?:kill|tkill|tgkill|rt_sigqueueinfo|rt_tgsigqueueinfo|process_vm_readv|process_vm_writev)\(){first}\b"
    )

    def clean(line: str) -> str:
        line = re.sub(r" += ", " = ", line)
        if names is not None:
            line = names.sub(lambda match: numbers[match[1]], line)
        line = own.sub(r"\1TASK0", line)
        line = own.sub(r"\1TASK0", line)
        for pattern, replacement in _SUBSTITUTIONS:
            line = pattern.sub(replacement, line)
        return line

    tasks: list[tuple[str, ...]] = []
    floating: list[bool] = []
    for task in (lines[pid] for pid in order):
        # strace has signals delivered that are ignored; that interrupts a call, which is then made again.
        repeated = [a.endswith(_RESTARTED) and bool(_FLOATING.match(b)) for a, b in zip(task, [*task[1:], ""], strict=True)]
        returned = [bool(_FLOATING.match(a)) and b.startswith("rt_sigreturn(") for a, b in zip(["", *task], task, strict=False)]
        cleaned = [clean(line) for line, *dropped in zip(task, repeated, returned, strict=True) if not any(dropped)]
        tasks.append(tuple(line for line in cleaned if not _FLOATING.match(line)))
        floating.append(any(_FLOATING.match(line) for line in cleaned))
    return Trace(tuple(tasks), tuple(floating))


def arguments_only(trace: Trace) -> Trace:
    """Return a trace without results, for calls whose names and arguments are the point."""
    return Trace(tuple(tuple(line.rsplit(" = ", 1)[0] for line in task) for task in trace.tasks), trace.floating)
