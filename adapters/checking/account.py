"""Whether the provider has what a job asks for: the key, GPU types with stock and prices, data centers, the network
volume. Reads only. Stock is a hint and no promise."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Protocol

from rpd.adapters.checking.finding import Finding, error, note, warning
from rpd.adapters.runpod.wire import Named
from rpd.engine.errors import Refused, Unavailable
from rpd.states.policy.naming import described, name_datacenters, name_hardware, suggested
from rpd.states.ports.exits import Exit
from rpd.states.ports.faults import Fault
from rpd.states.ports.job import Job
from rpd.states.ports.volume import Volume
from rpd.states.ports.world import LEVELS, DataCenter, Offer
from rpd.states.shared.market import clouds_of

MOST_SUGGESTED = 3
NO_VOLUME = "; rpd volumes create makes one"


class Catalog(Protocol):
    """What the checks read of an account."""

    def offers(self, gpu_count: int) -> tuple[Offer, ...]: ...

    def datacenters(self) -> tuple[DataCenter, ...]: ...

    def cpu_offers(self) -> tuple[Offer, ...]: ...

    def volumes(self) -> tuple[Volume, ...]: ...

    def registries(self) -> tuple[Named, ...]: ...

    def has_template(self, template_id: str) -> bool: ...


def check_account(job: Job, catalog: Catalog) -> Iterator[Finding]:
    """All that is wrong or doubtful. A provider that cannot be reached is a warning, a refused key an error."""
    try:
        centers = catalog.datacenters()
        yield from _places(job, centers)
        offers = offers_of(catalog, job)
        yield from _hardware(job, offers, centers)
        yield from _volume(job, catalog, name_datacenters(job.pod.datacenters, centers).datacenters)
        yield from _references(job, catalog)
    except Refused as refusal:
        if refusal.reason not in (Fault.KEY_REFUSED, Fault.FORBIDDEN, Fault.BLOCKED):
            raise
        yield error("key", refusal.message, Exit.KEY)
    except Unavailable as trouble:
        yield warning("account", f"the provider could not be asked: {trouble.message}")


def _places(job: Job, centers: Sequence[DataCenter]) -> Iterator[Finding]:
    named = name_datacenters(job.pod.datacenters, centers)
    yield from (error("datacenter", problem) for problem in named.problems)
    if named.meant:
        yield note("datacenter", described(named.meant))


def _hardware(job: Job, offers: Sequence[Offer], centers: Sequence[DataCenter]) -> Iterator[Finding]:
    kind, what = ("cpu", "CPU flavor") if job.pod.cpu_order else ("gpu", "GPU type")
    clouds = clouds_of(job)
    named = name_hardware(job.pod.hardware, offers, clouds, what)
    yield from (error(kind, problem) for problem in named.problems)
    if named.meant:
        yield note(kind, described(named.meant))
    found = [each.id for each in named.hardware]
    candidates = [each for each in offers if each.gpu_id in found and each.cloud in clouds and each.is_sold]
    for wanted in found:
        if not any(each.gpu_id == wanted for each in candidates):
            yield warning(kind, f"{wanted} is not available in {' or '.join(clouds)}")
    if not found:
        return
    yield from _prices(job, candidates)
    yield from _stock(job, candidates, name_datacenters(job.pod.datacenters, centers).datacenters, centers)


def _prices(job: Job, candidates: Sequence[Offer]) -> Iterator[Finding]:
    cap = job.budget.max_gpu_price_usd
    if cap is None:
        return
    count = job.pod.units if job.pod.cpu_order else 1  # the cap is for one GPU, or for a whole CPU pod
    asked = {each: each.usd_per_hour * count if each.usd_per_hour is not None else None for each in candidates}
    dear = [each for each, price in asked.items() if price is None or price > cap]
    prices = ", ".join(f"{each.gpu_id} {_usd(asked[each])}" for each in dear)
    if dear and len(dear) == len(candidates):
        yield error("price", f"every candidate is above ${cap:g} per hour: {prices}", Exit.NO_CAPACITY)
    elif dear:
        yield warning("price", f"above ${cap:g} per hour and therefore skipped: {prices}")


def _stock(
    job: Job, candidates: Sequence[Offer], places: Sequence[str], centers: Sequence[DataCenter]
) -> Iterator[Finding]:
    """No stock wherever the job may run is an error. Little stock everywhere is a warning."""
    wanted = [each for each in centers if each.id in places]
    levels = {f"{each.gpu_id} ({each.cloud})": _level(each, places, wanted) for each in candidates}
    levels_text = ", ".join(f"{name} {level.lower()}" for name, level in levels.items())
    where = " or ".join(job.pod.datacenters) or "any data center"
    if all(level == "NONE" for level in levels.values()):
        yield error(
            "stock", f"nothing is in stock in {where} at present: {levels_text or 'no candidate'}", Exit.NO_CAPACITY
        )
    elif all(level in ("NONE", "LOW") for level in levels.values()):
        yield warning("stock", f"stock is low in {where}: {levels_text}")


def _level(offer: Offer, places: Sequence[str], centers: Sequence[DataCenter]) -> str:
    """The best stock level of the named data centers. A level that a data center reports itself wins (it is that of the
    SECURE cloud)."""
    known = [level for each in centers if (level := each.stock.get(offer.gpu_id)) and offer.cloud == "SECURE"]
    if known:
        return max(known, key=LEVELS.index)
    is_there = not places or not offer.datacenter_ids or any(place in offer.datacenter_ids for place in places)
    return offer.availability if is_there else "NONE"


def _volume(job: Job, catalog: Catalog, places: Sequence[str]) -> Iterator[Finding]:
    wanted = job.storage.volume_name
    if job.storage.mode != "network_volume" or wanted is None:
        return
    volumes = catalog.volumes()
    named = [each for each in volumes if each.id == wanted] or [each for each in volumes if each.name == wanted]
    if not named:
        names = sorted({name for each in volumes for name in (each.id, each.name) if name})
        yield error("volume", f"there is no network volume {wanted!r}{meant(wanted, names) or NO_VOLUME}")
    elif len(named) > 1:
        ids = ", ".join(sorted(each.id for each in named))
        yield error("volume", f"{len(named)} network volumes are named {wanted!r}; name one by its id: {ids}")
    elif places and named[0].data_center not in (None, *places):
        place = named[0].data_center
        yield error(
            "volume",
            f"network volume {wanted!r} is in {place}, and a pod elsewhere cannot mount it: datacenters: [{place}]",
        )


def _references(job: Job, catalog: Catalog) -> Iterator[Finding]:
    """Check the template and the credentials, which are named by ids."""
    template, registry = job.pod.template_id, job.pod.registry_id
    if template is not None and not catalog.has_template(template):
        yield error("template", f"there is no template {template!r}, or not for this account")
    if registry is not None:
        known = catalog.registries()
        ids = [each.id for each in known]
        if registry not in ids:
            other = next((f"; the one named so has the id {each.id}" for each in known if each.name == registry), "")
            yield error(
                "registry", f"the account keeps no registry credentials {registry!r}{other or meant(registry, ids)}"
            )


def offers_of(catalog: Catalog, job: Job) -> tuple[Offer, ...]:
    """The offers that a job could rent, at present prices."""
    return catalog.cpu_offers() if job.pod.cpu_order else catalog.offers(job.pod.gpu_count)


def meant(word: str, known: Sequence[str]) -> str:
    """The names that this word may mean, as the end of a sentence. Empty if no name is similar."""
    close = difflib.get_close_matches(word.lower(), [each.lower() for each in known], n=MOST_SUGGESTED, cutoff=0.6)
    return suggested([next(each for each in known if each.lower() == name) for name in close])


def _usd(amount: float | None) -> str:
    return "of unknown price" if amount is None else f"${amount:.2f}"
