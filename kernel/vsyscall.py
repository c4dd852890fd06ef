"""The vsyscall page: three calls at fixed addresses, from before there was a vDSO (arch/x86/entry/vsyscall/vsyscall_64.c).

Nothing is mapped there.  A program that jumps to one of the addresses faults, and the call is made for it as if the function
had been there and had returned (``vsyscall=xonly``); its filters are asked as about a system call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.errno import Errno
from kernel.hardware import PF_USER, PF_WRITE, USER_TOP, VSYSCALL_ADDR
from kernel.mm.fault import SEGV_MAPERR, FaultSignal
from kernel.seccomp import secure_computing
from kernel.signal import SIGSEGV, SIGSYS
from kernel.signal_send import force_exit_sig, force_signal, kernel_info
from kernel.traps import force_fault

if TYPE_CHECKING:
    from kernel.task import Thread
    from kernel.waitqueue import Blocking

_FUNCTIONS: Final = 0xC00
"""Bits of an address that say which function it is."""
_CALLS: Final = ((96, 16, 8), (201, 8), (309, 4, 4))
"""Number of the call, and bytes it writes through each of its pointers: gettimeofday, time, getcpu."""
_ENOSYS: Final = (1 << 64) - Errno.ENOSYS.number


def emulate_vsyscall(t: Thread) -> Blocking[None]:
    """Make the call ``t`` jumped to and return from it; SIGSEGV for a bad pointer or stack, and for the rest of the page."""
    cpu, mm = t.cpu, t.mm
    assert mm is not None
    regs = cpu.regs()
    function = (regs.rip & _FUNCTIONS) >> 10
    if regs.rip & ~_FUNCTIONS != VSYSCALL_ADDR or function >= len(_CALLS):
        force_signal(t, kernel_info(SIGSEGV))
        return
    number, *sizes = _CALLS[function]
    for address, size in zip((regs.rdi, regs.rsi), sizes, strict=False):
        if address > USER_TOP - size:
            force_fault(t, FaultSignal(SIGSEGV, SEGV_MAPERR, address), PF_USER | PF_WRITE)
            return
    try:
        caller = mm.read_u64(regs.rsp)
        args = (number, regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9)
        execute = True
        if t.seccomp is not None:
            t.syscall_nr, t.syscall_args = number, args
            cpu.rax = _ENOSYS
            execute = yield from secure_computing(t)
            changed = execute and t.syscall_args[0] & 0xFFFF_FFFF != number
            t.syscall_nr = -1
            if changed or cpu.rip != regs.rip:  # here nobody may make another call of it
                force_exit_sig(t, kernel_info(SIGSYS))
                return
        if execute:
            cpu.rax = t.kernel.calls[number](t, args) or 0
    except Errno.EFAULT:
        force_signal(t, kernel_info(SIGSEGV))
        return
    cpu.rip = caller
    cpu.rsp = regs.rsp + 8
