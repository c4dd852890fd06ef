"""``tgid conformance --repeat N``: the outcome of a scenario depends neither on the seed nor on the schedule.

A setting is a seed with a length of time slices.  Slices from one basic block up to one that few scenarios ever use up give
every kind of schedule: threads that change places after each branch, and threads that are never interrupted.  Under every
setting each scenario runs twice in each model.  What it prints must be what is expected, and the two runs must leave the
same trace, byte for byte.
"""

from __future__ import annotations

import hashlib
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from multiprocessing import get_context
from typing import NamedTuple

from guest.catalog import Program, programs
from syscalls.families import table
from tgid.conformance import Progress, expectation, run_inside
from tgid.tracelog import TraceLog

MAX_SLICE = 100_000
"""Longest time slice tried, in basic blocks: the default."""


class Setting(NamedTuple):
    """What may not matter: ``seed``, and the time slice in basic blocks."""

    seed: int
    slice_blocks: int


class Finding(NamedTuple):
    """A run that was not as expected, or left another trace the second time."""

    setting: Setting
    model: str
    scenario: str
    what: str


def settings(count: int, first_seed: int = 0) -> Iterator[Setting]:
    """Yield ``count`` settings with seeds from ``first_seed`` on; slices are spread evenly over the magnitudes."""
    for seed in range(first_seed, first_seed + count):
        yield Setting(seed, round(MAX_SLICE ** random.Random(seed).random()))


def traced(program: Program, model: str, setting: Setting) -> tuple[str, str, str]:
    """Run a scenario and return (text, trouble, digest of its whole trace)."""
    digest = hashlib.blake2b(digest_size=16)
    log = TraceLog(table(), lambda piece: digest.update(piece.encode()), None, False, to_file=True)
    run = run_inside(program, model, watch=log, seed=setting.seed, slice_blocks=setting.slice_blocks)
    log.finish()
    digest.update(run.text.encode())
    return run.text, run.trouble, digest.hexdigest()


def repeat(setting: Setting, model: str, names: Sequence[str]) -> list[Finding]:
    """Run every scenario twice under one setting and return what is wrong."""
    findings = []
    for name in names:
        program = programs()[name]
        wanted = expectation(program, model)
        text, trouble, digest = traced(program, model, setting)
        if text != wanted or trouble:
            lines = sorted(set(text.splitlines()) ^ set(wanted.splitlines()))
            findings.append(Finding(setting, model, name, "; ".join([*lines, *trouble.splitlines()])))
        _, trouble, again = traced(program, model, setting)
        if again != digest:
            findings.append(Finding(setting, model, name, "; ".join(["another trace the second time", *trouble.splitlines()])))
    return findings


def repetitions(
    count: int, models: Sequence[str], names: Sequence[str], jobs: int, first_seed: int, tick: Callable[[], None] = lambda: None
) -> list[Finding]:
    """Run ``count`` settings under each model, ``jobs`` at a time, and return everything found.

    ``tick`` is called after each setting and model.
    """
    findings: list[Finding] = []
    work = ((setting, model) for setting in settings(count, first_seed) for model in models)
    if jobs == 1:
        for setting, model in work:
            findings += repeat(setting, model, names)
            tick()
        return findings
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        # A few at a time: a thousand settings would be queued at once otherwise, and Ctrl-C wait for them.
        running: set[Future[list[Finding]]] = {pool.submit(repeat, *one, names) for one in islice(work, 2 * jobs)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                findings += future.result()
                tick()
            running |= {pool.submit(repeat, *one, names) for one in islice(work, len(done))}
    return sorted(findings)


def main(count: int, models: Sequence[str], chosen: Sequence[Program], jobs: int | None, first_seed: int) -> int:
    """Repeat scenarios, print how many runs there were and what was found, and return 0 if nothing was, else 1."""
    started = time.monotonic()
    progress = Progress(count * len(models), sys.stderr)
    try:
        names = [program.name for program in chosen]
        findings = repetitions(count, models, names, jobs or os.cpu_count() or 1, first_seed, progress.tick)
    finally:
        progress.clear()
    for finding in findings:
        seed, blocks = finding.setting
        print(f"seed {seed}, slices of {blocks} blocks, {finding.model}: {finding.scenario}: {finding.what}")
    blocks_used = [setting.slice_blocks for setting in settings(count, first_seed)]
    print(
        f"{count} settings (seeds {first_seed} to {first_seed + count - 1}, slices of {min(blocks_used)} to {max(blocks_used)} "
        f"blocks), {len(names)} scenarios, {', '.join(models)}: {2 * count * len(names) * len(models)} runs in pairs, "
        f"{len(findings)} findings ({time.monotonic() - started:.0f} s)"
    )
    return 1 if findings else 0
