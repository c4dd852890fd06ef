"""prctl(2) and arch_prctl(2): one function an option, in tables by option number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from kernel import cred_change, seccomp
from kernel.cred import CAP_SYS_RESOURCE, SECBIT_KEEP_CAPS
from kernel.errno import Errno
from kernel.hardware import PAGE_MASK, USER_TOP
from kernel.mm.address_space import AddressSpace
from kernel.mm.vma import VM_MAYSHARE
from kernel.signal import SIGRTMAX
from kernel.task import Process, Thread
from kernel.user_dispatch import set_user_dispatch
from kernel.yama import set_ptracer
from syscalls.seccomp import SET_MODE_FILTER, SET_MODE_STRICT, do_seccomp
from syscalls.table import syscall
from syscalls.types import Address, Int, ULong, custom, enum

PR_SET_VMA = 0x53564D41
PR_GET_AUXV = 0x41555856
PR_SET_PTRACER = 0x59616D61

_TSC_ENABLE = 1
_TSC_SIGSEGV = 2
_ANON_NAME_MAX = 80

Option = Callable[[Thread, int, int, int, int], int]


def _memory(t: Thread) -> AddressSpace:
    assert t.mm is not None
    return t.mm


def _signed(value: int) -> int:
    return (value ^ 1 << 63) - (1 << 63)


def _set_pdeathsig(t: Thread, a: int, b: int, c: int, d: int) -> int:
    if a > SIGRTMAX:
        raise Errno.EINVAL
    t.pdeath_signal = a
    return 0


def _get_pdeathsig(t: Thread, a: int, b: int, c: int, d: int) -> int:
    _memory(t).write_u32(a, t.pdeath_signal)
    return 0


def _get_dumpable(t: Thread, a: int, b: int, c: int, d: int) -> int:
    return _memory(t).dumpable


def _set_dumpable(t: Thread, a: int, b: int, c: int, d: int) -> int:
    if a > 1:
        raise Errno.EINVAL
    _memory(t).dumpable = a
    return 0


def _get_keepcaps(t: Thread, a: int, b: int, c: int, d: int) -> int:
    return int(t.cred.securebits & SECBIT_KEEP_CAPS != 0)


def _set_keepcaps(t: Thread, a: int, b: int, c: int, d: int) -> int:
    return cred_change.set_keepcaps(t, a)


def _get_timing(t: Thread, a: int, b: int, c: int, d: int) -> int:
    return 0


def _set_timing(t: Thread, a: int, b: int, c: int, d: int) -> int:
    if a:
        raise Errno.EINVAL
    return 0


def _set_name(t: Thread, a: int, b: int, c: int, d: int) -> int:
    memory = _memory(t)
    name = memory.read_cstring(a, 15)
    t.comm = memory.read(a, 15) if name is None else name
    return 0


def _get_name(t: Thread, a: int, b: int, c: int, d: int) -> int:
    _memory(t).write(a, t.comm[:15].ljust(16, b"\0"))
    return 0


def _get_seccomp(t: Thread, a: int, b: int, c: int, d: int) -> int:
    return seccomp.mode(t)


def _set_seccomp(t: Thread, a: int, b: int, c: int, d: int) -> int:
    """PR_SET_SECCOMP: strict mode, whose third argument never counted, or a filter without flags."""
    if a == seccomp.MODE_STRICT:
        return do_seccomp(t, SET_MODE_STRICT, 0, 0)
    if a == seccomp.MODE_FILTER:
        return do_seccomp(t, SET_MODE_FILTER, 0, b)
    raise Errno.EINVAL


def _capbset_read(t: Thread, a: int, b: int, c: int, d: int) -> int:
    return cred_change.bounding_read(t, a)


def _capbset_drop(t: Thread, a: int, b: int, c: int, d: int) -> int:
    return cred_change.bounding_drop(t, a)


def _get_tsc(t: Thread, a: int, b: int, c: int, d: int) -> int:
    _memory(t).write_u32(a, _TSC_ENABLE if t.cpu.tsc else _TSC_SIGSEGV)
    return 0


def _set_tsc(t: Thread, a: int, b: int, c: int, d: int) -> int:
    if a not in (_TSC_ENABLE, _TSC_SIGSEGV):
        raise Errno.EINVAL
    t.cpu.tsc = a == _TSC_ENABLE
    return 0


def _get_securebits(t: Thread, a: int, b: int, c: int, d: int) -> int:
    return t.cred.securebits


def _set_securebits(t: Thread, a: int, b: int, c: int, d: int) -> int:
    return cred_change.set_securebits(t, a)


def _set_timerslack(t: Thread, a: int, b: int, c: int, d: int) -> int:
    t.timer_slack = a if _signed(a) > 0 else t.default_timer_slack
    return 0


def _get_timerslack(t: Thread, a: int, b: int, c: int, d: int) -> int:
    return t.timer_slack


_MM_FIELDS = (
    "", "start_code", "end_code", "start_data", "end_data", "start_stack", "start_brk", "brk", "arg_start", "arg_end",
    "env_start", "env_end",
)  # fmt: skip
_MM_AUXV = 12
_MM_NEED_AREA = range(8, 12)
_MMAP_MIN_ADDR = 65536


def _set_mm(t: Thread, a: int, b: int, c: int, d: int) -> int:
    """PR_SET_MM: the addresses and the auxiliary vector /proc shows (checkpoint/restore)."""
    if d or (c and a != _MM_AUXV):
        raise Errno.EINVAL
    if not t.cred.capable(CAP_SYS_RESOURCE):
        raise Errno.EPERM
    memory = _memory(t)
    if a == _MM_AUXV:
        if c > 44 * 8:
            raise Errno.EINVAL
        memory.auxv = memory.read(b, c)
        return 0
    if not 0 < a < len(_MM_FIELDS) or not _MMAP_MIN_ADDR <= b < USER_TOP:
        raise Errno.EINVAL
    if a in _MM_NEED_AREA and memory.areas.at(b) is None:
        raise Errno.EFAULT
    setattr(memory, _MM_FIELDS[a], b)
    return 0


def _mark_descendants(process: Process) -> None:
    """Every descendant now has a subreaper above it (propagate_has_child_subreaper)."""
    pending = [process]
    while pending:
        for thread in pending.pop().threads:
            for child in thread.children:
                if not child.has_child_subreaper:
                    child.has_child_subreaper = True
                    pending.append(child)


def _set_subreaper(t: Thread, a: int, b: int, c: int, d: int) -> int:
    t.process.is_child_subreaper = a != 0
    if a:
        _mark_descendants(t.process)
    return 0


def _get_subreaper(t: Thread, a: int, b: int, c: int, d: int) -> int:
    _memory(t).write_u32(a, int(t.process.is_child_subreaper))
    return 0


def _set_no_new_privs(t: Thread, a: int, b: int, c: int, d: int) -> int:
    if a != 1 or b or c or d:
        raise Errno.EINVAL
    t.no_new_privs = True
    return 0


def _get_no_new_privs(t: Thread, a: int, b: int, c: int, d: int) -> int:
    if a or b or c or d:
        raise Errno.EINVAL
    return int(t.no_new_privs)


def _get_tid_address(t: Thread, a: int, b: int, c: int, d: int) -> int:
    _memory(t).write_u64(a, t.clear_child_tid)
    return 0


def _set_thp_disable(t: Thread, a: int, b: int, c: int, d: int) -> int:
    if b or c or d:
        raise Errno.EINVAL
    _memory(t).thp_disabled = a != 0
    return 0


def _get_thp_disable(t: Thread, a: int, b: int, c: int, d: int) -> int:
    if a or b or c or d:
        raise Errno.EINVAL
    return int(_memory(t).thp_disabled)


def _cap_ambient(t: Thread, a: int, b: int, c: int, d: int) -> int:
    if c or d:
        raise Errno.EINVAL
    return cred_change.ambient(t, a, b)


_SPECULATION_MISFEATURES = 3


def _get_speculation(t: Thread, a: int, b: int, c: int, d: int) -> int:
    """This processor speculates nothing: PR_SPEC_NOT_AFFECTED for each misfeature there is."""
    if b or c or d:
        raise Errno.EINVAL
    if a >= _SPECULATION_MISFEATURES:
        raise Errno.ENODEV
    return 0


def _set_speculation(t: Thread, a: int, b: int, c: int, d: int) -> int:
    if c or d:
        raise Errno.EINVAL
    raise Errno.ENODEV if a >= _SPECULATION_MISFEATURES else Errno.ENXIO


def _set_syscall_dispatch(t: Thread, a: int, b: int, c: int, d: int) -> int:
    set_user_dispatch(t, a, b, c, d)
    return 0


def _set_ptracer(t: Thread, a: int, b: int, c: int, d: int) -> int:
    set_ptracer(t, a)
    return 0


def _get_auxv(t: Thread, a: int, b: int, c: int, d: int) -> int:
    if c or d:
        raise Errno.EINVAL
    memory = _memory(t)
    memory.write(a, memory.auxv[:b])
    return len(memory.auxv)


def _set_vma(t: Thread, a: int, b: int, c: int, d: int) -> int:
    """PR_SET_VMA_ANON_NAME: name private anonymous memory for /proc/PID/maps (``[anon:NAME]``)."""
    if a:
        raise Errno.EINVAL
    memory = _memory(t)
    name = b""
    if d:
        text = memory.read_cstring(d, _ANON_NAME_MAX)
        if text is None or any(byte < 0x20 or byte > 0x7E or byte in b"\\`$[]" for byte in text):
            raise Errno.EINVAL
        name = b"[anon:%s]" % text
    end = b + (c + PAGE_MASK & ~PAGE_MASK)
    if b & PAGE_MASK or end < b or end >> 64:
        raise Errno.EINVAL
    _name_areas(memory, b, end, name)
    return 0


def _name_areas(memory: AddressSpace, start: int, end: int, name: bytes) -> None:
    at, holes = start, False
    while at < end:
        area = memory.areas.at(at)
        if area is None:
            holes = True
            at += PAGE_MASK + 1
            continue
        if area.file is not None or area.flags & VM_MAYSHARE:
            raise Errno.EBADF
        stop = min(area.end, end)
        memory.isolate(area, at, stop).name = name
        at = stop
    if holes:
        raise Errno.ENOMEM


_OPTIONS: dict[int, Option] = {
    1: _set_pdeathsig,
    2: _get_pdeathsig,
    3: _get_dumpable,
    4: _set_dumpable,
    7: _get_keepcaps,
    8: _set_keepcaps,
    13: _get_timing,
    14: _set_timing,
    15: _set_name,
    16: _get_name,
    21: _get_seccomp,
    22: _set_seccomp,
    23: _capbset_read,
    24: _capbset_drop,
    25: _get_tsc,
    26: _set_tsc,
    27: _get_securebits,
    28: _set_securebits,
    29: _set_timerslack,
    30: _get_timerslack,
    35: _set_mm,
    36: _set_subreaper,
    37: _get_subreaper,
    38: _set_no_new_privs,
    39: _get_no_new_privs,
    40: _get_tid_address,
    41: _set_thp_disable,
    42: _get_thp_disable,
    47: _cap_ambient,
    52: _get_speculation,
    53: _set_speculation,
    59: _set_syscall_dispatch,
    PR_SET_VMA: _set_vma,
    PR_GET_AUXV: _get_auxv,
    PR_SET_PTRACER: _set_ptracer,
}


PrctlOption = Annotated[int, enum("prctl")]
PrctlArg = Annotated[int, custom("prctl_arg")]


@syscall(157)
def prctl(t: Thread, option: PrctlOption, arg2: PrctlArg, arg3: ULong, arg4: ULong, arg5: ULong) -> int:
    """prctl(2).  EINVAL for an option this kernel, or x86, does not have."""
    handler = _OPTIONS.get(option)
    if handler is None:
        raise Errno.EINVAL
    return handler(t, arg2, arg3, arg4, arg5)


ARCH_SET_GS = 0x1001
ARCH_SET_FS = 0x1002
ARCH_GET_FS = 0x1003
ARCH_GET_GS = 0x1004
ARCH_GET_CPUID = 0x1011
ARCH_SET_CPUID = 0x1012
ARCH_GET_XCOMP_SUPP = 0x1021
ARCH_GET_XCOMP_PERM = 0x1022
_X87_AND_SSE = 3
_DEFAULT_LDT_SIZE = 128


@syscall(154)
def modify_ldt(t: Thread, func: Int, ptr: Address, bytecount: ULong) -> int:
    """modify_ldt(2): read the table (0), set an entry (1, 0x11), or read one that is always empty (2).  EINVAL, EFAULT, ENOSYS.

    The result has 32 bits, an error as well: so it was when the call had none but 32-bit callers.
    """
    try:
        return _modify_ldt(t, func, ptr, bytecount)
    except Errno as error:
        return -error.number & 0xFFFF_FFFF


def _modify_ldt(t: Thread, func: int, ptr: int, size: int) -> int:
    from kernel.ldt import read_ldt, write_ldt
    from kernel.user_desc import USER_DESC_SIZE, UserDesc

    mm = _memory(t)
    if func in (0, 2):
        content = read_ldt(t, size) if func == 0 else bytes(min(size, _DEFAULT_LDT_SIZE))
        mm.write(ptr, content)
        return len(content)
    if func not in (1, 0x11):
        raise Errno.ENOSYS
    if size != USER_DESC_SIZE:
        raise Errno.EINVAL
    write_ldt(t, UserDesc.unpack(mm.read(ptr, USER_DESC_SIZE)), func == 1)
    return 0


@syscall(158)
def arch_prctl(t: Thread, code: Annotated[int, enum("arch_prctl")], addr: ULong) -> int:
    """arch_prctl(2).  EPERM for a base outside user space, ENODEV: CPUID cannot be made to fault, EINVAL."""
    if code == ARCH_SET_FS or code == ARCH_SET_GS:  # noqa: SIM109 - every program and thread starts with this call
        if addr >= USER_TOP:
            raise Errno.EPERM
        if code == ARCH_SET_FS:
            t.cpu.set_selector("fs", 0)
            t.cpu.fs_base = addr
        else:
            t.cpu.set_selector("gs", 0)
            t.cpu.gs_base = addr
        return 0
    if code == ARCH_GET_FS:
        _memory(t).write_u64(addr, t.cpu.fs_base)
        return 0
    if code == ARCH_GET_GS:
        _memory(t).write_u64(addr, t.cpu.gs_base)
        return 0
    if code == ARCH_GET_CPUID:
        return 1
    if code == ARCH_SET_CPUID:
        raise Errno.ENODEV
    if code in (ARCH_GET_XCOMP_SUPP, ARCH_GET_XCOMP_PERM):
        _memory(t).write_u64(addr, _X87_AND_SSE)
        return 0
    raise Errno.EINVAL
