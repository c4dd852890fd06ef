"""The same random operations on the host and in the guest must end the same way, errno for errno.

The host's side is a directory of its /dev/shm or temporary directory; the guest's a tmpfs, or an overlay over a directory
that was filled on the host beforehand.  Names are few and paths short, so that operations meet each other.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from typing import ClassVar

import pytest
from fs_world import Guest, Host, Outcome, bind_world, outcome, overlay_world, tmpfs_world
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kernel.cred import Cred

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the oracle is a Linux kernel")

NAMES = st.sampled_from([b"a", b"b", b"c", b"d", b"l"])
COMPONENT = st.one_of(NAMES, NAMES, NAMES, st.sampled_from([b".", b"..", b"x" * 256]))
PATHS = st.builds(
    lambda parts, slash: b"/".join(parts) + slash,
    st.lists(COMPONENT, min_size=1, max_size=3),
    st.sampled_from([b"", b"", b"", b"", b"/", b"//", b"/."]),
)
DATA = st.sampled_from([b"x", b"hello", b"0" * 4095, b"1" * 4097, b"z" * 9000])
OFFSETS = st.sampled_from([0, 1, 5, 4095, 4096, 8191, 10000, 20000])
FLAGS = st.builds(
    lambda access, extra: access | extra,
    st.sampled_from([os.O_RDONLY, os.O_WRONLY, os.O_RDWR]),
    st.sampled_from(
        [
            0, os.O_CREAT, os.O_CREAT, os.O_CREAT | os.O_EXCL, os.O_TRUNC, os.O_CREAT | os.O_TRUNC, os.O_APPEND, os.O_NOFOLLOW,
            os.O_CREAT | os.O_NOFOLLOW, getattr(os, "O_DIRECTORY", 0), getattr(os, "O_PATH", 0),
            getattr(os, "O_PATH", 0) | os.O_NOFOLLOW, os.O_CREAT | os.O_APPEND,
        ]
    ),
)  # fmt: skip
MODES = st.sampled_from([0o755, 0o700, 0o644, 0o1777, 0o2775, 0o4755, 0])
DEPTH = "p/q/r/s/t/u/v/w/x/y/z/top"


def scratch() -> str:
    """Return a new directory of the host, in memory if possible."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    return tempfile.mkdtemp(dir=base)


def sysctl(name: str) -> int:
    """Return a number of the host's /proc/sys/fs; 0 if it has none."""
    try:
        with open(f"/proc/sys/fs/{name}") as file:
            return int(file.read())
    except OSError:
        return 0


class SameAsHost(RuleBasedStateMachine):
    """Guest in a tmpfs."""

    files: ClassVar[int] = 4
    users: ClassVar[tuple[tuple[int, int, tuple[int, ...]], ...]] = ((0, 0, ()), (1000, 1000, ()), (1001, 1001, (1000,)))

    def __init__(self) -> None:
        super().__init__()
        self.base = scratch()
        os.chmod(self.base, 0o755)
        os.makedirs(os.path.join(self.base, DEPTH))
        self.before = os.getcwd()
        self.umask = os.umask(0o022)
        os.chdir(os.path.join(self.base, DEPTH))
        self.guest = self.make_guest()
        vfs = self.guest.t.kernel.vfs
        vfs.protected_symlinks = sysctl("protected_symlinks")
        vfs.protected_hardlinks = sysctl("protected_hardlinks")
        self.host = Host()
        self.fds: list[tuple[int, int]] = []
        if os.geteuid():
            uid, gid = os.geteuid(), os.getegid()
            self.guest.t.cred = Cred.user(uid, gid, tuple(os.getgroups()))
        else:
            self.same("chmod", b".", 0o777)

    def make_guest(self) -> Guest:
        guest = tmpfs_world()
        path = b""
        for part in DEPTH.encode().split(b"/"):
            path += b"/" + part
            guest.mkdir(path, 0o755)
        guest.chdir(path)
        return guest

    def teardown(self) -> None:
        self.become(0)
        for host_fd, _ in self.fds:
            os.close(host_fd)
        os.chdir(self.before)
        os.umask(self.umask)
        self.guest.t.kernel.vfs.close()
        shutil.rmtree(self.base, ignore_errors=True)

    def same(self, name: str, *arguments: object) -> Outcome:
        """Do it on both sides and compare."""
        expected = outcome(lambda: getattr(self.host, name)(*arguments))
        found = outcome(lambda: getattr(self.guest, name)(*arguments))
        assert found == expected, (name, arguments, found, expected)
        return expected

    @rule(user=st.integers(0, 2))
    def become(self, user: int) -> None:
        """Go on as another user, where the test may do that."""
        if os.getuid():
            return
        uid, gid, groups = self.users[user]
        os.seteuid(0)
        os.setgroups(groups)
        os.setegid(gid)
        os.seteuid(uid)
        self.guest.t.cred = Cred.user(uid, gid, groups)

    # -- names ------------------------------------------------------------------------------------------------------
    @rule(path=PATHS, mode=MODES)
    def mkdir(self, path: bytes, mode: int) -> None:
        self.same("mkdir", path, mode)

    @rule(path=PATHS)
    def rmdir(self, path: bytes) -> None:
        self.same("rmdir", path)

    @rule(path=PATHS)
    def unlink(self, path: bytes) -> None:
        self.same("unlink", path)

    @rule(old=PATHS, new=PATHS, flags=st.sampled_from([0, 0, 0, 1, 2, 3]))
    def rename(self, old: bytes, new: bytes, flags: int) -> None:
        self.same("rename", old, new, flags)

    @rule(old=PATHS, new=PATHS, flags=st.sampled_from([0, 0, 0x400]))
    def link(self, old: bytes, new: bytes, flags: int) -> None:
        self.same("link", old, new, flags)

    @rule(text=st.one_of(PATHS, st.just(b"l")), path=PATHS)
    def symlink(self, text: bytes, path: bytes) -> None:
        self.same("symlink", text, path)

    @rule(path=PATHS)
    def readlink(self, path: bytes) -> None:
        self.same("readlink", path)

    @rule(path=PATHS, mode=st.sampled_from([0o100644, 0o010600, 0o140600, 0o644, 0o040755]))
    def mknod(self, path: bytes, mode: int) -> None:
        self.same("mknod", path, mode)

    @rule(path=PATHS)
    def look(self, path: bytes) -> None:
        self.same("stat", path)
        self.same("lstat", path)

    @rule(path=PATHS)
    def listdir(self, path: bytes) -> None:
        self.same("listdir", path)

    @rule(path=PATHS, mode=MODES)
    def chmod(self, path: bytes, mode: int) -> None:
        self.same("chmod", path, mode)

    @rule(path=PATHS, uid=st.sampled_from([-1, 0, 1000, 1001]), gid=st.sampled_from([-1, 0, 1000, 1001]))
    def chown(self, path: bytes, uid: int, gid: int) -> None:
        self.same("chown", path, uid, gid)

    @rule(path=PATHS, mask=st.integers(0, 7))
    def access(self, path: bytes, mask: int) -> None:
        self.same("access", path, mask)

    @rule(path=PATHS, size=OFFSETS)
    def truncate(self, path: bytes, size: int) -> None:
        self.same("truncate", path, size)

    # -- open files -------------------------------------------------------------------------------------------------
    @rule(path=PATHS, flags=FLAGS, mode=MODES)
    def open(self, path: bytes, flags: int, mode: int) -> None:
        # Opening a FIFO may wait for ever.
        if not os.path.isdir(path) and not os.path.isfile(path) and os.path.exists(path):
            return
        expected = outcome(lambda: self.host.open(path, flags, mode))
        found = outcome(lambda: self.guest.open(path, flags, mode))
        if expected[0] == "ok" and found[0] == "ok":
            self.fds.append((expected[1], found[1]))
            if len(self.fds) > self.files:
                host_fd, guest_fd = self.fds.pop(0)
                self.host.close(host_fd)
                self.guest.close(guest_fd)
        else:
            assert found == expected, (path, flags, found, expected)

    def on_fd(self, which: int, name: str, *arguments: object) -> None:
        if not self.fds:
            return
        host_fd, guest_fd = self.fds[which % len(self.fds)]
        expected = outcome(lambda: getattr(self.host, name)(host_fd, *arguments))
        found = outcome(lambda: getattr(self.guest, name)(guest_fd, *arguments))
        assert found == expected, (name, arguments, found, expected)

    @rule(which=st.integers(0, 9), size=OFFSETS)
    def read(self, which: int, size: int) -> None:
        self.on_fd(which, "read", size)

    @rule(which=st.integers(0, 9), data=DATA)
    def write(self, which: int, data: bytes) -> None:
        self.on_fd(which, "write", data)

    @rule(which=st.integers(0, 9), size=OFFSETS, offset=OFFSETS)
    def pread(self, which: int, size: int, offset: int) -> None:
        self.on_fd(which, "pread", size, offset)

    @rule(which=st.integers(0, 9), data=DATA, offset=OFFSETS)
    def pwrite(self, which: int, data: bytes, offset: int) -> None:
        self.on_fd(which, "pwrite", data, offset)

    @rule(which=st.integers(0, 9), size=OFFSETS)
    def ftruncate(self, which: int, size: int) -> None:
        self.on_fd(which, "ftruncate", size)

    @rule(which=st.integers(0, 9), offset=st.sampled_from([-5, 0, 3, 5000]), whence=st.sampled_from([0, 1, 2, 9]))
    def lseek(self, which: int, offset: int, whence: int) -> None:
        host_fd = self.fds[which % len(self.fds)][0] if self.fds else -1
        if host_fd >= 0 and not os.path.isfile(f"/proc/self/fd/{host_fd}"):
            return
        self.on_fd(which, "lseek", offset, whence)

    @rule(which=st.integers(0, 9))
    def fstat(self, which: int) -> None:
        self.on_fd(which, "fstat")

    @invariant()
    def same_tree(self) -> None:
        expected = outcome(lambda: self.host.listdir(b"."))
        found = outcome(lambda: self.guest.listdir(b"."))
        assert found == expected


class OverlaySameAsHost(SameAsHost):
    """Guest in an overlay over a tree that is on the host already; the host's side works on a copy of it."""

    def make_guest(self) -> Guest:
        for base in ("lower", "."):
            top = os.path.join(self.base, base, DEPTH)
            os.makedirs(os.path.join(top, "a/b/c"), exist_ok=True)
            os.makedirs(os.path.join(top, "d/a"), exist_ok=True)
            for name, data in (("b", "lower b"), ("a/c", "x" * 5000), ("a/b/d", ""), ("d/b", "12345")):
                with open(os.path.join(top, name), "w") as file:
                    file.write(data)
            os.symlink("a/b", os.path.join(top, "l"))
            os.symlink("../b", os.path.join(top, "d/l"))
            os.link(os.path.join(top, "b"), os.path.join(top, "d/c"))
        guest = overlay_world(os.path.join(self.base, "lower"))
        guest.chdir(b"/" + DEPTH.encode())
        return guest


class BindSameAsHost(OverlaySameAsHost):
    """Guest in a directory of the host that is bound writable; what it did must be there afterwards."""

    def make_guest(self) -> Guest:
        super().make_guest().t.kernel.vfs.close()
        guest = bind_world(os.path.join(self.base, "lower"))
        guest.chdir(b"/" + DEPTH.encode())
        return guest

    @rule(old=PATHS, new=PATHS, flags=st.sampled_from([0, 0, 0, 1]))
    def rename(self, old: bytes, new: bytes, flags: int) -> None:
        """Swapping names is not offered on the host's file systems."""
        self.same("rename", old, new, flags)

    @rule(path=PATHS, mode=st.sampled_from([0o100644, 0o644]))
    def mknod(self, path: bytes, mode: int) -> None:
        """Nor are special files."""
        self.same("mknod", path, mode)

    def teardown(self) -> None:
        self.become(0)
        try:
            assert tree_of(os.path.join(self.base, "lower", DEPTH)) == tree_of(".")
        finally:
            super().teardown()


def tree_of(top: str) -> list[tuple[str, int, bytes]]:
    """Return name, mode and content of everything below a directory."""
    found = []
    for directory, names, files in os.walk(top):
        for name in names + files:
            path = os.path.join(directory, name)
            status = os.lstat(path)
            content = b""
            if os.path.islink(path):
                content = os.readlink(path).encode()
            elif name in files:
                with open(path, "rb") as file:
                    content = file.read()
            found.append((os.path.relpath(path, top), status.st_mode, content))
    return sorted(found)


SETTINGS = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestTmpfs = SameAsHost.TestCase
TestTmpfs.settings = SETTINGS
TestOverlay = OverlaySameAsHost.TestCase
TestOverlay.settings = SETTINGS
TestBind = BindSameAsHost.TestCase
TestBind.settings = SETTINGS
