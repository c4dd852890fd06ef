"""One process and the memory of another: process_vm_readv and its kin (mm/process_vm_access.c).

Access goes by ``ptrace_access.check_access``, the rule of ptrace(2) ("Ptrace access mode checking").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.ptrace_access import check_access

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from kernel.task import Thread

Vector = Sequence[tuple[int, int]]


def memory_of(t: Thread, target: Thread, mode: int) -> AddressSpace:
    """Return the address space of ``target`` if ``t`` may access it (``mm_access``), ``mode`` as of ``check_access``.

    EPERM; ESRCH if it has none."""
    if target.mm is None:
        raise Errno.ESRCH
    check_access(t, target, mode)
    return target.mm


def transfer(mine: AddressSpace, local: Vector, other: AddressSpace, remote: Vector, write: bool) -> int:
    """Copy between two address spaces; return the bytes copied before the first that could not be.  EFAULT if none
    could (process_vm_readv(2)); transfers are cut at the granularity of a ``remote`` element."""
    done = 0
    rest = iter(local)
    at, room = next(rest, (0, 0))
    for address, length in remote:
        while length:
            while not room:
                following = next(rest, None)
                if following is None:
                    return done
                at, room = following
            count = min(length, room)
            if write:
                data = mine.copy_in_partial(at, count)
                stored = other.copy_out_partial(address, data)
            else:
                data = other.copy_in_partial(address, count)
                stored = mine.copy_out_partial(at, data)
            done += stored
            if stored < count:
                if not done:
                    raise Errno.EFAULT
                return done
            address, length = address + count, length - count
            at, room = at + count, room - count
    return done
