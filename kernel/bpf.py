"""Classic BPF: a machine with an accumulator, an index register and 16 words of memory (net/core/filter.c, bpf(4)).

A program can only jump forward, so it always ends, and ``check`` proves before its first run that it cannot do harm: no
jump leaves it, no word of memory is read before it is written, it ends in a return.  What the loads mean is up to who runs
it: ``compile_program`` is given, for each offset that may be loaded, the Python expression of its 32-bit word.

A checked program becomes one Python function.  A branch whose one side ends in returns is an ``if`` without ``else``; what
several branches lead to is a *segment*, guarded by ``if at == N``, and because jumps go forward the segments in ascending
order need no loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from heapq import heappop, heappush
from struct import Struct
from typing import Final, NamedTuple

from kernel.errno import Errno

MAX_INSNS: Final = 4096
"""BPF_MAXINSNS."""
MEMWORDS: Final = 16
INSN_SIZE: Final = 8

# Classes, the three low bits of a code (linux/bpf_common.h).
LD, LDX, ST, STX, ALU, JMP, RET, MISC = range(8)
W, H, B = 0x00, 0x08, 0x10
IMM, ABS, IND, MEM, LEN, MSH = 0x00, 0x20, 0x40, 0x60, 0x80, 0xA0
K, X = 0x00, 0x08
ADD, SUB, MUL, DIV, OR, AND, LSH, RSH, NEG, MOD, XOR = range(0x00, 0xB0, 0x10)
JA, JEQ, JGT, JGE, JSET = range(0x00, 0x50, 0x10)
RET_A: Final = RET | 0x10
TAX, TXA = MISC | 0x00, MISC | 0x80

_INSN: Final = Struct("<HBBI")
_ALL_WORDS: Final = (1 << MEMWORDS) - 1

_JUMPS: Final = frozenset(JMP | op | source for op in (JEQ, JGT, JGE, JSET) for source in (K, X))
_ARITHMETIC: Final = (ADD, SUB, MUL, DIV, OR, AND, LSH, RSH, MOD, XOR)
CODES: Final = frozenset(
    {
        *(ALU | op | source for op in _ARITHMETIC for source in (K, X)),
        *(LD | size | mode for size in (W, H, B) for mode in (ABS, IND)),
        *(ALU | NEG, LD | W | LEN, LD | IMM, LD | MEM, LDX | W | LEN, LDX | B | MSH, LDX | IMM, LDX | MEM, ST, STX),
        *(TAX, TXA, RET | K, RET_A, JMP | JA),
        *_JUMPS,
    }
)
"""What a program may consist of (chk_code_allowed)."""


class Insn(NamedTuple):
    """``struct sock_filter``: operation, distance of the jump if true and if false, operand."""

    code: int
    jt: int
    jf: int
    k: int


def unpack(data: bytes) -> tuple[Insn, ...]:
    """Return the instructions of an array of ``struct sock_filter``, 8 bytes each."""
    return tuple(Insn._make(fields) for fields in _INSN.iter_unpack(data))


def pack(program: Sequence[Insn]) -> bytes:
    """Return the array of ``struct sock_filter``."""
    return b"".join(_INSN.pack(*insn) for insn in program)


# -- checking ---------------------------------------------------------------------------------------------------------
def check(program: Sequence[Insn]) -> None:
    """Raise EINVAL unless every instruction exists, every operand and jump is in range, no memory is read before it is
    written, and the last instruction returns (bpf_check_classic, check_load_and_stores)."""
    length = len(program)
    if not 0 < length <= MAX_INSNS or program[-1].code not in (RET | K, RET_A):
        raise Errno.EINVAL
    written = 0
    at_target: dict[int, int] = {}
    for pc, insn in enumerate(program):
        code, k = insn.code, insn.k
        if code not in CODES or not _operand_fits(code, k, length - pc - 1):
            raise Errno.EINVAL
        written &= at_target.pop(pc, _ALL_WORDS)
        if code in (ST, STX):
            written |= 1 << k
        elif code in (LD | MEM, LDX | MEM):
            if not written >> k & 1:
                raise Errno.EINVAL
        elif targets := _targets(pc, insn):
            for target in targets:
                if target >= length:
                    raise Errno.EINVAL
                at_target[target] = at_target.get(target, _ALL_WORDS) & written
            written = _ALL_WORDS  # what follows is reached by jumps alone


def _targets(pc: int, insn: Insn) -> tuple[int, ...]:
    """Return where a jump goes, if true and if false; () for what is no jump."""
    if insn.code in _JUMPS:
        return pc + insn.jt + 1, pc + insn.jf + 1
    return (pc + insn.k + 1,) if insn.code == JMP | JA else ()


def _operand_fits(code: int, k: int, left: int) -> bool:
    """``left``: how many instructions follow."""
    if code in (ALU | DIV | K, ALU | MOD | K):
        return k != 0
    if code in (ALU | LSH | K, ALU | RSH | K):
        return k < 32
    if code in (ST, STX, LD | MEM, LDX | MEM):
        return k < MEMWORDS
    return code != JMP | JA or k < left


def converted_length(program: Sequence[Insn]) -> int:
    """Return how many instructions Linux translates the program to, by which it counts (bpf_convert_filter): a return of a
    constant is two, a division by X tests it first, a jump is one only if one side is the next instruction and the operand
    fits an int."""
    return 3 + sum(map(_converted, program))


def _converted(insn: Insn) -> int:
    code = insn.code
    if code in (ALU | DIV | X, ALU | MOD | X):
        return 5
    if code == RET | K:
        return 2
    if code not in _JUMPS:
        return 1
    wide = not code & X and insn.k >> 31
    two_ways = insn.jf != 0 and (insn.jt != 0 or code & 0xF0 == JSET)
    return 1 + wide + two_ways


# -- compiling --------------------------------------------------------------------------------------------------------
_STATEMENTS: Final[Mapping[int, str]] = {
    LD | IMM: "A = {k}",
    LDX | IMM: "X = {k}",
    LD | MEM: "A = M{k}",
    LDX | MEM: "X = M{k}",
    ST: "M{k} = A",
    STX: "M{k} = X",
    TAX: "X = A",
    TXA: "A = X",
    ALU | NEG: "A = -A & 0xffffffff",
    ALU | ADD: "A = A + {s} & 0xffffffff",
    ALU | SUB: "A = A - {s} & 0xffffffff",
    ALU | MUL: "A = A * {s} & 0xffffffff",
    ALU | DIV: "A //= {s}",
    ALU | MOD: "A %= {s}",
    ALU | OR: "A |= {s}",
    ALU | AND: "A &= {s}",
    ALU | XOR: "A ^= {s}",
    ALU | LSH: "A = A << ({s} & 31) & 0xffffffff",
    ALU | RSH: "A >>= {s} & 31",
}
_CONDITIONS: Final[Mapping[int, tuple[str, str]]] = {
    JEQ: ("A == {s}", "A != {s}"),
    JGT: ("A > {s}", "A <= {s}"),
    JGE: ("A >= {s}", "A < {s}"),
    JSET: ("A & {s}", "not A & {s}"),
}
"""Jump -> its condition and the opposite."""
_MAX_DEPTH: Final = 12
"""Python allows 100 levels of indentation."""


class _Writer:
    """Writes the body of the function for a checked program."""

    __slots__ = ("program", "words", "lines", "shared", "segments")

    def __init__(self, program: Sequence[Insn], words: Mapping[int, str]) -> None:
        self.program = program
        self.words = words
        self.lines: list[str] = []
        self.shared = self._shared()
        self.segments: list[int] = []

    def _shared(self) -> frozenset[int]:
        """The instructions that are reached from more than one place; a return is simply repeated."""
        program = self.program
        reached, shared = {0}, set()
        for pc, insn in enumerate(program):
            if pc not in reached or insn.code in (RET | K, RET_A):
                continue
            for target in set(_targets(pc, insn)) or {pc + 1}:
                if target in reached and program[target].code not in (RET | K, RET_A):
                    shared.add(target)
                reached.add(target)
        return frozenset(shared)

    def write(self) -> list[str]:
        self._line(1, "A = X = at = 0")
        self._walk(0, 1)
        done = 0
        while self.segments:
            pc = heappop(self.segments)
            if pc != done:
                done = pc
                self._line(1, f"if at == {pc}:")
                self._walk(pc, 2)
        return self.lines

    def _line(self, depth: int, text: str) -> None:
        self.lines.append("\t" * depth + text)

    def _leave(self, pc: int, depth: int) -> bool:
        self._line(depth, f"at = {pc}")
        heappush(self.segments, pc)
        return False

    def _walk(self, pc: int, depth: int) -> bool:
        """Write what is executed from ``pc`` on; return whether all of it ends in returns, and not in a segment."""
        start = pc
        while True:
            if pc in self.shared and pc != start:
                return self._leave(pc, depth)
            insn = self.program[pc]
            targets = _targets(pc, insn)
            if len(set(targets)) == 2:
                then, other = targets
                opposite = self._is_return(other) and not self._is_return(then)
                if opposite:
                    then, other = other, then
                self._line(depth, f"if {self._condition(insn, opposite)}:")
                if self._branch(then, depth + 1):
                    pc = other
                    continue
                self._line(depth, "else:")
                self._branch(other, depth + 1)
                return False
            if targets:
                pc = targets[0]
            elif insn.code == RET | K:
                self._line(depth, f"return {insn.k:#x}")
                return True
            elif insn.code == RET_A:
                self._line(depth, "return A")
                return True
            else:
                self._statement(insn, depth)
                pc += 1

    def _is_return(self, pc: int) -> bool:
        return self.program[pc].code in (RET | K, RET_A)

    def _branch(self, pc: int, depth: int) -> bool:
        if pc in self.shared or (depth > _MAX_DEPTH and not self._is_return(pc)):
            return self._leave(pc, depth)
        return self._walk(pc, depth)

    def _condition(self, insn: Insn, opposite: bool) -> str:
        return _CONDITIONS[insn.code & 0xF0][opposite].format(s="X" if insn.code & X else insn.k)

    def _statement(self, insn: Insn, depth: int) -> None:
        code, k = insn.code, insn.k
        if code == LD | W | ABS:
            self._line(depth, f"A = {self.words[k]}")
        elif code & 7 == ALU and code != ALU | NEG:
            if code in (ALU | DIV | X, ALU | MOD | X):
                self._line(depth, "if not X: return 0")
            self._line(depth, _STATEMENTS[code & ~X].format(s="X" if code & X else k))
        else:
            self._line(depth, _STATEMENTS[code].format(k=k))


def compile_program(program: Sequence[Insn], parameters: str, words: Mapping[int, str]) -> Callable[..., int]:
    """Return a checked program as a function of ``parameters`` ("a, b") that returns what the program does, 32 bits.

    ``words``: for every offset of a load (LD W ABS), the Python expression of the word.  No other loads of data are supported.
    """
    source = "\n".join([f"def run({parameters}):", *_Writer(program, words).write()])
    names: dict[str, Callable[..., int]] = {}
    exec(compile(source, "<bpf>", "exec"), names)
    return names["run"]
