"""The stack frame of a signal handler on x86-64, and the way back (arch/x86/kernel/signal_64.c, sigreturn(2)).

To call a handler the kernel saves the whole user state on the user's stack (or the alternate one) and starts the handler
as if it had been called from the restorer, whose only act is rt_sigreturn.  From low to high addresses::

    0    pretcode      return address: sa_restorer
    8    ucontext      uc_flags, uc_link, uc_stack, sigcontext (registers, selectors, trap), uc_sigmask
    312  siginfo       128 bytes
    ...  fpstate       512-byte FXSAVE image, 64-byte aligned
    ...  red zone      128 bytes below the interrupted stack pointer (System V ABI)

The processor has no XSAVE, so uc_flags lacks UC_FP_XSTATE and the FP state is exactly the FXSAVE image.
"""

from __future__ import annotations

import contextlib
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.errno import Errno
from kernel.hardware import USER_TOP, Regs
from kernel.segments import USER_CS, USER_DS, is_valid_ss
from kernel.signal import (
    KERNEL_ONLY_MASK,
    MINSIGSTKSZ,
    SA_ONSTACK,
    SA_RESTORER,
    SA_SIGINFO,
    SS_AUTODISARM,
    SS_DISABLE,
    SS_ONSTACK,
    SigAction,
    SigAltStack,
    SigInfo,
)
from kernel.signal_pending import set_current_blocked
from kernel.signal_send import force_sigsegv

if TYPE_CHECKING:
    from kernel.task import Thread

UC_SIGCONTEXT_SS: Final = 2
UC_STRICT_RESTORE_SS: Final = 4

RED_ZONE: Final = 128
FXSAVE_SIZE: Final = 512
_FX_ALIGN: Final = 64

EFLAGS_DF: Final = 0x400
EFLAGS_RF: Final = 0x10000
EFLAGS_TF: Final = 0x100
FIX_EFLAGS: Final = 0x40000 | 0x800 | EFLAGS_DF | EFLAGS_TF | 0x80 | 0x40 | 0x10 | 0x4 | 0x1 | EFLAGS_RF
"""The flags user space may choose: AC OF DF TF SF ZF AF PF CF RF."""

MXCSR_MASK: Final = 0xFFFF
INITIAL_FPREGS: Final = struct.pack("<HHBxHQQII", 0x37F, 0, 0, 0, 0, 0, 0x1F80, MXCSR_MASK).ljust(FXSAVE_SIZE, b"\0")
"""The FP state a handler starts with (fpu__clear_user_states)."""

# pretcode; uc_flags, uc_link; ss_sp, ss_flags, ss_size; 18 registers; cs gs fs ss; err trapno oldmask cr2; fpstate;
# reserved1[8]; uc_sigmask.
_FRAME = struct.Struct("<Q QQ Qi4xQ 18Q HHHH 4Q Q 64x Q")
_SIGCONTEXT = struct.Struct("<18Q HHHH 4Q Q")
UCONTEXT_OFFSET: Final = 8
UC_STACK_OFFSET: Final = UCONTEXT_OFFSET + 16
SIGCONTEXT_OFFSET: Final = UCONTEXT_OFFSET + 40
UC_SIGMASK_OFFSET: Final = UCONTEXT_OFFSET + 296
SIGINFO_OFFSET: Final = UCONTEXT_OFFSET + 304
FRAME_SIZE: Final = SIGINFO_OFFSET + 128
STACK_T: Final = struct.Struct("<Qi4xQ")


class KSignal(NamedTuple):
    """A signal taken from the queue together with the action it had then (``struct ksignal``)."""

    info: SigInfo
    action: SigAction


def altstack_flags(stack: SigAltStack, sp: int) -> int:
    """Return SS_DISABLE, SS_ONSTACK or 0 for a thread with stack pointer ``sp`` (sas_ss_flags)."""
    if not stack.size:
        return SS_DISABLE
    return SS_ONSTACK if stack.active(sp) else 0


def set_altstack(t: Thread, sp: int, flags: int, size: int, user_sp: int, minimum: int = MINSIGSTKSZ) -> None:
    """Install an alternate stack (do_sigaltstack).

    Raises EPERM while the thread runs on the present one, EINVAL for unknown flags, ENOMEM if smaller than ``minimum``
    bytes.
    """
    if t.altstack.active(user_sp):
        raise Errno.EPERM
    mode = flags & ~SS_AUTODISARM
    if mode not in (SS_DISABLE, SS_ONSTACK, 0):
        raise Errno.EINVAL
    if t.altstack == (sp, size, flags):
        return
    if mode == SS_DISABLE:
        sp = size = 0
    elif size < minimum:
        raise Errno.ENOMEM
    t.altstack = SigAltStack(sp, size, flags)


def _place(t: Thread, action: SigAction, sp: int) -> tuple[int, int]:
    """Return (frame address, FP state address); raises EFAULT on overflow of the alternate stack (get_sigframe)."""
    stack = t.altstack
    sp -= RED_ZONE
    nested = stack.active(sp)
    entering = False
    if action.flags & SA_ONSTACK and altstack_flags(stack, sp) == 0:
        sp = stack.sp + stack.size
        entering = True
    fpstate = (sp - FXSAVE_SIZE) & -_FX_ALIGN
    # As if a call had pushed the return address: RSP + 8 is 16-byte aligned at the handler's first instruction.
    frame = ((fpstate - FRAME_SIZE) & -16) - 8
    # An address outside the stack would be written to whatever lies below it.
    if (nested or entering) and not stack.contains(frame):
        raise Errno.EFAULT
    if not 0 < frame < USER_TOP - FRAME_SIZE or fpstate + FXSAVE_SIZE > USER_TOP:
        raise Errno.EFAULT
    return frame, fpstate


def setup_frame(t: Thread, signal: KSignal, mask: int) -> None:
    """Build the frame on the user's stack and point the registers at the handler (x64_setup_rt_frame).

    ``mask`` is what rt_sigreturn will restore.  Raises EFAULT if the stack cannot take it or there is no restorer.
    """
    action, info = signal.action, signal.info
    if not action.flags & SA_RESTORER:
        raise Errno.EFAULT
    mm = t.mm
    assert mm is not None
    cpu = t.cpu
    regs = cpu.regs()
    frame, fpstate = _place(t, action, regs.rsp)
    trapno, error_code, cr2 = t.trap_frame
    stack = t.altstack
    mm.write(fpstate, cpu.fpregs())
    image = _FRAME.pack(
        action.restorer,
        UC_SIGCONTEXT_SS | (UC_STRICT_RESTORE_SS if regs.cs == USER_CS else 0), 0,
        stack.sp, _signed(stack.flags), stack.size,
        regs.r8, regs.r9, regs.r10, regs.r11, regs.r12, regs.r13, regs.r14, regs.r15, regs.rdi, regs.rsi, regs.rbp,
        regs.rbx, regs.rdx, regs.rax, regs.rcx, regs.rsp, regs.rip, regs.eflags,
        regs.cs, 0, 0, regs.ss,
        error_code, trapno, mask, cr2,
        fpstate,
        mask,
    )  # fmt: skip
    if action.flags & SA_SIGINFO:
        image += info.pack()
    mm.write(frame, image)
    # The direction flag is clear at function entry (System V ABI); a step of the interrupted code ends here.
    cpu.set_regs(
        regs._replace(
            rdi=info.signo,
            rax=0,
            rsi=frame + SIGINFO_OFFSET,
            rdx=frame + UCONTEXT_OFFSET,
            rip=action.handler,
            rsp=frame,
            eflags=regs.eflags & ~(EFLAGS_DF | EFLAGS_RF | EFLAGS_TF),
        )
    )
    cpu.set_fpregs(INITIAL_FPREGS)
    if regs.cs != USER_CS or regs.ss != USER_DS:
        from kernel.segment_load import load_code_and_stack

        # A handler is 64-bit code.  SS may have any value that is valid, and DOSEMU wants to see the one there was.
        load_code_and_stack(t, USER_CS, regs.ss if is_valid_ss(t, regs.ss) else USER_DS)


def _signed(value: int) -> int:
    return value - (1 << 32) if value & 1 << 31 else value


def sigreturn(t: Thread) -> int:
    """Restore what ``setup_frame`` saved; the stack pointer is behind the popped return address (rt_sigreturn).

    Returns RAX.  A frame that cannot be read or holds values no program may have is a SIGSEGV.
    """
    try:
        return _restore(t)
    except Errno.EFAULT:
        force_sigsegv(t, 0)
        return 0


def _restore(t: Thread) -> int:
    mm = t.mm
    assert mm is not None
    cpu = t.cpu
    regs = cpu.regs()
    frame = regs.rsp - 8
    if not 0 <= frame <= USER_TOP - FRAME_SIZE:
        raise Errno.EFAULT
    image = mm.read(frame, UC_SIGMASK_OFFSET + 8)
    set_current_blocked(t, int.from_bytes(image[UC_SIGMASK_OFFSET:], "little") & ~KERNEL_ONLY_MASK)
    uc_flags = int.from_bytes(image[UCONTEXT_OFFSET : UCONTEXT_OFFSET + 8], "little")
    sp, flags, size = STACK_T.unpack_from(image, UC_STACK_OFFSET)
    with contextlib.suppress(Errno):  # restore_altstack: "squash all but EFAULT for now"
        set_altstack(t, sp, flags & 0xFFFFFFFF, size, regs.rsp)
    (
        r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags,
        cs, _, _, ss, _, _, _, _, fpstate,
    ) = _SIGCONTEXT.unpack_from(image, SIGCONTEXT_OFFSET)  # fmt: skip
    t.restart = None
    t.syscall_nr = -1
    if fpstate:
        if fpstate > USER_TOP - FXSAVE_SIZE:
            raise Errno.EFAULT
        fpregs = mm.read(fpstate, FXSAVE_SIZE)
        if int.from_bytes(fpregs[24:28], "little") & ~MXCSR_MASK:
            raise Errno.EFAULT  # reserved MXCSR bits: fxrstor raises #GP
    else:
        fpregs = INITIAL_FPREGS
    cpu.set_fpregs(fpregs)
    cpu.set_regs(
        Regs(
            r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, regs.orig_rax, rip, regs.cs,
            (regs.eflags & ~FIX_EFLAGS) | (eflags & FIX_EFLAGS), rsp, regs.ss, regs.fs_base, regs.gs_base,
            regs.ds, regs.es, regs.fs, regs.gs,
        )
    )  # fmt: skip
    cs, ss = cs | 3, ss | 3
    if not uc_flags & UC_STRICT_RESTORE_SS and cs == USER_CS and not is_valid_ss(t, ss):
        ss = USER_DS
    if (cs, ss) != (regs.cs, regs.ss):
        from kernel.segment_load import reload_segments_later

        cpu.set_selector("cs", cs)
        cpu.set_selector("ss", ss)
        reload_segments_later(t)
    result: int = rax
    return result


assert _FRAME.size == SIGINFO_OFFSET
