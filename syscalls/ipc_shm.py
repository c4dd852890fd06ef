"""System V shared memory calls."""

from __future__ import annotations

from typing import Annotated, Final

from kernel.errno import Errno
from kernel.hardware import PAGE_SHIFT
from kernel.ipc import shm
from kernel.ipc.ids import IPC_INFO, IPC_RMID, IPC_SET, IPC_STAT, seconds
from kernel.ipc.shm import Segment
from kernel.pid import ns_of
from kernel.task import Thread
from kernel.user_ns import gid_for, uid_for
from syscalls.structs import IPC64_PERM, SHM_INFO, SHMID64_DS, SHMINFO64
from syscalls.table import syscall
from syscalls.types import Address, Int, Size, custom, enum, flags

Key = Annotated[int, custom("ipc_key", "(({0} & 0xffffffff) ^ 0x80000000) - 0x80000000")]
ShmgetFlags = Annotated[int, custom("ipc_flags", "({0} & 0xffffffff)")]
ShmatFlags = Annotated[int, flags("shmat")]
ShmctlCommand = Annotated[int, enum("shmctl")]

SHM_LOCK, SHM_UNLOCK, SHM_STAT, SHM_INFO_CMD, SHM_STAT_ANY = range(11, 16)
_MOST: Final = (1 << 64) - 1


@syscall(29)
def shmget(t: Thread, key: Key, size: Size, shmflg: ShmgetFlags) -> int:
    """shmget(2)."""
    return shm.shmget(t, key, size, shmflg)


@syscall(30)
def shmat(t: Thread, shmid: Int, shmaddr: Address, shmflg: ShmatFlags) -> int:
    """shmat(2)."""
    return shm.shmat(t, shmid, shmaddr, shmflg)


@syscall(67)
def shmdt(t: Thread, shmaddr: Address) -> int:
    """shmdt(2)."""
    shm.shmdt(t, shmaddr)
    return 0


def _status(t: Thread, segment: Segment) -> tuple[int, ...]:
    ns = ns_of(t)
    return (
        *(segment.key, uid_for(t, segment.uid), gid_for(t, segment.gid), uid_for(t, segment.cuid), gid_for(t, segment.cgid)),
        *(segment.mode, segment.seq & 0xFFFF, 0, 0, segment.size, segment.atime, segment.dtime, segment.ctime),
        *(segment.cpid.nr_in(ns), segment.lpid.nr_in(ns) if segment.lpid is not None else 0, segment.attached, 0, 0),
    )


def _info(t: Thread, command: int, buffer: int) -> int:
    """IPC_INFO: the limits.  SHM_INFO: what is used.  Both return the highest index in use."""
    assert t.mm is not None
    ids = t.nsproxy.ipc.shm
    if command == IPC_INFO:
        SHMINFO64.write(t.mm, buffer, shm.SHMMAX, shm.SHMMIN, ids.limit, ids.limit, shm.SHMALL, 0, 0, 0, 0)
    else:
        resident = sum(shm.resident_bytes(segment) for segment in ids) >> PAGE_SHIFT
        SHM_INFO.write(t.mm, buffer, len(ids), shm.total_pages(ids), resident, 0, 0, 0)
    return max(ids.highest, 0)


@syscall(31)
def shmctl(t: Thread, shmid: Int, cmd: ShmctlCommand, buf: Address) -> int:
    """shmctl(2)."""
    assert t.mm is not None
    ns = t.nsproxy.ipc
    ids = ns.shm
    if cmd < 0 or shmid < 0:
        raise Errno.EINVAL
    if cmd in (IPC_INFO, SHM_INFO_CMD):
        return _info(t, cmd, buf)
    if cmd in (IPC_STAT, SHM_STAT, SHM_STAT_ANY):
        segment = ids.get(shmid) if cmd == IPC_STAT else ids.at(shmid)
        if cmd != SHM_STAT_ANY:
            segment.check(t, ns.user_ns, 0o444)
        SHMID64_DS.write(t.mm, buf, *_status(t, segment))
        return 0 if cmd == IPC_STAT else segment.id
    if cmd == IPC_SET:
        _, uid, gid, _, _, mode, *_ = IPC64_PERM.read(t.mm, buf)
        segment = ids.get_owned(t, ns.user_ns, shmid)
        segment.update(t, uid, gid, mode)
        segment.ctime = seconds(t)
    elif cmd == IPC_RMID:
        ids.get_owned(t, ns.user_ns, shmid).remove()
    elif cmd in (SHM_LOCK, SHM_UNLOCK):
        shm.shm_lock(t, shmid, cmd == SHM_LOCK)
    else:
        raise Errno.EINVAL
    return 0
