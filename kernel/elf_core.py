"""What stands in a core file (core(5), elf_core_dump of fs/binfmt_elf.c).

A core file is an ELF file of type ET_CORE: one PT_NOTE segment with what is not memory (registers of every thread, the signal,
the auxiliary vector, which files were mapped where) and one PT_LOAD segment for each area, in the order of addresses.  An area
that is left out, or can be read from its file again, has a segment without bytes.

``elf_core`` yields the file piece by piece, bytes or the length of a hole, because RLIMIT_CORE cuts it off before the piece that
would not fit, and because a pipe takes it only as fast as somebody reads.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.clocks import CpuTimes, process_times
from kernel.errno import Errno
from kernel.fs.proc.array import state, task_flags
from kernel.hardware import PAGE_SHIFT, PAGE_SIZE, PTE_FRAME
from kernel.mm.fault import foreign_page
from kernel.mm.shmem import ShmemPages
from kernel.mm.vma import VM_DONTDUMP, VM_EXEC, VM_IO, VM_READ, VM_SHARED, VM_WRITE, Vma
from kernel.pid import Pid, PidNamespace, ns_of
from kernel.ptrace_user import NT_PRFPREG, NT_PRSTATUS, get_regset

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from kernel.signal import SigInfo
    from kernel.task import Thread

_EHDR: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_PHDR: Final = struct.Struct("<IIQQQQQQ")
_SHDR: Final = struct.Struct("<IIQQQQIIQQ")
_NOTE: Final = struct.Struct("<III")
_IDENT: Final = b"\x7fELF\x02\x01\x01"
"""64 bits, little endian, version 1."""
_ET_CORE, _EM_X86_64, _EV_CURRENT = 4, 62, 1
_PT_LOAD, _PT_NOTE = 1, 4
_PF_X, _PF_W, _PF_R = 1, 2, 4
_PN_XNUM: Final = 0xFFFF
"""e_phnum of a file with more segments than that; the number is then in the only section header (elf(5))."""

_NT_PRPSINFO: Final = 3
_NT_AUXV: Final = 6
_NT_SIGINFO: Final = 0x53494749
_NT_FILE: Final = 0x46494C45
_PRSTATUS: Final = struct.Struct("<iiih2xQQ4i8q")
"""struct elf_prstatus up to the registers: si_signo, si_code, si_errno, pr_cursig, pr_sigpend, pr_sighold, four ids, four
struct timeval (user, system, and both of the children)."""
_PRPSINFO: Final = struct.Struct("<bcbb4xQII4i16s80s")
_ARGUMENTS: Final = 80
"""ELF_PRARGSZ."""
_MAX_FILE_NOTE: Final = 4 << 20

# /proc/PID/coredump_filter (core(5)); bits 5 to 8 are about kinds of memory this kernel does not have.
ANON_PRIVATE: Final = 1 << 0
ANON_SHARED: Final = 1 << 1
MAPPED_PRIVATE: Final = 1 << 2
MAPPED_SHARED: Final = 1 << 3
ELF_HEADERS: Final = 1 << 4
Piece = bytes | int
"""Bytes of the file, or the length of a hole."""


class Segment(NamedTuple):
    """An area and how many of its bytes the file has."""

    vma: Vma
    size: int


# -- memory -----------------------------------------------------------------------------------------------------------
def _named(vma: Vma) -> bool:
    """A mapping of the kernel's own, which no file could replace: the vDSO (always_dump_vma)."""
    return vma.name.startswith(b"[") and not vma.name.startswith(b"[anon")


def _deleted(vma: Vma) -> bool:
    """Shared memory without a name to find it by again: anonymous, or its file has been unlinked."""
    return vma.file is None or (inode := vma.file.inode()) is None or inode.nlink == 0


def dump_size(mm: AddressSpace, vma: Vma) -> int:
    """Return how many bytes of an area the core file gets (vma_dump_size)."""
    whole = vma.end - vma.start
    chosen = mm.dump_filter
    if _named(vma):
        return whole
    if vma.flags & (VM_DONTDUMP | VM_IO):
        return 0
    if vma.flags & VM_SHARED:
        return whole if chosen & (ANON_SHARED if _deleted(vma) else MAPPED_SHARED) else 0
    if vma.anon is not None and chosen & ANON_PRIVATE:
        return whole
    if vma.file is None and not isinstance(vma.source, ShmemPages):
        return 0
    if chosen & MAPPED_PRIVATE:
        return whole
    if chosen & ELF_HEADERS and vma.pgoff == 0 and vma.flags & VM_READ and vma.file is not None:
        # The first page says which file it was: programs, and libraries that are not executable but ELF all the same.
        inode = vma.file.inode()
        if (inode is not None and inode.mode & 0o111) or mm.copy_in_partial(vma.start, 4) == _IDENT[:4]:
            return PAGE_SIZE
    return 0


def segments(mm: AddressSpace) -> list[Segment]:
    """Return the areas with their sizes in the file (dump_vma_snapshot)."""
    return [Segment(vma, dump_size(mm, vma)) for vma in list(mm.areas.areas)]


def _frames(mm: AddressSpace, segment: Segment) -> Iterator[tuple[int, int]]:
    """Yield (address, offset of the frame in RAM) of each page of a segment that exists (get_dump_page).

    Memory that nobody has touched does not exist, and is not made for this; the pages of files are read.
    """
    vma = segment.vma
    end = vma.start + segment.size
    if vma.source is None:
        for address, entry in mm.tables.present(vma.start, end):
            yield address, entry & PTE_FRAME
        return
    pages: Iterable[int]
    if isinstance(vma.source, ShmemPages):
        known = vma.source.pages
        pages = [vma.start + ((i - vma.pgoff) << PAGE_SHIFT) for i in sorted(known) if vma.pgoff <= i < vma.index(end)]
    else:
        pages = range(vma.start, end, PAGE_SIZE)
    for address in pages:
        with suppress(Errno.EFAULT):  # beyond the end of the file
            yield address, foreign_page(mm, address, False)


def _pages(mm: AddressSpace, segment: Segment) -> Iterator[Piece]:
    """Yield the pages of a segment and the holes between them (dump_user_range)."""
    ram = mm.ram
    at, end = segment.vma.start, segment.vma.start + segment.size
    for address, base in _frames(mm, segment):
        if address > at:
            yield address - at
        yield ram[base : base + PAGE_SIZE].tobytes()
        at = address + PAGE_SIZE
    if at < end:
        yield end - at


# -- notes ------------------------------------------------------------------------------------------------------------
def _align(size: int) -> int:
    return -size % 4


def _note(name: bytes, kind: int, data: bytes) -> list[Piece]:
    """One note: header, name and data, the latter two padded to 4 bytes (writenote)."""
    name += b"\0"
    return [_NOTE.pack(len(name), len(data), kind), name, _align(len(name)), data, _align(len(data))]


def _times(times: CpuTimes) -> tuple[int, int, int, int]:
    return (*divmod(times.utime // 1000, 1_000_000), *divmod(times.stime // 1000, 1_000_000))


def _ids(t: Thread, pid: Pid, ns: PidNamespace) -> tuple[int, int, int, int]:
    parent = t.real_parent
    ppid = parent.pid.nr_in(ns) if parent is not None else 0
    return pid.nr_in(ns), ppid, t.process.pgrp.nr_in(ns), t.process.session.nr_in(ns)


def _prstatus(t: Thread, dumper: Thread, signo: int) -> bytes:
    """struct elf_prstatus of one thread; the first thread's times are the whole process's (fill_prstatus)."""
    process = t.process
    first = t.pid is process.tgid_pid
    head = _PRSTATUS.pack(
        *(signo, 0, 0, signo, t.pending.mask, t.blocked),
        *_ids(t, t.pid, ns_of(dumper)),
        *_times(process_times(process) if first else t.times),
        *_times(process.child_times),
    )
    return head + get_regset(t, NT_PRSTATUS) + b"\x01\0\0\0\0\0\0\0"  # pr_fpvalid


def _prpsinfo(mm: AddressSpace, dumper: Thread) -> bytes:
    """struct elf_prpsinfo: the process as ps would show it (fill_psinfo)."""
    process = dumper.process
    first = process.tgid_pid.thread or process.rep
    names = "RSDTZ"
    # The siblings wait in their exit, in a sleep that is shown as D.
    name = "R" if first is dumper else state(first) if state(first) in names else "D"
    arguments = mm.copy_in_partial(mm.arg_start, min(mm.arg_end - mm.arg_start, _ARGUMENTS - 1))
    return _PRPSINFO.pack(
        *(names.index(name), name.encode(), name == "Z", first.sched.nice, task_flags(first), first.cred.uid, first.cred.gid),
        *_ids(first, process.tgid_pid, ns_of(dumper)),
        *(first.comm, arguments.replace(b"\0", b" ")),
    )


def _auxv(mm: AddressSpace) -> bytes:
    """The auxiliary vector up to and with AT_NULL."""
    auxv = mm.auxv
    for at in range(0, len(auxv), 16):
        if not any(auxv[at : at + 8]):
            return auxv[: at + 16]
    return auxv


def _files(areas: Sequence[Segment], t: Thread) -> bytes:
    """NT_FILE: count and page size, (start, end, page offset) of each mapped file, then their names (fill_files_note)."""
    numbers: list[int] = []
    names: list[bytes] = []
    for vma, _ in areas:
        if vma.file is not None:
            names.append(vma.file.path(t) + b"\0")
        elif isinstance(vma.source, ShmemPages):
            names.append(vma.name + b"\0")
        else:
            continue
        numbers += (vma.start, vma.end, vma.pgoff)
    return struct.pack(f"<{2 + len(numbers)}Q", len(names), PAGE_SIZE, *numbers) + b"".join(names)


def _notes(dumper: Thread, threads: Sequence[Thread], info: SigInfo, mm: AddressSpace, areas: Sequence[Segment]) -> list[Piece]:
    """Return all notes: each thread's registers, those about the process after the first thread's status."""
    pieces: list[Piece] = []
    for t in threads:
        pieces += _note(b"CORE", NT_PRSTATUS, _prstatus(t, dumper, info.signo))
        if t is dumper:
            pieces += _note(b"CORE", _NT_PRPSINFO, _prpsinfo(mm, dumper))
            pieces += _note(b"CORE", _NT_SIGINFO, info.pack())
            pieces += _note(b"CORE", _NT_AUXV, _auxv(mm))
            files = _files(areas, dumper)
            if len(files) < _MAX_FILE_NOTE:
                pieces += _note(b"CORE", _NT_FILE, files)
        pieces += _note(b"CORE", NT_PRFPREG, get_regset(t, NT_PRFPREG))
    return pieces


# -- the file ---------------------------------------------------------------------------------------------------------
def elf_core(dumper: Thread, threads: Sequence[Thread], info: SigInfo) -> Iterator[Piece]:
    """Yield the core file of the process of ``dumper``, which dies of ``info``.

    ``threads``: all its threads that stand still for this, ``dumper`` first (debuggers take the first for the one that
    failed).
    """
    mm = dumper.mm
    assert mm is not None
    areas = segments(mm)
    notes = _notes(dumper, threads, info, mm, areas)
    count = len(areas) + 1
    extended = count >= _PN_XNUM
    notes_at = _EHDR.size + count * _PHDR.size
    notes_size = sum(piece if isinstance(piece, int) else len(piece) for piece in notes)
    data_at = (notes_at + notes_size + PAGE_SIZE - 1) & -PAGE_SIZE
    end = data_at + sum(size for _, size in areas)
    header = (_PN_XNUM, _SHDR.size, 1) if extended else (count, 0, 0)
    yield _EHDR.pack(
        *(_IDENT, _ET_CORE, _EM_X86_64, _EV_CURRENT, 0, _EHDR.size, end if extended else 0, 0, _EHDR.size, _PHDR.size),
        *(*header, 0),
    )
    yield _PHDR.pack(_PT_NOTE, 0, notes_at, 0, 0, notes_size, 0, 0)
    offset = data_at
    for vma, size in areas:
        access = vma.flags
        flags = _PF_R * (access & VM_READ != 0) + _PF_W * (access & VM_WRITE != 0) + _PF_X * (access & VM_EXEC != 0)
        yield _PHDR.pack(_PT_LOAD, flags, offset, vma.start, 0, size, vma.end - vma.start, PAGE_SIZE)
        offset += size
    yield from notes
    yield data_at - notes_at - notes_size
    for segment in areas:
        yield from _pages(mm, segment)
    if extended:
        yield _SHDR.pack(0, 0, 0, 0, 0, 1, 0, count, 0, 0)
