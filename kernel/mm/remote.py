"""One process and the memory of another: process_vm_readv and its kin (mm/process_vm_access.c).

Access goes by ``may_access``, the rule of ptrace(2) ("Ptrace access mode checking", PTRACE_MODE_ATTACH_REALCREDS).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kernel.cred import CAP_SYS_PTRACE
from kernel.errno import Errno

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from kernel.task import Thread

Vector = Sequence[tuple[int, int]]


def may_access(t: Thread, target: Thread) -> None:
    """EPERM unless ``t`` may read and write the memory of ``target``: the same process, or the same user throughout, at
    least the same capabilities and a dumpable target, or CAP_SYS_PTRACE."""
    if t.process is target.process or t.cred.capable(CAP_SYS_PTRACE):
        return
    mine, other = t.cred, target.cred
    if (mine.uid, mine.uid, mine.uid) != (other.euid, other.suid, other.uid):
        raise Errno.EPERM
    if (mine.gid, mine.gid, mine.gid) != (other.egid, other.sgid, other.gid):
        raise Errno.EPERM
    if other.permitted & ~mine.permitted or (target.mm is not None and target.mm.dumpable != 1):
        raise Errno.EPERM


def memory_of(t: Thread, target: Thread) -> AddressSpace:
    """Return the address space of ``target`` if ``t`` may access it (``mm_access``).  EPERM; ESRCH if it has none."""
    if target.mm is None:
        raise Errno.ESRCH
    may_access(t, target)
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
