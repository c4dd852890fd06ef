"""The processor: traps, registers, switching, single steps, time, and slices counted in basic blocks."""

from __future__ import annotations

import os
import random
import signal
import struct
import threading
import time
from collections.abc import Iterator

import pytest
from emu_world import CODE, DATA, DATA_FLAGS, UNMAPPED, World, code

from emu import unicorn_abi
from emu.clock import BLOCK_NS, BOOT_MONOTONIC_NS
from emu.engine import ACCELERATED, Engine
from emu.unicorn_abi import MachineError
from kernel.hardware import PF_INSTR, PF_PRESENT, PF_USER, PF_WRITE, PTE_NX, PTE_P, PTE_U, Regs, Trap

CORES = [pytest.param(True, marks=pytest.mark.skipif(not ACCELERATED, reason="extension not built"), id="C"),
         pytest.param(False, id="Python")]

SYSCALL_LOOP = code("""
    b8 27 00 00 00          ; mov eax, 39
    0f 05                   ; 1: syscall
    eb fc                   ; jmp 1b
""")
COUNT_DOWN = code("""
    b9 e8 03 00 00          ; mov ecx, 1000
    ff c9                   ; 1: dec ecx
    75 fc                   ; jnz 1b
    0f 05                   ; syscall
""")
STORE_LOOP = code("""
    48 b8 00 00 00 70 00 00 00 00   ; mov rax, 0x70000000
    c6 00 01                        ; 1: mov byte [rax], 1
    48 05 00 10 00 00               ; add rax, 4096
    eb f5                           ; jmp 1b
""")


@pytest.fixture(params=CORES)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    made = World(request.param)
    yield made
    made.engine.close()


def test_syscalls_in_a_loop(world: World) -> None:
    state, tables = world.space(SYSCALL_LOOP)
    state.set_regs(state.regs()._replace(rdi=1, rsi=2, rdx=2**64 - 3, r10=4, r8=5, r9=6))
    for number in (39, *range(100, 150)):
        assert world.run(state, tables) == Trap.SYSCALL
        assert world.cpu.syscall == (number, 1, 2, 2**64 - 3, 4, 5, 6)
        assert state.rip == CODE + 7
        assert (state.rcx, state.r11) == (CODE + 7, 0x202)
        state.rax = number + 1 if number != 39 else 100


def test_page_faults_carry_address_and_error_code(world: World) -> None:
    readonly = DATA + 0x10000
    user = PF_USER
    for program, address, error in (
        (code("48 a1 00 00 00 70 00 00 00 00"), UNMAPPED, user),  # mov rax, [...]
        (code("48 a3 00 00 00 70 00 00 00 00"), UNMAPPED, user | PF_WRITE),
        (b"\x48\xa3" + readonly.to_bytes(8, "little"), readonly, user | PF_WRITE | PF_PRESENT),
        (code("b8 00 00 60 00 ff e0"), DATA, user | PF_INSTR | PF_PRESENT),  # jmp to a page with NX
        (code("b8 00 00 00 70 ff e0"), UNMAPPED, user | PF_INSTR),
        (code("31 c0 ff e0"), 0, user | PF_INSTR),  # call through a null pointer
        (code("48 c7 c0 00 f0 ff ff 8b 00"), 2**64 - 4096, user),  # a kernel address
    ):
        state, tables = world.space(program)
        tables.map(readonly, world.page(), PTE_P | PTE_U | PTE_NX)
        assert world.run(state, tables) == Trap.PAGE_FAULT
        assert (world.cpu.fault_address, world.cpu.error_code) == (address, error), program.hex()


def test_a_thousand_faults_in_a_row(world: World) -> None:
    state, tables = world.space(STORE_LOOP)
    for page in range(1000):
        assert world.run(state, tables) == Trap.PAGE_FAULT
        assert world.cpu.fault_address == UNMAPPED + page * 4096
        assert world.cpu.error_code == PF_USER | PF_WRITE
        assert state.rip == CODE + 10
        tables.map(world.cpu.fault_address, world.page(), DATA_FLAGS)
    assert tables.resident() == 1003
    assert world.peek(tables, UNMAPPED + 998 * 4096, 1) == b"\x01"


@pytest.mark.parametrize(("text", "vector", "offset"), [
    ("31 c9 f7 f1", 0, 2),  # div ecx
    ("cc 90", 3, 1),  # int3: RIP behind it
    ("cd 03 90", 3, 2),
    ("0f 0b", 6, 0),  # ud2
    ("c5 fc 28 c0", 6, 0),  # vmovaps ymm0, ymm0: no AVX
    ("0f 34", 6, 0),  # sysenter
    ("0f c7 f0", 6, 0),  # rdrand eax
    ("0f 01 d0", 6, 0),  # xgetbv: no OSXSAVE
    ("f4", 13, 0),  # hlt
    ("fa", 13, 0),  # cli
    ("0f 32", 13, 0),  # rdmsr
    ("0f 22 c0", 13, 0),  # mov cr0, rax
    ("cd 0e", 13, 0),  # int 14: a gate that is closed for programs, not a page fault
    ("cd 21", 13, 0),
    ("90 ec", 13, 1),  # in al, dx
    ("e7 80 a3 00 00 00 00 00 00 00 00", 13, 0),  # out 0x80, eax; what stands behind it does nothing
    ("48 b8 00 00 00 00 00 00 00 80 48 8b 00", 13, 10),  # non-canonical address
])
def test_exceptions(world: World, text: str, vector: int, offset: int) -> None:
    state, tables = world.space(code(text))
    for _ in range(3):  # the same again: nothing of the last one is left behind
        state.rip = CODE
        assert world.run(state, tables) == Trap.EXCEPTION
        assert (world.cpu.vector, state.rip - CODE) == (vector, offset)


def test_int80(world: World) -> None:
    state, tables = world.space(code("b8 14 00 00 00 cd 80"))
    assert world.run(state, tables) == Trap.INT80
    assert (state.rax, state.rip) == (20, CODE + 7)


def test_x87_exception(world: World) -> None:
    """An unmasked division by zero is reported by the next waiting x87 instruction (#MF)."""
    state, tables = world.space(code("""
        68 7b 03 00 00          ; push 0x37b (ZM clear)
        d9 2c 24                ; fldcw [rsp]
        d9 e8 d9 ee             ; fld1; fldz
        de f9                   ; fdivp
        9b                      ; fwait
    """))
    assert world.run(state, tables) == Trap.EXCEPTION
    assert world.cpu.vector == 16


def test_single_step_visits_every_instruction(world: World) -> None:
    state, tables = world.space(code("31 c0 ff c0 ff c0 50 58 0f 05"))
    world.cpu.step(state, True)
    visited = []
    while world.run(state, tables) == Trap.EXCEPTION:
        assert world.cpu.vector == 1
        visited.append(state.rip - CODE)
        assert state.eflags & 0x100
    assert visited == [2, 4, 6, 7, 8]
    assert state.rax == 2
    world.cpu.step(state, False)
    assert not state.eflags & 0x100


def test_time_stamp_counter_is_the_clock(world: World) -> None:
    state, tables = world.space(code("0f 31 eb 00 0f 31 eb 00 0f 01 f9 0f 05"))  # rdtsc; rdtsc; rdtscp; syscall
    assert world.run(state, tables) == Trap.SYSCALL
    stamp = state.rdx << 32 | state.rax & 0xFFFF_FFFF
    assert world.cpu.blocks == 6  # the third is counted once more behind it, for the syscall
    assert stamp == BOOT_MONOTONIC_NS + 5 * BLOCK_NS
    state, tables = world.space(code("0f 31 0f 31 0f 05"))
    assert [world.run(state, tables, 1), state.rip - CODE] == [Trap.BUDGET, 2]


def test_no_feature_is_promised_that_is_not_there(world: World) -> None:
    """CPUID of an x86-64-v2 part: SSE4.2, POPCNT, CX16; no XSAVE, AVX, FMA, RDRAND, F16C."""
    state, tables = world.space(code("0f a2 0f 05"))
    state.rax = 1
    assert world.run(state, tables) == Trap.SYSCALL
    content = state.regs()
    ecx, edx = world.cpu.syscall, content.rdx
    assert ecx[3] == edx
    features = cpuid(world, 1)[2]
    for bit in (0, 9, 13, 19, 20, 23):
        assert features >> bit & 1, bit
    for bit in (3, 12, 26, 27, 28, 29, 30):
        assert not features >> bit & 1, bit
    assert cpuid(world, 7)[1] == 0  # no AVX2, BMI, ERMS, FSGSBASE
    assert cpuid(world, 0x8000_0001)[3] >> 29 & 1  # long mode


def cpuid(world: World, leaf: int) -> tuple[int, int, int, int]:
    state, tables = world.space(code("0f a2 49 89 c8 0f 05"))  # cpuid; mov r8, rcx; syscall
    state.rax = leaf
    assert world.run(state, tables) == Trap.SYSCALL
    regs = state.regs()
    return regs.rax, regs.rbx, regs.r8, regs.rdx


def test_registers_loaded_and_not(world: World) -> None:
    state, tables = world.space(SYSCALL_LOOP)
    other, _ = world.space(SYSCALL_LOOP)
    values = Regs(*range(0x1_0000_0000, 0x1_0000_0000 + 27))._replace(rip=CODE, eflags=0xFFFF_FFFF)
    for _ in range(2):
        state.set_regs(values)
        state.fs_base, state.gs_base = 0x7FFF_1234_5000, 0x1234
        got = state.regs()
        assert got == values._replace(orig_rax=2**64 - 1, cs=0x33, ss=0x2B, ds=0, es=0, fs=0, gs=0,
                                      fs_base=0x7FFF_1234_5000, gs_base=0x1234, eflags=got.eflags)
        assert got.eflags == 0x0005_4DD5 | 0x202
        state.eflags = 0
        assert state.eflags == 0x202
        assert other.rax == 0
        assert world.run(state, tables) == Trap.SYSCALL  # now it is loaded
        assert state.regs().rbx == values.rbx
    state.reset(0x1000, 0x2000)
    assert state.regs() == Regs(*[0] * 27)._replace(orig_rax=2**64 - 1, rip=0x1000, rsp=0x2000, cs=0x33, ss=0x2B, eflags=0x202)


def test_two_threads_of_one_address_space_and_a_third_elsewhere(world: World) -> None:
    program = code("48 ff c3 66 0f d4 c1 d9 e8 de c1 0f 05 eb f1")  # inc rbx; paddq xmm0, xmm1; fld1; faddp; syscall; jmp
    first, tables = world.space(program)
    third, elsewhere = world.space(program)
    second = first.copy()
    for state, seed in ((first, 1), (second, 1000), (third, 10**6)):
        image = bytearray(state.fpregs())
        image[160:176] = struct.pack("<QQ", seed, seed)
        image[176:192] = struct.pack("<QQ", 1, 1)
        image[4] = 0x80  # one register in use: ST(0) is physical register 7
        image[2:4] = struct.pack("<H", 7 << 11)
        image[32:42] = struct.pack("<QH", 1 << 63, 0x3FFF)  # 1.0
        state.set_fpregs(bytes(image))
        state.set_regs(state.regs()._replace(rbx=seed))
    for turn in range(1, 20):
        for state, space, seed in ((first, tables, 1), (second, tables, 1000), (third, elsewhere, 10**6)):
            assert world.run(state, space) == Trap.SYSCALL
            assert state.regs().rbx == seed + turn
            image = bytearray(state.fpregs())
            assert struct.unpack("<QQ", image[160:176]) == (seed + turn, seed + turn)
    mantissa, exponent = struct.unpack("<QH", first.fpregs()[32:42])
    assert mantissa * 2.0 ** (exponent - 0x3FFF - 63) == 20.0


def test_a_copy_is_independent(world: World) -> None:
    parent, tables = world.space(SYSCALL_LOOP)
    world.run(parent, tables)
    child = parent.copy()
    child.rax = 0
    parent.rax = 77
    assert (child.rax, parent.rax, child.rip) == (0, 77, parent.rip)
    world.run(child, tables)
    assert (world.cpu.syscall[0], parent.rax) == (0, 77)


def test_fxsave_image(world: World) -> None:
    state, tables = world.space(code("0f 05"))
    fresh = state.fpregs()
    assert fresh[:2] == b"\x7f\x03"
    assert fresh[4] == 0
    assert fresh[24:32] == struct.pack("<II", 0x1F80, 0xFFFF)
    assert not any(fresh[32:])
    image = bytearray(512)
    struct.pack_into("<HHBxHQQII", image, 0, 0x0F7F, 0x3900, 0x81, 0x123, 0x1122334455667788, 0x8877665544332211, 0x5F80, 0xFFFF)
    for i in range(8):
        image[32 + 16 * i : 42 + 16 * i] = bytes(range(i, i + 10))
    for i in range(16):
        image[160 + 16 * i : 176 + 16 * i] = bytes([i + 1] * 16)
    state.set_fpregs(bytes(image))
    assert state.fpregs() == image
    assert world.run(state, tables) == Trap.SYSCALL
    assert state.fpregs() == image
    state.set_fpregs(fresh)
    assert state.fpregs() == fresh
    with pytest.raises(ValueError, match="512"):
        state.set_fpregs(b"short")


def test_fxsave_of_the_guest_agrees(world: World) -> None:
    state, tables = world.space(code("0f ae 04 25 00 00 60 00 0f 05"))  # fxsave [0x600000]
    image = bytearray(state.fpregs())
    image[0:2] = struct.pack("<H", 0x027F)
    image[24:28] = struct.pack("<I", 0x9FC0)
    image[160:176] = bytes(range(16))
    state.set_fpregs(bytes(image))
    assert world.run(state, tables) == Trap.SYSCALL
    seen = world.peek(tables, DATA, 512)
    assert seen[0:5] == image[0:5]
    assert seen[24:28] == image[24:28]
    assert seen[160:416] == image[160:416]


def test_rounding_and_precision_follow_the_loaded_control_words(world: World) -> None:
    """The words are not only stored: 1.5 is rounded as MXCSR says, 1/3 to as many bits as the x87 control word says."""
    program = code("""
        f2 0f 2d c0                     ; cvtsd2si eax, xmm0
        d9 e8                           ; fld1
        6a 03 da 34 24                  ; push 3; fidiv dword [rsp]
        db 3c 25 00 00 60 00            ; fstp tbyte [0x600000]
        0f 05                           ; syscall
    """)
    for mxcsr, rounded in ((0x1F80, 2), (0x3F80, 1), (0x5F80, 2), (0x7F80, 1)):
        for control, mantissa in (
            (0x037F, 0xAAAA_AAAA_AAAA_AAAB), (0x027F, 0xAAAA_AAAA_AAAA_A800), (0x007F, 0xAAAA_AB00_0000_0000),
        ):
            state, tables = world.space(program)
            image = bytearray(state.fpregs())
            image[0:2] = struct.pack("<H", control)
            image[24:28] = struct.pack("<I", mxcsr)
            image[160:168] = struct.pack("<d", 1.5)
            state.set_fpregs(bytes(image))
            assert world.run(state, tables) == Trap.SYSCALL
            assert state.rax == rounded
            assert struct.unpack("<QH", world.peek(tables, DATA, 10)) == (mantissa, 0x3FFD)


def test_thread_local_base(world: World) -> None:
    state, tables = world.space(code("64 48 8b 04 25 10 00 00 00 65 48 8b 1c 25 10 00 00 00 0f 05"))
    world.poke(tables, DATA + 0x10, struct.pack("<Q", 111))
    world.poke(tables, DATA + 0x1010, struct.pack("<Q", 222))
    state.fs_base, state.gs_base = DATA, DATA + 0x1000
    assert world.run(state, tables) == Trap.SYSCALL
    assert (state.rax, state.regs().rbx) == (111, 222)


@pytest.mark.parametrize("slice_", [1, 7, 1000])
def test_slices_are_exact(world: World, slice_: int) -> None:
    """1,000 iterations are 1,001 blocks whatever the slice, and each slice ends at the same instruction."""
    state, tables = world.space(COUNT_DOWN)
    total, stops = 0, []
    while (trap := world.run(state, tables, slice_)) == Trap.BUDGET:
        assert world.cpu.blocks == slice_
        total += slice_
        stops.append(state.rcx)
    assert trap == Trap.SYSCALL
    total += world.cpu.blocks
    assert total == 1001
    assert stops == [1000 - done for done in range(slice_, total, slice_)]


def test_a_string_instruction_can_be_preempted(world: World) -> None:
    """Every repetition is a block of its own; the registers show how far it got."""
    state, tables = world.space(code("f3 aa 0f 05"))  # rep stosb; syscall
    state.set_regs(state.regs()._replace(rdi=DATA, rcx=1000, rax=0x5A))
    slices = 0
    while world.run(state, tables, 64) == Trap.BUDGET:
        slices += 1
        assert state.rdi - DATA + state.rcx == 1000
        assert world.peek(tables, DATA, 1000).count(0x5A) == state.rdi - DATA
    assert slices >= 1000 // 64 - 1
    assert world.peek(tables, DATA, 1001) == b"\x5a" * 1000 + b"\0"


def test_address_zero_is_an_address(world: World) -> None:
    """A program that maps page 0 (vm.mmap_min_addr = 0) can execute there; without it a null call is a page fault."""
    state, tables = world.space(code("31 c0 ff e0"))
    assert world.run(state, tables) == Trap.PAGE_FAULT
    assert (state.rip, world.cpu.fault_address) == (0, 0)
    tables.map(0, world.page(code("0f 05")), PTE_P | PTE_U)
    assert world.run(state, tables) == Trap.SYSCALL
    assert state.rip == 2


@pytest.mark.skipif(not ACCELERATED, reason="needs the extension")
def test_an_instruction_that_makes_the_engine_abort_is_undefined() -> None:
    world = World(True)
    state, tables = world.space(code("f0 0f ba f2 0f"))  # lock btr edx, 15
    other, elsewhere = world.space(SYSCALL_LOOP)
    for _ in range(3):
        assert world.run(state, tables) == Trap.EXCEPTION
        assert (world.cpu.vector, state.rip) == (6, CODE)
        assert world.run(other, elsewhere) == Trap.SYSCALL


def test_garbage_is_contained(world: World) -> None:
    """Whatever bytes are executed, the answer is a trap, and the next program runs as if nothing had been."""
    rng = random.Random(2)
    other, elsewhere = world.space(SYSCALL_LOOP)
    for turn in range(300):
        state, tables = world.space(rng.choice((b"", b"\x0f", b"\x66\x0f", b"\xf3\x0f", b"\x48", b"\xc5")) + rng.randbytes(30))
        state.set_regs(state.regs()._replace(rax=DATA, rbx=CODE, rcx=rng.getrandbits(64), rdi=DATA + 8))
        for _ in range(4):
            world.run(state, tables, 20)
        other.rax = turn
        assert world.run(other, elsewhere) == Trap.SYSCALL
        assert other.regs().cs == 0x33
        tables.destroy()


@pytest.mark.skipif(not ACCELERATED, reason="extension not built")
def test_both_run_loops_make_the_same_schedule() -> None:
    """Three threads in turn, faults and calls in between: trap, place, blocks and registers agree step by step."""
    program = code("""
        be 20 00 00 00          ; 1: mov esi, 32
        bf 00 00 00 70          ; mov edi, 0x70000000
        48 ff 07                ; 2: inc qword [rdi]
        48 81 c7 00 08 00 00    ; add rdi, 2048
        40 f6 c6 03 74 02       ; test sil, 3; jz +2
        0f a2                   ; cpuid
        0f 31                   ; rdtsc
        ff ce 75 e8             ; dec esi; jnz 2b
        0f 05 eb da             ; syscall; jmp 1b
    """)
    logs = []
    for accelerated in (True, False):
        world = World(accelerated)
        log: list[tuple[object, ...]] = []
        threads = [world.space(program) for _ in range(2)]
        threads.append((threads[0][0].copy(), threads[0][1]))
        for turn in range(600):
            state, tables = threads[turn % 3]
            trap = world.run(state, tables, (1, 2, 7, 13, 100)[turn % 5])
            world.clock.now += world.cpu.blocks * BLOCK_NS
            log.append((trap, world.cpu.blocks, state.regs(), world.clock.monotonic()))
            if trap == Trap.PAGE_FAULT:
                tables.map(world.cpu.fault_address & ~0xFFF, world.page(), DATA_FLAGS)
        logs.append(log)
        world.engine.close()
    assert logs[0] == logs[1]
    assert {entry[0] for entry in logs[0]} == {Trap.BUDGET, Trap.PAGE_FAULT, Trap.SYSCALL}


def test_interrupt_before_a_run(world: World) -> None:
    state, tables = world.space(SYSCALL_LOOP)
    world.cpu.interrupt()
    assert world.run(state, tables) == Trap.INTERRUPTED
    assert world.cpu.blocks == 0
    assert world.run(state, tables) == Trap.SYSCALL


def test_a_signal_handler_ends_an_endless_loop(world: World) -> None:
    state, tables = world.space(code("eb fe"))
    previous = signal.signal(signal.SIGALRM, lambda *_: world.cpu.interrupt())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        started = time.monotonic()
        assert world.run(state, tables, 1 << 60) == Trap.INTERRUPTED
        assert time.monotonic() - started < 2
        assert world.cpu.blocks > 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def test_keyboard_interrupt_gets_through(world: World) -> None:
    state, tables = world.space(code("eb fe"))
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        world.run(state, tables, 1 << 60)
    timer.join()
    assert world.run(state, tables, 10) == Trap.BUDGET


def test_another_thread_ends_an_endless_loop(world: World) -> None:
    state, tables = world.space(code("eb fe"))
    timer = threading.Timer(0.05, world.cpu.interrupt)
    timer.start()
    assert world.run(state, tables, 1 << 60) == Trap.INTERRUPTED
    timer.join()


def test_a_machine_that_cannot_work_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MachineError, match="too few"):
        Engine(4096)
    monkeypatch.setattr(unicorn_abi, "REG_CS", unicorn_abi.REG_DS)
    with pytest.raises(MachineError, match="self-check: sysretq did not arrive at CPL 3"):
        Engine(1 << 20)


def test_an_engine_that_is_laid_out_differently_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Engine._save

    def without_error_code(engine: Engine) -> bytearray:
        saved = honest(engine)
        for at in range(0, len(saved) - 3, 4):
            if bytes(saved[at : at + 4]) in (b"\4\0\0\0", b"\6\0\0\0"):
                saved[at : at + 4] = bytes(4)
        return saved

    monkeypatch.setattr(Engine, "_save", without_error_code)
    with pytest.raises(MachineError, match="error_code not found in the saved context"):
        Engine(1 << 20)


def test_context_is_small(world: World) -> None:
    assert world.engine.context_size < 8192
