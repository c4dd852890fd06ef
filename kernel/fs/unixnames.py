"""Where AF_UNIX sockets are found: by the inode their path names, or by abstract name (unix(7))."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernel.fs.inode import Inode
    from kernel.fs.unixsocket import UnixSocket


class UnixNames:
    """The bound sockets of one machine.  ``abstract``: name (without the leading NUL) -> socket."""

    __slots__ = ("by_inode", "abstract", "_last_auto")

    def __init__(self) -> None:
        self.by_inode: dict[Inode, UnixSocket] = {}
        self.abstract: dict[bytes, UnixSocket] = {}
        self._last_auto = 0

    def auto_name(self) -> bytes:
        """Return a free abstract name of five hex digits (unix_autobind)."""
        while True:
            self._last_auto = (self._last_auto + 1) & 0xFFFFF
            name = b"%05x" % self._last_auto
            if name not in self.abstract:
                return name
