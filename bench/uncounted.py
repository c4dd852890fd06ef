"""``tgid run`` without the hook that counts basic blocks: no preemption, no virtual time, no ``--timeout``.

This is for measuring what counting costs, and fit for a program that computes and exits.

    python -m bench.uncounted PROGRAM [ARGS...]
"""

from __future__ import annotations

import ctypes
import sys

import emu.engine
from emu import unicorn_abi as abi
from emu.engine import Engine


class UncountedEngine(Engine):
    """An engine in which a run ends only at a trap."""

    __slots__ = ()

    def _install_hooks(self) -> None:
        for kind, instruction, function, data in self.core.hooks():
            if kind != abi.UC_HOOK_BLOCK:
                self._hook(kind, function, data, *([ctypes.c_int(instruction)] if instruction else []))
        self._control(abi.UC_CTL_WRITE_TB_FLUSH)

    def _check_traps(self) -> None:
        """Nothing: the check expects block counts."""


if __name__ == "__main__":
    emu.engine.Engine = UncountedEngine  # type: ignore[misc]
    from tgid.cli import entry

    sys.argv[1:1] = ["run"]
    entry()
