"""`rpd stock`: where GPU types are in stock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from rpd.adapters.cli.reading.market import Market, MarketFilter, look, price, shown_price
from rpd.adapters.report.table import Column, table, terminal_width
from rpd.adapters.report.words import one_line, plural
from rpd.adapters.runpod.market import GpuType
from rpd.adapters.terminal import output
from rpd.states.ports.exits import Exit
from rpd.states.ports.world import LEVELS, Offer


class StockRow(msgspec.Struct, frozen=True):
    """A GPU type in one data center. `datacenter` is None for the COMMUNITY cloud, which offers no choice of data
    centers."""

    gpu: GpuType
    offer: Offer
    datacenter: str | None
    level: str

    @property
    def is_there(self) -> bool:
        """Whether the type may be in stock. Only NONE says that it is not."""
        return self.level != "NONE"

    def document(self) -> dict[str, Any]:
        """The row as plain data."""
        return {
            "gpu_id": self.gpu.id,
            "name": self.gpu.name,
            "cloud": self.offer.cloud,
            "usd_per_hour": self.offer.usd_per_hour,
            "datacenter": self.datacenter,
            "stock": self.level,
        }


def list_stock(gpu: str | None, asked: MarketFilter, *, every: bool, use_sandbox: bool, as_json: bool) -> int:
    """Print the stock. Exit code 0, or 6 if a GPU is named and no matching one is in stock."""
    market, asked = look(asked, use_sandbox=use_sandbox)
    types = market.named(gpu) if gpu is not None else list(market.types)
    rows = sorted((row for each in types for row in _rows(market, each, asked)), key=_order)
    shown = [row for row in rows if every or row.is_there]
    is_out = gpu is not None and not any(row.is_there for row in rows)
    if as_json:
        output.answer({"schema": "rpd.stock/1", "cloud": market.profile, "stock": [each.document() for each in shown]})
        return Exit.NO_CAPACITY if is_out else Exit.DONE
    if shown:
        lines, left_out = table(_columns(shown), terminal_width())
        output.text(lines)
        if left_out:
            output.note([f"no room for: {', '.join(left_out)} (--json has all)"])
    if is_out:
        names = ", ".join(sorted(each.name for each in types))
        output.note([one_line(f"nothing that matches is in stock at present: {names}")])
    elif not shown:
        output.text(["nothing that matches is in stock"])
    hidden = len(rows) - len(shown)
    if hidden:
        output.note([f"{plural(hidden, 'place')} without stock not shown (--all)"])
    return Exit.NO_CAPACITY if is_out else Exit.DONE


def _rows(market: Market, gpu: GpuType, asked: MarketFilter) -> Iterator[StockRow]:
    for offer in filter(asked.is_affordable, asked.sold(gpu)):
        if offer.cloud == "COMMUNITY":
            yield StockRow(gpu, offer, None, offer.availability)
            continue
        for center in market.centers:
            if not asked.places or center.id in asked.places:
                yield StockRow(gpu, offer, center.id, market.stock(gpu, center.id))


def _order(row: StockRow) -> tuple[float, str, str, int, str]:
    """Sorts the cheapest first, and within a price the best stock first."""
    level = LEVELS.index(row.level) if row.level in LEVELS else 0
    return price(row.offer), row.gpu.id, row.offer.cloud, -level, row.datacenter or ""


def _columns(rows: list[StockRow]) -> list[Column]:
    def cells(tell: Callable[[StockRow], str]) -> tuple[str, ...]:
        return tuple(tell(row) for row in rows)

    return [
        Column("GPU", cells(lambda row: row.gpu.id)),
        Column("CLOUD", cells(lambda row: row.offer.cloud.lower()), 2),
        Column("$/H", cells(lambda row: shown_price(row.offer)), 1, True),
        Column("DATA CENTER", cells(lambda row: row.datacenter or "any")),
        Column("STOCK", cells(lambda row: row.level.lower())),
    ]
