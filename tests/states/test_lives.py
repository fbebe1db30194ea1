"""Scripted lives: the shipped runner and lifecycle over a world of fakes. The cloud's ledger is the judge."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rpd.engine.errors import Ambiguous, NotSent, Refused, Unavailable
from rpd.engine.runner import Ending
from rpd.journal.errors import JournalUnwritable
from rpd.journal.records import Body, Opened, Resumed
from rpd.states.ports.world import Claim, LaunchOrder, Target
from tests.fakes.fake_world import FakeWorld
from tests.fakes.fuse import Fuse
from tests.fakes.remote import FakeJob

KEY_REFUSED = Refused("unauthorized", reason="key_refused")
NO_CAPACITY = Refused("no machines available", reason="no_capacity")


def ended(ending: Ending) -> tuple[str | None, str | None, int]:
    """Outcome, reason and exit code of a closed run."""
    assert ending.closed, ending
    return ending.outcome, ending.reason, ending.exit_code


def at(stage: FakeWorld, event: str) -> bool:
    return event in stage.journal.events()


# The job's own end.


def test_success() -> None:
    stage = FakeWorld()
    assert ended(stage.process()) == ("succeeded", "job_succeeded", 0)
    stage.assert_settled()
    assert stage.cloud.only().status == "TERMINATED"
    assert len(stage.remote.starts) == 1
    assert stage.workspace.manifest is not None and stage.workspace.manifest["artifacts"][0]["status"] == "success"


@pytest.mark.parametrize(
    ("job", "changes", "reason"),
    [
        (FakeJob(exit_code=3), {}, "job_failed"),
        (FakeJob(has_marker=False), {"run": {"body": "x", "success_marker": "OK"}}, "marker_missing"),
        (FakeJob(artifacts={"/workspace/out": "missing"}), {}, "artifact_missing"),
        (FakeJob(artifacts={"/workspace/out": "empty"}), {}, "artifact_missing"),
        (FakeJob(commands={"pip install .": 1}), {}, "setup"),
        (FakeJob(commands={"nvidia-smi": 9}), {}, "preflight"),
    ],
)
def test_a_failure_ends_with_5_and_the_pod_stopped(job: FakeJob, changes: dict[str, Any], reason: str) -> None:
    stage = FakeWorld(job, **changes)
    assert ended(stage.process()) == ("failed", reason, 5)
    stage.assert_settled()
    assert stage.cloud.only().status == "EXITED", "on_failure is stop by default"
    if reason in ("job_failed", "marker_missing"):
        assert stage.facts.results.pulled, "results of a failed job are fetched, too"


def test_on_failure_delete_is_obeyed_after_collecting() -> None:
    stage = FakeWorld(FakeJob(exit_code=3), lifecycle={"on_failure": "delete"})
    assert ended(stage.process()) == ("failed", "job_failed", 5)
    assert at(stage, "pull_artifact_ok") and stage.cloud.only().status == "TERMINATED"


def test_inputs_missing_rents_nothing() -> None:
    stage = FakeWorld()
    stage.workspace.problems = ("/src is not there",)
    assert ended(stage.process()) == ("refused", "spec_invalid", 2)
    assert not stage.cloud.pods
    stage.assert_settled()


def test_a_corrupt_artifact_keeps_the_pod_stopped_until_it_is_fetched() -> None:
    stage = FakeWorld(FakeJob(artifacts={"/workspace/out": "corrupt"}))
    ending = stage.process()
    assert (ending.closed, ending.exit_code) == (False, 75)
    stage.assert_settled()
    assert stage.cloud.only().status == "EXITED"
    stage.remote.job.artifacts.clear()
    assert ended(stage.finish()) == ("succeeded", "job_succeeded", 0)
    stage.assert_settled()


@pytest.mark.parametrize(("exit_code", "reason"), [(0, "results_unverified"), (3, "job_failed")])
def test_a_path_that_may_not_be_created_here_ends_the_run_and_keeps_its_pod(exit_code: int, reason: str) -> None:
    stage = FakeWorld(FakeJob(artifacts={"/workspace/out": "refused"}, exit_code=exit_code))
    assert ended(stage.process()) == ("failed", reason, 5)
    assert len(pulls(stage)) == 1, "it is refused again however often it is asked for"
    pod = stage.cloud.only()
    assert (pod.status, pod.container) == ("EXITED", 1), "not deleted after a success either"
    assert stage.facts.debts.storage and stage.facts.uncollected
    stage.assert_settled()


def test_what_else_was_not_fetched_is_fetched_on_resume_before_a_refused_path_ends_the_run() -> None:
    job = FakeJob(artifacts={"/workspace/a": "refused", "/workspace/b": "corrupt"})
    stage = FakeWorld(job, artifacts=[
        {"label": name, "remote_path": f"/workspace/{name}", "local_path": f"/tmp/{name}"} for name in "ab"
    ])  # fmt: skip
    assert stage.process().exit_code == 75
    del job.artifacts["/workspace/b"]
    assert ended(stage.finish()) == ("failed", "results_unverified", 5)
    assert pulls(stage) == ["a", "b", "b", "b", "b"]
    stage.assert_settled()


@pytest.mark.parametrize(("kind", "reason"), [("refused", "results_unverified"), ("missing", "artifact_missing")])
def test_what_is_required_is_the_reason_though_the_time_to_fetch_ran_out_on_something_else(
    kind: str, reason: str
) -> None:
    stage = FakeWorld(FakeJob(artifacts={"/workspace/a": kind}), artifacts=[
        {"label": name, "remote_path": f"/workspace/{name}", "local_path": f"/tmp/{name}", "required": name == "a"}
        for name in "ab"
    ])  # fmt: skip
    stage.remote.plans["pull"] = ["work", *[Unavailable("gone", reason="link_lost")] * 400]
    assert ended(stage.process()) == ("failed", reason, 5)
    assert stage.cloud.only().status == "EXITED" and pulls(stage).count("b") > 3
    stage.assert_settled()


@pytest.mark.parametrize("kind", ["missing", "refused", "corrupt"])
def test_results_of_a_good_job_that_are_not_here_keep_the_pod_whatever_the_file_says(kind: str) -> None:
    """A path that is named wrongly, or a push to a bucket that fails, is no failure of the job."""
    for place in ("/tmp/out", "s3://bucket/out"):
        artifacts = [{"label": "model", "remote_path": "/workspace/out", "local_path": place}]
        lifecycle = {"on_success": "delete", "on_failure": "delete"}
        stage = FakeWorld(FakeJob(artifacts={"/workspace/out": kind}), artifacts=artifacts, lifecycle=lifecycle)
        assert stage.process().exit_code == (75 if kind == "corrupt" else 5)
        assert stage.cloud.only().status == "EXITED", place
        stage.assert_settled()


def test_a_run_that_its_marker_ended_succeeds_when_its_results_come_later() -> None:
    job = FakeJob(seconds=600.0, says={"OK": 20.0}, artifacts={"/workspace/out": "corrupt"})
    stage = FakeWorld(job, run={"body": "x", "success_marker": "OK", "done_on": "marker"})
    assert stage.process().exit_code == 75
    job.artifacts.clear()
    assert ended(stage.finish()) == ("succeeded", "job_succeeded", 0)
    stage.assert_settled()


def test_something_in_the_way_here_is_met_once_a_process() -> None:
    stage = FakeWorld()
    stage.remote.plans["pull"] = [Refused("/here/x is a folder", reason="path_refused")] * 2
    assert stage.process().exit_code == 75
    assert len(pulls(stage)) == 1
    stage.remote.plans.clear()
    assert ended(stage.finish()) == ("succeeded", "job_succeeded", 0), "somebody made room"
    stage.assert_settled()


def pulls(stage: FakeWorld) -> list[str]:
    """Labels of the job's artifacts that were asked for, in order."""
    asked = [str(r.body.args["pull"]["label"]) for r in stage.journal.records() if r.event == "pull_artifact_intent"]
    return [label for label in asked if not label.startswith("rpd ")]


# Renting.


def test_no_capacity_takes_the_next_candidate() -> None:
    stage = FakeWorld()
    stage.cloud.plan("create", NO_CAPACITY)
    assert ended(stage.process())[2] == 0
    assert stage.cloud.only().order.gpu_id == "RTX 4090"
    stage.assert_settled()


def test_no_capacity_anywhere_is_refused() -> None:
    stage = FakeWorld()
    stage.cloud.plan("create", NO_CAPACITY, NO_CAPACITY)
    assert ended(stage.process()) == ("refused", "no_capacity", 6)
    stage.assert_settled()


def test_price_cap() -> None:
    stage = FakeWorld(budget={"max_gpu_price_usd": 0.1})
    assert ended(stage.process()) == ("refused", "price_over_cap", 6)
    assert not stage.cloud.creates


def dearer_than_listed(stage: FakeWorld, *gpu_ids: str) -> None:
    """The price list says one thing, what is billed for these another."""
    listed = stage.cloud.offers(1)
    stage.cloud.offers = lambda gpu_count: listed  # type: ignore[method-assign]
    stage.cloud.prices = {gpu: 2.7 if gpu in gpu_ids else price for gpu, price in stage.cloud.prices.items()}


def test_a_pod_that_is_billed_above_the_cap_is_given_back_for_the_next_candidate() -> None:
    stage = FakeWorld(budget={"max_gpu_price_usd": 0.7})
    dearer_than_listed(stage, "RTX A5000")
    assert ended(stage.process()) == ("succeeded", "job_succeeded", 0)
    first, second = stage.cloud.pods.values()
    assert (first.status, second.order.gpu_id) == ("TERMINATED", "RTX 4090")
    stage.assert_settled()


def test_pods_that_are_all_billed_above_the_cap_are_refused() -> None:
    stage = FakeWorld(budget={"max_gpu_price_usd": 0.7}, provision={"attempts": 1})
    dearer_than_listed(stage, "RTX A5000", "RTX 4090")
    assert ended(stage.process()) == ("refused", "price_over_cap", 6)
    assert not stage.remote.starts
    stage.assert_settled()


@pytest.mark.parametrize("reason", ["key_refused", "forbidden", "blocked"])
def test_key_refused_at_create(reason: str) -> None:
    stage = FakeWorld()
    stage.cloud.plan("create", Refused("no", reason=reason))
    assert ended(stage.process()) == ("refused", "key_refused", 4)


@pytest.mark.parametrize(
    ("answer", "ending"),
    [
        (KEY_REFUSED, ("refused", "key_refused", 4)),
        (Refused("no scope", reason="forbidden"), ("refused", "key_refused", 4)),
        (Refused("1010", reason="blocked"), ("refused", "key_refused", 4)),
        (Refused("pay first", reason="no_credit"), ("refused", "no_credit", 4)),
        (Refused("include what?", reason="bad_request"), ("refused", "create_rejected", 2)),
        (Refused("count is too large", reason="invalid"), ("refused", "create_rejected", 2)),
        (Refused("two of this name", reason="conflict"), ("refused", "create_rejected", 2)),
        (Refused("no such path", reason="not_found"), ("refused", "cloud_unreachable", 6)),
        (Unavailable("a redirect", reason="redirected", retryable=False), ("refused", "cloud_unreachable", 6)),
    ],
)
def test_what_no_waiting_changes_ends_the_run_at_once(answer: Exception, ending: tuple[str, str, int]) -> None:
    stage = FakeWorld()
    stage.cloud.broken["offers"] = answer
    began = stage.clock.now().up
    assert ended(stage.process()) == ending
    assert stage.clock.now().up - began < 10.0
    assert str(answer) in "".join(str(getattr(record.body, "why", "")) for record in stage.journal.records())
    assert not stage.cloud.creates


def test_an_answer_that_may_change_is_waited_for() -> None:
    stage = FakeWorld()
    stage.cloud.broken["offers"] = Unavailable("502", reason="server_error")
    began = stage.clock.now().up
    assert ended(stage.process()) == ("refused", "cloud_unreachable", 6)
    assert stage.clock.now().up - began > 290.0


def test_no_credit() -> None:
    stage = FakeWorld()
    stage.cloud.plan("create", Refused("pay first", reason="no_credit"))
    assert ended(stage.process()) == ("refused", "no_credit", 4)


def test_a_create_that_was_not_sent_is_sent_again() -> None:
    stage = FakeWorld()
    stage.cloud.plan("create", NotSent("no name", reason="not_sent"), Refused("slow", reason="rate_limited"))
    assert ended(stage.process())[2] == 0
    assert len(set(stage.cloud.creates)) == 3, "a fresh name each time"
    stage.assert_settled()


@pytest.mark.parametrize("lag", [0.0, 25.0])
def test_an_ambiguous_create_is_adopted(lag: float) -> None:
    stage = FakeWorld()
    stage.cloud.lag_seconds = lag
    stage.cloud.plan("create", "ambiguous")
    assert ended(stage.process())[2] == 0
    assert len(stage.cloud.creates) == 1, "never posted again"
    stage.assert_settled()


def test_an_ambiguous_create_without_a_pod_leads_to_the_next_attempt() -> None:
    stage = FakeWorld()
    stage.cloud.plan("create", "nothing")
    assert ended(stage.process())[2] == 0
    assert [name[-3:] for name in stage.cloud.creates] == ["-a1", "-a2"]
    assert stage.cloud.only().asked_at >= 180.0, "not before the quiet window is over"
    stage.assert_settled()


def test_a_late_pod_of_an_earlier_attempt_is_deleted() -> None:
    stage = FakeWorld(FakeJob(seconds=400.0))
    stage.cloud.plan("create", "late:260")
    assert ended(stage.process())[2] == 0
    stage.assert_settled()
    late = next(pod for pod in stage.cloud.pods.values() if pod.order.name.endswith("-a1"))
    (span,) = late.billed
    assert span[0] is not None and span[1] is not None and span[1] - span[0] < 90.0
    reopened = [record for record in stage.journal.records() if getattr(record.body, "debts", ())]
    assert any(
        change.key == late.order.name and change.change == "open" for r in reopened[2:] for change in r.body.debts
    )  # type: ignore[union-attr]


def test_a_host_that_never_boots_is_not_a_failed_run() -> None:
    stage = FakeWorld()
    stage.cloud.boot_seconds = [1e9, 20.0]
    assert ended(stage.process())[2] == 0
    first, second = stage.cloud.pods.values()
    assert first.status == "TERMINATED" and second.asked_at > 300.0
    stage.assert_settled()


def test_hosts_that_never_boot_are_refused() -> None:
    stage = FakeWorld()
    stage.cloud.boot_seconds = [1e9]
    assert ended(stage.process()) == ("refused", "hosts_never_booted", 6)
    assert len(stage.cloud.pods) == 2
    stage.assert_settled()


def test_fewer_gpus_than_ordered() -> None:
    stage = FakeWorld()
    stage.remote.gpus = 0
    assert ended(stage.process()) == ("refused", "hosts_never_booted", 6)
    stage.assert_settled()


def test_an_account_that_cannot_be_read_after_an_ambiguous_create() -> None:
    stage = FakeWorld()
    stage.cloud.plan("create", "ambiguous")
    stage.clock.after(0.2, lambda: stage.cloud.broken.update(list=KEY_REFUSED, get=KEY_REFUSED, delete=KEY_REFUSED))
    ending = stage.process()
    assert (ending.closed, ending.exit_code) == (False, 8)
    assert stage.compute_debts, "still owed"
    stage.cloud.broken.clear()
    assert stage.finish().closed
    stage.assert_settled()


# The pod in trouble.


def test_a_pod_that_vanishes_is_lost() -> None:
    stage = FakeWorld(FakeJob(seconds=600.0))
    stage.clock.after(100.0, lambda: stage.cloud.halt(stage.cloud.only(), "TERMINATED"))
    assert ended(stage.process()) == ("lost", "pod_vanished", 10)
    stage.assert_settled()


@pytest.mark.parametrize("moment", [5.0, 23.0, 25.0])
def test_a_pod_that_vanishes_before_the_job(moment: float) -> None:
    stage = FakeWorld()
    stage.clock.after(moment, lambda: stage.cloud.halt(stage.cloud.only(), "TERMINATED"))
    assert ended(stage.process()) == ("lost", "pod_vanished", 10)
    stage.assert_settled()


def test_a_pod_stopped_by_others_is_started_and_its_claim_read() -> None:
    stage = FakeWorld(FakeJob(seconds=600.0))
    stage.clock.after(100.0, lambda: stage.cloud.halt(stage.cloud.only()))
    assert ended(stage.process()) == ("lost", "job_lost", 10)
    assert at(stage, "start_pod_ok") and at(stage, "fetch_log_ok") and at(stage, "pull_artifact_ok")
    stage.assert_settled()


def test_a_job_that_ended_before_its_pod_was_stopped_has_succeeded() -> None:
    stage = FakeWorld(FakeJob(seconds=60.0))
    stage.remote.down_from, stage.remote.down_until = 50.0, 200.0
    stage.clock.after(120.0, lambda: stage.cloud.halt(stage.cloud.only()))
    assert ended(stage.process()) == ("succeeded", "job_succeeded", 0)
    stage.assert_settled()


def test_start_refused_parks_the_run_and_resume_collects() -> None:
    stage = FakeWorld(FakeJob(seconds=60.0))
    stage.remote.down_from, stage.remote.down_until = 50.0, 200.0
    stage.clock.after(120.0, lambda: stage.cloud.halt(stage.cloud.only()))
    stage.cloud.broken["start"] = Refused("no free GPU", reason="start_refused")
    ending = stage.process()
    assert (ending.closed, ending.exit_code) == (False, 75)
    stage.assert_settled()
    assert 500.0 < stage.clock.real < 1500.0, "tried again for a while, not for ever"
    assert stage.journal.events().count("start_pod_intent") < 30, "with growing pauses"
    again = stage.process(command="resume")
    assert (again.closed, again.exit_code) == (False, 75), "a resume tries again"
    del stage.cloud.broken["start"]
    assert ended(stage.finish()) == ("succeeded", "job_succeeded", 0)
    stage.assert_settled()


def test_link_loss_does_not_harm_the_job() -> None:
    stage = FakeWorld(FakeJob(seconds=300.0))
    stage.remote.down_from, stage.remote.down_until = 60.0, 240.0
    assert ended(stage.process())[2] == 0
    stage.assert_settled()


@pytest.mark.parametrize("until", [32.0, 300.0])
def test_link_loss_during_setup_is_survived(until: float) -> None:
    stage = FakeWorld()
    stage.remote.down_from, stage.remote.down_until = 24.0, until
    assert ended(stage.process())[2] == 0
    stage.assert_settled()


@pytest.mark.parametrize("moment", [10.0, 21.5, 24.0, 26.0, 27.5])
def test_a_pod_stopped_by_others_before_the_job_is_started_again(moment: float) -> None:
    stage = FakeWorld()
    stage.clock.after(moment, lambda: stage.cloud.halt(stage.cloud.only()))
    assert ended(stage.process()) == ("succeeded", "job_succeeded", 0)
    assert stage.cloud.only().container == 2
    assert stage.remote.steps_run[-2:] == ["pip install .", "nvidia-smi"], "what a start wipes is done again"
    stage.assert_settled()


def test_a_lost_launch_reply_starts_nothing_twice() -> None:
    stage = FakeWorld()
    stage.remote.plans["launch"] = [Unavailable("gone", reason="link_lost")]
    assert ended(stage.process())[2] == 0
    assert len(stage.remote.starts) == 1


def test_a_launch_without_an_answer_is_not_taken_for_one_that_never_was(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = crashed(FakeWorld(FakeJob(seconds=600.0)), "launch_job_intent")
    launch = stage.remote.launch

    def lose_the_reply(target: Target, order: LaunchOrder) -> Claim:
        launch(target, order)
        stage.remote.lose_link(20.0)
        stage.control.ask("terminate")
        raise Ambiguous("gone", reason="link_lost")

    monkeypatch.setattr(stage.remote, "launch", lose_the_reply)
    assert ended(stage.process(command="resume")) == ("cancelled", "terminated", 143)
    assert stage.remote.starts and stage.facts.results.pulled, "the claim read before the launch says nothing about it"
    assert stage.cloud.only().status == "EXITED"
    stage.assert_settled()


def test_a_pod_without_a_switch_runs_unprotected() -> None:
    stage = FakeWorld()
    stage.remote.switch_probe = "key_refused"
    assert ended(stage.process())[2] == 0
    assert (
        at(stage, "arm_to_setup")
        and stage.facts.container.armed is not None
        and stage.facts.container.armed.probe == "key_refused"
    )


@pytest.mark.parametrize("reason", ["taken_over"])
def test_another_owner_is_left_alone(reason: str) -> None:
    stage = FakeWorld()
    stage.remote.plans["run_step"] = [Refused("epoch 7 acts on host b", reason=reason)] * 9
    ending = stage.process()
    assert (ending.closed, ending.exit_code) == (False, 9)
    assert stage.cloud.billing, "it is the other one's pod"


def test_every_process_is_an_owner_of_its_own() -> None:
    stage = FakeWorld()
    stage.process("detach")
    owners = [stage.replayed().process.owner]
    stage.process(command="resume")
    owners.append(stage.replayed().process.owner)
    begun = [record.z for record in stage.journal.records() if isinstance(record.body, Opened | Resumed)]
    assert owners == begun and len(set(begun)) == 2


# Budgets.


def test_out_of_time() -> None:
    stage = FakeWorld(FakeJob(seconds=1e6), budget={"max_runtime_minutes": 10, "cost_cap_usd": 50})
    assert ended(stage.process()) == ("failed", "budget", 7)
    assert stage.cloud.only().status == "EXITED" and stage.facts.results.log_fetched
    assert 600.0 <= stage.clock.real < 720.0
    stage.assert_settled()


def test_out_of_money() -> None:
    stage = FakeWorld(FakeJob(seconds=1e6), budget={"cost_cap_usd": 0.05})
    assert ended(stage.process()) == ("failed", "budget", 7)
    stage.assert_settled()


def test_results_that_wait_are_fetched_even_after_the_budget() -> None:
    stage = FakeWorld(FakeJob(seconds=1e6), budget={"max_runtime_minutes": 10, "cost_cap_usd": 50})
    stage.remote.down_from, stage.remote.down_until = 590.0, 2000.0
    ending = stage.process()
    assert (ending.closed, ending.exit_code) == (False, 75)
    stage.assert_settled()
    stage.clock.advance(2000.0)
    assert ended(stage.finish()) == ("failed", "budget", 7)
    assert stage.facts.results.log_fetched and stage.facts.results.pulled
    stage.assert_settled()


# Requests.


@pytest.mark.parametrize("moment", [0.05, 0.5, 3.0, 21.0, 23.0, 26.0, 30.0])
@pytest.mark.parametrize(("what", "code"), [("interrupt", 130), ("terminate", 143), ("cancel", 130)])
def test_a_request_before_the_launch_deletes_the_pod(what: str, code: int, moment: float) -> None:
    stage = FakeWorld(setup=[{"command": f"step {n}"} for n in range(4)])
    stage.control.ask_after(moment, what, terminal=True)
    outcome, _, exit_code = ended(stage.process())
    assert (outcome, exit_code) == ("cancelled", code)
    assert all(pod.status == "TERMINATED" for pod in stage.cloud.pods.values())
    assert not stage.remote.starts
    stage.assert_settled()


def test_interrupt_on_a_terminal_detaches_from_a_protected_job() -> None:
    stage = FakeWorld(FakeJob(seconds=300.0))
    stage.control.ask_after(100.0, "interrupt", terminal=True)
    ending = stage.process()
    assert (ending.closed, ending.exit_code) == (False, 75)
    assert stage.cloud.billing, "the job goes on"
    assert ended(stage.finish()) == ("succeeded", "job_succeeded", 0)
    stage.assert_settled()


@pytest.mark.parametrize(("what", "terminal", "probe"), [("interrupt", False, "ok"), ("interrupt", True, "refused")])
def test_interrupt_elsewhere_stops_and_collects(what: str, terminal: bool, probe: str) -> None:
    stage = FakeWorld(FakeJob(seconds=1e6))
    stage.remote.switch_probe = probe
    stage.control.ask_after(100.0, what, terminal=terminal)
    assert ended(stage.process()) == ("cancelled", "interrupted", 130)
    assert stage.cloud.only().status == "EXITED" and stage.facts.results.pulled and stage.facts.results.log_fetched
    stage.assert_settled()


@pytest.mark.parametrize(("word", "reason", "code"), [("terminate", "terminated", 143), ("cancel", "cancelled", 130)])
def test_somebody_ends_the_run(word: str, reason: str, code: int) -> None:
    stage = FakeWorld(FakeJob(seconds=1e6))
    stage.control.ask_after(100.0, word)
    assert ended(stage.process()) == ("cancelled", reason, code)
    stage.assert_settled()


def test_an_interrupted_collect_parks_and_keeps_its_reason_on_resume() -> None:
    stage = FakeWorld(FakeJob(seconds=1e6))
    stage.control.ask_after(100.0, "interrupt", terminal=False)
    stage.remote.plans["pull"] = [Unavailable("gone", reason="link_lost")] * 40
    ending = stage.process()
    assert (ending.closed, ending.exit_code) == (False, 75)
    assert stage.clock.real < 300.0, "within a minute, then the proof"
    stage.remote.plans.clear()
    assert ended(stage.finish()) == ("cancelled", "interrupted", 130), "we stopped it; its exit code is ours"
    stage.assert_settled()


def test_a_pod_that_a_person_wants_kept_up_and_that_cannot_be_is_not_deleted_with_results_in_it() -> None:
    stage = FakeWorld(FakeJob(seconds=1e6), lifecycle={"on_interrupt": "delete"})
    stage.control.ask_after(100.0, "release", how="preserve", until=stage.clock.now().wall + 7200.0)
    stage.remote.plans["pull"] = [Unavailable("gone", reason="link_lost")] * 40
    ending = stage.process()
    assert stage.cloud.only().status == "EXITED", "the config's delete is not what was asked for"
    assert (ending.closed, ending.exit_code) == (False, 75)
    stage.remote.plans.clear()
    assert ended(stage.finish()) == ("cancelled", "cancelled", 130)
    assert stage.facts.results.pulled
    stage.assert_settled()


def test_who_asked_to_be_told_hears_of_a_pod_that_is_kept_up() -> None:
    stage = FakeWorld(FakeJob(exit_code=3), lifecycle={"on_failure": "preserve"}, notify={"command": "cat"})
    assert stage.process().exit_code == 5
    (told,) = [each.body.args["notice"]["text"] for each in stage.journal.records() if each.event == "notify_intent"]
    assert told.startswith("the run ends failed (job_failed); rpd's exit code is 5; its pod is kept up until 20"), told
    assert "at $" in told


def test_interrupt_during_a_long_pull() -> None:
    stage = FakeWorld(FakeJob(seconds=60.0), artifacts=[
        {"label": f"part {n}", "remote_path": f"/workspace/{n}", "local_path": f"/tmp/{n}"} for n in range(60)
    ])  # fmt: skip
    stage.control.ask_after(110.0, "interrupt", terminal=False)
    ending = stage.process()
    assert (ending.closed, ending.exit_code) == (False, 75)
    assert ended(stage.finish()) == ("succeeded", "job_succeeded", 0)
    stage.assert_settled()


@pytest.mark.parametrize(("probe", "code"), [("ok", 75), ("refused", 8)])
@pytest.mark.parametrize("moment", [1.0, 26.0, 60.0])
def test_detach_leaves_once_the_job_runs(probe: str, code: int, moment: float) -> None:
    stage = FakeWorld(FakeJob(seconds=300.0))
    stage.remote.switch_probe = probe
    stage.control.ask_after(moment, "detach")
    ending = stage.process()
    assert (ending.closed, ending.exit_code) == (False, code)
    assert len(stage.remote.starts) == 1 and stage.facts.state == "monitor"
    assert ended(stage.finish())[2] == 0


def test_release_as_told_deletes_uncollected_results() -> None:
    stage = FakeWorld(FakeJob(artifacts={"/workspace/out": "corrupt"}))
    assert stage.process().exit_code == 75
    stage.control.ask("release", how="delete")
    assert stage.process(command="release").closed
    assert stage.cloud.only().status == "TERMINATED"
    stage.assert_settled()


@pytest.mark.parametrize("what", ["cancel", "release"])
def test_a_parked_run_can_be_ended_without_its_results(what: str) -> None:
    stage = FakeWorld(FakeJob(artifacts={"/workspace/out": "corrupt"}))
    assert stage.process().exit_code == 75
    assert ended(stage.process(what, command=what)) == ("cancelled", "cancelled", 130)
    pod = stage.cloud.only()
    assert pod.status == "EXITED" and pod.container == 1, "not started for it, and not deleted"
    assert stage.facts.debts.storage
    stage.assert_settled()


# gc: the engine is dead, somebody cleans up.


def crashed(stage: FakeWorld, after: str) -> FakeWorld:
    """A process that died right after this event was durable."""
    stage.crash(place_of(stage, f"after sync of {after}"))
    stage.clock.advance(30.0)
    return stage


def place_of(stage: FakeWorld, wanted: str) -> int:
    """The number of a place in the life of such a stage, found on a copy of it."""
    fuse = Fuse()
    FakeWorld(stage.remote.job).process(fuse=fuse)
    return fuse.places.index(wanted)


def test_gc_before_the_launch_deletes() -> None:
    stage = crashed(FakeWorld(), "setup_to_stage")
    ending = stage.process("gc", command="gc")
    assert ended(ending) == ("cancelled", "collected_by_gc", 130)
    assert stage.cloud.only().status == "TERMINATED" and not stage.remote.starts
    stage.assert_settled()


@pytest.mark.parametrize("last", ["preflight_to_launch", "launch_job_intent"])
def test_gc_launches_nothing(last: str) -> None:
    stage = crashed(FakeWorld(), last)
    assert ended(stage.process("gc", command="gc"))[0] == "cancelled"
    assert not stage.remote.starts
    assert stage.cloud.only().status == "TERMINATED", "nothing was started, nothing is lost"
    stage.assert_settled()


def test_gc_spares_a_running_job() -> None:
    stage = crashed(FakeWorld(FakeJob(seconds=600.0)), "launch_to_monitor")
    ending = stage.process("gc", command="gc")
    assert (ending.closed, ending.exit_code) == (False, 8)
    assert stage.cloud.billing
    assert ended(stage.finish()) == ("succeeded", "job_succeeded", 0)
    stage.assert_settled()


def test_gc_spares_a_pod_that_cannot_be_asked() -> None:
    stage = crashed(FakeWorld(FakeJob(seconds=600.0)), "launch_to_monitor")
    stage.remote.lose_link(300.0)
    assert stage.process("gc", command="gc").exit_code == 8
    assert ended(stage.finish())[2] == 0
    stage.assert_settled()


def test_gc_stops_a_pod_with_results_and_resume_fetches_them() -> None:
    stage = crashed(FakeWorld(FakeJob(seconds=60.0)), "launch_to_monitor")
    stage.clock.advance(200.0)
    ending = stage.process("gc", command="gc")
    assert (ending.closed, ending.exit_code) == (False, 75)
    assert stage.cloud.only().status == "EXITED"
    stage.assert_settled()
    again = stage.process("gc", command="gc")
    assert (again.closed, again.exit_code) == (False, 75), "nothing more to do for gc"
    assert stage.cloud.only().container == 1
    assert ended(stage.finish()) == ("succeeded", "job_succeeded", 0)
    stage.assert_settled()


def test_gc_meets_a_pod_that_its_switch_stopped_and_resume_tells_how_the_job_ended() -> None:
    stage = crashed(FakeWorld(FakeJob(seconds=60.0)), "launch_to_monitor")
    stage.clock.advance(700.0)
    stage.cloud.stop(stage.cloud.only().id)
    ending = stage.process("gc", command="gc")
    assert (ending.closed, ending.exit_code) == (False, 75)
    stage.assert_settled()
    assert ended(stage.finish()) == ("succeeded", "job_succeeded", 0), "cleaning up is not an ending"
    stage.assert_settled()


# The machine itself.


@pytest.mark.parametrize("moment", [10.0, 90.0])
def test_asleep_for_eight_hours(moment: float) -> None:
    stage = FakeWorld(FakeJob(seconds=300.0))
    stage.clock.after(moment, lambda: stage.clock.sleep_machine(8 * 3600.0))
    assert ended(stage.process())[2] == 0
    assert len(stage.cloud.pods) == 1, "a pod that booted meanwhile is taken"
    stage.assert_settled()


@pytest.mark.parametrize("step", [-3600.0, 365 * 86400.0])
@pytest.mark.parametrize("moment", [10.0, 90.0])
def test_a_clock_that_is_set_fires_no_deadline(moment: float, step: float) -> None:
    stage = FakeWorld(FakeJob(seconds=300.0))
    stage.clock.after(moment, lambda: stage.clock.set_wall(step))
    assert ended(stage.process())[2] == 0
    assert len(stage.cloud.pods) == 1
    stage.assert_settled()


def test_a_reboot_between_two_processes() -> None:
    stage = crashed(FakeWorld(FakeJob(seconds=300.0)), "launch_to_monitor")
    stage.clock.reboot()
    assert ended(stage.finish()) == ("succeeded", "job_succeeded", 0)
    stage.assert_settled()


# Release.


def test_delete_answered_404_and_the_pod_shows_later() -> None:
    stage = FakeWorld(setup=[{"command": "bad"}], lifecycle={"on_failure": "delete"})
    stage.remote.job.commands["bad"] = 1
    pod_hidden_until = 45.0

    def hide() -> None:
        stage.cloud.only().visible_at = pod_hidden_until

    stage.clock.after(23.0, hide)
    assert ended(stage.process()) == ("failed", "setup", 5)
    assert stage.journal.events().count("delete_pod_ok") >= 2
    stage.assert_settled()


def test_delete_answers_5xx_and_works_in_the_end() -> None:
    stage = FakeWorld()
    stage.cloud.plan("delete", "nothing", "ambiguous", "nothing")
    assert ended(stage.process())[2] == 0
    stage.assert_settled()


def test_a_key_revoked_at_the_release() -> None:
    stage = FakeWorld()
    refused = {"delete": KEY_REFUSED, "get": KEY_REFUSED, "list": KEY_REFUSED, "stop": KEY_REFUSED}
    stage.clock.after(80.0, lambda: stage.cloud.broken.update(refused))
    ending = stage.process()
    assert (ending.closed, ending.exit_code) == (False, 8)
    assert 600.0 < stage.clock.real < 900.0
    assert stage.compute_debts
    stage.cloud.broken.clear()
    assert ended(stage.finish()) == ("succeeded", "job_succeeded", 0)
    stage.assert_settled()


def test_a_stop_that_finds_nothing_is_proved_by_looking() -> None:
    stage = FakeWorld(FakeJob(exit_code=1))
    stage.cloud.plan("stop", lambda: stage.cloud.halt(stage.cloud.only(), "TERMINATED"))
    assert ended(stage.process()) == ("failed", "job_failed", 5)
    stage.assert_settled()


def test_a_pod_that_runs_on_after_its_stop_and_then_vanishes_is_proved_by_looking() -> None:
    stage = FakeWorld(FakeJob(exit_code=1))
    stage.cloud.plan("stop", "ignored", lambda: stage.cloud.halt(stage.cloud.only(), "TERMINATED"))
    assert ended(stage.process()) == ("failed", "job_failed", 5)
    assert stage.clock.real < 600.0, "nobody goes on stopping what is not there"
    stage.assert_settled()


def test_gc_told_of_no_pod_to_stop_deletes_no_results() -> None:
    stage = crashed(FakeWorld(lifecycle={"on_success": "delete", "on_failure": "delete"}), "launch_to_monitor")
    stage.clock.advance(600.0)
    stage.cloud.plan("stop", "absent")
    ending = stage.process("gc", command="gc")
    assert not ending.closed
    assert stage.cloud.only().status == "EXITED", "stopped in the end, with the results in it"
    assert ended(stage.finish())[2] == 0
    stage.assert_settled()


def test_a_manifest_that_cannot_be_written_does_not_keep_the_run_open() -> None:
    stage = FakeWorld()
    stage.workspace.write_errors = [Refused("read-only", reason="path_refused")] * 5
    assert ended(stage.process())[2] == 0


# A renamed pod is still ours; the journal's loss is survived.


def test_a_pod_that_vanished_while_parked_is_lost() -> None:
    stage = FakeWorld(FakeJob(artifacts={"/workspace/out": "corrupt"}, exit_code=0))
    assert stage.process().exit_code == 75
    stage.cloud.halt(stage.cloud.only(), "TERMINATED")
    assert ended(stage.finish()) == ("lost", "pod_vanished", 10)
    stage.assert_settled()


@pytest.mark.parametrize("good", range(5, 44))
def test_a_journal_that_fails_releases_what_is_rented(good: int) -> None:
    stage, seen = FakeWorld(), 0

    def refuse(body: Body) -> None:
        nonlocal seen
        seen += 1
        if seen > good:
            raise JournalUnwritable("disk full")

    stage.journal.refuse = refuse
    try:
        ending = stage.process()
    except JournalUnwritable:
        assert stage.cloud.billing == [] and not stage.facts.debts.compute, "nothing was rented, or all is given back"
        return
    assert stage.cloud.billing == []
    if not stage.remote.starts:
        assert ended(ending) == ("failed", "storage_error", 9)
    elif ending.closed:
        assert ending.exit_code in (0, 9)
    else:
        assert ending.exit_code == 75 and stage.cloud.only().status == "EXITED"


# What was once broken.


def test_a_claim_folder_that_vanished_is_not_launched_again() -> None:
    stage = FakeWorld(FakeJob(seconds=5000.0))

    def wipe_and_stop() -> None:
        pod = stage.cloud.only()
        for key in [key for key in pod.volume if key.startswith("claim-")]:
            del pod.volume[key]
        stage.cloud.halt(pod)

    stage.clock.after(200.0, wipe_and_stop)
    assert ended(stage.process())[0] == "lost"
    assert len(stage.remote.starts) == 1
    assert stage.facts.results.pulled, "what there is, is fetched"


@pytest.mark.parametrize("request_too", ["interrupt", "terminate"])
def test_a_signal_to_gc_does_not_reach_the_job(request_too: str) -> None:
    stage = FakeWorld(FakeJob(seconds=5000.0))
    stage.clock.after(200.0, lambda: stage.control.ask("detach"))
    assert not stage.process().closed
    ending = stage.process("gc", request_too, command="gc")
    assert (ending.closed, ending.exit_code) == (False, 8)
    assert stage.cloud.billing, "the job runs on"
    assert ended(stage.finish()) == ("succeeded", "job_succeeded", 0)


@pytest.mark.parametrize("accepts", [False, True], ids=["refuses", "accepts and does nothing"])
def test_a_cloud_that_does_not_let_go_is_not_asked_for_ever(accepts: bool) -> None:
    """The process ends, so that somebody hears of it; nothing that may be kept is deleted to force it."""
    stage = FakeWorld(lifecycle={"on_success": "stop"})
    stage.remote.may_release = lambda pod: False  # nor to the switch in the pod
    original = stage.cloud.stop
    if accepts:
        stage.cloud.stop = lambda pod_id: None  # type: ignore[method-assign]
    else:
        stage.cloud.broken["stop"] = Refused("stopping is not possible now", reason="conflict", retryable=True)
    ending = stage.process()
    assert (ending.closed, ending.exit_code) == (False, 8)
    assert stage.facts.debts.compute
    assert 15 * 60 < stage.clock.real < 30 * 60
    assert [pod.status for pod in stage.cloud.pods.values()] == ["RUNNING"]
    stage.cloud.broken.clear()
    stage.cloud.stop = original  # type: ignore[method-assign]
    assert ended(stage.process())[2] == 0
    stage.assert_settled()


def test_a_key_refused_while_a_release_is_unclear_ends_in_8() -> None:
    stage = FakeWorld()

    def revoke() -> None:
        for call in ("get", "list", "delete", "stop"):
            stage.cloud.broken[call] = KEY_REFUSED

    stage.cloud.plan("delete", "nothing")
    stage.clock.after(300.0, lambda: None)
    original = stage.cloud.delete

    def delete(pod_id: str) -> None:
        try:
            original(pod_id)
        finally:
            revoke()

    stage.cloud.delete = delete  # type: ignore[method-assign]
    ending = stage.process()
    assert (ending.closed, ending.exit_code) == (False, 8)
    assert stage.facts.debts.compute
    stage.cloud.broken.clear()
    stage.cloud.delete = original  # type: ignore[method-assign]
    assert ended(stage.finish()) == ("succeeded", "job_succeeded", 0)
    stage.assert_settled()


def test_a_budget_that_ends_in_boot_deletes_no_results_nobody_tried_to_fetch() -> None:
    stage = FakeWorld(
        FakeJob(seconds=600.0),
        budget={"cost_cap_usd": 10.0, "ssh_ready_timeout_sec": 3000, "max_runtime_minutes": 20},
        lifecycle={"on_failure": "delete", "on_interrupt": "delete"},
    )

    def stop_for_long() -> None:
        stage.cloud.only().boot_seconds = 1500.0
        stage.cloud.halt(stage.cloud.only())

    stage.clock.after(300.0, stop_for_long)
    ending = stage.process()
    assert stage.remote.starts and not stage.facts.results.pulled
    assert stage.cloud.only().status == "EXITED", stage.journal.events()[-10:]
    assert (ending.closed, ending.exit_code) == (False, 75)
    stage.cloud.only().boot_seconds = 20.0
    ended(stage.finish())
    assert stage.facts.results.pulled


def test_a_pod_whose_env_is_not_shown_is_not_absent() -> None:
    stage = FakeWorld()
    view = stage.cloud._view
    stage.cloud._view = lambda pod: msgspec.structs.replace(view(pod), env={})  # type: ignore[method-assign]
    stage.cloud.plan("create", "ambiguous")
    assert ended(stage.process())[0] == "succeeded"
    assert stage.cloud.billing == []
    assert len(stage.cloud.creates) == 1


def test_a_container_that_restarts_by_itself_gets_a_new_pin_only_when_the_cloud_says_so() -> None:
    stage = FakeWorld(FakeJob(seconds=5000.0))

    def restart() -> None:
        pod = stage.cloud.only()
        stage.cloud.restart_container(pod)
        pod.starts += 1  # which moves it to another port, and that the cloud shows

    stage.clock.after(200.0, restart)
    ending = stage.process()
    assert ended(ending) == ("lost", "job_lost", 10)
    assert stage.facts.results.pulled
    assert stage.clock.real < 600.0


def test_a_host_key_that_changed_without_a_start_is_refused_soon() -> None:
    stage = FakeWorld(FakeJob(seconds=5000.0))
    stage.clock.after(200.0, lambda: setattr(stage.cloud.only(), "key", 1))
    ending = stage.process()
    assert (ending.closed, ending.exit_code) == (False, 75)
    assert stage.cloud.only().status == "EXITED"
    assert stage.clock.real < 600.0
    assert ended(stage.finish()) == ("lost", "job_lost", 10)
    assert stage.facts.results.pulled
