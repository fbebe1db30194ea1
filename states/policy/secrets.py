"""Files of secrets in the pod: where they are, and what becomes of a pod that keeps one."""

from __future__ import annotations

from rpd.states.facts import Facts
from rpd.states.facts.pod import PodFacts
from rpd.states.ports.job import Job
from rpd.states.ports.names import Op

REMOVAL_TRIES_MAX = 2
"""After so many tries, a pod that keeps a secret on its disk is deleted, or its owner gets a message. rpd does not
wait.
"""


def can_remove(facts: Facts, pod: PodFacts) -> bool:
    """The pod runs, as far as known; it is the right pod; and the removal has not failed too often."""
    is_up = pod.released_as is None and not pod.is_gone and not pod.is_seen_stopped and not pod.missed.looks
    is_reached = pod.id is not None and pod.container.greeting is not None
    return is_up and is_reached and facts.tried(Op.REMOVE_SECRETS).failures < REMOVAL_TRIES_MAX


def must_go(facts: Facts) -> bool:
    """A secret stays on the disk of a pod that should be kept. It cannot be removed, and nothing else in the pod is
    needed.
    """
    pod = facts.pod
    if pod is None or pod.container.secrets_left != "disk" or can_remove(facts, pod):
        return False
    return not (facts.holds_last or facts.launch.was_taken_over or pod.holds)


def places_within(job: Job, folder: str) -> tuple[str, ...]:
    """Patterns for the files of secrets below a remote folder. No pull fetches such a file. No push replaces or removes
    one, because pushes come after the files are placed.
    """
    root = folder.rstrip("/") + "/"
    return tuple(f"/{each.destination[len(root) :]}" for each in job.secrets if each.destination.startswith(root))


def private_places(job: Job) -> tuple[str, ...]:
    """Where files of secrets are in the pod. rpd follows no link of a job to such a file."""
    return tuple(each.destination for each in job.secrets)
