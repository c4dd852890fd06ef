"""/proc as programs parse it: the files of the guest have the shape of the host's own."""

from __future__ import annotations

import re
import shutil
import sys
from functools import cache
from pathlib import Path

import pytest

import tgid

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not Path("/bin/cat").exists() or not shutil.which("sh"), reason="compares with a Linux host"
)

FILES = (
    "stat", "status", "statm", "maps", "limits", "mounts", "mountinfo", "cmdline", "comm", "cgroup", "oom_score_adj", "auxv",
    "wchan", "uid_map", "fdinfo/0",
)  # fmt: skip
SYSTEM = ("uptime", "loadavg", "stat", "meminfo", "version", "filesystems", "sys/kernel/pid_max", "sys/kernel/random/uuid")


@cache
def guest(paths: tuple[str, ...]) -> dict[str, bytes]:
    """Return the content of files as a cat in the guest sees them, all in one run."""
    mark = b"=====next=====\n"
    script = f"for f in {' '.join(paths)}; do cat $f; echo; echo {mark.decode().strip()}; done"
    result = tgid.run(["/bin/sh", "-c", script])
    assert result.status == 0, result.stderr
    parts = result.stdout.split(b"\n" + mark)
    return dict(zip(paths, parts, strict=False))


def mine(name: str) -> bytes:
    """Return a file of /proc/self of the guest."""
    return guest(tuple(f"/proc/self/{name}" for name in FILES))[f"/proc/self/{name}"].rstrip(b"\n")


def system(name: str) -> bytes:
    """Return a file of the guest's /proc."""
    return guest(tuple(f"/proc/{name}" for name in SYSTEM))[f"/proc/{name}"].rstrip(b"\n")


def host(name: str) -> bytes:
    """Return a file of the host's /proc."""
    return Path("/proc", name).read_bytes()


def test_stat_has_52_fields() -> None:
    text = mine("stat")
    assert re.fullmatch(rb"\d+ \(cat\) R( -?\d+){49}\n?", text)
    assert len(text.split()) == len(host("self/stat").split())


def test_status_has_the_lines_of_the_host() -> None:
    """Those both have stand in the same order; the host may have some of its own."""
    found = [line.split(b":")[0] for line in mine("status").splitlines()]
    expected = [line.split(b":")[0] for line in host("self/status").splitlines()]
    common = [name for name in expected if name in found]
    assert [name for name in found if name in expected] == common
    assert {b"Name", b"State", b"Tgid", b"Pid", b"PPid", b"Uid", b"Gid", b"VmRSS", b"Threads", b"SigCgt", b"CapEff"} <= set(found)


def test_limits_have_the_columns_of_the_host() -> None:
    found, expected = mine("limits").splitlines(), host("self/limits").splitlines()
    assert [line[:26] for line in found] == [line[:26] for line in expected]
    assert [line[68:].rstrip() for line in found] == [line[68:].rstrip() for line in expected]


def test_maps_lines() -> None:
    pattern = rb"[0-9a-f]{8,}-[0-9a-f]{8,} [r-][w-][x-][ps] [0-9a-f]{8,} [0-9a-f]{2,}:[0-9a-f]{2,} \d+ *( {1,}\S.*)?"
    lines = mine("maps").splitlines()
    assert all(re.fullmatch(pattern, line) for line in lines)
    names = b"\n".join(lines)
    assert all(name in names for name in (b"[stack]", b"[vdso]", b"cat", b"libc"))


def test_mounts_and_mountinfo_agree() -> None:
    places = [line.split()[1] for line in mine("mounts").splitlines()]
    assert [line.split()[4] for line in mine("mountinfo").splitlines()] == places
    assert {b"/", b"/proc", b"/dev", b"/dev/shm"} <= set(places)
    for line in mine("mountinfo").splitlines():
        assert re.fullmatch(rb"\d+ \d+ \d+:\d+ /\S* /\S* r[wo]\S* - \w+ \S+ r[wo]\S*", line)


def test_small_files() -> None:
    assert mine("cmdline") == b"cat\0/proc/self/cmdline\0"
    assert mine("comm") == b"cat"
    assert mine("oom_score_adj") == b"0"
    assert mine("wchan") == b"0"
    assert mine("cgroup") == b"0::/"
    assert re.match(rb"pos:\t\d+\nflags:\t0\d+\nmnt_id:\t\d+\nino:\t\d+", mine("fdinfo/0"))
    assert len(mine("auxv")) % 16 == 0
    assert len(mine("statm").split()) == 7


def test_files_about_the_machine() -> None:
    assert re.fullmatch(rb"\d+\.\d\d \d+\.\d\d", system("uptime"))
    assert re.fullmatch(rb"(\d+\.\d\d ){3}\d+/\d+ \d+", system("loadavg"))
    assert re.fullmatch(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", system("sys/kernel/random/uuid"))
    found = [line.split(b":")[0] for line in system("meminfo").splitlines()]
    expected = [line.split(b":")[0] for line in host("meminfo").splitlines()]
    assert [name for name in found if name in expected] == [name for name in expected if name in found]
    assert system("stat").startswith(b"cpu  ")
    assert {line.split()[0] for line in system("stat").splitlines()} >= {b"cpu0", b"ctxt", b"btime", b"processes"}
    assert int(system("sys/kernel/pid_max")) == 32768


def test_magic_links_and_descriptors() -> None:
    """Links lead to the objects themselves; a pipe can be opened again; nothing can be made in /proc."""
    script = """
        cd /tmp; mkdir magic; cd magic; echo data > file; exec 3< file; rm file
        cat /proc/self/fd/3
        readlink /proc/self/fd/3; readlink /proc/self/cwd; readlink /proc/self/root
        echo through | cat /proc/self/fd/0
        ls /proc/self/task | wc -l
        cd ..; mv magic moved; cd moved; readlink /proc/self/cwd
        mkdir /proc/new 2>&1 | sed 's/.*: //'
        cat /proc/self/root/proc/self/root/etc/hostname > /dev/null && echo inside
        ls /proc/self/root/../../.. | grep -c proc
        rmdir ../moved; readlink /proc/self/cwd; ls /proc/self/cwd/
        ls -d /proc/99999 2>&1 | sed 's/.*: //'
    """
    result = tgid.run(["/bin/sh", "-c", script])
    assert result.stdout.decode().splitlines() == [
        "data", "/tmp/magic/file (deleted)", "/tmp/magic", "/", "through", "1", "/tmp/moved", "No such file or directory",
        "inside", "1", "/tmp/moved (deleted)", "No such file or directory",
    ]  # fmt: skip
