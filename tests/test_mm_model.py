"""Random histories of several address spaces against a model in which memory is a dictionary of bytes.

The model knows nothing of frames, page tables or copy-on-write: a page is a cell of bytes, private cells are copied at fork and
shared ones are not.  After every step all memory is compared; at the end no frame may be missing.
"""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mm_world import ANON, ARENA, PAGE, RW, SHARED, MappedFile, cached, make_memory, make_mm, make_thread

from kernel.errno import Errno
from kernel.fs.pagecache import PageCache
from kernel.mm import madvise, mmap, mprotect, mremap
from kernel.mm.address_space import AddressSpace

PAGES = 20
FILE_PAGES = 14
SPACES = 3
FILE_BYTES = b"".join(bytes([65 + i]) * PAGE for i in range(FILE_PAGES))


class Cell:
    """The contents of a page, by the two places that are looked at."""

    def __init__(self, first: int = 0, last: int = 0) -> None:
        self.bytes = [first, last]


class Page:
    """One mapped page: ``own`` is its private cell once it has one, ``base`` what is seen before (or always, if shared)."""

    def __init__(self, prot: int, shared: bool, base: Cell | None) -> None:
        self.prot = prot
        self.shared = shared
        self.base = base
        self.own: Cell | None = None

    def look(self) -> list[int]:
        if self.own is not None:
            return self.own.bytes
        return self.base.bytes if self.base is not None else [0, 0]

    def store(self, place: int, value: int) -> None:
        if self.shared:
            assert self.base is not None
            self.base.bytes[place] = value
            return
        if self.own is None:
            self.own = Cell(*self.look())
        self.own.bytes[place] = value

    def fork(self) -> Page:
        twin = Page(self.prot, self.shared, self.base)
        if self.own is not None:
            twin.own = Cell(*self.own.bytes)
        return twin


Model = dict[int, Page]


class World:
    def __init__(self, kind: str) -> None:
        self.memory = make_memory(kind, 3000)
        self.before = self.memory.free
        self.cache: PageCache = cached(self.memory, FILE_BYTES)
        self.cells = [Cell(65 + i, 65 + i) for i in range(FILE_PAGES)]
        self.spaces: list[tuple[AddressSpace, Model]] = [(make_mm(self.memory), {})]

    def step(self, op: tuple[int, str, int, int, int, int]) -> None:
        which, kind, start, length, extra, value = op
        mm, model = self.spaces[which % len(self.spaces)]
        t = make_thread(mm)
        address, size = ARENA + start * PAGE, length * PAGE
        span = range(start, start + length)
        prot = (0, 1, 3, 3, 5)[extra % 5]
        match kind:
            case "private" | "shared":
                mmap.do_mmap(mm, t, address, size, prot, (ANON if kind == "private" else SHARED) | mmap.MAP_FIXED)
                for page in span:
                    model[page] = Page(prot, kind == "shared", Cell() if kind == "shared" else None)
            case "file" | "sharedfile":
                flags = mmap.MAP_PRIVATE if kind == "file" else mmap.MAP_SHARED
                mmap.do_mmap(
                    mm, t, address, size, prot, flags | mmap.MAP_FIXED, MappedFile(self.cache), (extra % 4) * PAGE
                )
                for page in span:
                    model[page] = Page(prot, kind == "sharedfile", self.cells[extra % 4 + page - start])
            case "unmap":
                mmap.do_munmap(mm, address, size)
                for page in span:
                    model.pop(page, None)
            case "protect":
                with suppress(Errno.ENOMEM):
                    mprotect.do_mprotect(mm, t, address, size, prot)
                for page in span:
                    if page not in model:
                        break
                    model[page].prot = prot
            case "dontneed":
                with suppress(Errno.ENOMEM):
                    madvise.do_madvise(mm, t, address, size, 4)
                for page in span:
                    if page in model:
                        model[page].own = None
            case "move":
                target = (start + length + extra) % PAGES
                if target + length > PAGES or (target < start + length and start < target + length):
                    return
                area = mm.areas.at(address)
                if area is None or address + size > area.end:
                    return
                mremap.do_mremap(mm, t, address, size, size, 3, ARENA + target * PAGE)
                for page in span:
                    model[target + page - start] = model.pop(page)
            case "write" | "poke":
                place = value & 1
                hit = model.get(start)
                allowed = hit is not None and (hit.prot & 2 or (kind == "poke" and not hit.shared))
                try:
                    mm.write(address + place * (PAGE - 1), bytes([value]), force=kind == "poke")
                    assert allowed
                except Errno.EFAULT:
                    assert not allowed
                if allowed and hit is not None:
                    hit.store(place, value)
            case "filewrite":
                self.cache.write(start % FILE_PAGES * PAGE, bytes([value]))
                self.cells[start % FILE_PAGES].bytes[0] = value
            case "fork":
                if len(self.spaces) < SPACES:
                    self.spaces.append((mm.fork(), {number: page.fork() for number, page in model.items()}))
            case "exit":
                if len(self.spaces) > 1:
                    self.spaces.remove((mm, model))
                    mm.put()

    def compare(self) -> None:
        for mm, model in self.spaces:
            for number in range(PAGES):
                at = ARENA + number * PAGE
                page = model.get(number)
                try:
                    seen = [mm.read(at, 1)[0], mm.read(at + PAGE - 1, 1)[0]]
                except Errno.EFAULT:
                    assert page is None or not page.prot
                    continue
                assert page is not None
                assert page.prot
                assert seen == page.look()

    def finish(self) -> None:
        for mm, _ in self.spaces:
            mm.put()
        assert not self.cache.mappers
        self.cache.destroy()
        assert self.memory.free == self.before


KINDS = (
    "private", "private", "shared", "file", "sharedfile", "unmap", "protect", "protect", "dontneed", "move", "move", "write",
    "write", "write", "write", "poke", "filewrite", "fork", "fork", "exit",
)  # fmt: skip
operation = st.tuples(
    st.integers(0, SPACES - 1),
    st.sampled_from(KINDS),
    st.integers(0, 11),
    st.integers(1, 8),
    st.integers(0, 11),
    st.integers(1, 255),
)


@pytest.mark.parametrize("kind", ["fake", "real"])
@settings(max_examples=150, deadline=None)
@given(operations=st.lists(operation, max_size=40), looking=st.booleans())
def test_memory_is_what_the_model_says(
    kind: str, operations: list[tuple[int, str, int, int, int, int]], looking: bool
) -> None:
    world = World(kind)
    for op in operations:
        world.step(op)
        if looking:  # looking faults pages in, so it must not always be done
            world.compare()
    world.compare()
    world.finish()


@pytest.mark.parametrize("kind", ["fake", "real"])
def test_exhausted_memory_is_an_error_and_leaks_nothing(kind: str) -> None:
    memory = make_memory(kind, 40)
    before = memory.free
    mm = make_mm(memory)
    memory.overcommit = 1
    address = mmap.do_mmap(mm, None, 0, 64 * PAGE, RW, ANON)
    with pytest.raises(Errno.EFAULT):
        mm.write(address, bytes(64 * PAGE))
    assert mm.handle_fault(make_thread(mm), address + 63 * PAGE, 6) == (7, 2, address + 63 * PAGE)
    mm.put()
    assert memory.free == before
