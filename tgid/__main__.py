"""``python -m tgid``."""

from tgid.cli import main

raise SystemExit(main())
