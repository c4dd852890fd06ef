"""What the loader's tests load from and into: files in memory, an address space of plain Python, made-up ELF files."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from struct import pack

from kernel.errno import Errno
from kernel.hardware import PAGE_SIZE, USER_TOP
from loader import elf
from loader.binfmt import (
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_GROWSDOWN,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
    ExecFile,
    Image,
    Program,
    prepare,
)
from loader.layout import choose
from loader.stack import Credentials, Processor

STACK_LIMIT = 8 << 20
RANDOM = bytes(range(16))
VDSO = b"\x7fELF vdso"
OVERCOMMIT = 1 << 44
"""Bytes that no machine has: a writable mapping of more is refused (vm.overcommit_memory 0)."""


class BytesFile:
    """An executable file; ``reads`` counts what was asked of it."""

    def __init__(self, data: bytes, name: str = "program") -> None:
        self.data = data
        self.name = name
        self.reads = 0

    def read_at(self, offset: int, size: int) -> bytes:
        self.reads += 1
        assert 0 <= offset <= elf.LLONG_MAX
        assert 0 <= size <= 65536
        return self.data[offset : offset + size]


class Disk(dict[bytes, BytesFile]):
    """Paths that may be opened for execution."""

    def open_exec(self, path: bytes) -> ExecFile:
        if path not in self:
            raise Errno.ENOENT
        return self[path]


@dataclass(order=True, slots=True)
class Vma:
    """One mapping."""

    start: int
    end: int = field(compare=False)
    prot: int = field(compare=False)
    file: ExecFile | None = field(compare=False)
    offset: int = field(compare=False)
    growsdown: bool = field(compare=False, default=False)


class FakeMemory:
    """An address space with the argument checks of mmap(2); only written bytes cost anything."""

    def __init__(self) -> None:
        self.vmas: list[Vma] = []
        self.base = USER_TOP
        self.pages: dict[int, bytearray] = {}
        self.brk = 0
        self.min_address = 0
        self.overcommit = OVERCOMMIT

    def set_mmap_base(self, address: int) -> None:
        self.base = address

    def _place(self, address: int, length: int, prot: int, flags: int) -> int:
        assert address % PAGE_SIZE == 0
        assert length % PAGE_SIZE == 0
        assert 0 < length < 1 << 64
        if length > USER_TOP or (prot & PROT_WRITE and length > self.overcommit):
            raise Errno.ENOMEM
        if flags & (MAP_FIXED | MAP_FIXED_NOREPLACE):
            if address > USER_TOP - length:
                raise Errno.ENOMEM
            if address < self.min_address:
                raise Errno.EPERM
            if flags & MAP_FIXED_NOREPLACE and self._overlaps(address, address + length):
                raise Errno.EEXIST
            self.munmap(address, length)
            return address
        if address and address <= USER_TOP - length and not self._overlaps(address, address + length):
            return address
        end = self.base
        for vma in reversed(self.vmas):
            if vma.start >= self.base:
                continue
            if end - vma.end >= length:
                break
            end = min(end, vma.start)
        if end - length < PAGE_SIZE:
            raise Errno.ENOMEM
        return end - length

    def _overlaps(self, start: int, end: int) -> bool:
        return any(vma.start < end and start < vma.end for vma in self.vmas)

    def mmap_file(self, address: int, length: int, prot: int, flags: int, file: ExecFile, offset: int) -> int:
        assert offset % PAGE_SIZE == 0
        if offset + length >= 1 << 64:
            raise Errno.EINVAL
        if offset + length > elf.LLONG_MAX:
            raise Errno.EOVERFLOW
        address = self._place(address, length, prot, flags)
        insort(self.vmas, Vma(address, address + length, prot, file, offset))
        return address

    def mmap_anonymous(self, address: int, length: int, prot: int, flags: int) -> int:
        address = self._place(address, length, prot, flags)
        insort(self.vmas, Vma(address, address + length, prot, None, 0, bool(flags & MAP_GROWSDOWN)))
        return address

    def munmap(self, address: int, length: int) -> None:
        if address > USER_TOP or length > USER_TOP - address:
            raise Errno.EINVAL
        end = address + length
        kept: list[Vma] = []
        for vma in self.vmas:
            if vma.start >= end or vma.end <= address:
                kept.append(vma)
                continue
            if vma.start < address:
                kept.append(Vma(vma.start, address, vma.prot, vma.file, vma.offset))
            if vma.end > end:
                kept.append(Vma(end, vma.end, vma.prot, vma.file, vma.offset + end - vma.start if vma.file else 0))
        self.vmas = kept
        if self.pages:
            self.pages = {page: data for page, data in self.pages.items() if not address <= page < end}

    def map_vdso(self) -> int:
        return self.mmap_file(0, PAGE_SIZE, PROT_READ | PROT_EXEC, 0, BytesFile(VDSO.ljust(PAGE_SIZE, b"\0"), "[vdso]"), 0)

    def find(self, address: int) -> Vma | None:
        return next((vma for vma in self.vmas if vma.start <= address < vma.end), None)

    def _page(self, page: int) -> bytearray:
        """The contents of a page; EFAULT where nothing is mapped or the file has ended (SIGBUS)."""
        vma = self.find(page)
        if vma is None:
            raise Errno.EFAULT
        if page in self.pages:
            return self.pages[page]
        if vma.file is None:
            return bytearray(PAGE_SIZE)
        data = vma.file.read_at(vma.offset + page - vma.start, PAGE_SIZE)
        if not data:
            raise Errno.EFAULT
        return bytearray(data.ljust(PAGE_SIZE, b"\0"))

    def write(self, address: int, data: bytes) -> None:
        while data:
            page, skew = address & -PAGE_SIZE, address % PAGE_SIZE
            vma = self.find(page)
            if vma is None or not vma.prot & PROT_WRITE:
                raise Errno.EFAULT
            contents = self._page(page)
            part = data[: PAGE_SIZE - skew]
            contents[skew : skew + len(part)] = part
            self.pages[page] = contents
            address += len(part)
            data = data[len(part) :]

    def read(self, address: int, size: int) -> bytes:
        result = bytearray()
        while size:
            skew = address % PAGE_SIZE
            part = self._page(address & -PAGE_SIZE)[skew : skew + size]
            result += part
            address += len(part)
            size -= len(part)
        return bytes(result)

    def word(self, address: int) -> int:
        return int.from_bytes(self.read(address, 8), "little")

    def set_brk(self, start: int) -> None:
        self.brk = start

    def maps(self) -> list[tuple[int, int, str, str]]:
        """What /proc/PID/maps would say: start, end, rwx, file name."""
        result = []
        for vma in self.vmas:
            prot = "".join(c if vma.prot & bit else "-" for c, bit in zip("rwx", (PROT_READ, PROT_WRITE, PROT_EXEC), strict=True))
            result.append((vma.start, vma.end, prot, vma.file.name if isinstance(vma.file, BytesFile) else ""))
        return result


def commit(program: Program, memory: FakeMemory, stack_limit: int = STACK_LIMIT, credentials: Credentials | None = None) -> Image:
    """Commit without address randomisation."""
    layout = choose(stack_limit, None)
    return program.commit(memory, layout, RANDOM, credentials or Credentials(), Processor(), stack_limit)


def load(
    file: ExecFile, argv: tuple[bytes, ...] = (b"prog",), envp: tuple[bytes, ...] = (), disk: Disk | None = None
) -> tuple[Image, FakeMemory]:
    """Prepare and commit into a fresh address space."""
    memory = FakeMemory()
    program = prepare(file, b"/prog", argv, envp, STACK_LIMIT, (disk or Disk()).open_exec)
    return commit(program, memory), memory


EXIT_42 = b"\xb8\x3c\0\0\0\xbf\x2a\0\0\0\x0f\x05"
"""mov $60, %eax; mov $42, %edi; syscall"""
CODE_AT = 0x400


@dataclass(slots=True)
class ElfSpec:
    """A small ELF file, field by field; ``make`` turns it into bytes of one page that exit with status 42."""

    type: int = elf.ET_EXEC
    machine: int = elf.EM_X86_64
    entry: int = 0x400000 + CODE_AT
    phoff: int = 64
    phentsize: int = 56
    phnum: int | None = None
    ident: bytes = b"\x7fELF\x02\x01\x01"
    phdrs: Sequence[elf.Phdr] = (elf.Phdr(elf.PT_LOAD, elf.PF_R | elf.PF_X, 0, 0x400000, 0, 0x1000, 0x1000, 0x1000),)
    interp: bytes = b""
    size: int = 0x1000

    def make(self) -> bytes:
        phdrs = b"".join(pack("<IIQQQQQQ", *phdr) for phdr in self.phdrs)
        phnum = len(self.phdrs) if self.phnum is None else self.phnum
        header = elf.EHDR.pack(
            self.ident.ljust(16, b"\0"), self.type, self.machine, 1, self.entry, self.phoff, 0, 0,
            64, self.phentsize, phnum, 0, 0, 0,
        )  # fmt: skip
        image = bytearray((header + phdrs).ljust(0x300, b"\0") + self.interp)
        image = image.ljust(CODE_AT, b"\0")
        image += EXIT_42
        return bytes(image.ljust(self.size, b"\xcc")[: self.size])


INTERP_AT = 0x300
"""Where ``ElfSpec.interp`` is in the file."""


def load_segment(
    vaddr: int = 0x400000,
    offset: int = 0,
    filesz: int = 0x1000,
    memsz: int | None = None,
    flags: int = elf.PF_R | elf.PF_X,
    align: int = 0x1000,
) -> elf.Phdr:
    """A PT_LOAD."""
    return elf.Phdr(elf.PT_LOAD, flags, offset, vaddr, 0, filesz, filesz if memsz is None else memsz, align)


def interp_header(path: bytes, size: int | None = None) -> elf.Phdr:
    """A PT_INTERP for a path that is stored with its terminating zero at INTERP_AT."""
    length = len(path) + 1 if size is None else size
    return elf.Phdr(elf.PT_INTERP, elf.PF_R, INTERP_AT, 0x400000 + INTERP_AT, 0, length, length, 1)
