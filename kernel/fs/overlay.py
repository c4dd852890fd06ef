"""The root: a read-only tree of the host under a writable layer in memory.

It is a tmpfs that knows where its files came from.  An inode made from the host remembers its ``HostNode``; as long as it
is unchanged it can be forgotten and made again.  The first change turns it, in place, into an ordinary inode in memory
whose data is fetched page by page when needed.  So there is no second inode after copy-up: identity, hard links, open
files, mappings and inode numbers simply stay, where overlayfs has to explain the difference (Documentation/filesystems/
overlayfs.rst, "Non-standard behavior").  A directory keeps the names of the host that are gone in ``hidden`` (whiteouts);
moving a directory moves the object, which keeps its lower directory (overlayfs' redirect).
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from kernel.errno import Errno
from kernel.fs.file import File
from kernel.fs.hosttree import HostNode, HostTree
from kernel.fs.inode import S_IFMT, Dentry, Dirent, Inode, listing
from kernel.fs.pagecache import PageCache
from kernel.fs.tmpfs import TmpDir, TmpFile, TmpFs, TmpSpecial, TmpSymlink
from kernel.mm.memory import Memory

if TYPE_CHECKING:
    from kernel.fs.mount import Path
    from kernel.fs.vfs import Vfs
    from kernel.task import Thread

OVERLAYFS_MAGIC = 0x794C7630
MAX_CACHED = 20_000
"""Unchanged names of the host that are remembered before they are swept."""


class OverlayFs(TmpFs):
    """One overlay: ``tree`` below, ``size`` bytes of changes at most above."""

    __slots__ = ("tree", "known", "changed", "cached", "_devices")

    def __init__(self, vfs: Vfs, tree: HostTree, size: int) -> None:
        super().__init__(vfs, size, type_=b"overlay")
        self.magic = OVERLAYFS_MAGIC
        self.tree = tree
        self._last_ino = 1 << 52
        self.known: WeakValueDictionary[tuple[int, int], Inode] = WeakValueDictionary()
        """Inodes made from the host, by (dev, ino): all names of one file share it."""
        self.changed: dict[tuple[int, int], Inode] = {}
        """Those that must not be forgotten."""
        self.cached = 0
        self._devices: dict[int, int] = {tree.root.stat.st_dev: 0}
        self.pool.shrink = self.shrink
        if isinstance(vfs.pool.frames, Memory):
            vfs.pool.frames.shrinkers.append(self.shrink)
        inode = OverlayDir(self, tree.root)
        self.root = Dentry(b"/", None, inode)

    def number(self, node: HostNode) -> int:
        """Return the inode number: the host's, made unique where the tree spans several of its file systems."""
        index = self._devices.setdefault(node.stat.st_dev, len(self._devices))
        return node.stat.st_ino + (index << 48)

    def inode_of(self, node: HostNode) -> Inode:
        """Return the inode for a node of the host, the one that is known already if it is."""
        inode = self.known.get(node.key)
        if inode is not None and inode.mode & S_IFMT == stat.S_IFMT(node.stat.st_mode):
            return inode
        kind = stat.S_IFMT(node.stat.st_mode)
        if kind == stat.S_IFDIR:
            inode = OverlayDir(self, node)
        elif kind == stat.S_IFREG:
            inode = OverlayFile(self, node)
        elif kind == stat.S_IFLNK:
            inode = OverlaySymlink(self, node)
        else:
            inode = OverlaySpecial(self, node)
        self.known[node.key] = inode
        return inode

    def sweep(self) -> None:
        """Forget unchanged names of files, so that a walk over the whole host does not fill memory.

        Directories stay: their dentries are what names below and working directories hang on.
        """
        kept = set(self.changed.values())
        todo = [self.root.inode]
        while todo:
            directory = todo.pop()
            assert isinstance(directory, TmpDir)
            for name, dentry in list(directory.entries.items()):
                if dentry.inode.is_dir:
                    todo.append(dentry.inode)
                elif dentry.cached and not dentry.mounted and dentry.inode not in kept:
                    del directory.entries[name]
        self.cached = 0

    def shrink(self, wanted: int) -> int:
        """Give back about ``wanted`` frames of file pages that can be read again and are not mapped; return how many."""
        freed = 0
        for inode in list(self.known.values()):
            if isinstance(inode, OverlayFile):
                freed += inode.pages.shrink()
                if freed >= wanted:
                    break
        return freed


def load(inode: Inode, node: HostNode) -> None:
    """Take the attributes of an inode from what the host said."""
    status = node.stat
    inode.mode = status.st_mode
    inode.nlink = status.st_nlink
    inode.uid = status.st_uid
    inode.gid = status.st_gid
    inode.atime = status.st_atime_ns
    inode.mtime = status.st_mtime_ns
    inode.ctime = inode.btime = status.st_ctime_ns


def keep(inode: Inode, node: HostNode) -> None:
    """An inode from the host changed: it must not be forgotten."""
    fs = inode.fs
    assert isinstance(fs, OverlayFs)
    fs.changed[node.key] = inode


def drop(inode: Inode, node: HostNode) -> None:
    """An inode from the host lost its last name."""
    fs = inode.fs
    assert isinstance(fs, OverlayFs)
    fs.changed.pop(node.key, None)


class OverlayFile(TmpFile):
    """A regular file from the host."""

    __slots__ = ("node", "is_changed")

    def __init__(self, fs: OverlayFs, node: HostNode) -> None:
        status = node.stat
        pages = PageCache(fs.pool, node, status.st_size)
        super().__init__(fs, fs.number(node), status.st_mode, status.st_uid, status.st_gid, pages)
        load(self, node)
        self.node = node
        self.is_changed = False

    def blocks(self) -> int:
        """The host's count until the file is changed."""
        return self.pages.blocks() if self.is_changed else self.node.stat.st_blocks

    def accessed(self) -> None:
        """Reading does not change a file of the lower layer."""
        if self.is_changed:
            super().accessed()

    def modify(self) -> None:
        """Copy up: from now on the inode is ours."""
        if not self.is_changed:
            self.is_changed = True
            keep(self, self.node)

    def removed(self) -> None:
        """The last name is gone."""
        drop(self, self.node)

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Open it, having seen whether the host changed the file since it was looked up.

        ESTALE if it is another file now: the name is forgotten and the walk starts over.
        """
        if (flags + 1) & 2:
            # A writable mapping changes pages without asking again.
            self.modify()
        if not self.is_changed:
            before = self.node.stat
            try:
                status = self.node.refresh()
            except Errno.ESTALE:
                if not where.dentry.cached:
                    raise Errno.EIO from None
                parent = where.dentry.parent.inode
                assert isinstance(parent, TmpDir)
                parent.entries.pop(where.dentry.name, None)
                raise
            if status.st_mtime_ns != before.st_mtime_ns or status.st_size != before.st_size:
                self.pages = PageCache(self.pages.pool, self.node, status.st_size)
            load(self, self.node)
        return super().open(t, where, flags)


class OverlaySymlink(TmpSymlink):
    """A symbolic link from the host; its text is read once."""

    __slots__ = ("node",)

    def __init__(self, fs: OverlayFs, node: HostNode) -> None:
        super().__init__(fs, fs.number(node), node.readlink(), node.stat.st_uid, node.stat.st_gid)
        load(self, node)
        self.node = node

    def modify(self) -> None:
        """Copy up."""
        keep(self, self.node)

    def removed(self) -> None:
        """The last name is gone."""
        drop(self, self.node)


class OverlaySpecial(TmpSpecial):
    """A device, fifo or socket of the host: it can be seen, renamed and removed, but never opened."""

    __slots__ = ("node",)

    def __init__(self, fs: OverlayFs, node: HostNode) -> None:
        status = node.stat
        super().__init__(fs, fs.number(node), status.st_mode, status.st_uid, status.st_gid, status.st_rdev)
        load(self, node)
        self.node = node

    def modify(self) -> None:
        """Copy up."""
        keep(self, self.node)

    def removed(self) -> None:
        """The last name is gone."""
        drop(self, self.node)

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Nothing of the host's devices is reachable."""
        raise Errno.ENXIO


class OverlayDir(TmpDir):
    """A directory; ``node`` is the host's directory of which ``hidden`` names are covered, None for a new one."""

    __slots__ = ("node", "hidden")

    def __init__(self, fs: OverlayFs, node: HostNode) -> None:
        super().__init__(fs, fs.number(node), node.stat.st_mode, node.stat.st_uid, node.stat.st_gid)
        load(self, node)
        self.node = node
        self.hidden: set[bytes] = set()

    def size(self) -> int:
        """The host's idea."""
        return self.node.stat.st_size

    def blocks(self) -> int:
        """The host's idea."""
        return self.node.stat.st_blocks

    def lookup(self, here: Dentry, name: bytes) -> Dentry:
        """Find an entry: ours, or the host's if it is not hidden."""
        dentry = self.entries.get(name)
        if dentry is not None:
            return dentry
        if name in self.hidden:
            raise Errno.ENOENT
        fs = self.fs
        assert isinstance(fs, OverlayFs)
        inode = fs.inode_of(self.node.child(name))
        if fs.cached >= MAX_CACHED:
            fs.sweep()
        fs.cached += 1
        dentry = self.entries[name] = Dentry(name, here, inode, True)
        return dentry

    def readdir(self, here: Dentry) -> list[Dirent]:
        """Merge both layers."""
        entries = self.entries
        hidden = self.hidden
        found = listing(list(entries.values()))
        for name, number, kind in self.node.list():
            if name not in entries and name not in hidden:
                found.append(Dirent(name, number, kind))
        return found

    def is_empty(self) -> bool:
        """Tell whether neither layer has an entry."""
        if any(not dentry.cached for dentry in self.entries.values()):
            return False
        return all(name in self.hidden for name, _, _ in self.node.list())

    def forget(self, name: bytes) -> None:
        """Take an entry out, and hide what the host has under the name."""
        del self.entries[name]
        self.hidden.add(name)

    def count_subdir(self, change: int) -> None:
        """File systems that do not count subdirectories say 1 (btrfs, overlayfs)."""
        if self.nlink > 1:
            self.nlink += change

    def modify(self) -> None:
        """Directories are never forgotten."""


