"""The cost of a job before it runs: list prices, disks, boot, caps, the worst case. Pure arithmetic over offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from rpd.states.facts import DEFAULT_VOLUME_GB
from rpd.states.facts.search import Hardware
from rpd.states.policy import cost
from rpd.states.policy.naming import NamedDatacenters, NamedHardware, name_datacenters, name_hardware
from rpd.states.policy.rules import COLLECT_ALLOWANCE_SECONDS
from rpd.states.ports.job import Job
from rpd.states.ports.world import DataCenter, Offer
from rpd.states.shared.market import clouds_of

BOOT_MINUTES = 5.0
"""The time of a cold start on a host that has to pull the image. It is billed."""


class Choice(msgspec.Struct, frozen=True):
    """One candidate in the order in which rpd tries them. Rates are in USD per hour for all GPUs, without and with
    disks; None if the catalog names no price. `stock` is a hint and no promise."""

    gpu_id: str
    datacenter_id: str | None
    cloud: str
    usd_per_hour: float | None
    with_disks_usd_per_hour: float | None
    stock: str
    is_affordable: bool


class Estimate(msgspec.Struct, frozen=True):
    """Money in USD, times in hours. `hours_at_cap` is how long the first affordable candidate may run on the budget.
    `most_usd` is the most that the run can cost by its budget. `worst_usd` adds the time to collect after that. `meant`
    has the words for hardware and places that were no ids, with their meaning. `misnamed` says what is wrong with the
    other words."""

    choices: tuple[Choice, ...]
    cap_usd: float
    max_runtime_hours: float | None
    usd_per_hour: float | None
    boot_usd: float | None
    hours_at_cap: float | None
    most_usd: float
    worst_usd: float | None
    stopped_usd_per_month: float
    is_on_network_volume: bool = False
    meant: dict[str, tuple[str, ...]] = {}
    misnamed: tuple[str, ...] = ()


def estimate(job: Job, offers: Sequence[Offer], centers: Sequence[DataCenter] = ()) -> Estimate:
    """The cost of `job` at these prices. Without offers, or data centers, its words for them stay as they are."""
    clouds = clouds_of(job)
    named = name_hardware(job.pod.hardware, offers, clouds) if offers else NamedHardware()
    hardware = named.hardware if offers else tuple(Hardware(str(each)) for each in job.pod.hardware)
    wanted = job.pod.datacenters
    there = name_datacenters(wanted, centers) if centers else NamedDatacenters(datacenters=wanted)
    choices = tuple(
        _choice(job, each, place, cloud, offers)
        for cloud in clouds
        for each in hardware
        for place in there.datacenters or (None,)
    )
    first = next((choice for choice in choices if choice.is_affordable and choice.usd_per_hour is not None), None)
    rate = first.with_disks_usd_per_hour if first is not None else None
    budget = job.budget
    cap = budget.cost_cap_usd if budget.max_usd is None else budget.max_usd
    hours = budget.max_runtime_minutes / 60.0 if budget.max_runtime_minutes is not None else None
    most = min(cap, rate * (hours + job.lifecycle.kept_hours)) if rate is not None and hours is not None else cap
    return Estimate(
        choices=choices,
        cap_usd=cap,
        max_runtime_hours=hours,
        usd_per_hour=rate,
        boot_usd=rate * BOOT_MINUTES / 60.0 if rate is not None else None,
        hours_at_cap=cap / rate if rate else None,
        most_usd=most,
        worst_usd=most + rate * COLLECT_ALLOWANCE_SECONDS / 3600.0 if rate is not None else None,
        stopped_usd_per_month=cost.stopped_usd_per_month(_volume_gb(job)),
        is_on_network_volume=job.storage.mode == "network_volume",
        meant={**named.meant, **there.meant},
        misnamed=(*named.problems, *there.problems),
    )


def _choice(job: Job, hardware: Hardware, place: str | None, cloud: str, offers: Sequence[Offer]) -> Choice:
    gpu = hardware.id
    offer = next((each for each in offers if each.gpu_id == gpu and each.cloud == cloud and each.is_sold), None)
    per_gpu = offer.usd_per_hour if offer is not None else None
    rate = per_gpu * job.pod.units if per_gpu else None
    disks = cost.running_disk_usd_per_hour(job.pod.container_disk_gb, _volume_gb(job))
    caps = [cap for cap in (job.budget.max_gpu_price_usd, hardware.max_usd) if cap is not None]
    limited = rate if job.pod.cpu_order else per_gpu
    is_affordable = not caps or (limited is not None and limited <= min(caps))
    there = offer is not None and (place is None or not offer.datacenter_ids or place in offer.datacenter_ids)
    stock = offer.availability if offer is not None and there else "NONE" if offer is not None else "NOT LISTED"
    return Choice(gpu, place, cloud, rate, rate + disks if rate is not None else None, stock, is_affordable)


def _volume_gb(job: Job) -> int:
    if job.storage.mode == "network_volume":
        return 0
    return job.storage.volume_gb or DEFAULT_VOLUME_GB


def document(found: Estimate) -> dict[str, Any]:
    """The estimate as plain data."""
    return dict(msgspec.to_builtins(found))
