"""The estimated cost of a run's pods against the provider's books, and why they may differ."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rpd.adapters.report.words import duration, money, utc
from rpd.adapters.runpod.billing import PodBill
from rpd.engine.deadline import elapsed
from rpd.journal.records import Record, Stamp
from rpd.states.facts import Facts
from rpd.states.facts.pod import PodFacts
from rpd.states.policy import cost
from rpd.states.policy.rules import lasted, running_seconds

SETTLED_SECONDS = 24 * 3600.0
"""The provider does not say how late its books are filled in. After one day rpd takes them to be complete."""
AGREE_USD = 0.01
AGREE_SHARE = 0.02
"""Amounts closer than a cent or two per cent count as the same."""


class Estimate(msgspec.Struct, frozen=True):
    """One pod by our own clock and the rates that the cloud reported. Amounts in USD: `gpu_usd` for computing,
    `disk_usd` for its disks during that time, `storage_usd` for its volume while it was stopped for this run. `seconds`
    is how long it computed. `ended_wall` is when it last stopped computing (UTC seconds; None while it computes).
    `is_shared`: another run has used it too."""

    pod_id: str
    seconds: float
    gpu_usd: float
    disk_usd: float
    storage_usd: float
    ended_wall: float | None
    is_shared: bool
    storage_usd_per_day: float = 0.0

    @property
    def total_usd(self) -> float:
        """The sum of all three."""
        return self.gpu_usd + self.disk_usd + self.storage_usd


class Line(msgspec.Struct, frozen=True):
    """One pod's estimate and bill. `bill` is None if the books could not be asked. `why` explains the difference, one
    sentence each."""

    estimate: Estimate
    bill: PodBill | None
    why: tuple[str, ...]


def estimates(facts: Facts, records: Sequence[Record], now: Stamp) -> list[Estimate]:
    """One estimate per pod that has an id, in the order in which the pods were rented or taken up."""
    return [_estimate(facts, pod, records, now) for pod in facts.pods.values() if pod.id is not None]


def _estimate(facts: Facts, pod: PodFacts, records: Sequence[Record], now: Stamp) -> Estimate:
    disks = cost.running_disk_usd_per_hour(facts.job.pod.container_disk_gb, facts.volume_gb)
    spans = [(span.usd_per_hour, lasted(pod, span, now)) for span in pod.spans]
    ends = [span.since.wall + lasted(pod, span, now) for span in pod.spans if span.until is not None]
    debt = facts.debts.storage.get(pod.name)
    assert pod.id is not None, "asked for pods with an id only"
    return Estimate(
        pod_id=pod.id,
        seconds=running_seconds(pod, now),
        gpu_usd=sum(cost.usd(rate, seconds) for rate, seconds in spans),
        disk_usd=sum(cost.usd(disks, seconds) for _, seconds in spans),
        storage_usd=_stored(pod.name, records, now),
        ended_wall=max(ends) if ends and len(ends) == len(pod.spans) else None,
        is_shared=pod.origin.paused is not None or pod.name in facts.lineage.handed_over,
        storage_usd_per_day=(debt.usd_per_hour or 0.0) * 24 if debt is not None else 0.0,
    )


def _stored(name: str, records: Sequence[Record], now: Stamp) -> float:
    """The cost of a pod's volume while the pod was stopped, by the debts in the journal."""
    total, since, rate = 0.0, None, 0.0
    for record in records:
        for change in getattr(record.body, "debts", ()):
            if change.key != name or change.kind != "storage":
                continue
            if since is not None:
                total += cost.usd(rate, elapsed(since, record.at))
            is_open = change.change == "open"
            since, rate = (record.at, change.usd_per_hour or 0.0) if is_open else (None, 0.0)
    return total if since is None else total + cost.usd(rate, elapsed(since, now))


def reconcile(estimate: Estimate, bill: PodBill | None, now_wall: float, *, problem: str = "") -> Line:
    """Both sides of one pod with the reasons for the difference, or the `problem` with the books."""
    if bill is None:
        return Line(estimate, None, (f"the books cannot be read: {problem}",))
    return Line(estimate, bill, tuple(_why(estimate, bill, now_wall)))


def agrees(estimated: float, booked: float) -> bool:
    """Whether two amounts count as the same."""
    return abs(booked - estimated) <= max(AGREE_USD, AGREE_SHARE * max(estimated, booked))


def _why(estimate: Estimate, bill: PodBill, now_wall: float) -> list[str]:
    why = []
    is_young = estimate.ended_wall is None or now_wall - estimate.ended_wall < SETTLED_SECONDS
    if bill.records == 0:
        return [_nothing_booked(estimate, is_young)]
    if agrees(estimate.total_usd, bill.total_usd):
        why.append("they agree")
    elif bill.total_usd < estimate.total_usd and is_young:
        why.append(f"the last hours may not be booked yet: ask again after {_settled_at(estimate)}")
    why += _parts(estimate, bill, is_young)
    if estimate.is_shared:
        why.append("this pod also served another run, and the books do not tell them apart")
    if estimate.storage_usd_per_day:
        why.append(f"its stopped volume goes on at {money(estimate.storage_usd_per_day)} a day")
    return why


def _nothing_booked(estimate: Estimate, is_young: bool) -> str:
    if estimate.total_usd == 0:
        return "it cost nothing, and nothing is booked"
    if is_young:
        return f"nothing is booked yet; the books are filled in late: ask again after {_settled_at(estimate)}"
    return "nothing is booked for it, a day after its end"


def _settled_at(estimate: Estimate) -> str:
    return "its end" if estimate.ended_wall is None else utc(estimate.ended_wall + SETTLED_SECONDS)


def _parts(estimate: Estimate, bill: PodBill, is_young: bool) -> list[str]:
    """Which part of the pod causes the difference, if it is more than a delay."""
    why = []
    computed = bill.gpu_usd + bill.cpu_usd
    disks = estimate.disk_usd + estimate.storage_usd
    if not agrees(estimate.gpu_usd, computed) and not (is_young and computed < estimate.gpu_usd):
        hourly = estimate.gpu_usd / estimate.seconds * 3600 if estimate.seconds > 0 else 0.0
        text = f"computing: {money(computed)} booked, {money(estimate.gpu_usd)} estimated"
        if hourly > 0:
            booked_seconds = computed / hourly * 3600
            text += (
                f", which is {duration(booked_seconds)} at that rate where our clock has {duration(estimate.seconds)}"
            )
        why.append(text)
    if not agrees(disks, bill.disk_usd) and not (is_young and bill.disk_usd < disks):
        why.append(f"disks: {money(bill.disk_usd)} booked, {money(disks)} estimated from the list price per GB")
    return why
