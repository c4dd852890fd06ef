"""tgid: a user-mode Linux that runs unmodified x86-64 programs on an emulated CPU, with a kernel you can read.

``run`` executes one program and returns what became of it; ``Machine`` is for embedding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from kernel.fs.roottree import Bind
    from tgid.api import run
    from tgid.machine import Config, Machine, MachineFault, Result

__all__ = ["Bind", "Config", "Machine", "MachineFault", "Result", "__version__", "run"]


def __getattr__(name: str) -> Any:
    """Import on first use: ``tgid --version`` should not load an engine."""
    if name == "run":
        from tgid.api import run

        return run
    if name == "Bind":
        from kernel.fs.roottree import Bind

        return Bind
    if name in __all__:
        from tgid import machine

        return getattr(machine, name)
    raise AttributeError(name)
