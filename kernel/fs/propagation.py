"""Propagation: what happens at one mount happens at others (fs/pnode.c, mount_namespaces(7)).

A shared mount is a member of a peer group.  Mounting below it mounts a copy below every other member, and below the slaves of
the group; a slave that is shared itself hands on to its own peers and slaves.  Copies made for members are peers of each other,
copies made for slaves are slaves of those.  Unmounting goes the same ways.

Linux keeps rings and lists of mounts; here a group is an object and "slave of" is a reference to one, which says the same: all
members of a group have the same slaves.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from kernel.errno import Errno
from kernel.fs.mount import (
    MS_NOATIME,
    MS_NODEV,
    MS_NODIRATIME,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_RELATIME,
    MS_SHARED,
    MS_UNBINDABLE,
    IdSource,
    Mount,
    MountNamespace,
    Path,
    PeerGroup,
)
from kernel.fs.nsfs import is_mount_ns

if TYPE_CHECKING:
    from kernel.fs.inode import Dentry
    from kernel.fs.namespace import FsContext
    from kernel.ucount import Charge
    from kernel.user_ns import UserNamespace

ATIME_FLAGS = MS_NOATIME | MS_NODIRATIME | MS_RELATIME
_LOCKABLE = MS_RDONLY | MS_NODEV | MS_NOSUID | MS_NOEXEC


# -- types ------------------------------------------------------------------------------------------------------------
def _leave_master(mount: Mount) -> None:
    if mount.master is not None:
        mount.master.slaves.pop(mount, None)
        mount.master = None


def _become_slave(mount: Mount, group: PeerGroup | None) -> None:
    _leave_master(mount)
    mount.master = group
    if group is not None:
        group.slaves[mount] = None


def make_shared(mount: Mount, ids: IdSource) -> None:
    """Make a mount a member of a group of its own unless it is in one."""
    if mount.shared is None:
        mount.shared = ids.new_group()
        mount.shared.members[mount] = None


def make_slave(mount: Mount, ids: IdSource) -> None:
    """Leave the peer group and become its slave; the last member instead hands the group's slaves to its own master
    (do_make_slave).  A mount in no group stays what it is."""
    group = mount.shared
    if group is None:
        return
    del group.members[mount]
    mount.shared = None
    if group.members:
        _become_slave(mount, group)
        return
    for slave in list(group.slaves):
        _become_slave(slave, mount.master)
    ids.free_group(group)


def make_private(mount: Mount, ids: IdSource) -> None:
    """Leave all groups."""
    make_slave(mount, ids)
    _leave_master(mount)


def change_type(mount: Mount, kind: int, ids: IdSource) -> None:
    """Set the propagation type MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE (change_mnt_propagation)."""
    if kind == MS_SHARED:
        make_shared(mount, ids)
        mount.unbindable = False
    elif kind in (MS_PRIVATE, MS_UNBINDABLE):
        make_private(mount, ids)
        mount.unbindable = kind == MS_UNBINDABLE
    else:
        make_slave(mount, ids)
        mount.unbindable = False


# -- copies -----------------------------------------------------------------------------------------------------------
class Copy(Enum):
    """What a copy is to its original: a peer (nothing, if the original is in no group); a slave; a slave with peers of its own;
    or a slave if the original is shared, for a namespace of less privilege."""

    PEER = 0
    SLAVE = 1
    SHARED_SLAVE = 2
    SHARED_TO_SLAVE = 3


def clone_mount(old: Mount, root: Dentry, ids: IdSource, how: Copy = Copy.PEER) -> Mount:
    """Return a copy of a mount that shows ``root`` of its file system (clone_mnt)."""
    new = Mount(old.fs, root, old.flags, old.source, ids.new_mount_id())
    # Unbindable is not inherited: what a new namespace copies can be bound there (T_UNBINDABLE, since Linux 6.17).
    new.locked, new.pinned = old.locked, old.pinned
    if how in (Copy.SLAVE, Copy.SHARED_SLAVE) or (how is Copy.SHARED_TO_SLAVE and old.shared is not None):
        _become_slave(new, old.shared)
        if how is Copy.SHARED_SLAVE:
            make_shared(new, ids)
        return new
    if old.shared is not None:
        new.shared = old.shared
        old.shared.members[new] = None
    _become_slave(new, old.master)
    return new


def copy_tree(
    top: Mount, root: Dentry, ids: IdSource, how: Copy = Copy.PEER, keep_unbindable: bool = False
) -> dict[Mount, Mount]:
    """Copy a mount and everything below ``root``; return old -> new, the top first.  It has no parent yet.

    Unbindable mounts below are left out, unless kept; so are files of mount namespaces, which could make a namespace contain
    itself.  EPERM: one left out would reveal what it covers (copy_tree).
    """
    copies = {top: clone_mount(top, root, ids, how)}
    for mount in top.tree():
        parent = mount.parent
        if parent not in copies or (parent is top and not mount.mountpoint.is_under(root)):
            continue
        if is_mount_ns(mount.root.inode) or (mount.unbindable and not keep_unbindable):
            if mount.pinned:
                for copy in copies.values():
                    make_private(copy, ids)
                    copy.end()
                raise Errno.EPERM
            continue
        assert parent is not None
        copies[mount] = clone_mount(mount, mount.root, ids, how)
        copies[mount].attach(Path(copies[parent], mount.mountpoint))
    return copies


def lock_tree(top: Mount) -> None:
    """Keep a tree as it is in a user namespace of less privilege: flags that restrict stay, and nothing below the top can be
    taken away to show what it covers (lock_mnt_tree)."""
    for mount in top.tree():
        mount.locked |= mount.flags & _LOCKABLE | ATIME_FLAGS
        if mount is not top:
            mount.pinned = True


def copy_namespace(
    old: MountNamespace, inum: int, fs: FsContext, user_ns: UserNamespace, charge: Charge | None = None
) -> MountNamespace:
    """Return a copy of a mount namespace for ``user_ns``; root and working directory of ``fs`` move over (copy_mnt_ns)."""
    foreign = user_ns is not old.user_ns
    copies = copy_tree(old.root, old.root.root, old.ids, Copy.SHARED_TO_SLAVE if foreign else Copy.PEER, keep_unbindable=True)
    if foreign:
        lock_tree(copies[old.root])
    fs.root = Path(copies.get(fs.root.mount, fs.root.mount), fs.root.dentry)
    fs.cwd = Path(copies.get(fs.cwd.mount, fs.cwd.mount), fs.cwd.dentry)
    return MountNamespace(copies[old.root], inum, old.ids, user_ns, charge)


# -- mounting ---------------------------------------------------------------------------------------------------------
class _Step(NamedTuple):
    """A peer group that is to get copies of ``origin``, as peers or as slaves of it."""

    group: PeerGroup
    origin: Mount
    peers: bool


def _propagate(source: Mount, where: Path, ids: IdSource) -> list[tuple[Mount, Mount]]:
    """Copy ``source`` for everybody who receives from ``where.mount`` (propagate_mnt).  Returns (copy, mount to attach it to)."""
    made: list[tuple[Mount, Mount]] = []

    def receive(mount: Mount, origin: Mount, how: Copy) -> Mount | None:
        if mount is where.mount or mount.ns is None or not where.dentry.is_under(mount.root):
            return None
        copy = copy_tree(origin, origin.root, ids, how, keep_unbindable=True)[origin]
        copy.pinned = False
        made.append((copy, mount))
        return copy

    assert where.mount.shared is not None
    steps = [_Step(where.mount.shared, source, True)]
    seen = {where.mount.shared}
    for group, origin, peers in steps:
        for mount in list(group.members):
            copy = receive(mount, origin, Copy.PEER if peers else Copy.SHARED_SLAVE)
            if copy is not None and not peers:
                origin, peers = copy, True
        for slave in list(group.slaves):
            if slave.shared is None:
                receive(slave, origin, Copy.SLAVE)
            elif slave.shared not in seen:
                seen.add(slave.shared)
                steps.append(_Step(slave.shared, origin, False))
    return made


def attach_recursive(source: Mount, where: Path, user_ns: UserNamespace, ids: IdSource) -> None:
    """Mount a tree at ``where`` and copies of it wherever that propagates to (attach_recursive_mnt).

    Copies that end up in a namespace of another user namespace than ``user_ns`` are locked.
    """
    copies: list[tuple[Mount, Mount]] = []
    if where.mount.shared is not None:
        for mount in source.tree():
            make_shared(mount, ids)
        copies = _propagate(source, where, ids)
    source.detach()
    source.attach(where)
    for copy, parent in copies:
        above = parent.children.get(where.dentry)
        copy.attach(Path(parent, where.dentry))
        if copy.ns is not None and copy.ns.user_ns is not user_ns:
            lock_tree(copy)
        if above is not None:
            # Something is mounted there already: it stays on top (the new mount is tucked beneath).
            above.mountpoint.mounted -= 1
            above.attach(Path(copy, copy.root))


# -- unmounting -------------------------------------------------------------------------------------------------------
def receivers(mount: Mount) -> Iterator[Mount]:
    """Yield every mount to which what happens at ``mount`` propagates (propagation_next)."""
    if mount.shared is None:
        return
    groups = [mount.shared]
    for group in groups:
        yield from (member for member in list(group.members) if member is not mount)
        for slave in list(group.slaves):
            if slave.shared is None:
                yield slave
            elif slave.shared not in groups:
                groups.append(slave.shared)


def propagated(mount: Mount) -> Iterator[Mount]:
    """Yield the mounts that are at the same place as ``mount`` wherever its parent propagates to."""
    if mount.parent is not None:
        for receiver in receivers(mount.parent):
            child = receiver.children.get(mount.mountpoint)
            if child is not None:
                yield child


def with_propagated(doomed: list[Mount]) -> list[Mount]:
    """Return the mounts that go when ``doomed`` are unmounted: their counterparts too, unless something is mounted below
    those, or they cover what their namespace must not see (propagate_umount).  What is on top of one stays."""
    going = dict.fromkeys(doomed)
    for mount in reversed(doomed):
        for child in propagated(mount):
            stays = any(above not in going and above.mountpoint is not child.root for above in child.children.values())
            if child not in going and not stays and (not child.pinned or child.parent in going):
                going[child] = None
    return list(going)


def umount_tree(doomed: list[Mount], ids: IdSource) -> None:
    """Take mounts out of their trees and groups (umount_tree); what they hold goes with ``Vfs.sweep`` or ``Mount.end``."""
    going = set(doomed)
    for mount in reversed(doomed):
        make_private(mount, ids)
        above = mount.children.get(mount.root)
        parent, mountpoint = mount.parent, mount.mountpoint
        mount.detach()
        mount.ns = None
        if above is not None and above not in going:
            # It comes to stand where the mount was, or whatever of that stays.
            while parent is not None and parent in going:
                mountpoint, parent = parent.mountpoint, parent.parent
            above.detach()
            if parent is not None:
                above.attach(Path(parent, mountpoint))
