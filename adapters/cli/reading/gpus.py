"""`rpd gpus`: GPU types with their prices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from rpd.adapters.cli.reading.market import Market, MarketFilter, look, price, shown_price
from rpd.adapters.report.table import Column, table, terminal_width
from rpd.adapters.report.words import plural
from rpd.adapters.runpod.market import GpuType
from rpd.adapters.terminal import output
from rpd.states.ports.world import Offer


class GpuRow(msgspec.Struct, frozen=True):
    """A GPU type with its matching offers, the cheapest first, and its stock by cloud."""

    gpu: GpuType
    offers: list[Offer]
    stock: dict[str, str]

    def offer(self, cloud: str) -> Offer | None:
        """The offer in this cloud."""
        return next((each for each in self.offers if each.cloud == cloud), None)

    @property
    def stock_words(self) -> str:
        """The stock in words: one word if all clouds agree."""
        levels = {cloud: level.lower() for cloud, level in self.stock.items()}
        if len(set(levels.values())) == 1:
            return next(iter(levels.values()))
        return ", ".join(f"{cloud.lower()} {level}" for cloud, level in levels.items())

    def document(self) -> dict[str, Any]:
        """The row as plain data."""
        sold = {
            each.cloud.lower(): {"usd_per_hour": each.usd_per_hour, "stock": self.stock[each.cloud]}
            for each in self.offers
        }
        return {
            "gpu_id": self.gpu.id,
            "name": self.gpu.name,
            "vram_gb": self.gpu.memory_gb,
            "secure": sold.get("secure"),
            "community": sold.get("community"),
        }


def list_gpus(asked: MarketFilter, *, use_sandbox: bool, as_json: bool) -> int:
    """Print the types. Exit code 0, also if none matches."""
    market, asked = look(asked, use_sandbox=use_sandbox)
    rows = sorted(_rows(market, asked), key=lambda row: (price(row.offers[0]), row.gpu.id))
    if as_json:
        output.answer(
            {
                "schema": "rpd.gpus/1",
                "cloud": market.profile,
                "datacenter": asked.places[0] if len(asked.places) == 1 else None,
                "datacenters": list(asked.places),
                "gpus": [row.document() for row in rows],
            }
        )
        return 0
    if not rows:
        output.text(["no GPU type matches"])
        return 0
    lines, left_out = table(_columns(rows, asked), terminal_width())
    output.text(lines)
    if left_out:
        output.note([f"no room for: {', '.join(left_out)} (--json has all)"])
    where = f" in {' or '.join(asked.places)}" if asked.places else ""
    output.note([f"{plural(len(rows), 'GPU type')}{where}; USD per hour for one GPU, without disks"])
    return 0


def _rows(market: Market, asked: MarketFilter) -> list[GpuRow]:
    rows = []
    for gpu in market.types:
        offers = asked.sold(gpu)
        levels = {each.cloud: each.availability for each in sorted(offers, key=lambda each: each.cloud, reverse=True)}
        if asked.places:
            levels = dict.fromkeys(levels, market.stock(gpu, *asked.places))
        if offers and (not asked.places or set(levels.values()) != {"NONE"}):
            rows.append(GpuRow(gpu, offers, levels))
    return rows


def _columns(rows: list[GpuRow], asked: MarketFilter) -> list[Column]:
    def cells(tell: Callable[[GpuRow], str]) -> tuple[str, ...]:
        return tuple(tell(row) for row in rows)

    def priced(cloud: str) -> Column:
        return Column(cloud, cells(lambda row: shown_price(row.offer(cloud))), 1, True)

    return [
        Column("GPU", cells(lambda row: row.gpu.id)),
        Column("NAME", cells(lambda row: row.gpu.name), 3),
        Column("VRAM", cells(lambda row: f"{row.gpu.memory_gb or '?'} GB"), 2, True),
        *(priced(cloud) for cloud in asked.clouds),
        Column("STOCK", cells(lambda row: row.stock_words), 1),
    ]
