"""Structures in user memory as strace(1) prints them, abbreviated where strace abbreviates.

A structure is declared as data: its layout (struct module codes) and what to call and how to print each field.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING

from syscalls.flags import ENUMS
from syscalls.strace.text import (
    address,
    array,
    cstring,
    date,
    device,
    enum_name,
    flag_names,
    hexadecimal,
    mode_text,
    open_flags,
    quote,
)

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from syscalls.strace.call import StructFormatter

Show = Callable[[int], str]

_TWO_LONGS = Struct("<qq")
_TWO_INTS = Struct("<ii")
_FOUR_LONGS = Struct("<qqqq")


def _record(layout: str, *fields: tuple[str, Show], more: bool = False) -> StructFormatter:
    """Return a formatter for a struct: ``layout`` in struct codes (pads included), one (name, show) per value.

    A field without a name is not printed.  ``more``: end with "..." as strace does where it abbreviates.
    """
    packed = Struct("<" + layout)

    def show(mm: AddressSpace, where: int) -> str:
        values = packed.unpack(mm.read(where, packed.size))
        pieces = [f"{name}={text(value)}" for (name, text), value in zip(fields, values, strict=True) if name]
        return "{" + ", ".join([*pieces, "..."] if more else pieces) + "}"

    return show


def _flags(table: str) -> Show:
    return lambda value: flag_names(table, value)


def _enum(table: str) -> Show:
    return lambda value: enum_name(table, value)


# -- time -------------------------------------------------------------------------------------------------------------
def timespec_text(seconds: int, nanoseconds: int) -> str:
    """Return ``{tv_sec=..., tv_nsec=...}``; strace prints the fraction unsigned."""
    return f"{{tv_sec={seconds}, tv_nsec={nanoseconds % (1 << 64)}}}"


def timeval_text(seconds: int, microseconds: int) -> str:
    """Return ``{tv_sec=..., tv_usec=...}``."""
    return f"{{tv_sec={seconds}, tv_usec={microseconds % (1 << 64)}}}"


def _pair(text: Callable[[int, int], str], layout: Struct = _TWO_LONGS) -> StructFormatter:
    return lambda mm, where: text(*layout.unpack(mm.read(where, layout.size)))


def _interval(text: Callable[[int, int], str]) -> StructFormatter:
    def show(mm: AddressSpace, where: int) -> str:
        a, b, c, d = _FOUR_LONGS.unpack(mm.read(where, 32))
        return f"{{it_interval={text(a, b)}, it_value={text(c, d)}}}"

    return show


UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2


def timespecs(mm: AddressSpace, where: int) -> str:
    """The two times of utimensat(2), with dates."""
    values = _FOUR_LONGS.unpack(mm.read(where, 32))
    items = []
    for seconds, fraction in (values[:2], values[2:]):
        if fraction in (UTIME_NOW, UTIME_OMIT):
            items.append("UTIME_NOW" if fraction == UTIME_NOW else "UTIME_OMIT")
        else:
            items.append(f"{timespec_text(seconds, fraction)} /* {date(seconds, f'.{fraction:09d}')} */")
    return array(items)


def timevals(mm: AddressSpace, where: int) -> str:
    """The two times of utimes(2), with dates."""
    a, b, c, d = _FOUR_LONGS.unpack(mm.read(where, 32))
    return array([f"{timeval_text(s, us)} /* {date(s, f'.{us:06d}')} */" for s, us in ((a, b), (c, d))])


def _utimbuf(mm: AddressSpace, where: int) -> str:
    actime, modtime = _TWO_LONGS.unpack(mm.read(where, 16))
    return f"{{actime={actime} /* {date(actime)} */, modtime={modtime} /* {date(modtime)} */}}"


_TIMEX = Struct("<I4xqqqqi4xqqqqqqqqqi4xqqqqi44x")


_TIMEX_FIELDS = (
    "modes", "offset", "freq", "maxerror", "esterror", "status", "constant", "precision", "tolerance", "time", "usec", "tick",
    "ppsfreq", "jitter", "shift", "stabil", "jitcnt", "calcnt", "errcnt", "stbcnt", "tai",
)  # fmt: skip


def _timex(mm: AddressSpace, where: int) -> str:
    values = _TIMEX.unpack(mm.read(where, _TIMEX.size))
    pieces = []
    for name, value in zip(_TIMEX_FIELDS, values, strict=True):
        if name == "time":
            seconds = value
        elif name == "usec":
            pieces.append(f"time={timeval_text(seconds, value)}")
        elif name in ("modes", "status"):
            pieces.append(f"{name}={flag_names(f'timex_{name}', value)}")
        else:
            pieces.append(f"{name}={value}")
    return "{" + ", ".join(pieces) + "}"


# -- files ------------------------------------------------------------------------------------------------------------
_STAT = Struct("<QQQIII4xQq")


_STAT64_IA32 = Struct("<16xI12xQ4xQ")
"""st_mode, st_rdev and st_size of i386."""


def _stat(mm: AddressSpace, where: int) -> str:
    _, _, _, mode, _, _, rdev, size = _STAT.unpack(mm.read(where, _STAT.size))
    return _stat_text(mode, rdev, size)


def _stat_text(mode: int, rdev: int, size: int) -> str:
    if mode & 0o170000 in (0o020000, 0o060000):
        return f"{{st_mode={mode_text(mode)}, st_rdev={device(rdev)}, ...}}"
    return f"{{st_mode={mode_text(mode)}, st_size={size}, ...}}"


_STATFS = Struct("<qq5QIIqqq")


def _statfs(mm: AddressSpace, where: int) -> str:
    values = _STATFS.unpack(mm.read(where, _STATFS.size))
    kind, bsize, blocks, bfree, bavail, files, ffree, low, high, namelen, frsize, mount = values
    magic = ENUMS["fs_magic"][1].get(kind, hexadecimal(kind))
    return (
        f"{{f_type={magic}, f_bsize={bsize}, f_blocks={blocks}, f_bfree={bfree}, f_bavail={bavail}, f_files={files}, "
        f"f_ffree={ffree}, f_fsid={{val=[{hexadecimal(low)}, {hexadecimal(high)}]}}, f_namelen={namelen}, f_frsize={frsize}, "
        f"f_flags={flag_names('statfs_flags', mount)}}}"
    )


def _open_how(mm: AddressSpace, where: int) -> str:
    flags, mode, resolve = Struct("<QQQ").unpack(mm.read(where, 24))
    created = f", mode={mode_text(mode)}" if flags & 0o100 or flags & 0o20200000 == 0o20200000 else ""
    return f"{{flags={open_flags(flags)}{created}, resolve={flag_names('resolve', resolve)}}}"


_FLOCK = Struct("<hh4xqqi")


def flock_text(mm: AddressSpace, where: int, with_pid: bool) -> str:
    """A ``struct flock``; ``l_pid`` is shown only where the kernel fills it."""
    kind, whence, start, length, pid = _FLOCK.unpack(mm.read(where, _FLOCK.size))
    tail = f", l_pid={pid}" if with_pid else ""
    head = f"l_type={enum_name('lock_type', kind)}, l_whence={enum_name('whence', whence)}"
    return f"{{{head}, l_start={start}, l_len={length}{tail}}}"


# -- processes --------------------------------------------------------------------------------------------------------
RLIM_INFINITY = (1 << 64) - 1


def _limit(value: int) -> str:
    if value == RLIM_INFINITY:
        return "RLIM64_INFINITY"
    return f"{value // 1024}*1024" if value > 1024 and not value % 1024 else str(value)


def _rusage(mm: AddressSpace, where: int) -> str:
    a, b, c, d = _FOUR_LONGS.unpack(mm.read(where, 32))
    return f"{{ru_utime={timeval_text(a, b)}, ru_stime={timeval_text(c, d)}, ...}}"


def _utsname(mm: AddressSpace, where: int) -> str:
    return f"{{sysname={cstring(mm, where, 64)}, nodename={cstring(mm, where + 65, 64)}, ...}}"


_SYSINFO = Struct("<q3QQQQQQQHxx4xQQI")


_SYSINFO_FIELDS = (
    "totalram", "freeram", "sharedram", "bufferram", "totalswap", "freeswap", "procs", "totalhigh", "freehigh", "mem_unit",
)  # fmt: skip


def _sysinfo(mm: AddressSpace, where: int) -> str:
    values = _SYSINFO.unpack(mm.read(where, _SYSINFO.size))
    rest = ", ".join(f"{name}={value}" for name, value in zip(_SYSINFO_FIELDS, values[4:], strict=True))
    return f"{{uptime={values[0]}, loads=[{', '.join(map(str, values[1:4]))}], {rest}}}"


_SIGEVENT = Struct("<Qiii")


def sigevent(mm: AddressSpace, where: int) -> str:
    """A ``struct sigevent``: the signal by name where it is one that will be sent."""
    from kernel.signal import signal_name

    value, signo, notify, tid = _SIGEVENT.unpack(mm.read(where, _SIGEVENT.size))
    number = value & 0xFFFFFFFF
    number -= (number & 0x80000000) << 1
    named = signal_name(signo) if notify in (0, 4) else str(signo)
    tail = f", sigev_notify_thread_id={tid}" if notify == 4 else ""
    return (
        f"{{sigev_value={{sival_int={number}, sival_ptr={address(value)}}}, sigev_signo={named}, "
        f"sigev_notify={enum_name('sigev', notify)}{tail}}}"
    )


def _sched_attr(mm: AddressSpace, where: int) -> str:
    size = mm.read_u32(where)
    policy, bits, nice, priority, runtime, deadline, period = Struct("<IQiIQQQ").unpack(mm.read(where + 4, 44))
    return (
        f"{{size={size}, sched_policy={enum_name('sched_policy', policy)}, sched_flags={flag_names('sched_attr', bits)}, "
        f"sched_nice={nice}, sched_priority={priority}, sched_runtime={runtime}, sched_deadline={deadline}, "
        f"sched_period={period}}}"
    )


# -- terminals --------------------------------------------------------------------------------------------------------
_TERMIOS = Struct("<IIII")
_SIZES = ("CS5", "CS6", "CS7", "CS8")


def _termios(mm: AddressSpace, where: int) -> str:
    iflag, oflag, cflag, lflag = _TERMIOS.unpack(mm.read(where, 16))
    tabs = "XTABS" if oflag >> 11 & 3 == 3 else f"TAB{oflag >> 11 & 3}"
    delays = f"NL{oflag >> 8 & 1}|CR{oflag >> 9 & 3}|{tabs}|BS{oflag >> 13 & 1}|VT{oflag >> 14 & 1}|FF{oflag >> 15 & 1}"
    speed = enum_name("baud", cflag & 0o10017)
    return (
        f"{{c_iflag={_names('iflag', iflag)}, c_oflag={delays}|{_names('oflag', oflag & 0o377)}, "
        f"c_cflag={speed}|{_SIZES[cflag >> 4 & 3]}|{_names('cflag', cflag & ~0o10077)}, c_lflag={_names('lflag', lflag)}, ...}}"
    )


def _names(table: str, value: int) -> str:
    """Flags of a terminal: nothing at all where none is set."""
    return flag_names(table, value) if value else ""


# -- capabilities -----------------------------------------------------------------------------------------------------
def _capability_set(bits: int) -> str:
    names = ENUMS["cap"][1]
    known = [f"1<<{names[n]}" for n in range(64) if bits >> n & 1 and n in names]
    rest = bits & ~sum(1 << n for n in names)
    return "|".join([*known, hexadecimal(rest)] if rest else known) or "0"


def _cap_header(mm: AddressSpace, where: int) -> str:
    version, pid = Struct("<Ii").unpack(mm.read(where, 8))
    return f"{{version={enum_name('cap_version', version)}, pid={pid}}}"


def capabilities(mm: AddressSpace, where: int, words: int) -> str:
    """The sets of capget(2), in one or (since version 2) two words of 32 bits."""
    values = Struct(f"<{3 * words}I").unpack(mm.read(where, 12 * words))
    sets = [sum(values[3 * word + kind] << 32 * word for word in range(words)) for kind in range(3)]
    names = ("effective", "permitted", "inheritable")
    return "{" + ", ".join(f"{name}={_capability_set(bits)}" for name, bits in zip(names, sets, strict=True)) + "}"


def _epoll_event(mm: AddressSpace, where: int) -> str:
    events, data = Struct("<IQ").unpack(mm.read(where, 12))
    return f"{{events={flag_names('epoll_events', events)}, data={{u32={data & 0xFFFFFFFF}, u64={data}}}}}"


def _shown_as_list(code: str) -> StructFormatter:
    layout = Struct("<" + code)
    return lambda mm, where: array([str(value) for value in layout.unpack(mm.read(where, layout.size))])


STRUCTS: dict[str, StructFormatter] = {
    "timespec": _pair(timespec_text),
    "timeval": _pair(timeval_text),
    "timespec_ia32": _pair(timespec_text, _TWO_INTS),
    "timeval_ia32": _pair(timeval_text, _TWO_INTS),
    "stat64_ia32": lambda mm, where: _stat_text(*_STAT64_IA32.unpack(mm.read(where, _STAT64_IA32.size))),
    "itimerspec": _interval(timespec_text),
    "itimerval": _interval(timeval_text),
    "timezone": _record("ii", ("tz_minuteswest", str), ("tz_dsttime", str)),
    "tms": _record("QQQQ", ("tms_utime", str), ("tms_stime", str), ("tms_cutime", str), ("tms_cstime", str)),
    "utimbuf": _utimbuf,
    "timex": _timex,
    "stat": _stat,
    "statx": _record(
        "I4xQ12xHxx8xQ",
        ("stx_mask", _flags("statx_mask")),
        ("stx_attributes", _flags("statx_attributes")),
        ("stx_mode", mode_text),
        ("stx_size", str),
        more=True,
    ),
    "statfs": _statfs,
    "open_how": _open_how,
    "f_owner_ex": _record("ii", ("type", _enum("owner_type")), ("pid", str)),
    "rlimit": _record("QQ", ("rlim_cur", _limit), ("rlim_max", _limit)),
    "rusage": _rusage,
    "utsname": _utsname,
    "sysinfo": _sysinfo,
    "sigevent": sigevent,
    "sched_attr": _sched_attr,
    "sched_param": _shown_as_list("i"),
    "termios": _termios,
    "winsize": _record("HHHH", ("ws_row", str), ("ws_col", str), ("ws_xpixel", str), ("ws_ypixel", str)),
    "cap_header": _cap_header,
    "cap_data": lambda mm, where: capabilities(mm, where, 2),
    "epoll_event": _epoll_event,
    "int": _shown_as_list("i"),
    "uint": _shown_as_list("I"),
    "loff_t": _shown_as_list("q"),
    "size_t": _shown_as_list("Q"),
    "pointer": lambda mm, where: f"[{address(mm.read_u64(where))}]",
    "char": lambda mm, where: quote(mm.read(where, 1)),
    "linger": _record("ii", ("l_onoff", str), ("l_linger", str)),
    "ucred": _record("iII", ("pid", str), ("uid", str), ("gid", str)),
}
"""C name (or what the array of one is of) -> formatter."""
