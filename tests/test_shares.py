"""All shares of the long tests together are all of them, and commits take turns."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest

from tests.shares import BUDGET_SECONDS, LONG_BY_QUICK, Share, fitting, parse

NAMES = [f"tests/test_{number}.py::test_it" for number in range(1000)]


def test_every_long_test_is_in_exactly_one_share() -> None:
    shares = [Share(number, 3) for number in (1, 2, 3)]
    assert all(sum(share.has(name) for share in shares) == 1 for name in NAMES)
    assert min(sum(share.has(name) for name in NAMES) for share in shares) > 250


def test_commits_take_turns_on_a_slow_machine() -> None:
    commits = [hashlib.sha1(name.encode()).hexdigest() for name in NAMES]
    turns = Counter(fitting(commit, 600.0) for commit in commits)
    assert set(turns) == {Share(1, 2), Share(2, 2)} and min(turns.values()) > 400


@pytest.mark.parametrize("quick_seconds", [100.0, 300.0, 600.0, 1200.0])
def test_a_share_fits_into_the_time_there_is(quick_seconds: float) -> None:
    share = fitting("0a", quick_seconds)
    assert quick_seconds + LONG_BY_QUICK * quick_seconds / share.count <= BUDGET_SECONDS
    assert quick_seconds > 450.0 or share == Share(1, 1), "where there is time for all, all are run"


def test_a_share_is_read_from_the_command_line() -> None:
    assert parse("2/3") == Share(2, 3)
    for wrong in ("", "0/3", "4/3", "x/3", "2"):
        with pytest.raises(pytest.UsageError, match="NUMBER/COUNT"):
            parse(wrong)
