"""Linux's own selftests as guests, built from Debian's kernel source package; host and machine are compared case by case.

The sources stay where the package puts them (``/usr/src/linux-source-6.1.tar.xz``); what is needed of them is unpacked and
built below ``~/.cache/tgid/selftests``.  A program of the selftests checks many cases; the host says which of them hold on a
real Linux, and each of those must hold inside.  ``known.toml`` lists the exceptions with a reason each.

    python -m guest.selftests [--semantics MODEL] [--show] [DIRECTORY[/PROGRAM]...]
"""
