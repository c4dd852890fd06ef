"""A static program on a bare Unicorn with a flat mapping: the peer that has no paging and no kernel.

This is how most tools on top of Unicorn run a program: each segment is mapped where it wants to be with all permissions,
there are no page tables, and the few system calls are served by a Python function hooked to the ``syscall``
instruction through the public binding.  It can run one process with one thread and nothing else.

    python -m bench.flat PROGRAM [ARGS...]
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from elftools.elf.elffile import ELFFile
from unicorn import UC_ARCH_X86, UC_HOOK_INSN, UC_MODE_64, UC_PROT_ALL, x86_const
from unicorn.unicorn import Uc

PAGE = 4096
STACK_TOP = 0x7FFF_0000_0000
STACK_SIZE = 1 << 20
BREAK_SIZE = 16 << 20
MMAP_BASE = 0x7000_0000_0000
PIE_BASE = 0x40_0000

_AT_PHDR, _AT_PHENT, _AT_PHNUM, _AT_PAGESZ, _AT_ENTRY, _AT_RANDOM = 3, 4, 5, 6, 9, 25
_ARCH_SET_FS = 0x1002
_ARGUMENTS = (x86_const.UC_X86_REG_RDI, x86_const.UC_X86_REG_RSI, x86_const.UC_X86_REG_RDX, x86_const.UC_X86_REG_R10)


def _up(value: int) -> int:
    return (value + PAGE - 1) & -PAGE


class FlatMachine:
    """One program in one flat address space; ``status`` is its exit status once ``run`` has returned."""

    __slots__ = ("_break", "_calls", "_mmap", "_uc", "entry", "status")

    def __init__(self, argv: Sequence[str]) -> None:
        """Map ``argv[0]``, a static x86-64 ELF file, and its stack.  Raises OSError, ELFError, UcError."""
        uc: Any = Uc(UC_ARCH_X86, UC_MODE_64)  # type: ignore[no-untyped-call]
        self._uc = uc
        self.status = 0
        self._mmap = MMAP_BASE
        with open(argv[0], "rb") as file:
            elf = ELFFile(file)
            base = PIE_BASE if elf["e_type"] == "ET_DYN" else 0
            loads = [segment for segment in elf.iter_segments() if segment["p_type"] == "PT_LOAD"]
            start = min(segment["p_vaddr"] for segment in loads) & -PAGE
            end = _up(max(segment["p_vaddr"] + segment["p_memsz"] for segment in loads))
            uc.mem_map(base + start, end - start, UC_PROT_ALL)
            for segment in loads:
                uc.mem_write(base + segment["p_vaddr"], segment.data())
            self.entry: int = base + elf["e_entry"]
            headers = base + loads[0]["p_vaddr"] - loads[0]["p_offset"] + elf["e_phoff"]
            auxv = ((_AT_PHDR, headers), (_AT_PHENT, elf["e_phentsize"]), (_AT_PHNUM, elf["e_phnum"]))
        self._break = base + end
        uc.mem_map(self._break, BREAK_SIZE, UC_PROT_ALL)
        uc.mem_map(STACK_TOP - STACK_SIZE, STACK_SIZE, UC_PROT_ALL)
        self._make_stack(argv, auxv)
        # By number, as /usr/include/x86_64-linux-gnu/asm/unistd_64.h has them.
        self._calls: dict[int, Callable[..., int]] = {
            0: lambda fd, buffer, size, _: self._read(fd, buffer, size),
            1: lambda fd, buffer, size, _: os.write(fd, uc.mem_read(buffer, size)),
            3: lambda *_: 0,  # close
            9: lambda _, size, *__: self._map(size),
            10: lambda *_: 0,  # mprotect
            11: lambda *_: 0,  # munmap
            12: lambda wanted, *_: wanted if self._break <= wanted <= self._break + BREAK_SIZE else self._break,
            13: lambda *_: 0,  # rt_sigaction
            14: lambda *_: 0,  # rt_sigprocmask
            20: lambda fd, vector, count, _: self._writev(fd, vector, count),
            22: lambda address, *_: self._pipe(address),
            60: lambda status, *_: self._exit(status),
            61: lambda *_: -errno.ECHILD,  # wait4
            110: lambda *_: 1,  # getppid
            158: self._arch_prctl,
            186: lambda *_: 2,  # gettid
            218: lambda *_: 2,  # set_tid_address
            231: lambda status, *_: self._exit(status),
        }
        uc.hook_add(UC_HOOK_INSN, self._on_syscall, None, 1, 0, x86_const.UC_X86_INS_SYSCALL)

    def run(self) -> int:
        """Run to the exit of the program and return its status."""
        self._uc.emu_start(self.entry, 0)
        return self.status

    def _make_stack(self, argv: Sequence[str], auxv: Sequence[tuple[int, int]]) -> None:
        """Lay out argc, argv, an empty environment and the auxiliary vector (psABI 3.4.1)."""
        uc = self._uc
        strings, pointers = b"", []
        for word in argv:
            pointers.append(STACK_TOP - PAGE + len(strings))
            strings += os.fsencode(word) + b"\0"
        uc.mem_write(STACK_TOP - PAGE, strings)
        random = STACK_TOP - 16
        words = [len(argv), *pointers, 0, 0]
        for kind, value in (*auxv, (_AT_PAGESZ, PAGE), (_AT_ENTRY, self.entry), (_AT_RANDOM, random), (0, 0)):
            words += [kind, value]
        stack = (STACK_TOP - 2 * PAGE - 8 * len(words)) & -16
        uc.mem_write(stack, b"".join(word.to_bytes(8, "little") for word in words))
        uc.reg_write(x86_const.UC_X86_REG_RSP, stack)

    def _on_syscall(self, uc: Any, _data: object) -> None:
        number = uc.reg_read(x86_const.UC_X86_REG_RAX)
        call = self._calls.get(number)
        result = -errno.ENOSYS if call is None else call(*[uc.reg_read(register) for register in _ARGUMENTS])
        uc.reg_write(x86_const.UC_X86_REG_RAX, result & (1 << 64) - 1)

    def _read(self, fd: int, buffer: int, size: int) -> int:
        data = os.read(fd, size)
        self._uc.mem_write(buffer, data)
        return len(data)

    def _pipe(self, address: int) -> int:
        self._uc.mem_write(address, b"".join(fd.to_bytes(4, "little") for fd in os.pipe()))
        return 0

    def _map(self, size: int) -> int:
        where = self._mmap
        self._mmap += _up(size)
        self._uc.mem_map(where, _up(size), UC_PROT_ALL)
        return where

    def _writev(self, fd: int, vector: int, count: int) -> int:
        data = b""
        for i in range(count):
            entry = self._uc.mem_read(vector + 16 * i, 16)
            data += self._uc.mem_read(int.from_bytes(entry[:8], "little"), int.from_bytes(entry[8:], "little"))
        return os.write(fd, data)

    def _arch_prctl(self, code: int, address: int, *_: int) -> int:
        if code != _ARCH_SET_FS:
            return -errno.EINVAL
        self._uc.reg_write(x86_const.UC_X86_REG_FS_BASE, address)
        return 0

    def _exit(self, status: int) -> int:
        self.status = status & 0xFF
        self._uc.emu_stop()
        return 0


if __name__ == "__main__":
    sys.exit(FlatMachine(sys.argv[1:]).run())
