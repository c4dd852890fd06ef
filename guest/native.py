"""The oracle: run a guest program on the host itself (or under qemu-user) and keep what it printed.

Expectations of the conformance tests are not made up, they are what Linux does.  Every program runs in a fresh directory with a
fixed environment, a new session, no open descriptors but the standard three, and a time limit after which its whole process
group is killed.

    python -m guest.native [--qemu] [--repeat N] [--libc LIBC] [--show] [NAME...]

shows whether the programs are deterministic on this host.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from guest.build import BuildError, build, compiler_missing
from guest.catalog import LIBCS, Program, programs

ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/", "LANG": "C", "GUEST": "yes"}
"""The environment of every run, natively and in the machine."""


class Outcome(NamedTuple):
    """``status`` as a shell would say it (128+N for a fatal signal), and all that was written."""

    status: int
    stdout: bytes
    stderr: bytes


class Timeout(Exception):
    """The program did not end in time; it and its process group have been killed."""


def run_native(
    argv: Sequence[str | Path], *, stdin: bytes = b"", timeout: float = 20, prefix: Sequence[str] = (), cwd: Path | None = None
) -> Outcome:
    """Run ``argv`` on the host in a fresh directory (or ``cwd``) and return its outcome.

    ``timeout`` is in seconds; ``prefix`` is put before the command (``qemu-x86_64``).  Raises Timeout.
    """
    with tempfile.TemporaryDirectory(prefix="guest-") as scratch:
        # Programs that drop privileges must still be able to use their directory.
        os.chmod(scratch, 0o777)
        process = subprocess.Popen(
            [*prefix, *map(str, argv)],
            cwd=cwd or scratch,
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            stdout, stderr = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired as error:
            raise Timeout(f"{argv[0]}: no end after {timeout} s") from error
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    code = process.returncode
    return Outcome(128 - code if code < 0 else code, stdout, stderr)


def _cores_are_files() -> bool:
    """Tell whether a dying process leaves a file ``core`` in its working directory."""
    settings = [Path("/proc/sys/kernel", name).read_text().strip() for name in ("core_pattern", "core_uses_pid")]
    return settings == ["core", "0"]


def _release(text: str) -> tuple[int, ...]:
    """Return major and minor number of a kernel release."""
    return tuple(int(number) for number in re.findall(r"\d+", text)[:2])


def skip_reason(program: Program, libc: str) -> str:
    """Return why ``program`` cannot be run natively here as it is meant to be, or an empty string."""
    if missing := compiler_missing(libc):
        return missing
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64"):
        return "no x86-64 Linux host to compare with"
    if "root" in program.needs and os.geteuid() != 0:
        return "the native run needs root"
    if "core" in program.needs and not _cores_are_files():
        return "core files of this host go elsewhere (core_pattern)"
    for need in program.needs:
        if need.startswith("linux-") and _release(platform.release()) < _release(need.removeprefix("linux-")):
            return f"the host's kernel is older than {need.removeprefix('linux-')}"
    return ""


def run_program(program: Program, libc: str = "musl", *, stdin: bytes = b"", prefix: Sequence[str] = ()) -> Outcome:
    """Build ``program`` if needed and run it natively as its head says.  Raises BuildError, Timeout, ValueError for a hog."""
    if program.native == "no":
        raise ValueError(f"{program.name} must not run on a host")
    path = build(program.name, libc)
    return run_native([path, *program.args], stdin=stdin, timeout=program.timeout, prefix=prefix)


def main(argv: list[str] | None = None) -> int:
    """Run programs repeatedly and tell which of them fail or differ from run to run."""
    parser = argparse.ArgumentParser(prog="python -m guest.native", description="Run guest programs on the host.")
    parser.add_argument("--qemu", action="store_true", help="under qemu-x86_64, compared with the native run")
    parser.add_argument("--repeat", type=int, default=1, metavar="N")
    parser.add_argument("--libc", choices=LIBCS, action="append")
    parser.add_argument("--jobs", type=int, default=1, metavar="N")
    parser.add_argument("--show", action="store_true", help="print what the program printed")
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args(argv)
    qemu = shutil.which("qemu-x86_64") or shutil.which("qemu-x86_64-static")
    if options.qemu and qemu is None:
        parser.error("qemu-x86_64 is not installed")
    chosen = [p for p in programs().values() if p.group in options.names or p.name in options.names or not options.names]
    bad = 0

    def judge(program: Program, libc: str) -> str:
        try:
            outcomes = [run_program(program, libc) for _ in range(options.repeat)]
            if options.qemu and program.qemu and qemu is not None:
                outcomes.append(run_program(program, libc, prefix=[qemu]))
        except (BuildError, Timeout) as error:
            return f"FAILED {error}"
        first = outcomes[0]
        text = first.stdout.decode(errors="replace") + first.stderr.decode(errors="replace") if options.show else ""
        for other in outcomes[1:]:
            if other[:2] != first[:2]:
                a, b = first.stdout.decode(errors="replace").splitlines(), other.stdout.decode(errors="replace").splitlines()
                lines = [f"    - {x}\n    + {y}\n" for x, y in zip(a + [""] * len(b), b + [""] * len(a), strict=False) if x != y]
                return f"DIFFERS status {first.status} {other.status}\n{''.join(lines[:12])}{other.stderr.decode()}"
        if first.status or b"WRONG" in first.stdout or first.stderr:
            return f"status {first.status}\n{text or (first.stdout + first.stderr).decode(errors='replace')}"
        return f"fine\n{text}" if text else "fine"

    with ThreadPoolExecutor(options.jobs) as pool:
        jobs = [
            (program, libc, pool.submit(judge, program, libc))
            for program in chosen
            if program.native != "no"
            for libc in (options.libc or LIBCS)
            if libc in program.libcs
        ]
        for program, libc, job in jobs:
            verdict = job.result()
            bad += not verdict.startswith("fine")
            if options.show or not verdict.startswith("fine"):
                print(f"{program.group}/{program.name} ({libc}): {verdict}", flush=True)
    print(f"{len(jobs)} runs, {bad} to look at")
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
