"""From an entry of the system-call table to the text of one call."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.signal import signal_name
from syscalls.strace import files, process, seccomp, signals, sockets, structs
from syscalls.strace.call import ArgFormatter, Call, CallFormatter, StructFormatter
from syscalls.strace.text import (
    address,
    cstring,
    enum_name,
    flag_names,
    hexadecimal,
    mmap_flags,
    octal,
    open_flags,
    signed32,
    signed64,
)

if TYPE_CHECKING:
    from kernel.task import Thread
    from syscalls.table import Syscall
    from syscalls.types import Arg

AT_FDCWD = -100


def show_call(entry: Syscall | None, number: int, t: Thread, args: tuple[int, ...]) -> Call:
    """Begin to show a call at its entry: ``text`` is all that can be shown yet."""
    if entry is None or entry.family == "absent":
        call = Call(t, None, f"syscall_{number:#x}" if entry is None else entry.name, args)
        call.text = ", ".join(hexadecimal(value) for value in args[: ARITY.get(call.name, 6)])
        return call
    call = Call(t, entry, entry.name, args)
    whole = WHOLE.get(entry.name)
    if whole is not None:
        call.rest = whole(call)
        try:
            call.text = next(call.rest)
            return call
        except (Errno, struct.error):
            call.rest = None
    pieces = []
    for index, (_, arg) in enumerate(entry.args):
        if arg.out:
            break
        call.position = index + 1
        text = _show(call, arg, index)
        if text is None:
            call.position = len(entry.args)
            break
        pieces.append(text)
    call.text = ", ".join(filter(None, pieces))
    if pieces and call.position < len(entry.args):
        call.text += ", "
    return call


def show_rest(call: Call, result: int) -> str:
    """The call has returned ``result``: return the text of the arguments that were not shown yet."""
    call.result = result
    if call.rest is not None:
        try:
            return next(call.rest)
        except (Errno, struct.error, StopIteration):
            return ""
    if call.entry is None:
        return ""
    pieces = []
    arguments = call.entry.args
    for index in range(call.position, len(arguments)):
        text = _show(call, arguments[index][1], index)
        if text is None:
            break
        pieces.append(text)
    return ", ".join(filter(None, pieces))


def _show(call: Call, arg: Arg, index: int) -> str | None:
    value = call.args[index]
    try:
        return ARGS[arg.show](call, value, arg, index)
    except (Errno, struct.error):
        return address(value)


# -- plain arguments --------------------------------------------------------------------------------------------------
def _is_32(arg: Arg) -> bool:
    return "0xffffffff" in arg.decode


def _int(call: Call, value: int, arg: Arg, index: int) -> str:
    return str(signed32(value) if _is_32(arg) else signed64(value))


def _uint(call: Call, value: int, arg: Arg, index: int) -> str:
    return str(value & 0xFFFFFFFF if _is_32(arg) else value)


def _hex(call: Call, value: int, arg: Arg, index: int) -> str:
    return hexadecimal(value & 0xFFFFFFFF if _is_32(arg) else value)


def _address(call: Call, value: int, arg: Arg, index: int) -> str:
    return address(value)


def _fd(call: Call, value: int, arg: Arg, index: int) -> str:
    return str(signed32(value))


def _dirfd(call: Call, value: int, arg: Arg, index: int) -> str:
    fd = signed32(value)
    return "AT_FDCWD" if fd == AT_FDCWD else str(fd)


def _uid(call: Call, value: int, arg: Arg, index: int) -> str:
    uid = value & 0xFFFFFFFF
    return "-1" if uid == 0xFFFFFFFF else str(uid)


def _mode(call: Call, value: int, arg: Arg, index: int) -> str:
    return octal(value & 0xFFFF)


def _signal(call: Call, value: int, arg: Arg, index: int) -> str:
    return signal_name(signed32(value)) if value & 0xFFFFFFFF else "0"


def _flags(call: Call, value: int, arg: Arg, index: int) -> str:
    if _is_32(arg):
        value &= 0xFFFFFFFF
    table = str(arg.data)
    special = SPECIAL_FLAGS.get(table)
    return special(value) if special is not None else flag_names(table, value)


def _open_bits(value: int) -> str:
    return flag_names("open", value)


SPECIAL_FLAGS: dict[str, Callable[[int], str]] = {"open": open_flags, "open_bits": _open_bits, "mmap_flags": mmap_flags}
"""Tables that are not a plain set of bits."""


def _enum(call: Call, value: int, arg: Arg, index: int) -> str:
    return enum_name(str(arg.data), value & 0xFFFFFFFF if _is_32(arg) else value)


def _path(call: Call, value: int, arg: Arg, index: int) -> str:
    return cstring(call.mm, value)


def _cstring(call: Call, value: int, arg: Arg, index: int) -> str:
    return cstring(call.mm, value, 32)


def _struct(call: Call, value: int, arg: Arg, index: int) -> str:
    if not value or (arg.out and call.failed):
        return address(value)
    return STRUCTS[str(arg.data)](call.mm, value)


def _structure(name: str) -> ArgFormatter:
    """Return a formatter of its own name for a structure."""

    def show(call: Call, value: int, arg: Arg, index: int) -> str:
        if not value or (arg.out and call.failed):
            return address(value)
        return STRUCTS[name](call.mm, value)

    return show


def _sigset(call: Call, value: int, arg: Arg, index: int) -> str:
    return address(value) if arg.out and call.failed else signals.sigset(call, value, arg, index)


def _received_siginfo(call: Call, value: int, arg: Arg, index: int) -> str:
    return address(value) if call.failed or not value else STRUCTS["siginfo_t"](call.mm, value)


def _remaining(call: Call, value: int, arg: Arg, index: int) -> str:
    """What an interrupted sleep had left: stored only if it was interrupted."""
    if value and call.result in (-516, -4, -514):
        return STRUCTS["timespec"](call.mm, value)
    return address(value)


def _sigmask_pair(call: Call, value: int, arg: Arg, index: int) -> str:
    """The last argument of pselect6(2): a signal set and its size."""
    if not value:
        return "NULL"
    mask, size = struct.unpack("<QQ", call.mm.read(value, 16))
    return f"{{sigmask={signals.sigset_at(call.mm, mask, size)}, sigsetsize={size}}}"


ARITY: dict[str, int] = {
    **dict.fromkeys(("acct", "iopl", "swapoff", "uselib", "userfaultfd", "io_destroy", "epoll_wait_old"), 1),
    **dict.fromkeys(("swapon", "io_setup", "fanotify_init", "io_uring_setup", "landlock_restrict_self", "delete_module"), 2),
    **dict.fromkeys(("ioperm", "modify_ldt", "init_module", "finit_module", "io_submit", "io_cancel", "bpf"), 3),
    **dict.fromkeys(("quotactl", "kexec_load", "request_key", "io_uring_register", "landlock_add_rule"), 4),
    **dict.fromkeys(("add_key", "keyctl", "perf_event_open", "fanotify_mark", "io_getevents", "kexec_file_load"), 5),
}
"""How many registers matter to calls that are not configured; 6 if nothing is known."""

STRUCTS: dict[str, StructFormatter] = {**structs.STRUCTS, **signals.STRUCTS}

ARGS: dict[str, ArgFormatter] = {
    "int": _int,
    "uint": _uint,
    "hex": _hex,
    "hex32": _hex,
    "hidden": lambda call, value, arg, index: "",
    "address": _address,
    "fd": _fd,
    "dirfd": _dirfd,
    "pid": _int,
    "uid": _uid,
    "mode": _mode,
    "create_mode": files.create_mode,
    "file_mode": files.file_mode,
    "device": files.device_number,
    "signal": _signal,
    "flags": _flags,
    "enum": _enum,
    "statx_flags": files.statx_flags,
    "path": _path,
    "cstring": _cstring,
    "inbuf": files.inbuf,
    "outbuf": files.outbuf,
    "random_bytes": files.random_bytes,
    "outname": files.out_name,
    "outpath": files.outbuf,
    "iovec_in": files.iovec_in,
    "low_first": files.low_first,
    "high_first": files.high_first,
    "iovec_out": files.iovec_out,
    "iovec_bare": files.iovec_bare,
    "dirents": files.dirents,
    "pipefds": files.descriptors,
    "residency": files.residency,
    "pollfds": files.pollfds,
    "fdset": files.fdset,
    "sigmask_pair": _sigmask_pair,
    "epoll_event": _structure("epoll_event"),
    "epoll_events": files.epoll_events,
    "struct": _struct,
    "timespecs": lambda call, value, arg, index: structs.timespecs(call.mm, value) if value else "NULL",
    "timevals": lambda call, value, arg, index: structs.timevals(call.mm, value) if value else "NULL",
    "remaining": _remaining,
    "time_ptr": process.time_pointer,
    "sigset": _sigset,
    "sigaction": _structure("sigaction"),
    "stack_t": _structure("stack_t"),
    "siginfo": _received_siginfo,
    "wait_status": signals.wait_status,
    "strings": process.strings,
    "environment": process.environment,
    "group_list": process.group_list,
    "cap_sets": process.cap_sets,
    "cpuset": process.cpuset,
    "ipc_key": process.ipc_key,
    "ipc_flags": process.ipc_flags,
    "ioprio": process.ioprio,
    "futex_waiters": process.futex_waiters,
    "personality": process.personality,
    "socket_type": sockets.socket_type,
    "protocol": sockets.protocol,
    "sockaddr": sockets.sockaddr,
    "message": sockets.message_in,
    "messages_sent": sockets.messages_sent,
    "messages_received": sockets.messages_received,
    # Arguments of the calls in WHOLE; what is left to say if their memory cannot be read.
    "clone_args": _address,
    "futex_op": _hex,
    "fcntl_arg": _hex,
    "ioctl_cmd": _hex,
    "ioctl_arg": _hex,
    "prctl_arg": _hex,
    "seccomp_flags": _hex,
    "seccomp_args": _address,
}
"""``Arg.show`` -> formatter."""

WHOLE: dict[str, CallFormatter] = {
    "clone": process.clone,
    "clone3": process.clone3,
    "futex": process.futex,
    "fcntl": files.fcntl,
    "ioctl": files.ioctl,
    "prctl": process.prctl,
    "seccomp": seccomp.seccomp,
    "arch_prctl": process.arch_prctl,
    "mremap": process.mremap,
    "membarrier": process.membarrier,
    "kcmp": process.kcmp,
    "syslog": process.syslog,
    "rt_sigreturn": signals.rt_sigreturn,
    **dict.fromkeys(("accept", "accept4", "getsockname", "getpeername"), sockets.name_of_socket),
    "sendfile": files.sendfile,
    "recvfrom": sockets.recvfrom,
    "recvmsg": sockets.recvmsg,
    "setsockopt": sockets.setsockopt,
    "getsockopt": sockets.getsockopt,
}
"""Name -> formatter of a call whose arguments depend on each other."""
