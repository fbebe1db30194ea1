"""What a run learns of the market before it chooses: prices, what its words for GPU types and data centers mean, and
its network volume. Read once and kept in the journal, so that a resumed run means the same by them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from rpd.engine.deadline import elapsed
from rpd.engine.decision import Decision, Fire, Look, Pending, Result, Wait
from rpd.journal.records import Stamp
from rpd.states.bounds import LIST_BYTES, first_that_fit, listed
from rpd.states.call import pack, pause_left, repeatable, unknown_operation, unpack
from rpd.states.facts import Facts
from rpd.states.naming import Named, name_hardware, name_places
from rpd.states.outage import PATIENCE_SECONDS, is_offline
from rpd.states.places import OTHERS_MAX, wants_others
from rpd.states.ports.faults import Fault
from rpd.states.ports.job import GpuChoice, Job
from rpd.states.ports.names import Op, Reason, Trigger
from rpd.states.ports.world import LEVELS, DataCenter, Offer, World

OPERATIONS = frozenset({Op.READ_OFFERS, Op.READ_PLACES, Op.FIND_VOLUME})
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


def clouds_of(job: Job) -> tuple[str, ...]:
    """Those that the job may be rented in, in the order in which they are tried. A network volume is of the first
    alone."""
    first, other = job.pod.cloud_type, job.provision.fallback_cloud_type
    is_free = job.storage.mode != "network_volume" and other is not None and other != first
    return (first, other) if is_free and other is not None else (first,)


def learn(facts: Facts, now: Stamp) -> Decision | None:
    """The next look at the market, or the end of a run that asks for what there is not; None when all is known."""
    pod, storage = facts.job.pod, facts.job.storage
    if facts.search.offers is None:
        count = {"vcpu_count": pod.units} if pod.cpu_order else {"gpu_count": pod.gpu_count}
        known = facts.names.hardware
        wanted = pod.hardware if known is None else [each.id for each in known]
        return _read(facts, now, Op.READ_OFFERS, {**count, **pack(wanted=wanted, clouds=clouds_of(facts.job))})
    if pod.datacenters and facts.names.places is None:
        return _read(facts, now, Op.READ_PLACES, _places(facts))
    if facts.names.misnamed:
        return Fire(Trigger.NO_CANDIDATE, Reason.NAME_UNKNOWN, listed(facts.names.misnamed))
    if storage.mode == "network_volume" and not facts.names.volume_was_looked_up:
        return _read(facts, now, Op.FIND_VOLUME, {"name": storage.volume_name})
    if facts.names.volume_was_looked_up and facts.names.volume_id is None:
        text = f"there is no network volume named {storage.volume_name!r}"
        return Fire(Trigger.NO_CANDIDATE, Reason.NAME_UNKNOWN, text)
    if facts.search.stocked is None and wants_others(facts, now) and facts.tried(Op.READ_PLACES).at is None:
        return Look(Op.READ_PLACES, _places(facts))  # once: without it the order names no data center
    return None


def _places(facts: Facts) -> dict[str, Any]:
    return {"wanted": list(facts.job.pod.datacenters), "gpu_ids": [each.id for each in facts.hardware]}


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
        return Result(data=_offered(pending, world))
    if pending.op == Op.READ_PLACES:
        centers = world.cloud.datacenters()
        places = name_places([str(each) for each in pending.args["wanted"]], centers)
        stocked = {} if pending.args["wanted"] else _stocked(centers, pending.args["gpu_ids"])
        return Result(data={**pack(places=first_that_fit(places.places), stocked=stocked), **_named(places)})
    if pending.op == Op.FIND_VOLUME:
        return Result(data={"volume_id": world.cloud.network_volume_id(str(pending.args["name"]))})
    raise unknown_operation(pending)


def probe(pending: Pending, world: World) -> Result | None:
    """Nothing here changes the world."""
    return repeatable(pending, world)


def _offered(pending: Pending, world: World) -> dict[str, Any]:
    gpu_count = pending.args.get("gpu_count")
    offers = world.cloud.cpu_offers() if gpu_count is None else world.cloud.offers(int(gpu_count))
    kind = "CPU flavor" if gpu_count is None else "GPU type"
    wanted: tuple[str | GpuChoice, ...] = unpack(pending, "wanted", tuple[str | GpuChoice, ...])
    named = name_hardware(wanted, offers, unpack(pending, "clouds", tuple[str, ...]), kind)
    relevant = _relevant(offers, {each.id for each in named.hardware})
    return {**pack(offers=first_that_fit(relevant), hardware=named.hardware), **_named(named)}


def _stocked(centers: Sequence[DataCenter], gpu_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Where there may be some of each type, the best stock first."""

    def level(center: DataCenter, gpu: str) -> int:
        return LEVELS.index(center.stock[gpu]) if center.stock.get(gpu) in LEVELS else 0

    there = {
        gpu: sorted((each for each in centers if level(each, gpu)), key=lambda each: -level(each, gpu))
        for gpu in gpu_ids
    }
    found = [(gpu, tuple(each.id for each in places[:OTHERS_MAX])) for gpu, places in there.items() if places]
    return dict(first_that_fit(found, LIST_BYTES // 2))


def _named(named: Named) -> dict[str, Any]:
    meant = first_that_fit(list(named.meant.items()), LIST_BYTES // 4)
    return pack(meant=dict(meant), problems=first_that_fit(named.problems, LIST_BYTES // 4))


def _relevant(offers: Iterable[Offer], gpu_ids: set[str]) -> tuple[Offer, ...]:
    """Those of the job, each once (with a price, where one says so), without what would only fill the journal."""
    named: dict[tuple[str, str], Offer] = {}
    for offer in offers:
        known = named.get((offer.gpu_id, offer.cloud))
        if offer.gpu_id in gpu_ids and offer.is_sold and (known is None or not known.usd_per_hour):
            named[offer.gpu_id, offer.cloud] = msgspec.structs.replace(offer, datacenter_ids=(), name="")
    return tuple(named.values())
