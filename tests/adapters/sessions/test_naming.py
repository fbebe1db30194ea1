"""Names of sessions: counted for each day, and claimed by exactly one."""

from __future__ import annotations

import concurrent.futures
from pathlib import Path

import pytest

from rpd.adapters.sessions.naming import claim_name, give_up_name
from rpd.engine.errors import UserError

NOON = 1_796_126_400.0
"""2026-12-01 12:00 UTC."""


def test_sessions_that_begin_at_once_get_names_of_their_own(tmp_path: Path) -> None:
    claim_name(tmp_path, None, NOON)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        names = [*pool.map(lambda _: claim_name(tmp_path, None, NOON), range(64))]
    assert sorted(names) == [f"2026-12-01-{number:03}" for number in range(2, 66)]


def test_each_day_begins_anew_and_a_name_that_was_given_up_is_free(tmp_path: Path) -> None:
    assert claim_name(tmp_path, None, NOON) == "2026-12-01-001"
    assert claim_name(tmp_path, None, NOON + 86400.0) == "2026-12-02-001"
    give_up_name(tmp_path, "2026-12-02-001")
    assert claim_name(tmp_path, None, NOON + 86400.0) == "2026-12-02-001"


def test_a_name_with_a_journal_is_not_given_up(tmp_path: Path) -> None:
    name = claim_name(tmp_path, None, NOON)
    (tmp_path / "journals" / name / "run.jsonl").write_text("")
    give_up_name(tmp_path, name)
    assert claim_name(tmp_path, None, NOON) == "2026-12-01-002"


def test_a_name_of_ones_own(tmp_path: Path) -> None:
    assert claim_name(tmp_path, "My Pod!", NOON) == "my-pod"
    with pytest.raises(UserError):
        claim_name(tmp_path, "!", NOON)
