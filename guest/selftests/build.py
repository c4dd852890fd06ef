"""Unpack the selftests of the kernel source package into the cache and build them there, each program when it is first asked for.

Everything made lives below ``$XDG_CACHE_HOME/tgid/selftests`` (``~/.cache``): ``src-KEY`` holds the part of the source tree
that is needed, ``bin-KEY`` the programs, where KEY is a hash of what they were made from.  A directory or file that exists is
complete, for each is made under another name and renamed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from guest.build import BuildError
from guest.build import cache_directory as guest_cache
from guest.selftests.catalog import Selftest

PACKAGE = "linux-source-6.1"
TARBALL = Path("/usr/src") / f"{PACKAGE}.tar.xz"
SELFTESTS = "tools/testing/selftests"
NEEDED = (SELFTESTS, "tools/include", "arch/x86/include/asm/desc_defs.h")
"""What is unpacked; the headers of the user ABI come from Debian's linux-libc-dev of the same version."""
FLAGS = ("-g", "-w", "-pthread", "-Wl,--no-as-needed")


def cache_directory() -> Path:
    """Return the directory below which everything is made."""
    return guest_cache().parent / "selftests"


def missing() -> str:
    """Return why the selftests cannot be built here, or an empty string."""
    if not TARBALL.exists():
        return f"no {TARBALL} (Debian: {PACKAGE})"
    for tool in ("gcc", "tar", "xz"):
        if shutil.which(tool) is None:
            return f"no {tool}"
    return ""


@contextmanager
def _lock(name: str) -> Iterator[None]:
    """Hold a lock among the processes that use the cache."""
    cache_directory().mkdir(parents=True, exist_ok=True)
    with open(cache_directory() / f".lock-{name}", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@cache
def source() -> Path:
    """Return the selftests' source directory, unpacking it if the cache has none.  Raises BuildError without the package."""
    if reason := missing():
        raise BuildError(reason)
    stat = TARBALL.stat()
    key = hashlib.sha256(f"{TARBALL} {stat.st_size} {stat.st_mtime_ns} {NEEDED}".encode()).hexdigest()[:16]
    tree = cache_directory() / f"src-{key}"
    with _lock("source"):
        if not tree.exists():
            with tempfile.TemporaryDirectory(dir=cache_directory(), prefix=".unpack-") as scratch:
                wanted = [f"{PACKAGE}/{part}" for part in NEEDED]
                done = subprocess.run(["tar", "-xJf", str(TARBALL), "-C", scratch, *wanted], capture_output=True, text=True)
                if done.returncode:
                    raise BuildError(f"{TARBALL}: {done.stderr.strip()}")
                os.rename(Path(scratch) / PACKAGE, tree)
    return tree / SELFTESTS


@cache
def _compiler() -> str:
    return subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=True).stdout


def home(program: Selftest) -> Path:
    """Return the directory where ``program`` is kept and started: its own, with all it needs beside it."""
    top = source()
    what = [_compiler(), str(top), *FLAGS, *program.flags, *program.libraries, *program.more]
    digest = hashlib.sha256("\0".join(what).encode()).hexdigest()[:16]
    return cache_directory() / f"bin-{digest}" / program.directory / program.name


def _command(program: Selftest, out: Path) -> list[str]:
    top = source()
    directory = top / program.directory
    dynamic = "-pie" in program.flags or "-static-pie" in program.flags
    flags = [flag.replace("{top}", str(top)) for flag in program.flags]
    sources = [str(directory / name) for name in (program.file, *program.more)]
    return ["gcc", *FLAGS, *flags, *(() if dynamic else ("-static",)), "-I", str(top), "-I", str(directory),
            *sources, "-o", str(out), "-lpthread", "-lrt", "-ldl", "-lm", *program.libraries]  # fmt: skip


def _furnish(program: Selftest, at: Path) -> None:
    """Put beside ``program`` the files its Makefile makes: those of exec/execveat."""
    if program.id == "exec/execveat":
        (at / "subdir").mkdir()
        (at / "script").write_text("#!/bin/sh\nexit $*\n")
        (at / "script").chmod(0o755)
        (at / "execveat.symlink").symlink_to("execveat")
        shutil.copy(at / "execveat", at / "execveat.denatured")
        (at / "execveat.denatured").chmod(0o644)
        shutil.copy(source() / program.directory / "Makefile", at / "Makefile")


def build(program: Selftest) -> Path:
    """Return the path of a built program, making it if the cache has none.  Raises BuildError."""
    at = home(program)
    name = program.file if program.is_script else program.source or program.name
    if at.exists():
        return at / name
    at.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=at.parent, prefix=".build-") as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        if program.is_script:
            shutil.copy(source() / program.directory / program.file, made / name)
        else:
            done = subprocess.run(_command(program, made / name), capture_output=True, text=True)
            if done.returncode:
                raise BuildError(f"{program.id}: {done.stderr.strip()}")
        (made / name).chmod(0o755)
        _furnish(program, made)
        try:
            os.rename(made, at)
        except OSError:
            # Another process was faster: a directory is only renamed over an empty one.
            if not at.exists():
                raise
    return at / name
