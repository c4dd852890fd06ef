"""Segments: descriptor tables in guest RAM, and the hidden parts of the segment registers.

A program loads a segment register from one of two tables of descriptors, and the engine reads them as the processor does, by
a linear address.  Both stand in a window of the upper half of every address space, where CPL 3 cannot look.  All share one set
of tables for it; an address space whose program made descriptors of its own (modify_ldt(2)) gets a set with its LDT in it.
The LDT always has its full length: a descriptor of zeros is refused just like one beyond the end.

=============  ====================================================================================
reserved       use
=============  ====================================================================================
first          the page of the GDT, whose entries 12 to 14 are those of the running thread
second         a page of zeros, of which an LDT consists to begin with
third to 5th   the tables from the window's entry in the root down
=============  ====================================================================================

What a segment register holds besides its selector (base, limit, attributes) can be set from outside only in a saved context.
"""

from __future__ import annotations

import struct

from kernel.hardware import GDT, PAGE_SHIFT, PAGE_SIZE, PTE_NX, PTE_P, PTE_U, PTE_W, segment_base, segment_limit

from .frames import FrameAllocator

FRAMES = 5
"""Reserved frames, from ``FrameAllocator.segments`` on."""
ROOT_INDEX = 508
"""The window's entry in the root table of an address space."""
GDT_BASE = 0xFFFF_FE00_0000_0000
GDT_LIMIT = 16 * 8 - 1
LDT_BASE = GDT_BASE + (16 << PAGE_SHIFT)
LDT_PAGES = 16
LDT_LIMIT = LDT_PAGES * PAGE_SIZE - 1
LDT_FLAGS = 0x8200
"""Attributes of a present LDT."""

_TLS_OFFSET = 12 * 8
NO_TLS = bytes(24)
_TABLE = PTE_P | PTE_W | PTE_U
_LEAF = PTE_P | PTE_NX
_LDT_INDEX = 16


def build(frames: FrameAllocator) -> None:
    """Write the tables that all address spaces share into the frames reserved for them."""
    gdt, zero, upper, middle, low = range(frames.segments, frames.segments + FRAMES)
    entries = frames.entries
    for index, descriptor in GDT.items():
        entries[(gdt << 9) + index] = descriptor
    entries[upper << 9] = middle << PAGE_SHIFT | _TABLE
    entries[middle << 9] = low << PAGE_SHIFT | _TABLE
    entries[low << 9] = gdt << PAGE_SHIFT | _LEAF
    for page in range(LDT_PAGES):
        entries[(low << 9) + _LDT_INDEX + page] = zero << PAGE_SHIFT | _LEAF
    for frame in (gdt, zero, upper, middle, low):
        frames.counts[frame] = 1


def shared_entry(frames: FrameAllocator) -> int:
    """Return the entry of a new root table for the window, with a reference; 0 where no engine has built one."""
    if not frames.segments:
        return 0
    upper = frames.segments + 2
    frames.counts[upper] += 1
    return upper << PAGE_SHIFT | PTE_P | PTE_U


def private_entry(frames: FrameAllocator, ldt: bytes) -> int:
    """Return an entry for a window with an LDT of these descriptors (8 bytes each), whose tables are new.  Raises OutOfFrames."""
    gdt, zero = frames.segments, frames.segments + 1
    pages = [ldt[at:at + PAGE_SIZE] for at in range(0, len(ldt), PAGE_SIZE)]
    taken: list[int] = []
    try:
        for _ in range(3 + len(pages)):
            taken.append(frames.allocate())
    except BaseException:
        for frame in taken:
            frames.put(frame)
        raise
    upper, middle, low, *contents = taken
    entries = frames.entries
    entries[upper << 9] = middle << PAGE_SHIFT | _TABLE
    entries[middle << 9] = low << PAGE_SHIFT | _TABLE
    frames.get(gdt)
    entries[low << 9] = gdt << PAGE_SHIFT | _LEAF
    for page in range(LDT_PAGES):
        frame = zero
        if page < len(pages):
            frame = contents[page]
            frames.memory[frame << PAGE_SHIFT:(frame << PAGE_SHIFT) + len(pages[page])] = pages[page]
        else:
            frames.get(zero)
        entries[(low << 9) + _LDT_INDEX + page] = frame << PAGE_SHIFT | _LEAF
    return upper << PAGE_SHIFT | PTE_P | PTE_U


def load_tls(frames: FrameAllocator, descriptors: bytes) -> None:
    """Make ``descriptors`` (24 bytes) entries 12 to 14 of the GDT (load_TLS)."""
    at = (frames.segments << PAGE_SHIFT) + _TLS_OFFSET
    frames.memory[at:at + len(NO_TLS)] = descriptors


# -- what is hidden in a segment register ------------------------------------------------------------------------------
_ES, _CS, _SS, _DS, _FS, _GS = range(6)
REGISTERS = {"es": _ES, "cs": _CS, "ss": _SS, "ds": _DS, "fs": _FS, "gs": _GS}
"""Segment register -> its place in the processor's state."""
_HIDDEN = struct.Struct("<QQII")  # selector, base, limit, attributes
_SIZE = _HIDDEN.size
_HIDDEN_CODE64 = 0x00A0_FB00
_HIDDEN_DATA = 0x00C0_F300
_LONG, _BIG = 1 << 21, 1 << 22
# Of QEMU's hflags: which code is translated.
_HF_CPL, _HF_CS32, _HF_SS32, _HF_ADDSEG, _HF_PE, _HF_LMA, _HF_CS64 = 3, 1 << 4, 1 << 5, 1 << 6, 1 << 7, 1 << 14, 1 << 15
_HF_START = _HF_CPL | _HF_CS32 | _HF_SS32 | _HF_PE | _HF_LMA | _HF_CS64


def find(context: bytes, code: int, stack: int) -> int | None:
    """Return the offset of the segment registers in a saved context that runs 64-bit code with these selectors of CS and SS;
    None if they are not found where an engine that is known has them."""
    words = memoryview(context[:len(context) & ~3]).cast("I")
    found = [
        at for at in range(2, len(words) - 36)
        if (words[at + 6], words[at + 11], words[at + 12], words[at + 17]) == (code, _HIDDEN_CODE64, stack, _HIDDEN_DATA)
        and words[at - 2] & (_HF_START | _HF_ADDSEG) == _HF_START
    ]
    return 4 * found[0] if len(found) == 1 else None


def base(context: bytearray, at: int, name: str) -> int:
    """Return the base of segment register ``name`` of a saved context whose segment registers are at ``at``."""
    start = at + _SIZE * REGISTERS[name]
    where: int = _HIDDEN.unpack_from(context, start)[1]
    return where


def set_selector(context: bytearray, at: int, name: str, selector: int) -> None:
    """Change the selector of segment register ``name`` of a saved context, and nothing of what is hidden behind it."""
    start = at + _SIZE * REGISTERS[name]
    context[start:start + 4] = selector.to_bytes(4, "little")


def load(context: bytearray, at: int, name: str, selector: int, descriptor: int) -> None:
    """Load segment register ``name`` of a saved context with what ``descriptor`` says (8 bytes as a number, 0: none)."""
    attributes = descriptor >> 32 & 0x00F0_FF00
    start = at + _SIZE * REGISTERS[name]
    context[start:start + _SIZE] = _HIDDEN.pack(selector, segment_base(descriptor), segment_limit(descriptor), attributes)
    _set_mode(context, at)


def _set_mode(context: bytearray, at: int) -> None:
    """Bring the mode of translation into line with the segments (cpu_x86_load_seg_cache of QEMU)."""
    def word(offset: int) -> int:
        return int.from_bytes(context[offset:offset + 4], "little")

    flags = word(at - 8) & ~(_HF_CS32 | _HF_SS32 | _HF_ADDSEG | _HF_CS64)
    code, stack = (word(at + _SIZE * register + 20) for register in (_CS, _SS))
    if code & _LONG:
        flags |= _HF_CS32 | _HF_SS32 | _HF_CS64
    else:
        flags |= (_HF_CS32 if code & _BIG else 0) | (_HF_SS32 if stack & _BIG else 0)
        if not code & _BIG or any(word(at + _SIZE * register + 8) for register in (_ES, _SS, _DS)):
            flags |= _HF_ADDSEG
    context[at - 8:at - 4] = flags.to_bytes(4, "little")
