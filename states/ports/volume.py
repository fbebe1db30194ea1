"""Network volumes, and the port to the account that has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import msgspec

from rpd.engine.ports import Clock


class Volume(msgspec.Struct, frozen=True):
    """A network volume: size in GB, the one data center in which it can be mounted, and the kind of its storage
    (STANDARD, HIGH_PERFORMANCE). None is not known."""

    id: str
    name: str | None = None
    size: int | None = None
    data_center: str | None = None
    type: str | None = None


class VolumeCloud(Protocol):
    """The network volumes of one account. Reads raise Unavailable or Refused."""

    def volumes(self) -> tuple[Volume, ...]:
        """Read: all network volumes of the account."""
        ...

    def volume(self, volume_id: str) -> Volume | None:
        """Read one network volume. None if the cloud itself says that there is none."""
        ...

    def create_volume(self, name: str, size_gb: int, datacenter: str, kind: str) -> Volume:
        """Effect, not idempotent, and without a key: make a network volume, which bills until it is deleted."""
        ...

    def grow_volume(self, volume_id: str, size_gb: int) -> Volume:
        """Effect, idempotent: make a network volume larger. A smaller size is Refused."""
        ...

    def delete_volume(self, volume_id: str) -> None:
        """Effect, idempotent: delete a network volume with its data. Refused while a pod has it mounted."""
        ...


@dataclass(frozen=True)
class VolumeWorld:
    """The ports of an order for a network volume."""

    cloud: VolumeCloud
    clock: Clock
