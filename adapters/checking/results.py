"""Which results of a job would be lost with its pod."""

from __future__ import annotations

from collections.abc import Iterator

from rpd.adapters.checking.finding import Finding, warning
from rpd.states.ports.job import Job, is_on_volume


def lost_results(job: Job) -> Iterator[Finding]:
    """Results that are not on the volume, which any stop wipes; and a job that fetches nothing, whose pod is deleted
    with its disk. A network volume outlives the pod, and keeps what the job writes there."""
    away = [each.remote_path for each in job.artifacts if not is_on_volume(job.storage, each.remote_path)]
    mount = job.storage.volume_mount
    if away:
        yield warning(
            "results",
            f"{', '.join(away)}: not on the volume ({mount}), so a pod that is stopped before they are fetched loses "
            "them; write below {volume_mount}",
        )
    is_fetched = job.artifacts or job.checkpoints.paths
    if is_fetched or job.lifecycle.on_success != "delete" or job.storage.mode == "network_volume":
        return
    yield warning(
        "results",
        "the job declares no artifact, and its pod is deleted after a success with all it holds; name what to fetch in "
        "artifacts, or keep the pod: lifecycle.on_success: stop",
    )
