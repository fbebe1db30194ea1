"""The GPU types that fit, in the order in which a person wants to see them."""

from __future__ import annotations

import math

import msgspec

from rpd.adapters.runpod.cloud import RunPodCloud
from rpd.adapters.runpod.market import GpuType, better
from rpd.engine.errors import UserError
from rpd.states.policy.naming import name_datacenters, name_hardware
from rpd.states.ports.exits import Exit
from rpd.states.ports.volume import Volume
from rpd.states.ports.world import LEVELS, DataCenter, Offer

CLOUDS = ("SECURE", "COMMUNITY")
NONE = "NONE"


class GpuRow(msgspec.Struct, frozen=True):
    """A GPU type in one cloud: `usd_per_hour` for one GPU, `stock` where it may be rented, `most` GPUs in a pod."""

    gpu: GpuType
    usd_per_hour: float | None
    stock: str
    most: int
    is_favourite: bool = False

    @property
    def title(self) -> str:
        """Its columns: name, memory, price of one GPU, stock, CUDA."""
        price = "?" if self.usd_per_hour is None else f"${self.usd_per_hour:.2f}/h"
        memory = f"{self.gpu.memory_gb or '?'} GB"
        mark = "*" if self.is_favourite else " "
        return f"{mark} {self.gpu.name[:24]:<24} {memory:>7} {price:>9}  {self.stock.lower():<7} {self.gpu.cuda or '-'}"


HEADING = f"    {'GPU':<24} {'VRAM':>7} {'PRICE':>9}  {'STOCK':<7} CUDA"


class Market(msgspec.Struct, frozen=True):
    """What the account can rent at this moment."""

    types: tuple[GpuType, ...]
    centers: tuple[DataCenter, ...]
    volumes: tuple[Volume, ...] = ()

    def places(self, regions: tuple[str, ...]) -> tuple[str, ...]:
        """The data centers that these words mean. Empty: anywhere. Raises UserError."""
        named = name_datacenters(regions, self.centers)
        if named.problems:
            raise UserError(named.problems[0], reason="no_datacenter", hint="rpd stock")
        return named.datacenters

    def rows(self, cloud: str, places: tuple[str, ...], favourites: tuple[str, ...] = ()) -> list[GpuRow]:
        """Every type that this cloud sells: the favourites first and in their order, then what is in stock, the
        cheapest first."""
        liked = self._ids(favourites, cloud)
        found = []
        for gpu in self.types:
            offer = gpu.secure if cloud == "SECURE" else gpu.community
            if offer is not None:
                stock = self._stock(gpu, offer, places)
                is_liked = gpu.id in liked
                found.append(GpuRow(gpu, offer.usd_per_hour, stock, gpu.most.get(cloud, 1), is_liked))
        return sorted(
            found, key=lambda row: (liked.index(row.gpu.id) if row.is_favourite else len(liked), *_order(row))
        )

    def volume(self, word: str) -> Volume:
        """The network volume with this id or name. Raises UserError."""
        found = [each for each in self.volumes if each.id == word] or [
            each for each in self.volumes if each.name == word
        ]
        if len(found) == 1:
            return found[0]
        said = f"there is no network volume {word!r}" if not found else f"several network volumes are named {word!r}"
        raise UserError(said, reason="no_volume", hint="rpd volumes")

    def is_stocked_at(self, gpu: GpuType, volume: Volume) -> bool:
        """Whether pods with this GPU can be where the volume is, as far as is known."""
        offer = gpu.secure
        return offer is not None and (not volume.data_center or self._stock(gpu, offer, (volume.data_center,)) != NONE)

    def nothing(self, cloud: str, places: tuple[str, ...]) -> UserError:
        """The error for filters that leave no GPU in stock, with the nearest that has some."""
        where = f" in {', '.join(places[:3])}{' ...' if len(places) > 3 else ''}" if places else ""
        said = f"no GPU is in stock in the {cloud.lower()} cloud{where}"
        for other, elsewhere in ((cloud, ()), *((each, ()) for each in CLOUDS if each != cloud)):
            rows = [row for row in self.rows(other, elsewhere) if row.stock != NONE]
            if rows:
                price = f" at ${rows[0].usd_per_hour:.2f}/h" if rows[0].usd_per_hour is not None else ""
                said += f"; the nearest that is: {rows[0].gpu.id}{price}, {other.lower()} cloud, anywhere"
                break
        return UserError(said, exit_code=Exit.NO_CAPACITY, reason="no_capacity", hint="rpd stock")

    def _ids(self, words: tuple[str, ...], cloud: str) -> list[str]:
        """The types that these names mean. A name that means none, any more, is passed over."""
        offers = [offer for gpu in self.types for offer in gpu.offers]
        named = [name_hardware([word], offers, (cloud,)) for word in words]
        return list(dict.fromkeys(each.id for one in named for each in one.hardware))

    def _stock(self, gpu: GpuType, offer: Offer, places: tuple[str, ...]) -> str:
        """Community hosts are in no data center of choice."""
        if not places or offer.cloud != "SECURE":
            return offer.availability
        level = NONE
        for place in places:
            listed = next((each.stock.get(gpu.id) for each in self.centers if each.id == place), None)
            level = better(level, better(listed, gpu.stock.get(place)))
        return level


def read_market(cloud: RunPodCloud) -> Market:
    """Read the catalog, and the account's network volumes. Raises the errors of a read."""
    return Market(cloud.gpu_types(), cloud.datacenters(), cloud.volumes())


def _order(row: GpuRow) -> tuple[bool, float, str]:
    level = LEVELS.index(row.stock) if row.stock in LEVELS else 0
    price = math.inf if row.usd_per_hour is None else row.usd_per_hour
    return (level <= LEVELS.index(NONE), price, row.gpu.id)
