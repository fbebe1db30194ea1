"""Samples with holes, several GPUs, and lines of blocks."""

from __future__ import annotations

from typing import Any

from rpd.adapters.forensics.samples import Samples, sparkline


def gpus(*utils: float | None) -> dict[str, Any]:
    return {"gpus": [{"index": at, "util_pct": util} for at, util in enumerate(utils)]}


def test_every_gpu_has_its_own_series() -> None:
    samples = Samples([gpus(0, 100), gpus(50, None), gpus(100, 0)], 0)
    assert samples.gpus() == [0, 1]
    assert samples.gpu(0, "util_pct", "%").values == [0, 50, 100]
    assert samples.gpu(1, "util_pct", "%").values == [100, None, 0]
    assert [(series.gpu, series.name) for series in samples.series()] == [(0, "util_pct"), (1, "util_pct")]


def test_values_that_are_none_are_missing() -> None:
    rows: list[dict[str, Any]] = [{"gpu_util_pct": value} for value in (None, "[N/A]", True, float("nan"), 10**400, 7)]
    assert Samples(rows, 0).gpu(0, "util_pct", "%").known == [7]
    assert Samples([{"gpus": "none"}, {"gpus": [3]}, {}], 0).series() == []


def test_counters_become_rates() -> None:
    def row(second: int, count: int | None) -> dict[str, Any]:
        return {"ts_utc": f"2026-01-01T00:00:{second:02d}Z", "net_rx_bytes": count}

    [series] = Samples([row(0, 100), row(10, 1100), row(20, 50), row(30, None), row(40, 250)], 0).series()
    assert series.name == "net_rx_bytes_per_sec"
    assert series.values == [None, 100.0, None, None, 10.0], "it was started anew at 20 s"


def test_a_sparkline_fits_and_keeps_its_scale() -> None:
    assert sparkline([0, 50, 100], 10, ceiling=100) == "▁▅█"
    assert sparkline([None, 0, None], 10) == " ▁ "
    assert sparkline([5.0] * 1000, 40) == "█" * 40
    assert sparkline([0.0] * 500 + [100.0] * 500, 4, ceiling=100) == "▁▁██"
    assert sparkline([], 10) == ""
    assert sparkline([200, -5], 10, ceiling=100) == "█▁"
