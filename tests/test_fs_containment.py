"""The guest must not get out: every trick with "..", links, races, devices and binds ends inside.

Each test builds a small tree of the host with a secret beside it and tries to read or change the secret.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from fs_world import Guest, bind_world, outcome, overlay_world

from kernel.errno import Errno
from kernel.fs.hosttree import MAX_DIRECTORIES, MAX_FILES
from kernel.fs.path import AT_FDCWD, RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS, Walk, lookup
from kernel.fs.roottree import Bind, bind

SECRET = b"the host's secret"


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A root for the guest at host/root with a secret at host/secret."""
    (tmp_path / "secret").write_bytes(SECRET)
    root = tmp_path / "root"
    (root / "dir/sub").mkdir(parents=True)
    (root / "dir/file").write_bytes(b"inside")
    (root / "up").symlink_to("../../../../../../../../" + str(tmp_path / "secret"))
    (root / "absolute").symlink_to(tmp_path / "secret")
    (root / "dir/climb").symlink_to("../../secret")
    (root / "absolute-dir").symlink_to(tmp_path)
    return root


@pytest.fixture(params=["overlay", "bind"])
def guest(request: pytest.FixtureRequest, host: Path) -> Iterator[Guest]:
    """A guest whose root is ``host``: under an overlay, or bound writable."""
    world = overlay_world(str(host)) if request.param == "overlay" else bind_world(str(host))
    yield world
    world.t.kernel.vfs.close()


def everything(top: Path) -> list[tuple[str, int, bytes]]:
    """Return names, times and contents of all below a directory of the host."""
    found = []
    for path in sorted(top.rglob("*")):
        data = b"" if path.is_symlink() or not path.is_file() else path.read_bytes()
        found.append((str(path), path.lstat().st_mtime_ns, data))
    return found


@pytest.mark.parametrize(
    "path",
    [
        b"/../secret", b"/../../../../../../secret", b"/dir/../../secret", b"/dir/sub/../../../secret", b"/up", b"/absolute",
        b"/dir/climb", b"/absolute-dir/secret", b"/absolute-dir/../secret", b"//..//..//secret", b"/./../secret",
        b"/dir/./.././../secret",
    ],
)  # fmt: skip
def test_no_path_leads_out(guest: Guest, path: bytes) -> None:
    """``..`` stops at the root, and links are resolved inside it, where there is no such file."""
    assert outcome(lambda: guest.open(path, os.O_RDONLY)) == ("errno", 2)
    assert outcome(lambda: guest.stat(path)) == ("errno", 2)


def test_dotdot_of_the_root_is_the_root(guest: Guest) -> None:
    for path in (b"/..", b"/../..", b"/dir/../..", b"/dir/sub/../../.."):
        assert lookup(guest.t, AT_FDCWD, path) == guest.t.fs.root


def test_writing_through_a_link_stays_inside(guest: Guest, host: Path) -> None:
    """A link made by the guest to a name outside leads to that name *inside*."""
    secret = host.parent / "secret"
    guest.symlink(os.fsencode(secret), b"/mine")
    assert outcome(lambda: guest.open(b"/mine", os.O_WRONLY | os.O_CREAT)) == ("errno", 2)
    for parent in reversed(secret.parents[:-1]):
        guest.mkdir(os.fsencode(parent), 0o755)
    fd = guest.open(b"/mine", os.O_RDWR | os.O_CREAT)
    guest.write(fd, b"guest")
    assert secret.read_bytes() == SECRET
    assert guest.pread(fd, 10, 0) == b"guest"


def test_chroot_cannot_be_left_for_the_host(guest: Guest) -> None:
    """The classic escape (keep a directory outside a chroot, then climb) ends at the guest's own root."""
    outside = lookup(guest.t, AT_FDCWD, b"/")
    guest.t.fs.root = lookup(guest.t, AT_FDCWD, b"/dir/sub")
    guest.t.fs.cwd = outside
    where = lookup(guest.t, AT_FDCWD, b"../../../../../..")
    assert where == outside
    with pytest.raises(Errno):
        guest.stat(b"../../../secret")


def test_swapping_a_directory_for_a_link(guest: Guest, host: Path) -> None:
    """A directory known to the guest is replaced on the host by a link to the outside: the host's name is not followed."""
    guest.stat(b"/dir/file")
    guest.t.fs.cwd = lookup(guest.t, AT_FDCWD, b"/dir")
    os.rename(host / "dir", host / "moved")
    os.symlink(host.parent, host / "dir")
    found = outcome(lambda: guest.read(guest.open(b"secret", os.O_RDONLY), 100))
    assert found[0] == "errno"
    found = outcome(lambda: guest.read(guest.open(b"/dir/secret", os.O_RDONLY), 100))
    assert found[0] == "errno"


def test_swapping_a_file_for_a_link(guest: Guest, host: Path) -> None:
    """The same with the last component, between lookup and open."""
    where = lookup(guest.t, AT_FDCWD, b"/dir/file")
    os.unlink(host / "dir/file")
    os.symlink("../../secret", host / "dir/file")
    with pytest.raises(Errno):
        where.dentry.inode.open(guest.t, where, os.O_RDONLY)


def test_devices_fifos_and_sockets_are_never_opened(guest: Guest, host: Path) -> None:
    """They can be seen; opening them gives an error at once."""
    os.mkfifo(host / "fifo")
    with socket.socket(socket.AF_UNIX) as sock:
        before = os.getcwd()
        os.chdir(host)
        sock.bind("socket")
        os.chdir(before)
        names = [b"/fifo", b"/socket"]
        if os.geteuid() == 0:
            os.mknod(host / "null", 0o020666, os.makedev(1, 3))
            os.mknod(host / "disk", 0o060666, os.makedev(7, 0))
            names += [b"/null", b"/disk"]
        begin = time.monotonic()
        for name in names:
            guest.lstat(name)
            for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR | os.O_NONBLOCK):
                assert outcome(partial(guest.open, name, flags)) == ("errno", 6), name
        assert time.monotonic() - begin < 1


def test_descriptors_of_the_host_are_bounded(guest: Guest, host: Path) -> None:
    """Whatever the guest keeps open, the host's table stays small."""
    for number in range(300):
        (host / f"d{number}").mkdir()
        (host / f"d{number}/f").write_text(str(number))
    before = len(os.listdir("/dev/fd"))
    fds = [guest.open(b"/d%d/f" % number, os.O_RDONLY) for number in range(300)]
    for number, fd in enumerate(fds):
        assert guest.read(fd, 10) == b"%d" % number
    assert len(os.listdir("/dev/fd")) - before <= MAX_DIRECTORIES + MAX_FILES + 4


def test_overlay_never_writes_to_the_host(host: Path) -> None:
    """Everything a program can do to files leaves the tree below as it was."""
    before = everything(host.parent)
    guest = overlay_world(str(host))
    fd = guest.open(b"/dir/file", os.O_RDWR)
    guest.write(fd, b"changed")
    guest.ftruncate(fd, 3)
    guest.unlink(b"/dir/file")
    guest.rename(b"/dir", b"/other")
    guest.chmod(b"/other/sub", 0o700)
    guest.chown(b"/other/sub", 7, 7)
    guest.rmdir(b"/other/sub")
    guest.link(b"/up", b"/linked")
    guest.mknod(b"/node", 0o020666)
    guest.open(b"/new", os.O_CREAT | os.O_WRONLY)
    guest.truncate(b"/new", 100)
    assert guest.pread(fd, 10, 0) == b"cha"
    assert everything(host.parent) == before


def test_read_only_bind(host: Path, tmp_path: Path) -> None:
    """Without :rw nothing can be changed."""
    shown = tmp_path / "shown"
    shown.mkdir()
    (shown / "file").write_text("text")
    before = everything(shown)
    guest = overlay_world(str(host))
    bind(guest.t.kernel.vfs, guest.t.nsproxy.mnt, Bind(str(shown), "/mnt"))
    assert guest.read(guest.open(b"/mnt/file", os.O_RDONLY), 10) == b"text"
    for attempt in (
        lambda: guest.open(b"/mnt/file", os.O_WRONLY),
        lambda: guest.open(b"/mnt/new", os.O_WRONLY | os.O_CREAT),
        lambda: guest.truncate(b"/mnt/file", 0),
        lambda: guest.unlink(b"/mnt/file"),
        lambda: guest.mkdir(b"/mnt/d", 0o755),
        lambda: guest.rename(b"/mnt/file", b"/mnt/other"),
        lambda: guest.chmod(b"/mnt/file", 0o600),
        lambda: guest.symlink(b"x", b"/mnt/l"),
        lambda: guest.access(b"/mnt/file", 2),
    ):
        assert outcome(attempt) == ("errno", 30)
    assert everything(shown) == before
    assert outcome(lambda: guest.stat(b"/mnt/../../../secret")) == ("errno", 2)
    assert lookup(guest.t, AT_FDCWD, b"/mnt/..") == guest.t.fs.root


def test_writable_bind_of_one_file(host: Path, tmp_path: Path) -> None:
    """A bound file is reached, its neighbours are not."""
    (tmp_path / "one").write_text("1")
    guest = overlay_world(str(host))
    bind(guest.t.kernel.vfs, guest.t.nsproxy.mnt, Bind(str(tmp_path / "one"), "/dir/one", True))
    fd = guest.open(b"/dir/one", os.O_RDWR)
    guest.write(fd, b"22")
    assert (tmp_path / "one").read_text() == "22"
    assert guest.listdir(b"/dir") == sorted([b".", b"..", b"climb", b"file", b"one", b"sub"])
    assert outcome(lambda: guest.stat(b"/dir/one/../secret")) == ("errno", 20)
    assert outcome(lambda: guest.unlink(b"/dir/one")) == ("errno", 16)


def test_pseudo_file_systems_of_the_host_look_empty() -> None:
    """/proc, /sys and /dev of the host are not there, even where nothing is mounted over them."""
    guest = bind_world("/", writable=False)
    for path in (b"/proc/self", b"/proc/1", b"/proc/version", b"/sys/kernel", b"/dev/null"):
        assert outcome(partial(guest.lstat, path))[0] == "errno"
    assert guest.listdir(b"/proc") == [b".", b".."]


def test_restricted_walks(guest: Guest) -> None:
    """openat2's RESOLVE_* flags."""

    def walk(path: bytes, resolve: int) -> object:
        state = Walk(guest.t, AT_FDCWD, path, resolve)
        state.to_end(True)
        return state.path

    guest.t.fs.cwd = lookup(guest.t, AT_FDCWD, b"/dir")
    assert outcome(lambda: walk(b"../dir/file", RESOLVE_BENEATH)) == ("errno", 18)
    assert outcome(lambda: walk(b"/dir/file", RESOLVE_BENEATH)) == ("errno", 18)
    assert walk(b"sub/../file", RESOLVE_BENEATH) == lookup(guest.t, AT_FDCWD, b"file")
    assert walk(b"/file", RESOLVE_IN_ROOT) == lookup(guest.t, AT_FDCWD, b"file")
    assert walk(b"../../file", RESOLVE_IN_ROOT) == lookup(guest.t, AT_FDCWD, b"file")
    guest.symlink(b"file", b"link")
    assert outcome(lambda: walk(b"link", RESOLVE_NO_SYMLINKS)) == ("errno", 40)
