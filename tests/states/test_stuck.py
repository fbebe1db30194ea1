"""What does not come to its end must keep nothing else: a twin that is not let go of, a link that breaks each time, an
artifact that is slow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rpd.engine.decision import Do
from rpd.engine.errors import Ambiguous, Refused, RpdError, Unavailable
from rpd.states import release
from rpd.states.facts.release import SurveyedPod
from rpd.states.facts.tries import Outage
from rpd.states.policy.twin import note_twins
from rpd.states.ports.names import Reason, State
from rpd.states.ports.world import PodLog, Pull
from rpd.states.release import BLINDLY_AGAIN_SECONDS
from tests.fakes import remote as fake_remote
from tests.fakes.facts import claimed, facts_in, stamp
from tests.fakes.fake_world import FakeWorld
from tests.fakes.remote import FakeJob
from tests.states.test_outages import DELETE, once_in

THREE = [{"label": name, "remote_path": f"/workspace/{name}", "local_path": f"/tmp/{name}"} for name in "abc"]
RICH = {"max_usd": 1000.0, "ssh_ready_timeout_sec": 300}


class TooLong(Exception):
    """The clock was stopped: the run goes in circles."""


def stop_after(stage: FakeWorld, seconds: float) -> None:
    def stop() -> None:
        raise TooLong

    stage.clock.after(seconds, stop)


def with_stuck_twin(stage: FakeWorld, answer: RpdError | None) -> FakeWorld:
    """The cloud makes two pods, and answers every delete of the second one like this, without doing it."""
    stage.cloud.plan("create", "twin:0")
    shipped = stage.cloud.delete

    def delete(pod_id: str) -> None:
        if stage.cloud.pods[pod_id].twin_of is None:
            shipped(pod_id)
            return
        stage.clock.advance(0.1)
        if answer is not None:
            raise answer

    stage.cloud.delete = delete  # type: ignore[method-assign]
    return stage


@pytest.mark.parametrize("answer", [Refused("it is locked", reason="conflict"), None], ids=["refused", "ignored"])
def test_a_twin_that_is_not_let_go_of_keeps_no_other_pod(answer: RpdError | None) -> None:
    stage = with_stuck_twin(FakeWorld(FakeJob(seconds=300.0)), answer)
    stage.remote.switch_probe = "no key"  # no switch helps either
    ending = stage.process()
    assert (ending.closed, ending.exit_code) == (False, 8)
    main = next(pod for pod in stage.cloud.pods.values() if pod.twin_of is None)
    assert main.status == "TERMINATED"


def test_a_detach_does_not_wait_for_ever_for_a_twin() -> None:
    stage = with_stuck_twin(FakeWorld(FakeJob(seconds=1800.0)), None)
    stage.clock.after(100.0, lambda: stage.control.ask("detach"))
    stop_after(stage, 1000.0)
    ending = stage.process()
    assert (ending.closed, ending.exit_code) == (False, 8), "the twin bills, and is owed"


def test_a_moved_pod_is_no_twin_to_be_deleted() -> None:
    facts = claimed(facts_in(State.MONITOR), "running")
    assert facts.pod is not None
    name = facts.pod.name
    found = [SurveyedPod("pod9", name, "RUNNING"), SurveyedPod("pod1", name, "TERMINATED")]
    note_twins(facts, found, stamp(200.0), is_whole=True)
    assert facts.pods[f"{name}#pod9"].holds, "it may hold the results"


@pytest.mark.parametrize(("seconds", "pods"), [(480.0, 1), (900.0, 1)])
def test_a_log_that_is_empty_for_want_of_a_way_ends_no_outage(seconds: float, pods: int) -> None:
    stage = FakeWorld(FakeJob(seconds=240.0), **DELETE)
    stage.cloud.boot_seconds = [200.0]
    shipped = stage.cloud.pod_log

    def pod_log(pod_id: str, lines: int) -> PodLog:
        try:
            return shipped(pod_id, lines)
        except RpdError:
            return PodLog()  # as the real one does

    stage.cloud.pod_log = pod_log  # type: ignore[method-assign]

    def begin() -> None:
        stage.cloud.lose_api(seconds)
        stage.remote.lose_link(seconds)

    once_in(stage, State.BOOT, begin)
    ending = stage.process()
    assert len(stage.cloud.pods) == pods
    assert ending.outcome == "succeeded" if seconds < 600.0 else ending.reason == "cloud_unreachable"


def test_an_api_that_answers_with_errors_costs_no_healthy_host() -> None:
    stage = FakeWorld(FakeJob(seconds=240.0), budget={"ssh_ready_timeout_sec": 300})
    stage.cloud.boot_seconds = [100.0]

    def begin() -> None:
        stage.cloud.broken["get"] = Unavailable("503", reason="server_error", retryable=True)
        stage.clock.after(480.0, lambda: stage.cloud.broken.pop("get"))

    once_in(stage, State.BOOT, begin)
    assert stage.process().outcome == "succeeded"
    assert len(stage.cloud.pods) == 1


def test_a_push_whose_link_breaks_after_minutes_each_time_comes_to_an_end() -> None:
    stage = FakeWorld(FakeJob(), budget=RICH)

    def push(target: Any, tree: Any) -> None:
        stage.remote._reach(target, effect=True)
        stage.clock.advance(310.0)
        raise Ambiguous("the link was lost", reason="link_lost")

    stage.remote.push = push  # type: ignore[assignment,method-assign]
    stop_after(stage, 2 * 3600.0)
    ending = stage.process()
    assert ending.reason == "pod_unreachable" and stage.cloud.billing == []


def slowly(stage: FakeWorld, seconds: float) -> list[str]:
    """Each pull takes so long; which were asked for."""
    shipped: Callable[..., Any] = stage.remote.pull
    tried: list[str] = []

    def pull(target: Any, pull: Pull) -> Any:
        tried.append(pull.label)
        for _ in range(int(seconds / 10.0)):
            stage.clock.advance(10.0)
            stage.remote.switch.owner_was_here(stage.cloud.only())
        return shipped(target, pull)

    stage.remote.pull = pull  # type: ignore[method-assign]
    return tried


@pytest.mark.parametrize("exit_code", [0, 3])
def test_many_minutes_of_results_are_all_fetched(exit_code: int) -> None:
    stage = FakeWorld(FakeJob(exit_code=exit_code), artifacts=THREE, **DELETE)
    tried = slowly(stage, 400.0)
    stage.process()
    assert [label for label in tried if label in "abc"] == ["a", "b", "c"]
    assert {"a", "b", "c"} <= set(stage.facts.results.pulled)


@pytest.mark.parametrize("after", [10.0, 95.0])
def test_results_that_were_not_tried_for_want_of_patience_stay(after: float) -> None:
    stage = FakeWorld(FakeJob(exit_code=3), artifacts=THREE, **DELETE)
    slowly(stage, 90.0)
    once_in(stage, State.COLLECT, lambda: stage.clock.after(after, lambda: stage.control.ask("interrupt")))
    stage.process()
    assert stage.facts.uncollected and stage.cloud.only().status == "EXITED"


def test_a_secret_in_memory_does_not_keep_a_pod_from_being_told_blindly() -> None:
    facts = facts_in(State.RELEASE, lifecycle={"on_failure": "delete"})
    facts.ending.reason = Reason.CLOUD_UNREACHABLE
    assert facts.pod is not None
    facts.pod.container.secrets_left = "memory"
    facts.contact.outage = Outage(stamp(110.0), stamp(110.0), is_total=True, op=None)
    assert isinstance(release.decide(facts, stamp(101.0 + BLINDLY_AGAIN_SECONDS)), Do)


@pytest.mark.parametrize("state", [State.SETUP, State.PREFLIGHT])
def test_a_new_container_with_the_host_key_of_its_image_is_prepared_anew(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake_remote, "_host_key", lambda pod: f"SHA256:{pod.id}")
    stage = FakeWorld(FakeJob(seconds=600.0))
    once_in(stage, state, lambda: stage.clock.after(0.3, lambda: stage.cloud.renew_container(stage.cloud.only())))
    disks: list[dict[str, Any]] = []
    launch = stage.remote.launch

    def spy(target: Any, order: Any) -> Any:
        disks.append(dict(stage.cloud.only().disk))
        return launch(target, order)

    stage.remote.launch = spy  # type: ignore[method-assign]
    assert stage.process().outcome == "succeeded"
    assert "step pip install ." in disks[0], "the job runs in a container that has seen its setup"
