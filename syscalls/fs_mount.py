"""mount, umount2, pivot_root; the calls for file handles, which no file system here has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from kernel.cred import CAP_DAC_READ_SEARCH
from kernel.errno import Errno
from kernel.fs.mounting import check_umount_flags, do_mount, do_umount, may_mount
from kernel.fs.mounting import pivot_root as do_pivot_root
from kernel.fs.path import AT_EMPTY_PATH, AT_SYMLINK_FOLLOW, AT_SYMLINK_NOFOLLOW, lookup
from syscalls.table import syscall
from syscalls.types import Address, CString, DirFd, Path, PathPtr, flags, get_name

if TYPE_CHECKING:
    from kernel.task import Thread

MountFlags = Annotated[int, flags("mount", "{}")]
UmountFlags = Annotated[int, flags("umount")]
AtFlags = Annotated[int, flags("at")]
HandleFlags = Annotated[int, flags("at_handle")]

MAX_STRING = 4096


def _string(t: Thread, address: int) -> bytes:
    """Fetch an optional string of mount(2)."""
    if not address:
        return b""
    text = t.mm.read_cstring(address, MAX_STRING)  # type: ignore[union-attr]
    if text is None:
        raise Errno.EINVAL
    return text


@syscall(165)
def mount(t: Thread, source: CString, target: Path, filesystemtype: CString, mountflags: MountFlags, data: CString) -> None:
    """mount(2): tmpfs, proc, bind, move, remount and the propagation flags (all mounts are private)."""
    kind = _string(t, filesystemtype) if filesystemtype else None
    origin = _string(t, source)
    options = _string(t, data)
    do_mount(t, origin, target, kind, mountflags & 0xFFFFFFFF, options)


@syscall(166)
def umount2(t: Thread, target: PathPtr, flags: UmountFlags) -> None:
    """umount2(2): MNT_FORCE, MNT_DETACH, MNT_EXPIRE, UMOUNT_NOFOLLOW."""
    check_umount_flags(flags)
    do_umount(t, get_name(t, target), flags)


@syscall(155)
def pivot_root(t: Thread, new_root: Path, put_old: Path) -> None:
    """pivot_root(2)."""
    if not may_mount(t):
        raise Errno.EPERM
    do_pivot_root(t, new_root, put_old)


@syscall(303)
def name_to_handle_at(
    t: Thread, dirfd: DirFd, path: PathPtr, handle: Address, mount_id: Address, flags: HandleFlags
) -> None:
    """name_to_handle_at(2): none of the file systems can be exported."""
    if flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW):
        raise Errno.EINVAL
    lookup(t, dirfd, get_name(t, path), bool(flags & AT_SYMLINK_FOLLOW), bool(flags & AT_EMPTY_PATH))
    raise Errno.EOPNOTSUPP


@syscall(304)
def open_by_handle_at(t: Thread, mount_fd: DirFd, handle: Address, flags: AtFlags) -> None:
    """open_by_handle_at(2): there are no handles."""
    if not t.cred.capable(CAP_DAC_READ_SEARCH):
        raise Errno.EPERM
    raise Errno.ESTALE
