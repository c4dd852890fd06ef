"""Malformed programs get from the loader what they get from the host's kernel.

Every file here is one page that exits with status 42 if it is started.  The host says which of three things happens:
execve fails with an errno, the process is killed by SIGSEGV because the error came too late, or the program runs.
"""

from __future__ import annotations

import errno
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from loader_machine import CODE_AT, BytesFile, Disk, ElfSpec, FakeMemory, commit, interp_header, load_segment

from kernel.errno import Errno
from loader import elf
from loader.binfmt import PROT_EXEC, prepare

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="compares with the kernel of an x86-64 Linux host"
)

SELF = load_segment()
DATA = load_segment(vaddr=0x600000, offset=0, filesz=0x800, memsz=0x2000, flags=6)
NOTE = elf.Phdr(elf.PT_NOTE, 4, 0, 0, 0, 0, 0, 0)
STACK = elf.Phdr(elf.PT_GNU_STACK, 6, 0, 0, 0, 0, 0, 16)
HUGE = (0, 1, 0x1000, 1 << 31, 1 << 32, 1 << 46, 1 << 47, (1 << 47) - 0x1000, 1 << 62, 1 << 63, (1 << 64) - 0x1000, (1 << 64) - 1)


def pie(*phdrs: elf.Phdr, entry: int = CODE_AT) -> ElfSpec:
    return ElfSpec(type=elf.ET_DYN, entry=entry, phdrs=phdrs)


PROGRAMS: dict[str, ElfSpec] = {
    "good": ElfSpec(),
    "good with data": ElfSpec(phdrs=(SELF, DATA, STACK)),
    "other class and byte order": ElfSpec(ident=b"\x7fELF\x01\x02\x09\xff"),
    "bad magic": ElfSpec(ident=b"\x7fELX"),
    "relocatable": ElfSpec(type=1),
    "core": ElfSpec(type=4),
    "aarch64": ElfSpec(machine=183),
    "phentsize": ElfSpec(phentsize=55),
    "no headers": ElfSpec(phnum=0),
    "73 headers": ElfSpec(phdrs=(SELF, *(NOTE,) * 72), size=0x2000, entry=0x400000 + 64 + 73 * 56),
    "1171 headers": ElfSpec(phdrs=(SELF, *(NOTE,) * 1170), size=0x11000),
    "headers behind the end": ElfSpec(phoff=0xFF0),
    "headers at a negative offset": ElfSpec(phoff=(1 << 64) - 64),
    "63 bytes": ElfSpec(size=63),
    "64 bytes": ElfSpec(size=64),
    "headers only": ElfSpec(size=120),
    "empty": ElfSpec(size=0),
    "no segment": ElfSpec(phdrs=(NOTE,)),
    "entry 0": ElfSpec(entry=0),
    "entry in the kernel": ElfSpec(entry=1 << 63),
    "entry at the end of user space": ElfSpec(entry=(1 << 47) - 0x1000),
    "zeros only": ElfSpec(phdrs=(SELF, load_segment(vaddr=0x600000, filesz=0, memsz=0x5000, flags=6))),
    "empty segment": ElfSpec(phdrs=(SELF, load_segment(vaddr=0x600000, filesz=0, memsz=0, flags=6))),
    "more in the file than in memory": ElfSpec(phdrs=(SELF, DATA._replace(memsz=0x7FF))),
    "offset and address disagree": ElfSpec(phdrs=(SELF, DATA._replace(offset=0x10))),
    "offset negative after rounding": ElfSpec(phdrs=(SELF, DATA._replace(vaddr=0x600800, offset=0x7F0))),
    "zeroing behind the end of the file": ElfSpec(phdrs=(SELF, DATA._replace(offset=0x3000))),
    "zeroing read-only behind the end": ElfSpec(phdrs=(SELF, DATA._replace(offset=0x3000, flags=4))),
    "same address twice": ElfSpec(phdrs=(SELF, SELF)),
    "overlap takes the code away": ElfSpec(phdrs=(SELF, DATA._replace(vaddr=0x400000))),
    "overlap of zeros": ElfSpec(phdrs=(load_segment(memsz=0x5000), load_segment(vaddr=0x402000))),
    "descending": ElfSpec(phdrs=(DATA, SELF)),
    "no permission": ElfSpec(phdrs=(load_segment(flags=0),)),
    "read only": ElfSpec(phdrs=(load_segment(flags=4),)),
    "execute only": ElfSpec(phdrs=(load_segment(flags=1),)),
    "on the stack": ElfSpec(phdrs=(load_segment(vaddr=0x7FFFFFFFD000),)),
    "second one on the stack": ElfSpec(phdrs=(SELF, load_segment(vaddr=0x7FFFFFFFD000, flags=6))),
    "second one replaces the stack read-only": ElfSpec(phdrs=(SELF, load_segment(vaddr=0x7FFFFFFFE000, flags=4))),
    "pie": pie(load_segment(vaddr=0)),
    "pie at an address": pie(load_segment(vaddr=0x400000), entry=0x400400),
    "pie without segment": pie(NOTE),
    "pie of zeros": pie(load_segment(vaddr=0, filesz=0, memsz=0x1000)),
    "pie of nothing": pie(load_segment(vaddr=0, filesz=0, memsz=0)),
    "pie aligned to 2 MiB": pie(load_segment(vaddr=0, align=1 << 21)),
    "pie aligned to 2**46": pie(load_segment(vaddr=0, align=1 << 46)),
    "pie aligned to 2**63": pie(load_segment(vaddr=0, align=1 << 63)),
    "pie aligned to 3": pie(load_segment(vaddr=0, align=3)),
    "pie, second below the first": pie(load_segment(vaddr=0x5000), load_segment(vaddr=0, flags=6), entry=0x5400),
    "pie of zeros, aligned to 2 MiB": pie(load_segment(vaddr=0x200000, filesz=0, memsz=0x1000, align=1 << 21)),
    "interpreter missing": ElfSpec(phdrs=(SELF, interp_header(b"/nowhere")), interp=b"/nowhere\0"),
    "interpreter empty": ElfSpec(phdrs=(SELF, interp_header(b"", 2)), interp=b"\0\0"),
    "interpreter of one byte": ElfSpec(phdrs=(SELF, interp_header(b"", 1)), interp=b"\0"),
    "interpreter not terminated": ElfSpec(phdrs=(SELF, interp_header(b"/nowhere")), interp=b"/nowherex"),
    "interpreter path of 4096": ElfSpec(phdrs=(SELF, interp_header(b"", 4096))),
    "interpreter path of 4097": ElfSpec(phdrs=(SELF, interp_header(b"", 4097))),
    "interpreter behind the end": ElfSpec(phdrs=(SELF, interp_header(b"x" * 9)._replace(offset=0xFFF))),
    "interpreter at a negative offset": ElfSpec(phdrs=(SELF, interp_header(b"x" * 9)._replace(offset=1 << 63))),
    "interpreter at an overflowing offset": ElfSpec(phdrs=(SELF, interp_header(b"x" * 9)._replace(offset=(1 << 63) - 2))),
    "interpreter after a zero": ElfSpec(phdrs=(SELF, interp_header(b"/nowhere\0junk")), interp=b"/nowhere\0junk\0"),
}
for _value in HUGE:
    PROGRAMS |= {
        f"memsz {_value:#x}": ElfSpec(phdrs=(SELF, DATA._replace(memsz=_value))),
        f"filesz {_value:#x}": ElfSpec(phdrs=(SELF, DATA._replace(filesz=_value))),
        f"filesz and memsz {_value:#x}": ElfSpec(phdrs=(SELF, DATA._replace(filesz=_value, memsz=_value))),
        f"offset {_value:#x}": ElfSpec(phdrs=(SELF, DATA._replace(offset=_value))),
        f"vaddr {_value:#x}": ElfSpec(phdrs=(SELF, DATA._replace(vaddr=_value))),
        f"first memsz {_value:#x}": ElfSpec(phdrs=(load_segment(memsz=_value),)),
        f"first vaddr {_value:#x}": ElfSpec(phdrs=(load_segment(vaddr=_value),)),
        f"pie memsz {_value:#x}": pie(load_segment(vaddr=0, memsz=_value)),
        f"pie vaddr {_value:#x}": pie(load_segment(vaddr=_value), entry=_value + 0x400 & elf.U64),
        f"pie second vaddr {_value:#x}": pie(load_segment(vaddr=0), load_segment(vaddr=_value, flags=6)),
        f"pie entry {_value:#x}": pie(load_segment(vaddr=0), entry=_value),
        f"phoff {_value:#x}": ElfSpec(phoff=_value),
    }

INTERPRETERS: dict[str, bytes] = {
    "good": pie(load_segment(vaddr=0), DATA._replace(vaddr=0x2000)).make(),
    "fixed": ElfSpec(phdrs=(load_segment(vaddr=0x10000000),), entry=0x10000400).make(),
    "fixed over the program": ElfSpec().make(),
    "at an address": pie(load_segment(vaddr=0x5000), entry=0x5400).make(),
    "empty": b"",
    "short": b"\x7fELF" + bytes(59),
    "text": b"#!/bin/sh\nexit 42\n".ljust(128),
    "other machine": ElfSpec(machine=3).make(),
    "relocatable": ElfSpec(type=1).make(),
    "phentsize": ElfSpec(phentsize=57).make(),
    "no headers": ElfSpec(phnum=0).make(),
    "headers behind the end": ElfSpec(phoff=0xFF0).make(),
    "no segment": pie(NOTE).make(),
    "more in the file than in memory": pie(load_segment(vaddr=0, memsz=0xFFF)).make(),
    "huge": pie(load_segment(vaddr=0, memsz=1 << 46)).make(),
    "larger": pie(load_segment(vaddr=0, memsz=1 << 47)).make(),
    "entry in the kernel": pie(load_segment(vaddr=0), entry=1 << 63).make(),
    "second segment far away": pie(load_segment(vaddr=0), load_segment(vaddr=1 << 46)).make(),
}

Outcome = str


def native(path: Path) -> Outcome:
    """What the host makes of it; the process may use little time and no core file."""
    import ctypes
    import resource

    def confine() -> None:
        ctypes.CDLL(None).personality(0x0040000)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (2, 2))
        resource.setrlimit(resource.RLIMIT_STACK, (8 << 20, 8 << 20))

    try:
        code = subprocess.run([path], preexec_fn=confine, timeout=10, check=False, stdout=subprocess.DEVNULL).returncode
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return {42: "exits", -signal.SIGSEGV: "SIGSEGV", -signal.SIGTRAP: "SIGTRAP", -signal.SIGBUS: "SIGBUS"}.get(
        code, f"status {code}"
    )


def ours(data: bytes, disk: Disk) -> Outcome:
    """What the loader makes of it; a loaded program is judged by where it would start."""
    try:
        program = prepare(BytesFile(data), b"/prog", (b"/prog",), (), 8 << 20, disk.open_exec)
    except Errno as error:
        return type(error).__name__
    memory = FakeMemory()
    if os.geteuid():
        memory.min_address = int(Path("/proc/sys/vm/mmap_min_addr").read_text())
    try:
        image = commit(program, memory)
    except Errno:
        return "SIGSEGV"
    vma = memory.find(image.entry)
    if vma is None or not vma.prot & PROT_EXEC:
        return "SIGSEGV"
    try:
        code = memory.read(image.entry, 12)
    except Errno:
        return "SIGBUS"
    if code.startswith(b"\xb8\x3c"):
        return "exits"
    # Zeros are add %al,(%rax) with RAX 0.
    return "SIGTRAP" if code.startswith(b"\xcc") else "SIGSEGV"


def executable(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str, tmp_path: Path) -> None:
    data = PROGRAMS[name].make()
    assert ours(data, Disk()) == native(executable(tmp_path / "prog", data))


def fixed(interp: elf.Phdr) -> ElfSpec:
    return ElfSpec(phdrs=(SELF, interp))


def moved(interp: elf.Phdr) -> ElfSpec:
    return pie(load_segment(vaddr=0), interp)


@pytest.mark.parametrize("name", INTERPRETERS)
@pytest.mark.parametrize("make", [fixed, moved], ids=["fixed", "moved"])
def test_interpreter(name: str, make: Callable[[elf.Phdr], ElfSpec], tmp_path: Path) -> None:
    path = os.fsencode(executable(tmp_path / "ld.so", INTERPRETERS[name]))
    spec = make(interp_header(path))
    spec.interp = path + b"\0"
    data = spec.make()
    assert ours(data, Disk({path: BytesFile(INTERPRETERS[name])})) == native(executable(tmp_path / "prog", data))
