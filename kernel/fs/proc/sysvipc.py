"""/proc/sysvipc: the System V objects of the reader's IPC namespace (sysvipc_proc_show of ipc/util.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.fs.proc.generic import reg
from kernel.ipc.shm import resident_bytes
from kernel.pid import ns_of
from kernel.user_ns import gid_for, uid_for

if TYPE_CHECKING:
    from kernel.ipc.ids import IpcPerm
    from kernel.task import Thread

_SHM_HEADER = (
    b"       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime"
    b"      ctime                   rss                  swap\n"
)

_MSG_HEADER = (
    b"       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n"
)


def _owners(t: Thread, perm: IpcPerm) -> tuple[int, int, int, int]:
    return uid_for(t, perm.uid), gid_for(t, perm.gid), uid_for(t, perm.cuid), gid_for(t, perm.cgid)


def shm(t: Thread, _: object) -> bytes:
    """One line a segment."""
    ns = ns_of(t)
    lines = [
        b"%10d %10d  %4o %21d %5d %5d  %5d %5d %5d %5d %5d %10d %10d %10d %21d %21d\n"
        % (
            *(each.key, each.id, each.mode, each.size),
            *(each.cpid.nr_in(ns), each.lpid.nr_in(ns) if each.lpid is not None else 0, each.attached, *_owners(t, each)),
            *(each.atime, each.dtime, each.ctime, resident_bytes(each), 0),
        )
        for each in t.nsproxy.ipc.shm
    ]
    return _SHM_HEADER + b"".join(lines)


def msg(t: Thread, _: object) -> bytes:
    """One line a queue."""
    ns = ns_of(t)
    lines = [
        b"%10d %10d  %4o  %10d %10d %5d %5d %5d %5d %5d %5d %10d %10d %10d\n"
        % (
            *(each.key, each.id, each.mode, each.used, len(each.messages)),
            *(pid.nr_in(ns) if pid is not None else 0 for pid in (each.lspid, each.lrpid)),
            *(*_owners(t, each), each.stime, each.rtime, each.ctime),
        )
        for each in t.nsproxy.ipc.msg
    ]
    return _MSG_HEADER + b"".join(lines)


FILES = (
    reg(b"sysvipc/msg", 0o444, msg),
    reg(b"sysvipc/shm", 0o444, shm),
)
