"""The file system calls as programs make them: buffers, vectors, layouts, descriptors, locks, seals, mounts."""

from __future__ import annotations

import os
import struct
from collections.abc import Generator
from types import GeneratorType, SimpleNamespace
from typing import Any, cast

import pytest
from fs_world import FakeMemory, Guest, make_thread, outcome, tmpfs_world

from kernel.cred import Cred
from kernel.errno import Errno
from kernel.fs.fdtable import FdTable
from kernel.fs.file import File
from kernel.fs.locks import F_RDLCK, F_UNLCK, F_WRLCK
from kernel.fs.mount import MS_BIND, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_REMOUNT
from kernel.fs.mounting import do_mount, do_umount, pivot_root
from kernel.fs.path import AT_FDCWD, lookup
from kernel.fs.propagation import copy_namespace
from kernel.fs.tmpfs import F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_WRITE
from kernel.task import Process, Thread
from kernel.user_ns import INIT_USER_NS
from kernel.waitqueue import Block, Wakeup
from syscalls import fs_data, fs_dir, fs_fcntl, fs_open, fs_rw, fs_stat, fs_xattr

B = FakeMemory.BASE
END = B + (1 << 21)


@pytest.fixture
def guest() -> Guest:
    """A guest in an empty tmpfs."""
    return tmpfs_world()


def put(t: Thread, address: int, data: bytes) -> int:
    """Store bytes in user memory; return the address."""
    cast("FakeMemory", t.mm).write(address, data)
    return address


def get(t: Thread, address: int, size: int) -> bytes:
    """Read user memory."""
    return cast("FakeMemory", t.mm).read(address, size)


def finish(result: object) -> object:
    """Run a call that may have returned a generator but does not sleep."""
    if isinstance(result, GeneratorType):
        try:
            block = next(result)
        except StopIteration as done:
            return done.value
        raise AssertionError(f"sleeps in {block.what}")
    return result


# -- transfers ---------------------------------------------------------------------------------------------------------
def test_read_into_a_buffer_that_ends_early(guest: Guest) -> None:
    """read(2) stores what fits, and the position moves by that much only."""
    t = guest.t
    fd = guest.open(b"/f", os.O_RDWR | os.O_CREAT)
    guest.write(fd, b"0123456789")
    guest.lseek(fd, 0, 0)
    assert fs_rw.read(t, fd, END - 4, 10) == 4
    assert guest.lseek(fd, 0, 1) == 4
    with pytest.raises(Errno.EFAULT):
        fs_rw.read(t, fd, END, 10)
    assert fs_rw.write(t, fd, END - 3, 10) == 3
    with pytest.raises(Errno.EFAULT):
        fs_rw.write(t, fd, END, 10)


def test_large_transfers_go_piece_by_piece(guest: Guest) -> None:
    """More than a megabyte in one call arrives whole."""
    t = guest.t
    size = (1 << 20) + 12345
    put(t, B, bytes(range(256)) * 4144)
    fd = guest.open(b"/f", os.O_RDWR | os.O_CREAT)
    assert finish(fs_rw.write(t, fd, B, size)) == size
    assert guest.fstat(fd)[2] == size
    guest.lseek(fd, 0, 0)
    assert finish(fs_rw.read(t, fd, B, size + 5000)) == size
    assert fs_rw.pread64(t, fd, B, size, 1) == size - 1
    assert get(t, B, 300) == (bytes(range(256)) * 2)[1:301]
    with pytest.raises(Errno.EFAULT):
        fs_rw.read(t, fd, B, 1 << 63)


def test_vectors(guest: Guest) -> None:
    """readv and writev gather and scatter; the positioned forms leave the position alone."""
    t = guest.t
    fd = guest.open(b"/f", os.O_RDWR | os.O_CREAT)
    put(t, B, b"abcdefgh")
    iov = put(t, B + 100, struct.pack("<QQQQQQ", B, 3, B, 0, B + 4, 4))
    assert finish(fs_rw.writev(t, fd, iov, 3)) == 7
    assert guest.pread(fd, 100, 0) == b"abcefgh"
    assert fs_rw.pwritev(t, fd, iov, 1, 5) == 3
    iov = put(t, B + 100, struct.pack("<QQQQ", B + 1000, 2, B + 2000, 100))
    assert fs_rw.preadv(t, fd, iov, 2, 1) == 7
    assert get(t, B + 1000, 2) + get(t, B + 2000, 5) == b"bcefabc"
    assert guest.lseek(fd, 0, 1) == 7
    with pytest.raises(Errno.EOPNOTSUPP):
        fs_rw.preadv2(t, fd, iov, 2, 0, 0, 0x1000)


def test_rlimit_fsize(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    """RLIMIT_FSIZE cuts a write, then fails it with SIGXFSZ."""
    t = guest.t
    sent: list[int] = []
    for module in (fs_rw, fs_data):
        monkeypatch.setattr(module, "send_sig_self", lambda t, signo: sent.append(signo))
    t.process.rlimits.set(1, 10, 10)
    fd = guest.open(b"/f", os.O_RDWR | os.O_CREAT)
    assert fs_rw.write(t, fd, B, 8) == 8
    assert fs_rw.write(t, fd, B, 8) == 2
    with pytest.raises(Errno.EFBIG):
        fs_rw.write(t, fd, B, 8)
    with pytest.raises(Errno.EFBIG):
        fs_data.ftruncate(t, fd, 11)
    assert sent == [25, 25]


def test_sendfile_and_copy_file_range(guest: Guest) -> None:
    """Both can use offsets in memory, which then move instead of the positions."""
    t = guest.t
    a = guest.open(b"/a", os.O_RDWR | os.O_CREAT)
    b = guest.open(b"/b", os.O_RDWR | os.O_CREAT)
    guest.write(a, b"0123456789")
    offset = put(t, B, struct.pack("<q", 3))
    assert finish(fs_data.sendfile(t, b, a, offset, 4)) == 4
    assert struct.unpack("<q", get(t, B, 8))[0] == 7
    assert guest.pread(b, 100, 0) == b"3456"
    guest.lseek(a, 1, 0)
    assert finish(fs_data.sendfile(t, b, a, 0, 100)) == 9
    assert fs_data.copy_file_range(t, a, put(t, B, bytes(8)), b, 0, 2, 0) == 2
    assert guest.pread(b, 100, 0) == b"345612345678901"
    with pytest.raises(Errno.EINVAL):
        fs_data.copy_file_range(t, a, put(t, B, bytes(8)), a, put(t, B + 8, struct.pack("<q", 1)), 5, 0)


def test_holes(guest: Guest) -> None:
    """SEEK_DATA and SEEK_HOLE see what was written, punched and allocated."""
    fd = guest.open(b"/f", os.O_RDWR | os.O_CREAT)
    guest.ftruncate(fd, 100_000)
    guest.pwrite(fd, b"x", 50_000)
    file = guest.t.files.get(fd)
    assert file.stat(guest.t).blocks == 8
    assert guest.lseek(fd, 0, 3) == 49152
    assert guest.lseek(fd, 49152, 4) == 53248
    fs_data.fallocate(guest.t, fd, 1 | 2, 50_000, 10)
    assert guest.pread(fd, 1, 50_000) == b"\0"
    fs_data.fallocate(guest.t, fd, 1 | 2, 49152, 4096)
    assert outcome(lambda: guest.lseek(fd, 0, 3)) == ("errno", 6)
    fs_data.fallocate(guest.t, fd, 0, 90_000, 20_000)
    assert guest.fstat(fd)[2] == 110_000
    assert outcome(lambda: fs_data.fallocate(guest.t, fd, 2, 0, 1)) == ("errno", 95)


def test_no_space(guest: Guest) -> None:
    """A full file system takes what fits, then nothing."""
    fd = guest.open(b"/f", os.O_RDWR | os.O_CREAT)
    for _ in range(8):
        assert guest.write(fd, bytes(1 << 20)) == 1 << 20
    assert outcome(lambda: guest.write(fd, b"x")) == ("errno", 28)
    guest.unlink(b"/f")
    guest.close(fd)
    assert lookup(guest.t, AT_FDCWD, b"/").dentry.inode.fs.statfs().bfree == (8 << 20) >> 12


# -- layouts -----------------------------------------------------------------------------------------------------------
def test_getdents64_layout_and_restart(guest: Guest) -> None:
    """Records are 8-byte aligned; reading goes on where the buffer ended; rewinding sees new names."""
    t = guest.t
    for name in (b"one", b"three", b"a-name-of-some-length"):
        guest.mkdir(b"/" + name, 0o755)
    fd = guest.open(b"/", os.O_RDONLY | os.O_DIRECTORY)
    seen: list[tuple[bytes, int]] = []
    while size := fs_stat.getdents64(t, fd, B, 60):
        data = get(t, B, size)
        while data:
            _, position, length, kind = struct.unpack_from("<QqHB", data)
            assert length % 8 == 0
            assert position == len(seen) + 1
            seen.append((data[19:length].split(b"\0")[0], kind))
            data = data[length:]
    assert [name for name, _ in seen] == [b".", b"..", b"one", b"three", b"a-name-of-some-length"]
    assert {kind for _, kind in seen} == {4}
    guest.mkdir(b"/new", 0o755)
    guest.lseek(fd, 0, 0)
    assert fs_stat.getdents64(t, fd, B, 4096) > 0
    assert b"new" in get(t, B, 300)
    guest.lseek(fd, 0, 0)
    with pytest.raises(Errno.EINVAL):
        fs_stat.getdents64(t, fd, B, 20)


def test_stat_layouts_agree_with_the_host(guest: Guest) -> None:
    """struct stat as the host's C library lays it out: sizes and offsets of x86-64."""
    t = guest.t
    fd = guest.open(b"/f", os.O_RDWR | os.O_CREAT, 0o640)
    guest.write(fd, b"x" * 5000)
    fs_stat.fstat(t, fd, B)
    dev, ino, nlink, mode, uid, gid, rdev, size, blksize, blocks = struct.unpack_from("<QQQIII4xQqqq", get(t, B, 144))
    assert (nlink, mode, uid, gid, rdev, size, blksize, blocks) == (1, 0o100640, 0, 0, 0, 5000, 4096, 16)
    assert fs_stat.STAT.size == 144
    assert fs_stat.STATX.size == 256
    assert fs_stat.STATFS.size == 120
    put(t, B, b"/f\0")
    fs_stat.statx(t, AT_FDCWD, B, 0, 0x7FF, B + 512)
    mask, _, _, links, _, _, statx_mode = struct.unpack_from("<IIQIIIH", get(t, B + 512, 256))
    assert (links, statx_mode) == (1, 0o100640)
    assert mask & 0x7FF == 0x7FF
    assert struct.unpack_from("<QQ", get(t, B + 512 + 32, 16)) == (ino, 5000)
    assert dev


def test_getcwd(guest: Guest) -> None:
    """The length counts the NUL; a removed directory has no name."""
    guest.mkdir(b"/d", 0o755)
    guest.chdir(b"/d")
    assert fs_stat.getcwd(guest.t, B, 100) == 3
    assert get(guest.t, B, 3) == b"/d\0"
    assert outcome(lambda: fs_stat.getcwd(guest.t, B, 2)) == ("errno", 34)
    guest.rmdir(b"/d")
    assert outcome(lambda: fs_stat.getcwd(guest.t, B, 100)) == ("errno", 2)
    assert outcome(lambda: guest.mkdir(b"x", 0o755)) == ("errno", 2)
    assert guest.stat(b"..")[0] == 0o040755


# -- descriptors -------------------------------------------------------------------------------------------------------
def test_lowest_descriptor(guest: Guest) -> None:
    """Every new descriptor is the lowest free one, F_DUPFD's the lowest from its argument."""
    t = guest.t
    fds = [guest.open(b"/f", os.O_RDWR | os.O_CREAT) for _ in range(5)]
    assert fds == [0, 1, 2, 3, 4]
    guest.close(1)
    guest.close(3)
    assert fs_open.dup(t, 0) == 1
    assert fs_fcntl.fcntl(t, 0, fs_fcntl.F_DUPFD_CLOEXEC, 2) == 3
    assert fs_fcntl.fcntl(t, 3, fs_fcntl.F_GETFD, 0) == 1
    assert fs_fcntl.fcntl(t, 0, fs_fcntl.F_DUPFD, 100) == 100
    assert fs_open.dup2(t, 0, 50) == 50
    assert t.files.open_fds() == [0, 1, 2, 3, 4, 50, 100]
    assert outcome(lambda: fs_open.dup2(t, 0, 5000)) == ("errno", 9)
    assert outcome(lambda: fs_open.dup3(t, 0, 0, 0)) == ("errno", 22)
    t.files.close_on_exec(t)
    assert t.files.open_fds() == [0, 1, 2, 4, 50, 100]
    assert guest.open(b"/f", os.O_RDONLY) == 3
    fs_open.close_range(t, 2, 60, 0)
    assert t.files.open_fds() == [0, 1, 100]
    t.process.rlimits.set(7, 2, 2)
    assert outcome(lambda: fs_open.dup(t, 0)) == ("errno", 24)
    assert t.files.get(0).refs == 3


def test_fork_shares_open_files(guest: Guest) -> None:
    """A copied table refers to the same open files; the last close releases."""
    t = guest.t
    released: list[int] = []

    class Watched(File):
        __slots__ = ()

        def release(self) -> None:
            released.append(1)

    t.files.install(Watched(0))
    child = t.files.copy()
    t.files.close(t, 0)
    assert released == []
    child.close_all(t)
    assert released == [1]


def test_open_of_what_is_executed(guest: Guest) -> None:
    """ETXTBSY both ways."""
    inode = lookup(guest.t, AT_FDCWD, b"/").dentry.inode
    guest.open(b"/prog", os.O_CREAT | os.O_RDONLY, 0o755)
    inode = lookup(guest.t, AT_FDCWD, b"/prog").dentry.inode
    inode.deny_write_access()
    assert outcome(lambda: guest.open(b"/prog", os.O_WRONLY)) == ("errno", 26)
    assert outcome(lambda: guest.truncate(b"/prog", 0)) == ("errno", 26)
    inode.writers += 1
    guest.open(b"/prog", os.O_WRONLY)
    assert outcome(inode.deny_write_access) == ("errno", 26)


# -- locks -------------------------------------------------------------------------------------------------------------
def lock(t: Thread, fd: int, command: int, kind: int, start: int, length: int) -> object:
    """fcntl with a struct flock."""
    address = put(t, B + 4096, struct.pack("<hh4xqqi4x", kind, 0, start, length, 0))
    return fs_fcntl.fcntl(t, fd, command, address)


def another(guest: Guest) -> Thread:
    """Return a thread of another process in the same tree."""
    t = make_thread(guest.t.kernel.vfs, cast("Any", guest.t.nsproxy).mnt)
    t.kernel = guest.t.kernel
    t.process = Process.__new__(Process)
    t.process.rlimits = guest.t.process.rlimits
    return t


def resume(sleep: Generator[Block, Wakeup, Any], reason: Wakeup = Wakeup.EVENT) -> object:
    """Resume a sleeping call; return its value."""
    try:
        sleep.send(reason)
    except StopIteration as done:
        return done.value
    raise AssertionError("sleeps again")


def test_waiting_for_a_record_lock(guest: Guest) -> None:
    """F_SETLKW sleeps until the lock is given up, and a circle of two is refused."""
    one, two = guest.t, another(guest)
    first = guest.open(b"/f", os.O_RDWR | os.O_CREAT)
    second = Guest(two).open(b"/f", os.O_RDWR)
    assert lock(one, first, 6, F_WRLCK, 0, 10) == 0
    assert lock(two, second, 6, F_WRLCK, 20, 10) == 0
    assert outcome(lambda: lock(two, second, 6, F_RDLCK, 5, 1)) == ("errno", 11)
    waiting = cast("Generator[Block, Wakeup, Any]", lock(two, second, 7, F_WRLCK, 5, 1))
    block = next(waiting)
    assert block.what == "fcntl_setlk"
    circle = cast("Generator[Block, Wakeup, Any]", lock(one, first, 7, F_WRLCK, 25, 1))
    with pytest.raises(Errno.EDEADLK):
        next(circle)
    woken: list[object] = []

    def wake(key: object) -> bool:
        woken.append(key)
        return True

    block.queues[0].add(wake)
    assert lock(one, first, 6, F_UNLCK, 0, 0) == 0
    assert woken
    assert resume(waiting) == 0
    blocked = cast("Generator[Block, Wakeup, Any]", lock(one, first, 7, F_RDLCK, 5, 1))
    next(blocked)
    with pytest.raises(Errno.ERESTARTSYS):
        resume(blocked, Wakeup.SIGNAL)


def test_closing_any_descriptor_drops_record_locks(guest: Guest) -> None:
    """POSIX locks belong to process and file, not to the descriptor; open-file locks to the open file."""
    one, two = guest.t, another(guest)
    fd = guest.open(b"/f", os.O_RDWR | os.O_CREAT)
    other = guest.open(b"/f", os.O_RDONLY)
    theirs = Guest(two).open(b"/f", os.O_RDWR)
    lock(one, fd, 6, F_WRLCK, 0, 0)
    guest.close(other)
    assert lock(two, theirs, 6, F_WRLCK, 0, 0) == 0
    lock(two, theirs, 6, F_UNLCK, 0, 0)
    assert lock(one, fd, 37, F_WRLCK, 0, 5) == 0
    guest.close(guest.open(b"/f", os.O_RDONLY))
    assert outcome(lambda: lock(two, theirs, 6, F_RDLCK, 0, 0)) == ("errno", 11)
    guest.close(fd)
    assert lock(two, theirs, 6, F_RDLCK, 0, 0) == 0


def test_flock(guest: Guest) -> None:
    """flock belongs to the open file: another open of the same process conflicts, a dup does not."""
    t = guest.t
    a = guest.open(b"/f", os.O_RDWR | os.O_CREAT)
    b = guest.open(b"/f", os.O_RDWR)
    c = fs_open.dup(t, a)
    assert fs_fcntl.flock(t, a, 2) == 0
    assert outcome(lambda: fs_fcntl.flock(t, b, 2 | 4)) == ("errno", 11)
    assert fs_fcntl.flock(t, c, 1) == 0
    assert fs_fcntl.flock(t, b, 1 | 4) == 0
    guest.close(a)
    assert outcome(lambda: fs_fcntl.flock(t, b, 2 | 4)) == ("errno", 11)
    guest.close(c)
    assert fs_fcntl.flock(t, b, 2 | 4) == 0


# -- memory files ------------------------------------------------------------------------------------------------------
def test_memfd_seals(guest: Guest) -> None:
    """Seals keep a memory file from growing, shrinking and changing (memfd_create(2))."""
    t = guest.t
    t.kernel.memory = SimpleNamespace(mapped_by=lambda source: [])  # type: ignore[assignment]
    name = put(t, B, b"name\0")
    fd = fs_open.memfd_create(t, name, 2)
    assert t.files.get(fd).path(t) == b"/memfd:name (deleted)"
    guest.write(fd, b"12345")
    assert fs_fcntl.fcntl(t, fd, 1033, F_SEAL_GROW | F_SEAL_SHRINK) == 0
    assert outcome(lambda: guest.ftruncate(fd, 4)) == ("errno", 1)
    assert outcome(lambda: guest.ftruncate(fd, 6)) == ("errno", 1)
    assert outcome(lambda: guest.pwrite(fd, b"x", 5)) == ("errno", 1)
    assert guest.pwrite(fd, b"xy", 4) == 1
    assert fs_fcntl.fcntl(t, fd, 1033, F_SEAL_WRITE | F_SEAL_SEAL) == 0
    assert outcome(lambda: guest.pwrite(fd, b"x", 0)) == ("errno", 1)
    assert outcome(lambda: fs_fcntl.fcntl(t, fd, 1033, 0)) == ("errno", 1)
    assert fs_fcntl.fcntl(t, fd, 1034, 0) == 0xF
    plain = fs_open.memfd_create(t, name, 0)
    assert fs_fcntl.fcntl(t, plain, 1034, 0) == F_SEAL_SEAL


def test_tmpfile_gets_a_name(guest: Guest) -> None:
    """O_TMPFILE makes a file without name; linkat gives it one, but not to a file that lost its own."""
    t = guest.t
    fd = guest.open(b"/", os.O_TMPFILE | os.O_RDWR)
    guest.write(fd, b"data")
    assert guest.fstat(fd)[1] == 0
    fs_dir.linkat(t, fd, put(t, B, b"\0"), AT_FDCWD, put(t, B + 8, b"/named\0"), 0x1000)
    assert guest.fstat(fd)[1] == 1
    assert guest.read(guest.open(b"/named", os.O_RDONLY), 10) == b"data"
    other = guest.open(b"/gone", os.O_CREAT | os.O_RDWR)
    guest.unlink(b"/gone")
    back = put(t, B + 8, b"/back\0")
    assert outcome(lambda: fs_dir.linkat(t, other, B, AT_FDCWD, back, 0x1000)) == ("errno", 2)
    assert t.files.get(other).path(t) == b"/gone (deleted)"


# -- extended attributes -----------------------------------------------------------------------------------------------
def test_xattrs(guest: Guest) -> None:
    """Create, replace, list, size queries, classes."""
    t = guest.t
    guest.close(guest.open(b"/f", os.O_CREAT | os.O_RDWR))
    path = put(t, B + 300, b"/f\0")
    name = put(t, B, b"user.key\0")
    value = put(t, B + 100, b"value")
    fs_xattr.setxattr(t, path, name, value, 5, 1)
    assert outcome(lambda: fs_xattr.setxattr(t, path, name, value, 5, 1)) == ("errno", 17)
    assert fs_xattr.getxattr(t, path, name, B + 200, 0) == 5
    assert outcome(lambda: fs_xattr.getxattr(t, path, name, B + 200, 3)) == ("errno", 34)
    assert fs_xattr.listxattr(t, path, B + 200, 100) == 9
    fs_xattr.removexattr(t, path, name)
    assert outcome(lambda: fs_xattr.getxattr(t, path, name, 0, 0)) == ("errno", 61)
    odd = put(t, B, b"nonsense\0")
    assert outcome(lambda: fs_xattr.setxattr(t, path, odd, value, 5, 0)) == ("errno", 95)
    t.cred = Cred.user(1000, 1000)
    trusted = put(t, B, b"trusted.key\0")
    assert outcome(lambda: fs_xattr.setxattr(t, path, trusted, value, 5, 0)) == ("errno", 1)


# -- mounts ------------------------------------------------------------------------------------------------------------
def mounting(guest: Guest) -> None:
    """Give the fake kernel what mount(2) needs."""
    cast("Any", guest.t.kernel).all_threads = lambda: [guest.t]


def test_mounting_a_tmpfs(guest: Guest) -> None:
    """A mount hides what is below, ``..`` crosses it, and in use it cannot be unmounted."""
    mounting(guest)
    guest.mkdir(b"/mnt", 0o755)
    guest.mkdir(b"/mnt/below", 0o755)
    do_mount(guest.t, b"none", b"/mnt", b"tmpfs", MS_NOSUID, b"size=1M,mode=0700")
    assert guest.listdir(b"/mnt") == [b".", b".."]
    assert guest.stat(b"/mnt")[0] == 0o040700
    fd = guest.open(b"/mnt/f", os.O_CREAT | os.O_RDWR)
    assert outcome(lambda: guest.rename(b"/mnt/f", b"/f")) == ("errno", 18)
    assert outcome(lambda: guest.link(b"/mnt/f", b"/f")) == ("errno", 18)
    assert outcome(lambda: guest.rmdir(b"/mnt")) == ("errno", 16)
    assert outcome(lambda: do_umount(guest.t, b"/mnt", 0)) == ("errno", 16)
    guest.chdir(b"/mnt")
    assert lookup(guest.t, AT_FDCWD, b"..") == guest.t.fs.root
    guest.chdir(b"/")
    guest.close(fd)
    do_umount(guest.t, b"/mnt", 0)
    assert guest.listdir(b"/mnt") == [b".", b"..", b"below"]
    assert outcome(lambda: do_umount(guest.t, b"/mnt", 0)) == ("errno", 22)
    assert outcome(lambda: do_mount(guest.t, b"none", b"/mnt", b"ext4", 0, b"")) == ("errno", 19)
    guest.t.cred = Cred.user(1, 1)
    assert outcome(lambda: do_mount(guest.t, b"none", b"/mnt", b"tmpfs", 0, b"")) == ("errno", 1)


def test_bind_mounts_and_read_only(guest: Guest) -> None:
    """A bind shows the same objects; a read-only remount of it leaves the other view writable."""
    mounting(guest)
    guest.mkdir(b"/a", 0o755)
    guest.mkdir(b"/b", 0o755)
    guest.close(guest.open(b"/a/f", os.O_CREAT | os.O_RDWR))
    do_mount(guest.t, b"/a", b"/b", b"", MS_BIND, b"")
    assert lookup(guest.t, AT_FDCWD, b"/b/f").dentry is lookup(guest.t, AT_FDCWD, b"/a/f").dentry
    do_mount(guest.t, b"", b"/b", b"", MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOEXEC, b"")
    assert outcome(lambda: guest.open(b"/b/f", os.O_WRONLY)) == ("errno", 30)
    assert outcome(lambda: guest.mkdir(b"/b/d", 0o755)) == ("errno", 30)
    assert outcome(lambda: guest.access(b"/b/f", 2)) == ("errno", 30)
    guest.close(guest.open(b"/a/f", os.O_WRONLY))


def test_namespaces_do_not_share_mounts(guest: Guest) -> None:
    """unshare(CLONE_NEWNS): later mounts are seen by one side only."""
    mounting(guest)
    guest.mkdir(b"/mnt", 0o755)
    do_mount(guest.t, b"x", b"/mnt", b"tmpfs", 0, b"")
    guest.mkdir(b"/mnt/d", 0o755)
    other = another(guest)
    space = copy_namespace(cast("Any", guest.t.nsproxy).mnt, 2, other.fs, INIT_USER_NS)
    other.nsproxy = SimpleNamespace(mnt=space)  # type: ignore[assignment]
    do_mount(other, b"y", b"/mnt/d", b"tmpfs", 0, b"")
    Guest(other).mkdir(b"/mnt/d/inner", 0o755)
    assert guest.listdir(b"/mnt/d") == [b".", b".."]
    assert Guest(other).listdir(b"/mnt/d") == [b".", b"..", b"inner"]


def test_pivot_root(guest: Guest) -> None:
    """The new root is a mount; the old one hangs below it and can be taken away."""
    mounting(guest)
    guest.mkdir(b"/new", 0o755)
    do_mount(guest.t, b"x", b"/new", b"tmpfs", 0, b"")
    guest.mkdir(b"/new/old", 0o755)
    pivot_root(guest.t, b"/new", b"/new/old")
    assert guest.listdir(b"/") == [b".", b"..", b"old"]
    assert guest.listdir(b"/old") == [b".", b"..", b"new"]
    assert lookup(guest.t, AT_FDCWD, b"/..") == guest.t.fs.root
    do_umount(guest.t, b"/old", 2)
    assert guest.listdir(b"/old") == [b".", b".."]


def test_fd_table_of_many() -> None:
    """A table with holes keeps giving the lowest number."""
    table = FdTable()
    for number in range(1000):
        assert table.install(File(0)) == number
    t = Thread.__new__(Thread)
    for number in range(0, 1000, 7):
        table.close(t, number)
    for number in range(0, 1000, 7):
        assert table.install(File(0)) == number
    assert table.install(File(0)) == 1000
