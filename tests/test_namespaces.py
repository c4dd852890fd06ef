"""Namespaces: sessions of real programs as on the host, nothing left of a dead namespace, and what nesting costs.

Set up: util-linux, bubblewrap, tini, dumb-init and busybox of the host.  Each session is one command line; standard output
and exit status on the host, which allows namespaces, are the expectation.  The guest programs of guest/namespaces are
compared by test_guest_programs.
"""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
from collections import Counter
from typing import Any

import pytest

import tgid
from guest import build
from kernel.fs.inode import Dentry
from kernel.fs.mount import Mount, MountNamespace
from kernel.fs.proc.generic import ProcInode
from kernel.kernel import Watch
from kernel.pid import Pid, PidNamespace
from kernel.task import Process, Thread
from kernel.user_ns import UserNamespace

ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/", "LANG": "C"}

PID_NS = ["unshare", "-Urpf", "--mount-proc"]
PS = "x=$(ps -o pid=,ppid=,comm=); echo \"$x\" | tr -s ' '"
"""Not in a pipeline: whether ps sees the other side of that depends on who is faster."""
ROOTFS = (
    "mount -t tmpfs none /tmp && cd /tmp && mkdir bin proc dev old && cp /bin/busybox bin/ && "
    "for x in sh ls ps mount umount cat id echo wc; do ln -s busybox bin/$x; done; "
)
SESSIONS = {
    "user": ["unshare", "-U", "sh", "-c", "id -u; id -g; cat /proc/self/uid_map /proc/self/setgroups"],
    "root": ["unshare", "-Ur", "sh", "-c", "id; cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups"],
    "pid": [*PID_NS, "sh", "-c", f"echo $$; {PS}; readlink /proc/self; exit 7"],
    "uts": ["unshare", "-Uru", "sh", "-c", "hostname inside; hostname; uname -n"],
    "mnt": ["unshare", "-Urm", "sh", "-c", "mount -t tmpfs x /tmp; touch /tmp/y; ls /tmp; grep -c ' /tmp ' /proc/self/mounts"],
    "propagation": [
        "unshare", "-Urm", "--propagation", "shared", "sh", "-c",
        "mount -t tmpfs x /tmp; cd /tmp; mkdir a b; mount --bind a a; mount --make-shared a; mount --bind a b; mkdir a/in; "
        "mount -t tmpfs y a/in; grep ' /tmp/' /proc/self/mounts | cut -d' ' -f1-3 | sort",
    ],
    "kill-child": [*PID_NS, "--kill-child", "sh", "-c", "sleep 100 & sleep 100 & set -- /proc/[0-9]*; echo $#"],
    "fork-after-init": ["unshare", "-Urp", "sh", "-c", "/bin/true; /bin/true; echo $?"],
    "nested": [*PID_NS, "unshare", "-pf", "--mount-proc", "sh", "-c", "echo $$; grep NSpid /proc/self/status"],
    "nsenter": [
        "unshare", "-Ur", "sh", "-c",
        "unshare -pf --mount-proc -u sh -c 'hostname deep; echo >/tmp/ns.ready; sleep 100' & "
        "while ! [ -e /tmp/ns.ready ]; do :; done; rm /tmp/ns.ready; init=$(pgrep -P $!); "
        "nsenter -t $init -p -m -u sh -c 'hostname; cat /proc/1/comm; echo $$'; kill -9 $init; wait; echo $?",
    ],
    "lsns": [
        "unshare", "-Urmuinpf", "--mount-proc", "sh", "-c",
        "x=$(lsns -n -o TYPE,NPROCS,PID); echo \"$x\" | tr -s ' ' | sort; lsns -n -t pid -o COMMAND",
    ],
    "tini": [*PID_NS, "tini", "--", "sh", "-c", f"{PS}; exit 3"],
    "tini-signal": [*PID_NS, "tini", "--", "sh", "-c", "kill -TERM $$"],
    "dumb-init": [*PID_NS, "dumb-init", "sh", "-c", f"{PS}; exit 4"],
    "bwrap": [
        "bwrap", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--unshare-all", "--hostname", "box", "sh", "-c",
        "id -u; uname -n; ls /dev; touch /etc/x; echo $?; cat /proc/1/comm",
    ],
    "bwrap-tmpfs": [
        "bwrap", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib", "--symlink",
        "usr/lib64", "/lib64", "--tmpfs", "/tmp", "--dir", "/work", "--chdir", "/work", "--unshare-pid", "--unshare-user",
        "--uid", "5", "sh", "-c", "pwd; id -u; ls /; touch /work/x /tmp/y && ls /work /tmp",
    ],
    "container": [
        "unshare", "-Urmpfu", "sh", "-c",
        ROOTFS + "hostname box; pivot_root . old && exec /bin/sh -c 'mount -t proc proc /proc && umount -l /old; ls /; "
        "ps -o pid,comm; echo $$; id -u; cat /proc/self/mounts | wc -l; cat /proc/sys/kernel/hostname'",
    ],
    "chroot": ["unshare", "-Urm", "sh", "-c", ROOTFS + "chroot /tmp /bin/sh -c 'ls /; cd ..; ls'"],
}  # fmt: skip


TOOLS = ("unshare", "busybox", "bwrap", "tini", "dumb-init", "nsenter", "lsns")


@pytest.mark.parametrize("name", SESSIONS)
def test_session(name: str) -> None:
    command = SESSIONS[name]
    missing = [tool for tool in TOOLS if tool in " ".join(command) and shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")
    if os.geteuid() != 0 or subprocess.run(["unshare", "-Urm", "true"], check=False, capture_output=True).returncode:
        pytest.skip("the host does not let this user make namespaces")
    native = subprocess.run(command, env=ENV, cwd="/", capture_output=True, check=False, stdin=subprocess.DEVNULL)
    inside = tgid.run(command, env=ENV, cwd="/", semantics="linux", timeout=60)
    assert (inside.status, inside.stdout.decode()) == (native.returncode, native.stdout.decode()), inside.stderr.decode()


def program(name: str) -> str:
    """Return the path of a built guest program."""
    try:
        return str(build.build(name, "musl"))
    except build.BuildError as error:
        pytest.skip(str(error))


class Census(Watch):
    """Counts the objects of the kernel whenever the program makes the call that marks a moment: getpriority(77, 77)."""

    KINDS = (Thread, Process, Pid, PidNamespace, UserNamespace, MountNamespace, Mount, ProcInode, Dentry)

    def __init__(self) -> None:
        self.taken: list[dict[str, int]] = []

    def syscall_enter(self, t: Thread, number: int, args: tuple[int, ...]) -> None:
        if number != 140 or args[:2] != (77, 77):
            return
        kernel = t.kernel
        gc.collect()
        found = Counter(kind.__name__ for thing in gc.get_objects() for kind in self.KINDS if isinstance(thing, kind))
        self.taken.append({
            **found, "tasks": kernel.tasks, "pids": len(kernel.root_pid_ns.pids), "charged namespaces": kernel.ucounts.total(),
            "detached": len(kernel.vfs.detached), "frames": kernel.memory.total - kernel.memory.free,
        })  # fmt: skip


@pytest.mark.parametrize("semantics", ["leaderless", "linux"])
def test_after_init_is_reaped_nothing_of_its_namespace_is_left(semantics: str) -> None:
    """Five more rounds of a namespace with a crowd, mounts, files and an inner namespace: not one object more."""
    census = Census()
    result: Any = tgid.run([program("ns_teardown"), "5"], watch=census, semantics=semantics, env=ENV, cwd="/")
    assert result.status == 0, result.stdout
    before, after = census.taken
    assert after == before
    assert before["charged namespaces"] == 0
    assert before["detached"] == 0
    assert before["tasks"] == 3


@pytest.mark.parametrize("semantics", ["leaderless", "linux"])
def test_reboot_in_a_namespace(semantics: str) -> None:
    """The host must not try: SIGHUP for a restart, SIGINT for a halt (reboot(2), "Behavior inside PID namespaces")."""
    result = tgid.run([program("ns_reboot")], semantics=semantics)
    assert (result.status, result.stdout.count(b"ok "), b"WRONG" in result.stdout) == (0, 9, False), result.stdout


@pytest.mark.parametrize("seed", range(6))
def test_random_histories_of_mounts(seed: int) -> None:
    """Sixty random calls each in two namespaces: the same answers and the same trees as on the host."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode:
        pytest.skip("the host does not let this user mount")
    command = [program("mount_random"), "60", str(1000 + seed)]
    native = subprocess.run(command, cwd="/", capture_output=True, check=False)
    assert tgid.run(command, cwd="/", timeout=60).stdout.decode() == native.stdout.decode()
