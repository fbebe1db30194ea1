"""What each pod of a run is reckoned to have cost, read off its facts and records."""

from __future__ import annotations

import pytest

from rpd.adapters.forensics.reconciliation import AGREE_SHARE, SETTLED_SECONDS, agrees, estimates
from rpd.journal.records import DebtChange, Outcome, Record
from rpd.states.facts import Facts
from rpd.states.facts.pod import Span
from rpd.states.ports.world import Paused
from tests.states.situations import GPU, add_pod, at, facts_of

HOUR = 3600.0
DISKS = 50 * 0.10 / 730.0


def run() -> Facts:
    return facts_of(pod={"image": "i", "gpu_order": [GPU], "gpu_count": 4, "container_disk_gb": 30})


def told(seconds: float, *debts: DebtChange) -> Record:
    body = Outcome("1", "op", "ok", debts=debts)
    return Record(1, 1, "r", at(seconds), "", "", "outcome", True, "", "", body)


def test_every_pod_counts_by_its_stretches_its_rate_and_its_disks() -> None:
    facts = run()
    add_pod(facts, usd_per_hour=2.0).spans[0].until = at(HOUR)
    second = add_pod(facts, usd_per_hour=3.0)
    second.spans = [Span(at(0.0), 3.0, at(HOUR)), Span(at(2 * HOUR), 4.0)]
    add_pod(facts, id=None)
    one, two = estimates(facts, [], at(4 * HOUR))
    assert (one.pod_id, one.seconds, one.gpu_usd, one.disk_usd) == ("pod1", HOUR, 2.0, pytest.approx(DISKS))
    assert (two.seconds, two.gpu_usd, two.disk_usd) == (3 * HOUR, 11.0, pytest.approx(3 * DISKS))
    assert (one.ended_wall, two.ended_wall) == (at(HOUR).wall, None)
    assert one.total_usd == pytest.approx(2.0 + DISKS)


def test_a_stopped_volume_counts_while_it_is_owed() -> None:
    facts = run()
    pod = add_pod(facts)
    opened = DebtChange(pod.name, "storage", "open", usd_per_hour=0.02)
    closed = DebtChange(pod.name, "storage", "close")
    other = DebtChange("another", "storage", "open", usd_per_hour=9.0)
    computing = DebtChange(pod.name, "compute", "open", usd_per_hour=9.0)
    records = [told(0.0, other, computing), told(HOUR, opened), told(3 * HOUR, closed), told(5 * HOUR, opened)]
    (estimate,) = estimates(facts, records[:3], at(9 * HOUR))
    assert estimate.storage_usd == pytest.approx(0.04)
    facts.debts.storage[pod.name] = opened
    (estimate,) = estimates(facts, records, at(6 * HOUR))
    assert estimate.storage_usd == pytest.approx(0.06)
    assert estimate.storage_usd_per_day == pytest.approx(0.48)
    assert estimate.total_usd == pytest.approx(estimate.gpu_usd + estimate.disk_usd + 0.06)


def test_a_pod_that_another_run_has_used_too_is_shared() -> None:
    facts = run()
    pod, taken, handed = add_pod(facts), add_pod(facts), add_pod(facts)
    taken.origin.paused = Paused("/j", "old", "old", "pod2", taken.name, GPU, "SECURE", 0.5, {})
    facts.lineage.handed_over[handed.name] = "next"
    assert pod.origin.paused is None
    assert [each.is_shared for each in estimates(facts, [], at(HOUR))] == [False, True, True]


def test_amounts_agree_within_a_cent_or_two_per_cent() -> None:
    assert SETTLED_SECONDS == 86400.0 and AGREE_SHARE == 0.02
    assert agrees(0.10, 0.109) and not agrees(0.10, 0.111)
    assert agrees(10.0, 10.2) and agrees(10.2, 10.0) and not agrees(10.0, 10.21)
