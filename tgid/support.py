"""``tgid syscalls``: which system calls there are, from the table that dispatches them."""

from __future__ import annotations

import sys

from syscalls.families import table
from syscalls.flags import ENUMS, FLAGS
from syscalls.numbers import NAMES
from syscalls.table import Syscall
from syscalls.types import Arg

NOT_CONFIGURED = "absent"
"""The family of calls that exist, but answer ENOSYS as on a Linux built without them."""

_TYPES = {
    "int": "int", "uint": "unsigned int", "hex": "unsigned long", "hex32": "unsigned int", "address": "void *", "fd": "int",
    "dirfd": "int", "pid": "pid_t", "uid": "uid_t", "mode": "mode_t", "create_mode": "mode_t", "file_mode": "mode_t",
    "device": "dev_t", "signal": "int", "statx_flags": "int", "personality": "unsigned long", "ioprio": "int",
    "socket_type": "int", "protocol": "int", "futex_op": "int", "ioctl_cmd": "unsigned long", "hidden": "unsigned long",
    "path": "const char *", "cstring": "const char *", "inbuf": "const void *", "outbuf": "void *", "outname": "char *",
    "outpath": "char *", "random_bytes": "void *", "strings": "char *const[]", "environment": "char *const[]",
    "iovec_in": "const struct iovec *", "iovec_out": "const struct iovec *", "iovec_bare": "const struct iovec *",
    "dirents": "struct dirent *", "pipefds": "int[2]", "residency": "unsigned char *", "pollfds": "struct pollfd *",
    "fdset": "fd_set *", "sigmask_pair": "const struct sigset_argpack *", "epoll_event": "struct epoll_event *",
    "epoll_events": "struct epoll_event *", "timespecs": "const struct timespec[2]", "timevals": "const struct timeval[2]",
    "remaining": "struct timespec *", "time_ptr": "time_t *", "sigset": "sigset_t *", "sigaction": "struct sigaction *",
    "stack_t": "stack_t *", "siginfo": "siginfo_t *", "wait_status": "int *", "group_list": "gid_t *",
    "cap_sets": "struct __user_cap_data_struct *", "cpuset": "cpu_set_t *", "futex_waiters": "struct futex_waitv *",
    "sockaddr": "struct sockaddr *", "message": "struct msghdr *", "messages_sent": "struct mmsghdr *",
    "messages_received": "struct mmsghdr *", "clone_args": "struct clone_args *", "fcntl_arg": "unsigned long",
    "ioctl_arg": "unsigned long", "prctl_arg": "unsigned long", "ipc_key": "key_t", "ipc_flags": "int",
    "seccomp_flags": "unsigned int", "seccomp_args": "void *",
}  # fmt: skip
"""``Arg.show`` -> the C type of the argument."""
_NO_STRUCTS = frozenset(
    {"int", "uint", "loff_t", "size_t", "pointer", "char", "siginfo_t", "stack_t", "sigset_t", "cap_header", "cap_data"}
)
_STRUCT_TYPES = {"uint": "unsigned int", "pointer": "void *", "cap_header": "struct __user_cap_header_struct"}


def c_type(arg: Arg) -> str:
    """Return the C type of an argument."""
    if arg.show == "struct":
        name = str(arg.data)
        text = _STRUCT_TYPES.get(name, name if name in _NO_STRUCTS else f"struct {name}")
        return f"{'' if arg.out else 'const '}{text} *"
    narrow = "0xffffffff" in arg.decode
    if arg.show in ("flags", "enum"):
        return "int" if narrow else "unsigned long"
    if arg.show in ("int", "uint") and not narrow:
        return "long" if arg.show == "int" else "unsigned long"
    return _TYPES[arg.show]


def constants(arg: Arg) -> str:
    """Return what the names of the constants an argument takes look like: "O_*"; "" if it takes none."""
    if arg.show not in ("flags", "enum"):
        return ""
    name = str(arg.data)
    table = {"open_bits": "open", "mmap_flags": "mmap"}.get(name, name)
    unknown = FLAGS[table].unknown if table in FLAGS else ENUMS[table][0]
    return unknown.replace("???", "*").replace("?_", "*_")


def prototype(entry: Syscall) -> str:
    """Return ``lseek(int fd, long offset, int whence /* SEEK_* */)``."""
    pieces = []
    for name, arg in entry.args:
        if arg.show == "hidden":
            continue
        kind, name = c_type(arg), name.rstrip("_")
        base, bracket, dimension = kind.partition("[")
        text = f"{base}{name}" if base.endswith("*") and not bracket else f"{base} {name}{bracket}{dimension}"
        names = constants(arg)
        pieces.append(f"{text} /* {names} */" if names else text)
    return f"{entry.name}({', '.join(pieces) or 'void'})"


def print_support(all: bool) -> int:
    """Print the table of calls and how many of those Linux has are there; with ``all`` also what is missing.  Return 0."""
    entries = table().entries
    rows = []
    counts = {"yes": 0, "enosys": 0, "no": 0}
    for number, name in sorted(NAMES.items()):
        entry = entries[number] if number < len(entries) else None
        if entry is None:
            counts["no"] += 1
            if all:
                rows.append((number, name, "-", f"{name}: not supported, ENOSYS"))
        elif entry.family == NOT_CONFIGURED:
            counts["enosys"] += 1
            if all:
                rows.append((number, name, "-", f"{name}: not configured, ENOSYS"))
        else:
            counts["yes"] += 1
            rows.append((number, name, entry.family, prototype(entry)))
    out = sys.stdout
    print(f"{'nr':>3} {'family':9} call", file=out)
    for number, _, family, text in rows:
        print(f"{number:3} {family:9} {text}", file=out)
    print(
        f"\n{counts['yes']} of {len(NAMES)} system calls are supported; {counts['enosys']} answer ENOSYS as on a Linux configured"
        f" without them, {counts['no']} are missing (ENOSYS, named on standard error).",
        file=out,
    )
    if not all and counts["enosys"] + counts["no"]:
        print("tgid syscalls --all lists those too.", file=out)
    return 0
