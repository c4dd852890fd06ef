"""Numbers that processes write to files of the kernel (lib/kstrtox.c)."""

from __future__ import annotations

from kernel.errno import Errno


def kstrtoint(data: bytes, base: int, low: int, high: int) -> int:
    """Parse a number a process wrote (kstrtoint and its kin): a sign, digits of ``base`` (0: as C writes them), at most one
    newline.  EINVAL, ERANGE."""
    text = data.split(b"\0")[0].removesuffix(b"\n")
    sign, digits = (text[:1], text[1:]) if text[:1] in (b"+", b"-") else (b"", text)
    if base == 0:
        base = 16 if digits[:2].lower() == b"0x" else 8 if digits[:1] == b"0" else 10
        digits = digits[2:] if base == 16 else digits
    if not digits.isalnum() or (sign == b"-" and low >= 0):
        raise Errno.EINVAL
    try:
        value = int(sign + digits, base)
    except ValueError:
        raise Errno.EINVAL from None
    if not low <= value <= high:
        raise Errno.ERANGE
    return value
