"""The network goes away for a while, in every state: the way to the API, the way to the pod, or both. The shipped
lifecycle over fakes, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise, product

import pytest

from rpd.adapters.report.plain import cost_line
from rpd.adapters.report.story import tell
from rpd.engine.deadline import elapsed
from rpd.engine.decision import Decision, Do
from rpd.engine.errors import Ambiguous, NotSent, Refused, RpdError, Unavailable
from rpd.engine.runner import Ending
from rpd.journal.records import Stamp, Transition
from rpd.states.policy.outage import count, explain, is_offline, note
from rpd.states.policy.rules import is_protected
from rpd.states.ports.names import Op, State
from tests.fakes.fake_world import FakeWorld
from tests.fakes.remote import FakeJob

STATES = tuple(state for state in State if state not in (State.REPORT, State.DONE))
WITHOUT_ADDRESS = (State.VALIDATE, State.RECLAIM, State.SELECT, State.CREATE, State.BOOT)
COMING_UP = (*WITHOUT_ADDRESS, State.CONNECT)
BEFORE_LAUNCH = (*COMING_UP, State.ARM, State.SETUP, State.STAGE, State.PREFLIGHT)
HOW_LONG = (20.0, 120.0, 480.0, 900.0)
DELETE = {"lifecycle": {"on_success": "delete", "on_failure": "delete"}}


def outage(state: State, who: str, seconds: float, *, drops: bool = False) -> tuple[FakeWorld, Ending]:
    """A run that meets it when it first decides something in this state, to the end of its process."""
    fake = FakeWorld(FakeJob(seconds=240.0), **DELETE)

    def begin() -> None:
        if who != "SSH":
            fake.cloud.lose_api(seconds, drops=drops)
        if who != "API":
            fake.remote.lose_link(seconds, drops=drops)

    once_in(fake, state, begin)
    return fake, fake.process()


def once_in(fake: FakeWorld, state: State, act: Callable[[], None]) -> None:
    """Do this before the first decision in this state takes effect."""

    def hear(decision: Decision) -> None:
        if fake.facts.state is state:
            fake.hear_decision = lambda decision: None
            act()

    fake.hear_decision = hear


def go_offline(fake: FakeWorld, seconds: float) -> None:
    """Nothing gets through to anybody."""
    fake.cloud.lose_api(seconds)
    fake.remote.lose_link(seconds)


def expected(state: State, who: str, seconds: float) -> tuple[str, str]:
    """Outcome and reason of the run. An outage within patience changes neither."""
    if seconds < 600.0 or state not in BEFORE_LAUNCH:
        return "succeeded", "job_succeeded"
    if who == "both" or (who == "API" and state in WITHOUT_ADDRESS):
        return "refused", "cloud_unreachable"
    if who == "API":
        return "succeeded", "job_succeeded"  # where the way to the pod is known, work goes on
    return "refused", "hosts_never_booted" if state in COMING_UP else "pod_unreachable"


def moment(second: float) -> Stamp:
    return Stamp(second, second, "boot")


@pytest.mark.parametrize("who", ["SSH", "API", "both"])
@pytest.mark.parametrize("state", STATES)
def test_an_outage_ends_as_was_promised(state: State, who: str) -> None:
    for seconds, drops in product(HOW_LONG, (False, True)):
        case = f"{who} {'dropped' if drops else 'refused'} for {seconds:.0f} s in {state}"
        fake, ending = outage(state, who, seconds, drops=drops)
        is_parked = who == "SSH" and state is State.COLLECT and seconds > 600.0
        assert (ending.closed, ending.exit_code == 75) == (not is_parked, is_parked), (case, ending)
        if is_parked:
            assert fake.cloud.only().status == "EXITED", case  # with the results in it, whatever the file says
        ending = fake.finish(ending)
        assert (ending.outcome, ending.reason) == expected(state, who, seconds), case
        fake.assert_settled()
        assert len(fake.remote.starts) == (ending.outcome == "succeeded"), case
        assert all(pod.status == "TERMINATED" for pod in fake.cloud.pods.values()), case
        hosts = 2 if who == "SSH" and state in COMING_UP and seconds > 300.0 else 1
        assert len(fake.cloud.pods) <= hosts, case
        if ending.outcome == "refused" and ending.reason != "hosts_never_booted":
            assert "could" in (fake.facts.ending.text or "") and "reached" in (fake.facts.ending.text or ""), case


# Collecting.


def test_what_failed_for_want_of_a_way_does_not_count_against_an_artifact() -> None:
    """Whatever the word: while nothing gets through, no failure says anything about what was to be fetched."""
    fake = FakeWorld(**DELETE)
    once_in(fake, State.COLLECT, lambda: go_offline(fake, 100.0))
    words = ("ssh_unreachable", "timeout", "not_sent", "timeout", "timeout", "timeout", "connection_lost")
    pulls = iter(words)

    def pull(*_: object) -> object:
        fake.clock.advance(10.0)
        for word in pulls:
            raise Unavailable("no answer", reason=word)
        return shipped(*_)  # type: ignore[arg-type]

    shipped, fake.remote.pull = fake.remote.pull, pull  # type: ignore[method-assign,assignment]
    ending = fake.process()
    assert (ending.outcome, ending.reason) == ("succeeded", "job_succeeded")
    fake.assert_settled()


@pytest.mark.parametrize("kind", ["corrupt", "refused"])
def test_results_of_a_good_job_are_never_deleted_uncollected(kind: str) -> None:
    """Whatever the file says for a failure: the job did not fail."""
    fake = FakeWorld(FakeJob(artifacts={"/workspace/out": kind}), **DELETE)
    fake.process()
    assert fake.facts.ending.reason == "results_unverified"
    assert fake.cloud.only().status == "EXITED"


def test_results_of_a_job_that_ended_well_in_time_outlive_a_budget_that_ended_meanwhile() -> None:
    fake = FakeWorld(
        FakeJob(seconds=30.0, artifacts={"/workspace/out": "corrupt"}),
        budget={"cost_cap_usd": 10.0, "ssh_ready_timeout_sec": 300, "max_runtime_minutes": 3},
        **DELETE,
    )
    once_in(fake, State.MONITOR, lambda: go_offline(fake, 300.0))
    fake.process()
    assert fake.facts.ending.reason == "budget"
    assert fake.cloud.only().status == "EXITED"


def test_a_failed_job_is_deleted_only_after_what_it_left_could_be_fetched() -> None:
    fake = FakeWorld(FakeJob(exit_code=3), **DELETE)
    once_in(fake, State.COLLECT, lambda: fake.remote.lose_link(900.0))
    ending = fake.process()
    assert (ending.closed, ending.exit_code) == (False, 75)
    assert fake.cloud.only().status == "EXITED"
    fake.clock.advance(600.0)
    ending = fake.finish(ending)
    assert (ending.outcome, fake.facts.collected) == ("failed", True)
    assert fake.cloud.only().status == "TERMINATED"


@pytest.mark.parametrize("after", [100.0, 297.0], ids=["in boot", "in connect"])
def test_an_outage_just_before_a_host_s_deadline_costs_no_host(after: float) -> None:
    """It has the time that nobody could look, and is looked at once more."""
    fake = FakeWorld()
    fake.cloud.boot_seconds = [400.0]
    once_in(fake, State.BOOT, lambda: fake.clock.after(after, lambda: go_offline(fake, 250.0)))
    assert fake.process().outcome == "succeeded"
    assert len(fake.cloud.pods) == 1


@pytest.mark.parametrize("answer", ["works", "is lost"])
def test_a_create_without_an_answer_waits_for_the_way_back(answer: str) -> None:
    fake = FakeWorld()
    fake.cloud.plan("create", "ambiguous" if answer == "works" else "nothing")
    once_in(fake, State.CREATE, lambda: fake.clock.after(0.15, lambda: go_offline(fake, 480.0)))
    ending = fake.process()
    assert (ending.outcome, len(fake.cloud.pods)) == ("succeeded", 1)
    fake.assert_settled()


# Giving back.


def test_a_machine_that_is_offline_is_no_cloud_that_does_not_let_go() -> None:
    fake = FakeWorld()
    once_in(fake, State.RELEASE, lambda: go_offline(fake, 3000.0))
    ending = fake.process()
    assert (ending.closed, ending.outcome) == (True, "succeeded")
    fake.assert_settled()


def test_a_release_that_never_left_this_machine_is_no_answer() -> None:
    """Only a cloud that answers can be one that does not let go."""
    fake = FakeWorld()
    fake.cloud.plan("delete", *(NotSent("no route", reason="not_sent") for _ in range(6)))
    tried: list[int] = []
    fake.hear_decision = lambda decision: tried.append(fake.facts.release.tries)
    assert fake.process().outcome == "succeeded"
    assert max(tried) <= 2
    fake.assert_settled()


@pytest.mark.parametrize(
    "error",
    [Ambiguous("no answer", reason="timeout"), NotSent("no route", reason="not_sent")],
    ids=["timeout", "unsent"],
)
@pytest.mark.parametrize("op", ["stop", "delete"])
def test_a_release_that_does_not_get_through_while_reads_do_is_slowed_down_and_left(op: str, error: RpdError) -> None:
    """An outage of one call is over with the next answer, and must not forgive the failures of that very call."""
    fake = FakeWorld(lifecycle={"on_success": op})
    fake.remote.switch_probe = "key_refused"  # the switch in the pod does not help either
    fake.cloud.broken[op] = error
    ending = fake.process()
    assert (ending.closed, ending.exit_code) == (False, 8)
    words = "no release gets through" if isinstance(error, NotSent) else "does not release the pod"
    assert words in (ending.why or "")
    tried = [record.at for record in fake.journal.records() if record.event == f"{op}_pod_intent"]
    pauses = [elapsed(one, other) for one, other in pairwise(tried)]
    assert pauses[:4] == sorted(pauses[:4]) and pauses[-1] >= 30.0
    assert 900.0 < elapsed(tried[0], fake.clock.now()) < 1000.0
    assert 20 <= len(tried) <= 45


def test_a_pod_is_given_back_though_no_look_at_the_account_gets_through() -> None:
    """The first delete is cut off with everything else, and from then on the list alone stays silent."""
    fake = FakeWorld(lifecycle={"on_success": "delete"})
    fake.remote.switch_probe = "key_refused"
    fake.cloud.broken["delete"] = NotSent("no route", reason="not_sent")
    fake.cloud.broken["list"] = Unavailable("no whole answer in time", reason="timeout", retryable=True)
    fake.clock.after(150.0, lambda: fake.cloud.broken.pop("delete"))
    fake.clock.after(600.0, lambda: fake.cloud.broken.pop("list"))
    gone_at: list[Stamp] = []

    def watch(_decision: Decision) -> None:
        if not gone_at and any(pod.status == "TERMINATED" for pod in fake.cloud.pods.values()):
            gone_at.append(fake.clock.now())

    fake.hear_decision = watch
    began = fake.clock.now()
    assert fake.process().outcome == "succeeded"
    assert elapsed(began, gone_at[0]) < 400.0, "it did not bill until the list was back"
    fake.assert_settled()


@pytest.mark.parametrize(
    "error", [Ambiguous("", reason="timeout"), NotSent("", reason="not_sent")], ids=["timeout", "unsent"]
)
def test_a_start_that_does_not_get_through_while_reads_do_is_slowed_down_and_given_up(error: RpdError) -> None:
    fake = FakeWorld(FakeJob(seconds=600.0))
    fake.cloud.broken["start"] = error
    fake.clock.after(100.0, lambda: fake.cloud.halt(fake.cloud.only()))
    ending = fake.process()
    assert (ending.closed, ending.exit_code) == (False, 75)
    assert fake.cloud.only().status == "EXITED" and fake.compute_debts == []
    tried = [record.at for record in fake.journal.records() if record.event == "start_pod_intent"]
    assert max(elapsed(one, other) for one, other in pairwise(tried)) >= 60.0
    assert 10 <= len(tried) <= 20 and elapsed(tried[0], fake.clock.now()) < 750.0


def test_only_failures_of_an_outage_itself_are_forgiven_with_it() -> None:
    fake = FakeWorld()
    fake.process()
    facts = fake.facts
    facts.contact.tries.clear()
    facts.contact.offline_seconds, facts.progress.entered = 0.0, moment(0.0)

    def fold(op: Op, reason: str | None, second: float) -> None:
        note(facts, op, reason, reason, moment(second))
        count(facts, op, reason, reason, moment(second))

    fold(Op.DELETE_POD, "still_there", 0.0)
    fold(Op.RUN_STEP, "link_lost", 10.0)
    fold(Op.READ_POD, None, 20.0)
    fold(Op.RUN_STEP, "link_lost", 30.0)
    fold(Op.PUSH_TREE, "ssh_unreachable", 40.0)
    assert facts.contact.outage is not None and not is_offline(facts), "the pod alone is silent"
    fold(Op.SURVEY, "timeout", 50.0)
    assert is_offline(facts)
    fold(Op.READ_POD, None, 90.0)
    assert (facts.contact.outage, facts.contact.offline_seconds) == (None, 60.0)
    assert facts.tried(Op.PUSH_TREE).failures == facts.tried(Op.SURVEY).failures == 0
    assert (facts.tried(Op.DELETE_POD).failures, facts.tried(Op.DELETE_POD).since) == (1, moment(0.0))
    step = facts.tried(Op.RUN_STEP)
    assert (step.failures, step.since) == (0, moment(70.0)), "at once, without the time in which nothing got through"


def test_the_doubt_about_a_try_does_not_end_a_row_of_its_probe_s_words() -> None:
    fake = FakeWorld()
    fake.process()
    facts, op = fake.facts, Op.DELETE_POD
    facts.contact.tries.clear()
    for second in (0.0, 10.0, 20.0):
        explain(facts, op, "no answer", "timeout", moment(second))
        count(facts, op, "still RUNNING", "still_there", moment(second))
    assert (facts.tried(op).failures, facts.tried(op).since) == (3, moment(0.0))
    assert facts.tried(op).error == "still RUNNING"


def test_a_proof_goes_on_after_an_outage() -> None:
    fake = FakeWorld()
    seen: list[int] = []

    def hear(decision: Decision) -> None:
        if fake.facts.release.proof.surveys == 2 and not seen:
            seen.append(1)
            go_offline(fake, 60.0)
        elif seen and fake.facts.contact.outage is not None:
            seen.append(fake.facts.release.proof.surveys)

    fake.hear_decision = hear
    fake.process()
    assert len(seen) > 2 and set(seen[1:]) == {2}
    fake.assert_settled()


def test_a_secret_that_cannot_be_removed_while_offline_costs_no_pod() -> None:
    secret = {"name": "token", "destination": "/workspace/.token", "env": ["TOKEN"]}
    fake = FakeWorld(secrets=[secret], lifecycle={"on_success": "stop"})
    fake.remote.is_volatile = False
    once_in(fake, State.RELEASE, lambda: go_offline(fake, 120.0))
    assert fake.process().outcome == "succeeded"
    assert fake.cloud.only().status == "EXITED" and "secrets" not in fake.cloud.only().volume


# Patience.


def test_a_machine_that_slept_while_offline_has_its_patience_anew() -> None:
    fake = FakeWorld()

    def begin() -> None:
        go_offline(fake, 3750.0)
        fake.clock.after(50.0, lambda: fake.clock.sleep_machine(3600.0))

    once_in(fake, State.SETUP, begin)
    assert fake.process().outcome == "succeeded"
    fake.assert_settled()


def test_one_odd_answer_after_an_outage_does_not_end_a_step() -> None:
    """Failures of the way and failures of the step are different rows."""
    fake = FakeWorld()
    fake.remote.plans["run_step"] = [Unavailable("half an answer", reason="unreadable")]
    once_in(fake, State.SETUP, lambda: fake.remote.lose_link(120.0))
    assert fake.process().outcome == "succeeded"


def test_a_row_of_one_kind_ends_with_a_failure_of_another() -> None:
    fake = FakeWorld()
    fake.process()
    facts, op = fake.facts, Op.RUN_STEP
    facts.contact.tries.clear()
    for second, reason in enumerate(("link_lost", "link_lost", "link_lost", "no_tool", "no_tool")):
        count(facts, op, "it failed", reason, Stamp(float(second), float(second), "boot"))
    assert (facts.tried(op).failures, facts.tried(op).since) == (2, Stamp(3.0, 3.0, "boot"))


def test_a_try_in_doubt_does_not_bridge_a_sleep() -> None:
    fake = FakeWorld()
    fake.process()
    facts, op = fake.facts, Op.RUN_STEP
    facts.contact.tries.clear()
    for second in (0.0, 3600.0):
        at = Stamp(second, second, "boot")
        explain(facts, op, "cut off", "link_lost", at)
        count(facts, op, "done again", "repeatable", at)
    assert (facts.tried(op).failures, facts.tried(op).since) == (2, Stamp(3600.0, 3600.0, "boot"))
    assert facts.tried(op).error == "cut off"


def test_a_step_that_fails_by_itself_still_ends_the_phase_while_the_api_is_down() -> None:
    fake = FakeWorld()
    fake.remote.plans["run_step"] = [Unavailable("half an answer", reason="unreadable") for _ in range(9)]
    once_in(fake, State.SETUP, lambda: fake.cloud.lose_api(400.0))
    ending = fake.process()
    assert (ending.outcome, ending.reason) == ("failed", "setup")
    assert len(fake.remote.plans["run_step"]) == 4


def test_a_stopped_pod_is_no_failed_host_because_its_start_never_left_this_machine() -> None:
    fake = FakeWorld()
    offline: list[bool] = []

    def hear(decision: Decision) -> None:
        if isinstance(decision, Do) and decision.op == Op.START_POD and not offline:
            offline.append(True)
            go_offline(fake, 60.0)

    def stop() -> None:
        fake.cloud.halt(fake.cloud.only())
        fake.hear_decision = hear

    once_in(fake, State.SETUP, stop)
    assert fake.process().outcome == "succeeded"
    assert offline and len(fake.cloud.pods) == 1


def test_after_a_launch_patience_is_the_budget_in_every_state() -> None:
    """A pod that comes back with a job in it is waited for, however long this machine is offline."""
    fake = FakeWorld(FakeJob(seconds=60.0))

    def stop() -> None:
        fake.cloud.halt(fake.cloud.only())
        fake.clock.after(10.0, lambda: once_in(fake, State.CONNECT, lambda: go_offline(fake, 900.0)))

    once_in(fake, State.COLLECT, stop)
    ending = fake.process()
    assert (ending.closed, ending.outcome) == (True, "succeeded")
    fake.assert_settled()


# The switch.


def test_the_switch_is_armed_when_the_link_is_back() -> None:
    fake = FakeWorld()
    once_in(fake, State.ARM, lambda: fake.remote.lose_link(100.0))
    assert fake.process().outcome == "succeeded"
    moves = [record.body.trigger for record in fake.journal.records() if isinstance(record.body, Transition)]
    assert "switch_armed" in moves and "switch_refused" not in moves


def test_a_run_that_goes_on_unarmed_says_so_and_arms_again() -> None:
    fake = FakeWorld(FakeJob(seconds=600.0))
    fake.remote.plans["arm"] = [Unavailable("half an answer", reason="unreadable") for _ in range(4)]
    lines: list[str] = []

    def hear(decision: Decision) -> None:
        if fake.facts.state is State.MONITOR:
            lines.append(cost_line(fake.facts, fake.clock.now()))

    fake.hear_decision = hear
    assert fake.process().outcome == "succeeded"
    assert "NOT PROTECTED" in lines[0] and "the switch in the pod" in lines[-1]
    told = [tell(record, fake.facts) for record in fake.journal.records() if record.event.startswith("arm_to_setup")]
    assert is_protected(fake.facts) and told


def test_the_story_tells_that_a_run_goes_on_unarmed() -> None:
    fake = FakeWorld()
    fake.remote.plans["arm"] = [Refused("no curl, wget or python3", reason="no_tool", retryable=False)] * 9
    told: list[str | None] = []
    append = fake.journal.append

    def hear(*args: object, **more: object) -> object:
        record = append(*args, **more)  # type: ignore[arg-type]
        if "arm_to_setup" in record.event:
            told.append(tell(record, fake.facts))
        return record

    fake.journal.append = hear  # type: ignore[method-assign,assignment]
    assert fake.process().outcome == "succeeded"
    (line,) = told
    assert line is not None and line.startswith("NOT PROTECTED (no curl") and "sent again" not in line
    assert len(fake.remote.plans["arm"]) == 6  # what is not there does not come by asking again


# Containers that are made anew before the launch.


@pytest.mark.parametrize("state", [State.ARM, State.SETUP, State.STAGE, State.PREFLIGHT, State.LAUNCH])
def test_a_container_made_anew_before_the_launch_is_prepared_anew(state: State) -> None:
    fake = FakeWorld()
    once_in(fake, state, lambda: fake.cloud.renew_container(fake.cloud.only()))
    assert fake.process().outcome == "succeeded"
    fake.assert_settled()
    assert len(fake.cloud.pods) == 1
    assert fake.remote.steps_run[-2:] == ["pip install .", "nvidia-smi"]
    assert is_protected(fake.facts)


def test_a_new_key_is_not_judged_by_a_look_that_brought_no_answer() -> None:
    fake = FakeWorld()

    def restart() -> None:
        fake.cloud.renew_container(fake.cloud.only())
        fake.cloud.lose_api(60.0)

    once_in(fake, State.SETUP, restart)
    assert fake.process().outcome == "succeeded"
    assert len(fake.cloud.pods) == 1


def test_a_container_that_restarts_again_and_again_before_the_launch_is_a_failed_host() -> None:
    fake = FakeWorld()

    def hear(decision: Decision) -> None:
        if isinstance(decision, Do) and decision.op == Op.RUN_STEP:
            fake.cloud.renew_container(list(fake.cloud.pods.values())[-1])

    fake.hear_decision = hear
    ending = fake.process()
    assert (ending.outcome, ending.reason) == ("refused", "hosts_never_booted")
    assert len(fake.cloud.pods) == 2
    fake.assert_settled()


# What the journal keeps.


def test_facts_from_the_journal_know_that_something_gets_through_again() -> None:
    """Looks are written down when they differ from the ones before: that others still work is news after a failure."""
    fake = FakeWorld(FakeJob(seconds=300.0))
    once_in(fake, State.MONITOR, lambda: fake.cloud.lose_api(200.0))
    seen: list[bool] = []

    def hear(decision: Decision) -> None:
        watch = fake.facts.tried(Op.WATCH_JOB)
        if fake.facts.state is State.MONITOR and fake.facts.tried(Op.READ_POD).error and watch.is_answered:
            live, replayed = fake.facts.contact.outage, fake.replayed().contact.outage
            if live is None:
                seen.append(replayed is None)

    fake.clock.after(60.0, lambda: setattr(fake, "hear_decision", hear))
    fake.process()
    assert seen and all(seen)
