"""What ends any state: a request, the budget in time and money, a pod that is not there any more."""

from __future__ import annotations

from typing import Any

import pytest

from rpd.engine.decision import Do, Fire, Leave, Look
from rpd.journal.records import DebtChange
from rpd.states.facts import Facts
from rpd.states.facts.pod import PodFacts
from rpd.states.facts.release import SurveyedPod
from rpd.states.facts.tries import Tries
from rpd.states.interrupts import MISSES_MIN, WITH_POD, interrupts
from rpd.states.ports.exits import Exit
from rpd.states.ports.names import BEFORE_LAUNCH, Op, Reason, State, Trigger
from rpd.states.ports.world import Claim, Pulled
from tests.fakes.facts import args_of, asked, claimed, facts_in, seen, stamp

CHEAP = {"cost_cap_usd": 1000.0}


def running(**config: Any) -> Facts:
    return claimed(facts_in(State.MONITOR, **config), "running")


def trigger(facts: Facts, at: float = 200.0) -> str | None:
    """What is fired, if anything."""
    decision = interrupts(facts.state, facts, stamp(at))
    return decision.trigger if isinstance(decision, Fire) else None


@pytest.mark.parametrize("state", [State.RELEASE, State.REPORT, State.DONE])
def test_nothing_interrupts_the_end(state: State) -> None:
    facts = asked(facts_in(state, budget={"cost_cap_usd": 0.001}), "cancel")
    assert interrupts(state, facts, stamp(9e5)) is None


# Time and money.


@pytest.mark.parametrize("state", [state for state in WITH_POD if state is not State.COLLECT])
def test_time_and_money_end_every_state_that_holds_a_pod(state: State) -> None:
    minutes = facts_in(state, budget={**CHEAP, "max_runtime_minutes": 10})
    assert (trigger(minutes, 599.0), trigger(minutes, 600.0)) == (None, Trigger.OUT_OF_TIME)
    # At a dollar an hour, and disks of 40 GB besides.
    dollars = facts_in(state, budget={"cost_cap_usd": 1.0})
    end = 3600.0 / (1.0 + 40 * 0.1 / 730.0)
    assert (trigger(dollars, end - 1.0), trigger(dollars, end + 1.0)) == (None, Trigger.OUT_OF_MONEY)


def test_the_budget_says_why_the_run_ends() -> None:
    decision = interrupts(State.MONITOR, running(budget={"cost_cap_usd": 0.1}), stamp(9999.0))
    assert isinstance(decision, Fire) and decision.reason is Reason.BUDGET


def test_the_budget_does_not_end_what_owes_nothing_or_has_its_ending() -> None:
    facts = running(budget={"cost_cap_usd": 0.1})
    facts.debts.compute.clear()
    assert trigger(facts, 9999.0) is None
    facts = running(budget={"cost_cap_usd": 0.1})
    facts.ending.reason = Reason.CANCELLED
    assert trigger(facts, 9999.0) is None


def test_the_budget_and_requests_do_not_stop_the_fetching_of_results() -> None:
    facts = asked(claimed(facts_in(State.COLLECT, budget={"cost_cap_usd": 0.1}), "ended", exit_code=0), "cancel")
    assert trigger(facts, 9999.0) is None


# Requests.


@pytest.mark.parametrize("state", BEFORE_LAUNCH)
@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("cancel", Reason.CANCELLED),
        ("release", Reason.CANCELLED),
        ("interrupt", Reason.INTERRUPTED),
        ("terminate", Reason.TERMINATED),
        ("gc", Reason.COLLECTED_BY_GC),
    ],
)
def test_before_the_launch_any_request_ends_the_run(state: State, what: str, reason: Reason) -> None:
    decision = interrupts(state, asked(facts_in(state), what), stamp(200.0))
    assert isinstance(decision, Fire) and (decision.trigger, decision.reason) == (Trigger.CANCEL, reason)


def surveyed(facts: Facts, *, at: float = 200.0) -> Facts:
    """The account was looked over, and shows the pod in hand alone."""
    seen(facts, Op.SURVEY, at=at, found=[SurveyedPod("pod1", f"{facts.name_prefix}1", "RUNNING")])
    return facts


def test_a_detach_waits_for_the_job_and_leaves_it_then() -> None:
    facts = asked(surveyed(facts_in(State.SETUP)), "detach")
    assert interrupts(State.SETUP, facts, stamp(200.0)) is None
    look = interrupts(State.MONITOR, asked(running(), "detach"), stamp(200.0))
    assert isinstance(look, Look) and look.op == Op.SURVEY, "its create may have made two pods"
    left = interrupts(State.MONITOR, asked(surveyed(running()), "detach"), stamp(200.0))
    assert isinstance(left, Leave) and left.exit_code == Exit.RESUMABLE and left.released_by


@pytest.mark.parametrize("fault", ["unproved", "unarmed", "another start", "another debt"])
def test_a_pod_that_no_switch_looks_after_is_left_with_8(fault: str) -> None:
    facts = asked(surveyed(running()), "detach")
    assert facts.container.armed is not None
    if fault == "unproved":
        facts.container.armed = type(facts.container.armed)(1, facts.container.armed.limit_at, "forbidden", True)
    elif fault == "unarmed":
        facts.container.armed = None
    elif fault == "another start":
        facts.container.armed_start = 0
    else:
        facts.debts.compute["another"] = DebtChange("another", "compute", "open")
    left = interrupts(State.MONITOR, facts, stamp(200.0))
    assert isinstance(left, Leave) and left.exit_code == Exit.STILL_BILLING


@pytest.mark.parametrize("state", [State.LAUNCH, State.MONITOR])
def test_gc_touches_no_job_that_may_run(state: State) -> None:
    facts = asked(facts_in(state), "gc")
    assert trigger(facts) == Trigger.CANCEL, "nothing was launched"
    assert trigger(claimed(facts, "running")) is None
    facts.launch.claim_is_fresh = False
    facts.launch.claim = Claim("none", 1)
    assert trigger(facts) is None, "what was read in another epoch does not hold"
    assert trigger(claimed(facts, "none")) == Trigger.CANCEL


def test_gc_leaves_the_ending_of_a_launched_run_to_resume() -> None:
    facts = asked(facts_in(State.BOOT), "gc")
    facts.launch.intended = True
    assert interrupts(State.BOOT, facts, stamp(200.0)) == Fire(Trigger.CANCEL)


def test_another_owner_is_left_alone() -> None:
    facts = running()
    seen(facts, Op.WATCH_JOB, error="another owner", reason="taken_over")
    assert isinstance(interrupts(State.MONITOR, facts, stamp(200.0)), Leave)
    assert facts.launch.was_taken_over and not facts.launch.claim_is_fresh
    facts = surveyed(running())
    facts.contact.tries = {Op.WATCH_JOB: Tries(error="another owner", reason="taken_over")}
    assert interrupts(State.MONITOR, facts, stamp(200.0)) is None, "that was in another process"


# A pod that is not there.


def missing(facts: Facts, times: int, *, first: float = 1000.0) -> Facts:
    for index in range(times):
        seen(facts, Op.READ_POD, at=first + index, pod=None)
    return facts


def test_one_look_without_the_pod_proves_nothing_nor_do_many_in_no_time() -> None:
    late = 1000.0 + 30.0
    assert MISSES_MIN == 3
    assert trigger(missing(running(budget=CHEAP), 2), late) is None
    facts = missing(running(budget=CHEAP), 3)
    assert (trigger(facts, late - 1.0), trigger(facts, late)) == (None, Trigger.POD_GONE)


def test_a_look_that_finds_it_again_begins_anew() -> None:
    facts = missing(running(budget=CHEAP), 3)
    assert facts.pod is not None
    seen(facts, Op.READ_POD, at=1005.0, pod=facts.pod.seen)
    assert trigger(missing(facts, 3, first=1040.0), 1050.0) is None


def test_a_young_pod_is_believed_gone_after_a_third_of_the_quiet_window() -> None:
    facts = missing(running(budget=CHEAP), 3, first=10.0)
    assert (trigger(facts, 69.0), trigger(facts, 70.0)) == (None, Trigger.POD_GONE)


def test_a_pod_that_was_never_seen_is_believed_gone_after_the_quiet_window() -> None:
    facts = missing(running(budget=CHEAP), 3)
    assert facts.pod is not None
    facts.pod.seen = None
    assert (trigger(facts, 1179.0), trigger(facts, 1180.0)) == (None, Trigger.POD_GONE)


@pytest.mark.parametrize(
    ("reason", "is_here", "said"),
    [
        (None, False, Reason.POD_VANISHED),
        (Reason.JOB_SUCCEEDED, False, Reason.POD_VANISHED),
        (Reason.JOB_SUCCEEDED, True, None),
        (Reason.JOB_FAILED, False, None),
    ],
)
def test_a_success_needs_its_results_here(reason: Reason | None, is_here: bool, said: Reason | None) -> None:
    facts = missing(claimed(facts_in(State.COLLECT), "ended", exit_code=0), 3)
    facts.ending.reason = reason
    if is_here:
        facts.results.log_fetched, facts.results.pulled = True, {"model": Pulled("model", False)}
    assert interrupts(State.COLLECT, facts, stamp(1100.0)) == Fire(Trigger.POD_GONE, said)


@pytest.mark.parametrize("state", [State.BOOT, State.CONNECT])
def test_a_paused_pod_that_is_gone_gives_way_to_a_fresh_one_unless_it_was_used(state: State) -> None:
    facts = missing(facts_in(state, budget=CHEAP), 3)
    pod = facts.pod
    assert isinstance(pod, PodFacts)
    assert trigger(facts, 1100.0) == Trigger.POD_GONE, "rented by this run"
    pod.origin.paused = object()  # type: ignore[assignment]
    gone = interrupts(state, facts, stamp(1100.0))
    assert isinstance(gone, Fire) and (gone.trigger, gone.reason) == (Trigger.HOST_FAILED, Reason.PAUSED_POD_GONE)
    pod.was_used = True
    assert trigger(facts, 1100.0) == Trigger.POD_GONE


def test_a_paused_pod_that_is_gone_later_is_lost() -> None:
    facts = missing(facts_in(State.SETUP, budget=CHEAP), 3)
    assert facts.pod is not None
    facts.pod.origin.paused = object()  # type: ignore[assignment]
    assert trigger(facts, 1100.0) == Trigger.POD_GONE


def test_a_run_near_its_budget_is_told_of() -> None:
    facts = surveyed(running(budget={**CHEAP, "max_runtime_minutes": 10}))
    decision = interrupts(State.MONITOR, facts, stamp(500.0))
    assert isinstance(decision, Do) and decision.op == Op.NOTIFY
    assert "8.3 of 10 minutes" in args_of(decision)["notice"]["text"]


def test_a_pod_is_young_since_its_last_start() -> None:
    facts = missing(running(budget=CHEAP), 3)
    assert facts.pod is not None
    facts.pod.started_at = stamp(950.0)
    assert (trigger(facts, 1059.0), trigger(facts, 1060.0)) == (None, Trigger.POD_GONE)
    facts.pod.started_at = None
    assert trigger(facts, 1030.0) == Trigger.POD_GONE, "sent long ago"


def test_what_may_never_be_created_here_is_not_lost_with_its_pod() -> None:
    facts = missing(claimed(facts_in(State.COLLECT), "ended", exit_code=0), 3)
    facts.results.log_fetched, facts.results.pulled = True, {"model": Pulled("model", False, refused=1)}
    assert interrupts(State.COLLECT, facts, stamp(1100.0)) == Fire(Trigger.POD_GONE, None)
