"""What a thread sees of the file hierarchy: root, working directory and umask (``struct fs_struct``).

CLONE_FS shares one such object; fork and unshare(CLONE_FS) copy it.
"""

from __future__ import annotations

from kernel.fs.mount import IdSource, Mount, MountNamespace, Path, copy_tree


class FsContext:
    """``root`` and ``cwd`` are paths, ``umask`` nine bits, ``users`` the number of threads that share it."""

    __slots__ = ("root", "cwd", "umask", "users")

    def __init__(self, root: Path, cwd: Path, umask: int = 0o022) -> None:
        self.root = root
        self.cwd = cwd
        self.umask = umask
        self.users = 1

    def copy(self) -> FsContext:
        """Return an independent copy with one user (copy_fs_struct)."""
        return FsContext(self.root, self.cwd, self.umask)

    def hold(self) -> FsContext:
        """Count one more user and return self (CLONE_FS)."""
        self.users += 1
        return self

    def put(self) -> None:
        """Count one user less."""
        self.users -= 1

    def enter(self, namespace: MountNamespace) -> None:
        """Move root and working directory to the root of a mount namespace (mntns_install)."""
        self.root = self.cwd = Path(namespace.root, namespace.root.root)


def copy_namespace(old: MountNamespace, fs: FsContext | None, ids: IdSource, inum: int, user_ns: object) -> MountNamespace:
    """Return a copy of a mount namespace; root and cwd of ``fs`` move over into it (copy_mnt_ns)."""
    copies: dict[Mount, Mount] = copy_tree(old.root, ids)
    if fs is not None:
        fs.root = Path(copies.get(fs.root.mount, fs.root.mount), fs.root.dentry)
        fs.cwd = Path(copies.get(fs.cwd.mount, fs.cwd.mount), fs.cwd.dentry)
    return MountNamespace(copies[old.root], inum, user_ns)
