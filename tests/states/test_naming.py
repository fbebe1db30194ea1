"""What a word for a GPU type or a data center stands for: never something dearer than was meant, never a guess."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import rpd.adapters.sandbox.cloud
from rpd.states.facts.search import Hardware
from rpd.states.policy.naming import TYPES_MAX, described, name_datacenters, name_hardware
from rpd.states.ports.job import GpuChoice
from rpd.states.ports.world import DataCenter, Offer

CATALOG = json.loads((Path(rpd.adapters.sandbox.cloud.__file__).parent / "catalog.json").read_text())
OFFERS = tuple(
    Offer(gpu["id"], cloud, gpu[word] or None, "HIGH", (), gpu["name"], gpu["memory"], gpu[word] > 0)
    for gpu in CATALOG["gpus"]
    for cloud, word in (("SECURE", "secure"), ("COMMUNITY", "community"))
    if gpu["id"] != "unknown"
)
CENTERS = tuple(DataCenter(each["id"], name=each["name"], region=each["region"]) for each in CATALOG["dataCenters"])


def ids(
    *wanted: str | GpuChoice, offers: tuple[Offer, ...] = OFFERS, clouds: tuple[str, ...] = ("SECURE",)
) -> list[str]:
    named = name_hardware(wanted, offers, clouds)
    assert not named.problems
    return [each.id for each in named.hardware]


def problem(word: str) -> str:
    named = name_hardware([word], OFFERS, ["SECURE"])
    assert not named.hardware, "what is not clear is not ordered"
    return named.problems[0]


@pytest.mark.parametrize("gpu", [gpu["id"] for gpu in CATALOG["gpus"] if gpu["id"] != "unknown"])
def test_an_id_is_itself(gpu: str) -> None:
    named = name_hardware([gpu], OFFERS, ["SECURE"])
    assert (named.hardware, named.meant, named.problems) == ((Hardware(gpu),), {}, ())


@pytest.mark.parametrize(
    ("word", "gpu"),
    [
        ("RTX 4090", "NVIDIA GeForce RTX 4090"),
        ("4090", "NVIDIA GeForce RTX 4090"),
        ("RTX4090", "NVIDIA GeForce RTX 4090"),
        ("geforce rtx 4090", "NVIDIA GeForce RTX 4090"),
        ("4080", "NVIDIA GeForce RTX 4080"),
        ("3090 Ti", "NVIDIA GeForce RTX 3090 Ti"),
        ("L4", "NVIDIA L4"),
        ("l40", "NVIDIA L40"),
        ("L40S", "NVIDIA L40S"),
        ("A100-80GB", "NVIDIA A100 80GB PCIe"),
        ("A100 SXM", "NVIDIA A100-SXM4-80GB"),
        ("A100 40GB", "NVIDIA A100-SXM4-40GB"),
        ("H100 SXM", "NVIDIA H100 80GB HBM3"),
        ("H200", "NVIDIA H200"),
        ("rtxa6000", "NVIDIA RTX A6000"),
        ("RTX A4500", "NVIDIA RTX A4500"),
        ("RTX 6000 Ada", "NVIDIA RTX 6000 Ada Generation"),
        ("V100", "Tesla V100-PCIE-16GB"),
        ("MI300X", "AMD Instinct MI300X OAM"),
    ],
)
def test_a_name_or_a_short_form_that_fits_one_type(word: str, gpu: str) -> None:
    named = name_hardware([word], OFFERS, ["SECURE"])
    assert (named.hardware, named.problems) == ((Hardware(gpu),), ())
    assert described(named.meant) == f"{word} means {gpu}"


@pytest.mark.parametrize("word", ["A100", "H100", "H100 80GB", "6000", "5000", "RTX", "NVIDIA", "80GB"])
def test_a_word_that_fits_several_is_told_with_their_prices(word: str) -> None:
    text = problem(word)
    assert text.startswith(f"'{word}' may mean NVIDIA ") and text.count("($") > 1
    prices = [float(part.partition("/h)")[0]) for part in text.split("($")[1:]]
    assert prices == sorted(prices)


def test_what_is_taken_for_a_short_form_is_never_dearer_than_another_that_fits() -> None:
    dear = tuple(
        Offer(
            each.gpu_id, each.cloud, 9.0 if "A100 80GB" in each.gpu_id else each.usd_per_hour, "HIGH", (), each.name, 80
        )
        for each in OFFERS
    )
    assert "may mean" in name_hardware(["A100-80GB"], dear, ["SECURE"]).problems[0]


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("RTX 4091", "NVIDIA GeForce RTX 4090"),
        ("T4", "NVIDIA L4"),
        ("MI300", "AMD Instinct MI300X OAM"),
        ("L44", "NVIDIA L4"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest(word: str, near: str) -> None:
    assert problem(word).startswith(f"there is no GPU type '{word}'; did you mean '{near}'")


@pytest.mark.parametrize("word", ["", "!!!", "quantum"])
def test_a_word_that_is_like_none(word: str) -> None:
    assert problem(word) == f"there is no GPU type {word!r}"


def test_one_type_under_two_ids_is_tried_under_both() -> None:
    assert ids("RTX A4500", clouds=("COMMUNITY",)) == ["NVIDIA RTX A4500", "NVIDIA  RTX A4500"]


def test_types_by_their_properties_cheapest_first_and_those_out_of_stock_last() -> None:
    fits = {gpu["id"]: gpu["secure"] for gpu in CATALOG["gpus"] if gpu["memory"] >= 24 and 0 < gpu["secure"] <= 0.5}
    found = ids(GpuChoice(24, 0.5))
    assert set(found) == set(fits) and [fits[each] for each in found] == sorted(fits.values())
    sold_out = tuple(
        Offer(
            each.gpu_id,
            each.cloud,
            each.usd_per_hour,
            "NONE" if each.gpu_id == found[0] else "HIGH",
            (),
            each.name,
            each.memory_gb,
            each.is_sold,
        )
        for each in OFFERS
    )
    assert ids(GpuChoice(24, 0.5), offers=sold_out) == [*found[1:], found[0]]
    assert ids(GpuChoice(24, 0.5, "most_vram"))[:2] == ["NVIDIA A40", "NVIDIA RTX A6000"]
    assert name_hardware([GpuChoice(24, 0.01)], OFFERS, ["SECURE"]).problems == (
        "there is no GPU type for any GPU with 24 GB or more up to $0.01/h, cheapest first",
    )


def test_each_type_stands_once_with_the_loosest_limit() -> None:
    named = name_hardware([GpuChoice(24, 0.4), "L4", GpuChoice(24, 0.5)], OFFERS, ["SECURE"])
    limits = {each.id: each.max_usd for each in named.hardware}
    assert len(limits) == len(named.hardware)
    assert (limits["NVIDIA L4"], limits["NVIDIA RTX A5000"], limits["NVIDIA A40"]) == (None, 0.5, 0.5)


def test_a_catalog_of_any_size_makes_no_list_without_end() -> None:
    many = tuple(Offer(f"GPU {n}", "SECURE", 0.1, "HIGH", (), f"GPU {n}", 24) for n in range(5000))
    assert len(ids(GpuChoice(24), offers=many)) == TYPES_MAX
    assert name_hardware(["gpu"], many, ["SECURE"]).problems[0].count("GPU ") <= 20


@pytest.mark.parametrize(
    ("word", "places"),
    [
        ("EU-RO-1", ["EU-RO-1"]),
        ("eu-ro-1", ["EU-RO-1"]),
        ("EU-RO", ["EU-RO-1"]),
        ("RO", ["EU-RO-1"]),
        ("Romania", ["EU-RO-1"]),
        ("Romania 1", ["EU-RO-1"]),
        ("IS", ["EUR-IS-1", "EUR-IS-2", "EUR-IS-3"]),
        ("EU", ["EU-RO-1", "EU-SE-1", "EU-CZ-1", "EU-NL-1", "EU-FR-1"]),
        ("CA", ["CA-MTL-1", "CA-MTL-3", "CA-MTL-2", "CA-MTL-4"]),
        ("Canada", ["CA-MTL-1", "CA-MTL-3", "CA-MTL-2", "CA-MTL-4"]),
        ("US-TX", ["US-TX-3", "US-TX-1", "US-TX-4"]),
    ],
)
def test_a_country_or_a_region_stands_for_its_data_centers(word: str, places: list[str]) -> None:
    named = name_datacenters([word], CENTERS)
    assert (list(named.datacenters), named.problems) == (places, ())
    assert named.meant == ({} if word == "EU-RO-1" else {word: tuple(places)})


@pytest.mark.parametrize("word", ["US", "USA", "usa", "United States"])
def test_the_united_states_by_their_names(word: str) -> None:
    assert set(name_datacenters([word], CENTERS).datacenters) == {
        each.id for each in CENTERS if each.id.startswith("US-")
    }


def test_a_region_by_its_own_name() -> None:
    assert set(name_datacenters(["Europe"], CENTERS).datacenters) == {
        each.id for each in CENTERS if each.region == "EUROPE"
    }


@pytest.mark.parametrize(
    ("word", "near"), [("EUR-RO-1", "EU-RO-1"), ("EU-IS-1", "EUR-IS-1"), ("EU-RO-2", "EU-RO-1"), ("US-TX-9", "US-TX-3")]
)
def test_an_unknown_data_center_is_told_with_the_nearest_country(word: str, near: str) -> None:
    named = name_datacenters([word, "EU-SE-1"], CENTERS)
    assert named.datacenters == ("EU-SE-1",)
    assert named.problems[0].startswith(f"there is no data center '{word}'; did you mean '{near}'")


def test_the_letters_of_an_american_state_are_no_country() -> None:
    assert name_datacenters(["DE"], CENTERS).datacenters == (), "Delaware is not Germany"
    assert name_datacenters([""], CENTERS).problems == ("there is no data center ''",)


def test_a_region_is_told_in_one_line() -> None:
    places = tuple(f"US-{number}" for number in range(21))
    assert described({"North America": places}) == "North America means US-0, US-1, US-2, US-3, and 17 more"
