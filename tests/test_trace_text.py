"""Numbers, names and strings as strace prints them, without a machine."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.signal import SigInfo
from syscalls.flags import FLAGS
from syscalls.strace.files import ioctl_name
from syscalls.strace.results import error_text
from syscalls.strace.signals import siginfo_text, sigset_text, status_text
from syscalls.strace.text import (
    date,
    device,
    enum_name,
    flag_names,
    mmap_flags,
    mode_text,
    octal,
    open_flags,
    quote,
)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain", '"plain"'),
        (b"\a\b\t\n\v\f\r\"\\", r'"\7\10\t\n\v\f\r\"\\"'),
        (b"\x001\x008\x00a", r'"\0001\08\0a"'),
        (b"\xff\x80~\x7f", r'"\377\200~\177"'),
        (b"", '""'),
    ],
)
def test_strings_are_c_literals(data: bytes, text: str) -> None:
    assert quote(data) == text


@given(st.binary(max_size=40))
def test_a_quoted_string_means_the_same_bytes(data: bytes) -> None:
    body = quote(data)[1:-1]
    # Python reads octal escapes as C does.
    assert body.encode("ascii").decode("unicode_escape").encode("latin-1") == data


def test_modes() -> None:
    assert octal(0) == "000"
    assert octal(0o22) == "022"
    assert octal(0o644) == "0644"
    assert mode_text(0o100644) == "S_IFREG|0644"
    assert mode_text(0o041777) == "S_IFDIR|S_ISVTX|0777"
    assert mode_text(0o106755) == "S_IFREG|S_ISUID|S_ISGID|0755"
    assert device(0x103) == "makedev(0x1, 0x3)"


@pytest.mark.parametrize("table", FLAGS)
def test_flags_name_every_bit_once(table: str) -> None:
    everything = 0
    for bits, _ in FLAGS[table].pairs:
        everything |= bits
    names = flag_names(table, everything).split("|")
    assert len(names) == len(set(names))
    assert not any(name.startswith("0x") for name in names)


def test_flags_without_a_name() -> None:
    assert flag_names("poll", 0x800) == "0x800 /* POLL??? */"
    assert flag_names("poll", 0x801) == "POLLIN|0x800"
    assert flag_names("poll", 0) == "0"
    assert flag_names("mmap_prot", 0) == "PROT_NONE"
    assert enum_name("whence", 9) == "0x9 /* SEEK_??? */"
    assert enum_name("whence", 2) == "SEEK_END"


def test_composed_flags() -> None:
    assert open_flags(0) == "O_RDONLY"
    assert open_flags(0o2100002 | 0o1000) == "O_RDWR|O_TRUNC|O_LARGEFILE|O_CLOEXEC"
    assert open_flags(3) == "O_ACCMODE"
    assert mmap_flags(0x22) == "MAP_PRIVATE|MAP_ANONYMOUS"
    assert mmap_flags(0x40022 | 21 << 26) == "MAP_PRIVATE|MAP_ANONYMOUS|MAP_HUGETLB|21<<MAP_HUGE_SHIFT"


def test_signal_sets() -> None:
    assert sigset_text(0) == "[]"
    assert sigset_text(1 << 1 | 1 << 16) == "[INT CHLD]"
    assert sigset_text((1 << 64) - 1) == "~[]"
    assert sigset_text((1 << 64) - 1 & ~(3 << 31)) == "~[RTMIN RT_1]"
    assert not sigset_text((1 << 41) - 1).startswith("~")
    assert sigset_text((1 << 42) - 1).startswith("~")


@pytest.mark.parametrize(
    ("info", "text"),
    [
        (SigInfo(10, code=0, pid=7, uid=8), "{si_signo=SIGUSR1, si_code=SI_USER, si_pid=7, si_uid=8}"),
        (SigInfo(14, code=128), "{si_signo=SIGALRM, si_code=SI_KERNEL}"),
        (SigInfo(11, code=1, addr=0), "{si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=NULL}"),
        (
            SigInfo(17, code=2, pid=7, uid=0, status=9, utime=123, stime=0),
            "{si_signo=SIGCHLD, si_code=CLD_KILLED, si_pid=7, si_uid=0, si_status=SIGKILL, "
            "si_utime=123 /* 1.23 s */, si_stime=0}",
        ),
        (
            SigInfo(34, code=-1, pid=7, uid=0, value=0x100000005),
            "{si_signo=SIGRT_2, si_code=SI_QUEUE, si_pid=7, si_uid=0, si_int=5, si_ptr=0x100000005}",
        ),
    ],
)
def test_siginfo(info: SigInfo, text: str) -> None:
    assert siginfo_text(info) == text


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (0x0300, "{WIFEXITED(s) && WEXITSTATUS(s) == 3}"),
        (9, "{WIFSIGNALED(s) && WTERMSIG(s) == SIGKILL}"),
        (0x8B, "{WIFSIGNALED(s) && WTERMSIG(s) == SIGSEGV && WCOREDUMP(s)}"),
        (0x137F, "{WIFSTOPPED(s) && WSTOPSIG(s) == SIGSTOP}"),
        (0xFFFF, "{WIFCONTINUED(s)}"),
    ],
)
def test_wait_statuses(status: int, text: str) -> None:
    assert status_text(status) == text


def test_errors_and_restarts() -> None:
    assert error_text(2) == "-1 ENOENT (No such file or directory)"
    assert error_text(512) == "? ERESTARTSYS (To be restarted if SA_RESTART is set)"
    assert error_text(516) == "? ERESTART_RESTARTBLOCK (Interrupted by signal)"


def test_ioctl_names() -> None:
    assert ioctl_name(0x5413) == "TIOCGWINSZ"
    assert ioctl_name(0x12345) == "_IOC(_IOC_NONE, 0x23, 0x45, 0x1)"


@given(st.integers(-(1 << 33), 1 << 36))
def test_dates(seconds: int) -> None:
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    assert date(seconds) == moment.isoformat() + "+0000"
