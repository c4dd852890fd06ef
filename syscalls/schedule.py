"""Scheduling: policies, priorities, affinity, I/O priority."""

from __future__ import annotations

import struct
from typing import Annotated

from kernel.cred import CAP_SYS_ADMIN, CAP_SYS_NICE
from kernel.errno import Errno
from kernel.sched_change import (
    FAIR,
    PRIO_USER,
    REALTIME,
    find_thread,
    same_owner,
    set_priority,
    set_scheduler,
    targets,
)
from kernel.sched_params import (
    BASE_SLICE,
    CPU_MASK,
    CPUS,
    FLAG_ALL,
    FLAG_KEEP_PARAMS,
    FLAG_KEEP_POLICY,
    FLAG_RESET_ON_FORK,
    FLAG_UTIL_CLAMP_MAX,
    FLAG_UTIL_CLAMP_MIN,
    MAX_RT_PRIO,
    RR_INTERVAL,
    SCHED_DEADLINE,
    SCHED_FIFO,
    SCHED_RESET_ON_FORK,
    SCHED_RR,
    SchedParams,
)
from kernel.task import Thread
from syscalls.table import syscall
from syscalls.time_args import write_timespec
from syscalls.types import Address, Int, Pid, UInt, custom, enum, in_struct, out_struct

Policy = Annotated[int, enum("sched_policy")]
ParamIn = Annotated[int, in_struct("sched_param")]
ParamOut = Annotated[int, out_struct("sched_param")]
TimespecOut = Annotated[int, out_struct("timespec")]
PrioWhich = Annotated[int, enum("priority")]
IoprioWhich = Annotated[int, enum("ioprio_who")]
UintOut = Annotated[int, out_struct("uint")]
Ioprio = Annotated[int, custom("ioprio", "((({} & 0xffffffff) ^ 0x80000000) - 0x80000000)")]
CpusetIn = Annotated[int, custom("cpuset")]
CpusetOut = Annotated[int, custom("cpuset", out=True)]

_ATTR = struct.Struct("<IIQiIQQQII")
_ATTR_SIZE_VER0 = 48
_PAGE_SIZE = 4096
_CPUSET_BYTES = 8


@syscall(24)
def sched_yield(t: Thread) -> int:
    """sched_yield(2)."""
    t.kernel.sched.resched(t)
    return 0


def _target(t: Thread, pid: int) -> Thread:
    if pid < 0:
        raise Errno.EINVAL
    return find_thread(t, pid)


def _set_policy(t: Thread, pid: int, policy: int | None, param: int) -> int:
    """sched_setscheduler(2), or with ``policy`` None sched_setparam(2)."""
    if not param or pid < 0:
        raise Errno.EINVAL
    assert t.mm is not None
    priority = t.mm.read_i32(param)
    target = find_thread(t, pid)
    params = target.sched
    if policy is None:
        wanted, reset = params.policy, params.reset_on_fork
    else:
        wanted, reset = policy & ~SCHED_RESET_ON_FORK, bool(policy & SCHED_RESET_ON_FORK)
    deadline = (params.runtime, params.deadline, params.period) if policy is None else (0, 0, 0)
    set_scheduler(t, target, wanted, priority, params.nice, reset, deadline)
    return 0


@syscall(144)
def sched_setscheduler(t: Thread, pid: Pid, policy: Policy, param: ParamIn) -> int:
    """sched_setscheduler(2)."""
    if policy < 0:
        raise Errno.EINVAL
    return _set_policy(t, pid, policy, param)


@syscall(142)
def sched_setparam(t: Thread, pid: Pid, param: ParamIn) -> int:
    """sched_setparam(2)."""
    return _set_policy(t, pid, None, param)


@syscall(145)
def sched_getscheduler(t: Thread, pid: Pid) -> int:
    """sched_getscheduler(2)."""
    params = _target(t, pid).sched
    return params.policy | (SCHED_RESET_ON_FORK if params.reset_on_fork else 0)


@syscall(143)
def sched_getparam(t: Thread, pid: Pid, param: ParamOut) -> int:
    """sched_getparam(2)."""
    if not param:
        raise Errno.EINVAL
    priority = _target(t, pid).sched.priority
    assert t.mm is not None
    t.mm.write_u32(param, priority)
    return 0


SCHED_EXT = 7
"""Known to these two calls only (sched_ext)."""


@syscall(146)
def sched_get_priority_max(t: Thread, policy: Policy) -> int:
    """sched_get_priority_max(2)."""
    if policy in REALTIME:
        return MAX_RT_PRIO
    if policy in FAIR or policy in (SCHED_DEADLINE, SCHED_EXT):
        return 0
    raise Errno.EINVAL


@syscall(147)
def sched_get_priority_min(t: Thread, policy: Policy) -> int:
    """sched_get_priority_min(2)."""
    return 1 if sched_get_priority_max(t, policy) else 0


@syscall(148)
def sched_rr_get_interval(t: Thread, pid: Pid, interval: TimespecOut) -> int:
    """sched_rr_get_interval(2): 0 for FIFO and DEADLINE, the round-robin slice, or the base slice of the fair policies."""
    policy = _target(t, pid).sched.policy
    if policy in (SCHED_FIFO, SCHED_DEADLINE):
        ns = 0
    else:
        ns = RR_INTERVAL if policy == SCHED_RR else BASE_SLICE
    write_timespec(t, interval, ns)
    return 0


def _read_attr(t: Thread, address: int) -> tuple[int, ...]:
    """Read a ``struct sched_attr`` of any size (sched_copy_attr).  E2BIG for one this kernel does not know."""
    assert t.mm is not None
    size = t.mm.read_u32(address) or _ATTR_SIZE_VER0
    image = b""
    if _ATTR_SIZE_VER0 <= size <= _PAGE_SIZE:
        image = t.mm.read(address, size)
    if not image or any(image[_ATTR.size :]):
        t.mm.write_u32(address, _ATTR.size)
        raise Errno.E2BIG
    values = _ATTR.unpack(image[: _ATTR.size].ljust(_ATTR.size, b"\0"))
    if values[2] & (FLAG_UTIL_CLAMP_MIN | FLAG_UTIL_CLAMP_MAX) and size < _ATTR.size:
        raise Errno.EINVAL
    return values


@syscall(314)
def sched_setattr(t: Thread, pid: Pid, attr: Annotated[int, in_struct("sched_attr")], flag_bits: UInt) -> int:
    """sched_setattr(2)."""
    if not attr or pid < 0 or flag_bits:
        raise Errno.EINVAL
    _, policy, bits, nice, priority, runtime, deadline, period, low, high = _read_attr(t, attr)
    if policy >> 31:
        raise Errno.EINVAL
    target = find_thread(t, pid)
    if bits & ~FLAG_ALL:
        raise Errno.EINVAL
    params = target.sched
    if bits & FLAG_KEEP_POLICY:
        policy = params.policy
    if bits & FLAG_KEEP_PARAMS:
        nice, priority = params.nice, params.priority
        runtime, deadline, period = params.runtime, params.deadline, params.period
    if bits & FLAG_UTIL_CLAMP_MIN and low != 0xFFFFFFFF and low > 1024:
        raise Errno.EINVAL
    if bits & FLAG_UTIL_CLAMP_MAX and high != 0xFFFFFFFF and high > 1024:
        raise Errno.EINVAL
    nice = max(-20, min(19, nice))
    reset = bool(bits & FLAG_RESET_ON_FORK)
    set_scheduler(t, target, policy, priority, nice, reset, (runtime, deadline, period or deadline))
    return 0


def _attributes(params: SchedParams, size: int) -> bytes:
    bits = FLAG_RESET_ON_FORK if params.reset_on_fork else 0
    nice = 0 if params.policy in REALTIME or params.policy == SCHED_DEADLINE else params.nice
    if params.policy == SCHED_DEADLINE:
        runtime, deadline, period = params.runtime, params.deadline, params.period
    else:
        runtime = deadline = period = 0
        if params.policy in FAIR:
            runtime = BASE_SLICE
    return _ATTR.pack(size, params.policy, bits, nice, params.priority, runtime, deadline, period, 0, 1024)


@syscall(315)
def sched_getattr(t: Thread, pid: Pid, attr: Annotated[int, out_struct("sched_attr")], size: UInt, flag_bits: UInt) -> int:
    """sched_getattr(2)."""
    if not attr or pid < 0 or not _ATTR_SIZE_VER0 <= size <= _PAGE_SIZE or flag_bits:
        raise Errno.EINVAL
    params = find_thread(t, pid).sched
    size = min(size, _ATTR.size)
    assert t.mm is not None
    t.mm.write(attr, _attributes(params, size)[:size])
    return 0


@syscall(203)
def sched_setaffinity(t: Thread, pid: Pid, length: UInt, mask: CpusetIn) -> int:
    """sched_setaffinity(2).  EINVAL: no CPU of the mask exists; EPERM: not the caller's thread."""
    assert t.mm is not None
    wanted = int.from_bytes(t.mm.read(mask, min(length, _CPUSET_BYTES)), "little")
    target = _target(t, pid) if pid >= 0 else None
    if target is None:
        raise Errno.ESRCH
    if not same_owner(t, target) and not t.cred.ns_capable(target.cred.user_ns, CAP_SYS_NICE):
        raise Errno.EPERM
    if not wanted & CPU_MASK:
        raise Errno.EINVAL
    target.sched.affinity = wanted & CPU_MASK
    return 0


@syscall(204)
def sched_getaffinity(t: Thread, pid: Pid, length: UInt, mask: CpusetOut) -> int:
    """sched_getaffinity(2): returns the bytes stored.  EINVAL for a length too short or no multiple of 8."""
    if length * 8 < CPUS or length & 7:
        raise Errno.EINVAL
    if pid < 0:
        raise Errno.ESRCH
    target = find_thread(t, pid)
    assert t.mm is not None
    t.mm.write_u64(mask, target.sched.affinity)
    return _CPUSET_BYTES


@syscall(309)
def getcpu(t: Thread, cpu: UintOut, node: UintOut, cache: Address) -> int:
    """getcpu(2)."""
    assert t.mm is not None
    for address in (cpu, node):
        if address:
            t.mm.write_u32(address, 0)
    return 0


# -- nice -------------------------------------------------------------------------------------------------------------
@syscall(140)
def getpriority(t: Thread, which: PrioWhich, who: Int) -> int:
    """getpriority(2), as the kernel returns it: 20 - nice of the most favoured thread."""
    if not 0 <= which <= PRIO_USER:
        raise Errno.EINVAL
    best = max((20 - target.sched.nice for target in targets(t, which, who)), default=None)
    if best is None:
        raise Errno.ESRCH
    return best


@syscall(141)
def setpriority(t: Thread, which: PrioWhich, who: Int, nice: Int) -> int:
    """setpriority(2)."""
    if not 0 <= which <= PRIO_USER:
        raise Errno.EINVAL
    set_priority(t, targets(t, which, who), max(-20, min(19, nice)))
    return 0


# -- I/O priority -----------------------------------------------------------------------------------------------------
_IOPRIO_NONE, _IOPRIO_RT, _IOPRIO_BE, _IOPRIO_IDLE = range(4)


def _check_ioprio(t: Thread, value: int) -> None:
    """Check class and level (ioprio_check_cap)."""
    kind, level = value >> 13 & 7, value & 7
    if kind == _IOPRIO_RT:
        if not t.cred.capable(CAP_SYS_ADMIN) and not t.cred.capable(CAP_SYS_NICE):
            raise Errno.EPERM
    elif kind == _IOPRIO_NONE:
        if level:
            raise Errno.EINVAL
    elif kind not in (_IOPRIO_BE, _IOPRIO_IDLE):
        raise Errno.EINVAL


@syscall(251)
def ioprio_set(t: Thread, which: IoprioWhich, who: Int, ioprio: Ioprio) -> int:
    """ioprio_set(2); the value is kept per process and orders nothing."""
    _check_ioprio(t, ioprio)
    if not 1 <= which <= 3:
        raise Errno.EINVAL
    found = False
    for target in targets(t, which - 1, who):
        if target.cred.uid not in (t.cred.euid, t.cred.uid) and not t.cred.capable(CAP_SYS_NICE):
            raise Errno.EPERM
        target.process.ioprio = ioprio
        found = True
    if not found:
        raise Errno.ESRCH
    return 0


@syscall(252)
def ioprio_get(t: Thread, which: IoprioWhich, who: Int) -> int:
    """ioprio_get(2): the most favoured of several."""
    if not 1 <= which <= 3:
        raise Errno.EINVAL
    values = [target.process.ioprio for target in targets(t, which - 1, who)]
    if not values:
        raise Errno.ESRCH
    return min(values, key=lambda value: value if value >> 13 else _IOPRIO_BE << 13 | 4)
