"""Control messages of sendmsg and recvmsg: open files and identities sent along (cmsg(3), unix(7), net/core/scm.c)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kernel.cred import CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN
from kernel.errno import Errno
from kernel.fs.fdtable import install_fd
from kernel.fs.file import O_CLOEXEC, File
from kernel.net.options import SO_PASSCRED, SOL_SOCKET
from kernel.net.socket import (
    MSG_CMSG_CLOEXEC,
    MSG_CTRUNC,
    NO_ANCILLARY,
    Ancillary,
    PeerCred,
    Received,
    Socket,
    discard,
    pack_cred,
)
from kernel.pid import ns_of
from kernel.user_ns import INVALID_ID, make_kgid, make_kuid

if TYPE_CHECKING:
    from kernel.task import Thread

SCM_RIGHTS, SCM_CREDENTIALS = 1, 2
SCM_MAX_FD = 253
_CMSGHDR = struct.Struct("<Qii")


def _align(length: int) -> int:
    return (length + 7) & ~7


def parse_control(t: Thread, sock: Socket, control: bytes) -> Ancillary:
    """Read the control messages of sendmsg (__scm_send).  The files are held for the message."""
    files: list[File] = []
    cred: PeerCred | None = None
    try:
        at = 0
        while at + _CMSGHDR.size <= len(control):
            length, level, kind = _CMSGHDR.unpack_from(control, at)
            if length < _CMSGHDR.size or at + length > len(control):
                raise Errno.EINVAL
            body = control[at + _CMSGHDR.size : at + length]
            at += _align(length)
            if level != SOL_SOCKET:
                continue
            if kind == SCM_RIGHTS:
                if len(body) // 4 + len(files) > SCM_MAX_FD:
                    raise Errno.EINVAL
                for (fd,) in struct.iter_unpack("<i", body[: len(body) // 4 * 4]):
                    files.append(t.files.get(fd).hold())
            elif kind == SCM_CREDENTIALS:
                if len(body) != 12:
                    raise Errno.EINVAL
                cred = _claimed_cred(t, *struct.unpack("<iII", body))
            else:
                raise Errno.EINVAL
    except Errno:
        discard(Ancillary(tuple(files)))
        raise
    return Ancillary(tuple(files), cred) if files or cred is not None else NO_ANCILLARY


def _claimed_cred(t: Thread, pid: int, uid: int, gid: int) -> PeerCred:
    """Check the identity a sender claims (scm_check_creds): its own, or with privilege another's.  EPERM, ESRCH."""
    mine = t.cred
    uid, gid = make_kuid(mine.user_ns, uid), make_kgid(mine.user_ns, gid)
    if INVALID_ID in (uid, gid):
        raise Errno.EINVAL
    own = pid == t.process.tgid_pid.nr_in(ns_of(t)) or mine.ns_capable(ns_of(t).user_ns, CAP_SYS_ADMIN)
    if not own:
        raise Errno.EPERM
    if uid not in (mine.uid, mine.euid, mine.suid) and not mine.ns_capable(mine.user_ns, CAP_SETUID):
        raise Errno.EPERM
    if gid not in (mine.gid, mine.egid, mine.sgid) and not mine.ns_capable(mine.user_ns, CAP_SETGID):
        raise Errno.EPERM
    found = ns_of(t).find(pid)
    if found is None:
        raise Errno.ESRCH
    return PeerCred(found, uid, gid)


def control_for(t: Thread, sock: Socket, got: Received, space: int, flags: int) -> tuple[bytes, int]:
    """Return the control data of a received message and MSG_CTRUNC if it did not fit (scm_recv); installs files."""
    out = b""
    told = 0
    if sock.option(SO_PASSCRED):
        cred = got.ancillary.cred if got.ancillary.cred is not None else PeerCred(None, 65534, 65534)
        if space >= _CMSGHDR.size + 12:
            out += _CMSGHDR.pack(_CMSGHDR.size + 12, SOL_SOCKET, SCM_CREDENTIALS) + pack_cred(t, cred)
            out += bytes(min(_align(len(out)), space) - len(out))
        else:
            told |= MSG_CTRUNC
    for level, kind, body in got.ancillary.control:
        length = _CMSGHDR.size + len(body)
        if space - len(out) < length:
            told |= MSG_CTRUNC
            break
        out += (_CMSGHDR.pack(length, level, kind) + body).ljust(min(_align(length), space - len(out)), b"\0")
    files = got.ancillary.files
    if files:
        room = max(0, (space - len(out) - _CMSGHDR.size) // 4)
        fds: list[int] = []
        for file in files:
            if len(fds) >= room:
                told |= MSG_CTRUNC
                file.drop()
                continue
            try:
                fds.append(install_fd(t, file, O_CLOEXEC if flags & MSG_CMSG_CLOEXEC else 0))
            except Errno:
                told |= MSG_CTRUNC
                room = len(fds)
        if fds:
            body = struct.pack(f"<{len(fds)}i", *fds)
            out += _CMSGHDR.pack(_CMSGHDR.size + len(body), SOL_SOCKET, SCM_RIGHTS) + body
            out += bytes(min(_align(len(out)), space) - len(out))
    return out, told
