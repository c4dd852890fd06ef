"""A directory tree of the host, looked at from inside its root only.

Every access starts from the descriptor of a directory and names one component in it, never following a symbolic link
(O_NOFOLLOW): there is no path of the host in which ``..`` or a link could lead outside.  Symbolic links are read as text
and resolved by the guest's own path walk.  Only regular files and directories are ever opened; before one is used it is
checked to be the very object that was looked up (device and inode number), so renaming things under our feet gives
ENOENT or ESTALE and never another file.  Directories on the host's pseudo file systems (/proc, /sys, /dev...) look empty:
they describe the host.

Descriptors are borrowed from two small least-recently-used pools, so the number of host descriptors stays bounded
whatever the guest opens.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import OrderedDict

from kernel.errno import Errno

MAX_DIRECTORIES = 48
MAX_FILES = 64

_OPEN_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_PATH needs no read permission on the directory; where the host has none, O_RDONLY does for most.
_WALK_DIR = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_HAS_PATH_FDS = hasattr(os, "O_PATH") and os.path.isdir("/proc/self/fd")
_OPEN_FILE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY

PSEUDO = frozenset(
    (
        "proc", "sysfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs", "bpf", "fusectl",
        "mqueue", "binfmt_misc", "configfs", "pstore", "efivarfs", "autofs", "rpc_pipefs", "nsfs",
    )
)  # fmt: skip


def host_error(error: OSError) -> Errno:
    """Translate an error of the host by name: its numbers may not be Linux'."""
    made: Errno = getattr(Errno, errno.errorcode.get(error.errno or 0, "EIO"), Errno.EIO)()
    return made


def hidden_devices() -> frozenset[int]:
    """Return the device numbers of the host's pseudo file systems."""
    found = set()
    for path in ("/proc", "/sys", "/dev", "/dev/pts"):
        try:
            device = os.stat(path).st_dev
            if device != os.stat("/").st_dev:
                found.add(device)
        except OSError:
            continue
    try:
        with open("/proc/self/mountinfo") as mounts:
            for line in mounts:
                fields = line.split()
                if fields[fields.index("-") + 1] in PSEUDO:
                    major, minor = fields[2].split(":")
                    found.add(os.makedev(int(major), int(minor)))
    except (OSError, ValueError):
        pass
    return frozenset(found)


class HostNode:
    """A file of the host, known by its name in a parent node and by (dev, ino).

    ``stat`` is what lstat said when it was looked up.
    """

    __slots__ = ("tree", "parent", "name", "stat", "__weakref__")

    def __init__(self, tree: HostTree, parent: HostNode | None, name: bytes, status: os.stat_result) -> None:
        self.tree = tree
        self.parent = parent
        self.name = name
        self.stat = status

    @property
    def key(self) -> tuple[int, int]:
        """Device and inode number."""
        return self.stat.st_dev, self.stat.st_ino

    @property
    def hidden(self) -> bool:
        """Whether it lies on a pseudo file system of the host."""
        return self.stat.st_dev in self.tree.hidden

    def child(self, name: bytes) -> HostNode:
        """Look up an entry of this directory.  ENOENT."""
        if self.hidden:
            raise Errno.ENOENT
        try:
            status = os.stat(name, dir_fd=self.tree.directory(self), follow_symlinks=False)
        except OSError as error:
            raise host_error(error) from None
        return HostNode(self.tree, self, name, status)

    def list(self) -> list[tuple[bytes, int, int]]:
        """Return (name, inode number, type of file as S_IFMT >> 12 or 0) of each entry, by name: the order in which the host
        keeps them is an accident."""
        if self.hidden:
            return []
        try:
            fd = os.open(b".", _OPEN_DIR, dir_fd=self.tree.directory(self))
            try:
                with os.scandir(fd) as entries:
                    return sorted((os.fsencode(entry.name), entry.inode(), _type_of(entry)) for entry in entries)
            finally:
                os.close(fd)
        except OSError as error:
            raise host_error(error) from None

    def readlink(self) -> bytes:
        """Return the text of a symbolic link."""
        assert self.parent is not None
        try:
            return os.readlink(self.name, dir_fd=self.tree.directory(self.parent))
        except OSError as error:
            raise host_error(error) from None

    def pread(self, size: int, offset: int) -> bytes:
        """Read from a regular file."""
        try:
            return os.pread(self.tree.file(self, False), size, offset)
        except OSError as error:
            raise host_error(error) from None

    def refresh(self) -> os.stat_result:
        """Look at the file again.  ESTALE if the name now means another file, or none."""
        assert self.parent is not None
        try:
            status = os.stat(self.name, dir_fd=self.tree.directory(self.parent), follow_symlinks=False)
        except OSError as error:
            raise Errno.ESTALE from error
        if (status.st_dev, status.st_ino) != self.key or stat.S_IFMT(status.st_mode) != stat.S_IFMT(self.stat.st_mode):
            raise Errno.ESTALE
        self.stat = status
        return status


def _type_of(entry: os.DirEntry[str]) -> int:
    try:
        if entry.is_symlink():
            return 10
        if entry.is_dir(follow_symlinks=False):
            return 4
        if entry.is_file(follow_symlinks=False):
            return 8
    except OSError:
        pass
    return 0


class HostTree:
    """A tree below ``root``, a directory named by the *user of the machine* (so its own path may contain links)."""

    __slots__ = ("root", "hidden", "writable", "_root_fd", "_directories", "_files", "_pinned")

    def __init__(self, root: str | bytes, writable: bool = False) -> None:
        """Raises OSError if ``root`` is no directory that can be opened."""
        self._root_fd = -1
        self._root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.root = HostNode(self, None, b"/", os.fstat(self._root_fd))
        self.hidden = hidden_devices()
        self.writable = writable
        self._directories: OrderedDict[HostNode, int] = OrderedDict()
        self._files: OrderedDict[tuple[int, int, bool], int] = OrderedDict()
        self._pinned: dict[tuple[int, int, bool], int] = {}

    def directory(self, node: HostNode) -> int:
        """Return a descriptor of a directory; valid until the next call of this class."""
        if node.parent is None:
            return self._root_fd
        fd = self._directories.get(node)
        if fd is not None:
            self._directories.move_to_end(node)
            return fd
        # From the nearest open ancestor downwards, without recursion: paths may be deep.
        chain = [node]
        fd = self._root_fd
        while (parent := chain[-1].parent) is not None:
            known = self._root_fd if parent.parent is None else self._directories.get(parent)
            if known is not None:
                fd = known
                break
            chain.append(parent)
        for at in reversed(chain):
            fd = os.open(at.name, _WALK_DIR, dir_fd=fd)
            self._check(fd, at, stat.S_IFDIR)
            self._directories[at] = fd
        while len(self._directories) > MAX_DIRECTORIES:
            oldest = next(iter(self._directories))
            if oldest is node:
                break
            os.close(self._directories.pop(oldest))
        return fd

    def file(self, node: HostNode, write: bool) -> int:
        """Return a descriptor of a regular file; valid until the next call of this class."""
        key = (node.stat.st_dev, node.stat.st_ino, write)
        fd = self._files.get(key)
        if fd is not None:
            self._files.move_to_end(key)
            return fd
        if key in self._pinned:
            return self._pinned[key]
        if not stat.S_ISREG(node.stat.st_mode) or node.parent is None:
            raise Errno.EACCES
        if node.hidden:
            raise Errno.EACCES
        mode = os.O_RDWR if write else os.O_RDONLY
        try:
            fd = os.open(node.name, mode | _OPEN_FILE, dir_fd=self.directory(node.parent))
        except FileNotFoundError:
            raise Errno.ESTALE from None
        self._check(fd, node, stat.S_IFREG)
        self._files[key] = fd
        while len(self._files) > MAX_FILES:
            os.close(self._files.popitem(last=False)[1])
        return fd

    @staticmethod
    def _check(fd: int, node: HostNode, kind: int) -> None:
        """Close ``fd`` and raise ESTALE if it is not the object that was looked up."""
        now = os.fstat(fd)
        if now.st_ino != node.stat.st_ino or now.st_dev != node.stat.st_dev or stat.S_IFMT(now.st_mode) != kind:
            os.close(fd)
            raise Errno.ESTALE

    def pin(self, node: HostNode, write: bool) -> None:
        """Keep a file that is about to lose its name open until ``unpin``."""
        key = (*node.key, write)
        if key not in self._pinned:
            self._pinned[key] = os.dup(self.file(node, write))

    def unpin(self, node: HostNode) -> None:
        """Nobody uses the nameless file any more."""
        for write in (False, True):
            for pool in (self._pinned, self._files):
                fd = pool.pop((*node.key, write), None)
                if fd is not None:
                    os.close(fd)

    def forget(self, node: HostNode) -> None:
        """Close what is open of a directory that is going away."""
        fd = self._directories.pop(node, None)
        if fd is not None:
            os.close(fd)

    # -- changes: only for trees the user made writable ------------------------------------------------------------
    def create(self, here: HostNode, name: bytes, mode: int, uid: int, gid: int) -> None:
        """Make a regular file; EEXIST if there is anything of that name."""
        fd = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _OPEN_FILE, mode, dir_fd=self.directory(here))
        try:
            if os.geteuid() == 0:
                os.fchown(fd, uid, gid)
            # The umask of the host's process had its say in the mode, and chown in the set-id bits.
            os.fchmod(fd, mode)
        finally:
            os.close(fd)

    def give(self, here: HostNode, name: bytes, uid: int, gid: int) -> None:
        """Make the guest's user the owner of what it just made, if the host's user may do that."""
        if os.geteuid() == 0:
            os.chown(name, uid, gid, dir_fd=self.directory(here), follow_symlinks=False)

    def change_mode(self, node: HostNode, mode: int) -> None:
        """chmod of the very object: by name it would follow a link."""
        kind = stat.S_IFMT(node.stat.st_mode)
        if kind not in (stat.S_IFREG, stat.S_IFDIR):
            raise Errno.EOPNOTSUPP
        if _HAS_PATH_FDS and node.parent is not None:
            # A descriptor that needs no permission on the object, changed through its name in the host's /proc.
            fd = os.open(node.name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.directory(node.parent))
            self._check(fd, node, kind)
            try:
                os.chmod(f"/proc/self/fd/{fd}", mode)
            finally:
                os.close(fd)
        elif kind == stat.S_IFREG:
            os.fchmod(self.file(node, False), mode)
        else:
            fd = os.open(b".", _OPEN_DIR, dir_fd=self.directory(node))
            try:
                os.fchmod(fd, mode)
            finally:
                os.close(fd)

    def close(self) -> None:
        """Close all descriptors; the tree cannot be used any more."""
        if self._root_fd < 0:
            return
        for fd in (*self._directories.values(), *self._files.values(), *self._pinned.values(), self._root_fd):
            os.close(fd)
        self._directories.clear()
        self._files.clear()
        self._pinned.clear()
        self._root_fd = -1

    def __del__(self) -> None:
        self.close()
