"""release: give every pod of this run back, and prove it. Only proof closes the debt; rpd never gives up. The release
is the compensation of every create."""

from __future__ import annotations

from rpd.engine.deadline import backoff, elapsed
from rpd.engine.decision import Decision, Do, Fire, Leave, Look, Wait
from rpd.journal.records import DebtChange, Stamp
from rpd.states.facts import Facts
from rpd.states.facts.pod import PodFacts
from rpd.states.policy import cost
from rpd.states.policy.outage import is_offline, pause_left
from rpd.states.policy.proof import proof_text, quiet_seconds_left
from rpd.states.policy.rules import budget_share, release_how
from rpd.states.ports.exits import Exit
from rpd.states.ports.names import Op, Reason, Trigger
from rpd.states.shared.lease import decide_dropping
from rpd.states.shared.preserve import decide_keeping, keep_until
from rpd.states.shared.secret_files import decide_removal
from rpd.states.shared.sweep import give_back, how_to_end, survey

KEY_REFUSED_SECONDS = 600.0
"""How long rpd repeats a refused key before the person must act. The debt stays open."""
RELEASE_SECONDS, RELEASE_TRIES_MIN = 900.0, 20
"""How long, and at least how often (a laptop may have slept), rpd asks a cloud that answers but does not release the
pod. After that the person must act. The debt stays open.
"""
BLINDLY_AGAIN_SECONDS = 120.0
"""The pause between two tries to release a pod of an account that cannot be looked at."""


def decide(facts: Facts, now: Stamp) -> Decision:
    """First make the cloud accept the release and bill no more, then prove it."""
    if not facts.was_rented:
        return Fire(Trigger.RELEASED, _last_reason(facts))
    refused = facts.release.key_refused_since
    if refused is not None and elapsed(refused, now) > KEY_REFUSED_SECONDS:
        return Leave("the API key is refused; the pod may still bill", Exit.STILL_BILLING)
    tried = facts.release.tried_since
    if tried is not None and facts.release.tries >= RELEASE_TRIES_MIN and elapsed(tried, now) > RELEASE_SECONDS:
        failed = (tries for op in (Op.STOP_POD, Op.DELETE_POD) if (tries := facts.tried(op)).failures)
        why = next((tries.error for tries in failed), "it accepts the release, but the pod keeps running")
        return Leave(f"the cloud does not release the pod, which keeps billing ({why})", Exit.STILL_BILLING)
    if facts.release.proof.is_complete:
        return _proved(facts, now)
    is_staying = keep_until(facts, now) is not None
    if is_offline(facts):
        return (None if is_staying else _give_back_blindly(facts, now)) or _survey(facts, now)
    return (
        decide_removal(facts, "preserve" if is_staying else release_how(facts))
        or decide_dropping(facts)
        or _give_back_next(facts, now, is_staying=is_staying)
        or decide_keeping(facts, now)
        or _give_back_in_hand(facts, now)
        or _give_back_found(facts, now)
        or _survey(facts, now)
    )


def how_to_release(facts: Facts, pod_id: str) -> str:
    """The pod in hand ends as the policy says. A pod that was taken up beside it stays as it was found, or is deleted
    if it was replaced. Every other pod of this run is deleted.
    """
    pod = facts.pod
    return release_how(facts) if pod is not None and pod.id == pod_id else how_to_end(facts, pod_id)


def _give_back_next(facts: Facts, now: Stamp, *, is_staying: bool) -> Decision | None:
    """Give back all pods beside the pod in hand, and that pod too unless it may stay.

    The pod with the oldest release request comes first. A pod that the cloud does not release therefore delays no other
    pod.
    """
    hand = facts.pod
    is_held = is_staying or (hand is not None and hand.kept_until is not None)
    pods = sorted(facts.pods.values(), key=lambda pod: (facts.debts.release_asked.get(pod.id or "", -1), pod is hand))
    due = (_give_back(facts, pod, now) for pod in pods if not (is_held and pod is hand))
    return next((decision for decision in due if decision is not None), None)


def _give_back_in_hand(facts: Facts, now: Stamp) -> Decision | None:
    return _give_back(facts, facts.pod, now) if facts.pod is not None else None


def _give_back(facts: Facts, pod: PodFacts, now: Stamp) -> Decision | None:
    if pod.id is None or pod.is_gone or pod.released_as in ("delete", "absent"):
        return None
    how = how_to_release(facts, pod.id)
    return _paced(facts, now, pod.id, how) if pod.released_as != how else None


def _give_back_blindly(facts: Facts, now: Stamp) -> Decision | None:
    """No call gets through, or no look does: send the release from time to time all the same, because the cloud may
    receive it. Remove secrets from a disk first, when their pod can be reached.
    """
    for pod in facts.pods.values():
        decision = _give_back(facts, pod, now) if pod.container.secrets_left != "disk" else None
        if isinstance(decision, Do):
            last = facts.tried(decision.op).at or facts.progress.entered or now
            if elapsed(last, now) > BLINDLY_AGAIN_SECONDS:
                return decision
    return None


def _give_back_found(facts: Facts, now: Stamp) -> Decision | None:
    """A survey saw a pod that is still not as it should be: release it again."""
    for found in facts.release.proof.found:
        last = facts.debts.released.get(found.id)
        if last is None or elapsed(last, now) > _again_seconds(facts):
            return _paced(facts, now, found.id, how_to_release(facts, found.id))
    return None


def _paced(facts: Facts, now: Stamp, pod_id: str, how: str) -> Decision:
    """If this machine is offline, rpd tries only surveys. If a release fails this often, it does not get through
    although surveys do.
    """
    do = give_back(pod_id, how)
    tries = facts.tried(do.op)
    since = tries.since
    if since is not None and tries.failures >= RELEASE_TRIES_MIN and elapsed(since, now) > RELEASE_SECONDS:
        text = f"the cloud can be read, but no release gets through, and the pod keeps billing ({tries.error})"
        return Leave(text, Exit.STILL_BILLING)
    left = pause_left(facts, do.op, now, first=0.5, cap=30.0)
    return Wait(left, f"the cloud to accept the release ({tries.error})") if left else do


def _survey(facts: Facts, now: Stamp) -> Decision:
    tries = facts.tried(Op.SURVEY)
    looked = tries.at
    if looked is not None:
        pause = facts.profile.proof_interval_seconds / 2.0
        if tries.failures:
            pause = backoff(tries.failures, first=max(pause, 0.5), cap=30.0)
        if elapsed(looked, now) < pause:
            quiet = quiet_seconds_left(facts, now)
            what = (
                f"proof of release; a pod that may still appear is watched for {quiet:.0f} s more"
                if quiet
                else "proof of release"
            )
            return Wait(pause - elapsed(looked, now), what)
    return Look(survey(facts, now))


def _again_seconds(facts: Facts) -> float:
    return max(1.0, facts.profile.proof_interval_seconds / 3.0)


def _proved(facts: Facts, now: Stamp) -> Decision:
    proof = proof_text(facts, now)
    debts = [DebtChange(key, "compute", "close", proof=proof) for key in facts.debts.compute]
    pod = facts.pod
    kept = pod is not None and _is_kept(facts, pod.name)
    rate = round(cost.stopped_usd_per_hour(facts.volume_gb), 6)
    debts += [
        DebtChange(name, "storage", "open", usd_per_hour=rate)
        for name in facts.pods
        if _is_kept(facts, name) and name not in facts.debts.storage
    ]
    debts += [
        DebtChange(key, "storage", "close", proof=proof) for key in facts.debts.storage if not _is_kept(facts, key)
    ]
    is_awaited = facts.results_wait and facts.is_worth_fetching and not _is_renounced(facts)
    if kept and (is_awaited or facts.person_may_return):
        return Fire(Trigger.PARKED, None, None, tuple(debts))
    is_lost = facts.ending.reason is Reason.POD_VANISHED and (pod is None or pod.is_gone)
    if is_lost and facts.has_retries and budget_share(facts, now) < 1.0:
        return Fire(Trigger.RELAUNCH, None, f"launch {facts.launch.number} was lost with its pod", tuple(debts))
    if facts.may_try_next:
        return Fire(Trigger.TRY_NEXT, None, None, tuple(debts))
    return Fire(Trigger.RELEASED, _last_reason(facts), None, tuple(debts))


def _is_kept(facts: Facts, name: str) -> bool:
    pod = facts.pods.get(name)
    return pod is not None and pod.released_as == "stop" and not pod.is_gone


def _is_renounced(facts: Facts) -> bool:
    """A person ended a run that was parked before. The pod stays stopped, and no run waits for its content."""
    return facts.request in ("cancel", "release") and facts.progress.parked_epoch >= 0


def _last_reason(facts: Facts) -> Reason | None:
    """A run whose hosts all failed has no other ending yet. A successful job gets another ending if its results were
    lost because a person took the pod away, or if they contain what may not be created on this machine.
    """
    if facts.ending.reason is Reason.JOB_SUCCEEDED and not facts.collected:
        return Reason.POD_VANISHED if facts.is_worth_fetching else Reason.RESULTS_UNVERIFIED
    if facts.ending.reason is Reason.JOB_SUCCEEDED and facts.missing:
        return Reason.ARTIFACT_MISSING
    return Reason.HOSTS_NEVER_BOOTED if facts.ending.reason is None and facts.search.host_failure is not None else None
