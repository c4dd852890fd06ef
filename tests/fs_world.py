"""What the tests of files run in: a thread in a tree of file systems over fake memory, and the host behind the same calls.

``Guest`` and ``Host`` offer the same operations and report each as a value or an errno, so a test does something twice and
compares: the host's kernel is the oracle.
"""

from __future__ import annotations

import ctypes
import os
import random
import stat as stat_bits
import struct
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from fakes import FakeFrames

from kernel.clocks import CpuTimes
from kernel.cred import Cred
from kernel.errno import Errno
from kernel.fs import attr, dirops
from kernel.fs.fdtable import FdTable
from kernel.fs.hostfs import HostFs
from kernel.fs.hosttree import HostTree
from kernel.fs.inode import FileSystem
from kernel.fs.locks import LockGraph
from kernel.fs.mount import Mount, MountNamespace, Path, cross
from kernel.fs.namespace import FsContext
from kernel.fs.open import check_how, open_file, plain
from kernel.fs.path import AT_EACCESS, AT_FDCWD, lookup
from kernel.fs.roottree import make_root
from kernel.fs.tmpfs import TmpFs
from kernel.fs.vfs import Vfs
from kernel.net.namespace import NetNamespace
from kernel.rlimit import Rlimits
from kernel.task import Process, Thread

Outcome = tuple[str, Any]


class Clock:
    """A clock that ticks at every look."""

    def __init__(self) -> None:
        self.ns = 1_700_000_000 * 10**9

    def realtime(self) -> int:
        self.ns += 1000
        return self.ns

    def monotonic(self) -> int:
        return self.realtime()


class FakeMemory:
    """User memory of a thread: one flat buffer at address 0x10000."""

    BASE = 0x10000

    def __init__(self, size: int = 1 << 21) -> None:
        self.data = bytearray(size)
        self.exe_file = None
        self.dumpable = 1

    def _slice(self, address: int, size: int) -> slice:
        start = address - self.BASE
        if start < 0 or start + size > len(self.data):
            raise Errno.EFAULT
        return slice(start, start + size)

    def read(self, address: int, size: int, force: bool = False) -> bytes:
        return bytes(self.data[self._slice(address, size)])

    def write(self, address: int, data: bytes, force: bool = False) -> None:
        self.data[self._slice(address, len(data))] = data

    def copy_in_partial(self, address: int, size: int, force: bool = False) -> bytes:
        start = address - self.BASE
        return bytes(self.data[start : start + size]) if start >= 0 else b""

    def copy_out_partial(self, address: int, data: bytes, force: bool = False) -> int:
        count = max(0, min(len(data), self.BASE + len(self.data) - address))
        if count:
            self.write(address, bytes(data[:count]))
        return count

    def scatter(self, vector: list[tuple[int, int]], data: bytes) -> int:
        done = 0
        for base, length in vector:
            done += self.copy_out_partial(base, data[done : done + length])
        if data and not done:
            raise Errno.EFAULT
        return done

    def gather(self, vector: list[tuple[int, int]]) -> bytes:
        return b"".join(self.copy_in_partial(base, length) for base, length in vector)

    def read_iovec(self, address: int, count: int, ia32: bool = False) -> list[tuple[int, int]]:
        return list(struct.iter_unpack("<QQ", self.read(address, 16 * count)))

    def read_cstring(self, address: int, limit: int) -> bytes | None:
        data = self.copy_in_partial(address, limit)
        return data[: data.index(0)] if 0 in data else None

    def read_i32(self, address: int) -> int:
        value: int = struct.unpack("<i", self.read(address, 4))[0]
        return value

    def write_u32(self, address: int, value: int) -> None:
        self.write(address, struct.pack("<I", value))


def make_vfs(frames: int = 4096) -> Vfs:
    """Return a Vfs over fake frames with a clock of its own."""
    clock: Any = Clock()
    return Vfs(clock, FakeFrames(frames), lambda frame: None, random.Random(0), LockGraph())


def make_thread(vfs: Vfs, namespace: MountNamespace, cred: Cred | None = None) -> Thread:
    """Return a thread at the root of a namespace."""
    t = Thread.__new__(Thread)
    t.syscall_nr = -1
    t.kernel = SimpleNamespace(vfs=vfs, clock=vfs.clock, next_ino=iter(range(1, 1 << 30)).__next__, unix_inodes={})  # type: ignore[assignment]
    root = Path(*cross(namespace.root, namespace.root.root))
    t.fs = FsContext(root, root, 0o022)
    t.files = FdTable()
    t.cred = cred or Cred.root()
    t.mm = FakeMemory()  # type: ignore[assignment]
    t.process = Process.__new__(Process)
    t.process.rlimits = Rlimits()
    t.times = CpuTimes()
    t.nsproxy = SimpleNamespace(mnt=namespace, net=NetNamespace(1))  # type: ignore[assignment]
    t.exiting = False
    return t


def tmpfs_namespace(vfs: Vfs, size: int = 8 << 20) -> MountNamespace:
    """Return a namespace whose root is an empty tmpfs."""
    fs: FileSystem = TmpFs(vfs, size, 0o755)
    vfs.hidden_mount = Mount(TmpFs(vfs, size), fs.root, 0, b"none", 0)
    vfs.hidden_mount.root = vfs.hidden_mount.fs.root
    bottom: FileSystem = TmpFs(vfs, 0, 0o755, type_=b"rootfs")
    namespace = MountNamespace(Mount(bottom, bottom.root, 0, b"rootfs", 1), 1, vfs.ids)
    Mount(fs, fs.root, 0, b"tmpfs", vfs.ids.new_mount_id()).attach(namespace.top())
    return namespace


def overlay_world(root: str, cred: Cred | None = None) -> Guest:
    """Return a guest over a directory of the host."""
    vfs = make_vfs()
    return Guest(make_thread(vfs, make_root(vfs, root), cred))


def bind_world(root: str, writable: bool = True, cred: Cred | None = None) -> Guest:
    """Return a guest whose root is a bound directory of the host."""
    vfs = make_vfs()
    tree = HostTree(root, writable)
    vfs.trees.append(tree)
    fs = HostFs(vfs, tree)
    namespace = MountNamespace(Mount(fs, fs.root, 0, b"bind", vfs.ids.new_mount_id()), 1, vfs.ids)
    return Guest(make_thread(vfs, namespace, cred))


def tmpfs_world(cred: Cred | None = None) -> Guest:
    """Return a guest in an empty tmpfs."""
    vfs = make_vfs()
    return Guest(make_thread(vfs, tmpfs_namespace(vfs), cred))


def outcome(call: Callable[[], Any]) -> Outcome:
    """Run a call; report what came of it."""
    try:
        return "ok", call()
    except Errno as error:
        return "errno", error.number
    except OSError as error:
        return "errno", error.errno


def summary(mode: int, nlink: int, size: int, uid: int, gid: int) -> tuple[int, ...]:
    """Return what must agree of two stats; sizes and link counts of directories depend on the file system."""
    if stat_bits.S_ISDIR(mode):
        return mode, uid, gid
    return mode, nlink, size, uid, gid


class Guest:
    """The kernel under test."""

    def __init__(self, t: Thread) -> None:
        self.t = t

    def open(self, path: bytes, flags: int, mode: int = 0o644) -> int:
        file = plain(open_file(self.t, AT_FDCWD, path, check_how(flags, mode)))
        return self.t.files.install(file, bool(flags & os.O_CLOEXEC))

    def close(self, fd: int) -> None:
        self.t.files.close(self.t, fd)

    def read(self, fd: int, size: int) -> bytes:
        file = self.t.files.get(fd)
        if file.flags & os.O_WRONLY:
            raise Errno.EBADF
        return file.read(self.t, size)

    def write(self, fd: int, data: bytes) -> int:
        file = self.t.files.get(fd)
        if not (file.flags + 1) & 2:
            raise Errno.EBADF
        return file.write(self.t, data)

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        file = self.t.files.get(fd)
        if file.flags & os.O_WRONLY:
            raise Errno.EBADF
        return file.pread(self.t, size, offset)

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        file = self.t.files.get(fd)
        if not (file.flags + 1) & 2:
            raise Errno.EBADF
        return file.pwrite(self.t, data, offset)

    def lseek(self, fd: int, offset: int, whence: int) -> int:
        return self.t.files.get(fd).lseek(self.t, offset, whence)

    def ftruncate(self, fd: int, size: int) -> None:
        file = self.t.files.get(fd)
        if not (file.flags + 1) & 2:
            raise Errno.EINVAL
        file.truncate(self.t, size)

    def fstat(self, fd: int) -> tuple[int, ...]:
        s = self.t.files.get(fd, True).stat(self.t)
        return summary(s.mode, s.nlink, s.size, s.uid, s.gid)

    def truncate(self, path: bytes, size: int) -> None:
        attr.truncate(self.t, lookup(self.t, AT_FDCWD, path), size)

    def stat(self, path: bytes) -> tuple[int, ...]:
        s = lookup(self.t, AT_FDCWD, path).dentry.inode.stat(self.t)
        return summary(s.mode, s.nlink, s.size, s.uid, s.gid)

    def lstat(self, path: bytes) -> tuple[int, ...]:
        s = lookup(self.t, AT_FDCWD, path, follow=False).dentry.inode.stat(self.t)
        return summary(s.mode, s.nlink, s.size, s.uid, s.gid)

    def mkdir(self, path: bytes, mode: int) -> None:
        dirops.mkdir(self.t, AT_FDCWD, path, mode)

    def rmdir(self, path: bytes) -> None:
        dirops.rmdir(self.t, AT_FDCWD, path)

    def unlink(self, path: bytes) -> None:
        dirops.unlink(self.t, AT_FDCWD, path)

    def rename(self, old: bytes, new: bytes, flags: int = 0) -> None:
        dirops.check_rename_flags(flags)
        dirops.rename(self.t, AT_FDCWD, old, AT_FDCWD, new, flags)

    def link(self, old: bytes, new: bytes, flags: int = 0) -> None:
        dirops.check_link_flags(flags)
        dirops.link(self.t, dirops.link_source(self.t, AT_FDCWD, old, flags), AT_FDCWD, new)

    def symlink(self, target: bytes, path: bytes) -> None:
        dirops.symlink(self.t, target, AT_FDCWD, path)

    def readlink(self, path: bytes) -> bytes:
        return dirops.readlink(self.t, AT_FDCWD, path)

    def mknod(self, path: bytes, mode: int) -> None:
        dirops.check_mknod_mode(mode)
        dirops.mknod(self.t, AT_FDCWD, path, mode, 0)

    def chmod(self, path: bytes, mode: int) -> None:
        attr.chmod(self.t, lookup(self.t, AT_FDCWD, path), mode)

    def chown(self, path: bytes, uid: int, gid: int) -> None:
        attr.chown(self.t, lookup(self.t, AT_FDCWD, path), uid & 0xFFFFFFFF, gid & 0xFFFFFFFF)

    def listdir(self, path: bytes) -> list[bytes]:
        fd = self.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return sorted(entry.name for entry in self.t.files.get(fd).getdents(self.t))
        finally:
            self.close(fd)

    def access(self, path: bytes, mask: int) -> None:
        attr.access(self.t, lookup(self.t, AT_FDCWD, path), mask)

    def chdir(self, path: bytes) -> None:
        where = lookup(self.t, AT_FDCWD, path)
        if not where.dentry.inode.is_dir:
            raise Errno.ENOTDIR
        self.t.fs.cwd = where


_LIBC = ctypes.CDLL(None, use_errno=True)


class Host:
    """The host's kernel, in the directory the process has made its working directory."""

    def open(self, path: bytes, flags: int, mode: int = 0o644) -> int:
        # os.open would add O_CLOEXEC, which is not seen here.
        return os.open(path, flags, mode)

    close = staticmethod(os.close)
    read = staticmethod(os.read)
    write = staticmethod(os.write)
    pread = staticmethod(os.pread)
    pwrite = staticmethod(os.pwrite)
    lseek = staticmethod(os.lseek)
    ftruncate = staticmethod(os.ftruncate)
    truncate = staticmethod(os.truncate)
    mkdir = staticmethod(os.mkdir)
    rmdir = staticmethod(os.rmdir)
    unlink = staticmethod(os.unlink)
    readlink = staticmethod(os.readlink)
    chmod = staticmethod(os.chmod)
    chown = staticmethod(os.chown)
    chdir = staticmethod(os.chdir)

    def mknod(self, path: bytes, mode: int) -> None:
        os.mknod(path, mode)

    def fstat(self, fd: int) -> tuple[int, ...]:
        s = os.fstat(fd)
        return summary(s.st_mode, s.st_nlink, s.st_size, s.st_uid, s.st_gid)

    def stat(self, path: bytes) -> tuple[int, ...]:
        s = os.stat(path)
        return summary(s.st_mode, s.st_nlink, s.st_size, s.st_uid, s.st_gid)

    def lstat(self, path: bytes) -> tuple[int, ...]:
        s = os.lstat(path)
        return summary(s.st_mode, s.st_nlink, s.st_size, s.st_uid, s.st_gid)

    def rename(self, old: bytes, new: bytes, flags: int = 0) -> None:
        if _LIBC.renameat2(AT_FDCWD, old, AT_FDCWD, new, flags):
            raise OSError(ctypes.get_errno(), "renameat2")

    def link(self, old: bytes, new: bytes, flags: int = 0) -> None:
        if _LIBC.linkat(AT_FDCWD, old, AT_FDCWD, new, flags):
            raise OSError(ctypes.get_errno(), "linkat")

    def symlink(self, target: bytes, path: bytes) -> None:
        os.symlink(target, path)

    def listdir(self, path: bytes) -> list[bytes]:
        return sorted([*os.listdir(path), b".", b".."])

    def access(self, path: bytes, mask: int) -> None:
        if _LIBC.faccessat(AT_FDCWD, path, mask, AT_EACCESS):
            raise OSError(ctypes.get_errno(), "faccessat")
