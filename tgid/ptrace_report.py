"""What is supported of ptrace(2), written from the tables of the code: the generated parts of docs/ptrace.md.

    python -m tgid.ptrace_report [--write FILE]

prints them, or puts them between their marks in FILE.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from kernel import ptrace as options
from kernel.ptrace import TRACE_BLOCK, TRACE_EMU, TRACE_STEP, TRACE_SYSCALL
from kernel.ptrace_states import DEAD, EVENTS, LISTENING, RUNNING, STOPPED, STOPS, StopKind
from syscalls import ptrace as requests

_RESUMED: Final = (
    (TRACE_STEP, "for one instruction"),
    (TRACE_BLOCK, "to the next taken branch"),
    (TRACE_SYSCALL, "to the next entry or exit of a system call"),
    (TRACE_EMU, "to the next system call, which is not made"),
)
_BEGINNINGS: Final = {
    requests.PTRACE_TRACEME: "let the parent trace the caller",
    requests.PTRACE_ATTACH: "trace a thread and stop it with SIGSTOP",
    requests.PTRACE_SEIZE: "trace a thread without stopping it, with options from the start",
}
_OPTIONS: Final = {
    options.O_TRACESYSGOOD: "syscall stops report `SIGTRAP | 0x80`",
    options.O_EXITKILL: "the tracee is killed when its tracer exits",
    options.O_SUSPEND_SECCOMP: "no seccomp while traced (CAP_SYS_ADMIN)",
}


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def request_names() -> dict[int, str]:
    """Return the requests the system call knows, by number."""
    known = {value: name for name, value in vars(requests).items() if name.startswith("PTRACE_") and isinstance(value, int)}
    served = (*_BEGINNINGS, *requests._RESUME, *requests._REQUESTS)
    return {number: known[number] for number in sorted(served)}


def _resumed(flags: int) -> str:
    parts = [text for flag, text in _RESUMED if flags & flag and not (flag == TRACE_STEP and flags & TRACE_BLOCK)]
    return "let it run on " + " or ".join(parts) if parts else "let it run on"


def request_table() -> str:
    """Return the requests: what they do and in which state of the tracee they are possible."""
    rows = []
    for number, name in request_names().items():
        when = STOPPED
        if number in _BEGINNINGS:
            text, when = _BEGINNINGS[number], "not traced"
        elif number in requests._RESUME:
            text = _resumed(requests._RESUME[number])
        else:
            doc = requests._REQUESTS[number].__doc__ or ""
            text = doc.strip().splitlines()[0].rstrip(".")
            text = text[0].lower() + text[1:]
            if number in requests._ANY_STATE:
                when = "any"
            elif number == requests.PTRACE_LISTEN:
                when = "PTRACE_EVENT_STOP, group-stop of a seized one"
        rows.append((f"`{name}`", text, when))
    return _table(("request", "what it does", "tracee is"), rows)


def option_table() -> str:
    """Return the options of PTRACE_SETOPTIONS and PTRACE_SEIZE."""
    rows = []
    for name, value in vars(options).items():
        if name.startswith("O_") and name != "O_MASK":
            event = EVENTS.get(value.bit_length() - 1)
            text = f"{event.name}: {event.when}" if event is not None and value < 0x100 and value > 1 else _OPTIONS[value]
            rows.append((f"`PTRACE_{name}`", text))
    return _table(("option", "what it does"), rows)


def stop_table() -> str:
    """Return the kinds of stops: how wait(2) reports them, when they happen, what the message is."""
    rows = [(kind.name, f"`{kind.status}`", kind.when, kind.message) for kind in STOPS]
    return _table(("stop", "`status >> 8`", "when", "`PTRACE_GETEVENTMSG`"), rows)


def _identifier(text: str) -> str:
    return re.sub(r"\W", "_", text)


def _kinds() -> dict[str, list[StopKind]]:
    kinds: dict[str, list[StopKind]] = {}
    for kind in STOPS:
        kinds.setdefault("PTRACE_EVENT_*" if kind in EVENTS.values() else kind.name, []).append(kind)
    return kinds


def stop_diagram() -> str:
    """Return the states of a tracee and what leads from one to the other, in the language of Mermaid."""
    names = request_names()
    resuming = ", ".join(names[number].removeprefix("PTRACE_") for number in requests._RESUME)
    lines = ["stateDiagram-v2", f"    state \"{STOPPED}\" as stopped {{"]
    kinds = _kinds()
    for name in kinds:
        lines.append(f"        state \"{name}\" as {_identifier(name)}")
    lines.append("    }")
    lines.append(f"    [*] --> {RUNNING}: {', '.join(names[number].removeprefix('PTRACE_') for number in _BEGINNINGS)}")
    for name, members in kinds.items():
        when = "an event an option asks for" if name == "PTRACE_EVENT_*" else " or ".join(dict.fromkeys(k.when for k in members))
        lines.append(f"    {RUNNING} --> {_identifier(name)}: {when}")
    lines.append(f"    stopped --> {RUNNING}: {resuming}")
    for name, members in kinds.items():
        if any(kind.listens for kind in members):
            lines.append(f"    {_identifier(name)} --> {LISTENING}: LISTEN")
    traps = [name for name, members in kinds.items() if any(kind.listens for kind in members)]
    lines.append(f"    {LISTENING} --> {_identifier(traps[-1])}: INTERRUPT, SIGCONT")
    lines.append(f"    {LISTENING} --> {_identifier(traps[0])}: the process stops again")
    lines.append("    stopped --> [*]: DETACH, death of the tracer")
    lines.append(f"    stopped --> {DEAD}: SIGKILL")
    lines.append(f"    {LISTENING} --> {DEAD}: SIGKILL")
    lines.append(f"    {RUNNING} --> {DEAD}: exit, SIGKILL")
    lines.append(f"    {DEAD} --> [*]: wait of the tracer")
    return "```mermaid\n" + "\n".join(lines) + "\n```"


PARTS: Final = {
    "requests": request_table,
    "options": option_table,
    "stops": stop_table,
    "diagram": stop_diagram,
}
_PART: Final = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill(page: str) -> str:
    """Return ``page`` with its generated parts as they are now."""
    return _PART.sub(lambda match: f"{match[1]}{PARTS[match[2]]()}\n{match[3]}", page)


def main() -> None:
    """Print the parts, or write them into a page."""
    parser = argparse.ArgumentParser(prog="python -m tgid.ptrace_report", description=__doc__)
    parser.add_argument("--write", type=Path, metavar="FILE")
    path: Path | None = parser.parse_args().write
    if path is None:
        print("\n\n".join(write() for write in PARTS.values()))
    else:
        path.write_text(fill(path.read_text()))


if __name__ == "__main__":
    main()
