"""What all tests share: the native oracle of the guest programs, each run at most once, and a look at what runs leave behind."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from guest.catalog import Program
from guest.native import Outcome, run_program
from tgid.machine import Machine


@pytest.fixture(autouse=True)
def nothing_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """After every test: a machine that ran until its last process was gone, without a defect of the kernel on the way, has no
    task, pid number, namespace or frame left."""
    left: list[dict[str, int]] = []
    close = Machine.close

    def look_and_close(machine: Machine) -> None:
        if machine.launch is not None and not machine.stopped and not machine.kernel.oopses and sys.exc_info()[0] is None:
            left.append(machine.leaks())
        close(machine)

    monkeypatch.setattr(Machine, "close", look_and_close)
    yield
    assert not any(left), f"left over: {left}"


@pytest.fixture(scope="session", autouse=True)
def plain_process() -> None:
    """Undo what programs run natively would inherit: a shell starts what runs in the background with SIGINT and SIGQUIT ignored,
    nohup with SIGHUP, and some with another nice value, which only a privileged user can make 0 again."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, 0)
    defaults: dict[signal.Signals, Any] = {signal.SIGINT: signal.default_int_handler}
    defaults |= {signal.SIGQUIT: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    for signo, handler in defaults.items():
        if signal.getsignal(signo) is signal.SIG_IGN:
            signal.signal(signo, handler)


@pytest.fixture(scope="session")
def native_outcome() -> Callable[[Program, str], Outcome]:
    """Return a function that runs a guest program on the host, at most once a session and flavour, and returns its outcome."""
    known: dict[tuple[str, str], Outcome] = {}

    def run(program: Program, libc: str) -> Outcome:
        key = (program.name, libc)
        if key not in known:
            known[key] = run_program(program, libc)
        return known[key]

    return run
