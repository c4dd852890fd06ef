"""Classic BPF: what ``check`` refuses, and the compiled function against a plain interpreter written for this test."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kernel import bpf
from kernel.bpf import Insn
from kernel.errno import Errno
from kernel.seccomp_filter import DATA, check_filter, compile_filter, constant_result

U32 = (1 << 32) - 1
EDGES = st.sampled_from([0, 1, 2, 31, 32, 39, 0x7FFFFFFF, 0x80000000, U32, 0xC000003E, 0x7FFF0000])
WORD = st.one_of(EDGES, st.integers(0, U32))


def interpret(program: list[Insn], data: bytes) -> int:
    """Run a program on the 64 bytes of ``struct seccomp_data``, an instruction at a time, as the manual of BPF describes it."""
    a = x = pc = 0
    memory = [0] * 16
    while True:
        code, jt, jf, k = program[pc]
        pc += 1
        size = {0x00: 4, 0x08: 2, 0x10: 1}.get(code & 0x18, 0)
        match code & 7:
            case 0 | 1:
                mode = code & 0xE0
                if mode == 0x00:
                    value = k
                elif mode == 0x20:
                    value = int.from_bytes(data[k : k + size], "little")
                elif mode == 0x60:
                    value = memory[k]
                else:
                    assert mode == 0x80
                    value = len(data)
                if code & 7:
                    x = value
                else:
                    a = value
            case 2:
                memory[k] = a
            case 3:
                memory[k] = x
            case 4:
                right = x if code & 8 else k
                operation = code >> 4
                if operation == 3 and right == 0:
                    return 0
                if operation == 8:
                    a = (1 << 32) - a if a else 0
                else:
                    shift = right % 32
                    a = [
                        lambda a, b, s: a + b,
                        lambda a, b, s: a - b,
                        lambda a, b, s: a * b,
                        lambda a, b, s: a // b,
                        lambda a, b, s: a | b,
                        lambda a, b, s: a & b,
                        lambda a, b, s: a << s,
                        lambda a, b, s: a >> s,
                        None,
                        None,
                        lambda a, b, s: a ^ b,
                    ][operation](a, right, shift) % (1 << 32)  # type: ignore[misc]
            case 5:
                right = x if code & 8 else k
                operation = code >> 4
                if operation == 0:
                    pc += k
                else:
                    taken = [None, a == right, a > right, a >= right, a & right != 0][operation]
                    pc += jt if taken else jf
            case 6:
                return a if code & 0x18 == 0x10 else k
            case 7:
                if code & 0xF8 == 0x80:
                    a = x
                else:
                    x = a


ALU = [bpf.ALU | op | source for op in range(0, 0xB0, 0x10) for source in (bpf.K, bpf.X) if op not in (bpf.NEG, bpf.MOD)]
JUMPS = [bpf.JMP | op | source for op in (bpf.JEQ, bpf.JGT, bpf.JGE, bpf.JSET) for source in (bpf.K, bpf.X)]
LOAD = bpf.LD | bpf.W | bpf.ABS
LOADS = [LOAD, LOAD, LOAD, bpf.LD | bpf.IMM, bpf.LDX | bpf.IMM, bpf.LD | bpf.W | bpf.LEN, bpf.LDX | bpf.W | bpf.LEN]
KINDS = ["alu", "alu", "jump", "jump", "jump", "load", "load", "mem", "misc", "ja", "ret"]


@st.composite
def programs(draw: st.DrawFn, longest: int = 40) -> list[Insn]:
    """Programs a kernel accepts: every word of memory is written first, then anything goes."""
    length = draw(st.integers(1, longest))
    program = [Insn(LOAD, 0, 0, 4 * draw(st.integers(0, 15)))]
    words = draw(st.integers(0, 3))
    program += [Insn(bpf.ST, 0, 0, word) for word in range(words)]
    for left in range(length, 0, -1):
        kind = draw(st.sampled_from(KINDS))
        k = draw(WORD)
        near = st.integers(0, min(left - 1, 255))
        if kind == "alu":
            code = draw(st.sampled_from([*ALU, bpf.ALU | bpf.NEG]))
            if code in (bpf.ALU | bpf.LSH, bpf.ALU | bpf.RSH):
                k %= 32
            program.append(Insn(code, 0, 0, k or 1))
        elif kind == "jump":
            program.append(Insn(draw(st.sampled_from(JUMPS)), draw(near), draw(near), k))
        elif kind == "load":
            code = draw(st.sampled_from(LOADS))
            program.append(Insn(code, 0, 0, 4 * (k % 16) if code == LOAD else k))
        elif kind == "mem" and words:
            code = draw(st.sampled_from([bpf.ST, bpf.STX, bpf.LD | bpf.MEM, bpf.LDX | bpf.MEM]))
            program.append(Insn(code, 0, 0, k % words))
        elif kind == "ja":
            program.append(Insn(bpf.JMP | bpf.JA, 0, 0, draw(st.integers(0, left - 1))))
        elif kind == "ret":
            program.append(Insn(draw(st.sampled_from([bpf.RET | bpf.K, bpf.RET_A])), 0, 0, k))
        else:
            program.append(Insn(draw(st.sampled_from([bpf.TAX, bpf.TXA])), 0, 0, 0))
    program.append(Insn(draw(st.sampled_from([bpf.RET | bpf.K, bpf.RET_A])), 0, 0, draw(WORD)))
    return program


def run(program: list[Insn], data: bytes) -> int:
    nr, arch, ip, *args = DATA.unpack(data)
    return compile_filter(program)(nr, arch, ip, (nr, *args))


@given(programs(), st.lists(WORD, min_size=16, max_size=16))
@settings(max_examples=600, deadline=None)
def test_compiled_against_interpreted(program: list[Insn], words: list[int]) -> None:
    check_filter(program)
    data = b"".join(word.to_bytes(4, "little") for word in words)
    expected = interpret(program, data)
    assert run(program, data) == expected
    known = constant_result(program, words[0], words[1])
    assert known is None or known == expected


def test_a_thousand_joins() -> None:
    """Every second instruction is reached in two ways, and the longest program that is allowed compiles."""
    load = Insn(LOAD, 0, 0, 0)
    skip = [Insn(bpf.JMP | bpf.JEQ, 0, 1, 7), Insn(bpf.ALU | bpf.ADD, 0, 0, 1)]
    program = [load, *skip * 2047, Insn(bpf.RET_A, 0, 0, 0)]
    assert len(program) == bpf.MAX_INSNS
    check_filter(program)
    for nr in (7, 8):
        data = nr.to_bytes(4, "little") + bytes(60)
        assert run(program, data) == interpret(program, data)


def test_deep_branches() -> None:
    """Both sides of a branch go on, 200 levels deep."""
    program = [Insn(LOAD, 0, 0, 16)]
    for level in range(200):
        program += [
            Insn(bpf.JMP | bpf.JSET, 0, 1, 1 << level % 32),
            Insn(bpf.ALU | bpf.ADD, 0, 0, 3),
            Insn(bpf.ALU | bpf.XOR, 0, 0, level),
        ]
    program.append(Insn(bpf.RET_A, 0, 0, 0))
    for value in (0, 1, U32, 0x5555AAAA):
        data = bytes(16) + value.to_bytes(4, "little") + bytes(44)
        assert run(program, data) == interpret(program, data)


RETURN = Insn(bpf.RET | bpf.K, 0, 0, 0)
REFUSED = {
    "empty": [],
    "too long": [RETURN] * 4097,
    "no return": [Insn(bpf.LD | bpf.IMM, 0, 0, 0)],
    "unknown code": [Insn(0xFFFF, 0, 0, 0), RETURN],
    "division by zero": [Insn(bpf.ALU | bpf.DIV, 0, 0, 0), RETURN],
    "shift by 32": [Insn(bpf.ALU | bpf.LSH, 0, 0, 32), RETURN],
    "memory word 16": [Insn(bpf.ST, 0, 0, 16), RETURN],
    "read before write": [Insn(bpf.LD | bpf.MEM, 0, 0, 0), RETURN],
    "read what only one way writes": [
        Insn(bpf.JMP | bpf.JEQ, 0, 1, 0), Insn(bpf.ST, 0, 0, 3), Insn(bpf.LD | bpf.MEM, 0, 0, 3), RETURN,
    ],
    "jump to the end": [Insn(bpf.JMP | bpf.JA, 0, 0, 1), RETURN],
    "jump far": [Insn(bpf.JMP | bpf.JA, 0, 0, U32), RETURN],
    "true out of range": [Insn(bpf.JMP | bpf.JEQ, 1, 0, 0), RETURN],
    "false out of range": [Insn(bpf.JMP | bpf.JEQ, 0, 200, 0), RETURN],
}  # fmt: skip
REFUSED_BY_SECCOMP = {
    "load beyond the data": [Insn(LOAD, 0, 0, 64), RETURN],
    "unaligned load": [Insn(LOAD, 0, 0, 2), RETURN],
    "half word": [Insn(bpf.LD | bpf.H | bpf.ABS, 0, 0, 0), RETURN],
    "indirect": [Insn(bpf.LD | bpf.W | bpf.IND, 0, 0, 0), RETURN],
    "header length": [Insn(bpf.LDX | bpf.B | bpf.MSH, 0, 0, 0), RETURN],
    "modulo": [Insn(bpf.ALU | bpf.MOD, 0, 0, 3), RETURN],
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_check(name: str) -> None:
    with pytest.raises(Errno.EINVAL):
        bpf.check(REFUSED[name])


@pytest.mark.parametrize("name", REFUSED_BY_SECCOMP)
def test_refused_by_seccomp(name: str) -> None:
    bpf.check(REFUSED_BY_SECCOMP[name])
    with pytest.raises(Errno.EINVAL):
        check_filter(REFUSED_BY_SECCOMP[name])


SMALL = st.integers(0, 3)


@given(st.lists(st.builds(Insn, st.sampled_from(sorted(bpf.CODES)), SMALL, SMALL, st.integers(0, 20)), max_size=12))
@example([RETURN])
@settings(max_examples=300, deadline=None)
def test_what_is_accepted_runs(program: list[Insn]) -> None:
    """No accepted program reads what it must not: the function runs and agrees with the interpreter."""
    try:
        check_filter(program)
    except Errno.EINVAL:
        return
    data = bytes(range(64))
    assert run(program, data) == interpret(program, data)


def test_constant_results() -> None:
    """What depends on number and architecture alone is known without a call; what looks at an argument is not."""
    program = [
        Insn(LOAD, 0, 0, 4), Insn(bpf.JMP | bpf.JEQ, 1, 0, 0xC000003E), Insn(bpf.RET | bpf.K, 0, 0, 0x80000000),
        Insn(LOAD, 0, 0, 0), Insn(bpf.JMP | bpf.JEQ, 0, 3, 39),
        Insn(LOAD, 0, 0, 16), Insn(bpf.JMP | bpf.JEQ, 0, 1, 5), Insn(bpf.RET | bpf.K, 0, 0, 0x50001),
        Insn(bpf.RET | bpf.K, 0, 0, 0x7FFF0000),
    ]  # fmt: skip
    check_filter(program)
    assert constant_result(program, 0, 0xC000003E) == 0x7FFF0000
    assert constant_result(program, 0, 0x40000003) == 0x80000000
    assert constant_result(program, 39, 0xC000003E) is None
