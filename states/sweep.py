"""What every state with a pod shares: looking over the account for pods of this run that nobody asked for (a create
whose answer was lost may still take effect), and giving pods back. One survey is one list call plus one read per known
pod."""

from __future__ import annotations

import msgspec

from rpd.engine.deadline import elapsed
from rpd.engine.decision import Decision, Do, Look, Pending, Result
from rpd.engine.errors import Refused
from rpd.journal.records import DebtChange, Stamp
from rpd.states.bounds import first_that_fit
from rpd.states.call import pack, pause_left, pod_data
from rpd.states.facts import Facts, Found
from rpd.states.names import Op
from rpd.states.proof import quiet_seconds_left
from rpd.states.reuse import adopted, how_to_leave
from rpd.states.world import Pod, World

OPERATIONS = frozenset({Op.READ_POD, Op.SURVEY, Op.STOP_POD, Op.DELETE_POD})
"""Operations every state can perform and probe."""


def decide_sweep(facts: Facts, now: Stamp) -> Decision | None:
    """While a create without an answer may still take effect: look for its pod, and give back any that is not in
    use."""
    strays = _strays(facts) if facts.survey_found else []
    for pod_id in strays:
        released = facts.released_ids.get(pod_id)
        if released is None or elapsed(released, now) > _interval(facts):
            do = give_back(pod_id, "delete")
            return None if pause_left(facts, Op(do.op), now, first=1.0, cap=30.0) else do
    if not (strays or _may_come_late(facts, now)):
        return None
    looked = facts.tried(Op.SURVEY).at
    if looked is not None and elapsed(looked, now) < _interval(facts):
        return None
    return Look(Op.SURVEY, survey_args(facts))


def _strays(facts: Facts) -> list[str]:
    """Ids of pods that are not in use, without the paused ones, which the release sees to."""
    taken, pod = adopted(facts), facts.pod
    return [found.id for found in facts.survey_found if found.id not in taken and (pod is None or found.id != pod.id)]


def _may_come_late(facts: Facts, now: Stamp) -> bool:
    for pod in facts.pods.values():
        if pod.is_unknown and (pod.id is None or quiet_seconds_left(facts, now) > 0.0):
            return True
    return False


def how_to_end(facts: Facts, pod_id: str) -> str:
    """Stop or delete a pod of this run that is not the one in hand."""
    pod = next((pod for pod in facts.pods.values() if pod.id == pod_id), None)
    return "delete" if pod is None or pod.taken is None else how_to_leave(facts, pod)


def _interval(facts: Facts) -> float:
    return max(0.5, facts.profile.quiet_window_seconds / 4.0)


def survey_args(facts: Facts) -> dict[str, object]:
    """Which pods are meant: by id, and by name and env."""
    ids = [pod.id for pod in facts.pods.values() if pod.id is not None]
    born = adopted(facts)
    return pack(
        prefix=facts.name_prefix,
        run_id=facts.run_id,
        ids=ids,
        names=list(facts.pods),
        owed=list(facts.compute_debts),
        **({"born": born} if born else {}),
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
    name = pending.args.get("unowed")
    if pod is None or name is None or pod.status != "RUNNING":
        return Result(data=pod_data(pod))
    debt = DebtChange(str(name), "compute", "open", usd_per_hour=pod.usd_per_hour)
    return Result(data=pod_data(pod), debts=(debt,))


def _survey(pending: Pending, world: World) -> Result:
    prefix, run_id = str(pending.args["prefix"]), str(pending.args["run_id"])
    born: dict[str, str] = pending.args.get("born", {})
    pods = {
        pod.id: pod
        for pod in world.cloud.list()
        if is_of_run(pod, prefix, run_id) or (pod.id in born and may_name_run(pod, born[pod.id]))
    }
    for pod_id in pending.args["ids"]:
        pod = world.cloud.get(str(pod_id)) if pod_id not in pods else None
        # A pod that somebody renamed is still ours; another one under a reused id is not.
        if pod is not None and may_name_run(pod, born.get(pod.id, run_id)):
            pods[pod.id] = pod
    found = sorted(pods.values(), key=lambda each: (each.status == "TERMINATED", each.name, each.id))
    told = first_that_fit([Found(pod.id, pod.name, pod.status) for pod in found])
    left_out = sum(pod.status != "TERMINATED" for pod in found[len(told) :])
    data = {"found": msgspec.to_builtins(told), **({"left_out": left_out} if left_out else {})}
    return Result(data=data, debts=_reopened(pending, found))


def _reopened(pending: Pending, found: list[Pod]) -> tuple[DebtChange, ...]:
    """A pod that appeared after its create was given up is owed from the moment it is seen."""
    asked = set(pending.args["names"]) - set(pending.args["owed"])
    late = {pod.name: pod for pod in found if pod.name in asked and pod.status not in ("EXITED", "TERMINATED")}
    return tuple(DebtChange(name, "compute", "open", usd_per_hour=pod.usd_per_hour) for name, pod in late.items())


def is_of_run(pod: Pod, prefix: str, run_id: str) -> bool:
    """Ours by name and by env: nothing else is touched."""
    return pod.name.startswith(prefix) and may_name_run(pod, run_id)


def may_name_run(pod: Pod, run_id: str) -> bool:
    """Its env names this run, or no run (the answer left it out, or somebody edited it), which contradicts nothing:
    then the id, or the token in the name, has to do. Counting such a pod as absent would close its debt without
    proof."""
    return pod.env.get("RPD_RUN_ID", run_id) == run_id
