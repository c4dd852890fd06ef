"""The file systems of one machine: numbers, memory and drivers they share, and the tree a machine starts with.

``Vfs`` is what every file system needs of its kernel.  The functions build the first mount namespace: the root (a tree of
the host under a layer in memory), /dev, /dev/shm, /proc, /sys, and the user's binds.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.fs.file import File
from kernel.fs.inode import S_IFBLK, S_IFCHR, S_IFMT, Inode, makedev
from kernel.fs.mount import IdSource, Path
from kernel.fs.pagecache import PagePool
from kernel.fs.propagation import umount_tree
from kernel.hardware import Clock, Frames
from kernel.waitqueue import Blocking

if TYPE_CHECKING:
    from kernel.fs.hosttree import HostTree
    from kernel.fs.inode import FileSystem
    from kernel.fs.locks import LockGraph
    from kernel.fs.mount import Mount, MountNamespace
    from kernel.pid import PidNamespace
    from kernel.task import Thread

Driver = Callable[["Thread", Path, Inode, int], "File | Blocking[File]"]
"""Opens a device: thread, place, inode, open flags."""


class Vfs:
    """What file systems share.

    ``drivers``: (S_IFCHR or S_IFBLK, dev_t) -> how to open the device.  ``ids``: mount numbers.  ``hidden_mount``: the tmpfs
    of memfd_create, ``nsfs_mount``: the namespaces, both in no namespace.  ``devtmpfs``: the one behind every mount of that
    type.  ``make_procfs``: makes the procfs of a pid namespace.  ``trees``: what of the host is open.  ``shrinkers`` free pages.
    ``protected_symlinks`` and ``protected_hardlinks`` are the sysctls of proc_sys_fs(5), set as distributions set them.
    """

    __slots__ = (
        "clock", "pool", "random", "drivers", "ids", "locks", "_last_dev", "boot_id", "hidden_mount", "nsfs_mount",
        "devtmpfs", "make_procfs", "trees", "shrinkers", "protected_symlinks", "protected_hardlinks", "detached",
    )  # fmt: skip

    hidden_mount: Mount
    nsfs_mount: Mount
    devtmpfs: FileSystem
    make_procfs: Callable[[PidNamespace, bytes], FileSystem]

    def __init__(
        self, clock: Clock, frames: Frames, code_changed: Callable[[int], None], randomness: random.Random, locks: LockGraph
    ) -> None:
        self.clock = clock
        self.pool = PagePool(frames, code_changed, frames.total)
        self.random = randomness
        self.drivers: dict[tuple[int, int], Driver] = {}
        self.ids = IdSource()
        self.locks = locks
        self._last_dev = 19
        self.trees: list[HostTree] = []
        self.shrinkers: list[Callable[[int], int]] = []
        self.protected_symlinks = 1
        self.protected_hardlinks = 1
        self.boot_id = uuid4(randomness)
        self.detached: list[Mount] = []
        """Unmounted while somebody may still be inside; ``sweep`` looks."""

    def shrink(self, wanted: int) -> int:
        """Give back about ``wanted`` frames of file pages that can be read again; return how many."""
        freed = 0
        for shrink in self.shrinkers:
            freed += shrink(wanted - freed)
            if freed >= wanted:
                break
        return freed

    def detach(self, doomed: list[Mount]) -> None:
        """Unmount mounts, parents first, whoever is inside; ``mounting.sweep`` ends them when nobody is any more."""
        umount_tree(doomed, self.ids)
        self.detached += doomed

    def namespace_gone(self, ns: MountNamespace) -> None:
        """Nobody is in a mount namespace any more."""
        self.detach(ns.root.tree())

    def close(self) -> None:
        """The machine is done: close what is open on the host."""
        for tree in self.trees:
            tree.close()

    def new_dev(self) -> int:
        """Return the device number of a file system without a device (get_anon_bdev)."""
        self._last_dev += 1
        return makedev(0, self._last_dev)

    def open_special(self, t: Thread, where: Path, inode: Inode, flags: int) -> File | Blocking[File]:
        """Open a device node by its number.  ENXIO without a driver, and for sockets."""
        kind = inode.mode & S_IFMT
        driver = self.drivers.get((kind, inode.rdev)) if kind in (S_IFCHR, S_IFBLK) else None
        if driver is None:
            raise Errno.ENXIO
        return driver(t, where, inode, flags)


def uuid4(randomness: random.Random) -> bytes:
    """Return a random UUID as text (RFC 4122, version 4)."""
    value = randomness.getrandbits(128) & ~(0xF << 76 | 0x3 << 62) | 4 << 76 | 2 << 62
    text = b"%032x" % value
    return b"-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
