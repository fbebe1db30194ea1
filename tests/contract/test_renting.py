"""A pod's life as the cloud tells it, and as the ledger bills it."""

from __future__ import annotations

import pytest

from rpd.engine.errors import Refused
from rpd.states.ports.world import Pod
from tests.contract.contract_world import COMPUTING, ContractWorld, Tenant, address

WAY_UP = ["PROVISIONING", "STARTING", "RUNNING"]


def test_a_new_pod_is_what_was_ordered(tenant: Tenant) -> None:
    order = tenant.order()
    made = tenant.cloud.create(order)
    seen = tenant.cloud.get(made.id)
    assert seen is not None
    (listed,) = [pod for pod in tenant.cloud.list() if pod.id == made.id]
    for pod in (made, seen, listed):
        assert (pod.id, pod.name, pod.image) == (made.id, order.name, order.image)
        assert order.env.items() <= pod.env.items()
        assert (pod.gpu_id, pod.gpu_count, pod.volume_gb) == (order.gpu_id, 1, 20)
        assert pod.created_at is not None


def test_the_rate_is_the_list_price_for_each_gpu(tenant: Tenant, site: ContractWorld) -> None:
    (offer,) = [offer for offer in tenant.cloud.offers(2) if (offer.gpu_id, offer.cloud) == (site.gpu, "SECURE")]
    assert offer.usd_per_hour
    assert tenant.rent(gpu_count=2).usd_per_hour == pytest.approx(2 * offer.usd_per_hour)


def test_it_boots_in_stages_and_ends_with_an_address(tenant: Tenant, site: ContractWorld) -> None:
    pod_id = tenant.rent().id
    seen: list[Pod] = []

    def is_up() -> bool:
        pod = tenant.cloud.get(pod_id)
        assert pod is not None
        seen.append(pod)
        return pod.status == "RUNNING" and pod.ssh is not None

    site.until(is_up)
    words = [pod.status for pod in seen]
    assert words == sorted(words, key=WAY_UP.index), "it never goes back"
    assert seen[-1].has_runtime and seen[-1].started_at is not None
    for pod in seen:
        assert pod.usd_per_hour > 0.0, "it bills from the first moment"
        if pod.status != "RUNNING":
            assert (pod.ssh, pod.has_runtime) == (None, False)


def test_an_address_is_shown_before_sshd_answers(tenant: Tenant, site: ContractWorld) -> None:
    site.set_boot(3 * site.moment)
    pod_id = tenant.rent().id
    assert tenant.is_deaf(tenant.running(pod_id))
    tenant.answering(pod_id)


def test_names_are_not_unique(tenant: Tenant) -> None:
    first, second = tenant.rent(), tenant.rent()
    assert first.id != second.id and first.name == second.name
    assert tenant.listed(first.name) == sorted([first.id, second.id])


def test_a_stopped_pod_costs_no_compute_and_has_no_address(tenant: Tenant, site: ContractWorld) -> None:
    pod_id = tenant.rent().id
    tenant.running(pod_id)
    for _ in range(2):  # again is fine
        tenant.cloud.stop(pod_id)
        pod = tenant.cloud.get(pod_id)
        assert pod is not None
        assert (pod.status, pod.usd_per_hour, pod.ssh, pod.has_runtime) == ("EXITED", 0.0, None, False)
        assert (pod.volume_gb, site.status(pod_id)) == (20, "EXITED")
    assert tenant.listed(pod.name) == [pod_id]


def test_a_pod_can_be_stopped_while_it_boots(tenant: Tenant, site: ContractWorld) -> None:
    site.set_boot(20 * site.moment)
    pod_id = tenant.rent().id
    tenant.cloud.stop(pod_id)
    assert site.status(pod_id) == "EXITED"


def test_a_start_brings_it_up_elsewhere(tenant: Tenant) -> None:
    pod_id = tenant.rent().id
    before = tenant.running(pod_id)
    tenant.cloud.stop(pod_id)
    tenant.cloud.start(pod_id)
    young = tenant.cloud.get(pod_id)
    assert young is not None and young.status in WAY_UP and young.usd_per_hour == before.usd_per_hour
    after = tenant.running(pod_id)
    assert (after.started_at, after.ssh) != (before.started_at, before.ssh)
    assert after.volume_gb == before.volume_gb


def test_starting_what_runs_changes_nothing(tenant: Tenant) -> None:
    pod_id = tenant.rent().id
    tenant.cloud.start(pod_id)
    before = tenant.running(pod_id)
    tenant.cloud.start(pod_id)
    after = tenant.cloud.get(pod_id)
    assert after is not None and (after.status, after.ssh) == ("RUNNING", before.ssh)


def test_a_start_without_a_free_gpu_is_refused(tenant: Tenant, site: ContractWorld) -> None:
    pod_id = tenant.rent().id
    tenant.cloud.stop(pod_id)
    site.take_gpus()
    with pytest.raises(Refused) as caught:
        tenant.cloud.start(pod_id)
    assert (caught.value.reason, caught.value.retryable) == ("start_refused", True)
    assert site.status(pod_id) == "EXITED"
    tenant.cloud.start(pod_id)
    assert site.status(pod_id) in COMPUTING


def test_a_deleted_pod_is_absent(tenant: Tenant, site: ContractWorld) -> None:
    pod_id = tenant.rent().id
    for _ in range(2):  # again is accepted
        tenant.cloud.delete(pod_id)
        assert tenant.cloud.get(pod_id) is None
        assert tenant.cloud.list() == ()
        assert site.status(pod_id) == "TERMINATED"


def test_a_stopped_pod_can_be_deleted(tenant: Tenant) -> None:
    pod_id = tenant.rent().id
    tenant.cloud.stop(pod_id)
    tenant.cloud.delete(pod_id)
    assert tenant.cloud.get(pod_id) is None


def test_what_was_never_there(tenant: Tenant) -> None:
    assert tenant.cloud.get("nosuchpod") is None
    tenant.cloud.delete("nosuchpod")
    for call in (tenant.cloud.stop, tenant.cloud.start):
        with pytest.raises(Refused) as caught:
            call("nosuchpod")
        assert (caught.value.reason, caught.value.retryable) == ("not_found", False)


def test_what_is_deleted_can_neither_be_stopped_nor_started(tenant: Tenant) -> None:
    pod_id = tenant.rent().id
    tenant.cloud.delete(pod_id)
    for call in (tenant.cloud.stop, tenant.cloud.start):
        with pytest.raises(Refused) as caught:
            call(pod_id)
        assert caught.value.reason == "not_found"


@pytest.mark.parametrize(("what", "word"), [("stop", "EXITED"), ("delete", None)])
def test_somebody_else_ends_it(tenant: Tenant, site: ContractWorld, what: str, word: str | None) -> None:
    pod_id = tenant.rent().id
    tenant.running(pod_id)
    site.somebody(what, pod_id)
    pod = tenant.cloud.get(pod_id)
    assert (pod.status if pod else None) == word
    assert len(tenant.cloud.list()) == (1 if word else 0)


@pytest.mark.parametrize("end", ["stop", "delete"])
def test_the_bill_runs_from_the_accepted_create_to_the_accepted_end(
    tenant: Tenant, site: ContractWorld, end: str
) -> None:
    asked = site.now()
    pod_id = tenant.rent().id
    made = site.now()
    assert site.billed(pod_id) <= site.now() - asked + 0.1
    tenant.running(pod_id)
    ending = site.now()
    {"stop": tenant.cloud.stop, "delete": tenant.cloud.delete}[end](pod_id)
    ended = site.now()
    billed = site.billed(pod_id)
    assert ending - made - 0.1 <= billed <= ended - asked + 0.1
    site.until(lambda: site.now() > ended + site.moment)
    assert site.billed(pod_id) == billed


def test_a_start_bills_again(tenant: Tenant, site: ContractWorld) -> None:
    pod_id = tenant.rent().id
    tenant.cloud.stop(pod_id)
    first = site.billed(pod_id)
    tenant.cloud.start(pod_id)
    began = site.now()
    site.until(lambda: site.now() > began + site.moment)
    assert site.billed(pod_id) >= first + site.moment - 0.1


def test_every_start_has_another_address(tenant: Tenant) -> None:
    pod_id, other = tenant.rent().id, tenant.rent().id
    seen = {address(tenant.running(pod_id)), address(tenant.running(other))}
    tenant.cloud.stop(pod_id)
    tenant.cloud.start(pod_id)
    seen.add(address(tenant.running(pod_id)))
    assert len(seen) == 3
