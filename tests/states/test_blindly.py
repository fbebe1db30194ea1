"""What a run does about its pod while no look at the account gets through."""

from __future__ import annotations

import pytest

from rpd.engine.decision import Do, Look
from rpd.states import release
from rpd.states.facts.tries import Outage
from rpd.states.ports.names import Op, Reason, State
from rpd.states.release import BLINDLY_AGAIN_SECONDS
from rpd.states.shared.preserve import keep_until
from tests.fakes.facts import claimed, facts_in, stamp


@pytest.mark.parametrize(("policy", "op"), [("delete", Op.DELETE_POD), ("stop", Op.STOP_POD), ("preserve", Op.SURVEY)])
def test_the_cloud_is_told_now_and_then_to_give_back_what_is_not_to_stay(policy: str, op: Op) -> None:
    lifecycle = {"on_success": policy, **({"preserve_minutes": 60} if policy == "preserve" else {})}
    facts = claimed(facts_in(State.RELEASE, lifecycle=lifecycle, artifacts=[]), "ended", exit_code=0)
    facts.ending.reason, facts.release.since, facts.results.log_fetched = Reason.JOB_SUCCEEDED, stamp(100.0), True
    facts.contact.outage = Outage(stamp(110.0), stamp(110.0), is_total=True, op=None)
    soon, later = stamp(100.0 + BLINDLY_AGAIN_SECONDS), stamp(101.0 + BLINDLY_AGAIN_SECONDS)
    assert (keep_until(facts, later) is not None) == (policy == "preserve")
    looked, told = release.decide(facts, soon), release.decide(facts, later)
    assert isinstance(looked, Look) and looked.op == Op.SURVEY
    assert isinstance(told, Do | Look) and told.op == op
