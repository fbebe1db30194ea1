"""A run reads the market once: what its words stand for is in the journal, and is what it orders from then on."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rpd.adapters.report.ending import last_words
from rpd.journal.records import Intent, Observation
from rpd.states.facts.search import Hardware
from rpd.states.policy.naming import NamedHardware
from rpd.states.policy.reuse import drift, paused_pods
from rpd.states.ports.job import Job
from rpd.states.ports.names import Op, State
from rpd.states.ports.world import Offer
from tests.fakes.facts import facts_in, seen
from tests.fakes.fake_world import FakeWorld
from tests.fakes.fuse import Fuse
from tests.fakes.remote import FakeJob
from tests.states.test_large_records import bodies
from tests.states.test_lives import NO_CAPACITY, ended

A5000, ADA = "NVIDIA RTX A5000", "NVIDIA RTX 5000 Ada Generation"


def market(*gpus: Any, datacenters: Any = (), job: FakeJob | None = None, **config: Any) -> FakeWorld:
    fake = FakeWorld(job, pod={"image": "i", "gpu_order": list(gpus), "datacenters": list(datacenters)}, **config)
    fake.cloud.prices = {A5000: 0.27, ADA: 0.69}
    return fake


def orders(fake: FakeWorld) -> list[tuple[str, tuple[str, ...]]]:
    return [
        (each.args["order"]["gpu_id"], tuple(each.args["order"]["datacenter_ids"]))
        for each in bodies(fake, Intent, Op.CREATE_POD)
    ]


def test_the_intent_names_the_id_that_a_short_form_stands_for() -> None:
    fake = market("a5000", datacenters=["US"])
    assert ended(fake.process()) == ("succeeded", "job_succeeded", 0)
    assert orders(fake) == [(A5000, ("US-TX-3",))]
    assert bodies(fake, Observation, Op.READ_OFFERS)[0].data["meant"] == {"a5000": [A5000]}
    assert fake.replayed().names.meant == {"a5000": (A5000,), "US": ("US-TX-3",)}


def test_a_volume_that_is_not_there_is_named_with_what_to_type() -> None:
    fake = market(ADA, storage={"mode": "network_volume", "volume_name": "datta"})
    assert ended(fake.process()) == ("refused", "name_unknown", 2)
    assert orders(fake) == []
    told = "\n".join(last_words(fake.replayed(), fake.clock.now()))
    assert "why:     there is no network volume named 'datta'" in told and "rpd volumes create" in told


@pytest.mark.parametrize(
    ("gpu", "place", "told"),
    [
        ("A6000", "EU-RO-1", "there is no GPU type 'A6000'; did you mean 'NVIDIA RTX A5000'"),
        ("5000", "EU-RO-1", "'5000' may mean"),
        (A5000, "EUR-RO-1", "there is no data center 'EUR-RO-1'; did you mean 'EU-RO-1'?"),
    ],
)
def test_a_name_that_stands_for_nothing_ends_the_run_before_anything_is_ordered(
    gpu: str, place: str, told: str
) -> None:
    fake = market(ADA, gpu, datacenters=["EU-SE-1", place])
    fake.cloud.prices["NVIDIA RTX PRO 5000"] = 0.3
    assert ended(fake.process()) == ("refused", "name_unknown", 2)
    assert fake.cloud.creates == [] and told in (fake.facts.ending.text or "")
    fake.assert_settled()


def by_memory(**config: Any) -> FakeWorld:
    """The cheapest of two types, of which both fit."""
    fake = market({"min_vram_gb": 20, "order": "cheapest"}, **config)
    fake.cloud.offers = lambda count: tuple(  # type: ignore[method-assign]
        Offer(gpu, "SECURE", price, "HIGH", (), gpu, 24) for gpu, price in fake.cloud.prices.items()
    )
    return fake


def test_a_resumed_run_means_the_same_by_its_words_whatever_the_catalog_says_now() -> None:
    fuse = Fuse()
    by_memory().process(fuse=fuse)
    fake = by_memory()
    fake.crash(next(n for n, place in enumerate(fuse.places) if place.startswith("before create")) - 3)
    assert not fake.cloud.creates and fake.replayed().names.hardware is not None
    fake.cloud.prices = {ADA: 0.1, A5000: 0.27}
    assert ended(fake.finish()) == ("succeeded", "job_succeeded", 0)
    assert orders(fake) == [(A5000, ())]


def test_a_job_that_is_launched_again_is_rented_by_the_same_ids_at_new_prices() -> None:
    fake = by_memory(job=FakeJob(seconds=600.0), retries=1)

    def lost() -> None:
        fake.cloud.halt(fake.cloud.only(), "TERMINATED")
        fake.cloud.prices = {ADA: 0.1, A5000: 0.3}

    fake.clock.after(200.0, lost)
    assert fake.finish(fake.process()).outcome == "succeeded"
    assert orders(fake) == [(A5000, ()), (A5000, ())]
    assert [each.args["usd_per_hour"] for each in bodies(fake, Intent, Op.CREATE_POD)] == [0.27, 0.3]


def test_the_limit_of_a_choice_holds_for_what_is_billed() -> None:
    fake = market({"max_price_usd": 0.5}, ADA)
    listed = fake.cloud.offers(1)
    fake.cloud.offers = lambda count: listed  # type: ignore[method-assign]
    fake.cloud.prices = {A5000: 0.9, ADA: 0.69}
    assert ended(fake.process()) == ("succeeded", "job_succeeded", 0)
    assert orders(fake) == [(A5000, ()), (ADA, ())], "billed above its limit: given back; the named one has none"


@pytest.mark.parametrize(("gpus", "memory", "vcpus"), [(1, 100, 9), (3, 34, 3), (4, 25, 3)])
def test_floors_are_ordered_for_each_gpu_and_never_below_the_whole(gpus: int, memory: int, vcpus: int) -> None:
    pod = {"image": "i", "gpu_order": [A5000], "gpu_count": gpus, "min_memory_gb": 100, "min_vcpu_count": 9}
    fake = FakeWorld(pod=pod)
    fake.cloud.prices = {A5000: 0.27}
    assert ended(fake.process()) == ("succeeded", "job_succeeded", 0)
    order = bodies(fake, Intent, Op.CREATE_POD)[0].args["order"]
    assert (order["min_memory_gb_per_gpu"], order["min_vcpus_per_gpu"]) == (memory, vcpus)
    assert memory * gpus >= 100 and vcpus * gpus >= 9


def test_a_cloud_without_such_hosts_is_told_with_what_narrows_the_choice() -> None:
    fake = market(A5000)
    fake.opened.config["pod"]["min_memory_gb"] = 4000
    fake.cloud.plan("create", NO_CAPACITY)
    assert ended(fake.process()) == ("refused", "no_capacity", 6)
    assert "pod.min_memory_gb leaves fewer hosts" in "\n".join(last_words(fake.facts, fake.clock.now()))


def test_a_journal_of_an_earlier_version_orders_by_its_own_words() -> None:
    facts = facts_in(State.SELECT, pod={"image": "i", "gpu_order": [A5000], "datacenters": ["EU-RO-1"]})
    seen(facts, Op.READ_OFFERS, offers=[Offer(A5000, "SECURE", 0.27)])
    assert [each.id for each in facts.hardware] == [A5000] and facts.datacenters == ("EU-RO-1",)


def test_a_journal_with_two_readings_of_the_catalog_keeps_the_first() -> None:
    facts = facts_in(State.SELECT, pod={"image": "i", "gpu_order": ["a5000"]})
    for gpu in (A5000, ADA):
        named = NamedHardware({"a5000": (gpu,)}, (), (Hardware(gpu),))
        seen(
            facts, Op.READ_OFFERS, offers=[], hardware=named.hardware, meant=named.meant, problems=["?"] * (gpu == ADA)
        )
    assert [each.id for each in facts.hardware] == [A5000]
    assert (facts.names.meant, facts.names.misnamed) == ({"a5000": (A5000,)}, ())


def test_a_paused_pod_is_taken_up_by_the_word_it_was_rented_for() -> None:
    fake = market("a5000", datacenters=["US"], lifecycle={"on_success": "recycle"})
    fake.process()
    job = fake.facts.job
    (paused,) = paused_pods(fake.facts)
    assert set(paused.asked) == {"a5000", "US"} and drift(paused, job) == ()

    def other(**pod: Any) -> Job:
        return msgspec.structs.replace(job, pod=msgspec.structs.replace(job.pod, **pod))

    assert drift(paused, other(gpu_order=("RTX A5000",), datacenters=())) == (), "the same model"
    assert drift(paused, other(gpu_order=("L4",))) == (f"pod.gpu_order: {A5000} -> L4",)
    assert drift(paused, other(datacenters=("CA",)))
