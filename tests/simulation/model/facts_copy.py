"""A copy of the facts that shares nothing that a fold may change. A search makes hundreds of thousands of them."""

from __future__ import annotations

from copy import copy
from typing import TypeVar

import msgspec

from rpd.states.facts import Facts

S = TypeVar("S", bound=msgspec.Struct)
_PARTS: dict[type[msgspec.Struct], tuple[tuple[str, ...], tuple[str, ...]]] = {}


def copied_facts(facts: Facts) -> Facts:
    """The same knowledge, on its own from here on."""
    other = _copied(facts)
    for name, pod in facts.pods.items():
        other.pods[name] = copied = _copied(pod)
        copied.spans = [copy(span) for span in pod.spans]
    return other


def _copied(known: S) -> S:
    collections, structs = _parts(type(known))
    other = copy(known)
    for name in collections:
        setattr(other, name, getattr(known, name).copy())
    for name in structs:
        setattr(other, name, _copied(getattr(known, name)))
    return other


def _parts(kind: type[msgspec.Struct]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fields that hold a dict, a list or a set of their own, and those that hold a struct of their own."""
    if kind not in _PARTS:
        factories = {
            f.name: f.default_factory
            for f in msgspec.structs.fields(kind)
            if f.default_factory is not msgspec.NODEFAULT
        }
        _PARTS[kind] = (
            tuple(name for name, factory in factories.items() if factory in (dict, list, set)),
            tuple(
                name
                for name, factory in factories.items()
                if isinstance(factory, type) and issubclass(factory, msgspec.Struct)
            ),
        )
    return _PARTS[kind]
