"""membarrier(2).  With one processor every other thread of the system has passed a barrier when this one runs, so what is
left is who has registered for what; registrations belong to the address space and survive fork, not exec."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.errno import Errno

if TYPE_CHECKING:
    from kernel.task import Thread

CMD_QUERY = 0
CMD_GLOBAL = 1
CMD_GLOBAL_EXPEDITED = 2
CMD_REGISTER_GLOBAL_EXPEDITED = 4
CMD_PRIVATE_EXPEDITED = 8
CMD_REGISTER_PRIVATE_EXPEDITED = 16
CMD_PRIVATE_EXPEDITED_SYNC_CORE = 32
CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE = 64
CMD_PRIVATE_EXPEDITED_RSEQ = 128
CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ = 256
CMD_GET_REGISTRATIONS = 512
CMD_FLAG_CPU = 1

_ALL = 1023
_REGISTERS = (
    CMD_REGISTER_GLOBAL_EXPEDITED,
    CMD_REGISTER_PRIVATE_EXPEDITED,
    CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE,
    CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ,
)
_NEEDS = {
    CMD_PRIVATE_EXPEDITED: CMD_REGISTER_PRIVATE_EXPEDITED,
    CMD_PRIVATE_EXPEDITED_SYNC_CORE: CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE,
    CMD_PRIVATE_EXPEDITED_RSEQ: CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ,
}


def membarrier(t: Thread, command: int, flags: int) -> int:
    """Do one command; return 0, or the mask for the two queries.  EINVAL for an unknown command or flags, EPERM for an
    expedited private barrier without registration."""
    if flags & ~(CMD_FLAG_CPU if command == CMD_PRIVATE_EXPEDITED_RSEQ else 0):
        raise Errno.EINVAL
    mm = t.mm
    assert mm is not None
    if command == CMD_QUERY:
        return _ALL
    if command in (CMD_GLOBAL, CMD_GLOBAL_EXPEDITED):
        return 0
    if command in _REGISTERS:
        mm.membarrier |= command
        return 0
    if command == CMD_GET_REGISTRATIONS:
        return mm.membarrier
    if command not in _NEEDS:
        raise Errno.EINVAL
    if not mm.membarrier & _NEEDS[command]:
        raise Errno.EPERM
    return 0
