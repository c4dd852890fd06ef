"""Who runs the benchmark programs: the host itself, strace and qemu-user around it, a flat Unicorn, and this machine."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

NATIVE, STRACE, QEMU, FLAT, TGID = "native", "strace", "qemu", "flat", "tgid"
ONE_SLICE, NO_HOOK = "one slice", "no hook"
"""Variants of the machine, for the price of preemption: a slice that never ends, and no counting of blocks at all."""

ENDLESS_SLICE = 1 << 60
STRACE_COMMAND = (shutil.which("strace") or "strace", "-f", "-o", os.devnull)
"""What runs a program under strace, on the host and inside the machine."""
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Peer:
    """A way to run a program: ``prefix`` is put in front of its path.  ``missing``: why it cannot be used here, or ""."""

    name: str
    title: str
    prefix: tuple[str, ...]
    missing: str = ""

    def command(self, program: str, arguments: Sequence[str]) -> list[str]:
        """Return the command line that runs ``program`` with ``arguments``."""
        return [*self.prefix, program, *arguments]


def peers() -> Mapping[str, Peer]:
    """Return all peers by name, in the order of the table's columns."""
    machine = (sys.executable, "-m", "tgid", "run")
    linux = "" if _is_x86_linux() else "no x86-64 Linux host"
    qemu = shutil.which("qemu-x86_64") or shutil.which("qemu-x86_64-static")
    flat = "" if importlib.util.find_spec("unicorn") else "the Python package unicorn is not installed"
    found = (
        Peer(NATIVE, "native", (), linux),
        Peer(STRACE, "strace -f", STRACE_COMMAND, linux or ("" if shutil.which("strace") else "not installed")),
        Peer(QEMU, "qemu-user", (qemu or "qemu-x86_64",), "" if qemu else "not installed"),
        Peer(FLAT, "flat Unicorn", (sys.executable, "-m", "bench.flat"), flat),
        Peer(TGID, "tgid", machine),
        Peer(ONE_SLICE, "tgid, one slice", (*machine, "--slice", str(ENDLESS_SLICE))),
        Peer(NO_HOOK, "tgid, blocks not counted", (sys.executable, "-m", "bench.uncounted")),
    )
    return MappingProxyType({peer.name: peer for peer in found})


def environment() -> dict[str, str]:
    """Return the environment of everything measured: modules are found, and their byte code is kept."""
    result = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    result["PYTHONPATH"] = str(ROOT)
    return result


def describe() -> str:
    """Return one line about the host and the versions of what is compared."""
    parts = [
        f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        f"Python {platform.python_version()}, unicorn {importlib.metadata.version('unicorn')}",
        "with the C extension" if importlib.util.find_spec("emu._engine") else "without the C extension",
    ]
    for name in ("qemu-x86_64", "strace"):
        if path := shutil.which(name):
            done = subprocess.run([path, "--version"], capture_output=True, text=True)
            words = done.stdout.split()
            number = next((word for word in words if word[:1].isdigit()), "")
            parts.append(f"{name} {number}")
    return "; ".join(parts)


def _is_x86_linux() -> bool:
    return sys.platform == "linux" and platform.machine() in ("x86_64", "AMD64")


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
