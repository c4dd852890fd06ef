"""The vDSO is an ELF library that tools, other parsers and the host's own dynamic linker accept."""

from __future__ import annotations

import ctypes
import io
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kernel.errno import Errno
from loader import vdso

NAMES = ("clock_gettime", "gettimeofday", "time", "getcpu", "clock_getres")


def test_pyelftools_reads_it() -> None:
    elffile = pytest.importorskip("elftools.elf.elffile")
    library = elffile.ELFFile(io.BytesIO(vdso.image()))
    assert [segment.header["p_type"] for segment in library.iter_segments()] == [
        "PT_LOAD",
        "PT_DYNAMIC",
        "PT_NOTE",
        "PT_GNU_EH_FRAME",
    ]
    dynamic = next(segment for segment in library.iter_segments() if segment.header["p_type"] == "PT_DYNAMIC")
    assert [tag.soname for tag in dynamic.iter_tags("DT_SONAME")] == ["linux-vdso.so.1"]
    symbols = {symbol.name: symbol for symbol in dynamic.iter_symbols()}
    assert set(symbols) == {"", "LINUX_2.6", *NAMES, *("__vdso_" + name for name in NAMES)}
    for name in NAMES:
        assert symbols[name].entry["st_value"] == symbols["__vdso_" + name].entry["st_value"]
        assert symbols[name].entry["st_info"]["bind"] == "STB_WEAK"
        assert symbols["__vdso_" + name].entry["st_info"]["bind"] == "STB_GLOBAL"
    for section in (".hash", ".gnu.hash"):
        table = library.get_section_by_name(section)
        for name in symbols.keys() - {""}:
            assert table.get_symbol(name).name == name
        assert table.get_symbol("absent") is None
    versions = library.get_section_by_name(".gnu.version")
    assert [versions.get_symbol(i).entry["ndx"] for i in range(versions.num_symbols())][1:] == [2] * (len(symbols) - 1)
    definitions = library.get_section_by_name(".gnu.version_d")
    assert [next(names).name for _, names in definitions.iter_versions()] == ["linux-vdso.so.1", "LINUX_2.6"]
    (cie, fde, _) = library.get_dwarf_info().EH_CFI_entries()
    text = library.get_section_by_name(".text")
    assert fde.header["initial_location"] == text.header["sh_addr"]
    assert fde.header["address_range"] == text.header["sh_size"]
    assert cie.header["return_address_register"] == 16


@pytest.mark.skipif(shutil.which("readelf") is None, reason="no readelf")
def test_readelf_has_nothing_to_say(tmp_path: Path) -> None:
    path = tmp_path / "vdso.so"
    path.write_bytes(vdso.image())
    result = subprocess.run(
        ["readelf", "-aW", "--debug-dump=frames", path], capture_output=True, text=True, check=True, env={"LC_ALL": "C"}
    )
    assert result.stderr == ""
    assert "LINUX_2.6" in result.stdout


def test_code_is_what_the_disassembler_expects() -> None:
    capstone = pytest.importorskip("capstone")
    engine = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    image = vdso.image()
    start = 0x120
    for index, (_, number) in enumerate(vdso.FUNCTIONS):
        code = image[start + 16 * index : start + 16 * index + 8]
        text = [f"{i.mnemonic} {i.op_str}".strip() for i in engine.disasm(code, 0)]
        assert text == [f"mov eax, {number:#x}", "syscall", "ret"]


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="the functions make system calls of x86-64 Linux"
)
def test_host_can_load_and_call_it(tmp_path: Path) -> None:
    path = tmp_path / "vdso.so"
    path.write_bytes(vdso.image())
    library = ctypes.CDLL(str(path))
    seconds = library["__vdso_time"](None)
    assert abs(seconds - time.time()) < 5
    value = (ctypes.c_long * 2)()
    assert library["clock_gettime"](1, value) == 0
    assert abs(value[0] - time.monotonic()) < 5
    assert library["__vdso_gettimeofday"](value, None) == 0
    assert abs(value[0] - time.time()) < 5
    cpu = ctypes.c_uint(1 << 20)
    assert library["getcpu"](ctypes.byref(cpu), None, None) == 0
    assert cpu.value < 1 << 20
    assert library["clock_gettime"](12345, value) < 0


class OneFrame:
    """Physical memory of four frames."""

    def __init__(self) -> None:
        self.memory = memoryview(bytearray(4 << 12))
        self.total = self.free = 3
        self.counts = [0] * 4

    def allocate(self, zero: bool = True) -> int:
        frame = self.counts.index(0, 1)
        self.counts[frame] = 1
        return frame

    def get(self, frame: int) -> None:
        self.counts[frame] += 1

    def put(self, frame: int) -> None:
        self.counts[frame] -= 1

    def count(self, frame: int) -> int:
        return self.counts[frame]


def test_all_address_spaces_share_its_frame() -> None:
    frames = OneFrame()
    pages = vdso.VdsoPages(frames)
    assert pages.size == 4096
    first, second = pages.page(0), pages.page(0)
    assert first == second
    assert frames.count(first) == 3
    assert bytes(frames.memory[first << 12 : (first + 1) << 12]) == vdso.image()
    with pytest.raises(Errno.EFAULT):
        pages.page(1)


def test_note_carries_the_kernel_version() -> None:
    assert vdso.image((5, 10, 0)) != vdso.image((6, 12, 0))
    assert (6 << 16 | 12 << 8).to_bytes(4, "little") in vdso.image()
