"""Loaded programs run: the loader over the real address space, page cache and processor.

The kernel here is a few lines: it serves page faults and knows exit, brk and arch_prctl; mprotect it takes for granted.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from emu_world import World
from hypothesis import HealthCheck, given, settings
from loader_machine import CODE_AT, RANDOM, BytesFile, Disk, ElfSpec, FakeMemory, commit, interp_header, load_segment
from test_loader_fuzz import INTERP, LINKER, MUTATION, Mutation, patched

from kernel.errno import Errno
from kernel.fs.file import O_RDONLY, File, PageSource
from kernel.fs.pagecache import PageCache, PagePool
from kernel.hardware import PAGE_SHIFT, Trap
from kernel.mm.address_space import AddressSpace
from kernel.mm.memory import Memory
from kernel.mm.mmap import do_brk
from kernel.mm.vma import VM_EXEC, VM_READ, VM_WRITE
from loader import elf, vdso
from loader.binfmt import ExecFile, Image, prepare
from loader.layout import choose
from loader.memory import ProcessMemory
from loader.stack import Credentials, Processor

STACK_LIMIT = 8 << 20
ENOSYS = -38
SYS_MPROTECT, SYS_BRK, SYS_EXIT, SYS_ARCH_PRCTL, SYS_CLOCK_GETTIME, SYS_EXIT_GROUP = 10, 12, 60, 158, 228, 231
ARCH_SET_FS = 0x1002


class Backing:
    """A host file of which every read is counted."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.reads = 0

    def pread(self, size: int, offset: int) -> bytes:
        self.reads += 1
        return self.data[offset : offset + size]


class CachedFile(File):
    """A regular file that lives in the page cache."""

    __slots__ = ("cache",)

    def __init__(self, cache: PageCache) -> None:
        super().__init__(O_RDONLY)
        self.cache = cache

    def source(self, t: object) -> PageSource:
        return self.cache


class Executable:
    """A file opened for execution."""

    def __init__(self, machine: Machine, data: bytes) -> None:
        self.backing = Backing(data)
        self.file: File = CachedFile(PageCache(machine.pool, self.backing, len(data)))

    def read_at(self, offset: int, size: int) -> bytes:
        assert isinstance(self.file, CachedFile)
        return self.file.cache.read(offset, size) if offset < self.file.cache.size else b""


class Machine:
    """A processor and just enough of a kernel."""

    def __init__(self) -> None:
        self.world = World(accelerated=False, memory=64 << 20)
        self.memory = Memory(self.world.frames, self.world.cpu)
        self.pool = PagePool(self.memory, self.world.cpu.code_changed, 1 << 20)
        self.vdso = vdso.VdsoPages(self.world.frames)
        self.kernel: Any = SimpleNamespace(memory=self.memory)
        cred = SimpleNamespace(capable=lambda number: True)
        self.thread: Any = SimpleNamespace(cred=cred, personality=0, kernel=self.kernel)
        self.disk: dict[bytes, Executable] = {}

    def open_exec(self, path: bytes) -> ExecFile:
        if path not in self.disk:
            raise Errno.ENOENT
        return self.disk[path]

    def load(self, file: Executable, argv: tuple[bytes, ...] = (b"prog",)) -> tuple[Image, AddressSpace]:
        program = prepare(file, b"/prog", argv, (b"A=1",), STACK_LIMIT, self.open_exec)
        mm = AddressSpace(self.kernel)
        target = ProcessMemory(self.thread, mm, self.vdso)
        image = program.commit(target, choose(STACK_LIMIT, None), RANDOM, Credentials(), Processor(), STACK_LIMIT)
        return image, mm

    def run(self, image: Image, mm: AddressSpace) -> tuple[int, list[tuple[int, int]]]:
        """Run to exit; return the status and (number, address behind the instruction) of every other system call."""
        cpu = self.world.cpu
        state = cpu.new_state()
        state.reset(image.entry, image.sp)
        calls: list[tuple[int, int]] = []
        for _ in range(100_000):
            trap = cpu.run(state, mm.tables, 100_000)
            if trap == Trap.PAGE_FAULT:
                signal = mm.handle_fault(self.thread, cpu.fault_address, cpu.error_code)
                assert signal is None, f"{signal} at {state.rip:#x}"
            elif trap == Trap.SYSCALL:
                number, first, second = cpu.syscall[:3]
                if number in (SYS_EXIT, SYS_EXIT_GROUP):
                    return first & 0xFF, calls
                calls.append((number, state.rip))
                state.rax = ENOSYS & (1 << 64) - 1
                if number == SYS_BRK:
                    state.rax = do_brk(mm, self.thread, first)
                elif number == SYS_MPROTECT:
                    state.rax = 0
                elif number == SYS_ARCH_PRCTL and first == ARCH_SET_FS:
                    state.fs_base = second
                    state.rax = 0
            else:
                assert trap == Trap.BUDGET, Trap(trap)
        raise AssertionError("does not end")


@pytest.fixture(scope="module")
def machine() -> Machine:
    return Machine()


def test_fixed_program_runs(machine: Machine) -> None:
    image, mm = machine.load(Executable(machine, ElfSpec().make()))
    assert machine.run(image, mm) == (42, [])
    mm.put()


def test_the_interpreter_runs_first(machine: Machine) -> None:
    moved = ElfSpec(type=elf.ET_DYN, entry=CODE_AT, phdrs=(load_segment(vaddr=0),)).make()
    machine.disk[b"/ld.so"] = Executable(machine, moved)
    program = ElfSpec(phdrs=(load_segment(), interp_header(b"/ld.so")), interp=b"/ld.so\0", entry=0x400000).make()
    image, mm = machine.load(Executable(machine, program))
    assert image.entry == image.interp_base + CODE_AT
    assert machine.run(image, mm) == (42, [])
    mm.put()


def test_vdso_is_called(machine: Machine) -> None:
    """The program calls the first function of the vDSO and exits with what it returned, negated."""
    at = 0x7FFFF7FFE000
    code = bytes.fromhex("48b8") + (at + 0x120).to_bytes(8, "little") + bytes.fromhex("ffd0 89c7 f7df b83c000000 0f05")
    data = ElfSpec().make()
    image, mm = machine.load(Executable(machine, data[:CODE_AT] + code + data[CODE_AT + len(code) :]))
    assert image.vdso == at
    assert machine.run(image, mm) == (38, [(SYS_CLOCK_GETTIME, at + 0x120 + 7)])
    area = mm.areas.at(at)
    assert area is not None
    assert area.name == b"[vdso]"
    mm.put()


def test_second_exec_reads_nothing_and_shares_the_pages(machine: Machine) -> None:
    data = load_segment(vaddr=0x602F00, offset=0xF00, filesz=0x80, memsz=0x2000, flags=6)
    file = Executable(machine, ElfSpec(phdrs=(load_segment(), data), size=0x1800).make())
    first, mm = machine.load(file)
    assert machine.run(first, mm)[0] == 42
    reads = file.backing.reads
    free = machine.memory.free
    _, second = machine.load(file)
    assert machine.run(first, second)[0] == 42
    assert file.backing.reads == reads
    assert second.tables.lookup(0x400000) & ~0xFFF == mm.tables.lookup(0x400000) & ~0xFFF
    # The stack page, the page where data becomes zeros, and page tables.
    assert free - machine.memory.free <= 2 + 10
    assert second.read(0x602F00, 0x100) == b"\xcc" * 0x80 + bytes(0x80)
    mm.put()
    second.put()


def test_nothing_is_kept(machine: Machine) -> None:
    file = Executable(machine, ElfSpec().make())
    image, mm = machine.load(file)
    machine.run(image, mm)
    mm.put()
    free = machine.memory.free
    for _ in range(3):
        image, mm = machine.load(file)
        machine.run(image, mm)
        mm.put()
    assert machine.memory.free == free
    assert file.file.refs == 1


def test_failed_commit_leaves_nothing_behind(machine: Machine) -> None:
    spec = ElfSpec(phdrs=(load_segment(), load_segment(vaddr=0x600000, filesz=0x1001, memsz=0x1000, flags=6)))
    file = Executable(machine, spec.make())
    program = prepare(file, b"/prog", (b"prog",), (), STACK_LIMIT, machine.open_exec)
    for _ in range(2):
        free = machine.memory.free
        mm = AddressSpace(machine.kernel)
        target = ProcessMemory(machine.thread, mm, machine.vdso)
        with pytest.raises(Errno.EINVAL):
            program.commit(target, choose(STACK_LIMIT, None), RANDOM, Credentials(), Processor(), STACK_LIMIT)
        mm.put()
    assert machine.memory.free == free
    assert file.file.refs == 1


def spans(areas: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Join neighbours with equal protection: whether two mappings are one area is not the loader's business."""
    joined: list[tuple[int, int, int]] = []
    for start, end, prot in areas:
        if joined and joined[-1][1] == start and joined[-1][2] == prot:
            joined[-1] = (joined[-1][0], end, prot)
        else:
            joined.append((start, end, prot))
    return joined


@settings(
    max_examples=400,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(MUTATION)
def test_mutated_programs_fare_the_same_in_both_address_spaces(machine: Machine, mutation: Mutation) -> None:
    base, patches, linker_patches, cut, _ = mutation
    data = patched(base, patches)[:cut]
    linker = patched(LINKER, linker_patches)
    simple = Disk({INTERP: BytesFile(linker)})
    machine.disk[INTERP] = Executable(machine, linker)
    file = Executable(machine, data)
    try:
        program = prepare(BytesFile(data), b"/prog", (b"prog",), (), STACK_LIMIT, simple.open_exec)
    except Errno as error:
        with pytest.raises(type(error)):
            prepare(file, b"/prog", (b"prog",), (), STACK_LIMIT, machine.open_exec)
        return
    real = prepare(file, b"/prog", (b"prog",), (), STACK_LIMIT, machine.open_exec)
    expected: Image | None
    memory = FakeMemory()
    memory.overcommit = machine.memory.total << PAGE_SHIFT
    try:
        expected = commit(program, memory)
    except Errno:
        expected = None
    mm = AddressSpace(machine.kernel)
    target = ProcessMemory(machine.thread, mm, machine.vdso)
    got: Image | None
    try:
        got = real.commit(target, choose(STACK_LIMIT, None), RANDOM, Credentials(), Processor(), STACK_LIMIT)
    except Errno:
        got = None
    assert got == expected
    if got is not None:
        ours = [(area.start, area.end, area.flags & (VM_READ | VM_WRITE | VM_EXEC)) for area in mm.areas.areas]
        assert spans(ours) == spans([(vma.start, vma.end, vma.prot) for vma in memory.vmas])
        assert mm.read(got.sp, 8) == memory.read(got.sp, 8)
    mm.put()
    for one in (file, machine.disk[INTERP]):
        assert isinstance(one.file, CachedFile)
        one.file.cache.truncate(0)


CHECK = r"""
#include <elf.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>
__thread int initialised = 7, zero;
static char bss[100000];
int main(int argc, char **argv, char **envp)
{
	if (initialised != 7 || zero || strcmp(argv[1], "one") || strcmp(envp[0], "A=1"))
		return 1;
	if (getauxval(AT_PAGESZ) != 4096 || strcmp((char *)getauxval(AT_EXECFN), "/prog"))
		return 2;
	if (memcmp((char *)getauxval(AT_SYSINFO_EHDR), ELFMAG, SELFMAG) || !getauxval(AT_RANDOM))
		return 3;
	for (unsigned i = 0; i < sizeof bss; i++)
		if (bss[i])
			return 4;
	struct timespec now;
	if (clock_gettime(CLOCK_MONOTONIC, &now) == 0)
		return 5;
	return argc;
}
"""


@pytest.mark.parametrize("option", ["-static", "-static-pie"])
def test_compiled_program_finds_everything(machine: Machine, option: str, tmp_path: Path) -> None:
    """A C library starts up: TLS, auxiliary vector, bss.  It copes with a kernel that has hardly any system call."""
    command = shutil.which("cc") or shutil.which("gcc")
    if command is None:
        pytest.skip("no C compiler")
    source = tmp_path / "p.c"
    source.write_text(CHECK)
    program = tmp_path / "p"
    if subprocess.run([command, "-O1", "-w", option, "-o", program, source], capture_output=True, check=False).returncode:
        pytest.skip(f"the compiler cannot do {option}")
    image, mm = machine.load(Executable(machine, program.read_bytes()), (b"prog", b"one", b"two"))
    status, calls = machine.run(image, mm)
    assert status == 3
    # Once it has started, the library has found the vDSO.
    clocks = [rip for number, rip in calls if number == SYS_CLOCK_GETTIME]
    assert clocks[-1] == image.vdso + 0x120 + 7
    mm.put()
