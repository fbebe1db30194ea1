"""A create that has made two pods. Its answer named one, which is the run's; the other one is its twin: the same name
and env under another id. Nothing of the run was ever done in a twin, so it is given back at once; what it cost
counts."""

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
"""The variable of a pod that says who ordered it."""


class _Listed(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...


L = TypeVar("L", bound=_Listed)


def maker(facts: Facts) -> str:
    """Who orders pods now: two machines with copies of one journal are two owners, and may order under one name."""
    return f"{facts.process.epoch}-{facts.process.owner[:16]}"


def makers(facts: Facts) -> dict[str, str]:
    """Who ordered each pod, by its birth name, as far as that is known."""
    return {pod.name: pod.origin.made_by for pod in facts.pods.values() if pod.origin.made_by}


def is_others(name: str, env: Mapping[str, str], made_by: Mapping[str, str]) -> bool:
    """Whether another owner of this run has ordered this pod: it is no twin of ours, and may do that one's work."""
    told, ours = env.get(MAKER), made_by.get(name)
    return bool(told and ours and told != ours)


def known_ids(facts: Facts) -> dict[str, str | None]:
    """What each pod of the run is called in the journal, and its id as far as it is known."""
    return {pod.name: pod.id for pod in facts.pods.values()}


def twins_among(found: Iterable[L], known: Mapping[str, str | None]) -> dict[str, L]:
    """Pods under the name of one whose id is another, by what the journal calls them. Of a name whose id is not `known`
    the first one found is the pod itself."""
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
    """Fold what a survey says of twins: new ones, and that known ones are not there any more."""
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
    """It computes, as far as anybody knows, since its create was sent. Where the pod itself is not there any more, it
    may be that one under a new id (a provider that moves pods does that), with the results in it."""
    pod = facts.pods[seen.name]
    is_alone = pod.id not in there and pod.released_as != "delete"
    origin = Origin(pod.origin.attempt, pod.origin.candidate, pod.origin.sent_at, pod.origin.last_sent_at)
    origin.twin_of = pod.name
    twin = PodFacts(key, origin, pod.usd_per_hour)
    twin.id, twin.was_found = seen.id, True
    twin.holds_lost = is_alone and (facts.launch.intended or facts.launch.number > 1)
    twin.spans.append(Span(pod.origin.sent_at, pod.usd_per_hour, at if seen.status == "EXITED" else None))
    return twin


def owed_twins(facts: Facts) -> list[PodFacts]:
    """Those whose end is not proved."""
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
    """How long the create of the pod in hand may still show a twin; 0.0 where there is no such create."""
    pod = facts.pod
    if pod is None or pod.id is None or pod.origin.taken is not None:
        return 0.0
    return remaining(pod.origin.last_sent_at, facts.profile.quiet_window_seconds, now)


def is_unsurveyed(facts: Facts, now: Stamp) -> bool:
    """Whether nobody has looked for a twin of the pod in hand yet, or not since the end of the quiet window: lists
    lag."""
    pod, looked = facts.pod, facts.process.surveyed
    if pod is None or pod.id is None or pod.origin.taken is not None:
        return False
    if looked is None or is_before(looked, pod.origin.sent_at):
        return True
    return quiet_left(facts, looked) > 0.0 and quiet_left(facts, now) == 0.0


def is_of_run(pod: Pod, prefix: str, run_id: str) -> bool:
    """Ours by name and by env: nothing else is touched."""
    return pod.name.startswith(prefix) and may_name_run(pod, run_id)


def may_name_run(pod: Pod, run_id: str) -> bool:
    """Its env names this run, or no run (the answer left it out, or somebody edited it), which contradicts nothing:
    then the id, or the token in the name, has to do. Counting such a pod as absent would close its debt without
    proof."""
    return pod.env.get("RPD_RUN_ID", run_id) == run_id
