"""How what a look saw changes the facts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from rpd.journal.records import Observation, Stamp
from rpd.states.facts import Facts
from rpd.states.facts.pod import Missed, Span, close_spans
from rpd.states.facts.release import Found, Proof
from rpd.states.facts.search import Hardware
from rpd.states.outage import is_unreached
from rpd.states.ports.boot_signs import Seen
from rpd.states.ports.faults import Fault
from rpd.states.ports.log_reading import LogReading
from rpd.states.ports.names import Op, Reason
from rpd.states.ports.world import Claim, Greeting, Offer, Paused, Pod
from rpd.states.proof import count_survey
from rpd.states.twin import note_twins

KEY_FAULTS = frozenset({Fault.KEY_REFUSED, Fault.FORBIDDEN, Fault.BLOCKED})
"""Faults that only a person can mend, with another key."""

LASTING: dict[str, Reason] = {
    Fault.BARRED: Reason.SSH_REFUSED,
    Fault.NO_SESSION: Reason.SSH_REFUSED,
    Fault.NO_TOOL: Reason.SSH_REFUSED,
    Fault.READ_ONLY: Reason.VOLUME_REFUSED,
    Fault.DISK_FULL: Reason.VOLUME_REFUSED,
}
"""Refusals of a pod to be greeted that are settings of its image or its volume: neither time nor another host changes
them. A key that is not accepted is none of them: a container that starts may not have written it yet."""

SWITCH_SECONDS = 120.0
"""How late the switch in the pod may be, with its interval and a cloud that takes its time."""


def _inputs_seen(facts: Facts, data: dict[str, Any], at: Stamp) -> None:
    facts.process.problems = tuple(data["problems"])


def _paused_seen(facts: Facts, data: dict[str, Any], at: Stamp) -> None:
    before = (facts.lineage.paused or ())[: data.get("after", 0)]
    facts.lineage.paused = (*before, *msgspec.convert(data["paused"], list[Paused]))
    facts.lineage.left_out = data.get("left_out", 0)


def _offers_seen(facts: Facts, data: dict[str, Any], at: Stamp) -> None:
    facts.search.offers = tuple(msgspec.convert(data["offers"], list[Offer]))
    hardware = msgspec.convert(data.get("hardware"), tuple[Hardware, ...] | None)
    if facts.names.hardware is None and hardware is not None:  # later looks are for prices: the words keep their sense
        facts.names.hardware = hardware
        _named(facts, data)


def _named(facts: Facts, data: dict[str, Any]) -> None:
    facts.names.meant.update({word: tuple(ids) for word, ids in data.get("meant", {}).items()})
    facts.names.misnamed += tuple(data.get("problems", ()))


def _places_seen(facts: Facts, data: dict[str, Any], at: Stamp) -> None:
    facts.search.stocked = {gpu: tuple(places) for gpu, places in data.get("stocked", {}).items()}
    if facts.names.places is None and facts.job.pod.datacenters:
        facts.names.places = tuple(data["places"])
        _named(facts, data)


def _volume_seen(facts: Facts, data: dict[str, Any], at: Stamp) -> None:
    facts.names.volume_id, facts.names.volume_was_looked_up = data["volume_id"], True


def _pod_seen(facts: Facts, data: dict[str, Any], at: Stamp) -> None:
    pod = facts.pod
    if pod is None:
        return
    seen = described_pod(data)
    if seen is None or seen.status == "TERMINATED":
        pod.missed = pod.missed.again(at)
        return
    pod.missed, pod.seen, pod.was_found = Missed(), seen, True
    if seen.status == "EXITED":
        close_spans(pod, at)
    elif pod.kept_until is not None and seen.status == "RUNNING" and at.wall > pod.kept_until + SWITCH_SECONDS:
        pod.kept_until = None  # its switch has not acted: it bills on
    elif seen.status == "RUNNING" and (pod.spans[-1].until is not None if pod.spans else pod.origin.taken is not None):
        # Somebody else started it: what we did to it before does not hold any more.
        pod.spans.append(Span(at, seen.usd_per_hour or pod.usd_per_hour))
        pod.released_as = pod.kept_until = None
    elif seen.usd_per_hour and pod.spans and seen.usd_per_hour != pod.spans[-1].usd_per_hour:
        pod.usd_per_hour = pod.spans[-1].usd_per_hour = seen.usd_per_hour


def _samples_seen(facts: Facts, data: dict[str, Any], at: Stamp) -> None:
    facts.launch.idle_seconds = data["idle_seconds"]


def _holders_seen(facts: Facts, data: dict[str, Any], at: Stamp) -> None:
    facts.lease.is_computing = bool(data["computing"])
    facts.lease.stopped = tuple(data.get("stopped", ()))
    facts.lease.gone_since = None if facts.lease.is_computing else facts.lease.gone_since or at
    facts.lease.looks = 0 if facts.lease.is_computing else facts.lease.looks + 1


def _log_lines_seen(facts: Facts, data: dict[str, Any], at: Stamp) -> None:
    facts.container.why_not_up = (*data["lines"], *data.get("container", ()))
    facts.container.boot_sign = msgspec.convert(data.get("sign"), Seen | None)


def _greeted(facts: Facts, data: dict[str, Any], at: Stamp) -> None:
    if facts.pod is not None:
        facts.pod.container.greeting = msgspec.convert(data["greeting"], Greeting)
        facts.pod.container.greeted_place = facts.pod.place
        anchor = facts.pod.container.greeting.anchor_seq
        is_ahead = anchor is not None and anchor > facts.progress.seq
        facts.launch.was_taken_over = facts.launch.was_taken_over or is_ahead


def claim_seen(facts: Facts, data: dict[str, Any], at: Stamp) -> None:
    """The claim folder as just read; an exit code, once read, is not taken back."""
    claim = msgspec.convert(data["claim"], Claim)
    if facts.launch.claim is not None and facts.launch.claim.phase == "ended" and claim.phase != "ended":
        return  # an exit code, once read, is not taken back
    if facts.launch.claim is not None and facts.launch.claim.phase != "none" and claim.phase == "none":
        # Somebody removed the folder. What was started once is lost, never "not started yet".
        claim = msgspec.structs.replace(claim, phase="lost", note="the claim folder is gone")
    if facts.launch.claim is not None and facts.launch.claim.disk_was_full:
        claim = msgspec.structs.replace(claim, disk_was_full=True)  # a new container does not remember it
    facts.launch.claim, facts.launch.claim_is_fresh = claim, True
    facts.launch.heard += tuple(marker for marker in claim.heard if marker not in facts.launch.heard)
    facts.launch.claimed_since = (facts.launch.claimed_since or at) if claim.phase == "claimed" else None


def _watched(facts: Facts, data: dict[str, Any], at: Stamp) -> None:
    claim_seen(facts, data, at)
    if facts.launch.claim is not None and facts.launch.claim.phase == "ended":
        facts.results.log_fetched = True  # a watch that saw the end has followed the log to its last byte


def _log_read(facts: Facts, data: dict[str, Any], at: Stamp) -> None:
    facts.results.reading = msgspec.convert(data["reading"], LogReading)


def _surveyed(facts: Facts, data: dict[str, Any], at: Stamp) -> None:
    found = msgspec.convert(data["found"], list[Found])
    facts.process.surveyed = at
    is_whole = not data.get("left_out")
    note_twins(facts, found, at, is_whole=is_whole)
    count_survey(facts, found, at, is_whole=is_whole)


def failed_look(facts: Facts, observation: Observation, at: Stamp) -> None:
    """A survey that failed interrupts the proof, unless it never got there; a key that only a person can mend starts a
    deadline. A greeting that was refused says whether that may pass, and one that met nobody whether the pod's host has
    answered for it."""
    if observation.op == Op.GREET and facts.pod is not None:
        knocks = facts.pod.container.knocks
        is_closed = observation.reason == Fault.SSH_UNREACHABLE and observation.data.get("closed") is True
        knocks.closed_since = (knocks.closed_since or at) if is_closed else None
        if not is_unreached(Op.GREET, observation.reason):
            is_lasting = observation.reason in LASTING
            knocks.refused_since = (knocks.refused_since or at) if is_lasting else None
            knocks.refusals = knocks.refusals + 1 if is_lasting else 0
    if observation.op == Op.SURVEY and not is_unreached(observation.op, observation.reason):
        facts.release.proof = Proof(found=facts.release.proof.found)
        if observation.reason in KEY_FAULTS:
            facts.release.key_refused_since = facts.release.key_refused_since or at


def described_pod(data: dict[str, Any]) -> Pod | None:
    """The pod that a look or a create described; None when there is none."""
    return None if data.get("pod") is None else msgspec.convert(data["pod"], Pod)


SEEN: dict[str, Callable[[Facts, dict[str, Any], Stamp], None]] = {
    Op.CHECK_INPUTS: _inputs_seen,
    Op.FIND_PAUSED: _paused_seen,
    Op.READ_OFFERS: _offers_seen,
    Op.READ_PLACES: _places_seen,
    Op.FIND_VOLUME: _volume_seen,
    Op.READ_POD: _pod_seen,
    Op.READ_SYSTEM_LOG: _log_lines_seen,
    Op.GREET: _greeted,
    Op.READ_CLAIM: claim_seen,
    Op.WATCH_JOB: _watched,
    Op.READ_SAMPLES: _samples_seen,
    Op.READ_HOLDERS: _holders_seen,
    Op.READ_LOG: _log_read,
    Op.SURVEY: _surveyed,
}
