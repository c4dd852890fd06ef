"""Extended attributes (xattr(7)): user., trusted., security. names on file systems in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from kernel.cred import CAP_SYS_ADMIN
from kernel.errno import Errno
from kernel.fs.inode import MAY_READ, MAY_WRITE, S_IFMT, S_IFREG, S_ISVTX, Inode
from kernel.fs.mount import Path as Place
from kernel.fs.path import AT_FDCWD, lookup
from syscalls.table import syscall
from syscalls.types import CString, Fd, InBuf, OutBuf, PathPtr, Size, flags, get_name

if TYPE_CHECKING:
    from kernel.task import Thread

XattrFlags = Annotated[int, flags("xattr")]

XATTR_CREATE = 1
XATTR_REPLACE = 2
XATTR_NAME_MAX = 255
XATTR_SIZE_MAX = 65536
XATTR_LIST_MAX = 65536
ACL_NAMES = (b"system.posix_acl_access", b"system.posix_acl_default")


def _name(t: Thread, address: int) -> bytes:
    """Fetch an attribute name.  ERANGE if it is empty or too long (strncpy_from_user in setxattr_copy)."""
    name = t.mm.read_cstring(address, XATTR_NAME_MAX + 1)  # type: ignore[union-attr]
    if not name:
        raise Errno.ERANGE
    return name


def _place(t: Thread, fd: int) -> Place:
    where = t.files.get(fd).where()
    if where is None:
        raise Errno.EOPNOTSUPP
    return where


def _check(t: Thread, inode: Inode, name: bytes, mask: int) -> None:
    """Check access to an attribute by its class (xattr_permission)."""
    if name.startswith((b"security.", b"system.")):
        return
    if name.startswith(b"trusted."):
        if not t.cred.capable(CAP_SYS_ADMIN):
            raise Errno.EPERM if mask & MAY_WRITE else Errno.ENODATA
        return
    if name.startswith(b"user."):
        kind = inode.mode & S_IFMT
        if kind != S_IFREG and not inode.is_dir:
            raise Errno.EPERM if mask & MAY_WRITE else Errno.ENODATA
        if inode.is_dir and inode.mode & S_ISVTX and mask & MAY_WRITE and not inode.owner_or_capable(t):
            raise Errno.EPERM
    inode.permission(t, mask)


def _supported(name: bytes) -> None:
    """EOPNOTSUPP for classes no file system here has a handler for."""
    prefix, dot, rest = name.partition(b".")
    if not dot or prefix not in (b"user", b"trusted", b"security"):
        raise Errno.EOPNOTSUPP
    if not rest:
        raise Errno.EINVAL


def _value(t: Thread, name: int, value: int, size: int, bits: int) -> tuple[bytes, bytes]:
    """Check and fetch what an attribute is to be set to, before anybody looks for the file (setxattr_copy)."""
    if bits & ~(XATTR_CREATE | XATTR_REPLACE):
        raise Errno.EINVAL
    text = _name(t, name)
    if size > XATTR_SIZE_MAX:
        raise Errno.E2BIG
    return text, t.mm.read(value, size) if size else b""  # type: ignore[union-attr]


def _set(t: Thread, where: Place, name: bytes, data: bytes, bits: int) -> None:
    where.mount.want_write()
    inode = where.dentry.inode
    _check(t, inode, name, MAY_WRITE)
    _supported(name)
    if name.startswith(b"security.") and not t.cred.ns_capable(inode.fs.user_ns, CAP_SYS_ADMIN):
        raise Errno.EPERM
    known = inode.xattrs()
    if bits & XATTR_CREATE and name in known:
        raise Errno.EEXIST
    if bits & XATTR_REPLACE and name not in known:
        raise Errno.ENODATA
    inode.set_xattr(t, name, data)


def _get(t: Thread, where: Place, name: bytes, buffer: int, size: int) -> int:
    inode = where.dentry.inode
    if name in ACL_NAMES:
        # No file has an ACL beyond its mode (do_get_acl); file systems without attributes know none at all.
        inode.xattrs()
        raise Errno.ENODATA
    _check(t, inode, name, MAY_READ)
    _supported(name)
    try:
        data = inode.xattrs()[name]
    except KeyError:
        raise Errno.ENODATA from None
    return _put(t, data, buffer, size)


def _put(t: Thread, data: bytes, buffer: int, size: int) -> int:
    """Store a result; with size 0 only its length is asked for."""
    if size:
        if len(data) > size:
            raise Errno.ERANGE
        t.mm.write(buffer, data)  # type: ignore[union-attr]
    return len(data)


def _list(t: Thread, where: Place, buffer: int, size: int) -> int:
    try:
        names = where.dentry.inode.xattrs()
    except Errno.EOPNOTSUPP:
        names = {}
    trusted = t.cred.capable(CAP_SYS_ADMIN)
    data = b"".join(name + b"\0" for name in names if trusted or not name.startswith(b"trusted."))
    return _put(t, data, buffer, size)


def _remove(t: Thread, where: Place, name: bytes) -> None:
    where.mount.want_write()
    inode = where.dentry.inode
    _check(t, inode, name, MAY_WRITE)
    _supported(name)
    if name not in inode.xattrs():
        raise Errno.ENODATA
    inode.set_xattr(t, name, None)


@syscall(188)
def setxattr(t: Thread, path: PathPtr, name: CString, value: InBuf, size: Size, flags: XattrFlags) -> None:
    """setxattr(2)."""
    text, data = _value(t, name, value, size, flags)
    _set(t, lookup(t, AT_FDCWD, get_name(t, path)), text, data, flags)


@syscall(189)
def lsetxattr(t: Thread, path: PathPtr, name: CString, value: InBuf, size: Size, flags: XattrFlags) -> None:
    """lsetxattr(2)."""
    text, data = _value(t, name, value, size, flags)
    _set(t, lookup(t, AT_FDCWD, get_name(t, path), False), text, data, flags)


@syscall(190)
def fsetxattr(t: Thread, fd: Fd, name: CString, value: InBuf, size: Size, flags: XattrFlags) -> None:
    """fsetxattr(2)."""
    text, data = _value(t, name, value, size, flags)
    _set(t, _place(t, fd), text, data, flags)


@syscall(191)
def getxattr(t: Thread, path: PathPtr, name: CString, value: OutBuf, size: Size) -> int:
    """getxattr(2)."""
    text = _name(t, name)
    return _get(t, lookup(t, AT_FDCWD, get_name(t, path)), text, value, size)


@syscall(192)
def lgetxattr(t: Thread, path: PathPtr, name: CString, value: OutBuf, size: Size) -> int:
    """lgetxattr(2)."""
    text = _name(t, name)
    return _get(t, lookup(t, AT_FDCWD, get_name(t, path), False), text, value, size)


@syscall(193)
def fgetxattr(t: Thread, fd: Fd, name: CString, value: OutBuf, size: Size) -> int:
    """fgetxattr(2)."""
    text = _name(t, name)
    return _get(t, _place(t, fd), text, value, size)


@syscall(194)
def listxattr(t: Thread, path: PathPtr, list: OutBuf, size: Size) -> int:
    """listxattr(2)."""
    return _list(t, lookup(t, AT_FDCWD, get_name(t, path)), list, size)


@syscall(195)
def llistxattr(t: Thread, path: PathPtr, list: OutBuf, size: Size) -> int:
    """llistxattr(2)."""
    return _list(t, lookup(t, AT_FDCWD, get_name(t, path), False), list, size)


@syscall(196)
def flistxattr(t: Thread, fd: Fd, list: OutBuf, size: Size) -> int:
    """flistxattr(2)."""
    return _list(t, _place(t, fd), list, size)


@syscall(197)
def removexattr(t: Thread, path: PathPtr, name: CString) -> None:
    """removexattr(2)."""
    text = _name(t, name)
    _remove(t, lookup(t, AT_FDCWD, get_name(t, path)), text)


@syscall(198)
def lremovexattr(t: Thread, path: PathPtr, name: CString) -> None:
    """lremovexattr(2)."""
    text = _name(t, name)
    _remove(t, lookup(t, AT_FDCWD, get_name(t, path), False), text)


@syscall(199)
def fremovexattr(t: Thread, fd: Fd, name: CString) -> None:
    """fremovexattr(2)."""
    text = _name(t, name)
    _remove(t, _place(t, fd), text)
