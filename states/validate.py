"""validate: the inputs on this machine are looked at once more before anything is rented."""

from __future__ import annotations

from rpd.engine.decision import Decision, Fire, Look, Pending, Result
from rpd.journal.records import Stamp
from rpd.states.bounds import first_that_fit, listed
from rpd.states.call import pack, repeatable, unpack
from rpd.states.facts import Facts
from rpd.states.ports.job import Job
from rpd.states.ports.names import Op, Reason, Trigger
from rpd.states.ports.world import World


def decide(facts: Facts, now: Stamp) -> Decision:
    """Refuse with every problem at once, or go on."""
    if facts.tried(Op.CHECK_INPUTS).failures:
        return Fire(Trigger.SPEC_REFUSED, Reason.SPEC_INVALID, facts.tried(Op.CHECK_INPUTS).error)
    if facts.process.problems is None:
        return Look(Op.CHECK_INPUTS, pack(job=facts.job, run_dir=facts.opened.run_dir))
    if facts.process.problems:
        return Fire(Trigger.SPEC_REFUSED, Reason.SPEC_INVALID, listed(facts.process.problems))
    return Fire(Trigger.SPEC_ACCEPTED)


def perform(pending: Pending, world: World) -> Result:
    """Ask the workspace for problems."""
    problems = world.workspace.check_inputs(unpack(pending, "job", Job), str(pending.args["run_dir"]))
    told = first_that_fit(problems)
    more = len(problems) - len(told)
    return Result(data={"problems": [*told, *([f"and {more} more problems"] if more else [])]})


def probe(pending: Pending, world: World) -> Result | None:
    """Nothing here changes the world."""
    return repeatable(pending, world)
