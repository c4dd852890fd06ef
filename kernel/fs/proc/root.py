"""/proc itself: the files that stay, self and thread-self, and a directory for each process (fs/proc/root.c, self.c).

What the files are made of is loaded when somebody looks into a /proc for the first time.  It is a third of the kernel, and most
programs never do.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from kernel.errno import Errno
from kernel.fs.file import File, Stat
from kernel.fs.inode import S_IFDIR, Dentry, Dirent
from kernel.fs.proc.generic import ProcDir, ProcInode, Tree, link
from kernel.fs.proc.inode import HIDEPID_INVISIBLE, HIDEPID_OFF, ProcFs, ProcOptions, parse_options
from kernel.fs.proc.target import Target, TaskDentry, number
from kernel.fs.regular import DirectoryFile
from kernel.pid import tgid_in

if TYPE_CHECKING:
    from kernel.fs.mount import Path
    from kernel.kernel import Kernel
    from kernel.pid import PidNamespace
    from kernel.task import Thread

ROOT_INO = 1
FIRST_INO = 0xF0000000
"""PROC_DYNAMIC_FIRST."""


def _visible(number: int) -> int:
    """Return a pid that is not 0.  ENOENT: the reader has no number in this procfs' namespace."""
    if not number:
        raise Errno.ENOENT
    return number


def _self(t: Thread, fs: Any) -> bytes:
    return b"%d" % _visible(tgid_in(t.process, fs.ns))


def _thread_self(t: Thread, fs: Any) -> bytes:
    return b"%d/task/%d" % (_visible(tgid_in(t.process, fs.ns)), _visible(t.pid.nr_in(fs.ns)))


SELVES = (link(b"self", _self), link(b"thread-self", _thread_self))
"""There even in a mount that shows processes only."""


@cache
def _tree() -> Tree:
    from kernel.fs.proc import sysvipc
    from kernel.fs.proc.sysctl_table import SYSCTLS
    from kernel.fs.proc.system import FILES

    tree = Tree()
    tree.add(SELVES, tree.add(SYSCTLS, tree.add(sysvipc.FILES, tree.add(FILES, FIRST_INO))))
    return tree


class ProcRoot(ProcInode):
    """The root directory of a mount."""

    __slots__ = ("_files",)

    def __init__(self, fs: ProcFs) -> None:
        super().__init__(fs, ROOT_INO, S_IFDIR | 0o555)
        self._files: ProcDir | None = None

    def files(self) -> ProcDir:
        """Return the directory of what is no process."""
        if self._files is None:
            self._files = ProcDir(self.fs, ROOT_INO, _tree())
        return self._files

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Open it."""
        return ProcRootFile(where, flags)

    def stat(self, t: Thread | None = None) -> Stat:
        """The attributes; all processes are among the links (proc_root_getattr)."""
        fs = self.fs
        assert isinstance(fs, ProcFs)
        return super().stat(t)._replace(nlink=self.files().nlink + sum(1 for _ in fs.kernel.all_processes()))

    def lookup(self, here: Dentry, name: bytes) -> Dentry:
        """Find a file or a process; the number of any thread finds its directory too (proc_pid_lookup)."""
        from kernel.fs.proc.base import TASK_DIR, TaskDir

        fs = self.fs
        assert isinstance(fs, ProcFs)
        if not name.isdigit():
            if fs.shown.pid_only and all(entry.name != name for entry in SELVES):
                raise Errno.ENOENT
            return self.files().lookup(here, name)
        pid = fs.ns.find(number(name))
        if pid is None or (pid.process is None and pid.thread is None):
            raise Errno.ENOENT
        target = Target(fs, pid, False)
        return TaskDentry(name, here, TaskDir(fs, target.ino(0), TASK_DIR, target))

    def readdir(self, here: Dentry) -> list[Dirent]:
        """List the files that stay; processes depend on who asks and are added by the open file."""
        fs = self.fs
        assert isinstance(fs, ProcFs)
        found = self.files().readdir(here)
        return found[-len(SELVES) :] if fs.shown.pid_only else found


class ProcRootFile(DirectoryFile):
    """/proc, open: lists the processes the reader may see.  Threads other than processes are not listed."""

    __slots__ = ()

    def listing(self, t: Thread) -> list[Dirent]:
        """Return files, then processes by number (proc_pid_readdir)."""
        found = super().listing(t)
        fs = self.node.fs
        assert isinstance(fs, ProcFs)
        hides = fs.shown.hidepid != HIDEPID_OFF
        for nr, pid in sorted(fs.ns.pids.items()):
            if pid.process is not None:
                target = Target(fs, pid, False)
                if hides:
                    task = target.thread()
                    if task is None or not fs.may_see(t, task, HIDEPID_INVISIBLE):
                        continue
                found.append(Dirent(b"%d" % nr, target.ino(0), 4))
        return found


def make_procfs(kernel: Kernel, ns: PidNamespace, options: bytes = b"") -> ProcFs:
    """Return a procfs that shows ``ns``, with mount options as text.  EINVAL for options it does not know."""
    fs = ProcFs(kernel, ns, parse_options(options, ProcOptions()))
    fs.root = Dentry(b"/", None, ProcRoot(fs))
    return fs
