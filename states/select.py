"""select: choose the next GPU type x data center, by the config's order, within the price cap."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from rpd.engine.deadline import elapsed, remaining
from rpd.engine.decision import Decision, Fire, Look, Pending, Result, Wait
from rpd.journal.records import Stamp
from rpd.states.bounds import listed
from rpd.states.call import pause_left, repeatable, unknown_operation
from rpd.states.facts import Candidate, Facts, Refusal, candidate_key
from rpd.states.faults import Fault
from rpd.states.names import Op, Reason, Trigger
from rpd.states.outage import PATIENCE_SECONDS, is_offline
from rpd.states.policy import price_cap, stock_wait_seconds
from rpd.states.world import Offer, World

NO_STOCK = "no_capacity"
POLLS_PER_STOCK_TRY = 10
"""A candidate without stock is left alone for so many polls (RunPod: 30 s) while the run waits for it."""
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
"""What no waiting changes: a key, an order that makes no sense, an address that is not the API's."""
OFFERS_RETRY_SECONDS = 300.0
"""How long the catalog may stay unreadable before the run is refused; nothing is rented meanwhile."""


def decide(facts: Facts, now: Stamp) -> Decision:
    """Read prices once, look the volume up once, then name a candidate or say why there is none."""
    if facts.was_taken_over:
        return Fire(Trigger.NO_CANDIDATE, Reason.TAKEN_OVER, "another owner of this run has rented a pod for it")
    if facts.host_failures >= facts.job.provision.attempts:
        return Fire(Trigger.NO_CANDIDATE, Reason.HOSTS_NEVER_BOOTED)
    if facts.offers is None:
        pod = facts.job.pod
        count = {"vcpu_count": pod.units} if pod.cpu_order else {"gpu_count": pod.gpu_count}
        return _read(facts, now, Op.READ_OFFERS, {**count, "gpu_ids": list(pod.hardware)})
    if facts.job.storage.mode == "network_volume" and not facts.volume_was_looked_up:
        return _read(facts, now, Op.FIND_VOLUME, {"name": facts.job.storage.volume_name})
    if facts.volume_was_looked_up and facts.volume_id is None:
        text = f"there is no network volume named {facts.job.storage.volume_name!r}"
        return Fire(Trigger.NO_CANDIDATE, Reason.CREATE_REJECTED, text)
    if choose(facts, now) is not None:
        return Fire(Trigger.CANDIDATE_CHOSEN)
    left = stock_seconds_left(facts, now)
    if left > 0.0:
        return Wait(min(left, _stock_pause_left(facts, now)), "stock; nothing is rented meanwhile", now.wall + left)
    dear = any(not _is_affordable(facts, each) for each in candidates(facts))
    refused = [f"{key}: {refusal.text}" for key, refusal in facts.refusals.items()]
    tried = listed(refused) or "no candidate is within the price cap"
    return Fire(Trigger.NO_CANDIDATE, _why_none(facts, dear), tried)


def _why_none(facts: Facts, dear: bool) -> Reason:
    """Access that is denied to every candidate is a matter of the key, not of capacity; a price is neither."""
    reasons = {refusal.reason for refusal in facts.refusals.values()}
    if not reasons:
        return Reason.PRICE_OVER_CAP if dear else Reason.NO_CAPACITY
    words = {"pool_forbidden": Reason.KEY_REFUSED, Reason.HOST_TOO_DEAR: Reason.PRICE_OVER_CAP}
    return words.get(reasons.pop(), Reason.NO_CAPACITY) if len(reasons) == 1 else Reason.NO_CAPACITY


def candidates(facts: Facts) -> tuple[Candidate, ...]:
    """Every GPU type (or CPU flavor) in every data center, in the config's order; then all of them in the other cloud,
    where the config names it. Network volumes are of the first cloud alone."""
    pod, other = facts.job.pod, facts.job.provision.fallback_cloud_type
    places: tuple[str | None, ...] = pod.datacenters or (None,)
    is_free = facts.job.storage.mode != "network_volume" and other is not None and other != pod.cloud_type
    clouds = (pod.cloud_type, other) if is_free and other is not None else (pod.cloud_type,)
    return tuple(Candidate(gpu, place, cloud) for cloud in clouds for gpu in pod.hardware for place in places)


def choose(facts: Facts, now: Stamp) -> Candidate | None:
    """The first affordable candidate that was not refused; while the run waits for stock, one that was sold out some
    time ago, too. A host that failed to boot may be tried again (it will be another host) once every other candidate
    was tried."""
    affordable = [each for each in candidates(facts) if _is_affordable(facts, each)]
    is_waiting = stock_seconds_left(facts, now) > 0.0
    for each in affordable:
        refusal = facts.refusals.get(candidate_key(each))
        if refusal is None or (is_waiting and _pause_left(facts, refusal, now) == 0.0):
            return each
    again = (Reason.HOST_NEVER_BOOTED, Reason.WRONG_HARDWARE, "proved_absent")
    for each in affordable:
        if facts.refusals[candidate_key(each)].reason in again:
            return each
    return None


def stock_seconds_left(facts: Facts, now: Stamp) -> float:
    """How long the run may still wait for stock; 0.0 when it does not, or when something else is the trouble."""
    wait = stock_wait_seconds(facts)
    since = facts.relaunched or facts.started
    if not wait or since is None or not any(each.reason == NO_STOCK for each in facts.refusals.values()):
        return 0.0
    return remaining(since, wait, now)


def _pause_left(facts: Facts, refusal: Refusal, now: Stamp) -> float:
    pause = POLLS_PER_STOCK_TRY * facts.profile.poll_seconds
    if refusal.reason != NO_STOCK or refusal.at is None:
        return pause
    return remaining(refusal.at, pause, now)


def _stock_pause_left(facts: Facts, now: Stamp) -> float:
    return max(0.1, min(_pause_left(facts, refusal, now) for refusal in facts.refusals.values()))


def usd_per_hour(facts: Facts, candidate: Candidate) -> float | None:
    """The list price of the whole pod (all GPUs or vCPUs); None when the catalog does not name one."""
    for offer in facts.offers or ():
        if offer.gpu_id == candidate.gpu_id and offer.cloud == candidate.cloud and offer.usd_per_hour:
            return offer.usd_per_hour * facts.job.pod.units
    return None


def _is_affordable(facts: Facts, candidate: Candidate) -> bool:
    """Fails closed: with a cap, an unknown price is too dear."""
    cap = price_cap(facts)
    if cap is None:
        return True
    price = usd_per_hour(facts, candidate)
    return price is not None and price <= cap


def _read(facts: Facts, now: Stamp, op: Op, args: dict[str, object]) -> Decision:
    tries = facts.tried(op)
    failed = tries.since
    if failed is None:
        return Look(op, args)
    if (reason := PERMANENT.get(tries.reason or "")) is not None:
        return Fire(Trigger.NO_CANDIDATE, reason, tries.error)
    patience = PATIENCE_SECONDS if is_offline(facts) else OFFERS_RETRY_SECONDS
    if elapsed(failed, now) > patience and not is_offline(facts):
        return Fire(Trigger.NO_CANDIDATE, Reason.CLOUD_UNREACHABLE, tries.error)
    left = pause_left(facts, op, now, first=0.5, cap=15.0)
    if left:
        return Wait(left, f"the catalog ({tries.error})", failed.wall + patience)
    return Look(op, args)


def perform(pending: Pending, world: World) -> Result:
    """Read the catalog, or the id of a network volume."""
    if pending.op == Op.READ_OFFERS:
        gpu_count = pending.args.get("gpu_count")
        offers = world.cloud.cpu_offers() if gpu_count is None else world.cloud.offers(int(gpu_count))
        return Result(data={"offers": msgspec.to_builtins(_relevant(offers, pending.args["gpu_ids"]))})
    if pending.op == Op.FIND_VOLUME:
        return Result(data={"volume_id": world.cloud.network_volume_id(str(pending.args["name"]))})
    raise unknown_operation(pending)


def probe(pending: Pending, world: World) -> Result | None:
    """Nothing here changes the world."""
    return repeatable(pending, world)


def _relevant(offers: tuple[Offer, ...], gpu_ids: Sequence[str]) -> tuple[Offer, ...]:
    """Those of the config, each once (with a price, where one says so), without the data centers, which would fill the
    journal and are only a hint."""
    named: dict[tuple[str, str], Offer] = {}
    for offer in offers:
        known = named.get((offer.gpu_id, offer.cloud))
        if offer.gpu_id in gpu_ids and (known is None or not known.usd_per_hour):
            named[offer.gpu_id, offer.cloud] = msgspec.structs.replace(offer, datacenter_ids=())
    return tuple(named.values())
