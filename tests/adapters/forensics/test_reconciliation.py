"""Estimate against the books: what is said about each kind of difference."""

from __future__ import annotations

from typing import Any

import pytest

from rpd.adapters.forensics.reconciliation import SETTLED_SECONDS, Estimate, reconcile
from rpd.adapters.runpod.billing import PodBill

ENDED = 1_800_000_000.0
LONG_AGO = ENDED + SETTLED_SECONDS + 1


def estimate(**changes: Any) -> Estimate:
    usual: dict[str, Any] = {
        "pod_id": "p", "seconds": 36000.0, "gpu_usd": 7.0, "disk_usd": 0.5, "storage_usd": 0.0,
        "ended_wall": ENDED, "is_shared": False,
    }  # fmt: skip
    return Estimate(**{**usual, **changes})


def bill(gpu: float, disk: float = 0.5, records: int = 10) -> PodBill:
    return PodBill("p", gpu + disk, gpu, 0.0, disk, records)


def said(one: Estimate, other: PodBill | None, now: float = LONG_AGO, **more: Any) -> str:
    return "; ".join(reconcile(one, other, now, **more).why)


@pytest.mark.row(118)
def test_they_agree() -> None:
    assert said(estimate(), bill(7.1)) == "they agree"


@pytest.mark.row(118)
def test_books_that_lag() -> None:
    assert "ask again after 2027-01-16T08:00:00Z" in said(estimate(), bill(0, 0, records=0), ENDED + 60)
    assert said(estimate(), bill(4.0), ENDED + 60).startswith("the last hours may not be booked yet")
    assert said(estimate(ended_wall=None), bill(0, 0, records=0)).endswith("ask again after its end")


def test_books_that_stay_empty() -> None:
    assert said(estimate(), bill(0, 0, records=0)) == "nothing is booked for it, a day after its end"
    free = estimate(gpu_usd=0.0, disk_usd=0.0, seconds=0.0)
    assert said(free, bill(0, 0, records=0)) == "it cost nothing, and nothing is booked"


@pytest.mark.row(118)
def test_which_part_differs() -> None:
    told = said(estimate(), bill(14.0))
    assert told == (
        "computing: $14.00 booked, $7.00 estimated, which is 20 h 00 m at that rate where our clock has 10 h 00 m"
    )
    assert said(estimate(), bill(7.0, 3.0)) == "disks: $3.00 booked, $0.50 estimated from the list price per GB"
    assert "computing: $4.00 booked" in said(estimate(), bill(4.0)), "a day later a delay explains nothing"


def test_a_shared_pod_and_a_stopped_one() -> None:
    told = said(estimate(is_shared=True, storage_usd_per_day=0.33), bill(9.0))
    assert "also served another run" in told
    assert "goes on at $0.33 a day" in told


def test_books_that_could_not_be_read() -> None:
    line = reconcile(estimate(), None, LONG_AGO, problem="it is not a bill")
    assert line.why == ("the books cannot be read: it is not a bill",)
