"""The run's manifest: what ran where, what came back, what it cost. Keeps the names of schema v2 that existing tools
read."""

from __future__ import annotations

from typing import Any

import msgspec

from rpd.engine.deadline import elapsed
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.policy import cost_cap, running_seconds, spent_usd
from rpd.states.verdict import verdict


def manifest(facts: Facts, now: Stamp) -> dict[str, Any]:
    """Plain data, complete even for a run that was refused before anything was rented."""
    outcome, reason, exit_code = verdict(facts)
    pod = facts.pod or next(reversed(facts.pods.values()), None)
    job, claim = facts.job, facts.claim
    return {
        "schema_version": "v2",
        "job_name": job.name,
        "run_id": facts.run_id,
        "config_path": facts.opened.config_path,
        "config_sha256": facts.opened.config_sha256,
        "variables": facts.opened.variables,
        "failed": exit_code != 0,
        "outcome": str(outcome),
        "reason": str(reason) if reason else None,
        "exit_code": claim.exit_code if claim else None,
        "image": job.pod.image,
        "storage_mode": job.storage.mode,
        "volume_mount": job.storage.volume_mount,
        "volume_gb": facts.volume_gb or None,
        "pod_id": pod.id if pod else None,
        "pod_name": pod.name if pod else None,
        "gpu_id": pod.candidate.gpu_id if pod else None,
        "datacenter_id": pod.seen.datacenter_id if pod and pod.seen else None,
        "pod_resumed": pod is not None and pod.taken is not None,
        "gpu_price_per_hour_usd": pod.usd_per_hour if pod else None,
        "gpu_price_source": "pod_describe" if pod and pod.seen else None,
        "wall_time_sec": round(elapsed(facts.started, now), 3) if facts.started else 0.0,
        "billed_time_sec": round(sum(running_seconds(each, now) for each in facts.pods.values()), 3),
        "estimated_cost_usd": round(spent_usd(facts, now), 6),
        "cost_cap_usd": cost_cap(facts),
        "artifacts": [_artifact(facts, index) for index in range(len(job.artifacts))],
        "tool_version": facts.opened.tool_version,
    }


def _artifact(facts: Facts, index: int) -> dict[str, Any]:
    artifact = facts.job.artifacts[index]
    pulled = facts.pulled.get(artifact.label)
    status = "failed" if pulled is None else "missing" if pulled.is_missing else "pulled"
    return {
        **msgspec.to_builtins(artifact),
        "status": status,
        "files": pulled.files if pulled else None,
        "bytes_transferred": pulled.bytes if pulled else None,
        "manifest_sha256": pulled.manifest_sha256 if pulled else None,
    }
