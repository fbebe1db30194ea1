"""How a record changes the facts. Total over everything a journal may hold: what it does not know it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from rpd.journal.records import (
    Closed,
    DebtChange,
    Intent,
    Observation,
    Outcome,
    Record,
    Requested,
    Resumed,
    Stamp,
    Transition,
)
from rpd.states.call import REPEATABLE
from rpd.states.facts import Candidate, Facts, PodFacts, Refusal, Span
from rpd.states.faults import Fault
from rpd.states.names import ENDINGS, Op, Reason, State, Trigger
from rpd.states.proof import count_survey
from rpd.states.world import Armed, Claim, Greeting, Offer, Pod, Pulled

CANDIDATE_REFUSALS = frozenset({"no_capacity", "pool_forbidden", "proved_absent"})
"""Faults of a create that another candidate may not have."""

KEY_FAULTS = frozenset({Fault.KEY_REFUSED, Fault.FORBIDDEN, Fault.BLOCKED})
"""Faults that only a person can mend, with another key."""
LINK_FAULTS = frozenset({Fault.SSH_UNREACHABLE, Fault.LINK_LOST, Fault.INTERRUPTED, REPEATABLE})
"""Faults that say nothing about what was to be fetched."""


def apply(facts: Facts, record: Record) -> None:
    """Fold one record. A record with `seq` -1 was seen but not written: it may only refresh what looks rebuild."""
    at = record.at
    if record.seq >= 0:
        facts.seq, facts.head, facts.epoch = record.seq, record.z, record.epoch
        if facts.started is None:
            facts.started = facts.entered = facts.epoch_since = at
    body = record.body
    match body:
        case Intent():
            _intent(facts, body, at)
        case Outcome():
            facts.looked_at[body.op] = at
            _tried(facts, body, at)
            handler = _OUTCOMES.get(body.op)
            if handler is not None:
                handler(facts, body, at)
        case Observation():
            facts.looked_at[body.op] = at
            _count(facts, body.op, body.error, body.reason, at)
            seen = _SEEN.get(body.op)
            if seen is not None and body.error is None:
                seen(facts, body.data, at)
            elif body.error is not None:
                _failed_look(facts, body, at)
        case Transition():
            _transition(facts, body, at)
        case Requested():
            facts.requests.append(body.what)
            facts.request_detail = dict(body.detail)
        case Resumed():
            _resumed(facts, at)
        case Closed():
            facts.closed_outcome, facts.closed_reason, facts.closed_exit_code = (
                body.outcome,
                body.reason,
                body.exit_code,
            )
        case _:
            pass
    for change in getattr(body, "debts", ()):
        _debt(facts, change)


def _count(facts: Facts, op: str, error: str | None, reason: str | None, at: Stamp) -> None:
    if error is None:
        facts.failures.pop(op, None)
        facts.failed_since.pop(op, None)
    else:
        facts.failures[op] = facts.failures.get(op, 0) + 1
        facts.failed_since.setdefault(op, at)
        facts.last_error, facts.last_reason = error, reason


def _tried(facts: Facts, outcome: Outcome, at: Stamp) -> None:
    """An unknown outcome explains, but only its probe's word counts as a failure."""
    error = None if outcome.status == "ok" else outcome.error or outcome.reason or outcome.status
    if outcome.status == "unknown" and not outcome.settled:
        facts.last_error, facts.last_reason = error, outcome.reason
        return
    explained = facts.last_error, facts.last_reason
    _count(facts, outcome.op, error, outcome.reason, at)
    if outcome.reason == REPEATABLE and explained[0] is not None:
        facts.last_error, facts.last_reason = explained


def _debt(facts: Facts, change: DebtChange) -> None:
    debts = facts.compute_debts if change.kind == "compute" else facts.storage_debts
    if change.change == "open":
        debts[change.key] = change
    else:
        debts.pop(change.key, None)


def _intent(facts: Facts, intent: Intent, at: Stamp) -> None:
    if intent.op == Op.CREATE_POD:
        name = str(intent.args["order"]["name"])
        candidate = msgspec.convert(intent.args["candidate"], Candidate)
        facts.pods[name] = PodFacts(name, intent.attempt, candidate, at, float(intent.args["usd_per_hour"]))
        facts.pods[name].is_unknown = True
        facts.current = name
        facts.create_error = None
    elif intent.op == Op.LAUNCH_JOB:
        facts.launch_intended = True
    elif intent.op == Op.PULL_ARTIFACT:
        facts.pulling = str(intent.args["pull"]["label"])


# Outcomes of effects.


def _created(facts: Facts, outcome: Outcome, at: Stamp) -> None:
    pod = facts.pod
    assert pod is not None, "a create outcome follows its intent"
    if outcome.status == "ok":
        seen = _pod(outcome.data)
        assert seen is not None, "a created pod is described"
        pod.id, pod.seen, pod.started_at = seen.id, seen, pod.sent_at
        pod.is_unknown = bool(outcome.data.get("adopted"))
        pod.usd_per_hour = seen.usd_per_hour or pod.usd_per_hour
        pod.spans.append(Span(pod.sent_at, pod.usd_per_hour))
        pod.starts = 1
    elif outcome.status == "failed":
        # A refusal is final; absence proved only by waiting may yet be overtaken by a late pod, so sweeps go on.
        pod.is_unknown = bool(outcome.data.get("may_appear"))
        pod.is_gone = not pod.is_unknown
        facts.create_error = outcome.reason or "refused"
        facts.absent_creates += int(pod.is_unknown)
        if facts.create_error in CANDIDATE_REFUSALS:
            text = outcome.error or facts.create_error
            facts.refusals[candidate_key(pod.candidate)] = Refusal(facts.create_error, text)


def _started(facts: Facts, outcome: Outcome, at: Stamp) -> None:
    pod = facts.pod
    if pod is None:
        return
    if outcome.status == "ok":
        pod.started_at, pod.starts, pod.released_as, pod.misses = at, pod.starts + 1, None, 0
        pod.spans.append(Span(at, pod.usd_per_hour))
        pod.greeting = None
        pod.seen = None
    else:
        pod.refused_starts += 1


def _stopped(facts: Facts, outcome: Outcome, at: Stamp) -> None:
    _released(facts, outcome, at, "stop")


def _deleted(facts: Facts, outcome: Outcome, at: Stamp) -> None:
    _released(facts, outcome, at, "delete")


def _released(facts: Facts, outcome: Outcome, at: Stamp, how: str) -> None:
    if outcome.status == "ok":
        pod_id = str(outcome.data["pod_id"])
        facts.released_ids[pod_id] = at
        facts.key_refused_since = None
        for pod in facts.pods.values():
            if pod.id == pod_id:
                pod.released_as, pod.released_at = how, at
                _close_spans(pod, at)
    elif outcome.reason in KEY_FAULTS:
        facts.key_refused_since = facts.key_refused_since or at
    elif outcome.reason == Fault.NOT_FOUND and facts.pod is not None:
        # Nothing there to stop: as with a delete, surveys have to prove it.
        facts.pod.released_as, facts.pod.released_at = "delete", at


def _armed(facts: Facts, outcome: Outcome, at: Stamp) -> None:
    pod = facts.pod
    if outcome.status == "ok" and pod is not None:
        facts.armed = msgspec.convert(outcome.data["armed"], Armed)
        facts.armed_start = pod.starts
    elif outcome.status != "ok":
        facts.switch_failures += 1


def _step(facts: Facts, outcome: Outcome, at: Stamp) -> None:
    if outcome.status == "ok":
        facts.steps_done[str(outcome.data["key"])] = int(outcome.data["exit_code"])
        facts.step_tail = tuple(outcome.data.get("tail", ()))
        facts.step_failures = 0
    else:
        facts.step_failures += 1


def _pushed(facts: Facts, outcome: Outcome, at: Stamp) -> None:
    if outcome.status == "ok":
        facts.trees_done[str(outcome.data["key"])] = dict(outcome.data)
        facts.step_failures = 0
    else:
        facts.step_failures += 1
        facts.step_tail = (outcome.error or "",)


def _launched(facts: Facts, outcome: Outcome, at: Stamp) -> None:
    if outcome.status == "ok":
        _claim_seen(facts, outcome.data, at)
    elif outcome.status == "failed":
        facts.launch_refused = outcome.reason if not outcome.retryable else None
    else:
        facts.claim_is_fresh = False


def _job_stopped(facts: Facts, outcome: Outcome, at: Stamp) -> None:
    if outcome.status == "ok":
        facts.job_stopped = True
        _claim_seen(facts, outcome.data, at)
    else:
        facts.collect_failures += 1


def _log_fetched(facts: Facts, outcome: Outcome, at: Stamp) -> None:
    if outcome.status == "ok":
        facts.log_fetched = True
    else:
        facts.collect_failures += 1


def _pulled(facts: Facts, outcome: Outcome, at: Stamp) -> None:
    if outcome.status == "ok":
        facts.pulled[str(outcome.data["label"])] = msgspec.convert(outcome.data["pulled"], Pulled)
    elif facts.pulling is not None and outcome.reason not in LINK_FAULTS:
        facts.pull_failures[facts.pulling] = facts.pull_failures.get(facts.pulling, 0) + 1


def _manifest_written(facts: Facts, outcome: Outcome, at: Stamp) -> None:
    if outcome.status == "ok":
        facts.manifest_sha256 = str(outcome.data["sha256"])


# What looks saw.


def _inputs_seen(facts: Facts, data: dict[str, Any], at: Stamp) -> None:
    facts.problems = tuple(data["problems"])


def _offers_seen(facts: Facts, data: dict[str, Any], at: Stamp) -> None:
    facts.offers = tuple(msgspec.convert(data["offers"], list[Offer]))


def _volume_seen(facts: Facts, data: dict[str, Any], at: Stamp) -> None:
    facts.volume_id, facts.volume_was_looked_up = data["volume_id"], True


def _pod_seen(facts: Facts, data: dict[str, Any], at: Stamp) -> None:
    pod = facts.pod
    if pod is None:
        return
    seen = _pod(data)
    if seen is None or seen.status == "TERMINATED":
        pod.misses += 1
        pod.first_miss_at = pod.first_miss_at or at
        return
    pod.misses, pod.first_miss_at, pod.seen = 0, None, seen
    if seen.status == "EXITED":
        _close_spans(pod, at)
    elif seen.status == "RUNNING" and pod.spans and pod.spans[-1].until is not None:
        pod.spans.append(Span(at, seen.usd_per_hour or pod.usd_per_hour))  # somebody else started it
    elif seen.usd_per_hour and pod.spans and seen.usd_per_hour != pod.spans[-1].usd_per_hour:
        pod.usd_per_hour = pod.spans[-1].usd_per_hour = seen.usd_per_hour


def _log_lines_seen(facts: Facts, data: dict[str, Any], at: Stamp) -> None:
    facts.why_not_up = tuple(data["lines"])


def _greeted(facts: Facts, data: dict[str, Any], at: Stamp) -> None:
    if facts.pod is not None:
        facts.pod.greeting = msgspec.convert(data["greeting"], Greeting)


def _claim_seen(facts: Facts, data: dict[str, Any], at: Stamp) -> None:
    claim = msgspec.convert(data["claim"], Claim)
    if facts.claim is not None and facts.claim.phase == "ended" and claim.phase != "ended":
        return  # an exit code, once read, is not taken back
    facts.claim, facts.claim_is_fresh = claim, True
    facts.claimed_since = (facts.claimed_since or at) if claim.phase == "claimed" else None


def _surveyed(facts: Facts, data: dict[str, Any], at: Stamp) -> None:
    count_survey(facts, data, at)


def _failed_look(facts: Facts, observation: Observation, at: Stamp) -> None:
    if observation.op == Op.SURVEY:
        facts.clean_surveys, facts.clean_since = 0, None
        if observation.reason in KEY_FAULTS:
            facts.key_refused_since = facts.key_refused_since or at


# Moves.


def _transition(facts: Facts, move: Transition, at: Stamp) -> None:
    reason = _reason(move.reason)
    if reason in ENDINGS:
        facts.reason, facts.reason_text = reason, facts.last_error
    elif move.trigger == Trigger.HOST_FAILED:
        facts.host_failure = reason
        facts.host_failures += 1
        if facts.pod is not None:
            facts.refusals[candidate_key(facts.pod.candidate)] = Refusal(str(reason), facts.last_error or str(reason))
    facts.state, facts.entered = State(move.dest), at
    facts.failures.clear()
    facts.failed_since.clear()
    facts.looked_at.clear()
    if move.source == State.COLLECT and move.trigger != Trigger.COLLECTED:
        facts.gave_up_collecting = True
    _ENTERING.get(facts.state, _nothing)(facts, move, at)


def _enter_boot(facts: Facts, move: Transition, at: Stamp) -> None:
    if move.trigger == Trigger.POD_STOPPED and facts.pod is not None:
        facts.claim_is_fresh = False
        facts.pod.greeting = None
        facts.gave_up_collecting = False


def _enter_collect(facts: Facts, move: Transition, at: Stamp) -> None:
    facts.collect_since = at
    facts.collect_failures = 0
    facts.gave_up_collecting = False
    if move.trigger == Trigger.PARKED:
        facts.parked_epoch = facts.epoch


def _enter_release(facts: Facts, move: Transition, at: Stamp) -> None:
    facts.release_since = at
    _forget_surveys(facts)
    if move.trigger == Trigger.POD_GONE and facts.pod is not None:
        _close_spans(facts.pod, facts.pod.first_miss_at or at)
        facts.pod.is_gone = True


def _enter_select(facts: Facts, move: Transition, at: Stamp) -> None:
    if move.trigger == Trigger.TRY_NEXT:
        if facts.pod is not None:
            facts.pod.is_gone = True
        facts.host_failure = None
    facts.current = None
    facts.armed = None
    facts.why_not_up = ()
    facts.steps_done.clear()
    facts.trees_done.clear()


def _enter_report(facts: Facts, move: Transition, at: Stamp) -> None:
    for pod in facts.pods.values():
        pod.is_gone = pod.is_gone or pod.released_as != "stop"


def _nothing(facts: Facts, move: Transition, at: Stamp) -> None:
    """Most states need nothing on entry."""


def _resumed(facts: Facts, at: Stamp) -> None:
    facts.epoch_since = at
    facts.requests.clear()
    facts.request_detail = {}
    facts.claim_is_fresh = False
    facts.failures.clear()
    facts.failed_since.clear()
    facts.looked_at.clear()
    facts.key_refused_since = None
    facts.collect_failures = 0
    facts.step_failures = 0
    facts.pull_failures.clear()
    facts.problems = None
    if facts.collect_since is not None:
        facts.collect_since = at
    _forget_surveys(facts)
    if facts.pod is not None:
        facts.pod.misses, facts.pod.first_miss_at, facts.pod.refused_starts = 0, None, 0


def _forget_surveys(facts: Facts) -> None:
    facts.clean_surveys, facts.clean_since, facts.release_proved, facts.survey_found = 0, None, False, ()


# Small readers.


def candidate_key(candidate: Candidate) -> str:
    """One word per candidate, for the list of refusals."""
    return f"{candidate.gpu_id} / {candidate.datacenter_id or 'any data center'} / {candidate.cloud}"


def _close_spans(pod: PodFacts, at: Stamp) -> None:
    for span in pod.spans:
        if span.until is None:
            span.until = at


def _pod(data: dict[str, Any]) -> Pod | None:
    return None if data.get("pod") is None else msgspec.convert(data["pod"], Pod)


def _reason(word: str | None) -> Reason | None:
    try:
        return Reason(word) if word is not None else None
    except ValueError:
        return None


_OUTCOMES: dict[str, Callable[[Facts, Outcome, Stamp], None]] = {
    Op.CREATE_POD: _created,
    Op.START_POD: _started,
    Op.STOP_POD: _stopped,
    Op.DELETE_POD: _deleted,
    Op.ARM_SWITCH: _armed,
    Op.RUN_STEP: _step,
    Op.PUSH_TREE: _pushed,
    Op.LAUNCH_JOB: _launched,
    Op.STOP_JOB: _job_stopped,
    Op.FETCH_LOG: _log_fetched,
    Op.PULL_ARTIFACT: _pulled,
    Op.WRITE_MANIFEST: _manifest_written,
}
_SEEN: dict[str, Callable[[Facts, dict[str, Any], Stamp], None]] = {
    Op.CHECK_INPUTS: _inputs_seen,
    Op.READ_OFFERS: _offers_seen,
    Op.FIND_VOLUME: _volume_seen,
    Op.READ_POD: _pod_seen,
    Op.READ_SYSTEM_LOG: _log_lines_seen,
    Op.GREET: _greeted,
    Op.READ_CLAIM: _claim_seen,
    Op.WATCH_JOB: _claim_seen,
    Op.SURVEY: _surveyed,
}
_ENTERING: dict[State, Callable[[Facts, Transition, Stamp], None]] = {
    State.BOOT: _enter_boot,
    State.COLLECT: _enter_collect,
    State.RELEASE: _enter_release,
    State.SELECT: _enter_select,
    State.REPORT: _enter_report,
}
