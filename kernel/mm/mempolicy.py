"""NUMA policies on a machine with one node (mm/mempolicy.c).

Every policy leads to node 0, so only the bookkeeping is left: arguments are checked as Linux checks them, and what was set can be
read back.  A policy is (mode with its flags, node mask); None is the default one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.hardware import PAGE_MASK, PAGE_SHIFT
from kernel.mm.mmap import page_align

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from kernel.task import Thread

Policy = tuple[int, int]

MPOL_DEFAULT, MPOL_PREFERRED, MPOL_BIND, MPOL_INTERLEAVE, MPOL_LOCAL, MPOL_PREFERRED_MANY = range(6)
MPOL_F_STATIC_NODES = 1 << 15
MPOL_F_RELATIVE_NODES = 1 << 14
MPOL_F_NUMA_BALANCING = 1 << 13
MPOL_MODE_FLAGS = MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES | MPOL_F_NUMA_BALANCING
MPOL_F_NODE = 1
MPOL_F_ADDR = 2
MPOL_F_MEMS_ALLOWED = 4
MPOL_MF_VALID = 7
ONLINE = 1
"""Mask of the nodes there are."""


def read_nodes(mm: AddressSpace, address: int, maxnode: int) -> int:
    """Fetch a node mask of ``maxnode`` - 1 bits from user memory (``get_nodes``).  EINVAL: too long or unknown bits."""
    bits = maxnode - 1
    if bits <= 0 or not address:
        return 0
    if bits > PAGE_MASK * 8:
        raise Errno.EINVAL
    mask = int.from_bytes(mm.read(address, (bits + 63) // 64 * 8), "little") & ((1 << bits) - 1)
    if mask >> 64:
        raise Errno.EINVAL
    return mask


def make_policy(mode: int, nodes: int) -> Policy | None:
    """Check a mode (with flags) and node mask and return the policy (``mpol_new``, ``mpol_set_nodemask``).  EINVAL."""
    flags, mode = mode & MPOL_MODE_FLAGS, mode & ~MPOL_MODE_FLAGS
    if not 0 <= mode <= MPOL_PREFERRED_MANY or flags & (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES) == (
        MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES
    ):
        raise Errno.EINVAL
    if flags & MPOL_F_NUMA_BALANCING and mode not in (MPOL_BIND, MPOL_PREFERRED_MANY):
        raise Errno.EINVAL
    if mode == MPOL_DEFAULT:
        if nodes:
            raise Errno.EINVAL
        return None
    if mode == MPOL_LOCAL or (mode == MPOL_PREFERRED and not nodes):
        if nodes or flags & (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES):
            raise Errno.EINVAL
        return MPOL_LOCAL, 0
    if (not nodes & ONLINE and not flags & MPOL_F_RELATIVE_NODES) or not nodes:
        raise Errno.EINVAL
    return mode | flags, nodes & ONLINE or ONLINE


def mbind(mm: AddressSpace, start: int, length: int, policy: Policy | None, flags: int) -> None:
    """Give the areas of a range a policy (mbind(2)).  EFAULT: a hole."""
    if flags & ~MPOL_MF_VALID or start & PAGE_MASK:
        raise Errno.EINVAL
    end = start + page_align(length)
    if end < start or end >= 1 << 64:
        raise Errno.EINVAL
    at = start
    found = mm.areas.overlapping(start, end)
    for vma in found:
        if vma.start > at:
            raise Errno.EFAULT
        at = vma.end
    if at < end:
        raise Errno.EFAULT
    for vma in found:
        low, high = max(start, vma.start), min(end, vma.end)
        current = mm.areas.at(low)
        if current is not None and current.policy != policy:
            part = mm.isolate(current, low, high)
            part.policy = policy
            mm.merge(part)


def get_mempolicy(mm: AddressSpace, t: Thread, address: int, flags: int) -> tuple[int, int]:
    """Return (mode or node, node mask) as get_mempolicy(2).  EINVAL: flags; EFAULT: nothing at ``address``."""
    if flags & ~(MPOL_F_NODE | MPOL_F_ADDR | MPOL_F_MEMS_ALLOWED):
        raise Errno.EINVAL
    if flags & MPOL_F_MEMS_ALLOWED:
        if flags & (MPOL_F_NODE | MPOL_F_ADDR):
            raise Errno.EINVAL
        return 0, ONLINE
    policy = t.mempolicy
    if flags & MPOL_F_ADDR:
        vma = mm.areas.at(address)
        if vma is None:
            raise Errno.EFAULT
        policy = vma.policy or policy
        if flags & MPOL_F_NODE:
            mm.read(address, 1)
            return 0, policy[1] if policy is not None else 0
    elif address:
        raise Errno.EINVAL
    if flags & MPOL_F_NODE:
        if policy is None or policy[0] & ~MPOL_MODE_FLAGS != MPOL_INTERLEAVE:
            raise Errno.EINVAL
        return 0, policy[1]
    return policy if policy is not None else (MPOL_DEFAULT, 0)


def page_status(mm: AddressSpace, address: int) -> int:
    """Return what move_pages(2) reports of one page: its node, or minus an errno."""
    page = address & ~PAGE_MASK
    if mm.areas.at(page) is None:
        return -Errno.EFAULT.number
    entry = mm.tables.lookup(page)
    if not entry:
        return -Errno.ENOENT.number
    return -Errno.EFAULT.number if entry >> PAGE_SHIFT & (1 << 40) - 1 == mm.memory.zero_frame else 0
