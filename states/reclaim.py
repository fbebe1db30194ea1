"""reclaim: before anything is rented, a paused pod of the same lineage would be taken up here. None is looked for yet:
pods are paused only as `stop` leaves them, for a person to look into, never for another run to use."""

from __future__ import annotations

from rpd.engine.decision import Decision, Fire, Pending, Result
from rpd.journal.records import Stamp
from rpd.states.call import repeatable, unknown_operation
from rpd.states.facts import Facts
from rpd.states.names import Trigger
from rpd.states.world import World


def decide(facts: Facts, now: Stamp) -> Decision:
    """Nothing paused: rent."""
    return Fire(Trigger.NOTHING_PAUSED)


def perform(pending: Pending, world: World) -> Result:
    """There is no operation here."""
    raise unknown_operation(pending)


def probe(pending: Pending, world: World) -> Result | None:
    """Nothing here changes the world."""
    return repeatable(pending, world)
