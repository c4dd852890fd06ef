"""``#!`` lines: the same interpreter and arguments as Linux takes from the same bytes."""

from __future__ import annotations

import errno
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from loader_machine import BytesFile, Disk, ElfSpec

from kernel.errno import Errno
from loader import script
from loader.binfmt import Program, prepare
from loader.script import Shebang

ELF = ElfSpec().make()
LONG = b"/" + b"x" * 300


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"", None),
        (b"#", None),
        (b" #!/bin/sh\n", None),
        (b"#!/bin/sh\n", Shebang(b"/bin/sh", None)),
        (b"#!/bin/sh", Shebang(b"/bin/sh", None)),
        (b"#! \t /bin/sh \t \necho", Shebang(b"/bin/sh", None)),
        (b"#!/usr/bin/env  python3 -u \n", Shebang(b"/usr/bin/env", b"python3 -u")),
        (b"#!/bin/sh -x", Shebang(b"/bin/sh", b"-x")),
        (b"#!/bin/sh -x  ", Shebang(b"/bin/sh", b"-x  ")),  # no newline: blanks at the end stay
        (b"#!/bin/sh  ", Shebang(b"/bin/sh", b"")),
        (b"#!/bin/sh\r\n", Shebang(b"/bin/sh\r", None)),
        (b"#!", Shebang(b"", None)),
        (b"#!\0\n", Shebang(b"", None)),
        (b"#!/a\0b c\n", Shebang(b"/a", None)),
        (b"#!/a \0b\n", Shebang(b"/a", b"")),
        (b"#!/a b\0c\n", Shebang(b"/a", b"b")),
        (b"#!" + LONG[:253] + b"\n", Shebang(LONG[:253], None)),
        (b"#!" + LONG[:253] + b" ", Shebang(LONG[:253], None)),
        (b"#!" + LONG[:200] + b" " + LONG, Shebang(LONG[:200], LONG[:52])),
        (b"#!" + b" " * 100 + b"/a " + LONG, Shebang(b"/a", LONG[:150])),
    ],
)
def test_parse(head: bytes, expected: Shebang | None) -> None:
    assert script.parse(head) == expected
    assert script.parse(head[: script.BUF_SIZE]) == expected


@pytest.mark.parametrize("head", [b"#!\n", b"#! \t\n/bin/sh", b"#!" + b" " * 300, b"#!" + LONG, b"#!" + LONG[:254] + b"\n"])
def test_no_interpreter(head: bytes) -> None:
    with pytest.raises(Errno.ENOEXEC):
        script.parse(head)


def run(disk: Disk, name: bytes, argv: tuple[bytes, ...] = (b"zero", b"one"), inaccessible: bool = False) -> Program:
    return prepare(disk[name], name, argv, (), 8 << 20, disk.open_exec, inaccessible)


def test_arguments_are_rewritten() -> None:
    disk = Disk({b"/elf": BytesFile(ELF), b"/script": BytesFile(b"#!/elf -a b\n")})
    program = run(disk, b"/script")
    assert program.strings.argv == (b"/elf", b"-a b", b"/script", b"one")
    assert program.strings.filename == b"/script"
    assert program.program.file is disk[b"/elf"]


def test_script_run_by_a_script() -> None:
    disk = Disk({b"/elf": BytesFile(ELF), b"/one": BytesFile(b"#!/elf\n"), b"/two": BytesFile(b"#!/one -2\n")})
    assert run(disk, b"/two").strings.argv == (b"/elf", b"/one", b"-2", b"/two", b"one")


def test_empty_argv_gets_an_empty_name() -> None:
    disk = Disk({b"/elf": BytesFile(ELF), b"/script": BytesFile(b"#!/elf\n")})
    assert run(disk, b"/elf", ()).strings.argv == (b"",)
    assert run(disk, b"/script", ()).strings.argv == (b"/elf", b"/script")


def test_errors() -> None:
    disk = Disk({b"/missing": BytesFile(b"#!/nowhere\n"), b"/nameless": BytesFile(b"#!"), b"/text": BytesFile(b"echo\n")})
    disk[b"/totext"] = BytesFile(b"#!/text\n")
    disk[b"/self"] = BytesFile(b"#!/self\n")
    for name, error, inaccessible in (
        (b"/missing", Errno.ENOENT, False),
        (b"/nameless", Errno.EACCES, False),
        (b"/text", Errno.ENOEXEC, False),
        (b"/totext", Errno.ENOEXEC, False),
        (b"/self", Errno.ELOOP, False),
        (b"/missing", Errno.ENOENT, True),
    ):
        with pytest.raises(error) as caught:
            run(disk, name, inaccessible=inaccessible)
        assert caught.value.args


def test_argument_room_counts_what_the_script_adds() -> None:
    disk = Disk({b"/elf": BytesFile(ELF), b"/script": BytesFile(b"#!/elf\n")})
    # Pointers of two arguments and none of the environment; the strings are /script, zero and the filler.
    filler = 131072 - 16 - len(b"/script\0zero\0") - 1
    prepare(disk[b"/elf"], b"/script", (b"zero", b"x" * filler), (), 0, disk.open_exec)
    # zero is replaced by /elf and /script.
    filler -= len(b"/script\0")
    prepare(disk[b"/script"], b"/script", (b"zero", b"x" * filler), (), 0, disk.open_exec)
    with pytest.raises(Errno.E2BIG):
        prepare(disk[b"/script"], b"/script", (b"zero", b"x" * (filler + 1)), (), 0, disk.open_exec)


native = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="compares with the kernel of an x86-64 Linux host"
)


def native_outcome(path: Path) -> str:
    try:
        return subprocess.run([path], capture_output=True, timeout=10, check=False).stdout.decode()
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def ours(disk: Disk, name: bytes) -> str:
    try:
        return " ".join(map(repr, run(disk, name, (name,)).strings.argv))
    except Errno as error:
        return type(error).__name__


@native
def test_nesting_limit_is_that_of_the_host(tmp_path: Path) -> None:
    disk = Disk({b"/bin/true": BytesFile(ELF)})
    name = "/bin/true"
    for depth in range(1, 8):
        path = tmp_path / f"s{depth}"
        path.write_text(f"#!{name}\n")
        path.chmod(0o755)
        name = str(path)
        disk[name.encode()] = BytesFile(path.read_bytes())
        expected = native_outcome(path)
        got = ours(disk, name.encode())
        assert expected == (got if got == "ELOOP" else ""), depth
        assert (got == "ELOOP") is (depth > 5)


@native
@pytest.mark.parametrize(
    "line",
    [
        b"#!%s\n",
        b"#! \t %s \t\n",
        b"#!%s  -a  b \n",
        b"#!%s -a",
        b"#!%s -a ",
        b"#!%s ",
        b"#!%s\0x\n",
        b"#!%s \0x\n",
        b"#!%s" + b" x" * 200,
        b"#!" + b" " * 200 + b"%s arg\n",
        b"#!" + b" " * 252 + b"%s arg\n",
        b"#!" + b" " * 300,
        b"#!\n%s",
        b"#!",
        b"#!/nowhere\n",
        b"#!%s\r\n",
    ],
)
def test_lines_mean_the_same_on_the_host(line: bytes, tmp_path: Path) -> None:
    """The interpreter prints its arguments; the host's kernel decides which they are."""
    show = tmp_path / "i"
    show.write_text(f"#!{sys.executable}\nimport os,sys\nprint(*map(repr, map(os.fsencode, sys.argv)), end='')\n")
    show.chmod(0o755)
    path = tmp_path / "s"
    path.write_bytes(line.replace(b"%s", os.fsencode(show)))
    path.chmod(0o755)
    disk = Disk({os.fsencode(show): BytesFile(ELF), os.fsencode(path): BytesFile(path.read_bytes())})
    assert ours(disk, os.fsencode(path)) == native_outcome(path)
