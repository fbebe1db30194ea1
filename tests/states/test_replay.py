"""Facts folded live and facts folded from the journal decide alike."""

from __future__ import annotations

import pytest

from rpd.engine.decision import Decision, Look, Wait
from tests.states.test_crashes import LONG, QUICK, Life

DURABLE = (
    "state", "reason", "current", "create_error", "absent_creates", "host_failures", "host_failure", "refusals",
    "steps_done", "trees_done", "launch_intended", "launch_refused", "job_stopped", "log_fetched", "pulled", "armed",
    "armed_start", "compute_debts", "storage_debts", "released_ids", "requests", "parked_epoch", "epoch", "owner",
    "seq", "head",
)  # fmt: skip
"""What a journal must keep. The rest (counters of looks, times of looks) is rebuilt by looking."""


@pytest.mark.parametrize("life", (*QUICK, *LONG))
def test_durable_facts_are_the_same_live_and_replayed(life: Life) -> None:
    stage = life()
    stage.process()
    live, replayed = stage.facts, stage.replayed()
    for name in DURABLE:
        assert getattr(live, name) == getattr(replayed, name), name
    for name, pod in live.pods.items():
        again = replayed.pods[name]
        for field in ("id", "is_unknown", "is_gone", "starts", "started_at", "released_as", "spans"):
            assert getattr(pod, field) == getattr(again, field), (name, field)


@pytest.mark.parametrize("life", (*QUICK, *LONG))
def test_at_every_record_the_next_step_is_the_same(life: Life) -> None:
    """A process that just read the journal decides what the living one decides, except that it may look again first."""
    stage = life()
    decisions: list[tuple[int, Decision]] = []
    stage.hear_decision = lambda decision: decisions.append((len(stage.journal.lines), decision))
    stage.process()
    by_record = dict(decisions)  # the last decision at each length, after looking
    lines = list(stage.journal.lines)
    for length, decision in by_record.items():
        stage.journal.lines = lines[:length]
        facts = stage.replayed()
        at = stage.journal.records()[-1].at
        again = stage.decide(facts, at)
        if isinstance(again, Look | Wait) or isinstance(decision, Wait | Look):
            continue
        assert type(again) is type(decision), (length, decision, again)
        for field in ("op", "trigger", "reason", "exit_code"):
            assert getattr(again, field, None) == getattr(decision, field, None), (length, decision, again)
