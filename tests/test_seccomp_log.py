"""What the user of the machine is told of filters, and the sysctl that says which actions are worth it (seccomp(2))."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from seccomp_world import by_number, confined, make_call, make_world

import tgid
from kernel import seccomp
from kernel.seccomp_filter import RET_ERRNO, RET_LOG, RET_TRACE

SETTINGS = "/proc/sys/kernel/seccomp/actions_logged"


def shell(script: str, **options: Any) -> tgid.Result:
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("needs busybox")
    return tgid.run([busybox, "sh", "-c", script], timeout=60, **options)


def test_the_setting_takes_names_and_shows_them_in_order_of_severity() -> None:
    result = shell(f"echo log trap kill_process > {SETTINGS}; cat {SETTINGS}; echo > {SETTINGS}; cat {SETTINGS} | wc -w")
    assert result.stdout == b"kill_process trap log\n0\n"


@pytest.mark.parametrize("names", ["allow", "trap allow", "no_such_action", "TRAP"])
def test_what_cannot_be_logged_is_refused(names: str) -> None:
    result = shell(f"echo {names} > {SETTINGS}; echo $?; cat {SETTINGS}")
    assert result.stdout == b"1\nkill_process kill_thread trap errno user_notif trace log\n"
    assert b"Invalid argument" in result.stderr


def test_users_may_only_look() -> None:
    result = shell(f"echo trap > {SETTINGS}; cat {SETTINGS}", uid=1000)
    assert b"Permission denied" in result.stderr
    assert result.stdout.startswith(b"kill_process ")


@pytest.mark.parametrize(
    ("action", "flags", "told"),
    [(RET_LOG, 0, True), (RET_ERRNO | 1, 0, False), (RET_ERRNO | 1, 2, True), (RET_TRACE, 0, False), (RET_TRACE, 2, True)],
)
@pytest.mark.parametrize("wanted", [True, False])
def test_who_is_told(action: int, flags: int, told: bool, wanted: bool) -> None:
    """LOG always, other actions if the filter asks for it (SECCOMP_FILTER_FLAG_LOG), nothing that the setting forbids."""
    world = make_world()
    lines: list[str] = []
    world.kernel.log_once = lambda key, line: lines.append(line)
    if not wanted:
        world.kernel.seccomp_logged = frozenset()
    t = confined(world)
    seccomp.set_mode_filter(t, by_number(3, action), flags)
    made = make_call(t, 3)
    if not isinstance(made, int):
        list(made)
    assert bool(lines) is (told and wanted)
    assert all("of 3 (3) by test[" in line for line in lines)
