"""The job: started once, and told by its claim folder from then on."""

from __future__ import annotations

from typing import Any

import pytest

from rpd.engine.errors import NotSent, Unavailable
from rpd.states.ports.world import Claim, Target
from tests.contract.contract_world import ContractWorld, Tenant

GRACE_SECONDS = 1.0


def phase_of(claim: Claim) -> str:
    return claim.phase


def test_nothing_is_claimed_before_a_launch(tenant: Tenant) -> None:
    target, _ = tenant.up()
    claim = tenant.remote.read_claim(target, tenant.ref())
    assert (claim.phase, claim.launch, claim.exit_code, claim.started_at) == ("none", 1, None, None)


def test_a_launch_starts_the_script_once(tenant: Tenant, site: ContractWorld) -> None:
    target, _ = tenant.up()
    order = tenant.launch_order(site.job(lasts=True))
    first = tenant.remote.launch(target, order)
    assert (first.phase, first.launch, first.exit_code, first.has_marker) == ("running", 1, None, None)
    assert first.started_at is not None and abs(first.started_at - site.now()) < 10.0
    again = tenant.remote.launch(target, order)
    assert (again.phase, again.started_at) == ("running", first.started_at)
    assert site.starts() == 1


def test_another_launch_number_starts_it_again(tenant: Tenant, site: ContractWorld) -> None:
    target, _ = tenant.up()
    for launch in (1, 2):
        tenant.remote.launch(target, tenant.launch_order(site.job(), launch=launch))
    site.until(lambda: site.starts(2) > 0)  # the claim is there a moment before the script's first line
    assert (site.starts(1), site.starts(2)) == (1, 1)


def test_a_launch_after_the_end_starts_nothing(tenant: Tenant, site: ContractWorld) -> None:
    target, _ = tenant.up()
    order = tenant.launch_order(site.job(exit_code=4))
    tenant.remote.launch(target, order)
    ended(tenant, site, target)
    for _ in range(2):
        assert phase_of(tenant.remote.launch(target, order)) == "ended"
    began = site.now()  # a wrapper that should not be there takes a moment to start the script
    site.until(lambda: site.now() > began + 2.0 * site.moment)
    assert site.starts() == 1


@pytest.mark.parametrize("exit_code", [0, 4])
def test_the_end_is_in_the_claim(tenant: Tenant, site: ContractWorld, exit_code: int) -> None:
    target, _ = tenant.up()
    tenant.remote.launch(target, tenant.launch_order(site.job(exit_code)))
    claim = ended(tenant, site, target)
    assert (claim.exit_code, claim.launch, claim.has_marker) == (exit_code, 1, None)
    assert claim.started_at is not None and claim.ended_at is not None
    assert claim.started_at <= claim.ended_at <= site.now() + 1.0


@pytest.mark.parametrize(("says", "has_marker"), [("a marker", True), ("nothing", False)])
def test_a_marker_is_looked_for_when_the_job_has_ended(
    tenant: Tenant, site: ContractWorld, says: str, has_marker: bool
) -> None:
    target, _ = tenant.up()
    tenant.remote.launch(target, tenant.launch_order(site.job(says=says), success_marker="marker"))
    assert ended(tenant, site, target, success_marker="marker").has_marker is has_marker


def test_an_ended_log_has_one_size(tenant: Tenant, site: ContractWorld) -> None:
    target, _ = tenant.up()
    tenant.remote.launch(target, tenant.launch_order(site.job()))
    size = ended(tenant, site, target).log_bytes
    assert size > 0
    began = site.now()
    site.until(lambda: site.now() > began + site.moment)
    assert tenant.remote.read_claim(target, tenant.ref()).log_bytes == size
    assert tenant.remote.fetch_log(target, tenant.ref(), str(site.folder / "log")) == size


def test_the_claim_of_an_ended_job_outlives_a_stop(tenant: Tenant, site: ContractWorld) -> None:
    target, pod = tenant.up()
    tenant.remote.launch(target, tenant.launch_order(site.job(4)))
    before = ended(tenant, site, target)
    target, _ = tenant.again(pod.id)
    after = tenant.remote.read_claim(target, tenant.ref())
    assert (after.phase, after.exit_code, after.ended_at) == ("ended", 4, before.ended_at)
    assert phase_of(tenant.remote.launch(target, tenant.launch_order(site.job(4)))) == "ended"
    assert site.starts() == 1


def test_a_stop_under_a_job_loses_it(tenant: Tenant, site: ContractWorld) -> None:
    target, pod = tenant.up()
    tenant.remote.launch(target, tenant.launch_order(site.job(lasts=True)))
    site.until(lambda: site.starts() == 1)
    target, _ = tenant.again(pod.id)
    claim = tenant.remote.read_claim(target, tenant.ref())
    assert (claim.phase, claim.exit_code) == ("lost", None)
    assert phase_of(tenant.remote.launch(target, tenant.launch_order(site.job(lasts=True)))) == "lost"
    assert site.starts() == 1


def test_a_container_that_restarts_under_a_job_loses_it(tenant: Tenant, site: ContractWorld) -> None:
    target, pod = tenant.up()
    tenant.remote.launch(target, tenant.launch_order(site.job(lasts=True)))
    site.until(lambda: site.starts() == 1)  # a launch returns before the script's first command
    site.restart_container(pod.id)
    target, _ = site.until(lambda: (found := tenant.answering(pod.id))[0].host_key != target.host_key and found)
    assert phase_of(tenant.remote.read_claim(target, tenant.ref())) == "lost"
    assert site.starts() == 1


def test_without_a_volume_a_stop_wipes_the_claim(tenant: Tenant, site: ContractWorld) -> None:
    target, pod = tenant.up(volume_gb=None)
    tenant.remote.launch(target, tenant.launch_order(site.job()))
    ended(tenant, site, target)
    target, _ = tenant.again(pod.id)
    assert phase_of(tenant.remote.read_claim(target, tenant.ref())) == "none"


def test_watching_ends_with_the_job(tenant: Tenant, site: ContractWorld) -> None:
    target, _ = tenant.up()
    tenant.remote.launch(target, tenant.launch_order(site.job(4)))
    claim = tenant.remote.watch(target, tenant.ref(), str(site.folder / "log"), 600.0)
    assert (claim.phase, claim.exit_code) == ("ended", 4)


def test_watching_ends_at_its_limit(tenant: Tenant, site: ContractWorld) -> None:
    target, _ = tenant.up()
    tenant.remote.launch(target, tenant.launch_order(site.job(lasts=True)))
    began = site.now()
    assert phase_of(tenant.remote.watch(target, tenant.ref(), str(site.folder / "log"), site.moment)) == "running"
    assert site.moment <= site.now() - began < site.moment + 5.0


def test_watching_ends_when_somebody_asks(tenant: Tenant, site: ContractWorld) -> None:
    target, _ = tenant.up()
    tenant.remote.launch(target, tenant.launch_order(site.job(lasts=True)))
    site.later(site.moment, site.ask)
    assert phase_of(tenant.remote.watch(target, tenant.ref(), str(site.folder / "log"), 600.0)) == "running"


def test_watching_what_was_never_launched(tenant: Tenant, site: ContractWorld) -> None:
    target, _ = tenant.up()
    assert phase_of(tenant.remote.watch(target, tenant.ref(), str(site.folder / "log"), 600.0)) == "none"


def test_a_running_job_is_ended_on_request(tenant: Tenant, site: ContractWorld) -> None:
    target, _ = tenant.up()
    tenant.remote.launch(target, tenant.launch_order(site.job(lasts=True)))
    for _ in range(2):  # again is fine
        claim = tenant.remote.stop_job(target, tenant.ref(), GRACE_SECONDS)
        assert (claim.phase, claim.exit_code) == ("ended", 143)


def test_what_has_ended_keeps_its_exit_code(tenant: Tenant, site: ContractWorld) -> None:
    target, _ = tenant.up()
    tenant.remote.launch(target, tenant.launch_order(site.job(4)))
    ended(tenant, site, target)
    assert tenant.remote.stop_job(target, tenant.ref(), GRACE_SECONDS).exit_code == 4


def test_stopping_what_was_never_launched(tenant: Tenant) -> None:
    target, _ = tenant.up()
    assert phase_of(tenant.remote.stop_job(target, tenant.ref(), GRACE_SECONDS)) == "none"


def test_a_job_outlives_the_link(tenant: Tenant, site: ContractWorld) -> None:
    target, pod = tenant.up()
    first = tenant.remote.launch(target, tenant.launch_order(site.job(lasts=True)))
    site.cut(pod.id)
    # The connection that was open may be the first to notice.
    site.until(lambda: why_silent(tenant, target) == "ssh_unreachable")
    with pytest.raises(NotSent) as effect:
        tenant.remote.launch(target, tenant.launch_order(site.job(lasts=True)))
    assert (effect.value.reason, effect.value.retryable) == ("ssh_unreachable", True)
    site.mend(pod.id)
    claim = site.until(lambda: alive(tenant, target))
    assert (claim.phase, claim.started_at) == ("running", first.started_at)
    assert site.starts() == 1


def test_a_link_lost_while_watching(tenant: Tenant, site: ContractWorld) -> None:
    target, pod = tenant.up()
    tenant.remote.launch(target, tenant.launch_order(site.job(lasts=True)))
    site.later(site.moment, lambda: site.cut(pod.id))
    with pytest.raises(Unavailable) as caught:
        tenant.remote.watch(target, tenant.ref(), str(site.folder / "log"), 600.0)
    assert (caught.value.reason, caught.value.retryable) == ("link_lost", True)


@pytest.mark.parametrize("what", ["stop", "delete"])
def test_a_pod_that_goes_under_a_watch(tenant: Tenant, site: ContractWorld, what: str) -> None:
    target, pod = tenant.up()
    tenant.remote.launch(target, tenant.launch_order(site.job(lasts=True)))
    site.later(site.moment, lambda: site.somebody(what, pod.id))
    with pytest.raises(Unavailable) as caught:
        tenant.remote.watch(target, tenant.ref(), str(site.folder / "log"), 600.0)
    assert caught.value.reason == "link_lost"
    with pytest.raises(Unavailable) as later:
        tenant.remote.read_claim(target, tenant.ref())
    assert later.value.reason == "ssh_unreachable"


def why_silent(tenant: Tenant, target: Target) -> str | None:
    """Why the claim cannot be read; None when it can."""
    try:
        tenant.remote.read_claim(target, tenant.ref())
    except Unavailable as error:
        assert error.reason in ("link_lost", "ssh_unreachable") and error.retryable
        return error.reason
    return None


def alive(tenant: Tenant, target: Target) -> Claim | None:
    """The claim, once the pod answers."""
    try:
        return tenant.remote.read_claim(target, tenant.ref())
    except Unavailable:
        return None


def ended(tenant: Tenant, site: ContractWorld, target: Target, **changes: Any) -> Claim:
    """The claim of a short job, once it has ended."""

    def look() -> Claim | None:
        claim = tenant.remote.read_claim(target, tenant.ref(**changes))
        return claim if claim.phase == "ended" else None

    found = site.until(look)
    assert found is not None
    return found
