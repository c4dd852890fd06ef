"""Single rules of the memory calls: errors, limits, accounting, what /proc shows, the OOM killer."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from mm_world import (
    ANON,
    ARENA,
    PAGE,
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
from kernel.fs.file import O_APPEND, O_RDONLY, O_WRONLY, Stat
from kernel.fs.proc import task_mmu
from kernel.hardware import PTE_W, USER_TOP
from kernel.mm import madvise, mempolicy, mlock, mmap, mprotect, mremap, remote, usage
from kernel.mm.address_space import AddressSpace
from kernel.mm.memory import Memory
from kernel.mm.oom import OomKiller, badness
from kernel.mm.vma import PROT_EXEC, PROT_GROWSDOWN, PROT_NONE, PROT_READ, PROT_WRITE, VM_EXEC, VM_MAYREAD, VM_READ
from kernel.rlimit import RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK, RLIMIT_STACK

if TYPE_CHECKING:
    from kernel.task import Process, Thread

FIXED = mmap.MAP_FIXED


@pytest.fixture
def memory() -> Iterator[Memory]:
    memory = make_memory("real", 2048)
    before = memory.free
    yield memory
    assert memory.free == before, "frames leaked"


@pytest.fixture
def mm(memory: Memory) -> Iterator[AddressSpace]:
    mm = make_mm(memory)
    yield mm
    mm.put()


@pytest.fixture
def t(mm: AddressSpace) -> Thread:
    return make_thread(mm)


def test_mmap_checks_its_arguments_in_linux_order(mm: AddressSpace, t: Thread) -> None:
    user = make_thread(mm, 0)
    for expected, arguments in (
        (Errno.EINVAL, (0, 0, RW, ANON)),
        (Errno.ENOMEM, (0, (1 << 64) - 1, RW, ANON)),
        (Errno.ENOMEM, (0, USER_TOP + PAGE, 0, ANON)),
        (Errno.EINVAL, (ARENA + 1, PAGE, RW, ANON | FIXED)),
        (Errno.ENOMEM, (USER_TOP, PAGE, RW, ANON | FIXED)),
        (Errno.EPERM, (0, PAGE, RW, ANON | FIXED)),
        (Errno.EINVAL, (0, PAGE, RW, mmap.MAP_ANONYMOUS)),
        (Errno.EINVAL, (0, PAGE, RW, mmap.MAP_ANONYMOUS | mmap.MAP_SHARED_VALIDATE)),
        (Errno.EINVAL, (0, PAGE, RW, SHARED | mmap.MAP_GROWSDOWN)),
        (Errno.ENOMEM, (0, 1 << 40, RW, ANON)),
    ):
        with pytest.raises(expected):
            mmap.do_mmap(mm, user, *arguments)
    assert mmap.do_mmap(mm, t, 0, PAGE, RW, ANON | FIXED) == 0
    assert mmap.do_mmap(mm, t, 0, 1 << 40, RW, ANON | mmap.MAP_NORESERVE)
    mmap.do_mmap(mm, t, ARENA, PAGE, RW, ANON | mmap.MAP_FIXED_NOREPLACE)
    with pytest.raises(Errno.EEXIST):
        mmap.do_mmap(mm, t, ARENA, 2 * PAGE, RW, ANON | mmap.MAP_FIXED_NOREPLACE)
    assert mmap.do_mmap(mm, t, 0, PAGE, RW, ANON | mmap.MAP_32BIT) == 0x4000_0000


def test_mapping_a_file_obeys_how_it_was_opened(memory: Memory, mm: AddressSpace, t: Thread) -> None:
    cache = cached(memory, b"x" * PAGE)
    read_only = MappedFile(cache, O_RDONLY)
    with pytest.raises(Errno.EACCES):
        mmap.do_mmap(mm, t, 0, PAGE, RW, mmap.MAP_SHARED, read_only)
    with pytest.raises(Errno.EACCES):
        mmap.do_mmap(mm, t, 0, PAGE, PROT_READ, mmap.MAP_PRIVATE, MappedFile(cache, O_WRONLY | O_APPEND))
    with pytest.raises(Errno.EOPNOTSUPP):
        mmap.do_mmap(mm, t, 0, PAGE, PROT_READ, mmap.MAP_SHARED_VALIDATE | mmap.MAP_SYNC, read_only)
    with pytest.raises(Errno.EOVERFLOW):
        mmap.do_mmap(mm, t, 0, PAGE, PROT_READ, mmap.MAP_PRIVATE, read_only, (1 << 64) - PAGE)
    shared = mmap.do_mmap(mm, t, 0, PAGE, PROT_READ, mmap.MAP_SHARED, read_only)
    with pytest.raises(Errno.EACCES):
        mprotect.do_mprotect(mm, t, shared, PAGE, RW)
    private = mmap.do_mmap(mm, t, 0, PAGE, PROT_READ, mmap.MAP_PRIVATE, read_only)
    mprotect.do_mprotect(mm, t, private, PAGE, RW)
    mm.write(private, b"y")
    assert mm.read(shared, 1) == b"x"
    mm.unmap(0, USER_TOP)
    cache.destroy()


def test_limits_on_address_space_and_data(mm: AddressSpace, t: Thread) -> None:
    mm.rlimits.set(RLIMIT_AS, 10 * PAGE, 10 * PAGE)
    address = mmap.do_mmap(mm, t, 0, 8 * PAGE, RW, ANON)
    with pytest.raises(Errno.ENOMEM):
        mmap.do_mmap(mm, t, 0, 3 * PAGE, RW, ANON)
    mmap.do_mmap(mm, t, address, 8 * PAGE, RW, ANON | FIXED)
    with pytest.raises(Errno.ENOMEM):
        mremap.do_mremap(mm, t, address, 8 * PAGE, 12 * PAGE, 1, 0)
    mm.rlimits.set(RLIMIT_AS, 1 << 60, 1 << 60)
    mm.rlimits.set(RLIMIT_DATA, 8 * PAGE, 8 * PAGE)
    with pytest.raises(Errno.ENOMEM):
        mmap.do_mmap(mm, t, 0, PAGE, RW, ANON)
    none = mmap.do_mmap(mm, t, 0, PAGE, PROT_NONE, ANON)
    with pytest.raises(Errno.ENOMEM):
        mprotect.do_mprotect(mm, t, none, PAGE, RW)
    mmap.do_mmap(mm, t, 0, 100 * PAGE, RW, SHARED)


def test_there_may_not_be_too_many_areas(memory: Memory, mm: AddressSpace, t: Thread) -> None:
    memory.max_map_count = 4
    mmap.do_mmap(mm, t, ARENA, 5 * PAGE, RW, ANON | FIXED)
    mprotect.do_mprotect(mm, t, ARENA + PAGE, PAGE, PROT_READ)
    mprotect.do_mprotect(mm, t, ARENA + 3 * PAGE, 2 * PAGE, PROT_READ)
    assert len(mm.areas) == 4
    with pytest.raises(Errno.ENOMEM):
        mprotect.do_mprotect(mm, t, ARENA + 3 * PAGE, PAGE, PROT_NONE)


def test_mprotect(mm: AddressSpace, t: Thread) -> None:
    mmap.do_mmap(mm, t, ARENA, 4 * PAGE, RW, ANON | FIXED)
    mm.write(ARENA, b"data")
    for expected, arguments in (
        (Errno.EINVAL, (ARENA + 1, PAGE, PROT_READ)),
        (Errno.EINVAL, (ARENA, PAGE, 0x10)),
        (Errno.EINVAL, (ARENA, PAGE, PROT_READ | PROT_GROWSDOWN)),
        (Errno.ENOMEM, (ARENA + 4 * PAGE, PAGE, PROT_READ)),
        (Errno.ENOMEM, (ARENA, (1 << 64) - PAGE, PROT_READ)),
    ):
        with pytest.raises(expected):
            mprotect.do_mprotect(mm, t, *arguments)
    mprotect.do_mprotect(mm, t, ARENA, 0, PROT_READ)
    mprotect.do_mprotect(mm, t, ARENA, PAGE, PROT_NONE)
    with pytest.raises(Errno.EFAULT):
        mm.read(ARENA, 4)
    mprotect.do_mprotect(mm, t, ARENA, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC)
    assert mm.read(ARENA, 4) == b"data"
    assert not mm.tables.lookup(ARENA) & PTE_W
    mm.write(ARENA, b"more")
    assert mm.handle_fault(t, ARENA, 4 | 16) is None
    with pytest.raises(Errno.EINVAL):
        mprotect.pkey_mprotect(mm, t, ARENA, PAGE, PROT_READ, 1)
    with pytest.raises(Errno.ENOSPC):
        mprotect.pkey_alloc(0, 0)


def test_mremap(mm: AddressSpace, t: Thread) -> None:
    mmap.do_mmap(mm, t, ARENA, 2 * PAGE, RW, ANON | FIXED)
    mm.write(ARENA, b"first")
    mm.write(ARENA + PAGE, b"second")
    assert mremap.do_mremap(mm, t, ARENA, 2 * PAGE, 4 * PAGE, 0, 0) == ARENA
    mmap.do_mmap(mm, t, ARENA + 4 * PAGE, PAGE, PROT_READ, ANON | FIXED)
    with pytest.raises(Errno.ENOMEM):
        mremap.do_mremap(mm, t, ARENA, 4 * PAGE, 5 * PAGE, 0, 0)
    moved = mremap.do_mremap(mm, t, ARENA, 4 * PAGE, 5 * PAGE, 1, 0)
    assert moved != ARENA
    assert mm.read(moved, 5) == b"first"
    assert mm.read(moved + PAGE, 6) == b"second"
    with pytest.raises(Errno.EFAULT):
        mm.read(ARENA, 1)
    back = mremap.do_mremap(mm, t, moved, 2 * PAGE, 2 * PAGE, 7, ARENA)
    assert back == ARENA
    assert mm.read(ARENA, 5) == b"first"
    assert mm.read(moved, 5) == bytes(5)
    shared = mmap.do_mmap(mm, t, 0, PAGE, RW, SHARED)
    mm.write(shared, b"both")
    twin = mremap.do_mremap(mm, t, shared, 0, PAGE, 1, 0)
    mm.write(twin, b"BOTH")
    assert mm.read(shared, 4) == b"BOTH"
    for expected, arguments in (
        (Errno.EINVAL, (ARENA, 0, PAGE, 1, 0)),
        (Errno.EINVAL, (ARENA, PAGE, 0, 1, 0)),
        (Errno.EINVAL, (ARENA, PAGE, PAGE, 2, shared)),
        (Errno.EINVAL, (ARENA, 2 * PAGE, 2 * PAGE, 3, ARENA + PAGE)),
        (Errno.EFAULT, (0x5000_0000, PAGE, 2 * PAGE, 1, 0)),
    ):
        with pytest.raises(expected):
            mremap.do_mremap(mm, t, *arguments)


def test_remap_file_pages_shows_other_pages(memory: Memory, mm: AddressSpace, t: Thread) -> None:
    cache = cached(memory, b"a" * PAGE + b"b" * PAGE + b"c" * PAGE)
    file = MappedFile(cache)
    mmap.do_mmap(mm, t, ARENA, 3 * PAGE, RW, mmap.MAP_SHARED | FIXED, file)
    file.drop()
    mremap.remap_file_pages(mm, t, ARENA, PAGE, 0, 2, 0)
    mremap.remap_file_pages(mm, t, ARENA + 2 * PAGE, PAGE, 0, 0, 0)
    assert mm.read(ARENA, 1) + mm.read(ARENA + PAGE, 1) + mm.read(ARENA + 2 * PAGE, 1) == b"cba"
    assert file.refs
    mm.unmap(ARENA, ARENA + 3 * PAGE)
    assert not file.refs
    cache.destroy()


def test_madvise(memory: Memory, mm: AddressSpace, t: Thread) -> None:
    mmap.do_mmap(mm, t, ARENA, 4 * PAGE, RW, ANON | FIXED)
    mm.write(ARENA, b"x" * 4 * PAGE)
    madvise.do_madvise(mm, t, ARENA + PAGE, PAGE, madvise.MADV_DONTNEED)
    assert mm.read(ARENA + PAGE, 2) == b"\0\0"
    assert mm.read(ARENA, 1) == b"x"
    with pytest.raises(Errno.ENOMEM):
        madvise.do_madvise(mm, t, ARENA + 2 * PAGE, 4 * PAGE, madvise.MADV_DONTNEED)
    assert mm.read(ARENA + 3 * PAGE, 1) == b"\0"
    for advice in (5, 26, 999):
        with pytest.raises(Errno.EINVAL):
            madvise.do_madvise(mm, t, ARENA, PAGE, advice)
    free = memory.free
    madvise.do_madvise(mm, t, ARENA, 4 * PAGE, madvise.MADV_POPULATE_WRITE)
    assert memory.free == free - 3
    shared = mmap.do_mmap(mm, t, 0, PAGE, RW, SHARED)
    mm.write(shared, b"gone")
    madvise.do_madvise(mm, t, shared, PAGE, madvise.MADV_REMOVE)
    assert mm.read(shared, 4) == bytes(4)
    with pytest.raises(Errno.EINVAL):
        madvise.do_madvise(mm, t, shared, PAGE, madvise.MADV_WIPEONFORK)
    none = mmap.do_mmap(mm, t, 0, PAGE, PROT_NONE, ANON)
    with pytest.raises(Errno.EINVAL):
        madvise.do_madvise(mm, t, none, PAGE, madvise.MADV_POPULATE_READ)


def test_locked_memory(mm: AddressSpace) -> None:
    user, root = make_thread(mm, 0), make_thread(mm)
    mm.rlimits.set(RLIMIT_MEMLOCK, 3 * PAGE, 3 * PAGE)
    mmap.do_mmap(mm, user, ARENA, 8 * PAGE, RW, ANON | FIXED)
    mlock.do_mlock(mm, user, ARENA + 1, 2 * PAGE, False)
    assert mm.locked_vm == 3
    assert len(mm.tables.present(ARENA, ARENA + 8 * PAGE)) == 3
    mlock.do_mlock(mm, user, ARENA, 3 * PAGE, False)
    with pytest.raises(Errno.ENOMEM):
        mlock.do_mlock(mm, user, ARENA, 4 * PAGE, False)
    with pytest.raises(Errno.EINVAL):
        madvise.do_madvise(mm, user, ARENA, PAGE, madvise.MADV_DONTNEED)
    with pytest.raises(Errno.EBUSY):
        mlock.do_msync(mm, user, ARENA, PAGE, mlock.MS_INVALIDATE)
    with pytest.raises(Errno.EAGAIN):
        mmap.do_mmap(mm, user, 0, PAGE, RW, ANON | mmap.MAP_LOCKED)
    child = mm.fork()
    assert child.locked_vm == 0
    child.put()
    mlock.do_munlock(mm, ARENA, 8 * PAGE)
    assert mm.locked_vm == 0
    assert pages(mm) == [(ARENA, ARENA + 8 * PAGE, 3)]
    mm.rlimits.set(RLIMIT_MEMLOCK, 0, 0)
    with pytest.raises(Errno.EPERM):
        mlock.do_mlock(mm, user, ARENA, PAGE, False)
    with pytest.raises(Errno.EPERM):
        mlock.do_mlockall(mm, user, mlock.MCL_CURRENT)
    mlock.do_mlockall(mm, root, mlock.MCL_CURRENT | mlock.MCL_FUTURE)
    mmap.do_mmap(mm, root, 0, 2 * PAGE, RW, ANON)
    assert mm.locked_vm == 10
    mlock.do_munlockall(mm)
    assert mm.locked_vm == 0


def test_mincore_and_msync(memory: Memory, mm: AddressSpace, t: Thread) -> None:
    mmap.do_mmap(mm, t, ARENA, 3 * PAGE, RW, ANON | FIXED)
    mm.write(ARENA + PAGE, b"x")
    assert list(mlock.do_mincore(mm, t, ARENA, 3 * PAGE)) == [b"\0\1\0"]
    for call in (lambda: list(mlock.do_mincore(mm, t, ARENA, 4 * PAGE)), lambda: mlock.do_msync(mm, t, ARENA, 4 * PAGE, 4)):
        with pytest.raises(Errno.ENOMEM):
            call()
    with pytest.raises(Errno.EINVAL):
        mlock.do_msync(mm, t, ARENA, PAGE, mlock.MS_ASYNC | mlock.MS_SYNC)
    mlock.do_msync(mm, t, ARENA, 3 * PAGE, mlock.MS_SYNC)


def test_the_heap(mm: AddressSpace, t: Thread) -> None:
    mm.set_brk(ARENA + 5)
    start = ARENA + PAGE
    assert mmap.do_brk(mm, t, 0) == start
    assert mmap.do_brk(mm, t, start + 100) == start + 100
    assert mmap.do_brk(mm, t, start + 2 * PAGE) == start + 2 * PAGE
    mm.write(start, b"x" * 2 * PAGE)
    assert len(mm.areas) == 1
    assert mmap.do_brk(mm, t, start + PAGE) == start + PAGE
    assert mmap.do_brk(mm, t, start + 2 * PAGE) == start + 2 * PAGE
    assert mm.read(start + PAGE, 1) == b"\0"
    mmap.do_mmap(mm, t, start + 10 * PAGE, PAGE, RW, ANON | FIXED)
    assert mmap.do_brk(mm, t, start + 10 * PAGE) == start + 2 * PAGE
    assert mmap.do_brk(mm, t, start + 9 * PAGE) == start + 9 * PAGE
    assert mmap.do_brk(mm, t, start - 1) == start + 9 * PAGE
    mm.rlimits.set(RLIMIT_DATA, 3 * PAGE, 3 * PAGE)
    assert mmap.do_brk(mm, t, start + 2 * PAGE) == start + 2 * PAGE
    assert mmap.do_brk(mm, t, start + 4 * PAGE) == start + 2 * PAGE


def test_maps_look_as_on_linux(memory: Memory, mm: AddressSpace, t: Thread) -> None:
    class Named(MappedFile):
        __slots__ = ()

        def stat(self, t: Thread) -> Stat:
            return Stat(0xFE00, 260386, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

    cache = cached(memory, b"x" * 3 * PAGE)
    mmap.do_mmap(mm, t, 0x563AB3450000, 2 * PAGE, PROT_READ, mmap.MAP_PRIVATE | FIXED, Named(cache), PAGE)
    mm.set_brk(0x563AB3460000)
    mmap.do_brk(mm, t, 0x563AB3461000)
    mmap.do_mmap(mm, t, USER_TOP - 33 * PAGE, 33 * PAGE, RW, ANON | FIXED | mmap.MAP_GROWSDOWN)
    mm.start_stack = USER_TOP - PAGE
    mmap.do_mmap(mm, t, ARENA, PAGE, PROT_READ | PROT_EXEC, SHARED | FIXED)
    vdso = cached(memory, b"\x7fELF".ljust(PAGE, b"\0"))
    mmap.map_special(mm, 0, vdso, b"[vdso]", VM_READ | VM_EXEC | VM_MAYREAD)
    lines = task_mmu.maps(t, mm).decode().splitlines()
    assert lines == [
        "10000000-10001000 r-xs 00000000 00:01 1                                  /dev/zero (deleted)",
        "563ab3450000-563ab3452000 r--p 00001000 fe:00 260386                     /bin/file",
        "563ab3460000-563ab3461000 rw-p 00000000 00:00 0                          [heap]",
        "7ffff7ffe000-7ffff7fff000 r-xp 00000000 00:00 0                          [vdso]",
        "7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0                          [stack]",
        "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]",
    ]
    mm.read(0x563AB3450000, 1)
    mm.write(USER_TOP - 8, b"x")
    mm.read(ARENA, 1)
    assert usage.resident(mm) == (1, 1, 1)
    assert usage.statm(mm)[:3] == (38, 3, 2)
    assert "VmRSS:\t      12 kB\n" in task_mmu.status_lines(mm)
    t.kernel = SimpleNamespace(all_threads=lambda: ())  # type: ignore[assignment]
    assert b"VmFlags: rd wr mr mw me gd ac \n" in task_mmu.smaps(t, mm)
    assert task_mmu.smaps(t, mm).count(b"Rss:") == 6
    mm.unmap(0, USER_TOP)
    cache.destroy()
    vdso.destroy()


def test_policies_on_one_node(mm: AddressSpace, t: Thread) -> None:
    t.mempolicy = None
    mmap.do_mmap(mm, t, ARENA, 3 * PAGE, RW, ANON | FIXED)
    bind = mempolicy.make_policy(mempolicy.MPOL_BIND, 1)
    mempolicy.mbind(mm, ARENA + PAGE, PAGE, bind, 0)
    assert len(mm.areas) == 3
    assert mempolicy.get_mempolicy(mm, t, ARENA + PAGE, mempolicy.MPOL_F_ADDR) == (2, 1)
    mempolicy.mbind(mm, ARENA, 3 * PAGE, None, 0)
    assert len(mm.areas) == 1
    for mode, nodes in ((2, 0), (2, 2), (9, 1), (0, 1)):
        with pytest.raises(Errno.EINVAL):
            mempolicy.make_policy(mode, nodes)
    with pytest.raises(Errno.EFAULT):
        mempolicy.mbind(mm, ARENA, 4 * PAGE, bind, 0)


def test_memory_of_other_processes(memory: Memory, mm: AddressSpace, t: Thread) -> None:
    other = make_mm(memory)
    mmap.do_mmap(mm, t, ARENA, 2 * PAGE, RW, ANON | FIXED)
    mmap.do_mmap(other, t, ARENA, 2 * PAGE, RW, ANON | FIXED)
    other.write(ARENA, b"0123456789")
    vectors = [(ARENA + 100, 3), (ARENA + 200, 10)], [(ARENA, 4), (ARENA + 4, 6)]
    assert remote.transfer(mm, vectors[0], other, vectors[1], False) == 10
    assert mm.read(ARENA + 100, 3) + mm.read(ARENA + 200, 7) == b"0123456789"
    mm.write(ARENA, b"ab")
    assert remote.transfer(mm, [(ARENA, 2)], other, [(ARENA + 2 * PAGE - 1, 5)], True) == 1
    with pytest.raises(Errno.EFAULT):
        remote.transfer(mm, [(ARENA, 2)], other, [(ARENA + 2 * PAGE, 5)], True)
    other.put()


def make_process(mm: AddressSpace | None, number: int, adjustment: int = 0) -> Process:
    thread = SimpleNamespace(mm=mm, vfork_done=None, comm=b"hog", cred=SimpleNamespace(uid=0))
    made = SimpleNamespace(threads=[thread], oom_score_adj=adjustment, tgid=number, rep=thread, unkillable=False)
    return cast("Process", made)


def test_the_oom_killer_takes_the_biggest() -> None:
    memory = make_memory("real", 400)
    memory.overcommit = 1
    small, big, spared = make_mm(memory), make_mm(memory), make_mm(memory)
    processes = [make_process(None, 1), make_process(small, 2), make_process(big, 3), make_process(spared, 4, -1000)]
    for mm, count in ((small, 20), (big, 130), (spared, 150)):
        mmap.do_mmap(mm, None, ARENA, 400 * PAGE, RW, ANON | FIXED)
        mm.write(ARENA, bytes(count * PAGE))
    killed: list[int] = []
    lines: list[str] = []
    memory.out_of_memory = OomKiller(memory, lambda: processes, lambda victim: killed.append(victim.tgid), lines.append)
    assert badness(processes[3], 400) is None
    small.write(ARENA, b"x" * 120 * PAGE)
    assert killed == [3]
    assert lines[0].startswith("Out of memory: Killed process 3 (hog) total-vm:1600kB, anon-rss:520kB")
    assert big.handle_fault(make_thread(big), ARENA, 6) is None
    with pytest.raises(Errno.EFAULT):
        small.write(ARENA, bytes(300 * PAGE))
    assert killed == [3, 2]
    for mm in (small, big, spared):
        mm.put()


def test_shrinkers_are_asked_before_anybody_is_killed() -> None:
    memory = make_memory("fake", 40)
    cache = cached(memory, b"x" * 20 * PAGE)
    memory.shrinkers.append(lambda wanted: cache.shrink())
    mm = make_mm(memory)
    t = make_thread(mm)
    address = mmap.do_mmap(mm, t, 0, 20 * PAGE, PROT_READ, mmap.MAP_PRIVATE, MappedFile(cache))
    mm.read(address, 20 * PAGE)
    mm.unmap(address, address + 20 * PAGE)
    anonymous = mmap.do_mmap(mm, t, 0, 35 * PAGE, RW, ANON)
    mm.write(anonymous, bytes(35 * PAGE))
    mm.put()
    cache.destroy()


def test_a_stack_limit_is_that_of_the_process(memory: Memory) -> None:
    mm = make_mm(memory)
    mm.rlimits.set(RLIMIT_STACK, 16 * PAGE, 16 * PAGE)
    mmap.do_mmap(mm, make_thread(mm), USER_TOP - PAGE, PAGE, RW, ANON | FIXED | mmap.MAP_GROWSDOWN)
    mm.write(USER_TOP - 16 * PAGE, b"x")
    with pytest.raises(Errno.EFAULT):
        mm.write(USER_TOP - 16 * PAGE - 1, b"x")
    mm.put()
