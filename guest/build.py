"""Build guest programs on demand: static binaries, one flavour per C library, kept in a cache directory.

musl is built by ``zig cc`` from the ``ziglang`` package, which carries its own libc and cross-compiles on any host, so
programs can be had where there is no C compiler at all.  glibc is built by the host's gcc where ``libc.a`` is installed.
A third flavour is for debuggers: dynamically linked, not optimised, with debug information that names the source ``NAME.c``.
A binary's name in the cache holds a hash of all that went into it (sources, flags, compiler version): a binary found there is the
right one.  Nothing built is ever committed.

    python -m guest.build [--libc musl|glibc] [NAME...]
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from guest.catalog import DEBUG, LIBCS, ROOT, Program, programs

COMMON_FLAGS = (
    *("-std=gnu11", "-D_GNU_SOURCE", "-O1", "-static", "-pthread", "-fno-strict-aliasing"),
    *("-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-unused-result", "-Wno-missing-field-initializers"),
    *("-Wno-sign-compare", "-Wno-nonnull"),
)
MUSL_FLAGS = ("-target", "x86_64-linux-musl", "-mcpu=x86_64", "-fno-sanitize=all", "-s", "-Wno-gnu-statement-expression")
GLIBC_FLAGS = ("-m64", "-march=x86-64", "-no-pie", "-s", "-Wno-clobbered", "-Wno-stringop-overflow", "-Wno-array-bounds")


DEBUG_FLAGS = ("-std=gnu11", "-D_GNU_SOURCE", "-g", "-O0", "-pthread", "-Wall", "-Wno-unused-but-set-variable")


class BuildError(Exception):
    """A program cannot be built; the text says what is missing or what the compiler said."""


def cache_directory() -> Path:
    """Return the directory that keeps built programs: ``$XDG_CACHE_HOME/tgid/guest`` or ``~/.cache/tgid/guest``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "tgid" / "guest"


def compiler(libc: str) -> tuple[str, ...]:
    """Return the command that compiles for ``libc`` (``musl``, ``glibc`` or ``debug``).  Raises BuildError when there is none."""
    if libc == "musl":
        if importlib.util.find_spec("ziglang") is None:
            raise BuildError("the guest programs need a compiler: pip install 'tgid[guest]' (installs ziglang)")
        return (sys.executable, "-m", "ziglang", "cc", *MUSL_FLAGS)
    if libc in ("glibc", DEBUG):
        gcc = shutil.which("gcc")
        if gcc is None or sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64"):
            raise BuildError("glibc programs need gcc on an x86-64 Linux host")
        if libc == DEBUG:
            return (gcc, *DEBUG_FLAGS)
        found = subprocess.run([gcc, "-print-file-name=libc.a"], capture_output=True, text=True, check=True).stdout.strip()
        if not Path(found).is_absolute():
            raise BuildError("glibc programs need the static C library (Debian: libc6-dev)")
        return (gcc, *GLIBC_FLAGS)
    raise ValueError(f"unknown C library {libc!r}")


@cache
def compiler_missing(libc: str) -> str:
    """Return why nothing can be built for ``libc``, or an empty string."""
    try:
        compiler(libc)
    except BuildError as error:
        return str(error)
    return ""


def _common(libc: str) -> tuple[str, ...]:
    # The source is in the directory a debugger is started in, whoever built the program where.
    return (f"-ffile-prefix-map={ROOT}/debuggees/=",) if libc == DEBUG else COMMON_FLAGS


@cache
def _identity(libc: str) -> bytes:
    """Return what identifies the compiler and the shared headers: any change of them makes new binaries."""
    command = compiler(libc)
    if libc == "musl":
        version = subprocess.run([*command[:3], "version"], capture_output=True, check=True).stdout
    else:
        version = subprocess.run([command[0], "--version"], capture_output=True, check=True).stdout
    flags = "\0".join((*command[1:], *_common(libc))).encode()
    return version + flags + b"".join(header.read_bytes() for header in sorted(ROOT.glob("*.h")))


def path_of(program: Program, libc: str) -> Path:
    """Return where the binary of ``program`` is kept, built or not.  Raises BuildError without a compiler."""
    beside = b"".join(header.read_bytes() for header in sorted(program.source.parent.glob("*.h")))
    digest = hashlib.sha256(_identity(libc) + beside + program.source.read_bytes()).hexdigest()[:16]
    return cache_directory() / libc / digest / program.name


def build(name: str, libc: str = "musl") -> Path:
    """Return the path of a built program, compiling it if the cache has none.

    ``name`` is a name of the catalogue.  Raises KeyError for an unknown name and BuildError when it cannot be built.
    """
    program = programs()[name]
    if libc not in program.libcs:
        raise BuildError(f"{name} is not for {libc}")
    target = path_of(program, libc)
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    # Two processes may build the same program at once: each writes its own file, and the last rename wins.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".build-") as scratch:
        made = Path(scratch) / name
        command = [*compiler(libc), *_common(libc), "-I", str(ROOT), str(program.source), "-o", str(made), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise BuildError(f"{name} ({libc}): {done.stderr.strip()}")
        if done.stderr.strip():
            print(done.stderr.strip(), file=sys.stderr)
        made.chmod(0o755)
        os.replace(made, target)
    return target


def build_all(names: Iterable[str] | None = None, libc: str = "musl") -> dict[str, Path]:
    """Build many programs in parallel and return their paths by name.  Raises BuildError with all the failures."""
    wanted = [p for p in programs().values() if libc in p.libcs] if names is None else [programs()[name] for name in names]
    compiler(libc)
    built: dict[str, Path] = {}
    failures: list[str] = []
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        jobs = {program.name: pool.submit(build, program.name, libc) for program in wanted}
        for name, job in jobs.items():
            try:
                built[name] = job.result()
            except BuildError as error:
                failures.append(str(error))
    if failures:
        raise BuildError("\n".join(failures))
    return built


def main(argv: list[str] | None = None) -> int:
    """Build from the command line and print the paths."""
    parser = argparse.ArgumentParser(prog="python -m guest.build", description="Build the guest programs into the cache.")
    parser.add_argument("--libc", choices=(*LIBCS, DEBUG), help="one flavour only (default: every one that can be built)")
    parser.add_argument("names", nargs="*", metavar="NAME", help="programs to build (default: all)")
    options = parser.parse_args(argv)
    unknown = [name for name in options.names if name not in programs()]
    if unknown:
        parser.error(f"no such program: {', '.join(unknown)}")
    status = 0
    for libc in (options.libc,) if options.libc else (*LIBCS, DEBUG):
        names = [name for name in options.names if libc in programs()[name].libcs] if options.names else None
        try:
            for path in build_all(names, libc).values():
                print(path)
        except BuildError as error:
            print(f"{libc}: {error}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
