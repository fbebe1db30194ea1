"""What every state with a pod shares: looking over the account for pods of this run that nobody asked for (a create
whose answer was lost may still take effect, and one that was answered may have made two), and giving pods back. One
survey is one list call plus one read per known pod."""

from __future__ import annotations

import msgspec

from rpd.engine.deadline import elapsed, is_before
from rpd.engine.decision import Decision, Do, Look, Pending, Result, Wait
from rpd.engine.errors import Refused
from rpd.journal.records import DebtChange, Stamp
from rpd.states.bounds import first_that_fit
from rpd.states.call import pack, pause_left, pod_data
from rpd.states.facts import Facts
from rpd.states.facts.release import Found
from rpd.states.ports.names import Op, State
from rpd.states.ports.world import Pod, World
from rpd.states.proof import quiet_seconds_left
from rpd.states.reuse import adopted, how_to_leave
from rpd.states.twin import (
    ends_if_absent,
    is_others,
    is_unsurveyed,
    known_ids,
    makers,
    owed_twins,
    quiet_left,
    twins_among,
)

OPERATIONS = frozenset({Op.READ_POD, Op.SURVEY, Op.STOP_POD, Op.DELETE_POD})
"""Operations every state can perform and probe."""
ALONE_TRIES_MAX = 3
"""After so many failures to ask about a twin, the pod is left up all the same; `gc` looks for it, too."""


def decide_sweep(facts: Facts, now: Stamp) -> Decision | None:
    """While a create may still show a pod that is not known: look for it, and give back any that is not in use."""
    strays = _strays(facts) if facts.release.proof.found else []
    given_back = _give_back_stray(facts, strays, now, _interval(facts))
    if given_back is not None:
        return None if isinstance(given_back, Wait) else given_back
    is_wanted = strays or _may_come_late(facts, now) or _may_look_for_twin(facts, now)
    return look_over(facts, now) if is_wanted else None


def decide_alone(facts: Facts, now: Stamp, *, is_patient: bool) -> Decision | None:
    """Before a pod is left up: whether its create has made two, and the proof that the twin is gone; None when it is
    alone. A patient one waits until the quiet window is over, and leaves no twin; else a few failures to find out are
    enough. One that may hold results is stopped and never absent: the release proves its end."""
    owed = [twin for twin in owed_twins(facts) if twin.released_as != "stop"]
    failures = max(facts.tried(op).failures for op in (Op.SURVEY, Op.DELETE_POD, Op.STOP_POD))
    if max(failures, facts.release.tries) >= ALONE_TRIES_MAX and not (owed and is_patient):
        return None
    pause = facts.profile.proof_interval_seconds / 2.0
    given_back = _give_back_stray(facts, _strays(facts), now, pause)
    if given_back is not None:
        return given_back
    survey = facts.tried(Op.SURVEY)
    if not owed:
        left = quiet_left(facts, now)
        if left and is_patient and facts.process.surveyed is not None:
            return Wait(left, "the account to show whether the cloud has made a second pod", now.wall + left)
        is_fresh = facts.process.surveyed is not None and elapsed(facts.process.surveyed, now) < pause
        if not is_unsurveyed(facts, now) and (is_fresh or not left):
            return None
    elif survey.at is not None and elapsed(survey.at, now) < pause:
        return Wait(pause - elapsed(survey.at, now), "proof that the second pod of one create is gone")
    failed = pause_left(facts, Op.SURVEY, now, first=0.5, cap=4.0)
    return Wait(failed, f"the API ({survey.error})") if failed else Look(Op.SURVEY, survey_args(facts, now))


def look_over(facts: Facts, now: Stamp) -> Look | None:
    """A survey, unless the last one was a moment ago."""
    for looked in (facts.process.surveyed, facts.tried(Op.SURVEY).at):
        if looked is not None and elapsed(looked, now) < _interval(facts):
            return None
    return Look(Op.SURVEY, survey_args(facts, now))


def _give_back_stray(facts: Facts, strays: list[str], now: Stamp, again_seconds: float) -> Do | Wait | None:
    """The first of these that was not told to go, or was and is still there."""
    for pod_id in strays:
        released, seen = facts.debts.released.get(pod_id), facts.process.surveyed
        is_still_there = released is None or (seen is not None and is_before(released, seen))
        if is_still_there and (released is None or elapsed(released, now) > again_seconds):
            do = give_back(pod_id, how_to_end(facts, pod_id))
            left = pause_left(facts, Op(do.op), now, first=1.0, cap=30.0)
            return Wait(left, f"the cloud to accept the release ({facts.tried(do.op).error})") if left else do
    return None


def _may_look_for_twin(facts: Facts, now: Stamp) -> bool:
    """`boot` looks while it waits; after that, not before the job runs or the quiet window is over, nor while something
    else fails, which comes first."""
    if facts.state in (State.CREATE, State.BOOT):
        return False
    is_time = facts.state is State.MONITOR or quiet_left(facts, now) == 0.0
    is_asked = is_unsurveyed(facts, now) or bool(owed_twins(facts))
    return is_asked and is_time and _failing(facts) <= OPERATIONS - {Op.READ_POD}


def _failing(facts: Facts) -> set[str]:
    """Operations whose last try failed."""
    return {op for op, tries in facts.contact.tries.items() if tries.failures}


def _strays(facts: Facts) -> list[str]:
    """Ids of pods that are not in use, without the paused ones, which the release sees to."""
    taken, pod = adopted(facts), facts.pod
    found = (each.id for each in facts.release.proof.found)
    return [pod_id for pod_id in found if pod_id not in taken and (pod is None or pod_id != pod.id)]


def _may_come_late(facts: Facts, now: Stamp) -> bool:
    for pod in facts.pods.values():
        if pod.is_unknown and (pod.id is None or quiet_seconds_left(facts, now) > 0.0):
            return True
    return False


def how_to_end(facts: Facts, pod_id: str) -> str:
    """Stop or delete a pod of this run that is not the one in hand."""
    pod = next((pod for pod in facts.pods.values() if pod.id == pod_id), None)
    if pod is not None and pod.origin.twin_of is not None:
        return "stop" if pod.holds_lost or facts.launch.was_taken_over else "delete"
    return "delete" if pod is None or pod.origin.taken is None else how_to_leave(facts, pod)


def _interval(facts: Facts) -> float:
    return max(0.5, facts.profile.quiet_window_seconds / 4.0)


def survey_args(facts: Facts, now: Stamp) -> dict[str, object]:
    """Which pods are meant, by id and by name and env; what of them is owed, and whose end another look would prove."""
    return pack(
        prefix=facts.name_prefix,
        run_id=facts.run_id,
        known=known_ids(facts),
        makers=makers(facts),
        owed=list(facts.debts.compute),
        ends=ends_if_absent(facts, now),
        born=adopted(facts),
    )


def give_back(pod_id: str, how: str) -> Do:
    """The effect that ends the billing of one pod."""
    return Do(Op.STOP_POD if how == "stop" else Op.DELETE_POD, {"pod_id": pod_id})


def perform(pending: Pending, world: World) -> Result:
    """Survey the account, read one pod, stop or delete one."""
    if pending.op == Op.SURVEY:
        return _survey(pending, world)
    pod_id = str(pending.args["pod_id"])
    if pending.op == Op.READ_POD:
        return _read(pending, world.cloud.get(pod_id))
    if pending.op == Op.STOP_POD:
        world.cloud.stop(pod_id)
    else:
        world.cloud.delete(pod_id)
    return Result(data={"pod_id": pod_id})


def probe(pending: Pending, world: World) -> Result | None:
    """Whether the release took effect. Not seen means: do it again; both may be repeated."""
    pod_id = str(pending.args["pod_id"])
    try:
        pod = world.cloud.get(pod_id)
    except Refused as error:  # waiting does not mend a refused key: `decide` has to hear of it, and has a deadline
        return Result("unknown", reason=error.reason, error=error.message, retryable=True, data={"pod_id": pod_id})
    wanted = (None, "TERMINATED", "EXITED") if pending.op == Op.STOP_POD else (None, "TERMINATED")
    if (pod.status if pod is not None else None) in wanted:
        return Result(data={"pod_id": pod_id})
    text = f"pod {pod_id} is still {pod.status if pod is not None else 'there'}"
    return Result("failed", reason="still_there", error=text, retryable=True, data={"pod_id": pod_id})


def _read(pending: Pending, pod: Pod | None) -> Result:
    """What one look at a pod gives. One that computes although nothing is owed for it was started by somebody else; it
    is owed from the moment it is seen."""
    name, data = pending.args.get("unowed"), pod_data(pod)
    if pod is not None and pod.is_locked and not pending.args.get("locked"):
        data["is_newly_locked"] = True
    if pod is None or name is None or pod.status != "RUNNING":
        return Result(data=data)
    debt = DebtChange(str(name), "compute", "open", usd_per_hour=pod.usd_per_hour)
    return Result(data=data, debts=(debt,))


def _survey(pending: Pending, world: World) -> Result:
    prefix, run_id = str(pending.args["prefix"]), str(pending.args["run_id"])
    born: dict[str, str] = pending.args["born"]
    pods = {
        pod.id: pod
        for pod in world.cloud.list()
        if is_of_run(pod, prefix, run_id) or (pod.id in born and may_name_run(pod, born[pod.id]))
    }
    for pod_id in pending.args["known"].values():
        pod = world.cloud.get(str(pod_id)) if pod_id is not None and pod_id not in pods else None
        # A pod that somebody renamed is still ours; another one under a reused id is not.
        if pod is not None and may_name_run(pod, born.get(pod.id, run_id)):
            pods[pod.id] = pod
    found = sorted(pods.values(), key=lambda each: (each.status == "TERMINATED", each.name, each.id))
    made_by: dict[str, str] = pending.args["makers"]
    ours = [pod for pod in found if not is_others(pod.name, pod.env, made_by)]
    told = first_that_fit([Found(pod.id, pod.name, pod.status, pod not in ours) for pod in found])
    left_out = sum(pod.status != "TERMINATED" for pod in found[len(told) :])
    data = {"found": msgspec.to_builtins(told), **({"left_out": left_out} if left_out else {})}
    return Result(data=data, debts=(*_reopened(pending, ours), *_ended(pending, found)))


def _reopened(pending: Pending, found: list[Pod]) -> tuple[DebtChange, ...]:
    """A pod that appeared after its create was given up, or as its second one, is owed from the moment it is seen."""
    known: dict[str, str | None] = pending.args["known"]
    keys = {pod_id: key for key, pod_id in known.items()}
    keys |= {pod.id: key for key, pod in twins_among(found, known).items()}
    asked = {*known, *keys.values()} - set(pending.args["owed"])
    alive = {keys.get(pod.id, pod.name): pod for pod in found if pod.status not in ("EXITED", "TERMINATED")}
    return tuple(
        DebtChange(key, "compute", "open", usd_per_hour=pod.usd_per_hour) for key, pod in alive.items() if key in asked
    )


def _ended(pending: Pending, found: list[Pod]) -> tuple[DebtChange, ...]:
    """Twins that this survey, too, has not seen."""
    there = {pod.id for pod in found if pod.status != "TERMINATED"}
    return tuple(
        DebtChange(key, "compute", "close", proof=proof)
        for key, (pod_id, proof) in pending.args["ends"].items()
        if pod_id not in there
    )


def is_of_run(pod: Pod, prefix: str, run_id: str) -> bool:
    """Ours by name and by env: nothing else is touched."""
    return pod.name.startswith(prefix) and may_name_run(pod, run_id)


def may_name_run(pod: Pod, run_id: str) -> bool:
    """Its env names this run, or no run (the answer left it out, or somebody edited it), which contradicts nothing:
    then the id, or the token in the name, has to do. Counting such a pod as absent would close its debt without
    proof."""
    return pod.env.get("RPD_RUN_ID", run_id) == run_id
