"""``tgid.run``: one program, start to finish, captured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kernel.kernel import Watch
from tgid.console import CapturedConsole
from tgid.events import EventLog
from tgid.machine import Config, Machine, Result


def run(
    argv: Sequence[str],
    *,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    watch: Watch | None = None,
    events: bool = False,
    **options: Any,
) -> Result:
    """Run a program in a machine of its own and return what became of it.

    ``argv``: program (a path, or a name looked up in PATH inside the guest) and arguments.  ``stdin``: all it can read.
    ``env``: its whole environment; None gives PATH, HOME and LANG=C only, so that a run depends on nothing else.
    ``events``: collect ``Result.events``.  ``watch``: is told of every event instead (see ``kernel.kernel.Watch``).
    ``options``: fields of ``Config``.  Raises MachineFault for a configuration that cannot work; a guest that fails is a
    Result.
    """
    console = CapturedConsole(stdin)
    machine = Machine(Config(**options), console)
    log = EventLog() if events else None
    machine.kernel.watch = log if log is not None else watch
    environ = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/root", "LANG": "C"} if env is None else env
    try:
        result = machine.run(list(argv), environ)
        leaks = {} if machine.stopped else machine.leaks()
        return result._replace(leaks=leaks, events=tuple(log.events) if log is not None else ())
    finally:
        machine.close()
