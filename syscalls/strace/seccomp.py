"""seccomp(2), its filters and the notifications of a listener as strace(1) shows them."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import TYPE_CHECKING, Final

from kernel.errno import NAME_OF, Errno
from kernel.seccomp_notify import (
    IOCTL_ID_VALID,
    IOCTL_ID_VALID_WRONG_DIR,
    IOCTL_RECV,
    IOCTL_SEND,
    NOTIF_SIZE,
)
from syscalls.numbers import NAMES
from syscalls.strace.text import address, enum_name, flag_names, hexadecimal, open_flags, signed32

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from syscalls.strace.call import Call

_FPROG: Final = Struct("<H6xQ")
_NOTIF: Final = Struct("<QIIIIQ6Q")
_RESPONSE: Final = Struct("<QqiI")
_ADDFD: Final = Struct("<QIIII")
IOCTL_ADDFD: Final = 0x4018_2103
_SIZES: Final = {
    IOCTL_RECV: NOTIF_SIZE,
    IOCTL_SEND: _RESPONSE.size,
    IOCTL_ID_VALID: 8,
    IOCTL_ID_VALID_WRONG_DIR: 8,
    IOCTL_ADDFD: _ADDFD.size,
}
IOCTLS: Final = frozenset(_SIZES)


def filter_program(mm: AddressSpace, where: int) -> str:
    """``struct sock_fprog``: how long the filter is and where it lies."""
    if not where:
        return "NULL"
    try:
        length, program = _FPROG.unpack(mm.read(where, _FPROG.size))
    except Errno:
        return address(where)
    return f"{{len={length}, filter={address(program)}}}"


def seccomp(call: Call) -> Iterator[str]:
    """seccomp(2): flags and argument depend on the operation."""
    operation, flags, where = call.args[0] & 0xFFFFFFFF, call.args[1] & 0xFFFFFFFF, call.args[2]
    name = enum_name("seccomp_op", operation)
    head = f"{name}, {flag_names('seccomp_filter_flags', flags) if operation == 1 else hexadecimal(flags)}, "
    if operation == 3:
        yield head
        yield address(where) if call.failed else _sizes(call.mm.read(where, 6))
        return
    if operation == 1:
        text = filter_program(call.mm, where)
    elif operation == 2:
        try:
            text = f"[{enum_name('seccomp_ret', call.mm.read_u32(where))}]"
        except Errno:
            text = address(where)
    else:
        text = address(where)
    yield head + text
    yield ""


def _sizes(data: bytes) -> str:
    sizes = (int.from_bytes(data[at : at + 2], "little") for at in (0, 2, 4))
    return "{{seccomp_notif={}, seccomp_notif_resp={}, seccomp_data={}}}".format(*sizes)


# -- ioctls of a listener ---------------------------------------------------------------------------------------------
def ioctl(call: Call, head: str) -> Iterator[str]:
    """The third argument of a listener's ioctl; ``head``: what comes before it."""
    command, where = call.args[1] & 0xFFFFFFFF, call.args[2]
    mm = call.mm
    try:
        before = mm.read(where, _SIZES[command])
    except Errno:
        yield f"{head}, {address(where)}"
        yield ""
        return
    if command == IOCTL_RECV:
        if any(before):
            yield f"{head}, {_notification(before)}"
            yield f" => {address(where) if call.failed else _notification(mm.read(where, NOTIF_SIZE))}"
        else:
            yield f"{head}, "
            yield address(where) if call.failed else _notification(mm.read(where, NOTIF_SIZE))
        return
    if command == IOCTL_SEND:
        number, value, error, flags = _RESPONSE.unpack(before)
        name = f"-{NAME_OF[-error]}" if -error in NAME_OF else str(error)
        shown = flag_names("seccomp_notif_flags", flags)
        text = f"{{id={hexadecimal(number)}, val={value}, error={name}, flags={shown}}}"
    elif command == IOCTL_ADDFD:
        number, flags, source, fd, fd_flags = _ADDFD.unpack(before)
        text = (
            f"{{id={hexadecimal(number)}, flags={flag_names('seccomp_addfd_flags', flags)}, srcfd={signed32(source)}, "
            f"newfd={signed32(fd)}, newfd_flags={open_flags(fd_flags).removeprefix('O_RDONLY|') if fd_flags else '0'}}}"
        )
    else:
        text = f"[{hexadecimal(int.from_bytes(before, 'little'))}]"
    yield f"{head}, {text}"
    yield ""


def _notification(image: bytes) -> str:
    number, pid, flags, nr, arch, rip, *args = _NOTIF.unpack(image)
    name = f"__NR_{NAMES[nr]}" if arch and nr in NAMES else signed32(nr)
    data = f"{{nr={name}, arch={enum_name('audit_arch', arch)}, instruction_pointer={address(rip)}"
    shown = ", ".join(map(hexadecimal, args))
    return f"{{id={hexadecimal(number)}, pid={pid}, flags={hexadecimal(flags)}, data={data}, args=[{shown}]}}}}"
