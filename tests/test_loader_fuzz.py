"""Ten thousand mutated ELF files: nothing but Errno ever comes out of the loader, and nothing absurd is read or stored."""

from __future__ import annotations

import time
from struct import pack_into

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from loader_machine import CODE_AT, INTERP_AT, BytesFile, Disk, ElfSpec, FakeMemory, commit, interp_header, load_segment

from kernel.errno import Errno
from kernel.hardware import PAGE_SIZE, USER_TOP
from loader import elf, script
from loader.binfmt import prepare

INTERP = b"/ld.so"
DATA = load_segment(vaddr=0x602F00, offset=0xF00, filesz=0x80, memsz=0x2000, flags=6)
TLS = elf.Phdr(elf.PT_TLS, 4, 0xF00, 0x602F00, 0, 0x10, 0x20, 8)
STACK = elf.Phdr(elf.PT_GNU_STACK, 6, 0, 0, 0, 0, 0, 16)
PHDR = elf.Phdr(elf.PT_PHDR, 4, 64, 0x400040, 0, 0x150, 0x150, 8)

FIXED = ElfSpec(phdrs=(load_segment(), DATA, TLS, STACK), size=0x1800).make()
MOVED = ElfSpec(
    type=elf.ET_DYN,
    entry=CODE_AT,
    phdrs=(PHDR, interp_header(INTERP), load_segment(vaddr=0), DATA._replace(vaddr=0x2F00), STACK),
    interp=INTERP + b"\0",
    size=0x1800,
).make()
LINKER = ElfSpec(
    type=elf.ET_DYN, entry=CODE_AT, phdrs=(load_segment(vaddr=0), DATA._replace(vaddr=0x2F00), STACK), size=0x1800
).make()

EHDR_FIELDS = ((0, 4), (4, 1), (16, 2), (18, 2), (24, 8), (32, 8), (52, 2), (54, 2), (56, 2))
PHDR_FIELDS = ((0, 4), (4, 4), (8, 8), (16, 8), (32, 8), (40, 8), (48, 8))
FIELDS = [(offset, size) for offset, size in EHDR_FIELDS] + [
    (64 + 56 * index + offset, size) for index in range(6) for offset, size in PHDR_FIELDS
]
FORMATS = {1: "<B", 2: "<H", 4: "<I", 8: "<Q"}

INTERESTING = sorted(
    {
        value + step & elf.U64
        for value in (
            0,
            1,
            7,
            56,
            64,
            0x400,
            0x1000,
            0x1800,
            0x2F80,
            0x400000,
            0x602F80,
            1 << 31,
            1 << 32,
            1 << 46,
            1 << 63,
            1 << 64,
        )
        for step in (-0x1000, -1, 0, 1, 0x1000)
    }
    | {USER_TOP + step for step in (-0x21000, -0x2000, -0x1000, -1, 0, 1, 0x1000)}
    | {0x555555554000, 0x7FFFF7FFE000, 0x7FFFF7FFF000, 1 << 21, 1 << 30, elf.PT_GNU_STACK}
)
VALUES = st.one_of(st.sampled_from(INTERESTING), st.integers(0, 8), st.integers(0, elf.U64))
PATCH = st.tuples(st.sampled_from(FIELDS), VALUES)
# One number decides base file, target of the patches and whether the file is cut.
MUTATION = st.tuples(
    st.sampled_from((FIXED, MOVED)),
    st.lists(PATCH, max_size=6),
    st.lists(PATCH, max_size=3),
    st.one_of(st.none(), st.none(), st.integers(0, 0x1800)),
    st.binary(max_size=8),
)

Patches = list[tuple[tuple[int, int], int]]
Mutation = tuple[bytes, Patches, Patches, int | None, bytes]


def patched(data: bytes, patches: Patches) -> bytes:
    image = bytearray(data)
    for (offset, size), value in patches:
        pack_into(FORMATS[size], image, offset, value & (1 << 8 * size) - 1)
    return bytes(image)


def load_or_fail(program: BytesFile, linker: BytesFile) -> FakeMemory | None:
    disk = Disk({INTERP: linker, b"/prog": program})
    try:
        prepared = prepare(program, b"/prog", (b"prog", b"x"), (b"A=1",), 8 << 20, disk.open_exec)
        memory = FakeMemory()
        image = commit(prepared, memory)
    except Errno:
        return None
    assert image.sp % 16 == 0
    assert image.entry < USER_TOP
    return memory


@settings(
    max_examples=10_000,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)
@example((FIXED, [], [], None, b""))
@example((MOVED, [], [], None, b""))
@given(MUTATION)
def test_mutated_elf(mutation: Mutation) -> None:
    base, patches, linker_patches, cut, text = mutation
    data = patched(base, patches)
    if text:
        data = data[:INTERP_AT] + text + data[INTERP_AT + len(text) :]
    program = BytesFile(data if cut is None else data[:cut])
    linker = BytesFile(patched(LINKER, linker_patches))
    started = time.perf_counter()
    memory = load_or_fail(program, linker)
    assert time.perf_counter() - started < 1.0
    assert program.reads + linker.reads < 20
    if memory is not None:
        # Only pages that the file and the stack share with zeros are ever copied.
        assert len(memory.pages) <= 8
        for low, high in zip(memory.vmas, memory.vmas[1:], strict=False):
            assert low.end <= high.start
        assert all(vma.start % PAGE_SIZE == 0 and vma.end <= USER_TOP for vma in memory.vmas)


@settings(max_examples=1000, derandomize=True, database=None, deadline=None)
@given(st.lists(st.sampled_from([b"#!", b" ", b"\t", b"\n", b"\0", b"/prog", b"/ld.so", b"x" * 100, b"\x7fELF"]), max_size=12))
def test_anything_as_a_script(parts: list[bytes]) -> None:
    data = b"".join(parts)
    load_or_fail(BytesFile(data), BytesFile(LINKER))
    try:
        shebang = script.parse(data)
    except Errno.ENOEXEC:
        return
    if shebang is not None:
        assert not set(b" \t\n\0") & set(shebang.path)
        assert len(shebang.path) < script.BUF_SIZE
        assert shebang.argument is None or b"\0" not in shebang.argument


def test_the_unmutated_files_load() -> None:
    for base in (FIXED, MOVED):
        assert load_or_fail(BytesFile(base), BytesFile(LINKER)) is not None
