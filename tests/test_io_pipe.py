"""Pipes against the host's: random writes, reads, resizes and packets, and the same results (fs/pipe.c is a ring of pages)."""

from __future__ import annotations

import fcntl
import os
import struct
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.cred import Cred
from kernel.errno import NAME_OF, Errno
from kernel.fs.file import O_DIRECT, O_RDONLY, O_WRONLY, POLLIN, POLLOUT
from kernel.fs.pipe import Pipe, PipeFile
from kernel.task import Thread
from kernel.waitqueue import Wakeup

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the oracle is Linux")

F_SETPIPE_SZ = 1031
FIONREAD = 0x541B

SIZES = st.one_of(st.sampled_from((1, 2, 100, 3000, 4095, 4096, 4097, 8192, 10000, 65536, 70000)), st.integers(1, 5000))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), SIZES),
        st.tuples(st.just("read"), SIZES),
        st.tuples(st.just("resize"), st.sampled_from((1, 4096, 5000, 8192, 65536, 100000, 1 << 20))),
        st.tuples(st.just("packets"), st.sampled_from((0, 1))),
    ),
    max_size=30,
)


def thread() -> Thread:
    """A thread that only has credentials."""
    t = Thread.__new__(Thread)
    t.cred = Cred.root()
    return t


class Ours:
    def __init__(self) -> None:
        self.t = thread()
        pipe = Pipe()
        self.reader, self.writer = PipeFile(pipe, O_RDONLY), PipeFile(pipe, O_WRONLY)

    def do(self, kind: str, value: int) -> object:
        try:
            if kind == "write":
                return self.writer.write(self.t, data(value))
            if kind == "read":
                return self.reader.read(self.t, value)
            if kind == "resize":
                return self.writer.pipe.resize(self.t, value)
            self.writer.flags = O_WRONLY | (O_DIRECT if value else 0)
        except Errno as error:
            return NAME_OF[error.number]
        return None

    def state(self) -> tuple[int, bool, bool]:
        readable = bool(self.reader.poll(self.t) & POLLIN)
        return self.reader.pipe.readable, readable, bool(self.writer.poll(self.t) & POLLOUT)


class Host:
    def __init__(self) -> None:
        self.reader, self.writer = os.pipe2(os.O_NONBLOCK)

    def do(self, kind: str, value: int) -> object:
        try:
            if kind == "write":
                return os.write(self.writer, data(value))
            if kind == "read":
                return os.read(self.reader, value)
            if kind == "resize":
                return fcntl.fcntl(self.writer, F_SETPIPE_SZ, value)
            fcntl.fcntl(self.writer, fcntl.F_SETFL, os.O_NONBLOCK | (os.O_DIRECT if value else 0))
        except OSError as error:
            return NAME_OF[error.errno or 0]
        return None

    def state(self) -> tuple[int, bool, bool]:
        import select

        readable, writable, _ = select.select([self.reader], [self.writer], [], 0)
        queued: int = struct.unpack("i", fcntl.ioctl(self.reader, FIONREAD, bytes(4)))[0]
        return queued, bool(readable), bool(writable)

    def close(self) -> None:
        os.close(self.reader)
        os.close(self.writer)


def data(size: int) -> bytes:
    """Bytes that tell where they are."""
    return (b"0123456789abcdefghijklmnopqrstuvwxyz-" * (size // 37 + 1))[:size]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(STEPS)
def test_same_as_the_host(steps: list[tuple[str, int]]) -> None:
    host, ours = Host(), Ours()
    try:
        for kind, value in steps:
            assert ours.do(kind, value) == host.do(kind, value), (kind, value)
            assert ours.state() == host.state()
    finally:
        host.close()


def test_reading_sleeps_until_somebody_writes() -> None:
    ours = Ours()
    sleep = ours.reader.read_sleeping(ours.t, 10)
    block = next(sleep)
    assert block.what == "pipe_read"
    woken: list[object] = []
    for queue in block.queues:
        queue.add(lambda key: bool(woken.append(key) or True))  # type: ignore[func-returns-value]
    ours.writer.write(ours.t, b"now")
    assert len(woken) == 1
    with pytest.raises(StopIteration) as end:
        sleep.send(Wakeup.EVENT)
    assert end.value.value == b"now"


def test_a_signal_ends_the_sleep() -> None:
    ours = Ours()
    sleep = ours.reader.read_sleeping(ours.t, 10)
    next(sleep)
    with pytest.raises(Errno.ERESTARTSYS):
        sleep.send(Wakeup.SIGNAL)


def test_the_last_writer_wakes_readers_with_end_of_file() -> None:
    ours = Ours()
    sleep = ours.reader.read_sleeping(ours.t, 10)
    next(sleep)
    ours.writer.drop()
    with pytest.raises(StopIteration) as end:
        sleep.send(Wakeup.EVENT)
    assert end.value.value == b""
