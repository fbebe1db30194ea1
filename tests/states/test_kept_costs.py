"""What a pod that was kept up after the end has cost: until its switch has stopped it, and no longer."""

from __future__ import annotations

import pytest

from rpd.adapters.forensics.reconciliation import estimates
from rpd.states.policy.cost import usd
from rpd.states.policy.rules import SWITCH_TICK_SECONDS, released_by, running_seconds, spent_usd
from tests.fakes.fake_world import FakeWorld
from tests.fakes.remote import FakeJob

RATE = 0.27 + 40 * 0.10 / 730.0


@pytest.fixture
def kept() -> FakeWorld:
    """A run that has left its pod up for half an hour."""
    fake = FakeWorld(FakeJob(seconds=30.0), lifecycle={"on_success": "preserve", "preserve_minutes": 30})
    assert fake.process().exit_code == 0
    return fake


def stop_after_its_time(fake: FakeWorld, late_seconds: float) -> float:
    """The switch looks at the clock now and then, and stops the pod; returns for how long it has computed."""
    pod, until = fake.cloud.only(), fake.facts.pod.kept_until  # type: ignore[union-attr]
    assert until is not None
    fake.clock.advance(until + late_seconds - fake.clock.now().wall)
    fake.cloud.halt(pod)
    pod.billed[-1][1] = fake.clock.real  # the switch of the fakes has its own time
    ((begin, end),) = pod.billed
    return (end or 0.0) - (begin or 0.0)


@pytest.mark.parametrize("late", [0.0, 10.0, SWITCH_TICK_SECONDS])
def test_it_counts_until_its_switch_has_looked_at_the_clock(kept: FakeWorld, late: float) -> None:
    computed = stop_after_its_time(kept, late)
    kept.clock.advance(7200.0)
    assert kept.finish().closed
    facts, now = kept.facts, kept.clock.now()
    assert computed <= running_seconds(facts.pod, now) <= computed + SWITCH_TICK_SECONDS + 1.0  # type: ignore[arg-type]
    assert usd(RATE, computed) <= spent_usd(facts, now) + 1e-9
    (estimate,) = estimates(facts, kept.journal.records(), now)
    assert estimate.seconds == pytest.approx(running_seconds(facts.pod, now))  # type: ignore[arg-type]
    assert estimate.gpu_usd + estimate.disk_usd == pytest.approx(spent_usd(facts, now))
    assert estimate.ended_wall == pytest.approx(now.wall - 7200.0, abs=SWITCH_TICK_SECONDS + 60.0)


def test_one_that_was_seen_stopped_before_that_counts_until_then(kept: FakeWorld) -> None:
    computed = stop_after_its_time(kept, 2.0)
    assert kept.finish().closed
    assert running_seconds(kept.facts.pod, kept.clock.now()) == pytest.approx(computed + 5.0, abs=3.0)  # type: ignore[arg-type]


def test_the_worst_case_holds_the_last_look_of_the_switch(kept: FakeWorld) -> None:
    now = kept.clock.now()
    who = released_by(kept.facts, now)
    assert who is not None and who.worst_case_usd is not None
    computed = stop_after_its_time(kept, SWITCH_TICK_SECONDS)
    assert who.worst_case_usd == pytest.approx(usd(RATE, computed), abs=0.0001)
