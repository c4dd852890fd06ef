"""User and group ids, supplementary groups, capabilities."""

from __future__ import annotations

import struct
from typing import Annotated

from kernel import cred_change
from kernel.cred import CAP_SETGID, NGROUPS_MAX
from kernel.errno import Errno
from kernel.pid import ns_of
from kernel.task import Thread
from kernel.user_ns import gid_for, uid_for
from syscalls.table import syscall
from syscalls.types import Gid, Int, Uid, custom, in_struct, out_struct

IdOut = Annotated[int, out_struct("uint")]
GroupsIn = Annotated[int, custom("group_list")]
GroupsOut = Annotated[int, custom("group_list", out=True)]
CapHeader = Annotated[int, in_struct("cap_header")]
CapsIn = Annotated[int, custom("cap_sets")]
CapsOut = Annotated[int, custom("cap_sets", out=True)]


@syscall(102)
def getuid(t: Thread) -> int:
    """getuid(2)."""
    return uid_for(t, t.cred.uid)


@syscall(104)
def getgid(t: Thread) -> int:
    """getgid(2)."""
    return gid_for(t, t.cred.gid)


@syscall(107)
def geteuid(t: Thread) -> int:
    """geteuid(2)."""
    return uid_for(t, t.cred.euid)


@syscall(108)
def getegid(t: Thread) -> int:
    """getegid(2)."""
    return gid_for(t, t.cred.egid)


@syscall(105)
def setuid(t: Thread, uid: Uid) -> int:
    """setuid(2)."""
    return cred_change.setuid(t, uid)


@syscall(106)
def setgid(t: Thread, gid: Gid) -> int:
    """setgid(2)."""
    return cred_change.setgid(t, gid)


@syscall(113)
def setreuid(t: Thread, ruid: Uid, euid: Uid) -> int:
    """setreuid(2)."""
    return cred_change.setreuid(t, ruid, euid)


@syscall(114)
def setregid(t: Thread, rgid: Gid, egid: Gid) -> int:
    """setregid(2)."""
    return cred_change.setregid(t, rgid, egid)


@syscall(117)
def setresuid(t: Thread, ruid: Uid, euid: Uid, suid: Uid) -> int:
    """setresuid(2)."""
    return cred_change.setresuid(t, ruid, euid, suid)


@syscall(119)
def setresgid(t: Thread, rgid: Gid, egid: Gid, sgid: Gid) -> int:
    """setresgid(2)."""
    return cred_change.setresgid(t, rgid, egid, sgid)


@syscall(122)
def setfsuid(t: Thread, fsuid: Uid) -> int:
    """setfsuid(2)."""
    return cred_change.setfsuid(t, fsuid)


@syscall(123)
def setfsgid(t: Thread, fsgid: Gid) -> int:
    """setfsgid(2)."""
    return cred_change.setfsgid(t, fsgid)


def _write_ids(t: Thread, addresses: tuple[int, int, int], ids: tuple[int, int, int]) -> int:
    assert t.mm is not None
    for address, number in zip(addresses, ids, strict=True):
        t.mm.write_u32(address, number)
    return 0


@syscall(118)
def getresuid(t: Thread, ruid: IdOut, euid: IdOut, suid: IdOut) -> int:
    """getresuid(2)."""
    return _write_ids(t, (ruid, euid, suid), (uid_for(t, t.cred.uid), uid_for(t, t.cred.euid), uid_for(t, t.cred.suid)))


@syscall(120)
def getresgid(t: Thread, rgid: IdOut, egid: IdOut, sgid: IdOut) -> int:
    """getresgid(2)."""
    return _write_ids(t, (rgid, egid, sgid), (gid_for(t, t.cred.gid), gid_for(t, t.cred.egid), gid_for(t, t.cred.sgid)))


@syscall(115)
def getgroups(t: Thread, size: Int, groups: GroupsOut) -> int:
    """getgroups(2).  EINVAL if the list does not fit; size 0 only counts."""
    if size < 0:
        raise Errno.EINVAL
    have = t.cred.groups
    if size:
        if len(have) > size:
            raise Errno.EINVAL
        assert t.mm is not None
        t.mm.write(groups, struct.pack(f"<{len(have)}I", *(gid_for(t, gid) for gid in have)))
    return len(have)


@syscall(116)
def setgroups(t: Thread, size: Int, groups: GroupsIn) -> int:
    """setgroups(2)."""
    cred = t.cred
    if not (cred.ns_capable(cred.user_ns, CAP_SETGID) and cred.user_ns.may_setgroups()):
        raise Errno.EPERM
    if not 0 <= size <= NGROUPS_MAX:
        raise Errno.EINVAL
    assert t.mm is not None
    return cred_change.setgroups(t, struct.unpack(f"<{size}I", t.mm.read(groups, 4 * size)) if size else ())


# -- capabilities -----------------------------------------------------------------------------------------------------
_VERSION_3 = 0x20080522
_SETS = {0x19980330: 1, 0x20071026: 2, _VERSION_3: 2}
"""_LINUX_CAPABILITY_VERSION_n -> number of 32-bit words of each set."""


def _read_header(t: Thread, header: int) -> tuple[int, int]:
    """Return (words, pid) of a ``cap_user_header_t``; words 0: unknown version, and the right one was stored."""
    assert t.mm is not None
    version = t.mm.read_u32(header)
    words = _SETS.get(version, 0)
    if not words:
        t.mm.write_u32(header, _VERSION_3)
        return 0, 0
    return words, t.mm.read_i32(header + 4)


@syscall(125)
def capget(t: Thread, header: CapHeader, data: CapsOut) -> int:
    """capget(2).  An unknown version is EINVAL, or 0 if only the version was asked for (data NULL)."""
    assert t.mm is not None
    words, pid = _read_header(t, header)
    if not data:
        return 0
    if not words:
        raise Errno.EINVAL
    if pid < 0:
        raise Errno.EINVAL
    target: Thread | None = t
    if pid and pid != t.pid.nr_in(ns_of(t)):
        target = ns_of(t).find_thread(pid)
        if target is None:
            raise Errno.ESRCH
    assert target is not None
    cred = target.cred
    sets = (cred.effective, cred.permitted, cred.inheritable)
    values = [one >> shift & 0xFFFFFFFF for shift in (0, 32)[:words] for one in sets]
    t.mm.write(data, struct.pack(f"<{3 * words}I", *values))
    return 0


@syscall(126)
def capset(t: Thread, header: CapHeader, data: CapsIn) -> int:
    """capset(2): only for the calling thread."""
    assert t.mm is not None
    words, pid = _read_header(t, header)
    if not words:
        raise Errno.EINVAL
    if pid and pid != t.pid.nr_in(ns_of(t)):
        raise Errno.EPERM
    values = (*struct.unpack(f"<{3 * words}I", t.mm.read(data, 12 * words)), 0, 0, 0)
    effective, permitted, inheritable = (values[i] | values[i + 3] << 32 for i in range(3))
    return cred_change.capset(t, effective, inheritable, permitted)
