"""Facts folded live and facts folded from the journal decide alike."""

from __future__ import annotations

from operator import attrgetter

import pytest

from rpd.engine.decision import Decision, Look, Wait
from tests.states.test_crashes import LONG, QUICK, Life

DURABLE = (
    "state", "ending", "current", "absent_creates", "search.host_failures", "search.host_failure", "search.refusals",
    "container.steps_done", "container.trees_done", "launch.number", "launch.intended", "launch.refused",
    "launch.was_stopped", "results.log_fetched", "results.pulled", "container.armed", "container.armed_start", "debts",
    "process.requests", "process.epoch", "process.owner", "progress.parked_epoch", "progress.seq", "progress.head",
)  # fmt: skip
"""What a journal must keep. The rest (counters of looks, times of looks) is rebuilt by looking."""


@pytest.mark.parametrize("life", (*QUICK, *LONG))
def test_durable_facts_are_the_same_live_and_replayed(life: Life) -> None:
    fake = life()
    fake.process()
    live, replayed = fake.facts, fake.replayed()
    for name in DURABLE:
        assert attrgetter(name)(live) == attrgetter(name)(replayed), name
    for name, pod in live.pods.items():
        again = replayed.pods[name]
        for field in ("id", "origin", "is_unknown", "is_gone", "starts", "started_at", "released_as", "spans"):
            assert getattr(pod, field) == getattr(again, field), (name, field)


@pytest.mark.parametrize("life", (*QUICK, *LONG))
def test_at_every_record_the_next_step_is_the_same(life: Life) -> None:
    """A process that just read the journal decides what the living one decides, except that it may look again first."""
    fake = life()
    decisions: list[tuple[int, Decision]] = []
    fake.hear_decision = lambda decision: decisions.append((len(fake.journal.lines), decision))
    fake.process()
    by_record = dict(decisions)  # the last decision at each length, after looking
    lines = list(fake.journal.lines)
    for length, decision in by_record.items():
        fake.journal.lines = lines[:length]
        facts = fake.replayed()
        at = fake.journal.records()[-1].at
        again = fake.decide(facts.state, facts, at)
        if isinstance(again, Look | Wait) or isinstance(decision, Wait | Look):
            continue
        assert type(again) is type(decision), (length, decision, again)
        for field in ("op", "trigger", "reason", "exit_code"):
            assert getattr(again, field, None) == getattr(decision, field, None), (length, decision, again)
