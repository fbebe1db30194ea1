"""The outside view of a sandbox: which pods and network volumes there really are and were, what ran in the pods how
often, what it cost.

It is computed from the state alone, so it can be had while no daemon runs. Starts are counted from what the runtime saw
being executed, never from anything a client left in a pod.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rpd.adapters.sandbox.cloud import ledger
from rpd.adapters.sandbox.cloud.model import Pod, State, Volume


def truth(state: State, starts_file: Path, now: float) -> dict[str, Any]:
    """The document of `rpd sandbox truth --json`; pods and volumes in the order of their creation."""
    pods = sorted(state.pods.values(), key=lambda pod: pod.seq)
    return {
        "pods": [_pod(pod, now) for pod in pods],
        "jobs": starts(starts_file),
        "volumes": [_volume(volume, now) for volume in sorted(state.volumes.values(), key=lambda each: each.since)],
        "spent_usd": round(ledger.spent(state, now), 6),
    }


def starts(starts_file: Path) -> dict[str, dict[str, int]]:
    """How often each launch of each run was started."""
    counted: dict[str, dict[str, int]] = {}
    try:
        text = starts_file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return counted
    for line in text.splitlines():
        run_id, _, launch = line.partition("\t")
        if launch:
            launches = counted.setdefault(run_id, {})
            launches[launch] = launches.get(launch, 0) + 1
    return counted


def _pod(pod: Pod, now: float) -> dict[str, Any]:
    boot = pod.boot_seconds if pod.boot_seconds > 0 else pod.planned_boot_seconds
    return {
        "id": pod.id,
        "name": pod.name,
        "status": pod.status,
        "billed_seconds": round(ledger.billed_seconds(pod, now), 3),
        "boot_seconds": round(boot, 3),
        "ssh_logins": pod.ssh_logins,
    }


def _volume(volume: Volume, now: float) -> dict[str, Any]:
    return {
        "id": volume.id,
        "name": volume.name,
        "size_gb": volume.size,
        "datacenter": volume.datacenter,
        "type": volume.type,
        "exists": volume.until is None,
        "spent_usd": round(ledger.volume_amount(volume, 0.0, now, now), 9),
    }
