"""Path walk (fs/namei.c, path_resolution(7)).

A ``Walk`` goes one component at a time from a start to a name.  What is still to be walked is a stack, so that the text
of a symbolic link is simply pushed: there is no recursion.  A trailing slash is the empty component: it asks that what it
stands behind is a directory, and, as something follows the name, that a link of that name is followed.

``..`` stops at the root of the *thread* (chroot) and climbs from the root of a mount to its mount point.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.fs.inode import MAY_EXEC, NAME_MAX, S_ISVTX, Dentry, Inode
from kernel.fs.mount import MS_NOSYMFOLLOW, Mount, Path, cross

if TYPE_CHECKING:
    from kernel.task import Thread

AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
AT_REMOVEDIR = 0x200
AT_EACCESS = 0x200
AT_SYMLINK_FOLLOW = 0x400
AT_NO_AUTOMOUNT = 0x800
AT_EMPTY_PATH = 0x1000

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10
RESOLVE_CACHED = 0x20
RESOLVE_ALL = 0x3F

MAX_LINKS = 40
"""MAXSYMLINKS: how many links one walk may follow."""

_STICKY = S_ISVTX | 0o002


def start_of(t: Thread, dirfd: int) -> Path:
    """Return where a relative path starts: the working directory or what ``dirfd`` refers to.  EBADF, ENOTDIR."""
    if dirfd == AT_FDCWD:
        return t.fs.cwd
    where = t.files.get(dirfd, True).where()
    if where is None or not where.dentry.inode.is_dir:
        raise Errno.ENOTDIR
    return where


class Walk:
    """The state of one path walk (``struct nameidata``): at ``dentry`` reached through ``mount``, ``stack`` to go."""

    __slots__ = ("t", "mount", "dentry", "stack", "links", "root", "resolve", "start", "last")

    def __init__(self, t: Thread, dirfd: int, name: bytes, resolve: int = 0) -> None:
        if not name:
            raise Errno.ENOENT
        self.t = t
        self.root = t.fs.root
        self.resolve = resolve
        self.links = 0
        self.last = b""
        stack = name.split(b"/")
        if resolve:
            self._restrict(dirfd, name)
        elif not stack[0]:
            self.mount, self.dentry = self.root
        elif dirfd == AT_FDCWD:
            self.mount, self.dentry = t.fs.cwd
        else:
            self.mount, self.dentry = start_of(t, dirfd)
        if len(stack) > 1:
            self.stack = _reversed(stack)
        else:
            self.stack = stack

    def _restrict(self, dirfd: int, name: bytes) -> None:
        """Set the walk up for openat2's RESOLVE_BENEATH and RESOLVE_IN_ROOT."""
        absolute = name.startswith(b"/")
        if absolute and self.resolve & RESOLVE_BENEATH:
            raise Errno.EXDEV
        if self.resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT):
            self.root = start_of(self.t, dirfd)
            self.mount, self.dentry = self.root
        else:
            self.mount, self.dentry = self.root if absolute else start_of(self.t, dirfd)

    # -- steps ------------------------------------------------------------------------------------------------------
    def dotdot(self) -> None:
        """Go up (follow_dotdot)."""
        root_mount, root_dentry = self.root
        mount = self.mount
        dentry = self.dentry
        while True:
            if dentry is root_dentry and mount is root_mount:
                if self.resolve & RESOLVE_BENEATH:
                    raise Errno.EXDEV
                break
            if dentry is not mount.root:
                dentry = dentry.parent
                break
            if mount.parent is None:
                break
            dentry = mount.mountpoint
            mount = mount.parent
            if self.resolve & RESOLVE_NO_XDEV:
                raise Errno.EXDEV
        self.mount, self.dentry = cross(mount, dentry)

    def follow(self, link: Dentry) -> None:
        """Push the text of a symbolic link, or jump where a magic link leads."""
        self.links += 1
        resolve = self.resolve
        if self.links > MAX_LINKS or resolve & RESOLVE_NO_SYMLINKS or self.mount.flags & MS_NOSYMFOLLOW:
            raise Errno.ELOOP
        inode = link.inode
        if self.dentry.inode.mode & _STICKY == _STICKY and self.stack in ([], [b""]):
            self._may_follow(inode)
        target = inode.follow(self.t)
        if target is not None:
            if resolve:
                if resolve & RESOLVE_NO_MAGICLINKS:
                    raise Errno.ELOOP
                if resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT):
                    raise Errno.EXDEV
                if resolve & RESOLVE_NO_XDEV and target.mount is not self.mount:
                    raise Errno.EXDEV
            self.mount, self.dentry = target
            return
        text = inode.readlink(self.t)
        if not text:
            raise Errno.ENOENT
        if text[0] == 0x2F:
            if resolve & RESOLVE_BENEATH:
                raise Errno.EXDEV
            if resolve & RESOLVE_NO_XDEV and self.root.mount is not self.mount:
                raise Errno.EXDEV
            self.mount, self.dentry = self.root
        self.stack += _reversed(text.split(b"/"))

    def _may_follow(self, link: Inode) -> None:
        """In a sticky directory all may write to, a link at the end of a path is followed only by its owner, or if the
        directory's owner made it (may_follow_link, protected_symlinks of proc_sys_fs(5)).  EACCES."""
        if not link.fs.vfs.protected_symlinks or link.uid in (self.t.cred.fsuid, self.dentry.inode.uid):
            return
        raise Errno.EACCES

    def _step(self, name: bytes, follow: bool) -> None:
        """Walk one component; a link is followed if ``follow`` or if something comes behind it."""
        inode = self.dentry.inode
        if not inode.is_dir:
            raise Errno.ENOTDIR
        if inode.mode & 0o111 != 0o111:
            inode.permission(self.t, MAY_EXEC)
        if name == b".":
            return
        if name == b"..":
            self.dotdot()
            return
        if len(name) > NAME_MAX:
            raise Errno.ENAMETOOLONG
        child = inode.lookup(self.dentry, name)
        if child.mounted:
            mount, child = cross(self.mount, child)
            if mount is not self.mount:
                if self.resolve & RESOLVE_NO_XDEV:
                    raise Errno.EXDEV
                self.mount = mount
        if child.inode.is_symlink and (follow or self.stack):
            self.follow(child)
        else:
            self.dentry = child

    def to_end(self, follow: bool) -> None:
        """Walk all of the path; a link at its end is followed if ``follow``.

        Raises ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG.
        """
        stack = self.stack
        t = self.t
        while stack:
            name = stack.pop()
            if not name:
                if not self.dentry.inode.is_dir:
                    raise Errno.ENOTDIR
                continue
            # This is _step for the plain case, in line: most components of most walks.
            dentry = self.dentry
            inode = dentry.inode
            if not inode.is_dir:
                raise Errno.ENOTDIR
            if inode.mode & 0o111 != 0o111:
                inode.permission(t, MAY_EXEC)
            if name == b"." or name == b".." or len(name) > NAME_MAX:
                self._step(name, follow)
                continue
            child = inode.lookup(dentry, name)
            if child.mounted or child.inode.is_symlink:
                stack_follow = follow or bool(stack)
                if child.mounted:
                    mount, child = cross(self.mount, child)
                    if mount is not self.mount:
                        if self.resolve & RESOLVE_NO_XDEV:
                            raise Errno.EXDEV
                        self.mount = mount
                if stack_follow and child.inode.is_symlink:
                    self.follow(child)
                    continue
            self.dentry = child

    def to_parent(self) -> bool:
        """Walk to the directory of the last component, which ``last`` then holds (LOOKUP_PARENT).

        ``last`` may be b"." or b".." and is b"" for the root itself.  Returns whether a slash followed it.
        """
        stack = self.stack
        while len(stack) > 1:
            if len(stack) == 2 and not stack[0]:
                self.last = stack.pop()
                stack.pop()
                self._check_parent()
                return True
            name = stack.pop()
            if name:
                self._step(name, True)
            elif not self.dentry.inode.is_dir:
                raise Errno.ENOTDIR
        self.last = stack.pop() if stack else b""
        self._check_parent()
        return False

    def _check_parent(self) -> None:
        """The directory a name is looked for in must be one, and searchable (may_lookup)."""
        inode = self.dentry.inode
        if not inode.is_dir:
            raise Errno.ENOTDIR
        if inode.mode & 0o111 != 0o111:
            inode.permission(self.t, MAY_EXEC)

    def find_last(self) -> Dentry | None:
        """Look ``last`` up in the directory reached; None if there is none.  ENAMETOOLONG."""
        if len(self.last) > NAME_MAX:
            raise Errno.ENAMETOOLONG
        try:
            return self.dentry.inode.lookup(self.dentry, self.last)
        except Errno.ENOENT:
            if not self.dentry.inode.fs.has_negative_names:
                raise
            return None

    @property
    def path(self) -> Path:
        """Where the walk stands."""
        return Path(self.mount, self.dentry)


def _reversed(parts: list[bytes]) -> list[bytes]:
    """Turn a split path into a stack: no empty components but one at the end for a trailing slash."""
    trailing = not parts[-1]
    stack = [part for part in reversed(parts) if part]
    if trailing and stack:
        stack.insert(0, b"")
    return stack


def lookup(t: Thread, dirfd: int, name: bytes, follow: bool = True, empty: bool = False) -> Path:
    """Resolve ``name`` (user_path_at).

    ``empty``: AT_EMPTY_PATH, an empty name means what ``dirfd`` refers to, of whatever type.  Raises as ``Walk.to_end``.
    """
    if empty and not name:
        if dirfd == AT_FDCWD:
            return t.fs.cwd
        where = t.files.get(dirfd, True).where()
        if where is None:
            raise Errno.ENOTDIR
        return where
    walk = Walk(t, dirfd, name)
    try:
        walk.to_end(follow)
    except Errno.ESTALE:
        # A cached name turned out to be outdated and has been forgotten (retry_estale).
        walk = Walk(t, dirfd, name)
        walk.to_end(follow)
    return Path(walk.mount, walk.dentry)


def path_name(where: Path, root: Path) -> tuple[bytes, bool]:
    """Return the name of a place as seen from ``root``, and whether it is below it (prepend_path).

    Out of reach, the name goes up to the top of its own tree of mounts.
    """
    mount, dentry = where
    parts: list[bytes] = []
    reached = True
    while not (dentry is root.dentry and mount is root.mount):
        if dentry is mount.root:
            if mount.parent is None:
                reached = False
                break
            dentry = mount.mountpoint
            mount = mount.parent
            continue
        if dentry.parent is dentry:
            reached = False
            break
        parts.append(dentry.name)
        dentry = dentry.parent
    parts.reverse()
    return b"/" + b"/".join(parts), reached


def d_path(where: Path, root: Path) -> bytes:
    """Return the name /proc shows for a place: with " (deleted)" if it has none any more (d_path)."""
    name, _ = path_name(where, root)
    return name + b" (deleted)" if where.dentry.unlinked else name


def mount_at(mount: Mount, t: Thread) -> bytes:
    """Return the mount point of ``mount`` as ``t`` sees it."""
    if mount.parent is None:
        return b"/"
    if t.fs.root.mount is mount and t.fs.root.dentry is mount.root:
        return b"/"
    return path_name(Path(mount.parent, mount.mountpoint), t.fs.root)[0]
