"""How records change the facts: what a new launch, a new start, a new pod and a new process forget, and what not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rpd.engine.operation import IDEMPOTENT
from rpd.journal.records import DebtChange, HandedOver, Intent, Outcome, Requested, Resumed, Stamp
from rpd.states import arm, create
from rpd.states.facts import Facts
from rpd.states.facts.handles import target
from rpd.states.facts.pod import Candidate, Missed, PodFacts, Span, candidate_key
from rpd.states.facts.run import Asked
from rpd.states.facts.search import Refusal
from rpd.states.facts.tries import Outage, Tries
from rpd.states.fold import moves
from rpd.states.operations.container import StepDone
from rpd.states.operations.pod import SWITCH_SECONDS, LogLines, PodSeen, ReadPod
from rpd.states.operations.results import PULL_TRIES_MAX
from rpd.states.operations.search import HandOver
from rpd.states.policy.guards import (
    attempts_left,
    job_was_launched,
    nothing_owed,
    release_is_proved,
    results_wait,
    retries_left,
)
from rpd.states.policy.outage import pause_left
from rpd.states.policy.rules import is_protected
from rpd.states.ports.names import Op, Reason, State, Trigger
from rpd.states.ports.world import Armed, Claim, Greeting, Paused, Pod, Pull, Pulled, SshAddress, SwitchOrder
from tests.fakes.clock import START_WALL
from tests.fakes.facts import (
    EXAMPLES,
    args_of,
    asked,
    begun,
    claimed,
    facts_in,
    fold,
    moved,
    outcome,
    seen,
    stamp,
    tried,
)


def plain(**values: Any) -> dict[str, Any]:
    """As a record has them."""
    return {name: msgspec.to_builtins(value) for name, value in values.items()}


RESUMED = Resumed("resume", "host", 1, "user", "0.1")
WHOLE = Pulled("model", False, 1, 1, "ab")


def pod_of(facts: Facts) -> PodFacts:
    assert facts.pod is not None
    return facts.pod


def running(**config: Any) -> Facts:
    return claimed(facts_in(State.MONITOR, **config), "running")


# A new launch.


def lost(**config: Any) -> Facts:
    """A job was lost, and is launched again."""
    facts = claimed(facts_in(State.MONITOR, retries=2, **config), "lost")
    facts.launch.was_stopped, facts.launch.markers_seen, facts.launch.idle_seconds, facts.results.log_fetched = (
        True,
        ("NaN",),
        60.0,
        True,
    )
    facts.results.gave_up, facts.results.since = True, stamp(1.0)
    facts.results.pulled, facts.results.fetching.failures, facts.results.errors = (
        {"model": WHOLE},
        {"model": 2},
        {"model": "no"},
    )
    facts.results.seconds = {"model": 3.0}
    facts.ending.reason, facts.ending.text = Reason.RESULTS_UNVERIFIED, "so"
    facts.search.host_failure, facts.search.host_failures = Reason.HOST_NEVER_BOOTED, 1
    facts.search.refusals, facts.search.offers = {"x": Refusal("no_capacity", "no")}, ()
    facts.results.checkpoint_tried = {"/ck": stamp(1.0)}
    facts.launch.claimed_since, facts.launch.refused = stamp(1.0), "no_tool"
    moved(facts, Trigger.RELAUNCH, State.ARM, at=300.0)
    return facts


def test_a_new_launch_has_its_number_and_begins_with_nothing_of_the_one_before() -> None:
    facts = lost()
    assert facts.launch.number == 2 and facts.launch.since == stamp(300.0)
    assert (facts.launch.intended, facts.launch.refused, facts.launch.claim, facts.launch.claim_is_fresh) == (
        False,
        None,
        None,
        False,
    )
    assert (
        facts.launch.claimed_since,
        facts.launch.was_stopped,
        facts.launch.markers_seen,
        facts.launch.idle_seconds,
    ) == (
        None,
        False,
        (),
        None,
    )
    assert (facts.results.log_fetched, facts.results.gave_up, facts.results.since) == (False, False, None)
    assert not (
        facts.results.pulled or facts.results.fetching.failures or facts.results.errors or facts.results.seconds
    )
    assert (facts.ending.reason, facts.ending.text, facts.search.host_failure, facts.search.host_failures) == (
        None,
        None,
        None,
        0,
    )
    assert (
        not facts.search.refusals
        and facts.search.offers is None
        and not facts.results.checkpoint_tried
        and facts.launch.prepared is None
    )
    assert facts.log_path.endswith("/run-2.log") and facts.local_log.endswith("/run-2.log")


def test_a_new_launch_keeps_what_is_in_the_pod() -> None:
    facts = lost()
    assert pod_of(facts).holds and facts.has_launched_here
    assert facts.launch.lost_in == (pod_of(facts).name, pod_of(facts).container_name)


def test_the_switch_is_armed_anew_for_a_new_launch_and_told_its_number() -> None:
    facts = lost()
    assert facts.container.armed is None and not is_protected(facts)
    order = arm.decide(facts, stamp(301.0))
    assert order.op == Op.ARM_SWITCH and args_of(order)["order"]["launch"] == 2  # type: ignore[union-attr]


# A new start of the pod.


def test_the_switch_is_armed_anew_after_a_start() -> None:
    facts = running()
    assert is_protected(facts)
    outcome(facts, Op.START_POD)
    assert not is_protected(facts)
    pod_of(facts).container.greeting = Greeting("k", "pod1", "c2", 0.0)
    assert arm.decide(facts, stamp(201.0)).op == Op.ARM_SWITCH  # type: ignore[union-attr]


def test_a_pod_that_others_stopped_is_armed_and_asked_anew() -> None:
    facts = running()
    facts.results.gave_up = True
    moved(facts, Trigger.POD_STOPPED, State.BOOT)
    assert (facts.container.armed_start, facts.launch.claim_is_fresh, pod_of(facts).container.greeting) == (
        -1,
        False,
        None,
    )
    assert not facts.results.gave_up


def test_a_key_that_nothing_explains_does_not_lift_the_pin() -> None:
    facts = running()
    moved(facts, Trigger.POD_STOPPED, State.BOOT, reason=Reason.HOST_KEY_CHANGED)
    assert pod_of(facts).container.greeting is not None and facts.container.armed_start == -1


def test_orders_of_the_switch_have_a_generation_above_all_before() -> None:
    facts = facts_in(State.ARM)
    numbers = []
    for epoch, starts, launch in ((1, 1, 1), (1, 1, 2), (1, 2, 2), (2, 2, 2), (2, 3, 2)):
        facts.process.epoch, pod_of(facts).starts, facts.launch.number, facts.container.armed = (
            epoch,
            starts,
            launch,
            None,
        )
        numbers.append(args_of(arm.decide(facts, stamp(200.0)))["order"]["generation"])  # type: ignore[union-attr]
    assert numbers == sorted(set(numbers))


def test_while_new_orders_are_on_their_way_the_later_limit_holds() -> None:
    facts = running()
    for limit, holds in ((START_WALL + 40_000.0, START_WALL + 40_000.0), (START_WALL + 1.0, START_WALL + 40_000.0)):
        begun(facts, Op.ARM_SWITCH, order=plain(order=SwitchOrder(1, limit, "stop", 60.0, 1))["order"])
        assert facts.container.armed is not None and facts.container.armed.limit_at == holds


def test_a_start_is_another_container_with_a_bill_of_its_own() -> None:
    facts = running()
    pod = pod_of(facts)
    before = pod.container_name
    pod.released_as, pod.kept_until, pod.missed = "stop", 1.0, Missed(2)
    outcome(facts, Op.STOP_POD, at=200.0, data={"pod_id": "pod1"})
    assert pod.spans[-1].until == stamp(200.0)
    outcome(facts, Op.START_POD, at=300.0)
    assert pod.container_name != before and not facts.is_prepared
    assert (pod.released_as, pod.kept_until, pod.missed.looks, pod.seen, pod.container.greeting) == (
        None,
        None,
        0,
        None,
        None,
    )
    assert [(span.since, span.until) for span in pod.spans][1:] == [(stamp(300.0), None)]
    outcome(facts, Op.START_POD, "failed", error="no GPU")
    assert (pod.refused_starts, len(pod.spans)) == (1, 2)


@pytest.mark.parametrize(("left", "after"), [("memory", ""), ("disk", "disk")])
def test_a_start_wipes_the_memory_and_no_disk(left: str, after: str) -> None:
    facts = running()
    pod_of(facts).container.secrets_left = left
    outcome(facts, Op.START_POD)
    assert pod_of(facts).container.secrets_left == after


# What looks tell of a pod.


def look(facts: Facts, at: float = 200.0, **changes: Any) -> None:
    pod = Pod(**{"id": "pod1", "name": pod_of(facts).name, "status": "RUNNING", "usd_per_hour": 1.0, **changes})
    seen(facts, Op.READ_POD, at=at, pod=pod)


def test_a_pod_that_is_seen_stopped_costs_nothing_from_then_on() -> None:
    facts = running()
    look(facts, status="EXITED")
    assert pod_of(facts).spans[-1].until == stamp(200.0) and pod_of(facts).is_seen_stopped
    seen(facts, Op.READ_POD, pod=None)
    assert not pod_of(facts).is_seen_stopped, "a later look missed it"


def test_a_pod_that_somebody_starts_bills_again_and_is_not_released_any_more() -> None:
    facts = running()
    look(facts, status="EXITED")
    pod_of(facts).released_as = "stop"
    look(facts, at=300.0, usd_per_hour=0.0)
    assert pod_of(facts).spans[-1] == Span(stamp(300.0), 1.0) and pod_of(facts).released_as is None


def test_a_new_price_counts_from_now_on() -> None:
    facts = running()
    look(facts, usd_per_hour=2.5)
    assert pod_of(facts).usd_per_hour == pod_of(facts).spans[-1].usd_per_hour == 2.5
    look(facts, usd_per_hour=0.0)
    assert pod_of(facts).usd_per_hour == 2.5


def test_a_pod_whose_switch_has_not_acted_is_not_kept_but_bills() -> None:
    assert SWITCH_SECONDS == 120.0
    for late, kept in ((120.0, True), (120.1, False)):
        facts = running()
        pod_of(facts).kept_until = START_WALL + 500.0
        look(facts, at=500.0 + late)
        assert (pod_of(facts).kept_until is not None) is kept


def test_a_terminated_pod_is_one_that_is_not_there() -> None:
    facts = running()
    look(facts, status="TERMINATED", at=200.0)
    look(facts, status="TERMINATED", at=210.0)
    assert (pod_of(facts).missed.looks, pod_of(facts).missed.since) == (2, stamp(200.0))


def test_a_journal_that_is_shorter_than_what_the_pod_knows_is_found_out() -> None:
    for anchor, is_over in ((None, False), (8, False), (9, True)):
        facts = running()
        seen(facts, Op.GREET, greeting=Greeting("k", "pod1", "c1", 0.0, anchor_seq=anchor))
        assert facts.launch.was_taken_over is is_over


# Releasing.


def test_a_pod_is_released_when_the_cloud_has_accepted_it_and_by_its_id() -> None:
    facts = running()
    outcome(facts, Op.DELETE_POD, "unknown", reason="timeout")
    outcome(facts, Op.DELETE_POD, "failed", reason="key_refused")
    assert (facts.release.tries, facts.release.key_refused_since) == (0, stamp(200.0))
    outcome(facts, Op.DELETE_POD, "failed", reason="server_error")
    assert (facts.release.tries, pod_of(facts).released_as) == (1, None)
    outcome(facts, Op.DELETE_POD, data={"pod_id": "another"}, at=300.0)
    assert pod_of(facts).released_as is None and pod_of(facts).spans[-1].until is None
    outcome(facts, Op.DELETE_POD, data={"pod_id": "pod1"}, at=400.0)
    assert (pod_of(facts).released_as, pod_of(facts).spans[-1].until) == ("delete", stamp(400.0))
    assert facts.release.key_refused_since is None and facts.debts.released["pod1"] == stamp(400.0)


def test_no_pod_to_stop_is_neither_a_stop_nor_a_deletion() -> None:
    facts = running()
    fold(facts, Intent("1", Op.STOP_POD, State.RELEASE, {"pod_id": "pod1"}))
    outcome(facts, Op.STOP_POD, "failed", reason="not_found")
    assert pod_of(facts).released_as == "absent" and pod_of(facts).spans[-1].until is None


def test_no_twin_to_stop_says_nothing_of_the_pod_in_hand() -> None:
    facts = running()
    fold(facts, Intent("1", Op.STOP_POD, State.RELEASE, {"pod_id": "twin"}))
    outcome(facts, Op.STOP_POD, "failed", reason="not_found")
    assert pod_of(facts).released_as is None, "it computes, and nobody has told it anything"
    assert list(facts.debts.released) == ["twin"], "which is asked again after the next survey"


def test_a_pod_that_is_told_last_is_meant_though_records_are_counted_anew() -> None:
    """The emergency log counts its records from 0."""
    facts = running()
    facts.progress.seq = 500
    fold(facts, Intent("1", Op.DELETE_POD, State.RELEASE, {"pod_id": "host1"}))
    outcome(facts, Op.DELETE_POD, data={"pod_id": "host1"})
    facts.progress.seq = 3
    fold(facts, Intent("2", Op.STOP_POD, State.RELEASE, {"pod_id": "pod1"}))
    outcome(facts, Op.STOP_POD, "failed", reason="not_found")
    assert pod_of(facts).released_as == "absent"


def test_a_pod_is_kept_up_only_under_a_switch_that_proved_its_orders() -> None:
    armed = Armed(2, START_WALL + 3600.0, "ok", True)
    for state, probe, kept in (
        (State.RELEASE, "ok", armed.limit_at),
        (State.RELEASE, "forbidden", None),
        (State.ARM, "ok", None),
    ):
        facts = facts_in(state)
        outcome(facts, Op.ARM_SWITCH, data={"armed": msgspec.to_builtins(msgspec.structs.replace(armed, probe=probe))})
        assert pod_of(facts).kept_until == kept
    facts = facts_in(State.RELEASE)
    pod_of(facts).kept_until = 1.0
    outcome(facts, Op.ARM_SWITCH, "failed", reason="link_lost")
    assert pod_of(facts).kept_until is None and facts.tried(Op.ARM_SWITCH).failures == 1


def test_the_run_cannot_end_while_something_is_owed_or_not_proved() -> None:
    facts = running()
    assert not nothing_owed(facts) and not release_is_proved(facts)
    facts.debts.compute.clear()
    assert nothing_owed(facts) and not release_is_proved(facts)
    facts.release.proof.is_complete = True
    assert release_is_proved(facts)
    facts.release.proof.is_complete, pod_of(facts).id = False, None
    assert release_is_proved(facts), "nothing was rented"
    pod_of(facts).is_unknown = True
    assert not release_is_proved(facts), "something may still come of its create"


def test_debts_are_counted_by_kind_and_key() -> None:
    facts = running()
    change = DebtChange("p", "storage", "open", 0.01)
    fold(
        facts,
        Intent("1", Op.STOP_POD, "release", {"pod_id": "pod1"}, debts=(change, DebtChange("q", "compute", "open"))),
    )
    assert facts.debts.storage == {"p": change} and "q" in facts.debts.compute
    fold(facts, Intent("2", Op.STOP_POD, "release", {"pod_id": "pod1"}, debts=(DebtChange("q", "compute", "close"),)))
    assert "q" not in facts.debts.compute and "p" in facts.debts.storage


# What counts as collected.


@pytest.mark.parametrize(
    ("log", "pulled", "is_collected"),
    [
        (True, WHOLE, True),
        (False, WHOLE, False),
        (True, None, False),
        (True, Pulled("model", False, refused=1), False),
        (True, Pulled("model", True), True),
    ],
)
def test_results_are_here_when_log_and_every_required_artifact_are(
    log: bool, pulled: Pulled | None, is_collected: bool
) -> None:
    facts = claimed(facts_in(State.RELEASE), "ended", exit_code=0)
    facts.results.log_fetched = log
    facts.results.pulled = {"model": pulled} if pulled is not None else {}
    assert facts.collected is is_collected and results_wait(facts) is not is_collected


def test_what_is_not_required_is_not_waited_for() -> None:
    artifact = {"label": "extra", "remote_path": "/x", "local_path": "/y", "required": False}
    facts = claimed(facts_in(State.RELEASE, artifacts=[artifact]), "ended", exit_code=0)
    facts.results.log_fetched = True
    assert facts.collected and facts.missing == () and not facts.is_worth_fetching


def test_results_wait_in_a_pod_that_is_there() -> None:
    facts = claimed(facts_in(State.RELEASE), "ended", exit_code=0)
    assert results_wait(facts)
    pod_of(facts).released_as = "stop"
    assert results_wait(facts)
    pod_of(facts).released_as = "delete"
    assert not results_wait(facts)
    pod_of(facts).released_as, pod_of(facts).is_gone = None, True
    assert not results_wait(facts)
    pod_of(facts).is_gone, facts.launch.intended = False, False
    assert not results_wait(facts)


def test_a_job_that_never_started_left_nothing_where_this_is_known() -> None:
    facts = claimed(facts_in(State.RELEASE), "none")
    assert facts.collected
    facts.launch.claim_is_fresh = False
    assert not facts.collected
    facts.ending.reason, facts.launch.claim = Reason.LAUNCH_FAILED, None
    assert facts.collected
    facts.launch.was_taken_over = True
    assert not facts.collected, "another owner may have launched"


def test_an_artifact_that_the_link_failed_is_not_given_up_and_a_broken_one_is() -> None:
    facts = facts_in(State.COLLECT)
    fold(
        facts,
        Intent("1", Op.PULL_ARTIFACT, "collect", plain(target=target(facts), pull=Pull("model", "/m", "/l", True))),
    )
    for reason in ("ssh_unreachable", "link_lost", "interrupted", IDEMPOTENT):
        outcome(facts, Op.PULL_ARTIFACT, "failed", reason=reason)
    assert facts.results.fetching.failures == {}
    outcome(facts, Op.PULL_ARTIFACT, "failed", reason="verify_failed", error="no")
    assert facts.results.fetching.failures == {"model": 1} and facts.results.errors == {"model": "no"}
    outcome(facts, Op.PULL_ARTIFACT, "failed", reason="path_refused")
    assert facts.results.fetching.failures == {"model": PULL_TRIES_MAX} and PULL_TRIES_MAX == 3


def test_a_claim_folder_that_is_gone_is_a_lost_job_and_not_one_that_never_was() -> None:
    facts = running()
    seen(facts, Op.READ_CLAIM, claim=Claim("none", 1))
    assert facts.launch.claim is not None and facts.launch.claim.phase == "lost"
    facts = facts_in(State.LAUNCH)
    seen(facts, Op.READ_CLAIM, claim=Claim("none", 1))
    assert facts.launch.claim is not None and facts.launch.claim.phase == "none"


def test_how_long_a_launch_is_claimed_counts_from_the_first_look() -> None:
    facts = facts_in(State.LAUNCH)
    for moment in (200.0, 210.0):
        seen(facts, Op.READ_CLAIM, at=moment, claim=Claim("claimed", 1))
    assert facts.launch.claimed_since == stamp(200.0)
    seen(facts, Op.READ_CLAIM, at=220.0, claim=Claim("running", 1))
    assert facts.launch.claimed_since is None


# Preparing.


def test_a_container_is_prepared_when_the_last_preflight_command_is_done() -> None:
    facts = facts_in(State.PREFLIGHT)
    facts.launch.prepared = None
    moved(facts, Trigger.STEP_FAILED, State.RELEASE)
    assert facts.launch.prepared is None
    facts = facts_in(State.PREFLIGHT)
    facts.launch.prepared, facts.launch.prepared_epoch = None, -1
    moved(facts, Trigger.STEPS_DONE, State.LAUNCH)
    assert facts.is_prepared and facts.launch.prepared_epoch == 1


def test_what_is_repeatable_is_run_by_every_process_until_the_launch_is_claimed() -> None:
    facts = facts_in(State.LAUNCH, preflight=[{"command": "x", "repeatable": True}])
    assert facts.is_prepared
    facts.process.epoch = 2
    assert not facts.is_prepared
    assert claimed(facts, "claimed").is_prepared
    assert not claimed(facts, "none").is_prepared
    later = claimed(facts_in(State.LAUNCH), "none")
    later.process.epoch = 2
    assert later.is_prepared


# A host that failed.


def test_hosts_that_fail_are_counted_and_those_that_are_too_dear_are_not() -> None:
    facts = facts_in(State.BOOT, provision={"attempts": 2})
    moved(facts, Trigger.HOST_FAILED, State.RELEASE, reason=Reason.HOST_TOO_DEAR)
    assert facts.search.host_failures == 0 and attempts_left(facts)
    key = candidate_key(pod_of(facts).origin.candidate)
    assert facts.search.refusals[key].reason == Reason.HOST_TOO_DEAR
    for failures, left in ((1, True), (2, False)):
        facts.state = State.BOOT
        moved(facts, Trigger.HOST_FAILED, State.RELEASE, reason=Reason.HOST_NEVER_BOOTED)
        assert (facts.search.host_failures, attempts_left(facts)) == (failures, left)


@pytest.mark.parametrize("obstacle", ["an ending", "no failure", "a launch"])
def test_another_host_is_tried_only_where_the_host_failed_and_nothing_was_launched(obstacle: str) -> None:
    facts = facts_in(State.RELEASE)
    facts.search.host_failure = Reason.HOST_NEVER_BOOTED
    assert attempts_left(facts)
    if obstacle == "an ending":
        facts.ending.reason = Reason.CANCELLED
    elif obstacle == "no failure":
        facts.search.host_failure = None
    else:
        facts.launch.intended = True
    assert not attempts_left(facts) and job_was_launched(facts) is (obstacle == "a launch")


def test_retries_are_as_many_as_the_config_grants() -> None:
    facts = claimed(facts_in(State.MONITOR, retries=1), "lost")
    assert retries_left(facts)
    facts.launch.number = 2
    assert not retries_left(facts)


def test_a_next_host_begins_with_nothing_of_the_one_before() -> None:
    facts = facts_in(State.RELEASE)
    facts.search.host_failure, facts.container.why_not_up = Reason.HOST_NEVER_BOOTED, ("x",)
    facts.container.steps_done, facts.container.trees_done = {"setup-0": 0}, {"t"}
    pod = pod_of(facts)
    moved(facts, Trigger.TRY_NEXT, State.SELECT)
    assert (facts.current, facts.container.armed, facts.container.why_not_up, facts.search.host_failure) == (
        None,
        None,
        (),
        None,
    )
    assert not facts.container.steps_done and not facts.container.trees_done and pod.is_gone


# A new process.


def test_a_new_process_forgets_what_was_asked_and_counted_and_trusts_no_claim() -> None:
    facts = asked(running(), "cancel", how="delete")
    facts.contact.tries = {"x": Tries(stamp(1.0), 1, stamp(1.0), "cut", "link_lost")}
    facts.contact.outage, facts.contact.offline_seconds = Outage(stamp(1.0), stamp(1.0), True, None), 5.0
    facts.release.key_refused_since, facts.release.tries, facts.release.tried_since = stamp(1.0), 3, stamp(1.0)
    facts.results.fetching.failures = {"model": 3}
    facts.process.problems, facts.results.since = (), stamp(1.0)
    facts.release.proof.surveys, facts.release.proof.since, facts.release.proof.is_complete = 2, stamp(1.0), True
    pod = pod_of(facts)
    pod.missed, pod.refused_starts = Missed(2, stamp(1.0)), 3
    fold(facts, RESUMED, at=500.0)
    assert facts.request is None and facts.process.asked == Asked() and not facts.launch.claim_is_fresh
    assert facts.contact.tries == {"x": Tries(error="cut", reason="link_lost")}, "why it failed may still be told"
    assert (facts.contact.outage, facts.contact.offline_seconds, facts.results.fetching.failures) == (None, 0.0, {})
    assert (facts.release.key_refused_since, facts.release.tries, facts.release.tried_since) == (None, 0, None)
    assert facts.process.problems is None
    assert facts.results.since == facts.process.since == stamp(500.0)
    assert (facts.release.proof.surveys, facts.release.proof.since, facts.release.proof.is_complete) == (0, None, False)
    assert (pod.missed.looks, pod.missed.since, pod.refused_starts) == (0, None, 0)


def test_a_new_process_is_an_owner_of_its_own() -> None:
    facts = running()
    before = target(facts).owner
    fold(facts, RESUMED)
    assert target(facts).owner == facts.progress.head != before


@pytest.mark.parametrize(("pod_id", "is_unknown", "error", "is_later"), [
    (None, True, None, True), ("pod1", True, None, False), (None, False, None, False), (None, True, "gone", False),
])  # fmt: skip
def test_a_create_that_nobody_answered_may_have_left_until_the_new_process_came(
    pod_id: str | None, is_unknown: bool, error: str | None, is_later: bool
) -> None:
    facts = facts_in(State.CREATE)
    pod = pod_of(facts)
    pod.id, pod.is_unknown, pod.origin.create_error = pod_id, is_unknown, error
    fold(facts, RESUMED, at=500.0)
    assert pod.origin.last_sent_at == stamp(500.0 if is_later else 0.0)


def test_moments_of_another_boot_are_carried_over_and_lie_in_no_future() -> None:
    facts = running()
    pod = pod_of(facts)
    ahead = stamp(9e6)
    pod.origin.last_sent_at = pod.origin.sent_at = pod.started_at = pod.spans[0].since = facts.launch.claimed_since = (
        ahead
    )
    facts.debts.released, facts.results.checkpoint_tried = {"pod1": ahead}, {"/ck": ahead}
    now = stamp(500.0, "boot-2")
    from rpd.states.fold.moves import resume

    resume(facts, now)
    moments = [
        pod.origin.last_sent_at,
        pod.origin.sent_at,
        pod.started_at,
        pod.spans[0].since,
        facts.launch.claimed_since,
    ]
    assert [*moments, facts.debts.released["pod1"], facts.results.checkpoint_tried["/ck"]] == [now] * 7


# Requests.


def test_a_run_that_cannot_keep_its_journal_ends_whatever_else_is_asked() -> None:
    facts = asked(running(), "release", storage_error=True)
    assert asked(facts, "detach").request == "release" and facts.process.asked.storage_error


@pytest.mark.parametrize(("signal", "request_then"), [("interrupt", "gc"), ("terminate", "gc"), ("cancel", "cancel")])
def test_a_signal_to_gc_means_gc(signal: str, request_then: str) -> None:
    assert asked(asked(running(), "gc"), signal).request == request_then


def test_what_was_handed_over_is_known() -> None:
    facts = running()
    fold(facts, HandedOver("rpd-x-a1", "run-2", "/j"))
    assert facts.lineage.handed_over == {"rpd-x-a1": "run-2"}


# Failures.


def test_only_what_is_known_to_have_failed_counts_as_a_failure() -> None:
    facts = facts_in(State.SETUP)
    outcome(facts, Op.RUN_STEP, "unknown", reason="link_lost", error="cut")
    assert facts.contact.tries == {Op.RUN_STEP: Tries(stamp(200.0), error="cut", reason="link_lost")}
    outcome(facts, Op.RUN_STEP, "failed", reason=IDEMPOTENT, error="again", settled=True)
    step = facts.tried(Op.RUN_STEP)
    assert (step.failures, step.since) == (1, stamp(200.0))
    assert (step.error, step.reason) == ("cut", "link_lost"), "what was known of it explains more"
    outcome(facts, Op.RUN_STEP, "unknown", at=210.0, reason="link_lost", settled=True)
    step = facts.tried(Op.RUN_STEP)
    assert (step.failures, step.since) == (2, stamp(200.0))


def test_a_pause_doubles_up_to_its_cap_and_counts_from_the_last_try() -> None:
    facts = facts_in(State.SETUP)
    assert pause_left(facts, Op.GREET, stamp(0.0), first=1.0, cap=4.0) == 0.0
    for failures, pause in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 4.0)):
        tried(facts, Op.GREET, stamp(100.0), failures)
        assert pause_left(facts, Op.GREET, stamp(100.0), first=1.0, cap=4.0) == pause
        assert pause_left(facts, Op.GREET, stamp(100.0 + pause), first=1.0, cap=4.0) == 0.0


def test_a_remote_call_names_the_pinned_key_and_a_look_what_is_not_owed() -> None:
    facts = running()
    assert target(facts).host_key == "SHA256:k"
    assert ReadPod.in_hand(facts) == ReadPod("pod1")
    facts.debts.compute.clear()
    assert ReadPod.in_hand(facts) == ReadPod("pod1", pod_of(facts).name)


# Creating and taking up.


def created(facts: Facts, status: str = "ok", **more: Any) -> PodFacts:
    candidate = Candidate("g", None, "SECURE")
    order = create._order(facts, candidate, "n", START_WALL)
    args = plain(order=order, candidate=candidate, usd_per_hour=2.0, run_id="r", quiet_window_seconds=180.0)
    fold(facts, Intent("1", Op.CREATE_POD, "create", args, attempt=2), at=10.0)
    assert pod_of(facts).is_unknown, "from the intent on"
    outcome(facts, Op.CREATE_POD, status, at=20.0, **more)
    return pod_of(facts)


def test_a_pod_costs_from_the_moment_at_which_it_was_asked_for_at_the_rate_that_the_cloud_says() -> None:
    pod = created(
        facts_in(State.CREATE), data={"pod": {"id": "p", "name": "n", "status": "RUNNING", "usd_per_hour": 3.0}}
    )
    assert pod.spans == [Span(stamp(10.0), 3.0)] and pod.usd_per_hour == 3.0 and not pod.is_unknown
    silent = created(facts_in(State.CREATE), data={"pod": {"id": "p", "name": "n", "status": "RUNNING"}})
    assert silent.usd_per_hour == silent.spans[0].usd_per_hour == 2.0


def test_a_pod_that_was_found_may_have_a_twin() -> None:
    plain = {"id": "p", "name": "n", "status": "RUNNING"}
    assert created(facts_in(State.CREATE), data={"pod": plain, "adopted": True}).is_unknown


@pytest.mark.parametrize(
    ("reason", "data", "is_gone"), [("no_capacity", {}, True), ("proved_absent", {"may_appear": True}, False)]
)
def test_a_create_without_a_pod_is_over_unless_one_may_still_appear(
    reason: str, data: dict[str, Any], is_gone: bool
) -> None:
    facts = facts_in(State.CREATE)
    pod = created(facts, "failed", reason=reason, data=data)
    assert (pod.is_gone, pod.is_unknown, facts.absent_creates) == (is_gone, not is_gone, int(not is_gone))


@pytest.mark.parametrize(
    ("reason", "is_refused"),
    [
        ("no_capacity", True),
        ("pool_forbidden", True),
        ("proved_absent", True),
        ("no_credit", False),
        ("invalid", False),
    ],
)
def test_a_refusal_counts_against_a_candidate_only_where_another_may_not_have_it(reason: str, is_refused: bool) -> None:
    facts = facts_in(State.CREATE)
    created(facts, "failed", reason=reason)
    assert bool(facts.search.refusals) is is_refused and pod_of(facts).origin.create_error == reason


@pytest.mark.parametrize(("settled", "moment"), [(False, 20.0), (True, 10.0)])
def test_a_create_may_have_left_as_late_as_its_own_answer(settled: bool, moment: float) -> None:
    pod = created(facts_in(State.CREATE), "failed", reason="no_capacity", settled=settled)
    assert pod.origin.last_sent_at == stamp(moment)


@pytest.mark.parametrize("is_unwanted", [False, True])
def test_a_paused_pod_is_taken_up_as_it_was_left(is_unwanted: bool) -> None:
    facts = facts_in(State.RECLAIM)
    facts.current = None
    paused = {"pod_id": "p", "pod_name": "n", "run_id": "r", "born_run": "b", "gpu_id": "g", "cloud": "SECURE",
              "datacenter_id": None, "usd_per_hour": 2.0, "journal": "/j", "shape": {}}  # fmt: skip
    outcome(facts, Op.HAND_OVER, data={"paused": paused, "is_unwanted": is_unwanted})
    assert facts.pods["n"].released_as == "stop" and facts.pods["n"].spans == []
    assert facts.current == (None if is_unwanted else "n"), "what is only deleted is not the pod in hand"


def test_a_manifest_is_written_anew_at_the_end_and_what_was_not_stopped_is_gone() -> None:
    facts = facts_in(State.RELEASE)
    facts.report.manifest_sha256 = "ab"
    pod_of(facts).released_as = "delete"
    moved(facts, Trigger.RELEASED, State.REPORT)
    assert facts.report.manifest_sha256 is None and pod_of(facts).is_gone
    facts = facts_in(State.RELEASE)
    pod_of(facts).released_as = "stop"
    moved(facts, Trigger.RELEASED, State.REPORT)
    assert not pod_of(facts).is_gone


def test_a_pod_that_vanished_cost_until_it_was_first_missed() -> None:
    facts = running()
    pod_of(facts).missed = Missed(1, stamp(150.0))
    moved(facts, Trigger.POD_GONE, State.RELEASE, at=300.0)
    assert pod_of(facts).is_gone and pod_of(facts).spans[-1].until == stamp(150.0)


def test_an_ending_stays_until_another_takes_its_place() -> None:
    facts = facts_in(State.MONITOR)
    moved(facts, Trigger.OUT_OF_MONEY, State.COLLECT, reason=Reason.BUDGET)
    moved(facts, Trigger.COLLECTED, State.RELEASE)
    assert facts.ending.reason is Reason.BUDGET
    moved(facts, Trigger.COLLECT_FAILED, State.RELEASE, reason="a word of a later version")
    assert facts.ending.reason is Reason.BUDGET


@pytest.mark.parametrize(("trigger", "gave_up"), [(Trigger.COLLECTED, False), (Trigger.COLLECT_FAILED, True)])
def test_who_leaves_without_the_results_has_given_up(trigger: Trigger, gave_up: bool) -> None:
    facts = facts_in(State.COLLECT)
    facts.results.errors = dict.fromkeys(facts.uncollected, "it does not verify")
    moved(facts, trigger, State.RELEASE)
    assert facts.results.gave_up is gave_up


def test_who_leaves_before_all_was_tried_has_not_given_up() -> None:
    facts = facts_in(State.COLLECT)
    assert facts.uncollected
    moved(facts, Trigger.COLLECT_FAILED, State.RELEASE)
    assert not facts.results.gave_up


def test_a_place_changes_with_the_start_and_the_address() -> None:
    pod = pod_of(running())
    assert pod.seen is not None
    places = {pod.start_and_address}
    for change in ({"started_at": "t"}, {"ssh": SshAddress("h", 22)}):
        pod.seen = msgspec.structs.replace(pod.seen, **change)
        places.add(pod.start_and_address)
    assert len(places) == 3


def test_a_signal_is_a_request_of_this_epoch_only() -> None:
    facts = running()
    fold(facts, Requested("cancel", "somebody", {}))
    assert facts.process.requests == ["cancel"]


def test_a_survey_that_failed_proves_nothing() -> None:
    facts = facts_in(State.RELEASE)
    facts.release.proof.surveys, facts.release.proof.since = 2, stamp(1.0)
    seen(facts, Op.SURVEY, error="no", reason="server_error")
    assert (facts.release.proof.surveys, facts.release.proof.since, facts.release.key_refused_since) == (0, None, None)
    for reason in ("key_refused", "forbidden", "blocked"):
        facts.release.key_refused_since = None
        for moment in (200.0, 300.0):
            seen(facts, Op.SURVEY, at=moment, error="no", reason=reason)
        assert facts.release.key_refused_since == stamp(200.0), "a person has as long as promised to mend it"
    facts.release.key_refused_since = None
    seen(facts, Op.READ_POD, error="no", reason="key_refused")
    assert facts.release.key_refused_since is None


@pytest.mark.parametrize(("allow_empty", "missing"), [(False, ("model",)), (True, ())])
def test_an_empty_folder_is_none_unless_the_file_allows_it(allow_empty: bool, missing: tuple[str, ...]) -> None:
    model = {"label": "model", "remote_path": "/workspace/out", "local_path": "/tmp/out", "allow_empty": allow_empty}
    facts = facts_in(State.COLLECT, artifacts=[model])
    outcome(facts, Op.PULL_ARTIFACT, data={"label": "model", **plain(pulled=Pulled("model", False, is_empty=True))})
    assert facts.missing == missing
    assert facts.what_is_missing == ("" if allow_empty else "no file in the folder at the remote path of: model")


# Records of other writers.


def test_an_outcome_that_another_intent_came_before_counts_for_its_own() -> None:
    """A process that cannot drive the run stops its pod beside an intent that is still open."""
    facts = facts_in(State.RELEASE)
    stop = {"pod_id": "pod1"}
    fold(facts, Intent("0001-stop_pod", Op.STOP_POD, "release", stop))
    fold(facts, Intent("late-1", Op.STOP_POD, "release", stop), at=201.0)
    fold(facts, Outcome("late-1", Op.STOP_POD, "failed", "timeout", data=stop), at=202.0)
    assert pod_of(facts).released_as is None
    fold(facts, Outcome("0001-stop_pod", Op.STOP_POD, "ok", settled=True, data=stop), at=203.0)
    assert (pod_of(facts).released_as, facts.debts.released) == ("stop", {"pod1": stamp(203.0)})
    for number in range(3):
        fold(facts, Intent(f"again-{number}", Op.STOP_POD, "release", stop), at=204.0)
        fold(facts, Outcome(f"again-{number}", Op.STOP_POD, "ok", data=stop), at=204.0)
    assert list(facts.progress.begun) == ["again-2"], "settled ones are forgotten"


def test_records_with_less_in_them_are_read() -> None:
    facts = facts_in(State.SETUP)
    outcome(facts, Op.RUN_STEP, data={"key": "k", "exit_code": 3})
    assert (facts.container.steps_done, facts.container.step_tail) == ({"k": 3}, ())
    seen(facts, Op.READ_POD)
    assert pod_of(facts).missed.looks == 1
    for detail in ({"terminal": 1}, {"fault": None}, {"storage_error": 1, "missing": "X"}):
        asked(facts, "release", **detail)
    assert facts.process.asked == Asked(storage_error=True)


def test_what_is_always_there_is_written_also_when_it_is_empty() -> None:
    written = [
        (StepDone("k", 0), {"key": "k", "exit_code": 0, "tail": ()}),
        (PodSeen(), {"pod": None}),
        (LogLines(()), {"lines": (), "container": (), "sign": None}),
    ]
    for answer, data in written:
        assert msgspec.to_builtins(answer) == data
    paused = msgspec.convert(EXAMPLES[Op.HAND_OVER]["paused"], Paused)
    assert msgspec.to_builtins(HandOver(paused, is_unwanted=False, drift=()))["drift"] == ()


def test_a_masked_name_of_a_secret_can_be_read_back() -> None:
    facts = facts_in(State.STAGE)
    begun(facts, Op.PLACE_SECRETS, secrets=[{"name": "env", "destination": "/run/env", "env": ["MY_***"]}])
    assert pod_of(facts).container.secrets_left == "disk"


CARRIED = {
    *("PodFacts.started_at", "Origin.sent_at", "Origin.last_sent_at", "Launch.claimed_since"),
    *("Results.checkpoint_tried", "Debts.released"),
}
"""Moments from which a wait still counts in the next process, after the machine was started anew."""
JUDGED = {
    *("Progress.started", "Progress.entered", "Process.since", "Process.requested_at", "Process.surveyed"),
    *(
        "Container.awaited_since",
        "Container.unreached_since",
        "Knocks.refused_since",
        "Knocks.closed_since",
        "PodFacts.released_at",
    ),
    *("Lease.gone_since", "Launch.since", "Results.since", "Fetching.gained_at", "Report.noticed"),
    *("Release.since", "Release.tried_since", "Release.key_refused_since", "Proof.since"),
}
"""Those that a new process forgets or sets anew, and those that only tell."""
WRONG = Stamp(START_WALL + 1e6, 50.0, "boot-1")


def test_each_moment_is_carried_over_to_another_start_of_the_machine_or_was_judged() -> None:
    """A new field with a moment has to be put into one of the two sets."""
    facts = facts_in(State.COLLECT)
    pod = pod_of(facts)
    parts = (facts.progress, facts.process, facts.lease, facts.launch, facts.results, facts.results.fetching)
    parts += (facts.report, facts.debts, facts.release, facts.release.proof, pod, pod.origin)  # type: ignore[assignment]
    parts += (pod.container, pod.container.knocks)  # type: ignore[assignment]
    moments = {}
    for part in parts:
        for field in msgspec.structs.fields(type(part)):
            if "Stamp" in str(field.type):
                value = {"x": WRONG} if "dict" in str(field.type) else WRONG
                setattr(part, field.name, value)
                moments[f"{type(part).__name__}.{field.name}"] = (part, field.name, value)
    assert moments.keys() == CARRIED | JUDGED
    moves._carry_over(facts, Stamp(START_WALL + 500.0, 5.0, "boot-2"))
    assert {name for name, (part, field, value) in moments.items() if getattr(part, field) != value} == CARRIED
