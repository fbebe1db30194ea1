"""What a person wants, as far as flags say it, and what comes out of the picker."""

from __future__ import annotations

import msgspec

from rpd.adapters.report.words import money, rate
from rpd.adapters.runpod.wire import Volume
from rpd.states.policy import cost

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
    `image` and `template` None: those of the preset. `hours` None: no limit."""

    cloud: str
    datacenters: tuple[str, ...]
    gpus: tuple[str, ...]
    gpu_count: int
    preset: str
    image: str | None = None
    template: str | None = None
    volume: Volume | None = None
    hours: float | None = None
    usd_per_hour: float | None = None

    def estimate(self) -> list[str]:
        """What it will cost, for a person who is about to say yes."""
        what = f"{self.gpu_count}x {self.gpus[0]}, {self.cloud.lower()}"
        if self.usd_per_hour is None:
            return [f"{what}: the price is not known"]
        lines = [f"{what}: {rate(self.usd_per_hour)} for the GPUs (est.), and disks on top"]
        if self.hours is not None:
            most = money(self.usd_per_hour * self.hours)
            lines.append(f"at most {most} until it is stopped after {self.hours:g} h")
        else:
            lines.append(f"{money(self.usd_per_hour * 24)} a day; no limit is set: --hours N")
        if self.volume is not None and self.volume.size and self.volume.type == STANDARD:
            monthly = money(cost.network_volume_usd_per_month(self.volume.size))
            lines.append(f"its network volume of {self.volume.size} GB bills {monthly} a month all the same")
        return lines
