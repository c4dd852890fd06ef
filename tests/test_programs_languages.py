"""Runtimes of other languages: CPython (dynamic), Go and Rust (static), each compared with the same program on the host."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import tgid

LANGUAGES = Path(__file__).resolve().parent.parent / "guest" / "languages"
ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp", "LANG": "C", "LC_ALL": "C", "PYTHONDONTWRITEBYTECODE": "1"}
PYTHON = "/usr/bin/python3"

PYTHON_PROGRAMS = {
    "threads": """
import threading, queue
q, results = queue.Queue(), []
def worker():
    while (item := q.get()) is not None:
        results.append(item * item)
threads = [threading.Thread(target=worker) for _ in range(4)]
for t in threads: t.start()
for i in range(100): q.put(i)
for t in threads: q.put(None)
for t in threads: t.join()
print(sum(results), len(results))
lock, done = threading.Condition(), []
def later():
    with lock: done.append(1); lock.notify_all()
t = threading.Timer(0.05, later); t.start()
with lock: print(lock.wait_for(lambda: done, timeout=5))
""",
    "subprocess": """
import subprocess, sys
print(subprocess.run(["/bin/echo", "from a child"], capture_output=True).stdout)
p = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
print(p.communicate(b"round trip" * 20000)[0][-10:], p.returncode)
try: subprocess.run(["sleep", "100"], timeout=0.2)
except subprocess.TimeoutExpired: print("timed out")
print(subprocess.call("kill -TERM $$", shell=True), subprocess.getoutput("echo $((1 + 1)) | tr 2 3"))
try: subprocess.run(["/nonexistent"])
except FileNotFoundError as e: print(e.errno)
print(subprocess.run([sys.executable, "-c", "import sys; sys.exit(7)"]).returncode)
""",
    "signals": """
import os, signal, time
got = []
signal.signal(signal.SIGUSR1, lambda n, f: got.append(n))
os.kill(os.getpid(), signal.SIGUSR1)
print(got)
signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
signal.signal(signal.SIGALRM, lambda n, f: got.append(n))
while got.count(signal.SIGALRM) < 3: signal.pause()
signal.setitimer(signal.ITIMER_REAL, 0)
pid = os.fork()
if pid == 0: signal.pause()
os.kill(pid, signal.SIGKILL)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2}); os.kill(os.getpid(), signal.SIGUSR2)
print(signal.sigpending(), signal.sigtimedwait({signal.SIGUSR2}, 1).si_signo, signal.sigtimedwait({signal.SIGUSR2}, 0.01))
""",
    "files": """
import os, tempfile, mmap, select, pathlib
with tempfile.TemporaryDirectory() as d:
    p = pathlib.Path(d, "f"); p.write_bytes(b"x" * 10000); print(p.stat().st_size)
    with open(p, "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
        m[0:5] = b"hello"; m.flush(); f.seek(0); print(f.read(6))
    os.rename(p, p.with_name("g")); os.symlink("g", p); print(os.readlink(p), sorted(os.listdir(d)))
r, w = os.pipe(); ep = select.epoll(); ep.register(r, select.EPOLLIN)
print(ep.poll(0)); os.write(w, b"!"); print(len(ep.poll(1)), os.read(r, 10))
print(sum(1 for _ in os.walk("/etc")) > 1, os.cpu_count(), os.getcwd())
""",
    "asyncio": """
import asyncio
async def child():
    p = await asyncio.create_subprocess_exec("sh", "-c", "sleep 0.05; echo hi; exit 4", stdout=asyncio.subprocess.PIPE)
    out, _ = await p.communicate(); return out, p.returncode
async def main():
    print(await asyncio.gather(child(), child(), asyncio.sleep(0.1, "slept")))
asyncio.run(main())
""",
    "multiprocessing": """
import multiprocessing as mp
if __name__ == "__main__":
    ctx = mp.get_context("fork")
    with ctx.Pool(3) as pool: print(sum(pool.map(abs, range(-50, 50))))
    q = ctx.Queue(); p = ctx.Process(target=q.put, args=({"a": 1},)); p.start(); print(q.get()); p.join(); print(p.exitcode)
""",
}


def compare(argv: list[str], **options: Any) -> None:
    """Run natively and in the machine; output and status must be equal and nothing left over."""
    done = subprocess.run(argv, capture_output=True, env=ENV, cwd="/tmp", stdin=subprocess.DEVNULL, timeout=60)
    result = tgid.run(argv, env=ENV, cwd="/tmp", **options)
    assert result.stdout == done.stdout, result.stderr.decode()
    assert result.status == done.returncode
    assert not result.leaks
    assert not result.log


@pytest.mark.skipif(not os.path.exists(PYTHON), reason="the host has no /usr/bin/python3")
@pytest.mark.parametrize("name", PYTHON_PROGRAMS)
@pytest.mark.parametrize("model", ["leaderless", "linux"])
def test_python(model: str, name: str) -> None:
    if name == "files":
        cpus = os.cpu_count()
        program = PYTHON_PROGRAMS[name].replace("os.cpu_count()", f"os.cpu_count() in (1, {cpus})")
    else:
        program = PYTHON_PROGRAMS[name]
    compare([PYTHON, "-c", program], semantics=model)


def test_go(tmp_path: Path) -> None:
    """A static Go program: goroutines, garbage collection, os/exec, signal.Notify."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("no Go compiler (Debian: golang-go)")
    program = tmp_path / "mixture"
    env = {**os.environ, "CGO_ENABLED": "0", "GO111MODULE": "off", "GOCACHE": str(tmp_path / "cache"), "GOFLAGS": ""}
    subprocess.run([go, "build", "-o", str(program), str(LANGUAGES / "mixture.go")], check=True, env=env, cwd=tmp_path)
    compare([str(program)])


def test_rust(tmp_path: Path) -> None:
    """A static Rust program: the musl target where rustc has it, else the glibc target with crt-static."""
    rustc = shutil.which("rustc")
    if rustc is None:
        pytest.skip("no Rust compiler (Debian: rustc)")
    program = tmp_path / "mixture"
    source = str(LANGUAGES / "mixture.rs")
    musl = [rustc, "-O", "--target", "x86_64-unknown-linux-musl", "-o", str(program), source]
    glibc = [rustc, "-O", "-C", "target-feature=+crt-static", "-o", str(program), source]
    if subprocess.run(musl, capture_output=True).returncode:
        built = subprocess.run(glibc, capture_output=True, text=True)
        if built.returncode:
            pytest.skip(f"rustc cannot link: {built.stderr[-200:]}")
    compare([str(program)])
