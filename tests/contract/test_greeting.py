"""Who answers behind an address, and whether it is still the one that was pinned."""

from __future__ import annotations

import msgspec
import pytest

from rpd.engine.errors import Refused, Unavailable
from tests.contract.contract_world import ContractWorld, Tenant, address


def test_a_greeting_names_the_pod(tenant: Tenant, site: ContractWorld) -> None:
    _, pod = tenant.up()
    greeting = tenant.remote.greet(tenant.target(pod.id), address(pod))
    assert (greeting.pod_id, greeting.gpus, greeting.epoch) == (pod.id, 1, 1)
    assert greeting.host_key.startswith("SHA256:") and greeting.container
    assert abs(greeting.clock - site.now()) < 10.0
    assert (greeting.anchor_seq, greeting.anchor_z) == (None, None)
    assert tenant.remote.greet(tenant.target(pod.id), address(pod)) == msgspec.structs.replace(
        greeting, clock=pytest.approx(greeting.clock, abs=10.0)
    )


def test_all_ordered_gpus_are_counted(tenant: Tenant) -> None:
    _, pod = tenant.up(gpu_count=2)
    assert tenant.remote.greet(tenant.target(pod.id), address(pod)).gpus == 2


def test_a_start_makes_a_new_container_with_a_new_key(tenant: Tenant) -> None:
    target, pod = tenant.up()
    first = tenant.remote.greet(target, address(pod))
    _, again = tenant.again(pod.id)
    with pytest.raises(Refused) as caught:
        tenant.remote.greet(target, address(again))
    assert (caught.value.reason, caught.value.retryable) == ("host_key_changed", False)
    second = tenant.remote.greet(tenant.target(pod.id), address(again))
    assert second.container != first.container and second.host_key != first.host_key


def test_a_container_that_restarts_in_its_place_has_a_new_key_that_nothing_explains(
    tenant: Tenant, site: ContractWorld
) -> None:
    target, before = tenant.up()
    first = tenant.remote.greet(target, address(before))
    site.restart_container(before.id)
    _, after = site.until(lambda: (found := tenant.answering(before.id))[0].host_key != target.host_key and found)
    assert (after.status, after.ssh, after.started_at) == ("RUNNING", before.ssh, before.started_at)
    with pytest.raises(Refused) as caught:
        tenant.remote.greet(target, address(after))
    assert caught.value.reason == "host_key_changed"
    with pytest.raises(Refused) as read:
        tenant.remote.read_claim(target, tenant.ref())
    assert read.value.reason == "host_key_changed"
    assert tenant.remote.greet(tenant.target(before.id), address(after)).container != first.container


def test_nobody_answers_at_the_address_of_an_earlier_start(tenant: Tenant) -> None:
    _, before = tenant.up()
    tenant.again(before.id)
    assert tenant.is_deaf(before)


def test_a_stopped_pod_does_not_answer(tenant: Tenant) -> None:
    _, pod = tenant.up()
    tenant.cloud.stop(pod.id)
    with pytest.raises(Unavailable) as caught:
        tenant.remote.greet(tenant.target(pod.id), address(pod))
    assert (caught.value.reason, caught.value.retryable) == ("ssh_unreachable", True)


def test_a_deleted_pod_does_not_answer(tenant: Tenant) -> None:
    _, pod = tenant.up()
    tenant.cloud.delete(pod.id)
    assert tenant.is_deaf(pod)


def test_another_pod_at_the_address_is_found_out(tenant: Tenant) -> None:
    (_, ours), (_, theirs) = tenant.up(), tenant.up()
    with pytest.raises(Refused) as caught:
        tenant.remote.greet(tenant.target(ours.id), address(theirs))
    assert (caught.value.reason, caught.value.retryable) == ("wrong_pod", False)


def test_a_newer_owner_keeps_an_older_one_out(tenant: Tenant) -> None:
    _, pod = tenant.up()
    assert tenant.remote.greet(tenant.target(pod.id, epoch=3), address(pod)).epoch == 3
    for epoch in (1, 2):
        with pytest.raises(Refused) as caught:
            tenant.remote.greet(tenant.target(pod.id, epoch=epoch), address(pod))
        assert (caught.value.reason, caught.value.retryable) == ("taken_over", False)
    assert tenant.remote.greet(tenant.target(pod.id, epoch=3), address(pod)).epoch == 3


def test_the_mark_of_an_owner_outlives_a_stop(tenant: Tenant) -> None:
    _, pod = tenant.up()
    tenant.remote.greet(tenant.target(pod.id, epoch=3), address(pod))
    tenant.cloud.stop(pod.id)
    tenant.cloud.start(pod.id)
    with pytest.raises(Refused) as caught:
        tenant.answering(pod.id)
    assert caught.value.reason == "taken_over"


def test_an_owner_of_another_run_is_no_owner_of_this_one(tenant: Tenant) -> None:
    _, pod = tenant.up()
    other = tenant.target(pod.id, epoch=9, run_id="run-other", folder="/workspace/.rpd/run-other")
    tenant.remote.greet(other, address(pod))
    assert tenant.remote.greet(tenant.target(pod.id), address(pod)).epoch == 1


def test_the_head_of_the_journal_is_told_after_a_launch(tenant: Tenant, site: ContractWorld) -> None:
    target, pod = tenant.up()
    tenant.remote.launch(target, tenant.launch_order(site.job()))
    greeting = tenant.remote.greet(target, address(pod))
    assert (greeting.anchor_seq, greeting.anchor_z) == (7, "abc")
    tenant.remote.launch(target, tenant.launch_order(site.job(), launch=2, anchor_seq=19, anchor_z="def"))
    assert tenant.remote.greet(target, address(pod)).anchor_seq == 19
