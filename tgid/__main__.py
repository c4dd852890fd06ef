"""``python -m tgid``, and the command ``tgid``."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command line.

    Until the machine takes Ctrl-C over it ends the process at once.  As an exception it could come where Python has to ignore
    one, in a callback during an import, and be lost.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from tgid.cli import entry

    entry()


if __name__ == "__main__":
    main()
