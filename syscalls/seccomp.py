"""seccomp(2), which prctl(PR_SET_SECCOMP) is an older door to; what it means is in ``kernel/seccomp*.py``."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Annotated, Final

from kernel import bpf, seccomp
from kernel.errno import Errno
from kernel.seccomp_filter import ACTIONS, DATA
from kernel.seccomp_notify import NOTIF_SIZE, RESPONSE_SIZE
from kernel.task import Thread
from syscalls.table import syscall
from syscalls.types import custom, enum

SET_MODE_STRICT, SET_MODE_FILTER, GET_ACTION_AVAIL, GET_NOTIF_SIZES = range(4)

SOCK_FPROG: Final = Struct("<H6xQ")
"""``struct sock_fprog``: number of instructions, their address."""

SeccompFlags = Annotated[int, custom("seccomp_flags", "({} & 0xffffffff)")]
SeccompArgs = Annotated[int, custom("seccomp_args")]


def _strict(t: Thread, flags: int, args: int) -> int:
    if flags or args:
        raise Errno.EINVAL
    seccomp.set_mode_strict(t)
    return 0


def _filter(t: Thread, flags: int, args: int) -> int:
    mm = t.mm
    assert mm is not None
    seccomp.check_flags(flags)
    length, address = SOCK_FPROG.unpack(mm.read(args, SOCK_FPROG.size))
    if not 0 < length <= bpf.MAX_INSNS:
        raise Errno.EINVAL
    if not seccomp.may_install(t):
        raise Errno.EACCES
    if not address:
        raise Errno.EINVAL
    return seccomp.set_mode_filter(t, bpf.unpack(mm.read(address, length * bpf.INSN_SIZE)), flags)


def _action_avail(t: Thread, flags: int, args: int) -> int:
    assert t.mm is not None
    if flags:
        raise Errno.EINVAL
    if t.mm.read_u32(args) not in ACTIONS:
        raise Errno.EOPNOTSUPP
    return 0


def _notif_sizes(t: Thread, flags: int, args: int) -> int:
    assert t.mm is not None
    if flags:
        raise Errno.EINVAL
    t.mm.write(args, b"".join(size.to_bytes(2, "little") for size in (NOTIF_SIZE, RESPONSE_SIZE, DATA.size)))
    return 0


_OPERATIONS: Final[dict[int, Callable[[Thread, int, int], int]]] = {
    SET_MODE_STRICT: _strict,
    SET_MODE_FILTER: _filter,
    GET_ACTION_AVAIL: _action_avail,
    GET_NOTIF_SIZES: _notif_sizes,
}


def do_seccomp(t: Thread, operation: int, flags: int, args: int) -> int:
    """seccomp(2) and prctl(PR_SET_SECCOMP).  EINVAL, EFAULT, EACCES, and what ``kernel.seccomp`` raises."""
    handler = _OPERATIONS.get(operation)
    if handler is None:
        raise Errno.EINVAL
    return handler(t, flags, args)


@syscall(317, "seccomp")
def seccomp_(
    t: Thread, operation: Annotated[int, enum("seccomp_op", "({} & 0xffffffff)")], flags: SeccompFlags, args: SeccompArgs
) -> int:
    """seccomp(2).  EINVAL, EFAULT, EACCES, EBUSY, ENOMEM, ESRCH, EMFILE, EOPNOTSUPP."""
    return do_seccomp(t, operation, flags, args)
