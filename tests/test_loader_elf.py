"""ELF headers: the same answers as pyelftools on every program of this host, and Linux's errno for every defect."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from loader_machine import (
    INTERP_AT,
    BytesFile,
    Disk,
    ElfSpec,
    FakeMemory,
    commit,
    interp_header,
    load,
    load_segment,
)

from kernel.errno import Errno
from loader import elf
from loader.binfmt import PROT_EXEC, PROT_READ, PROT_WRITE, prepare

PROT_RW = PROT_READ | PROT_WRITE


class HostFile:
    """A file of the host, read in place."""

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDONLY)

    def read_at(self, offset: int, size: int) -> bytes:
        return os.pread(self.fd, size, offset)

    def close(self) -> None:
        os.close(self.fd)


def host_programs() -> Iterator[Path]:
    """Every distinct ELF file in /bin and /usr/bin."""
    seen: set[tuple[int, int]] = set()
    for directory in (Path("/bin"), Path("/usr/bin")):
        for path in sorted(directory.glob("*")):
            try:
                stat = path.stat()
                if not path.is_file() or (stat.st_dev, stat.st_ino) in seen:
                    continue
                with path.open("rb") as stream:
                    if stream.read(4) != elf.ELF_MAGIC:
                        continue
            except OSError:
                continue
            seen.add((stat.st_dev, stat.st_ino))
            yield path


def test_headers_are_what_pyelftools_reads() -> None:
    elffile = pytest.importorskip("elftools.elf.elffile")
    checked = 0
    for path in host_programs():
        file = HostFile(path)
        ehdr = elf.parse_ehdr(file.read_at(0, 256))
        with path.open("rb") as stream:
            oracle = elffile.ELFFile(stream)
            if oracle.header["e_machine"] != "EM_X86_64":
                assert elf.complaint(ehdr) is not None
                file.close()
                continue
            assert elf.complaint(ehdr) is None
            for ours, theirs in zip(ehdr[4:], list(oracle.header.values())[4:], strict=True):
                assert ours == theirs, path
            phdrs = elf.read_phdrs(file, ehdr)
            segments = list(oracle.iter_segments())
            assert len(phdrs) == len(segments)
            for phdr, segment in zip(phdrs, segments, strict=True):
                assert phdr[1:] == tuple(
                    segment.header["p_" + name] for name in ("flags", "offset", "vaddr", "paddr", "filesz", "memsz", "align")
                )
            names = [segment.get_interp_name() for segment in segments if segment.header["p_type"] == "PT_INTERP"]
            path_found = elf.interpreter_path(file, phdrs)
            assert ([] if path_found is None else [path_found.decode()]) == names
            loads = [segment for segment in segments if segment.header["p_type"] == "PT_LOAD"]
            assert [phdr.type == elf.PT_LOAD for phdr in phdrs].count(True) == len(loads)
        file.close()
        checked += 1
    if not checked:
        pytest.skip("no x86-64 ELF programs on this host")


def attempt(spec: ElfSpec, disk: Disk | None = None) -> str:
    """Return "ran", the name of the errno of ``prepare``, or "killed by" and that of ``commit``."""
    try:
        program = prepare(BytesFile(spec.make()), b"/prog", (b"prog",), (), 8 << 20, (disk or Disk()).open_exec)
    except Errno as error:
        # An error that reaches the user says what is wrong.
        return type(error).__name__ if error.args else f"silent {type(error).__name__}"
    try:
        commit(program, FakeMemory())
    except Errno as error:
        return "killed by " + type(error).__name__
    return "ran"


def pie(*phdrs: elf.Phdr, interp: bytes = b"") -> ElfSpec:
    return ElfSpec(type=elf.ET_DYN, entry=0x400, phdrs=phdrs, interp=interp)


def beyond_the_end(flags: int) -> elf.Phdr:
    """A segment whose page is not in the file, with bytes to be zeroed in it."""
    return load_segment(vaddr=0x600000, offset=0x2000, filesz=0x10, memsz=0x20, flags=flags)


INTERP = b"/ld.so"
SELF = load_segment()


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (ElfSpec(), "ran"),
        (ElfSpec(ident=b"\x7fELG"), "ENOEXEC"),
        (ElfSpec(ident=b"\x7fELF\x01\x02\x09"), "ran"),  # class, byte order and version are not looked at
        (ElfSpec(type=1), "ENOEXEC"),
        (ElfSpec(type=4), "ENOEXEC"),
        (ElfSpec(machine=183), "ENOEXEC"),
        (ElfSpec(phentsize=32), "ENOEXEC"),
        (ElfSpec(phnum=0), "ENOEXEC"),
        (ElfSpec(phnum=1170, size=65536 + 64), "ran"),
        (ElfSpec(phnum=1171, size=65536 + 128), "ENOEXEC"),
        (ElfSpec(phoff=0x1000), "ENOEXEC"),
        (ElfSpec(phoff=1 << 63), "ENOEXEC"),
        (ElfSpec(size=40), "ENOEXEC"),
        (ElfSpec(size=0), "ENOEXEC"),
        (ElfSpec(phdrs=(SELF, interp_header(INTERP)), interp=INTERP + b"\0"), "ENOENT"),
        (ElfSpec(phdrs=(SELF, interp_header(b"")), interp=b"\0"), "ENOEXEC"),  # p_filesz < 2
        (ElfSpec(phdrs=(SELF, interp_header(b"", 2)), interp=b"\0\0"), "EACCES"),
        (ElfSpec(phdrs=(SELF, interp_header(INTERP)), interp=INTERP + b"x"), "ENOEXEC"),  # not terminated
        (ElfSpec(phdrs=(SELF, interp_header(b"", 4097)), interp=INTERP), "ENOEXEC"),
        (ElfSpec(phdrs=(SELF, interp_header(b"", 4096)), interp=INTERP), "EIO"),
        (ElfSpec(phdrs=(SELF, interp_header(INTERP)._replace(offset=1 << 63)), interp=INTERP), "EINVAL"),
        (ElfSpec(phdrs=(SELF, interp_header(INTERP)._replace(offset=(1 << 63) - 4)), interp=INTERP), "EINVAL"),
        (ElfSpec(phdrs=(elf.Phdr(elf.PT_NOTE, 4, 0, 0, 0, 0, 0, 0),)), "ran"),  # and faults at once
        (ElfSpec(phdrs=(load_segment(filesz=0x1001, memsz=0x1000),)), "killed by EINVAL"),
        (ElfSpec(phdrs=(load_segment(offset=0x10),)), "killed by EINVAL"),
        (ElfSpec(phdrs=(load_segment(vaddr=0x7FFFFFFFE000),)), "killed by EEXIST"),
        (ElfSpec(phdrs=(load_segment(vaddr=0x7FFFFFFFF000),)), "killed by ENOMEM"),
        (ElfSpec(phdrs=(load_segment(vaddr=0xFFFFFFFFFFFFF000),)), "killed by ENOMEM"),
        (ElfSpec(phdrs=(load_segment(memsz=1 << 47),)), "killed by ENOMEM"),
        (ElfSpec(phdrs=(load_segment(memsz=(1 << 64) - 1),)), "killed by ENOMEM"),
        (ElfSpec(phdrs=(SELF, beyond_the_end(6))), "killed by EFAULT"),
        (ElfSpec(phdrs=(SELF, beyond_the_end(4))), "ran"),
        (ElfSpec(phdrs=(SELF, load_segment(flags=6))), "ran"),  # the second covers the first
        (ElfSpec(entry=1 << 47), "killed by EINVAL"),
        (pie(load_segment(vaddr=0)), "ran"),
        (pie(load_segment(vaddr=0, filesz=0, memsz=0)), "killed by EINVAL"),
        (pie(load_segment(vaddr=0, align=1 << 21)), "ran"),
        (pie(load_segment(vaddr=0, align=3)), "ran"),
        (pie(load_segment(vaddr=0), load_segment(vaddr=1 << 47)), "killed by ENOMEM"),
    ],
)
def test_defects(spec: ElfSpec, expected: str) -> None:
    assert attempt(spec) == expected


@pytest.mark.parametrize(
    ("interpreter", "expected"),
    [
        (pie(load_segment(vaddr=0)).make(), "ran"),
        (ElfSpec(phdrs=(load_segment(vaddr=0x10000),), entry=0x10400).make(), "ran"),
        (b"", "EIO"),
        (b"\x7fELF" + bytes(59), "EIO"),
        (b"#!/bin/sh\n".ljust(64), "ELIBBAD"),
        (ElfSpec(machine=3).make(), "ELIBBAD"),
        (ElfSpec(phentsize=1).make(), "ELIBBAD"),
        (ElfSpec(phoff=0x10000).make(), "ELIBBAD"),
        (ElfSpec(type=1).make(), "killed by EPERM"),
        (pie(elf.Phdr(elf.PT_NOTE, 4, 0, 0, 0, 0, 0, 0)).make(), "killed by EINVAL"),
        (pie(load_segment(vaddr=0, filesz=0x1001, memsz=0x1000)).make(), "killed by ENOMEM"),
        (ElfSpec(type=elf.ET_DYN, entry=1 << 60, phdrs=(load_segment(vaddr=0),)).make(), "killed by EINVAL"),
    ],
)
def test_defects_of_the_interpreter(interpreter: bytes, expected: str) -> None:
    program = pie(load_segment(vaddr=0), interp_header(INTERP), interp=INTERP + b"\0")
    assert attempt(program, Disk({INTERP: BytesFile(interpreter)})) == expected


def test_fixed_program_is_mapped_where_it_says() -> None:
    """Text, then data whose last page is half file, half zeros, then whole pages of zeros; the heap follows."""
    data = load_segment(vaddr=0x402F00, offset=0xF00, filesz=0x100, memsz=0x3000, flags=6)
    program = BytesFile(ElfSpec(phdrs=(SELF, data), size=0x1800).make())
    image, memory = load(program)
    assert memory.maps()[:3] == [
        (0x400000, 0x401000, "r-x", "program"),
        (0x402000, 0x403000, "rw-", "program"),
        (0x403000, 0x406000, "rw-", ""),
    ]
    assert image.brk == memory.brk == 0x406000
    assert (image.entry, image.load_bias, image.start_code, image.end_code) == (0x400400, 0, 0x400000, 0x401000)
    assert memory.pages.keys() == {0x7FFFFFFFE000}, "a segment that ends with its page is not touched"


def test_the_rest_of_the_last_file_page_is_zeroed_in_a_private_copy() -> None:
    data = load_segment(vaddr=0x402F00, offset=0xF00, filesz=0x80, memsz=0x90, flags=6)
    program = BytesFile(ElfSpec(phdrs=(SELF, data), size=0x2000).make())
    _, memory = load(program)
    assert memory.read(0x402F00, 0x100) == b"\xcc" * 0x80 + bytes(0x80)
    assert program.data[0xF80:0x1000] == b"\xcc" * 0x80
    assert memory.pages.keys() == {0x402000, 0x7FFFFFFFE000}


def test_read_only_segment_keeps_what_follows_in_the_file() -> None:
    """padzero fails on it and ``elf_load`` ignores that."""
    rodata = load_segment(vaddr=0x402000, filesz=0x80, memsz=0x1080, flags=4)
    _, memory = load(BytesFile(ElfSpec(phdrs=(SELF, rodata)).make()))
    assert memory.read(0x402FFF, 1) == b"\xcc"
    assert memory.maps()[2] == (0x403000, 0x404000, "rw-", "")


def test_position_independent_program_with_interpreter() -> None:
    disk = Disk({INTERP: BytesFile(pie(load_segment(vaddr=0, memsz=0x3000)).make(), "ld.so")})
    program = pie(load_segment(vaddr=0), load_segment(vaddr=0x1000, flags=6), interp_header(INTERP), interp=INTERP + b"\0")
    image, memory = load(BytesFile(program.make()), disk=disk)
    assert memory.maps() == [
        (0x555555554000, 0x555555555000, "r-x", "program"),
        (0x555555555000, 0x555555556000, "rw-", "program"),
        (0x7FFFF7FFB000, 0x7FFFF7FFC000, "r-x", "[vdso]"),
        (0x7FFFF7FFC000, 0x7FFFF7FFD000, "r-x", "ld.so"),
        (0x7FFFF7FFD000, 0x7FFFF7FFF000, "rwx", ""),  # zeros of an executable segment are executable
        (0x7FFFFFFDE000, 0x7FFFFFFFF000, "rw-", ""),
    ]
    assert image.entry == 0x7FFFF7FFC400
    assert image.interp_base == 0x7FFFF7FFC000
    assert image.brk == 0x555555556000


def test_static_pie_goes_among_the_mappings_and_its_heap_does_not() -> None:
    image, memory = load(BytesFile(pie(load_segment(vaddr=0), load_segment(vaddr=0x4000, flags=6)).make()))
    assert [start for start, _, _, name in memory.maps() if name == "program"] == [0x7FFFF7FFA000, 0x7FFFF7FFE000]
    assert image.load_bias == 0x7FFFF7FFA000
    assert image.brk == 0x555555555000


def test_large_alignment_of_a_static_pie() -> None:
    image, _ = load(BytesFile(pie(load_segment(vaddr=0, align=1 << 21)).make()))
    assert image.load_bias == 0x7FFFF7E00000


def test_executable_stack_only_on_request() -> None:
    for flags, wanted in ((6, False), (7, True)):
        stack = elf.Phdr(elf.PT_GNU_STACK, flags, 0, 0, 0, 0, 0, 16)
        _, memory = load(BytesFile(ElfSpec(phdrs=(SELF, stack)).make()))
        vma = memory.vmas[-1]
        assert vma.growsdown
        assert bool(vma.prot & PROT_EXEC) is wanted
    _, memory = load(BytesFile(ElfSpec().make()))
    assert memory.vmas[-1].prot == PROT_RW


def test_first_interpreter_counts_and_the_last_stack_header() -> None:
    headers = (
        SELF,
        interp_header(INTERP),
        elf.Phdr(elf.PT_INTERP, 4, 1 << 60, 0, 0, 9, 9, 1),
        elf.Phdr(elf.PT_GNU_STACK, 7, 0, 0, 0, 0, 0, 16),
        elf.Phdr(elf.PT_GNU_STACK, 6, 0, 0, 0, 0, 0, 16),
    )
    spec = ElfSpec(phdrs=headers, interp=INTERP + b"\0")
    file = BytesFile(spec.make())
    phdrs = elf.read_phdrs(file, elf.parse_ehdr(file.data))
    assert elf.interpreter_path(file, phdrs) == INTERP
    assert not elf.executable_stack(phdrs)
    assert headers[1].offset == INTERP_AT


def test_little_is_read() -> None:
    """The identification and the program headers; the segments are mapped, not read."""
    program = BytesFile(ElfSpec().make())
    load(program)
    assert program.reads == 2
