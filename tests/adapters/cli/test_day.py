"""The limit of the day: what is counted, and what is let through."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from rpd.adapters.checking import day
from rpd.adapters.forensics.row import RunRow
from rpd.engine.errors import UserError
from rpd.states.ports.job import Budget
from rpd.states.ports.names import State

TODAY = time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime())


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[RunRow]:
    """The runs of this state home; the budget of each is $10."""
    rows: list[RunRow] = []
    monkeypatch.setattr(day, "all_rows", lambda: rows)
    opened = SimpleNamespace(config={"budget": {"cost_cap_usd": 10.0}})
    monkeypatch.setattr(day, "read", lambda path: SimpleNamespace(opened=opened))
    return rows


def run(
    cost: float | None, outcome: str | None = "succeeded", *, started: str = TODAY, state: State = State.DONE
) -> RunRow:
    return RunRow("r", "w", "journal", started, state, outcome, cost_usd=cost, journal="/j")


def fits(home: Path, most: float, limit: float | None = 20.0, asked: float | None = None) -> bool:
    try:
        with day.room_in_the_day(Budget(cost_cap_usd=most, max_usd_per_day=limit), asked, home):
            return True
    except UserError as error:
        assert (error.reason, error.exit_code) == ("day_budget", 7)
        return False


def test_what_was_spent_today_and_this_run_must_fit(runs: list[RunRow], tmp_path: Path) -> None:
    runs += [run(8.0), run(5.0)]
    assert fits(tmp_path, 7.0)
    assert not fits(tmp_path, 7.1)
    assert fits(tmp_path, 99.0, limit=None), "no limit"
    assert not fits(tmp_path, 7.0, asked=19.0), "a person's word wins"
    assert fits(tmp_path, 17.0, asked=30.0)


def test_yesterday_does_not_count(runs: list[RunRow], tmp_path: Path) -> None:
    runs.append(run(19.0, started="2020-01-01T00:00:00Z"))
    assert fits(tmp_path, 20.0)


@pytest.mark.parametrize(
    ("row", "left"),
    [
        (run(2.0, None, state=State.MONITOR), 10.0),
        (run(2.0, "failed", state=State.RELEASE), 10.0),
        (run(12.0, None, state=State.MONITOR), 8.0),
        (run(2.0, "failed"), 18.0),
        (run(None, "lost"), 10.0),
    ],
    ids=["goes on", "is kept up", "is over its budget", "is over", "has cost nobody knows what"],
)
def test_runs_that_go_on_count_with_all_they_may_still_cost(
    runs: list[RunRow], tmp_path: Path, row: RunRow, left: float
) -> None:
    runs.append(row)
    assert fits(tmp_path, left)
    assert not fits(tmp_path, left + 0.1)


def test_a_journal_that_cannot_be_read_counts_with_the_usual_budget(
    runs: list[RunRow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(day, "read", lambda path: SimpleNamespace(opened=SimpleNamespace(config={"budget": 5})))
    runs.append(run(1.0, None, state=State.MONITOR))
    assert fits(tmp_path, 10.0) and not fits(tmp_path, 10.1)


def test_two_that_begin_at_once_look_one_after_the_other(
    runs: list[RunRow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(day, "LOCK_SECONDS", 0.0)
    monkeypatch.setattr(day, "_TRY_SECONDS", 0.0)
    budget = Budget(max_usd_per_day=20.0)
    with day.room_in_the_day(budget, None, tmp_path), pytest.raises(UserError, match="other runs have kept"):
        day.room_in_the_day(budget, None, tmp_path).__enter__()
    assert fits(tmp_path, 1.0)
