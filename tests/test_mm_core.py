"""Address spaces: faults, copy-on-write, fork, user access."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mm_world import (
    ANON,
    ARENA,
    PAGE,
    PF_INSTR,
    PF_USER,
    PF_WRITE,
    RW,
    SHARED,
    MappedFile,
    cached,
    make_memory,
    make_mm,
    make_thread,
    pages,
)

from kernel.errno import Errno
from kernel.fs.file import O_RDONLY
from kernel.hardware import PTE_NX, PTE_W, USER_TOP
from kernel.mm import mmap
from kernel.mm.memory import Memory
from kernel.mm.vma import PROT_EXEC, PROT_NONE, PROT_READ, PROT_WRITE, VM_DONTCOPY, VM_WIPEONFORK


@pytest.fixture(params=["fake", "real"])
def memory(request: pytest.FixtureRequest) -> Iterator[Memory]:
    memory = make_memory(request.param)
    before = memory.free
    yield memory
    assert memory.free == before, "frames leaked"


def test_anonymous_memory_reads_as_zeros_and_keeps_what_is_written(memory: Memory) -> None:
    mm = make_mm(memory)
    address = mmap.do_mmap(mm, None, 0, 3 * PAGE, RW, ANON)
    assert address == 0x7FFF_F7FF_F000 - 3 * PAGE
    assert mm.read(address, 3 * PAGE) == bytes(3 * PAGE)
    mm.write(address + PAGE - 2, b"abcd")
    assert mm.read(address + PAGE - 3, 6) == b"\0abcd\0"
    assert mm.read_u32(address + PAGE - 2) == 0x64636261
    mm.write_u64(address + 8, 2**64 - 2)
    assert mm.read_u64(address + 8) == 2**64 - 2
    mm.put()


def test_reading_before_writing_takes_no_memory(memory: Memory) -> None:
    mm = make_mm(memory)
    address = mmap.do_mmap(mm, None, 0, 64 * PAGE, RW, ANON)
    mm.read(address, 1)
    before = memory.free
    mm.read(address, 64 * PAGE)
    assert memory.free == before
    mm.put()


def test_faults_map_what_the_area_allows(memory: Memory) -> None:
    mm = make_mm(memory)
    t = make_thread(mm)
    address = mmap.do_mmap(mm, t, ARENA, 4 * PAGE, RW, ANON)
    assert mm.handle_fault(t, address + 5, PF_USER | PF_WRITE) is None
    entry = mm.tables.lookup(address)
    assert entry & PTE_W
    assert entry & PTE_NX
    assert mm.handle_fault(t, address + PAGE, PF_USER) is None
    assert not mm.tables.lookup(address + PAGE) & PTE_W
    assert mm.handle_fault(t, address, PF_USER | PF_INSTR) == (11, 2, address)
    assert mm.handle_fault(t, address + 4 * PAGE, PF_USER) == (11, 1, address + 4 * PAGE)
    assert mm.handle_fault(t, USER_TOP + 8, PF_USER) == (11, 1, USER_TOP + 8)
    readable = mmap.do_mmap(mm, t, 0, PAGE, PROT_READ | PROT_EXEC, ANON)
    assert mm.handle_fault(t, readable, PF_USER | PF_WRITE) == (11, 2, readable)
    assert mm.handle_fault(t, readable, PF_USER | PF_INSTR) is None
    none = mmap.do_mmap(mm, t, 0, PAGE, PROT_NONE, ANON)
    assert mm.handle_fault(t, none, PF_USER) == (11, 2, none)
    mm.put()


def test_fork_copies_on_write_in_both_directions(memory: Memory) -> None:
    parent = make_mm(memory)
    address = mmap.do_mmap(parent, None, ARENA, 2 * PAGE, RW, ANON)
    parent.write(address, b"one")
    child = parent.fork()
    parent.write(address, b"two")
    assert child.read(address, 3) == b"one"
    child.write(address + PAGE, b"new")
    assert parent.read(address + PAGE, 3) == b"\0\0\0"
    grandchild = child.fork()
    child.put()
    grandchild.write(address, b"six")
    assert parent.read(address, 3) == b"two"
    assert grandchild.read(address + PAGE, 3) == b"new"
    parent.put()
    assert grandchild.read(address, 3) == b"six"
    grandchild.put()


def test_the_last_user_of_a_frame_writes_in_place(memory: Memory) -> None:
    parent = make_mm(memory)
    address = mmap.do_mmap(parent, None, ARENA, PAGE, RW, ANON)
    parent.write(address, b"one")
    frame = parent.tables.lookup(address) >> 12 & 0xFFFFFF
    parent.fork().put()
    parent.write(address, b"two")
    assert parent.tables.lookup(address) >> 12 & 0xFFFFFF == frame
    parent.put()


def test_shared_anonymous_memory_is_shared_with_children(memory: Memory) -> None:
    parent = make_mm(memory)
    address = mmap.do_mmap(parent, None, 0, 2 * PAGE, RW, SHARED)
    parent.write(address, b"one")
    child = parent.fork()
    child.write(address + PAGE, b"child")
    parent.write(address, b"two")
    assert child.read(address, 3) == b"two"
    assert parent.read(address + PAGE, 5) == b"child"
    assert parent.futex_key(address, True) == child.futex_key(address, True)
    assert parent.futex_key(address, False) != child.futex_key(address, False)
    parent.put()
    assert child.read(address + PAGE, 5) == b"child"
    child.put()


def test_fork_honours_dontfork_and_wipeonfork(memory: Memory) -> None:
    parent = make_mm(memory)
    address = mmap.do_mmap(parent, None, ARENA, 3 * PAGE, RW, ANON)
    parent.write(address, b"x" * 3 * PAGE)
    area = parent.areas.areas[0]
    parent.set_flags(area, address, address + PAGE, area.flags | VM_DONTCOPY)
    area = parent.areas.areas[1]
    parent.set_flags(area, address + PAGE, address + 2 * PAGE, area.flags | VM_WIPEONFORK)
    child = parent.fork()
    with pytest.raises(Errno.EFAULT):
        child.read(address, 1)
    assert child.read(address + PAGE, PAGE) == bytes(PAGE)
    assert child.read(address + 2 * PAGE, PAGE) == b"x" * PAGE
    assert child.total_vm == 2
    child.put()
    parent.put()


def test_private_file_pages_are_the_cache_until_written(memory: Memory) -> None:
    cache = cached(memory, b"a" * PAGE + b"b" * 100)
    file = MappedFile(cache)
    mm = make_mm(memory)
    t = make_thread(mm)
    address = mmap.do_mmap(mm, t, 0, 3 * PAGE, RW, mmap.MAP_PRIVATE, file)
    file.drop()
    assert file.refs
    assert mm.read(address + PAGE, 200) == b"b" * 100 + bytes(100)
    assert mm.tables.lookup(address + PAGE) >> 12 & 0xFFFFFF == cache.pages[1]
    mm.write(address, b"mine")
    assert cache.read(0, 5) == b"aaaaa"
    assert mm.handle_fault(t, address + 2 * PAGE, PF_USER) == (7, 2, address + 2 * PAGE)
    with pytest.raises(Errno.EFAULT):
        mm.read(address + 2 * PAGE, 1)
    assert mm.copy_in_partial(address + 2 * PAGE - 4, 8) == bytes(4)
    mm.put()
    assert not file.refs
    cache.destroy()


def test_shared_file_pages_are_written_through(memory: Memory) -> None:
    cache = cached(memory, b"a" * 2 * PAGE)
    mm = make_mm(memory)
    t = make_thread(mm)
    address = mmap.do_mmap(mm, t, 0, 2 * PAGE, RW, mmap.MAP_SHARED, MappedFile(cache))
    assert mm.read(address, 2) == b"aa"
    assert not cache.dirty_pages
    assert not mm.tables.lookup(address) & PTE_W
    mm.write(address + 1, b"new")
    assert cache.dirty_pages == {0}
    assert cache.read(0, 5) == b"anewa"
    child = mm.fork()
    child.write(address, b"!")
    assert mm.read(address, 1) == b"!"
    cache.truncate(PAGE)
    assert mm.handle_fault(t, address + PAGE, PF_USER) == (7, 2, address + PAGE)
    child.put()
    mm.put()
    assert not cache.mappers
    cache.destroy()


def test_fault_around_maps_what_the_cache_has(memory: Memory) -> None:
    cache = cached(memory, b"c" * 40 * PAGE)
    for index in (0, 1, 3, 17):
        memory.put(cache.page(index))
    mm = make_mm(memory)
    t = make_thread(mm)
    mmap.do_mmap(mm, t, ARENA, 40 * PAGE, PROT_READ | PROT_EXEC, mmap.MAP_PRIVATE, MappedFile(cache, O_RDONLY))
    assert mm.handle_fault(t, ARENA + 2 * PAGE, PF_USER | PF_INSTR) is None
    present = [(va - ARENA) // PAGE for va, _ in mm.tables.present(ARENA, ARENA + 40 * PAGE)]
    assert present == [0, 1, 2, 3]
    mm.put()
    cache.destroy()


def test_a_debugger_writes_where_the_program_may_not(memory: Memory) -> None:
    cache = cached(memory, b"code" * 1024)
    mm = make_mm(memory)
    t = make_thread(mm)
    address = mmap.do_mmap(mm, t, 0, PAGE, PROT_READ | PROT_EXEC, mmap.MAP_PRIVATE, MappedFile(cache, O_RDONLY))
    with pytest.raises(Errno.EFAULT):
        mm.write(address, b"\xcc")
    mm.write(address, b"\xcc", force=True)
    mm.write(address + 1, b"\xcc", force=True)
    assert mm.read(address, 4) == b"\xcc\xccde"
    assert cache.read(0, 4) == b"code"
    assert not mm.tables.lookup(address) & PTE_W
    assert mm.handle_fault(t, address, PF_USER | PF_WRITE) == (11, 2, address)
    hidden = mmap.do_mmap(mm, t, 0, PAGE, PROT_NONE, ANON)
    assert mm.read(hidden, 4, force=True) == bytes(4)
    mm.write(hidden, b"poke", force=True)
    with pytest.raises(Errno.EFAULT):
        mm.read(hidden, 4)
    assert mm.read(hidden, 4, force=True) == b"poke"
    shared = mmap.do_mmap(mm, t, 0, PAGE, PROT_READ, mmap.MAP_SHARED, MappedFile(cache, O_RDONLY))
    with pytest.raises(Errno.EFAULT):
        mm.write(shared, b"x", force=True)
    mm.put()
    cache.destroy()


def test_the_stack_grows_to_its_limit_and_keeps_its_guard_gap(memory: Memory) -> None:
    mm = make_mm(memory)
    t = make_thread(mm)
    mm.rlimits.set(3, 8 << 20, 8 << 20)
    top = USER_TOP
    mmap.do_mmap(mm, t, top - PAGE, PAGE, RW, ANON | mmap.MAP_FIXED | mmap.MAP_GROWSDOWN)
    mm.write(top - 100 * PAGE, b"deep")
    assert pages(mm) == [(top - 100 * PAGE, top, 3)]
    assert mm.handle_fault(t, top - (8 << 20), PF_USER | PF_WRITE) is None
    assert mm.handle_fault(t, top - (8 << 20) - 1, PF_USER | PF_WRITE) == (11, 1, top - (8 << 20) - 1)
    mm.put()

    mm = make_mm(memory)
    t = make_thread(mm)
    mmap.do_mmap(mm, t, top - PAGE, PAGE, RW, ANON | mmap.MAP_FIXED | mmap.MAP_GROWSDOWN)
    mmap.do_mmap(mm, t, top - 400 * PAGE, PAGE, RW, ANON | mmap.MAP_FIXED)
    gap = top - 399 * PAGE + 256 * PAGE
    assert mm.handle_fault(t, gap, PF_USER) is None
    assert mm.handle_fault(t, gap - 1, PF_USER) == (11, 1, gap - 1)
    mm.put()


def test_strings_vectors_and_atomics(memory: Memory) -> None:
    mm = make_mm(memory)
    address = mmap.do_mmap(mm, None, 0, 2 * PAGE, RW, ANON)
    mm.write(address + PAGE - 3, b"hello\0")
    assert mm.read_cstring(address + PAGE - 3, 4096) == b"hello"
    assert mm.read_cstring(address + PAGE - 3, 5) is None
    assert mm.read_cstring(address + PAGE - 3, 6) == b"hello"
    mm.write(address + PAGE, b"x" * PAGE)
    with pytest.raises(Errno.EFAULT):
        mm.read_cstring(address + PAGE, 2 * PAGE)
    mm.write(address, (address + 100).to_bytes(8, "little") + (3).to_bytes(8, "little"))
    mm.write(address + 16, (address + 200).to_bytes(8, "little") + (5).to_bytes(8, "little"))
    vector = mm.read_iovec(address, 2)
    assert vector == [(address + 100, 3), (address + 200, 5)]
    assert mm.scatter(vector, b"abcdefgh") == 8
    assert mm.gather(vector) == b"abcdefgh"
    assert mm.scatter([(address + 2 * PAGE - 2, 4)], b"1234") == 2
    with pytest.raises(Errno.EFAULT):
        mm.scatter([(address + 2 * PAGE, 4)], b"1234")
    mm.write_u32(address, 7)
    assert mm.cmpxchg_u32(address, 7, 9) == 7
    assert mm.cmpxchg_u32(address, 7, 10) == 9
    assert mm.read_u32(address) == 9
    assert mm.copy_out_partial(address + 2 * PAGE - 2, b"1234") == 2
    assert mm.write_quiet(0, b"x") is False
    mm.put()


def test_writes_into_code_are_told_to_the_processor(memory: Memory) -> None:
    changed: list[int] = []
    memory.code_changed = changed.append
    mm = make_mm(memory)
    address = mmap.do_mmap(mm, None, 0, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, ANON)
    mm.write(address, b"\x90")
    mm.write(address, b"\x90")
    assert len(changed) == 2
    mm.put()
