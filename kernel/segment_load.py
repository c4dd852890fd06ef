"""Loading segment registers for a thread.

Programs load segment registers themselves, and the processor checks what they load.  Where the kernel does it, after a change
by a tracer, sigreturn(2) or modify_ldt(2), a thread shows the new selectors at once, and they are loaded when it goes back to
user mode: what DS, ES, FS and GS name wrongly becomes 0 (loadsegment), and for a wrong CS or SS the thread gets the exception
that iret would raise, its registers being those it was to have (fixup_bad_iret).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.hardware import segment_limit
from kernel.segments import (
    DESC_CODE,
    DESC_CONFORMING,
    DESC_DPL,
    DESC_LONG,
    DESC_PRESENT,
    DESC_READABLE,
    DESC_S,
    DESC_WRITABLE,
    SELECTOR_RPL,
    SELECTOR_TI,
    descriptor_of,
)
from kernel.signal_send import force_signal
from kernel.task import WORK_RESUME, WORK_SIGNAL
from kernel.traps import X86_TRAP_GP, X86_TRAP_NP, X86_TRAP_SS, exception

if TYPE_CHECKING:
    from kernel.task import Thread


def _loadable(descriptor: int) -> bool:
    """Tell whether DS, ES, FS and GS can be loaded with it: data, or code that can be read."""
    if descriptor & (DESC_PRESENT | DESC_S) != DESC_PRESENT | DESC_S:
        return False
    return not descriptor & DESC_CODE or bool(descriptor & DESC_READABLE)


def _refused(t: Thread, rip: int, cs: int, ss: int) -> tuple[int, int] | None:
    """Return vector and error code of what iret to CPL 3 raises, None if nothing (Intel SDM vol. 2, IRET)."""
    code, error = descriptor_of(t, cs), cs & ~SELECTOR_RPL
    is_code = code & (DESC_S | DESC_CODE) == DESC_S | DESC_CODE
    if not is_code or cs & SELECTOR_RPL != SELECTOR_RPL or (not code & DESC_CONFORMING and code & DESC_DPL != DESC_DPL):
        return X86_TRAP_GP, error
    if not code & DESC_PRESENT:
        return X86_TRAP_NP, error
    stack, error = descriptor_of(t, ss), ss & ~SELECTOR_RPL
    is_stack = stack & (DESC_S | DESC_CODE | DESC_WRITABLE | DESC_DPL) == DESC_S | DESC_WRITABLE | DESC_DPL
    if not is_stack or ss & SELECTOR_RPL != SELECTOR_RPL:
        return X86_TRAP_GP, error
    if not stack & DESC_PRESENT:
        return X86_TRAP_SS, error
    if not code & DESC_LONG and rip > segment_limit(code):
        return X86_TRAP_GP, 0
    return None


def reload_segments_later(t: Thread) -> None:
    """Let ``t`` load what its selectors name before it goes on in user mode."""
    if _reload not in t.task_work:
        t.task_work.append(_reload)
    t.work |= WORK_RESUME


def _reload(t: Thread) -> None:
    if t.work & WORK_SIGNAL:  # a handler has segments of its own, and what is loaded last counts
        reload_segments_later(t)
        return
    cpu = t.cpu
    regs = cpu.regs()
    for name in ("ds", "es", "fs", "gs"):
        load_data_segment(t, name, getattr(regs, name) & 0xFFFF)
    # The bases of FS and GS are the thread's own, whatever the descriptors say (x86_fsgsbase_load).
    cpu.fs_base, cpu.gs_base = regs.fs_base, regs.gs_base
    cs, ss = regs.cs & 0xFFFF, regs.ss & 0xFFFF
    refused = _refused(t, regs.rip, cs, ss)
    if refused is not None and ss & SELECTOR_TI:
        # From the stack that hides the kernel's own stack pointer from 16-bit segments the fault becomes a double fault, and
        # of that only a general protection is made whose error code is lost (exc_double_fault, CONFIG_X86_ESPFIX64).
        refused = X86_TRAP_GP, 0
    if refused is None:
        load_code_and_stack(t, cs, ss)
        return
    reload_segments_later(t)
    raised = exception(t, *refused)
    if raised is not None:
        force_signal(t, raised)


def load_data_segment(t: Thread, name: str, selector: int) -> None:
    """Load DS, ES, FS or GS; one that cannot be loaded becomes 0 (loadsegment)."""
    descriptor = descriptor_of(t, selector)
    if not _loadable(descriptor):
        selector = selector if selector <= SELECTOR_RPL else 0
        descriptor = 0
    t.cpu.load_segment(name, selector, descriptor)


def load_code_and_stack(t: Thread, cs: int, ss: int) -> None:
    """Load CS and SS with selectors that are valid."""
    t.cpu.load_segment("cs", cs, descriptor_of(t, cs))
    t.cpu.load_segment("ss", ss, descriptor_of(t, ss))
