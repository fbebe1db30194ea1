"""What a person's name for a GPU type, a CPU flavor or a data center means in the provider's catalog. Pure.

rpd never guesses. A name must be an id, a name that people see, or a short form that fits exactly one type. If several
types fit, rpd orders none of them, because they differ in price; it lists the choices.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import msgspec

from rpd.states.facts.search import Hardware
from rpd.states.policy.bounds import NAMED_MAX
from rpd.states.ports.job import GpuChoice
from rpd.states.ports.world import DataCenter, Offer

T = TypeVar("T")
TYPES_MAX = 64
"""The most GPU types that one job tries. A choice by property may fit more types."""
SUGGESTED_MAX = 3
MEANT_MAX = 4
"""How many of the data centers of a region one line names. `rpd stock` lists all of them."""
_BRANDS = frozenset("nvidia geforce rtx gtx tesla quadro amd radeon instinct generation gpu".split())  # noqa: SIM905
_GLUED = re.compile(r"(?:nvidia|geforce|rtx|gtx|tesla|quadro)(?=[a-z]*[0-9])")
"""A brand that is written without a space before its model, as in `RTX4090`."""
_AMERICAN = "us"
"""In these ids the second part is a state. Its letters may be those of a country elsewhere (DE, IN, CA)."""

_SPOKEN = {"canada": ["ca"], "usa": ["us"], "united states": ["us"], "united states of america": ["us"]}
"""Countries whose data centers are named after their states and towns."""


class Named(msgspec.Struct, frozen=True):
    """What names mean. `meant` has every name that was no id, with the ids that it means. `problems` are sentences
    about names that mean nothing, or several things.
    """

    meant: dict[str, tuple[str, ...]] = {}
    problems: tuple[str, ...] = ()


class NamedHardware(Named, frozen=True):
    """GPU types or CPU flavors, best first."""

    hardware: tuple[Hardware, ...] = ()


class NamedDatacenters(Named, frozen=True):
    """Data centers, best first."""

    datacenters: tuple[str, ...] = ()


class _Type(msgspec.Struct, frozen=True):
    """A type with its lowest price per hour (USD, for one GPU or vCPU) in the clouds of the job. The price is None if
    the type is not sold there or has no listed price.
    """

    id: str
    name: str
    memory_gb: int | None
    usd: float | None
    is_sold: bool
    is_in_stock: bool

    @property
    def forms(self) -> tuple[list[str], ...]:
        """The words of its id and of its name."""
        return tuple(_words(text) for text in dict.fromkeys((self.id, self.name)))

    @property
    def price(self) -> str:
        return f"{self.id} (${self.usd:.2f}/h)" if self.usd is not None else f"{self.id} (not sold there)"


def name_hardware(
    wanted: Sequence[str | GpuChoice], offers: Iterable[Offer], clouds: Sequence[str], kind: str = "GPU type"
) -> NamedHardware:
    """The types that `wanted` means, in its order, each once, with the highest of its price limits."""
    types = _types(offers, clouds)
    found: dict[str, float | None] = {}
    meant: dict[str, tuple[str, ...]] = {}
    problems: list[str] = []
    for each in wanted:
        if isinstance(each, GpuChoice):
            ids, problem = _chosen(each, types)
        else:
            ids, problem = _meant(each, types, kind)
        if problem:
            problems.append(problem)
        elif ids != (each,):
            meant[str(each)] = ids
        limit = each.max_price_usd if isinstance(each, GpuChoice) else None
        for gpu in ids:
            known = found.get(gpu, limit)
            found[gpu] = None if known is None or limit is None else max(known, limit)
    hardware = tuple(Hardware(gpu, limit) for gpu, limit in list(found.items())[:TYPES_MAX])
    return NamedHardware(meant, tuple(problems), hardware)


def name_datacenters(wanted: Sequence[str], centers: Iterable[DataCenter]) -> NamedDatacenters:
    """The data centers that `wanted` means, in its order, each once. A country or a region means all of its data
    centers in the catalog's order, with or without stock.
    """
    known = tuple({each.id: each for each in centers if each.id}.values())
    found: dict[str, None] = {}
    meant: dict[str, tuple[str, ...]] = {}
    problems: list[str] = []
    for word in wanted:
        ids = _places(word, known)
        if not ids:
            problems.append(f"there is no data center {word!r}{suggested(_near_places(word, known))}")
        elif ids != (word,):
            meant[word] = ids
        found.update(dict.fromkeys(ids))
    return NamedDatacenters(meant, tuple(problems), tuple(found))


def is_same_name(word: str, gpu_id: str) -> bool:
    """Whether a name is this type's id, apart from brand, case and spaces. This needs no catalog."""
    return _core(_words(word)) == _core(_words(gpu_id))


def suggested(names: Sequence[str]) -> str:
    """The names that the person may have meant, as the end of a sentence; empty if there are none."""
    return f"; did you mean {' or '.join(map(repr, names))}?" if names else ""


def described(meant: dict[str, tuple[str, ...]]) -> str:
    """Which name was understood as what, in one sentence."""
    return "; ".join(f"{word} means {_listed(ids)}" for word, ids in meant.items())


def _listed(ids: Sequence[str]) -> str:
    more = len(ids) - MEANT_MAX
    return ", ".join([*ids[:MEANT_MAX], *([f"and {more} more"] if more > 0 else [])])


# GPU types.


def _types(offers: Iterable[Offer], clouds: Sequence[str]) -> tuple[_Type, ...]:
    types: dict[str, _Type] = {}
    for offer in offers:
        is_sold = offer.is_sold and offer.cloud in clouds
        usd = offer.usd_per_hour if is_sold else None
        known = types.get(offer.gpu_id)
        prices = [price for price in (usd, known.usd if known else None) if price]
        types[offer.gpu_id] = _Type(
            offer.gpu_id,
            offer.name or (known.name if known else ""),
            offer.memory_gb or (known.memory_gb if known else None),
            min(prices, default=None),
            is_sold or (known is not None and known.is_sold),
            (is_sold and offer.availability != "NONE") or (known is not None and known.is_in_stock),
        )
    return tuple(types.values())


def _meant(word: str, types: Sequence[_Type], kind: str) -> tuple[tuple[str, ...], str | None]:
    """The ids of one name (several if the catalog lists one type more than once), or what is wrong with the name."""
    if any(each.id == word for each in types):
        return (word,), None
    spoken = _words(word)
    fits: list[_Type] = []
    for is_fit in (_is_named, _is_called, _is_described):
        fits = _sold(each for each in types if is_fit(spoken, each))
        if fits:
            break
    if not fits:
        return (), f"there is no {kind} {word!r}{suggested(_near_types(spoken, types))}"
    if len({_core(_words(each.name or each.id)) for each in fits}) == 1:
        return tuple(each.id for each in fits), None
    whole = [each for each in fits if _is_phrase(spoken, each)]
    if (
        len(whole) == 1
        and whole[0].usd is not None
        and all((each.usd or whole[0].usd) >= whole[0].usd for each in fits)
    ):
        return (whole[0].id,), None
    choices = ", ".join(each.price for each in sorted(fits, key=lambda each: each.usd or float("inf"))[:NAMED_MAX])
    return (), f"{word!r} may mean {choices}; name one of them, or list all that will do"


def _is_named(spoken: list[str], each: _Type) -> bool:
    return any(spoken == form for form in each.forms)


def _is_called(spoken: list[str], each: _Type) -> bool:
    """The name is the type's model alone: `4090` means the GeForce RTX 4090, and not a longer name that
    contains 4090.
    """
    return bool(spoken) and any(_core(spoken) == _core(form) for form in each.forms)


def _is_described(spoken: list[str], each: _Type) -> bool:
    """Every word is one of the type's words. A slice of a GPU must be named."""
    own = {*(word for form in each.forms for word in form), f"{each.memory_gb}gb"}
    model = _model(spoken)
    return bool(model) and own.issuperset(model) and ("mig" in spoken or "mig" not in own)


def _is_phrase(spoken: list[str], each: _Type) -> bool:
    model = f" {' '.join(_model(spoken))} "
    return any(model in f" {' '.join(form)} " for form in each.forms)


def _sold(types: Iterable[_Type]) -> list[_Type]:
    """The types that the job's clouds sell; all types if the clouds sell none of them."""
    found = list(types)
    return [each for each in found if each.is_sold] or found


def _chosen(choice: GpuChoice, types: Sequence[_Type]) -> tuple[tuple[str, ...], str | None]:
    """All types with these properties. Types without stock come last. An unknown price counts as too high."""

    def is_fit(each: _Type) -> bool:
        is_large = choice.min_vram_gb is None or (each.memory_gb or 0) >= choice.min_vram_gb
        is_cheap = choice.max_price_usd is None or (each.usd is not None and each.usd <= choice.max_price_usd)
        return each.is_sold and is_large and is_cheap

    def dear(each: _Type) -> float:
        return each.usd if each.usd is not None else float("inf")

    orders: dict[str, Callable[[_Type], tuple[float, ...]]] = {
        "cheapest": lambda each: (dear(each), -(each.memory_gb or 0)),
        "most_vram": lambda each: (-(each.memory_gb or 0), dear(each)),
    }
    fits = sorted(filter(is_fit, types), key=lambda each: (not each.is_in_stock, *orders[choice.order](each), each.id))
    if not fits:
        return (), f"there is no GPU type for {choice}"
    return tuple(each.id for each in fits[:TYPES_MAX]), None


def _words(text: str) -> list[str]:
    return [_GLUED.sub("", word) if word not in _BRANDS else word for word in re.findall(r"[a-z0-9.]+", text.lower())]


def _model(words: list[str]) -> list[str]:
    return [word for word in words if word not in _BRANDS] or words


def _core(words: list[str]) -> str:
    return "".join(_model(words))


def _near_types(spoken: list[str], types: Sequence[_Type]) -> list[str]:
    """The nearest types by their models, not by their letters: every id begins with the same letters."""

    def near(each: _Type) -> float:
        alike = (difflib.SequenceMatcher(None, _core(spoken), _core(form)).ratio() for form in each.forms)
        shared = any(set(_model(spoken)) & set(_model(form)) for form in each.forms)
        return max(alike, default=0.0) + (0.5 if shared else 0.0)

    return [each.id for each in _nearest(types, near)]


# Data centers.


def _places(word: str, centers: Sequence[DataCenter]) -> tuple[str, ...]:
    spoken = re.findall(r"[a-z0-9]+", word.lower())
    spoken = _SPOKEN.get(" ".join(spoken), spoken)
    for is_fit in (_is_place, _is_within, _is_country, _is_region):
        found = tuple(each.id for each in centers if spoken and is_fit(spoken, each))
        if found:
            return found
    return ()


def _parts(each: DataCenter) -> list[str]:
    return re.findall(r"[a-z0-9]+", each.id.lower())


def _is_place(spoken: list[str], each: DataCenter) -> bool:
    return spoken in (_parts(each), re.findall(r"[a-z0-9]+", each.name.lower()))


def _is_within(spoken: list[str], each: DataCenter) -> bool:
    return _parts(each)[: len(spoken)] == spoken


def _is_country(spoken: list[str], each: DataCenter) -> bool:
    parts, name = _parts(each), re.findall(r"[a-z]+", each.name.lower())
    is_code = parts[:1] != [_AMERICAN] and parts[1:2] == spoken
    return is_code or spoken in (name, name[1:])


def _is_region(spoken: list[str], each: DataCenter) -> bool:
    return spoken == re.findall(r"[a-z]+", each.region.lower())


def _near_places(word: str, centers: Sequence[DataCenter]) -> list[str]:
    """The nearest data centers: first by the country in the middle of the id, then by its other parts."""
    spoken = re.findall(r"[a-z0-9]+", word.lower())

    def near(each: DataCenter) -> float:
        parts = _parts(each)
        shared = len(set(spoken) & set(parts)) / max(len(parts), 1)
        country = 1.0 if parts[1:2] and parts[1] in spoken else 0.0
        return country + shared / 2 + difflib.SequenceMatcher(None, word.lower(), each.id.lower()).ratio() / 2

    return [each.id for each in _nearest(centers, near)]


def _nearest(items: Sequence[T], near: Callable[[T], float]) -> list[T]:
    ranked = sorted(((near(each), -index, each) for index, each in enumerate(items)), key=lambda pair: pair[:2])
    best = [(how, each) for how, _, each in reversed(ranked) if how >= 0.5][:SUGGESTED_MAX]
    return [each for how, each in best if how >= best[0][0] - 0.15]
