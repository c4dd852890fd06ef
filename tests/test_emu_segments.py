"""Descriptor tables and segment registers: what programs load themselves, and what is loaded for them."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from emu_world import CODE, DATA, World, code

from emu import cpu, segments
from emu.engine import ACCELERATED
from emu.paging import Tables
from kernel.hardware import GDT, PAGE_SIZE, PTE_FRAME, OutOfFrames, Trap
from kernel.segments import USER32_CS, USER_CS, USER_DS
from kernel.user_desc import UserDesc

CORES = [pytest.param(True, marks=pytest.mark.skipif(not ACCELERATED, reason="extension not built"), id="C"),
         pytest.param(False, id="Python")]
BIG, CODE_TYPE, READ_EXEC_ONLY, NOT_PRESENT = 1, 4, 8, 0x20
DATA_HERE = UserDesc(0, DATA, 0xFFF, BIG).descriptor()
CODE_HERE = UserDesc(0, CODE, 0xFFF, BIG | CODE_TYPE).descriptor()
CODE16_HERE = UserDesc(0, CODE, 0xFFF, CODE_TYPE).descriptor()
ABSENT = UserDesc(0, DATA, 0xFFF, BIG | NOT_PRESENT).descriptor()
ESP_AND_CS = code("89 e6 8c c8 cd 80")  # mov esi, esp; mov eax, cs; int 0x80, in 32 and in 16 bits


def ldt(*descriptors: int) -> bytes:
    return b"".join(descriptor.to_bytes(8, "little") for descriptor in descriptors)


@pytest.fixture(params=CORES)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    made = World(request.param)
    yield made
    made.engine.close()


def load_gs(selector: int) -> bytes:
    return code(f"b8 {selector.to_bytes(4, 'little').hex()} 8e e8 65 8b 14 25 10 00 00 00 0f 05")
    # mov eax, selector; mov gs, eax; mov edx, gs:[16]; syscall


@pytest.mark.parametrize(("selector", "vector", "error"), [
    (0x10, 13, 0x10), (0x18, 13, 0x18), (0x63, 13, 0x60), (0x83, 13, 0x80), (0xFFFB, 13, 0xFFF8),
    (7, 13, 4), (0xFFFF, 13, 0xFFFC), (0x17, 11, 0x14),
])
def test_selectors_that_are_refused(world: World, selector: int, vector: int, error: int) -> None:
    state, tables = world.space(load_gs(selector))
    if vector == 11:
        tables.set_ldt(ldt(DATA_HERE, DATA_HERE, ABSENT))
    assert world.run(state, tables) == Trap.EXCEPTION
    assert (world.cpu.vector, world.cpu.error_code, state.rip - CODE) == (vector, error, 5)


def test_a_descriptor_of_the_program(world: World) -> None:
    state, tables = world.space(load_gs(7))
    world.poke(tables, DATA + 16, b"\x78\x56\x34\x12")
    tables.set_ldt(ldt(DATA_HERE))
    assert world.run(state, tables) == Trap.SYSCALL
    assert (state.regs().gs, state.gs_base) == (7, DATA)
    assert state.rdx == 0x1234_5678


def test_code_of_32_and_16_bits(world: World) -> None:
    # push 0x23; push CODE + 0x100; lretq
    state, tables = world.space((code("6a 23 68 00 01 40 00 48 cb").ljust(0x100, b"\xcc") + ESP_AND_CS).ljust(PAGE_SIZE, b"\xcc"))
    assert world.run(state, tables) == Trap.INT80
    assert (state.rax, state.regs().cs, state.rip, state.rsi) == (USER32_CS, USER32_CS, CODE + 0x106, DATA + 2 * PAGE_SIZE)
    tables.set_ldt(ldt(CODE_HERE, CODE16_HERE, DATA_HERE))
    for selector, descriptor in ((7, CODE_HERE), (15, CODE16_HERE), (USER32_CS, GDT[4])):
        state.load_segment("cs", selector, descriptor)
        state.load_segment("ss", 0x17, DATA_HERE)
        state.rip, state.rsp, state.rax, state.rsi = 0x100 if selector & 4 else CODE + 0x100, 0x1_0800, 0, 0
        assert world.run(state, tables) == Trap.INT80
        assert (state.rax & 0xFFFF, state.regs().cs, state.regs().ss) == (selector, selector, 0x17)
        assert state.rsi == (0x800 if selector == 15 else 0x1_0800)
    state.load_segment("cs", USER_CS, GDT[6])
    state.load_segment("ss", USER_DS, GDT[5])
    state.rip, state.rsp = CODE, DATA + PAGE_SIZE
    assert world.run(state, tables) == Trap.INT80
    assert state.rax == USER32_CS


def test_a_shown_selector_loads_nothing(world: World) -> None:
    state, tables = world.space(code("65 8b 04 25 10 00 00 00 0f 05"))  # mov eax, gs:[16]; syscall
    state.gs_base = DATA
    world.poke(tables, DATA + 16, b"\x01\x02\x03\x04")
    for _ in range(2):  # while it is loaded, too
        state.set_selector("gs", 0x1234)
        state.rip = CODE
        assert (state.regs().gs, state.gs_base, state.cs) == (0x1234, DATA, USER_CS)
        assert world.run(state, tables) == Trap.SYSCALL
        assert world.cpu.syscall[0] == 0x0403_0201


def test_a_fork_has_the_table_and_changes_its_own(world: World) -> None:
    free = world.frames.free
    state, tables = world.space(load_gs(7))
    tables.set_ldt(ldt(DATA_HERE))
    twin = tables.fork()
    tables.set_ldt(ldt(0))
    other = state.copy()
    assert world.run(other, twin) == Trap.SYSCALL
    assert world.run(state, tables) == Trap.EXCEPTION
    third = twin.fork()
    twin.destroy()
    other.rip = CODE
    assert world.run(other, third) == Trap.SYSCALL
    third.set_ldt(ldt(*[0] * 8191, DATA_HERE))
    other.rip = CODE
    assert world.run(other, third) == Trap.EXCEPTION
    world.poke(third, CODE + 1, b"\xff\xff\0\0")
    world.cpu.code_changed((third.lookup(CODE) & PTE_FRAME) >> 12)
    other.rip = CODE
    assert world.run(other, third) == Trap.SYSCALL
    assert third.resident() == 3
    third.destroy()
    tables.destroy()
    assert world.frames.free == free


def test_threads_have_entries_of_their_own(world: World) -> None:
    first, tables = world.space(load_gs(0x63))
    second = first.copy()
    first.set_tls(ldt(DATA_HERE, 0, 0))
    second.set_tls(ldt(UserDesc(0, DATA + 0x1000, 0xFFF, BIG).descriptor(), 0, 0))
    for _ in range(3):
        for state, base in ((first, DATA), (second, DATA + 0x1000)):
            state.rip = CODE
            assert world.run(state, tables) == Trap.SYSCALL
            assert state.gs_base == base
    second.set_tls(ldt(0, DATA_HERE, DATA_HERE))  # while it is loaded
    second.rip = CODE
    assert world.run(second, tables) == Trap.EXCEPTION
    child = first.copy()
    child.rip = CODE
    assert world.run(child, tables) == Trap.SYSCALL
    child.reset(CODE, 0)
    assert world.run(child, tables) == Trap.EXCEPTION


def test_an_engine_of_its_own_has_them_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "_MANY_LOADS", 5)
    spaces = []
    for index in range(3):
        state, tables = world.space(load_gs(7))
        tables.set_ldt(ldt(UserDesc(0, DATA + 0x100 * index, 0xFFF, BIG).descriptor()))
        spaces.append((state, tables))
    for _ in range(20):
        for index, (state, tables) in enumerate(spaces):
            state.rip = CODE
            state.set_selector("gs", 0)
            assert world.run(state, tables) == Trap.SYSCALL
            assert (state.gs_base, state.regs().gs) == (DATA + 0x100 * index, 7)
    assert len({state.unit for state, _ in spaces}) == 3


SEGMENT_WORK = [code(text) for text in (
    "8e d8", "8e d0", "0f a1", "07", "17", "cb", "cf", "ea 00 00 00 00 07 00", "ff 2c 24", "9a 10 00 00 00 0f 00", "c4 04 24",
    "0f b2 04 24", "ce", "0f 02 c0", "0f 03 c0", "63 c0", "0f 34", "0f 05", "48 0f 07",
)]
"""Loads of all kinds, far jumps, calls and returns, into, lar, lsl, arpl, sysenter, syscall, sysret."""


@pytest.mark.skipif(not ACCELERATED, reason="extension not built")
@pytest.mark.parametrize("seed", range(4))
def test_random_code_of_all_sizes_does_the_same_in_both(seed: int) -> None:
    worlds = World(True), World(False)
    rng = random.Random(seed)
    table = ldt(CODE_HERE, CODE16_HERE, DATA_HERE, ABSENT)
    for number in range(150):
        program = rng.randbytes(rng.randrange(8)) + rng.choice(SEGMENT_WORK) + rng.randbytes(48)
        selector, descriptor = rng.choice([(USER_CS, GDT[6]), (USER32_CS, GDT[4]), (7, CODE_HERE), (15, CODE16_HERE)])
        stack = rng.choice([(USER_DS, GDT[5]), (0x17, DATA_HERE)])
        eax = rng.choice([0, 7, 15, 0x17, 0x1F, USER_DS, USER32_CS, USER_CS])
        seen = []
        for world in worlds:
            state, tables = world.space(program)
            tables.set_ldt(table)
            state.load_segment("cs", selector, descriptor)
            state.load_segment("ss", *stack)
            state.rip = 0 if selector & 4 else CODE
            state.rsp = 0x800 if stack[0] & 4 else DATA + 0x800
            state.set_regs(state.regs()._replace(rax=eax, rbx=DATA, rsi=0x10, rdi=DATA + 8))
            trap = world.run(state, tables, 100)
            seen.append((trap, world.cpu.blocks, world.cpu.vector if trap == Trap.EXCEPTION else 0, state.regs()))
            tables.destroy()
        assert seen[0] == seen[1], (number, program.hex())
    for world in worlds:
        world.engine.close()


def test_no_room_for_a_table(world: World) -> None:
    _, tables = world.space(b"\x90")
    tables.set_ldt(ldt(DATA_HERE))
    window = (tables.cr3 >> 3) + segments.ROOT_INDEX
    before = world.frames.entries[window]
    taken = []
    while world.frames.free > 3:
        taken.append(world.frames.allocate())
    with pytest.raises(OutOfFrames):
        tables.set_ldt(ldt(0))
    assert (world.frames.free, world.frames.entries[window]) == (3, before)
    world.frames.put(taken.pop())
    tables.set_ldt(ldt(0))
    assert world.frames.free == 4


def test_space_without_descriptor_tables() -> None:
    """The bare page tables of other tests have no window."""
    from emu.frames import FrameAllocator
    from emu.rows import PythonRows

    frames = FrameAllocator(16 * PAGE_SIZE)
    tables = Tables(frames, PythonRows(frames))
    assert not frames.entries[(tables.cr3 >> 3) + segments.ROOT_INDEX]
    tables.fork().destroy()
    tables.destroy()
    assert frames.free == frames.total


def test_an_engine_laid_out_differently_is_noticed(world: World) -> None:
    blank = bytearray(world.engine.blank)
    at = world.engine.segments_at
    assert segments.find(bytes(blank), USER_CS, USER_DS) == at
    assert segments.find(bytes(blank), USER_DS, USER_CS) is None
    blank[at - 8] ^= 1 << 5
    assert segments.find(bytes(blank), USER_CS, USER_DS) is None
