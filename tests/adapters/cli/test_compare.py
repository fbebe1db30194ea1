"""`rpd compare --changed`: what tells two runs apart, and not what every run has of its own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rpd.adapters.cli.reading import compare
from rpd.adapters.cli.reading.compare import compare_runs
from rpd.adapters.forensics.row import RunRow
from rpd.adapters.terminal import output

WHICH = "* run_id: job-1 -> job-22"
"""Says which two are compared."""


def run(name: str, seed: str, **changes: Any) -> Any:
    """What is known of a run whose only wish was its seed."""
    folder = f"/p/artifacts/runpod/{name}"
    manifest = {
        "run_id": name, "run_dir": folder, "journal": f"/h/journals/job/{name}.jsonl", "config_sha256": f"c-{name}",
        "artifacts": [{"local_path": f"{folder}/out", "duration_sec": len(name), "manifest_sha256": f"m-{name}"}],
        "config": {"variables": {"seed": seed}, "artifacts": [{"local_path": f"{folder}/out"}]},
        "variables": {"seed": seed}, "pods": [{"id": f"p-{name}", "name": f"rpd-job-{name}-a1", "gpu_id": "NVIDIA L4"}],
        "seconds_per_state": {"boot": float(len(name))}, "pulled_at_utc": name, "estimated_cost_usd": len(name) / 7,
        "wall_time_sec": len(name), "billed_time_sec": len(name), **changes,
    }  # fmt: skip
    row = RunRow(name, "job", "journal", started=name, outcome="succeeded", run_dir=folder, journal=manifest["journal"])
    return SimpleNamespace(manifest=manifest, row=lambda _now: row)


def told(monkeypatch: pytest.MonkeyPatch, one: Any, other: Any, *, only_changed: bool = True) -> list[str]:
    lines: list[str] = []
    runs = {"a": one, "b": other}
    monkeypatch.setattr(compare, "loaded_run", runs.get)
    monkeypatch.setattr(output, "text", lines.extend)
    assert compare_runs("a", "b", only_changed=only_changed, as_json=False) == 0
    return lines


def test_one_changed_seed_is_one_line_beside_the_names(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = told(monkeypatch, run("job-1", "1"), run("job-22", "2"))
    assert [line for line in lines if line.startswith("* ")] == [WHICH, "* variables.seed: 1 -> 2"]
    assert lines[-2].startswith("2 fields changed, ") and "each run's own" in lines[-1]


def test_what_was_had_is_told_beside_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    other = run("job-22", "1", image="new", pods=[{"id": "x", "name": "y", "gpu_id": "RTX 4090"}])
    lines = told(monkeypatch, run("job-1", "1", image="old"), other)
    starred = [line for line in lines if line.startswith("* ")]
    assert starred == ["* image: old -> new", "* pods[0].gpu_id: NVIDIA L4 -> RTX 4090", WHICH]


def test_without_changed_nothing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = told(monkeypatch, run("job-1", "1"), run("job-22", "2"), only_changed=False)
    assert "* seconds_per_state.boot: 5.0 -> 6.0" in lines and "* run_id: job-1 -> job-22" in lines
