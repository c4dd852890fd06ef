"""The kernel's address space as the loader uses it (``binfmt.Memory`` over ``AddressSpace``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from kernel.errno import Errno
from kernel.mm.mmap import do_mmap, do_munmap, map_special, set_mmap_base
from kernel.mm.vma import VM_EXEC, VM_MAYEXEC, VM_MAYREAD, VM_MAYWRITE, VM_READ
from loader.binfmt import ExecFile
from loader.elf import U64

if TYPE_CHECKING:
    from kernel.fs.file import File, PageSource
    from kernel.mm.address_space import AddressSpace
    from kernel.task import Thread

VDSO_FLAGS = VM_READ | VM_EXEC | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC
"""A debugger may write to it, and gets its own copy (``map_vdso``)."""


class OpenedFile(Protocol):
    """An ``ExecFile`` that knows the kernel's open file it reads from."""

    file: File


class ProcessMemory:
    """The new address space ``mm`` of ``t``; ``vdso`` None maps no vDSO."""

    __slots__ = ("mm", "t", "vdso")

    def __init__(self, t: Thread, mm: AddressSpace, vdso: PageSource | None) -> None:
        self.t = t
        self.mm = mm
        self.vdso = vdso

    def set_mmap_base(self, address: int) -> None:
        """Let mappings without a fixed address grow down from ``address``."""
        set_mmap_base(self.mm, address)

    def mmap_file(self, address: int, length: int, prot: int, flags: int, file: ExecFile, offset: int) -> int:
        """Map a file; ``vm_mmap`` itself refuses offsets that wrap around, and a file system those no file can have."""
        if offset + length > U64:
            raise Errno.EINVAL("a segment's file offset wraps around")
        if offset + length > U64 >> 1:
            raise Errno.EOVERFLOW("a segment's file offset is too large")
        return do_mmap(self.mm, self.t, address, length, prot, flags, cast(OpenedFile, file).file, offset)

    def mmap_anonymous(self, address: int, length: int, prot: int, flags: int) -> int:
        """Map zeros."""
        return do_mmap(self.mm, self.t, address, length, prot, flags)

    def munmap(self, address: int, length: int) -> None:
        """Unmap a range."""
        do_munmap(self.mm, address, length)

    def map_vdso(self) -> int:
        """Map the vDSO into a free place."""
        if self.vdso is None:
            return 0
        self.mm.vdso = map_special(self.mm, 0, self.vdso, b"[vdso]", VDSO_FLAGS)
        return self.mm.vdso

    def write(self, address: int, data: bytes) -> None:
        """Store as the program itself would."""
        self.mm.write(address, data)

    def set_brk(self, start: int) -> None:
        """Let the heap start, empty, at ``start``."""
        self.mm.set_brk(start)
