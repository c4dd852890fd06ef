"""Restartable sequences (rseq(2), kernel/rseq.c).

A thread registers a structure in its memory.  While it runs a critical section that structure points to a descriptor
{start, length, abort address}; if the thread is preempted or takes a signal inside the section, the kernel sends it to
the abort address, so that the section either runs through undisturbed or starts again.  With one processor the CPU,
node and concurrency ids the kernel keeps in the structure are always 0.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.hardware import USER_TOP
from kernel.signal_send import force_sigsegv

if TYPE_CHECKING:
    from kernel.task import Thread

RSEQ_FLAG_UNREGISTER = 1
CPU_ID_UNINITIALIZED = 0xFFFFFFFF
ORIG_SIZE = 32
"""What the first version of the structure takes; also its alignment."""
FEATURE_SIZE = 28
"""Offset of the end of the fields this kernel fills (AT_RSEQ_FEATURE_SIZE)."""

_CS_POINTER = 8
_IDS = struct.Struct("<IIQIII")
_CRITICAL_SECTION = struct.Struct("<IIQQQ")
_MASK = (1 << 64) - 1


def register(t: Thread, address: int, length: int, flags: int, signature: int) -> None:
    """rseq(2): register the structure at ``address``, or with RSEQ_FLAG_UNREGISTER take it back.

    EINVAL: bad flags, alignment, size, or not what is registered.  EPERM: the signature differs.  EBUSY: registered
    already.  EFAULT.
    """
    have, have_length, have_signature = t.rseq
    if flags & RSEQ_FLAG_UNREGISTER:
        if flags != RSEQ_FLAG_UNREGISTER or not have or address != have or length != have_length:
            raise Errno.EINVAL
        if signature != have_signature:
            raise Errno.EPERM
        _write_ids(t, address, length, CPU_ID_UNINITIALIZED)
        t.rseq = (0, 0, 0)
        return
    if flags:
        raise Errno.EINVAL
    if have:
        if address != have or length != have_length:
            raise Errno.EINVAL
        raise Errno.EBUSY if signature == have_signature else Errno.EPERM
    if length < ORIG_SIZE or address % ORIG_SIZE:
        raise Errno.EINVAL
    if address + length > USER_TOP:
        raise Errno.EFAULT
    _write_ids(t, address, length, 0)
    t.rseq = (address, length, signature)


def _write_ids(t: Thread, address: int, length: int, cpu: int) -> None:
    """Store cpu_id_start, cpu_id, node_id and mm_cid, and no critical section; ``flags`` belongs to the program."""
    mm = t.mm
    assert mm is not None
    _, _, _, flags, _, _ = _IDS.unpack(mm.read(address, _IDS.size))
    mm.write(address, _IDS.pack(0, cpu, 0, flags, 0, 0))


def fix_up(t: Thread) -> None:
    """Abort the critical section ``t`` is in, if any (rseq_ip_fixup): it was preempted or is about to run a handler.

    Called while the thread is not running, before a handler's frame is built.  A broken descriptor is SIGSEGV.
    """
    address = t.rseq[0]
    mm = t.mm
    if not address or mm is None:
        return
    try:
        descriptor = mm.read_u64(address + _CS_POINTER)
        if descriptor:
            abort = _abort_address(t, descriptor)
            # Outside the section the pointer is stale, inside it has served: either way it is cleared.
            mm.write_u64(address + _CS_POINTER, 0)
            if abort:
                t.cpu.rip = abort
    except Errno:
        force_sigsegv(t, 0)


def _abort_address(t: Thread, descriptor: int) -> int:
    """Return where to go if ``t`` is inside the section, else 0.  EINVAL, EFAULT: a descriptor that cannot be right."""
    mm = t.mm
    assert mm is not None
    version, flags, start, length, abort = _CRITICAL_SECTION.unpack(mm.read(descriptor, _CRITICAL_SECTION.size))
    end = start + length & _MASK
    if start >= USER_TOP or end >= USER_TOP or end < start or abort >= USER_TOP or version or flags:
        raise Errno.EINVAL
    if abort - start & _MASK < length or mm.read_u32(abort - 4) != t.rseq[2]:
        raise Errno.EINVAL
    return abort if t.cpu.rip - start & _MASK < length else 0
