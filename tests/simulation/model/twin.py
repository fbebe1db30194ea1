"""A copy of the facts that shares nothing that a fold may change. A search makes hundreds of thousands of them."""

from __future__ import annotations

from copy import copy

import msgspec

from rpd.states.facts import Facts, PodFacts


def _collections(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    """The fields that hold a dict or a list of their own."""
    return tuple(f.name for f in msgspec.structs.fields(kind) if f.default_factory in (dict, list))


OF_FACTS = _collections(Facts)
OF_POD = _collections(PodFacts)


def twin(facts: Facts) -> Facts:
    """The same knowledge, on its own from here on."""
    other = copy(facts)
    for name in OF_FACTS:
        setattr(other, name, getattr(facts, name).copy())
    for name, pod in facts.pods.items():
        other.pods[name] = _twin_pod(pod)
    return other


def _twin_pod(pod: PodFacts) -> PodFacts:
    other = copy(pod)
    for name in OF_POD:
        setattr(other, name, getattr(pod, name).copy())
    other.spans = [copy(span) for span in pod.spans]
    return other
