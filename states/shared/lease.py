"""Destinations on a network volume that other pods mount as well. A run holds them from before its first push to its
end, so that no other live run replaces its files.

The lease lies on the volume. It names the run and its pod. It holds while the cloud shows a pod of that run, even a
stopped one, because results may lie in these destinations. A statement of the owner or of the pod does not count: a
dead run cannot say that it is dead.
"""

from __future__ import annotations

import hashlib
import shlex

from rpd.engine.deadline import backoff, elapsed
from rpd.engine.decision import Decision, Do, Fire, Look, Wait
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.facts.handles import target
from rpd.states.facts.pod import PodFacts
from rpd.states.operations.account import ReadHolders
from rpd.states.operations.container import DropLease, TakeLease
from rpd.states.policy.outage import is_offline
from rpd.states.ports.job import Job, plain_path
from rpd.states.ports.names import Op, Reason, Trigger
from rpd.states.ports.world import Holder
from rpd.states.shared.market import OFFERS_RETRY_SECONDS
from rpd.states.shared.steps import pause_or

LOOKS_MIN = 3
"""So often, over the proof interval of the cloud, a survey must find no pod of a holder before its lease is taken."""


def shared_destinations(job: Job) -> tuple[str, ...]:
    """Where the job's trees go on a network volume, relative to its mount: `/src`, or an empty text for the whole
    volume. An empty tuple if the volume belongs to the pod.
    """
    if job.storage.mode != "network_volume":
        return ()
    mount = plain_path(job.storage.volume_mount)
    paths = (plain_path(tree.destination) for tree in job.staging)
    below = (path[len(mount.rstrip("/")) :] for path in paths if f"{path}/".startswith(f"{mount.rstrip('/')}/"))
    return tuple(dict.fromkeys("" if path == "/" else path for path in below))


def decide_lease(facts: Facts, now: Stamp) -> Decision | None:
    """Take all leases, or find out whether their holder is alive. None if this run has them."""
    destinations, pod = shared_destinations(facts.job), facts.pod
    if not destinations or pod is None:
        return None
    key = _key(destinations, pod)
    if facts.lease.key == key:
        return None
    holders = facts.lease.holders
    if holders and not facts.holders_are_gone(LOOKS_MIN, now):
        return _about(facts, holders, now)
    gone = tuple(holder.lease for holder in holders)
    taking = Do(TakeLease(target(facts), destinations, gone, key))
    return pause_or(facts, now, taking, Reason.STAGE_FAILED)


def _about(facts: Facts, holders: tuple[Holder, ...], now: Stamp) -> Decision:
    look = facts.tried(Op.READ_HOLDERS)
    if facts.lease.is_computing:
        return Fire(Trigger.STEP_FAILED, Reason.DESTINATION_IN_USE, _in_use(facts, holders))
    if look.since is not None and elapsed(look.since, now) > OFFERS_RETRY_SECONDS and not is_offline(facts):
        text = f"the cloud does not say whether run {holders[0].run_id} is alive ({look.error}): it has"
        text = f"{text} {_destinations_of(facts, holders)} on the network volume"
        text = f"{text}; run again later, or {_other_destination(facts)}"
        return Fire(Trigger.STEP_FAILED, Reason.DESTINATION_IN_USE, text)
    if look.at is not None and (look.failures or facts.lease.gone_since is not None):
        pause = max(facts.profile.proof_interval_seconds / (LOOKS_MIN - 1), 0.1)
        if look.failures:
            pause = backoff(look.failures, first=0.5, cap=10.0)
        if elapsed(look.at, now) < pause:
            return Wait(pause - elapsed(look.at, now), f"proof that run {holders[0].run_id} is over")
    return Look(ReadHolders(holders))


def _in_use(facts: Facts, holders: tuple[Holder, ...]) -> str:
    held, other = _destinations_of(facts, holders), _other_destination(facts)
    text = f"another run uses the same destination on the network volume: {held}. Its files would be replaced"
    if facts.lease.stopped:
        run = shlex.quote(facts.lease.stopped[0])  # text from a volume that others write
        first = f"rpd resume {run} fetches them unless it is over; rpd release {run} --delete gives them up"
        return f"{text}: the pod of run {run} is stopped, and results may wait there; {first}; or {other}"
    return f"{text}; {other}, or wait until that run is over"


def _destinations_of(facts: Facts, holders: tuple[Holder, ...]) -> str:
    mount = facts.job.storage.volume_mount.rstrip("/")
    return ", ".join(f"{mount}{each.destination} (run {each.run_id}, pod {each.pod_id})" for each in holders[:3])


def _other_destination(facts: Facts) -> str:
    mount = facts.job.storage.volume_mount.rstrip("/")
    return f"put {{run_id}} into staging[].destination, as in {mount}/{{run_id}}/src"


def _key(destinations: tuple[str, ...], pod: PodFacts) -> str:
    """A run that has stopped computing may have lost its lease: another start of the pod takes it again."""
    return hashlib.sha256(f"{destinations}\0{pod.name}\0{pod.container_name}".encode()).hexdigest()[:16]


def decide_dropping(facts: Facts) -> Do | None:
    """Drop the lease before the pod is deleted, is stopped or stays up for a person, so that the next run need not
    wait.

    Keep it if these destinations may contain results that were not fetched. rpd tries this once; a lease that stays
    ends with its pod.
    """
    pod = facts.pod
    if not facts.lease.key or pod is None or pod.id is None or pod.container.greeting is None or facts.holds_last:
        return None
    is_up = pod.released_as is None and not pod.is_gone and not pod.is_seen_stopped and not pod.missed.looks
    if not is_up or facts.tried(Op.DROP_LEASE).failures or facts.launch.was_taken_over:
        return None
    if facts.process.asked.is_emergency:
        return None  # the shortest way out
    return Do(DropLease(target(facts)))
