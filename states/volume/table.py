"""The life of an order from top to bottom. An order is sent once at most. A new wish of a person is a new order."""

from __future__ import annotations

from enum import StrEnum

from rpd.engine.rule import Rule, Table
from rpd.states.volume.facts import VolumeFacts


class State(StrEnum):
    """The states of an order."""

    ORDER = "order"
    PROVE = "prove"
    DONE = "done"


class Trigger(StrEnum):
    """The words that move an order."""

    CHANGED = "changed"
    SENT = "sent"
    REFUSED = "refused"
    NOT_SEEN = "not_seen"
    GONE = "gone"
    STILL_THERE = "still_there"


def is_confirmed(facts: VolumeFacts) -> bool:
    """Whether the cloud has shown the volume as it was ordered."""
    return facts.volume is not None


def is_proved_gone(facts: VolumeFacts) -> bool:
    """Whether neither the id nor the list has shown the volume over the proof interval."""
    return facts.is_proved_gone


S, T = State, Trigger

RULES: tuple[Rule, ...] = (
    Rule(T.CHANGED, S.ORDER, S.DONE, "the cloud shows the volume as it was ordered", when=(is_confirmed,)),
    Rule(T.SENT, S.ORDER, S.PROVE, "the deletion was sent; only looks can prove it"),
    Rule(T.REFUSED, S.ORDER, S.DONE, "the cloud has refused the order, or never got it"),
    Rule(T.NOT_SEEN, S.ORDER, S.DONE, "the time is over in which the cloud could still show what was ordered"),
    Rule(T.GONE, S.PROVE, S.DONE, "neither its id nor the list shows the volume", when=(is_proved_gone,)),
    Rule(T.STILL_THERE, S.PROVE, S.DONE, "the volume is still there, or that cannot be told", unless=(is_proved_gone,)),
)
VOLUME = Table("volume", State, Trigger, S.ORDER, frozenset({S.DONE}), RULES)
