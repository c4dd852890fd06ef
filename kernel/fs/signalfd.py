"""signalfd(2): pending signals as a file (fs/signalfd.c).

Which signals are read depends on who reads: a descriptor inherited over fork reads the child's signals.  So the wait
queue is the reader's own, that of its signal actions (``SigHand.signalfd_wait``).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.fs.anon import AnonFile
from kernel.fs.file import O_RDWR, POLLIN
from kernel.signal import KERNEL_ONLY_MASK, SigInfo
from kernel.signal_pending import dequeue_signal
from kernel.waitqueue import WaitQueue

if TYPE_CHECKING:
    from kernel.task import Thread

SIZE = 128
_INFO = struct.Struct("<IiiIIiIIIIiiQQQQH2xiQI28x")
"""struct signalfd_siginfo (linux/signalfd.h)."""


def pack(info: SigInfo) -> bytes:
    """Return the 128 bytes of signalfd_siginfo for a dequeued signal."""
    value = info.value
    return _INFO.pack(
        info.signo, info.errno, info.code, info.pid & 0xFFFFFFFF, info.uid & 0xFFFFFFFF, info.fd,
        info.timerid & 0xFFFFFFFF, info.band & 0xFFFFFFFF, info.overrun & 0xFFFFFFFF, 0,
        info.status, ((value & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000, value, info.utime, info.stime, info.addr,
        0, info.syscall, info.call_addr, info.arch,
    )  # fmt: skip


class SignalFd(AnonFile):
    """``mask``: the signals it reads, bit n-1 is signal n; SIGKILL and SIGSTOP never."""

    __slots__ = ("mask",)

    NAME = b"[signalfd]"
    READ_WCHAN = "signalfd_read"

    def __init__(self, mask: int, flags: int) -> None:
        super().__init__(O_RDWR | flags)
        self.mask = mask & ~KERNEL_ONLY_MASK

    def set_mask(self, t: Thread, mask: int) -> None:
        """Replace the mask (signalfd4 with an existing descriptor)."""
        self.mask = mask & ~KERNEL_ONLY_MASK
        t.sighand.signalfd_wait.wake_all(POLLIN)

    def read(self, t: Thread, size: int) -> bytes:
        """As many siginfo records as fit and are pending.  EINVAL: not even one fits."""
        if size < SIZE:
            raise Errno.EINVAL
        records = []
        while size >= SIZE:
            info = dequeue_signal(t, self.mask)
            if info is None:
                break
            records.append(pack(info))
            size -= SIZE
        if not records:
            raise Errno.EAGAIN
        return b"".join(records)

    def poll(self, t: Thread) -> int:
        return POLLIN if (t.pending.mask | t.process.shared_pending.mask) & self.mask else 0

    def queues(self, t: Thread) -> tuple[WaitQueue, ...]:
        return (t.sighand.signalfd_wait,)
