"""The rows of the table: what is run, how often, and what the goal is.

A row gives, for each peer that can run its program, the number of iterations; the figure is host time (or memory) per
iteration.  A derived row is computed from others.  Goals are printed with the verdict; nothing here fails a run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench import measure
from bench.peers import FLAT, NATIVE, NO_HOOK, ONE_SLICE, QEMU, STRACE, STRACE_COMMAND, TGID, Peer

US, MS, PERCENT, KIB, MIB = 1e-6, 1e-3, 1e-2, 1024.0, 1048576.0
UNITS: Mapping[float, str] = {US: "us", MS: "ms", PERCENT: "%", KIB: "KiB", MIB: "MiB"}

Results = Mapping[str, Mapping[str, float]]
"""Row key -> peer name -> seconds or bytes."""


class Unknown(Exception):
    """A figure that a goal or a derived row needs is missing; the text says which."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The medians so far, for goals and derived rows.

    ``ratios``: row key -> peer name -> the machine's figure divided by the peer's, the median over the turns.
    """

    results: Results
    ratios: Results = field(default_factory=dict)

    def __call__(self, row: str, peer: str = TGID) -> float:
        """Return one figure in seconds or bytes.  Raises Unknown."""
        try:
            return self.results[row][peer]
        except KeyError:
            raise Unknown(f"needs {peer} on {row}") from None

    def ratio(self, row: str, peer: str) -> float:
        """Return how many times the peer's figure the machine's is.  Raises Unknown.

        Both were measured one after the other in each turn, so what the host does besides is in both: the median of the
        turns' ratios tells more than the ratio of the medians.
        """
        try:
            return self.ratios[row][peer]
        except KeyError:
            other = self(row, peer)
            return self(row) / other if other else float("inf")


@dataclass(frozen=True, slots=True)
class Goal:
    """What is aimed at: words, and the check."""

    text: str
    reached: Callable[[Figures], bool]


@dataclass(frozen=True, slots=True)
class Row:
    """A measured row.  ``runs``: arguments of the program by peer; the figure is divided by the first one's number of
    iterations, given in ``per``.  ``sample`` takes one measurement of a command."""

    key: str
    title: str
    unit: float
    program: str
    runs: Mapping[str, Sequence[str]]
    per: Mapping[str, int]
    goals: Sequence[Goal] = ()
    sample: Callable[[Sequence[str]], float] = measure.between_marks
    inside: Sequence[str] = ()
    """What runs the program inside the machine."""

    def take(self, peer: Peer, program: str) -> float:
        """Measure once; return seconds or bytes per iteration.  Raises measure.Failed."""
        arguments = self.runs[peer.name]
        if self.inside and peer.name == TGID:
            program, arguments = self.inside[0], (*self.inside[1:], program, *arguments)
        if self.key == "exec" and peer.name == QEMU:
            # The host's kernel would run the new program natively: name the emulator, as binfmt_misc would.
            arguments = (*arguments, *peer.prefix, program, "child")
        return self.sample(peer.command(program, arguments)) / self.per[peer.name]


@dataclass(frozen=True, slots=True)
class Growth(Row):
    """A row that measures N and 2N of something and gives what one more costs.  ``kind`` goes before the number."""

    kind: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)

    def take(self, peer: Peer, program: str) -> float:
        n = self.counts[peer.name]
        few, many = (self.sample(peer.command(program, (self.kind, str(count)))) for count in (n, 2 * n))
        return (many - few) / n


@dataclass(frozen=True, slots=True)
class Derived:
    """A row whose only figure is computed from others."""

    key: str
    title: str
    unit: float
    figure: Callable[[Figures], float]
    goals: Sequence[Goal] = ()
    needs: Sequence[str] = ()
    """Keys of the rows it is computed from."""


def _counted(
    key: str,
    title: str,
    unit: float,
    program: str,
    counts: Mapping[str, int],
    *goals: Goal,
    extra: Sequence[str] = (),
    inside: Sequence[str] = (),
) -> Row:
    """A row whose program takes the number of iterations as its first argument, then ``extra``."""
    runs = {peer: (str(count), *extra) for peer, count in counts.items()}
    return Row(key, title, unit, program, runs, counts, goals, inside=inside)


def _at_most(limit: float, unit: float, row: str) -> Goal:
    return Goal(f"<= {limit:g} {UNITS[unit]}", lambda figure: figure(row) <= limit * unit)


def _faster_than(peer: str, title: str, row: str, times: float = 1) -> Goal:
    text = f"faster than {title}" if times == 1 else f">= {times:g}x faster than {title}"
    return Goal(text, lambda figure: figure.ratio(row, peer) * times <= 1)


def _kernel(name: str, memory: str) -> Row:
    counts = {NATIVE: 300, QEMU: 100, FLAT: 12, TGID: 60}
    return _counted(f"compute-{name}", f"... {name} ({memory})", MS, "bench_compute", counts, extra=(name,))


ROWS: Sequence[Row | Derived] = (
    _counted(
        "getppid", "getppid() loop, a call", US, "bench_getppid",
        {NATIVE: 300_000, STRACE: 10_000, QEMU: 300_000, FLAT: 10_000, TGID: 100_000},
        _at_most(3, US, "getppid"), _faster_than(STRACE, "native under strace -f", "getppid", 3),
    ),
    _counted(
        "seccomp", "getppid() allowed by a seccomp filter of 10 instructions", US, "bench_seccomp",
        {NATIVE: 300_000, TGID: 100_000},
        Goal("<= 1.1x of getppid", lambda figure: figure("seccomp") <= 1.1 * figure("getppid")), extra=("number",),
    ),
    _counted(
        "seccomp-argument", "... by one that looks at an argument", US, "bench_seccomp", {NATIVE: 300_000, TGID: 100_000},
        Goal("<= 2x of getppid", lambda figure: figure("seccomp-argument") <= 2 * figure("getppid")), extra=("argument",),
    ),
    Row(
        "start", "start and exit of a static hello, wall", MS, "hello",
        dict.fromkeys((NATIVE, STRACE, QEMU, FLAT, TGID), ()), dict.fromkeys((NATIVE, STRACE, QEMU, FLAT, TGID), 1),
        (_at_most(200, MS, "start"),), measure.wall,
    ),
    _counted(
        "fork", "fork + exit + wait", US, "bench_fork", {NATIVE: 1000, STRACE: 200, QEMU: 300, TGID: 500},
        _at_most(500, US, "fork"), _faster_than(QEMU, "qemu-user", "fork"),
    ),
    _counted(
        "fork-dirty", "fork + exit + wait, 64 MiB dirty", US, "bench_fork", {NATIVE: 200, STRACE: 100, QEMU: 100, TGID: 300},
        Goal("<= 2x the small fork", lambda figure: figure("fork-dirty") <= 2 * figure("fork")),
        _faster_than(NATIVE, "native", "fork-dirty"), extra=("64",),
    ),
    _counted(
        "fork-nested", "fork + exit + wait, 10 pid namespaces deep", US, "bench_nested", {NATIVE: 1000, TGID: 500},
        Goal("<= 1.3x of fork", lambda figure: figure("fork-nested") <= 1.3 * figure("fork")), extra=("10",),
    ),
    *(
        _counted(
            f"teardown-{n}", f"death of a pid namespace with {n:,} processes, each", US, "bench_teardown", {NATIVE: n, TGID: n}
        )
        for n in (100, 1000)
    ),
    _counted(
        "teardown-4000", "death of a pid namespace with 4,000 processes, each", US, "bench_teardown", {NATIVE: 4000, TGID: 4000},
        Goal("<= 2x of 100 (linear)", lambda figure: figure("teardown-4000") <= 2 * figure("teardown-100")),
    ),
    _counted(
        "exec", "fork + exec + wait, static, second time on", US, "bench_exec", {NATIVE: 300, STRACE: 100, QEMU: 50, TGID: 200},
        _at_most(1500, US, "exec"), _faster_than(QEMU, "qemu-user", "exec"),
    ),
    _counted(
        "thread", "pthread create + join", US, "bench_thread", {NATIVE: 5000, STRACE: 500, QEMU: 1000, TGID: 1500},
        _at_most(150, US, "thread"),
    ),
    _counted(
        "pipe", "pipe ping-pong of two processes, round trip", US, "bench_pipe",
        {NATIVE: 20_000, STRACE: 2000, QEMU: 20_000, TGID: 5000},
        _at_most(40, US, "pipe"), _faster_than(STRACE, "native under strace -f", "pipe"),
    ),
    _counted(
        "switch", "process switch (sched_yield of two processes)", US, "bench_switch",
        {NATIVE: 100_000, STRACE: 5000, QEMU: 100_000, TGID: 20_000}, _at_most(12, US, "switch"),
    ),
    _counted(
        "traced", "a call traced by strace -f, which runs where the program runs", US, "bench_getppid",
        {STRACE: 10_000, TGID: 5000},
        Goal("<= 3x native under strace -f", lambda figure: figure.ratio("traced", STRACE) <= 3),
        inside=STRACE_COMMAND,
    ),
    _counted(
        "step", "PTRACE_SINGLESTEP + wait, a step", US, "bench_step", {NATIVE: 20_000, TGID: 5000}, _at_most(20, US, "step"),
    ),
    _counted(
        "ps", "ps aux with 1,000 processes", MS, "bench_ps", {NATIVE: 5, TGID: 3}, _at_most(2000, MS, "ps"), extra=("1000",),
    ),
    _counted("peek", "PTRACE_PEEKDATA, a word", US, "bench_peek", {NATIVE: 50_000, TGID: 20_000}, _at_most(5, US, "peek")),
    _counted(
        "compute", "compute loop with loads and stores, a round", MS, "bench_compute",
        {NATIVE: 200, STRACE: 200, QEMU: 80, FLAT: 10, TGID: 60, ONE_SLICE: 60, NO_HOOK: 60},
        _faster_than(FLAT, "flat Unicorn", "compute", 8),
        Goal("<= 4x of qemu-user", lambda figure: figure.ratio("compute", QEMU) <= 4),
    ),
    _kernel("cipher", "4 loads, 3 stores"),
    _kernel("motion", "6 loads, 6 stores, SSE"),
    _kernel("matrix", "2 loads, 1 store, SSE"),
    _kernel("hash", "3 loads, 2 stores"),
    _kernel("count", "5 loads, 4 stores"),
    _kernel("reverse", "2 loads, 2 stores"),
    Derived(
        "preemption", "preemption: slices against one endless slice", PERCENT,
        lambda figure: figure.ratio("compute", ONE_SLICE) - 1,
        (Goal("<= 5 %", lambda figure: figure.ratio("compute", ONE_SLICE) <= 1.05),), ("compute",),
    ),
    Derived(
        "counting", "preemption: slices against blocks not counted at all", PERCENT,
        lambda figure: figure.ratio("compute", NO_HOOK) - 1,
        (Goal("<= 5 %", lambda figure: figure.ratio("compute", NO_HOOK) <= 1.05),), ("compute",),
    ),
    Row(
        "memory", "host memory of a run", MIB, "bench_idle",
        dict.fromkeys((NATIVE, QEMU, FLAT, TGID), ("processes", "0")), dict.fromkeys((NATIVE, QEMU, FLAT, TGID), 1),
        (_at_most(120, MIB, "memory"),), measure.peak,
    ),
    Growth(
        "memory-process", "host memory of each further idle process", KIB, "bench_idle",
        dict.fromkeys((NATIVE, QEMU, TGID), ()), {}, (_at_most(64, KIB, "memory-process"),), measure.idle,
        kind="processes", counts={NATIVE: 100, QEMU: 50, TGID: 400},
    ),
    Growth(
        "memory-thread", "host memory of each further idle thread", KIB, "bench_idle",
        dict.fromkeys((NATIVE, QEMU, TGID), ()), {}, (_at_most(24, KIB, "memory-thread"),), measure.idle,
        kind="threads", counts={NATIVE: 200, QEMU: 100, TGID: 500},
    ),
)  # fmt: skip
