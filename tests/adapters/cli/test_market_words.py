"""The words for GPUs and data centers that `rpd gpus` and `rpd stock` take are those of job files."""

from __future__ import annotations

import pytest

from rpd.adapters.cli.reading import gpus as gpu_listing
from rpd.adapters.cli.reading import stock as stock_listing
from rpd.adapters.cli.reading.market import Market, wanted
from rpd.adapters.runpod.market import GpuType
from rpd.engine.errors import UserError
from rpd.states.ports.world import DataCenter, Offer

L4, A4000, RTX4090 = "NVIDIA L4", "NVIDIA RTX A4000", "NVIDIA GeForce RTX 4090"


def offer(gpu: str, cloud: str, name: str) -> Offer:
    return Offer(gpu_id=gpu, cloud=cloud, name=name, memory_gb=24, usd_per_hour=0.4, availability="HIGH", is_sold=True)


def gpu(gpu_id: str, name: str, **stock: str) -> GpuType:
    levels = {place.replace("_", "-"): level for place, level in stock.items()}
    return GpuType(gpu_id, name, 24, offer(gpu_id, "SECURE", name), offer(gpu_id, "COMMUNITY", name), levels)


MARKET = Market(
    "x",
    (gpu(L4, "L4", EUR_IS_1="LOW", EUR_IS_2="HIGH"), gpu(A4000, "RTX A4000"), gpu(RTX4090, "RTX 4090", EU_RO_1="LOW")),
    (
        DataCenter("EU-RO-1", name="Romania", region="EUROPE"),
        DataCenter("EUR-IS-1", name="Iceland 1", region="EUROPE"),
        DataCenter("EUR-IS-2", name="Iceland 2", region="EUROPE"),
        DataCenter("US-TX-3", name="Texas 3", region="NORTH_AMERICA"),
    ),
)


@pytest.mark.parametrize(
    ("word", "places"),
    [
        ("eu-ro-1", ("EU-RO-1",)),
        ("IS", ("EUR-IS-1", "EUR-IS-2")),
        ("EUR-IS", ("EUR-IS-1", "EUR-IS-2")),
        ("Europe", ("EU-RO-1", "EUR-IS-1", "EUR-IS-2")),
        ("Texas 3", ("US-TX-3",)),
    ],
)
def test_a_country_or_region_stands_for_its_data_centers(word: str, places: tuple[str, ...]) -> None:
    asked = MARKET.placed(wanted(None, None, None, word))
    assert asked.places == places
    rows = [row for each in MARKET.types for row in stock_listing._rows(MARKET, each, asked)]
    assert tuple(dict.fromkeys(row.datacenter for row in rows)) == places


def test_the_best_stock_of_several_places_is_shown() -> None:
    asked = MARKET.placed(wanted(None, None, None, "EUR-IS"))
    assert [(row.gpu.id, row.stock) for row in gpu_listing._rows(MARKET, asked)] == [(L4, {"SECURE": "HIGH"})]
    asked = MARKET.placed(wanted(None, None, None, "EUR-IS-1"))
    assert [(row.gpu.id, row.stock) for row in gpu_listing._rows(MARKET, asked)] == [(L4, {"SECURE": "LOW"})]


@pytest.mark.parametrize("word", ["EUR-RO-1", "EU-RO-9", "mars", ""])
def test_an_unknown_data_center_is_refused_with_the_nearest(word: str) -> None:
    with pytest.raises(UserError, match="there is no data center") as refused:
        MARKET.placed(wanted(None, None, None, word))
    assert (refused.value.reason, "EU-RO-1" in refused.value.message) == ("no_datacenter", word.endswith(("1", "9")))
    assert "US-TX-3" in refused.value.hint, "all that there are"


@pytest.mark.parametrize(
    ("word", "ids"),
    [("l4", [L4]), ("RTX4090", [RTX4090]), ("4090", [RTX4090]), ("nvidia-a4000", [A4000]), ("RTX", [A4000, RTX4090])],
)
def test_a_gpu_by_any_of_its_names(word: str, ids: list[str]) -> None:
    assert [each.id for each in MARKET.named(word)] == ids


def test_an_unknown_gpu_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match="there is no GPU type 'RTX 4091'; did you mean 'NVIDIA GeForce RTX 4090'"):
        MARKET.named("RTX 4091")
