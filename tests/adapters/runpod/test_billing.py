"""What a pod has cost, by the provider's books."""

from __future__ import annotations

from typing import Any

import pytest

from rpd.adapters.runpod.billing import PodBill, pod_bill
from rpd.engine.errors import Unavailable


def record(pod_id: str, total: float, **changes: Any) -> dict[str, Any]:
    return {"podId": pod_id, "totalAmount": total, "gpuAmount": total, "cpuAmount": 0, "diskAmount": 0.0, **changes}


def test_sums_of_this_pod_alone(api: Any, bench: Any) -> None:
    records = [record("p1", 0.5), record("other", 9.0), record("p1", 0.25, gpuAmount=0.2, diskAmount=0.05)]
    api.answer(200, {"records": records, "metadata": {}})
    bill = pod_bill(bench.client(api.url), "p1", since="2026-11-20T10:00:00Z")
    assert bill == PodBill("p1", 0.75, 0.7, 0.0, 0.05, 2)
    assert api.calls[0].query == {"podId": "p1", "bucketSize": "hour", "startTime": "2026-11-20T10:00:00Z"}


def test_nothing_booked_yet(api: Any, bench: Any) -> None:
    api.answer(200, {"records": []})
    assert pod_bill(bench.client(api.url), "p1").records == 0


@pytest.mark.parametrize("body", [{}, {"records": None}, {"records": [{"podId": "p1"}]}, []])
def test_no_bill(api: Any, bench: Any, body: Any) -> None:
    api.answer(200, body)
    with pytest.raises(Unavailable):
        pod_bill(bench.client(api.url), "p1")
