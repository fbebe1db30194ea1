"""The common part of `rpd gpus` and `rpd stock`: the account's catalog, and the requested part of it."""

from __future__ import annotations

import math

import msgspec

from rpd.adapters.access.clouds import chosen_access
from rpd.adapters.local.control import ProcessControl
from rpd.adapters.local.dirs import state_home
from rpd.adapters.report.words import one_line
from rpd.adapters.runpod.market import GpuType, better
from rpd.adapters.terminal import output
from rpd.adapters.volumes.account import user_errors
from rpd.engine.errors import UserError
from rpd.states.policy.naming import described, name_datacenters, name_hardware
from rpd.states.ports.world import DataCenter, Offer

CLOUDS = ("SECURE", "COMMUNITY")


class MarketFilter(msgspec.Struct, frozen=True):
    """A part of the market: these clouds; one GPU for at most `max_price` USD per hour, with at least `min_vram` GB; in
    stock in one of these data centers (their ids, after `look`)."""

    clouds: tuple[str, ...] = CLOUDS
    max_price: float | None = None
    min_vram: float | None = None
    places: tuple[str, ...] = ()

    def sold(self, gpu: GpuType) -> list[Offer]:
        """The matching offers of this type, the cheapest first. Empty if its memory is too small or every offer is too
        expensive."""
        if self.min_vram is not None and (gpu.memory_gb is None or gpu.memory_gb < self.min_vram):
            return []
        found = sorted((each for each in gpu.offers if each.cloud in self.clouds), key=price)
        return found if any(self.is_affordable(each) for each in found) else []

    def is_affordable(self, offer: Offer) -> bool:
        """Within the price limit. If there is a limit, an unknown price is above it."""
        return self.max_price is None or price(offer) <= self.max_price


class Market(msgspec.Struct, frozen=True):
    """The offers of one cloud at this moment. `profile` is the name of the cloud."""

    profile: str
    types: tuple[GpuType, ...]
    centers: tuple[DataCenter, ...]

    def stock(self, gpu: GpuType, *places: str) -> str:
        """The best stock level of a type in these data centers (SECURE). NONE if no data center reports any."""
        level = "NONE"
        for place in places:
            listed = next((each.stock.get(gpu.id) for each in self.centers if each.id == place), None)
            level = better(level, better(listed, gpu.stock.get(place)))
        return level

    def placed(self, asked: MarketFilter) -> MarketFilter:
        """The filter with the ids of the data centers that its words mean in a job file. Raises UserError."""
        named = name_datacenters(asked.places, self.centers)
        if named.problems:
            known = ", ".join(sorted(each.id for each in self.centers))
            hint = one_line(f"one of {known}") if known else ""
            raise UserError(named.problems[0], reason="no_datacenter", hint=hint)
        if named.meant:
            output.note([described(named.meant)])
        return msgspec.structs.replace(asked, places=named.datacenters)

    def named(self, word: str) -> list[GpuType]:
        """The type with this id or name, else all types with the word in their id or name, else what a job file means
        by it. Raises UserError if there is none."""
        asked = word.strip().lower()
        exact = [each for each in self.types if asked in (each.id.lower(), each.name.lower())]
        found = exact or [each for each in self.types if asked in each.id.lower() or asked in each.name.lower()]
        if asked and found:
            return found
        named = name_hardware([word], [offer for each in self.types for offer in each.offers], CLOUDS)
        if named.problems:
            raise UserError(named.problems[0], reason="no_gpu", hint="rpd gpus")
        ids = {each.id for each in named.hardware}
        return [each for each in self.types if each.id in ids]


def wanted(cloud: str | None, max_price: float | None, min_vram: float | None, datacenter: str | None) -> MarketFilter:
    """The filter from the options. Raises UserError for words that mean nothing, or contradict each other."""
    for option, value in (("--max-price", max_price), ("--min-vram", min_vram)):
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise UserError(f"{option} {value:g} is no amount", hint="rpd gpus --help")
    clouds = CLOUDS if cloud is None else (cloud.upper(),)
    if not set(clouds) <= set(CLOUDS):
        raise UserError(f"there is no cloud {cloud!r}: it is secure or community", hint="rpd gpus --cloud secure")
    if datacenter is not None:
        if cloud is not None and "SECURE" not in clouds:
            raise UserError(
                "community pods cannot be placed in a data center of choice", hint="--datacenter without --cloud"
            )
        clouds = ("SECURE",)
    return MarketFilter(clouds, max_price, min_vram, () if datacenter is None else (datacenter,))


def look(asked: MarketFilter, *, use_sandbox: bool) -> tuple[Market, MarketFilter]:
    """Read the catalog. Words for data centers are replaced by their ids, as in a job file. Raises UserError."""
    from rpd.adapters.wiring import cloud_for

    home = state_home()
    access = chosen_access(home, use_sandbox=use_sandbox)
    cloud = cloud_for(access, ProcessControl())
    try:
        with user_errors():
            market = Market(access.profile.name, cloud.gpu_types(), cloud.datacenters())
    finally:
        cloud.close()
    return market, market.placed(asked)


def price(offer: Offer) -> float:
    """USD per hour for one GPU. An unknown price sorts last."""
    return math.inf if offer.usd_per_hour is None else offer.usd_per_hour


def shown_price(offer: Offer | None) -> str:
    """The price in a table; `-` for a cloud that does not sell the type."""
    if offer is None:
        return "-"
    return "?" if offer.usd_per_hour is None else f"${offer.usd_per_hour:.2f}"
