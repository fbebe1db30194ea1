"""Run folders as runpod-deploy leaves them, written out by hand from its manifest and event schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MANIFEST: dict[str, Any] = {
    "schema_version": "v2",
    "pulled_at_utc": "2026-05-14T12:31:40Z",
    "failed": False,
    "job_name": "headline",
    "run_id": "headline-20260514T120000Z",
    "config_path": "/home/me/p/configs/headline.yaml",
    "storage_mode": "ephemeral",
    "datacenter_id": "EU-RO-1",
    "gpu_id": "NVIDIA GeForce RTX 4090",
    "gpu_price_per_hour_usd": 0.69,
    "gpu_price_source": "pod_describe",
    "pod_id": "abc123",
    "pod_final_state": "RUNNING",
    "pod_resumed": False,
    "image": "runpod/pytorch:2.4.0",
    "cost_cap_usd": 5.0,
    "wall_time_sec": 1800.0,
    "estimated_cost_usd": 0.345,
    "volume_mount": "/workspace",
    "volume_name": None,
    "volume_gb": 50,
    "deploy_metadata": {"local_git_sha": "f" * 40, "local_git_dirty": False, "local_git_branch": "main"},
    "artifacts": [{"label": "metrics", "status": "ok", "bytes_transferred": None, "duration_sec": 2.5}],
    "telemetry_files": ["events.jsonl", "metrics.jsonl"],
}
EVENTS: list[dict[str, Any]] = [
    {"ts_utc": "2026-05-14T12:00:02+00:00", "event": "datacenter_failover", "from": "EU-CZ-1", "to": "EU-RO-1",
     "reason": "stockout"},
    {"ts_utc": "2026-05-14T12:00:03+00:00", "event": "gpu_selected", "gpu_id": "NVIDIA GeForce RTX 4090",
     "datacenter_id": "EU-RO-1"},
    {"ts_utc": "2026-05-14T12:31:30+00:00", "event": "artifact_pull_completed", "label": "metrics",
     "duration_sec": 2.5},
]  # fmt: skip
SAMPLE: dict[str, Any] = {
    "ts_utc": "2026-05-14T12:05:00+00:00",
    "gpu_util_pct": 50,
    "gpu_mem_used_mb": 12000,
    "gpu_mem_total_mb": 24000,
    "gpu_temp_c": 60,
    "gpu_ecc_errors": None,
    "cpu_user_pct": 10.0,
    "host_mem_used_mb": 4000,
    "host_mem_total_mb": 8000,
}


def peer_folder(folder: Path, **changes: Any) -> Path:
    """A finished run of theirs; a change to None drops the field."""
    folder.mkdir(parents=True)
    told = {name: value for name, value in {**MANIFEST, **changes}.items() if name not in changes or value is not None}
    (folder / "runpod_deploy_pull_manifest.json").write_text(json.dumps(told, indent=2))
    lines(folder / "events.jsonl", EVENTS)
    lines(folder / "metrics.jsonl", [{**SAMPLE, "gpu_util_pct": 10 * step} for step in range(11)])
    return folder


def lines(path: Path, rows: list[dict[str, Any]]) -> None:
    """One JSON object a line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
