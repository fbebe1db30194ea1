"""A few trials of the long-running one, each kind of end among them. `make session-trial N=100` runs many."""

from __future__ import annotations

import pytest

from tests.features import used
from tests.session_trial import figures, run_trials, shortfalls


@pytest.mark.slow
def test_a_few_trials() -> None:
    used.update(("connect", "exec"))
    trials = run_trials(4, seed=4, parallel=2)
    assert {trial.fault.says is None for trial in trials} == {True, False}
    assert any(trial.fault.id and trial.fault.says is None for trial in trials)
    assert [(str(trial.fault), shortfalls(trial), trial.text) for trial in trials if shortfalls(trial)] == []
    timed = ("own time to the verified URL",)  # it depends on what else this machine does
    assert [figure.line for figure in figures(trials) if not figure.is_met and figure.name not in timed] == []
