"""Memory: mmap and its relatives, brk, locking, NUMA policy, and access to other processes' memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from kernel.cred import CAP_SYS_NICE
from kernel.errno import Errno
from kernel.fs.pidfd import PidFd
from kernel.hardware import PAGE_MASK
from kernel.mm import mempolicy, mprotect, remote
from kernel.mm.madvise import REMOTE_ADVICE, do_madvise
from kernel.mm.mlock import (
    MLOCK_ONFAULT,
    do_mincore,
    do_mlock,
    do_mlockall,
    do_msync,
    do_munlock,
    do_munlockall,
)
from kernel.mm.mmap import MAP_ANONYMOUS, MAP_HUGE_SHIFT, MAP_HUGETLB, do_brk, do_mmap, do_munmap
from kernel.mm.mremap import do_mremap
from kernel.mm.mremap import remap_file_pages as do_remap_file_pages
from kernel.mm.oom import reap
from kernel.pid import ns_of
from kernel.ptrace_access import MODE_ATTACH, MODE_FSCREDS, MODE_REALCREDS
from syscalls.table import syscall
from syscalls.types import Address, Fd, Hex, Int, Pid, Size, UInt, ULong, custom, enum, flags

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from kernel.task import Process, Thread

Prot = Annotated[int, flags("mmap_prot", "{}")]
MapFlags = Annotated[int, flags("mmap_flags", "{}")]
RemapFlags = Annotated[int, flags("mremap", "{}")]
MsyncFlags = Annotated[int, flags("msync")]
MlockFlags = Annotated[int, flags("mlock2")]
MlockallFlags = Annotated[int, flags("mlockall")]
Advice = Annotated[int, enum("madvise")]
Residency = Annotated[int, custom("residency", out=True)]
VectorIn = Annotated[int, custom("iovec_in")]
VectorOut = Annotated[int, custom("iovec_out", out=True)]
VectorBare = Annotated[int, custom("iovec_bare")]
PolicyMode = Annotated[int, enum("mpol")]

_HUGE_SIZES = (0, 21, 30)
"""log2 of the huge page sizes x86-64 has; 0 asks for the default one."""


def memory(t: Thread) -> AddressSpace:
    """Return the address space of a thread that is in a system call, and so has one."""
    mm = t.mm
    assert mm is not None
    return mm


# -- mappings ----------------------------------------------------------------------------------------------------------
@syscall(9)
def mmap(t: Thread, addr: Address, length: Size, prot: Prot, flags: MapFlags, fd: Fd, offset: Hex) -> int:
    """mmap(2).  There are no huge pages: ENOMEM for MAP_HUGETLB, EINVAL for sizes the processor does not know."""
    if offset & PAGE_MASK:
        raise Errno.EINVAL
    if not flags & MAP_ANONYMOUS:
        file = t.files.get(fd)
        if flags & MAP_HUGETLB:
            raise Errno.EINVAL
        return do_mmap(memory(t), t, addr, length, prot, flags, file, offset)
    if flags & MAP_HUGETLB:
        raise Errno.ENOMEM if flags >> MAP_HUGE_SHIFT & 0x3F in _HUGE_SIZES else Errno.EINVAL
    return do_mmap(memory(t), t, addr, length, prot, flags, None, offset)


@syscall(11)
def munmap(t: Thread, addr: Address, length: Size) -> int:
    """munmap(2)."""
    do_munmap(memory(t), addr, length)
    return 0


@syscall(10)
def mprotect_(t: Thread, addr: Address, length: Size, prot: Prot) -> int:
    """mprotect(2)."""
    mprotect.do_mprotect(memory(t), t, addr, length, prot)
    return 0


@syscall(25)
def mremap(t: Thread, old: Address, old_size: Size, new_size: Size, flags: RemapFlags, new: Address) -> int:
    """mremap(2)."""
    return do_mremap(memory(t), t, old, old_size, new_size, flags, new)


@syscall(216)
def remap_file_pages(t: Thread, addr: Address, size: Size, prot: Prot, pgoff: ULong, flags: MapFlags) -> int:
    """remap_file_pages(2)."""
    do_remap_file_pages(memory(t), t, addr, size, prot, pgoff, flags)
    return 0


@syscall(12)
def brk(t: Thread, addr: Address) -> int:
    """brk(2): never fails, but may return the old break."""
    return do_brk(memory(t), t, addr)


@syscall(28)
def madvise(t: Thread, addr: Address, length: Size, advice: Advice) -> int:
    """madvise(2)."""
    do_madvise(memory(t), t, addr, length, advice)
    return 0


@syscall(26)
def msync(t: Thread, addr: Address, length: Size, flags: MsyncFlags) -> int:
    """msync(2)."""
    do_msync(memory(t), t, addr, length, flags)
    return 0


@syscall(27)
def mincore(t: Thread, addr: Address, length: Size, vec: Residency) -> int:
    """mincore(2)."""
    mm = memory(t)
    for part in do_mincore(mm, t, addr, length):
        mm.write(vec, part)
        vec += len(part)
    return 0


# -- locking -----------------------------------------------------------------------------------------------------------
@syscall(149)
def mlock(t: Thread, addr: Address, length: Size) -> int:
    """mlock(2)."""
    do_mlock(memory(t), t, addr, length, False)
    return 0


@syscall(325)
def mlock2(t: Thread, addr: Address, length: Size, flags: MlockFlags) -> int:
    """mlock2(2)."""
    if flags & ~MLOCK_ONFAULT:
        raise Errno.EINVAL
    do_mlock(memory(t), t, addr, length, flags != 0)
    return 0


@syscall(150)
def munlock(t: Thread, addr: Address, length: Size) -> int:
    """munlock(2)."""
    do_munlock(memory(t), addr, length)
    return 0


@syscall(151)
def mlockall(t: Thread, flags: MlockallFlags) -> int:
    """mlockall(2)."""
    do_mlockall(memory(t), t, flags)
    return 0


@syscall(152)
def munlockall(t: Thread) -> int:
    """munlockall(2)."""
    do_munlockall(memory(t))
    return 0


# -- protection keys -----------------------------------------------------------------------------------------------------
@syscall(329)
def pkey_mprotect(t: Thread, addr: Address, length: Size, prot: Prot, pkey: Int) -> int:
    """pkey_mprotect(2)."""
    mprotect.pkey_mprotect(memory(t), t, addr, length, prot, pkey)
    return 0


@syscall(330)
def pkey_alloc(t: Thread, flags: ULong, access_rights: ULong) -> int:
    """pkey_alloc(2)."""
    return mprotect.pkey_alloc(flags, access_rights)


@syscall(331)
def pkey_free(t: Thread, pkey: Int) -> int:
    """pkey_free(2)."""
    mprotect.pkey_free(pkey)
    return 0


# -- NUMA --------------------------------------------------------------------------------------------------------------
@syscall(237)
def mbind(t: Thread, addr: Address, length: ULong, mode: PolicyMode, nodemask: Address, maxnode: ULong, flags: UInt) -> int:
    """mbind(2)."""
    mm = memory(t)
    policy = mempolicy.make_policy(mode, mempolicy.read_nodes(mm, nodemask, maxnode))
    mempolicy.mbind(mm, addr, length, policy, flags)
    return 0


@syscall(238)
def set_mempolicy(t: Thread, mode: PolicyMode, nodemask: Address, maxnode: ULong) -> int:
    """set_mempolicy(2)."""
    t.mempolicy = mempolicy.make_policy(mode, mempolicy.read_nodes(memory(t), nodemask, maxnode))
    return 0


@syscall(239)
def get_mempolicy(t: Thread, mode: Address, nodemask: Address, maxnode: ULong, addr: Address, flags: ULong) -> int:
    """get_mempolicy(2)."""
    mm = memory(t)
    if nodemask and not maxnode:
        raise Errno.EINVAL
    value, nodes = mempolicy.get_mempolicy(mm, t, addr, flags)
    if mode:
        mm.write_u32(mode, value)
    if nodemask:
        size = (maxnode - 1 + 63) // 64 * 8 if maxnode > 1 else 8
        mm.write(nodemask, nodes.to_bytes(8, "little")[:size].ljust(min(size, PAGE_MASK), b"\0"))
    return 0


@syscall(256)
def migrate_pages(t: Thread, pid: Pid, maxnode: ULong, old_nodes: Address, new_nodes: Address) -> int:
    """migrate_pages(2): with one node there is nowhere to go."""
    mm = memory(t)
    mempolicy.read_nodes(mm, old_nodes, maxnode)
    wanted = mempolicy.read_nodes(mm, new_nodes, maxnode)
    remote.memory_of(t, _target(t, pid), MODE_REALCREDS)
    if not wanted & mempolicy.ONLINE:
        raise Errno.EINVAL
    return 0


@syscall(279)
def move_pages(t: Thread, pid: Pid, count: ULong, pages: Address, nodes: Address, status: Address, flags: Int) -> int:
    """move_pages(2): tells where pages are; moving them to the only node leaves them there."""
    if flags & ~6:
        raise Errno.EINVAL
    if flags & 4 and not t.cred.capable(CAP_SYS_NICE):
        raise Errno.EPERM
    mm = memory(t)
    other = remote.memory_of(t, _target(t, pid), MODE_REALCREDS)
    for i in range(count):
        if nodes and mm.read_i32(nodes + 4 * i) != 0:
            raise Errno.ENODEV
        mm.write_u32(status + 4 * i, mempolicy.page_status(other, mm.read_u64(pages + 8 * i)))
    return 0


# -- other processes -----------------------------------------------------------------------------------------------------
def _target(t: Thread, pid: int) -> Thread:
    """Return the thread with number ``pid`` as ``t`` sees it, itself for 0.  ESRCH."""
    if pid == 0:
        return t
    ns = ns_of(t)
    found = ns.find_thread(pid)
    if found is None:
        # The first thread may be gone while its process lives.
        process = ns.find_process(pid)
        if process is None:
            raise Errno.ESRCH
        found = process.rep
    return found


def _process_vm(t: Thread, pid: int, local: int, local_count: int, remote_: int, remote_count: int, write: bool) -> int:
    mm = memory(t)
    mine = mm.read_iovec(local, local_count)
    if not any(length for _, length in mine):
        return 0
    # The other side's addresses are only looked at when they are used, so bad ones still give a short count.
    theirs = mm.read_iovec(remote_, remote_count, check=False)
    if not any(length for _, length in theirs):
        return 0
    target = ns_of(t).find_thread(pid)
    if target is None:
        raise Errno.ESRCH
    other = remote.memory_of(t, target, MODE_ATTACH | MODE_REALCREDS)
    return remote.transfer(mm, mine, other, theirs, write)


@syscall(310)
def process_vm_readv(t: Thread, pid: Pid, lvec: VectorOut, liovcnt: ULong, rvec: VectorBare, riovcnt: ULong, flags: ULong) -> int:
    """process_vm_readv(2)."""
    if flags:
        raise Errno.EINVAL
    return _process_vm(t, pid, lvec, liovcnt, rvec, riovcnt, False)


@syscall(311)
def process_vm_writev(t: Thread, pid: Pid, lvec: VectorIn, liovcnt: ULong, rvec: VectorBare, riovcnt: ULong, flags: ULong) -> int:
    """process_vm_writev(2)."""
    if flags:
        raise Errno.EINVAL
    return _process_vm(t, pid, lvec, liovcnt, rvec, riovcnt, True)


def _pidfd_process(t: Thread, fd: int) -> Process:
    """Return the process a pidfd names.  EBADF: not a pidfd; ESRCH: reaped."""
    file = t.files.get(fd)
    if not isinstance(file, PidFd):
        raise Errno.EBADF
    process = file.pid.process
    if process is None:
        raise Errno.ESRCH
    return process


@syscall(440)
def process_madvise(t: Thread, pidfd: Fd, vector: VectorBare, count: ULong, advice: Advice, flags: UInt) -> int:
    """process_madvise(2): returns how many bytes were advised about."""
    if flags:
        raise Errno.EINVAL
    pieces = memory(t).read_iovec(vector, count, check=False)
    process = _pidfd_process(t, pidfd)
    other = remote.memory_of(t, process.rep, MODE_FSCREDS)
    if process is not t.process:
        if advice not in REMOTE_ADVICE:
            raise Errno.EINVAL
        if not t.cred.capable(CAP_SYS_NICE):
            raise Errno.EPERM
    done = 0
    for address, length in pieces:
        try:
            do_madvise(other, t, address, length, advice)
        except Errno:
            if not done:
                raise
            break
        done += length
    return done


@syscall(448)
def process_mrelease(t: Thread, pidfd: Fd, flags: UInt) -> int:
    """process_mrelease(2): take the memory of a process that is dying anyway.  EINVAL if it is not."""
    if flags:
        raise Errno.EINVAL
    process = _pidfd_process(t, pidfd)
    spaces = {thread.mm for thread in process.threads if thread.mm is not None}
    if not spaces:
        raise Errno.ESRCH
    if not process.group_exit:
        raise Errno.EINVAL
    for mm in spaces:
        if mm.users == sum(1 for thread in process.threads if thread.mm is mm):
            reap(mm)
    return 0

