"""done: what became of the order is known, and the journal is closed."""

from __future__ import annotations

from rpd.engine.decision import Close, Decision
from rpd.journal.records import Stamp
from rpd.states.ports.exits import Exit
from rpd.states.volume.facts import VolumeFacts
from rpd.states.volume.table import Trigger

EXITS: dict[str, Exit] = {
    Trigger.REFUSED: Exit.USAGE,
    Trigger.NOT_SEEN: Exit.STILL_BILLING,
    Trigger.STILL_THERE: Exit.STILL_BILLING,
}
"""All others end well."""


def decide(facts: VolumeFacts, now: Stamp) -> Decision:
    """Close. The outcome is the word of the last move."""
    reason = facts.ended.reason if facts.ended is not None and facts.result in EXITS else None
    return Close(facts.result, reason, EXITS.get(facts.result, 0))
