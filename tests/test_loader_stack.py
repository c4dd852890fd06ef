"""The first stack, compared byte for byte with the one the host's kernel builds, and execve's limits on arguments."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from loader_machine import RANDOM, BytesFile, Disk, ElfSpec, FakeMemory, commit, load

from kernel.errno import Errno
from kernel.hardware import USER_TOP
from loader import stack
from loader.binfmt import Image, prepare
from loader.layout import choose
from loader.stack import Addresses, Credentials, Processor, Strings, build

native = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="compares with the kernel of an x86-64 Linux host"
)
ADDR_NO_RANDOMIZE = 0x0040000
ELF = ElfSpec().make()


def auxiliary_vector(data: bytes) -> dict[int, int]:
    """Pairs up to AT_NULL, which must be the last."""
    words = struct.unpack(f"<{len(data) // 8}Q", data)
    pairs = list(zip(words[::2], words[1::2], strict=True))
    assert pairs[-1] == (0, 0)
    assert all(kind for kind, _ in pairs[:-1])
    return dict(pairs)


def read_strings(memory: FakeMemory, at: int, count: int) -> list[bytes]:
    result = []
    for index in range(count):
        address = memory.word(at + 8 * index)
        result.append(memory.read(address, 4096 - address % 4096).split(b"\0")[0])
    assert memory.word(at + 8 * count) == 0
    return result


@pytest.mark.parametrize("argc", [1, 2, 3])
@pytest.mark.parametrize("envc", [0, 1, 2])
def test_a_program_finds_its_arguments(argc: int, envc: int) -> None:
    argv = tuple(b"argument %d" % i for i in range(argc))
    envp = tuple(b"E%d=x" % i for i in range(envc))
    image, memory = load(BytesFile(ELF), argv, envp)
    assert image.sp % 16 == 0
    assert memory.word(image.sp) == argc
    assert read_strings(memory, image.sp + 8, argc) == list(argv)
    assert read_strings(memory, image.sp + 16 + 8 * argc, envc) == list(envp)
    at = image.sp + 24 + 8 * (argc + envc)
    assert memory.read(at, len(image.auxv)) == image.auxv
    vector = auxiliary_vector(image.auxv)
    assert memory.read(vector[stack.AT_RANDOM], 16) == RANDOM
    assert memory.read(vector[stack.AT_PLATFORM], 7) == b"x86_64\0"
    assert memory.read(vector[stack.AT_EXECFN], 6) == b"/prog\0"
    assert vector[stack.AT_PHDR] == 0x400040
    assert (vector[stack.AT_PHENT], vector[stack.AT_PHNUM], vector[stack.AT_ENTRY]) == (56, 1, 0x400400)
    assert memory.read(image.arg_start, image.arg_end - image.arg_start) == b"".join(a + b"\0" for a in argv)
    assert memory.read(image.env_start, image.env_end - image.env_start) == b"".join(e + b"\0" for e in envp)
    assert memory.read(USER_TOP - 8, 8) == bytes(8)


def test_credentials_and_processor_are_reported() -> None:
    program = prepare(BytesFile(ELF), b"/prog", (b"prog",), (), 8 << 20, Disk().open_exec)
    memory = FakeMemory()
    vector = auxiliary_vector(commit(program, memory, credentials=Credentials(1, 2, 3, 4, True)).auxv)
    kinds = (stack.AT_UID, stack.AT_EUID, stack.AT_GID, stack.AT_EGID, stack.AT_SECURE, stack.AT_HWCAP)
    assert [vector[kind] for kind in kinds] == [1, 2, 3, 4, 1, Processor().hwcap]


def test_stack_mapping_follows_its_limit() -> None:
    """128 KiB more than the strings need, but not beyond RLIMIT_STACK, and never less than they need."""
    for limit, argument, size in ((8 << 20, 0, 0x21000), (8 << 20, 100_000, 0x39000), (65536, 0, 0x10000), (4096, 9000, 0x3000)):
        program = prepare(BytesFile(ELF), b"/prog", (b"x" * argument,), (), limit, Disk().open_exec)
        memory = FakeMemory()
        commit(program, memory, limit)
        start, end, prot, _ = memory.maps()[-1]
        assert (end - start, end, prot) == (size, USER_TOP, "rw-")


@pytest.mark.parametrize(
    ("limit", "room"), [(0, 131072), (8 << 20, 2 << 20), (24 << 20, 6 << 20), (1 << 40, 6 << 20), ((1 << 64) - 1, 6 << 20)]
)
def test_room_for_strings(limit: int, room: int) -> None:
    assert stack.string_limit(limit) == room
    # As many pointers with empty strings as fit: 9 bytes each, besides argv[0] and the name.
    count = (room - 8 - len(b"a\0/p\0")) // 9
    stack.check_limits(Strings(b"/p", (b"a",), (b"",) * count), limit)
    with pytest.raises(Errno.E2BIG):
        stack.check_limits(Strings(b"/p", (b"a",), (b"",) * (count + 1)), limit)


def test_longest_string() -> None:
    fits, too_long = b"x" * 131071, b"x" * 131072
    stack.check_limits(Strings(b"/p", (fits,), (fits,)), 8 << 20)
    for strings in (Strings(b"/p", (too_long,), ()), Strings(b"/p", (b"",), (too_long,)), Strings(too_long, (b"",), ())):
        with pytest.raises(Errno.E2BIG):
            stack.check_limits(strings, 8 << 20)


@native
@pytest.mark.parametrize(("size", "count"), [(131071, 1), (131072, 1), (100_000, 19), (100_000, 20), (100_000, 21), (1, 209000)])
def test_too_much_is_too_much_on_the_host_too(size: int, count: int) -> None:
    import resource

    argv = [b"/bin/true", *(b"x" * size for _ in range(count))]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_STACK, (8 << 20, 8 << 20))

    try:
        subprocess.run(argv, env={}, preexec_fn=limit, check=True)
        expected = True
    except OSError:
        expected = False
    try:
        stack.check_limits(Strings(b"/bin/true", tuple(argv), ()), 8 << 20)
        fits = True
    except Errno.E2BIG:
        fits = False
    assert fits is expected


SHOW = r"""
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
/* Writes: the address of argc, everything from there to the top of the stack, then /proc/self/maps. */
int main(int argc, char **argv, char **envp)
{
	char maps[65536];
	unsigned long *sp = (unsigned long *)argv - 1, top = 0x7ffffffff000;
	size_t got = 0;
	ssize_t n;
	int fd = open("/proc/self/maps", O_RDONLY);
	write(1, &sp, sizeof sp);
	write(1, sp, top - (unsigned long)sp);
	while ((n = read(fd, maps + got, sizeof maps - got)) > 0)
		got += n;
	write(1, maps, got);
	return 0;
}
"""


def compiler() -> str | None:
    return shutil.which("cc") or shutil.which("gcc")


def no_randomisation() -> None:
    ctypes.CDLL(None).personality(ADDR_NO_RANDOMIZE)


def run_native(path: Path, argv: list[str], env: dict[str, str]) -> tuple[int, bytes, list[str]]:
    """Run without address randomisation; return the first stack pointer, the stack from there, and the maps."""
    result = subprocess.run(argv, executable=path, env=env, capture_output=True, preexec_fn=no_randomisation, check=True)
    (sp,) = struct.unpack_from("<Q", result.stdout)
    size = USER_TOP - sp
    return sp, result.stdout[8 : 8 + size], result.stdout[8 + size :].decode().splitlines()


Build = Callable[[str], Path]


@pytest.fixture
def show(tmp_path: Path) -> Build:
    """Compiles SHOW with the options given."""
    command = compiler()
    if command is None:
        pytest.skip("no C compiler")
    source = tmp_path / "show.c"
    source.write_text(SHOW)

    def build_it(option: str) -> Path:
        program = tmp_path / ("show" + option)
        words = [command, "-O1", "-w", *option.split(), "-o", str(program), str(source)]
        if subprocess.run(words, capture_output=True, check=False).returncode:
            pytest.skip(f"the compiler cannot do {option}")
        return program

    return build_it


OPTIONS = ["-static", "-static-pie", "-pie", "-no-pie"]


@native
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize(
    ("argv", "env"), [(["show"], {}), (["show", "a", "", "b c"], {"A": "1", "LONG": "x" * 1000}), (["x" * 21, "y"], {"B": ""})]
)
def test_stack_is_byte_for_byte_that_of_the_host(show: Build, option: str, argv: list[str], env: dict[str, str]) -> None:
    program = show(option)
    sp, data, _ = run_native(program, argv, env)
    strings = Strings(os.fsencode(program), tuple(map(os.fsencode, argv)), tuple(os.fsencode(f"{k}={v}") for k, v in env.items()))
    at = 8 * (3 + len(argv) + len(env))
    vector = auxiliary_vector(data[at : end_of_vector(data, at)])
    random = data[vector[stack.AT_RANDOM] - sp :][:16]
    ours = build(
        strings,
        Addresses(
            vector[stack.AT_PHDR],
            vector[stack.AT_PHENT],
            vector[stack.AT_PHNUM],
            vector[stack.AT_BASE],
            vector[stack.AT_ENTRY],
            vector[stack.AT_SYSINFO_EHDR],
        ),
        Credentials(os.getuid(), os.geteuid(), os.getgid(), os.getegid()),
        Processor(vector[stack.AT_HWCAP], vector[stack.AT_HWCAP2], vector[stack.AT_MINSIGSTKSZ], os.sysconf("SC_CLK_TCK")),
        random,
        USER_TOP,
    )
    theirs = set(vector) - {stack.AT_RSEQ_FEATURE_SIZE, stack.AT_RSEQ_ALIGN}
    assert theirs == set(auxiliary_vector(ours.auxv)) - {stack.AT_RSEQ_FEATURE_SIZE, stack.AT_RSEQ_ALIGN}
    if stack.AT_RSEQ_ALIGN not in vector:
        pytest.skip("the host's kernel is older than 6.3 and reports nothing about rseq")
    assert ours.sp == sp
    assert ours.data == data


def end_of_vector(data: bytes, at: int) -> int:
    """Return the offset behind AT_NULL of the auxiliary vector that starts at ``at``."""
    while struct.unpack_from("<Q", data, at) != (0,):
        at += 16
    return at + 16


@native
@pytest.mark.parametrize("option", OPTIONS)
def test_mappings_are_where_the_host_has_them(show: Build, option: str) -> None:
    """Programs, interpreter, stack and, up to its size, the vDSO."""
    program = show(option)
    _, data, lines = run_native(program, ["show"], {})
    disk = Disk()
    linker = Path("/lib64/ld-linux-x86-64.so.2")
    if linker.exists():
        disk[os.fsencode(linker)] = BytesFile(linker.read_bytes(), str(linker.resolve()))
    image, memory = load(BytesFile(program.read_bytes(), str(program)), (b"show",), (), disk)
    theirs: dict[str, tuple[int, int]] = {}
    for line in lines:
        words = line.split(maxsplit=5)
        start, end = (int(word, 16) for word in words[0].split("-"))
        name = words[5] if len(words) > 5 else ""
        theirs[name] = (min(start, theirs.get(name, (start, end))[0]), end)
    for name in {str(program), *(file.name for file in disk.values())} & theirs.keys():
        spans = [(start, end) for start, end, _, file in memory.maps() if file == name]
        assert (spans[0][0], spans[-1][1]) == theirs[name], name
    assert memory.maps()[-1][:2] == theirs["[stack]"]
    if "[heap]" in theirs:
        assert image.brk == theirs["[heap]"][0]
    check_vector(data, image, memory)


def check_vector(data: bytes, image: Image, memory: FakeMemory) -> None:
    """All addresses but those that depend on the length of the file's name or the size of the vDSO agree."""
    theirs = auxiliary_vector(data[8 * 4 : end_of_vector(data, 8 * 4)])
    ours = auxiliary_vector(image.auxv)
    for kind in (stack.AT_PHDR, stack.AT_PHENT, stack.AT_PHNUM, stack.AT_BASE, stack.AT_ENTRY, stack.AT_FLAGS):
        assert ours[kind] == theirs[kind]
    vdso = memory.find(ours[stack.AT_SYSINFO_EHDR])
    assert vdso is not None


def test_randomisation_moves_everything_and_keeps_the_order() -> None:
    state = 1

    def random(size: int) -> bytes:
        nonlocal state
        state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
        return (state >> 8).to_bytes(8, "little")[:size]

    seen = set()
    for _ in range(200):
        layout = choose(8 << 20, random)
        assert layout.stack_top % 4096 == layout.mmap_base % 4096 == layout.brk_offset % 4096 == 0
        assert USER_TOP - (16 << 30) - 8192 <= layout.stack_top <= USER_TOP
        assert layout.mmap_base <= layout.stack_top - (8 << 20)
        assert layout.dyn_base + (2 << 30) < layout.mmap_base
        program = prepare(BytesFile(ELF), b"/prog", (b"prog",), (), 8 << 20, Disk().open_exec)
        memory = FakeMemory()
        image = program.commit(memory, layout, RANDOM, Credentials(), Processor(), 8 << 20)
        assert image.sp % 16 == 0
        assert image.brk > 0x401000
        assert memory.word(image.sp) == 1
        seen.add((layout.stack_top, layout.mmap_base, layout.dyn_base, image.sp, image.brk))
    assert len(seen) == 200
