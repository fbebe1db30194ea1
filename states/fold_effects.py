"""How the outcome of an effect changes the facts."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from rpd.engine.deadline import elapsed
from rpd.journal.records import Outcome, Stamp
from rpd.states.facts import Facts
from rpd.states.facts.pod import Candidate, Missed, Origin, PodFacts, Span, candidate_key, close_spans
from rpd.states.facts.run import Begun, Lease
from rpd.states.facts.search import Refusal
from rpd.states.fold_looks import KEY_FAULTS, claim_seen, described_pod
from rpd.states.outage import is_of_the_way, is_offline, is_unreached
from rpd.states.ports.faults import Fault
from rpd.states.ports.names import Op, State
from rpd.states.ports.world import Armed, Holder, Paused, Pulled
from rpd.states.python_pin import python_told

CANDIDATE_REFUSALS = frozenset({"no_capacity", "pool_forbidden", "proved_absent"})
"""Faults of a create that another candidate may not have."""
PULL_TRIES_MAX = 3
"""Tries of one process to fetch an artifact."""
GAIN_BYTES_MIN = 1024 * 1024
"""What a try has to bring before its link ends to count as one that gets somewhere."""


def _taken_over(facts: Facts, begun: Begun, outcome: Outcome, at: Stamp) -> None:
    if outcome.status == "ok":
        paused = msgspec.convert(outcome.data["paused"], Paused)
        candidate = Candidate(paused.gpu_id, paused.datacenter_id, paused.cloud)
        origin = Origin(len(facts.pods) + 1, candidate, at, at, taken=paused)
        origin.is_unwanted = bool(outcome.data["is_unwanted"])
        pod = PodFacts(paused.pod_name, origin, paused.usd_per_hour)
        pod.id, pod.was_found = paused.pod_id, True
        pod.released_as = "stop"  # as it was left
        facts.pods[pod.name] = pod
        if not pod.origin.is_unwanted:
            facts.current = pod.name
    elif outcome.status == "failed" and "paused" in begun.intent.args:
        pod_name = str(begun.intent.args["paused"]["pod_name"])
        facts.lineage.not_taken[pod_name] = outcome.error or outcome.reason or "not taken"


def _created(facts: Facts, begun: Begun, outcome: Outcome, at: Stamp) -> None:
    pod = facts.pod
    assert pod is not None, "a create outcome follows its intent"
    if outcome.status == "ok":
        seen = described_pod(outcome.data)
        assert seen is not None, "a created pod is described"
        pod.id, pod.seen, pod.started_at = seen.id, seen, at
        pod.is_unknown = pod.was_found = bool(outcome.data.get("adopted"))
        pod.usd_per_hour = seen.usd_per_hour or pod.usd_per_hour
        pod.spans.append(Span(pod.origin.sent_at, pod.usd_per_hour))
        pod.starts = 1
    elif outcome.status == "failed":
        # A refusal is final; absence proved only by waiting may yet be overtaken by a late pod, so sweeps go on.
        pod.is_unknown = bool(outcome.data.get("may_appear"))
        pod.is_gone = not pod.is_unknown
        pod.origin.create_error = outcome.reason or "refused"
        if pod.origin.create_error in CANDIDATE_REFUSALS:
            text = outcome.error or pod.origin.create_error
            facts.search.refusals[candidate_key(pod.origin.candidate)] = Refusal(pod.origin.create_error, text, at)
    if not outcome.settled:
        pod.origin.last_sent_at = at


def _started(facts: Facts, begun: Begun, outcome: Outcome, at: Stamp) -> None:
    pod = facts.pod
    if pod is None:
        return
    if outcome.status == "ok":
        pod.started_at, pod.starts, pod.released_as, pod.missed = at, pod.starts + 1, None, Missed()
        pod.spans.append(Span(at, pod.usd_per_hour))
        pod.container.greeting = pod.kept_until = None
        pod.seen = None
        pod.container.secrets_left = "" if pod.container.secrets_left == "memory" else pod.container.secrets_left
        facts.contact.offline_seconds = 0.0
    elif not is_unreached(outcome.op, outcome.reason):
        pod.refused_starts += 1


def _stopped(facts: Facts, begun: Begun, outcome: Outcome, at: Stamp) -> None:
    _released(facts, begun, outcome, at, "stop")


def _deleted(facts: Facts, begun: Begun, outcome: Outcome, at: Stamp) -> None:
    _released(facts, begun, outcome, at, "delete")


def _released(facts: Facts, begun: Begun, outcome: Outcome, at: Stamp, how: str) -> None:
    is_answer = outcome.reason not in KEY_FAULTS and not is_unreached(outcome.op, outcome.reason)
    if outcome.status != "unknown" and is_answer:
        facts.release.tries += 1
        facts.release.tried_since = facts.release.tried_since or at
    if outcome.status == "ok":
        pod_id = str(outcome.data["pod_id"])
        facts.debts.released[pod_id] = at
        facts.release.key_refused_since = None
        for pod in facts.pods.values():
            if pod.id == pod_id:
                if pod.released_as == how and pod.spans and pod.spans[-1].until == pod.released_at:
                    pod.spans[-1].until = at  # it was told before, and went on
                pod.released_as, pod.released_at = how, at
                close_spans(pod, at)
    elif outcome.reason in KEY_FAULTS:
        facts.release.key_refused_since = facts.release.key_refused_since or at
    elif outcome.reason == Fault.NOT_FOUND:
        # Nothing there to stop, it says: surveys have to prove it, and the next one comes before the next try.
        told = str(begun.intent.args.get("pod_id"))
        facts.debts.released[told] = at
        for pod in facts.pods.values():
            if pod.id == told:
                pod.released_as, pod.released_at = "absent", at


def _armed(facts: Facts, begun: Begun, outcome: Outcome, at: Stamp) -> None:
    pod = facts.pod
    if outcome.status == "ok" and pod is not None:
        facts.container.armed = msgspec.convert(outcome.data["armed"], Armed)
        facts.container.armed_start, facts.container.may_arm_again = pod.starts, False
        if facts.state is State.RELEASE and facts.container.armed.probe == "ok":
            pod.kept_until = facts.container.armed.limit_at
    elif outcome.status != "ok":
        facts.container.may_arm_again = outcome.retryable
        if facts.state is State.RELEASE and pod is not None:
            pod.kept_until = None  # its switch was not to be reached: it may be gone, and has to prove itself anew


def _step(facts: Facts, begun: Begun, outcome: Outcome, at: Stamp) -> None:
    if outcome.status == "ok":
        facts.container.steps_done[str(outcome.data["key"])] = int(outcome.data["exit_code"])
        facts.container.step_tail = tuple(outcome.data.get("tail", ()))
        told = python_told(str(outcome.data["key"]), int(outcome.data["exit_code"]), facts.container.step_tail)
        facts.container.python = told or facts.container.python


def _placed(facts: Facts, begun: Begun, outcome: Outcome, at: Stamp) -> None:
    if outcome.status == "ok" and facts.pod is not None:
        facts.pod.container.secrets_in = facts.pod.container_name
        facts.pod.container.secrets_left = "memory" if outcome.data["is_volatile"] else "disk"


def _removed(facts: Facts, begun: Begun, outcome: Outcome, at: Stamp) -> None:
    if outcome.status == "ok" and facts.pod is not None:
        facts.pod.container.secrets_in, facts.pod.container.secrets_left = None, ""


def _pushed(facts: Facts, begun: Begun, outcome: Outcome, at: Stamp) -> None:
    if outcome.status == "ok":
        facts.container.trees_done.add(str(outcome.data["key"]))
    else:
        facts.container.step_tail = (outcome.error or "",)


def _lease_taken(facts: Facts, begun: Begun, outcome: Outcome, at: Stamp) -> None:
    if outcome.status == "ok":
        holders = msgspec.convert(outcome.data["holders"], tuple[Holder, ...])
        facts.lease = Lease(facts.lease.key if holders else str(outcome.data["key"]), holders)


def _lease_dropped(facts: Facts, begun: Begun, outcome: Outcome, at: Stamp) -> None:
    if outcome.status == "ok":
        facts.lease.key = ""


def _launched(facts: Facts, begun: Begun, outcome: Outcome, at: Stamp) -> None:
    if outcome.status == "ok":
        claim_seen(facts, outcome.data, at)
    elif outcome.status == "failed" and outcome.reason not in (Fault.TAKEN_OVER, Fault.HOST_KEY_CHANGED):
        facts.launch.refused = outcome.reason if not outcome.retryable else None
    else:
        facts.launch.claim_is_fresh = False
        if facts.launch.claim is not None and facts.launch.claim.phase == "none":
            facts.launch.claim = None  # read before this launch, which may have claimed it since


def _job_stopped(facts: Facts, begun: Begun, outcome: Outcome, at: Stamp) -> None:
    if outcome.status == "ok":
        facts.launch.was_stopped = True
        claim_seen(facts, outcome.data, at)


def _log_fetched(facts: Facts, begun: Begun, outcome: Outcome, at: Stamp) -> None:
    if outcome.status == "ok":
        facts.results.log_fetched = True


def _gain(facts: Facts, outcome: Outcome, at: Stamp) -> None:
    """What a try has brought that the link ended."""
    if outcome.status == "ok":
        facts.results.fetching.stalls = 0
    elif outcome.reason in (Fault.LINK_LOST, Fault.TIMEOUT):
        moved = outcome.data.get("moved_bytes")
        if isinstance(moved, int) and moved >= GAIN_BYTES_MIN:
            facts.results.fetching.gained_at, facts.results.fetching.stalls = at, 0
            facts.contact.tries[outcome.op] = facts.tried(outcome.op).forgiven()  # the next one need not wait for long
        else:
            facts.results.fetching.stalls += 1


def _pulled(facts: Facts, begun: Begun, outcome: Outcome, at: Stamp) -> None:
    _gain(facts, outcome, at)
    results, label = facts.results, begun.label
    if label is not None:
        results.seconds[label] = elapsed(begun.at, at)
        if outcome.status != "ok":
            results.errors[label] = outcome.error or outcome.reason or outcome.status
    failures = results.fetching.failures
    if outcome.status == "ok":
        results.pulled[str(outcome.data["label"])] = msgspec.convert(outcome.data["pulled"], Pulled)
        results.since = at
    elif label is not None and outcome.reason == Fault.PATH_REFUSED:
        failures[label] = PULL_TRIES_MAX  # somebody has to clear its way first
    elif label is not None and not (is_of_the_way(outcome.op, outcome.reason) or is_offline(facts)):
        failures[label] = failures.get(label, 0) + 1


def _checkpoint_pulled(facts: Facts, begun: Begun, outcome: Outcome, at: Stamp) -> None:
    """However it went, the next one has its time."""
    if "path" in begun.intent.args:
        facts.results.checkpoint_tried[str(begun.intent.args["path"])] = at


def _manifest_written(facts: Facts, begun: Begun, outcome: Outcome, at: Stamp) -> None:
    if outcome.status == "ok":
        facts.report.manifest_sha256 = str(outcome.data["sha256"])


OUTCOMES: dict[str, Callable[[Facts, Begun, Outcome, Stamp], None]] = {
    Op.TAKE_OVER: _taken_over,
    Op.CREATE_POD: _created,
    Op.START_POD: _started,
    Op.STOP_POD: _stopped,
    Op.DELETE_POD: _deleted,
    Op.ARM_SWITCH: _armed,
    Op.RUN_STEP: _step,
    Op.PLACE_SECRETS: _placed,
    Op.REMOVE_SECRETS: _removed,
    Op.TAKE_LEASE: _lease_taken,
    Op.DROP_LEASE: _lease_dropped,
    Op.PUSH_TREE: _pushed,
    Op.LAUNCH_JOB: _launched,
    Op.STOP_JOB: _job_stopped,
    Op.FETCH_LOG: _log_fetched,
    Op.PULL_CHECKPOINT: _checkpoint_pulled,
    Op.PULL_ARTIFACT: _pulled,
    Op.WRITE_MANIFEST: _manifest_written,
}
