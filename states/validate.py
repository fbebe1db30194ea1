"""validate: check the inputs on this machine once more before anything is rented."""

from __future__ import annotations

from rpd.engine.decision import Decision, Fire, Look
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.operations.search import CheckInputs
from rpd.states.policy.bounds import listed
from rpd.states.ports.names import Op, Reason, Trigger


def decide(facts: Facts, now: Stamp) -> Decision:
    """Report every problem at once and refuse, or go on."""
    if facts.tried(Op.CHECK_INPUTS).failures:
        return Fire(Trigger.SPEC_REFUSED, Reason.SPEC_INVALID, facts.tried(Op.CHECK_INPUTS).error)
    if facts.process.problems is None:
        return Look(CheckInputs(facts.job, facts.opened.run_dir))
    if facts.process.problems:
        return Fire(Trigger.SPEC_REFUSED, Reason.SPEC_INVALID, listed(facts.process.problems))
    return Fire(Trigger.SPEC_ACCEPTED)
