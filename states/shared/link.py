"""The pod does not answer over SSH: is the link down, or the pod? Every state that needs the job's pod uses this."""

from __future__ import annotations

from rpd.engine.deadline import elapsed, is_before, remaining
from rpd.engine.decision import Decision, Do, Fire, Leave, Look, Wait
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.facts.handles import job_ref, target
from rpd.states.facts.pod import PodFacts
from rpd.states.operations.job import ReadClaim
from rpd.states.operations.pod import ReadPod
from rpd.states.policy.outage import is_offline, pause_left
from rpd.states.policy.verdict import job_reason, lost_reason
from rpd.states.ports.exits import Exit
from rpd.states.ports.faults import Fault
from rpd.states.ports.names import Op, Reason, State, Trigger

POD_LOOK_SECONDS = 15.0
"""rpd notices a vanished pod within this time, even if its connection seems alive."""
GC_PATIENCE_SECONDS = 20.0
"""How long `gc` tries to ask a pod about its job before it leaves the pod to its switch. It also waits so long for a
launch that was only claimed.
"""
CLAIM_LOOK_SECONDS = 5.0
"""The pause between two looks of `gc` at a launch that was only claimed."""


def decide_link(facts: Facts, now: Stamp, wanted: Do | Look, *, first: float = 0.2, cap: float = 5.0) -> Decision:
    """Return `wanted`, unless it just failed: then ask the cloud about the pod first, and pause between tries. The
    pause is `first` seconds and doubles up to `cap`. A look without an answer says nothing about the pod.
    """
    tries, look = facts.tried(wanted.op), facts.tried(Op.READ_POD)
    if tries.since is None:
        return wanted
    if look.at is None or is_before(look.at, tries.since) or elapsed(look.at, now) > POD_LOOK_SECONDS:
        return Look(ReadPod.in_hand(facts))
    pod = facts.pod
    assert pod is not None, "there is a pod"
    if pod.missed.looks:
        return missed(facts, now)
    if look.is_answered and pod.is_seen_stopped:
        return Fire(Trigger.POD_STOPPED, Reason.POD_STOPPED)
    if look.is_answered and tries.reason == Fault.HOST_KEY_CHANGED:
        return _another_key(pod)
    if look.is_answered and _is_made_anew(facts, pod):
        return Fire(Trigger.POD_STOPPED, None, "the container was started anew, with the host key of its image")
    left = pause_left(facts, wanted.op, now, first=first, cap=cap)
    whom = "a way to the cloud or the pod" if is_offline(facts) else "the pod's sshd"
    return Wait(left, f"{whom} ({tries.error})") if left else wanted


def stand_back(facts: Facts, why: str) -> Decision:
    """Another owner acts on this run, or this journal is incomplete: touch nothing, and leave. If the pod computes only
    because this process started it, stop it again with all its content.
    """
    pod, began = facts.pod, facts.process.since
    others = 0 if pod is not None and pod.origin.paused is not None else 1  # starts by others
    is_ours = pod is not None and pod.starts > others and pod.started_at is not None and began is not None
    if is_ours and pod is not None and is_before(began or pod.origin.sent_at, pod.started_at or pod.origin.sent_at):
        return Fire(Trigger.CANCEL, Reason.TAKEN_OVER, why)
    return Leave(why, Exit.JOURNAL)


def only_ask(facts: Facts, now: Stamp) -> Decision:
    """What `gc` does where a job may run: ask the pod. Touch nothing while the pod says that the job runs, or cannot
    say.
    """
    claim = facts.launch.claim if facts.launch.claim_is_fresh else None
    if claim is not None and claim.phase == "running":
        return Leave("the job still runs", Exit.STILL_BILLING)
    if claim is not None and claim.phase == "claimed":
        return _only_claimed(facts, now)
    if claim is not None and claim.phase == "ended":
        return Fire(Trigger.JOB_ENDED, job_reason(facts))
    if claim is not None and claim.phase == "lost":
        return Fire(Trigger.JOB_LOST, lost_reason(facts))
    tries = facts.tried(Op.READ_CLAIM)
    if tries.since is not None and elapsed(tries.since, now) > GC_PATIENCE_SECONDS:
        return Leave(f"the pod runs but cannot be asked about its job ({tries.error})", Exit.STILL_BILLING)
    return decide_link(facts, now, Look(ReadClaim(target(facts), job_ref(facts))))


def _only_claimed(facts: Facts, now: Stamp) -> Decision:
    """A script starts right after its claim. If it does not, the process that claimed it was cut off and nothing runs:
    then the pod is stopped, and `resume` finds out how the run ends.
    """
    since = facts.launch.claimed_since or now
    if elapsed(since, now) > GC_PATIENCE_SECONDS:
        return Fire(Trigger.CANCEL, None, "the launch was claimed, but the script never started")
    left = remaining(facts.tried(Op.READ_CLAIM).at or since, CLAIM_LOOK_SECONDS, now)
    if left:
        return Wait(left, "the claimed launch to start", since.wall + GC_PATIENCE_SECONDS)
    return decide_link(facts, now, Look(ReadClaim(target(facts), job_ref(facts))))


def _another_key(pod: PodFacts) -> Fire:
    """The sshd of the pod shows another key than the pinned one. No further try changes that.

    If the cloud says that the pod was started since, the new key belongs to the pod. Else the pin stays, and `connect`
    gives the pod back, stopped: the next start by rpd pins a new key.
    """
    if pod.start_and_address != pod.container.greeted_start:
        return Fire(Trigger.POD_STOPPED, None, "the container was started anew, and has a new host key")
    return Fire(Trigger.POD_STOPPED, Reason.HOST_KEY_CHANGED, "the host key changed, and no start explains it")


def _is_made_anew(facts: Facts, pod: PodFacts) -> bool:
    """Before the launch: the cloud shows another start than the greeted one. All that was done in the container before
    is lost.
    """
    was_greeted = facts.state is not State.ARM and pod.container.greeted_start is not None
    return was_greeted and not facts.launch.intended and pod.start_and_address != pod.container.greeted_start


def missed(facts: Facts, now: Stamp) -> Decision:
    """What follows after a look that found no pod. One 404 is no proof: look again until `interrupts` has the proof."""
    looked, pause = facts.tried(Op.READ_POD).at, max(facts.profile.proof_interval_seconds / 3.0, 0.1)
    left = remaining(looked, pause, now) if looked is not None else 0.0
    return Wait(left, "the pod to show in the account again") if left else Look(ReadPod.in_hand(facts))
