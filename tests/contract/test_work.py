"""Steps, trees and artifacts."""

from __future__ import annotations

import msgspec
import pytest

from rpd.engine.errors import Ambiguous, Interrupted
from rpd.states.ports.world import Pull, Step, Tree
from tests.contract.contract_world import ContractWorld, Tenant

TIMEOUT_SECONDS = 500.0


def step(command: str, key: str = "one", timeout_seconds: float = TIMEOUT_SECONDS) -> Step:
    return Step(key, "setup", command, timeout_seconds)


@pytest.mark.parametrize("exit_code", [0, 3])
def test_a_step_says_how_it_ended(tenant: Tenant, site: ContractWorld, exit_code: int) -> None:
    target, _ = tenant.up()
    result = tenant.remote.run_step(target, step(site.command(exit_code)))
    assert (result.exit_code, result.tail) == (exit_code, ("last line",))


def test_a_done_step_is_not_repeated(tenant: Tenant, site: ContractWorld) -> None:
    target, pod = tenant.up()
    command = site.command(3)
    for _ in range(2):
        assert tenant.remote.run_step(target, step(command)).exit_code == 3
    assert site.runs(pod.id, command) == 1
    tenant.remote.run_step(target, step(command, "two"))
    assert site.runs(pod.id, command) == 2


def test_a_done_step_stays_done_over_a_stop(tenant: Tenant, site: ContractWorld) -> None:
    target, pod = tenant.up()
    command = site.command()
    tenant.remote.run_step(target, step(command))
    target, _ = tenant.again(pod.id)
    tenant.remote.run_step(target, step(command))
    assert site.runs(pod.id, command) == 1


def test_a_step_of_another_run_is_another_step(tenant: Tenant, site: ContractWorld) -> None:
    target, pod = tenant.up()
    command = site.command()
    tenant.remote.run_step(target, step(command))
    other = tenant.target(pod.id, run_id="run-other", folder="/workspace/.rpd/run-other")
    tenant.remote.run_step(other, step(command))
    assert site.runs(pod.id, command) == 2


def test_a_step_is_ended_when_its_time_is_up(tenant: Tenant, site: ContractWorld) -> None:
    target, _ = tenant.up()
    assert tenant.remote.run_step(target, step(site.command(seconds=100.0), timeout_seconds=0.5)).exit_code == 124


def test_a_step_that_somebody_cuts_short_is_not_done(tenant: Tenant, site: ContractWorld) -> None:
    target, pod = tenant.up()
    command = site.command(seconds=100.0)
    site.later(site.moment, site.ask)
    with pytest.raises(Interrupted) as caught:
        tenant.remote.run_step(target, step(command))
    assert caught.value.reason == "interrupted"
    site.ask_no_more()
    tenant.remote.run_step(target, step(command, timeout_seconds=0.5))
    assert site.runs(pod.id, command) == 2


def test_a_step_runs_on_behind_a_lost_link_and_is_waited_for(tenant: Tenant, site: ContractWorld) -> None:
    target, pod = tenant.up()
    command = site.command(6, seconds=3 * site.moment)
    site.later(site.moment, lambda: site.cut(pod.id))
    with pytest.raises(Ambiguous) as caught:
        tenant.remote.run_step(target, step(command))
    assert (caught.value.reason, caught.value.retryable) == ("link_lost", True)
    site.mend(pod.id)
    tenant.answering(pod.id)
    assert tenant.remote.run_step(target, step(command)).exit_code == 6
    assert site.runs(pod.id, command) == 1


def test_a_step_of_another_round_is_done_again_once(tenant: Tenant, site: ContractWorld) -> None:
    target, pod = tenant.up()
    command = site.command(3)
    for number, runs in ((1, 1), (1, 1), (4, 2), (4, 2)):
        again = msgspec.structs.replace(step(command), round=number)
        assert tenant.remote.run_step(target, again).exit_code == 3
        assert site.runs(pod.id, command) == runs


def test_a_step_of_an_earlier_round_that_is_under_way_is_waited_for(tenant: Tenant, site: ContractWorld) -> None:
    target, pod = tenant.up()
    command = site.command(6, seconds=3 * site.moment)
    site.later(site.moment, lambda: site.cut(pod.id))
    with pytest.raises(Ambiguous):
        tenant.remote.run_step(target, step(command))
    site.mend(pod.id)
    tenant.answering(pod.id)
    result = tenant.remote.run_step(target, msgspec.structs.replace(step(command), round=2))
    assert (result.exit_code, site.runs(pod.id, command)) == (6, 2)


def test_what_was_pushed_is_not_sent_again(tenant: Tenant, site: ContractWorld) -> None:
    target, _ = tenant.up()
    tree = Tree("source", site.local_file(), "/workspace/in")
    first = tenant.remote.push(target, tree)
    assert (first.files, first.bytes, first.sent_files, first.sent_bytes) == (1, 10, 1, 10)
    second = tenant.remote.push(target, tree)
    assert (second.files, second.bytes, second.sent_files, second.sent_bytes) == (1, 10, 0, 0)
    assert second.manifest_sha256 == first.manifest_sha256


@pytest.mark.parametrize(("place", "sent"), [("/workspace/in", 0), ("/root/in", 1)])
def test_a_stop_wipes_what_was_pushed_unless_it_is_on_the_volume(
    tenant: Tenant, site: ContractWorld, place: str, sent: int
) -> None:
    target, pod = tenant.up()
    tree = Tree("source", site.local_file(), place)
    tenant.remote.push(target, tree)
    target, _ = tenant.again(pod.id)
    assert tenant.remote.push(target, tree).sent_files == sent


def test_a_pull_of_what_is_not_there(tenant: Tenant, site: ContractWorld) -> None:
    target, _ = tenant.up()
    pull = Pull("result", site.missing_path(), str(site.folder / "out"), True)
    pulled = tenant.remote.pull(target, pull)
    assert (pulled.label, pulled.is_missing, pulled.files, pulled.bytes) == ("result", True, 0, 0)


def test_a_pull_brings_what_is_there(tenant: Tenant, site: ContractWorld) -> None:
    target, _ = tenant.up()
    pushed = tenant.remote.push(target, Tree("source", site.local_file(), "/workspace/in"))
    pulled = tenant.remote.pull(target, Pull("result", "/workspace/in", str(site.folder / "out"), True))
    assert (pulled.is_missing, pulled.files, pulled.bytes) == (False, pushed.files, pushed.bytes)
    assert pulled.manifest_sha256


def test_a_request_cuts_a_pull_short(tenant: Tenant, site: ContractWorld) -> None:
    target, _ = tenant.up()
    tenant.remote.push(target, Tree("source", site.local_file(), "/workspace/in"))
    site.ask()
    with pytest.raises(Interrupted):
        tenant.remote.pull(target, Pull("result", "/workspace/in", str(site.folder / "out"), True))
