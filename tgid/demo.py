"""``tgid demo``: a tour of small guest programs that come with tgid, built on the spot where no ELF is at hand."""

from __future__ import annotations

import sys

from tgid.console import HostConsole
from tgid.machine import Config, Machine, MachineFault

TOUR = (
    ("hello", "an unmodified static ELF binary, from the first instruction to exit_group"),
    ("fork_tree", "a tree of processes, each waiting for its own children"),
    ("futex_rounds", "64 threads hand a token around 1,000 times, with futexes"),
    ("first_exits", "the first thread of a process exits, the others live on: no thread-group leader"),
    ("exec_from_thread", "a thread that is not the first calls execve and becomes the process"),
    ("sigchld", "what a parent is told about its children"),
)
"""(guest program, what it shows)."""


def main(name: str | None, listing: bool) -> int:
    """Build and run the tour, or the one program ``name``; return the exit status of the last."""
    from guest import build
    from guest.catalog import programs

    if listing:
        for program in programs().values():
            print(f"{program.group:10} {program.name:20} {program.title}")
        return 0
    tour = [(name, "")] if name is not None else list(TOUR)
    if name is not None and name not in programs():
        print(f"tgid: no demo program {name!r}; see tgid demo --list", file=sys.stderr)
        return 125
    status = 0
    for program_name, what in tour:
        try:
            path = build.build(program_name, programs()[program_name].libcs[0])
        except build.BuildError as error:
            print(f"tgid: {error}", file=sys.stderr)
            return 125
        if what:
            print(f"\n== {program_name}: {what}", flush=True)
        program = programs()[program_name]
        try:
            with HostConsole() as console:
                machine = Machine(Config(clock="virtual"), console, log=console.report)
                result = machine.run([str(path), *program.args], {"PATH": "/usr/bin:/bin"})
                machine.close()
        except MachineFault as error:
            print(f"tgid: {error}", file=sys.stderr)
            return 125
        status = result.status
        if what:
            seconds = (result.time_ns - machine.started_ns) / 1e9
            print(f"   (exit status {status}; {seconds:.6f} s of the machine's time)", flush=True)
    return status
