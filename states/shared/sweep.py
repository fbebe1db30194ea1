"""Sweeps and releases, for every state with a pod. A sweep looks over the account for unwanted pods of this
run: a create without an answer may still take effect, and a create with an answer may have made two pods.

One survey is one list call and one read for each known pod.
"""

from __future__ import annotations

from rpd.engine.deadline import elapsed, is_before
from rpd.engine.decision import Decision, Do, Look, Wait
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.operations.account import Survey
from rpd.states.operations.pod import DeletePod, StopPod
from rpd.states.policy.outage import pause_left
from rpd.states.policy.proof import quiet_seconds_left
from rpd.states.policy.reuse import handed_over_pods, how_to_leave
from rpd.states.policy.twin import (
    ends_if_absent,
    is_unsurveyed,
    known_ids,
    makers,
    owed_twins,
    quiet_left,
)
from rpd.states.ports.names import Op, State

OPERATIONS = frozenset({Op.READ_POD, Op.SURVEY, Op.STOP_POD, Op.DELETE_POD})
"""Operations that look at pods and give them back, in every state."""
ALONE_TRIES_MAX = 3
"""After so many failures to ask about a twin, the pod stays up all the same. `gc` looks for the twin, too."""


def decide_sweep(facts: Facts, now: Stamp) -> Decision | None:
    """While a create may still show an unknown pod: look for that pod, and give back every pod that is not in use."""
    strays = _strays(facts) if facts.release.proof.found else []
    given_back = _give_back_stray(facts, strays, now, _interval(facts))
    if given_back is not None:
        return None if isinstance(given_back, Wait) else given_back
    is_wanted = strays or _may_come_late(facts, now) or _may_look_for_twin(facts, now)
    return look_over(facts, now) if is_wanted else None


def decide_alone(facts: Facts, now: Stamp, *, is_patient: bool) -> Decision | None:
    """Before a pod is left up: find out whether its create made a twin, and prove that the twin is gone. None if the
    pod is alone.

    A patient call waits until the quiet window is over, and leaves no twin. Otherwise a few failed tries are enough. A
    twin that may hold results is stopped, so it is never absent: the release proves its end.
    """
    owed = [twin for twin in owed_twins(facts) if twin.released_as != "stop"]
    failures = max(facts.tried(op).failures for op in (Op.SURVEY, Op.DELETE_POD, Op.STOP_POD))
    if max(failures, facts.release.tries) >= ALONE_TRIES_MAX and not (owed and is_patient):
        return None
    pause = facts.profile.proof_interval_seconds / 2.0
    given_back = _give_back_stray(facts, _strays(facts), now, pause)
    if given_back is not None:
        return given_back
    looked = facts.tried(Op.SURVEY)
    if not owed:
        left = quiet_left(facts, now)
        if left and is_patient and facts.process.surveyed is not None:
            return Wait(left, "the account to show whether the cloud has made a second pod", now.wall + left)
        is_fresh = facts.process.surveyed is not None and elapsed(facts.process.surveyed, now) < pause
        if not is_unsurveyed(facts, now) and (is_fresh or not left):
            return None
    elif looked.at is not None and elapsed(looked.at, now) < pause:
        return Wait(pause - elapsed(looked.at, now), "proof that the second pod of one create is gone")
    failed = pause_left(facts, Op.SURVEY, now, first=0.5, cap=4.0)
    return Wait(failed, f"the API ({looked.error})") if failed else Look(survey(facts, now))


def look_over(facts: Facts, now: Stamp) -> Look | None:
    """A survey, unless the last survey was a moment ago."""
    for looked in (facts.process.surveyed, facts.tried(Op.SURVEY).at):
        if looked is not None and elapsed(looked, now) < _interval(facts):
            return None
    return Look(survey(facts, now))


def _give_back_stray(facts: Facts, strays: list[str], now: Stamp, again_seconds: float) -> Do | Wait | None:
    """Release the first of these pods that was not released yet, or that was released and is still there."""
    for pod_id in strays:
        released, seen = facts.debts.released.get(pod_id), facts.process.surveyed
        is_still_there = released is None or (seen is not None and is_before(released, seen))
        if is_still_there and (released is None or elapsed(released, now) > again_seconds):
            do = give_back(pod_id, how_to_end(facts, pod_id))
            left = pause_left(facts, do.op, now, first=1.0, cap=30.0)
            return Wait(left, f"the cloud to accept the release ({facts.tried(do.op).error})") if left else do
    return None


def _may_look_for_twin(facts: Facts, now: Stamp) -> bool:
    """`boot` looks while it waits. After `boot`, look only when the job runs or the quiet window is over. Do not look
    while another operation fails: that comes first.
    """
    if facts.state in (State.CREATE, State.BOOT):
        return False
    is_time = facts.state in (State.MONITOR, State.ATTEND) or quiet_left(facts, now) == 0.0
    is_asked = is_unsurveyed(facts, now) or bool(owed_twins(facts))
    return is_asked and is_time and _failing(facts) <= OPERATIONS - {Op.READ_POD}


def _failing(facts: Facts) -> set[str]:
    """Operations whose last try failed."""
    return {op for op, tries in facts.contact.tries.items() if tries.failures}


def _strays(facts: Facts) -> list[str]:
    """Ids of pods that are not in use, without the paused ones. The release handles the paused ones."""
    taken, pod = handed_over_pods(facts), facts.pod
    found = (each.id for each in facts.release.proof.found)
    return [pod_id for pod_id in found if pod_id not in taken and (pod is None or pod_id != pod.id)]


def _may_come_late(facts: Facts, now: Stamp) -> bool:
    for pod in facts.pods.values():
        if pod.is_unknown and (pod.id is None or quiet_seconds_left(facts, now) > 0.0):
            return True
    return False


def how_to_end(facts: Facts, pod_id: str) -> str:
    """Stop or delete a pod of this run that is not the pod in hand."""
    pod = next((pod for pod in facts.pods.values() if pod.id == pod_id), None)
    if pod is not None and pod.origin.twin_of is not None:
        return "stop" if pod.holds or facts.launch.was_taken_over else "delete"
    return "delete" if pod is None or pod.origin.paused is None else how_to_leave(facts, pod)


def _interval(facts: Facts) -> float:
    return max(0.5, facts.profile.quiet_window_seconds / 4.0)


def survey(facts: Facts, now: Stamp) -> Survey:
    """Name the pods by id, name and env; say which of them are owed, and whose end another look would prove."""
    return Survey(
        prefix=facts.name_prefix,
        run_id=facts.run_id,
        known=known_ids(facts),
        makers=makers(facts),
        owed=tuple(facts.debts.compute),
        ends=ends_if_absent(facts, now),
        born=handed_over_pods(facts),
    )


def give_back(pod_id: str, how: str) -> Do:
    """The effect that ends the billing of one pod."""
    return Do(StopPod(pod_id) if how == "stop" else DeletePod(pod_id))
