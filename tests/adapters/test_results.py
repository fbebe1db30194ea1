"""Results that a job would lose are warned of before anything is rented."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from rpd.adapters.checking.results import lost_results
from rpd.states.ports.job import Job


def told(*places: str, **config: Any) -> list[str]:
    artifacts = [{"label": f"a{n}", "remote_path": place, "local_path": f"/{n}"} for n, place in enumerate(places)]
    job = {"name": "j", "pod": {"image": "i", "gpu_order": ["G"]}, "run": {"body": "x"}, "artifacts": artifacts}
    return [each.message for each in lost_results(msgspec.convert(job | config, Job))]


@pytest.mark.parametrize(
    ("place", "mount", "is_lost"),
    [
        ("/root/out", "/workspace", True),
        ("/workspace2/out", "/workspace", True),
        ("/workspace/../root/out", "/workspace", True),
        ("/workspace/out/*.bin", "/workspace", False),
        ("/workspace", "/workspace/", False),
        ("//data//out", "/data", False),
    ],
)
def test_results_that_a_stop_wipes_are_named(place: str, mount: str, is_lost: bool) -> None:
    found = told("/data/out" if mount == "/data" else "/workspace/a", place, storage={"volume_mount": mount})
    assert [f"{place}: not on the volume ({mount})" in text for text in found] == [True] * is_lost


def test_a_job_that_fetches_nothing_keeps_its_pod_or_is_told() -> None:
    lifecycle = {"on_success": "delete"}
    assert "declares no artifact" in told(lifecycle=lifecycle)[0]
    assert told(lifecycle={"on_success": "stop"}) == []
    assert told(lifecycle=lifecycle, storage={"mode": "network_volume", "volume_name": "v"}) == []
