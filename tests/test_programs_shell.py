"""Real shells and their tools, unmodified: each script runs on the host and in the machine, and must say the same.

Set up: Debian's busybox-static, bash-static and the host's dynamic bash.  Each case is one script; its standard output and
exit status on the host are the expectation.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import tgid

ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp", "LANG": "C", "LC_ALL": "C"}

SHELLS = {
    "busybox": ["/bin/busybox", "sh", "-c"],
    "bash-static": ["/bin/bash-static", "-c"],
    "bash": ["/bin/bash", "-c"],
}

SCRIPTS = {
    "pipeline": "printf '%s\\n' pear apple fig apple | sort | uniq -c | sort -rn | head -n 2; echo ${?}",
    "here-doc": "cat <<X | tr a-z A-Z\none $((6 * 7))\ntwo\nX\ncat <<'Y'\n$not expanded\nY",
    "background": "(sleep 0.2; echo late) & echo early; wait; echo done $?; false & wait $!; echo status $?",
    "traps": (
        "trap 'echo got usr1' USR1; trap 'echo leaving' EXIT; kill -USR1 $$; (trap 'echo inner' TERM; kill -TERM $(sh -c 'echo $PPID'))"
        "; sh -c 'kill -KILL $$'; echo killed $?; exit 5"
    ),
    "substitution": "i=0; sum=0; while [ $i -lt 200 ]; do x=$(echo $i); sum=$((sum + $(expr $x + 1))); i=$((i + 1)); done; echo $sum",
    "functions": "f() { [ $1 -le 1 ] && { echo 1; return; }; echo $(( $1 * $(f $(($1 - 1))) )); }; f 10",
    "redirections": (
        "d=/tmp/r.$$; mkdir $d; cd $d; echo a >f; echo b >>f; { echo out; echo err >&2; } >both 2>&1; wc -c <f; sort both; "
        "exec 3<f; read x <&3; read y <&3; echo $x$y; exec 3<&-; ls; cd /; rm -r $d; test -d $d; echo gone $?"
    ),
    "pipe-status": "yes | head -n 3; echo $?; seq 1 100000 | tail -n 1; echo x | (exit 3); echo $?; ! true; echo $?",
    "job-control-off": "sleep 100 & kill $!; wait $!; echo $?; sh -c 'kill -STOP $$; echo continued' & sleep 0.1; kill -CONT $!; wait; echo end",
    "read-loop": "seq 1 20 | while read n; do [ $((n % 5)) = 0 ] && echo $n; done; IFS=: read a b <<X\n1:2\nX\necho $b$a",
    "errors": "cd /nonexistent 2>/dev/null || echo no; /nonexistent/x 2>/dev/null; echo $?; /etc/passwd 2>/dev/null; echo $?; echo x >/; echo $?",
    "find-tree": (
        "d=/tmp/t.$$; mkdir -p $d/a/b $d/c; cd $d; echo 1 >a/x; echo 22 >a/b/y; ln -s a/x l; ln a/x h; find . | sort; "
        "cat l h; stat -c '%h %s %F' a/x; chmod 600 h; ls -l h | cut -c1-10; mv a z; find . -type f | sort; cd /; rm -rf $d"
    ),
}

TOOLS = {
    "sort": "busybox sort -r -k2 -t: /etc/passwd | busybox head -n 5",
    "awk": "busybox awk -F: '{ n[$7]++ } END { for (s in n) print n[s], s }' /etc/passwd | busybox sort",
    "sed": "busybox sed -n 's/^\\([a-z]*\\):.*:\\(.*\\)$/\\2 \\1/p' /etc/passwd",
    "grep": "busybox grep -c : /etc/passwd; busybox grep -n -E '^(root|daemon)' /etc/passwd",
    "tar": (
        "d=/tmp/tar.$$; busybox mkdir -p $d/in/sub; cd $d; busybox cp /etc/passwd in/; echo x >in/sub/y; busybox ln -s y in/sub/z; "
        "busybox tar cf a.tar in; busybox tar tf a.tar | busybox sort; busybox mkdir out; busybox tar xf a.tar -C out; "
        "busybox cmp in/passwd out/in/passwd && busybox readlink out/in/sub/z; cd /; busybox rm -r $d"
    ),
    "gzip": "busybox gzip -c /etc/services | busybox gunzip -c | busybox sha256sum; busybox gzip -9c /etc/passwd | busybox wc -c",
    "sha256sum": "busybox sha256sum /bin/busybox /etc/passwd; busybox md5sum </etc/services",
    "dd": "busybox dd if=/dev/zero bs=64k count=32 2>/dev/null | busybox sha1sum; busybox head -c 1000 /dev/urandom | busybox wc -c",
    "vi-less": "busybox od -A x -t x1z /etc/hostname | busybox tail -n 1; busybox cut -d: -f1 /etc/passwd | busybox paste -s -d,",
    "bc": "echo '2^100' | busybox bc; busybox expr 12 \\* 12; busybox factor 600851475143; busybox cal 2 2024",
    "xargs": "busybox seq 1 30 | busybox xargs -n 7 busybox echo; busybox find /etc -maxdepth 1 -name 'p*' | busybox sort | busybox head -n 3",
}


def run_both(argv: list[str], tmp_path: Path, **options: Any) -> tuple[tuple[int, bytes], tgid.Result]:
    """Run a command natively and in the machine; return ((status, stdout), result)."""
    if not Path(argv[0]).exists():
        pytest.skip(f"{argv[0]} is not installed")
    done = subprocess.run(argv, capture_output=True, env=ENV, cwd="/tmp", stdin=subprocess.DEVNULL, timeout=60)
    native = (done.returncode if done.returncode >= 0 else 128 - done.returncode, done.stdout)
    return native, tgid.run(argv, env=ENV, cwd="/tmp", **options)


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("model", ["leaderless", "linux"])
def test_scripts_say_what_they_say_on_the_host(model: str, shell: str, script: str, tmp_path: Path) -> None:
    native, result = run_both([*SHELLS[shell], SCRIPTS[script]], tmp_path, semantics=model)
    assert result.stdout == native[1]
    assert result.status == native[0]
    assert not result.leaks
    assert not result.log


@pytest.mark.parametrize("tool", TOOLS)
def test_busybox_tools_work_on_real_files(tool: str, tmp_path: Path) -> None:
    native, result = run_both(["/bin/busybox", "sh", "-c", TOOLS[tool]], tmp_path)
    assert result.stdout == native[1]
    assert result.status == native[0]
    assert not result.leaks


def test_scripts_leave_the_host_alone(tmp_path: Path) -> None:
    """What a guest writes stays in its memory."""
    victim = tmp_path / "victim"
    victim.write_text("before")
    script = f"echo after >{victim}; cat {victim}; rm {victim}; ls {tmp_path}; mkdir {tmp_path}/new; touch /etc/new"
    result = tgid.run(["/bin/busybox", "sh", "-c", script], env=ENV, cwd="/tmp")
    assert result.stdout == b"after\n"
    assert victim.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["victim"]
    assert not Path("/etc/new").exists()


def test_dynamic_ls_of_the_root() -> None:
    """The host's dynamic ls lists the same names as on the host; /proc, /dev and /sys are the machine's own."""
    if not Path("/bin/ls").exists() or shutil.which("ls") is None:
        pytest.skip("no ls")
    native = subprocess.run(["/bin/ls", "-la", "/"], capture_output=True, env=ENV, check=True).stdout.decode()
    result = tgid.run(["/bin/ls", "-la", "/"], env=ENV)
    assert result.status == 0

    def names(listing: str) -> set[str]:
        return {line.split(None, 8)[8] for line in listing.splitlines()[1:]}

    assert names(result.stdout.decode()) == names(native)
    # The lines of ordinary directories agree to the letter (times of a busy host aside).
    def line(listing: str, name: str) -> str:
        return next(" ".join(line.split()[:5]) for line in listing.splitlines() if line.endswith(" " + name))

    assert line(result.stdout.decode(), "usr") == line(native, "usr")
    assert line(result.stdout.decode(), "etc") == line(native, "etc")
