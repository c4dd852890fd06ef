"""What a tracer is told of the system call a tracee is stopped at, and how it makes it another (PTRACE_GET_SYSCALL_INFO,
PTRACE_SET_SYSCALL_INFO; ptrace_get_syscall_info and ptrace_set_syscall_info of kernel/ptrace.c).

Both requests use ``struct ptrace_syscall_info``: a head that is always there, then a part that depends on the kind of stop.
GET fills as much of it as there is to tell and says how much that is; SET takes the whole structure, so that a tracer can give
back what it got.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from kernel import ptrace
from kernel.errno import Errno
from kernel.ia32 import in_ia32_syscall, syscall_arch
from kernel.ptrace import EVENT_SECCOMP
from kernel.ptrace_stop import MESSAGE_SYSCALL_ENTRY, MESSAGE_SYSCALL_EXIT
from kernel.ptrace_user import get_regs, set_regs, syscall_registers
from kernel.signal import SIGTRAP

if TYPE_CHECKING:
    from kernel.task import Thread

INFO_NONE, INFO_ENTRY, INFO_EXIT, INFO_SECCOMP = range(4)
"""PTRACE_SYSCALL_INFO_*."""
_HEAD: Final = struct.Struct("<BBHIQQ")
"""op, reserved, flags, arch, instruction_pointer, stack_pointer"""
_ENTRY: Final = struct.Struct("<Q6Q")
_EXIT: Final = struct.Struct("<qB")
_SECCOMP: Final = struct.Struct("<Q6QII")
"""number, arguments, the filter's data, reserved"""
SYSCALL_INFO_SIZE: Final = _HEAD.size + _SECCOMP.size
_KINDS: Final = {MESSAGE_SYSCALL_ENTRY: INFO_ENTRY, MESSAGE_SYSCALL_EXIT: INFO_EXIT}
_ARGUMENTS: Final = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
_IA32_ARGUMENTS: Final = ("rbx", "rcx", "rdx", "rsi", "rdi", "rbp")
_ERRNO_MAX: Final = 4095
_MASK: Final = (1 << 64) - 1


def _op(target: Thread) -> int:
    """Return the kind of stop, INFO_* (ptrace_get_syscall_info_op)."""
    info = target.last_siginfo
    code = info.code if info is not None else 0
    if code == SIGTRAP | 0x80:
        return _KINDS.get(target.ptrace_message, INFO_NONE)
    return INFO_SECCOMP if code == SIGTRAP | EVENT_SECCOMP << 8 else INFO_NONE


def get_syscall_info(target: Thread) -> bytes:
    """PTRACE_GET_SYSCALL_INFO: ``struct ptrace_syscall_info`` as far as it is filled."""
    cpu = target.cpu
    op, tail = _op(target), b""
    if op == INFO_ENTRY:
        tail = _call(target)
    elif op == INFO_EXIT:
        result = cpu.rax
        failed = result > _MASK - _ERRNO_MAX
        tail = _EXIT.pack(result - (1 << 64) if result >> 63 else result, failed)
    elif op == INFO_SECCOMP:
        tail = _call(target) + (target.ptrace_message & 0xFFFFFFFF).to_bytes(4, "little")
    return _HEAD.pack(op, 0, 0, syscall_arch(target), cpu.rip, cpu.rsp) + tail


def _call(target: Thread) -> bytes:
    args = syscall_registers(target) if target.trace_flags & ptrace.TRACE_CHANGED else target.syscall_args
    nr = (target.syscall_nr & 0xFFFF_FFFF ^ 0x8000_0000) - 0x8000_0000  # an int, shown as 64 bits
    return _ENTRY.pack(nr & _MASK, *args[1:])


def set_syscall_info(target: Thread, info: bytes) -> None:
    """PTRACE_SET_SYSCALL_INFO: change number and arguments, or the result, as ``info`` says (SYSCALL_INFO_SIZE bytes).

    EINVAL for another kind of stop than the one the tracee is in, stops outside system calls, and reserved fields that
    are set; ERANGE for a number that is none of 32 bits, extended by its sign.
    """
    op, reserved, flags, *_ = _HEAD.unpack_from(info)
    if reserved or flags or op != _op(target) or op == INFO_NONE:
        raise Errno.EINVAL
    if op == INFO_EXIT:
        value, _ = _EXIT.unpack_from(info, _HEAD.size)
        target.cpu.rax = value & _MASK
        return
    number, *args, _, reserved = _SECCOMP.unpack_from(info, _HEAD.size)
    if op == INFO_SECCOMP and reserved:
        raise Errno.EINVAL
    if (number + (1 << 31)) & _MASK >= 1 << 32:
        raise Errno.ERANGE
    regs = get_regs(target)._replace(orig_rax=number)
    if number != _MASK:  # -1: no call is made, the arguments mean nothing
        regs = regs._replace(**dict(zip(_IA32_ARGUMENTS if in_ia32_syscall(target) else _ARGUMENTS, args, strict=True)))
    set_regs(target, regs)
