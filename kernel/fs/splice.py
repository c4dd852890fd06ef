"""splice, tee, vmsplice: moving bytes through pipes (fs/splice.c).

Linux moves references to pages; here the bytes of a slot are immutable, so moving a slot object is the same thing.  A
spliced slot takes no merged writes.  All of these return as soon as something was moved, like read(2).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from kernel.errno import Errno
from kernel.fs.fasync import POLL_IN, POLL_OUT, kill_fasync
from kernel.fs.file import O_APPEND, O_NONBLOCK, File, read_blocking
from kernel.fs.pipe import PAGE, Packet, Pipe, PipeFile, Sealed
from kernel.signal import SIGPIPE
from kernel.signal_send import send_sig_self
from kernel.waitqueue import Blocking, wait

if TYPE_CHECKING:
    from kernel.task import Thread

SPLICE_NONBLOCK = 2
SPLICE_ALL = 0xF


def _filled(pipe: Pipe, block: bool) -> Blocking[bool]:
    """Wait until there is something to read; False at the end of file (ipipe_prep)."""
    while not pipe.slots:
        if not pipe.writers:
            return False
        if not block:
            raise Errno.EAGAIN
        yield from wait("pipe_wait_readable", pipe.read_wait)
    return True


def _has_reader(t: Thread, pipe: Pipe) -> None:
    """EPIPE with SIGPIPE if nobody can read the pipe."""
    if not pipe.readers:
        send_sig_self(t, SIGPIPE)
        raise Errno.EPIPE


def _room(t: Thread, pipe: Pipe, block: bool) -> Blocking[None]:
    """Wait until a slot is free (opipe_prep, wait_for_space).  EPIPE with SIGPIPE without readers."""
    while True:
        _has_reader(t, pipe)
        if len(pipe.slots) < pipe.max_slots:
            return
        if not block:
            raise Errno.EAGAIN
        yield from wait("pipe_wait_writable", pipe.write_wait)


def splice_pipes(t: Thread, reader: PipeFile, writer: PipeFile, size: int, block: bool) -> Blocking[int]:
    """Move up to ``size`` bytes from pipe to pipe."""
    source, target = reader.pipe, writer.pipe
    if source is target:
        raise Errno.EINVAL
    block = block and not (reader.flags | writer.flags) & O_NONBLOCK
    done = 0
    freed = False
    while not done:
        _has_reader(t, target)
        if not (yield from _filled(source, block)):
            return 0
        yield from _room(t, target, block)
        while source.slots and done < size and len(target.slots) < target.max_slots:
            packet = type(source.slots[0]) is Packet
            slots = len(source.slots)
            chunk = source.read(min(size - done, PAGE, len(source.slots[0]) - source.offset))
            freed = freed or len(source.slots) < slots
            target.push(Packet(chunk) if packet else Sealed(chunk))
            done += len(chunk)
    kill_fasync(target.read_listeners, POLL_IN)
    if freed:
        kill_fasync(source.write_listeners, POLL_OUT)
    return done


def tee_pipes(t: Thread, reader: PipeFile, writer: PipeFile, size: int, block: bool) -> Blocking[int]:
    """Copy up to ``size`` bytes from pipe to pipe, leaving them in the first (link_pipe)."""
    source, target = reader.pipe, writer.pipe
    block = block and not (reader.flags | writer.flags) & O_NONBLOCK
    if not (yield from _filled(source, block)):
        _has_reader(t, target)
        return 0
    yield from _room(t, target, block)
    done = 0
    offset = source.offset
    for index, slot in enumerate(list(source.slots)):
        if done >= size or len(target.slots) >= target.max_slots:
            break
        chunk = bytes(slot[offset : offset + size - done])
        offset = 0
        packet = type(slot) is Packet
        if not packet and type(slot) is not Sealed:
            source.slots[index] = Sealed(slot)
        target.push(Packet(chunk) if packet else Sealed(chunk))
        done += len(chunk)
    if done:
        kill_fasync(target.read_listeners, POLL_IN)
    return done


def splice_in(t: Thread, source: File, off_in: int, writer: PipeFile, size: int, block: bool) -> Blocking[int]:
    """Move from a file to a pipe, as much as there are free slots for."""
    mm, pipe = t.mm, writer.pipe
    assert mm is not None
    offset = struct.unpack("<q", mm.read(off_in, 8))[0] if off_in else 0
    if offset < 0:
        raise Errno.EINVAL
    if off_in:
        source.pread(t, 0, offset)
    yield from _room(t, pipe, block and not writer.flags & O_NONBLOCK)
    size = min(size, (pipe.max_slots - len(pipe.slots)) * PAGE)
    if off_in:
        data = source.pread(t, size, offset)
        mm.write(off_in, struct.pack("<q", offset + len(data)))
    else:
        data = yield from read_blocking(t, source, size)
    for start in range(0, len(data), PAGE):
        pipe.push(Sealed(data[start : start + PAGE]))
    if data:
        kill_fasync(pipe.read_listeners, POLL_IN)
    return len(data)


def splice_out(t: Thread, reader: PipeFile, target: File, off_out: int, size: int, block: bool) -> Blocking[int]:
    """Move from a pipe to a file; EINVAL for one opened O_APPEND."""
    mm, pipe = t.mm, reader.pipe
    assert mm is not None
    if target.flags & O_APPEND:
        raise Errno.EINVAL
    offset = struct.unpack("<q", mm.read(off_out, 8))[0] if off_out else 0
    if offset < 0:
        raise Errno.EINVAL
    if off_out:
        target.pwrite(t, b"", offset)
    if not (yield from _filled(pipe, block and not reader.flags & O_NONBLOCK)):
        return 0
    done = 0
    slots = len(pipe.slots)
    while pipe.slots and done < size:
        first = pipe.slots[0]
        chunk = bytes(first[pipe.offset : pipe.offset + size - done])
        # What the file does not take stays in the pipe.
        try:
            if off_out:
                taken = target.pwrite(t, chunk, offset + done)
            elif done or not block:
                taken = target.write(t, chunk)
            else:
                taken = yield from target.write_sleeping(t, chunk)
        except Errno:
            if done:
                break
            raise
        pipe.read(taken)
        done += taken
        if taken < len(chunk):
            break
    if len(pipe.slots) < slots:
        kill_fasync(pipe.write_listeners, POLL_OUT)
    if off_out:
        mm.write(off_out, struct.pack("<q", offset + done))
    return done


def vmsplice_in(t: Thread, writer: PipeFile, segments: list[tuple[int, int]], block: bool) -> Blocking[int]:
    """User memory into a pipe; waits for the first free slot only."""
    mm, pipe = t.mm, writer.pipe
    assert mm is not None
    yield from _room(t, pipe, block)
    done = 0
    for base, length in segments:
        while length and len(pipe.slots) < pipe.max_slots:
            part = min(length, PAGE - base % PAGE)
            try:
                chunk = mm.read(base, part)
            except Errno:
                if done:
                    return done
                raise
            pipe.push(Sealed(chunk))
            base, length, done = base + part, length - part, done + part
        if length:
            break
    if done:
        kill_fasync(pipe.read_listeners, POLL_IN)
    return done


def vmsplice_out(t: Thread, reader: PipeFile, segments: list[tuple[int, int]], block: bool) -> Blocking[int]:
    """A pipe's bytes copied to user memory."""
    mm, pipe = t.mm, reader.pipe
    assert mm is not None
    if not (yield from _filled(pipe, block)):
        return 0
    done = 0
    slots = len(pipe.slots)
    for base, length in segments:
        if not pipe.slots:
            break
        data = pipe.read(length)
        mm.write(base, data)
        done += len(data)
        if len(data) < length:
            break
    if len(pipe.slots) < slots:
        kill_fasync(pipe.write_listeners, POLL_OUT)
    return done
