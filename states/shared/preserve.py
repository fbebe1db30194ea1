"""Keeping the pod of a run that has come to its end up for a person, until its own switch stops
it. The debt stays open until then; whoever resumes the run afterwards proves its end (docs/decisions/0012)."""

from __future__ import annotations

from rpd.engine.deadline import elapsed
from rpd.engine.decision import Decision, Do, Leave, Look, Wait
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.facts.handles import target
from rpd.states.facts.pod import PodFacts
from rpd.states.operations.container import ArmSwitch
from rpd.states.operations.pod import ReadPod
from rpd.states.policy import cost
from rpd.states.policy.outage import pause_left
from rpd.states.policy.rules import SWITCH_TICK_SECONDS, cost_cap, is_protected, spent_usd, usd_per_hour
from rpd.states.policy.twin import owed_twins
from rpd.states.policy.verdict import verdict
from rpd.states.ports.names import ENDINGS, Op, Reason, RunOutcome, State
from rpd.states.ports.world import SwitchOrder
from rpd.states.shared.notice import decide_telling
from rpd.states.shared.sweep import decide_alone

TRIES_MAX = 3
"""After so many failures to give the switch its new orders the pod is stopped."""
LOOKS_MAX = 3
"""After so many looks that the API did not answer, the pod is left to its switch all the same."""
SHORTEST_SECONDS = 5.0
"""For less nobody needs it."""
CLOCK_SECONDS = 30.0
"""Moments closer than this are the same."""
NO_MORE_TIME = {
    Reason.BUDGET: "the budget is used up",
    Reason.IDLE: "the run was ended for doing nothing",
    Reason.STORAGE_ERROR: "the journal could not be kept",
    Reason.INTERNAL_ERROR: "rpd itself failed",
}
"""Endings that ask for no more of the pod's time, and why."""


def decide_keeping(facts: Facts, now: Stamp) -> Decision | None:
    """Keep the pod in hand up, once whatever else there was is given back; None when it is to be released, as when it
    does not let go of a secret on its disk."""
    pod = facts.pod
    if pod is not None and pod.kept_until is not None and facts.tried(Op.READ_POD).at is None:
        return Look(ReadPod.in_hand(facts))  # the switch may have acted meanwhile, or should have
    until = keep_until(facts, now)
    if until is None or pod is None or pod.container.secrets_left == "disk":
        return None
    if pod.kept_until is None or abs(pod.kept_until - until) > CLOCK_SECONDS:
        left, error = pause_left(facts, Op.ARM_SWITCH, now, first=0.5, cap=4.0), facts.tried(Op.ARM_SWITCH).error
        return Wait(left, f"the switch in the pod ({error})") if left else _order(facts, pod, until, now)
    look = facts.tried(Op.READ_POD)
    if 0 < look.failures < LOOKS_MAX:
        left = pause_left(facts, Op.READ_POD, now, first=0.5, cap=4.0)
        return Wait(left, f"the API ({look.error})") if left else Look(ReadPod.in_hand(facts))
    told = decide_alone(facts, now, is_patient=True) or decide_telling(facts, now)
    if told is not None:
        return told
    why = "the pod is kept up, as the config or a person said; its switch stops it"
    return Leave(why, verdict(facts)[2], "the switch in the pod")


def keep_until(facts: Facts, now: Stamp) -> float | None:
    """Until when (UTC seconds) the pod in hand is to stay up; None when it is not. Money first: it has to run under a
    switch that has proved itself, owe nothing else, hold nothing that is still to be fetched, and be within the cap."""
    pod, wish = facts.pod, _wish(facts, now)
    if wish is None or pod is None or not _can_stay(facts, pod):
        return None
    if pod.kept_until is not None and facts.request is None:
        return pod.kept_until if now.wall < pod.kept_until else None
    seconds = min(wish - now.wall, _affordable_seconds(facts, now))
    return now.wall + seconds if seconds >= SHORTEST_SECONDS else None


def is_kept(facts: Facts, now: Stamp) -> bool:
    """Whether its pod is up by the config's or a person's word at this moment, the run being over but for that."""
    pod = facts.pod
    is_over = facts.state is State.RELEASE and facts.report.outcome is None and not owed_twins(facts)
    return is_over and pod is not None and _can_stay(facts, pod) and now.wall < (pod.kept_until or 0.0)


def is_cut_short(facts: Facts, now: Stamp) -> bool:
    """Whether the pod is kept up for less than was asked for, as long as the cost cap allows."""
    pod, wish = facts.pod, _wish(facts, now)
    if wish is None or pod is None or pod.kept_until is None or wish - pod.kept_until <= CLOCK_SECONDS:
        return False
    return abs(now.wall + _affordable_seconds(facts, now) - pod.kept_until) <= CLOCK_SECONDS


def _affordable_seconds(facts: Facts, now: Stamp) -> float:
    """How long the pod in hand can still run within the cost cap, when its switch ends it as late as it may."""
    rate = usd_per_hour(facts)
    left = (cost_cap(facts) - spent_usd(facts, now)) / rate * cost.SECONDS_PER_HOUR if rate > 0.0 else 0.0
    return left - SWITCH_TICK_SECONDS


def _can_stay(facts: Facts, pod: PodFacts) -> bool:
    is_up = pod.id is not None and not pod.is_gone and not pod.missed.looks and not pod.is_seen_stopped
    owed = set(facts.debts.compute) - {twin.name for twin in owed_twins(facts)}  # whose end is proved first
    is_alone = owed == {pod.name} and not any(each.is_unknown for each in facts.pods.values())
    is_spared = pod.released_as is None and not facts.launch.was_taken_over and not facts.results_wait
    is_reached = is_protected(facts) and facts.tried(Op.ARM_SWITCH).failures < TRIES_MAX
    return is_up and is_alone and is_spared and is_reached


def _wish(facts: Facts, now: Stamp) -> float | None:
    """What was asked for last, by a person or by the config."""
    asked = facts.process.asked
    if facts.request is not None:
        return asked.until if facts.request == "release" and asked.how == "preserve" else None
    if facts.ending.reason in NO_MORE_TIME or not _is_config_s_wish(facts):
        return None
    lifecycle, since = facts.job.lifecycle, facts.release.since
    return now.wall - (elapsed(since, now) if since is not None else 0.0) + lifecycle.preserve_minutes * 60.0


def _is_config_s_wish(facts: Facts) -> bool:
    outcome = ENDINGS[facts.ending.reason][0] if facts.ending.reason in ENDINGS else None
    lifecycle = facts.job.lifecycle
    policy = lifecycle.on_success if outcome is RunOutcome.SUCCEEDED else lifecycle.on_failure
    return outcome in (RunOutcome.SUCCEEDED, RunOutcome.FAILED, RunOutcome.LOST) and policy == "preserve"


def why_not_kept(facts: Facts) -> str | None:
    """Why a pod that the config wants kept up was given back all the same; None where it does not, or it was."""
    pod = facts.pod
    if pod is None or pod.id is None or pod.kept_until is not None or not _is_config_s_wish(facts):
        return None
    if facts.ending.reason in NO_MORE_TIME:
        return NO_MORE_TIME[facts.ending.reason]
    if facts.request is not None:
        return "somebody asked for the end"
    if pod.is_gone and pod.released_as is None:
        return "it is gone"
    if not is_protected(facts):
        return "the switch in it could not prove that it would stop it"
    return "results nobody has are in it" if facts.results_wait else "the cost cap leaves no room for it"


def _order(facts: Facts, pod: PodFacts, until: float, now: Stamp) -> Do:
    """New orders for the switch: nothing but the moment counts from now on, however long its owner is away."""
    silence = until - now.wall + 3600.0
    generation = facts.process.epoch * 1000 + 500 + pod.starts + facts.launch.number - 1
    order = SwitchOrder(generation, until, "stop", silence, facts.launch.number)
    return Do(ArmSwitch(target(facts), order))
