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


def at(fake: FakeWorld, event: str) -> bool:
    return event in fake.journal.events()


# The job's own end.


def test_success() -> None:
    fake = FakeWorld()
    assert ended(fake.process()) == ("succeeded", "job_succeeded", 0)
    fake.assert_settled()
    assert fake.cloud.only().status == "TERMINATED"
    assert len(fake.remote.starts) == 1
    assert fake.workspace.manifest is not None and fake.workspace.manifest["artifacts"][0]["status"] == "success"


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
    fake = FakeWorld(job, **changes)
    assert ended(fake.process()) == ("failed", reason, 5)
    fake.assert_settled()
    assert fake.cloud.only().status == "EXITED", "on_failure is stop by default"
    if reason in ("job_failed", "marker_missing"):
        assert fake.facts.results.pulled, "results of a failed job are fetched, too"


def test_on_failure_delete_is_obeyed_after_collecting() -> None:
    fake = FakeWorld(FakeJob(exit_code=3), lifecycle={"on_failure": "delete"})
    assert ended(fake.process()) == ("failed", "job_failed", 5)
    assert at(fake, "pull_artifact_ok") and fake.cloud.only().status == "TERMINATED"


def test_inputs_missing_rents_nothing() -> None:
    fake = FakeWorld()
    fake.workspace.problems = ("/src is not there",)
    assert ended(fake.process()) == ("refused", "spec_invalid", 2)
    assert not fake.cloud.pods
    fake.assert_settled()


def test_a_corrupt_artifact_keeps_the_pod_stopped_until_it_is_fetched() -> None:
    fake = FakeWorld(FakeJob(artifacts={"/workspace/out": "corrupt"}))
    ending = fake.process()
    assert (ending.closed, ending.exit_code) == (False, 75)
    fake.assert_settled()
    assert fake.cloud.only().status == "EXITED"
    fake.remote.job.artifacts.clear()
    assert ended(fake.finish()) == ("succeeded", "job_succeeded", 0)
    fake.assert_settled()


@pytest.mark.parametrize(("exit_code", "reason"), [(0, "results_unverified"), (3, "job_failed")])
def test_a_path_that_may_not_be_created_here_ends_the_run_and_keeps_its_pod(exit_code: int, reason: str) -> None:
    fake = FakeWorld(FakeJob(artifacts={"/workspace/out": "refused"}, exit_code=exit_code))
    assert ended(fake.process()) == ("failed", reason, 5)
    assert len(pulls(fake)) == 1, "it is refused again however often it is asked for"
    pod = fake.cloud.only()
    assert (pod.status, pod.container) == ("EXITED", 1), "not deleted after a success either"
    assert fake.facts.debts.storage and fake.facts.uncollected
    fake.assert_settled()


def test_what_else_was_not_fetched_is_fetched_on_resume_before_a_refused_path_ends_the_run() -> None:
    job = FakeJob(artifacts={"/workspace/a": "refused", "/workspace/b": "corrupt"})
    fake = FakeWorld(job, artifacts=[
        {"label": name, "remote_path": f"/workspace/{name}", "local_path": f"/tmp/{name}"} for name in "ab"
    ])  # fmt: skip
    assert fake.process().exit_code == 75
    del job.artifacts["/workspace/b"]
    assert ended(fake.finish()) == ("failed", "results_unverified", 5)
    assert pulls(fake) == ["a", "b", "b", "b", "b"]
    fake.assert_settled()


@pytest.mark.parametrize(("kind", "reason"), [("refused", "results_unverified"), ("missing", "artifact_missing")])
def test_what_is_required_is_the_reason_though_the_time_to_fetch_ran_out_on_something_else(
    kind: str, reason: str
) -> None:
    fake = FakeWorld(FakeJob(artifacts={"/workspace/a": kind}), artifacts=[
        {"label": name, "remote_path": f"/workspace/{name}", "local_path": f"/tmp/{name}", "required": name == "a"}
        for name in "ab"
    ])  # fmt: skip
    fake.remote.plans["pull"] = ["work", *[Unavailable("gone", reason="link_lost")] * 400]
    assert ended(fake.process()) == ("failed", reason, 5)
    assert fake.cloud.only().status == "EXITED" and pulls(fake).count("b") > 3
    fake.assert_settled()


@pytest.mark.parametrize("kind", ["missing", "refused", "corrupt"])
def test_results_of_a_good_job_that_are_not_here_keep_the_pod_whatever_the_file_says(kind: str) -> None:
    """A path that is named wrongly, or a push to a bucket that fails, is no failure of the job."""
    for place in ("/tmp/out", "s3://bucket/out"):
        artifacts = [{"label": "model", "remote_path": "/workspace/out", "local_path": place}]
        lifecycle = {"on_success": "delete", "on_failure": "delete"}
        fake = FakeWorld(FakeJob(artifacts={"/workspace/out": kind}), artifacts=artifacts, lifecycle=lifecycle)
        assert fake.process().exit_code == (75 if kind == "corrupt" else 5)
        assert fake.cloud.only().status == "EXITED", place
        fake.assert_settled()


def test_a_run_that_its_marker_ended_succeeds_when_its_results_come_later() -> None:
    job = FakeJob(seconds=600.0, says={"OK": 20.0}, artifacts={"/workspace/out": "corrupt"})
    fake = FakeWorld(job, run={"body": "x", "success_marker": "OK", "done_on": "marker"})
    assert fake.process().exit_code == 75
    job.artifacts.clear()
    assert ended(fake.finish()) == ("succeeded", "job_succeeded", 0)
    fake.assert_settled()


def test_something_in_the_way_here_is_met_once_a_process() -> None:
    fake = FakeWorld()
    fake.remote.plans["pull"] = [Refused("/here/x is a folder", reason="path_refused")] * 2
    assert fake.process().exit_code == 75
    assert len(pulls(fake)) == 1
    fake.remote.plans.clear()
    assert ended(fake.finish()) == ("succeeded", "job_succeeded", 0), "somebody made room"
    fake.assert_settled()


def pulls(fake: FakeWorld) -> list[str]:
    """Labels of the job's artifacts that were asked for, in order."""
    asked = [str(r.body.args["pull"]["label"]) for r in fake.journal.records() if r.event == "pull_artifact_intent"]
    return [label for label in asked if not label.startswith("rpd ")]


# Renting.


def test_no_capacity_takes_the_next_candidate() -> None:
    fake = FakeWorld()
    fake.cloud.plan("create", NO_CAPACITY)
    assert ended(fake.process())[2] == 0
    assert fake.cloud.only().order.gpu_id == "RTX 4090"
    fake.assert_settled()


def test_no_capacity_anywhere_is_refused() -> None:
    fake = FakeWorld()
    fake.cloud.plan("create", NO_CAPACITY, NO_CAPACITY)
    assert ended(fake.process()) == ("refused", "no_capacity", 6)
    fake.assert_settled()


def test_price_cap() -> None:
    fake = FakeWorld(budget={"max_gpu_price_usd": 0.1})
    assert ended(fake.process()) == ("refused", "price_over_cap", 6)
    assert not fake.cloud.creates


def dearer_than_listed(fake: FakeWorld, *gpu_ids: str) -> None:
    """The price list says one thing, what is billed for these another."""
    listed = fake.cloud.offers(1)
    fake.cloud.offers = lambda gpu_count: listed  # type: ignore[method-assign]
    fake.cloud.prices = {gpu: 2.7 if gpu in gpu_ids else price for gpu, price in fake.cloud.prices.items()}


def test_a_pod_that_is_billed_above_the_cap_is_given_back_for_the_next_candidate() -> None:
    fake = FakeWorld(budget={"max_gpu_price_usd": 0.7})
    dearer_than_listed(fake, "RTX A5000")
    assert ended(fake.process()) == ("succeeded", "job_succeeded", 0)
    first, second = fake.cloud.pods.values()
    assert (first.status, second.order.gpu_id) == ("TERMINATED", "RTX 4090")
    fake.assert_settled()


def test_pods_that_are_all_billed_above_the_cap_are_refused() -> None:
    fake = FakeWorld(budget={"max_gpu_price_usd": 0.7}, provision={"attempts": 1})
    dearer_than_listed(fake, "RTX A5000", "RTX 4090")
    assert ended(fake.process()) == ("refused", "price_over_cap", 6)
    assert not fake.remote.starts
    fake.assert_settled()


@pytest.mark.parametrize("reason", ["key_refused", "forbidden", "blocked"])
def test_key_refused_at_create(reason: str) -> None:
    fake = FakeWorld()
    fake.cloud.plan("create", Refused("no", reason=reason))
    assert ended(fake.process()) == ("refused", "key_refused", 4)


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
    fake = FakeWorld()
    fake.cloud.broken["offers"] = answer
    began = fake.clock.now().up
    assert ended(fake.process()) == ending
    assert fake.clock.now().up - began < 10.0
    assert str(answer) in "".join(str(getattr(record.body, "why", "")) for record in fake.journal.records())
    assert not fake.cloud.creates


def test_an_answer_that_may_change_is_waited_for() -> None:
    fake = FakeWorld()
    fake.cloud.broken["offers"] = Unavailable("502", reason="server_error")
    began = fake.clock.now().up
    assert ended(fake.process()) == ("refused", "cloud_unreachable", 6)
    assert fake.clock.now().up - began > 290.0


def test_no_credit() -> None:
    fake = FakeWorld()
    fake.cloud.plan("create", Refused("pay first", reason="no_credit"))
    assert ended(fake.process()) == ("refused", "no_credit", 4)


def test_a_create_that_was_not_sent_is_sent_again() -> None:
    fake = FakeWorld()
    fake.cloud.plan("create", NotSent("no name", reason="not_sent"), Refused("slow", reason="rate_limited"))
    assert ended(fake.process())[2] == 0
    assert len(set(fake.cloud.creates)) == 3, "a fresh name each time"
    fake.assert_settled()


@pytest.mark.parametrize("lag", [0.0, 25.0])
def test_an_ambiguous_create_is_adopted(lag: float) -> None:
    fake = FakeWorld()
    fake.cloud.lag_seconds = lag
    fake.cloud.plan("create", "ambiguous")
    assert ended(fake.process())[2] == 0
    assert len(fake.cloud.creates) == 1, "never posted again"
    fake.assert_settled()


def test_an_ambiguous_create_without_a_pod_leads_to_the_next_attempt() -> None:
    fake = FakeWorld()
    fake.cloud.plan("create", "nothing")
    assert ended(fake.process())[2] == 0
    assert [name[-3:] for name in fake.cloud.creates] == ["-a1", "-a2"]
    assert fake.cloud.only().asked_at >= 180.0, "not before the quiet window is over"
    fake.assert_settled()


def test_a_late_pod_of_an_earlier_attempt_is_deleted() -> None:
    fake = FakeWorld(FakeJob(seconds=400.0))
    fake.cloud.plan("create", "late:260")
    assert ended(fake.process())[2] == 0
    fake.assert_settled()
    late = next(pod for pod in fake.cloud.pods.values() if pod.order.name.endswith("-a1"))
    (span,) = late.billed
    assert span[0] is not None and span[1] is not None and span[1] - span[0] < 90.0
    reopened = [record for record in fake.journal.records() if getattr(record.body, "debts", ())]
    assert any(
        change.key == late.order.name and change.change == "open" for r in reopened[2:] for change in r.body.debts
    )  # type: ignore[union-attr]


def test_a_host_that_never_boots_is_not_a_failed_run() -> None:
    fake = FakeWorld()
    fake.cloud.boot_seconds = [1e9, 20.0]
    assert ended(fake.process())[2] == 0
    first, second = fake.cloud.pods.values()
    assert first.status == "TERMINATED" and second.asked_at > 300.0
    fake.assert_settled()


def test_hosts_that_never_boot_are_refused() -> None:
    fake = FakeWorld()
    fake.cloud.boot_seconds = [1e9]
    assert ended(fake.process()) == ("refused", "hosts_never_booted", 6)
    assert len(fake.cloud.pods) == 2
    fake.assert_settled()


def test_fewer_gpus_than_ordered() -> None:
    fake = FakeWorld()
    fake.remote.gpus = 0
    assert ended(fake.process()) == ("refused", "hosts_never_booted", 6)
    fake.assert_settled()


def test_an_account_that_cannot_be_read_after_an_ambiguous_create() -> None:
    fake = FakeWorld()
    fake.cloud.plan("create", "ambiguous")
    fake.clock.after(0.2, lambda: fake.cloud.broken.update(list=KEY_REFUSED, get=KEY_REFUSED, delete=KEY_REFUSED))
    ending = fake.process()
    assert (ending.closed, ending.exit_code) == (False, 8)
    assert fake.compute_debts, "still owed"
    fake.cloud.broken.clear()
    assert fake.finish().closed
    fake.assert_settled()


# The pod in trouble.


def test_a_pod_that_vanishes_is_lost() -> None:
    fake = FakeWorld(FakeJob(seconds=600.0))
    fake.clock.after(100.0, lambda: fake.cloud.halt(fake.cloud.only(), "TERMINATED"))
    assert ended(fake.process()) == ("lost", "pod_vanished", 10)
    fake.assert_settled()


@pytest.mark.parametrize("moment", [5.0, 23.0, 25.0])
def test_a_pod_that_vanishes_before_the_job(moment: float) -> None:
    fake = FakeWorld()
    fake.clock.after(moment, lambda: fake.cloud.halt(fake.cloud.only(), "TERMINATED"))
    assert ended(fake.process()) == ("lost", "pod_vanished", 10)
    fake.assert_settled()


def test_a_pod_stopped_by_others_is_started_and_its_claim_read() -> None:
    fake = FakeWorld(FakeJob(seconds=600.0))
    fake.clock.after(100.0, lambda: fake.cloud.halt(fake.cloud.only()))
    assert ended(fake.process()) == ("lost", "job_lost", 10)
    assert at(fake, "start_pod_ok") and at(fake, "fetch_log_ok") and at(fake, "pull_artifact_ok")
    fake.assert_settled()


def test_a_job_that_ended_before_its_pod_was_stopped_has_succeeded() -> None:
    fake = FakeWorld(FakeJob(seconds=60.0))
    fake.remote.down_from, fake.remote.down_until = 50.0, 200.0
    fake.clock.after(120.0, lambda: fake.cloud.halt(fake.cloud.only()))
    assert ended(fake.process()) == ("succeeded", "job_succeeded", 0)
    fake.assert_settled()


def test_start_refused_parks_the_run_and_resume_collects() -> None:
    fake = FakeWorld(FakeJob(seconds=60.0))
    fake.remote.down_from, fake.remote.down_until = 50.0, 200.0
    fake.clock.after(120.0, lambda: fake.cloud.halt(fake.cloud.only()))
    fake.cloud.broken["start"] = Refused("no free GPU", reason="start_refused")
    ending = fake.process()
    assert (ending.closed, ending.exit_code) == (False, 75)
    fake.assert_settled()
    assert 500.0 < fake.clock.real < 1500.0, "tried again for a while, not for ever"
    assert fake.journal.events().count("start_pod_intent") < 30, "with growing pauses"
    again = fake.process(command="resume")
    assert (again.closed, again.exit_code) == (False, 75), "a resume tries again"
    del fake.cloud.broken["start"]
    assert ended(fake.finish()) == ("succeeded", "job_succeeded", 0)
    fake.assert_settled()


def test_link_loss_does_not_harm_the_job() -> None:
    fake = FakeWorld(FakeJob(seconds=300.0))
    fake.remote.down_from, fake.remote.down_until = 60.0, 240.0
    assert ended(fake.process())[2] == 0
    fake.assert_settled()


@pytest.mark.parametrize("until", [32.0, 300.0])
def test_link_loss_during_setup_is_survived(until: float) -> None:
    fake = FakeWorld()
    fake.remote.down_from, fake.remote.down_until = 24.0, until
    assert ended(fake.process())[2] == 0
    fake.assert_settled()


@pytest.mark.parametrize("moment", [10.0, 21.5, 24.0, 26.0, 27.5])
def test_a_pod_stopped_by_others_before_the_job_is_started_again(moment: float) -> None:
    fake = FakeWorld()
    fake.clock.after(moment, lambda: fake.cloud.halt(fake.cloud.only()))
    assert ended(fake.process()) == ("succeeded", "job_succeeded", 0)
    assert fake.cloud.only().container == 2
    assert fake.remote.steps_run[-2:] == ["pip install .", "nvidia-smi"], "what a start wipes is done again"
    fake.assert_settled()


def test_a_lost_launch_reply_starts_nothing_twice() -> None:
    fake = FakeWorld()
    fake.remote.plans["launch"] = [Unavailable("gone", reason="link_lost")]
    assert ended(fake.process())[2] == 0
    assert len(fake.remote.starts) == 1


def test_a_launch_without_an_answer_is_not_taken_for_one_that_never_was(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = crashed(FakeWorld(FakeJob(seconds=600.0)), "launch_job_intent")
    launch = fake.remote.launch

    def lose_the_reply(target: Target, order: LaunchOrder) -> Claim:
        launch(target, order)
        fake.remote.lose_link(20.0)
        fake.control.ask("terminate")
        raise Ambiguous("gone", reason="link_lost")

    monkeypatch.setattr(fake.remote, "launch", lose_the_reply)
    assert ended(fake.process(command="resume")) == ("cancelled", "terminated", 143)
    assert fake.remote.starts and fake.facts.results.pulled, "the claim read before the launch says nothing about it"
    assert fake.cloud.only().status == "EXITED"
    fake.assert_settled()


def test_a_pod_without_a_switch_runs_unprotected() -> None:
    fake = FakeWorld()
    fake.remote.switch_probe = "key_refused"
    assert ended(fake.process())[2] == 0
    assert (
        at(fake, "arm_to_setup")
        and fake.facts.container.armed is not None
        and fake.facts.container.armed.probe == "key_refused"
    )


@pytest.mark.parametrize("reason", ["taken_over"])
def test_another_owner_is_left_alone(reason: str) -> None:
    fake = FakeWorld()
    fake.remote.plans["run_step"] = [Refused("epoch 7 acts on host b", reason=reason)] * 9
    ending = fake.process()
    assert (ending.closed, ending.exit_code) == (False, 9)
    assert fake.cloud.billing, "it is the other one's pod"


def test_every_process_is_an_owner_of_its_own() -> None:
    fake = FakeWorld()
    fake.process("detach")
    owners = [fake.replayed().process.owner]
    fake.process(command="resume")
    owners.append(fake.replayed().process.owner)
    begun = [record.z for record in fake.journal.records() if isinstance(record.body, Opened | Resumed)]
    assert owners == begun and len(set(begun)) == 2


# Budgets.


def test_out_of_time() -> None:
    fake = FakeWorld(FakeJob(seconds=1e6), budget={"max_runtime_minutes": 10, "cost_cap_usd": 50})
    assert ended(fake.process()) == ("failed", "budget", 7)
    assert fake.cloud.only().status == "EXITED" and fake.facts.results.log_fetched
    assert 600.0 <= fake.clock.real < 720.0
    fake.assert_settled()


def test_out_of_money() -> None:
    fake = FakeWorld(FakeJob(seconds=1e6), budget={"cost_cap_usd": 0.05})
    assert ended(fake.process()) == ("failed", "budget", 7)
    fake.assert_settled()


def test_results_that_wait_are_fetched_even_after_the_budget() -> None:
    fake = FakeWorld(FakeJob(seconds=1e6), budget={"max_runtime_minutes": 10, "cost_cap_usd": 50})
    fake.remote.down_from, fake.remote.down_until = 590.0, 2000.0
    ending = fake.process()
    assert (ending.closed, ending.exit_code) == (False, 75)
    fake.assert_settled()
    fake.clock.advance(2000.0)
    assert ended(fake.finish()) == ("failed", "budget", 7)
    assert fake.facts.results.log_fetched and fake.facts.results.pulled
    fake.assert_settled()


# Requests.


@pytest.mark.parametrize("moment", [0.05, 0.5, 3.0, 21.0, 23.0, 26.0, 30.0])
@pytest.mark.parametrize(("what", "code"), [("interrupt", 130), ("terminate", 143), ("cancel", 130)])
def test_a_request_before_the_launch_deletes_the_pod(what: str, code: int, moment: float) -> None:
    fake = FakeWorld(setup=[{"command": f"step {n}"} for n in range(4)])
    fake.control.ask_after(moment, what, terminal=True)
    outcome, _, exit_code = ended(fake.process())
    assert (outcome, exit_code) == ("cancelled", code)
    assert all(pod.status == "TERMINATED" for pod in fake.cloud.pods.values())
    assert not fake.remote.starts
    fake.assert_settled()


def test_interrupt_on_a_terminal_detaches_from_a_protected_job() -> None:
    fake = FakeWorld(FakeJob(seconds=300.0))
    fake.control.ask_after(100.0, "interrupt", terminal=True)
    ending = fake.process()
    assert (ending.closed, ending.exit_code) == (False, 75)
    assert fake.cloud.billing, "the job goes on"
    assert ended(fake.finish()) == ("succeeded", "job_succeeded", 0)
    fake.assert_settled()


@pytest.mark.parametrize(("what", "terminal", "probe"), [("interrupt", False, "ok"), ("interrupt", True, "refused")])
def test_interrupt_elsewhere_stops_and_collects(what: str, terminal: bool, probe: str) -> None:
    fake = FakeWorld(FakeJob(seconds=1e6))
    fake.remote.switch_probe = probe
    fake.control.ask_after(100.0, what, terminal=terminal)
    assert ended(fake.process()) == ("cancelled", "interrupted", 130)
    assert fake.cloud.only().status == "EXITED" and fake.facts.results.pulled and fake.facts.results.log_fetched
    fake.assert_settled()


@pytest.mark.parametrize(("word", "reason", "code"), [("terminate", "terminated", 143), ("cancel", "cancelled", 130)])
def test_somebody_ends_the_run(word: str, reason: str, code: int) -> None:
    fake = FakeWorld(FakeJob(seconds=1e6))
    fake.control.ask_after(100.0, word)
    assert ended(fake.process()) == ("cancelled", reason, code)
    fake.assert_settled()


def test_an_interrupted_collect_parks_and_keeps_its_reason_on_resume() -> None:
    fake = FakeWorld(FakeJob(seconds=1e6))
    fake.control.ask_after(100.0, "interrupt", terminal=False)
    fake.remote.plans["pull"] = [Unavailable("gone", reason="link_lost")] * 40
    ending = fake.process()
    assert (ending.closed, ending.exit_code) == (False, 75)
    assert fake.clock.real < 300.0, "within a minute, then the proof"
    fake.remote.plans.clear()
    assert ended(fake.finish()) == ("cancelled", "interrupted", 130), "we stopped it; its exit code is ours"
    fake.assert_settled()


def test_a_pod_that_a_person_wants_kept_up_and_that_cannot_be_is_not_deleted_with_results_in_it() -> None:
    fake = FakeWorld(FakeJob(seconds=1e6), lifecycle={"on_interrupt": "delete"})
    fake.control.ask_after(100.0, "release", how="preserve", until=fake.clock.now().wall + 7200.0)
    fake.remote.plans["pull"] = [Unavailable("gone", reason="link_lost")] * 40
    ending = fake.process()
    assert fake.cloud.only().status == "EXITED", "the config's delete is not what was asked for"
    assert (ending.closed, ending.exit_code) == (False, 75)
    fake.remote.plans.clear()
    assert ended(fake.finish()) == ("cancelled", "cancelled", 130)
    assert fake.facts.results.pulled
    fake.assert_settled()


def test_who_asked_to_be_told_hears_of_a_pod_that_is_kept_up() -> None:
    fake = FakeWorld(FakeJob(exit_code=3), lifecycle={"on_failure": "preserve"}, notify={"command": "cat"})
    assert fake.process().exit_code == 5
    (told,) = [each.body.args["notice"]["text"] for each in fake.journal.records() if each.event == "notify_intent"]
    assert told.startswith("the run ends failed (job_failed); rpd's exit code is 5; its pod is kept up until 20"), told
    assert "at $" in told


def test_interrupt_during_a_long_pull() -> None:
    fake = FakeWorld(FakeJob(seconds=60.0), artifacts=[
        {"label": f"part {n}", "remote_path": f"/workspace/{n}", "local_path": f"/tmp/{n}"} for n in range(60)
    ])  # fmt: skip
    fake.control.ask_after(110.0, "interrupt", terminal=False)
    ending = fake.process()
    assert (ending.closed, ending.exit_code) == (False, 75)
    assert ended(fake.finish()) == ("succeeded", "job_succeeded", 0)
    fake.assert_settled()


@pytest.mark.parametrize(("probe", "code"), [("ok", 75), ("refused", 8)])
@pytest.mark.parametrize("moment", [1.0, 26.0, 60.0])
def test_detach_leaves_once_the_job_runs(probe: str, code: int, moment: float) -> None:
    fake = FakeWorld(FakeJob(seconds=300.0))
    fake.remote.switch_probe = probe
    fake.control.ask_after(moment, "detach")
    ending = fake.process()
    assert (ending.closed, ending.exit_code) == (False, code)
    assert len(fake.remote.starts) == 1 and fake.facts.state == "monitor"
    assert ended(fake.finish())[2] == 0


def test_release_as_told_deletes_uncollected_results() -> None:
    fake = FakeWorld(FakeJob(artifacts={"/workspace/out": "corrupt"}))
    assert fake.process().exit_code == 75
    fake.control.ask("release", how="delete")
    assert fake.process(command="release").closed
    assert fake.cloud.only().status == "TERMINATED"
    fake.assert_settled()


@pytest.mark.parametrize("what", ["cancel", "release"])
def test_a_parked_run_can_be_ended_without_its_results(what: str) -> None:
    fake = FakeWorld(FakeJob(artifacts={"/workspace/out": "corrupt"}))
    assert fake.process().exit_code == 75
    assert ended(fake.process(what, command=what)) == ("cancelled", "cancelled", 130)
    pod = fake.cloud.only()
    assert pod.status == "EXITED" and pod.container == 1, "not started for it, and not deleted"
    assert fake.facts.debts.storage
    fake.assert_settled()


# gc: the engine is dead, somebody cleans up.


def crashed(fake: FakeWorld, after: str) -> FakeWorld:
    """A process that died right after this event was durable."""
    fake.crash(place_of(fake, f"after sync of {after}"))
    fake.clock.advance(30.0)
    return fake


def place_of(fake: FakeWorld, wanted: str) -> int:
    """The number of a place in the life of such a run, found on a copy of it."""
    fuse = Fuse()
    FakeWorld(fake.remote.job).process(fuse=fuse)
    return fuse.places.index(wanted)


def test_gc_before_the_launch_deletes() -> None:
    fake = crashed(FakeWorld(), "setup_to_stage")
    ending = fake.process("gc", command="gc")
    assert ended(ending) == ("cancelled", "collected_by_gc", 130)
    assert fake.cloud.only().status == "TERMINATED" and not fake.remote.starts
    fake.assert_settled()


@pytest.mark.parametrize("last", ["preflight_to_launch", "launch_job_intent"])
def test_gc_launches_nothing(last: str) -> None:
    fake = crashed(FakeWorld(), last)
    assert ended(fake.process("gc", command="gc"))[0] == "cancelled"
    assert not fake.remote.starts
    assert fake.cloud.only().status == "TERMINATED", "nothing was started, nothing is lost"
    fake.assert_settled()


def test_gc_spares_a_running_job() -> None:
    fake = crashed(FakeWorld(FakeJob(seconds=600.0)), "launch_to_monitor")
    ending = fake.process("gc", command="gc")
    assert (ending.closed, ending.exit_code) == (False, 8)
    assert fake.cloud.billing
    assert ended(fake.finish()) == ("succeeded", "job_succeeded", 0)
    fake.assert_settled()


def test_gc_spares_a_pod_that_cannot_be_asked() -> None:
    fake = crashed(FakeWorld(FakeJob(seconds=600.0)), "launch_to_monitor")
    fake.remote.lose_link(300.0)
    assert fake.process("gc", command="gc").exit_code == 8
    assert ended(fake.finish())[2] == 0
    fake.assert_settled()


def test_gc_stops_a_pod_with_results_and_resume_fetches_them() -> None:
    fake = crashed(FakeWorld(FakeJob(seconds=60.0)), "launch_to_monitor")
    fake.clock.advance(200.0)
    ending = fake.process("gc", command="gc")
    assert (ending.closed, ending.exit_code) == (False, 75)
    assert fake.cloud.only().status == "EXITED"
    fake.assert_settled()
    again = fake.process("gc", command="gc")
    assert (again.closed, again.exit_code) == (False, 75), "nothing more to do for gc"
    assert fake.cloud.only().container == 1
    assert ended(fake.finish()) == ("succeeded", "job_succeeded", 0)
    fake.assert_settled()


def test_gc_meets_a_pod_that_its_switch_stopped_and_resume_tells_how_the_job_ended() -> None:
    fake = crashed(FakeWorld(FakeJob(seconds=60.0)), "launch_to_monitor")
    fake.clock.advance(700.0)
    fake.cloud.stop(fake.cloud.only().id)
    ending = fake.process("gc", command="gc")
    assert (ending.closed, ending.exit_code) == (False, 75)
    fake.assert_settled()
    assert ended(fake.finish()) == ("succeeded", "job_succeeded", 0), "cleaning up is not an ending"
    fake.assert_settled()


# The machine itself.


@pytest.mark.parametrize("moment", [10.0, 90.0])
def test_asleep_for_eight_hours(moment: float) -> None:
    fake = FakeWorld(FakeJob(seconds=300.0))
    fake.clock.after(moment, lambda: fake.clock.sleep_machine(8 * 3600.0))
    assert ended(fake.process())[2] == 0
    assert len(fake.cloud.pods) == 1, "a pod that booted meanwhile is taken"
    fake.assert_settled()


@pytest.mark.parametrize("step", [-3600.0, 365 * 86400.0])
@pytest.mark.parametrize("moment", [10.0, 90.0])
def test_a_clock_that_is_set_fires_no_deadline(moment: float, step: float) -> None:
    fake = FakeWorld(FakeJob(seconds=300.0))
    fake.clock.after(moment, lambda: fake.clock.set_wall(step))
    assert ended(fake.process())[2] == 0
    assert len(fake.cloud.pods) == 1
    fake.assert_settled()


def test_a_reboot_between_two_processes() -> None:
    fake = crashed(FakeWorld(FakeJob(seconds=300.0)), "launch_to_monitor")
    fake.clock.reboot()
    assert ended(fake.finish()) == ("succeeded", "job_succeeded", 0)
    fake.assert_settled()


# Release.


def test_delete_answered_404_and_the_pod_shows_later() -> None:
    fake = FakeWorld(setup=[{"command": "bad"}], lifecycle={"on_failure": "delete"})
    fake.remote.job.commands["bad"] = 1
    pod_hidden_until = 45.0

    def hide() -> None:
        fake.cloud.only().visible_at = pod_hidden_until

    fake.clock.after(23.0, hide)
    assert ended(fake.process()) == ("failed", "setup", 5)
    assert fake.journal.events().count("delete_pod_ok") >= 2
    fake.assert_settled()


def test_delete_answers_5xx_and_works_in_the_end() -> None:
    fake = FakeWorld()
    fake.cloud.plan("delete", "nothing", "ambiguous", "nothing")
    assert ended(fake.process())[2] == 0
    fake.assert_settled()


def test_a_key_revoked_at_the_release() -> None:
    fake = FakeWorld()
    refused = {"delete": KEY_REFUSED, "get": KEY_REFUSED, "list": KEY_REFUSED, "stop": KEY_REFUSED}
    fake.clock.after(80.0, lambda: fake.cloud.broken.update(refused))
    ending = fake.process()
    assert (ending.closed, ending.exit_code) == (False, 8)
    assert 600.0 < fake.clock.real < 900.0
    assert fake.compute_debts
    fake.cloud.broken.clear()
    assert ended(fake.finish()) == ("succeeded", "job_succeeded", 0)
    fake.assert_settled()


def test_a_stop_that_finds_nothing_is_proved_by_looking() -> None:
    fake = FakeWorld(FakeJob(exit_code=1))
    fake.cloud.plan("stop", lambda: fake.cloud.halt(fake.cloud.only(), "TERMINATED"))
    assert ended(fake.process()) == ("failed", "job_failed", 5)
    fake.assert_settled()


def test_a_pod_that_runs_on_after_its_stop_and_then_vanishes_is_proved_by_looking() -> None:
    fake = FakeWorld(FakeJob(exit_code=1))
    fake.cloud.plan("stop", "ignored", lambda: fake.cloud.halt(fake.cloud.only(), "TERMINATED"))
    assert ended(fake.process()) == ("failed", "job_failed", 5)
    assert fake.clock.real < 600.0, "nobody goes on stopping what is not there"
    fake.assert_settled()


def test_gc_told_of_no_pod_to_stop_deletes_no_results() -> None:
    fake = crashed(FakeWorld(lifecycle={"on_success": "delete", "on_failure": "delete"}), "launch_to_monitor")
    fake.clock.advance(600.0)
    fake.cloud.plan("stop", "absent")
    ending = fake.process("gc", command="gc")
    assert not ending.closed
    assert fake.cloud.only().status == "EXITED", "stopped in the end, with the results in it"
    assert ended(fake.finish())[2] == 0
    fake.assert_settled()


def test_a_manifest_that_cannot_be_written_does_not_keep_the_run_open() -> None:
    fake = FakeWorld()
    fake.workspace.write_errors = [Refused("read-only", reason="path_refused")] * 5
    assert ended(fake.process())[2] == 0


# A renamed pod is still ours; the journal's loss is survived.


def test_a_pod_that_vanished_while_parked_is_lost() -> None:
    fake = FakeWorld(FakeJob(artifacts={"/workspace/out": "corrupt"}, exit_code=0))
    assert fake.process().exit_code == 75
    fake.cloud.halt(fake.cloud.only(), "TERMINATED")
    assert ended(fake.finish()) == ("lost", "pod_vanished", 10)
    fake.assert_settled()


@pytest.mark.parametrize("good", range(5, 44))
def test_a_journal_that_fails_releases_what_is_rented(good: int) -> None:
    fake, seen = FakeWorld(), 0

    def refuse(body: Body) -> None:
        nonlocal seen
        seen += 1
        if seen > good:
            raise JournalUnwritable("disk full")

    fake.journal.refuse = refuse
    try:
        ending = fake.process()
    except JournalUnwritable:
        assert fake.cloud.billing == [] and not fake.facts.debts.compute, "nothing was rented, or all is given back"
        return
    assert fake.cloud.billing == []
    if not fake.remote.starts:
        assert ended(ending) == ("failed", "storage_error", 9)
    elif ending.closed:
        assert ending.exit_code in (0, 9)
    else:
        assert ending.exit_code == 75 and fake.cloud.only().status == "EXITED"


# What was once broken.


def test_a_claim_folder_that_vanished_is_not_launched_again() -> None:
    fake = FakeWorld(FakeJob(seconds=5000.0))

    def wipe_and_stop() -> None:
        pod = fake.cloud.only()
        for key in [key for key in pod.volume if key.startswith("claim-")]:
            del pod.volume[key]
        fake.cloud.halt(pod)

    fake.clock.after(200.0, wipe_and_stop)
    assert ended(fake.process())[0] == "lost"
    assert len(fake.remote.starts) == 1
    assert fake.facts.results.pulled, "what there is, is fetched"


@pytest.mark.parametrize("request_too", ["interrupt", "terminate"])
def test_a_signal_to_gc_does_not_reach_the_job(request_too: str) -> None:
    fake = FakeWorld(FakeJob(seconds=5000.0))
    fake.clock.after(200.0, lambda: fake.control.ask("detach"))
    assert not fake.process().closed
    ending = fake.process("gc", request_too, command="gc")
    assert (ending.closed, ending.exit_code) == (False, 8)
    assert fake.cloud.billing, "the job runs on"
    assert ended(fake.finish()) == ("succeeded", "job_succeeded", 0)


@pytest.mark.parametrize("accepts", [False, True], ids=["refuses", "accepts and does nothing"])
def test_a_cloud_that_does_not_let_go_is_not_asked_for_ever(accepts: bool) -> None:
    """The process ends, so that somebody hears of it; nothing that may be kept is deleted to force it."""
    fake = FakeWorld(lifecycle={"on_success": "stop"})
    fake.remote.may_release = lambda pod: False  # nor to the switch in the pod
    original = fake.cloud.stop
    if accepts:
        fake.cloud.stop = lambda pod_id: None  # type: ignore[method-assign]
    else:
        fake.cloud.broken["stop"] = Refused("stopping is not possible now", reason="conflict", retryable=True)
    ending = fake.process()
    assert (ending.closed, ending.exit_code) == (False, 8)
    assert fake.facts.debts.compute
    assert 15 * 60 < fake.clock.real < 30 * 60
    assert [pod.status for pod in fake.cloud.pods.values()] == ["RUNNING"]
    fake.cloud.broken.clear()
    fake.cloud.stop = original  # type: ignore[method-assign]
    assert ended(fake.process())[2] == 0
    fake.assert_settled()


def test_a_key_refused_while_a_release_is_unclear_ends_in_8() -> None:
    fake = FakeWorld()

    def revoke() -> None:
        for call in ("get", "list", "delete", "stop"):
            fake.cloud.broken[call] = KEY_REFUSED

    fake.cloud.plan("delete", "nothing")
    fake.clock.after(300.0, lambda: None)
    original = fake.cloud.delete

    def delete(pod_id: str) -> None:
        try:
            original(pod_id)
        finally:
            revoke()

    fake.cloud.delete = delete  # type: ignore[method-assign]
    ending = fake.process()
    assert (ending.closed, ending.exit_code) == (False, 8)
    assert fake.facts.debts.compute
    fake.cloud.broken.clear()
    fake.cloud.delete = original  # type: ignore[method-assign]
    assert ended(fake.finish()) == ("succeeded", "job_succeeded", 0)
    fake.assert_settled()


def test_a_budget_that_ends_in_boot_deletes_no_results_nobody_tried_to_fetch() -> None:
    fake = FakeWorld(
        FakeJob(seconds=600.0),
        budget={"cost_cap_usd": 10.0, "ssh_ready_timeout_sec": 3000, "max_runtime_minutes": 20},
        lifecycle={"on_failure": "delete", "on_interrupt": "delete"},
    )

    def stop_for_long() -> None:
        fake.cloud.only().boot_seconds = 1500.0
        fake.cloud.halt(fake.cloud.only())

    fake.clock.after(300.0, stop_for_long)
    ending = fake.process()
    assert fake.remote.starts and not fake.facts.results.pulled
    assert fake.cloud.only().status == "EXITED", fake.journal.events()[-10:]
    assert (ending.closed, ending.exit_code) == (False, 75)
    fake.cloud.only().boot_seconds = 20.0
    ended(fake.finish())
    assert fake.facts.results.pulled


def test_a_pod_whose_env_is_not_shown_is_not_absent() -> None:
    fake = FakeWorld()
    view = fake.cloud._view
    fake.cloud._view = lambda pod: msgspec.structs.replace(view(pod), env={})  # type: ignore[method-assign]
    fake.cloud.plan("create", "ambiguous")
    assert ended(fake.process())[0] == "succeeded"
    assert fake.cloud.billing == []
    assert len(fake.cloud.creates) == 1


def test_a_container_that_restarts_by_itself_gets_a_new_pin_only_when_the_cloud_says_so() -> None:
    fake = FakeWorld(FakeJob(seconds=5000.0))

    def restart() -> None:
        pod = fake.cloud.only()
        fake.cloud.restart_container(pod)
        pod.starts += 1  # which moves it to another port, and that the cloud shows

    fake.clock.after(200.0, restart)
    ending = fake.process()
    assert ended(ending) == ("lost", "job_lost", 10)
    assert fake.facts.results.pulled
    assert fake.clock.real < 600.0


def test_a_host_key_that_changed_without_a_start_is_refused_soon() -> None:
    fake = FakeWorld(FakeJob(seconds=5000.0))
    fake.clock.after(200.0, lambda: setattr(fake.cloud.only(), "key", 1))
    ending = fake.process()
    assert (ending.closed, ending.exit_code) == (False, 75)
    assert fake.cloud.only().status == "EXITED"
    assert fake.clock.real < 600.0
    assert ended(fake.finish()) == ("lost", "job_lost", 10)
    assert fake.facts.results.pulled
