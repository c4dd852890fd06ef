"""A process that dies of a signal leaves its core (core(5), fs/coredump.c).

The thread that takes the signal dumps, and its siblings must stand still meanwhile, with their registers as they are.  They do
so in their own exit: ``coredump_wait`` kills them, and each stops at the very beginning of ``do_exit`` (coredump_task_exit)
until the dump is done.  A SIGKILL ends a dump that has to wait.

Where the core goes is a pattern, /proc/sys/kernel/core_pattern: a file name, made with the credentials of the process, or
``|`` and a program that gets the core on its standard input.  A process that is dumpable only for root (prctl(2),
PR_SET_DUMPABLE; mode 2 of /proc/sys/fs/suid_dumpable) dumps as root, and only to an absolute name or a program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from kernel.elf_core import Piece, elf_core
from kernel.errno import Errno
from kernel.fs.dirops import unlink
from kernel.fs.file import O_CREAT, O_EXCL, O_LARGEFILE, O_NOFOLLOW, O_RDWR, File
from kernel.fs.inode import S_IFMT, S_IFREG
from kernel.fs.open import OpenHow, open_file, plain
from kernel.fs.path import AT_FDCWD, d_path
from kernel.hardware import PAGE_SIZE, OutOfFrames
from kernel.mm.address_space import SUID_DUMP_DISABLE, SUID_DUMP_ROOT
from kernel.pid import ns_of
from kernel.rlimit import RLIM_INFINITY, RLIMIT_CORE, RLIMIT_FSIZE
from kernel.signal_pending import JOBCTL_PENDING_MASK, clear_jobctl_pending, fatal_signal_pending
from kernel.signal_send import end_group_stop, kill_thread
from kernel.task import WORK_SIGNAL, CoreState, Thread
from kernel.usermode_helper import HELPER_CORE_LIMIT, PIDFD_NUMBER, PipedHelper
from kernel.waitqueue import UNINTERRUPTIBLE, Block, Blocking

if TYPE_CHECKING:
    from kernel.signal import SigInfo

MIN_COREDUMP: Final = PAGE_SIZE
"""RLIMIT_CORE below this means no core file (min_coredump of the ELF format)."""


# -- the name ---------------------------------------------------------------------------------------------------------
def _escaped(name: bytes) -> bytes:
    """A name that is one component of a path and none of ``.`` and ``..`` (cn_esc_printf)."""
    name = name.replace(b"/", b"!")
    if name in (b".", b".."):
        return b"!" + name[1:]
    return name or b"!"


def _executable(t: Thread) -> bytes:
    """The path of the program (cn_print_exe_file)."""
    where = t.mm.exe_file.where() if t.mm is not None and t.mm.exe_file is not None else None
    return d_path(where, t.fs.root) if where is not None else t.comm + b" (path unknown)"


def _specifier(t: Thread, letter: bytes, signo: int, dumpable: int, piped: bool) -> bytes:
    """Return what ``%letter`` stands for, b"" for an unknown one."""
    process = t.process
    ns = ns_of(t)
    values: dict[bytes, Callable[[], bytes]] = {
        b"%": lambda: b"%",
        b"p": lambda: b"%d" % process.tgid_pid.nr_in(ns),
        b"P": lambda: b"%d" % process.tgid_pid.nr,
        b"i": lambda: b"%d" % t.pid.nr_in(ns),
        b"I": lambda: b"%d" % t.pid.nr,
        b"u": lambda: b"%d" % t.cred.uid,
        b"g": lambda: b"%d" % t.cred.gid,
        b"d": lambda: b"%d" % dumpable,
        b"s": lambda: b"%d" % signo,
        b"t": lambda: b"%d" % (t.kernel.clock.realtime() // 1_000_000_000),
        b"h": lambda: _escaped(t.nsproxy.uts.nodename),
        b"e": lambda: _escaped(t.comm),
        b"f": lambda: _escaped(_executable(t).rsplit(b"/", 1)[-1]),
        b"E": lambda: _escaped(_executable(t)),
        b"c": lambda: b"%d" % process.rlimits.soft(RLIMIT_CORE),
        b"F": lambda: b"%d" % PIDFD_NUMBER if piped else b"",
    }
    make = values.get(letter)
    return make() if make is not None else b""


def format_corename(t: Thread, pattern: bytes, uses_pid: bool, signo: int, dumpable: int) -> list[bytes]:
    """Return the file name, or for a pattern with ``|`` the words of the command, which are split before the specifiers are
    replaced."""
    piped = pattern.startswith(b"|")
    words = pattern[1:].split() if piped else [pattern]
    names: list[bytes] = []
    for word in words:
        parts: list[bytes] = []
        rest = word
        while rest:
            plain_text, percent, rest = rest.partition(b"%")
            parts.append(plain_text)
            if percent and rest:
                parts.append(_specifier(t, rest[:1], signo, dumpable, piped))
                rest = rest[1:]
        names.append(b"".join(parts))
    if not piped and uses_pid and b"%p" not in pattern.replace(b"%%", b""):
        names[0] += b".%d" % t.process.tgid_pid.nr_in(ns_of(t))
    return names


# -- the threads ------------------------------------------------------------------------------------------------------
def _coredump_wait(t: Thread, signo: int) -> Blocking[CoreState | None]:
    """Kill the siblings of ``t`` and wait until they stand still (coredump_wait); None if the process is already exiting or
    becoming another program."""
    process = t.process
    if process.group_exit or process.group_exec_task is not None:
        return None
    state = process.core_state = CoreState(t)
    process.group_exit = True
    process.group_exit_code = signo
    end_group_stop(process)
    for other in process.threads:
        if other.exiting:
            continue
        clear_jobctl_pending(other, JOBCTL_PENDING_MASK)
        if other is not t and not other.post_coredump:
            state.running += 1
            kill_thread(other)
    t.work &= ~WORK_SIGNAL
    while state.running:
        yield Block("coredump_wait", state.startup, state=UNINTERRUPTIBLE, who=lambda t: "the siblings' exit")
    return state


def _coredump_finish(t: Thread, state: CoreState, dumped: bool) -> None:
    """Let the siblings die; the wait status tells of the core unless a SIGKILL came meanwhile (coredump_finish)."""
    process = t.process
    if dumped and not fatal_signal_pending(t):
        process.group_exit_code |= 0x80
    process.core_state = None
    state.finished.wake_all()


# -- the file ---------------------------------------------------------------------------------------------------------
def _open_core(t: Thread, name: bytes, as_root: bool) -> File | None:
    """Create the core file; an old one of that name is removed, unless the process is not to be trusted with root's rights.

    None if it cannot be made, or if its owner or mode is not what a private file should have (an umask that takes the owner's
    rights, a file system without owners).
    """
    home = t.fs
    if as_root:
        if not name.startswith(b"/"):
            return None
        init = t.kernel.root_pid_ns.child_reaper
        if init is not None and init.process is not None:
            t.fs = init.process.rep.fs.copy()  # the name is the administrator's, not one in a root of the user's choice
            t.fs.umask = home.umask
    try:
        if not as_root:
            with suppress(Errno):  # opening it will tell
                unlink(t, AT_FDCWD, name)
        file = plain(open_file(t, AT_FDCWD, name, OpenHow(O_CREAT | O_RDWR | O_NOFOLLOW | O_LARGEFILE | O_EXCL, 0o600)))
    except Errno:
        return None
    finally:
        t.fs = home
    stat = file.stat(t)
    if stat.mode & S_IFMT != S_IFREG or stat.nlink > 1 or stat.uid != t.cred.fsuid or stat.mode & 0o677 != 0o600:
        file.drop()
        return None
    return file


def _write_file(t: Thread, file: File, pieces: Iterator[Piece], limit: int) -> bool:
    """Write a core to a regular file until it ends or RLIMIT_CORE or the file system has no room for the next piece.

    Holes are not written and do not count for the limit, but the file is as long as if they were.  Returns whether at least
    the notes were collected, which makes it a core, however short.
    """
    written = hole = 0
    room = t.process.rlimits.soft(RLIMIT_FSIZE)
    for piece in pieces:
        if isinstance(piece, int):
            hole += piece
            continue
        if not piece:
            continue
        file.pos, hole = file.pos + hole, 0
        if written + len(piece) > limit or file.pos + len(piece) > room:
            break
        try:
            if file.write(t, piece) != len(piece):
                break
        except (Errno, OutOfFrames):
            break
        written += len(piece)
    if hole and written < limit and file.pos + hole <= room:
        file.pos += hole - 1
        with suppress(Errno, OutOfFrames):
            file.write(t, b"\0")
    return True


def _write_pipe(t: Thread, file: File, pieces: Iterator[Piece]) -> Blocking[bool]:
    """Write a core to a program, holes as zeros, until it ends, nobody reads any more, or SIGKILL comes."""
    for piece in pieces:
        left = piece if isinstance(piece, int) else len(piece)
        while left:
            data = bytes(min(left, PAGE_SIZE)) if isinstance(piece, int) else piece
            try:
                if (yield from file.write_sleeping(t, data)) != len(data):
                    return True
            except Errno:
                return True
            left -= len(data)
    return True


def _dump_to_program(t: Thread, state: CoreState, words: list[bytes], info: SigInfo) -> Blocking[bool]:
    """Start the program of a ``|`` pattern as root, outside the dying process's namespaces, and feed it the core."""
    settings = t.kernel.coredump
    if not words or t.process.rlimits.soft(RLIMIT_CORE) == HELPER_CORE_LIMIT:
        return False
    settings.piped += 1
    try:
        if settings.pipe_limit and settings.pipe_limit < settings.piped:
            return False
        helper = PipedHelper(t.kernel, words, t.process.tgid_pid if _wants_pidfd(settings.pattern) else None)
        if not (yield from helper.started()):
            return False
        dumped = yield from _write_pipe(t, helper.pipe, elf_core(t, state.threads(), info))
        if settings.pipe_limit:
            yield from helper.finished()
        else:
            helper.pipe.drop()
        return dumped
    finally:
        settings.piped -= 1


def _wants_pidfd(pattern: bytes) -> bool:
    return b"%F" in pattern.replace(b"%%", b"")


def do_coredump(t: Thread, info: SigInfo) -> Blocking[None]:
    """Dump the core of the process of ``t``, which is about to die of ``info`` (do_coredump).

    The exit of the process has begun when this returns, unless it was not to be dumped; ``group_exit_code`` has the bit 0x80
    if a core was made.
    """
    mm = t.mm
    if mm is None or mm.dumpable == SUID_DUMP_DISABLE:
        return
    dumpable = mm.dumpable
    state = yield from _coredump_wait(t, info.signo)
    if state is None:
        return
    dumped = False
    cred = t.cred
    as_root = dumpable == SUID_DUMP_ROOT
    if as_root:
        t.cred = cred._replace(fsuid=0)
    try:
        settings = t.kernel.coredump
        names = format_corename(t, settings.pattern, settings.uses_pid != 0, info.signo, dumpable)
        limit = t.process.rlimits.soft(RLIMIT_CORE)
        if settings.pattern.startswith(b"|"):
            dumped = yield from _dump_to_program(t, state, names, info)
        elif limit >= MIN_COREDUMP and (file := _open_core(t, names[0], as_root)) is not None:
            dumped = _write_file(t, file, elf_core(t, state.threads(), info), min(limit, RLIM_INFINITY))
            file.drop()
    finally:
        t.cred = cred
        _coredump_finish(t, state, dumped)
