"""The trace of a program in the machine reads like that of ``strace -f`` on the host, call for call.

The programs are static, so that no library chooses its calls by the processor it finds.
"""

from __future__ import annotations

import difflib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from trace_world import Trace, arguments_only, normalise, trace_in_machine, trace_on_host

from guest.build import BuildError, build

SOURCES = Path(__file__).with_name("trace")
PROGRAMS = sorted(source.stem for source in SOURCES.glob("*.c"))
GUEST_PROGRAMS = ("hello", "args", "brk", "mprotect", "altstack", "queue_order")
BUSYBOX = {
    "echo": ["echo", "hello", "world"],
    "cat": ["cat", "/etc/passwd", "nothing-there"],
    "pipeline": ["sh", "-c", "echo one two | wc -w; exit 3"],
    "substitution": ["sh", "-c", "x=$(echo a b); set -- $x; echo $#"],
    "trap": ["sh", "-c", "trap 'echo caught' USR1; kill -USR1 $$; echo after"],
    "here_document": ["sh", "-c", "cat <<E > out\nline\nE\nread x < out; echo $x; rm out"],
    "sort": ["sort", "-r", "/etc/group"],
    "sha256sum": ["sha256sum", "/etc/passwd"],
    "stat": ["ls", "-l", "/etc/passwd"],
}


def _may_trace() -> bool:
    strace = shutil.which("strace")
    if strace is None or sys.platform != "linux":
        return False
    return subprocess.run([strace, "-o", "/dev/null", "/bin/true"], capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not _may_trace(), reason="needs strace on a Linux that allows ptrace")


@pytest.fixture(scope="session")
def static_gcc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the programs of tests/trace, linked statically."""
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("needs gcc")
    target = tmp_path_factory.mktemp("programs")
    for name in PROGRAMS:
        command = [gcc, "-std=gnu11", "-O1", "-w", "-static", "-pthread", str(SOURCES / f"{name}.c"), "-o", str(target / name)]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("needs a static C library")
    return target


def _both(argv: list[str], tmp_path: Path) -> tuple[Trace, Trace]:
    place = tmp_path / "place"
    place.mkdir()
    ours = normalise(trace_in_machine(argv, place))
    theirs = normalise(trace_on_host(argv, place, tmp_path))
    return theirs, ours


def _compare(theirs: Trace, ours: Trace) -> None:
    differences = [
        line
        for wanted, got in zip(theirs.tasks, ours.tasks, strict=False)
        for line in difflib.unified_diff(wanted, got, "strace", "tgid", lineterm="", n=0)
    ]
    assert not differences, "\n".join(differences)
    assert len(theirs.tasks) == len(ours.tasks)
    assert theirs.floating == ours.floating


@pytest.mark.parametrize("name", PROGRAMS)
def test_calls_look_as_strace_shows_them(name: str, static_gcc: Path, tmp_path: Path) -> None:
    theirs, ours = _both([str(static_gcc / name)], tmp_path)
    if name == "trace_flags":
        theirs, ours = arguments_only(theirs), arguments_only(ours)
    _compare(theirs, ours)


@pytest.mark.parametrize("name", GUEST_PROGRAMS)
def test_guest_programs(name: str, tmp_path: Path) -> None:
    try:
        program = build(name, "musl")
    except BuildError as error:
        pytest.skip(str(error))
    _compare(*_both([str(program)], tmp_path))


@pytest.mark.parametrize("name", BUSYBOX)
def test_busybox(name: str, tmp_path: Path) -> None:
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("needs busybox")
    _compare(*_both([busybox, *BUSYBOX[name]], tmp_path))
