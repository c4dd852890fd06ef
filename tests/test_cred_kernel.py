"""Credentials at the kernel's level: what execve makes of them, and invariants of every way to change them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from misc_world import TimedWorld

from kernel import cred_change
from kernel.cred import CAP_FULL_SET, CAP_NET_RAW, CAP_SYS_PTRACE, SECBIT_KEEP_CAPS, SECBIT_NOROOT, Cred
from kernel.cred_exec import exec_creds, may_dump
from kernel.errno import Errno
from kernel.fs.mount import MS_NOSUID
from kernel.task import Thread
from kernel.user_ns import INIT_USER_NS, UserNamespace

USER = Cred.user(1000, 2000, (2000, 3000))

MOUNTS: Any = SimpleNamespace()
"""The mount namespace of the thread."""


class Executable:
    """An executable on a mount, with mode and owner."""

    def __init__(self, mode: int = 0o755, uid: int = 0, gid: int = 0, mount_flags: int = 0, readable: bool = True) -> None:
        self.attributes = SimpleNamespace(mode=mode | 0o100000, uid=uid, gid=gid)
        self.mount_flags = mount_flags
        self.mount_ns: object = MOUNTS
        self.mounter = INIT_USER_NS
        self.readable = readable

    def where(self) -> Any:
        def permission(t: Thread, mask: int) -> None:
            if not self.readable:
                raise Errno.EACCES

        inode = SimpleNamespace(permission=permission)
        mount = SimpleNamespace(flags=self.mount_flags, ns=self.mount_ns, fs=SimpleNamespace(user_ns=self.mounter))
        return SimpleNamespace(mount=mount, dentry=SimpleNamespace(inode=inode))


@pytest.fixture
def t() -> Thread:
    thread = TimedWorld().process_with_memory()
    thread.cred = USER
    thread.nsproxy = SimpleNamespace(mnt=MOUNTS)  # type: ignore[assignment]
    return thread


def run(t: Thread, executable: Executable) -> tuple[Cred, bool]:
    return exec_creds(t, executable, executable.attributes)  # type: ignore[arg-type]


def test_an_ordinary_exec_changes_nothing(t: Thread) -> None:
    assert run(t, Executable()) == (USER, False)


def test_set_uid_root_gives_everything(t: Thread) -> None:
    cred, secure = run(t, Executable(0o4755))
    assert (cred.uid, cred.euid, cred.suid, cred.fsuid) == (1000, 0, 0, 0)
    assert cred.permitted == cred.effective == CAP_FULL_SET
    assert secure


def test_set_id_bits_of_what_others_mounted_do_not_count(t: Thread) -> None:
    """A mount of another namespace, or made by root of a user namespace below, could hold anything (mnt_may_suid)."""
    foreign, below = Executable(0o4755), Executable(0o4755)
    foreign.mount_ns = object()
    below.mounter = UserNamespace(INIT_USER_NS, 1000, 1000, 1)
    assert run(t, foreign) == run(t, below) == (USER, False)


def test_set_uid_of_another_user_gives_no_capability(t: Thread) -> None:
    cred, secure = run(t, Executable(0o4755, uid=7))
    assert (cred.uid, cred.euid, cred.suid, cred.fsuid) == (1000, 7, 7, 7)
    assert cred.permitted == 0
    assert secure


def test_set_gid_needs_group_execute(t: Thread) -> None:
    """Without it the bit meant mandatory locking."""
    assert run(t, Executable(0o2755, gid=9))[0].egid == 9
    assert run(t, Executable(0o2745, gid=9))[0].egid == 2000


@pytest.mark.parametrize("how", ["nosuid", "no_new_privs", "traced", "shared"])
def test_what_takes_set_id_away(t: Thread, how: str) -> None:
    executable = Executable(0o6755, gid=9)
    if how == "nosuid":
        executable.mount_flags = MS_NOSUID
    elif how == "no_new_privs":
        t.no_new_privs = True
    elif how == "traced":
        t.ptrace = 1
    else:
        t.fs.users = 2
    cred, secure = run(t, executable)
    assert (cred.euid, cred.egid, cred.permitted) == (1000, 2000, 0)
    # begin_new_exec decides AT_SECURE by what the file asked for, not by what was granted.
    assert secure is (how in ("traced", "shared"))


def test_a_tracer_with_the_capability_does_not_take_it_away(t: Thread) -> None:
    t.ptrace = 1
    t.ptracer_cred = USER._replace(effective=1 << CAP_SYS_PTRACE)
    assert run(t, Executable(0o4755))[0].euid == 0


def test_root_regains_what_it_dropped_unless_noroot(t: Thread) -> None:
    t.cred = Cred.root()._replace(permitted=0, effective=0, bounding=0xFF)
    cred, secure = run(t, Executable())
    assert (cred.permitted, cred.effective, secure) == (0xFF, 0xFF, False)
    t.cred = t.cred._replace(securebits=SECBIT_NOROOT)
    assert run(t, Executable())[0].permitted == 0


def test_real_root_without_effective_root_gets_permission_only(t: Thread) -> None:
    t.cred = Cred.root()._replace(euid=5, suid=5, fsuid=5, effective=0)
    cred, _ = run(t, Executable())
    assert cred.permitted == CAP_FULL_SET
    assert cred.effective == 0


def test_ambient_capabilities_survive_an_exec_without_set_id(t: Thread) -> None:
    bit = 1 << CAP_NET_RAW
    t.cred = USER._replace(permitted=bit, inheritable=bit, ambient=bit, securebits=SECBIT_KEEP_CAPS)
    cred, secure = run(t, Executable())
    assert (cred.permitted, cred.effective, cred.ambient, secure) == (bit, bit, bit, False)
    assert cred.securebits == 0, "keep-caps ends with exec"
    cred, secure = run(t, Executable(0o4755, uid=7))
    assert (cred.permitted, cred.ambient, secure) == (0, 0, True)


def test_dumpability_before_commit(t: Thread) -> None:
    files: Any = [Executable(), Executable()]
    assert may_dump(t, files)
    files[1].readable = False
    assert not may_dump(t, files), "an interpreter it cannot read"
    t.cred = USER._replace(euid=7)
    assert not may_dump(t, []), "the old ids differ"


# -- changes ----------------------------------------------------------------------------------------------------------
IDS = st.sampled_from([0, 1, 2, 3, 4, cred_change.NO_ID])
CALLS = st.one_of(
    st.tuples(st.sampled_from(["setuid", "setgid", "setfsuid", "setfsgid"]), IDS),
    st.tuples(st.sampled_from(["setreuid", "setregid"]), IDS, IDS),
    st.tuples(st.sampled_from(["setresuid", "setresgid"]), IDS, IDS, IDS),
    st.tuples(st.just("capset"), *([st.integers(0, 0xFF)] * 3)),
    st.tuples(st.just("set_keepcaps"), st.integers(0, 2)),
    st.tuples(st.just("set_securebits"), st.integers(0, 0xFF)),
    st.tuples(st.just("bounding_drop"), st.integers(0, 41)),
    st.tuples(st.just("ambient"), st.integers(1, 4), st.integers(0, 8)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(CALLS, max_size=12), st.booleans())
def test_no_sequence_of_calls_breaks_the_rules_of_capabilities(calls: list[tuple[Any, ...]], root: bool) -> None:
    """effective and ambient stay within permitted, ambient within inheritable, the bounding set only shrinks, and a thread
    without any privilege never gets ids or capabilities it did not have."""
    world = TimedWorld()
    world.kernel.change_user = lambda old, new: None
    t = world.process_with_memory()
    t.cred = Cred.root() if root else Cred.user(1, 1)._replace(euid=2, suid=3, egid=2, sgid=3, fsuid=2, fsgid=2)
    for name, *args in calls:
        before = t.cred
        try:
            getattr(cred_change, name)(t, *args)
        except Errno:
            assert t.cred is before, "an error leaves the old ones untouched"
        cred = t.cred
        assert not cred.effective & ~cred.permitted
        assert not cred.ambient & ~(cred.permitted & cred.inheritable)
        assert not cred.bounding & ~before.bounding
        if not root:
            assert {cred.uid, cred.euid, cred.suid, cred.fsuid} <= {1, 2, 3}
            assert {cred.gid, cred.egid, cred.sgid, cred.fsgid} <= {1, 2, 3}
            assert not cred.permitted


def test_a_change_of_effective_ids_hides_the_process(t: Thread) -> None:
    assert t.mm is not None
    t.cred = USER._replace(suid=5)
    t.mm.dumpable, t.pdeath_signal = 1, 9
    cred_change.setresuid(t, cred_change.NO_ID, cred_change.NO_ID, 1000)
    assert (t.mm.dumpable, t.pdeath_signal) == (1, 9)
    t.cred = USER._replace(suid=5)
    cred_change.setresuid(t, cred_change.NO_ID, 5, cred_change.NO_ID)
    assert (t.mm.dumpable, t.pdeath_signal) == (0, 0)
