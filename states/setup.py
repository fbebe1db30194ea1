"""setup: commands that prepare the pod, before any file is sent."""

from __future__ import annotations

from rpd.engine.decision import Decision
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.names import Reason
from rpd.states.steps import decide_steps, perform, probe, steps_of

__all__ = ["decide", "perform", "probe"]


def decide(facts: Facts, now: Stamp) -> Decision:
    """The next command, or the end of the phase."""
    return decide_steps(facts, now, steps_of(facts, "setup", facts.job.setup), Reason.SETUP_FAILED)
