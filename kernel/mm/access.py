"""How the kernel reads and writes the memory of a program (``copy_from_user`` and ``copy_to_user``).

A software page walk: user addresses are looked up in the page tables and missing pages are faulted in exactly as if the program
had touched them.  What was found is remembered per page until the mapping changes, so that the usual small access costs two
dictionary look-ups.  ``_readable`` and ``_writable`` map page number -> offset of the frame in guest RAM; a page is in
``_writable`` only if the processor could write it too.  Every change of a present page goes through this address space,
which forgets the pages concerned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from struct import Struct
from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.hardware import PAGE_MASK, PAGE_SIZE, PTE_FRAME, PTE_P, PTE_U, PTE_W, USER_TOP, OutOfFrames
from kernel.mm import fault

if TYPE_CHECKING:
    from kernel.hardware import PageTables
    from kernel.mm.memory import Memory

_U32 = Struct("<I")
_I32 = Struct("<i")
_U64 = Struct("<Q")
_IOVEC = Struct("<QQ")
_IOVEC32 = Struct("<II")

UIO_MAXIOV = 1024
MAX_RW_COUNT = 0x7FFF_F000
"""Most bytes one read or write transfers (INT_MAX rounded down to a page)."""
_CACHE_LIMIT = 8192
_FEW = 64
"""Up to so many remembered pages it is cheaper to look which of them changed than to find the rest again."""

_READ = PTE_P | PTE_U
_WRITE = PTE_P | PTE_U | PTE_W


class UserAccess:
    """The part of an address space that copies bytes in and out.  All addresses are user addresses; EFAULT where the
    program itself could not have made the access."""

    __slots__ = ("memory", "tables", "ram", "code_changed", "_readable", "_writable")

    memory: Memory
    tables: PageTables

    def __init__(self, memory: Memory, tables: PageTables) -> None:
        self.memory = memory
        self.tables = tables
        self.ram = memory.memory
        self.code_changed = memory.code_changed
        self._readable: dict[int, int] = {}
        self._writable: dict[int, int] = {}

    def forget(self, page: int) -> None:
        """The entry of the page at address ``page`` changed."""
        self._readable.pop(page >> 12, None)
        self._writable.pop(page >> 12, None)

    def forget_range(self, start: int, end: int) -> None:
        """Entries of [start, end) changed."""
        first, stop = start >> 12, end >> 12
        for cache in (self._readable, self._writable):
            if len(cache) > _FEW:
                cache.clear()
            else:
                for page in [page for page in cache if first <= page < stop]:
                    del cache[page]

    def forget_all(self) -> None:
        """Any entries changed."""
        self._readable.clear()
        self._writable.clear()

    # -- pages ----------------------------------------------------------------------------------------------------
    def _touch(self, address: int, write: bool) -> int:
        """Make the page at ``address`` accessible and return the offset of its frame in RAM."""
        if not 0 <= address < USER_TOP:
            raise Errno.EFAULT
        page = address & ~PAGE_MASK
        wanted = _WRITE if write else _READ
        entry = self.tables.lookup(page)
        if entry & wanted != wanted:
            try:
                failed = fault.fault(self, address, write, False)  # type: ignore[arg-type]
            except OutOfFrames:
                raise Errno.EFAULT from None
            if failed is not None:
                raise Errno.EFAULT
            entry = self.tables.lookup(page)
            if entry & wanted != wanted:
                raise Errno.EFAULT
        self.remember(page, entry)
        return entry & PTE_FRAME

    def remember(self, page: int, entry: int) -> None:
        """The page at address ``page`` has this entry: keep what the program itself may do with it."""
        if len(self._readable) > _CACHE_LIMIT:
            self.forget_all()
        if entry & _READ == _READ:
            self._readable[page >> 12] = entry & PTE_FRAME
            if entry & PTE_W:
                self._writable[page >> 12] = entry & PTE_FRAME

    # -- reading --------------------------------------------------------------------------------------------------
    def read(self, address: int, size: int, force: bool = False) -> bytes:
        """Return ``size`` bytes at ``address``.  ``force``: as a debugger, whatever the protection."""
        start = address & 0xFFF
        base = self._readable.get(address >> 12)
        if base is not None and start + size <= 4096:
            start += base
            return self.ram[start : start + size].tobytes()
        data = self.copy_in_partial(address, size, force)
        if len(data) != size:
            raise Errno.EFAULT
        return data

    def read_code(self, address: int) -> int:
        """Return the byte of code at ``address`` as a debugger sees it, 0 if there is none."""
        base = self._readable.get(address >> 12)
        if base is not None:
            return self.ram[base + (address & 0xFFF)]
        code = self.copy_in_partial(address, 1, True)
        return code[0] if code else 0

    def copy_in_partial(self, address: int, size: int, force: bool = False) -> bytes:
        """Return the bytes at ``address`` up to the first that cannot be read, at most ``size``."""
        readable = self._readable
        ram = self.ram
        base = readable.get(address >> 12)
        start = address & 0xFFF
        if base is not None and start + size <= 4096:
            start += base
            return ram[start : start + size].tobytes()
        parts: list[memoryview] = []
        end = address + size
        try:
            while address < end:
                base = readable.get(address >> 12)
                if base is None:
                    if force:
                        base = fault.foreign_page(self, address, False)  # type: ignore[arg-type]
                    else:
                        base = self._touch(address, False)
                start = address & 0xFFF
                count = 4096 - start
                if count > end - address:
                    count = end - address
                start += base
                parts.append(ram[start : start + count])
                address += count
        except Errno.EFAULT:
            pass
        return parts[0].tobytes() if len(parts) == 1 else b"".join(parts)

    def read_cstring(self, address: int, limit: int) -> bytes | None:
        """Return the bytes before the first NUL at ``address``; None if there is none within ``limit`` bytes."""
        parts: list[bytes] = []
        while limit > 0:
            base = self._readable.get(address >> 12)
            if base is None:
                base = self._touch(address, False)
            start = address & 0xFFF
            count = min(4096 - start, limit)
            chunk = self.ram[base + start : base + start + count].tobytes()
            end = chunk.find(0)
            if end >= 0:
                parts.append(chunk[:end])
                return parts[0] if len(parts) == 1 else b"".join(parts)
            parts.append(chunk)
            address += count
            limit -= count
        return None

    def read_u32(self, address: int) -> int:
        """Return the unsigned 32-bit number at ``address``."""
        start = address & 0xFFF
        if start <= 4092:
            base = self._readable.get(address >> 12)
            if base is None:
                base = self._touch(address, False)
            number: int = _U32.unpack_from(self.ram, base + start)[0]
            return number
        return int.from_bytes(self.read(address, 4), "little")

    def read_i32(self, address: int) -> int:
        """Return the signed 32-bit number at ``address``."""
        number: int = _I32.unpack(self.read(address, 4))[0]
        return number

    def read_u64(self, address: int) -> int:
        """Return the unsigned 64-bit number at ``address``."""
        start = address & 0xFFF
        if start <= 4088:
            base = self._readable.get(address >> 12)
            if base is None:
                base = self._touch(address, False)
            number: int = _U64.unpack_from(self.ram, base + start)[0]
            return number
        return int.from_bytes(self.read(address, 8), "little")

    def read_pointers(self, address: int, limit: int) -> list[int] | None:
        """Return the 64-bit words at ``address`` before the first 0 (argv, envp); None if there are ``limit`` or more."""
        words: list[int] = []
        while True:
            word = self.read_u64(address)
            if not word:
                return words
            words.append(word)
            if len(words) >= limit:
                return None
            address += 8

    # -- writing --------------------------------------------------------------------------------------------------
    def write(self, address: int, data: bytes | bytearray | memoryview, force: bool = False) -> None:
        """Store ``data`` at ``address``.  ``force``: as a debugger; private pages are copied, their protection kept."""
        size = len(data)
        start = address & 0xFFF
        if start + size <= 4096:
            base = self._writable.get(address >> 12)
            if base is None and size and not force:
                base = self._touch(address, True)
            if base is not None:
                start += base
                self.ram[start : start + size] = data
                self.code_changed(base >> 12)
                return
        if self.copy_out_partial(address, data, force) != size:
            raise Errno.EFAULT

    def copy_out_partial(self, address: int, data: bytes | bytearray | memoryview, force: bool = False) -> int:
        """Store ``data`` up to the first byte that cannot be written; return how many were stored."""
        done = 0
        size = len(data)
        writable = self._writable
        view = memoryview(data)
        try:
            while done < size:
                base = writable.get(address >> 12)
                if base is None:
                    if force:
                        base = fault.foreign_page(self, address, True)  # type: ignore[arg-type]
                    else:
                        base = self._touch(address, True)
                start = address & 0xFFF
                count = 4096 - start
                if count > size - done:
                    count = size - done
                self.ram[base + start : base + start + count] = view[done : done + count]
                self.code_changed(base >> 12)
                done += count
                address += count
        except Errno.EFAULT:
            pass
        return done

    def write_quiet(self, address: int, data: bytes) -> bool:
        """Store ``data`` if that is possible (``put_user`` whose result nobody looks at); tell whether it was."""
        try:
            self.write(address, data)
        except Errno.EFAULT:
            return False
        return True

    def write_u32(self, address: int, value: int) -> None:
        """Store a 32-bit number (taken modulo 2**32)."""
        base = self._writable.get(address >> 12)
        start = address & 0xFFF
        if base is not None and start <= 4092:
            _U32.pack_into(self.ram, base + start, value & 0xFFFF_FFFF)
            self.code_changed(base >> 12)
        else:
            self.write(address, _U32.pack(value & 0xFFFF_FFFF))

    def write_u64(self, address: int, value: int) -> None:
        """Store a 64-bit number (taken modulo 2**64)."""
        base = self._writable.get(address >> 12)
        start = address & 0xFFF
        if base is not None and start <= 4088:
            _U64.pack_into(self.ram, base + start, value & 0xFFFF_FFFF_FFFF_FFFF)
            self.code_changed(base >> 12)
        else:
            self.write(address, _U64.pack(value & 0xFFFF_FFFF_FFFF_FFFF))

    def clear(self, address: int, size: int) -> None:
        """Store ``size`` zero bytes (``clear_user``)."""
        while size > 0:
            count = min(size, PAGE_SIZE)
            self.write(address, bytes(count))
            address += count
            size -= count

    # -- atomic operations ----------------------------------------------------------------------------------------
    def atomic_u32(self, address: int, change: Callable[[int], int | None]) -> int:
        """Replace the aligned 32-bit number at ``address`` by ``change(number)``, unless that is None; return the old
        one.  The page must be writable even if nothing is stored, as for a locked instruction."""
        base = self._writable.get(address >> 12)
        if base is None:
            base = self._touch(address, True)
        at = base + (address & 0xFFF)
        old: int = _U32.unpack_from(self.ram, at)[0]
        new = change(old)
        if new is not None:
            _U32.pack_into(self.ram, at, new & 0xFFFF_FFFF)
            self.code_changed(base >> 12)
        return old

    def cmpxchg_u32(self, address: int, expected: int, new: int) -> int:
        """Store ``new`` if the aligned 32-bit number at ``address`` is ``expected``; return what was there."""
        return self.atomic_u32(address, lambda old: new if old == expected else None)

    # -- vectors --------------------------------------------------------------------------------------------------
    def read_iovec(self, address: int, count: int, check: bool = True, ia32: bool = False) -> list[tuple[int, int]]:
        """Return ``count`` (address, length) pairs of a ``struct iovec`` array (``import_iovec``), or with ``ia32`` of the one
        of i386.

        EINVAL: more than UIO_MAXIOV or a negative length.  EFAULT: a buffer outside user space.  The total is cut to
        MAX_RW_COUNT.  Without ``check`` the buffers are another process's and only the lengths count.
        """
        if check:
            count &= 0xFFFF_FFFF  # import_iovec takes an unsigned int
        if not 0 <= count <= UIO_MAXIOV:
            raise Errno.EINVAL
        vector: list[tuple[int, int]] = []
        left = MAX_RW_COUNT
        kind = _IOVEC32 if ia32 else _IOVEC
        entries = list(kind.iter_unpack(self.read(address, kind.size * count) if count else b""))
        if any(length >> 8 * kind.size // 2 - 1 for _, length in entries):
            raise Errno.EINVAL
        if not check:
            return entries
        for base, length in entries:
            if base + length > USER_TOP:
                raise Errno.EFAULT
            length = min(length, left)
            left -= length
            vector.append((base, length))
        return vector

    def gather(self, vector: Iterable[tuple[int, int]]) -> bytes:
        """Return the bytes of all buffers; short if one cannot be read to its end.  EFAULT if not even the first byte
        can."""
        parts: list[bytes] = []
        for base, length in vector:
            if length:
                data = self.copy_in_partial(base, length)
                parts.append(data)
                if len(data) != length:
                    if not any(parts):
                        raise Errno.EFAULT
                    break
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def scatter(self, vector: Iterable[tuple[int, int]], data: bytes) -> int:
        """Distribute ``data`` over the buffers; return how many bytes were stored.  EFAULT if none could be."""
        done = 0
        for base, length in vector:
            part = data[done : done + length]
            if not part:
                if length:
                    break
                continue
            stored = self.copy_out_partial(base, part)
            done += stored
            if stored != len(part):
                if not done:
                    raise Errno.EFAULT
                break
        return done
