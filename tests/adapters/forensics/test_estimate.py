"""What a job will cost before it runs: every factor of the arithmetic."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rpd.adapters.forensics.estimate import BOOT_MINUTES, Estimate, estimate
from rpd.states.ports.job import Job
from rpd.states.ports.world import Offer
from tests.fakes.fake_world import job_config

DISKS = 50 * 0.10 / 730.0
OFFERS = (
    Offer("A", "SECURE", 0.5, "HIGH", ("EU-1",)),
    Offer("A", "COMMUNITY", 0.3, "LOW"),
    Offer("B", "SECURE", 1.0, "LOW"),
    Offer("cpu3c", "SECURE", 0.03, "HIGH"),
)


def of(offers: tuple[Offer, ...] = OFFERS, **config: Any) -> Estimate:
    """A job on four GPUs, with 30 GB of its container and 20 of its volume."""
    pod = {"image": "i", "gpu_order": ["A", "B"], "gpu_count": 4, "container_disk_gb": 30, **config.pop("pod", {})}
    budget = {"cost_cap_usd": 10.0, **config.pop("budget", {})}
    return estimate(msgspec.convert(job_config(pod=pod, budget=budget, **config), Job), offers)


def test_a_rate_is_that_of_all_gpus_with_and_without_the_disks() -> None:
    first, second = of().choices
    assert (first.usd_per_hour, second.usd_per_hour) == (2.0, 4.0)
    assert first.with_disks_usd_per_hour == pytest.approx(2.0 + DISKS)
    cpu = of(pod={"gpu_order": [], "cpu_order": ["cpu3c"], "vcpu_count": 8}).choices[0]
    assert cpu.usd_per_hour == pytest.approx(0.24)
    network = of(storage={"mode": "network_volume", "volume_name": "v"}).choices[0]
    assert network.with_disks_usd_per_hour == pytest.approx(2.0 + 30 * 0.10 / 730.0)


def test_the_figures_of_the_first_that_can_be_paid() -> None:
    found, rate = of(budget={"max_runtime_minutes": 90}), 2.0 + DISKS
    assert (found.cap_usd, found.max_runtime_hours, found.usd_per_hour) == (10.0, 1.5, pytest.approx(rate))
    assert found.boot_usd == pytest.approx(rate * BOOT_MINUTES / 60.0)
    assert found.hours_at_cap == pytest.approx(10.0 / rate)
    assert found.most_usd == pytest.approx(rate * 1.5)
    assert found.worst_usd == pytest.approx(rate * (1.5 + 600.0 / 3600.0))
    assert found.stopped_usd_per_month == pytest.approx(4.0)


def test_the_budget_is_the_most_where_it_ends_first() -> None:
    assert of(budget={"max_runtime_minutes": 6000}).most_usd == 10.0
    assert of().most_usd == 10.0
    assert of(budget={"max_usd": 3.0}).cap_usd == 3.0
    kept = of(budget={"max_runtime_minutes": 60}, lifecycle={"on_success": "preserve", "preserve_minutes": 30})
    assert kept.most_usd == pytest.approx((2.0 + DISKS) * 1.5)


@pytest.mark.parametrize(("cap", "affordable"), [(0.5, [True, False]), (0.49, [False, False]), (1.0, [True, True])])
def test_the_cap_is_for_each_gpu(cap: float, affordable: list[bool]) -> None:
    assert [each.is_affordable for each in of(budget={"max_gpu_price_usd": cap}).choices] == affordable


def test_the_cap_is_for_a_whole_cpu_pod_and_an_unknown_price_is_too_dear() -> None:
    pod = {"gpu_order": [], "cpu_order": ["cpu3c"], "vcpu_count": 8}
    assert of(pod=pod, budget={"max_gpu_price_usd": 0.25}).choices[0].is_affordable
    assert not of(pod=pod, budget={"max_gpu_price_usd": 0.2}).choices[0].is_affordable
    assert not of((), budget={"max_gpu_price_usd": 9.0}).choices[0].is_affordable
    free = of(())
    assert free.choices[0].is_affordable and free.choices[0].stock == "NOT LISTED"
    assert (free.usd_per_hour, free.boot_usd, free.worst_usd, free.hours_at_cap) == (None, None, None, None)


def test_a_dearer_one_is_reckoned_with_where_the_first_is_over_the_cap() -> None:
    offers = (Offer("A", "SECURE", 2.0), Offer("B", "SECURE", 1.0))
    assert of(offers, budget={"max_gpu_price_usd": 1.0}).usd_per_hour == pytest.approx(4.0 + DISKS)


def test_stock_is_told_of_the_place_and_of_the_cloud() -> None:
    found = of(pod={"datacenters": ["EU-1", "US-1"]}, provision={"fallback_cloud_type": "COMMUNITY"})
    assert [(each.gpu_id, each.datacenter_id, each.cloud, each.stock) for each in found.choices][:3] == [
        ("A", "EU-1", "SECURE", "HIGH"),
        ("A", "US-1", "SECURE", "NONE"),
        ("B", "EU-1", "SECURE", "LOW"),
    ]
    assert [each.usd_per_hour for each in found.choices if each.cloud == "COMMUNITY"] == [1.2, 1.2, None, None]
    network = {"mode": "network_volume", "volume_name": "v"}
    alone = of(storage=network, provision={"fallback_cloud_type": "COMMUNITY"})
    assert {each.cloud for each in alone.choices} == {"SECURE"}
