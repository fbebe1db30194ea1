"""The complete lifecycle of an order for a network volume."""

from __future__ import annotations

from rpd.engine.deadline import backoff
from rpd.engine.lifecycle import Lifecycle
from rpd.states.ports.volume import VolumeWorld
from rpd.states.volume import done, order, prove
from rpd.states.volume.facts import VolumeFacts
from rpd.states.volume.fold import apply, new_facts
from rpd.states.volume.operations import EFFECTS, READINGS, CreateVolume
from rpd.states.volume.table import VOLUME, State

LOOKS = 8
"""The least number of looks within the time in which a new volume may still turn up."""


def _probe_pause(facts: VolumeFacts, tries: int) -> float:
    window = facts.order.quiet_window_seconds if isinstance(facts.order, CreateVolume) else float(LOOKS)
    return backoff(tries, first=window / LOOKS, cap=window / LOOKS)


VOLUME_LIFECYCLE: Lifecycle[VolumeFacts, VolumeWorld] = Lifecycle(
    table=VOLUME,
    decide={State.ORDER: order.decide, State.PROVE: prove.decide, State.DONE: done.decide},
    effects=EFFECTS,
    readings=READINGS,
    new_facts=new_facts,
    apply=apply,
    interrupts=lambda state, facts, now: None,
    probe_pause=_probe_pause,
)
"""The life of `rpd volumes create`, `grow` and `delete`."""
