"""The dead-man's switch: what it is told, what it says, and when it acts."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from rpd.engine.errors import Ambiguous, Unavailable
from rpd.states.ports.world import Armed, SwitchOrder, Target
from tests.contract.contract_world import KNOWN_START_IMAGE, OTHER_IMAGE, ContractWorld, Tenant

FAR_SECONDS = 3000.0


def arm(tenant: Tenant, target: Target, seconds: float, **changes: Any) -> Armed:
    usual: dict[str, Any] = {
        "generation": 1001,
        "limit_at": float(int(tenant.site.now() + seconds) + 1),
        "action": "stop",
        "owner_silence_seconds": FAR_SECONDS,
        "launch": 1,
    }
    return tenant.remote.arm(target, SwitchOrder(**usual | changes))


def order_soon(tenant: Tenant, target: Target, seconds: float) -> float:
    """Orders with a limit so near that the pod may be stopped before it has answered. Returns the limit."""
    limit_at = float(int(tenant.site.now() + seconds) + 1)
    with contextlib.suppress(Ambiguous, Unavailable):
        arm(tenant, target, seconds, limit_at=limit_at)
    return limit_at


def test_the_orders_are_read_back(tenant: Tenant, site: ContractWorld) -> None:
    target, _ = tenant.up()
    limit_at = float(int(site.now() + FAR_SECONDS))
    armed = arm(tenant, target, 0.0, generation=1001, limit_at=limit_at)
    assert (armed.generation, armed.limit_at, armed.probe) == (1001, limit_at, "ok")
    assert armed.pid is not None
    again = arm(tenant, target, 0.0, generation=2001, limit_at=limit_at + 60.0)
    assert (again.generation, again.limit_at, again.probe) == (2001, limit_at + 60.0, "ok")


@pytest.mark.parametrize(("image", "is_restart_proof"), [(KNOWN_START_IMAGE, True), (OTHER_IMAGE, False)])
def test_it_is_restart_proof_where_the_start_command_is_known(
    tenant: Tenant, image: str, is_restart_proof: bool
) -> None:
    target, _ = tenant.up(image=image)
    assert arm(tenant, target, FAR_SECONDS).is_restart_proof is is_restart_proof


def test_a_refused_pod_key_is_told(tenant: Tenant, site: ContractWorld) -> None:
    target, pod = tenant.up()
    site.break_pod_key(pod.id)
    assert arm(tenant, target, FAR_SECONDS).probe != "ok"


def test_the_limit_ends_the_pod_as_ordered(tenant: Tenant, site: ContractWorld) -> None:
    (first, stopped), (second, deleted), (third, spared) = tenant.up(), tenant.up(), tenant.up()
    orders = {
        stopped.id: arm(tenant, first, 5 * site.moment),
        deleted.id: arm(tenant, second, 5 * site.moment, action="terminate"),
        spared.id: (early := arm(tenant, third, 5 * site.moment)),
    }
    arm(tenant, third, FAR_SECONDS, generation=1002)  # later orders replace earlier ones
    for pod_id, order in orders.items():
        assert site.status(pod_id) == "RUNNING" or site.now() >= order.limit_at, "not before its limit"
    site.until(lambda: site.status(stopped.id) == "EXITED")
    billed = site.billed(stopped.id)
    site.until(lambda: site.status(deleted.id) == "TERMINATED")
    assert tenant.cloud.get(deleted.id) is None
    site.until(lambda: site.now() > early.limit_at + site.moment)
    assert site.status(spared.id) == "RUNNING"
    assert site.billed(stopped.id) == billed


def test_a_job_that_ended_waits_for_its_owner_no_longer_than_ordered(tenant: Tenant, site: ContractWorld) -> None:
    (done, ended), (busy, running) = tenant.up(), tenant.up()
    for target, lasts in ((busy, True), (done, False)):
        arm(tenant, target, FAR_SECONDS, owner_silence_seconds=1.0)
        tenant.remote.launch(target, tenant.launch_order(site.job(lasts=lasts)))
    site.until(lambda: site.status(ended.id) == "EXITED")
    began = site.now()
    site.until(lambda: site.now() > began + site.moment)
    assert site.status(running.id) == "RUNNING", "a running job is left alone, however silent its owner"


def test_the_limit_holds_after_a_restart_only_from_the_start_command(tenant: Tenant, site: ContractWorld) -> None:
    pods = {image: tenant.up(image=image) for image in (KNOWN_START_IMAGE, OTHER_IMAGE)}
    for target, pod in pods.values():
        limit_at = order_soon(tenant, target, site.moment)
        site.restart_container(pod.id)
    site.until(lambda: site.status(pods[KNOWN_START_IMAGE][1].id) == "EXITED")
    site.until(lambda: site.now() > limit_at + site.moment)
    assert site.status(pods[OTHER_IMAGE][1].id) == "RUNNING"


def test_a_limit_of_an_earlier_start_gives_its_pod_a_grace(tenant: Tenant, site: ContractWorld) -> None:
    order = tenant.order(image=KNOWN_START_IMAGE)
    (first, spared), (second, soon) = (
        tenant.up(image=KNOWN_START_IMAGE, env={**order.env, "RPD_SWITCH_GRACE": grace}) for grace in ("600", "1")
    )
    for target in (first, second):
        limit_at = order_soon(tenant, target, 0.0)
    for pod in (spared, soon):
        # Its start is told in whole seconds.
        site.until(lambda: site.status(pod.id) == "EXITED" and site.now() > limit_at + 1.0)  # noqa: B023
        tenant.cloud.start(pod.id)
    site.until(lambda: site.status(soon.id) == "EXITED")
    target, _ = tenant.answering(spared.id)
    assert arm(tenant, target, FAR_SECONDS, generation=1002).probe == "ok"


@pytest.mark.weak_point(2)
def test_a_pod_that_nobody_reached_ends_at_the_limit_of_its_order(tenant: Tenant, site: ContractWorld) -> None:
    limit_at = int(site.now() + site.moment) + 1
    env = {**tenant.order().env, "RPD_LIMIT_AT": str(limit_at)}
    known, other = (tenant.rent(image=image, env=env).id for image in (KNOWN_START_IMAGE, OTHER_IMAGE))
    site.until(lambda: site.status(known) == "EXITED")
    site.until(lambda: site.now() > limit_at + site.moment)
    assert site.status(other) == "RUNNING"
