"""How a thread changes its credentials: the set*id family, capset and the capability prctls (kernel/sys.c, security/commoncap.c).

Every function takes the thread, checks, and commits a new ``Cred``; errors leave the old one untouched.  User and group
ids are those of the caller's user namespace, unsigned 32-bit; NO_ID (-1) means "leave it" where the call says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.cred import (
    CAP_FS_SET,
    CAP_FULL_SET,
    CAP_LAST_CAP,
    CAP_SETGID,
    CAP_SETPCAP,
    CAP_SETUID,
    SECBIT_KEEP_CAPS,
    SECBIT_KEEP_CAPS_LOCKED,
    SECBIT_NO_CAP_AMBIENT_RAISE,
    SECBIT_NO_SETUID_FIXUP,
    SECURE_ALL_BITS,
    SECURE_ALL_LOCKS,
    Cred,
)
from kernel.errno import Errno
from kernel.user_ns import INVALID_ID, UserNamespace, from_kgid_munged, from_kuid_munged, make_kgid, make_kuid

if TYPE_CHECKING:
    from kernel.task import Thread

NO_ID = 0xFFFFFFFF


def privileges_changed(old: Cred, new: Cred) -> bool:
    """Tell whether the holder may now know or do things its tracers may not see (the dumpability test of commit_creds)."""
    return (
        old.euid != new.euid
        or old.egid != new.egid
        or old.fsuid != new.fsuid
        or old.fsgid != new.fsgid
        or not _capabilities_within(old, new)
    )


def _capabilities_within(old: Cred, new: Cred) -> bool:
    """Tell whether ``new`` can do no more than ``old`` (cred_cap_issubset): the owner of a new user namespace below its
    own could do everything there before, too."""
    if new.user_ns is old.user_ns:
        return new.permitted & ~old.permitted == 0
    ns = new.user_ns
    while ns.parent is not None:
        if ns.parent is old.user_ns and ns.owner == old.euid:
            return True
        ns = ns.parent
    return False


def _kuid(ns: UserNamespace, uid: int, kept: int) -> int:
    """Return the kernel id an argument names, ``kept`` for NO_ID.  EINVAL: not mapped."""
    if uid == NO_ID:
        return kept
    kuid = make_kuid(ns, uid)
    if kuid == INVALID_ID:
        raise Errno.EINVAL
    return kuid


def _kgid(ns: UserNamespace, gid: int, kept: int) -> int:
    if gid == NO_ID:
        return kept
    kgid = make_kgid(ns, gid)
    if kgid == INVALID_ID:
        raise Errno.EINVAL
    return kgid


def commit(t: Thread, new: Cred) -> None:
    """Give ``t`` its new credentials (commit_creds): it becomes undumpable (or what suid_dumpable says) and forgets its
    parent-death signal if its effective or file-system ids changed or it gained capabilities."""
    old = t.cred
    if privileges_changed(old, new):
        if t.mm is not None:
            t.mm.dumpable = t.kernel.coredump.suid_dumpable
        t.pdeath_signal = 0
    if old.uid != new.uid:
        t.kernel.change_user(old.uid, new.uid)
    t.cred = new


def _fix_setuid(old: Cred, new: Cred) -> Cred:
    """Adjust capabilities to a change of user ids (cap_emulate_setxuid; capabilities(7), "Effect of user ID changes")."""
    if new.securebits & SECBIT_NO_SETUID_FIXUP:
        return new
    permitted, effective, ambient = new.permitted, new.effective, new.ambient
    root = make_kuid(old.user_ns, 0)
    if root in (old.uid, old.euid, old.suid) and root not in (new.uid, new.euid, new.suid):
        if not old.securebits & SECBIT_KEEP_CAPS:
            permitted = effective = 0
        ambient = 0
    if old.euid == root and new.euid != root:
        effective = 0
    if old.euid != root and new.euid == root:
        effective = permitted
    return new._replace(permitted=permitted, effective=effective, ambient=ambient)


def _commit_uids(t: Thread, uid: int, euid: int, suid: int) -> int:
    old = t.cred
    commit(t, _fix_setuid(old, old._replace(uid=uid, euid=euid, suid=suid, fsuid=euid)))
    return 0


def setuid(t: Thread, uid: int) -> int:
    """setuid(2).  EINVAL for -1; EPERM without CAP_SETUID unless it is the real or saved id."""
    old = t.cred
    uid = _kuid(old.user_ns, uid, INVALID_ID)
    if uid == INVALID_ID:
        raise Errno.EINVAL
    if old.ns_capable(old.user_ns, CAP_SETUID):
        return _commit_uids(t, uid, uid, uid)
    if uid not in (old.uid, old.suid):
        raise Errno.EPERM
    return _commit_uids(t, old.uid, uid, old.suid)


def setreuid(t: Thread, ruid: int, euid: int) -> int:
    """setreuid(2): the saved id follows the effective one when the real id is set or the effective id becomes another."""
    old = t.cred
    privileged = old.ns_capable(old.user_ns, CAP_SETUID)
    uid = _kuid(old.user_ns, ruid, old.uid)
    new_euid = _kuid(old.user_ns, euid, old.euid)
    if not privileged:
        if uid not in (old.uid, old.euid) or new_euid not in (old.uid, old.euid, old.suid):
            raise Errno.EPERM
    suid = new_euid if ruid != NO_ID or (euid != NO_ID and new_euid != old.uid) else old.suid
    return _commit_uids(t, uid, new_euid, suid)


def setresuid(t: Thread, ruid: int, euid: int, suid: int) -> int:
    """setresuid(2): without CAP_SETUID each id must be one of the three old ones."""
    old = t.cred
    have = (old.uid, old.euid, old.suid)
    wanted = [_kuid(old.user_ns, want, was) for want, was in zip((ruid, euid, suid), have, strict=True)]
    if any(want not in have for want in wanted) and not old.ns_capable(old.user_ns, CAP_SETUID):
        raise Errno.EPERM
    if tuple(wanted) == have and old.fsuid == old.euid:
        return 0
    return _commit_uids(t, wanted[0], wanted[1], wanted[2])


def setfsuid(t: Thread, uid: int) -> int:
    """setfsuid(2): return the previous id, whether or not it changed."""
    old = t.cred
    before = from_kuid_munged(old.user_ns, old.fsuid)
    uid = make_kuid(old.user_ns, uid)
    if uid == INVALID_ID or uid == old.fsuid:
        return before
    if uid in (old.uid, old.euid, old.suid) or old.ns_capable(old.user_ns, CAP_SETUID):
        effective = old.effective
        if not old.securebits & SECBIT_NO_SETUID_FIXUP:
            root = make_kuid(old.user_ns, 0)
            if old.fsuid == root:
                effective &= ~CAP_FS_SET
            elif uid == root:
                effective |= CAP_FS_SET & old.permitted
        commit(t, old._replace(fsuid=uid, effective=effective))
    return before


def setgid(t: Thread, gid: int) -> int:
    """setgid(2)."""
    old = t.cred
    gid = _kgid(old.user_ns, gid, INVALID_ID)
    if gid == INVALID_ID:
        raise Errno.EINVAL
    if old.ns_capable(old.user_ns, CAP_SETGID):
        commit(t, old._replace(gid=gid, egid=gid, sgid=gid, fsgid=gid))
    elif gid in (old.gid, old.sgid):
        commit(t, old._replace(egid=gid, fsgid=gid))
    else:
        raise Errno.EPERM
    return 0


def setregid(t: Thread, rgid: int, egid: int) -> int:
    """setregid(2)."""
    old = t.cred
    gid = _kgid(old.user_ns, rgid, old.gid)
    new_egid = _kgid(old.user_ns, egid, old.egid)
    if not old.ns_capable(old.user_ns, CAP_SETGID):
        if gid not in (old.gid, old.egid) or new_egid not in (old.gid, old.egid, old.sgid):
            raise Errno.EPERM
    sgid = new_egid if rgid != NO_ID or (egid != NO_ID and new_egid != old.gid) else old.sgid
    commit(t, old._replace(gid=gid, egid=new_egid, sgid=sgid, fsgid=new_egid))
    return 0


def setresgid(t: Thread, rgid: int, egid: int, sgid: int) -> int:
    """setresgid(2)."""
    old = t.cred
    have = (old.gid, old.egid, old.sgid)
    wanted = [_kgid(old.user_ns, want, was) for want, was in zip((rgid, egid, sgid), have, strict=True)]
    if any(want not in have for want in wanted) and not old.ns_capable(old.user_ns, CAP_SETGID):
        raise Errno.EPERM
    commit(t, old._replace(gid=wanted[0], egid=wanted[1], sgid=wanted[2], fsgid=wanted[1]))
    return 0


def setfsgid(t: Thread, gid: int) -> int:
    """setfsgid(2): return the previous id."""
    old = t.cred
    gid = make_kgid(old.user_ns, gid)
    if gid != INVALID_ID and (gid in (old.gid, old.egid, old.sgid, old.fsgid) or old.ns_capable(old.user_ns, CAP_SETGID)):
        commit(t, old._replace(fsgid=gid))
    return from_kgid_munged(old.user_ns, old.fsgid)


def setgroups(t: Thread, groups: tuple[int, ...]) -> int:
    """Replace the supplementary groups; the caller has checked CAP_SETGID.  EINVAL for an id that is not mapped."""
    ns = t.cred.user_ns
    kgids = [make_kgid(ns, gid) for gid in groups]
    if INVALID_ID in kgids:
        raise Errno.EINVAL
    commit(t, t.cred._replace(groups=tuple(sorted(kgids))))
    return 0


# -- capabilities -----------------------------------------------------------------------------------------------------
def capset(t: Thread, effective: int, inheritable: int, permitted: int) -> int:
    """capset(2): EPERM for more than the rules of cap_capset allow; bits beyond the last capability are dropped."""
    effective, inheritable, permitted = effective & CAP_FULL_SET, inheritable & CAP_FULL_SET, permitted & CAP_FULL_SET
    old = t.cred
    if not old.ns_capable(old.user_ns, CAP_SETPCAP) and inheritable & ~(old.inheritable | old.permitted):
        raise Errno.EPERM
    if inheritable & ~(old.inheritable | old.bounding) or permitted & ~old.permitted or effective & ~permitted:
        raise Errno.EPERM
    ambient = old.ambient & permitted & inheritable
    commit(t, old._replace(effective=effective, inheritable=inheritable, permitted=permitted, ambient=ambient))
    return 0


def bounding_read(t: Thread, cap: int) -> int:
    """PR_CAPBSET_READ.  EINVAL for no capability."""
    if cap > CAP_LAST_CAP:
        raise Errno.EINVAL
    return t.cred.bounding >> cap & 1


def bounding_drop(t: Thread, cap: int) -> int:
    """PR_CAPBSET_DROP.  EPERM without CAP_SETPCAP, then EINVAL."""
    if not t.cred.ns_capable(t.cred.user_ns, CAP_SETPCAP):
        raise Errno.EPERM
    if cap > CAP_LAST_CAP:
        raise Errno.EINVAL
    commit(t, t.cred._replace(bounding=t.cred.bounding & ~(1 << cap)))
    return 0


def set_securebits(t: Thread, bits: int) -> int:
    """PR_SET_SECUREBITS: locked bits cannot change, locks cannot be opened, CAP_SETPCAP is needed; else EPERM."""
    old = t.cred
    locked = (old.securebits & SECURE_ALL_LOCKS) >> 1
    if (
        locked & (old.securebits ^ bits)
        or old.securebits & SECURE_ALL_LOCKS & ~bits
        or bits & ~(SECURE_ALL_LOCKS | SECURE_ALL_BITS)
        or not old.ns_capable(old.user_ns, CAP_SETPCAP)
    ):
        raise Errno.EPERM
    commit(t, old._replace(securebits=bits))
    return 0


def set_keepcaps(t: Thread, value: int) -> int:
    """PR_SET_KEEPCAPS.  EINVAL unless 0 or 1, EPERM if locked."""
    if value > 1:
        raise Errno.EINVAL
    old = t.cred
    if old.securebits & SECBIT_KEEP_CAPS_LOCKED:
        raise Errno.EPERM
    bits = old.securebits | SECBIT_KEEP_CAPS if value else old.securebits & ~SECBIT_KEEP_CAPS
    commit(t, old._replace(securebits=bits))
    return 0


PR_CAP_AMBIENT_IS_SET, PR_CAP_AMBIENT_RAISE, PR_CAP_AMBIENT_LOWER, PR_CAP_AMBIENT_CLEAR_ALL = range(1, 5)


def ambient(t: Thread, operation: int, cap: int) -> int:
    """PR_CAP_AMBIENT: read, raise or lower one ambient capability, or clear all.

    EINVAL for an unknown operation or capability; EPERM to raise one that is not both permitted and inheritable.
    """
    old = t.cred
    if operation == PR_CAP_AMBIENT_CLEAR_ALL:
        if cap:
            raise Errno.EINVAL
        commit(t, old._replace(ambient=0))
        return 0
    if cap > CAP_LAST_CAP:
        raise Errno.EINVAL
    if operation == PR_CAP_AMBIENT_IS_SET:
        return old.ambient >> cap & 1
    if operation == PR_CAP_AMBIENT_RAISE:
        if not old.permitted & old.inheritable & 1 << cap or old.securebits & SECBIT_NO_CAP_AMBIENT_RAISE:
            raise Errno.EPERM
        commit(t, old._replace(ambient=old.ambient | 1 << cap))
    elif operation == PR_CAP_AMBIENT_LOWER:
        commit(t, old._replace(ambient=old.ambient & ~(1 << cap)))
    else:
        raise Errno.EINVAL
    return 0
