"""done: the run is over. A run gets here only when no compute debt is open."""

from __future__ import annotations

from rpd.engine.decision import Close, Decision
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.policy.rules import spent_usd
from rpd.states.policy.verdict import verdict


def decide(facts: Facts, now: Stamp) -> Decision:
    """Close the journal with the verdict."""
    assert not facts.debts.compute, "a run is not done while something computes"
    outcome, reason, exit_code = verdict(facts)
    return Close(str(outcome), str(reason) if reason else None, exit_code, round(spent_usd(facts, now), 6))
