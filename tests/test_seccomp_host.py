"""Random filters, here and on the host: the same programs are refused, and the others answer the same."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from kernel import bpf
from kernel.bpf import Insn
from kernel.errno import Errno
from kernel.ia32 import AUDIT_ARCH_X86_64
from kernel.seccomp_filter import (
    RET_ACTION_FULL,
    RET_ALLOW,
    RET_DATA,
    RET_ERRNO,
    RET_LOG,
    RET_TRACE,
    RET_USER_NOTIF,
    check_filter,
    compile_filter,
)

SOURCE = Path(__file__).with_name("oracle") / "seccomp_host.c"
GETSID = 124
LOAD = bpf.LD | bpf.W | bpf.ABS
WORDS = [0, 4, *range(16, 64, 4)]
"""What is loaded: not the instruction pointer."""
ALU = [bpf.ALU | op | source for op in range(0, 0xB0, 0x10) for source in (bpf.K, bpf.X) if op not in (bpf.NEG, bpf.MOD)]
JUMPS = [bpf.JMP | op | source for op in (bpf.JEQ, bpf.JGT, bpf.JGE, bpf.JSET) for source in (bpf.K, bpf.X)]
EDGES = [0, 1, 2, 31, 32, 33, 255, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, GETSID, AUDIT_ARCH_X86_64]
ENDING = [Insn(bpf.ALU | bpf.AND, 0, 0, 0xFFF), Insn(bpf.ALU | bpf.OR, 0, 0, RET_ERRNO), Insn(bpf.RET_A, 0, 0, 0)]

MADE = "made, or answered by somebody else"

Case = tuple[list[Insn], tuple[int, ...]]


def word(rng: random.Random) -> int:
    return rng.choice(EDGES) if rng.random() < 0.6 else rng.getrandbits(32)


def good(rng: random.Random) -> list[Insn]:
    """A program that is accepted and answers with an error number made of its accumulator."""
    program = [Insn(LOAD, 0, 0, rng.choice(WORDS)), Insn(bpf.ST, 0, 0, 3), Insn(bpf.ST, 0, 0, 9)]
    for left in range(rng.randrange(30), 0, -1):
        kind = rng.randrange(8)
        near = min(left - 1, 20)
        if kind <= 2:
            code = rng.choice([*ALU, bpf.ALU | bpf.NEG])
            k = word(rng)
            program.append(Insn(code, 0, 0, k % 32 if code in (bpf.ALU | bpf.LSH, bpf.ALU | bpf.RSH) else k or 1))
        elif kind <= 4:
            program.append(Insn(rng.choice(JUMPS), rng.randint(0, near), rng.randint(0, near), word(rng)))
        elif kind == 5:
            program.append(Insn(LOAD, 0, 0, rng.choice(WORDS)))
        elif kind == 6:
            code = rng.choice([bpf.ST, bpf.STX, bpf.LD | bpf.MEM, bpf.LDX | bpf.MEM])
            program.append(Insn(code, 0, 0, rng.choice([3, 9])))
        else:
            code = rng.choice([bpf.TAX, bpf.TXA, bpf.LDX | bpf.IMM, bpf.LD | bpf.W | bpf.LEN, bpf.LDX | bpf.W | bpf.LEN])
            program.append(Insn(code, 0, 0, word(rng)))
    return program + ENDING


def doubtful(rng: random.Random) -> list[Insn]:
    """A short program of any codes, or a good one with one instruction spoilt."""
    if rng.random() < 0.5:
        codes = sorted(bpf.CODES)
        body = [Insn(rng.choice(codes), rng.randrange(4), rng.randrange(4), rng.choice([0, 1, 3, 16, 64])) for _ in range(4)]
        return body + ENDING
    program = good(rng)
    at = rng.randrange(len(program))
    old = program[at]
    program[at] = rng.choice(
        [
            old._replace(code=rng.randrange(0x100)),
            old._replace(jt=rng.randrange(256)),
            old._replace(jf=rng.randrange(256)),
            old._replace(k=word(rng)),
        ]
    )
    return program


def here(case: Case) -> str:
    program, args = case
    try:
        check_filter(program)
    except Errno as error:
        return f"refused {error.number}"
    result = compile_filter(program)(GETSID, AUDIT_ARCH_X86_64, 0, (GETSID, *args))
    action = result & RET_ACTION_FULL
    if action == RET_ERRNO:
        return str(min(result & RET_DATA, 4095))
    return MADE if action in (RET_USER_NOTIF, RET_TRACE, RET_LOG, RET_ALLOW) else "killed"


def on_the_host(cases: list[Case], scratch: Path) -> list[str]:
    gcc = shutil.which("gcc")
    if gcc is None or sys.platform != "linux":
        pytest.skip("needs gcc on Linux")
    oracle = scratch / "seccomp_host"
    subprocess.run([gcc, "-O1", "-w", "-o", str(oracle), str(SOURCE)], check=True)
    data = b"".join(struct.pack("<H6Q", len(program), *args) + bpf.pack(program) for program, args in cases)
    done = subprocess.run([str(oracle)], input=data, capture_output=True, check=True, timeout=300)
    return done.stdout.decode().splitlines()


def test_random_filters_as_on_the_host(tmp_path: Path) -> None:
    rng = random.Random(20)
    cases: list[Case] = []
    for number in range(900):
        args = tuple(word(rng) << 32 | word(rng) for _ in range(6))
        cases.append((good(rng) if number % 3 else doubtful(rng), args))
    theirs = on_the_host(cases, tmp_path)
    ours = [here(case) for case in cases]
    differing = [
        (case, wanted, got) for case, wanted, got in zip(cases, theirs, ours, strict=True) if got not in (wanted, MADE)
    ]
    assert not differing
    assert sum(text.startswith("refused") for text in ours) > 50
    assert sum(text.isdigit() for text in ours) > 400
    assert "killed" in ours
