"""The first stack of a program (System V ABI, x86-64 supplement 3.4; ``create_elf_tables`` of Linux).

From high to low addresses::

    stack top
      8 zero bytes
      path of the executable (AT_EXECFN)
      environment strings
      argument strings            <- arg_start is the lowest
      padding to 16
      "x86_64" (AT_PLATFORM)
      16 random bytes (AT_RANDOM)
      padding
      auxiliary vector, AT_NULL last
      envp[], NULL
      argv[], NULL
      argc                        <- stack pointer at entry, 16-byte aligned

The strings are limited before the old program is gone, so that execve can fail with E2BIG; the rest depends on where
the program was mapped and is built afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack
from typing import NamedTuple

from kernel.errno import Errno

ARG_MAX = 131072
"""Bytes of strings and pointers that are always allowed, however small RLIMIT_STACK is."""
MAX_ARG_STRLEN = 131072
"""Longest single string, terminating zero included."""
STK_LIM = 8 << 20
"""``_STK_LIM``: the usual stack limit; three quarters of it bound the strings."""

AT_NULL = 0
AT_EXECFD = 2
AT_PHDR = 3
AT_PHENT = 4
AT_PHNUM = 5
AT_PAGESZ = 6
AT_BASE = 7
AT_FLAGS = 8
AT_ENTRY = 9
AT_UID = 11
AT_EUID = 12
AT_GID = 13
AT_EGID = 14
AT_PLATFORM = 15
AT_HWCAP = 16
AT_CLKTCK = 17
AT_SECURE = 23
AT_RANDOM = 25
AT_HWCAP2 = 26
AT_RSEQ_FEATURE_SIZE = 27
AT_RSEQ_ALIGN = 28
AT_EXECFN = 31
AT_SYSINFO_EHDR = 33
AT_MINSIGSTKSZ = 51

PLATFORM = b"x86_64\0"
RANDOM_BYTES = 16


class Strings(NamedTuple):
    """What stands at the very top of the stack, as handed to execve and rewritten by scripts."""

    filename: bytes
    argv: tuple[bytes, ...]
    envp: tuple[bytes, ...]


class Processor(NamedTuple):
    """What the auxiliary vector tells about the processor.

    ``hwcap`` is EDX of CPUID leaf 1; the default is what Unicorn's Westmere and Nehalem answer.  ``minsigstksz`` is the
    largest signal frame: 440 bytes of ucontext and siginfo, 512 of FXSAVE image, 63 and 15 of padding
    (``init_sigframe_size`` for a processor without XSAVE), rounded up to 16.
    """

    hwcap: int = 0x078BFBFD
    hwcap2: int = 0
    minsigstksz: int = 1040
    clock_ticks: int = 100


class Credentials(NamedTuple):
    """The identity the auxiliary vector reports; ``secure``: the exec gained privileges (AT_SECURE)."""

    uid: int = 0
    euid: int = 0
    gid: int = 0
    egid: int = 0
    secure: bool = False


class Addresses(NamedTuple):
    """Where the program was mapped.  ``vdso``, ``base``: 0 if there is none."""

    phdr: int
    phent: int
    phnum: int
    base: int
    entry: int
    vdso: int


class FirstStack(NamedTuple):
    """The finished stack: ``data`` belongs at ``sp`` and ends at the stack top.  All else are addresses."""

    sp: int
    data: bytes
    auxv: bytes
    """As /proc/PID/auxv shows it."""
    arg_start: int
    arg_end: int
    env_start: int
    env_end: int


def string_limit(rlimit_stack: int) -> int:
    """Return how many bytes strings and their pointers may take for an RLIMIT_STACK in bytes (execve(2), Limits)."""
    return max(min(STK_LIM // 4 * 3, rlimit_stack // 4), ARG_MAX)


def check_limits(strings: Strings, rlimit_stack: int) -> int:
    """Return how many bytes the strings may take in all, or raise E2BIG (``bprm_stack_limits``, ``copy_strings``).

    The result holds for a script's rewritten arguments too: their pointers are not counted again.
    """
    filename, argv, envp = strings
    limit = string_limit(rlimit_stack) - 8 * (len(argv) + len(envp))
    if limit <= 0:
        raise Errno.E2BIG(f"{len(argv)} arguments and {len(envp)} environment strings")
    longest = max(len(filename), max(map(len, argv), default=0), max(map(len, envp), default=0))
    if longest >= MAX_ARG_STRLEN:
        raise Errno.E2BIG(f"a string of {longest} bytes")
    if strings_size(strings) > limit:
        raise Errno.E2BIG("arguments and environment are too long")
    return limit


def strings_size(strings: Strings) -> int:
    """Return the bytes of all strings with their terminating zeros."""
    filename, argv, envp = strings
    return len(filename) + 1 + sum(map(len, argv)) + len(argv) + sum(map(len, envp)) + len(envp)


def string_pages(strings: Strings, stack_top: int) -> int:
    """Return the lowest page-aligned address the strings alone reach below ``stack_top``."""
    return (stack_top - 8 - strings_size(strings)) & ~0xFFF


def _pointers(address: int, strings: Sequence[bytes]) -> tuple[list[int], int]:
    """Return the address of each of ``strings`` laid end to end from ``address``, and the end of the last."""
    result: list[int] = []
    for string in strings:
        result.append(address)
        address += len(string) + 1
    return result, address


def build(
    strings: Strings,
    addresses: Addresses,
    credentials: Credentials,
    processor: Processor,
    random: bytes,
    stack_top: int,
    jitter: int = 0,
) -> FirstStack:
    """Lay out the first stack below ``stack_top`` (page aligned).

    ``random``: RANDOM_BYTES for AT_RANDOM.  ``jitter``: bytes (0 to 8191) the tables are moved down by, with address
    space randomisation (``arch_align_stack``).
    """
    filename, argv, envp = strings
    text = b"\0".join((*argv, *envp, filename)) + bytes(9)
    arg_start = stack_top - len(text)
    argv_pointers, arg_end = _pointers(arg_start, argv)
    envp_pointers, env_end = _pointers(arg_end, envp)

    platform = ((arg_start - jitter) & ~15) - len(PLATFORM)
    random_at = platform - RANDOM_BYTES
    vector: list[int] = []
    if addresses.vdso:
        vector += (AT_SYSINFO_EHDR, addresses.vdso)
    vector += (
        AT_MINSIGSTKSZ, processor.minsigstksz,
        AT_HWCAP, processor.hwcap,
        AT_PAGESZ, 4096,
        AT_CLKTCK, processor.clock_ticks,
        AT_PHDR, addresses.phdr,
        AT_PHENT, addresses.phent,
        AT_PHNUM, addresses.phnum,
        AT_BASE, addresses.base,
        AT_FLAGS, 0,
        AT_ENTRY, addresses.entry,
        AT_UID, credentials.uid,
        AT_EUID, credentials.euid,
        AT_GID, credentials.gid,
        AT_EGID, credentials.egid,
        AT_SECURE, int(credentials.secure),
        AT_RANDOM, random_at,
        AT_HWCAP2, processor.hwcap2,
        AT_EXECFN, env_end,
        AT_PLATFORM, platform,
        AT_RSEQ_FEATURE_SIZE, 28,  # offsetof(struct rseq, end): up to and including mm_cid
        AT_RSEQ_ALIGN, 32,
        AT_NULL, 0,
    )  # fmt: skip
    auxv = pack(f"<{len(vector)}Q", *vector)
    words = [len(argv), *argv_pointers, 0, *envp_pointers, 0]
    sp = (random_at - len(auxv) - 8 * len(words)) & ~15
    table = pack(f"<{len(words)}Q", *words) + auxv
    data = b"".join(
        (
            table,
            bytes(random_at - sp - len(table)),
            random,
            PLATFORM,
            bytes(arg_start - platform - len(PLATFORM)),
            text,
        )
    )
    return FirstStack(sp, data, auxv, arg_start, arg_end, arg_end, env_end)
