"""Files of secrets in the pod: placed before the trees, removed before the pod is kept. Their values are known to the
adapter alone; here are names and places."""

from __future__ import annotations

import msgspec

from rpd.engine.decision import Do, Pending, Result
from rpd.states.call import pack, repeatable, target, unknown_operation, unpack
from rpd.states.facts import Facts
from rpd.states.facts.pod import PodFacts
from rpd.states.ports.job import Job, SecretFile
from rpd.states.ports.names import Op
from rpd.states.ports.world import Target, World

OPERATIONS = frozenset({Op.PLACE_SECRETS, Op.REMOVE_SECRETS})
"""Operations that this file performs and probes."""
REMOVAL_TRIES_MAX = 2
"""After so many, a pod that keeps a secret on its disk is deleted, or its owner is told; nobody waits."""


def decide_placing(facts: Facts) -> Do | None:
    """Place them, unless this container has them."""
    pod = facts.pod
    if not facts.job.secrets or pod is None or pod.container.secrets_in == pod.container_name:
        return None
    return Do(Op.PLACE_SECRETS, pack(target=target(facts), secrets=facts.job.secrets))


def decide_removal(facts: Facts, how: str) -> Do | None:
    """Remove them, where the pod still runs and what holds them stays: a stopped pod, the disk
    of one that is kept up (its switch only stops it), or a network volume."""
    pod = facts.pod
    if pod is None or not pod.container.secrets_left or not _can_remove(facts, pod):
        return None
    stays = how == "preserve" or facts.job.storage.mode == "network_volume"
    if how != "stop" and not (pod.container.secrets_left == "disk" and stays):
        return None
    if facts.process.asked.is_emergency:
        return None  # the shortest way out
    return Do(Op.REMOVE_SECRETS, pack(target=target(facts), secrets=facts.job.secrets))


def _can_remove(facts: Facts, pod: PodFacts) -> bool:
    """The pod runs, as far as is known, is the one it should be, and has not failed to do it."""
    is_up = pod.released_as is None and not pod.is_gone and not pod.is_seen_stopped and not pod.missed.looks
    is_reached = pod.id is not None and pod.container.greeting is not None
    return is_up and is_reached and facts.tried(Op.REMOVE_SECRETS).failures < REMOVAL_TRIES_MAX


def must_go(facts: Facts) -> bool:
    """A secret stays on the disk of a pod that was to be kept, cannot be removed, and nothing else in it is waited
    for."""
    pod = facts.pod
    if pod is None or pod.container.secrets_left != "disk" or _can_remove(facts, pod):
        return False
    return not (facts.holds_last or facts.launch.was_taken_over or pod.holds_lost)


def places_within(job: Job, folder: str) -> tuple[str, ...]:
    """Patterns for the files of secrets below a remote folder, so that no pull brings one along and no push, which
    comes after them, replaces or removes one."""
    root = folder.rstrip("/") + "/"
    return tuple(f"/{each.destination[len(root) :]}" for each in job.secrets if each.destination.startswith(root))


def private_places(job: Job) -> tuple[str, ...]:
    """Where files of secrets stand in the pod: no link that a job has made to one is followed."""
    return tuple(each.destination for each in job.secrets)


def perform(pending: Pending, world: World) -> Result:
    """Place or remove all of them."""
    where = unpack(pending, "target", Target)
    files = msgspec.convert(pending.args["secrets"], tuple[SecretFile, ...])
    if pending.op == Op.PLACE_SECRETS:
        return Result(data={"is_volatile": world.remote.place_secrets(where, files)})
    if pending.op == Op.REMOVE_SECRETS:
        world.remote.remove_secrets(where, files)
        return Result(data={})
    raise unknown_operation(pending)


def probe(pending: Pending, world: World) -> Result | None:
    """Placing and removing may be repeated."""
    return repeatable(pending, world)
