"""The vDSO: a shared library the kernel maps into every program (vdso(7)).

On Linux it reads the clock without a system call.  Here time belongs to the kernel's deterministic clock, so each
function simply makes the call of its name; what matters is that programs find what they look for: a real ELF image
with a dynamic symbol table, both kinds of hash table (musl reads DT_HASH, Go and glibc either), the version
LINUX_2.6 and unwind information.  The image is generated, so no binary has to be shipped.

One read-only executable segment holds everything: headers, code, hash tables, symbols, versions, dynamic section, note
and unwind tables.  Section names and headers follow behind it for the benefit of debuggers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from struct import pack
from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.errno import Errno
from kernel.hardware import PAGE_SHIFT, PAGE_SIZE
from loader.elf import (
    EHDR,
    ELF_MAGIC,
    EM_X86_64,
    ET_DYN,
    PF_R,
    PF_X,
    PHDR,
    PT_DYNAMIC,
    PT_GNU_EH_FRAME,
    PT_LOAD,
    PT_NOTE,
)  # fmt: skip

if TYPE_CHECKING:
    from kernel.hardware import Frames

SONAME = b"linux-vdso.so.1"
VERSION_NAME = b"LINUX_2.6"

FUNCTIONS: Final = (
    (b"clock_gettime", 228),
    (b"gettimeofday", 96),
    (b"time", 201),
    (b"getcpu", 309),
    (b"clock_getres", 229),
)
"""Each is exported as ``__vdso_NAME`` and, weakly, as ``NAME``; the arguments are those of the system call."""

SHT_PROGBITS, SHT_STRTAB, SHT_HASH, SHT_DYNAMIC, SHT_NOTE, SHT_DYNSYM = 1, 3, 5, 6, 7, 11
SHT_GNU_HASH, SHT_GNU_VERDEF, SHT_GNU_VERSYM = 0x6FFFFFF6, 0x6FFFFFFD, 0x6FFFFFFF
SHF_ALLOC, SHF_EXECINSTR = 2, 4
SHN_ABS = 0xFFF1
STB_GLOBAL, STB_WEAK = 1, 2
STT_OBJECT, STT_FUNC = 1, 2
VER_FLG_BASE = 1
DT_NULL, DT_HASH, DT_STRTAB, DT_SYMTAB, DT_STRSZ, DT_SYMENT, DT_SONAME = 0, 4, 5, 6, 10, 11, 14
DT_GNU_HASH, DT_VERSYM, DT_VERDEF, DT_VERDEFNUM = 0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFFC, 0x6FFFFFFD


class _Symbol(NamedTuple):
    name: bytes
    info: int
    shndx: int
    value: int
    size: int


class _Section(NamedTuple):
    name: bytes
    type: int
    flags: int
    offset: int
    data: bytes
    align: int
    entsize: int = 0
    link: bytes = b""
    info: int = 0


def elf_hash(name: bytes) -> int:
    """The hash function of DT_HASH and of version names (System V gABI, chapter 5)."""
    value = 0
    for byte in name:
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ high >> 24) & ~high & 0xFFFFFFFF
    return value


def gnu_hash(name: bytes) -> int:
    """The hash function of DT_GNU_HASH."""
    value = 5381
    for byte in name:
        value = (value * 33 + byte) & 0xFFFFFFFF
    return value


def _stub(number: int) -> bytes:
    """Assemble ``mov $number, %eax; syscall; ret``, padded with nops to 16 bytes."""
    return (b"\xb8" + pack("<I", number) + b"\x0f\x05\xc3").ljust(16, b"\x90")


def _align(offset: int, to: int) -> int:
    return (offset + to - 1) & -to


class _Strings:
    """A string table: offset 0 is the empty string."""

    __slots__ = ("data", "offsets")

    def __init__(self) -> None:
        self.data = bytearray(1)
        self.offsets: dict[bytes, int] = {b"": 0}

    def add(self, name: bytes) -> int:
        if name not in self.offsets:
            self.offsets[name] = len(self.data)
            self.data += name + b"\0"
        return self.offsets[name]


def _hash_table(symbols: Sequence[_Symbol]) -> bytes:
    """DT_HASH with as many buckets as symbols; ``symbols[0]`` is the null symbol."""
    count = len(symbols)
    buckets = [0] * count
    chains = [0] * count
    for index in range(1, count):
        bucket = elf_hash(symbols[index].name) % count
        chains[index], buckets[bucket] = buckets[bucket], index
    return pack(f"<{2 + 2 * count}I", count, count, *buckets, *chains)


def _gnu_hash_table(symbols: Sequence[_Symbol]) -> bytes:
    """DT_GNU_HASH with one bucket, which spares sorting the symbols, and a Bloom filter of one word."""
    hashes = [gnu_hash(symbol.name) for symbol in symbols[1:]]
    shift = 6
    bloom = 0
    for value in hashes:
        bloom |= 1 << (value % 64) | 1 << ((value >> shift) % 64)
    chain = [value & ~1 for value in hashes]
    chain[-1] |= 1
    return pack("<IIIIQI", 1, 1, 1, shift, bloom, 1) + pack(f"<{len(chain)}I", *chain)


def _symbol_table(symbols: Sequence[_Symbol], strings: _Strings) -> bytes:
    return b"".join(pack("<IBBHQQ", strings.add(s.name), s.info, 0, s.shndx, s.value, s.size) for s in symbols)


def _version_definitions(strings: _Strings) -> bytes:
    """Two Elf64_Verdef, each followed by its Elf64_Verdaux: the library itself (base) and LINUX_2.6."""
    base = pack("<HHHHIII", 1, VER_FLG_BASE, 1, 1, elf_hash(SONAME), 20, 28) + pack("<II", strings.add(SONAME), 0)
    version = pack("<HHHHIII", 1, 0, 2, 1, elf_hash(VERSION_NAME), 20, 0) + pack("<II", strings.add(VERSION_NAME), 0)
    return base + version


def _unwind_tables(header_at: int, frame_at: int, text_at: int, text_size: int) -> tuple[bytes, bytes]:
    """Return .eh_frame_hdr and .eh_frame: one range in which the caller's frame is always RSP+8.

    All pointers are PC-relative signed 32-bit (DW_EH_PE_pcrel|sdata4), the search table is relative to the header.
    """
    cie_body = pack("<IB4sBBBBB", 0, 1, b"zR\0\x01", 0x78, 16, 1, 0x1B, 0x0C) + bytes((7, 8, 0x90, 1))
    cie_body = cie_body.ljust(_align(len(cie_body) + 4, 8) - 4, b"\0")
    cie = pack("<I", len(cie_body)) + cie_body
    fde_at = frame_at + len(cie)
    fde_body = pack("<IiIB", len(cie) + 4, text_at - (fde_at + 8), text_size, 0)
    fde_body = fde_body.ljust(_align(len(fde_body) + 4, 8) - 4, b"\0")
    frame = cie + pack("<I", len(fde_body)) + fde_body + bytes(4)
    header = pack("<BBBBiIii", 1, 0x1B, 0x03, 0x3B, frame_at - (header_at + 4), 1, text_at - header_at, fde_at - header_at)
    return header, frame


@cache
def image(release: tuple[int, int, int] = (6, 12, 0)) -> bytes:
    """Return the vDSO as it is mapped, a whole number of pages.

    ``release`` is the kernel version its note carries (LINUX_VERSION_CODE), which old C libraries check.
    """
    strings = _Strings()
    soname = strings.add(SONAME)
    note = pack("<III", 6, 4, 0) + b"Linux\0\0\0" + pack("<I", release[0] << 16 | release[1] << 8 | release[2])
    text = b"".join(_stub(number) for _, number in FUNCTIONS)

    end = EHDR.size + 4 * PHDR.size
    sections: list[_Section] = []
    at: dict[bytes, int] = {}

    def place(
        name: bytes, kind: int, data: bytes, align: int, entsize: int = 0, link: bytes = b"", info: int = 0, flags: int = 0
    ) -> None:
        nonlocal end
        end = _align(end, align)
        at[name] = end
        sections.append(_Section(name, kind, SHF_ALLOC | flags, end, data, align, entsize, link, info))
        end += len(data)

    # The code comes first, so that symbols and unwind tables know where it is.
    place(b".text", SHT_PROGBITS, text, 16, flags=SHF_EXECINSTR)
    text_at = at[b".text"]
    symbols = [_Symbol(b"", 0, 0, 0, 0), _Symbol(VERSION_NAME, STB_GLOBAL << 4 | STT_OBJECT, SHN_ABS, 0, 0)]
    for index, (name, _) in enumerate(FUNCTIONS):
        for prefix, bind in ((b"__vdso_", STB_GLOBAL), (b"", STB_WEAK)):
            symbols.append(_Symbol(prefix + name, bind << 4 | STT_FUNC, len(sections), text_at + 16 * index, 8))
    dynsym = _symbol_table(symbols, strings)
    verdef = _version_definitions(strings)
    versym = pack(f"<{len(symbols)}H", 0, *(2 for _ in symbols[1:]))
    place(b".hash", SHT_HASH, _hash_table(symbols), 8, 4, b".dynsym")
    place(b".gnu.hash", SHT_GNU_HASH, _gnu_hash_table(symbols), 8, 0, b".dynsym")
    place(b".dynsym", SHT_DYNSYM, dynsym, 8, 24, b".dynstr", 1)
    place(b".dynstr", SHT_STRTAB, bytes(strings.data), 1)
    place(b".gnu.version", SHT_GNU_VERSYM, versym, 2, 2, b".dynsym")
    place(b".gnu.version_d", SHT_GNU_VERDEF, verdef, 8, 0, b".dynstr", 2)
    dynamic = (
        (DT_SONAME, soname),
        (DT_HASH, at[b".hash"]),
        (DT_GNU_HASH, at[b".gnu.hash"]),
        (DT_STRTAB, at[b".dynstr"]),
        (DT_SYMTAB, at[b".dynsym"]),
        (DT_STRSZ, len(strings.data)),
        (DT_SYMENT, 24),
        (DT_VERDEF, at[b".gnu.version_d"]),
        (DT_VERDEFNUM, 2),
        (DT_VERSYM, at[b".gnu.version"]),
        (DT_NULL, 0),
    )
    place(b".dynamic", SHT_DYNAMIC, b"".join(pack("<QQ", *entry) for entry in dynamic), 8, 16, b".dynstr")
    place(b".note", SHT_NOTE, note, 4)
    header_at = _align(end, 4)
    frame_at = _align(header_at + 20, 8)
    header, frame = _unwind_tables(header_at, frame_at, text_at, len(text))
    place(b".eh_frame_hdr", SHT_PROGBITS, header, 4)
    place(b".eh_frame", SHT_PROGBITS, frame, 8)

    names = _Strings()
    for section in sections:
        names.add(section.name)
    names.add(b".shstrtab")
    sections.append(_Section(b".shstrtab", SHT_STRTAB, 0, end, bytes(names.data), 1))
    shoff = _align(end + len(names.data), 8)
    numbers = {section.name: index for index, section in enumerate(sections, 1)}
    headers = bytes(64) + b"".join(
        pack(
            "<IIQQQQIIQQ",
            names.add(s.name), s.type, s.flags, s.offset if s.flags else 0, s.offset, len(s.data),
            numbers.get(s.link, 0), s.info, s.align, s.entsize,
        )
        for s in sections
    )  # fmt: skip
    size = shoff + len(headers)

    by_name = {section.name: section for section in sections}

    def phdr(kind: int, flags: int, offset: int, length: int, align: int) -> bytes:
        return PHDR.pack(kind, flags, offset, offset, offset, length, length, align)

    def covering(kind: int, name: bytes) -> bytes:
        return phdr(kind, PF_R, by_name[name].offset, len(by_name[name].data), by_name[name].align)

    result = bytearray(_align(size, PAGE_SIZE))
    ident = (ELF_MAGIC + b"\x02\x01\x01").ljust(16, b"\0")
    EHDR.pack_into(
        result, 0, ident, ET_DYN, EM_X86_64, 1, text_at, EHDR.size, shoff, 0,
        EHDR.size, PHDR.size, 4, 64, len(sections) + 1, numbers[b".shstrtab"],
    )  # fmt: skip
    result[EHDR.size : EHDR.size + 4 * PHDR.size] = (
        phdr(PT_LOAD, PF_R | PF_X, 0, end, PAGE_SIZE)
        + covering(PT_DYNAMIC, b".dynamic")
        + covering(PT_NOTE, b".note")
        + covering(PT_GNU_EH_FRAME, b".eh_frame_hdr")
    )
    for section in sections:
        result[section.offset : section.offset + len(section.data)] = section.data
    result[shoff:size] = headers
    return bytes(result)


class VdsoPages:
    """The vDSO as pages to map (a ``PageSource``), the same frames in every address space."""

    __slots__ = ("_frames", "_numbers", "size")

    def __init__(self, frames: Frames) -> None:
        """Put the image into frames of its own, which stay allocated for the life of the machine."""
        data = image()
        self.size = len(data)
        self._frames = frames
        self._numbers: list[int] = []
        for offset in range(0, self.size, PAGE_SIZE):
            frame = frames.allocate()
            start = frame << PAGE_SHIFT
            frames.memory[start : start + PAGE_SIZE] = data[offset : offset + PAGE_SIZE]
            self._numbers.append(frame)

    def page(self, index: int) -> int:
        """Return the frame of page ``index`` with a new reference; EFAULT beyond the end."""
        if index >= len(self._numbers):
            raise Errno.EFAULT
        frame = self._numbers[index]
        self._frames.get(frame)
        return frame

    def dirty(self, index: int) -> None:
        """Never happens: the vDSO is mapped private and read-only."""
        raise Errno.EACCES
