"""Places to avoid: a host failed there a short while ago, in this run or in an earlier run (record 0 lists these). The
cloud names no machines, so a place is a GPU type in a data center. Pure.
"""

from __future__ import annotations

from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.facts.pod import Candidate
from rpd.states.facts.search import BadPlace
from rpd.states.ports.names import Reason

REMEMBERED_SECONDS = 3600.0
"""How long other runs avoid a place where a host failed."""
OF_THE_PLACE = frozenset({Reason.HOST_NEVER_BOOTED, Reason.WRONG_HARDWARE, Reason.HOST_UNFIT})
"""Failures that say something about the machines there."""
AVOIDED = OF_THE_PLACE | {Reason.SSHD_MISSING}
"""Failures after which this run tries another place. A missing sshd may come from the image, so it says nothing to
other runs.
"""
OTHERS_MAX = 40
"""How many data centers one order names."""


def failed_place(facts: Facts, reason: Reason | None, at: Stamp) -> BadPlace | None:
    """The place of the pod in hand, which has just failed. None if the failure says nothing about the place, or the
    place is not known.
    """
    pod = facts.pod
    if pod is None or pod.origin.paused is not None or reason not in AVOIDED:
        return None
    place = (pod.seen.datacenter_id if pod.seen is not None else None) or pod.origin.candidate.datacenter_id
    tried = pod.origin.candidate
    return BadPlace(tried.gpu_id, place, tried.cloud, at.wall) if place is not None else None


def bad_places(facts: Facts, now: Stamp) -> tuple[BadPlace, ...]:
    """Bad places of this run, and recent bad places of earlier runs."""
    before = (each for each in facts.options.bad_places if 0.0 <= now.wall - each.at < REMEMBERED_SECONDS)
    return (*before, *facts.search.bad_places)


def is_bad(facts: Facts, now: Stamp, gpu_id: str, place: str | None, cloud: str) -> bool:
    """Whether a host of this type failed there."""
    wanted = (gpu_id, place, cloud)
    return any((each.gpu_id, each.datacenter_id, each.cloud) == wanted for each in bad_places(facts, now))


def may_name_others(facts: Facts) -> bool:
    """Orders for any data center may name data centers: the job names none, and no network volume fixes one."""
    return not facts.job.pod.datacenters and facts.job.storage.mode != "network_volume"


def wants_others(facts: Facts, now: Stamp) -> bool:
    """The data centers must be known, so that an order for any data center can leave out those where a host failed."""
    hardware = {each.id for each in facts.hardware}
    found = bad_places(facts, now)
    return may_name_others(facts) and any(each.gpu_id in hardware and each.cloud == "SECURE" for each in found)


def elsewhere(facts: Facts, now: Stamp, gpu_id: str, cloud: str) -> Candidate | None:
    """An order for all data centers with stock of the type, without those where a host failed. None if no host failed,
    or no other data center is known. Community pods cannot be placed.
    """
    stocked = (facts.search.stocked or {}).get(gpu_id, ()) if cloud == "SECURE" and may_name_others(facts) else ()
    others = tuple(place for place in stocked if not is_bad(facts, now, gpu_id, place, cloud))
    was_bad = any(each.gpu_id == gpu_id and each.cloud == cloud for each in bad_places(facts, now))
    return Candidate(gpu_id, None, cloud, others[:OTHERS_MAX]) if others and was_bad else None
