"""What the job's own end says, and how the whole run ends. Pure."""

from __future__ import annotations

from rpd.engine.decision import Fire
from rpd.journal.records import Closed
from rpd.states.facts import Facts
from rpd.states.ports.names import ENDINGS, OF_RESULTS, Reason, RunOutcome, State, Trigger


def job_reason(facts: Facts) -> Reason:
    """The exit code counts first. A marker that the config names only adds a condition to exit code 0. If rpd stopped
    the job, the reason for the stop stays.
    """
    claim = facts.launch.claim
    assert claim is not None and claim.phase == "ended", "the claim folder holds an exit code"
    if facts.launch.was_stopped and facts.ending.reason is not None:
        return Reason.JOB_SUCCEEDED if facts.ending.reason in OF_RESULTS else facts.ending.reason
    if claim.failure_marker is not None:
        return Reason.FAILURE_MARKER
    if facts.job.run.done_on == "marker" and claim.has_marker:
        return Reason.JOB_SUCCEEDED
    if claim.exit_code != 0:
        return Reason.JOB_FAILED
    if facts.job.run.success_marker is not None and not claim.has_marker:
        return Reason.MARKER_MISSING
    return Reason.JOB_SUCCEEDED


def is_left(facts: Facts) -> bool:
    """The pod of a session is stopped, and waits for the person."""
    return facts.state is State.ATTEND and facts.pod is not None and facts.pod.released_as == "stop"


def is_parked(facts: Facts) -> bool:
    """The pod of a session is stopped, and waits for the person. This process did that, or only cleans up."""
    return is_left(facts) and (facts.progress.parked_epoch == facts.process.epoch or facts.request == "gc")


def is_waited_in_vain(facts: Facts) -> bool:
    """Whether the script has ended well, and rpd waits only for processes that were started to outlive it."""
    claim, marker = facts.launch.claim, facts.job.run.success_marker
    if claim is None or claim.phase != "running" or claim.body_code != 0 or not claim.waits_for:
        return False
    return claim.is_vain and (marker is None or marker in facts.launch.markers_seen)


def is_cut_off(facts: Facts) -> bool:
    """Whether rpd has ended a wait for what the script left in the background. Then the job's exit code comes from the
    stop, and the script has its own exit code.
    """
    claim = facts.launch.claim
    if claim is None or claim.phase != "ended" or not facts.launch.was_stopped:
        return False
    return claim.body_code is not None and bool(claim.waits_for) and claim.exit_code != claim.body_code


def job_ending(facts: Facts) -> str:
    """How the job ended, for a sentence that begins with it. A job that a marker in its log ended has no exit code, or
    the exit code of the stop.
    """
    code = facts.launch.claim.exit_code if facts.launch.claim is not None else None
    if facts.launch.claim is not None and is_cut_off(facts):
        return f"ended with exit code {facts.launch.claim.body_code}; what it left in the background was cut off"
    if facts.ending.reason is Reason.FAILURE_MARKER:
        return "ended by a failure marker in its log"
    if facts.ending.reason is Reason.JOB_SUCCEEDED and facts.job.run.done_on == "marker" and code != 0:
        return "ended by its marker"
    return f"ended with exit code {code}" if code is not None else "ended without an exit code"


def marker_reason(facts: Facts) -> Reason | None:
    """How the log of a running job ends it: by a failure marker that the config names, or by the success marker if the
    config says so.
    """
    run = facts.job.run
    if any(marker in facts.launch.markers_seen for marker in run.failure_markers or ()):
        return Reason.FAILURE_MARKER
    if run.done_on == "marker" and run.success_marker in facts.launch.markers_seen:
        return Reason.JOB_SUCCEEDED
    return None


def lost_reason(facts: Facts) -> Reason:
    """A job that is gone is lost, unless the run was ended before: then rpd stopped its pod."""
    return Reason.JOB_LOST if facts.ending.reason is None else facts.ending.reason


def decide_lost(facts: Facts) -> Fire:
    """A job without processes and exit code is launched again if the config says so. A job whose claim is gone is not:
    it may have wiped its volume and may still run.
    """
    is_free = facts.ending.reason is None and facts.launch.claim is not None and facts.launch.claim.phase == "lost"
    if is_free and facts.has_retries:
        return Fire(Trigger.RELAUNCH, None, f"launch {facts.launch.number} was lost; {facts.launch.number + 1} is next")
    return Fire(Trigger.JOB_LOST, lost_reason(facts))


def verdict(facts: Facts) -> tuple[RunOutcome, Reason | None, int]:
    """Outcome, reason and exit code of a finished run."""
    if facts.ending.reason is None:
        return RunOutcome.FAILED, None, 1
    outcome, exit_code = ENDINGS[facts.ending.reason]
    return outcome, facts.ending.reason, exit_code


def salvaged(cost_usd: float | None) -> Closed:
    """How a run with a damaged journal ends. What it did after the good part of the journal is not known; sometimes its
    cost is not known either (None).
    """
    outcome, code = ENDINGS[Reason.JOURNAL_DAMAGED]
    return Closed(str(outcome), str(Reason.JOURNAL_DAMAGED), code, round(cost_usd, 6) if cost_usd is not None else None)
