"""Error numbers of x86-64 Linux as exceptions: ``raise Errno.ECHILD``.

Every error is a class of its own, so ``except Errno.EAGAIN`` works and a raised error carries no traceback of an
earlier one.  The ``ERESTART*`` codes (include/linux/errno.h) never reach user space: the signal code turns them into
a restarted call or EINTR.
"""

from __future__ import annotations

from typing import ClassVar


class Errno(Exception):
    """An error of a system call; ``number`` is the positive errno value."""

    number: ClassVar[int] = 0

    EPERM: ClassVar[type[Errno]]
    ENOENT: ClassVar[type[Errno]]
    ESRCH: ClassVar[type[Errno]]
    EINTR: ClassVar[type[Errno]]
    EIO: ClassVar[type[Errno]]
    ENXIO: ClassVar[type[Errno]]
    E2BIG: ClassVar[type[Errno]]
    ENOEXEC: ClassVar[type[Errno]]
    EBADF: ClassVar[type[Errno]]
    ECHILD: ClassVar[type[Errno]]
    EAGAIN: ClassVar[type[Errno]]
    ENOMEM: ClassVar[type[Errno]]
    EACCES: ClassVar[type[Errno]]
    EFAULT: ClassVar[type[Errno]]
    ENOTBLK: ClassVar[type[Errno]]
    EBUSY: ClassVar[type[Errno]]
    EEXIST: ClassVar[type[Errno]]
    EXDEV: ClassVar[type[Errno]]
    ENODEV: ClassVar[type[Errno]]
    ENOTDIR: ClassVar[type[Errno]]
    EISDIR: ClassVar[type[Errno]]
    EINVAL: ClassVar[type[Errno]]
    ENFILE: ClassVar[type[Errno]]
    EMFILE: ClassVar[type[Errno]]
    ENOTTY: ClassVar[type[Errno]]
    ETXTBSY: ClassVar[type[Errno]]
    EFBIG: ClassVar[type[Errno]]
    ENOSPC: ClassVar[type[Errno]]
    ESPIPE: ClassVar[type[Errno]]
    EROFS: ClassVar[type[Errno]]
    EMLINK: ClassVar[type[Errno]]
    EPIPE: ClassVar[type[Errno]]
    EDOM: ClassVar[type[Errno]]
    ERANGE: ClassVar[type[Errno]]
    EDEADLK: ClassVar[type[Errno]]
    ENAMETOOLONG: ClassVar[type[Errno]]
    ENOLCK: ClassVar[type[Errno]]
    ENOSYS: ClassVar[type[Errno]]
    ENOTEMPTY: ClassVar[type[Errno]]
    ELOOP: ClassVar[type[Errno]]
    ENOMSG: ClassVar[type[Errno]]
    EIDRM: ClassVar[type[Errno]]
    ECHRNG: ClassVar[type[Errno]]
    EL2NSYNC: ClassVar[type[Errno]]
    EL3HLT: ClassVar[type[Errno]]
    EL3RST: ClassVar[type[Errno]]
    ELNRNG: ClassVar[type[Errno]]
    EUNATCH: ClassVar[type[Errno]]
    ENOCSI: ClassVar[type[Errno]]
    EL2HLT: ClassVar[type[Errno]]
    EBADE: ClassVar[type[Errno]]
    EBADR: ClassVar[type[Errno]]
    EXFULL: ClassVar[type[Errno]]
    ENOANO: ClassVar[type[Errno]]
    EBADRQC: ClassVar[type[Errno]]
    EBADSLT: ClassVar[type[Errno]]
    EBFONT: ClassVar[type[Errno]]
    ENOSTR: ClassVar[type[Errno]]
    ENODATA: ClassVar[type[Errno]]
    ETIME: ClassVar[type[Errno]]
    ENOSR: ClassVar[type[Errno]]
    ENONET: ClassVar[type[Errno]]
    ENOPKG: ClassVar[type[Errno]]
    EREMOTE: ClassVar[type[Errno]]
    ENOLINK: ClassVar[type[Errno]]
    EADV: ClassVar[type[Errno]]
    ESRMNT: ClassVar[type[Errno]]
    ECOMM: ClassVar[type[Errno]]
    EPROTO: ClassVar[type[Errno]]
    EMULTIHOP: ClassVar[type[Errno]]
    EDOTDOT: ClassVar[type[Errno]]
    EBADMSG: ClassVar[type[Errno]]
    EOVERFLOW: ClassVar[type[Errno]]
    ENOTUNIQ: ClassVar[type[Errno]]
    EBADFD: ClassVar[type[Errno]]
    EREMCHG: ClassVar[type[Errno]]
    ELIBACC: ClassVar[type[Errno]]
    ELIBBAD: ClassVar[type[Errno]]
    ELIBSCN: ClassVar[type[Errno]]
    ELIBMAX: ClassVar[type[Errno]]
    ELIBEXEC: ClassVar[type[Errno]]
    EILSEQ: ClassVar[type[Errno]]
    ERESTART: ClassVar[type[Errno]]
    ESTRPIPE: ClassVar[type[Errno]]
    EUSERS: ClassVar[type[Errno]]
    ENOTSOCK: ClassVar[type[Errno]]
    EDESTADDRREQ: ClassVar[type[Errno]]
    EMSGSIZE: ClassVar[type[Errno]]
    EPROTOTYPE: ClassVar[type[Errno]]
    ENOPROTOOPT: ClassVar[type[Errno]]
    EPROTONOSUPPORT: ClassVar[type[Errno]]
    ESOCKTNOSUPPORT: ClassVar[type[Errno]]
    EOPNOTSUPP: ClassVar[type[Errno]]
    EPFNOSUPPORT: ClassVar[type[Errno]]
    EAFNOSUPPORT: ClassVar[type[Errno]]
    EADDRINUSE: ClassVar[type[Errno]]
    EADDRNOTAVAIL: ClassVar[type[Errno]]
    ENETDOWN: ClassVar[type[Errno]]
    ENETUNREACH: ClassVar[type[Errno]]
    ENETRESET: ClassVar[type[Errno]]
    ECONNABORTED: ClassVar[type[Errno]]
    ECONNRESET: ClassVar[type[Errno]]
    ENOBUFS: ClassVar[type[Errno]]
    EISCONN: ClassVar[type[Errno]]
    ENOTCONN: ClassVar[type[Errno]]
    ESHUTDOWN: ClassVar[type[Errno]]
    ETOOMANYREFS: ClassVar[type[Errno]]
    ETIMEDOUT: ClassVar[type[Errno]]
    ECONNREFUSED: ClassVar[type[Errno]]
    EHOSTDOWN: ClassVar[type[Errno]]
    EHOSTUNREACH: ClassVar[type[Errno]]
    EALREADY: ClassVar[type[Errno]]
    EINPROGRESS: ClassVar[type[Errno]]
    ESTALE: ClassVar[type[Errno]]
    EUCLEAN: ClassVar[type[Errno]]
    ENOTNAM: ClassVar[type[Errno]]
    ENAVAIL: ClassVar[type[Errno]]
    EISNAM: ClassVar[type[Errno]]
    EREMOTEIO: ClassVar[type[Errno]]
    EDQUOT: ClassVar[type[Errno]]
    ENOMEDIUM: ClassVar[type[Errno]]
    EMEDIUMTYPE: ClassVar[type[Errno]]
    ECANCELED: ClassVar[type[Errno]]
    ENOKEY: ClassVar[type[Errno]]
    EKEYEXPIRED: ClassVar[type[Errno]]
    EKEYREVOKED: ClassVar[type[Errno]]
    EKEYREJECTED: ClassVar[type[Errno]]
    EOWNERDEAD: ClassVar[type[Errno]]
    ENOTRECOVERABLE: ClassVar[type[Errno]]
    ERFKILL: ClassVar[type[Errno]]
    ERESTARTSYS: ClassVar[type[Errno]]
    ERESTARTNOINTR: ClassVar[type[Errno]]
    ERESTARTNOHAND: ClassVar[type[Errno]]
    ENOIOCTLCMD: ClassVar[type[Errno]]
    ERESTART_RESTARTBLOCK: ClassVar[type[Errno]]
    ENOTSUPP: ClassVar[type[Errno]]


_NUMBERS = {
    "EPERM": 1,
    "ENOENT": 2,
    "ESRCH": 3,
    "EINTR": 4,
    "EIO": 5,
    "ENXIO": 6,
    "E2BIG": 7,
    "ENOEXEC": 8,
    "EBADF": 9,
    "ECHILD": 10,
    "EAGAIN": 11,
    "ENOMEM": 12,
    "EACCES": 13,
    "EFAULT": 14,
    "ENOTBLK": 15,
    "EBUSY": 16,
    "EEXIST": 17,
    "EXDEV": 18,
    "ENODEV": 19,
    "ENOTDIR": 20,
    "EISDIR": 21,
    "EINVAL": 22,
    "ENFILE": 23,
    "EMFILE": 24,
    "ENOTTY": 25,
    "ETXTBSY": 26,
    "EFBIG": 27,
    "ENOSPC": 28,
    "ESPIPE": 29,
    "EROFS": 30,
    "EMLINK": 31,
    "EPIPE": 32,
    "EDOM": 33,
    "ERANGE": 34,
    "EDEADLK": 35,
    "ENAMETOOLONG": 36,
    "ENOLCK": 37,
    "ENOSYS": 38,
    "ENOTEMPTY": 39,
    "ELOOP": 40,
    "ENOMSG": 42,
    "EIDRM": 43,
    "ECHRNG": 44,
    "EL2NSYNC": 45,
    "EL3HLT": 46,
    "EL3RST": 47,
    "ELNRNG": 48,
    "EUNATCH": 49,
    "ENOCSI": 50,
    "EL2HLT": 51,
    "EBADE": 52,
    "EBADR": 53,
    "EXFULL": 54,
    "ENOANO": 55,
    "EBADRQC": 56,
    "EBADSLT": 57,
    "EBFONT": 59,
    "ENOSTR": 60,
    "ENODATA": 61,
    "ETIME": 62,
    "ENOSR": 63,
    "ENONET": 64,
    "ENOPKG": 65,
    "EREMOTE": 66,
    "ENOLINK": 67,
    "EADV": 68,
    "ESRMNT": 69,
    "ECOMM": 70,
    "EPROTO": 71,
    "EMULTIHOP": 72,
    "EDOTDOT": 73,
    "EBADMSG": 74,
    "EOVERFLOW": 75,
    "ENOTUNIQ": 76,
    "EBADFD": 77,
    "EREMCHG": 78,
    "ELIBACC": 79,
    "ELIBBAD": 80,
    "ELIBSCN": 81,
    "ELIBMAX": 82,
    "ELIBEXEC": 83,
    "EILSEQ": 84,
    "ERESTART": 85,
    "ESTRPIPE": 86,
    "EUSERS": 87,
    "ENOTSOCK": 88,
    "EDESTADDRREQ": 89,
    "EMSGSIZE": 90,
    "EPROTOTYPE": 91,
    "ENOPROTOOPT": 92,
    "EPROTONOSUPPORT": 93,
    "ESOCKTNOSUPPORT": 94,
    "EOPNOTSUPP": 95,
    "EPFNOSUPPORT": 96,
    "EAFNOSUPPORT": 97,
    "EADDRINUSE": 98,
    "EADDRNOTAVAIL": 99,
    "ENETDOWN": 100,
    "ENETUNREACH": 101,
    "ENETRESET": 102,
    "ECONNABORTED": 103,
    "ECONNRESET": 104,
    "ENOBUFS": 105,
    "EISCONN": 106,
    "ENOTCONN": 107,
    "ESHUTDOWN": 108,
    "ETOOMANYREFS": 109,
    "ETIMEDOUT": 110,
    "ECONNREFUSED": 111,
    "EHOSTDOWN": 112,
    "EHOSTUNREACH": 113,
    "EALREADY": 114,
    "EINPROGRESS": 115,
    "ESTALE": 116,
    "EUCLEAN": 117,
    "ENOTNAM": 118,
    "ENAVAIL": 119,
    "EISNAM": 120,
    "EREMOTEIO": 121,
    "EDQUOT": 122,
    "ENOMEDIUM": 123,
    "EMEDIUMTYPE": 124,
    "ECANCELED": 125,
    "ENOKEY": 126,
    "EKEYEXPIRED": 127,
    "EKEYREVOKED": 128,
    "EKEYREJECTED": 129,
    "EOWNERDEAD": 130,
    "ENOTRECOVERABLE": 131,
    "ERFKILL": 132,
    "ERESTARTSYS": 512,
    "ERESTARTNOINTR": 513,
    "ERESTARTNOHAND": 514,
    "ENOIOCTLCMD": 515,
    "ERESTART_RESTARTBLOCK": 516,
    "ENOTSUPP": 524,
}

for _name, _number in _NUMBERS.items():
    setattr(Errno, _name, type(_name, (Errno,), {"number": _number, "__module__": __name__}))

NAME_OF: dict[int, str] = {number: name for name, number in _NUMBERS.items()}
"""errno value -> name, for tracing."""


def from_number(number: int) -> Errno:
    """Return the exception for a positive errno value (EIO for one Linux does not have), e.g. from a host OSError."""
    error: Errno = getattr(Errno, NAME_OF.get(number, "EIO"))()
    return error
