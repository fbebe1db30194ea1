"""monitor: the log is followed, the budget cuts a look short, and idle GPUs and checkpoints have their times."""

from __future__ import annotations

from typing import Any

import pytest

from rpd.engine.decision import Decision, Do, Fire, Look
from rpd.states import monitor
from rpd.states.facts import Facts
from rpd.states.facts.tries import Tries
from rpd.states.monitor import WATCH_SECONDS
from rpd.states.operations.job import ReadClaim, ReadSamples, WatchJob
from rpd.states.ports.names import Op, Reason, State, Trigger
from rpd.states.ports.world import Claim, JobRef, Target, World
from rpd.states.shared import checkpoints, telemetry
from tests.fakes.facts import args_of, asked, begun, claimed, data_of, facts_in, moved, outcome, seen, stamp, tried

TARGET = Target("pod1", "rpd-x-a1", "run", 1, "/workspace/.rpd/run")


def running(**config: Any) -> Facts:
    """The job runs, and the pod was just looked at."""
    facts = claimed(facts_in(State.MONITOR, **config), "running", started_at=0.0)
    seen(facts, Op.READ_POD, at=100.0, pod=facts.pod.seen if facts.pod else None)
    return facts


def at(facts: Facts, seconds: float) -> Decision:
    return monitor.decide(facts, stamp(seconds))


def seconds_of(decision: Decision) -> float:
    assert isinstance(decision, Look) and decision.op == Op.WATCH_JOB, decision
    return float(args_of(decision)["seconds"])


# The end of the job.


@pytest.mark.parametrize(
    ("claim", "config", "reason"),
    [
        ({"exit_code": 0}, {}, Reason.JOB_SUCCEEDED),
        ({"exit_code": 3}, {}, Reason.JOB_FAILED),
        ({"exit_code": 0, "failure_marker": "NaN"}, {}, Reason.FAILURE_MARKER),
        ({"exit_code": 0, "has_marker": False}, {"success_marker": "OK"}, Reason.MARKER_MISSING),
        ({"exit_code": 0, "has_marker": True}, {"success_marker": "OK"}, Reason.JOB_SUCCEEDED),
    ],
)
def test_an_exit_code_ends_it(claim: dict[str, Any], config: dict[str, Any], reason: Reason) -> None:
    facts = claimed(running(run={"body": "x", **config}), "ended", **claim)
    assert at(facts, 110.0) == Fire(Trigger.JOB_ENDED, reason)


@pytest.mark.parametrize("phase", ["ended", "lost", "none"])
def test_what_another_process_read_ends_nothing(phase: str) -> None:
    facts = claimed(running(), phase, exit_code=0)
    facts.launch.claim_is_fresh = False
    assert isinstance(at(facts, 110.0), Look)


@pytest.mark.parametrize(("phase", "retries", "fired"), [
    ("lost", 0, Trigger.JOB_LOST), ("lost", 1, Trigger.RELAUNCH), ("none", 1, Trigger.JOB_LOST),
])  # fmt: skip
def test_a_lost_job_is_launched_again_where_the_config_says_so(phase: str, retries: int, fired: Trigger) -> None:
    decision = at(claimed(running(retries=retries), phase), 110.0)
    assert isinstance(decision, Fire) and decision.trigger == fired


@pytest.mark.parametrize("obstacle", ["enough launches", "a request", "another owner", "an ending"])
def test_a_lost_job_is_not_launched_again(obstacle: str) -> None:
    facts = claimed(running(retries=2), "lost")
    if obstacle == "enough launches":
        facts.launch.number = 3
    elif obstacle == "a request":
        asked(facts, "cancel")
    elif obstacle == "another owner":
        facts.launch.was_taken_over = True
    else:
        facts.ending.reason = Reason.CANCELLED
    decision = at(facts, 110.0)
    assert isinstance(decision, Fire) and decision.trigger == Trigger.JOB_LOST


def test_a_marker_that_is_heard_ends_a_job_that_runs() -> None:
    facts = running(run={"body": "x", "failure_markers": ["NaN", "OOM"], "success_marker": "OK", "done_on": "marker"})
    for marker, reason in (("OOM", Reason.FAILURE_MARKER), ("OK", Reason.JOB_SUCCEEDED)):
        facts.launch.markers_seen = (marker,)
        decision = at(facts, 110.0)
        assert isinstance(decision, Fire) and (decision.trigger, decision.reason) == (Trigger.JOB_ENDED, reason)
    facts = running(run={"body": "x", "success_marker": "OK"})
    facts.launch.markers_seen = ("OK",)
    assert isinstance(at(facts, 110.0), Look), "it ends by its exit code"


# Looking.


def test_the_pod_is_looked_at_between_two_looks_at_the_log() -> None:
    facts = running()
    assert seconds_of(at(facts, 115.0)) == WATCH_SECONDS == 15.0
    decision = at(facts, 115.1)
    assert isinstance(decision, Look) and decision.op == Op.READ_POD


def test_a_pod_that_is_seen_stopped_is_started_again() -> None:
    facts = running()
    assert facts.pod is not None and facts.pod.seen is not None
    seen(facts, Op.READ_POD, at=105.0, pod={"id": "pod1", "name": facts.pod.name, "status": "EXITED"})
    assert at(facts, 106.0) == Fire(Trigger.POD_STOPPED, Reason.POD_STOPPED)
    facts.contact.tries.clear()
    facts.progress.entered = stamp(106.0)
    assert isinstance(at(facts, 106.0), Look), "what a state before saw is asked again"


def test_gc_only_asks_about_a_job_that_may_run() -> None:
    decision = at(asked(running(), "gc"), 110.0)
    assert not isinstance(decision, Look) or decision.op == Op.READ_CLAIM


def test_a_look_ends_with_the_budget_and_with_the_share_of_it_at_which_somebody_is_told() -> None:
    facts = running(budget={"cost_cap_usd": 1000.0, "max_runtime_minutes": 5})
    seen(facts, Op.READ_POD, at=230.0, pod=facts.pod.seen if facts.pod else None)
    assert seconds_of(at(facts, 230.0)) == pytest.approx(10.0), "80 % of 300 s"
    facts.report.noticed["budget"] = stamp(240.0)
    seen(facts, Op.READ_POD, at=290.0, pod=facts.pod.seen if facts.pod else None)
    assert seconds_of(at(facts, 294.0)) == pytest.approx(6.0)
    assert seconds_of(at(facts, 299.9)) == 0.5, "the least"


def test_what_the_log_can_be_written_to_is_full_the_claim_is_asked_all_the_same() -> None:
    facts = running()
    seen(facts, Op.WATCH_JOB, at=110.0, error="no room", reason="local_disk")
    seen(facts, Op.READ_POD, at=111.0, pod=facts.pod.seen if facts.pod else None)
    decision = at(facts, 120.0)
    assert isinstance(decision, Look) and decision.op == Op.READ_CLAIM
    tried(facts, Op.READ_CLAIM, stamp(121.0))
    decision = at(facts, 122.0)
    assert isinstance(decision, Look) and decision.op == Op.WATCH_JOB


def test_a_watch_that_saw_the_end_has_fetched_the_log() -> None:
    facts = running()
    seen(facts, Op.WATCH_JOB, claim=Claim("running", 1))
    assert not facts.results.log_fetched
    seen(facts, Op.WATCH_JOB, claim=Claim("ended", 1, exit_code=0))
    assert facts.results.log_fetched
    seen(facts, Op.WATCH_JOB, claim=Claim("running", 1))
    assert facts.launch.claim is not None and facts.launch.claim.phase == "ended", "an exit code is not taken back"


class Remote:
    """A pod that says of itself what it is told to."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim

    def read_claim(self, target: Target, job: JobRef) -> Claim:
        return Claim("claimed", 1)

    def watch(self, target: Target, job: JobRef, log_file: str, seconds: float) -> Claim:
        return self.claim

    def idle_seconds(self, target: Target, launch: int, interval: float, threshold: float, grace: float) -> float:
        return launch * interval + threshold + grace


@pytest.mark.parametrize(("phase", "written"), [("running", 0), ("ended", 77)])
def test_the_size_of_a_growing_log_is_not_written_down_at_every_look(phase: str, written: int) -> None:
    world = World(None, Remote(Claim(phase, 1, log_bytes=77)), None, None, None)  # type: ignore[arg-type]
    result = WatchJob(TARGET, JobRef(1, "/log"), "/l", 1.0).perform(world)
    assert (result.answer.claim.log_bytes, result.live.claim.log_bytes) == (written, 77)
    assert ReadClaim(TARGET, JobRef(1, "/log")).perform(world).answer.claim.phase == "claimed"
    samples = ReadSamples(TARGET, launch=3, interval=5.0, threshold_pct=2.0, grace_seconds=60.0)
    assert data_of(samples.perform(world)) == {"idle_seconds": 77.0}


# Idle GPUs.


def idle(**telemetry: Any) -> Facts:
    facts = running(budget={"cost_cap_usd": 1000.0, "idle_minutes": 10}, telemetry=telemetry)
    seen(facts, Op.WATCH_JOB, at=100.0, claim=facts.launch.claim)
    return facts


def test_what_is_idle_is_the_configs_to_say() -> None:
    said = {"idle_minutes": 10, "idle_threshold_pct": 20, "idle_grace_minutes": 0.5}
    facts = running(budget={"cost_cap_usd": 1000.0, **said})
    seen(facts, Op.WATCH_JOB, at=100.0, claim=facts.launch.claim)
    decision = telemetry.decide_idle(facts, stamp(9999.0))
    assert isinstance(decision, Look)
    assert (args_of(decision)["threshold_pct"], args_of(decision)["grace_seconds"]) == (20.0, 30.0)


def test_gpus_that_do_nothing_for_as_long_as_the_config_allows_end_the_run() -> None:
    facts = idle()
    seen(facts, Op.READ_SAMPLES, at=110.0, idle_seconds=599.0)
    assert telemetry.decide_idle(facts, stamp(111.0)) is None
    seen(facts, Op.READ_SAMPLES, at=110.0, idle_seconds=600.0)
    decision = at(facts, 111.0)
    assert isinstance(decision, Fire) and (decision.trigger, decision.reason) == (Trigger.OUT_OF_TIME, Reason.IDLE)


def test_what_was_idle_once_does_not_count_when_the_samples_cannot_be_read_or_the_state_is_new() -> None:
    facts = idle()
    facts.launch.idle_seconds = 6000.0
    assert not isinstance(telemetry.decide_idle(facts, stamp(111.0)), Fire)
    seen(facts, Op.READ_SAMPLES, at=110.0, error="gone", reason="link_lost")
    assert not isinstance(telemetry.decide_idle(facts, stamp(111.0)), Fire)


@pytest.mark.parametrize("missed", ["not looked at yet", "offline since", "offline meanwhile"])
def test_gpus_of_a_job_that_may_have_ended_are_not_idle(missed: str) -> None:
    facts = running(budget={"cost_cap_usd": 1000.0, "idle_minutes": 10}) if missed.startswith("not") else idle()
    if missed.startswith("offline"):
        seen(facts, Op.WATCH_JOB, at=105.0, error="no route", reason="ssh_unreachable")
        seen(facts, Op.READ_POD, at=106.0, error="no route", reason="not_sent")
    if missed == "offline meanwhile":
        seen(facts, Op.READ_POD, at=900.0, pod=facts.pod.seen if facts.pod else None)
        assert facts.tried(Op.WATCH_JOB).failures == 0, "it is forgiven, and the job still was not seen"
    seen(facts, Op.READ_SAMPLES, at=901.0, idle_seconds=700.0)
    assert telemetry.decide_idle(facts, stamp(902.0)) is None
    seen(facts, Op.WATCH_JOB, at=903.0, claim=facts.launch.claim)
    assert isinstance(telemetry.decide_idle(facts, stamp(904.0)), Fire), "it runs, and its GPUs do nothing"


@pytest.mark.parametrize(("interval", "due"), [(10, 30.0), (50, 50.0)])
def test_samples_are_asked_for_when_there_may_be_new_ones(interval: int, due: float) -> None:
    facts = idle(sample_interval_sec=interval)
    assert telemetry.decide_idle(facts, stamp(100.0 + due - 1.0)) is None
    decision = telemetry.decide_idle(facts, stamp(100.0 + due))
    assert isinstance(decision, Look) and decision.op == Op.READ_SAMPLES
    seen(facts, Op.READ_SAMPLES, at=140.0, idle_seconds=None)
    assert telemetry.decide_idle(facts, stamp(140.0 + due - 1.0)) is None
    assert telemetry.decide_idle(facts, stamp(140.0 + due)) is not None


def test_nobody_asks_for_samples_that_are_not_wanted_or_over_a_link_that_is_down() -> None:
    assert telemetry.decide_idle(running(), stamp(9999.0)) is None
    assert telemetry.decide_idle(idle(enabled=False), stamp(9999.0)) is None
    facts = idle()
    seen(facts, Op.WATCH_JOB, error="gone", reason="link_lost")
    assert telemetry.decide_idle(facts, stamp(9999.0)) is None


def test_samples_are_fetched_of_a_job_that_ended_at_once_too() -> None:
    facts = claimed(idle(sample_interval_sec=10), "ended", exit_code=1, started_at=100.0, ended_at=101.0)
    (artifact,) = telemetry.as_artifacts(facts)
    assert not artifact.required and artifact.remote_path.endswith("/telemetry")
    assert telemetry.as_artifacts(claimed(idle(enabled=False), "ended", exit_code=0)) == ()


# Checkpoints.


def saving(**config: Any) -> Facts:
    return running(checkpoints={"paths": ["/workspace/ck", "/root/state"], "every_minutes": 2}, **config)


def due(facts: Facts, seconds: float) -> str | None:
    """The checkpoint that is pulled now."""
    decision = checkpoints.decide_pull(facts, stamp(seconds))
    assert decision is None or isinstance(decision, Do)
    return str(args_of(decision)["path"]) if decision is not None else None


def pulled(path: str) -> dict[str, Any]:
    return {"path": path, "pulled": {"label": path, "is_missing": False}}


def test_a_checkpoint_is_pulled_when_it_is_due_and_again_after_the_same_time() -> None:
    facts = saving()
    assert (due(facts, 219.0), due(facts, 220.0)) == (None, "/workspace/ck")
    begun(facts, Op.PULL_CHECKPOINT, at=0.0, path="/workspace/ck")
    outcome(facts, Op.PULL_CHECKPOINT, at=230.0, data=pulled("/workspace/ck"))
    assert due(facts, 231.0) == "/root/state"
    begun(facts, Op.PULL_CHECKPOINT, at=0.0, path="/root/state")
    outcome(facts, Op.PULL_CHECKPOINT, at=240.0, data=pulled("/root/state"))
    assert (due(facts, 349.0), due(facts, 350.0)) == (None, "/workspace/ck")


def test_a_checkpoint_that_could_not_be_had_does_not_disturb_the_job() -> None:
    facts = saving()
    begun(facts, Op.PULL_CHECKPOINT, at=0.0, path="/workspace/ck")
    outcome(facts, Op.PULL_CHECKPOINT, "failed", at=230.0, error="gone", reason="link_lost")
    assert due(facts, 231.0) is None, "the job itself is looked at first"
    seen(facts, Op.WATCH_JOB, at=232.0, claim=Claim("running", 1))
    assert due(facts, 233.0) == "/root/state"
    seen(facts, Op.WATCH_JOB, at=234.0, error="gone", reason="link_lost")
    assert due(facts, 999.0) is None


def test_no_pull_brings_a_secret_along() -> None:
    secrets = [
        {"name": "s", "destination": "/workspace/ck/key", "env": ["S"]},
        {"name": "t", "destination": "/t", "env": ["S"]},
    ]
    decision = checkpoints.decide_pull(saving(secrets=secrets), stamp(999.0))
    assert decision is not None and args_of(decision)["pull"]["excludes"] == ("/key",)
    assert args_of(decision)["pull"]["required"] is False


def pushed_back(facts: Facts) -> list[str]:
    return [tree.destination for tree in checkpoints.to_push_back(facts)]


def test_only_what_the_next_launch_would_not_find_is_pushed_back() -> None:
    facts = saving()
    facts.launch.prepared = (facts.pod.name, facts.pod.container_name) if facts.pod else None
    moved(facts, Trigger.RELAUNCH, State.ARM)
    assert pushed_back(facts) == [], "the same container has both, and newer ones"
    assert facts.pod is not None
    facts.pod.starts += 1
    assert pushed_back(facts) == ["/root/state"], "a start wipes the container's disk, not the volume"
    facts.pod.name = "another"
    assert pushed_back(facts) == ["/workspace/ck", "/root/state"]
    facts.launch.lost_in = None
    assert pushed_back(facts) == ["/workspace/ck", "/root/state"]
    facts.launch.number = 1
    assert pushed_back(facts) == [], "no launch has left any"


def test_a_network_volume_keeps_them_for_the_next_pod() -> None:
    facts = saving(storage={"mode": "network_volume", "volume_name": "v"})
    facts.launch.number, facts.launch.lost_in = 2, ("the pod before", "1 c")
    assert pushed_back(facts) == ["/root/state"]


def test_the_job_is_not_followed_while_a_checkpoint_is_due() -> None:
    facts = saving()
    seen(facts, Op.READ_POD, at=219.0, pod=facts.pod.seen if facts.pod else None)
    decision = at(facts, 220.0)
    assert isinstance(decision, Do) and decision.op == Op.PULL_CHECKPOINT


def test_nobody_waits_for_a_checkpoint() -> None:
    facts = saving()
    assert [each.required for each in checkpoints.as_artifacts(facts)] == [False, False]
    facts.launch.number, facts.launch.lost_in = 2, None
    assert [tree.is_optional for tree in checkpoints.to_push_back(facts)] == [True, True]


def test_the_claim_is_asked_only_where_the_log_finds_no_room_and_each_time_anew() -> None:
    facts = running()
    facts.contact.tries = {Op.WATCH_JOB: Tries(error="no room", reason="local_disk")}
    assert seconds_of(at(facts, 110.0)), "that was something else"
    tried(facts, Op.READ_CLAIM, stamp(105.0))
    for reason, op in (("local_disk", Op.READ_CLAIM), ("link_lost", Op.WATCH_JOB)):
        seen(facts, Op.WATCH_JOB, at=110.0, error="no", reason=reason)
        seen(facts, Op.READ_POD, at=111.0, pod=facts.pod.seen if facts.pod else None)
        decision = at(facts, 120.0)
        assert isinstance(decision, Look) and decision.op == op


def test_what_a_log_has_said_ends_only_a_job_that_runs() -> None:
    facts = running(run={"body": "x", "failure_markers": ["NaN"]})
    facts.launch.markers_seen = ("NaN",)
    facts = claimed(facts, "claimed")
    assert isinstance(at(facts, 110.0), Look)
