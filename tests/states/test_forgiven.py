"""A look that failed, and whose failure was forgiven with an outage, has brought no answer all the same."""

from __future__ import annotations

from rpd.engine.decision import Do, Fire
from rpd.states.facts.handles import target
from rpd.states.facts.tries import Tries
from rpd.states.operations.container import RunStep
from rpd.states.ports.names import Op, State
from rpd.states.ports.world import Step
from rpd.states.shared.link import decide_link
from tests.fakes.facts import facts_in, stamp


def decided(look: Tries) -> object:
    """What follows from another host key, once the pod was looked at like this."""
    facts = facts_in(State.SETUP)
    step = Tries(stamp(190.0), 1, stamp(180.0), "another key", "host_key_changed")
    facts.contact.tries = {Op.RUN_STEP: step, Op.READ_POD: look}
    return decide_link(facts, stamp(196.0), Do(RunStep(target(facts), Step("k", "step", "true", 60.0))))


def test_a_new_key_is_judged_by_an_answer_and_not_by_a_failure_that_was_forgiven() -> None:
    failed = Tries(stamp(195.0), 2, stamp(191.0), "no way", "timeout")
    assert isinstance(decided(Tries(stamp(195.0))), Fire)
    assert not isinstance(decided(failed), Fire)
    assert not isinstance(decided(failed.forgiven()), Fire)
