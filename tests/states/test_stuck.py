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


def stop_after(fake: FakeWorld, seconds: float) -> None:
    def stop() -> None:
        raise TooLong

    fake.clock.after(seconds, stop)


def with_stuck_twin(fake: FakeWorld, answer: RpdError | None) -> FakeWorld:
    """The cloud makes two pods, and answers every delete of the second one like this, without doing it."""
    fake.cloud.plan("create", "twin:0")
    shipped = fake.cloud.delete

    def delete(pod_id: str) -> None:
        if fake.cloud.pods[pod_id].twin_of is None:
            shipped(pod_id)
            return
        fake.clock.advance(0.1)
        if answer is not None:
            raise answer

    fake.cloud.delete = delete  # type: ignore[method-assign]
    return fake


@pytest.mark.parametrize("answer", [Refused("it is locked", reason="conflict"), None], ids=["refused", "ignored"])
def test_a_twin_that_is_not_let_go_of_keeps_no_other_pod(answer: RpdError | None) -> None:
    fake = with_stuck_twin(FakeWorld(FakeJob(seconds=300.0)), answer)
    fake.remote.switch_probe = "no key"  # no switch helps either
    ending = fake.process()
    assert (ending.closed, ending.exit_code) == (False, 8)
    main = next(pod for pod in fake.cloud.pods.values() if pod.twin_of is None)
    assert main.status == "TERMINATED"


def test_a_detach_does_not_wait_for_ever_for_a_twin() -> None:
    fake = with_stuck_twin(FakeWorld(FakeJob(seconds=1800.0)), None)
    fake.clock.after(100.0, lambda: fake.control.ask("detach"))
    stop_after(fake, 1000.0)
    ending = fake.process()
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
    fake = FakeWorld(FakeJob(seconds=240.0), **DELETE)
    fake.cloud.boot_seconds = [200.0]
    shipped = fake.cloud.pod_log

    def pod_log(pod_id: str, lines: int) -> PodLog:
        try:
            return shipped(pod_id, lines)
        except RpdError:
            return PodLog()  # as the real one does

    fake.cloud.pod_log = pod_log  # type: ignore[method-assign]

    def begin() -> None:
        fake.cloud.lose_api(seconds)
        fake.remote.lose_link(seconds)

    once_in(fake, State.BOOT, begin)
    ending = fake.process()
    assert len(fake.cloud.pods) == pods
    assert ending.outcome == "succeeded" if seconds < 600.0 else ending.reason == "cloud_unreachable"


def test_an_api_that_answers_with_errors_costs_no_healthy_host() -> None:
    fake = FakeWorld(FakeJob(seconds=240.0), budget={"ssh_ready_timeout_sec": 300})
    fake.cloud.boot_seconds = [100.0]

    def begin() -> None:
        fake.cloud.broken["get"] = Unavailable("503", reason="server_error", retryable=True)
        fake.clock.after(480.0, lambda: fake.cloud.broken.pop("get"))

    once_in(fake, State.BOOT, begin)
    assert fake.process().outcome == "succeeded"
    assert len(fake.cloud.pods) == 1


def test_a_push_whose_link_breaks_after_minutes_each_time_comes_to_an_end() -> None:
    fake = FakeWorld(FakeJob(), budget=RICH)

    def push(target: Any, tree: Any) -> None:
        fake.remote._reach(target, effect=True)
        fake.clock.advance(310.0)
        raise Ambiguous("the link was lost", reason="link_lost")

    fake.remote.push = push  # type: ignore[assignment,method-assign]
    stop_after(fake, 2 * 3600.0)
    ending = fake.process()
    assert ending.reason == "pod_unreachable" and fake.cloud.billing == []


def slowly(fake: FakeWorld, seconds: float) -> list[str]:
    """Each pull takes so long; which were asked for."""
    shipped: Callable[..., Any] = fake.remote.pull
    tried: list[str] = []

    def pull(target: Any, pull: Pull) -> Any:
        tried.append(pull.label)
        for _ in range(int(seconds / 10.0)):
            fake.clock.advance(10.0)
            fake.remote.switch.owner_was_here(fake.cloud.only())
        return shipped(target, pull)

    fake.remote.pull = pull  # type: ignore[method-assign]
    return tried


@pytest.mark.parametrize("exit_code", [0, 3])
def test_many_minutes_of_results_are_all_fetched(exit_code: int) -> None:
    fake = FakeWorld(FakeJob(exit_code=exit_code), artifacts=THREE, **DELETE)
    tried = slowly(fake, 400.0)
    fake.process()
    assert [label for label in tried if label in "abc"] == ["a", "b", "c"]
    assert {"a", "b", "c"} <= set(fake.facts.results.pulled)


@pytest.mark.parametrize("after", [10.0, 95.0])
def test_results_that_were_not_tried_for_want_of_patience_stay(after: float) -> None:
    fake = FakeWorld(FakeJob(exit_code=3), artifacts=THREE, **DELETE)
    slowly(fake, 90.0)
    once_in(fake, State.COLLECT, lambda: fake.clock.after(after, lambda: fake.control.ask("interrupt")))
    fake.process()
    assert fake.facts.uncollected and fake.cloud.only().status == "EXITED"


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
    fake = FakeWorld(FakeJob(seconds=600.0))
    once_in(fake, state, lambda: fake.clock.after(0.3, lambda: fake.cloud.renew_container(fake.cloud.only())))
    disks: list[dict[str, Any]] = []
    launch = fake.remote.launch

    def spy(target: Any, order: Any) -> Any:
        disks.append(dict(fake.cloud.only().disk))
        return launch(target, order)

    fake.remote.launch = spy  # type: ignore[method-assign]
    assert fake.process().outcome == "succeeded"
    assert "step pip install ." in disks[0], "the job runs in a container that has seen its setup"
