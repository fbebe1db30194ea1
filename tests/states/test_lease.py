"""Places on a network volume: one live run at a time, none that lives is robbed, none that died blocks for ever."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rpd.engine.decision import Decision, Do, Fire, Look, Wait
from rpd.engine.errors import Unavailable
from rpd.states import release, stage
from rpd.states.facts import Facts
from rpd.states.ports.job import Job, PodSpec, Run, Staging, Storage
from rpd.states.ports.names import Op, Reason, State
from rpd.states.ports.world import Holder, PodOrder, name_mark
from rpd.states.shared.lease import LOOKS_MIN, shared_destinations
from rpd.states.shared.preserve import keep_until
from rpd.states.stage import tree_of
from tests.fakes.facts import args_of, claimed, facts_in, outcome, seen, stamp
from tests.fakes.fake_world import FakeWorld

PRESERVED = {"on_success": "preserve", "preserve_minutes": 30.0}
NETWORK = {"mode": "network_volume", "volume_name": "data"}
OTHER_NAME = "rpd-other-token-a2"
OTHER = Holder("abc.3", "other-run", "pod9", name_mark(OTHER_NAME), "/src")


def staged(**config: Any) -> Facts:
    return facts_in(State.STAGE, storage=NETWORK, **config)


def decided(facts: Facts, seconds: float = 201.0) -> Decision:
    return stage.decide(facts, stamp(seconds))


def held(facts: Facts, *holders: Holder, at: float = 200.0) -> None:
    outcome(facts, Op.TAKE_LEASE, at=at, data={"key": taken(facts), "holders": [vars_of(each) for each in holders]})


def vars_of(holder: Holder) -> dict[str, str]:
    return dict(msgspec.to_builtins(holder))


def taken(facts: Facts) -> str:
    facts = facts_in(State.STAGE, storage=NETWORK)
    decision = stage.decide(facts, stamp(201.0))
    assert isinstance(decision, Do)
    return str(args_of(decision)["key"])


@pytest.mark.parametrize(
    ("mount", "destinations", "places"),
    [
        ("/workspace", ["/workspace/src"], ("/src",)),
        ("/workspace/", ["/workspace/src/", "/workspace//src/./", "/workspace/a/b"], ("/src", "/a/b")),
        ("/workspace", ["/workspace", "/root/x", "/workspace2/x"], ("",)),
        ("//workspace", ["//workspace/src", "/workspace/a"], ("/src", "/a")),
        ("/data", ["/workspace/src", "~/x", "x"], ()),
        ("/", ["/src"], ("/src",)),
    ],
)
def test_what_of_the_volume_a_job_sends_to(mount: str, destinations: list[str], places: tuple[str, ...]) -> None:
    job = Job(
        name="j",
        pod=PodSpec(image="i", gpu_order=("G",)),
        run=Run(body="true"),
        storage=Storage(mode="network_volume", volume_name="v", volume_mount=mount),
        staging=tuple(Staging("s", each) for each in destinations),
    )
    assert shared_destinations(job) == places


def test_nothing_is_taken_on_a_volume_that_no_other_pod_mounts() -> None:
    decision = decided(facts_in(State.STAGE))
    assert isinstance(decision, Do) and decision.op == Op.PUSH_TREE


def test_the_places_are_taken_before_anything_is_sent_and_anew_after_each_start() -> None:
    facts = staged()
    first = decided(facts)
    assert isinstance(first, Do) and first.op == Op.TAKE_LEASE and args_of(first)["places"] == ("/src",)
    held(facts)
    second = decided(facts)
    assert isinstance(second, Do) and second.op == Op.PUSH_TREE
    assert facts.pod is not None
    facts.pod.starts += 1
    again = decided(facts)
    assert isinstance(again, Do) and again.op == Op.TAKE_LEASE, "whoever stopped computing may have lost them"


def test_a_live_holder_ends_the_run_and_is_named() -> None:
    facts = staged()
    held(facts, OTHER)
    look = decided(facts)
    assert isinstance(look, Look) and look.op == Op.READ_HOLDERS
    seen(facts, Op.READ_HOLDERS, computing=["other-run"])
    end = decided(facts)
    assert isinstance(end, Fire) and end.reason is Reason.DESTINATION_IN_USE
    assert "/workspace/src (run other-run, pod pod9)" in (end.why or "") and "/workspace/{run_id}/src" in (
        end.why or ""
    )


def test_a_holder_that_is_stopped_with_results_keeps_them_and_the_way_out_is_said() -> None:
    facts = staged()
    held(facts, OTHER)
    seen(facts, Op.READ_HOLDERS, computing=["other-run"], stopped=["other-run"])
    end = decided(facts)
    assert isinstance(end, Fire) and end.reason is Reason.DESTINATION_IN_USE
    text = end.why or ""
    assert "is stopped" in text and "rpd resume other-run" in text and "rpd release other-run --delete" in text
    seen(facts, Op.READ_HOLDERS, computing=["o;id"], stopped=["o;id"])
    assert "rpd resume 'o;id' " in str(decided(facts)), "any pod may have written it, and somebody will type it"


def test_a_dead_holder_is_followed_once_its_absence_is_proved() -> None:
    facts = staged()
    held(facts, OTHER)
    at, looks = 200.0, 0
    while not isinstance(decision := decided(facts, at), Do):
        if isinstance(decision, Look):
            seen(facts, Op.READ_HOLDERS, at=at, computing=[])
            looks += 1
        else:
            assert isinstance(decision, Wait)
            at += max(decision.seconds, 0.1)
    assert decision.op == Op.TAKE_LEASE and args_of(decision)["gone"] == ("abc.3",)
    assert looks == LOOKS_MIN and at - 200.0 >= facts.profile.proof_interval_seconds


def test_one_look_that_shows_it_again_begins_the_proof_anew() -> None:
    facts = staged()
    held(facts, OTHER)
    for at in (200.0, 215.0):
        seen(facts, Op.READ_HOLDERS, at=at, computing=[])
    seen(facts, Op.READ_HOLDERS, at=220.0, computing=["other-run"])
    seen(facts, Op.READ_HOLDERS, at=240.0, computing=[])
    decision = decided(facts, 240.1)
    assert not isinstance(decision, Do)


def test_a_cloud_that_cannot_tell_is_asked_for_minutes_and_is_no_proof() -> None:
    facts = staged()
    held(facts, OTHER)
    for at in range(200, 500, 10):
        seen(facts, Op.READ_HOLDERS, at=float(at), error="500", reason="server_error")
        assert not isinstance(decided(facts, at + 9.9), Fire), f"a short error ended a paid run after {at - 200} s"
    seen(facts, Op.READ_HOLDERS, at=500.0, error="500", reason="server_error")
    decision = decided(facts, 501.0)
    assert isinstance(decision, Fire) and decision.reason is Reason.DESTINATION_IN_USE
    assert (decision.why or "").startswith("the cloud does not say whether run other-run is alive (500)")


def test_they_are_left_before_the_pod_goes_and_not_while_results_wait() -> None:
    facts = claimed(facts_in(State.RELEASE, storage=NETWORK), "ended", exit_code=0)
    facts.lease.key, facts.results.log_fetched = "held", True
    waiting = release.decide(facts, stamp(201.0))
    assert isinstance(waiting, Do) and waiting.op != Op.DROP_LEASE, "results wait in the pod"
    outcome(facts, Op.PULL_ARTIFACT, data={"label": "model", "pulled": {"label": "model", "is_missing": False}})
    leaving = release.decide(facts, stamp(201.0))
    assert isinstance(leaving, Do) and leaving.op == Op.DROP_LEASE
    outcome(facts, Op.DROP_LEASE, "failed", reason="link_lost")
    after = release.decide(facts, stamp(202.0))
    assert isinstance(after, Do) and after.op in (Op.STOP_POD, Op.DELETE_POD), "it is tried once"


def test_they_are_left_by_a_pod_that_is_kept_up_with_nothing_to_collect() -> None:
    facts = claimed(facts_in(State.RELEASE, storage=NETWORK, lifecycle=PRESERVED), "ended", exit_code=0)
    facts.lease.key, facts.results.log_fetched, facts.ending.reason = "held", True, Reason.JOB_SUCCEEDED
    facts.release.since = stamp(200.0)
    outcome(facts, Op.PULL_ARTIFACT, data={"label": "model", "pulled": {"label": "model", "is_missing": False}})
    assert keep_until(facts, stamp(201.0)) is not None
    leaving = release.decide(facts, stamp(201.0))
    assert isinstance(leaving, Do) and leaving.op == Op.DROP_LEASE


# Whole lives.


def mounted() -> FakeWorld:
    whole = FakeWorld(storage=NETWORK)
    whole.cloud.volume_ids["data"] = "vol1"
    return whole


def test_a_life_leaves_no_lease_behind() -> None:
    whole = mounted()
    ending = whole.process()
    assert (ending.outcome, whole.remote.held) == ("succeeded", [])
    whole.assert_settled()


@pytest.mark.parametrize("is_stopped", [False, True])
@pytest.mark.parametrize("known_by", ["id", "name", "env"])
def test_a_holder_whose_pod_computes_or_keeps_results_is_not_robbed(known_by: str, is_stopped: bool) -> None:
    whole = mounted()
    env = {"RPD_RUN_ID": "other-run"} if known_by == "env" else {}
    name = OTHER_NAME.replace("-a2", "-a3") if known_by == "name" else "renamed"
    theirs = whole.cloud.create(PodOrder(name, "image", "RTX 4090", 1, "SECURE", (), 20, env))
    if is_stopped:
        whole.cloud.stop(theirs.id)
    pod_id = theirs.id if known_by == "id" else "its-first"
    whole.remote.held.append(Holder("abc.3", "other-run", pod_id, OTHER.mark, "/src/sub"))
    ending = whole.process()
    assert (ending.outcome, ending.reason, ending.exit_code) == ("refused", "destination_in_use", 6)
    assert whole.remote.starts == [] and [each.run_id for each in whole.remote.held] == ["other-run"]


def test_a_holder_whose_pod_was_deleted_is_followed() -> None:
    whole = mounted()
    theirs = whole.cloud.create(PodOrder(OTHER_NAME, "image", "RTX 4090", 1, "SECURE", (), 20, {}))
    whole.cloud.delete(theirs.id)
    whole.remote.held.append(Holder("abc.3", "other-run", theirs.id, OTHER.mark, "/src/sub"))
    assert whole.process().outcome == "succeeded"


def test_a_dead_holder_blocks_nobody_for_ever() -> None:
    whole = mounted()
    whole.remote.held.append(OTHER)
    whole.cloud.plan("list", Unavailable("500", reason="server_error"))
    assert whole.process().outcome == "succeeded"
    whole.assert_settled()


def test_an_entry_spares_what_others_send_into_its_folder() -> None:
    places = ("/workspace/a/", "/workspace//a/b/c", "/workspace/ab", "/workspace/a/d.json")
    facts = facts_in(State.STAGE, staging=[{"source": "/src", "destination": place} for place in places])
    assert [tree_of(facts.job, index).spared for index in range(4)] == [("b/c", "d.json"), (), (), ()]
