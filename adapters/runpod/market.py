"""The catalog for people: each GPU type once, with its price and stock in both clouds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from rpd.adapters.runpod import wire
from rpd.states.ports.world import LEVELS, Offer

_CUDA = re.compile(r"\d{1,3}\.\d{1,3}\Z")


class GpuType(msgspec.Struct, frozen=True):
    """A GPU type. None for a cloud that does not sell it. `memory_gb` is that of one GPU. `stock` is NONE, LOW, MEDIUM
    or HIGH by data center. It is that of the SECURE cloud, because only that cloud has data centers to choose from.
    `cuda` is the newest CUDA version with free hosts; empty if none is reported. `most` is the largest number of GPUs
    in one pod, by cloud."""

    id: str
    name: str
    memory_gb: int | None = None
    secure: Offer | None = None
    community: Offer | None = None
    stock: dict[str, str] = {}
    cuda: str = ""
    most: dict[str, int] = {}

    @property
    def offers(self) -> tuple[Offer, ...]:
        """The offers of the clouds that sell it."""
        return tuple(each for each in (self.secure, self.community) if each is not None)


def gpu_type(body: msgspec.Raw, cloud: str) -> GpuType | None:
    """A GPU type with its offer in this cloud. None if it is not sold there."""
    offer = wire.offer(body, cloud, 1)
    if offer is None or not offer.is_sold:
        return None
    answered: dict[str, Any] = msgspec.json.decode(body)
    found = GpuType(
        id=offer.gpu_id,
        name=offer.name or offer.gpu_id,
        memory_gb=offer.memory_gb,
        cuda=_newest_cuda(answered.get("cudaVersions")),
        most=_ceiling(answered.get("maxCount"), cloud),
    )
    if cloud != "SECURE":
        return msgspec.structs.replace(found, community=offer)
    return msgspec.structs.replace(found, secure=offer, stock=_levels(answered.get("dataCenters")))


def merged(found: Iterable[GpuType | None]) -> tuple[GpuType, ...]:
    """One entry for each type, with what is known of it from both clouds."""
    types: dict[str, GpuType] = {}
    for each in found:
        if each is None:
            continue
        known = types.get(each.id, each)
        types[each.id] = msgspec.structs.replace(
            known,
            secure=known.secure or each.secure,
            community=known.community or each.community,
            stock=known.stock or each.stock,
            cuda=known.cuda or each.cuda,
            most={**each.most, **known.most},
        )
    return tuple(types.values())


def better(one: str | None, other: str | None) -> str:
    """The better of two stock levels: if they disagree, either may be stale. UNKNOWN if there is none."""
    return max((each for each in (one, other) if each in LEVELS), key=LEVELS.index, default="UNKNOWN")


def _levels(centers: Any) -> dict[str, str]:
    pairs = [
        (each.get("id"), each.get("availability"))
        for each in (centers if isinstance(centers, list) else [])
        if isinstance(each, dict)
    ]
    return {place: level for place, level in pairs if isinstance(place, str) and level in LEVELS}


def _newest_cuda(versions: Any) -> str:
    """The newest version that has free hosts. Versions that are no two numbers do not count."""
    found = [
        version
        for each in (versions if isinstance(versions, list) else [])
        if isinstance(each, dict) and each.get("available") is True
        if isinstance(version := each.get("version"), str) and _CUDA.match(version)
    ]
    return max(found, key=lambda version: tuple(map(int, version.split("."))), default="")


def _ceiling(counts: Any, cloud: str) -> dict[str, int]:
    count = counts.get(cloud.lower()) if isinstance(counts, dict) else None
    return {cloud: count} if isinstance(count, int) and not isinstance(count, bool) and count > 0 else {}
