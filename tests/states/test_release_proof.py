"""When a release counts as proved, what is given back, and what is only stopped."""

from __future__ import annotations

from typing import Any

import pytest

from rpd.engine.decision import Do, Fire, Leave, Look, Wait
from rpd.engine.errors import Refused
from rpd.engine.operation import Call, Ended
from rpd.journal.records import DebtChange, Observation, Outcome, Stamp
from rpd.states import release
from rpd.states.facts import Facts
from rpd.states.facts.release import SurveyedPod
from rpd.states.facts.run import Asked
from rpd.states.operations import EFFECTS
from rpd.states.operations.account import Survey
from rpd.states.operations.pod import Accepted, DeletePod, StopPod
from rpd.states.policy import cost
from rpd.states.policy.proof import count_survey, proof_text, quiet_seconds_left
from rpd.states.policy.rules import release_how, why_kept
from rpd.states.ports.names import Op, Reason, State, Trigger
from rpd.states.ports.world import Claim, Pod, Pulled
from rpd.states.shared import sweep
from tests.fakes.account import Account
from tests.fakes.facts import data_of, tried
from tests.states.situations import add_pod, at, facts_of, found

GONE: list[SurveyedPod] = []


def releasing(**config: Any) -> Facts:
    facts = facts_of(**config)
    facts.state, facts.release.since = State.RELEASE, at(1000.0)
    return facts


def ended_well(facts: Facts) -> Facts:
    """The job succeeded, and everything is here."""
    facts.launch.intended, facts.ending.reason = True, Reason.JOB_SUCCEEDED
    facts.launch.claim, facts.results.log_fetched = Claim("ended", 1, 0), True
    facts.results.pulled = {"model": Pulled("model", False)}
    return facts


# The proof.


@pytest.mark.parametrize(
    ("moments", "is_proved"),
    [
        ((0.0, 15.0, 30.0), True),
        ((0.0, 15.0, 29.9), False),
        ((0.0, 31.0), False),
        ((0.0, 0.1, 0.2, 0.3, 0.4), False),
        ((0.0, 10.0, 20.0, 30.0), True),
    ],
)
def test_absence_is_proved_by_three_looks_over_thirty_seconds(moments: tuple[float, ...], is_proved: bool) -> None:
    facts = releasing()
    add_pod(facts, released_as="delete")
    for moment in moments:
        count_survey(facts, GONE, at(1000.0 + moment), is_whole=True)
    assert facts.release.proof.is_complete is is_proved
    assert (facts.release.proof.surveys, facts.release.proof.since) == (len(moments), at(1000.0))


def test_a_pod_that_shows_again_or_a_survey_that_fails_begins_the_proof_anew() -> None:
    facts = releasing()
    pod = add_pod(facts, released_as="delete")
    for moment in (0.0, 15.0, 30.0):
        count_survey(facts, GONE, at(1000.0 + moment), is_whole=True)
    count_survey(facts, [found(pod)], at(1040.0), is_whole=True)
    assert (facts.release.proof.is_complete, facts.release.proof.surveys, facts.release.proof.since) == (False, 0, None)
    assert facts.release.proof.found == (found(pod),)
    count_survey(facts, GONE, at(1050.0), is_whole=True)
    Survey.missed(facts, Observation(Op.SURVEY, error="503", reason="server_error"), at(1060.0))
    assert (facts.release.proof.surveys, facts.release.proof.since, facts.release.key_refused_since) == (0, None, None)
    Survey.missed(facts, Observation(Op.SURVEY, error="401", reason="key_refused"), at(1070.0))
    Survey.missed(facts, Observation(Op.SURVEY, error="401", reason="key_refused"), at(1080.0))
    assert facts.release.key_refused_since == at(1070.0)


@pytest.mark.parametrize(
    ("released_as", "status", "is_clean"),
    [
        ("stop", "EXITED", True),
        ("delete", "EXITED", False),
        (None, "EXITED", False),
        ("stop", "RUNNING", False),
        ("stop", "STARTING", False),
        ("stop", "unheard-of", False),
        ("delete", "TERMINATED", True),
        ("stop", "TERMINATED", True),
    ],
)
def test_a_pod_is_as_it_should_be(released_as: str | None, status: str, is_clean: bool) -> None:
    facts = releasing()
    pod = add_pod(facts, released_as=released_as)
    count_survey(facts, [found(pod, status)], at(1000.0), is_whole=True)
    assert (facts.release.proof.surveys == 1) is is_clean
    assert bool(facts.release.proof.found) is not is_clean


def test_a_stop_of_one_pod_says_nothing_of_another() -> None:
    facts = releasing()
    add_pod(facts, released_as="stop")
    other = add_pod(facts, released_as="delete")
    count_survey(facts, [found(other, "EXITED")], at(1000.0), is_whole=True)
    assert facts.release.proof.found == (found(other, "EXITED"),)


def test_the_quiet_window_delays_a_proof_only_where_a_pod_may_still_appear() -> None:
    facts = releasing()
    pod = add_pod(facts, released_as="delete")
    assert quiet_seconds_left(facts, at(10.0)) == 0.0
    pod.was_found = False
    assert quiet_seconds_left(facts, at(10.0)) == 170.0, "never shown: a 404 says nothing yet"
    pod.was_found, pod.is_unknown = True, True
    assert quiet_seconds_left(facts, at(10.0)) == 170.0
    pod.origin.last_sent_at = at(40.0)
    assert quiet_seconds_left(facts, at(50.0)) == 170.0, "counted from when it can have left this machine last"
    assert quiet_seconds_left(facts, at(220.0)) == 0.0
    for moment in (60.0, 100.0, 200.0):
        count_survey(facts, GONE, at(moment), is_whole=True)
    assert not facts.release.proof.is_complete
    count_survey(facts, GONE, at(220.0), is_whole=True)
    assert facts.release.proof.is_complete


def test_what_no_create_of_ours_made_is_another_owner_s() -> None:
    facts = releasing()
    add_pod(facts, released_as="delete")
    count_survey(facts, [SurveyedPod("stranger", f"{facts.name_prefix}7", "RUNNING")], at(1000.0), is_whole=True)
    assert (facts.launch.was_taken_over, facts.release.proof.found, facts.release.proof.surveys) == (True, (), 1)


def test_a_late_pod_gets_its_id_and_is_billed_from_when_it_was_asked_for() -> None:
    facts = releasing()
    pod = add_pod(facts, id=None, is_gone=True, was_found=False, spans=[])
    count_survey(facts, [SurveyedPod("late", pod.name, "RUNNING")], at(1000.0), is_whole=True)
    assert (pod.id, pod.was_found, pod.is_gone) == ("late", True, False)
    assert [(span.since, span.usd_per_hour, span.until) for span in pod.spans] == [(at(0.0), 0.5, None)]


def test_the_proof_in_words() -> None:
    facts = releasing()
    pod = add_pod(facts, released_as="delete")
    for moment in (0.0, 15.0, 30.0):
        count_survey(facts, GONE, at(1000.0 + moment), is_whole=True)
    assert proof_text(facts, at(1031.0)) == "absent by id and by name, seen 3 times over 31.0 s"
    pod.released_as = "stop"
    assert proof_text(facts, at(1031.0)).startswith("stopped or absent by id")


# What is told to go, how, and how often.


def test_a_pod_is_given_back_before_anything_is_proved_and_told_again_while_it_shows() -> None:
    facts = ended_well(releasing())
    pod = add_pod(facts)
    assert release.decide(facts, at(1000.0)) == Do(DeletePod(pod.id))
    facts.release.proof.is_complete = False
    pod.released_as, facts.debts.released = "delete", {"pod1": at(1000.0)}
    assert isinstance(release.decide(facts, at(1001.0)), Look)
    count_survey(facts, [found(pod)], at(1002.0), is_whole=True)
    tried(facts, Op.SURVEY, at(1002.0))
    assert not isinstance(release.decide(facts, at(1009.0)), Do)
    assert release.decide(facts, at(1010.5)) == Do(DeletePod(pod.id))


def test_other_pods_go_first_and_are_deleted() -> None:
    facts = ended_well(releasing(lifecycle={"on_success": "stop"}))
    other, pod = add_pod(facts), add_pod(facts)
    assert release.decide(facts, at(1000.0)) == Do(DeletePod(other.id))
    other.released_as = "delete"
    assert release.decide(facts, at(1000.0)) == Do(StopPod(pod.id))


def test_nothing_is_proved_by_words_alone_and_nothing_rented_needs_no_proof() -> None:
    facts = releasing()
    assert isinstance(release.decide(facts, at(1000.0)), Fire)
    add_pod(facts, id=None, is_unknown=True, spans=[])
    assert isinstance(release.decide(facts, at(1000.0)), Look), "one may have come of the create"


def test_surveys_are_as_far_apart_as_half_of_the_proof_and_further_while_they_fail() -> None:
    facts = ended_well(releasing())
    add_pod(facts, released_as="delete")
    tried(facts, Op.SURVEY, at(1000.0))
    assert isinstance(release.decide(facts, at(1014.9)), Wait)
    assert isinstance(release.decide(facts, at(1015.1)), Look)
    tried(facts, Op.SURVEY, at(1000.0), 2)
    assert isinstance(release.decide(facts, at(1029.9)), Wait)
    assert isinstance(release.decide(facts, at(1030.1)), Look)


@pytest.mark.parametrize(("seconds", "is_over"), [(600.0, False), (600.1, True)])
def test_a_refused_key_is_tried_for_ten_minutes(seconds: float, is_over: bool) -> None:
    facts = ended_well(releasing())
    add_pod(facts)
    facts.release.key_refused_since = at(1000.0)
    left = release.decide(facts, at(1000.0 + seconds))
    assert isinstance(left, Leave) is is_over
    if isinstance(left, Leave):
        assert left.exit_code == 8


@pytest.mark.parametrize(
    ("tries", "seconds", "is_over"), [(20, 901.0, True), (19, 9000.0, False), (20, 900.0, False), (99, 10.0, False)]
)
def test_a_cloud_that_does_not_let_go_is_told_for_fifteen_minutes_and_twenty_times(
    tries: int, seconds: float, is_over: bool
) -> None:
    facts = ended_well(releasing())
    add_pod(facts)
    facts.release.tries, facts.release.tried_since = tries, at(1000.0)
    left = release.decide(facts, at(1000.0 + seconds))
    assert isinstance(left, Leave) is is_over
    if isinstance(left, Leave):
        assert left.exit_code == 8


def answered(facts: Facts, outcome: Outcome, now: Stamp) -> None:
    """The cloud's word on an order to stop or to delete."""
    pod_id = str(outcome.data.get("pod_id", "pod1"))
    answer = Accepted(pod_id) if outcome.status == "ok" else None
    EFFECTS[outcome.op](pod_id=pod_id).end(facts, Ended(outcome, answer, now, now))  # type: ignore[call-arg]


def test_an_accepted_release_ends_the_bill_and_counts_as_a_try() -> None:
    facts = ended_well(releasing())
    pod, other = add_pod(facts), add_pod(facts)
    answered(facts, Outcome("1", Op.DELETE_POD, "failed", "conflict", "no"), at(1000.0))
    assert (facts.release.tries, facts.release.tried_since, pod.spans[0].until) == (1, at(1000.0), None)
    answered(facts, Outcome("2", Op.DELETE_POD, "failed", "key_refused", "no"), at(1001.0))
    assert (facts.release.tries, facts.release.key_refused_since) == (1, at(1001.0))
    answered(facts, Outcome("3", Op.DELETE_POD, "unknown", "timeout", "?"), at(1002.0))
    assert facts.release.tries == 1
    answered(facts, Outcome("4", Op.DELETE_POD, "ok", data={"pod_id": pod.id}), at(1003.0))
    assert (pod.released_as, pod.released_at, pod.spans[0].until) == ("delete", at(1003.0), at(1003.0))
    assert (facts.debts.released, facts.release.key_refused_since, facts.release.tries) == (
        {pod.id: at(1003.0)},
        None,
        2,
    )
    assert (other.released_as, other.spans[0].until) == (None, None)
    answered(facts, Outcome("5", Op.DELETE_POD, "ok", data={"pod_id": pod.id}), at(1050.0))
    assert pod.spans[0].until == at(1050.0), "told twice: it had gone on"


def test_a_stopped_pod_that_is_deleted_later_has_not_computed_meanwhile() -> None:
    facts = ended_well(releasing())
    pod = add_pod(facts)
    answered(facts, Outcome("1", Op.STOP_POD, "ok", data={"pod_id": pod.id}), at(1000.0))
    answered(facts, Outcome("2", Op.DELETE_POD, "ok", data={"pod_id": pod.id}), at(9000.0))
    assert pod.spans[0].until == at(1000.0)


# What follows from the proof.


def proved(facts: Facts) -> Fire:
    facts.release.proof.surveys, facts.release.proof.since, facts.release.proof.is_complete = 3, at(1000.0), True
    decision = release.decide(facts, at(1030.0))
    assert isinstance(decision, Fire)
    return decision


def test_the_proof_closes_every_debt_and_opens_that_of_the_volume_that_is_kept() -> None:
    facts = ended_well(releasing())
    gone, pod = add_pod(facts, released_as="delete"), add_pod(facts, released_as="stop")
    facts.debts.storage = {gone.name: DebtChange(gone.name, "storage", "open")}
    decision = proved(facts)
    proof = proof_text(facts, at(1030.0))
    assert decision.debts == (
        DebtChange(gone.name, "compute", "close", proof=proof),
        DebtChange(pod.name, "compute", "close", proof=proof),
        DebtChange(pod.name, "storage", "open", usd_per_hour=round(cost.stopped_usd_per_hour(20), 6)),
        DebtChange(gone.name, "storage", "close", proof=proof),
    )
    assert decision.trigger == Trigger.RELEASED


def test_a_volume_is_owed_once_and_not_of_a_pod_that_is_gone() -> None:
    facts = ended_well(releasing())
    pod = add_pod(facts, released_as="stop")
    facts.debts.storage = {pod.name: DebtChange(pod.name, "storage", "open")}
    assert [debt.kind for debt in proved(facts).debts] == ["compute"]
    facts.debts.storage.clear()
    pod.is_gone = True
    assert [debt.kind for debt in proved(facts).debts] == ["compute"]


def test_results_that_wait_park_the_run_unless_they_were_renounced() -> None:
    facts = ended_well(releasing())
    add_pod(facts, released_as="stop")
    facts.results.pulled.clear()
    assert proved(facts).trigger == Trigger.PARKED
    facts.progress.parked_epoch, facts.process.requests = 0, ["cancel"]
    assert proved(facts).trigger == Trigger.RELEASED
    facts.process.requests = ["gc"]
    assert proved(facts).trigger == Trigger.PARKED
    facts.process.requests, facts.progress.parked_epoch = ["cancel"], -1
    assert proved(facts).trigger == Trigger.PARKED, "it was not parked before"


def test_a_success_without_its_results_is_none() -> None:
    facts = ended_well(releasing())
    add_pod(facts, is_gone=True, released_as="delete")
    assert proved(facts).reason is None, "it stays what it is"
    facts.results.pulled.clear()
    assert proved(facts).reason is Reason.POD_VANISHED
    facts.results.pulled = {"model": Pulled("model", True)}
    assert proved(facts).reason is Reason.ARTIFACT_MISSING
    facts.results.pulled = {"model": Pulled("model", False, refused=1)}
    assert proved(facts).reason is Reason.RESULTS_UNVERIFIED


def test_a_lost_job_is_launched_again_only_within_its_retries_and_its_budget() -> None:
    facts = releasing(retries=1, budget={"cost_cap_usd": 1.0})
    facts.launch.intended, facts.ending.reason = True, Reason.POD_VANISHED
    pod = add_pod(facts, is_gone=True)
    pod.spans[0].until = at(HALF_HOUR)
    assert proved(facts).trigger == Trigger.RELAUNCH
    pod.spans[0].until = at(3 * HALF_HOUR * 2)
    assert proved(facts).trigger == Trigger.RELEASED, "the budget is used up"
    pod.spans[0].until, facts.launch.number = at(HALF_HOUR), 2
    assert proved(facts).trigger == Trigger.RELEASED
    facts.launch.number, facts.process.requests = 1, ["cancel"]
    assert proved(facts).trigger == Trigger.RELEASED


HALF_HOUR = 1800.0


def test_a_failed_host_leaves_the_way_to_the_next_one_while_attempts_are_left() -> None:
    facts = releasing(provision={"attempts": 2})
    add_pod(facts, released_as="delete")
    facts.search.host_failure, facts.search.host_failures = Reason.HOST_NEVER_BOOTED, 1
    assert proved(facts).trigger == Trigger.TRY_NEXT
    facts.search.host_failures = 2
    last = proved(facts)
    assert (last.trigger, last.reason) == (Trigger.RELEASED, Reason.HOSTS_NEVER_BOOTED)


# Stop or delete.


def test_results_that_nobody_has_are_not_deleted() -> None:
    facts = ended_well(facts_of())
    add_pod(facts)
    assert release_how(facts) == "delete"
    facts.results.pulled.clear()
    assert release_how(facts) == "stop"
    facts.ending.reason = Reason.JOB_FAILED
    facts.results.gave_up = True
    assert release_how(facts) == "stop", "on_failure is stop"


@pytest.mark.parametrize(
    ("reason", "gave_up", "asked", "how"),
    [
        (Reason.JOB_FAILED, True, None, "delete"),
        (Reason.JOB_FAILED, False, None, "stop"),
        (Reason.JOB_FAILED, True, "gc", "stop"),
        (Reason.STORAGE_ERROR, True, None, "stop"),
        (Reason.INTERRUPTED, True, None, "delete"),
        (Reason.INTERRUPTED, False, None, "stop"),
        (Reason.INTERRUPTED, True, "gc", "stop"),
        (Reason.JOB_LOST, True, None, "stop"),
    ],
)
def test_delete_in_the_config_counts_after_what_could_be_fetched_was_tried(
    reason: Reason, gave_up: bool, asked: str | None, how: str
) -> None:
    facts = ended_well(facts_of(lifecycle={"on_failure": "delete", "on_interrupt": "delete"}))
    add_pod(facts)
    facts.results.pulled.clear()
    facts.ending.reason, facts.results.gave_up = reason, gave_up
    facts.launch.claim = Claim("lost", 1) if reason is Reason.JOB_LOST else Claim("ended", 1, 3)
    facts.process.requests = [asked] if asked else []
    assert release_how(facts) == how
    facts.launch.claim = Claim("ended", 1, 0)
    assert release_how(facts) == "stop", "the job ended well, whatever became of the run"


TWICE = {"on_success": "delete", "on_failure": "delete"}


@pytest.mark.parametrize(
    ("lifecycle", "asked", "detail", "how", "why"),
    [
        (TWICE, "cancel", {}, "delete", None),
        (TWICE, "interrupt", {}, "delete", None),
        (TWICE, "terminate", {}, "delete", None),
        ({**TWICE, "on_interrupt": "detach"}, "cancel", {}, "delete", None),
        ({**TWICE, "on_interrupt": "stop"}, "terminate", {}, "stop", "on_interrupt is stop"),
        (TWICE, "gc", {}, "stop", "rpd gc"),
        ({"on_success": "delete"}, "cancel", {}, "stop", "do not both say delete"),
        ({"on_failure": "delete", "on_success": "stop"}, "interrupt", {}, "stop", "do not both say delete"),
        ({"on_failure": "stop"}, "cancel", {"how": "delete"}, "delete", None),
        ({**TWICE, "on_interrupt": "stop"}, "cancel", {"how": "delete"}, "delete", None),
    ],
)
def test_a_disk_that_nobody_wants_goes_when_a_run_is_cut_short_and_all_of_it_is_here(
    lifecycle: dict[str, str], asked: str, detail: dict[str, str], how: str, why: str | None
) -> None:
    facts = ended_well(facts_of(lifecycle=lifecycle))
    add_pod(facts)
    facts.ending.reason = {"interrupt": Reason.INTERRUPTED, "terminate": Reason.TERMINATED}.get(asked, Reason.CANCELLED)
    facts.process.requests, facts.process.asked = [asked], Asked(**detail)
    assert release_how(facts) == how
    assert why is None or why in (why_kept(facts) or "")
    facts.results.pulled.clear()
    facts.launch.claim, facts.results.gave_up = Claim("ended", 1, 3), True
    assert release_how(facts) == "stop", "nobody has collected it"
    assert "nobody has collected" in (why_kept(facts) or "")


@pytest.mark.parametrize("what", ["artifact", "checkpoint"])
def test_what_is_not_required_keeps_the_disk_of_a_run_that_is_cut_short(what: str) -> None:
    extra = {"label": "plots", "remote_path": "/workspace/plots", "local_path": "/here/plots", "required": False}
    config = {"artifacts": [extra]} if what == "artifact" else {"checkpoints": {"paths": ["/workspace/ck"]}}
    facts = ended_well(facts_of(lifecycle=TWICE, **config))
    add_pod(facts)
    label = "plots" if what == "artifact" else "checkpoint /workspace/ck"
    facts.ending.reason, facts.process.requests = Reason.TERMINATED, ["terminate"]
    facts.results.pulled.pop(label, None)
    assert (release_how(facts), why_kept(facts)) == ("stop", "results that nobody has collected are on it")
    facts.results.pulled[label] = Pulled(label, is_missing=True)
    assert release_how(facts) == "delete", "there was none"


@pytest.mark.parametrize(
    ("detail", "how"),
    [({"how": "delete"}, "delete"), ({"how": "stop"}, "stop"), ({"how": "preserve"}, "stop"), ({}, "delete")],
)
def test_a_person_s_word_wins(detail: dict[str, str], how: str) -> None:
    facts = ended_well(facts_of())
    add_pod(facts)
    facts.process.requests, facts.process.asked = ["release"], Asked(**detail)
    assert release_how(facts) == how


def test_what_another_owner_or_a_lost_launch_may_have_left_is_not_deleted() -> None:
    facts = facts_of()
    pod = add_pod(facts)
    assert release_how(facts) == "delete", "nothing was launched in it"
    pod.holds = "launch"
    assert release_how(facts) == "stop"
    pod.holds, facts.launch.was_taken_over = False, True
    assert release_how(facts) == "stop"
    ended_well(facts)
    assert release_how(facts) == "delete", "all of it is here"


def test_a_pod_that_others_have_stopped_is_deleted_on_a_word_alone() -> None:
    facts = facts_of()
    pod = add_pod(facts)
    pod.seen = seen(pod.id or "", pod.name, "EXITED")
    assert release_how(facts) == "delete", "rpd has done nothing in it, and nor has another owner"
    pod.was_used = True
    assert release_how(facts) == "stop" and "others have stopped it" in (why_kept(facts) or "")
    facts.process.requests, facts.process.asked = ["cancel"], Asked(how="delete")
    assert release_how(facts) == "delete"


# What a survey sees.


def surveyed(facts: Facts, account: Account, seconds: float = 1000.0) -> Any:
    return sweep.survey(facts, at(seconds)).perform(account)  # type: ignore[arg-type]


def seen(pod_id: str, name: str, status: str = "RUNNING", run: str | None = None) -> Pod:
    return Pod(pod_id, name, status, usd_per_hour=0.5, env={} if run is None else {"RPD_RUN_ID": run})


def test_a_survey_sees_what_is_ours_by_id_or_by_name_and_env_and_nothing_else() -> None:
    facts = releasing()
    pod = add_pod(facts)
    other = f"{facts.name_prefix}2"
    account = Account(
        seen("stranger", pod.name, run="another-run"),
        seen("notebook", "my-notebook", run=facts.run_id),
        seen("late", other, run=facts.run_id),
        hidden=(seen(str(pod.id), "renamed"),),
    )
    result = surveyed(facts, account)
    assert {each.id for each in result.answer.found} == {"late", "pod1"}
    assert not surveyed(facts, Account(hidden=(seen(str(pod.id), pod.name, run="another-run"),))).answer.found


@pytest.mark.parametrize(
    ("status", "is_owed", "opens"),
    [("RUNNING", False, True), ("RUNNING", True, False), ("EXITED", False, False), ("TERMINATED", False, False)],
)
def test_what_computes_though_nothing_is_owed_for_it_is_owed_when_it_is_seen(
    status: str, is_owed: bool, opens: bool
) -> None:
    facts = releasing()
    pod = add_pod(facts)
    if not is_owed:
        facts.debts.compute.clear()
    result = surveyed(facts, Account(seen(str(pod.id), pod.name, status)))
    debt = DebtChange(pod.name, "compute", "open", usd_per_hour=0.5)
    assert result.debts == ((debt,) if opens else ())


@pytest.mark.parametrize(
    ("op", "status", "is_done"),
    [
        (Op.STOP_POD, "EXITED", True),
        (Op.STOP_POD, "RUNNING", False),
        (Op.STOP_POD, None, True),
        (Op.DELETE_POD, "EXITED", False),
        (Op.DELETE_POD, "TERMINATED", True),
        (Op.DELETE_POD, None, True),
    ],
)
def test_the_probe_of_a_release_believes_what_it_sees(op: Op, status: str | None, is_done: bool) -> None:
    account = Account(*(() if status is None else (seen("p", "n", status),)))
    result = EFFECTS[op](pod_id="p").probe(Call(at(0.0)), account)  # type: ignore[arg-type, call-arg]
    assert result is not None and (result.status == "ok") is is_done
    assert data_of(result)["pod_id"] == "p"


def test_a_probe_that_finds_the_key_refused_says_so() -> None:
    class Locked(Account):
        def get(self, pod_id: str) -> Pod | None:
            raise Refused("401", reason="key_refused")

    result = StopPod("p").probe(Call(at(0.0)), Locked())  # type: ignore[arg-type]
    assert result is not None and (result.status, result.reason) == ("unknown", "key_refused")
