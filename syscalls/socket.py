"""Sockets: the calls of socket(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.errno import Errno
from syscalls.table import syscall
from syscalls.types import Int

if TYPE_CHECKING:
    from kernel.task import Thread


@syscall(41)
def socket(t: Thread, domain: Int, type_: Int, protocol: Int) -> int:
    """socket(2): no address family yet."""
    raise Errno.EAFNOSUPPORT
