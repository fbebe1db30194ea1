"""How operations name the current pod and launch."""

from __future__ import annotations

from rpd.states.facts import Facts
from rpd.states.ports.world import JobRef, Target


def target(facts: Facts) -> Target:
    """The pod in hand in the form that the remote port needs, with the host key that is pinned for this start."""
    pod = facts.pod
    assert pod is not None and pod.id is not None, "a remote call needs a pod"
    pinned = pod.container.greeting.host_key if pod.container.greeting is not None else None
    return Target(pod.id, pod.name, facts.run_id, facts.process.epoch, facts.folder, pinned, facts.process.owner)


def job_ref(facts: Facts) -> JobRef:
    """The current launch."""
    run = facts.job.run
    return JobRef(facts.launch.number, facts.log_path, run.success_marker, run.failure_markers or ())
