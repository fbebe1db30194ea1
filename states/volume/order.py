"""order: the order is sent, once at most, and its outcome is known."""

from __future__ import annotations

from rpd.engine.decision import Decision, Do, Fire
from rpd.engine.operation import IDEMPOTENT
from rpd.journal.records import Stamp
from rpd.states.volume.facts import VolumeFacts
from rpd.states.volume.operations import DeleteVolume
from rpd.states.volume.table import Trigger


def decide(facts: VolumeFacts, now: Stamp) -> Decision:
    """Send it, unless another process has died before it did. A later process only looks: its person may want something
    else by now.
    """
    ended = facts.ended
    if ended is None and facts.is_resumed:
        return Fire(Trigger.REFUSED, "not_sent", "the process ended before it sent the order")
    if ended is None:
        return Do(facts.order)
    if ended.status == "ok" or ended.reason == IDEMPOTENT:
        return Fire(Trigger.SENT if isinstance(facts.order, DeleteVolume) else Trigger.CHANGED)
    return Fire(Trigger.NOT_SEEN if ended.settled else Trigger.REFUSED, ended.reason, ended.error)
