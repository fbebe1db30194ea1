"""GPUs as other tools name them, as the types that RunPod rents."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from rpd.adapters.sandbox import cloud

ANY = ("NVIDIA RTX A4000", "NVIDIA RTX A4500", "NVIDIA RTX A5000", "NVIDIA L4")
"""Small and cheap GPUs, for a job that asks for no GPU."""

_ELSEWHERE = {"t4": 16, "t4g": 16, "a10": 24, "a10g": 24, "k80": 12, "p100": 16, "p4": 8, "m60": 8, "gh200": 96}
_ELSEWHERE |= {"titan": 24, "l20": 48, "h20": 96, "gb200": 186, "gb300": 288}
_ELSEWHERE |= {"a800": 80, "h800": 80, "mi210": 64, "mi250": 128, "8000": 48}
"""GPUs that RunPod does not rent, with their memory in GB."""
_VENDORS = frozenset({"nvidia", "amd", "geforce", "tesla", "instinct", "quadro", "gpu", "mega", "nvlink"})
_VARIANTS = frozenset({"mig", "ti", "super", "sff", "pro", "max"})
"""Words of a type that is meant only if a person names them."""
_GLUED = re.compile(
    r"(?<=[a-z0-9])(?=(?:nvl|sxm|pcie|ada)\b)|(?<=rtx)(?=[a-z0-9])|(?<=rtx pro)(?=[0-9])|(?<=rtxpro)(?=[0-9])"
)
_MEMORY_WORD = re.compile(r"([0-9]+)gb\Z")


class Type(msgspec.Struct, frozen=True):
    """A type that RunPod rents; memory in GB."""

    id: str
    memory: int
    words: frozenset[str]
    is_secure: bool
    price: float


def types_named(name: str, least_gb: int = 0, most_gb: int | None = None) -> tuple[str, ...]:
    """Ids of all types that a name may mean, the cheapest first: `A100-80GB`, `RTXA4000`, `H100-SXM`, `4090`."""
    asked = _words(name) - _VENDORS
    found = [
        each
        for each in _types()
        if asked and asked <= each.words and not (each.words - asked) & _VARIANTS and least_gb <= each.memory
        if most_gb is None or each.memory <= most_gb
    ]
    rented = [each for each in found if each.is_secure] or found
    return tuple(each.id for each in sorted(rented, key=lambda each: each.price))


def by_price(types: Sequence[str]) -> list[str]:
    """The cheapest first, by the list price of one."""
    prices = {each.id: each.price for each in _types()}
    return sorted(types, key=lambda each: prices.get(each, 0.0))


def memory_elsewhere(name: str) -> int | None:
    """The memory (GB) of a GPU that only other clouds have."""
    words = _words(name) - _VENDORS
    sizes = [int(match[1]) for word in words if (match := _MEMORY_WORD.match(word))]
    return next((sizes[0] if sizes else _ELSEWHERE[word] for word in words if word in _ELSEWHERE), None)


@functools.cache
def _types() -> tuple[Type, ...]:
    """RunPod's own list, as the sandbox has it."""
    listed = json.loads(Path(cloud.__path__[0], "catalog.json").read_text())["gpus"]
    return tuple(_type(each) for each in listed if each["memory"])


def _type(entry: dict[str, Any]) -> Type:
    words = _words(entry["id"]) | _words(entry["name"])
    price = entry["secure"] or entry["community"]
    return Type(entry["id"], entry["memory"], words | {f"{entry['memory']}gb"}, bool(entry["secure"]), price)


def _words(name: str) -> frozenset[str]:
    spaced = _GLUED.sub(" ", re.sub(r"[^a-z0-9.]+", " ", name.lower()).replace("rtxpro", "rtx pro"))
    return frozenset(word.removesuffix("4") if word == "sxm4" else word for word in spaced.split())
