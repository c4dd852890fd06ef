"""What belongs to no other family: names of the system, randomness, rseq, membarrier, kcmp, and calls for the superuser."""

from __future__ import annotations

from struct import Struct
from typing import Annotated, Final

from kernel import membarrier as barriers
from kernel import rseq as restartable
from kernel.cred import CAP_SYS_ADMIN, CAP_SYS_BOOT, CAP_SYS_TTY_CONFIG, CAP_SYSLOG
from kernel.errno import Errno
from kernel.exit import do_exit
from kernel.kcmp import kcmp as compare
from kernel.personality import QUERY
from kernel.pid import PidNamespace, ns_of
from kernel.ptrace_access import check_access
from kernel.signal import SIGHUP, SIGINT, SIGKILL
from kernel.signal_send import kernel_info, send_signal
from kernel.task import Thread
from kernel.utsname import NEW_UTS_LEN
from kernel.waitqueue import Blocking
from syscalls.table import syscall
from syscalls.types import Address, Hex32, InBuf, Int, OutBuf, Pid, Size, UInt, ULong, custom, enum, flags, out_struct


@syscall(63)
def uname(t: Thread, buf: Annotated[int, out_struct("utsname")]) -> int:
    """uname(2)."""
    names = t.nsproxy.uts.names(t.personality)
    assert t.mm is not None
    t.mm.write(buf, b"".join(name.ljust(NEW_UTS_LEN + 1, b"\0") for name in names))
    return 0


def _read_uts_name(t: Thread, name: int, length: int) -> bytes:
    if not t.cred.ns_capable(t.nsproxy.uts.user_ns, CAP_SYS_ADMIN):
        raise Errno.EPERM
    if not 0 <= length <= NEW_UTS_LEN:
        raise Errno.EINVAL
    assert t.mm is not None
    return t.mm.read(name, length).split(b"\0", 1)[0]


@syscall(170)
def sethostname(t: Thread, name: InBuf, length: Int) -> int:
    """sethostname(2)."""
    t.nsproxy.uts.nodename = _read_uts_name(t, name, length)
    return 0


@syscall(171)
def setdomainname(t: Thread, name: InBuf, length: Int) -> int:
    """setdomainname(2)."""
    t.nsproxy.uts.domainname = _read_uts_name(t, name, length)
    return 0


@syscall(135)
def personality(t: Thread, persona: Annotated[int, custom("personality", "({} & 0xffffffff)")]) -> int:
    """personality(2): returns the old one; 0xffffffff only asks."""
    old = t.personality
    if persona != QUERY:
        t.personality = persona
    return old


GRND_NONBLOCK = 1
GRND_RANDOM = 2
GRND_INSECURE = 4
_INT_MAX = 0x7FFFFFFF


RandomBytes = Annotated[int, custom("random_bytes", out=True)]


@syscall(318)
def getrandom(t: Thread, buf: RandomBytes, count: Size, flag_bits: Annotated[int, flags("getrandom")]) -> int:
    """getrandom(2): from the machine's one seed; never blocks.  A bad page gives a short count, EFAULT for none."""
    if flag_bits & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE) or flag_bits & 6 == 6:
        raise Errno.EINVAL
    assert t.mm is not None
    count = min(count, _INT_MAX)
    done = 0
    while done < count:
        size = min(count - done, 65536)
        copied = t.mm.copy_out_partial(buf + done, t.kernel.random.randbytes(size))
        done += copied
        if copied < size:
            break
    if count and not done:
        raise Errno.EFAULT
    return done


@syscall(334)
def rseq(t: Thread, area: Address, length: Hex32, flag_bits: Hex32, signature: Hex32) -> int:
    """rseq(2)."""
    restartable.register(t, area, length, flag_bits, signature)
    return 0


@syscall(324)
def membarrier(t: Thread, command: Annotated[int, enum("membarrier")], flag_bits: UInt, cpu: Int) -> int:
    """membarrier(2)."""
    return barriers.membarrier(t, command, flag_bits)


# -- kcmp -------------------------------------------------------------------------------------------------------------
_EPOLL_SLOT: Final = Struct("<III")
"""``struct kcmp_epoll_slot``: efd, tfd, toff."""


def _inspectable(t: Thread, number: int) -> Thread:
    target = ns_of(t).find_thread(number)
    if target is None:
        raise Errno.ESRCH
    check_access(t, target)
    return target


@syscall(312)
def kcmp(t: Thread, pid1: Pid, pid2: Pid, kind: Annotated[int, enum("kcmp")], idx1: ULong, idx2: ULong) -> int:
    """kcmp(2): 0 if two threads share a resource, else 1 or 2, which orders the objects.

    ESRCH, EPERM, EINVAL for a kind there is not, EBADF, EFAULT, ENOENT.
    """
    one, two = _inspectable(t, pid1), _inspectable(t, pid2)

    def slot() -> tuple[int, int, int]:
        assert t.mm is not None
        efd, tfd, offset = _EPOLL_SLOT.unpack(t.mm.read(idx2, _EPOLL_SLOT.size))
        return efd, tfd, offset

    return compare(t, one, two, kind, idx1, idx2, slot)


# -- for the superuser ------------------------------------------------------------------------------------------------
_SYSLOG_CLOSE, _SYSLOG_OPEN, _SYSLOG_READ, _SYSLOG_READ_ALL, _SYSLOG_READ_CLEAR, _SYSLOG_CLEAR = range(6)
_SYSLOG_CONSOLE_LEVEL = 8
_SYSLOG_SIZE_UNREAD = 9
_SYSLOG_SIZE_BUFFER = 10
_LOG_BUFFER = 1 << 17


@syscall(103)
def syslog(t: Thread, kind: Annotated[int, enum("syslog")], buf: OutBuf, length: Int) -> int:
    """syslog(2): the kernel log of the machine is always empty, and only for CAP_SYSLOG (dmesg_restrict)."""
    if not t.cred.capable(CAP_SYSLOG):
        raise Errno.EPERM
    if not 0 <= kind <= _SYSLOG_SIZE_BUFFER:
        raise Errno.EINVAL
    if kind in (_SYSLOG_READ, _SYSLOG_READ_ALL, _SYSLOG_READ_CLEAR) and (not buf or length < 0):
        raise Errno.EINVAL
    if kind == _SYSLOG_CONSOLE_LEVEL and not 1 <= length <= 8:
        raise Errno.EINVAL
    return _LOG_BUFFER if kind == _SYSLOG_SIZE_BUFFER else 0


@syscall(153)
def vhangup(t: Thread) -> int:
    """vhangup(2): there is no virtual terminal to hang up."""
    if not t.cred.capable(CAP_SYS_TTY_CONFIG):
        raise Errno.EPERM
    return 0


_MAGIC1 = 0xFEE1DEAD
_MAGIC2 = (672274793, 85072278, 369367448, 537993216)
_RESTARTS = (0x01234567, 0xA1B2C3D4)
_STOPS = (0xCDEF0123, 0x4321FEDC)
_CAD = (0x89ABCDEF, 0)


Magic1 = Annotated[int, enum("reboot_magic1", "({} & 0xffffffff)")]
Magic2 = Annotated[int, enum("reboot_magic2", "({} & 0xffffffff)")]


RebootCommand = Annotated[int, enum("reboot")]


@syscall(169)
def reboot(t: Thread, magic1: Magic1, magic2: Magic2, command: RebootCommand, arg: Address) -> int | Blocking[int]:
    """reboot(2).  In a pid namespace it ends that namespace's init by SIGHUP or SIGINT; the machine itself cannot be
    restarted from inside, which is told as EPERM."""
    if not t.cred.ns_capable(ns_of(t).user_ns, CAP_SYS_BOOT):
        raise Errno.EPERM
    if magic1 != _MAGIC1 or magic2 not in _MAGIC2:
        raise Errno.EINVAL
    command &= 0xFFFFFFFF
    ns = ns_of(t)
    if ns.parent is not None:
        return _reboot_namespace(t, ns, command)
    if command in _CAD:
        return 0
    raise Errno.EPERM if command in _RESTARTS or command in _STOPS else Errno.EINVAL


def _reboot_namespace(t: Thread, ns: PidNamespace, command: int) -> Blocking[int]:
    """End a pid namespace (reboot_pid_ns): its init dies, and its parent sees SIGHUP (restart) or SIGINT (halt) as cause."""
    if command not in _RESTARTS and command not in _STOPS:
        raise Errno.EINVAL
    ns.reboot = SIGHUP if command in _RESTARTS else SIGINT
    init = ns.child_reaper.process if ns.child_reaper is not None else None
    if init is not None:
        send_signal(init.rep, kernel_info(SIGKILL), group=True, force=True)
    return do_exit(t, 0)
