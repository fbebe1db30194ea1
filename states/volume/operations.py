"""What is done to network volumes. An order is one of these effects; record 0 of its journal holds it."""

from __future__ import annotations

from typing import Any

import msgspec

from rpd.engine.deadline import elapsed
from rpd.engine.operation import Call, Effect, Ended, Nothing, Reading, Result
from rpd.journal.records import Observation, Stamp
from rpd.states.ports.volume import Volume, VolumeWorld
from rpd.states.volume.facts import VolumeFacts

NOT_SHOWN = "not_shown"
"""The reason of an outcome that a look has settled: the cloud does not show what was ordered."""


class Shown(msgspec.Struct, frozen=True):
    """The volume as the cloud shows it after the order."""

    volume: Volume


class Seen(msgspec.Struct, frozen=True):
    """Whether the id or the list shows the volume."""

    is_there: bool


class CreateVolume(Effect[VolumeFacts, VolumeWorld, Shown], frozen=True):
    """Make a volume. It cannot be repeated and has no key, and names are not unique. Therefore the name has to be free
    before it is sent. `kind` is the API's word for the storage."""

    name = "create_volume"
    words = "making the network volume"
    noun = "order"
    answers = Shown

    volume_name: str
    size_gb: int
    datacenter: str
    kind: str
    quiet_window_seconds: float

    def perform(self, call: Call, world: VolumeWorld) -> Result:
        """Send the order once."""
        made = world.cloud.create_volume(self.volume_name, self.size_gb, self.datacenter, self.kind)
        return Result(answer=Shown(made))

    def probe(self, call: Call, world: VolumeWorld) -> Result | None:
        """Look for it in the list. Nothing is certain until the quiet window is over."""
        found = next(filter(self._is_it, world.cloud.volumes()), None)
        if found is not None:
            return Result(answer=Shown(found))
        waited = elapsed(call.at, world.clock.now())
        if waited < self.quiet_window_seconds:
            return None
        return Result("failed", reason=NOT_SHOWN, error=f"no such volume appeared within {waited:.0f} s")

    def end(self, facts: VolumeFacts, ended: Ended[Shown]) -> None:
        """The volume is there."""
        facts.volume = ended.answer.volume if ended.answer is not None else None

    def _is_it(self, volume: Volume) -> bool:
        is_size = volume.size in (None, self.size_gb)
        return volume.name == self.volume_name and is_size and volume.data_center in (None, self.datacenter)


class GrowVolume(Effect[VolumeFacts, VolumeWorld, Shown], frozen=True):
    """Make a volume larger. Growing twice to one size is the same as growing once."""

    name = "grow_volume"
    words = "making the network volume larger"
    noun = "growth"
    answers = Shown

    volume_id: str
    size_gb: int

    def perform(self, call: Call, world: VolumeWorld) -> Result:
        """Send the new size."""
        return Result(answer=Shown(world.cloud.grow_volume(self.volume_id, self.size_gb)))

    def probe(self, call: Call, world: VolumeWorld) -> Result | None:
        """Read the size."""
        seen = world.cloud.volume(self.volume_id)
        if seen is not None and seen.size == self.size_gb:
            return Result(answer=Shown(seen))
        return Result("failed", reason=NOT_SHOWN, error="the volume does not have that size", retryable=True)

    def end(self, facts: VolumeFacts, ended: Ended[Shown]) -> None:
        """The volume has its new size."""
        facts.volume = ended.answer.volume if ended.answer is not None else None


class DeleteVolume(Effect[VolumeFacts, VolumeWorld, Nothing], frozen=True):
    """Delete a volume with all that is on it. Whatever the answer, only the looks of the state `prove` say that it is
    gone; so a lost answer needs no probe."""

    name = "delete_volume"
    words = "deleting the network volume"
    noun = "deletion"

    volume_id: str
    proof_interval_seconds: float

    def perform(self, call: Call, world: VolumeWorld) -> Result:
        """Send the deletion once."""
        world.cloud.delete_volume(self.volume_id)
        return Result()


class LookForVolume(Reading[VolumeFacts, VolumeWorld, Seen], frozen=True):
    """Look for a deleted volume, by its id and in the list. Each alone may lag behind."""

    name = "look_for_volume"
    words = "looking whether the network volume is gone"
    noun = "network volume"
    answers = Seen

    volume_id: str

    def perform(self, world: VolumeWorld) -> Result:
        """Read both."""
        is_listed = any(each.id == self.volume_id for each in world.cloud.volumes())
        return Result(answer=Seen(is_listed or world.cloud.volume(self.volume_id) is not None))

    @classmethod
    def saw(cls, facts: VolumeFacts, answer: Seen, at: Stamp) -> None:
        """One look more."""
        facts.absence.saw(answer.is_there, at)

    @classmethod
    def missed(cls, facts: VolumeFacts, observation: Observation, at: Stamp) -> None:
        """A look that failed proves nothing, and disproves nothing."""
        facts.absence.looked_at = at


EFFECTS: dict[str, type[Effect[VolumeFacts, VolumeWorld, Any]]] = {
    effect.name: effect for effect in (CreateVolume, GrowVolume, DeleteVolume)
}
READINGS: dict[str, type[Reading[VolumeFacts, VolumeWorld, Any]]] = {LookForVolume.name: LookForVolume}
