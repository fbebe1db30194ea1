"""A host that failed is not sought where it failed: other data centers come first, in this run and in later ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from rpd.adapters.local.bad_places import MOST, BadPlaces
from rpd.adapters.report.ending import last_words
from rpd.engine.errors import Unavailable
from rpd.journal.records import Intent
from rpd.states import preflight
from rpd.states.facts.pod import Candidate
from rpd.states.facts.search import BadPlace
from rpd.states.policy.health import CUDA_CHECK
from rpd.states.policy.places import REMEMBERED_SECONDS, elsewhere, failed_place
from rpd.states.ports.names import Op, Reason, State, Trigger
from rpd.states.select import candidates
from rpd.states.shared.steps import steps_of
from tests.fakes.clock import START_WALL
from tests.fakes.facts import facts_in, stamp
from tests.fakes.fake_world import FakeWorld
from tests.fakes.remote import FakeJob
from tests.states.test_large_records import bodies
from tests.states.test_lives import NO_CAPACITY, ended

GPU = "RTX A5000"
SHORT = {"cost_cap_usd": 10.0, "ssh_ready_timeout_sec": 60}


def places(fake: FakeWorld) -> list[tuple[str, ...]]:
    """The data centers of each order."""
    return [tuple(each.args["order"]["datacenter_ids"]) for each in bodies(fake, Intent, Op.CREATE_POD)]


def one_gpu(*datacenters: str, job: FakeJob | None = None, **config: Any) -> FakeWorld:
    pod = {"image": "i", "gpu_order": [GPU], "datacenters": list(datacenters)}
    return FakeWorld(job, **{"pod": pod, "budget": SHORT, **config})


def test_the_second_order_for_anywhere_names_the_other_data_centers() -> None:
    fake = one_gpu()
    fake.cloud.boot_seconds = [1e9, 20.0]
    assert ended(fake.process()) == ("succeeded", "job_succeeded", 0)
    assert places(fake) == [(), ("EU-SE-1", "US-TX-3")]
    fake.assert_settled()


def test_each_failure_leaves_fewer_places_and_at_last_any_will_do() -> None:
    fake = one_gpu(provision={"attempts": 5})
    fake.cloud.boot_seconds = [1e9]
    assert ended(fake.process()) == ("refused", "hosts_never_booted", 6)
    assert places(fake) == [(), ("EU-SE-1", "US-TX-3"), ("US-TX-3",), (), ()]
    fake.assert_settled()


def test_no_stock_elsewhere_leads_back_to_any_place() -> None:
    fake = one_gpu()
    fake.cloud.boot_seconds = [1e9, 20.0]
    fake.cloud.plan("create", "work", NO_CAPACITY)
    assert ended(fake.process()) == ("succeeded", "job_succeeded", 0)
    assert places(fake) == [(), ("EU-SE-1", "US-TX-3"), ()]


def test_a_catalog_that_cannot_be_read_keeps_nobody_from_another_host() -> None:
    fake = one_gpu()
    fake.cloud.boot_seconds = [1e9, 20.0]
    fake.cloud.broken["datacenters"] = Unavailable("503", reason="server_error", retryable=True)
    assert ended(fake.process()) == ("succeeded", "job_succeeded", 0)
    assert places(fake) == [(), ()]


def met_before(fake: FakeWorld, seconds: float) -> None:
    """An earlier run had no luck in Romania, so long ago."""
    place = BadPlace(GPU, "EU-RO-1", "SECURE", START_WALL - seconds)
    fake.opened.options["bad_places"] = [msgspec.to_builtins(place)]


def test_data_centers_that_the_job_names_are_kept_to_in_another_order() -> None:
    fake = one_gpu("EU-RO-1", "US-TX-3")
    met_before(fake, 60.0)
    assert ended(fake.process()) == ("succeeded", "job_succeeded", 0)
    assert places(fake) == [("US-TX-3",)]


@pytest.mark.parametrize(("age", "orders"), [(60.0, [("EU-SE-1", "US-TX-3")]), (REMEMBERED_SECONDS + 1.0, [()])])
def test_what_an_earlier_run_has_met_counts_for_an_hour(age: float, orders: list[Any]) -> None:
    fake = one_gpu()
    met_before(fake, age)
    assert ended(fake.process()) == ("succeeded", "job_succeeded", 0)
    assert places(fake) == orders


def test_another_gpu_type_a_network_volume_and_the_other_cloud_are_ordered_as_ever() -> None:
    bad = (BadPlace(GPU, "EU-RO-1", "SECURE", START_WALL),)
    facts = facts_in(State.SELECT)
    facts.search.bad_places, facts.search.stocked = bad, {GPU: ("EU-RO-1", "EU-SE-1"), "RTX 4090": ("EU-RO-1",)}
    now = stamp(100.0)
    assert elsewhere(facts, now, GPU, "SECURE") == Candidate(GPU, None, "SECURE", ("EU-SE-1",))
    assert elsewhere(facts, now, "RTX 4090", "SECURE") is None
    assert elsewhere(facts, now, GPU, "COMMUNITY") is None
    assert [each.others for each in candidates(facts, now)] == [("EU-SE-1",), (), ()]
    on_volume = facts_in(State.SELECT, storage={"mode": "network_volume", "volume_name": "v"})
    on_volume.search.bad_places, on_volume.search.stocked = bad, facts.search.stocked
    assert elsewhere(on_volume, now, GPU, "SECURE") is None


@pytest.mark.parametrize(
    ("reason", "is_bad"),
    [
        (Reason.HOST_NEVER_BOOTED, True),
        (Reason.WRONG_HARDWARE, True),
        (Reason.HOST_UNFIT, True),
        (Reason.HOST_TOO_DEAR, False),
        (Reason.IMAGE_FAILED, False),
        (Reason.SSHD_MISSING, True),
    ],
)
def test_what_says_something_of_the_place(reason: Reason, is_bad: bool) -> None:
    facts = facts_in(State.BOOT)
    assert (failed_place(facts, reason, stamp(5.0)) is not None) is is_bad
    assert facts.pod is not None
    facts.pod.origin.paused = object()  # type: ignore[assignment]
    assert failed_place(facts, reason, stamp(5.0)) is None


@pytest.mark.parametrize("where", ["setup", "preflight", "health"])
def test_a_command_that_judges_the_host_leads_to_the_next_one(where: str) -> None:
    config: dict[str, Any] = {
        "setup": {"setup": [{"command": "nvidia-smi -q", "on_failure": "next_host"}]},
        "preflight": {"preflight": [{"command": "nvidia-smi -q", "on_failure": "next_host"}]},
        "health": {"provision": {"health": "cuda"}},
    }[where]
    job = FakeJob(commands={CUDA_CHECK if where == "health" else "nvidia-smi -q": 1})
    fake = one_gpu(job=job, **config)

    def mend(pod: Any) -> None:
        if len(fake.cloud.pods) == 2:
            job.commands.clear()

    fake.cloud.container_begins = both(fake.cloud.container_begins, mend)
    assert ended(fake.process()) == ("succeeded", "job_succeeded", 0)
    assert places(fake) == [(), ("EU-SE-1", "US-TX-3")]
    assert [pod.status for pod in fake.cloud.pods.values()] == ["TERMINATED", "TERMINATED"]
    fake.assert_settled()


def both(first: Any, second: Any) -> Any:
    def call(pod: Any) -> None:
        first(pod)
        second(pod)

    return call


def test_hosts_that_all_fail_it_are_told_by_the_commands_words() -> None:
    job = FakeJob(commands={"nvidia-smi -q": 9}, tail=("Unable to determine the device handle",))
    fake = one_gpu(job=job, preflight=[{"command": "nvidia-smi -q", "on_failure": "next_host"}])
    assert ended(fake.process()) == ("refused", "hosts_never_booted", 6)
    assert len(fake.cloud.pods) == 2 and not fake.remote.starts
    words = "\n".join(last_words(fake.facts, fake.clock.now()))
    assert "preflight command 1 exited with 9: Unable to determine the device handle" in words


def test_a_command_that_does_not_judge_the_host_ends_the_run() -> None:
    fake = one_gpu(job=FakeJob(commands={"nvidia-smi": 9}))
    assert ended(fake.process()) == ("failed", "preflight", 5)
    assert len(fake.cloud.pods) == 1


def test_a_host_with_a_past_launch_is_not_given_away() -> None:
    facts = facts_in(State.PREFLIGHT, preflight=[{"command": "x", "on_failure": "next_host"}])
    (step,) = steps_of(facts, "preflight", facts.job.preflight)
    facts.container.steps_done[step.done_key] = 1

    def trigger() -> Any:
        return preflight.decide(facts, stamp(100.0)).trigger  # type: ignore[union-attr]

    assert trigger() == Trigger.HOST_FAILED
    facts.pod.holds = "launch"  # type: ignore[union-attr]
    assert trigger() == Trigger.STEP_FAILED


# The memory on disk.

PLACE = BadPlace(GPU, "EU-RO-1", "SECURE", 1000.0)


def test_places_are_remembered_for_an_hour_each_once_and_by_cloud(tmp_path: Path) -> None:
    memory, other = BadPlaces(tmp_path, "http://a"), BadPlaces(tmp_path, "http://b")
    assert memory.recent(1000.0) == ()
    memory.remember((PLACE,), 1000.0)
    later = msgspec.structs.replace(PLACE, at=2000.0)
    memory.remember((later,), 2000.0)
    assert memory.recent(2000.0) == (later,) and other.recent(2000.0) == ()
    assert memory.recent(2000.0 + REMEMBERED_SECONDS) == () and memory.recent(1999.0) == (), "a clock that was wrong"


def test_the_memory_is_bounded(tmp_path: Path) -> None:
    memory = BadPlaces(tmp_path, "http://a")
    memory.remember(tuple(BadPlace(GPU, f"EU-{n}", "SECURE", 1000.0) for n in range(500)), 1000.0)
    assert len(memory.recent(1000.0)) == MOST and memory.recent(1000.0)[-1].datacenter_id == "EU-499"


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"places": [{"url": 5}]}', b"\xff" * 200_000, b"[" * 70_000])
def test_a_damaged_memory_is_none_and_is_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad-places.json").write_bytes(content)
    memory = BadPlaces(tmp_path, "http://a")
    assert memory.recent(1000.0) == ()
    memory.remember((PLACE,), 1000.0)
    assert memory.recent(1000.0) == (PLACE,)


def test_names_of_any_length_do_not_swell_the_first_record(tmp_path: Path) -> None:
    memory = BadPlaces(tmp_path, "http://a")
    memory.remember((PLACE, BadPlace(GPU, "E" * 1000, "SECURE", 1000.0)), 1000.0)
    assert memory.recent(1000.0) == (PLACE,)


def test_a_memory_that_cannot_be_kept_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "bad-places.json").mkdir()
    memory = BadPlaces(tmp_path, "http://a")
    memory.remember((PLACE,), 1000.0)
    assert memory.recent(1000.0) == ()
