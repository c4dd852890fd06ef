"""Numbers, names and strings as strace(1) prints them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscalls.flags import ENUMS, FLAGS

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace

MAX_STRING = 32
"""Bytes of a buffer shown (strace -s)."""
MAX_ITEMS = 32
"""Elements of an array shown."""
PATH_MAX = 4096


def signed32(value: int) -> int:
    """Return the low 32 bits as a signed number."""
    return ((value & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000


def signed64(value: int) -> int:
    """Return an unsigned 64-bit number as a signed one."""
    return (value ^ (1 << 63)) - (1 << 63)


def hexadecimal(value: int) -> str:
    """Return a number as C's ``%#x``: 0 has no prefix."""
    return f"{value:#x}" if value else "0"


def address(value: int) -> str:
    """Return a pointer."""
    return f"{value:#x}" if value else "NULL"


def octal(value: int) -> str:
    """Return permission bits as C's ``%#03o``: 0644, 022, 000."""
    return f"0{value:o}" if value > 7 else f"{value:03o}"


# -- names ------------------------------------------------------------------------------------------------------------
def flag_names(table: str, value: int) -> str:
    """Return OR-ed names of a table of flags.py; bits without a name in hexadecimal."""
    unknown, pairs = FLAGS[table]
    if not value:
        return next((name for bits, name in pairs if not bits), "0")
    names = []
    left = value
    for bits, name in pairs:
        if bits and left & bits == bits:
            names.append(name)
            left &= ~bits
    if left:
        names.append(hexadecimal(left) if names else f"{left:#x} /* {unknown} */")
    return "|".join(names)


def enum_name(table: str, value: int) -> str:
    """Return the name of a value in a table of flags.py, or the number and what kind it is of."""
    unknown, names = ENUMS[table]
    name = names.get(value)
    return name if name is not None else f"{hexadecimal(value)} /* {unknown} */"


def open_flags(value: int) -> str:
    """Return the flags of open(2): the access mode always comes first."""
    rest = value & ~3
    mode = enum_name("accmode", value & 3)
    return f"{mode}|{flag_names('open', rest)}" if rest else mode


MAP_HUGETLB = 0x40000
_HUGE = 63 << 26


def mmap_flags(value: int) -> str:
    """Return the flags of mmap(2): the type, the bits, and the page size in the upper bits."""
    huge = value & _HUGE if value & MAP_HUGETLB else 0
    rest = value & ~huge & ~0xF
    pieces = [enum_name("maptype", value & 0xF)]
    if rest:
        pieces.append(flag_names("mmap", rest))
    if huge:
        pieces.append(f"{huge >> 26}<<MAP_HUGE_SHIFT")
    return "|".join(pieces)


def mode_text(mode: int) -> str:
    """Return the type and permissions of a file: ``S_IFDIR|S_ISVTX|0777``."""
    pieces = []
    kind = mode & 0o170000
    if kind:
        known = ENUMS["file_type"][1].get(kind)
        pieces.append(known if known is not None else f"{kind:#o}".replace("0o", "0"))
    pieces += [name for bit, name in ((0o4000, "S_ISUID"), (0o2000, "S_ISGID"), (0o1000, "S_ISVTX")) if mode & bit]
    return "|".join([*pieces, octal(mode & 0o777)])


def device(number: int) -> str:
    """Return a device number in the encoding of the kernel's new_encode_dev."""
    major, minor = number >> 8 & 0xFFF | number >> 32 & ~0xFFF, number & 0xFF | number >> 12 & 0xFFF00
    return f"makedev({hexadecimal(major)}, {hexadecimal(minor)})"


# -- strings ----------------------------------------------------------------------------------------------------------
_ESCAPES = {9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}


def quote(data: bytes, more: bool = False) -> str:
    """Return a C string literal; octal escapes are as short as the next byte allows.  ``more``: it was cut."""
    pieces = []
    last = len(data) - 1
    for index, byte in enumerate(data):
        if byte in _ESCAPES:
            pieces.append(_ESCAPES[byte])
        elif 32 <= byte < 127:
            pieces.append(chr(byte))
        else:
            followed = index < last and 48 <= data[index + 1] <= 55
            pieces.append(f"\\{byte:03o}" if followed else f"\\{byte:o}")
    return f'"{"".join(pieces)}"' + ("..." if more else "")


def quote_hex(data: bytes, more: bool = False) -> str:
    """Return a string literal of hexadecimal escapes, for data that is never text."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in data) + '"' + ("..." if more else "")


def cstring(mm: AddressSpace, where: int, limit: int = PATH_MAX) -> str:
    """Quote the NUL-terminated string at a user address, at most ``limit`` bytes of it.  Raises EFAULT."""
    if not where:
        return "NULL"
    data = mm.read_cstring(where, limit + 1)
    if data is None:
        return quote(mm.read(where, limit), more=True)
    return quote(data)


def buffer(mm: AddressSpace, where: int, size: int, hexa: bool = False) -> str:
    """Quote the first bytes of a buffer.  Raises EFAULT."""
    if not where:
        return "NULL"
    show = quote_hex if hexa else quote
    return show(mm.read(where, min(size, MAX_STRING)), size > MAX_STRING)


def array(items: list[str], more: bool = False) -> str:
    """Return ``[a, b, ...]``."""
    return "[" + ", ".join(items[:MAX_ITEMS]) + (", ..." if more or len(items) > MAX_ITEMS else "") + "]"


def date(seconds: int, fraction: str = "") -> str:
    """Return a time of the epoch as ISO 8601 in UTC; ``fraction`` like ".000001"."""
    days, rest = divmod(seconds, 86400)
    # Civil from days (the proleptic Gregorian calendar, eras of 400 years).
    z = days + 719468
    era, day_of_era = divmod(z, 146097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted + 2) // 5 + 1
    month = shifted + 3 if shifted < 10 else shifted - 9
    year = year_of_era + era * 400 + (month <= 2)
    clock = f"{rest // 3600:02d}:{rest % 3600 // 60:02d}:{rest % 60:02d}"
    return f"{year:04d}-{month:02d}-{day:02d}T{clock}{fraction}+0000"
