"""The run's manifest: what ran where, what came back, what it cost. It keeps the names of schema v2, because existing
tools read them.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import msgspec

from rpd.engine.deadline import elapsed
from rpd.journal.records import Data, Stamp
from rpd.states.facts import Facts
from rpd.states.facts.pod import PodFacts
from rpd.states.policy import cost
from rpd.states.policy.doubts import doubts
from rpd.states.policy.rules import cost_cap, running_seconds, used
from rpd.states.policy.verdict import job_ending, verdict
from rpd.states.ports.names import Reason, State
from rpd.states.ports.world import refusal


def manifest(facts: Facts, now: Stamp) -> Data:
    """Plain data. It is complete even for a run that was refused before anything was rented."""
    return {
        "schema_version": "v2",
        "pulled_at_utc": utc(now.wall),
        **_of_the_run(facts),
        **_of_the_pods(facts, now),
        **_of_the_money(facts, now),
        "artifacts": [_artifact(facts, index) for index in range(len(facts.job.artifacts))],
        **_of_the_record(facts),
    }


def _of_the_run(facts: Facts) -> Data:
    outcome, reason, exit_code = verdict(facts)
    claim, started = facts.launch.claim, facts.progress.started
    return {
        "started_at_utc": utc(started.wall) if started else None,
        "job_name": facts.job.name,
        "run_id": facts.run_id,
        "config_path": facts.opened.config_path,
        "config_sha256": facts.opened.config_sha256,
        "variables": facts.opened.variables,
        "failed": exit_code != 0,
        "outcome": str(outcome),
        "reason": str(reason) if reason else None,
        "reason_text": _reason_text(facts),
        "doubts": [seen.line for seen in doubts(facts)],
        "state_reached": max(facts.progress.seconds_in, key=_order, default=None),
        "seconds_per_state": {state: round(seconds, 3) for state, seconds in facts.progress.seconds_in.items()},
        "launches": facts.launch.number - (not facts.launch.intended),
        "exit_code": claim.exit_code if claim else None,
        "ends_with": exit_code,
    }


def _of_the_pods(facts: Facts, now: Stamp) -> Data:
    job, pod = facts.job, facts.last_pod
    return {
        "image": job.pod.image or (pod.seen.image if pod and pod.seen else ""),
        "python_version": job.pod.python_version,
        "python_version_in_pod": facts.last_container.python,
        "storage_mode": job.storage.mode,
        "volume_mount": job.storage.volume_mount,
        "volume_name": job.storage.volume_name,
        "volume_gb": facts.volume_gb or None,
        "container_disk_gb": job.pod.container_disk_gb,
        "pod_id": pod.id if pod else None,
        "pod_final_state": _final_state(pod) if pod else None,
        "pods": [_pod(each, now) for each in facts.pods.values()],
        "pod_name": pod.name if pod else None,
        "gpu_id": pod.origin.candidate.gpu_id if pod else None,
        "gpu_count": job.pod.gpu_count,
        "cloud_type": pod.origin.candidate.cloud if pod else None,
        "datacenter_id": _place(pod) if pod else None,
        "candidates_refused": {name: refusal.text for name, refusal in facts.search.refusals.items()},
        "lifecycle_action": pod.released_as if pod else None,
        "pod_resumed": pod is not None and pod.origin.paused is not None,
    }


def _of_the_money(facts: Facts, now: Stamp) -> Data:
    seconds, dollars = used(facts, now)
    job, pod, started = facts.job, facts.last_pod, facts.progress.started
    return {
        "gpu_price_per_hour_usd": pod.usd_per_hour if pod else None,
        "gpu_price_source": "pod_describe" if pod and pod.seen else None,
        "disks_per_hour_usd": round(cost.running_disk_usd_per_hour(job.pod.container_disk_gb, facts.volume_gb), 6),
        "storage_per_month_usd": round(_stored(facts), 2),
        "wall_time_sec": round(elapsed(started, now), 3) if started else 0.0,
        "billed_time_sec": round(seconds, 3),
        "estimated_cost_usd": round(dollars, 6),
        "cost_cap_usd": cost_cap(facts),
    }


def _of_the_record(facts: Facts) -> Data:
    opened, code = facts.opened, facts.opened.provenance
    return {
        "deploy_metadata": {
            "local_git_sha": code.get("git_sha"),
            "local_git_dirty": code.get("is_dirty"),
            "local_git_branch": code.get("git_branch"),
            "payload_lockfile": code.get("lock_file"),
            "payload_lockfile_sha256": code.get("lock_sha256"),
        },
        "telemetry_files": ["events.jsonl"],  # and the other files in the run folder
        "image_digest": (facts.job.pod.image or "").partition("@")[2] or None,
        "cloud": opened.cloud.get("name"),
        "journal_path": opened.journal_path,
        "user": opened.user,
        "host": opened.host,
        "tool_version": opened.tool_version,
    }


def checksum(manifest: Data) -> str:
    """SHA-256 of a manifest, as the journal records it."""
    return hashlib.sha256(msgspec.json.encode(manifest, order="sorted")).hexdigest()


def utc(wall: float) -> str | None:
    """RFC 3339, to the second; None if the value is no valid moment."""
    try:
        return datetime.fromtimestamp(wall, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):  # a machine's clock may have any value
        return None


_ORDER = {str(state): place for place, state in enumerate(State)}


def _order(state: str) -> int:
    """The position of a state in a run's life, up to the end of its work."""
    place = _ORDER.get(state, -1)
    return place if place < _ORDER[State.RELEASE] else -1


def _final_state(pod: PodFacts) -> str:
    """What became of the pod: the proved state, or the state that the cloud last accepted."""
    if pod.is_gone or pod.released_as in ("delete", "absent"):
        return "TERMINATED"
    if pod.released_as == "stop":
        return "EXITED"
    return pod.seen.status if pod.seen is not None else "UNKNOWN"


def _place(pod: PodFacts) -> str | None:
    return (pod.seen.datacenter_id if pod.seen else None) or pod.origin.candidate.datacenter_id


def _stored(facts: Facts) -> float:
    """The monthly cost of its stopped volumes."""
    return sum(((debt.usd_per_hour or 0.0) * cost.HOURS_PER_MONTH for debt in facts.debts.storage.values()), 0.0)


def _reason_text(facts: Facts) -> str | None:
    """What went wrong, even where the move to the ending only says that the job ended. None for a success."""
    if facts.ending.reason is Reason.JOB_SUCCEEDED:
        return None
    if facts.ending.reason is Reason.JOB_FAILED and facts.launch.claim is not None:
        cause = facts.results.reading.cause if facts.results.reading is not None else None
        return f"the job {job_ending(facts)}" + (f"; its log says: {cause.line}" if cause is not None else "")
    return facts.ending.text


def _pod(pod: PodFacts, now: Stamp) -> Data:
    return {
        "id": pod.id,
        "name": pod.name,
        "attempt": pod.origin.attempt,
        "gpu_id": pod.origin.candidate.gpu_id,
        "cloud_type": pod.origin.candidate.cloud,
        "datacenter_id": _place(pod),
        "usd_per_hour": pod.usd_per_hour,
        "billed_seconds": round(running_seconds(pod, now), 3),
        "taken_over_from": pod.origin.paused.run_id if pod.origin.paused is not None else None,
    }


def _artifact(facts: Facts, index: int) -> Data:
    artifact = facts.job.artifacts[index]
    pulled = facts.results.pulled.get(artifact.label)
    is_whole = pulled is not None and not pulled.refused
    # Scripts that read manifests of this schema look for the word "success".
    status = "failed" if not is_whole else "missing" if facts.is_none(artifact) else "success"
    return {
        **msgspec.to_builtins(artifact),
        "status": status,
        "duration_sec": round(facts.results.seconds.get(artifact.label, 0.0), 3),
        **({"error": _why_not_here(facts, artifact.label)[:500]} if status != "success" else {}),
        **(
            {"left_out": pulled.left_out, "left_out_links": pulled.left_out_links} if pulled and pulled.left_out else {}
        ),
        "files": pulled.files if pulled else None,
        "bytes_transferred": pulled.bytes if pulled else None,
        "manifest_sha256": pulled.manifest_sha256 if pulled else None,
    }


def not_here(facts: Facts) -> list[str]:
    """Each optional artifact that could not be fetched: its destination, and why it is not there."""
    paths = {each.label: each.local_path for each in facts.job.artifacts}
    # Refused artifacts are explained elsewhere.
    labels = [label for label in facts.left_behind if label not in facts.results.pulled]
    return [f"artifact {label} is not at {paths[label]}: {_why_not_here(facts, label)}" for label in labels]


def _why_not_here(facts: Facts, label: str) -> str:
    if label in facts.results.pulled and facts.results.pulled[label].refused:
        return refusal(facts.results.pulled[label])
    if label in facts.results.pulled:
        is_missing = facts.results.pulled[label].is_missing
        return "there is nothing at its remote path" if is_missing else "there is no file in the folder"
    never = "the run ended before it was fetched" if facts.launch.intended else "the job was never started"
    return facts.results.errors.get(label, never)
