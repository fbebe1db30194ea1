"""Results that a run does not need, that could not be fetched or pushed, and that are in its pod alone: they are not
destroyed by a success, and somebody is told."""

from __future__ import annotations

from typing import Any

import pytest

from rpd.adapters.report.ending import last_words
from rpd.states.facts import Facts
from rpd.states.policy.reuse import paused_pods
from rpd.states.policy.rules import release_how, why_kept
from rpd.states.ports.names import Reason, State
from rpd.states.ports.world import Notice, Pulled
from rpd.states.shared.lease import decide_dropping
from tests.fakes.facts import claimed, facts_in
from tests.fakes.fake_world import FakeWorld
from tests.fakes.remote import FakeJob

BUCKET = "s3://bucket/plots"
EXTRA = {"label": "plots", "remote_path": "/workspace/plots", "local_path": BUCKET, "required": False}
MODEL = {"label": "model", "remote_path": "/workspace/out", "local_path": "/tmp/out"}


def life(kind: str, extra: dict[str, Any] = EXTRA, *, exit_code: int = 0, **lifecycle: Any) -> FakeWorld:
    job = FakeJob(exit_code=exit_code, artifacts={"/workspace/plots": kind})
    fake = FakeWorld(job, artifacts=[MODEL, extra], lifecycle=lifecycle, notify={"command": "cat"})
    fake.process()
    return fake


def words(fake: FakeWorld) -> str:
    return "\n".join(last_words(fake.facts, fake.clock.now()))


@pytest.mark.parametrize("extra", [EXTRA, {**EXTRA, "local_path": "/tmp/plots"}], ids=["bucket", "here"])
def test_a_success_does_not_destroy_them_and_says_where_they_are(extra: dict[str, Any]) -> None:
    fake = life("corrupt", extra)
    assert (fake.facts.report.outcome, fake.facts.report.exit_code) == ("succeeded", 0)
    assert fake.cloud.only().status == "EXITED", "they are nowhere else"
    place = BUCKET if extra is EXTRA else "/tmp/plots"
    assert f"warning: artifact plots is not at {place}: " in words(fake)
    assert "in the stopped pod alone" in words(fake) and "rpd release" in words(fake)
    assert "results that nobody has collected are on it" in words(fake)


@pytest.mark.parametrize("kind", ["ok", "missing", "empty"])
def test_what_arrived_or_was_not_there_keeps_no_pod(kind: str) -> None:
    fake = life(kind)
    assert fake.cloud.only().status == "TERMINATED" and "warning" not in words(fake)


def test_what_may_not_be_created_here_keeps_it_too() -> None:
    fake = life("refused")
    assert (fake.facts.report.outcome, fake.cloud.only().status) == ("succeeded", "EXITED")
    assert "in the stopped pod alone" in words(fake)


def test_a_failed_job_whose_file_says_delete_takes_them_along_and_says_so() -> None:
    fake = life("corrupt", exit_code=3, on_failure="delete")
    assert fake.cloud.only().status == "TERMINATED"
    assert f"warning: artifact plots is not at {BUCKET}: " in words(fake)
    assert "in the stopped pod alone" not in words(fake)


def test_the_next_run_of_the_file_does_not_take_their_pod_up() -> None:
    assert paused_pods(life("ok", on_success="recycle").facts)
    assert paused_pods(life("corrupt", on_success="recycle").facts) == ()


def test_whoever_is_told_of_the_end_hears_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Notice] = []
    job = FakeJob(artifacts={"/workspace/plots": "corrupt"})
    fake = FakeWorld(job, artifacts=[MODEL, EXTRA], notify={"command": "cat"})
    monkeypatch.setattr(fake.workspace, "notify", lambda notice: bool(told.append(notice)) or True)
    fake.process()
    assert [notice.what for notice in told] == ["end"]
    assert f"artifact plots is not at {BUCKET}: " in told[0].text


def test_the_manifest_says_what_became_of_them() -> None:
    fake = life("corrupt")
    assert fake.workspace.manifest is not None
    _, extra = fake.workspace.manifest["artifacts"]
    assert extra["status"] == "failed" and extra["error"]


def ended(**config: Any) -> Facts:
    facts = claimed(facts_in(State.RELEASE, artifacts=[MODEL, EXTRA], **config), "ended", exit_code=0)
    facts.results.log_fetched, facts.results.pulled = True, {"model": Pulled("model", False)}
    facts.ending.reason = Reason.JOB_SUCCEEDED
    return facts


def test_they_keep_their_place_on_a_network_volume() -> None:
    facts = ended(storage={"mode": "network_volume", "volume_name": "data"})
    facts.lease.key = "held"
    assert decide_dropping(facts) is None
    facts.results.pulled["plots"] = Pulled("plots", False)
    assert decide_dropping(facts) is not None


@pytest.mark.parametrize(
    ("reason", "is_good", "how"),
    [
        (Reason.JOB_SUCCEEDED, True, "stop"),
        (Reason.BUDGET, True, "stop"),
        (Reason.JOB_FAILED, False, "delete"),
        (Reason.JOB_LOST, False, "stop"),
    ],
)
def test_only_a_failed_job_takes_them_along(reason: Reason, is_good: bool, how: str) -> None:
    facts = ended(lifecycle={"on_success": "delete", "on_failure": "delete"})
    facts.results.gave_up = True
    facts.ending.reason = reason
    if not is_good:
        claimed(facts, "ended" if reason is Reason.JOB_FAILED else "lost", exit_code=3)
    assert release_how(facts) == how
    assert (why_kept(facts) or "").startswith("results that nobody") or how == "delete"
