"""A directory of the host bound into the guest (--bind SRC:DST[:rw]).

Nothing is kept but names: attributes are asked of the host each time they matter, so what other programs of the host
change is seen.  With ``rw`` changes go through to the host at once; shared mappings are written back at msync, fsync and
when the last user closes the file.  Regular files, directories and symbolic links are all there is: device nodes, FIFOs and
sockets can neither be opened nor made.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from kernel.errno import Errno
from kernel.fs.file import File, PageSource
from kernel.fs.hosttree import HostNode, HostTree, host_error
from kernel.fs.inode import NAME_MAX, S_IFMT, S_ISGID, Dentry, Dirent, FileSystem, Inode, Statfs
from kernel.fs.pagecache import PageCache
from kernel.fs.regular import DataInode, DirectoryFile, RegularFile
from kernel.hardware import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE

if TYPE_CHECKING:
    from kernel.fs.file import Stat
    from kernel.fs.mount import Path
    from kernel.fs.vfs import Vfs
    from kernel.task import Thread

HOSTFS_MAGIC = 0x00C0FFEE
MAX_NAMES = 20_000


class HostFs(FileSystem):
    """One bind of the tree of the host below ``tree.root``, or of one file in it (``name``)."""

    __slots__ = ("tree", "known", "names", "_devices")

    def __init__(self, vfs: Vfs, tree: HostTree, name: bytes = b"") -> None:
        super().__init__(vfs, b"hostfs", HOSTFS_MAGIC)
        self.tree = tree
        self.read_only = not tree.writable
        self.known: WeakValueDictionary[tuple[int, int], HostInode] = WeakValueDictionary()
        self.names = 0
        node = tree.root.child(name) if name else tree.root
        self._devices: dict[int, int] = {node.stat.st_dev: 0}
        self.root = Dentry(b"/", None, self.inode_of(node))

    def number(self, node: HostNode) -> int:
        """Return the inode number, unique even where the tree spans several file systems of the host."""
        return node.stat.st_ino + (self._devices.setdefault(node.stat.st_dev, len(self._devices)) << 48)

    def inode_of(self, node: HostNode) -> HostInode:
        """Return the inode of a node: one for all names of a file."""
        inode = self.known.get(node.key)
        if inode is not None and inode.mode & S_IFMT == stat.S_IFMT(node.stat.st_mode):
            inode.node.stat = node.stat
            inode.load()
            return inode
        inode = make_inode(self, node)
        self.known[node.key] = inode
        return inode

    def statfs(self) -> Statfs:
        """Return what the host says of the root's file system."""
        try:
            host = os.statvfs(self.tree.directory(self.tree.root))
        except OSError as error:
            raise host_error(error) from None
        return Statfs(
            self.magic, host.f_bsize, host.f_blocks, host.f_bfree, host.f_bavail, host.f_files, host.f_ffree, self.dev, NAME_MAX
        )

    def shrink(self, wanted: int) -> int:
        """Give back frames of pages that are mapped nowhere and the same as on the host; return how many."""
        return sum(
            inode.pages.shrink()
            for inode in list(self.known.values())
            if isinstance(inode, HostFile) and inode.pages is not None
        )

    def sync(self) -> None:
        """Write back all mapped pages."""
        for inode in list(self.known.values()):
            if isinstance(inode, HostFile):
                inode.sync()


class HostInode(Inode):
    """An object of the host.  This class itself serves devices, FIFOs and sockets: to be seen, not opened."""

    __slots__ = ("node",)

    def __init__(self, fs: HostFs, node: HostNode) -> None:
        super().__init__(fs, fs.number(node), node.stat.st_mode, rdev=0)
        self.node = node
        self.load()

    def load(self) -> None:
        """Take the attributes from ``node.stat``."""
        status = self.node.stat
        self.mode = status.st_mode
        self.nlink = status.st_nlink
        self.uid = status.st_uid
        self.gid = status.st_gid
        self.atime = status.st_atime_ns
        self.mtime = status.st_mtime_ns
        self.ctime = self.btime = status.st_ctime_ns

    def refresh(self) -> None:
        """Ask the host again, by name; an object that has lost its name keeps what was last known."""
        if self.node.parent is not None:
            try:
                self.node.refresh()
            except Errno.ESTALE:
                return
        else:
            self.node.stat = os.fstat(self.node.tree.directory(self.node))
        self.load()

    def size(self) -> int:
        """Bytes."""
        return self.node.stat.st_size

    def blocks(self) -> int:
        """512-byte blocks."""
        return self.node.stat.st_blocks

    def stat(self, t: Thread | None = None) -> Stat:
        """Ask the host and return the attributes."""
        self.refresh()
        return super().stat(t)

    def set_mode(self, t: Thread, mode: int) -> None:
        """chmod on the host."""
        try:
            self.node.tree.change_mode(self.node, mode & 0o7777)
        except OSError as error:
            raise host_error(error) from None
        self.refresh()

    def set_owner(self, t: Thread, uid: int, gid: int) -> None:
        """chown on the host, as far as the host lets its user."""
        node = self.node
        try:
            if node.parent is None:
                os.fchown(node.tree.directory(node), uid, gid)
            else:
                os.chown(node.name, uid, gid, dir_fd=node.tree.directory(node.parent), follow_symlinks=False)
        except OSError as error:
            raise host_error(error) from None
        self.refresh()

    def set_times(self, t: Thread, atime: int | None, mtime: int | None) -> None:
        """utimensat on the host."""
        node = self.node
        self.refresh()
        times = (self.atime if atime is None else atime, self.mtime if mtime is None else mtime)
        try:
            if node.parent is None:
                os.utime(node.tree.directory(node), ns=times)
            else:
                os.utime(node.name, ns=times, dir_fd=node.tree.directory(node.parent), follow_symlinks=False)
        except OSError as error:
            raise host_error(error) from None
        self.refresh()


class HostSymlink(HostInode):
    """A symbolic link: its text is resolved in the guest."""

    __slots__ = ()

    def readlink(self, t: Thread) -> bytes:
        """Return the text."""
        return self.node.readlink()


class HostFile(HostInode, DataInode):
    """A regular file.  ``pages`` exists while somebody maps it; ``openers`` counts open files."""

    __slots__ = ("pages", "openers")

    def __init__(self, fs: HostFs, node: HostNode) -> None:
        super().__init__(fs, node)
        self.pages: PageCache | None = None
        self.openers = 0

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Open it; the host decides too."""
        write = bool((flags + 1) & 2)
        self.node.refresh()
        try:
            self.node.tree.file(self.node, write)
        except OSError as error:
            raise host_error(error) from None
        self.load()
        self.openers += 1
        return RegularFile(where, flags)

    def released(self) -> None:
        """One open file less; the last one writes back."""
        self.openers -= 1
        if self.openers <= 0:
            if self.pages is not None:
                self.sync()
                self.pages = None
            if self.nlink <= 0:
                self.node.tree.unpin(self.node)

    def losing_name(self) -> None:
        """The name is about to go: who has the file open keeps it."""
        if self.openers:
            try:
                self.node.tree.pin(self.node, False)
                if self.writers > 0:
                    self.node.tree.pin(self.node, True)
            except OSError as error:
                raise host_error(error) from None

    def size(self) -> int:
        """Bytes, asked of the host: others may have appended."""
        try:
            return os.fstat(self.node.tree.file(self.node, False)).st_size
        except (OSError, Errno):
            return self.node.stat.st_size

    def read_at(self, offset: int, size: int) -> bytes:
        """Read, after what mappings changed is written."""
        if self.pages is not None and self.pages.dirty_pages:
            self._write_back()
        return self.node.pread(size, offset)

    def write_at(self, t: Thread, offset: int, data: bytes) -> int:
        """Write through; pages in memory are updated."""
        if self.pages is not None and self.pages.dirty_pages:
            self._write_back()
        try:
            count = os.pwrite(self.node.tree.file(self.node, True), data, offset)
        except OSError as error:
            raise host_error(error) from None
        if self.pages is not None:
            self._reload(offset, offset + count)
        return count

    def truncate(self, t: Thread, size: int) -> None:
        """Set the size."""
        try:
            os.ftruncate(self.node.tree.file(self.node, True), size)
        except OSError as error:
            raise host_error(error) from None
        if self.pages is not None:
            self.pages.truncate(size)
            self.pages.backed = size
        self.refresh()

    def _reload(self, start: int, end: int) -> None:
        """Make the pages of [start, end) that are in memory equal to the file again."""
        pages = self.pages
        assert pages is not None
        pages.size = pages.backed = max(pages.size, end)
        for index in range(start >> PAGE_SHIFT, (end + PAGE_MASK) >> PAGE_SHIFT):
            frame = pages.pages.get(index)
            if frame is not None:
                data = self.node.pread(PAGE_SIZE, index << PAGE_SHIFT).ljust(PAGE_SIZE, b"\0")
                pages.memory[frame << PAGE_SHIFT : (frame + 1) << PAGE_SHIFT] = data
                pages.pool.code_changed(frame)

    def _write_back(self) -> None:
        """Write the pages that shared mappings may have changed.  They stay marked: nobody tells of the next store."""
        pages = self.pages
        assert pages is not None
        fd = self.node.tree.file(self.node, True)
        size = os.fstat(fd).st_size
        for index in pages.dirty_pages:
            frame = pages.pages.get(index)
            start = index << PAGE_SHIFT
            if frame is not None and start < size:
                length = min(PAGE_SIZE, size - start)
                os.pwrite(fd, pages.memory[frame << PAGE_SHIFT : (frame << PAGE_SHIFT) + length], start)

    def sync(self) -> None:
        """msync, fsync: write back."""
        if self.pages is not None and self.pages.dirty_pages:
            try:
                self._write_back()
            except OSError as error:
                raise host_error(error) from None

    def source(self) -> PageSource:
        """Return the pages."""
        size = self.size()
        if self.pages is None:
            self.pages = PageCache(self.fs.vfs.pool, self.node, size)
        elif size != self.pages.size:
            self.pages.size = self.pages.backed = size
        return self.pages


class HostDir(HostInode):
    """A directory; ``entries`` are the names looked up so far, checked against the host at every lookup."""

    __slots__ = ("entries",)

    def __init__(self, fs: HostFs, node: HostNode) -> None:
        super().__init__(fs, node)
        self.entries: dict[bytes, Dentry] = {}

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Open it."""
        return DirectoryFile(where, flags)

    def _hostfs(self) -> HostFs:
        fs = self.fs
        assert isinstance(fs, HostFs)
        return fs

    def lookup(self, here: Dentry, name: bytes) -> Dentry:
        """Find an entry; the host is asked every time."""
        fs = self._hostfs()
        known = self.entries.get(name)
        try:
            node = self.node.child(name)
        except Errno.ENOENT:
            if known is not None:
                self._gone(known)
            raise
        if known is not None:
            inode = known.inode
            assert isinstance(inode, HostInode)
            if inode.node.key == node.key and inode.mode & S_IFMT == stat.S_IFMT(node.stat.st_mode):
                inode.node.stat = node.stat
                inode.load()
                return known
            self._gone(known)
        if fs.names >= MAX_NAMES:
            fs.names = 0
            self.entries = {name: dentry for name, dentry in self.entries.items() if dentry.inode.is_dir or dentry.mounted}
        fs.names += 1
        dentry = self.entries[name] = Dentry(name, here, fs.inode_of(node), True)
        return dentry

    def _gone(self, dentry: Dentry) -> None:
        del self.entries[dentry.name]
        dentry.unlinked = True

    def readdir(self, here: Dentry) -> list[Dirent]:
        """Ask the host."""
        return [Dirent(name, number, kind) for name, number, kind in self.node.list()]

    def new_gid(self, t: Thread) -> int:
        """Return the group of what ``t`` makes here: a set-group-ID directory hands down its own."""
        return self.gid if self.mode & S_ISGID else t.cred.fsgid

    # -- changes ----------------------------------------------------------------------------------------------------
    def create(self, t: Thread, here: Dentry, name: bytes, mode: int) -> Dentry:
        """Make a regular file on the host."""
        try:
            self.node.tree.create(self.node, name, mode, t.cred.fsuid, self.new_gid(t))
        except OSError as error:
            raise host_error(error) from None
        return self.lookup(here, name)

    def mkdir(self, t: Thread, here: Dentry, name: bytes, mode: int) -> Dentry:
        """Make a directory on the host."""
        try:
            if self.mode & S_ISGID:
                mode |= S_ISGID
            os.mkdir(name, mode, dir_fd=self.node.tree.directory(self.node))
            self.node.tree.give(self.node, name, t.cred.fsuid, self.new_gid(t))
        except OSError as error:
            raise host_error(error) from None
        dentry = self.lookup(here, name)
        dentry.inode.set_mode(t, mode)
        return dentry

    def symlink(self, t: Thread, here: Dentry, name: bytes, target: bytes) -> Dentry:
        """Make a symbolic link on the host."""
        try:
            os.symlink(target, name, dir_fd=self.node.tree.directory(self.node))
            self.node.tree.give(self.node, name, t.cred.fsuid, self.new_gid(t))
        except OSError as error:
            raise host_error(error) from None
        return self.lookup(here, name)

    def link(self, t: Thread, here: Dentry, name: bytes, inode: Inode) -> Dentry:
        """Make a hard link on the host."""
        assert isinstance(inode, HostInode)
        node = inode.node
        if node.parent is None:
            raise Errno.EPERM
        tree = node.tree
        node.refresh()
        try:
            # Both descriptors must be valid at once; a copy outlives the pool's.
            source = os.dup(tree.directory(node.parent))
            try:
                os.link(
                    node.name, name, src_dir_fd=source, dst_dir_fd=tree.directory(self.node), follow_symlinks=False
                )
            finally:
                os.close(source)
        except OSError as error:
            raise host_error(error) from None
        return self.lookup(here, name)

    def unlink(self, t: Thread, here: Dentry, victim: Dentry) -> None:
        """Remove a name on the host.  What is open stays readable: the pool keeps its descriptor."""
        inode = victim.inode
        assert isinstance(inode, HostInode)
        if isinstance(inode, HostFile):
            inode.losing_name()
        try:
            os.unlink(victim.name, dir_fd=self.node.tree.directory(self.node))
        except OSError as error:
            raise host_error(error) from None
        inode.nlink -= 1
        self.entries.pop(victim.name, None)
        victim.unlinked = True

    def rmdir(self, t: Thread, here: Dentry, victim: Dentry) -> None:
        """Remove a directory on the host."""
        inode = victim.inode
        assert isinstance(inode, HostInode)
        try:
            os.rmdir(victim.name, dir_fd=self.node.tree.directory(self.node))
        except OSError as error:
            raise host_error(error) from None
        self.node.tree.forget(inode.node)
        inode.nlink = 0
        self.entries.pop(victim.name, None)
        victim.unlinked = True

    def rename(
        self, t: Thread, here: Dentry, old: Dentry, to: Dentry, name: bytes, target: Dentry | None, exchange: bool
    ) -> None:
        """Rename on the host; swapping two names is beyond what every host can do."""
        if exchange:
            raise Errno.EINVAL
        there = to.inode
        moved = old.inode
        assert isinstance(there, HostDir)
        assert isinstance(moved, HostInode)
        tree = self.node.tree
        if target is not None and isinstance(target.inode, HostFile):
            target.inode.losing_name()
        try:
            source = os.dup(tree.directory(self.node))
            try:
                os.rename(old.name, name, src_dir_fd=source, dst_dir_fd=tree.directory(there.node))
            finally:
                os.close(source)
        except OSError as error:
            raise host_error(error) from None
        self.entries.pop(old.name, None)
        if target is not None:
            target.unlinked = True
            target.inode.nlink -= 1
        moved.node.name = name
        moved.node.parent = there.node
        old.name = name
        old.parent = to
        there.entries[name] = old


def make_inode(fs: HostFs, node: HostNode) -> HostInode:
    """Make the inode for a node by its type."""
    kind = stat.S_IFMT(node.stat.st_mode)
    if kind == stat.S_IFDIR:
        return HostDir(fs, node)
    if kind == stat.S_IFREG:
        return HostFile(fs, node)
    if kind == stat.S_IFLNK:
        return HostSymlink(fs, node)
    return HostInode(fs, node)
