"""What a run learns about the market before it chooses: prices, the meaning of its names for GPU types and data
centers, and its network volume. The run reads this once and keeps it in the journal, so that the names mean the same in
a resumed run.
"""

from __future__ import annotations

from typing import Any

from rpd.engine.deadline import elapsed
from rpd.engine.decision import Decision, Fire, Look, Wait
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.operations.kinds import Reading
from rpd.states.operations.search import FindVolume, ReadDatacenters, ReadOffers
from rpd.states.policy.bounds import listed
from rpd.states.policy.outage import PATIENCE_SECONDS, is_offline, pause_left
from rpd.states.policy.places import wants_others
from rpd.states.ports.faults import Fault
from rpd.states.ports.job import Job
from rpd.states.ports.names import Op, Reason, Trigger

PERMANENT: dict[str, Reason] = {
    Fault.KEY_REFUSED: Reason.KEY_REFUSED,
    Fault.FORBIDDEN: Reason.KEY_REFUSED,
    Fault.BLOCKED: Reason.KEY_REFUSED,
    Fault.NO_CREDIT: Reason.NO_CREDIT,
    Fault.BAD_REQUEST: Reason.CREATE_REJECTED,
    Fault.INVALID: Reason.CREATE_REJECTED,
    Fault.CONFLICT: Reason.CREATE_REJECTED,
    Fault.NOT_FOUND: Reason.CLOUD_UNREACHABLE,
    Fault.REDIRECTED: Reason.CLOUD_UNREACHABLE,
}
"""Faults that waiting does not change: a bad key, an order that makes no sense, an address that is not the API's."""
OFFERS_RETRY_SECONDS = 300.0
"""How long the catalog may stay unreadable before the run is refused. Nothing is rented meanwhile."""


def clouds_of(job: Job) -> tuple[str, ...]:
    """The clouds in which the job may be rented, in the order in which they are tried. A network volume belongs to the
    first cloud only.
    """
    first, other = job.pod.cloud_type, job.provision.fallback_cloud_type
    is_free = job.storage.mode != "network_volume" and other is not None and other != first
    return (first, other) if is_free and other is not None else (first,)


def learn(facts: Facts, now: Stamp) -> Decision | None:
    """The next look at the market, or the end of a run that asks for something that does not exist. None if all is
    known.
    """
    pod, storage = facts.job.pod, facts.job.storage
    if facts.search.offers is None:
        known = facts.names.hardware
        wanted = pod.hardware if known is None else tuple(each.id for each in known)
        count = None if pod.cpu_order else pod.gpu_count
        return _read(facts, now, ReadOffers(count, wanted, clouds_of(facts.job)))
    if pod.datacenters and facts.names.datacenters is None:
        return _read(facts, now, _places(facts))
    if facts.names.misnamed:
        return Fire(Trigger.NO_CANDIDATE, Reason.NAME_UNKNOWN, listed(facts.names.misnamed))
    if storage.mode == "network_volume" and not facts.names.volume_was_looked_up:
        return _read(facts, now, FindVolume(storage.volume_name or ""))
    if facts.names.volume_was_looked_up and facts.names.volume_id is None:
        text = f"there is no network volume named {storage.volume_name!r}"
        return Fire(Trigger.NO_CANDIDATE, Reason.NAME_UNKNOWN, text)
    if facts.search.stocked is None and wants_others(facts, now) and facts.tried(Op.READ_DATACENTERS).at is None:
        return Look(_places(facts))  # only once: without the answer the order names no data center
    return None


def _places(facts: Facts) -> ReadDatacenters:
    return ReadDatacenters(tuple(facts.job.pod.datacenters), tuple(each.id for each in facts.hardware))


def _read(facts: Facts, now: Stamp, reading: Reading[Any]) -> Decision:
    tries = facts.tried(reading.name)
    failed = tries.since
    if failed is None:
        return Look(reading)
    if (reason := PERMANENT.get(tries.reason or "")) is not None:
        return Fire(Trigger.NO_CANDIDATE, reason, tries.error)
    patience = PATIENCE_SECONDS if is_offline(facts) else OFFERS_RETRY_SECONDS
    if elapsed(failed, now) > patience and not is_offline(facts):
        return Fire(Trigger.NO_CANDIDATE, Reason.CLOUD_UNREACHABLE, tries.error)
    left = pause_left(facts, reading.name, now, first=0.5, cap=15.0)
    if left:
        return Wait(left, f"the catalog ({tries.error})", failed.wall + patience)
    return Look(reading)
