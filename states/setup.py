"""setup: commands that prepare the pod before any file is sent."""

from __future__ import annotations

import itertools

from rpd.engine.decision import Decision
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.ports.names import Reason
from rpd.states.shared.steps import decide_steps, health_step, steps_of


def decide(facts: Facts, now: Stamp) -> Decision:
    """The health check before all commands, the next command, or the end of the phase."""
    steps = itertools.chain(health_step(facts), steps_of(facts, "setup", facts.job.setup))
    return decide_steps(facts, now, steps, Reason.SETUP_FAILED)
