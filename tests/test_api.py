"""The Python API: ``tgid.run``, its Result and events, and ``Machine`` for embedding."""

from __future__ import annotations

import pytest

import tgid
from guest import build
from tgid.console import CapturedConsole


def program(name: str) -> str:
    """Return the path of a built guest program."""
    try:
        return str(build.build(name, "musl"))
    except build.BuildError as error:
        pytest.skip(str(error))


def test_run_captures_everything() -> None:
    result = tgid.run([program("cat")], stdin=b"one\ntwo\n")
    assert (result.status, result.wait_status, result.stdout, result.stderr) == (0, 0, b"one\ntwo\n[8 bytes]\n", b"")
    assert (result.log, result.leaks, result.events) == ((), {}, ())


def test_events_tell_what_happened_in_order() -> None:
    result = tgid.run([program("exit_codes")], events=True)
    kinds = {event.kind for event in result.events}
    assert {"call", "clone", "exec", "exit", "signal"} <= kinds
    assert result.events[0].kind in ("exec", "call")
    assert result.events[-1].kind == "exit"
    assert [event.time for event in result.events] == sorted(event.time for event in result.events)
    clones = [event for event in result.events if event.kind == "clone"]
    exits = [event for event in result.events if event.kind == "exit"]
    assert {event.result for event in clones} <= {event.tid for event in exits}


def test_the_same_run_gives_the_same_events() -> None:
    path = program("futex_rounds")
    assert tgid.run([path], events=True).events == tgid.run([path], events=True).events


def test_configuration_mistakes_are_one_sentence() -> None:
    with pytest.raises(tgid.MachineFault, match="nowhere"):
        tgid.run([program("hello")], rootfs="/nowhere")
    with pytest.raises(tgid.MachineFault, match="no program"):
        tgid.run([])


def test_a_program_that_is_not_there() -> None:
    result = tgid.run(["/no/such/program"])
    assert result.status == 127
    assert result.wait_status is None
    assert result.log == ("/no/such/program: No such file or directory",)


def test_uid_environment_and_directory() -> None:
    result = tgid.run(
        ["/bin/busybox", "sh", "-c", "id -u; id -g; pwd; echo $A; echo $HOME"], env={"A": "b"}, uid=1000, gid=100, cwd="/usr"
    )
    if result.status == 127:
        pytest.skip("no busybox")
    assert result.stdout == b"1000\n100\n/usr\nb\n\n"


def test_machines_are_independent() -> None:
    """Two machines at once: each has its own files, pids and clock."""
    machines = [tgid.Machine(tgid.Config(seed=seed), CapturedConsole(b"")) for seed in (1, 2)]
    results = [machine.run([program("hello")], {}) for machine in machines]
    assert [result.stdout for result in results] == [b"hello, world\n"] * 2
    assert all(machine.launch is not None and machine.launch.pid == 3 for machine in machines)
    for machine in machines:
        machine.close()


def test_seed_decides_randomness() -> None:
    command = ["/bin/busybox", "sh", "-c", "busybox head -c 16 /dev/urandom | busybox od -An -tx1"]
    first, again, other = (tgid.run(command, seed=seed) for seed in (5, 5, 6))
    if first.status == 127:
        pytest.skip("no busybox")
    assert first.stdout == again.stdout != other.stdout
