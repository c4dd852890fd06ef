"""memfd_create(2): a file of a tmpfs nobody can see (mm/memfd.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.fs.file import O_LARGEFILE, O_RDWR
from kernel.fs.inode import S_IFREG, Dentry
from kernel.fs.mount import Mount, Path
from kernel.fs.pagecache import PageCache
from kernel.fs.regular import RegularFile
from kernel.fs.tmpfs import F_SEAL_EXEC, F_SEAL_SEAL, TmpFile, TmpFs

if TYPE_CHECKING:
    from kernel.task import Thread

MFD_CLOEXEC = 0x1
MFD_ALLOW_SEALING = 0x2
MFD_HUGETLB = 0x4
MFD_NOEXEC_SEAL = 0x8
MFD_EXEC = 0x10


def check_memfd_flags(flags: int) -> None:
    """EINVAL for flags memfd_create(2) does not know or that exclude each other; there are no huge pages."""
    if flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC):
        raise Errno.EINVAL
    if flags & MFD_EXEC and flags & MFD_NOEXEC_SEAL:
        raise Errno.EINVAL


def make_memfd(t: Thread, name: bytes, flags: int) -> RegularFile:
    """Return a new memory file, open for reading and writing; ``flags`` passed ``check_memfd_flags``."""
    vfs = t.kernel.vfs
    mount = vfs.hidden_mount
    fs = mount.fs
    assert isinstance(fs, TmpFs)
    mode = 0o666 if flags & MFD_NOEXEC_SEAL else 0o777
    inode = TmpFile(fs, fs.new_ino(), S_IFREG | mode, t.cred.fsuid, t.cred.fsgid, PageCache(fs.pool))
    inode.nlink = 0
    if flags & MFD_NOEXEC_SEAL:
        inode.seal_bits = F_SEAL_EXEC
    elif flags & MFD_ALLOW_SEALING:
        inode.seal_bits = 0
    else:
        inode.seal_bits = F_SEAL_SEAL
    dentry = Dentry(b"memfd:" + name, mount.root, inode)
    dentry.unlinked = True
    file = RegularFile(Path(mount, dentry), O_RDWR | O_LARGEFILE)
    file.counted = False
    return file


def make_hidden_mount(fs: TmpFs) -> Mount:
    """Return a mount of ``fs`` that is in no namespace (shm_mnt)."""
    return Mount(fs, fs.root, 0, b"none", 0)
