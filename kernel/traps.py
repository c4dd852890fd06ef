"""Exceptions of the processor as signals (arch/x86/kernel/traps.c, signal(7)).

A table says, for each vector, which signal a program gets, with what si_code, and whether si_addr is the instruction.
Codes of 0 in the kernel's table reach the program as SI_KERNEL.  Floating-point faults look at the status words instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel import hw_breakpoint
from kernel.hardware import DR_STEP, USER_TOP
from kernel.hw_breakpoint import EFLAGS_RF
from kernel.signal import (
    BUS_ADRALN,
    FPE_FLTDIV,
    FPE_FLTINV,
    FPE_FLTOVF,
    FPE_FLTRES,
    FPE_FLTUND,
    FPE_INTDIV,
    ILL_ILLOPN,
    SI_KERNEL,
    SIGBUS,
    SIGFPE,
    SIGILL,
    SIGSEGV,
    SIGTRAP,
    TRAP_BRKPT,
    TRAP_HWBKPT,
    TRAP_TRACE,
    SigInfo,
)
from kernel.signal_send import force_signal, raise_signal

if TYPE_CHECKING:
    from kernel.mm.fault import FaultSignal
    from kernel.task import Thread

X86_TRAP_DE: Final = 0
X86_TRAP_DB: Final = 1
X86_TRAP_NP: Final = 11
X86_TRAP_SS: Final = 12
X86_TRAP_GP: Final = 13
X86_TRAP_PF: Final = 14
X86_TRAP_MF: Final = 16
X86_TRAP_XF: Final = 19
_PF_PRESENT: Final = 1

_VECTORS: Final[dict[int, tuple[int, int, bool]]] = {
    X86_TRAP_DE: (SIGFPE, FPE_INTDIV, True),
    3: (SIGTRAP, SI_KERNEL, False),  # int3
    4: (SIGSEGV, SI_KERNEL, False),  # overflow: int $4
    5: (SIGSEGV, SI_KERNEL, False),  # bounds
    6: (SIGILL, ILL_ILLOPN, True),  # invalid opcode
    10: (SIGSEGV, SI_KERNEL, False),  # invalid TSS
    X86_TRAP_NP: (SIGBUS, SI_KERNEL, False),  # segment not present
    X86_TRAP_SS: (SIGBUS, SI_KERNEL, False),  # stack segment: a non-canonical stack pointer
    X86_TRAP_GP: (SIGSEGV, SI_KERNEL, False),  # general protection: privileged instruction, non-canonical address
    17: (SIGBUS, BUS_ADRALN, False),  # alignment check
}
"""vector -> (signal, si_code, si_addr is RIP)."""
_TRAPS: Final = frozenset((3, 4))
"""Exceptions behind the instruction.  The others are faults: the processor saves the resume flag with them, so that the
instruction is not stopped at a second time by a breakpoint on it."""
_WITH_ERROR_CODE: Final = frozenset((8, 10, 11, 12, 13, 14, 17))


def fpu_exception_code(vector: int, image: bytes) -> int:
    """Return the si_code of a floating-point fault from the FXSAVE image, 0 if no unmasked exception is flagged.

    Order of the tests as in fpu__exception_code: invalid, division, overflow, underflow or denormal, precision.
    """
    if vector == X86_TRAP_MF:
        control = int.from_bytes(image[0:2], "little")
        status = int.from_bytes(image[2:4], "little")
        errors = status & ~control
    else:
        mxcsr = int.from_bytes(image[24:28], "little")
        errors = ~(mxcsr >> 7) & mxcsr
    if errors & 0x01:
        return FPE_FLTINV
    if errors & 0x04:
        return FPE_FLTDIV
    if errors & 0x08:
        return FPE_FLTOVF
    if errors & 0x12:
        return FPE_FLTUND
    return FPE_FLTRES if errors & 0x20 else 0


def exception(t: Thread, vector: int, error_code: int = 0, status: int = DR_STEP) -> SigInfo | None:
    """Give ``t`` the signal for an exception it raised; ``error_code`` is what the processor pushed, 0 for most, and
    ``status`` what it left in DR6 if it is a debug exception.  Returns a signal that is to be delivered without having been
    queued (``raise_signal``)."""
    t.trap_frame = (vector, error_code if vector in _WITH_ERROR_CODE else 0, t.trap_frame[2])
    if vector == X86_TRAP_DB:
        return _debug(t, status)
    if vector not in _TRAPS:
        t.cpu.eflags |= EFLAGS_RF
    if vector in (X86_TRAP_MF, X86_TRAP_XF):
        code = fpu_exception_code(vector, t.cpu.fpregs())
        if code:  # else spurious: run on
            force_signal(t, SigInfo(SIGFPE, code=code, addr=t.cpu.rip))
        return None
    signo, code, at_rip = _VECTORS.get(vector, (SIGSEGV, SI_KERNEL, False))
    return raise_signal(t, SigInfo(signo, code=code, addr=t.cpu.rip if at_rip else 0))


def _debug(t: Thread, status: int) -> SigInfo | None:
    """A step, a hardware breakpoint or INT1; ``status`` says which, in the bits of DR6 (exc_debug_user)."""
    hw_breakpoint.hit(t, status)
    code = TRAP_TRACE if status & DR_STEP else TRAP_HWBKPT if status else TRAP_BRKPT
    return raise_signal(t, SigInfo(SIGTRAP, 0, code, 0, 0, 0, 0, t.cpu.rip))  # without names: this is what a step costs


def force_fault(t: Thread, failure: FaultSignal, error_code: int) -> None:
    """Give ``t`` the signal a bad memory access earns (force_sig_fault); ``error_code`` is the #PF error code."""
    if failure.address >= USER_TOP:
        error_code |= _PF_PRESENT  # set_signal_archinfo: do not tell what the kernel maps
    t.trap_frame = (X86_TRAP_PF, error_code, failure.address)
    t.cpu.eflags |= EFLAGS_RF
    force_signal(t, SigInfo(failure.signo, code=failure.code, addr=failure.address))
