"""Programs that use memory in all ways, in the machine and on the host."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tgid

SOURCES = Path(__file__).with_name("oracle")


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("cc") is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a Linux host with a C compiler")
    target = tmp_path_factory.mktemp("guest")
    for name in ("mm_calls", "mm_hog"):
        source = SOURCES / f"{name}.c"
        subprocess.run(["cc", "-O1", "-w", "-static", "-o", str(target / name), str(source)], check=True)
    return target


def test_memory_calls_answer_as_on_the_host(build: Path) -> None:
    program = str(build / "mm_calls")
    native = subprocess.run([program], capture_output=True, check=True)
    result = tgid.run([program])
    assert result.status == 0
    assert result.stdout.decode().splitlines() == native.stdout.decode().splitlines()


def test_a_memory_hog_is_killed_and_reported_and_its_parent_lives(build: Path) -> None:
    result = tgid.run([str(build / "mm_hog")], memory=64 << 20)
    assert result.stdout.decode().splitlines() == ["child killed by 9", "parent has 2"]
    assert [line for line in result.log if line.startswith("Out of memory: Killed process")]
