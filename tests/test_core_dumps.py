"""Core dumps: core_pattern, which must not be changed on a host, and the file as pyelftools reads it.

What can be compared with the host is in guest/coredump and compared with all other guest programs.
"""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import NoteSegment

import tgid
from guest.build import compiler_missing
from guest.catalog import programs
from guest.compare import run_inside
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
