"""The arithmetic of the bill."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rpd.adapters.sandbox.cloud import ledger
from rpd.adapters.sandbox.cloud.model import Pod, State, Volume

HOUR = 3600.0


def a_pod(**changes: object) -> Pod:
    facts = {"id": "p", "seq": 1, "key": "k", "name": "n", "image": "i", "created_at": 0.0}
    facts |= {"gpu_id": "NVIDIA L4", "compute_rate": 0.4, "disk": 73, "persistent_gb": 146, "spans": []}
    return Pod(**(facts | changes))


def test_life_of_a_bill() -> None:
    pod = a_pod()
    ledger.open_compute(pod, 0.0)
    ledger.open_storage(pod, 2 * HOUR)
    ledger.open_compute(pod, 5 * HOUR)
    ledger.close(pod, 6 * HOUR)
    assert ledger.billed_seconds(pod, 100 * HOUR) == 3 * HOUR
    bill = ledger.amounts(pod, 0.0, 100 * HOUR, 100 * HOUR)
    assert bill.gpu == pytest.approx(3 * 0.4)
    assert bill.cpu == 0
    assert bill.disk == pytest.approx(3 * (73 + 146) * 0.10 / 730 + 3 * 146 * 0.20 / 730)
    part = ledger.amounts(pod, 1 * HOUR, 3 * HOUR, 100 * HOUR)
    assert part.gpu == pytest.approx(0.4)


def test_open_bill_grows_until_now() -> None:
    pod = a_pod(gpu_id=None)
    ledger.open_compute(pod, 10.0)
    assert ledger.billed_seconds(pod, 10.0) == 0
    assert ledger.billed_seconds(pod, 25.0) == 15
    assert ledger.amounts(pod, 0, 99, 25.0).cpu > 0


def test_balance_counts_volumes() -> None:
    state = State(deposited_usd=10.0, pods={}, volumes={"v": Volume("v", "v", 730, "EU-RO-1", "STANDARD", since=0.0)})
    assert ledger.balance(state, HOUR) == pytest.approx(10 - 0.07)
    state.volumes["v"].until = HOUR
    assert ledger.balance(state, 9 * HOUR) == pytest.approx(10 - 0.07)


def test_a_volume_that_grew_costs_what_its_sizes_cost() -> None:
    volume = Volume("v", "v", 730, "EU-RO-1", "STANDARD", since=0.0)
    volume.resize(1460, HOUR)
    larger = ledger.volume_rate(1460)
    assert larger == pytest.approx((1024 * 0.07 + 436 * 0.05) / 730)
    assert ledger.volume_amount(volume, 0.0, 9 * HOUR, 2 * HOUR) == pytest.approx(0.07 + larger)
    assert ledger.volume_amount(volume, 0.5 * HOUR, 1.5 * HOUR, 2 * HOUR) == pytest.approx(0.035 + larger / 2)
    volume.until = HOUR
    assert ledger.volume_amount(volume, 0.0, 9 * HOUR, 9 * HOUR) == pytest.approx(0.07)


@pytest.mark.parametrize(
    ("size", "floor", "following"),
    [
        ("hour", (2026, 12, 31, 23), (2027, 1, 1, 0)),
        ("day", (2026, 12, 31, 0), (2027, 1, 1, 0)),
        ("week", (2026, 12, 28, 0), (2027, 1, 4, 0)),
        ("month", (2026, 12, 1, 0), (2027, 1, 1, 0)),
        ("year", (2026, 1, 1, 0), (2027, 1, 1, 0)),
    ],
)
def test_buckets(size: str, floor: tuple[int, ...], following: tuple[int, ...]) -> None:
    moment = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    start = ledger.floor(moment, size)
    assert start == datetime(*floor, tzinfo=UTC)
    assert ledger.advance(start, size) == datetime(*following, tzinfo=UTC)
    assert ledger.advance(ledger.advance(start, size), size, -1) == start
    assert list(ledger.buckets(start, moment, size)) == [(start, datetime(*following, tzinfo=UTC))]
