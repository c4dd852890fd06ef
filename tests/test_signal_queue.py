"""Signals as data: layouts compared with the C library's offsets, queues, accounting."""

from __future__ import annotations

import struct

import pytest

from kernel.errno import Errno
from kernel.signal import (
    CLD_EXITED,
    FPE_INTDIV,
    IGNORE_MASK,
    SEGV_MAPERR,
    SI_KERNEL,
    SI_QUEUE,
    SI_TIMER,
    SI_TKILL,
    SI_USER,
    SIG_DFL,
    SIG_IGN,
    SIGBUS,
    SIGCHLD,
    SIGCONT,
    SIGFPE,
    SIGHUP,
    SIGINT,
    SIGKILL,
    SIGRTMIN,
    SIGSEGV,
    SIGSYS,
    SIGTERM,
    SIGUSR1,
    SIGUSR2,
    SigAction,
    SigHand,
    SigInfo,
    SigPending,
    SigQueue,
    sigmask,
    signal_name,
)

RT = SIGRTMIN + 2


def queued(*infos: SigInfo) -> SigPending:
    pending = SigPending()
    for info in infos:
        pending.add(info.signo, SigQueue(info))
    return pending


# offsetof(siginfo_t, si_x) of glibc on x86-64
OFFSETS = {
    "pid": (16, "i"), "uid": (20, "I"), "value": (24, "Q"), "status": (24, "i"), "utime": (32, "q"), "stime": (40, "q"),
    "addr": (16, "Q"), "band": (16, "q"), "fd": (24, "i"), "timerid": (16, "i"), "overrun": (20, "i"),
    "call_addr": (16, "Q"), "syscall": (24, "i"), "arch": (28, "I"),
}  # fmt: skip

SAMPLES = [
    SigInfo(SIGUSR1, code=SI_USER, pid=77, uid=1000),
    SigInfo(SIGUSR1, code=SI_TKILL, pid=77, uid=1000),
    SigInfo(RT, code=SI_QUEUE, pid=77, uid=1000, value=0x1122334455667788),
    SigInfo(RT, code=SI_TIMER, timerid=3, overrun=9, value=5),
    SigInfo(SIGCHLD, code=CLD_EXITED, pid=77, uid=1000, status=3, utime=12, stime=34),
    SigInfo(SIGSEGV, code=SEGV_MAPERR, addr=0xDEAD_BEEF_000),
    SigInfo(29, code=1, band=0x41, fd=7),
    SigInfo(SIGSYS, code=1, call_addr=0x400123, syscall=39, arch=0xC000003E),
]


@pytest.mark.parametrize("info", SAMPLES)
def test_fields_are_where_the_c_library_reads_them(info: SigInfo) -> None:
    data = info.pack()
    assert len(data) == 128
    assert struct.unpack_from("<iii", data) == (info.signo, info.errno, info.code)
    for field, value in info._asdict().items():
        if field in OFFSETS and value:
            offset, code = OFFSETS[field]
            assert struct.unpack_from(f"<{code}", data, offset)[0] == value, field
    assert SigInfo.unpack(data)._replace(raw=b"") == info


def test_what_user_space_queued_is_handed_on_unchanged() -> None:
    union = bytes(range(1, 33))
    data = struct.pack("<iii4x", RT, 0, SI_QUEUE) + union + bytes(80)
    assert SigInfo.unpack(data).pack() == data


def test_bytes_the_kernel_does_not_keep_are_an_error_only_in_unknown_layouts() -> None:
    tail = bytes(32) + b"\1" + bytes(79)
    assert SigInfo.unpack(struct.pack("<iii4x", RT, 0, SI_QUEUE) + tail).code == SI_QUEUE
    with pytest.raises(Errno.E2BIG):
        SigInfo.unpack(struct.pack("<iii4x", RT, 0, 77) + tail)


def test_standard_signals_come_lowest_first_and_synchronous_ones_before_all() -> None:
    pending = queued(SigInfo(SIGTERM), SigInfo(SIGHUP), SigInfo(SIGSEGV, code=1), SigInfo(SIGBUS, code=1), SigInfo(RT))
    order = []
    while signo := pending.next_signal(0):
        order.append(pending.collect(signo).signo)
    assert order == [SIGBUS, SIGSEGV, SIGHUP, SIGTERM, RT]
    assert pending.mask == 0


def test_blocked_signals_are_passed_over() -> None:
    pending = queued(SigInfo(SIGHUP), SigInfo(SIGTERM))
    assert pending.next_signal(sigmask(SIGHUP)) == SIGTERM
    assert pending.next_signal(sigmask(SIGHUP, SIGTERM)) == 0


def test_real_time_signals_queue_in_order() -> None:
    pending = queued(*(SigInfo(RT, code=SI_QUEUE, value=n) for n in range(3)), SigInfo(RT - 1, code=SI_QUEUE, value=9))
    assert [pending.collect(pending.next_signal(0)).value for _ in range(4)] == [9, 0, 1, 2]
    assert not pending.mask


def test_a_signal_whose_siginfo_was_lost_reads_as_si_user_from_nobody() -> None:
    pending = SigPending()
    pending.add(SIGUSR1, None)
    assert pending.collect(SIGUSR1) == SigInfo(SIGUSR1, code=SI_USER, pid=0, uid=0)


def test_flush_gives_the_accounting_back() -> None:
    counts: dict[int, int] = {}
    pending = SigPending()
    for signo in (SIGUSR1, SIGUSR2, RT, RT):
        pending.add(signo, SigQueue(SigInfo(signo), counts, 1000))
    assert counts == {1000: 4}
    pending.flush(sigmask(RT))
    assert counts == {1000: 2}
    assert pending.mask == sigmask(SIGUSR1, SIGUSR2)
    pending.collect(SIGUSR1)
    pending.clear()
    assert (counts, pending.mask) == ({}, 0)


def test_a_timers_entry_survives_its_collection() -> None:
    counts: dict[int, int] = {}
    entry = SigQueue(SigInfo(RT, code=SI_TIMER), counts, 0, on_dequeue=lambda info: info._replace(overrun=4))
    pending = SigPending()
    pending.add(RT, entry)
    queued_before = entry.queued
    assert pending.collect(RT).overrun == 4
    assert (queued_before, entry.queued, counts) == (True, False, {0: 1})


def test_removing_one_entry_keeps_the_bit_while_another_is_queued() -> None:
    one, two = SigQueue(SigInfo(RT)), SigQueue(SigInfo(RT))
    pending = SigPending()
    pending.add(RT, one)
    pending.add(RT, two)
    pending.remove(one)
    after_one = pending.mask
    pending.remove(two)
    assert (after_one, pending.mask) == (sigmask(RT), 0)


def test_exec_keeps_only_ignored_actions() -> None:
    hand = SigHand()
    hand.actions[SIGINT] = SigAction(SIG_IGN, 4, 5, 6)
    hand.actions[SIGTERM] = SigAction(0x401000, 4, 5, 6)
    twin = hand.copy()
    hand.clear_handlers()
    assert hand.actions[SIGINT] == SigAction(SIG_IGN)
    assert hand.actions[SIGTERM] == SigAction(SIG_DFL)
    assert twin.actions[SIGTERM].handler == 0x401000


def test_default_ignored_signals() -> None:
    hand = SigHand()
    ignored = {signo for signo in range(1, 65) if hand.ignores(signo)}
    assert ignored == {SIGCHLD, SIGCONT, 23, 28}
    assert sigmask(*ignored) == IGNORE_MASK


def test_names() -> None:
    assert [signal_name(n) for n in (SIGKILL, SIGSYS, 32, 33, 64, 65)] == [
        "SIGKILL", "SIGSYS", "SIGRTMIN", "SIGRT_1", "SIGRT_32", "65",
    ]  # fmt: skip


def test_another_exit_signal_carries_what_sigchld_would() -> None:
    data = SigInfo(SIGUSR1, code=CLD_EXITED, pid=77, uid=5, status=3).pack()
    assert struct.unpack_from("<iIi", data, 16) == (77, 5, 3)


def test_si_kernel_uses_the_kill_layout() -> None:
    assert SigInfo(SIGFPE, code=SI_KERNEL, addr=5).pack()[16:] == bytes(112)
    assert SigInfo(SIGFPE, code=FPE_INTDIV, addr=5).pack()[16] == 5
