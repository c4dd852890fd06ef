"""Files of /proc and /sys have the shape they have on the host: same keys in the same order, same columns, same headings."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import tgid
from kernel.errno import Errno
from kernel.fs.proc.sysctl import INT_MAX, Numbers, Text
from kernel.kstrto import kstrtoint

pytestmark = pytest.mark.skipif(sys.platform != "linux" or not shutil.which("sh"), reason="compares with a Linux host")

MARK = "=====next====="
SAME = ("execdomains", "swaps", "self/limits", "self/oom_score_adj", "self/timers", "self/setgroups", "self/cpuset")
KEYS = {
    "self/smaps": r"^[A-Z]\w+:", "self/smaps_rollup": r"^[A-Z]\w+:", "self/status": r"^\w+:", "self/io": r"^\w+:",
    "self/sched": r"^[a-z.]\S*", "meminfo": r"^\S+:", "vmstat": r"^\S+", "stat": r"^[a-z]+", "cpuinfo": r"^[a-z ]+(?=\t*:)",
    "self/fdinfo/0": r"^\w+:", "softirqs": r"^ +\w+:", "filesystems": r"^nodev\t\w+$",
    "devices": r"^.*devices:$|^ *1 mem$|^ *5 .*$", "tty/drivers": r"^\S+ +\S+ +\d+", "self/ksm_stat": r"^\w+",
}  # fmt: skip
"""What is compared of each line: the guest's are among the host's, in the host's order."""

SHAPES = {
    "uptime": r"\d+\.\d\d \d+\.\d\d\n", "loadavg": r"(\d+\.\d\d ){3}\d+/\d+ \d+\n", "self/statm": r"(\d+ ){6}\d+\n",
    "self/schedstat": r"\d+ \d+ \d+\n", "self/wchan": r"[a-z_0-9.]+", "self/oom_score": r"\d+\n", "self/oom_adj": r"-?\d+\n",
    "self/personality": r"[0-9a-f]{8}\n", "self/coredump_filter": r"[0-9a-f]{8}\n", "self/timerslack_ns": r"\d+\n",
    "self/loginuid": r"\d+", "self/sessionid": r"\d+", "self/uid_map": r"( *\d+){3}\n", "self/projid_map": r"( *\d+){3}\n",
    "self/syscall": r"\d+( 0x[0-9a-f]+){8}\n|running\n", "self/stat": r"\d+ \(\w+\) [A-Z]( -?\d+){49}\n",
    "self/maps": r"([0-9a-f]{8,16}-[0-9a-f]{8,16} [r-][w-][x-][ps] [0-9a-f]{8} [0-9a-f]{2,}:[0-9a-f]{2} \d+ *( \S.*)?\n)+",
    "buddyinfo": r"(Node \d+, zone +\w+( +\d+){11} *\n)+", "interrupts": r" +(CPU\d+ +)+\n( *\w+: .*\n)+",
    "locks": r"(\d+: ( *-> )?(POSIX |FLOCK |OFDLCK|LEASE ) .* \S+\n)*", "partitions": r"major minor  #blocks  name\n\n(.*\n)*",
    "cgroups": r"#subsys_name\thierarchy\tnum_cgroups\tenabled\n(.*\n)*", "version": r"Linux version \S+ \(.*\) \(.*\) #.*\n",
    "slabinfo": r"slabinfo - version: 2\.1\n# name  .*sharedavail>\n(.*\n)*", "self/stack": r"(\[<0>\] [\w.+/]+\n)*",
    "self/mountinfo": r"(\d+ \d+ \d+:\d+ /\S* /\S* r[wo]\S* .*- \w+ \S+ r[wo]\S*\n)+",
    "zoneinfo": r"Node 0, zone +\w+\n(.*\n)+",
}  # fmt: skip


@cache
def guest() -> dict[str, str]:
    """Return what cat in the guest sees of all files of this module, in one run."""
    names = [*SAME, *KEYS, *SHAPES]
    result = tgid.run(["/bin/sh", "-c", f"cd /proc; for f in {' '.join(names)}; do cat $f; echo {MARK}; done"])
    return dict(zip(names, result.stdout.decode().split(MARK + "\n"), strict=False))


def host(name: str) -> str:
    """Return what cat on the host sees; skips what this host has not or does not show."""
    done = subprocess.run(["cat", f"/proc/{name}"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(done.stderr)
    return done.stdout


def lines_of(text: str, pattern: str) -> list[str]:
    """Return what the pattern finds in the lines of the first entry of a file, each once."""
    found = [match[0] for line in text.splitlines() if (match := re.search(pattern, line))]
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("name", SAME)
def test_equal(name: str) -> None:
    ours, theirs = (re.sub(r" +", " ", re.sub(r"\d+|unlimited", "N", text)) for text in (guest()[name], host(name)))
    assert ours == theirs


@pytest.mark.parametrize("name", KEYS)
def test_keys_stand_in_the_order_of_the_host(name: str) -> None:
    ours, theirs = lines_of(guest()[name], KEYS[name]), lines_of(host(name), KEYS[name])
    common = [key for key in theirs if key in ours]
    assert len(common) >= min(3, len(theirs))
    assert [key for key in ours if key in theirs] == common


@pytest.mark.parametrize("name", SHAPES)
def test_shape(name: str) -> None:
    assert re.fullmatch(SHAPES[name], host(name))
    assert re.fullmatch(SHAPES[name], guest()[name])


WRITES = [
    # what is written, what is then in the file, how much was taken; None: EINVAL.  As observed on Linux 6.18.
    (b"100000\n", (100000,), 7), (b" 100001 ", (100001,), 8), (b"0x1000", (4096,), 6), (b"010000", (4096,), 6), (b"\n", None, 0),
    (b"abc", None, 0), (b"5000 6000", (5000,), 5), (b"-5", None, 0), (b"+5000", None, 0), (b"5000\0", None, 0),
    (b"5000x", None, 0), (b"9" * 30, None, 0), (b"100", None, 0), (b"400000000", None, 0), (b"300", None, 0),
    (b"301", (301,), 3), (b" ", None, 0),
]  # fmt: skip


@pytest.mark.parametrize(("data", "value", "taken"), WRITES)
def test_one_number(data: bytes, value: tuple[int, ...] | None, taken: int) -> None:
    kept = [32768]

    def put(t: object, number: int) -> None:
        kept[0] = number

    kind = Numbers(lambda t: kept[0], put, 301, 4194304)
    thread: Any = None
    if value is None:
        with pytest.raises(Errno.EINVAL):
            kind.store(thread, data, 0)
        assert kept == [32768]
    else:
        assert (kind.store(thread, data, 0), tuple(kept)) == (taken, value)


VECTORS = [
    (b"250 32000 32 128\n", (250, 32000, 32, 128), 17), (b"250", (250, 2, 3, 4), 3), (b"251 \t 32001", (251, 32001, 3, 4), 11),
    (b"1 2 3 4 5", (1, 2, 3, 4), 8), (b"x", None, 0), (b"250 x 3", None, 0),
]  # fmt: skip


@pytest.mark.parametrize(("data", "value", "taken"), VECTORS)
def test_several_numbers(data: bytes, value: tuple[int, ...] | None, taken: int) -> None:
    kept: list[tuple[int, ...]] = [(1, 2, 3, 4)]

    def put(t: object, numbers: tuple[int, ...]) -> None:
        kept[0] = numbers

    kind = Numbers(lambda t: kept[0], put, 0, INT_MAX, 4)
    thread: Any = None
    if value is None:
        with pytest.raises(Errno.EINVAL):
            kind.store(thread, data, 0)
    else:
        assert (kind.store(thread, data, 0), kept[0]) == (taken, value)


def test_strings_are_cut_and_end_at_a_newline() -> None:
    kept = [b"guest"]

    def put(t: object, value: bytes) -> None:
        kept[0] = value

    kind = Text(lambda t: kept[0], put, 8)
    thread: Any = None
    writes = ((b"foo\nbar", 0, b"foo"), (b"0123456789", 0, b"01234567"), (b"xy", 2, b"01xy"), (b"z", 9, b"01xy"))
    for data, offset, then in writes:
        assert kind.store(thread, data, offset) == len(data)
        assert kept == [then]


@pytest.mark.parametrize(
    ("text", "base", "value"),
    [
        (b"10\n", 0, 10), (b"0x10", 0, 16), (b"010", 0, 8), (b"+5", 0, 5), (b"-7", 10, -7), (b"", 0, None), (b"\n", 0, None),
        (b"1 ", 0, None), (b" 1", 0, None), (b"1\n\n", 0, None), (b"0x", 0, None), (b"1_0", 10, None), (b"10\0junk", 0, 10),
        (b"08", 0, None), (b"0", 0, 0),
    ],
)  # fmt: skip
def test_numbers_as_the_kernel_parses_them(text: bytes, base: int, value: int | None) -> None:
    if value is None:
        with pytest.raises(Errno.EINVAL):
            kstrtoint(text, base, -100, 100)
    else:
        assert kstrtoint(text, base, -100, 100) == value


def test_out_of_range() -> None:
    with pytest.raises(Errno.ERANGE):
        kstrtoint(b"101", 10, -100, 100)


SYSFS = (
    "possible", "present", "online", "cpu0/topology/core_id", "cpu0/topology/physical_package_id", "cpu0/topology/core_cpus_list",
    "cpu0/topology/thread_siblings_list", "vulnerabilities/meltdown",
)  # fmt: skip


def test_the_processor_in_sysfs() -> None:
    """The attributes of the processor have the form of the host's, and lscpu, nproc and getconf agree on one."""
    script = f"cd /sys/devices/system/cpu; cat {' '.join(SYSFS)}; nproc; getconf _NPROCESSORS_CONF; "
    script += "lscpu -p=CPU,CORE,SOCKET,NODE | tail -1; ls /sys/fs/cgroup"
    result = tgid.run(["/bin/sh", "-c", script])
    assert result.stdout.decode().splitlines() == ["0", "0", "0", "0", "0", "0", "0", "Not affected", "1", "1", "0,0,0,0"]
    for name in SYSFS[:-1]:
        attribute = Path("/sys/devices/system/cpu", name)
        if attribute.exists():
            assert re.fullmatch(r"[\d,-]+\n", attribute.read_text())


def test_memory_adds_up() -> None:
    """meminfo, sysinfo(2) (free) and vmstat tell of the same pages."""
    script = "head -c 4000000 /dev/zero > /dev/shm/x; cat /proc/meminfo; echo; cat /proc/vmstat; free -k"
    text = tgid.run(["/bin/sh", "-c", script], env={"PATH": "/usr/bin:/bin"}).stdout.decode()
    memory = {line.split(":")[0]: int(line.split()[1]) for line in text.split("\n\n")[0].splitlines()}
    assert memory["MemTotal"] == memory["MemFree"] + memory["Cached"] + memory["AnonPages"]
    assert memory["Shmem"] >= 4000000 // 1024
    assert memory["Cached"] >= memory["Shmem"]
    assert memory["MemAvailable"] <= memory["MemTotal"]
    pages = dict(line.split() for line in text.split("\n\n")[1].splitlines() if re.fullmatch(r"\S+ \d+", line))
    assert abs(int(pages["nr_free_pages"]) * 4 - memory["MemFree"]) < 2000
    assert text.splitlines()[-2].split()[1] == str(memory["MemTotal"])


def test_processor_time_adds_up() -> None:
    """Ticks of /proc/stat are those of uptime, and the load follows what runs."""
    script = (
        "cat /proc/loadavg; i=0; while [ $i -lt 500000 ]; do i=$((i+1)); done; cat /proc/stat /proc/uptime /proc/loadavg; "
        "sleep 600; cat /proc/loadavg"
    )
    text = tgid.run(["/bin/sh", "-c", script], timeout=120).stdout.decode().splitlines()
    user, nice, system, idle = (int(word) for word in text[1].split()[1:5])
    up = next(line for line in text if re.fullmatch(r"\d+\.\d\d \d+\.\d\d", line)).split()
    start = 100  # seconds on the clock of a machine that starts
    assert abs(user + nice + system + idle - (float(up[0]) - start) * 100) < 20
    loads = [float(line.split()[0]) for line in text if re.match(r"(\d+\.\d\d ){3}", line)]
    assert loads[0] == loads[2] == 0 < loads[1]


EVERYTHING = r"""
import os, stat, sys
GARBAGE = [b"", b"0", b"-1", b"1", b"garbage\n", b"\0", b"9" * 40, b" 7 ", b"0x", b"1 2 3", b"\xff\xfe", b"A" * 5000]
NOT_WRITTEN = {"mem", "overcommit_memory", "max_map_count", "pid_max"}
written = 0

def attempt(call, *arguments):
    try:
        return call(*arguments)
    except OSError:
        return None

def visit(path, name):
    global written
    for size in (1, 7, 65536):
        fd = attempt(os.open, path, os.O_RDONLY)
        if fd is None:
            break
        for _ in range(3):
            attempt(os.read, fd, size)
        for offset in (0, 1, 4096, 1 << 40, -1):
            attempt(os.pread, fd, size, offset)
            attempt(os.lseek, fd, offset, 0)
            attempt(os.read, fd, size)
        attempt(os.lseek, fd, 0, 2)
        os.close(fd)
    for data in GARBAGE if name not in NOT_WRITTEN else ():
        fd = attempt(os.open, path, os.O_WRONLY)
        if fd is None:
            break
        written += attempt(os.write, fd, data) is not None
        attempt(os.pwrite, fd, data, 3)
        os.close(fd)

def walk(top, depth):
    for name in attempt(os.listdir, top) or ():
        path = top + "/" + name
        status = attempt(os.lstat, path)
        if status is None:
            continue
        if stat.S_ISLNK(status.st_mode):
            attempt(os.readlink, path), attempt(os.stat, path), attempt(os.open, path, os.O_RDONLY | os.O_NONBLOCK)
        elif stat.S_ISDIR(status.st_mode):
            walk(path, depth + 1) if depth < 6 else None
        else:
            visit(path, name)

if sys.argv[1] != "0":
    os.setresgid(1000, 1000, 1000), os.setresuid(1000, 1000, 1000)
if os.fork() == 0:
    os._exit(0)
child = os.fork()
while child == 0:
    os.read(os.pipe()[0], 1)
walk("/proc", 0), walk("/sys", 0)
os.kill(child, 9)
print("written" if written else "nothing written")
"""


@pytest.mark.parametrize(("user", "semantics"), [("0", "leaderless"), ("1000", "linux")])
def test_everything_can_be_read_and_written(user: str, semantics: str) -> None:
    """Every file, at every offset, with garbage: nothing of it finds a defect, and nothing hangs."""
    result = tgid.run(["/usr/bin/env", "python3", "-c", EVERYTHING, user], semantics=semantics, timeout=300)
    assert (result.status, result.stdout, result.log) == (0, b"written\n", ())
