"""What the flags of `rpd connect` mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from rpd.adapters.sessions.presets import presets
from rpd.adapters.sessions.wish import Wish, most_usd, source_of
from rpd.adapters.spec.jobfile import load_job
from rpd.engine.errors import UserError
from rpd.states.ports.session import Service

HOME = Path("/nowhere")
A40 = Wish(("NVIDIA A40",))


@pytest.mark.parametrize("name", presets())
def test_each_preset_can_be_rented(name: str) -> None:
    job = load_job(source_of(Wish(("NVIDIA A40",), preset=name), "session", None, HOME)).job
    assert job.pod.image == presets()[name].image and job.budget.max_runtime_minutes == 240.0


def test_a_port_names_its_path_and_replaces_those_of_the_preset() -> None:
    assert A40.spec.services == (Service(8188, "/system_stats"),)
    assert Wish(("L4",), ports=("8888", "80/ready")).spec.services == (Service(8888), Service(80, "/ready"))
    assert Wish(("L4",), image="mine/own").spec.services == ()


@pytest.mark.parametrize("port", ["x", "0", "70000", "8888 /x", "80/\n"])
def test_what_is_no_port_is_refused(port: str) -> None:
    with pytest.raises(UserError, match="is no port"):
        _ = Wish(("L4",), ports=(port,)).spec


def test_a_port_that_is_named_twice_is_refused() -> None:
    with pytest.raises(UserError, match="named twice"):
        _ = Wish(("L4",), ports=("80", "80/x")).spec


@pytest.mark.parametrize("hours", [0.0, -1.0, 721.0, float("nan")])
def test_hours_that_are_none_are_refused(hours: float) -> None:
    with pytest.raises(UserError, match="no length"):
        source_of(Wish(("L4",), hours=hours), "session", None, HOME)


@pytest.mark.parametrize("minutes", [0.0, -1.0, 1441.0, float("nan")])
def test_minutes_in_which_nothing_can_be_ready_are_refused(minutes: float) -> None:
    with pytest.raises(UserError, match="nothing can be ready"):
        source_of(Wish(("L4",), ready_minutes=minutes), "session", None, HOME)


def test_the_time_to_be_ready_holds_for_the_host_and_for_the_service() -> None:
    wish = Wish(("L4",), ready_minutes=0.5)
    assert load_job(source_of(wish, "session", None, HOME)).job.budget.ssh_ready_timeout_sec == 30.0
    assert wish.spec.ready_seconds == 30.0


def test_a_cloud_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match="no cloud moon"):
        source_of(Wish(("L4",), cloud="moon"), "session", None, HOME)


def test_the_whole_wish_becomes_an_order() -> None:
    wish = Wish(
        ("NVIDIA A40",), 2, "community", ("EU-RO-1",), "mine/own", volume_gb=30, disk_gb=40, hours=2.0, max_price=0.5
    )
    job = load_job(source_of(wish, "session", 7.0, HOME)).job
    assert (job.pod.gpu_count, job.pod.cloud_type, job.pod.datacenters) == (2, "COMMUNITY", ("EU-RO-1",))
    assert (job.pod.image, job.pod.container_disk_gb, job.storage.volume_gb) == ("mine/own", 40, 30)
    assert (job.budget.max_gpu_price_usd, job.budget.most_usd, job.budget.max_runtime_minutes) == (0.5, 7.0, 120.0)


def test_the_most_that_it_may_cost_is_the_dearest_choice_for_the_whole_time() -> None:
    assert most_usd(Wish(("L4",), hours=2.0), [0.4, None, 1.0]) == 3.0
    assert most_usd(A40, [None]) is None
