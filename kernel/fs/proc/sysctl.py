"""The kinds of files in /proc/sys: how numbers and strings are read and written (kernel/sysctl.c, fs/proc/proc_sysctl.c).

What is shown and what writing does stands in the rows of ``sysctl_table``.  The rules are proc_dointvec_minmax's and
proc_dostring's: a write that does not begin at offset 0 changes no number (sysctl_writes_strict), a read elsewhere finds its
end, a number may be decimal, octal or hexadecimal and must be followed by a blank.  Nobody may do more than the mode says, not
even root (test_perm).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from kernel.cred import CAP_SYS_ADMIN, CAP_SYS_RESOURCE
from kernel.errno import Errno
from kernel.fs.inode import S_IFREG
from kernel.fs.proc.generic import Entry, Node, ProcFile, TextFile, test_perm
from kernel.pid import ns_of
from kernel.user_ns import make_kgid, make_kuid

if TYPE_CHECKING:
    from kernel.fs.file import File
    from kernel.fs.mount import Path
    from kernel.task import Thread

INT_MAX = (1 << 31) - 1
INT_MIN = -(1 << 31)
UINT_MAX = (1 << 32) - 1
LONG_MAX = (1 << 63) - 1
ULONG_MAX = (1 << 64) - 1
_BLANK = b" \t\n"
_LONGEST = 22
"""TMPBUFLEN: no number has more characters."""


class Kind(Protocol):
    """How a setting is shown and written."""

    numeric: bool

    def show(self, t: Thread) -> bytes:
        """Return the text with its newline."""

    def store(self, t: Thread, data: bytes, offset: int) -> int:
        """Take ``data`` and return how many bytes were used."""


class SysctlFile(ProcFile):
    """The node of a row; ``entry.show`` is its ``Kind``."""

    __slots__ = ()

    def permission(self, t: Thread, mask: int) -> None:
        """See ``test_perm``."""
        test_perm(self, t, mask)

    def set_owner(self, t: Thread, uid: int, gid: int) -> None:
        """EPERM (proc_sys_setattr)."""
        raise Errno.EPERM

    def open(self, t: Thread, where: Path, flags: int) -> File:
        """Open it."""
        return SysctlText(where, flags, self)


class SysctlText(TextFile):
    """An open setting: read anew every time."""

    __slots__ = ()

    def pread(self, t: Thread, size: int, offset: int) -> bytes:
        """Read; a number is only there at offset 0."""
        kind: Kind = self.proc.entry.show
        if offset and kind.numeric:
            return b""
        return kind.show(t)[offset : offset + size]

    def pwrite(self, t: Thread, data: bytes, offset: int) -> int:
        """Write; a number only at offset 0, elsewhere the text is taken and forgotten."""
        kind: Kind = self.proc.entry.show
        if not data or (offset and kind.numeric):
            return len(data)
        return kind.store(t, data, offset)

    def lseek(self, t: Thread, offset: int, whence: int) -> int:
        """Move; the end is at 0."""
        return super().lseek(t, offset, 0 if whence == 2 else whence)


class NamespaceSysctlFile(SysctlFile):
    """A setting of a namespace: who may change it depends on who owns that."""

    __slots__ = ()

    def rights(self, t: Thread) -> int:
        """Return the three permission bits ``t`` has."""
        raise NotImplementedError

    def permission(self, t: Thread, mask: int) -> None:
        """EACCES beyond ``rights``."""
        if mask & ~self.rights(t) & 7:
            raise Errno.EACCES


class UserNsSysctlFile(NamespaceSysctlFile):
    """A setting of the reader's user namespace, for who has CAP_SYS_RESOURCE there (set_permissions of kernel/ucount.c)."""

    __slots__ = ()

    def rights(self, t: Thread) -> int:
        """Return the three permission bits ``t`` has."""
        return self.mode >> 6 if t.cred.ns_capable(t.cred.user_ns, CAP_SYS_RESOURCE) else self.mode & 0o444


class PidNsSysctlFile(NamespaceSysctlFile):
    """A setting of the reader's pid namespace: root is root of the user namespace that owns it (pid_table_root_permissions)."""

    __slots__ = ()

    def rights(self, t: Thread) -> int:
        """Return the three permission bits ``t`` has."""
        cred, owner = t.cred, ns_of(t).user_ns
        if cred.ns_capable(owner, CAP_SYS_ADMIN) or cred.euid == make_kuid(owner, 0):
            return self.mode >> 6
        return self.mode >> 3 if cred.in_egroup(make_kgid(owner, 0)) else self.mode


def sysctl(name: bytes, mode: int, kind: Kind, node: Node = SysctlFile) -> Entry:
    """A row of /proc/sys."""
    return Entry(b"sys/" + name, S_IFREG | mode, kind, node=node)


class Numbers:
    """``count`` numbers from ``get`` to ``put``, each between ``low`` and ``high``.  EINVAL for others and for what is no number;
    those before it have been set by then."""

    __slots__ = ("get", "put", "low", "high", "count")

    numeric = True

    def __init__(
        self,
        get: Callable[[Thread], int | Sequence[int]],
        put: Callable[[Thread, Any], None] | None = None,
        low: int = INT_MIN,
        high: int = INT_MAX,
        count: int = 1,
    ) -> None:
        self.get = get
        self.put = put
        self.low = low
        self.high = high
        self.count = count

    def _values(self, t: Thread) -> list[int]:
        values = self.get(t)
        return [values] if isinstance(values, int) else list(values)

    def show(self, t: Thread) -> bytes:
        """Numbers with tabs between."""
        return b"\t".join([b"%d" % value for value in self._values(t)]) + b"\n"

    def store(self, t: Thread, data: bytes, offset: int) -> int:
        """Set as many numbers as are given (do_proc_dointvec)."""
        if self.put is None:
            raise Errno.EPERM
        values = self._values(t)
        left = data
        found = 0
        try:
            while left and found < self.count:
                left = left.lstrip(_BLANK) if not found else left
                if not left and found:
                    break
                value, left = parse_number(left)
                if not self.low <= value <= self.high:
                    raise Errno.EINVAL
                values[found] = value
                found += 1
                left = left.lstrip(_BLANK)
        finally:
            if found:
                self.put(t, values[0] if self.count == 1 else tuple(values))
        return len(data) - len(left)


def parse_number(text: bytes) -> tuple[int, bytes]:
    """Parse a number at the start of ``text``; return it and what follows (proc_get_long).  EINVAL without one, or if something
    other than a blank follows."""
    rest = text[1:] if text[:1] == b"-" else text
    base = 10
    digits = b"0123456789"
    if rest[:2] in (b"0x", b"0X") and rest[2:3] in [b"%c" % c for c in b"0123456789abcdefABCDEF"]:
        base, digits, rest = 16, b"0123456789abcdefABCDEF", rest[2:]
    elif rest[:1] == b"0":
        base, digits = 8, b"01234567"
    after = rest.lstrip(digits)
    number = rest[: len(rest) - len(after)]
    if not number or len(text) - len(after) >= _LONGEST or (after and after[:1] not in [b"%c" % c for c in _BLANK]):
        raise Errno.EINVAL
    value = int(number, base)
    if value > ULONG_MAX:
        raise Errno.EINVAL
    return (-value if text[:1] == b"-" else value), after


class Text:
    """A string of at most ``longest`` bytes (proc_dostring): what is written ends at a newline or NUL and is cut."""

    __slots__ = ("get", "put", "longest")

    numeric = False

    def __init__(
        self, get: Callable[[Thread], bytes], put: Callable[[Thread, bytes], None] | None = None, longest: int = 127
    ) -> None:
        self.get = get
        self.put = put
        self.longest = longest

    def show(self, t: Thread) -> bytes:
        """The string and a newline."""
        return self.get(t) + b"\n"

    def store(self, t: Thread, data: bytes, offset: int) -> int:
        """Set it from ``offset`` on; beyond its end nothing happens."""
        if self.put is None:
            raise Errno.EPERM
        old = self.get(t)
        if offset <= len(old):
            text = data.split(b"\0")[0].split(b"\n")[0]
            self.put(t, (old[:offset] + text)[: self.longest])
        return len(data)


def fixed(name: bytes, value: bytes | int) -> Entry:
    """A row that is a fact of this kernel."""
    if isinstance(value, int):
        return sysctl(name, 0o444, Numbers(lambda t: value))
    return sysctl(name, 0o444, Text(lambda t: value))


def shown(name: bytes, value: Callable[[Thread], int]) -> Entry:
    """A row for a number that can only be read."""
    return sysctl(name, 0o444, Numbers(value))


def setting(name: bytes, default: int, low: int = INT_MIN, high: int = INT_MAX, mode: int = 0o644) -> Entry:
    """A row for a number this kernel keeps, though nothing in it depends on it."""

    def get(t: Thread) -> int:
        return t.kernel.sysctls.get(name, default)

    def put(t: Thread, value: int) -> None:
        t.kernel.sysctls[name] = value

    return sysctl(name, mode, Numbers(get, put, low, high))
