"""A run's hands reach its own pods only, whatever id its journal holds."""

from __future__ import annotations

import msgspec
import pytest

from rpd.adapters.renting import Renting
from rpd.engine.errors import Refused, Unavailable
from rpd.states.ports.world import PodOrder
from tests.fakes.clock import FakeClock
from tests.fakes.cloud import FakeCloud

TOKEN = "0123456789abcdefghjkmnpqrs"
ORDER = PodOrder(f"rpd-job-{TOKEN}-a1", "x/y:1", "RTX A5000", 1, "SECURE", (), 20, {"RPD_RUN_ID": "job-1"})
OTHERS = {
    "another run's": msgspec.structs.replace(ORDER, name="rpd-job-zzz-a1", env={"RPD_RUN_ID": "job-2"}),
    "nobody's": msgspec.structs.replace(ORDER, name="notebook", env={}),
    "a namesake": msgspec.structs.replace(ORDER, env={"RPD_RUN_ID": "job-2"}),
}
CALLS = ("stop", "start", "delete")


@pytest.fixture
def cloud() -> FakeCloud:
    return FakeCloud(FakeClock())


@pytest.fixture
def renting(cloud: FakeCloud) -> Renting:
    return Renting(cloud, public_key="ssh-ed25519 A rpd", api_url="http://127.0.0.1:1", run_id="job-1", token=TOKEN)


@pytest.mark.parametrize("whose", OTHERS)
@pytest.mark.parametrize("call", CALLS)
def test_pods_that_are_not_the_run_s_are_not_there(cloud: FakeCloud, renting: Renting, call: str, whose: str) -> None:
    pod = cloud.create(OTHERS[whose])
    assert renting.get(pod.id) is None
    with pytest.raises(Refused) as caught:
        getattr(renting, call)(pod.id)
    assert caught.value.reason == "not_found"
    assert cloud.billing == [pod.id]


@pytest.mark.parametrize("order", [ORDER, msgspec.structs.replace(ORDER, name="renamed")], ids=["born", "renamed"])
def test_its_own_pods(cloud: FakeCloud, renting: Renting, order: PodOrder) -> None:
    pod = cloud.create(order)
    seen = renting.get(pod.id)
    assert seen is not None
    assert seen.id == pod.id
    renting.stop(pod.id)
    assert cloud.billing == []
    renting.start(pod.id)
    renting.delete(pod.id)
    assert cloud.billing == []


def test_an_answer_without_env_contradicts_nothing(cloud: FakeCloud, renting: Renting) -> None:
    pod = cloud.create(msgspec.structs.replace(ORDER, env={}))
    renting.delete(pod.id)
    assert cloud.billing == []


def test_a_read_that_fails_stops_no_release(cloud: FakeCloud, renting: Renting) -> None:
    pod = cloud.create(ORDER)
    cloud.broken["get"] = Unavailable("no answer", reason="timeout")
    renting.delete(pod.id)
    assert cloud.billing == []
