"""A few lives of the long-running one: killed at random moments, recovered, judged. `make chaos` runs many."""

from __future__ import annotations

import pytest

from tests.chaos import run_lives
from tests.features import used


@pytest.mark.row(86, 137)
def test_a_few_lives() -> None:
    used.update(("run", "resume", "gc"))
    lives = run_lives(2, seed=7, parallel=2)
    assert [(life.state, life.recovery, life.faults, life.story) for life in lives if life.faults] == []
