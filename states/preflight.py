"""preflight: install the interpreter that the job names; then run the commands that need the staged files, the last
before the job.
"""

from __future__ import annotations

import itertools

from rpd.engine.decision import Decision, Fire
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.ports.names import Reason, Trigger
from rpd.states.shared.steps import decide_steps, owes_setup, python_step, steps_of


def decide(facts: Facts, now: Stamp) -> Decision:
    """The next command, or the end of the phase."""
    if owes_setup(facts):
        return Fire(Trigger.UNPREPARED)
    steps = itertools.chain(python_step(facts), steps_of(facts, "preflight", facts.job.preflight))
    return decide_steps(facts, now, steps, Reason.PREFLIGHT_FAILED)
