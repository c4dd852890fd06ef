"""Opening a program for execve (do_open_execat).

While the file is open for execution nobody may write to it: opening it for writing gives ETXTBSY, and so does executing
what is being written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.fs.file import O_RDONLY, File
from kernel.fs.inode import MAY_EXEC, S_IFMT, S_IFREG
from kernel.fs.mount import MS_NOEXEC
from kernel.fs.path import AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, lookup
from kernel.fs.regular import RegularFile

if TYPE_CHECKING:
    from kernel.task import Thread


def open_exec(t: Thread, dirfd: int, path: bytes, flags: int = 0) -> tuple[File, bytes, bool]:
    """Open ``path`` with execute permission.

    ``flags``: AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW.  Returns the file, the name a script's interpreter is to open it by
    (``/dev/fd/N/path`` for execveat, alloc_bprm), and whether that name will be closed by the exec.  Raises ENOENT, EACCES
    (no regular file, no x bit, noexec mount), ELOOP, ETXTBSY, ...
    """
    try:
        file = _open(t, dirfd, path, flags)
    except Errno.ESTALE:
        file = _open(t, dirfd, path, flags)
    if dirfd == AT_FDCWD or path.startswith(b"/"):
        return file, path, False
    name = b"/dev/fd/%d/%s" % (dirfd, path) if path else b"/dev/fd/%d" % dirfd
    return file, name, t.files.is_cloexec(dirfd)


def _open(t: Thread, dirfd: int, path: bytes, flags: int) -> File:
    itself = bool(flags & AT_EMPTY_PATH)
    if itself and not path and dirfd != AT_FDCWD and t.files.get(dirfd, True).where() is None:
        raise Errno.EACCES  # sockets, pipes and the like are in file systems nothing is executed from
    where = lookup(t, dirfd, path, not flags & AT_SYMLINK_NOFOLLOW, itself)
    inode = where.dentry.inode
    if inode.is_symlink:
        raise Errno.ELOOP
    if inode.mode & S_IFMT != S_IFREG or where.mount.flags & MS_NOEXEC:
        raise Errno.EACCES
    inode.permission(t, MAY_EXEC)
    inode.deny_write_access()
    try:
        file = inode.open(t, where, O_RDONLY)
    except BaseException:
        inode.writers += 1
        raise
    assert isinstance(file, RegularFile)
    file.denies_write = True
    return file
