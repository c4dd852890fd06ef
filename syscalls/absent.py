"""Calls Linux has in its table but answers with ENOSYS when the feature is not configured.

This kernel is one without them: no loadable modules, swap, kexec, accounting, quota, keys, BPF, perf, io_uring, native AIO
or I/O-port privileges, and none of the calls that exist on x86-64 in name only.  Programs probe for these and have a
fallback, so they are answered without a word; a call that is not in the table at all is named on stderr.
"""

from __future__ import annotations

from collections.abc import Callable

from kernel.errno import Errno
from kernel.task import Thread
from syscalls.numbers import NAMES
from syscalls.table import syscall

NOT_CONFIGURED = (
    *(134, 156, 163, 167, 168, 172, 173, 174, 175, 176, 177, 178, 179, 180, 181, 182, 183, 184, 185),
    *(205, 206, 207, 208, 209, 210, 211, 212, 214, 215, 236, 246, 248, 249, 250, 298, 300, 301),
    *(313, 320, 321, 323, 333, 425, 426, 427, 444, 445, 446, 447),
)


def _answer(number: int) -> Callable[[Thread], int]:
    def not_configured(t: Thread) -> int:
        raise Errno.ENOSYS

    not_configured.__doc__ = f"{NAMES[number]}(2): not configured."
    return syscall(number, NAMES[number])(not_configured)


globals().update({NAMES[number]: _answer(number) for number in NOT_CONFIGURED})
