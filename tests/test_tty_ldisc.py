"""The line discipline against the host's: the same bytes, the same settings, the same echo and the same reads.

A pseudo terminal of the host is the oracle.  Each step feeds a chunk of keys, lets a program write, read or change the
settings, and compares what came out at both ends.
"""

from __future__ import annotations

import os
import select
import struct
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel import termios as tio
from kernel.ldisc import LineDiscipline
from kernel.ldisc_output import TtyDriver

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the oracle is Linux's own N_TTY")

IFLAGS = (tio.ISTRIP, tio.INLCR, tio.IGNCR, tio.ICRNL, tio.IUCLC, tio.IXON, tio.IXANY, tio.IUTF8, tio.PARMRK)
OFLAGS = (tio.OPOST, tio.OLCUC, tio.ONLCR, tio.OCRNL, tio.ONOCR, tio.ONLRET, tio.XTABS)
LFLAGS = (
    tio.ISIG, tio.ICANON, tio.ECHO, tio.ECHOE, tio.ECHOK, tio.ECHONL, tio.NOFLSH, tio.ECHOCTL, tio.ECHOPRT, tio.ECHOKE,
    tio.IEXTEN, tio.EXTPROC,
)  # fmt: skip
TCGETS, TCSETS = 0x5401, 0x5402


class Device(TtyDriver):
    """A driver that keeps what comes out."""

    def __init__(self) -> None:
        self.out = bytearray()

    def room(self) -> int:
        return 4096

    def write(self, data: bytes) -> int:
        self.out += data
        return len(data)

    def discard(self) -> None:
        self.out.clear()


class Ours:
    """Our line discipline in the shape of the oracle."""

    def __init__(self, termios: tio.Termios) -> None:
        self.device = Device()
        self.discipline = LineDiscipline(termios, self.device, lambda signo: None, lambda: None, lambda: None)

    def type(self, data: bytes) -> None:
        self.discipline.receive(data)

    def output(self) -> bytes:
        data = bytes(self.device.out)
        self.device.out.clear()
        return data

    def write(self, data: bytes) -> int:
        return self.discipline.write(data)

    def read(self, size: int) -> bytes | None:
        return self.discipline.read(size) if self.discipline.available() else None

    def waiting(self) -> int:
        return self.discipline.waiting()

    def set(self, termios: tio.Termios) -> None:
        self.discipline.set_termios(termios)


class Host:
    """A pty of the host."""

    def __init__(self, termios: tio.Termios) -> None:
        self.master, self.slave = os.openpty()
        os.set_blocking(self.master, False)
        os.set_blocking(self.slave, False)
        self.set(termios)

    def close(self) -> None:
        os.close(self.master)
        os.close(self.slave)

    def settle(self) -> None:
        """Give the kernel's worker time to pass on what was typed."""
        for _ in range(2):
            time.sleep(0.0005)
            select.select([self.master, self.slave], [], [], 0)

    def state(self, expected: tuple[bytes, int]) -> tuple[bytes, int]:
        """Return the output and how much could be read, waiting a little for them to become as expected: on a busy
        host the worker is late."""
        out = b""
        for _ in range(200):
            out += self.output()
            found = out, self.waiting()
            if found == expected:
                break
            time.sleep(0.001)
        return found

    def type(self, data: bytes) -> None:
        os.write(self.master, data)
        self.settle()

    def output(self) -> bytes:
        data = b""
        while True:
            try:
                data += os.read(self.master, 65536)
            except BlockingIOError:
                return data

    def write(self, data: bytes) -> int:
        try:
            done = os.write(self.slave, data)
        except BlockingIOError:
            done = 0
        self.settle()
        return done

    def read(self, size: int) -> bytes | None:
        try:
            return os.read(self.slave, size)
        except BlockingIOError:
            return None

    def waiting(self) -> int:
        import fcntl

        value: int = struct.unpack("i", fcntl.ioctl(self.slave, 0x541B, bytes(4)))[0]
        return value

    def set(self, termios: tio.Termios) -> None:
        import fcntl

        fcntl.ioctl(self.slave, TCSETS, termios.pack())
        self.settle()


def flags(choices: tuple[int, ...]) -> st.SearchStrategy[int]:
    return st.sets(st.sampled_from(choices)).map(sum)


CC = tio.Termios().cc
CC = CC[: tio.VEOL] + b"e" + CC[tio.VEOL + 1 : tio.VEOL2] + b"E" + CC[tio.VEOL2 + 1 :]
USUAL = tio.Termios().lflag
TERMIOS = st.builds(
    lambda i, o, l, usual: tio.Termios(iflag=i, oflag=o, lflag=(l | USUAL if usual else l), cc=CC),
    flags(IFLAGS),
    flags(OFLAGS),
    flags(LFLAGS),
    st.booleans(),
)
KEYS = st.lists(
    st.one_of(
        st.sampled_from(b"\r\n\t\x03\x1c\x7f\x7f\x7f\x15\x04\x11\x13\x1a\x12\x17\x16\x08\x1bab cd_eE\xff\x00\x80"),
        st.sampled_from([*"äß€".encode(), *b"XyZ09."]),
    ),
    min_size=1,
    max_size=24,
).map(bytes)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("type"), KEYS),
        st.tuples(st.just("write"), KEYS),
        st.tuples(st.just("read"), st.sampled_from((1, 2, 3, 5, 100))),
        st.tuples(st.just("set"), TERMIOS),
    ),
    min_size=1,
    max_size=8,
)


def check(termios: tio.Termios, steps: list[tuple[str, object]]) -> None:
    host, ours = Host(termios), Ours(termios)
    try:
        for kind, value in [*steps, ("read", 4000), ("read", 4000), ("read", 4000)]:
            if kind == "read":
                assert isinstance(value, int)
                assert ours.read(value) == host.read(value)
            elif kind == "write":
                assert isinstance(value, bytes)
                assert ours.write(value) == host.write(value)
            elif kind == "set":
                assert isinstance(value, tio.Termios)
                host.set(value)
                ours.set(value)
            else:
                assert isinstance(value, bytes)
                host.type(value)
                ours.type(value)
            expected = ours.output(), ours.waiting()
            assert host.state(expected) == expected
    finally:
        host.close()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(TERMIOS, STEPS)
def test_same_as_the_host(termios: tio.Termios, steps: list[tuple[str, object]]) -> None:
    check(termios, steps)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(STEPS)
def test_same_with_usual_settings(steps: list[tuple[str, object]]) -> None:
    check(tio.Termios(), steps)


@pytest.mark.parametrize("length", [4094, 4095, 4096, 4200])
def test_a_line_that_is_too_long(length: int) -> None:
    termios = tio.Termios(lflag=tio.ICANON | tio.ISIG, oflag=0)
    host, ours = Host(termios), Ours(termios)
    try:
        data = bytes(97 + n % 26 for n in range(length))
        for start in range(0, length, 200):
            host.type(data[start : start + 200])
            ours.type(data[start : start + 200])
        for end in (b"\n",):
            host.type(end)
            ours.type(end)
        assert ours.read(5000) == host.read(5000)
    finally:
        host.close()


def test_termios_layout_is_the_hosts() -> None:
    import fcntl

    host = Host(tio.Termios())
    try:
        assert fcntl.ioctl(host.slave, TCGETS, bytes(36)) == tio.Termios().pack()
        assert fcntl.ioctl(host.slave, 0x802C542A, bytes(44)) == tio.Termios().pack2()
        assert fcntl.ioctl(host.slave, 0x5405, bytes(18)) == tio.Termios().pack_termio()
    finally:
        host.close()
