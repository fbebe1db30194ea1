"""What the provider says in place of a result: the same error, whichever world says it."""

from __future__ import annotations

import pytest

from rpd.engine.errors import Ambiguous, NotSent, Refused, RpdError, Unavailable
from tests.contract.contract_world import COMPUTING, ContractWorld, Tenant

RETRYABLE = ("no_capacity", "rate_limited")


def test_an_unknown_gpu_type(tenant: Tenant) -> None:
    with pytest.raises(Refused) as caught:
        tenant.rent(gpu_id="Voodoo 2")
    assert (caught.value.reason, caught.value.retryable) == ("bad_request", False)


@pytest.mark.parametrize(
    "reason",
    [
        "no_capacity",
        "pool_forbidden",
        "no_credit",
        "key_refused",
        "blocked",
        "invalid",
        "bad_request",
        "rate_limited",
    ],
)
def test_a_refused_create_makes_nothing(tenant: Tenant, site: ContractWorld, reason: str) -> None:
    site.refuse("create", reason)
    with pytest.raises(Refused) as caught:
        tenant.rent()
    assert (caught.value.reason, caught.value.retryable) == (reason, reason in RETRYABLE)
    assert caught.value.retry_after == (30.0 if reason == "rate_limited" else None)
    assert site.pods(tenant.order().name) == []
    site.heal()
    assert tenant.rent().id


@pytest.mark.parametrize("call", ["stop", "delete"])
@pytest.mark.parametrize("reason", ["key_refused", "forbidden", "blocked", "rate_limited"])
def test_a_refused_release_leaves_the_pod_billing(tenant: Tenant, site: ContractWorld, call: str, reason: str) -> None:
    pod_id = tenant.rent().id
    site.refuse(call, reason)
    with pytest.raises(Refused) as caught:
        getattr(tenant.cloud, call)(pod_id)
    assert caught.value.reason == reason
    assert site.status(pod_id) in COMPUTING
    site.heal()
    getattr(tenant.cloud, call)(pod_id)
    assert site.status(pod_id) not in COMPUTING


@pytest.mark.parametrize("call", ["get", "list"])
@pytest.mark.parametrize(
    ("reason", "kind", "retryable"),
    [
        ("key_refused", Refused, False),
        ("forbidden", Refused, False),
        ("blocked", Refused, False),
        ("rate_limited", Unavailable, True),
    ],
)
def test_a_refused_read(
    tenant: Tenant, site: ContractWorld, call: str, reason: str, kind: type[RpdError], retryable: bool
) -> None:
    pod_id = tenant.rent().id
    site.refuse(call, reason)
    error = failed_read(tenant, call, pod_id)
    assert (type(error), error.reason, error.retryable) == (kind, reason, retryable)


@pytest.mark.parametrize("call", ["get", "list", "offers"])
def test_a_server_that_is_ill_makes_reads_say_nothing(tenant: Tenant, site: ContractWorld, call: str) -> None:
    pod_id = tenant.rent().id
    site.fail(call, "server_error")
    error = failed_read(tenant, call, pod_id)
    assert (type(error), error.reason, error.retryable) == (Unavailable, "server_error", True)


@pytest.mark.parametrize("call", ["start", "stop", "delete"])
def test_a_server_that_is_ill_leaves_an_effect_open(tenant: Tenant, site: ContractWorld, call: str) -> None:
    pod_id = tenant.rent().id
    if call == "start":
        tenant.cloud.stop(pod_id)
    before = site.status(pod_id)
    site.fail(call, "server_error")
    with pytest.raises(Ambiguous) as caught:
        getattr(tenant.cloud, call)(pod_id)
    assert (caught.value.reason, caught.value.retryable) == ("server_error", True)
    assert (site.status(pod_id) in COMPUTING) == (before in COMPUTING)


def test_what_never_left_this_machine_has_no_effect(tenant: Tenant, site: ContractWorld) -> None:
    pod_id = tenant.rent().id
    site.unplug()
    for call in ("get", "list"):
        error = failed_read(tenant, call, pod_id)
        assert (type(error), error.reason, error.retryable) == (Unavailable, "not_sent", True)
    for effect in (tenant.rent, lambda: tenant.cloud.stop(pod_id), lambda: tenant.cloud.delete(pod_id)):
        with pytest.raises(NotSent) as caught:
            effect()
        assert (caught.value.reason, caught.value.retryable) == ("not_sent", True)
    assert site.pods(tenant.order().name) == [pod_id]
    assert site.status(pod_id) in COMPUTING


def failed_read(tenant: Tenant, call: str, pod_id: str) -> RpdError:
    """The error of a read."""
    reads = {
        "get": lambda: tenant.cloud.get(pod_id),
        "list": tenant.cloud.list,
        "offers": lambda: tenant.cloud.offers(1),
    }
    with pytest.raises(RpdError) as caught:
        reads[call]()
    return caught.value
