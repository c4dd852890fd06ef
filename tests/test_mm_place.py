"""Where mappings go, against the host: the same requests from the same start must get the same addresses."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mm_world import ANON, PAGE, make_memory, make_mm, make_thread

from kernel.errno import Errno
from kernel.hardware import USER_TOP
from kernel.mm import mmap, mremap
from kernel.mm.address_space import AddressSpace

STEPS = 1500


class Host:
    """A process of the host that maps on request."""

    def __init__(self, program: Path) -> None:
        self.process = subprocess.Popen([str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.areas = []
        self.ask("u 1 1")  # an error, but it makes the program write out what it has
        while (line := self.line()) != ".":
            start, end, stack = line.split()
            self.areas.append((int(start, 16), int(end, 16), stack == "1"))
        self.line()

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def ask(self, request: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(request + "\n")
        self.process.stdin.flush()

    def result(self, request: str) -> int:
        self.ask(request)
        return int(self.line(), 16)

    def close(self) -> None:
        self.process.communicate()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a Linux host with a C compiler")
    target = tmp_path_factory.mktemp("place") / "place"
    source = Path(__file__).with_name("oracle") / "mm_place.c"
    subprocess.run([compiler, "-O1", "-static", "-o", str(target), str(source)], check=True)
    return target


def here(mm: AddressSpace, kind: str, a: int, b: int, c: int) -> int:
    t = make_thread(mm, 0)
    try:
        if kind == "m":
            return mmap.do_mmap(mm, t, a, b * PAGE, 0, ANON)
        if kind == "u":
            mmap.do_munmap(mm, a, b * PAGE)
            return 0
        return mremap.do_mremap(mm, t, a, b * PAGE, c * PAGE, 1, 0)
    except Errno as error:
        return (1 << 64) - error.number


@pytest.mark.parametrize("seed", range(3))
def test_mappings_go_where_the_host_puts_them(program: Path, seed: int) -> None:
    host = Host(program)
    mm = make_mm(make_memory("fake", 64))
    for start, end, stack in host.areas:
        if start < USER_TOP:
            flags = ANON | mmap.MAP_FIXED | (mmap.MAP_GROWSDOWN if stack else 0)
            mmap.do_mmap(mm, make_thread(mm), start, end - start, 5, flags)
    rng = random.Random(seed)
    made: list[tuple[int, int]] = []
    for _ in range(STEPS):
        kind = rng.choice("mmmur")
        if kind == "m" or not made:
            near = rng.choice(made)[0] if made and rng.random() < 0.3 else 0
            request = ("m", max(0, near + rng.randrange(-20, 20) * PAGE) if near else 0, rng.randrange(1, 60), 0)
        else:
            address, pages = rng.choice(made)
            skip = rng.randrange(pages)
            if kind == "u":
                request = ("u", address + skip * PAGE, rng.randrange(1, pages - skip + 1), 0)
            else:
                request = ("r", address, pages, pages + rng.randrange(-pages + 1, 60))
        theirs = host.result("{} {:x} {:x} {:x}".format(*request))
        ours = here(mm, *request)
        assert ours == theirs, f"{request}: {ours:x}, on the host {theirs:x}"
        if request[0] != "u" and ours < USER_TOP:
            made.append((ours, request[3] or request[2]))
    host.close()
    mm.put()
