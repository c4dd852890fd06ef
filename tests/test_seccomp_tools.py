"""Programs of the distribution that use seccomp, unmodified: libseccomp, strace --seccomp-bpf, man."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

import tgid
from kernel import bpf
from kernel.bpf import Insn
from kernel.seccomp_filter import RET_ALLOW, RET_ERRNO

ORACLE = Path(__file__).with_name("oracle")
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/", "LANG": "C", "MANWIDTH": "70"}


def both(argv: Sequence[str]) -> tuple[subprocess.CompletedProcess[str], tgid.Result]:
    """Run a program on the host and in the machine."""
    native = subprocess.run(argv, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False)
    inside = tgid.run(list(argv), env=ENVIRONMENT, semantics="linux", events=True, timeout=300)
    return native, inside


def compiled(name: str, where: Path, *libraries: str) -> str:
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("needs gcc")
    program = where / name
    command = [gcc, "-O1", "-w", "-o", str(program), str(ORACLE / f"{name}.c"), *libraries]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip(f"needs {' '.join(libraries) or 'a C library'}")
    return str(program)


def test_a_program_with_libseccomp(tmp_path: Path) -> None:
    native, inside = both([compiled("seccomp_library", tmp_path, "-lseccomp")])
    assert inside.stdout.decode() == native.stdout
    assert "open to write: -1 18" in native.stdout
    assert inside.status == native.returncode == 0


def test_strace_with_a_filter_of_its_own(tmp_path: Path) -> None:
    """strace puts a filter into its tracee that traps the calls it wants to see; the others run at full speed."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("needs strace")
    script = "cd /; (cd /usr; cd /nowhere); cd /etc"
    native, inside = both([strace, "-f", "--seccomp-bpf", "-e", "trace=chdir,getppid", "/bin/sh", "-c", script])
    assert inside.status == native.returncode

    def lines(text: str) -> list[str]:
        text = re.sub(r"\[pid +\d+\] |si_pid=\d+|strace: Process \d+ attached\n|(getppid\(\) += )\d+", r"\1", text)
        return [line for line in text.splitlines() if not line.startswith(("---", "<...", "wait"))]

    assert lines(inside.stderr.decode()) == lines(native.stderr)


def test_man_confines_its_filters() -> None:
    """man runs preconv, groff and zcat under a filter of libseccomp."""
    man = shutil.which("man")
    if man is None or subprocess.run([man, "-w", "ls"], capture_output=True, check=False).returncode:
        pytest.skip("needs man and the page of ls")
    if b"libseccomp" not in subprocess.run(["ldd", man], capture_output=True, check=False).stdout:
        pytest.skip("this man does not use libseccomp")
    native, inside = both([man, "-P", "cat", "ls"])
    assert inside.stdout.decode() == native.stdout
    assert "ls - list directory contents" in native.stdout
    calls = [event for event in inside.events if event.kind == "call" and event.name == "seccomp" and event.args[0] == 1]
    assert any(event.result == 0 for event in calls)


def test_bwrap_with_a_filter(tmp_path: Path) -> None:
    """bubblewrap reads a compiled filter from a descriptor and puts it on before the program in its sandbox."""
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        pytest.skip("needs bwrap")
    if subprocess.run([bwrap, "--ro-bind", "/", "/", "/bin/true"], capture_output=True, check=False).returncode:
        pytest.skip("bwrap does not work on this host")
    allow = Insn(bpf.RET | bpf.K, 0, 0, RET_ALLOW)
    denied = [
        Insn(bpf.LD | bpf.W | bpf.ABS, 0, 0, 0),
        *(step for nr in (83, 258) for step in (Insn(bpf.JMP | bpf.JEQ, 0, 1, nr), Insn(bpf.RET | bpf.K, 0, 0, RET_ERRNO | 18))),
        allow,
    ]
    # In the shell's own words, because the machine takes no descriptors from outside.
    octal = "".join(f"\\{byte:03o}" for byte in bpf.pack(denied))
    inner = "grep Seccomp /proc/self/status; mkdir /tmp/new; test -d /tmp && echo there"
    sandbox = f"{bwrap} --ro-bind / / --dev /dev --proc /proc --tmpfs /tmp --unshare-pid --seccomp 9"
    native, inside = both(["/bin/sh", "-c", f"printf '{octal}' | {sandbox} /bin/sh -c '{inner}' 9<&0 2>&1; echo $?"])
    assert inside.stdout.decode() == native.stdout
    assert "Seccomp:\t2" in native.stdout
    assert "cross-device" in native.stdout
