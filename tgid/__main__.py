"""``python -m tgid``."""

try:
    from tgid.cli import entry
except KeyboardInterrupt:
    raise SystemExit(130) from None

entry()
