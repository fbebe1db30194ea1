"""Files of secrets: placed once per container, removed before a pod is kept, and a pod that keeps one has to go."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rpd.engine.decision import Do
from rpd.engine.operation import Call
from rpd.states import collect
from rpd.states.facts import Facts
from rpd.states.facts.pod import Missed, PodFacts
from rpd.states.operations.container import PlaceSecrets, RemoveSecrets, Secret
from rpd.states.policy.secrets import REMOVAL_TRIES_MAX, must_go, places_within
from rpd.states.ports.job import SecretFile
from rpd.states.ports.names import Op, State
from rpd.states.ports.world import Pull, Pulled, Target, World
from rpd.states.shared.secret_files import decide_placing, decide_removal
from tests.fakes.facts import args_of, asked, begun, claimed, data_of, facts_in, outcome, stamp, tried

SECRET = {"name": "s", "destination": "/workspace/key", "env": ["S"]}
ON_DISK = "disk"


def holding(where: str = ON_DISK, **config: Any) -> Facts:
    """A secret may still be in the pod, and nothing else is waited for."""
    facts = claimed(facts_in(State.RELEASE, secrets=[SECRET], **config), "ended", exit_code=0)
    facts.results.log_fetched, facts.results.pulled = True, {"model": Pulled("model", False)}
    pod_of(facts).container.secrets_left = where
    return facts


def pod_of(facts: Facts) -> PodFacts:
    assert facts.pod is not None
    return facts.pod


def test_they_are_placed_once_in_each_container() -> None:
    facts = facts_in(State.STAGE, secrets=[SECRET])
    assert decide_placing(facts) is not None
    outcome(facts, Op.PLACE_SECRETS, data={"is_volatile": True})
    assert decide_placing(facts) is None and pod_of(facts).container.secrets_left == "memory"
    pod_of(facts).starts += 1
    assert decide_placing(facts) is not None
    assert decide_placing(facts_in(State.STAGE)) is None


def test_from_the_order_to_place_them_on_they_may_be_on_the_disk() -> None:
    facts = facts_in(State.STAGE, secrets=[SECRET])
    begun(facts, Op.PLACE_SECRETS)
    assert pod_of(facts).container.secrets_left == ON_DISK
    outcome(facts, Op.PLACE_SECRETS, "failed", reason="link_lost")
    assert pod_of(facts).container.secrets_left == ON_DISK and decide_placing(facts) is not None
    assert facts.tried(Op.PLACE_SECRETS).failures == 1
    outcome(facts, Op.PLACE_SECRETS, data={"is_volatile": False})
    assert pod_of(facts).container.secrets_left == ON_DISK and facts.tried(Op.PLACE_SECRETS).is_answered
    outcome(facts, Op.REMOVE_SECRETS, "failed", reason="link_lost")
    assert pod_of(facts).container.secrets_left == ON_DISK
    outcome(facts, Op.REMOVE_SECRETS)
    assert (pod_of(facts).container.secrets_left, pod_of(facts).container.secrets_in) == ("", None)


NETWORK = {"mode": "network_volume", "volume_name": "v"}


@pytest.mark.parametrize(
    ("how", "where", "storage", "is_removed"),
    [
        ("stop", ON_DISK, {}, True),
        ("stop", "memory", {}, True),
        ("preserve", ON_DISK, {}, True),
        ("preserve", "memory", {}, False),
        ("delete", ON_DISK, {}, False),
        ("delete", ON_DISK, NETWORK, True),
        ("delete", "memory", NETWORK, False),
        ("stop", "", {}, False),
    ],
)
def test_they_are_removed_from_what_stays(how: str, where: str, storage: dict[str, str], is_removed: bool) -> None:
    assert (decide_removal(holding(where, storage=storage), how) is not None) is is_removed


def test_who_is_in_haste_takes_the_shortest_way_out() -> None:
    for word in ("storage_error", "internal_error"):
        assert decide_removal(asked(holding(), "release", **{word: True}), "stop") is None
    assert decide_removal(asked(holding(), "release", how="stop"), "stop") is not None


OBSTACLES = ("released", "gone", "stopped", "missed", "no id", "not greeted", "tries")


def hinder(facts: Facts, obstacle: str) -> None:
    pod = pod_of(facts)
    match obstacle:
        case "released":
            pod.released_as = "stop"
        case "gone":
            pod.is_gone = True
        case "stopped":
            assert pod.seen is not None
            pod.seen = type(pod.seen)("pod1", pod.name, "EXITED")
        case "missed":
            pod.missed = Missed(1)
        case "no id":
            pod.id = None
        case "not greeted":
            pod.container.greeting = None
        case _:
            tried(facts, Op.REMOVE_SECRETS, stamp(200.0), REMOVAL_TRIES_MAX)


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_where_they_cannot_be_removed_from_the_disk_the_pod_has_to_go(obstacle: str) -> None:
    facts = holding()
    assert not must_go(facts), "they are removed first"
    hinder(facts, obstacle)
    assert decide_removal(facts, "stop") is None and must_go(facts)


@pytest.mark.parametrize("worth", ["results", "another owner's", "a lost launch's", "memory only"])
def test_a_pod_does_not_go_with_what_somebody_waits_for(worth: str) -> None:
    facts = holding()
    hinder(facts, "tries")
    match worth:
        case "results":
            facts.results.pulled = {}
        case "another owner's":
            facts.launch.was_taken_over = True
        case "a lost launch's":
            pod_of(facts).holds = "launch"
        case _:
            pod_of(facts).container.secrets_left = "memory"
    assert not must_go(facts)


def test_removal_is_tried_twice() -> None:
    facts = holding()
    assert REMOVAL_TRIES_MAX == 2
    for _ in range(REMOVAL_TRIES_MAX):
        assert decide_removal(facts, "stop") is not None
        outcome(facts, Op.REMOVE_SECRETS, "failed", reason="link_lost")
    assert decide_removal(facts, "stop") is None


def test_patterns_name_what_stands_below_a_folder_and_nothing_else() -> None:
    facts = holding()
    assert places_within(facts.job, "/workspace") == places_within(facts.job, "/workspace/") == ("/key",)
    assert places_within(facts.job, "/work") == places_within(facts.job, "/workspace/key") == ()


def test_no_pattern_and_no_link_brings_one_along() -> None:
    model = {"label": "model", "remote_path": "/workspace/[jk]*", "local_path": "/tmp/out"}
    facts = claimed(facts_in(State.COLLECT, secrets=[SECRET], artifacts=[model]), "ended", exit_code=0)
    facts.results.log_fetched = facts.launch.was_stopped = True
    wanted = collect.decide(facts, stamp(200.0))
    assert isinstance(wanted, Do)
    pull = msgspec.convert(args_of(wanted)["pull"], Pull)
    assert (pull.is_pattern, pull.excludes, pull.private) == (True, ("/key",), ("/workspace/key",))


class Remote:
    def __init__(self) -> None:
        self.done: list[str] = []

    def place_secrets(self, target: Target, files: tuple[SecretFile, ...]) -> bool:
        self.done.append(f"placed {files[0].name}")
        return False

    def remove_secrets(self, target: Target, files: tuple[SecretFile, ...]) -> None:
        self.done.append(f"removed {files[0].name}")


def test_each_operation_does_what_it_is_called() -> None:
    remote = Remote()
    world = World(None, remote, None, None, None)  # type: ignore[arg-type]
    target, secrets, call = Target("p", "n", "r", 1, "/f"), (Secret(**SECRET),), Call(stamp(0.0))
    assert data_of(PlaceSecrets(target, secrets).perform(call, world)) == {"is_volatile": False}
    RemoveSecrets(target, secrets).perform(call, world)
    assert remote.done == ["placed s", "removed s"]
