"""Syscall user dispatch (prctl(2), PR_SET_SYSCALL_USER_DISPATCH; kernel/entry/syscall_user_dispatch.c).

A thread says where in its memory its own system calls come from; those made anywhere else, by code of another operating system
that it runs, are sent back to it as SIGSYS.  A byte in its memory can open the gate.  Neither a tracer nor a seccomp filter
sees such a call.  A child and a new program begin without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.errno import Errno
from kernel.hardware import USER_TOP
from kernel.ia32 import syscall_arch
from kernel.ptrace import set_trace_flags
from kernel.signal import SIGSEGV, SIGSYS, SYS_USER_DISPATCH, SigInfo
from kernel.signal_send import force_exit_sig, force_signal, kernel_info

if TYPE_CHECKING:
    from kernel.task import Thread

PR_SYS_DISPATCH_OFF, PR_SYS_DISPATCH_ON, PR_SYS_DISPATCH_INCLUSIVE_ON = range(3)
FILTER_ALLOW, FILTER_BLOCK = 0, 1
_U64: Final = (1 << 64) - 1


class UserDispatch(NamedTuple):
    """Calls from ``length`` bytes at ``offset`` are the thread's own; ``selector``: address of the byte that says what to do
    with the others, 0 if they are all sent back."""

    offset: int
    length: int
    selector: int


def set_user_dispatch(t: Thread, mode: int, offset: int = 0, length: int = 0, selector: int = 0) -> None:
    """Switch it on or off for ``t``; with INCLUSIVE_ON the range is what is sent back.  EINVAL, EFAULT."""
    end = (offset + length) & _U64
    if mode == PR_SYS_DISPATCH_OFF:
        if offset or length or selector:
            raise Errno.EINVAL
        t.user_dispatch = None
    elif mode in (PR_SYS_DISPATCH_ON, PR_SYS_DISPATCH_INCLUSIVE_ON):
        inclusive = mode == PR_SYS_DISPATCH_INCLUSIVE_ON
        if (offset or inclusive) and end <= offset:
            raise Errno.EINVAL
        if selector >= USER_TOP:
            raise Errno.EFAULT
        if inclusive:  # the rest of the address space, around its end, is the thread's own
            offset, length = end, -length & _U64
        t.user_dispatch = UserDispatch(offset, length, selector)
    else:
        raise Errno.EINVAL
    set_trace_flags(t, t.trace_flags)


def get_config(t: Thread) -> tuple[int, int, int, int]:
    """Return mode, selector, offset and length as PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG shows them."""
    dispatch = t.user_dispatch
    if dispatch is None:
        return PR_SYS_DISPATCH_OFF, 0, 0, 0
    return PR_SYS_DISPATCH_ON, dispatch.selector, dispatch.offset, dispatch.length


def syscall_user_dispatch(t: Thread, dispatch: UserDispatch) -> bool:
    """Tell whether the call ``t`` is about to make, ``t.syscall_args``, was sent back instead, or ``t`` is killed for a selector
    that cannot be read or makes no sense."""
    if (t.cpu.rip - dispatch.offset) & _U64 < dispatch.length:
        return False
    if dispatch.selector:
        assert t.mm is not None
        try:
            state = t.mm.read(dispatch.selector, 1)[0]
        except Errno.EFAULT:
            force_exit_sig(t, kernel_info(SIGSEGV))
            return True
        if state == FILTER_ALLOW:
            return False
        if state != FILTER_BLOCK:
            force_exit_sig(t, kernel_info(SIGSYS))
            return True
    number = t.syscall_args[0]
    t.cpu.rax = number
    signed = ((number & 0xFFFF_FFFF) ^ 0x8000_0000) - 0x8000_0000
    info = SigInfo(SIGSYS, code=SYS_USER_DISPATCH, call_addr=t.cpu.rip, syscall=signed, arch=syscall_arch(t))
    force_signal(t, info)
    return True
