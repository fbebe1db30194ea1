"""done: the run is over. Reached only when no compute debt is open."""

from __future__ import annotations

from rpd.engine.decision import Close, Decision, Pending, Result
from rpd.journal.records import Stamp
from rpd.states.call import repeatable, unknown_operation
from rpd.states.facts import Facts
from rpd.states.policy import spent_usd
from rpd.states.ports.world import World
from rpd.states.verdict import verdict


def decide(facts: Facts, now: Stamp) -> Decision:
    """Close the journal with the verdict."""
    assert not facts.debts.compute, "a run is not done while something computes"
    outcome, reason, exit_code = verdict(facts)
    return Close(str(outcome), str(reason) if reason else None, exit_code, round(spent_usd(facts, now), 6))


def perform(pending: Pending, world: World) -> Result:
    """There is no operation here."""
    raise unknown_operation(pending)


def probe(pending: Pending, world: World) -> Result | None:
    """There is no operation here."""
    return repeatable(pending, world)
