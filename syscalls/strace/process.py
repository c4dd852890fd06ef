"""Calls that create, replace and steer tasks: clone, execve, futex, prctl and their like."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct, iter_unpack
from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.signal import signal_name
from syscalls.flags import ENUMS
from syscalls.strace.seccomp import filter_program
from syscalls.strace.structs import STRUCTS, capabilities
from syscalls.strace.text import (
    MAX_ITEMS,
    MAX_STRING,
    address,
    array,
    buffer,
    cstring,
    date,
    enum_name,
    flag_names,
    hexadecimal,
    quote_hex,
    signed32,
)

if TYPE_CHECKING:
    from syscalls.strace.call import Call
    from syscalls.types import Arg

CLONE_PARENT_SETTID, CLONE_CHILD_SETTID, CLONE_CHILD_CLEARTID = 0x100000, 0x1000000, 0x200000
CLONE_PIDFD, CLONE_SETTLS, CLONE_INTO_CGROUP = 0x1000, 0x80000, 0x200000000


# -- execve -----------------------------------------------------------------------------------------------------------
def strings(call: Call, value: int, arg: Arg, index: int) -> str:
    """The argument strings of execve(2)."""
    if not value:
        return "NULL"
    mm = call.mm
    items: list[str] = []
    at = value
    while pointer := mm.read_u64(at):
        if len(items) == MAX_ITEMS:
            return array(items, more=True)
        try:
            items.append(cstring(mm, pointer, MAX_STRING))
        except Errno:
            items.append(address(pointer))
        at += 8
    return array(items)


def environment(call: Call, value: int, arg: Arg, index: int) -> str:
    """The environment of execve(2): only its size."""
    if not value:
        return "NULL"
    pointers = call.mm.read_pointers(value, 1 << 16)
    if pointers is None:
        return address(value)
    return f"{value:#x} /* {len(pointers)} var{'' if len(pointers) == 1 else 's'} */"


# -- clone ------------------------------------------------------------------------------------------------------------
def clone(call: Call) -> Iterator[str]:
    """clone(2): arguments by name, and only those the flags make count."""
    flags, stack, parent_tid, child_tid, tls = call.args[:5]
    bits, signo = flags & ~0xFF, flags & 0xFF
    pieces = [flag_names("clone", bits)] if bits else []
    if signo:
        pieces.append(signal_name(signo))
    yield f"child_stack={address(stack)}, flags={'|'.join(pieces) or '0'}"
    rest = ""
    mm = call.mm
    if bits & (CLONE_PARENT_SETTID | CLONE_PIDFD):
        rest += f", parent_tid={address(parent_tid) if call.failed else STRUCTS['int'](mm, parent_tid)}"
    if bits & CLONE_SETTLS:
        rest += f", tls={address(tls)}"
    if bits & (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID):
        rest += f", child_tidptr={address(child_tid)}"
    yield rest


def clone3(call: Call) -> Iterator[str]:
    """clone3(2): the structure as the caller filled it, then what the kernel stored where its pointers lead."""
    where, size = call.args[0], call.args[1]
    if size < 64 or not where:
        yield f"{address(where)}, {size}"
        yield ""
        return
    mm = call.mm
    try:
        data = mm.read(where, min(size, 4096))
    except Errno:
        yield f"{address(where)}, {size}"
        yield ""
        return
    values = Struct("<11Q").unpack(data[:88].ljust(88, b"\0"))
    flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup = values
    pieces = [f"flags={flag_names('clone3', flags)}"]
    if flags & CLONE_PIDFD:
        pieces.append(f"pidfd={address(pidfd)}")
    if flags & (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID):
        pieces.append(f"child_tid={address(child_tid)}")
    if flags & CLONE_PARENT_SETTID:
        pieces.append(f"parent_tid={address(parent_tid)}")
    pieces.append(f"exit_signal={signal_name(exit_signal) if exit_signal else '0'}")
    pieces += [f"stack={address(stack)}", f"stack_size={hexadecimal(stack_size)}"]
    if flags & CLONE_SETTLS:
        pieces.append(f"tls={address(tls)}")
    if set_tid or set_tid_size:
        pieces.append(f"set_tid={_ints(call, set_tid, set_tid_size)}")
        pieces.append(f"set_tid_size={set_tid_size}")
    if flags & CLONE_INTO_CGROUP:
        pieces.append(f"cgroup={cgroup}")
    if any(data[88:]):
        pieces.append(f"/* bytes 88..{size - 1} */ {quote_hex(data[88 : 88 + MAX_STRING], len(data) > 88 + MAX_STRING)}")
    yield "{" + ", ".join(pieces) + "}"
    stored = []
    if not call.failed:
        if flags & CLONE_PIDFD:
            stored.append(f"pidfd={STRUCTS['int'](mm, pidfd)}")
        if flags & CLONE_PARENT_SETTID:
            stored.append(f"parent_tid={STRUCTS['int'](mm, parent_tid)}")
    yield (f" => {{{', '.join(stored)}}}" if stored else "") + f", {size}"


def _ints(call: Call, where: int, count: int) -> str:
    if not where or count > 32:
        return address(where)
    return array([str(value) for (value,) in iter_unpack("<i", call.mm.read(where, 4 * count))])


# -- ids --------------------------------------------------------------------------------------------------------------
def group_list(call: Call, value: int, arg: Arg, index: int) -> str:
    """The groups of setgroups(2), or those getgroups(2) has stored; the number stands before, or is the result."""
    count = signed32(call.value if arg.out and call.result is not None else call.args[index - 1])
    if not value or call.failed or not 0 <= count <= 65536 or (arg.out and not call.args[index - 1] & 0xFFFFFFFF):
        return address(value)
    shown = min(count, MAX_ITEMS)
    return array([str(gid) for (gid,) in iter_unpack("<I", call.mm.read(value, 4 * shown))], count > shown)


def cap_sets(call: Call, value: int, arg: Arg, index: int) -> str:
    """The sets of capget(2) and capset(2); the version in the header says how many words they have."""
    if not value or call.failed:
        return address(value)
    version = call.mm.read_u32(call.args[0])
    if version not in ENUMS["cap_version"][1]:
        return address(value)
    return capabilities(call.mm, value, 1 if version == 0x19980330 else 2)


# -- scheduling -------------------------------------------------------------------------------------------------------
def cpuset(call: Call, value: int, arg: Arg, index: int) -> str:
    """A set of processors; its size in bytes is the argument before, or was returned."""
    if not value or call.failed:
        return address(value)
    size = call.value if arg.out and call.result is not None else call.args[index - 1] & 0xFFFFFFFF
    bits = int.from_bytes(call.mm.read(value, min(size, 128)), "little")
    return "[" + " ".join(str(cpu) for cpu in range(8 * min(size, 128)) if bits >> cpu & 1) + "]"


def ioprio_value(value: int) -> str:
    """Return an I/O priority: class and level."""
    return f"IOPRIO_PRIO_VALUE({enum_name('ioprio_class', value >> 13)}, {value & 0x1FFF})"


def ioprio(call: Call, value: int, arg: Arg, index: int) -> str:
    """The I/O priority to be set."""
    return ioprio_value(value & 0xFFFFFFFF)


def time_pointer(call: Call, value: int, arg: Arg, index: int) -> str:
    """The seconds time(2) has stored."""
    if not value or call.failed:
        return address(value)
    return f"[{call.value} /* {date(call.value)} */]"


# -- futex ------------------------------------------------------------------------------------------------------------
FUTEX_PRIVATE, FUTEX_CLOCK_REALTIME = 128, 256
_ARGUMENTS = {
    0: "vt", 1: "v", 2: "v", 3: "vva", 4: "vvav", 5: "vvaw", 6: "t", 7: "", 8: "", 9: "vtx", 10: "vx", 11: "vta", 12: "vvav",
    13: "t",
}  # fmt: skip
"""What follows the operation: v count or value, t timeout, a second address, x bit set, w the operation of FUTEX_WAKE_OP."""


def futex(call: Call) -> Iterator[str]:
    """futex(2): which arguments count depends on the operation."""
    uaddr, operation, val, utime, uaddr2, val3 = call.args
    operation &= 0xFFFFFFFF
    command = operation & ~(FUTEX_PRIVATE | FUTEX_CLOCK_REALTIME)
    name = ENUMS["futex"][1].get(command)
    if name is None:
        shown = f"{operation:#x} /* FUTEX_??? */"
    else:
        shown = name + ("_PRIVATE" if operation & FUTEX_PRIVATE else "")
        shown += "|FUTEX_CLOCK_REALTIME" if operation & FUTEX_CLOCK_REALTIME else ""
    pieces = [address(uaddr), shown]
    kinds = _ARGUMENTS.get(command)
    if kinds is None:
        pieces += [str(val & 0xFFFFFFFF), hexadecimal(utime), hexadecimal(uaddr2), hexadecimal(val3 & 0xFFFFFFFF)]
    else:
        values = iter((val & 0xFFFFFFFF, utime & 0xFFFFFFFF))
        for kind in kinds:
            if kind == "v":
                pieces.append(str(next(values, val3 & 0xFFFFFFFF)))
            elif kind == "t":
                pieces.append(_timeout(call, utime))
            elif kind == "a":
                pieces.append(address(uaddr2))
                values = iter(())
            elif kind == "x":
                pieces.append("FUTEX_BITSET_MATCH_ANY" if val3 & 0xFFFFFFFF == 0xFFFFFFFF else hexadecimal(val3 & 0xFFFFFFFF))
            else:
                pieces.append(_wake_op(val3 & 0xFFFFFFFF))
    yield ", ".join(pieces)
    yield ""


def _timeout(call: Call, where: int) -> str:
    try:
        return STRUCTS["timespec"](call.mm, where) if where else "NULL"
    except Errno:
        return address(where)


def _wake_op(value: int) -> str:
    operation, comparison = value >> 28 & 7, value >> 24 & 15
    shift = "FUTEX_OP_OPARG_SHIFT<<28|" if value >> 31 else ""
    return (
        f"{shift}{enum_name('futex_wake_op', operation)}<<28|{hexadecimal(value >> 12 & 0xFFF)}<<12|"
        f"{enum_name('futex_wake_cmp', comparison)}<<24|{hexadecimal(value & 0xFFF)}"
    )


def futex_waiters(call: Call, value: int, arg: Arg, index: int) -> str:
    """The array of futex_waitv(2)."""
    count = call.args[index + 1] & 0xFFFFFFFF if call.name == "futex_waitv" else 2
    if not value or count > 128:
        return address(value)
    items = [
        f"{{val={hexadecimal(wanted)}, uaddr={address(uaddr)}, flags={flag_names('futex_waitv', bits)}}}"
        for wanted, uaddr, bits, _ in iter_unpack("<QQII", call.mm.read(value, 24 * count))
    ]
    return array(items)


# -- prctl ------------------------------------------------------------------------------------------------------------
_PRCTL_ENUM = {4: "dumpable", 22: "seccomp_mode", 23: "cap", 24: "cap", 26: "tsc"}
_PRCTL_POINTER = {2: "int", 5: "uint", 9: "uint", 11: "uint", 19: "uint", 37: "int", 40: "pointer"}
_PRCTL_NONE = frozenset({3, 7, 13, 21, 27, 30, 31, 32})
_PRCTL_NUMBER = frozenset({8, 10, 12, 14, 20, 29, 36})
_PRCTL_FIVE_NUMBER = frozenset({38, 41, 57})


def prctl(call: Call) -> Iterator[str]:
    """prctl(2): everything depends on the option."""
    option, a, b, c, d = call.args[0] & 0xFFFFFFFF, *call.args[1:5]
    head = enum_name("prctl", option)
    rest = ", ".join(map(hexadecimal, (b, c, d)))
    mm = call.mm
    if option in _PRCTL_POINTER or option in (16, 25):
        yield head + ", "
        if call.failed or not a:
            yield address(a)
        elif option == 16:
            yield cstring(mm, a, 16)
        elif option == 2:
            signo = mm.read_u32(a)
            yield f"[{signal_name(signo) if signo else '0'}]"
        elif option == 25:
            yield f"[{enum_name('tsc', mm.read_u32(a))}]"
        else:
            yield STRUCTS[_PRCTL_POINTER[option]](mm, a)
        return
    if option in _PRCTL_NONE:
        pieces = []
    elif option in _PRCTL_ENUM:
        pieces = [enum_name(_PRCTL_ENUM[option], a)]
        if option == 22 and a != 1:
            pieces.append(filter_program(mm, b) if a == 2 else rest)
    elif option == 1:
        pieces = [signal_name(a) if a else "0"]
    elif option == 15:
        pieces = [_name(call, a, 15)]
    elif option == 28:
        pieces = [flag_names("securebits", a)]
    elif option in _PRCTL_NUMBER:
        pieces = [str(a)]
    elif option in _PRCTL_FIVE_NUMBER:
        pieces = [str(a), rest]
    elif option == 35:
        pieces = [enum_name("prctl_mm", a), rest]
    elif option == 47:
        operand = enum_name("cap", b) if a != 4 else hexadecimal(b)
        pieces = [enum_name("cap_ambient", a), operand, hexadecimal(c), hexadecimal(d)]
    elif option == 0x53564D41:
        pieces = [enum_name("prctl_vma", a), address(b), str(c), _name(call, d, 80)]
    elif option == 0x59616D61:
        pieces = ["PR_SET_PTRACER_ANY" if signed32(a) == -1 else str(signed32(a))]
    else:
        pieces = [hexadecimal(a), rest]
    yield ", ".join([head, *pieces])
    yield ""


def _name(call: Call, where: int, limit: int) -> str:
    """A name of at most ``limit`` bytes."""
    try:
        return cstring(call.mm, where, limit)
    except Errno:
        return address(where)


def prctl_result(call: Call) -> str:
    """The result of prctl(2), with its meaning in parentheses."""
    option, value = call.args[0] & 0xFFFFFFFF, call.value
    if option == 3:
        return f"{value} ({enum_name('dumpable', value)})"
    if option == 27 and value:
        return f"{value:#x} ({flag_names('securebits', value)})"
    return str(value)


def arch_prctl(call: Call) -> Iterator[str]:
    """arch_prctl(2): sets an address, or stores one."""
    code, value = call.args[0] & 0xFFFFFFFF, call.args[1]
    head = enum_name("arch_prctl", code)
    if code in (0x1003, 0x1004):
        yield head + ", "
        yield address(value) if call.failed or not value else f"[{hexadecimal(call.mm.read_u64(value))}]"
    else:
        yield head if code == 0x1011 else f"{head}, {hexadecimal(value)}"
        yield ""


# -- others -----------------------------------------------------------------------------------------------------------
def mremap(call: Call) -> Iterator[str]:
    """mremap(2): the new address only counts with MREMAP_FIXED or MREMAP_DONTUNMAP."""
    old, old_size, new_size, flags, new = call.args[:5]
    tail = f", {address(new)}" if flags & 6 else ""
    yield f"{address(old)}, {old_size}, {new_size}, {flag_names('mremap', flags)}{tail}"
    yield ""


def membarrier(call: Call) -> Iterator[str]:
    """membarrier(2): the processor only counts with its flag."""
    command, flags, cpu = (value & 0xFFFFFFFF for value in call.args[:3])
    tail = f", {signed32(cpu)}" if flags & 1 else ""
    yield f"{enum_name('membarrier', command)}, {flag_names('membarrier_flags', flags)}{tail}"
    yield ""


def membarrier_result(call: Call) -> str:
    """MEMBARRIER_CMD_QUERY returns the set of commands there are."""
    if call.args[0] & 0xFFFFFFFF or not call.value:
        return str(call.value)
    names = ENUMS["membarrier"][1]
    known = [name for bit, name in names.items() if bit and bit < 0x200 and call.value & bit]
    rest = call.value & ~0x1FF
    return f"{call.value:#x} ({'|'.join([*known, hexadecimal(rest)] if rest else known)})"


def ipc_key(call: Call, value: int, arg: Arg, index: int) -> str:
    """The key of a System V object."""
    return hexadecimal(value & 0xFFFF_FFFF) if value & 0xFFFF_FFFF else "IPC_PRIVATE"


def ipc_flags(call: Call, value: int, arg: Arg, index: int) -> str:
    """How to get a System V object: flags and, always, the permissions."""
    bits = value & 0xFFFF_FFFF & ~0o777
    mode = f"0{value & 0o777:02o}"
    return f"{flag_names('ipc_get', bits)}|{mode}" if bits else mode


def kcmp(call: Call) -> Iterator[str]:
    """kcmp(2): the descriptors only count when files are compared."""
    first, second, kind = signed32(call.args[0]), signed32(call.args[1]), call.args[2] & 0xFFFFFFFF
    tail = ""
    if not 1 <= kind <= 7:
        tail = f", {call.args[3]}, {call.args[4]}"
    elif kind == 7:
        tail = f", {call.args[3]}, {address(call.args[4])}"
    yield f"{first}, {second}, {enum_name('kcmp', kind)}{tail}"
    yield ""


def syslog(call: Call) -> Iterator[str]:
    """syslog(2): most actions have no buffer."""
    action, where, length = signed32(call.args[0]), call.args[1], signed32(call.args[2])
    name = ENUMS["syslog"][1].get(action, ENUMS["syslog"][0])
    head = f"{action} /* {name} */"
    if action in (2, 3, 4):
        yield head + ", "
        yield f"{address(where) if call.failed else buffer(call.mm, where, call.value)}, {length}"
    elif action == 8:
        yield f"{head}, {address(where)}, {length}"
        yield ""
    else:
        yield head
        yield ""


def personality_text(value: int) -> str:
    """Return an execution domain and its bits."""
    bits = value & ~0xFF
    name = enum_name("personality", value & 0xFF)
    return f"{name}|{flag_names('personality_bits', bits)}" if bits else name


def personality(call: Call, value: int, arg: Arg, index: int) -> str:
    """The argument of personality(2); 0xffffffff asks."""
    value &= 0xFFFFFFFF
    return "0xffffffff" if value == 0xFFFFFFFF else personality_text(value)
