"""What the config and the moment ask for: what to do with the pod, what an interrupt means, when time and money are
used up. Pure arithmetic over facts.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from rpd.engine.deadline import elapsed
from rpd.journal.records import Stamp
from rpd.states.facts import Facts
from rpd.states.facts.pod import PodFacts, Span
from rpd.states.facts.run import Profile
from rpd.states.policy import cost
from rpd.states.policy.secrets import must_go
from rpd.states.ports.faults import Fault
from rpd.states.ports.names import BEFORE_LAUNCH, ENDINGS, OF_RESULTS, Op, Reason, RunOutcome

COLLECT_ALLOWANCE_SECONDS = 600.0
"""Time after the end of the budget for fetching results, before the switch in the pod acts."""
INTERRUPTED_COLLECT_SECONDS = 60.0
"""After Ctrl-C or TERM, results are fetched for this long. Then the pod is stopped with the remaining results in it."""
STOP_GRACE_SECONDS = 10.0
"""The time between TERM and KILL for the job."""
SWITCH_TICK_SECONDS = 30.0
"""The switch in the pod may look at the clock so late after its limit (`adapters/pod/switch.sh`). This
time is billed.
"""

WITH_WISH = ("leave", "release")
"""Requests that say what must become of the pod."""

Answer = Literal["release", "stop", "detach"]


def answer(facts: Facts) -> Answer:
    """What the latest request means here and now."""
    request = facts.request
    if request == "detach":
        return "detach"
    if facts.state in BEFORE_LAUNCH or not facts.launch.intended or request in ("cancel", "release"):
        return "release"
    if facts.job.lifecycle.on_interrupt is not None:
        return "detach" if facts.job.lifecycle.on_interrupt == "detach" else "stop"
    at_terminal = request == "interrupt" and facts.process.asked.terminal
    return "detach" if at_terminal and is_protected(facts) else "stop"


def request_reason(facts: Facts) -> Reason:
    """The ending that the latest request causes."""
    words = {
        "interrupt": Reason.INTERRUPTED,
        "terminate": Reason.TERMINATED,
        "gc": Reason.COLLECTED_BY_GC,
    }
    if facts.request in ("leave", "release") and facts.is_attended and not facts.process.asked.is_emergency:
        return Reason.LEFT
    if facts.request == "release":
        if facts.process.asked.storage_error:
            return Reason.STORAGE_ERROR
        if facts.process.asked.internal_error:
            return Reason.INTERNAL_ERROR
    return words.get(facts.request or "", Reason.CANCELLED)


def request_why(facts: Facts) -> str | None:
    """What caused the end if no person asked for it; None if a person did."""
    if request_reason(facts) is Reason.STORAGE_ERROR:
        return "the journal could not be kept"
    if request_reason(facts) is Reason.INTERNAL_ERROR:
        return f"a fault of rpd itself: {facts.process.asked.fault}"
    return None


def release_how(facts: Facts) -> Literal["stop", "delete"]:
    """Stop or delete the pod in hand. Results that exist only in the pod are never deleted, unless the config names
    `delete` for this outcome or a person said so. A pod with a secret on its disk is not kept without need.
    """
    how = _policy(facts)
    is_said = facts.request in WITH_WISH and facts.process.asked.how == "stop"
    return "delete" if how == "stop" and not is_said and must_go(facts) else how


def _policy(facts: Facts) -> Literal["stop", "delete"]:
    if facts.request in WITH_WISH and facts.process.asked.how in ("stop", "delete", "preserve"):
        return "delete" if facts.process.asked.how == "delete" else "stop"
    if facts.request == "release" and facts.process.asked.how == "preserve" and facts.launch.intended:
        return "stop"  # it should stay up, but cannot; a person still wants its content
    if facts.is_session:
        is_needed = facts.has_launched_here or facts.launch.was_taken_over or _is_used_and_stopped(facts)
        return "stop" if is_needed and not _is_deletion_meant(facts) else "delete"
    if facts.pod is not None and facts.pod.origin.paused is not None and not facts.launch.intended:
        return "stop"  # as it was found
    if facts.launch.was_taken_over and not (facts.launch.intended and facts.collected):
        return "stop"  # rpd must not delete what another owner left in the pod
    outcome = ENDINGS[facts.ending.reason][0] if facts.ending.reason in ENDINGS else None
    policy = facts.job.lifecycle
    if outcome is RunOutcome.FAILED and facts.ending.reason not in (Reason.STORAGE_ERROR, Reason.INTERNAL_ERROR):
        is_cut_short = facts.request in ("gc", "interrupt", "terminate") or not facts.results.gave_up
        if (facts.results_wait and is_cut_short) or (facts.holds_last and facts.is_good):
            return "stop"  # `delete` applies only to a failed job, after rpd has fetched what it could
        if facts.ending.reason in OF_RESULTS:
            return "stop"  # the job did not fail: its results lie elsewhere, or cannot be pushed or created
        return "delete" if policy.on_failure == "delete" else "stop"
    if not facts.launch.intended:
        # A launch that was lost may have left something, and so may others.
        is_doubtful = facts.has_launched_here or (_is_used_and_stopped(facts) and not _is_deletion_meant(facts))
        return "stop" if is_doubtful else "delete"
    if outcome is RunOutcome.SUCCEEDED:
        return "delete" if policy.on_success == "delete" and not facts.holds_last else "stop"
    if outcome is RunOutcome.CANCELLED:
        never_started = facts.launch.claim is not None and facts.launch.claim.phase == "none"
        if never_started:
            pod = facts.pod
            return "stop" if pod is not None and (pod.origin.paused is not None or pod.holds) else "delete"
        is_tried = (facts.results.gave_up and not facts.is_good) or not facts.results_wait
        named = policy.on_interrupt == "delete" and facts.request != "gc" and is_tried
        is_free = _is_meant_to_go(facts) and facts.request != "gc" and facts.has_all and not facts.results_wait
        return "delete" if named or is_free else "stop"
    return "delete" if policy.on_failure == "delete" and not facts.holds_last else "stop"


def _is_deletion_meant(facts: Facts) -> bool:
    """A person has cancelled the run, and said that its pod is not needed any more."""
    return facts.request == "cancel" and facts.process.asked.how == "delete"


def _is_used_and_stopped(facts: Facts) -> bool:
    """rpd has worked in the pod, finds it stopped, and cannot look into it. If the run's other owner has stopped it,
    results may be in it.
    """
    pod = facts.pod
    return pod is not None and pod.was_used and pod.is_seen_stopped


def _is_meant_to_go(facts: Facts) -> bool:
    """The pod of a run that is cut short is not needed any more: a person said so, or the file names delete
    for both endings of a job and nothing else for an interrupt.
    """
    policy = facts.job.lifecycle
    return _is_deletion_meant(facts) or (
        policy.on_success == policy.on_failure == "delete" and policy.on_interrupt != "stop"
    )


def why_kept(facts: Facts) -> str | None:
    """Why the disk of the pod in hand was not deleted, as the end of a sentence. None if there is no more to say."""
    policy, outcome = facts.job.lifecycle, ENDINGS[facts.ending.reason][0] if facts.ending.reason in ENDINGS else None
    is_cut_short = outcome is RunOutcome.CANCELLED and facts.launch.intended
    if facts.holds_last or (is_cut_short and not facts.has_all):
        awaited = {*facts.uncollected, *facts.left_behind}
        if facts.results.log_fetched and awaited and awaited <= set(facts.wiped):
            return "the job ran, and what it wrote on the volume stays"
        return "results that nobody has collected are on it"
    pod = facts.pod
    if facts.request in WITH_WISH and facts.process.asked.how == "stop":
        return request_why(facts) or "somebody asked for that"
    if facts.launch.was_taken_over:
        return "another owner of this run may have left something on it"
    if facts.is_attended:
        return "somebody has worked in it"
    if not facts.launch.intended:
        if pod is not None and pod.holds:
            return "a launch that was lost may have left something on it"
        return "others have stopped it, and may have left something on it" if _is_used_and_stopped(facts) else None
    if outcome is RunOutcome.SUCCEEDED and policy.on_success != "delete":
        return f"lifecycle.on_success is {policy.on_success}"
    if outcome in (RunOutcome.FAILED, RunOutcome.LOST) and policy.on_failure != "delete":
        return f"lifecycle.on_failure is {policy.on_failure}"
    if outcome is RunOutcome.CANCELLED and facts.request == "gc":
        return "rpd gc deletes no disk on which a job ran"
    if outcome is RunOutcome.CANCELLED and policy.on_interrupt == "stop":
        return "lifecycle.on_interrupt is stop"
    if outcome is RunOutcome.CANCELLED:
        return "the run was cut short, and on_success and on_failure do not both say delete"
    return None


def is_protected(facts: Facts) -> bool:
    """The switch in the pod is armed for this start of the pod, and its key was accepted."""
    pod = facts.pod
    armed = facts.container.armed
    return armed is not None and armed.probe == "ok" and pod is not None and facts.container.armed_start == pod.starts


# Time and money.


def running_seconds(pod: PodFacts, now: Stamp) -> float:
    """How long this pod has computed, as far as this run knows."""
    return sum(lasted(pod, span, now) for span in pod.spans)


def lasted(pod: PodFacts, span: Span, now: Stamp) -> float:
    """Seconds of one span. If the switch had to end it, the span ends when the switch has looked at the clock again,
    unless the pod was seen to go on.
    """
    seconds = elapsed(span.since, span.until or now)
    if pod.kept_until is None:
        return seconds
    return min(seconds, max(0.0, pod.kept_until + SWITCH_TICK_SECONDS - span.since.wall))


def used(facts: Facts, now: Stamp) -> tuple[float, float]:
    """How long (seconds) all pods of the run have computed, and what they have cost (USD) so far: GPUs and running
    disks, at the rates that the cloud reported.
    """
    disks = cost.running_disk_usd_per_hour(facts.job.pod.container_disk_gb, facts.volume_gb)
    seconds = dollars = 0.0
    for pod in facts.pods.values():
        for span in pod.spans:
            each = lasted(pod, span, now)
            seconds += each
            dollars += cost.usd(span.usd_per_hour + disks, each)
    return seconds, dollars


def spent_usd(facts: Facts, now: Stamp) -> float:
    """What all pods of the run have cost so far; see `used`."""
    return used(facts, now)[1]


def usd_per_hour(facts: Facts) -> float:
    """The present rate of the pod in hand with its disks; 0.0 if it does not compute."""
    pod = facts.pod
    if pod is None or not any(span.until is None for span in pod.spans):
        return 0.0
    return pod.usd_per_hour + cost.running_disk_usd_per_hour(facts.job.pod.container_disk_gb, facts.volume_gb)


def stock_wait_seconds(facts: Facts) -> float:
    """How long the run may wait for stock: a person's answer, else the config; 0.0 if it does not wait."""
    asked = facts.options.wait_for_stock_seconds
    if asked is not None:
        return float(asked)
    return (facts.job.provision.wait_for_stock_minutes or 0.0) * 60.0


def price_cap(facts: Facts, gpu_id: str | None = None) -> float | None:
    """The most that a pod with its GPUs may cost per hour, without its disks. The budget sets a cap (for a CPU pod it
    counts for the whole pod), and so may the choice that led to this type.
    """
    pod = facts.job.pod
    chosen = next((each.max_usd for each in facts.hardware if each.id == gpu_id), None)
    caps = [cap for cap in (facts.job.budget.max_gpu_price_usd, chosen) if cap is not None]
    return min(caps) * (1 if pod.cpu_order else pod.gpu_count) if caps else None


def is_over_price_cap(facts: Facts) -> bool:
    """The cloud bills the pod in hand above the config's cap. It is not documented whether the cloud's rate includes
    the disks.
    """
    pod = facts.pod
    cap = price_cap(facts, pod.origin.candidate.gpu_id) if pod is not None else None
    if cap is None or pod is None:
        return False
    disks = cost.running_disk_usd_per_hour(facts.job.pod.container_disk_gb, facts.volume_gb)
    return pod.usd_per_hour > cap + disks + 1e-9


def time_limit_seconds(facts: Facts, usd_per_hour_with_disks: float) -> float:
    """The longest life that a pod may have: the config's minutes or its dollars at this rate, whichever ends first."""
    budget = facts.job.budget
    by_money = cost_cap(facts) / max(usd_per_hour_with_disks, 1e-9) * cost.SECONDS_PER_HOUR
    minutes = budget.max_runtime_minutes
    by_time = minutes * 60.0 + facts.progress.granted_seconds if minutes is not None else by_money
    return min(by_money, by_time)


def used_up(facts: Facts, now: Stamp) -> Literal["time", "money"] | None:
    """Which part of the budget is used up: the pods of the run have lived as many minutes, or cost as much, as the
    config allows.
    """
    minutes = facts.job.budget.max_runtime_minutes
    seconds, dollars = used(facts, now)
    if minutes is not None and seconds >= minutes * 60.0 + facts.progress.granted_seconds:
        return "time"
    return "money" if dollars >= cost_cap(facts) else None


def cost_cap(facts: Facts) -> float:
    """The most that the run may cost."""
    return facts.job.budget.most_usd + facts.progress.granted_usd


def budget_share(facts: Facts, now: Stamp) -> float:
    """The share of the budget that is used up, in time or in money, whichever is more; 1.0 is its end."""
    minutes = facts.job.budget.max_runtime_minutes
    seconds, dollars = used(facts, now)
    by_time = seconds / (minutes * 60.0 + facts.progress.granted_seconds) if minutes is not None else 0.0
    return max(by_time, dollars / cost_cap(facts))


def limit_at(facts: Facts, now: Stamp) -> float:
    """When the switch in the pod acts on its own (UTC seconds): the end of the budget plus the time to collect."""
    return now.wall if facts.pod is None else now.wall + budget_seconds_left(facts, now) + COLLECT_ALLOWANCE_SECONDS


def watched_launch(facts: Facts) -> int:
    """The launch that the switch looks after; 0 in a session, where it looks after the presence of the owner."""
    return 0 if facts.is_session else facts.launch.number


def budget_seconds_left(facts: Facts, now: Stamp, share: float = 1.0) -> float:
    """How long the pod in hand may still run at its present rate, until this share of the budget is used up."""
    pod = facts.pod
    assert pod is not None, "there is a pod"
    rate = pod.usd_per_hour + cost.running_disk_usd_per_hour(facts.job.pod.container_disk_gb, facts.volume_gb)
    return max(0.0, share * time_limit_seconds(facts, rate) - used(facts, now)[0])


class ReleasedBy(msgspec.Struct, frozen=True):
    """What gives the pod back if this machine never returns, when (UTC seconds), and the most that it
    can cost by then.
    """

    who: str
    at: float | None
    worst_case_usd: float | None


def locked_words(facts: Facts) -> str | None:
    """Who unlocks a locked pod, and how. None if the pod is not locked, as far as this run knows.

    The text is the cloud's refusal to stop or delete the pod, if no later try succeeded. Else it says what the last
    look at the pod means.
    """
    tries = (facts.tried(op) for op in (Op.STOP_POD, Op.DELETE_POD))
    lock_text = next((each.error for each in tries if each.failures and each.reason == Fault.LOCKED), None)
    pod = facts.pod
    is_seen = pod is not None and pod.seen is not None and pod.seen.is_locked and pod.released_as is None
    return lock_text or (seen_locked(pod.id) if is_seen and pod is not None else None)


def seen_locked(pod_id: str | None) -> str:
    """What a locked pod means, before rpd has tried to release it."""
    who = "whoever may edit it in the account unlocks it"
    return f"pod {pod_id} is locked: until it is not, neither rpd nor the switch in it can release it; {who}"


def released_by(facts: Facts, now: Stamp) -> ReleasedBy | None:
    """The answer to "what if my laptop dies now"; None if nothing computes."""
    if not facts.debts.compute:
        return None
    spent = spent_usd(facts, now)
    if locked_words(facts) is not None:
        return ReleasedBy(
            "nobody as long as the pod is locked in the account; after that, this rpd or `rpd gc`", None, None
        )
    if is_protected(facts) and facts.container.armed is not None:
        at = facts.container.armed.limit_at
        left = max(0.0, at + SWITCH_TICK_SECONDS - now.wall)
        return ReleasedBy("the switch in the pod", at, spent + cost.usd(usd_per_hour(facts), left))
    return ReleasedBy("this rpd, or `rpd gc`; the pod is NOT PROTECTED", None, None)


def profile_poll(profile: Profile, waited_seconds: float) -> float:
    """Seconds between looks at a booting pod: short at first, so that the end of the boot is seen at once, later
    longer.
    """
    if waited_seconds < 60.0:
        return profile.poll_seconds
    return profile.poll_seconds * (2.0 if waited_seconds < 300.0 else 4.0)
