"""ELF64 headers, as execve(2) reads them.

This is the part of ``fs/binfmt_elf.c`` that only looks: which bytes of the file must be there, which fields are
checked and which are not (Linux ignores EI_CLASS, EI_VERSION, the section headers and most of what a linker would
insist on), and which errno each defect gives.  A program that Linux starts must start here, and one that it refuses
must be refused for the same reason, so nothing is validated beyond what Linux validates.

The headers are unpacked with ``struct``: importing ``elftools.elf.elffile`` takes 45 ms, a quarter of the time in
which a whole small program is to be started and finished, and it raises exceptions of its own at defects the kernel
does not care about.  What wants more than headers, symbol names for reports, uses pyelftools (``loader.symbols``).
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple, Protocol

from kernel.errno import Errno
from kernel.hardware import PAGE_MASK

U64 = (1 << 64) - 1
LLONG_MAX = (1 << 63) - 1
PATH_MAX = 4096
MAX_PHDRS_SIZE = 65536

ELF_MAGIC = b"\x7fELF"
ET_EXEC = 2
ET_DYN = 3
EM_X86_64 = 62

PT_LOAD = 1
PT_DYNAMIC = 2
PT_INTERP = 3
PT_NOTE = 4
PT_PHDR = 6
PT_TLS = 7
PT_GNU_EH_FRAME = 0x6474E550
PT_GNU_STACK = 0x6474E551

PF_X = 1
PF_W = 2
PF_R = 4

EHDR = Struct("<16sHHIQQQIHHHHHH")
PHDR = Struct("<IIQQQQQQ")


class ByteSource(Protocol):
    """Something that is read at an offset; what is behind its end is absent (a short result), not an error."""

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to ``size`` bytes from byte ``offset``, fewer only at the end of the file."""


class Ehdr(NamedTuple):
    """``Elf64_Ehdr``."""

    ident: bytes
    type: int
    machine: int
    version: int
    entry: int
    phoff: int
    shoff: int
    flags: int
    ehsize: int
    phentsize: int
    phnum: int
    shentsize: int
    shnum: int
    shstrndx: int


class Phdr(NamedTuple):
    """``Elf64_Phdr``."""

    type: int
    flags: int
    offset: int
    vaddr: int
    paddr: int
    filesz: int
    memsz: int
    align: int


def page_start(address: int) -> int:
    """Round down to a page (ELF_PAGESTART), modulo 2**64."""
    return address & (U64 ^ PAGE_MASK)


def page_align(address: int) -> int:
    """Round up to a page (ELF_PAGEALIGN), modulo 2**64: the last page of all wraps to 0 as it does in C."""
    return (address + PAGE_MASK) & (U64 ^ PAGE_MASK)


def read_exact(file: ByteSource, offset: int, size: int) -> bytes:
    """Read ``size`` bytes at ``offset`` (``elf_read``).

    EIO if the file ends before; EINVAL for offsets no file can have (``rw_verify_area``).
    """
    if offset > LLONG_MAX or offset + size > LLONG_MAX:
        raise Errno.EINVAL(f"file offset {offset:#x} is negative")
    data = file.read_at(offset, size)
    if len(data) != size:
        raise Errno.EIO(f"the file ends before offset {offset + size:#x}")
    return data


def parse_ehdr(head: bytes) -> Ehdr:
    """Unpack the ELF header at the start of ``head`` (at least 64 bytes, zero-padded behind the end of the file).

    Checks nothing: the errno for a foreign file is ENOEXEC for a program and ELIBBAD for an interpreter.
    """
    return Ehdr._make(EHDR.unpack_from(head))


def complaint(ehdr: Ehdr) -> str | None:
    """Say why this is no ELF file for this machine (``elf_check_arch``), None if it is one."""
    if ehdr.ident[:4] != ELF_MAGIC:
        return "not an ELF file"
    if ehdr.machine != EM_X86_64:
        return f"ELF file for machine {ehdr.machine}, not x86-64"
    return None


def read_phdrs(file: ByteSource, ehdr: Ehdr) -> tuple[Phdr, ...]:
    """Read the program headers (``load_elf_phdrs``).

    Linux takes 1 to 1170 of them, 64 KiB in all (6.12 and before: 73, one page).  Whatever is wrong is reported as
    ENOEXEC, even a short read.
    """
    if ehdr.phentsize != PHDR.size:
        raise Errno.ENOEXEC(f"program headers of {ehdr.phentsize} bytes, not {PHDR.size}")
    size = PHDR.size * ehdr.phnum
    if not 0 < size <= MAX_PHDRS_SIZE:
        raise Errno.ENOEXEC(f"{ehdr.phnum} program headers")
    try:
        data = read_exact(file, ehdr.phoff, size)
    except (Errno.EIO, Errno.EINVAL) as error:
        raise Errno.ENOEXEC(f"program headers cannot be read: {error}") from None
    return tuple(map(Phdr._make, PHDR.iter_unpack(data)))


def interpreter_path(file: ByteSource, phdrs: tuple[Phdr, ...]) -> bytes | None:
    """Return the path in the first PT_INTERP, None if there is none.

    ENOEXEC: longer than PATH_MAX, empty, or not terminated; EIO or EINVAL: outside the file.
    """
    for phdr in phdrs:
        if phdr.type == PT_INTERP:
            if not 2 <= phdr.filesz <= PATH_MAX:
                raise Errno.ENOEXEC(f"interpreter path of {phdr.filesz} bytes")
            path = read_exact(file, phdr.offset, phdr.filesz)
            if path[-1]:
                raise Errno.ENOEXEC("interpreter path without terminating zero")
            return path[: path.index(0)]
    return None


def executable_stack(phdrs: tuple[Phdr, ...]) -> bool:
    """Tell whether the last PT_GNU_STACK asks for an executable stack; without one it is not, on x86-64."""
    wanted = False
    for phdr in phdrs:
        if phdr.type == PT_GNU_STACK:
            wanted = bool(phdr.flags & PF_X)
    return wanted


def total_mapping_size(phdrs: tuple[Phdr, ...]) -> int:
    """Return the bytes from the first page of the lowest PT_LOAD to the end of the highest, 0 without any."""
    loads = [phdr for phdr in phdrs if phdr.type == PT_LOAD]
    if not loads:
        return 0
    low = min(page_start(phdr.vaddr) for phdr in loads)
    high = max((phdr.vaddr + phdr.memsz) & U64 for phdr in loads)
    return (high - low) & U64


def maximum_alignment(phdrs: tuple[Phdr, ...]) -> int:
    """Return the largest power of two any PT_LOAD asks for in p_align, rounded up to pages; 0 if none asks."""
    wanted = [phdr.align for phdr in phdrs if phdr.type == PT_LOAD and phdr.align and not phdr.align & (phdr.align - 1)]
    return page_align(max(wanted, default=0))
