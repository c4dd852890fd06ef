"""Writing the maps of a user namespace: /proc/PID/uid_map, gid_map and setgroups (map_write, proc_setgroups_write).

A map can be written once, in one write, by a process in the namespace or in its parent.  Without privilege in the parent a
process may map only its own id, and groups only after it gave up setgroups(2), which would let it drop a group that denies
it something.  Whose privilege counts: the writer's *and* that of whoever opened the file.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from kernel.cred import CAP_SETFCAP, CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN
from kernel.errno import Errno
from kernel.user_ns import INVALID_ID, MAX_EXTENTS, Extent, IdMap, from_kgid, from_kuid, make_kgid, make_kuid

if TYPE_CHECKING:
    from kernel.cred import Cred
    from kernel.user_ns import UserNamespace

PAGE_SIZE = 4096
_BLANK = b" \t\n\v\f\r\xa0"


def map_text(ns: UserNamespace, reader: UserNamespace, group: bool) -> bytes:
    """Return a map as a process in ``reader`` sees it: outside are the numbers of its own namespace, or, of one that looks at
    its own map, of the parent (uid_m_show)."""
    outside = ns.parent if reader is ns and ns.parent is not None else reader
    translate = from_kgid if group else from_kuid
    extents = (ns.gid_map if group else ns.uid_map).extents
    return b"".join(b"%10d %10d %10d\n" % (first, translate(outside, lower), size) for first, lower, size in extents)


def _number(field: bytes) -> int:
    """Parse an id as simple_strtoul with base 10 does; no digit is EINVAL, more than 32 bits are cut."""
    if not field.isdigit():
        raise Errno.EINVAL
    return int(field) & 0xFFFFFFFF


def _parse(text: bytes) -> list[Extent]:
    """Parse lines of three numbers.  EINVAL: anything else, ids that wrap or overlap, no line, or more than 340."""
    extents: list[Extent] = []
    lines = text.split(b"\0")[0].split(b"\n")
    if not lines[-1]:
        lines.pop()
    for line in lines:
        fields = line.split()
        if len(fields) != 3:
            raise Errno.EINVAL
        extent = Extent(*map(_number, fields))
        first, lower, count = extent
        if INVALID_ID in (first, lower):
            raise Errno.EINVAL
        if first + count & 0xFFFFFFFF <= first or lower + count & 0xFFFFFFFF <= lower:
            raise Errno.EINVAL
        extents.append(extent)
        if len(extents) > MAX_EXTENTS:
            raise Errno.EINVAL
    if not extents or _overlap([(e.first, e.size) for e in extents]) or _overlap([(e.lower, e.size) for e in extents]):
        raise Errno.EINVAL
    return extents


def _overlap(ranges: list[tuple[int, int]]) -> bool:
    ranges.sort()
    return any(first + count > after for (first, count), (after, _) in pairwise(ranges))


def _root_map_allowed(ns: UserNamespace, opener: Cred, extents: list[Extent]) -> bool:
    """Mapping the parent's root needs CAP_SETFCAP there: it gives files capabilities (verify_root_map)."""
    if not any(extent.lower == 0 for extent in extents):
        return True
    if opener.user_ns is ns:
        return ns.parent_could_setfcap
    assert ns.parent is not None
    return opener.ns_capable(ns.parent, CAP_SETFCAP)


def _permitted(ns: UserNamespace, group: bool, writer: Cred, opener: Cred, extents: list[Extent]) -> bool:
    """new_idmap_permitted: one's own id, or the capability in the parent namespace."""
    parent = ns.parent
    assert parent is not None
    if not group and not _root_map_allowed(ns, opener, extents):
        return False
    if len(extents) == 1 and extents[0].size == 1 and ns.owner == opener.euid:
        lower = extents[0].lower
        if group:
            if not ns.setgroups_allowed and make_kgid(parent, lower) == opener.egid:
                return True
        elif make_kuid(parent, lower) == opener.euid:
            return True
    cap = CAP_SETGID if group else CAP_SETUID
    return writer.ns_capable(parent, cap) and opener.ns_capable(parent, cap)


def write_map(ns: UserNamespace, group: bool, writer: Cred, opener: Cred, data: bytes, offset: int) -> None:
    """Write uid_map or (``group``) gid_map.  ``opener`` opened the file, ``writer`` writes ``data`` at ``offset``.

    EINVAL for bad text or not in one write from the start; EPERM as user_namespaces(7) says.
    """
    if ns.parent is None or opener.user_ns not in (ns, ns.parent):
        raise Errno.EPERM
    if offset or len(data) >= PAGE_SIZE:
        raise Errno.EINVAL
    if (ns.gid_map if group else ns.uid_map).extents or not opener.ns_capable(ns, CAP_SYS_ADMIN):
        raise Errno.EPERM
    extents = _parse(data)
    if not _permitted(ns, group, writer, opener, extents):
        raise Errno.EPERM
    outside = ns.parent.gid_map if group else ns.parent.uid_map
    kept = []
    for first, lower, count in extents:
        kid = outside.down(lower, count)
        if kid == INVALID_ID:
            raise Errno.EPERM
        kept.append(Extent(first, kid, count))
    if group:
        ns.gid_map = IdMap(tuple(kept))
    else:
        ns.uid_map = IdMap(tuple(kept))


def write_setgroups(ns: UserNamespace, data: bytes, offset: int) -> None:
    """Write "allow" or "deny" to /proc/PID/setgroups.  EPERM to take a denial back, or to deny once the gid map is written."""
    if offset or len(data) >= 8:
        raise Errno.EINVAL
    text = data.split(b"\0")[0]
    word = text.rstrip(_BLANK)
    if word == b"allow":
        if not ns.setgroups_allowed:
            raise Errno.EPERM
    elif word == b"deny":
        if ns.gid_map.extents:
            raise Errno.EPERM
        ns.setgroups_allowed = False
    else:
        raise Errno.EINVAL
