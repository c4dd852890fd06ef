"""Native run against a run in the machine: the same binary, the same arguments, the same environment, and the first difference.

    python -m guest.compare [--libc LIBC] [--jobs N] [--show] [NAME...]

The machine follows mainline Linux here (``semantics="linux"``), as the host does.
"""

from __future__ import annotations

import argparse
import difflib
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from guest.build import BuildError, build
from guest.catalog import LIBCS, Program, programs
from guest.native import ENVIRONMENT, Outcome, Timeout, run_program

HOST_TIMEOUT = 120.0
"""Seconds of host time that one run in the machine may take."""


class Inside(NamedTuple):
    """A run in the machine: what it printed, what the kernel had to say, and the kernel objects left over by kind."""

    outcome: Outcome
    log: tuple[str, ...]
    leaks: Mapping[str, int]


def run_inside(program: Program, libc: str = "musl", *, stdin: bytes = b"", **options: Any) -> Inside:
    """Run ``program`` in a machine; ``options`` are fields of ``tgid.Config``.  Raises BuildError."""
    import tgid

    options.setdefault("semantics", "linux")
    options.setdefault("cwd", "/tmp")
    options.setdefault("timeout", HOST_TIMEOUT)
    result = tgid.run([str(build(program.name, libc)), *program.args], stdin=stdin, env=ENVIRONMENT, **options)
    return Inside(Outcome(result.status, result.stdout, result.stderr), result.log, result.leaks)


def difference(native: Outcome, inside: Inside) -> str:
    """Return the difference as text for a person, empty if there is none."""
    lines: list[str] = []
    if native.status != inside.outcome.status:
        lines.append(f"status: native {native.status}, inside {inside.outcome.status}")
    if native.stdout != inside.outcome.stdout:
        a, b = (o.stdout.decode(errors="replace").splitlines() for o in (native, inside.outcome))
        lines.extend(list(difflib.unified_diff(a, b, "native", "inside", lineterm="", n=1))[2:])
    if lines or inside.leaks:
        lines.extend(f"stderr: {line}" for line in inside.outcome.stderr.decode(errors="replace").splitlines()[-12:])
        lines.extend(f"kernel: {line}" for line in inside.log[-12:])
    if inside.leaks:
        lines.append(f"left over: {dict(inside.leaks)}")
    return "\n".join(lines)


def _one(name: str, libc: str) -> int:
    """Child process of ``main``: run one program inside and print its result as JSON."""
    started = time.monotonic()
    run = run_inside(programs()[name], libc)
    outcome = [run.outcome.status, run.outcome.stdout.decode("latin-1"), run.outcome.stderr.decode("latin-1")]
    print(json.dumps([outcome, list(run.log), dict(run.leaks), time.monotonic() - started]))
    return 0


def main(argv: list[str] | None = None) -> int:
    """Compare programs and print every difference."""
    parser = argparse.ArgumentParser(prog="python -m guest.compare", description="Compare native runs with runs in the machine.")
    parser.add_argument("--libc", choices=LIBCS, action="append")
    parser.add_argument("--jobs", type=int, default=1, metavar="N")
    parser.add_argument("--timeout", type=float, default=HOST_TIMEOUT, metavar="S")
    parser.add_argument("--show", action="store_true", help="print what the program printed inside")
    parser.add_argument("--slow", action="store_true", help="also the slow ones")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*", metavar="NAME", help="programs or groups")
    options = parser.parse_args(argv)
    if options.one:
        return _one(options.names[0], options.libc[0])
    chosen = [
        p
        for p in programs().values()
        if (p.native == "yes" and not options.names and (options.slow or not p.slow))
        or p.name in options.names
        or (p.group in options.names and (options.slow or not p.slow))
    ]

    def judge(program: Program, libc: str) -> tuple[str, float]:
        try:
            native = run_program(program, libc) if program.native != "no" else None
        except (BuildError, Timeout) as error:
            return f"natively: {error}", 0
        command = [sys.executable, "-m", "guest.compare", "--one", "--libc", libc, program.name]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=options.timeout)
        except subprocess.TimeoutExpired as error:
            partial = error.stderr.decode(errors="replace") if error.stderr else ""
            return f"no end after {options.timeout} s\n{partial[-2000:]}", options.timeout
        if done.returncode:
            return f"crashed\n{done.stdout[-1500:]}{done.stderr[-3000:]}", 0
        outcome, log, leaks, seconds = json.loads(done.stdout.splitlines()[-1])
        inside = Inside(Outcome(outcome[0], outcome[1].encode("latin-1"), outcome[2].encode("latin-1")), tuple(log), leaks)
        text = difference(native if native is not None else inside.outcome, inside)
        if done.stderr.strip():
            text += f"\nhost stderr: {done.stderr.strip()[-2000:]}"
        if options.show:
            text += "\n" + outcome[1] + outcome[2]
        return text, seconds

    bad = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        jobs = [(p, libc, pool.submit(judge, p, libc)) for p in chosen for libc in (options.libc or LIBCS) if libc in p.libcs]
        for program, libc, job in jobs:
            text, seconds = job.result()
            bad += bool(text.strip()) and not options.show
            mark = "DIFFERS" if text.strip() else "equal"
            print(f"{program.group}/{program.name} ({libc}): {mark} {seconds:.2f} s", flush=True)
            if text.strip():
                print("\n".join("    " + line for line in text.strip().splitlines()), flush=True)
    print(f"{len(jobs)} runs, {bad} differ")
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
