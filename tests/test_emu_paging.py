"""Page tables and frames: copy-on-write by fork, shared tables, references, executable frames; and a model of it all."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from emu_world import CODE, DATA, DATA_FLAGS, UNMAPPED, World, code
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from emu import segments
from emu.engine import ACCELERATED
from emu.frames import FrameAllocator
from emu.paging import Tables
from emu.rows import PythonRows, Rows
from kernel.hardware import (
    PAGE_SIZE,
    PF_PRESENT,
    PF_USER,
    PF_WRITE,
    PTE_A,
    PTE_D,
    PTE_FRAME,
    PTE_NX,
    PTE_P,
    PTE_U,
    PTE_W,
    OutOfFrames,
    Trap,
)

CORES = [pytest.param(True, marks=pytest.mark.skipif(not ACCELERATED, reason="extension not built"), id="C"),
         pytest.param(False, id="Python")]

READ = code("8b 04 25 00 00 60 00 0f 05 eb f5")  # 1: mov eax, [0x600000]; syscall; jmp 1b
WRITE = code("89 1c 25 00 00 60 00 0f 05 eb f5")  # 1: mov [0x600000], ebx; syscall; jmp 1b


@pytest.fixture(params=CORES)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    made = World(request.param, 64 << 20)
    yield made
    made.engine.close()


def test_mapping_a_page_that_was_absent_needs_nothing_else(world: World) -> None:
    state, tables = world.space(READ, 0)
    assert world.run(state, tables) == Trap.PAGE_FAULT
    tables.map(DATA, world.page(b"\x07"), DATA_FLAGS)
    assert world.run(state, tables) == Trap.SYSCALL
    assert state.rax == 7


def test_replacing_removing_and_protecting_are_seen_at_once(world: World) -> None:
    state, tables = world.space(READ)
    world.run(state, tables)
    tables.map(DATA, world.page(b"\x09"), DATA_FLAGS)
    assert world.run(state, tables) == Trap.SYSCALL
    assert state.rax == 9
    tables.unmap(DATA, DATA + PAGE_SIZE)
    assert world.run(state, tables) == Trap.PAGE_FAULT
    tables.map(DATA, world.page(b"\x0a"), DATA_FLAGS)
    world.run(state, tables)
    tables.protect(DATA, DATA + PAGE_SIZE, True, False, readable=False)
    assert world.run(state, tables) == Trap.PAGE_FAULT
    assert world.cpu.error_code == PF_USER | PF_PRESENT
    tables.protect(DATA, DATA + PAGE_SIZE, True, False)
    assert world.run(state, tables) == Trap.SYSCALL
    assert state.rax == 10
    tables.protect(CODE, CODE + PAGE_SIZE, False, False)  # NX on the page it runs from
    assert world.run(state, tables) == Trap.PAGE_FAULT
    tables.protect(CODE, CODE + PAGE_SIZE, False, True)
    assert world.run(state, tables) == Trap.SYSCALL


def test_write_protection_and_its_end(world: World) -> None:
    state, tables = world.space(WRITE)
    world.run(state, tables)
    tables.protect(DATA, DATA + PAGE_SIZE, False, False)
    assert world.run(state, tables) == Trap.PAGE_FAULT
    assert world.cpu.error_code == PF_USER | PF_WRITE | PF_PRESENT
    tables.set_writable(DATA)
    assert world.run(state, tables) == Trap.SYSCALL


def test_walker_sets_accessed_and_dirty(world: World) -> None:
    state, tables = world.space(READ)
    assert not tables.lookup(DATA) & (PTE_A | PTE_D)
    world.run(state, tables)
    assert tables.lookup(DATA) & (PTE_A | PTE_D) == PTE_A
    tables.clear_accessed(DATA, DATA + PAGE_SIZE)
    assert not tables.lookup(DATA) & PTE_A
    world.run(state, tables)
    assert tables.lookup(DATA) & PTE_A
    state, tables = world.space(WRITE)
    world.run(state, tables)
    assert tables.lookup(DATA) & PTE_D


@pytest.mark.parametrize("writer", ["parent", "child"])
def test_fork_separates_the_two_at_the_first_write(world: World, writer: str) -> None:
    parent_state, parent = world.space(READ + WRITE)
    world.poke(parent, DATA, b"\x05")
    world.run(parent_state, parent)
    child = parent.fork()
    child_state = parent_state.copy()
    assert not parent.lookup(DATA) & PTE_W
    sides = {"parent": (parent_state, parent), "child": (child_state, child)}
    state, tables = sides.pop(writer)
    (other_state, other), = sides.values()
    state.rip = CODE + len(READ)
    state.set_regs(state.regs()._replace(rbx=0x77))
    assert world.run(state, tables) == Trap.PAGE_FAULT
    assert (world.cpu.fault_address, world.cpu.error_code) == (DATA, PF_USER | PF_WRITE | PF_PRESENT)
    world.break_cow(tables, DATA)
    assert world.run(state, tables) == Trap.SYSCALL
    assert world.run(other_state, other) == Trap.SYSCALL
    assert other_state.rax == 5
    # The other one is alone with its page now: no copy any more.
    frame = other.lookup(DATA) & PTE_FRAME
    other_state.rip = CODE + len(READ)
    other_state.set_regs(other_state.regs()._replace(rbx=0x88))
    assert world.run(other_state, other) == Trap.PAGE_FAULT
    world.break_cow(other, DATA)
    assert world.run(other_state, other) == Trap.SYSCALL
    assert other.lookup(DATA) & PTE_FRAME == frame
    assert (world.peek(tables, DATA, 1), world.peek(other, DATA, 1)) == (b"\x77", b"\x88")


def test_after_the_child_is_gone_one_fault_makes_everything_writable_again(world: World) -> None:
    state, parent = world.space(WRITE, 64)
    free = world.frames.free
    child = parent.fork()
    assert world.frames.free == free - 1  # only the root was copied
    child.destroy()
    assert world.frames.free == free
    assert world.run(state, parent) == Trap.PAGE_FAULT
    world.break_cow(parent, DATA)
    assert world.run(state, parent) == Trap.SYSCALL
    assert all(entry & PTE_W for _, entry in parent.present(DATA, DATA + 64 * PAGE_SIZE))
    assert world.frames.free == free


def test_fork_costs_the_same_whatever_is_resident(world: World) -> None:
    """32 MiB dirty: neither fork, nor the first write on both sides, nor exit look at the pages one by one."""
    used = []
    for pages in (16, 8192):
        _, tables = world.space(WRITE, 1)
        for index in range(pages):
            tables.map(UNMAPPED + index * PAGE_SIZE, world.frames.allocate(), DATA_FLAGS)
        before = world.frames.free
        child = tables.fork()
        world.break_cow(child, UNMAPPED)
        world.break_cow(tables, UNMAPPED)
        used.append(before - world.frames.free)
        child.destroy()
        tables.destroy()
    assert used[0] == used[1] == 5  # root, three tables, the page


def test_grandchildren_share_too(world: World) -> None:
    _, first = world.space(READ)
    world.poke(first, DATA, b"first")
    free = world.frames.free
    family = [first]
    for _ in range(3):
        family += [member.fork() for member in family]
    rng = random.Random(1)
    for turn in range(40):
        member = rng.choice(family)
        world.break_cow(member, DATA + PAGE_SIZE * (turn % 2))
        world.poke(member, DATA, b"%5d" % family.index(member)) if turn % 2 == 0 else None
    values = [world.peek(member, DATA, 5) for member in family]
    assert all(value in (b"first", b"%5d" % index) for index, value in enumerate(values))
    for member in family[1:]:
        member.destroy()
    assert world.frames.free >= free - 4
    first.destroy()
    assert world.frames.free == world.frames.total


def test_everything_comes_back_when_an_address_space_goes(world: World) -> None:
    for _ in range(3):
        free = world.frames.free
        _, tables = world.space(READ, 3000)
        child = tables.fork()
        child.unmap(DATA + 5 * PAGE_SIZE, DATA + 2000 * PAGE_SIZE)
        assert (tables.resident(), child.resident()) == (3001, 3001 - 1995)
        tables.destroy()
        child.destroy()
        assert world.frames.free == free


def test_moving_pages(world: World) -> None:
    _, tables = world.space(READ, 8)
    frames = [entry & PTE_FRAME for _, entry in tables.present(DATA, DATA + 8 * PAGE_SIZE)]
    for old, new in ((DATA, UNMAPPED), (UNMAPPED, UNMAPPED + PAGE_SIZE), (UNMAPPED + PAGE_SIZE, UNMAPPED)):
        tables.move(old, new, 8 * PAGE_SIZE)
        found = tables.present(new, new + 8 * PAGE_SIZE)
        assert [entry & PTE_FRAME for _, entry in found] == frames
        assert tables.resident() == 9
        assert not tables.lookup(DATA)


def test_memory_runs_out_without_a_trace() -> None:
    frames = FrameAllocator(64 * PAGE_SIZE)
    tables = Tables(frames, PythonRows(frames))
    count = 0
    while frames.free:
        frame = frames.allocate()
        try:
            tables.map(UNMAPPED + (count << 30), frame, DATA_FLAGS)
        except OutOfFrames:
            frames.put(frame)
            break
        count += 1
    assert count == tables.resident() == (63 - 2) // 3  # root and one table for all, then page, table, table
    tables.destroy()
    assert frames.free == frames.total == 63
    for _ in range(63):
        frames.allocate()
    with pytest.raises(OutOfFrames):
        frames.allocate()


def test_recycled_frames_are_zero() -> None:
    frames = FrameAllocator(16 * PAGE_SIZE)
    taken = [frames.allocate() for _ in range(15)]
    for frame in taken:
        frames.memory[frame << 12 : (frame + 1) << 12] = b"x" * PAGE_SIZE
        frames.get(frame)
        frames.put(frame)
        frames.put(frame)
    assert frames.allocate() == taken[-1]  # the most recently freed one, still warm in the cache
    assert not any(frames.memory[taken[-1] << 12 : (taken[-1] + 1) << 12])


def test_code_changed_by_the_kernel_is_translated_again(world: World) -> None:
    state, tables = world.space(code("b8 01 00 00 00 0f 05"))  # mov eax, 1; syscall
    for value in range(1, 6):
        state.rip = CODE
        assert world.run(state, tables) == Trap.SYSCALL
        assert state.rax == value
        world.poke(tables, CODE + 1, bytes([value + 1]))
        world.cpu.code_changed((tables.lookup(CODE) & PTE_FRAME) >> 12)
    world.cpu.code_changed((tables.lookup(DATA) & PTE_FRAME) >> 12)  # never executable: nothing to do


def test_code_changed_by_the_guest_is_translated_again(world: World) -> None:
    # mov byte [0x400100], bl; call 0x400100; syscall, and at 0x100: nop or ud2...; mov eax, imm; ret
    program = code("88 1c 25 01 01 40 00 e8 f4 00 00 00 0f 05").ljust(0x100, b"\xcc") + code("b8 00 00 00 00 c3")
    state, tables = world.space(program)
    tables.set_writable(CODE)
    for value in (1, 2, 3):
        state.rip = CODE
        state.set_regs(state.regs()._replace(rbx=value))
        assert world.run(state, tables) == Trap.SYSCALL
        assert state.rax == value


def test_a_recycled_code_frame_runs_its_new_code(world: World) -> None:
    """Programs come and go on the same frames at the same address: never is the predecessor's code executed."""
    seen = set()
    for value in range(400):
        state, tables = world.space(b"\xb8" + value.to_bytes(4, "little") + code("0f 05"), 1)
        frame = (tables.lookup(CODE) & PTE_FRAME) >> 12
        seen.add(frame)
        assert world.run(state, tables) == Trap.SYSCALL
        assert world.cpu.syscall[0] == value
        tables.destroy()
    assert len(seen) < 400  # frames were recycled indeed


def test_frames_made_executable_later_are_watched_too(world: World) -> None:
    state, tables = world.space(b"\x90")
    world.poke(tables, DATA, code("b8 01 00 00 00 0f 05"))
    frame = (tables.lookup(DATA) & PTE_FRAME) >> 12
    tables.protect(DATA, DATA + PAGE_SIZE, False, True)
    for value in (1, 2):
        state.rip = DATA
        assert world.run(state, tables) == Trap.SYSCALL
        assert state.rax == value
        world.poke(tables, DATA + 1, b"\x02")
        world.cpu.code_changed(frame)


@pytest.mark.skipif(not ACCELERATED, reason="extension not built")
def test_both_kinds_of_rows_do_the_same() -> None:
    from emu._engine import Rows as FastRows

    results = []
    for fast in (True, False):
        rng = random.Random(7)
        frames = FrameAllocator(4096 * PAGE_SIZE)
        rows: Rows
        rows = FastRows(frames.address, frames.counts_address, frames.code_address) if fast else PythonRows(frames)
        table, copy = frames.allocate(), frames.allocate()
        for index in rng.sample(range(512), 300):
            frame = frames.allocate()
            frames.code[frame] = rng.random() < 0.2
            frames.entries[(table << 9) + index] = frame << 12 | PTE_P | PTE_U | rng.choice((0, PTE_W, PTE_NX | PTE_W))
        log: list[object] = []
        rows.share(table, copy)
        log.append(rows.entries(table, 3, 500))
        log.append(rows.mask(copy, 10, 400, ~PTE_NX & (1 << 64) - 1, PTE_A))
        log.append(rows.entries(copy, 0, 512))
        log.append((rows.count(table), rows.count(copy)))
        log.append(rows.release(copy, 20, 450))
        log.append(rows.release(table, 0, 512))
        log.append((rows.count(table), rows.count(copy), frames.counts.tolist()))
        results.append(log)
    assert results[0] == results[1]


# Few addresses, chosen so that they share tables at every level, or none.
PAGES = [base + page * PAGE_SIZE for base in (0, 0x20_0000, 0x4000_0000, 0x7FFF_FFE0_0000) for page in (0, 1, 2, 511)]
BOUNDS = sorted({bound for page in PAGES for bound in (page, page + PAGE_SIZE)} | {0x10_0000, 0x8000_0000, 0x80_0000_0000})
SPACES = 4


class PagingModel(RuleBasedStateMachine):
    """Address spaces against dictionaries va -> [content, may be writable, nx].

    A write breaks copy-on-write as the kernel does.  Fork may leave pages without W, but never one with W that it must
    not have.
    """

    fast = False

    @initialize()
    def start(self) -> None:
        self.frames = FrameAllocator(4096 * PAGE_SIZE, 1 + segments.FRAMES)
        self.frames.segments = 1
        segments.build(self.frames)
        self.rows: Rows = PythonRows(self.frames)
        if self.fast:
            from emu._engine import Rows as FastRows

            self.rows = FastRows(self.frames.address, self.frames.counts_address, self.frames.code_address)
        self.spaces = [Tables(self.frames, self.rows)]
        self.models: list[dict[int, list[int]]] = [{}]
        self.ldts = [b""]
        self.serial = 0

    @rule(which=st.integers(0, SPACES - 1), va=st.sampled_from(PAGES), writable=st.booleans(), nx=st.booleans())
    def map(self, which: int, va: int, writable: bool, nx: bool) -> None:
        which %= len(self.spaces)
        self.serial += 1
        frame = self.frames.allocate()
        self.frames.memory[frame << 12 : (frame << 12) + 4] = self.serial.to_bytes(4, "little")
        self.spaces[which].map(va, frame, PTE_P | PTE_U | (PTE_W if writable else 0) | (PTE_NX if nx else 0))
        self.models[which][va] = [self.serial, writable, nx]

    @rule(which=st.integers(0, SPACES - 1), bounds=st.tuples(st.sampled_from(BOUNDS), st.sampled_from(BOUNDS)))
    def unmap(self, which: int, bounds: tuple[int, int]) -> None:
        which %= len(self.spaces)
        start, end = sorted(bounds)
        self.spaces[which].unmap(start, end)
        self.models[which] = {va: page for va, page in self.models[which].items() if not start <= va < end}

    @rule(which=st.integers(0, SPACES - 1), bounds=st.tuples(st.sampled_from(BOUNDS), st.sampled_from(BOUNDS)),
          writable=st.booleans(), executable=st.booleans())
    def protect(self, which: int, bounds: tuple[int, int], writable: bool, executable: bool) -> None:
        which %= len(self.spaces)
        start, end = sorted(bounds)
        self.spaces[which].protect(start, end, writable, executable)
        for va, page in self.models[which].items():
            if start <= va < end:
                page[1] &= writable
                page[2] = not executable

    @rule(which=st.integers(0, SPACES - 1), va=st.sampled_from(PAGES))
    def write(self, which: int, va: int) -> None:
        which %= len(self.spaces)
        model = self.models[which].get(va)
        entry = self.spaces[which].unshare(va)
        assert bool(entry) == (model is not None)
        if model is None:
            return
        frame = (entry & PTE_FRAME) >> 12
        if self.frames.count(frame) > 1:
            copy = self.frames.allocate()
            self.frames.memory[copy << 12 : (copy + 1) << 12] = self.frames.memory[frame << 12 : (frame + 1) << 12]
            self.spaces[which].map(va, copy, entry & ~PTE_FRAME | PTE_W)
            frame = copy
        else:
            self.spaces[which].set_writable(va)
        self.serial += 1
        self.frames.memory[frame << 12 : (frame << 12) + 4] = self.serial.to_bytes(4, "little")
        model[0], model[1] = self.serial, True

    @rule(which=st.integers(0, SPACES - 1), old=st.sampled_from(PAGES), new=st.sampled_from(PAGES),
          length=st.sampled_from([1, 2, 3, 512, 0x20_0000 // PAGE_SIZE + 1]))
    def move(self, which: int, old: int, new: int, length: int) -> None:
        which %= len(self.spaces)
        size = length * PAGE_SIZE
        if abs(old - new) < size or max(old, new) + size > 1 << 47:
            return  # mremap refuses overlapping ranges
        moved = {va - old + new: page for va, page in self.models[which].items() if old <= va < old + size}
        self.spaces[which].unmap(new, new + size)
        self.spaces[which].move(old, new, size)
        rest = {va: page for va, page in self.models[which].items()
                if not old <= va < old + size and not new <= va < new + size}
        self.models[which] = {**rest, **moved}

    @rule(which=st.integers(0, SPACES - 1))
    def fork(self, which: int) -> None:
        which %= len(self.spaces)
        if len(self.spaces) < SPACES:
            self.spaces.append(self.spaces[which].fork())
            self.models.append({va: list(page) for va, page in self.models[which].items()})
            self.ldts.append(self.ldts[which])

    @rule(which=st.integers(0, SPACES - 1))
    def destroy(self, which: int) -> None:
        if len(self.spaces) > 1:
            which %= len(self.spaces)
            self.spaces.pop(which).destroy()
            self.models.pop(which)
            self.ldts.pop(which)

    @rule(which=st.integers(0, SPACES - 1), size=st.sampled_from([1, 2, 512, 513, 8192]))
    def set_ldt(self, which: int, size: int) -> None:
        which %= len(self.spaces)
        self.serial += 1
        self.ldts[which] = self.serial.to_bytes(8, "little") * size
        self.spaces[which].set_ldt(self.ldts[which])

    @invariant()
    def has_its_descriptors(self) -> None:
        for space, ldt in zip(self.spaces, self.ldts, strict=True):
            window = space.present(segments.GDT_BASE, segments.LDT_BASE + segments.LDT_PAGES * PAGE_SIZE)
            gdt, *pages = [(entry & PTE_FRAME) >> 12 for _, entry in window]
            assert gdt == 1
            content = b"".join(bytes(self.frames.memory[frame << 12 : (frame + 1) << 12]) for frame in pages)
            assert content == ldt.ljust(segments.LDT_PAGES * PAGE_SIZE, b"\0")

    @invariant()
    def agrees(self) -> None:
        users: dict[int, set[int]] = {}
        for space, model in zip(self.spaces, self.models, strict=True):
            assert space.resident() == len(model)
            found = space.present(0, 1 << 47)
            assert [va for va, _ in found] == sorted(model)
            for va, entry in found:
                content, writable, nx = model[va]
                assert space.lookup(va) == entry
                start = entry & PTE_FRAME
                assert int.from_bytes(self.frames.memory[start : start + 4], "little") == content
                assert bool(entry & PTE_NX) == bool(nx)
                if entry & PTE_W:  # then it is allowed, and nobody else has the page, not even through a shared table
                    assert writable
                    assert self.frames.count(start >> 12) == 1
                    users.setdefault(start, set()).add(id(space))
        for space in self.spaces:
            for _, entry in space.present(0, 1 << 47):
                assert users.get(entry & PTE_FRAME, {id(space)}) == {id(space)}

    def teardown(self) -> None:
        for space in self.spaces:
            space.destroy()
        assert self.frames.free == self.frames.total
        assert self.frames.counts[1:1 + segments.FRAMES].tolist() == [1] * segments.FRAMES


class FastPagingModel(PagingModel):
    fast = True


PagingModel.TestCase.settings = FastPagingModel.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
TestPaging = PagingModel.TestCase
if ACCELERATED:
    TestFastPaging = FastPagingModel.TestCase
