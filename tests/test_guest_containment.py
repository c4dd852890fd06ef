"""The guest never reaches outside its root, nor the host's processes and descriptors."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tgid
from guest.build import build, compiler_missing
from guest.catalog import programs
from guest.compare import run_inside
from guest.native import ENVIRONMENT

pytestmark = [
    pytest.mark.skipif(bool(compiler_missing("musl")), reason=compiler_missing("musl")),
    pytest.mark.skipif(sys.platform != "linux", reason="probes a Linux host"),
]


def look(*arguments: str) -> str:
    """Run host_reach in a machine and return what it printed."""
    result = tgid.run([str(build("host_reach")), *arguments], env=ENVIRONMENT, timeout=60.0)
    assert result.status == 0
    return result.stdout.decode()


def test_no_way_up() -> None:
    run = run_inside(programs()["dotdot"])
    assert run.outcome.status == 0
    assert b"the same root" in run.outcome.stdout
    assert b"ESCAPED" not in run.outcome.stdout


def test_no_way_up_from_a_root_of_its_own(tmp_path: Path) -> None:
    """With --rootfs the directory above it is a secret."""
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    (root / "tmp").mkdir()
    (tmp_path / "secret").write_text("the secret")
    (root / "up").symlink_to("../secret")
    (root / "absolute").symlink_to(tmp_path / "secret")
    (root / "deep").symlink_to("/../../../" + "../" * 20 + str(tmp_path / "secret"))
    program = root / "bin" / "host_reach"
    program.write_bytes(build("host_reach").read_bytes())
    program.chmod(0o755)
    ways = ["/up", "/absolute", "/deep", "/../secret", str(tmp_path / "secret"), "/proc/self/root/../secret", "/bin/../../secret"]
    for path in ways:
        result = tgid.run(["/bin/host_reach", path], env=ENVIRONMENT, rootfs=str(root), timeout=60.0)
        assert result.status == 0, result
        assert b"the secret" not in result.stdout, path
    assert (tmp_path / "secret").read_text() == "the secret"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["root", "secret"]


def test_host_files_are_read_only(tmp_path: Path) -> None:
    """A write goes to the overlay: the guest reads it back, the host's file is as it was."""
    victim = tmp_path / "victim"
    victim.write_text("original\n")
    said = look(str(victim))
    assert "read: original" in said
    assert "append: accepted" in said
    assert "guest was here" in said.split("read back:")[1]
    assert victim.read_text() == "original\n"


def test_new_files_stay_inside(tmp_path: Path) -> None:
    said = look(str(tmp_path / "new"))
    assert "append: accepted" in said
    assert list(tmp_path.iterdir()) == []


def test_no_host_process() -> None:
    """A pid of the host means nothing inside."""
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        said = look(str(sleeper.pid))
        assert f"kill({sleeper.pid}, SIGTERM): ESRCH" in said
        assert "/proc: ENOENT" in said
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()


def test_no_host_descriptor(tmp_path: Path) -> None:
    """Descriptors of the host process are not the guest's, even inheritable ones."""
    fd = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(fd, True)
    try:
        assert "descriptor" not in look()
    finally:
        os.close(fd)
