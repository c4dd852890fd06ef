"""The file system: one mount of procfs (fs/proc/root.c, fs/proc/inode.c).

A mount shows one pid namespace, under options of its own (proc(5), "Mount options"):

``hidepid``  0 (off): everybody sees everything.  1 (noaccess): the directories of others cannot be entered.  2 (invisible): they
             are not even listed.  4 (ptraceable): only processes the reader may trace are there at all.
``gid``      a group whose members 1 and 2 do not concern.
``subset``   ``pid``: processes and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kernel.errno import Errno
from kernel.fs.inode import FileSystem
from kernel.ptrace_access import MODE_FSCREDS, may_access

if TYPE_CHECKING:
    from kernel.kernel import Kernel
    from kernel.pid import PidNamespace
    from kernel.task import Thread

PROC_SUPER_MAGIC = 0x9FA0

HIDEPID_OFF = 0
HIDEPID_NO_ACCESS = 1
HIDEPID_INVISIBLE = 2
HIDEPID_NOT_PTRACEABLE = 4
_HIDEPID = {
    b"0": HIDEPID_OFF, b"off": HIDEPID_OFF, b"1": HIDEPID_NO_ACCESS, b"noaccess": HIDEPID_NO_ACCESS,
    b"2": HIDEPID_INVISIBLE, b"invisible": HIDEPID_INVISIBLE, b"4": HIDEPID_NOT_PTRACEABLE, b"ptraceable": HIDEPID_NOT_PTRACEABLE,
}  # fmt: skip
_HIDEPID_NAMES = {HIDEPID_NO_ACCESS: b"noaccess", HIDEPID_INVISIBLE: b"invisible", HIDEPID_NOT_PTRACEABLE: b"ptraceable"}


class ProcOptions(NamedTuple):
    """The mount options: who is hidden from whom, and whether there are processes only."""

    hidepid: int = HIDEPID_OFF
    gid: int = 0
    pid_only: bool = False


def parse_options(text: bytes, before: ProcOptions) -> ProcOptions:
    """Read the options of mount(2) for a mount that has ``before`` (proc_parse_param).  EINVAL."""
    hidepid, gid, pid_only = before
    for option in text.split(b","):
        key, _, value = option.partition(b"=")
        if key == b"hidepid" and value in _HIDEPID:
            hidepid = _HIDEPID[value]
        elif key == b"gid" and value.isdigit() and int(value) < 1 << 32:
            gid = int(value)
        elif key == b"subset" and value == b"pid":
            pid_only = True
        elif option:
            raise Errno.EINVAL
    return ProcOptions(hidepid, gid, pid_only)


class ProcFs(FileSystem):
    """One mount: ``ns`` is the pid namespace it shows."""

    __slots__ = ("kernel", "ns", "shown")

    blksize = 1024
    has_negative_names = False

    def __init__(self, kernel: Kernel, ns: PidNamespace, shown: ProcOptions) -> None:
        super().__init__(kernel.vfs, b"proc", PROC_SUPER_MAGIC)
        self.kernel = kernel
        self.ns = ns
        self.shown = shown

    def options(self) -> bytes:
        """Return the options /proc/mounts shows (proc_show_options)."""
        hidepid, gid, pid_only = self.shown
        text = b",gid=%d" % gid if gid else b""
        if hidepid:
            text += b",hidepid=" + _HIDEPID_NAMES[hidepid]
        return text + (b",subset=pid" if pid_only else b"")

    def reconfigure(self, text: bytes) -> None:
        """Take the options of a remount; those not named stay (proc_reconfigure).  EINVAL."""
        self.shown = parse_options(text, self.shown)

    def may_see(self, t: Thread, task: Thread, needed: int) -> bool:
        """Tell whether ``t`` may do what is denied from hidepid level ``needed`` on with ``task`` (has_pid_permissions)."""
        hidepid, gid, _ = self.shown
        if hidepid != HIDEPID_NOT_PTRACEABLE and (hidepid < needed or t.cred.in_group(gid)):
            return True
        return may_access(t, task, MODE_FSCREDS)
