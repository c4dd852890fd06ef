"""Shows system calls the way strace(1) does, from the same declarations that decode them.

Each ``Arg`` of a handler names the formatter of its argument.  What is known when the call is entered is shown then, because
the call may change it; arguments that the call fills (``Arg.out``), and all behind them, are shown when it has returned.  A few
calls whose arguments depend on each other (clone, futex, fcntl, ioctl...) have one formatter for the whole.

``call`` declares what a formatter is, ``text`` prints numbers, names and strings, ``structs`` structures by their C name,
``signals``, ``files``, ``process`` and ``sockets`` the rest; ``results`` is what stands behind the equals sign; ``calls`` puts
them together.
"""

from __future__ import annotations

from syscalls.strace.call import Call
from syscalls.strace.calls import show_call, show_rest
from syscalls.strace.results import result_text
from syscalls.strace.signals import siginfo_text

__all__ = ["Call", "result_text", "show_call", "show_rest", "siginfo_text"]
