"""The rules in which the leaderless kernel differs from mainline, one named boolean each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Semantics:
    """Which model of process semantics a kernel follows.

    ``release_first_thread``: an untraced first thread that exits before the others is released like any other thread
    (fork/exit series of 2017, "remove the thread group leader"); mainline keeps it as a zombie until all are gone.
    """

    release_first_thread: bool = True

    @classmethod
    def leaderless(cls) -> Semantics:
        """The default model: no thread-group leader."""
        return cls()
