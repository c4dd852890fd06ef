"""Hardware breakpoints of the machine: what a watched run reports, and that the program does not notice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from emu_world import CODE, DATA, World, code

from emu.cpu import RegisterFile
from emu.engine import ACCELERATED
from emu.paging import Tables
from kernel.hardware import DR_STEP, WATCH_ACCESS, WATCH_EXECUTE, WATCH_WRITE, Trap, Watch, Watchpoint

RF = 0x10000
TF = 0x100


@pytest.fixture(params=[pytest.param(True, marks=pytest.mark.skipif(not ACCELERATED, reason="no C extension")), False],
                ids=["c", "python"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    world = World(request.param)
    yield world
    world.engine.close()


def run(world: World, thread: tuple[RegisterFile, Tables], *points: Watchpoint, branches: bool = False,
        budget: int = 100_000) -> tuple[Trap, int, int]:
    """Run watched; return the trap, the distance of RIP from CODE, and DR6 (0 unless it was a debug exception)."""
    state, tables = thread
    trap = Trap(world.cpu.run_watched(state, tables, budget, Watch(points, branches)))
    status = world.cpu.debug_status if trap == Trap.EXCEPTION and world.cpu.vector == 1 else 0
    assert not state.eflags & 0x3000
    return trap, state.rip - CODE, status


def write(address: int, length: int = 4, bit: int = 1) -> Watchpoint:
    return Watchpoint(bit, WATCH_WRITE, address, length)


SUM = """
    bb 00 00 60 00          ; 0: mov ebx, DATA
    8b 03                   ; 5: mov eax, [rbx]
    83 c0 05                ; 7: add eax, 5
    89 43 04                ; 10: mov [rbx+4], eax
    f0 ff 03                ; 13: lock inc dword [rbx]
    9c                      ; 16: pushfq
    5a                      ; 17: pop rdx
    0f 05                   ; 18: syscall
"""


def test_writes_and_accesses(world: World) -> None:
    thread = world.space(code(SUM))
    points = write(DATA + 4), Watchpoint(2, WATCH_ACCESS, DATA, 4)
    assert run(world, thread, *points) == (Trap.EXCEPTION, 7, 2)
    assert run(world, thread, *points) == (Trap.EXCEPTION, 13, 1)
    assert run(world, thread, *points) == (Trap.EXCEPTION, 16, 2)
    assert run(world, thread, *points) == (Trap.SYSCALL, 20, 0)
    assert (thread[0].rdx & 0x3100, thread[0].r11 & 0x3100) == (0, 0)
    assert world.cpu.blocks == 3


def test_what_is_not_watched(world: World) -> None:
    thread = world.space(code(SUM))
    points = write(DATA + 8, 8), write(DATA + 0x5000, 8, 2), Watchpoint(4, WATCH_EXECUTE, CODE + 6, 1)
    assert run(world, thread, *points) == (Trap.SYSCALL, 20, 0)


def test_instructions(world: World) -> None:
    thread = world.space(code(SUM))
    points = Watchpoint(4, WATCH_EXECUTE, CODE, 1), Watchpoint(8, WATCH_EXECUTE, CODE + 10, 1)
    assert run(world, thread, *points) == (Trap.EXCEPTION, 0, 4)
    assert world.cpu.blocks == 0
    assert run(world, thread, *points) == (Trap.EXCEPTION, 0, 4)
    thread[0].eflags |= RF
    assert run(world, thread, *points) == (Trap.EXCEPTION, 10, 8)
    assert world.cpu.blocks == 3
    thread[0].eflags |= RF
    assert run(world, thread, *points) == (Trap.SYSCALL, 20, 0)


def test_steps_and_hits_together(world: World) -> None:
    state, _ = thread = world.space(code(SUM))
    world.cpu.step(state, True)
    seen = [run(world, thread, write(DATA + 4)) for _ in range(8)]
    assert [where for _, where, _ in seen] == [5, 7, 10, 13, 16, 17, 18, 20]
    assert [status for _, _, status in seen] == [DR_STEP] * 3 + [DR_STEP | 1] + [DR_STEP] * 3 + [0]
    assert state.rdx & 0x3100 == TF


def test_a_program_that_sets_its_own_trap_flag(world: World) -> None:
    thread = world.space(code("68 02 01 00 00 9d 90 68 02 00 00 00 9d 90 0f 05"))  # push 0x102; popf; nop; push 2; popf; nop
    assert [run(world, thread, write(DATA)) for _ in range(4)] == [
        (Trap.EXCEPTION, 7, DR_STEP), (Trap.EXCEPTION, 12, DR_STEP), (Trap.EXCEPTION, 13, DR_STEP), (Trap.SYSCALL, 16, 0)]


def test_string_instructions_stop_after_an_iteration(world: World) -> None:
    state, _ = thread = world.space(code("b9 04 00 00 00 bf 00 00 60 00 f3 aa 0f 05"))
    assert run(world, thread, write(DATA + 1, 2)) == (Trap.EXCEPTION, 10, 1)
    assert (state.rcx, state.eflags & RF) == (2, RF)
    assert run(world, thread, write(DATA + 1, 2)) == (Trap.EXCEPTION, 10, 1)
    assert run(world, thread, write(DATA + 1, 2)) == (Trap.SYSCALL, 14, 0)


def test_an_instruction_that_faults_has_hit_nothing(world: World) -> None:
    # push [DATA + 0x1ff8] reads the watched word, then faults on the stack
    state, _ = thread = world.space(code("ff 34 25 f8 1f 60 00 0f 05"))
    state.rsp = 0x7000_0000
    assert run(world, thread, Watchpoint(1, WATCH_ACCESS, DATA + 0x1FF8, 8))[0] == Trap.PAGE_FAULT
    state.rsp = DATA + 0x1000
    assert run(world, thread, Watchpoint(1, WATCH_ACCESS, DATA + 0x1FF8, 8)) == (Trap.EXCEPTION, 7, 1)


def test_branch_steps(world: World) -> None:
    state, _ = thread = world.space(code("""
        31 c0                   ; 0: xor eax, eax
        75 02                   ; 2: jnz 6: not taken
        eb 01                   ; 4: jmp 7
        90 90                   ; 6: nop; nop
        0f 84 00 00 00 00       ; 8: jz 14: taken, to the next instruction, which nobody can tell
        ff d2                   ; 14: call rdx
        90                      ; 16: nop
        0f 05
    """))
    state.rdx = CODE + 16
    world.cpu.step(state, True)
    assert [run(world, thread, branches=True) for _ in range(3)] == [
        (Trap.EXCEPTION, 7, DR_STEP), (Trap.EXCEPTION, 16, DR_STEP), (Trap.SYSCALL, 19, 0)]


def test_plain_translations_stay_fast_and_watched_ones_watchful(world: World) -> None:
    """The same code runs plain, stepped and watched in turn: none uses what was translated for another."""
    state, tables = thread = world.space(code(SUM))
    for _ in range(3):
        state.rip = CODE
        assert world.run(state, tables) == Trap.SYSCALL
        assert world.cpu.blocks == 1
        state.rip = CODE
        world.cpu.step(state, True)
        assert world.run(state, tables) == Trap.EXCEPTION
        world.cpu.step(state, False)
        assert run(world, thread, write(DATA + 4)) == (Trap.EXCEPTION, 13, 1)
        assert run(world, thread, write(DATA + 4)) == (Trap.SYSCALL, 20, 0)


def test_budget_and_time_stamps(world: World) -> None:
    state, _ = thread = world.space(code("0f 31 90 f1 0f 31 eb f9"))  # rdtsc; nop; int1; rdtsc; jmp -7
    assert run(world, thread, write(DATA)) == (Trap.EXCEPTION, 4, 0)  # INT1: no bit
    assert (world.cpu.vector, world.cpu.debug_status) == (1, 0)
    state.rip = CODE + 4
    thread = world.space(code("0f 31 90 eb fb"))
    trap, _, _ = run(world, thread, write(DATA), budget=1000)
    assert (trap, world.cpu.blocks) == (Trap.BUDGET, 1000)
