"""What flags say of a pod, and what comes out of the picker."""

from __future__ import annotations

import msgspec


class Prefill(msgspec.Struct, frozen=True):
    """What flags say. None or empty: it is asked, or the settings say it. `regions` are words as in
    `pod.datacenters`. `volume` is the id or the name of a network volume."""

    cloud: str | None = None
    regions: tuple[str, ...] = ()
    gpu_count: int | None = None
    preset: str | None = None
    image: str | None = None
    template: str | None = None
    volume: str | None = None
    hours: float | None = None


class PodChoice(msgspec.Struct, frozen=True):
    """A pod to be ordered. `regions` are words as in `pod.datacenters`; empty: anywhere. `preset` and `image` None: not
    said. `volume` is the id of a network volume."""

    cloud: str
    regions: tuple[str, ...]
    gpu: str
    gpu_count: int
    preset: str | None
    image: str | None
    volume: str | None
    hours: float
