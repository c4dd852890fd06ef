"""What a thread sees of the file hierarchy: root, working directory and umask (``struct fs_struct``).

CLONE_FS shares one such object; fork and unshare(CLONE_FS) copy it.
"""

from __future__ import annotations

from kernel.fs.mount import MountNamespace, Path


class FsContext:
    """``root`` and ``cwd`` are paths, ``umask`` nine bits, ``users`` the number of threads that share it."""

    __slots__ = ("root", "cwd", "umask", "users", "__weakref__")

    def __init__(self, root: Path, cwd: Path, umask: int = 0o022) -> None:
        self.root = root
        self.cwd = cwd
        self.umask = umask
        self.users = 1

    def copy(self) -> FsContext:
        """Return an independent copy with one user (copy_fs_struct)."""
        return FsContext(self.root, self.cwd, self.umask)

    def hold(self) -> FsContext:
        """Count one more user and return self."""
        self.users += 1
        return self

    def put(self) -> None:
        """One user less."""
        self.users -= 1

    def enter(self, namespace: MountNamespace) -> None:
        """Stand at the root of a mount namespace (mntns_install)."""
        self.root = self.cwd = namespace.top()
