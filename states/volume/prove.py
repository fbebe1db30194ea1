"""prove: a deleted volume counts as gone only when neither its id nor the list shows it over the proof interval."""

from __future__ import annotations

from rpd.engine.deadline import elapsed, remaining
from rpd.engine.decision import Decision, Fire, Look, Wait
from rpd.journal.records import Stamp
from rpd.states.volume.facts import VolumeFacts
from rpd.states.volume.operations import DeleteVolume, LookForVolume
from rpd.states.volume.table import Trigger

INTERVALS_MAX = 3.0
"""After this many proof intervals without a proof the volume counts as still there."""


def decide(facts: VolumeFacts, now: Stamp) -> Decision:
    """Look twice in each proof interval."""
    order, absence, entered = facts.order, facts.absence, facts.entered
    assert isinstance(order, DeleteVolume) and entered is not None, "only a deletion is proved"
    if absence.is_proved:
        return Fire(Trigger.GONE)
    if elapsed(entered, now) >= INTERVALS_MAX * absence.interval_seconds:
        return Fire(Trigger.STILL_THERE)
    pause = absence.interval_seconds / 2.0
    left = remaining(absence.looked_at, pause, now) if absence.looked_at is not None else 0.0
    return Wait(left, "the proof that the volume is gone") if left else Look(LookForVolume(order.volume_id))
