"""Files of secrets in the pod. They are placed before the trees, and removed before the pod is kept. Only the adapter
knows their values; this file knows names and destinations.
"""

from __future__ import annotations

from rpd.engine.decision import Do
from rpd.states.facts import Facts
from rpd.states.facts.handles import target
from rpd.states.operations.container import PlaceSecrets, RemoveSecrets, secrets_of
from rpd.states.policy.secrets import can_remove


def decide_placing(facts: Facts) -> Do | None:
    """Place the files, unless this container has them."""
    pod = facts.pod
    if not facts.job.secrets or pod is None or pod.container.secrets_in == pod.container_name:
        return None
    return Do(PlaceSecrets(target(facts), secrets_of(facts.job)))


def decide_removal(facts: Facts, how: str) -> Do | None:
    """Remove the files if the pod still runs and their storage stays: a stopped pod, the disk of a pod that is kept up
    (its switch only stops it), or a network volume.
    """
    pod = facts.pod
    if pod is None or not pod.container.secrets_left or not can_remove(facts, pod):
        return None
    stays = how == "preserve" or facts.job.storage.mode == "network_volume"
    if how != "stop" and not (pod.container.secrets_left == "disk" and stays):
        return None
    if facts.process.asked.is_emergency:
        return None  # the shortest way out
    return Do(RemoveSecrets(target(facts), secrets_of(facts.job)))
