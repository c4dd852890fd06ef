"""System V message queue calls."""

from __future__ import annotations

from typing import Annotated, Final

from kernel.errno import Errno
from kernel.ipc import msg
from kernel.ipc.ids import IPC_INFO, IPC_RMID, IPC_SET, IPC_STAT
from kernel.ipc.msg import MSGMAX, MSGMNB, Message, MessageQueue
from kernel.pid import ns_of
from kernel.task import Thread
from kernel.user_ns import gid_for, uid_for
from kernel.waitqueue import Blocking
from syscalls.ipc_shm import Key, ShmgetFlags
from syscalls.structs import MSGINFO, MSQID64_DS
from syscalls.table import syscall
from syscalls.types import Address, Int, Long, Size, enum, flags

MsgFlags = Annotated[int, flags("sysv_msg")]
MsgctlCommand = Annotated[int, enum("msgctl")]

MSG_STAT, MSG_INFO, MSG_STAT_ANY = range(11, 14)
_MSGSSZ: Final = 16
_MSGSEG: Final = 0xFFFF
_MSGPOOL: Final = msg.MSGMNI * MSGMNB // 1024


@syscall(68)
def msgget(t: Thread, key: Key, msgflg: ShmgetFlags) -> int:
    """msgget(2)."""
    return msg.msgget(t, key, msgflg)


@syscall(69)
def msgsnd(t: Thread, msqid: Int, msgp: Address, msgsz: Size, msgflg: MsgFlags) -> Blocking[int]:
    """msgsnd(2)."""
    assert t.mm is not None
    kind = int.from_bytes(t.mm.read(msgp, 8), "little", signed=True)
    if msgsz > MSGMAX or msqid < 0 or kind < 1:
        raise Errno.EINVAL
    yield from msg.msgsnd(t, msqid, Message(kind, t.mm.read(msgp + 8, msgsz)), msgflg)
    return 0


@syscall(70)
def msgrcv(t: Thread, msqid: Int, msgp: Address, msgsz: Size, msgtyp: Long, msgflg: MsgFlags) -> Blocking[int]:
    """msgrcv(2)."""
    if msqid < 0 or msgsz >> 63:
        raise Errno.EINVAL
    found = yield from msg.msgrcv(t, msqid, msgsz, msgtyp, msgflg)
    assert t.mm is not None
    text = found.text[:msgsz]
    t.mm.write(msgp, found.type.to_bytes(8, "little") + text)
    return len(text)


def _status(t: Thread, queue: MessageQueue) -> tuple[int, ...]:
    ns = ns_of(t)
    return (
        *(queue.key, uid_for(t, queue.uid), gid_for(t, queue.gid), uid_for(t, queue.cuid), gid_for(t, queue.cgid)),
        *(queue.mode, queue.seq & 0xFFFF, 0, 0, queue.stime, queue.rtime, queue.ctime),
        *(queue.used, len(queue.messages), queue.limit),
        *(pid.nr_in(ns) if pid is not None else 0 for pid in (queue.lspid, queue.lrpid)),
        *(0, 0),
    )


def _info(t: Thread, command: int, buffer: int) -> int:
    """IPC_INFO: the limits.  MSG_INFO: what is used.  Both return the highest index in use."""
    assert t.mm is not None
    ids = t.nsproxy.ipc.msg
    if command == IPC_INFO:
        pool, entries, text = _MSGPOOL, MSGMNB, MSGMNB
    else:
        pool, entries = len(ids), sum(len(queue.messages) for queue in ids)
        text = sum(queue.used for queue in ids)
    MSGINFO.write(t.mm, buffer, pool, entries, MSGMAX, MSGMNB, ids.limit, _MSGSSZ, text, _MSGSEG)
    return max(ids.highest, 0)


@syscall(71)
def msgctl(t: Thread, msqid: Int, cmd: MsgctlCommand, buf: Address) -> int:
    """msgctl(2)."""
    assert t.mm is not None
    ns = t.nsproxy.ipc
    if cmd < 0 or msqid < 0:
        raise Errno.EINVAL
    if cmd in (IPC_INFO, MSG_INFO):
        return _info(t, cmd, buf)
    if cmd in (IPC_STAT, MSG_STAT, MSG_STAT_ANY):
        queue = ns.msg.get(msqid) if cmd == IPC_STAT else ns.msg.at(msqid)
        if cmd != MSG_STAT_ANY:
            queue.check(t, ns.user_ns, 0o444)
        MSQID64_DS.write(t.mm, buf, *_status(t, queue))
        return 0 if cmd == IPC_STAT else queue.id
    if cmd == IPC_SET:
        _, uid, gid, _, _, mode, _, _, _, _, _, _, _, _, limit, *_ = MSQID64_DS.read(t.mm, buf)
        msg.set_queue(t, msqid, (uid, gid, mode), limit)
    elif cmd == IPC_RMID:
        msg.remove_queue(t, msqid)
    else:
        raise Errno.EINVAL
    return 0
