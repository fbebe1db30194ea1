"""launch: what is sent to the pod, what is read there first, and when nothing is launched at all."""

from __future__ import annotations

from typing import Any

import pytest

from rpd.engine.decision import Decision, Do, Fire, Look, Wait
from rpd.engine.errors import Unavailable
from rpd.engine.operation import Call
from rpd.states import launch
from rpd.states.facts import Facts
from rpd.states.launch import CLAIM_RETRY_SECONDS, CLAIMED_SECONDS
from rpd.states.operations.job import LaunchJob, ReadClaim
from rpd.states.ports.names import Op, Reason, State, Trigger
from rpd.states.ports.world import Claim, JobRef, LaunchOrder, Target, World
from tests.fakes.clock import START_WALL
from tests.fakes.facts import args_of, asked, claimed, data_of, facts_in, outcome, stamp, tried

TARGET = Target("pod1", "rpd-x-a1", "run", 1, "/workspace/.rpd/run")


def ready(**config: Any) -> Facts:
    """Before the first launch."""
    return facts_in(State.LAUNCH, **config)


def order_of(facts: Facts) -> dict[str, Any]:
    """What would be launched now."""
    decision = launch.decide(facts, stamp(100.0))
    assert isinstance(decision, Do) and decision.op == Op.LAUNCH_JOB, decision
    return dict(args_of(decision)["order"])


def test_the_first_launch_needs_no_look() -> None:
    assert order_of(ready())["launch"] == 1


def test_a_launch_that_was_intended_is_looked_for_before_anything_else() -> None:
    facts = ready()
    facts.launch.intended = True
    for claim in (None, Claim("none", 1), Claim("running", 1)):
        facts.launch.claim = claim
        decision = launch.decide(facts, stamp(100.0))
        assert isinstance(decision, Look) and decision.op == Op.READ_CLAIM


def test_gc_launches_nothing_and_only_asks() -> None:
    decision = launch.decide(asked(ready(), "gc"), stamp(100.0))
    assert isinstance(decision, Look) and decision.op == Op.READ_CLAIM


@pytest.mark.parametrize("phase", ["none", "claimed"])
def test_a_container_that_has_not_seen_the_setup_gets_no_job(phase: str) -> None:
    facts = claimed(ready(), phase)
    facts.launch.prepared = None
    assert launch.decide(facts, stamp(100.0)) == Fire(Trigger.UNPREPARED)


def test_a_script_that_ran_in_another_container_is_not_prepared_for_again() -> None:
    facts = claimed(ready(), "running")
    facts.launch.prepared = None
    assert launch.decide(facts, stamp(100.0)) == Fire(Trigger.JOB_STARTED)


def test_a_launch_that_was_refused_ends_the_run_and_prepares_nothing() -> None:
    facts = claimed(ready(), "none")
    outcome(facts, Op.LAUNCH_JOB, "failed", reason="no_tool", error="no sh")
    facts.launch.prepared = None
    decision = launch.decide(facts, stamp(100.0))
    assert isinstance(decision, Fire)
    assert (decision.trigger, decision.reason, decision.why) == (Trigger.LAUNCH_FAILED, Reason.LAUNCH_FAILED, "no sh")


def test_a_launch_that_may_succeed_later_is_not_a_refused_one() -> None:
    facts = claimed(ready(), "none")
    outcome(facts, Op.LAUNCH_JOB, "failed", reason="not_claimed", error="cut", retryable=True)
    assert facts.launch.refused is None


def test_a_launch_without_an_answer_is_read_again_and_its_old_claim_forgotten() -> None:
    facts = claimed(ready(), "none")
    outcome(facts, Op.LAUNCH_JOB, "unknown", reason="ambiguous")
    assert facts.launch.claim is None and not facts.launch.claim_is_fresh


def claimed_since(seconds: float, **config: Any) -> tuple[Facts, Decision]:
    """What follows so long after the claim was first seen; the launch was tried just before that."""
    facts = claimed(ready(**config), "claimed")
    facts.launch.claimed_since = stamp(100.0)
    tried(facts, Op.LAUNCH_JOB, stamp(100.0))
    return facts, launch.decide(facts, stamp(100.0 + seconds))


def test_a_claim_whose_script_does_not_start_is_waited_for_tried_again_and_given_up() -> None:
    _, soon = claimed_since(CLAIM_RETRY_SECONDS - 1.0)
    assert isinstance(soon, Wait) and soon.seconds == pytest.approx(1.0)
    assert soon.deadline == START_WALL + 100.0 + CLAIMED_SECONDS
    _, again = claimed_since(CLAIM_RETRY_SECONDS)
    assert isinstance(again, Do) and again.op == Op.LAUNCH_JOB
    _, last = claimed_since(CLAIMED_SECONDS)
    assert isinstance(last, Do)
    _, over = claimed_since(CLAIMED_SECONDS + 0.1)
    assert isinstance(over, Fire) and (over.trigger, over.reason) == (Trigger.LAUNCH_FAILED, Reason.LAUNCH_FAILED)


def test_its_times_are_those_of_a_machine_that_starts_a_script() -> None:
    assert (CLAIM_RETRY_SECONDS, CLAIMED_SECONDS) == (10.0, 180.0)


def test_the_order_is_what_the_config_says() -> None:
    order = order_of(
        ready(
            run={"body": "x", "success_marker": "OK", "failure_markers": ["NaN", "OOM"]},
            remote_env={"source_files": ["/a", "/b"], "exports": {"A": "1"}},
            pod={"image": "i", "gpu_order": ["g"], "python_version": "3.12"},
            telemetry={"sample_interval_sec": 7},
        )
    )
    assert order["script"] == ". /a\n. /b\nx"
    assert order["env"] == {"A": "1", "UV_PYTHON": "3.12"}
    assert (order["success_marker"], order["failure_markers"]) == ("OK", ("NaN", "OOM"))
    assert order["sample_seconds"] == 7
    assert order_of(ready(telemetry={"enabled": False}))["sample_seconds"] == 0


def test_the_order_carries_the_head_of_the_journal_and_the_number_of_the_launch() -> None:
    facts = ready()
    facts.progress.seq, facts.progress.head, facts.launch.number = 41, "abcd", 3
    order = order_of(facts)
    assert (order["anchor_seq"], order["anchor_z"], order["launch"]) == (41, "abcd", 3)


@pytest.mark.parametrize("name", ["nvidia_smi", "dmesg", "remote_env"])
def test_what_is_captured_is_what_the_config_allows(name: str) -> None:
    captures = {"nvidia_smi": True, "dmesg": True, "remote_env": True}
    order = order_of(ready(telemetry={f"capture_{each}": value for each, value in (captures | {name: False}).items()}))
    assert set(order["captures"]) == captures.keys() - {name}


class Pod:
    """A remote that knows one claim."""

    def __init__(self, claim: Claim | Exception) -> None:
        self.claim = claim

    def read_claim(self, target: Target, job: JobRef) -> Claim:
        if isinstance(self.claim, Exception):
            raise self.claim
        return self.claim

    def launch(self, target: Target, order: LaunchOrder) -> Claim:
        return Claim("running", order.launch, note="launched")


def world(claim: Claim | Exception) -> World:
    return World(None, Pod(claim), None, None, None)  # type: ignore[arg-type]


ORDER = LaunchOrder(1, "x", "/run.sh", "/log", {}, 0, "")
CALL = Call(stamp(0.0))


def test_each_operation_does_what_it_is_called() -> None:
    assert ReadClaim(TARGET, ORDER.ref).perform(world(Claim("lost", 1))).answer.claim.phase == "lost"
    sent = LaunchJob(TARGET, ORDER).perform(CALL, world(Claim("lost", 1)))
    assert data_of(sent)["claim"]["note"] == "launched"


def test_what_became_of_a_launch_is_read_and_where_it_cannot_be_nothing_is_claimed_of_it() -> None:
    effect = LaunchJob(TARGET, ORDER)
    silent = effect.probe(CALL, world(Unavailable("gone", reason="link_lost")))
    assert silent is not None and (silent.status, silent.reason, silent.retryable) == ("unknown", "link_lost", True)
    absent = effect.probe(CALL, world(Claim("none", 1)))
    assert absent is not None and (absent.status, absent.retryable, data_of(absent)) == ("failed", True, {})
    there = effect.probe(CALL, world(Claim("running", 1)))
    assert there is not None and (there.status, data_of(there)["claim"]["phase"]) == ("ok", "running")
