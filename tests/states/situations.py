"""Facts in the middle of a run, put together without running one, and moments to look at them."""

from __future__ import annotations

from typing import Any

from rpd.journal.records import DebtChange, Stamp
from rpd.states.facts import Facts, new_facts
from rpd.states.facts.pod import Candidate, Origin, PodFacts, Span
from rpd.states.facts.release import SurveyedPod
from rpd.states.ports.world import Armed, Offer, Pod
from tests.fakes.driven import RUN_ID
from tests.fakes.fake_world import FakeWorld

GPU = "RTX A5000"


def at(seconds: float) -> Stamp:
    """So long after the pods were asked for."""
    return Stamp(1_800_000_000.0 + seconds, seconds, "boot")


def facts_of(**config: Any) -> Facts:
    """A run of which nothing is known but its job; both GPU types of it cost $0.50 and $0.70."""
    facts = new_facts(FakeWorld(**config).opened, RUN_ID)
    facts.progress.started = facts.progress.entered = facts.process.since = at(0.0)
    facts.search.offers = (Offer(GPU, "SECURE", 0.5), Offer("RTX 4090", "SECURE", 0.7))
    return facts


def add_pod(facts: Facts, *, usd_per_hour: float = 0.5, **fields: Any) -> PodFacts:
    """A pod that was created at second 0, is in hand, computes, is owed, and was shown by the account."""
    name = f"{facts.name_prefix}{len(facts.pods) + 1}"
    origin = Origin(len(facts.pods) + 1, Candidate(GPU, None, "SECURE"), at(0.0), at(0.0))
    pod = PodFacts(name, origin, usd_per_hour)
    pod.id, pod.was_found, pod.starts, pod.started_at = f"pod{len(facts.pods) + 1}", True, 1, at(0.0)
    pod.seen = Pod(pod.id, name, "RUNNING", usd_per_hour=usd_per_hour)
    pod.spans.append(Span(at(0.0), usd_per_hour))
    for field, value in fields.items():
        setattr(next(each for each in (pod, origin, pod.container) if hasattr(each, field)), field, value)
    facts.pods[name], facts.current = pod, name
    facts.debts.compute[name] = DebtChange(name, "compute", "open")
    return pod


def arm(facts: Facts, limit_seconds: float, probe: str = "ok") -> None:
    """The switch of the pod in hand has orders."""
    assert facts.pod is not None
    facts.container.armed, facts.container.armed_start = (
        Armed(1, at(limit_seconds).wall, probe, True, 7),
        facts.pod.starts,
    )


def found(pod: PodFacts, status: str = "RUNNING") -> SurveyedPod:
    """As a survey shows it."""
    assert pod.id is not None
    return SurveyedPod(pod.id, pod.name, status)
