"""The tree a machine starts with: root, /dev, /dev/shm, /proc, /sys, and the user's binds.

The root is a directory of the host, read-only, under a layer in memory.  Nothing else of the host can be reached, except
what the user binds: ``Bind(source, target, writable)`` shows one more directory of the host, and writes reach it only if
the user said so.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from kernel.errno import Errno
from kernel.fs.devfs import make_devfs, register_drivers
from kernel.fs.devpts import DevPts
from kernel.fs.devpts import register_drivers as register_terminals
from kernel.fs.hostfs import HostFs
from kernel.fs.hosttree import HostTree
from kernel.fs.inode import S_IFDIR, S_IFREG, Dentry, FileSystem
from kernel.fs.memfd import make_hidden_mount
from kernel.fs.mount import MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_RELATIME, Mount, MountNamespace, Path, cross
from kernel.fs.nsfs import NsFs
from kernel.fs.overlay import OverlayFs
from kernel.fs.pagecache import PageCache
from kernel.fs.path import MAX_LINKS
from kernel.fs.proc.root import make_procfs
from kernel.fs.sysfs import SysFs
from kernel.fs.tmpfs import TmpDir, TmpFile, TmpFs, TmpSymlink
from kernel.fs.vfs import Vfs
from kernel.ns import MNT_NS_INUM
from kernel.user_ns import INIT_USER_NS

if TYPE_CHECKING:
    from kernel.kernel import Kernel
    from kernel.pid import PidNamespace


class Bind(NamedTuple):
    """A directory of the host shown in the guest: host path, guest path, whether writes go through."""

    source: str
    target: str
    writable: bool = False


def make_root(vfs: Vfs, host_root: str) -> MountNamespace:
    """Return the initial mount namespace over ``host_root`` with /dev, /dev/shm and /sys; ``mount_proc`` adds /proc.

    Raises OSError if ``host_root`` cannot be opened.
    """
    register_drivers(vfs)
    register_terminals(vfs)
    memory = vfs.pool.limit << 12
    tree = HostTree(host_root)
    vfs.trees.append(tree)
    overlay = OverlayFs(vfs, tree, memory // 2)
    vfs.shrinkers.append(overlay.shrink)
    # As in Linux an empty directory in memory is below everything, so that the root can be exchanged (pivot_root).
    bottom = TmpFs(vfs, 0, 0o755, type_=b"rootfs")
    namespace = MountNamespace(Mount(bottom, bottom.root, 0, b"rootfs", 1), MNT_NS_INUM, vfs.ids)
    root = Mount(overlay, overlay.root, MS_RELATIME, b"overlay", vfs.ids.new_mount_id())
    root.attach(Path(namespace.root, bottom.root))
    vfs.hidden_mount = make_hidden_mount(TmpFs(vfs, memory))
    nsfs = NsFs(vfs)
    vfs.nsfs_mount = Mount(nsfs, nsfs.root, 0, b"nsfs", 0)
    vfs.devtmpfs = make_devfs(vfs)
    vfs.devtmpfs.mounts += 1  # it stays, mounted or not
    mount_at(vfs, namespace, b"/dev", vfs.devtmpfs, MS_NOSUID | MS_RELATIME, b"devtmpfs")
    mount_at(vfs, namespace, b"/dev/shm", TmpFs(vfs, memory // 2), MS_NOSUID | MS_NODEV | MS_RELATIME, b"tmpfs")
    devpts = DevPts(vfs)
    devpts.take_options(INIT_USER_NS, b"gid=5,mode=620,ptmxmode=000")
    mount_at(vfs, namespace, b"/dev/pts", devpts, MS_NOSUID | MS_NOEXEC | MS_RELATIME, b"devpts")
    mount_at(vfs, namespace, b"/sys", SysFs(vfs), MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME, b"sysfs")
    return namespace


def mount_proc(kernel: Kernel, namespace: MountNamespace) -> None:
    """Mount a procfs of the initial pid namespace at /proc, and let mount(2) make more."""

    def make(ns: PidNamespace, options: bytes = b"") -> FileSystem:
        return make_procfs(kernel, ns, options)

    kernel.vfs.make_procfs = make
    flags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME
    mount_at(kernel.vfs, namespace, b"/proc", make(kernel.root_pid_ns), flags, b"proc")


def mount_at(vfs: Vfs, namespace: MountNamespace, target: bytes, fs: FileSystem, flags: int, source: bytes) -> Mount:
    """Mount ``fs`` at an absolute path, making missing directories (in memory)."""
    mount = Mount(fs, fs.root, flags, source, vfs.ids.new_mount_id())
    mount.attach(make_directories(namespace, target))
    return mount


def make_directories(namespace: MountNamespace, target: bytes) -> Path:
    """Walk to an absolute path before there is any process, making missing directories in memory.

    Raises ENOTDIR if something on the way is no directory, ELOOP.
    """
    top = Path(*cross(namespace.root, namespace.root.root))
    mount, dentry = top
    stack = target.split(b"/")[::-1]
    links = 0
    while stack:
        name = stack.pop()
        if name in (b"", b"."):
            continue
        if name == b"..":
            while dentry is mount.root and mount.parent is not None:
                mount, dentry = mount.parent, mount.mountpoint
            mount, dentry = cross(mount, dentry.parent)
            continue
        directory = dentry.inode
        try:
            child = directory.lookup(dentry, name)
        except Errno.ENOENT:
            if not isinstance(directory, TmpDir):
                raise
            child = add_directory(dentry, name)
        if isinstance(child.inode, TmpSymlink):
            links += 1
            if links > MAX_LINKS:
                raise Errno.ELOOP
            text = child.inode.target
            stack += text.split(b"/")[::-1]
            if text.startswith(b"/"):
                mount, dentry = top
            continue
        if not child.inode.is_dir:
            raise Errno.ENOTDIR
        mount, dentry = cross(mount, child)
    return Path(mount, dentry)


def add_directory(here: Dentry, name: bytes) -> Dentry:
    """Make a directory in a directory in memory."""
    directory = here.inode
    assert isinstance(directory, TmpDir)
    fs = directory.fs
    assert isinstance(fs, TmpFs)
    dentry = directory.entries[name] = Dentry(name, here, TmpDir(fs, fs.new_ino(), S_IFDIR | 0o755))
    directory.count_subdir(1)
    return dentry


def bind(vfs: Vfs, namespace: MountNamespace, what: Bind) -> Mount:
    """Mount a directory or file of the host.  Raises OSError if it cannot be opened, ENOTDIR, EINVAL for a bad target.

    The source is named by the user of the machine, so its own path is resolved by the host.
    """
    source = os.path.realpath(what.source)
    os.stat(source)
    flags = MS_NOSUID | MS_NODEV | MS_RELATIME | (0 if what.writable else MS_RDONLY)
    target = os.fsencode(what.target)
    directory, name = (source, "") if os.path.isdir(source) else os.path.split(source)
    tree = HostTree(directory, what.writable)
    vfs.trees.append(tree)
    fs = HostFs(vfs, tree, os.fsencode(name))
    vfs.shrinkers.append(fs.shrink)
    if not name:
        return mount_at(vfs, namespace, target, fs, flags, os.fsencode(what.source))
    above, _, last = target.rpartition(b"/")
    place = make_directories(namespace, above)
    try:
        dentry = place.dentry.inode.lookup(place.dentry, last)
    except Errno.ENOENT:
        # Something must be there to mount on.
        dentry = add_file(place.dentry, last)
    mount = Mount(fs, fs.root, flags, os.fsencode(what.source), vfs.ids.new_mount_id())
    mount.attach(Path(place.mount, dentry))
    return mount


def add_file(here: Dentry, name: bytes) -> Dentry:
    """Make an empty file in a directory in memory."""
    directory = here.inode
    if not isinstance(directory, TmpDir):
        raise Errno.ENOENT
    fs = directory.fs
    assert isinstance(fs, TmpFs)
    inode = TmpFile(fs, fs.new_ino(), S_IFREG | 0o644, 0, 0, PageCache(fs.pool))
    dentry = directory.entries[name] = Dentry(name, here, inode)
    return dentry
