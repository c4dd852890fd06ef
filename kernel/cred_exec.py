"""What execve(2) makes of credentials: set-id files, root's capabilities, no_new_privs (cap_bprm_creds_from_file).

The transformation of capabilities(7) without file capabilities (no file system here stores them): uid 0 counts as a file
with all of them, and ambient capabilities survive an exec that is not privileged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kernel.cred import CAP_SETUID, CAP_SYS_PTRACE, SECBIT_KEEP_CAPS, SECBIT_NOROOT, Cred
from kernel.errno import Errno
from kernel.fs.inode import MAY_READ
from kernel.fs.mount import MS_NOSUID
from kernel.user_ns import INVALID_ID, from_kgid, from_kuid, make_kuid

if TYPE_CHECKING:
    from kernel.fs.file import File, Stat
    from kernel.fs.mount import Mount
    from kernel.task import Thread

_S_ISUID = 0o4000
_S_ISGID = 0o2000
_S_IXGRP = 0o010


def set_ids(t: Thread, stat: Stat, nosuid: bool) -> tuple[int, int]:
    """Return the effective (uid, gid) a file gives (bprm_fill_uid): set-id bits count unless the mount is nosuid or the
    thread has no_new_privs, and set-group-id only on a group-executable file."""
    euid, egid = t.cred.euid, t.cred.egid
    if nosuid or t.no_new_privs or not stat.mode & (_S_ISUID | _S_ISGID):
        return euid, egid
    ns = t.cred.user_ns
    if from_kuid(ns, stat.uid) == INVALID_ID or from_kgid(ns, stat.gid) == INVALID_ID:
        return euid, egid  # an owner without a number here gives nothing
    if stat.mode & _S_ISUID:
        euid = stat.uid
    if stat.mode & (_S_ISGID | _S_IXGRP) == _S_ISGID | _S_IXGRP:
        egid = stat.gid
    return euid, egid


def _may_suid(t: Thread, mount: Mount) -> bool:
    """Tell whether set-id bits in a mount count for ``t`` (mnt_may_suid): a mount of another namespace, or a file system that
    somebody in a namespace below has mounted, could hold anything."""
    if mount.flags & MS_NOSUID or mount.ns is not t.nsproxy.mnt:
        return False
    return t.cred.user_ns.is_descendant_of(mount.fs.user_ns)


def may_dump(t: Thread, files: Sequence[File]) -> bool:
    """Tell whether a new program may dump core and be traced, before its credentials are committed (would_dump,
    begin_new_exec): not if the caller cannot read one of its ``files``, and not, by old habit, if the *old* effective ids
    differ from the real ones."""
    cred = t.cred
    if cred.euid != cred.uid or cred.egid != cred.gid:
        return False
    for file in files:
        where = file.where()
        if where is not None:
            try:
                where.dentry.inode.permission(t, MAY_READ)
            except Errno:
                return False
    return True


def exec_creds(t: Thread, executable: File, stat: Stat) -> tuple[Cred, bool]:
    """Return the credentials a new program gets, and whether it is a secure exec (AT_SECURE).

    ``stat`` is the attributes of ``executable``.  A thread that is traced without CAP_SYS_PTRACE of its tracer, shares its
    file-system context with another process, or has no_new_privs gains nothing.
    """
    old = t.cred
    where = executable.where()
    euid, egid = set_ids(t, stat, where is not None and not _may_suid(t, where.mount))
    permitted = 0
    privileged = False
    root = make_kuid(old.user_ns, 0)
    if not old.securebits & SECBIT_NOROOT:
        if root in (euid, old.uid):
            permitted = old.bounding | old.inheritable
        privileged = euid == root
    set_id = euid != old.uid or egid != old.gid
    gained = permitted & ~old.permitted != 0
    traced = t.ptrace != 0 and not (t.ptracer_cred is not None and t.ptracer_cred.ns_capable(old.user_ns, CAP_SYS_PTRACE))
    shared = t.fs.users > sum(1 for x in t.process.threads if x.fs is t.fs and not x.exiting)
    if (set_id or gained) and (traced or shared or t.no_new_privs):
        if not old.ns_capable(old.user_ns, CAP_SETUID) or t.no_new_privs:
            euid, egid = old.uid, old.gid
        permitted &= old.permitted
    ambient = 0 if set_id else old.ambient
    permitted |= ambient
    effective = permitted if privileged else ambient
    grew = permitted & ~ambient != 0
    secure = set_id or (old.uid != root and (privileged or grew))
    kept = (old.euid, old.egid, old.suid, old.sgid, old.fsuid, old.fsgid, old.permitted, old.effective, old.ambient)
    if kept == (euid, egid) * 3 + (permitted, effective, ambient) and not old.securebits & SECBIT_KEEP_CAPS:
        return old, secure  # as with almost every exec
    new = old._replace(
        euid=euid,
        egid=egid,
        suid=euid,
        sgid=egid,
        fsuid=euid,
        fsgid=egid,
        permitted=permitted,
        effective=effective,
        ambient=ambient,
        securebits=old.securebits & ~SECBIT_KEEP_CAPS,
    )
    return new, secure
