"""The namespaces of a thread (``nsproxy``): what setns and unshare switch.

The pid namespace here is the one its *children* will live in; the thread's own is that of its Pid and never changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernel.fs.mount import MountNamespace
    from kernel.net.namespace import NetNamespace
    from kernel.pid import PidNamespace
    from kernel.utsname import UtsNamespace


@dataclass(frozen=True, slots=True)
class NsProxy:
    """An immutable set of namespaces; changing one makes a new set (``dataclasses.replace``)."""

    mnt: MountNamespace
    uts: UtsNamespace
    pid_for_children: PidNamespace
    net: NetNamespace
