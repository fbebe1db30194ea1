"""How a move, and a new process, change the facts."""

from __future__ import annotations

from collections.abc import Callable

from rpd.engine.deadline import carried_over, elapsed
from rpd.journal.records import Stamp, Transition
from rpd.states.facts import Facts
from rpd.states.facts.launch import Fetching, Launch
from rpd.states.facts.pod import Knocks, Missed, candidate_key, close_spans
from rpd.states.facts.release import Release
from rpd.states.facts.run import Contact, Ending, Lease, Process
from rpd.states.facts.search import Refusal, Search
from rpd.states.facts.tries import Tries
from rpd.states.policy.outage import is_unreached
from rpd.states.policy.places import failed_place
from rpd.states.policy.rules import used
from rpd.states.ports.names import ENDINGS, Op, Reason, State, Trigger


def move_to(facts: Facts, move: Transition, at: Stamp) -> None:
    """The reason of an ending stays until a later one replaces it. Counters of tries belong to a state."""
    reason = _reason(move.reason)
    if reason in ENDINGS:
        if reason is not facts.ending.reason:  # a later move repeats it, with a text about something else
            facts.ending.text = move.why
        facts.ending.reason = reason
    elif move.trigger == Trigger.HOST_FAILED:
        facts.search.host_failure = reason
        # A pod that was taken up, or that a person comes back to, says nothing about a fresh pod.
        is_taken = facts.pod is not None and (facts.pod.origin.paused is not None or facts.is_attended)
        # A price above the cap is no fault of the host, but the host is not tried again.
        facts.search.host_failures += int(reason is not Reason.HOST_TOO_DEAR and not is_taken)
        if (place := failed_place(facts, reason, at)) is not None:
            facts.search.bad_places = (*facts.search.bad_places, place)
        if facts.pod is not None and not is_taken:
            key = candidate_key(facts.pod.origin.candidate)
            facts.search.refusals[key] = Refusal(str(reason), move.why or str(reason))
    if move.trigger == Trigger.RELAUNCH:
        _launch_anew(facts, at)
    if move.trigger == Trigger.RETURNED:
        _return(facts, at)
    if facts.progress.entered is not None:
        lasted = elapsed(facts.progress.entered, at)
        facts.progress.seconds_in[move.source] = facts.progress.seconds_in.get(move.source, 0.0) + lasted
    facts.state, facts.progress.entered = State(move.dest), at
    if move.source == State.COLLECT and move.trigger != Trigger.COLLECTED:
        facts.results.gave_up = not _is_cut_off(facts)
    facts.contact.tries.clear()
    if move.source == State.PREFLIGHT and move.trigger == Trigger.STEPS_DONE and facts.pod is not None:
        facts.launch.prepared = facts.pod.name, facts.pod.container_name
        facts.launch.prepared_epoch = facts.process.epoch
    _ENTERING.get(facts.state, _nothing)(facts, move, at)


def _is_cut_off(facts: Facts) -> bool:
    """Collecting ends because no call gets through, or before all was tried; not because results cannot be fetched."""
    if any(label not in facts.results.pulled and label not in facts.results.errors for label in facts.uncollected):
        return True
    last = (facts.tried(op) for op in (Op.STOP_JOB, Op.FETCH_LOG, Op.PLACE_SECRETS, Op.PULL_ARTIFACT))
    return any(tries.failures and is_unreached(Op.PULL_ARTIFACT, tries.reason) for tries in last)


def _launch_anew(facts: Facts, at: Stamp) -> None:
    """The earlier launch is over and lost. Its output and results do not count any more, but its checkpoints do."""
    if facts.pod is not None:
        facts.pod.holds = "launch" if facts.has_launched_here else ""
    facts.launch = Launch(facts.launch.number + 1, at, lost_in=facts.launch.prepared)
    # What was sold out then may have stock now.
    facts.search = Search(facts.search.bad_places, stocked=facts.search.stocked)
    facts.ending = Ending()
    facts.container.armed, facts.container.armed_start = None, -1  # the switch has to look after the next one


def _return(facts: Facts, at: Stamp) -> None:
    """A person comes back to a session. The switch gets new orders, and a pod that was stopped a new budget."""
    pod = facts.pod
    if pod is not None and pod.released_as == "stop":
        facts.progress.granted_seconds, facts.progress.granted_usd = used(facts, at)
    if pod is not None:
        pod.kept_until, pod.container.armed, pod.container.armed_start = None, None, -1
    facts.ending, facts.search.host_failure = Ending(), None


def _enter_boot(facts: Facts, move: Transition, at: Stamp) -> None:
    facts.container.awaited_since, facts.contact.offline_seconds = at, 0.0
    facts.container.served = ()
    if move.trigger == Trigger.RETURNED:
        facts.container.greeting, facts.container.knocks = None, Knocks()
    if move.trigger == Trigger.POD_STOPPED and facts.pod is not None:
        facts.launch.claim_is_fresh = False
        facts.container.armed_start = -1
        facts.pod.container.knocks = Knocks()
        facts.pod.restarts += int(not facts.pod.is_seen_stopped)
        if move.reason != Reason.HOST_KEY_CHANGED:
            facts.pod.container.greeting = None
        facts.results.gave_up = False


def _enter_attend(facts: Facts, move: Transition, at: Stamp) -> None:
    if facts.pod is not None:
        facts.pod.holds = "person"
    if move.trigger == Trigger.PARKED:
        facts.progress.parked_epoch = facts.process.epoch


def _enter_tunnel(facts: Facts, move: Transition, at: Stamp) -> None:
    facts.contact.offline_seconds = 0.0


def _enter_collect(facts: Facts, move: Transition, at: Stamp) -> None:
    facts.results.since = at
    facts.contact.offline_seconds = 0.0
    facts.results.gave_up = False
    if move.trigger == Trigger.PARKED:
        facts.progress.parked_epoch = facts.process.epoch


def _enter_release(facts: Facts, move: Transition, at: Stamp) -> None:
    facts.release = Release(at)  # releases that were tried beside the pod in hand do not count any more
    if move.trigger == Trigger.POD_GONE and facts.pod is not None:
        close_spans(facts.pod, facts.pod.missed.since or at)
        facts.pod.is_gone = True


def _enter_select(facts: Facts, move: Transition, at: Stamp) -> None:
    if move.trigger == Trigger.TRY_NEXT:
        if facts.pod is not None:
            facts.pod.is_gone = facts.pod.origin.paused is None or facts.pod.released_as != "stop"
        facts.search.host_failure, facts.search.stocked = None, None
    facts.current = None


def _enter_report(facts: Facts, move: Transition, at: Stamp) -> None:
    facts.report.manifest_sha256 = None  # a manifest that was written while the pod stayed up is not final
    _enter_done(facts, move, at)


def _enter_done(facts: Facts, move: Transition, at: Stamp) -> None:
    for pod in facts.pods.values():
        pod.is_gone = pod.is_gone or pod.released_as != "stop"


def _nothing(facts: Facts, move: Transition, at: Stamp) -> None:
    """Most states need nothing on entry."""


def resume(facts: Facts, at: Stamp) -> None:
    """A new process forgets the requests and the counts of the old one."""
    _carry_over(facts, at)
    facts.process = Process(facts.process.epoch, facts.process.owner, at)
    words = {op: Tries(error=each.error, reason=each.reason) for op, each in facts.contact.tries.items()}
    facts.contact = Contact(words)
    facts.release = Release(facts.release.since)
    facts.results.fetching = Fetching()
    facts.lease = Lease(facts.lease.key)
    facts.launch.claim_is_fresh = False
    if facts.results.since is not None:
        facts.results.since = at
    for twin in facts.pods.values():
        if twin.origin.twin_of is not None:
            twin.missed = Missed()
    pod = facts.pod
    if pod is not None:
        pod.missed, pod.refused_starts = Missed(), 0
        if pod.id is None and pod.is_unknown and pod.origin.create_error is None:
            pod.origin.last_sent_at = at  # the process before may have slept between its intent and its request


def _carry_over(facts: Facts, at: Stamp) -> None:
    """Move the moments that waits still count from to the clocks of the present machine. If a wall clock was wrong, a
    wait would otherwise last until the right clock has caught up with it.
    """
    if facts.process.since is None or facts.process.since.boot == at.boot:
        return
    for pod in facts.pods.values():
        pod.origin.last_sent_at = carried_over(pod.origin.last_sent_at, at)
        pod.origin.sent_at = carried_over(pod.origin.sent_at, at)
        if pod.started_at is not None:
            pod.started_at = carried_over(pod.started_at, at)
        for span in pod.spans:
            if span.until is None:
                span.since = carried_over(span.since, at)
    facts.debts.released = {pod_id: carried_over(moment, at) for pod_id, moment in facts.debts.released.items()}
    facts.results.checkpoint_tried = {
        path: carried_over(moment, at) for path, moment in facts.results.checkpoint_tried.items()
    }
    if facts.launch.claimed_since is not None:
        facts.launch.claimed_since = carried_over(facts.launch.claimed_since, at)


def _reason(word: str | None) -> Reason | None:
    try:
        return Reason(word) if word is not None else None
    except ValueError:
        return None


_ENTERING: dict[State, Callable[[Facts, Transition, Stamp], None]] = {
    State.BOOT: _enter_boot,
    State.TUNNEL: _enter_tunnel,
    State.ATTEND: _enter_attend,
    State.COLLECT: _enter_collect,
    State.RELEASE: _enter_release,
    State.SELECT: _enter_select,
    State.REPORT: _enter_report,
    State.DONE: _enter_done,
}
