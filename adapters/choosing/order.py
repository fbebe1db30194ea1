"""What a person wants, as far as flags say it, and what comes out of the picker."""

from __future__ import annotations

import msgspec

from rpd.states.ports.volume import Volume

STANDARD = "STANDARD"
"""The kind of storage whose price RunPod publishes."""


class Prefill(msgspec.Struct, frozen=True):
    """What flags say. None: to be asked, or the default. `gpus` are names as in a job file, the best first. `volume` is
    the id or the name of a network volume; empty: none is wanted."""

    cloud: str | None = None
    region: str | None = None
    gpus: tuple[str, ...] = ()
    gpu_count: int | None = None
    preset: str | None = None
    image: str | None = None
    template: str | None = None
    volume: str | None = None
    hours: float | None = None


class PodChoice(msgspec.Struct, frozen=True):
    """A pod to be ordered. `gpus` are ids of GPU types, the best first. `datacenters` are ids; empty: anywhere.
    `usd_per_hour` is the list price of all its GPUs for the first type, without disks; None if no price is known.
    `image` and `template` None: those of the preset. `hours`: the pod is stopped after so long."""

    cloud: str
    datacenters: tuple[str, ...]
    gpus: tuple[str, ...]
    gpu_count: int
    preset: str
    image: str | None = None
    template: str | None = None
    volume: Volume | None = None
    hours: float = 4.0
    usd_per_hour: float | None = None
