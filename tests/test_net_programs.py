"""Programs that talk over the network, unmodified: each script runs on the host, in a network of its own, and in the machine.

The host's run is in a fresh network namespace with nothing but lo, so that both see the same network and nobody else is on it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import tgid

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENV = {"PATH": PATH, "HOME": "/tmp", "LANG": "C", "LC_ALL": "C", "TERM": "xterm"}
PROGRAMS = Path(__file__).parent / "net"


@cache
def isolated() -> str:
    """Return why a network namespace cannot be made here, empty if it can."""
    if sys.platform != "linux" or shutil.which("unshare") is None or shutil.which("ip") is None:
        return "needs unshare and ip"
    done = subprocess.run(["unshare", "-n", "ip", "link", "set", "lo", "up"], capture_output=True)
    return "" if done.returncode == 0 else "no network namespaces for us on this host"


def natively(script: str) -> tuple[int, str]:
    """Run a shell script on the host in a network of its own; return status and what it said."""
    if reason := isolated():
        pytest.skip(reason)
    argv = ["unshare", "-n", "sh", "-c", f"ip link set lo up; cd /tmp; {script}"]
    done = subprocess.run(argv, env=ENV, capture_output=True, timeout=60, stdin=subprocess.DEVNULL, start_new_session=True)
    return done.returncode, (done.stdout + done.stderr).decode()


def inside(script: str, **options: Any) -> tuple[int, str]:
    """Run it in the machine, where nothing may be left over."""
    result = tgid.run(["/bin/sh", "-c", script], env=ENV, cwd="/tmp", timeout=120.0, **options)
    assert not result.leaks
    return result.status, (result.stdout + result.stderr).decode()


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program, path=ENV["PATH"]) is None:
            pytest.skip(f"{program} is not installed")


def python(name: str) -> str:
    need("python3")
    return f"python3 {PROGRAMS / name}"


@pytest.mark.parametrize("name", ["servers.py", "streams.py", "groups.py"])
def test_python(name: str) -> None:
    """http.server and urllib, socketserver with processes over IPv6; asyncio's streams and datagrams; groups."""
    script = python(name)
    assert inside(script) == natively(script)


LISTENS = "while ! grep -q ':{:04X} .* 0A ' /proc/net/tcp /proc/net/tcp6; do sleep 0.1; done"
"""Wait until somebody listens on a port."""

BUSYBOX = {
    "httpd-wget": (
        "d=/tmp/www.$$; mkdir $d; cd $d; echo '<p>page</p>' >index.html; head -c 200000 /dev/zero | tr '\\0' x >big; "
        f"busybox httpd -f -p 127.0.0.1:8099 -h $d & h=$!; {LISTENS.format(8099)}; busybox wget -q -O - http://127.0.0.1:8099/; "
        "busybox wget -q -O - http://127.0.0.1:8099/big | wc -c; busybox wget -q -O - http://127.0.0.1:8099/none; echo $?; "
        "kill $h; wait; busybox wget -q -O - http://127.0.0.1:8099/; echo $?; "
        "busybox wget -q -O - http://192.0.2.1/; echo $?; cd /; rm -r $d"
    ),
    "nc": (
        # Standard input that never ends: at its end nc shuts its half down, and the other side leaves with what is unsent.
        f"d=/tmp/nc.$$; mkdir $d; cd $d; mkfifo quiet; busybox nc -l -p 8098 <>quiet >got & {LISTENS.format(8098)}; "
        "echo through nc | busybox nc 127.0.0.1 8098; wait; cat got; busybox nc 127.0.0.1 8098; echo $?; "
        f"seq 1 20000 | busybox nc -l -p 8097 & {LISTENS.format(8097)}; "
        "busybox nc 127.0.0.1 8097 <>quiet | tail -n 1; wait; cd /; rm -r $d"
    ),
}


@pytest.mark.parametrize("name", BUSYBOX)
def test_busybox(name: str) -> None:
    need("busybox")
    assert inside(BUSYBOX[name]) == natively(BUSYBOX[name])


IP = {
    "show": "ip addr; ip -br addr; ip -6 addr; ip link; ip route; ip route show table local; ip route get 127.0.0.1",
    "set": (
        "ip addr add 10.1.1.1/24 dev lo; ip addr; ip link set lo mtu 1500; ip link; ip addr del 10.1.1.1/24 dev lo; "
        "ip link set lo down; ip addr; ip link set lo up; ip addr; ip addr add 127.0.0.1/8 dev lo; "
        "ip link add dummy0 type dummy; "
        "ip link set nosuch up; ip addr del 10.9.9.9/8 dev lo; ip route get 192.0.2.1"
    ),
    "new-namespace": "unshare -n sh -c 'ip addr; ip link set lo up; ip addr; ip route show table local'; ip -br addr",
}


@pytest.mark.parametrize("name", IP)
def test_ip(name: str) -> None:
    need("ip", "unshare")
    assert inside(IP[name]) == natively(IP[name])


def test_sockets_are_listed() -> None:
    """ss and netstat find listeners, connections and what is left of them; ports are given out, so they are left out."""
    need("ss")
    names = "s/:(3[2-9]|[456][0-9])[0-9]{3}/:PORT/g; s/@abstract +[0-9]+/NAME/; s/ +/ /g"
    script = f"{python('listed.py')} | sed -E '{names}'"
    assert inside(script) == natively(script)


def test_containers_start_without_a_network() -> None:
    """In a namespace whose loopback is down nothing is reachable, and what two namespaces have does not collide."""
    result = inside("unshare -n python3 -c 'import socket; print(socket.socket().connect_ex((\"127.0.0.1\", 1)))'")
    assert result == (0, "101\n")


# -- terminals --------------------------------------------------------------------------------------------------------
TERMINALS = {
    "script": ("script", "script -qc 'tty | sed s/[0-9]/N/; stty size; exit 3' /dev/null; echo $?"),
    "pty-spawn": ("python3", "python3 -c 'import pty; print(pty.spawn([\"sh\", \"-c\", \"test -t 0 && echo tty; exit 3\"]))'"),
    "watch": ("watch", f"python3 {PROGRAMS / 'watched.py'}"),
}


@pytest.mark.parametrize("name", TERMINALS)
def test_terminals(name: str) -> None:
    program, script = TERMINALS[name]
    need(program, "python3")
    assert inside(script) == natively(script)


def test_tmux() -> None:
    """A server without terminal, two windows with shells in them, keys sent to one, and what is to be seen."""
    need("tmux")
    script = (
        "t='tmux -L tgid -f /dev/null'; $t new-session -d -x 60 -y 10 'PS1=: sh'; "
        "$t send-keys 'echo a$((1+1))b; tty | cut -c1-8' Enter; "
        "$t new-window 'echo second; sleep 100'; sleep 2; $t list-windows -F '#{window_index} #{window_active}'; "
        "$t capture-pane -p -t 0 | grep -v '^$' | tail -n 3; $t capture-pane -p -t 1 | head -n 1; $t kill-server"
    )
    os.environ.pop("TMUX", None)
    assert inside(script) == natively(script)


# -- the machine's own reports ----------------------------------------------------------------------------------------
def test_a_deadlock_says_who_could_write() -> None:
    """Two processes read each other's end of a connection: the report names the other end's holder."""
    script = (
        "python3 -c 'import os, socket\nl = socket.create_server((\"127.0.0.1\", 0))\n"
        "c = socket.create_connection(l.getsockname())\n"
        "a, _ = l.accept()\nl.close()\nif os.fork():\n    a.close(); c.recv(1)\nelse:\n    c.close(); a.recv(1)'"
    )
    need("python3")
    result = tgid.run(["/bin/sh", "-c", script], env=ENV, timeout=60.0)
    assert result.status == 125
    waiting = [line for line in result.log if "sk_wait_data" in line]
    assert len(waiting) == 2
    assert all("could be woken by a write to socket:[" in line and "by python3[" in line for line in waiting)


def test_trace_shows_addresses() -> None:
    """Addresses are shown as strace(1) shows them."""
    need("busybox")
    command = [sys.executable, "-m", "tgid", "trace", "-e", "trace=%network", "busybox", "nc", "127.0.0.1", "9"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    address = '{sa_family=AF_INET, sin_port=htons(9), sin_addr=inet_addr("127.0.0.1")}'
    assert f"connect(3, {address}, 16) = -1 ECONNREFUSED" in done.stderr
