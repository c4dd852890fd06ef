"""``python -m tgid``."""

from tgid.cli import entry

entry()
