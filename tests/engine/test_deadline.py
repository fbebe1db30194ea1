"""Durations on three clocks."""

from __future__ import annotations

import pytest

from rpd.engine.deadline import backoff, carried_over, clock_step, elapsed, is_before, remaining
from rpd.journal.records import Stamp

START = Stamp(1_800_000_000.0, 100.0, "boot-1")
HOURS = 3600.0


def later(seconds: float, *, set_by: float = 0.0) -> Stamp:
    """The same boot, `seconds` later, with the wall clock set by somebody."""
    return Stamp(START.wall + seconds + set_by, START.up + seconds, START.boot)


@pytest.mark.parametrize("set_by", [0.0, -HOURS, 365 * 24 * HOURS])
def test_within_one_boot_the_wall_clock_does_not_matter(set_by: float) -> None:
    assert elapsed(START, later(10.0, set_by=set_by)) == 10.0
    assert remaining(START, 30.0, later(10.0, set_by=set_by)) == 20.0
    assert is_before(START, later(10.0, set_by=set_by))


def test_sleep_counts() -> None:
    assert elapsed(START, later(8 * HOURS)) == 8 * HOURS
    assert remaining(START, HOURS, later(8 * HOURS)) == 0.0


def test_across_a_reboot_the_wall_clock_is_all_there_is() -> None:
    after = Stamp(START.wall + 60.0, 2.0, "boot-2")
    assert elapsed(START, after) == 60.0
    assert elapsed(after, START) == 0.0, "never negative"
    assert is_before(START, after) and not is_before(after, START)


@pytest.mark.parametrize("set_by", [0.0, 365 * 24 * HOURS])
def test_a_moment_carried_over_to_another_boot_never_lies_ahead(set_by: float) -> None:
    recorded = later(10.0, set_by=set_by)
    now = Stamp(START.wall + 60.0, 2.0, "boot-2")
    carried = carried_over(recorded, now)
    assert carried.boot == "boot-2" and elapsed(carried, now) == (0.0 if set_by else 50.0)
    much_later = Stamp(now.wall - HOURS, now.up + 30.0, "boot-2")
    assert elapsed(carried, much_later) == elapsed(carried, now) + 30.0, "from here on the monotonic clock counts"
    assert carried_over(now, much_later) is now


@pytest.mark.parametrize(("set_by", "step"), [(0.0, 0.0), (4.0, 0.0), (-HOURS, -HOURS), (HOURS, HOURS)])
def test_a_clock_that_was_set_is_noticed(set_by: float, step: float) -> None:
    assert clock_step(START, later(100.0, set_by=set_by)) == step
    assert clock_step(START, Stamp(0.0, 0.0, "boot-2")) == 0.0, "a reboot tells nothing"


def test_backoff_doubles_to_its_cap() -> None:
    assert [backoff(n, first=0.5, cap=6.0) for n in range(7)] == [0.5, 0.5, 1.0, 2.0, 4.0, 6.0, 6.0]
    assert backoff(10_000, first=0.5, cap=6.0) == 6.0
    assert backoff(1, first=1.0, cap=6.0, jitter=0.5) == 1.25
