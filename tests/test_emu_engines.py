"""Several engines: address spaces that alternate keep their translations, and nothing else can be noticed of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from emu_world import CODE, DATA, World, code

from emu import cpu
from emu.cpu import RegisterFile
from emu.engine import ACCELERATED
from emu.paging import Tables
from kernel.hardware import PAGE_SIZE, PTE_FRAME, PTE_NX, PTE_P, PTE_U, PTE_W, Trap

CORES = [pytest.param(True, marks=pytest.mark.skipif(not ACCELERATED, reason="extension not built"), id="C"),
         pytest.param(False, id="Python")]

COUNTER = code("""
    ff 05 fa ff 1f 00       ; 1: inc dword [rip + 0x1ffffa] (DATA)
    0f 05                   ; syscall
    eb f6                   ; jmp 1b
""")
"""Counts its rounds at DATA and makes a system call in each."""
ANSWER = code("""
    b8 2a 00 00 00          ; 1: mov eax, 42
    0f 05                   ; syscall
    eb f7                   ; jmp 1b
""")

Task = tuple[RegisterFile, Tables]


@pytest.fixture(params=CORES)
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(cpu, "_MANY_LOADS", 5)
    monkeypatch.setattr(cpu, "_LONG", 20)
    made = World(request.param)
    yield made
    made.cpu.close()


def alternate(world: World, *tasks: Task, rounds: int = 10) -> None:
    for _ in range(rounds):
        for state, tables in tasks:
            assert world.run(state, tables) == Trap.SYSCALL


def engines(*tasks: Task) -> list[object]:
    return [state.unit for state, _ in tasks]


def rounds(world: World, task: Task) -> int:
    return int.from_bytes(world.peek(task[1], DATA, 4), "little")


def test_tasks_that_alternate_get_engines_of_their_own(world: World) -> None:
    tasks = [world.space(COUNTER) for _ in range(3)]
    alternate(world, *tasks, rounds=4)
    assert engines(*tasks) == [None, None, world.cpu.common]
    alternate(world, *tasks, rounds=6)
    assert len(set(engines(*tasks))) == 3
    for index, task in enumerate(tasks):
        task[0].rax = 1000 + index
    alternate(world, *tasks)
    assert [rounds(world, task) for task in tasks] == [20, 20, 20]
    assert [task[0].rax for task in tasks] == [1000, 1001, 1002]


def test_one_task_stays_where_code_is_shared(world: World) -> None:
    task = world.space(COUNTER)
    alternate(world, task, rounds=50)
    assert engines(task) == [world.cpu.common]


def test_there_is_an_end_to_engines_and_idle_ones_change_hands(world: World) -> None:
    tasks = [world.space(COUNTER) for _ in range(6)]
    alternate(world, *tasks, rounds=12)
    owners = {unit for unit in engines(*tasks) if unit is not None}
    assert len(owners) == 4
    late = [world.space(COUNTER) for _ in range(2)]
    alternate(world, *late, rounds=30)
    assert len(set(engines(*late))) == 2
    alternate(world, *tasks, *late)
    assert [rounds(world, task) for task in (*tasks, *late)] == [22] * 6 + [40] * 2


def test_the_engine_of_a_dead_address_space_is_free(world: World) -> None:
    first, second = world.space(COUNTER), world.space(COUNTER)
    alternate(world, first, second)
    own = next(task for task in (first, second) if task[0].unit is not world.cpu.common)
    engine = own[0].unit
    own[1].destroy()
    other = second if own is first else first
    third = world.space(COUNTER)
    alternate(world, other, third, rounds=20)
    assert engine in engines(other, third)


def test_a_change_of_page_tables_is_seen_whoever_runs(world: World) -> None:
    first, second = world.space(COUNTER), world.space(COUNTER)
    alternate(world, first, second)
    for state, tables in (first, second):
        tables.unmap(DATA, DATA + PAGE_SIZE)
        assert world.run(*(second if state is first[0] else first)) in (Trap.SYSCALL, Trap.PAGE_FAULT)
        assert world.run(state, tables) == Trap.PAGE_FAULT
        assert world.cpu.fault_address == DATA


def test_code_the_kernel_writes_is_new_in_every_engine(world: World) -> None:
    first, second = world.space(ANSWER), world.space(COUNTER)
    frame = (first[1].lookup(CODE) & PTE_FRAME) >> 12
    world.frames.get(frame)
    second[1].map(CODE, frame, PTE_P | PTE_U)  # both run the same frame
    second[0].rip = CODE
    alternate(world, first, second)
    assert len(set(engines(first, second))) == 2
    world.poke(first[1], CODE + 1, b"\x07")
    world.frames.code_changed(frame)
    for state, tables in (first, second):
        assert world.run(state, tables) == Trap.SYSCALL
        assert world.cpu.syscall[0] == 7


def test_threads_and_exec_move_between_engines(world: World) -> None:
    first, second = world.space(COUNTER), world.space(COUNTER)
    alternate(world, first, second)
    thread = first[0].copy()
    assert thread.rip == first[0].rip
    alternate(world, (thread, first[1]), first, second, rounds=3)
    assert rounds(world, first) == 16
    # A state that is loaded in one engine goes on in an address space of another.
    _, target = world.space(ANSWER)
    first[0].rip = CODE
    assert world.run(first[0], target) == Trap.SYSCALL
    assert world.cpu.syscall[0] == 42
    alternate(world, (thread, first[1]), second, rounds=3)
    first[0].reset(CODE, DATA)
    assert world.run(first[0], target) == Trap.SYSCALL
    assert (world.cpu.syscall[0], first[0].rsp) == (42, DATA)


WRITER = code("""
    c6 05 fa ff 1f 00 09    ; 1: mov byte [rip + 0x1ffffa], 9 (DATA + 1)
    0f 05                   ; syscall
    eb f5                   ; jmp 1b
""")


@pytest.mark.parametrize("shared_before", [False, True])
def test_a_program_that_writes_anothers_code_brings_all_into_one_engine(world: World, shared_before: bool) -> None:
    """An engine sees only its own stores."""
    reader, writer = world.space(ANSWER), world.space(WRITER)
    frame = (reader[1].lookup(CODE) & PTE_FRAME) >> 12
    if shared_before:  # it can be written before anybody executes it
        frame = world.page(ANSWER)
        world.frames.get(frame)
        writer[1].map(DATA, frame, PTE_P | PTE_U | PTE_W | PTE_NX)
        reader[1].map(CODE, frame, PTE_P | PTE_U)
    alternate(world, reader, world.space(COUNTER), rounds=20)
    if not shared_before:
        world.frames.get(frame)
        writer[1].map(DATA, frame, PTE_P | PTE_U | PTE_W | PTE_NX)
    alternate(world, reader, writer, rounds=20)
    assert {unit for unit in engines(reader, writer) if unit} == {world.cpu.common}
    assert world.run(*reader) == Trap.SYSCALL
    assert world.cpu.syscall[0] == 9


def test_a_program_that_writes_code_it_ran_brings_all_into_one_engine(world: World) -> None:
    compiler, other = world.space(ANSWER), world.space(COUNTER)
    alternate(world, compiler, other)
    assert len(set(engines(compiler, other))) == 2
    tables = compiler[1]
    tables.protect(DATA, DATA + PAGE_SIZE, writable=False, executable=True)
    compiler[0].rax = 5
    tables.protect(DATA, DATA + PAGE_SIZE, writable=False, executable=False)
    tables.set_writable(DATA)
    assert compiler[0].rax == 5
    alternate(world, compiler, other)
    assert {unit for unit in engines(compiler, other) if unit} == {world.cpu.common}
