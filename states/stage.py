"""stage: files of secrets and local folders go to the pod. A tree that arrived intact before is not sent again."""

from __future__ import annotations

import hashlib

from rpd.engine.decision import Decision, Do, Fire
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.facts.handles import target
from rpd.states.operations.container import PushTree
from rpd.states.policy.secrets import places_within
from rpd.states.ports.job import Job, plain_path
from rpd.states.ports.names import Reason, Trigger
from rpd.states.ports.world import Tree
from rpd.states.shared.checkpoints import to_push_back
from rpd.states.shared.lease import decide_lease
from rpd.states.shared.secret_files import decide_placing
from rpd.states.shared.steps import owes_setup, pause_or

DEFAULT_EXCLUDES = (".git/", ".venv/", ".pytest_cache/", ".ruff_cache/", ".mypy_cache/", "**/__pycache__/", "**/*.pyc")
"""The files and folders that `excludes_default: true` leaves out, as users of the schema know them."""


def decide(facts: Facts, now: Stamp) -> Decision:
    """Take the leases, place the secrets, push the next tree, push checkpoints of the launch before, end the phase."""
    if owes_setup(facts):
        return Fire(Trigger.UNPREPARED)
    leasing = decide_lease(facts, now)
    if leasing is not None:
        return leasing
    placing = decide_placing(facts)
    if placing is not None:
        return pause_or(facts, now, placing, Reason.STAGE_FAILED)
    staged = (tree_of(facts.job, index) for index in range(len(facts.job.staging)))
    for tree in (*staged, *to_push_back(facts)):
        key = _key(tree, facts)
        if key in facts.container.trees_done:
            continue
        return pause_or(facts, now, Do(PushTree(target(facts), tree, key)), Reason.STAGE_FAILED)
    return Fire(Trigger.STEPS_DONE)


def tree_of(job: Job, index: int) -> Tree:
    """An entry of `staging` in the form that the remote port needs."""
    staging = job.staging[index]
    defaults = DEFAULT_EXCLUDES if staging.excludes_default else ()
    secrets = places_within(job, staging.destination)
    excludes = (*defaults, *staging.excludes, *staging.excludes_extra, *secrets)
    label = staging.label or f"tree {index + 1}"
    return Tree(
        label,
        staging.source,
        staging.destination,
        excludes,
        staging.delete,
        staging.gitignore,
        includes=staging.includes,
        runs=job.local.runs_folder,
        spared=_others_within(job, index),
    )


def _others_within(job: Job, index: int) -> tuple[str, ...]:
    """Destinations of other entries below the destination of this entry, in whatever order they are sent."""
    root = plain_path(job.staging[index].destination).rstrip("/") + "/"
    paths = (plain_path(each.destination) for each in job.staging)
    return tuple(path[len(root) :] for path in paths if path.startswith(root))


def _key(tree: Tree, facts: Facts) -> str:
    """A new container has an empty disk. Therefore the key contains the container."""
    container = facts.pod.container_name if facts.pod is not None else ""
    return hashlib.sha256(f"{tree!r}\0{container}".encode()).hexdigest()[:16]
