"""Plugs the program loader into the kernel's execve: addresses, auxiliary vector and first stack for this machine."""

from __future__ import annotations

from collections.abc import Sequence

from kernel.fs.exec import open_exec
from kernel.fs.file import File
from kernel.hardware import Frames
from kernel.mm.address_space import AddressSpace
from kernel.rlimit import RLIMIT_STACK
from kernel.task import Thread
from kernel.user_ns import gid_for, uid_for
from loader import binfmt, vdso
from loader.layout import choose
from loader.memory import ProcessMemory
from loader.stack import Credentials, Processor

AT_FDCWD = -100


class _File:
    """An open executable as the loader sees it: bytes at offsets."""

    __slots__ = ("t", "file", "size")

    def __init__(self, t: Thread, file: File) -> None:
        self.t = t
        self.file = file
        self.size = file.stat(t).size

    def read_at(self, offset: int, size: int) -> bytes:
        return self.file.pread(self.t, size, offset) if offset < self.size else b""


class _Program:
    """A checked program; implements ``kernel.binfmt.Program``."""

    __slots__ = ("_program", "_vdso", "_opened")

    def __init__(self, program: binfmt.Program, pages: vdso.VdsoPages, opened: list[File]) -> None:
        self._program = program
        self._vdso = pages
        self._opened = opened

    @property
    def executable(self) -> File:
        file = self._program.program.file
        assert isinstance(file, _File)
        return file.file

    @property
    def mapped(self) -> list[File]:
        interpreter = self._program.interpreter
        if interpreter is None:
            return [self.executable]
        assert isinstance(interpreter.file, _File)
        return [self.executable, interpreter.file.file]

    @property
    def name(self) -> bytes:
        return self._program.strings.filename

    def commit(self, t: Thread, mm: AddressSpace, secure: bool) -> binfmt.Image:
        cred, options = t.cred, t.kernel.options
        limit = t.process.rlimits.soft(RLIMIT_STACK)
        random = t.kernel.random.randbytes
        return self._program.commit(
            ProcessMemory(t, mm, self._vdso),
            choose(limit, random if options.aslr else None),
            random(16),
            Credentials(uid_for(t, cred.uid), uid_for(t, cred.euid), gid_for(t, cred.gid), gid_for(t, cred.egid), secure),
            Processor(),
            limit,
        )

    def close(self) -> None:
        for file in self._opened:
            file.drop()


class Loader:
    """Implements ``kernel.binfmt.ProgramLoader`` for ELF and scripts."""

    __slots__ = ("_vdso",)

    def __init__(self, frames: Frames) -> None:
        self._vdso = vdso.VdsoPages(frames)

    def prepare(
        self, t: Thread, file: File, filename: bytes, argv: Sequence[bytes], envp: Sequence[bytes], inaccessible: bool
    ) -> _Program:
        opened = [file]

        def open_interpreter(path: bytes) -> _File:
            interpreter, _, _ = open_exec(t, AT_FDCWD, path, 0)
            opened.append(interpreter)
            return _File(t, interpreter)

        try:
            limit = t.process.rlimits.soft(RLIMIT_STACK)
            program = binfmt.prepare(
                _File(t, file), filename, tuple(argv), tuple(envp), limit, open_interpreter, inaccessible
            )
        except BaseException:
            for one in opened:
                one.drop()
            raise
        return _Program(program, self._vdso, opened)
