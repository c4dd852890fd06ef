"""Where the parts of an address space go (``arch/x86/mm/mmap.c``, ``randomize_stack_top``, ``arch_randomize_brk``).

Without randomisation everything has the address it has on Linux under ``setarch -R``, so that addresses in traces,
core files and bug reports can be compared.  With it, a source of random bytes moves each part by as much as Linux
would: 28 bits of pages for programs and mappings, 22 bits of pages for the stack, 1 GiB for the heap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from kernel.hardware import PAGE_SHIFT, PAGE_SIZE, USER_TOP
from loader.elf import page_align

ET_DYN_BASE = USER_TOP // 3 * 2
"""ELF_ET_DYN_BASE: where programs that name an interpreter go; not page aligned, the load bias is rounded."""
MIN_GAP = 128 << 20
"""Least distance kept between the mappings and the stack top."""
STACK_GUARD_GAP = 256 * PAGE_SIZE

RandomSource = Callable[[int], bytes]
"""Returns as many random bytes as asked for."""


class Layout(NamedTuple):
    """The addresses chosen for one exec.

    ``stack_top``, ``mmap_base``: upper ends, page aligned.  ``dyn_base``: before rounding to the alignment of the
    program.  ``brk_offset``: bytes the heap starts behind its usual place, page aligned.  ``stack_jitter``: bytes.
    """

    stack_top: int
    mmap_base: int
    dyn_base: int
    brk_offset: int
    stack_jitter: int
    randomized: bool


def choose(rlimit_stack: int, random: RandomSource | None) -> Layout:
    """Choose a layout for an RLIMIT_STACK in bytes; ``random`` None means no randomisation (ADDR_NO_RANDOMIZE)."""
    if random is None:
        return Layout(USER_TOP, mmap_base(rlimit_stack, 0, 0), ET_DYN_BASE, 0, 0, False)

    source = random

    def below(limit: int) -> int:
        return int.from_bytes(source(8), "little") % limit

    stack_top = page_align(USER_TOP - (below(1 << 22) << PAGE_SHIFT) - below(8192))
    return Layout(
        stack_top,
        mmap_base(rlimit_stack, 1 << 34, below(1 << 28) << PAGE_SHIFT),
        ET_DYN_BASE + (below(1 << 28) << PAGE_SHIFT),
        below(1 << 18) << PAGE_SHIFT,
        below(8192),
        True,
    )


def mmap_base(rlimit_stack: int, stack_random: int, shift: int) -> int:
    """Return where mappings grow down from: below the largest stack, at least 128 MiB and at most 5/6 from the top.

    ``stack_random``: bytes by which the stack top may have been lowered; ``shift``: random distance in bytes.
    """
    gap = min(max(rlimit_stack + stack_random + STACK_GUARD_GAP, MIN_GAP), USER_TOP // 6 * 5)
    return page_align(USER_TOP - gap - shift)
