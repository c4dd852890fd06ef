"""What the start of ``tgid run`` consists of, measured in fresh processes."""

from __future__ import annotations

import statistics
import subprocess
import sys

from bench import measure
from bench.peers import ROOT, environment

_PARTS = """
import time
begin = time.perf_counter()
import ctypes, emu.unicorn_abi
before = time.perf_counter()
emu.unicorn_abi.load()
library = time.perf_counter() - before
import tgid.cli, tgid.console, tgid.machine, emu.clock, emu.cpu, emu.engine, loader.exec, syscalls.families, syscalls.numbers
syscalls.families.table()
imports = time.perf_counter() - begin - library
before = time.perf_counter()
emu.engine.Engine(2 << 30)
print(library, imports, time.perf_counter() - before)
"""


def parts(runs: int) -> dict[str, float]:
    """Return the median seconds of each part of a start: ``interpreter`` (an empty Python program, start to exit),
    ``library`` (loading Unicorn), ``imports`` (all modules of the project), ``engine`` (making and checking the machine)."""
    found: dict[str, list[float]] = {"interpreter": [], "library": [], "imports": [], "engine": []}
    for _ in range(runs):
        found["interpreter"].append(measure.wall((sys.executable, "-c", "pass")))
        done = subprocess.run(
            (sys.executable, "-c", _PARTS), cwd=ROOT, env=environment(), capture_output=True, text=True, check=True
        )
        for name, text in zip(("library", "imports", "engine"), done.stdout.split(), strict=True):
            found[name].append(float(text))
    return {name: statistics.median(times) for name, times in found.items()}
