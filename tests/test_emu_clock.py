"""Clocks: virtual time passes by blocks and charges and jumps over sleep; real time follows the host and waits."""

from __future__ import annotations

import time

from emu.clock import BLOCK_NS, BOOT_MONOTONIC_NS, BOOT_REALTIME_NS, RealClock, VirtualClock


def test_virtual_time_passes_only_by_work() -> None:
    clock = VirtualClock()
    assert (clock.monotonic(), clock.realtime()) == (BOOT_MONOTONIC_NS, BOOT_REALTIME_NS)
    clock.now += 1000 * BLOCK_NS + 5
    assert clock.monotonic() == BOOT_MONOTONIC_NS + 1000 * BLOCK_NS + 5
    assert clock.tsc(3) == clock.monotonic() + 3 * BLOCK_NS


def test_virtual_sleep_jumps_and_never_back() -> None:
    clock = VirtualClock()
    clock.sleep_until(BOOT_MONOTONIC_NS + 3_600_000_000_000)
    assert clock.monotonic() == BOOT_MONOTONIC_NS + 3_600_000_000_000
    clock.sleep_until(BOOT_MONOTONIC_NS)
    clock.sleep_until(None)
    assert clock.monotonic() == BOOT_MONOTONIC_NS + 3_600_000_000_000


def test_blocks_until_a_deadline_reach_it_exactly() -> None:
    clock = VirtualClock()
    for distance in (1, BLOCK_NS - 1, BLOCK_NS, BLOCK_NS + 1, 12345):
        blocks = clock.blocks_until(clock.monotonic() + distance)
        assert (blocks - 1) * BLOCK_NS < distance <= blocks * BLOCK_NS
    assert clock.blocks_until(0) == 1


def test_setting_the_date_leaves_monotonic_time_alone() -> None:
    for clock in (VirtualClock(), RealClock()):
        before = clock.monotonic()
        clock.set_realtime(10**18)
        assert 0 <= clock.realtime() - 10**18 < 10**9
        assert 0 <= clock.monotonic() - before < 10**9


def test_real_clock_waits_through_the_given_function() -> None:
    waits: list[float | None] = []
    clock = RealClock(waits.append)
    clock.sleep_until(clock.monotonic() + 10**9)
    clock.sleep_until(clock.monotonic() - 1)  # already over
    clock.sleep_until(None)
    assert len(waits) == 2
    assert waits[0] is not None
    assert 0.9 < waits[0] <= 1.0
    assert waits[1] is None


def test_real_clock_follows_the_host() -> None:
    clock = RealClock()
    assert abs(clock.realtime() - time.time_ns()) < 10**9
    start = clock.monotonic()
    clock.sleep_until(start + 20_000_000)
    assert clock.monotonic() - start >= 20_000_000
    assert clock.blocks_until(clock.monotonic() + 10**9) > 1000
    clock.now += 10**12
    assert clock.monotonic() - start < 10**10
