"""Core dumps: core_pattern, which must not be changed on a host, and the file as pyelftools reads it.

What can be compared with the host is in guest/coredump and compared with all other guest programs.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import NoteSegment

import tgid
from guest.build import build, compiler_missing
from guest.catalog import DEBUG, programs
from guest.compare import run_inside
from guest.native import skip_reason
from kernel.fs.roottree import Bind

needs_compiler = pytest.mark.skipif(bool(compiler_missing("musl")), reason=compiler_missing("musl"))


@needs_compiler
@pytest.mark.parametrize("semantics", ["leaderless", "linux"])
def test_core_pattern(semantics: str) -> None:
    """Names, programs that are fed a core, suid_dumpable: core(5) and proc(5), in both models."""
    program = programs()["core_pattern"]
    inside = run_inside(program, semantics=semantics)
    assert inside.outcome.stdout.decode() == program.source.with_suffix(".expect").read_text()
    assert not inside.leaks


def test_a_core_is_an_elf_file(tmp_path: Path) -> None:
    """The notes of the thread that failed come first; the program headers account for every byte."""
    script = f"cd {tmp_path}; ulimit -c unlimited; sh -c 'kill -SEGV $$'; exit 0"
    environment = {"PATH": "/usr/bin:/bin"}
    result = tgid.run(["/bin/sh", "-c", script], env=environment, binds=(Bind(str(tmp_path), str(tmp_path), True),), timeout=60)
    assert result.status == 0, result.stderr.decode()
    data = (tmp_path / "core").read_bytes()
    elf = ELFFile(io.BytesIO(data))
    assert (elf["e_type"], elf["e_machine"], elf["e_shnum"]) == ("ET_CORE", "EM_X86_64", 0)
    notes, *areas = elf.iter_segments()
    assert isinstance(notes, NoteSegment)
    kinds = [note["n_type"] for note in notes.iter_notes()]
    assert kinds == ["NT_PRSTATUS", "NT_PRPSINFO", "NT_SIGINFO", "NT_AUXV", "NT_FILE", "NT_FPREGSET"]
    assert all(area["p_type"] == "PT_LOAD" and area["p_offset"] % 4096 == 0 for area in areas)
    assert len(data) == areas[-1]["p_offset"] + areas[-1]["p_filesz"]


def backtraces(program: Path, core: Path) -> list[list[str]]:
    """Return what gdb on the host says of a core: the functions of each thread, innermost first, the thread that failed first."""
    argv = ["gdb", "-q", "-nx", "-batch", "-ex", "thread apply all -ascending bt", str(program), str(core)]
    text = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True, env={"LC_ALL": "C", "HOME": "/"}).stdout
    threads = text.split("\nThread ")[1:]
    found = [re.findall(r"^#\d+ +(?:0x[0-9a-f]+ in )?([\w.]+)", thread, re.MULTILINE) for thread in threads]
    return found[:1] + sorted(found[1:])


@pytest.mark.skipif(shutil.which("gdb") is None, reason="no gdb")
@pytest.mark.skipif(bool(compiler_missing(DEBUG)), reason=compiler_missing(DEBUG))
def test_gdb_of_the_host_reads_a_core(tmp_path: Path) -> None:
    """All threads of a crash, each where it was; as in the core the host itself makes, if it makes one."""
    program = build("debuggee_crash", DEBUG)
    script = f"cd {tmp_path}; ulimit -c unlimited; {program}; exit 0"
    shared = (Bind(str(tmp_path), str(tmp_path), True),)
    tgid.run(["/bin/sh", "-c", script], env={"PATH": "/usr/bin:/bin"}, binds=shared, timeout=60)
    inside = backtraces(program, tmp_path / "core")
    assert inside[0] == ["crash", "crash", "crash", "main"]
    assert sorted(next(name for name in thread if name in ("sleeper", "reader", "spinner")) for thread in inside[1:]) == [
        "reader", "sleeper", "spinner",
    ]  # fmt: skip
    if not skip_reason(programs()["core_threads"], "glibc"):
        (tmp_path / "core").unlink()
        subprocess.run(["/bin/sh", "-c", script], stderr=subprocess.DEVNULL, timeout=60, check=False)
        assert backtraces(program, tmp_path / "core") == inside
