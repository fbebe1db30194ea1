"""Checkpoints: files that a job writes to continue from. rpd pulls them while the job runs. It pushes them back before
the next launch if that launch would not find them.
"""

from __future__ import annotations

from collections.abc import Iterator

from rpd.engine.deadline import elapsed, is_before
from rpd.engine.decision import Do
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.facts.handles import target
from rpd.states.operations.results import PullCheckpoint
from rpd.states.policy.secrets import places_within, private_places
from rpd.states.ports.job import Artifact, checkpoint_label, is_on_volume
from rpd.states.ports.names import Op
from rpd.states.ports.world import Pull, Tree


def as_artifacts(facts: Facts) -> tuple[Artifact, ...]:
    """The checkpoints in the form in which they are fetched after the job. They are optional: a missing one is no
    failure.
    """
    return tuple(
        Artifact(checkpoint_label(path), path, _local(facts, path), required=False)
        for path in facts.job.checkpoints.paths
    )


def decide_pull(facts: Facts, now: Stamp) -> Do | None:
    """Pull the checkpoint that is due. If it cannot be fetched, it is due again after the same time. The job is not
    disturbed for it.
    """
    if facts.tried(Op.WATCH_JOB).failures or _has_just_failed(facts):
        return None
    for path in facts.job.checkpoints.paths:
        last = facts.results.checkpoint_tried.get(path) or facts.progress.entered or now
        if elapsed(last, now) >= facts.job.checkpoints.every_minutes * 60.0:
            pull = Pull(
                checkpoint_label(path),
                path,
                _local(facts, path),
                False,
                places_within(facts.job, path),
                private=private_places(facts.job),
            )
            return Do(PullCheckpoint(target(facts), path, pull))
    return None


def _has_just_failed(facts: Facts) -> bool:
    """A checkpoint could not be fetched. The cause may be the link or the pod, so rpd looks at the job before the next
    one.
    """
    tries, watched = facts.tried(Op.PULL_CHECKPOINT), facts.tried(Op.WATCH_JOB).at
    if not tries.failures or tries.at is None:
        return False
    return watched is None or not is_before(tries.at, watched)


def to_push_back(facts: Facts) -> Iterator[Tree]:
    """Checkpoints that the next launch would not find in the pod and that may be here. A pull may have brought one
    without a record of it.
    """
    for path in facts.job.checkpoints.paths:
        if facts.launch.number > 1 and not _survives(facts, path):
            yield Tree(checkpoint_label(path), _local(facts, path), path, is_optional=True)


def _survives(facts: Facts, path: str) -> bool:
    """The last files of the lost launch are still there. They are newer than the pulled ones."""
    pod = facts.pod
    if facts.launch.lost_in is None or pod is None:
        return False
    is_same_pod = facts.launch.lost_in[0] == pod.name
    if is_same_pod and facts.launch.lost_in[1] == pod.container_name:
        return True
    storage = facts.job.storage
    return is_on_volume(storage, path) and (is_same_pod or storage.mode == "network_volume")


def _local(facts: Facts, path: str) -> str:
    return f"{facts.opened.run_dir}/checkpoints{path}"
