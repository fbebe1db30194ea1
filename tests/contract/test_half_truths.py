"""Answers that do not say what happened: lost, late, lagging or false. The ledger knows."""

from __future__ import annotations

import pytest

from rpd.engine.errors import Ambiguous
from tests.contract.contract_world import COMPUTING, ContractWorld, Tenant


@pytest.mark.parametrize("reason", ["server_error", "connection_lost", "timeout", "unreadable"])
def test_a_create_whose_answer_is_lost_has_made_the_pod(tenant: Tenant, site: ContractWorld, reason: str) -> None:
    order = tenant.order()
    site.lose_answer("create", reason)
    with pytest.raises(Ambiguous) as caught:
        tenant.cloud.create(order)
    assert (caught.value.reason, caught.value.retryable) == (reason, True)
    assert tenant.listed(order.name) == site.pods(order.name)
    (pod_id,) = site.pods(order.name)
    assert site.status(pod_id) in COMPUTING


@pytest.mark.parametrize("reason", ["server_error", "connection_lost", "timeout"])
def test_a_create_that_failed_looks_the_same_and_has_made_none(
    tenant: Tenant, site: ContractWorld, reason: str
) -> None:
    site.fail("create", reason)
    with pytest.raises(Ambiguous) as caught:
        tenant.rent()
    assert (caught.value.reason, caught.value.retryable) == (reason, True)
    assert site.pods(tenant.order().name) == []
    assert tenant.cloud.list() == ()


def test_a_create_may_take_effect_after_it_was_given_up(tenant: Tenant, site: ContractWorld) -> None:
    name = tenant.order().name
    site.do_late(site.moment)
    with pytest.raises(Ambiguous):
        tenant.rent()
    assert tenant.listed(name) == []
    assert site.until(lambda: tenant.listed(name)) == site.pods(name)


def test_the_list_lags_behind_a_create(tenant: Tenant, site: ContractWorld) -> None:
    site.hide_young(site.moment, from_list_only=True)
    pod = tenant.rent()
    assert tenant.listed(pod.name) == []
    assert tenant.cloud.get(pod.id) is not None
    assert site.status(pod.id) in COMPUTING and site.billed(pod.id) > 0.0
    assert site.until(lambda: tenant.listed(pod.name)) == [pod.id]


def test_a_young_pod_is_denied_and_bills_on(tenant: Tenant, site: ContractWorld) -> None:
    site.hide_young(site.moment)
    pod_id = tenant.rent().id
    assert tenant.cloud.get(pod_id) is None
    tenant.cloud.delete(pod_id)  # a 404, which is accepted and proves nothing
    assert site.status(pod_id) in COMPUTING
    assert site.until(lambda: tenant.cloud.get(pod_id))
    tenant.cloud.delete(pod_id)
    assert site.status(pod_id) == "TERMINATED"


def test_a_delete_is_denied_and_the_pod_bills_on(tenant: Tenant, site: ContractWorld) -> None:
    pod_id = tenant.rent().id
    site.deny("delete")
    tenant.cloud.delete(pod_id)
    assert site.status(pod_id) in COMPUTING
    assert tenant.cloud.get(pod_id) is not None


@pytest.mark.parametrize("call", ["stop", "delete"])
def test_a_release_is_accepted_and_nothing_is_done(tenant: Tenant, site: ContractWorld, call: str) -> None:
    pod_id = tenant.rent().id
    site.ignore(call)
    getattr(tenant.cloud, call)(pod_id)
    assert site.status(pod_id) in COMPUTING
    pod = tenant.cloud.get(pod_id)
    assert pod is not None and pod.status in COMPUTING and pod.usd_per_hour > 0.0
    getattr(tenant.cloud, call)(pod_id)
    assert site.status(pod_id) not in COMPUTING


def test_a_start_is_accepted_and_nothing_is_done(tenant: Tenant, site: ContractWorld) -> None:
    pod_id = tenant.rent().id
    tenant.cloud.stop(pod_id)
    site.ignore("start")
    tenant.cloud.start(pod_id)
    assert site.status(pod_id) == "EXITED"


@pytest.mark.parametrize(("call", "after"), [("stop", ("EXITED",)), ("delete", ("TERMINATED",)), ("start", COMPUTING)])
def test_an_effect_is_done_and_its_answer_is_lost(
    tenant: Tenant, site: ContractWorld, call: str, after: tuple[str, ...]
) -> None:
    pod_id = tenant.rent().id
    if call == "start":
        tenant.cloud.stop(pod_id)
    site.lose_answer(call, "server_error")
    with pytest.raises(Ambiguous):
        getattr(tenant.cloud, call)(pod_id)
    assert site.status(pod_id) in after
