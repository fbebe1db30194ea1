"""Keep the pod of a finished run up for a person, until its own switch stops it. The debt stays open until then. The
process that resumes the run afterwards proves the end of the debt (docs/decisions/0012).
"""

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
from rpd.states.policy.rules import (
    SWITCH_TICK_SECONDS,
    WITH_WISH,
    cost_cap,
    is_protected,
    spent_usd,
    usd_per_hour,
    watched_launch,
)
from rpd.states.policy.twin import owed_twins
from rpd.states.policy.verdict import verdict
from rpd.states.ports.names import ENDINGS, Op, Reason, RunOutcome, State
from rpd.states.ports.world import SwitchOrder
from rpd.states.shared.notice import decide_telling
from rpd.states.shared.sweep import decide_alone

TRIES_MAX = 3
"""After so many failures to give the switch its new orders, the pod is stopped."""
LOOKS_MAX = 3
"""After so many looks without an answer of the API, the pod is left to its switch all the same."""
SHORTEST_SECONDS = 5.0
"""The pod is not kept up for a shorter time."""
CLOCK_SECONDS = 30.0
"""Two moments count as the same if they are closer than this."""
NO_MORE_TIME = {
    Reason.BUDGET: "the budget is used up",
    Reason.IDLE: "the run was ended because it was idle",
    Reason.STORAGE_ERROR: "the journal could not be kept",
    Reason.INTERNAL_ERROR: "rpd itself failed",
}
"""Endings that want no more of the pod's time, and why."""


def decide_keeping(facts: Facts, now: Stamp) -> Decision | None:
    """Keep the pod in hand up, after all other pods were given back. None if it must be released, for example because a
    secret cannot be removed from its disk.
    """
    pod = facts.pod
    if pod is not None and pod.kept_until is not None and facts.tried(Op.READ_POD).at is None:
        return Look(ReadPod.in_hand(facts))  # the switch may have acted since, or should have
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
    telling = decide_alone(facts, now, is_patient=True)
    telling = telling if telling is not None or facts.is_session else decide_telling(facts, now)
    if telling is not None:
        return telling
    why = "the pod is kept up, as the config or a person said; its switch stops it"
    return Leave(why, verdict(facts)[2], "the switch in the pod")


def keep_until(facts: Facts, now: Stamp) -> float | None:
    """Until when (UTC seconds) the pod in hand must stay up; None if it must not. Money comes first.

    The pod must run under a switch that has proved itself. The run must owe nothing else, have nothing left to fetch,
    and be within the cap.
    """
    pod, wish = facts.pod, _wish(facts, now)
    if wish is None or pod is None or not _can_stay(facts, pod):
        return None
    if pod.kept_until is not None and facts.request is None:
        return pod.kept_until if now.wall < pod.kept_until else None
    seconds = min(wish - now.wall, _affordable_seconds(facts, now))
    return now.wall + seconds if seconds >= SHORTEST_SECONDS else None


def is_kept(facts: Facts, now: Stamp) -> bool:
    """Whether the pod is up now because the config or a person asked for it. Apart from that the run is over."""
    pod = facts.pod
    is_over = facts.state is State.RELEASE and facts.report.outcome is None and not owed_twins(facts)
    return is_over and pod is not None and _can_stay(facts, pod) and now.wall < (pod.kept_until or 0.0)


def is_cut_short(facts: Facts, now: Stamp) -> bool:
    """Whether the cost cap keeps the pod up for less time than was requested."""
    pod, wish = facts.pod, _wish(facts, now)
    if wish is None or pod is None or pod.kept_until is None or wish - pod.kept_until <= CLOCK_SECONDS:
        return False
    return abs(now.wall + _affordable_seconds(facts, now) - pod.kept_until) <= CLOCK_SECONDS


def _affordable_seconds(facts: Facts, now: Stamp) -> float:
    """How long the pod in hand can still run within the cost cap, if its switch ends it as late as it may."""
    rate = usd_per_hour(facts)
    left = (cost_cap(facts) - spent_usd(facts, now)) / rate * cost.SECONDS_PER_HOUR if rate > 0.0 else 0.0
    return left - SWITCH_TICK_SECONDS


def _can_stay(facts: Facts, pod: PodFacts) -> bool:
    is_up = pod.id is not None and not pod.is_gone and not pod.missed.looks and not pod.is_seen_stopped
    owed = set(facts.debts.compute) - {twin.name for twin in owed_twins(facts)}  # the end of twins is proved first
    is_alone = owed == {pod.name} and not any(each.is_unknown for each in facts.pods.values())
    is_spared = pod.released_as is None and not facts.launch.was_taken_over and not facts.results_wait
    is_reached = is_protected(facts) and facts.tried(Op.ARM_SWITCH).failures < TRIES_MAX
    return is_up and is_alone and is_spared and is_reached


def _wish(facts: Facts, now: Stamp) -> float | None:
    """The last request, from a person or from the config."""
    asked = facts.process.asked
    if facts.request is not None:
        return asked.until if facts.request in WITH_WISH and asked.how == "preserve" else None
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
    """Why rpd gave a pod back although the config wants it kept up. None if the config does not want that, or if the
    pod was kept.
    """
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
    return "it holds results that were not collected" if facts.results_wait else "the cost cap leaves no room for it"


def _order(facts: Facts, pod: PodFacts, until: float, now: Stamp) -> Do:
    """New orders for the switch: from now on only the moment counts, however long its owner is away."""
    silence = until - now.wall + 3600.0
    generation = facts.process.epoch * 1000 + 500 + pod.starts + facts.launch.number - 1
    order = SwitchOrder(generation, until, "stop", silence, watched_launch(facts))
    return Do(ArmSwitch(target(facts), order))
