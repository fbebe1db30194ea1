"""A create that has made two pods. The answer named one, and that pod belongs to the run. The other pod is its twin: it
has the same name and env and another id. The run never did anything in a twin, so the twin is given back at once. Its
cost counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from rpd.engine.deadline import elapsed, is_before, remaining
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.facts.pod import Missed, Origin, PodFacts, Span, close_spans
from rpd.states.facts.release import CLEAN_SURVEYS_MIN, SurveyedPod
from rpd.states.ports.world import Pod

MAKER = "RPD_EPOCH"
"""The variable of a pod that names the owner that ordered it."""


class _Listed(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...


L = TypeVar("L", bound=_Listed)


def maker(facts: Facts) -> str:
    """The owner that orders pods now. Two machines with copies of one journal are two owners, and may order under one
    name.
    """
    return f"{facts.process.epoch}-{facts.process.owner[:16]}"


def makers(facts: Facts) -> dict[str, str]:
    """The owner that ordered each pod, by its birth name, as far as known."""
    return {pod.name: pod.origin.made_by for pod in facts.pods.values() if pod.origin.made_by}


def is_others(name: str, env: Mapping[str, str], made_by: Mapping[str, str]) -> bool:
    """Whether another owner of this run has ordered this pod. Then it is no twin of ours, and may do the work of that
    owner.
    """
    env_maker, ours = env.get(MAKER), made_by.get(name)
    return bool(env_maker and ours and env_maker != ours)


def known_ids(facts: Facts) -> dict[str, str | None]:
    """The name of each pod of the run in the journal, and its id as far as known."""
    return {pod.name: pod.id for pod in facts.pods.values()}


def twins_among(found: Iterable[L], known: Mapping[str, str | None]) -> dict[str, L]:
    """Pods that have the name of a known pod and another id, by their names in the journal. If the id of a name is not
    `known`, the first pod found is the pod itself.
    """
    holders, ids = dict(known), set(known.values())
    twins = {}
    for pod in found:
        if pod.name not in known or pod.id in ids:
            continue
        holder = holders[pod.name] = holders[pod.name] or pod.id
        if holder != pod.id:
            twins[f"{pod.name}#{pod.id}"] = pod
    return twins


def note_twins(facts: Facts, found: Sequence[SurveyedPod], at: Stamp, *, is_whole: bool) -> None:
    """Fold what a survey says about twins: new twins, and known twins that are gone."""
    ours = [each for each in found if not each.is_others]
    there = {each.id for each in found if each.status != "TERMINATED"}
    for key, seen in twins_among(ours, known_ids(facts)).items():
        if seen.id in there:
            facts.pods[key] = _twin(facts, key, seen, there, at)
    for twin in facts.pods.values():
        if twin.origin.twin_of is None or twin.is_gone:
            continue
        if twin.id in there:
            twin.missed = Missed()
        if twin.id in there or not is_whole:
            continue
        twin.missed = twin.missed.again(at)
        if _is_proved_gone(facts, twin, twin.missed.looks, at):
            twin.is_gone = True
            close_spans(twin, twin.missed.since or at)


def _twin(facts: Facts, key: str, seen: SurveyedPod, there: set[str], at: Stamp) -> PodFacts:
    """As far as known, a twin computes since its create was sent. If the pod itself is gone, the twin may be that pod
    under a new id, with the results in it (a provider that moves pods does that).
    """
    pod = facts.pods[seen.name]
    is_alone = pod.id not in there and pod.released_as != "delete"
    origin = Origin(pod.origin.attempt, pod.origin.candidate, pod.origin.sent_at, pod.origin.last_sent_at)
    origin.twin_of = pod.name
    twin = PodFacts(key, origin, pod.usd_per_hour)
    twin.id, twin.was_found = seen.id, True
    if is_alone:
        twin.holds = pod.holds or ("launch" if facts.launch.intended or facts.launch.number > 1 else "")
    twin.spans.append(Span(pod.origin.sent_at, pod.usd_per_hour, at if seen.status == "EXITED" else None))
    return twin


def owed_twins(facts: Facts) -> list[PodFacts]:
    """Twins whose end is not proved."""
    return [pod for pod in facts.pods.values() if pod.origin.twin_of is not None and pod.name in facts.debts.compute]


def ends_if_absent(facts: Facts, now: Stamp) -> dict[str, tuple[str, str]]:
    """Twins whose end is proved if the survey that begins now does not see them either: id and proof."""
    return {
        twin.name: (twin.id, f"absent by id, seen {twin.missed.looks + 1} times over {_missed_for(twin, now):.1f} s")
        for twin in owed_twins(facts)
        if twin.id is not None and _is_proved_gone(facts, twin, twin.missed.looks + 1, now)
    }


def _is_proved_gone(facts: Facts, twin: PodFacts, misses: int, at: Stamp) -> bool:
    return misses >= CLEAN_SURVEYS_MIN and _missed_for(twin, at) >= facts.profile.proof_interval_seconds


def _missed_for(twin: PodFacts, at: Stamp) -> float:
    return elapsed(twin.missed.since, at) if twin.missed.since is not None else 0.0


def quiet_left(facts: Facts, now: Stamp) -> float:
    """How long the create of the pod in hand may still show a twin; 0.0 if there is no such create."""
    pod = facts.pod
    if pod is None or pod.id is None or pod.origin.paused is not None:
        return 0.0
    return remaining(pod.origin.last_sent_at, facts.profile.quiet_window_seconds, now)


def is_unsurveyed(facts: Facts, now: Stamp) -> bool:
    """Whether no survey has looked for a twin of the pod in hand yet, or none since the end of the quiet window: lists
    lag.
    """
    pod, looked = facts.pod, facts.process.surveyed
    if pod is None or pod.id is None or pod.origin.paused is not None:
        return False
    if looked is None or is_before(looked, pod.origin.sent_at):
        return True
    return quiet_left(facts, looked) > 0.0 and quiet_left(facts, now) == 0.0


def is_of_run(pod: Pod, prefix: str, run_id: str) -> bool:
    """The pod belongs to the run by name and by env. rpd touches no other pod."""
    return pod.name.startswith(prefix) and may_name_run(pod, run_id)


def may_name_run(pod: Pod, run_id: str) -> bool:
    """The env of the pod names this run, or no run (the answer left it out, or a person edited it). A missing name
    contradicts nothing: then the id, or the token in the name, decides.

    If such a pod counted as absent, its debt would close without proof.
    """
    return pod.env.get("RPD_RUN_ID", run_id) == run_id
